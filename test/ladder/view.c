/* SPDX-License-Identifier: MIT */
/* "idle", "view", "log": what the server shows of itself. */
#include <stdio.h>

#include "run.h"

static bool want_number(struct run *r, const char *name, struct span want, uint64_t got)
{
	char text[32];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)got);
	return pattern_match(&r->v, want, span_of(text)) ||
	       run_fail(r, "%s is %s, expected %" SPAN_FMT, name, text, SPAN_ARG(want));
}

bool idle_line(struct run *r, const struct line *l)
{
	struct im_metrics m;
	im_metrics(r->w.im, &m);
	for (unsigned i = 0; i < l->n_attr; i++) {
		struct span k = l->attr[i].key, v = l->attr[i].value;
		bool ok;
		if (span_eq(k, SPAN("sessions")))
			ok = want_number(r, "sessions", v, m.sessions);
		else if (span_eq(k, SPAN("transactions")))
			ok = want_number(r, "transactions", v, m.transactions);
		else if (span_eq(k, SPAN("connections")))
			ok = want_number(r, "connections", v, m.msrp_connections);
		else if (span_eq(k, SPAN("timers"))) /* nothing at all: no timer is left either */
			ok = im_idle(r->w.im) || run_fail(r, "not idle");
		else
			ok = run_fail(r, "idle: what is %" SPAN_FMT "?", SPAN_ARG(k));
		if (!ok)
			return false;
	}
	return l->n_attr || im_idle(r->w.im) || run_fail(r, "not idle");
}

struct seen {
	unsigned n, want;
	struct im_session_view v;
};

static void one_session(const struct im_session_view *v, void *u)
{
	struct seen *s = u;
	if (s->n++ == s->want)
		s->v = *v;
}

static bool metric(struct run *r, struct span k, struct span want, bool *known)
{
	struct im_metrics m;
	im_metrics(r->w.im, &m);
	*known = true;
#define X(name, kind, help)          \
	if (span_eq(k, SPAN(#name))) \
		return want_number(r, #name, want, m.name);
	IM_METRICS(X)
#undef X
	*known = false;
	return false;
}

static bool want_text(struct run *r, const char *name, struct span pattern, const char *got)
{
	return pattern_match(&r->v, pattern, span_of(got ? got : "")) ||
	       run_fail(r, "%s is \"%s\", expected %" SPAN_FMT, name, got ? got : "", SPAN_ARG(pattern));
}

/* Of a file line; line=N names it, counted from 1. */
static bool of_file(struct run *r, struct span k, struct span v, const struct im_session_view *s,
		    unsigned line, bool *known)
{
	static const char *const state[] = { "chat", "waiting", "running", "complete", "failed" };
	const struct plane_file_view *f = NULL;

	for (unsigned i = 0; i < s->n_lines; i++)
		if (s->line[i].index + 1 == line)
			f = &s->line[i].file;
	*known = true;
	if (f && span_eq(k, SPAN("file_state")))
		return want_text(r, "file_state", v, state[f->state]);
	if (f && span_eq(k, SPAN("file_bytes")))
		return want_number(r, "file_bytes", v, f->bytes);
	if (f && span_eq(k, SPAN("file_size")))
		return want_number(r, "file_size", v, f->size);
	*known = false;
	return false;
}

static bool of_session(struct run *r, struct span k, struct span v, const struct im_session_view *s,
		       bool *known)
{
	const struct plane_stats *p = &s->plane;
	*known = true;
#define TEXT(name, field)           \
	if (span_eq(k, SPAN(name))) \
		return want_text(r, name, v, s->field);
#define NUMBER(name, value)            \
	if (span_eq(k, span_of(name))) \
		return want_number(r, name, v, value);
	TEXT("state", state)
	TEXT("mode", mode)
	TEXT("case", session_case)
	TEXT("class", class_name)
	TEXT("evidence", class_evidence)
	TEXT("user", served_user)
	NUMBER("mods", s->modifications)
	NUMBER("failed", s->refused)
	NUMBER("locked", s->locked)
	NUMBER("generation", s->generation)
	NUMBER("messages_a", p->messages[SIDE_A])
	NUMBER("messages_b", p->messages[SIDE_B])
	NUMBER("bytes_in_a", p->bytes_in[SIDE_A])
	NUMBER("bytes_out_b", p->bytes_out[SIDE_B])
	NUMBER("reports_a", p->reports[SIDE_A])
	NUMBER("rebinds", p->rebinds)
	NUMBER("resent", p->resent)
	NUMBER("lines", s->n_lines)
	NUMBER("second_messages_a", s->line[1].stats.messages[SIDE_A])
	for (unsigned i = 0; i < PLANE_CODES; i++) {
		char name[16];
		snprintf(name, sizeof(name), "errors_%u", plane_codes[i]);
		NUMBER(name, p->errors[i])
	}
#undef TEXT
#undef NUMBER
	*known = false;
	return false;
}

/* Words are of the session (session=N, counted from 0), or names of counters and gauges. */
bool view_line(struct run *r, const struct line *l)
{
	struct seen s = { .want = (unsigned)wire_u64(line_attr(l, "session")) };
	im_view_sessions(r->w.im, one_session, &s);
	for (unsigned i = 0; i < l->n_attr; i++) {
		struct span k = l->attr[i].key, v = l->attr[i].value;
		bool known, ok;
		if (span_eq(k, SPAN("session")) || span_eq(k, SPAN("line")))
			continue;
		ok = metric(r, k, v, &known);
		if (!known && s.n <= s.want)
			return run_fail(r, "there is no such session");
		if (!known)
			ok = of_session(r, k, v, &s.v, &known);
		if (!known)
			ok = of_file(r, k, v, &s.v, (unsigned)wire_u64(line_attr(l, "line")), &known);
		if (!known)
			return run_fail(r, "view: what is %" SPAN_FMT "?", SPAN_ARG(k));
		if (!ok)
			return false;
	}
	return true;
}

/* The value of key in "… key=value key=\"a b\" …"; p NULL: it has none. */
static struct span log_value(struct span text, struct span key)
{
	char find[80];
	struct wbuf w = wbuf_on(find, sizeof(find));
	w_chr(&w, ' '), w_span(&w, key), w_chr(&w, '=');
	size_t at = span_find(text, w_span_of(&w));
	if (at == SPAN_NONE)
		return SPAN_EMPTY;
	text = span_skip(text, at + w.n);
	bool quoted = text.n && text.p[0] == '"';
	text = span_skip(text, quoted);
	return span_split(&text, quoted ? '"' : ' ');
}

static bool log_matches(struct run *r, const struct line *l, const char *line)
{
	struct span text = span_of(line), event;
	span_split(&text, ' ');
	event = text;
	if (!span_eq(span_split(&event, ' '), l->what))
		return false;
	for (unsigned i = 0; i < l->n_attr; i++) {
		struct span got = log_value(text, l->attr[i].key);
		if (!got.p || !pattern_match(&r->v, l->attr[i].value, got))
			return false;
	}
	return true;
}

/* Of the lines since the last "log" exactly one is like this; "none": of this event there is none. */
bool log_line(struct run *r, const struct line *l)
{
	struct line any = *l;
	bool none = l->n_attr == 1 && span_eq(l->attr[0].key, SPAN("none"));
	unsigned n = 0, of_event = 0;
	unsigned from = r->n_log > r->log_read + LOG_KEPT ? r->n_log - LOG_KEPT : r->log_read;
	any.n_attr = 0;
	for (unsigned i = from; i < r->n_log; i++) {
		const char *line = r->log[i % LOG_KEPT];
		of_event += log_matches(r, &any, line);
		n += !none && log_matches(r, l, line);
	}
	r->log_read = r->n_log;
	if (none ? of_event == 0 : n == 1)
		return true;
	return run_fail(r, "log: %u lines of %" SPAN_FMT " since the last look, %u of them as written",
			of_event, SPAN_ARG(l->what), n);
}
