/* SPDX-License-Identifier: MIT */
/*
 * The heart: IM session modification (change request 7.3.2.3; MOD-*).  Read it with the page beside it:
 *
 *   "Upon receiving a SIP UPDATE request or a SIP re-INVITE request ..."	modify_request()
 *   1. validate the Media Parameters, else 488				modify_judge()
 *   2. generate a SIP UPDATE or a SIP re-INVITE				modify_method(), modify_send()
 *   3. include a MIME SDP body as a SDP offer					modify_offer()
 *   4. send it within the existing SIP dialog					leg_request() in modify_send()
 *   "On receipt of a SIP 200 OK response" 1, 2, 3				modify_accepted()
 *   "Upon receiving SIP final response other than SIP 200"			modify_refused()
 *
 * One modification is one transaction over both legs: state is committed in modify_accepted() and nowhere else, and
 * whatever happens modify_release() is the one way out.  Initiator and responder are named by this request alone; the
 * Controlling Function begins modifications by the same code (MOD-43).
 */
#include <stdio.h>
#include <stdlib.h>

#include "im/core.h"

void modify_release(struct session *s)
{
	struct modify *mod = &s->mod;
	struct timers *w = &s->im->wheel;

	rename_settle(mod_initiator(s));
	timer_stop(w, &mod->t_guard);
	timer_stop(w, &mod->t_say);
	free(mod->offer);
	free(mod->sent);
	free(mod->restore);
	memset(mod, 0, sizeof(*mod));
	modify_1xx_over(s);
}

/* The initiator's final answer, when it is ours to word.  An error: everything on its leg is as before. */
void modify_answer_initiator(struct session *s, unsigned status, struct span reason, const char *extra,
			     uint64_t now_us)
{
	struct sip_stxn *t = s->mod.txn;

	s->mod.txn = NULL;
	if (!t)
		return;
	sdp_oa_abort(&mod_initiator(s)->oa);
	if (s->mod.in == SIP_PRACK && s->state < SESS_ENDING)
		prack_answer_kept(mod_initiator(s), t, now_us); /* PROV-9 */
	else
		leg_reply(mod_initiator(s), t, status, reason, extra, now_us);
}

/* ---- refusals and local answers, before anything is sent ---- */

static void refuse(struct leg *l, struct sip_stxn *t, unsigned status, struct span reason, const char *extra,
		   uint64_t now_us)
{
	char retry[32];
	if (sip_stxn_request(t)->body.n)
		pass_not(l, NULL);
	if (sip_stxn_request(t)->method == SIP_PRACK) {
		prack_answer_kept(l, t, now_us); /* PROV-9: never refused */
		return;
	}
	if (status == 500 && !extra[0]) {
		extra = im_retry_after(l->s->im, retry); /* MOD-7 */
	}
	leg_reply(l, t, status, reason, extra, now_us);
}

/* MOD-2, change request step 1: nothing is sent on, nothing has changed. */
static void refuse_media(struct leg *l, struct sip_stxn *t, const struct verdict *v, const struct sdp *offer,
			 uint64_t now_us)
{
	struct session *s = l->s;
	char extra[192];

	headers_warning(l, v, extra);
	s->n_refused++;
	s->im->mx.modifications_refused++;
	modify_log_refused(l, v, offer);
	pass_not(l, NULL);
	if (!modify_target_first(l, t, sip_stxn_request(t), v->status, extra, now_us))
		refuse(l, t, v->status, SPAN_EMPTY, extra, now_us);
}

/* The o= line, which the grammar puts second; its version differs wherever a peer keeps to the rules. */
static struct span origin_line(struct span sdp)
{
	span_split(&sdp, '\n');
	return span_trim(span_split(&sdp, '\n'));
}

/* Same o= and same content as this peer's last: not a new offer (MOD-32). */
static bool is_unchanged(struct leg *l, const struct sdp *offer)
{
	struct sdp *before = l->s->im->sdp[1];
	struct span text = sdp_oa_remote(&l->oa);

	if (span_eq(text, offer->raw))
		return true;
	if (!text.n || !span_eq(origin_line(text), origin_line(offer->raw)) ||
	    sdp_parse(before, text, NULL) < 0)
		return false;
	if (sdp_same_content(before, offer))
		return true;
	im_log(l->s->im, IM_WARN, "offer-version",
	       "sess=%lu side=%c what=\"new content under an old o= version\"", (unsigned long)l->s->id,
	       side_name(l->side));
	return false;
}

/* Does the request carry something end to end besides its SDP (MOD-33, MOD-41, MOD-42)? */
static bool crosses(struct leg *l, const struct sip_msg *m)
{
	bool differs = false;

	if (!leg_same_contact(l, m)) {
		char *features = headers_features(m);
		differs = features && strcmp(features, l->features ? l->features : "") != 0;
		free(features);
	}
	return differs || rename_wanted(l, m) || (m->body.n && !l->s->im->body.sdp.p) || l->s->im->body.n > 1;
}

/* MOD-32, MOD-33: answered here, with what this leg was last sent. */
static void answer_locally(struct leg *l, struct sip_stxn *t, const struct sip_msg *m,
			   const struct sdp *offer, uint64_t now_us)
{
	struct im *im = l->s->im;
	struct wbuf w = wbuf_on(im->out, SIP_MSG_MAX);
	struct span sdp = offer ? offer_again(l, offer) : SPAN_EMPTY;

	w_reply(&w, m, &sip_stxn_src(t)->ip, 200, SPAN_EMPTY, span_of(l->tag));
	w_ours(&w, l, NULL);
	if (!leg_is_early(l))
		stimer_w_2xx(l, m, &w);
	ims_w_own(&w, l, false);
	w_product(&w, im, SIP_H_SERVER);
	w_end(&w, sdp.n ? SPAN("application/sdp") : SPAN_EMPTY, sdp);
	if (m->method == SIP_INVITE) {
		l->invite_in = t;
		sip_stxn_set_user(t, l);
	}
	if (!w_ok(&w) || (offer && !sdp.n)) {
		refuse(l, t, 500, SPAN_EMPTY, "", now_us);
		return;
	}
	/* What we last sent may have been an offer: as an answer its a=setup differs, and this is the pair from now on. */
	if (offer && (sdp_oa_offer_in(&l->oa, offer->raw) < 0 || sdp_oa_answer_out(&l->oa, sdp) < 0)) {
		sdp_oa_abort(&l->oa);
		refuse(l, t, 500, SPAN_EMPTY, "", now_us);
		return;
	}
	leg_refresh(l, m); /* MOD-34 */
	if (!leg_is_early(l))
		stimer_given(l, m, now_us);
	sip_stxn_reply(t, 200, w_span_of(&w), now_us);
}

/* ---- passing it on ---- */

/* Step 1: are the Media Parameters acceptable to the server? */
static void modify_judge(struct leg *l, const struct sip_stxn *t, const struct sdp *offer, struct verdict *v)
{
	struct im *im = l->s->im;
	struct sdp *before = im->sdp[1], *mine = im->sdp[2];

	if (sdp_parse(before, sdp_oa_remote(&l->oa), NULL) < 0)
		before = NULL;
	if (sdp_parse(mine, sdp_oa_local(&l->oa), NULL) < 0)
		mine = NULL;
	accept_offer(session_conf(l->s), l->s->class, leg_safe(l, t), before, mine, offer, v);
}

/* Step 3: the offer for the other side; the user plane is ready for it before it leaves (UPA-4). */
int modify_offer(struct session *s, const struct sdp *offer, uint64_t now_us)
{
	struct modify *mod = &s->mod;
	struct leg *l = mod_initiator(s), *r = mod_responder(s);
	struct span text;

	if (im_keep(&mod->restore, &mod->restore_n, sdp_oa_local(&r->oa)) < 0)
		return -ENOMEM;
	if (!offer) { /* bare: what this leg has already */
		struct sdp *none = s->im->sdp[1];
		none->n_media = 0;
		text = offer_restore(r, sdp_oa_local(&r->oa), none);
	} else {
		if (im_keep(&mod->offer, &mod->offer_n, offer->raw) < 0 ||
		    sdp_oa_offer_in(&l->oa, offer->raw) < 0)
			return -ENOMEM;
		if (s->plane && plane_prepare(s->plane, mod->from, offer, mod->off, now_us) < 0)
			return -ENOMEM;
		text = offer_make(r, SDP_OFFER, offer, NULL, mod->off);
	}
	if (!text.n || sdp_oa_offer_out(&r->oa, text) < 0)
		return -ENOMEM;
	return im_keep(&mod->sent, &mod->sent_n, text);
}

/* Steps 2 and 4: the request on the responder's leg, inside its dialog, by its own route set and sequence. */
int modify_send(struct session *s, enum sip_method out, unsigned max_forwards, uint64_t now_us)
{
	struct modify *mod = &s->mod;
	const struct sip_msg *m = sip_stxn_request(mod->txn);
	struct leg *r = mod_responder(s);
	struct sip_dest to;
	struct wbuf w;
	const char *why;
	char branch[40];
	bool invite = out == SIP_INVITE;
	struct sip_ctxn **slot = invite ? &r->invite_out : &r->update_out;

	if (sip_body_parse(&s->im->body, m, &why) != 0 ||
	    leg_request(r, &w, out, 0, max_forwards, branch, &to) < 0)
		return -EINVAL;
	w_ours(&w, r, m);
	if (invite)
		modify_w_100rel(&w, s);
	w_pass(&w, r, m, leg_trusts(mod_initiator(s), mod->txn));
	if (mod->sent)
		w_sdp_body(&w, s->im, m, (struct span){ mod->sent, mod->sent_n });
	else
		w_body_of(&w, m);
	mod->out = out;
	r->update_early = !invite && leg_is_early(r);
	if (invite)
		r->owes_answer = !mod->sent;
	*slot = leg_start(r, out, branch, &to, &w, invite ? leg_on_invite : leg_on_update, r, now_us);
	return *slot ? 0 : -ENOMEM;
}

/* The lock is held, the responder's leg free.  offer: the initiator's, NULL: there is none. */
void modify_pass_on(struct session *s, const struct sdp *offer, uint64_t now_us)
{
	struct modify *mod = &s->mod;
	struct sdp_oa *oa = &mod_responder(s)->oa;
	enum sip_method out = modify_method(s, offer);
	const struct sdp_oa was = *oa;
	char retry[32];
	int r = 0;

	mod->stage = MOD_OUT;
	if (offer || (mod->bare && out == SIP_INVITE))
		r = modify_offer(s, offer, now_us);
	if (r == 0)
		r = modify_send(s, out, sip_stxn_request(mod->txn)->max_forwards - 1u, now_us);
	if (r == 0) {
		modify_arm(s, now_us);
		return;
	}
	/* MOD-26: a fault of ours before anything left: nothing has changed, nor was a version used (SDP-4). */
	im_retry_after(s->im, retry);
	s->im->mx.modifications_failed++;
	sdp_oa_unsent(oa, &was);
	if (s->plane)
		plane_rollback(s->plane, now_us);
	if (offer)
		pass_not(mod_initiator(s), NULL);
	modify_answer_initiator(s, 500, SPAN_EMPTY, retry, now_us);
	modify_release(s);
}

static void modify_begin(struct leg *l, struct sip_stxn *t, const struct sip_msg *m, const struct sdp *offer,
			 uint32_t off, uint64_t now_us)
{
	struct session *s = l->s;
	struct modify *mod = &s->mod;

	*mod = (struct modify){ .stage = MOD_OUT,
				.from = l->side,
				.in = m->method,
				.txn = t,
				.off = off,
				.offerless = !offer && m->method == SIP_INVITE,
				.bare = !offer && m->method == SIP_UPDATE,
				.since_us = now_us };
	modify_note(s);
	sip_stxn_set_user(t, l);
	rename_pass(l, m);
	if (m->method == SIP_INVITE)
		l->invite_in = t, leg_reply(l, t, 100, SPAN_EMPTY, "", now_us);
	else
		l->update_in = t;
	if (refresh_open(leg_other(l)))
		modify_wait(s, now_us);
	else
		modify_pass_on(s, offer, now_us);
}

/* An UPDATE without SDP waits for nobody: what it brings goes along with the next message when the way is not free, be it
 * that it had to be a re-INVITE and the far peer's own INVITE is not done yet (RFC 3261 14.1). */
static bool bare_may_cross(struct leg *l)
{
	const struct leg *r = leg_other(l);
	return l->s->mod.stage == MOD_NONE && r->dlg.text &&
	       ((!r->invite_in && !early_alive(l->s)) || sip_dialog_allows(&r->dlg, SIP_UPDATE));
}

void modify_request(struct leg *l, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	struct session *s = l->s;
	struct im *im = s->im;
	struct verdict v = { 0 };
	struct sdp *offer;
	char fault[96];
	int r = request_sdp(im, m, 0, fault, &offer);
	bool local;
	unsigned busy;

	leg_learn(l, m);
	if (r < 0) {
		im_log(im, IM_NOTICE, "modification-refused",
		       "sess=%lu class=%s from=%c status=%d why=\"%s\"", (unsigned long)s->id,
		       im_class_name(s->class), side_name(l->side), -r, fault);
		refuse(l, t, (unsigned)-r, span_of(fault), r == -415 ? headers_acceptable(m) : "", now_us);
		return;
	}
	local = !crosses(l, m) &&
		(offer ? m->method == SIP_INVITE && is_unchanged(l, offer) : m->method == SIP_UPDATE);
	modify_implicit_ack(l, m, now_us);
	busy = modify_busy(l, m->method, offer || m->method == SIP_INVITE, local, now_us);
	if (busy) {
		im->mx.glare++;
		refuse(l, t, busy, SPAN_EMPTY, "", now_us);
		return;
	}
	if (local || (!offer && m->method == SIP_UPDATE && !bare_may_cross(l))) {
		answer_locally(l, t, m, offer, now_us);
		return;
	}
	if (offer)
		modify_judge(l, t, offer, &v);
	if (v.status) {
		refuse_media(l, t, &v, offer, now_us);
		return;
	}
	if (m->max_forwards == 0) {
		refuse(l, t, 483, SPAN_EMPTY, "", now_us);
		return;
	}
	modify_begin(l, t, m, offer, v.off, now_us);
}

/* ---- the responder's answer ---- */

/*
 * The answer of a 2xx into sdp[0], judged against what we offered: 0, or the status to refuse with.  One that fails gets
 * a second look beside what this peer had said before, since what it only repeats is not judged again (ACC-1).
 */
unsigned modify_check_answer(struct session *s, const struct sip_msg *resp, struct sdp **answer,
			     struct verdict *v)
{
	struct im *im = s->im;
	struct sdp *sent = im->sdp[1], *before = im->sdp[3];
	bool safe = leg_safe(mod_responder(s), NULL);
	char fault[96];
	struct sip_msg *early = modify_kept_answer(s); /* the first answer is the answer */
	int r = request_sdp(im, early ? early : resp, 0, fault, answer);

	free(early); /* its bytes are kept */
	*v = (struct verdict){ 0 };
	if (r != 0 || sdp_parse(sent, (struct span){ s->mod.sent, s->mod.sent_n }, NULL) < 0) {
		snprintf(v->text, sizeof(v->text), "%s", r == 1 ? "no answer" : "unusable answer");
		v->warning = 399;
		return v->status = 488;
	}
	accept_answer(session_conf(s), s->class, safe, NULL, sent, *answer, v);
	if ((v->status || im->conf.strict_origin) &&
	    sdp_parse(before, sdp_oa_remote(&mod_responder(s)->oa), NULL) == 0)
		accept_answer(session_conf(s), s->class, safe, before, sent, *answer, v);
	if (v->status)
		v->status = 488;
	return v->status;
}

/* The initiator's 200.  false: it cannot be written; it got a 500 for what is done, and so the session ends. */
static bool give_200(struct session *s, const struct sip_msg *resp, struct span sdp, uint64_t now_us)
{
	struct sip_stxn *t = s->mod.txn;

	s->mod.txn = NULL;
	if (leg_forward(mod_initiator(s), t, resp, 200, sdp, now_us))
		return true;
	session_end(s, "Reason: SIP;cause=500\r\n", now_us);
	return false;
}

/* "On receipt of a SIP 200 OK response": MOD-21, steps 3 to 6 in their order. */
static void modify_commit(struct session *s, const struct sip_msg *resp, uint64_t now_us)
{
	struct im *im = s->im;
	struct modify *mod = &s->mod;
	struct leg *l = mod_initiator(s), *r = mod_responder(s);
	const struct sip_msg *req = sip_stxn_request(mod->txn);
	struct sdp *answer, *offer = im->sdp[2];
	struct verdict v;
	struct span text;
	char extra[192];

	if (sdp_parse(offer, (struct span){ mod->offer, mod->offer_n }, NULL) < 0) {
		modify_undo(s, 500, "", now_us);
		return;
	}
	/* 3. is the answer one we can live with? */
	if (modify_check_answer(s, resp, &answer, &v) != 0) {
		headers_warning(l, &v, extra);
		modify_undo(s, 488, extra, now_us);
		return;
	}
	/* 4, 5. the answer for the initiator; both ends of the user plane change over in one step (UPA-8). */
	text = offer_make(l, SDP_ANSWER, answer, offer, mod->off);
	if (!text.n || sdp_oa_answer_in(&r->oa, answer->raw) < 0) {
		modify_undo(s, 500, "", now_us);
		return;
	}
	if (sdp_oa_answer_out(&l->oa, text) < 0) {
		modify_undo(s, 500, "", now_us);
		return;
	}
	if (s->plane)
		plane_commit(s->plane, mod->from, offer, answer, now_us);
	leg_refresh(l, req); /* MOD-34: with our 2xx, not before */
	rename_keep(l, req);
	/* 6. 200 to the initiator: from here on it may use what it asked for (MOD-22). */
	if (!give_200(s, resp, text, now_us))
		return;
	s->n_modified++;
	im->mx.modifications++;
	modify_log(s, "modification", 200, now_us);
	session_media_check(s, now_us);
}

/* An UPDATE without SDP went across: nothing of the media changed. */
static void modify_commit_bare(struct session *s, const struct sip_msg *resp, uint64_t now_us)
{
	struct modify *mod = &s->mod;
	struct leg *l = mod_initiator(s), *r = mod_responder(s);

	/* It may have gone as a re-INVITE with the SDP this leg already had; the answer concerns this leg alone. */
	if (mod->sent && modify_take_same(s, resp, now_us) < 0)
		sdp_oa_abort(&r->oa);
	leg_refresh(l, sip_stxn_request(mod->txn));
	rename_keep(l, sip_stxn_request(mod->txn));
	give_200(s, resp, SPAN_EMPTY, now_us);
}

static void modify_accepted(struct session *s, const struct sip_msg *resp, uint64_t now_us)
{
	struct modify *mod = &s->mod;
	struct leg *r = mod_responder(s);

	/* 2. what the 2xx says of the responder: its ACK already goes to the new target (RFC 3261 12.2.1.2). */
	leg_learn(r, resp);
	leg_refresh(r, resp);
	/* 1. ACK at once, not after the initiator's: our offer was in the request. */
	if (mod->out == SIP_INVITE && !mod->offerless)
		leg_ack(r, resp->cseq, SPAN_EMPTY);
	if (mod->offerless) {
		modify_offerless_offer(s, r, resp, now_us);
		return;
	}
	if (mod->stage == MOD_LATE || !mod->txn) {
		modify_undo(s, 0, "", now_us); /* too late: the initiator was told otherwise */
		return;
	}
	if (mod->bare)
		modify_commit_bare(s, resp, now_us);
	else
		modify_commit(s, resp, now_us);
	if (mod->stage != MOD_OUT)
		return; /* being undone */
	if (mod->in == SIP_INVITE) {
		mod->stage = MOD_ACK;
		timer_stop(&s->im->wheel, &mod->t_guard);
		timer_stop(&s->im->wheel, &mod->t_say);
	} else {
		modify_release(s);
	}
}

/* MOD-25: not followed, and by option not told either. */
static bool is_moved(const struct session *s, unsigned status)
{
	return status / 100 == 3 && s->im->conf.map_3xx_in_dialog;
}

/* The status the initiator gets, where it is not the responder's own. */
static unsigned modify_mapped(const struct session *s, unsigned status, bool answered)
{
	const struct modify *mod = &s->mod;

	if (mod->canceled)
		return 487; /* MOD-39 */
	if (!answered)
		return status == 503 ? 500 : mod->in == SIP_INVITE ? 408 : 504;
	if (is_moved(s, status))
		return 488;
	if (status == 422)
		return 500; /* TIMER-5: the interval was ours, and is of this leg alone */
	if (status == 408 && mod->in == SIP_UPDATE)
		return 504; /* no 408 to a non-INVITE (RFC 4320) */
	if (mod->out == SIP_UPDATE && (status == 405 || status == 501))
		return 504; /* MOD-15, no retry left: our choice of method is not its business */
	return status;
}

/* "Upon receiving SIP final response other than SIP 200 OK": forwarded, and nothing has changed. */
void modify_refused(struct session *s, const struct sip_msg *resp, unsigned status, uint64_t now_us)
{
	struct modify *mod = &s->mod;
	struct leg *l = mod_initiator(s);
	unsigned mapped = modify_mapped(s, status, resp != NULL);
	bool over = modify_ends_dialog(status, mod->out);
	char extra[128] = "";

	if (!over && modify_answered_early(s)) {
		modify_undo_refused(s, resp, mapped, now_us);
		return;
	}
	sdp_oa_abort(&mod_responder(s)->oa);
	if (s->plane)
		plane_rollback(s->plane, now_us);
	s->im->mx.modifications_failed++;
	modify_log(s, "modification-failed", status, now_us);
	if (mod->txn && resp && mapped == status && mod->in != SIP_PRACK) {
		sdp_oa_abort(&l->oa);
		leg_forward(l, mod->txn, resp, status, SPAN_EMPTY, now_us);
		mod->txn = NULL;
	} else {
		if (mapped == 500)
			im_retry_after(s->im, extra);
		else if (is_moved(s, status))
			snprintf(extra, sizeof(extra), "Warning: 399 %s \"moved\"\r\n", l->at->host);
		modify_answer_initiator(s, mapped, SPAN_EMPTY, extra, now_us);
	}
	modify_release(s);
	if (over) {
		snprintf(extra, sizeof(extra), "Reason: SIP;cause=%u\r\n", status);
		session_end(s, extra, now_us);
	}
}

void modify_response(struct leg *l, const struct sip_msg *resp, enum sip_end end, uint64_t now_us)
{
	struct session *s = l->s;
	struct modify *mod = &s->mod;
	unsigned status = resp ? resp->status : end == SIP_END_TRANSPORT ? 503 : 408;

	if (mod->stage == MOD_UNDO) {
		modify_undo_response(s, resp, end, now_us);
		return;
	}
	if (mod->stage == MOD_OWN) {
		modify_own_response(s, resp, end, now_us);
		return;
	}
	if (mod->stage == MOD_NONE || l != mod_responder(s))
		return;
	if (status < 200) {
		leg_learn(l, resp);
		modify_provisional(s, resp, now_us);
		return;
	}
	if (status < 300) {
		modify_accepted(s, resp, now_us);
		return;
	}
	if (resp)
		leg_learn(l, resp);
	if (!modify_retry(s, resp, status, now_us))
		modify_refused(s, resp, status, now_us);
}
