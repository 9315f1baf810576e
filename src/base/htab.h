/* SPDX-License-Identifier: MIT */
/*
 * Intrusive chained hash table that grows a few buckets at a time, so that no single insert pays
 * for all (a session more never costs the others).  Keys are the owner's business: hash with
 * hash_bytes() under the table's random key, compare with the eq function.
 */
#ifndef PARLEY_BASE_HTAB_H
#define PARLEY_BASE_HTAB_H

#include "base/span.h"

struct htab_link {
	struct htab_link *next;
	uint64_t hash;
};

struct htab {
	struct htab_link **now, **old; /* old: being emptied into now; NULL when done */
	size_t n, mask, old_mask, moved;
	uint64_t key[2]; /* against chosen collisions */
};

typedef bool htab_eq_fn(const struct htab_link *l, const void *key);

/* 0, or -ENOMEM. */
MUST_CHECK int htab_init(struct htab *t, const uint64_t key[2]);
void htab_finish(struct htab *t); /* safe on zeroes; does not touch what was in it */
/* SipHash-1-3 of s under the table's key. */
uint64_t htab_hash(const struct htab *t, struct span s);
/* l must not be in a table.  Never fails: when growing is impossible chains grow longer. */
void htab_put(struct htab *t, struct htab_link *l, uint64_t hash);
struct htab_link *htab_get(struct htab *t, uint64_t hash, htab_eq_fn *eq, const void *key);
/* l must be in t. */
void htab_del(struct htab *t, struct htab_link *l);
/* Gives back the buckets a crowd has left behind, at the cost of touching each once: not while a chain is walked.
 * Without memory for fewer it stays as it is. */
void htab_fit(struct htab *t);
/* Calls fn for each; fn may delete the link it is given and no other. */
void htab_each(struct htab *t, void (*fn)(struct htab_link *l, void *u), void *u);

uint64_t hash_siphash(const uint64_t key[2], struct span s);

#endif
