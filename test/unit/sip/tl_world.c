/* SPDX-License-Identifier: MIT */
#include "tl_world.h"

#include "sip/build.h"

/* ---- the diary ---- */

__attribute__((format(printf, 2, 3))) static void note(struct tl_world *w, const char *fmt, ...)
{
	size_t room = sizeof(w->diary) - w->diary_len;
	va_list ap;
	int n = snprintf(w->diary + w->diary_len, room, "%u ", (unsigned)(w->now_us / US_PER_MS));

	w->diary_len += (size_t)n;
	va_start(ap, fmt);
	w->diary_len += (size_t)vsnprintf(w->diary + w->diary_len, sizeof(w->diary) - w->diary_len, fmt, ap);
	va_end(ap);
	assert_true(w->diary_len < sizeof(w->diary) - 1);
	w->diary[w->diary_len++] = '\n';
	w->diary[w->diary_len] = '\0';
}

static const char *name_of(const struct sip_msg *m)
{
	static char name[32];
	struct span s = m->request ? m->method_name : sip_method_name(m->method);
	snprintf(name, sizeof(name), "%" SPAN_FMT, SPAN_ARG(s));
	return name;
}

static void note_msg(struct tl_world *w, const char *what, const struct sip_msg *m)
{
	if (m->request)
		note(w, "%s %s", what, name_of(m));
	else
		note(w, "%s %u %s", what, m->status, name_of(m));
}

/* ---- hooks ---- */

static int on_send(void *u, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	struct tl_world *w = u;
	struct tl_sent *s = &w->sent[w->n_sent++ % ARRAY_LEN(w->sent)];
	struct sip_msg m;

	assert_true(bytes.n <= sizeof(s->bytes));
	s->to = *to;
	s->n = bytes.n;
	s->token = token;
	memcpy(s->bytes, bytes.p, bytes.n);
	snprintf(s->host, sizeof(s->host), "%" SPAN_FMT, SPAN_ARG(to->host));
	s->to.host = span_of(s->host);
	/* Whatever it writes, it could read. */
	assert_int_equal(sip_msg_parse(&m, (struct span){ s->bytes, s->n }, true), 0);
	note_msg(w, w->send_result < 0 ? "fails" : "send", &m);
	return w->send_result;
}

static void on_random(void *u, void *p, size_t n)
{
	struct tl_world *w = u;
	rng_fill(&w->rng, p, n);
}

static void on_request(void *u, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	struct tl_world *w = u;

	note_msg(w, "request", m);
	assert_ptr_equal(sip_stxn_request(t), m);
	assert_true(now_us == sip_stxn_since(t));
	w->stxn = t;
	if (w->answer)
		assert_int_equal(sip_stxn_reply_simple(t, w->answer, SPAN_EMPTY, SPAN("ours"), SPAN_EMPTY,
						       now_us),
				 0);
}

static void on_ack(void *u, const struct sip_msg *m, const struct sip_src *src, uint64_t now_us)
{
	note_msg(u, "ack", m);
}

static void on_cancel(void *u, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	note_msg(u, "cancel of", sip_stxn_request(t));
}

static void on_no_ack(void *u, struct sip_stxn *t, uint64_t now_us)
{
	note_msg(u, "no ack for", sip_stxn_request(t));
}

static void on_gone(void *u, struct sip_stxn *t)
{
	struct tl_world *w = u;
	note_msg(w, "gone", sip_stxn_request(t));
	if (w->answer_when_gone)
		sip_stxn_reply_simple(t, w->answer_when_gone, SPAN_EMPTY, SPAN("ours"), SPAN_EMPTY,
				      w->now_us);
	if (w->stxn == t)
		w->stxn = NULL;
}

static void on_stray(void *u, const struct sip_msg *m, uint64_t now_us)
{
	note_msg(u, "stray", m);
}

static void on_client(void *user, struct sip_ctxn *t, const struct sip_msg *resp, enum sip_end end,
		      uint64_t now_us)
{
	static const char *const why[] = {
		[SIP_END_TIMEOUT] = "timeout",
		[SIP_END_TRANSPORT] = "transport",
		[SIP_END_ACCEPTED] = "accepted",
	};

	if (resp)
		note_msg(user, "told", resp);
	else
		note(user, "told %s", why[end]);
}

/* ---- the world ---- */

static bool on_elsewhere(void *u, const struct sip_dest *to, struct span request)
{
	struct tl_world *w = u;

	assert_false(to->ip.family);
	assert_true(request.n > 0);
	if (!w->others)
		return false;
	w->others--;
	return true;
}

void tl_world_make(struct tl_world *w, enum sip_transport tp, uint32_t transactions_max)
{
	struct sip_tl_hooks hooks = { w,         on_send,   on_random, on_request, on_ack,
				      on_cancel, on_no_ack, on_gone,   on_stray };
	struct sip_tl_limits limits = { transactions_max };

	hooks.elsewhere = on_elsewhere;
	memset(w, 0, sizeof(*w)); /* too large for an initialiser's copy on the stack */
	w->src.tp = tp;
	rng_seed(&w->rng, 1);
	timers_init(&w->wheel, 0);
	assert_true(addr_parse(&w->src.ip, SPAN("192.0.2.9"), 5070));
	w->via = tp == SIP_UDP ? "UDP" : tp == SIP_TCP ? "TCP" : "TLS";
	w->src.conn = tp == SIP_UDP ? 0 : 7;
	w->tl = sip_tl_create(&w->wheel, &hooks, &limits);
}

void tl_world_end(struct tl_world *w)
{
	sip_tl_destroy(w->tl);
	w->tl = NULL;
	assert_int_equal(w->wheel.n, 0);
}

static int setup(void **state, enum sip_transport tp)
{
	struct tl_world *w = malloc(sizeof(*w));
	if (!w)
		return -1;
	tl_world_make(w, tp, 100);
	*state = w;
	return w->tl ? 0 : -1;
}

int tl_setup_udp(void **state)
{
	return setup(state, SIP_UDP);
}

int tl_setup_tcp(void **state)
{
	return setup(state, SIP_TCP);
}

int tl_teardown(void **state)
{
	tl_world_end(*state);
	free(*state);
	return 0;
}

void tl_until(struct tl_world *w, uint64_t ms)
{
	for (uint64_t due; (due = timers_deadline(&w->wheel)) <= ms * US_PER_MS;) {
		if (due > w->now_us)
			w->now_us = due;
		timers_run(&w->wheel, w->now_us);
	}
	w->now_us = ms * US_PER_MS;
	timers_run(&w->wheel, w->now_us);
}

/* In a buffer of its own and of exactly its size, so that a pointer kept too long is seen. */
void tl_feed(struct tl_world *w, const char *text)
{
	size_t n = 0;
	char *raw = malloc(2 * strlen(text) + 1);
	char *exact;
	struct sip_msg m;

	assert_non_null(raw);
	for (; *text; text++) {
		if (*text == '\n')
			raw[n++] = '\r';
		raw[n++] = *text;
	}
	exact = malloc(n);
	assert_non_null(exact);
	memcpy(exact, raw, n);
	free(raw);
	assert_int_equal(sip_msg_parse(&m, (struct span){ exact, n }, true), 0);
	sip_tl_input(w->tl, &m, &w->src, w->now_us);
	free(exact);
}

static const char *or_else(const char *s, const char *otherwise)
{
	return s ? s : otherwise;
}

void tl_request(struct tl_world *w, struct tl_req r)
{
	char text[2048];

	snprintf(text, sizeof(text),
		 "%s %s SIP/2.0\n"
		 "Via: SIP/2.0/%s client.example.com:5071%s%s%s\n"
		 "Max-Forwards: 70\n"
		 "From: <sip:alice@example.com>;tag=hers\n"
		 "To: <sip:bob@example.com>%s%s\n"
		 "Call-ID: %s\n"
		 "CSeq: %u %s\n"
		 "Contact: <sip:alice@client.example.com>\n"
		 "%s"
		 "Content-Length: 0\n\n",
		 r.method, or_else(r.ruri, "sip:bob@example.com"), w->via,
		 *or_else(r.branch, "") ? ";branch=" : "", or_else(r.branch, ""), or_else(r.via_more, ""),
		 r.to_tag ? ";tag=" : "", or_else(r.to_tag, ""), or_else(r.call_id, "call-1"),
		 r.cseq ? r.cseq : 1, or_else(r.cseq_method, r.method), or_else(r.extra, ""));
	tl_feed(w, text);
}

static const struct tl_sent *newest(struct tl_world *w, const char *prefix)
{
	for (unsigned i = w->n_sent; i > 0 && i + ARRAY_LEN(w->sent) > w->n_sent; i--) {
		const struct tl_sent *s = &w->sent[(i - 1) % ARRAY_LEN(w->sent)];
		if (span_starts((struct span){ s->bytes, s->n }, span_of(prefix)))
			return s;
	}
	fail_msg("nothing sent begins with \"%s\"", prefix);
	return NULL;
}

static const char *as_text(const struct tl_sent *s)
{
	static char text[8192];
	size_t n = 0;

	assert_true(s->n < sizeof(text));
	for (size_t i = 0; i < s->n; i++)
		if (s->bytes[i] != '\r')
			text[n++] = s->bytes[i];
	text[n] = '\0';
	return text;
}

const struct tl_sent *tl_last_sent(struct tl_world *w)
{
	return newest(w, "");
}

const char *tl_last(struct tl_world *w)
{
	return as_text(newest(w, ""));
}

const char *tl_last_of(struct tl_world *w, const char *prefix)
{
	return as_text(newest(w, prefix));
}

void tl_respond(struct tl_world *w, const char *method, unsigned status, const char *to_tag)
{
	const struct tl_sent *s = newest(w, method);
	struct sip_msg req;
	char text[2048];
	int n;

	assert_int_equal(sip_msg_parse(&req, (struct span){ s->bytes, s->n }, true), 0);
	n = snprintf(text, sizeof(text),
		     "SIP/2.0 %u Reason\n"
		     "Via: %" SPAN_FMT ";received=192.0.2.1\n"
		     "From: %" SPAN_FMT "\n"
		     "To: %" SPAN_FMT "%s%s\n"
		     "Call-ID: %" SPAN_FMT "\n"
		     "CSeq: %u %s\n"
		     "Content-Length: 0\n\n",
		     status, SPAN_ARG(sip_value(&req, SIP_H_VIA)), SPAN_ARG(req.from), SPAN_ARG(req.to),
		     to_tag ? ";tag=" : "", or_else(to_tag, ""), SPAN_ARG(req.call_id), req.cseq, method);
	assert_true(n > 0 && (size_t)n < sizeof(text));
	tl_feed(w, text);
}

struct sip_ctxn *tl_start(struct tl_world *w, enum sip_method method)
{
	struct sip_dest to = { .tp = w->src.tp, .ip = w->src.ip, .conn = w->src.conn };
	struct sip_dest named = { .tp = w->src.tp, .ip = { .port = 5060 }, .host = SPAN("edge.example.net") };
	struct span name = sip_method_name(method), branch;
	char buf[40], text[1024];
	int n;

	to.by_size = named.by_size = w->by_size;
	branch = sip_tl_branch(w->tl, buf);
	n = snprintf(text, sizeof(text),
		     "%" SPAN_FMT " sip:bob@192.0.2.9 SIP/2.0\r\n"
		     "Via: SIP/2.0/%s us.example.net:5060;branch=%" SPAN_FMT "\r\n"
		     "Max-Forwards: 69\r\n"
		     "Route: <sip:p1.example.net;lr>, <sip:p2.example.net;lr>\r\n"
		     "Route: <sip:p3.example.net;lr>\r\n"
		     "From: \"A, lice\" <sip:alice@example.com>;tag=ours\r\n"
		     "To: <sip:bob@example.com>\r\n"
		     "Call-ID: our-call\r\n"
		     "CSeq: 7 %" SPAN_FMT "\r\n"
		     "Contact: <sip:us.example.net>\r\n"
		     "Content-Length: 0\r\n\r\n",
		     SPAN_ARG(name), w->via, SPAN_ARG(branch), SPAN_ARG(name));
	return sip_ctxn_start(w->tl, method, branch, w->by_name ? &named : &to,
			      (struct span){ text, (size_t)n }, on_client, w, w->now_us);
}
