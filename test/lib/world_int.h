/* SPDX-License-Identifier: MIT */
/* What world.c and pipe.c share. */
#ifndef PARLEY_TEST_WORLD_INT_H
#define PARLEY_TEST_WORLD_INT_H

#include "lib/world.h"

struct world_event {
	uint64_t at_us, seq;
	world_fn *fn;
	void *arg;
	uint64_t n;
};

void world_enter(struct world *w);
void world_leave(struct world *w);
/* Back in the test's own code although production called us; returns what world_restore() wants. */
unsigned world_suspend(struct world *w);
void world_restore(struct world *w, unsigned depth);
bool world_resolve(const struct world *w, struct span host, uint16_t port, struct addr *out);

void pipe_port(struct im_port *port);
void pipe_finish(struct world *w);

#endif
