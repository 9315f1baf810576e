/* SPDX-License-Identifier: MIT */
#include "lib/check.h"

#include <errno.h>

#include "sip/uri.h"

static struct sip_uri u;

static int parse(const char *text)
{
	return sip_uri_parse(&u, span_of(text));
}

static void a_sip_uri_has_all_parts(void **state)
{
	assert_int_equal(parse("sips:ann:secret@example.org:5071;transport=tcp;lr?Subject=hi&To=x%40y"), 0);
	assert_int_equal(u.scheme, SIP_URI_SIPS);
	assert_span(u.scheme_name, "sips");
	assert_span(u.user, "ann");
	assert_span(u.password, "secret");
	assert_span(u.host, "example.org");
	assert_int_equal(u.port, 5071);
	assert_span(u.params, "transport=tcp;lr");
	assert_span(u.headers, "Subject=hi&To=x%40y");
	assert_int_equal(parse("SIP:example.org"), 0);
	assert_int_equal(u.scheme, SIP_URI_SIP);
	assert_span(u.user, "");
	assert_int_equal(u.port, 0);
	assert_span(u.params, "");
}

static void a_user_may_hold_separators(void **state)
{
	assert_int_equal(parse("sip:a;b=c?d,/;&=+$-_.!~*'()@example.org;x"), 0);
	assert_span(u.user, "a;b=c?d,/;&=+$-_.!~*'()");
	assert_span(u.params, "x");
	assert_int_equal(parse("sip:+1555@example.org;user=phone"), 0);
	assert_span(u.user, "+1555");
}

static void ipv6_hosts_keep_their_brackets(void **state)
{
	assert_int_equal(parse("sip:ann@[2001:db8::10:5070]"), 0);
	assert_span(u.host, "[2001:db8::10:5070]");
	assert_int_equal(u.port, 0);
	assert_int_equal(parse("sip:[2001:db8::10]:5070;lr"), 0);
	assert_int_equal(u.port, 5070);
	assert_int_equal(parse("sip:[2001:db8:::192.0.2.1]"), 0); /* RFC 5118 4.10 */
	assert_int_equal(parse("sip:2001:db8::10"), -EINVAL);
	assert_int_equal(parse("sip:[2001:db8::10"), -EINVAL);
	assert_int_equal(parse("sip:[]"), -EINVAL);
	assert_int_equal(parse("sip:[1::1]x"), -EINVAL);
	assert_int_equal(parse("sip:[example.org]"), -EINVAL);
}

static void tel_and_other_schemes(void **state)
{
	assert_int_equal(parse("tel:+1-555-0100;ext=7"), 0);
	assert_int_equal(u.scheme, SIP_URI_TEL);
	assert_span(u.user, "+1-555-0100");
	assert_span(u.params, "ext=7");
	assert_int_equal(parse("tel:"), -EINVAL);
	assert_int_equal(parse("im:ann@example.org"), 0);
	assert_int_equal(u.scheme, SIP_URI_OTHER);
	assert_span(u.scheme_name, "im");
	assert_span(u.host, "");
	assert_int_equal(parse("soap.beep://192.0.2.103:3002"), 0);
	assert_int_equal(parse("urn:service:sos"), 0);
}

static void broken_uris(void **state)
{
	static const char *const texts[] = {
		"",
		":",
		"sip",
		"sip:",
		":x@y",
		"sip:@example.org",
		"sip::pw@example.org",
		"sip:ann@",
		"sip:ann@example.org:",
		"sip:ann@example.org:0",
		"sip:ann@example.org:65536",
		"sip:ann@example.org:5o60",
		"sip:a@b@c",
		"sip:ann@exam ple.org",
		" sip:ann@example.org",
		"sip:ann@example.org>",
		"sip:\"ann\"@example.org",
		"sip:ann@example.org/path",
		"s/p:ann@example.org",
		"sip:ann@example.org;a\tb",
		"sip:ann@\x7f",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(parse(texts[i]), -EINVAL);
}

static bool equal(const char *a, const char *b)
{
	bool r = sip_uri_eq(span_of(a), span_of(b));
	assert_int_equal(sip_uri_eq(span_of(b), span_of(a)), r);
	return r;
}

static void equal_as_rfc_3261_19_1_4_says(void **state)
{
	/* Case counts in the user part only. */
	assert_true(equal("sip:ann@example.org;transport=tcp", "SIP:ann@EXAMPLE.ORG;Transport=TCP"));
	assert_false(equal("sip:ann@example.org", "sip:Ann@example.org"));
	assert_false(equal("sip:ann:a@example.org", "sip:ann:A@example.org"));
	assert_true(equal("sip:%61nn@example.org", "sip:ann@example.org"));
	assert_true(equal("sip:a%6e%6E@example.org", "sip:ann@example.org"));
	assert_false(equal("sip:a%3bn@example.org", "sip:a;n@example.org")); /* reserved: not the same */
	assert_true(equal("sip:a%3bn@example.org", "sip:a%3Bn@example.org"));
	assert_false(equal("sip:ann@example.org", "sips:ann@example.org"));
	assert_false(equal("sip:ann@example.org", "sip:example.org"));
	assert_false(equal("sip:ann@example.org", "sip:ann:@example.org:5060"));

	/* No port is not the default port. */
	assert_false(equal("sip:ann@example.org", "sip:ann@example.org:5060"));
	assert_true(equal("sip:ann@example.org:05060", "sip:ann@example.org:5060"));

	/* Parameters in one URI only. */
	assert_true(equal("sip:ann@example.org", "sip:ann@example.org;lr;x=1"));
	assert_true(equal("sip:ann@example.org;a=1", "sip:ann@example.org;b=2"));
	assert_false(equal("sip:ann@example.org;a=1", "sip:ann@example.org;a=2"));
	assert_false(equal("sip:ann@example.org;a=1", "sip:ann@example.org;a"));
	assert_false(equal("sip:ann@example.org", "sip:ann@example.org;user=ip"));
	assert_false(equal("sip:ann@example.org", "sip:ann@example.org;ttl=1"));
	assert_false(equal("sip:ann@example.org", "sip:ann@example.org;method=INVITE"));
	assert_false(equal("sip:ann@example.org", "sip:ann@example.org;maddr=192.0.2.1"));
	assert_false(equal("sip:ann@example.org", "sip:ann@example.org;transport=udp"));
	assert_true(equal("sip:ann@example.org;a=1;b=2", "sip:ann@example.org;B=2;A=1"));

	/* Headers always count, in any order. */
	assert_true(equal("sip:ann@example.org?a=1&b=2", "sip:ann@example.org?B=2&a=1"));
	assert_false(equal("sip:ann@example.org", "sip:ann@example.org?a=1"));
	assert_false(equal("sip:ann@example.org?a=1", "sip:ann@example.org?a=2"));

	/* Addresses by value. */
	assert_true(equal("sip:[2001:DB8::1]", "sip:[2001:db8:0:0::1]"));
	assert_false(equal("sip:[2001:db8::1]", "sip:[2001:db8::2]"));

	assert_false(equal("sip:", "sip:")); /* no URIs at all */
}

static void equal_as_rfc_3966_4_says(void **state)
{
	assert_true(equal("tel:+1-555-(010).0", "TEL:+15550100"));
	assert_false(equal("tel:+15550100", "tel:15550100"));
	assert_true(equal("tel:+1555;ext=1-2;a=b", "tel:+1555;A=B;ext=12"));
	assert_false(equal("tel:+1555;a=b", "tel:+1555"));
	assert_false(equal("tel:+1555", "tel:+15551"));
	assert_true(equal("tel:7;phone-context=+1-555", "tel:7;phone-context=+1555"));
	assert_false(equal("tel:7;phone-context=a-b.example", "tel:7;phone-context=ab.example"));
	assert_false(equal("tel:+1555", "sip:+1555@example.org"));
}

static void other_schemes_equal_byte_for_byte(void **state)
{
	assert_true(equal("im:ann@example.org", "im:ann@example.org"));
	assert_false(equal("im:ann@example.org", "im:ann@EXAMPLE.org"));
}

static void unescapes_to(const char *text, const char *want)
{
	char out[64];
	struct wbuf w = wbuf_on(out, strlen(text));

	w_unescape(&w, span_of(text));
	assert_written(&w, want);
}

static void unescape_leaves_what_is_no_escape(void **state)
{
	char nul[3];
	struct wbuf w = wbuf_on(nul, sizeof(nul));

	unescapes_to("%61%6E%6e", "ann");
	unescapes_to("100%", "100%");
	unescapes_to("%4", "%4");
	unescapes_to("%GG%zz%25", "%GG%zz%");
	unescapes_to("", "");
	w_unescape(&w, SPAN("%00"));
	assert_true(w_ok(&w));
	assert_int_equal(w.n, 1);
	assert_int_equal(nul[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sip_uri_has_all_parts),
		cmocka_unit_test(a_user_may_hold_separators),
		cmocka_unit_test(ipv6_hosts_keep_their_brackets),
		cmocka_unit_test(tel_and_other_schemes),
		cmocka_unit_test(broken_uris),
		cmocka_unit_test(equal_as_rfc_3261_19_1_4_says),
		cmocka_unit_test(equal_as_rfc_3966_4_says),
		cmocka_unit_test(other_schemes_equal_byte_for_byte),
		cmocka_unit_test(unescape_leaves_what_is_no_escape),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
