/* SPDX-License-Identifier: MIT */
/*
 * What a cut has swallowed, and what must hold when all is over.  With Failure-Report: yes everything arrives.  Of partial and
 * no there is no evidence what arrived, so the server sends nothing twice: then a message may be lost that was under way
 * at the cut, and of partial its sender is told.
 */
#include "cut.h"

/* All of this message has reached the server on c, or had before.  (What the server has answered is over for it: when its
 * answer is lost, the message is passed on again.) */
static bool is_known(const struct run *r, unsigned msg, const struct conn *c)
{
	const struct message *m = &r->msg[msg];
	for (const struct chunk *k = r->chunk; k < r->chunk + CHUNKS && !m->known; k++)
		if (k->to && k->msg == msg && (k->conn != c || !k->end || k->end > c->delivered))
			return false;
	for (unsigned i = 0; i < m->size; i++)
		if (!m->answered[i])
			return !r->plan.hop;
	return false;
}

/* The server has, or had, some of it. */
static bool is_under_way(const struct run *r, unsigned msg)
{
	for (const struct chunk *k = r->chunk; k < r->chunk + CHUNKS; k++) {
		if (!k->to || k->msg != msg || !k->conn)
			continue;
		size_t had = k->conn->cut ? k->conn->delivered
			     : k->conn->c ? k->conn->sent - world_msrp_backlog(k->conn->c)
					  : k->conn->sent;
		if (had > k->begin)
			return true;
	}
	return false;
}

void reckon_cut(struct conn *c)
{
	struct run *r = c->p->r;
	for (const struct said *s = c->said; s < c->said + c->n_said; s++)
		if (!s->report && s->to >= s->from && s->end <= c->delivered)
			memset(&r->msg[s->msg].confirmed[s->from - 1], true, s->to - s->from + 1);
	for (unsigned n = 0; n < MESSAGES; n++) {
		struct message *m = &r->msg[n];
		if (!m->size)
			continue;
		if (m->from == c->p->side) {
			if (!m->known)
				memcpy(m->most, m->sent, sizeof(m->most));
			m->known = !m->under_way && is_known(r, n, c);
		} else { /* what is not confirmed is sent again here in any case */
			m->known = false;
			m->under_way |= is_under_way(r, n);
		}
	}
}

static bool has_lost(const struct run *r, unsigned side)
{
	return r->cut_us[side] != 0;
}

/*
 * A REPORT has no answer: one that was under way is lost with its connection.  Any other has to be there, but for what a
 * receiver says of a message that it got, and reported, twice.
 */
static bool report_is_due(const struct run *r, unsigned msg)
{
	const struct peer *far = &r->peer[!r->msg[msg].from];
	bool due = false;
	for (const struct conn *c = far->conns; c < far->conns + far->n_conns; c++)
		for (const struct said *s = c->said; s < c->said + c->n_said; s++) {
			if (!s->report || s->msg != msg || (c->cut && s->end > c->delivered))
				continue;
			bool lost = s->at_us <= r->cut_us[r->msg[msg].from];
			if (lost && r->plan.n_cuts == 2)
				return false;
			due |= !lost;
		}
	return due;
}

static void check_answered(struct run *r)
{
	for (const struct chunk *k = r->chunk; k < r->chunk + CHUNKS; k++)
		if (k->to && k->conn && !k->code && k->conn->c && !k->conn->p->dead &&
		    r->plan.failure == ALWAYS && r->w.now_us >= k->at_us + 30 * US_PER_S)
			run_fail(r, "SEND of m%u %u-%u was never answered on a connection that lives", k->msg,
				 k->from, k->to);
	for (unsigned i = 0; i < 2; i++)
		for (const struct conn *c = r->peer[i].conns; c < r->peer[i].conns + r->peer[i].n_conns; c++)
			for (unsigned l = 0; l < LINES; l++)
				if (c->bind[l].us && c->c && r->w.now_us >= c->bind[l].us + 30 * US_PER_S)
					run_fail(r, "the SEND with which %s binds was never answered",
						 c->p->p.name);
}

/* Some of it was lost before the server had it, and its sender asked for no answer by which it could know. */
static bool is_unheard(const struct run *r, unsigned msg)
{
	for (const struct chunk *k = r->chunk; k < r->chunk + CHUNKS; k++)
		if (k->to && k->msg == msg && k->conn && k->conn->cut && k->end > k->conn->delivered)
			return true;
	return false;
}

static bool may_be_lost(struct run *r, unsigned msg)
{
	const struct message *m = &r->msg[msg];
	if (r->plan.keep_none && m->told)
		return true;
	if (r->plan.failure == ALWAYS)
		return false;
	if (is_unheard(r, msg))
		return true;
	if (!m->under_way)
		return false;
	if (r->plan.failure == PARTIAL && !m->told && !has_lost(r, m->from))
		run_fail(r, "m%u was lost, and its sender does not know", msg);
	return true;
}

static void check_told(struct run *r, unsigned msg)
{
	const struct message *m = &r->msg[msg];
	bool may = (r->plan.failure == PARTIAL || r->plan.keep_none) && m->under_way;
	if (m->told && !may)
		run_fail(r, "m%u is told to have failed, although everybody came back", msg);
}

/* What of the file came on the first line, and the rest of it. */
static void check_file(struct run *r)
{
	const struct message *file = &r->msg[FILE_MSG], *rest = &r->msg[REST_MSG];
	for (unsigned i = 0; i < file->size; i++)
		if (!file->got[i] && !(rest->size && i >= rest->base && rest->got[i - rest->base]))
			run_fail(r, "the file is not there: byte %u is missing", i + 1);
	for (unsigned i = 0; i < rest->size; i++)
		if (rest->got[i] && file->got[i + rest->base])
			run_fail(r, "byte %u of the file came twice", i + rest->base + 1);
}

void reckon_end(struct run *r, bool strict)
{
	check_answered(r);
	for (unsigned n = 0; strict && n < MESSAGES; n++) {
		const struct message *m = &r->msg[n];
		bool whole = true;
		if (!m->size || (m->line == FILE_LINE && r->resumed))
			continue;
		check_told(r, n);
		for (unsigned i = 0; i < m->size; i++)
			whole &= m->got[i];
		if (!whole && !may_be_lost(r, n))
			run_fail(r, "m%u did not arrive whole, and nobody was told", n);
		if (m->success && !m->report_seen && report_is_due(r, n))
			run_fail(r, "the REPORT of success for m%u was lost", n);
	}
	if (strict && r->plan.file)
		check_file(r);
	for (const struct chunk *k = r->chunk; strict && k < r->chunk + CHUNKS; k++)
		if (k->to && !k->code && r->plan.failure == ALWAYS && !(k->msg == FILE_MSG && r->resumed))
			run_fail(r, "SEND of m%u %u-%u has no answer", k->msg, k->from, k->to);
}
