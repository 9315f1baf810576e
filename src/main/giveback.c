/* SPDX-License-Identifier: MIT */
/*
 * When to give memory back: it costs a walk over all that is free, tens of milliseconds after a large crowd, so it is
 * done once when a crowd has gone, never in the middle of one.
 */
#include "main/giveback.h"

#include <malloc.h>

#include "im/view.h"

enum {
	LOOK_MS = 5 * 1000,
	CROWD = 256, /* fewer gone than that is not worth it: some hundred kilobytes */
	SESSION = 4, /* of a transaction's size */
};

static void on_look(uv_timer_t *t)
{
	struct giveback *g = t->data;
	struct im_metrics mx;

	im_metrics(g->im, &mx);
	uint64_t alive = mx.transactions + mx.sessions * SESSION;
	if (alive > g->most)
		g->most = alive;
	if (g->most - alive < CROWD || alive > g->most / 2)
		return;
	im_fit(g->im);
#ifdef __GLIBC__
	malloc_trim(0);
#endif
	g->most = alive;
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
