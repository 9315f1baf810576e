/* SPDX-License-Identifier: MIT */
/* REPORTs: whose they are, where they go, when they are nobody's (UP-41..45, UPA-16). */
#include <stdio.h>

#include "plane_world.h"

#define A2_URI "msrp://a.example:7001/as2;tcp"

static struct pw *up(bool end)
{
	static struct pw w;

	pw_init(&w);
	w.conf.ack_end = end;
	pw_up(&w);
	return &w;
}

/* A message of a, delivered and confirmed. */
static void sent(struct pw *w, const char *id, const char *headers)
{
	pw_feed(w->a,
		FROM_A("atid", "SEND",
		       "Message-ID: %s\r\nByte-Range: 1-10/10\r\n%s" TEXT "0123456789\r\n") "$\r\n",
		id, headers);
	pw_take(w->b);
	pw_feed(w->b, FROM_B("T%u", "200 OK", "") "$\r\n", w->n_tids, w->n_tids);
	pw_take(w->a);
}

static void report(struct pw *w, const char *rest)
{
	pw_feed(w->b, FROM_B("btid", "REPORT", "%s") "$\r\n", rest);
	pw_expect(w->b, ""); /* never answered */
}

static void report_42_passes_as_it_is(void **state)
{
	struct pw *w = up(true);

	sent(w, "m1", "Success-Report: yes\r\n");
	report(w, "X-More: kept\r\nMessage-ID: m1\r\nByte-Range: 1-10/10\r\nStatus: 000 200 Got it\r\n");
	pw_expect(
		w->a,
		TO_A("T2", "REPORT",
		     "X-More: kept\r\nMessage-ID: m1\r\nByte-Range: 1-10/10\r\nStatus: 000 200 Got it\r\n") "$\r\n");
	report(w, "Message-ID: m1\r\nByte-Range: 1-10/10\r\nStatus: 000 200 OK\r\n"); /* its entry died */
	pw_expect(w->a, "");
	assert_true(plane_idle(w->p));
	pw_finish(w);
}

static void report_42_nobody_asked(void **state)
{
	struct pw *w = up(true);

	sent(w, "m1", "");
	report(w, "Message-ID: m1\r\nByte-Range: 1-10/10\r\nStatus: 000 200 OK\r\n");
	report(w, "Message-ID: other\r\nByte-Range: 1-10/10\r\nStatus: 000 200 OK\r\n");
	report(w, "Message-ID: other\r\nByte-Range: 1-10/10\r\nStatus: 000 413 No\r\n");
	pw_expect(w->a, "");
	pw_finish(w);
}

static void report_41_bad_ones_are_dropped(void **state)
{
	struct pw *w = up(true);

	sent(w, "m1", "Success-Report: yes\r\n");
	report(w, "Message-ID: m1\r\nByte-Range: 1-10/10\r\n");
	report(w, "Message-ID: m1\r\nByte-Range: 1-10/10\r\nStatus: 200 OK\r\n");
	report(w, "Message-ID: m1\r\nByte-Range: 1-10/10\r\nStatus: 001 200 OK\r\n");
	report(w, "Message-ID: m1\r\nByte-Range: 0-10/10\r\nStatus: 000 200 OK\r\n");
	report(w, "Byte-Range: 1-10/10\r\nStatus: 000 200 OK\r\n");
	pw_expect(w->a, "");
	report(w, "Message-ID: m1\r\nByte-Range: 1-10/10\r\nStatus: 000 200\r\n");
	assert_non_null(strstr(pw_take(w->a), "Status: 000 200\r\n"));
	pw_finish(w);
}

static void report_45_in_parts(void **state)
{
	struct pw *w = up(true);

	sent(w, "m1", "Success-Report: yes\r\n");
	report(w, "Message-ID: m1\r\nByte-Range: 6-10/10\r\nStatus: 000 200 OK\r\n");
	assert_non_null(strstr(pw_take(w->a), "6-10/10"));
	assert_false(plane_idle(w->p));
	report(w, "Message-ID: m1\r\nByte-Range: 1-5/10\r\nStatus: 000 200 OK\r\n");
	assert_non_null(strstr(pw_take(w->a), "1-5/10"));
	assert_true(plane_idle(w->p));
	pw_finish(w);
}

static void report_45_two_minutes(void **state)
{
	struct pw *w = up(true);

	sent(w, "m1", "Success-Report: yes\r\n");
	pw_advance(w, 119000);
	assert_false(plane_idle(w->p));
	pw_advance(w, 1100);
	assert_true(plane_idle(w->p));
	report(w, "Message-ID: m1\r\nByte-Range: 1-10/10\r\nStatus: 000 200 OK\r\n");
	pw_expect(w->a, "");
	pw_finish(w);
}

/* The SEND got its 408 at the bound; the far side had it all the same. */
static void report_25a_late_success_passes(void **state)
{
	struct pw *w = up(true);

	pw_feed(w->a, FROM_A("atid", "SEND",
			     "Message-ID: m1\r\nSuccess-Report: yes\r\nByte-Range: 1-1/1\r\n" TEXT
			     "x\r\n") "$\r\n");
	pw_take(w->b);
	pw_advance(w, 20100);
	pw_expect(w->a, TO_A("atid", "408 Timed Out", "") "$\r\n");
	report(w, "Message-ID: m1\r\nByte-Range: 1-1/1\r\nStatus: 000 200 OK\r\n");
	pw_expect(w->a, TO_A("T2", "REPORT",
			     "Message-ID: m1\r\nByte-Range: 1-1/1\r\nStatus: 000 200 OK\r\n") "$\r\n");
	/* sent again under its Message-ID it is a message again */
	pw_feed(w->a, FROM_A("atid", "SEND",
			     "Message-ID: m1\r\nSuccess-Report: yes\r\nByte-Range: 1-1/1\r\n" TEXT
			     "x\r\n") "$\r\n");
	assert_non_null(strstr(pw_take(w->b), "Message-ID: m1\r\n"));
	pw_finish(w);
}

static void report_with_a_body(void **state)
{
	struct pw *w = up(true);

	for (size_t read_max = 1; read_max < 200; read_max += 7) {
		w->read_max = read_max;
		sent(w, "m1", "Success-Report: yes\r\n");
		report(w,
		       "Message-ID: m1\r\nByte-Range: 1-10/10\r\nStatus: 000 200 OK\r\n" TEXT "why not\r\n");
		assert_non_null(strstr(pw_take(w->a), "Status: 000 200 OK\r\n" TEXT "why not\r\n-------T"));
		w->n_tids = 0;
	}
	pw_finish(w);
}

static void report_43_failure_ends_the_message(void **state)
{
	struct pw *w = up(false); /* hop: the chunk was answered, only a REPORT can say it */

	pw_feed(w->a, FROM_A("atid", "SEND",
			     "Message-ID: m1\r\nByte-Range: 1-10/20\r\n" TEXT "0123456789\r\n") "+\r\n");
	pw_expect(w->a, TO_A("atid", "200 OK", "") "$\r\n");
	pw_take(w->b);
	pw_feed(w->b, FROM_B("T1", "200 OK", "") "$\r\n");
	pw_feed(w->b, FROM_B("btid", "REPORT",
			     "Message-ID: m1\r\nByte-Range: 1-10/20\r\nStatus: 000 413 Stop\r\n") "$\r\n");
	pw_expect(w->a, TO_A("T2", "REPORT",
			     "Message-ID: m1\r\nByte-Range: 1-10/20\r\nStatus: 000 413 Stop\r\n") "$\r\n");
	pw_expect(w->b, TO_B("T3", "SEND", "Message-ID: m1\r\nByte-Range: 11-10/20\r\n") "#\r\n");
	pw_feed(w->a, FROM_A("atid2", "SEND",
			     "Message-ID: m1\r\nByte-Range: 11-20/20\r\n" TEXT "0123456789\r\n") "$\r\n");
	pw_expect(w->a, TO_A("atid2", "413 Too Large", "") "$\r\n");
	pw_finish(w);
}

static void report_25a_response_instead(void **state)
{
	struct pw *w = up(true); /* end: the SEND it is about is still open */

	pw_feed(w->a, FROM_A("atid", "SEND",
			     "Message-ID: m1\r\nByte-Range: 1-10/10\r\n" TEXT "0123456789\r\n") "$\r\n");
	pw_take(w->b);
	pw_feed(w->b, FROM_B("btid", "REPORT",
			     "Message-ID: m1\r\nByte-Range: 1-10/10\r\nStatus: 000 403 No\r\n") "$\r\n");
	pw_expect(w->a, TO_A("atid", "403 Not Allowed", "") "$\r\n");
	pw_finish(w);
}

static void report_43_not_to_who_said_no(void **state)
{
	struct pw *w = up(true);

	pw_feed(w->a,
		FROM_A("atid", "SEND",
		       "Message-ID: m1\r\nFailure-Report: no\r\nSuccess-Report: yes\r\nByte-Range: 1-10/10\r\n" TEXT
		       "0123456789\r\n") "$\r\n");
	pw_take(w->b);
	report(w, "Message-ID: m1\r\nByte-Range: 1-10/10\r\nStatus: 000 413 No\r\n");
	pw_expect(w->a, "");
	report(w, "Message-ID: m1\r\nByte-Range: 1-10/10\r\nStatus: 000 200 OK\r\n");
	assert_non_null(strstr(pw_take(w->a), "000 200 OK"));
	pw_finish(w);
}

static void report_16_follows_its_sender(void **state)
{
	struct pw *w = up(true);
	struct pw_sdp offer, answer;
	struct pw_conn *a2;

	for (int i = 0; i < 2; i++)
		sent(w, i ? "m2" : "m1", "Success-Report: yes\r\n");
	pw_sdp1(&offer, A2_URI, "active", NULL);
	pw_sdp1(&answer, "msrp://b.example:7002/bs;tcp", "active", NULL);
	pw_exchange(w, SIDE_A, &offer, &answer);
	pw_name_paths(w, "A2", NULL);
	/* a has not come to its new path yet: the old one is alive */
	report(w, "Message-ID: m1\r\nByte-Range: 1-10/10\r\nStatus: 000 200 OK\r\n");
	pw_expect(w->a, TO_A("T3", "REPORT",
			     "Message-ID: m1\r\nByte-Range: 1-10/10\r\nStatus: 000 200 OK\r\n") "$\r\n");
	a2 = pw_accept(w);
	pw_feed(a2, "MSRP tidn SEND\r\nTo-Path: {A2}\r\nFrom-Path: " A2_URI
		    "\r\nMessage-ID: 1\r\n-------tidn$\r\n");
	pw_take(a2);
	report(w, "Message-ID: m2\r\nByte-Range: 1-10/10\r\nStatus: 000 200 OK\r\n");
	pw_expect(
		a2,
		"MSRP T4 REPORT\r\nTo-Path: " A2_URI
		"\r\nFrom-Path: {A2}\r\nMessage-ID: m2\r\nByte-Range: 1-10/10\r\nStatus: 000 200 OK\r\n-------T4$\r\n");
	pw_finish(w);
}

static void report_4_whole_path_of_a_relayed_peer(void **state)
{
	static struct pw w;
	struct pw_sdp offer, answer;
	static const char relayed[] = "msrp://relay.example:9000/r;tcp msrp://a.example:7001/as;tcp";

	pw_init(&w);
	pw_sdp1(&offer, relayed, "active", NULL);
	pw_sdp1(&answer, B_URI, "active", NULL);
	pw_exchange(&w, SIDE_A, &offer, &answer);
	pw_name_paths(&w, "A", "B");
	w.a = pw_accept(&w), w.b = pw_accept(&w);
	pw_feed(w.b, FROM_B("btid", "SEND", "Message-ID: 1\r\n") "$\r\n");
	pw_take(w.b);
	pw_feed(w.a,
		"MSRP atid SEND\r\nTo-Path: {A}\r\nFrom-Path: %s\r\nMessage-ID: m1\r\nByte-Range: 1-1/1\r\n"
		"Success-Report: yes\r\n" TEXT "x\r\n-------atid$\r\n",
		relayed);
	pw_take(w.b);
	pw_feed(w.b, FROM_B("T1", "200 OK", "") "$\r\n");
	/* a response goes to the leftmost alone, a REPORT along the whole path */
	pw_expect(w.a, "MSRP atid 200 OK\r\nTo-Path: msrp://relay.example:9000/r;tcp\r\nFrom-Path: {A}\r\n"
		       "-------atid$\r\n");
	report(&w, "Message-ID: m1\r\nByte-Range: 1-1/1\r\nStatus: 000 200 OK\r\n");
	pw_expect(
		w.a,
		"MSRP T2 REPORT\r\nTo-Path: msrp://relay.example:9000/r;tcp msrp://a.example:7001/as;tcp\r\n"
		"From-Path: {A}\r\nMessage-ID: m1\r\nByte-Range: 1-1/1\r\nStatus: 000 200 OK\r\n-------T2$\r\n");
	pw_finish(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(report_42_passes_as_it_is),
		cmocka_unit_test(report_42_nobody_asked),
		cmocka_unit_test(report_41_bad_ones_are_dropped),
		cmocka_unit_test(report_45_in_parts),
		cmocka_unit_test(report_45_two_minutes),
		cmocka_unit_test(report_25a_late_success_passes),
		cmocka_unit_test(report_with_a_body),
		cmocka_unit_test(report_43_failure_ends_the_message),
		cmocka_unit_test(report_25a_response_instead),
		cmocka_unit_test(report_43_not_to_who_said_no),
		cmocka_unit_test(report_16_follows_its_sender),
		cmocka_unit_test(report_4_whole_path_of_a_relayed_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
