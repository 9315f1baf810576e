/* SPDX-License-Identifier: MIT */
/* What is taken from answers of name servers, and which of them lead back to ourselves. */
#include "net_test.h"

#include "net/dns.h"
#include "net/locate.h"

/* Of a.test, with these records in the answer section; names in them are "\xc0\x0c", that of the question. */
static size_t message(unsigned char buf[512], unsigned type, unsigned answers, const char *records, size_t n)
{
	const unsigned char head[] = {
		0, 1,   0x81, 0x80, 0,   1, 0, (unsigned char)answers, 0, 0, 0, 0, 1, 'a',
		4, 't', 'e',  's',  't', 0, 0, (unsigned char)type,    0, 1
	};

	memcpy(buf, head, sizeof(head));
	memcpy(buf + sizeof(head), records, n);
	return sizeof(head) + n;
}

#define SRV(ttl, port, host) "\xc0\x0c\0\x21\0\1\0\0\0" ttl "\0\x0b\0\1\0\2" port host

static void the_lowest_time_to_live_counts(void **state)
{
	static const char records[] = SRV("\x3c", "\x13\xc4", "\1b\1c\0") SRV("\x1e", "\x13\xc5", "\1d\1e\0");
	unsigned char m[512];
	size_t n = message(m, 33, 2, records, sizeof(records) - 1);
	struct dns_answer a;

	(void)state;
	dns_read(&a, DNS_SRV, m, n);
	assert_int_equal(a.n, 2);
	assert_int_equal(a.ttl_s, 30);
	assert_int_equal(a.srv[0].port, 5060);
	assert_string_equal(a.srv[1].host, "d.e");
	for (size_t cut = 0; cut < n; cut++) { /* of what is not whole nothing is kept for long */
		dns_read(&a, DNS_SRV, m, cut);
		assert_true(a.ttl_s == 0 && a.n < 2);
	}
	m[7] = 200;
	dns_read(&a, DNS_SRV, m, n);
	assert_int_equal(a.ttl_s, 0);
}

/* RFC 2782: a target of "." says that there is no such service. */
static void a_service_that_is_not_there(void **state)
{
	static const char none[] = "\xc0\x0c\0\x21\0\1\0\0\0\x3c\0\7\0\0\0\0\0\0\0";
	unsigned char m[512];
	struct dns_answer a;

	(void)state;
	dns_read(&a, DNS_SRV, m, message(m, 33, 1, none, sizeof(none) - 1));
	assert_int_equal(a.n, 0);
	assert_int_equal(a.ttl_s, 60);
}

static bool leads(const char *listening, const char *to)
{
	struct addr at = addr_of(listening), a = addr_of(to);
	return locate_is(&at, &a);
}

static void what_leads_back_to_us(void **state)
{
	(void)state;
	assert_true(leads("127.0.0.1:5060", "127.0.0.1:5060"));
	assert_true(leads("127.0.0.1:5060", "0.0.0.0:5060"));
	assert_true(leads("127.0.0.1:5060", "[::ffff:127.0.0.1]:5060"));
	assert_true(leads("[::1]:5060", "[::]:5060"));
	assert_true(leads("0.0.0.0:5060", "127.0.0.1:5060"));
	assert_true(leads("0.0.0.0:5060", "127.9.9.9:5060"));
	assert_true(leads("0.0.0.0:5060", "0.0.0.0:5060"));
	assert_true(leads("[::]:5060", "[::1]:5060"));
	assert_false(leads("127.0.0.1:5060", "127.0.0.1:5061"));
	assert_false(leads("127.0.0.1:5060", "127.0.0.2:5060"));
	assert_false(leads("127.0.0.1:5060", "[::1]:5060"));
	assert_false(leads("0.0.0.0:5060", "192.0.2.1:5060"));
	assert_false(leads("192.0.2.1:5060", "0.0.0.0:5060")); /* that is 127.0.0.1 */
	assert_false(leads("[::1]:5060", "[2001:db8::1]:5060"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lowest_time_to_live_counts),
		cmocka_unit_test(a_service_that_is_not_there),
		cmocka_unit_test(what_leads_back_to_us),
	};
	return cmocka_run_group_tests_name("net/dns", tests, NULL, NULL);
}
