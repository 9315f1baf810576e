/* SPDX-License-Identifier: MIT */
/*
 * parley-load memory: does a device grow with what it has done?  Sessions are set up and stay; they are modified in
 * turn, by UPDATE and by re-INVITE, some refused by the far side; and the resident size is read at each mark.  To be
 * fair each reading comes when nothing is open and nothing answered is remembered any more: after a pause longer than
 * the 64*T1 for which answers are kept (RFC 3261 17.2).  And each stretch runs at one rate, so that the most that is
 * remembered at once is the same whenever a stretch is longer than that.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sip.h"

static const char help[] =
	"Usage: parley-load memory --to ADDRESS:PORT --pid N [option...]\n"
	"\n"
	"Sets up sessions through the device at ADDRESS:PORT (UDP), modifies them in turn by UPDATE and\n"
	"re-INVITE, and reads the resident size of the device when so many modifications were made.\n"
	"\n"
	"  --to ADDRESS:PORT    the device under test\n"
	"  --pid N              its process\n"
	"  --far-port N         port of the far end, where the device sends to (5080)\n"
	"  --sessions N         sessions to set up (1000)\n"
	"  --marks N,N,...      read after that many modifications (10000,100000,1000000)\n"
	"  --rate N             modifications a second; 0: as fast as answers come (0)\n"
	"  --refuse N           the far side refuses every Nth; 0: none (7)\n"
	"  --pause N            seconds to wait before reading (40)\n"
	"  --allow N            percent by which the last reading may exceed the first (5)\n"
	"  --core N             stay on this core\n"
	"  --help               this text\n"
	"\n"
	"Exit status: 0 the last reading is within what is allowed and all was answered as it should\n"
	"be; 1 not so; 2 bad usage.\n";

enum { MARKS_MAX = 16 };

struct memory {
	struct sip_conf sip;
	uint64_t mark[MARKS_MAX];
	unsigned n_marks, pause_s, allow;
	int pid, core;
};

static void set_marks(struct memory *r, const char *arg)
{
	char *copy = strdup(arg), *rest = copy;
	if (!copy)
		load_die("out of memory");
	r->n_marks = 0;
	for (char *one; (one = strsep(&rest, ",")) != NULL; r->n_marks++) {
		if (r->n_marks == MARKS_MAX)
			load_die("--marks: more than %d", MARKS_MAX);
		uint64_t least = r->n_marks ? r->mark[r->n_marks - 1] + 1 : 1;
		r->mark[r->n_marks] = load_number("--marks", one, least, UINT32_MAX);
	}
	free(copy);
}

enum { O_TO = 256, O_PID, O_FAR, O_SESSIONS, O_MARKS, O_RATE, O_REFUSE, O_PAUSE, O_ALLOW, O_CORE };

static void set(struct memory *r, int opt, const char *arg)
{
	switch (opt) {
	case O_TO:
		load_addr("--to", arg, &r->sip.to);
		break;
	case O_PID:
		r->pid = (int)load_number("--pid", arg, 1, 1 << 30);
		break;
	case O_FAR:
		r->sip.far_port = (uint16_t)load_number("--far-port", arg, 0, 65535);
		break;
	case O_SESSIONS:
		r->sip.sessions = r->sip.active = (unsigned)load_number("--sessions", arg, 1, 1000000);
		break;
	case O_MARKS:
		set_marks(r, arg);
		break;
	case O_RATE:
		r->sip.rate = load_number("--rate", arg, 0, 1000000);
		break;
	case O_REFUSE:
		r->sip.refuse_every = (unsigned)load_number("--refuse", arg, 0, 1000000);
		break;
	case O_PAUSE:
		r->pause_s = (unsigned)load_number("--pause", arg, 0, 3600);
		break;
	case O_ALLOW:
		r->allow = (unsigned)load_number("--allow", arg, 0, 1000);
		break;
	case O_CORE:
		r->core = (int)load_number("--core", arg, 0, 1023);
		break;
	default:
		fputs(help, opt == 'h' ? stdout : stderr);
		exit(opt == 'h' ? 0 : 2);
	}
}

/* Nothing listens there: only the signalling is of interest. */
static void media(void *u, unsigned i, bool far, struct sip_media *m)
{
	(void)u;
	m->port = far ? 10 : 9;
	m->setup = far ? "active" : "actpass";
	snprintf(m->path, sizeof(m->path), "msrp://127.0.0.1:%u/%s%010u;tcp", m->port, far ? "far" : "cli",
		 i);
}

static uint64_t rss_of(int pid)
{
	struct proc_tree t;
	proc_tree_of(&t, pid);
	return proc_rss(&t);
}

/* Answers what the device asks meanwhile. */
static void pause_for(struct sip_load *s, unsigned seconds)
{
	uint64_t until = now_ns() + seconds * 1000000000ull;
	while (now_ns() < until)
		sip_load_pump(s, 50);
}

/* The stretch from mark k - 1 to mark k, and the reading at its end; 0: it went wrong. */
static uint64_t stretch(const struct memory *r, struct sip_load *s, unsigned k, uint64_t first)
{
	uint64_t count = r->mark[k] - (k ? r->mark[k - 1] : 0), start = now_ns();
	if (!sip_load_modify(s, count, NULL))
		return 0;
	double seconds = (double)(now_ns() - start) * 1e-9;
	uint64_t busy = rss_of(r->pid);
	pause_for(s, r->pause_s);
	uint64_t rss = rss_of(r->pid);
	printf("%10" PRIu64 "  %8.0f  %12" PRIu64 "  %8" PRIu64 "  %+7.2f %%\n", r->mark[k],
	       (double)count / seconds, busy >> 10, rss >> 10,
	       first ? ((double)rss / (double)first - 1) * 100 : 0.0);
	fflush(stdout);
	return rss;
}

static bool measure(const struct memory *r, struct sip_load *s)
{
	uint64_t first = 0, last = 0;
	bool ok = sip_load_setup(s);
	printf("modifications   a second   busy, KiB   RSS, KiB   against the first\n");
	for (unsigned k = 0; ok && k < r->n_marks; k++) {
		last = stretch(r, s, k, first);
		ok = last != 0;
		if (!first)
			first = last;
	}
	const struct sip_counts *n = sip_load_counts(s);
	printf("done %" PRIu64 ", refused by the far side %" PRIu64 ", failed %" PRIu64 ", wrong %" PRIu64
	       ", sent again %" PRIu64 "\n",
	       n->done, n->refused, n->failed, n->wrong, n->resent);
	if (ok && last * 100 > first * (100 + r->allow)) {
		printf("it grew by more than %u %%\n", r->allow);
		return false;
	}
	return ok;
}

int load_memory_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "to", 1, NULL, O_TO },         { "pid", 1, NULL, O_PID },
		{ "far-port", 1, NULL, O_FAR },  { "sessions", 1, NULL, O_SESSIONS },
		{ "marks", 1, NULL, O_MARKS },   { "rate", 1, NULL, O_RATE },
		{ "refuse", 1, NULL, O_REFUSE }, { "pause", 1, NULL, O_PAUSE },
		{ "allow", 1, NULL, O_ALLOW },   { "core", 1, NULL, O_CORE },
		{ "help", 0, NULL, 'h' },        { NULL, 0, NULL, 0 },
	};
	struct memory r = {
		.sip = { .host = "127.0.0.1",
			 .far_port = 5080,
			 .sessions = 1000,
			 .active = 1000,
			 .in_flight = 32,
			 .refuse_every = 7,
			 .method = OP_NONE,
			 .timeout_s = 10,
			 .hooks = { .media = media } },
		.mark = { 10000, 100000, 1000000 },
		.n_marks = 3,
		.pause_s = 40,
		.allow = 5,
		.core = -1,
	};
	for (int opt; (opt = getopt_long(argc, argv, "h", options, NULL)) != -1;)
		set(&r, opt, optarg);
	if (optind < argc)
		load_die("memory: what is %s?", argv[optind]);
	if (r.sip.to.ss_family == 0 || r.pid == 0)
		load_die("--to and --pid are needed; see parley-load memory --help");
	load_addr("--bind", "127.0.0.1:0", &r.sip.local);
	load_pin(r.core);
	struct sip_load *s = sip_load_create(&r.sip);
	bool ok = measure(&r, s);
	ok = sip_load_bye(s) && ok;
	sip_load_destroy(s);
	puts(ok ? "result ok" : "result FAULTY");
	return ok ? 0 : 1;
}
