/* SPDX-License-Identifier: MIT */
/*
 * Each allocation of a proxied call fails in turn: an asker is answered or asks again, nothing breaks, and when all timers
 * are over nothing is left (PX-2).
 */
#include <stdio.h>

#include "bare.h"
#include "lib/check.h"
#include "lib/oom.h"

struct world {
	struct bare b;
	char last[4096]; /* what was sent to the far side last */
	size_t last_n;
	unsigned n_far, n_near;
};

static int on_send(void *u, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	struct world *w = u;

	(void)token;
	if (to->ip.ip[3] != 20) {
		w->n_near++;
		return 0;
	}
	w->n_far++;
	w->last_n = bytes.n < sizeof(w->last) ? bytes.n : sizeof(w->last);
	memcpy(w->last, bytes.p, w->last_n);
	return 0;
}

static void ask(struct world *w, const char *method, unsigned cseq, const char *branch, const char *to_tag)
{
	char text[1024];
	int n = snprintf(
		text, sizeof(text),
		"%s sip:bob@192.0.2.20 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK%s\r\n"
		"Route: <sip:orig@192.0.2.1;lr>\r\nFrom: <sip:alice@example.com>;tag=a\r\n"
		"To: <sip:bob@example.net>%s\r\nCall-ID: c\r\nCSeq: %u %s\r\n"
		"P-Asserted-Identity: <sip:alice@example.com>\r\nContent-Length: 0\r\n\r\n",
		method, branch, to_tag, cseq, method);
	bare_input(&w->b, CLIENT, (struct span){ text, (size_t)n });
}

/* What came last to the far side, answered. */
static void answer(struct world *w, const char *status)
{
	char text[5000];
	struct span rest = { w->last, w->last_n };
	struct wbuf b = wbuf_on(text, sizeof(text));

	span_split(&rest, '\n');
	w_str(&b, "SIP/2.0 "), w_str(&b, status), w_str(&b, "\r\n"), w_span(&b, rest);
	bare_input(&w->b, FAR, w_span_of(&b));
}

static void call(struct world *w)
{
	ask(w, "INVITE", 1, "1", "");
	answer(w, "180 Ringing");
	answer(w, "200 OK");
	answer(w, "200 OK");
	ask(w, "ACK", 1, "2", ";tag=b");
	ask(w, "UPDATE", 2, "3", ";tag=b");
	answer(w, "200 OK");
	ask(w, "INVITE", 3, "4", ";tag=b");
	answer(w, "180 Ringing");
	ask(w, "CANCEL", 3, "4", ";tag=b");
	ask(w, "MESSAGE", 4, "5", ";tag=b");
	answer(w, "503 Full");
}

static struct im *server(struct world *w)
{
	struct im_conf conf;

	bare_conf(&conf);
	conf.mode = IM_PROXY;
	bare_start(&w->b, &conf, on_send);
	return w->b.im;
}

static void px_2_each_allocation_fails_once(void **state)
{
	static struct world w;
	unsigned long n;
	unsigned far = 0;
	bool failed = true;

	for (n = 0; failed; n++) {
		w = (struct world){ 0 };
		oom_fail_after(n);
		w.b.im = server(&w);
		if (w.b.im) {
			call(&w);
			failed = oom_end();
			far = w.n_far;
			bare_run_out(&w.b);
			assert_true(w.n_near > 0); /* the one whom nothing could be sent for was told */
		} else {
			failed = oom_end();
		}
		im_destroy(w.b.im);
	}
	assert_int_equal(far, 6); /* nothing failed: INVITE, ACK, UPDATE, INVITE, CANCEL, MESSAGE */
	assert_true(n > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(px_2_each_allocation_fails_once) };
	return cmocka_run_group_tests_name("im/proxy_oom", tests, NULL, NULL);
}
