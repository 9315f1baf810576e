/* SPDX-License-Identifier: MIT */
/*
 * Breadth first, so that every depth is complete before the next begins and the first way found to a violation is a
 * shortest.  A state is kept as its hash, its parent and the action that led to it.  The states of a level lie in the
 * order of their parents, so going through it is a walk through the tree of first ways in order: the snapshots along
 * the present way are kept, and only where two ways part is something done again.
 *
 * From each new state the way to the end is followed as well (act_drain), until it meets a state from which it was
 * followed before: so every state reached is known to end well, at the price of about one action each.
 */
#include "explore/search.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "explore/arena.h"

enum { DEPTH_MAX = 200, KINDS_MAX = 40, DRAIN_MAX = 400, SNAPSHOT_MAX = 8 << 20 };

struct entry { /* 96 bits of the hash; all zero: free */
	uint64_t a;
	uint32_t b, node;
};

struct kind { /* of violation */
	char why[WHY_MAX];
	uint64_t n;
};

static struct {
	struct limits l;
	struct entry *set;
	uint64_t *drained, mask;
	uint32_t *parent;
	act *by;
	uint64_t n; /* states */
	uint64_t transitions, met, drains, drain_steps, compared, differ, limit;
	void *snapshot[DEPTH_MAX + 1];
	uint32_t way[DEPTH_MAX + 1];             /* the node at each depth of the present way */
	act done[DEPTH_MAX + 1], now[DRAIN_MAX]; /* and what is being done beyond it */
	unsigned depth, n_now;
	struct kind kind[KINDS_MAX];
	unsigned n_kinds;
	double began, told;
	bool stop;
} x;

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* ---- memory of the search ---- */

static void *pages(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED) {
		perror("explore: mmap");
		exit(2);
	}
	return p;
}

static void tables(uint64_t states)
{
	uint64_t n = 1 << 16;

	while (n < states + states / 2)
		n *= 2;
	x.mask = n - 1;
	x.limit = states;
	x.set = pages(n * sizeof(*x.set));
	x.drained = pages(2 * n * sizeof(*x.drained));
	x.parent = pages((states + 1) * sizeof(*x.parent));
	x.by = pages((states + 1) * sizeof(*x.by));
	for (unsigned i = 0; i <= DEPTH_MAX; i++)
		x.snapshot[i] = pages(SNAPSHOT_MAX);
}

/* The state's entry; new: it was not there. */
static struct entry *enter(struct hash128 h, bool *new)
{
	uint64_t i = h.a & x.mask;
	uint32_t b = (uint32_t)h.b | 1;

	for (; x.set[i].b; i = (i + 1) & x.mask)
		if (x.set[i].a == h.a && x.set[i].b == b) {
			*new = false;
			return &x.set[i];
		}
	x.set[i] = (struct entry){ h.a, b, (uint32_t)x.n };
	*new = true;
	return &x.set[i];
}

static bool drained_add(struct hash128 h)
{
	uint64_t key = (h.a ^ h.b) | 1, mask = 2 * x.mask + 1, i = key >> 1 & mask;

	for (; x.drained[i]; i = (i + 1) & mask)
		if (x.drained[i] == key)
			return false;
	x.drained[i] = key;
	return true;
}

/* ---- telling ---- */

static void print_way(FILE *to)
{
	char buf[32];
	const char *comma = "";

	for (unsigned d = 1; d <= x.depth; d++, comma = ",")
		fprintf(to, "%s%s", comma, act_name(x.done[d], buf));
	for (unsigned i = 0; i < x.n_now; i++, comma = ",")
		fprintf(to, "%s%s", comma, act_name(x.now[i], buf));
	fprintf(to, "\n");
}

/* An assertion of production, or a sanitizer: which way led there is what one wants to know. */
static void on_signal(int sig)
{
	fprintf(stderr, "explore: signal %d; --setting %s --replay ", sig, run.set->name);
	print_way(stderr);
	signal(sig, SIG_DFL);
	raise(sig);
}

#ifdef __SANITIZE_ADDRESS__
void __asan_on_error(void);
void __asan_on_error(void)
{
	fprintf(stderr, "explore: --setting %s --replay ", run.set->name);
	print_way(stderr);
}
#endif

static bool same_kind(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		while (*a >= '0' && *a <= '9')
			a++;
		while (*b >= '0' && *b <= '9')
			b++;
		if (*a != *b)
			return false;
	}
	return !*a && !*b;
}

static void violated(void)
{
	struct kind *k = x.kind;

	while (k < x.kind + x.n_kinds && !same_kind(k->why, run.why))
		k++;
	if (k == x.kind + x.n_kinds) {
		if (x.n_kinds == KINDS_MAX)
			return;
		x.n_kinds++;
		memcpy(k->why, run.why, sizeof(k->why));
		printf("VIOLATED: %s\n  --setting %s --replay ", run.why, run.set->name);
		print_way(stdout);
	}
	k->n++;
	if (!x.l.all)
		x.stop = true;
}

static void tell(unsigned depth, uint64_t left)
{
	double now = seconds(), t = now - x.began;

	if (now < x.told + 5)
		return;
	x.told = now;
	printf("%6.0f s  depth %u, %llu to expand; %llu states, %llu transitions, %.0f states/s\n", t, depth,
	       (unsigned long long)left, (unsigned long long)x.n, (unsigned long long)x.transitions,
	       (double)x.n / t);
	fflush(stdout);
	if (x.l.seconds > 0 && t > x.l.seconds)
		x.stop = true;
}

/* ---- walking ---- */

static void save(unsigned depth)
{
	if (arena_size() > SNAPSHOT_MAX)
		abort();
	arena_save(x.snapshot[depth]);
}

/* The state of node i at this depth, and the snapshots of the way there. */
static void go_to(uint32_t node, unsigned depth)
{
	static uint32_t want[DEPTH_MAX + 1];
	unsigned d = depth;

	want[d] = node;
	while (d && (d > x.depth || x.way[d] != want[d])) {
		d--;
		want[d] = x.parent[want[d + 1]];
	}
	arena_load(x.snapshot[d]);
	for (; d < depth; d++) {
		x.way[d + 1] = want[d + 1];
		x.done[d + 1] = x.by[want[d + 1]];
		x.depth = d + 1;
		if (!act_do(x.done[d + 1]))
			abort(); /* it went well the first time */
		save(d + 1);
	}
	x.depth = depth;
}

/* From the present state to the end, unless that was seen to go well. */
static void drain(struct hash128 h)
{
	act a;

	if (!x.l.drain)
		return;
	for (unsigned i = x.n_now; drained_add(h) && i < DRAIN_MAX; i++) {
		if (!act_drain(&a)) {
			x.drains++;
			check_drained();
			break;
		}
		x.drain_steps++;
		x.now[i] = a;
		x.n_now = i + 1;
		model()->draining |= (a & 0x3f) >= 0x20;
		if (!act_do(a))
			break;
		h = hash_state();
	}
	if (model()->failed)
		violated();
}

/* ---- is the hash too coarse? ---- */

struct future {
	unsigned n;
	act a[ACTIONS_MAX];
	struct hash128 h[ACTIONS_MAX];
};

static void look_ahead(struct future *f)
{
	static char here[SNAPSHOT_MAX];
	struct hash128 from = hash_state();
	act all[ACTIONS_MAX];
	unsigned n;

	arena_save(here);
	n = act_list(all);
	f->n = 0;
	for (unsigned i = 0; i < n; i++) {
		struct hash128 h;
		arena_load(here);
		act_do(all[i]);
		h = hash_state();
		if (h.a == from.a && h.b == from.b)
			continue; /* timers of what is over: whether they run makes no difference */
		f->a[f->n] = all[i];
		f->h[f->n++] = h;
	}
	arena_load(here);
}

/* Two ways met in one state: does the same follow from both? */
static void compare(uint32_t other, unsigned other_depth)
{
	static struct future f, g;
	static char here[SNAPSHOT_MAX];
	static act way[DEPTH_MAX];
	char buf[32];
	unsigned n = 0;

	arena_save(here);
	look_ahead(&f);
	for (uint32_t i = other; i; i = x.parent[i])
		way[n++] = x.by[i];
	arena_load(x.snapshot[0]);
	while (n)
		act_do(way[--n]);
	look_ahead(&g);
	arena_load(here);
	x.compared++;
	(void)other_depth;
	for (unsigned i = 0; i < f.n || i < g.n; i++) {
		if (i < f.n && i < g.n && f.a[i] == g.a[i] && f.h[i].a == g.h[i].a && f.h[i].b == g.h[i].b)
			continue;
		x.differ++;
		printf("HASH TOO COARSE: at %s\n  ", act_name(i < f.n ? f.a[i] : g.a[i], buf));
		print_way(stdout);
		printf("  ");
		for (uint32_t k = other; k; k = x.parent[k])
			way[n++] = x.by[k];
		while (n--)
			printf("%s%s", act_name(way[n], buf), n ? "," : "\n");
		if (x.differ >= 5)
			x.stop = true;
		return;
	}
}

/* ---- expanding ---- */

static void step(uint32_t node, unsigned depth, act a)
{
	bool new;
	struct hash128 h;
	struct entry *e;

	x.now[0] = a;
	x.n_now = 1;
	x.transitions++;
	if (!act_do(a)) {
		violated();
		return;
	}
	h = hash_state();
	e = enter(h, &new);
	if (new) {
		x.parent[x.n] = node;
		x.by[x.n] = a;
		if (++x.n >= x.limit)
			x.stop = true;
		drain(h);
	} else {
		x.met++;
		if (x.l.check_hash && x.met % x.l.check_hash == 0)
			compare(e->node, depth);
	}
}

static void expand(uint32_t node, unsigned depth)
{
	act acts[ACTIONS_MAX];
	unsigned n = act_list(acts);

	for (unsigned i = 0; i < n && !x.stop; i++) {
		if (i)
			arena_load(x.snapshot[depth]);
		step(node, depth, acts[i]);
	}
	x.n_now = 0;
}

static void levels(void)
{
	uint64_t from = 0, to = 1;

	printf("depth     states        new transitions      s\n");
	for (unsigned depth = 0; depth < x.l.depth && from < to && !x.stop; depth++) {
		for (uint64_t i = from; i < to && !x.stop; i++) {
			go_to((uint32_t)i, depth);
			expand((uint32_t)i, depth);
			if (i % 64 == 0)
				tell(depth + 1, to - i);
		}
		printf("%5u %10llu %10llu %11llu %6.0f%s\n", depth + 1, (unsigned long long)x.n,
		       (unsigned long long)(x.n - to), (unsigned long long)x.transitions, seconds() - x.began,
		       x.stop ? "  (not complete)" : "");
		fflush(stdout);
		from = to;
		to = x.n;
	}
	if (from == to)
		printf("nothing is left to explore\n");
}

static void summary(void)
{
	double t = seconds() - x.began;

	printf("\n%llu distinct states, %llu transitions, %llu of them to a state known before\n",
	       (unsigned long long)x.n, (unsigned long long)x.transitions, (unsigned long long)x.met);
	printf("%.0f s (%.0f s of one processor), %.0f states/s; %zu bytes per state copied\n", t,
	       cpu_seconds(), (double)x.n / t, arena_size());
	printf("%llu ends reached, %llu actions beyond the states counted\n", (unsigned long long)x.drains,
	       (unsigned long long)x.drain_steps);
	if (x.l.check_hash)
		printf("%llu meetings looked into, %llu with different futures\n",
		       (unsigned long long)x.compared, (unsigned long long)x.differ);
	printf("\ninvariant                                                      looked at\n");
	for (unsigned i = 0; check_name(i); i++)
		printf("%-58s %13llu\n", check_name(i), (unsigned long long)run.n_checks[i]);
	for (unsigned i = 0; i < x.n_kinds; i++)
		printf("violated %llu times: %s\n", (unsigned long long)x.kind[i].n, x.kind[i].why);
}

/* The script of the setting, from nothing. */
static bool begin(const struct setting *s)
{
	struct model *m;
	char list[400], *rest = list;
	act a;

	world_start(s);
	m = model();
	m->peer[0].asks = m->peer[1].asks = 8;
	snprintf(list, sizeof(list), "%s", s->script);
	for (char *name; (name = strsep(&rest, ",")) != NULL;)
		if (*name && (!act_parse(name, &a) || !act_do(a))) {
			fprintf(stderr, "explore: script of %s: %s: %s\n", s->name, name, run.why);
			return false;
		}
	m->peer[0].asks = s->asks[0];
	m->peer[1].asks = s->asks[1];
	m->faults = s->faults, m->cuts = s->cuts, m->byes = s->byes, m->cancels = s->cancels, m->odd = s->odd;
	return true;
}

int search(const struct setting *s, const struct limits *l)
{
	bool new;

	x.l = *l;
	if (x.l.depth > DEPTH_MAX)
		x.l.depth = DEPTH_MAX;
	tables(l->states);
	signal(SIGABRT, on_signal);
	signal(SIGSEGV, on_signal);
	if (!begin(s))
		return 1;
	printf("setting %s: %s\n\n", s->name, s->help);
	x.began = x.told = seconds();
	save(0);
	enter(hash_state(), &new);
	x.n = 1;
	levels();
	summary();
	return x.n_kinds || x.differ;
}

/* ---- replay ---- */

static bool possible(act a)
{
	act list[ACTIONS_MAX];
	unsigned n = act_list(list);

	for (unsigned i = 0; i < n; i++)
		if (list[i] == a)
			return true;
	return false;
}

static int replay_end(void)
{
	act a;

	for (unsigned i = 0; act_drain(&a) && i < DRAIN_MAX; i++)
		if (!act_do(a))
			return 1;
	check_drained();
	return model()->failed;
}

int replay(const struct setting *s, const char *text, bool to_end, bool dump)
{
	char *list = strdup(text), *rest = list;
	act a;

	run.ladder = true;
	if (!list || !begin(s))
		return 2;
	for (char *name; (name = strsep(&rest, ",")) != NULL;) {
		if (!*name)
			continue;
		if (!act_parse(name, &a)) {
			fprintf(stderr, "explore: no action '%s'\n", name);
			return 2;
		}
		if (!possible(a))
			printf("   (%s is beyond the alphabet here)\n", name);
		if (!act_do(a))
			return 1;
	}
	free(list);
	if (dump)
		hash_print();
	return to_end ? replay_end() : 0;
}
