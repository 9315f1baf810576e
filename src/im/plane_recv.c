/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a request: the checks of UP-24 in their order, before anything is remembered.  A request that has to
 * wait (for an answer under negotiation, for room, for SENDs to be confirmed) is left at its head, and all checks are
 * made again when it is asked for again: nothing is half done.
 */
#include "im/plane_int.h"

enum { SMALL_QUEUED_MAX = 512 };

static struct span leftmost(struct span path)
{
	struct span first = path, last;

	return msrp_path_ends(path, &first, &last) ? first : path;
}

static void respond(struct plane_conn *c, const struct msrp_head *h, struct plane_path *path, unsigned code)
{
	if (h->method == MSRP_REPORT || (h->method == MSRP_SEND && h->failure == MSRP_FAILURE_NO) ||
	    (h->method == MSRP_SEND && h->failure == MSRP_FAILURE_PARTIAL && code == 200))
		return;
	plane_write_response(c, h->tid, code, h->method == MSRP_SEND ? leftmost(h->from_path) : h->from_path,
			     path ? path_uri(path) : h->to_path);
}

void plane_recv_clear(struct plane_conn *c)
{
	struct plane_msg *m = c->in.msg;

	if (m && m->judging == c)
		plane_content_known(m);
	if (c->in.out)
		plane_relay_cut(c, '+');
	if (c->in.held) {
		c->in.held->flag = '+';
		c->in.held->writer = NULL;
	}
	list_del(&c->in_path);
	if (c->in.path)
		plane_path_poke(c->in.path);
	free(c->in.small);
	c->in = (struct plane_in){ 0 };
	if (m) {
		m->users--;
		plane_msg_settle(m);
	}
}

static void in_begin(struct plane_conn *c, enum in_mode mode, struct plane_path *path, struct plane_msg *m)
{
	c->in = (struct plane_in){ .mode = (uint8_t)mode, .path = path, .msg = m };
	if (path)
		list_push(&path->ins, &c->in_path);
	if (m)
		m->users++;
}

/* Answers now and drops the rest; further chunks of the message get the same (UP-24). */
void plane_recv_refuse(struct plane_conn *c, const struct msrp_head *h, struct plane_path *path,
		       unsigned code)
{
	struct plane_msg *m = NULL;

	c->ps->stats.refused++;
	respond(c, h, path, code);
	if (h->method == MSRP_SEND && path && path->peer && h->message_id.n && h->message_id.n <= ID_MAX) {
		m = plane_msg_find(path->end, h->message_id);
		if (!m)
			m = plane_msg_create(path->end, h);
		if (m && !m->code)
			plane_msg_fail(m, code); /* counts it */
		else if (m)
			plane_count_code(path->end->line, code);
	}
	in_begin(c, IN_DROP, path, m);
}

/* ---- SEND ---- */

static int head_range(const struct msrp_head *h, struct msrp_range *r)
{
	*r = (struct msrp_range){ 1, MSRP_STAR, MSRP_STAR };
	return h->byte_range.p ? msrp_range_parse(r, h->byte_range) : 0;
}

static bool head_ok(const struct msrp_head *h, struct msrp_range *r)
{
	return !h->bad && h->message_id.n && h->message_id.n <= ID_MAX && h->failure != MSRP_FAILURE_BAD &&
	       (!h->has_body || h->content_type.n) && head_range(h, r) == 0;
}

/* UP-36; what the message was begun under goes on to hold for it. */
static bool too_large(struct plane_end *e, const struct plane_msg *m, const struct msrp_range *r)
{
	uint64_t max = m ? m->limit : plane_content_limit(e);

	return (r->total != MSRP_STAR && r->total > max) || r->start - 1 > max;
}

/* The far side is stopped by as many SENDs of its own: our answers to those stand behind what is not read here. */
static bool is_mutual(const struct plane_end *far)
{
	const struct plane_conn *c = far->path ? far->path->conn : NULL;

	return far->n_near >= OPEN_MAX && c && !list_empty(&c->wait);
}

/* Enough SENDs are open: reading on would only queue more (UP-25a).  But two directions must not wait for each other as long
 * as one of them can go on (UPA-14). */
static bool too_many_open(const struct plane_end *e, struct plane_end *far)
{
	return e->n_near >= (is_mutual(far) ? OPEN_STUCK : OPEN_MAX) || far->n_out >= OUT_MAX;
}

static void relay_begin(struct plane_conn *c, const struct msrp_head *h, struct plane_path *path,
			struct plane_msg *m, const struct msrp_range *r)
{
	struct plane_end *e = path->end;
	unsigned code;

	if (!m) {
		if ((m = plane_msg_create(e, h)) == NULL) {
			plane_recv_refuse(c, h, path, 408);
			return;
		}
		m->limit = plane_content_limit(e);
		if ((code = plane_content_begin(m, h, r->start)) != 0) {
			plane_recv_refuse(c, h, path, code);
			return;
		}
	}
	m->complete = false;
	m->gap |= r->start > m->top + 1;
	m->twice |= m->near_path_id && m->near_path_id != path->id && r->start <= m->top;
	m->near_path_id = path->id;
	m->conn_id = c->id;
	m->whole = false;
	m->failure = (uint8_t)h->failure;
	m->success = h->success;
	if (r->total != MSRP_STAR)
		m->total = r->total;
	in_begin(c, IN_RELAY, path, m);
	c->in.pos = r->start;
	c->in.total = r->total;
	m->judging = m->judged ? NULL : c;
	if (h->failure == MSRP_FAILURE_NO)
		return;
	c->in.near = plane_near_open(c, h, m, path);
	if (!c->in.near && h->failure == MSRP_FAILURE_YES) {
		respond(c, h, path, 408);
		plane_msg_fail(m, 408);
	} else if (c->in.near) {
		c->in.near->start = r->start;
	}
}

/* A message that we know to be passed on whole: its sender lost our answer with its connection (UPA-13). */
static void recv_again(struct plane_conn *c, const struct msrp_head *h, struct plane_path *path,
		       struct plane_msg *m)
{
	in_begin(c, IN_AGAIN, path, m);
	if (h->failure != MSRP_FAILURE_YES)
		return;
	c->in.near = plane_near_open(c, h, m, path);
	if (c->in.near)
		plane_resend_adopt(m, c->in.near);
	else
		respond(c, h, path, 408);
}

/* The same, of one that went out of the table since. */
static void recv_known(struct plane_conn *c, const struct msrp_head *h, struct plane_path *path,
		       const struct msrp_range *r, const struct plane_known *known)
{
	in_begin(c, IN_KNOWN, path, NULL);
	c->in.pos = r->start;
	c->in.total = known->bytes;
	c->in.report = known->reported && h->success;
}

/* Our offer is out on this end.  Who answers it may go by its answer at once (RFC 3264 5.1, 6.1), and the SEND may be here
 * before that answer: what is wrong by the terms of today is not refused before it is known what was agreed. */
static bool answer_may_allow(const struct plane_end *e, unsigned code)
{
	const struct plane *p = e->line->p;

	return code && p->prepared && p->from != e->side;
}

static bool recv_send(struct plane_conn *c, struct msrp_head *h, struct plane_path *path)
{
	struct plane_end *e = path->end, *far = end_other(e);
	struct plane_known known;
	struct plane_msg *m;
	struct msrp_range r;
	unsigned code = 0;

	if (!head_ok(h, &r)) {
		plane_recv_refuse(c, h, path, 400);
		return true;
	}
	m = path->peer ? plane_msg_over(plane_msg_find(e, h->message_id), r.start) : NULL;
	if (!h->has_body && (!m || m->complete)) { /* binding or keepalive: ours alone (UP-39) */
		in_begin(c, IN_LOCAL, path, NULL);
		c->in.code = 200;
		return true;
	}
	if (!path->peer) { /* PROV-13: no content before the answer */
		plane_conn_wait(c, &e->waiters, false);
		return false;
	}
	if (!m && plane_past_knows(c, e, h, &r, &known)) {
		recv_known(c, h, path, &r, &known);
		return true;
	}
	if (m && m->code)
		code = m->code;
	else if (!m)
		code = plane_content_judge(e, h, r.start);
	if (!m && answer_may_allow(e, code)) {
		plane_conn_wait(c, &e->waiters, false);
		return false;
	}
	if (!code && too_large(e, m, &r))
		code = 413;
	if (!code && m && r.total != MSRP_STAR && m->total != MSRP_STAR && r.total != m->total)
		code = 400; /* it has one size (RFC 4975 7.1.1) */
	if (!code && c->overdue)
		code = 408;
	if (code) {
		c->overdue = false;
		plane_recv_refuse(c, h, path, code);
		return true;
	}
	if (too_many_open(e, far) || (m && m->judging && m->judging != c)) {
		plane_conn_wait(c, &e->waiters, true);
		if (far->n_near >= OPEN_MAX && far->n_near < OPEN_STUCK)
			plane_conn_wake(&far->waiters); /* it may go on, now that this one does not */
		return false;
	}
	if (m && plane_resend_known(m, c)) {
		recv_again(c, h, path, m);
		return true;
	}
	if (!plane_relay_ready(c, far, m))
		return false;
	relay_begin(c, h, path, m, &r);
	return true;
}

/* ---- the others ---- */

static void recv_report(struct plane_conn *c, const struct msrp_head *h, struct plane_path *path)
{
	in_begin(c, IN_REPORT, path, NULL);
	if (h->has_body)
		c->in.small = malloc(MSRP_SMALL_BODY_MAX); /* without: the REPORT goes unheard */
}

/* From somebody whose answer we do not have yet (PROV-13): no content is read before it is there. */
static bool recv_claim(struct plane_conn *c, const struct msrp_head *h, struct plane_path *path)
{
	struct msrp_range r;

	if (h->method == MSRP_SEND &&
	    (h->has_body || c->tp == PLANE_TLS)) /* UP-11: nor anything done, with TLS */
		return plane_fork_wait(c, path);
	in_begin(c, h->method == MSRP_REPORT ? IN_DROP : IN_LOCAL, NULL, NULL);
	c->in.code = h->method != MSRP_SEND ? 501 : head_ok(h, &r) ? 200 : 400;
	return true;
}

static bool peer_reads(struct plane_conn *c)
{
	if (c->small_queued < SMALL_QUEUED_MAX || plane_write_room(c) > 0)
		return true;
	plane_conn_wait(c, &c->waiters, false);
	return false;
}

bool plane_recv_head(struct plane_conn *c, struct msrp_head *h)
{
	struct plane_path *path;

	if (!h->is_request) {
		plane_out_response(c, h);
		if (!c->dead)
			in_begin(c, IN_DROP, NULL, NULL);
		return true;
	}
	if (!peer_reads(c)) /* who asks and does not read the answers */
		return false;
	switch (plane_path_bind(c, h, &path)) {
	case BIND_NONE:
		plane_recv_refuse(c, h, NULL, 481);
		c->doomed = true;
		return true;
	case BIND_ELSEWHERE:
		plane_recv_refuse(c, h, NULL, 506);
		c->doomed = true;
		return true;
	case BIND_WAIT:
		plane_conn_wait(c, &path->end->waiters, false);
		return false;
	case BIND_CLAIM:
		return recv_claim(c, h, path);
	case BIND_STRANGER: /* UP-46: not a word; but to who has a session there it is nobody's, and that session goes on */
		if (list_empty(&c->paths)) {
			plane_conn_close(c, plane_stranger);
			return false;
		}
		plane_recv_refuse(c, h, NULL, 481);
		return true;
	case BIND_OK:
		break;
	}
	if (h->method == MSRP_SEND)
		return recv_send(c, h, path);
	if (h->method == MSRP_REPORT) {
		recv_report(c, h, path);
		return true;
	}
	if (plane_nick_may(path, h)) { /* UP-40 */
		in_begin(c, IN_NICK, path, NULL);
		return true;
	}
	in_begin(c, IN_LOCAL, path, NULL);
	c->in.code = 501; /* UP-21 */
	plane_count_code(path->end->line, 501);
	c->ps->stats.refused++;
	return true;
}

static void again_end(struct plane_conn *c)
{
	struct plane_near *n = c->in.near;

	c->in.near = NULL;
	if (n && c->ps->conf.ack_end)
		plane_near_read(n);
	else if (n)
		plane_near_answer(n, 200);
}

static void known_end(struct plane_conn *c, const struct msrp_event *ev)
{
	const struct plane_in *in = &c->in;
	bool fits = in->pos - 1 <= in->total;

	respond(c, ev->head, in->path, fits ? 200 : 400);
	if (fits && in->report && ev->flag == '$')
		plane_report_again(in->path->end, ev->head->message_id, in->total);
}

void plane_recv_end(struct plane_conn *c, const struct msrp_event *ev)
{
	switch (c->in.mode) {
	case IN_RELAY:
		plane_relay_end(c, ev);
		break;
	case IN_LOCAL:
		respond(c, ev->head, c->in.path, c->in.code);
		break;
	case IN_AGAIN:
		again_end(c);
		break;
	case IN_KNOWN:
		known_end(c, ev);
		break;
	case IN_NICK:
		if (ev->flag == '$')
			plane_nick_forward(c, ev->head);
		else /* it is whole or nothing: only SEND comes in chunks (RFC 4975 5.1) */
			respond(c, ev->head, c->in.path, 400);
		break;
	case IN_REPORT:
		plane_report_end(c, ev->head, (struct span){ c->in.small, c->in.small_n });
		break;
	case IN_DROP:
		if (c->in.msg && ev->flag != '+')
			c->in.msg->complete = true;
		break;
	}
	plane_recv_clear(c);
	if (c->doomed && list_empty(&c->paths) && list_empty(&c->claims))
		plane_conn_close(c, "no session");
	c->doomed = false;
}
