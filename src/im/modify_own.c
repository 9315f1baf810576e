/* SPDX-License-Identifier: MIT */
/*
 * A modification nobody asked for (MOD-44): one leg's peer has changed, in an answer to us, what concerns the other leg
 * (TIMER-6), so that one is offered it.  It is a modification like any other but for its initiator: it takes the lock,
 * commits on the 2xx only, is undone when the answer cannot be used, and a failure leaves everything as it was.  The
 * one that waits for the lock, too, since there is nobody to refuse it to.
 *
 * The answer may in turn concern the leg where it all began: then that one follows, once.
 */
#include <stdio.h>
#include <stdlib.h>

#include "im/core.h"

enum {
	BUSY_WAIT_MS = 500,
	TRIES_MAX = 3, /* MOD-6a */
	TIMER_C_MS = 190000,
};

void modify_own_drop(struct session *s)
{
	if (!s->own)
		return;
	timer_stop(&s->im->wheel, &s->own->t);
	free(s->own);
	s->own = NULL;
}

static bool leg_free(const struct leg *l)
{
	return l->state == LEG_UP && !l->invite_in && !l->invite_out && !l->update_in && !l->update_out &&
	       !l->target_try && l->oa.state == SDP_STABLE;
}

/* What rings and is never answered must not hold the lock for ever. */
static void on_guard(struct timer *t, uint64_t now_us)
{
	struct modify *mod = container_of(t, struct modify, t_guard);
	struct leg *r = mod_responder(container_of(mod, struct session, mod));

	if (r->invite_out)
		sip_ctxn_cancel(r->invite_out, SPAN_EMPTY, now_us);
}

/* Is what it lost still lost? */
static bool repairs(const struct session *s, const struct leg *r)
{
	return s->own->repair & 1u << r->side && s->plane && plane_loss(s->plane, r->side) != PLANE_WHOLE;
}

/* The offer: what the other side has committed, made anew for this leg. */
static int own_offer(struct session *s, uint64_t now_us)
{
	struct modify *mod = &s->mod;
	struct leg *l = mod_initiator(s), *r = mod_responder(s);
	int (*prep)(struct plane *, enum side, const struct sdp *, uint32_t, uint64_t) =
		repairs(s, r) ? plane_prepare_repair : plane_prepare;
	struct sdp *offer = s->im->sdp[0];
	struct span text;

	if (sdp_parse(offer, sdp_oa_remote(&l->oa), NULL) < 0)
		return -EINVAL;
	mod->off = offer_lines_off(l);
	if (im_keep(&mod->restore, &mod->restore_n, sdp_oa_local(&r->oa)) < 0 ||
	    im_keep(&mod->offer, &mod->offer_n, offer->raw) < 0 ||
	    (s->plane && prep(s->plane, mod->from, offer, mod->off, now_us) < 0))
		return -ENOMEM;
	text = offer_make(r, SDP_OFFER, offer, NULL, mod->off);
	if (!text.n || sdp_oa_offer_out(&r->oa, text) < 0)
		return -ENOMEM;
	if (r->cema == CEMA_DUE)
		r->cema = CEMA_OFF;
	return im_keep(&mod->sent, &mod->sent_n, text);
}

/* It did not come to pass: everything is as before, the lock is free. */
static void own_back(struct session *s, uint64_t now_us)
{
	sdp_oa_abort(&mod_responder(s)->oa);
	if (s->plane)
		plane_rollback(s->plane, now_us);
	modify_release(s);
}

/* Has another modification said it meanwhile? */
static bool is_needed(struct session *s, struct leg *r)
{
	struct sdp *from = s->im->sdp[0];
	return sdp_parse(from, sdp_oa_remote(&leg_other(r)->oa), NULL) == 0 && offer_concerns(r, from);
}

static timer_fn on_turn;

static void own_later(struct own *own, unsigned wait_ms, uint64_t now_us)
{
	timer_set(&own->s->im->wheel, &own->t, now_us + wait_ms * US_PER_MS, on_turn);
}

static void own_begin(struct session *s, uint64_t now_us)
{
	struct own *own = s->own;
	enum side to = own->want & 1u << SIDE_A ? SIDE_A : SIDE_B;
	struct leg *r = &s->leg[to];
	const struct sdp_oa was = r->oa;

	if (s->mod.stage != MOD_NONE || !leg_free(r) || !leg_free(leg_other(r))) {
		own_later(own, BUSY_WAIT_MS, now_us);
		return;
	}
	if (!is_needed(s, r) && !repairs(s, r) && r->cema != CEMA_DUE) {
		modify_own_drop(s);
		return;
	}
	s->mod = (struct modify){
		.stage = MOD_OWN,
		.from = side_other(to),
		.in = SIP_UPDATE,
		.out = sip_dialog_allows(&r->dlg, SIP_UPDATE) ? SIP_UPDATE : SIP_INVITE,
		.since_us = now_us,
	};
	modify_note(s);
	if (own_offer(s, now_us) < 0 ||
	    !leg_own(r, s->mod.out, (struct span){ s->mod.sent, s->mod.sent_n }, now_us)) {
		s->im->mx.modifications_failed++;
		sdp_oa_unsent(&r->oa, &was);
		own_back(s, now_us);
		modify_own_drop(s);
		return;
	}
	timer_set(&s->im->wheel, &s->mod.t_guard, now_us + TIMER_C_MS * US_PER_MS, on_guard);
}

static void on_turn(struct timer *t, uint64_t now_us)
{
	own_begin(container_of(t, struct own, t)->s, now_us);
}

void modify_own(struct session *s, enum side to, uint64_t now_us)
{
	if (s->state != SESS_UP || (!s->own && !(s->own = calloc(1, sizeof(*s->own)))))
		return; /* no memory: the other side goes on with what it knows */
	s->own->s = s;
	s->own->want |= 1u << to;
	s->own->follows = false;
	if (s->mod.stage != MOD_OWN && !timer_is_set(&s->own->t))
		own_begin(s, now_us);
}

/* The connection of that side is lost: a new path of ours (UP-12). */
void modify_repair(struct session *s, enum side to, uint64_t now_us)
{
	if (s->state != SESS_UP || (!s->own && !(s->own = calloc(1, sizeof(*s->own)))))
		return;
	s->own->repair |= 1u << to;
	modify_own(s, to, now_us);
}

static void own_accepted(struct session *s, const struct sip_msg *resp, uint64_t now_us)
{
	struct im *im = s->im;
	struct modify *mod = &s->mod;
	struct leg *l = mod_initiator(s), *r = mod_responder(s);
	struct sdp *answer, *offer = im->sdp[2];
	struct verdict v;
	bool more;

	leg_learn(r, resp);
	leg_refresh(r, resp);
	if (mod->out == SIP_INVITE)
		leg_ack(r, resp->cseq, SPAN_EMPTY);
	if (modify_check_answer(s, resp, &answer, &v) != 0 ||
	    sdp_parse(offer, (struct span){ mod->offer, mod->offer_n }, NULL) < 0 ||
	    sdp_oa_answer_in(&r->oa, answer->raw) < 0) {
		modify_own_drop(s);
		modify_undo(s, 0, "", now_us); /* MOD-30 */
		return;
	}
	if (s->plane)
		plane_commit(s->plane, mod->from, offer, answer, now_us);
	pass_not(r, answer);
	s->n_modified++;
	im->mx.modifications++;
	im_log(im, IM_NOTICE, "modification-own", "sess=%lu to=%c out=%" SPAN_FMT " ms=%lu",
	       (unsigned long)s->id, side_name(r->side), SPAN_ARG(sip_method_name(mod->out)),
	       (unsigned long)((now_us - mod->since_us) / US_PER_MS));
	more = !s->own->follows && offer_concerns(l, answer);
	session_media_check(s, now_us);
	modify_release(s);
	s->repaired |= s->own->repair & 1u << r->side;
	s->own->want &= ~(1u << r->side);
	s->own->repair &= ~(1u << r->side);
	s->own->want |= (unsigned)more << l->side;
	s->own->follows = true;
	s->own->tries = 0;
	if (s->own->want)
		own_begin(s, now_us);
	else
		modify_own_drop(s);
}

static void own_refused(struct session *s, const struct sip_msg *resp, unsigned status, uint64_t now_us)
{
	struct leg *r = mod_responder(s);
	bool over = modify_ends_dialog(status, s->mod.out);
	bool no_update = s->mod.out == SIP_UPDATE && (status == 405 || status == 501);
	bool again = no_update || status == 491 || (resp && stimer_raise(r, resp));
	char reason[64];

	if (no_update)
		r->dlg.no_update = true; /* MOD-15 */
	own_back(s, now_us);
	if (over) {
		snprintf(reason, sizeof(reason), "Reason: SIP;cause=%u\r\n", status); /* TERM-6 */
		session_end(s, reason, now_us);
		return;
	}
	if (again && ++s->own->tries < TRIES_MAX) {
		own_later(s->own, status == 491 ? leg_back_off_ms(r) : 0, now_us);
		return;
	}
	s->im->mx.modifications_failed++;
	im_log(s->im, IM_NOTICE, "modification-own-failed", "sess=%lu to=%c status=%u", (unsigned long)s->id,
	       side_name(r->side), status);
	modify_own_drop(s);
}

void modify_own_response(struct session *s, const struct sip_msg *resp, enum sip_end end, uint64_t now_us)
{
	unsigned status = resp ? resp->status : end == SIP_END_TRANSPORT ? 503 : 408;

	if (resp && status >= 300)
		leg_learn(mod_responder(s), resp);
	if (status < 200)
		return;
	if (status < 300)
		own_accepted(s, resp, now_us);
	else
		own_refused(s, resp, status, now_us);
}
