/* SPDX-License-Identifier: MIT */
/*
 * Transactions: the SENDs received (near) and the SENDs sent for them (out), and when a near one is answered (UP-25a).
 *
 * A near SEND gets its 200 when its last byte was read and nothing of it is pending any more; all times are constants,
 * so what is waiting stands in lists in the order of its deadlines and one timer serves each list.
 */
#include "im/plane_int.h"

enum { POOL_NEAR, POOL_OUT, POOL_MAX = 1024 };

static void *pool_get(struct planes *ps, struct list *pool, unsigned which, size_t link_at, size_t size)
{
	struct list *l = list_pop(pool);

	if (!l)
		return calloc(1, size);
	ps->n_pool[which]--;
	return memset((char *)l - link_at, 0, size);
}

static void pool_put(struct planes *ps, struct list *pool, unsigned which, void *obj, struct list *link)
{
	if (ps->n_pool[which] == POOL_MAX) {
		free(obj);
		return;
	}
	ps->n_pool[which]++;
	list_init(link);
	list_push(pool, link);
}

/* The oldest of a list is due; arms t for it. */
static void arm(struct planes *ps, struct timer *t, uint64_t due, timer_fn *fn)
{
	if (!timer_is_set(t))
		timer_set(ps->wheel, t, due, fn);
}

static void path_open(struct plane_path *p, int by)
{
	p->n_open = (uint32_t)((int)p->n_open + by);
	plane_path_poke(p);
}

/* ---- near ---- */

struct plane_near *plane_near_open(struct plane_conn *c, const struct msrp_head *h, struct plane_msg *m,
				   struct plane_path *path)
{
	struct planes *ps = c->ps;
	struct plane_end *e = path->end;
	bool loose = h->failure == MSRP_FAILURE_PARTIAL;
	struct span from = h->from_path, first, last;
	struct plane_near *n;

	if (loose && e->n_near_loose == LOOSE_MAX) /* its errors will be REPORTs */
		return NULL;
	n = pool_get(ps, &ps->pool_near, POOL_NEAR, offsetof(struct plane_near, on_msg), sizeof(*n));
	if (!n)
		return NULL;
	if (span_eq(from, peer_path(path->peer)))
		from = peer_first(path->peer);
	else if (msrp_path_ends(from, &first, &last))
		from = first;
	if (span_eq(from, peer_first(path->peer))) {
		n->peer = path->peer;
		n->peer->refs++;
	} else if ((n->to = span_dup(from)) == NULL) {
		pool_put(ps, &ps->pool_near, POOL_NEAR, n, &n->on_msg);
		return NULL;
	}
	n->msg = m, n->conn = c, n->path = path;
	n->loose = loose;
	n->tid_n = (uint8_t)h->tid.n;
	memcpy(n->tid, h->tid.p, h->tid.n);
	list_push(&m->nears, &n->on_msg);
	list_push(&c->nears, &n->on_conn);
	list_init(&n->on_fifo);
	*(loose ? &e->n_near_loose : &e->n_near) += 1;
	path_open(path, 1);
	return n;
}

void plane_near_free(struct plane_near *n)
{
	struct plane_msg *m = n->msg;
	struct plane_end *e = n->path->end;
	struct planes *ps = end_planes(e);

	list_each(l, &m->outs) {
		struct plane_out *o = container_of(l, struct plane_out, on_msg);
		if (o->near == n)
			o->near = NULL;
	}
	plane_held_forget(n);
	if (n->conn->in.near == n)
		n->conn->in.near = NULL;
	list_del(&n->on_msg), list_del(&n->on_fifo), list_del(&n->on_conn);
	*(n->loose ? &e->n_near_loose : &e->n_near) -= 1;
	if (e->n_near <= OPEN_LOW)
		plane_conn_wake(&e->waiters);
	path_open(n->path, -1);
	plane_conn_check_unused(n->conn);
	plane_peer_unref(n->peer);
	free(n->to);
	pool_put(ps, &ps->pool_near, POOL_NEAR, n, &n->on_msg);
}

void plane_near_answer(struct plane_near *n, unsigned code)
{
	struct span to = n->to ? span_of(n->to) : peer_first(n->peer);

	if (!n->loose || code != 200)
		plane_write_response(n->conn, (struct span){ n->tid, n->tid_n }, code, to, path_uri(n->path));
	plane_near_free(n);
}

void plane_near_read(struct plane_near *n)
{
	struct planes *ps = n->conn->ps;

	n->read = true;
	if (n->pending == 0 && !n->loose) {
		plane_near_answer(n, 200);
		return;
	}
	n->due = ps->now_us + ps->conf.end_bound_ms * US_PER_MS;
	list_push(&ps->nears, &n->on_fifo);
	arm(ps, &ps->t_nears, n->due, plane_ack_on_nears);
}

static void near_confirmed(struct plane_near *n)
{
	if (--n->pending == 0 && n->read && !n->loose)
		plane_near_answer(n, 200);
}

/* Of m, what was asked to be silent unless it fails, and was passed on: silence is success (RFC 4975 7.1.2, "partial"). */
void plane_ack_silent(struct plane_msg *m, const struct plane_path *on)
{
	m->users++; /* keep it while we look */
	list_each(k, &m->nears) {
		struct plane_near *n = container_of(k, struct plane_near, on_msg);
		if (n->loose && n->read && (!on || n->path == on) && !plane_held_holds(n))
			plane_near_free(n);
	}
	list_each(k, &m->outs) {
		struct plane_out *o = container_of(k, struct plane_out, on_msg);
		if (!o->loose || o->open || (on && o->path != on))
			continue;
		if (o->near)
			o->near->pending--;
		plane_out_free(o);
	}
	m->users--;
}

void plane_ack_on_nears(struct timer *t, uint64_t now_us)
{
	struct planes *ps = container_of(t, struct planes, t_nears);

	plane_enter(ps, now_us);
	while (!list_empty(&ps->nears)) {
		struct plane_near *n = container_of(ps->nears.next, struct plane_near, on_fifo);
		struct plane_msg *m = n->msg;
		if (n->due > now_us)
			break;
		if (n->loose) { /* partial: silence was success */
			plane_near_free(n);
			plane_msg_settle(m);
		} else {
			plane_msg_fail(m, 408);
		}
	}
	if (!list_empty(&ps->nears))
		arm(ps, t, container_of(ps->nears.next, struct plane_near, on_fifo)->due, plane_ack_on_nears);
	plane_leave(ps, true);
}

/* ---- out ---- */

struct plane_out *plane_out_open(struct plane_path *path, struct plane_msg *m, struct plane_near *n)
{
	struct plane_end *e = path->end;
	struct planes *ps = end_planes(e);
	struct plane_out *o =
		pool_get(ps, &ps->pool_out, POOL_OUT, offsetof(struct plane_out, on_msg), sizeof(*o));
	uint64_t tid;

	if (!o)
		return NULL;
	plane_random(ps, &tid, sizeof(tid));
	o->msg = m, o->near = n, o->conn = path->conn, o->path = path;
	o->open = true;
	o->loose = m && m->failure == MSRP_FAILURE_PARTIAL;
	o->tracked = !m || m->failure == MSRP_FAILURE_YES || (o->loose && e->n_out_loose < LOOSE_MAX);
	o->link.hash = tid;
	if (o->tracked)
		htab_put(&ps->outs, &o->link, tid);
	list_init(&o->on_fifo);
	list_push(m ? &m->outs : &path->own, &o->on_msg);
	list_push(&path->conn->outs, &o->on_conn);
	if (n)
		n->pending++;
	if (m && o->tracked)
		*(o->loose ? &e->n_out_loose : &e->n_out) += 1;
	path_open(path, 1);
	return o;
}

void plane_out_free(struct plane_out *o)
{
	struct plane_end *e = o->path->end, *from = end_other(e);
	struct planes *ps = end_planes(e);

	plane_copy_drop(o);
	if (o->nick)
		plane_nick_answer(o, 408);
	if (o->tracked)
		htab_del(&ps->outs, &o->link);
	list_del(&o->on_msg), list_del(&o->on_fifo), list_del(&o->on_conn);
	if (o->msg && o->tracked)
		*(o->loose ? &e->n_out_loose : &e->n_out) -= 1;
	if (e->n_out <= OUT_LOW)
		plane_conn_wake(&from->waiters);
	path_open(o->path, -1);
	plane_conn_check_unused(o->conn);
	pool_put(ps, &ps->pool_out, POOL_OUT, o, &o->on_msg);
}

/* The far side has it. */
static void out_confirmed(struct plane_out *o)
{
	struct plane_near *n = o->near;
	struct plane_msg *m = o->msg;

	plane_out_free(o);
	if (n)
		near_confirmed(n);
	if (m && m->orphan)
		plane_resend_confirmed(m);
	if (m)
		plane_msg_settle(m);
}

void plane_out_written(struct plane_out *o)
{
	struct planes *ps = o->conn->ps;

	o->open = false;
	if (o->acked) {
		out_confirmed(o);
		return;
	}
	if (!o->tracked) {
		if (o->near)
			o->near->pending--;
		plane_out_free(o);
		return;
	}
	o->due = ps->now_us + OUT_WAIT_US;
	list_push(&ps->outs_due, &o->on_fifo);
	arm(ps, &ps->t_outs, o->due, plane_ack_on_outs);
}

/* Takes o out of the connection it is being written to; its chunk ends there as aborted. */
void plane_out_abort(struct plane_out *o)
{
	struct plane_conn *c = o->conn;

	if (!o->open)
		return;
	o->open = false;
	if (!c->writer)
		return;
	c->writer->in.out = NULL;
	c->writer = NULL;
	if (c->dead)
		return;
	plane_relay_tail(o, o->has_body, '#');
	if (o->msg)
		o->msg->aborted = true;
	plane_write_chunk_over(c);
}

void plane_out_fail(struct plane_out *o, unsigned code, bool timeout)
{
	struct plane_msg *m = o->msg;
	const struct plane_near *n = o->near;
	uint64_t start = o->start, len = o->n;

	plane_out_abort(o);
	if (o->near)
		o->near->pending--;
	plane_out_free(o);
	if (m)
		plane_msg_far_error(m, n, start, len, code, timeout);
}

void plane_out_lost(struct plane_out *o)
{
	if (!plane_copy_again(o))
		plane_out_fail(o, 408, false);
}

void plane_ack_on_outs(struct timer *t, uint64_t now_us)
{
	struct planes *ps = container_of(t, struct planes, t_outs);

	plane_enter(ps, now_us);
	while (!list_empty(&ps->outs_due)) {
		struct plane_out *o = container_of(ps->outs_due.next, struct plane_out, on_fifo);
		struct plane_msg *m = o->msg;
		if (o->due > now_us)
			break;
		if (m && !o->loose) {
			plane_out_fail(o, 408, true);
			continue;
		}
		if (o->probe) {
			plane_conn_close(o->conn, "no answer");
			continue;
		}
		if (o->near)
			o->near->pending--;
		plane_out_free(o);
		if (m)
			plane_msg_settle(m);
	}
	if (!list_empty(&ps->outs_due))
		arm(ps, t, container_of(ps->outs_due.next, struct plane_out, on_fifo)->due,
		    plane_ack_on_outs);
	plane_leave(ps, true);
}

/* ---- responses ---- */

/* UP-25a: these would make the sender end a healthy session of its own. */
static unsigned near_code(unsigned code)
{
	return code == 481 || code == 506 || code == 501 || code == 423 ? 408 : code;
}

static bool tid_value(struct span tid, uint64_t *out)
{
	uint64_t v = 0;

	if (tid.n != TID_LEN)
		return false;
	for (unsigned i = 0; i < TID_LEN; i++) {
		char c = tid.p[i];
		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*out = v;
	return true;
}

static bool out_eq(const struct htab_link *l, const void *conn)
{
	return container_of(l, const struct plane_out, link)->conn == conn;
}

static void out_refused(struct plane_out *o, unsigned code)
{
	struct plane_path *p = o->path;
	struct plane_end *e = p->end;

	/* UP-29: the peer has this session on another connection, or only the newer one on any: not the message is refused. */
	if (code == 506 || (code == 481 && (p->state == PATH_OLD || p->again))) {
		if (p->conn == o->conn)
			plane_repair_refused(p, code);
		plane_resend_path(p, o);
		plane_held_flush(e);
		return;
	}
	if (code == 481 && p->state == PATH_CURRENT)
		plane_lost(e, "481 from the peer");
	plane_out_fail(o, near_code(code), false);
}

void plane_out_response(struct plane_conn *c, const struct msrp_head *h)
{
	struct htab_link *l;
	struct plane_out *o;
	uint64_t tid;

	if (!tid_value(h->tid, &tid) || (l = htab_get(&c->ps->outs, tid, out_eq, c)) == NULL)
		return; /* UP-23 */
	o = container_of(l, struct plane_out, link);
	if (o->nick) {
		plane_nick_answer(o, h->code == 481 || h->code == 506 ? 408 : h->code);
		plane_out_free(o);
		return;
	}
	if (!o->path->seen && h->code != 481 && h->code != 506)
		plane_path_seen(o->path);
	if (h->code / 100 != 2)
		out_refused(o, h->code);
	else if (o->open)
		o->acked = true;
	else
		out_confirmed(o);
}

void plane_ack_bind(struct plane_path *path, bool probe)
{
	struct planes *ps = end_planes(path->end);
	char text[MSRP_LINE_MAX + 1024], tid[TID_LEN], id[TID_LEN];
	struct wbuf w = wbuf_on(text, sizeof(text));
	struct plane_out *o = plane_out_open(path, NULL, NULL);
	uint64_t r;

	if (!o)
		return;
	o->probe = probe;
	plane_random(ps, &r, sizeof(r));
	plane_tid_text(o->link.hash, tid), plane_tid_text(r, id);
	w_msrp_request(&w, (struct span){ tid, TID_LEN }, SPAN("SEND"), peer_path(path->peer),
		       path_uri(path));
	w_str(&w, "Message-ID: "), w_bytes(&w, id, TID_LEN);
	w_str(&w, "\r\nByte-Range: 1-0/0\r\n");
	w_msrp_end(&w, (struct span){ tid, TID_LEN }, '$');
	if (w_ok(&w))
		plane_write_small(o->conn, w_span_of(&w));
	plane_out_written(o);
}
