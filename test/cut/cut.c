/* SPDX-License-Identifier: MIT */
/*
 * cut cuts|changes|kills client|cf [again|path|theirs] [WORD...]
 *   cuts      the connection of this peer is cut at every byte of a short exchange, in either direction
 *   changes   it is cut at every step of a modification that takes the line to a new path, while messages flow
 *   kills     this peer dies at every step of such a modification
 *   again, path, theirs   it connects again, or offers a new path, or the server, which had connected, does so again
 *   end, hop              msrp.acknowledge (without: both)
 *   partial, no, success  what is asked for: Failure-Report, and Success-Report for all messages
 *   tls, ws, far-tls      over what the client's line goes, and the controlling side's
 *   file                  a file beside the chat; what broke off is resumed by a=file-range
 *   none                  the server keeps nothing to send it again (msrp.resend_max 0)
 *   twice                 the connection that came instead is cut too, and twice-far: one of the other peer
 *   step=N                not every byte, but every Nth (of cuts)
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
	struct peer *p = &r->peer[r->plan.side];
	if (!r->counting || r->kill_us || r->steps++ != r->plan.at)
		return;
	r->kill_us = r->w.now_us;
	run_say(r, "%s %s", p->p.name, r->plan.kind == KILLS ? "DIES" : "LOSES its connections");
	if (r->plan.kind == KILLS)
		media_die(p);
	else
		media_break(p, r->plan.all);
}

static const char *first_words(const struct plan *p)
{
	static const char *const words[PLANE_N_TP] = { "same", "tls", "ws", "ws,tls" };
	return words[p->tp[CLIENT]];
}

static void begin(struct run *r)
{
	struct world_hooks h = { .u = r, .sip_out = peer_sip_out, .log = on_log, .check = on_check };
	media_hooks(&h);
	world_init(&r->w, 1, &h);
	if (!cidr_parse(&r->w.conf.trusted[0], SPAN("10.0.0.0/8")))
		abort();
	r->w.conf.plane.ack_end = !r->plan.hop;
	r->w.conf.plane.transport[SIDE_B] = 1 + r->plan.tp[CF];
	r->w.conf.allow_downgrade = true;
	if (r->plan.keep_none)
		r->w.conf.plane.resend_max = 0;
	r->w.pipe_delay_us = 1000;
	r->w.pipe_segment = 97; /* so that answers cross what is still being sent */
	media_plan(r);
	peer_init(r, CLIENT, "active");
	peer_init(r, CF, r->plan.way == THEIRS ? "passive" : "active");
	if (!world_start(&r->w))
		abort();
	r->peer[CLIENT].talks = r->peer[CF].talks = r->plan.kind == CUTS;
	peer_request(&r->peer[CLIENT], "INVITE", first_words(&r->plan));
}

static void check_nothing_left(struct run *r)
{
	if (!im_idle(r->w.im))
		run_fail(r, "something is left when all is over");
}

static void hang_up(struct run *r)
{
	r->bye = true;
	peer_request(&r->peer[CLIENT], "BYE", NULL);
	world_run(&r->w, SETTLE_S * US_PER_S);
	if (!r->peer[CF].over)
		run_fail(r, "the BYE was not passed on");
	check_nothing_left(r);
}

static void check_all_well(struct run *r)
{
	if (r->peer[CLIENT].over || r->peer[CF].over)
		run_fail(r, "the session ended, although everybody came back");
	reckon_end(r, true);
}

static void offer_file(struct run *r)
{
	world_run(&r->w, US_PER_S / 5);
	if (r->plan.file)
		peer_request(&r->peer[CLIENT], "UPDATE", "file=60");
}

static void play_cut(struct run *r)
{
	offer_file(r);
	world_run(&r->w, 45 * US_PER_S);
	if (r->plan.n_cuts == 1 && !r->cut_us[r->plan.cut[0].side])
		run_fail(r, "the place of the cut was not reached");
	check_all_well(r);
	hang_up(r);
}

static void begin_change(struct run *r)
{
	offer_file(r);
	world_run(&r->w, US_PER_S);
	for (unsigned i = 0; i < 2; i++) {
		if (!r->peer[i].line[CHAT].bound)
			run_fail(r, "%s is not bound before the modification", r->peer[i].p.name);
		r->peer[i].talks = true;
		media_talk(&r->peer[i]);
	}
	peer_request(&r->peer[r->plan.by], r->plan.method, "path1");
	r->counting = true;
	run_step(r);
	world_run(&r->w, 5 * US_PER_S);
	r->counting = false;
	if (r->plan.at != NEVER && !r->kill_us)
		run_fail(r, "the step was not reached");
}

static void play_change(struct run *r)
{
	begin_change(r);
	world_run(&r->w, 45 * US_PER_S);
	check_all_well(r);
	hang_up(r);
}

static void play_kill(struct run *r)
{
	struct peer *left = &r->peer[!r->plan.side];
	begin_change(r);
	if (r->plan.at == NEVER) {
		reckon_end(r, true);
		r->bye = true;
		peer_request(left, "BYE", NULL);
	}
	world_run(&r->w, (5 + T1_64_S + REPAIR_S + 1) * US_PER_S);
	if (!left->over && r->plan.at != NEVER)
		run_fail(r, "%s was not told that the session is over", left->p.name);
	reckon_end(r, false);
	world_run(&r->w, (5 + 2 * T1_64_S + REPAIR_S + SETTLE_S) * US_PER_S);
	check_nothing_left(r);
}

static const char *side_word(unsigned side)
{
	return side == CLIENT ? "client" : "cf";
}

static const char *place(const struct plan *p)
{
	static char text[300];
	static const char *const ways[] = { "again", "path", "theirs" };
	struct wbuf w = wbuf_on(text, sizeof(text) - 1);
	w_fmt(&w, "acknowledge=%s, comes back: %s", p->hop ? "hop" : "end", ways[p->way]);
	for (unsigned i = 0; i < p->n_cuts; i++)
		w_fmt(&w, ", connection %u of %s cut %s after byte %u", p->cut[i].nth,
		      side_word(p->cut[i].side),
		      p->cut[i].dir == TO_PEER ? "from the server" : "to the server", p->cut[i].at);
	if (p->kind != CUTS)
		w_fmt(&w, ", %s by %s, %s %s after step %u", p->method, side_word(p->by), side_word(p->side),
		      p->kind == KILLS ? "dies"
		      : p->all         ? "loses all connections"
				       : "loses its connection",
		      p->at);
	text[w.n] = 0;
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
	static void (*const play[])(
		struct run *) = { [CUTS] = play_cut, [KILLS] = play_kill, [CHANGES] = play_change };
	begin(r);
	play[plan->kind](r);
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

enum { FAILURES_MOST = 3 };

struct tally {
	unsigned tried, failed, step;
	bool twice, twice_far;
};

static bool try_one(struct tally *t, const struct plan *p, struct run *out)
{
	t->tried += p->kind == CUTS ? p->n_cuts != 0 : p->at != NEVER;
	t->failed += !run_one(p, out, false);
	return t->failed < FAILURES_MOST;
}

/* After the first cut, a second: of the connection that came instead, or of one of the other peer. */
static bool again_cut(struct tally *t, struct plan *p)
{
	struct run *once = calloc(1, sizeof(*once));
	struct cut *k = &p->cut[1];
	bool go = once && try_one(t, p, once);
	k->side = t->twice_far ? !p->cut[0].side : p->cut[0].side;
	k->nth = t->twice_far ? 0 : 1;
	p->n_cuts = 2;
	for (k->dir = 0; go && k->dir < 2; k->dir++)
		for (k->at = 0; go && k->at < once->flowed[k->side][k->nth][k->dir]; k->at += t->step)
			go = try_one(t, p, NULL);
	p->n_cuts = 1;
	free(once);
	return go;
}

static void all_cuts(struct tally *t, struct plan p)
{
	struct run *whole = calloc(1, sizeof(*whole));
	unsigned side = p.side;
	size_t *flowed = whole ? whole->flowed[side][0] : NULL;
	bool go = whole && try_one(t, &p, whole);
	p.n_cuts = 1;
	p.cut[0].side = side;
	for (unsigned dir = 0; go && dir < 2; dir++) {
		p.cut[0].dir = dir;
		for (p.cut[0].at = 0; go && p.cut[0].at < flowed[dir]; p.cut[0].at += t->step)
			go = t->twice || t->twice_far ? again_cut(t, &p) : try_one(t, &p, NULL);
	}
	printf("acknowledge=%s: %zu bytes to the server, %zu from it\n", p.hop ? "hop" : "end",
	       flowed[TO_SERVER], flowed[TO_PEER]);
	free(whole);
}

static void all_steps(struct tally *t, struct plan p)
{
	static const char *const methods[] = { "INVITE", "UPDATE" };
	struct run *whole = calloc(1, sizeof(*whole));
	for (unsigned i = 0; whole && i < 8; i++) {
		p.method = methods[i & 1];
		p.by = i >> 1 & 1;
		p.all = i >> 2;
		p.at = NEVER;
		if (p.all && p.kind == KILLS)
			break;
		bool go = try_one(t, &p, whole);
		for (p.at = 0; go && p.at < whole->steps; p.at++)
			go = try_one(t, &p, NULL);
	}
	free(whole);
}

static bool word_is(const char *w, struct plan *p, struct tally *t, unsigned *modes)
{
#define WORD(name, act)             \
	if (strcmp(w, name) == 0) { \
		act;                \
		return true;        \
	}
	WORD("cuts", p->kind = CUTS)
	WORD("kills", p->kind = KILLS)
	WORD("changes", p->kind = CHANGES)
	WORD("client", p->side = CLIENT)
	WORD("cf", p->side = CF)
	WORD("again", p->way = AGAIN)
	WORD("path", p->way = NEW_PATH)
	WORD("theirs", p->way = THEIRS)
	WORD("end", *modes = 1)
	WORD("hop", *modes = 2)
	WORD("partial", p->failure = PARTIAL)
	WORD("no", p->failure = NO)
	WORD("success", p->success = true)
	WORD("tls", p->tp[CLIENT] = PLANE_TLS)
	WORD("ws", p->tp[CLIENT] = PLANE_WS)
	WORD("far-tls", p->tp[CF] = PLANE_TLS)
	WORD("file", p->file = true)
	WORD("none", p->keep_none = true)
	WORD("twice", t->twice = true)
	WORD("twice-far", t->twice_far = true)
#undef WORD
	return sscanf(w, "step=%u", &t->step) == 1 && t->step;
}

int main(int argc, char **argv)
{
	struct plan p = { 0 };
	struct tally t = { .step = 1 };
	unsigned modes = 3; /* of msrp.acknowledge */
	bool good = argc > 2;
	for (int i = 1; i < argc; i++)
		good &= word_is(argv[i], &p, &t, &modes);
	if (!good)
		return fprintf(stderr,
			       "cut cuts|changes|kills client|cf [again|path|theirs] [WORD...]: see cut.c\n"),
		       2;
	for (unsigned hop = 0; hop < 2; hop++) {
		p.hop = hop;
		if ((modes >> hop & 1) && t.failed < FAILURES_MOST)
			(p.kind == CUTS ? all_cuts : all_steps)(&t, p);
	}
	printf("%u %s tried, %u failures\n", t.tried, p.kind == KILLS ? "kills" : "cuts", t.failed);
	fflush(stdout);
	if (t.failed)
		_exit(1); /* what a failed run left behind is no leak of the server */
	return 0;
}
