/* SPDX-License-Identifier: MIT */
/* Heads as spans, and heads written: UP-18, UP-20, UP-21, UP-23. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "msrp/build.h"

#define PATHS \
	"To-Path: msrp://a.example:1/x;tcp\r\nFrom-Path: msrp://r.example:9;tcp msrp://b.example:2/y;tcp\r\n"

static void assert_span(struct span got, const char *want)
{
	assert_int_equal(got.n, strlen(want));
	assert_memory_equal(got.n ? got.p : "", want, got.n);
}

static void parse(struct msrp_head *h, const char *text)
{
	assert_int_equal(msrp_head_parse(h, span_of(text)), strlen(text));
}

static void head_18_send(void **state)
{
	struct msrp_head h;

	parse(&h, "MSRP d93kswow SEND\r\n" PATHS
		  "Message-ID: 12339sdqwer\r\nByte-Range: 1-16/16\r\nX-New: a  b \r\nSuccess-Report: yes\r\n"
		  "Failure-Report: partial\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
	assert_true(h.is_request && h.has_body && h.success && !h.bad);
	assert_int_equal(h.method, MSRP_SEND);
	assert_int_equal(h.failure, MSRP_FAILURE_PARTIAL);
	assert_span(h.tid, "d93kswow");
	assert_span(h.to_path, "msrp://a.example:1/x;tcp");
	assert_span(h.from_path, "msrp://r.example:9;tcp msrp://b.example:2/y;tcp");
	assert_span(h.message_id, "12339sdqwer");
	assert_span(h.byte_range, "1-16/16");
	assert_span(h.content_type, "text/plain; charset=utf-8");
	assert_span(h.range_line, "Byte-Range: 1-16/16\r\n");
	assert_span(
		h.rest,
		"Message-ID: 12339sdqwer\r\nByte-Range: 1-16/16\r\nX-New: a  b \r\nSuccess-Report: yes\r\n"
		"Failure-Report: partial\r\nContent-Type: text/plain; charset=utf-8\r\n");
}

static void head_18_bodiless(void **state)
{
	struct msrp_head h;

	parse(&h, "MSRP d93kswow SEND\r\n" PATHS "Message-ID: 9\r\n-------d93kswow#\r\n");
	assert_false(h.has_body);
	assert_int_equal(h.flag, '#');
	assert_span(h.rest, "Message-ID: 9\r\n");
	assert_int_equal(h.failure, MSRP_FAILURE_YES);
}

static void head_18_response(void **state)
{
	struct msrp_head h;

	parse(&h, "MSRP d93kswow 415 No idea what this is\r\n" PATHS "-------d93kswow$\r\n");
	assert_false(h.is_request);
	assert_int_equal(h.code, 415);
	parse(&h, "MSRP d93kswow 200\r\n" PATHS "-------d93kswow$\r\n");
	assert_int_equal(h.code, 200);
}

static void head_21_names_in_any_case(void **state)
{
	struct msrp_head h;

	parse(&h,
	      "MSRP abcd REPORT\r\nTO-PATH:msrp://a:1/x;tcp\r\nfrom-path:  msrp://b:1/y;tcp\r\nmessage-id: q\r\n"
	      "STATUS: 000 200 OK\r\n-------abcd$\r\n");
	assert_int_equal(h.method, MSRP_REPORT);
	assert_span(h.status, "000 200 OK");
	assert_span(h.message_id, "q");
	assert_span(h.to_path, "msrp://a:1/x;tcp");
}

static void head_21_bad_in_sync(void **state)
{
	struct msrp_head h;

	parse(&h, "MSRP abcd SEND\r\n" PATHS "Message-ID: 1\r\nMessage-ID: 2\r\n-------abcd$\r\n");
	assert_true(h.bad);
	parse(&h, "MSRP abcd SEND\r\n" PATHS "no colon here\r\n-------abcd$\r\n");
	assert_true(h.bad);
	parse(&h, "MSRP abcd SEND\r\n" PATHS "To-Path: msrp://c:1/z;tcp\r\n-------abcd$\r\n");
	assert_true(h.bad);
	parse(&h, "MSRP abcd SEND\r\n" PATHS "Failure-Report: maybe\r\n-------abcd$\r\n");
	assert_int_equal(h.failure, MSRP_FAILURE_BAD);
	parse(&h, "MSRP abcd NICKNAME\r\n" PATHS "Use-Nickname: \"x\"\r\n-------abcd$\r\n");
	assert_int_equal(h.method, MSRP_OTHER);
}

static void head_20_who_gets_the_400(void **state)
{
	struct msrp_head h;

	assert_int_equal(msrp_head_parse(&h, SPAN("MSRP abcd SEND\r\n" PATHS "-------xxxx$\r\n")), -EBADMSG);
	assert_span(h.tid, "abcd");
	assert_span(h.from_path, "msrp://r.example:9;tcp msrp://b.example:2/y;tcp");
}

static void head_32_tid_limits(void **state)
{
	assert_true(msrp_tid_ok(SPAN("a.-+%=")));
	assert_false(msrp_tid_ok(SPAN("abc")));
	assert_false(msrp_tid_ok(SPAN(".abc")));
	assert_true(msrp_tid_ok(SPAN("12345678901234567890123456789012")));
	assert_false(msrp_tid_ok(SPAN("123456789012345678901234567890123")));
	assert_false(msrp_tid_ok(SPAN("ab_cd")));
}

static void rewrite(const char *rest, const char *want)
{
	struct msrp_head h;
	char text[1024], out[512];
	struct wbuf in = wbuf_on(text, sizeof(text)), w = wbuf_on(out, sizeof(out));
	struct msrp_range r = { 17, MSRP_STAR, 99 };

	w_str(&in, "MSRP abcd SEND\r\n" PATHS), w_str(&in, rest), w_str(&in, "\r\n");
	assert_int_equal(msrp_head_parse(&h, w_span_of(&in)), in.n);
	w_msrp_rest(&w, h.rest, h.range_line, &r);
	assert_span(w_span_of(&w), want);
}

static void build_27_only_the_range_changes(void **state)
{
	rewrite("Message-ID: m\r\nX-A: 1\r\nByte-Range: 1-2/3\r\nX-b:2\r\nContent-Type: a/b\r\n",
		"Message-ID: m\r\nX-A: 1\r\nByte-Range: 17-*/99\r\nX-b:2\r\nContent-Type: a/b\r\n");
	rewrite("byte-range: 1-2/3\r\nMessage-ID: m\r\nX-A: 1\r\n",
		"Byte-Range: 17-*/99\r\nMessage-ID: m\r\nX-A: 1\r\n");
	rewrite("Message-ID: m\r\nX-A: 1\r\nContent-Type: a/b\r\n",
		"Message-ID: m\r\nByte-Range: 17-*/99\r\nX-A: 1\r\nContent-Type: a/b\r\n");
	rewrite("X-A: 1\r\n", "Byte-Range: 17-*/99\r\nX-A: 1\r\n");
}

static void build_23_response(void **state)
{
	char out[256];
	struct wbuf w = wbuf_on(out, sizeof(out));

	w_msrp_response(&w, SPAN("d93kswow"), 200, SPAN("msrp://b:2/y;tcp"), SPAN("msrp://a:1/x;tcp"));
	assert_span(w_span_of(&w), "MSRP d93kswow 200 OK\r\nTo-Path: msrp://b:2/y;tcp\r\n"
				   "From-Path: msrp://a:1/x;tcp\r\n-------d93kswow$\r\n");
}

static void build_26_report(void **state)
{
	char out[512];
	struct wbuf w = wbuf_on(out, sizeof(out));
	struct msrp_range r = { 1, 16, 32 };
	struct msrp_head h;

	w_msrp_request(&w, SPAN("abcd"), SPAN("REPORT"), SPAN("msrp://b:2/y;tcp"), SPAN("msrp://a:1/x;tcp"));
	w_msrp_status(&w, SPAN("mid"), &r, 413);
	w_msrp_end(&w, SPAN("abcd"), '$');
	assert_span(w_span_of(&w),
		    "MSRP abcd REPORT\r\nTo-Path: msrp://b:2/y;tcp\r\nFrom-Path: msrp://a:1/x;tcp\r\n"
		    "Message-ID: mid\r\nByte-Range: 1-16/32\r\nStatus: 000 413 Too Large\r\n"
		    "-------abcd$\r\n");
	assert_int_equal(msrp_head_parse(&h, w_span_of(&w)), w.n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(head_18_send),        cmocka_unit_test(head_18_bodiless),
		cmocka_unit_test(head_18_response),    cmocka_unit_test(head_21_names_in_any_case),
		cmocka_unit_test(head_21_bad_in_sync), cmocka_unit_test(head_20_who_gets_the_400),
		cmocka_unit_test(head_32_tid_limits),  cmocka_unit_test(build_27_only_the_range_changes),
		cmocka_unit_test(build_23_response),   cmocka_unit_test(build_26_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
