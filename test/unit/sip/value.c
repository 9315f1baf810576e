/* SPDX-License-Identifier: MIT */
/* name-addr, parameters and Via values. */
#include "lib/check.h"

#include <errno.h>

#include "sip/uri.h"

static struct sip_name_addr na;
static struct sip_via via;

static int name_addr(const char *text)
{
	return sip_name_addr_parse(&na, span_of(text));
}

static int via_of(const char *text)
{
	return sip_via_parse(&via, span_of(text));
}

static void name_addr_with_everything(void **state)
{
	assert_int_equal(
		name_addr(" \"Ann \\\"A\\\" <x>\"\r\n <sip:ann@example.org;lr?a=b>\t;\r\n tag = t1;x "), 0);
	assert_span(na.display, "\"Ann \\\"A\\\" <x>\"");
	assert_span(na.uri, "sip:ann@example.org;lr?a=b");
	assert_span(span_trim(na.params), "tag = t1;x");
	assert_true(na.angle);
	struct span tag;
	assert_true(sip_param(na.params, SPAN("Tag"), &tag));
	assert_span(tag, "t1");
}

static void name_addr_without_angles(void **state)
{
	/* The parameters belong to the header (RFC 3261 20.10). */
	assert_int_equal(name_addr("sip:ann@example.org;tag=t1"), 0);
	assert_span(na.uri, "sip:ann@example.org");
	assert_span(na.params, "tag=t1");
	assert_false(na.angle);
	assert_int_equal(name_addr("sip:ann@example.org ; tag=t1"), 0);
	assert_span(na.uri, "sip:ann@example.org");
	assert_int_equal(name_addr("tel:+1555"), 0);
	assert_int_equal(name_addr("sip:a@b?x=y"), -EINVAL);
	assert_int_equal(name_addr("sip:a,b@c"), -EINVAL);
	assert_int_equal(name_addr("sip:a@b c"), -EINVAL);
}

static void name_addr_liberal_in_display_names(void **state)
{
	assert_int_equal(name_addr("Bell, Alexander <sip:a@b>;tag=1"), 0); /* RFC 4475 3.1.2.15 */
	assert_span(na.display, "Bell, Alexander");
	assert_int_equal(name_addr("caller<sip:a@b>"), 0);
	assert_span(na.display, "caller");
	assert_int_equal(name_addr("<sip:a@b>"), 0);
	assert_span(na.display, "");
	assert_int_equal(name_addr("\"\"<sip:a@b>"), 0);
	assert_span(na.display, "\"\"");
}

static void name_addr_broken(void **state)
{
	static const char *const texts[] = {
		"",
		"*",
		"\"Ann <sip:a@b>",
		"\"Ann\\\" <sip:a@b>",
		"\"Ann\" sip:a@b",
		"\"Ann\"",
		"Ann \"A\" <sip:a@b>",
		"<sip:a@b",
		"<sip:a@b>x",
		"<sip:a@b>;",
		"<sip:a@b>;;",
		"<sip:a@b>;;tag=1",
		"<sip:a@b>;=1",
		"<sip:a@b>;tag=a b",
		"<sip:a@b>;tag=1,<sip:c@d>",
		"<sip:a@b>;x=\"y",
		"<sip:a@b>;x=\"y\"z",
		"<sip:a@b>;x y=z",
		"< sip:a@b >",
		"<sip:a\r\n @b>",
		"<>",
		"<a@b>",
		"<sip:a@\"b\">",
		"<<sip:a@b>>",
		"ann",
		"sip:a@b;x=<sip:c@d>",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(name_addr(texts[i]), -EINVAL);
}

static void params_are_walked_leniently(void **state)
{
	struct span rest = SPAN(" a = 1 ;;B;c=\"x;\\\"=y\"; =z;d=e=f;g=\"open;h=1"), name, value;

	assert_true(sip_param_next(&rest, &name, &value));
	assert_span(name, "a"), assert_span(value, "1");
	assert_true(sip_param_next(&rest, &name, &value));
	assert_span(name, "B"), assert_span(value, "");
	assert_true(sip_param_next(&rest, &name, &value));
	assert_span(name, "c"), assert_span(value, "\"x;\\\"=y\"");
	assert_true(sip_param_next(&rest, &name, &value));
	assert_span(name, "d"), assert_span(value, "e=f");
	assert_true(sip_param_next(&rest, &name, &value));
	assert_span(name, "g"), assert_span(value, "\"open;h=1");
	assert_false(sip_param_next(&rest, &name, &value));
	assert_false(sip_param_next(&rest, &name, &value));
}

static void param_finds_by_name_in_any_case(void **state)
{
	struct span params = SPAN("lr;transport=TCP;x=\"lr2\""), value = SPAN("untouched");

	assert_false(sip_param(params, SPAN("l"), &value));
	assert_false(sip_param(params, SPAN("lr2"), &value));
	assert_span(value, "untouched");
	assert_true(sip_param(params, SPAN("TRANSPORT"), &value));
	assert_span(value, "TCP");
	assert_true(sip_param(params, SPAN("lr"), &value));
	assert_span(value, "");
	assert_false(sip_param(SPAN_EMPTY, SPAN("lr"), &value));
}

static void via_with_everything(void **state)
{
	assert_int_equal(
		via_of("SIP/2.0/TLS [2001:db8::9]:5062;branch=z9hG4bKx;received=192.0.2.7;rport=40001;"
		       "maddr=224.0.1.75;ttl=16;alias;x=\"a;b\""),
		0);
	assert_int_equal(via.tp, SIP_TLS);
	assert_span(via.tp_name, "TLS");
	assert_span(via.host, "[2001:db8::9]");
	assert_int_equal(via.port, 5062);
	assert_span(via.branch, "z9hG4bKx");
	assert_span(via.received, "192.0.2.7");
	assert_span(via.maddr, "224.0.1.75");
	assert_true(via.has_rport);
	assert_int_equal(via.rport, 40001);
}

static void via_with_blanks_and_case(void **state)
{
	assert_int_equal(via_of("sip / 2.0\r\n / udp\t host.example.org : 5061 ; RPORT ;\r\n Branch = z9 "),
			 0);
	assert_int_equal(via.tp, SIP_UDP);
	assert_span(via.host, "host.example.org");
	assert_int_equal(via.port, 5061);
	assert_true(via.has_rport);
	assert_int_equal(via.rport, 0);
	assert_span(via.branch, "z9");
	assert_int_equal(via_of("SIP/2.0/SCTP h_1"), 0);
	assert_int_equal(via.tp, SIP_OTHER_TRANSPORT);
	assert_span(via.tp_name, "SCTP");
	assert_false(via.has_rport);
	assert_int_equal(via_of("SIP/2.0/UDP [::1];received=[2001:db8::1]"), 0); /* RFC 5118 4.5 */
	assert_span(via.received, "[2001:db8::1]");
}

static void via_broken(void **state)
{
	static const char *const texts[] = {
		"",
		"SIP",
		"SIP/2.0",
		"SIP/2.0/UDP",
		"SIP/2.0/UDP ",
		"SIP/2.0/UDP;branch=x",
		"SIP/2.0 UDP h",
		"SIP/3.0/UDP h",
		"HTTP/2.0/UDP h",
		"SIP/2.0/UDP h:",
		"SIP/2.0/UDP h:0",
		"SIP/2.0/UDP h:65536",
		"SIP/2.0/UDP h x",
		"SIP/2.0/UDP h;;",
		"SIP/2.0/UDP h;",
		"SIP/2.0/UDP 2001:db8::1",
		"SIP/2.0/UDP [2001:db8::1",
		"SIP/2.0/UDP h;branch=\"x",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(via_of(texts[i]), -EINVAL);
	assert_span(via.host, "h"); /* what could be read is there */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_addr_with_everything),
		cmocka_unit_test(name_addr_without_angles),
		cmocka_unit_test(name_addr_liberal_in_display_names),
		cmocka_unit_test(name_addr_broken),
		cmocka_unit_test(params_are_walked_leniently),
		cmocka_unit_test(param_finds_by_name_in_any_case),
		cmocka_unit_test(via_with_everything),
		cmocka_unit_test(via_with_blanks_and_case),
		cmocka_unit_test(via_broken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
