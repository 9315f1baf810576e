/* SPDX-License-Identifier: MIT */
/*
 * The reliable provisional responses we give to one INVITE in one dialog (RFC 3262 3; PROV-6): numbered, one at a time,
 * repeated until the PRACK.  It knows no sessions: bytes go out through the hooks.
 */
#ifndef PARLEY_IM_RELIABLE_H
#define PARLEY_IM_RELIABLE_H

#include "base/span.h"
#include "base/timer.h"

enum { RELIABLE_WAIT_MAX = 8 }; /* those without SDP that may wait for their turn */

struct reliable_hooks {
	void (*send)(void *u, unsigned status, struct span bytes, uint64_t now_us);
	void (*lost)(void *u, uint64_t now_us); /* no PRACK within 64*T1; called once, last of all */
};

struct reliable {
	struct timers *wheel;
	const struct reliable_hooks *hooks;
	void *u;
	struct reliable_1xx *first; /* owned: out and unacknowledged; those behind it wait */
	unsigned n;
	uint32_t rseq; /* last used */
	uint32_t interval_ms;
	uint64_t since_us;
	bool stopped;
	struct timer t;
};

/* rseq: the number before the first.  Storage is the caller's. */
void reliable_init(struct reliable *r, struct timers *wheel, uint32_t rseq,
		   const struct reliable_hooks *hooks, void *u);
void reliable_finish(struct reliable *r); /* safe twice */
/* One more, written with number r->rseq + 1: sent now, or when those before it are acknowledged.  0; -ENOBUFS: too
 * many wait (never said of one with SDP); -ENOMEM. */
MUST_CHECK int reliable_put(struct reliable *r, unsigned status, bool sdp, struct span bytes,
			    uint64_t now_us);
bool reliable_awaits(const struct reliable *r, uint32_t rseq); /* is this the one that lacks its PRACK? */
bool reliable_awaits_sdp(const struct reliable *r);            /* and has it a description? */
/* Its PRACK is in: the next one goes out. */
void reliable_acked(struct reliable *r, uint64_t now_us);
bool reliable_owes_sdp(const struct reliable *r); /* one with SDP is not acknowledged: no 2xx may be given */
/* The INVITE has its final answer: nothing is repeated, but a PRACK on its way is still known. */
void reliable_stop(struct reliable *r);

#endif
