/* SPDX-License-Identifier: MIT */
/*
 * In-dialog requests that are no modification (INFO, MESSAGE, REFER, NOTIFY, OPTIONS ...): made anew on the other leg
 * when its peer allows the method, each with a transaction of its own, so that none blocks or is blocked by anything
 * (MOD-12, SETUP-22, CLASS-22, lesson 2).
 */
#include <stdlib.h>

#include "im/core.h"

enum {
	RELAYS_MAX = 32, /* per session; above: 500 with Retry-After */
	GUARD_MS =
		28000 /* the asker gives up at 32 s, before our own Timer F tells us anything (RFC 4320 4.2) */
};

struct relay {
	struct list link; /* session->relays */
	struct leg *from;
	struct sip_stxn *in; /* NULL: answered, or too late to */
	struct sip_ctxn *out;
	struct timer t_guard;
};

static void relay_free(struct relay *r)
{
	list_del(&r->link);
	timer_stop(&r->from->s->im->wheel, &r->t_guard);
	if (r->out)
		sip_ctxn_set_user(r->out, NULL);
	free(r);
}

static void on_answer(void *user, struct sip_ctxn *t, const struct sip_msg *resp, enum sip_end end,
		      uint64_t now_us)
{
	struct relay *r = user;
	(void)t;

	if (resp && resp->status < 200)
		return;
	r->out = NULL;
	if (!r->in)
		; /* answered at the guard */
	else if (resp)
		leg_forward(r->from, r->in, resp, resp->status == 408 ? 504 : resp->status, SPAN_EMPTY,
			    now_us);
	else
		leg_reply(r->from, r->in, end == SIP_END_TRANSPORT ? 500 : 504, SPAN_EMPTY, "", now_us);
	relay_free(r);
}

static void on_guard(struct timer *t, uint64_t now_us)
{
	struct relay *r = container_of(t, struct relay, t_guard);
	struct sip_stxn *in = r->in;
	r->in = NULL;
	if (in)
		leg_reply(r->from, in, 504, SPAN_EMPTY, "", now_us);
}

/* The transaction layer forgets t: nobody is left to be answered. */
void relay_gone(struct session *s, const struct sip_stxn *t)
{
	list_each(e, &s->relays) {
		struct relay *r = container_of(e, struct relay, link);
		if (r->in == t)
			r->in = NULL;
	}
}

static unsigned count(const struct list *head)
{
	unsigned n = 0;
	for (const struct list *e = head->next; e != head; e = e->next)
		n++;
	return n;
}

void relay_request(struct leg *l, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	struct session *s = l->s;
	struct leg *far = leg_other(l);
	struct relay *r;
	struct sip_dest to;
	struct wbuf w;
	char branch[40];

	if (early_alive(s) && (!far->dlg.text || !sip_dialog_allows(&far->dlg, m->method))) {
		/* Early: there is nobody to relay it to yet, and a 481 would end the dialog. */
		leg_reply(l, t, 500, SPAN_EMPTY, "Retry-After: 5\r\n", now_us);
		return;
	}
	if (!early_alive(s) && (s->state != SESS_UP || far->state != LEG_UP)) {
		leg_reply(l, t, 481, SPAN_EMPTY, "", now_us);
		return;
	}
	if (m->max_forwards == 0) {
		leg_reply(l, t, 483, SPAN_EMPTY, "", now_us);
		return;
	}
	if (m->method == SIP_OPTIONS && !sip_dialog_allows(&far->dlg, SIP_OPTIONS)) {
		request_options(s->im, t, span_of(l->tag), now_us); /* SETUP-21: asked of a UA, never 405 */
		return;
	}
	if (!sip_dialog_allows(&far->dlg, m->method)) {
		leg_reply(l, t, 405, SPAN_EMPTY, "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n", now_us);
		return;
	}
	if (count(&s->relays) >= RELAYS_MAX || !(r = calloc(1, sizeof(*r)))) {
		s->im->mx.over_limit++;
		leg_reply(l, t, 500, SPAN_EMPTY, "Retry-After: 5\r\n", now_us);
		return;
	}
	r->from = l;
	r->in = t;
	sip_stxn_set_user(t, l);
	list_push(&s->relays, &r->link);
	timer_set(&s->im->wheel, &r->t_guard, now_us + GUARD_MS * US_PER_MS, on_guard);
	if (leg_request(far, &w, m->method, 0, m->max_forwards - 1u, branch, &to) == 0) {
		w_ours(&w, far, m);
		w_pass(&w, far, m, leg_trusts(l, t));
		w_body_of(&w, m);
		r->out = leg_start(far, m->method, branch, &to, &w, on_answer, r, now_us);
	}
	if (!r->out) {
		leg_reply(l, t, 500, SPAN_EMPTY, "", now_us);
		relay_free(r);
	}
}

void relay_abandon(struct session *s, uint64_t now_us)
{
	list_each(e, &s->relays) {
		struct relay *r = container_of(e, struct relay, link);
		if (r->in)
			leg_reply(r->from, r->in, 487, SPAN_EMPTY, "", now_us); /* RFC 3261 15.1.2 */
		relay_free(r);
	}
}
