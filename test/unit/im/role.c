/* SPDX-License-Identifier: MIT */
/* Session case and served user: the order of the evidence, and whom it is believed from (ROLE-5..7, IMS-2). */
#include "req.h"

#include "im/role.h"

static struct im_conf conf;

static int setup(void **state)
{
	memset(&conf, 0, sizeof(conf));
	conf.n_listen = 3;
	strcpy(conf.listen[0].host, "192.0.2.1");
	conf.listen[0].port = 5060;
	addr_parse(&conf.listen[0].addr, SPAN("10.0.0.1"), 5070); /* behind a translation */
	strcpy(conf.listen[1].host, "[2001:db8::1]");
	conf.listen[1].port = 5060;
	addr_parse(&conf.listen[1].addr, SPAN("::"), 5060);
	strcpy(conf.listen[2].host, "im.example.com");
	conf.listen[2].port = 5061;
	addr_parse(&conf.listen[2].addr, SPAN("0.0.0.0"), 5061);
	conf.n_domains = 2;
	strcpy(conf.domains[0], "example.com");
	strcpy(conf.domains[1], "Other.example");
	strcpy(conf.orig_marker, "orig");
	strcpy(conf.term_marker, "term");
	conf.n_trusted = 2;
	assert_true(cidr_parse(&conf.trusted[0], SPAN("192.0.2.0/24")));
	assert_true(cidr_parse(&conf.trusted[1], SPAN("2001:db8::/32")));
	return 0;
}

static void role_ims_2_trusted_peers(void **state)
{
	static const struct {
		const char *ip;
		bool trusted;
	} t[] = { { "192.0.2.77", true },
		  { "192.0.3.1", false },
		  { "2001:db8:1::1", true },
		  { "2001:db9::1", false },
		  { "::ffff:192.0.2.1", true } };
	struct addr a;

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		assert_true(addr_parse(&a, span_of(t[i].ip), 1234));
		assert_int_equal(role_trusted(&conf, &a), t[i].trusted);
	}
	conf.n_trusted = 0;
	assert_false(role_trusted(&conf, &a));
}

static void role_our_own_uri(void **state)
{
	static const struct {
		const char *uri;
		bool us;
	} t[] = {
		{ "sip:192.0.2.1:5060;lr", true },
		{ "sip:192.0.2.1", true },
		{ "sip:orig@192.0.2.1;transport=tcp;lr", true },
		{ "sip:192.0.2.1:5061", false },
		{ "sip:192.0.2.1;transport=tls", false }, /* means 5061 */
		{ "sips:192.0.2.1", false },
		{ "sip:10.0.0.1:5070", true }, /* as bound */
		{ "sip:10.0.0.1", false },
		{ "sip:192.0.2.1:5070", false }, /* advertised host, port only bound */
		{ "sip:[2001:db8:0:0::1]:5060", true },
		{ "sip:[2001:db8::2]:5060", false },
		{ "sip:IM.example.com:5061", true },
		{ "sip:im.example.com", true }, /* SRV says which port */
		{ "sip:im.example.com:5062", false },
		{ "sip:xim.example.com", false },
		{ "tel:+1555", false },
		{ "nonsense", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (role_is_us(&conf, span_of(t[i].uri)) != t[i].us)
			fail_msg("%s", t[i].uri);
}

struct want {
	const char *ruri, *headers;
	bool trusted;
	int status; /* 0: decided */
	enum im_case scase;
	const char *served, *evidence;
};

static void check(const struct want *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct im_role role;
		const char *fault = NULL;

		int r = role_decide(&conf, req("INVITE", w[i].ruri, w[i].headers, ""), w[i].trusted, &role,
				    &fault);
		if (r != w[i].status)
			fail_msg("%zu: %d", i, r);
		if (r) {
			assert_non_null(fault);
			continue;
		}
		assert_string_equal(role.evidence, w[i].evidence);
		assert_string_equal(role.served_user, w[i].served);
		assert_int_equal(role.scase, w[i].scase);
	}
}

#define PSU "P-Served-User: <sip:psu@example.com>"
#define PAI "P-Asserted-Identity: \"A\" <sip:pai@example.com>\r\n"
#define OURS "Route: <sip:192.0.2.1:5060;lr>\r\n"
#define FAR "sip:bob@far.example"
#define NEAR "sip:bob@example.com"

static void role_6_1_served_user_header(void **state)
{
	static const struct want t[] = {
		{ FAR, PSU ";sescase=orig;regstate=reg\r\n", true, 0, IM_ORIGINATING, "sip:psu@example.com",
		  "P-Served-User" },
		{ NEAR, PSU ";sescase=term\r\n", true, 0, IM_TERMINATING, "sip:psu@example.com",
		  "P-Served-User" },
		/* before everything else */
		{ NEAR, PSU ";sescase=orig\r\nRoute: <sip:term@192.0.2.1;lr>\r\n" PAI, true, 0,
		  IM_ORIGINATING, "sip:psu@example.com", "P-Served-User" },
		{ FAR, PSU ";SESCASE=Term\r\n" PAI, true, 0, IM_TERMINATING, "sip:psu@example.com",
		  "P-Served-User" },
		/* no case in it: it still names the user, the case comes from elsewhere */
		{ FAR, PSU "\r\nRoute: <sip:orig@192.0.2.1;lr>\r\n", true, 0, IM_ORIGINATING,
		  "sip:psu@example.com", "Route marker" },
		{ FAR, PSU ";sescase=odd\r\n" PAI, true, 0, IM_ORIGINATING, "sip:psu@example.com",
		  "P-Asserted-Identity" },
		{ FAR, "P-Served-User: <broken\r\n" PAI, true, 0, IM_ORIGINATING, "sip:pai@example.com",
		  "P-Asserted-Identity" },
		/* BAD: from somebody we do not trust it says nothing */
		{ FAR, PSU ";sescase=orig\r\n", false, 403 },
		{ NEAR, PSU ";sescase=orig\r\n", false, 0, IM_TERMINATING, NEAR, "Request-URI" },
	};
	check(t, ARRAY_LEN(t));
}

static void role_6_2_marker_on_our_route(void **state)
{
	static const struct want t[] = {
		{ FAR, "Route: <sip:orig@192.0.2.1:5060;lr>\r\n" PAI, true, 0, IM_ORIGINATING,
		  "sip:pai@example.com", "Route marker" },
		{ FAR, "Route: <sip:TERM@192.0.2.1:5060;lr>\r\n" PAI, true, 0, IM_TERMINATING, FAR,
		  "Route marker" },
		{ FAR, "Route: <sip:192.0.2.1:5060;lr;call=term>\r\n" PAI, true, 0, IM_TERMINATING, FAR,
		  "Route marker" },
		{ NEAR, "Route: <sip:x@192.0.2.1:5060;Call=Orig;lr>, <sip:term@192.0.2.1>\r\n" PAI, true, 0,
		  IM_ORIGINATING, "sip:pai@example.com", "Route marker" },
		/* before the orig parameter */
		{ FAR, "Route: <sip:term@192.0.2.1:5060;lr;orig>\r\n", true, 0, IM_TERMINATING, FAR,
		  "Route marker" },
		/* BAD: not our URI, not the top one, another word, nobody asserted, not trusted */
		{ FAR, "Route: <sip:term@192.0.2.2:5060;lr>\r\n", true, 403 },
		{ FAR, "Route: <sip:192.0.2.2;lr>, <sip:term@192.0.2.1;lr>\r\n", true, 403 },
		{ FAR, "Route: <sip:terminal@192.0.2.1;lr;call=origin>\r\n", true, 403 },
		{ FAR, "Route: <sip:orig@192.0.2.1:5060;lr>\r\n", true, 403 },
		{ FAR, "Route: <sip:term@192.0.2.1:5060;lr>\r\n" PAI, false, 403 },
	};
	check(t, ARRAY_LEN(t));
}

static void role_6_2_marker_names_are_configured(void **state)
{
	static const struct want t[] = {
		{ FAR, "Route: <sip:mo@192.0.2.1;lr>\r\n" PAI, true, 0, IM_ORIGINATING, "sip:pai@example.com",
		  "Route marker" },
		{ FAR, "Route: <sip:term@192.0.2.1;lr>\r\n" PAI, true, 0, IM_ORIGINATING,
		  "sip:pai@example.com", "P-Asserted-Identity" },
	};
	static const struct want none[] = {
		{ FAR, OURS PAI, true, 0, IM_ORIGINATING, "sip:pai@example.com", "P-Asserted-Identity" },
	};

	strcpy(conf.orig_marker, "MO");
	strcpy(conf.term_marker, "mt");
	check(t, ARRAY_LEN(t));
	conf.orig_marker[0] = conf.term_marker[0] = '\0'; /* an empty name marks nothing */
	check(none, ARRAY_LEN(none));
}

static void role_6_3_orig_parameter(void **state)
{
	static const struct want t[] = {
		{ NEAR, "Route: <sip:192.0.2.1:5060;lr;orig>\r\n" PAI, true, 0, IM_ORIGINATING,
		  "sip:pai@example.com", "orig parameter" },
		{ NEAR, "Route: <sip:as@im.example.com;ORIG;lr>\r\n" PAI, true, 0, IM_ORIGINATING,
		  "sip:pai@example.com", "orig parameter" },
		/* BAD: on somebody else's URI it is about his request (ROLE-8); as a header parameter it is nothing */
		{ NEAR, "Route: <sip:scscf.example.com;lr;orig>\r\n" PAI, true, 0, IM_TERMINATING, NEAR,
		  "Request-URI" },
		{ NEAR, "Route: <sip:192.0.2.1;lr>;orig\r\n" PAI, true, 0, IM_TERMINATING, NEAR,
		  "Request-URI" },
		{ FAR, "Route: <sip:192.0.2.1;lr;orig>\r\n", true, 403 },
	};
	check(t, ARRAY_LEN(t));
}

static void role_6_4_domains(void **state)
{
	static const struct want t[] = {
		{ "sip:bob@EXAMPLE.com", PAI, true, 0, IM_TERMINATING, "sip:bob@EXAMPLE.com", "Request-URI" },
		{ "sips:bob@other.example.:5061", "", true, 0, IM_TERMINATING, "sips:bob@other.example.:5061",
		  "Request-URI" },
		{ "sip:bob@192.0.2.1:9999", "", true, 0, IM_TERMINATING, "sip:bob@192.0.2.1:9999",
		  "Request-URI" },
		{ "sip:bob@im.example.com", "", false, 0, IM_TERMINATING, "sip:bob@im.example.com",
		  "Request-URI" },
		{ FAR, PAI, true, 0, IM_ORIGINATING, "sip:pai@example.com", "P-Asserted-Identity" },
		{ "tel:+15550100", PAI, true, 0, IM_ORIGINATING, "sip:pai@example.com",
		  "P-Asserted-Identity" },
		/* BAD: nobody here, a look-alike domain, an untrusted claim, From only, no domain in a number */
		{ FAR, "", true, 403 },
		{ "sip:bob@notexample.com", "", true, 403 },
		{ "sip:bob@sub.example.com", "", true, 403 },
		{ FAR, PAI, false, 403 },
		{ FAR, "P-Asserted-Identity: <sip:x@far.example>\r\n", true, 403 },
		{ FAR, "P-Asserted-Identity: <tel:+15550100>\r\n", true, 403 },
		{ "tel:+15550100", "", true, 403 },
	};
	check(t, ARRAY_LEN(t));
}

static void role_7_served_user(void **state)
{
	static const struct want t[] = {
		/* the first SIP URI, else the first tel URI (IMS-3: one of each kind counts) */
		{ FAR,
		  "Route: <sip:orig@192.0.2.1;lr>\r\nP-Asserted-Identity: <tel:+1555>, <sip:a@x.example>\r\n"
		  "P-Asserted-Identity: <sip:b@x.example>\r\n",
		  true, 0, IM_ORIGINATING, "sip:a@x.example", "Route marker" },
		{ FAR, "Route: <sip:orig@192.0.2.1;lr>\r\nP-Asserted-Identity: <tel:+1555>, <tel:+1556>\r\n",
		  true, 0, IM_ORIGINATING, "tel:+1555", "Route marker" },
		{ FAR,
		  "Route: <sip:orig@192.0.2.1;lr>\r\nP-Asserted-Identity: <urn:x:y>, sips:c@x.example\r\n",
		  true, 0, IM_ORIGINATING, "sips:c@x.example", "Route marker" },
		/* terminating: the caller's identity does not matter */
		{ "tel:+1666", "Route: <sip:term@192.0.2.1;lr>\r\n" PAI, true, 0, IM_TERMINATING, "tel:+1666",
		  "Route marker" },
		/* BAD: P-Preferred-Identity and From name nobody */
		{ FAR, "Route: <sip:orig@192.0.2.1;lr>\r\nP-Preferred-Identity: <sip:a@example.com>\r\n",
		  true, 403 },
		{ FAR, "Route: <sip:orig@192.0.2.1;lr>\r\nP-Asserted-Identity: <urn:x:y>\r\n", true, 403 },
	};
	check(t, ARRAY_LEN(t));
}

static void role_7_long_served_user_is_cut(void **state)
{
	char ruri[300] = "sip:";
	struct im_role role;
	const char *fault;

	memset(ruri + 4, 'u', 200);
	memcpy(ruri + 204, "@example.com", sizeof("@example.com"));
	assert_int_equal(role_decide(&conf, req("INVITE", ruri, "", ""), true, &role, &fault), 0);
	assert_int_equal(strlen(role.served_user), sizeof(role.served_user) - 1);
	assert_memory_equal(role.served_user, ruri, sizeof(role.served_user) - 1);
}

static bool trusts(const char *host)
{
	struct sip_dest to = { .tp = SIP_UDP, .host = span_of(host) };
	return role_trusts(&conf, &to);
}

static void role_ims_2_names_of_next_hops(void **state)
{
	struct sip_dest to = { .tp = SIP_UDP, .host = SPAN("edge.ims.example") };

	assert_false(trusts("core.example.net"));
	snprintf(conf.next_hop, sizeof(conf.next_hop), "sip:core.example.net;transport=tcp");
	assert_true(trusts("CORE.example.net"));
	assert_false(trusts("elsewhere.example.org")); /* a Route that somebody wrote */
	assert_false(trusts("a.core.example.net"));
	snprintf(conf.trusted_names[0], sizeof(conf.trusted_names[0]), "ims.example");
	conf.n_trusted_names = 1;
	assert_true(trusts("ims.example"));
	assert_true(trusts("scscf.IMS.example"));
	assert_false(trusts("xims.example"));
	assert_false(trusts("ims.example.org"));
	addr_parse(&to.ip, SPAN("203.0.113.1"), 5060); /* an address is judged as an address */
	assert_false(role_trusts(&conf, &to));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(role_ims_2_trusted_peers, setup),
		cmocka_unit_test_setup(role_ims_2_names_of_next_hops, setup),
		cmocka_unit_test_setup(role_our_own_uri, setup),
		cmocka_unit_test_setup(role_6_1_served_user_header, setup),
		cmocka_unit_test_setup(role_6_2_marker_on_our_route, setup),
		cmocka_unit_test_setup(role_6_2_marker_names_are_configured, setup),
		cmocka_unit_test_setup(role_6_3_orig_parameter, setup),
		cmocka_unit_test_setup(role_6_4_domains, setup),
		cmocka_unit_test_setup(role_7_served_user, setup),
		cmocka_unit_test_setup(role_7_long_served_user_is_cut, setup),
	};
	return cmocka_run_group_tests_name("im/role", tests, NULL, NULL);
}
