/* SPDX-License-Identifier: MIT */
/*
 * The framer.  Two things are hard.  Speed: a body is searched for its end-line once, at many bytes per cycle, so the
 * search asks only every seventh byte whether it is a dash: no run of seven escapes that.  And reads that end inside an
 * end-line: CR stands only at its start and before its last byte, so a candidate that fails can never hide another one,
 * and the bytes held back are always the known text mark[0 .. held).
 */
#include "msrp/frame.h"

#include <errno.h>
#include <stdlib.h>

enum { S_HEAD, S_READY, S_BODY, S_END, S_DONE };
enum { DASHES_AT = 2, DASHES = 7, LEAD = DASHES_AT + DASHES, KEEP_FIRST = 512 };

struct msrp_keep {
	struct msrp_head head;
	size_t n, cap;
	char text[];
};

void msrp_framer_init(struct msrp_framer *f)
{
	*f = (struct msrp_framer){ 0 };
}

void msrp_framer_finish(struct msrp_framer *f)
{
	free(f->keep);
	*f = (struct msrp_framer){ 0 };
}

/* ---- searching ---- */

/* A dash was met at i: is it one of the first seven of a run at a line start?  Offset of the CR, or SPAN_NONE. */
static size_t dashes_around(const char *p, size_t from, size_t i, size_t n)
{
	size_t j = i;

	while (j > from + DASHES_AT && p[j - 1] == '-') {
		if (i - j == DASHES - 1) /* the run began earlier, and was looked at then */
			return SPAN_NONE;
		j--;
	}
	if (j < from + DASHES_AT || p[j - 1] != '\n' || p[j - 2] != '\r' || n - j < DASHES ||
	    memcmp(p + j, "-------", DASHES) != 0)
		return SPAN_NONE;
	return j - DASHES_AT;
}

size_t msrp_scan_dashes(const char *p, size_t from, size_t n)
{
	size_t i = from + LEAD - 1;

	for (;;) {
		while (i + 3 * DASHES < n && p[i] != '-' && p[i + DASHES] != '-' &&
		       p[i + 2 * DASHES] != '-' && p[i + 3 * DASHES] != '-')
			i += 4 * DASHES;
		while (i < n && p[i] != '-')
			i += DASHES;
		if (i >= n)
			return SPAN_NONE;
		size_t at = dashes_around(p, from, i, n);
		if (at != SPAN_NONE)
			return at;
		i += DASHES;
	}
}

/* Where in the last bytes of p[0, n), which hold no whole lead, one may begin; n: nowhere. */
static size_t lead_begins(const char *p, size_t n)
{
	size_t low = n > LEAD - 1 ? n - (LEAD - 1) : 0;

	for (size_t i = n; i-- > low;)
		if (p[i] == '\r')
			return span_starts(SPAN("\r\n-------"), span_range(p + i, p + n)) ? i : n;
	return n;
}

/* Continues the comparison of an end-line of which k bytes are matched with what in holds; with none, in begins with
 * CRLF and dashes.  Returns the bytes of in
 * that belong to it when it is complete, 0 when in ended first, -1 when it is none; *matched: how far it went. */
static int end_match(struct msrp_framer *f, struct span in, size_t k, size_t *matched)
{
	size_t i = 0;

	if (k == 0 && in.n >= f->mark_n) { /* mostly it is all here, or surely another line */
		if (memcmp(in.p + LEAD, f->mark + LEAD, f->mark_n - LEAD) != 0) {
			*matched = LEAD;
			return -1;
		}
		i = k = f->mark_n;
	}
	for (; i < in.n; i++, k++) {
		char c = in.p[i];
		bool ok = k < f->mark_n         ? c == f->mark[k]
			  : k == f->mark_n      ? msrp_is_flag(c)
			  : k == f->mark_n + 1u ? c == '\r'
						: c == '\n';
		if (!ok) {
			*matched = k;
			return -1;
		}
		if (k == f->mark_n + 2u) {
			f->flag = f->mark[f->mark_n];
			return (int)i + 1;
		}
		f->mark[k] = c;
	}
	*matched = k;
	return 0;
}

/* ---- heads ---- */

static int keep_grow(struct msrp_framer *f, size_t want)
{
	size_t cap = f->keep ? f->keep->cap : 0;
	struct msrp_keep *k;

	if (want <= cap)
		return 0;
	for (cap = cap ? cap : KEEP_FIRST; cap < want;)
		cap *= 2;
	k = realloc(f->keep, sizeof(*k) + cap);
	if (!k)
		return -ENOMEM;
	if (!f->keep)
		k->n = 0;
	k->cap = cap;
	f->keep = k;
	return 0;
}

static void ready(struct msrp_framer *f, struct msrp_head *h)
{
	f->state = S_READY;
	f->accepted = false;
	f->head = h;
}

/* No part of this head has been kept: the common case. */
static int head_whole(struct msrp_framer *f, struct span *in, struct msrp_head *scratch)
{
	ssize_t n = msrp_head_parse(scratch, *in);

	f->head = scratch;
	if (n < 0)
		return (int)n;
	if (n > 0) {
		*in = span_skip(*in, (size_t)n - 1);
		ready(f, scratch);
		return 1;
	}
	if (keep_grow(f, in->n) < 0)
		return -ENOMEM;
	memcpy(f->keep->text, in->p, in->n);
	f->keep->n = in->n;
	*in = span_skip(*in, in->n);
	return 0;
}

/* Goes on with a head of which a part is kept, line by line: only a line end can complete it. */
static int head_rest(struct msrp_framer *f, struct span *in)
{
	while (in->n) {
		size_t nl = span_chr(*in, '\n');
		size_t take = nl == SPAN_NONE ? in->n : nl + 1;
		size_t room = MSRP_HEAD_MAX + 1 - f->keep->n;
		ssize_t n = 0;

		if (take > room)
			take = room;
		if (keep_grow(f, f->keep->n + take) < 0)
			return -ENOMEM;
		memcpy(f->keep->text + f->keep->n, in->p, take);
		f->keep->n += take;
		f->head = &f->keep->head;
		/* Without a line end only the limits can have something to say. */
		if (nl != SPAN_NONE || f->keep->n / 256 != (f->keep->n - take) / 256)
			n = msrp_head_parse(&f->keep->head, (struct span){ f->keep->text, f->keep->n });
		if (n < 0)
			return (int)n;
		if (n > 0) {
			*in = span_skip(*in, take - 1); /* the last byte stays */
			ready(f, &f->keep->head);
			return 1;
		}
		*in = span_skip(*in, take);
	}
	return 0;
}

/* The message that ended is let go of when the consumer asks for more. */
static void done(struct msrp_framer *f)
{
	if (f->state != S_DONE)
		return;
	free(f->keep);
	f->keep = NULL;
	f->head = NULL;
	f->state = S_HEAD;
}

static struct span rebase(struct span s, const char *from, const char *to)
{
	return s.p ? (struct span){ to + (s.p - from), s.n } : s;
}

int msrp_frame_keep(struct msrp_framer *f)
{
	struct msrp_head *h = f->head, *k;
	const char *a, *b, *to;

	done(f);
	if (f->state == S_HEAD || f->keep)
		return 0;
	a = h->tid.p, b = h->rest.p + h->rest.n;
	if (keep_grow(f, (size_t)(b - a)) < 0)
		return -ENOMEM;
	f->keep->n = (size_t)(b - a);
	memcpy(f->keep->text, a, f->keep->n);
	to = f->keep->text;
	k = &f->keep->head;
	*k = *h;
	k->tid = rebase(h->tid, a, to), k->method_name = rebase(h->method_name, a, to);
	k->to_path = rebase(h->to_path, a, to), k->from_path = rebase(h->from_path, a, to);
	k->message_id = rebase(h->message_id, a, to), k->byte_range = rebase(h->byte_range, a, to);
	k->status = rebase(h->status, a, to), k->content_type = rebase(h->content_type, a, to);
	k->rest = rebase(h->rest, a, to), k->range_line = rebase(h->range_line, a, to);
	f->head = k;
	return 0;
}

/* ---- bodies ---- */

static void body_begin(struct msrp_framer *f)
{
	struct span tid = f->head->tid;

	memcpy(f->mark, "\r\n-------", LEAD);
	memcpy(f->mark + LEAD, tid.p, tid.n);
	f->mark_n = (uint8_t)(LEAD + tid.n);
	/* An end-line right after the empty line is a body of nothing, written by somebody in a hurry. */
	f->held = f->skip = DASHES_AT;
	f->suspect = false;
	f->state = S_BODY;
}

/* The start of a possible end-line is held from earlier reads.  1: yields those bytes, they were body; 0: settled,
 * nothing to yield; -1: need more. */
static int body_held(struct msrp_framer *f, struct span *in, struct msrp_event *ev)
{
	size_t matched, held = f->held;
	int n = end_match(f, *in, held, &matched);

	if (n == 0) {
		f->held = (uint8_t)matched;
		*in = span_skip(*in, in->n);
		return -1;
	}
	f->held = 0;
	if (n > 0) {
		*in = span_skip(*in, (size_t)n);
		f->state = S_END;
		return 0;
	}
	ev->body = span_cut((struct span){ f->mark, held }, f->skip, held);
	ev->suspect = matched >= LEAD;
	f->skip = 0;
	return ev->body.n ? 1 : 0;
}

/* Yields in[0, n) and takes n + more. */
static int body_yield(struct msrp_framer *f, struct span *in, size_t n, size_t more, struct msrp_event *ev)
{
	ev->body = span_cut(*in, 0, n);
	ev->suspect = f->suspect;
	f->suspect = false;
	*in = span_skip(*in, n + more);
	return n ? MSRP_BODY : MSRP_MORE;
}

/* One span of body up to the end-line, to a line that looks like one, or to the end of the input. */
static int body_span(struct msrp_framer *f, struct span *in, struct msrp_event *ev)
{
	size_t from = f->suspect ? DASHES_AT : 0, hit, matched;

	while ((hit = msrp_scan_dashes(in->p, from, in->n)) != SPAN_NONE) {
		int n = end_match(f, span_skip(*in, hit), 0, &matched);
		if (n > 0) {
			f->state = S_END;
			ev->last = true;
			ev->flag = f->flag;
			return body_yield(f, in, hit, (size_t)n, ev);
		}
		if (n == 0) {
			f->held = (uint8_t)matched;
			return body_yield(f, in, hit, matched, ev);
		}
		if (hit > 0) {
			int r = body_yield(f, in, hit, 0, ev);
			f->suspect = true;
			return r;
		}
		f->suspect = true;
		from = DASHES_AT;
	}
	hit = lead_begins(in->p, in->n);
	f->held = (uint8_t)(in->n - hit);
	if (f->held)
		memcpy(f->mark, "\r\n-------", LEAD);
	return body_yield(f, in, hit, f->held, ev);
}

static int body_next(struct msrp_framer *f, struct span *in, struct msrp_event *ev)
{
	int r;

	while (in->n && f->state == S_BODY) {
		if (f->held) {
			r = body_held(f, in, ev);
			if (r != 0)
				return r > 0 ? MSRP_BODY : MSRP_MORE;
			continue;
		}
		if ((r = body_span(f, in, ev)) != MSRP_MORE)
			return r;
	}
	return MSRP_MORE;
}

int msrp_frame_next(struct msrp_framer *f, struct span *in, struct msrp_head *scratch, struct msrp_event *ev)
{
	int r;

	*ev = (struct msrp_event){ 0 };
	done(f);
	if (f->state == S_HEAD) {
		if (in->n == 0)
			return MSRP_MORE;
		r = f->keep ? head_rest(f, in) : head_whole(f, in, scratch);
		ev->head = f->head;
		if (r <= 0)
			return r;
	}
	ev->head = f->head;
	if (f->state == S_READY) {
		if (!f->accepted)
			return MSRP_HEAD;
		if (in->n == 0)
			return MSRP_MORE;
		*in = span_skip(*in, 1);
		f->flag = f->head->flag;
		if (f->head->has_body)
			body_begin(f);
		else
			f->state = S_END;
	}
	if (f->state == S_BODY && (r = body_next(f, in, ev)) != MSRP_MORE)
		return r;
	if (f->state != S_END)
		return MSRP_MORE;
	ev->flag = f->flag;
	f->state = S_DONE;
	return MSRP_END;
}

void msrp_frame_accept(struct msrp_framer *f)
{
	f->accepted = true;
}

bool msrp_frame_idle(const struct msrp_framer *f)
{
	return f->state == S_DONE || (f->state == S_HEAD && !f->keep);
}

struct msrp_head *msrp_frame_head(const struct msrp_framer *f)
{
	return f->state == S_HEAD || f->state == S_DONE ? NULL : f->head;
}
