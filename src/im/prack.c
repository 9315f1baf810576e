/* SPDX-License-Identifier: MIT */
/*
 * Reliable provisional responses on both legs (RFC 3262; PROV-5..9).  As UAC we acknowledge each in order, at once; as UAS
 * we give them (reliable.c) to an initiator that can take them.  What is hard: a reliable 1xx carries the answer, or, where
 * the INVITE had no offer, the offer, whose answer comes in the initiator's PRACK and goes on in ours.  So the user plane
 * may be committed, and the session modified, long before the 2xx, which then carries nothing.
 */
#include <stdio.h>
#include <stdlib.h>

#include "im/core.h"

enum { ANSWER_WAIT_MS = 28000 };

/* ---- the responder's leg: what it said reliably is acknowledged ---- */

bool prack_is_reliable(const struct sip_msg *resp)
{
	return resp->status > 100 && resp->status < 200 && sip_lists(resp, SIP_H_REQUIRE, SPAN("100rel"));
}

/* RFC 3262 4: the first may have any number, each further one exactly the next; else it is not there. */
bool prack_in_order(struct early *e, const struct sip_msg *resp)
{
	uint64_t rseq;

	if (e->offered)
		return false; /* none may come before the PRACK that answers this one */
	if (sip_number(resp, SIP_H_RSEQ, UINT32_MAX, &rseq) != 0 || rseq == 0)
		return false;
	if (e->rseq_in && rseq != e->rseq_in + (uint64_t)1)
		return false;
	e->rseq_in = (uint32_t)rseq;
	e->cseq_in = resp->cseq;
	return true;
}

static void on_prack_answer(void *user, struct sip_ctxn *t, const struct sip_msg *resp, enum sip_end end,
			    uint64_t now_us)
{
	struct early *e = user;
	struct session *s = e->s;
	struct leg *far = leg_other(&s->leg[e->near]), *near = &s->leg[e->near];
	struct sip_stxn *in = e->prack_in;
	(void)t, (void)end;

	if (resp && resp->status < 200)
		return;
	e->prack_out = NULL;
	e->prack_in = NULL;
	if (resp)
		leg_learn(far, resp);
	if (!resp || resp->status >= 300) /* the INVITE goes on until its own final says otherwise */
		im_log(s->im, IM_WARN, "prack-refused", "sess=%lu status=%u", (unsigned long)s->id,
		       resp ? resp->status : 0);
	if (!in)
		return;
	if (resp)
		leg_forward(near, in, resp, resp->status == 408 ? 504 : resp->status, SPAN_EMPTY, now_us);
	else
		leg_reply(near, in, 504, SPAN_EMPTY, "", now_us);
	setup_resume(s, now_us);
}

void prack_send(struct early *e, struct span sdp, uint64_t now_us)
{
	struct leg *far = leg_other(&e->s->leg[e->near]);
	struct sip_dest to;
	struct wbuf w;
	char branch[40];

	if (leg_request(far, &w, SIP_PRACK, 0, 70, branch, &to) < 0)
		return;
	w_str(&w, "RAck: "), w_u64(&w, e->rseq_in), w_chr(&w, ' '), w_u64(&w, e->cseq_in);
	w_str(&w, " INVITE\r\n");
	w_product(&w, e->s->im, SIP_H_USER_AGENT);
	w_end(&w, sdp.n ? SPAN("application/sdp") : SPAN_EMPTY, sdp);
	if (e->prack_out) /* the one before is as good as answered: they go on from it */
		sip_ctxn_set_user(e->prack_out, NULL);
	e->prack_out = leg_start(far, SIP_PRACK, branch, &to, &w, on_prack_answer, e, now_us);
}

/* ---- offerless: the offer came in a reliable 1xx ---- */

/* Is the PRACK that is due now the one that answers, and not that of a 1xx the offer still waits behind? */
static bool answer_is_due(const struct early *e)
{
	return e->offered && reliable_awaits_sdp(e->rel);
}

static void refuse_offer(struct session *s, uint64_t now_us)
{
	struct leg *far = setup_responder(s);
	struct sdp *offer = s->im->sdp[0];
	struct span text = SPAN_EMPTY;

	if (sdp_parse(offer, (struct span){ s->mod.offer, s->mod.offer_n }, NULL) == 0)
		text = offer_refuse_all(far, offer);
	s->early->offered = false;
	prack_send(s->early, text, now_us);
}

/* It cannot be had: PRACK, whose answer takes nothing, then CANCEL. */
static void offer_failed(struct session *s, unsigned status, uint64_t now_us)
{
	if (early_alone(s))
		setup_fail(early_setup(s), status, SPAN_EMPTY, "", now_us); /* prack_abandon() in it */
	else
		session_end(s, "Reason: SIP;cause=488\r\n", now_us);
}

static void on_no_answer(struct timer *t, uint64_t now_us)
{
	struct modify *mod = container_of(t, struct modify, t_guard);
	struct session *s = container_of(mod, struct session, mod);
	setup_fail(early_setup(s), 504, SPAN_EMPTY, "", now_us);
}

static bool pass_offer(struct session *s, const struct sdp *offer, struct span *text, uint64_t now_us)
{
	unsigned status;

	status = modify_offerless_early(s, offer, text, now_us);
	if (status) {
		prack_send(s->early, offer_refuse_all(setup_responder(s), offer), now_us);
		offer_failed(s, status, now_us);
		return false;
	}
	s->early->offered = true;
	timer_set(&s->im->wheel, &s->mod.t_guard, now_us + ANSWER_WAIT_MS * US_PER_MS, on_no_answer);
	return true;
}

/* ---- the answer came in a reliable 1xx ---- */

/* ACC-7; then there is nothing to go on with but the other early dialogs. */
static void answer_failed(struct session *s, unsigned status, const char *extra, uint64_t now_us)
{
	if (early_alone(s))
		setup_fail(early_setup(s), status, SPAN_EMPTY, extra, now_us);
	else
		session_end(s, "Reason: SIP;cause=488\r\n", now_us);
}

static bool take_answer(struct session *s, const struct sip_msg *resp, struct span *text, uint64_t now_us)
{
	struct early *e = s->early;
	struct leg *near = setup_initiator(s);
	struct sdp *answer = NULL, *offer = NULL;
	char extra[192] = "";
	unsigned status = setup_take_answer(s, resp, &offer, &answer, text, extra);

	if (status) {
		answer_failed(s, status, extra, now_us);
		return false;
	}
	e->answered_in = true;
	if (!near->dlg.supports_100rel) {
		/* SETUP-7: shown, and given in the 2xx. */
		if (text->p != e->preview && im_keep(&e->preview, &e->preview_n, *text) < 0)
			*text = SPAN_EMPTY;
		return true;
	}
	if (sdp_oa_answer_out(&near->oa, *text) < 0) {
		answer_failed(s, 500, "", now_us);
		return false;
	}
	e->answered_out = true;
	*text = sdp_oa_local(&near->oa);
	if (s->plane)
		plane_commit(s->plane, s->initiator, offer, answer, now_us); /* MOD-22: before it leaves */
	return true;
}

bool prack_take(struct session *s, const struct sip_msg *resp, struct span *text, uint64_t now_us)
{
	struct early *e = s->early;
	struct sdp *sdp;
	char fault[96];
	int r = request_sdp(s->im, resp, 0, fault, &sdp);

	*text = SPAN_EMPTY;
	if (!e->st->offer && r == 0 && !e->answered_in)
		return pass_offer(s, sdp, text, now_us);
	prack_send(e, SPAN_EMPTY, now_us);
	if (!e->st->offer || e->answered_in || r == 1)
		return true; /* what comes after the answer is no answer (RFC 3261 13.2.1) */
	return take_answer(s, resp, text, now_us);
}

/* ---- the initiator's leg: what we say reliably ---- */

static void on_send(void *u, unsigned status, struct span bytes, uint64_t now_us)
{
	struct early *e = u;
	struct sip_stxn *in = e->st ? e->st->in : e->s->leg[e->near].invite_in;
	if (in)
		sip_stxn_reply(in, status, bytes, now_us);
}

static void on_lost(void *u, uint64_t now_us)
{
	struct early *e = u;

	im_log(e->s->im, IM_NOTICE, "no-prack", "sess=%lu", (unsigned long)e->s->id);
	if (e->st)
		setup_fail(e->st, 504, SPAN_EMPTY, "", now_us);
	else
		modify_no_prack(e->s, now_us);
}

static const struct reliable_hooks hooks = { on_send, on_lost };

static struct reliable *reliable_of(struct early *e, const struct sip_msg *invite)
{
	if (!e->rel && (e->rel = calloc(1, sizeof(*e->rel)))) {
		/* RFC 3262 3: the first number is from 1 to 2^31 - 1. */
		reliable_init(e->rel, &e->s->im->wheel, im_random_below(e->s->im, 0x7fffffff), &hooks, e);
		e->rel_cseq = invite->cseq;
	}
	return e->rel;
}

bool prack_wanted(const struct sip_stxn *in)
{
	return sip_lists(sip_stxn_request(in), SIP_H_REQUIRE, SPAN("100rel"));
}

bool prack_say(struct early *e, struct sip_stxn *in, const struct sip_msg *resp, unsigned status,
	       struct span sdp, uint64_t now_us)
{
	struct reliable *r = reliable_of(e, sip_stxn_request(in));
	char extra[64];
	struct wbuf w;

	if (!r)
		return false;
	snprintf(extra, sizeof(extra), "Require: 100rel\r\nRSeq: %u\r\n", r->rseq + 1);
	leg_w_answer(&e->s->leg[e->near], &w, in, resp, status, sdp, extra);
	if (w_ok(&w) && reliable_put(r, status, sdp.n > 0, w_span_of(&w), now_us) == 0)
		return true;
	im_log(e->s->im, IM_INFO, "1xx-dropped", "sess=%lu status=%u", (unsigned long)e->s->id, status);
	return false;
}

bool prack_owed(const struct early *e)
{
	return e->offered || e->prack_in || (e->rel && reliable_owes_sdp(e->rel));
}

/* ---- PRACK comes in ---- */

/* RAck: response-num CSeq-num Method (RFC 3262 7.2): 0, or -EINVAL. */
static int parse_rack(const struct sip_msg *m, uint64_t n[2], struct span *method)
{
	struct span v = span_trim(sip_value(m, SIP_H_RACK));

	for (unsigned i = 0; i < 2; i++) {
		struct span word = span_split(&v, ' ');
		if (span_u64(word, UINT32_MAX, &n[i]) != 0)
			return -EINVAL;
		v = span_trim(v);
	}
	*method = v;
	return v.n ? 0 : -EINVAL;
}

/* The answer to the offer in our reliable 1xx (PROV-5). */
static void answer_came(struct session *s, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	struct early *e = s->early;
	struct leg *near = setup_initiator(s);
	struct span text;

	if (modify_offerless_answer(s, m, &text, now_us) != 0) {
		leg_reply(near, t, 488, SPAN_EMPTY, "", now_us);
		offer_failed(s, 488, now_us);
		return;
	}
	e->offered = false;
	e->answered_in = e->answered_out = true;
	modify_release(s);
	prack_send(e, text, now_us);
	if (e->prack_out) {
		e->prack_in = t; /* until theirs is answered */
		sip_stxn_set_user(t, near);
	} else {
		leg_reply(near, t, 200, SPAN_EMPTY, "", now_us);
	}
}

void prack_request(struct leg *l, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	struct session *s = l->s;
	struct early *e = s->early;
	struct span method;
	struct sdp *sdp;
	uint64_t n[2];
	char fault[96];
	bool answers;
	int r;

	if (parse_rack(m, n, &method) < 0) {
		leg_reply(l, t, 400, SPAN("Bad RAck"), "", now_us);
		return;
	}
	if (!e || !e->rel || l->side != e->near || n[1] != e->rel_cseq || !span_eq(method, SPAN("INVITE")) ||
	    !reliable_awaits(e->rel, (uint32_t)n[0])) {
		leg_reply(l, t, 481, SPAN_EMPTY, "", now_us); /* PROV-7 */
		return;
	}
	leg_learn(l, m);
	if (s->state >= SESS_ENDING) {
		/* It crossed the end: known, but an SDP in it has nothing left to change (MOD-11). */
		leg_reply(l, t, m->body.n ? 481 : 200, SPAN_EMPTY, "", now_us);
		reliable_acked(e->rel, now_us);
		return;
	}
	answers = answer_is_due(e);
	r = request_sdp(s->im, m, 0, fault, &sdp);
	if (r == 1 && m->body.n && !s->im->body.part[0].optional)
		r = -415; /* there is nobody it could be passed to */
	if (r < 0 || (answers && r == 1)) {
		leg_reply(l, t, r < 0 ? (unsigned)-r : 400, r < 0 ? span_of(fault) : SPAN("Missing answer"),
			  r == -415 ? headers_acceptable(m) : "", now_us);
		if (answers)
			offer_failed(s, 488, now_us);
		return;
	}
	if (r == 0 && !answers && l->oa.state != SDP_STABLE) {
		/* An offer while one is open (PROV-10): it acknowledges nothing. */
		leg_reply(l, t, 500, SPAN_EMPTY, im_retry_after(s->im, fault), now_us);
		return;
	}
	if (answers) {
		answer_came(s, t, m, now_us);
		if (s->state >= SESS_ENDING)
			return;
	} else if (r == 1) {
		leg_reply(l, t, 200, SPAN_EMPTY, "", now_us);
	}
	reliable_acked(e->rel, now_us);
	if (r == 0 && !answers)
		modify_request(l, t, m, now_us); /* PROV-9 */
	else
		setup_resume(s, now_us);
}

/* ---- the end ---- */

void prack_abandon(struct session *s, uint64_t now_us)
{
	struct early *e = s->early;
	struct sip_stxn *in;

	if (!e)
		return;
	if (e->offered)
		refuse_offer(s, now_us);
	in = e->prack_in, e->prack_in = NULL;
	if (in)
		leg_reply(&s->leg[e->near], in, 481, SPAN_EMPTY, "", now_us);
	if (e->rel)
		reliable_stop(e->rel);
}

void prack_finish(struct early *e)
{
	if (e->prack_out)
		sip_ctxn_set_user(e->prack_out, NULL);
	if (e->prack_in)
		sip_stxn_set_user(e->prack_in, NULL);
	if (e->rel)
		reliable_finish(e->rel);
	free(e->rel);
	e->rel = NULL;
	e->prack_out = NULL;
	e->prack_in = NULL;
}
