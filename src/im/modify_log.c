/* SPDX-License-Identifier: MIT */
/*
 * One log record for each attempt at a modification (MOD-47).  The descriptions themselves would fill the log; a short digest
 * of each says what an operator asks: did it change, is it what that other record has, is this side back where it was.
 */
#include "im/core.h"

/* Of nothing: 0.  Nobody gains by forging one. */
static uint32_t digest(struct span sdp)
{
	uint64_t h = sdp.n ? span_hash(sdp, 0) : 0;
	return (uint32_t)(h ^ h >> 32);
}

void modify_note(struct session *s)
{
	if (!s->im->port.log_wanted(s->im->port.w, IM_NOTICE))
		return;
	for (unsigned i = 0; i < 2; i++)
		s->mod.old[i] = digest(sdp_oa_remote(&s->leg[i].oa));
}

/* What this side says now: the offer this is about, when it made it; else what was agreed on last. */
static uint32_t now_said(struct session *s, const struct leg *l)
{
	struct modify *mod = &s->mod;
	bool made = l == (mod->offerless ? mod_responder(s) : mod_initiator(s));

	return digest(made && mod->offer ? (struct span){ mod->offer, mod->offer_n } : sdp_oa_remote(&l->oa));
}

void modify_log(struct session *s, const char *event, unsigned status, uint64_t now_us)
{
	const struct modify *mod = &s->mod;
	const struct leg *l = mod_initiator(s), *r = mod_responder(s);
	bool undone = strcmp(event, "modification-undone") == 0;

	if (!s->im->port.log_wanted(s->im->port.w, IM_NOTICE))
		return;
	im_log(s->im, undone ? IM_WARN : IM_NOTICE, event,
	       "sess=%lu class=%s from=%c in=%" SPAN_FMT " out=%" SPAN_FMT
	       " status=%u sdp=%08x>%08x far_sdp=%08x>%08x undone=%s ms=%lu",
	       (unsigned long)s->id, im_class_name(s->class), side_name(mod->from),
	       SPAN_ARG(sip_method_name(mod->in)), SPAN_ARG(sip_method_name(mod->out)), status,
	       mod->old[l->side], now_said(s, l), mod->old[r->side], now_said(s, r), undone ? "yes" : "no",
	       (unsigned long)((now_us - mod->since_us) / US_PER_MS));
}

void modify_log_refused(const struct leg *l, const struct verdict *v, const struct sdp *offer)
{
	const struct session *s = l->s;

	im_log(s->im, IM_NOTICE, "modification-refused",
	       "sess=%lu class=%s from=%c status=%u sdp=%08x>%08x undone=no warning=%u why=\"%s\"",
	       (unsigned long)s->id, im_class_name(s->class), side_name(l->side), v->status,
	       digest(sdp_oa_remote(&l->oa)), digest(offer->raw), v->warning, v->text);
}
