/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "msrp/cpim.h"

#define assert_span(s, z)                                   \
	do {                                                \
		assert_int_equal((s).n, strlen(z));         \
		assert_memory_equal((s).p, (z), strlen(z)); \
	} while (0)

#define HEAD "From: Alice <im:alice@example.com>\r\nTo: \"B <x>\" <sip:bob@example.net>\r\n"
#define IMDN "NS: imdn <urn:ietf:params:imdn>\r\n"
#define MIME "\r\nContent-type: text/plain; charset=utf-8\r\nContent-ID: <1>\r\n\r\n"

static void up_34_inner_type(void **state)
{
	static const char text[] =
		HEAD IMDN "imdn.Message-ID: 34jk324j\r\nSubject:;lang=fr Objet\r\n"
			  "imdn.Disposition-Notification: positive-delivery, display\r\n" MIME
			  "Content-Type: text/html\r\n\r\n";
	struct cpim c;
	ssize_t n = cpim_parse(&c, span_of(text));

	assert_int_equal(n, sizeof(text) - 1 - strlen("Content-Type: text/html\r\n\r\n"));
	assert_span(c.from, "im:alice@example.com");
	assert_span(c.to, "sip:bob@example.net");
	assert_span(c.type, "text/plain; charset=utf-8");
	assert_span(c.imdn_message_id, "34jk324j");
	assert_span(c.disposition_notification, "positive-delivery, display");
	assert_span(c.mime, "Content-type: text/plain; charset=utf-8\r\nContent-ID: <1>\r\n");
}

/* UP-34: however many pieces it comes in, nothing is said before the section is whole, and then the same. */
static void up_34_any_cut(void **state)
{
	static const char text[] = HEAD IMDN MIME "content";
	size_t whole = sizeof(text) - 1 - strlen("content");
	struct cpim c;

	for (size_t n = 0; n < sizeof(text) - 1; n++)
		assert_int_equal(cpim_parse(&c, (struct span){ text, n }), n < whole ? 0 : whole);
}

/* UP-35: names are case-sensitive, and a prefix is what its NS header says. */
static void up_35_names(void **state)
{
	struct cpim c;

	assert_true(
		cpim_parse(&c,
			   SPAN("from: <im:a>\r\nFROM: <im:b>\r\nx.From: <im:c>\r\nFrom: <im:d>\r\n" MIME)) >
		0);
	assert_span(c.from, "im:d");
	assert_true(cpim_parse(&c, SPAN("NS: x <urn:ietf:params:cpim-headers:>\r\nx.From: <im:c>\r\n" MIME)) >
		    0);
	assert_span(c.from, "im:c");
	assert_true(
		cpim_parse(&c, SPAN("NS: <urn:ietf:params:imdn>\r\nFrom: <im:c>\r\nMessage-ID: 7\r\n" MIME)) >
		0);
	assert_int_equal(c.from.n, 0);
	assert_span(c.imdn_message_id, "7");
	/* the prefix "imdn" alone means nothing */
	assert_true(cpim_parse(&c, SPAN("imdn.Disposition-Notification: display\r\n" MIME)) > 0);
	assert_int_equal(c.disposition_notification.n, 0);
	/* the latest declaration of a prefix counts */
	assert_true(cpim_parse(&c, SPAN(IMDN "NS: imdn <urn:other>\r\nimdn.Message-ID: 1\r\n" MIME)) > 0);
	assert_int_equal(c.imdn_message_id.n, 0);
	/* the first of a name */
	assert_true(cpim_parse(&c, SPAN("From: <im:a>\r\nFrom: <im:b>\r\n" MIME)) > 0);
	assert_span(c.from, "im:a");
}

static void cpim_odd_but_right(void **state)
{
	struct cpim c;

	assert_int_equal(cpim_parse(&c, SPAN("\r\n\r\nx")), 4); /* no headers at all */
	assert_span(cpim_type(&c), "text/plain");
	assert_int_equal(cpim_parse(&c, SPAN("From: <im:a>\n\nContent-Type: a/b\n\nx")), 13 + 1 + 18 + 1);
	assert_span(c.type, "a/b");
	assert_true(
		cpim_parse(
			&c,
			SPAN("\r\nContent-Type: a/b;\r\n\tc=d\r\nContent-Transfer-Encoding: base64\r\n\r\n")) >
		0);
	assert_span(c.type, "a/b;\r\n\tc=d");
	assert_span(c.encoding, "base64");
	assert_true(cpim_parse(&c, SPAN("From: im:no-angles\r\n" MIME)) > 0);
	assert_int_equal(c.from.n, 0);
}

static void cpim_broken(void **state)
{
	char big[CPIM_HEAD_MAX + 16];
	struct cpim c;

	assert_int_equal(cpim_parse(&c, SPAN("hello\r\nworld\r\n")), -EBADMSG);
	assert_int_equal(cpim_parse(&c, SPAN(": x\r\n")), -EBADMSG);
	assert_int_equal(cpim_parse(&c, SPAN("From: <im:a>\r\n\r\nnot a header\r\n")), -EBADMSG);
	memset(big, 'x', sizeof(big));
	assert_int_equal(cpim_parse(&c, (struct span){ big, CPIM_HEAD_MAX - 1 }), 0);
	assert_int_equal(cpim_parse(&c, (struct span){ big, CPIM_HEAD_MAX }), -EMSGSIZE);
	for (unsigned i = 0; i < CPIM_HEADERS_MAX + 1; i++)
		memcpy(big + i * 6, "X: y\r\n", 6);
	assert_int_equal(cpim_parse(&c, (struct span){ big, (CPIM_HEADERS_MAX + 1) * 6 }), -EMSGSIZE);
	assert_int_equal(cpim_parse(&c, (struct span){ big, CPIM_HEADERS_MAX * 6 }), 0);
}

static void cpim_written(void **state)
{
	char text[512];
	struct wbuf w = wbuf_on(text, sizeof(text));

	w_cpim(&w, SPAN("sip:a@x"), SPAN("sip:b@y"), 1795467714, SPAN("text/plain"));
	assert_true(w_ok(&w));
	assert_span(w_span_of(&w),
		    "From: <sip:a@x>\r\nTo: <sip:b@y>\r\nDateTime: 2026-11-23T21:01:54Z\r\n\r\n"
		    "Content-Type: text/plain\r\n\r\n");
	w = wbuf_on(text, sizeof(text));
	w_cpim(&w, SPAN("sip:a@x"), SPAN("sip:b@y"), 951782399, SPAN("text/plain"));
	assert_non_null(memmem(text, w.n, "2000-02-28T23:59:59Z", 20));
	w = wbuf_on(text, sizeof(text));
	w_cpim(&w, SPAN("sip:a@x"), SPAN("sip:b@y"), 951782400 + 86399, SPAN("text/plain"));
	assert_non_null(memmem(text, w.n, "2000-02-29T23:59:59Z", 20));
	w = wbuf_on(text, sizeof(text));
	w_cpim(&w, SPAN("sip:a@x"), SPAN("sip:b@y"), 0, SPAN("text/plain"));
	assert_span(w_span_of(&w),
		    "From: <sip:a@x>\r\nTo: <sip:b@y>\r\n\r\nContent-Type: text/plain\r\n\r\n");
	w = wbuf_on(text, sizeof(text));
	w_cpim(&w, SPAN("sip:a>\r\nX: y"), SPAN("sip:b@y"), 0, SPAN("text/plain"));
	assert_false(w_ok(&w));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(up_34_inner_type), cmocka_unit_test(up_34_any_cut),
		cmocka_unit_test(up_35_names),      cmocka_unit_test(cpim_odd_but_right),
		cmocka_unit_test(cpim_broken),      cmocka_unit_test(cpim_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
