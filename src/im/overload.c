/* SPDX-License-Identifier: MIT */
/*
 * Too much to do (PARSE-18).  The world says how long what it handled last had waited; when everything waits too long for a
 * while, new dialogs are told 503, and only when that does not help the requests of those there are 500.  Both are answers
 * without state, which cost a small part of what they spare.
 *
 * What is hard is to tell overload from a hiccup: a page fault, a busy neighbour, a burst that is dealt with at once make some
 * wait too.  So the least of the waits decides, over a window that must be both long and full; one message that did not wait
 * ends the suspicion, and half of the bound the shedding.
 */
#include "im/core.h"

enum {
	WINDOW_MS = 500,
	SAMPLES = 10,
	STALE_MS = 500, /* nothing was handled for so long: what was known says nothing any more */
	IN_DIALOG = 4,  /* times the bound: in-dialog requests too */
};

static const char *const shed_name[] = { "nothing", "new", "all" };

static void shed(struct im *im, enum sip_shed what, uint64_t lag_us, uint64_t now_us)
{
	struct overload *o = &im->overload;
	enum sip_shed was = (enum sip_shed)im->mx.overload;
	uint64_t n = sip_tl_stats(im->tl)->shed;

	if (what == was)
		return;
	if (was == SIP_SHED_NOTHING) {
		o->began_us = now_us;
		o->shed_before = n;
	}
	im->mx.overload = what;
	sip_tl_shed(im->tl, what);
	if (what == SIP_SHED_NOTHING)
		im_log(im, IM_WARN, "overload-over", "ms=%llu shed=%llu",
		       (unsigned long long)((now_us - o->began_us) / US_PER_MS),
		       (unsigned long long)(n - o->shed_before));
	else
		im_log(im, IM_WARN, "overload", "delay-ms=%llu shed=%s",
		       (unsigned long long)(lag_us / US_PER_MS), shed_name[what]);
}

static void begin_window(struct overload *o, uint64_t now_us)
{
	o->since_us = now_us;
	o->n = 0;
	o->least_us = UINT64_MAX;
}

void im_lag(struct im *im, uint64_t lag_us, uint64_t now_us)
{
	uint64_t bound = im->conf.overload_delay_ms * US_PER_MS;
	struct overload *o = &im->overload;

	if (!bound)
		return;
	overload_expire(im, now_us);
	o->seen_us = now_us;
	if (lag_us < bound) {
		begin_window(o, now_us);
		if (lag_us < bound / 2)
			shed(im, SIP_SHED_NOTHING, lag_us, now_us);
		return;
	}
	o->n++;
	o->least_us = lag_us < o->least_us ? lag_us : o->least_us;
	if (o->n < SAMPLES || now_us - o->since_us < WINDOW_MS * US_PER_MS)
		return;
	shed(im, o->least_us >= IN_DIALOG * bound ? SIP_SHED_ALL : SIP_SHED_NEW, o->least_us, now_us);
	begin_window(o, now_us);
}

void overload_expire(struct im *im, uint64_t now_us)
{
	struct overload *o = &im->overload;

	if (now_us - o->seen_us < STALE_MS * US_PER_MS)
		return;
	begin_window(o, now_us);
	shed(im, SIP_SHED_NOTHING, 0, now_us);
}
