/* SPDX-License-Identifier: MIT */
/* The search, and what it is told. */
#ifndef PARLEY_EXPLORE_SEARCH_H
#define PARLEY_EXPLORE_SEARCH_H

#include "explore/model.h"

struct limits {
	unsigned depth;
	uint64_t states;
	double seconds;
	unsigned check_hash; /* one of so many meetings is looked into; 0: none */
	bool all;            /* go on after a violation, and list each kind once */
	bool drain;
};

/* 0: nothing was violated; 1: something was. */
int search(const struct setting *s, const struct limits *l);
/* The actions of list, by name, with the messages; then, if drain, to the end.  0, 1 violated, 2 not possible. */
int replay(const struct setting *s, const char *list, bool drain, bool dump);

#endif
