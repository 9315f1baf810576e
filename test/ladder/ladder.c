/* SPDX-License-Identifier: MIT */
/*
 * ladder FILE...                     plays scenarios against the production core in virtual time
 * ladder --torture DIR TABLE         feeds raw messages and compares the answers with a table
 * ladder --arrows FROM TO FILE       draws what happens in that time (for the guide)
 * -v shows every message.  Exit 0: all as expected; 77: there is nothing to test with.
 */
#include <stdio.h>
#include <string.h>

#include "run.h"

int main(int argc, char **argv)
{
	bool verbose = false;
	int bad = 0, n = 0;
	if (argc == 4 && strcmp(argv[1], "--torture") == 0)
		return torture(argv[2], argv[3], "udp") | torture(argv[2], argv[3], "tcp");
	if (argc == 5 && strcmp(argv[1], "--arrows") == 0) {
		uint64_t from = script_time(span_of(argv[2])), to = script_time(span_of(argv[3]));
		return !run_file(argv[4], false, arrows_new(from, to, strstr(argv[4], "/timer-") != NULL));
	}
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-v") == 0) {
			verbose = true;
			continue;
		}
		bool ok = run_file(argv[i], verbose, NULL);
		n++;
		bad += !ok;
		if (!ok || argc > 2)
			printf("%s %s\n", ok ? "ok" : "FAIL", argv[i]);
	}
	if (n == 0)
		fprintf(stderr, "usage: ladder [-v] FILE... | ladder --torture DIR TABLE\n");
	return bad || n == 0;
}
