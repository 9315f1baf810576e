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

/* The server's tag, in a request of its own and in the answer to one. */
static struct span far_tag(const struct wire *m)
{
	return wire_param(wire_hdr(m, "From", 0), "tag");
}

/* At most one open offer per dialog (RFC 3264 4): not ours over ours, not ours over theirs.  To the caller each early
 * dialog is one of its own (RFC 3261 12.1): an offer that a fork had passed on is nothing to the dialog that won, and
 * goes on being repeated beside it, since no UPDATE can be cancelled. */
static void check_offer(struct ua *ua, const struct wire *m)
{
	struct sim *sim = ua->sim;
	if (m->request && offers(m) && !ua->over) {
		bool same = span_eq(far_tag(m), span_of(ua->far_offer_tag));
		if (ua->won_tag[0] && !span_eq(far_tag(m), span_of(ua->won_tag)))
			return; /* of a fork that has lost */
		if (ua->far_offer && same && ua->far_offer_cseq == m->cseq)
			return; /* once more */
		if (ua->far_offer && same && sim->w.now_us < ua->far_offer_us + 64ull * T1_US)
			sim_fail(sim, "%s%u: the server offers in %.*s %u while its offer %u is open",
				 ua->p.name, ua->s->id, (int)m->method.n, m->method.p, m->cseq,
				 ua->far_offer_cseq);
		for (unsigned i = 0; i < CALLS; i++)
			if (ua->call[i].used && ua->call[i].offer && ua->call[i].delivered &&
			    !ua->call[i].answered && !ua->call[i].closed)
				sim_fail(sim, "%s%u: the server offers over the open offer in %s %u",
					 ua->p.name, ua->s->id, ua->call[i].method, ua->call[i].cseq);
		ua->far_offer = true;
		ua->far_offer_cseq = m->cseq;
		ua->far_offer_us = sim->w.now_us;
		snprintf(ua->far_offer_tag, sizeof(ua->far_offer_tag), "%" SPAN_FMT, SPAN_ARG(far_tag(m)));
	}
}

/* The server has accepted our INVITE: of its early dialogs there is this one left. */
static void won(struct ua *ua, const struct wire *m)
{
	struct span tag = wire_param(wire_hdr(m, "To", 0), "tag");
	snprintf(ua->won_tag, sizeof(ua->won_tag), "%" SPAN_FMT, SPAN_ARG(tag));
	if (!span_eq(tag, span_of(ua->far_offer_tag)))
		ua->far_offer = false;
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
		if (m->status / 100 == 2 && !c->answered && (c->invite || is(m, "UPDATE")))
			ua->target = c->contact;
		if (m->status >= 200)
			c->answered = true;
		else if (wire_hdr(m, "RSeq", 0).p && m->body.n)
			c->closed = true;
		if (m->status >= 300 && c->invite && !ua->up)
			ua->server_ended = true;
		return;
	}
}

static void check_ack(struct ua *ua, const struct wire *m)
{
	/* of a session that the server has ended it need not remember it */
	if (m->cseq != ua->accepted_cseq || ua->ok == NULL || ua->server_ended)
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

/* Where a request goes: to the peer's last address that was agreed on, or to a newer one (MOD-34, MOD-35). */
static void check_target(struct ua *ua, const struct wire *m)
{
	unsigned to = ua_contact_of(ua, m->ruri);
	bool initial = wire_param(wire_hdr(m, "To", 0), "tag").p == NULL;
	if (initial || is(m, "ACK") || is(m, "CANCEL") || ua->sim->f.oom) /* no memory: the old one holds */
		return;
	if (to < ua->target || to > ua->contact)
		sim_fail(ua->sim, "%s%u: %.*s %u goes to its address %u, which is %u", ua->p.name, ua->s->id,
			 (int)m->method.n, m->method.p, m->cseq, to, ua->target);
}

/* A description in a few words: port, direction and types of each line. */
static void brief(struct span sdp, char *out, size_t cap)
{
	size_t n = (size_t)snprintf(out, cap, "%s", sdp.n ? " body" : "");
	for (unsigned i = 0; i < wire_n_media(sdp) && n < cap; i++) {
		struct span m = wire_media(sdp, i), port = wire_line(m, "m=", 0);
		span_split(&port, ' ');
		n += (size_t)snprintf(out + n, cap - n, "%s %u %s %" SPAN_FMT, i ? " |" : "",
				      (unsigned)wire_u64(port), media_direction(m),
				      SPAN_ARG(wire_line(m, "a=accept-types:", 0)));
	}
}

void check_out(struct ua *ua, const struct wire *m)
{
	struct sim *sim = ua->sim;
	char why[200];
	bool seen = m->request && m->cseq <= ua->far_cseq;
	char text[200];
	struct span tag = wire_param(wire_hdr(m, "To", 0), "tag");
	brief(m->body, text, sizeof(text));
	if (m->request)
		sim_trace(sim, "as > %s%u %.*s cseq=%u%s", ua->p.name, ua->s->id, (int)m->method.n,
			  m->method.p, m->cseq, text);
	else
		sim_trace(sim, "as > %s%u %u %.*s cseq=%u tag=%.6s%s", ua->p.name, ua->s->id, m->status,
			  (int)m->method.n, m->method.p, m->cseq, tag.p ? tag.p : "", text);
	/* a fork whose session is gone and forgotten is hung up as one never heard of */
	bool forgotten = m->request && is(m, "BYE") && ua->server_ended && ua->s->n_forks;
	if (!forgotten && !lint_out(&ua->lint, ua->p.name, m, why))
		sim_fail(sim, "%s%u: %s\n%.*s", ua->p.name, ua->s->id, why, (int)m->raw.n, m->raw.p);
	if (m->request && m->cseq > ua->far_cseq)
		ua->far_cseq = m->cseq;
	if (m->request && is(m, "INVITE") && ua->far_invite_cseq != m->cseq) {
		ua->far_invite_cseq = m->cseq;
		ua->far_invite_us = sim->w.now_us;
	}
	check_offer(ua, m);
	timer_out(ua, m);
	rel_out(ua, m);
	if (m->request && !seen)
		check_target(ua, m);
	if (!m->request && m->status / 100 == 2 && is(m, "INVITE"))
		won(ua, m);
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
	/* a 1xx that its final has overtaken is not looked at any more */
	bool told = m->status / 100 == 2 || (wire_hdr(m, "RSeq", 0).p && m->cseq > ua->final_cseq);
	if (!m->request && m->status >= 200 && is(m, "INVITE"))
		ua->final_cseq = m->cseq;
	if (!m->request && m->status >= 200 && (is(m, "INVITE") || is(m, "UPDATE")))
		ua->timer.heard_us = ua->sim->w.now_us;
	if (!m->request && told && wire_hdr(m, "Contact", 0).p) {
		/* an UPDATE of the server's own is not waited for: its answer may come too late to count (MOD-35) */
		unsigned named = ua_contact_of(ua, wire_uri(wire_hdr(m, "Contact", 0)));
		if (named < ua->target || is(m, "INVITE") || (ua->far_offer && m->cseq == ua->far_offer_cseq))
			ua->target = named;
	}
	if (!m->request && m->status >= 200 && ua->far_offer && m->cseq == ua->far_offer_cseq &&
	    span_eq(far_tag(m), span_of(ua->far_offer_tag)) && (is(m, "INVITE") || is(m, "UPDATE")))
		ua->far_offer = false;
	rel_in(ua, m);
	if (m->request && is(m, "BYE") && ua->over_us == 0 && ua->up)
		ua->over_us = ua->sim->w.now_us;
}

/* One leg ended means the other ends within 64*T1 (and the time to notice). */
static void check_legs(struct sess *s)
{
	struct sim *sim = s->sim;
	for (unsigned i = 0; sess_ua(s, i); i++) {
		struct ua *ua = sess_ua(s, i), *far = sess_partner(s, side_other(ua->side));
		/* of several devices one may have come too late: its end is nobody else's, nor is that of one never up */
		if (s->n_forks &&
		    (ua->server_ended || !far->up || far->over || (ua->side != s->caller && !ua->acked)))
			continue;
		if (ua->over_us == 0 || far->over_us || far->server_ended || !far->d.call_id[0] || sim->f.oom)
			continue;
		if (sim->w.now_us > ua->over_us + 64ull * T1_US + 35 * US_PER_S)
			sim_fail(sim, "session %u: the %s leg ended at %.3f, the other lives on", s->id,
				 ua->p.name, (double)ua->over_us / 1e6);
	}
}

/* Nothing is open at this end, and nothing that was said is still to be heard. */
static bool is_quiet(struct ua *ua)
{
	if (!ua->up || ua->over || ua->crashed || ua->far_offer || ua_busy(ua))
		return false;
	for (unsigned i = 0; i < CALLS; i++)
		if (ua->call[i].used && !ua->call[i].done &&
		    (ua->call[i].invite || strcmp(ua->call[i].method, "UPDATE") == 0))
			return false;
	return !ua_owes(ua);
}

struct seek {
	const char *call_id;
	bool settled;
};

static void find_one(const struct im_session_view *v, void *u)
{
	struct seek *k = u;
	if (strcmp(v->call_id[0], k->call_id) == 0 || strcmp(v->call_id[1], k->call_id) == 0)
		k->settled = !v->locked && strcmp(v->state, "up") == 0;
}

bool check_settled(struct sess *s)
{
	struct seek k = { .call_id = s->ua[SIDE_A].d.call_id };
	im_view_sessions(s->sim->w.im, find_one, &k);
	return k.settled;
}

static bool is_dir(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static void differ(struct sess *s, unsigned i, const char *what, const char *a, const char *b)
{
	sim_fail(
		s->sim,
		"session %u is quiet, and line %u differs: %s is %s to the client, %s to the controlling side",
		s->id, i, what, a, b);
}

/* Does what one end says of itself and of the other let it send?  Who is inactive where the other does not listen may
 * as well be sendonly. */
static bool flows(const char *sender, const char *receiver)
{
	return (is_dir(sender, "sendrecv") || is_dir(sender, "sendonly")) &&
	       (is_dir(receiver, "sendrecv") || is_dir(receiver, "recvonly"));
}

static void flow(struct sess *s, unsigned i, const char *what, bool a, bool b)
{
	if (a != b)
		differ(s, i, what, a ? "open" : "held", b ? "open" : "held");
}

/* What one end agreed to is what the other end was told, and the other way round. */
static void check_agreed(struct sess *s)
{
	struct ua *a = sess_partner(s, SIDE_A), *b = sess_partner(s, SIDE_B);
	if (!s->committed || s->rude || s->in_flight || !is_quiet(a) || !is_quiet(b) || s->sim->f.oom)
		return;
	if (!check_settled(s))
		return;
	s->committed = false;
	s->sim->n_compared++;
	for (unsigned i = 0; i < LINES; i++) {
		const struct mline *x = &a->line[i], *y = &b->line[i];
		if (x->on != y->on)
			differ(s, i, "it", x->on ? "on" : "off", y->on ? "on" : "off");
		if (!x->on)
			continue;
		flow(s, i, "what the client sends", flows(x->dir, x->far_dir), flows(y->far_dir, y->dir));
		flow(s, i, "what the controlling side sends", flows(x->far_dir, x->dir),
		     flows(y->dir, y->far_dir));
		if (s->sim->w.conf.plane.cpim_adapt)
			continue; /* each is told what the server can make of it */
		if (strcmp(x->types, y->far_types) != 0)
			differ(s, i, "what the client accepts", x->types, y->far_types);
		if (strcmp(x->far_types, y->types) != 0)
			differ(s, i, "what the controlling side accepts", x->far_types, y->types);
	}
}

void check_event(void *u)
{
	struct sim *sim = u;
	sim->n_events++;
	im_check(sim->w.im);
	for (unsigned i = 0; i < sim->n_sess; i++)
		check_agreed(&sim->sess[i]);
	if (sim->n_events % 64 == 0)
		for (unsigned i = 0; i < sim->n_sess; i++)
			if (sim->sess[i].used) {
				check_legs(&sim->sess[i]);
				timer_check(&sim->sess[i]);
			}
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
		for (unsigned k = 0; sess_ua(&sim->sess[i], k); k++)
			for (unsigned j = 0; j < PIECES; j++) {
				struct ua *ua = sess_ua(&sim->sess[i], k);
				struct piece *p = &ua->piece[j];
				if (p->used && p->must && !p->answered && p->conn >= 0 &&
				    !ua->conn[p->conn].cut && sim->f.oom == 0)
					sim_fail(sim, "%s%u: SEND of m%u %llu-%llu was never answered",
						 ua->p.name, i, p->message, (unsigned long long)p->from,
						 (unsigned long long)p->to);
			}
	media_check_end(sim);
	if (im_idle(sim->w.im))
		return;
	im_metrics(sim->w.im, &m);
	im_view_sessions(sim->w.im, one_left, sim);
	sim_fail(sim,
		 "not idle at the end: sessions=%llu transactions=%llu connections=%llu msrp-sessions=%llu",
		 (unsigned long long)m.sessions, (unsigned long long)m.transactions,
		 (unsigned long long)m.msrp_connections, (unsigned long long)m.msrp_sessions);
}
