/* SPDX-License-Identifier: MIT */
/* The linker sends every call of malloc here (--wrap); a test runs in one thread, so plain statics do. */
#include "oom.h"

#include <stddef.h>

static unsigned long left;
static bool armed, failed;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

void oom_fail_after(unsigned long n)
{
	left = n;
	armed = true;
	failed = false;
}

bool oom_end(void)
{
	armed = false;
	return failed;
}

static bool now_out_of_memory(void)
{
	if (!armed || failed || left-- > 0)
		return false;
	failed = true;
	return true;
}

void *__wrap_malloc(size_t n)
{
	return now_out_of_memory() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return now_out_of_memory() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return now_out_of_memory() ? NULL : __real_realloc(p, n);
}
