/* SPDX-License-Identifier: MIT */
/*
 * The transaction layer and a dialog, fed whatever parses: every server transaction given to the TU is
 * taken back once, a client one ends once, everything written can be read, and once nobody
 * waits for the TU any more the layer is empty.
 *
 * Input: pieces separated by "%%\n"; a piece is one letter for the time that passes before it ('a'
 * none, 'b' 0.5 s, 'c' 5 s, 'd' 32 s), one digit for what the TU answers ('0' nothing yet), and a message.
 */
#include "fuzz.h"

#include "base/rng.h"
#include "sip/dialog.h"

enum { OPEN_MAX = 16 };

struct world {
	struct timers wheel;
	uint64_t now_us;
	struct rng rng;
	struct sip_tl *tl;
	struct sip_stxn *open[OPEN_MAX]; /* not yet answered */
	unsigned n_open, given, gone, ended;
	unsigned answer;
	bool refusing; /* what was broken in the request may be so in its echo */
};

static int on_send(void *u, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	const struct world *w = u;
	struct sip_msg m;
	FUZZ_CHECK(to->ip.port != 0 && (to->ip.family || to->host.n));
	FUZZ_CHECK(w->refusing || bytes.n > SIP_MSG_MAX || sip_msg_parse(&m, bytes, true) == 0);
	return 0;
}

static void on_random(void *u, void *p, size_t n)
{
	rng_fill(&((struct world *)u)->rng, p, n);
}

static void reply(struct world *w, struct sip_stxn *t, unsigned status)
{
	FUZZ_CHECK(sip_stxn_reply_simple(t, status, SPAN_EMPTY, SPAN("tag"), SPAN("X: y\r\n"), w->now_us) ==
		   0);
}

static void try_dialog(const struct sip_msg *m)
{
	static char text[3 * SIP_MSG_MAX];
	struct wbuf w = wbuf_on(text, sizeof(text));
	struct sip_dialog d;
	struct sip_dest to;
	struct sip_msg again;

	if (sip_dialog_uas(&d, m, SPAN("tag")) < 0)
		return;
	sip_dialog_learn(&d, m);
	FUZZ_CHECK(sip_dialog_refresh(&d, m) == 0);
	FUZZ_CHECK(sip_dialog_next_hop(&d, &to) <= 0);
	sip_dialog_request(&d, &w, SIP_BYE, 0, 70, SIP_UDP, SPAN("us:5060"), SPAN("z9hG4bKx"));
	w_str(&w, "Content-Length: 0\r\n\r\n");
	FUZZ_CHECK(w_ok(&w));
	if (w.n <= SIP_MSG_MAX && sip_msg_parse(&again, w_span_of(&w), true) == 0)
		FUZZ_CHECK(again.method == SIP_BYE && span_eq(again.call_id, m->call_id));
	sip_dialog_finish(&d);
}

static void on_request(void *u, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	struct world *w = u;

	w->given++;
	sip_stxn_set_user(t, w);
	try_dialog(m);
	if (w->answer)
		reply(w, t, w->answer);
	if (w->answer >= 200)
		return;
	if (w->n_open == OPEN_MAX)
		reply(w, t, 500);
	else
		w->open[w->n_open++] = t;
}

static void on_ack(void *u, const struct sip_msg *m, const struct sip_src *src, uint64_t now_us)
{
}

static void on_cancel(void *u, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	FUZZ_CHECK(sip_stxn_status(t) < 200 && sip_stxn_request(t)->method == SIP_INVITE);
	reply(u, t, 487);
}

static void on_no_ack(void *u, struct sip_stxn *t, uint64_t now_us)
{
	FUZZ_CHECK(sip_stxn_status(t) / 100 == 2);
}

static void on_gone(void *u, struct sip_stxn *t)
{
	struct world *w = u;

	FUZZ_CHECK(sip_stxn_user(t) == w);
	w->gone++;
	for (unsigned i = 0; i < w->n_open; i++)
		if (w->open[i] == t)
			w->open[i] = w->open[--w->n_open];
}

static void on_stray(void *u, const struct sip_msg *m, uint64_t now_us)
{
}

static void on_client(void *user, struct sip_ctxn *t, const struct sip_msg *resp, enum sip_end end,
		      uint64_t now_us)
{
	struct world *w = user;
	bool invite = resp && resp->method == SIP_INVITE;
	if (!resp || resp->status >= (invite ? 300 : 200))
		w->ended++;
}

static void pass(struct world *w, uint64_t ms)
{
	uint64_t until = w->now_us + ms * US_PER_MS;

	for (uint64_t due; (due = timers_deadline(&w->wheel)) <= until;) {
		w->now_us = due > w->now_us ? due : w->now_us;
		timers_run(&w->wheel, w->now_us);
	}
	w->now_us = until;
}

/* Two requests of ours, whose branches the input knows. */
static void start_clients(struct world *w)
{
	struct sip_dest to = { .tp = SIP_UDP, .ip = { .port = 5060 }, .host = SPAN("far") };
	struct sip_ctxn *t;

	t = sip_ctxn_start(w->tl, SIP_INVITE, SPAN("z9hG4bKi"), &to,
			   SPAN("INVITE sip:far SIP/2.0\r\nVia: SIP/2.0/UDP us;branch=z9hG4bKi\r\n"
				"From: <sip:us>;tag=1\r\nTo: <sip:far>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
				"Content-Length: 0\r\n\r\n"),
			   on_client, w, 0);
	FUZZ_CHECK(t != NULL);
	sip_ctxn_cancel(t, SPAN_EMPTY, 0);
	t = sip_ctxn_start(w->tl, SIP_BYE, SPAN("z9hG4bKb"), &to,
			   SPAN("BYE sip:far SIP/2.0\r\nVia: SIP/2.0/UDP us;branch=z9hG4bKb\r\n"
				"From: <sip:us>;tag=1\r\nTo: <sip:far>;tag=2\r\nCall-ID: c\r\nCSeq: 2 BYE\r\n"
				"Content-Length: 0\r\n\r\n"),
			   on_client, w, 0);
	FUZZ_CHECK(t != NULL);
}

static void feed(struct world *w, struct span piece)
{
	static const unsigned wait_ms[] = { 0, 500, 5000, 32000 };
	static const unsigned answers[] = { 0, 100, 180, 200, 200, 302, 404, 408, 486, 603 };
	struct sip_src src = { .tp = SIP_UDP, .ip = { 4, 5070, { 192, 0, 2, 9 } } };
	struct sip_msg m;
	int r;

	if (piece.n < 2)
		return;
	pass(w, wait_ms[(unsigned char)piece.p[0] % 4]);
	w->answer = answers[(unsigned char)piece.p[1] % ARRAY_LEN(answers)];
	r = sip_msg_parse(&m, span_skip(piece, 2), false);
	w->refusing = r > 0;
	if (r > 0)
		sip_tl_refuse(w->tl, &m, &src, (unsigned)r, SPAN("Bad"));
	if (r != 0)
		return;
	src.tp = m.via.tp == SIP_UDP ? SIP_UDP : SIP_TCP;
	src.conn = src.tp == SIP_UDP ? 0 : 3;
	sip_tl_input(w->tl, &m, &src, w->now_us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	struct sip_tl_hooks hooks = { &w,        on_send,   on_random, on_request, on_ack,
				      on_cancel, on_no_ack, on_gone,   on_stray };
	struct sip_tl_limits limits = { 8 };
	struct span rest = { (const char *)data, size };

	memset(&w, 0, sizeof(w));
	rng_seed(&w.rng, 1);
	timers_init(&w.wheel, 0);
	w.tl = sip_tl_create(&w.wheel, &hooks, &limits);
	FUZZ_CHECK(w.tl != NULL);
	start_clients(&w);
	while (rest.n) {
		size_t at = span_find(rest, SPAN("%%\n"));
		feed(&w, span_cut(rest, 0, at));
		rest = at == SPAN_NONE ? SPAN_EMPTY : span_skip(rest, at + 3);
	}
	while (w.n_open)
		reply(&w, w.open[--w.n_open], 500);
	pass(&w, 200000);
	FUZZ_CHECK(w.ended == 2 && w.given == w.gone);
	FUZZ_CHECK(sip_tl_stats(w.tl)->server == 0 && sip_tl_stats(w.tl)->client == 0 && w.wheel.n == 0);
	sip_tl_destroy(w.tl);
	return 0;
}
