/* SPDX-License-Identifier: MIT */
/*
 * What an idle session holds: 4,096 bytes in use at the most, the allocator's own included.  Counted here to the byte, so
 * that a field too many is noticed by who adds it and not by an operator with 100,000 sessions.
 */
#include <malloc.h>
#include <stdio.h>

#include "bare.h"
#include "im/view.h"
#include "lib/check.h"

enum { SESSIONS = 1024, BUDGET = 4096, QUIET_S = 42 };

#define COMMON                                                                                          \
	"Allow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, MESSAGE\r\nSupported: timer\r\nContent-Type: " \
	"application/sdp\r\n"

static size_t in_use;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

/* As glibc has it: a word before each block, in steps of 16, 32 at the least. */
static void *plus(void *p)
{
	size_t n = p ? (malloc_usable_size(p) + 8 + 15) / 16 * 16 : 0;
	in_use += p && n < 32 ? 32 : n;
	return p;
}

static void *minus(void *p)
{
	size_t was = in_use;
	plus(p);
	in_use = was - (in_use - was);
	return p;
}

void *__wrap_malloc(size_t n)
{
	return plus(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return plus(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t n)
{
	return plus(__real_realloc(minus(p), n));
}

void __wrap_free(void *p)
{
	__real_free(minus(p));
}

struct test {
	struct bare b;
	char last[SIP_MSG_MAX], invite[SIP_MSG_MAX]; /* sent; our INVITE */
};

static int on_send(void *w, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	struct test *t = w;
	char *copy = memcmp(bytes.p, "INVITE ", 7) == 0 ? t->invite : t->last;

	(void)to, (void)token;
	memcpy(copy, bytes.p, bytes.n);
	copy[bytes.n] = '\0';
	return 0;
}

static void start(struct test *t)
{
	static struct im_conf conf;

	*t = (struct test){ 0 };
	bare_conf(&conf);
	snprintf(conf.next_hop, sizeof(conf.next_hop), "sip:" FAR);
	bare_start(&t->b, &conf, on_send);
	assert_non_null(t->b.im);
}

static const char *sdp(const char *host, const char *setup, unsigned i)
{
	static char text[1024];

	snprintf(
		text, sizeof(text),
		"v=0\r\no=- 3900000000 3900000000 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n"
		"m=message 7654 TCP/MSRP *\r\na=accept-types:message/cpim text/plain application/octet-stream\r\n"
		"a=accept-wrapped-types:text/plain\r\na=setup:%s\r\na=path:msrp://%s:7654/session-%05u;tcp\r\na=sendrecv\r\n",
		host, host, setup, host, i);
	return text;
}

/* A header line of a message, with its line end. */
static struct span line(const char *msg, const char *name)
{
	const char *at = strstr(msg, name);

	assert_non_null(at);
	return span_range(at, strstr(at, "\r\n") + 2);
}

static void session(struct test *t, unsigned i)
{
	static char text[8192];
	const char *body = sdp(CLIENT, "active", i);

	snprintf(text, sizeof(text),
		 "INVITE sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/UDP " CLIENT ";branch=z9hG4bKi%u\r\n"
		 "Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=a%u\r\nTo: <sip:bob@example.net>\r\n"
		 "Call-ID: idle-%u@" CLIENT "\r\nCSeq: 1 INVITE\r\nSession-Expires: 1800\r\n"
		 "Contact: <sip:alice@" CLIENT ":5060>;+g.oma.sip-im\r\nP-Asserted-Identity: "
		 "<sip:alice@example.com>\r\n" COMMON "Content-Length: %zu\r\n\r\n%s",
		 i, i, i, strlen(body), body);
	t->invite[0] = '\0';
	bare_input(&t->b, CLIENT, span_of(text));
	assert_int_not_equal(t->invite[0], '\0');
	body = sdp(FAR, "active", i);
	snprintf(text, sizeof(text),
		 "SIP/2.0 200 OK\r\n%" SPAN_FMT "%" SPAN_FMT "To: <sip:bob@example.net>;tag=b%u\r\n%" SPAN_FMT
		 "%" SPAN_FMT "Session-Expires: 1800;refresher=uac\r\nRequire: timer\r\n"
		 "Contact: <sip:bob@" FAR ":5060>;+g.oma.sip-im\r\n" COMMON "Content-Length: %zu\r\n\r\n%s",
		 SPAN_ARG(line(t->invite, "Via: ")), SPAN_ARG(line(t->invite, "From: ")), i,
		 SPAN_ARG(line(t->invite, "Call-ID: ")), SPAN_ARG(line(t->invite, "CSeq: ")), strlen(body),
		 body);
	bare_input(&t->b, FAR, span_of(text));
	assert_memory_equal(t->last, "SIP/2.0 200 ", 12);
	snprintf(text, sizeof(text),
		 "ACK sip:parley@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP " CLIENT ";branch=z9hG4bKa%u\r\n"
		 "Max-Forwards: 70\r\n%" SPAN_FMT "%" SPAN_FMT "%" SPAN_FMT "CSeq: 1 ACK\r\n"
		 "Content-Length: 0\r\n\r\n",
		 i, SPAN_ARG(line(t->last, "From: ")), SPAN_ARG(line(t->last, "To: ")),
		 SPAN_ARG(line(t->last, "Call-ID: ")));
	bare_input(&t->b, CLIENT, span_of(text));
}

/* Nothing goes on but the session timers. */
static size_t held(struct test *t)
{
	struct im_metrics mx;

	for (unsigned s = 0; s < QUIET_S; s++)
		im_tick(t->b.im, t->b.now_us += US_PER_S);
	im_fit(t->b.im);
	im_metrics(t->b.im, &mx);
	assert_int_equal(mx.transactions, 0);
	return in_use;
}

static void an_idle_session(void **state)
{
	static struct test t;
	struct im_metrics mx;
	size_t before, each;
	(void)state;

	start(&t);
	before = held(&t);
	for (unsigned i = 0; i < SESSIONS; i++)
		session(&t, i);
	each = (held(&t) - before + SESSIONS - 1) / SESSIONS;
	im_metrics(t.b.im, &mx);
	assert_int_equal(mx.sessions, SESSIONS);
	im_check(t.b.im);
	print_message("# an idle session holds %zu bytes\n", each);
	assert_in_range(each, 1000, BUDGET);
	im_destroy(t.b.im);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(an_idle_session) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
