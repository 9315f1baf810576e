/* SPDX-License-Identifier: MIT */
/* WebSocket without sockets: the opening handshake and the frames (RFC 6455). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "net/ws_frame.h"
#include "net/ws_hello.h"

#define LINES                                                                                 \
	"Host: im.example.com\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"   \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://chat.example.com\r\n" \
	"Sec-WebSocket-Version: 13\r\n"
#define HELLO "GET /chat HTTP/1.1\r\n" LINES "Sec-WebSocket-Protocol: sip, msrp\r\n\r\n"

/* ---- the handshake ---- */

static void the_example_of_the_rfc_is_answered(void **state)
{
	struct ws_hello h;
	char buf[WS_ANSWER_MAX];
	struct wbuf w = wbuf_on(buf, sizeof(buf));
	struct span hello = SPAN(HELLO);

	for (size_t n = 0; n < hello.n; n++)
		assert_int_equal(ws_hello_read(span_cut(hello, 0, n), SPAN("msrp"), &h), 0);
	assert_int_equal(ws_hello_read(hello, SPAN("msrp"), &h), hello.n);
	assert_true(span_eq(h.origin, SPAN("https://chat.example.com")));
	w_ws_accept(&w, h.key, SPAN("msrp"));
	assert_true(w_ok(&w));
	assert_true(span_find(w_span_of(&w),
			      SPAN("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")) !=
		    SPAN_NONE);
	assert_true(span_find(w_span_of(&w), SPAN("\r\nSec-WebSocket-Protocol: msrp\r\n\r\n")) != SPAN_NONE);
	assert_true(span_starts(w_span_of(&w), SPAN("HTTP/1.1 101 ")));
}

static void frames_behind_the_handshake_are_left(void **state)
{
	struct ws_hello h;

	assert_int_equal(ws_hello_read(SPAN(HELLO "\x81\x80"), SPAN("sip"), &h), strlen(HELLO));
}

static void other_handshakes_are_refused(void **state)
{
	static const struct {
		const char *text;
		int status;
	} bad[] = {
		{ "POST / HTTP/1.1\r\n" LINES "Sec-WebSocket-Protocol: msrp\r\n\r\n", 400 },
		{ "GET / HTTP/1.0\r\n" LINES "Sec-WebSocket-Protocol: msrp\r\n\r\n", 400 },
		{ "GET http://x/ HTTP/1.1\r\n" LINES "Sec-WebSocket-Protocol: msrp\r\n\r\n", 400 },
		{ "\x16\x03\x01", 400 },
		{ "GET / HTTP/1.1\r\n" LINES "\r\n", 400 }, /* no subprotocol */
		{ "GET / HTTP/1.1\r\n" LINES "Sec-WebSocket-Protocol: sip\r\n\r\n", 400 }, /* not ours */
		{ "GET / HTTP/1.1\r\n" LINES "Sec-WebSocket-Protocol: MSRP\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n" LINES "Host: again\r\nSec-WebSocket-Protocol: msrp\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n" LINES "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n" LINES "Content-Length: 5\r\nSec-WebSocket-Protocol: msrp\r\n\r\n",
		  400 },
		{ "GET / HTTP/1.1\r\n" LINES " folded: yes\r\nSec-WebSocket-Protocol: msrp\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n" LINES "no colon\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n" LINES "X: a\nSec-WebSocket-Protocol: msrp\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
		  "Sec-WebSocket-Key: short==\r\nSec-WebSocket-Version: 13\r\n\r\n",
		  400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 426 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
		  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n",
		  426 },
	};
	struct ws_hello h;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(ws_hello_read(span_of(bad[i].text), SPAN("msrp"), &h), -bad[i].status);
}

static void a_handshake_has_a_bound(void **state)
{
	char *text = malloc(WS_HELLO_MAX);
	struct wbuf w = wbuf_on(text, WS_HELLO_MAX);
	struct ws_hello h;

	assert_non_null(text);
	w_str(&w, "GET / HTTP/1.1\r\nX: ");
	memset(text + w.n, 'a', WS_HELLO_MAX - w.n);
	assert_int_equal(ws_hello_read((struct span){ text, WS_HELLO_MAX - 1 }, SPAN("msrp"), &h), 0);
	assert_int_equal(ws_hello_read((struct span){ text, WS_HELLO_MAX }, SPAN("msrp"), &h), -431);
	w = wbuf_on(text, WS_HELLO_MAX);
	w_str(&w, "GET / HTTP/1.1\r\n");
	for (unsigned i = 0; i < 65; i++)
		w_str(&w, "a: b\r\n");
	w_str(&w, "\r\n");
	assert_int_equal(ws_hello_read(w_span_of(&w), SPAN("msrp"), &h), -431);
	free(text);
}

static void refusals_say_what_would_do(void **state)
{
	char buf[WS_ANSWER_MAX];
	struct wbuf w = wbuf_on(buf, sizeof(buf));

	w_ws_refusal(&w, 426);
	assert_true(w_ok(&w) && span_starts(w_span_of(&w), SPAN("HTTP/1.1 426 Upgrade Required\r\n")));
	assert_true(span_find(w_span_of(&w), SPAN("\r\nSec-WebSocket-Version: 13\r\n")) != SPAN_NONE);
	w = wbuf_on(buf, sizeof(buf));
	w_ws_refusal(&w, 403);
	assert_true(span_starts(w_span_of(&w), SPAN("HTTP/1.1 403 Forbidden\r\nConnection: close\r\n")));
}

static void origins_are_those_listed(void **state)
{
	struct span page = SPAN("https://chat.example.com"),
		    list = SPAN("https://a.example https://chat.example.com");

	assert_true(ws_origin_allowed(SPAN_EMPTY, page));
	assert_true(ws_origin_allowed(SPAN("*"), page));
	assert_true(ws_origin_allowed(list, page));
	assert_true(ws_origin_allowed(list, SPAN_EMPTY)); /* no page */
	assert_false(ws_origin_allowed(list, SPAN("https://chat.example.com.evil")));
	assert_false(ws_origin_allowed(list, SPAN("http://chat.example.com")));
	assert_false(ws_origin_allowed(list, SPAN("null")));
}

/* ---- frames ---- */

/* A masked frame behind *n. */
static void put(char *buf, size_t *n, unsigned first, struct span payload)
{
	static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
	size_t head = ws_head(buf + *n, first & 15, first & 0x80, payload.n);

	buf[*n + 1] |= (char)0x80;
	*n += head;
	memcpy(buf + *n, mask, 4);
	*n += 4;
	for (size_t i = 0; i < payload.n; i++)
		buf[(*n)++] = (char)((uint8_t)payload.p[i] ^ mask[i % 4]);
}

struct sink {
	char got[4096];
	size_t n;
	unsigned messages;
	char controls[256];
	size_t controls_n;
	int end;
};

/* Feeds all of p in steps, taking at most `take` bytes of data at an event; what is not taken is offered again. */
static void feed(struct ws_in *w, char *p, size_t n, size_t step, size_t take, struct sink *s)
{
	size_t from = 0, to = 0;

	while (s->end == 0 && (to < n || from < to)) {
		struct ws_event ev;
		to = to + step < n ? to + step : n;
		int r;
		do {
			r = ws_in_next(w, p + from, to - from, &ev);
			from += ev.skip;
			if (r < 0)
				s->end = r;
			if (r == WS_CONTROL) {
				s->controls[s->controls_n++] = (char)('0' + ev.opcode);
				memcpy(s->controls + s->controls_n, ev.data.p, ev.data.n);
				s->controls_n += ev.data.n;
			}
			if (r == WS_DATA) {
				size_t k = ev.data.n < take ? ev.data.n : take;
				memcpy(s->got + s->n, ev.data.p, k);
				s->n += k;
				s->messages += ev.last && k == ev.data.n;
				ws_in_took(w, k);
				from += k;
			}
		} while (r > 0);
		if (to == n && r == WS_MORE)
			break;
	}
}

static void a_fragmented_message_arrives_whole_however_it_is_cut(void **state)
{
	char frames[1024], copy[1024];
	char text[300];
	size_t n = 0;

	memset(text, 'x', sizeof(text));
	put(frames, &n, WS_BINARY, SPAN("Hel"));
	put(frames, &n, 0x80 | WS_PING, SPAN("ping"));
	put(frames, &n, WS_CONTINUATION, SPAN_EMPTY);
	put(frames, &n, 0x80 | WS_CONTINUATION, SPAN("lo"));
	put(frames, &n, 0x80 | WS_TEXT, (struct span){ text, sizeof(text) });
	put(frames, &n, 0x80 | WS_TEXT, SPAN_EMPTY);
	put(frames, &n, 0x80 | WS_CLOSE, SPAN("\x03\xe8"));
	for (size_t step = 1; step <= n; step++)
		for (size_t take = 1; take < 8; take++) {
			struct sink s = { .n = 0 };
			struct ws_in w;
			ws_in_init(&w, 512);
			memcpy(copy, frames, n);
			feed(&w, copy, n, step, take == 7 ? SIZE_MAX : take, &s);
			assert_int_equal(s.end, 0);
			assert_int_equal(s.n, 5 + sizeof(text));
			assert_memory_equal(s.got, "Hello", 5);
			assert_memory_equal(s.got + 5, text, sizeof(text));
			assert_int_equal(s.messages, 3);
			assert_int_equal(s.controls_n, 8);
			assert_memory_equal(s.controls, "9ping8\x03\xe8", 8);
		}
}

static void what_rfc_6455_forbids_ends_the_connection(void **state)
{
	static const struct {
		struct span bytes;
		int code;
	} bad[] = {
		{ { "\x81\x02hi", 4 }, WS_PROTOCOL_ERROR },           /* unmasked */
		{ { "\xc1\x80mask", 6 }, WS_PROTOCOL_ERROR },         /* RSV1 without an extension */
		{ { "\x91\x80mask", 6 }, WS_PROTOCOL_ERROR },         /* RSV3 */
		{ { "\x83\x80mask", 6 }, WS_PROTOCOL_ERROR },         /* opcode 3 */
		{ { "\x8b\x80mask", 6 }, WS_PROTOCOL_ERROR },         /* opcode 11 */
		{ { "\x80\x80mask", 6 }, WS_PROTOCOL_ERROR },         /* continuation of nothing */
		{ { "\x09\x80mask", 6 }, WS_PROTOCOL_ERROR },         /* a ping in pieces */
		{ { "\x89\xfe\x00\x7e", 4 }, WS_PROTOCOL_ERROR },     /* a ping of 126 bytes */
		{ { "\x82\xfe\x00\x7dmask", 8 }, WS_PROTOCOL_ERROR }, /* 125 as sixteen bits */
		{ { "\x82\xff\0\0\0\0\0\0\xff\xffmask", 14 }, WS_PROTOCOL_ERROR }, /* 65535 as sixty-four */
		{ { "\x82\xff\x80\0\0\0\0\0\0\x00mask", 14 }, WS_PROTOCOL_ERROR },
		{ { "\x82\xff\0\0\0\0\0\1\0\0mask", 14 }, WS_TOO_BIG },
		{ { "\x82\xfe\x02\x01mask", 8 }, WS_TOO_BIG }, /* 513 */
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct sink s = { .n = 0 };
		struct ws_in w;
		char copy[16];
		ws_in_init(&w, 512);
		memcpy(copy, bad[i].bytes.p, bad[i].bytes.n);
		feed(&w, copy, bad[i].bytes.n, 1, SIZE_MAX, &s);
		assert_int_equal(s.end, -bad[i].code);
		assert_int_equal(s.n, 0);
	}
}

static void a_message_of_many_frames_has_the_same_bound(void **state)
{
	char frames[2048], text[200] = { 0 };
	struct sink s = { .n = 0 };
	struct ws_in w;
	size_t n = 0;

	put(frames, &n, WS_BINARY, (struct span){ text, sizeof(text) });
	put(frames, &n, WS_CONTINUATION, (struct span){ text, sizeof(text) });
	put(frames, &n, WS_CONTINUATION, (struct span){ text, sizeof(text) });
	ws_in_init(&w, 512);
	feed(&w, frames, n, n, SIZE_MAX, &s);
	assert_int_equal(s.end, -WS_TOO_BIG);
	assert_int_equal(s.n, 400);
}

static void a_new_message_inside_another_is_refused(void **state)
{
	char frames[64];
	struct sink s = { .n = 0 };
	struct ws_in w;
	size_t n = 0;

	put(frames, &n, WS_BINARY, SPAN("a"));
	put(frames, &n, 0x80 | WS_BINARY, SPAN("b"));
	ws_in_init(&w, 0);
	feed(&w, frames, n, n, SIZE_MAX, &s);
	assert_int_equal(s.end, -WS_PROTOCOL_ERROR);
}

static void heads_have_the_shortest_length(void **state)
{
	char h[WS_HEAD_MAX];

	assert_int_equal(ws_head(h, WS_BINARY, true, 125), 2);
	assert_memory_equal(h, "\x82\x7d", 2);
	assert_int_equal(ws_head(h, WS_TEXT, false, 126), 4);
	assert_memory_equal(h, "\x01\x7e\x00\x7e", 4);
	assert_int_equal(ws_head(h, WS_CONTINUATION, true, 65535), 4);
	assert_memory_equal(h, "\x80\x7e\xff\xff", 4);
	assert_int_equal(ws_head(h, WS_CONTINUATION, false, 65536), 10);
	assert_memory_equal(h, "\x00\x7f\0\0\0\0\0\1\0\0", 10);
}

static void close_codes_are_answered_as_they_deserve(void **state)
{
	assert_int_equal(ws_close_answer(SPAN_EMPTY), 1000);
	assert_int_equal(ws_close_answer(SPAN("\x03")), 1002);
	assert_int_equal(ws_close_answer(SPAN("\x03\xe9gone")), 1001);
	assert_int_equal(ws_close_answer(SPAN("\x03\xed")), 1002); /* 1005 */
	assert_int_equal(ws_close_answer(SPAN("\x07\xd0")), 1002); /* 2000 */
	assert_int_equal(ws_close_answer(SPAN("\x0f\xa0")), 4000);
	assert_int_equal(ws_close_answer(SPAN("\x13\x88")), 1002); /* 5000 */
}

static void what_is_no_utf8_goes_as_binary(void **state)
{
	assert_false(ws_is_binary(SPAN("")));
	assert_false(ws_is_binary(SPAN("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80")));
	assert_true(ws_is_binary(SPAN("\xff")));
	assert_true(ws_is_binary(SPAN("caf\xc3")));
	assert_true(ws_is_binary(SPAN("\xc0\x80")));
	assert_true(ws_is_binary(SPAN("\xed\xa0\x80")));
	assert_true(ws_is_binary(SPAN("\xf4\x90\x80\x80")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_the_rfc_is_answered),
		cmocka_unit_test(frames_behind_the_handshake_are_left),
		cmocka_unit_test(other_handshakes_are_refused),
		cmocka_unit_test(a_handshake_has_a_bound),
		cmocka_unit_test(refusals_say_what_would_do),
		cmocka_unit_test(origins_are_those_listed),
		cmocka_unit_test(a_fragmented_message_arrives_whole_however_it_is_cut),
		cmocka_unit_test(what_rfc_6455_forbids_ends_the_connection),
		cmocka_unit_test(a_message_of_many_frames_has_the_same_bound),
		cmocka_unit_test(a_new_message_inside_another_is_refused),
		cmocka_unit_test(heads_have_the_shortest_length),
		cmocka_unit_test(close_codes_are_answered_as_they_deserve),
		cmocka_unit_test(what_is_no_utf8_goes_as_binary),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
