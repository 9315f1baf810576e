/* SPDX-License-Identifier: MIT */
/*
 * Reliable provisional answers (RFC 3262), as the caller gets them and as a callee gives them.  Held against the server:
 * the numbers rise by one, one is open at a time, nobody gets one who did not ask, each of a callee's gets its PRACK, and
 * the PRACK has an answer when the 1xx had an offer, else no body.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

enum { T1_US = 500000 };

void rel_plan(struct ua *ua)
{
	struct sim *sim = ua->sim;
	ua->rel = !chance(sim, sim->f.no_100rel);
	ua->rel_required = ua->rel && chance(sim, sim->f.require_100rel);
	ua->reliable.rseq = (uint32_t)between(sim, 1, 1u << 30);
	if (ua->rel)
		ua_supports(ua, "100rel");
	if (!chance(sim, sim->f.no_199))
		ua_supports(ua, "199");
}

void rel_finish(struct ua *ua)
{
	for (unsigned i = 0; i < ua->n_early; i++)
		free(ua->early[i].sdp);
	free(ua->reliable.bytes);
}

void rel_require(struct ua *ua, struct room *r)
{
	if (ua->rel_required)
		room_add(r, SPAN("Require"), "100rel");
}

/* ---- as the caller ---- */

struct early *rel_of(struct ua *ua, const struct wire *m)
{
	struct span tag = wire_param(wire_hdr(m, "To", 0), "tag");
	for (unsigned i = 0; i < ua->n_early; i++)
		if (span_eq(span_of(ua->early[i].tag), tag))
			return &ua->early[i];
	return NULL;
}

static struct early *rel_new(struct ua *ua, const struct wire *m)
{
	struct early *e = rel_of(ua, m);
	if (e || ua->n_early == EARLY)
		return e;
	e = &ua->early[ua->n_early++];
	snprintf(e->tag, sizeof(e->tag), "%" SPAN_FMT, SPAN_ARG(wire_param(wire_hdr(m, "To", 0), "tag")));
	return e;
}

void rel_got(struct ua *ua, struct call *c, const struct wire *m)
{
	struct sim *sim = ua->sim;
	struct span rseq = wire_hdr(m, "RSeq", 0);
	uint32_t n = (uint32_t)wire_u64(rseq);
	if (m->status == 100)
		return;
	if (!rseq.p) {
		if (ua->rel_required && !ua->up)
			sim_fail(sim, "%s%u: %u is not reliable, and it insists on that", ua->p.name,
				 ua->s->id, m->status);
		return;
	}
	struct early *e = rel_new(ua, m);
	if (e == NULL)
		return; /* more early dialogs than it can keep: it does not hear of them */
	if (!ua->rel)
		sim_fail(sim, "%s%u: a reliable %u, and it knows nothing of those", ua->p.name, ua->s->id,
			 m->status);
	if (e->rseq && n <= e->rseq)
		return; /* repeated: the PRACK is under way */
	if (n == 0 || (e->rseq && n != e->rseq + 1))
		sim_fail(sim, "%s%u: RSeq %u after %u", ua->p.name, ua->s->id, n, e->rseq);
	e->rseq = n;
	if (m->body.n && !e->sdp) {
		e->sdp = span_dup(m->body);
		if (c->offer)
			ua->offer_out = false;
		else
			ua->prack_answers = m->body;
	}
	ua_send(ua, "PRACK", NULL, NULL);
	ua->prack_answers = SPAN_EMPTY;
}

/* ---- as a callee ---- */

static bool lists_100rel(const struct wire *req)
{
	return ua_lists(req, "Supported", "100rel") || ua_lists(req, "Require", "100rel");
}

bool rel_may_ring(struct ua *ua, const struct wire *req, bool *reliable)
{
	*reliable = ua->rel && lists_100rel(req);
	return !*reliable || !ua->reliable.open;
}

static void on_again(struct world *w, void *arg, uint64_t n)
{
	struct ua *ua = arg;
	struct reliable *r = &ua->reliable;
	if (!r->open || r->serial != n || ua->crashed || ua->over)
		return;
	struct pup_kept *k = pup_pending(&ua->d, "INVITE", r->cseq);
	if (k == NULL || k->answered)
		return;
	bool lost = ua->s->n_forks && ua->s->fork_over; /* to a fork: its INVITE is over */
	if (w->now_us >= r->since_us + 64ull * T1_US) { /* RFC 3262 3 */
		if (!r->pracked && !lost && r->delivered_us && w->now_us > r->delivered_us + 30 * US_PER_S &&
		    ua->sim->f.oom == 0 && !ua->server_ended)
			sim_fail(ua->sim,
				 "%s%u: its reliable 1xx reached the server at %.3f and got no PRACK",
				 ua->p.name, ua->s->id, (double)r->delivered_us / 1e6);
		r->open = false;
		ua->offer_out = false;
		ua->s->rude = true; /* what was agreed on is nobody's knowledge */
		answer_send(ua, "INVITE", r->cseq, 504, NULL);
		return;
	}
	net_up(ua, (struct span){ r->bytes, r->n }, NULL, false);
	r->interval_us *= 2;
	world_at(w, w->now_us + r->interval_us, on_again, ua, n);
}

void rel_rang(struct ua *ua, const struct wire *req, struct span bytes, bool offer)
{
	struct reliable *r = &ua->reliable;
	struct wire m;
	free(r->bytes);
	r->bytes = span_dup(bytes);
	r->n = bytes.n;
	wire_read(&m, bytes);
	r->open = true;
	r->sdp = m.body.n != 0;
	r->offer = r->sdp && offer;
	r->pracked = false;
	r->cseq = req->cseq;
	if (r->sdp)
		r->done_cseq = req->cseq;
	r->since_us = ua->sim->w.now_us;
	r->delivered_us = 0;
	r->interval_us = T1_US;
	r->serial++;
	world_at(&ua->sim->w, r->since_us + T1_US, on_again, ua, r->serial);
}

bool rel_holds(const struct ua *ua, uint32_t cseq)
{
	return ua->reliable.open && ua->reliable.sdp && ua->reliable.cseq == cseq;
}

/* Early UPDATE from the callee (RFC 3311 5.1): once its answer has been acknowledged. */
static void perhaps_update(struct ua *ua)
{
	if (!ua->up && !ua->over && ua->reliable.done_cseq && !ua->offer_out && !ua->offer_in &&
	    chance(ua->sim, ua->sim->f.early_update))
		ua_send(ua, "UPDATE", chance(ua->sim, 500) ? "same" : "path", NULL);
}

void rel_prack(struct ua *ua, const struct wire *m)
{
	struct reliable *r = &ua->reliable;
	struct span rack = wire_hdr(m, "RAck", 0);
	char want[64];
	snprintf(want, sizeof(want), "%u %u INVITE", r->rseq, r->cseq);
	if (!r->open || !span_eq(rack, span_of(want))) {
		answer_send(ua, "PRACK", m->cseq, 481, NULL);
		return;
	}
	r->open = false;
	if (r->offer != (m->body.n != 0) && (r->offer || !r->sdp))
		sim_fail(ua->sim, "%s%u: PRACK %u: its body and its 1xx's do not fit", ua->p.name, ua->s->id,
			 m->cseq);
	if (r->offer) {
		ua->offer_out = false;
		media_commit(ua, m->body, true);
		answer_send(ua, "PRACK", m->cseq, 200, NULL);
	} else {
		answer_send(ua, "PRACK", m->cseq, 200, m->body.n ? "answer" : NULL);
	}
	perhaps_update(ua);
}

/* ---- checks ---- */

void rel_out(struct ua *ua, const struct wire *m)
{
	struct reliable *r = &ua->reliable;
	if (m->request && span_eq(m->method, SPAN("PRACK")) && wire_u64(wire_hdr(m, "RAck", 0)) == r->rseq)
		r->pracked = true;
}

void rel_in(struct ua *ua, const struct wire *m)
{
	struct reliable *r = &ua->reliable;
	struct span rseq = wire_hdr(m, "RSeq", 0);
	if (m->request || !rseq.p || wire_u64(rseq) != r->rseq)
		return;
	if (r->delivered_us == 0)
		r->delivered_us = ua->sim->w.now_us;
	if (m->body.n && ua->far_offer && ua->far_offer_cseq == m->cseq)
		ua->far_offer = false;
}
