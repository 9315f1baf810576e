/* SPDX-License-Identifier: MIT */
#include "lib/check.h"

#include <errno.h>

#include "lib/oom.h"
#include "sip/msg.h"

#define BASE                                                                            \
	"INVITE sip:bea@example.net SIP/2.0\r\n"                                        \
	"Via: SIP/2.0/UDP a.example.org;branch=z9hG4bK1;received=192.0.2.1;maddr=h\r\n" \
	"From: <sip:ann@example.org>;tag=f1\r\nTo: <sip:bea@example.net>;tag=t1\r\n"    \
	"Call-ID: c1\r\nCSeq: 7 INVITE\r\n"

static struct sip_msg m;

static void parse(const char *text)
{
	assert_int_equal(sip_msg_parse(&m, span_of(text), false), 0);
}

/* All elements, joined by '|'. */
static void elements_are(enum sip_hdr_id id, const char *want)
{
	struct sip_iter it = { 0 };
	char text[512];
	struct wbuf w = wbuf_on(text, sizeof(text));

	for (struct span v; sip_each(&m, id, &it, &v);)
		w_span(&w, v), w_chr(&w, '|');
	assert_written(&w, want);
}

static void each_walks_all_headers_of_an_id(void **state)
{
	parse(BASE "Route: <sip:a;lr>,<sip:b>\r\nSupported: x\r\nRoute:\r\nROUTE: <sip:c>\r\n\r\n");
	elements_are(SIP_H_ROUTE, "<sip:a;lr>|<sip:b>|<sip:c>|");
	elements_are(SIP_H_CONTACT, "");
}

static void each_knows_quotes_and_angles(void **state)
{
	parse(BASE
	      "Contact: \"a, \\\"b\\\", <c\" <sip:a,b@x>;q=\"1,2\" , <sip:d@x?e=f,g>\r\n ,sip:h@x\r\n\r\n");
	elements_are(SIP_H_CONTACT, "\"a, \\\"b\\\", <c\" <sip:a,b@x>;q=\"1,2\"|<sip:d@x?e=f,g>|sip:h@x|");
}

static void each_skips_empty_elements_and_survives_open_ends(void **state)
{
	parse(BASE
	      "Supported: ,, a ,,b,\r\nAllow: INVITE, \"BYE, ACK\r\nAccept: a/b, <c, d\r\nUnsupported: ,\r\n\r\n");
	elements_are(SIP_H_SUPPORTED, "a|b|");
	elements_are(SIP_H_ALLOW, "INVITE|\"BYE, ACK|");
	elements_are(SIP_H_ACCEPT, "a/b|<c|d|");
	elements_are(SIP_H_UNSUPPORTED, "");
}

static void lists_finds_tokens(void **state)
{
	parse(BASE
	      "Supported: timer,100rel\r\nk: Replaces\r\nAccept: application/sdp;level=1, text/*\r\n\r\n");
	assert_true(sip_lists(&m, SIP_H_SUPPORTED, SPAN("timer")));
	assert_true(sip_lists(&m, SIP_H_SUPPORTED, SPAN("100REL")));
	assert_true(sip_lists(&m, SIP_H_SUPPORTED, SPAN("replaces")));
	assert_false(sip_lists(&m, SIP_H_SUPPORTED, SPAN("100")));
	assert_false(sip_lists(&m, SIP_H_REQUIRE, SPAN("timer")));
	assert_true(sip_lists(&m, SIP_H_ACCEPT, SPAN("application/sdp")));
}

static void number_with_parameters_and_comments(void **state)
{
	uint64_t v;

	parse(BASE "Session-Expires: 1800;refresher=uac\r\nRetry-After: 18 (in a meeting);duration=5\r\n"
		   "Min-SE: 90(x)\r\nRSeq: 4294967296\r\nExpires: soon\r\nMax-Breadth:\r\n\r\n");
	assert_int_equal(sip_number(&m, SIP_H_SESSION_EXPIRES, UINT32_MAX, &v), 0);
	assert_int_equal(v, 1800);
	assert_int_equal(sip_number(&m, SIP_H_RETRY_AFTER, UINT32_MAX, &v), 0);
	assert_int_equal(v, 18);
	assert_int_equal(sip_number(&m, SIP_H_MIN_SE, UINT32_MAX, &v), 0);
	assert_int_equal(v, 90);
	assert_int_equal(sip_number(&m, SIP_H_RSEQ, UINT32_MAX, &v), -ERANGE);
	assert_int_equal(sip_number(&m, SIP_H_EXPIRES, UINT32_MAX, &v), -EINVAL);
	assert_int_equal(sip_number(&m, SIP_H_MAX_BREADTH, UINT32_MAX, &v), -EINVAL);
	assert_int_equal(sip_number(&m, SIP_H_RACK, UINT32_MAX, &v), -ENOENT);
}

static void same_headers_are_chained_in_order(void **state)
{
	parse(BASE "Warning: 1\r\nQ: 1\r\nWarning: 2\r\nZ: 2\r\nWarning: 3\r\n\r\n");
	const struct sip_hdr *h = sip_hdr(&m, SIP_H_WARNING);
	assert_span(sip_hdr_value(&m, h), "1");
	h = sip_hdr_next(&m, h);
	assert_span(sip_hdr_value(&m, h), "2");
	h = sip_hdr_next(&m, h);
	assert_span(sip_hdr_line(&m, h), "Warning: 3\r\n");
	assert_null(sip_hdr_next(&m, h));
	assert_span(sip_hdr_name(&m, sip_hdr_next(&m, sip_hdr(&m, SIP_H_OTHER))), "Z");
	assert_null(sip_hdr(&m, SIP_H_ROUTE));
	assert_span(sip_value(&m, SIP_H_ROUTE), "");
}

static void inside(const struct sip_msg *copy, struct span s)
{
	assert_true(s.p == NULL || (s.p >= copy->raw.p && s.p + s.n <= copy->raw.p + copy->raw.n));
}

static void dup_outlives_the_original(void **state)
{
	char text[] =
		"\r\n" BASE "Contact: <sip:ann@192.0.2.1>\r\nX-Y: z\r\nContent-Length: 3\r\n\r\nabcIGNORED";

	parse(text);
	struct sip_msg *copy = sip_msg_dup(NULL, &m);
	assert_non_null(copy);
	memset(text, '#', sizeof(text));
	memset(&m, 0x5a, sizeof(m));
	assert_int_equal(copy->raw.n, sizeof(text) - 1 - 2 - strlen("IGNORED"));
	assert_span(copy->method_name, "INVITE");
	assert_span(copy->ruri, "sip:bea@example.net");
	assert_span(copy->call_id, "c1");
	assert_span(copy->from, "<sip:ann@example.org>;tag=f1");
	assert_span(copy->to, "<sip:bea@example.net>;tag=t1");
	assert_span(copy->from_tag, "f1");
	assert_span(copy->to_tag, "t1");
	assert_span(copy->via.tp_name, "UDP");
	assert_span(copy->via.host, "a.example.org");
	assert_span(copy->via.branch, "z9hG4bK1");
	assert_span(copy->via.received, "192.0.2.1");
	assert_span(copy->via.maddr, "h");
	assert_span(copy->body, "abc");
	assert_span(sip_value(copy, SIP_H_CONTACT), "<sip:ann@192.0.2.1>");
	assert_span(sip_hdr_name(copy, sip_hdr(copy, SIP_H_OTHER)), "X-Y");
	inside(copy, copy->body);
	inside(copy, copy->via.maddr);
	inside(copy, copy->reason);

	/* A copy of the copy, and the copy parsed again, say the same. */
	struct sip_msg *second = sip_msg_dup(NULL, copy);
	assert_non_null(second);
	assert_int_equal(sip_msg_parse(&m, second->raw, true), 0);
	assert_int_equal(m.n_hdr, copy->n_hdr);
	assert_memory_equal(m.hdr, copy->hdr, m.n_hdr * sizeof(m.hdr[0]));
	free(copy);
	free(second);
}

static void dup_of_a_response(void **state)
{
	parse("SIP/2.0 180 Ring ring\r\nVia: SIP/2.0/UDP a\r\nFrom: sip:a@b;tag=1\r\nTo: sip:c@d;tag=2\r\n"
	      "Call-ID: x\r\nCSeq: 1 INVITE\r\n\r\n");
	struct sip_msg *copy = sip_msg_dup(NULL, &m);
	assert_non_null(copy);
	assert_span(copy->reason, "Ring ring");
	assert_span(copy->method_name, "INVITE");
	assert_null(copy->ruri.p);
	inside(copy, copy->reason);
	free(copy);
}

static void dup_without_memory_is_null(void **state)
{
	parse(BASE "\r\n");
	oom_fail_after(0);
	assert_null(sip_msg_dup(NULL, &m));
	assert_true(oom_end());
	/* One allocation is all it takes. */
	oom_fail_after(1);
	struct sip_msg *copy = sip_msg_dup(NULL, &m);
	assert_false(oom_end());
	assert_non_null(copy);
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_walks_all_headers_of_an_id),
		cmocka_unit_test(each_knows_quotes_and_angles),
		cmocka_unit_test(each_skips_empty_elements_and_survives_open_ends),
		cmocka_unit_test(lists_finds_tokens),
		cmocka_unit_test(number_with_parameters_and_comments),
		cmocka_unit_test(same_headers_are_chained_in_order),
		cmocka_unit_test(dup_outlives_the_original),
		cmocka_unit_test(dup_of_a_response),
		cmocka_unit_test(dup_without_memory_is_null),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
