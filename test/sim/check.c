/* SPDX-License-Identifier: MIT */
/* What must hold, whatever was drawn: on every message, after every event, and when all is over. */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

enum { T1_US = 500000 };

static bool is(const struct wire *m, const char *method)
{
	return span_eq(m->method, span_of(method));
}

static bool offers(const struct wire *m)
{
	return (is(m, "INVITE") || is(m, "UPDATE")) && m->request && m->body.n;
}

/* At most one open offer per leg (RFC 3264 4): not ours over ours, not ours over theirs. */
static void check_offer(struct ua *ua, const struct wire *m)
{
	struct sim *sim = ua->sim;
	if (m->request && offers(m)) {
		if (ua->far_offer && ua->far_offer_cseq == m->cseq)
			return; /* once more */
		if (ua->far_offer && sim->w.now_us < ua->far_offer_us + 64ull * T1_US)
			sim_fail(sim, "%s%u: the server offers in %.*s %u while its offer %u is open",
				 ua->p.name, ua->s->id, (int)m->method.n, m->method.p, m->cseq,
				 ua->far_offer_cseq);
		for (unsigned i = 0; i < CALLS; i++)
			if (ua->call[i].used && ua->call[i].offer && ua->call[i].delivered &&
			    !ua->call[i].answered)
				sim_fail(sim, "%s%u: the server offers over the open offer in %s %u",
					 ua->p.name, ua->s->id, ua->call[i].method, ua->call[i].cseq);
		ua->far_offer = true;
		ua->far_offer_cseq = m->cseq;
		ua->far_offer_us = sim->w.now_us;
	}
}

static void answered(struct ua *ua, const struct wire *m)
{
	for (unsigned i = 0; i < CALLS; i++) {
		struct call *c = &ua->call[i];
		if (!c->used || c->cseq != m->cseq || !is(m, c->method))
			continue;
		if (!c->delivered)
			sim_fail(ua->sim, "%s%u: an answer to %s %u, which never arrived", ua->p.name,
				 ua->s->id, c->method, c->cseq);
		if (m->status >= 200)
			c->answered = true;
		if (m->status >= 300 && c->invite && !ua->up)
			ua->server_ended = true;
		return;
	}
}

static void check_ack(struct ua *ua, const struct wire *m)
{
	if (m->cseq != ua->accepted_cseq || ua->ok == NULL)
		return;
	if (ua->far_ack == NULL) {
		ua->far_ack = span_dup(m->raw);
		ua->n_far_ack = m->raw.n;
		return;
	}
	if (!span_eq((struct span){ ua->far_ack, ua->n_far_ack }, m->raw) && ua->sim->f.oom == 0)
		sim_fail(ua->sim, "%s%u: ACK %u changed from one repetition to the next", ua->p.name,
			 ua->s->id, m->cseq);
}

void check_out(struct ua *ua, const struct wire *m)
{
	struct sim *sim = ua->sim;
	char why[200];
	if (m->request)
		sim_trace(sim, "as > %s%u %.*s cseq=%u%s", ua->p.name, ua->s->id, (int)m->method.n,
			  m->method.p, m->cseq, m->body.n ? " (body)" : "");
	else
		sim_trace(sim, "as > %s%u %u %.*s cseq=%u%s", ua->p.name, ua->s->id, m->status,
			  (int)m->method.n, m->method.p, m->cseq, m->body.n ? " (body)" : "");
	if (!lint_out(&ua->lint, ua->p.name, m, why))
		sim_fail(sim, "%s%u: %s\n%.*s", ua->p.name, ua->s->id, why, (int)m->raw.n, m->raw.p);
	if (m->request && is(m, "INVITE") && ua->far_invite_cseq != m->cseq) {
		ua->far_invite_cseq = m->cseq;
		ua->far_invite_us = sim->w.now_us;
	}
	check_offer(ua, m);
	if (!m->request)
		answered(ua, m);
	else if (is(m, "ACK"))
		check_ack(ua, m);
	else if (is(m, "BYE") || is(m, "CANCEL"))
		ua->server_ended = true;
	if (m->request && is(m, "BYE") && ua->over_us == 0)
		ua->over_us = sim->w.now_us;
}

void check_in(struct ua *ua, const struct wire *m)
{
	if (!m->request && m->status >= 200 && ua->far_offer && m->cseq == ua->far_offer_cseq &&
	    (is(m, "INVITE") || is(m, "UPDATE")))
		ua->far_offer = false;
	if (m->request && is(m, "BYE") && ua->over_us == 0 && ua->up)
		ua->over_us = ua->sim->w.now_us;
}

/* One leg ended means the other ends within 64*T1 (and the time to notice). */
static void check_legs(struct sess *s)
{
	struct sim *sim = s->sim;
	for (unsigned i = 0; i < 2; i++) {
		struct ua *ua = &s->ua[i], *far = &s->ua[1 - i];
		if (ua->over_us == 0 || far->over_us || far->server_ended || !far->d.call_id[0] || sim->f.oom)
			continue;
		if (sim->w.now_us > ua->over_us + 64ull * T1_US + 35 * US_PER_S)
			sim_fail(sim, "session %u: the %s leg ended at %.3f, the other lives on", s->id,
				 ua->p.name, (double)ua->over_us / 1e6);
	}
}

void check_event(void *u)
{
	struct sim *sim = u;
	sim->n_events++;
	im_check(sim->w.im);
	if (sim->n_events % 64 == 0)
		for (unsigned i = 0; i < sim->n_sess; i++)
			if (sim->sess[i].used)
				check_legs(&sim->sess[i]);
}

static void one_left(const struct im_session_view *v, void *u)
{
	sim_trace(u, "left: session %llu state=%s locked=%d call-ids %s %s", (unsigned long long)v->id,
		  v->state, v->locked, v->call_id[0], v->call_id[1]);
}

void check_end(struct sim *sim)
{
	struct im_metrics m;
	for (unsigned i = 0; i < sim->n_sess; i++)
		for (unsigned k = 0; k < 2; k++)
			for (unsigned j = 0; j < PIECES; j++) {
				struct ua *ua = &sim->sess[i].ua[k];
				struct piece *p = &ua->piece[j];
				if (p->used && p->must && !p->answered && p->conn >= 0 &&
				    !ua->conn[p->conn].cut && sim->f.oom == 0)
					sim_fail(sim, "%s%u: SEND of m%u %llu-%llu was never answered",
						 ua->p.name, i, p->message, (unsigned long long)p->from,
						 (unsigned long long)p->to);
			}
	if (im_idle(sim->w.im))
		return;
	im_metrics(sim->w.im, &m);
	im_view_sessions(sim->w.im, one_left, sim);
	sim_fail(sim,
		 "not idle at the end: sessions=%llu transactions=%llu connections=%llu msrp-sessions=%llu",
		 (unsigned long long)m.sessions, (unsigned long long)m.transactions,
		 (unsigned long long)m.msrp_connections, (unsigned long long)m.msrp_sessions);
}
