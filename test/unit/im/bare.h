/* SPDX-License-Identifier: MIT */
/*
 * A participating function with one UDP point, BARE_AT, between two peers, for tests that fail or count allocations and so
 * want no more of a world than this.
 */
#ifndef PARLEY_TEST_BARE_H
#define PARLEY_TEST_BARE_H

#include "im/im.h"

#define BARE_AT "192.0.2.1"
#define CLIENT "192.0.2.10"
#define FAR "192.0.2.20"

struct bare {
	struct im *im; /* NULL: no memory */
	uint64_t now_us, seed;
};

void bare_conf(struct im_conf *conf);
/* b is the first member of what sip_send gets as w. */
void bare_start(struct bare *b, const struct im_conf *conf,
		int (*sip_send)(void *w, const struct sip_dest *to, struct span bytes, uint64_t token));
/* A datagram from that address, a millisecond later. */
void bare_input(struct bare *b, const char *from, struct span bytes);
/* All timers, until nothing is left. */
void bare_run_out(struct bare *b);

#endif
