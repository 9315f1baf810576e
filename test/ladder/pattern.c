/* SPDX-License-Identifier: MIT */
/* Matching by text: see pattern.h. */
#include "pattern.h"

#include <stdio.h>
#include <stdlib.h>

void vars_finish(struct vars *v)
{
	for (unsigned i = 0; i < v->n; i++)
		free(v->var[i].value);
	v->n = 0;
}

struct span vars_get(const struct vars *v, struct span name)
{
	for (unsigned i = 0; i < v->n; i++)
		if (span_eq(span_of(v->var[i].name), name))
			return span_of(v->var[i].value);
	return SPAN_EMPTY;
}

void vars_set(struct vars *v, struct span name, struct span value)
{
	if (v->n == VARS_MAX || name.n >= sizeof(v->var[0].name))
		abort();
	snprintf(v->var[v->n].name, sizeof(v->var[0].name), "%" SPAN_FMT, SPAN_ARG(name));
	v->var[v->n++].value = span_dup(value);
}

/* The name after a '*' at pattern[0]: lower-case letters, digits and '_', beginning with a letter. */
static struct span name_after_star(struct span pattern)
{
	size_t n = 1;
	if (pattern.n < 2 || pattern.p[1] < 'a' || pattern.p[1] > 'z')
		return SPAN("");
	while (n < pattern.n && ((pattern.p[n] >= 'a' && pattern.p[n] <= 'z') ||
				 (pattern.p[n] >= '0' && pattern.p[n] <= '9') || pattern.p[n] == '_'))
		n++;
	return span_cut(pattern, 1, n);
}

static bool fits(struct vars *v, struct span pattern, struct span text)
{
	while (pattern.n && pattern.p[0] != '*') {
		if (text.n == 0 || text.p[0] != pattern.p[0])
			return false;
		pattern = span_skip(pattern, 1), text = span_skip(text, 1);
	}
	if (pattern.n == 0)
		return text.n == 0;
	struct span name = name_after_star(pattern), rest = span_skip(pattern, 1 + name.n);
	struct span bound = name.n ? vars_get(v, name) : SPAN_EMPTY;
	if (bound.p)
		return span_starts(text, bound) && fits(v, rest, span_skip(text, bound.n));
	for (size_t n = 0; n <= text.n; n++) {
		unsigned had = v->n;
		if (name.n)
			vars_set(v, name, span_cut(text, 0, n));
		if (fits(v, rest, span_skip(text, n)))
			return true;
		while (v->n > had)
			free(v->var[--v->n].value);
	}
	return false;
}

bool pattern_match(struct vars *v, struct span pattern, struct span text)
{
	return fits(v, pattern, text.p ? text : SPAN(""));
}

struct span pattern_fill(const struct vars *v, struct span s, char *out, size_t cap)
{
	struct wbuf w = wbuf_on(out, cap);
	while (s.n) {
		struct span name = s.p[0] == '*' ? name_after_star(s) : SPAN("");
		struct span value = name.n ? vars_get(v, name) : SPAN_EMPTY;
		if (value.p) {
			w_span(&w, value);
			s = span_skip(s, 1 + name.n);
		} else {
			w_chr(&w, s.p[0]);
			s = span_skip(s, 1);
		}
	}
	return w_span_of(&w);
}

/* ---- continuation lines ---- */

static bool because(char why[200], const char *what, struct span sub)
{
	snprintf(why, 200, "%s: | %" SPAN_FMT, what, SPAN_ARG(sub));
	return false;
}

/* Lines of an SDP body; a blank after "a=name:" in the pattern is for the reader. */
static bool body_line(struct vars *v, struct span body, struct span pattern)
{
	char tight[1024];
	size_t colon = span_chr(pattern, ':');
	if (colon != SPAN_NONE && colon + 1 < pattern.n && pattern.p[colon + 1] == ' ') {
		snprintf(tight, sizeof(tight), "%.*s%.*s", (int)colon + 1, pattern.p,
			 (int)(pattern.n - colon - 2), pattern.p + colon + 2);
		pattern = span_of(tight);
	}
	while (body.n) {
		struct span l = span_split(&body, '\n');
		if (l.n && l.p[l.n - 1] == '\r')
			l.n--;
		if (pattern_match(v, pattern, l))
			return true;
	}
	return false;
}

static bool any_header(struct vars *v, const struct wire *m, struct span name, struct span pattern)
{
	char n[64];
	struct span value;
	snprintf(n, sizeof(n), "%" SPAN_FMT, SPAN_ARG(name));
	for (unsigned i = 0; (value = wire_hdr(m, n, i)).p; i++)
		if (pattern_match(v, pattern, value))
			return true;
	return false;
}

static bool header_lists(const struct wire *m, struct span name, struct span token)
{
	char n[64];
	struct span value;
	snprintf(n, sizeof(n), "%" SPAN_FMT, SPAN_ARG(name));
	for (unsigned i = 0; (value = wire_hdr(m, n, i)).p; i++)
		if (wire_lists(value, token) || span_find(value, token) != SPAN_NONE)
			return true;
	return false;
}

static bool has_header(const struct wire *m, struct span name)
{
	char n[64];
	snprintf(n, sizeof(n), "%" SPAN_FMT, SPAN_ARG(name));
	return wire_hdr(m, n, 0).p != NULL;
}

static bool is_body_line(struct span s)
{
	return s.n > 2 && s.p[0] >= 'a' && s.p[0] <= 'z' && s.p[1] == '=';
}

/* "#Via 2": so many lines of it; "^Via: pattern": the first of them. */
static bool of_all(struct vars *v, struct span s, const struct wire *m)
{
	char n[64];
	bool first = s.p[0] == '^';
	s = span_skip(s, 1);
	struct span name = span_trim(span_split(&s, first ? ':' : ' '));
	snprintf(n, sizeof(n), "%" SPAN_FMT, SPAN_ARG(name));
	if (!first)
		return wire_hdr_count(m, n) == wire_u64(span_trim(s));
	return wire_hdr(m, n, 0).p && pattern_match(v, span_trim(s), wire_hdr(m, n, 0));
}

bool pattern_sub(struct vars *v, struct span sub, const struct wire *m, char why[200])
{
	struct span s = span_trim(sub), body = m->body;
	if (span_starts(s, SPAN("~ ")))
		return span_find(m->raw, span_skip(s, 2)) != SPAN_NONE || because(why, "not in it", sub);
	if (span_starts(s, SPAN("!~ ")))
		return span_find(m->raw, span_skip(s, 3)) == SPAN_NONE || because(why, "is in it", sub);
	if (s.n > 1 && (s.p[0] == '#' || s.p[0] == '^'))
		return of_all(v, s, m) || because(why, "another number, or another first one", sub);
	if (s.n > 4 && s.p[0] == 'm' && s.p[1] >= '1' && s.p[1] <= '9' && s.p[2] == ':') {
		body = wire_media(m->body, (unsigned)(s.p[1] - '1'));
		s = span_trim(span_skip(s, 3));
	}
	if (s.n > 1 && s.p[0] == '-' && is_body_line(span_skip(s, 1))) {
		char prefix[200];
		snprintf(prefix, sizeof(prefix), "%" SPAN_FMT, SPAN_ARG(span_skip(s, 1)));
		return wire_line(body, prefix, 0).p == NULL || because(why, "body line is there", sub);
	}
	if (is_body_line(s))
		return body_line(v, body, s) || because(why, "no such body line", sub);
	if (s.n > 1 && s.p[0] == '-')
		return !has_header(m, span_skip(s, 1)) || because(why, "header is there", sub);
	size_t at;
	if ((at = span_find(s, SPAN(" !~ "))) != SPAN_NONE)
		return !header_lists(m, span_cut(s, 0, at), span_trim(span_skip(s, at + 4))) ||
		       because(why, "is listed", sub);
	if ((at = span_find(s, SPAN(" ~ "))) != SPAN_NONE)
		return header_lists(m, span_cut(s, 0, at), span_trim(span_skip(s, at + 3))) ||
		       because(why, "not listed", sub);
	if ((at = span_chr(s, ':')) != SPAN_NONE) {
		struct span name = span_trim(span_cut(s, 0, at)), pattern = span_trim(span_skip(s, at + 1));
		return any_header(v, m, name, pattern) || because(why, "no such header value", sub);
	}
	return because(why, "not understood", sub);
}

static long long number(const struct vars *v, struct span s, bool *is_number, struct span *text)
{
	struct span value = vars_get(v, s);
	*text = value.p ? value : s;
	*is_number = text->n && text->p[0] >= '0' && text->p[0] <= '9';
	return (long long)wire_u64(*text);
}

bool pattern_check(const struct vars *v, const struct span *word, unsigned n, char why[200])
{
	if (n != 3 && !(n == 5 && (span_eq(word[3], SPAN("+")) || span_eq(word[3], SPAN("-"))))) {
		snprintf(why, 200, "check wants A op B or A op B + N");
		return false;
	}
	bool na, nb;
	struct span ta, tb, op = word[1];
	long long a = number(v, word[0], &na, &ta), b = number(v, word[2], &nb, &tb);
	if (n == 5)
		b += (span_eq(word[3], SPAN("-")) ? -1 : 1) * (long long)wire_u64(word[4]);
	bool text = !(na && nb);
	bool ok = span_eq(op, SPAN("=="))   ? (text ? span_eq(ta, tb) : a == b)
		  : span_eq(op, SPAN("!=")) ? (text ? !span_eq(ta, tb) : a != b || !span_eq(ta, tb))
		  : span_eq(op, SPAN("<=")) ? !text && a <= b
		  : span_eq(op, SPAN(">=")) ? !text && a >= b
		  : span_eq(op, SPAN(">"))  ? !text && a > b
		  : span_eq(op, SPAN("<"))  ? !text && a < b
					    : false;
	if (!ok)
		snprintf(why, 200, "does not hold: %" SPAN_FMT " %" SPAN_FMT " %" SPAN_FMT, SPAN_ARG(ta),
			 SPAN_ARG(op), SPAN_ARG(tb));
	return ok;
}
