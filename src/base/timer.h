/* SPDX-License-Identifier: MIT */
/*
 * Timer wheel, 1 ms ticks, four levels of 256 slots (49 days; later ones are re-filed).  A timer
 * lives inside what it times and gets the time as an argument (style R14).  Timers of one tick
 * fire in the order in which they were set, so a seeded run repeats.
 */
#ifndef PARLEY_BASE_TIMER_H
#define PARLEY_BASE_TIMER_H

#include "base/list.h"

#define US_PER_MS 1000ull
#define US_PER_S 1000000ull

struct timer;
typedef void timer_fn(struct timer *t, uint64_t now_us);

struct timer {
	struct list link; /* zero or self: not set */
	uint64_t at_us;
	timer_fn *fn;
};

enum { WHEEL_LEVELS = 4, WHEEL_SLOTS = 256 };

struct timers {
	struct list slot[WHEEL_LEVELS][WHEEL_SLOTS];
	uint64_t used[WHEEL_LEVELS][WHEEL_SLOTS / 64]; /* which slots hold something */
	uint64_t tick;                                 /* all before it have fired */
	size_t n;
};

void timers_init(struct timers *w, uint64_t now_us);
/* (Re)sets t to fire at the first tick not before at_us; a past time fires at the next run. */
void timer_set(struct timers *w, struct timer *t, uint64_t at_us, timer_fn *fn);
void timer_stop(struct timers *w, struct timer *t); /* safe on zeroes and when not set */
static inline bool timer_is_set(const struct timer *t)
{
	return !list_empty(&t->link);
}
/* When the next timer is due, us; UINT64_MAX: none.  Never later than the truth; may be earlier
 * (a cascade), in which case a run fires nothing. */
uint64_t timers_deadline(const struct timers *w);
/* Fires all that is due; a handler may set and stop any timer. */
void timers_run(struct timers *w, uint64_t now_us);

#endif
