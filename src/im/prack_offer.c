/* SPDX-License-Identifier: MIT */
/*
 * An offer in a PRACK that cannot be had (PROV-9).  A PRACK is never refused for its offer: the 1xx would count as not
 * acknowledged, and the offer could not be withdrawn (RFC 6337 2.3).  So it gets a 200 with an answer that gives what this
 * leg has already: what its peer changed on its own side is taken on that side alone, a line it may not have gets port 0.
 */
#include <stdlib.h>

#include "im/core.h"

/* Of an offer that cannot be refused as a whole: line by line, what may not pass gets port 0 (MOD-37). */
unsigned modify_judge_lines(struct leg *l, const struct sdp *offer, struct verdict *v)
{
	struct session *s = l->s;
	struct im_conf *conf = malloc(sizeof(*conf));
	struct sdp *before = s->im->sdp[1], *mine = s->im->sdp[2];

	if (!conf)
		return 500;
	*conf = *session_conf(s);
	conf->partial = true;
	if (sdp_parse(before, sdp_oa_remote(&l->oa), NULL) < 0)
		before = NULL;
	if (sdp_parse(mine, sdp_oa_local(&l->oa), NULL) < 0)
		mine = NULL;
	accept_offer(conf, s->class, leg_safe(l, NULL), before, mine, offer, v);
	free(conf);
	return v->status;
}

/* May the far side's last description answer it, line by line? */
static bool answers(const struct sdp *far, const struct sdp *offer)
{
	if (far->n_media != offer->n_media)
		return false;
	for (unsigned i = 0; i < offer->n_media; i++)
		if (!span_ieq(far->media[i].media, offer->media[i].media))
			return false;
	return true;
}

/* This end of the user plane takes what it brings; the far end stays as it is. */
static struct span answer_as_is(struct leg *l, const struct sdp *offer, uint64_t now_us)
{
	struct session *s = l->s;
	struct sdp *far = s->im->sdp[3];
	struct verdict v = { 0 };
	struct span text;

	if (!s->plane || modify_judge_lines(l, offer, &v) != 0 ||
	    sdp_parse(far, sdp_oa_remote(&leg_other(l)->oa), NULL) < 0 || !answers(far, offer) ||
	    plane_prepare(s->plane, l->side, offer, v.off, now_us) < 0)
		return SPAN_EMPTY;
	text = offer_make(l, SDP_ANSWER, far, offer, v.off);
	if (!text.n || sdp_oa_offer_in(&l->oa, offer->raw) < 0 || sdp_oa_answer_out(&l->oa, text) < 0) {
		plane_rollback(s->plane, now_us);
		return SPAN_EMPTY;
	}
	plane_commit(s->plane, l->side, offer, far, now_us);
	return text;
}

void prack_answer_kept(struct leg *l, struct sip_stxn *t, uint64_t now_us)
{
	struct sdp *offer;
	struct span text;
	char fault[96];

	sdp_oa_abort(&l->oa);
	pass_not(l, NULL);
	if (request_sdp(l->s->im, sip_stxn_request(t), 0, fault, &offer) != 0) {
		leg_reply(l, t, 500, SPAN_EMPTY, "", now_us);
		return;
	}
	text = answer_as_is(l, offer, now_us);
	if (!text.n) {
		text = offer_kept(l, offer);
		if (!text.n || sdp_oa_offer_in(&l->oa, offer->raw) < 0 ||
		    sdp_oa_answer_out(&l->oa, text) < 0) {
			sdp_oa_abort(&l->oa);
			leg_reply(l, t, 500, SPAN_EMPTY, "", now_us);
			return;
		}
	}
	im_log(l->s->im, IM_NOTICE, "prack-offer-kept", "sess=%lu side=%c", (unsigned long)l->s->id,
	       side_name(l->side));
	leg_forward(l, t, NULL, 200, text, now_us);
}
