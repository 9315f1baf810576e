/* SPDX-License-Identifier: MIT */
/* A ladder as it stands in its file: lines cut into words, nothing understood yet.  The language is described in
 * README.md beside this file. */
#ifndef PARLEY_LADDER_SCRIPT_H
#define PARLEY_LADDER_SCRIPT_H

#include "base/span.h"

enum { ATTRS_MAX = 24, SUBS_MAX = 64, LINES_MAX = 800 };

enum kind {
	K_CONFIG,  /* config KEY VALUE */
	K_SET,     /* set PEER.FIELD VALUE */
	K_ALIAS,   /* alias PEER ADDRESS */
	K_SDP,     /* sdp NAME, body in the continuation lines */
	K_SEND,    /* T peer > as WHAT ... */
	K_EXPECT,  /* T as > peer WHAT ... */
	K_MSEND,   /* T peer >> as WHAT ... */
	K_MEXPECT, /* T as >> peer WHAT ... */
	K_DO,      /* T peer VERB ...: cut, close, connect, unreachable */
	K_IDLE,    /* T idle sessions=0 ... */
	K_NONE,    /* T none */
	K_CHECK,   /* [T] check A op B */
	K_VIEW,    /* T view key=value ... */
	K_LOG,     /* T log EVENT key=value ... */
	K_SERVER,  /* T drain | T end CAUSE TEXT | T lag MS until=TIME */
};

struct attr {
	struct span key, value; /* value.p NULL: a bare word */
};

struct line {
	const char *file;
	unsigned no;
	struct span text; /* as written, for the report */
	bool timed;
	uint64_t at_us;
	enum kind kind;
	struct span peer; /* who is not "as" */
	struct span what; /* METHOD, status, verb */
	unsigned status;  /* 0: a request */
	unsigned n_attr;
	struct attr attr[ATTRS_MAX];
	unsigned n_sub;
	struct span sub[SUBS_MAX]; /* continuation lines, without "|" and one blank */
};

struct script {
	unsigned n;
	struct line *line;
	char *text[8]; /* owned: the files */
	unsigned n_text;
};

/* false: cannot be read; the reason was printed to stderr. */
bool script_read(struct script *s, const char *file);
void script_finish(struct script *s);

uint64_t script_time(struct span w); /* "1.5": us */
/* Value of attribute key; p NULL: absent; "" for a bare word. */
struct span line_attr(const struct line *l, const char *key);

#endif
