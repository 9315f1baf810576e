/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "msrp/range.h"

static void same_again(const char *text)
{
	struct msrp_range r;
	char out[80];
	struct wbuf w = wbuf_on(out, sizeof(out));

	assert_int_equal(msrp_range_parse(&r, span_of(text)), 0);
	w_msrp_range(&w, &r);
	assert_int_equal(w.n, strlen(text));
	assert_memory_equal(out, text, w.n);
}

static void range_32_good(void **state)
{
	static const char *const good[] = { "1-0/0",
					    "1-*/*",
					    "1-10/10",
					    "1-5/10",
					    "6-10/10",
					    "6-*/10",
					    "11-10/20",
					    "1-*/0",
					    "1-0/*",
					    "5-4/*",
					    "1-9223372036854775807/9223372036854775807" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		same_again(good[i]);
}

static void range_32_bad(void **state)
{
	static const char *const bad[] = { "",
					   "0-1/2",
					   "1-2",
					   "1/2",
					   "11-10/10",
					   "5-3/10",
					   "a-2/3",
					   "1-b/3",
					   "1-2/c",
					   "1--2/3",
					   "-1-2/3",
					   "*-2/3",
					   "1-2/3/4",
					   " 1-2/3",
					   "1-2/3 ",
					   "+1-2/3",
					   "2-1/0",
					   "1-1/0",
					   "9223372036854775808-*/*",
					   "1-18446744073709551615/*",
					   "1-*/99999999999999999999" };
	struct msrp_range r;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(msrp_range_parse(&r, span_of(bad[i])), -EINVAL);
}

static void cover_25a_joins(void **state)
{
	struct msrp_cover c = { 0 };

	msrp_cover_add(&c, 11, 20);
	msrp_cover_add(&c, 1, 5);
	assert_int_equal(c.n, 2);
	assert_false(msrp_cover_has(&c, 1, 20));
	assert_true(msrp_cover_has(&c, 12, 20));
	assert_true(msrp_cover_has(&c, 1, 0));
	msrp_cover_add(&c, 9, 3); /* nothing */
	msrp_cover_add(&c, 5, 12);
	assert_int_equal(c.n, 1);
	assert_true(msrp_cover_has(&c, 1, 20));
	msrp_cover_add(&c, 21, UINT64_MAX);
	assert_int_equal(c.n, 1);
	assert_true(msrp_cover_has(&c, 1, UINT64_MAX));
}

/* Against a set of bits, as long as the intervals suffice. */
static void cover_25a_random(void **state)
{
	uint32_t seed = 7;

	for (unsigned round = 0; round < 5000; round++) {
		struct msrp_cover c = { 0 };
		bool bit[34] = { 0 }, full = false;
		for (unsigned i = 0; i < 12; i++) {
			seed = seed * 1664525u + 1013904223u;
			uint64_t from = 1 + (seed >> 8) % 32, to = from + (seed >> 16) % 4;
			if (to > 32)
				to = 32;
			full |= c.n == MSRP_COVER_MAX;
			msrp_cover_add(&c, from, to);
			for (uint64_t k = from; k <= to; k++)
				bit[k] = true;
		}
		for (uint64_t from = 1; from <= 32; from++) {
			bool all = true;
			for (uint64_t to = from; to <= 32; to++) {
				all = all && bit[to];
				if (full)
					assert_true(!msrp_cover_has(&c, from, to) || all);
				else
					assert_int_equal(msrp_cover_has(&c, from, to), all);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(range_32_good),
		cmocka_unit_test(range_32_bad),
		cmocka_unit_test(cover_25a_joins),
		cmocka_unit_test(cover_25a_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
