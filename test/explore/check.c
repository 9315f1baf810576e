/* SPDX-License-Identifier: MIT */
/*
 * The invariants.  What can be read from the wire is read from the wire, message by message, as the two peers see it;
 * the rest is looked up in production's own structs after each action.  A violation is remembered and stops the run.
 */
#include <stdarg.h>
#include <stdio.h>

#include "explore/arena.h"
#include "explore/model.h"
#include "im/plane_int.h"

enum {
	INV_FINAL,
	INV_SAME,
	INV_OFFER,
	INV_CSEQ,
	INV_VERSION,
	INV_ANSWER,
	INV_PAIR,
	INV_PLANE,
	INV_LOCK,
	INV_INVITE,
	INV_REPEAT,
	INV_LEGS,
	INV_TOLD,
	INV_INSIDE,
	INV_LEFT
};

static const char *const names[] = {
	[INV_FINAL] = "one final answer per server transaction",
	[INV_SAME] = "a repeated message is the same to the byte",
	[INV_OFFER] = "no offer over an open offer",
	[INV_CSEQ] = "CSeq rises by one per request of a leg",
	[INV_VERSION] = "o= version: one more for new content, else the same",
	[INV_ANSWER] = "every request that arrived is answered before the end",
	[INV_PAIR] = "the committed pair is what the peers believe",
	[INV_PLANE] = "the user plane is that of the committed pair",
	[INV_LOCK] = "the lock is held only while something is open",
	[INV_INVITE] = "no INVITE over an INVITE, no BYE before the ACK",
	[INV_REPEAT] = "a 2xx to INVITE is repeated until its ACK",
	[INV_LEGS] = "both legs end within 64*T1 of each other",
	[INV_TOLD] = "who is up is told of the end",
	[INV_INSIDE] = "production's own assertions (im_check)",
	[INV_LEFT] = "nothing is left after the end",
};

const char *check_name(unsigned i)
{
	return i < ARRAY_LEN(names) ? names[i] : NULL;
}

void violation(const char *fmt, ...)
{
	va_list ap;

	if (model()->failed)
		return; /* the first one counts */
	model()->failed = true;
	va_start(ap, fmt);
	vsnprintf(run.why, sizeof(run.why), fmt, ap);
	va_end(ap);
	if (run.ladder)
		printf("** %s\n", run.why);
}

static void checked(unsigned inv)
{
	run.n_checks[inv]++;
}

static char letter(const struct peer *p)
{
	return p->side ? 'B' : 'A';
}

/* ---- the wire: what the server sends ---- */

static struct seen *seen_find(struct watch *w, const struct msg *m)
{
	for (unsigned i = 0; i < SEEN_MAX; i++) {
		struct seen *s = &w->seen[i];
		if (s->method == m->method && s->cseq == m->cseq && s->final == (m->status != 0))
			return s;
	}
	return NULL;
}

static void seen_add(struct watch *w, const struct msg *m)
{
	w->seen[w->n_seen++ % SEEN_MAX] = (struct seen){ .method = m->method,
							 .final = m->status != 0,
							 .status = m->status,
							 .cseq = m->cseq,
							 .bytes = m->bytes };
}

static struct mine *mine_of(struct peer *p, const struct msg *m)
{
	struct mine *o = m->method == SIP_INVITE ? &p->inv : m->method == SIP_UPDATE ? &p->upd : &p->bye;
	return o->state && o->cseq == m->cseq ? o : NULL;
}

/* SDP-4, SDP-7. */
static void out_version(struct peer *p, const struct msg *m, uint64_t rest)
{
	struct watch *w = &p->watch;
	bool same = rest == w->rest;

	checked(INV_VERSION);
	/* Out of the media path the other peer may have said something that was lost on its way to the server. */
	if (run.set->unanchored && run.set->faults && !same && m->version > w->version)
		;
	else if (w->version && m->version != w->version + !same)
		violation("%c: o= version %u after %u, content %s", letter(p), m->version, w->version,
			  same ? "the same" : "new");
	w->version = m->version;
	w->rest = rest;
}

static bool asks_offer(const struct mine *o)
{
	return o->state && o->offer && o->reached && !o->answered && !o->said;
}

static void out_offer(struct peer *p, enum sip_method closed_by, uint32_t cseq)
{
	struct watch *w = &p->watch;
	uint64_t now = model()->now_us;

	checked(INV_OFFER);
	if (w->offer && now < w->offer_us + T1_64_US)
		violation("%c: an offer in %u while that in %u is open", letter(p), cseq, w->offer_cseq);
	if (asks_offer(&p->inv) || asks_offer(&p->upd))
		violation("%c: an offer in %u over the peer's open one", letter(p), cseq);
	w->offer = true;
	w->offer_method = (uint8_t)closed_by;
	w->offer_cseq = cseq;
	w->offer_us = now;
}

/* RFC 3261 14.1 and 15. */
static void out_over_invite(struct peer *p, const struct msg *m)
{
	struct watch *w = &p->watch;
	bool unacked = w->ok_cseq && model()->now_us < w->ok_us + T1_64_US;

	if (m->method != SIP_INVITE && m->method != SIP_BYE)
		return;
	checked(INV_INVITE);
	if (unacked)
		violation("%c: request %u while the 2xx to INVITE %u has no ACK", letter(p), m->cseq,
			  w->ok_cseq);
	if (m->method == SIP_BYE)
		return;
	if (p->inv.state && p->inv.reached && !p->inv.answered)
		violation("%c: INVITE %u over the peer's open one", letter(p), m->cseq);
	if (w->inv_cseq)
		violation("%c: INVITE %u over our own open one", letter(p), m->cseq);
	w->inv_cseq = m->cseq;
}

static void out_request(struct peer *p, const struct msg *m)
{
	struct watch *w = &p->watch;

	checked(INV_CSEQ);
	if (w->cseq && m->cseq != w->cseq + 1)
		violation("%c: CSeq %u after %u", letter(p), m->cseq, w->cseq);
	w->cseq = m->cseq;
	out_over_invite(p, m);
	if (m->version && m->method != SIP_PRACK) /* there it is an answer */
		out_offer(p, (enum sip_method)m->method, m->cseq);
}

static void ends(struct watch *w)
{
	if (!w->over_us)
		w->over_us = model()->now_us;
}

static void out_final(struct peer *p, const struct msg *m)
{
	struct mine *o = mine_of(p, m);

	if (!o)
		return;
	if (m->method == SIP_INVITE && m->status < 300 && o->offerless && m->version)
		out_offer(p, SIP_ACK, m->cseq);
	if (m->method == SIP_INVITE && m->status < 300) {
		p->watch.ok_cseq = m->cseq;
		p->watch.ok_us = p->watch.ok_again_us = model()->now_us;
	}
	o->answered = true;
	if (m->status >= 300 && m->method == SIP_INVITE && p->state == PEER_CALLING)
		ends(&p->watch);
}

/* RFC 3262 3: numbered without a gap. */
static void out_provisional(struct peer *p, const struct msg *m, uint64_t rest)
{
	struct watch *w = &p->watch;
	struct mine *o = mine_of(p, m);

	if (m->rseq && m->rseq <= w->rseq)
		return; /* once more */
	if (m->version)
		out_version(p, m, rest);
	if (!m->rseq || !o)
		return;
	checked(INV_CSEQ);
	if (w->rseq && m->rseq != w->rseq + 1)
		violation("%c: RSeq %u after %u", letter(p), m->rseq, w->rseq);
	w->rseq = m->rseq;
	if (m->version && o->offer)
		o->said = true;
	if (m->version && o->offerless && !o->said) {
		o->said = true;
		out_offer(p, SIP_PRACK, m->cseq);
	}
}

void check_out(struct peer *p, struct span bytes, const struct msg *m, uint64_t rest)
{
	struct seen *s;

	(void)bytes;
	if (m->status && m->status < 200) {
		out_provisional(p, m, rest);
		return;
	}
	if (m->method == SIP_CANCEL) {
		if (!m->status && p->state <= PEER_CALLED)
			ends(&p->watch);
		return;
	}
	s = seen_find(&p->watch, m);
	checked(m->status ? INV_FINAL : INV_SAME);
	if (s) {
		if (m->method == SIP_INVITE && m->cseq == p->watch.ok_cseq)
			p->watch.ok_again_us = model()->now_us;
		if (m->status && s->status != m->status)
			violation("%c: %u and %u to the same request %u", letter(p), s->status, m->status,
				  m->cseq);
		else if (s->bytes != m->bytes && m->method != SIP_ACK)
			violation("%c: request or answer %u is not repeated as it was", letter(p), m->cseq);
		return;
	}
	if (m->status || m->method != SIP_ACK || m->version)
		seen_add(&p->watch, m);
	if (m->status)
		out_final(p, m);
	else if (m->method != SIP_ACK)
		out_request(p, m);
	if (m->version)
		out_version(p, m, rest);
	if (!m->status && m->method == SIP_BYE)
		ends(&p->watch);
}

/* ---- the wire: what reaches it ---- */

void check_in(struct peer *p, const struct msg *m)
{
	struct watch *w = &p->watch;
	struct mine *o = m->status ? NULL : mine_of(p, m);

	if (o && m->method != SIP_ACK && m->method != SIP_CANCEL)
		o->reached = true;
	if (w->offer && m->cseq == w->offer_cseq &&
	    (m->status >= 200 ? m->method == w->offer_method
			      : m->method == SIP_ACK && w->offer_method == SIP_ACK))
		w->offer = false;
	if (w->offer && m->version && m->rseq && m->method == (m->status ? SIP_INVITE : SIP_PRACK) &&
	    w->offer_method == m->method)
		w->offer = false; /* by a reliable 1xx, or a PRACK */
	if (!m->status && (m->method == SIP_BYE || (m->method == SIP_ACK && m->cseq == w->ok_cseq)))
		w->ok_cseq = 0;
	if (m->status >= 200 && m->method == SIP_INVITE && m->cseq == w->inv_cseq)
		w->inv_cseq = 0;
	if (!m->status && m->method == SIP_BYE)
		ends(w);
	if (m->status >= 300 && m->method == SIP_INVITE && p->state <= PEER_CALLED)
		ends(w);
}

/* ---- after each action ---- */

static const struct session *the_session(void)
{
	const struct im *im = model()->im;
	for (unsigned i = 0; i < SESS_OVER; i++)
		if (!list_empty(&im->in_state[i]))
			return container_of(im->in_state[i].next, const struct session, link);
	return NULL;
}

static bool quiet(const struct peer *p)
{
	return p->state == PEER_UP && !p->inv.state && !p->upd.state && !p->tinv.state && !p->tupd.state;
}

/* Out of the media path each peer has to know the other's path. */
static bool agrees(const struct session *s, unsigned i)
{
	struct span said = sdp_oa_remote(&s->leg[!i].oa);
	size_t at = span_find(said, SPAN("a=path:"));

	if (at == SPAN_NONE || s->own || s->mod.stage != MOD_NONE)
		return true;
	said = span_skip(said, at);
	said = span_split(&said, '\n');
	return span_find(sdp_oa_local(&s->leg[i].oa), said) != SPAN_NONE;
}

static void check_pair(const struct session *s)
{
	const struct model *m = model();

	if (m->draining || m->n_channel[0] || m->n_channel[1] || m->limbo[0].used || m->limbo[1].used)
		return;
	for (unsigned i = 0; i < 2; i++)
		if (!quiet(&m->peer[i]) || s->leg[i].invite_in || s->leg[i].invite_out ||
		    s->leg[i].update_out)
			return;
	checked(INV_PAIR);
	for (unsigned i = 0; i < 2; i++) {
		const struct peer *p = &m->peer[i];
		if (span_hash(sdp_oa_local(&s->leg[i].oa), 1) != p->remote)
			violation("%c believes the server's SDP to be version %u, the server does not",
				  letter(p), p->remote_v);
		else if (span_hash(sdp_oa_remote(&s->leg[i].oa), 1) != p->local.hash)
			violation("%c believes its own SDP to be version %u, the server does not", letter(p),
				  p->local.version);
		else if (run.set->unanchored && !agrees(s, i))
			violation("%c does not know where %c is", letter(p), i ? 'A' : 'B');
	}
}

static bool has(struct span text, struct span part)
{
	return !part.n || span_find(text, part) != SPAN_NONE;
}

static void check_plane(const struct session *s)
{
	if (!s->plane || !s->plane->n_lines)
		return;
	checked(INV_PLANE);
	for (unsigned i = 0; i < 2; i++) {
		const struct plane_end *e = &s->plane->line[0]->end[i];
		const struct plane_path *path = e->path;
		if (!path || e->next || s->plane->prepared)
			violation("the plane's %c end is not settled", i ? 'B' : 'A');
		else if (!has(sdp_oa_local(&s->leg[i].oa), path_uri(path)) ||
			 !has(sdp_oa_remote(&s->leg[i].oa), peer_path(path->peer)))
			violation("the plane's %c end is not that of the committed pair", i ? 'B' : 'A');
	}
}

/* What the wire has not shown to be acknowledged must not be taken for it. */
static void check_acked(const struct session *s)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct watch *w = &model()->peer[i].watch;
		if (w->ok_cseq && model()->now_us < w->ok_us + T1_64_US && !s->leg[i].invite_in)
			violation("%c: the 2xx to INVITE %u counts as acknowledged", i ? 'B' : 'A',
				  w->ok_cseq);
	}
}

static void check_lock(const struct session *s)
{
	const struct modify *mod = &s->mod;
	const struct leg *l = &s->leg[mod->from], *r = &s->leg[side_other(mod->from)];
	bool out = r->invite_out || r->update_out, held = false;

	checked(INV_LOCK);
	switch (mod->stage) {
	case MOD_NONE:
		return;
	case MOD_WAIT:
		held = mod->txn && out && timer_is_set(&mod->t_guard);
		break;
	case MOD_OUT:
		held = mod->txn && out;
		break;
	case MOD_ACK:
		held = l->invite_in != NULL || (s->early && s->early->offered);
		break;
	case MOD_LATE:
	case MOD_OWN:
		held = out;
		break;
	case MOD_UNDO:
		held = out || timer_is_set(&mod->t_say);
		break;
	}
	if (!held)
		violation("the lock is held (stage %u) and nothing is open", (unsigned)mod->stage);
}

static void check_legs(const struct session *s)
{
	const struct model *m = model();

	for (unsigned i = 0; i < 2; i++) {
		const struct watch *w = &m->peer[i].watch, *other = &m->peer[!i].watch;
		if (!w->over_us || other->over_us || !s || s->leg[!i].state == LEG_OVER ||
		    m->peer[!i].state == PEER_IDLE || m->peer[!i].state == PEER_OVER)
			continue;
		checked(INV_LEGS);
		if (m->now_us > w->over_us + T1_64_US + US_PER_S)
			violation("leg %c ended %.1f s ago and the other lives on", i ? 'B' : 'A',
				  (double)(m->now_us - w->over_us) / 1e6);
	}
}

/* RFC 3261 13.3.1.4, and T2 is 4 s. */
void check_repeats(void)
{
	const struct model *m = model();

	for (unsigned i = 0; i < 2; i++) {
		const struct watch *w = &m->peer[i].watch;
		if (!w->ok_cseq || m->now_us >= w->ok_us + T1_64_US)
			continue;
		checked(INV_REPEAT);
		if (m->now_us > w->ok_again_us + SIP_T2_MS * US_PER_MS)
			violation("%c: the 2xx to INVITE %u is not repeated", letter(&m->peer[i]),
				  w->ok_cseq);
	}
}

void check_state(void)
{
	const struct session *s = the_session();

	checked(INV_INSIDE);
	im_check(model()->im);
	check_legs(s);
	if (!s)
		return;
	check_lock(s);
	if (s->state != SESS_UP || s->mod.stage != MOD_NONE)
		return;
	check_acked(s);
	check_pair(s);
	check_plane(s);
}

/* Nothing comes any more, and p goes by itself. */
void check_told(const struct peer *p)
{
	checked(INV_TOLD);
	if (p->state == PEER_UP && !p->tinv.state && !the_session())
		violation("%c is up, and the server has forgotten it", letter(p));
}

void check_drained(void)
{
	const struct model *m = model();

	checked(INV_ANSWER);
	checked(INV_LEFT);
	for (unsigned i = 0; i < 2; i++) {
		const struct peer *p = &m->peer[i];
		const struct mine *all[] = { &p->inv, &p->upd };
		for (unsigned k = 0; k < 2; k++)
			if (all[k]->state && all[k]->reached && !all[k]->answered)
				violation("%c: request %u was never answered", letter(p), all[k]->cseq);
	}
	if (!im_idle(m->im))
		violation("not idle at the end: sessions %s, %zu timers", the_session() ? "left" : "gone",
			  m->im->wheel.n);
}
