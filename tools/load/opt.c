/* SPDX-License-Identifier: MIT */
/* The options of one command, read by its table. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "opt.h"

enum { HELP = 'h', FIRST = 256, HELP_COLUMN = 23 };

/* Each option in two columns; the lines of its text below each other. */
static void print_help(const struct load_opt *opts, unsigned n, const char *head, const char *tail)
{
	fputs(head, stdout);
	for (unsigned i = 0; i < n; i++) {
		char left[64];
		snprintf(left, sizeof(left), "  --%s%s%s", opts[i].name, opts[i].arg ? " " : "",
			 opts[i].arg ? opts[i].arg : "");
		printf("%-*s", HELP_COLUMN - 1, left);
		for (struct span rest = span_of(opts[i].help); rest.n;) {
			struct span line = span_split(&rest, '\n');
			printf(" %" SPAN_FMT "\n", SPAN_ARG(line));
			if (rest.n)
				printf("%*s", HELP_COLUMN - 1, "");
		}
	}
	printf("%-*s this text\n%s", HELP_COLUMN - 1, "  --help", tail);
}

static unsigned word_of(const char *what, const struct load_opt *o, const char *arg)
{
	unsigned k = 0;
	for (; o->words[k]; k++) {
		if (strcmp(arg, o->words[k]) == 0)
			return k;
	}
	char all[128] = "";
	size_t at = 0;
	for (k = 0; o->words[k] && at < sizeof(all); k++)
		at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%s", k ? ", " : "", o->words[k]);
	load_die("%s: one of %s, not %s", what, all, arg);
}

static void take(const struct load_opt *o, const char *arg)
{
	char what[64];
	snprintf(what, sizeof(what), "--%s", o->name);
	switch (o->kind) {
	case OPT_U16:
		*(uint16_t *)o->to = (uint16_t)load_number(what, arg, o->min, o->max);
		break;
	case OPT_U32:
		*(unsigned *)o->to = (unsigned)load_number(what, arg, o->min, o->max);
		break;
	case OPT_U64:
		*(uint64_t *)o->to = load_number(what, arg, o->min, o->max);
		break;
	case OPT_ON:
	case OPT_OFF:
		*(bool *)o->to = o->kind == OPT_ON;
		break;
	case OPT_ADDR:
		load_addr(what, arg, o->to);
		break;
	case OPT_TEXT:
		snprintf(o->to, (size_t)o->max, "%s", arg);
		break;
	case OPT_WORD:
		*(unsigned *)o->to = word_of(what, o, arg);
		break;
	case OPT_CALL:
		o->call(o->to, arg);
		break;
	}
}

void load_options(const struct load_opt *opts, unsigned n, const char *head, const char *tail, int argc,
		  char **argv)
{
	struct option table[OPTS_MAX + 2] = { { "help", 0, NULL, HELP } };
	if (n > OPTS_MAX)
		load_die("too many options");
	for (unsigned i = 0; i < n; i++)
		table[i + 1] = (struct option){ opts[i].name, opts[i].arg != NULL, NULL, FIRST + (int)i };
	for (int c; (c = getopt_long(argc, argv, "h", table, NULL)) != -1;) {
		if (c == HELP) {
			print_help(opts, n, head, tail);
			exit(0);
		}
		if (c < FIRST)
			exit(2); /* getopt has said why */
		take(&opts[c - FIRST], optarg);
	}
	if (optind < argc)
		load_die("what is %s?", argv[optind]);
}

void load_bind(const char *host, struct sockaddr_storage *local)
{
	char text[64];
	snprintf(text, sizeof(text), strchr(host, ':') ? "[%.48s]:0" : "%.48s:0", host);
	load_addr("--bind", text, local);
}
