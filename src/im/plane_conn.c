/* SPDX-License-Identifier: MIT */
/*
 * Connections: what the world tells us about them, the loop from bytes to events, stopping and going on.
 *
 * A connection that may not go on takes less than it is given and waits on the list of whatever will wake it: another
 * connection (room), or an end (an answer, a binding, SENDs confirmed).  A connection may carry many sessions, and then
 * waiting for one of them stops them all; that is why a wait for a far side is bounded (UPA-14).
 */
#include "im/plane_int.h"

/* ---- unbound connections, counted by source ---- */

static bool source_eq(const struct htab_link *l, const void *key)
{
	return addr_same_ip(&container_of(l, const struct plane_source, link)->addr, key);
}

static int source_add(struct plane_conn *c, const struct addr *from)
{
	struct planes *ps = c->ps;
	struct span key = { (const char *)from->ip, from->family == 4 ? 4 : 16 };
	uint64_t hash = htab_hash(&ps->sources, key);
	struct htab_link *l = htab_get(&ps->sources, hash, source_eq, from);
	struct plane_source *s = l ? container_of(l, struct plane_source, link) : NULL;

	if (!s) {
		if ((s = calloc(1, sizeof(*s))) == NULL)
			return -ENOMEM;
		s->addr = *from;
		htab_put(&ps->sources, &s->link, hash);
	}
	c->source = s;
	s->n++;
	return s->n > ps->conf.unbound_per_source_max ? -EMFILE : 0;
}

static void source_del(struct plane_conn *c)
{
	struct plane_source *s = c->source;

	c->source = NULL;
	if (s && --s->n == 0) {
		htab_del(&c->ps->sources, &s->link);
		free(s);
	}
}

/* ---- life ---- */

struct plane_conn *plane_conn_create(struct planes *ps)
{
	struct plane_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->ps = ps;
	c->id = ++ps->conn_ids;
	msrp_framer_init(&c->f);
	list_init(&c->paths), list_init(&c->claims), list_init(&c->waiters), list_init(&c->wait),
		list_init(&c->in_path);
	list_init(&c->on_check);
	list_init(&c->outs), list_init(&c->nears);
	list_push(&ps->conns, &c->link);
	ps->stats.connections++;
	return c;
}

/* What is open on it ends; what is bound to it is no longer.  told: the sessions hear of it. */
static void conn_end(struct plane_conn *c, const char *why)
{
	struct planes *ps = c->ps;

	c->dead = true;
	c->up = false;
	while (!list_empty(&c->outs)) /* the latest first: each goes before what it found held */
		plane_out_lost(container_of(c->outs.prev, struct plane_out, on_conn));
	if (c->in.out)
		plane_relay_cut(c, '+'); /* the sender may come back and go on (UPA-13) */
	plane_recv_clear(c);
	while (!list_empty(&c->nears)) {
		struct plane_near *n = container_of(c->nears.next, struct plane_near, on_conn);
		struct plane_msg *m = n->msg;
		m->orphan |= !n->loose;
		plane_near_free(n);
		plane_msg_settle(m); /* nothing else may be open of it, and nobody may come back */
	}
	while (!list_empty(&c->paths)) {
		struct plane_path *p = container_of(c->paths.next, struct plane_path, on_conn);
		p->conn = NULL;
		list_del(&p->on_conn);
		if (p->state == PATH_CURRENT)
			plane_repair_lost(p, why);
	}
	plane_fork_forget(c);
	plane_nick_forget(c);
	plane_conn_wake(&c->waiters);
	list_del(&c->wait), list_del(&c->on_check);
	timer_stop(ps->wheel, &c->t);
	timer_stop(ps->wheel, &c->t_late);
	source_del(c);
	if (c->dest_name)
		htab_del(&ps->dests, &c->dest);
	free(c->dest_name), c->dest_name = NULL;
	free(c->late), c->late = NULL;
	msrp_framer_finish(&c->f);
	list_del(&c->link);
	if (!c->feeding) /* else its input frees it */
		list_push(&ps->dead, &c->link);
	ps->stats.connections--;
}

void plane_conn_close(struct plane_conn *c, const char *why)
{
	struct planes *ps = c->ps;

	if (c->dead)
		return;
	conn_end(c, why);
	plane_write_flush(ps);
	if (c->wc)
		ps->port.msrp_close(ps->port.w, c->wc);
}

/* Not at once: whoever calls may be looking at lists that closing would change. */
void plane_conn_check_unused(struct plane_conn *c)
{
	if (!c->dead && list_empty(&c->on_check))
		list_push(&c->ps->check, &c->on_check);
}

void plane_conn_close_unused(struct planes *ps)
{
	struct list *l;

	while ((l = list_pop(&ps->check)) != NULL) {
		struct plane_conn *c = container_of(l, struct plane_conn, on_check);
		if (c->bound_once && list_empty(&c->paths) && list_empty(&c->claims) &&
		    list_empty(&c->outs) && list_empty(&c->nears) && c->in.mode != IN_RELAY && !c->writer)
			plane_conn_close(c, "unused");
	}
}

static void on_unbound(struct timer *t, uint64_t now_us) /* UP-16 */
{
	struct plane_conn *c = container_of(t, struct plane_conn, t);
	struct planes *ps = c->ps;

	plane_enter(ps, now_us);
	ps->stats.unbound++;
	plane_conn_close(c, "no request");
	plane_leave(ps, true);
}

struct plane_conn *planes_accept(struct planes *ps, void *wc, enum plane_tp tp, const struct addr *from,
				 uint64_t now_us)
{
	struct plane_conn *c;

	if (ps->stats.connections >= ps->conf.connections_max || (c = plane_conn_create(ps)) == NULL)
		return NULL;
	plane_enter(ps, now_us);
	if (source_add(c, from) < 0) {
		ps->stats.over_limit++;
		conn_end(c, "too many");
		c = NULL;
	} else {
		c->wc = wc;
		c->tp = (uint8_t)tp;
		c->up = true;
		timer_set(ps->wheel, &c->t, now_us + ps->conf.bind_wait_ms * US_PER_MS, on_unbound);
	}
	plane_leave(ps, true);
	return c;
}

void plane_conn_bound(struct plane_conn *c)
{
	if (c->bound_once)
		return;
	c->bound_once = true;
	source_del(c);
	timer_stop(c->ps->wheel, &c->t);
}

/* UP-11: a session whose peer this is not goes before it is told a word. */
static void refuse_strangers(struct plane_conn *c)
{
	list_each(l, &c->paths) {
		struct plane_path *p = container_of(l, struct plane_path, on_conn);
		if (!plane_tls_ok(p, c))
			plane_repair_refused(p, 0);
	}
}

void plane_conn_connected(struct plane_conn *c, uint64_t now_us)
{
	struct planes *ps = c->ps;

	plane_enter(ps, now_us);
	c->up = true;
	if (c->tp == PLANE_TLS)
		refuse_strangers(c);
	list_each(l, &c->paths)
		plane_ack_bind(container_of(l, struct plane_path, on_conn), false);
	list_each(l, &c->paths) {
		struct plane_path *p = container_of(l, struct plane_path, on_conn);
		if (p->state == PATH_CURRENT)
			plane_held_flush(p->end);
		plane_report_flush(p->end);
		plane_conn_wake(&p->end->waiters);
	}
	plane_leave(ps, true);
}

void plane_conn_closed(struct plane_conn *c, uint64_t now_us)
{
	struct planes *ps = c->ps;

	plane_enter(ps, now_us);
	plane_write_forget(c);
	c->wc = NULL;
	if (!c->dead)
		conn_end(c, c->up ? "connection lost" : "cannot connect");
	plane_leave(ps, true);
}

void plane_conn_drained(struct plane_conn *c, uint64_t now_us)
{
	struct planes *ps = c->ps;

	plane_enter(ps, now_us);
	list_each(l, &c->paths) {
		struct plane_path *p = container_of(l, struct plane_path, on_conn);
		if (!list_empty(&p->end->held))
			plane_held_flush(p->end);
	}
	plane_conn_wake(&c->waiters);
	plane_leave(ps, true);
}

/* ---- stopping ---- */

static void on_stopped(struct timer *t, uint64_t now_us)
{
	struct plane_conn *c = container_of(t, struct plane_conn, t);
	struct planes *ps = c->ps;

	plane_enter(ps, now_us);
	c->overdue = true; /* what it waits with is failed when it is fed again */
	if (c->in.mode == IN_RELAY)
		plane_msg_fail(c->in.msg, 408);
	list_del(&c->wait);
	ps->port.msrp_resume(ps->port.w, c->wc);
	plane_leave(ps, true);
}

void plane_conn_wait(struct plane_conn *c, struct list *on, bool bounded)
{
	list_del(&c->wait);
	list_push(on, &c->wait);
	if (bounded && c->bound_once && !timer_is_set(&c->t))
		timer_set(c->ps->wheel, &c->t, c->ps->now_us + c->ps->conf.end_bound_ms * US_PER_MS,
			  on_stopped);
}

void plane_conn_wake(struct list *waiters)
{
	struct list *l;

	while ((l = list_pop(waiters)) != NULL) {
		struct plane_conn *c = container_of(l, struct plane_conn, wait);
		plane_path_unquiet(c);
		if (c->feeding) /* the world cannot know yet that it stopped */
			c->woken = true;
		else if (!c->dead)
			c->ps->port.msrp_resume(c->ps->port.w, c->wc);
	}
}

/* ---- bytes to events ---- */

static void conn_broken(struct plane_conn *c, const struct msrp_head *h, int err)
{
	if (err != -ENOMEM && h && h->is_request && h->from_path.p && h->method != MSRP_REPORT) {
		struct span first, last;
		if (msrp_path_ends(h->from_path, &first, &last))
			plane_write_response(c, h->tid, 400, h->method == MSRP_SEND ? first : h->from_path,
					     h->to_path);
	}
	c->ps->stats.refused++;
	plane_conn_close(c, err == -ENOMEM ? "no memory" : "broken framing");
}

/* One event.  False: stop. */
static bool conn_event(struct plane_conn *c, int step, struct msrp_event *ev)
{
	switch (step) {
	case MSRP_HEAD:
		if (!plane_recv_head(c, ev->head))
			return false;
		msrp_frame_accept(&c->f);
		break;
	case MSRP_BODY:
		if (c->in.mode == IN_RELAY)
			plane_relay_body(c, ev);
		else if (c->in.mode == IN_KNOWN)
			c->in.pos += ev->body.n;
		else if (ev->head->method != MSRP_SEND) {
			if (c->in.small_n + ev->body.n > MSRP_SMALL_BODY_MAX)
				return conn_broken(c, ev->head, -EMSGSIZE), false;
			if (c->in.mode == IN_REPORT && c->in.small)
				memcpy(c->in.small + c->in.small_n, ev->body.p, ev->body.n);
			c->in.small_n += (uint32_t)ev->body.n;
		}
		break;
	case MSRP_END:
		plane_recv_end(c, ev);
		break;
	}
	return !c->dead;
}

static void conn_feed(struct plane_conn *c, struct span *rest)
{
	struct msrp_event ev;

	while (rest->n && !c->dead) {
		struct span part = plane_relay_window(c, *rest);
		size_t given = part.n;
		int step;
		if (given == 0)
			return;
		step = msrp_frame_next(&c->f, &part, &c->ps->head, &ev);
		*rest = span_skip(*rest, given - part.n);
		if (step < 0) {
			conn_broken(c, ev.head, step);
			return;
		}
		/* An end may be known without one byte more. */
		while (step > 0) {
			if (!conn_event(c, step, &ev))
				return;
			if (step != MSRP_BODY || !ev.last)
				break;
			part = SPAN_EMPTY;
			step = msrp_frame_next(&c->f, &part, &c->ps->head, &ev);
		}
	}
}

/* What may go on after this input, and for how long what stopped may stay so. */
static void conn_fed(struct plane_conn *c, bool some, bool left)
{
	struct planes *ps = c->ps;

	if (c->dead || !c->bound_once)
		return;
	if (!left || list_empty(&c->wait)) {
		timer_stop(ps->wheel, &c->t);
		c->overdue = false;
	} else if (some && timer_is_set(&c->t)) {
		timer_set(ps->wheel, &c->t, ps->now_us + ps->conf.end_bound_ms * US_PER_MS, on_stopped);
	}
}

size_t plane_conn_input(struct plane_conn *c, struct span in, uint64_t now_us)
{
	struct planes *ps = c->ps;
	struct span rest = in;

	if (c->dead)
		return in.n;
	c->feeding = true;
	do {
		size_t before = rest.n;
		plane_enter(ps, now_us);
		c->woken = false;
		list_del(&c->wait);
		conn_feed(c, &rest);
		if (!c->dead && msrp_frame_keep(&c->f) < 0)
			conn_broken(c, NULL, -ENOMEM);
		conn_fed(c, rest.n<before, rest.n> 0);
		plane_leave(ps, true);
	} while (c->woken && !c->dead && rest.n);
	c->feeding = false;
	if (c->dead) {
		rest.n = 0;
		list_del(&c->link);
		free(c);
	}
	return in.n - rest.n;
}
