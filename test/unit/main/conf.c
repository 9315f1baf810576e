/* SPDX-License-Identifier: MIT */
/* The configuration: what a file means, and the exact words about each kind of fault. */
#include "lib/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "main/conf.h"
#include "lib/oom.h"

static void parse(struct conf *c, const char *text, int want)
{
	assert_int_equal(conf_parse(c, "f.yaml", span_of(text)), want);
}

/* text has exactly this one fault. */
static void one_fault(const char *text, const char *want)
{
	struct conf c;

	parse(&c, text, 1);
	assert_string_equal(c.faults[0], want);
	assert_int_equal(c.n_faults, 1);
	conf_finish(&c);
}

/* UP-51: with nothing configured. */
static void limits_are_those_that_are_asked_for(void **state)
{
	struct conf c;

	parse(&c, "", 0);
	assert_int_equal(c.im.sessions_max, 20000);
	assert_int_equal(PLANE_LINES_MAX, 8);
	assert_int_equal(c.im.plane.chat_max_size, 4 * 1024 * 1024);
	assert_int_equal(c.im.plane.queue_max, 256 * 1024);
	assert_int_equal(c.im.plane.unbound_per_source_max, 100);
	assert_int_equal(c.im.plane.bind_wait_ms, 30000);
	conf_finish(&c);
	parse(&c,
	      "im: { sessions_max: 7, media: { max_streams: 8, chat_max_size: 5M } }\n"
	      "msrp: { queue_max: 4096, unbound_per_source_max: 3, bind_wait: 5s }\n",
	      0);
	assert_int_equal(c.im.sessions_max, 7);
	assert_int_equal(c.im.max_streams, 8);
	assert_int_equal(c.im.plane.chat_max_size, 5 * 1024 * 1024);
	assert_int_equal(c.im.plane.queue_max, 4096);
	assert_int_equal(c.im.plane.unbound_per_source_max, 3);
	assert_int_equal(c.im.plane.bind_wait_ms, 5000);
	conf_finish(&c);
}

/* UP-54: by family, as far as there is more than one thing to be said. */
static void paths_name_a_listener_of_each_family(void **state)
{
	struct conf c;
	const struct plane_at *at = c.im.plane.at, *also = c.im.plane.also;

	parse(&c, "msrp: { listen: [tcp:192.0.2.1:2855, tcp:192.0.2.2:2856, \"tcp:[2001:db8::1]:2857\"] }\n",
	      0);
	assert_string_equal(at[PLANE_TCP].host, "192.0.2.1");
	assert_false(at[PLANE_TCP].ip6);
	assert_string_equal(also[PLANE_TCP].host, "[2001:db8::1]");
	assert_int_equal(also[PLANE_TCP].port, 2857);
	assert_true(also[PLANE_TCP].ip6);
	conf_finish(&c);
	parse(&c,
	      "msrp: { listen: [\"tcp:[2001:db8::1]:2857\", tcp:192.0.2.1:2855], advertise: im.example.com }\n",
	      0);
	assert_string_equal(at[PLANE_TCP].host, "im.example.com");
	assert_int_equal(at[PLANE_TCP].port, 2857);
	assert_int_equal(also[PLANE_TCP].port, 0);
	conf_finish(&c);
}

/* What stands in the table and what im/ and net/ would do without it are the same. */
static void defaults_agree_with_the_rooms_they_configure(void **state)
{
	struct conf c;
	struct im_conf im;
	struct net_conf net;

	parse(&c, "", 0);
	im_conf_defaults(&im);
	net_conf_defaults(&net);
#define SAME(f) assert_int_equal(c.im.f, im.f)
	SAME(sip_transactions_max);
	SAME(untrusted_rate);
	SAME(overload_delay_ms);
	SAME(mode);
	SAME(n_domains);
	SAME(sessions_max);
	SAME(max_size);
	SAME(min_max_size);
	SAME(max_streams);
	SAME(max_chats);
	SAME(file_transfer);
	SAME(audio_video_pass);
	SAME(partial);
	SAME(check_cpim_from);
	SAME(strict_origin);
	SAME(trust_preferred_service);
	SAME(allow_downgrade);
	SAME(deny_loopback);
	SAME(update_guard_ms);
	SAME(implicit_ack);
	SAME(prefer_update);
	SAME(absorb_491);
	SAME(map_3xx_in_dialog);
	SAME(session_expires_s);
	SAME(min_se_s);
	SAME(plane.ack_end);
	SAME(plane.max_size);
	SAME(chat_max_size);
	SAME(plane.chat_max_size);
	SAME(plane.enforce_peer_max_size);
	SAME(plane.cpim_adapt);
	SAME(plane.cema);
	SAME(plane.cpim_notifications_refuse);
	SAME(plane.queue_max);
	SAME(plane.connections_max);
	SAME(plane.unbound_per_source_max);
	SAME(plane.bind_wait_ms);
	SAME(plane.drain_ms);
	SAME(plane.end_bound_ms);
	SAME(plane.resend_max);
	SAME(plane.repair);
	SAME(plane.repair_wait_ms);
	SAME(plane.keepalive_ms);
	SAME(plane.chatroom);
#undef SAME
	assert_string_equal(c.im.next_hop, im.next_hop);
	assert_string_equal(c.im.orig_marker, im.orig_marker);
	assert_string_equal(c.im.term_marker, im.term_marker);
	assert_string_equal(c.im.server_token, im.server_token);
	assert_string_equal(c.im.accept_types, im.accept_types);
	assert_string_equal(c.im.plane.accept_types, im.plane.accept_types);
	assert_int_equal(c.net.sip_message_max, net.sip_message_max);
	assert_int_equal(c.net.sip_connections_max, net.sip_connections_max);
	assert_int_equal(c.net.sip_idle_ms, net.sip_idle_ms);
	assert_int_equal(c.net.sip_header_ms, net.sip_header_ms);
	assert_int_equal(c.net.connect_ms, net.connect_ms);
	assert_int_equal(c.net.msrp_connections_max, im.plane.connections_max);
	assert_int_equal(c.drain_s, 30);
	assert_int_equal(c.log_level, IM_NOTICE);
	assert_int_equal(c.mgmt.family, 0);
	conf_finish(&c);
}

static const char contract[] = "sip:\n"
			       "  listen: [\"udp:127.0.0.1:5060\", \"tcp:[::1]:5070\"]   # comment\n"
			       "  trusted: [\"10.0.0.0/8\", \"::1/128\"]\n"
			       "  next_hop: \"sip:127.0.0.1:5080\"\n"
			       "im:\n"
			       "  mode: anchored\n"
			       "  served_domains: [\"example.com\", example.net]\n"
			       "  media:\n"
			       "    accept_types: [\"message/cpim\", text/*]\n"
			       "    max_size: 10M\n"
			       "    max_streams: 3\n"
			       "    file_transfer: false\n"
			       "    other_media: reject\n"
			       "msrp:\n"
			       "  listen: [\"tcp:127.0.0.1:2855\"]\n"
			       "  acknowledge: hop\n"
			       "  bind_wait: 9500\n"
			       "store: { kind: memory }\n"
			       "mgmt:\n"
			       "  listen: \"127.0.0.1:8060\"\n";

static void the_contract_is_read(void **state)
{
	struct conf c;

	parse(&c, contract, 0);
	assert_int_equal(c.im.n_listen, 2);
	assert_int_equal(c.im.listen[0].tp, SIP_UDP);
	assert_string_equal(c.im.listen[0].host, "127.0.0.1");
	assert_int_equal(c.im.listen[1].tp, SIP_TCP);
	assert_string_equal(c.im.listen[1].host, "[::1]");
	assert_int_equal(c.im.listen[1].port, 5070);
	assert_int_equal(c.im.n_trusted, 2);
	assert_int_equal(c.im.trusted[0].bits, 8);
	assert_string_equal(c.im.next_hop, "sip:127.0.0.1:5080");
	assert_int_equal(c.im.mode, IM_ANCHORED);
	assert_int_equal(c.im.profile, IM_PLAIN);
	assert_int_equal(c.im.n_domains, 2);
	assert_string_equal(c.im.domains[1], "example.net");
	assert_string_equal(c.im.accept_types, "message/cpim text/*");
	assert_string_equal(c.im.plane.accept_types, "message/cpim text/*");
	assert_int_equal(c.im.max_size, 10485760);
	assert_int_equal(c.im.plane.max_size, 10485760);
	assert_int_equal(c.im.max_streams, 3);
	assert_false(c.im.file_transfer);
	assert_false(c.im.plane.ack_end);
	assert_int_equal(c.im.plane.bind_wait_ms, 9500);
	assert_string_equal(c.im.plane.at[PLANE_TCP].host, "127.0.0.1");
	assert_int_equal(c.im.plane.at[PLANE_TCP].port, 2855);
	assert_int_equal(c.mgmt.port, 8060);
	conf_finish(&c);
}

static void a_file_replaces_lists_whole(void **state)
{
	struct conf c;

	parse(&c, "sip: { listen: \"udp:127.0.0.1:7000\", trusted: [] }\n", 0);
	assert_int_equal(c.im.n_listen, 1);
	assert_int_equal(c.im.listen[0].port, 7000);
	assert_int_equal(c.im.n_trusted, 0);
	conf_finish(&c);
}

static void advertised_names_replace_addresses(void **state)
{
	struct conf c;
	struct addr bound = { .family = 4, .port = 40000, .ip = { 127, 0, 0, 1 } };

	parse(&c,
	      "sip: { listen: [\"udp:0.0.0.0:5060\", \"tcp:0.0.0.0:0\"], advertise: as.example.com }\n"
	      "msrp: { listen: [\"tcp:0.0.0.0:2855\"], advertise: \"[2001:db8::1]:443\" }\n",
	      0);
	assert_string_equal(c.im.listen[0].host, "as.example.com");
	assert_int_equal(c.im.listen[0].port, 5060);
	assert_string_equal(c.im.plane.at[PLANE_TCP].host, "[2001:db8::1]");
	assert_int_equal(c.im.plane.at[PLANE_TCP].port, 443);
	conf_bound_sip(&c, 1, &bound);
	conf_bound_msrp(&c, 0, &bound);
	assert_string_equal(c.im.listen[1].host, "as.example.com");
	assert_int_equal(c.im.listen[1].port, 40000);
	assert_int_equal(c.im.plane.at[PLANE_TCP].port, 443);
	conf_finish(&c);

	parse(&c, "sip: { listen: [\"udp:127.0.0.1:1\", \"tcp:[::1]:2\"], advertise: [\"a:10\", \"b\"] }\n",
	      0);
	assert_string_equal(c.im.listen[0].host, "a");
	assert_int_equal(c.im.listen[0].port, 10);
	assert_string_equal(c.im.listen[1].host, "b");
	assert_int_equal(c.im.listen[1].port, 2);
	conf_finish(&c);
}

static void msrp_by_tcp_and_tls(void **state)
{
	struct conf c;
	struct addr bound = { .family = 4, .port = 40001, .ip = { 127, 0, 0, 1 } };

	parse(&c,
	      "sip: { tls: { certificate: /a/c.pem, key: /a/k.pem, ca: /a/ca.pem } }\n"
	      "msrp:\n"
	      "  listen: [\"tcp:127.0.0.1:2855\", \"tls:127.0.0.1:0\", \"tls:127.0.0.1:2857\"]\n"
	      "  advertise: \"msrp.example.com:4000\"\n"
	      "  transport: { client: tls, core: tcp }\n"
	      "  tls: { names: false, sha1: true, fingerprints: any, ca: /b/ca.pem }\n",
	      0);
	assert_true(conf_has_msrp_tls(&c));
	assert_string_equal(c.im.plane.at[PLANE_TCP].host, "msrp.example.com");
	assert_int_equal(c.im.plane.at[PLANE_TCP].port, 4000);
	conf_bound_msrp(&c, 1, &bound);
	assert_string_equal(c.im.plane.at[PLANE_TLS].host, "msrp.example.com");
	assert_int_equal(c.im.plane.at[PLANE_TLS].port, 40001);
	assert_int_equal(c.im.plane.transport[SIDE_A], 1 + PLANE_TLS);
	assert_int_equal(c.im.plane.transport[SIDE_B], 1 + PLANE_TCP);
	assert_false(c.im.plane.tls_names);
	assert_true(c.im.plane.sha1);
	assert_true(c.im.plane.prints_from_any);
	/* What msrp.tls leaves open is as for SIP. */
	assert_string_equal(c.msrp_tls.certificate, "/a/c.pem");
	assert_string_equal(c.msrp_tls.key, "/a/k.pem");
	assert_string_equal(c.msrp_tls.ca, "/b/ca.pem");
	conf_finish(&c);

	parse(&c,
	      "msrp: { listen: [\"tls:127.0.0.1:2855\", \"tcp:[::1]:2856\"], advertise: [\"a:1\", \"b\"] }\n",
	      0);
	assert_string_equal(c.im.plane.at[PLANE_TLS].host, "a");
	assert_int_equal(c.im.plane.at[PLANE_TLS].port, 1);
	assert_string_equal(c.im.plane.at[PLANE_TCP].host, "b");
	assert_int_equal(c.im.plane.at[PLANE_TCP].port, 2856);
	conf_finish(&c);

	parse(&c, "msrp: { listen: \"tls:127.0.0.1:2855\" }\n", 0);
	assert_int_equal(c.im.plane.at[PLANE_TCP].port, 0);
	assert_string_equal(plane_home(&c.im.plane)->host, "127.0.0.1");
	assert_string_equal(c.msrp_tls.certificate, ""); /* one is made */
	conf_finish(&c);
}

static void faults_of_shape(void **state)
{
	one_fault("sip:\n  lisen: [\"udp:127.0.0.1:5060\"]\n",
		  "f.yaml:2: sip.lisen: there is no such key; did you mean sip.listen?");
	one_fault("max_size: 5\n",
		  "f.yaml:1: max_size: there is no such key; did you mean im.media.max_size?");
	one_fault("colour: { of: [money, { a: b }] }\n",
		  "f.yaml:1: colour: there is no such key; parleyd --help-config lists all");
	one_fault("sip: 5\n", "f.yaml:1: sip: is a section; put its keys below it, indented");
	one_fault("im:\n  mode: [anchored]\n", "f.yaml:2: im.mode: wants one value, not a list or a section");
	one_fault("sip:\n  trusted: { a: b }\n", "f.yaml:2: sip.trusted: wants a list, such as [a, b]");
	one_fault("sip:\n  trusted:\n    - [\"::1\"]\n",
		  "f.yaml:3: sip.trusted: has an entry that is not a plain value; write [a, b]");
	one_fault("im:\n  mode:\n", "f.yaml:2: im.mode: has no value; give one or remove the line");
	one_fault("drain_s: 1\nim:\n  mode: anchored\ndrain_s: 2\n",
		  "f.yaml:4: drain_s: is given twice, first on line 1; remove one");
	one_fault("drain_s: 1\n---\ndrain_s: 2\n",
		  "f.yaml:2: syntax: a second document; keep one, without ---");
	one_fault("just words\n",
		  "f.yaml:1: syntax: not a configuration; it begins with a section such as sip:");
	one_fault("log:\n  level: &x debug\nim:\n  mode: *x\n",
		  "f.yaml:4: im.mode: is an alias; write the value itself");
	one_fault("sip:\n  listen: []\n", "f.yaml:2: sip.listen: has 0 entries; give 1 to 16");
	one_fault("im:\n  route_markers: [a]\n", "f.yaml:2: im.route_markers: has 1 entries; give 2 to 2");
}

static void name_servers_are_told_with_their_ports(void **state)
{
	struct conf c = { 0 };

	assert_int_equal(
		conf_parse(
			&c, "f.yaml",
			SPAN("sip:\n  dns: { servers: [\"127.0.0.1:5353\", 192.0.2.1, \"::1\"], timeout: 500ms, avoid: 5s }\n"
			     "  trusted_names: [ims.example, core.example]\n")),
		0);
	assert_string_equal(c.net.dns_servers, "127.0.0.1:5353,192.0.2.1:53,[::1]:53");
	assert_int_equal(c.net.dns_timeout_ms, 500);
	assert_int_equal(c.net.dns_avoid_ms, 5000);
	assert_int_equal(c.im.n_trusted_names, 2);
	assert_string_equal(c.im.trusted_names[1], "core.example");
	conf_finish(&c);
}

static void faults_of_yaml_itself(void **state)
{
	struct conf c;

	parse(&c, "sip:\n  listen: [\"udp:127.0.0.1:5060\"\nim:\n", 1);
	assert_int_equal(strncmp(c.faults[0], "f.yaml:3: syntax: ", 18), 0);
	conf_finish(&c);
	assert_int_equal(conf_parse(&c, "f.yaml", SPAN("drain_s: 1\n\nlog: \xff\n")), 1);
	assert_int_equal(strncmp(c.faults[0], "f.yaml:3: syntax: ", 18), 0);
	conf_finish(&c);
	parse(&c, "sip:\n\tlisten: x\n", 1);
	assert_int_equal(strncmp(c.faults[0], "f.yaml:2: syntax: ", 18), 0);
	conf_finish(&c);
}

static void faults_of_values(void **state)
{
	one_fault("drain_s: soon\n",
		  "f.yaml:1: drain_s: \"soon\" is not a time in seconds, or such as 30s or 5m");
	one_fault("drain_s: 3601\n",
		  "f.yaml:1: drain_s: 3601 is out of range; a time in seconds, or such as 30s "
		  "or 5m from 0 to 3600");
	one_fault(
		"msrp: { bind_wait: 2500s }\n",
		"f.yaml:1: msrp.bind_wait: 2500s is out of range; a time such as 500ms, 20s or 5m from 1000 to "
		"600000 ms");
	one_fault("sip: { connections_max: 0 }\n",
		  "f.yaml:1: sip.connections_max: 0 is out of range; a whole number from 1 to 1000000");
	one_fault("sip: { connections_max: 1K }\n",
		  "f.yaml:1: sip.connections_max: \"1K\" is not a whole number");
	one_fault("sip: { message_max: -1 }\n",
		  "f.yaml:1: sip.message_max: \"-1\" is not a number of bytes (K, M and G may follow)");
	one_fault("im: { media: { file_transfer: yes } }\n",
		  "f.yaml:1: im.media.file_transfer: \"yes\" is neither true nor false");
	one_fault("log: { level: loud }\n",
		  "f.yaml:1: log.level: \"loud\" is not one of its values; use error or "
		  "warn or notice or info or debug");
	one_fault("store: { kind: redis }\n",
		  "f.yaml:1: store.kind: redis is not in this version; use memory");
	one_fault("im: { profile: 4gpp }\n",
		  "f.yaml:1: im.profile: \"4gpp\" is not one of its values; use plain or 3gpp or 3gpp2");
	one_fault("im: { ioi: 'a\"b' }\n", "f.yaml:1: im.ioi: must not contain quotes or backslashes");
	one_fault("im:\n  server_token: \"a\\nb\"\n",
		  "f.yaml:2: im.server_token: must be one line of ASCII, at most 63 bytes");
}

static void websocket_is_a_transport_of_clients(void **state)
{
	struct conf c;

	parse(&c,
	      "sip:\n  listen: [\"udp:127.0.0.1:5060\", \"ws:127.0.0.1:8080\", \"wss:127.0.0.1:8443\"]\n"
	      "  tls: { certificate: c.pem, key: k.pem }\n"
	      "websocket: { origins: [\"https://a.example\", \"http://b.example:81\"] }\n",
	      0);
	assert_int_equal(c.im.listen[1].tp, SIP_WS);
	assert_int_equal(c.im.listen[2].tp, SIP_WSS);
	assert_true(conf_has_tls(&c));
	assert_string_equal(c.net.ws_origins, "https://a.example http://b.example:81");
	conf_finish(&c);
	parse(&c,
	      "msrp: { listen: [\"tcp:127.0.0.1:2855\", \"ws:127.0.0.1:8081\", \"wss:127.0.0.1:8444\"] }\n"
	      "sip: { tls: { certificate: c.pem, key: k.pem } }\n",
	      0);
	assert_int_equal(c.im.plane.at[PLANE_WS].port, 8081);
	assert_int_equal(c.im.plane.at[PLANE_WSS].port, 8444);
	assert_true(conf_has_tls(&c) && !conf_has_msrp_tls(&c));
	conf_finish(&c);
	one_fault(
		"msrp: { listen: \"ws:127.0.0.1:8081\" }\n",
		"f.yaml:1: msrp.listen: has WebSocket only, by which no server can be reached; add tcp: or tls:");
	one_fault(
		"msrp: { listen: [\"tcp:127.0.0.1:2855\", \"wss:127.0.0.1:8444\"] }\nsip: { tls: { key: k.pem } }\n",
		"f.yaml: sip.tls.certificate (default): is needed for tls: in sip.listen and for wss:; name a PEM file");
	one_fault("websocket: { origins: chat.example.com }\n",
		  "f.yaml:1: websocket.origins: \"chat.example.com\" is not an origin; write https://HOST or "
		  "https://HOST:PORT");
	one_fault(
		"sip: { listen: \"wss:127.0.0.1:5061\", tls: { key: k.pem } }\n",
		"f.yaml: sip.tls.certificate (default): is needed for tls: in sip.listen and for wss:; name a PEM file");
	one_fault("sip: { next_hop: \"sip:127.0.0.1:80;transport=ws\" }\n",
		  "f.yaml:1: sip.next_hop: wants WebSocket, by which nobody can be called; use tcp or tls");
	one_fault(
		"sip: { listen: \"ws:127.0.0.1:8080\" }\nim: { mode: proxy }\n",
		"f.yaml:1: sip.listen: WebSocket is not possible with im.mode proxy; use anchored or unanchored");
}

static void faults_of_addresses(void **state)
{
	one_fault(
		"sip:\n  listen:\n    - udp:127.0.0.1:5060\n    - tls:127.0.0.1:5061\n  tls: { key: k.pem }\n",
		"f.yaml: sip.tls.certificate (default): is needed for tls: in sip.listen and for wss:; name a PEM file");
	one_fault(
		"sip:\n  listen: tls:127.0.0.1:5061\n  tls: { certificate: c.pem }\n",
		"f.yaml: sip.tls.key (default): is needed for tls: in sip.listen and for wss:; name a PEM file");
	one_fault("msrp: { listen: \"udp:127.0.0.1:5061\" }\n",
		  "f.yaml:1: msrp.listen: \"udp:127.0.0.1:5061\" begins with no transport; write "
		  "tcp:ADDRESS:PORT, or the same with tls:, ws: or wss:");
	one_fault(
		"msrp:\n  listen: tls:127.0.0.1:2856\n  tls: { key: k.pem }\n",
		"f.yaml: msrp.tls.certificate (default): is needed too: certificate and key belong together");
	one_fault("msrp:\n  transport: { core: tls }\n",
		  "f.yaml:2: msrp.transport.core: has no listener of its kind in msrp.listen; add one");
	one_fault("msrp:\n  listen: [tcp:127.0.0.1:2855, tls:127.0.0.1:2856, tcp:127.0.0.1:2857]\n"
		  "  advertise: [a.example.com, b.example.com]\n",
		  "f.yaml:3: msrp.advertise: has 2 entries, msrp.listen 3; give one, or one for each");
	one_fault(
		"sip: { listen: \"127.0.0.1:5060\" }\n",
		"f.yaml:1: sip.listen: \"127.0.0.1:5060\" begins with no transport; write udp:ADDRESS:PORT, "
		"or the same with tcp:, tls:, ws: or wss:");
	one_fault(
		"sip: { listen: \"udp:localhost:5060\" }\n",
		"f.yaml:1: sip.listen: \"udp:localhost:5060\" is not an address with a port; write "
		"udp:ADDRESS:PORT, or the same with tcp:, tls:, ws: or wss:, for example 127.0.0.1:5060 or [::1]:5060 (names are "
		"not resolved here)");
	one_fault("mgmt: { listen: \"8060\" }\n",
		  "f.yaml:1: mgmt.listen: \"8060\" is not an address with a port; write ADDRESS:PORT, for "
		  "example 127.0.0.1:5060 or [::1]:5060 (names are not resolved here)");
	one_fault("sip:\n  trusted: [10.0.0.0/8, core]\n",
		  "f.yaml:2: sip.trusted: \"core\" is not an address block; write 10.0.0.0/8 or ::1/128");
	one_fault(
		"sip: { trusted_names: [\"10.0.0.1/8\"] }\n",
		"f.yaml:1: sip.trusted_names: \"10.0.0.1/8\" is not a domain name; addresses belong into sip.trusted");
	one_fault(
		"sip: { dns: { servers: [ns.example.com] } }\n",
		"f.yaml:1: sip.dns.servers: \"ns.example.com\" is not an address; write ADDRESS or ADDRESS:PORT, for "
		"example 192.0.2.53 or [2001:db8::53]:53");
	one_fault("sip: { next_hop: \"core.example.com\" }\n",
		  "f.yaml:1: sip.next_hop: \"core.example.com\" is not a SIP URI; write sip:HOST:PORT");
	one_fault("sip: { next_hop: \"sips:core.example.com\" }\n",
		  "f.yaml:1: sip.next_hop: wants TLS, but nothing in sip.listen begins with tls:; add it");
	one_fault(
		"sip: { advertise: \"a b\" }\n",
		"f.yaml:1: sip.advertise: \"a b\" is not a host; write HOST or HOST:PORT, at most 63 bytes");
	one_fault(
		"im: { served_domains: [\"sip:example.com\"] }\n",
		"f.yaml:1: im.served_domains: \"sip:example.com\" is not a domain name; write it without sip: "
		"and port");
	one_fault("im: { media: { accept_types: [text] } }\n",
		  "f.yaml:1: im.media.accept_types: \"text\" is not a MIME type, type/* or *");
}

static void faults_between_keys(void **state)
{
	one_fault(
		"sip:\n  listen: [\"udp:0.0.0.0:5060\"]\n",
		"f.yaml:2: sip.listen: listens on every address; say in sip.advertise which one peers reach");
	one_fault(
		"msrp:\n  listen: [\"tcp:[::]:2855\"]\n",
		"f.yaml:2: msrp.listen: listens on every address; say in msrp.advertise which one peers reach");
	one_fault("sip:\n  advertise: [a, b, c]\n",
		  "f.yaml:2: sip.advertise: has 3 entries, sip.listen 2; give one, or one for each");
	one_fault(
		"im: { session_timer: { expires: 120, min_se: 180 } }\n",
		"f.yaml:1: im.session_timer.expires: is below im.session_timer.min_se (180); raise it, or say 0 to "
		"ask for no timer");
	one_fault("im: { media: { max_streams: 2, max_chats: 3 } }\n",
		  "f.yaml:1: im.media.max_chats: is above im.media.max_streams (2); lower it");
}

/* MODE-2, MODE-5: anchoring and what needs it cannot be had with a proxy. */
static char *shown(const struct conf *c);

static void mode_2_a_proxy_has_no_user_plane(void **state)
{
	struct conf c, again;

	parse(&c, "im: { mode: proxy, served_domains: [example.com] }\n", 0);
	assert_int_equal(c.im.mode, IM_PROXY);
	assert_int_equal(c.n_msrp, 0);
	char *first = shown(&c);
	assert_null(strstr(first, "msrp"));
	parse(&again, first, 0); /* what is shown can be read again */
	free(first);
	conf_finish(&again);
	conf_finish(&c);
	one_fault(
		"im:\n  mode: unanchored\nmsrp:\n  listen: [\"tcp:127.0.0.1:2855\"]\n",
		"f.yaml:4: msrp.listen: is not possible with im.mode unanchored; leave it out, or use anchored");
	one_fault("im:\n  mode: proxy\n  not_im: reject\n",
		  "f.yaml:3: im.not_im: is not possible with im.mode proxy; leave it out, or use anchored");
	one_fault("im:\n  mode: proxy\nmsrp:\n  listen: [\"tcp:127.0.0.1:2855\"]\n",
		  "f.yaml:4: msrp.listen: is not possible with im.mode proxy; leave it out, or use anchored");
	one_fault(
		"im:\n  mode: proxy\n  media: { max_size: 1000 }\n",
		"f.yaml:3: im.media.max_size: is not possible with im.mode proxy; leave it out, or use anchored");
	one_fault(
		"im:\n  mode: proxy\n  sessions_max: 7\n",
		"f.yaml:3: im.sessions_max: is not possible with im.mode proxy; leave it out, or use anchored");
}

static void every_fault_is_named_not_only_the_first(void **state)
{
	struct conf c;

	parse(&c, "im:\n  mode: unmoored\n  mood: good\nstore:\n  kind: lmdb\ndrain_s: x\n", 1);
	assert_int_equal(c.n_faults, 4);
	assert_string_equal(c.faults[0], "f.yaml:3: im.mood: there is no such key; did you mean im.mode?");
	conf_finish(&c);
}

static void what_a_fault_quotes_cannot_break_its_line(void **state)
{
	one_fault("drain_s: \"a\\nb\\ec\"\n",
		  "f.yaml:1: drain_s: \"a?b?c\" is not a time in seconds, or such as 30s or 5m");
}

static void a_file_that_is_not_there_is_a_fault(void **state)
{
	struct conf c;

	assert_int_equal(conf_load(&c, "/nonexistent/parleyd.yaml"), 1);
	assert_string_equal(c.faults[0], "/nonexistent/parleyd.yaml: file: cannot be read: No such file or "
					 "directory; name another with -c");
	conf_finish(&c);
}

static char *shown(const struct conf *c)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	conf_show(c, f);
	fclose(f);
	return text;
}

/* --show-config prints a configuration that means the same. */
static void what_is_shown_can_be_read_again(void **state)
{
	struct conf c, again;
	char *first, *second;

	parse(&c,
	      "im: { server_token: 'a \"quoted\" \\ token', served_domains: [a.example, b.example] }\n"
	      "msrp: { drain: 1m }\n",
	      0);
	first = shown(&c);
	assert_non_null(
		strstr(first, "im:\n  mode: anchored\n  served_domains: [\"a.example\", \"b.example\"]\n"));
	assert_non_null(strstr(first, "  media:\n    accept_types: [\"*\"]\n"));
	assert_non_null(strstr(first, "  drain: 1m\n"));
	parse(&again, first, 0);
	second = shown(&again);
	assert_string_equal(first, second);
	assert_string_equal(again.im.server_token, "a \"quoted\" \\ token");
	assert_int_equal(again.im.plane.drain_ms, 60000);
	free(first);
	free(second);
	conf_finish(&c);
	conf_finish(&again);
}

static void the_built_in_configuration_has_no_fault(void **state)
{
	struct conf c;

	parse(&c, conf_builtin, 0);
	assert_int_equal(c.mgmt.port, 8060);
	assert_int_equal(c.im.listen[0].port, 5060);
	conf_finish(&c);
}

static void no_memory_is_told_and_leaks_nothing(void **state)
{
	for (unsigned long n = 0;; n++) {
		struct conf c;
		int r;
		oom_fail_after(n);
		r = conf_parse(&c, "f.yaml", span_of(contract));
		conf_finish(&c);
		if (!oom_end())
			break;
		assert_true(r == -ENOMEM || r == 1);
	}
}

/* The manual page's list of keys is the table's. */
static void the_manual_page_has_the_table(void **state)
{
	const char *begin = ".\\\" table: begin\n", *end = ".\\\" table: end\n";
	char *want = NULL, *page, *from, *to;
	size_t n = 0;
	FILE *f = open_memstream(&want, &n), *man = fopen(MAN_PAGE, "r");

	assert_non_null(f);
	assert_non_null(man);
	conf_man(f);
	fclose(f);
	page = calloc(1, 200 * 1024);
	assert_non_null(page);
	assert_true(fread(page, 1, 200 * 1024 - 1, man) > 0);
	fclose(man);
	from = strstr(page, begin);
	assert_non_null(from);
	from += strlen(begin);
	to = strstr(from, end);
	assert_non_null(to);
	*to = 0;
	assert_string_equal(from, want);
	free(page);
	free(want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_are_those_that_are_asked_for),
		cmocka_unit_test(paths_name_a_listener_of_each_family),
		cmocka_unit_test(defaults_agree_with_the_rooms_they_configure),
		cmocka_unit_test(the_contract_is_read),
		cmocka_unit_test(a_file_replaces_lists_whole),
		cmocka_unit_test(advertised_names_replace_addresses),
		cmocka_unit_test(msrp_by_tcp_and_tls),
		cmocka_unit_test(faults_of_shape),
		cmocka_unit_test(faults_of_yaml_itself),
		cmocka_unit_test(faults_of_values),
		cmocka_unit_test(websocket_is_a_transport_of_clients),
		cmocka_unit_test(faults_of_addresses),
		cmocka_unit_test(faults_between_keys),
		cmocka_unit_test(mode_2_a_proxy_has_no_user_plane),
		cmocka_unit_test(every_fault_is_named_not_only_the_first),
		cmocka_unit_test(what_a_fault_quotes_cannot_break_its_line),
		cmocka_unit_test(a_file_that_is_not_there_is_a_fault),
		cmocka_unit_test(what_is_shown_can_be_read_again),
		cmocka_unit_test(the_built_in_configuration_has_no_fault),
		cmocka_unit_test(no_memory_is_told_and_leaks_nothing),
		cmocka_unit_test(name_servers_are_told_with_their_ports),
		cmocka_unit_test(the_manual_page_has_the_table),
	};
	return cmocka_run_group_tests_name("main/conf", tests, NULL, NULL);
}
