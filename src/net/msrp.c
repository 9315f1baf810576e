/* SPDX-License-Identifier: MIT */
/*
 * MSRP connections (net/msrp.h): a stream each, with the back-pressure of its consumer in one direction and the
 * high-water mark in the other.  With TLS it is announced when its handshake is done, if we made it, and at once if the
 * peer did, so that who never finishes counts against its source.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/stream.h"
#include "net/ws_msrp.h"

enum {
	/* Responses and REPORTs may go beyond the mark, but a peer that reads nothing while it makes us answer
	 * ends here. */
	OUT_BEYOND_HIGH = 1024 * 1024,
	TRACE_WHOLE = 8 * 1024,
};

struct net_conn {
	struct stream s; /* first: freed with it */
	struct list link;
	void *cu; /* the caller's; NULL: it has closed us */
	struct addr peer;
	uint16_t port;
	uint8_t kind; /* enum net_msrp_kind */
	uint64_t association;
	char *host;        /* owned, until connected: the name we call */
	struct dial *dial; /* owned, while connecting */
	bool dialled;
	struct resolve_wait wait;
	struct conn_ws *ws; /* owned; NULL: no WebSocket */
};

struct conn_ws {
	struct ws *ws; /* owned */
	struct ws_msrp out;
};

static struct net_conn *conn_of(struct stream *s)
{
	return container_of(s, struct net_conn, s);
}

static size_t feed(struct net_conn *c, struct span in)
{
	size_t took = c->s.net->hooks.msrp_input(c->cu, in, c->s.net->now_us);

	if (took < in.n)
		stream_pause(&c->s);
	return took;
}

static size_t on_input(struct stream *s, struct span in)
{
	struct net_conn *c = conn_of(s);

	return c->ws ? ws_input(c->ws->ws, s, in) : feed(c, in);
}

static void on_drained(struct stream *s)
{
	struct net_conn *c = conn_of(s);

	if (s->net->hooks.msrp_drained)
		s->net->hooks.msrp_drained(c->cu, s->net->now_us);
}

/* The last the caller hears; the stream is closed first, so that nothing it does can reach it. */
static void conn_lost(struct net_conn *c, const char *event, int err)
{
	struct net *n = c->s.net;
	void *cu = c->cu;
	uint64_t now_us = n->now_us;

	net_event(n, event, &c->peer, err);
	c->cu = NULL;
	stream_close(&c->s);
	if (n->hooks.msrp_closed)
		n->hooks.msrp_closed(cu, now_us);
}

static void on_broken(struct stream *s, int err)
{
	if (s->shaking && err == -EPROTO)
		net_event_why(s->net, "msrp-tls-failed", &conn_of(s)->peer, tls_why(s->tls));
	conn_lost(conn_of(s), "msrp-connection-lost", err);
}

/* ---- WebSocket ---- */

static void trace(struct net_conn *c, bool out, struct span bytes);

/* Messages are kept apart by MSRP's own framing, so where those of WebSocket end does not matter here. */
static size_t on_ws_piece(struct stream *s, struct span data, size_t fresh, bool last)
{
	struct net_conn *c = conn_of(s);

	if (s->net->hooks.trace && fresh)
		trace(c, false, span_skip(data, data.n - fresh));
	return data.n ? feed(c, data) : 0;
}

static void on_ws_opened(struct stream *s)
{
	timer_stop(&s->net->wheel, &s->timer);
}

/* As conn_lost(), but what was said last still leaves. */
static void on_ws_ended(struct stream *s, const char *why)
{
	struct net_conn *c = conn_of(s);
	void *cu = c->cu;
	uint64_t now_us = s->net->now_us;

	net_event_why(s->net, "msrp-websocket-ended", &c->peer, why);
	c->cu = NULL;
	stream_end(s);
	if (s->net->hooks.msrp_closed)
		s->net->hooks.msrp_closed(cu, now_us);
}

static const struct ws_ops msrp_ws_ops = { .piece = on_ws_piece,
					   .opened = on_ws_opened,
					   .ended = on_ws_ended };

static struct conn_ws *conn_ws_new(void)
{
	struct conn_ws *w = calloc(1, sizeof(*w));

	if (w && !(w->ws = ws_create(&msrp_ws_ops, SPAN("msrp"), 0))) {
		free(w);
		w = NULL;
	}
	if (w)
		ws_msrp_init(&w->out);
	return w;
}

static void conn_ws_free(struct conn_ws *w)
{
	if (!w)
		return;
	ws_msrp_finish(&w->out);
	ws_free(w->ws);
	free(w);
}

/* UP-16: a handshake has its time. */
static void on_not_secured(struct timer *t, uint64_t now_us)
{
	struct net_conn *c = container_of(t, struct net_conn, s.timer);

	if (c->s.shaking)
		c->s.net->stats.tls_failed++;
	else
		c->s.net->stats.ws_refused++;
	conn_lost(c, "msrp-handshake-failed", -ETIMEDOUT);
}

static void expect_handshake(struct net_conn *c)
{
	struct net *n = c->s.net;

	timer_set(&n->wheel, &c->s.timer, n->now_us + n->conf.connect_ms * US_PER_MS, on_not_secured);
}

static void on_secured(struct stream *s)
{
	struct net_conn *c = conn_of(s);

	if (!c->ws) /* else another handshake follows */
		timer_stop(&s->net->wheel, &s->timer);
	if (c->dialled && s->net->hooks.msrp_connected)
		s->net->hooks.msrp_connected(c->cu, s->net->now_us);
}

static void on_gone(struct stream *s)
{
	struct net_conn *c = conn_of(s);
	struct net *n = s->net;

	list_del(&c->wait.link);
	dial_cancel(c->dial);
	free(c->host);
	list_del(&c->link);
	conn_ws_free(c->ws);
	free(c);
	n->stats.msrp_connections--;
	listeners_resume(n);
}

static void trace(struct net_conn *c, bool out, struct span bytes)
{
	static const enum sip_transport trace_tp[] = { [NET_MSRP_TCP] = SIP_TCP,
						       [NET_MSRP_TLS] = SIP_TLS,
						       [NET_MSRP_WS] = SIP_WS,
						       [NET_MSRP_WSS] = SIP_WSS };
	struct net_trace t = { .out = out,
			       .msrp = true,
			       .tp = trace_tp[c->kind],
			       .remote = c->peer,
			       .bytes = bytes,
			       .now_us = c->s.net->now_us };

	if (c->s.fd >= 0)
		sock_local(c->s.fd, &t.local);
	net_trace(c->s.net, &t);
}

static void on_trace(struct stream *s, struct span in)
{
	if (!conn_of(s)->ws) /* else as it is unmasked */
		trace(conn_of(s), false, in);
}

static const struct stream_ops msrp_ops = { .input = on_input,
					    .drained = on_drained,
					    .broken = on_broken,
					    .gone = on_gone,
					    .secured = on_secured,
					    .trace = on_trace };

static struct net_conn *conn_new(struct net *n)
{
	struct net_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	stream_init(&c->s, n, &msrp_ops, NET_READ_MAX, n->conf.msrp_high + OUT_BEYOND_HIGH);
	list_init(&c->wait.link);
	list_push(&n->msrp_conns, &c->link);
	n->stats.msrp_connections++;
	n->stats.msrp_connections_opened++;
	return c;
}

/* A browser shows no certificate, and wants to see one of an authority: SIP's will do. */
static int open_accepted(struct net_conn *c, int fd)
{
	struct net *n = c->s.net;

	if (c->kind == NET_MSRP_TLS)
		return stream_open_tls(&c->s, fd, tls_accept(n->msrp_tls, fd));
	if (c->kind == NET_MSRP_WSS)
		return stream_open_tls(&c->s, fd, tls_accept(n->tls, fd));
	return stream_open(&c->s, fd);
}

void msrp_accepted(struct net *n, enum net_msrp_kind kind, int fd, const struct addr *from)
{
	bool ws = kind == NET_MSRP_WS || kind == NET_MSRP_WSS;
	struct net_conn *c = conn_new(n);

	if (c && ws && !(c->ws = conn_ws_new())) {
		stream_close(&c->s);
		c = NULL;
	}
	if (!c) {
		close(fd);
		return;
	}
	c->peer = *from;
	c->kind = (uint8_t)kind;
	if (open_accepted(c, fd) < 0) {
		stream_close(&c->s);
		return;
	}
	if (n->hooks.msrp_accepted)
		c->cu = n->hooks.msrp_accepted(n->hooks.u, c, kind, from, n->now_us);
	if (!c->cu)
		stream_close(&c->s);
	else if (c->s.shaking || ws)
		expect_handshake(c);
}

/* ---- connecting ---- */

static void on_dialled(void *u, int fd, const struct addr *peer)
{
	struct net_conn *c = u;
	struct net *n = c->s.net;

	c->dial = NULL;
	c->peer = *peer;
	if (fd >= 0)
		fd = c->kind == NET_MSRP_TLS
			     ? stream_open_tls(&c->s, fd,
					       tls_call(n->msrp_tls, fd, span_of(c->host), c->association))
			     : stream_open(&c->s, fd);
	free(c->host), c->host = NULL;
	if (fd < 0)
		conn_lost(c, "msrp-connect-failed", fd);
	else if (c->s.shaking)
		expect_handshake(c);
	else if (n->hooks.msrp_connected)
		n->hooks.msrp_connected(c->cu, n->now_us);
}

static bool start_dial(struct net_conn *c, const struct addr *found, unsigned n_found)
{
	struct addr addrs[NET_ADDRS_MAX];

	for (unsigned i = 0; i < n_found; i++) {
		addrs[i] = found[i];
		addrs[i].port = c->port;
	}
	c->dial = n_found ? dial_start(c->s.net, addrs, n_found, on_dialled, c) : NULL;
	return c->dial != NULL;
}

static void on_resolved(struct resolve_wait *w, const struct addr *found, unsigned n_found)
{
	struct net_conn *c = container_of(w, struct net_conn, wait);

	if (!start_dial(c, found, n_found))
		conn_lost(c, "msrp-connect-failed", n_found ? -ENOMEM : -EHOSTUNREACH);
}

/* What failed at once is told from the loop all the same. */
static void on_failed_at_once(struct timer *t, uint64_t now_us)
{
	conn_lost(container_of(t, struct net_conn, s.timer), "msrp-connect-failed", -EHOSTUNREACH);
}

/* false: no memory. */
static bool keep_name(struct net_conn *c, const struct net_msrp_to *to)
{
	c->kind = (uint8_t)to->kind;
	c->port = to->port;
	c->association = to->association;
	return to->kind != NET_MSRP_TLS || (c->host = span_dup(to->host)) != NULL;
}

struct net_conn *net_msrp_connect(struct net *n, void *cu, const struct net_msrp_to *to)
{
	struct addr addrs[NET_ADDRS_MAX];
	struct net_conn *c;
	int found;

	if (n->stats.msrp_connections >= n->conf.msrp_connections_max ||
	    (to->kind == NET_MSRP_TLS && !n->msrp_tls))
		return NULL;
	c = conn_new(n);
	if (!c)
		return NULL;
	if (!keep_name(c, to)) {
		stream_close(&c->s);
		return NULL;
	}
	c->cu = cu;
	c->dialled = true;
	c->wait.done = on_resolved;
	found = resolve(n, to->host, addrs, &c->wait);
	if (found < 0 || (found > 0 && !start_dial(c, addrs, (unsigned)found)))
		timer_set(&n->wheel, &c->s.timer, n->now_us, on_failed_at_once);
	return c;
}

/* ---- for the caller ---- */

/* The pieces of one write as one, when they are not large. */
static void trace_pieces(struct net_conn *c, const struct span *piece, unsigned n)
{
	char buf[TRACE_WHOLE];
	struct wbuf w = wbuf_on(buf, sizeof(buf));

	for (unsigned i = 0; i < n; i++)
		w_span(&w, piece[i]);
	if (w_ok(&w)) {
		trace(c, true, w_span_of(&w));
		return;
	}
	for (unsigned i = 0; i < n; i++)
		trace(c, true, piece[i]);
}

void net_msrp_write(struct net_conn *c, const struct span *piece, unsigned n)
{
	if (c->s.net->hooks.trace)
		trace_pieces(c, piece, n);
	if (!c->ws)
		stream_write(&c->s, piece, n);
	else if (ws_msrp_write(&c->ws->out, c->ws->ws, &c->s, piece, n) < 0)
		stream_break(&c->s, -ENOMEM);
}

size_t net_msrp_room(struct net_conn *c)
{
	uint32_t high = c->s.net->conf.msrp_high;

	if (c->s.state != STREAM_OPEN)
		return 0;
	if (c->s.out_n > c->s.net->conf.msrp_low)
		stream_want_room(&c->s);
	return c->s.out_n < high ? high - c->s.out_n : 0;
}

void net_msrp_resume(struct net_conn *c)
{
	stream_resume(&c->s);
}

void net_msrp_close(struct net_conn *c)
{
	if (!c)
		return;
	c->cu = NULL;
	if (c->ws)
		ws_close(c->ws->ws, &c->s, WS_NORMAL);
	stream_end(&c->s);
}

size_t net_msrp_digest(const struct net_conn *c, const char *hash, uint8_t out[64])
{
	return c->s.tls ? tls_digest(c->s.tls, hash, out) : 0;
}

bool net_msrp_names(const struct net_conn *c, struct span host)
{
	return c->s.tls && tls_names(c->s.tls, host);
}

void net_msrp_peer(const struct net_conn *c, struct addr *out)
{
	*out = c->peer;
}

void msrp_finish(struct net *n)
{
	list_each(l, &n->msrp_conns) {
		struct net_conn *c = container_of(l, struct net_conn, link);
		stream_close(&c->s);
	}
}
