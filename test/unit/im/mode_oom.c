/* SPDX-License-Identifier: MIT */
/*
 * Each allocation fails in turn: where it was one of the user plane the session is set up without, if policy allows
 * (MODE-7), else it is refused with 503; a relayed MESSAGE is answered all the same (ROAD-1), and a BYE ends both legs.
 */
#include <stdio.h>

#include "bare.h"
#include "im/view.h"
#include "lib/check.h"
#include "lib/oom.h"

struct world {
	struct bare b;
	char near[64];  /* start line of what was sent to the near side last */
	char tag[64];   /* ours, on that side */
	char far[4096]; /* what was sent to the far side last */
	size_t n_far;
	unsigned n_unanchored;
};

static int on_send(void *u, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	struct world *w = u;

	(void)token;
	if (to->ip.ip[3] != 20) {
		struct span line = span_split(&bytes, '\r');
		size_t to_tag = span_find(bytes, SPAN("example.net>;tag="));
		struct span tag = to_tag == SPAN_NONE ? SPAN_EMPTY : span_skip(bytes, to_tag + 17);
		tag = span_split(&tag, '\r');
		snprintf(w->near, sizeof(w->near), "%" SPAN_FMT, SPAN_ARG(line));
		snprintf(w->tag, sizeof(w->tag), "%" SPAN_FMT, SPAN_ARG(tag));
		return 0;
	}
	w->n_far = bytes.n < sizeof(w->far) ? bytes.n : sizeof(w->far);
	memcpy(w->far, bytes.p, w->n_far);
	return 0;
}

static void ask(struct world *w, const char *method, const char *type, const char *body)
{
	char text[2048];
	int n = snprintf(
		text, sizeof(text),
		"%s sip:bob@192.0.2.20 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK1\r\n"
		"Route: <sip:orig@192.0.2.1;lr>\r\nFrom: <sip:alice@example.com>;tag=a\r\n"
		"To: <sip:bob@example.net>\r\nCall-ID: c\r\nCSeq: 1 %s\r\n"
		"Contact: <sip:alice@192.0.2.10>\r\nMax-Forwards: 70\r\n"
		"P-Asserted-Identity: <sip:alice@example.com>\r\nContent-Type: %s\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		method, method, type, strlen(body), body);
	bare_input(&w->b, CLIENT, (struct span){ text, (size_t)n });
}

/* What came last to the far side, answered. */
static void answer(struct world *w, const char *status)
{
	char text[5000];
	struct span rest = { w->far, w->n_far };
	struct wbuf b = wbuf_on(text, sizeof(text));
	size_t end = span_find(rest, SPAN("Content-Type:"));

	if (!w->n_far || end == SPAN_NONE)
		return;
	rest.n = end;
	span_split(&rest, '\n');
	w_str(&b, "SIP/2.0 "), w_str(&b, status), w_str(&b, "\r\n"), w_span(&b, rest);
	w_str(&b, "Content-Length: 0\r\n\r\n");
	bare_input(&w->b, FAR, w_span_of(&b));
}

static struct im *server(struct world *w, bool optional)
{
	struct im_conf conf;

	bare_conf(&conf);
	conf.anchor_optional = optional;
	bare_start(&w->b, &conf, on_send);
	return w->b.im;
}

static void on_session(const struct im_session_view *v, void *u)
{
	struct world *w = u;
	w->n_unanchored += strcmp(v->mode, "unanchored") == 0;
}

static const char sdp[] =
	"v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
	"m=message 7000 TCP/MSRP *\r\na=accept-types:*\r\na=path:msrp://192.0.2.10:7000/a;tcp\r\n";

/* How many of the allocations of an INVITE, failing, leave a session out of the media path? */
static unsigned set_up_short_of_memory(bool optional, unsigned *refused)
{
	static struct world w;
	unsigned unanchored = 0;
	bool failed = true;

	*refused = 0;
	for (unsigned long n = 0; failed; n++) {
		w = (struct world){ 0 };
		w.b.im = server(&w, optional);
		assert_non_null(w.b.im);
		oom_fail_after(n);
		ask(&w, "INVITE", "application/sdp", sdp);
		failed = oom_end();
		im_view_sessions(w.b.im, on_session, &w);
		unanchored += w.n_unanchored;
		*refused += strcmp(w.near, "SIP/2.0 503 Service Unavailable") == 0;
		if (w.n_unanchored) /* what the peer said, to the byte */
			assert_true(span_find((struct span){ w.far, w.n_far }, span_of(sdp)) != SPAN_NONE);
		im_check(w.b.im);
		im_end_all(w.b.im, 503, "over", w.b.now_us);
		answer(&w, "487 Request Terminated");
		bare_run_out(&w.b);
		im_destroy(w.b.im);
	}
	return unanchored;
}

static void mode_7_without_its_user_plane(void **state)
{
	unsigned refused, refused_less;

	assert_int_equal(set_up_short_of_memory(false, &refused), 0);
	assert_true(set_up_short_of_memory(true, &refused_less) > 0);
	assert_true(refused_less < refused);
}

static void road_1_each_allocation_fails_once(void **state)
{
	static struct world w;
	bool failed = true;

	for (unsigned long n = 0; failed; n++) {
		w = (struct world){ 0 };
		w.b.im = server(&w, false);
		oom_fail_after(n);
		ask(&w, "MESSAGE", "text/plain", "hello");
		answer(&w, "202 Accepted");
		failed = oom_end();
		if (!failed)
			assert_string_equal(w.near, "SIP/2.0 202 Accepted");
		bare_run_out(&w.b);
		im_destroy(w.b.im);
	}
}

/* In a dialog with us: a session of its own makes up neither. */
static void in_dialog(struct world *w, const char *method, unsigned cseq)
{
	char text[1024];
	int n = snprintf(
		text, sizeof(text),
		"%s sip:parley@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK%s%u\r\n"
		"From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.net>;tag=%s\r\nCall-ID: c\r\n"
		"CSeq: %u %s\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
		method, method, cseq, w->tag, cseq, method);
	bare_input(&w->b, CLIENT, (struct span){ text, (size_t)n });
}

/* The far side accepts: what was asked, with a tag, a contact and a description of its own. */
static void accept_call(struct world *w)
{
	char text[8000], body[1000];
	struct span rest = { w->far, w->n_far }, line;
	struct wbuf b = wbuf_on(text, sizeof(text));

	span_split(&rest, '\n');
	w_str(&b, "SIP/2.0 200 OK\r\n");
	while ((line = span_split(&rest, '\n')).n > 1) {
		bool to = span_starts(line, SPAN("To:"));
		line.n--;
		if (!span_starts(line, SPAN("Content-")) && !span_starts(line, SPAN("Contact:")))
			w_span(&b, line), w_str(&b, to ? ";tag=b\r\n" : "\r\n");
	}
	snprintf(body, sizeof(body), "%sa=setup:active\r\n", sdp); /* so that nobody connects here */
	w_str(&b, "Contact: <sip:bob@192.0.2.20>\r\nContent-Type: application/sdp\r\nContent-Length: ");
	w_u64(&b, strlen(body)), w_str(&b, "\r\n\r\n"), w_str(&b, body);
	bare_input(&w->b, FAR, w_span_of(&b));
}

/* TERM-1: who hangs up does so once.  Memory for a transaction or not, the session ends on both sides. */
static void term_1_a_bye_is_never_in_vain(void **state)
{
	static struct world w;
	bool failed = true;

	for (unsigned long n = 0; failed; n++) {
		w = (struct world){ 0 };
		w.b.im = server(&w, false);
		ask(&w, "INVITE", "application/sdp", sdp);
		accept_call(&w);
		assert_string_equal(w.near, "SIP/2.0 200 OK");
		in_dialog(&w, "ACK", 1);
		oom_fail_after(n);
		in_dialog(&w, "BYE", 2);
		failed = oom_end();
		assert_string_equal(w.near, "SIP/2.0 200 OK");
		assert_true(span_starts((struct span){ w.far, w.n_far }, SPAN("BYE ")));
		im_check(w.b.im);
		answer(&w, "200 OK");
		bare_run_out(&w.b);
		im_destroy(w.b.im);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mode_7_without_its_user_plane),
		cmocka_unit_test(road_1_each_allocation_fails_once),
		cmocka_unit_test(term_1_a_bye_is_never_in_vain),
	};
	return cmocka_run_group_tests_name("im/mode_oom", tests, NULL, NULL);
}
