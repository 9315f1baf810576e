/* SPDX-License-Identifier: MIT */
#include "lib/check.h"

#include "base/addr.h"
#include "sip/build.h"

#define TAIL                                                                                 \
	"From: <sip:ann@example.org>;tag=f1\r\nTo: <sip:bea@example.net>\r\nCall-ID: c1\r\n" \
	"CSeq: 7 INVITE\r\n"

static struct sip_msg m;
static char out[8192];
static struct wbuf w;

static void parse(const char *text)
{
	assert_int_equal(sip_msg_parse(&m, span_of(text), false), 0);
	w = wbuf_on(out, sizeof(out));
}

static void reply(const char *src, uint16_t port, unsigned status, const char *reason, const char *tag)
{
	struct addr a = { 0 };

	w = wbuf_on(out, sizeof(out));
	if (src)
		assert_true(addr_parse(&a, span_of(src), port));
	w_reply(&w, &m, &a, status, span_of(reason), span_of(tag));
}

/* The Via lines of a reply to a request with this Via, seen from src. */
static void via_becomes(const char *via, const char *src, const char *want)
{
	char text[1024];
	struct wbuf t = wbuf_on(text, sizeof(text));

	w_str(&t, "INVITE sip:bea@example.net SIP/2.0\r\n");
	w_str(&t, via);
	w_str(&t, TAIL "\r\n");
	assert_int_equal(sip_msg_parse(&m, w_span_of(&t), false), 0);
	reply(src, 40001, 100, "", "");
	struct span got = w_span_of(&w);
	size_t from = span_find(got, SPAN("\r\n")) + 2, to = span_find(got, SPAN("From:"));
	assert_span(span_cut(got, from, to), want);
}

static void headers_are_written(void **state)
{
	w = wbuf_on(out, sizeof(out));
	w_hdr(&w, SIP_H_CALL_ID, SPAN("x@y"));
	w_hdr(&w, SIP_H_SUBJECT, SPAN_EMPTY);
	w_hdr_u64(&w, SIP_H_CONTENT_LENGTH, 0);
	assert_written(&w, "Call-ID: x@y\r\nSubject: \r\nContent-Length: 0\r\n");
}

static void copies_are_whole_lines(void **state)
{
	parse("INVITE sip:bea@example.net SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n" TAIL
	      "k : a\r\n\t,b\r\nQ: 1\r\nSUPPORTED:c\r\nz: 2\r\n\r\n");
	w_hdr_copy(&w, &m, SIP_H_SUPPORTED);
	w_hdr_copy(&w, &m, SIP_H_OTHER);
	w_hdr_copy(&w, &m, SIP_H_ROUTE);
	assert_written(&w, "k : a\r\n\t,b\r\nSUPPORTED:c\r\nQ: 1\r\nz: 2\r\n");
}

static void copy_set_keeps_order_and_bytes(void **state)
{
	struct sip_hdr_set keep = { 0 };

	parse("INVITE sip:bea@example.net SIP/2.0\r\nS: hi\r\nVia: SIP/2.0/UDP a\r\nQ: 1\r\n Q\r\n" TAIL
	      "p-early-media: x\r\nZ: 2\r\nAllow: INVITE\r\nQ: 3\r\n\r\nbody");
	w_hdr_copy_set(&w, &m, &keep);
	assert_written(&w, "");
	sip_set_add(&keep, SIP_H_OTHER);
	sip_set_add(&keep, SIP_H_SUBJECT);
	sip_set_add(&keep, SIP_H_P_EARLY_MEDIA);
	sip_set_add(&keep, SIP_H_MAX_BREADTH);
	assert_true(sip_set_has(&keep, SIP_H_MAX_BREADTH));
	assert_false(sip_set_has(&keep, SIP_H_VIA));
	w_hdr_copy_set(&w, &m, &keep);
	assert_written(&w, "S: hi\r\nQ: 1\r\n Q\r\np-early-media: x\r\nZ: 2\r\nQ: 3\r\n");

	memset(&keep, 0xff, sizeof(keep));
	w = wbuf_on(out, sizeof(out));
	w_hdr_copy_set(&w, &m, &keep);
	assert_written(&w, "S: hi\r\nVia: SIP/2.0/UDP a\r\nQ: 1\r\n Q\r\n" TAIL
			   "p-early-media: x\r\nZ: 2\r\nAllow: INVITE\r\nQ: 3\r\n");
}

static void reply_copies_what_rfc_3261_8_2_6_names(void **state)
{
	parse("INVITE sip:bea@example.net SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1\r\n"
	      "Max-Forwards: 70\r\nTimestamp: 54\r\nRecord-Route: <sip:p;lr>\r\nv: SIP/2.0/TCP b\r\n" TAIL
	      "Subject: x\r\nRecord-Route: <sip:q;lr>\r\nContent-Length: 0\r\n\r\n");
	reply("192.0.2.1", 5062, 180, "", "t1");
	w_end(&w, SPAN_EMPTY, SPAN_EMPTY);
	assert_written(&w, "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1\r\n"
			   "v: SIP/2.0/TCP b\r\nRecord-Route: <sip:p;lr>\r\nRecord-Route: <sip:q;lr>\r\n"
			   "From: <sip:ann@example.org>;tag=f1\r\nTo: <sip:bea@example.net>;tag=t1\r\n"
			   "Call-ID: c1\r\nCSeq: 7 INVITE\r\nTimestamp: 54\r\nContent-Length: 0\r\n\r\n");
	reply("192.0.2.1", 5062, 499, "Very Own Phrase", "");
	assert_true(span_starts(w_span_of(&w), SPAN("SIP/2.0 499 Very Own Phrase\r\n")));
	assert_true(span_find(w_span_of(&w), SPAN("To: <sip:bea@example.net>\r\n")) != SPAN_NONE);
}

static bool copies_record_route(const char *method, const char *to_params, unsigned status)
{
	char text[1024];
	struct wbuf t = wbuf_on(text, sizeof(text));

	w_fmt(&t,
	      "%s sip:b@c SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: sip:a@b;tag=1\r\nTo: <sip:c@d>%s\r\n"
	      "Call-ID: x\r\nCSeq: 1 %s\r\nRecord-Route: <sip:p;lr>\r\n\r\n",
	      method, to_params, method);
	assert_int_equal(sip_msg_parse(&m, w_span_of(&t), false), 0);
	reply(NULL, 0, status, "", "t");
	return span_find(w_span_of(&w), SPAN("Record-Route")) != SPAN_NONE;
}

static void record_route_only_where_a_dialog_begins(void **state)
{
	assert_true(copies_record_route("INVITE", "", 101));
	assert_true(copies_record_route("INVITE", "", 200));
	assert_true(copies_record_route("SUBSCRIBE", "", 202));
	assert_true(copies_record_route("REFER", "", 202));
	assert_false(copies_record_route("INVITE", "", 100));
	assert_false(copies_record_route("INVITE", "", 300));
	assert_false(copies_record_route("INVITE", "", 488));
	assert_false(copies_record_route("INVITE", ";tag=x", 200));
	assert_false(copies_record_route("UPDATE", ";tag=x", 200));
	assert_false(copies_record_route("OPTIONS", "", 200));
	assert_false(copies_record_route("NOTIFY", "", 200));
}

static void to_tag_is_added_once(void **state)
{
	parse("INVITE sip:b@c SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: sip:a@b;tag=1\r\nt:\r\n sip:c@d \r\n"
	      "Call-ID: x\r\nCSeq: 1 INVITE\r\n\r\n");
	reply(NULL, 0, 200, "", "new");
	assert_true(span_find(w_span_of(&w), SPAN("\r\nTo: sip:c@d;tag=new\r\n")) != SPAN_NONE);
	reply(NULL, 0, 100, "", "");
	assert_true(span_find(w_span_of(&w), SPAN("\r\nt:\r\n sip:c@d \r\n")) != SPAN_NONE);
	parse("BYE sip:b@c SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: sip:a@b;tag=1\r\nTo: sip:c@d;tag=old\r\n"
	      "Call-ID: x\r\nCSeq: 1 BYE\r\n\r\n");
	reply(NULL, 0, 200, "", "new");
	assert_true(span_find(w_span_of(&w), SPAN("\r\nTo: sip:c@d;tag=old\r\n")) != SPAN_NONE);
}

static void parse_17_received_when_the_host_differs(void **state)
{
	via_becomes("Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z1\r\n", "192.0.2.1",
		    "Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z1\r\n");
	via_becomes("Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z1\r\n", "::ffff:192.0.2.1",
		    "Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z1\r\n");
	via_becomes("Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z1\r\n", "192.0.2.9",
		    "Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z1;received=192.0.2.9\r\n");
	via_becomes("Via: SIP/2.0/TCP pc.example.org;branch=z1\r\n", "2001:db8::9",
		    "Via: SIP/2.0/TCP pc.example.org;branch=z1;received=2001:db8::9\r\n");
	via_becomes("Via: SIP/2.0/UDP [2001:DB8:0::9];branch=z1\r\n", "2001:db8::9",
		    "Via: SIP/2.0/UDP [2001:DB8:0::9];branch=z1\r\n");
	via_becomes("Via: SIP/2.0/UDP pc.example.org\r\n", NULL, "Via: SIP/2.0/UDP pc.example.org\r\n");
}

static void parse_17_rport_as_asked(void **state)
{
	/* RFC 3581 4: both, even when the host is right. */
	via_becomes("Via: SIP/2.0/UDP 192.0.2.1;rport;branch=z1\r\n", "192.0.2.1",
		    "Via: SIP/2.0/UDP 192.0.2.1;branch=z1;received=192.0.2.1;rport=40001\r\n");
	via_becomes("Via: SIP/2.0/UDP 192.0.2.1;rport=5;branch=z1\r\n", "192.0.2.1",
		    "Via: SIP/2.0/UDP 192.0.2.1;branch=z1;received=192.0.2.1;rport=40001\r\n");
}

static void what_the_sender_claims_as_received_is_replaced(void **state)
{
	via_becomes("Via: SIP/2.0/UDP 192.0.2.1;received=203.0.113.5;branch=z1;x=\"a;b\"\r\n", "192.0.2.9",
		    "Via: SIP/2.0/UDP 192.0.2.1;branch=z1;x=\"a;b\";received=192.0.2.9\r\n");
}

static void only_the_topmost_via_changes(void **state)
{
	via_becomes(
		"v : SIP / 2.0 / UDP  h.example.org : 5061 ;\r\n branch = z1 , SIP/2.0/UDP k;rport ,\r\n SIP/2.0/TCP l\r\n"
		"VIA: SIP/2.0/UDP m;rport\r\n",
		"192.0.2.9",
		"Via: SIP / 2.0 / UDP  h.example.org : 5061;branch=z1;received=192.0.2.9, SIP/2.0/UDP k;rport ,\r\n"
		" SIP/2.0/TCP l\r\nVIA: SIP/2.0/UDP m;rport\r\n");
}

static void reply_to_a_request_that_lacks_headers(void **state)
{
	assert_int_equal(sip_msg_parse(&m,
				       SPAN("INVITE sip:b@c SIP/2.0\r\nCSeq: 9 INVITE\r\n"
					    "Via: SIP/2.0/UDP 192.0.2.95;branch=z1\r\n\r\n"),
				       false),
			 400);
	reply("192.0.2.95", 5060, 400, m.fault, "t");
	w_end(&w, SPAN_EMPTY, SPAN_EMPTY);
	assert_written(
		&w, "SIP/2.0 400 Missing From\r\nVia: SIP/2.0/UDP 192.0.2.95;branch=z1\r\nCSeq: 9 INVITE\r\n"
		    "Content-Length: 0\r\n\r\n");
}

static void end_names_the_type_of_a_body(void **state)
{
	w = wbuf_on(out, sizeof(out));
	w_end(&w, SPAN("application/sdp"), SPAN("v=0\r\n"));
	assert_written(&w, "Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n");
	w = wbuf_on(out, sizeof(out));
	w_end(&w, SPAN("application/sdp"), SPAN_EMPTY);
	assert_written(&w, "Content-Length: 0\r\n\r\n");
}

static void what_does_not_fit_is_noticed_at_the_end(void **state)
{
	parse("INVITE sip:bea@example.net SIP/2.0\r\nVia: SIP/2.0/UDP pc.example.org;rport\r\n" TAIL "\r\n");
	reply("192.0.2.1", 1, 200, "", "t");
	size_t whole = w.n;
	for (size_t cap = 0; cap < whole; cap++) {
		struct addr a = { 4, 1, { 192, 0, 2, 1 } };
		char *exact = malloc(cap ? cap : 1);
		w = wbuf_on(exact, cap);
		w_reply(&w, &m, &a, 200, SPAN_EMPTY, SPAN("t"));
		assert_false(w_ok(&w));
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_written),
		cmocka_unit_test(copies_are_whole_lines),
		cmocka_unit_test(copy_set_keeps_order_and_bytes),
		cmocka_unit_test(reply_copies_what_rfc_3261_8_2_6_names),
		cmocka_unit_test(record_route_only_where_a_dialog_begins),
		cmocka_unit_test(to_tag_is_added_once),
		cmocka_unit_test(parse_17_received_when_the_host_differs),
		cmocka_unit_test(parse_17_rport_as_asked),
		cmocka_unit_test(what_the_sender_claims_as_received_is_replaced),
		cmocka_unit_test(only_the_topmost_via_changes),
		cmocka_unit_test(reply_to_a_request_that_lacks_headers),
		cmocka_unit_test(end_names_the_type_of_a_body),
		cmocka_unit_test(what_does_not_fit_is_noticed_at_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
