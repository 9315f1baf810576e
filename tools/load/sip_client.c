/* SPDX-License-Identifier: MIT */
/*
 * The IM Client's end: writes requests from the state of the session alone, so that a repeat is the same bytes, and
 * judges what comes back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sip_impl.h"

static const char allow[] = "Allow: INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, MESSAGE, OPTIONS\r\n";

static const char *method_of(const struct sess *x)
{
	switch ((enum sip_op)x->op) {
	case OP_UPDATE:
		return "UPDATE";
	case OP_BYE:
		return "BYE";
	case OP_NONE:
	case OP_SETUP:
	case OP_REINVITE:
		break;
	}
	return "INVITE";
}

/* Request line and the headers every request of the session carries. */
static void head(const struct sip_load *s, unsigned i, struct wbuf *w, const char *method,
		 const char *branch_end)
{
	const struct sess *x = &s->sess[i];
	bool ack = strcmp(method, "ACK") == 0;
	uint32_t cseq = ack ? x->invite_cseq : x->cseq;
	if (x->target)
		w_fmt(w, "%s %s SIP/2.0\r\n", method, x->target);
	else
		w_fmt(w, "%s sip:far%u@cf.example.net SIP/2.0\r\n", method, i);
	w_fmt(w, "Via: SIP/2.0/UDP %s:%u;branch=z9hG4bK%" PRIx32 ".%x.%" PRIx32 "%s;rport\r\n", s->conf.host,
	      udp_port(s->client), s->run, i, cseq, branch_end);
	w_str(w, "Max-Forwards: 70\r\n");
	if (x->routes)
		w_str(w, x->routes);
	w_fmt(w, "From: <sip:u%u@example.com>;tag=c%x\r\n", i, i);
	w_fmt(w, "To: <sip:far%u@cf.example.net>%s%s\r\n", i, x->to_tag ? ";tag=" : "",
	      x->to_tag ? x->to_tag : "");
	w_fmt(w, "Call-ID: %" PRIx32 "-%u@%s\r\n", s->run, i, s->conf.host);
	w_fmt(w, "CSeq: %" PRIu32 " %s\r\n", cseq, method);
}

void client_send(struct sip_load *s, unsigned i)
{
	const struct sess *x = &s->sess[i];
	char sdp[1024];
	struct wbuf w = wbuf_on(udp_begin(s->client, &s->conf.to), UDP_MSG);
	head(s, i, &w, method_of(x), "");
	if (x->op == OP_BYE) {
		w_str(&w, "Content-Length: 0\r\n\r\n");
		udp_end(s->client, w.n);
		return;
	}
	size_t n = sip_sdp(s, i, false, sdp, sizeof(sdp));
	w_fmt(&w, "Contact: <sip:u%u@%s:%u>;+g.oma.sip-im\r\n", i, s->conf.host, udp_port(s->client));
	w_str(&w, allow);
	if (x->op == OP_SETUP)
		w_fmt(&w,
		      "Accept-Contact: *;+g.oma.sip-im;require;explicit\r\n"
		      "P-Asserted-Identity: <sip:u%u@example.com>\r\n",
		      i);
	w_str(&w, "User-Agent: IM-client/OMA1.0 parley-load\r\n");
	w_fmt(&w, "Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n", n);
	w_bytes(&w, sdp, n);
	udp_end(s->client, w.n);
}

static void send_ack(struct sip_load *s, unsigned i, bool success)
{
	struct wbuf w = wbuf_on(udp_begin(s->client, &s->conf.to), UDP_MSG);
	/* The ACK to a refusal belongs to its transaction, the ACK to a 2xx is one of its own (RFC 3261 17.1.1.3,
	 * 13.2.2.4). */
	head(s, i, &w, "ACK", success ? "a" : "");
	w_str(&w, "Content-Length: 0\r\n\r\n");
	udp_end(s->client, w.n);
}

/* Keeps tag, remote target and route set of the 2xx that made the dialog, in one block. */
static bool dialog_learn(struct sip_load *s, unsigned i, struct span msg)
{
	struct sess *x = &s->sess[i];
	struct span tag = text_param(text_header(msg, "To"), "tag");
	struct span target = text_angle(text_header(msg, "Contact"));
	struct span routes[8], rest = msg;
	unsigned n = 0;
	size_t need = tag.n + target.n + 3;
	span_split(&rest, '\n');
	for (struct span line = span_split(&rest, '\n'); line.n > 1; line = span_split(&rest, '\n')) {
		if (!span_istarts(line, SPAN("Record-Route:")))
			continue;
		struct span v = span_trim(span_skip(line, 13));
		while (v.n && n < ARRAY_LEN(routes)) {
			routes[n] = span_trim(span_split(&v, ','));
			need += routes[n++].n + sizeof("Route: \r\n");
		}
	}
	if (!tag.n || !target.n)
		return false;
	char *block = malloc(need);
	if (!block)
		load_die("out of memory");
	struct wbuf w = wbuf_on(block, need);
	free(x->to_tag);
	x->to_tag = block;
	w_span(&w, tag), w_chr(&w, 0);
	x->target = block + w.n;
	w_span(&w, target), w_chr(&w, 0);
	x->routes = n ? block + w.n : NULL;
	while (n-- > 0)
		w_str(&w, "Route: "), w_span(&w, routes[n]), w_str(&w, "\r\n");
	w_chr(&w, 0);
	return true;
}

static void on_success(struct sip_load *s, unsigned i, struct span msg)
{
	struct sess *x = &s->sess[i];
	struct span sdp = text_body(msg);
	if (x->op == OP_SETUP && !dialog_learn(s, i, msg)) {
		sip_fail(s, i, "2xx without tag or Contact", 200);
		return;
	}
	if (x->op == OP_SETUP || x->op == OP_REINVITE)
		send_ack(s, i, true);
	if (x->op != OP_BYE)
		sip_check_sdp(s, i, false, sdp);
	if (x->op == OP_SETUP && s->conf.hooks.peer)
		s->conf.hooks.peer(s->conf.hooks.u, i, false, sdp);
	if (x->refuse)
		sip_wrong(s, i, "the far side refused, the client got a 2xx");
	if (s->latency && x->op != OP_BYE)
		hist_add(s->latency, now_ns() - x->since_ns);
	x->client_done = true;
	sip_close_if_done(s, i);
}

/* Something the device asks by itself: it is answered, and a BYE is a fault. */
static void on_request(struct sip_load *s, struct span msg, const struct sockaddr_storage *from)
{
	struct span call = text_header(msg, "Call-ID");
	size_t dash = span_chr(call, '-');
	unsigned i = dash == SPAN_NONE ? 0 : (unsigned)text_digits(span_skip(call, dash + 1));
	const char *status = "200 OK";
	if (span_starts(msg, SPAN("ACK ")) || i >= s->conf.sessions)
		return;
	if (span_starts(msg, SPAN("INVITE ")))
		status = "488 Not Acceptable Here";
	if (span_starts(msg, SPAN("BYE ")) && s->sess[i].op != OP_BYE) {
		struct span why = text_header(msg, "Reason");
		sip_wrong(s, i, "client got a BYE (%" SPAN_FMT ")", SPAN_ARG(why));
		s->sess[i].dead = true;
	}
	char *buf = udp_begin(s->client, from);
	struct wbuf w = wbuf_on(buf, UDP_MSG);
	w.n = sip_reply(buf, UDP_MSG, msg, status, "x");
	w_str(&w, "Content-Length: 0\r\n\r\n");
	udp_end(s->client, w.n);
}

void client_input(struct sip_load *s, struct span msg, const struct sockaddr_storage *from)
{
	if (!span_starts(msg, SPAN("SIP/2.0 "))) {
		on_request(s, msg, from);
		return;
	}
	unsigned status = (unsigned)text_digits(span_skip(msg, 8));
	struct span call = text_header(msg, "Call-ID"), cseq = text_header(msg, "CSeq");
	size_t dash = span_chr(call, '-');
	if (status < 200 || dash == SPAN_NONE || strtoul(call.p, NULL, 16) != s->run)
		return;
	unsigned i = (unsigned)text_digits(span_skip(call, dash + 1));
	if (i >= s->conf.sessions)
		return;
	struct sess *x = &s->sess[i];
	uint32_t number = (uint32_t)text_digits(cseq);
	bool invite = cseq.n > 6 && memcmp(cseq.p + cseq.n - 6, "INVITE", 6) == 0;
	if (x->op == OP_NONE || number != x->cseq || x->client_done) {
		/* A repeated 2xx wants its ACK again. */
		if (invite && status < 300 && number == x->invite_cseq && x->target)
			send_ack(s, i, true);
		return;
	}
	if (status < 300) {
		on_success(s, i, msg);
		return;
	}
	if (invite)
		send_ack(s, i, false);
	if (!x->refuse || status != 488) {
		sip_fail(s, i, "refused with", status);
		return;
	}
	s->n.refused++;
	x->client_done = true;
	sip_close_if_done(s, i);
}
