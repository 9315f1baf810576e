/* SPDX-License-Identifier: MIT */
/*
 * A span is a view of bytes somebody else owns.  Everything the parsers yield is a span into
 * their input; nothing here allocates, and nothing needs a terminating zero.
 */
#ifndef PARLEY_BASE_SPAN_H
#define PARLEY_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct span {
	const char *p;
	size_t n;
};

#define MUST_CHECK __attribute__((warn_unused_result))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* SPAN("literal"); SPAN_NONE is "not found"; printf("%" SPAN_FMT, SPAN_ARG(s)). */
#define SPAN(lit) ((struct span){ ("" lit), sizeof(lit) - 1 })
#define SPAN_EMPTY ((struct span){ NULL, 0 })
#define SPAN_NONE SIZE_MAX
#define SPAN_FMT ".*s"
#define SPAN_ARG(s) (int)(s).n, ((s).p ? (s).p : "")

static inline struct span span_of(const char *z)
{
	return (struct span){ z, z ? strlen(z) : 0 };
}

static inline struct span span_range(const char *from, const char *to)
{
	return (struct span){ from, (size_t)(to - from) };
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII case-insensitive. */
static inline bool span_ieq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

static inline bool span_starts(struct span s, struct span prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool span_istarts(struct span s, struct span prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || strncasecmp(s.p, prefix.p, prefix.n) == 0);
}

/* Bytes [from, to) of s; bounds are clamped to s. */
static inline struct span span_cut(struct span s, size_t from, size_t to)
{
	if (to > s.n)
		to = s.n;
	if (from > to)
		from = to;
	return (struct span){ s.n ? s.p + from : s.p, to - from };
}

static inline struct span span_skip(struct span s, size_t n)
{
	return span_cut(s, n, s.n);
}

/* Offset of the first c, or SPAN_NONE. */
static inline size_t span_chr(struct span s, char c)
{
	const char *q = s.n ? memchr(s.p, c, s.n) : NULL;
	return q ? (size_t)(q - s.p) : SPAN_NONE;
}

/* Offset of the first occurrence of what, or SPAN_NONE. */
size_t span_find(struct span s, struct span what);

static inline bool span_is_lws(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without blanks, tabs and line ends at either end. */
static inline struct span span_trim(struct span s)
{
	while (s.n && span_is_lws(s.p[0]))
		s.p++, s.n--;
	while (s.n && span_is_lws(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* Cuts *rest at the first c: returns what is before it, leaves what is after it (all of it, then
 * nothing, when there is no c).  Loop while (rest.n). */
static inline struct span span_split(struct span *rest, char c)
{
	size_t at = span_chr(*rest, c);
	struct span head = *rest;
	if (at == SPAN_NONE) {
		*rest = span_cut(*rest, rest->n, rest->n);
		return head;
	}
	head.n = at;
	*rest = span_skip(*rest, at + 1);
	return head;
}

/* All of s as a decimal number: 0, -EINVAL (empty or not digits), -ERANGE (above max). */
MUST_CHECK int span_u64(struct span s, uint64_t max, uint64_t *out);

/* To tell whether a text is the one seen before, where nobody gains by forging it; eight bytes at a time. */
static inline uint64_t span_hash(struct span s, uint64_t seed)
{
	uint64_t h = seed ^ (s.n * 0x9e3779b97f4a7c15ull);
	for (size_t i = 0; i < s.n; i += 8) {
		uint64_t v = 0;
		memcpy(&v, s.p + i, s.n - i < 8 ? s.n - i : 8);
		h = (h ^ v) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	return h;
}

/* malloc'd, zero-terminated copy; NULL when memory is out. */
char *span_dup(struct span s);

#endif
