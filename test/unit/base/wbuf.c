/* SPDX-License-Identifier: MIT */
#include "lib/check.h"

static void writes_forward(void **state)
{
	char text[64];
	struct wbuf w = wbuf_on(text, sizeof(text));

	w_str(&w, "a=");
	w_u64(&w, 0);
	w_chr(&w, ' ');
	w_u64(&w, UINT64_MAX);
	w_span(&w, SPAN_EMPTY);
	w_span(&w, SPAN(" x"));
	w_fmt(&w, "%03d", 7);
	assert_written(&w, "a=0 18446744073709551615 x007");
}

static void hex_has_two_digits_a_byte(void **state)
{
	char text[6];
	struct wbuf w = wbuf_on(text, sizeof(text));

	w_hex(&w, "\x00\xaf\x10", 3);
	assert_written(&w, "00af10");
	w_hex(&w, "", 0);
	assert_true(w_ok(&w));
	w_hex(&w, "x", 1);
	assert_false(w_ok(&w));
}

static void what_does_not_fit_is_remembered(void **state)
{
	char text[8];
	struct wbuf w = wbuf_on(text, 4);

	memset(text, '#', sizeof(text));
	w_str(&w, "abcd"); /* exactly */
	assert_true(w_ok(&w));
	w_str(&w, "");
	assert_true(w_ok(&w));
	w_chr(&w, 'e');
	assert_false(w_ok(&w));
	assert_span(w_span_of(&w), "abcd");
	assert_memory_equal(text + 4, "####", 4);
}

static void nothing_is_written_after_the_first_that_did_not_fit(void **state)
{
	char text[4];
	struct wbuf w = wbuf_on(text, sizeof(text));

	w_str(&w, "ab");
	w_str(&w, "too long");
	w_chr(&w, 'c'); /* would fit, but would follow a hole */
	w_fmt(&w, "d");
	w_hex(&w, "e", 1);
	assert_false(w_ok(&w));
	assert_span(w_span_of(&w), "ab");
}

static void fmt_that_does_not_fit_counts_for_nothing(void **state)
{
	char text[4];
	struct wbuf w = wbuf_on(text, sizeof(text));

	w_fmt(&w, "%d", 123456);
	assert_false(w_ok(&w));
	assert_int_equal(w.n, 0);

	w = wbuf_on(NULL, 0);
	w_fmt(&w, "x");
	assert_false(w_ok(&w));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_forward),
		cmocka_unit_test(hex_has_two_digits_a_byte),
		cmocka_unit_test(what_does_not_fit_is_remembered),
		cmocka_unit_test(nothing_is_written_after_the_first_that_did_not_fit),
		cmocka_unit_test(fmt_that_does_not_fit_counts_for_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
