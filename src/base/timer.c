/* SPDX-License-Identifier: MIT */
/*
 * Timer wheel.  A timer is filed by the highest digit (base 256) in which its tick differs from the
 * present one: level 0 holds what is due within this block of 256 ticks, level 1 what is due in another
 * block of the same 65536, and so on.  When time enters a block, its slot one level up is re-filed
 * below ("cascade").
 *
 * Filing by block, not by distance, is what keeps the order: a timer can only be put into a lower
 * slot directly after that slot's elders have already been cascaded into it, so every slot is in the
 * order of setting.  (Only beyond 2^32 ticks, where the top level is a ring, may two timers of one
 * tick change places.)
 *
 * A bit per slot says whether anything is in it; time jumps from one used slot to the next, so a
 * jump of a month costs no more than what is due in it.
 */
#include "base/timer.h"

enum { DIGIT_BITS = 8, DIGIT = WHEEL_SLOTS - 1, TOP = WHEEL_LEVELS - 1 };
#define TICK_NONE UINT64_MAX

/* Where the clock stands on level l. */
static unsigned digit(uint64_t tick, int level)
{
	return tick >> (level * DIGIT_BITS) & DIGIT;
}

/* The first used slot in [from, WHEEL_SLOTS), or -1. */
static int used_from(const uint64_t used[WHEEL_SLOTS / 64], unsigned from)
{
	for (unsigned i = from / 64; i < WHEEL_SLOTS / 64; i++) {
		uint64_t word = used[i];
		if (i == from / 64)
			word &= ~0ull << from % 64;
		if (word)
			return (int)(i * 64) + __builtin_ctzll(word);
	}
	return -1;
}

static void file_timer(struct timers *w, struct timer *t)
{
	uint64_t due = t->at_us / US_PER_MS + (t->at_us % US_PER_MS != 0);
	if (due < w->tick)
		due = w->tick;

	uint64_t differs = due ^ w->tick;
	int level = differs ? (63 - __builtin_clzll(differs)) / DIGIT_BITS : 0;
	unsigned slot = digit(due, level);
	if (level >= TOP) {
		/* A ring: the next 255 slots, and the farthest of them for all that is later still. */
		uint64_t here = w->tick >> (TOP * DIGIT_BITS), ahead = (due >> (TOP * DIGIT_BITS)) - here;
		level = TOP;
		slot = (here + (ahead < DIGIT ? ahead : DIGIT)) & DIGIT;
	}
	list_push(&w->slot[level][slot], &t->link);
	w->used[level][slot / 64] |= 1ull << slot % 64;
}

/* The first tick, from now on, at which a slot must be looked at; TICK_NONE when nothing is set. */
static uint64_t next_stop(const struct timers *w, int *level)
{
	int slot = used_from(w->used[0], digit(w->tick, 0));
	*level = 0;
	if (slot >= 0)
		return (w->tick & ~(uint64_t)DIGIT) + (unsigned)slot;
	for (*level = 1; *level < TOP; ++*level) {
		int shift = *level * DIGIT_BITS;
		uint64_t block = w->tick >> shift;
		slot = used_from(w->used[*level], digit(w->tick, *level)); /* its own slot is empty */
		if (slot >= 0)
			return ((block & ~(uint64_t)DIGIT) + (unsigned)slot) << shift;
	}
	uint64_t here = w->tick >> (TOP * DIGIT_BITS);
	slot = used_from(w->used[TOP], here & DIGIT);
	if (slot < 0)
		slot = used_from(w->used[TOP], 0);
	if (slot < 0)
		return TICK_NONE;
	return (here + (((unsigned)slot - here) & DIGIT)) << (TOP * DIGIT_BITS);
}

/* Moves all of a slot to the end of to. */
static void slot_take(struct timers *w, int level, unsigned slot, struct list *to)
{
	struct list *from = &w->slot[level][slot];

	w->used[level][slot / 64] &= ~(1ull << slot % 64);
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

static void cascade(struct timers *w, int level)
{
	struct list moved;

	list_init(&moved);
	slot_take(w, level, digit(w->tick, level), &moved);
	for (struct list *l; (l = list_pop(&moved));)
		file_timer(w, container_of(l, struct timer, link));
}

void timers_init(struct timers *w, uint64_t now_us)
{
	*w = (struct timers){ .tick = now_us / US_PER_MS };
	for (int level = 0; level < WHEEL_LEVELS; level++)
		for (int slot = 0; slot < WHEEL_SLOTS; slot++)
			list_init(&w->slot[level][slot]);
}

void timer_set(struct timers *w, struct timer *t, uint64_t at_us, timer_fn *fn)
{
	timer_stop(w, t);
	t->at_us = at_us;
	t->fn = fn;
	file_timer(w, t);
	w->n++;
}

void timer_stop(struct timers *w, struct timer *t)
{
	if (!timer_is_set(t))
		return;

	/* The last of its slot takes the slot's bit along.  Its neighbour then is the slot's head; in a
	 * list of timers about to fire it is a head outside the wheel, which has no bit. */
	struct list *head = t->link.prev, *first = &w->slot[0][0];
	bool last = head == t->link.next;
	list_del(&t->link);
	if (last && head >= first && head < first + WHEEL_LEVELS * WHEEL_SLOTS) {
		size_t i = (size_t)(head - first), slot = i % WHEEL_SLOTS;
		w->used[i / WHEEL_SLOTS][slot / 64] &= ~(1ull << slot % 64);
	}
	w->n--;
}

uint64_t timers_deadline(const struct timers *w)
{
	int level;
	uint64_t tick = next_stop(w, &level);
	return tick > UINT64_MAX / US_PER_MS ? UINT64_MAX : tick * US_PER_MS;
}

void timers_run(struct timers *w, uint64_t now_us)
{
	uint64_t now = now_us / US_PER_MS;
	struct list due;
	int level;

	if (now < w->tick)
		return;
	/*
	 * Collect first, fire then: what a handler sets for a time already past waits for the next run
	 * (it is filed under the present tick), so a handler that sets itself cannot keep us here.
	 */
	list_init(&due);
	for (uint64_t tick; (tick = next_stop(w, &level)) <= now;) {
		w->tick = tick;
		if (level == 0)
			slot_take(w, 0, digit(tick, 0), &due);
		else
			cascade(w, level);
	}
	w->tick = now;
	for (struct list *l; (l = list_pop(&due));) {
		struct timer *t = container_of(l, struct timer, link);
		w->n--;
		t->fn(t, now_us);
	}
}
