/* SPDX-License-Identifier: MIT */
/*
 * The loop and the turn.  libuv calls us for each ready descriptor; once per iteration, just before it would
 * sleep, turn() does what was put off: due timers, connections that want attention, failures to report, and
 * the batches of output.  What is hard: a hook called from turn() makes new work for it.  Rounds are bounded,
 * and what is left over sets a zero timer, so that reading goes on in between and nobody starves.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "net/locate.h"
#include "net/stream.h"

enum { TURN_ROUNDS = 4, FLUSH_ROUNDS = 8 };

void net_conf_defaults(struct net_conf *c)
{
	*c = (struct net_conf){
		.sip_message_max = 65536,
		.sip_connections_max = 4096,
		.sip_queue_max = 1024 * 1024,
		.sip_idle_ms = 600 * 1000,
		.sip_header_ms = 10 * 1000,
		.msrp_connections_max = 20000,
		.msrp_high = 256 * 1024,
		.msrp_low = 64 * 1024,
		.connect_ms = 10 * 1000,
		.close_ms = 5 * 1000,
		.resolve_waiting_max = 256,
		.dns_timeout_ms = 2000,
		.dns_avoid_ms = 60 * 1000,
	};
}

uint64_t net_clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * US_PER_S + (uint64_t)ts.tv_nsec / 1000;
}

void net_touch(struct net *n)
{
	n->now_us = net_clock_us();
	if (!n->woke_us)
		n->woke_us = n->now_us;
}

void net_fail_token(struct net *n, uint64_t token)
{
	if (token == 0 || n->n_failed == NET_FAILED_MAX)
		return;
	if (n->n_failed == n->failed_cap) {
		size_t cap = n->failed_cap ? 2 * n->failed_cap : 64;
		uint64_t *p = realloc(n->failed, cap * sizeof(*p));
		if (!p)
			return; /* its transaction will time out instead */
		n->failed = p;
		n->failed_cap = cap;
	}
	n->failed[n->n_failed++] = token;
}

void net_event(struct net *n, const char *event, const struct addr *who, int err)
{
	char buf[160];
	struct wbuf w = wbuf_on(buf, sizeof(buf) - 1);

	if (!n->hooks.event)
		return;
	if (who && who->family)
		w_str(&w, "addr="), w_addr(&w, who);
	if (err)
		w_fmt(&w, "%serror=%s", w.n ? " " : "", strerrorname_np(-err) ? strerrorname_np(-err) : "?");
	buf[w.n] = 0;
	n->hooks.event(n->hooks.u, event, buf);
}

void net_event_why(struct net *n, const char *event, const struct addr *who, const char *why)
{
	char buf[256];
	struct wbuf w = wbuf_on(buf, sizeof(buf) - 1);

	if (!n->hooks.event)
		return;
	w_str(&w, "addr="), w_addr(&w, who);
	w_fmt(&w, " why=\"%s\"", why);
	buf[w_ok(&w) ? w.n : 0] = 0;
	n->hooks.event(n->hooks.u, event, buf);
}

static bool turn_is_due(const struct net *n)
{
	return n->n_failed > 0 || !list_empty(&n->attention);
}

static void report_failed(struct net *n)
{
	/* The hook may send, fail and so add more: those wait for the next round. */
	uint64_t *tokens = n->failed;
	size_t count = n->n_failed;

	n->failed = NULL;
	n->n_failed = n->failed_cap = 0;
	n->stats.unreachable += count;
	for (size_t i = 0; i < count && n->hooks.sip_unreachable; i++)
		n->hooks.sip_unreachable(n->hooks.u, tokens[i], n->now_us);
	free(tokens);
}

/* One pass over the streams that asked for attention before it began. */
static void attend_streams(struct net *n)
{
	struct list now;

	if (list_empty(&n->attention))
		return;
	list_move(&now, &n->attention);
	for (struct list *l; (l = list_pop(&now)) != NULL;)
		stream_attend(container_of(l, struct stream, attention));
}

static uint64_t next_deadline(struct net *n)
{
	uint64_t at = timers_deadline(&n->wheel);

	if (n->hooks.deadline) {
		uint64_t theirs = n->hooks.deadline(n->hooks.u);
		at = theirs < at ? theirs : at;
	}
	return turn_is_due(n) ? n->now_us : at;
}

static void on_timer(uv_timer_t *t)
{
	struct net *n = t->data;
	n->armed_us = UINT64_MAX; /* the turn that follows does the work */
}

/* Re-arms only for an earlier time: a deadline that moved away costs one idle wake-up, not a heap operation
 * in every turn. */
static void arm(struct net *n)
{
	uint64_t at = next_deadline(n), in_ms;

	if (at >= n->armed_us)
		return;
	in_ms = at > n->now_us ? (at - n->now_us + US_PER_MS - 1) / US_PER_MS : 0;
	uv_update_time(&n->loop);
	uv_timer_start(&n->timer, on_timer, in_ms, 0);
	n->armed_us = at;
}

/* What came since the loop woke is handled: how long did it take, with what was put off to the end of the turn before? */
static void tell_lag(struct net *n)
{
	uint64_t busy_us = n->turn_us;

	if (n->woke_us) {
		net_touch(n);
		busy_us += n->now_us - n->woke_us;
		n->stats.lag_us = busy_us > n->wait_us ? busy_us : n->wait_us;
		if (n->hooks.lag)
			n->hooks.lag(n->hooks.u, n->stats.lag_us, n->now_us);
	}
	n->wait_us = 0;
}

static void turn(struct net *n)
{
	tell_lag(n);
	net_touch(n);
	timers_run(&n->wheel, n->now_us);
	if (n->hooks.tick && n->hooks.deadline && n->hooks.deadline(n->hooks.u) <= n->now_us)
		n->hooks.tick(n->hooks.u, n->now_us);
	for (unsigned i = 0; i < TURN_ROUNDS; i++) {
		if (n->n_failed)
			report_failed(n);
		attend_streams(n);
		udp_flush(n);
		if (!turn_is_due(n))
			break;
	}
	n->turn_us = net_clock_us() - n->now_us;
	n->woke_us = 0;
}

static void on_prepare(uv_prepare_t *p)
{
	struct net *n = p->data;

	turn(n);
	arm(n);
}

static int init_tables(struct net *n)
{
	uint64_t key[2];
	ssize_t got = getrandom(key, sizeof(key), 0);

	if (got != sizeof(key))
		return -EIO;
	if (htab_init(&n->sip_by_id, key) < 0 || htab_init(&n->sip_by_peer, key) < 0)
		return -ENOMEM;
	n->read_buf = malloc(NET_READ_MAX);
	n->record_buf = malloc(TLS_RECORD);
	n->resolver = resolver_create(n);
	return n->read_buf && n->record_buf && n->resolver ? udp_in_init(n) : -ENOMEM;
}

static void free_tables(struct net *n)
{
	resolver_destroy(n->resolver);
	locate_finish(n);
	htab_finish(&n->sip_by_id);
	htab_finish(&n->sip_by_peer);
	tls_destroy(n->tls);
	tls_destroy(n->msrp_tls);
	free(n->udp_in);
	free(n->read_buf);
	free(n->record_buf);
	free(n->failed);
	free(n);
}

struct net *net_create(const struct net_conf *conf, const struct net_hooks *hooks)
{
	struct net *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->conf = *conf;
	n->hooks = *hooks;
	n->armed_us = UINT64_MAX;
	n->last_id = 1;
	list_init(&n->udp);
	list_init(&n->listeners);
	list_init(&n->attention);
	list_init(&n->sip_conns);
	list_init(&n->msrp_conns);
	list_init(&n->waiting);
	net_touch(n);
	timers_init(&n->wheel, n->now_us);
	if (init_tables(n) < 0 || uv_loop_init(&n->loop) < 0) {
		free_tables(n);
		return NULL;
	}
	uv_prepare_init(&n->loop, &n->prepare);
	uv_timer_init(&n->loop, &n->timer);
	n->prepare.data = n->timer.data = n;
	uv_prepare_start(&n->prepare, on_prepare);
	return n;
}

void net_destroy(struct net *n)
{
	if (!n)
		return;
	memset(&n->hooks, 0, sizeof(n->hooks));
	uv_close((uv_handle_t *)&n->prepare, NULL);
	uv_close((uv_handle_t *)&n->timer, NULL);
	send_finish(n);
	resolver_cancel(n->resolver);
	sip_finish(n);
	msrp_finish(n);
	listeners_finish(n);
	udp_finish(n);
	uv_run(&n->loop, UV_RUN_DEFAULT);
	uv_loop_close(&n->loop);
	free_tables(n);
}

int net_use_tls(struct net *n, const struct net_tls_conf *conf, char why[256])
{
	n->tls = tls_create(conf, why);
	return n->tls ? 0 : -EINVAL;
}

int net_use_msrp_tls(struct net *n, const struct net_tls_conf *conf, char why[256])
{
	struct net_tls_conf any = *conf;

	any.any_peer = true;
	n->msrp_tls = tls_create(&any, why);
	return n->msrp_tls ? 0 : -EINVAL;
}

void net_msrp_fingerprint(struct net *n, char out[NET_FINGERPRINT_MAX])
{
	out[0] = '\0';
	if (n->msrp_tls)
		tls_fingerprint(n->msrp_tls, out);
}

int net_check_tls(const struct net_tls_conf *conf, char why[256])
{
	struct tls *t = tls_create(conf, why);

	tls_destroy(t);
	return t ? 0 : -EINVAL;
}

int net_listen_sip(struct net *n, enum sip_transport tp, const struct addr *at, struct addr *bound)
{
	if (tp == SIP_UDP)
		return udp_listen(n, at, bound);
	if (tp == SIP_OTHER_TRANSPORT || ((tp == SIP_TLS || tp == SIP_WSS) && !n->tls))
		return -ENOTSUP;
	return listener_open(n, LISTEN_SIP + (tp - SIP_TCP), at, bound);
}

int net_listen_msrp(struct net *n, enum net_msrp_kind kind, const struct addr *at, struct addr *bound)
{
	if ((kind == NET_MSRP_TLS && !n->msrp_tls) || (kind == NET_MSRP_WSS && !n->tls))
		return -ENOTSUP;
	return listener_open(n, LISTEN_MSRP + kind, at, bound);
}

int net_run(struct net *n)
{
	n->stopping = false;
	while (!n->stopping)
		uv_run(&n->loop, UV_RUN_DEFAULT);
	for (unsigned i = 0; i < FLUSH_ROUNDS && (i == 0 || turn_is_due(n)); i++)
		turn(n);
	return 0;
}

void net_stop(struct net *n)
{
	n->stopping = true;
	uv_stop(&n->loop);
}

uint64_t net_now(struct net *n)
{
	net_touch(n);
	return n->now_us;
}

struct uv_loop_s *net_loop(struct net *n)
{
	return &n->loop;
}

const struct net_stats *net_stats(struct net *n)
{
	n->stats.udp_lost = udp_lost(n);
	return &n->stats;
}
