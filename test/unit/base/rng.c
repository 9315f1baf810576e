/* SPDX-License-Identifier: MIT */
#include "lib/check.h"

#include "base/rng.h"

static void same_seed_same_numbers(void **state)
{
	struct rng a, b, c;
	bool differs = false;

	rng_seed(&a, 42);
	rng_seed(&b, 42);
	rng_seed(&c, 43);
	for (int i = 0; i < 100; i++) {
		uint64_t v = rng_u64(&a);
		assert_true(v == rng_u64(&b));
		differs |= v != rng_u64(&c);
	}
	assert_true(differs);
}

/* splitmix64 of seed 0 begins with this number; xoshiro256** gives rotl(s[1] * 5, 7) * 9 first. */
static void first_number_as_published(void **state)
{
	struct rng r;

	rng_seed(&r, 0);
	assert_true(r.s[0] == 0xe220a8397b1dcdaf);
	assert_true(r.s[1] == 0x6e789e6aa1b965f4);
	uint64_t x = r.s[1] * 5;
	assert_true(rng_u64(&r) == (x << 7 | x >> 57) * 9);
}

static void below_stays_below_and_reaches_all(void **state)
{
	struct rng r;
	unsigned seen[7] = { 0 };

	rng_seed(&r, 7);
	for (int i = 0; i < 7000; i++)
		seen[rng_below(&r, 7)]++;
	for (int i = 0; i < 7; i++) {
		assert_true(seen[i] > 800);
		assert_true(seen[i] < 1200);
	}
	assert_true(rng_below(&r, 1) == 0);
	for (int i = 0; i < 100; i++)
		assert_true(rng_below(&r, UINT64_MAX) < UINT64_MAX);
}

static void fill_writes_exactly_n(void **state)
{
	struct rng r;
	unsigned char b[24];

	for (size_t n = 0; n <= 20; n++) {
		unsigned changed = 0;
		rng_seed(&r, n);
		memset(b, 0, sizeof(b));
		rng_fill(&r, b + 1, n);
		for (size_t i = 0; i < n; i++)
			changed += b[1 + i] != 0;
		assert_true(changed >= n / 2);
		assert_int_equal(b[0], 0);
		assert_int_equal(b[1 + n], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_seed_same_numbers),
		cmocka_unit_test(first_number_as_published),
		cmocka_unit_test(below_stays_below_and_reaches_all),
		cmocka_unit_test(fill_writes_exactly_n),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
