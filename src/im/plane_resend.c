/* SPDX-License-Identifier: MIT */
/*
 * Sending again what a lost connection may have swallowed (UPA-13, RFC 4975 5.4), and not passing on again what only the
 * sender does not know to be there.
 *
 * The receiver's side: of each SEND that wants to be confirmed (Failure-Report: yes) a copy is kept until it is, bounded
 * per end and not begun for a message larger than that.  When its connection goes, the copy takes its place among what the end holds, and goes out under the same
 * Message-ID and Byte-Range on whatever connection the end gets next.  What was too much to be kept is told to its
 * sender, 408; of partial and no there is no evidence either way, so nothing is sent twice.
 *
 * The sender's side: who lost its connection to us cannot know what became of the SENDs we had not answered there, and
 * sends them again.  What is incomplete here is passed on as it comes: the ranges overlap, the receiver sorts it out.  But
 * a message that had come whole is known: its SENDs are answered when what was passed on the first time is confirmed.
 */
#include "im/plane_int.h"

enum { TRIES_MAX = 4 };

/* ---- copies ---- */

static bool may_keep(const struct plane_out *o, size_t more)
{
	const struct plane_end *e = o->path->end;

	return e->kept_bytes + more <= end_planes(e)->conf.resend_max;
}

static uint32_t copy_bytes(const struct plane_held *s)
{
	return s->rest_n + s->body_n;
}

void plane_copy_begin(struct plane_out *o, const struct msrp_head *h, uint64_t total, size_t room)
{
	uint32_t max = end_planes(o->path->end)->conf.resend_max;
	struct plane_held *s;

	if (total != MSRP_STAR && total + h->rest.n > max) /* a part of it would be kept for nothing */
		return;
	if (!o->tracked || o->loose || !may_keep(o, h->rest.n + room))
		return;
	if ((s = plane_held_make(o->msg, h, room)) == NULL)
		return; /* then it cannot be sent again: its sender would be told */
	s->start = o->start;
	s->total = total;
	s->tries = 1;
	o->copy = s;
	o->path->end->kept_bytes += copy_bytes(s);
}

void plane_copy_body(struct plane_out *o, struct span body)
{
	if (!o->copy)
		return;
	if (!may_keep(o, body.n) || plane_held_add(o->copy, body) < 0)
		plane_copy_drop(o);
	else
		o->path->end->kept_bytes += (uint32_t)body.n;
}

void plane_copy_take(struct plane_out *o, struct plane_held *s)
{
	s->near = NULL;
	if (!o->tracked || o->loose || !may_keep(o, copy_bytes(s))) {
		plane_held_free(s);
		return;
	}
	o->copy = s;
	o->path->end->kept_bytes += copy_bytes(s);
}

void plane_copy_drop(struct plane_out *o)
{
	if (!o->copy)
		return;
	o->path->end->kept_bytes -= copy_bytes(o->copy);
	plane_held_free(o->copy);
	o->copy = NULL;
}

/* ---- the receiver's connection is gone ---- */

/* The chunk that is being written ends here; returns the connection it comes from, NULL: all of it was there. */
static struct plane_conn *chunk_close(struct plane_out *o)
{
	struct plane_conn *c = o->conn, *writer = o->open ? c->writer : NULL;

	o->open = false;
	if (!writer)
		return NULL;
	if (!c->dead)
		plane_relay_tail(o, o->has_body, '+');
	writer->in.out = NULL;
	c->writer = NULL;
	if (!c->dead)
		plane_write_chunk_over(c);
	return writer;
}

bool plane_copy_again(struct plane_out *o)
{
	struct plane_held *s = o->copy;
	struct plane_msg *m = o->msg;
	struct plane_end *e = o->path->end;

	if (!s || s->tries >= TRIES_MAX || m->code || o->acked)
		return false;
	e->kept_bytes -= copy_bytes(s);
	o->copy = NULL;
	s->near = o->near;
	s->writer = chunk_close(o);
	if (s->writer)
		s->writer->in.held = s;
	plane_held_again(e, s); /* what counted o as pending counts s */
	o->near = NULL;
	plane_out_free(o);
	return true;
}

void plane_resend_path(struct plane_path *p, struct plane_out *refused)
{
	struct plane_end *far = end_other(p->end);

	if (!plane_copy_again(refused))
		plane_out_fail(refused, 408, false);
	list_each(l, &far->msgs) {
		struct plane_msg *m = container_of(l, struct plane_msg, on_end);
		m->users++;
		list_each(k, &m->outs) {
			struct plane_out *o = container_of(k, struct plane_out, on_msg);
			if (o->path == p)
				plane_copy_again(o);
		}
		m->users--;
	}
}

/* ---- the sender's was ---- */

bool plane_resend_may_come(const struct plane_msg *m)
{
	return m->orphan && m->complete && !m->gap && !m->code;
}

bool plane_resend_known(const struct plane_msg *m, const struct plane_conn *c)
{
	return plane_resend_may_come(m) ||
	       (m->whole && !m->gap && !m->code && m->conn_id != c->id && m->failure == MSRP_FAILURE_YES);
}

/* Is anything of it still to be confirmed by the far side? */
static bool is_open(const struct plane_msg *m)
{
	const struct plane_end *far = end_other(m->end);

	list_each(l, &m->outs)
		if (container_of(l, const struct plane_out, on_msg)->tracked)
			return true;
	list_each(l, &far->held)
		if (container_of(l, const struct plane_held, on_end)->msg == m)
			return true;
	return false;
}

void plane_resend_adopt(struct plane_msg *m, struct plane_near *n)
{
	m->orphan = true;
	n->start = 1;
	n->n = m->top;
	n->again = true;
	n->pending = is_open(m);
}

void plane_resend_confirmed(struct plane_msg *m)
{
	if (!m->orphan || is_open(m))
		return;
	m->users++;
	list_each(l, &m->nears) {
		struct plane_near *n = container_of(l, struct plane_near, on_msg);
		if (!n->again)
			continue;
		n->pending = 0;
		if (n->read)
			plane_near_answer(n, 200);
	}
	m->users--;
}
