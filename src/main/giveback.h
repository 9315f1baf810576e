/* SPDX-License-Identifier: MIT */
/*
 * Memory goes back to the system after a crowd has left.  The core frees what it no longer needs, but the C library
 * keeps it: an answered transaction lives for 64*T1 (RFC 3261 17.2), so a busy minute leaves hundreds of megabytes of
 * freed blocks, pinned by the few that live on between them, and tables with room for all.
 */
#ifndef PARLEY_MAIN_GIVEBACK_H
#define PARLEY_MAIN_GIVEBACK_H

#include <uv.h>

#include "im/im.h"

struct giveback {
	uv_timer_t timer;
	struct im *im;                   /* borrowed */
	uint64_t transactions, sessions; /* the most there were since the last time */
};

/* Looks every few seconds, on loop, until giveback_stop(). */
void giveback_start(struct giveback *g, struct uv_loop_s *loop, struct im *im);
/* One look.  Was memory given back? */
bool giveback_look(struct giveback *g);
void giveback_stop(struct giveback *g); /* safe on zeroes */

#endif
