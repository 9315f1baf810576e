/* SPDX-License-Identifier: MIT */
/* SENDs through the plane: what the far side sees, what the near side is told, and when (UP-24..29, 25a, 32, 39). */
#include <stdio.h>

#include "plane_world.h"

static struct pw *setup_world(bool end)
{
	static struct pw w;

	pw_init(&w);
	w.conf.ack_end = end;
	pw_up(&w);
	return &w;
}

static void send_27_transparent(void **state)
{
	struct pw *w = setup_world(true);

	pw_feed(w->a,
		FROM_A("tid1", "SEND",
		       "Message-ID: m1\r\nX-Unknown:  kept \r\nByte-Range: 1-5/5\r\nSuccess-Report: no\r\n"
		       "Content-Disposition: notification\r\nContent-Type: text/plain;charset=utf-8\r\n\r\n"
		       "hello\r\n") "$\r\n");
	pw_expect(w->b,
		  TO_B("T1", "SEND",
		       "Message-ID: m1\r\nX-Unknown:  kept \r\nByte-Range: 1-5/5\r\nSuccess-Report: no\r\n"
		       "Content-Disposition: notification\r\nContent-Type: text/plain;charset=utf-8\r\n\r\n"
		       "hello\r\n") "$\r\n");
	assert_int_equal(w->b->writes, 1);
	pw_expect(w->a, "");
	pw_feed(w->b, FROM_B("T1", "200 OK", "") "$\r\n");
	pw_expect(w->a, TO_A("tid1", "200 OK", "") "$\r\n");
	pw_feed(w->b, FROM_B("T1", "200 OK", "") "$\r\n"); /* again: nobody's */
	pw_expect(w->a, "");
	pw_finish(w);
}

static void send_25a_hop_answers_at_once(void **state)
{
	struct pw *w = setup_world(false);

	pw_feed(w->a,
		FROM_A("tid1", "SEND", "Message-ID: m1\r\nByte-Range: 1-5/5\r\n" TEXT "hello\r\n") "$\r\n");
	pw_expect(w->a, TO_A("tid1", "200 OK", "") "$\r\n");
	pw_expect(w->b,
		  TO_B("T1", "SEND", "Message-ID: m1\r\nByte-Range: 1-5/5\r\n" TEXT "hello\r\n") "$\r\n");
	pw_feed(w->b, FROM_B("T1", "413 No", "") "$\r\n");
	pw_expect(w->a, TO_A("T2", "REPORT",
			     "Message-ID: m1\r\nByte-Range: 1-5/5\r\nStatus: 000 413 Too Large\r\n") "$\r\n");
	pw_finish(w);
}

#define PARTIAL(n) "Message-ID: m" #n "\r\nByte-Range: 1-5/5\r\nFailure-Report: partial\r\n" TEXT "hello\r\n"

/* What was passed on and had no error is not told one because the session, or its path, ends. */
static void send_25_partial_and_the_end(void **state)
{
	struct pw *w = setup_world(true);
	static const char *const uri[] = { "msrp://a.example:7001/as2;tcp", "msrp://a.example:7001/as3;tcp",
					   "msrp://a.example:7001/as4;tcp", "msrp://a.example:7001/as5;tcp",
					   "msrp://a.example:7001/as6;tcp" };

	pw_feed(w->a, FROM_A("tid1", "SEND", PARTIAL(1)) "$\r\n");
	pw_expect(w->b, TO_B("T1", "SEND", PARTIAL(1)) "$\r\n");
	for (unsigned i = 0; i < ARRAY_LEN(uri); i++) { /* the fifth ends the oldest path (UPA-2) */
		struct pw_sdp offer, answer;
		pw_sdp1(&offer, uri[i], "active", NULL);
		pw_sdp1(&answer, B_URI, "active", NULL);
		pw_exchange(w, SIDE_A, &offer, &answer);
	}
	assert_true(w->a->closed);
	pw_expect(w->a, "");
	pw_finish(w);

	w = setup_world(true);
	pw_feed(w->a, FROM_A("tid1", "SEND", PARTIAL(1)) "$\r\n");
	pw_expect(w->b, TO_B("T1", "SEND", PARTIAL(1)) "$\r\n");
	pw_feed(w->b, FROM_B("tid2", "SEND", PARTIAL(2)) "$\r\n");
	pw_expect(w->a, TO_A("T2", "SEND", PARTIAL(2)) "$\r\n");
	plane_destroy(w->p, w->now_us);
	w->p = NULL;
	pw_expect(w->a, "");
	pw_expect(w->b, "");
	pw_finish(w);
}

/* What was passed on of a message is confirmed when its sender goes: it is remembered as long as any, and no longer. */
static void send_45_nothing_open_when_its_sender_goes(void **state)
{
	struct pw *w = setup_world(true);

	pw_feed(w->a, "MSRP tid1 SEND\r\nTo-Path: {A}\r\nFrom-Path: " A_URI
		      "\r\nMessage-ID: m1\r\nByte-Range: 1-*/10\r\n" TEXT "half");
	pw_expect(w->b, "MSRP T1 SEND\r\nTo-Path: " B_URI
			"\r\nFrom-Path: {B}\r\nMessage-ID: m1\r\nByte-Range: 1-*/10\r\n" TEXT "half");
	pw_feed(w->b, FROM_B("T1", "200 OK", "") "$\r\n");
	pw_close(w->a);
	pw_expect(w->b, "\r\n-------T1+\r\n");
	pw_advance(w, 119000);
	pw_expect(w->b, "");
	pw_advance(w, 2000);
	pw_expect(w->b, TO_B("T2", "SEND", "Message-ID: m1\r\nByte-Range: 5-4/10\r\n") "#\r\n");
	pw_feed(w->b, FROM_B("T2", "200 OK", "") "$\r\n");
	assert_true(plane_idle(w->p));
	pw_finish(w);
}

/* An old path whose connection was stopped does not go: a message may stand behind what stopped it. */
static void send_upa_17_stopped_is_not_drained(void **state)
{
	struct pw *w = setup_world(true);
	struct pw_sdp offer, answer;
	struct pw_conn *c;

	pw_room(w->b, 0);
	pw_feed(w->a, FROM_A("tid1", "SEND", PARTIAL(1)) "$\r\n");
	pw_sdp1(&offer, "msrp://a.example:7001/as2;tcp", "active", NULL);
	pw_sdp1(&answer, B_URI, "active", NULL);
	pw_exchange(w, SIDE_A, &offer, &answer);
	pw_name_paths(w, "A2", NULL);
	c = pw_accept(w);
	pw_feed(c, "MSRP bind2 SEND\r\nTo-Path: {A2}\r\nFrom-Path: msrp://a.example:7001/as2;tcp\r\n"
		   "Message-ID: ab2\r\n-------bind2$\r\n");
	pw_advance(w, 5000);
	assert_false(w->a->closed);
	pw_room(w->b, SIZE_MAX);
	pw_expect(w->b, TO_B("T1", "SEND", PARTIAL(1)) "$\r\n");
	pw_advance(w, 59000);
	assert_true(w->a->closed);
	pw_finish(w);
}

#define HELLO "Message-ID: m1\r\nByte-Range: 1-5/5\r\n" TEXT "hello\r\n"

/* The far side answers "sendrecv" and sends at once; its SEND is here first (RFC 3264 5.1: ready when the offer is out). */
static void send_upa_19_before_the_answer(void **state)
{
	for (unsigned taken = 0; taken < 2; taken++) {
		struct pw *w = setup_world(true);
		struct pw_sdp offer, answer;

		pw_sdp1(&offer, A_URI, "active", "a=sendonly\r\n");
		pw_sdp1(&answer, B_URI, "active", "a=recvonly\r\n");
		pw_exchange(w, SIDE_A, &offer, &answer);
		pw_sdp1(&offer, A_URI, "active", NULL);
		pw_sdp1(&answer, B_URI, "active", NULL);
		pw_prepare(w, SIDE_A, &offer);
		pw_feed(w->b, FROM_B("tid1", "SEND", HELLO) "$\r\n");
		pw_expect(w->b, "");
		pw_expect(w->a, "");
		if (taken)
			plane_commit(w->p, SIDE_A, &offer.sdp, &answer.sdp, w->now_us);
		else
			plane_rollback(w->p, w->now_us);
		pw_pump(w);
		pw_expect(w->b, taken ? "" : TO_B("tid1", "403 Not Allowed", "") "$\r\n");
		pw_expect(w->a, taken ? TO_A("T1", "SEND", HELLO) "$\r\n" : "");
		pw_finish(w);
	}
}

/* Failure-Report x what the far side says x mode. */
struct outcome {
	bool end, report;    /* mode; then is a REPORT */
	const char *failure; /* header value or NULL */
	const char *far;     /* response, or NULL: silence */
	const char *near;    /* response before anything else happens: hop */
	const char *then;    /* response or REPORT in the end, NULL: nothing */
};

static void one_outcome(const struct outcome *o)
{
	struct pw *w = setup_world(o->end);
	char fr[64] = "", want[512];

	if (o->failure)
		snprintf(fr, sizeof(fr), "Failure-Report: %s\r\n", o->failure);
	pw_feed(w->a,
		FROM_A("tid1", "SEND", "Message-ID: m1\r\nByte-Range: 1-5/5\r\n%s" TEXT "hello\r\n") "$\r\n",
		fr);
	assert_non_null(strstr(pw_take(w->b), "\r\n\r\nhello\r\n-------T1$\r\n"));
	want[0] = 0;
	if (o->near)
		snprintf(want, sizeof(want), TO_A("tid1", "%s", "") "$\r\n", o->near);
	pw_expect(w->a, want);
	if (o->far)
		pw_feed(w->b, FROM_B("T1", "%s", "") "$\r\n", o->far);
	else
		pw_advance(w, 31000);
	want[0] = 0;
	if (o->then && o->report)
		snprintf(want, sizeof(want),
			 TO_A("T2", "REPORT",
			      "Message-ID: m1\r\nByte-Range: 1-5/5\r\nStatus: 000 %s\r\n") "$\r\n",
			 o->then);
	else if (o->then)
		snprintf(want, sizeof(want), TO_A("tid1", "%s", "") "$\r\n", o->then);
	pw_expect(w->a, want);
	pw_advance(w, 130000);
	pw_expect(w->a, "");
	assert_true(plane_idle(w->p));
	pw_finish(w);
}

static void send_25a_all_outcomes(void **state)
{
	static const struct outcome all[] = {
		{ true, false, NULL, "200 OK", NULL, "200 OK" },
		{ true, false, "yes", "413 Stop", NULL, "413 Too Large" },
		{ true, false, "yes", "403 No", NULL, "403 Not Allowed" },
		{ true, false, "yes", "415 What", NULL, "415 Unknown Type" },
		{ true, false, "yes", "481 Gone", NULL, "408 Timed Out" },
		{ true, false, "yes", "506 There", NULL, "408 Timed Out" },
		{ true, false, "yes", "501 Huh", NULL, "408 Timed Out" },
		{ true, false, "yes", "423 Off", NULL, "408 Timed Out" },
		{ true, false, "yes", NULL, NULL, "408 Timed Out" },
		{ true, false, "partial", "200 OK", NULL, NULL },
		{ true, false, "partial", "413 Stop", NULL, "413 Too Large" },
		{ true, false, "partial", NULL, NULL, NULL },
		{ true, false, "no", "413 Stop", NULL, NULL },
		{ true, false, "no", NULL, NULL, NULL },
		{ false, false, NULL, "200 OK", "200 OK", NULL },
		{ false, true, "yes", "413 Stop", "200 OK", "413 Too Large" },
		{ false, true, "yes", "481 Gone", "200 OK", "408 Timed Out" },
		{ false, true, "yes", NULL, "200 OK", "408 Timed Out" },
		{ false, false, "partial", "413 Stop", NULL, "413 Too Large" },
		{ false, false, "partial", NULL, NULL, NULL },
		{ false, false, "no", "413 Stop", NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		one_outcome(&all[i]);
}

static void send_25a_408_at_twenty_seconds(void **state)
{
	struct pw *w = setup_world(true);

	pw_feed(w->a, FROM_A("tid1", "SEND", "Message-ID: m1\r\n" TEXT "hello\r\n") "+\r\n");
	pw_take(w->b);
	pw_advance(w, 19990);
	pw_expect(w->a, "");
	pw_advance(w, 20);
	pw_expect(w->a, TO_A("tid1", "408 Timed Out", "") "$\r\n");
	/* what the far side has is incomplete: told so */
	pw_expect(w->b, TO_B("T2", "SEND", "Message-ID: m1\r\nByte-Range: 6-5/*\r\n") "#\r\n");
	/* and further chunks get the same */
	pw_feed(w->a,
		FROM_A("tid2", "SEND", "Message-ID: m1\r\nByte-Range: 6-10/10\r\n" TEXT "world\r\n") "$\r\n");
	pw_expect(w->a, TO_A("tid2", "408 Timed Out", "") "$\r\n");
	pw_feed(w->b, FROM_B("T1", "200 OK", "") "$\r\n");
	pw_expect(w->a, "");
	pw_expect(w->b, "");
	pw_finish(w);
}

static void send_25a_unequal_cuts(void **state)
{
	struct pw *w = setup_world(true);
	const char *wire;

	/* arrives in three reads; a response for b has to go between: three far chunks for one near chunk */
	w->a->high = SIZE_MAX;
	pw_feed(w->a,
		"MSRP tid1 SEND\r\nTo-Path: {A}\r\nFrom-Path: " A_URI "\r\nMessage-ID: m1\r\n"
		"Byte-Range: 1-40000/40000\r\n" TEXT "%020000d",
		1);
	pw_feed(w->b, FROM_B("btid1", "SEND", "Message-ID: x\r\n") "$\r\n");
	wire = pw_take(w->b);
	assert_non_null(strstr(wire, "Byte-Range: 1-*/40000\r\n"));
	assert_non_null(strstr(wire, "1\r\n-------T1+\r\nMSRP btid1 200 OK\r\n"));
	pw_feed(w->a, "%020000d", 2);
	wire = pw_take(w->b);
	assert_non_null(strstr(wire, "MSRP T2 SEND\r\n"));
	assert_non_null(strstr(wire, "Byte-Range: 20001-*/40000\r\n"));
	pw_feed(w->a, "\r\n-------tid1$\r\n");
	pw_expect(w->b, "\r\n-------T2$\r\n");
	pw_expect(w->a, "");
	pw_feed(w->b, FROM_B("T2", "200 OK", "") "$\r\n");
	pw_expect(w->a, "");
	pw_feed(w->b, FROM_B("T1", "200 OK", "") "$\r\n");
	pw_expect(w->a, TO_A("tid1", "200 OK", "") "$\r\n");
	pw_finish(w);
}

static void send_33_short_chunks_are_not_cut_at_once(void **state)
{
	struct pw *w = setup_world(true);

	pw_feed(w->a,
		"MSRP tid1 SEND\r\nTo-Path: {A}\r\nFrom-Path: " A_URI "\r\nMessage-ID: m1\r\n"
		"Byte-Range: 1-*/6000\r\n" TEXT "%0100d",
		1);
	pw_take(w->b);
	pw_feed(w->b, FROM_B("btid1", "SEND", "Message-ID: x\r\n") "$\r\n");
	pw_expect(w->b, "");
	pw_advance(w, 90);
	pw_expect(w->b, "");
	pw_advance(w, 20); /* but not for ever */
	pw_expect(w->b, "\r\n-------T1+\r\n" TO_B("btid1", "200 OK", "") "$\r\n");
	pw_feed(w->a, "more\r\n-------tid1$\r\n");
	assert_non_null(strstr(pw_take(w->b), "Byte-Range: 101-104/6000\r\n" TEXT "more\r\n-------T2$\r\n"));
	pw_finish(w);
}

/* UP-23 */
static void send_25a_responses_leave_as_they_ripen(void **state)
{
	struct pw *w = setup_world(true);

	for (int i = 1; i <= 3; i++)
		pw_feed(w->a,
			FROM_A("tid%d", "SEND",
			       "Message-ID: m%d\r\nByte-Range: 1-1/1\r\n" TEXT "x\r\n") "$\r\n",
			i, i, i);
	pw_take(w->b);
	pw_feed(w->b, FROM_B("T3", "200 OK", "") "$\r\n");
	pw_expect(w->a, TO_A("tid3", "200 OK", "") "$\r\n");
	pw_feed(w->b, FROM_B("T1", "200 OK", "") "$\r\n");
	pw_expect(w->a, TO_A("tid1", "200 OK", "") "$\r\n");
	pw_feed(w->b, FROM_B("T2", "400 Bad", "") "$\r\n");
	pw_expect(w->a, TO_A("tid2", "400 Bad Request", "") "$\r\n");
	pw_finish(w);
}

static void send_25a_far_error_while_arriving(void **state)
{
	struct pw *w = setup_world(true);

	pw_feed(w->a,
		"MSRP tid1 SEND\r\nTo-Path: {A}\r\nFrom-Path: " A_URI "\r\nMessage-ID: m1\r\n"
		"Byte-Range: 1-*/9000\r\n" TEXT "%03000d",
		1);
	pw_take(w->b);
	pw_feed(w->b, FROM_B("T1", "413 Enough", "") "$\r\n");
	pw_expect(w->b, "\r\n-------T1#\r\n");
	pw_expect(w->a, TO_A("tid1", "413 Too Large", "") "$\r\n");
	pw_feed(w->a, "%03000d\r\n-------tid1+\r\n", 2);
	pw_expect(w->a, "");
	pw_expect(w->b, "");
	pw_feed(w->a,
		FROM_A("tid2", "SEND",
		       "Message-ID: m1\r\nByte-Range: 6001-9000/9000\r\n" TEXT "%03000d\r\n") "$\r\n",
		3);
	pw_expect(w->a, TO_A("tid2", "413 Too Large", "") "$\r\n");
	pw_expect(w->b, "");
	/* the Message-ID is free again */
	pw_feed(w->a, FROM_A("tid3", "SEND", "Message-ID: m1\r\nByte-Range: 1-1/1\r\n" TEXT "x\r\n") "$\r\n");
	assert_non_null(strstr(pw_take(w->b), "\r\n\r\nx\r\n-------T2$\r\n"));
	pw_finish(w);
}

static void send_32_aborts(void **state)
{
	struct pw *w = setup_world(true);

	pw_feed(w->a,
		FROM_A("tid1", "SEND", "Message-ID: m1\r\nByte-Range: 1-*/10\r\n" TEXT "half\r\n") "#\r\n");
	pw_expect(w->b,
		  TO_B("T1", "SEND", "Message-ID: m1\r\nByte-Range: 1-4/10\r\n" TEXT "half\r\n") "#\r\n");
	pw_expect(w->a, TO_A("tid1", "200 OK", "") "$\r\n"); /* answered here */
	/* between chunks, without body */
	pw_feed(w->a,
		FROM_A("tid2", "SEND", "Message-ID: m2\r\nByte-Range: 1-4/10\r\n" TEXT "half\r\n") "+\r\n");
	pw_take(w->b);
	pw_feed(w->a, FROM_A("tid3", "SEND", "Message-ID: m2\r\nByte-Range: 5-*/10\r\n") "#\r\n");
	pw_expect(w->b, TO_B("T3", "SEND", "Message-ID: m2\r\nByte-Range: 5-4/10\r\n") "#\r\n");
	pw_expect(w->a, TO_A("tid3", "200 OK", "") "$\r\n");
	pw_finish(w);
}

static void send_32_any_order(void **state)
{
	struct pw *w = setup_world(true);

	pw_feed(w->a,
		FROM_A("tid1", "SEND", "Message-ID: m1\r\nByte-Range: 6-10/10\r\n" TEXT "world\r\n") "$\r\n");
	pw_expect(w->b,
		  TO_B("T1", "SEND", "Message-ID: m1\r\nByte-Range: 6-10/10\r\n" TEXT "world\r\n") "$\r\n");
	pw_feed(w->a,
		FROM_A("tid2", "SEND", "Message-ID: m1\r\nByte-Range: 1-6/10\r\n" TEXT "hello!\r\n") "+\r\n");
	pw_expect(w->b,
		  TO_B("T2", "SEND", "Message-ID: m1\r\nByte-Range: 1-6/10\r\n" TEXT "hello!\r\n") "+\r\n");
	pw_finish(w);
}

static void send_39_bodiless_stays_here(void **state)
{
	struct pw *w = setup_world(true);

	pw_feed(w->a, FROM_A("tid1", "SEND", "Message-ID: k1\r\nByte-Range: 1-0/0\r\n") "$\r\n");
	pw_expect(w->a, TO_A("tid1", "200 OK", "") "$\r\n");
	pw_feed(w->a, FROM_A("tid2", "SEND", "Message-ID: k2\r\nFailure-Report: no\r\n") "$\r\n");
	pw_feed(w->a, FROM_A("tid3", "SEND", "Message-ID: k3\r\nFailure-Report: partial\r\n") "$\r\n");
	pw_expect(w->a, "");
	pw_expect(w->b, "");
	/* a body of nothing is a message */
	pw_feed(w->a, FROM_A("tid4", "SEND", "Message-ID: e\r\nByte-Range: 1-0/0\r\n" TEXT "\r\n") "$\r\n");
	pw_expect(w->b, TO_B("T1", "SEND", "Message-ID: e\r\nByte-Range: 1-0/0\r\n" TEXT "\r\n") "$\r\n");
	pw_finish(w);
}

static void refuse(struct pw *w, const char *rest, const char *response)
{
	char want[512];

	pw_feed(w->a, FROM_A("tidr", "SEND", "%s") "$\r\n", rest);
	snprintf(want, sizeof(want), TO_A("tidr", "%s", "") "$\r\n", response);
	pw_expect(w->a, response ? want : "");
	pw_expect(w->b, "");
}

static void send_24_refusals(void **state)
{
	struct pw *w = setup_world(true);

	refuse(w, "Byte-Range: 1-1/1\r\n" TEXT "x\r\n", "400 Bad Request");
	refuse(w, "Message-ID: m1\r\nByte-Range: 0-1/1\r\n" TEXT "x\r\n", "400 Bad Request");
	refuse(w, "Message-ID: m2\r\nFailure-Report: perhaps\r\n" TEXT "x\r\n", "400 Bad Request");
	refuse(w, "Message-ID: m3\r\n\r\nx\r\n", "400 Bad Request");
	refuse(w, "Message-ID: m4\r\nByte-Range: 1-1/2000000000\r\n" TEXT "x\r\n", "413 Too Large");
	refuse(w, "Message-ID: m5\r\nFailure-Report: no\r\nByte-Range: 0-1/1\r\n" TEXT "x\r\n", NULL);
	pw_feed(w->a, FROM_A("tid1", "NICKNAME", "Use-Nickname: \"n\"\r\n") "$\r\n");
	pw_expect(w->a, TO_A("tid1", "501 Unknown Method", "") "$\r\n");
	pw_feed(w->a, FROM_A("tid2", "SEND", "Message-ID: ok\r\nByte-Range: 1-1/1\r\n" TEXT "x\r\n") "$\r\n");
	assert_non_null(strstr(pw_take(w->b), "x\r\n-------T1$\r\n"));
	pw_finish(w);
}

static void send_36_counted_bytes(void **state)
{
	static struct pw w;

	pw_init(&w);
	w.conf.max_size = 4000;
	pw_up(&w);
	pw_feed(w.a,
		FROM_A("tid1", "SEND", "Message-ID: m1\r\nByte-Range: 1-*/*\r\n" TEXT "%03000d\r\n") "+\r\n",
		1);
	pw_take(w.b);
	pw_feed(w.a,
		FROM_A("tid2", "SEND",
		       "Message-ID: m1\r\nByte-Range: 3001-*/*\r\n" TEXT "%03000d\r\n") "$\r\n",
		2);
	pw_expect(w.a, TO_A("tid1", "413 Too Large", "") "$\r\n" TO_A("tid2", "413 Too Large", "") "$\r\n");
	pw_expect(w.b, TO_B("T2", "SEND", "Message-ID: m1\r\nByte-Range: 3001-3000/*\r\n") "#\r\n");
	pw_finish(&w);
}

static void up_with(struct pw *w, const char *a_more, const char *b_more)
{
	struct pw_sdp offer, answer;

	pw_sdp1(&offer, A_URI, "active", a_more);
	pw_sdp1(&answer, B_URI, "active", b_more);
	pw_exchange(w, SIDE_A, &offer, &answer);
}

static void send_34_only_what_the_receiver_takes(void **state)
{
	struct pw *w = setup_world(true);
	static const char cpim[] = "From: <im:a>\r\nTo: <im:b>\r\n\r\nContent-Type: %s\r\n\r\nbody";
	char body[512];

	up_with(w, NULL, "a=accept-types:message/cpim text/plain\r\na=accept-wrapped-types:image/*\r\n");
	refuse(w, "Message-ID: m1\r\nContent-Type: text/html\r\n\r\nx\r\n", "415 Unknown Type");
	snprintf(body, sizeof(body), cpim, "text/html");
	char rest[1024];
	snprintf(rest, sizeof(rest), "Message-ID: m2\r\nContent-Type: message/cpim\r\n\r\n%s\r\n", body);
	refuse(w, rest, "415 Unknown Type");
	snprintf(body, sizeof(body), cpim, "image/png");
	pw_feed(w->a,
		FROM_A("tid3", "SEND", "Message-ID: m3\r\nContent-Type: message/cpim\r\n\r\n%s\r\n") "$\r\n",
		body);
	assert_non_null(strstr(pw_take(w->b), body));
	pw_feed(w->a, FROM_A("tid4", "SEND",
			     "Message-ID: m4\r\nContent-Type: TEXT/Plain; charset=x\r\n\r\nx\r\n") "$\r\n");
	assert_non_null(strstr(pw_take(w->b), "\r\nx\r\n"));
	/* the other way nothing was narrowed */
	pw_feed(w->b,
		FROM_B("btid1", "SEND", "Message-ID: m5\r\nContent-Type: text/html\r\n\r\nx\r\n") "$\r\n");
	assert_non_null(strstr(pw_take(w->a), "\r\nx\r\n"));
	pw_finish(w);
}

static void send_19_direction(void **state)
{
	struct pw *w = setup_world(true);

	/* begun before: goes on to its end */
	pw_feed(w->a,
		FROM_A("tid1", "SEND", "Message-ID: old\r\nByte-Range: 1-1/2\r\n" TEXT "x\r\n") "+\r\n");
	pw_take(w->b);
	up_with(w, "a=recvonly\r\n", "a=sendonly\r\n");
	refuse(w, "Message-ID: m1\r\n" TEXT "x\r\n", "403 Not Allowed");
	pw_feed(w->a,
		FROM_A("tid2", "SEND", "Message-ID: old\r\nByte-Range: 2-2/2\r\n" TEXT "y\r\n") "$\r\n");
	assert_non_null(strstr(pw_take(w->b), "\r\ny\r\n"));
	pw_feed(w->a,
		FROM_A("tid3", "SEND",
		       "Message-ID: t\r\nContent-Type: application/im-iscomposing+xml\r\n\r\n<t/>\r\n") "$\r\n");
	assert_non_null(strstr(pw_take(w->b), "<t/>"));
	pw_feed(w->a, FROM_A("tid4", "SEND",
			     "Message-ID: d\r\nContent-Type: message/cpim\r\n\r\nFrom: <im:a>\r\n\r\n"
			     "Content-Type: message/imdn+xml\r\n\r\n<imdn/>\r\n") "$\r\n");
	assert_non_null(strstr(pw_take(w->b), "<imdn/>"));
	pw_feed(w->b, FROM_B("btid1", "SEND", "Message-ID: b1\r\n" TEXT "x\r\n") "$\r\n");
	assert_non_null(strstr(pw_take(w->a), "\r\nx\r\n"));
	up_with(w, NULL, NULL);
	pw_feed(w->a, FROM_A("tid5", "SEND", "Message-ID: m6\r\n" TEXT "z\r\n") "$\r\n");
	assert_non_null(strstr(pw_take(w->b), "\r\nz\r\n"));
	pw_finish(w);
}

/* UP-22 */
static void send_22_our_end_line_in_the_body(void **state)
{
	struct pw *w = setup_world(true);
	const char *wire;

	pw_feed(w->a,
		"MSRP tid1 SEND\r\nTo-Path: {A}\r\nFrom-Path: " A_URI "\r\nMessage-ID: m1\r\n" TEXT "first");
	pw_take(w->b);
	/* somebody told the sender our transaction id */
	pw_feed(w->a, "\r\n-------T1$\r\nMSRP evil SEND\r\n\r\n-------tid1$\r\n");
	wire = pw_take(w->b);
	assert_true(strncmp(wire, "\r\n-------T1+\r\nMSRP T2 SEND\r\n", 28) == 0);
	assert_non_null(strstr(wire, TEXT "\r\n-------T1$\r\nMSRP evil SEND\r\n\r\n-------T2$\r\n"));
	pw_finish(w);
}

/* UP-20 */
static void send_20_broken_framing_ends_the_connection(void **state)
{
	struct pw *w = setup_world(true);

	pw_feed(w->a, "MSRP tid1 SEND\r\nTo-Path: {A}\r\nFrom-Path: " A_URI "\r\n-------tidx$\r\n");
	assert_true(w->a->closed);
	pw_expect(w->a, TO_A("tid1", "400 Bad Request", "") "$\r\n");
	assert_int_equal(w->lost[SIDE_A], 1);
	pw_finish(w);
}

static void send_55_statistics(void **state)
{
	struct pw *w = setup_world(true);
	struct plane_stats s;

	pw_feed(w->a, FROM_A("tid1", "SEND", "Message-ID: m1\r\n" TEXT "hello\r\n") "$\r\n");
	pw_take(w->b);
	pw_feed(w->b, FROM_B("T1", "200 OK", "") "$\r\n");
	plane_stats(w->p, &s);
	assert_int_equal(s.messages[SIDE_A], 1);
	assert_int_equal(s.bytes_in[SIDE_A], 5);
	assert_int_equal(s.bytes_out[SIDE_B], 5);
	assert_int_equal(s.messages[SIDE_B] + s.bytes_in[SIDE_B] + s.failed[SIDE_A], 0);
	pw_finish(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(send_27_transparent),
		cmocka_unit_test(send_25a_hop_answers_at_once),
		cmocka_unit_test(send_25_partial_and_the_end),
		cmocka_unit_test(send_upa_17_stopped_is_not_drained),
		cmocka_unit_test(send_upa_19_before_the_answer),
		cmocka_unit_test(send_25a_all_outcomes),
		cmocka_unit_test(send_25a_408_at_twenty_seconds),
		cmocka_unit_test(send_25a_unequal_cuts),
		cmocka_unit_test(send_33_short_chunks_are_not_cut_at_once),
		cmocka_unit_test(send_25a_responses_leave_as_they_ripen),
		cmocka_unit_test(send_25a_far_error_while_arriving),
		cmocka_unit_test(send_32_aborts),
		cmocka_unit_test(send_32_any_order),
		cmocka_unit_test(send_39_bodiless_stays_here),
		cmocka_unit_test(send_24_refusals),
		cmocka_unit_test(send_36_counted_bytes),
		cmocka_unit_test(send_34_only_what_the_receiver_takes),
		cmocka_unit_test(send_19_direction),
		cmocka_unit_test(send_22_our_end_line_in_the_body),
		cmocka_unit_test(send_20_broken_framing_ends_the_connection),
		cmocka_unit_test(send_55_statistics),
		cmocka_unit_test(send_45_nothing_open_when_its_sender_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
