/* SPDX-License-Identifier: MIT */
/*
 * Provisional responses inside a re-INVITE (MOD-19, MOD-20, MOD-29, MOD-31).  A reliable one is acknowledged by us at once,
 * and the answer it holds is kept until the final: upstream every 1xx goes without SDP.  So on the initiator's leg nothing
 * is executed before our 2xx, and an error there always means "all as before" (RFC 6141 3.3): MOD-29 holds by
 * construction.  On the responder's leg the answer has been executed: an error after it is compensated (MOD-31).
 */
#include <stdlib.h>

#include "im/core.h"

void modify_w_100rel(struct wbuf *w, struct session *s)
{
	const struct sip_msg *m = sip_stxn_request(s->mod.txn);

	/* MOD-20: only where the initiator did; and an offer in a 1xx could not be answered in time (MOD-37). */
	if (s->mod.sent && !(mod_responder(s)->unwanted & TAG_100REL) && m->method == SIP_INVITE &&
	    (sip_lists(m, SIP_H_SUPPORTED, SPAN("100rel")) || sip_lists(m, SIP_H_REQUIRE, SPAN("100rel"))))
		w_str(w, "Supported: 100rel\r\n");
}

/* For this re-INVITE; what is left of the one before is only a PRACK that may still come. */
static struct early *state_of(struct session *s)
{
	struct early *e = s->early;

	if (e && e->open)
		return e;
	early_free(s);
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->s = s;
	e->near = s->mod.from;
	e->open = true;
	s->early = e;
	return e;
}

/* A reliable one: false, to be ignored. */
static bool take_reliable(struct session *s, const struct sip_msg *resp, uint64_t now_us)
{
	struct early *e = s->mod.sent ? state_of(s) : NULL;
	struct sdp *sdp;
	char fault[96];

	if (!e || !prack_in_order(e, resp))
		return false;
	leg_refresh(mod_responder(s), resp); /* MOD-34 */
	prack_send(e, SPAN_EMPTY, now_us);
	if (!e->held && request_sdp(s->im, resp, 0, fault, &sdp) != 1)
		e->answered_in = im_keep(&e->held, &e->held_n, resp->raw) == 0;
	return true;
}

void modify_provisional(struct session *s, const struct sip_msg *resp, uint64_t now_us)
{
	struct modify *mod = &s->mod;
	struct early *e;

	if (mod->stage != MOD_OUT || mod->in != SIP_INVITE || !mod->txn)
		return;
	if (prack_is_reliable(resp) && !take_reliable(s, resp, now_us))
		return;
	if (mod->canceled)
		return;
	modify_arm(s, now_us);
	if (resp->status == 100)
		return;
	mod->last_1xx = resp->status;
	if (!prack_wanted(mod->txn))
		leg_forward(mod_initiator(s), mod->txn, resp, resp->status, SPAN_EMPTY, now_us);
	else if ((e = state_of(s)))
		prack_say(e, mod->txn, resp, resp->status, SPAN_EMPTY, now_us);
}

bool modify_answered_early(const struct session *s)
{
	return s->early && s->early->open && s->early->answered_in;
}

struct sip_msg *modify_kept_answer(struct session *s)
{
	struct early *e = s->early;
	struct sip_msg *m;

	if (!modify_answered_early(s) || !(m = malloc(sizeof(*m))))
		return NULL;
	if (sip_msg_parse(m, (struct span){ e->held, e->held_n }, true) == 0)
		return m;
	free(m);
	return NULL;
}

void modify_1xx_over(struct session *s)
{
	struct early *e = s->early;

	if (!e || !e->open)
		return;
	e->open = false;
	e->answered_in = false;
	if (e->rel)
		reliable_stop(e->rel);
	if (!e->rel || !e->rel->first)
		early_free(s); /* else: its PRACK may be on its way (RFC 3262 3) */
}
