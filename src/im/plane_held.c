/* SPDX-License-Identifier: MIT */
/*
 * What is held while an end has no connection (UPA-14): pieces of chunks, with the headers they came with, because the
 * path they will go out on may not be known yet.  Bounded per end; above it the sender is not read.
 */
#include "im/plane_int.h"

static struct plane_held *held_create(struct plane_conn *c, const struct msrp_head *h)
{
	struct plane_msg *m = c->in.msg;
	struct plane_end *far = end_other(m->end);
	struct plane_held *s = calloc(1, sizeof(*s) + h->rest.n);

	if (!s)
		return NULL;
	s->msg = m;
	s->near = c->in.near;
	s->writer = c;
	s->start = c->in.pos;
	s->total = c->in.total;
	s->has_body = h->has_body;
	s->rest_n = (uint32_t)h->rest.n;
	s->line_at = (uint32_t)(h->range_line.p - h->rest.p);
	s->line_n = (uint32_t)h->range_line.n;
	memcpy(s->rest, h->rest.p, h->rest.n);
	m->users++;
	if (s->near)
		s->near->pending++;
	far->held_bytes += s->rest_n;
	list_push(&far->held, &s->on_end);
	c->in.held = s;
	return s;
}

static void held_free(struct plane_end *far, struct plane_held *s)
{
	if (s->writer)
		s->writer->in.held = NULL;
	if (s->near)
		s->near->pending--;
	s->msg->users--;
	far->held_bytes -= s->rest_n + s->body_n;
	list_del(&s->on_end);
	free(s->body);
	free(s);
}

static int held_room(struct plane_held *s, size_t n)
{
	uint32_t cap = s->cap ? s->cap : 512;
	char *p;

	while (cap < s->body_n + n)
		cap *= 2;
	if (cap == s->cap)
		return 0;
	if ((p = realloc(s->body, cap)) == NULL)
		return -ENOMEM;
	s->body = p;
	s->cap = cap;
	return 0;
}

int plane_held_body(struct plane_conn *c, const struct msrp_head *h, struct span body)
{
	struct plane_end *far = end_other(c->in.msg->end);
	uint64_t pos = c->in.pos;

	while (body.n) {
		struct plane_held *s = c->in.held;
		size_t n;
		if (s && s->body_n == HELD_MAX) { /* full: the chunk goes on in another one */
			s->flag = '+';
			s->writer = NULL;
			c->in.held = s = NULL;
		}
		if (!s && (s = held_create(c, h)) == NULL)
			return -ENOMEM;
		if (s->body_n == 0)
			s->start = pos;
		n = body.n < HELD_MAX - s->body_n ? body.n : HELD_MAX - s->body_n;
		if (held_room(s, n) < 0)
			return -ENOMEM;
		memcpy(s->body + s->body_n, body.p, n);
		s->body_n += (uint32_t)n;
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
		held_free(e, s);
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
	plane_write_flush(end_planes(e)); /* the body goes away */
	held_free(e, s);
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
			held_free(far, s);
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
		held_free(e, container_of(e->held.next, struct plane_held, on_end));
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
