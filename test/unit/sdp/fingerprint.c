/* SPDX-License-Identifier: MIT */
/* a=fingerprint (RFC 8122 5): which of them count, and when two descriptions name the same certificates. */
#include <stdio.h>

#include "sdp_test.h"

#undef HEAD

#define HEAD "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
#define LINE "m=message 2855 TCP/TLS/MSRP *\r\n"
#define TEN(x) x ":" x ":" x ":" x ":" x ":" x ":" x ":" x ":" x ":" x
#define SHA1(x) "a=fingerprint:sha-1 " TEN(x) ":" TEN(x) "\r\n"
#define SHA256(x) "a=fingerprint:sha-256 " TEN(x) ":" TEN(x) ":" TEN(x) ":" x ":" x "\r\n"
#define SHA512(x)                                                                                          \
	"a=fingerprint:SHA-512 " TEN(x) ":" TEN(x) ":" TEN(x) ":" TEN(x) ":" TEN(x) ":" TEN(x) ":" x ":" x \
											       ":" x ":" x \
											       "\r\n"

static struct sdp_prints prints(const char *text, enum sdp_hash weakest)
{
	static struct sdp s;
	struct sdp_prints p;

	memset(&p, 0xa5, sizeof(p));
	assert_int_equal(sdp_parse(&s, span_of(text), NULL), 0);
	sdp_prints_of(&s, 0, weakest, &p);
	return p;
}

static void up_46_the_strongest_count(void **state)
{
	struct sdp_prints p = prints(HEAD LINE SHA256("01") SHA512("02") SHA1("03") SHA512("fE"), SDP_SHA1);

	assert_int_equal(p.hash, SDP_SHA512);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.digest[0][63], 2);
	assert_int_equal(p.digest[1][0], 0xfe);
	assert_false(p.bad);
	p = prints(HEAD LINE SHA1("03"), SDP_SHA256);
	assert_int_equal(p.n, 0);
	assert_int_equal(p.hash, SDP_HASH_NONE);
	assert_int_equal(prints(HEAD LINE SHA1("03"), SDP_SHA1).hash, SDP_SHA1);
	assert_int_equal(prints(HEAD LINE, SDP_SHA1).n, 0);
}

static void sdp_13_the_session_stands_in(void **state)
{
	struct sdp_prints p = prints(HEAD SHA256("01") SHA256("02") LINE, SDP_SHA256);

	assert_int_equal(p.n, 2);
	p = prints(HEAD SHA512("01") LINE SHA256("09"), SDP_SHA256);
	assert_int_equal(p.hash, SDP_SHA256);
	assert_int_equal(p.n, 1);
}

static void what_cannot_be_read_is_said(void **state)
{
	static const char *const bad[] = { "sha-256",
					   "sha-256 ",
					   "sha-1 " TEN("0") ":" TEN("0"),
					   "sha-1 " TEN("00"),
					   "sha-1 " TEN("0g") ":" TEN("00"),
					   "sha-1 " TEN("00") "-" TEN("00"),
					   "sha-1 " TEN("00") ":" TEN("00") ":" };
	char text[1024];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(text, sizeof(text), HEAD LINE "a=fingerprint:%s\r\n", bad[i]);
		assert_true(prints(text, SDP_SHA256).bad);
		assert_int_equal(prints(text, SDP_SHA256).n, 0);
	}
	assert_false(prints(HEAD LINE "a=fingerprint:md5 00\r\na=fingerprint:sha3-256 xx\r\n", SDP_SHA1).bad);
}

static void more_than_are_kept(void **state)
{
	struct sdp_prints p = prints(HEAD LINE SHA256("01") SHA256("02") SHA256("03") SHA256("04")
					     SHA256("05") SHA256("06") SHA256("07") SHA256("08") SHA256("09"),
				     SDP_SHA256);

	assert_int_equal(p.n, SDP_PRINTS_MAX);
}

static void up_49_same_in_any_order(void **state)
{
	struct sdp_prints a = prints(HEAD LINE SHA256("01") SHA256("02"), SDP_SHA256);
	struct sdp_prints b = prints(HEAD SHA256("02") SHA1("07") SHA256("01") LINE, SDP_SHA256);
	struct sdp_prints c = prints(HEAD LINE SHA256("01") SHA256("03"), SDP_SHA256);
	struct sdp_prints d = prints(HEAD LINE SHA256("01"), SDP_SHA256);
	struct sdp_prints none = prints(HEAD LINE, SDP_SHA256);

	assert_true(sdp_same_prints(&a, &b));
	assert_false(sdp_same_prints(&a, &c));
	assert_false(sdp_same_prints(&a, &d));
	assert_false(sdp_same_prints(&none, &d));
	assert_true(sdp_same_prints(&none, &none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(up_46_the_strongest_count),   cmocka_unit_test(sdp_13_the_session_stands_in),
		cmocka_unit_test(what_cannot_be_read_is_said), cmocka_unit_test(more_than_are_kept),
		cmocka_unit_test(up_49_same_in_any_order),
	};

	return cmocka_run_group_tests_name("sdp/fingerprint", tests, NULL, NULL);
}
