/* SPDX-License-Identifier: MIT */
/*
 * c-ares on our loop: it makes the sockets, we say when they are ready and when time has passed.  What is hard: an answer
 * may come from inside the question (a name of the hosts file).
 */
#include "net/dns.h"

#include <ares.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>

enum { TYPE_SRV = 33, TYPE_NAPTR = 35, CLASS_IN = 1, TRIES = 3 };

struct sock {
	struct list link;
	struct dns *dns;
	uv_poll_t poll;
	ares_socket_t fd;
};

struct dns {
	struct net *net;
	ares_channel channel;
	struct list socks;
	struct timer timer;
};

struct question {
	dns_fn *fn;
	void *u;
	enum dns_kind kind;
};

/* ---- the loop ---- */

static timer_fn on_timer;

/* c-ares has bounds of its own on each question; it is asked about them while one is open. */
static void arm(struct dns *d)
{
	struct timeval tv, *next = ares_timeout(d->channel, NULL, &tv);
	uint64_t in_us;

	if (!next) {
		timer_stop(&d->net->wheel, &d->timer);
		return;
	}
	in_us = (uint64_t)next->tv_sec * US_PER_S + (uint64_t)next->tv_usec;
	timer_set(&d->net->wheel, &d->timer, d->net->now_us + in_us + US_PER_MS, on_timer);
}

static void on_timer(struct timer *t, uint64_t now_us)
{
	struct dns *d = container_of(t, struct dns, timer);

	(void)now_us;
	ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm(d);
}

static void on_ready(uv_poll_t *p, int status, int events)
{
	struct sock *s = container_of(p, struct sock, poll);
	struct dns *d = s->dns;
	bool in = status < 0 || events & UV_READABLE, out = status < 0 || events & UV_WRITABLE;

	net_touch(d->net);
	ares_process_fd(d->channel, in ? s->fd : ARES_SOCKET_BAD, out ? s->fd : ARES_SOCKET_BAD);
	arm(d);
}

static void on_closed(uv_handle_t *h)
{
	free(container_of((uv_poll_t *)h, struct sock, poll));
}

static void sock_drop(struct sock *s)
{
	list_del(&s->link);
	uv_close((uv_handle_t *)&s->poll, on_closed);
}

static struct sock *sock_of(struct dns *d, ares_socket_t fd)
{
	struct sock *s;

	list_each(l, &d->socks) {
		s = container_of(l, struct sock, link);
		if (s->fd == fd)
			return s;
	}
	s = calloc(1, sizeof(*s));
	if (!s || uv_poll_init(&d->net->loop, &s->poll, fd) < 0) {
		free(s);
		return NULL; /* its time-out ends the question */
	}
	s->dns = d;
	s->fd = fd;
	list_push(&d->socks, &s->link);
	return s;
}

/* c-ares closes fd behind a call with neither. */
static void on_state(void *u, ares_socket_t fd, int readable, int writable)
{
	struct sock *s = sock_of(u, fd);

	if (s && !readable && !writable)
		sock_drop(s);
	else if (s)
		uv_poll_start(&s->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0),
			      on_ready);
}

/* ---- answers ---- */

static void answer(struct question *q, const struct dns_answer *a)
{
	static const struct dns_answer none;

	q->fn(q->u, a ? a : &none);
	free(q);
}

static void on_addresses(void *u, int status, int timeouts, struct ares_addrinfo *ai)
{
	struct dns_answer a = { .ttl_s = UINT32_MAX };

	(void)timeouts;
	for (struct ares_addrinfo_node *i = status == ARES_SUCCESS ? ai->nodes : NULL;
	     i && a.n < NET_ADDRS_MAX; i = i->ai_next) {
		struct sockaddr_storage ss = { 0 };
		if (i->ai_addrlen > sizeof(ss))
			continue;
		memcpy(&ss, i->ai_addr, i->ai_addrlen);
		if (!sock_to_addr(&a.addrs[a.n], &ss))
			continue;
		a.addrs[a.n++].port = 0;
		if (i->ai_ttl >= 0 && (uint32_t)i->ai_ttl < a.ttl_s)
			a.ttl_s = (uint32_t)i->ai_ttl;
	}
	if (ai)
		ares_freeaddrinfo(ai);
	answer(u, &a);
}

static void on_records(void *u, int status, int timeouts, unsigned char *m, int n)
{
	struct question *q = u;
	struct dns_answer a = { 0 };

	(void)timeouts;
	if (status == ARES_SUCCESS && m && n > 0)
		dns_read(&a, q->kind, m, (size_t)n);
	answer(q, &a);
}

/* ---- questions ---- */

void dns_ask(struct dns *d, enum dns_kind kind, const char *name, dns_fn *fn, void *u)
{
	static const struct dns_answer none;
	struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct question *q = malloc(sizeof(*q));

	if (!q) {
		fn(u, &none);
		return;
	}
	*q = (struct question){ fn, u, kind };
	if (kind == DNS_ADDR)
		ares_getaddrinfo(d->channel, name, NULL, &hints, on_addresses, q);
	else
		ares_query(d->channel, name, CLASS_IN, kind == DNS_SRV ? TYPE_SRV : TYPE_NAPTR, on_records,
			   q);
	arm(d);
}

struct dns *dns_create(struct net *n)
{
	struct dns *d = calloc(1, sizeof(*d));
	struct ares_options o = { .timeout = (int)n->conf.dns_timeout_ms,
				  .tries = TRIES,
				  .sock_state_cb = on_state,
				  .sock_state_cb_data = d };

	if (!d)
		return NULL;
	d->net = n;
	list_init(&d->socks);
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
		goto err_free;
	if (ares_init_options(&d->channel, &o,
			      ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS)
		goto err_library;
	if (n->conf.dns_servers[0] &&
	    ares_set_servers_ports_csv(d->channel, n->conf.dns_servers) != ARES_SUCCESS)
		goto err_channel;
	return d;
err_channel:
	ares_destroy(d->channel);
err_library:
	ares_library_cleanup();
err_free:
	free(d);
	return NULL;
}

void dns_destroy(struct dns *d)
{
	if (!d)
		return;
	ares_destroy(d->channel);
	timer_stop(&d->net->wheel, &d->timer);
	list_each(l, &d->socks)
		sock_drop(container_of(l, struct sock, link));
	ares_library_cleanup();
	free(d);
}
