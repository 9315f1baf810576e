/* SPDX-License-Identifier: MIT */
/*
 * Messages that are done with, remembered for a while (UPA-13).
 *
 * Our 200 may be lost with the connection it was written to, after the message went out of the table; its sender sends the
 * message again, on another connection, and passing it on again would double it.  So of each message that was answered in
 * full its id, as a hash, its length and its connection are kept for as long as a sender may still come with it: it waits
 * 30 s for our answer (RFC 4975 7.1.1), and its session waits as long for a new connection (UP-12).  On the connection that
 * our answer went by it cannot be the same message, and is not taken for it.
 *
 * Its success REPORT may have been lost likewise, and the receiver has no reason to say it again: so we say what it said.
 */
#include "im/plane_int.h"

enum { PAST_FIRST = 16, PAST_MAX = 256, PAST_S = 60 };

struct past_msg {
	uint64_t hash, bytes;
	uint32_t at_s;
	uint32_t conn : 31;
	bool reported : 1;
};

struct plane_past {
	struct list link; /* ps->pasts, in the order of their last addition */
	struct plane_end *end;
	uint32_t conn, moved_s; /* of the last one, and when it became another */
	uint16_t n, cap, next;  /* a ring: next is written next */
	struct past_msg msg[];
};

static uint32_t seconds(const struct planes *ps)
{
	return (uint32_t)(ps->now_us / US_PER_S);
}

static bool is_young(const struct plane_past *p, const struct past_msg *k)
{
	return seconds(end_planes(p->end)) - k->at_s <= PAST_S;
}

void plane_past_clear(struct plane_end *e)
{
	struct planes *ps = end_planes(e);

	if (!e->past)
		return;
	list_del(&e->past->link);
	free(e->past);
	e->past = NULL;
	if (list_empty(&ps->pasts))
		timer_stop(ps->wheel, &ps->t_pasts);
}

static const struct past_msg *newest(const struct plane_past *p)
{
	return &p->msg[(p->next + p->cap - 1u) % p->cap];
}

static uint64_t due_us(const struct plane_past *p)
{
	return (newest(p)->at_s + PAST_S + 1ull) * US_PER_S;
}

void plane_past_on_timer(struct timer *t, uint64_t now_us)
{
	struct planes *ps = container_of(t, struct planes, t_pasts);

	plane_enter(ps, now_us);
	while (!list_empty(&ps->pasts)) {
		struct plane_past *p = container_of(ps->pasts.next, struct plane_past, link);
		if (due_us(p) > now_us) {
			timer_set(ps->wheel, t, due_us(p), plane_past_on_timer);
			break;
		}
		plane_past_clear(p->end);
	}
	plane_leave(ps, true);
}

/* A ring with room for one more that is not forgotten for it too early; NULL: no memory at all. */
static struct plane_past *past_room(struct plane_end *e)
{
	struct plane_past *p = e->past, *more;
	unsigned cap = p ? 2u * p->cap : PAST_FIRST;

	if (p && (p->n < p->cap || p->cap == PAST_MAX || !is_young(p, &p->msg[p->next])))
		return p;
	if ((more = malloc(sizeof(*more) + cap * sizeof(more->msg[0]))) == NULL)
		return p;
	*more = (struct plane_past){ .end = e, .cap = (uint16_t)cap };
	if (p) { /* it is full: the oldest one is where the next would be written */
		more->conn = p->conn, more->moved_s = p->moved_s;
		for (unsigned i = 0; i < p->n; i++)
			more->msg[i] = p->msg[(p->next + i) % p->n];
		more->n = more->next = p->n;
		list_del(&p->link);
		free(p);
	}
	list_init(&more->link);
	return e->past = more;
}

void plane_past_add(const struct plane_msg *m)
{
	struct planes *ps = end_planes(m->end);
	struct plane_past *p = past_room(m->end);

	if (!p)
		return; /* then it is passed on twice, as the receiver can see by its Message-ID */
	if (p->n == 0)
		p->moved_s = seconds(ps) - PAST_S - 1; /* nothing in it came by another connection */
	else if (p->conn != m->conn_id)
		p->moved_s = seconds(ps);
	p->conn = m->conn_id;
	p->msg[p->next] = (struct past_msg){ .hash = m->link.hash,
					     .bytes = m->top,
					     .at_s = seconds(ps),
					     .conn = m->conn_id & INT32_MAX,
					     .reported = m->success };
	p->next = (uint16_t)((p->next + 1u) % p->cap);
	p->n += p->n < p->cap;
	list_del(&p->link);
	list_push(&ps->pasts, &p->link);
	if (!timer_is_set(&ps->t_pasts))
		timer_set(ps->wheel, &ps->t_pasts, due_us(p), plane_past_on_timer);
}

static bool is_part(const struct past_msg *k, const struct msrp_range *r)
{
	return r->start <= k->bytes && (r->total == MSRP_STAR || r->total == k->bytes);
}

bool plane_past_knows(const struct plane_conn *c, const struct plane_end *e, const struct msrp_head *h,
		      const struct msrp_range *r, struct plane_known *out)
{
	const struct plane_past *p = e->past;
	uint64_t hash;

	/* Nothing in it came by another connection, or nothing that still counts. */
	if (!p || (p->conn == c->id && seconds(c->ps) - p->moved_s > PAST_S))
		return false;
	hash = plane_msg_hash(e, h->message_id);
	for (unsigned i = 0; i < p->n; i++) {
		const struct past_msg *k = &p->msg[i];
		if (k->hash == hash && k->conn != (c->id & INT32_MAX) && is_young(p, k) && is_part(k, r)) {
			*out = (struct plane_known){ k->bytes, k->reported };
			return true;
		}
	}
	return false;
}
