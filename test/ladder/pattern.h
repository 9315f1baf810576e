/* SPDX-License-Identifier: MIT */
/* Patterns of a ladder: '*' matches anything, '*name' binds it the first time and must be equal from then on. */
#ifndef PARLEY_LADDER_PATTERN_H
#define PARLEY_LADDER_PATTERN_H

#include "base/wbuf.h"
#include "lib/wire.h"

enum { VARS_MAX = 64 };

struct vars {
	unsigned n;
	struct {
		char name[32];
		char *value;
	} var[VARS_MAX];
};

void vars_finish(struct vars *v);
/* p NULL: not bound. */
struct span vars_get(const struct vars *v, struct span name);
void vars_set(struct vars *v, struct span name, struct span value);

/* The whole of text fits pattern; what it binds stays bound only then. */
bool pattern_match(struct vars *v, struct span pattern, struct span text);
/* Replaces each bound *name in s; out holds the result. */
struct span pattern_fill(const struct vars *v, struct span s, char *out, size_t cap);

/* One continuation line against a message that was sent; false with the reason in why. */
bool pattern_sub(struct vars *v, struct span sub, const struct wire *m, char why[200]);
/* "A == B", "v2 == v1 + 1", "ra <= 10", "p1 != p2". */
bool pattern_check(const struct vars *v, const struct span *word, unsigned n, char why[200]);

#endif
