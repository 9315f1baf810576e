/* SPDX-License-Identifier: MIT */
/*
 * Making a TCP connection: the addresses in their order, each with its own time (UP-16).  The answer always
 * comes from the loop, also when the kernel refuses at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/priv.h"

struct dial {
	struct net *net;
	dial_fn *fn;
	void *u;
	struct timer timer;      /* the attempt's end */
	struct attempt *attempt; /* owned; NULL between two */
	int err;                 /* of the last attempt */
	unsigned at, n;
	struct addr addrs[NET_ADDRS_MAX];
};

/* One try; apart from the dial since a uv_poll_t outlives its closing by one turn. */
struct attempt {
	uv_poll_t poll;
	int fd;
	struct dial *dial;
};

static void next_attempt(struct dial *d);

static void on_attempt_closed(uv_handle_t *h)
{
	free(container_of((uv_poll_t *)h, struct attempt, poll));
}

/* Returns the descriptor, no longer watched. */
static int attempt_drop(struct dial *d)
{
	int fd = -1;

	if (d->attempt) {
		fd = d->attempt->fd;
		uv_close((uv_handle_t *)&d->attempt->poll, on_attempt_closed);
	}
	d->attempt = NULL;
	return fd;
}

static void finish(struct dial *d, int fd)
{
	dial_fn *fn = d->fn;
	void *u = d->u;
	struct addr peer = d->addrs[d->at < d->n ? d->at : 0];

	timer_stop(&d->net->wheel, &d->timer);
	if (fd < 0)
		d->net->stats.connects_failed++;
	free(d);
	fn(u, fd, &peer);
}

static void attempt_failed(struct dial *d, int err)
{
	int fd = attempt_drop(d);

	if (fd >= 0)
		close(fd);
	d->err = err;
	d->at++;
	next_attempt(d);
}

static void on_attempt_timeout(struct timer *t, uint64_t now_us)
{
	struct dial *d = container_of(t, struct dial, timer);

	if (d->attempt)
		attempt_failed(d, -ETIMEDOUT);
	else
		next_attempt(d); /* the first, or one put off by a refusal at once */
}

static void on_attempt_ready(uv_poll_t *p, int status, int events)
{
	struct attempt *a = container_of(p, struct attempt, poll);
	struct dial *d = a->dial;
	int err = 0;
	socklen_t len = sizeof(err);

	net_touch(d->net);
	if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (err == 0 && status < 0)
		err = ECONNREFUSED;
	if (err)
		attempt_failed(d, -err);
	else
		finish(d, attempt_drop(d));
}

static int attempt_start(struct dial *d)
{
	struct attempt *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	a->dial = d;
	a->fd = sock_connect(&d->addrs[d->at]);
	if (a->fd < 0) {
		err = a->fd;
		goto err_free;
	}
	err = uv_poll_init(&d->net->loop, &a->poll, a->fd);
	if (err < 0)
		goto err_close;
	d->attempt = a;
	uv_poll_start(&a->poll, UV_WRITABLE, on_attempt_ready);
	return 0;
err_close:
	close(a->fd);
err_free:
	free(a);
	return err;
}

static void next_attempt(struct dial *d)
{
	for (; d->at < d->n; d->at++) {
		int err = attempt_start(d);
		if (err == 0) {
			timer_set(&d->net->wheel, &d->timer,
				  d->net->now_us + d->net->conf.connect_ms * US_PER_MS, on_attempt_timeout);
			return;
		}
		d->err = err;
	}
	finish(d, d->err);
}

struct dial *dial_start(struct net *n, const struct addr *addrs, unsigned n_addrs, dial_fn *fn, void *u)
{
	struct dial *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->net = n;
	d->fn = fn;
	d->u = u;
	d->n = n_addrs < NET_ADDRS_MAX ? n_addrs : NET_ADDRS_MAX;
	memcpy(d->addrs, addrs, d->n * sizeof(*addrs));
	/* Connect now, so that it runs while this turn does; only a failure waits for the loop. */
	d->err = d->n ? attempt_start(d) : -EDESTADDRREQ;
	if (d->err < 0)
		d->at++;
	timer_set(&n->wheel, &d->timer, d->err < 0 ? n->now_us : n->now_us + n->conf.connect_ms * US_PER_MS,
		  on_attempt_timeout);
	return d;
}

void dial_cancel(struct dial *d)
{
	int fd;

	if (!d)
		return;
	fd = attempt_drop(d);
	if (fd >= 0)
		close(fd);
	timer_stop(&d->net->wheel, &d->timer);
	free(d);
}
