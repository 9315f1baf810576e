/* SPDX-License-Identifier: MIT */
/* MOD-7: Retry-After is 0 to 10 s, drawn anew for each answer; who are all told the same come back all at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "im/core.h"

enum { DRAWS = 400, VALUES = 11 };

static void on_random(void *u, void *p, size_t n)
{
	uint64_t *x = u;

	for (size_t i = 0; i < n; i++) {
		*x = *x * 6364136223846793005ull + 1442695040888963407ull;
		((uint8_t *)p)[i] = (uint8_t)(*x >> 56);
	}
}

static void every_value_of_the_band_and_no_other(void **state)
{
	uint64_t seed = 1;
	struct im im = { .port = { .w = &seed, .random = on_random } };
	unsigned seen[VALUES] = { 0 };
	char line[32];
	unsigned value;

	(void)state;
	for (unsigned i = 0; i < DRAWS; i++) {
		assert_int_equal(sscanf(im_retry_after(&im, line), "Retry-After: %u\r\n", &value), 1);
		assert_true(value < VALUES);
		seen[value]++;
	}
	for (unsigned v = 0; v < VALUES; v++)
		assert_in_range(seen[v], DRAWS / VALUES / 3, DRAWS / VALUES * 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_value_of_the_band_and_no_other) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
