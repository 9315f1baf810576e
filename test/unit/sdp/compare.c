/* SPDX-License-Identifier: MIT */
#include "sdp_test.h"

#include <stdio.h>

static bool same(const char *x, const char *y)
{
	static struct sdp a, b;

	must_parse(&a, x);
	must_parse(&b, y);
	assert_int_equal(sdp_same_content(&a, &b), sdp_same_content(&b, &a));
	return sdp_same_content(&a, &b);
}

static bool origin(const char *x, const char *y)
{
	static struct sdp a, b;
	char text[2][256];

	snprintf(text[0], sizeof(text[0]), V "%s" S T, x);
	snprintf(text[1], sizeof(text[1]), V "%s" S T, y);
	must_parse(&a, text[0]);
	must_parse(&b, text[1]);
	return sdp_same_origin(&a, &b);
}

static void compare_sdp_4_content_is_all_but_origin(void **state)
{
	static const char base[] = HEAD "a=x\r\n" MSG TYPES PATH;

	assert_true(same(base, base));
	assert_true(same(base, V "o=bob 1 99 IN IP6 ::1\r\n" S C T "a=x\r\n" MSG TYPES PATH));
	assert_true(same(base, "v=0\no=- 7 7 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\na=x\n"
			       "m=message 2855 TCP/MSRP *\na=accept-types:text/plain\n"
			       "a=path:msrp://192.0.2.1:2855/s111;tcp"));
}

static void compare_sdp_4_what_makes_a_difference(void **state)
{
	static const char base[] = HEAD "a=x\r\n" MSG TYPES PATH;
	static const char *const other[] = {
		V O "s=other\r\n" C T "a=x\r\n" MSG TYPES PATH,
		V O S "c=IN IP4 192.0.2.2\r\n" T "a=x\r\n" MSG TYPES PATH,
		V O S C "t=0 1\r\n"
			"a=x\r\n" MSG TYPES PATH,
		HEAD "a=y\r\n" MSG TYPES PATH,
		HEAD MSG TYPES PATH,
		HEAD "a=x\r\n" MSG PATH TYPES,
		HEAD "a=x\r\n" MSG TYPES,
		HEAD "a=x\r\n" MSG TYPES PATH "a=sendrecv\r\n",
		HEAD "a=x\r\n" MSG TYPES PATH MSG,
		HEAD "a=x\r\nm=message 0 TCP/MSRP *\r\n" TYPES PATH,
		HEAD "a=x\r\nm=message 2855/2 TCP/MSRP *\r\n" TYPES PATH,
		HEAD "a=x\r\nm=message 2855 TCP/TLS/MSRP *\r\n" TYPES PATH,
		HEAD "a=x\r\nm=text 2855 TCP/MSRP *\r\n" TYPES PATH,
		HEAD "a=x\r\n" MSG "a=accept-types:TEXT/plain\r\n" PATH,
		HEAD MSG "a=x\r\n" TYPES PATH, /* the same lines, cut at another place */
	};

	for (size_t i = 0; i < ARRAY_LEN(other); i++)
		if (same(base, other[i]))
			fail_msg("same as %s", other[i]);
}

static void compare_sdp_5_origin(void **state)
{
	static const char *const other[] = {
		"o=a 7 7 IN IP4 192.0.2.1\r\n", "o=- 8 7 IN IP4 192.0.2.1\r\n",
		"o=- 7 7 XX IP4 192.0.2.1\r\n", "o=- 7 7 IN IP6 192.0.2.1\r\n",
		"o=- 7 7 IN IP4 192.0.2.2\r\n",
	};

	assert_true(origin(O, O));
	assert_true(origin(O, "o=- 7 4711 in ip4 192.0.2.1\r\n")); /* only the version moved */
	for (size_t i = 0; i < ARRAY_LEN(other); i++)
		if (origin(O, other[i]))
			fail_msg("same as %s", other[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compare_sdp_4_content_is_all_but_origin),
		cmocka_unit_test(compare_sdp_4_what_makes_a_difference),
		cmocka_unit_test(compare_sdp_5_origin),
	};
	return cmocka_run_group_tests_name("sdp/compare", tests, NULL, NULL);
}
