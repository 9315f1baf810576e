/* SPDX-License-Identifier: MIT */
/* What sip_msg_parse() accepts, refuses and drops.  Each test changes one thing in a message that is right. */
#include "lib/check.h"

#include <errno.h>
#include <stdio.h>

#include "sip/msg.h"

#define VIA "Via: SIP/2.0/UDP a.example.org:5062;branch=z9hG4bK1;rport\r\n"
#define FROM "From: \"Ann\" <sip:ann@example.org>;tag=f1\r\n"
#define TO "To: <sip:bea@example.net>\r\n"
#define CALL_ID "Call-ID: c1@a.example.org\r\n"
#define CSEQ "CSeq: 7 UPDATE\r\n"
#define START "UPDATE sip:bea@example.net SIP/2.0\r\n"
#define LENGTH "Content-Length: 0\r\n"
#define HEADS VIA FROM TO CALL_ID CSEQ
#define OK_START "SIP/2.0 200 OK\r\n"

static struct sip_msg m;

static int parse(const char *text)
{
	return sip_msg_parse(&m, span_of(text), false);
}

static int parse_stream(const char *text)
{
	return sip_msg_parse(&m, span_of(text), true);
}

/* Refused with 400 and a phrase that names the fault. */
static void refused(const char *text, const char *fault)
{
	assert_int_equal(parse(text), 400);
	assert_true(m.answerable);
	assert_string_equal(m.fault, fault);
}

static void a_request_is_indexed(void **state)
{
	assert_int_equal(parse("\r\n\r\n" START HEADS "Max-Forwards: 68\r\nX-One: 1\r\n" LENGTH "\r\n"), 0);
	assert_true(m.request);
	assert_true(m.answerable);
	assert_null(m.fault);
	assert_int_equal(m.method, SIP_UPDATE);
	assert_span(m.method_name, "UPDATE");
	assert_span(m.ruri, "sip:bea@example.net");
	assert_span(m.call_id, "c1@a.example.org");
	assert_span(m.from, "\"Ann\" <sip:ann@example.org>;tag=f1");
	assert_span(m.to, "<sip:bea@example.net>");
	assert_span(m.from_tag, "f1");
	assert_span(m.to_tag, "");
	assert_int_equal(m.cseq, 7);
	assert_int_equal(m.max_forwards, 68);
	assert_int_equal(m.via.tp, SIP_UDP);
	assert_span(m.via.host, "a.example.org");
	assert_int_equal(m.via.port, 5062);
	assert_span(m.via.branch, "z9hG4bK1");
	assert_true(m.via.has_rport);
	assert_int_equal(m.n_hdr, 8);
	assert_span(span_cut(m.raw, 0, 6), "UPDATE"); /* without the empty lines before it */
	assert_int_equal(m.body.n, 0);
}

static void a_response_is_indexed(void **state)
{
	assert_int_equal(parse("SIP/2.0 488 Not, Acceptable\r\n" HEADS "\r\n"), 0);
	assert_false(m.request);
	assert_false(m.answerable);
	assert_int_equal(m.status, 488);
	assert_span(m.reason, "Not, Acceptable");
	assert_int_equal(m.method, SIP_UPDATE); /* of the CSeq */
	assert_span(m.method_name, "UPDATE");
	assert_int_equal(parse("sip/2.0 100 \r\n" HEADS "\r\n"), 0);
	assert_span(m.reason, "");
	assert_int_equal(parse("SIP/2.0 100\r\n" HEADS "\r\n"), 0); /* the SP is often forgotten */
	assert_span(m.reason, "");
}

static void headers_may_be_folded_compact_and_blank(void **state)
{
	assert_int_equal(parse(START "v:SIP/2.0/TCP b\r\n ;branch=z9hG4bK2\r\n"
				     "f :\t sip:ann@example.org\r\n\t;\r\n  tag = x9\r\n"
				     "T: sip:bea@example.net;tag=y8\r\ni:c2\r\ncSEQ: 0007\r\n UPDATE\r\n"
				     "s:\r\nQ: \r\n \r\n\tz\r\nL : 0\r\n\r\n"),
			 0);
	assert_span(m.via.branch, "z9hG4bK2");
	assert_span(m.from_tag, "x9");
	assert_span(m.to_tag, "y8");
	assert_span(m.call_id, "c2");
	assert_int_equal(m.cseq, 7);
	assert_true(sip_has(&m, SIP_H_SUBJECT));
	assert_span(sip_value(&m, SIP_H_SUBJECT), "");
	const struct sip_hdr *x = sip_hdr(&m, SIP_H_OTHER);
	assert_span(sip_hdr_name(&m, x), "Q");
	assert_span(sip_hdr_value(&m, x), "z");
	assert_span(sip_hdr_line(&m, x), "Q: \r\n \r\n\tz\r\n");
	assert_span(sip_hdr_name(&m, sip_hdr(&m, SIP_H_FROM)), "f");
}

static void parse_1_length_beyond_the_datagram(void **state)
{
	refused(START HEADS "Content-Length: 4\r\n\r\nabc", "Content-Length Beyond Datagram");
	refused(START HEADS "Content-Length: 99999999999999999999999\r\n\r\n",
		"Content-Length Beyond Datagram");
}

static void parse_1_length_short_of_the_datagram_cuts_the_body(void **state)
{
	assert_int_equal(parse(START HEADS "Content-Length: 3\r\n\r\nabcINVITE sip:x SIP/2.0\r\n"), 0);
	assert_span(m.body, "abc");
	assert_ptr_equal(m.raw.p + m.raw.n, m.body.p + 3);
}

static void parse_1_length_absent(void **state)
{
	assert_int_equal(parse(START HEADS "\r\nabc"), 0); /* all of the datagram */
	assert_span(m.body, "abc");
	assert_int_equal(parse_stream(START HEADS "\r\n"), 400);
	assert_string_equal(m.fault, "Missing Content-Length");
}

static void parse_1_length_not_a_number(void **state)
{
	refused(START HEADS "Content-Length: -1\r\n\r\n", "Malformed Content-Length");
	refused(START HEADS "Content-Length: 0x1\r\n\r\nabc", "Malformed Content-Length");
	refused(START HEADS "Content-Length:\r\n\r\nabc", "Malformed Content-Length");
	refused(START HEADS "Content-Length: 1 2\r\n\r\nabc", "Malformed Content-Length");
}

static void parse_1_stream_body_above_the_limit_is_513(void **state)
{
	/* sip_frame() hands over the header section alone. */
	assert_int_equal(parse_stream(START HEADS "Content-Length: 70000\r\n\r\n"), 513);
	assert_int_equal(parse_stream(START HEADS "Content-Length: 99999999999999999999999\r\n\r\n"), 513);
	assert_true(m.answerable);
}

static void parse_2_faults_name_themselves(void **state)
{
	refused("UPDATE sip:b@example.net extra SIP/2.0\r\n" HEADS "\r\n", "Malformed Request-URI");
	refused("UPDATE  sip:b@example.net SIP/2.0\r\n" HEADS "\r\n", "Malformed Request-URI");
	refused("UPDATE sip:b@example.net\r\n" HEADS "\r\n", "Malformed Request Line");
	refused("UPDATE sip:b@example.net SIP/2.0 \r\n" HEADS "\r\n", "Malformed Request Line");
	refused("UPDATE sip:b@example.net HTTP/1.1\r\n" HEADS "\r\n", "Malformed Request Line");
	refused("UPDATE <sip:b@example.net> SIP/2.0\r\n" HEADS "\r\n", "Malformed Request-URI");
	refused("UPDATE example.net SIP/2.0\r\n" HEADS "\r\n", "Malformed Request-URI");
	refused("UP\"DATE sip:b@example.net SIP/2.0\r\n" HEADS "\r\n", "Malformed Method");
	refused(" UPDATE sip:b@example.net SIP/2.0\r\n" HEADS "\r\n", "Malformed Method");
	refused(START "Nonsense\r\n" HEADS "\r\n", "Header Without Colon");
	refused(START "Bad Name: x\r\n" HEADS "\r\n", "Malformed Header Name");
	refused(START ": x\r\n" HEADS "\r\n", "Malformed Header Name");
	refused(START " : folded onto nothing\r\n" HEADS "\r\n", "Malformed Header Name");
	refused(START HEADS, "Header Section Not Ended");
	refused(START HEADS "Q: half a li", "Header Section Not Ended");
}

static void parse_2_line_ends_are_crlf(void **state)
{
	refused(START HEADS "Q: a\nY: b\r\n\r\n", "Stray CR Or LF");
	refused(START HEADS "Q: a\rY: b\r\n\r\n", "Stray CR Or LF");
	refused(START HEADS "Q: a\r\r\n\r\n", "Stray CR Or LF");
	refused("UPDATE sip:b@example.net SIP/2.0\n" HEADS "\r\n", "Stray CR Or LF");
	refused(START HEADS "Q: a\r\n b\n c\r\n\r\n", "Stray CR Or LF");
	refused(START HEADS "Q: a\r\n\n\r\n", "Stray CR Or LF");
}

static void parse_2_without_via_there_is_no_way_back(void **state)
{
	assert_int_equal(parse(START FROM TO CALL_ID CSEQ "\r\n"), -EBADMSG);
	assert_int_equal(parse(START "Via: what\r\n" FROM TO CALL_ID CSEQ "\r\n"), -EBADMSG);
	assert_false(m.answerable);
}

static void parse_2_broken_via_with_a_host_is_answered(void **state)
{
	refused(START "Via: SIP/2.0/UDP 192.0.2.15;;,;,,\r\n" FROM TO CALL_ID CSEQ "\r\n", "Malformed Via");
	assert_span(m.via.host, "192.0.2.15");
	/* A Via further down is for others to judge. */
	assert_int_equal(parse(START VIA "Via: rubbish\r\n" FROM TO CALL_ID CSEQ "\r\n"), 0);
}

static void parse_2_ack_is_never_answered(void **state)
{
	assert_int_equal(parse("ACK sip:b@example.net SIP/2.0\r\n" VIA FROM TO CALL_ID
			       "CSeq: 1 INVITE\r\n\r\n"),
			 -EBADMSG);
	assert_int_equal(parse("ACK sip:b c SIP/2.0\r\n" VIA FROM TO CALL_ID "CSeq: 1 ACK\r\n\r\n"),
			 -EBADMSG);
	assert_int_equal(parse("ACK sip:b@example.net SIP/2.0\r\n" VIA FROM TO CALL_ID "CSeq: 1 ACK\r\n\r\n"),
			 0);
	assert_false(m.answerable);
}

static void parse_2_broken_responses_are_dropped(void **state)
{
	static const char *const texts[] = {
		"SIP/2.0 099 Low\r\n" HEADS "\r\n",
		"SIP/2.0 700 High\r\n" HEADS "\r\n",
		"SIP/2.0 4294967301 Huge\r\n" HEADS "\r\n",
		"SIP/2.0 20 Short\r\n" HEADS "\r\n",
		"SIP/2.0 2x0 Odd\r\n" HEADS "\r\n",
		"SIP/2.0  200 Blank\r\n" HEADS "\r\n",
		"SIP/3.0 200 OK\r\n" HEADS "\r\n",
		"SIP/2.0\r\n" HEADS "\r\n",
		OK_START VIA FROM TO CALL_ID "\r\n",
		OK_START VIA FROM TO CSEQ "\r\n",
		OK_START FROM TO CALL_ID CSEQ "\r\n",
		OK_START HEADS TO "\r\n",
		OK_START HEADS "Content-Length: 5\r\n\r\n",
		OK_START VIA FROM TO CALL_ID "CSeq: 9292394834772304023312 UPDATE\r\n\r\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(parse(texts[i]), -EBADMSG);
		assert_false(m.answerable);
	}
}

static void parse_2_noise_is_dropped(void **state)
{
	static const char nul[64];

	assert_int_equal(parse(""), -EBADMSG);
	assert_int_equal(parse("\r\n\r\n"), -EBADMSG);
	assert_int_equal(parse("\r\n"), -EBADMSG);
	assert_int_equal(parse("hello"), -EBADMSG);
	assert_int_equal(parse("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"), -EBADMSG);
	assert_int_equal(sip_msg_parse(&m, (struct span){ nul, sizeof(nul) }, false), -EBADMSG);
	assert_int_equal(sip_msg_parse(&m, SPAN_EMPTY, false), -EBADMSG);
}

static void parse_2_malformed_headers_nobody_uses_are_ignored(void **state)
{
	assert_int_equal(parse(START HEADS "Date: last Tuesday\r\nWarning: \"\r\nSubject: a\r\nSubject: b\r\n"
					   "Expires: never\r\nSupported: ,,;\r\n\r\n"),
			 0);
}

static void parse_3_versions(void **state)
{
	assert_int_equal(parse("UPDATE sip:b@example.net SIP/7.0\r\n" HEADS "\r\n"), 505);
	assert_string_equal(m.fault, "Version Not Supported");
	assert_int_equal(parse("UPDATE sip:b@example.net SIP/2.01\r\n" HEADS "\r\n"), 505);
	assert_int_equal(parse("UPDATE sip:b@example.net sip/2.0\r\n" HEADS "\r\n"), 0);
	/* The Via of another version still says where to. */
	assert_int_equal(parse("UPDATE sip:b@example.net SIP/7.0\r\nVia: SIP/7.0/UDP h\r\n\r\n"), 505);
}

static void parse_4_mandatory_headers(void **state)
{
	refused(START VIA TO CALL_ID CSEQ "\r\n", "Missing From");
	refused(START VIA FROM CALL_ID CSEQ "\r\n", "Missing To");
	refused(START VIA FROM TO CSEQ "\r\n", "Missing Call-ID");
	refused(START VIA FROM TO CALL_ID "\r\n", "Missing CSeq");
	refused(START VIA "\r\n", "Missing From");
}

static void parse_4_from_tag_is_required_of_rfc_3261_clients(void **state)
{
	refused(START VIA "From: <sip:ann@example.org>\r\n" TO CALL_ID CSEQ "\r\n", "Missing From Tag");
	refused(START VIA "From: <sip:ann@example.org>;tag=\r\n" TO CALL_ID CSEQ "\r\n", "Missing From Tag");
	refused(START VIA "From: <sip:ann@example.org;tag=x>\r\n" TO CALL_ID CSEQ "\r\n", "Missing From Tag");
	/* RFC 2543 knew neither the tag nor the magic cookie. */
	assert_int_equal(
		parse(START "Via: SIP/2.0/UDP h;branch=1\r\nFrom: <sip:ann@example.org>\r\n" TO CALL_ID CSEQ
			    "\r\n"),
		0);
}

static void parse_4_single_headers_twice(void **state)
{
	static const char *const lines[] = {
		FROM,
		TO,
		CALL_ID,
		CSEQ,
		"t: <sip:bea@example.net>\r\n",
		"Max-Forwards: 70\r\nMax-Forwards: 70\r\n",
		"Content-Type: a/b\r\nc: a/b\r\n",
		"Content-Length: 0\r\nl: 0\r\n",
		"Session-Expires: 90\r\nx: 90\r\n",
		"RSeq: 1\r\nRSeq: 2\r\n",
		"RAck: 1 1 INVITE\r\nRAck: 1 2 INVITE\r\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char text[1024];
		snprintf(text, sizeof(text), "%s%s\r\n", START HEADS, lines[i]);
		refused(text, "Header Given Twice");
	}
}

static void parse_4_from_and_to_syntax(void **state)
{
	refused(START VIA "From: \"Ann <sip:ann@example.org>;tag=1\r\n" TO CALL_ID CSEQ "\r\n",
		"Malformed From");
	refused(START VIA "From: <sip:ann@example.org>;tag=1, <sip:x@y>\r\n" TO CALL_ID CSEQ "\r\n",
		"Malformed From");
	refused(START VIA FROM "To: < sip:bea@example.net >\r\n" CALL_ID CSEQ "\r\n", "Malformed To");
	refused(START VIA FROM "To:\r\n" CALL_ID CSEQ "\r\n", "Malformed To");
	refused(START VIA FROM "To: <sip:bea@example.net>;tag;x=1\r\n" CALL_ID CSEQ "\r\n", "Empty To tag");
	refused(START VIA FROM TO "Call-ID: a b\r\n" CSEQ "\r\n", "Malformed Call-ID");
	refused(START VIA FROM TO "Call-ID:\r\n" CSEQ "\r\n", "Malformed Call-ID");
	assert_int_equal(parse(START VIA "From: Archer, Ann <sip:ann@example.org>;tag=1\r\n" TO CALL_ID CSEQ
					 "\r\n"),
			 0);
}

static void parse_4_cseq_method_mismatch(void **state)
{
	refused(START VIA FROM TO CALL_ID "CSeq: 7 INVITE\r\n\r\n", "CSeq Method Mismatch");
	refused(START VIA FROM TO CALL_ID "CSeq: 7 update\r\n\r\n", "CSeq Method Mismatch");
}

static void parse_4_cseq_number(void **state)
{
	refused(START VIA FROM TO CALL_ID "CSeq: 2147483648 UPDATE\r\n\r\n", "Malformed CSeq");
	refused(START VIA FROM TO CALL_ID "CSeq: -1 UPDATE\r\n\r\n", "Malformed CSeq");
	refused(START VIA FROM TO CALL_ID "CSeq: UPDATE\r\n\r\n", "Malformed CSeq");
	refused(START VIA FROM TO CALL_ID "CSeq: 7\r\n\r\n", "Malformed CSeq");
	refused(START VIA FROM TO CALL_ID "CSeq: 7 UPDATE x\r\n\r\n", "Malformed CSeq");
	assert_int_equal(parse(START VIA FROM TO CALL_ID "CSeq: 2147483647\t UPDATE\r\n\r\n"), 0);
	assert_true(m.cseq == 2147483647);
	assert_int_equal(parse(START VIA FROM TO CALL_ID "CSeq: 00000000000000000000000009 UPDATE\r\n\r\n"),
			 0);
	assert_int_equal(m.cseq, 9);
}

static void parse_4_max_forwards(void **state)
{
	assert_int_equal(parse(START HEADS "\r\n"), 0);
	assert_int_equal(m.max_forwards, 70);
	assert_int_equal(parse(START HEADS "Max-Forwards: 0\r\n\r\n"), 0);
	assert_int_equal(m.max_forwards, 0);
	assert_int_equal(parse(START HEADS "Max-Forwards: 0255\r\n\r\n"), 0);
	assert_int_equal(m.max_forwards, 255);
	refused(START HEADS "Max-Forwards: 256\r\n\r\n", "Malformed Max-Forwards");
	refused(START HEADS "Max-Forwards: ten\r\n\r\n", "Malformed Max-Forwards");
	refused(START HEADS "Max-Forwards:\r\n\r\n", "Malformed Max-Forwards");
}

static void contact_and_route_must_be_readable(void **state)
{
	refused(START HEADS "Contact: sip:a@b?Route=%3Csip:x%3E\r\n\r\n", "Malformed Contact");
	refused(START HEADS "Contact: <sip:a@b>;;;\r\n\r\n", "Malformed Contact");
	refused(START HEADS "Contact: <sip:a@b>, \"x <sip:c@d>\r\n\r\n", "Malformed Contact");
	refused(START HEADS "Route: <sip:p.example.org;lr>, <sip:q\r\n\r\n", "Malformed Route");
	assert_int_equal(parse(START HEADS "Contact: *\r\n\r\n"), 0);
	assert_int_equal(parse(START HEADS "Contact: <sip:a@b>;x, \"c, d\" <sip:c@d?e=f>;y=\"<>\"\r\n\r\n"),
			 0);
}

static void the_first_fault_is_reported(void **state)
{
	refused("UPDATE x SIP/2.0\r\n" VIA "CSeq: 1 INVITE\r\nContent-Length: 9\r\n\r\n",
		"Malformed Request-URI");
}

static void too_many_headers(void **state)
{
	char text[16384];
	struct wbuf w = wbuf_on(text, sizeof(text));

	w_str(&w, START HEADS);
	for (int i = 5; i < SIP_HEADERS_MAX; i++)
		w_str(&w, "Q: y\r\n");
	size_t most = w.n;
	w_str(&w, "\r\n");
	assert_int_equal(sip_msg_parse(&m, w_span_of(&w), false), 0);
	assert_int_equal(m.n_hdr, SIP_HEADERS_MAX);
	w.n = most;
	w_str(&w, "One: more\r\n\r\n");
	assert_int_equal(sip_msg_parse(&m, w_span_of(&w), false), 513);
	assert_int_equal(m.n_hdr, SIP_HEADERS_MAX);
}

static void larger_than_any_message_is_dropped(void **state)
{
	char *text = malloc(SIP_MSG_MAX + 1);

	memset(text, 'a', SIP_MSG_MAX + 1);
	memcpy(text, START HEADS "\r\n", sizeof(START HEADS "\r\n") - 1);
	assert_int_equal(sip_msg_parse(&m, (struct span){ text, SIP_MSG_MAX }, false), 0);
	assert_int_equal(sip_msg_parse(&m, (struct span){ text, SIP_MSG_MAX + 1 }, false), -EBADMSG);
	free(text);
}

/* Every prefix of a message, from a block of exactly its size: no byte too far, no prefix accepted. */
static void prefixes_are_never_taken_for_the_whole(void **state)
{
	static const char whole[] =
		START HEADS "Route: <sip:p;lr>\r\n ,<sip:q>\r\nContent-Length: 4\r\n\r\nbody";

	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		char *part = malloc(n ? n : 1);
		memcpy(part, whole, n);
		assert_int_not_equal(sip_msg_parse(&m, (struct span){ part, n }, false), 0);
		free(part);
	}
	assert_int_equal(parse(whole), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_indexed),
		cmocka_unit_test(a_response_is_indexed),
		cmocka_unit_test(headers_may_be_folded_compact_and_blank),
		cmocka_unit_test(parse_1_length_beyond_the_datagram),
		cmocka_unit_test(parse_1_length_short_of_the_datagram_cuts_the_body),
		cmocka_unit_test(parse_1_length_absent),
		cmocka_unit_test(parse_1_length_not_a_number),
		cmocka_unit_test(parse_1_stream_body_above_the_limit_is_513),
		cmocka_unit_test(parse_2_faults_name_themselves),
		cmocka_unit_test(parse_2_line_ends_are_crlf),
		cmocka_unit_test(parse_2_without_via_there_is_no_way_back),
		cmocka_unit_test(parse_2_broken_via_with_a_host_is_answered),
		cmocka_unit_test(parse_2_ack_is_never_answered),
		cmocka_unit_test(parse_2_broken_responses_are_dropped),
		cmocka_unit_test(parse_2_noise_is_dropped),
		cmocka_unit_test(parse_2_malformed_headers_nobody_uses_are_ignored),
		cmocka_unit_test(parse_3_versions),
		cmocka_unit_test(parse_4_mandatory_headers),
		cmocka_unit_test(parse_4_from_tag_is_required_of_rfc_3261_clients),
		cmocka_unit_test(parse_4_single_headers_twice),
		cmocka_unit_test(parse_4_from_and_to_syntax),
		cmocka_unit_test(parse_4_cseq_method_mismatch),
		cmocka_unit_test(parse_4_cseq_number),
		cmocka_unit_test(parse_4_max_forwards),
		cmocka_unit_test(contact_and_route_must_be_readable),
		cmocka_unit_test(the_first_fault_is_reported),
		cmocka_unit_test(too_many_headers),
		cmocka_unit_test(larger_than_any_message_is_dropped),
		cmocka_unit_test(prefixes_are_never_taken_for_the_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
