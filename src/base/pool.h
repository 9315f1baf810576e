/* SPDX-License-Identifier: MIT */
/*
 * Memory for what lives seconds and is many: blocks of like size in slabs of their own, apart from the heap, so that
 * when a crowd is gone its slabs are whole and given back, with nothing that lives longer among it (a page of the heap
 * stays for one block in it).  Where the world gives no slabs a pool is malloc and nothing else: tests that count or
 * fail allocations, and ASan, then see each block.
 */
#ifndef PARLEY_BASE_POOL_H
#define PARLEY_BASE_POOL_H

#include "base/list.h"

enum { POOL_SLAB = 65536, POOL_CLASSES = 32, POOL_BLOCK_MAX = 8184 /* larger: malloc */ };

/* Where slabs come from: pages of the machine, POOL_SLAB bytes at an address that is a multiple of 16. */
struct pool_pages {
	void *u;
	void *(*take)(void *u); /* NULL: no memory */
	void (*give)(void *u, void *slab);
};

struct pool {
	struct pool_pages pages;
	struct list open[POOL_CLASSES]; /* slabs of that size with room */
	struct list spare;              /* slabs nothing is in */
	size_t n_spare, n_slabs;        /* n_slabs: with the spare ones */
};

void pool_init(struct pool *p, const struct pool_pages *pages); /* pages NULL, or without take: malloc */
void pool_finish(struct pool *p);                               /* safe on zeroes; all is free by then */
/* As malloc and free; p NULL: malloc and free themselves. */
void *pool_alloc(struct pool *p, size_t n);
void pool_free(struct pool *p, void *block);
void *pool_zalloc(struct pool *p, size_t n);
/* Gives back what nothing is in, though a few are kept while the pool is busy. */
void pool_fit(struct pool *p);

#endif
