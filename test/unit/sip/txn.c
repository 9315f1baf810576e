/* SPDX-License-Identifier: MIT */
/* The layer: which transaction a message belongs to, where answers go, and what is answered without one. */
#include "tl_world.h"

#define BRANCH "z9hG4bKone"

static void feed(struct tl_world *w, const char *method, const char *branch)
{
	tl_request(w, (struct tl_req){ .method = method, .branch = branch });
}

static void reply(struct tl_world *w, unsigned status)
{
	assert_int_equal(sip_stxn_reply_simple(w->stxn, status, SPAN_EMPTY, SPAN("ours"), SPAN_EMPTY,
					       w->now_us),
			 0);
}

static const char *value_of(struct tl_world *w, const char *name)
{
	static char value[256];
	const char *at = strstr(tl_last(w), name);

	assert_non_null(at);
	at += strlen(name);
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "\n"), at);
	return value;
}

/* ---- matching (RFC 3261 17.2.3) ---- */

static void rfc3261_17_2_3_branch_sent_by_method(void **state)
{
	struct tl_world *w = *state;

	w->answer = 200;
	feed(w, "MESSAGE", BRANCH);
	feed(w, "MESSAGE", BRANCH);
	tl_expect(w, "0 request MESSAGE\n0 send 200 MESSAGE\n0 send 200 MESSAGE\n");
	/* each of the three differs in turn */
	tl_request(w, (struct tl_req){ .method = "MESSAGE", .branch = "z9hG4bKtwo", .cseq = 2 });
	tl_request(w, (struct tl_req){ .method = "OPTIONS", .branch = BRANCH });
	tl_feed(w,
		"MESSAGE sip:bob@example.com SIP/2.0\nVia: SIP/2.0/UDP other.example.com:5071;branch=" BRANCH
		"\nFrom: <sip:alice@example.com>;tag=hers\nTo: <sip:bob@example.com>\n"
		"Call-ID: call-2\nCSeq: 1 MESSAGE\nContent-Length: 0\n\n");
	tl_feed(w,
		"MESSAGE sip:bob@example.com SIP/2.0\nVia: SIP/2.0/UDP client.example.com:5072;branch=" BRANCH
		"\nFrom: <sip:alice@example.com>;tag=hers\nTo: <sip:bob@example.com>\n"
		"Call-ID: call-3\nCSeq: 1 MESSAGE\nContent-Length: 0\n\n");
	tl_expect(w, "0 request MESSAGE\n0 send 200 MESSAGE\n0 request OPTIONS\n0 send 200 OPTIONS\n"
		     "0 request MESSAGE\n0 send 200 MESSAGE\n0 request MESSAGE\n0 send 200 MESSAGE\n");
	assert_int_equal(sip_tl_stats(w->tl)->server, 5);
}

static void rfc3261_17_2_3_sent_by_ignores_case_and_default_port(void **state)
{
	struct tl_world *w = *state;

	w->answer = 200;
	tl_feed(w, "INFO sip:bob@example.com SIP/2.0\nVia: SIP/2.0/UDP client.example.com;branch=" BRANCH
		   "\nFrom: <sip:alice@example.com>;tag=hers\nTo: <sip:bob@example.com>\n"
		   "Call-ID: call-1\nCSeq: 1 INFO\nContent-Length: 0\n\n");
	tl_feed(w, "INFO sip:bob@example.com SIP/2.0\nVia: SIP/2.0/UDP CLIENT.example.com:5060;branch=" BRANCH
		   "\nFrom: <sip:alice@example.com>;tag=hers\nTo: <sip:bob@example.com>\n"
		   "Call-ID: call-1\nCSeq: 1 INFO\nContent-Length: 0\n\n");
	tl_expect(w, "0 request INFO\n0 send 200 INFO\n0 send 200 INFO\n");
}

static void unknown_methods_are_told_apart(void **state)
{
	struct tl_world *w = *state;

	w->answer = 501;
	feed(w, "FROB", BRANCH);
	feed(w, "FROB", BRANCH);
	feed(w, "KNIT", BRANCH);
	tl_expect(w, "0 request FROB\n0 send 501 \n0 send 501 \n0 request KNIT\n0 send 501 \n");
}

static void rfc3261_13_ack_of_a_2xx_has_its_own_branch(void **state)
{
	struct tl_world *w = *state;

	w->answer = 200;
	feed(w, "INVITE", BRANCH);
	tl_request(w, (struct tl_req){ .method = "ACK", .branch = "z9hG4bKack", .to_tag = "ours" });
	tl_expect(w, "0 request INVITE\n0 send 200 INVITE\n0 ack ACK\n");
}

static void an_ack_that_fits_nothing_goes_up_unanswered(void **state)
{
	struct tl_world *w = *state;

	feed(w, "ACK", "z9hG4bKnone");
	tl_expect(w, "0 ack ACK\n");
}

/* ---- RFC 2543 elements ---- */

static const char *const old_branches[] = { NULL, "1", "z9hG4bK" };

static void rfc2543_retransmission_and_ack(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(old_branches); i++) {
		struct tl_world w;
		const char *b = old_branches[i];

		tl_world_make(&w, SIP_UDP, 10);
		w.answer = 486;
		feed(&w, "INVITE", b);
		feed(&w, "INVITE", b);
		tl_request(&w, (struct tl_req){ .method = "ACK", .branch = b, .to_tag = "other" });
		tl_expect(&w, "0 request INVITE\n0 send 486 INVITE\n0 send 486 INVITE\n0 ack ACK\n");
		tl_request(&w, (struct tl_req){ .method = "ACK", .branch = b, .to_tag = "ours" });
		tl_until(&w, 5000);
		tl_expect(&w, "5000 gone INVITE\n");
		tl_world_end(&w);
	}
}

static void rfc2543_everything_must_agree(void **state)
{
	struct tl_world *w = *state;
	const struct tl_req differs[] = {
		{ .ruri = "sip:carol@example.com" },
		{ .to_tag = "x" },
		{ .branch = "2" },
		{ .call_id = "call-2" },
		{ .cseq = 2 },
	};

	w->answer = 486;
	tl_request(w, (struct tl_req){ .method = "INVITE", .branch = "1" });
	tl_expect(w, "0 request INVITE\n0 send 486 INVITE\n");
	for (size_t i = 0; i < ARRAY_LEN(differs); i++) {
		struct tl_req r = differs[i];
		r.method = "CANCEL";
		r.branch = r.branch ? r.branch : "1";
		tl_request(w, r);
		tl_expect(w, "0 send 481 CANCEL\n");
	}
	tl_request(w, (struct tl_req){ .method = "CANCEL", .branch = "1" });
	tl_expect(w, "0 send 200 CANCEL\n");
}

static void rfc2543_ack_of_a_2xx_goes_up(void **state)
{
	struct tl_world *w = *state;

	w->answer = 200;
	feed(w, "INVITE", NULL);
	tl_request(w, (struct tl_req){ .method = "ACK", .to_tag = "ours" });
	tl_expect(w, "0 request INVITE\n0 send 200 INVITE\n0 ack ACK\n");
}

/* ---- merged requests (PARSE-7), retransmissions (PARSE-10) ---- */

static void parse_7_merged_request_482(void **state)
{
	struct tl_world *w = *state;
	char tag[64];

	w->answer = 180;
	feed(w, "INVITE", BRANCH);
	feed(w, "INVITE", "z9hG4bKtwo");
	tl_expect(w, "0 request INVITE\n0 send 180 INVITE\n0 send 482 INVITE\n");
	assert_non_null(strstr(tl_last(w), "SIP/2.0 482 Loop Detected\n"));
	assert_non_null(strstr(tl_last(w), ";branch=z9hG4bKtwo"));
	/* RFC 3261 8.2.7: without state the tag of the repetition is the same */
	snprintf(tag, sizeof(tag), "%s", value_of(w, "To: "));
	assert_non_null(strstr(tag, ";tag="));
	feed(w, "INVITE", "z9hG4bKtwo");
	assert_string_equal(value_of(w, "To: "), tag);
	assert_int_equal(sip_tl_stats(w->tl)->server, 1);
	assert_int_equal(sip_tl_stats(w->tl)->refused, 2);
}

static void parse_7_not_merged(void **state)
{
	struct tl_world *w = *state;
	const struct tl_req differs[] = {
		{ .branch = "z9hG4bK1", .cseq = 2 },
		{ .branch = "z9hG4bK2", .call_id = "call-2" },
		{ .branch = "z9hG4bK3", .to_tag = "x" }, /* in a dialog: PARSE-10's business */
	};

	w->answer = 200;
	feed(w, "UPDATE", BRANCH);
	for (size_t i = 0; i < ARRAY_LEN(differs); i++) {
		struct tl_req r = differs[i];
		r.method = "UPDATE";
		w->diary[w->diary_len = 0] = '\0';
		tl_request(w, r);
		tl_expect(w, "0 request UPDATE\n0 send 200 UPDATE\n");
	}
	/* the same number, but of another method */
	feed(w, "INFO", "z9hG4bK4");
	tl_expect(w, "0 request INFO\n0 send 200 INFO\n");
	/* and when the first is over, it is a new one */
	tl_until(w, 32000);
	w->diary[w->diary_len = 0] = '\0';
	feed(w, "UPDATE", "z9hG4bKtwo");
	tl_expect(w, "32000 request UPDATE\n32000 send 200 UPDATE\n");
}

static void parse_10_retransmission_replays(void **state)
{
	struct tl_world *w = *state;

	tl_request(w, (struct tl_req){ .method = "UPDATE", .branch = BRANCH, .to_tag = "ours", .cseq = 5 });
	reply(w, 488);
	tl_until(w, 20000);
	tl_request(w, (struct tl_req){ .method = "UPDATE", .branch = BRANCH, .to_tag = "ours", .cseq = 5 });
	tl_expect(w, "0 request UPDATE\n0 send 488 UPDATE\n20000 send 488 UPDATE\n");
}

/* ---- CANCEL (PARSE-12) ---- */

static void parse_12_cancel_pending(void **state)
{
	struct tl_world *w = *state;
	char tag[64];

	w->answer = 180;
	feed(w, "INVITE", BRANCH);
	feed(w, "CANCEL", BRANCH);
	tl_expect(w, "0 request INVITE\n0 send 180 INVITE\n0 send 200 CANCEL\n0 cancel of INVITE\n");
	assert_string_equal(value_of(w, "To: "), "<sip:bob@example.com>;tag=ours"); /* RFC 3261 9.2 */
	feed(w, "CANCEL", BRANCH);
	tl_expect(w, "0 send 200 CANCEL\n"); /* told once */
	snprintf(tag, sizeof(tag), "%s", value_of(w, "To: "));
	reply(w, 487);
	feed(w, "CANCEL", BRANCH);
	tl_expect(w, "0 send 487 INVITE\n0 send 200 CANCEL\n");
	assert_string_equal(value_of(w, "To: "), tag);
}

static void parse_12_cancel_before_any_answer(void **state)
{
	struct tl_world *w = *state;
	char tag[64];

	feed(w, "INVITE", BRANCH);
	feed(w, "CANCEL", BRANCH);
	tl_expect(w, "0 request INVITE\n0 send 200 CANCEL\n0 cancel of INVITE\n");
	snprintf(tag, sizeof(tag), "%s", value_of(w, "To: "));
	assert_non_null(strstr(tag, ";tag="));
	feed(w, "CANCEL", BRANCH);
	assert_string_equal(value_of(w, "To: "), tag);
}

static void parse_12_cancel_after_the_final(void **state)
{
	const unsigned finals[] = { 200, 486 };

	for (size_t i = 0; i < ARRAY_LEN(finals); i++) {
		struct tl_world w;

		tl_world_make(&w, SIP_UDP, 10);
		w.answer = finals[i];
		feed(&w, "INVITE", BRANCH);
		w.diary[w.diary_len = 0] = '\0';
		feed(&w, "CANCEL", BRANCH);
		tl_expect(&w, "0 send 200 CANCEL\n");
		tl_world_end(&w);
	}
}

static void parse_12_cancel_without_a_match(void **state)
{
	struct tl_world *w = *state;

	w->answer = 200;
	feed(w, "CANCEL", BRANCH);
	feed(w, "MESSAGE", BRANCH);
	feed(w, "CANCEL", BRANCH);
	tl_expect(w, "0 send 481 CANCEL\n0 request MESSAGE\n0 send 200 MESSAGE\n0 send 481 CANCEL\n");
	assert_int_equal(sip_tl_stats(w->tl)->server, 1);
}

/* ---- where answers go (PARSE-17) ---- */

static void expect_to(struct tl_world *w, const char *via_more, const char *ip_port, uint64_t conn)
{
	static unsigned n;
	char branch[32], text[64];
	struct wbuf b = wbuf_on(text, sizeof(text) - 1);

	snprintf(branch, sizeof(branch), "z9hG4bK%u", ++n);
	tl_request(w, (struct tl_req){ .method = "INFO", .branch = branch, .via_more = via_more, .cseq = n });
	w_addr(&b, &tl_last_sent(w)->to.ip);
	text[b.n] = '\0';
	assert_string_equal(text, ip_port);
	assert_true(tl_last_sent(w)->to.conn == conn);
	assert_int_equal(tl_last_sent(w)->to.tp, w->src.tp);
	/* where there is a maddr there is no second way; else the name in the Via is one (RFC 3263 5) */
	assert_true((tl_last_sent(w)->token == 0) == (strstr(via_more ? via_more : "", "maddr") != NULL));
}

static void parse_17_datagram_answers(void **state)
{
	struct tl_world *w = *state;

	w->answer = 200;
	expect_to(w, "", "192.0.2.9:5071", 0);
	assert_string_equal(value_of(w, "Via: SIP/2.0/UDP client.example.com:5071;branch="),
			    "z9hG4bK1;received=192.0.2.9");
	expect_to(w, ";rport", "192.0.2.9:5070", 0); /* RFC 3581 4 */
	assert_string_equal(value_of(w, "Via: SIP/2.0/UDP client.example.com:5071;branch="),
			    "z9hG4bK2;received=192.0.2.9;rport=5070");
	expect_to(w, ";maddr=198.51.100.1", "198.51.100.1:5071", 0);
	expect_to(w, ";rport;maddr=198.51.100.1", "198.51.100.1:5071", 0);
	expect_to(w, ";received=203.0.113.7", "192.0.2.9:5071", 0); /* what it claims does not count */
}

static void parse_17_maddr_by_name(void **state)
{
	struct tl_world *w = *state;

	tl_request(w,
		   (struct tl_req){ .method = "INFO", .branch = BRANCH, .via_more = ";maddr=m.example.com" });
	reply(w, 200);
	assert_int_equal(tl_last_sent(w)->to.ip.family, 0);
	assert_int_equal(tl_last_sent(w)->to.ip.port, 5071);
	assert_string_equal(tl_last_sent(w)->host, "m.example.com");
}

static void parse_17_default_port(void **state)
{
	struct tl_world *w = *state;

	tl_feed(w, "CANCEL sip:bob@example.com SIP/2.0\nVia: SIP/2.0/UDP client.example.com;branch=" BRANCH
		   "\nFrom: <sip:alice@example.com>;tag=hers\nTo: <sip:bob@example.com>\n"
		   "Call-ID: call-1\nCSeq: 1 CANCEL\nContent-Length: 0\n\n");
	assert_int_equal(tl_last_sent(w)->to.ip.port, 5060);
}

static void parse_17_stream_answers(void **state)
{
	struct tl_world *w = *state;

	w->answer = 200;
	expect_to(w, "", "192.0.2.9:5071", 7);
	expect_to(w, ";rport", "192.0.2.9:5071", 7);
	expect_to(w, ";maddr=198.51.100.1", "192.0.2.9:5071", 7);
	w->answer = 486;
	w->src.conn = 8; /* the old one broke, the request came again over this */
	tl_request(w, (struct tl_req){ .method = "INVITE", .branch = BRANCH });
	w->src.conn = 9;
	tl_request(w, (struct tl_req){ .method = "INVITE", .branch = BRANCH });
	assert_true(tl_last_sent(w)->to.conn == 9);
}

static void parse_17_tls_default_port(void **state)
{
	struct tl_world w;

	tl_world_make(&w, SIP_TLS, 10);
	tl_feed(&w, "CANCEL sip:bob@example.com SIP/2.0\nVia: SIP/2.0/TLS client.example.com;branch=" BRANCH
		    "\nFrom: <sip:alice@example.com>;tag=hers\nTo: <sip:bob@example.com>\n"
		    "Call-ID: call-1\nCSeq: 1 CANCEL\nContent-Length: 0\n\n");
	assert_int_equal(tl_last_sent(&w)->to.ip.port, 5061);
	assert_true(tl_last_sent(&w)->to.conn == 7);
	tl_world_end(&w);
}

/* ---- refusing (PARSE-2, PARSE-18) ---- */

static void parse_2_refuse_keeps_no_state(void **state)
{
	struct tl_world *w = *state;
	struct sip_msg m;
	struct span bad = SPAN("INVITE sip:b@example.com SIP/7.0\r\n"
			       "Via: SIP/2.0/UDP c.example.com;branch=z9hG4bKv\r\nFrom: <sip:a@b>;tag=1\r\n"
			       "To: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n");
	struct span ack = SPAN("ACK sip:b@example.com SIP/2.0\r\n"
			       "Via: SIP/2.0/UDP c.example.com;branch=z9hG4bKv\r\nFrom: <sip:a@b>;tag=1\r\n"
			       "To: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n");

	assert_int_equal(sip_msg_parse(&m, bad, false), 505);
	sip_tl_refuse(w->tl, &m, &w->src, 505, SPAN("No Such Version"));
	assert_non_null(strstr(tl_last(w), "SIP/2.0 505 No Such Version\n"));
	assert_non_null(strstr(tl_last(w), "\nTo: <sip:c@d>;tag="));
	assert_int_equal(sip_tl_stats(w->tl)->server, 0);
	w->diary[w->diary_len = 0] = '\0';
	assert_int_equal(sip_msg_parse(&m, ack, false), 0);
	sip_tl_refuse(w->tl, &m, &w->src, 400, SPAN_EMPTY);
	tl_expect(w, "");
}

static void fill(struct tl_world *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char branch[32];
		snprintf(branch, sizeof(branch), "z9hG4bKfill%u", i);
		tl_request(w, (struct tl_req){ .method = "INVITE", .branch = branch, .cseq = i + 100 });
	}
	w->diary[w->diary_len = 0] = '\0';
}

static void parse_18_over_the_limit(void **state)
{
	struct tl_world w;

	tl_world_make(&w, SIP_UDP, 3);
	fill(&w, 3);
	feed(&w, "INVITE", BRANCH);
	tl_expect(&w, "0 send 503 INVITE\n");
	assert_in_range(atoi(value_of(&w, "Retry-After: ")), 1, 10);
	tl_request(&w, (struct tl_req){ .method = "INVITE", .branch = BRANCH, .to_tag = "ours" });
	tl_expect(&w, "0 send 500 INVITE\n");
	assert_in_range(atoi(value_of(&w, "Retry-After: ")), 1, 10);
	tl_request(&w, (struct tl_req){ .method = "ACK", .branch = "z9hG4bKa", .to_tag = "ours" });
	tl_request(&w, (struct tl_req){ .method = "CANCEL", .branch = "z9hG4bKfill1", .cseq = 101 });
	tl_expect(&w, "0 ack ACK\n0 send 200 CANCEL\n0 cancel of INVITE\n");
	/* a retransmission of what was let in is served */
	tl_request(&w, (struct tl_req){ .method = "INVITE", .branch = "z9hG4bKfill1", .cseq = 101 });
	tl_expect(&w, "");
	assert_int_equal(sip_tl_stats(w.tl)->refused, 2);
	tl_world_end(&w);
}

static void parse_18_bye_and_prack_up_to_twice(void **state)
{
	struct tl_world w;

	tl_world_make(&w, SIP_UDP, 2);
	fill(&w, 2);
	tl_request(&w, (struct tl_req){ .method = "BYE", .branch = "z9hG4bK1", .to_tag = "ours" });
	tl_request(&w,
		   (struct tl_req){ .method = "PRACK", .branch = "z9hG4bK2", .to_tag = "ours", .cseq = 2 });
	tl_request(&w, (struct tl_req){ .method = "BYE", .branch = "z9hG4bK3", .to_tag = "ours", .cseq = 3 });
	tl_expect(&w, "0 request BYE\n0 request PRACK\n0 send 500 BYE\n");
	assert_null(tl_start(&w, SIP_BYE));
	tl_world_end(&w);
}

static void limit_leaves_room_for_our_own(void **state)
{
	struct tl_world w;

	tl_world_make(&w, SIP_UDP, 2);
	fill(&w, 2);
	assert_non_null(tl_start(&w, SIP_UPDATE));
	assert_non_null(tl_start(&w, SIP_UPDATE));
	assert_null(tl_start(&w, SIP_UPDATE));
	tl_expect(&w, "0 send UPDATE\n0 send UPDATE\n");
	tl_world_end(&w);
}

static void rfc3261_9_2_cancel_carries_the_tag_of_the_answer_to_come(void **state)
{
	struct tl_world *w = *state;

	feed(w, "INVITE", BRANCH);
	sip_stxn_set_tag(w->stxn, SPAN("ours-to-be"));
	feed(w, "CANCEL", BRANCH);
	assert_non_null(strstr(tl_last_of(w, "SIP/2.0 200"), ";tag=ours-to-be\n"));
}

/* What is answered waits for nobody: it does not count, and only so much of it is kept. */
static void parse_18_answered_ones_do_not_count(void **state)
{
	struct tl_world w;

	tl_world_make(&w, SIP_UDP, 2);
	for (unsigned i = 0; i < 12; i++) {
		char branch[32];
		snprintf(branch, sizeof(branch), "z9hG4bKu%u", i);
		tl_request(&w,
			   (struct tl_req){
				   .method = "UPDATE", .branch = branch, .to_tag = "ours", .cseq = i + 1 });
		sip_stxn_reply_simple(w.stxn, 200, SPAN_EMPTY, SPAN_EMPTY, SPAN_EMPTY, w.now_us);
		tl_expect(&w, "0 request UPDATE\n0 send 200 UPDATE\n");
	}
	assert_int_equal(sip_tl_stats(w.tl)->open, 0);
	tl_until(&w, 1);
	tl_expect(&w, "0 gone UPDATE\n0 gone UPDATE\n0 gone UPDATE\n0 gone UPDATE\n");
	assert_int_equal(sip_tl_stats(w.tl)->server, 8); /* four times the limit */
	/* the youngest still repeat their answer, the oldest is forgotten */
	tl_request(&w, (struct tl_req){
			       .method = "UPDATE", .branch = "z9hG4bKu11", .to_tag = "ours", .cseq = 12 });
	tl_request(&w,
		   (struct tl_req){ .method = "UPDATE", .branch = "z9hG4bKu0", .to_tag = "ours", .cseq = 1 });
	tl_expect(&w, "1 send 200 UPDATE\n1 request UPDATE\n");
	tl_world_end(&w);
}

static void no_memory_for_a_request(void **state)
{
	struct tl_world *w = *state;

	/* the test's own two come first: the raw text and its exact copy */
	for (unsigned n = 2; n < 4; n++) {
		oom_fail_after(n);
		feed(w, "INVITE", BRANCH);
		assert_true(oom_end());
		tl_expect(w, "0 send 503 INVITE\n");
		assert_int_equal(sip_tl_stats(w->tl)->server, 0);
	}
	feed(w, "INVITE", BRANCH);
	tl_expect(w, "0 request INVITE\n");
}

static void no_memory_for_the_layer(void **state)
{
	struct tl_world w;
	unsigned n = 0;

	for (;; n++) {
		oom_fail_after(n);
		tl_world_make(&w, SIP_UDP, 10);
		if (!oom_end())
			break;
		assert_null(w.tl);
	}
	assert_int_equal(n, 4); /* itself and three tables */
	tl_world_end(&w);
}

/* ---- the rest ---- */

static void rfc3261_8_1_1_7_branches(void **state)
{
	struct tl_world *w = *state;
	char bufs[200][40];

	memset(bufs, 'x', sizeof(bufs));
	for (size_t i = 0; i < ARRAY_LEN(bufs); i++) {
		struct span b = sip_tl_branch(w->tl, bufs[i]);
		assert_int_equal(b.n, 7 + 16);
		assert_int_equal(strlen(bufs[i]), b.n);
		assert_true(span_starts(b, SPAN("z9hG4bK")));
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(bufs[i], bufs[j], b.n);
	}
}

static void destroy_in_the_middle(void **state)
{
	struct tl_world *w = *state;

	fill(w, 20);
	reply(w, 200);
	for (int i = 0; i < 20; i++)
		sip_ctxn_cancel(tl_start(w, SIP_INVITE), SPAN("Reason: x\r\n"), w->now_us);
	tl_until(w, 300);
	sip_tl_destroy(NULL);
}

int main(void)
{
#define UDP(f) cmocka_unit_test_setup_teardown(f, tl_setup_udp, tl_teardown)
#define TCP(f) cmocka_unit_test_setup_teardown(f, tl_setup_tcp, tl_teardown)
	const struct CMUnitTest tests[] = {
		UDP(rfc3261_17_2_3_branch_sent_by_method),
		UDP(rfc3261_17_2_3_sent_by_ignores_case_and_default_port),
		UDP(unknown_methods_are_told_apart),
		UDP(rfc3261_13_ack_of_a_2xx_has_its_own_branch),
		UDP(an_ack_that_fits_nothing_goes_up_unanswered),
		cmocka_unit_test(rfc2543_retransmission_and_ack),
		UDP(rfc2543_everything_must_agree),
		UDP(rfc2543_ack_of_a_2xx_goes_up),
		UDP(parse_7_merged_request_482),
		UDP(parse_7_not_merged),
		UDP(parse_10_retransmission_replays),
		UDP(parse_12_cancel_pending),
		UDP(parse_12_cancel_before_any_answer),
		cmocka_unit_test(parse_12_cancel_after_the_final),
		UDP(parse_12_cancel_without_a_match),
		UDP(parse_17_datagram_answers),
		UDP(parse_17_maddr_by_name),
		UDP(parse_17_default_port),
		TCP(parse_17_stream_answers),
		cmocka_unit_test(parse_17_tls_default_port),
		UDP(parse_2_refuse_keeps_no_state),
		cmocka_unit_test(parse_18_over_the_limit),
		cmocka_unit_test(parse_18_bye_and_prack_up_to_twice),
		cmocka_unit_test(limit_leaves_room_for_our_own),
		cmocka_unit_test(parse_18_answered_ones_do_not_count),
		UDP(rfc3261_9_2_cancel_carries_the_tag_of_the_answer_to_come),
		UDP(no_memory_for_a_request),
		cmocka_unit_test(no_memory_for_the_layer),
		UDP(rfc3261_8_1_1_7_branches),
		UDP(destroy_in_the_middle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
