/* SPDX-License-Identifier: MIT */
/*
 * Hash table with incremental growth.  While it grows there are two bucket arrays: links of old
 * buckets below `moved` are already in the new one, the rest still wait.  Each put moves two buckets on;
 * the new array holds twice as many, so the move is over long before the next one can begin.  Only
 * put moves anything: get, del and each never disturb a chain somebody is walking.
 */
#include "base/htab.h"

#include <errno.h>
#include <stdlib.h>

enum { BUCKETS_MIN = 16, MOVE_PER_PUT = 2 };

int htab_init(struct htab *t, const uint64_t key[2])
{
	*t = (struct htab){ .key = { key[0], key[1] } };
	t->now = calloc(BUCKETS_MIN, sizeof(*t->now));
	if (!t->now)
		return -ENOMEM;
	t->mask = BUCKETS_MIN - 1;
	return 0;
}

void htab_finish(struct htab *t)
{
	free(t->now);
	free(t->old);
	*t = (struct htab){ 0 };
}

uint64_t htab_hash(const struct htab *t, struct span s)
{
	return hash_siphash(t->key, s);
}

static void chain_push(struct htab_link **bucket, struct htab_link *l)
{
	l->next = *bucket;
	*bucket = l;
}

static void grow_begin(struct htab *t)
{
	size_t n_buckets = (t->mask + 1) * 2;
	struct htab_link **wider = calloc(n_buckets, sizeof(*wider));

	if (!wider)
		return; /* longer chains are slow, not wrong; the next put tries again */
	t->old = t->now;
	t->old_mask = t->mask;
	t->moved = 0;
	t->now = wider;
	t->mask = n_buckets - 1;
}

static void grow_step(struct htab *t)
{
	for (int i = 0; i < MOVE_PER_PUT && t->moved <= t->old_mask; i++, t->moved++) {
		struct htab_link *l = t->old[t->moved];
		while (l) {
			struct htab_link *next = l->next;
			chain_push(&t->now[l->hash & t->mask], l);
			l = next;
		}
	}
	if (t->moved > t->old_mask) {
		free(t->old);
		t->old = NULL;
	}
}

/* The bucket that holds, or would hold, this hash. */
static struct htab_link **bucket_of(struct htab *t, uint64_t hash)
{
	if (t->old && (hash & t->old_mask) >= t->moved)
		return &t->old[hash & t->old_mask];
	return &t->now[hash & t->mask];
}

void htab_put(struct htab *t, struct htab_link *l, uint64_t hash)
{
	if (t->old)
		grow_step(t);
	else if (t->n > t->mask)
		grow_begin(t);
	l->hash = hash;
	chain_push(bucket_of(t, hash), l);
	t->n++;
}

struct htab_link *htab_get(struct htab *t, uint64_t hash, htab_eq_fn *eq, const void *key)
{
	struct htab_link *l = t->now ? *bucket_of(t, hash) : NULL;

	while (l && (l->hash != hash || !eq(l, key)))
		l = l->next;
	return l;
}

void htab_del(struct htab *t, struct htab_link *l)
{
	struct htab_link **at = bucket_of(t, l->hash);

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	l->next = NULL;
	t->n--;
}

static void move_all(struct htab_link **from, size_t first, size_t mask, struct htab_link **to,
		     size_t to_mask)
{
	for (size_t i = first; i <= mask; i++) {
		struct htab_link *l = from[i];
		while (l) {
			struct htab_link *next = l->next;
			chain_push(&to[l->hash & to_mask], l);
			l = next;
		}
	}
}

void htab_fit(struct htab *t)
{
	size_t fit = BUCKETS_MIN;
	struct htab_link **narrower;

	while (fit < t->n)
		fit *= 2;
	/* Twice as many are left alone: they would soon be needed again. */
	if (!t->now || fit * 2 > t->mask || (narrower = calloc(fit, sizeof(*narrower))) == NULL)
		return;
	move_all(t->now, 0, t->mask, narrower, fit - 1);
	if (t->old)
		move_all(t->old, t->moved, t->old_mask, narrower, fit - 1);
	free(t->now);
	free(t->old);
	t->old = NULL;
	t->now = narrower;
	t->mask = fit - 1;
}

static void each_in(struct htab_link **buckets, size_t from, size_t mask,
		    void (*fn)(struct htab_link *l, void *u), void *u)
{
	for (size_t i = from; i <= mask; i++) {
		struct htab_link *l = buckets[i];
		while (l) {
			struct htab_link *next = l->next;
			fn(l, u);
			l = next;
		}
	}
}

void htab_each(struct htab *t, void (*fn)(struct htab_link *l, void *u), void *u)
{
	if (t->now)
		each_in(t->now, 0, t->mask, fn, u);
	if (t->old)
		each_in(t->old, t->moved, t->old_mask, fn, u);
}
