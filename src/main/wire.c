/* SPDX-License-Identifier: MIT */
/*
 * Thin on purpose: each function hands its arguments on.  The two sides keep the promise both ask for, that
 * neither is called back from inside a call of its own: net/ reports from its loop only.
 */
#include "main/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#include "main/trace.h"
#include "net/msrp.h"

/* ---- im asks ---- */

/* getrandom(2) may be interrupted, and give less, only above 256 bytes. */
static void fill_pool(struct wire *w)
{
	size_t n = 0;

	while (n < sizeof(w->random)) {
		ssize_t r = getrandom(w->random + n, sizeof(w->random) - n, 0);
		if (r < 0 && errno != EINTR)
			abort(); /* tokens anyone could guess are worse than none (RFC 4086) */
		n += r > 0 ? (size_t)r : 0;
	}
	w->random_left = n;
}

/* From a pool: a branch, a tag or a session-id each is a few bytes, a system call each would cost more than all
 * else in making it. */
static void port_random(void *u, void *p, size_t n)
{
	struct wire *w = u;
	uint8_t *to = p;

	while (n > 0) {
		size_t part = n < w->random_left ? n : w->random_left;
		uint8_t *from = w->random + w->random_left - part;
		memcpy(to, from, part);
		memset(from, 0, part); /* what was given out is not kept */
		w->random_left -= part;
		to += part;
		n -= part;
		if (n > 0)
			fill_pool(w);
	}
}

static uint64_t port_unix_s(void *u)
{
	time_t t = time(NULL);

	return t > 0 ? (uint64_t)t : 0;
}

static int port_sip_send(void *u, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	struct wire *w = u;

	return net_sip_send(w->net, to, bytes, token);
}

static const enum net_msrp_kind kind_of[] = { [PLANE_TCP] = NET_MSRP_TCP,
					      [PLANE_TLS] = NET_MSRP_TLS,
					      [PLANE_WS] = NET_MSRP_WS,
					      [PLANE_WSS] = NET_MSRP_WSS };
static const enum plane_tp tp_of[] = { [NET_MSRP_TCP] = PLANE_TCP,
				       [NET_MSRP_TLS] = PLANE_TLS,
				       [NET_MSRP_WS] = PLANE_WS,
				       [NET_MSRP_WSS] = PLANE_WSS };

enum net_msrp_kind wire_msrp_kind(enum plane_tp tp)
{
	return kind_of[tp];
}

static bool port_sip_elsewhere(void *u, const struct sip_dest *to, struct span request)
{
	struct wire *w = u;

	return net_sip_elsewhere(w->net, to, request);
}

static void *port_msrp_connect(void *u, struct plane_conn *c, const struct im_msrp_to *to)
{
	struct wire *w = u;
	struct net_msrp_to there = {
		.host = to->host, .port = to->port, .kind = kind_of[to->tp], .association = to->association
	};

	return net_msrp_connect(w->net, c, &there);
}

static size_t port_msrp_digest(void *u, void *wc, enum sdp_hash h, uint8_t out[SDP_DIGEST_MAX])
{
	static const char *const name[] = { [SDP_SHA1] = "SHA1",
					    [SDP_SHA224] = "SHA224",
					    [SDP_SHA256] = "SHA256",
					    [SDP_SHA384] = "SHA384",
					    [SDP_SHA512] = "SHA512" };

	return h == SDP_HASH_NONE ? 0 : net_msrp_digest(wc, name[h], out);
}

static bool port_msrp_names(void *u, void *wc, struct span host)
{
	return net_msrp_names(wc, host);
}

static void port_msrp_write(void *u, void *wc, const struct span *piece, unsigned n)
{
	net_msrp_write(wc, piece, n);
}

static size_t port_msrp_room(void *u, void *wc)
{
	return net_msrp_room(wc);
}

static void port_msrp_resume(void *u, void *wc)
{
	net_msrp_resume(wc);
}

static void port_msrp_close(void *u, void *wc)
{
	net_msrp_close(wc);
}

/* From the machine itself, so that the heap is what lives long and nothing else. */
static void *take_slab(void *u)
{
	void *p = mmap(NULL, POOL_SLAB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	(void)u;
	return p == MAP_FAILED ? NULL : p;
}

static void give_slab(void *u, void *slab)
{
	(void)u;
	munmap(slab, POOL_SLAB);
}

static void port_log(void *u, enum im_level level, const char *event, const char *fmt, va_list ap)
{
	struct wire *w = u;

	log_vevent(w->log, level, event, fmt, ap);
}

static bool port_log_wanted(void *u, enum im_level level)
{
	struct wire *w = u;

	return log_wanted(w->log, level);
}

void wire_port(struct wire *w, struct im_port *out)
{
	*out = (struct im_port){
		.w = w,
		.random = port_random,
		.unix_s = port_unix_s,
		.sip_send = port_sip_send,
		.sip_elsewhere = port_sip_elsewhere,
		.msrp_connect = port_msrp_connect,
		.msrp_digest = port_msrp_digest,
		.msrp_names = port_msrp_names,
		.msrp_write = port_msrp_write,
		.msrp_room = port_msrp_room,
		.msrp_resume = port_msrp_resume,
		.msrp_close = port_msrp_close,
		.pages = { w, take_slab, give_slab },
		.log = port_log,
		.log_wanted = port_log_wanted,
	};
}

/* ---- net tells ---- */

static void on_sip(void *u, struct span bytes, const struct sip_src *src, uint64_t now_us)
{
	struct wire *w = u;

	im_sip_input(w->im, bytes, src, now_us);
}

static void on_sip_broken(void *u, struct span head, int err, const struct sip_src *src, uint64_t now_us)
{
	struct wire *w = u;

	im_sip_broken(w->im, head, err, src, now_us);
}

static void on_sip_unreachable(void *u, uint64_t token, uint64_t now_us)
{
	struct wire *w = u;

	im_sip_unreachable(w->im, token, now_us);
}

static void *on_msrp_accepted(void *u, struct net_conn *c, enum net_msrp_kind kind, const struct addr *from,
			      uint64_t now_us)
{
	struct wire *w = u;

	return im_msrp_accept(w->im, c, tp_of[kind], from, now_us);
}

static void on_msrp_connected(void *cu, uint64_t now_us)
{
	plane_conn_connected(cu, now_us);
}

static size_t on_msrp_input(void *cu, struct span in, uint64_t now_us)
{
	return plane_conn_input(cu, in, now_us);
}

static void on_msrp_drained(void *cu, uint64_t now_us)
{
	plane_conn_drained(cu, now_us);
}

static void on_msrp_closed(void *cu, uint64_t now_us)
{
	plane_conn_closed(cu, now_us);
}

static uint64_t on_deadline(void *u)
{
	struct wire *w = u;

	return im_deadline(w->im);
}

static void on_tick(void *u, uint64_t now_us)
{
	struct wire *w = u;

	im_tick(w->im, now_us);
}

static void on_lag(void *u, uint64_t lag_us, uint64_t now_us)
{
	struct wire *w = u;

	im_lag(w->im, lag_us, now_us);
}

static void on_trace(void *u, const struct net_trace *t)
{
	struct wire *w = u;

	trace_print(w->trace, t);
}

static void on_event(void *u, const char *event, const char *detail)
{
	struct wire *w = u;

	log_event(w->log, IM_INFO, event, "%s", detail);
}

void wire_hooks(struct wire *w, struct net_hooks *out)
{
	*out = (struct net_hooks){
		.u = w,
		.sip = on_sip,
		.sip_broken = on_sip_broken,
		.sip_unreachable = on_sip_unreachable,
		.msrp_accepted = on_msrp_accepted,
		.msrp_connected = on_msrp_connected,
		.msrp_input = on_msrp_input,
		.msrp_drained = on_msrp_drained,
		.msrp_closed = on_msrp_closed,
		.deadline = on_deadline,
		.tick = on_tick,
		.lag = on_lag,
		.trace = w->trace ? on_trace : NULL,
		.event = on_event,
	};
}
