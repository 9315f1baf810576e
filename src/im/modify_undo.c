/* SPDX-License-Identifier: MIT */
/*
 * When a modification does not go the straight way: the guards (MOD-18, MOD-19), CANCEL (MOD-39), the end of the
 * session in the middle (TERM-2, TERM-3), answers that end the dialog (MOD-28), and compensation (MOD-30, RFC 6141 3.4): the responder agreed to what the
 * initiator can no longer have, so it is offered the old parameters again, under a higher o= version.
 */
#include <stdio.h>
#include <stdlib.h>

#include "im/core.h"

enum {
	TRYING_MS = 3500, /* RFC 4320 4.2: no 100 to a non-INVITE before Timer E reached T2 */
	TIMER_C_MS = 190000,
	RING_REPEAT_MS = 60000,
	CANCELED_MS = 28000, /* under the canceller's 64*T1 (RFC 3261 9.1) */
	UNDO_TRIES_MAX = 3,
	BUSY_WAIT_MS = 500,
};

static struct session *session_of(struct modify *mod)
{
	return container_of(mod, struct session, mod);
}

/* The initiator gets its answer now; the lock stays until the responder has said its last word. */
static void on_guard(struct timer *t, uint64_t now_us)
{
	struct modify *mod = container_of(t, struct modify, t_guard);
	struct session *s = session_of(mod);

	if (mod->stage != MOD_OUT)
		return;
	modify_answer_initiator(s, mod->canceled ? 487 : 504, SPAN_EMPTY, "", now_us);
	mod->stage = MOD_LATE;
	timer_stop(&s->im->wheel, &mod->t_say);
	if (s->plane)
		plane_rollback(s->plane, now_us);
	if (mod_responder(s)->invite_out)
		sip_ctxn_cancel(mod_responder(s)->invite_out, SPAN("Reason: SIP;cause=504\r\n"), now_us);
}

static void on_trying(struct timer *t, uint64_t now_us)
{
	struct modify *mod = container_of(t, struct modify, t_say);
	struct session *s = session_of(mod);
	if (mod->txn)
		leg_reply(mod_initiator(s), mod->txn, 100, SPAN_EMPTY, "", now_us);
}

static void on_ring(struct timer *t, uint64_t now_us)
{
	struct modify *mod = container_of(t, struct modify, t_say);
	struct session *s = session_of(mod);
	if (mod->txn && mod->last_1xx)
		leg_reply(mod_initiator(s), mod->txn, mod->last_1xx, SPAN_EMPTY, "", now_us);
	timer_set(&s->im->wheel, t, now_us + RING_REPEAT_MS * US_PER_MS, on_ring);
}

/* At the start, and again at each provisional of the responder (which only an INVITE's guard minds). */
void modify_arm(struct session *s, uint64_t now_us)
{
	struct modify *mod = &s->mod;
	struct timers *w = &s->im->wheel;

	if (mod->in == SIP_INVITE) {
		timer_set(w, &mod->t_guard, now_us + TIMER_C_MS * US_PER_MS, on_guard);
		timer_set(w, &mod->t_say, now_us + RING_REPEAT_MS * US_PER_MS, on_ring);
	} else if (!timer_is_set(&mod->t_guard)) {
		timer_set(w, &mod->t_guard, mod->since_us + s->im->conf.update_guard_ms * US_PER_MS,
			  on_guard);
		timer_set(w, &mod->t_say, mod->since_us + TRYING_MS * US_PER_MS, on_trying);
	}
}

/* MOD-39: the CANCEL has its 200; the re-INVITE waits for what the responder says. */
void modify_cancel(struct session *s, const struct sip_msg *cancel, uint64_t now_us)
{
	struct modify *mod = &s->mod;
	char reason[1024];
	struct wbuf w = wbuf_on(reason, sizeof(reason));

	if (mod->stage == MOD_WAIT) { /* nothing was passed on */
		pass_not(mod_initiator(s), NULL);
		modify_answer_initiator(s, 487, SPAN_EMPTY, "", now_us);
		modify_release(s);
		return;
	}
	if (mod->stage != MOD_OUT || mod->in != SIP_INVITE || mod->canceled)
		return;
	mod->canceled = true;
	timer_stop(&s->im->wheel, &mod->t_say);
	if (mod->waits) { /* nothing is open on the responder's leg */
		modify_refused(s, NULL, 491, now_us);
		return;
	}
	timer_set(&s->im->wheel, &mod->t_guard, now_us + CANCELED_MS * US_PER_MS, on_guard);
	w_hdr_copy(&w, cancel, SIP_H_REASON);
	if (mod_responder(s)->invite_out)
		sip_ctxn_cancel(mod_responder(s)->invite_out, w_ok(&w) ? w_span_of(&w) : SPAN_EMPTY, now_us);
}

/* The other leg's refresh, answered locally meanwhile, has an ACK of its own, which is not this one. */
void modify_ack(struct leg *l, const struct sip_msg *ack, uint64_t now_us)
{
	struct session *s = l->s;

	if (s->mod.stage != MOD_ACK || l != mod_initiator(s))
		return;
	if (s->mod.offerless)
		modify_offerless_ack(s, ack, now_us);
	else
		modify_release(s);
}

void modify_abandon(struct session *s, uint64_t now_us)
{
	struct modify *mod = &s->mod;
	struct leg *r = mod_responder(s);

	if (mod->stage == MOD_NONE)
		return;
	modify_answer_initiator(s, 487, SPAN_EMPTY, "", now_us);
	modify_offerless_refuse(s);
	if (r->invite_out)
		sip_ctxn_cancel(r->invite_out, SPAN_EMPTY, now_us);
	sdp_oa_abort(&s->leg[SIDE_A].oa);
	sdp_oa_abort(&s->leg[SIDE_B].oa);
	if (s->plane)
		plane_rollback(s->plane, now_us);
	modify_release(s);
}

/* RFC 3261 12.2.1.2, RFC 5057 5.1. */
bool modify_ends_dialog(unsigned status, enum sip_method out)
{
	switch (status) {
	case 404:
	case 408:
	case 410:
	case 416:
	case 481:
	case 482:
	case 483:
	case 484:
	case 485:
	case 502:
	case 604:
		return true;
	case 405:
	case 501:
		return out == SIP_INVITE;
	default:
		return false;
	}
}

/* ---- compensation ---- */

static void undo_failed(struct session *s, uint64_t now_us)
{
	session_end(s, "Reason: SIP;cause=488;text=\"could not restore\"\r\n", now_us);
}

/* Timer C once more: what rings and is never answered must not hold the lock for ever. */
static void on_undo_guard(struct timer *t, uint64_t now_us)
{
	undo_failed(session_of(container_of(t, struct modify, t_guard)), now_us);
}

static timer_fn on_undo_retry;

/* The old parameters, as an offer of ours on the responder's leg. */
static void undo_send(struct session *s, uint64_t now_us)
{
	struct modify *mod = &s->mod;
	struct leg *r = mod_responder(s);
	enum sip_method out = sip_dialog_allows(&r->dlg, SIP_UPDATE) ? SIP_UPDATE : SIP_INVITE;
	struct sdp *sent = s->im->sdp[1];
	struct span text;

	/* Its refresh lacks its ACK, or ours its answer: not now (RFC 3261 14.1, RFC 3311 5.2). */
	if (r->update_out || (out == SIP_INVITE && r->invite_in)) {
		timer_set(&s->im->wheel, &mod->t_say, now_us + BUSY_WAIT_MS * US_PER_MS, on_undo_retry);
		return;
	}
	if (out == SIP_INVITE && early_alive(s)) {
		undo_failed(s, now_us);
		return;
	}
	if (sdp_parse(sent, (struct span){ mod->sent, mod->sent_n }, NULL) < 0)
		sent->n_media = 0;
	text = offer_restore(r, (struct span){ mod->restore, mod->restore_n }, sent);
	mod->out = out;
	if (!text.n || sdp_oa_offer_out(&r->oa, text) < 0 || !leg_own(r, out, text, now_us))
		undo_failed(s, now_us);
	else
		timer_set(&s->im->wheel, &mod->t_guard, now_us + TIMER_C_MS * US_PER_MS, on_undo_guard);
}

static void on_undo_retry(struct timer *t, uint64_t now_us)
{
	struct modify *mod = container_of(t, struct modify, t_say);
	undo_send(session_of(mod), now_us);
}

void modify_undo(struct session *s, unsigned status, const char *extra, uint64_t now_us)
{
	struct modify *mod = &s->mod;
	char retry[32];

	if (status == 500 && !extra[0]) {
		extra = im_retry_after(s->im, retry);
	}
	s->im->mx.compensations++;
	s->im->mx.modifications_failed++;
	modify_log(s, "modification-undone", status, now_us);
	if (s->plane)
		plane_rollback(s->plane, now_us);
	sdp_oa_abort(&mod_responder(s)->oa);
	pass_not(mod_responder(s), NULL);
	modify_answer_initiator(s, status ? status : 500, SPAN_EMPTY, extra, now_us);
	mod->stage = MOD_UNDO;
	timer_stop(&s->im->wheel, &mod->t_guard);
	timer_stop(&s->im->wheel, &mod->t_say);
	if (!mod->restore) {
		modify_release(s); /* nothing was offered: nothing to lead back */
		return;
	}
	undo_send(s, now_us);
}

/* Here what was changed is only what the responder thinks: it took its own answer to a refresh, and we cannot. */
bool modify_lead_back(struct leg *r, uint64_t now_us)
{
	struct session *s = r->s;
	struct modify *mod = &s->mod;
	char retry[32];

	if (mod->stage == MOD_WAIT) { /* for this leg, which is not free yet */
		s->im->mx.modifications_failed++;
		modify_answer_initiator(s, 500, SPAN_EMPTY, im_retry_after(s->im, retry), now_us);
		modify_release(s);
	}
	if (mod->stage != MOD_NONE || s->state != SESS_UP)
		return false;
	*mod = (struct modify){
		.stage = MOD_UNDO, .from = side_other(r->side), .in = SIP_UPDATE, .since_us = now_us
	};
	if (im_keep(&mod->restore, &mod->restore_n, sdp_oa_local(&r->oa)) < 0) {
		modify_release(s);
		return false;
	}
	s->im->mx.compensations++;
	undo_send(s, now_us);
	return true;
}

/* Nothing has changed but, perhaps, the path it names (RFC 4975 8.4), which its end of the user plane then takes. */
int modify_take_same(struct session *s, const struct sip_msg *resp, uint64_t now_us)
{
	struct im *im = s->im;
	struct leg *l = mod_initiator(s), *r = mod_responder(s);
	struct sdp *answer, *sent = im->sdp[1], *offer = im->sdp[2];
	struct verdict v;
	char fault[96];

	if (request_sdp(im, resp, 0, fault, &answer) != 0 ||
	    sdp_parse(sent, (struct span){ r->oa.pending, r->oa.pending_n }, NULL) < 0 ||
	    sdp_parse(offer, sdp_oa_remote(&l->oa), NULL) < 0)
		return -EINVAL;
	accept_answer(session_conf(s), s->class, leg_safe(r, NULL), NULL, sent, answer, &v);
	if (v.status || sdp_oa_answer_in(&r->oa, answer->raw) < 0)
		return -EINVAL;
	pass_not(r, answer);
	if (s->plane && plane_prepare(s->plane, s->mod.from, offer, 0, now_us) == 0)
		plane_commit(s->plane, s->mod.from, offer, answer, now_us);
	else if (!session_anchored(s) && offer_concerns(l, answer))
		modify_own(s, l->side, now_us); /* the other peer has to go there itself */
	return 0;
}

void modify_undo_response(struct session *s, const struct sip_msg *resp, enum sip_end end, uint64_t now_us)
{
	struct modify *mod = &s->mod;
	struct leg *r = mod_responder(s);
	unsigned status = resp ? resp->status : end == SIP_END_TRANSPORT ? 503 : 408;

	if (status < 200)
		return;
	if (status < 300) {
		leg_learn(r, resp);
		leg_refresh(r, resp);
		if (mod->out == SIP_INVITE)
			leg_ack(r, resp->cseq, SPAN_EMPTY);
		if (modify_take_same(s, resp, now_us) == 0)
			modify_release(s); /* it is back where it was */
		else
			undo_failed(s, now_us);
		return;
	}
	sdp_oa_abort(&r->oa);
	if (resp && stimer_raise(r, resp)) {
		undo_send(s, now_us);
		return;
	}
	if (status != 491 || ++mod->undo_tries >= UNDO_TRIES_MAX) {
		undo_failed(s, now_us);
		return;
	}
	timer_set(&s->im->wheel, &mod->t_say, now_us + leg_back_off_ms(r) * US_PER_MS, on_undo_retry);
}

/* MOD-31: an error of the responder, whose answer we have had in a reliable 1xx: who knows what it holds now? */
void modify_undo_refused(struct session *s, const struct sip_msg *resp, unsigned status, uint64_t now_us)
{
	struct modify *mod = &s->mod;
	struct leg *l = mod_initiator(s);

	if (mod->txn && resp && resp->status == status) {
		sdp_oa_abort(&l->oa);
		leg_forward(l, mod->txn, resp, status, SPAN_EMPTY, now_us);
		mod->txn = NULL;
	}
	modify_undo(s, status, "", now_us);
}

/* A reliable 1xx of ours was never acknowledged (PROV-6): the initiator has its 504, the responder is cancelled. */
void modify_no_prack(struct session *s, uint64_t now_us)
{
	if (s->mod.stage == MOD_OUT)
		on_guard(&s->mod.t_guard, now_us);
}
