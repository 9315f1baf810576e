/* SPDX-License-Identifier: MIT */
/*
 * SIP over TCP, TLS and WebSocket: connections made and accepted, one table for both, so that a request towards an address finds
 * the connection its owner opened (RFC 3261 18.2.2, RFC 5923).
 *
 * What is hard: telling which messages were lost with a connection.  Each message still in our queue is
 * marked with the stream offset of its end; when the connection breaks, those not handed to the socket are
 * reported.  What the socket had taken is left to the transaction's timers.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/locate.h"
#include "net/stream.h"
#include "net/ws.h"
#include "sip/frame.h"

enum { KEEPALIVE_MAX = 4 }; /* CRLFCRLF; no message is as short */

struct mark {
	uint64_t end; /* offset in all that was ever written */
	uint64_t token;
};

struct sip_conn {
	struct stream s; /* first: freed with it */
	struct list link;
	struct htab_link by_id, by_peer; /* in the tables while usable */
	bool listed, dialled;
	uint64_t id;
	enum sip_transport tp;
	char *host; /* owned: the name it was made for; NULL: an address, or the peer made it */
	struct addr peer;
	struct dial *dial;  /* owned, while connecting */
	uint64_t active_us; /* last bytes either way */
	uint64_t begun_us;  /* an unfinished message waits since; 0: none */
	uint64_t written;
	struct mark *marks; /* owned */
	unsigned n_marks, marks_cap;
	struct ws *ws; /* owned; NULL: no WebSocket */
	char *part;    /* owned: of a WebSocket message, what has arrived; NULL: nothing */
	size_t part_n;
	bool delivered; /* in this input */
};

static struct sip_conn *conn_of(struct stream *s)
{
	return container_of(s, struct sip_conn, s);
}

/* ---- tables ---- */

static bool id_eq(const struct htab_link *l, const void *key)
{
	return container_of(l, struct sip_conn, by_id)->id == *(const uint64_t *)key;
}

struct peer_key {
	enum sip_transport tp;
	struct span host; /* empty: any will do */
	const struct addr *peer;
};

/* With TLS the name matters: the certificate was shown for it (RFC 5922 7.3). */
static bool peer_eq(const struct htab_link *l, const void *key)
{
	const struct sip_conn *c = container_of(l, struct sip_conn, by_peer);
	const struct peer_key *k = key;

	return c->tp == k->tp && addr_eq(&c->peer, k->peer) &&
	       (c->tp == SIP_TCP || !k->host.n || span_ieq(k->host, span_of(c->host ? c->host : "")));
}

static uint64_t peer_hash(struct net *n, enum sip_transport tp, const struct addr *a)
{
	char key[20] = { (char)a->family, (char)(a->port >> 8), (char)a->port, (char)tp };

	memcpy(key + 4, a->ip, a->family == 4 ? 4 : 16);
	return htab_hash(&n->sip_by_peer, (struct span){ key, sizeof(key) });
}

static uint64_t id_hash(struct net *n, uint64_t id)
{
	return htab_hash(&n->sip_by_id, (struct span){ (const char *)&id, sizeof(id) });
}

static struct sip_conn *find_id(struct net *n, uint64_t id)
{
	struct htab_link *l = htab_get(&n->sip_by_id, id_hash(n, id), id_eq, &id);
	return l ? container_of(l, struct sip_conn, by_id) : NULL;
}

static struct sip_conn *find_peer(struct net *n, enum sip_transport tp, struct span host,
				  const struct addr *peer)
{
	struct peer_key key = { tp, host, peer };
	struct htab_link *l = htab_get(&n->sip_by_peer, peer_hash(n, tp, peer), peer_eq, &key);
	return l ? container_of(l, struct sip_conn, by_peer) : NULL;
}

bool sip_conn_is(struct net *n, uint64_t id)
{
	return find_id(n, id) != NULL;
}

static void conn_list(struct sip_conn *c)
{
	struct net *n = c->s.net;

	htab_put(&n->sip_by_id, &c->by_id, id_hash(n, c->id));
	htab_put(&n->sip_by_peer, &c->by_peer, peer_hash(n, c->tp, &c->peer));
	c->listed = true;
}

static void conn_unlist(struct sip_conn *c)
{
	if (!c->listed)
		return;
	htab_del(&c->s.net->sip_by_id, &c->by_id);
	htab_del(&c->s.net->sip_by_peer, &c->by_peer);
	c->listed = false;
}

/* ---- what was lost ---- */

/* With WebSocket more goes out than what we say. */
static void count_written(struct sip_conn *c)
{
	if (c->ws)
		c->written = ws_written(c->ws);
}

static void mark_add(struct sip_conn *c, uint64_t token)
{
	if (token == 0)
		return;
	if (c->n_marks == c->marks_cap) {
		unsigned cap = c->marks_cap ? 2 * c->marks_cap : 8;
		struct mark *m = realloc(c->marks, cap * sizeof(*m));
		if (!m)
			return; /* its transaction will time out instead */
		c->marks = m;
		c->marks_cap = cap;
	}
	c->marks[c->n_marks++] = (struct mark){ c->written, token };
}

static void fail_marks(struct sip_conn *c)
{
	uint64_t handed_over;

	count_written(c);
	handed_over = c->written - c->s.out_n;
	for (unsigned i = 0; i < c->n_marks; i++)
		if (c->marks[i].end > handed_over)
			net_fail_token(c->s.net, c->marks[i].token);
	c->n_marks = 0;
}

/* ---- in ---- */

static void trace(struct sip_conn *c, bool out, struct span bytes)
{
	struct net *n = c->s.net;
	struct net_trace t = {
		.out = out, .tp = c->tp, .remote = c->peer, .bytes = bytes, .now_us = n->now_us
	};

	if (!n->hooks.trace)
		return;
	if (c->s.fd >= 0)
		sock_local(c->s.fd, &t.local);
	net_trace(n, &t);
}

static void conn_end(struct sip_conn *c)
{
	conn_unlist(c);
	if (c->ws)
		ws_close(c->ws, &c->s, WS_GOING_AWAY);
	stream_end(&c->s);
}

static void conn_write(struct sip_conn *c, struct span bytes)
{
	if (c->ws) {
		ws_write(c->ws, &c->s, ws_is_binary(bytes) ? WS_BINARY : WS_TEXT, true, &bytes, 1);
		count_written(c);
	} else {
		c->written += bytes.n;
		stream_write(&c->s, &bytes, 1);
	}
}

static void pong(struct sip_conn *c)
{
	conn_write(c, SPAN("\r\n"));
}

static void deliver(struct sip_conn *c, struct span bytes, bool ping)
{
	struct net *n = c->s.net;
	struct sip_src src = { .tp = c->tp, .ip = c->peer, .conn = c->id };

	if (ping) {
		pong(c); /* RFC 5626 3.5.1 */
		return;
	}
	if (bytes.n <= KEEPALIVE_MAX)
		return;
	trace(c, false, bytes);
	if (n->hooks.sip)
		n->hooks.sip(n->hooks.u, bytes, &src, n->now_us);
}

static void deliver_broken(struct sip_conn *c, struct span head, int err)
{
	struct net *n = c->s.net;
	struct sip_src src = { .tp = c->tp, .ip = c->peer, .conn = c->id };

	net_event(n, "sip-stream-broken", &c->peer, err);
	trace(c, false, head);
	if (n->hooks.sip_broken)
		n->hooks.sip_broken(n->hooks.u, head, err, &src, n->now_us);
	conn_end(c);
}

static void on_timer(struct timer *t, uint64_t now_us);

/* The timer is only ever brought forward here; when it fires it looks at what is true by then. */
static void watch_message(struct sip_conn *c, bool unfinished, bool progressed)
{
	struct net *n = c->s.net;
	uint64_t at = n->now_us + n->conf.sip_header_ms * US_PER_MS;

	if (!unfinished) {
		c->begun_us = 0;
	} else if (c->begun_us == 0 || progressed) {
		c->begun_us = n->now_us;
		if (at < c->s.timer.at_us)
			timer_set(&n->wheel, &c->s.timer, at, on_timer);
	}
}

/* ---- in, by WebSocket: one message is one SIP message (RFC 7118 5) ---- */

static void deliver_whole(struct sip_conn *c, struct span bytes)
{
	c->delivered = true;
	deliver(c, bytes, span_eq(bytes, SPAN("\r\n\r\n")));
}

static int part_add(struct sip_conn *c, struct span data)
{
	char *p = realloc(c->part, c->part_n + data.n + 1);

	if (!p)
		return -ENOMEM;
	if (data.n)
		memcpy(p + c->part_n, data.p, data.n);
	c->part = p;
	c->part_n += data.n;
	return 0;
}

static void part_drop(struct sip_conn *c)
{
	free(c->part);
	c->part = NULL;
	c->part_n = 0;
}

static size_t on_ws_piece(struct stream *s, struct span data, size_t fresh, bool last)
{
	struct sip_conn *c = conn_of(s);

	if (last && !c->part) {
		deliver_whole(c, data);
		return data.n;
	}
	if (part_add(c, data) < 0) {
		conn_end(c);
		return data.n;
	}
	if (last) {
		deliver_whole(c, (struct span){ c->part, c->part_n });
		part_drop(c);
	}
	return data.n;
}

static void on_ws_opened(struct stream *s)
{
	conn_of(s)->delivered = true; /* from here on idling has its own bound */
}

static void on_ws_ended(struct stream *s, const char *why)
{
	struct sip_conn *c = conn_of(s);

	net_event_why(s->net, "sip-websocket-ended", &c->peer, why);
	fail_marks(c);
	conn_end(c);
}

static const struct ws_ops sip_ws_ops = { .piece = on_ws_piece,
					  .opened = on_ws_opened,
					  .ended = on_ws_ended };

static size_t ws_in(struct sip_conn *c, struct span in)
{
	size_t used;

	c->delivered = false;
	used = ws_input(c->ws, &c->s, in);
	if (c->s.state == STREAM_OPEN)
		watch_message(c, used < in.n || ws_is_midway(c->ws), c->delivered);
	return used;
}

static size_t on_input(struct stream *s, struct span in)
{
	struct sip_conn *c = conn_of(s);
	size_t used = 0;

	c->active_us = s->net->now_us;
	if (c->ws)
		return ws_in(c, in);
	while (used < in.n && s->state == STREAM_OPEN) {
		struct span rest = span_skip(in, used), head = SPAN_EMPTY;
		bool ping = false;
		ssize_t r = sip_frame(rest, s->net->conf.sip_message_max, &head, &ping);
		if (r == 0)
			break;
		if (r < 0) {
			deliver_broken(c, head, (int)r);
			return in.n;
		}
		deliver(c, span_cut(rest, 0, (size_t)r), ping);
		used += (size_t)r;
	}
	if (s->state == STREAM_OPEN)
		watch_message(c, used<in.n, used> 0);
	return used;
}

/* ---- life ---- */

static void on_timer(struct timer *t, uint64_t now_us)
{
	struct sip_conn *c = container_of(t, struct sip_conn, s.timer);
	struct net *n = c->s.net;
	uint64_t at = c->active_us + n->conf.sip_idle_ms * US_PER_MS;

	if (c->begun_us && c->begun_us + n->conf.sip_header_ms * US_PER_MS < at)
		at = c->begun_us + n->conf.sip_header_ms * US_PER_MS;
	if (now_us < at) {
		timer_set(&n->wheel, t, at, on_timer);
		return;
	}
	n->stats.sip_timeouts++;
	fail_marks(c);
	conn_end(c);
}

static void on_broken(struct stream *s, int err)
{
	struct sip_conn *c = conn_of(s);

	if (s->shaking)
		net_event_why(s->net, "sip-tls-failed", &c->peer, tls_why(s->tls));
	else if (err)
		net_event(s->net, "sip-connection-lost", &c->peer, err);
	if (err == 0 && !s->shaking) { /* the peer may still be reading (a client that shut down its half) */
		conn_end(c);
		return;
	}
	fail_marks(c);
	conn_unlist(c);
	stream_close(s);
}

static void on_gone(struct stream *s)
{
	struct sip_conn *c = conn_of(s);
	struct net *n = s->net;

	conn_unlist(c);
	dial_cancel(c->dial);
	list_del(&c->link);
	ws_free(c->ws);
	free(c->part);
	free(c->marks);
	free(c->host);
	free(c);
	n->stats.sip_connections--;
	listeners_resume(n);
}

/* The bound on the handshake of a connection of ours ends here. */
static void on_secured(struct stream *s)
{
	struct sip_conn *c = conn_of(s);

	if (c->dialled)
		watch_message(c, false, true);
}

static const struct stream_ops sip_ops = {
	.input = on_input, .broken = on_broken, .gone = on_gone, .secured = on_secured
};

static struct sip_conn *conn_new(struct net *n, enum sip_transport tp, const struct addr *peer)
{
	struct sip_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	/* A message may have both its parts at the limit. */
	stream_init(&c->s, n, &sip_ops, 2 * n->conf.sip_message_max + NET_READ_MAX, n->conf.sip_queue_max);
	c->id = n->last_id++;
	c->tp = tp;
	c->peer = *peer;
	c->active_us = n->now_us;
	list_push(&n->sip_conns, &c->link);
	n->stats.sip_connections++;
	n->stats.sip_connections_opened++;
	timer_set(&n->wheel, &c->s.timer, n->now_us + n->conf.sip_idle_ms * US_PER_MS, on_timer);
	return c;
}

void sip_accepted(struct net *n, enum sip_transport tp, int fd, const struct addr *from)
{
	struct sip_conn *c = conn_new(n, tp, from);

	if (c && sip_is_ws(tp) &&
	    !(c->ws = ws_create(&sip_ws_ops, SPAN("sip"), 2 * n->conf.sip_message_max))) {
		stream_close(&c->s);
		c = NULL;
	}
	if (!c) {
		close(fd);
		return;
	}
	if ((tp == SIP_TLS || tp == SIP_WSS ? stream_open_tls(&c->s, fd, tls_accept(n->tls, fd))
					    : stream_open(&c->s, fd)) < 0) {
		stream_close(&c->s);
		return;
	}
	conn_list(c);
	watch_message(c, true, true); /* who connects has something to say */
}

static void on_dialled(void *u, int fd, const struct addr *peer)
{
	struct sip_conn *c = u;

	c->dial = NULL;
	if (fd >= 0 && c->tp == SIP_TLS)
		fd = stream_open_tls(&c->s, fd,
				     tls_connect(c->s.net->tls, fd, span_of(c->host ? c->host : ""), peer));
	else if (fd >= 0)
		fd = stream_open(&c->s, fd);
	if (fd < 0) {
		net_event(c->s.net, "sip-connect-failed", peer, fd);
		locate_failed(c->s.net, c->tp, peer);
		fail_marks(c);
		stream_close(&c->s);
		return;
	}
	conn_unlist(c);
	c->peer = *peer; /* not the first address, perhaps */
	c->active_us = c->s.net->now_us;
	conn_list(c);
	if (c->s.shaking)
		watch_message(c, true, true);
}

static struct sip_conn *conn_dial(struct net *n, enum sip_transport tp, struct span host,
				  const struct addr *addrs, unsigned n_addrs)
{
	struct sip_conn *c;

	if (n->stats.sip_connections >= n->conf.sip_connections_max)
		return NULL;
	c = conn_new(n, tp, &addrs[0]);
	if (!c)
		return NULL;
	c->dialled = true;
	c->host = host.n ? span_dup(host) : NULL;
	if (c->host || !host.n)
		c->dial = dial_start(n, addrs, n_addrs, on_dialled, c);
	if (!c->dial) {
		stream_close(&c->s);
		return NULL;
	}
	conn_list(c);
	return c;
}

int sip_stream_send(struct net *n, enum sip_transport tp, uint64_t conn, struct span host,
		    const struct addr *addrs, unsigned n_addrs, struct span bytes, uint64_t token)
{
	struct sip_conn *c = conn ? find_id(n, conn) : NULL;

	for (unsigned i = 0; !c && i < n_addrs; i++)
		c = find_peer(n, tp, host, &addrs[i]);
	if (c && c->s.state == STREAM_BROKEN) { /* to be told at the end of this turn */
		conn_unlist(c);
		c = NULL;
	}
	if (!c && n_addrs && !sip_is_ws(tp)) /* nobody can be called by WebSocket */
		c = conn_dial(n, tp, host, addrs, n_addrs);
	if (!c)
		return n_addrs && !sip_is_ws(tp) ? -ENOBUFS : -ENOTCONN;
	if (bytes.n > n->conf.sip_queue_max || c->s.out_n > n->conf.sip_queue_max - bytes.n)
		return -ENOBUFS;
	if (c->s.out_n == 0)
		c->n_marks = 0; /* all before it was handed over */
	c->active_us = n->now_us;
	trace(c, true, bytes);
	conn_write(c, bytes);
	mark_add(c, token);
	return 0;
}

void sip_finish(struct net *n)
{
	list_each(l, &n->sip_conns) {
		struct sip_conn *c = container_of(l, struct sip_conn, link);
		conn_unlist(c);
		stream_close(&c->s);
	}
}
