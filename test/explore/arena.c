/* SPDX-License-Identifier: MIT */
/*
 * See arena.h.  The allocator is the simplest that gives memory back in the same order each time: a free list per size,
 * and a mark that rises.  Its own data is the first thing in the arena and so is part of every state.
 */
#include "explore/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
enum { ASAN = 1, BORDER = 32 };
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
enum { ASAN = 0, BORDER = 0 };
#endif

enum { GRAIN = 16, SMALL = 256, CLASSES = SMALL + 8, HOLES = 24, LARGE = 32768 };

struct head {
	size_t top; /* bytes in use, from the start of the arena */
	struct block *free[CLASSES];
};

struct block {
	size_t n;           /* usable bytes */
	struct block *next; /* while free; else the block's bytes begin behind it, at 16 */
};

static char *base;
static size_t limit;
static bool on;
static struct {
	size_t at, n;
} hole[HOLES];
static unsigned n_holes;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

void arena_init(size_t size)
{
	base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED) {
		perror("explore: mmap");
		exit(2);
	}
	limit = size;
	((struct head *)base)->top = (sizeof(struct head) + GRAIN - 1) / GRAIN * GRAIN;
}

void arena_on(bool to)
{
	on = to;
}

/* Which free list, and how many bytes its blocks have.  The few blocks above LARGE live as long as the server. */
static unsigned class_of(size_t n, size_t *bytes)
{
	unsigned c = SMALL;

	if (n > LARGE) {
		*bytes = (n + GRAIN - 1) / GRAIN * GRAIN;
		return CLASSES - 1;
	}
	if (n <= SMALL * GRAIN) {
		c = n ? (unsigned)((n - 1) / GRAIN) : 0;
		*bytes = (c + 1) * GRAIN;
		return c;
	}
	for (*bytes = 2 * SMALL * GRAIN; *bytes < n; *bytes *= 2)
		c++;
	return c;
}

static void *take(size_t n)
{
	struct head *h = (struct head *)base;
	size_t bytes;
	unsigned c = class_of(n, &bytes);
	struct block *b = n > LARGE ? NULL : h->free[c];

	if (b) {
		h->free[c] = b->next;
	} else {
		if (h->top + sizeof(*b) + bytes + BORDER > limit) {
			fprintf(stderr, "explore: the arena is full\n");
			exit(2);
		}
		b = (struct block *)(base + h->top);
		h->top += sizeof(*b) + bytes + BORDER;
		UNPOISON(b, sizeof(*b) + n);
		POISON((char *)b + sizeof(*b) + n, bytes + BORDER - n);
	}
	b->n = ASAN ? n : bytes;
	return b + 1;
}

static bool ours(const void *p)
{
	return (const char *)p >= base && (const char *)p < base + limit;
}

static void give_back(void *p)
{
	struct head *h = (struct head *)base;
	struct block *b = (struct block *)p - 1;
	size_t bytes;
	unsigned c = class_of(b->n, &bytes);

	if (ASAN) {
		POISON(p, bytes); /* for good: the next load of a state takes it back */
		return;
	}
	b->next = h->free[c];
	h->free[c] = b;
}

void *__wrap_malloc(size_t n)
{
	return on ? take(n) : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	void *p;

	if (!on)
		return __real_calloc(n, size);
	p = take(n * size);
	memset(p, 0, n * size);
	return p;
}

void *__wrap_realloc(void *p, size_t n)
{
	void *q;
	size_t had;

	if (!p)
		return __wrap_malloc(n);
	if (!ours(p))
		return __real_realloc(p, n);
	had = ((struct block *)p - 1)->n;
	q = take(n);
	memcpy(q, p, had < n ? had : n);
	give_back(p);
	return q;
}

void __wrap_free(void *p)
{
	if (!p)
		return;
	if (ours(p))
		give_back(p);
	else
		__real_free(p);
}

/* ---- saving and restoring ---- */

void arena_hole(const void *p, size_t n)
{
	size_t at = ((size_t)((const char *)p - base) + 7) / 8 * 8,
	       end = (size_t)((const char *)p - base) + n;
	unsigned i = n_holes++;

	if (!ours(p) || n_holes > HOLES)
		abort();
	for (; i && hole[i - 1].at > at; i--)
		hole[i] = hole[i - 1];
	hole[i].at = at;
	hole[i].n = (end - at) / 8 * 8;
}

/* Neither checked nor intercepted: what is poisoned is copied as well. */
__attribute__((no_sanitize("address"))) static void copy(void *to, const void *from, size_t n)
{
#if defined(__SANITIZE_ADDRESS__) && defined(__x86_64__)
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
#elif defined(__SANITIZE_ADDRESS__)
	for (volatile const char *p = from; n--;)
		*(*(volatile char **)&to)++ = *p++;
#else
	memcpy(to, from, n);
#endif
}

static char *shadow_of(const char *p)
{
#ifdef __SANITIZE_ADDRESS__
	size_t scale, offset;
	__asan_get_shadow_mapping(&scale, &offset);
	return (char *)(((uintptr_t)p >> scale) + offset);
#else
	(void)p;
	return NULL;
#endif
}

size_t arena_size(void)
{
	size_t n = ((struct head *)base)->top;

	if (ASAN)
		n += n / 8;
	for (unsigned i = 0; i < n_holes; i++)
		n -= hole[i].n;
	return n;
}

size_t arena_save(void *to)
{
	size_t top = ((struct head *)base)->top, at = 0;
	char *out = to;

	for (unsigned i = 0; i <= n_holes; i++) {
		size_t end = i < n_holes ? hole[i].at : top;
		copy(out, base + at, end - at);
		out += end - at;
		at = i < n_holes ? end + hole[i].n : end;
	}
	if (ASAN)
		copy(out, shadow_of(base), top / 8), out += top / 8;
	return (size_t)(out - (char *)to);
}

void arena_load(const void *from)
{
	const struct head *saved = from;
	size_t now = ((struct head *)base)->top, top = saved->top, at = 0;
	const char *in = from;

	for (unsigned i = 0; i <= n_holes; i++) {
		size_t end = i < n_holes ? hole[i].at : top;
		copy(base + at, in, end - at);
		in += end - at;
		at = i < n_holes ? end + hole[i].n : end;
	}
	if (ASAN) {
		copy(shadow_of(base), in, top / 8);
		if (now > top)
			POISON(base + top, now - top);
	}
}
