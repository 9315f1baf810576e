/* SPDX-License-Identifier: MIT */
/*
 * From a received SEND to one of ours.  Bytes go on in arrival order, in one pass: what the framer yields is handed to
 * the far connection as it stands, between a head and an end-line of our own (UP-27).
 *
 * A far chunk is opened when its first bytes are there, because only then can its range be told: a body of up to 2048
 * bytes that is here whole gets its exact end, anything else "*", so that it may be interrupted (UP-32, UP-33).  It is
 * ended with '+' and another one opened when something else must go first, or when the body holds what could be read as
 * its end-line (UP-22).
 */
#include "im/plane_int.h"

/* The far path: the one on which the message began while that is alive (UPA-12), else the current one. */
struct plane_path *plane_relay_target(const struct plane_msg *m, struct plane_end *far)
{
	if (m && m->path_id && far->path->id != m->path_id)
		list_each(l, &far->old) {
			struct plane_path *p = container_of(l, struct plane_path, on_end);
			if (p->id == m->path_id && path_up(p))
				return p;
		}
	return far->path;
}

/* May a chunk be written to f now?  Interrupts another one that is long enough. */
static bool claim(struct plane_conn *c, struct plane_conn *f)
{
	if (!f->writer || f->writer == c)
		return true;
	if (f->writer->in.out->n < CHUNK_WHOLE_MAX) {
		plane_write_hurry(f);
		return false;
	}
	plane_relay_cut(f->writer, '+');
	return true;
}

/* Bytes of body that may go to far now; 0: c was told to wait. */
static size_t far_room(struct plane_conn *c, struct plane_end *far, struct plane_msg *m)
{
	struct plane_path *t = plane_relay_target(m, far);
	struct plane_conn *f = c->in.out ? c->in.out->conn : t->conn;
	uint32_t max = end_planes(far)->conf.queue_max;
	size_t room;

	if (!c->in.out && (!path_up(t) || plane_held_blocks(far, t))) {
		if (far->held_bytes < max)
			return max - far->held_bytes;
		plane_conn_wait(c, &far->waiters, true);
		return 0;
	}
	room = claim(c, f) ? plane_write_room(f) : 0;
	if (room == 0)
		plane_conn_wait(c, &f->waiters, true);
	return room;
}

bool plane_relay_ready(struct plane_conn *c, struct plane_end *far, struct plane_msg *m)
{
	return far_room(c, far, m) > 0;
}

struct span plane_relay_window(struct plane_conn *c, struct span in)
{
	struct plane_msg *m = c->in.msg;

	if (c->in.mode != IN_RELAY || m->code)
		return in;
	return span_cut(in, 0, far_room(c, end_other(m->end), m));
}

/* ---- writing a chunk ---- */

void plane_relay_head(struct plane_out *o, struct span rest, struct span range_line,
		      const struct msrp_range *r, bool has_body)
{
	const struct plane_path *p = o->path;
	struct msrp_range at = *r;
	struct span lead = SPAN_EMPTY;
	struct wbuf w;
	char tid[TID_LEN];

	if (o->msg && o->msg->content) {
		plane_adapt_to_far(o->msg, &at);
		rest = plane_adapt_rest(o->msg, rest, &range_line);
		if (r->start == 1 && has_body)
			lead = plane_adapt_lead(o->msg);
	}
	w = plane_write_begin(o->conn, rest.n + p->peer->path_n + p->uri_n + 256u + lead.n);

	plane_tid_text(o->link.hash, tid);
	w_msrp_request(&w, (struct span){ tid, TID_LEN }, SPAN("SEND"), peer_path(p->peer), path_uri(p));
	w_msrp_rest(&w, rest, range_line, &at);
	if (has_body)
		w_span(&w, SPAN("\r\n"));
	w_span(&w, lead);
	plane_write_end(o->conn, &w);
}

void plane_relay_tail(struct plane_out *o, bool has_body, char flag)
{
	struct wbuf w = plane_write_begin(o->conn, 64);
	char tid[TID_LEN];

	plane_tid_text(o->link.hash, tid);
	if (has_body)
		w_span(&w, SPAN("\r\n"));
	w_msrp_end(&w, (struct span){ tid, TID_LEN }, flag);
	plane_write_end(o->conn, &w);
}

/* The range of a chunk that is here whole, n bytes from r->start. */
void plane_relay_range(struct msrp_range *r, size_t n, char flag)
{
	uint64_t end = r->start + n - 1;

	if (n <= CHUNK_WHOLE_MAX)
		r->end = end;
	if (flag == '$' && r->total == MSRP_STAR)
		r->total = end;
	/* No bytes after the last one: what ends a message whose last chunk was interrupted.  RFC 4975 writes no start
	 * beyond the total. */
	if (r->total != MSRP_STAR && r->start > r->total && r->start > 1)
		r->total = MSRP_STAR;
}

/* Opens the far chunk of what c receives; body: what it begins with; whole: there will be no more.  False: the
 * message has failed. */
static bool chunk_open(struct plane_conn *c, const struct msrp_head *h, struct plane_path *to,
		       struct span body, bool whole, char flag)
{
	struct plane_in *in = &c->in;
	struct plane_out *o = plane_out_open(to, in->msg, in->near);
	struct msrp_range r = { in->pos, MSRP_STAR, in->total };

	if (!o) {
		plane_msg_fail(in->msg, 408);
		return false;
	}
	if (whole)
		plane_relay_range(&r, body.n, flag);
	o->start = in->pos;
	o->has_body = h->has_body;
	in->out = o;
	o->conn->writer = c;
	in->msg->path_id = to->id;
	in->msg->passed = true;
	plane_copy_begin(o, h, in->total, body.n);
	plane_relay_head(o, h->rest, h->range_line, &r, h->has_body);
	return true;
}

void plane_relay_cut(struct plane_conn *c, char flag)
{
	struct plane_out *o = c->in.out;
	struct plane_conn *f = o->conn;

	plane_relay_tail(o, o->has_body, flag);
	if (o->copy)
		o->copy->flag = flag;
	c->in.out = NULL;
	plane_out_written(o);
	plane_write_chunk_over(f);
}

/* Could s, which begins with CRLF and dashes or a part of them, be read as the end-line of o?  What is not here yet could
 * be anything. */
static bool looks_like_end(const struct plane_out *o, struct span s)
{
	struct span rest = span_skip(s, 9);
	char tid[TID_LEN];

	plane_tid_text(o->link.hash, tid);
	return memcmp(rest.p, tid, rest.n < TID_LEN ? rest.n : TID_LEN) == 0;
}

/* ---- the events of a body ---- */

void plane_relay_skip(struct plane_conn *c, size_t n)
{
	struct plane_msg *m = c->in.msg;

	c->in.begun = true;
	c->in.pos += n;
	m->next = c->in.pos;
	if (m->top < c->in.pos - 1)
		m->top = c->in.pos - 1;
	if (c->in.near)
		c->in.near->n += n;
	plane_count(m->end->line)->bytes_in[m->end->side] += n;
	if (m->end->line->file)
		plane_file_progress(m);
}

static void count(struct plane_conn *c, size_t n)
{
	const struct plane_end *e = c->in.msg->end;

	plane_relay_skip(c, n);
	plane_count(e->line)->bytes_out[side_other((enum side)e->side)] += n;
	c->ps->stats.bytes += n;
}

void plane_relay_body(struct plane_conn *c, const struct msrp_event *ev)
{
	struct plane_msg *m = c->in.msg;

	if (m->code)
		return;
	if (c->in.pos - 1 + ev->body.n > m->limit) /* the bytes that came count, whatever was announced */
		plane_msg_fail(m, 413);
	else if (m->total != MSRP_STAR && c->in.pos - 1 + ev->body.n > m->total)
		plane_msg_fail(m, 400); /* its size was announced, to the far side too (UP-21) */
	else if (m->judged)
		plane_relay_pass(c, ev);
	else
		plane_content_body(c, ev);
}

void plane_relay_pass(struct plane_conn *c, const struct msrp_event *ev)
{
	struct plane_in *in = &c->in;
	struct plane_msg *m = in->msg;
	struct plane_end *far = end_other(m->end);
	size_t skip = plane_adapt_skip(m, in->pos, ev->body.n);
	struct span body = span_skip(ev->body, skip);
	struct plane_path *to;

	if (skip)
		plane_relay_skip(c, skip);
	if (!body.n)
		return;
	if (in->out && ev->suspect && looks_like_end(in->out, ev->body))
		plane_relay_cut(c, '+');
	to = in->out ? in->out->path : plane_relay_target(m, far);
	if (!in->out && (!path_up(to) || plane_held_blocks(far, to))) {
		if (plane_held_body(c, ev->head, body) < 0)
			plane_msg_fail(m, 408);
		else
			count(c, body.n);
		return;
	}
	if (!in->out) {
		if (to->conn->writer) /* none that has just begun: the window saw to that */
			plane_relay_cut(to->conn->writer, '+');
		if (!chunk_open(c, ev->head, to, body, ev->last, ev->flag))
			return;
	}
	plane_write_span(in->out->conn, body);
	plane_copy_body(in->out, body);
	in->out->n += body.n;
	count(c, body.n);
	/* What waits for this chunk to be long enough need not wait any longer. */
	if (!ev->last && ((in->out->n >= CHUNK_CUT && in->out->conn->late_n) ||
			  (in->out->n >= CHUNK_WHOLE_MAX && !list_empty(&in->out->conn->waiters))))
		plane_relay_cut(c, '+');
}

/* The chunk ended with nothing open for it: says so to the far side when it must know. */
static void end_alone(struct plane_conn *c, const struct msrp_event *ev)
{
	struct plane_in *in = &c->in;
	struct plane_end *far = end_other(in->msg->end);
	struct plane_path *to = plane_relay_target(in->msg, far);

	if (ev->flag == '+' && in->begun)
		return;
	if (!path_up(to) || plane_held_blocks(far, to)) {
		if (plane_held_end(c, ev->head, ev->flag) < 0)
			plane_msg_fail(in->msg, 408);
		return;
	}
	if (to->conn->writer)
		plane_relay_cut(to->conn->writer, '+');
	if (chunk_open(c, ev->head, to, SPAN_EMPTY, true, ev->flag))
		plane_relay_cut(c, ev->flag);
}

void plane_relay_end(struct plane_conn *c, const struct msrp_event *ev)
{
	struct plane_in *in = &c->in;
	struct plane_msg *m = in->msg;
	struct plane_near *n;

	if (ev->flag != '+')
		m->complete = true;
	if (!m->code && !m->judged)
		plane_content_end(c, ev);
	if (m->code)
		return;
	if (in->out) {
		plane_relay_cut(c, ev->flag);
	} else if (in->held) {
		in->held->flag = ev->flag;
		in->held->writer = NULL;
		in->held = NULL;
	} else {
		end_alone(c, ev);
	}
	if (ev->flag != '+')
		plane_file_over(m, ev->flag == '$');
	if (ev->flag == '$' && !m->code) {
		m->whole = true;
		if (m->total == MSRP_STAR)
			m->total = in->pos - 1;
		plane_content_count(m);
		if (m->success && !m->waiting) {
			m->waiting = true;
			m->end->n_reports++;
		}
	}
	n = in->near;
	in->near = NULL;
	if (!n)
		return;
	if (ev->flag == '#' || (!c->ps->conf.ack_end && !n->loose))
		plane_near_answer(n, 200); /* UP-25a: aborts, and all in mode hop */
	else
		plane_near_read(n);
}

void plane_relay_abort(struct plane_msg *m)
{
	struct plane_path *to = plane_relay_target(m, end_other(m->end));
	char text[ID_MAX + 32];
	struct wbuf w = wbuf_on(text, sizeof(text));
	struct msrp_range r = { m->next, MSRP_STAR, m->total };
	struct plane_out *o;
	size_t at;

	if (!path_up(to))
		return;
	if (to->conn->writer)
		plane_relay_cut(to->conn->writer, '+');
	if ((o = plane_out_open(to, NULL, NULL)) == NULL)
		return;
	plane_adapt_to_far(m, &r);
	plane_relay_range(&r, 0, '#');
	w_str(&w, "Message-ID: "), w_bytes(&w, m->id, m->id_n), w_str(&w, "\r\n");
	at = w.n;
	if (m->failure != MSRP_FAILURE_YES)
		w_str(&w, m->failure == MSRP_FAILURE_NO ? "Failure-Report: no\r\n"
							: "Failure-Report: partial\r\n");
	plane_relay_head(o, w_span_of(&w), (struct span){ text + at, 0 }, &r, false);
	plane_relay_tail(o, false, '#');
	plane_out_written(o);
}
