/* SPDX-License-Identifier: MIT */
/* The options of one command of parley-load, as a table: what is read where, its bounds, and what --help says. */
#ifndef PARLEY_LOAD_OPT_H
#define PARLEY_LOAD_OPT_H

#include "load.h"

enum opt_kind {
	OPT_U16,  /* uint16_t, within min..max */
	OPT_U32,  /* unsigned or int, likewise */
	OPT_U64,  /* uint64_t, likewise */
	OPT_ON,   /* bool: becomes true */
	OPT_OFF,  /* bool: becomes false */
	OPT_ADDR, /* struct sockaddr_storage */
	OPT_TEXT, /* char[max] */
	OPT_WORD, /* an enum: the number of the word in words */
	OPT_CALL, /* call(to, argument) */
};

struct load_opt {
	const char *name, *arg; /* arg: as --help shows it; NULL: takes none */
	enum opt_kind kind;
	void *to;
	uint64_t min, max;
	const char *const *words; /* ends with NULL */
	void (*call)(void *to, const char *arg);
	const char *help; /* lines */
};

enum { OPTS_MAX = 48 };

/* The rows of a table. */
#define OPT_N16(name, to, min, max, help)                          \
	{                                                          \
		name, "N", OPT_U16, to, min, max, NULL, NULL, help \
	}
#define OPT_N32(name, to, min, max, help)                          \
	{                                                          \
		name, "N", OPT_U32, to, min, max, NULL, NULL, help \
	}
#define OPT_N64(name, to, min, max, help)                          \
	{                                                          \
		name, "N", OPT_U64, to, min, max, NULL, NULL, help \
	}
#define OPT_SET(name, to, help)                                \
	{                                                      \
		name, NULL, OPT_ON, to, 0, 0, NULL, NULL, help \
	}
#define OPT_CLEAR(name, to, help)                               \
	{                                                       \
		name, NULL, OPT_OFF, to, 0, 0, NULL, NULL, help \
	}
#define OPT_AT(name, to, help)                                             \
	{                                                                  \
		name, "ADDRESS:PORT", OPT_ADDR, to, 0, 0, NULL, NULL, help \
	}
#define OPT_STRING(name, arg, to, room, help)                      \
	{                                                          \
		name, arg, OPT_TEXT, to, 0, room, NULL, NULL, help \
	}
#define OPT_ONE_OF(name, arg, to, words, help)                   \
	{                                                        \
		name, arg, OPT_WORD, to, 0, 0, words, NULL, help \
	}
#define OPT_FN(name, arg, to, fn, help)                       \
	{                                                     \
		name, arg, OPT_CALL, to, 0, 0, NULL, fn, help \
	}

/* Reads all of argv; dies with exit status 2 on what it cannot use; --help prints head, the table and tail, and exits 0. */
void load_options(const struct load_opt *opts, unsigned n, const char *head, const char *tail, int argc,
		  char **argv);
/* What --bind gave, as the address of our own ends; dies when it is none. */
void load_bind(const char *host, struct sockaddr_storage *local);

#endif
