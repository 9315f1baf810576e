/* SPDX-License-Identifier: MIT */
/*
 * Each block has before it the slab it is of (NULL: malloc's), so a slab needs no alignment of its own.  Sizes go in
 * steps of 16 bytes up to 128, then four to a doubling.  A slab is taken from its front as long as nothing of it came
 * back: what was never needed is never touched.
 *
 * A slab that empties is kept for the next that is wanted, of any size, since under a steady load slabs empty and fill
 * all the time and each fresh page costs a fault; but only one such in eight (KEEP more), the rest goes back at once.
 */
#include "base/pool.h"

#include <assert.h>
#include <stdlib.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#define POISONED(p) __asan_address_is_poisoned(p)
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#define POISONED(p) false
#endif

enum { KEEP = 4, GRAIN = 16, FINE = 128 };

struct slab {
	struct list link;   /* pool->open, or pool->spare; none when it is full */
	struct block *free; /* came back */
	uint32_t fresh;     /* offset of what was never taken */
	uint32_t used;
	uint16_t class;
	uint32_t size; /* of a block, with what is before it */
};

struct block {
	struct slab *of;
	struct block *next; /* while free; else the block's bytes begin here */
};

enum {
	BEFORE = offsetof(struct block, next),
	FIRST = (sizeof(struct slab) + GRAIN - 1) / GRAIN * GRAIN + GRAIN - BEFORE,
};

void pool_init(struct pool *p, const struct pool_pages *pages)
{
	*p = (struct pool){ .pages = pages ? *pages : (struct pool_pages){ 0 } };
	list_init(&p->spare);
	for (unsigned i = 0; i < POOL_CLASSES; i++)
		list_init(&p->open[i]);
}

static unsigned class_of(size_t n, uint32_t *size)
{
	uint32_t need = (uint32_t)n + BEFORE - 1;
	unsigned step;

	if (need < FINE) {
		*size = (need / GRAIN + 1) * GRAIN;
		return need / GRAIN;
	}
	step = 29u - (unsigned)__builtin_clz(need); /* a quarter of the power of two below */
	*size = ((need >> step) + 1) << step;
	return FINE / GRAIN + (step - 5) * 4 + (need >> step) - 4;
}

/* ---- slabs ---- */

static struct slab *slab_open(struct pool *p, unsigned class, uint32_t size)
{
	struct list *l = list_pop(&p->spare);
	struct slab *s = l ? container_of(l, struct slab, link) : p->pages.take(p->pages.u);

	if (!s)
		return NULL;
	p->n_spare -= l != NULL;
	p->n_slabs += l == NULL;
	*s = (struct slab){ .class = (uint16_t) class, .size = size, .fresh = FIRST };
	list_push(&p->open[class], &s->link);
	POISON((char *)s + FIRST, POOL_SLAB - FIRST);
	return s;
}

static void give_spare(struct pool *p, size_t keep)
{
	while (p->n_spare > keep) {
		struct slab *s = container_of(list_pop(&p->spare), struct slab, link);

		p->n_spare--;
		p->n_slabs--;
		UNPOISON(s, POOL_SLAB);
		p->pages.give(p->pages.u, s);
	}
}

static void slab_empty(struct pool *p, struct slab *s)
{
	list_del(&s->link);
	list_push(&p->spare, &s->link);
	p->n_spare++;
	give_spare(p, KEEP + p->n_slabs / 8);
}

void pool_fit(struct pool *p)
{
	give_spare(p, 0);
}

void pool_finish(struct pool *p)
{
	if (p->pages.take)
		give_spare(p, 0);
}

/* ---- blocks ---- */

static bool full(const struct slab *s)
{
	return !s->free && s->fresh + s->size > POOL_SLAB;
}

static struct block *slab_take(struct slab *s)
{
	struct block *b = s->free;

	UNPOISON(b ? (char *)b : (char *)s + s->fresh, sizeof(*b));
	if (b) {
		s->free = b->next;
	} else {
		b = (struct block *)((char *)s + s->fresh);
		s->fresh += s->size;
		b->of = s;
	}
	s->used++;
	if (full(s))
		list_del(&s->link);
	return b;
}

static void *large(size_t n)
{
	char *p = n <= SIZE_MAX - GRAIN ? malloc(n + GRAIN) : NULL;
	struct block *b = (struct block *)(p + GRAIN - BEFORE);

	if (!p)
		return NULL;
	b->of = NULL;
	return &b->next;
}

void *pool_alloc(struct pool *p, size_t n)
{
	uint32_t size;
	unsigned class;
	struct slab *s;
	struct block *b;

	if (!p || !p->pages.take)
		return malloc(n);
	if (n > POOL_BLOCK_MAX)
		return large(n);
	class = class_of(n, &size);
	if (!list_empty(&p->open[class]))
		s = container_of(p->open[class].next, struct slab, link);
	else if ((s = slab_open(p, class, size)) == NULL)
		return large(n);
	b = slab_take(s);
	POISON(b, size);
	UNPOISON(&b->next, n + !n);
	return &b->next;
}

void *pool_zalloc(struct pool *p, size_t n)
{
	void *block = pool_alloc(p, n);

	if (block)
		memset(block, 0, n);
	return block;
}

void pool_free(struct pool *p, void *block)
{
	struct block *b;
	struct slab *s;

	if (!p || !p->pages.take || !block) {
		free(block);
		return;
	}
	b = container_of(block, struct block, next);
	assert(!POISONED(block)); /* freed twice */
	UNPOISON(b, sizeof(*b));
	s = b->of;
	if (!s) {
		free((char *)block - GRAIN);
		return;
	}
	if (full(s))
		list_push(&p->open[s->class], &s->link);
	b->next = s->free;
	s->free = b;
	POISON(b, s->size);
	if (--s->used == 0)
		slab_empty(p, s);
}
