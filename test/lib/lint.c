/* SPDX-License-Identifier: MIT */
/* See lint.h.  Kept as lists: a test has few dialogs, and the simulator drops them when they end. */
#include "lib/lint.h"

#include <stdio.h>
#include <stdlib.h>

struct sent { /* the final answer of one server transaction, or (method empty) what else was sent, and may be repeated */
	struct sent *next;
	char branch[128], method[16];
	uint32_t cseq;
	struct span bytes;
};

struct dialog { /* forks of one INVITE share our tag or the peer's, and count for themselves */
	struct dialog *next;
	char ours[128], theirs[128]; /* tags; theirs empty: not known yet */
	uint32_t cseq;
	bool requested; /* we sent a request on it */
	bool by_tcp;    /* the last one */
	uint64_t sdp_id, sdp_version;
	char *sdp; /* last sent, whole */
};

struct lint_leg {
	struct lint_leg *next;
	char peer[16], call_id[160];
	bool gaps; /* as in struct lint */
	struct dialog *dialog;
	struct sent *sent;
};

static void leg_free(struct lint_leg *g)
{
	while (g->sent) {
		struct sent *f = g->sent;
		g->sent = f->next;
		free((char *)f->bytes.p);
		free(f);
	}
	while (g->dialog) {
		struct dialog *d = g->dialog;
		g->dialog = d->next;
		free(d->sdp);
		free(d);
	}
	free(g);
}

void lint_finish(struct lint *l)
{
	while (l->leg) {
		struct lint_leg *g = l->leg;
		l->leg = g->next;
		leg_free(g);
	}
}

static struct lint_leg *leg_of(struct lint *l, const char *peer, const struct wire *m)
{
	struct span id = wire_hdr(m, "Call-ID", 0);
	for (struct lint_leg *g = l->leg; g; g = g->next)
		if (strcmp(g->peer, peer) == 0 && span_eq(span_of(g->call_id), id))
			return g;
	struct lint_leg *g = calloc(1, sizeof(*g));
	if (g == NULL)
		abort();
	snprintf(g->peer, sizeof(g->peer), "%s", peer);
	snprintf(g->call_id, sizeof(g->call_id), "%" SPAN_FMT, SPAN_ARG(id));
	g->next = l->leg;
	return l->leg = g;
}

static bool bad(char why[200], const char *what)
{
	snprintf(why, 200, "lint: %s", what);
	return false;
}

static void put(char *dst, size_t cap, struct span s)
{
	snprintf(dst, cap, "%" SPAN_FMT, SPAN_ARG(s));
}

static bool method_is(const struct wire *m, const char *name)
{
	return span_eq(m->method, span_of(name));
}

static struct dialog *dialog_find(struct lint_leg *g, struct span ours, struct span theirs)
{
	for (struct dialog *d = g->dialog; d; d = d->next)
		if (span_eq(span_of(d->ours), ours) && span_eq(span_of(d->theirs), theirs))
			return d;
	return NULL;
}

static struct span our_tag(const struct wire *m)
{
	struct span tag = wire_param(wire_hdr(m, m->request ? "From" : "To", 0), "tag");
	return tag.p ? tag : SPAN("");
}

/* The dialog of a message; one that our request began goes on where that request was. */
static struct dialog *dialog_of(struct lint_leg *g, const struct wire *m)
{
	struct span ours = our_tag(m);
	struct span theirs = wire_param(wire_hdr(m, m->request ? "To" : "From", 0), "tag");
	struct dialog *d = dialog_find(g, ours, theirs.p ? theirs : SPAN("")), *base;
	base = dialog_find(g, ours, SPAN(""));
	if (d) { /* the request that began it may have been made again, in the next number (RFC 3261 8.1.3.5) */
		if (base && base->cseq > d->cseq)
			d->cseq = base->cseq;
		return d;
	}
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		abort();
	if (base) {
		*d = *base;
		d->sdp = base->sdp ? strdup(base->sdp) : NULL;
	}
	put(d->ours, sizeof(d->ours), ours);
	put(d->theirs, sizeof(d->theirs), theirs.p ? theirs : SPAN(""));
	d->next = g->dialog;
	return g->dialog = d;
}

static bool check_tag(struct lint_leg *g, const struct wire *m, char why[200])
{
	struct span ours = our_tag(m);
	if (m->request && ours.n == 0)
		return bad(why, "request without From tag");
	if (!m->request && m->status > 100 && ours.n == 0)
		return bad(why, "response without To tag");
	if (!m->request)
		return true; /* each early dialog we begin as UAS has one of its own */
	for (struct dialog *d = g->dialog; d; d = d->next)
		if (span_eq(span_of(d->ours), ours))
			return true;
	return g->dialog == NULL || bad(why, "our tag changed");
}

static void remember(struct lint_leg *g, const struct wire *m)
{
	struct sent *f = calloc(1, sizeof(*f));
	if (f == NULL)
		abort();
	put(f->branch, sizeof(f->branch), wire_param(wire_hdr(m, "Via", 0), "branch"));
	if (!m->request && m->status >= 200)
		put(f->method, sizeof(f->method), m->method);
	f->cseq = m->cseq;
	f->bytes = (struct span){ span_dup(m->raw), m->raw.n };
	f->next = g->sent;
	g->sent = f;
}

static bool check_request(struct lint_leg *g, struct dialog *d, const struct wire *m, char why[200])
{
	if (wire_hdr(m, "Max-Forwards", 0).p == NULL)
		return bad(why, "no Max-Forwards");
	if (!span_starts(wire_param(wire_hdr(m, "Via", 0), "branch"), SPAN("z9hG4bK")))
		return bad(why, "branch without the cookie");
	if (method_is(m, "ACK") || method_is(m, "CANCEL")) {
		remember(g, m);
		return m->cseq <= d->cseq || bad(why, "ACK or CANCEL for a number never used");
	}
	/* without the memory that it was said it is said again, to a fork that is hung up */
	bool once_more = g->gaps && method_is(m, "BYE");
	/* nobody was at TCP, which it went by for its size: once more by UDP (RFC 3261 18.1.1) */
	bool tcp = span_starts(wire_hdr(m, "Via", 0), SPAN("SIP/2.0/TCP "));
	once_more |= d->by_tcp && !tcp;
	d->by_tcp = tcp;
	if (m->cseq < d->cseq || (m->cseq == d->cseq && d->requested && !once_more))
		return bad(why, "CSeq did not rise");
	d->cseq = m->cseq;
	d->requested = true;
	remember(g, m);
	return true;
}

static bool check_response(struct lint_leg *g, const struct wire *m, char why[200])
{
	struct span branch = wire_param(wire_hdr(m, "Via", 0), "branch");
	if (m->status > 100 && m->status < 200 && !method_is(m, "INVITE"))
		return bad(why, "a provisional but 100 to a request other than INVITE");
	if (m->status == 408 && !method_is(m, "INVITE"))
		return bad(why, "408 to a request other than INVITE (RFC 4320)");
	if (m->status == 405 && wire_hdr(m, "Allow", 0).p == NULL)
		return bad(why, "405 without Allow");
	if (m->status == 420 && wire_hdr(m, "Unsupported", 0).p == NULL)
		return bad(why, "420 without Unsupported");
	if (m->status == 491 && wire_hdr(m, "Retry-After", 0).p)
		return bad(why, "491 with Retry-After");
	for (struct sent *f = g->sent; f; f = f->next) {
		if (f->cseq != m->cseq || !span_eq(span_of(f->branch), branch) ||
		    !span_eq(span_of(f->method), m->method))
			continue;
		if (m->status == 481 && method_is(m, "CANCEL"))
			continue; /* what it cancelled is over and forgotten */
		if (g->gaps && method_is(m, "BYE"))
			continue; /* answered without memory, and not remembered: its dialog is over */
		if (g->gaps && f->bytes.n > 11 && (f->bytes.p[8] == '5'))
			continue; /* refused for want of memory, not remembered, and tried again */
		if (m->status < 200)
			return bad(why, "a provisional after the final");
		snprintf(why, 200, "lint: two different finals to one request; the first: %.120s",
			 span_find(f->bytes, SPAN("To:")) == SPAN_NONE
				 ? f->bytes.p
				 : f->bytes.p + span_find(f->bytes, SPAN("To:")));
		return false;
	}
	if (m->status >= 200 ||
	    m->body.n) /* a 1xx is repeated too, even when its SDP is not the last any more */
		remember(g, m);
	return true;
}

static bool check_contact(const struct wire *m, char why[200])
{
	if (!method_is(m, "INVITE") && !method_is(m, "UPDATE"))
		return true;
	if (!m->request && (m->status < 200 || m->status > 299))
		return true;
	return wire_hdr_count(m, "Contact") == 1 || bad(why, "not exactly one Contact");
}

/* The session description in a body, which may be one part of several; empty: none. */
static struct span description(struct span body)
{
	struct span from = wire_line(body, "v=0", 0);
	struct span sdp = from.p ? span_range(from.p - 3, body.p + body.n) : SPAN_EMPTY;
	size_t end = span_find(sdp, SPAN("\r\n--"));
	return end == SPAN_NONE ? sdp : span_cut(sdp, 0, end);
}

/* SDP-4, SDP-7: new content is one version more than last sent, the same content the same body. */
static bool check_sdp(struct dialog *d, const struct wire *m, bool gaps, char why[200])
{
	struct span sdp = description(m->body);
	uint64_t id, version;
	if (sdp.n == 0 || span_eq(span_of(d->sdp), sdp))
		return true;
	if (!wire_origin(sdp, &id, &version))
		return bad(why, "SDP without o=");
	if (m->status >= 300) /* what would do, in the words of who refuses (IMS-25) */
		return true;
	/* an ACK there was no memory to keep is made anew, of a session that is gone perhaps */
	if (gaps && m->request && method_is(m, "ACK"))
		return true;
	if (d->sdp) {
		if (id != d->sdp_id)
			return bad(why, "our o= session id changed");
		if (!gaps && wire_same_but_origin(sdp, span_of(d->sdp)))
			return bad(why, "same SDP content, other o= line");
		if (gaps ? version <= d->sdp_version : version != d->sdp_version + 1)
			return bad(why, "new SDP content, o= version not one more");
	}
	free(d->sdp);
	d->sdp = span_dup(sdp);
	d->sdp_id = id, d->sdp_version = version;
	return true;
}

/* Byte for byte what was sent before: judged then. */
static bool repeated(const struct lint_leg *g, const struct wire *m)
{
	for (const struct sent *f = g->sent; f; f = f->next)
		if (span_eq(f->bytes, m->raw))
			return true;
	return false;
}

bool lint_out(struct lint *l, const char *peer, const struct wire *m, char why[200])
{
	struct lint_leg *g = leg_of(l, peer, m);
	struct dialog *d;
	g->gaps = l->gaps;
	if (l->proxy || repeated(g, m))
		return true;
	if (!check_tag(g, m, why) || !check_contact(m, why))
		return false;
	d = dialog_of(g, m);
	if (m->request ? !check_request(g, d, m, why) : !check_response(g, m, why))
		return false;
	return l->free_origin || check_sdp(d, m, l->gaps, why);
}
