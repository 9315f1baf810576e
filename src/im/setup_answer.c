/* SPDX-License-Identifier: MIT */
/*
 * What the responder says to the dialog-creating INVITE: 1xx shown on, the first 2xx made the session, anything else
 * made the initiator's answer (SETUP-7..19).  The hard case is a 2xx nobody waits for any more: our INVITE is
 * answered, so the far leg is acknowledged and hung up, never forgotten (SETUP-13).
 */
#include <stdlib.h>

#include "im/core.h"

/* ---- provisional ---- */

/* SETUP-7: what an unreliable 1xx shows of the answer is shown on, and then is our answer to the letter. */
static struct span preview(struct session *s, const struct sip_msg *resp)
{
	struct early *e = s->early;
	struct leg *near = setup_initiator(s);
	struct sdp *answer, *offer = s->im->sdp[1];
	char fault[96];
	struct span text;

	if (!e->st->offer || request_sdp(s->im, resp, 0, fault, &answer) != 0)
		return SPAN_EMPTY;
	if (e->preview)
		return (struct span){ e->preview, e->preview_n };
	if (sdp_parse(offer, (struct span){ near->oa.pending, near->oa.pending_n }, NULL) < 0 ||
	    answer->n_media != offer->n_media)
		return SPAN_EMPTY;
	text = offer_make(near, SDP_ANSWER, answer, offer, e->st->off);
	return im_keep(&e->preview, &e->preview_n, text) == 0 ? text : SPAN_EMPTY;
}

/* Said in this leg's dialog, and not, all forks being one upstream, in that of another (MOD-13). */
static bool is_of_dialog(const struct leg *l, const struct sip_msg *resp)
{
	return !l->dlg.text || span_eq(sip_dialog_remote_tag(&l->dlg), resp->to_tag);
}

static void setup_provisional(struct setup *st, const struct sip_msg *resp, uint64_t now_us)
{
	bool reliable = prack_is_reliable(resp);
	struct session *s;
	struct leg *near;
	struct span text = SPAN_EMPTY;

	if (!st->in)
		return;
	setup_arm(st, now_us);
	if (resp->status == 100 || !(s = early_of(st, resp, now_us)) || !early_alive(s))
		return; /* ignored; or released: the initiator has ended this one */
	if (reliable && (!setup_responder(s)->dlg.text || !prack_in_order(s->early, resp)))
		return;
	if (is_of_dialog(setup_responder(s), resp))
		leg_learn(setup_responder(s), resp);
	if (reliable) {
		leg_refresh(setup_responder(s), resp); /* MOD-34 */
		if (!prack_take(s, resp, &text, now_us))
			return;
	} else if (!prack_wanted(st->in) && !s->early->answered_in) {
		text = preview(s, resp);
	}
	if (resp->status == 199) {
		early_terminated(s, resp, now_us);
		return;
	}
	near = setup_initiator(s);
	if (prack_wanted(st->in) || (reliable && near->dlg.supports_100rel))
		s->early->unsaid |= !prack_say(s->early, st->in, resp, resp->status, text, now_us) && text.n;
	else
		leg_forward(near, st->in, resp, resp->status, text, now_us);
	setup_rang(s, resp->status, now_us);
}

/* ---- 2xx ---- */

/* CLASS-13: who answers as a focus makes it a group; what may be modified does not get stricter by it. */
static void setup_focus(struct session *s)
{
	const char *features = setup_responder(s)->features;
	struct span flag;

	if (s->class != IM_CLASS_CONVERSATION || !features ||
	    !sip_param(span_of(features), SPAN("isfocus"), &flag))
		return;
	s->class = IM_CLASS_GROUP;
	s->class_evidence = "isfocus in the answer";
}

static void setup_up(struct session *s, uint64_t now_us)
{
	setup_focus(s);
	s->im->mx.sessions_total++;
	session_move(s, SESS_UP);
	large_begin(s, now_us);
	im_log(s->im, IM_NOTICE, "session-up", "sess=%lu class=%s setup_ms=%lu", (unsigned long)s->id,
	       im_class_name(s->class), (unsigned long)((now_us - s->since_us) / US_PER_MS));
}

/* The initiator's INVITE is this leg's own from now on, to be answered 2xx and acknowledged; the set-up is over. */
static struct sip_stxn *setup_take(struct session *s, uint64_t now_us)
{
	struct setup *st = early_setup(s);
	struct leg *near = setup_initiator(s);
	struct sip_stxn *in = st->in;

	near->invite_in = in;
	sip_stxn_set_user(in, near);
	setup_quiet(st);
	setup_over_check(st, now_us);
	early_over(s, now_us);
	return in;
}

unsigned setup_take_answer(struct session *s, const struct sip_msg *resp, struct sdp **offer,
			   struct sdp **answer, struct span *text, char extra[192])
{
	struct im *im = s->im;
	struct early *e = s->early;
	struct setup *st = e->st;
	struct leg *near = setup_initiator(s), *far = setup_responder(s);
	struct sdp *sent = im->sdp[1];
	struct verdict v;
	char fault[96];
	int r = request_sdp(im, resp, 0, fault, answer);

	*offer = im->sdp[2];
	if (r == 1)
		return 500;
	if (r < 0 || sdp_parse(sent, (struct span){ st->offer, st->offer_n }, NULL) < 0 ||
	    sdp_parse(*offer, (struct span){ near->oa.pending, near->oa.pending_n }, NULL) < 0)
		return 488;
	accept_answer(session_conf(s), s->class, leg_safe(far, NULL), NULL, sent, *answer, &v);
	if (v.status) {
		headers_warning(near, &v, extra);
		return 488;
	}
	/* SETUP-7: what was shown stands; another text, not sent, must not use up a version (SDP-4). */
	*text = e->preview ? (struct span){ e->preview, e->preview_n }
			   : offer_make(near, SDP_ANSWER, *answer, *offer, st->off);
	return text->n && sdp_oa_answer_in(&far->oa, (*answer)->raw) == 0 ? 0 : 500;
}

/* SETUP-7: what was shown stands, and is not what the 2xx says: the initiator, who sends there itself, hears of it next. */
static void tell_rest(struct session *s, uint64_t now_us)
{
	struct leg *near = setup_initiator(s);
	struct sdp *answer = s->im->sdp[0];

	if (sdp_parse(answer, sdp_oa_remote(&setup_responder(s)->oa), NULL) < 0)
		return;
	pass_not(setup_responder(s), answer);
	if (offer_concerns(near, answer))
		modify_own(s, near->side, now_us);
}

/* The initiator's 2xx: with the answer, or bare where that went before it. */
static void setup_agree(struct session *s, const struct sip_msg *resp, uint64_t now_us)
{
	struct leg *near = setup_initiator(s);
	struct span text = s->early->answered_out && !s->early->unsaid ? SPAN_EMPTY : sdp_oa_local(&near->oa);
	bool shown = s->early->preview != NULL;

	near->state = LEG_UP;
	if (!leg_forward(near, setup_take(s, now_us), resp, 200, text, now_us)) {
		near->state = LEG_OVER;
		s->im->mx.setups_failed++;
		session_end(s, "Reason: SIP;cause=500\r\n", now_us);
		return;
	}
	setup_up(s, now_us);
	session_media_check(s, now_us);
	if (shown && !session_anchored(s))
		tell_rest(s, now_us);
}

/* PROV-8: not while a reliable 1xx with a description lacks its PRACK. */
static bool setup_hold(struct session *s, const struct sip_msg *resp, uint64_t now_us)
{
	struct early *e = s->early;

	if (!prack_owed(e))
		return false;
	if (im_keep(&e->held, &e->held_n, resp->raw) < 0)
		setup_fail(e->st, 500, SPAN_EMPTY, "", now_us);
	return true;
}

void setup_resume(struct session *s, uint64_t now_us)
{
	struct early *e = s->early;
	struct sip_msg *resp;

	if (!e || !e->held || prack_owed(e) || !early_alive(s))
		return;
	resp = malloc(sizeof(*resp));
	if (resp && sip_msg_parse(resp, (struct span){ e->held, e->held_n }, true) == 0) {
		char *kept = e->held; /* early_over() frees what is its own */
		e->held = NULL;
		setup_agree(s, resp, now_us);
		free(kept);
	} else {
		setup_fail(e->st, 500, SPAN_EMPTY, "", now_us);
	}
	free(resp);
}

/* SETUP-9: the 2xx where the answer is in it, or came before.  Commit before the 200 leaves (MOD-22). */
static void setup_accepted(struct session *s, const struct sip_msg *resp, uint64_t now_us)
{
	struct early *e = s->early;
	struct leg *near = setup_initiator(s), *far = setup_responder(s);
	struct sdp *answer, *offer = s->im->sdp[2];
	struct span text = SPAN_EMPTY;
	char extra[192] = "";
	unsigned status;

	leg_ack(far, resp->cseq, SPAN_EMPTY);
	if (!e->answered_in) {
		status = setup_take_answer(s, resp, &offer, &answer, &text, extra);
		if (status) {
			setup_fail(e->st, status, status == 500 ? SPAN("No answer in 2xx") : SPAN_EMPTY,
				   extra, now_us);
			return;
		}
	} else if (!e->answered_out) {
		/* It came reliably, and was only shown: given now. */
		answer = s->im->sdp[0];
		text = (struct span){ e->preview, e->preview_n };
		if (sdp_parse(answer, sdp_oa_remote(&far->oa), NULL) < 0 ||
		    sdp_parse(offer, (struct span){ near->oa.pending, near->oa.pending_n }, NULL) < 0)
			text = SPAN_EMPTY;
	}
	if (!e->answered_out) {
		if (!text.n || sdp_oa_answer_out(&near->oa, text) < 0) {
			setup_fail(e->st, 500, SPAN_EMPTY, "", now_us);
			return;
		}
		if (s->plane)
			plane_commit(s->plane, s->initiator, offer, answer, now_us);
	}
	if (!setup_hold(s, resp, now_us))
		setup_agree(s, resp, now_us);
}

/* An offerless INVITE: from here on it is a modification whose answer is due in the ACK (SETUP-6, MOD-37). */
static void setup_offerless(struct session *s, const struct sip_msg *resp, uint64_t now_us)
{
	struct modify *mod = &s->mod;

	modify_give_way(s, now_us);
	mod->stage = MOD_OUT;
	mod->from = s->initiator;
	mod->in = mod->out = SIP_INVITE;
	mod->offerless = true;
	mod->since_us = now_us;
	mod->txn = setup_take(s, now_us);
	modify_offerless_offer(s, setup_responder(s), resp, now_us);
	if (setup_initiator(s)->state == LEG_UP)
		setup_up(s, now_us);
}

/* The first 2xx: whoever it is of, our INVITE is answered. */
static void setup_2xx(struct setup *st, const struct sip_msg *resp, uint64_t now_us)
{
	struct session *s = early_of(st, resp, now_us);
	struct sip_ctxn *out = st->out;
	struct leg *far;

	st->out = NULL;
	if (!s || (far = setup_responder(s), early_dialog(s, resp) < 0)) {
		if (!s) /* no memory for it */
			early_stranger(setup_responder(early_first(st)), resp, now_us);
		sip_ctxn_set_user(out, NULL);
		setup_fail(st, 500, SPAN("Bad 2xx"), "", now_us);
		return;
	}
	leg_accepted(far, out, resp->cseq, true);
	if (!st->in || !early_alive(s)) {
		/* SETUP-13: cancelled, or hung up early, and answered all the same. */
		leg_ack_refusing(far, resp);
		if (!far->bye_out)
			leg_bye_now(far, now_us);
		early_linger(s, now_us);
		early_won(s, now_us);
		setup_fail(st, 480, SPAN_EMPTY, "", now_us);
		return;
	}
	stimer_on_2xx(far, resp, now_us);
	far->state = LEG_UP;
	early_won(s, now_us);
	if (st->offer || s->early->answered_in || s->early->offered)
		setup_accepted(s, resp, now_us);
	else
		setup_offerless(s, resp, now_us);
}

/* ---- errors ---- */

/* SETUP-14, 17, 18: which code the initiator sees for the far side's. */
static unsigned setup_mapped(unsigned status)
{
	if (status / 100 == 3)
		return 480;
	return status == 503 || status == 422 ? 500 : status; /* TIMER-5: the interval was ours */
}

static void setup_refused(struct setup *st, const struct sip_msg *resp, uint64_t now_us)
{
	struct session *s = early_first(st);
	struct sip_stxn *in = st->in;

	st->im->mx.setups_failed++;
	im_log(st->im, IM_NOTICE, "setup-failed", "sess=%lu status=%u", (unsigned long)s->id, resp->status);
	setup_quiet(st);
	leg_forward(setup_initiator(s), in, resp, setup_mapped(resp->status), SPAN_EMPTY, now_us);
	setup_end(st, "", now_us);
}

void setup_response(struct setup *st, const struct sip_msg *resp, enum sip_end end, uint64_t now_us)
{
	if (resp && resp->status < 200) {
		setup_provisional(st, resp, now_us);
		return;
	}
	if (resp && resp->status < 300) {
		setup_2xx(st, resp, now_us);
		return;
	}
	st->out = NULL;
	if (!st->in)
		setup_over_check(st, now_us); /* the answer to our CANCEL */
	else if (resp && !setup_again(st, resp, now_us))
		setup_refused(st, resp, now_us);
	else if (!resp)
		setup_fail(st, end == SIP_END_TRANSPORT ? 500 : 408, SPAN_EMPTY, "", now_us);
}
