/* SPDX-License-Identifier: MIT */
/* The pure parts of proxy mode: where a request goes (PX-4, PX-5, PX-8), what a Record-Route says (PX-7), loops (PX-16). */
#include "req.h"

#include "im/proxy.h"

static struct im_conf conf;
static const struct proxy_keys keys = { { 1, 2 }, { 3, 4 }, 5, "0a0b0c0d" };

static int setup(void **state)
{
	memset(&conf, 0, sizeof(conf));
	conf.n_listen = 2;
	for (unsigned i = 0; i < 2; i++) {
		strcpy(conf.listen[i].host, i ? "im.example.com" : "192.0.2.1");
		conf.listen[i].port = 5060;
		addr_parse(&conf.listen[i].addr, SPAN("192.0.2.1"), 5060);
	}
	return 0;
}

#define US "<sip:192.0.2.1;lr>"
#define MARKED "<sip:192.0.2.1;lr;parley=0a0b0c0d.r.1>"
#define MARKED_TOO "<sip:im.example.com;lr;parley=0a0b0c0d.i.2>"

struct want {
	const char *ruri, *routes, *next_hop; /* it comes with */
	unsigned status;
	const char *out, *hop, *out_routes; /* it goes with; hop NULL: it is for us */
};

static void goes(const struct want *t, const char *to_tag)
{
	char headers[1024], routes[1024];
	struct wbuf w = wbuf_on(routes, sizeof(routes));
	struct proxy_route r;
	const char *fault;
	const struct sip_msg *m;

	strcpy(conf.next_hop, t->next_hop ? t->next_hop : "");
	snprintf(headers, sizeof(headers), "%s%s%s%s", t->routes ? "Route: " : "", t->routes ? t->routes : "",
		 t->routes ? "\r\n" : "", to_tag);
	m = req("INFO", t->ruri, headers, "");
	assert_int_equal(proxy_route(&conf, m, &r, &fault), t->status);
	if (t->status)
		return;
	w_proxy_routes(&w, m, &r);
	w_chr(&w, '\0');
	if (!span_eq(r.ruri, span_of(t->out)) || !span_eq(r.hop, span_of(t->hop)) ||
	    strcmp(routes, t->out_routes ? t->out_routes : "") != 0)
		fail_msg("%s %s: %.*s to %.*s with %s", t->ruri, t->routes ? t->routes : "", (int)r.ruri.n,
			 r.ruri.p, (int)r.hop.n, r.hop.p, routes);
}

static void px_5_the_next_route_else_the_next_hop_else_the_uri(void **state)
{
	static const struct want t[] = {
		{ "sip:b@far", US ", <sip:n1;lr>;x=1, <sip:n2;lr>", "sip:core", 0, "sip:b@far", "sip:n1;lr",
		  "Route: <sip:n1;lr>;x=1\r\nRoute: <sip:n2;lr>\r\n" },
		{ "sip:b@far", "<sip:n1;lr>," US, NULL, 0, "sip:b@far", "sip:n1;lr",
		  "Route: <sip:n1;lr>\r\nRoute: " US "\r\n" },
		{ "sip:b@far", US, "sip:core", 0, "sip:b@far", "sip:core", NULL },
		{ "sip:b@far", US, NULL, 0, "sip:b@far", "sip:b@far", NULL },
		{ "sip:b@far", NULL, NULL, 0, "sip:b@far", "sip:b@far", NULL },
		{ "tel:+1", US, "sip:core", 0, "tel:+1", "sip:core", NULL },
		{ "tel:+1", US ", <sip:n1;lr>", NULL, 0, "tel:+1", "sip:n1;lr", "Route: <sip:n1;lr>\r\n" },
		{ "tel:+1", US, NULL, 404, NULL, NULL, NULL },
		{ "urn:service:sos.police", US, "sip:core", 0, "urn:service:sos.police", "sip:core", NULL },
		{ "urn:service:counseling", US, "sip:core", 416, NULL, NULL, NULL },
		{ "sip:b@im.example.com", NULL, "sip:core", 0, "sip:b@im.example.com", "sip:core", NULL },
		{ "sip:b@im.example.com", NULL, NULL, 0, "sip:b@im.example.com", NULL, NULL },
		{ "sip:im.example.com", NULL, "sip:core", 0, "sip:im.example.com", NULL, NULL },
		{ "sip:b@far", "<mailto:x>", NULL, 400, NULL, NULL, NULL },
		{ "sip:b@far", US ", <mailto:x>", NULL, 400, NULL, NULL, NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		goes(&t[i], "");
}

static void px_4_our_own_entries_are_taken_off(void **state)
{
	static const struct want t[] = {
		/* two of a double Record-Route, but two that are not one only once */
		{ "sip:b@far", MARKED ", " MARKED_TOO ", <sip:n1;lr>", NULL, 0, "sip:b@far", "sip:n1;lr",
		  "Route: <sip:n1;lr>\r\n" },
		{ "sip:b@far", MARKED ", " MARKED, NULL, 0, "sip:b@far",
		  "sip:192.0.2.1;lr;parley=0a0b0c0d.r.1", "Route: " MARKED "\r\n" },
		{ "sip:b@far", US ", " US, NULL, 0, "sip:b@far", "sip:192.0.2.1;lr", "Route: " US "\r\n" },
		{ "sip:b@far", US ", " MARKED, NULL, 0, "sip:b@far", "sip:192.0.2.1;lr;parley=0a0b0c0d.r.1",
		  "Route: " MARKED "\r\n" },
		/* a strict router before us */
		{ "sip:192.0.2.1;lr;parley=0a0b0c0d.r.1", "<sip:b@far>", NULL, 0, "sip:b@far", "sip:b@far",
		  NULL },
		{ "sip:192.0.2.1;lr;parley=0a0b0c0d.r.1", MARKED_TOO ", <sip:n1;lr>, <sip:b@far>", NULL, 0,
		  "sip:b@far", "sip:n1;lr", "Route: <sip:n1;lr>\r\n" },
		{ "sip:192.0.2.1;lr;parley=0a0b0c0d.r.1", NULL, NULL, 0,
		  "sip:192.0.2.1;lr;parley=0a0b0c0d.r.1", NULL, NULL },
		{ "sip:192.0.2.1;lr", "<sip:b@far;lr>", NULL, 0, "sip:192.0.2.1;lr", "sip:b@far;lr",
		  "Route: <sip:b@far;lr>\r\n" },
		{ "sip:192.0.2.9;lr;parley=0a0b0c0d.r.1", "<sip:b@far;lr>", NULL, 0,
		  "sip:192.0.2.9;lr;parley=0a0b0c0d.r.1", "sip:b@far;lr", "Route: <sip:b@far;lr>\r\n" },
		/* maddr */
		{ "sip:b@far:5060;maddr=192.0.2.1;transport=udp;x;y=1", NULL, NULL, 0, "sip:b@far;x;y=1",
		  "sip:b@far;x;y=1", NULL },
		{ "sip:b@far:5070;maddr=192.0.2.1", NULL, NULL, 0, "sip:b@far:5070;maddr=192.0.2.1",
		  "sip:b@far:5070;maddr=192.0.2.1", NULL },
		{ "sip:b@far;maddr=192.0.2.2", NULL, NULL, 0, "sip:b@far;maddr=192.0.2.2",
		  "sip:b@far;maddr=192.0.2.2", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		goes(&t[i], "");
}

static void px_8_a_strict_router_after_us(void **state)
{
	static const struct want t[] = {
		{ "sip:b@far", US ", <sip:s1;x>, <sip:n2;lr>", NULL, 0, "sip:s1;x", "sip:s1;x",
		  "Route: <sip:n2;lr>\r\nRoute: <sip:b@far>\r\n" },
		{ "sip:192.0.2.1;parley=0a0b0c0d.r.1", "<sip:s1>, <sip:b@far>", NULL, 0, "sip:s1", "sip:s1",
		  "Route: <sip:b@far>\r\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		goes(&t[i], "");
}

static void mark(char out[64], const char *call_id, enum proxy_side side)
{
	struct wbuf w = wbuf_on(out, 63);
	w_proxy_mark(&w, &keys, span_of(call_id), side);
	out[w.n] = '\0';
}

static void px_22_a_mark_holds_for_its_call_and_side(void **state)
{
	struct proxy_keys other = { { 9, 9 }, { 3, 4 }, 5, "ffffffff" };
	char m[64], bad[64];

	mark(m, "call", PROXY_INITIATOR);
	assert_int_equal(strlen(m), 8 + 3 + 16);
	assert_false(proxy_mark_forged(&keys, SPAN("call"), span_of(m)));
	assert_true(proxy_mark_forged(&keys, SPAN("other"), span_of(m)));
	for (size_t i = 8; i < strlen(m); i++) {
		memcpy(bad, m, sizeof(m));
		bad[i] ^= 1;
		assert_true(proxy_mark_forged(&keys, SPAN("call"), span_of(bad)));
		bad[i] = '\0';
		assert_true(proxy_mark_forged(&keys, SPAN("call"), span_of(bad)));
	}
	assert_false(proxy_mark_forged(&other, SPAN("call"), span_of(m))); /* of another run */
	assert_false(proxy_mark_forged(&keys, SPAN("call"), SPAN_EMPTY));
	mark(bad, "call", PROXY_RESPONDER);
	assert_string_not_equal(m, bad);
}

/* Each of what a request is routed by makes it another. */
static void px_16_the_loop_hash_covers_what_routes(void **state)
{
	static const struct {
		const char *ruri, *headers;
	} t[] = { { "sip:b@far", "" },
		  { "sip:c@far", "" },
		  { "sip:b@far", "Route: <sip:a;lr>\r\n" },
		  { "sip:b@far", "Route: <sip:b;lr>\r\n" },
		  { "sip:b@far", "Route: <sip:a;lr>\r\nRoute: <sip:b;lr>\r\n" },
		  { "sip:b@far", "Proxy-Require: x\r\n" },
		  { "sip:b@far", "Proxy-Authorization: Digest x=1\r\n" } };
	char h[ARRAY_LEN(t)][PROXY_HASH_LEN + 1], via[128], again[PROXY_HASH_LEN + 1];

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const struct sip_msg *m = req("INFO", t[i].ruri, t[i].headers, "");
		proxy_loop_hash(&keys, m, h[i]);
		assert_int_equal(strlen(h[i]), PROXY_HASH_LEN);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(h[i], h[k]);
		assert_false(proxy_is_loop(m, h[i]));
	}
	snprintf(via, sizeof(via), "Via: SIP/2.0/UDP n, SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1.%s\r\n", h[0]);
	const struct sip_msg *m = req("INFO", "sip:b@far", via, "");
	proxy_loop_hash(&keys, m, again);
	assert_string_equal(again, h[0]); /* how it came is not what it is routed by */
	assert_true(proxy_is_loop(m, again));
	assert_false(proxy_is_loop(m, h[1]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(px_5_the_next_route_else_the_next_hop_else_the_uri, setup),
		cmocka_unit_test_setup(px_4_our_own_entries_are_taken_off, setup),
		cmocka_unit_test_setup(px_8_a_strict_router_after_us, setup),
		cmocka_unit_test_setup(px_22_a_mark_holds_for_its_call_and_side, setup),
		cmocka_unit_test_setup(px_16_the_loop_hash_covers_what_routes, setup),
	};
	return cmocka_run_group_tests_name("im/proxy", tests, NULL, NULL);
}
