/* SPDX-License-Identifier: MIT */
/* MSRP over WebSocket (RFC 7977) on real sockets: bytes in with back-pressure, messages out, and both ends of it. */
#include "ws_peer.h"

#define SEND(tid, body)                                                                                 \
	"MSRP " tid " SEND\r\nTo-Path: msrp://a.invalid:1/x;ws\r\nFrom-Path: msrp://b:2/y;ws\r\n"       \
	"Message-ID: 1\r\nByte-Range: 1-*/*\r\nContent-Type: text/plain\r\n\r\n" body "\r\n-------" tid \
	"$\r\n"
#define OK(tid)     \
	"MSRP " tid \
	" 200 OK\r\nTo-Path: msrp://a.invalid:1/x;ws\r\nFrom-Path: msrp://b:2/y;ws\r\n-------" tid "$\r\n"

struct msrp_ws {
	struct fixture *f;
	struct addr at;
};

static struct msrp_ws ws_new(const struct net_conf *conf)
{
	struct msrp_ws s = { .f = fixture_new(conf, "127.0.0.1") };
	struct addr any = { .family = 4, .ip = { 127, 0, 0, 1 } };

	assert_int_equal(net_listen_msrp(s.f->net, NET_MSRP_WS, &any, &s.at), 0);
	assert_int_equal(net_listen_msrp(s.f->net, NET_MSRP_WSS, &any, NULL), -ENOTSUP); /* no certificate */
	return s;
}

static bool has_read(struct fixture *f, const char *text)
{
	return f->seen.in_n == strlen(text) && memcmp(f->seen.in, text, f->seen.in_n) == 0;
}

static void what_is_in_frames_arrives_as_a_stream(void **state)
{
	struct msrp_ws s = ws_new(NULL);
	int fd = ws_peer_open(s.f, &s.at, "msrp");
	char all[1024];
	size_t n = 0;

	ws_put(all, &n, WS_BINARY, true, SPAN(OK("first")));
	ws_put(all, &n, WS_TEXT, false, SPAN("MSRP sec"));
	ws_put(all, &n, WS_PONG, true, SPAN("unasked"));
	ws_put(all, &n, WS_CONTINUATION, true, SPAN("ond"));
	for (size_t i = 0; i < n; i++) {
		uint64_t before = net_stats(s.f->net)->tcp_received_bytes;
		peer_write(fd, all + i, 1);
		run_until(s.f, net_stats(s.f->net)->tcp_received_bytes == before + 1);
	}
	run_until(s.f, has_read(s.f, OK("first") "MSRP second"));
	close(fd);
	run_until(s.f, s.f->seen.n_closed == 1);
	fixture_free(s.f);
}

/* What was offered and not taken has been unmasked already: it must not be again. */
static void a_consumer_that_takes_little_stops_the_sender(void **state)
{
	enum { BIG = 100000 };
	struct msrp_ws s = ws_new(NULL);
	int fd = ws_peer_open(s.f, &s.at, "msrp");
	char *body = malloc(BIG), *frame = malloc(BIG + 64);
	size_t n = 0;

	assert_true(body && frame);
	for (size_t i = 0; i < BIG; i++)
		body[i] = (char)(i * 7 + i / 251);
	ws_put(frame, &n, WS_BINARY, true, (struct span){ body, BIG });
	s.f->seen.take_max = 10;
	peer_write(fd, frame, n);
	run_until(s.f, s.f->seen.in_n == 10);
	for (size_t taken = 10, step = 1; taken < BIG; step = step * 2 + 1) {
		s.f->seen.take_max = step;
		taken = taken + step < BIG ? taken + step : BIG;
		net_msrp_resume(s.f->seen.conn);
		run_until(s.f, s.f->seen.in_n == taken);
	}
	assert_memory_equal(s.f->seen.in, body, BIG);
	free(body), free(frame);
	close(fd);
	fixture_free(s.f);
}

static void write_text(struct msrp_ws *s, const char *text)
{
	net_msrp_write(s->f->seen.conn, &(struct span){ text, strlen(text) }, 1);
}

static void each_msrp_message_is_one_websocket_message(void **state)
{
	struct msrp_ws s = ws_new(NULL);
	int fd = ws_peer_open(s.f, &s.at, "msrp");
	struct span two[] = { SPAN(OK("aaaa") "MSRP bb"),
			      SPAN("bb 200 OK\r\nTo-Path: msrp://a.invalid:1/x;ws\r\n"
				   "From-Path: msrp://b:2/y;ws\r\n-------bbbb$\r\n"),
			      SPAN(SEND("cccc", "short")) };
	struct ws_got got;

	net_msrp_write(s.f->seen.conn, two, 3);
	ws_peer_frame(s.f, fd, &got);
	assert_true(got.opcode == WS_BINARY && got.fin);
	assert_string_equal(got.text, OK("aaaa"));
	ws_peer_frame(s.f, fd, &got);
	assert_true(got.opcode == WS_BINARY && got.fin);
	assert_string_equal(got.text, OK("bbbb"));
	ws_peer_frame(s.f, fd, &got);
	assert_true(got.opcode == WS_BINARY && got.fin);
	assert_string_equal(got.text, SEND("cccc", "short"));
	close(fd);
	fixture_free(s.f);
}

/* Its end is not known when it begins: frames of one message. */
static void a_chunk_goes_out_as_it_comes(void **state)
{
	static const char whole[] = SEND("dddd", "one two\r\n-------no three");
	struct msrp_ws s = ws_new(NULL);

	for (size_t cut = 1; cut < strlen(whole); cut += 13) {
		int fd = ws_peer_open(s.f, &s.at, "msrp");
		struct ws_got a, b;
		net_msrp_write(s.f->seen.conn, &(struct span){ whole, cut }, 1);
		write_text(&s, whole + cut);
		ws_peer_frame(s.f, fd, &a);
		ws_peer_frame(s.f, fd, &b);
		assert_true(a.opcode == WS_BINARY && !a.fin && a.n == cut);
		assert_true(b.opcode == WS_CONTINUATION && b.fin && b.n == strlen(whole) - cut);
		assert_memory_equal(a.text, whole, a.n);
		assert_string_equal(b.text, whole + cut);
		/* And the next one begins a message of its own. */
		write_text(&s, OK("eeee"));
		ws_peer_frame(s.f, fd, &a);
		assert_true(a.opcode == WS_BINARY && a.fin);
		close(fd);
	}
	fixture_free(s.f);
}

static void an_end_is_said(void **state)
{
	struct msrp_ws s = ws_new(NULL);
	int fd = ws_peer_open(s.f, &s.at, "msrp");
	struct ws_got got;

	write_text(&s, OK("last"));
	net_msrp_close(s.f->seen.conn);
	ws_peer_frame(s.f, fd, &got);
	assert_string_equal(got.text, OK("last"));
	ws_peer_frame(s.f, fd, &got);
	assert_true(got.opcode == WS_CLOSE && memcmp(got.text, "\x03\xe8", 2) == 0);
	run_until(s.f, peer_read(fd, got.text, sizeof(got.text)) == 0);
	close(fd);
	assert_int_equal(s.f->seen.n_closed, 0);
	/* By the peer, in the middle of a message. */
	fd = ws_peer_open(s.f, &s.at, "msrp");
	ws_peer_say(fd, WS_BINARY, false, "MSRP half");
	ws_peer_say(fd, WS_CLOSE, true, "");
	ws_peer_frame(s.f, fd, &got);
	assert_true(got.opcode == WS_CLOSE && memcmp(got.text, "\x03\xe8", 2) == 0);
	run_until(s.f, s.f->seen.n_closed == 1);
	close(fd);
	run_until(s.f, net_stats(s.f->net)->msrp_connections == 0);
	fixture_free(s.f);
}

static void what_is_no_websocket_is_refused_and_told(void **state)
{
	struct msrp_ws s = ws_new(NULL);
	struct ws_got got;
	char buf[512];
	int fd = peer_connect(&s.at);

	peer_write(fd, "MSRP x SEND\r\n", 13);
	run_until(s.f, peer_read(fd, buf, sizeof(buf)) > 0);
	assert_int_equal(strncmp(buf, "HTTP/1.1 400 ", 13), 0);
	run_until(s.f, s.f->seen.n_closed == 1);
	close(fd);
	fd = ws_peer_open(s.f, &s.at, "msrp");
	peer_write(fd, "\x82\x02hi", 4);
	ws_peer_frame(s.f, fd, &got);
	assert_true(got.opcode == WS_CLOSE && memcmp(got.text, "\x03\xea", 2) == 0);
	run_until(s.f, s.f->seen.n_closed == 2);
	close(fd);
	assert_int_equal(s.f->seen.in_n, 0);
	assert_int_equal(net_stats(s.f->net)->ws_refused, 2);
	fixture_free(s.f);
}

static void a_handshake_has_its_time(void **state)
{
	struct net_conf conf;
	net_conf_defaults(&conf);
	conf.connect_ms = 50;
	struct msrp_ws s = ws_new(&conf);
	char buf[64];
	int fd = peer_connect(&s.at);

	peer_write(fd, "GET / HTTP/1.1\r\n", 16);
	run_until(s.f, s.f->seen.n_closed == 1);
	run_until(s.f, peer_read(fd, buf, sizeof(buf)) == 0 || errno == ECONNRESET);
	close(fd);
	fixture_free(s.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_in_frames_arrives_as_a_stream),
		cmocka_unit_test(a_consumer_that_takes_little_stops_the_sender),
		cmocka_unit_test(each_msrp_message_is_one_websocket_message),
		cmocka_unit_test(a_chunk_goes_out_as_it_comes),
		cmocka_unit_test(an_end_is_said),
		cmocka_unit_test(what_is_no_websocket_is_refused_and_told),
		cmocka_unit_test(a_handshake_has_its_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
