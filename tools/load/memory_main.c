/* SPDX-License-Identifier: MIT */
/*
 * parley-load memory: does a device grow with what it has done?  Sessions are set up and stay; they are modified in
 * turn, by UPDATE and by re-INVITE, some refused by the far side; and the memory is read at each mark.  To be
 * fair each reading comes when nothing is open and nothing answered is remembered any more: after a pause longer than
 * the 64*T1 for which answers are kept (RFC 3261 17.2).  What is in use then must not depend on what was done before.
 * The resident size depends on the largest crowd there was, too: blocks of sessions lie between those of transactions
 * and hold their pages.  So there is a warm-up that brings on the largest crowd this rate can make.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "opt.h"
#include "sip.h"

static const char head[] =
	"Usage: parley-load memory --to ADDRESS:PORT --pid N [option...]\n"
	"\n"
	"Sets up sessions through the device at ADDRESS:PORT (UDP), modifies them in turn by UPDATE and\n"
	"re-INVITE, and reads the memory of the device when so many modifications were made.\n"
	"\n";
static const char tail[] =
	"\n"
	"Exit status: 0 the last reading is within what is allowed and all was answered as it should\n"
	"be; 1 not so; 2 bad usage.\n";

enum { MARKS_MAX = 16 };

struct memory {
	struct sip_conf sip;
	struct sockaddr_storage metrics; /* family 0: nowhere */
	uint64_t mark[MARKS_MAX], warm_up;
	unsigned n_marks, pause_s, allow, allow_rss;
	int pid, core;
};

static void set_marks(void *u, const char *arg)
{
	struct memory *r = u;
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

/* Nothing listens there: only the signalling is of interest. */
static void media(void *u, unsigned i, bool far, struct sip_media *m)
{
	(void)u;
	m->port = far ? 10 : 9;
	m->setup = far ? "active" : "actpass";
	snprintf(m->path, sizeof(m->path), "msrp://127.0.0.1:%u/%s%010u;tcp", m->port, far ? "far" : "cli",
		 i);
}

struct reading {
	uint64_t rss, used; /* bytes; used 0: not known */
};

/* The number behind name in what the device's management says; 0: it says nothing. */
static uint64_t metric_of(const struct memory *r, const char *name)
{
	static const char get[] = "GET /metrics HTTP/1.0\r\n\r\n";
	char page[65536];
	size_t n = 0;
	int fd = socket(r->metrics.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&r->metrics, load_addr_len(&r->metrics)) < 0 ||
	    write(fd, get, sizeof(get) - 1) < 0)
		load_die("--metrics: nobody answers there");
	for (ssize_t got; n < sizeof(page) - 1 && (got = read(fd, page + n, sizeof(page) - 1 - n)) > 0;)
		n += (size_t)got;
	close(fd);
	page[n] = 0;
	struct span line = text_line((struct span){ page, n }, name);
	return line.p ? text_digits(line) : 0;
}

static struct reading read_now(const struct memory *r)
{
	struct proc_tree t;
	struct reading now = { 0 };
	proc_tree_of(&t, r->pid);
	now.rss = proc_rss(&t);
	if (r->metrics.ss_family)
		now.used = metric_of(r, "process_heap_used_bytes ");
	return now;
}

/* Answers what the device asks meanwhile. */
static void pause_for(struct sip_load *s, unsigned seconds)
{
	uint64_t until = now_ns() + seconds * 1000000000ull;
	while (now_ns() < until)
		sip_load_pump(s, 50);
}

static double more(uint64_t now, uint64_t first)
{
	return first ? ((double)now / (double)first - 1) * 100 : 0.0;
}

/* count modifications, and the reading after them; first: to compare with; NULL: this is it. */
static bool stretch(const struct memory *r, struct sip_load *s, const char *name, uint64_t count,
		    const struct reading *first, struct reading *now)
{
	uint64_t start = now_ns();
	if (!sip_load_modify(s, count, NULL))
		return false;
	double seconds = (double)(now_ns() - start) * 1e-9;
	uint64_t busy = read_now(r).rss;
	pause_for(s, r->pause_s);
	*now = read_now(r);
	printf("%13s  %9.0f  %9" PRIu64 "  %9" PRIu64 "  %+6.1f %%  %9" PRIu64 "  %+6.1f %%\n", name,
	       (double)count / seconds, busy >> 10, now->rss >> 10, first ? more(now->rss, first->rss) : 0.0,
	       now->used >> 10, first ? more(now->used, first->used) : 0.0);
	fflush(stdout);
	return true;
}

static bool measure(const struct memory *r, struct sip_load *s)
{
	struct reading first = { 0 }, now = { 0 };
	bool ok = sip_load_setup(s);
	printf("modifications   a second  busy, KiB   RSS, KiB             used, KiB\n");
	if (ok && r->warm_up)
		ok = stretch(r, s, "warm-up", r->warm_up, NULL, &first);
	for (unsigned k = 0; ok && k < r->n_marks; k++) {
		char name[24];
		snprintf(name, sizeof(name), "%" PRIu64, r->mark[k]);
		ok = stretch(r, s, name, r->mark[k] - (k ? r->mark[k - 1] : 0), first.rss ? &first : NULL,
			     &now);
		if (!first.rss)
			first = now;
	}
	const struct sip_counts *n = sip_load_counts(s);
	printf("done %" PRIu64 ", refused by the far side %" PRIu64 ", failed %" PRIu64 ", wrong %" PRIu64
	       ", sent again %" PRIu64 "\n",
	       n->done, n->refused, n->failed, n->wrong, n->resent);
	if (ok && more(now.used, first.used) > r->allow) {
		printf("what is in use grew by more than %u %%\n", r->allow);
		ok = false;
	}
	if (ok && more(now.rss, first.rss) > r->allow_rss) {
		printf("the resident size grew by more than %u %%\n", r->allow_rss);
		ok = false;
	}
	return ok;
}

static void read_options(struct memory *r, int argc, char **argv)
{
	const struct load_opt opts[] = {
		OPT_AT("to", &r->sip.to, "the device under test"),
		OPT_N32("pid", &r->pid, 1, 1 << 30, "its process"),
		OPT_N16("far-port", &r->sip.far_port, 0, 65535,
			"port of the far end, where the device sends to (5080)"),
		OPT_N32("sessions", &r->sip.sessions, 1, 1000000, "sessions to set up (1000)"),
		OPT_FN("marks", "N,N,...", r, set_marks,
		       "read after that many modifications (10000,100000,1000000)"),
		OPT_AT("metrics", &r->metrics,
		       "where it serves /metrics: process_heap_used_bytes is\nread too"),
		OPT_N64("warm-up", &r->warm_up, 0, UINT32_MAX,
			"modifications before all that; rate * 40 brings on all\nthere can be (0)"),
		OPT_N64("rate", &r->sip.rate, 0, 1000000,
			"modifications a second; 0: as fast as answers come (0)"),
		OPT_N32("refuse", &r->sip.refuse_every, 0, 1000000,
			"the far side refuses every Nth; 0: none (7)"),
		OPT_N32("pause", &r->pause_s, 0, 3600, "seconds to wait before reading (40)"),
		OPT_N32("allow", &r->allow, 0, 1000,
			"percent by which what is in use may have grown at the\nend (2)"),
		OPT_N32("allow-rss", &r->allow_rss, 0, 1000,
			"and the resident size (50, or 5 without --metrics)"),
		OPT_N32("core", &r->core, 0, 1023, "stay on this core"),
	};
	load_options(opts, ARRAY_LEN(opts), head, tail, argc, argv);
	r->sip.active = r->sip.sessions;
	if (r->sip.to.ss_family == 0 || r->pid == 0)
		load_die("--to and --pid are needed; see parley-load memory --help");
	if (!r->allow_rss)
		r->allow_rss = r->metrics.ss_family ? 50 : 5;
	load_bind(r->sip.host, &r->sip.local);
}

int load_memory_main(int argc, char **argv)
{
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
		.allow = 2,
		.core = -1,
	};
	read_options(&r, argc, argv);
	load_pin(r.core);
	struct sip_load *s = sip_load_create(&r.sip);
	bool ok = measure(&r, s);
	ok = sip_load_bye(s) && ok;
	sip_load_destroy(s);
	puts(ok ? "result ok" : "result FAULTY");
	return ok ? 0 : 1;
}
