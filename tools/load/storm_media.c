/* SPDX-License-Identifier: MIT */
/*
 * The storm's connections: each generation of each end has one of its own.  A connection that the server closes is fine
 * when its path is an old one with nothing unfinished on it, else not.  One that is cut here is cut for good: what was on
 * its way is lost, and its side says so by a new path, or connects again, as RFC 4975 5.4 has it.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "storm.h"

enum { EVENTS = 128, PATIENCE_NS = 3000000000u };

/* ---- the table of connections ---- */

static void watch(struct storm *s, struct load_conn *c, int op)
{
	struct epoll_event ev = { .data.ptr = c };
	ev.events = EPOLLIN | (c->want_write || c->connecting ? EPOLLOUT : 0);
	epoll_ctl(s->epoll, op, c->fd, &ev);
}

static struct load_conn *add(struct storm *s, int fd, struct gen *g)
{
	if (s->n_conn == s->conn_cap) {
		s->conn_cap = s->conn_cap ? 2 * s->conn_cap : 256;
		s->conn = realloc(s->conn, s->conn_cap * sizeof(struct load_conn *));
		if (!s->conn)
			load_die("out of memory");
	}
	int one = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	struct load_conn *c = conn_create(fd, g, MSRP_BUF_SMALL);
	s->conn[s->n_conn++] = c;
	s->conns_made++;
	return c;
}

static void sweep(struct storm *s)
{
	unsigned kept = 0;
	for (unsigned k = 0; k < s->n_conn; k++) {
		if (s->conn[k]->closed)
			conn_destroy(s->conn[k]);
		else
			s->conn[kept++] = s->conn[k];
	}
	s->n_conn = kept;
}

static int tcp_socket(const struct storm *s)
{
	int fd = socket(s->conf.local.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		load_die("socket: %s", strerror(errno));
	if (s->conf.buffer) {
		int size = (int)s->conf.buffer;
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	}
	return fd;
}

void storm_listen(struct storm *s)
{
	struct sockaddr_storage a = s->conf.local;
	socklen_t len = sizeof(a);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->listener = tcp_socket(s);
	load_set_port(&a, 0);
	/* On all addresses, for paths have addresses of their own; but on loopback alone. */
	if (a.ss_family == AF_INET) {
		((struct sockaddr_in *)&a)->sin_addr.s_addr = htonl(INADDR_ANY);
		if (setsockopt(s->listener, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) < 0)
			load_die("cannot bind to lo: %s", strerror(errno));
	}
	if (bind(s->listener, (struct sockaddr *)&a, load_addr_len(&a)) < 0 || listen(s->listener, 4096) < 0)
		load_die("cannot listen: %s", strerror(errno));
	getsockname(s->listener, (struct sockaddr *)&a, &len);
	s->port = load_port_of(&a);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &s->listener };
	epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &ev);
	ev.data.ptr = NULL;
	for (unsigned side = 0; side < 2; side++)
		epoll_ctl(s->epoll, EPOLL_CTL_ADD, udp_fd(s->udp[side]), &ev);
}

/* ---- paths ---- */

void storm_new_path(struct storm_session *x, unsigned side, unsigned line, bool tls, char out[STORM_URI])
{
	const struct storm *s = x->s;
	unsigned serial = ++x->line[line].serial[side];
	char host[64];
	snprintf(host, sizeof(host), "%s", s->conf.host);
	/* The server makes one connection to an address, for all sessions there (RFC 4975 5.4); here each path is to have
	 * one that can be cut by itself. */
	if (side == 1 && x->far_listens && s->conf.local.ss_family == AF_INET)
		snprintf(host, sizeof(host), "127.%u.%u.%u", 128 + (x->i >> 4 & 127),
			 (x->i & 15) << 4 | line << 2 | (serial >> 8 & 3), serial & 255);
	bool ip6 = strchr(host, ':') != NULL;
	snprintf(out, STORM_URI, "msrp%s://%s%s%s:%u/storm-%u-%u-%u-%u-%" PRIx32 ";tcp", tls ? "s" : "",
		 ip6 ? "[" : "", host, ip6 ? "]" : "", s->port, x->i, side, line, serial, s->run);
}

static struct gen *bind_by_path(void *u, struct load_conn *c, struct span to_path)
{
	struct storm *s = u;
	char uri[STORM_URI];
	unsigned i, side, line;
	snprintf(uri, sizeof(uri), "%" SPAN_FMT, SPAN_ARG(to_path));
	const char *name = strstr(uri, "/storm-");
	if (!name || sscanf(name, "/storm-%u-%u-%u-", &i, &side, &line) != 3 || i >= s->conf.sessions ||
	    side > 1 || line >= STORM_LINES)
		return NULL;
	for (struct gen *g = s->session[i].line[line].end[side].gen; g; g = g->next) {
		if (!g->conn && strcmp(g->self, uri) == 0) {
			g->conn = c;
			return g;
		}
	}
	return NULL;
}

void storm_connect(struct storm_session *x, struct gen *g, unsigned side)
{
	struct storm *s = x->s;
	struct sockaddr_storage to, from = s->conf.local;
	if (!text_path_addr(g->peer, &to)) {
		storm_wrong(x, "cannot use the path %s", g->peer);
		return;
	}
	int fd = tcp_socket(s), one = 1;
	if (from.ss_family == AF_INET) {
		/* An address for each: there is a limit of connections that have not yet said whose they are. */
		uint32_t ip = 0x7f010001u + (side << 16) + (x->i / 250 << 8) + x->i % 250;
		((struct sockaddr_in *)&from)->sin_addr.s_addr = htonl(ip);
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
		load_set_port(&from, 0);
		(void)!bind(fd, (struct sockaddr *)&from, load_addr_len(&from));
	}
	if (connect(fd, (struct sockaddr *)&to, load_addr_len(&to)) < 0 && errno != EINPROGRESS) {
		storm_wrong(x, "cannot connect: %s", strerror(errno));
		close(fd);
		return;
	}
	struct load_conn *c = add(s, fd, g);
	c->owner = s;
	c->connecting = true;
	watch(s, c, EPOLL_CTL_ADD);
}

/* ---- what happens on them ---- */

static struct storm_session *session_of(struct storm *s, const struct gen *g)
{
	unsigned i = 0;
	sscanf(strstr(g->self, "/storm-"), "/storm-%u", &i);
	return &s->session[i];
}

/* The server may close the paths of a line as soon as both sides have said that it ends. */
static bool ending(const struct storm_session *x, const struct end *e)
{
	const struct storm_line *l = &x->line[x->change.line];
	return x->change.op == OP_REMOVE && x->change.answered && (e == &l->end[0] || e == &l->end[1]);
}

static unsigned mend_bit(const struct storm_session *x, const struct end *e)
{
	for (unsigned bit = 0; bit < 2 * STORM_LINES; bit++) {
		if (e == &x->line[bit / 2].end[bit % 2])
			return 1u << bit;
	}
	return 0;
}

/* Is something begun on g not written, or without its 200?  A REPORT may come on another path (UPA-16). */
static bool hangs(const struct gen *g)
{
	const struct end *e = g->end;
	for (uint64_t k = e->k_base; e->sends && k < e->k; k++) {
		const struct out_msg *m = end_out(e, k);
		if (m->gen == g && !m->over && (!m->written || m->unanswered))
			return true;
	}
	return false;
}

/* It is gone, by whoever's hand. */
static void down(struct storm *s, struct load_conn *c, bool cut)
{
	struct gen *g = c->gen;
	close(c->fd);
	c->fd = -1;
	c->closed = true;
	if (!g)
		return;
	struct storm_session *x = session_of(s, g);
	struct end *e = g->end;
	bool present = e->gen == g;
	g->conn = NULL;
	c->gen = NULL;
	g->bound = false;
	if (x->over)
		return;
	if (!cut && (!present || ending(x, e)) && !hangs(g) && !c->fault) {
		s->early_closed++;
		return;
	}
	if (!cut)
		storm_wrong(x, "%s, %s path, %u messages unfinished: %s", e->name,
			    present ? "present" : "old", g->unfinished, c->why);
	gen_cut(g, s->now);
	if (present)
		x->mend |= mend_bit(x, e);
	if (e->n_homeless && e->gen->conn)
		storm_kick(e->gen);
}

static void served(struct storm *s, struct load_conn *c, bool want)
{
	if (c->closed)
		down(s, c, false);
	else if (want != (c->want_write || c->connecting))
		watch(s, c, EPOLL_CTL_MOD);
}

void storm_kick(struct gen *g)
{
	struct load_conn *c = g->conn;
	if (!c || c->closed || c->connecting || c->want_write)
		return;
	struct storm *s = c->owner;
	conn_writable(c);
	served(s, c, false);
}

static void serve(struct storm *s, struct load_conn *c, uint32_t events)
{
	bool want = c->want_write || c->connecting;
	if (c->gen && c->connecting && events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
		int err = 0;
		socklen_t len = sizeof(err);
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
		c->connecting = false;
		if (err)
			conn_fail(c, strerror(err));
		c->gen->bound = true;
		if (c->gen->tls && !c->closed)
			conn_tls_call(c);
		conn_hello(c);
	}
	bool shaking = c->shaking || c->unknown;
	if (!c->closed && (shaking || events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
		conn_readable(c, bind_by_path, s);
		if (shaking && c->tls && !c->shaking && !c->closed) {
			s->shaken++;
			s->resumed += conn_tls_resumed(c);
		}
		struct end *e = c->gen ? c->gen->end : NULL;
		if (e && e->outage && e->gen == c->gen && !c->closed) {
			struct storm_session *x = session_of(s, c->gen);
			e->outage = false;
			x->mend &= ~mend_bit(x, e);
		}
	}
	if (!c->closed)
		conn_writable(c);
	served(s, c, want);
}

static void accept_all(struct storm *s)
{
	for (int fd; (fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
		struct load_conn *c = add(s, fd, NULL);
		c->owner = s;
		watch(s, c, EPOLL_CTL_ADD);
	}
}

void storm_serve(struct storm *s, int wait_ms)
{
	struct epoll_event ev[EVENTS];
	int n = epoll_wait(s->epoll, ev, EVENTS, wait_ms);
	s->now = now_ns();
	for (int k = 0; k < n; k++) {
		struct load_conn *c = ev[k].data.ptr;
		if (ev[k].data.ptr == &s->listener)
			accept_all(s);
		else if (c && !c->closed)
			serve(s, c, ev[k].events);
	}
	sweep(s);
}

/* ---- cuts ---- */

void storm_cut(struct storm_session *x)
{
	struct storm *s = x->s;
	if (!x->up || x->over)
		return;
	unsigned line = (unsigned)rng_below(&s->rng, x->n_lines), side = (unsigned)rng_below(&s->rng, 2);
	struct end *e = &x->line[line].end[side];
	struct gen *g = e->gen;
	if (!x->line[line].on || !g || x->mend || e->outage)
		return;
	if (g->next && rng_below(&s->rng, 4) == 0)
		g = g->next; /* an old path */
	if (!g->conn || g->conn->connecting || !g->bound)
		return;
	struct linger hard = { .l_onoff = 1 };
	setsockopt(g->conn->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	s->cuts++;
	x->cut_ns = s->now;
	down(s, g->conn, true);
}

void storm_media_tick(struct storm *s)
{
	static unsigned first;
	first += s->conf.sessions / 3 + 1; /* whoever comes first finds room for messages */
	for (unsigned i = 0; i < s->conf.sessions; i++) {
		struct storm_session *x = &s->session[(first + i) % s->conf.sessions];
		for (unsigned bit = 0; bit < 2 * STORM_LINES; bit++) {
			struct end *e = &x->line[bit / 2].end[bit % 2];
			if (!e->gen)
				continue;
			end_reap(e);
			end_give_up(e, s->now, PATIENCE_NS);
			for (struct gen *g = e->gen; g; g = g->next)
				storm_kick(g);
		}
	}
	sweep(s);
}

void storm_media_finish(struct storm *s)
{
	for (unsigned k = 0; k < s->n_conn; k++)
		conn_destroy(s->conn[k]);
	free(s->conn);
	close(s->listener);
	close(s->epoll);
}
