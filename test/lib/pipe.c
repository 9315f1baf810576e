/* SPDX-License-Identifier: MIT */
/*
 * MSRP connections of the simulated world: two byte queues each, with room, segments and delay.  A connection
 * outlives its last pending event, never the world; what either end has let go of is only marked dead.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/cert.h"
#include "lib/world_int.h"

struct queue { /* bytes under way in one direction */
	char *p;
	size_t n, cap;
	bool busy;    /* a delivery is scheduled */
	bool stopped; /* the receiver took less than it got */
};

struct wconn {
	struct world *w;
	struct list link;
	struct plane_conn *im; /* NULL: im does not know it (any more) */
	void *peer;
	struct addr ip; /* the peer's */
	char cert[32];  /* it shows; "": none */
	bool tls, ws;
	struct queue out, in; /* as seen from im */
	unsigned n_pending;   /* events that will come */
	bool peer_holds;      /* the peer has our pointer and must hear of our end */
	bool peer_open, im_closing, peer_closing, was_full, dead;
};

static void enqueue(struct queue *q, struct span s)
{
	if (q->cap - q->n < s.n) {
		q->cap = (q->n + s.n) * 2;
		q->p = realloc(q->p, q->cap);
		if (q->p == NULL)
			abort();
	}
	if (s.n)
		memcpy(q->p + q->n, s.p, s.n);
	q->n += s.n;
}

static void dequeue(struct queue *q, size_t n)
{
	memmove(q->p, q->p + n, q->n - n);
	q->n -= n;
}

static void conn_reap(struct wconn *c)
{
	if (!c->dead || c->n_pending)
		return;
	list_del(&c->link);
	free(c->out.p);
	free(c->in.p);
	free(c);
}

static void later(struct wconn *c, uint64_t delay_us, world_fn *fn)
{
	c->n_pending++;
	world_at(c->w, c->w->now_us + delay_us, fn, c, 0);
}

static uint64_t delay_of(struct world *w)
{
	return w->pipe_random && w->pipe_delay_us ? rng_below(&w->rng, w->pipe_delay_us) : w->pipe_delay_us;
}

static size_t segment_of(struct world *w, size_t n)
{
	size_t max = w->pipe_segment ? w->pipe_segment : n;
	if (w->pipe_random && max > 1)
		max = 1 + rng_below(&w->rng, max);
	return n < max ? n : max;
}

static void peer_gone(struct wconn *c)
{
	c->peer_open = false;
	if (!c->peer_holds)
		return;
	c->peer_holds = false;
	c->w->hooks.msrp_down(c->w->hooks.u, c, c->peer);
}

static void im_gone(struct wconn *c)
{
	struct plane_conn *im = c->im;
	c->im = NULL;
	if (im == NULL || c->im_closing)
		return;
	world_enter(c->w);
	plane_conn_closed(im, c->w->now_us);
	world_leave(c->w);
}

static void conn_end(struct wconn *c)
{
	if (c->dead)
		return;
	c->dead = true;
	peer_gone(c);
	im_gone(c);
}

static void flush_out(struct world *w, void *arg, uint64_t n);
static void flush_in(struct world *w, void *arg, uint64_t n);

static void kick_out(struct wconn *c)
{
	if (c->out.busy || c->out.stopped || c->dead || !c->peer_open)
		return;
	if (c->out.n == 0 && !c->im_closing)
		return;
	c->out.busy = true;
	later(c, delay_of(c->w), flush_out);
}

static void kick_in(struct wconn *c)
{
	if (c->in.busy || c->in.stopped || c->dead || c->im == NULL)
		return;
	if (c->in.n == 0 && !c->peer_closing)
		return;
	c->in.busy = true;
	later(c, delay_of(c->w), flush_in);
}

static void flush_out(struct world *w, void *arg, uint64_t n)
{
	struct wconn *c = arg;
	c->n_pending--;
	c->out.busy = false;
	if (!c->dead && c->peer_open && c->out.n) {
		struct span s = { c->out.p, segment_of(w, c->out.n) };
		size_t took = w->hooks.msrp_bytes(w->hooks.u, c, c->peer, s);
		c->out.stopped = took < s.n;
		dequeue(&c->out, took);
	}
	if (!c->dead && c->im_closing && c->out.n == 0)
		conn_end(c);
	if (!c->dead && c->was_full && c->im && c->out.n < w->pipe_room / 2) {
		c->was_full = false;
		world_enter(w);
		plane_conn_drained(c->im, w->now_us);
		world_leave(w);
	}
	kick_out(c);
	conn_reap(c);
}

static void flush_in(struct world *w, void *arg, uint64_t n)
{
	struct wconn *c = arg;
	c->n_pending--;
	c->in.busy = false;
	if (!c->dead && c->im && !c->im_closing && c->in.n) {
		size_t give = segment_of(w, c->in.n), took;
		char *copy = malloc(give); /* so that ASan sees reads past the end */
		if (copy == NULL)
			abort();
		memcpy(copy, c->in.p, give);
		c->in.stopped = false;
		world_enter(w);
		took = plane_conn_input(c->im, (struct span){ copy, give }, w->now_us);
		world_leave(w);
		free(copy);
		if (took > give)
			abort(); /* production took what it was not given */
		if (took < give && !c->in.busy)
			c->in.stopped = true;
		dequeue(&c->in, took);
	}
	if (!c->dead && c->peer_closing && c->in.n == 0)
		conn_end(c);
	kick_in(c);
	conn_reap(c);
}

/* ---- the port ---- */

static void connect_done(struct world *w, void *arg, uint64_t n)
{
	struct wconn *c = arg;
	c->n_pending--;
	if (!c->dead && !c->im_closing) {
		if (w->hooks.msrp_incoming(w->hooks.u, c, &c->ip, &c->peer) < 0) {
			conn_end(c);
		} else {
			c->peer_open = c->peer_holds = true;
			world_enter(w);
			plane_conn_connected(c->im, w->now_us);
			world_leave(w);
			kick_out(c);
		}
	}
	conn_reap(c);
}

static struct wconn *conn_new(struct world *w)
{
	struct wconn *c = calloc(1, sizeof(*c));
	if (c == NULL)
		abort();
	c->w = w;
	list_push(&w->conns, &c->link);
	return c;
}

static void *port_connect(void *u, struct plane_conn *pc, const struct im_msrp_to *to)
{
	struct world *w = u;
	struct addr ip = { 0 };
	if (!world_resolve(w, to->host, to->port, &ip))
		return NULL;
	unsigned depth = world_suspend(w);
	struct wconn *c = conn_new(w);
	c->im = pc;
	c->ip = ip;
	c->tls = to->tp == PLANE_TLS;
	later(c, delay_of(w), connect_done);
	world_restore(w, depth);
	return c;
}

static size_t port_digest(void *u, void *wc, enum sdp_hash h, uint8_t out[SDP_DIGEST_MAX])
{
	const struct wconn *c = wc;
	return c->tls ? cert_digest(out, h, c->cert) : 0;
}

static bool port_names(void *u, void *wc, struct span host)
{
	const struct wconn *c = wc;
	return c->tls && cert_names(c->cert, host);
}

static void port_write(void *u, void *wc, const struct span *piece, unsigned n)
{
	struct wconn *c = wc;
	unsigned depth = world_suspend(u);
	for (unsigned i = 0; i < n; i++)
		enqueue(&c->out, piece[i]);
	if (c->out.n >= c->w->pipe_room)
		c->was_full = true;
	kick_out(c);
	world_restore(u, depth);
}

static size_t port_room(void *u, void *wc)
{
	struct wconn *c = wc;
	if (c->out.n < c->w->pipe_room)
		return c->w->pipe_room - c->out.n;
	c->was_full = true;
	return 0;
}

static void port_resume(void *u, void *wc)
{
	struct wconn *c = wc;
	unsigned depth = world_suspend(u);
	c->in.stopped = false;
	kick_in(c);
	world_restore(u, depth);
}

static void close_now(struct world *w, void *arg, uint64_t n)
{
	struct wconn *c = arg;
	c->n_pending--;
	conn_end(c);
	conn_reap(c);
}

static void port_close(void *u, void *wc)
{
	struct wconn *c = wc;
	unsigned depth = world_suspend(u);
	c->im_closing = true;
	c->im = NULL;
	if (c->peer_open)
		kick_out(c);
	if (!c->out.busy) /* never connected, or the peer does not read: the 5 s bound is not modelled */
		later(c, 0, close_now);
	world_restore(u, depth);
}

void pipe_port(struct im_port *port)
{
	port->msrp_connect = port_connect;
	port->msrp_digest = port_digest;
	port->msrp_names = port_names;
	port->msrp_write = port_write;
	port->msrp_room = port_room;
	port->msrp_resume = port_resume;
	port->msrp_close = port_close;
}

/* ---- the peer's side ---- */

static enum plane_tp tp_of(const struct wconn *c)
{
	return plane_tp_of(&(struct sdp_msrp){ .tls = c->tls, .ws = c->ws });
}

static void open_done(struct world *w, void *arg, uint64_t n)
{
	struct wconn *c = arg;
	c->n_pending--;
	if (!c->dead) {
		world_enter(w);
		c->im = im_msrp_accept(w->im, c, tp_of(c), &c->ip, w->now_us);
		world_leave(w);
		c->peer_open = c->peer_holds = c->im != NULL;
		w->hooks.msrp_up(w->hooks.u, c, c->peer, c->im != NULL);
		if (c->im == NULL)
			c->dead = true;
		kick_in(c);
	}
	conn_reap(c);
}

struct wconn *world_msrp_open(struct world *w, const struct addr *from, void *peer)
{
	struct wconn *c = conn_new(w);
	c->ip = *from;
	c->peer = peer;
	c->peer_holds = true;
	later(c, delay_of(w), open_done);
	return c;
}

void world_msrp_tls(struct wconn *c, bool tls, const char *cert)
{
	c->tls = tls;
	snprintf(c->cert, sizeof(c->cert), "%s", cert);
}

void world_msrp_ws(struct wconn *c, bool ws)
{
	c->ws = ws;
}

bool world_msrp_is_tls(const struct wconn *c)
{
	return c->tls;
}

void world_msrp_send(struct wconn *c, struct span bytes)
{
	enqueue(&c->in, bytes);
	kick_in(c);
}

void world_msrp_resume(struct wconn *c)
{
	c->out.stopped = false;
	kick_out(c);
}

void world_msrp_shut(struct wconn *c)
{
	c->peer_closing = true;
	c->peer_open = c->peer_holds = false;
	kick_in(c);
}

void world_msrp_cut(struct wconn *c)
{
	c->out.n = c->in.n = 0;
	later(c, 0, close_now);
}

size_t world_msrp_backlog(const struct wconn *c)
{
	return c->in.n;
}

size_t world_msrp_queued(const struct wconn *c)
{
	return c->out.n;
}

void pipe_finish(struct world *w)
{
	list_each(l, &w->conns) {
		struct wconn *c = container_of(l, struct wconn, link);
		c->n_pending = 0;
		c->dead = true;
		conn_reap(c);
	}
}
