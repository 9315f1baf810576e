/* SPDX-License-Identifier: MIT */
/* Reads ladder files into lines and words. */
#include "script.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>

static bool script_file(struct script *s, const char *file, unsigned depth);

static char *slurp(const char *file)
{
	FILE *f = fopen(file, "rb");
	char *p = NULL;
	size_t n = 0, cap = 0;
	if (f == NULL)
		return NULL;
	do {
		cap += 65536;
		p = realloc(p, cap + 1);
		if (p == NULL)
			abort();
		n += fread(p + n, 1, cap - n, f);
	} while (n == cap);
	fclose(f);
	p[n] = 0;
	return p;
}

/* Next word of *rest; blanks inside "..." belong to it. */
static struct span next_word(struct span *rest)
{
	*rest = span_trim(*rest);
	size_t n = 0;
	bool quoted = false;
	for (; n < rest->n && (quoted || (rest->p[n] != ' ' && rest->p[n] != '\t')); n++)
		if (rest->p[n] == '"' && (n == 0 || rest->p[n - 1] != '\\'))
			quoted = !quoted;
	struct span w = span_cut(*rest, 0, n);
	*rest = span_skip(*rest, n);
	return w;
}

static struct span unquote(struct span v)
{
	if (v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"')
		return span_cut(v, 1, v.n - 1);
	return v;
}

static bool is_time(struct span w)
{
	if (w.n == 0)
		return false;
	for (size_t i = 0; i < w.n; i++)
		if ((w.p[i] < '0' || w.p[i] > '9') && w.p[i] != '.')
			return false;
	return true;
}

uint64_t script_time(struct span w)
{
	struct span s = span_split(&w, '.');
	uint64_t us = 0, scale = 100000;
	for (size_t i = 0; i < s.n; i++)
		us = us * 10 + (uint64_t)(s.p[i] - '0');
	us *= 1000000;
	for (size_t i = 0; i < w.n && scale; i++, scale /= 10)
		us += (uint64_t)(w.p[i] - '0') * scale;
	return us;
}

static bool fail(const struct line *l, const char *why)
{
	fprintf(stderr, "%s:%u: %s\n  %" SPAN_FMT "\n", l->file, l->no, why, SPAN_ARG(l->text));
	return false;
}

static bool add_attr(struct line *l, struct span w)
{
	if (l->n_attr == ATTRS_MAX)
		return fail(l, "too many words");
	struct attr *a = &l->attr[l->n_attr++];
	size_t eq = span_chr(w, '=');
	/* "sip:b@x;p=1" is a word, not an attribute: keys are short and plain */
	for (size_t i = 0; eq != SPAN_NONE && i < eq; i++)
		if ((w.p[i] < 'a' || w.p[i] > 'z') && (w.p[i] < '0' || w.p[i] > '9') && w.p[i] != '_' &&
		    w.p[i] != '-')
			eq = SPAN_NONE;
	if (eq == SPAN_NONE || eq == 0)
		*a = (struct attr){ unquote(w), SPAN_EMPTY };
	else
		*a = (struct attr){ span_cut(w, 0, eq), unquote(span_skip(w, eq + 1)) };
	return true;
}

static struct line *add_line(struct script *s, const char *file, unsigned no, struct span text)
{
	if (s->n == LINES_MAX)
		return NULL;
	struct line *l = &s->line[s->n++];
	*l = (struct line){ .file = file, .no = no, .text = text };
	return l;
}

struct span line_attr(const struct line *l, const char *key)
{
	for (unsigned i = 0; i < l->n_attr; i++)
		if (span_eq(l->attr[i].key, span_of(key)))
			return l->attr[i].value.p ? l->attr[i].value : SPAN("");
	return SPAN_EMPTY;
}

/* METHOD or status and the attributes; a word that ends in ',' begins another message to the same peer. */
static bool message_words(struct script *s, struct line *l, struct span rest)
{
	for (;;) {
		l->what = next_word(&rest);
		bool more = false;
		if (l->what.n == 0)
			return fail(l, "no method or status");
		if (l->what.p[l->what.n - 1] == ',')
			l->what.n--, more = true;
		if (l->what.n == 3 && is_time(l->what)) {
			uint64_t v;
			if (span_u64(l->what, 699, &v) < 0)
				return fail(l, "bad status");
			l->status = (unsigned)v;
		}
		for (struct span w; !more && (w = next_word(&rest)).n && !span_eq(w, SPAN("#"));) {
			if (w.n > 1 && w.p[w.n - 1] == ',')
				w.n--, more = true;
			if (!add_attr(l, w))
				return false;
		}
		if (!more)
			return true;
		struct line *next = add_line(s, l->file, l->no, l->text);
		if (next == NULL)
			return fail(l, "too many lines");
		next->timed = l->timed, next->at_us = l->at_us, next->kind = l->kind, next->peer = l->peer;
		l = next;
	}
}

static bool all_words(struct line *l, struct span rest)
{
	for (struct span w; (w = next_word(&rest)).n && !span_eq(w, SPAN("#"));)
		if (!add_attr(l, w))
			return false;
	return true;
}

static bool timed_line(struct script *s, struct line *l, struct span rest)
{
	struct span first = next_word(&rest), save = rest, arrow = next_word(&rest);
	bool msrp = span_eq(arrow, SPAN(">>"));
	if (msrp || span_eq(arrow, SPAN(">"))) {
		struct span to = next_word(&rest);
		bool from_as = span_eq(first, SPAN("as"));
		if (!from_as && !span_eq(to, SPAN("as")))
			return fail(l, "one side must be \"as\"");
		l->peer = from_as ? to : first;
		l->kind = msrp ? (from_as ? K_MEXPECT : K_MSEND) : (from_as ? K_EXPECT : K_SEND);
		return message_words(s, l, rest);
	}
	static const struct {
		const char *word;
		enum kind kind;
	} verbs[] = { { "idle", K_IDLE }, { "none", K_NONE },    { "check", K_CHECK }, { "view", K_VIEW },
		      { "log", K_LOG },   { "drain", K_SERVER }, { "end", K_SERVER },  { "lag", K_SERVER } };
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (span_eq(first, span_of(verbs[i].word))) {
			l->kind = verbs[i].kind;
			l->what = l->kind == K_LOG ? next_word(&save) : first;
			return all_words(l, save);
		}
	l->kind = K_DO;
	l->peer = first;
	l->what = arrow;
	return arrow.n ? all_words(l, rest) : fail(l, "not understood");
}

static bool include(struct script *s, struct line *l, struct span name, unsigned depth)
{
	char path[600], dir[512];
	snprintf(dir, sizeof(dir), "%s", l->file);
	snprintf(path, sizeof(path), "%s/%" SPAN_FMT, dirname(dir), SPAN_ARG(name));
	s->n--;
	return script_file(s, path, depth + 1);
}

static bool untimed_line(struct script *s, struct line *l, struct span first, struct span rest,
			 unsigned depth)
{
	static const struct {
		const char *word;
		enum kind kind;
	} verbs[] = { { "config", K_CONFIG }, { "set", K_SET },     { "alias", K_ALIAS },
		      { "sdp", K_SDP },       { "check", K_CHECK }, { "view", K_VIEW } };
	if (span_eq(first, SPAN("include")))
		return include(s, l, span_trim(rest), depth);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (span_eq(first, span_of(verbs[i].word))) {
			l->kind = verbs[i].kind;
			l->what = next_word(&rest);
			if (l->kind == K_CHECK || l->kind == K_VIEW)
				add_attr(l, l->what);
			return all_words(l, rest);
		}
	return fail(l, "not understood");
}

static bool sub_line(struct script *s, const char *file, unsigned no, struct span text, struct span t)
{
	if (s->n == 0 || s->line[s->n - 1].n_sub == SUBS_MAX) {
		fprintf(stderr, "%s:%u: a continuation of nothing, or too many\n", file, no);
		return false;
	}
	struct line *l = &s->line[s->n - 1];
	t = span_skip(t, 1);
	if (t.n && t.p[0] == ' ')
		t = span_skip(t, 1);
	l->sub[l->n_sub++] = t;
	return true;
}

static bool script_file(struct script *s, const char *file, unsigned depth)
{
	char *text = slurp(file), *name = strdup(file);
	unsigned no = 0;
	if (text == NULL || s->n_text + 2 > ARRAY_LEN(s->text)) {
		fprintf(stderr, "%s: cannot be read\n", file);
		free(text), free(name);
		return false;
	}
	s->text[s->n_text++] = text;
	s->text[s->n_text++] = name;
	for (struct span rest = span_of(text); rest.n;) {
		struct span raw = span_split(&rest, '\n'), t = span_trim(raw);
		no++;
		if (t.n == 0 || t.p[0] == '#')
			continue;
		if (t.p[0] == '|') {
			while (raw.p[0] == ' ' || raw.p[0] == '\t')
				raw = span_skip(raw, 1);
			if (!sub_line(s, name, no, raw, raw))
				return false;
			continue;
		}
		struct line *l = add_line(s, name, no, t);
		if (l == NULL)
			return false;
		struct span words = t, first = next_word(&words);
		if (is_time(first)) {
			l->timed = true;
			l->at_us = script_time(first);
			if (!timed_line(s, l, words))
				return false;
		} else if (!untimed_line(s, l, first, words, depth)) {
			return false;
		}
	}
	return true;
}

bool script_read(struct script *s, const char *file)
{
	*s = (struct script){ .line = calloc(LINES_MAX, sizeof(struct line)) };
	if (s->line == NULL)
		return false;
	return script_file(s, file, 0);
}

void script_finish(struct script *s)
{
	for (unsigned i = 0; i < s->n_text; i++)
		free(s->text[i]);
	free(s->line);
	*s = (struct script){ 0 };
}
