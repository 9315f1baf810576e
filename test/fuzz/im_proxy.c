/* SPDX-License-Identifier: MIT */
/*
 * Proxy mode, fed whatever parses and whatever does not: what is sent can be read, a request that is passed on has one
 * Via more than it came with and the same body, its answer comes back with one less, and when all timers are over
 * nothing is left.
 *
 * Input: pieces separated by "%%\n"; a piece is one digit for what the next hop answers ('0' nothing, '1' 180 and then 200,
 * '2' 200, '4' 486, '5' 503), and a message.
 */
#include "fuzz.h"

#include "base/rng.h"
#include "im/im.h"

enum { SENT_MAX = 8 };

struct world {
	struct im *im;
	struct rng rng;
	uint64_t now_us;
	struct span in;       /* the message being fed */
	char *sent[SENT_MAX]; /* requests passed on, to be answered */
	size_t sent_n[SENT_MAX];
	unsigned n_sent;
	bool answering; /* what is fed are answers of ours */
};

static unsigned vias(const struct sip_msg *m)
{
	struct sip_iter it = { 0 };
	unsigned n = 0;
	for (struct span v; sip_each(m, SIP_H_VIA, &it, &v);)
		n++;
	return n;
}

static void check_passed(struct world *w, const struct sip_msg *out)
{
	struct sip_msg in;

	if (w->answering || sip_msg_parse(&in, w->in, false) != 0 || !in.request || in.method != out->method)
		return;
	FUZZ_CHECK(span_eq(in.body, out->body) && span_eq(in.call_id, out->call_id));
	FUZZ_CHECK(vias(out) == vias(&in) + 1);
	FUZZ_CHECK(out->max_forwards + 1 == in.max_forwards || !sip_has(&in, SIP_H_MAX_FORWARDS));
}

static int on_send(void *u, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	struct world *w = u;
	struct sip_msg m;
	int r = sip_msg_parse(&m, bytes, true);

	(void)token;
	FUZZ_CHECK(to->ip.port != 0 && (to->ip.family || to->host.n));
	if (!m.request || r != 0)
		return 0; /* a refusal may echo what was broken */
	check_passed(w, &m);
	if (w->n_sent < SENT_MAX && m.method != SIP_ACK) {
		w->sent[w->n_sent] = span_dup(bytes);
		w->sent_n[w->n_sent++] = bytes.n;
	}
	return 0;
}

static void on_random(void *u, void *p, size_t n)
{
	rng_fill(&((struct world *)u)->rng, p, n);
}

static bool no_log(void *u, enum im_level level)
{
	(void)u, (void)level;
	return false;
}

static void no_line(void *u, enum im_level level, const char *event, const char *fmt, va_list ap)
{
	(void)u, (void)level, (void)event, (void)fmt, (void)ap;
}

static void feed(struct world *w, struct span bytes, const char *from)
{
	struct sip_src src = { .tp = SIP_UDP };

	addr_parse(&src.ip, span_of(from), 5060);
	im_sip_input(w->im, bytes, &src, w->now_us);
}

/* The request with a status line for its first. */
static void answer(struct world *w, unsigned status)
{
	static char text[2 * SIP_MSG_MAX];

	w->answering = true;
	for (unsigned i = 0; i < w->n_sent; i++) {
		struct wbuf b = wbuf_on(text, sizeof(text));
		struct span rest = { w->sent[i], w->sent_n[i] };
		span_split(&rest, '\n');
		w_str(&b, "SIP/2.0 "), w_u64(&b, status), w_str(&b, " Answer\r\n"), w_span(&b, rest);
		feed(w, w_span_of(&b), "192.0.2.20");
	}
	w->answering = false;
}

static void piece(struct world *w, struct span s)
{
	char how = s.n ? s.p[0] : '0';

	w->in = span_skip(s, 1);
	feed(w, w->in, "192.0.2.10");
	if (how == '1')
		answer(w, 180);
	if (how == '1' || how == '2')
		answer(w, 200);
	if (how == '4' || how == '5')
		answer(w, how == '4' ? 486 : 503);
	for (unsigned i = 0; i < w->n_sent; i++)
		free(w->sent[i]);
	w->n_sent = 0;
}

static void run_out(struct world *w)
{
	for (uint64_t at; (at = im_deadline(w->im)) != UINT64_MAX;) {
		w->now_us = at > w->now_us ? at : w->now_us;
		FUZZ_CHECK(w->now_us < 10000 * US_PER_S);
		im_tick(w->im, w->now_us);
		for (unsigned i = 0; i < w->n_sent; i++)
			free(w->sent[i]);
		w->n_sent = 0;
	}
	FUZZ_CHECK(im_idle(w->im));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .now_us = US_PER_S };
	struct im_port port = {
		.w = &w, .random = on_random, .sip_send = on_send, .log = no_line, .log_wanted = no_log
	};
	struct im_conf conf;
	struct span rest = { (const char *)data, size };

	im_conf_defaults(&conf);
	conf.mode = IM_PROXY;
	conf.n_listen = 2;
	for (unsigned i = 0; i < 2; i++) {
		conf.listen[i].tp = i ? SIP_TCP : SIP_UDP;
		addr_parse(&conf.listen[i].addr, SPAN("192.0.2.1"), 5060);
		snprintf(conf.listen[i].host, sizeof(conf.listen[i].host), "192.0.2.1");
		conf.listen[i].port = 5060;
	}
	conf.n_trusted = cidr_parse(&conf.trusted[0], SPAN("192.0.2.0/24"));
	conf.n_domains = 1;
	snprintf(conf.domains[0], sizeof(conf.domains[0]), "example.com");
	rng_seed(&w.rng, 1);
	w.im = im_create(&conf, &port, w.now_us);
	FUZZ_CHECK(w.im != NULL);
	while (rest.n) {
		size_t at = span_find(rest, SPAN("%%\n"));
		piece(&w, span_cut(rest, 0, at));
		rest = at == SPAN_NONE ? SPAN_EMPTY : span_skip(rest, at + 3);
	}
	run_out(&w);
	im_destroy(w.im);
	return 0;
}
