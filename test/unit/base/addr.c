/* SPDX-License-Identifier: MIT */
#include "lib/check.h"

#include "base/addr.h"

static bool parses(const char *text)
{
	struct addr a;
	return addr_parse(&a, span_of(text), 5060);
}

static void parse_takes_literal_addresses_only(void **state)
{
	assert_true(parses("192.0.2.1"));
	assert_true(parses("2001:db8::1"));
	assert_true(parses("[2001:db8::1]"));
	assert_true(parses("::ffff:192.0.2.1"));
	assert_true(parses("::"));

	assert_false(parses(""));
	assert_false(parses("[]"));
	assert_false(parses("["));
	assert_false(parses("example.org"));
	assert_false(parses("192.0.2"));
	assert_false(parses("192.0.2.1.5"));
	assert_false(parses("192.0.2.256"));
	assert_false(parses("192.0.2.1 "));
	assert_false(parses("[192.0.2.1]"));
	assert_false(parses("2001:db8:::1"));
	assert_false(parses("2001:db8::1%eth0"));
	assert_false(parses("1:2:3:4:5:6:7:8:9"));
	assert_false(parses("0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"));

	struct addr a = { .port = 1 };
	assert_false(addr_parse(&a, SPAN("1.2.3.4\0x"), 2));
	assert_int_equal(a.port, 1); /* untouched */
}

static void parse_port_needs_the_port(void **state)
{
	struct addr a;

	assert_true(addr_parse_port(&a, SPAN("192.0.2.1:5061")));
	assert_int_equal(a.family, 4);
	assert_int_equal(a.port, 5061);
	assert_true(addr_parse_port(&a, SPAN("[::1]:65535")));
	assert_int_equal(a.family, 6);
	assert_int_equal(a.port, 65535);
	assert_false(addr_parse_port(&a, SPAN("192.0.2.1")));
	assert_false(addr_parse_port(&a, SPAN("192.0.2.1:")));
	assert_false(addr_parse_port(&a, SPAN("192.0.2.1:65536")));
	assert_false(addr_parse_port(&a, SPAN("192.0.2.1:-1")));
	assert_false(addr_parse_port(&a, SPAN("[::1]")));
	assert_false(addr_parse_port(&a, SPAN("::1:5060")));
	assert_false(addr_parse_port(&a, SPAN(":5060")));
	assert_false(addr_parse_port(&a, SPAN("")));
	assert_false(addr_parse_port(&a, SPAN("host:5060")));
}

static void prints_as(const char *text, const char *want)
{
	char out[64];
	struct wbuf w = wbuf_on(out, sizeof(out));
	struct addr a;

	assert_true(addr_parse(&a, span_of(text), 0));
	w_addr_ip(&w, &a);
	assert_written(&w, want);
}

static void prints_rfc_5952(void **state)
{
	prints_as("192.0.2.1", "192.0.2.1");
	prints_as("255.255.255.255", "255.255.255.255");
	prints_as("2001:0DB8::0001", "2001:db8::1");
	prints_as("2001:db8:0:0:0:0:2:1", "2001:db8::2:1");
	prints_as("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"); /* one group: not shortened */
	prints_as("2001:0:0:1:0:0:0:1", "2001:0:0:1::1");          /* the longest run */
	prints_as("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1");    /* the first of equals */
	prints_as("::", "::");
	prints_as("::1", "::1");
	prints_as("1::", "1::");
	prints_as("0:0:1::", "0:0:1::");
	prints_as("1:2:3:4:5:6:0:0", "1:2:3:4:5:6::");
	prints_as("abcd:ef01:2345:6789:abcd:ef01:2345:6789", "abcd:ef01:2345:6789:abcd:ef01:2345:6789");
	prints_as("::ffff:192.0.2.33", "::ffff:192.0.2.33");
	prints_as("::ffff:c000:221", "::ffff:192.0.2.33");
}

static void prints_brackets_where_a_port_may_follow(void **state)
{
	char out[128];
	struct wbuf w = wbuf_on(out, sizeof(out));
	struct addr v4, v6;

	assert_true(addr_parse(&v4, SPAN("192.0.2.1"), 5060));
	assert_true(addr_parse(&v6, SPAN("::1"), 0));
	w_addr(&w, &v4), w_chr(&w, ' ');
	w_addr(&w, &v6), w_chr(&w, ' ');
	w_addr_uri(&w, &v4), w_chr(&w, ' ');
	w_addr_uri(&w, &v6);
	assert_written(&w, "192.0.2.1:5060 [::1]:0 192.0.2.1 [::1]");
}

static struct addr addr_of(const char *text, uint16_t port)
{
	struct addr a;

	assert_true(addr_parse(&a, span_of(text), port));
	return a;
}

static void mapped_addresses_are_the_same_host(void **state)
{
	struct addr v4 = addr_of("192.0.2.1", 1), mapped = addr_of("::ffff:192.0.2.1", 1);
	struct addr other = addr_of("::ffff:192.0.2.2", 1), v6 = addr_of("2001:db8::1", 1);
	struct addr far_port = addr_of("192.0.2.1", 2);

	assert_true(addr_same_ip(&v4, &mapped));
	assert_true(addr_same_ip(&mapped, &v4));
	assert_true(addr_eq(&mapped, &v4));
	assert_false(addr_same_ip(&v4, &other));
	assert_false(addr_same_ip(&v4, &v6));
	assert_true(addr_same_ip(&v6, &v6));
	assert_true(addr_same_ip(&v4, &far_port));
	assert_false(addr_eq(&v4, &far_port));
}

static void any_is_all_zeros(void **state)
{
	struct addr none = { 0 }, v4 = addr_of("0.0.0.0", 0), v6 = addr_of("::", 0), one = addr_of("::1", 0);

	assert_true(addr_is_any(&v4));
	assert_true(addr_is_any(&v6));
	assert_false(addr_is_any(&one));
	assert_false(addr_is_any(&none));
}

static bool block_has(const char *block, const char *address)
{
	struct cidr c;
	struct addr a = addr_of(address, 0);

	assert_true(cidr_parse(&c, span_of(block)));
	return cidr_has(&c, &a);
}

static void blocks_compare_their_bits(void **state)
{
	assert_true(block_has("10.0.0.0/8", "10.255.0.1"));
	assert_false(block_has("10.0.0.0/8", "11.0.0.1"));
	assert_true(block_has("192.0.2.128/25", "192.0.2.200"));
	assert_false(block_has("192.0.2.128/25", "192.0.2.100"));
	assert_true(block_has("192.0.2.77/25", "192.0.2.1")); /* host bits do not matter */
	assert_true(block_has("192.0.2.1", "192.0.2.1"));
	assert_false(block_has("192.0.2.1", "192.0.2.0"));
	assert_true(block_has("0.0.0.0/0", "203.0.113.9"));
	assert_false(block_has("0.0.0.0/0", "2001:db8::1"));
	assert_true(block_has("127.0.0.0/8", "::ffff:127.0.0.1"));
	assert_false(block_has("10.0.0.0/8", "::ffff:127.0.0.1"));
	assert_true(block_has("2001:db8::/32", "2001:db8:ffff::1"));
	assert_false(block_has("2001:db8::/33", "2001:db8:ffff::1"));
	assert_true(block_has("::1/128", "::1"));
	assert_true(block_has("::/0", "::1"));
}

static void broken_blocks_are_refused(void **state)
{
	struct cidr c;

	assert_false(cidr_parse(&c, SPAN("")));
	assert_false(cidr_parse(&c, SPAN("/8")));
	assert_false(cidr_parse(&c, SPAN("10.0.0.0/")));
	assert_false(cidr_parse(&c, SPAN("10.0.0.0/33")));
	assert_false(cidr_parse(&c, SPAN("10.0.0.0/-1")));
	assert_false(cidr_parse(&c, SPAN("::/129")));
	assert_false(cidr_parse(&c, SPAN("example.org/8")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_takes_literal_addresses_only),
		cmocka_unit_test(parse_port_needs_the_port),
		cmocka_unit_test(prints_rfc_5952),
		cmocka_unit_test(prints_brackets_where_a_port_may_follow),
		cmocka_unit_test(mapped_addresses_are_the_same_host),
		cmocka_unit_test(any_is_all_zeros),
		cmocka_unit_test(blocks_compare_their_bits),
		cmocka_unit_test(broken_blocks_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
