/* SPDX-License-Identifier: MIT */
/* The table of keys and what the files of the configuration share. */
#ifndef PARLEY_MAIN_CONF_TABLE_H
#define PARLEY_MAIN_CONF_TABLE_H

#include "main/conf.h"

enum conf_type {
	CONF_INT,
	CONF_SIZE, /* bytes; K, M, G: powers of 1024 */
	CONF_MS,   /* milliseconds; a unit is better: ms, s, m, h */
	CONF_S,    /* seconds; s, m, h */
	CONF_BOOL,
	CONF_ENUM, /* choices, blank-separated; those after "|" are not built in this version */
	CONF_TEXT,
	CONF_LIST, /* of texts */
};

struct conf_item;
/* Take value i of the key into c: 0, or 1 with a fault recorded. */
typedef int conf_set_fn(struct conf *c, const struct conf_item *it, struct span text, unsigned i);

struct conf_item {
	const char *key;
	enum conf_type type;
	uint64_t min, max;   /* numbers; CONF_TEXT: length; CONF_LIST: how many */
	const char *choices; /* CONF_ENUM; else how a value looks, for the manual */
	const char *def;     /* as in the file; a list blank-separated */
	size_t off;          /* of the field in struct conf, by type */
	size_t size;         /* of the field */
	conf_set_fn *set;    /* CONF_LIST, and what needs more than its type; NULL: into the field */
	const char *help;
};

extern const struct conf_item conf_items[];
extern const unsigned conf_n_items;

int conf_item_index(struct span key); /* -1: no such key */
bool conf_is_section(struct span key);
/* A key or section that looks like key, for "did you mean"; NULL: none does. */
const char *conf_similar(struct span key);

/* Record a fault of the key's i-th value, or of a line. */
__attribute__((format(printf, 4, 5))) int conf_fault(struct conf *c, const struct conf_item *it, unsigned i,
						     const char *fmt, ...);
__attribute__((format(printf, 4, 5))) int conf_fault_at(struct conf *c, unsigned line, const char *key,
							const char *fmt, ...);

/* conf_yaml.c: text into c->value.  0, -ENOMEM. */
int conf_read_yaml(struct conf *c, struct span text);
/* conf_set.c: c->value and the defaults into the typed fields. */
void conf_apply(struct conf *c);

#endif
