/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "msrp/uri.h"

static void assert_span(struct span got, const char *want)
{
	assert_int_equal(got.n, strlen(want));
	assert_memory_equal(got.n ? got.p : "", want, got.n);
}

static void uri_4975_6_parts(void **state)
{
	struct msrp_uri u;

	assert_int_equal(msrp_uri_parse(&u, SPAN("msrp://192.0.2.1:2855/iau39soe2843z;tcp")), 0);
	assert_false(u.tls);
	assert_span(u.host, "192.0.2.1");
	assert_int_equal(u.port, 2855);
	assert_span(u.session, "iau39soe2843z");
	assert_span(u.transport, "tcp");
	assert_span(u.params, "");
	assert_int_equal(msrp_uri_parse(&u,
					SPAN("MSRPS://al%20ice@[2001:db8::1]:443/a/b_c~d.e-f+g=;TCP;x=y;z")),
			 0);
	assert_true(u.tls);
	assert_span(u.userinfo, "al%20ice");
	assert_span(u.host, "[2001:db8::1]");
	assert_int_equal(u.port, 443);
	assert_span(u.session, "a/b_c~d.e-f+g=");
	assert_span(u.transport, "TCP");
	assert_span(u.params, "x=y;z");
	assert_int_equal(msrp_uri_parse(&u, SPAN("msrp://relay.example.com;tcp")), 0);
	assert_int_equal(u.port, 0);
	assert_span(u.session, "");
	assert_int_equal(msrp_uri_parse(&u, SPAN("msrp://a.example:65535/;tcp")), 0);
	assert_span(u.session, "");
	assert_int_equal(msrp_uri_parse(&u, SPAN("msrp://888.888.888.888:7/s;tcp")),
			 0); /* a name, by grammar */
	assert_int_equal(msrp_uri_parse(&u, SPAN("msrp://h:1/a:b@c;ws")), 0);
	assert_span(u.userinfo, "");
	assert_span(u.session, "a:b@c");
}

static void uri_4975_6_broken(void **state)
{
	static const char *const bad[] = {
		"",
		"msrp:",
		"msrp://",
		"sip:a@b",
		"msrp://h:1/s",
		"msrp://h:1/s;",
		"msrp://;tcp",
		"msrp://:1/s;tcp",
		"msrp://h:/s;tcp",
		"msrp://h:0/s;tcp",
		"msrp://h:65536/s;tcp",
		"msrp://h:x/s;tcp",
		"msrp://h:1/s t;tcp",
		"msrp://[::1/s;tcp",
		"msrp://[::1]x/s;tcp",
		"msrp://[h]:1/s;tcp",
		"msrp://h:1/s;t cp",
		"msrp://h:1/s;tcp;a b",
		"msrp://h h:1/s;tcp",
		"msrp://h:1/\"s\";tcp",
		"msrp://h:1/<s>;tcp",
		"msrp://a b@h:1/s;tcp",
		"msrp://h:1/s;t/p",
		"xmsrp://h:1/s;tcp",
		"msrp://h\xc3\xa9:1/s;tcp",
	};
	struct msrp_uri u;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (msrp_uri_parse(&u, span_of(bad[i])) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(msrp_uri_parse(&u, (struct span){ "msrp://h:1/a\0b;tcp", 18 }), -EINVAL);
}

static bool eq(const char *a, const char *b)
{
	bool r = msrp_uri_eq(span_of(a), span_of(b));

	assert_int_equal(r, msrp_uri_eq(span_of(b), span_of(a)));
	return r;
}

static void uri_up_3_equal(void **state)
{
	assert_true(eq("msrp://host.example:1/s;tcp", "MSRP://HOST.example:1/s;TCP"));
	assert_true(eq("msrp://alice@h:1/s;tcp", "msrp://bob@h:1/s;tcp"));
	assert_true(eq("msrp://[2001:db8::1]:1/s;tcp", "msrp://[2001:0DB8:0:0::0001]:1/s;tcp"));
	assert_true(eq("msrp://[::ffff:192.0.2.1]:1/s;tcp", "msrp://192.0.2.1:1/s;tcp"));
	assert_true(eq("msrp://h:1/s;tcp;a=b", "msrp://h:1/s;tcp"));
	assert_true(eq("msrp://h:1;tcp", "msrp://h:1;tcp"));
}

static void uri_up_3_different(void **state)
{
	static const char base[] = "msrp://host.example:1/s;tcp";
	static const char *const other[] = {
		"msrps://host.example:1/s;tcp",
		"msrp://other.example:1/s;tcp",
		"msrp://host.example:2/s;tcp",
		"msrp://host.example/s;tcp",
		"msrp://host.example:1/S;tcp",
		"msrp://host.example:1/s2;tcp",
		"msrp://host.example:1/./s;tcp",
		"msrp://host.example:1;tcp",
		"msrp://host.example:1/s;ws",
		"msrp://host.example.:1/s;tcp",
		"not a uri",
	};

	for (size_t i = 0; i < ARRAY_LEN(other); i++)
		if (eq(base, other[i]))
			fail_msg("equals %s", other[i]);
	assert_false(eq("msrp://h/s;tcp", "msrp://h/s;tcp")); /* the port must be explicit */
	assert_false(eq("junk", "junk"));
}

static void path_up_4_walk(void **state)
{
	struct span first, last, rest = SPAN("  msrp://a:1/x;tcp\tmsrp://b:2/y;tcp   msrp://c:3/z;tcp "), uri;

	assert_true(msrp_path_ends(rest, &first, &last));
	assert_span(first, "msrp://a:1/x;tcp");
	assert_span(last, "msrp://c:3/z;tcp");
	assert_true(msrp_path_next(&rest, &uri));
	assert_span(uri, "msrp://a:1/x;tcp");
	assert_true(msrp_path_next(&rest, &uri));
	assert_span(uri, "msrp://b:2/y;tcp");
	assert_true(msrp_path_next(&rest, &uri));
	assert_span(uri, "msrp://c:3/z;tcp");
	assert_false(msrp_path_next(&rest, &uri));
	assert_true(msrp_path_ends(SPAN("one"), &first, &last));
	assert_span(first, "one");
	assert_span(last, "one");
	assert_false(msrp_path_ends(SPAN(""), &first, &last));
	assert_false(msrp_path_ends(SPAN(" \t "), &first, &last));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uri_4975_6_parts), cmocka_unit_test(uri_4975_6_broken),
		cmocka_unit_test(uri_up_3_equal),   cmocka_unit_test(uri_up_3_different),
		cmocka_unit_test(path_up_4_walk),
	};
	return cmocka_run_group_tests_name("msrp/uri", tests, NULL, NULL);
}
