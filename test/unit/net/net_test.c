/* SPDX-License-Identifier: MIT */
#include "net_test.h"

#include <time.h>

static uint64_t clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

struct addr addr_of(const char *hostport)
{
	struct addr a = { 0 };

	assert_true(addr_parse_port(&a, span_of(hostport)));
	return a;
}

/* ---- hooks ---- */

static void on_sip(void *u, struct span bytes, const struct sip_src *src, uint64_t now_us)
{
	struct fixture *f = u;
	struct seen *s = &f->seen;
	size_t n = bytes.n < sizeof(s->sip[0]) ? bytes.n : sizeof(s->sip[0]) - 1;

	assert_true(s->n_sip < SEEN_MAX);
	memcpy(s->sip[s->n_sip], bytes.p, n);
	s->sip_n[s->n_sip++] = bytes.n;
	s->src = *src;
	if (f->on_sip)
		f->on_sip(f, bytes, src);
}

static void on_lag(void *u, uint64_t lag_us, uint64_t now_us)
{
	struct fixture *f = u;

	if (lag_us > f->seen.lag_us)
		f->seen.lag_us = lag_us;
}

static void on_broken(void *u, struct span head, int err, const struct sip_src *src, uint64_t now_us)
{
	struct fixture *f = u;
	struct span answer = SPAN("SIP/2.0 513 Message Too Large\r\nContent-Length: 0\r\n\r\n");
	struct sip_dest to = { .tp = src->tp, .ip = src->ip, .conn = src->conn };

	f->seen.n_broken++;
	f->seen.broken_err = err;
	f->seen.src = *src;
	snprintf(f->seen.broken_head, sizeof(f->seen.broken_head), "%" SPAN_FMT, SPAN_ARG(head));
	assert_int_equal(net_sip_send(f->net, &to, answer, 0), 0);
}

static void on_unreachable(void *u, uint64_t token, uint64_t now_us)
{
	struct fixture *f = u;

	assert_true(f->seen.n_tokens < SEEN_TOKENS_MAX);
	f->seen.tokens[f->seen.n_tokens++] = token;
}

static void *on_accepted(void *u, struct net_conn *c, enum net_msrp_kind kind, const struct addr *from,
			 uint64_t now_us)
{
	struct fixture *f = u;

	f->seen.n_accepted++;
	if (f->seen.refuse)
		return NULL;
	f->seen.conn = c;
	return f;
}

static void on_connected(void *cu, uint64_t now_us)
{
	((struct fixture *)cu)->seen.n_connected++;
}

static size_t on_input(void *cu, struct span in, uint64_t now_us)
{
	struct seen *s = &((struct fixture *)cu)->seen;
	size_t n = in.n < s->take_max ? in.n : s->take_max;

	if (s->in_n + n > s->in_cap) {
		s->in_cap = 2 * (s->in_n + n);
		s->in = realloc(s->in, s->in_cap);
		assert_non_null(s->in);
	}
	memcpy(s->in + s->in_n, in.p, n);
	s->in_n += n;
	s->take_max -= n;
	return n;
}

static void on_drained(void *cu, uint64_t now_us)
{
	((struct fixture *)cu)->seen.n_drained++;
}

static void on_closed(void *cu, uint64_t now_us)
{
	((struct fixture *)cu)->seen.n_closed++;
}

static void on_event(void *u, const char *event, const char *detail)
{
	((struct fixture *)u)->seen.events++;
}

/* ---- the fixture ---- */

static struct addr any_port(const char *ip)
{
	struct addr a = { 0 };

	assert_true(addr_parse(&a, span_of(ip), 0));
	return a;
}

struct fixture *fixture_new(const struct net_conf *conf, const char *ip)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct addr at = any_port(ip);
	struct net_conf defaults;

	assert_non_null(f);
	net_conf_defaults(&defaults);
	f->seen.take_max = SIZE_MAX;
	f->net = net_create(conf ? conf : &defaults, &(struct net_hooks){ .u = f,
									  .sip = on_sip,
									  .lag = on_lag,
									  .sip_broken = on_broken,
									  .sip_unreachable = on_unreachable,
									  .msrp_accepted = on_accepted,
									  .msrp_connected = on_connected,
									  .msrp_input = on_input,
									  .msrp_drained = on_drained,
									  .msrp_closed = on_closed,
									  .event = on_event });
	assert_non_null(f->net);
	assert_int_equal(net_listen_sip(f->net, SIP_UDP, &at, &f->udp), 0);
	assert_int_equal(net_listen_sip(f->net, SIP_TCP, &at, &f->tcp), 0);
	assert_int_equal(net_listen_msrp(f->net, NET_MSRP_TCP, &at, &f->msrp), 0);
	return f;
}

void fixture_free(struct fixture *f)
{
	net_destroy(f->net);
	free(f->seen.in);
	free(f);
}

static void on_wake(uv_timer_t *t)
{
}

bool turn_once(struct fixture *f, uint64_t *until_us)
{
	uv_timer_t *wake;
	uint64_t now = clock_us();

	if (*until_us == 0)
		*until_us = now + 10 * 1000000ull;
	if (now > *until_us)
		return false;
	/* A peer's socket is not on the loop: look at it again soon, whatever happens on ours. */
	wake = malloc(sizeof(*wake));
	assert_non_null(wake);
	uv_timer_init(net_loop(f->net), wake);
	uv_update_time(net_loop(f->net)); /* or it may be over before the loop sleeps, and nothing wakes it */
	uv_timer_start(wake, on_wake, 1, 0);
	uv_run(net_loop(f->net), UV_RUN_ONCE);
	uv_close((uv_handle_t *)wake, (uv_close_cb)free);
	return true;
}

/* ---- peers ---- */

static socklen_t to_sockaddr(struct sockaddr_storage *ss, const struct addr *a)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (a->family == 4) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(a->port);
		memcpy(&v4->sin_addr, a->ip, 4);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(a->port);
	memcpy(&v6->sin6_addr, a->ip, 16);
	return sizeof(*v6);
}

struct addr peer_addr(int fd)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} u = { .v6 = { 0 } };
	socklen_t n = sizeof(u);
	struct addr a = { 0 };

	assert_int_equal(getsockname(fd, &u.sa, &n), 0);
	a.family = u.sa.sa_family == AF_INET ? 4 : 6;
	a.port = ntohs(a.family == 4 ? u.v4.sin_port : u.v6.sin6_port);
	memcpy(a.ip, a.family == 4 ? (void *)&u.v4.sin_addr : (void *)&u.v6.sin6_addr,
	       a.family == 4 ? 4 : 16);
	return a;
}

static int bound(const char *ip, int type, struct addr *at)
{
	struct addr a = any_port(ip);
	struct sockaddr_storage ss;
	socklen_t n = to_sockaddr(&ss, &a);
	int fd = socket(ss.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, n), 0);
	*at = peer_addr(fd);
	return fd;
}

int peer_udp(const char *ip, struct addr *at)
{
	return bound(ip, SOCK_DGRAM, at);
}

int peer_listen(const char *ip, struct addr *at)
{
	int fd = bound(ip, SOCK_STREAM, at);

	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

int peer_connect(const struct addr *to)
{
	struct sockaddr_storage ss;
	socklen_t n = to_sockaddr(&ss, to);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_true(connect(fd, (struct sockaddr *)&ss, n) == 0 || errno == EINPROGRESS);
	return fd;
}

void peer_send_to(int fd, const struct addr *to, const char *text)
{
	struct sockaddr_storage ss;
	socklen_t n = to_sockaddr(&ss, to);

	assert_int_equal(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&ss, n), strlen(text));
}

void peer_write(int fd, const void *p, size_t n)
{
	assert_int_equal(send(fd, p, n, MSG_NOSIGNAL), n);
}

ssize_t peer_read(int fd, char *buf, size_t cap)
{
	ssize_t n = recv(fd, buf, cap - 1, 0);

	buf[n > 0 ? n : 0] = 0;
	return n;
}
