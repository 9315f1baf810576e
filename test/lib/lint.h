/* SPDX-License-Identifier: MIT */
/*
 * What must be true of every message parley sends, whatever the scenario: numbers, tags, versions, one final per
 * request.  Looks at the bytes only.  Used by every ladder and by the simulator.
 */
#ifndef PARLEY_TEST_LINT_H
#define PARLEY_TEST_LINT_H

#include "lib/wire.h"

struct lint_leg; /* what is known of one Call-ID on one side */

struct lint {
	struct lint_leg *leg; /* list */
	bool free_origin;     /* o= is not ours (unanchored) */
	bool gaps;            /* o= versions may be left out: memory ran out after they were drawn */
	bool proxy;           /* one dialog through us: only what holds for a proxy */
};

void lint_finish(struct lint *l);
/* m goes to the side called peer.  false: why says what is wrong. */
bool lint_out(struct lint *l, const char *peer, const struct wire *m, char why[200]);

#endif
