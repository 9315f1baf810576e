/* SPDX-License-Identifier: MIT */
/*
 * A refused modification that also brought a new Contact (MOD-35, RFC 6141 4.6).  The peer may be gone from its old
 * address, and a 488 alone would leave our next request, the BYE included, going there.  So the new target is first
 * taken by an UPDATE of ours sent to it; answered 2xx it stands, answered otherwise the old one does.  Then the 488.
 */
#include <stdio.h>
#include <stdlib.h>

#include "im/core.h"

enum { TARGET_WAIT_MS = 4000 };

/* Put the old target back in place of the one that was tried, unless the peer has since said itself where it is. */
static void put_back(struct target_try *try)
{
	struct sip_dialog *d = &try->l->dlg;

	if (!try->old_text)
		return;
	free(d->target_text);
	d->target_text = try->old_text;
	d->target_n = try->old_n;
	try->old_text = NULL;
}

static void finish(struct target_try *try, bool keep, uint64_t now_us)
{
	struct leg *l = try->l;

	if (!keep)
		put_back(try);
	if (try->txn)
		leg_reply(l, try->txn, try->status, SPAN_EMPTY, try->extra, now_us);
	try->txn = NULL;
	modify_target_drop(l);
}

static void on_answer(void *user, struct sip_ctxn *t, const struct sip_msg *resp, enum sip_end end,
		      uint64_t now_us)
{
	struct target_try *try = user;
	(void)t, (void)end;

	if (resp && resp->status < 200)
		return;
	try->out = NULL;
	if (resp && resp->status < 300) {
		/* It stands: remembered as any Contact is, so that the old one, named again, is a change. */
		leg_note_contact(try->l, sip_stxn_request(try->txn));
		leg_learn(try->l, resp);
		leg_refresh(try->l, resp);
		stimer_on_2xx(try->l, resp, now_us);
		finish(try, true, now_us);
		return;
	}
	finish(try, false, now_us);
}

static void on_wait(struct timer *t, uint64_t now_us)
{
	finish(container_of(t, struct target_try, t_wait), false, now_us);
}

void modify_target_settled(struct leg *l)
{
	if (!l->target_try)
		return;
	free(l->target_try->old_text);
	l->target_try->old_text = NULL;
}

void modify_target_drop(struct leg *l)
{
	struct target_try *try = l->target_try;

	if (!try)
		return;
	l->target_try = NULL;
	if (try->out)
		sip_ctxn_set_user(try->out, NULL);
	timer_stop(&l->s->im->wheel, &try->t_wait);
	free(try->old_text);
	free(try);
}

/* Does the request name another target than the dialog has? */
static bool is_new(const struct leg *l, const struct sip_msg *m)
{
	struct sip_name_addr na;
	return sip_name_addr_parse(&na, sip_value(m, SIP_H_CONTACT)) == 0 &&
	       !sip_uri_eq(na.uri, sip_dialog_target(&l->dlg));
}

bool modify_target_first(struct leg *l, struct sip_stxn *t, const struct sip_msg *m, unsigned status,
			 const char *extra, uint64_t now_us)
{
	struct target_try *try;

	if (!is_new(l, m) || l->target_try || !sip_dialog_allows(&l->dlg, SIP_UPDATE) ||
	    !(try = calloc(1, sizeof(*try))))
		return false;
	try->l = l;
	try->status = status;
	snprintf(try->extra, sizeof(try->extra), "%s", extra);
	try->old_text = l->dlg.target_text;
	try->old_n = l->dlg.target_n;
	l->dlg.target_text = NULL;
	l->dlg.target_n = 0;
	l->target_try = try;
	if (sip_dialog_refresh(&l->dlg, m) == 0)
		try->out = leg_own_heard(l, SIP_UPDATE, SPAN_EMPTY, on_answer, try, now_us);
	if (!try->out) {
		put_back(try);
		modify_target_drop(l);
		return false;
	}
	try->txn = t;
	if (m->method == SIP_INVITE)
		l->invite_in = t, leg_reply(l, t, 100, SPAN_EMPTY, "", now_us);
	else
		l->update_in = t;
	sip_stxn_set_user(t, l);
	timer_set(&l->s->im->wheel, &try->t_wait, now_us + TARGET_WAIT_MS * US_PER_MS, on_wait);
	return true;
}
