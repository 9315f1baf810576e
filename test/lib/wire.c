/* SPDX-License-Identifier: MIT */
/* Reading the wire by its text alone: see wire.h. */
#include "lib/wire.h"

#include <stdlib.h>

uint64_t wire_u64(struct span s)
{
	uint64_t v = 0;
	for (size_t i = 0; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	return v;
}

/* Next line of *rest without its line end; p NULL at the end. */
static struct span next_line(struct span *rest)
{
	if (rest->n == 0)
		return SPAN_EMPTY;
	struct span l = span_split(rest, '\n');
	if (l.n && l.p[l.n - 1] == '\r')
		l.n--;
	return l;
}

static struct span word(struct span *rest)
{
	while (rest->n && rest->p[0] == ' ')
		*rest = span_skip(*rest, 1);
	return span_split(rest, ' ');
}

bool wire_name_is(struct span got, struct span name)
{
	static const char *const compact[][2] = {
		{ "v", "Via" },
		{ "f", "From" },
		{ "t", "To" },
		{ "i", "Call-ID" },
		{ "m", "Contact" },
		{ "l", "Content-Length" },
		{ "c", "Content-Type" },
		{ "e", "Content-Encoding" },
		{ "k", "Supported" },
		{ "x", "Session-Expires" },
		{ "a", "Accept-Contact" },
		{ "s", "Subject" },
		{ "o", "Event" },
		{ "r", "Refer-To" },
		{ "b", "Referred-By" },
	};
	if (span_ieq(got, name))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(compact); i++)
		if (span_ieq(got, span_of(compact[i][0])) && span_ieq(name, span_of(compact[i][1])))
			return true;
	return false;
}

bool wire_read(struct wire *m, struct span raw)
{
	size_t end = span_find(raw, SPAN("\r\n\r\n"));
	*m = (struct wire){ .raw = raw };
	if (end == SPAN_NONE)
		return false;
	struct span rest = span_cut(raw, 0, end + 2);
	m->start = next_line(&rest);
	m->head = rest;
	m->body = span_skip(raw, end + 4);
	struct span words = m->start, first = word(&words);
	m->request = !span_eq(first, SPAN("SIP/2.0"));
	if (m->request) {
		m->method = first;
		m->ruri = word(&words);
		if (!span_eq(words, SPAN("SIP/2.0")))
			return false;
	} else {
		m->status = (unsigned)wire_u64(word(&words));
		if (m->status < 100 || m->status > 699)
			return false;
	}
	struct span cseq = wire_hdr(m, "CSeq", 0), cl = wire_hdr(m, "Content-Length", 0);
	if (cseq.p == NULL || (cl.p && wire_u64(cl) != m->body.n))
		return false;
	m->cseq = (uint32_t)wire_u64(word(&cseq));
	if (!m->request)
		m->method = span_trim(cseq);
	return true;
}

/* Next header of *rest: folds are kept in its value. */
static bool next_header(struct span *rest, struct span *name, struct span *value)
{
	if (rest->n == 0)
		return false;
	const char *from = rest->p;
	struct span line = next_line(rest);
	while (rest->n && (rest->p[0] == ' ' || rest->p[0] == '\t'))
		next_line(rest);
	struct span whole = { from, (size_t)(rest->p - from) };
	size_t colon = span_chr(line, ':');
	if (colon == SPAN_NONE)
		colon = line.n;
	*name = span_trim(span_cut(line, 0, colon));
	*value = span_trim(span_skip(whole, colon + 1));
	if (value->p == NULL)
		value->p = from;
	return true;
}

struct span wire_hdr(const struct wire *m, const char *name, unsigned nth)
{
	struct span rest = m->head, n, v;
	while (next_header(&rest, &n, &v))
		if (wire_name_is(n, span_of(name)) && nth-- == 0)
			return v;
	return SPAN_EMPTY;
}

unsigned wire_hdr_count(const struct wire *m, const char *name)
{
	unsigned n = 0;
	while (wire_hdr(m, name, n).p)
		n++;
	return n;
}

struct span wire_uri(struct span value)
{
	size_t open = span_chr(value, '<');
	if (open != SPAN_NONE) {
		struct span in = span_skip(value, open + 1);
		size_t close = span_chr(in, '>');
		return span_cut(in, 0, close == SPAN_NONE ? in.n : close);
	}
	size_t semi = span_chr(value, ';');
	return span_trim(span_cut(value, 0, semi == SPAN_NONE ? value.n : semi));
}

struct span wire_param(struct span value, const char *param)
{
	size_t close = span_chr(value, '>');
	struct span rest = close == SPAN_NONE ? value : span_skip(value, close + 1);
	span_split(&rest, ';');
	while (rest.n) {
		struct span one = span_split(&rest, ';'), v = one;
		struct span name = span_trim(span_split(&v, '='));
		if (span_ieq(name, span_of(param)))
			return (struct span){ v.p ? v.p : "", span_trim(v).n };
	}
	return SPAN_EMPTY;
}

bool wire_lists(struct span value, struct span token)
{
	while (value.n)
		if (span_ieq(span_trim(span_split(&value, ',')), token))
			return true;
	return false;
}

struct span wire_line(struct span body, const char *prefix, unsigned nth)
{
	struct span want = span_of(prefix);
	for (struct span l; (l = next_line(&body)).p;)
		if (span_starts(l, want) && nth-- == 0)
			return span_skip(l, want.n);
	return SPAN_EMPTY;
}

struct span wire_media(struct span body, unsigned nth)
{
	const char *from = NULL, *end = body.p + body.n;
	for (struct span rest = body, l; (l = next_line(&rest)).p;) {
		if (!span_starts(l, SPAN("m=")))
			continue;
		if (from)
			return span_range(from, l.p);
		if (nth-- == 0)
			from = l.p;
	}
	return from ? span_range(from, end) : SPAN_EMPTY;
}

unsigned wire_n_media(struct span body)
{
	unsigned n = 0;
	while (wire_media(body, n).p)
		n++;
	return n;
}

bool wire_origin(struct span body, uint64_t *id, uint64_t *version)
{
	struct span o = wire_line(body, "o=", 0);
	if (o.p == NULL)
		return false;
	word(&o);
	*id = wire_u64(word(&o));
	*version = wire_u64(word(&o));
	return true;
}

bool wire_same_but_origin(struct span a, struct span b)
{
	for (;;) {
		struct span x = next_line(&a), y = next_line(&b);
		if (x.p == NULL || y.p == NULL)
			return x.p == NULL && y.p == NULL;
		if (span_starts(x, SPAN("o=")) && span_starts(y, SPAN("o=")))
			continue;
		if (!span_eq(x, y))
			return false;
	}
}

/* ---- MSRP ---- */

/* Offset of the line "-------tid" + flag + CRLF in in, at or after from. */
static size_t find_end_line(struct span in, size_t from, struct span tid, char *flag)
{
	while (from < in.n) {
		size_t at = span_find(span_skip(in, from), SPAN("-------"));
		if (at == SPAN_NONE)
			return SPAN_NONE;
		at += from;
		struct span l = span_skip(in, at + 7);
		if (at >= 2 && in.p[at - 1] == '\n' && l.n >= tid.n + 3 && span_starts(l, tid) &&
		    l.p[tid.n + 1] == '\r' && l.p[tid.n + 2] == '\n' && strchr("$+#", l.p[tid.n])) {
			*flag = l.p[tid.n];
			return at;
		}
		from = at + 1;
	}
	return SPAN_NONE;
}

ssize_t wire_msrp(struct wire_msrp *m, struct span in)
{
	*m = (struct wire_msrp){ 0 };
	size_t eol = span_find(in, SPAN("\r\n"));
	if (eol == SPAN_NONE)
		return in.n > 300 ? -1 : 0;
	struct span words = span_cut(in, 0, eol);
	if (!span_eq(word(&words), SPAN("MSRP")))
		return -1;
	m->tid = word(&words);
	m->method = word(&words);
	m->comment = words;
	if (m->method.n == 3 && m->method.p[0] >= '0' && m->method.p[0] <= '9')
		m->status = (unsigned)wire_u64(m->method);
	size_t end = find_end_line(in, eol + 2, m->tid, &m->flag);
	if (end == SPAN_NONE)
		return 0;
	struct span all = span_cut(in, eol + 2, end);
	size_t blank = span_find(all, SPAN("\r\n\r\n"));
	m->has_body = blank != SPAN_NONE;
	m->head = m->has_body ? span_cut(all, 0, blank + 2) : all;
	if (m->has_body) { /* the CRLF before the end-line is not of the body */
		m->body = span_skip(all, blank + 4);
		if (m->body.n < 2)
			return -1;
		m->body.n -= 2;
	}
	size_t used = end + 7 + m->tid.n + 3;
	m->raw = span_cut(in, 0, used);
	return (ssize_t)used;
}

struct span wire_msrp_hdr(const struct wire_msrp *m, const char *name)
{
	struct span rest = m->head, n, v;
	while (next_header(&rest, &n, &v))
		if (span_ieq(n, span_of(name)))
			return v;
	return SPAN_EMPTY;
}
