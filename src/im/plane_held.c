/* SPDX-License-Identifier: MIT */
/*
 * What is held while an end has no connection (UPA-14): pieces of chunks, with the headers they came with, because the
 * path they will go out on may not be known yet.  Bounded per end; above it the sender is not read.  Pieces that were
 * sent and whose connection was lost before they were confirmed come back here (plane_resend.c), before all later ones.
 */
#include "im/plane_int.h"

enum { SMALL = 640, SMALL_MAX = 256 }; /* most messages fit, with their headers; blocks kept for the next */

struct plane_held *plane_held_make(struct plane_msg *m, const struct msrp_head *h, size_t room)
{
	struct planes *ps = end_planes(m->end);
	bool small = h->rest.n + room <= SMALL;
	struct list *l = small ? list_pop(&ps->pool_held) : NULL;
	struct plane_held *s = l ? container_of(l, struct plane_held, on_end)
				 : malloc(sizeof(*s) + (small ? SMALL : h->rest.n + room));

	if (!s)
		return NULL;
	ps->n_pool_held -= l != NULL;
	*s = (struct plane_held){ .msg = m, .has_body = h->has_body, .small = small };
	s->order = ++ps->held_order;
	s->rest_n = (uint32_t)h->rest.n;
	s->line_at = (uint32_t)(h->range_line.p - h->rest.p);
	s->line_n = (uint32_t)h->range_line.n;
	memcpy(s->rest, h->rest.p, h->rest.n);
	s->body = s->rest + h->rest.n;
	s->cap = small ? SMALL - s->rest_n : (uint32_t)room;
	list_init(&s->on_end);
	return s;
}

void plane_held_free(struct plane_held *s)
{
	struct planes *ps = end_planes(s->msg->end);

	if (s->body_owned)
		free(s->body);
	if (!s->small || ps->n_pool_held == SMALL_MAX) {
		free(s);
		return;
	}
	ps->n_pool_held++;
	list_init(&s->on_end);
	list_push(ps->pool_held.next, &s->on_end); /* in front: it is warm */
}

static int held_room(struct plane_held *s, size_t n)
{
	uint32_t cap = s->cap ? s->cap : 512;
	char *p;

	while (cap < s->body_n + n)
		cap *= 2;
	if (cap == s->cap)
		return 0;
	if ((p = realloc(s->body_owned ? s->body : NULL, cap)) == NULL)
		return -ENOMEM;
	if (!s->body_owned && s->body_n)
		memcpy(p, s->body, s->body_n);
	s->body = p;
	s->body_owned = true;
	s->cap = cap;
	return 0;
}

int plane_held_add(struct plane_held *s, struct span body)
{
	if (held_room(s, body.n) < 0)
		return -ENOMEM;
	if (body.n)
		memcpy(s->body + s->body_n, body.p, body.n);
	s->body_n += (uint32_t)body.n;
	return 0;
}

/* ---- on the list of an end ---- */

static void held_list(struct plane_end *far, struct plane_held *s, struct list *before)
{
	s->msg->users++;
	far->held_bytes += s->rest_n + s->body_n;
	list_push(before, &s->on_end);
}

/* What is sent again was there before anything that came later. */
void plane_held_again(struct plane_end *e, struct plane_held *s)
{
	struct list *l = e->held.next;

	while (l != &e->held && container_of(l, struct plane_held, on_end)->order < s->order)
		l = l->next;
	held_list(e, s, l);
}

static struct plane_held *held_create(struct plane_conn *c, const struct msrp_head *h)
{
	struct plane_end *far = end_other(c->in.msg->end);
	struct plane_held *s = plane_held_make(c->in.msg, h, 0);

	if (!s)
		return NULL;
	s->near = c->in.near;
	s->writer = c;
	s->start = c->in.pos;
	s->total = c->in.total;
	if (s->near)
		s->near->pending++;
	held_list(far, s, &far->held);
	c->in.held = s;
	return s;
}

/* Off the list; it counts as pending for its near SEND still. */
static void held_unlist(struct plane_end *far, struct plane_held *s)
{
	if (s->writer)
		s->writer->in.held = NULL;
	s->writer = NULL;
	s->msg->users--;
	far->held_bytes -= s->rest_n + s->body_n;
	list_del(&s->on_end);
}

static void held_drop(struct plane_end *far, struct plane_held *s)
{
	held_unlist(far, s);
	if (s->near)
		s->near->pending--;
	plane_held_free(s);
}

int plane_held_body(struct plane_conn *c, const struct msrp_head *h, struct span body)
{
	struct plane_end *far = end_other(c->in.msg->end);
	uint64_t pos = c->in.pos;

	while (body.n) {
		struct plane_held *s = c->in.held;
		size_t n;
		if (s && s->body_n >= HELD_MAX) { /* full: the chunk goes on in another one */
			s->flag = '+';
			s->writer = NULL;
			c->in.held = s = NULL;
		}
		if (!s && (s = held_create(c, h)) == NULL)
			return -ENOMEM;
		if (s->body_n == 0)
			s->start = pos;
		n = body.n < HELD_MAX - s->body_n ? body.n : HELD_MAX - s->body_n;
		if (plane_held_add(s, span_cut(body, 0, n)) < 0)
			return -ENOMEM;
		far->held_bytes += (uint32_t)n;
		pos += n;
		body = span_skip(body, n);
	}
	return 0;
}

int plane_held_end(struct plane_conn *c, const struct msrp_head *h, char flag)
{
	struct plane_held *s = held_create(c, h);

	if (!s)
		return -ENOMEM;
	s->flag = flag;
	s->writer = NULL;
	c->in.held = NULL;
	return 0;
}

/* One piece goes out as a chunk of its own; one that is still being received stays open and goes on there. */
static void held_send(struct plane_end *e, struct plane_held *s, struct plane_path *to)
{
	struct plane_msg *m = s->msg;
	struct plane_conn *writer = s->writer;
	struct plane_out *o;
	struct msrp_range r = { s->start, MSRP_STAR, s->total };

	if (writer && s->body_n == 0) {
		held_drop(e, s);
		return;
	}
	if (to->conn->writer)
		plane_relay_cut(to->conn->writer, '+');
	if ((o = plane_out_open(to, m, s->near)) == NULL) {
		plane_msg_fail(m, 408);
		return;
	}
	if (!writer)
		plane_relay_range(&r, s->body_n, s->flag);
	o->start = s->start;
	o->n = s->body_n;
	o->has_body = s->has_body;
	m->path_id = to->id;
	m->passed = true;
	plane_relay_head(o, (struct span){ s->rest, s->rest_n },
			 (struct span){ s->rest + s->line_at, s->line_n }, &r, s->has_body);
	plane_write_span(o->conn, (struct span){ s->body, s->body_n });
	if (!writer)
		plane_relay_tail(o, s->has_body, s->flag);
	plane_write_flush(end_planes(e)); /* the body may go away */
	held_unlist(e, s);
	if (s->near)
		s->near->pending--; /* o has counted itself */
	if (s->tries++) {
		end_planes(e)->stats.resent++;
		plane_count(e->line)->resent++;
	}
	plane_copy_take(o, s);
	if (writer) {
		writer->in.out = o;
		o->conn->writer = writer;
	} else {
		plane_out_written(o);
		plane_msg_settle(m);
	}
}

/* What is held goes where its message began, so pieces for different paths do not wait for each other. */
void plane_held_flush(struct plane_end *e)
{
	bool any = false;

	for (struct list *l = e->held.next; l != &e->held;) {
		struct plane_held *s = container_of(l, struct plane_held, on_end);
		struct plane_path *to = plane_relay_target(s->msg, e);
		l = l->next;
		if (!path_up(to) || plane_write_room(to->conn) == 0)
			continue;
		held_send(e, s, to);
		any = true;
		l = e->held.next; /* a failure may have taken others with it */
	}
	if (any)
		plane_conn_wake(&e->waiters);
}

bool plane_held_blocks(struct plane_end *e, const struct plane_path *to)
{
	list_each(l, &e->held)
		if (plane_relay_target(container_of(l, struct plane_held, on_end)->msg, e) == to)
			return true;
	return false;
}

bool plane_held_drop(struct plane_msg *m)
{
	struct plane_end *far = end_other(m->end);
	bool any = false;

	list_each(l, &far->held) {
		struct plane_held *s = container_of(l, struct plane_held, on_end);
		if (s->msg == m) {
			held_drop(far, s);
			any = true;
		}
	}
	if (any)
		plane_conn_wake(&far->waiters);
	return any;
}

void plane_held_clear(struct plane_end *e)
{
	while (!list_empty(&e->held))
		held_drop(e, container_of(e->held.next, struct plane_held, on_end));
}

void plane_held_give_up(struct plane_end *e)
{
	while (!list_empty(&e->held)) {
		const struct plane_held *s = container_of(e->held.next, struct plane_held, on_end);
		plane_msg_far_error(s->msg, s->near, s->start, s->body_n, 408, false);
	}
}

void plane_held_forget(struct plane_near *n)
{
	struct plane_end *far = end_other(n->msg->end);

	list_each(l, &far->held) {
		struct plane_held *s = container_of(l, struct plane_held, on_end);
		if (s->near == n)
			s->near = NULL;
	}
}

bool plane_held_holds(const struct plane_near *n)
{
	list_each(l, &end_other(n->msg->end)->held)
		if (container_of(l, const struct plane_held, on_end)->near == n)
			return true;
	return false;
}
