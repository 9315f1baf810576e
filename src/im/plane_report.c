/* SPDX-License-Identifier: MIT */
/*
 * Messages by their Message-ID, and REPORTs.  A message is remembered while anything of it is open, while it is not
 * complete, and while its sender waits for a success REPORT; bounded per end and in time (UP-45).  The table is what
 * carries a REPORT across a change of path: it leads to the sender's end, and that knows its present path (UPA-16).
 */
#include "im/plane_int.h"

/* A REPORT whose receiver has no connection. */
struct plane_late_report {
	struct list link;
	size_t n;
	char text[]; /* what follows From-Path, with the body, up to the end-line */
};

struct plane_late {
	struct list reports;
	size_t bytes;
};

enum { LATE_REPORTS_MAX = 65536, EVICT_TRIES = 16, MSG_POOL = 2, MSG_POOL_MAX = 256 };

struct msg_key {
	const struct plane_end *end;
	struct span id;
};

static bool msg_eq(const struct htab_link *l, const void *key)
{
	const struct plane_msg *m = container_of(l, const struct plane_msg, link);
	const struct msg_key *k = key;

	return m->end == k->end && m->id_n == k->id.n && memcmp(m->id, k->id.p, k->id.n) == 0;
}

uint64_t plane_msg_hash(const struct plane_end *e, struct span id)
{
	return htab_hash(&end_planes(e)->msgs, id) ^ ((uint64_t)(uintptr_t)e >> 4) * 0x9e3779b97f4a7c15ull;
}

struct plane_msg *plane_msg_find(struct plane_end *e, struct span id)
{
	struct msg_key k = { e, id };
	struct htab_link *l;

	if (!e->n_msgs)
		return NULL;
	l = htab_get(&end_planes(e)->msgs, plane_msg_hash(e, id), msg_eq, &k);
	return l ? container_of(l, struct plane_msg, link) : NULL;
}

static bool msg_busy(const struct plane_msg *m)
{
	return m->users || !list_empty(&m->nears) || !list_empty(&m->outs);
}

static bool msg_evict(struct plane_end *e)
{
	unsigned tries = 0;

	list_each(l, &e->msgs) {
		struct plane_msg *m = container_of(l, struct plane_msg, on_end);
		if (!msg_busy(m)) {
			plane_msg_destroy(m);
			return true;
		}
		if (++tries == EVICT_TRIES)
			break;
	}
	return false;
}

struct plane_msg *plane_msg_create(struct plane_end *e, const struct msrp_head *h)
{
	struct planes *ps = end_planes(e);
	struct list *l;
	struct plane_msg *m;

	if (e->n_msgs >= MSGS_MAX && !msg_evict(e))
		return NULL;
	l = list_pop(&ps->pool_msg);
	if (l)
		ps->n_pool[MSG_POOL]--;
	m = l ? container_of(l, struct plane_msg, on_end) : malloc(sizeof(*m));
	if (!m)
		return NULL;
	memset(m, 0, offsetof(struct plane_msg, id));
	m->end = e;
	m->total = MSRP_STAR;
	m->next = 1;
	m->failure = (uint8_t)h->failure;
	m->success = h->success;
	m->id_n = (uint8_t)h->message_id.n;
	memcpy(m->id, h->message_id.p, m->id_n);
	list_init(&m->nears), list_init(&m->outs), list_init(&m->on_idle);
	list_push(&e->msgs, &m->on_end);
	e->n_msgs++;
	htab_put(&ps->msgs, &m->link, plane_msg_hash(e, h->message_id));
	return m;
}

static void msg_waits_no_more(struct plane_msg *m)
{
	if (m->waiting)
		m->end->n_reports--;
	m->waiting = false;
}

void plane_msg_destroy(struct plane_msg *m)
{
	struct planes *ps = end_planes(m->end);

	msg_waits_no_more(m);
	htab_del(&ps->msgs, &m->link);
	list_del(&m->on_end), list_del(&m->on_idle);
	m->end->n_msgs--;
	free(m->cover);
	plane_content_free(m);
	if (ps->n_pool[MSG_POOL] == MSG_POOL_MAX) {
		free(m);
		return;
	}
	ps->n_pool[MSG_POOL]++;
	list_push(&ps->pool_msg, &m->on_end);
}

/* It has failed, and ended on one path; on another the same may still be on its way, and is not a new message (UP-24). */
static bool msg_failed_twice(const struct plane_msg *m)
{
	return m->code && m->twice;
}

/* All of it came, and its sender was told 200. */
static bool msg_answered(const struct plane_msg *m)
{
	return m->whole && !m->gap && !m->code && m->failure == MSRP_FAILURE_YES;
}

void plane_msg_settle(struct plane_msg *m)
{
	struct planes *ps = end_planes(m->end);

	if (msg_busy(m))
		return;
	if (m->complete && !m->waiting && !plane_resend_may_come(m) && !msg_failed_twice(m)) {
		if (msg_answered(m))
			plane_past_add(m);
		plane_msg_destroy(m);
		return;
	}
	m->idle_due = ps->now_us + MSG_IDLE_US;
	list_del(&m->on_idle);
	list_push(&ps->idle, &m->on_idle);
	if (!timer_is_set(&ps->t_idle))
		timer_set(ps->wheel, &ps->t_idle, m->idle_due, plane_msg_on_idle);
}

void plane_msg_on_idle(struct timer *t, uint64_t now_us)
{
	struct planes *ps = container_of(t, struct planes, t_idle);

	plane_enter(ps, now_us);
	while (!list_empty(&ps->idle)) {
		struct plane_msg *m = container_of(ps->idle.next, struct plane_msg, on_idle);
		if (m->idle_due > now_us) {
			timer_set(ps->wheel, t, m->idle_due, plane_msg_on_idle);
			break;
		}
		list_del(&m->on_idle);
		if (msg_busy(m))
			continue;
		if (m->passed && !m->complete && !m->aborted && !m->code)
			plane_relay_abort(m); /* its sender never came back: the rest does not come */
		plane_msg_destroy(m);
	}
	plane_leave(ps, true);
}

void plane_msg_fail(struct plane_msg *m, unsigned code)
{
	bool dropped;

	if (m->code)
		return;
	m->code = (uint16_t)code;
	plane_file_over(m, false);
	m->users++;
	plane_count(m->end->line)->failed[m->end->side]++;
	plane_count_code(m->end->line, code);
	end_planes(m->end)->stats.failed++;
	while (!list_empty(&m->nears))
		plane_near_answer(container_of(m->nears.next, struct plane_near, on_msg), code);
	dropped = plane_held_drop(m);
	while (!list_empty(&m->outs)) {
		struct plane_out *o = container_of(m->outs.next, struct plane_out, on_msg);
		plane_out_abort(o);
		plane_out_free(o);
	}
	/* The far side has a part of it and would wait for the rest. */
	if (!m->aborted && m->passed && (!m->complete || dropped))
		plane_relay_abort(m);
	if (code != 408) /* a time that ran out says nothing: a late success REPORT still passes (UP-25a) */
		msg_waits_no_more(m);
	m->users--;
	plane_msg_settle(m);
}

/* Its sender begins it again under the same Message-ID.  What does not begin it is refused like the rest (UP-24). */
struct plane_msg *plane_msg_over(struct plane_msg *m, uint64_t start)
{
	if (!m || !m->code || !m->complete || start > 1 || msg_busy(m))
		return m;
	plane_msg_destroy(m);
	return NULL;
}

/* ---- REPORTs ---- */

/* Where a REPORT to this end goes now: its present path, or while that is not bound the last one that is. */
static struct plane_path *report_path(struct plane_end *e)
{
	if (path_up(e->path))
		return e->path;
	for (struct list *l = e->old.prev; l != &e->old; l = l->prev) {
		struct plane_path *p = container_of(l, struct plane_path, on_end);
		if (path_up(p))
			return p;
	}
	return NULL;
}

/* No response can say what a REPORT says, so it is not lost for want of a connection. */
static void report_keep(struct plane_end *e, struct span text)
{
	struct plane_late_report *r;

	if (!e->late && (e->late = calloc(1, sizeof(*e->late))) != NULL)
		list_init(&e->late->reports);
	if (!e->late || e->late->bytes + text.n > LATE_REPORTS_MAX ||
	    (r = malloc(sizeof(*r) + text.n)) == NULL)
		return;
	r->n = text.n;
	memcpy(r->text, text.p, text.n);
	e->late->bytes += text.n;
	list_push(&e->late->reports, &r->link);
}

static void report_write(struct plane_end *e, struct plane_path *p, struct span text)
{
	struct planes *ps = end_planes(e);
	struct wbuf w = wbuf_on(ps->scratch, SCRATCH_MAX);
	char tid[TID_LEN];
	uint64_t v;

	plane_random(ps, &v, sizeof(v));
	plane_tid_text(v, tid);
	w_msrp_request(&w, (struct span){ tid, TID_LEN }, SPAN("REPORT"), peer_path(p->peer), path_uri(p));
	w_span(&w, text);
	w_msrp_end(&w, (struct span){ tid, TID_LEN }, '$');
	if (w_ok(&w))
		plane_write_small(p->conn, w_span_of(&w));
}

static void report_send(struct plane_end *e, struct span text)
{
	struct plane_path *p = report_path(e);

	plane_count(e->line)->reports[side_other((enum side)e->side)]++;
	end_planes(e)->stats.reports++;
	if (p)
		report_write(e, p, text);
	else
		report_keep(e, text);
}

void plane_report_flush(struct plane_end *e)
{
	struct plane_path *p = e->late ? report_path(e) : NULL;

	if (!p)
		return;
	list_each(l, &e->late->reports) {
		struct plane_late_report *r = container_of(l, struct plane_late_report, link);
		report_write(e, p, (struct span){ r->text, r->n });
	}
	plane_report_clear(e);
}

void plane_report_clear(struct plane_end *e)
{
	struct list *l;

	while (e->late && (l = list_pop(&e->late->reports)) != NULL)
		free(container_of(l, struct plane_late_report, link));
	free(e->late);
	e->late = NULL;
}

static void report_failure(struct plane_msg *m, const struct msrp_range *r, unsigned code)
{
	char text[ID_MAX + 256];
	struct wbuf w = wbuf_on(text, sizeof(text));

	w_msrp_status(&w, (struct span){ m->id, m->id_n }, r, code);
	report_send(m->end, w_span_of(&w));
}

void plane_report_again(struct plane_end *e, struct span id, uint64_t n)
{
	char text[ID_MAX + 256];
	struct wbuf w = wbuf_on(text, sizeof(text));
	struct msrp_range all = { 1, n, n };

	w_msrp_status(&w, id, &all, 200);
	report_send(e, w_span_of(&w));
}

static bool near_overlaps(const struct plane_msg *m, const struct msrp_range *r)
{
	list_each(l, &m->nears) {
		const struct plane_near *n = container_of(l, const struct plane_near, on_msg);
		if (!n->loose && r->end >= n->start && (!n->read || r->start < n->start + n->n))
			return true;
	}
	return false;
}

void plane_msg_far_error(struct plane_msg *m, const struct plane_near *near, uint64_t start, uint64_t n,
			 unsigned code, bool timeout)
{
	struct msrp_range r = { start, start + n - 1, m->total };

	/* A response still says it, to all that is open of the message; else a REPORT must (UP-25a, UP-26). */
	if (!m->code && !near && !near_overlaps(m, &r) &&
	    (m->failure == MSRP_FAILURE_YES || (m->failure == MSRP_FAILURE_PARTIAL && !timeout)))
		report_failure(m, &r, code);
	if (m->code)
		plane_msg_settle(m);
	else
		plane_msg_fail(m, code);
}

/* "000 413 Too Large" */
static bool status_code(struct span s, unsigned *code)
{
	struct span ns = span_split(&s, ' ');
	uint64_t v;

	s = span_trim(s);
	if (!span_eq(ns, SPAN("000")) || span_u64(span_cut(s, 0, 3), 999, &v) < 0 || v < 100)
		return false;
	*code = (unsigned)v;
	return true;
}

/* r: what its Byte-Range is to the sender; NULL: as it stands. */
static void report_forward(struct plane_msg *m, const struct msrp_head *h, const struct msrp_range *r,
			   struct span body)
{
	char text[MSRP_HEAD_MAX + MSRP_SMALL_BODY_MAX + 8];
	struct wbuf w = wbuf_on(text, sizeof(text));

	if (r)
		w_msrp_rest(&w, h->rest, h->range_line, r);
	else
		w_span(&w, h->rest);
	if (h->has_body)
		w_str(&w, "\r\n"), w_span(&w, body), w_str(&w, "\r\n");
	if (w_ok(&w))
		report_send(m->end, w_span_of(&w));
}

static void report_covers(struct plane_msg *m, const struct msrp_range *r)
{
	uint64_t all = m->total != MSRP_STAR ? m->total : m->top;
	uint64_t end = r->end == MSRP_STAR ? all : r->end;

	if (r->start > 1 || end < all || !m->complete) {
		if (!m->cover && (m->cover = calloc(1, sizeof(*m->cover))) == NULL)
			return; /* it ages instead */
		msrp_cover_add(m->cover, r->start, end);
		if (!m->complete || !msrp_cover_has(m->cover, 1, all))
			return;
	}
	msg_waits_no_more(m);
}

/* A REPORT has come from the far side of a message received at the other end. */
void plane_report_end(struct plane_conn *c, const struct msrp_head *h, struct span body)
{
	struct msrp_range r = { 1, MSRP_STAR, MSRP_STAR };
	const struct msrp_range *there;
	struct plane_end *sender;
	struct plane_msg *m;
	unsigned code;

	if (!c->in.path || h->bad || !h->message_id.n || !status_code(h->status, &code) ||
	    (h->has_body && !body.p))
		return; /* UP-41 */
	if (h->byte_range.p && msrp_range_parse(&r, h->byte_range) < 0)
		return;
	sender = end_other(c->in.path->end);
	m = plane_msg_find(sender, h->message_id);
	if (!m || (code == 200 && !m->success) || (code != 200 && m->failure == MSRP_FAILURE_NO))
		return;
	there = h->byte_range.p && plane_adapt_to_near(m, &r) ? &r : NULL;
	if (there && r.end < r.start && r.total > 0) /* of the envelope alone, which is ours */
		return;
	m->users++;
	if (code == 200) {
		report_forward(m, h, there, body);
		report_covers(m, &r);
	} else {
		if (!near_overlaps(m, &r)) /* else the response says it */
			report_forward(m, h, there, body);
		plane_msg_fail(m, code);
	}
	m->users--;
	plane_msg_settle(m);
}

/* ---- what must be true ---- */

static void check_end(const struct plane_end *e)
{
	unsigned n_msgs = 0, n_near = 0, n_old = 0;
	uint32_t held = 0;

	list_each(l, &e->msgs) {
		const struct plane_msg *m = container_of(l, const struct plane_msg, on_end);
		n_msgs++;
		list_each(k, &m->nears) {
			const struct plane_near *n = container_of(k, const struct plane_near, on_msg);
			n_near += !n->loose;
			assert(n->path->n_open > 0);
		}
		assert(!m->code || (list_empty(&m->nears) && list_empty(&m->outs)));
	}
	list_each(l, &e->held) {
		const struct plane_held *s = container_of(l, const struct plane_held, on_end);
		held += s->rest_n + s->body_n;
	}
	list_each(l, &e->old)
		n_old++;
	assert(n_msgs == e->n_msgs);
	assert(n_near == e->n_near);
	assert(n_old == e->n_old && n_old <= OLD_MAX);
	assert(held == e->held_bytes);
	assert(!e->path || e->path->state == PATH_CURRENT);
	assert(!e->path || e->path->peer);
}

void planes_check(const struct planes *ps)
{
	uint64_t n = 0;

	list_each(l, &ps->all) {
		const struct plane *p = container_of(l, const struct plane, link);
		for (unsigned i = 0; i < p->n_lines; i++) {
			check_end(&p->line[i]->end[SIDE_A]);
			check_end(&p->line[i]->end[SIDE_B]);
		}
	}
	list_each(l, &ps->conns) {
		const struct plane_conn *c = container_of(l, const struct plane_conn, link);
		assert(!c->dead);
		assert(!c->writer || (c->writer->in.out && c->writer->in.out->conn == c));
		assert(!c->in.out || c->in.out->conn->writer == c);
		n++;
	}
	assert(n == ps->stats.connections);
}
