/* SPDX-License-Identifier: MIT */
/*
 * message/cpim header sections.  What is hard: header names are case-sensitive and mean nothing by themselves; "x.To"
 * is a header of the namespace that an NS header before it gave the prefix x, and "NS: <uri>" without a prefix changes
 * whose names the bare ones are from there on (RFC 3862 3.3, 3.4).  Lines end with CRLF; LF alone is taken too, as
 * the lax readers behind us take it.
 */
#include "msrp/cpim.h"

#include <errno.h>

static const struct span ns_core = { "urn:ietf:params:cpim-headers:", 29 };
static const struct span ns_imdn = { "urn:ietf:params:imdn", 20 };

struct names {
	struct span bare; /* whose names those without a prefix are */
	unsigned n;
	struct {
		struct span prefix, uri;
	} ns[CPIM_NS_MAX];
};

/* The line at the start of *rest, without its end; false: it is not here whole. */
static bool line(struct span *rest, struct span *out)
{
	size_t nl = span_chr(*rest, '\n');

	if (nl == SPAN_NONE)
		return false;
	*out = span_cut(*rest, 0, nl && rest->p[nl - 1] == '\r' ? nl - 1 : nl);
	*rest = span_skip(*rest, nl + 1);
	return true;
}

/* What stands in the last "<>" of a value: a formal name before it may be quoted and hold anything. */
static struct span in_angles(struct span v)
{
	size_t from;

	if (v.n == 0 || v.p[v.n - 1] != '>')
		return SPAN_EMPTY;
	for (from = v.n - 1; from > 0 && v.p[from - 1] != '<'; from--)
		;
	return from ? span_cut(v, from, v.n - 1) : SPAN_EMPTY;
}

static void ns_add(struct names *k, struct span v)
{
	struct span uri = in_angles(v), prefix;

	if (!uri.p)
		return;
	prefix = span_trim(span_cut(v, 0, (size_t)(uri.p - 1 - v.p)));
	if (prefix.n == 0) {
		k->bare = uri;
		return;
	}
	if (k->n == CPIM_NS_MAX)
		return;
	k->ns[k->n].prefix = prefix;
	k->ns[k->n++].uri = uri;
}

/* The namespace of name, which loses its prefix; empty: none is known by it.  The latest declaration counts. */
static struct span ns_of(const struct names *k, struct span *name)
{
	size_t dot = span_chr(*name, '.');
	struct span prefix;

	if (dot == SPAN_NONE)
		return k->bare;
	prefix = span_cut(*name, 0, dot);
	*name = span_skip(*name, dot + 1);
	for (unsigned i = k->n; i-- > 0;)
		if (span_eq(k->ns[i].prefix, prefix))
			return k->ns[i].uri;
	return SPAN_EMPTY;
}

static void first(struct span *slot, struct span v)
{
	if (!slot->p)
		*slot = v;
}

/* The value behind the colon, without the parameters that may stand before it (";lang=fr Objet"). */
static struct span value_of(struct span s)
{
	bool quoted = false;
	size_t i = 0;

	if (s.n && s.p[0] == ';')
		for (; i < s.n && (quoted || s.p[i] != ' '); i++)
			if (s.p[i] == '"')
				quoted = !quoted;
	return span_trim(span_skip(s, i));
}

struct parser {
	struct cpim *c;
	struct names names;
	struct span
		*slot; /* the value before, which a folded line goes on; NULL: of a header nobody asked for */
	unsigned n;
};

static int message_header(struct parser *p, struct span l)
{
	struct cpim *c = p->c;
	struct names *k = &p->names;
	size_t colon = span_chr(l, ':');
	struct span name = span_cut(l, 0, colon), v, ns;

	if (colon == SPAN_NONE || name.n == 0)
		return -EBADMSG;
	v = value_of(span_skip(l, colon + 1));
	if (span_eq(name, SPAN("NS"))) { /* in every namespace: else nobody could leave one */
		ns_add(k, v);
		return 0;
	}
	ns = ns_of(k, &name);
	if (span_eq(ns, ns_core)) {
		if (span_eq(name, SPAN("From")))
			first(&c->from, in_angles(v));
		else if (span_eq(name, SPAN("To")))
			first(&c->to, in_angles(v));
	} else if (span_eq(ns, ns_imdn)) {
		if (span_eq(name, SPAN("Disposition-Notification")))
			first(&c->disposition_notification, v);
		else if (span_eq(name, SPAN("Message-ID")))
			first(&c->imdn_message_id, v);
	}
	return 0;
}

static int mime_header(struct parser *p, struct span l)
{
	struct cpim *c = p->c;
	size_t colon = span_chr(l, ':');
	struct span name, v;

	if (span_is_lws(l.p[0])) {
		if (p->slot)
			p->slot->n = (size_t)(l.p + l.n - p->slot->p);
		return 0;
	}
	if (colon == SPAN_NONE || colon == 0)
		return -EBADMSG;
	name = span_trim(span_cut(l, 0, colon));
	v = span_trim(span_skip(l, colon + 1));
	p->slot = NULL;
	if (span_ieq(name, SPAN("Content-Type")) && !c->type.p)
		p->slot = &c->type;
	else if (span_ieq(name, SPAN("Content-Transfer-Encoding")) && !c->encoding.p)
		p->slot = &c->encoding;
	if (p->slot)
		*p->slot = v;
	return 0;
}

/* Lines from rest on up to an empty one, which is taken too: *bytes are those before it.  -EAGAIN: it is not there yet. */
static int section(struct parser *p, struct span *rest, size_t *bytes,
		   int (*header)(struct parser *, struct span))
{
	const char *begin = rest->p;
	struct span l;

	for (; p->n <= CPIM_HEADERS_MAX; p->n++) {
		*bytes = (size_t)(rest->p - begin);
		if (!line(rest, &l))
			return -EAGAIN;
		if (l.n == 0)
			return 0;
		if (header(p, l) < 0)
			return -EBADMSG;
	}
	return -EMSGSIZE;
}

ssize_t cpim_parse(struct cpim *c, struct span in)
{
	struct parser p = { .c = c, .names = { .bare = ns_core } };
	struct span rest = span_cut(in, 0, CPIM_HEAD_MAX);
	size_t bytes;
	int r;

	*c = (struct cpim){ 0 };
	r = section(&p, &rest, &bytes, message_header);
	if (r == 0) {
		c->mime.p = rest.p;
		r = section(&p, &rest, &c->mime.n, mime_header);
	}
	if (r == -EAGAIN)
		return in.n >= CPIM_HEAD_MAX ? -EMSGSIZE : 0;
	return r < 0 ? r : rest.p - in.p;
}

struct span cpim_type(const struct cpim *c)
{
	return c->type.n ? c->type : SPAN("text/plain");
}

static void w_address(struct wbuf *w, const char *name, struct span uri)
{
	for (size_t i = 0; i < uri.n; i++)
		if ((unsigned char)uri.p[i] <= ' ' || uri.p[i] == '<' || uri.p[i] == '>')
			w->over = true;
	w_str(w, name), w_str(w, ": <"), w_span(w, uri), w_str(w, ">\r\n");
}

static void w_two(struct wbuf *w, unsigned v, char after)
{
	w_chr(w, (char)('0' + v / 10 % 10)), w_chr(w, (char)('0' + v % 10)), w_chr(w, after);
}

static bool is_leap(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* RFC 3339, from seconds since 1970. */
static void w_date_time(struct wbuf *w, uint64_t unix_s)
{
	static const unsigned char lengths[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	uint64_t day = unix_s / 86400, s = unix_s % 86400;
	unsigned year = 1970, month = 0, n;

	for (;; year++) {
		n = is_leap(year) ? 366 : 365;
		if (day < n)
			break;
		day -= n;
	}
	for (;; month++) {
		n = lengths[month] + (month == 1 && is_leap(year));
		if (day < n)
			break;
		day -= n;
	}
	w_u64(w, year), w_chr(w, '-'), w_two(w, month + 1, '-'), w_two(w, (unsigned)day + 1, 'T');
	w_two(w, (unsigned)(s / 3600), ':'), w_two(w, (unsigned)(s / 60 % 60), ':'),
		w_two(w, (unsigned)(s % 60), 'Z');
}

void w_cpim(struct wbuf *w, struct span from, struct span to, uint64_t unix_s, struct span type)
{
	static const uint64_t year_10000 = 253402300800;

	w_address(w, "From", from);
	w_address(w, "To", to);
	if (unix_s && unix_s < year_10000)
		w_str(w, "DateTime: "), w_date_time(w, unix_s), w_str(w, "\r\n");
	w_str(w, "\r\nContent-Type: "), w_span(w, type), w_str(w, "\r\n\r\n");
}
