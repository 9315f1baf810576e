/* SPDX-License-Identifier: MIT */
/*
 * See reliable.h.  What is hard: a second one may not go before the first is acknowledged (RFC 3262 3), so what comes
 * in between waits; what only rings may be dropped then, a description never.  Intervals double from T1 and, unlike those
 * of a 2xx, are not capped at T2.
 */
#include "im/reliable.h"

#include <errno.h>
#include <stdlib.h>

#include "sip/txn.h"

struct reliable_1xx {
	struct reliable_1xx *next;
	uint32_t rseq;
	unsigned status;
	bool sdp;
	size_t n;
	char bytes[];
};

static timer_fn on_again;

void reliable_init(struct reliable *r, struct timers *wheel, uint32_t rseq,
		   const struct reliable_hooks *hooks, void *u)
{
	*r = (struct reliable){ .wheel = wheel, .hooks = hooks, .u = u, .rseq = rseq };
}

static void drop_first(struct reliable *r)
{
	struct reliable_1xx *x = r->first;
	r->first = x->next;
	r->n--;
	free(x);
}

void reliable_finish(struct reliable *r)
{
	if (r->wheel)
		timer_stop(r->wheel, &r->t);
	while (r->first)
		drop_first(r);
}

/* The next repetition, or the end of patience, whichever is first. */
static void arm(struct reliable *r, uint64_t now_us)
{
	uint64_t again = now_us + r->interval_ms * US_PER_MS;
	uint64_t end = r->since_us + 64 * SIP_T1_MS * US_PER_MS;

	timer_set(r->wheel, &r->t, again < end ? again : end, on_again);
}

static void send(struct reliable *r, uint64_t now_us)
{
	struct reliable_1xx *x = r->first;
	r->hooks->send(r->u, x->status, (struct span){ x->bytes, x->n }, now_us);
}

static void begin(struct reliable *r, uint64_t now_us)
{
	r->since_us = now_us;
	r->interval_ms = SIP_T1_MS;
	arm(r, now_us);
	send(r, now_us);
}

static void on_again(struct timer *t, uint64_t now_us)
{
	struct reliable *r = container_of(t, struct reliable, t);

	if (now_us >= r->since_us + 64 * SIP_T1_MS * US_PER_MS) {
		r->hooks->lost(r->u, now_us);
		return;
	}
	r->interval_ms *= 2;
	arm(r, now_us);
	send(r, now_us);
}

int reliable_put(struct reliable *r, unsigned status, bool sdp, struct span bytes, uint64_t now_us)
{
	struct reliable_1xx *x, **at = &r->first;

	if (r->stopped || (r->n > RELIABLE_WAIT_MAX && !sdp))
		return -ENOBUFS;
	x = malloc(sizeof(*x) + bytes.n);
	if (!x)
		return -ENOMEM;
	*x = (struct reliable_1xx){ .rseq = ++r->rseq, .status = status, .sdp = sdp, .n = bytes.n };
	memcpy(x->bytes, bytes.p, bytes.n);
	while (*at)
		at = &(*at)->next;
	*at = x;
	if (r->n++ == 0)
		begin(r, now_us);
	return 0;
}

bool reliable_awaits(const struct reliable *r, uint32_t rseq)
{
	return r->first && r->first->rseq == rseq;
}

bool reliable_awaits_sdp(const struct reliable *r)
{
	return r->first && r->first->sdp;
}

void reliable_acked(struct reliable *r, uint64_t now_us)
{
	timer_stop(r->wheel, &r->t);
	drop_first(r);
	if (r->first && !r->stopped)
		begin(r, now_us);
}

bool reliable_owes_sdp(const struct reliable *r)
{
	for (const struct reliable_1xx *x = r->first; x; x = x->next)
		if (x->sdp)
			return true;
	return false;
}

void reliable_stop(struct reliable *r)
{
	timer_stop(r->wheel, &r->t);
	r->stopped = true;
	while (r->first && r->first->next) {
		/* Those that wait were never sent. */
		struct reliable_1xx *x = r->first->next;
		r->first->next = x->next;
		r->n--;
		free(x);
	}
}
