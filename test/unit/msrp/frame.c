/* SPDX-License-Identifier: MIT */
/* UP-18, UP-19, UP-20, UP-22.  Streams into events: whatever the reads, the events tell the same; a body is what lies between, to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "msrp/frame.h"

#define PATHS "To-Path: msrp://a.example:1/x;tcp\r\nFrom-Path: msrp://b.example:2/y;tcp\r\n"
#define SEND(tid, body, flag)                                                                         \
	"MSRP " tid " SEND\r\n" PATHS "Message-ID: m" tid "\r\nContent-Type: text/plain\r\n\r\n" body \
	"\r\n-------" tid flag "\r\n"
#define EMPTY(tid, flag) "MSRP " tid " SEND\r\n" PATHS "Message-ID: m" tid "\r\n-------" tid flag "\r\n"
#define RESPONSE(tid, code) "MSRP " tid " " code "\r\n" PATHS "-------" tid "$\r\n"

/* What came out, as text: "<tid:body>flag". */
struct log {
	char text[65536];
	size_t n;
	bool in_body, bodiless;
	size_t splits; /* spans that began with what might be an end-line */
};

static void put(struct log *l, struct span s)
{
	assert_true(l->n + s.n < sizeof(l->text));
	memcpy(l->text + l->n, s.p, s.n);
	l->n += s.n;
}

static void on_event(struct log *l, int step, const struct msrp_event *ev)
{
	switch (step) {
	case MSRP_HEAD:
		put(l, SPAN("<")), put(l, ev->head->tid), put(l, SPAN(":"));
		break;
	case MSRP_BODY:
		assert_true(ev->body.n > 0);
		put(l, ev->body);
		l->splits += ev->suspect;
		break;
	case MSRP_END:
		put(l, SPAN(">")), put(l, (struct span){ &ev->flag, 1 });
		break;
	}
}

/* Feeds one read, as a connection does: the input is gone afterwards.  Last error, or 0. */
static int feed(struct msrp_framer *f, struct log *l, const char *p, size_t n)
{
	char *copy = malloc(n ? n : 1);
	struct msrp_head scratch;
	struct msrp_event ev;
	struct span in = { copy, n };
	int step;

	memcpy(copy, p, n);
	while ((step = msrp_frame_next(f, &in, &scratch, &ev)) > 0) {
		on_event(l, step, &ev);
		if (step == MSRP_HEAD) {
			assert_true(in.n >= 1);
			msrp_frame_accept(f);
		}
	}
	if (step == 0) {
		assert_int_equal(in.n, 0);
		assert_int_equal(msrp_frame_keep(f), 0);
	}
	memset(copy, 'Z', n);
	free(copy);
	return step;
}

static void expect_reads(struct span s, const char *want, size_t first, size_t every)
{
	struct msrp_framer f;
	struct log l = { .n = 0 };
	size_t at = first;

	msrp_framer_init(&f);
	assert_int_equal(feed(&f, &l, s.p, first), 0);
	for (; at < s.n; at += every)
		assert_int_equal(feed(&f, &l, s.p + at, every < s.n - at ? every : s.n - at), 0);
	if (l.n != strlen(want) || memcmp(l.text, want, l.n) != 0)
		fail_msg("read %zu then %zu: got\n%.*s\nwant\n%s", first, every, (int)l.n, l.text, want);
	assert_true(msrp_frame_idle(&f));
	msrp_framer_finish(&f);
}

/* All at once, in two reads cut anywhere, byte by byte, and in reads of a few sizes. */
static void expect(const char *text, const char *want)
{
	struct span s = span_of(text);

	expect_reads(s, want, s.n, s.n);
	for (size_t i = 0; i <= s.n; i++)
		expect_reads(s, want, i, s.n);
	for (size_t every = 1; every < 40; every++)
		expect_reads(s, want, 0, every);
}

static void frame_19_one_message(void **state)
{
	expect(SEND("tid1", "hello", "$"), "<tid1:hello>$");
}

static void frame_19_pipelined(void **state)
{
	expect(SEND("tid1", "hello", "+") EMPTY("tid2", "$") RESPONSE("tid3", "200 OK")
		       SEND("tid4", "x", "#"),
	       "<tid1:hello>+<tid2:>$<tid3:>$<tid4:x>#");
}

static void frame_19_other_end_lines_are_body(void **state)
{
	expect(SEND("tid1", "a\r\n-------tid2$\r\nb\r\n-------tid1x$\r\n-------tid1$\rc\r\n-------tid1%\r\n",
		    "$"),
	       "<tid1:a\r\n-------tid2$\r\nb\r\n-------tid1x$\r\n-------tid1$\rc\r\n-------tid1%\r\n>$");
}

static void frame_19_end_line_only_at_line_start(void **state)
{
	expect(SEND("tid1", "a-------tid1$\r\n b\n-------tid1$\r\n", "$"),
	       "<tid1:a-------tid1$\r\n b\n-------tid1$\r\n>$");
}

static void frame_19_runs_of_dashes(void **state)
{
	expect(SEND("tid1", "\r\n--------tid1$\r\n------\r\n---------------------------------\r\n-------",
		    "$"),
	       "<tid1:\r\n--------tid1$\r\n------\r\n---------------------------------\r\n-------"
	       ">$");
	expect(SEND("tid1", "-----------------------------------", "+"),
	       "<tid1:-----------------------------------"
	       ">+");
}

static void frame_19_crlf_before_end_line_is_not_body(void **state)
{
	expect(SEND("tid1", "a\r\n\r\n", "$"), "<tid1:a\r\n\r\n>$");
	expect(SEND("tid1", "\r", "$"), "<tid1:\r>$");
	expect(SEND("tid1", "\r\n-------tid1$\r\r\n-------ti", "$"),
	       "<tid1:\r\n-------tid1$\r\r\n-------ti>$");
}

static void frame_18_empty_bodies(void **state)
{
	expect(SEND("tid1", "", "$"), "<tid1:>$");
	/* without the CRLF that belongs to the end-line: somebody's way to write an empty body */
	expect("MSRP tid1 SEND\r\n" PATHS "\r\n-------tid1$\r\n", "<tid1:>$");
	expect(SEND("tid1", "-------tid2$\r\n", "$"), "<tid1:-------tid2$\r\n>$");
}

static void frame_19_tid_with_dashes(void **state)
{
	expect(SEND("t---------------", "\r\n-------t-------\r\n-------t--------------$\r\n", "$"),
	       "<t---------------:\r\n-------t-------\r\n-------t--------------$\r\n>$");
}

static void frame_19_zero_bytes(void **state)
{
	static const char head[] = "MSRP tid1 SEND\r\n" PATHS "Content-Type: a/b\r\n\r\n";
	static const char body[] = "\0\0\r\n-------\0tid1$\0\xff\xfe";
	char all[512];
	struct msrp_framer f;
	size_t h = sizeof(head) - 1, b = sizeof(body) - 1, n;

	memcpy(all, head, h), memcpy(all + h, body, b);
	memcpy(all + h + b, "\r\n-------tid1$\r\n", 16);
	n = h + b + 16;
	for (size_t cut = 0; cut < n; cut++) {
		struct log l = { .n = 0 };
		msrp_framer_init(&f);
		assert_int_equal(feed(&f, &l, all, cut), 0);
		assert_int_equal(feed(&f, &l, all + cut, n - cut), 0);
		assert_int_equal(l.n, 6 + b + 2);
		assert_memory_equal(l.text + 6, body, b);
		msrp_framer_finish(&f);
	}
}

static void frame_22_lookalikes_are_marked(void **state)
{
	struct msrp_framer f;
	struct span s = SPAN(SEND("tid1", "one\r\n-------tid2$\r\ntwo\r\n-------tid3$\r\n", "$"));

	for (size_t cut = 0; cut <= s.n; cut++) {
		struct log l = { .n = 0 };
		msrp_framer_init(&f);
		assert_int_equal(feed(&f, &l, s.p, cut), 0);
		assert_int_equal(feed(&f, &l, s.p + cut, s.n - cut), 0);
		assert_true(l.splits >= 2);
		msrp_framer_finish(&f);
	}
}

static void frame_stop_at_head_and_come_again(void **state)
{
	struct span s = SPAN(SEND("tid1", "hello", "$")), in;
	struct msrp_framer f;
	struct msrp_head scratch;
	struct msrp_event ev;
	struct log l = { .n = 0 };
	char copy[512];

	for (size_t cut = 1; cut < s.n; cut++) {
		size_t taken;
		msrp_framer_init(&f);
		memcpy(copy, s.p, s.n);
		in = (struct span){ copy, cut };
		int step = msrp_frame_next(&f, &in, &scratch, &ev);
		taken = cut - in.n;
		assert_int_equal(msrp_frame_keep(&f), 0);
		memset(copy, 'Z', sizeof(copy));
		if (step == MSRP_HEAD) { /* parked: it is told again, from memory of its own */
			in = span_cut(s, taken, s.n);
			for (int i = 0; i < 3; i++)
				assert_int_equal(msrp_frame_next(&f, &in, &scratch, &ev), MSRP_HEAD);
			assert_true(span_eq(ev.head->message_id, SPAN("mtid1")));
			msrp_frame_accept(&f);
		}
		l.n = 0;
		assert_int_equal(feed(&f, &l, s.p + taken, s.n - taken), 0);
		msrp_framer_finish(&f);
	}
}

static void frame_body_spans_point_into_the_input(void **state)
{
	struct span s = SPAN(SEND("tid1", "0123456789012345678901234567890123456789", "$")), in = s;
	struct msrp_framer f;
	struct msrp_head scratch;
	struct msrp_event ev;

	msrp_framer_init(&f);
	assert_int_equal(msrp_frame_next(&f, &in, &scratch, &ev), MSRP_HEAD);
	msrp_frame_accept(&f);
	assert_int_equal(msrp_frame_next(&f, &in, &scratch, &ev), MSRP_BODY);
	assert_true(ev.body.p > s.p && ev.body.p + ev.body.n < s.p + s.n);
	assert_true(ev.last && ev.flag == '$');
	msrp_framer_finish(&f);
}

static void frame_20_lost_streams(void **state)
{
	static const char *const bad[] = {
		"GET / HTTP/1.1\r\n",
		"MSRP t SEND\r\n",
		"MSRP tid1 send\r\n",
		"MSRP tid1\r\n",
		"MSRP tid1 SEND x\r\n",
		"MSRP tid1 SEND\n",
		"MSRP -id1 SEND\r\n",
		"MSRP tid1 SEND\r\nFrom-Path: x\r\n",
		"MSRP tid1 SEND\r\nTo-Path: msrp://a:1/x;tcp\r\nMessage-ID: 1\r\n",
		"MSRP tid1 SEND\r\n" PATHS "-------tid2$\r\n",
		"MSRP tid1 SEND\r\n" PATHS "-------tid1%\r\n",
		"MSRP tid1 SEND\r\n\r\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct msrp_framer f;
		struct log l = { .n = 0 };
		int r = 0;
		msrp_framer_init(&f);
		assert_int_equal(feed(&f, &l, bad[i], strlen(bad[i])), -EBADMSG);
		msrp_framer_finish(&f);
		msrp_framer_init(&f);
		for (size_t k = 0; k < strlen(bad[i]) && r == 0; k++)
			r = feed(&f, &l, bad[i] + k, 1);
		assert_int_equal(r, -EBADMSG);
		msrp_framer_finish(&f);
	}
}

static int feed_much(const char *first, const char *again, size_t every, size_t limit)
{
	struct msrp_framer f;
	struct log l = { .n = 0 };
	char *all = malloc(limit + 4096);
	size_t n = (size_t)sprintf(all, "%s", first), at = 0;
	int r = 0;

	while (n < limit)
		n += (size_t)sprintf(all + n, "%s", again);
	msrp_framer_init(&f);
	for (; at < n && r == 0; at += every)
		r = feed(&f, &l, all + at, every < n - at ? every : n - at);
	msrp_framer_finish(&f);
	free(all);
	return r;
}

static void frame_20_limits(void **state)
{
	static const size_t every[] = { 1, 100, 100000 };

	for (size_t i = 0; i < ARRAY_LEN(every); i++) {
		assert_int_equal(feed_much("MSRP tid1 200 ", "x", every[i], 1000), -EMSGSIZE);
		assert_int_equal(feed_much("MSRP tid1 SEND\r\nTo-Path: ", "x", every[i], 6000), -EMSGSIZE);
		assert_int_equal(feed_much("MSRP tid1 SEND\r\n" PATHS, "A: b\r\n", every[i], 1000),
				 -EMSGSIZE);
		assert_int_equal(
			feed_much(
				"MSRP tid1 SEND\r\n" PATHS,
				"Abcdefghijklmnopqrstuvwxyz: "
				"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrs"
				"tuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl"
				"mnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcde"
				"fghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwx\r\n",
				every[i], 20000),
			-EMSGSIZE);
	}
}

/* The search against the plain one, on texts made mostly of what it looks for. */
static void frame_scan_finds_what_a_plain_search_finds(void **state)
{
	char text[64];
	uint32_t seed = 1;

	for (unsigned round = 0; round < 200000; round++) {
		size_t n = 0, want = SPAN_NONE;
		for (; n < sizeof(text); n++) {
			seed = seed * 1664525u + 1013904223u;
			text[n] = "\r\n-----------x-"[seed >> 28];
		}
		if (round & 1) {
			seed = seed * 1664525u + 1013904223u;
			memcpy(text + (seed >> 16) % (sizeof(text) - 9), "\r\n-------", 9);
		}
		size_t from = (seed >> 8) % 20;
		for (size_t i = from; i + 9 <= n && want == SPAN_NONE; i++)
			if (memcmp(text + i, "\r\n-------", 9) == 0)
				want = i;
		assert_true(msrp_scan_dashes(text, from, n) == want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_19_one_message),
		cmocka_unit_test(frame_19_pipelined),
		cmocka_unit_test(frame_19_other_end_lines_are_body),
		cmocka_unit_test(frame_19_end_line_only_at_line_start),
		cmocka_unit_test(frame_19_runs_of_dashes),
		cmocka_unit_test(frame_19_crlf_before_end_line_is_not_body),
		cmocka_unit_test(frame_18_empty_bodies),
		cmocka_unit_test(frame_19_tid_with_dashes),
		cmocka_unit_test(frame_19_zero_bytes),
		cmocka_unit_test(frame_22_lookalikes_are_marked),
		cmocka_unit_test(frame_stop_at_head_and_come_again),
		cmocka_unit_test(frame_body_spans_point_into_the_input),
		cmocka_unit_test(frame_20_lost_streams),
		cmocka_unit_test(frame_20_limits),
		cmocka_unit_test(frame_scan_finds_what_a_plain_search_finds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
