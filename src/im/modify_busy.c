/* SPDX-License-Identifier: MIT */
/*
 * May a modification begin now?  The table of MOD-6: one offer at a time on a leg (RFC 3264 4, RFC 3261 14.2,
 * RFC 3311 5.2, RFC 6337 4.3), and one modification at a time over the pair.  Refused at once, never queued: the
 * peer's timers are running.
 */
#include "im/core.h"

enum { LEG_WAIT_MS = 4000 };      /* MOD-6: for a refresh of ours on the responder's leg */
enum { LOCK_PATIENCE_MS = 4000 }; /* MOD-6a: then 500 with Retry-After, so that nobody starves on 491 */

/* The initiator of the open modification sees only that the other leg holds the lock. */
static unsigned lock_answer(uint64_t since_us, uint64_t now_us)
{
	return now_us - since_us > LOCK_PATIENCE_MS * US_PER_MS ? 500 : 491;
}

/* PROV-10, RFC 3311 5.1, RFC 6337 4.3: in an early dialog an offer is in order once the INVITE's own exchange is complete,
 * reliably and on both legs, and when the other peer takes an UPDATE: a re-INVITE is not possible yet. */
static unsigned early_busy(const struct leg *l, uint64_t now_us)
{
	const struct session *s = l->s;
	const struct early *e = s->early;
	bool pracks = e->offered || e->prack_in || (l->side == e->near && e->prack_out);

	if (l->oa.state == SDP_OFFER_SENT || l->update_out)
		return 491; /* our offer is unanswered */
	if (l->oa.state == SDP_OFFER_RECEIVED || !e->answered_out || e->unsaid || pracks ||
	    (e->rel && reliable_owes_sdp(e->rel)))
		return 500;
	if (s->mod.stage != MOD_NONE)
		return lock_answer(s->mod.since_us, now_us);
	return sip_dialog_allows(&s->leg[side_other(l->side)].dlg, SIP_UPDATE) ? 0 : 500;
}

/* MOD-9: who sends the next re-INVITE has our 2xx to the one before, whatever became of its ACK; not where that ACK was to
 * bring an answer. */
void modify_implicit_ack(struct leg *l, const struct sip_msg *m, uint64_t now_us)
{
	const struct sip_stxn *t = l->invite_in;

	if (l->s->im->conf.implicit_ack && m->method == SIP_INVITE && t && sip_stxn_status(t) / 100 == 2 &&
	    l->oa.state == SDP_STABLE)
		session_acked(l, NULL, now_us);
}

unsigned modify_busy(const struct leg *l, enum sip_method m, bool offer, bool local, uint64_t now_us)
{
	const struct session *s = l->s;
	const struct leg *other = &s->leg[side_other(l->side)];

	if (l->update_in)
		return 500; /* UsI, UsU: the peer's previous UPDATE is unanswered */
	if (m == SIP_UPDATE && !offer)
		return 0; /* MOD-10: not an offer */
	if (early_alive(s))
		return early_busy(l, now_us);
	if (l->invite_in)
		return 500; /* IsI, IsU and MOD-9: unanswered, or its ACK is missing */
	if (l->invite_out && m == SIP_UPDATE && modify_answered_early(s) && l != &s->leg[s->early->near])
		return 500; /* the exchange of our re-INVITE is closed on this leg, but not on the other */
	if (l->invite_out || l->update_out || l->oa.state != SDP_STABLE)
		return 491; /* IcI, IcU, UcI, UcU: glare; or our ACK with the answer is not out yet */
	if (local)
		return 0; /* MOD-32 needs this leg and not the lock */
	if (s->mod.stage != MOD_NONE)
		return lock_answer(s->mod.since_us, now_us);
	/* The set-up's own ACK is missing on the other leg: no new INVITE can go there (RFC 3261 14.1). */
	if (other->invite_in || other->update_in)
		return lock_answer(sip_stxn_since(other->invite_in ? other->invite_in : other->update_in),
				   now_us);
	return 0;
}

/* MOD-6: an UPDATE sent over our own open one would earn a 500 (RFC 3311 5.2), and the initiator does not know of it. */
static void on_waited(struct timer *t, uint64_t now_us)
{
	struct modify *mod = container_of(t, struct modify, t_guard);
	struct session *s = container_of(mod, struct session, mod);
	char retry[32];

	s->im->mx.modifications_failed++;
	modify_answer_initiator(s, 500, SPAN_EMPTY, im_retry_after(s->im, retry), now_us);
	modify_release(s);
}

void modify_wait(struct session *s, uint64_t now_us)
{
	s->mod.stage = MOD_WAIT;
	timer_set(&s->im->wheel, &s->mod.t_guard, now_us + LEG_WAIT_MS * US_PER_MS, on_waited);
}

void modify_resume(struct session *s, uint64_t now_us)
{
	struct sdp *offer;
	char fault[96];

	if (s->mod.stage != MOD_WAIT || refresh_open(mod_responder(s)))
		return;
	timer_stop(&s->im->wheel, &s->mod.t_guard);
	/* It was read and judged when it came. */
	if (request_sdp(s->im, sip_stxn_request(s->mod.txn), 0, fault, &offer) != 0)
		offer = NULL;
	modify_pass_on(s, offer, now_us);
}
