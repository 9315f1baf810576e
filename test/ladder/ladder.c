/* SPDX-License-Identifier: MIT */
/*
 * ladder FILE...                     plays scenarios against the production core in virtual time
 * ladder --torture DIR TABLE         feeds raw messages and compares the answers with a table
 * ladder --arrows FROM TO FILE       draws what happens in that time (for the guide)
 * ladder --modes DOC FILE...         plays each in the three modes: do they differ by the rules, and does DOC say so?
 * ladder --everywhere FILE...         plays each in the three modes: whatever comes of it, what must always hold does
 * -v shows every message.  Exit 0: all as expected; 77: there is nothing to test with.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

/* The table as it is in the file. */
static bool is_documented(const char *path)
{
	char *want = NULL, *got = NULL;
	size_t n_want = 0, n_got = 0;
	FILE *f = open_memstream(&want, &n_want), *doc = fopen(path, "r");
	bool ok;

	modes_doc(f);
	fclose(f);
	f = open_memstream(&got, &n_got);
	for (int c; doc && (c = getc(doc)) != EOF;)
		putc(c, f);
	fclose(f);
	if (doc)
		fclose(doc);
	ok = n_want == n_got && memcmp(want, got, n_want) == 0;
	if (!ok)
		printf("%s is not what the rules say: ladder --modes - writes it\n", path);
	free(want);
	free(got);
	return ok;
}

/* doc NULL: how they differ is not asked. */
static bool in_all_modes(const char *doc, char **file)
{
	struct modes *m = modes_new();
	bool ok = m != NULL;

	for (; m && *file; file++) {
		modes_first(m);
		do {
			if (!run_file(*file, false, NULL, m))
				ok = false, printf("FAIL %s (%s)\n", *file, modes_name(m));
		} while (modes_next(m));
	}
	if (doc) {
		ok = ok && modes_check(m);
		if (strcmp(doc, "-") == 0)
			modes_doc(stdout);
		else
			ok = is_documented(doc) && ok;
	}
	modes_free(m);
	return ok;
}

int main(int argc, char **argv)
{
	bool verbose = false;
	int bad = 0, n = 0;
	if (argc == 4 && strcmp(argv[1], "--torture") == 0)
		return torture(argv[2], argv[3], "udp") | torture(argv[2], argv[3], "tcp");
	if (argc == 5 && strcmp(argv[1], "--arrows") == 0) {
		uint64_t from = script_time(span_of(argv[2])), to = script_time(span_of(argv[3]));
		return !run_file(argv[4], false, arrows_new(from, to, strstr(argv[4], "/timer-") != NULL),
				 NULL);
	}
	if (argc > 3 && strcmp(argv[1], "--modes") == 0)
		return !in_all_modes(argv[2], argv + 3);
	if (argc > 2 && strcmp(argv[1], "--everywhere") == 0)
		return !in_all_modes(NULL, argv + 2);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-v") == 0) {
			verbose = true;
			continue;
		}
		bool ok = run_file(argv[i], verbose, NULL, NULL);
		n++;
		bad += !ok;
		if (!ok || argc > 2)
			printf("%s %s\n", ok ? "ok" : "FAIL", argv[i]);
	}
	if (n == 0)
		fprintf(stderr, "usage: ladder [-v] FILE... | ladder --torture DIR TABLE\n");
	return bad || n == 0;
}
