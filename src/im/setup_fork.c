/* SPDX-License-Identifier: MIT */
/*
 * The 2xx of another fork of our INVITE (PROV-3).  Where the core forks it to several devices the first 2xx makes the
 * session; what is hard is that the others are dialogs of their own, known from their 2xx alone, and must be
 * acknowledged and hung up along their own route sets.
 */
#include "im/core.h"

static void on_fork_bye(void *user, struct sip_ctxn *t, const struct sip_msg *resp, enum sip_end end,
			uint64_t now_us)
{
	(void)user, (void)t, (void)resp, (void)end, (void)now_us; /* whatever the answer, it is gone */
}

/* An offer in its 2xx is answered with nothing taken; the versions of o= are those of the dialog we keep. */
static struct span fork_answer(struct leg *l, const struct sip_msg *resp)
{
	struct sdp_oa kept = l->oa;
	struct span text = SPAN_EMPTY;
	struct sdp *offer;
	char fault[96];

	if (l->owes_answer && request_sdp(l->s->im, resp, 0, fault, &offer) == 0)
		text = offer_refuse_all(l, offer);
	l->oa = kept;
	return text;
}

/* PROV-3: one session, the first 2xx; every other fork that answered is acknowledged and hung up. */
void setup_other_fork(struct leg *l, const struct sip_msg *resp, uint64_t now_us)
{
	static const char reason[] = "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n";
	struct im *im = l->s->im;
	struct span text = fork_answer(l, resp);
	struct sip_dialog kept = l->dlg, fork;
	struct sip_dest to;
	struct wbuf w;
	char branch[40];

	/* The response repeats all of our INVITE that makes a dialog, and has the fork's own route set and target. */
	if (sip_dialog_uac(&fork, resp, resp) < 0)
		return;
	l->dlg = fork; /* the same leg, seen for a moment with the other fork's dialog */
	if (leg_request(l, &w, SIP_ACK, resp->cseq, 70, branch, &to) == 0) {
		w_end(&w, text.n ? SPAN("application/sdp") : SPAN_EMPTY, text);
		if (w_ok(&w))
			im_send(im, &to, w_span_of(&w));
	}
	if (leg_request(l, &w, SIP_BYE, 0, 70, branch, &to) == 0) {
		w_str(&w, reason);
		w_product(&w, im, SIP_H_USER_AGENT);
		w_end(&w, SPAN_EMPTY, SPAN_EMPTY);
		leg_start(l, SIP_BYE, branch, &to, &w, on_fork_bye, NULL, now_us);
	}
	sip_dialog_finish(&l->dlg);
	l->dlg = kept;
}
