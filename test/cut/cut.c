/* SPDX-License-Identifier: MIT */
/*
 * cut client|cf again|path     the connection of this peer is cut at every byte of a short exchange, in either direction
 *                              and in either mode of msrp.acknowledge; the peer connects again, or offers a new path
 * cut cf theirs                the same where it is the server that had connected
 * cut kill all                 a peer dies at every step of a modification
 *
 * The first run of a kind is not disturbed and counts the places.  A failure prints its place, and the run as a ladder.
 * What is promised is in doc/guide/user-plane.md (UPA-13, UP-12, UP-25a).
 */
#include "cut.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { T1_64_S = 32, REPAIR_S = 30, SETTLE_S = 600 };

void run_say(struct run *r, const char *fmt, ...)
{
	va_list ap;
	if (!r->verbose)
		return;
	printf("%9.4f  ", (double)r->w.now_us / 1e6);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

_Noreturn void run_fail(struct run *r, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
	longjmp(r->failed, 1);
}

static void on_log(void *u, enum im_level level, const char *event, const char *text)
{
	run_say(u, "# %s %s", event, text);
}

static void on_check(void *u)
{
	im_check(((struct run *)u)->w.im);
}

void run_step(struct run *r)
{
	if (!r->counting || r->kill_us)
		return;
	if (!r->plan.kills || r->steps++ != r->plan.at)
		return;
	r->kill_us = r->w.now_us;
	run_say(r, "%s DIES", r->peer[r->plan.side].p.name);
	media_die(&r->peer[r->plan.side]);
}

static void begin(struct run *r)
{
	struct world_hooks h = { .u = r, .sip_out = peer_sip_out, .log = on_log, .check = on_check };
	media_hooks(&h);
	world_init(&r->w, 1, &h);
	if (!cidr_parse(&r->w.conf.trusted[0], SPAN("10.0.0.0/8")))
		abort();
	r->w.conf.plane.ack_end = !r->plan.hop;
	r->w.pipe_delay_us = 1000;
	r->w.pipe_segment = 97; /* so that answers cross what is still being sent */
	media_plan(r);
	peer_init(r, CLIENT, "active");
	peer_init(r, CF, r->plan.way == THEIRS ? "passive" : "active");
	if (!world_start(&r->w))
		abort();
	r->peer[CLIENT].talks = r->peer[CF].talks = !r->plan.kills;
	peer_request(&r->peer[CLIENT], "INVITE", "same");
}

static void check_nothing_left(struct run *r)
{
	if (!im_idle(r->w.im))
		run_fail(r, "something is left when all is over");
}

static void play_cut(struct run *r)
{
	world_run(&r->w, 45 * US_PER_S);
	if (r->plan.at != NEVER && !r->cut_us)
		run_fail(r, "the place of the cut was not reached");
	if (r->peer[CLIENT].over || r->peer[CF].over)
		run_fail(r, "the session ended, although everybody came back");
	media_check_end(r, true);
	r->bye = true;
	peer_request(&r->peer[CLIENT], "BYE", NULL);
	world_run(&r->w, SETTLE_S * US_PER_S);
	if (!r->peer[CF].over)
		run_fail(r, "the BYE was not passed on");
	check_nothing_left(r);
}

static void play_kill(struct run *r)
{
	struct peer *left = &r->peer[!r->plan.side];
	world_run(&r->w, US_PER_S);
	for (unsigned i = 0; i < 2; i++) {
		if (!r->peer[i].bound)
			run_fail(r, "%s is not bound before the modification", r->peer[i].p.name);
		r->peer[i].talks = true;
		media_talk(&r->peer[i]);
	}
	peer_request(&r->peer[r->plan.by], r->plan.method, "path");
	r->counting = true;
	run_step(r);
	world_run(&r->w, 5 * US_PER_S);
	r->counting = false;
	if (r->plan.at == NEVER) {
		media_check_end(r, true);
		r->bye = true;
		peer_request(left, "BYE", NULL);
	} else if (!r->kill_us) {
		run_fail(r, "the step was not reached");
	}
	world_run(&r->w, (5 + T1_64_S + REPAIR_S + 1) * US_PER_S);
	if (!left->over && r->plan.at != NEVER)
		run_fail(r, "%s was not told that the session is over", left->p.name);
	media_check_end(r, false);
	world_run(&r->w, (5 + 2 * T1_64_S + REPAIR_S + SETTLE_S) * US_PER_S);
	check_nothing_left(r);
}

static const char *place(const struct plan *p)
{
	static char text[200];
	static const char *const ways[] = { "again", "path", "theirs" };
	const char *side = p->side == CLIENT ? "client" : "cf", *mode = p->hop ? "hop" : "end";
	if (p->kills)
		snprintf(text, sizeof(text), "acknowledge=%s, %s by %s, %s dies after step %u", mode,
			 p->method, p->by == CLIENT ? "client" : "cf", side, p->at);
	else
		snprintf(text, sizeof(text),
			 "acknowledge=%s, comes back: %s, %s's connection cut %s after byte %u", mode,
			 ways[p->way], side, p->dir == TO_PEER ? "from the server" : "to the server", p->at);
	return text;
}

/* true: all was well; then out, if any, gets what was counted. */
static bool run_one(const struct plan *plan, struct run *out, bool verbose)
{
	struct run *r = calloc(1, sizeof(*r));
	if (r == NULL)
		abort();
	r->plan = *plan;
	r->verbose = verbose;
	if (setjmp(r->failed)) { /* in the middle of something: nothing of it is touched any more */
		if (!verbose) {
			printf("%s:\n", place(plan));
			run_one(plan, NULL, true);
			printf("FAILED: %s\n    at %s\n", r->why, place(plan));
		}
		return false;
	}
	begin(r);
	if (plan->kills)
		play_kill(r);
	else
		play_cut(r);
	for (unsigned i = 0; i < 2; i++)
		pup_dialog_finish(&r->peer[i].d);
	if (out) {
		memcpy(out->flowed, r->flowed, sizeof(out->flowed));
		out->steps = r->steps;
	}
	r->w.hooks.check = NULL;
	world_finish(&r->w);
	free(r);
	return true;
}

static unsigned n_tried, n_failed;

static void try_one(const struct plan *p, struct run *out)
{
	n_tried += p->at != NEVER;
	n_failed += !run_one(p, out, false);
}

static void all_cuts(unsigned side, enum way way)
{
	struct run *whole = calloc(1, sizeof(*whole));
	struct plan p = { .cuts = true, .way = way, .side = side };
	for (unsigned hop = 0; whole && hop < 2; hop++) {
		p.hop = hop;
		p.at = NEVER;
		try_one(&p, whole);
		for (unsigned dir = 0; dir < 2 && n_failed < 3; dir++) {
			p.dir = dir;
			for (p.at = 0; p.at < whole->flowed[side][dir] && n_failed < 3; p.at++)
				try_one(&p, NULL);
		}
		printf("acknowledge=%s: %zu bytes to the server, %zu from it\n", hop ? "hop" : "end",
		       whole->flowed[side][TO_SERVER], whole->flowed[side][TO_PEER]);
	}
	free(whole);
}

static void all_kills(void)
{
	static const char *const methods[] = { "INVITE", "UPDATE" };
	struct run *whole = calloc(1, sizeof(*whole));
	for (unsigned i = 0; whole && i < 16; i++) {
		struct plan p = { .kills = true, .hop = i & 1, .by = i >> 1 & 1, .side = i >> 2 & 1 };
		p.method = methods[i >> 3];
		p.at = NEVER;
		try_one(&p, whole);
		for (p.at = 0; p.at < whole->steps && n_failed < 3; p.at++)
			try_one(&p, NULL);
	}
	free(whole);
}

int main(int argc, char **argv)
{
	static const char *const ways[] = { "again", "path", "theirs" };
	const char *what = argc > 1 ? argv[1] : "", *way = argc > 2 ? argv[2] : "";
	if (strcmp(what, "kill") == 0)
		all_kills();
	for (unsigned i = 0; i < ARRAY_LEN(ways); i++)
		if (strcmp(way, ways[i]) == 0 && (strcmp(what, "client") == 0 || strcmp(what, "cf") == 0))
			all_cuts(what[1] == 'f' ? CF : CLIENT, i);
	if (n_tried == 0)
		return fprintf(stderr, "cut client|cf again|path|theirs, or cut kill all\n"), 2;
	printf("%u %s tried, %u failures\n", n_tried, *what == 'k' ? "kills" : "cuts", n_failed);
	fflush(stdout);
	if (n_failed)
		_exit(1); /* what a failed run left behind is no leak of the server */
	return 0;
}
