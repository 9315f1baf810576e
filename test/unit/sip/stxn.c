/* SPDX-License-Identifier: MIT */
/* Server transactions: every state and timer, to the millisecond. */
#include "tl_world.h"

#define BRANCH "z9hG4bKone"

static void feed(struct tl_world *w, const char *method)
{
	tl_request(w, (struct tl_req){ .method = method, .branch = BRANCH });
}

static void reply(struct tl_world *w, unsigned status)
{
	assert_int_equal(sip_stxn_reply_simple(w->stxn, status, SPAN_EMPTY, SPAN("ours"), SPAN_EMPTY,
					       w->now_us),
			 0);
}

static void ack(struct tl_world *w)
{
	tl_request(w, (struct tl_req){ .method = "ACK", .branch = BRANCH, .to_tag = "ours" });
}

/* ---- INVITE ---- */

static void rfc3261_17_2_1_100_after_200_ms(void **state)
{
	struct tl_world *w = *state;

	feed(w, "INVITE");
	tl_until(w, 199);
	feed(w, "INVITE"); /* nothing to replay yet */
	tl_expect(w, "0 request INVITE\n");
	tl_until(w, 1000);
	tl_expect(w, "200 send 100 INVITE\n");
	feed(w, "INVITE");
	tl_expect(w, "1000 send 100 INVITE\n");
	assert_int_equal(sip_stxn_status(w->stxn), 100);
}

static void rfc3261_17_2_1_no_100_when_the_tu_spoke(void **state)
{
	struct tl_world *w = *state;

	feed(w, "INVITE");
	reply(w, 180);
	tl_until(w, 100000);
	tl_expect(w, "0 request INVITE\n0 send 180 INVITE\n");
	feed(w, "INVITE");
	tl_expect(w, "100000 send 180 INVITE\n");
	reply(w, 183);
	feed(w, "INVITE");
	tl_expect(w, "100000 send 183 INVITE\n100000 send 183 INVITE\n");
}

static void rfc3261_17_2_1_timer_g_and_h(void **state)
{
	struct tl_world *w = *state;

	feed(w, "INVITE");
	reply(w, 486);
	tl_until(w, 40000);
	tl_expect(
		w,
		"0 request INVITE\n0 send 486 INVITE\n500 send 486 INVITE\n1500 send 486 INVITE\n"
		"3500 send 486 INVITE\n7500 send 486 INVITE\n11500 send 486 INVITE\n15500 send 486 INVITE\n"
		"19500 send 486 INVITE\n23500 send 486 INVITE\n27500 send 486 INVITE\n31500 send 486 INVITE\n"
		"32000 gone INVITE\n");
	assert_int_equal(sip_tl_stats(w->tl)->server, 0);
	assert_int_equal(sip_tl_stats(w->tl)->retrans_out, 10);
}

static void rfc3261_17_2_1_ack_confirms_and_timer_i(void **state)
{
	struct tl_world *w = *state;

	feed(w, "INVITE");
	reply(w, 486);
	tl_until(w, 600);
	ack(w);
	tl_until(w, 2000);
	ack(w);            /* absorbed */
	feed(w, "INVITE"); /* absorbed, not answered */
	tl_until(w, 10000);
	tl_expect(w, "0 request INVITE\n0 send 486 INVITE\n500 send 486 INVITE\n5600 gone INVITE\n");
}

static void rfc3261_17_2_1_retransmitted_invite_gets_the_final_again(void **state)
{
	struct tl_world *w = *state;
	char *first;

	feed(w, "INVITE");
	reply(w, 486);
	first = strdup(tl_last(w));
	tl_until(w, 100);
	feed(w, "INVITE");
	tl_expect(w, "0 request INVITE\n0 send 486 INVITE\n100 send 486 INVITE\n");
	assert_string_equal(tl_last(w), first);
	assert_int_equal(sip_tl_stats(w->tl)->retrans_in, 1);
	free(first);
}

static void rfc3261_17_2_1_reliable_has_no_g_and_no_i(void **state)
{
	struct tl_world *w = *state;

	feed(w, "INVITE");
	reply(w, 486);
	tl_until(w, 5000);
	ack(w);
	tl_until(w, 5001);
	tl_expect(w, "0 request INVITE\n0 send 486 INVITE\n5000 gone INVITE\n");
}

static void rfc3261_17_2_1_reliable_timer_h(void **state)
{
	struct tl_world *w = *state;

	feed(w, "INVITE");
	reply(w, 486);
	tl_until(w, 31999);
	tl_expect(w, "0 request INVITE\n0 send 486 INVITE\n");
	tl_until(w, 32000);
	tl_expect(w, "32000 gone INVITE\n");
}

static void accepted_until_no_ack(struct tl_world *w)
{
	feed(w, "INVITE");
	reply(w, 200);
	tl_until(w, 40000);
	tl_expect(
		w,
		"0 request INVITE\n0 send 200 INVITE\n500 send 200 INVITE\n1500 send 200 INVITE\n"
		"3500 send 200 INVITE\n7500 send 200 INVITE\n11500 send 200 INVITE\n15500 send 200 INVITE\n"
		"19500 send 200 INVITE\n23500 send 200 INVITE\n27500 send 200 INVITE\n31500 send 200 INVITE\n"
		"32000 no ack for INVITE\n32000 gone INVITE\n");
}

static void rfc3261_13_3_1_4_2xx_repeated_until_no_ack(void **state)
{
	accepted_until_no_ack(*state);
}

static void rfc3261_13_3_1_4_2xx_repeated_on_tcp_too(void **state)
{
	accepted_until_no_ack(*state);
}

static void rfc6026_acked_stops_the_2xx_and_timer_l_absorbs(void **state)
{
	struct tl_world *w = *state;

	feed(w, "INVITE");
	reply(w, 200);
	tl_until(w, 700);
	sip_stxn_acked(w->stxn, w->now_us);
	sip_stxn_acked(w->stxn, w->now_us);
	tl_until(w, 1000);
	feed(w, "INVITE"); /* absorbed */
	tl_until(w, 31999);
	tl_expect(w, "0 request INVITE\n0 send 200 INVITE\n500 send 200 INVITE\n");
	tl_until(w, 32000);
	tl_expect(w, "32000 gone INVITE\n");
}

static void rfc6026_ack_on_the_invites_branch_goes_to_the_tu(void **state)
{
	struct tl_world *w = *state;

	feed(w, "INVITE");
	reply(w, 200);
	ack(w);
	tl_expect(w, "0 request INVITE\n0 send 200 INVITE\n0 ack ACK\n");
}

static void rfc3261_17_2_1_ack_before_the_final_is_nothing(void **state)
{
	struct tl_world *w = *state;

	feed(w, "INVITE");
	reply(w, 180);
	ack(w);
	tl_expect(w, "0 request INVITE\n0 send 180 INVITE\n");
}

static void rfc3261_17_2_one_final_only(void **state)
{
	struct tl_world *w = *state;

	feed(w, "INVITE");
	reply(w, 486);
	reply(w, 200);
	reply(w, 180);
	tl_expect(w, "0 request INVITE\n0 send 486 INVITE\n");
	assert_int_equal(sip_stxn_status(w->stxn), 486);
	sip_stxn_acked(w->stxn, w->now_us); /* fits no error */
	tl_until(w, 500);
	tl_expect(w, "500 send 486 INVITE\n");
}

static void rfc3261_17_2_1_every_error_awaits_its_ack(void **state)
{
	static const unsigned finals[] = { 300, 399, 400, 503, 699 };

	for (size_t i = 0; i < ARRAY_LEN(finals); i++) {
		struct tl_world w;
		char want[128];

		tl_world_make(&w, SIP_UDP, 10);
		feed(&w, "INVITE");
		reply(&w, finals[i]);
		tl_until(&w, 600);
		ack(&w);
		tl_until(&w, 10000);
		snprintf(want, sizeof(want),
			 "0 request INVITE\n0 send %u INVITE\n500 send %u INVITE\n5600 gone INVITE\n",
			 finals[i], finals[i]);
		tl_expect(&w, want);
		tl_world_end(&w);
	}
}

static void rfc6026_299_is_an_acceptance(void **state)
{
	struct tl_world *w = *state;

	feed(w, "INVITE");
	reply(w, 299);
	ack(w);
	tl_until(w, 500);
	tl_expect(w, "0 request INVITE\n0 send 299 INVITE\n0 ack ACK\n500 send 299 INVITE\n");
}

static void invite_waits_for_the_tu(void **state)
{
	struct tl_world *w = *state;

	feed(w, "INVITE");
	reply(w, 180);
	tl_until(w, 600000);
	reply(w, 200);
	tl_expect(w, "0 request INVITE\n0 send 180 INVITE\n600000 send 200 INVITE\n");
}

/* ---- the others ---- */

static void rfc3261_17_2_2_timer_j(void **state)
{
	struct tl_world *w = *state;

	feed(w, "MESSAGE");
	feed(w, "MESSAGE"); /* Trying: discarded */
	reply(w, 200);
	tl_until(w, 31000);
	feed(w, "MESSAGE");
	tl_until(w, 31999);
	tl_expect(w, "0 request MESSAGE\n0 send 200 MESSAGE\n31000 send 200 MESSAGE\n");
	tl_until(w, 32000);
	tl_expect(w, "32000 gone MESSAGE\n");
}

/* Answered, only what tells it from others is kept; the answer still goes where it went. */
static void answered_request_is_kept_small(void **state)
{
	struct tl_world *w = *state;
	struct tl_req update = { .method = "UPDATE", .branch = "z9hG4bKa", .to_tag = "ours" };
	struct sip_dest first;

	tl_request(w, update);
	reply(w, 200);
	assert_true(sip_stxn_request(w->stxn)->raw.n > 0);
	first = tl_last_sent(w)->to;
	tl_until(w, 1);
	assert_int_equal(sip_stxn_request(w->stxn)->raw.n, 0);
	tl_request(w, update);
	tl_expect(w, "0 request UPDATE\n0 send 200 UPDATE\n1 send 200 UPDATE\n");
	assert_true(addr_eq(&first.ip, &tl_last_sent(w)->to.ip));
}

static void rfc3261_17_2_2_reliable_timer_j_is_zero(void **state)
{
	struct tl_world *w = *state;

	feed(w, "MESSAGE");
	reply(w, 200);
	/* Not from inside: the caller holds the pointer. */
	assert_non_null(w->stxn);
	tl_until(w, 0);
	tl_expect(w, "0 request MESSAGE\n0 send 200 MESSAGE\n0 gone MESSAGE\n");
}

static void rfc3261_17_2_2_proceeding_replays_the_100(void **state)
{
	struct tl_world *w = *state;

	feed(w, "UPDATE");
	tl_until(w, 3500);
	reply(w, 100);
	feed(w, "UPDATE");
	tl_until(w, 5000);
	reply(w, 200);
	tl_until(w, 40000);
	tl_expect(w, "0 request UPDATE\n3500 send 100 UPDATE\n3500 send 100 UPDATE\n5000 send 200 UPDATE\n"
		     "37000 gone UPDATE\n");
}

static void rfc3261_17_2_2_one_final_only(void **state)
{
	struct tl_world *w = *state;

	feed(w, "UPDATE");
	reply(w, 488);
	reply(w, 200);
	reply(w, 100);
	feed(w, "UPDATE");
	tl_expect(w, "0 request UPDATE\n0 send 488 UPDATE\n0 send 488 UPDATE\n");
	assert_int_equal(sip_stxn_status(w->stxn), 488);
}

static void rfc4320_4_2_a_late_final_is_dropped(void **state)
{
	struct tl_world *w = *state;

	w->answer_when_gone = 200;
	feed(w, "UPDATE");
	tl_until(w, 40000);
	tl_expect(w, "0 request UPDATE\n32000 gone UPDATE\n");
}

static void rfc4320_no_100_of_our_own(void **state)
{
	struct tl_world *w = *state;

	feed(w, "UPDATE");
	tl_until(w, 31999);
	tl_expect(w, "0 request UPDATE\n");
}

static void rfc4320_4_2_never_answered_is_forgotten(void **state)
{
	struct tl_world *w = *state;

	feed(w, "UPDATE");
	tl_until(w, 60000);
	tl_expect(w, "0 request UPDATE\n32000 gone UPDATE\n");
	assert_int_equal(sip_tl_stats(w->tl)->server, 0);
}

static void rfc4320_4_2_no_408_and_no_180(void **state)
{
	struct tl_world *w = *state;

	feed(w, "UPDATE");
	reply(w, 180);
	reply(w, 408);
	assert_int_equal(sip_stxn_status(w->stxn), 0);
	reply(w, 504);
	tl_expect(w, "0 request UPDATE\n0 send 504 UPDATE\n");
}

static void rfc3261_17_2_2_same_bytes_as_given(void **state)
{
	struct tl_world *w = *state;
	static const char answer[] = "SIP/2.0 200 Fine\r\n"
				     "Via: SIP/2.0/UDP client.example.com:5071;branch=" BRANCH "\r\n"
				     "From: <sip:alice@example.com>;tag=hers\r\n"
				     "To: <sip:bob@example.com>;tag=ours\r\n"
				     "Call-ID: call-1\r\nCSeq: 1 INFO\r\n"
				     "Content-Length: 4\r\n\r\nbody";
	char *copy = strdup(answer);

	feed(w, "INFO");
	assert_int_equal(sip_stxn_reply(w->stxn, 200, span_of(copy), w->now_us), 0);
	free(copy);
	feed(w, "INFO");
	assert_int_equal(tl_last_sent(w)->n, sizeof(answer) - 1);
	assert_memory_equal(tl_last_sent(w)->bytes, answer, sizeof(answer) - 1);
}

static void reply_simple_writes_extra_lines(void **state)
{
	struct tl_world *w = *state;

	feed(w, "UPDATE");
	sip_stxn_reply_simple(w->stxn, 500, SPAN("Busy Here Now"), SPAN("ours"), SPAN("Retry-After: 3\r\n"),
			      w->now_us);
	assert_non_null(strstr(tl_last(w), "SIP/2.0 500 Busy Here Now\n"));
	assert_non_null(strstr(tl_last(w), "\nTo: <sip:bob@example.com>;tag=ours\n"));
	assert_non_null(strstr(tl_last(w), "\nRetry-After: 3\n"));
	assert_non_null(strstr(tl_last(w), "\nCSeq: 1 UPDATE\n"));
}

static void user_pointer_and_source(void **state)
{
	struct tl_world *w = *state;
	int user;

	feed(w, "INVITE");
	assert_null(sip_stxn_user(w->stxn));
	sip_stxn_set_user(w->stxn, &user);
	assert_ptr_equal(sip_stxn_user(w->stxn), &user);
	sip_stxn_set_user(w->stxn, NULL);
	assert_null(sip_stxn_user(w->stxn));
	assert_true(addr_eq(&sip_stxn_src(w->stxn)->ip, &w->src.ip));
}

/* ---- memory ---- */

static void answer_sent_though_it_cannot_be_kept(void **state)
{
	struct tl_world *w = *state;

	feed(w, "INVITE");
	reply(w, 180);
	oom_fail_after(0);
	assert_int_equal(sip_stxn_reply_simple(w->stxn, 486, SPAN_EMPTY, SPAN("ours"), SPAN_EMPTY, w->now_us),
			 -ENOMEM);
	tl_until(w, 1000);
	feed(w, "INVITE"); /* the 180 must not come back after the 486 */
	ack(w);
	tl_until(w, 10000);
	tl_expect(w, "0 request INVITE\n0 send 180 INVITE\n0 send 486 INVITE\n6000 gone INVITE\n");
}

static void send_failures_are_lost_datagrams(void **state)
{
	struct tl_world *w = *state;

	feed(w, "INVITE");
	w->send_result = -ENETUNREACH;
	reply(w, 486);
	w->send_result = 0;
	tl_until(w, 500);
	/* there, and by the name in the Via */
	tl_expect(w, "0 request INVITE\n0 fails 486 INVITE\n0 fails 486 INVITE\n500 send 486 INVITE\n");
}

/* RFC 3261 18.2.2: nobody is where the request came from: RFC 3263 5, from there on, and not a third time. */
static void rfc3263_5_an_answer_goes_by_the_name_in_the_via(void **state)
{
	struct tl_world *w = *state;
	uint64_t token;

	feed(w, "INVITE");
	reply(w, 486);
	assert_int_equal(tl_last_sent(w)->to.ip.family, 4);
	token = tl_last_sent(w)->token;
	assert_true(token != 0);
	sip_tl_unreachable(w->tl, token, w->now_us);
	tl_expect(w, "0 request INVITE\n0 send 486 INVITE\n0 send 486 INVITE\n");
	assert_int_equal(tl_last_sent(w)->to.ip.family, 0);
	assert_int_equal(tl_last_sent(w)->to.ip.port, 5071);
	assert_string_equal(tl_last_sent(w)->host, "client.example.com");
	assert_false(tl_last_sent(w)->to.any_port); /* a port is said: no SRV */
	assert_true(tl_last_sent(w)->token == 0);
	sip_tl_unreachable(w->tl, token, w->now_us);
	tl_until(w, 500);
	tl_expect(w, "500 send 486 INVITE\n");
	assert_string_equal(tl_last_sent(w)->host, "client.example.com");
	ack(w);
	sip_tl_unreachable(w->tl, token, w->now_us);
	tl_expect(w, "");
}

static void from_via(struct tl_world *w, const char *sent_by)
{
	char text[600];

	snprintf(text, sizeof(text),
		 "OPTIONS sip:a@b SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bKx%zu\nMax-Forwards: 70\n"
		 "From: <sip:a@b>;tag=1\nTo: <sip:c@d>\nCall-ID: %s\nCSeq: 1 OPTIONS\nContent-Length: 0\n\n",
		 sent_by, strlen(sent_by), sent_by);
	tl_feed(w, text);
	reply(w, 200);
}

static void rfc3263_5_srv_where_the_via_says_no_port(void **state)
{
	static const char *const address[] = { "192.0.2.9", "192.0.2.9:5070", "[2001:db8::1]:5070",
					       "192.0.2.9;maddr=m.example.com" };
	struct tl_world *w = *state;

	from_via(w, "1and1.example");
	assert_true(tl_last_sent(w)->token != 0);
	tl_until(w, 100); /* all of it but its Via is forgotten by now */
	sip_tl_unreachable(w->tl, tl_last_sent(w)->token, w->now_us);
	assert_string_equal(tl_last_sent(w)->host, "1and1.example");
	assert_true(tl_last_sent(w)->to.any_port && !tl_last_sent(w)->to.any_tp);
	assert_int_equal(tl_last_sent(w)->to.ip.port, 5060);
	for (size_t i = 0; i < ARRAY_LEN(address); i++) {
		from_via(w, address[i]);
		assert_true(tl_last_sent(w)->token == 0); /* there is nowhere else */
	}
}

int main(void)
{
#define UDP(f) cmocka_unit_test_setup_teardown(f, tl_setup_udp, tl_teardown)
#define TCP(f) cmocka_unit_test_setup_teardown(f, tl_setup_tcp, tl_teardown)
	const struct CMUnitTest tests[] = {
		UDP(rfc3261_17_2_1_100_after_200_ms),
		UDP(rfc3261_17_2_1_no_100_when_the_tu_spoke),
		UDP(rfc3261_17_2_1_timer_g_and_h),
		UDP(rfc3261_17_2_1_ack_confirms_and_timer_i),
		UDP(rfc3261_17_2_1_retransmitted_invite_gets_the_final_again),
		TCP(rfc3261_17_2_1_reliable_has_no_g_and_no_i),
		TCP(rfc3261_17_2_1_reliable_timer_h),
		UDP(rfc3261_13_3_1_4_2xx_repeated_until_no_ack),
		TCP(rfc3261_13_3_1_4_2xx_repeated_on_tcp_too),
		UDP(rfc6026_acked_stops_the_2xx_and_timer_l_absorbs),
		UDP(rfc6026_ack_on_the_invites_branch_goes_to_the_tu),
		UDP(rfc3261_17_2_1_ack_before_the_final_is_nothing),
		UDP(rfc3261_17_2_one_final_only),
		cmocka_unit_test(rfc3261_17_2_1_every_error_awaits_its_ack),
		UDP(rfc6026_299_is_an_acceptance),
		UDP(invite_waits_for_the_tu),
		UDP(rfc3261_17_2_2_timer_j),
		UDP(answered_request_is_kept_small),
		TCP(rfc3261_17_2_2_reliable_timer_j_is_zero),
		UDP(rfc3261_17_2_2_proceeding_replays_the_100),
		UDP(rfc3261_17_2_2_one_final_only),
		TCP(rfc4320_no_100_of_our_own),
		UDP(rfc4320_4_2_a_late_final_is_dropped),
		UDP(rfc4320_4_2_never_answered_is_forgotten),
		UDP(rfc4320_4_2_no_408_and_no_180),
		UDP(rfc3261_17_2_2_same_bytes_as_given),
		UDP(reply_simple_writes_extra_lines),
		UDP(user_pointer_and_source),
		UDP(answer_sent_though_it_cannot_be_kept),
		UDP(send_failures_are_lost_datagrams),
		UDP(rfc3263_5_an_answer_goes_by_the_name_in_the_via),
		UDP(rfc3263_5_srv_where_the_via_says_no_port),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
