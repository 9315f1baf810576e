/* SPDX-License-Identifier: MIT */
#include "lib/check.h"

#include <errno.h>

#include "sip/frame.h"
#include "sip/msg.h"

#define HEAD "UPDATE sip:bea@example.net SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\n"

static struct span head;
static bool ping;

static ssize_t frame_max(const char *text, size_t max)
{
	return sip_frame(span_of(text), max, &head, &ping);
}

static ssize_t frame(const char *text)
{
	return frame_max(text, SIP_MSG_MAX);
}

static void one_message_with_body(void **state)
{
	const char *text = HEAD "Content-Length: 5\r\n\r\nhelloNEXT";

	assert_int_equal(frame(text), strlen(text) - strlen("NEXT"));
	assert_false(ping);
	assert_int_equal(frame(HEAD "l:0\r\n\r\n"), strlen(HEAD "l:0\r\n\r\n"));
	assert_int_equal(frame(HEAD "Content-Length: 5\r\n\r\nhell"), 0);
	assert_int_equal(frame(HEAD "Content-Length: 5\r\n\r"), 0);
	assert_int_equal(frame(""), 0);
}

static void length_in_any_form(void **state)
{
	static const char *const lines[] = {
		"Content-Length: 2",
		"content-LENGTH :2",
		"l:2",
		"L \t: \r\n\t2 ",
		"Content-Length: 0002\r\nCSeq: 1 A",
		"Subject: l: 9\r\nl: 2",
		"l:2\r\nl: 02",
	};

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char text[256];
		struct wbuf w = wbuf_on(text, sizeof(text));
		w_str(&w, HEAD), w_str(&w, lines[i]), w_str(&w, "\r\n\r\nab");
		size_t n = w.n;
		w_str(&w, "cd");
		assert_int_equal(sip_frame(w_span_of(&w), SIP_MSG_MAX, &head, &ping), n);
	}
}

static void folds_do_not_make_headers(void **state)
{
	/* The second line belongs to the Subject. */
	assert_int_equal(frame(HEAD "Subject: x\r\n l: 9\r\nl: 0\r\n\r\n"),
			 strlen(HEAD "Subject: x\r\n l: 9\r\nl: 0\r\n\r\n"));
	assert_int_equal(frame(HEAD "Subject: x\r\n l: 9\r\n\r\n"), -EBADMSG);
}

static void parse_1_length_faults(void **state)
{
	static const char *const lines[] = {
		"CSeq: 1 UPDATE",
		"Content-Length: -1",
		"Content-Length: x",
		"Content-Length:",
		"l: 1 2",
		"Content-Length: 3\r\nl: 4",
		"Content-Length: 0\r\nl:",
		"XContent-Length: 0",
	};

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char text[256];
		struct wbuf w = wbuf_on(text, sizeof(text));
		w_str(&w, HEAD), w_str(&w, lines[i]), w_str(&w, "\r\n\r\n");
		size_t n = w.n;
		w_str(&w, "body");
		assert_int_equal(sip_frame(w_span_of(&w), SIP_MSG_MAX, &head, &ping), -EBADMSG);
		assert_int_equal(head.n, n); /* a 400 can still be sent */
	}
}

static void parse_1_too_large(void **state)
{
	size_t head_n = strlen(HEAD "l:10\r\n\r\n");

	assert_int_equal(frame_max(HEAD "l:10\r\n\r\n", head_n + 10), 0);
	assert_int_equal(frame_max(HEAD "l:10\r\n\r\n", head_n + 9), -EMSGSIZE);
	assert_int_equal(head.n, head_n);
	assert_int_equal(frame(HEAD "l:99999999999999999999\r\n\r\n"), -EMSGSIZE);
	assert_int_equal(head.n, strlen(HEAD "l:99999999999999999999\r\n\r\n"));

	/* A header section that does not end: an error no later than when the limit is reached. */
	assert_int_equal(frame_max(HEAD, strlen(HEAD) + 1), 0);
	assert_int_equal(frame_max(HEAD, strlen(HEAD)), -EMSGSIZE);
	assert_int_equal(head.n, 0);
	assert_int_equal(frame_max(HEAD "l:0\r\n\r\n", strlen(HEAD)), -EMSGSIZE);
}

static void keep_alives(void **state)
{
	assert_int_equal(frame("\r\n\r\n"), 4);
	assert_true(ping);
	assert_int_equal(frame("\r\n\r\n" HEAD), 4);
	assert_true(ping);
	assert_int_equal(frame("\r\n" HEAD), 2);
	assert_false(ping);
	assert_int_equal(frame("\r\nU"), 2);
	assert_int_equal(frame("\r\n\rU"), 2);
	/* Half a ping may become a whole one. */
	assert_int_equal(frame("\r"), 0);
	assert_int_equal(frame("\r\n"), 0);
	assert_int_equal(frame("\r\n\r"), 0);
	assert_false(ping);
}

/* Cuts text into pieces, joined by '|', when bytes come in steps of that many. */
static void cut(const char *text, size_t step, struct wbuf *w)
{
	struct span all = span_of(text);
	size_t from = 0;

	for (size_t have = 0; have < all.n;) {
		have = have + step < all.n ? have + step : all.n;
		for (ssize_t r; (r = sip_frame(span_cut(all, from, have), SIP_MSG_MAX, &head, &ping));) {
			if (r < 0) {
				w_fmt(w, "error %d", (int)r);
				return;
			}
			w_span(w, span_cut(all, from, from + (size_t)r));
			w_str(w, ping ? "PING|" : "|");
			from += (size_t)r;
		}
	}
}

static void byte_by_byte_equals_at_once(void **state)
{
	static const char *const texts[] = {
		HEAD "l: 3\r\n\r\nabc" HEAD "l: 0\r\n\r\n",
		"\r\n\r\n" HEAD "l: 0\r\n\r\n\r\n\r\n\r\n" HEAD "l:1\r\n\r\nx\r\n\r\n\r\n\r\n",
		HEAD "l: 0\r\n\r\n" HEAD "\r\n\r\n",
		HEAD "l: 0\r\n\r\nINVITE sip:x",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		char whole[1024], parts[1024];
		struct wbuf w = wbuf_on(whole, sizeof(whole));
		cut(texts[i], SIZE_MAX / 2, &w);
		assert_true(w_ok(&w));
		for (size_t step = 1; step < 20; step++) {
			struct wbuf v = wbuf_on(parts, sizeof(parts));
			cut(texts[i], step, &v);
			assert_true(span_eq(w_span_of(&v), w_span_of(&w)));
		}
	}
}

static void framer_and_parser_agree(void **state)
{
	const char *text = HEAD
		"From: sip:a@b;tag=1\r\nTo: sip:c@d\r\nCall-ID: x\r\nCSeq: 1 UPDATE\r\nL :\r\n 4\r\n\r\nbodyNEXT";
	struct sip_msg m;

	ssize_t n = frame(text);
	assert_int_equal(n, strlen(text) - 4);
	assert_int_equal(sip_msg_parse(&m, (struct span){ text, (size_t)n }, true), 0);
	assert_span(m.body, "body");
	assert_int_equal(m.raw.n, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_message_with_body),       cmocka_unit_test(length_in_any_form),
		cmocka_unit_test(folds_do_not_make_headers),   cmocka_unit_test(parse_1_length_faults),
		cmocka_unit_test(parse_1_too_large),           cmocka_unit_test(keep_alives),
		cmocka_unit_test(byte_by_byte_equals_at_once), cmocka_unit_test(framer_and_parser_agree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
