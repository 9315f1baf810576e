/* SPDX-License-Identifier: MIT */
/* Dialogs: how they begin, what they write, what they learn. */
#include "tl_world.h"

#include "sip/dialog.h"

#define INVITE_HEAD                                                 \
	"INVITE sip:bob@example.com SIP/2.0\r\n"                    \
	"Via: SIP/2.0/UDP pc.example.com;branch=z9hG4bKi\r\n"       \
	"From: \"Alice\" <sip:alice@example.com>;tag=alice-tag\r\n" \
	"To: <sip:bob@example.com>\r\nCall-ID: call-1@pc\r\nCSeq: 42 INVITE\r\n"
#define RESP_HEAD(status)                                           \
	"SIP/2.0 " status " Reason\r\n"                             \
	"Via: SIP/2.0/UDP pc.example.com;branch=z9hG4bKi\r\n"       \
	"From: \"Alice\" <sip:alice@example.com>;tag=alice-tag\r\n" \
	"To: Bob <sip:bob@example.com>;tag=bob-tag\r\nCall-ID: call-1@pc\r\nCSeq: 42 INVITE\r\n"
#define CONTACT "Contact: <sip:alice@192.0.2.4:5062;transport=tcp>\r\n"
#define END "Content-Length: 0\r\n\r\n"

/* Parsed from a copy that is gone when the next one is made: what a dialog keeps must be its own. */
static const struct sip_msg *msg(const char *text)
{
	static struct sip_msg m[4];
	static char *copy[4];
	static unsigned at;

	at = (at + 1) % 4;
	free(copy[at]);
	copy[at] = text ? strdup(text) : NULL;
	if (!text)
		return NULL;
	assert_non_null(copy[at]);
	assert_int_equal(sip_msg_parse(&m[at], span_of(copy[at]), false), 0);
	return &m[at];
}

static int forget(void **state)
{
	for (int i = 0; i < 4; i++)
		msg(NULL);
	return 0;
}

static void uas(struct sip_dialog *d, const char *more)
{
	char text[4096];
	snprintf(text, sizeof(text), INVITE_HEAD "%s" END, more);
	assert_int_equal(sip_dialog_uas(d, msg(text), SPAN("our-tag")), 0);
	forget(NULL);
}

static void uac(struct sip_dialog *d, const char *more)
{
	char text[4096];
	snprintf(text, sizeof(text), RESP_HEAD("200") "%s" END, more);
	assert_int_equal(sip_dialog_uac(d, msg(INVITE_HEAD END), msg(text)), 0);
	forget(NULL);
}

static const char *request(struct sip_dialog *d, enum sip_method method, uint32_t cseq)
{
	static char text[4096];
	struct wbuf w = wbuf_on(text, sizeof(text) - 1);

	sip_dialog_request(d, &w, method, cseq, 69, SIP_TCP, SPAN("us.example.net:5060"), SPAN("z9hG4bKb"));
	assert_true(w_ok(&w));
	text[w.n] = '\0';
	return text;
}

#define expect_span(s, text)                             \
	do {                                             \
		assert_int_equal((s).n, strlen(text));   \
		assert_memory_equal((s).p, text, (s).n); \
	} while (0)

/* ---- beginning ---- */

static void rfc3261_12_1_1_uas(void **state)
{
	struct sip_dialog d;

	uas(&d, CONTACT "Record-Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>\r\n"
			"Record-Route: <sip:p3.example.com;lr>;x=1\r\n");
	assert_false(d.call_id_ours);
	assert_false(d.secure);
	assert_string_equal(request(&d, SIP_BYE, 0),
			    "BYE sip:alice@192.0.2.4:5062;transport=tcp SIP/2.0\r\n"
			    "Via: SIP/2.0/TCP us.example.net:5060;branch=z9hG4bKb\r\n"
			    "Max-Forwards: 69\r\n"
			    "Route: <sip:p1.example.com;lr>\r\n"
			    "Route: <sip:p2.example.com;lr>\r\n"
			    "Route: <sip:p3.example.com;lr>;x=1\r\n"
			    "From: <sip:bob@example.com>;tag=our-tag\r\n"
			    "To: \"Alice\" <sip:alice@example.com>;tag=alice-tag\r\n"
			    "Call-ID: call-1@pc\r\n"
			    "CSeq: 1 BYE\r\n");
	sip_dialog_finish(&d);
	sip_dialog_finish(&d);
}

static void rfc3261_12_1_2_uac(void **state)
{
	struct sip_dialog d;

	uac(&d, CONTACT "Record-Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>\r\n"
			"Record-Route: <sip:p3.example.com;lr>\r\n");
	assert_true(d.call_id_ours);
	assert_string_equal(request(&d, SIP_UPDATE, 0),
			    "UPDATE sip:alice@192.0.2.4:5062;transport=tcp SIP/2.0\r\n"
			    "Via: SIP/2.0/TCP us.example.net:5060;branch=z9hG4bKb\r\n"
			    "Max-Forwards: 69\r\n"
			    "Route: <sip:p3.example.com;lr>\r\n"
			    "Route: <sip:p2.example.com;lr>\r\n"
			    "Route: <sip:p1.example.com;lr>\r\n"
			    "From: \"Alice\" <sip:alice@example.com>;tag=alice-tag\r\n"
			    "To: Bob <sip:bob@example.com>;tag=bob-tag\r\n"
			    "Call-ID: call-1@pc\r\n"
			    "CSeq: 43 UPDATE\r\n");
	sip_dialog_finish(&d);
}

static void rfc3261_12_1_sips_is_secure(void **state)
{
	struct sip_dialog d;
	char text[] = INVITE_HEAD "Contact: <sips:alice@pc.example.com>\r\n" END;

	memcpy(strstr(text, "sip:bob@example.com SIP"), "sips:b@example.comm", 19);
	assert_int_equal(sip_dialog_uas(&d, msg(text), SPAN("t")), 0);
	assert_true(d.secure);
	sip_dialog_finish(&d);
}

static void rfc3261_12_1_contact_must_be_one_uri(void **state)
{
	const char *const bad[] = {
		"",
		"Contact: *\r\n",
		"Contact: <sip:a@b>, <sip:c@d>\r\n",
		"Contact: <sip:a@b>\r\nContact: <sip:c@d>\r\n",
		"Contact: <tel:+123>\r\n",
		"Contact: <mailto:a@b>\r\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct sip_dialog d;
		char text[1024];

		snprintf(text, sizeof(text), INVITE_HEAD "%s" END, bad[i]);
		assert_int_equal(sip_dialog_uas(&d, msg(text), SPAN("t")), -EBADMSG);
		snprintf(text, sizeof(text), RESP_HEAD("200") "%s" END, bad[i]);
		assert_int_equal(sip_dialog_uac(&d, msg(INVITE_HEAD END), msg(text)), -EBADMSG);
		assert_null(d.text);
	}
}

static void no_memory_for_a_dialog(void **state)
{
	const struct sip_msg *m = msg(INVITE_HEAD CONTACT END);
	struct sip_dialog d;

	for (unsigned n = 0; n < 2; n++) {
		oom_fail_after(n);
		assert_int_equal(sip_dialog_uas(&d, m, SPAN("t")), -ENOMEM);
		assert_true(oom_end());
		assert_null(d.text);
		assert_null(d.target_text);
	}
	assert_int_equal(sip_dialog_uas(&d, m, SPAN("t")), 0);
	sip_dialog_finish(&d);
}

static void folded_record_route_becomes_one_line(void **state)
{
	struct sip_dialog d;

	uas(&d, CONTACT "Record-Route: <sip:p1.example.com;lr>\r\n ;x=1,\r\n\t<sip:p2.example.com;lr>\r\n");
	assert_non_null(strstr(request(&d, SIP_BYE, 0), "\r\nRoute: <sip:p1.example.com;lr>   ;x=1\r\n"
							"Route: <sip:p2.example.com;lr>\r\nFrom: "));
	expect_span(sip_dialog_first_route(&d), "sip:p1.example.com;lr");
	sip_dialog_finish(&d);
}

static void many_record_routes(void **state)
{
	struct sip_dialog d;
	char more[8192] = CONTACT "Record-Route: <sip:p0;lr>";
	size_t n = strlen(more);

	/* more values than headers could hold: refused, nothing overrun */
	for (int i = 1; i <= SIP_HEADERS_MAX; i++)
		n += (size_t)sprintf(more + n, ",<sip:p%d;lr>", i);
	char text[9000];
	snprintf(text, sizeof(text), INVITE_HEAD "%s\r\n" END, more);
	assert_int_equal(sip_dialog_uas(&d, msg(text), SPAN("t")), -EBADMSG);
	more[n - strlen(",<sip:p128;lr>")] = '\0';
	strcat(more, "\r\n");
	uas(&d, more);
	assert_non_null(strstr(request(&d, SIP_BYE, 0), "Route: <sip:p127;lr>\r\nFrom: "));
	sip_dialog_finish(&d);
}

/* ---- the peer's messages ---- */

#define IN_DIALOG(method, cseq, from_tag, to_tag, call_id)                                               \
	method " sip:us SIP/2.0\r\nVia: SIP/2.0/UDP pc.example.com;branch=z9hG4bKi\r\n"                  \
	       "From: <sip:alice@example.com>;tag=" from_tag "\r\nTo: <sip:bob@example.com>;tag=" to_tag \
	       "\r\nCall-ID: " call_id "\r\nCSeq: " cseq " " method "\r\n"

static void rfc3261_12_2_2_matches(void **state)
{
	struct sip_dialog d;

	uas(&d, CONTACT);
	assert_true(
		sip_dialog_matches(&d, msg(IN_DIALOG("BYE", "1", "alice-tag", "our-tag", "call-1@pc") END)));
	assert_false(sip_dialog_matches(&d, msg(IN_DIALOG("BYE", "1", "x", "our-tag", "call-1@pc") END)));
	assert_false(sip_dialog_matches(&d, msg(IN_DIALOG("BYE", "1", "alice-tag", "x", "call-1@pc") END)));
	assert_false(sip_dialog_matches(&d, msg(IN_DIALOG("BYE", "1", "alice-tag", "our-tag", "x") END)));
	sip_dialog_finish(&d);
	uac(&d, CONTACT);
	assert_true(sip_dialog_matches(&d, msg(RESP_HEAD("200") END)));
	assert_true(
		sip_dialog_matches(&d, msg(IN_DIALOG("BYE", "1", "bob-tag", "alice-tag", "call-1@pc") END)));
	sip_dialog_finish(&d);
}

static void rfc3261_12_1_2_peer_without_a_tag(void **state)
{
	struct sip_dialog d;
	const char *resp =
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP pc.example.com;branch=z9hG4bKi\r\n"
		"From: \"Alice\" <sip:alice@example.com>;tag=alice-tag\r\n"
		"To: Bob <sip:bob@example.com>\r\nCall-ID: call-1@pc\r\nCSeq: 42 INVITE\r\n" CONTACT END;

	assert_int_equal(sip_dialog_uac(&d, msg(INVITE_HEAD END), msg(resp)), 0);
	assert_true(sip_dialog_matches(&d, msg(resp)));
	assert_true(sip_dialog_matches(&d, msg(IN_DIALOG("BYE", "1", "late", "alice-tag", "call-1@pc") END)));
	assert_false(sip_dialog_matches(&d, msg(IN_DIALOG("BYE", "1", "late", "x", "call-1@pc") END)));
	assert_non_null(strstr(request(&d, SIP_BYE, 0), "\r\nTo: Bob <sip:bob@example.com>\r\n"));
	sip_dialog_finish(&d);
}

static int order(struct sip_dialog *d, const char *method, unsigned cseq)
{
	char text[512];
	snprintf(text, sizeof(text), IN_DIALOG("%s", "%u", "a", "b", "c") END, method, cseq, method);
	return sip_dialog_in_order(d, msg(text));
}

static void parse_10_order(void **state)
{
	struct sip_dialog d;

	uas(&d, CONTACT); /* CSeq 42 */
	assert_int_equal(order(&d, "UPDATE", 42), 500);
	assert_int_equal(order(&d, "UPDATE", 41), 500);
	assert_int_equal(order(&d, "UPDATE", 43), 0);
	assert_int_equal(order(&d, "UPDATE", 43), 500);
	assert_int_equal(order(&d, "INFO", 1000), 0); /* gaps are legal */
	assert_int_equal(order(&d, "ACK", 42), 0);
	assert_int_equal(order(&d, "CANCEL", 42), 0);
	assert_int_equal(order(&d, "BYE", 1001), 0);
	sip_dialog_finish(&d);
}

static void parse_10_first_number_is_taken_as_given(void **state)
{
	struct sip_dialog d;

	uac(&d, CONTACT);
	assert_int_equal(order(&d, "ACK", 900), 0);
	assert_int_equal(order(&d, "BYE", 0), 0);
	assert_int_equal(order(&d, "BYE", 0), 500);
	sip_dialog_finish(&d);
}

/* ---- capabilities (MOD-13, MOD-15) ---- */

static void hear(struct sip_dialog *d, const char *text)
{
	sip_dialog_learn(d, msg(text));
}

static void mod_13_newest_allow_counts(void **state)
{
	struct sip_dialog d;

	uas(&d, CONTACT "Allow: INVITE, ACK,\r\n UPDATE\r\nAllow: BYE\r\n");
	assert_true(d.allow_known);
	assert_true(sip_dialog_allows(&d, SIP_UPDATE));
	assert_true(sip_dialog_allows(&d, SIP_BYE));
	assert_false(sip_dialog_allows(&d, SIP_INFO));
	hear(&d, RESP_HEAD("200") END); /* says nothing, changes nothing */
	assert_true(sip_dialog_allows(&d, SIP_UPDATE));
	hear(&d, RESP_HEAD("200") "Allow: INVITE, ACK, BYE\r\n" END);
	assert_false(sip_dialog_allows(&d, SIP_UPDATE));
	assert_true(sip_dialog_allows(&d, SIP_BYE));
	hear(&d, RESP_HEAD("180") "Allow: UPDATE\r\n" END);
	assert_true(sip_dialog_allows(&d, SIP_UPDATE));
	hear(&d, RESP_HEAD("405") "Allow: INVITE\r\n" END);
	assert_false(sip_dialog_allows(&d, SIP_UPDATE));
	hear(&d, RESP_HEAD("200") "Allow:\r\n" END); /* allows nothing */
	assert_false(sip_dialog_allows(&d, SIP_INVITE));
	sip_dialog_finish(&d);
}

static void mod_13_words_of_others_do_not_count(void **state)
{
	struct sip_dialog d;

	uas(&d, CONTACT);
	assert_false(d.allow_known);
	assert_false(sip_dialog_allows(&d, SIP_UPDATE));
	hear(&d, RESP_HEAD("100") "Allow: UPDATE\r\n" END);
	hear(&d, RESP_HEAD("404") "Allow: UPDATE\r\n" END);
	hear(&d, RESP_HEAD("300") "Allow: UPDATE\r\n" END);
	assert_false(sip_dialog_allows(&d, SIP_UPDATE));
	sip_dialog_finish(&d);
}

static void mod_13_update_request_is_proof(void **state)
{
	struct sip_dialog d;

	uas(&d, CONTACT);
	hear(&d, IN_DIALOG("UPDATE", "43", "alice-tag", "our-tag", "call-1@pc") END);
	assert_true(sip_dialog_allows(&d, SIP_UPDATE));
	hear(&d, IN_DIALOG("INVITE", "44", "alice-tag", "our-tag", "call-1@pc") "Allow: INVITE\r\n" END);
	assert_false(sip_dialog_allows(&d, SIP_UPDATE));
	hear(&d, IN_DIALOG("UPDATE", "45", "alice-tag", "our-tag", "call-1@pc") "Allow: INVITE\r\n" END);
	assert_false(sip_dialog_allows(&d, SIP_UPDATE)); /* it says so itself */
	sip_dialog_finish(&d);
}

static void mod_15_no_update_is_sticky(void **state)
{
	struct sip_dialog d;

	uac(&d, CONTACT "Allow: UPDATE, INVITE\r\n");
	d.no_update = true;
	assert_false(sip_dialog_allows(&d, SIP_UPDATE));
	hear(&d, RESP_HEAD("200") "Allow: UPDATE, INVITE\r\n" END);
	assert_false(sip_dialog_allows(&d, SIP_UPDATE));
	assert_true(sip_dialog_allows(&d, SIP_INVITE));
	hear(&d, IN_DIALOG("UPDATE", "45", "bob-tag", "alice-tag", "call-1@pc") END);
	assert_true(sip_dialog_allows(&d, SIP_UPDATE));
	sip_dialog_finish(&d);
}

static void option_tags(void **state)
{
	struct sip_dialog d;

	uas(&d, CONTACT "Supported: TIMER, from-change\r\nk: 199\r\n");
	assert_true(d.supports_timer && d.supports_from_change && d.supports_199 && !d.supports_100rel);
	hear(&d, RESP_HEAD("200") END);
	assert_true(d.supports_timer);
	hear(&d, RESP_HEAD("200") "Supported: 100rel\r\n" END);
	assert_true(!d.supports_timer && !d.supports_from_change && !d.supports_199 && d.supports_100rel);
	hear(&d, RESP_HEAD("200") "Require: timer\r\n" END);
	assert_true(d.supports_timer && d.supports_100rel);
	sip_dialog_finish(&d);
}

/* ---- target refresh ---- */

static void mod_34_refresh(void **state)
{
	struct sip_dialog d;

	uas(&d, CONTACT "Record-Route: <sip:p1.example.com;lr>\r\n");
	assert_int_equal(sip_dialog_refresh(&d, msg(RESP_HEAD("200") "Contact: <sip:new@192.0.2.8>\r\n"
								     "Record-Route: <sip:p9;lr>\r\n" END)),
			 0);
	forget(NULL);
	assert_true(strncmp(request(&d, SIP_BYE, 0), "BYE sip:new@192.0.2.8 SIP/2.0\r\n", 31) == 0);
	assert_non_null(strstr(request(&d, SIP_BYE, 0), "\r\nRoute: <sip:p1.example.com;lr>\r\nFrom: "));
	assert_int_equal(sip_dialog_refresh(&d, msg(RESP_HEAD("200") END)), -ENOENT);
	assert_int_equal(sip_dialog_refresh(&d, msg(RESP_HEAD("200") "Contact: *\r\n" END)), -EBADMSG);
	oom_fail_after(0);
	assert_int_equal(sip_dialog_refresh(&d, msg(RESP_HEAD("200") "Contact: <sip:x@y>\r\n" END)), -ENOMEM);
	assert_true(oom_end());
	oom_fail_after(0); /* the same again costs nothing */
	assert_int_equal(sip_dialog_refresh(&d, msg(RESP_HEAD("200") "Contact: <sip:new@192.0.2.8>\r\n" END)),
			 0);
	assert_false(oom_end());
	expect_span(sip_dialog_target(&d), "sip:new@192.0.2.8");
	sip_dialog_finish(&d);
}

/* ---- what we send ---- */

static void mod_42_rename(void **state)
{
	struct sip_dialog d;

	uas(&d, CONTACT "Record-Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>\r\n");
	oom_fail_after(0);
	assert_int_equal(sip_dialog_rename(&d, SPAN("<sip:x@y>;tag=our-tag"), sip_dialog_remote(&d)),
			 -ENOMEM);
	assert_true(oom_end());
	expect_span(sip_dialog_local(&d), "<sip:bob@example.com>;tag=our-tag");
	/* A part of the old block may be given for the new one. */
	assert_int_equal(sip_dialog_rename(&d, SPAN("<sip:x@y>;tag=our-tag"), sip_dialog_remote(&d)), 0);
	expect_span(sip_dialog_local(&d), "<sip:x@y>;tag=our-tag");
	expect_span(sip_dialog_remote(&d), "\"Alice\" <sip:alice@example.com>;tag=alice-tag");
	assert_int_equal(sip_dialog_rename(&d, sip_dialog_local(&d), SPAN("<sip:z@y>;tag=alice-tag")), 0);
	expect_span(sip_dialog_local(&d), "<sip:x@y>;tag=our-tag");
	expect_span(sip_dialog_remote(&d), "<sip:z@y>;tag=alice-tag");
	expect_span(sip_dialog_call_id(&d), "call-1@pc");
	expect_span(sip_dialog_local_tag(&d), "our-tag");
	expect_span(sip_dialog_remote_tag(&d), "alice-tag");
	expect_span(sip_dialog_first_route(&d), "sip:p1.example.com;lr");
	expect_span(sip_dialog_routes(&d),
		    "Route: <sip:p1.example.com;lr>\r\nRoute: <sip:p2.example.com;lr>\r\n");
	sip_dialog_finish(&d);
}

/* What each message may be long, both together may be too long to keep. */
static void too_long_to_keep(void **state)
{
	enum { LONG = 40000 };
	static char invite[LONG + 1000], resp[LONG + 1000], fill[LONG + 1];
	struct sip_dialog d;

	memset(fill, 'x', LONG);
	snprintf(invite, sizeof(invite),
		 "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP pc;branch=z9hG4bKi\r\n"
		 "From: \"%s\" <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>\r\n"
		 "Call-ID: call-1@pc\r\nCSeq: 42 INVITE\r\n" CONTACT END,
		 fill);
	snprintf(resp, sizeof(resp),
		 "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP pc;branch=z9hG4bKi\r\n"
		 "From: <sip:alice@example.com>;tag=a\r\nTo: \"%s\" <sip:bob@example.com>;tag=b\r\n"
		 "Call-ID: call-1@pc\r\nCSeq: 42 INVITE\r\n" CONTACT END,
		 fill);
	assert_int_equal(sip_dialog_uac(&d, msg(invite), msg(resp)), -EBADMSG);
	assert_int_equal(sip_dialog_uas(&d, msg(invite), SPAN("tag")), 0);
	fill[30000] = '\0';
	assert_int_equal(sip_dialog_rename(&d, span_of(fill), SPAN("<sip:z@y>")), 0);
	assert_int_equal(sip_dialog_rename(&d, span_of(invite), span_of(fill)), -ENOMEM);
	expect_span(sip_dialog_remote(&d), "<sip:z@y>");
	sip_dialog_finish(&d);
}

static void rfc3261_12_2_1_1_strict_router(void **state)
{
	struct sip_dialog d;
	struct sip_dest to;

	uas(&d,
	    CONTACT "Record-Route: <sip:strict.example.com;transport=tcp?x=1>, <sip:p2.example.com;lr>\r\n");
	assert_string_equal(request(&d, SIP_INFO, 7),
			    "INFO sip:strict.example.com;transport=tcp SIP/2.0\r\n"
			    "Via: SIP/2.0/TCP us.example.net:5060;branch=z9hG4bKb\r\n"
			    "Max-Forwards: 69\r\n"
			    "Route: <sip:p2.example.com;lr>\r\n"
			    "Route: <sip:alice@192.0.2.4:5062;transport=tcp>\r\n"
			    "From: <sip:bob@example.com>;tag=our-tag\r\n"
			    "To: \"Alice\" <sip:alice@example.com>;tag=alice-tag\r\n"
			    "Call-ID: call-1@pc\r\n"
			    "CSeq: 7 INFO\r\n");
	assert_int_equal(sip_dialog_next_hop(&d, &to), 0);
	expect_span(to.host, "strict.example.com");
	assert_int_equal(to.tp, SIP_TCP);
	sip_dialog_finish(&d);
}

static void rfc3261_12_2_1_1_cseq_rises_by_one(void **state)
{
	struct sip_dialog d;

	uac(&d, CONTACT);
	assert_non_null(strstr(request(&d, SIP_INFO, 0), "\r\nCSeq: 43 INFO\r\n"));
	assert_non_null(strstr(request(&d, SIP_INVITE, 0), "\r\nCSeq: 44 INVITE\r\n"));
	assert_non_null(strstr(request(&d, SIP_UPDATE, 0), "\r\nCSeq: 45 UPDATE\r\n"));
	assert_non_null(strstr(request(&d, SIP_ACK, 44), "\r\nCSeq: 44 ACK\r\n"));
	assert_non_null(strstr(request(&d, SIP_BYE, 0), "\r\nCSeq: 46 BYE\r\n"));
	assert_int_equal(d.local_cseq, 46);
	sip_dialog_finish(&d);
}

static void rfc3261_19_1_1_request_uri_without_headers_and_method(void **state)
{
	const char *const cases[][2] = {
		{ "sip:a@b;method=INVITE", "sip:a@b" },
		{ "sip:a@b;lr;method=INVITE;transport=tcp?Subject=x", "sip:a@b;lr;transport=tcp" },
		{ "sip:a@b?Subject=x", "sip:a@b" },
		{ "sip:a%40c@[::1]:5070;ob;+x=1%22", "sip:a%40c@[::1]:5070;ob;+x=1%22" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sip_dialog d;
		char contact[128], line[128];

		snprintf(contact, sizeof(contact), "Contact: <%s>\r\n", cases[i][0]);
		snprintf(line, sizeof(line), "BYE %s SIP/2.0\r\n", cases[i][1]);
		uas(&d, contact);
		assert_memory_equal(request(&d, SIP_BYE, 0), line, strlen(line));
		sip_dialog_finish(&d);
	}
}

static void too_small_a_buffer_is_remembered(void **state)
{
	struct sip_dialog d;
	char small[100];
	struct wbuf w = wbuf_on(small, sizeof(small));

	uas(&d, CONTACT);
	sip_dialog_request(&d, &w, SIP_BYE, 0, 70, SIP_UDP, SPAN("us"), SPAN("z9hG4bKb"));
	assert_false(w_ok(&w));
	sip_dialog_finish(&d);
}

/* ---- where it goes (RFC 3263 4) ---- */

static void rfc3263_4_next_hop(void **state)
{
	static const struct {
		const char *uri;
		enum sip_transport tp;
		const char *ip, *host;
		uint16_t port;
	} cases[] = {
		{ "sip:192.0.2.1", SIP_UDP, "192.0.2.1", "", 5060 },
		{ "sip:u@192.0.2.1:5070;transport=TCP", SIP_TCP, "192.0.2.1", "", 5070 },
		{ "sip:u@[2001:db8::1];lr", SIP_UDP, "2001:db8::1", "", 5060 },
		{ "sip:u@example.com;transport=udp", SIP_UDP, NULL, "example.com", 5060 },
		{ "sip:example.com;transport=tls", SIP_TLS, NULL, "example.com", 5061 },
		{ "sips:u@example.com", SIP_TLS, NULL, "example.com", 5061 },
		{ "sips:u@example.com:5063;transport=tcp", SIP_TLS, NULL, "example.com", 5063 },
		{ "sip:u@example.com;maddr=192.0.2.7", SIP_UDP, "192.0.2.7", "", 5060 },
		{ "sip:u@192.0.2.1:5080;maddr=out.example.com", SIP_UDP, NULL, "out.example.com", 5080 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sip_dest to;
		char ip[64];
		struct wbuf w = wbuf_on(ip, sizeof(ip) - 1);

		assert_int_equal(sip_uri_next_hop(span_of(cases[i].uri), &to), 0);
		assert_int_equal(to.tp, cases[i].tp);
		assert_int_equal(to.ip.port, cases[i].port);
		assert_true(to.conn == 0);
		expect_span(to.host, cases[i].host);
		assert_int_equal(to.ip.family != 0, cases[i].ip != NULL);
		if (cases[i].ip) {
			w_addr_ip(&w, &to.ip);
			ip[w.n] = '\0';
			assert_string_equal(ip, cases[i].ip);
		}
	}
}

static void rfc3263_4_no_next_hop(void **state)
{
	const char *const bad[] = {
		"tel:+12345", "mailto:a@b", "sip:", "", "sip:a@b;transport=sctp", "sips:a@b;transport=udp"
	};
	struct sip_dest to;
	char longest[400] = "sip:";

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(sip_uri_next_hop(span_of(bad[i]), &to), -EINVAL);
	memset(longest + 4, 'a', SIP_HOST_MAX + 1);
	assert_int_equal(sip_uri_next_hop(span_of(longest), &to), -EINVAL);
	longest[4 + SIP_HOST_MAX] = '\0';
	assert_int_equal(sip_uri_next_hop(span_of(longest), &to), 0);
}

static void next_hop_is_the_first_route_else_the_target(void **state)
{
	struct sip_dialog d;
	struct sip_dest to;

	uas(&d, CONTACT);
	assert_int_equal(sip_dialog_next_hop(&d, &to), 0);
	assert_int_equal(to.ip.port, 5062);
	assert_int_equal(to.tp, SIP_TCP);
	sip_dialog_finish(&d);
	uas(&d, CONTACT "Record-Route: \"a, b\" <sip:p1.example.com:5090;lr>, <sip:p2;lr>\r\n");
	assert_int_equal(sip_dialog_next_hop(&d, &to), 0);
	expect_span(to.host, "p1.example.com");
	assert_int_equal(to.ip.port, 5090);
	assert_int_equal(to.tp, SIP_UDP);
	sip_dialog_finish(&d);
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, forget)
	const struct CMUnitTest tests[] = {
		T(rfc3261_12_1_1_uas),
		T(rfc3261_12_1_2_uac),
		T(rfc3261_12_1_sips_is_secure),
		T(rfc3261_12_1_contact_must_be_one_uri),
		T(no_memory_for_a_dialog),
		T(folded_record_route_becomes_one_line),
		T(many_record_routes),
		T(rfc3261_12_2_2_matches),
		T(rfc3261_12_1_2_peer_without_a_tag),
		T(parse_10_order),
		T(parse_10_first_number_is_taken_as_given),
		T(mod_13_newest_allow_counts),
		T(mod_13_words_of_others_do_not_count),
		T(mod_13_update_request_is_proof),
		T(mod_15_no_update_is_sticky),
		T(option_tags),
		T(mod_34_refresh),
		T(mod_42_rename),
		T(too_long_to_keep),
		T(rfc3261_12_2_1_1_strict_router),
		T(rfc3261_12_2_1_1_cseq_rises_by_one),
		T(rfc3261_19_1_1_request_uri_without_headers_and_method),
		T(too_small_a_buffer_is_remembered),
		T(rfc3263_4_next_hop),
		T(rfc3263_4_no_next_hop),
		T(next_hop_is_the_first_route_else_the_target),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
