/* SPDX-License-Identifier: MIT */
/*
 * Accepting.  At a limit, or without descriptors, accepting is suspended rather than done and undone: the
 * peers wait in the kernel's queue and sessions that run are not disturbed (UP-52).
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/locate.h"

enum { ACCEPT_ROUNDS = 64, RETRY_MS = 100 };

struct listener {
	struct list link;
	struct net *net;
	uv_poll_t poll;
	int fd;
	enum listen_kind kind;
	struct addr at;
	struct timer retry;
	bool suspended;
};

static const enum sip_transport sip_transport_of[] = { [LISTEN_SIP] = SIP_TCP,
						       [LISTEN_SIP_TLS] = SIP_TLS,
						       [LISTEN_SIP_WS] = SIP_WS,
						       [LISTEN_SIP_WSS] = SIP_WSS };

static void on_poll(uv_poll_t *p, int status, int events);

static bool full(const struct listener *l)
{
	const struct net *n = l->net;

	return l->kind >= LISTEN_MSRP ? n->stats.msrp_connections >= n->conf.msrp_connections_max
				      : n->stats.sip_connections >= n->conf.sip_connections_max;
}

static void suspend(struct listener *l, int err)
{
	l->suspended = true;
	uv_poll_stop(&l->poll);
	l->net->stats.accepts_failed++;
	net_event(l->net, "accept-suspended", &l->at, err);
}

static void resume(struct listener *l)
{
	if (!l->suspended || full(l))
		return;
	l->suspended = false;
	timer_stop(&l->net->wheel, &l->retry);
	uv_poll_start(&l->poll, UV_READABLE, on_poll);
}

static void on_retry(struct timer *t, uint64_t now_us)
{
	resume(container_of(t, struct listener, retry));
}

bool listener_has(struct net *n, enum listen_kind kind)
{
	list_each(i, &n->listeners)
		if (container_of(i, struct listener, link)->kind == kind)
			return true;
	return false;
}

bool listener_is(struct net *n, enum listen_kind kind, const struct addr *a)
{
	list_each(i, &n->listeners) {
		struct listener *l = container_of(i, struct listener, link);
		if (l->kind == kind && locate_is(&l->at, a))
			return true;
	}
	return false;
}

void listeners_resume(struct net *n)
{
	list_each(i, &n->listeners) {
		struct listener *l = container_of(i, struct listener, link);
		if (!timer_is_set(&l->retry)) /* no descriptor: the timer tries again */
			resume(l);
	}
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct listener *l = p->data;
	struct net *n = l->net;

	net_touch(n);
	for (unsigned i = 0; i < ACCEPT_ROUNDS; i++) {
		struct addr from;
		int fd;

		if (full(l)) {
			suspend(l, 0);
			return;
		}
		fd = sock_accept(l->fd, &from);
		if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
			suspend(l, fd);
			timer_set(&n->wheel, &l->retry, n->now_us + RETRY_MS * US_PER_MS, on_retry);
			return;
		}
		if (fd == -EAGAIN)
			break;
		if (fd < 0)
			continue; /* the peer gave up meanwhile (accept(2)) */
		if (l->kind >= LISTEN_MSRP)
			msrp_accepted(n, (enum net_msrp_kind)(l->kind - LISTEN_MSRP), fd, &from);
		else
			sip_accepted(n, sip_transport_of[l->kind], fd, &from);
	}
	if (status < 0)
		uv_poll_start(&l->poll, UV_READABLE, on_poll);
}

int listener_open(struct net *n, enum listen_kind kind, const struct addr *at, struct addr *bound)
{
	struct listener *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	l->net = n;
	l->kind = kind;
	l->fd = sock_listen(at, SOCK_STREAM, &l->at);
	if (l->fd < 0) {
		err = l->fd;
		goto err_free;
	}
	err = uv_poll_init(&n->loop, &l->poll, l->fd);
	if (err < 0)
		goto err_close;
	l->poll.data = l;
	uv_poll_start(&l->poll, UV_READABLE, on_poll);
	list_push(&n->listeners, &l->link);
	if (bound)
		*bound = l->at;
	return 0;
err_close:
	close(l->fd);
err_free:
	free(l);
	return err;
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

void listeners_finish(struct net *n)
{
	list_each(i, &n->listeners) {
		struct listener *l = container_of(i, struct listener, link);
		list_del(&l->link);
		timer_stop(&n->wheel, &l->retry);
		uv_close((uv_handle_t *)&l->poll, on_closed);
		close(l->fd);
	}
}
