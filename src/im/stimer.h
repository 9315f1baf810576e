/* SPDX-License-Identifier: MIT */
/* The session timer of a leg (RFC 4028): stimer.c negotiates and keeps time, refresh.c sends our refreshes. */
#ifndef PARLEY_IM_STIMER_H
#define PARLEY_IM_STIMER_H

#include "im/core.h"

static inline struct leg *stimer_leg(struct stimer *st)
{
	return container_of(st, struct leg, stimer);
}

uint64_t stimer_end_us(const struct stimer *st);
void stimer_wait(struct stimer *st, uint64_t at_us);

/* refresh.c: send it, or, while the leg is busy, come back later. */
void refresh_start(struct leg *l, uint64_t now_us);

#endif
