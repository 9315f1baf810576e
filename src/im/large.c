/* SPDX-License-Identifier: MIT */
/*
 * A large-message session lives for one message (CLASS-23): set up, the message, reports if asked for, BYE by its sender.
 * A sender that forgets the BYE must not hold the session; after a time of policy, counted from when the last byte was
 * acknowledged, both legs get it from us.  Out of the media path there is nothing to see, and the session timers do.
 *
 * The user plane does not tell when it falls silent; it is looked at, four times in that while, which is exact enough for
 * "may" and costs nothing where messages flow.
 */
#include <stdlib.h>

#include "im/core.h"

struct large {
	struct session *s;
	struct timer t;
	uint64_t messages; /* delivered when last looked at */
	uint64_t since_us; /* it has been silent since; 0: it was not */
};

static timer_fn on_look;

static void look_again(struct large *g, uint64_t now_us)
{
	struct im *im = g->s->im;
	timer_set(&im->wheel, &g->t, now_us + im->conf.large_wait_ms * US_PER_MS / 4, on_look);
}

static void on_look(struct timer *t, uint64_t now_us)
{
	struct large *g = container_of(t, struct large, t);
	struct session *s = g->s;
	struct plane_stats st;
	uint64_t n;

	plane_stats(s->plane, &st);
	n = st.messages[SIDE_A] + st.messages[SIDE_B];
	if (!n || n != g->messages || !plane_idle(s->plane) || s->mod.stage != MOD_NONE)
		g->since_us = n ? now_us : 0;
	g->messages = n;
	if (!g->since_us || now_us - g->since_us < s->im->conf.large_wait_ms * US_PER_MS) {
		look_again(g, now_us);
		return;
	}
	im_log(s->im, IM_NOTICE, "large-message-over", "sess=%lu", (unsigned long)s->id);
	session_end(s, "Reason: SIP;cause=200;text=\"message delivered\"\r\n", now_us);
}

void large_begin(struct session *s, uint64_t now_us)
{
	if (s->class != IM_CLASS_LARGE_MESSAGE || !s->plane || !s->im->conf.large_wait_ms ||
	    !(s->large = calloc(1, sizeof(*s->large))))
		return; /* no memory: it lives until its timers say otherwise */
	s->large->s = s;
	look_again(s->large, now_us);
}

void large_drop(struct session *s)
{
	if (!s->large)
		return;
	timer_stop(&s->im->wheel, &s->large->t);
	free(s->large);
	s->large = NULL;
}
