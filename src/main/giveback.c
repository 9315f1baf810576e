/* SPDX-License-Identifier: MIT */
/*
 * When to give memory back: it costs a walk over all that is free, tens of milliseconds after a large crowd, so it is
 * done when half of a crowd has gone, and half of the rest, never while one gathers.
 */
#include "main/giveback.h"

#include <malloc.h>

#include "im/view.h"

enum {
	LOOK_MS = 5 * 1000,
	CROWD = 256, /* fewer gone than that is not worth it: some hundred kilobytes */
};

/* Has a crowd gone?  *most: the most there were since the last time. */
static bool gone(uint64_t *most, uint64_t alive)
{
	if (alive > *most)
		*most = alive;
	return *most - alive >= CROWD && alive <= *most / 2;
}

bool giveback_look(struct giveback *g)
{
	struct im_metrics mx;

	im_metrics(g->im, &mx);
	bool transactions = gone(&g->transactions, mx.transactions),
	     sessions = gone(&g->sessions, mx.sessions);
	if (!transactions && !sessions)
		return false;
	im_fit(g->im);
#ifdef __GLIBC__
	malloc_trim(0);
#endif
	g->transactions = mx.transactions;
	g->sessions = mx.sessions;
	return true;
}

static void on_look(uv_timer_t *t)
{
	giveback_look(t->data);
}

void giveback_start(struct giveback *g, struct uv_loop_s *loop, struct im *im)
{
	g->im = im;
	uv_timer_init(loop, &g->timer);
	g->timer.data = g;
	uv_timer_start(&g->timer, on_look, LOOK_MS, LOOK_MS);
}

void giveback_stop(struct giveback *g)
{
	if (g->im)
		uv_close((uv_handle_t *)&g->timer, NULL);
	g->im = NULL;
}
