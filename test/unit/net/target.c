/* SPDX-License-Identifier: MIT */
/* The order in which servers are tried: RFC 2782, RFC 3263 4.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "net/target.h"

static struct target_srv srv(uint16_t priority, uint16_t weight, const char *host)
{
	struct target_srv t = { .priority = priority, .weight = weight, .port = 5060 };
	snprintf(t.host, sizeof(t.host), "%s", host);
	return t;
}

static void priorities_come_first_whatever_the_weights(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct target_srv t[] = { srv(20, 65535, "c"), srv(10, 0, "a"), srv(30, 1, "d"),
					  srv(10, 9, "b") };
		target_order(t, 4, seed);
		assert_true(t[0].priority == 10 && t[1].priority == 10);
		assert_string_equal(t[2].host, "c");
		assert_string_equal(t[3].host, "d");
	}
}

static void weights_are_shares(void **state)
{
	enum { N = 20000 };
	unsigned first[3] = { 0 };

	(void)state;
	for (uint64_t seed = 0; seed < N; seed++) {
		struct target_srv t[] = { srv(1, 70, "0"), srv(1, 20, "1"), srv(1, 10, "2") };
		bool seen[3] = { false };
		target_order(t, 3, seed);
		first[t[0].host[0] - '0']++;
		for (unsigned i = 0; i < 3; i++)
			seen[t[i].host[0] - '0'] = true;
		assert_true(seen[0] && seen[1] && seen[2]); /* nobody is lost */
	}
	assert_in_range(first[0], N * 67 / 100, N * 73 / 100);
	assert_in_range(first[1], N * 18 / 100, N * 22 / 100);
	assert_in_range(first[2], N * 8 / 100, N * 12 / 100);
}

/* RFC 2782: "have a small chance". */
static void weight_zero_is_seldom_but_not_never(void **state)
{
	unsigned first = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 20000; seed++) {
		struct target_srv t[] = { srv(1, 99, "w"), srv(1, 0, "z") };
		target_order(t, 2, seed);
		first += t[0].host[0] == 'z';
	}
	assert_in_range(first, 100, 400);
}

static void the_same_seed_is_the_same_order(void **state)
{
	struct target_srv a[8], b[8];
	unsigned differ = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) {
		for (unsigned i = 0; i < 8; i++) {
			char name[2] = { (char)('a' + i), 0 };
			a[i] = b[i] = srv(1, 10, name);
		}
		target_order(a, 8, seed);
		target_order(b, 8, seed);
		for (unsigned i = 0; i < 8; i++)
			assert_string_equal(a[i].host, b[i].host);
		differ += a[0].host[0] != 'a';
	}
	assert_true(differ > 50);
}

static void one_and_none(void **state)
{
	struct target_srv t[] = { srv(1, 0, "a") };

	(void)state;
	target_order(t, 1, 1);
	assert_string_equal(t[0].host, "a");
	target_order(t, 0, 1);
}

static void naptr_by_order_then_preference(void **state)
{
	struct target_naptr t[] = { { 20, 1, SIP_UDP, "d" },
				    { 10, 30, SIP_TCP, "b" },
				    { 10, 5, SIP_TLS, "a" },
				    { 10, 30, SIP_UDP, "c" } };

	(void)state;
	target_naptr_order(t, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(t[i].srv[0], 'a' + (int)i);
}

static void services(void **state)
{
	enum sip_transport tp;

	(void)state;
	assert_true(target_service(SPAN("SIP+D2U"), &tp) && tp == SIP_UDP);
	assert_true(target_service(SPAN("sip+d2t"), &tp) && tp == SIP_TCP);
	assert_true(target_service(SPAN("SIPS+D2T"), &tp) && tp == SIP_TLS);
	assert_false(target_service(SPAN("SIP+D2S"), &tp));
	assert_false(target_service(SPAN("E2U+sip"), &tp));
	assert_false(target_service(SPAN(""), &tp));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(priorities_come_first_whatever_the_weights),
		cmocka_unit_test(weights_are_shares),
		cmocka_unit_test(weight_zero_is_seldom_but_not_never),
		cmocka_unit_test(the_same_seed_is_the_same_order),
		cmocka_unit_test(one_and_none),
		cmocka_unit_test(naptr_by_order_then_preference),
		cmocka_unit_test(services),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
