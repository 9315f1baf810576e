/* SPDX-License-Identifier: MIT */
/*
 * Virtual time, the event heap and the SIP half of struct im_port; the MSRP half is in pipe.c.  The hard part is
 * to stay honest about what production may assume: nothing here calls back into im before the port function
 * returned, and time never moves inside a call.
 */
#include "lib/world_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/cert.h"
#include "sip/frame.h"

enum { STEPS_PER_INSTANT = 1000000 };

static bool before(const struct world_event *a, const struct world_event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->seq < b->seq;
}

void world_at(struct world *w, uint64_t at_us, world_fn *fn, void *arg, uint64_t n)
{
	if (w->n_heap == w->cap_heap) {
		w->cap_heap = w->cap_heap ? w->cap_heap * 2 : 64;
		w->heap = realloc(w->heap, w->cap_heap * sizeof(*w->heap));
		if (w->heap == NULL)
			abort();
	}
	struct world_event e = { at_us < w->now_us ? w->now_us : at_us, w->seq++, fn, arg, n };
	size_t i = w->n_heap++;
	for (; i && before(&e, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = e;
}

static struct world_event heap_pop(struct world *w)
{
	struct world_event top = w->heap[0], last = w->heap[--w->n_heap];
	size_t i = 0;
	for (size_t kid; (kid = 2 * i + 1) < w->n_heap; i = kid) {
		if (kid + 1 < w->n_heap && before(&w->heap[kid + 1], &w->heap[kid]))
			kid++;
		if (!before(&w->heap[kid], &last))
			break;
		w->heap[i] = w->heap[kid];
	}
	if (w->n_heap)
		w->heap[i] = last;
	return top;
}

void world_enter(struct world *w)
{
	if (w->inside++ == 0 && w->hooks.boundary)
		w->hooks.boundary(w->hooks.u, true);
}

void world_leave(struct world *w)
{
	if (--w->inside == 0 && w->hooks.boundary)
		w->hooks.boundary(w->hooks.u, false);
}

unsigned world_suspend(struct world *w)
{
	unsigned depth = w->inside;
	if (depth && w->hooks.boundary)
		w->hooks.boundary(w->hooks.u, false);
	w->inside = 0;
	return depth;
}

void world_restore(struct world *w, unsigned depth)
{
	w->inside = depth;
	if (depth && w->hooks.boundary)
		w->hooks.boundary(w->hooks.u, true);
}

uint64_t world_next(const struct world *w)
{
	uint64_t im = w->im ? im_deadline(w->im) : UINT64_MAX;
	uint64_t ev = w->n_heap ? w->heap[0].at_us : UINT64_MAX;
	return im < ev ? im : ev;
}

/* One step: events of an instant go before im's timers of that instant, so that a script's own lines at time t
 * happen before what the server does by itself at t. */
static void step(struct world *w, uint64_t at_us)
{
	uint64_t at = at_us > w->now_us ? at_us : w->now_us;
	w->now_us = at;
	w->n_events++;
	if (w->n_heap && w->heap[0].at_us <= at) {
		struct world_event e = heap_pop(w);
		e.fn(w, e.arg, e.n);
	} else {
		world_enter(w);
		im_tick(w->im, at);
		world_leave(w);
	}
	if (w->hooks.check)
		w->hooks.check(w->hooks.u);
}

void world_run(struct world *w, uint64_t until_us)
{
	unsigned here = 0; /* steps in one instant */
	for (uint64_t at; (at = world_next(w)) <= until_us;) {
		uint64_t was = w->now_us;
		step(w, at);
		here = w->now_us == was ? here + 1 : 0;
		if (here >
		    STEPS_PER_INSTANT) { /* a timer that sets itself to now: a fault, but not ours to hang on */
			fprintf(stderr, "world: time stands still at %llu us\n", (unsigned long long)was);
			abort();
		}
	}
	if (until_us != UINT64_MAX && until_us > w->now_us)
		w->now_us = until_us;
}

void world_settle(struct world *w)
{
	world_run(w, w->now_us);
}

/* ---- the port, SIP half ---- */

static void port_random(void *u, void *p, size_t n)
{
	struct world *w = u;
	rng_fill(&w->rng, p, n);
}

static bool resolve(const struct world *w, struct span host, struct addr *out)
{
	uint16_t port = out->port;
	if (addr_parse(out, host, port))
		return true;
	for (unsigned i = 0; i < w->n_names; i++)
		if (span_ieq(host, span_of(w->names[i].name))) {
			*out = w->names[i].ip;
			out->port = port;
			return true;
		}
	return false;
}

bool world_resolve(const struct world *w, struct span host, uint16_t port, struct addr *out)
{
	out->port = port;
	return resolve(w, host, out);
}

static int port_sip_send(void *u, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	struct world *w = u;
	struct sip_dest d = *to;
	/* A name in .invalid is no place: what was said over the connection goes over the connection (RFC 7118). */
	if (d.ip.family == 0 && !resolve(w, d.host, &d.ip) && !(sip_is_ws(d.tp) && d.conn))
		return -1;
	unsigned depth = world_suspend(w);
	w->hooks.sip_out(w->hooks.u, &d, bytes, token);
	world_restore(w, depth);
	return 0;
}

static void port_log(void *u, enum im_level level, const char *event, const char *fmt, va_list ap)
{
	struct world *w = u;
	char text[1024];
	if (w->hooks.log == NULL)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	unsigned depth = world_suspend(w);
	w->hooks.log(w->hooks.u, level, event, text);
	world_restore(w, depth);
}

static bool port_log_wanted(void *u, enum im_level level)
{
	const struct world *w = u;
	return w->hooks.log != NULL;
}

void world_sip_in(struct world *w, const struct sip_src *src, struct span bytes)
{
	/* an allocation of its own: what reads past the end is found by ASan */
	char *copy = malloc(bytes.n ? bytes.n : 1);
	if (copy == NULL)
		abort();
	if (bytes.n)
		memcpy(copy, bytes.p, bytes.n);
	world_enter(w);
	im_sip_input(w->im, (struct span){ copy, bytes.n }, src, w->now_us);
	world_leave(w);
	free(copy);
}

bool world_sip_stream(struct world *w, const struct sip_src *src, struct span bytes)
{
	while (bytes.n) {
		struct span head = SPAN_EMPTY;
		bool ping = false;
		ssize_t n = sip_frame(bytes, SIP_MSG_MAX, &head, &ping);
		if (n == 0)
			return true; /* a real stream would wait for the rest */
		if (n < 0) {
			world_enter(w);
			im_sip_broken(w->im, head, (int)n, src, w->now_us);
			world_leave(w);
			return false;
		}
		if (!ping)
			world_sip_in(w, src, span_cut(bytes, 0, (size_t)n));
		bytes = span_skip(bytes, (size_t)n);
	}
	return true;
}

void world_sip_unreachable(struct world *w, uint64_t token)
{
	world_enter(w);
	im_sip_unreachable(w->im, token, w->now_us);
	world_leave(w);
}

/* ---- life ---- */

static void conf_here(struct im_conf *c)
{
	im_conf_defaults(c);
	c->n_listen = 2;
	for (unsigned i = 0; i < 2; i++) {
		struct im_listen *l = &c->listen[i];
		*l = (struct im_listen){ .tp = i ? SIP_TCP : SIP_UDP, .port = WORLD_AS_SIP };
		addr_parse(&l->addr, SPAN(WORLD_AS_IP), WORLD_AS_SIP);
		snprintf(l->host, sizeof(l->host), "%s", WORLD_AS_IP);
	}
	c->n_trusted = 1;
	if (!cidr_parse(&c->trusted[0], SPAN("192.0.2.0/24")))
		abort();
	c->n_domains = 1;
	snprintf(c->domains[0], sizeof(c->domains[0]), "example.com");
	snprintf(c->next_hop, sizeof(c->next_hop), "sip:192.0.2.20:5060;lr");
	c->mode = IM_ANCHORED;
	for (unsigned i = 0; i < PLANE_N_TP; i++) {
		snprintf(c->plane.at[i].host, sizeof(c->plane.at[i].host), "%s", WORLD_AS_IP);
		c->plane.at[i].port = (uint16_t)(WORLD_AS_MSRP + i);
	}
	c->plane.tls_names = true;
	cert_print(c->plane.fingerprint, sizeof(c->plane.fingerprint), SDP_SHA256, "as");
}

void world_init(struct world *w, uint64_t seed, const struct world_hooks *hooks)
{
	*w = (struct world){ .hooks = *hooks, .pipe_room = 256 * 1024 };
	list_init(&w->conns);
	rng_seed(&w->rng, seed);
	conf_here(&w->conf);
}

static uint64_t unix_s(void *u) /* the virtual world begins on 2023-11-14 */
{
	const struct world *w = u;

	return 1700000000 + w->now_us / US_PER_S;
}

static void *take_slab(void *u)
{
	(void)u;
	return malloc(POOL_SLAB);
}

static void give_slab(void *u, void *slab)
{
	(void)u;
	free(slab);
}

bool world_start(struct world *w)
{
	struct im_port port = { .w = w,
				.random = port_random,
				.unix_s = unix_s,
				.sip_send = port_sip_send,
				.log = port_log,
				.log_wanted = port_log_wanted };
	if (w->slabs)
		port.pages = (struct pool_pages){ w, take_slab, give_slab };
	pipe_port(&port);
	world_enter(w);
	w->im = im_create(&w->conf, &port, w->now_us);
	world_leave(w);
	return w->im != NULL;
}

void world_finish(struct world *w)
{
	if (w->im) {
		world_enter(w);
		im_destroy(w->im);
		world_leave(w);
	}
	pipe_finish(w);
	free(w->heap);
	*w = (struct world){ 0 };
}
