/* SPDX-License-Identifier: MIT */
/*
 * Sending: which chunk of which message comes next, and the books over 200s and REPORTs.  A chunk's end is always
 * announced as "*", so that it may end early (RFC 4975 7.1.1): then what was announced and what was sent differ, and
 * only the next chunk's start tells.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "msrp.h"

enum { SMALL_BODY = 8192, OUT_ENOUGH = 64 * 1024 };
#define ANSWER_NS 25000000000u /* msrp.end_bound, and what a full device takes */

static void tid_of(const struct end *e, uint64_t seq, char tid[MSRP_TID_MAX])
{
	snprintf(tid, MSRP_TID_MAX, "L%02xq%010" PRIx64, e->flow & 0xff, seq);
}

static struct out_send *send_at(const struct end *e, uint64_t seq)
{
	return &e->send[seq & (e->send_ring - 1)];
}

static void put(struct load_conn *c, const char *p, size_t n)
{
	memcpy(c->out + c->o_n, p, n);
	c->o_n += n;
}

/* ---- a message's life ---- */

static void out_finish(struct end *e, struct out_msg *m)
{
	m->over = true;
	if (m->gen)
		m->gen->unfinished--;
	m->gen = NULL;
	while (e->k_base < e->k && end_out(e, e->k_base)->over)
		e->k_base++;
}

void out_settle(struct end *e, struct out_msg *m)
{
	if (!m->over && m->written && m->unanswered == 0 && (!m->success || m->reported || m->given_up))
		out_finish(e, m);
}

/* Takes m from the list of those that have bytes to send. */
static void not_open(struct out_msg *m)
{
	struct gen *g = m->gen;
	for (unsigned i = 0; g && i < g->n_open; i++) {
		if (g->open[i] == m->k)
			g->open[i--] = g->open[--g->n_open];
	}
}

void out_landed(struct end *e, struct out_msg *m)
{
	if (m->under_way)
		e->totals->under_way -= m->size;
	m->under_way = false;
}

void out_give_up(struct end *e, struct out_msg *m, enum lost why)
{
	if (m->given_up)
		return;
	m->given_up = true;
	m->why = why;
	e->totals->told_there += why == LOST_TOLD && end_has(e->other, m->k);
	out_landed(e, m);
	if (m->over)
		return;
	if (m->success && m->written && !m->reported)
		e->reports_wanted--;
	if (m->homeless)
		e->n_homeless--;
	m->homeless = false;
	not_open(m);
	/* A chunk that is being written goes to its end: end_body_done() then closes the message. */
	if (m->gen && m->gen->body_left && m->gen->body_k == m->k)
		return;
	m->written = true;
	out_settle(e, m);
}

/* Full speed is not a flood: what waits in front of a message is bounded, or else each would take as long as all ends
 * together make it, and be too late for everybody's timers.  An end that has nothing under way goes before others. */
static bool has_turn(const struct end *e)
{
	uint64_t most = e->conf->under_way;
	return !most || e->totals->under_way < (e->k_base == e->k ? 2 * most : most);
}

static bool may_begin(const struct end *e, const struct gen *g, uint64_t now)
{
	if (!e->sends || e->stop || e->held || g != e->gen || e->k >= e->n_messages || e->n_homeless ||
	    e->k - e->k_base >= e->ring || e->k - e->other->in_base >= e->ring || !has_turn(e))
		return false;
	return !e->conf->rate || now >= e->first_ns + e->k * 1000000000u / e->conf->rate;
}

static uint64_t begin(struct end *e, struct gen *g, uint64_t now)
{
	struct flow_message p = flow_message(e->conf, e->flow, e->k);
	if (!e->first_ns)
		e->first_ns = now;
	*end_out(e, e->k) = (struct out_msg){
		.k = e->k,
		.size = p.size,
		.chunk = p.chunk,
		.success = p.success,
		.failure = p.failure,
		/* By the clock, where there is one: a stalled device must not look fast. */
		.began_ns = e->conf->rate ? e->first_ns + e->k * 1000000000u / e->conf->rate : now,
		.quiet_ns = now,
		.gen = g,
		.gen_id = g->id,
		.cut = e->outage || e->other->outage,
		.under_way = true,
	};
	e->totals->under_way += p.size;
	e->totals->begun++;
	g->unfinished++;
	g->open[g->n_open++] = e->k;
	return e->k++;
}

/* A message whose generation was cut goes on here. */
static void adopt(struct end *e, struct gen *g)
{
	for (uint64_t k = e->k_base; k < e->k && g->n_open < e->conf->interleave; k++) {
		struct out_msg *m = end_out(e, k);
		if (!m->homeless)
			continue;
		m->homeless = false;
		e->n_homeless--;
		if (m->gen)
			m->gen->unfinished--;
		m->gen = g;
		g->unfinished++;
		g->open[g->n_open++] = k;
	}
}

/* ---- chunks ---- */

/* The head of the next chunk of m, and its body too when that is small; else the body is written from where it lies. */
static void begin_chunk(struct gen *g, struct out_msg *m, uint64_t now)
{
	struct end *e = g->end;
	struct load_conn *c = g->conn;
	uint64_t n = m->size - m->offset;
	char tid[MSRP_TID_MAX], head[1024];
	if (m->chunk && n > m->chunk)
		n = m->chunk;
	tid_of(e, e->seq, tid);
	int len = snprintf(head, sizeof(head),
			   "MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: load.%x.%" PRIu64
			   "\r\nByte-Range: %" PRIu64 "-*/%" PRIu64
			   "\r\n%s%sContent-Type: application/octet-stream\r\n\r\n",
			   tid, g->peer, g->self, e->flow, m->k, m->offset + 1, m->size,
			   m->success ? "Success-Report: yes\r\n" : "",
			   m->failure == FR_NO        ? "Failure-Report: no\r\n"
			   : m->failure == FR_PARTIAL ? "Failure-Report: partial\r\n"
						      : "");
	put(c, head, (size_t)len);
	g->body_k = m->k;
	g->body_seq = e->seq;
	g->body_off = m->offset;
	g->body_left = g->body_n = n;
	*send_at(e, e->seq) = (struct out_send){
		.k = m->k, .start = m->offset, .gen = g, .failure = m->failure, .open = m->failure == FR_YES
	};
	if (m->failure == FR_YES) {
		e->unanswered++;
		m->unanswered++;
	} else if (e->tid_base == e->seq) {
		e->tid_base++;
	}
	e->seq++;
	m->offset += n;
	if (n > SMALL_BODY)
		return;
	while (g->body_left) {
		struct span s = pattern_at(e->flow, m->k, g->body_off, (size_t)g->body_left);
		put(c, s.p, s.n);
		g->body_off += s.n;
		g->body_left -= s.n;
	}
	end_body_done(g, now);
}

void end_body_done(struct gen *g, uint64_t now)
{
	struct end *e = g->end;
	struct load_conn *c = g->conn;
	struct out_msg *m = end_out(e, g->body_k);
	struct out_send *s = send_at(e, g->body_seq);
	char tid[MSRP_TID_MAX], line[64];
	if (g->body_left) { /* interrupted: the rest is another chunk's */
		m->offset -= g->body_left;
		g->body_n -= g->body_left;
		g->body_left = 0;
		e->totals->interrupted++;
	}
	bool last = m->offset == m->size;
	tid_of(e, g->body_seq, tid);
	int len = snprintf(line, sizeof(line), "\r\n-------%s%c\r\n", tid,
			   m->given_up ? '#'
			   : last      ? '$'
				       : '+');
	put(c, line, (size_t)len);
	s->n = g->body_n;
	s->written_ns = now;
	e->totals->sends++;
	if (c->c_n) {
		put(c, c->ctl, c->c_n);
		c->c_n = 0;
	}
	if (last || m->given_up) {
		not_open(m);
		m->written = true;
		m->quiet_ns = now;
		if (!m->given_up) {
			e->totals->messages++;
			e->totals->bytes += m->size;
			e->reports_wanted += m->success && !m->reported;
		}
		out_settle(e, m);
	}
}

void end_fill(struct gen *g, uint64_t now)
{
	struct end *e = g->end;
	struct load_conn *c = g->conn;
	while (g->body_left == 0 && c->o_n < OUT_ENOUGH && e->unanswered < e->conf->window &&
	       e->seq - e->tid_base < e->send_ring) {
		if (e->n_homeless && g == e->gen)
			adopt(e, g);
		uint64_t k;
		if (g->n_open < e->conf->interleave && may_begin(e, g, now))
			k = begin(e, g, now); /* and out with its first chunk, for messages begin in order */
		else if (g->n_open)
			k = g->open[g->turn++ % g->n_open];
		else
			return;
		begin_chunk(g, end_out(e, k), now);
	}
}

/* ---- what comes back ---- */

void end_forget_answered(struct end *e)
{
	while (e->tid_base < e->seq && !send_at(e, e->tid_base)->open)
		e->tid_base++;
}

/* An error to something that was hit by a cut is the truth; to anything else it is a fault. */
static void failed(struct end *e, struct out_msg *m, const char *what, unsigned status)
{
	if (!m->cut)
		end_wrong(e, "message %" PRIu64 ": %s %u (begun %.3f s ago, last cut %.3f s ago)", m->k, what,
			  status, (double)(now_ns() - m->began_ns) * 1e-9,
			  e->cut_ns ? (double)(now_ns() - e->cut_ns) * 1e-9 : -1.0);
	out_give_up(e, m, LOST_TOLD);
}

/* A failure of something that asked for no 200: can it be?  Nobody knows what arrived of what was on its way to a connection
 * that was cut, so the device says 408 for all that it passed on lately (RFC 4975 7.1.2): for as long as it waits for
 * answers, and at once. */
static bool in_doubt(const struct end *e, const struct out_msg *m, uint64_t written_ns, uint64_t now)
{
	if (m && m->cut)
		return true;
	return e->cut_ns && now - e->cut_ns < ANSWER_NS &&
	       (!written_ns || written_ns + ANSWER_NS > e->cut_ns);
}

/* An error to a SEND of "partial". */
static void doubt(struct end *e, uint64_t k, uint64_t written_ns)
{
	struct out_msg *m = end_out(e, k)->k == k ? end_out(e, k) : NULL;
	e->totals->doubted++;
	if (!in_doubt(e, m, written_ns, now_ns()))
		end_wrong(e, "message %" PRIu64 " (partial) was answered 408, and nothing was cut", k);
	if (m && m->cut)
		out_give_up(e, m, LOST_TOLD);
}

void end_on_answer(struct end *e, struct load_conn *c, struct span tid, unsigned status)
{
	uint64_t seq = tid.n > 4 ? strtoull(tid.p + 4, NULL, 16) : 0, now = now_ns();
	char want[MSRP_TID_MAX];
	if (tid.n == 5 && memcmp(tid.p, "hello", 5) == 0) {
		if (status != 200)
			end_wrong(e, "a SEND without content was answered %u", status);
		return;
	}
	tid_of(e, seq, want);
	if (e->cut_ns && status == 408 && span_eq(tid, span_of(want)) && seq < e->seq) {
		struct out_send *old = send_at(e, seq);
		if (e->seq - seq > e->send_ring) { /* too long ago for our books */
			e->totals->doubted++;
			if (!in_doubt(e, NULL, 0, now))
				end_wrong(e, "SEND %" PRIu64 " was answered 408, and nothing was cut", seq);
			return;
		}
		if (old->failure == FR_PARTIAL) {
			doubt(e, old->k, old->written_ns);
			return;
		}
	}
	struct out_send *s =
		e->sends && seq < e->seq && e->seq - seq <= e->send_ring ? send_at(e, seq) : NULL;
	if (!span_eq(tid, span_of(want)) || !s || s->gen != c->gen ||
	    (s->failure == FR_YES ? !s->open : s->failure == FR_NO || status == 200)) {
		end_wrong(e, "an answer %u to nothing that is open: %" SPAN_FMT " (%s%s)", status,
			  SPAN_ARG(tid),
			  !s                     ? "never sent"
			  : s->gen != c->gen     ? "another path's"
			  : s->failure == FR_YES ? "answered already"
						 : "asked for no answer",
			  s && end_out(e, s->k)->cut ? ", cut" : "");
		return;
	}
	struct out_msg *m = end_out(e, s->k);
	if (s->failure == FR_YES) {
		s->open = false;
		m->unanswered--;
		e->unanswered--;
		end_forget_answered(e);
	}
	m->quiet_ns = now;
	if (status == 200) {
		e->totals->answers++;
		hist_add(&e->totals->answer, now - s->written_ns);
	} else if (m->k == s->k) {
		failed(e, m, "a SEND was answered", status);
	}
	out_settle(e, m);
}

void end_on_report(struct end *e, struct span message_id, struct span range, struct span status)
{
	unsigned flow = 0;
	uint64_t k = 0;
	char id[64], want[64];
	snprintf(id, sizeof(id), "%" SPAN_FMT, SPAN_ARG(message_id));
	struct out_msg *m = NULL;
	if (sscanf(id, "load.%x.%" SCNu64, &flow, &k) == 2 && flow == e->flow && e->sends && k < e->k)
		m = end_out(e, k);
	if (!m) {
		end_wrong(e, "a REPORT on a message never sent: %s", id);
		return;
	}
	struct flow_message plan = flow_message(e->conf, e->flow, k);
	uint64_t size = plan.size;
	if (e->cut_ns && plan.failure == FR_PARTIAL && span_starts(status, SPAN("000 408"))) {
		doubt(e, k, 0);
		return;
	}
	snprintf(want, sizeof(want), "1-%" PRIu64 "/%" PRIu64, size, size);
	if (m->k == k && m->cut &&
	    (m->over || m->reported || m->given_up || !span_starts(status, SPAN("000 200")))) {
		if (!span_starts(status, SPAN("000 200")))
			out_give_up(e, m, LOST_TOLD);
		return;
	}
	if (!span_starts(status, SPAN("000 200")))
		end_wrong(e, "message %" PRIu64 ": REPORT %" SPAN_FMT, k, SPAN_ARG(status));
	else if (!span_eq(range, span_of(want)))
		end_wrong(e, "message %" PRIu64 ": REPORT for %" SPAN_FMT ", not %s", k, SPAN_ARG(range),
			  want);
	else if (m->k != k || m->over || m->reported || !m->success)
		end_wrong(e, "message %" PRIu64 ": a REPORT too many", k);
	e->totals->reports++;
	if (m->k != k || m->over || m->reported)
		return;
	m->reported = true;
	m->quiet_ns = now_ns();
	if (m->written)
		e->reports_wanted--;
	out_settle(e, m);
}
