/* SPDX-License-Identifier: MIT */
/*
 * A model peer: what RFC 3261, 3264 and 3311 oblige a user agent to do it does by itself, at once (ACK, 491 and 500 to
 * what crosses, 200 to BYE and CANCEL, 481 when its dialog is gone); all else is a choice, and so an action.  It has no
 * timers: that it repeats a message, or that one comes late, are faults of the network (model.h), and giving up on an
 * answer is left to the drain (act.c).
 */
#include "explore/model.h"

static bool offer_ours_open(const struct peer *p)
{
	return (p->inv.state && (p->inv.offer || p->inv.offerless) && !p->inv.exchanged) ||
	       (p->upd.state && p->upd.offer) || (p->tinv.state == THEIR_OK && p->tinv.owed) || p->rel.owed;
}

static bool offer_theirs_open(const struct peer *p)
{
	return (p->tinv.state == THEIR_OPEN && p->tinv.offer && !p->tinv.exchanged) ||
	       (p->tupd.state == THEIR_OPEN && p->tupd.offer);
}

static void commit(struct peer *p, const struct desc *ours, uint32_t far_version, uint64_t far)
{
	p->local = *ours;
	p->tls = ours->tls;
	p->remote_v = far_version;
	p->remote = far;
}

static struct mine *mine_of(struct peer *p, const struct msg *m)
{
	struct mine *o = m->method == SIP_INVITE ? &p->inv : m->method == SIP_UPDATE ? &p->upd : NULL;
	return o && o->state && o->cseq == m->cseq ? o : NULL;
}

/* ---- sending ---- */

static void respond(struct peer *p, enum sip_method method, uint32_t cseq, const char *branch,
		    unsigned status, const struct desc *sdp)
{
	struct text t, *out = method == SIP_INVITE || method == SIP_UPDATE ? &p->final : &t;

	wire_response(p, method, cseq, branch, status, 0, sdp, out);
	world_hear(p, out);
}

static void send_ack(struct peer *p, uint32_t cseq, bool ok, const struct desc *sdp)
{
	struct text t;

	if (!ok) {
		wire_request(p, SIP_ACK, cseq, false, NULL, &t);
		world_hear(p, &t);
		return;
	}
	wire_request(p, SIP_ACK, cseq, true, sdp, &p->ack);
	p->acked = cseq;
	world_hear(p, &p->ack);
}

bool peer_may_ask(const struct peer *p, enum ask what)
{
	bool invite = what <= ASK_BAD, offers = what != ASK_BARE;

	if (p->state == PEER_IDLE) /* one call */
		return p->side == run.set->terminating &&
		       (what == ASK_INVITE || what == ASK_OFFERLESS || what == ASK_BAD);
	if (p->state != PEER_UP && (invite || !p->early || p->rel.open || p->state > PEER_UP))
		return false; /* RFC 3311 5.1 for the early dialog */
	if (invite && (p->inv.state || p->tinv.state))
		return false; /* RFC 3261 14.1 */
	if (!invite && (p->upd.state || !run.set->update[p->side]))
		return false; /* RFC 3311 5.1 */
	if (what == ASK_REFRESH && (!p->local.version || p->lost))
		return false;
	return !offers || (!offer_ours_open(p) && !offer_theirs_open(p));
}

void peer_ask(struct peer *p, enum ask what)
{
	enum sip_method method = what <= ASK_BAD ? SIP_INVITE : SIP_UPDATE;
	struct mine *o = method == SIP_INVITE ? &p->inv : &p->upd;

	if (p->state == PEER_IDLE)
		p->state = PEER_CALLING;
	if (method == SIP_INVITE)
		p->far_rseq = p->watch.rseq = 0;
	*o = (struct mine){ .state = MINE_SENT,
			    .offer = what != ASK_OFFERLESS && what != ASK_BARE,
			    .offerless = what == ASK_OFFERLESS,
			    .cseq = ++p->cseq };
	if (what == ASK_REFRESH)
		o->sdp = p->local;
	else if (o->offer)
		o->sdp = wire_sdp_new(p, what != ASK_BAD, p->tls != (run.set->tls && p->state == PEER_UP));
	wire_request(p, method, o->cseq, false, o->offer ? &o->sdp : NULL, &p->request);
	world_hear(p, &p->request);
}

void peer_cancel(struct peer *p)
{
	struct text t;

	p->inv.canceled = true;
	wire_request(p, SIP_CANCEL, p->inv.cseq, false, NULL, &t);
	world_hear(p, &t);
}

/* RFC 3261 15: what it still has to answer, it answers. */
static void refuse_pending(struct peer *p)
{
	struct their inv = p->tinv, upd = p->tupd;

	p->tinv = p->tupd = (struct their){ 0 };
	if (inv.state == THEIR_OPEN)
		respond(p, SIP_INVITE, inv.cseq, inv.branch, 487, NULL);
	if (upd.state == THEIR_OPEN)
		respond(p, SIP_UPDATE, upd.cseq, upd.branch, 487, NULL);
}

void peer_bye(struct peer *p)
{
	p->bye = (struct mine){ .state = MINE_SENT, .cseq = ++p->cseq };
	p->state = PEER_ENDING;
	wire_request(p, SIP_BYE, p->bye.cseq, false, NULL, &p->request);
	world_hear(p, &p->request);
	refuse_pending(p);
}

/* ---- answering ---- */

static void accepted(struct peer *p, struct their *q, enum sip_method method, const struct desc *sdp)
{
	bool invite = method == SIP_INVITE;

	q->sdp = *sdp;
	q->owed = invite && !q->offer && sdp->version;
	if (q->offer && sdp->version)
		commit(p, sdp, q->far_version, q->far_sdp);
	q->state = invite ? THEIR_OK : THEIR_NONE;
	if (p->state == PEER_CALLED && invite)
		p->state = PEER_UP;
}

void peer_answer(struct peer *p, enum sip_method method, unsigned status, enum body body)
{
	struct their *q = method == SIP_INVITE ? &p->tinv : &p->tupd;
	bool sdp =
		status / 100 == 2 && body != BODY_NONE && !q->exchanged && (q->offer || method == SIP_INVITE);
	struct desc d = { 0 };
	struct their was = *q;

	if (sdp)
		d = wire_sdp_new(p, body == BODY_GOOD, q->offer ? q->tls : p->tls);
	if (status < 200) {
		struct text t;
		q->rang = true;
		wire_response(p, method, q->cseq, q->branch, status, 0, NULL, &t);
		world_hear(p, &t);
		return;
	}
	if (status < 300) {
		accepted(p, q, method, &d);
	} else {
		*q = (struct their){ 0 };
		if ((p->state == PEER_CALLED && method == SIP_INVITE) || status == 481)
			p->state = PEER_OVER;
	}
	respond(p, method, was.cseq, was.branch, status, sdp ? &d : NULL);
}

void peer_reliable(struct peer *p, bool sdp)
{
	struct their *q = &p->tinv;
	struct text t;

	q->reliable++;
	q->rang = true;
	p->rel.open = true;
	p->rel.rseq++;
	p->rel.owed = sdp && !q->offer;
	p->rel.sdp = sdp ? wire_sdp_new(p, true, q->offer ? q->tls : p->tls) : (struct desc){ 0 };
	q->exchanged |= sdp && q->offer; /* in force once it is acknowledged */
	wire_response(p, SIP_INVITE, q->cseq, q->branch, 183, p->rel.rseq, sdp ? &p->rel.sdp : NULL, &t);
	world_hear(p, &t);
}

/* ---- receiving ---- */

static bool waits(const struct peer *p, const struct msg *m)
{
	const struct model *w = model();

	for (unsigned i = 0; i < w->n_channel[p->side]; i++) {
		const struct msg *k = &w->channel[p->side][i];
		if (k->method == m->method && k->cseq == m->cseq && k->status == m->status &&
		    k->rseq == m->rseq)
			return true;
	}
	return false;
}

/* What tells the peer nothing, or only what takes no choice from it, needs no action of its own. */
static bool absorbs_response(struct peer *p, const struct msg *m)
{
	struct mine *o = mine_of(p, m);

	if (m->method == SIP_BYE && m->status >= 200 && p->bye.state && p->bye.cseq == m->cseq) {
		p->bye.state = MINE_NONE;
		p->state = PEER_OVER;
	}
	if (m->method == SIP_PRACK && m->status >= 200 && p->prack.cseq == m->cseq)
		p->prack.state = MINE_NONE;
	if (m->method == SIP_BYE || m->method == SIP_CANCEL || m->method == SIP_PRACK)
		return true;
	if (!o) /* a repetition: wanted where our ACK was lost */
		return !(m->method == SIP_INVITE && m->status / 100 == 2 && m->cseq == p->acked &&
			 p->ack_lost);
	if (m->status < 200)
		o->state = MINE_HEARD;
	return m->status < 200 && (!m->rseq || m->rseq <= p->far_rseq);
}

static bool absorbs_request(struct peer *p, const struct msg *m)
{
	if (m->method == SIP_ACK) {
		bool mine = p->tinv.state == THEIR_OK && m->cseq == p->tinv.cseq;
		if (mine && !p->tinv.owed)
			p->tinv = (struct their){ 0 };
		return !mine || !p->tinv.state;
	}
	if (m->method == SIP_CANCEL)
		return false;
	return p->far_tag[0] &&
	       m->cseq <= p->far_cseq; /* known: repeated for want of an answer that is in limbo */
}

void peer_sent_to(struct peer *p, const struct msg *m)
{
	struct model *w = model();

	if (waits(p, m) || (m->status ? absorbs_response(p, m) : absorbs_request(p, m)))
		return;
	if (w->n_channel[p->side] == CHANNEL_MAX) {
		violation("more than %d messages wait for %c", CHANNEL_MAX, p->side ? 'B' : 'A');
		return;
	}
	w->channel[p->side][w->n_channel[p->side]++] = *m;
}

bool peer_only_learns(const struct peer *p, const struct msg *m)
{
	(void)p;
	return (m->status >= 200 && m->method == SIP_UPDATE) || (!m->status && m->method == SIP_ACK);
}

static void on_2xx_invite(struct peer *p, struct mine *o, const struct msg *m)
{
	struct desc answer = { 0 };

	if (o->offer && !m->version && !o->exchanged)
		violation("%c: a 2xx to the offer in INVITE %u has no answer", p->side ? 'B' : 'A', m->cseq);
	if (o->offer && m->version && !o->exchanged)
		commit(p, &o->sdp, m->version, m->sdp);
	if (o->offerless && m->version && !o->exchanged) {
		answer = wire_sdp_new(p, true, m->tls);
		commit(p, &answer, m->version, m->sdp);
	}
	p->lost = false;
	*o = (struct mine){ 0 };
	if (p->state == PEER_CALLING)
		p->state = PEER_UP;
	send_ack(p, m->cseq, true, answer.version ? &answer : NULL);
}

/* RFC 3262 4: acknowledged in order; its offer is answered in the PRACK. */
static void on_reliable(struct peer *p, struct mine *o, const struct msg *m)
{
	struct desc answer = { 0 };
	struct text t;

	if (p->state >= PEER_ENDING || (p->far_rseq && m->rseq != p->far_rseq + 1))
		return;
	p->far_rseq = m->rseq;
	if (m->version && !o->exchanged) {
		if (o->offerless)
			answer = wire_sdp_new(p, true, m->tls);
		commit(p, o->offerless ? &answer : &o->sdp, m->version, m->sdp);
		o->exchanged = p->early = true;
	}
	p->prack = (struct mine){ .state = MINE_SENT, .cseq = ++p->cseq };
	wire_request(p, SIP_PRACK, p->prack.cseq, false, answer.version ? &answer : NULL, &t);
	world_hear(p, &t);
}

static void on_response(struct peer *p, const struct msg *m)
{
	struct mine *o = mine_of(p, m);

	if (!o) {
		if (m->method == SIP_INVITE && m->status / 100 == 2 && m->cseq == p->acked)
			world_hear(p, &p->ack);
		return;
	}
	if (m->status < 200) {
		if (m->rseq)
			on_reliable(p, o, m);
		return;
	}
	if (m->method == SIP_INVITE && m->status < 300) {
		on_2xx_invite(p, o, m);
		return;
	}
	if (m->status < 300 && o->offer) {
		if (!m->version)
			violation("%c: a 2xx to the offer in UPDATE %u has no answer", p->side ? 'B' : 'A',
				  m->cseq);
		commit(p, &o->sdp, m->version, m->sdp);
		p->lost = false;
	}
	*o = (struct mine){ 0 };
	if (p->state == PEER_CALLING && m->method == SIP_INVITE)
		p->state = PEER_OVER;
	if (m->method == SIP_INVITE)
		send_ack(p, m->cseq, false, NULL);
}

/* 0: it may be answered as one likes; else the answer that is due. */
static unsigned crosses(const struct peer *p, const struct msg *m)
{
	bool invite = m->method == SIP_INVITE, offer = m->version != 0;

	if (p->state >= PEER_ENDING || (!invite && p->state != PEER_UP && !p->early))
		return 481;
	if (!invite && !run.set->update[p->side])
		return 405;
	if (invite && p->inv.state)
		return 491; /* RFC 3261 14.2 */
	if (invite && p->tinv.state)
		return 500;
	if (!invite && p->tupd.state)
		return 500; /* RFC 3311 5.2 */
	if ((invite || offer) && offer_ours_open(p))
		return 491;
	if ((invite || offer) && offer_theirs_open(p))
		return 500;
	return 0;
}

static void on_offer_request(struct peer *p, const struct msg *m)
{
	struct their *q = m->method == SIP_INVITE ? &p->tinv : &p->tupd;
	unsigned status = crosses(p, m);

	if (p->far_cseq && m->cseq <= p->far_cseq)
		return; /* a copy, or overtaken: lost */
	p->far_cseq = m->cseq;
	if (status) {
		respond(p, m->method, m->cseq, m->branch, status, NULL);
		return;
	}
	*q = (struct their){ .state = THEIR_OPEN,
			     .offer = m->version != 0,
			     .rel = m->rel,
			     .tls = m->tls,
			     .cseq = m->cseq,
			     .far_version = m->version,
			     .far_sdp = m->sdp };
	memcpy(q->branch, m->branch, sizeof(q->branch));
	if (p->state == PEER_IDLE)
		p->state = PEER_CALLED;
}

static void on_prack(struct peer *p, const struct msg *m)
{
	bool mine = p->rel.open && m->rseq == p->rel.rseq && p->state < PEER_ENDING;

	p->far_cseq = m->cseq;
	if (mine && p->rel.owed) {
		if (!m->version)
			violation("%c: the PRACK of the offer in %u has no answer", p->side ? 'B' : 'A',
				  p->tinv.cseq);
		commit(p, &p->rel.sdp, m->version, m->sdp);
		p->tinv.exchanged = true;
	} else if (mine && p->tinv.state && p->rel.sdp.version) {
		commit(p, &p->rel.sdp, p->tinv.far_version, p->tinv.far_sdp);
	}
	if (mine)
		p->rel.open = p->rel.owed = false, p->early |= p->tinv.exchanged;
	respond(p, SIP_PRACK, m->cseq, m->branch, mine ? 200 : 481, NULL);
}

static void on_cancel(struct peer *p, const struct msg *m)
{
	struct their was = p->tinv;
	bool open = was.state == THEIR_OPEN && was.cseq == m->cseq;

	if (open)
		p->tinv = (struct their){ 0 };
	if (open && p->state == PEER_CALLED)
		p->state = PEER_OVER;
	respond(p, SIP_CANCEL, m->cseq, m->branch, 200, NULL);
	if (open)
		respond(p, SIP_INVITE, was.cseq, was.branch, 487, NULL);
}

static void on_bye(struct peer *p, const struct msg *m)
{
	p->far_cseq = m->cseq;
	p->bye.state = MINE_NONE;
	p->state = PEER_OVER;
	respond(p, SIP_BYE, m->cseq, m->branch, 200, NULL);
	refuse_pending(p);
}

void peer_arrives(struct peer *p, const struct msg *m)
{
	if (m->status) {
		on_response(p, m);
		return;
	}
	switch (m->method) {
	case SIP_INVITE:
	case SIP_UPDATE:
		on_offer_request(p, m);
		break;
	case SIP_PRACK:
		on_prack(p, m);
		break;
	case SIP_CANCEL:
		on_cancel(p, m);
		break;
	case SIP_BYE:
		on_bye(p, m);
		break;
	case SIP_ACK:
		if (p->tinv.state != THEIR_OK || p->tinv.cseq != m->cseq)
			break;
		if (!m->version)
			violation("%c: the ACK of INVITE %u owes an answer and has none", p->side ? 'B' : 'A',
				  m->cseq);
		commit(p, &p->tinv.sdp, m->version, m->sdp);
		p->lost = false;
		p->tinv = (struct their){ 0 };
		break;
	default:
		break;
	}
}
