/* SPDX-License-Identifier: MIT */
/*
 * The loop of parley-load msrp: sessions are set up by SIP, or not at all when the device is a plain TCP proxy; then
 * every connection is read and written until each end has sent, and received, all it must.
 */
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "msrp_run.h"

enum { EVENTS = 64, SAMPLE_NS = 20000000, STALL_BUFFER = 128 * 1024 };

struct world {
	struct msrp_run *r;
	struct sip_load *sip; /* NULL: direct */
	struct end *end;      /* two per session: client, far */
	unsigned n_ends;
	int epoll;
	int *listener; /* one per session when far ends listen: sessions of one address may share a connection */
	uint16_t *port; /* of the listeners */
	unsigned n_listeners;
	uint32_t run;
	struct load_conn **conn;
	unsigned n_conn, conn_cap;
	struct proc_tree dut;
	uint64_t next_sample_ns, moved, last_progress_ns, next_update_at;
	bool stalling, failed;
};

static void fail(struct world *w, const char *what)
{
	fprintf(stderr, "parley-load: %s\n", what);
	w->failed = true;
}

/* ---- connections ---- */

static bool is_paused(const struct load_conn *c)
{
	return c->gen && c->gen->end->paused && !c->shaking;
}

static void watch(struct world *w, struct load_conn *c, int op)
{
	struct epoll_event ev = { .data.ptr = c };
	bool paused = is_paused(c);
	ev.events = (paused ? 0 : EPOLLIN) | (c->want_write || c->connecting ? EPOLLOUT : 0);
	epoll_ctl(w->epoll, op, c->fd, &ev);
}

static struct load_conn *add_conn(struct world *w, int fd, struct gen *g)
{
	if (w->n_conn == w->conn_cap) {
		w->conn_cap = w->conn_cap ? 2 * w->conn_cap : 64;
		w->conn = realloc(w->conn, w->conn_cap * sizeof(*w->conn));
		if (!w->conn)
			load_die("out of memory");
	}
	int one = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	struct load_conn *c = conn_create(fd, g, MSRP_BUF);
	w->conn[w->n_conn++] = c;
	return c;
}

static int tcp_socket(const struct sockaddr_storage *like)
{
	int fd = socket(like->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		load_die("socket: %s", strerror(errno));
	return fd;
}

static void shrink(int fd)
{
	int size = STALL_BUFFER;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static void listen_at(struct world *w, const struct sockaddr_storage *at)
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof(a);
	int one = 1, fd = tcp_socket(at);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (w->r->stall)
		shrink(fd); /* what it accepts inherits this */
	if (bind(fd, (const struct sockaddr *)at, load_addr_len(at)) < 0 || listen(fd, 1024) < 0)
		load_die("cannot listen on TCP port %u: %s", load_port_of(at), strerror(errno));
	getsockname(fd, (struct sockaddr *)&a, &len);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
	epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &ev);
	w->port[w->n_listeners] = load_port_of(&a);
	w->listener[w->n_listeners++] = fd;
}

static void make_listeners(struct world *w)
{
	const struct msrp_run *r = w->r;
	/* A relay has one connection to each address: a session each. */
	bool one = r->sip.to.ss_family ? r->far_active : !r->relay;
	unsigned n = one ? 1 : r->sip.sessions;
	w->listener = calloc(n, sizeof(*w->listener));
	w->port = calloc(n, sizeof(*w->port));
	if (!w->listener || !w->port)
		load_die("out of memory");
	listen_at(w, &r->local);
	while (w->n_listeners < n) {
		struct sockaddr_storage any = r->local;
		load_set_port(&any, 0);
		listen_at(w, &any);
	}
}

static uint16_t port_of(const struct world *w, unsigned session)
{
	return w->port[session < w->n_listeners ? session : 0];
}

static void connect_end(struct world *w, struct end *e, const struct sockaddr_storage *to)
{
	int fd = tcp_socket(to);
	if (w->r->stall)
		shrink(fd);
	if (connect(fd, (const struct sockaddr *)to, load_addr_len(to)) < 0 && errno != EINPROGRESS) {
		end_wrong(e, "cannot connect: %s", strerror(errno));
		close(fd);
		return;
	}
	struct load_conn *c = add_conn(w, fd, e->gen);
	c->connecting = true;
	watch(w, c, EPOLL_CTL_ADD);
}

/* Connects to the first URI of the peer's path (RFC 4975 5.4). */
static void connect_to_path(struct world *w, struct end *e)
{
	struct sockaddr_storage to;
	if (text_path_addr(e->gen->peer, &to))
		connect_end(w, e, &to);
	else
		end_wrong(e, "cannot use the path %s", e->gen->peer);
}

static void accept_all(struct world *w)
{
	for (unsigned k = 0; k < w->n_listeners; k++)
		for (int fd; (fd = accept4(w->listener[k], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
			watch(w, add_conn(w, fd, NULL), EPOLL_CTL_ADD);
}

static void serve(struct world *w, struct load_conn *c, uint32_t events);

/* The far end has the connection of a relay: now, and not before lest the relay make more, messages may flow. */
static void let_flow(struct world *w, struct end *e)
{
	e->held = false;
	if (e->gen->conn && !e->gen->conn->closed)
		serve(w, e->gen->conn, 0);
}

/* An accepted connection is whose path its first request names. */
static struct gen *bind_by_path(void *u, struct load_conn *c, struct span to_path)
{
	struct world *w = u;
	for (unsigned k = 0; k < w->n_ends; k++) {
		struct gen *g = w->end[k].gen;
		if (!g->conn && span_eq(to_path, span_of(g->self))) {
			g->conn = c;
			if (g->end->other->held)
				let_flow(w, g->end->other);
			return g;
		}
	}
	return NULL;
}

/* Nothing closes or is cut in this run, so that is always a fault. */
static void on_closed(struct world *w, struct load_conn *c)
{
	if (c->gen)
		end_wrong(c->gen->end, "%s", c->why);
	else
		fprintf(stderr, "parley-load: a connection of nobody: %s\n", c->why);
	close(c->fd);
	c->fd = -1;
	w->failed = true;
}

static void serve(struct world *w, struct load_conn *c, uint32_t events)
{
	bool want = c->want_write || c->connecting;
	bool paused = is_paused(c);
	if (c->gen && c->connecting && events & (EPOLLOUT | EPOLLERR)) {
		int err = 0;
		socklen_t len = sizeof(err);
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
		if (err)
			conn_fail(c, "cannot connect");
		c->connecting = false;
		c->gen->bound = true;
		if (c->gen->tls && !c->closed)
			conn_tls_call(c);
		conn_hello(c);
	}
	if (!c->closed && (c->shaking || (events & EPOLLIN && !paused)))
		conn_readable(c, bind_by_path, w);
	if (!c->closed)
		conn_writable(c);
	if (c->closed)
		on_closed(w, c);
	else if (want != c->want_write || paused != is_paused(c))
		watch(w, c, EPOLL_CTL_MOD);
}

/* One round of all that happened; at most wait_ms without anything. */
static void step(struct world *w, int wait_ms)
{
	struct epoll_event ev[EVENTS];
	int n = epoll_wait(w->epoll, ev, EVENTS, wait_ms);
	for (int k = 0; k < n; k++) {
		struct load_conn *c = ev[k].data.ptr;
		if (!c)
			accept_all(w);
		else if (!c->closed)
			serve(w, c, ev[k].events);
	}
	uint64_t now = now_ns(), moved = w->r->totals.bytes_in + w->r->totals.answers + w->r->totals.reports;
	if (moved != w->moved) {
		w->moved = moved;
		w->last_progress_ns = now;
	}
	if (now >= w->next_sample_ns) {
		uint64_t rss = proc_rss(&w->dut);
		w->next_sample_ns = now + SAMPLE_NS;
		if (rss > w->r->rss_peak)
			w->r->rss_peak = rss;
		if (w->sip)
			sip_load_pump(w->sip, 0);
	}
}

/* ---- sessions ---- */

static bool side_has_tls(const struct msrp_run *r, bool far)
{
	return r->tls == (far ? TLS_FAR : TLS_CLIENT) || r->tls == TLS_BOTH;
}

static void media(void *u, unsigned i, bool far, struct sip_media *m)
{
	struct world *w = u;
	m->port = port_of(w, i);
	m->setup = !far ? "actpass" : w->r->far_active ? "active" : "passive";
	m->fingerprint = side_has_tls(w->r, far) ? load_fingerprint() : NULL;
	snprintf(m->path, sizeof(m->path), "%.*s", SIP_PATH_MAX - 1, w->end[2 * i + far].gen->self);
}

static void peer(void *u, unsigned i, bool far, struct span sdp)
{
	struct world *w = u;
	struct end *e = &w->end[2 * i + far];
	struct span path = text_line(sdp, "a=path:"), setup = text_line(sdp, "a=setup:");
	snprintf(e->gen->peer, sizeof(e->gen->peer), "%" SPAN_FMT, SPAN_ARG(path));
	gen_set_tls(e->gen, text_line(sdp, "a=fingerprint:"));
	if (e->gen->tls != side_has_tls(w->r, far))
		end_wrong(e, "the path is %s", e->gen->peer);
	if (e->gen->tls && !e->gen->fingerprint[0])
		end_wrong(e, "TLS, and no fingerprint");
	e->gen->active = far ? w->r->far_active : !span_eq(setup, SPAN("active"));
}

static void make_ends(struct world *w)
{
	unsigned n = w->r->sip.sessions;
	w->n_ends = 2 * n;
	w->end = calloc(w->n_ends, sizeof(*w->end));
	if (!w->end)
		load_die("out of memory");
	for (unsigned k = 0; k < w->n_ends; k++) {
		struct end *e = &w->end[k];
		bool far = k & 1, ip6 = w->r->local.ss_family == AF_INET6;
		char self[MSRP_URI_MAX];
		e->flow = k;
		e->conf = &w->r->flow;
		e->totals = &w->r->totals;
		e->sends = !far || w->r->duplex;
		snprintf(e->name, sizeof(e->name), "session %u, %s", k / 2, far ? "far end" : "client");
		snprintf(self, sizeof(self), "msrp%s://%s%s%s:%u/%s%06x%08" PRIx32 "parleyload;tcp",
			 side_has_tls(w->r, far) ? "s" : "", ip6 ? "[" : "", w->r->sip.host, ip6 ? "]" : "",
			 port_of(w, k / 2), far ? "far" : "cli", k / 2, w->run);
		gen_create(e, self);
		if (far)
			end_pair(&w->end[k - 1], e);
	}
}

/* What comes before the peer's own URI in its path: the relay's, of this session. */
static void relay_uri(const struct world *w, unsigned session, char out[MSRP_URI_MAX])
{
	char host[64];
	out[0] = '\0';
	if (!w->r->relay)
		return;
	if (getnameinfo((const struct sockaddr *)&w->r->direct, load_addr_len(&w->r->direct), host,
			sizeof(host), NULL, 0, NI_NUMERICHOST))
		load_die("--direct: not an address");
	bool ip6 = w->r->direct.ss_family == AF_INET6;
	snprintf(out, MSRP_URI_MAX, "msrp://%s%s%s:%u/relay%06x;tcp ", ip6 ? "[" : "", host, ip6 ? "]" : "",
		 load_port_of(&w->r->direct), session);
}

static bool open_sessions(struct world *w)
{
	if (w->r->sip.to.ss_family == 0) {
		for (unsigned k = 0; k < w->n_ends; k++) {
			struct end *e = &w->end[k];
			char relay[MSRP_URI_MAX];
			relay_uri(w, k / 2, relay);
			if ((size_t)snprintf(e->gen->peer, sizeof(e->gen->peer), "%s%s", relay,
					     w->end[k ^ 1].gen->self) >= sizeof(e->gen->peer))
				load_die("a path of relay and peer is too long");
			e->gen->active = !(k & 1);
			e->held = w->r->relay && e->gen->active;
			e->gen->tls = side_has_tls(w->r, k & 1);
		}
	} else {
		w->r->sip.hooks = (struct sip_hooks){ .u = w, .media = media, .peer = peer };
		w->sip = sip_load_create(&w->r->sip);
		if (!sip_load_setup(w->sip))
			return false;
	}
	for (unsigned k = 0; k < w->n_ends; k++) {
		struct end *e = &w->end[k];
		e->paused = (k & 1) && k / 2 < w->r->stall;
		if (e->gen->active && w->sip)
			connect_to_path(w, e);
		else if (e->gen->active)
			connect_end(w, e, &w->r->direct);
	}
	return true;
}

/* ---- the flow ---- */

/* Are all ends of sessions [from, n) through? */
static bool all_done(const struct world *w, unsigned from)
{
	for (unsigned k = 2 * from; k < w->n_ends; k++) {
		if (!end_send_done(&w->end[k]) || !end_receive_done(&w->end[k]))
			return false;
	}
	return true;
}

/* Bytes of content that e got rid of. */
static uint64_t end_sent(const struct end *e)
{
	uint64_t n = 0;
	for (uint64_t k = 0; k < e->k; k++)
		n += k < e->k_base ? flow_message(e->conf, e->flow, k).size : end_out(e, k)->offset;
	return n - e->gen->body_left;
}

/* The sessions that may flow have: look at the stalled ones, and let them go on. */
static void end_stall(struct world *w)
{
	w->stalling = false;
	w->r->stalled_rss = proc_rss(&w->dut);
	for (unsigned i = 0; i < w->r->stall; i++) {
		struct end *client = &w->end[2 * i], *far = &w->end[2 * i + 1];
		uint64_t sent = end_sent(client);
		if (sent > w->r->stalled_bytes)
			w->r->stalled_bytes = sent;
		if (far->in_base || far->in[0].offset)
			fail(w, "a stalled receiver received");
		far->paused = false;
		if (far->gen->conn) {
			serve(w, far->gen->conn, EPOLLIN);
			watch(w, far->gen->conn, EPOLL_CTL_MOD);
		}
	}
	if (w->r->stalled_bytes > w->r->stall_max)
		fail(w, "a stalled receiver did not stop its sender");
}

/* Bytes of content that this run has, or of those already in. */
static uint64_t all_bytes(const struct world *w)
{
	uint64_t n = 0;
	for (unsigned k = 0; k < w->n_ends; k++)
		n += w->end[k].total;
	return n;
}

static void update_in_turn(struct world *w)
{
	if (!w->sip || w->r->updates_done >= w->r->updates || sip_load_open(w->sip) ||
	    w->r->totals.bytes_in < w->next_update_at)
		return;
	if (sip_load_modify_one(w->sip))
		w->r->updates_done++;
	w->next_update_at += all_bytes(w) / (w->r->updates + 1);
}

static void complain(struct world *w)
{
	fail(w, "nothing moves any more");
	for (unsigned k = 0; k < w->n_ends; k++) {
		struct end *e = &w->end[k];
		if (end_send_done(e) && end_receive_done(e))
			continue;
		end_wrong(e,
			  "%s; begun %" PRIu64 " of %" PRIu64 " messages, %" PRIu64
			  " SENDs without 200, %" PRIu64 " without REPORT; received %" PRIu64,
			  e->gen->conn ? e->gen->bound ? "bound" : "connected" : "no connection", e->k,
			  e->n_messages, e->unanswered, e->reports_wanted, e->in_base);
	}
}

/* Ends that send by the clock do not write by themselves. */
static void on_time(struct world *w)
{
	for (unsigned k = 0; w->r->flow.rate && k < w->n_ends; k++) {
		struct load_conn *c = w->end[k].gen->conn;
		if (c && !c->closed && !c->connecting && !c->want_write)
			serve(w, c, 0);
	}
}

static bool flow(struct world *w)
{
	uint64_t wait_ns = w->r->timeout_s * 1000000000ull;
	w->last_progress_ns = now_ns();
	while (!w->failed && !(all_done(w, 0) && w->r->updates_done >= w->r->updates)) {
		bool open = w->sip && sip_load_open(w->sip);
		if (w->stalling && all_done(w, w->r->stall))
			end_stall(w);
		update_in_turn(w);
		if (open)
			sip_load_pump(w->sip, 0);
		on_time(w);
		step(w, open ? 0 : w->r->flow.rate ? 1 : 20);
		if (now_ns() - w->last_progress_ns > wait_ns)
			complain(w);
	}
	return !w->failed;
}

static void linger(struct world *w, unsigned ms)
{
	for (uint64_t until = now_ns() + ms * 1000000ull; now_ns() < until && !w->failed;)
		step(w, 5);
}

/* The books must balance. */
static void audit(struct world *w)
{
	const struct msrp_run *r = w->r;
	const struct msrp_totals *t = &r->totals;
	uint64_t n = 0;
	for (unsigned k = 0; k < w->n_ends; k++)
		n += w->end[k].n_messages;
	if (t->messages_in != n || t->bytes_in != all_bytes(w) || t->messages != t->messages_in ||
	    t->bytes != t->bytes_in)
		fail(w, "not every message arrived");
	if (!r->flow.all_modes &&
	    (r->flow.failure_report == FR_YES ? t->answers != t->sends : t->answers != 0))
		fail(w, "answers and SENDs are not equal in number");
	if (!r->flow.all_modes && t->reports != (r->flow.success_report ? t->messages : 0))
		fail(w, "REPORTs and messages are not equal in number");
	if (t->wrong)
		w->failed = true;
	if (r->rss_max && r->rss_peak > r->rss_before + r->rss_max)
		fail(w, "the device's memory grew beyond --rss-max");
}

static uint64_t own_cpu_ns(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000u +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000u;
}

bool msrp_run(struct msrp_run *r)
{
	struct world w = { .r = r, .stalling = r->stall > 0, .run = (uint32_t)now_ns() };
	pattern_init();
	w.epoll = epoll_create1(EPOLL_CLOEXEC);
	make_listeners(&w);
	make_ends(&w);
	proc_tree_of(&w.dut, r->pid);
	if (open_sessions(&w)) {
		r->rss_before = r->rss_peak = proc_rss(&w.dut);
		uint64_t cpu = proc_cpu_ns(&w.dut), own = own_cpu_ns(), start = now_ns();
		w.next_update_at = 1;
		flow(&w);
		r->wall_ns = now_ns() - start;
		r->own_cpu_ns = own_cpu_ns() - own;
		linger(&w, r->settle_ms);
		r->cpu_ns = proc_cpu_ns(&w.dut) - cpu;
		r->rss_after = proc_rss(&w.dut);
		audit(&w);
	} else {
		w.failed = true;
	}
	if (w.sip && !sip_load_bye(w.sip))
		w.failed = true;
	for (unsigned k = 0; k < w.n_conn; k++)
		conn_destroy(w.conn[k]);
	sip_load_destroy(w.sip);
	for (unsigned k = 0; k < w.n_listeners; k++)
		close(w.listener[k]);
	free(w.listener);
	free(w.port);
	close(w.epoll);
	free(w.conn);
	for (unsigned k = 0; k < w.n_ends; k++)
		end_finish(&w.end[k]);
	free(w.end);
	return !w.failed;
}
