/* SPDX-License-Identifier: MIT */
#include "lib/check.h"

#include "lib/oom.h"

#include <errno.h>

static void cut_clamps_to_the_span(void **state)
{
	struct span s = SPAN("abcdef");

	assert_span(span_cut(s, 1, 3), "bc");
	assert_span(span_cut(s, 4, 99), "ef");
	assert_span(span_cut(s, 99, 3), "");
	assert_span(span_cut(s, 7, 9), "");
	assert_span(span_skip(s, SPAN_NONE), "");
	assert_span(span_cut(SPAN_EMPTY, 0, 5), "");
}

static void find_and_chr(void **state)
{
	struct span s = SPAN("one two two");

	assert_int_equal(span_chr(s, 't'), 4);
	assert_true(span_chr(s, 'x') == SPAN_NONE);
	assert_true(span_chr(SPAN_EMPTY, 'x') == SPAN_NONE);
	assert_int_equal(span_find(s, SPAN("two")), 4);
	assert_int_equal(span_find(s, SPAN("")), 0);
	assert_true(span_find(s, SPAN("twos")) == SPAN_NONE);
	assert_true(span_find(SPAN_EMPTY, SPAN("a")) == SPAN_NONE);
	assert_true(span_find(SPAN("a"), SPAN("ab")) == SPAN_NONE);
}

static void equality_with_and_without_case(void **state)
{
	assert_true(span_eq(SPAN("ab"), SPAN("ab")));
	assert_false(span_eq(SPAN("ab"), SPAN("aB")));
	assert_true(span_ieq(SPAN("ab"), SPAN("aB")));
	assert_false(span_ieq(SPAN("ab"), SPAN("abc")));
	assert_true(span_eq(SPAN_EMPTY, SPAN("")));
	assert_true(span_starts(SPAN("abc"), SPAN("ab")));
	assert_false(span_starts(SPAN("a"), SPAN("ab")));
	assert_true(span_istarts(SPAN("ABC"), SPAN("ab")));
	assert_true(span_starts(SPAN_EMPTY, SPAN_EMPTY));
}

static void trim_takes_all_kinds_of_blanks(void **state)
{
	assert_span(span_trim(SPAN(" \t\r\n a b \r\n ")), "a b");
	assert_span(span_trim(SPAN(" \r\n")), "");
	assert_span(span_trim(SPAN_EMPTY), "");
}

static void split_yields_all_pieces(void **state)
{
	struct span rest = SPAN("a,,b");

	assert_span(span_split(&rest, ','), "a");
	assert_span(span_split(&rest, ','), "");
	assert_span(span_split(&rest, ','), "b");
	assert_int_equal(rest.n, 0);
	assert_span(span_split(&rest, ','), "");
}

static int number(const char *text, uint64_t max, uint64_t *out)
{
	return span_u64(span_of(text), max, out);
}

static void u64_reads_whole_numbers_only(void **state)
{
	uint64_t v = 7;

	assert_int_equal(number("0", 10, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(number("00068", 100, &v), 0);
	assert_int_equal(v, 68);
	assert_int_equal(number("18446744073709551615", UINT64_MAX, &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(number("18446744073709551616", UINT64_MAX, &v), -ERANGE);
	assert_int_equal(number("99999999999999999999999999", UINT64_MAX, &v), -ERANGE);
	assert_int_equal(number("256", 255, &v), -ERANGE);
	assert_int_equal(number("", 255, &v), -EINVAL);
	assert_int_equal(number("-1", 255, &v), -EINVAL);
	assert_int_equal(number("+1", 255, &v), -EINVAL);
	assert_int_equal(number("1 ", 255, &v), -EINVAL);
	assert_int_equal(number("99999999999999999999999999x", UINT64_MAX, &v), -EINVAL);
	assert_true(v == UINT64_MAX); /* untouched by failures */
}

static void dup_is_terminated_and_may_fail(void **state)
{
	char *z = span_dup(span_cut(SPAN("abcdef"), 0, 3));

	assert_string_equal(z, "abc");
	free(z);
	z = span_dup(SPAN_EMPTY);
	assert_string_equal(z, "");
	free(z);
	oom_fail_after(0);
	assert_null(span_dup(SPAN("abc")));
	assert_true(oom_end());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_clamps_to_the_span),
		cmocka_unit_test(find_and_chr),
		cmocka_unit_test(equality_with_and_without_case),
		cmocka_unit_test(trim_takes_all_kinds_of_blanks),
		cmocka_unit_test(split_yields_all_pieces),
		cmocka_unit_test(u64_reads_whole_numbers_only),
		cmocka_unit_test(dup_is_terminated_and_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
