/* SPDX-License-Identifier: MIT */
/* Client transactions: every state and timer, to the millisecond; the ACKs and CANCELs they make. */
#include "tl_world.h"

/* ---- INVITE ---- */

static void rfc3261_17_1_1_2_timer_a_and_b(void **state)
{
	struct tl_world *w = *state;

	tl_start(w, SIP_INVITE);
	tl_until(w, 40000);
	tl_expect(w, "0 send INVITE\n500 send INVITE\n1500 send INVITE\n3500 send INVITE\n7500 send INVITE\n"
		     "15500 send INVITE\n31500 send INVITE\n32000 told timeout\n");
	assert_int_equal(sip_tl_stats(w->tl)->client, 0);
	assert_int_equal(sip_tl_stats(w->tl)->timeouts, 1);
	assert_int_equal(sip_tl_stats(w->tl)->retrans_out, 6);
}

static void rfc3261_17_1_1_2_reliable_has_no_timer_a(void **state)
{
	struct tl_world *w = *state;

	tl_start(w, SIP_INVITE);
	tl_until(w, 40000);
	tl_expect(w, "0 send INVITE\n32000 told timeout\n");
}

static void rfc3261_17_1_1_2_provisional_stops_a_and_b(void **state)
{
	struct tl_world *w = *state;
	struct sip_ctxn *t = tl_start(w, SIP_INVITE);

	assert_false(sip_ctxn_provisional(t));
	tl_until(w, 600);
	tl_respond(w, "INVITE", 100, NULL);
	assert_true(sip_ctxn_provisional(t));
	tl_until(w, 100000);
	tl_respond(w, "INVITE", 180, "theirs");
	tl_expect(w, "0 send INVITE\n500 send INVITE\n600 told 100 INVITE\n100000 told 180 INVITE\n");
	assert_int_equal(sip_tl_stats(w->tl)->client, 1);
}

static void rfc3261_17_1_1_3_ack_and_timer_d(void **state)
{
	struct tl_world *w = *state;

	tl_start(w, SIP_INVITE);
	tl_until(w, 100);
	tl_respond(w, "INVITE", 486, "theirs");
	tl_until(w, 600);
	tl_respond(w, "INVITE", 486, "theirs"); /* its ACK was lost */
	tl_respond(w, "INVITE", 200, "theirs"); /* fits no more */
	tl_until(w, 32099);
	tl_expect(w, "0 send INVITE\n100 send ACK\n100 told 486 INVITE\n600 send ACK\n");
	assert_int_equal(sip_tl_stats(w->tl)->client, 1);
	tl_until(w, 32100);
	tl_expect(w, "");
	assert_int_equal(sip_tl_stats(w->tl)->client, 0);
}

static void rfc3261_17_1_1_3_ack_on_the_wire(void **state)
{
	struct tl_world *w = *state;
	char *invite, *via;

	tl_start(w, SIP_INVITE);
	invite = strdup(tl_last(w));
	via = strdup(strstr(invite, "Via:"));
	*strchr(via, '\n') = '\0';
	tl_respond(w, "INVITE", 486, "theirs");
	assert_true(strncmp(tl_last(w), "ACK sip:bob@192.0.2.9 SIP/2.0\n", 30) == 0);
	assert_non_null(strstr(tl_last(w), via));
	assert_null(strstr(strstr(tl_last(w), "Via:") + 1, "Via:"));
	assert_non_null(strstr(tl_last(w), "\nMax-Forwards: 70\n"));
	assert_non_null(strstr(tl_last(w), "\nRoute: <sip:p1.example.net;lr>, <sip:p2.example.net;lr>\n"
					   "Route: <sip:p3.example.net;lr>\n"));
	assert_non_null(strstr(tl_last(w), "\nFrom: \"A, lice\" <sip:alice@example.com>;tag=ours\n"));
	assert_non_null(strstr(tl_last(w), "\nTo: <sip:bob@example.com>;tag=theirs\n"));
	assert_non_null(strstr(tl_last(w), "\nCall-ID: our-call\n"));
	assert_non_null(strstr(tl_last(w), "\nCSeq: 7 ACK\n"));
	assert_non_null(strstr(tl_last(w), "\nContent-Length: 0\n\n"));
	assert_true(addr_eq(&tl_last_sent(w)->to.ip, &w->src.ip));
	assert_true(tl_last_sent(w)->token == 0);
	free(via);
	free(invite);
}

static void rfc3261_17_1_1_2_reliable_timer_d_is_zero(void **state)
{
	struct tl_world *w = *state;

	tl_start(w, SIP_INVITE);
	tl_respond(w, "INVITE", 486, "theirs");
	assert_int_equal(tl_last_sent(w)->to.conn, 7);
	tl_until(w, 1);
	tl_expect(w, "0 send INVITE\n0 send ACK\n0 told 486 INVITE\n");
	assert_int_equal(sip_tl_stats(w->tl)->client, 0);
}

static void rfc6026_each_2xx_is_told_until_timer_m(void **state)
{
	struct tl_world *w = *state;

	tl_start(w, SIP_INVITE);
	tl_respond(w, "INVITE", 180, "theirs");
	tl_until(w, 1000);
	tl_respond(w, "INVITE", 200, "theirs");
	tl_until(w, 1500);
	tl_respond(w, "INVITE", 200, "theirs");
	tl_respond(w, "INVITE", 200, "fork");
	tl_respond(w, "INVITE", 180, "fork"); /* late */
	tl_respond(w, "INVITE", 486, "fork");
	tl_until(w, 40000);
	tl_expect(w, "0 send INVITE\n0 told 180 INVITE\n1000 told 200 INVITE\n1500 told 200 INVITE\n"
		     "1500 told 200 INVITE\n33000 told accepted\n");
	tl_respond(w, "INVITE", 200, "fork");
	tl_expect(w, "40000 stray 200 INVITE\n");
	assert_int_equal(sip_tl_stats(w->tl)->stray, 1);
}

static void rfc6026_no_ack_of_ours_to_a_2xx(void **state)
{
	struct tl_world *w = *state;

	tl_start(w, SIP_INVITE);
	tl_respond(w, "INVITE", 200, "theirs");
	tl_until(w, 10000);
	tl_expect(w, "0 send INVITE\n0 told 200 INVITE\n");
}

static void rfc3261_17_1_1_300_is_an_error_and_299_is_not(void **state)
{
	struct tl_world *w = *state;

	tl_start(w, SIP_INVITE);
	tl_respond(w, "INVITE", 300, "theirs");
	tl_respond(w, "INVITE", 300, "theirs");
	tl_expect(w, "0 send INVITE\n0 send ACK\n0 told 300 INVITE\n0 send ACK\n");
	tl_start(w, SIP_INVITE);
	tl_respond(w, "INVITE", 299, "theirs");
	tl_respond(w, "INVITE", 300, "fork");
	tl_respond(w, "INVITE", 299, "theirs");
	tl_expect(w, "0 send INVITE\n0 told 299 INVITE\n0 told 299 INVITE\n");
}

/* ---- CANCEL ---- */

static void rfc3261_9_1_cancel_after_the_provisional(void **state)
{
	struct tl_world *w = *state;
	struct sip_ctxn *t = tl_start(w, SIP_INVITE);
	char *invite = strdup(tl_last(w)), *via = strdup(strstr(invite, "Via:"));

	*strchr(via, '\n') = '\0';
	tl_respond(w, "INVITE", 180, "theirs");
	sip_ctxn_cancel(t, SPAN("Reason: SIP;cause=200\r\n"), w->now_us);
	sip_ctxn_cancel(t, SPAN_EMPTY, w->now_us); /* once is enough */
	tl_expect(w, "0 send INVITE\n0 told 180 INVITE\n0 send CANCEL\n");
	assert_true(strncmp(tl_last(w), "CANCEL sip:bob@192.0.2.9 SIP/2.0\n", 33) == 0);
	assert_non_null(strstr(tl_last(w), via));
	assert_null(strstr(strstr(tl_last(w), "Via:") + 1, "Via:"));
	assert_non_null(strstr(tl_last(w), "\nMax-Forwards: 70\n"));
	assert_non_null(strstr(tl_last(w), "\nRoute: <sip:p1.example.net;lr>, <sip:p2.example.net;lr>\n"
					   "Route: <sip:p3.example.net;lr>\n"));
	assert_non_null(strstr(tl_last(w), "\nFrom: \"A, lice\" <sip:alice@example.com>;tag=ours\n"));
	assert_non_null(strstr(tl_last(w), "\nTo: <sip:bob@example.com>\n")); /* as in the INVITE: no tag */
	assert_non_null(strstr(tl_last(w), "\nCall-ID: our-call\n"));
	assert_non_null(strstr(tl_last(w), "\nCSeq: 7 CANCEL\n"));
	assert_non_null(strstr(tl_last(w), "\nReason: SIP;cause=200\n"));
	assert_null(strstr(tl_last(w), "\nContact:"));
	tl_respond(w, "CANCEL", 200, "theirs"); /* absorbed */
	tl_respond(w, "INVITE", 487, "theirs");
	tl_until(w, 40000);
	tl_expect(w, "0 send ACK\n0 told 487 INVITE\n");
	assert_int_equal(sip_tl_stats(w->tl)->client, 0);
	free(via);
	free(invite);
}

static void rfc3261_9_1_cancel_waits_for_a_provisional(void **state)
{
	struct tl_world *w = *state;
	struct sip_ctxn *t = tl_start(w, SIP_INVITE);
	char extra[] = "Reason: SIP;cause=200\r\n";

	sip_ctxn_cancel(t, span_of(extra), w->now_us);
	memset(extra, 'x', sizeof(extra) - 1); /* it was copied */
	tl_until(w, 700);
	tl_expect(w, "0 send INVITE\n500 send INVITE\n");
	tl_respond(w, "INVITE", 100, NULL);
	tl_expect(w, "700 send CANCEL\n700 told 100 INVITE\n");
	assert_non_null(strstr(tl_last(w), "\nReason: SIP;cause=200\n"));
}

static void rfc3261_9_1_no_cancel_when_the_final_is_first(void **state)
{
	struct tl_world *w = *state;
	struct sip_ctxn *t = tl_start(w, SIP_INVITE);

	sip_ctxn_cancel(t, SPAN_EMPTY, w->now_us);
	tl_respond(w, "INVITE", 200, "theirs");
	tl_until(w, 31000);
	tl_expect(w, "0 send INVITE\n0 told 200 INVITE\n");
}

static void rfc3261_9_1_no_cancel_after_the_final(void **state)
{
	struct tl_world *w = *state;
	struct sip_ctxn *t = tl_start(w, SIP_INVITE);

	tl_respond(w, "INVITE", 180, "theirs");
	tl_respond(w, "INVITE", 200, "theirs");
	sip_ctxn_cancel(t, SPAN_EMPTY, w->now_us);
	tl_expect(w, "0 send INVITE\n0 told 180 INVITE\n0 told 200 INVITE\n");
}

static void rfc3261_9_1_cancel_crosses_a_200(void **state)
{
	struct tl_world *w = *state;
	struct sip_ctxn *t = tl_start(w, SIP_INVITE);

	tl_respond(w, "INVITE", 180, "theirs");
	sip_ctxn_cancel(t, SPAN_EMPTY, w->now_us);
	tl_respond(w, "INVITE", 200, "theirs");
	tl_respond(w, "CANCEL", 200, "theirs");
	tl_until(w, 40000);
	tl_expect(
		w,
		"0 send INVITE\n0 told 180 INVITE\n0 send CANCEL\n0 told 200 INVITE\n32000 told accepted\n");
}

static void rfc3261_9_1_cancelled_and_never_answered(void **state)
{
	struct tl_world *w = *state;
	struct sip_ctxn *t = tl_start(w, SIP_INVITE);

	tl_until(w, 100);
	tl_respond(w, "INVITE", 180, "theirs");
	tl_until(w, 60000);
	sip_ctxn_cancel(t, SPAN_EMPTY, w->now_us);
	tl_until(w, 60001);
	tl_respond(w, "CANCEL", 200, "theirs");
	tl_until(w, 70000);
	tl_respond(w, "INVITE", 180, "theirs"); /* does not put it off */
	tl_until(w, 91999);
	tl_expect(w, "0 send INVITE\n100 told 180 INVITE\n60000 send CANCEL\n70000 told 180 INVITE\n");
	tl_until(w, 100000);
	tl_expect(w, "92000 told timeout\n");
	assert_int_equal(sip_tl_stats(w->tl)->client, 0);
}

static void rfc3261_9_1_cancel_is_a_transaction(void **state)
{
	struct tl_world *w = *state;
	struct sip_ctxn *t = tl_start(w, SIP_INVITE);

	tl_respond(w, "INVITE", 180, "theirs");
	sip_ctxn_cancel(t, SPAN_EMPTY, w->now_us);
	tl_until(w, 4000);
	tl_expect(w, "0 send INVITE\n0 told 180 INVITE\n0 send CANCEL\n500 send CANCEL\n1500 send CANCEL\n"
		     "3500 send CANCEL\n");
	tl_respond(w, "INVITE", 487, "theirs");
	tl_respond(w, "CANCEL", 481, "theirs");
	tl_until(w, 50000);
	tl_expect(w, "4000 send ACK\n4000 told 487 INVITE\n");
	assert_int_equal(sip_tl_stats(w->tl)->client, 0);
}

static void cancel_without_memory(void **state)
{
	struct tl_world *w = *state;
	struct sip_ctxn *t = tl_start(w, SIP_INVITE);

	tl_respond(w, "INVITE", 180, "theirs");
	oom_fail_after(0);
	sip_ctxn_cancel(t, SPAN_EMPTY, w->now_us);
	assert_true(oom_end());
	tl_until(w, 40000);
	tl_expect(w, "0 send INVITE\n0 told 180 INVITE\n0 send CANCEL\n32000 told timeout\n");
}

static void cancel_only_of_an_invite(void **state)
{
	struct tl_world *w = *state;
	struct sip_ctxn *t = tl_start(w, SIP_UPDATE);

	tl_respond(w, "UPDATE", 100, NULL);
	sip_ctxn_cancel(t, SPAN_EMPTY, w->now_us);
	tl_expect(w, "0 send UPDATE\n0 told 100 UPDATE\n");
}

/* ---- the others ---- */

static void rfc3261_17_1_2_2_timer_e_and_f(void **state)
{
	struct tl_world *w = *state;

	tl_start(w, SIP_UPDATE);
	tl_until(w, 40000);
	tl_expect(w, "0 send UPDATE\n500 send UPDATE\n1500 send UPDATE\n3500 send UPDATE\n7500 send UPDATE\n"
		     "11500 send UPDATE\n15500 send UPDATE\n19500 send UPDATE\n23500 send UPDATE\n"
		     "27500 send UPDATE\n31500 send UPDATE\n32000 told timeout\n");
}

static void rfc3261_17_1_2_2_proceeding_repeats_at_t2(void **state)
{
	struct tl_world *w = *state;

	tl_start(w, SIP_UPDATE);
	tl_until(w, 600);
	tl_respond(w, "UPDATE", 100, NULL);
	tl_until(w, 10000);
	tl_expect(w,
		  "0 send UPDATE\n500 send UPDATE\n600 told 100 UPDATE\n1500 send UPDATE\n5500 send UPDATE\n"
		  "9500 send UPDATE\n");
	tl_until(w, 32000);
	tl_expect(w, "13500 send UPDATE\n17500 send UPDATE\n21500 send UPDATE\n25500 send UPDATE\n"
		     "29500 send UPDATE\n32000 told timeout\n");
}

static void rfc3261_17_1_2_2_final_after_a_provisional(void **state)
{
	struct tl_world *w = *state;
	struct sip_ctxn *t = tl_start(w, SIP_UPDATE);

	assert_false(sip_ctxn_provisional(t));
	tl_respond(w, "UPDATE", 100, NULL);
	assert_true(sip_ctxn_provisional(t));
	tl_until(w, 600);
	tl_respond(w, "UPDATE", 300, "theirs");
	tl_until(w, 40000);
	tl_expect(w, "0 send UPDATE\n0 told 100 UPDATE\n500 send UPDATE\n600 told 300 UPDATE\n");
	assert_int_equal(sip_tl_stats(w->tl)->client, 0);
}

static void rfc3261_17_1_2_2_timer_k(void **state)
{
	struct tl_world *w = *state;

	tl_start(w, SIP_UPDATE);
	tl_respond(w, "UPDATE", 200, "theirs");
	tl_until(w, 4999);
	tl_respond(w, "UPDATE", 200, "theirs"); /* absorbed */
	assert_int_equal(sip_tl_stats(w->tl)->client, 1);
	tl_until(w, 5000);
	assert_int_equal(sip_tl_stats(w->tl)->client, 0);
	tl_expect(w, "0 send UPDATE\n0 told 200 UPDATE\n");
	tl_respond(w, "UPDATE", 200, "theirs");
	tl_expect(w, "5000 stray 200 UPDATE\n");
}

static void rfc3261_17_1_2_2_reliable(void **state)
{
	struct tl_world *w = *state;

	tl_start(w, SIP_UPDATE);
	tl_until(w, 31000);
	tl_respond(w, "UPDATE", 488, "theirs");
	tl_until(w, 31001);
	tl_expect(w, "0 send UPDATE\n31000 told 488 UPDATE\n");
	assert_int_equal(sip_tl_stats(w->tl)->client, 0);
	tl_start(w, SIP_UPDATE);
	tl_until(w, 70000);
	tl_expect(w, "31001 send UPDATE\n63001 told timeout\n");
}

/* ---- matching, transport, users ---- */

static void rfc3261_17_1_3_branch_and_method_match(void **state)
{
	struct tl_world *w = *state;
	char other[512];
	struct sip_msg req;
	struct span branch;

	tl_start(w, SIP_UPDATE);
	assert_int_equal(sip_msg_parse(&req, (struct span){ tl_last_sent(w)->bytes, tl_last_sent(w)->n },
				       true),
			 0);
	branch = req.via.branch;
	snprintf(other, sizeof(other),
		 "SIP/2.0 200 OK\nVia: SIP/2.0/%s us.example.net:5060;branch=%" SPAN_FMT "\n"
		 "From: <sip:a@example.com>;tag=ours\nTo: <sip:b@example.com>;tag=x\nCall-ID: our-call\n"
		 "CSeq: 7 INFO\nContent-Length: 0\n\n",
		 w->via, SPAN_ARG(branch));
	tl_feed(w, other);
	tl_expect(w, "0 send UPDATE\n0 stray 200 INFO\n");
}

static void parse_17_foreign_branch_is_stray(void **state)
{
	struct tl_world *w = *state;

	tl_feed(w, "SIP/2.0 200 OK\nVia: SIP/2.0/UDP other.example.net;branch=z9hG4bKforeign\n"
		   "From: <sip:a@example.com>;tag=ours\nTo: <sip:b@example.com>;tag=x\nCall-ID: c\n"
		   "CSeq: 7 INVITE\nContent-Length: 0\n\n");
	tl_expect(w, "0 stray 200 INVITE\n");
}

static void rfc3261_8_1_3_1_unsent_is_told_later(void **state)
{
	struct tl_world *w = *state;

	w->send_result = -ENETUNREACH;
	assert_non_null(tl_start(w, SIP_INVITE));
	tl_expect(w, "0 fails INVITE\n");
	tl_until(w, 0);
	tl_expect(w, "0 told transport\n");
	assert_int_equal(sip_tl_stats(w->tl)->client, 0);
}

static void rfc3261_8_1_3_1_a_repetition_fails(void **state)
{
	struct tl_world *w = *state;

	tl_start(w, SIP_UPDATE);
	w->send_result = -ENETUNREACH;
	tl_until(w, 40000);
	tl_expect(w, "0 send UPDATE\n500 fails UPDATE\n500 told transport\n");
}

static void unreachable_ends_the_right_one(void **state)
{
	struct tl_world *w = *state;
	uint64_t token;

	tl_start(w, SIP_INVITE);
	token = tl_last_sent(w)->token;
	assert_true(token != 0);
	tl_start(w, SIP_UPDATE);
	assert_true(tl_last_sent(w)->token != token);
	tl_until(w, 10);
	sip_tl_unreachable(w->tl, token, w->now_us);
	sip_tl_unreachable(w->tl, token, w->now_us);
	sip_tl_unreachable(w->tl, 0, w->now_us);
	sip_tl_unreachable(w->tl, 12345, w->now_us);
	tl_expect(w, "0 send INVITE\n0 send UPDATE\n10 told transport\n");
	assert_int_equal(sip_tl_stats(w->tl)->client, 1);
}

/* The first copy may have arrived, and its 2xx be on the wire: an ICMP for the second ends nothing. */
static void unreachable_for_a_repeat_is_no_end(void **state)
{
	struct tl_world *w = *state;

	tl_start(w, SIP_INVITE);
	tl_until(w, 500);
	sip_tl_unreachable(w->tl, tl_last_sent(w)->token, w->now_us);
	tl_respond(w, "INVITE", 200, "theirs");
	tl_expect(w, "0 send INVITE\n500 send INVITE\n500 told 200 INVITE\n");
}

static void unreachable_after_a_provisional(void **state)
{
	struct tl_world *w = *state;
	uint64_t token;

	tl_start(w, SIP_INVITE);
	token = tl_last_sent(w)->token;
	tl_respond(w, "INVITE", 180, "theirs");
	sip_tl_unreachable(w->tl, token, w->now_us); /* a stale ICMP: it was heard */
	tl_respond(w, "INVITE", 200, "theirs");
	sip_tl_unreachable(w->tl, token, w->now_us);
	tl_expect(w, "0 send INVITE\n0 told 180 INVITE\n0 told 200 INVITE\n");
	tl_start(w, SIP_UPDATE);
	token = tl_last_sent(w)->token;
	tl_respond(w, "UPDATE", 100, NULL);
	sip_tl_unreachable(w->tl, token, w->now_us);
	tl_expect(w, "0 send UPDATE\n0 told 100 UPDATE\n0 told transport\n");
}

static void without_a_user_it_is_still_completed(void **state)
{
	struct tl_world *w = *state;
	struct sip_ctxn *t = tl_start(w, SIP_INVITE);

	sip_ctxn_set_user(t, NULL);
	sip_ctxn_cancel(t, SPAN_EMPTY, w->now_us);
	tl_respond(w, "INVITE", 180, "theirs");
	tl_respond(w, "INVITE", 487, "theirs");
	tl_expect(w, "0 send INVITE\n0 send CANCEL\n0 send ACK\n");
	tl_respond(w, "CANCEL", 200, "theirs");
	tl_until(w, 40000);
	tl_expect(w, "");
	assert_int_equal(sip_tl_stats(w->tl)->client, 0);
}

static void destination_by_name_is_copied(void **state)
{
	struct tl_world *w = *state;
	char name[] = "far.example.net";
	struct sip_dest to = { .tp = SIP_UDP, .ip = { .port = 5066 }, .host = span_of(name) };
	struct span bytes =
		SPAN("OPTIONS sip:far.example.net SIP/2.0\r\n"
		     "Via: SIP/2.0/UDP us.example.net;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n"
		     "To: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n");

	assert_non_null(sip_ctxn_start(w->tl, SIP_OPTIONS, SPAN("z9hG4bKx"), &to, bytes, NULL, NULL, 0));
	memset(name, 'x', sizeof(name) - 1);
	tl_until(w, 500);
	tl_expect(w, "0 send OPTIONS\n500 send OPTIONS\n");
	assert_string_equal(tl_last_sent(w)->host, "far.example.net");
	assert_int_equal(tl_last_sent(w)->to.ip.family, 0);
	assert_int_equal(tl_last_sent(w)->to.ip.port, 5066);
}

static void no_memory_nothing_sent(void **state)
{
	struct tl_world *w = *state;

	oom_fail_after(0);
	assert_null(tl_start(w, SIP_INVITE));
	assert_true(oom_end());
	tl_expect(w, "");
	assert_int_equal(sip_tl_stats(w->tl)->client, 0);
}

/* ---- RFC 3263 4.3: another server of the same name ---- */

static void branch_sent(struct tl_world *w, char out[64])
{
	const char *at = strstr(tl_last(w), "branch=") + 7;
	size_t n = strcspn(at, ";\n");

	assert_true(n > 7 && n < 64);
	memcpy(out, at, n);
	out[n] = 0;
}

static void rfc3263_4_3_503_goes_elsewhere_under_a_new_branch(void **state)
{
	struct tl_world *w = *state;
	char first[64], second[64];

	w->by_name = true;
	w->others = 1;
	tl_start(w, SIP_INVITE);
	branch_sent(w, first);
	tl_until(w, 100);
	tl_respond(w, "INVITE", 503, "theirs");
	tl_expect(w, "0 send INVITE\n100 send ACK\n100 send INVITE\n"); /* the TU hears nothing of it */
	branch_sent(w, second);
	assert_string_not_equal(first, second);
	assert_int_equal(strlen(first), strlen(second));
	assert_non_null(strstr(tl_last(w), "\nCSeq: 7 INVITE\n"));
	tl_until(w, 700);
	tl_respond(w, "INVITE", 503, "theirs"); /* and there is no other: told */
	tl_expect(w, "600 send INVITE\n700 send ACK\n700 told 503 INVITE\n");
	tl_until(w, 40000);
	assert_int_equal(sip_tl_stats(w->tl)->client, 0);
	assert_int_equal(sip_tl_stats(w->tl)->open, 0);
}

static void rfc3263_4_3_silence_goes_elsewhere(void **state)
{
	struct tl_world *w = *state;

	w->by_name = true;
	w->others = 1;
	tl_start(w, SIP_BYE);
	tl_until(w, 31999);
	w->diary_len = 0, w->diary[0] = 0;
	tl_until(w, 32000);
	tl_expect(w, "32000 send BYE\n");
	tl_respond(w, "BYE", 200, "theirs");
	tl_expect(w, "32000 told 200 BYE\n");
}

static void rfc3263_4_3_who_rings_is_not_dead(void **state)
{
	struct tl_world *w = *state;
	struct sip_ctxn *t;

	w->by_name = true;
	w->others = 1;
	t = tl_start(w, SIP_INVITE);
	tl_respond(w, "INVITE", 180, "theirs");
	sip_ctxn_cancel(t, SPAN_EMPTY, w->now_us);
	tl_until(w, 100000);
	assert_int_equal(w->others, 1);
	assert_int_equal(sip_tl_stats(w->tl)->client, 0);
}

static void rfc3263_4_3_icmp_goes_elsewhere_also_of_a_repeat(void **state)
{
	struct tl_world *w = *state;
	uint64_t token;

	w->by_name = true;
	w->others = 2;
	tl_start(w, SIP_UPDATE);
	tl_until(w, 600);
	token = tl_last_sent(w)->token;
	sip_tl_unreachable(w->tl, token, w->now_us);
	sip_tl_unreachable(w->tl, token, w->now_us); /* the same told twice: that one is over */
	tl_expect(w, "0 send UPDATE\n500 send UPDATE\n600 send UPDATE\n");
	assert_int_equal(w->others, 1);
	assert_true(tl_last_sent(w)->token != token);
	tl_respond(w, "UPDATE", 200, "theirs");
	tl_expect(w, "600 told 200 UPDATE\n");
}

static void rfc3261_18_1_1_nobody_at_tcp_then_udp(void **state)
{
	struct tl_world *w = *state;
	char branch[40];
	const char *via;

	w->by_size = true;
	tl_start(w, SIP_INVITE);
	via = strstr(tl_last(w), "Via: SIP/2.0/TCP us.example.net:5060;branch=");
	assert_non_null(via);
	snprintf(branch, sizeof(branch), "%.23s", strstr(via, "branch=") + 7);
	sip_tl_unreachable(w->tl, tl_last_sent(w)->token, w->now_us);
	assert_int_equal(tl_last_sent(w)->to.tp, SIP_UDP);
	assert_non_null(strstr(tl_last(w), "Via: SIP/2.0/UDP us.example.net:5060;branch="));
	assert_null(strstr(tl_last(w), branch));
	tl_until(w, 500); /* a datagram is repeated */
	tl_expect(w, "0 send INVITE\n0 send INVITE\n500 send INVITE\n");
	tl_respond(w, "INVITE", 486, "theirs");
	tl_expect(w, "500 send ACK\n500 told 486 INVITE\n");
	assert_int_equal(tl_last_sent(w)->to.tp, SIP_UDP);
}

static void rfc3261_18_1_1_udp_fails_too(void **state)
{
	struct tl_world *w = *state;

	w->by_size = true;
	w->send_result = -ENOBUFS;
	tl_start(w, SIP_UPDATE);
	tl_until(w, 1);
	tl_expect(w, "0 fails UPDATE\n0 fails UPDATE\n0 told transport\n");
}

static void tcp_that_was_asked_for_is_no_udp(void **state)
{
	struct tl_world *w = *state;

	tl_start(w, SIP_UPDATE);
	sip_tl_unreachable(w->tl, tl_last_sent(w)->token, w->now_us);
	tl_expect(w, "0 send UPDATE\n0 told transport\n");
}

/* Timer E runs while the name is looked up; when there is none, nobody has the request, however often it was said. */
static void what_waits_for_its_name_was_not_repeated(void **state)
{
	struct tl_world *w = *state;

	w->send_result = 1;
	tl_start(w, SIP_UPDATE);
	tl_until(w, 600);
	sip_tl_unreachable(w->tl, tl_last_sent(w)->token, w->now_us);
	tl_expect(w, "0 send UPDATE\n500 send UPDATE\n600 told transport\n");
}

static void an_address_has_no_others(void **state)
{
	struct tl_world *w = *state;

	w->others = 1;
	tl_start(w, SIP_INVITE);
	tl_respond(w, "INVITE", 503, "theirs");
	tl_expect(w, "0 send INVITE\n0 send ACK\n0 told 503 INVITE\n");
	assert_int_equal(w->others, 1);
}

int main(void)
{
#define UDP(f) cmocka_unit_test_setup_teardown(f, tl_setup_udp, tl_teardown)
#define TCP(f) cmocka_unit_test_setup_teardown(f, tl_setup_tcp, tl_teardown)
	const struct CMUnitTest tests[] = {
		UDP(rfc3263_4_3_503_goes_elsewhere_under_a_new_branch),
		UDP(rfc3263_4_3_silence_goes_elsewhere),
		UDP(rfc3263_4_3_who_rings_is_not_dead),
		UDP(rfc3263_4_3_icmp_goes_elsewhere_also_of_a_repeat),
		UDP(what_waits_for_its_name_was_not_repeated),
		TCP(rfc3261_18_1_1_nobody_at_tcp_then_udp),
		TCP(rfc3261_18_1_1_udp_fails_too),
		TCP(tcp_that_was_asked_for_is_no_udp),
		UDP(an_address_has_no_others),
		UDP(rfc3261_17_1_1_2_timer_a_and_b),
		TCP(rfc3261_17_1_1_2_reliable_has_no_timer_a),
		UDP(rfc3261_17_1_1_2_provisional_stops_a_and_b),
		UDP(rfc3261_17_1_1_3_ack_and_timer_d),
		UDP(rfc3261_17_1_1_3_ack_on_the_wire),
		TCP(rfc3261_17_1_1_2_reliable_timer_d_is_zero),
		UDP(rfc6026_each_2xx_is_told_until_timer_m),
		TCP(rfc6026_no_ack_of_ours_to_a_2xx),
		UDP(rfc3261_17_1_1_300_is_an_error_and_299_is_not),
		TCP(rfc3261_9_1_cancel_after_the_provisional),
		UDP(rfc3261_9_1_cancel_waits_for_a_provisional),
		UDP(rfc3261_9_1_no_cancel_when_the_final_is_first),
		UDP(rfc3261_9_1_no_cancel_after_the_final),
		TCP(rfc3261_9_1_cancel_crosses_a_200),
		UDP(rfc3261_9_1_cancelled_and_never_answered),
		UDP(rfc3261_9_1_cancel_is_a_transaction),
		UDP(cancel_without_memory),
		UDP(cancel_only_of_an_invite),
		UDP(rfc3261_17_1_2_2_timer_e_and_f),
		UDP(rfc3261_17_1_2_2_proceeding_repeats_at_t2),
		UDP(rfc3261_17_1_2_2_final_after_a_provisional),
		UDP(rfc3261_17_1_2_2_timer_k),
		TCP(rfc3261_17_1_2_2_reliable),
		TCP(rfc3261_17_1_3_branch_and_method_match),
		UDP(parse_17_foreign_branch_is_stray),
		UDP(rfc3261_8_1_3_1_unsent_is_told_later),
		UDP(rfc3261_8_1_3_1_a_repetition_fails),
		UDP(unreachable_ends_the_right_one),
		UDP(unreachable_for_a_repeat_is_no_end),
		UDP(unreachable_after_a_provisional),
		UDP(without_a_user_it_is_still_completed),
		UDP(destination_by_name_is_copied),
		UDP(no_memory_nothing_sent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
