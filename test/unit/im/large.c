/* SPDX-License-Identifier: MIT */
/*
 * An answer that becomes too large to be written, which no ladder can say: the initiator is told 500 for what its far
 * side was told is done, so both must hear that it is over.  And a context that is destroyed in the middle of a change.
 */
#include <stdio.h>

#include "bare.h"
#include "im/view.h"
#include "lib/check.h"

enum { KEPT = 16 };

#define BODY(who, version)                                                                               \
	"v=0\r\no=- 1 " version " IN IP4 " who "\r\ns=-\r\nc=IN IP4 " who "\r\nt=0 0\r\n"                \
	"m=message 7000 TCP/MSRP *\r\na=accept-types:text/plain\r\na=setup:active\r\na=path:msrp://" who \
	":7000/s;tcp\r\n"

struct test {
	struct bare b;
	char *sent[KEPT]; /* owned, newest last */
	unsigned n;
};

static int on_send(void *w, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	struct test *t = w;
	(void)to, (void)token;
	assert_true(t->n < KEPT);
	t->sent[t->n++] = span_dup(bytes);
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

static void forget(struct test *t)
{
	while (t->n)
		free(t->sent[--t->n]);
}

static void input(struct test *t, const char *text, size_t n, const char *from)
{
	bare_input(&t->b, from, (struct span){ text, n });
	im_check(t->b.im);
}

/* The newest message that begins so. */
static const char *sent(const struct test *t, const char *begin)
{
	for (unsigned i = t->n; i-- > 0;)
		if (strncmp(t->sent[i], begin, strlen(begin)) == 0)
			return t->sent[i];
	return NULL;
}

/* A header line of a message, with its line end. */
static struct span header(const char *msg, const char *name)
{
	const char *at = strstr(msg, name);
	assert_non_null(at);
	return span_range(at, strstr(at, "\r\n") + 2);
}

/* A request of the client whose top Via carries as many more values as make `fill` bytes. */
static void request(struct test *t, const char *start_line, const char *to, const char *cseq,
		    const char *body, size_t fill)
{
	static char text[SIP_MSG_MAX];
	struct wbuf w = wbuf_on(text, sizeof(text));

	w_str(&w, start_line), w_str(&w, "\r\nVia: SIP/2.0/UDP " CLIENT ";branch=z9hG4bK"),
		w_bytes(&w, cseq, 1);
	for (size_t i = 0; i + 40 < fill; i += 40)
		w_str(&w, ", SIP/2.0/UDP 192.0.2.99;branch=z9hG4bK1");
	w_str(&w, "\r\nMax-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=a\r\n"), w_str(&w, to);
	w_str(&w, "Call-ID: large\r\nCSeq: "), w_str(&w, cseq);
	w_str(&w, "\r\nContact: <sip:alice@" CLIENT ">\r\nAllow: INVITE, ACK, BYE, UPDATE\r\n");
	if (*body)
		w_str(&w, "Content-Type: application/sdp\r\n");
	w_str(&w, "Content-Length: "), w_u64(&w, strlen(body)), w_str(&w, "\r\n\r\n"), w_str(&w, body);
	assert_true(w_ok(&w));
	input(t, text, w.n, CLIENT);
}

/* The far side's 200 to a request of ours, with a header of `fill` bytes. */
static void answer(struct test *t, const char *req, const char *body, size_t fill)
{
	static char text[SIP_MSG_MAX];
	struct wbuf w = wbuf_on(text, sizeof(text));
	struct span to = header(req, "To: ");

	w_str(&w, "SIP/2.0 200 OK\r\n"), w_span(&w, header(req, "Via: ")), w_span(&w, header(req, "From: "));
	w_span(&w, span_cut(to, 0, to.n - 2));
	if (span_find(to, SPAN(";tag=")) == SPAN_NONE)
		w_str(&w, ";tag=b");
	w_str(&w, "\r\n"), w_span(&w, header(req, "Call-ID: ")), w_span(&w, header(req, "CSeq: "));
	w_str(&w, "Contact: <sip:bob@" FAR ">\r\nAllow: INVITE, ACK, BYE, UPDATE\r\nX-Much: ");
	for (size_t i = 0; i < fill; i++)
		w_chr(&w, 'x');
	w_str(&w, "\r\nContent-Type: application/sdp\r\nContent-Length: "), w_u64(&w, strlen(body));
	w_str(&w, "\r\n\r\n"), w_str(&w, body);
	assert_true(w_ok(&w));
	input(t, text, w.n, FAR);
}

static void setup(struct test *t, size_t vias, size_t much)
{
	request(t, "INVITE sip:bob@example.net SIP/2.0",
		"P-Asserted-Identity: <sip:alice@example.com>\r\n"
		"To: <sip:bob@example.net>\r\n",
		"1 INVITE", BODY(CLIENT, "1"), vias);
	assert_non_null(sent(t, "INVITE "));
	answer(t, sent(t, "INVITE "), BODY(FAR, "1"), much);
}

static void finish(struct test *t)
{
	im_destroy(t->b.im);
	forget(t);
}

/* SETUP-9: the far side is up, the initiator cannot be told so. */
static void setup_9_answer_too_large(void **state)
{
	struct test t;
	(void)state;

	start(&t);
	setup(&t, 40000, 40000);
	assert_non_null(sent(&t, "ACK "));
	assert_non_null(sent(&t, "SIP/2.0 500 "));
	assert_null(sent(&t, "SIP/2.0 200 "));
	assert_non_null(strstr(sent(&t, "BYE "), "Reason: SIP;cause=500"));
	finish(&t);
}

/* A session, and in it an UPDATE that went out to the far side. */
static void update(struct test *t, size_t vias)
{
	char to[200];
	struct span line;

	start(t);
	setup(t, 0, 0);
	line = header(sent(t, "SIP/2.0 200 "), "To: ");
	snprintf(to, sizeof(to), "%.*s", (int)line.n, line.p);
	request(t, "ACK sip:parley@192.0.2.1 SIP/2.0", to, "1 ACK", "", 0);
	forget(t);
	request(t, "UPDATE sip:parley@192.0.2.1 SIP/2.0", to, "2 UPDATE", BODY(CLIENT, "2") "a=recvonly\r\n",
		vias);
	assert_non_null(sent(t, "UPDATE "));
}

/* MOD-22, MOD-30: committed, and the initiator cannot be told so: both sides hear BYE. */
static void mod_22_answer_too_large(void **state)
{
	struct test t;
	(void)state;

	update(&t, 40000);
	answer(&t, sent(&t, "UPDATE "), BODY(FAR, "2") "a=sendonly\r\n", 40000);
	assert_non_null(sent(&t, "SIP/2.0 500 "));
	assert_null(sent(&t, "SIP/2.0 200 "));
	assert_non_null(strstr(sent(&t, "BYE "), "Reason: SIP;cause=500"));
	assert_int_equal(t.n, 4); /* UPDATE, 500 and a BYE to each */
	finish(&t);
}

/* im.h: a context that is destroyed sends nothing, whatever is open. */
static void destroyed_in_silence(void **state)
{
	struct test t;
	(void)state;

	update(&t, 0);
	forget(&t);
	im_destroy(t.b.im);
	assert_int_equal(t.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(setup_9_answer_too_large),
		cmocka_unit_test(mod_22_answer_too_large),
		cmocka_unit_test(destroyed_in_silence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
