/* SPDX-License-Identifier: MIT */
/*
 * Messages as text.  Reading: what the server writes is looked at line by line, by nothing of production, since the
 * invariants are about what is on the wire.  Writing: each message of a peer is made anew from a few numbers, so that
 * the same situation always gives the same bytes, whatever happened before.
 */
#include <stdlib.h>

#include "explore/model.h"

static const struct {
	const char *uri, *host, *route;
} who[2] = {
	{ "sip:alice@example.com", "192.0.2.10", "<sip:192.0.2.1:5060;lr>, <sip:odi-1@192.0.2.20:5060;lr>" },
	{ "sip:bob@example.net", "192.0.2.20", "<sip:192.0.2.1:5060;lr>, <sip:odi-2@192.0.2.10:5060;lr>" },
};

/* ---- reading ---- */

static enum sip_method method_of(struct span s)
{
	static const enum sip_method known[] = { SIP_INVITE, SIP_ACK,    SIP_BYE,
						 SIP_CANCEL, SIP_UPDATE, SIP_PRACK };
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (span_eq(s, sip_method_name(known[i])))
			return known[i];
	return SIP_UNKNOWN;
}

static uint32_t number(struct span s)
{
	uint32_t v = 0;
	for (size_t i = 0; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		v = v * 10 + (uint32_t)(s.p[i] - '0');
	return v;
}

/* What stands behind `name` in s up to one of `ends`; empty: it is not there. */
static struct span after(struct span s, struct span name, const char *ends)
{
	size_t at = span_find(s, name), n = 0;
	if (at == SPAN_NONE)
		return SPAN_EMPTY;
	s = span_skip(s, at + name.n);
	while (n < s.n && !strchr(ends, s.p[n]))
		n++;
	return span_cut(s, 0, n);
}

static void put(char *to, size_t n, struct span s)
{
	if (s.n >= n)
		s.n = n - 1;
	memcpy(to, s.p ? s.p : "", s.n);
	to[s.n] = '\0';
}

static void read_sdp(struct span body, struct msg *m, uint64_t *rest)
{
	struct span s = body, o;

	span_split(&s, '\n');
	o = span_split(&s, '\n');
	span_split(&o, ' '), span_split(&o, ' ');
	m->version = number(o);
	m->sdp = span_hash(body, 1);
	m->tls = span_find(body, SPAN(" TCP/TLS/MSRP ")) != SPAN_NONE;
	*rest = span_hash(s, 1);
}

void wire_read(struct span bytes, struct msg *m, uint64_t *rest)
{
	struct span in = bytes, line = span_split(&in, '\n');

	*m = (struct msg){ .bytes = span_hash(bytes, 1) };
	*rest = 0;
	if (span_starts(line, SPAN("SIP/2.0 ")))
		m->status = (uint16_t)number(span_skip(line, 8));
	while (in.n) {
		line = span_trim(span_split(&in, '\n'));
		if (!line.n)
			break;
		if (line.p[0] == 'V' && !m->branch[0]) {
			put(m->branch, sizeof(m->branch), after(line, SPAN("branch="), ";, "));
		} else if (span_starts(line, SPAN("Supported: "))) {
			m->rel |= span_find(line, SPAN("100rel")) != SPAN_NONE;
		} else if (span_starts(line, SPAN("RSeq: ")) || span_starts(line, SPAN("RAck: "))) {
			m->rseq = number(span_skip(line, 6));
		} else if (span_starts(line, SPAN("CSeq: "))) {
			line = span_skip(line, 6);
			m->cseq = number(line);
			span_split(&line, ' ');
			m->method = method_of(line);
		}
	}
	if (span_starts(in, SPAN("v=0")))
		read_sdp(in, m, rest);
}

static struct span header(struct span bytes, struct span name)
{
	return after(bytes, name, "\r\n");
}

/* Our own tag is fixed; the other's, and where requests go, come with its first message. */
void wire_learn(struct peer *p, struct span bytes, const struct msg *m)
{
	struct span far, contact;

	if (m->status == 100 || m->status >= 300 || m->method == SIP_CANCEL || m->method == SIP_ACK)
		return;
	if (p->far_tag[0] && p->target[0])
		return;
	far = header(bytes, m->status ? SPAN("\r\nTo: ") : SPAN("\r\nFrom: "));
	contact = header(bytes, SPAN("\r\nContact: "));
	put(p->far_tag, sizeof(p->far_tag), after(far, SPAN(";tag="), ";"));
	put(p->far_uri, sizeof(p->far_uri), after(far, SPAN("<"), ">"));
	put(p->target, sizeof(p->target), after(contact, SPAN("<"), ">"));
	if (!m->status)
		put(p->call_id, sizeof(p->call_id), header(bytes, SPAN("\r\nCall-ID: ")));
}

/* ---- writing ---- */

uint8_t wire_digest(unsigned side)
{
	return side ? 0xbb : 0xaa;
}

struct desc wire_sdp_new(struct peer *p, bool good, bool tls)
{
	struct desc d = { ++p->version, p->path, good, tls, 0 };
	char room[600];
	struct wbuf w = wbuf_on(room, sizeof(room));

	wire_sdp(p, &d, &w);
	d.hash = span_hash(w_span_of(&w), 1);
	return d;
}

/* No two versions say the same; the path changes where a new connection is wanted. */
void wire_sdp(const struct peer *p, const struct desc *d, struct wbuf *w)
{
	const char *host = who[p->side].host;

	w_str(w, "v=0\r\no=- 7 "), w_u64(w, d->version), w_str(w, " IN IP4 "), w_str(w, host);
	w_str(w, "\r\ns=-\r\nc=IN IP4 "), w_str(w, host), w_str(w, "\r\nt=0 0\r\nm=message ");
	w_u64(w, 7000u + p->side), w_str(w, d->tls ? " TCP/TLS/MSRP" : " TCP/MSRP");
	w_str(w, " *\r\na=accept-types:*\r\na=max-size:");
	w_u64(w, 1000u + d->version), w_str(w, "\r\na=setup:passive\r\n");
	if (d->good)
		w_str(w, d->tls ? "a=path:msrps://" : "a=path:msrp://"), w_str(w, host), w_chr(w, ':'),
			w_u64(w, 7000u + p->side), w_str(w, "/p"), w_u64(w, d->path), w_str(w, ";tcp\r\n");
	if (!d->tls)
		return;
	w_str(w, "a=fingerprint:sha-256 ");
	for (unsigned i = 0; i < 32; i++)
		w_str(w, i ? ":" : ""), w_str(w, wire_digest(p->side) == 0xaa ? "AA" : "BB");
	w_str(w, "\r\n");
}

static void w_own(struct wbuf *w, const struct peer *p, const char *name)
{
	w_str(w, name), w_str(w, ": <"), w_str(w, who[p->side].uri), w_str(w, ">;tag=");
	w_str(w, p->side ? "tag-b\r\n" : "tag-a\r\n");
}

static void w_far(struct wbuf *w, const struct peer *p, const char *name, bool tag)
{
	w_str(w, name), w_str(w, ": <"), w_str(w, p->far_uri[0] ? p->far_uri : who[!p->side].uri),
		w_chr(w, '>');
	if (tag)
		w_str(w, ";tag="), w_str(w, p->far_tag);
	w_str(w, "\r\n");
}

static void w_cseq(struct wbuf *w, const struct peer *p, uint32_t cseq, enum sip_method method)
{
	w_str(w, "Call-ID: "), w_str(w, p->call_id);
	w_str(w, "\r\nCSeq: "), w_u64(w, cseq), w_chr(w, ' '), w_span(w, sip_method_name(method));
	w_str(w, "\r\n");
}

static void w_tail(struct wbuf *w, const struct peer *p, const struct desc *sdp)
{
	char room[600];
	struct wbuf body = wbuf_on(room, sizeof(room));

	if (sdp && sdp->version) {
		wire_sdp(p, sdp, &body);
		w_str(w, "Content-Type: application/sdp\r\n");
	}
	w_str(w, "Content-Length: "), w_u64(w, body.n), w_str(w, "\r\n\r\n");
	w_span(w, w_span_of(&body));
}

static void w_able(struct wbuf *w, const struct peer *p)
{
	w_str(w, "Contact: <sip:"), w_str(w, p->side ? "bob@" : "alice@"), w_str(w, who[p->side].host);
	w_str(w, ":5060>;+g.oma.sip-im\r\nAllow: INVITE, ACK, CANCEL, BYE, PRACK");
	w_str(w, run.set->update[p->side] ? ", UPDATE\r\n" : "\r\n");
	if (run.set->timer[p->side])
		w_str(w, "Supported: timer\r\n");
	if (run.set->rel[p->side])
		w_str(w, "Supported: 100rel\r\n");
}

static void w_initial(struct wbuf *w, const struct peer *p)
{
	w_str(w, "Route: "), w_str(w, who[p->side].route);
	w_str(w, "\r\nP-Asserted-Identity: <"), w_str(w, who[p->side].uri);
	w_str(w, ">\r\nAccept-Contact: *;+g.oma.sip-im\r\n");
}

static void finish(struct text *out, const struct wbuf *w, enum sip_method method, uint32_t cseq,
		   unsigned status, const struct desc *sdp)
{
	if (!w_ok(w))
		abort();
	out->n = (uint16_t)w->n;
	out->m = (struct msg){ .method = (uint8_t)method, .status = (uint16_t)status, .cseq = cseq };
	if (sdp)
		out->m.version = sdp->version, out->m.sdp = sdp->hash;
}

void wire_request(const struct peer *p, enum sip_method method, uint32_t cseq, bool ok,
		  const struct desc *sdp, struct text *out)
{
	struct wbuf w = wbuf_on(out->p, sizeof(out->p));
	bool of_invite = method == SIP_CANCEL || (method == SIP_ACK && !ok);
	bool initial =
		p->state == PEER_CALLING ? method == SIP_INVITE || of_invite : of_invite && !p->target[0];
	bool tagged = p->far_tag[0] && !(initial && method != SIP_ACK);

	w_span(&w, sip_method_name(method)), w_chr(&w, ' ');
	w_str(&w, initial || !p->target[0] ? who[!p->side].uri : p->target);
	w_str(&w, " SIP/2.0\r\nVia: SIP/2.0/UDP "), w_str(&w, who[p->side].host);
	w_str(&w, ":5060;branch=z9hG4bK-"), w_chr(&w, p->side ? 'b' : 'a'), w_u64(&w, cseq);
	w_span(&w, of_invite ? SPAN("INVITE") : sip_method_name(method));
	w_str(&w, "\r\nMax-Forwards: 70\r\n");
	if (initial && !ok)
		w_initial(&w, p);
	w_own(&w, p, "From"), w_far(&w, p, "To", tagged), w_cseq(&w, p, cseq, method);
	if (method == SIP_INVITE || method == SIP_UPDATE)
		w_able(&w, p);
	if (method == SIP_PRACK)
		w_str(&w, "RAck: "), w_u64(&w, p->far_rseq), w_chr(&w, ' '), w_u64(&w, p->inv.cseq),
			w_str(&w, " INVITE\r\n");
	w_tail(&w, p, sdp);
	finish(out, &w, method, cseq, 0, sdp);
	out->m.rseq = method == SIP_PRACK ? p->far_rseq : 0;
}

void wire_response(const struct peer *p, enum sip_method method, uint32_t cseq, const char *branch,
		   unsigned status, uint32_t rseq, const struct desc *sdp, struct text *out)
{
	struct wbuf w = wbuf_on(out->p, sizeof(out->p));

	w_str(&w, "SIP/2.0 "), w_u64(&w, status);
	w_str(&w, " Said\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch="), w_str(&w, branch);
	w_str(&w, "\r\n");
	w_far(&w, p, "From", true), w_own(&w, p, "To"), w_cseq(&w, p, cseq, method);
	if ((method == SIP_INVITE || method == SIP_UPDATE) && status < 300)
		w_able(&w, p);
	if (rseq)
		w_str(&w, "Require: 100rel\r\nRSeq: "), w_u64(&w, rseq), w_str(&w, "\r\n");
	w_tail(&w, p, sdp);
	finish(out, &w, method, cseq, status, sdp);
	out->m.rseq = rseq;
}
