/* SPDX-License-Identifier: MIT */
/*
 * What was sent against what was to be sent.  Messages to one peer must come in the order listed, SIP and MSRP
 * apart; between peers any order within the instant will do.  Nothing may be left over on either side.
 */
#include <stdio.h>
#include <stdlib.h>

#include "run.h"

static bool at_time(struct run *r, const struct line *l, const struct emit *e)
{
	struct span until = line_attr(l, "until");
	if (until.p && e->at_us >= l->at_us && e->at_us <= script_time(until))
		return true;
	if (l->at_us / 1000 == e->at_us / 1000)
		return true;
	return run_fail(r, "at %.3f, expected at %.3f", (double)e->at_us / 1e6, (double)l->at_us / 1e6);
}

/* Headers and body of m, without what every hop changes. */
static void end_to_end(struct span raw, char *out, size_t cap)
{
	static const char *const hop[] = { "Via", "Route", "Record-Route", "Max-Forwards", "Max-Breadth" };
	struct wbuf w = wbuf_on(out, cap);
	size_t head = span_find(raw, SPAN("\r\n\r\n"));
	struct span lines = span_cut(raw, 0, head + 2), name;
	bool skipped = false;

	span_split(&lines, '\n'); /* the start line */
	while (lines.n) {
		struct span l = span_split(&lines, '\n'), rest = l;
		if (l.n && l.p[0] != ' ' && l.p[0] != '\t') { /* else it goes on */
			name = span_trim(span_split(&rest, ':'));
			skipped = false;
			for (size_t i = 0; i < ARRAY_LEN(hop); i++)
				skipped |= wire_name_is(name, span_of(hop[i]));
		}
		if (!skipped)
			w_span(&w, l), w_chr(&w, '\n');
	}
	w_span(&w, span_skip(raw, head + 2));
	w_chr(&w, '\0');
	if (!w_ok(&w))
		abort();
}

/* What a peer said last, end to end the same to the byte. */
static bool check_passed(struct run *r, const struct emit *e)
{
	static char a[PUP_MSG_MAX * 2], b[PUP_MSG_MAX * 2];

	end_to_end((struct span){ r->said, r->said_n }, a, sizeof(a));
	end_to_end((struct span){ e->raw, e->n }, b, sizeof(b));
	return strcmp(a, b) == 0 || run_fail(r, "is not what was said last, to the byte");
}

static bool bare_word(struct run *r, struct span k, const struct emit *e)
{
	char why[200];
	if (span_eq(k, SPAN("again")))
		return e->again || run_fail(r, "is not what was sent before");
	if (span_eq(k, SPAN("passed")))
		return check_passed(r, e);
	if (span_eq(k, SPAN("drop")) || span_eq(k, SPAN("anyorder")))
		return true;
	if (span_chr(k, ':') != SPAN_NONE && e->m.request)
		return pattern_match(&r->v, k, e->m.ruri) ||
		       run_fail(r, "Request-URI is %" SPAN_FMT, SPAN_ARG(e->m.ruri));
	if (!e->m.request)
		return span_eq(k, e->m.method) || run_fail(r, "answers another method");
	snprintf(why, sizeof(why), "word not understood: %" SPAN_FMT, SPAN_ARG(k));
	return run_fail(r, "%s", why);
}

static bool check_version(struct run *r, struct span v, const struct emit *e)
{
	uint64_t id0, v0, id1, v1;
	if (e->prev_sdp == NULL || !wire_origin(span_of(e->prev_sdp), &id0, &v0) ||
	    !wire_origin(e->m.body, &id1, &v1))
		return run_fail(r, "v=: no SDP here or none before");
	uint64_t want = v0 + wire_u64(span_skip(v, 1));
	return v1 == want || run_fail(r, "o= version %llu, expected %llu", (unsigned long long)v1,
				      (unsigned long long)want);
}

/* The body of what a peer said last; but_o: up to its o= line. */
static bool check_said(struct run *r, bool but_o, const struct emit *e)
{
	struct span said = { r->said, r->said_n }, body = e->m.body;
	size_t at = span_find(said, SPAN("\r\n\r\n"));

	said = at == SPAN_NONE ? SPAN_EMPTY : span_skip(said, at + 4);
	for (int i = 0; but_o && i < 2; i++)
		span_split(&said, '\n'), span_split(&body, '\n');
	return (said.n && span_eq(said, body)) || run_fail(r, "the body is not what was said last");
}

static bool check_body(struct run *r, struct span v, const struct emit *e)
{
	bool same = e->prev_sdp && span_eq(span_of(e->prev_sdp), e->m.body);
	if (span_eq(v, SPAN("none")))
		return e->m.body.n == 0 || run_fail(r, "has a body");
	if (span_eq(v, SPAN("same")))
		return same || run_fail(r, "the body is not the one sent before");
	if (span_eq(v, SPAN("said")) || span_eq(v, SPAN("said-but-o")))
		return check_said(r, span_eq(v, SPAN("said-but-o")), e);
	if (span_eq(v, SPAN("new")))
		return (!same && e->m.body.n) || run_fail(r, "the body is the one sent before, or none");
	if (span_eq(v, SPAN("sdp")))
		return wire_line(e->m.body, "v=0", 0).p || run_fail(r, "no SDP");
	return pattern_match(&r->v, v, e->m.body) || run_fail(r, "another body");
}

static bool check_attr(struct run *r, const struct line *l, const struct attr *a, const struct emit *e)
{
	struct span v = a->value;
	struct addr to;
	if (v.p == NULL)
		return bare_word(r, a->key, e);
	if (span_eq(a->key, SPAN("until")))
		return true;
	if (span_eq(a->key, SPAN("leg"))) {
		bool client = e->peer == &r->peer[0];
		return span_eq(v, SPAN("A")) == client || run_fail(r, "other leg");
	}
	if (span_eq(a->key, SPAN("dlg")))
		return (e->d && span_eq(span_of(e->d->name), v)) ||
		       run_fail(r, "dialog %s", e->d ? e->d->name : "unknown");
	if (span_eq(a->key, SPAN("to")))
		return (addr_parse_port(&to, v) && addr_eq(&to, &e->to.ip)) ||
		       run_fail(r, "went to another address");
	if (span_eq(a->key, SPAN("tp")))
		return conf_transport(v) == e->to.tp || run_fail(r, "other transport");
	if (span_eq(a->key, SPAN("cseq")))
		return wire_u64(v) == e->m.cseq || run_fail(r, "CSeq %u", e->m.cseq);
	if (span_eq(a->key, SPAN("v")))
		return check_version(r, v, e);
	if (span_eq(a->key, SPAN("body")))
		return check_body(r, v, e);
	return run_fail(r, "attribute not understood: %" SPAN_FMT, SPAN_ARG(a->key));
}

static bool expect_one(struct run *r, const struct line *l, struct emit *e)
{
	char why[200];
	if (!at_time(r, l, e))
		return false;
	if (l->kind == K_MEXPECT)
		return mexpect_one(r, l, e);
	if (l->status ? e->m.request || e->m.status != l->status
		      : !e->m.request || !span_eq(l->what, e->m.method))
		return run_fail(r, "another message");
	for (unsigned i = 0; i < l->n_attr; i++)
		if (!check_attr(r, l, &l->attr[i], e))
			return false;
	for (unsigned i = 0; i < l->n_sub; i++)
		if (!pattern_sub(&r->v, l->sub[i], &e->m, why))
			return run_fail(r, "%s", why);
	return true;
}

static void row_pair(struct run *r, const struct line *l, const struct emit *e, bool bad)
{
	char want[400] = "", got[400] = "";
	if (l)
		snprintf(want, sizeof(want), "%" SPAN_FMT, SPAN_ARG(l->text));
	if (e)
		emit_text(e, got, sizeof(got));
	row_add(r, want, got, bad);
}

/* Would this line be content with e, without binding anything or failing the run? */
static bool would_match(struct run *r, const struct line *l, struct emit *e)
{
	unsigned n = r->v.n;
	bool ok = expect_one(r, l, e);
	r->failed = false;
	while (r->v.n > n)
		free(r->v.var[--r->v.n].value);
	return ok;
}

/* The message this line has to be: the first to its peer; with anyorder, or past what may pass, a later one. */
static struct emit *candidate(struct run *r, const struct line *l)
{
	struct peer *p = run_peer(r, l->peer);
	bool any = line_attr(l, "anyorder").p != NULL;
	struct emit *first = NULL;
	for (unsigned i = r->first_emit; i < r->n_emit; i++) {
		struct emit *e = &r->emit[i];
		if (e->matched || e->peer != p || e->msrp != (l->kind == K_MEXPECT))
			continue;
		if (e->may_pass ? would_match(r, l, e) : !any || would_match(r, l, e))
			return e;
		if (!e->may_pass && first == NULL)
			first = e;
	}
	return first;
}

bool expect_all(struct run *r)
{
	for (unsigned i = 0; i < r->n_wait; i++) {
		const struct line *l = &r->s.line[r->wait[i]];
		struct emit *e = candidate(r, l);
		if (e == NULL) {
			row_pair(r, l, NULL, true);
			run_fail(r, "%s:%u: was not sent", l->file, l->no);
			report(r, NULL);
			return false;
		}
		if (!expect_one(r, l, e)) {
			char why[400];
			memcpy(why, r->why, sizeof(why));
			row_pair(r, l, e, true);
			snprintf(r->why, sizeof(r->why), "%s:%u: %.300s", l->file, l->no, why);
			report(r, e);
			return false;
		}
		e->matched = true;
		row_pair(r, l, e, false);
	}
	r->n_wait = 0;
	for (unsigned i = r->first_emit; i < r->n_emit; i++) {
		struct emit *e = &r->emit[i];
		if (e->matched || e->may_pass || r->modes)
			continue;
		row_pair(r, NULL, e, true);
		run_fail(r, "before line %u: sent, but not in the ladder", r->s.line[r->at].no);
		report(r, e);
		return false;
	}
	r->first_emit = r->n_emit;
	return true;
}
