/* SPDX-License-Identifier: MIT */
/*
 * What arrives at a peer, and what it says to that.  Every byte, 200 and REPORT is held against the server as it comes; what
 * a peer has said is noted with its place in its stream, so that of a cut it is known what the server can have seen.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cut.h"

enum { SLOW_US = 800000 }; /* a slow answer comes after the cut side is back */

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
	if (media_put(c, (struct span){ l->bytes, l->n })) {
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

/* Whoever wants no 200 gets none. */
static void reply(struct conn *c, const struct wire_msrp *in, unsigned msg, unsigned from, unsigned to)
{
	struct span failure = wire_msrp_hdr(in, "Failure-Report");
	if (span_eq(failure, SPAN("no")) || span_eq(failure, SPAN("partial")))
		return;
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
	media_tid(c->p, tid);
	w_fmt(&w, "MSRP %s REPORT\r\n", tid);
	paths_back(&w, in);
	w_fmt(&w, "Message-ID: m%u\r\nByte-Range: 1-%u/%u\r\nStatus: 000 200 OK\r\n-------%s$\r\n", msg, size,
	      size, tid);
	l->n = w.n;
	send_later(c, l);
}

static void take_byte(struct conn *c, unsigned msg, unsigned at, char byte)
{
	struct run *r = c->p->r;
	struct message *m = &r->msg[msg];
	const char *who = c->p->p.name;
	if (byte != media_byte(m, msg, at + 1))
		run_fail(r, "%s got a wrong byte of m%u at %u", who, msg, at + 1);
	if (++m->on[c->nth][at] > m->sent[at])
		run_fail(r, "%s got byte %u of m%u twice on one connection", who, at + 1, msg);
	m->times[at]++;
	if (m->times[at] > m->sent[at] && r->plan.failure != ALWAYS)
		run_fail(r, "%s got byte %u of m%u again, though nobody could know that it was lost", who,
			 at + 1, msg);
	if (m->confirmed[at] && m->sent[at] == 1)
		run_fail(r, "%s got byte %u of m%u again, which it had confirmed", who, at + 1, msg);
	if (m->known && m->times[at] > m->most[at])
		run_fail(r, "%s got byte %u of m%u again, which the server had whole", who, at + 1, msg);
	m->got[at] = true;
}

/* Of the present line, and its way there. */
static void take_over(struct conn *c, const struct wire_msrp *in)
{
	struct peer *p = c->p;
	if (p->conn || span_find(wire_msrp_hdr(in, "To-Path"), span_of(p->line[CHAT].mine)) == SPAN_NONE)
		return;
	p->conn = c;
	snprintf(c->bind[CHAT].mine, sizeof(c->bind[CHAT].mine), "%s", p->line[CHAT].mine);
	snprintf(c->bind[CHAT].far, sizeof(c->bind[CHAT].far), "%s", p->line[CHAT].far);
	p->line[CHAT].bound = true;
}

static void got_send(struct conn *c, const struct wire_msrp *in)
{
	struct peer *p = c->p;
	struct run *r = p->r;
	struct span id = wire_msrp_hdr(in, "Message-ID");
	take_over(c, in);
	if (!in->has_body) {
		char out[800];
		run_say(r, "as >> %s SEND, empty %c", p->p.name, in->flag);
		if (!span_eq(wire_msrp_hdr(in, "Failure-Report"), SPAN("no")))
			media_put(c, (struct span){ out, ok_write(out, sizeof(out), in) });
		media_talk(p);
		return;
	}
	unsigned msg = (unsigned)wire_u64(span_skip(id, 1));
	unsigned from = (unsigned)wire_u64(wire_msrp_hdr(in, "Byte-Range"));
	if (msg >= MESSAGES || r->msg[msg].from == p->side)
		run_fail(r, "%s got a SEND that is not for it", p->p.name);
	struct message *m = &r->msg[msg];
	run_say(r, "as >> %s SEND m%u from %u, %zu bytes %c", p->p.name, msg, from, in->body.n, in->flag);
	if (from < 1 || from - 1 + in->body.n > m->size)
		run_fail(r, "%s got bytes of m%u that it does not have", p->p.name, msg);
	for (unsigned i = 0; i < in->body.n; i++)
		take_byte(c, msg, from - 1 + i, in->body.p[i]);
	reply(c, in, msg, from, from - 1 + (unsigned)in->body.n);
	bool whole = true;
	for (unsigned i = 0; i < m->size; i++)
		whole &= m->got[i];
	if (whole && m->success)
		report(c, in, msg);
	media_talk(p);
}

static bool got_bound(struct conn *c, const struct wire_msrp *in)
{
	struct peer *p = c->p;
	for (unsigned i = 0; i < LINES; i++) {
		struct binding *b = &c->bind[i];
		if (!b->us || !span_eq(in->tid, span_of(b->tid)))
			continue;
		run_say(p->r, "as >> %s %u, line %u bound", p->p.name, in->status, i);
		b->us = 0;
		if (p->conn == c && strcmp(b->mine, p->line[i].mine) == 0)
			p->line[i].bound = in->status == 200;
		media_talk(p);
		return true;
	}
	return false;
}

static void got_response(struct conn *c, const struct wire_msrp *in)
{
	struct peer *p = c->p;
	struct run *r = p->r;
	enum failure failure = r->plan.failure;
	if (got_bound(c, in))
		return;
	for (struct chunk *k = r->chunk; k < r->chunk + CHUNKS; k++) {
		struct message *m = &r->msg[k->msg];
		if (!k->to || m->from != p->side || k->conn != c || !span_eq(in->tid, span_of(k->tid)))
			continue;
		run_say(r, "as >> %s %u m%u %u-%u", p->p.name, in->status, k->msg, k->from, k->to);
		if (k->code)
			run_fail(r, "%s got two responses to one SEND of m%u", p->p.name, k->msg);
		if (failure == NO || (failure == PARTIAL && in->status == 200))
			run_fail(r, "%s got a response %u to m%u, which wanted none", p->p.name, in->status,
				 k->msg);
		k->code = in->status;
		m->told |= in->status != 200;
		for (unsigned i = k->from; !r->plan.hop && in->status == 200 && i <= k->to; i++)
			if (!m->answered[i - 1])
				run_fail(r, "%s got 200 for byte %u of m%u, which nobody has", p->p.name, i,
					 k->msg);
		if (k->msg == FILE_MSG && r->plan.file && in->status != 200)
			media_resume(p, SLOW_US);
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
	if (good && !m->success)
		run_fail(p->r, "%s got a REPORT of success for m%u, which wanted none", p->p.name, msg);
	if (!good && p->r->plan.failure == NO)
		run_fail(p->r, "%s got a REPORT of failure for m%u, which wanted none", p->p.name, msg);
	m->report_seen |= good;
	m->told |= !good;
	if (msg == FILE_MSG && p->r->plan.file && !good)
		media_resume(p, SLOW_US);
}

size_t got_bytes(void *u, struct wconn *wc, void *peer, struct span s)
{
	struct conn *c = peer;
	struct run *r = c->p->r;
	struct wire_msrp m;
	ssize_t n;
	size_t all = s.n;
	unsigned at;
	if (c->p->dead || (c->ending && !media_is_cut_here(c, TO_SERVER, &at)))
		return all;
	if (c->nth < 2)
		r->flowed[c->p->side][c->nth][TO_PEER] += s.n;
	bool here = media_is_cut_here(c, TO_PEER, &at) && c->got + s.n > at;
	if (here)
		s = span_cut(s, 0, at - c->got);
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
	if (here)
		media_cut_at(c, r->w.now_us);
	return all;
}
