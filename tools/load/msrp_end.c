/* SPDX-License-Identifier: MIT */
/* The two ends of one line: their room, their generations, and what a cut connection means for the books. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "msrp.h"

enum { COMPLAINTS_MAX = 20, RING_MIN = 16 };

void end_wrong(struct end *e, const char *fmt, ...)
{
	va_list ap;
	if (e->totals->wrong++ >= COMPLAINTS_MAX)
		return;
	fprintf(stderr, "parley-load: %s: ", e->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static uint32_t power_above(uint64_t n, uint32_t max)
{
	uint32_t p = RING_MIN;
	while (p < n && p < max)
		p *= 2;
	return p;
}

static void *room(size_t n, size_t size)
{
	void *p = calloc(n, size);
	if (!p)
		load_die("out of memory");
	return p;
}

static void plan(struct end *e)
{
	e->ring = e->send_ring = RING_MIN;
	if (e->sends) {
		e->n_messages = flow_plan(e->conf, e->flow, &e->total);
		e->ring = power_above(e->n_messages, MESSAGES_OPEN_MAX);
		e->send_ring =
			power_above(e->conf->window < MESSAGES_OPEN_MAX ? MESSAGES_OPEN_MAX : e->conf->window,
				    WINDOW_MAX);
		e->out = room(e->ring, sizeof(*e->out));
		e->send = room(e->send_ring, sizeof(*e->send));
	}
}

void end_pair(struct end *a, struct end *b)
{
	a->other = b;
	b->other = a;
	plan(a);
	plan(b);
	if (b->sends)
		a->in = room(b->ring, sizeof(*a->in));
	if (a->sends)
		b->in = room(a->ring, sizeof(*b->in));
}

void end_finish(struct end *e)
{
	while (e->gen) {
		struct gen *g = e->gen;
		e->gen = g->next;
		if (g->conn)
			g->conn->gen = NULL;
		free(g);
	}
	free(e->out);
	free(e->send);
	free(e->in);
}

struct gen *gen_create(struct end *e, const char *self)
{
	struct gen *g = room(1, sizeof(*g));
	if (e->gen)
		e->gen->over_ns = now_ns();
	g->id = e->gen ? e->gen->id + 1 : 1;
	g->end = e;
	g->next = e->gen;
	e->gen = g;
	snprintf(g->self, sizeof(g->self), "%s", self);
	return g;
}

void end_reap(struct end *e)
{
	for (struct gen **at = e->gen ? &e->gen->next : &e->gen; *at;) {
		struct gen *g = *at;
		if (g->conn || g->unfinished) {
			at = &g->next;
			continue;
		}
		*at = g->next;
		for (uint32_t s = 0; e->sends && s < e->send_ring; s++) {
			if (e->send[s].gen == g)
				e->send[s].gen = NULL;
		}
		for (uint32_t k = 0; e->sends && k < e->ring; k++) {
			if (e->out[k].gen == g)
				e->out[k].gen = NULL;
		}
		free(g);
	}
}

bool end_send_done(const struct end *e)
{
	return !e->sends || ((e->stop || e->k >= e->n_messages) && e->k_base == e->k);
}

bool end_receive_done(const struct end *e)
{
	return !e->other->sends || (end_send_done(e->other) && e->in_base >= e->other->k);
}

/* ---- cuts ---- */

/* Messages of e that are begun and not yet there: whatever was on its way may be gone.  Answered hop by hop, also those
 * that are there: the 200s of the receiving end may be what was on its way, and the device then has to say 408. */
static void mark(struct end *e, const struct gen *g, uint64_t now)
{
	uint64_t from = e->other->in_base < e->k_base ? e->other->in_base : e->k_base;
	if (e->conf->hop)
		from = e->k > e->ring ? e->k - e->ring : 0;
	for (uint64_t k = from; e->sends && k < e->k; k++) {
		struct out_msg *m = end_out(e, k);
		m->cut = true;
		m->own_cut = m->own_cut || (e == g->end && m->gen_id == g->id);
		m->quiet_ns = now;
	}
}

/* What was begun on g and has no 200 goes out again, with the same Message-ID, on the next generation (RFC 4975 5.4, and
 * 7.1.1 for the ranges).  Where no 200 is ever sent nobody can say what arrived, and it is let be. */
static void give_back(struct gen *g)
{
	struct end *e = g->end;
	g->n_open = 0;
	g->body_left = 0;
	for (uint64_t s = e->tid_base; s < e->seq; s++) {
		struct out_send *o = &e->send[s & (e->send_ring - 1)];
		struct out_msg *m = end_out(e, o->k);
		if (o->gen != g || !o->open)
			continue;
		o->open = false;
		m->unanswered--;
		e->unanswered--;
		if (o->start < m->offset) {
			e->totals->resent += m->offset - o->start;
			m->offset = o->start;
		}
		m->written = false;
	}
	end_forget_answered(e);
	for (uint64_t k = e->k_base; k < e->k; k++) {
		struct out_msg *m = end_out(e, k);
		if (m->gen != g || m->over || m->written)
			continue;
		if (m->given_up) { /* its last chunk was being ended: it ends here */
			m->written = true;
			out_settle(e, m);
		} else if (m->failure != FR_YES) {
			out_give_up(e, m, LOST_OWN);
		} else {
			m->homeless = true;
			e->n_homeless++;
		}
	}
}

void gen_cut(struct gen *g, uint64_t now)
{
	g->end->cut_ns = g->end->other->cut_ns = now;
	mark(g->end, g, now);
	mark(g->end->other, g, now);
	if (g->end->gen == g)
		g->end->outage = true;
	if (g->end->sends)
		give_back(g);
}

/* Nothing has been heard of m for long, and it is not there. */
static void miss(struct end *e, struct out_msg *m)
{
	if (m->failure == FR_PARTIAL && !m->own_cut)
		end_wrong(e, "message %" PRIu64 " is lost, and its sender was to be told (partial)", m->k);
	out_give_up(e, m, m->own_cut ? LOST_OWN : LOST_MUTE);
}

void end_give_up(struct end *e, uint64_t now, uint64_t patience_ns)
{
	uint64_t from = e->k_base;
	if (!e->sends)
		return;
	if (e->other->in_base < from)
		from = e->other->in_base;
	for (uint64_t k = from; k < e->k; k++) {
		struct out_msg *m = end_out(e, k);
		if (m->k != k || !m->cut || !m->written || m->unanswered || m->given_up ||
		    now - m->quiet_ns < patience_ns)
			continue;
		if (end_has(e->other, k)) {
			if (m->over || !m->success || m->reported)
				continue;
			e->totals->reports_cut++;
			e->reports_wanted--;
			m->reported = true;
			out_settle(e, m);
		} else if (m->failure != FR_YES) {
			miss(e, m);
		}
	}
	end_in_advance(e->other);
}
