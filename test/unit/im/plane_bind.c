/* SPDX-License-Identifier: MIT */
/* Who may speak on which path, and how paths come and go. */
#include <stdio.h>
#include <stdlib.h>

#include "plane_world.h"

#define A2_URI "msrp://a.example:7001/as2;tcp"
#define B2_URI "msrp://b.example:7002/bs2;tcp"

static struct pw *up(void)
{
	static struct pw w;

	pw_init(&w);
	pw_up(&w);
	return &w;
}

static void exchange(struct pw *w, enum side from, const char *offered, const char *setup,
		     const char *answered, const char *answer_setup)
{
	struct pw_sdp offer, answer;

	pw_sdp1(&offer, offered, setup, NULL);
	pw_sdp1(&answer, answered, answer_setup, NULL);
	pw_exchange(w, from, &offer, &answer);
}

/* A message from a; b sees it as the wire's next transaction, on connection c with the given paths. */
static void a_sends(struct pw *w, const char *tid, const char *id)
{
	pw_feed(w->a, FROM_A("%s", "SEND", "Message-ID: %s\r\nByte-Range: 1-2/2\r\n" TEXT "hi\r\n") "$\r\n",
		tid, id, tid);
}

/* UP-6 */
static void setup_6_answers(void **state)
{
	assert_int_equal(plane_setup_answer(SDP_SETUP_ACTPASS), SDP_SETUP_PASSIVE);
	assert_int_equal(plane_setup_answer(SDP_SETUP_ACTIVE), SDP_SETUP_PASSIVE);
	assert_int_equal(plane_setup_answer(SDP_SETUP_PASSIVE), SDP_SETUP_ACTIVE);
	assert_int_equal(plane_setup_answer(SDP_SETUP_NONE), SDP_SETUP_PASSIVE);
	assert_int_equal(plane_setup_answer(SDP_SETUP_HOLDCONN), SDP_SETUP_PASSIVE);
}

/* UP-2 */
static void local_2_paths_differ(void **state)
{
	struct pw *w = up();
	struct plane_local a, b;

	plane_local(w->p, SIDE_A, 0, &a);
	plane_local(w->p, SIDE_B, 0, &b);
	assert_string_not_equal(a.path, b.path);
	assert_string_equal(a.host, "192.0.2.9");
	assert_int_equal(a.port, 2855);
	assert_int_equal(strncmp(a.path, "msrp://192.0.2.9:2855/", 22), 0);
	assert_string_equal(a.path + 22 + 20, ";tcp");
	plane_local(w->p, SIDE_A, 1, &a);
	assert_false(a.known);
	pw_finish(w);
}

/* UP-2: 120 bits in 20 characters that a session-id may have, each path's its own. */
static void local_2_ids_differ(void **state)
{
	enum { N = 64 };
	static char seen[N][21];
	struct pw *w = up();

	for (unsigned n = 0; n < N; n++) {
		enum side from = n % 2 ? SIDE_A : SIDE_B;
		struct plane_local at;
		char uri[64];
		snprintf(uri, sizeof(uri), "msrp://a.example:7001/move%u;tcp", n);
		exchange(w, from, uri, "active", uri, "active");
		plane_local(w->p, from, 0, &at);
		memcpy(seen[n], at.path + 22, 20);
		assert_int_equal(strspn(seen[n], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
						 "0123456789-_"),
				 20);
		for (unsigned k = 0; k < n; k++)
			assert_string_not_equal(seen[k], seen[n]);
	}
	pw_finish(w);
}

/* UP-10 */
static void bind_10_unknown_session(void **state)
{
	struct pw *w = up();
	struct pw_conn *c = pw_accept(w);

	pw_feed(c, "MSRP tid1 SEND\r\nTo-Path: msrp://192.0.2.9:2855/nobody;tcp\r\nFrom-Path: " A_URI
		   "\r\nMessage-ID: 1\r\n-------tid1$\r\n");
	pw_expect(c, "MSRP tid1 481 No Such Session\r\nTo-Path: " A_URI
		     "\r\nFrom-Path: msrp://192.0.2.9:2855/nobody;tcp\r\n-------tid1$\r\n");
	assert_true(c->closed);
	c = pw_accept(w);
	pw_feed(c, "MSRP tid1 SEND\r\nTo-Path: msrp://192.0.2.9:2855/nobody;tcp\r\nFrom-Path: " A_URI
		   "\r\nFailure-Report: no\r\nMessage-ID: 1\r\n-------tid1$\r\n");
	pw_expect(c, "");
	assert_true(c->closed);
	/* where something is bound it is only answered */
	pw_feed(w->a, "MSRP tid1 SEND\r\nTo-Path: msrp://192.0.2.9:2855/nobody;tcp\r\nFrom-Path: " A_URI
		      "\r\nMessage-ID: 1\r\n" TEXT "hello\r\n-------tid1$\r\n");
	assert_non_null(strstr(pw_take(w->a), "MSRP tid1 481 "));
	assert_false(w->a->closed);
	pw_finish(w);
}

/* UP-3 */
static void bind_3_compared_as_uri(void **state)
{
	struct pw *w = up();
	char path[300];
	struct plane_local l;

	plane_local(w->p, SIDE_A, 0, &l);
	snprintf(path, sizeof(path), "MSRP://user@192.0.2.9:2855/%s", l.path + 22);
	pw_feed(w->a,
		"MSRP tid1 SEND\r\nTo-Path: %s\r\nFrom-Path: " A_URI "\r\nMessage-ID: 1\r\n-------tid1$\r\n",
		path);
	pw_expect(w->a, TO_A("tid1", "200 OK", "") "$\r\n");
	snprintf(path, sizeof(path), "msrp://192.0.2.9:2856/%s", l.path + 22);
	pw_feed(w->a,
		"MSRP tid1 SEND\r\nTo-Path: %s\r\nFrom-Path: " A_URI "\r\nMessage-ID: 1\r\n-------tid1$\r\n",
		path);
	assert_non_null(strstr(pw_take(w->a), "MSRP tid1 481 "));
	pw_finish(w);
}

/* UP-10 */
static void bind_10_elsewhere_gets_506(void **state)
{
	struct pw *w = up();
	struct pw_conn *c = pw_accept(w);

	pw_feed(c, FROM_A("tid1", "SEND", "Message-ID: 1\r\n" TEXT "x\r\n") "$\r\n");
	pw_expect(c, TO_A("tid1", "506 Bound Elsewhere", "") "$\r\n");
	assert_true(c->closed);
	a_sends(w, "tid2", "m2");
	assert_non_null(strstr(pw_take(w->b), "hi\r\n"));
	pw_finish(w);
}

static void bind_10_again_after_the_connection_died(void **state)
{
	struct pw *w = up();

	pw_close(w->a);
	assert_int_equal(w->lost[SIDE_A], 1);
	assert_string_equal(w->lost_why, "connection lost");
	w->a = pw_accept(w);
	a_sends(w, "tid1", "m1");
	pw_expect(w->b, TO_B("T1", "SEND", "Message-ID: m1\r\nByte-Range: 1-2/2\r\n" TEXT "hi\r\n") "$\r\n");
	pw_finish(w);
}

/* UP-10 */
static void bind_10_takeover(void **state)
{
	struct pw *w = up();
	struct pw_conn *c;
	struct plane_local before, after;

	plane_local(w->p, SIDE_B, 0, &before);
	exchange(w, SIDE_A, A_URI, "active", B2_URI, "active"); /* b answers our offer with another path */
	plane_local(w->p, SIDE_B, 0, &after);
	assert_string_equal(before.path, after.path);
	c = pw_accept(w);
	pw_feed(c, FROM_B("tid1", "SEND", "Message-ID: 1\r\n") "$\r\n"); /* the old URI */
	pw_expect(c, TO_B("tid1", "506 Bound Elsewhere", "") "$\r\n");
	c = pw_accept(w);
	pw_feed(c, "MSRP tid2 SEND\r\nTo-Path: {B}\r\nFrom-Path: " B2_URI
		   "\r\nMessage-ID: 1\r\n-------tid2$\r\n");
	pw_expect(c, "MSRP tid2 200 OK\r\nTo-Path: " B2_URI "\r\nFrom-Path: {B}\r\n-------tid2$\r\n");
	pw_advance(w, 2100);
	assert_true(w->b->closed); /* nothing was open there */
	a_sends(w, "tid3", "m3");
	pw_expect(c, "MSRP T1 SEND\r\nTo-Path: " B2_URI
		     "\r\nFrom-Path: {B}\r\nMessage-ID: m3\r\nByte-Range: 1-2/2\r\n" TEXT
		     "hi\r\n-------T1$\r\n");
	pw_finish(w);
}

/* UPA-11, UP-10: It has a connection to our address, so it needs no other one for its new URI (RFC 4975 5.4). */
static void bind_11_moves_on_its_connection(void **state)
{
	struct pw *w = up();

	exchange(w, SIDE_A, A_URI, "active", B2_URI, "active");
	pw_feed(w->b, FROM_B("tid1", "SEND", "Message-ID: 1\r\n") "$\r\n"); /* still the old one */
	pw_expect(w->b, TO_B("tid1", "200 OK", "") "$\r\n");
	a_sends(w, "tid2", "m2");
	pw_expect(w->b, "");
	pw_feed(w->b, "MSRP tid3 SEND\r\nTo-Path: {B}\r\nFrom-Path: " B2_URI
		      "\r\nMessage-ID: 2\r\n-------tid3$\r\n");
	pw_expect(w->b,
		  "MSRP T1 SEND\r\nTo-Path: " B2_URI
		  "\r\nFrom-Path: {B}\r\nMessage-ID: m2\r\nByte-Range: 1-2/2\r\n" TEXT "hi\r\n-------T1$\r\n"
		  "MSRP tid3 200 OK\r\nTo-Path: " B2_URI "\r\nFrom-Path: {B}\r\n-------tid3$\r\n");
	pw_advance(w, 31000);
	assert_false(w->b->closed);
	assert_int_equal(w->lost[SIDE_B], 0);
	pw_finish(w);
}

/* The peer moves and keeps our URI, then another change brings a new one of ours: what was begun first, on the oldest
 * connection, goes on there when the path between is gone already. */
static void bind_10_shadow_outlives_its_path(void **state)
{
	struct pw *w = up();
	struct pw_conn *c, *d;

	pw_feed(w->b,
		FROM_B("long", "SEND", "Message-ID: long\r\nByte-Range: 1-2/4\r\n" TEXT "ab\r\n") "+\r\n");
	exchange(w, SIDE_A, A_URI, "active", B2_URI, "active");
	c = pw_accept(w);
	pw_feed(c, "MSRP tid2 SEND\r\nTo-Path: {B}\r\nFrom-Path: " B2_URI
		   "\r\nMessage-ID: 1\r\n-------tid2$\r\n");
	exchange(w, SIDE_B, "msrp://b.example:7002/b3;tcp", "active", A_URI, "active");
	pw_name_paths(w, NULL, "B3");
	d = pw_accept(w);
	pw_feed(d, "MSRP tid3 SEND\r\nTo-Path: {B3}\r\nFrom-Path: msrp://b.example:7002/b3;tcp\r\n"
		   "Message-ID: 2\r\n-------tid3$\r\n");
	pw_advance(w, 3000);
	assert_true(c->closed);
	pw_take(w->a), pw_take(w->b);
	pw_feed(w->b,
		FROM_B("rest", "SEND", "Message-ID: long\r\nByte-Range: 3-4/4\r\n" TEXT "cd\r\n") "$\r\n");
	pw_expect(w->b, "");
	assert_non_null(strstr(pw_take(w->a), "\r\n\r\ncd\r\n"));
	pw_finish(w);
}

static void bind_10_held_while_our_offer_is_open(void **state)
{
	struct pw *w = up();
	struct pw_conn *c = pw_accept(w), *d;
	struct pw_sdp offer, answer;

	pw_sdp1(&offer, A_URI, "active", NULL);
	pw_sdp1(&answer, B2_URI, "active", NULL);
	pw_prepare(w, SIDE_A, &offer);
	pw_feed(c, "MSRP tid1 SEND\r\nTo-Path: {B}\r\nFrom-Path: " B2_URI
		   "\r\nMessage-ID: 1\r\n-------tid1$\r\n");
	pw_expect(c, "");
	assert_true(c->paused);
	d = pw_accept(w); /* towards the offerer nothing is open */
	pw_feed(d, FROM_A("tid2", "SEND", "Message-ID: 1\r\n") "$\r\n");
	pw_expect(d, TO_A("tid2", "506 Bound Elsewhere", "") "$\r\n");
	plane_commit(w->p, SIDE_A, &offer.sdp, &answer.sdp, w->now_us);
	pw_pump(w);
	pw_expect(c, "MSRP tid1 200 OK\r\nTo-Path: " B2_URI "\r\nFrom-Path: {B}\r\n-------tid1$\r\n");
	/* and when the offer fails it is what it was */
	pw_prepare(w, SIDE_A, &offer);
	d = pw_accept(w);
	pw_feed(d, "MSRP tid3 SEND\r\nTo-Path: {B}\r\nFrom-Path: " B_URI
		   "\r\nMessage-ID: 1\r\n-------tid3$\r\n");
	pw_expect(d, "");
	plane_rollback(w->p, w->now_us);
	pw_pump(w);
	assert_non_null(strstr(pw_take(d), "MSRP tid3 506 "));
	pw_finish(w);
}

/* Its connection is gone, so that nothing is bound elsewhere; what waits for it must not go out under the old path. */
static void bind_10_held_though_nothing_is_bound(void **state)
{
	struct pw *w = up();
	struct pw_conn *c;
	struct pw_sdp offer, answer;

	pw_close(w->b);
	pw_sdp1(&offer, A_URI, "active", NULL);
	pw_sdp1(&answer, B2_URI, "active", NULL);
	pw_prepare(w, SIDE_A, &offer);
	a_sends(w, "tid1", "m1");
	c = pw_accept(w);
	pw_feed(c, "MSRP tid2 SEND\r\nTo-Path: {B}\r\nFrom-Path: " B2_URI
		   "\r\nMessage-ID: 1\r\n-------tid2$\r\n");
	pw_expect(c, "");
	assert_true(c->paused);
	plane_commit(w->p, SIDE_A, &offer.sdp, &answer.sdp, w->now_us);
	pw_pump(w);
	pw_expect(c,
		  "MSRP T1 SEND\r\nTo-Path: " B2_URI
		  "\r\nFrom-Path: {B}\r\nMessage-ID: m1\r\nByte-Range: 1-2/2\r\n" TEXT "hi\r\n-------T1$\r\n"
		  "MSRP tid2 200 OK\r\nTo-Path: " B2_URI "\r\nFrom-Path: {B}\r\n-------tid2$\r\n");
	pw_finish(w);
}

/* PROV-13 */
static void bind_prov13_content_waits_for_the_answer(void **state)
{
	static struct pw w;
	struct pw_sdp offer, answer;

	pw_init(&w);
	pw_sdp1(&offer, A_URI, "actpass", NULL);
	pw_sdp1(&answer, B_URI, "active", NULL);
	pw_prepare(&w, SIDE_A, &offer);
	pw_name_paths(&w, "A", "B");
	w.b = pw_accept(&w);
	pw_feed(w.b, FROM_B("tid1", "SEND", "Message-ID: 1\r\n") "$\r\n");
	pw_expect(w.b,
		  TO_B("tid1", "200 OK", "") "$\r\n"); /* To-Path from the request: no SDP of b is known */
	pw_feed(w.b, FROM_B("tid2", "SEND", "Message-ID: 2\r\n" TEXT "early\r\n") "$\r\n");
	pw_expect(w.b, "");
	assert_true(w.b->paused);
	pw_advance(&w, 60000);
	pw_expect(w.b, "");
	plane_commit(w.p, SIDE_A, &offer.sdp, &answer.sdp, w.now_us);
	pw_pump(&w);
	assert_false(w.b->paused);
	/* a is not there yet: held, and written once it has bound */
	w.a = pw_accept(&w);
	pw_feed(w.a, FROM_A("tid1", "SEND", "Message-ID: 1\r\n") "$\r\n");
	pw_expect(w.a, TO_A("T1", "SEND",
			    "Message-ID: 2\r\nByte-Range: 1-5/5\r\n" TEXT
			    "early\r\n") "$\r\n" TO_A("tid1", "200 OK", "") "$\r\n");
	pw_finish(&w);
}

static void bind_prov13_failed_set_up(void **state)
{
	static struct pw w;
	struct pw_sdp offer;

	pw_init(&w);
	pw_sdp1(&offer, A_URI, "actpass", NULL);
	pw_prepare(&w, SIDE_A, &offer);
	pw_name_paths(&w, "A", "B");
	w.b = pw_accept(&w);
	pw_feed(w.b, FROM_B("tid2", "SEND", "Message-ID: 2\r\n" TEXT "early\r\n") "$\r\n");
	plane_rollback(w.p, w.now_us);
	pw_pump(&w);
	pw_advance(&w, 100);
	assert_true(w.b->closed);
	pw_finish(&w);
}

/* UP-16 */
static void bind_16_no_request_in_thirty_seconds(void **state)
{
	struct pw *w = up();
	struct pw_conn *c = pw_accept(w), *d = pw_accept(w);

	pw_feed(c, "MSRP tid1 SEND\r\nTo-Path: ");
	pw_advance(w, 29990);
	assert_false(c->closed || d->closed);
	pw_advance(w, 20);
	assert_true(c->closed && d->closed);
	assert_false(w->a->closed);
	pw_finish(w);
}

/* UP-16 */
static void bind_16_nobody_comes(void **state)
{
	static struct pw w;

	pw_init(&w);
	exchange(&w, SIDE_A, A_URI, "active", B_URI, "active");
	pw_advance(&w, 29990);
	assert_int_equal(w.lost[SIDE_A] + w.lost[SIDE_B], 0);
	pw_advance(&w, 20);
	assert_int_equal(w.lost[SIDE_A], 1);
	assert_int_equal(w.lost[SIDE_B], 1);
	pw_finish(&w);
}

/* UP-51 */
static void bind_51_limits(void **state)
{
	static struct pw w;

	pw_init(&w);
	w.conf.unbound_per_source_max = 3;
	pw_up(&w);
	for (int i = 0; i < 3; i++)
		assert_non_null(pw_accept(&w)->pc);
	assert_null(pw_accept(&w)->pc);
	pw_advance(&w, 31000);
	assert_non_null(pw_accept(&w)->pc);
	pw_finish(&w);
	pw_init(&w);
	w.conf.connections_max = 3;
	pw_up(&w);
	assert_non_null(pw_accept(&w)->pc);
	assert_null(pw_accept(&w)->pc);
	pw_finish(&w);
}

/* UP-9, UP-54 */
static void bind_9_active_speaks_first(void **state)
{
	static struct pw w;

	pw_init(&w);
	exchange(&w, SIDE_A, A_URI, "active", "msrp://[2001:db8::5]:7002/bs;tcp", "passive");
	pw_name_paths(&w, "A", "B");
	w.b = pw_last(&w);
	assert_string_equal(w.b->host, "2001:db8::5");
	assert_int_equal(w.b->port, 7002);
	w.a = pw_accept(&w);
	a_sends(&w, "tid1", "m1"); /* held */
	pw_connected(w.b);
	const char *wire = pw_take(w.b);
	const char *bind =
		"MSRP T1 SEND\r\nTo-Path: msrp://[2001:db8::5]:7002/bs;tcp\r\nFrom-Path: {B}\r\nMessage-ID: ";
	assert_int_equal(strncmp(wire, bind, strlen(bind)), 0);
	assert_non_null(strstr(wire, "\r\nByte-Range: 1-0/0\r\n-------T1$\r\nMSRP T2 SEND\r\n"));
	assert_non_null(strstr(wire, "\r\n\r\nhi\r\n-------T2$\r\n"));
	pw_finish(&w);
}

/* UP-7, UP-16 */
static void bind_16_cannot_connect(void **state)
{
	static struct pw w;

	pw_init(&w);
	exchange(&w, SIDE_A, A_URI, "active", B_URI, NULL); /* knows no setup: the offerer connects */
	pw_close(pw_last(&w));
	assert_int_equal(w.lost[SIDE_B], 1);
	assert_string_equal(w.lost_why, "cannot connect");
	pw_finish(&w);
}

/* UPA-11 */
static void bind_11_one_connection_to_one_address(void **state)
{
	static struct pw w;
	struct pw_sdp offer, answer;
	static const char *const two_offered[] = { A_URI, "active", NULL, A2_URI, "active", NULL };
	static const char *const two_answered[] = { B_URI,     "passive",
						    NULL,      "msrp://B.example:7002/other;tcp",
						    "passive", NULL };

	pw_init(&w);
	pw_sdp(&offer, 2, two_offered);
	pw_sdp(&answer, 2, two_answered);
	pw_exchange(&w, SIDE_A, &offer, &answer);
	assert_int_equal(w.n_conns, 1);
	pw_connected(pw_last(&w));
	const char *wire = pw_take(pw_last(&w));
	assert_non_null(strstr(wire, "To-Path: " B_URI "\r\n"));
	assert_non_null(strstr(wire, "To-Path: msrp://B.example:7002/other;tcp\r\n"));
	/* one line goes, the connection stays for the other */
	static const char *const one_answered[] = { NULL,      NULL, NULL, "msrp://B.example:7002/other;tcp",
						    "passive", NULL };
	pw_sdp(&answer, 2, one_answered);
	pw_exchange(&w, SIDE_A, &offer, &answer);
	assert_false(pw_last(&w)->closed);
	pw_finish(&w);
	assert_true(w.conn[0].closed);
}

/* UP-15, UPA-1 */
static void bind_15_two_lines_on_one_connection(void **state)
{
	static struct pw w;
	struct pw_sdp offer, answer;
	struct plane_local l;
	static const char *const offered[] = { A_URI, "active", NULL, A2_URI, "active", NULL };
	static const char *const answered[] = { B_URI, "active", NULL, B2_URI, "active", NULL };

	pw_init(&w);
	pw_sdp(&offer, 2, offered);
	pw_sdp(&answer, 2, answered);
	pw_exchange(&w, SIDE_A, &offer, &answer);
	pw_name_paths(&w, "A", "B");
	for (int s = 0; s < 2; s++) {
		plane_local(w.p, (enum side)s, 1, &l);
		snprintf(w.path[w.n_paths].real, sizeof(w.path[0].real), "%s", l.path);
		snprintf(w.path[w.n_paths++].name, sizeof(w.path[0].name), s ? "{B2}" : "{A2}");
	}
	w.a = pw_accept(&w), w.b = pw_accept(&w);
	pw_feed(w.b, FROM_B("tid1", "SEND", "Message-ID: 1\r\n") "$\r\n");
	pw_feed(w.b, "MSRP tid2 SEND\r\nTo-Path: {B2}\r\nFrom-Path: " B2_URI
		     "\r\nMessage-ID: 1\r\n-------tid2$\r\n");
	pw_take(w.b);
	pw_feed(w.a, "MSRP tid1 SEND\r\nTo-Path: {A2}\r\nFrom-Path: " A2_URI "\r\nMessage-ID: m1\r\n" TEXT
		     "two\r\n-------tid1$\r\n");
	pw_feed(w.a, FROM_A("tid2", "SEND", "Message-ID: m1\r\n" TEXT "one\r\n") "$\r\n");
	const char *wire = pw_take(w.b);
	const char *first = "MSRP T1 SEND\r\nTo-Path: " B2_URI "\r\nFrom-Path: {B2}\r\n";
	assert_int_equal(strncmp(wire, first, strlen(first)), 0);
	assert_non_null(strstr(wire, "two\r\n-------T1$\r\nMSRP T2 SEND\r\nTo-Path: " B_URI
				     "\r\nFrom-Path: {B}\r\n"));
	pw_finish(&w);
}

/* ---- generations ---- */

/* UPA-10 */
static void path_10_new_only_for_a_new_peer_uri(void **state)
{
	struct pw *w = up();
	struct plane_local a, b, a2, b2;

	plane_local(w->p, SIDE_A, 0, &a), plane_local(w->p, SIDE_B, 0, &b);
	exchange(w, SIDE_A, A_URI, "active", B_URI, "active");
	plane_local(w->p, SIDE_A, 0, &a2), plane_local(w->p, SIDE_B, 0, &b2);
	assert_string_equal(a.path, a2.path);
	assert_string_equal(b.path, b2.path);
	exchange(w, SIDE_B, B2_URI, "active", A_URI, "active");
	plane_local(w->p, SIDE_A, 0, &a2), plane_local(w->p, SIDE_B, 0, &b2);
	assert_string_equal(a.path, a2.path);
	assert_string_not_equal(b.path, b2.path);
	assert_int_equal(plane_generation(w->p), 3);
	pw_finish(w);
}

/* UPA-3, UPA-9, UPA-25 */
static void path_9_rollback_leaves_nothing(void **state)
{
	struct pw *w = up();
	struct plane_local before[2], now[2];
	struct pw_sdp offer;
	struct pw_conn *c;
	unsigned timers = (unsigned)w->wheel.n;
	uint64_t sessions = planes_stats(w->ps)->sessions;

	for (int s = 0; s < 2; s++)
		plane_local(w->p, (enum side)s, 0, &before[s]);
	for (int round = 0; round < 20; round++) {
		pw_sdp1(&offer, A2_URI, "active", "a=recvonly\r\na=accept-types:image/png\r\n");
		pw_prepare(w, SIDE_A, &offer);
		w->n_paths = 2;
		pw_name_paths(w, "A2", NULL);
		/* somebody comes on the new path; traffic goes on meanwhile under the old terms */
		c = pw_accept(w);
		pw_feed(c, "MSRP tid0 SEND\r\nTo-Path: {A2}\r\nFrom-Path: " A2_URI
			   "\r\nMessage-ID: 1\r\n-------tid0$\r\n");
		assert_non_null(strstr(pw_take(c), "MSRP tid0 200 OK\r\n"));
		a_sends(w, "tid1", "m1");
		plane_rollback(w->p, w->now_us);
		pw_pump(w);
		assert_true(c->closed);
		assert_non_null(strstr(pw_take(w->b), "\r\nhi\r\n"));
		pw_feed(w->b, FROM_B("T%u", "200 OK", "") "$\r\n", w->n_tids, w->n_tids);
		pw_expect(w->a, TO_A("tid1", "200 OK", "") "$\r\n");
	}
	for (int s = 0; s < 2; s++) {
		plane_local(w->p, (enum side)s, 0, &now[s]);
		assert_memory_equal(&before[s], &now[s], sizeof(now[s]));
	}
	assert_int_equal(plane_generation(w->p), 1);
	assert_int_equal(planes_stats(w->ps)->sessions, sessions);
	assert_true(w->wheel.n <= timers + 3); /* the lists' own */
	assert_true(plane_idle(w->p));
	plane_rollback(w->p, w->now_us); /* nothing prepared: fine */
	pw_finish(w);
}

/* a moves to a new path while a message of it and one to it are half way. */
static struct pw *moving(struct pw_conn **a2)
{
	struct pw *w = up();

	pw_feed(w->a,
		FROM_A("tid1", "SEND", "Message-ID: up\r\nByte-Range: 1-2/4\r\n" TEXT "ab\r\n") "+\r\n");
	pw_take(w->b);
	pw_feed(w->b, FROM_B("T1", "200 OK", "") "$\r\n");
	pw_feed(w->b,
		FROM_B("btid", "SEND", "Message-ID: down\r\nByte-Range: 1-2/4\r\n" TEXT "AB\r\n") "+\r\n");
	pw_take(w->a);
	pw_feed(w->a, FROM_A("T2", "200 OK", "") "$\r\n");
	pw_take(w->b);
	exchange(w, SIDE_A, A2_URI, "active", B_URI, "active");
	pw_name_paths(w, "A2", NULL);
	*a2 = pw_accept(w);
	return w;
}

/* UPA-12 */
static void path_12_begun_messages_end_where_they_began(void **state)
{
	struct pw_conn *a2;
	struct pw *w = moving(&a2);

	/* new content to a waits for the new path, the rest of the old goes the old way */
	pw_feed(w->b, FROM_B("btid", "SEND", "Message-ID: new\r\n" TEXT "N\r\n") "$\r\n");
	pw_expect(w->a, "");
	pw_feed(w->b,
		FROM_B("btid2", "SEND", "Message-ID: down\r\nByte-Range: 3-4/4\r\n" TEXT "CD\r\n") "$\r\n");
	pw_expect(w->a,
		  TO_A("T3", "SEND", "Message-ID: down\r\nByte-Range: 3-4/4\r\n" TEXT "CD\r\n") "$\r\n");
	pw_feed(a2, "MSRP tidn SEND\r\nTo-Path: {A2}\r\nFrom-Path: " A2_URI
		    "\r\nMessage-ID: 1\r\n-------tidn$\r\n");
	const char *wire = pw_take(a2);
	const char *first = "MSRP T4 SEND\r\nTo-Path: " A2_URI "\r\nFrom-Path: {A2}\r\nMessage-ID: new\r\n";
	assert_int_equal(strncmp(wire, first, strlen(first)), 0);
	/* the old connection still speaks both ways */
	pw_feed(w->a,
		FROM_A("tid2", "SEND", "Message-ID: up\r\nByte-Range: 3-4/4\r\n" TEXT "cd\r\n") "$\r\n");
	assert_non_null(strstr(pw_take(w->b), "Byte-Range: 3-4/4\r\n" TEXT "cd\r\n"));
	pw_feed(w->a, FROM_A("T3", "200 OK", "") "$\r\n");
	pw_expect(w->b, TO_B("btid2", "200 OK", "") "$\r\n");
	assert_false(w->a->closed);
	pw_feed(w->b, FROM_B("T5", "200 OK", "") "$\r\n");
	pw_expect(w->a, TO_A("tid2", "200 OK", "") "$\r\n");
	pw_advance(w, 2100); /* nothing is open there any more, and a was seen on the new path */
	assert_true(w->a->closed);
	pw_finish(w);
}

/* UPA-12: b moves in an answer: our URI stays, and what had begun ends on the old connection under its old peer path. */
static void path_12_the_answer_moves_the_peer(void **state)
{
	struct pw *w = up();
	struct pw_conn *b2;

	pw_feed(w->a, "MSRP tid1 SEND\r\nTo-Path: {A}\r\nFrom-Path: " A_URI
		      "\r\nMessage-ID: m1\r\nByte-Range: 1-*/9\r\n" TEXT "abc");
	pw_take(w->b);
	exchange(w, SIDE_A, A_URI, "active", B2_URI, "active");
	pw_feed(w->a, "def\r\n-------tid1+\r\n");
	pw_expect(w->b, "def\r\n-------T1+\r\n");
	exchange(w, SIDE_A, A_URI, "active", B2_URI, "active"); /* and nothing more changes */
	a_sends(w, "tid2", "new");
	pw_feed(w->a,
		FROM_A("tid3", "SEND", "Message-ID: m1\r\nByte-Range: 7-9/9\r\n" TEXT "ghi\r\n") "$\r\n");
	pw_expect(w->b, TO_B("T2", "SEND", "Message-ID: m1\r\nByte-Range: 7-9/9\r\n" TEXT "ghi\r\n") "$\r\n");
	b2 = pw_accept(w);
	pw_feed(b2, "MSRP tidb SEND\r\nTo-Path: {B}\r\nFrom-Path: " B2_URI
		    "\r\nMessage-ID: 1\r\n-------tidb$\r\n");
	assert_int_equal(strncmp(pw_take(b2), "MSRP T3 SEND\r\nTo-Path: " B2_URI "\r\n", 54), 0);
	pw_feed(w->b, FROM_B("T1", "200 OK", "") "$\r\n" FROM_B("T2", "200 OK", "") "$\r\n");
	pw_feed(w->b, FROM_B("btid", "SEND", "Message-ID: late\r\n" TEXT "x\r\n") "$\r\n");
	assert_non_null(strstr(pw_take(w->a), "Message-ID: late\r\n"));
	pw_finish(w);
}

/* UPA-17 */
static void path_17_drain_is_bounded(void **state)
{
	struct pw_conn *a2;
	struct pw *w = moving(&a2);

	/* a never comes to the new path, and goes on using the old one */
	pw_advance(w, 29000);
	a_sends(w, "tid3", "m3");
	assert_non_null(strstr(pw_take(w->b), "hi\r\n"));
	pw_feed(w->b, FROM_B("T3", "200 OK", "") "$\r\n");
	pw_expect(w->a, TO_A("tid3", "200 OK", "") "$\r\n");
	pw_advance(w, 1100);
	assert_int_equal(w->lost[SIDE_A], 1);
	assert_false(w->a->closed); /* "up" and "down" have not ended */
	pw_advance(w, 30000);
	assert_true(w->a->closed);
	pw_finish(w);
}

/* UPA-16, UPA-17 */
static void path_17_late_reports_keep_it(void **state)
{
	struct pw *w = up();
	struct pw_conn *a2;

	pw_feed(w->b,
		FROM_B("btid", "SEND", "Message-ID: r1\r\nSuccess-Report: yes\r\n" TEXT "x\r\n") "$\r\n");
	pw_take(w->a);
	pw_feed(w->a, FROM_A("T1", "200 OK", "") "$\r\n");
	pw_take(w->b);
	exchange(w, SIDE_A, A2_URI, "active", B_URI, "active");
	pw_name_paths(w, "A2", NULL);
	a2 = pw_accept(w);
	pw_feed(a2, "MSRP tidn SEND\r\nTo-Path: {A2}\r\nFrom-Path: " A2_URI
		    "\r\nMessage-ID: 1\r\n-------tidn$\r\n");
	pw_advance(w, 59000);
	assert_false(w->a->closed);
	pw_feed(w->a, FROM_A("tidr", "REPORT",
			     "Message-ID: r1\r\nByte-Range: 1-1/1\r\nStatus: 000 200 OK\r\n") "$\r\n");
	pw_expect(w->b, TO_B("T2", "REPORT",
			     "Message-ID: r1\r\nByte-Range: 1-1/1\r\nStatus: 000 200 OK\r\n") "$\r\n");
	pw_advance(w, 1100);
	assert_true(w->a->closed);
	assert_false(a2->closed);
	pw_finish(w);
}

/* UPA-2 */
static void path_2_four_old_ones(void **state)
{
	struct pw *w = up();
	struct pw_conn *c[7];
	char uri[64];

	c[0] = w->a;
	for (int i = 1; i < 7; i++) {
		snprintf(uri, sizeof(uri), "msrp://a.example:7001/g%d;tcp", i);
		exchange(w, SIDE_A, uri, "active", B_URI, "active");
		w->n_paths = 2;
		pw_name_paths(w, "G", NULL);
		c[i] = pw_accept(w);
		if (i < 6) { /* each leaves something open, so that none drains by itself */
			pw_feed(c[i],
				"MSRP tidg SEND\r\nTo-Path: {G}\r\nFrom-Path: %s\r\nMessage-ID: g%d\r\n" TEXT
				"x\r\n-------tidg$\r\n",
				uri, i);
			pw_take(w->b);
		}
	}
	assert_true(c[0]->closed && c[1]->closed); /* five and six old: the oldest ended early */
	assert_non_null(strstr(pw_take(c[1]), "MSRP tidg 408 "));
	for (int i = 2; i < 6; i++)
		assert_false(c[i]->closed);
	pw_finish(w);
}

/* UPA-2: of five, the oldest on which nothing is under way; a message that its sender waits for is not lost for the number. */
static void path_2_the_idle_one_goes(void **state)
{
	struct pw *w = up();
	struct pw_conn *c[6];
	char uri[64];

	c[0] = w->a;
	pw_feed(w->a, FROM_A("tid1", "SEND", "Message-ID: m1\r\nByte-Range: 1-1/1\r\n" TEXT "x\r\n") "$\r\n");
	pw_take(w->b);
	for (int i = 1; i < 6; i++) {
		snprintf(uri, sizeof(uri), "msrp://a.example:7001/i%d;tcp", i);
		exchange(w, SIDE_A, uri, "active", B_URI, "active");
		w->n_paths = 2;
		pw_name_paths(w, "G", NULL);
		c[i] = pw_accept(w);
		pw_feed(c[i],
			"MSRP tidg SEND\r\nTo-Path: {G}\r\nFrom-Path: %s\r\nMessage-ID: g%d\r\n-------tidg$\r\n",
			uri, i);
	}
	assert_false(c[0]->closed);
	assert_true(c[1]->closed);
	for (int i = 2; i < 6; i++)
		assert_false(c[i]->closed);
	pw_feed(w->b, FROM_B("T1", "200 OK", "") "$\r\n");
	pw_expect(c[0], TO_A("tid1", "200 OK", "") "$\r\n");
	pw_finish(w);
}

static void path_10_line_removed(void **state)
{
	struct pw *w = up();

	pw_feed(w->a, "MSRP tid1 SEND\r\nTo-Path: {A}\r\nFrom-Path: " A_URI
		      "\r\nMessage-ID: f\r\nByte-Range: 1-*/9000\r\n" TEXT "half of it");
	pw_take(w->b);
	exchange(w, SIDE_A, A_URI, "active", NULL, NULL); /* port 0 in the answer */
	pw_expect(w->b, "\r\n-------T1#\r\n");
	pw_expect(w->a, TO_A("tid1", "481 No Such Session", "") "$\r\n");
	assert_true(w->a->closed && w->b->closed);
	/* the slot is used again: a new bridge */
	exchange(w, SIDE_A, A2_URI, "active", B2_URI, "active");
	assert_int_equal(planes_stats(w->ps)->sessions, 2);
	pw_finish(w);
}

static void path_off_bits(void **state)
{
	static struct pw w;
	struct pw_sdp offer;
	struct plane_local l;
	static const char *const offered[] = { A_URI, "active", NULL, A2_URI, "active", NULL };

	pw_init(&w);
	pw_sdp(&offer, 2, offered);
	pw_prepare(&w, SIDE_A, &offer);
	assert_int_equal(plane_prepare(w.p, SIDE_A, &offer.sdp, 2, w.now_us), 0);
	plane_local(w.p, SIDE_B, 0, &l);
	assert_true(l.known);
	plane_local(w.p, SIDE_B, 1, &l);
	assert_false(l.known);
	assert_int_equal(planes_stats(w.ps)->sessions, 2);
	pw_finish(&w);
}

/* UP-51 */
static void path_51_lines_max(void **state)
{
	static struct pw w;
	struct pw_sdp offer;
	const char *offered[27];

	for (int i = 0; i < 9; i++)
		offered[3 * i] = A_URI, offered[3 * i + 1] = "active", offered[3 * i + 2] = NULL;
	pw_init(&w);
	pw_sdp(&offer, 8, offered);
	pw_prepare(&w, SIDE_A, &offer);
	pw_sdp(&offer, 9, offered);
	assert_true(plane_prepare(w.p, SIDE_A, &offer.sdp, 0, w.now_us) < 0);
	assert_int_equal(planes_stats(w.ps)->sessions, 0);
	pw_finish(&w);
}

/* It moves before it has ever come: whom it was is not let in, whoever comes first. */
static void bind_10_moved_before_it_was_bound(void **state)
{
	static struct pw w;
	struct pw_conn *c;

	pw_init(&w);
	exchange(&w, SIDE_A, A_URI, "active", B_URI, "active");
	pw_name_paths(&w, "A", "B");
	exchange(&w, SIDE_A, A_URI, "active", B2_URI, "active");
	w.a = pw_accept(&w);
	pw_feed(w.a, FROM_A("abind", "SEND", "Message-ID: ab\r\n") "$\r\n");
	a_sends(&w, "tid1", "m1");
	c = pw_accept(&w);
	pw_feed(c, FROM_B("tid2", "SEND", "Message-ID: old\r\n") "$\r\n");
	assert_non_null(strstr(pw_take(c), "MSRP tid2 506 "));
	assert_true(c->closed);
	c = pw_accept(&w);
	pw_feed(c, "MSRP tid3 SEND\r\nTo-Path: {B}\r\nFrom-Path: " B2_URI
		   "\r\nMessage-ID: new\r\n-------tid3$\r\n");
	assert_non_null(strstr(pw_take(c), "To-Path: " B2_URI "\r\nFrom-Path: {B}\r\nMessage-ID: m1\r\n"));
	pw_finish(&w);
}

/* ---- ends ---- */

static void end_7_open_sends_are_answered(void **state)
{
	struct pw *w = up();

	a_sends(w, "tid1", "m1");
	plane_destroy(w->p, w->now_us);
	w->p = NULL;
	pw_expect(w->a, TO_A("tid1", "481 No Such Session", "") "$\r\n");
	assert_true(w->a->closed && w->b->closed);
	pw_finish(w);
}

/* UP-12 */
static void end_12_far_connection_lost(void **state)
{
	struct pw *w = up();

	a_sends(w, "tid1", "m1");
	pw_feed(w->a,
		"MSRP tid2 SEND\r\nTo-Path: {A}\r\nFrom-Path: " A_URI "\r\nMessage-ID: m2\r\n" TEXT "half");
	pw_close(w->b);
	assert_int_equal(w->lost[SIDE_B], 1);
	pw_expect(w->a, TO_A("tid2", "408 Timed Out", "") "$\r\n" TO_A("tid1", "408 Timed Out", "") "$\r\n");
	pw_feed(w->a, " and half\r\n-------tid2$\r\n");
	/* what begins now is held for whom comes */
	a_sends(w, "tid3", "m3");
	w->b = pw_accept(w);
	pw_feed(w->b, FROM_B("btid", "SEND", "Message-ID: 1\r\n") "$\r\n");
	assert_non_null(strstr(pw_take(w->b), "Message-ID: m3\r\n"));
	pw_finish(w);
}

/* UPA-13 */
static void end_13_near_connection_lost(void **state)
{
	struct pw *w = up();

	pw_feed(w->a,
		"MSRP tid2 SEND\r\nTo-Path: {A}\r\nFrom-Path: " A_URI "\r\nMessage-ID: m2\r\n" TEXT "half");
	pw_take(w->b);
	pw_close(w->a);
	pw_expect(w->b, "\r\n-------T1+\r\n");
	pw_feed(w->b, FROM_B("T1", "200 OK", "") "$\r\n");
	w->a = pw_accept(w); /* comes back and goes on */
	pw_feed(w->a,
		FROM_A("tid3", "SEND", "Message-ID: m2\r\nByte-Range: 5-7/7\r\n" TEXT "way\r\n") "$\r\n");
	assert_non_null(strstr(pw_take(w->b), "Byte-Range: 5-7/7\r\n"));
	pw_finish(w);
}

/* UP-29 */
static void end_29_481_from_the_peer(void **state)
{
	struct pw *w = up();

	a_sends(w, "tid1", "m1");
	pw_take(w->b);
	pw_feed(w->b, FROM_B("T1", "481 What", "") "$\r\n");
	assert_int_equal(w->lost[SIDE_B], 1);
	pw_expect(w->a, TO_A("tid1", "408 Timed Out", "") "$\r\n");
	pw_finish(w);
}

/* UP-29 */
static void end_29_506_from_the_peer(void **state)
{
	struct pw *w = up();

	a_sends(w, "tid1", "m1");
	pw_take(w->b);
	pw_feed(w->b, FROM_B("T1", "506 There", "") "$\r\n");
	assert_int_equal(w->lost[SIDE_B], 1);
	assert_true(w->b->closed);
	pw_finish(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(setup_6_answers),
		cmocka_unit_test(local_2_paths_differ),
		cmocka_unit_test(local_2_ids_differ),
		cmocka_unit_test(bind_10_unknown_session),
		cmocka_unit_test(bind_3_compared_as_uri),
		cmocka_unit_test(bind_10_elsewhere_gets_506),
		cmocka_unit_test(bind_10_again_after_the_connection_died),
		cmocka_unit_test(bind_10_takeover),
		cmocka_unit_test(bind_11_moves_on_its_connection),
		cmocka_unit_test(bind_10_shadow_outlives_its_path),
		cmocka_unit_test(bind_10_held_while_our_offer_is_open),
		cmocka_unit_test(bind_10_held_though_nothing_is_bound),
		cmocka_unit_test(bind_10_moved_before_it_was_bound),
		cmocka_unit_test(bind_prov13_content_waits_for_the_answer),
		cmocka_unit_test(bind_prov13_failed_set_up),
		cmocka_unit_test(bind_16_no_request_in_thirty_seconds),
		cmocka_unit_test(bind_16_nobody_comes),
		cmocka_unit_test(bind_51_limits),
		cmocka_unit_test(bind_9_active_speaks_first),
		cmocka_unit_test(bind_16_cannot_connect),
		cmocka_unit_test(bind_11_one_connection_to_one_address),
		cmocka_unit_test(bind_15_two_lines_on_one_connection),
		cmocka_unit_test(path_10_new_only_for_a_new_peer_uri),
		cmocka_unit_test(path_9_rollback_leaves_nothing),
		cmocka_unit_test(path_12_begun_messages_end_where_they_began),
		cmocka_unit_test(path_12_the_answer_moves_the_peer),
		cmocka_unit_test(path_17_drain_is_bounded),
		cmocka_unit_test(path_17_late_reports_keep_it),
		cmocka_unit_test(path_2_four_old_ones),
		cmocka_unit_test(path_2_the_idle_one_goes),
		cmocka_unit_test(path_10_line_removed),
		cmocka_unit_test(path_off_bits),
		cmocka_unit_test(path_51_lines_max),
		cmocka_unit_test(end_7_open_sends_are_answered),
		cmocka_unit_test(end_12_far_connection_lost),
		cmocka_unit_test(end_13_near_connection_lost),
		cmocka_unit_test(end_29_481_from_the_peer),
		cmocka_unit_test(end_29_506_from_the_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
