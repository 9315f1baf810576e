/* SPDX-License-Identifier: MIT */
/*
 * Connected identity (RFC 4916; MOD-42): a peer that is somebody else now says so by a From URI that differs from before,
 * in a re-INVITE or an UPDATE.  The tags still name the dialog.  The other side hears of it if it showed from-change; our
 * request to it has the new From already, so what is hard is the way back: nothing has changed unless a 2xx says so.
 *
 * No state is kept for that.  What the initiator's leg has as its peer's name changes with our 2xx alone, and the other
 * leg's own name is made from it again whenever a modification ends.
 */
#include "im/core.h"

/* Name and URI of a From or To value. */
static bool party(struct span value, struct span *display, struct span *uri)
{
	struct sip_name_addr na;

	if (sip_name_addr_parse(&na, value) < 0)
		return false;
	*display = na.display;
	*uri = na.uri;
	return true;
}

static bool same_party(struct span a, struct span b)
{
	struct span da, ua, db, ub;
	return party(a, &da, &ua) && party(b, &db, &ub) && span_eq(da, db) && span_eq(ua, ub);
}

bool rename_wanted(struct leg *l, const struct sip_msg *m)
{
	return leg_other(l)->dlg.supports_from_change && !same_party(m->from, sip_dialog_remote(&l->dlg));
}

/* Leg l speaks as who `value` names.  No memory: under the name it has. */
static void speak_as(struct leg *l, struct span value)
{
	char buf[1024];
	struct wbuf w = wbuf_on(buf, sizeof(buf));
	struct span display, uri;

	if (same_party(value, sip_dialog_local(&l->dlg)) || !party(value, &display, &uri))
		return;
	if (display.n)
		w_span(&w, display), w_chr(&w, ' ');
	w_chr(&w, '<'), w_span(&w, uri), w_str(&w, ">;tag="), w_str(&w, l->tag);
	if (w_ok(&w) && sip_dialog_rename(&l->dlg, w_span_of(&w), sip_dialog_remote(&l->dlg)) < 0)
		im_log(l->s->im, IM_WARN, "no-memory", "what=\"identity\"");
}

/* A name that was kept from the other side at first is kept from it later (IMS-4). */
static bool is_hidden(const struct leg *l)
{
	return l->s->ims && l->s->ims->anonymous && l->side == l->s->initiator;
}

void rename_pass(struct leg *l, const struct sip_msg *m)
{
	if (rename_wanted(l, m) && !is_hidden(l))
		speak_as(leg_other(l), m->from);
}

void rename_keep(struct leg *l, const struct sip_msg *m)
{
	if (rename_wanted(l, m) && sip_dialog_rename(&l->dlg, sip_dialog_local(&l->dlg), m->from) < 0)
		im_log(l->s->im, IM_WARN, "no-memory", "what=\"identity\"");
}

void rename_settle(struct leg *l)
{
	struct leg *r = leg_other(l);
	if (!is_hidden(l) && l->dlg.text && r->dlg.text && r->dlg.supports_from_change)
		speak_as(r, sip_dialog_remote(&l->dlg));
}
