/* SPDX-License-Identifier: MIT */
/* Allocations of the production code fail now and then.  Linked with --wrap: only inside world_enter()/leave(). */
#include <stdlib.h>

#include "sim.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t a, size_t b);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t a, size_t b);
void *__wrap_realloc(void *p, size_t n);

static struct { /* the wrappers have no other place to look */
	unsigned one_in;
	bool inside;
	struct rng *rng;
	uint64_t n;
} oom;

void oom_inject(unsigned one_in, struct rng *rng)
{
	oom.one_in = one_in;
	oom.rng = rng;
	oom.n = one_in ? oom.n : 0;
}

void oom_inside(bool inside)
{
	oom.inside = inside;
}

uint64_t oom_count(void)
{
	return oom.n;
}

static bool fails(void)
{
	if (!oom.inside || oom.one_in == 0 || rng_below(oom.rng, oom.one_in) != 0)
		return false;
	oom.n++;
	return true;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t a, size_t b)
{
	return fails() ? NULL : __real_calloc(a, b);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}
