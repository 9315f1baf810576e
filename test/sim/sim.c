/* SPDX-License-Identifier: MIT */
/*
 * sim --seed N [--sessions N] [--ladder]     one seed; --ladder prints everything that happens
 * sim --seeds A..B [--sessions N]            many
 * sim --file FILE                            the seeds of past failures, one a line
 * A failure prints the seed and the last events.  Exit 0: nothing was found.
 */
#include "sim.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct sim *running; /* for the signal handler alone */

void sim_trace(struct sim *sim, const char *fmt, ...)
{
	char text[400];
	va_list ap;
	int n = snprintf(text, sizeof(text), "%.3f ", (double)sim->w.now_us / 1e6);
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	va_end(ap);
	if (sim->ladder)
		printf("%s\n", text);
	char **at = &sim->trace[sim->n_trace++ % TRACE_KEPT];
	free(*at);
	*at = strdup(text);
}

static void print_trace(const struct sim *sim)
{
	unsigned n = sim->n_trace < TRACE_KEPT ? sim->n_trace : TRACE_KEPT;
	for (unsigned i = sim->n_trace - n; i < sim->n_trace && !sim->ladder; i++)
		printf("%s\n", sim->trace[i % TRACE_KEPT]);
}

_Noreturn void sim_fail(struct sim *sim, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(sim->why, sizeof(sim->why), fmt, ap);
	va_end(ap);
	longjmp(sim->failed, 1);
}

/* Not safe in a handler, strictly; the process is ending, and what it prints is why. */
static void on_abort(int sig) /* NOLINT(bugprone-signal-handler) */
{
	if (running) {
		printf("seed %llu: production code asserted; last events:\n",
		       (unsigned long long)running->seed);
		print_trace(running);
		fflush(stdout);
	}
	signal(SIGABRT, SIG_DFL);
	raise(SIGABRT);
}

static void boundary(void *u, bool inside)
{
	oom_inside(inside);
}

static void on_log(void *u, enum im_level level, const char *event, const char *text)
{
	struct sim *sim = u;
	if (sim->ladder)
		sim_trace(sim, "# %s %s", event, text);
}

static unsigned sometimes(struct sim *sim, unsigned most)
{
	return chance(sim, 500) ? 0 : (unsigned)between(sim, 1, most);
}

static void draw_faults(struct sim *sim)
{
	struct faults *f = &sim->f;
	f->loss = sometimes(sim, 200);
	f->dup = sometimes(sim, 200);
	f->icmp = chance(sim, 700) ? 0 : sometimes(sim, 20);
	f->delay_ms = (unsigned)between(sim, 0, 100);
	f->jitter_ms = sometimes(sim, 600);
	f->refuse = sometimes(sim, 300);
	f->late = sometimes(sim, 100);
	f->silent = sometimes(sim, 40);
	f->bad_answer = sometimes(sim, 60);
	f->crash = sometimes(sim, 10);
	f->rude = sometimes(sim, 300);
	f->cut = sometimes(sim, 30);
	f->msrp_refuse = sometimes(sim, 50);
	f->msrp_silent = sometimes(sim, 20);
	f->oom = chance(sim, 700) ? 0 : (unsigned)between(sim, 20, 40u << between(sim, 0, 6));
	f->no_update = sometimes(sim, 600);
	f->offerless = sometimes(sim, 150);
	f->cancel = sometimes(sim, 200);
	f->move = sometimes(sim, 100);
	f->no_100rel = sometimes(sim, 800);
	f->require_100rel = sometimes(sim, 300);
	f->early_update = sometimes(sim, 500);
	f->no_199 = sometimes(sim, 800);
	f->no_timer = sometimes(sim, 800);
	f->short_timer = sometimes(sim, 200);
	f->fork = sometimes(sim, 500);
	f->fork_race = sometimes(sim, 700);
}

/* Of their own, so that a seed without them is what it was. */
static void draw_extra(struct sim *sim)
{
	static const unsigned some[] = { 0, 0, 150, 400 };
	struct rng *r = &sim->extra;
	rng_seed(r, sim->seed ^ 0x5547);
	if (rng_below(r, 4) == 0)
		return;
	sim->tls = some[rng_below(r, ARRAY_LEN(some))];
	sim->wrong = some[rng_below(r, ARRAY_LEN(some))] / 2;
	sim->files = some[rng_below(r, ARRAY_LEN(some))];
	sim->w.conf.allow_downgrade = rng_below(r, 4) != 0;
	sim->w.conf.plane.transport[SIDE_B] = rng_below(r, 3) ? 0 : 1 + (uint32_t)rng_below(r, 2);
	sim->w.conf.plane.cpim_adapt = rng_below(r, 3) == 0;
}

static bool sim_begin(struct sim *sim, uint64_t seed, unsigned sessions)
{
	struct world_hooks h = { .u = sim,
				 .sip_out = net_on_sip_out,
				 .msrp_incoming = media_incoming,
				 .msrp_up = media_up,
				 .msrp_bytes = hear_bytes,
				 .msrp_down = media_down,
				 .log = on_log,
				 .check = check_event,
				 .boundary = boundary };
	struct rng timers, modes; /* of their own: the seeds of past failures go on meaning what they meant */
	sim->seed = seed;
	rng_seed(&timers, seed ^ 0x4028);
	rng_seed(&modes, seed ^ 0x7092);
	rng_seed(&sim->repairs, seed ^ 0x4975);
	rng_seed(&sim->rng, seed);
	world_init(&sim->w, seed ^ 0x5eed, &h);
	draw_faults(sim);
	if (!cidr_parse(&sim->w.conf.trusted[0], SPAN("10.0.0.0/8")))
		abort();
	if (rng_below(&modes, 5) == 0) {
		sim->w.conf.mode = IM_UNANCHORED;
		sim->w.conf.own_origin = rng_below(&modes, 3) == 0;
		sim->w.conf.audio_video_pass = rng_below(&modes, 2) == 0;
	}
	sim->w.conf.plane.ack_end = chance(sim, 700);
	if (rng_below(&timers, 2)) /* refreshes within the life of a session, which is up to 90 s */
		sim->w.conf.session_expires_s = 90 + rng_below(&timers, 60);
	static const uint32_t kept[] = { 0, 700, 20000, 65536 };
	sim->w.conf.plane.resend_max = kept[rng_below(&sim->repairs, ARRAY_LEN(kept))];
	sim->w.conf.plane.repair = (uint8_t)rng_below(&sim->repairs, PLANE_REINVITE_ALL + 1);
	if (rng_below(&sim->repairs, 3) == 0)
		sim->w.conf.plane.keepalive_ms = 5000;
	draw_extra(sim);
	sim->w.pipe_random = true;
	sim->w.pipe_delay_us = between(sim, 0, 60) * US_PER_MS + 1;
	sim->w.pipe_segment = (size_t)between(sim, 1, 3000) + 40;
	sim->w.pipe_room = (size_t)between(sim, 4096, 65536);
	static const uint32_t expires[] = { 0, 90, 100, 120, 1800 };
	sim->w.conf.session_expires_s = expires[rng_below(&sim->rng, ARRAY_LEN(expires))];
	sim->w.conf.min_se_s = chance(sim, 500) ? 90 : 100;
	sim->w.conf.single_early_dialog = chance(sim, 200);
	sim->w.slabs = seed % 2 && !sim->f.oom; /* not where each allocation is to fail in its turn */
	sim->load_end_us = (chance(sim, 200) ? 350 : 125) * US_PER_S;
	sim->n_sess = sessions;
	sim->sess = calloc(sessions, sizeof(*sim->sess));
	if (sim->sess == NULL || !world_start(&sim->w))
		return false;
	for (unsigned i = 0; i < sessions; i++) {
		struct sess *s = &sim->sess[i];
		s->sim = sim;
		s->id = i;
		s->used = true;
		s->caller = chance(sim, 600) ? SIDE_A : SIDE_B;
		ua_init(&s->ua[0], s, SIDE_A, 0);
		ua_init(&s->ua[1], s, SIDE_B, 0);
		fork_plan(s);
		plan_session(s);
	}
	oom_inject(sim->f.oom, &sim->rng);
	return true;
}

static void sim_play(struct sim *sim)
{
	world_run(&sim->w, sim->load_end_us);
	sim_trace(sim, "the load stops, the net heals");
	sim->healed = true;
	sim->n_oom = oom_count();
	oom_inject(0, NULL);
	/* Timer C, drains, the 28 s bounds and 64*T1 after one another */
	world_run(&sim->w, sim->load_end_us + 2600 * US_PER_S);
	check_end(sim);
}

static void sim_end(struct sim *sim)
{
	oom_inject(0, NULL);
	oom_inside(false);
	sim->w.inside = 0;
	sim->w.hooks.check = NULL;
	for (unsigned i = 0; i < sim->n_sess; i++) {
		struct sess *s = &sim->sess[i];
		for (unsigned k = 0; sess_ua(s, k); k++)
			ua_finish(sess_ua(s, k));
		for (unsigned k = 0; k < s->n_forks; k++)
			free(s->fork[k]);
	}
	world_finish(&sim->w);
	free(sim->sess);
	for (unsigned i = 0; i < TRACE_KEPT; i++)
		free(sim->trace[i]);
}

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

struct totals {
	uint64_t seeds, sessions, events, sip, bytes, oom, compared;
	uint64_t tls, wrong, files, resumed;
	struct im_metrics mx;
	bool dirty; /* a failed seed left its memory behind: no more leak checks */
};

static bool run_seed(uint64_t seed, unsigned sessions, bool ladder, struct totals *t)
{
	struct sim *sim = calloc(1, sizeof(*sim));
	if (sim == NULL)
		return false;
	sim->ladder = ladder;
	oom_inject(0, NULL);
	oom_inside(false);
	running = sim;
	volatile bool ok = sim_begin(sim, seed, sessions);
	if (ok && setjmp(sim->failed) == 0) {
		sim_play(sim);
	} else {
		ok = false;
		print_trace(sim);
		printf("%.3f seed %llu (%u sessions, oom 1/%u) FAILED: %s\n", (double)sim->w.now_us / 1e6,
		       (unsigned long long)seed, sessions, sim->f.oom, sim->why);
	}
	t->seeds++;
	t->sessions += sessions;
	t->events += sim->n_events;
	t->sip += sim->n_sip;
	t->bytes += sim->n_bytes;
	t->oom += sim->n_oom;
	t->compared += sim->n_compared;
	t->tls += sim->n_tls;
	t->wrong += sim->n_wrong;
	t->files += sim->n_files;
	t->resumed += sim->n_resumed;
	if (ok) {
		struct im_metrics mx;
		im_metrics(sim->w.im, &mx);
#define X(name, kind, help) t->mx.name += mx.name;
		IM_METRICS(X)
#undef X
	}
	if (!ok) { /* the world is in the middle of something: nothing of it is safe to touch */
		running = NULL;
		t->dirty = true;
		return false;
	}
	sim_end(sim);
	running = NULL;
	free(sim);
	if (!t->dirty && __lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check() != 0) {
		printf("seed %llu leaks\n", (unsigned long long)seed);
		return false;
	}
	return true;
}

static int run_file(const char *file, struct totals *t)
{
	FILE *f = fopen(file, "r");
	char line[200];
	int bad = 0;
	if (f == NULL)
		return 1;
	while (fgets(line, sizeof(line), f)) {
		unsigned long long seed;
		unsigned sessions = 12;
		if (line[0] != '#' && sscanf(line, "%llu %u", &seed, &sessions) >= 1)
			bad += !run_seed(seed, sessions, false, t);
	}
	fclose(f);
	return bad;
}

int main(int argc, char **argv)
{
	unsigned long long from = 1, to = 20;
	unsigned sessions = 12;
	bool ladder = false;
	int bad = 0;
	struct totals t = { 0 };
	signal(SIGABRT, on_abort);
	for (int i = 1; i < argc; i++) {
		const char *v = i + 1 < argc ? argv[i + 1] : "";
		if (strcmp(argv[i], "--seed") == 0)
			from = to = strtoull(v, NULL, 10), i++;
		else if (strcmp(argv[i], "--seeds") == 0 && sscanf(v, "%llu..%llu", &from, &to) == 2)
			i++;
		else if (strcmp(argv[i], "--sessions") == 0)
			sessions = (unsigned)atoi(v), i++;
		else if (strcmp(argv[i], "--file") == 0)
			bad += run_file(v, &t), i++;
		else if (strcmp(argv[i], "--ladder") == 0)
			ladder = true;
		else
			return fprintf(stderr,
				       "sim [--file F] [--seed N | --seeds A..B] [--sessions N] [--ladder]\n"),
			       2;
	}
	for (unsigned long long s = from; s <= to && bad < 5; s++)
		bad += !run_seed(s, sessions, ladder, &t);
	printf("%llu seeds, %llu sessions, %llu events, %llu SIP messages out, %llu MSRP bytes in, %llu failed allocations, "
	       "%llu times both ends compared: %d failures\n",
	       (unsigned long long)t.seeds, (unsigned long long)t.sessions, (unsigned long long)t.events,
	       (unsigned long long)t.sip, (unsigned long long)t.bytes, (unsigned long long)t.oom,
	       (unsigned long long)t.compared, bad);
	printf("%llu set up, %llu changed, %llu refused here, %llu refused or failed there, %llu led back, %llu in glare, %llu refreshed, %llu expired; "
	       "%llu MSRP messages through, %llu failed\n",
	       (unsigned long long)t.mx.sessions_total, (unsigned long long)t.mx.modifications,
	       (unsigned long long)t.mx.modifications_refused, (unsigned long long)t.mx.modifications_failed,
	       (unsigned long long)t.mx.compensations, (unsigned long long)t.mx.glare,
	       (unsigned long long)t.mx.refreshes, (unsigned long long)t.mx.sessions_expired,
	       (unsigned long long)t.mx.msrp_messages, (unsigned long long)t.mx.msrp_failed);
	printf("%llu connections by TLS, %llu of them under another's certificate; %llu files, %llu of them resumed; %llu envelopes\n",
	       (unsigned long long)t.tls, (unsigned long long)t.wrong, (unsigned long long)t.files,
	       (unsigned long long)t.resumed, (unsigned long long)t.mx.msrp_adapted);
	fflush(stdout);
	if (bad)
		_exit(1); /* what a failed seed left behind is no leak of the server */
	return 0;
}
