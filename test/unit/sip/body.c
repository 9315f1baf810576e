/* SPDX-License-Identifier: MIT */
#include "lib/check.h"

#include <stdio.h>

#include "sip/body.h"

#define SDP "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"
#define SDP_PART "Content-Type: application/sdp\r\n\r\n" SDP
#define TEXT_PART "Content-Type: text/plain\r\n\r\nhello\r\n"

static char text[8192];
static struct sip_msg m;
static struct sip_body b;
static const char *fault;

/* A message with these header lines and this body; returns what sip_body_parse() does. */
static int body_n(const char *headers, struct span body)
{
	struct wbuf w = wbuf_on(text, sizeof(text));

	w_str(&w, "INVITE sip:bea@example.net SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n"
		  "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n");
	w_str(&w, headers);
	w_str(&w, "\r\n");
	w_span(&w, body);
	assert_true(w_ok(&w));
	assert_int_equal(sip_msg_parse(&m, w_span_of(&w), false), 0);
	fault = NULL;
	int r = sip_body_parse(&b, &m, &fault);
	assert_int_equal(r != 0, fault != NULL);
	return r;
}

static int body(const char *headers, const char *body_text)
{
	return body_n(headers, span_of(body_text));
}

static int mixed(const char *body_text)
{
	return body("Content-Type: multipart/mixed; boundary=\"b b\"\r\n", body_text);
}

static void becomes(struct span sdp, const char *want)
{
	char out[8192];
	struct wbuf w = wbuf_on(out, sizeof(out));

	w_body_with_sdp(&w, &m, &b, sdp);
	assert_written(&w, want);
}

static void no_body_is_no_fault(void **state)
{
	assert_int_equal(body("", ""), 0);
	assert_int_equal(b.n, 0);
	assert_null(b.sdp.p);
	assert_false(b.multipart);
	assert_int_equal(body("Content-Type: application/sdp\r\n", ""), 0);
	assert_null(b.sdp.p);
	becomes(SPAN("new"), "new");
	becomes(SPAN_EMPTY, "");
}

static void a_bare_description(void **state)
{
	assert_int_equal(body("Content-Type: Application/SDP ; charset=utf-8\r\n", SDP), 0);
	assert_int_equal(b.n, 1);
	assert_span(b.sdp, SDP);
	assert_ptr_equal(b.sdp_part, &b.part[0]);
	assert_span(b.sdp_part->type, "Application/SDP");
	assert_false(b.multipart);
	becomes(SPAN("new"), "new");
	becomes(SPAN_EMPTY, "");
}

static void parse_11_content_type(void **state)
{
	assert_int_equal(body("", SDP), 400);
	assert_string_equal(fault, "Missing Content-Type");
	assert_int_equal(body("Content-Type:\r\n", SDP), 400);
	assert_int_equal(body("Content-Type: sdp\r\n", SDP), 400);
	assert_int_equal(body("Content-Type: a/\r\n", SDP), 400);
	assert_int_equal(body("Content-Type: a b/c\r\n", SDP), 400);
	assert_int_equal(body("Content-Type: application/unheard-of\r\n", SDP), 415);
	assert_int_equal(body("Content-Type: application/sdpx\r\n", SDP), 415);
}

static void parse_11_handling(void **state)
{
	const char *optional =
		"Content-Type: application/unheard-of\r\nContent-Disposition: render;handling=Optional\r\n";

	assert_int_equal(body(optional, "x"), 0);
	assert_true(b.part[0].optional);
	assert_span(b.part[0].disposition, "render");
	assert_null(b.sdp.p);
	becomes(SPAN("ignored"), "x");
	assert_int_equal(
		body("Content-Type: application/unheard-of\r\nContent-Disposition: render;handling=required\r\n",
		     "x"),
		415);
	assert_int_equal(body("Content-Type: application/vnd.3gpp.mcdata-info+xml\r\n", "x"), 0);
	assert_int_equal(body("Content-Type: message/cpim\r\n", "x"), 0);
}

static void parse_11_encodings(void **state)
{
	assert_int_equal(body("Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n", SDP), 415);
	assert_int_equal(body("Content-Type: application/sdp\r\ne: Identity\r\n", SDP), 0);
	assert_int_equal(mixed("--b b\r\nContent-Transfer-Encoding: base64\r\n" SDP_PART "\r\n--b b--"), 415);
	assert_int_equal(mixed("--b b\r\nContent-Transfer-Encoding: 8bit\r\n" SDP_PART "\r\n--b b--"), 0);
	/* What we only carry may be encoded as it likes. */
	assert_int_equal(mixed("--b b\r\nContent-Transfer-Encoding: base64\r\n" TEXT_PART "--b b--"), 0);
}

static void sdp_with_another_disposition_is_no_offer(void **state)
{
	assert_int_equal(body("Content-Type: application/sdp\r\nContent-Disposition: early-session\r\n", SDP),
			 0);
	assert_null(b.sdp.p);
	assert_int_equal(
		body("Content-Type: application/sdp\r\nContent-Disposition: Session;handling=required\r\n",
		     SDP),
		0);
	assert_non_null(b.sdp.p);
}

static void parse_15_parts_are_found(void **state)
{
	assert_int_equal(
		mixed("preamble\r\n--b b \t\r\n" SDP_PART "\r\n--b b\r\nContent-ID: <1>\r\n"
		      "Content-Disposition: recipient-list\r\ncontent-TYPE:\r\n application/resource-lists+xml"
		      ";v=1\r\n\r\n<r/>\r\n--b b\r\n\r\nplain\r\n--b b--\r\nepilogue"),
		0);
	assert_true(b.multipart);
	assert_int_equal(b.n, 3);
	assert_span(b.sdp, SDP);
	assert_ptr_equal(b.sdp_part, &b.part[0]);
	assert_span(b.part[1].type, "application/resource-lists+xml");
	assert_span(b.part[1].type_params, "v=1");
	assert_span(b.part[1].disposition, "recipient-list");
	assert_span(b.part[1].body, "<r/>");
	assert_span(b.part[2].type, "text/plain");
	assert_span(b.part[2].head, "");
	assert_span(b.part[2].body, "plain");
}

static void parse_15_binary_parts_survive(void **state)
{
#define BINARY "\0\r\n--b bb\r\n--b \r\nx--b b\r\n\n--b b--\0\xff"
	struct span whole = SPAN("--b b\r\nContent-Type: text/plain\r\n\r\n" BINARY "\r\n--b b--\r\n");

	assert_int_equal(body_n("Content-Type: multipart/mixed;boundary=\"b b\"\r\n", whole), 0);
	assert_int_equal(b.n, 1);
	assert_true(span_eq(b.part[0].body, SPAN(BINARY)));
}

static void parse_15_two_descriptions(void **state)
{
	assert_int_equal(mixed("--b b\r\n" SDP_PART "\r\n--b b\r\n" SDP_PART "\r\n--b b--"), 400);
	assert_string_equal(fault, "Two Session Descriptions");
	/* Only one of them is an offer. */
	assert_int_equal(mixed("--b b\r\nContent-Disposition: early-session\r\n" SDP_PART
			       "\r\n--b b\r\n" SDP_PART "\r\n--b b--"),
			 0);
	assert_ptr_equal(b.sdp_part, &b.part[1]);
}

static void parse_15_broken_multiparts(void **state)
{
	static const char *const bodies[] = {
		"",
		"hello",
		"--b b--\r\n",
		"--b b\r\n" SDP_PART,
		"--b b\r\n" SDP_PART "\r\n--b b-",
		"--b b\r\n" SDP_PART "\n--b b--",
		"--b b\r\nContent-Type: text/plain\r\n--b b--\r\n",
		"--b b\r\nContent-Type: sdp\r\n\r\nx\r\n--b b--\r\n",
		"--b b\r\n--b b--\r\n",
	};

	for (size_t i = 1; i < ARRAY_LEN(bodies); i++)
		assert_int_equal(mixed(bodies[i]), 400);
	assert_int_equal(body("Content-Type: multipart/mixed\r\n", "--\r\n\r\nx\r\n----"), 400);
	assert_int_equal(body("Content-Type: multipart/mixed;boundary=\"\"\r\n", "--\r\n\r\nx\r\n----"), 400);
	assert_int_equal(body("Content-Type: multipart/mixed;boundary="
			      "12345678901234567890123456789012345678901234567890123456789012345678901\r\n",
			      "x"),
			 400);
}

static void parse_15_depth_has_a_limit(void **state)
{
	for (int depth = 1; depth <= 5; depth++) {
		char nested[2048], header[64];
		struct wbuf w = wbuf_on(nested, sizeof(nested));
		for (int i = 1; i < depth; i++)
			w_fmt(&w, "--%d\r\nContent-Type: multipart/mixed;boundary=%d\r\n\r\n", i, i + 1);
		w_fmt(&w, "--%d\r\n" SDP_PART, depth);
		for (int i = depth; i > 0; i--)
			w_fmt(&w, "\r\n--%d--\r\n", i);
		snprintf(header, sizeof(header), "Content-Type: multipart/mixed;boundary=1\r\n");
		int r = body_n(header, w_span_of(&w));
		assert_int_equal(r, depth <= SIP_PART_DEPTH_MAX ? 0 : 415);
		if (r == 0)
			assert_span(b.sdp, SDP);
	}
}

static void too_many_parts(void **state)
{
	char many[4096];
	struct wbuf w = wbuf_on(many, sizeof(many));

	for (int i = 0; i < SIP_PARTS_MAX; i++)
		w_str(&w, "--b b\r\n" TEXT_PART);
	size_t most = w.n;
	w_str(&w, "--b b--");
	assert_int_equal(body_n("Content-Type: multipart/mixed;boundary=\"b b\"\r\n", w_span_of(&w)), 0);
	assert_int_equal(b.n, SIP_PARTS_MAX);
	w.n = most;
	w_str(&w, "--b b\r\n" TEXT_PART "--b b--");
	assert_int_equal(body_n("Content-Type: multipart/mixed;boundary=\"b b\"\r\n", w_span_of(&w)), 400);
}

static void the_description_is_replaced_and_nothing_else(void **state)
{
	assert_int_equal(mixed("pre\r\n--b b\r\n" TEXT_PART "--b b\r\nContent-ID: <1>\r\n" SDP_PART
			       "\r\n--b b--\r\npost"),
			 0);
	becomes(SPAN("new\r\n"),
		"pre\r\n--b b\r\n" TEXT_PART
		"--b b\r\nContent-ID: <1>\r\nContent-Type: application/sdp\r\n\r\nnew\r\n\r\n--b b--\r\npost");
	becomes(b.sdp,
		"pre\r\n--b b\r\n" TEXT_PART "--b b\r\nContent-ID: <1>\r\n" SDP_PART "\r\n--b b--\r\npost");
	becomes(SPAN_EMPTY, "pre\r\n--b b\r\n" TEXT_PART "--b b--\r\npost");

	/* Its own length would be wrong. */
	assert_int_equal(mixed("--b b\r\nContent-LENGTH: 44\r\n" SDP_PART "\r\n--b b\r\n" TEXT_PART
			       "--b b--"),
			 0);
	becomes(SPAN("new"),
		"--b b\r\nContent-Type: application/sdp\r\n\r\nnew\r\n--b b\r\n" TEXT_PART "--b b--");
	becomes(SPAN_EMPTY, "--b b\r\n" TEXT_PART "--b b--");
}

static void removing_the_only_part_leaves_nothing(void **state)
{
	assert_int_equal(mixed("--b b\r\n" SDP_PART "\r\n--b b--\r\n"), 0);
	becomes(SPAN_EMPTY, "");
}

static void without_description_the_body_stays(void **state)
{
	assert_int_equal(mixed("--b b\r\n" TEXT_PART "--b b--\r\n"), 0);
	becomes(SPAN("ignored"), "--b b\r\n" TEXT_PART "--b b--\r\n");
	becomes(SPAN_EMPTY, "--b b\r\n" TEXT_PART "--b b--\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_body_is_no_fault),
		cmocka_unit_test(a_bare_description),
		cmocka_unit_test(parse_11_content_type),
		cmocka_unit_test(parse_11_handling),
		cmocka_unit_test(parse_11_encodings),
		cmocka_unit_test(sdp_with_another_disposition_is_no_offer),
		cmocka_unit_test(parse_15_parts_are_found),
		cmocka_unit_test(parse_15_binary_parts_survive),
		cmocka_unit_test(parse_15_two_descriptions),
		cmocka_unit_test(parse_15_broken_multiparts),
		cmocka_unit_test(parse_15_depth_has_a_limit),
		cmocka_unit_test(too_many_parts),
		cmocka_unit_test(the_description_is_replaced_and_nothing_else),
		cmocka_unit_test(removing_the_only_part_leaves_nothing),
		cmocka_unit_test(without_description_the_body_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
