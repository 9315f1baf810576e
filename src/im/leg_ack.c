/* SPDX-License-Identifier: MIT */
/*
 * The ACKs of a leg for 2xx, which are no part of the INVITE's transaction (RFC 3261 13.2.2.4): a 2xx comes again until its ACK
 * has arrived, and each time wants the same one.  What is hard is that another fork may still answer the same INVITE until
 * Timer M, and wants an ACK of its own.
 */
#include <stdlib.h>

#include "im/core.h"

enum { ACKED_MAX = 8 }; /* per leg, within 32 s; above: the oldest is forgotten */

static void acked_free(struct im *im, struct acked **at)
{
	struct pool *pool = &im->pool;
	struct acked *a = *at;
	*at = a->next;
	if (a->t)
		sip_ctxn_set_user(a->t, NULL);
	pool_free(pool, a->ack);
	pool_free(pool, a);
}

void leg_acked_drop(struct im *im, struct acked **list)
{
	while (*list)
		acked_free(im, list);
}

/* Where the INVITE of this transaction, or of this number, is remembered; *NULL: it is not. */
static struct acked **acked_find(struct leg *l, const struct sip_ctxn *t, uint32_t cseq)
{
	struct acked **at = &l->acked;
	while (*at && (t ? (*at)->t != t : (*at)->cseq != cseq || (*at)->fork))
		at = &(*at)->next;
	return at;
}

/* A 2xx came: t is heard of until Timer M. */
void leg_accepted(struct leg *l, struct sip_ctxn *t, uint32_t cseq, bool creates)
{
	struct acked *a = pool_zalloc(&l->s->im->pool, sizeof(*a)), **at = &l->acked;
	unsigned n = 1;

	if (t)
		sip_ctxn_set_user(t, a ? l : NULL); /* no memory: acknowledged once */
	if (!a)
		return;
	*a = (struct acked){
		.next = l->acked, .t = t, .cseq = cseq, .offerless = l->owes_answer, .creates = creates
	};
	l->acked = a;
	for (; *at; n++) {
		if (n > ACKED_MAX)
			acked_free(l->s->im, at);
		else
			at = &(*at)->next;
	}
}

/* The ACK as sent, since every repeat of the 2xx wants the same one (RFC 3261 13.2.2.4). */
static void acked_keep(struct pool *pool, struct acked *a, const struct sip_dest *to, struct span bytes)
{
	char *copy = pool_alloc(pool, bytes.n + to->host.n);

	if (!copy)
		return;
	memcpy(copy, bytes.p, bytes.n);
	if (to->host.n)
		memcpy(copy + bytes.n, to->host.p, to->host.n);
	pool_free(pool, a->ack);
	a->ack = copy;
	a->n = bytes.n;
	a->to = *to;
	a->to.host = (struct span){ copy + bytes.n, to->host.n };
}

void leg_ack(struct leg *l, uint32_t cseq, struct span sdp)
{
	struct acked *a = *acked_find(l, NULL, cseq);
	struct sip_dest to;
	struct wbuf w;
	char branch[40];

	if (leg_request(l, &w, SIP_ACK, cseq, 70, branch, &to) < 0)
		return;
	ims_w_own(&w, l, true);
	w_end(&w, sdp.n ? SPAN("application/sdp") : SPAN_EMPTY, sdp);
	if (!w_ok(&w))
		return;
	leg_fit(l->s->im, &w, &to);
	im_send(l->s->im, &to, w_span_of(&w));
	if (a)
		acked_keep(&l->s->im->pool, a, &to, w_span_of(&w));
}

bool leg_ack_again(struct leg *l, uint32_t cseq)
{
	struct acked *a = *acked_find(l, NULL, cseq);

	if (!a || !a->ack)
		return false;
	im_send(l->s->im, &a->to, (struct span){ a->ack, a->n });
	return true;
}

bool leg_owes_answer(struct leg *l, uint32_t cseq)
{
	const struct acked *a = *acked_find(l, NULL, cseq);
	return a ? a->offerless : l->owes_answer;
}

static uint64_t fork_of(struct span tag)
{
	return span_hash(tag, 0) | 1;
}

bool leg_ack_fork_again(struct leg *l, struct span tag)
{
	for (struct acked *a = l->acked; a; a = a->next) {
		if (a->fork != fork_of(tag) || !a->ack)
			continue;
		im_send(l->s->im, &a->to, (struct span){ a->ack, a->n });
		return true;
	}
	return false;
}

void leg_ack_fork(struct leg *l, struct span tag, uint32_t cseq, const struct sip_dest *to, struct span ack)
{
	im_send(l->s->im, to, ack);
	leg_accepted(l, NULL, cseq, true);
	if (!l->acked || l->acked->t || l->acked->cseq != cseq)
		return; /* no memory: said once */
	l->acked->fork = fork_of(tag);
	acked_keep(&l->s->im->pool, l->acked, to, ack);
}

void leg_ack_refusing(struct leg *l, const struct sip_msg *resp)
{
	struct span text = SPAN_EMPTY;
	struct sdp *offer;
	char fault[96];

	if (l->owes_answer && request_sdp(l->s->im, resp, 0, fault, &offer) == 0)
		text = offer_refuse_all(l, offer);
	leg_refresh(l, resp);
	leg_ack(l, resp->cseq, text);
}

/* Timer M: the INVITE is not heard of any more, by no fork of it. */
static void acked_forget(struct leg *l, struct acked **at)
{
	uint32_t cseq = (*at)->cseq;

	acked_free(l->s->im, at);
	for (at = &l->acked; *at;) {
		if ((*at)->fork && (*at)->cseq == cseq)
			acked_free(l->s->im, at);
		else
			at = &(*at)->next;
	}
}

bool leg_on_again(struct leg *l, const struct sip_ctxn *t, const struct sip_msg *resp, uint64_t now_us)
{
	struct acked **at = acked_find(l, t, 0);
	uint32_t cseq;

	if (!*at)
		return false;
	cseq = (*at)->cseq;
	if (resp && (!span_eq(resp->to_tag, sip_dialog_remote_tag(&l->dlg)) || early_holds(l->s)))
		early_other_fork(l, resp, now_us);
	else if (resp)
		leg_ack_again(l, cseq);
	else
		acked_forget(l, at);
	return true;
}
