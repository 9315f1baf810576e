/* SPDX-License-Identifier: MIT */
/*
 * Sockets of parley-ua: one poll() loop, few connections, nothing clever.  A connection's output is queued
 * without bound, because a test tool shall show what the peer does with pressure and not invent any.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sip/frame.h"
#include "ua.h"

enum { UDP_MAX = 65536, READ_SIZE = 65536 };

uint64_t ua_now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * US_PER_S + (uint64_t)t.tv_nsec / 1000;
}

static socklen_t to_sockaddr(const struct addr *a, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (a->family == 6) {
		struct sockaddr_in6 *s = (struct sockaddr_in6 *)ss;
		s->sin6_family = AF_INET6;
		s->sin6_port = htons(a->port);
		memcpy(&s->sin6_addr, a->ip, 16);
		return sizeof(*s);
	}
	struct sockaddr_in *s = (struct sockaddr_in *)ss;
	s->sin_family = AF_INET;
	s->sin_port = htons(a->port);
	memcpy(&s->sin_addr, a->ip, 4);
	return sizeof(*s);
}

static void from_sockaddr(struct addr *a, const struct sockaddr_storage *ss)
{
	memset(a, 0, sizeof(*a));
	if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *s = (const struct sockaddr_in6 *)ss;
		a->family = 6;
		a->port = ntohs(s->sin6_port);
		memcpy(a->ip, &s->sin6_addr, 16);
	} else if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *s = (const struct sockaddr_in *)ss;
		a->family = 4;
		a->port = ntohs(s->sin_port);
		memcpy(a->ip, &s->sin_addr, 4);
	}
}

bool ua_resolve(struct span host, uint16_t port, struct addr *out)
{
	if (addr_parse(out, host, port))
		return true;
	char *z = span_dup(host);
	struct addrinfo *ai = NULL, want = { .ai_socktype = SOCK_STREAM };
	bool ok = z && getaddrinfo(z, NULL, &want, &ai) == 0 && ai;
	if (ok) {
		struct sockaddr_storage ss = { 0 };
		memcpy(&ss, ai->ai_addr, ai->ai_addrlen);
		from_sockaddr(out, &ss);
		out->port = port;
	}
	if (ai)
		freeaddrinfo(ai);
	free(z);
	return ok;
}

static int open_socket(const struct addr *a, int type)
{
	return socket(a->family == 6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int ua_listen_add(struct ua *ua, enum ua_kind kind, const struct addr *at)
{
	if (ua->n_listen == UA_LISTEN_MAX)
		return -EMFILE;
	int fd = open_socket(at, kind == UA_SIP_UDP ? SOCK_DGRAM : SOCK_STREAM), one = 1;
	if (fd < 0)
		return -errno;
	struct sockaddr_storage ss;
	socklen_t n = to_sockaddr(at, &ss);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&ss, n) < 0 || (kind != UA_SIP_UDP && listen(fd, 64) < 0)) {
		int err = -errno;
		close(fd);
		return err;
	}
	n = sizeof(ss);
	struct ua_listen *l = &ua->listen[ua->n_listen++];
	*l = (struct ua_listen){ .kind = kind, .fd = fd, .at = *at };
	if (getsockname(fd, (struct sockaddr *)&ss, &n) == 0)
		from_sockaddr(&l->at, &ss);
	return 0;
}

const struct ua_listen *ua_listen_of(const struct ua *ua, enum ua_kind kind, unsigned family)
{
	for (unsigned i = 0; i < ua->n_listen; i++)
		if (ua->listen[i].kind == kind && (!family || ua->listen[i].at.family == family))
			return &ua->listen[i];
	return NULL;
}

/* ---- connections ---- */

static struct ua_conn *conn_new(struct ua *ua, enum ua_kind kind, int fd, const struct addr *peer)
{
	for (unsigned i = 0; i < UA_CONNS_MAX; i++) {
		struct ua_conn *c = &ua->conn[i];
		if (c->used)
			continue;
		int one = 1;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		*c = (struct ua_conn){ .used = true, .kind = kind, .fd = fd, .peer = *peer };
		c->id = ++ua->next_conn;
		return c;
	}
	close(fd);
	return NULL;
}

static void conn_free(struct ua_conn *c)
{
	ua_tls_end(c);
	close(c->fd);
	free(c->in);
	free(c->out);
	*c = (struct ua_conn){ 0 };
}

static void conn_lost(struct ua *ua, struct ua_conn *c)
{
	if (ua_is_msrp(c->kind))
		ua_msrp_closed(ua, c);
	conn_free(c);
}

struct ua_conn *ua_connect(struct ua *ua, enum ua_kind kind, const struct addr *to)
{
	struct sockaddr_storage ss;
	socklen_t n = to_sockaddr(to, &ss);
	int fd = open_socket(to, SOCK_STREAM);
	if (fd < 0)
		return NULL;
	if (connect(fd, (struct sockaddr *)&ss, n) < 0 && errno != EINPROGRESS) {
		close(fd);
		return NULL;
	}
	struct ua_conn *c = conn_new(ua, kind, fd, to);
	if (c)
		c->connecting = c->called = true;
	return c;
}

void ua_conn_close(struct ua *ua, struct ua_conn *c)
{
	(void)ua;
	c->closing = true;
	if (c->out_n == c->out_at)
		conn_free(c);
}

/* Makes room for n more bytes at the end of a growing buffer. */
static bool grow(char **p, size_t *cap, size_t used, size_t n)
{
	if (used + n <= *cap)
		return true;
	size_t want = *cap ? *cap : 4096;
	while (want < used + n)
		want *= 2;
	char *q = realloc(*p, want);
	if (!q)
		return false;
	*p = q;
	*cap = want;
	return true;
}

static bool conn_flush(struct ua_conn *c)
{
	while (c->out_at < c->out_n && !c->connecting && !c->shaking) {
		ssize_t n = ua_conn_send(c, c->out + c->out_at, c->out_n - c->out_at);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		c->out_at += (size_t)n;
	}
	if (c->out_at == c->out_n)
		c->out_at = c->out_n = 0;
	return true;
}

void ua_conn_write(struct ua *ua, struct ua_conn *c, struct span bytes)
{
	if (!grow(&c->out, &c->out_cap, c->out_n, bytes.n)) {
		ua_note(ua, "out of memory");
		ua->failed = true;
		return;
	}
	memcpy(c->out + c->out_n, bytes.p, bytes.n);
	c->out_n += bytes.n;
	(void)conn_flush(c); /* a failure shows when we poll */
}

/* ---- SIP in and out ---- */

static struct ua_conn *sip_conn(struct ua *ua, const struct sip_dest *to, const struct addr *a)
{
	for (unsigned i = 0; i < UA_CONNS_MAX; i++) {
		struct ua_conn *c = &ua->conn[i];
		if (c->used && c->kind == UA_SIP_TCP && !c->closing && to->conn && c->id == to->conn)
			return c;
	}
	for (unsigned i = 0; i < UA_CONNS_MAX; i++) {
		struct ua_conn *c = &ua->conn[i];
		if (c->used && c->kind == UA_SIP_TCP && !c->closing && addr_eq(&c->peer, a))
			return c;
	}
	return ua_connect(ua, UA_SIP_TCP, a);
}

int ua_sip_out(void *u, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	(void)token;
	struct ua *ua = u;
	struct addr a = to->ip;
	struct sip_msg m;
	if (sip_msg_parse(&m, bytes, to->tp != SIP_UDP) == 0)
		ua_trace_sip(ua, true, &m);
	else
		ua_note(ua, "sending a message that does not parse: %s", m.fault ? m.fault : "noise");
	if (!a.family && !ua_resolve(to->host, to->ip.port, &a))
		return -EHOSTUNREACH;
	if (to->tp == SIP_TCP) {
		struct ua_conn *c = sip_conn(ua, to, &a);
		if (!c)
			return -EHOSTUNREACH;
		ua_conn_write(ua, c, bytes);
		return 0;
	}
	const struct ua_listen *l = ua_listen_of(ua, UA_SIP_UDP, a.family);
	if (!l)
		return -EAFNOSUPPORT;
	struct sockaddr_storage ss;
	socklen_t n = to_sockaddr(&a, &ss);
	ssize_t sent = sendto(l->fd, bytes.p, bytes.n, 0, (struct sockaddr *)&ss, n);
	return sent < 0 && errno != ECONNREFUSED ? -errno : 0;
}

static void udp_input(struct ua *ua, struct ua_listen *l)
{
	static char buf[UDP_MAX];
	struct sockaddr_storage ss = { 0 };
	socklen_t n = sizeof(ss);
	ssize_t got = recvfrom(l->fd, buf, sizeof(buf), 0, (struct sockaddr *)&ss, &n);
	if (got <= 0)
		return;
	struct sip_src src = { .tp = SIP_UDP };
	from_sockaddr(&src.ip, &ss);
	ua_sip_input(ua, (struct span){ buf, (size_t)got }, &src, false);
}

static void tcp_sip_input(struct ua *ua, struct ua_conn *c)
{
	struct sip_src src = { .tp = SIP_TCP, .ip = c->peer, .conn = c->id };
	size_t at = 0;
	while (at < c->in_n) {
		struct span head, in = { c->in + at, c->in_n - at };
		bool ping = false;
		ssize_t n = sip_frame(in, SIP_MSG_MAX, &head, &ping);
		if (n == 0)
			break;
		if (n < 0) {
			ua_note(ua, "SIP stream cannot be read any further");
			c->closing = true;
			return;
		}
		if (span_trim(span_cut(in, 0, (size_t)n)).n)
			ua_sip_input(ua, span_cut(in, 0, (size_t)n), &src, true);
		at += (size_t)n;
	}
	memmove(c->in, c->in + at, c->in_n - at);
	c->in_n -= at;
}

/* ---- the turn of the loop ---- */

static void accept_one(struct ua *ua, struct ua_listen *l)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t n = sizeof(ss);
	int fd = accept4(l->fd, (struct sockaddr *)&ss, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	struct addr peer;
	from_sockaddr(&peer, &ss);
	struct ua_conn *c = conn_new(ua, l->kind, fd, &peer);
	if (c && l->kind == UA_MSRPS && !ua_tls_begin(ua, c, false))
		conn_free(c);
}

/* false: it is still under way, or c is gone. */
static bool shaken(struct ua *ua, struct ua_conn *c)
{
	int r = ua_tls_shake(ua, c);
	if (r < 0)
		conn_lost(ua, c);
	if (r <= 0)
		return false;
	if (c->called)
		ua_msrp_connected(ua, c);
	return c->used;
}

static void conn_readable(struct ua *ua, struct ua_conn *c)
{
	if (c->shaking && !shaken(ua, c))
		return;
	if (!grow(&c->in, &c->in_cap, c->in_n, READ_SIZE)) {
		conn_lost(ua, c);
		return;
	}
	ssize_t n = ua_conn_recv(c, c->in + c->in_n, READ_SIZE);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_lost(ua, c);
		return;
	}
	c->in_n += (size_t)n;
	if (ua_is_msrp(c->kind))
		ua_msrp_input(ua, c);
	else
		tcp_sip_input(ua, c);
	if (c->used && ua_tls_has_more(c)) /* of which the descriptor knows nothing */
		conn_readable(ua, c);
}

static void conn_writable(struct ua *ua, struct ua_conn *c)
{
	if (c->connecting) {
		int err = 0;
		socklen_t n = sizeof(err);
		if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &n) < 0 || err) {
			ua_note(ua, "cannot connect: %s", strerror(err));
			conn_lost(ua, c);
			return;
		}
		c->connecting = false;
		if (c->kind == UA_MSRPS && !ua_tls_begin(ua, c, true)) {
			conn_lost(ua, c);
			return;
		}
		if (c->kind == UA_MSRP)
			ua_msrp_connected(ua, c);
	}
	if (c->shaking && !shaken(ua, c))
		return;
	if (!conn_flush(c)) {
		conn_lost(ua, c);
		return;
	}
	if (c->closing && c->out_n == 0)
		conn_free(c);
	else if (ua_is_msrp(c->kind) && c->out_n == 0)
		ua_msrp_pump(ua, c);
}

void ua_loop_turn(struct ua *ua, int wait_ms)
{
	struct pollfd p[UA_LISTEN_MAX + UA_CONNS_MAX + 1];
	uint64_t id[ARRAY_LEN(p)];
	unsigned n = 0, n_listen = ua->n_listen;
	for (unsigned i = 0; i < n_listen; i++)
		p[n++] = (struct pollfd){ .fd = ua->listen[i].fd, .events = POLLIN };
	for (unsigned i = 0; i < UA_CONNS_MAX; i++) {
		struct ua_conn *c = &ua->conn[i];
		bool want_out =
			c->connecting || (c->shaking ? ua_tls_waits_for_room(c) : c->out_at < c->out_n);
		id[n] = c->id;
		p[n++] = (struct pollfd){ .fd = c->used ? c->fd : -1,
					  .events = (short)(POLLIN | (want_out ? POLLOUT : 0)) };
	}
	p[n++] = (struct pollfd){ .fd = ua->script.eof ? -1 : ua->script.fd, .events = POLLIN };

	uint64_t due = timers_deadline(&ua->wheel), now = ua_now_us();
	if (due != UINT64_MAX) {
		uint64_t ms = due <= now ? 0 : (due - now + 999) / 1000;
		if (ms < (uint64_t)wait_ms)
			wait_ms = (int)ms;
	}
	if (poll(p, n, wait_ms) > 0) {
		for (unsigned i = 0; i < n_listen; i++) {
			if (p[i].revents && ua->listen[i].kind == UA_SIP_UDP)
				udp_input(ua, &ua->listen[i]);
			else if (p[i].revents)
				accept_one(ua, &ua->listen[i]);
		}
		for (unsigned i = 0; i < UA_CONNS_MAX; i++) {
			struct ua_conn *c = &ua->conn[i];
			unsigned at = n_listen + i;
			/* a handler may have closed it, and even used its slot again */
			if (c->used && c->id == id[at] && p[at].revents & POLLOUT)
				conn_writable(ua, c);
			if (c->used && c->id == id[at] && p[at].revents & (POLLIN | POLLHUP | POLLERR))
				conn_readable(ua, c);
		}
		if (p[n - 1].revents)
			ua_script_read(ua);
	}
	timers_run(&ua->wheel, ua_now_us());
}

void ua_loop_finish(struct ua *ua)
{
	for (unsigned i = 0; i < UA_CONNS_MAX; i++)
		if (ua->conn[i].used)
			conn_free(&ua->conn[i]);
	ua_tls_finish(ua);
	for (unsigned i = 0; i < ua->n_listen; i++)
		close(ua->listen[i].fd);
	ua->n_listen = 0;
}
