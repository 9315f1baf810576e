/* SPDX-License-Identifier: MIT */
/* The program: settings, options, help. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "explore/arena.h"
#include "explore/search.h"

enum { ARENA_BYTES = 64 << 20 };

#define UP_A "A.invite,B.<,B.200,A.<"
#define UP_B "B.invite,A.<,A.200,B.<"
#define SOME .asks = { 2, 2 }, .faults = 1, .cuts = 1, .byes = 1, .cancels = 1, .odd = 1
/* To depth 12 this makes 10^7 states and some. */
#define MANY .asks = { 1, 1 }, .faults = 1, .byes = 1, .cancels = 1, .odd = 1
#define BOTH               \
	{                  \
		true, true \
	}

static const struct setting settings[] = {
	{ "established", "a conversation of the served user, UPDATE allowed on both sides", UP_A, BOTH,
	  MANY },
	{ "no-update", "the same, and the far side takes no UPDATE", UP_A, { true, false }, SOME },
	{ "terminating", "a conversation that the far side began", UP_B, BOTH, .terminating = true, SOME },
	{ "timed",
	  "session timers, of which only the client knows",
	  UP_A,
	  { true, false },
	  .timer = { true, false },
	  .expires_s = 1800,
	  SOME },
	{ "modify-reliable", "a conversation, and reliable provisional responses on both sides", UP_A, BOTH,
	  .rel = { true, true }, SOME },
	{ "reliable", "from the first INVITE of the served user on, with reliable provisional responses", "",
	  BOTH, .rel = { true, true }, SOME },
	{ "reliable-far", "the same, but the client knows none", "", BOTH, .rel = { false, true }, SOME },
	{ "unanchored", "a conversation out of the media path, UPDATE allowed on both sides", UP_A, BOTH,
	  .unanchored = true, SOME },
	{ "unanchored-no-update",
	  "the same, and the far side takes no UPDATE",
	  UP_A,
	  { true, false },
	  .unanchored = true,
	  SOME },
	{ "unanchored-setup",
	  "from the first INVITE of the far side on, out of the media path, with reliable\n"
	  "                 provisional responses",
	  "", BOTH, .rel = { true, true }, .terminating = true, .unanchored = true, SOME },
	{ "tls", "a conversation whose every new offer changes between TCP and TLS", UP_A, BOTH, .tls = true,
	  MANY },
	{ "setup", "from the first INVITE of the served user on", "", BOTH, SOME },
	{ "called", "from the first INVITE of the far side on", "", BOTH, .terminating = true, SOME },
};

static const char usage[] =
	"usage: explore [options]\n"
	"\n"
	"Drives the production server through every order of what two peers and the network between can do, within bounds,\n"
	"and checks the invariants after each action.  Breadth first: a depth is complete before the next begins.\n"
	"\n"
	"  --setting NAME   where it begins, and how much of what there may be (see below)\n"
	"  --depth N        actions in a row at most (default 12)\n"
	"  --states N       stop at so many states (default 20000000; about 90 bytes each)\n"
	"  --seconds N      stop after so long\n"
	"  --asks A,B       requests each side begins; --faults N, --cuts N, --byes N, --cancels N, --odd N: of each at most\n"
	"  --all            go on after a violation; each kind is shown once\n"
	"  --no-drain       do not follow each state to its end\n"
	"  --check-hash N   of every N-th pair of ways that meet, compare what follows\n"
	"  --replay LIST    do these actions and show the messages; --end: and what follows until nothing is left;\n"
	"                   --dump: and what the hash is made of\n"
	"\n"
	"An action: A is the IM Client, B the controlling side.  A.< the oldest message to A arrives; A.<lost it does not,\n"
	"A.<twice it does and will once more; A.invite A.offerless A.refresh A.bad-offer A.update A.bare-update A.cancel\n"
	"A.bye requests of A; A.180 A.183 A.183-plain (reliable) A.200 A.200-bad A.200-empty A.488 A.491 A.481 its answer to an INVITE, with u (A.u200)\n"
	"to an UPDATE; A.again A.again-answer A.again-ack sent once more; A.cut its MSRP connection breaks; tick time passes\n"
	"to where something happens; late, late2: what was held arrives.  A tilde: what A sends in it is held (A.200~).\n"
	"\n"
	"Exit: 0 nothing violated, 1 violated, 2 usage.  A violation is printed with the actions that lead to it, for\n"
	"--replay; they are as few as can be.\n"
	"\n"
	"Settings:\n";

static void help(void)
{
	fputs(usage, stdout);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		printf("  %-14s %s\n", settings[i].name, settings[i].help);
}

static const struct setting *setting_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		if (strcmp(settings[i].name, name) == 0)
			return &settings[i];
	fprintf(stderr, "explore: no setting '%s'\n", name);
	exit(2);
}

enum {
	O_SETTING = 256,
	O_DEPTH,
	O_STATES,
	O_SECONDS,
	O_ASKS,
	O_FAULTS,
	O_CUTS,
	O_BYES,
	O_CANCELS,
	O_ODD,
	O_ALL,
	O_NO_DRAIN,
	O_CHECK_HASH,
	O_REPLAY,
	O_END,
	O_DUMP
};

static const struct option options[] = {
	{ "setting", 1, NULL, O_SETTING },
	{ "depth", 1, NULL, O_DEPTH },
	{ "states", 1, NULL, O_STATES },
	{ "seconds", 1, NULL, O_SECONDS },
	{ "asks", 1, NULL, O_ASKS },
	{ "faults", 1, NULL, O_FAULTS },
	{ "cuts", 1, NULL, O_CUTS },
	{ "byes", 1, NULL, O_BYES },
	{ "cancels", 1, NULL, O_CANCELS },
	{ "odd", 1, NULL, O_ODD },
	{ "all", 0, NULL, O_ALL },
	{ "no-drain", 0, NULL, O_NO_DRAIN },
	{ "check-hash", 1, NULL, O_CHECK_HASH },
	{ "replay", 1, NULL, O_REPLAY },
	{ "end", 0, NULL, O_END },
	{ "dump", 0, NULL, O_DUMP },
	{ "help", 0, NULL, 'h' },
	{ 0 },
};

struct wanted {
	struct setting set;
	struct limits l;
	const char *replay;
	bool end, dump;
};

static void asks(struct setting *s, const char *arg)
{
	unsigned a, b;
	if (sscanf(arg, "%u,%u", &a, &b) != 2) {
		fprintf(stderr, "explore: --asks A,B\n");
		exit(2);
	}
	s->asks[0] = (uint8_t)a, s->asks[1] = (uint8_t)b;
}

/* false: not an option of ours. */
static bool take(struct wanted *w, int option, const char *arg)
{
	unsigned long n = arg ? strtoul(arg, NULL, 10) : 0;

	switch (option) {
	case O_SETTING:
		w->set = *setting_of(arg);
		break;
	case O_DEPTH:
		w->l.depth = (unsigned)n;
		break;
	case O_STATES:
		w->l.states = n;
		break;
	case O_SECONDS:
		w->l.seconds = (double)n;
		break;
	case O_ASKS:
		asks(&w->set, arg);
		break;
	case O_FAULTS:
		w->set.faults = (uint8_t)n;
		break;
	case O_CUTS:
		w->set.cuts = (uint8_t)n;
		break;
	case O_BYES:
		w->set.byes = (uint8_t)n;
		break;
	case O_CANCELS:
		w->set.cancels = (uint8_t)n;
		break;
	case O_ODD:
		w->set.odd = (uint8_t)n;
		break;
	case O_ALL:
		w->l.all = true;
		break;
	case O_NO_DRAIN:
		w->l.drain = false;
		break;
	case O_CHECK_HASH:
		w->l.check_hash = (unsigned)n;
		break;
	case O_REPLAY:
		w->replay = arg;
		break;
	case O_END:
		w->end = true;
		break;
	case O_DUMP:
		w->dump = true;
		break;
	case 'h':
		help();
		exit(0);
	default:
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct wanted w = { .set = settings[0], .l = { .depth = 12, .states = 20000000, .drain = true } };

	for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;)
		if (!take(&w, o, optarg))
			return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	arena_init(ARENA_BYTES);
	return w.replay ? replay(&w.set, w.replay, w.end, w.dump) : search(&w.set, &w.l);
}
