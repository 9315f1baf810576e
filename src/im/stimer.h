/* SPDX-License-Identifier: MIT */
/* The session timer of a leg (RFC 4028): stimer.c negotiates and keeps time, refresh.c sends our refreshes. */
#ifndef PARLEY_IM_STIMER_H
#define PARLEY_IM_STIMER_H

#include "im/core.h"

struct stimer {
	struct leg *l;       /* owner */
	struct timer t;      /* our refresh, its next try, or the end of the session */
	uint32_t interval_s; /* 0: off */
	uint32_t min_se_s;   /* largest Min-SE the peer has named in this dialog; 0: none */
	/* In one word, since each idle session has two of these. */
	uint64_t since_ms : 52; /* the 2xx that agreed on it */
	uint64_t tries : 8;     /* of this refresh, so far */
	uint64_t ours : 1;      /* we refresh, not the peer */
	uint64_t raised : 1;    /* a 422 was taken; the next one is a failure */
	/* Our refresh is under way, in the leg's invite_out or update_out. */
	uint64_t open : 1, by_update : 1;
};

uint64_t stimer_end_us(const struct stimer *st);
void stimer_wait(struct stimer *st, uint64_t at_us);

/* refresh.c: send it, or, while the leg is busy, come back later. */
void refresh_start(struct leg *l, uint64_t now_us);

#endif
