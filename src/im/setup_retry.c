/* SPDX-License-Identifier: MIT */
/*
 * The dialog-creating INVITE once more, where what was refused is what we said of ourselves: our session interval (TIMER-5),
 * an option tag of ours, or one that we know and did not say (SETUP-16).  The initiator hears nothing of it.  Each once: a
 * second such answer is the word of somebody who does not mean what he says.
 */
#include "im/core.h"

static unsigned ours(struct span tag)
{
	return span_ieq(tag, SPAN("timer")) ? TAG_TIMER : span_ieq(tag, SPAN("100rel")) ? TAG_100REL : 0;
}

/* The tags a header names, when all of them are ours; else 0. */
static unsigned all_ours(const struct sip_msg *m, enum sip_hdr_id id)
{
	struct sip_iter it = { 0 };
	unsigned set = 0;

	for (struct span tag; sip_each(m, id, &it, &tag);) {
		if (!ours(tag))
			return 0;
		set |= ours(tag);
	}
	return set;
}

static bool tags_change(struct setup *st, const struct sip_msg *resp)
{
	struct leg *far = setup_responder(early_first(st));
	unsigned refused = resp->status == 420 ? all_ours(resp, SIP_H_UNSUPPORTED) : 0;
	unsigned asked = resp->status == 421 ? all_ours(resp, SIP_H_REQUIRE) : 0;
	bool new_100rel = asked == TAG_100REL && st->offer && st->im->conf.single_early_dialog;

	/* All others of the tags we know are said in every INVITE: who asks for one of those has not read it. */
	if (st->tags_tried || (!refused && !new_100rel))
		return false;
	st->tags_tried = true;
	far->unwanted |= refused;
	st->say_100rel = new_100rel;
	return true;
}

bool setup_again(struct setup *st, const struct sip_msg *resp, uint64_t now_us)
{
	struct session *s = early_first(st);
	struct sdp *offer;
	char fault[96];

	/* Not when somebody rang: its early dialog, which the initiator has seen, is over with this answer. */
	if (st->last_1xx || !(stimer_raise(setup_responder(s), resp) || tags_change(st, resp)))
		return false;
	/* Read again for what stands beside the offer; the offer is the one made then, under its o= version. */
	if (request_sdp(s->im, sip_stxn_request(st->in), 0, fault, &offer) < 0 ||
	    setup_send(s, sip_stxn_request(st->in), (struct span){ st->offer, st->offer_n }, now_us) < 0)
		return false;
	setup_arm(st, now_us);
	return true;
}
