/* SPDX-License-Identifier: MIT */
/*
 * The MSRP of a peer, and what is held against the server: every byte, every 200 and every REPORT.  What is hard is to
 * know what a cut has swallowed: of each answer the place in its stream is kept, so that it is known whether the server
 * can have seen it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cut.h"

enum { BACK_US = 500000, SLOW_US = 800000 }; /* a slow answer comes after the cut side is back */

static char byte_of(unsigned msg, unsigned at) /* from 1 */
{
	return (char)('A' + (msg * 17 + at * 5 + at / 7) % 57);
}

void media_plan(struct run *r)
{
	static const struct message m[MESSAGES] = {
		{ .from = CLIENT, .size = 12, .slow = true },
		{ .from = CLIENT, .size = 30 },
		{ .from = CLIENT, .size = 9, .success = true },
		{ .from = CF, .size = 14, .success = true, .slow = true }
	};
	static const struct chunk c[CHUNKS] = {
		{ 0, 1, 12 }, { 1, 1, 11 }, { 1, 12, 30 }, { 2, 1, 9 }, { 3, 1, 14 }
	};
	memcpy(r->msg, m, sizeof(m));
	memcpy(r->chunk, c, sizeof(c));
}

/* ---- connections ---- */

static struct conn *conn_new(struct peer *p)
{
	if (p->n_conns == CONNS)
		run_fail(p->r, "%s has had %d connections", p->p.name, CONNS);
	struct conn *c = &p->conns[p->n_conns++];
	c->p = p;
	c->first = p->n_conns == 1;
	return c;
}

static bool is_cut_here(const struct conn *c, enum dir dir)
{
	const struct plan *n = &c->p->r->plan;
	return n->cuts && c->first && c->p->side == n->side && n->dir == dir;
}

/* All of this message has reached the server on c, and the far side has yet to confirm it.  (What the server has answered
 * is over for it: when its answer is lost, the message is passed on again.) */
static bool is_known(const struct run *r, unsigned msg, const struct conn *c)
{
	for (const struct chunk *k = r->chunk; k < r->chunk + CHUNKS; k++)
		if (k->msg == msg && (k->conn != c || !k->end || k->end > c->delivered))
			return false;
	for (unsigned i = 0; i < r->msg[msg].size; i++)
		if (!r->msg[msg].answered[i])
			return !r->plan.hop;
	return false;
}

static void cut_now(struct conn *c)
{
	struct run *r = c->p->r;
	if (c->cut || c->c == NULL)
		return;
	c->cut = c->ending = true;
	c->delivered = c->sent - world_msrp_backlog(c->c);
	r->cut_us = r->w.now_us;
	for (const struct said *s = c->said; s < c->said + c->n_said; s++)
		if (!s->report && s->to >= s->from && s->end <= c->delivered)
			memset(&r->msg[s->msg].confirmed[s->from - 1], true, s->to - s->from + 1);
	for (unsigned n = 0; n < MESSAGES; n++)
		r->msg[n].known = r->msg[n].from == c->p->side && is_known(r, n, c);
	run_say(r, "%s CUT, of %zu bytes to the server it had %zu", c->p->p.name, c->sent, c->delivered);
	world_msrp_cut(c->c);
}

static void on_cut(struct world *w, void *arg, uint64_t n)
{
	cut_now(arg);
}

/* The server has what comes before the cut. */
static void on_drained(struct world *w, void *arg, uint64_t n)
{
	struct conn *c = arg;
	if (c->c == NULL)
		return;
	if (world_msrp_backlog(c->c))
		world_at(w, w->now_us + 500, on_drained, c, 0);
	else
		cut_now(c);
}

static bool put(struct conn *c, struct span s)
{
	struct run *r = c->p->r;
	unsigned at = r->plan.at;
	if (c->c == NULL || c->ending || c->p->dead)
		return false;
	if (c->first)
		r->flowed[c->p->side][TO_SERVER] += s.n;
	bool here = is_cut_here(c, TO_SERVER) && c->sent + s.n > at;
	if (here) {
		s = span_cut(s, 0, at - c->sent);
		c->ending = true;
	}
	c->sent += s.n;
	world_msrp_send(c->c, s);
	if (here)
		world_at(&r->w, r->w.now_us + 500, on_drained, c, 0);
	return true;
}

static void tid_new(struct peer *p, char tid[16])
{
	snprintf(tid, 16, "%s%04u", p->side == CLIENT ? "c" : "f", ++p->n_tids);
}

static void connect_out(struct peer *p)
{
	struct conn *c = conn_new(p);
	struct addr from = p->p.addr;
	char out[800];
	struct wbuf w = wbuf_on(out, sizeof(out));
	from.port = (uint16_t)(20000 + p->n_conns);
	snprintf(c->mine, sizeof(c->mine), "%s", p->mine);
	snprintf(c->far, sizeof(c->far), "%s", p->far);
	c->c = world_msrp_open(&p->r->w, &from, c);
	p->conn = c;
	tid_new(p, c->bind_tid);
	c->bind_us = p->r->w.now_us;
	w_fmt(&w,
	      "MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: b%s\r\nByte-Range: 1-0/0\r\n-------%s$\r\n",
	      c->bind_tid, c->far, c->mine, c->bind_tid, c->bind_tid);
	run_say(p->r, "%s >> as CONNECT, SEND to bind", p->p.name);
	put(c, w_span_of(&w));
}

void media_commit(struct peer *p, struct span sdp, bool offerer)
{
	const struct psdp_line *l = &p->d.sdp.line[0];
	struct span far = wire_media(sdp, 0), path = wire_line(far, "a=path:", 0);
	struct span setup = wire_line(far, "a=setup:", 0);
	bool active = offerer ? span_eq(setup, SPAN("passive"))
			      : !span_eq(setup, SPAN("active")) && strcmp(p->p.setup_pref, "active") == 0;
	char mine[256];
	snprintf(mine, sizeof(mine), "msrp://%s:%u/%s;tcp", l->host, l->port, l->session);
	if (strcmp(mine, p->mine) == 0 && span_eq(path, span_of(p->far)) && p->conn)
		return;
	snprintf(p->mine, sizeof(p->mine), "%s", mine);
	snprintf(p->far, sizeof(p->far), "%.*s", (int)path.n, path.p);
	p->conn = NULL;
	p->bound = false;
	if (active)
		connect_out(p);
}

static int on_incoming(void *u, struct wconn *wc, const struct addr *to, void **peer)
{
	struct run *r = u;
	for (unsigned i = 0; i < 2; i++) {
		struct peer *p = &r->peer[i];
		if (!addr_same_ip(&p->p.addr, to) || p->dead || p->over)
			continue;
		struct conn *c = conn_new(p);
		c->c = wc;
		*peer = c;
		run_say(r, "as >> %s CONNECT", p->p.name);
		return 0;
	}
	return -1;
}

static void on_back(struct world *w, void *arg, uint64_t n)
{
	struct peer *p = arg;
	if (p->over || p->dead || p->conn || p->r->bye)
		return;
	if (p->r->plan.way == NEW_PATH)
		peer_request(p, "INVITE", "path");
	else if (p->r->plan.way == AGAIN)
		connect_out(p);
}

static void on_down(void *u, struct wconn *wc, void *peer)
{
	struct conn *c = peer;
	struct peer *p = c->p;
	c->c = NULL;
	if (p->conn != c)
		return;
	run_say(p->r, "%s has lost its connection", p->p.name);
	p->conn = NULL;
	p->bound = false;
	if (p->r->plan.cuts)
		world_at(&p->r->w, p->r->w.now_us + BACK_US, on_back, p, 0);
}

static void on_up(void *u, struct wconn *wc, void *peer, bool is_up)
{
	if (!is_up)
		on_down(u, wc, peer);
}

static void on_die(struct world *w, void *arg, uint64_t n)
{
	struct peer *p = arg;
	for (unsigned i = 0; i < p->n_conns; i++)
		if (p->conns[i].c) {
			p->conns[i].ending = true;
			world_msrp_cut(p->conns[i].c);
		}
}

/* At once, but never from within the delivery of its bytes. */
void media_die(struct peer *p)
{
	p->dead = true;
	world_at(&p->r->w, p->r->w.now_us, on_die, p, 0);
}

/* ---- sending ---- */

static void chunk_send(struct peer *p, struct chunk *k)
{
	struct message *m = &p->r->msg[k->msg];
	struct conn *c = p->conn;
	char out[1200];
	struct wbuf w = wbuf_on(out, sizeof(out));
	if (c->ending)
		return;
	tid_new(p, k->tid);
	k->conn = c;
	k->at_us = p->r->w.now_us;
	w_fmt(&w,
	      "MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: m%u\r\n%sByte-Range: %u-%u/%u\r\n"
	      "Content-Type: text/plain\r\n\r\n",
	      k->tid, c->far, c->mine, k->msg, m->success ? "Success-Report: yes\r\n" : "", k->from, k->to,
	      m->size);
	for (unsigned i = k->from; i <= k->to; i++) {
		w_chr(&w, byte_of(k->msg, i));
		m->sent[i - 1]++;
	}
	w_fmt(&w, "\r\n-------%s%c\r\n", k->tid, k->to == m->size ? '$' : '+');
	run_say(p->r, "%s >> as SEND m%u %u-%u/%u", p->p.name, k->msg, k->from, k->to, m->size);
	size_t would = c->sent + w.n;
	k->end = put(c, w_span_of(&w)) && c->sent == would ? would : 0;
}

void media_talk(struct peer *p)
{
	if (!p->talks || !p->bound || p->conn == NULL)
		return;
	for (struct chunk *k = p->r->chunk; k < p->r->chunk + CHUNKS; k++)
		if (p->r->msg[k->msg].from == p->side && !k->code && (k->conn == NULL || k->conn->c == NULL))
			chunk_send(p, k);
}

/* ---- receiving ---- */

static void said(struct conn *c, bool report, unsigned msg, unsigned from, unsigned to)
{
	if (c->n_said == SAID)
		run_fail(c->p->r, "%s has said too much", c->p->p.name);
	if (!report && to >= from)
		memset(&c->p->r->msg[msg].answered[from - 1], true, to - from + 1);
	c->said[c->n_said++] = (struct said){ report, msg, from, to, c->sent, c->p->r->w.now_us };
}

struct later { /* a 200 and what it says */
	struct conn *c;
	bool report;
	unsigned msg, from, to;
	size_t n;
	char bytes[900];
};

static void on_later(struct world *w, void *arg, uint64_t n)
{
	struct later *l = arg;
	struct conn *c = l->c;
	size_t would = c->sent + l->n;
	if (put(c, (struct span){ l->bytes, l->n })) {
		run_say(c->p->r, "%s >> as %s m%u %u-%u", c->p->p.name, l->report ? "REPORT" : "200", l->msg,
			l->from, l->to);
		if (c->sent == would)
			said(c, l->report, l->msg, l->from, l->to);
	}
	free(l);
}

static struct later *later(struct conn *c, unsigned msg, unsigned from, unsigned to)
{
	struct later *l = calloc(1, sizeof(*l));
	if (l == NULL)
		abort();
	l->c = c;
	l->msg = msg, l->from = from, l->to = to;
	return l;
}

static void send_later(struct conn *c, struct later *l)
{
	struct world *w = &c->p->r->w;
	world_at(w, w->now_us + (c->p->r->msg[l->msg].slow ? SLOW_US : 0), on_later, l, 0);
}

static void paths_back(struct wbuf *w, const struct wire_msrp *in)
{
	struct span to = wire_msrp_hdr(in, "From-Path"), from = wire_msrp_hdr(in, "To-Path");
	w_fmt(w, "To-Path: %.*s\r\nFrom-Path: %.*s\r\n", (int)to.n, to.p, (int)from.n, from.p);
}

static size_t ok_write(char *out, size_t cap, const struct wire_msrp *in)
{
	struct wbuf w = wbuf_on(out, cap);
	w_fmt(&w, "MSRP %.*s 200 OK\r\n", (int)in->tid.n, in->tid.p);
	paths_back(&w, in);
	w_fmt(&w, "-------%.*s$\r\n", (int)in->tid.n, in->tid.p);
	return w.n;
}

static void reply(struct conn *c, const struct wire_msrp *in, unsigned msg, unsigned from, unsigned to)
{
	struct later *l = later(c, msg, from, to);
	l->n = ok_write(l->bytes, sizeof(l->bytes), in);
	send_later(c, l);
}

static void report(struct conn *c, const struct wire_msrp *in, unsigned msg)
{
	unsigned size = c->p->r->msg[msg].size;
	struct later *l = later(c, msg, 1, size);
	struct wbuf w = wbuf_on(l->bytes, sizeof(l->bytes));
	char tid[16];
	l->report = true;
	tid_new(c->p, tid);
	w_fmt(&w, "MSRP %s REPORT\r\n", tid);
	paths_back(&w, in);
	w_fmt(&w, "Message-ID: m%u\r\nByte-Range: 1-%u/%u\r\nStatus: 000 200 OK\r\n-------%s$\r\n", msg, size,
	      size, tid);
	l->n = w.n;
	send_later(c, l);
}

static void take_bytes(struct conn *c, unsigned msg, unsigned from, struct span body)
{
	struct run *r = c->p->r;
	struct message *m = &r->msg[msg];
	if (from < 1 || from - 1 + body.n > m->size)
		run_fail(r, "%s got bytes of m%u that it does not have", c->p->p.name, msg);
	for (unsigned i = 0; i < body.n; i++) {
		unsigned at = from - 1 + i;
		if (body.p[i] != byte_of(msg, at + 1))
			run_fail(r, "%s got a wrong byte of m%u at %u", c->p->p.name, msg, at + 1);
		if (++m->on[c - c->p->conns][at] > m->sent[at])
			run_fail(r, "%s got byte %u of m%u twice on one connection", c->p->p.name, at + 1,
				 msg);
		if (m->confirmed[at] && m->sent[at] == 1)
			run_fail(r, "%s got byte %u of m%u again, which it had confirmed", c->p->p.name,
				 at + 1, msg);
		if (m->known && m->got[at])
			run_fail(r, "%s got byte %u of m%u again, which the server had whole", c->p->p.name,
				 at + 1, msg);
		m->got[at] = true;
	}
}

static void got_send(struct conn *c, const struct wire_msrp *in)
{
	struct peer *p = c->p;
	struct run *r = p->r;
	struct span id = wire_msrp_hdr(in, "Message-ID");
	if (p->conn == NULL && span_find(wire_msrp_hdr(in, "To-Path"), span_of(p->mine)) != SPAN_NONE) {
		snprintf(c->mine, sizeof(c->mine), "%s", p->mine);
		snprintf(c->far, sizeof(c->far), "%s", p->far);
		p->conn = c;
		p->bound = true;
	}
	if (!in->has_body) {
		char out[800];
		run_say(r, "as >> %s SEND, empty", p->p.name);
		put(c, (struct span){ out, ok_write(out, sizeof(out), in) });
		media_talk(p);
		return;
	}
	unsigned msg = (unsigned)wire_u64(span_skip(id, 1));
	unsigned from = (unsigned)wire_u64(wire_msrp_hdr(in, "Byte-Range"));
	if (msg >= MESSAGES || r->msg[msg].from == p->side)
		run_fail(r, "%s got a SEND that is not for it", p->p.name);
	struct message *m = &r->msg[msg];
	run_say(r, "as >> %s SEND m%u from %u, %zu bytes %c", p->p.name, msg, from, in->body.n, in->flag);
	take_bytes(c, msg, from, in->body);
	reply(c, in, msg, from, from - 1 + (unsigned)in->body.n);
	bool whole = true;
	for (unsigned i = 0; i < m->size; i++)
		whole &= m->got[i];
	if (whole && m->success)
		report(c, in, msg);
	media_talk(p);
}

static void got_response(struct conn *c, const struct wire_msrp *in)
{
	struct peer *p = c->p;
	struct run *r = p->r;
	if (c->bind_us && span_eq(in->tid, span_of(c->bind_tid))) {
		run_say(r, "as >> %s %u, bound", p->p.name, in->status);
		c->bind_us = 0;
		if (p->conn == c)
			p->bound = in->status == 200;
		media_talk(p);
		return;
	}
	for (struct chunk *k = r->chunk; k < r->chunk + CHUNKS; k++) {
		struct message *m = &r->msg[k->msg];
		if (m->from != p->side || k->conn != c || !span_eq(in->tid, span_of(k->tid)))
			continue;
		run_say(r, "as >> %s %u m%u %u-%u", p->p.name, in->status, k->msg, k->from, k->to);
		if (k->code)
			run_fail(r, "%s got two responses to one SEND of m%u", p->p.name, k->msg);
		k->code = in->status;
		m->told |= in->status != 200;
		for (unsigned i = k->from; !r->plan.hop && in->status == 200 && i <= k->to; i++)
			if (!m->answered[i - 1])
				run_fail(r, "%s got 200 for byte %u of m%u, which nobody has", p->p.name, i,
					 k->msg);
		return;
	}
	run_fail(r, "%s got a response %u to nothing", p->p.name, in->status);
}

static void got_report(struct conn *c, const struct wire_msrp *in)
{
	struct peer *p = c->p;
	unsigned msg = (unsigned)wire_u64(span_skip(wire_msrp_hdr(in, "Message-ID"), 1));
	bool good = span_starts(wire_msrp_hdr(in, "Status"), SPAN("000 200"));
	if (msg >= MESSAGES || p->r->msg[msg].from != p->side)
		run_fail(p->r, "%s got a REPORT of what it did not send", p->p.name);
	struct message *m = &p->r->msg[msg];
	run_say(p->r, "as >> %s REPORT m%u %s", p->p.name, msg, good ? "success" : "failure");
	for (unsigned i = 0; good && i < m->size; i++)
		if (!m->got[i])
			run_fail(p->r, "%s got a REPORT of success for m%u, which is not there", p->p.name,
				 msg);
	m->report_seen |= good;
	m->told |= !good;
}

static size_t on_bytes(void *u, struct wconn *wc, void *peer, struct span s)
{
	struct conn *c = peer;
	struct run *r = c->p->r;
	struct wire_msrp m;
	ssize_t n;
	size_t all = s.n;
	if (c->p->dead || (c->ending && !is_cut_here(c, TO_SERVER)))
		return all;
	if (c->first)
		r->flowed[c->p->side][TO_PEER] += s.n;
	bool here = is_cut_here(c, TO_PEER) && c->got + s.n > r->plan.at;
	if (here)
		s = span_cut(s, 0, r->plan.at - c->got);
	c->got += s.n;
	if (c->n_in + s.n > sizeof(c->in))
		run_fail(r, "%s got too much", c->p->p.name);
	memcpy(c->in + c->n_in, s.p, s.n);
	c->n_in += s.n;
	while (c->n_in && (n = wire_msrp(&m, (struct span){ c->in, c->n_in })) != 0) {
		if (n < 0)
			run_fail(r, "%s got what is not MSRP", c->p->p.name);
		if (m.status)
			got_response(c, &m);
		else if (span_eq(m.method, SPAN("SEND")))
			got_send(c, &m);
		else
			got_report(c, &m);
		c->n_in -= (size_t)n;
		memmove(c->in, c->in + n, c->n_in);
		run_step(r);
		if (c->p->dead)
			break;
	}
	if (here) {
		c->ending = true;
		world_at(&r->w, r->w.now_us, on_cut, c, 0);
	}
	return all;
}

void media_hooks(struct world_hooks *h)
{
	h->msrp_incoming = on_incoming;
	h->msrp_up = on_up;
	h->msrp_bytes = on_bytes;
	h->msrp_down = on_down;
}

/* ---- the reckoning ---- */

/* A REPORT has no answer: one that was under way is lost with its connection.  Any other has to be there. */
static bool report_is_due(const struct run *r, unsigned msg)
{
	const struct peer *far = &r->peer[!r->msg[msg].from];
	for (const struct conn *c = far->conns; c < far->conns + far->n_conns; c++)
		for (const struct said *s = c->said; s < c->said + c->n_said; s++)
			if (s->report && s->msg == msg && (!c->cut || s->end <= c->delivered) &&
			    !(r->plan.side == r->msg[msg].from && s->at_us <= r->cut_us))
				return true;
	return false;
}

static void check_answered(struct run *r)
{
	for (const struct chunk *k = r->chunk; k < r->chunk + CHUNKS; k++)
		if (k->conn && !k->code && k->conn->c && !k->conn->p->dead &&
		    r->w.now_us >= k->at_us + 30 * US_PER_S)
			run_fail(r, "SEND of m%u %u-%u was never answered on a connection that lives", k->msg,
				 k->from, k->to);
	for (unsigned i = 0; i < 2; i++)
		for (const struct conn *c = r->peer[i].conns; c < r->peer[i].conns + r->peer[i].n_conns; c++)
			if (c->bind_us && c->c && r->w.now_us >= c->bind_us + 30 * US_PER_S)
				run_fail(r, "the SEND with which %s binds was never answered", c->p->p.name);
}

void media_check_end(struct run *r, bool strict)
{
	check_answered(r);
	for (unsigned n = 0; strict && n < MESSAGES; n++) {
		const struct message *m = &r->msg[n];
		if (m->told)
			run_fail(r, "m%u is told to have failed, although everybody came back", n);
		for (unsigned i = 0; i < m->size; i++)
			if (!m->got[i])
				run_fail(r, "m%u did not arrive whole (byte %u), and nobody was told", n,
					 i + 1);
		if (m->success && !m->report_seen && report_is_due(r, n))
			run_fail(r, "the REPORT of success for m%u was lost", n);
	}
	for (const struct chunk *k = r->chunk; strict && k < r->chunk + CHUNKS; k++)
		if (!k->code)
			run_fail(r, "SEND of m%u %u-%u has no answer", k->msg, k->from, k->to);
}
