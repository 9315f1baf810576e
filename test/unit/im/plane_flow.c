/* SPDX-License-Identifier: MIT */
/* Flow: what is held, who is stopped, for how long, and that nothing else stops (UP-25a, UP-33, UPA-14). */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "plane_world.h"

static struct pw *up(void)
{
	static struct pw w;

	pw_init(&w);
	pw_up(&w);
	return &w;
}

static void a_sends(struct pw *w, unsigned i, unsigned body)
{
	pw_feed(w->a,
		FROM_A("tid%06u", "SEND",
		       "Message-ID: m%u\r\nByte-Range: 1-%u/%u\r\n" TEXT "%0*u\r\n") "$\r\n",
		i, i, body, body, (int)body, i, i);
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

/* b answers all it was sent. */
static size_t b_confirms(struct pw *w)
{
	const char *p = w->b->out + w->b->out_at, *end = w->b->out + w->b->out_n;
	char *all = malloc((size_t)(end - p) + 1);
	size_t n = 0;

	memcpy(all, p, (size_t)(end - p) + 1);
	w->b->out_at = w->b->out_n;
	for (p = all; (p = strstr(p, "MSRP ")) != NULL; p += 5)
		if (memcmp(p + 21, " SEND", 5) == 0) {
			pw_feed(w->b, FROM_B("%.16s", "200 OK", "") "$\r\n", p + 5, p + 5);
			n++;
		}
	free(all);
	return n;
}

static void flow_stalled_receiver_stops_its_sender(void **state)
{
	struct pw *w = up();

	w->read_max = 4096;
	pw_room(w->b, 1000);
	a_sends(w, 1, 10000);
	assert_true(w->a->paused);
	assert_true(w->b->out_n - w->b->out_at < 3000);
	/* the other direction is not stopped */
	pw_feed(w->b, FROM_B("btid", "SEND", "Message-ID: x\r\n" TEXT "back\r\n") "$\r\n");
	assert_non_null(strstr(pw_take(w->a), "back"));
	assert_false(w->b->paused);
	/* it drains by and by */
	for (int i = 0; i < 20; i++) {
		pw_take(w->b);
		pw_room(w->b, 1000);
	}
	assert_false(w->a->paused);
	assert_int_equal(w->a->in_n, 0);
	pw_finish(w);
}

static void flow_14_stall_is_bounded(void **state)
{
	struct pw *w = up();

	w->read_max = 4096;
	pw_room(w->b, 1000);
	a_sends(w, 1, 10000);
	pw_advance(w, 19000);
	pw_expect(w->a, "");
	pw_advance(w, 1100);
	assert_non_null(strstr(pw_take(w->a), "MSRP tid000001 408 "));
	assert_false(w->a->paused); /* reads on */
	assert_int_equal(w->a->in_n, 0);
	pw_feed(w->a, FROM_A("tidx", "SEND", "Message-ID: k\r\n") "$\r\n");
	pw_expect(w->a, TO_A("tidx", "200 OK", "") "$\r\n");
	assert_non_null(strstr(pw_take(w->b), "#\r\n"));
	pw_room(w->b, SIZE_MAX);
	a_sends(w, 2, 10);
	assert_non_null(strstr(pw_take(w->b), "Message-ID: m2\r\n"));
	pw_finish(w);
}

static void flow_14_progress_starts_it_anew(void **state)
{
	struct pw *w = up();

	w->read_max = 1024;
	pw_room(w->b, 1000);
	a_sends(w, 1, 30000);
	for (int i = 0; i < 10; i++) {
		pw_advance(w, 15000);
		pw_expect(w->a, "");
		pw_take(w->b);
		pw_room(w->b, 1000);
	}
	pw_finish(w);
}

static void flow_14_stalled_before_it_began(void **state)
{
	struct pw *w = up();

	pw_room(w->b, 0);
	a_sends(w, 1, 10);
	assert_true(w->a->paused);
	pw_advance(w, 20100);
	assert_non_null(strstr(pw_take(w->a), "MSRP tid000001 408 "));
	pw_expect(w->b, "");
	pw_finish(w);
}

static void flow_25a_two_hundred_fifty_six(void **state)
{
	struct pw *w = up();

	for (unsigned i = 1; i <= 300; i++)
		a_sends(w, i, 20);
	assert_true(w->a->paused);
	assert_int_equal(count(w->b->out + w->b->out_at, " SEND\r\n"), 256);
	assert_int_equal(b_confirms(w), 256);
	assert_false(w->a->paused);
	assert_int_equal(b_confirms(w), 44);
	assert_int_equal(count(w->a->out + w->a->out_at, " 200 OK\r\n"), 300);
	pw_take(w->a);
	pw_finish(w);
}

static void a_confirms(struct pw *w)
{
	char *all = strdup(w->a->out + w->a->out_at);

	for (const char *p = all; (p = strstr(p, "MSRP ")) != NULL; p += 5)
		if (memcmp(p + 21, " SEND", 5) == 0)
			pw_feed(w->a, FROM_A("%.16s", "200 OK", "") "$\r\n", p + 5, p + 5);
	free(all);
}

/* UPA-14: either side has more SENDs open than we take, and its answers stand behind them: no time passes. */
static void flow_14_two_full_directions(void **state)
{
	struct pw *w = up();
	enum { N = 900 };

	for (unsigned i = 1; i <= N; i++)
		a_sends(w, i, 20);
	for (unsigned i = 1; i <= N; i++)
		pw_feed(w->b, FROM_B("bid%06u", "SEND", "Message-ID: b%u\r\n" TEXT "%08u\r\n") "$\r\n", i, i,
			i, i);
	for (unsigned i = 0; i < 8 && (w->a->paused || w->b->paused); i++) {
		a_confirms(w); /* some of them twice: nobody waits for those */
		b_confirms(w);
	}
	assert_false(w->a->paused);
	assert_false(w->b->paused);
	a_confirms(w);
	b_confirms(w);
	assert_int_equal(count(w->a->out, " 200 OK\r\n"), N + 1); /* and to what bound them */
	assert_int_equal(count(w->b->out, " 200 OK\r\n"), N + 1);
	pw_finish(w);
}

static void flow_25a_hop_stops_too(void **state)
{
	static struct pw w;

	pw_init(&w);
	w.conf.ack_end = false;
	pw_up(&w);
	for (unsigned i = 1; i <= 4400; i++)
		a_sends(&w, i, 20);
	assert_true(w.a->paused);
	assert_int_equal(count(w.a->out + w.a->out_at, " 200 OK\r\n"), 4096);
	b_confirms(&w);
	b_confirms(&w);
	assert_int_equal(count(w.a->out + w.a->out_at, " 200 OK\r\n"), 4400);
	w.a->out_at = w.a->out_n;
	pw_finish(&w);
}

static void flow_14_held_until_bound(void **state)
{
	struct pw *w = up();
	struct pw_sdp offer, answer;
	unsigned n = 0;

	pw_sdp1(&offer, "msrp://b.example:7002/bs2;tcp", "active", NULL);
	pw_sdp1(&answer, A_URI, "active", NULL);
	pw_exchange(w, SIDE_B, &offer, &answer);
	pw_name_paths(w, NULL, "B2");
	while (!w->a->paused && n < 1000)
		a_sends(w, ++n, 5000);
	assert_in_range(n, 40, 60); /* 256 KiB of about 5 KiB each */
	pw_expect(w->b, "");
	w->b = pw_accept(w);
	pw_feed(w->b, "MSRP btid SEND\r\nTo-Path: {B2}\r\nFrom-Path: msrp://b.example:7002/bs2;tcp\r\n"
		      "Message-ID: 1\r\n-------btid$\r\n");
	assert_false(w->a->paused);
	assert_in_range(count(w->b->out, " SEND\r\n"), n,
			n + 1); /* the one that was cut short by the limit */
	/* in order */
	const char *p = w->b->out;
	for (unsigned i = 1; i <= n; i++) {
		char id[32];
		snprintf(id, sizeof(id), "Message-ID: m%u\r\n", i);
		p = strstr(p, id);
		assert_non_null(p);
	}
	w->b->out_at = w->b->out_n;
	pw_finish(w);
}

static void flow_14_held_too_long(void **state)
{
	struct pw *w = up();

	pw_close(w->b);
	a_sends(w, 1, 5000);
	pw_advance(w, 10000);
	a_sends(w, 2, 5000);
	pw_advance(w, 10100);
	pw_expect(w->a, TO_A("tid000001", "408 Timed Out", "") "$\r\n");
	w->b = pw_accept(w);
	pw_feed(w->b, FROM_B("btid", "SEND", "Message-ID: 1\r\n") "$\r\n");
	assert_null(strstr(w->b->out, "Message-ID: m1\r\n"));
	assert_non_null(strstr(w->b->out, "Message-ID: m2\r\n"));
	pw_finish(w);
}

static void flow_14_long_chunk_is_held_in_pieces(void **state)
{
	struct pw *w = up();
	const char *wire;

	pw_close(w->b);
	w->read_max = 1000;
	a_sends(w, 1, 40000);
	w->b = pw_accept(w);
	w->read_max = 0;
	pw_feed(w->b, FROM_B("btid", "SEND", "Message-ID: 1\r\n") "$\r\n");
	wire = pw_take(w->b);
	assert_non_null(strstr(wire, "Byte-Range: 1-*/40000\r\n"));
	assert_non_null(strstr(wire, "Byte-Range: 16385-*/40000\r\n"));
	assert_non_null(strstr(wire, "Byte-Range: 32769-*/40000\r\n"));
	assert_non_null(strstr(wire, "-------T3$\r\n"));
	for (int i = 1; i <= 3; i++)
		pw_feed(w->b, FROM_B("T%d", "200 OK", "") "$\r\n", i, i);
	pw_expect(w->a, TO_A("tid000001", "200 OK", "") "$\r\n");
	pw_finish(w);
}

static void flow_14_bound_in_the_middle_of_a_chunk(void **state)
{
	struct pw *w = up();

	pw_close(w->b);
	pw_feed(w->a, "MSRP tid1 SEND\r\nTo-Path: {A}\r\nFrom-Path: " A_URI "\r\nMessage-ID: m1\r\n"
		      "Byte-Range: 1-*/20\r\n" TEXT "0123456789");
	w->b = pw_accept(w);
	pw_feed(w->b, FROM_B("btid", "SEND", "Message-ID: 1\r\n") "$\r\n");
	const char *wire = pw_take(w->b);
	assert_non_null(strstr(wire, "Byte-Range: 1-*/20\r\n" TEXT "0123456789"));
	pw_feed(w->a, "abcdefghij");
	pw_expect(w->b, "abcdefghij");
	/* all its bytes are out: the end-line closes the same chunk */
	pw_feed(w->a, "\r\n-------tid1$\r\n");
	pw_expect(w->b, "\r\n-------T1$\r\n" TO_B("btid", "200 OK", "") "$\r\n");
	pw_feed(w->b, FROM_B("T1", "200 OK", "") "$\r\n");
	pw_expect(w->a, TO_A("tid1", "200 OK", "") "$\r\n");
	pw_finish(w);
}

/* All bytes are out when the chunk is interrupted: what ends the message has no start beyond the total (UP-32). */
static void flow_33_interrupted_before_the_end_line(void **state)
{
	struct pw *w = up();

	pw_feed(w->a,
		"MSRP tid1 SEND\r\nTo-Path: {A}\r\nFrom-Path: " A_URI
		"\r\nMessage-ID: m1\r\nByte-Range: 1-*/20000\r\n" TEXT "%020000d",
		1);
	pw_feed(w->b, FROM_B("btid", "SEND", "Message-ID: 1\r\n") "$\r\n");
	pw_take(w->b);
	pw_feed(w->a, "\r\n-------tid1$\r\n");
	pw_expect(w->b,
		  TO_B("T2", "SEND", "Message-ID: m1\r\nByte-Range: 20001-20000/*\r\n" TEXT "\r\n") "$\r\n");
	pw_finish(w);
}

/* Two sessions that share the connection to one address: the small message waits for no big one. */
static void flow_33_other_sessions_get_through(void **state)
{
	static struct pw w;
	struct pw_sdp offer, answer;
	struct plane_local l;
	static const char *const offered[] = { A_URI,    "active", NULL, "msrp://c.example:1/c;tcp",
					       "active", NULL };
	static const char *const answered[] = { B_URI,     "passive", NULL, "msrp://b.example:7002/b2;tcp",
						"passive", NULL };
	struct pw_conn *c;

	pw_init(&w);
	pw_sdp(&offer, 2, offered);
	pw_sdp(&answer, 2, answered);
	pw_exchange(&w, SIDE_A, &offer, &answer);
	pw_name_paths(&w, "A", "B");
	plane_local(w.p, SIDE_A, 1, &l);
	w.b = pw_last(&w);
	pw_connected(w.b);
	pw_take(w.b);
	w.a = pw_accept(&w), c = pw_accept(&w);
	pw_feed(w.a,
		"MSRP big1 SEND\r\nTo-Path: {A}\r\nFrom-Path: " A_URI "\r\nMessage-ID: big\r\n" TEXT
		"%05000d",
		1);
	pw_take(w.b);
	pw_feed(c,
		"MSRP tid2 SEND\r\nTo-Path: %s\r\nFrom-Path: msrp://c.example:1/c;tcp\r\nMessage-ID: chat\r\n" TEXT
		"quick\r\n-------tid2$\r\n",
		l.path);
	const char *wire = pw_take(w.b);
	assert_int_equal(
		strncmp(wire, "\r\n-------T3+\r\nMSRP T4 SEND\r\nTo-Path: msrp://b.example:7002/b2;tcp\r\n",
			60),
		0);
	pw_feed(w.a, "%05000d", 2);
	assert_non_null(strstr(pw_take(w.b), "Byte-Range: 5001-*/*\r\n"));
	/* one that has just begun is not cut to pieces: the other waits a little */
	pw_feed(c,
		"MSRP tid3 SEND\r\nTo-Path: %s\r\nFrom-Path: msrp://c.example:1/c;tcp\r\nMessage-ID: ch2\r\n" TEXT
		"slow\r\n-------tid3$\r\n",
		l.path);
	pw_take(w.b);
	pw_feed(w.a, "x");
	pw_feed(c,
		"MSRP tid4 SEND\r\nTo-Path: %s\r\nFrom-Path: msrp://c.example:1/c;tcp\r\nMessage-ID: ch3\r\n" TEXT
		"slow\r\n-------tid4$\r\n",
		l.path);
	assert_true(c->paused);
	pw_advance(&w, 150);
	assert_false(c->paused);
	assert_non_null(strstr(pw_take(w.b), "Message-ID: ch3\r\n"));
	pw_finish(&w);
}

static void flow_who_does_not_read_is_not_answered_for_ever(void **state)
{
	struct pw *w = up();
	unsigned n = 0;

	pw_room(w->a, 100);
	while (!w->a->paused && n++ < 10000)
		pw_feed(w->a, FROM_A("tidk", "SEND", "Message-ID: k\r\n") "$\r\n");
	assert_in_range(n, 100, 1000);
	pw_take(w->a);
	pw_room(w->a, SIZE_MAX);
	assert_false(w->a->paused);
	pw_finish(w);
}

/* 64 MiB in one message, reads of 64 KiB: nothing of it stays anywhere. */
static void flow_streams_with_flat_memory(void **state)
{
	struct pw *w = up();
	size_t n = 65536, total = 64u << 20;
	char *block = malloc(n);
	struct mallinfo2 before, after;
	struct plane_stats s;

	memset(block, 'x', n);
	w->b->sink = true;
	pw_feed(w->a,
		"MSRP tid1 SEND\r\nTo-Path: {A}\r\nFrom-Path: " A_URI
		"\r\nMessage-ID: m1\r\nByte-Range: 1-*/%zu\r\n" TEXT,
		total);
	pw_feed_bytes(w->a, block, n);
	before = mallinfo2();
	for (size_t done = n; done < total; done += n)
		pw_feed_bytes(w->a, block, n);
	after = mallinfo2();
	assert_true(after.uordblks <= before.uordblks + 4096);
	pw_feed(w->a, "\r\n-------tid1$\r\n");
	plane_stats(w->p, &s);
	assert_int_equal(s.bytes_out[SIDE_B], total);
	free(block);
	pw_finish(w);
}

/* An idle session, all of it: under 2 KiB and the two connections. */
static void flow_idle_session_is_small(void **state)
{
	static struct pw w;
	struct pw_sdp offer, answer;
	struct mallinfo2 before, after;

	pw_init(&w);
	pw_up(&w);
	struct plane *more[32];
	struct plane_hooks none = { NULL };
	pw_sdp1(&offer, A_URI, "active", NULL);
	pw_sdp1(&answer, B_URI, "active", NULL);
	before = mallinfo2();
	for (unsigned i = 0; i < 32; i++) {
		more[i] = plane_create(w.ps, &w, &none);
		assert_int_equal(plane_prepare(more[i], SIDE_A, &offer.sdp, 0, w.now_us), 0);
		plane_commit(more[i], SIDE_A, &offer.sdp, &answer.sdp, w.now_us);
	}
	after = mallinfo2();
	if (before.uordblks) /* not under a sanitizer */
		assert_true((after.uordblks - before.uordblks) / 32 < 2048);
	for (unsigned i = 0; i < 32; i++)
		plane_destroy(more[i], w.now_us);
	pw_finish(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flow_stalled_receiver_stops_its_sender),
		cmocka_unit_test(flow_14_stall_is_bounded),
		cmocka_unit_test(flow_14_progress_starts_it_anew),
		cmocka_unit_test(flow_14_stalled_before_it_began),
		cmocka_unit_test(flow_25a_two_hundred_fifty_six),
		cmocka_unit_test(flow_14_two_full_directions),
		cmocka_unit_test(flow_25a_hop_stops_too),
		cmocka_unit_test(flow_14_held_until_bound),
		cmocka_unit_test(flow_14_held_too_long),
		cmocka_unit_test(flow_14_long_chunk_is_held_in_pieces),
		cmocka_unit_test(flow_14_bound_in_the_middle_of_a_chunk),
		cmocka_unit_test(flow_33_interrupted_before_the_end_line),
		cmocka_unit_test(flow_33_other_sessions_get_through),
		cmocka_unit_test(flow_who_does_not_read_is_not_answered_for_ever),
		cmocka_unit_test(flow_streams_with_flat_memory),
		cmocka_unit_test(flow_idle_session_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
