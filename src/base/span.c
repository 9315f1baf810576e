/* SPDX-License-Identifier: MIT */
/* The few span helpers that are too long to be inline. */
#include "base/span.h"

#include <errno.h>
#include <stdlib.h>

size_t span_find(struct span s, struct span what)
{
	if (what.n == 0)
		return 0;
	const char *q = s.n ? memmem(s.p, s.n, what.p, what.n) : NULL;
	return q ? (size_t)(q - s.p) : SPAN_NONE;
}

int span_u64(struct span s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;
	bool over = false;

	if (s.n == 0)
		return -EINVAL;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned char)s.p[i] - '0';
		if (digit > 9)
			return -EINVAL;
		/* Go on after an overflow: "99...9x" is no number at all. */
		over |= __builtin_mul_overflow(v, 10u, &v);
		over |= __builtin_add_overflow(v, digit, &v);
	}
	if (over || v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

char *span_dup(struct span s)
{
	char *z = malloc(s.n + 1);
	if (!z)
		return NULL;
	if (s.n)
		memcpy(z, s.p, s.n);
	z[s.n] = '\0';
	return z;
}
