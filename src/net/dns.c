/* SPDX-License-Identifier: MIT */
/*
 * c-ares on our loop: it makes the sockets, we say when they are ready and when time has passed.  What is hard: an answer
 * may come from inside the question (a name of the hosts file), and c-ares tells SRV and NAPTR records without their time to live,
 * which is then read from the message itself.
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

/* The lowest time to live of the answer section; a message that c-ares could read has no surprise for us. */
static uint32_t lowest_ttl(const unsigned char *m, int n)
{
	unsigned questions = n >= 12 ? (unsigned)(m[4] << 8 | m[5]) : 0;
	unsigned answers = n >= 12 ? (unsigned)(m[6] << 8 | m[7]) : 0;
	const unsigned char *at = m + 12, *end = m + n;
	uint32_t ttl = UINT32_MAX;

	for (unsigned i = 0; i < questions + answers; i++) {
		long used;
		char *name;
		uint32_t own;
		if (at >= end || ares_expand_name(at, m, n, &name, &used) != ARES_SUCCESS)
			break;
		ares_free_string(name);
		at += used;
		if (i < questions) {
			at += 4;
			continue;
		}
		if (end - at < 10)
			break;
		own = (uint32_t)at[4] << 24 | (uint32_t)at[5] << 16 | (uint32_t)at[6] << 8 | at[7];
		ttl = own < ttl ? own : ttl;
		at += 10 + (at[8] << 8 | at[9]);
	}
	return ttl;
}

static bool keep_name(char to[TARGET_NAME_MAX], const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n >= TARGET_NAME_MAX || strcmp(name, ".") == 0)
		return false; /* RFC 2782: the service is not there */
	memcpy(to, name, n + 1);
	return true;
}

static void read_srv(struct dns_answer *a, const unsigned char *m, int n)
{
	struct ares_srv_reply *list = NULL;

	if (ares_parse_srv_reply(m, n, &list) == ARES_SUCCESS)
		for (struct ares_srv_reply *i = list; i && a->n < TARGETS_MAX; i = i->next) {
			struct target_srv *t = &a->srv[a->n];
			*t = (struct target_srv){ .priority = i->priority,
						  .weight = i->weight,
						  .port = i->port };
			a->n += i->port && keep_name(t->host, i->host);
		}
	ares_free_data(list);
}

static void read_naptr(struct dns_answer *a, const unsigned char *m, int n)
{
	struct ares_naptr_reply *list = NULL;

	if (ares_parse_naptr_reply(m, n, &list) == ARES_SUCCESS)
		for (struct ares_naptr_reply *i = list; i && a->n < TARGET_NAPTR_MAX; i = i->next) {
			struct target_naptr *t = &a->naptr[a->n];
			*t = (struct target_naptr){ .order = i->order, .preference = i->preference };
			/* RFC 3263 4.1: "s", and a replacement that needs no expression. */
			a->n += target_service(span_of((const char *)i->service), &t->tp) &&
				span_ieq(span_of((const char *)i->flags), SPAN("s")) &&
				keep_name(t->srv, i->replacement);
		}
	ares_free_data(list);
}

static void on_records(void *u, int status, int timeouts, unsigned char *m, int n)
{
	struct question *q = u;
	struct dns_answer a = { 0 };

	(void)timeouts;
	if (status == ARES_SUCCESS && m) {
		a.ttl_s = lowest_ttl(m, n);
		if (q->kind == DNS_SRV)
			read_srv(&a, m, n);
		else
			read_naptr(&a, m, n);
	}
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
