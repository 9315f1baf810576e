/* SPDX-License-Identifier: MIT */
/*
 * The refresh that is ours to send, at half the interval (TIMER-6): an UPDATE without SDP, or, to a peer that takes
 * none, a re-INVITE with the SDP it was last sent.  It occupies its own leg only, never the lock (MOD-6); a modification
 * that finds the leg so occupied waits for it (modify_busy.c).  What is hard is that the answer to the re-INVITE need
 * not be what it was (RFC 4975 8.4): a new path is that end's business, anything else may concern the other leg.
 */
#include <stdio.h>

#include "im/stimer.h"

enum {
	BUSY_WAIT_MS = 500,
	GLARE_TRIES_MAX = 3, /* MOD-6a */
	OTHER_TRIES_MAX = 2, /* TIMER-8: once more */
};

bool refresh_open(const struct leg *l)
{
	return l->stimer.open;
}

bool refresh_is(const struct leg *l, enum sip_method out)
{
	return refresh_open(l) && l->stimer.by_update == (out == SIP_UPDATE);
}

static bool invite_open(const struct leg *l)
{
	return l->invite_in || l->invite_out;
}

/* A modification refreshes by itself, so its end is waited for; but an INVITE may ring for minutes, and an UPDATE without
 * SDP may be sent beside it (MOD-10, RFC 3311 5.1). */
static bool leg_busy(const struct leg *l)
{
	if (l->update_in || l->update_out || l->target_try)
		return true;
	if (invite_open(l))
		return !sip_dialog_allows(&l->dlg, SIP_UPDATE);
	return l->s->mod.stage != MOD_NONE || l->oa.state != SDP_STABLE;
}

static bool send_refresh(struct leg *l, enum sip_method out, uint64_t now_us)
{
	const struct sdp_oa was = l->oa;
	struct span sdp;

	if (out == SIP_UPDATE)
		return leg_own(l, out, SPAN_EMPTY, now_us);
	sdp = offer_same(l);
	if (sdp.n && sdp_oa_offer_out(&l->oa, sdp) == 0 && leg_own(l, out, sdp, now_us))
		return true;
	sdp_oa_unsent(&l->oa, &was);
	return false;
}

/* RFC 3261 14.1: our band on this leg, by who made its Call-ID, in steps of 10 ms. */
static void try_later(struct stimer *st, unsigned tries_max, uint64_t now_us)
{
	unsigned wait_ms = leg_back_off_ms(stimer_leg(st));

	if (invite_open(stimer_leg(st)) ||
	    ++st->tries < tries_max) /* refused for the INVITE's sake, perhaps */
		stimer_wait(st, now_us + wait_ms * US_PER_MS);
	else
		stimer_wait(st, UINT64_MAX); /* TIMER-8: it goes on until it expires */
}

void refresh_start(struct leg *l, uint64_t now_us)
{
	struct stimer *st = &l->stimer;

	enum sip_method out = sip_dialog_allows(&l->dlg, SIP_UPDATE) ? SIP_UPDATE : SIP_INVITE;

	if (leg_busy(l) || !send_refresh(l, out, now_us)) {
		stimer_wait(st, now_us + BUSY_WAIT_MS * US_PER_MS);
		return;
	}
	st->open = true;
	st->by_update = out == SIP_UPDATE;
	stimer_wait(st, UINT64_MAX);
}

/* ---- the answer ---- */

/* Both ends of the user plane, from what the other peer said last and this one's answer. */
static void take_path(struct leg *l, const struct sdp *answer, uint64_t now_us)
{
	struct session *s = l->s;
	struct leg *other = leg_other(l);
	struct sdp *offer = s->im->sdp[2];

	if (!s->plane || sdp_parse(offer, sdp_oa_remote(&other->oa), NULL) < 0 ||
	    plane_prepare(s->plane, other->side, offer, offer_lines_off(l), now_us) < 0)
		return;
	plane_commit(s->plane, other->side, offer, answer, now_us);
	session_media_check(s, now_us);
}

/* No answer changes nothing: nothing was to change, and its sender is alive.  One that cannot be used has changed what its
 * sender goes by, who is led back. */
static void take_answer(struct leg *l, const struct sip_msg *resp, uint64_t now_us)
{
	struct im *im = l->s->im;
	struct sdp *answer, *sent = im->sdp[1], *before = im->sdp[3];
	struct verdict v = { 0 };
	bool same, known;
	char fault[96];

	if (request_sdp(im, resp, 0, fault, &answer) != 0 ||
	    sdp_parse(sent, (struct span){ l->oa.pending, l->oa.pending_n }, NULL) < 0) {
		sdp_oa_abort(&l->oa);
		return;
	}
	known = sdp_parse(before, sdp_oa_remote(&l->oa), NULL) == 0;
	same = offer_same_media(sdp_oa_remote(&l->oa), answer->raw);
	if (!same)
		accept_answer(session_conf(l->s), l->s->class, leg_safe(l, NULL), known ? before : NULL, sent,
			      answer, &v);
	if (v.status || sdp_oa_answer_in(&l->oa, answer->raw) < 0) {
		im_log(im, IM_WARN, "refresh-answer", "sess=%lu side=%c why=\"%s\"", (unsigned long)l->s->id,
		       side_name(l->side), v.text);
		sdp_oa_abort(&l->oa);
		if (!modify_lead_back(l, now_us))
			stimer_wait(&l->stimer, now_us + BUSY_WAIT_MS * US_PER_MS); /* asked anew, then */
		return;
	}
	pass_not(l, answer);
	if (same)
		return;
	take_path(l, answer, now_us);
	if (offer_concerns(leg_other(l), answer))
		modify_own(l->s, leg_other(l)->side, now_us);
}

static void on_2xx(struct leg *l, const struct sip_msg *resp, bool invite, uint64_t now_us)
{
	/* The timer has been restarted by stimer_on_2xx(), as by any 2xx. */
	leg_learn(l, resp);
	leg_refresh(l, resp);
	l->s->im->mx.refreshes++;
	if (!invite)
		return;
	leg_ack(l, resp->cseq, SPAN_EMPTY);
	take_answer(l, resp, now_us);
}

/* TIMER-8.  What ends a dialog ends the session here as everywhere (MOD-28, MOD-28a). */
static void on_failure(struct leg *l, const struct sip_msg *resp, unsigned status, bool invite,
		       uint64_t now_us)
{
	struct stimer *st = &l->stimer;
	char reason[64];

	if (resp)
		leg_learn(l, resp);
	if (invite)
		sdp_oa_abort(&l->oa);
	im_log(l->s->im, IM_INFO, "refresh-failed", "sess=%lu side=%c status=%u", (unsigned long)l->s->id,
	       side_name(l->side), status);
	if (modify_ends_dialog(status, invite ? SIP_INVITE : SIP_UPDATE)) {
		snprintf(reason, sizeof(reason), "Reason: SIP;cause=%u\r\n", status);
		session_end(l->s, reason, now_us);
		return;
	}
	if (!invite && (status == 405 || status == 501)) {
		l->dlg.no_update = true; /* MOD-15: by re-INVITE from now on */
		refresh_start(l, now_us);
	} else if (resp && stimer_raise(l, resp)) {
		refresh_start(l, now_us);
	} else {
		try_later(st, status == 491 ? GLARE_TRIES_MAX : OTHER_TRIES_MAX, now_us);
	}
}

void refresh_response(struct leg *l, const struct sip_msg *resp, enum sip_end end, bool invite,
		      uint64_t now_us)
{
	unsigned status = resp ? resp->status : end == SIP_END_TRANSPORT ? 503 : 408;

	if (status < 200) {
		leg_learn(l, resp);
		return;
	}
	l->stimer.open = false;
	if (status < 300)
		on_2xx(l, resp, invite, now_us);
	else
		on_failure(l, resp, status, invite, now_us);
	modify_resume(l->s, now_us);
}
