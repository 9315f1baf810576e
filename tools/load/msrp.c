/* SPDX-License-Identifier: MIT */
/*
 * The loop of parley-load msrp: sessions are set up by SIP, or not at all when the device is a plain TCP proxy; then
 * every connection is read and written until each end has sent, and received, all it must.
 */
#include <errno.h>
#include <inttypes.h>
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

static void watch(struct world *w, struct load_conn *c, int op)
{
	struct epoll_event ev = { .data.ptr = c };
	bool paused = c->end && c->end->paused;
	ev.events = (paused ? 0 : EPOLLIN) | (c->want_write || c->connecting ? EPOLLOUT : 0);
	epoll_ctl(w->epoll, op, c->fd, &ev);
}

static struct load_conn *add_conn(struct world *w, int fd, struct end *e)
{
	if (w->n_conn == w->conn_cap) {
		w->conn_cap = w->conn_cap ? 2 * w->conn_cap : 64;
		w->conn = realloc(w->conn, w->conn_cap * sizeof(*w->conn));
		if (!w->conn)
			load_die("out of memory");
	}
	int one = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	struct load_conn *c = conn_create(fd, e);
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
	unsigned n = r->far_active || r->sip.to.ss_family == 0 ? 1 : r->sip.sessions;
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
	e->conn = add_conn(w, fd, e);
	e->conn->connecting = true;
	watch(w, e->conn, EPOLL_CTL_ADD);
}

/* Connects to the first URI of the peer's path (RFC 4975 5.4). */
static void connect_to_path(struct world *w, struct end *e)
{
	struct sockaddr_storage to;
	char text[80];
	const char *host = strstr(e->peer, "://"), *slash = host ? strchr(host + 3, '/') : NULL;
	if (!slash || slash - host - 3 >= (long)sizeof(text)) {
		end_wrong(e, "cannot use the path %s", e->peer);
		return;
	}
	snprintf(text, sizeof(text), "%.*s", (int)(slash - host - 3), host + 3);
	load_addr("path", text, &to);
	connect_end(w, e, &to);
}

static void accept_all(struct world *w)
{
	for (unsigned k = 0; k < w->n_listeners; k++)
		for (int fd; (fd = accept4(w->listener[k], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
			watch(w, add_conn(w, fd, NULL), EPOLL_CTL_ADD);
}

/* An accepted connection is whose path its first request names. */
static struct end *bind_by_path(void *u, struct load_conn *c, struct span to_path)
{
	struct world *w = u;
	for (unsigned k = 0; k < w->n_ends; k++) {
		struct end *e = &w->end[k];
		if (!e->conn && span_eq(to_path, span_of(e->self))) {
			e->conn = c;
			return e;
		}
	}
	return NULL;
}

static void serve(struct world *w, struct load_conn *c, uint32_t events)
{
	bool want = c->want_write || c->connecting;
	bool paused = c->end && c->end->paused;
	if (c->end && c->connecting && events & (EPOLLOUT | EPOLLERR)) {
		int err = 0;
		socklen_t len = sizeof(err);
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
		if (err) {
			end_wrong(c->end, "cannot connect: %s", strerror(err));
			c->closed = true;
		}
		c->connecting = false;
		c->end->bound = true;
		conn_hello(c);
	}
	if (!c->closed && events & EPOLLIN && !paused)
		conn_readable(c, bind_by_path, w);
	if (!c->closed)
		conn_writable(c);
	if (c->closed) {
		close(c->fd);
		c->fd = -1;
		w->failed = true;
	} else if (want != c->want_write || paused != (c->end && c->end->paused)) {
		watch(w, c, EPOLL_CTL_MOD);
	}
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

static void media(void *u, unsigned i, bool far, struct sip_media *m)
{
	struct world *w = u;
	m->port = port_of(w, i);
	m->setup = !far ? "actpass" : w->r->far_active ? "active" : "passive";
	snprintf(m->path, sizeof(m->path), "%.*s", SIP_PATH_MAX - 1, w->end[2 * i + far].self);
}

static void peer(void *u, unsigned i, bool far, struct span sdp)
{
	struct world *w = u;
	struct end *e = &w->end[2 * i + far];
	struct span path = text_line(sdp, "a=path:"), setup = text_line(sdp, "a=setup:");
	snprintf(e->peer, sizeof(e->peer), "%" SPAN_FMT, SPAN_ARG(path));
	e->active = far ? w->r->far_active : !span_eq(setup, SPAN("active"));
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
		e->flow = k;
		e->conf = &w->r->flow;
		e->totals = &w->r->totals;
		e->sends = !far || w->r->duplex;
		e->expects = far || w->r->duplex;
		snprintf(e->name, sizeof(e->name), "session %u, %s", k / 2, far ? "far end" : "client");
		snprintf(e->self, sizeof(e->self), "msrp://%s%s%s:%u/%s%06x%08" PRIx32 "parleyload;tcp",
			 ip6 ? "[" : "", w->r->sip.host, ip6 ? "]" : "", port_of(w, k / 2),
			 far ? "far" : "cli", k / 2, w->run);
	}
}

static bool open_sessions(struct world *w)
{
	if (w->r->sip.to.ss_family == 0) {
		for (unsigned k = 0; k < w->n_ends; k++) {
			struct end *e = &w->end[k];
			snprintf(e->peer, sizeof(e->peer), "%s", w->end[k ^ 1].self);
			e->active = !(k & 1);
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
		if (e->active && w->sip)
			connect_to_path(w, e);
		else if (e->active)
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

/* The sessions that may flow have: look at the stalled ones, and let them go on. */
static void end_stall(struct world *w)
{
	w->stalling = false;
	w->r->stalled_rss = proc_rss(&w->dut);
	for (unsigned i = 0; i < w->r->stall; i++) {
		struct end *client = &w->end[2 * i], *far = &w->end[2 * i + 1];
		uint64_t sent = client->sent_bytes - client->body_left;
		if (sent > w->r->stalled_bytes)
			w->r->stalled_bytes = sent;
		if (far->in_k || far->in_offset)
			fail(w, "a stalled receiver received");
		far->paused = false;
		if (far->conn) {
			serve(w, far->conn, EPOLLIN);
			watch(w, far->conn, EPOLL_CTL_MOD);
		}
	}
	if (w->r->stalled_bytes > w->r->stall_max)
		fail(w, "a stalled receiver did not stop its sender");
}

static void update_in_turn(struct world *w)
{
	uint64_t whole = w->r->flow.total * (w->n_ends / 2) * (w->r->duplex ? 2 : 1);
	if (!w->sip || w->r->updates_done >= w->r->updates || sip_load_open(w->sip) ||
	    w->r->totals.bytes_in < w->next_update_at)
		return;
	if (sip_load_modify_one(w->sip))
		w->r->updates_done++;
	w->next_update_at += whole / (w->r->updates + 1);
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
		step(w, open ? 0 : 20);
		if (now_ns() - w->last_progress_ns > wait_ns) {
			fail(w, "nothing moves any more");
			for (unsigned k = 0; k < w->n_ends; k++) {
				struct end *e = &w->end[k];
				if (!end_send_done(e) || !end_receive_done(e))
					end_wrong(e,
						  "%s; begun %" PRIu64 " of %" PRIu64 " messages, %" PRIu64
						  " SENDs without 200, %" PRIu64
						  " without REPORT; received %" PRIu64,
						  e->conn ? e->bound ? "bound" : "connected"
							  : "no connection",
						  e->k, w->r->flow.n_messages, e->unanswered,
						  e->reports_wanted, e->in_k);
			}
		}
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
	uint64_t flows = r->sip.sessions * (r->duplex ? 2 : 1);
	if (t->messages_in != flows * r->flow.n_messages || t->bytes_in != flows * r->flow.total ||
	    t->messages != t->messages_in || t->bytes != t->bytes_in)
		fail(w, "not every message arrived");
	if (r->flow.failure_report == FR_YES ? t->answers != t->sends : t->answers != 0)
		fail(w, "answers and SENDs are not equal in number");
	if (t->reports != (r->flow.success_report ? t->messages : 0))
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
	flow_plan(&r->flow);
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
	free(w.end);
	return !w.failed;
}
