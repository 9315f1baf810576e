/* SPDX-License-Identifier: MIT */
/*
 * Each allocation of a proxied call fails in turn: an asker is answered or asks again, nothing breaks, and when all timers
 * are over nothing is left (PX-2).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "im/im.h"
#include "lib/oom.h"

struct world {
	struct im *im;
	uint64_t now_us, seed;
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

static void on_random(void *u, void *p, size_t n)
{
	struct world *w = u;
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)(++w->seed * 37 >> 3);
}

static bool no_log(void *u, enum im_level level)
{
	return false;
}

static void feed(struct world *w, const char *from, struct span bytes)
{
	struct sip_src src = { .tp = SIP_UDP };
	addr_parse(&src.ip, span_of(from), 5060);
	w->now_us += 1000;
	im_sip_input(w->im, bytes, &src, w->now_us);
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
	feed(w, "192.0.2.10", (struct span){ text, (size_t)n });
}

/* What came last to the far side, answered. */
static void answer(struct world *w, const char *status)
{
	char text[5000];
	struct span rest = { w->last, w->last_n };
	struct wbuf b = wbuf_on(text, sizeof(text));

	span_split(&rest, '\n');
	w_str(&b, "SIP/2.0 "), w_str(&b, status), w_str(&b, "\r\n"), w_span(&b, rest);
	feed(w, "192.0.2.20", w_span_of(&b));
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

static void run_out(struct world *w)
{
	for (uint64_t at; (at = im_deadline(w->im)) != UINT64_MAX;) {
		w->now_us = at > w->now_us ? at : w->now_us;
		assert_true(w->now_us < 10000 * US_PER_S);
		im_tick(w->im, w->now_us);
	}
	assert_true(im_idle(w->im));
}

static struct im *server(struct world *w)
{
	struct im_port port = { .w = w, .random = on_random, .sip_send = on_send, .log_wanted = no_log };
	struct im_conf conf;

	im_conf_defaults(&conf);
	conf.mode = IM_PROXY;
	conf.n_listen = 1;
	conf.listen[0].port = 5060;
	addr_parse(&conf.listen[0].addr, SPAN("192.0.2.1"), 5060);
	strcpy(conf.listen[0].host, "192.0.2.1");
	conf.n_trusted = cidr_parse(&conf.trusted[0], SPAN("192.0.2.0/24"));
	conf.n_domains = 1;
	strcpy(conf.domains[0], "example.com");
	return im_create(&conf, &port, w->now_us);
}

static void px_2_each_allocation_fails_once(void **state)
{
	static struct world w;
	unsigned long n;
	unsigned far = 0;
	bool failed = true;

	for (n = 0; failed; n++) {
		w = (struct world){ .now_us = US_PER_S };
		oom_fail_after(n);
		w.im = server(&w);
		if (w.im) {
			call(&w);
			failed = oom_end();
			far = w.n_far;
			run_out(&w);
			assert_true(w.n_near > 0); /* the one whom nothing could be sent for was told */
		} else {
			failed = oom_end();
		}
		im_destroy(w.im);
	}
	assert_int_equal(far, 6); /* nothing failed: INVITE, ACK, UPDATE, INVITE, CANCEL, MESSAGE */
	assert_true(n > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(px_2_each_allocation_fails_once) };
	return cmocka_run_group_tests_name("im/proxy_oom", tests, NULL, NULL);
}
