/* SPDX-License-Identifier: MIT */
/*
 * The exchange whose offer comes in the 2xx and whose answer in the ACK (RFC 3261 14.2, RFC 6337 3; SETUP-6, MOD-37,
 * MOD-38).  The responder repeats its 2xx until we acknowledge it, and our ACK must carry an answer: so it waits for
 * the initiator's, never longer than 28 s, and whatever goes wrong it goes out with an answer that refuses.
 */
#include <stdlib.h>

#include "im/core.h"

enum { ANSWER_WAIT_MS = 28000 };

void modify_offerless_refuse(struct session *s)
{
	struct modify *mod = &s->mod;
	struct leg *r = mod_responder(s);
	struct sdp *offer = s->im->sdp[0];
	struct span text = SPAN_EMPTY;

	if (!mod->cseq)
		return;
	if (sdp_parse(offer, (struct span){ mod->offer, mod->offer_n }, NULL) == 0)
		text = offer_refuse_all(r, offer);
	leg_ack(r, mod->cseq, text);
	mod->cseq = 0;
}

/* Nothing was agreed yet: this is the session's set-up, which has its own records. */
static bool sets_up(struct session *s)
{
	return !sdp_oa_remote(&mod_initiator(s)->oa).n;
}

static void log_failed(struct session *s, unsigned status, uint64_t now_us)
{
	if (sets_up(s))
		return;
	s->im->mx.modifications_failed++;
	modify_log(s, "modification-failed", status, now_us);
}

/* A valid answer that takes nothing, then the end of the session. */
void modify_offerless_give_up(struct session *s, unsigned cause, uint64_t now_us)
{
	log_failed(s, cause, now_us);
	modify_offerless_refuse(s);
	sdp_oa_abort(&mod_responder(s)->oa);
	modify_answer_initiator(s, cause, SPAN_EMPTY, "", now_us);
	session_end(s,
		    cause == 408 ? "Reason: SIP;cause=408;text=\"no ACK\"\r\n"
				 : "Reason: SIP;cause=488;text=\"no usable answer\"\r\n",
		    now_us);
}

static void on_no_answer(struct timer *t, uint64_t now_us)
{
	struct modify *mod = container_of(t, struct modify, t_guard);
	modify_offerless_give_up(container_of(mod, struct session, mod), 408, now_us);
}

/* Does what the initiator has fit what the responder offers now, line by line? */
static bool fits(const struct sdp *near, const struct sdp *offer)
{
	if (near->n_media != offer->n_media)
		return false;
	for (unsigned i = 0; i < offer->n_media; i++) {
		const struct sdp_media *n = &near->media[i], *o = &offer->media[i];
		if (!span_ieq(n->media, o->media) || (n->port && !o->port))
			return false;
	}
	return true;
}

/* Too late: the initiator was told otherwise (MOD-39).  The answer is what it has had all along; the responder's end takes
 * what its offer brought. */
static bool answer_as_is(struct session *s, const struct sdp *offer, uint64_t now_us)
{
	struct leg *l = mod_initiator(s), *r = mod_responder(s);
	struct sdp *near = s->im->sdp[3];
	struct span text;

	if (sdp_parse(near, sdp_oa_remote(&l->oa), NULL) < 0 || !fits(near, offer) ||
	    (s->plane && plane_prepare(s->plane, r->side, offer, 0, now_us) < 0))
		return false;
	text = s->plane ? offer_make(r, SDP_ANSWER, near, offer, 0) : offer_kept(r, offer);
	if (!text.n || sdp_oa_offer_in(&r->oa, offer->raw) < 0 || sdp_oa_answer_out(&r->oa, text) < 0)
		return false; /* the session ends, and the preparation with it */
	if (s->plane)
		plane_commit(s->plane, r->side, offer, near, now_us);
	pass_not(r, offer);
	leg_ack(r, s->mod.cseq, text);
	return true;
}

/* What leg l is not told of yet, or that is off there: a bit each. */
static uint32_t new_lines(const struct leg *l, const struct sdp *offer)
{
	unsigned known = 0;

	for (struct span text = sdp_oa_local(&l->oa); text.n;)
		known += span_starts(span_split(&text, '\n'), SPAN("m="));
	return (known < 32 ? UINT32_MAX << known : 0) | offer_lines_off(l);
}

/* It cannot be refused: where the user plane has no room for all of it, what there was goes on and the new lines get port 0;
 * where it has none at all, its paths stay as they are. */
static uint32_t prepare(struct session *s, const struct sdp *offer, uint32_t off, uint64_t now_us)
{
	enum side from = mod_responder(s)->side;

	if (!s->plane || plane_prepare(s->plane, from, offer, off, now_us) == 0)
		return off;
	off |= new_lines(mod_initiator(s), offer);
	if (plane_prepare(s->plane, from, offer, off, now_us) < 0)
		im_log(s->im, IM_WARN, "media-kept", "sess=%lu what=\"no room for new paths\"",
		       (unsigned long)s->id);
	return off;
}

/* The responder's offer, made anew for the initiator: 0, or the status for what went wrong. */
static unsigned offer_across(struct session *s, const struct sdp *offer, uint32_t off, struct span *text,
			     uint64_t now_us)
{
	struct modify *mod = &s->mod;
	struct leg *l = mod_initiator(s), *r = mod_responder(s);

	mod->off = prepare(s, offer, off, now_us);
	if (sdp_oa_offer_in(&r->oa, offer->raw) < 0)
		return 500;
	*text = offer_make(l, SDP_OFFER, offer, NULL, mod->off);
	if (!text->n || sdp_oa_offer_out(&l->oa, *text) < 0 || im_keep(&mod->sent, &mod->sent_n, *text) < 0)
		return 500;
	return 0;
}

void modify_give_way(struct session *s, uint64_t now_us)
{
	struct sip_ctxn **out = &mod_responder(s)->update_out;
	char retry[32];

	if (s->mod.stage == MOD_NONE)
		return;
	modify_answer_initiator(s, 500, SPAN_EMPTY, im_retry_after(s->im, retry), now_us);
	if (*out)
		sip_ctxn_set_user(*out, NULL);
	*out = NULL;
	modify_release(s);
}

unsigned modify_offerless_early(struct session *s, const struct sdp *offer, struct span *text,
				uint64_t now_us)
{
	struct modify *mod = &s->mod;
	struct verdict v = { 0 };
	unsigned status;

	modify_give_way(s, now_us);
	*mod = (struct modify){ .stage = MOD_ACK,
				.from = s->initiator,
				.in = SIP_INVITE,
				.out = SIP_INVITE,
				.offerless = true,
				.since_us = now_us };
	status = im_keep(&mod->offer, &mod->offer_n, offer->raw) < 0
			 ? 500
			 : modify_judge_lines(mod_responder(s), offer, &v);
	if (!status)
		status = offer_across(s, offer, v.off, text, now_us);
	if (!status)
		return 0;
	sdp_oa_abort(&s->leg[SIDE_A].oa);
	sdp_oa_abort(&s->leg[SIDE_B].oa);
	if (s->plane)
		plane_rollback(s->plane, now_us);
	modify_release(s);
	return status;
}

/* The responder's 2xx holds the offer: made anew in our 2xx to the initiator. */
void modify_offerless_offer(struct session *s, struct leg *r, const struct sip_msg *resp, uint64_t now_us)
{
	struct modify *mod = &s->mod;
	struct leg *l = mod_initiator(s);
	struct verdict v = { 0 };
	struct sip_stxn *t;
	unsigned status;
	struct sdp *offer;
	struct span text;
	char fault[96];

	mod->cseq = resp->cseq;
	if (request_sdp(s->im, resp, 0, fault, &offer) != 0) {
		/* MOD-38: nothing to answer; the session, if there was one, is as before. */
		leg_ack(r, resp->cseq, SPAN_EMPTY);
		log_failed(s, 500, now_us);
		modify_answer_initiator(s, 500, SPAN("No offer in 2xx"), "", now_us);
		modify_release(s);
		if (!sdp_oa_remote(&r->oa).n)
			session_end(s, "Reason: SIP;cause=488\r\n", now_us);
		return;
	}
	if (im_keep(&mod->offer, &mod->offer_n, offer->raw) < 0) {
		leg_ack_refusing(r, resp);
		mod->cseq = 0;
		modify_offerless_give_up(s, 500, now_us);
		return;
	}
	status = modify_judge_lines(mod_responder(s), offer, &v);
	if (status == 0 && !mod->txn && v.off == 0 && answer_as_is(s, offer, now_us)) {
		if (!session_anchored(s) && offer_concerns(l, offer))
			modify_own(s, l->side, now_us);
		modify_release(s);
		return;
	}
	if (status != 0 || !mod->txn) {
		modify_offerless_give_up(s, 488, now_us);
		return;
	}
	status = offer_across(s, offer, v.off, &text, now_us);
	if (status) {
		modify_offerless_give_up(s, status, now_us);
		return;
	}
	l->state = LEG_UP;
	leg_refresh(l, sip_stxn_request(mod->txn));
	rename_keep(l, sip_stxn_request(mod->txn));
	t = mod->txn, mod->txn = NULL;
	if (!leg_forward(l, t, resp, 200, text, now_us)) {
		if (s->state == SESS_SETUP)
			l->state = LEG_OVER;
		modify_offerless_give_up(s, 500, now_us);
		return;
	}
	mod->stage = MOD_ACK;
	timer_stop(&s->im->wheel, &mod->t_say);
	timer_set(&s->im->wheel, &mod->t_guard, now_us + ANSWER_WAIT_MS * US_PER_MS, on_no_answer);
}

/* The initiator's answer, in ACK or PRACK: committed, and made anew for the responder. */
unsigned modify_offerless_answer(struct session *s, const struct sip_msg *m, struct span *text,
				 uint64_t now_us)
{
	struct im *im = s->im;
	struct modify *mod = &s->mod;
	struct leg *l = mod_initiator(s), *r = mod_responder(s);
	struct sdp *answer, *sent = im->sdp[1], *offer = im->sdp[2];
	struct verdict v = { 0 };
	char fault[96];

	if (request_sdp(im, m, 0, fault, &answer) != 0 ||
	    sdp_parse(sent, (struct span){ mod->sent, mod->sent_n }, NULL) < 0 ||
	    sdp_parse(offer, (struct span){ mod->offer, mod->offer_n }, NULL) < 0)
		return 488;
	accept_answer(session_conf(s), s->class, leg_safe(l, NULL), NULL, sent, answer, &v);
	*text = v.status ? SPAN_EMPTY : offer_make(r, SDP_ANSWER, answer, offer, mod->off);
	if (!text->n || sdp_oa_answer_in(&l->oa, answer->raw) < 0 || sdp_oa_answer_out(&r->oa, *text) < 0)
		return 488;
	if (s->plane)
		plane_commit(s->plane, r->side, offer, answer, now_us);
	return 0;
}

/* The initiator's ACK holds the answer: commit, then the responder's ACK (UPA-7). */
void modify_offerless_ack(struct session *s, const struct sip_msg *ack, uint64_t now_us)
{
	bool first = sets_up(s);
	struct span text;

	if (modify_offerless_answer(s, ack, &text, now_us) != 0) {
		modify_offerless_give_up(s, 488, now_us);
		return;
	}
	leg_ack(mod_responder(s), s->mod.cseq, text);
	if (!first) {
		s->n_modified++;
		s->im->mx.modifications++;
		modify_log(s, "modification", 200, now_us);
	}
	modify_release(s);
	session_media_check(s, now_us);
}
