/* SPDX-License-Identifier: MIT */
/* SIP over WebSocket (RFC 7118) on real sockets: handshake, messages, what must not be said, and time. */
#include "ws_peer.h"

#define TEXT "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/WS x.invalid\r\n\r\nbody"

struct sip_ws {
	struct fixture *f;
	struct addr at;
};

static struct sip_ws ws_new(const struct net_conf *conf)
{
	struct sip_ws s = { .f = fixture_new(conf, "127.0.0.1") };
	struct addr any = { .family = 4, .ip = { 127, 0, 0, 1 } };

	assert_int_equal(net_listen_sip(s.f->net, SIP_WS, &any, &s.at), 0);
	return s;
}

static void a_message_is_a_message(void **state)
{
	struct sip_ws s = ws_new(NULL);
	int fd = ws_peer_open(s.f, &s.at, "sip");
	struct addr me = peer_addr(fd);
	struct ws_got got;

	ws_peer_say(fd, WS_TEXT, true, TEXT); /* without Content-Length */
	run_until(s.f, s.f->seen.n_sip == 1);
	assert_int_equal(s.f->seen.sip_n[0], strlen(TEXT));
	assert_int_equal(s.f->seen.src.tp, SIP_WS);
	assert_true(addr_eq(&s.f->seen.src.ip, &me));
	/* The answer, over its connection, whatever the address says. */
	struct sip_dest to = { .tp = SIP_WS, .host = SPAN("x.invalid"), .conn = s.f->seen.src.conn };
	assert_int_equal(net_sip_send(s.f->net, &to, SPAN("SIP/2.0 200 OK\r\n\r\n"), 7), 0);
	ws_peer_frame(s.f, fd, &got);
	assert_true(got.opcode == WS_TEXT && got.fin);
	assert_string_equal(got.text, "SIP/2.0 200 OK\r\n\r\n");
	assert_int_equal(net_sip_send(s.f->net, &to, SPAN("SIP/2.0 200 \xff\r\n\r\n"), 0), 0);
	ws_peer_frame(s.f, fd, &got);
	assert_int_equal(got.opcode, WS_BINARY);
	/* Who is gone cannot be called. */
	close(fd);
	run_until(s.f, net_stats(s.f->net)->sip_connections == 0);
	assert_int_equal(net_sip_send(s.f->net, &to, SPAN("x"), 7), -ENOTCONN);
	to.ip = me;
	assert_int_equal(net_sip_send(s.f->net, &to, SPAN("x"), 7), -ENOTCONN);
	assert_int_equal(s.f->seen.n_tokens, 0);
	fixture_free(s.f);
}

static void a_message_in_pieces_arrives_once(void **state)
{
	struct sip_ws s = ws_new(NULL);
	int fd = ws_peer_open(s.f, &s.at, "chat, sip");
	struct ws_got got;
	char all[512];
	size_t n = 0;

	ws_put(all, &n, WS_TEXT, false, SPAN("OPTIONS sip:a"));
	ws_put(all, &n, WS_PING, true, SPAN("are you there"));
	ws_put(all, &n, WS_CONTINUATION, false, SPAN(" SIP/2.0\r\n"));
	ws_put(all, &n, WS_CONTINUATION, true, SPAN("\r\n"));
	ws_put(all, &n, WS_BINARY, true, SPAN(TEXT));
	for (size_t i = 0; i < n; i++) {
		uint64_t before = net_stats(s.f->net)->tcp_received_bytes;
		peer_write(fd, all + i, 1);
		run_until(s.f, net_stats(s.f->net)->tcp_received_bytes == before + 1);
	}
	run_until(s.f, s.f->seen.n_sip == 2);
	assert_string_equal(s.f->seen.sip[0], "OPTIONS sip:a SIP/2.0\r\n\r\n");
	assert_int_equal(s.f->seen.sip_n[1], strlen(TEXT));
	ws_peer_frame(s.f, fd, &got);
	assert_true(got.opcode == WS_PONG && got.fin);
	assert_string_equal(got.text, "are you there");
	close(fd);
	fixture_free(s.f);
}

static void keep_alives_are_answered(void **state)
{
	struct sip_ws s = ws_new(NULL);
	int fd = ws_peer_open(s.f, &s.at, "sip");
	struct ws_got got;

	ws_peer_say(fd, WS_TEXT, true, "\r\n\r\n");
	ws_peer_frame(s.f, fd, &got);
	assert_string_equal(got.text, "\r\n");
	ws_peer_say(fd, WS_CLOSE, true, "\x03\xe9");
	ws_peer_frame(s.f, fd, &got);
	assert_true(got.opcode == WS_CLOSE && got.n == 2 && memcmp(got.text, "\x03\xe9", 2) == 0);
	run_until(s.f, peer_read(fd, got.text, sizeof(got.text)) == 0);
	close(fd);
	run_until(s.f, net_stats(s.f->net)->sip_connections == 0);
	assert_int_equal(s.f->seen.n_sip, 0);
	fixture_free(s.f);
}

/* What the peer says ends the connection with this close code, and nothing of it gets through. */
static void check_ended(const void *bytes, size_t n, unsigned code)
{
	struct net_conf conf;
	struct ws_got got;
	net_conf_defaults(&conf);
	conf.sip_message_max = 2048;
	struct sip_ws s = ws_new(&conf);
	int fd = ws_peer_open(s.f, &s.at, "sip");

	peer_write(fd, bytes, n);
	ws_peer_frame(s.f, fd, &got);
	assert_int_equal(got.opcode, WS_CLOSE);
	assert_int_equal((unsigned)(uint8_t)got.text[0] << 8 | (uint8_t)got.text[1], code);
	run_until(s.f, peer_read(fd, got.text, sizeof(got.text)) == 0);
	close(fd);
	run_until(s.f, net_stats(s.f->net)->sip_connections == 0);
	assert_int_equal(s.f->seen.n_sip, 0);
	assert_int_equal(net_stats(s.f->net)->ws_refused, 1);
	fixture_free(s.f);
}

static void broken_framing_is_told_and_ended(void **state)
{
	char many[8192], text[3000] = { 0 };
	size_t n = 0;

	check_ended("\x81\x02hi", 4, WS_PROTOCOL_ERROR);    /* not masked */
	check_ended("\xf1\x80mask", 6, WS_PROTOCOL_ERROR);  /* reserved bits */
	check_ended("\x80\x80mask", 6, WS_PROTOCOL_ERROR);  /* goes on with nothing */
	check_ended("\x81\xfe\x10\x01mask", 8, WS_TOO_BIG); /* 4097 bytes */
	check_ended("\x81\xff\0\0\1\0\0\0\0\0mask", 14, WS_TOO_BIG);
	ws_put(many, &n, WS_TEXT, false, (struct span){ text, sizeof(text) });
	ws_put(many, &n, WS_CONTINUATION, false, (struct span){ text, sizeof(text) });
	check_ended(many, n, WS_TOO_BIG);
}

static void check_refused(struct sip_ws s, const char *hello, const char *want)
{
	char buf[512];
	int fd = peer_connect(&s.at);

	peer_write(fd, hello, strlen(hello));
	run_until(s.f, peer_read(fd, buf, sizeof(buf)) > 0);
	assert_int_equal(strncmp(buf, want, strlen(want)), 0);
	run_until(s.f, peer_read(fd, buf, sizeof(buf)) == 0);
	close(fd);
	run_until(s.f, net_stats(s.f->net)->sip_connections == 0);
}

static void handshakes_that_are_none_are_refused(void **state)
{
	struct net_conf conf;
	net_conf_defaults(&conf);
	snprintf(conf.ws_origins, sizeof(conf.ws_origins), "https://other.example.com");
	struct sip_ws s = ws_new(&conf);

	check_refused(s, WS_HELLO("sip"), "HTTP/1.1 403 Forbidden\r\n");
	check_refused(s, WS_HELLO("msrp"), "HTTP/1.1 400 Bad Request\r\n");
	check_refused(s, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 426 Upgrade Required\r\n");
	check_refused(s, "OPTIONS sip:a SIP/2.0\r\n", "HTTP/1.1 400 Bad Request\r\n");
	assert_int_equal(net_stats(s.f->net)->ws_refused, 4);
	assert_int_equal(net_stats(s.f->net)->ws_opened, 0);
	fixture_free(s.f);
}

/* One byte now and then does not keep a connection: neither in the handshake nor in a message. */
static void the_slow_are_cut_off(void **state)
{
	struct net_conf conf;
	net_conf_defaults(&conf);
	conf.sip_header_ms = 50;
	struct sip_ws s = ws_new(&conf);
	int slow = peer_connect(&s.at), open = ws_peer_open(s.f, &s.at, "sip"), silent = peer_connect(&s.at);
	char buf[64], frame[64];
	size_t n = 0;

	peer_write(slow, "GET /", 5);
	run_until(s.f, peer_read(slow, buf, sizeof(buf)) == 0);
	run_until(s.f, peer_read(silent, buf, sizeof(buf)) == 0);
	assert_int_equal(peer_read(open, buf, sizeof(buf)), -1); /* may be silent: it has said who it is */
	ws_put(frame, &n, WS_TEXT, true, SPAN(TEXT));
	peer_write(open, frame, 20);
	run_until(s.f, peer_read(open, buf, sizeof(buf)) >= 0);
	assert_int_equal(s.f->seen.n_sip, 0);
	assert_int_equal(net_stats(s.f->net)->sip_timeouts, 3);
	close(slow), close(open), close(silent);
	fixture_free(s.f);
}

static void a_lost_connection_fails_what_was_not_sent(void **state)
{
	struct net_conf conf;
	net_conf_defaults(&conf);
	conf.sip_queue_max = 8 * 1024 * 1024;
	struct sip_ws s = ws_new(&conf);
	int fd = ws_peer_open(s.f, &s.at, "sip");
	static char big[4 * 1024 * 1024];
	struct linger now = { .l_onoff = 1 };

	ws_peer_say(fd, WS_TEXT, true, TEXT);
	run_until(s.f, s.f->seen.n_sip == 1);
	struct sip_dest to = { .tp = SIP_WS, .conn = s.f->seen.src.conn };
	assert_int_equal(net_sip_send(s.f->net, &to, SPAN("first"), 1), 0);
	struct ws_got got;
	ws_peer_frame(s.f, fd, &got);
	memset(big, 'x', sizeof(big));
	assert_int_equal(net_sip_send(s.f->net, &to, (struct span){ big, sizeof(big) }, 2), 0);
	assert_int_equal(net_sip_send(s.f->net, &to, SPAN("third"), 3), 0);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	run_until(s.f, s.f->seen.n_tokens == 2);
	assert_int_equal(s.f->seen.tokens[0], 2);
	assert_int_equal(s.f->seen.tokens[1], 3);
	fixture_free(s.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_a_message),
		cmocka_unit_test(a_message_in_pieces_arrives_once),
		cmocka_unit_test(keep_alives_are_answered),
		cmocka_unit_test(broken_framing_is_told_and_ended),
		cmocka_unit_test(handshakes_that_are_none_are_refused),
		cmocka_unit_test(the_slow_are_cut_off),
		cmocka_unit_test(a_lost_connection_fails_what_was_not_sent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
