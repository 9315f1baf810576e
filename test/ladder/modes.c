/* SPDX-License-Identifier: MIT */
/*
 * The same ladder in the three modes: what each peer is sent is held beside what the other one said, and where the modes
 * differ in that, a rule below has to say so, by the requirement that asks for it.  A difference without a rule fails,
 * and so does a rule without its difference; doc/modes.md is written from the rules.
 *
 * The ladders in modes/ say what peers do and expect nothing.  At each moment one peer speaks, so whatever is sent at
 * that moment follows from it: the same message is passed on, another one is the server's own.  A peer that was not asked
 * in a mode is not heard there.
 */
#include "modes.h"

#include <stdio.h>
#include <stdlib.h>

enum { N_MODES = 3, FACTS_MAX = 256 };

enum { PASSED = 1, OWN = 2, ADDED = 4, DROPPED = 8, DOES = 16 };

static const char *const mode_names[N_MODES] = { "proxy", "unanchored", "anchored" };

/* What a mode does, over all ladders: the ways a header, a line of the description or a message was treated. */
struct fact {
	char key[48];
	unsigned seen[N_MODES];
};

static const struct rule {
	const char *key;
	unsigned seen[N_MODES];
	const char *by, *because;
} rules[] = {
#include "modes.inc"
};

struct modes {
	unsigned mode;
	struct fact fact[FACTS_MAX];
	unsigned n_fact;
	/* What was said last. */
	const void *who;
	char *said;
	size_t n;
	uint64_t at_us;
};

struct modes *modes_new(void)
{
	return calloc(1, sizeof(struct modes));
}

void modes_free(struct modes *m)
{
	if (m)
		free(m->said);
	free(m);
}

bool modes_next(struct modes *m)
{
	free(m->said);
	m->said = NULL;
	m->who = NULL;
	return ++m->mode < N_MODES;
}

void modes_first(struct modes *m)
{
	m->mode = 0;
}

const char *modes_name(const struct modes *m)
{
	return mode_names[m->mode];
}

static void note(struct modes *m, const char *what, struct span name, unsigned how)
{
	char key[sizeof(m->fact[0].key)];
	unsigned i;

	snprintf(key, sizeof(key), "%s%s%" SPAN_FMT, what, *what && name.n ? " " : "", SPAN_ARG(name));
	for (i = 0; i < m->n_fact && strcmp(m->fact[i].key, key) != 0;)
		i++;
	if (i == FACTS_MAX)
		abort();
	if (i == m->n_fact)
		memcpy(m->fact[m->n_fact++].key, key, sizeof(key));
	m->fact[i].seen[m->mode] |= how;
}

void modes_said(struct modes *m, const void *who, struct span bytes, uint64_t now_us)
{
	free(m->said);
	m->said = span_dup(bytes);
	m->n = bytes.n;
	m->who = who;
	m->at_us = now_us;
}

/* ---- one message beside the one it was made from ---- */

/* All lines of text that begin with what `line` begins with, up to its name. */
typedef struct span name_fn(struct span line);

static struct span header_name(struct span line)
{
	return span_cut(line, 0, span_chr(line, ':') == SPAN_NONE ? line.n : span_chr(line, ':'));
}

/* "o=", "m=", "a=path" */
static struct span sdp_name(struct span line)
{
	if (!span_starts(line, SPAN("a=")))
		return span_cut(line, 0, 2);
	return header_name(line);
}

static bool next_line(struct span *rest, struct span *line)
{
	*line = span_trim(span_split(rest, '\n'));
	return line->n > 0;
}

/* The nth line of this name; empty: there are fewer. */
static struct span nth(struct span text, struct span name, unsigned n, name_fn *name_of)
{
	for (struct span line; next_line(&text, &line);)
		if (span_eq(name_of(line), name) && n-- == 0)
			return line;
	return SPAN_EMPTY;
}

static void compare(struct modes *m, const char *what, struct span from, struct span to, name_fn *name_of)
{
	for (int side = 0; side < 2; side++) {
		struct span rest = side ? to : from, done = rest, line;
		while (next_line(&rest, &line)) {
			struct span name = name_of(line);
			unsigned i = 0;
			if (span_eq(name, SPAN("Content-Length")))
				continue; /* it goes with the body */
			/* The how-manieth of its name is it? */
			for (struct span d = span_range(done.p, line.p), x; next_line(&d, &x);)
				i += span_eq(name_of(x), name);
			struct span other = nth(side ? from : to, name, i, name_of);
			if (!other.n)
				note(m, what, name, side ? ADDED : DROPPED);
			else if (!side)
				note(m, what, name, span_eq(line, other) ? PASSED : OWN);
		}
	}
}

static struct span head_of(const struct wire *w)
{
	struct span head = w->head;

	if (span_starts(head, w->start)) /* without the start line */
		span_split(&head, '\n');
	return head;
}

static void relate(struct modes *m, const struct wire *from, const struct wire *to)
{
	if (from->request)
		note(m, "method", SPAN_EMPTY, span_eq(from->method, to->method) ? PASSED : OWN);
	else
		note(m, "status", SPAN_EMPTY, from->status == to->status ? PASSED : OWN);
	compare(m, "header", head_of(from), head_of(to), header_name);
	if (from->body.n && to->body.n)
		compare(m, "", from->body, to->body, sdp_name);
}

static bool is_ack(const struct wire *w)
{
	return w->request && span_eq(w->method, SPAN("ACK"));
}

/* Is it what was said, on its way? */
static bool follows(const struct modes *m, const struct wire *said, const void *who, uint64_t now_us,
		    const struct wire *sent)
{
	if (!m->said || who == m->who || now_us != m->at_us || said->request != sent->request ||
	    is_ack(said) != is_ack(sent))
		return false;
	return said->request ? !span_eq(sent->method, SPAN("BYE")) || span_eq(said->method, SPAN("BYE"))
			     : (said->status < 200) == (sent->status < 200);
}

void modes_sent(struct modes *m, const void *who, const struct wire *sent, uint64_t now_us)
{
	struct wire said = { .request = true };
	char what[32];

	if (m->said && wire_read(&said, (struct span){ m->said, m->n }) &&
	    follows(m, &said, who, now_us, sent)) {
		relate(m, &said, sent);
		return;
	}
	if (is_ack(sent) && !said.request && said.status / 100 == 2)
		snprintf(what, sizeof(what), "acknowledges a 2xx by");
	else if (sent->request)
		snprintf(what, sizeof(what), "sends");
	else
		snprintf(what, sizeof(what), "answers %u to", sent->status);
	note(m, what, sent->method, DOES);
}

static void on_session(const struct im_session_view *v, void *u)
{
	struct modes *m = u;

	note(m, "keeps a session", SPAN_EMPTY, DOES);
	if (v->generation)
		note(m, "has a user plane", SPAN_EMPTY, DOES);
}

void modes_look(struct modes *m, struct im *im)
{
	im_view_sessions(im, on_session, m);
}

/* ---- what differs, against the rules ---- */

static bool differs(const struct fact *f)
{
	return f->seen[0] != f->seen[1] || f->seen[1] != f->seen[2];
}

static const char *words(unsigned how, char out[64])
{
	static const char *const names[] = { "passed", "ours", "added", "left out", "yes" };
	size_t n = 0;

	out[0] = 0;
	for (unsigned i = 0; i < 5; i++)
		if (how >> i & 1)
			n += (size_t)snprintf(out + n, 64 - n, "%s%s", n ? ", " : "", names[i]);
	if (!n)
		snprintf(out, 64, "—");
	return out;
}

static bool has_rule(const struct fact *f)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(rules[i].key, f->key) == 0 && memcmp(rules[i].seen, f->seen, sizeof(f->seen)) == 0)
			return true;
	return false;
}

static const struct fact *fact_of(const struct modes *m, const struct rule *r)
{
	for (unsigned i = 0; i < m->n_fact; i++)
		if (strcmp(m->fact[i].key, r->key) == 0)
			return &m->fact[i];
	return NULL;
}

bool modes_check(const struct modes *m)
{
	char a[64], b[64], c[64];
	bool ok = true;

	for (unsigned i = 0; i < m->n_fact; i++) {
		const struct fact *f = &m->fact[i];
		if (!differs(f) || has_rule(f))
			continue;
		ok = false;
		printf("no rule: %s: proxy: %s; unanchored: %s; anchored: %s (0x%x, 0x%x, 0x%x)\n", f->key,
		       words(f->seen[0], a), words(f->seen[1], b), words(f->seen[2], c), f->seen[0],
		       f->seen[1], f->seen[2]);
	}
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct fact *f = fact_of(m, &rules[i]);
		if (f && memcmp(f->seen, rules[i].seen, sizeof(f->seen)) == 0)
			continue;
		ok = false;
		printf("not seen: %s (%s)\n", rules[i].key, rules[i].by);
	}
	return ok;
}

/* Differences of the same kind stand together. */
static void table(FILE *f, const char *title, const char *kinds)
{
	char a[64], b[64], c[64];

	fprintf(f, "\n## %s\n\n| | proxy | unanchored | anchored | by |\n| --- | --- | --- | --- | --- |\n",
		title);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct rule *r = &rules[i];
		char kind = strncmp(r->key, "header ", 7) == 0 ? 'h' : r->key[1] == '=' ? 's' : 'm';
		if (!strchr(kinds, kind))
			continue;
		fprintf(f, "| %s | %s | %s | %s | %s: %s |\n", kind == 'h' ? r->key + 7 : r->key,
			words(r->seen[0], a), words(r->seen[1], b), words(r->seen[2], c), r->by, r->because);
	}
}

void modes_doc(FILE *f)
{
	fprintf(f,
		"# What the modes do differently\n\n"
		"Made by `ladder --modes` from the rules in `test/ladder/modes.inc`; `./dev test` plays the ladders in\n"
		"`test/ladder/modes/` in each mode and fails where they show another difference than these, or do not show one of\n"
		"these. *passed*: as the other peer wrote it; *ours*: written anew; *added*, *left out*: by the server; several words:\n"
		"it depends on the message.\n");
	table(f, "Messages", "m");
	table(f, "Headers of what is passed on", "h");
	table(f, "Lines of the session description", "s");
}
