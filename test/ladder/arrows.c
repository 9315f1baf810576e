/* SPDX-License-Identifier: MIT */
/*
 * A run drawn with arrows, for the guide (tools/guide): what was really said, read off the wire.  Of an SDP only what
 * differs from the one before on the same way is shown; what is drawn by lot (tags, paths, Retry-After) is named and not
 * quoted, so that a picture changes only when the behaviour does.
 */
#include <stdio.h>
#include <stdlib.h>

#include "run.h"

enum { LANE = 42, TIME = 9, WIDTH = 100, SAID = 32, DETAILS = 8, TEXT = 200 };

/* What was said last one way in one dialog. */
struct said {
	char call_id[128];
	bool up; /* towards the server */
	char *sdp, *contact;
	uint64_t version;
};

struct arrows {
	uint64_t from_us, to_us;
	struct said said[SAID];
	unsigned n_said;
	struct {
		char call_id[128];
		bool open, up; /* an offer has no answer; which way it went */
		bool done;     /* the exchange of the last INVITE is over */
	} offer[SAID / 2];
	unsigned n_offer, n_again, again_lane;
	uint64_t again_us;
	bool begun, timers;
};

/* One message: what stands on the arrow, and what stands below. */
struct drawing {
	char label[TEXT], detail[DETAILS][TEXT];
	unsigned n;
};

struct arrows *arrows_new(uint64_t from_us, uint64_t to_us, bool timers)
{
	struct arrows *a = calloc(1, sizeof(*a));
	if (a == NULL)
		abort();
	a->from_us = from_us;
	a->to_us = to_us;
	a->timers = timers;
	return a;
}

void arrows_free(struct arrows *a)
{
	for (unsigned i = 0; a && i < a->n_said; i++) {
		free(a->said[i].sdp);
		free(a->said[i].contact);
	}
	free(a);
}

/* ---- lines ---- */

static void put_time(uint64_t at_us)
{
	printf("%*.3f", TIME - 1, (double)at_us / 1e6);
}

/* Client, server and controlling side; lane 0 lies between the first two.  text fills a lane, or is empty. */
static void put_lanes(unsigned lane, const char *text)
{
	printf(" |%-*.*s|", LANE - 1, LANE - 1, lane == 0 ? text : "");
	if (lane == 0) {
		printf("%*s|\n", LANE - 1, "");
		return;
	}
	printf("%-*.*s|\n", LANE - 1, LANE - 1, text);
}

static void put_arrow(uint64_t at_us, unsigned lane, bool right, const char *label, char dash)
{
	char text[LANE], line[LANE];
	snprintf(text, sizeof(text), " %.*s ", LANE - 7, label);
	memset(line, dash, LANE - 1);
	line[LANE - 1] = '\0';
	memcpy(line + 2, text, strlen(text));
	line[right ? LANE - 2 : 0] = right ? '>' : '<';
	put_time(at_us);
	put_lanes(lane, line);
}

/* Below the arrow, wrapped at blanks. */
static void put_detail(unsigned lane, const char *detail)
{
	enum { INDENT = 5, ROOM = LANE - INDENT - 2 };
	struct span rest = span_of(detail);
	char text[LANE];
	while (rest.n) {
		size_t n = rest.n;
		if (n > ROOM) {
			for (n = ROOM; n > ROOM / 2 && rest.p[n] != ' '; n--)
				;
			n = rest.p[n] == ' ' ? n : ROOM;
		}
		snprintf(text, sizeof(text), "%*s%.*s", INDENT, "", (int)n, rest.p);
		printf("%*s", TIME - 1, "");
		put_lanes(lane, text);
		rest = span_trim(span_skip(rest, n));
	}
}

static bool drawn(struct arrows *a, uint64_t at_us)
{
	if (a == NULL || at_us < a->from_us || at_us > a->to_us)
		return false;
	if (!a->begun)
		printf("%*s%-*s%-*s%s\n", TIME - 2, "", LANE - 2, "client", LANE + 1, "parley",
		       "controlling");
	a->begun = true;
	return true;
}

/* Repetitions are counted, and told before anything else is. */
static void put_again(struct arrows *a)
{
	char text[LANE];
	if (a->n_again == 0)
		return;
	snprintf(text, sizeof(text), "     (%u repetition%s)", a->n_again, a->n_again > 1 ? "s" : "");
	put_time(a->again_us);
	put_lanes(a->again_lane, text);
	a->n_again = 0;
}

static void put_drawing(struct arrows *a, const struct run *r, unsigned lane, bool right,
			const struct drawing *d, char dash)
{
	put_again(a);
	put_arrow(r->w.now_us, lane, right, d->label, dash);
	for (unsigned i = 0; i < d->n; i++)
		put_detail(lane, d->detail[i]);
}

/* ---- what a message says ---- */

static void add(struct drawing *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct drawing *d, const char *fmt, ...)
{
	va_list ap;
	if (d->n == DETAILS)
		return;
	va_start(ap, fmt);
	vsnprintf(d->detail[d->n++], TEXT, fmt, ap);
	va_end(ap);
}

static bool has_line(struct span body, struct span line)
{
	while (body.n)
		if (span_eq(span_trim(span_split(&body, '\n')), line))
			return true;
	return false;
}

/* Lines of a that b lacks; the head of a description is of no interest. */
static unsigned differing(struct drawing *d, struct span a, struct span b, const char *before)
{
	unsigned n = 0;
	while (a.n) {
		struct span line = span_trim(span_split(&a, '\n'));
		if (line.n < 2 || (line.p[0] != 'a' && line.p[0] != 'm') || has_line(b, line) ||
		    span_starts(line, SPAN("a=setup")))
			continue;
		n++;
		if (span_starts(line, SPAN("a=path:")))
			add(d, "%sa=path%s", before, *before ? "" : ": new");
		else if (span_starts(line, SPAN("a=file-transfer-id:")))
			continue;
		else
			add(d, "%s%" SPAN_FMT, before, SPAN_ARG(line));
	}
	return n;
}

static struct said *said(struct arrows *a, struct span call_id, bool up)
{
	char id[128];
	snprintf(id, sizeof(id), "%" SPAN_FMT, SPAN_ARG(call_id));
	for (unsigned i = 0; i < a->n_said; i++)
		if (a->said[i].up == up && strcmp(a->said[i].call_id, id) == 0)
			return &a->said[i];
	if (a->n_said == SAID)
		abort();
	struct said *s = &a->said[a->n_said++];
	s->up = up;
	memcpy(s->call_id, id, sizeof(id));
	return s;
}

/* Is it an offer or an answer?  The answer goes the other way (RFC 3264). */
static const char *kind(struct arrows *a, const struct wire *m, bool up)
{
	char id[128];
	unsigned i = 0;
	snprintf(id, sizeof(id), "%" SPAN_FMT, SPAN_ARG(wire_hdr(m, "Call-ID", 0)));
	while (i < a->n_offer && strcmp(a->offer[i].call_id, id) != 0)
		i++;
	if (i == SAID / 2)
		abort();
	if (i == a->n_offer)
		memcpy(a->offer[a->n_offer++].call_id, id, sizeof(id));
	if (!m->request && m->status >= 300)
		a->offer[i].open = a->offer[i].open && a->offer[i].up == up;
	if (!wire_line(m->body, "v=0", 0).p)
		return NULL;
	bool carrier =
		m->request && (span_eq(m->method, SPAN("INVITE")) || span_eq(m->method, SPAN("UPDATE")));
	bool answers = !carrier && a->offer[i].open && a->offer[i].up != up;
	bool preview = !m->request && m->status < 200 && !wire_hdr(m, "RSeq", 0).p;
	bool invite = span_eq(m->method, SPAN("INVITE"));
	if (!m->request && invite && a->offer[i].done)
		return "SDP"; /* said once more, to no effect (RFC 6337 3.1.1) */
	a->offer[i].done = answers && !preview;
	a->offer[i].open = !answers || preview;
	if (!answers)
		a->offer[i].up = up;
	return answers ? "answer" : "offer";
}

static void describe_sdp(struct arrows *a, const struct wire *m, bool up, struct drawing *d)
{
	struct said *s = said(a, wire_hdr(m, "Call-ID", 0), up);
	const char *what = kind(a, m, up);
	struct span sdp = m->body, at = { m->body.p, m->body.n };
	uint64_t id, version = 0;
	size_t n = strlen(d->label);
	if (what == NULL)
		return;
	for (size_t i = 0; i + 3 < sdp.n; i++) /* among other parts of the body */
		if (memcmp(sdp.p + i, "v=0", 3) == 0) {
			at = span_skip(sdp, i);
			break;
		}
	wire_origin(at, &id, &version);
	if (s->sdp == NULL)
		s->version = version;
	bool same = s->sdp && wire_same_but_origin(span_of(s->sdp), at);
	if (n + strlen(", answer v1") > LANE - 8 && !m->request) /* no room for the phrase */
		n = (size_t)snprintf(d->label, sizeof(d->label), "%u [%" SPAN_FMT "]", m->status,
				     SPAN_ARG(m->method));
	snprintf(d->label + n, sizeof(d->label) - n, ", %s v%llu", what,
		 (unsigned long long)(version - s->version + 1));
	if (s->sdp && !same && differing(d, at, span_of(s->sdp), "") == 0)
		differing(d, span_of(s->sdp), at, "no longer ");
	free(s->sdp);
	s->sdp = span_dup(at);
}

static void describe_contact(struct arrows *a, const struct wire *m, bool up, struct drawing *d)
{
	struct said *s = said(a, wire_hdr(m, "Call-ID", 0), up);
	struct span now = wire_hdr(m, "Contact", 0);
	if (now.p == NULL)
		return;
	if (s->contact && !span_eq(span_of(s->contact), now))
		add(d, "Contact: %" SPAN_FMT, SPAN_ARG(now));
	free(s->contact);
	s->contact = span_dup(now);
}

static void describe(struct arrows *a, const struct wire *m, bool up, struct drawing *d)
{
	static const char *const quoted[] = { "Warning", "Reason", "Require", "Session-Expires", "Min-SE" };
	static const char *const named[] = { "Retry-After", "RSeq", "RAck" };
	struct span phrase = m->start;
	if (m->request) {
		snprintf(d->label, sizeof(d->label), "%" SPAN_FMT, SPAN_ARG(m->method));
	} else {
		phrase = span_trim(span_skip(phrase, strlen("SIP/2.0 ")));
		snprintf(d->label, sizeof(d->label), "%" SPAN_FMT " [%" SPAN_FMT "]", SPAN_ARG(phrase),
			 SPAN_ARG(m->method));
	}
	describe_sdp(a, m, up, d);
	describe_contact(a, m, up, d);
	for (size_t i = 0; i < ARRAY_LEN(quoted); i++) {
		struct span v = wire_hdr(m, quoted[i], 0);
		bool timer =
			span_starts(span_of(quoted[i]), SPAN("Session-")) || span_starts(v, SPAN("timer"));
		if (v.p && (a->timers || !timer))
			add(d, "%s: %" SPAN_FMT, quoted[i], SPAN_ARG(v));
	}
	for (size_t i = 0; i < ARRAY_LEN(named); i++)
		if (wire_hdr(m, named[i], 0).p)
			add(d, "%s", named[i]);
}

/* ---- what happens ---- */

void arrows_sip(struct run *r, const struct peer *p, bool up, const struct wire *m, bool again)
{
	struct arrows *a = r->arrows;
	struct drawing d = { .n = 0 };
	unsigned lane = (unsigned)(p - r->peer);
	if (a == NULL || lane > 1)
		return;
	if (!again)
		describe(a, m, up, &d);
	if (!drawn(a, r->w.now_us))
		return;
	if (again) {
		if (a->again_lane != lane)
			put_again(a);
		a->n_again++;
		a->again_lane = lane;
		a->again_us = r->w.now_us;
		return;
	}
	put_drawing(a, r, lane, up == (lane == 0), &d, '-');
}

void arrows_msrp(struct run *r, const struct peer *p, bool up, const struct wire_msrp *m, const char *id)
{
	struct arrows *a = r->arrows;
	struct drawing d = { .n = 0 };
	unsigned lane = (unsigned)(p - r->peer);
	bool binds =
		m->status ? strncmp(id, "bind-", 5) == 0 : !m->has_body && span_eq(m->method, SPAN("SEND"));
	if (lane > 1 || (binds && m->status) || !drawn(a, r->w.now_us))
		return;
	if (m->status)
		snprintf(d.label, sizeof(d.label), "MSRP %u", m->status);
	else if (binds)
		snprintf(d.label, sizeof(d.label), "MSRP SEND, empty: it binds");
	else if (m->body.n && m->body.n < 24)
		snprintf(d.label, sizeof(d.label), "MSRP SEND \"%" SPAN_FMT "\"", SPAN_ARG(m->body));
	else
		snprintf(d.label, sizeof(d.label), "MSRP %" SPAN_FMT, SPAN_ARG(m->method));
	put_drawing(a, r, lane, up == (lane == 0), &d, '=');
}

void arrows_done(struct run *r, const struct peer *p, const char *what)
{
	char text[LANE];
	unsigned lane = (unsigned)(p - r->peer);
	if (lane > 1 || !drawn(r->arrows, r->w.now_us))
		return;
	put_again(r->arrows);
	snprintf(text, sizeof(text), "     (%s: %s)", p->p.name, what);
	put_time(r->w.now_us);
	put_lanes(lane, text);
}

void arrows_log(struct run *r, const char *event, const char *text)
{
	if (!drawn(r->arrows, r->w.now_us))
		return;
	char line[1200];
	struct span rest = span_of(line);
	put_again(r->arrows);
	snprintf(line, sizeof(line), "log: %s %s", event, text);
	rest.n = strlen(line);
	for (bool first = true; rest.n; first = false) {
		size_t n = rest.n;
		for (n = n > WIDTH - TIME ? WIDTH - TIME : n; n < rest.n && rest.p[n] != ' '; n--)
			;
		printf("%*s%s%.*s\n", TIME, "", first ? "" : "  ", (int)n, rest.p);
		rest = span_trim(span_skip(rest, n));
	}
}

void arrows_end(struct run *r)
{
	if (r->arrows)
		put_again(r->arrows);
}
