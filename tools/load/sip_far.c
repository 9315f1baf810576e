/* SPDX-License-Identifier: MIT */
/*
 * The controlling side's end: accepts everything, and checks that each request is the next of its dialog and says
 * what the client said.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sip_impl.h"

enum { FAR_T1_NS = 500000000 };

static void send_copy(struct sip_load *s, const struct sockaddr_storage *to, const char *p, size_t n)
{
	memcpy(udp_begin(s->far, to), p, n);
	udp_end(s->far, n);
}

void far_resend(struct sip_load *s, unsigned i)
{
	struct sess *x = &s->sess[i];
	x->far_resend_ns = now_ns() + FAR_T1_NS;
	s->n.resent++;
	send_copy(s, x->far_peer, x->far_answer, x->far_answer_len);
}

/* An INVITE's final answer is this end's to repeat until the ACK is in (RFC 3261 13.3.1.4, 17.2.1). */
static void keep_answer(struct sip_load *s, unsigned i, const char *p, size_t n,
			const struct sockaddr_storage *to)
{
	struct sess *x = &s->sess[i];
	char *copy = realloc(x->far_answer, n);
	if (!x->far_peer)
		x->far_peer = malloc(sizeof(*x->far_peer));
	if (!copy || !x->far_peer)
		load_die("out of memory");
	memcpy(copy, p, n);
	x->far_answer = copy;
	x->far_answer_len = n;
	*x->far_peer = *to;
	x->far_open = true;
	x->far_resend_ns = now_ns() + FAR_T1_NS;
}

static void answer(struct sip_load *s, unsigned i, struct span req, const struct sockaddr_storage *to,
		   bool with_sdp, bool keep)
{
	char tag[16], sdp[1024];
	char *buf = udp_begin(s->far, to);
	struct wbuf w = wbuf_on(buf, UDP_MSG);
	bool refuse = with_sdp && s->sess[i].refuse;
	size_t n = with_sdp && !refuse ? sip_sdp(s, i, true, sdp, sizeof(sdp)) : 0;
	snprintf(tag, sizeof(tag), "f%x", i);
	w.n = sip_reply(buf, UDP_MSG, req, refuse ? "488 Not Acceptable Here" : "200 OK", tag);
	w_fmt(&w, "Contact: <sip:far%u@%s:%u>;+g.oma.sip-im\r\n", i, s->conf.host, udp_port(s->far));
	w_str(&w, "Allow: INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, MESSAGE, OPTIONS\r\n"
		  "Server: IM-serv/OMA1.0 parley-load\r\n");
	if (n)
		w_str(&w, "Content-Type: application/sdp\r\n");
	w_fmt(&w, "Content-Length: %zu\r\n\r\n", n);
	w_bytes(&w, sdp, n);
	if (keep)
		keep_answer(s, i, buf, w.n, to);
	udp_end(s->far, w.n);
}

static void on_ack(struct sip_load *s, unsigned i, uint32_t cseq)
{
	struct sess *x = &s->sess[i];
	if (!x->far_open || cseq != x->far_cseq)
		return;
	x->far_open = false;
	sip_close_if_done(s, i);
}

/* A request with a number we have not had: true when it is to be answered. */
static bool is_next(struct sip_load *s, unsigned i, struct span msg, uint32_t cseq)
{
	struct sess *x = &s->sess[i];
	uint32_t dialog = sip_hash(text_header(msg, "Call-ID"), text_param(text_header(msg, "From"), "tag"));
	if (x->far_dialog == 0)
		x->far_dialog = dialog;
	if (x->far_dialog != dialog) {
		sip_wrong(s, i, "far side got a request outside its dialog");
		return false;
	}
	if (cseq < x->far_cseq) {
		sip_wrong(s, i, "far side got CSeq %" PRIu32 " after %" PRIu32, cseq, x->far_cseq);
		return false;
	}
	return true;
}

static void on_offer(struct sip_load *s, unsigned i, struct span msg, bool invite)
{
	struct sess *x = &s->sess[i];
	struct span sdp = text_body(msg);
	bool first = x->op == OP_SETUP;
	if (x->op != OP_SETUP && x->op != OP_UPDATE && x->op != OP_REINVITE) {
		sip_wrong(s, i, "far side got an offer nobody made");
		return;
	}
	sip_check_sdp(s, i, true, sdp);
	if (first) {
		if (s->conf.hooks.peer)
			s->conf.hooks.peer(s->conf.hooks.u, i, true, sdp);
		return;
	}
	if (s->conf.change != CHANGE_PATH && !x->refuse)
		x->far_version++; /* our answer differs from our last one */
	s->n.far_requests++;
	*(invite ? &s->n.far_invites : &s->n.far_updates) += 1;
}

void far_input(struct sip_load *s, struct span msg, const struct sockaddr_storage *from)
{
	struct span who = text_angle(text_header(msg, "From"));
	uint32_t cseq = (uint32_t)text_digits(text_header(msg, "CSeq"));
	if (span_starts(msg, SPAN("SIP/2.0 ")))
		return;
	unsigned i = span_istarts(who, SPAN("sip:u")) ? (unsigned)text_digits(span_skip(who, 5)) : UINT32_MAX;
	if (i >= s->conf.sessions) {
		sip_wrong(s, 0, "far side got a request of nobody: %" SPAN_FMT, SPAN_ARG(who));
		return;
	}
	struct sess *x = &s->sess[i];
	bool invite = span_starts(msg, SPAN("INVITE ")), update = span_starts(msg, SPAN("UPDATE "));
	if (span_starts(msg, SPAN("ACK "))) {
		on_ack(s, i, cseq);
		return;
	}
	if (!is_next(s, i, msg, cseq))
		return;
	bool again = cseq == x->far_cseq, offer = (invite || update) && text_body(msg).n > 0;
	x->far_cseq = cseq;
	if (again && invite && x->far_answer) {
		send_copy(s, from, x->far_answer, x->far_answer_len);
		return;
	}
	if (offer && !again)
		on_offer(s, i, msg, invite);
	answer(s, i, msg, from, offer, invite);
	if (!span_starts(msg, SPAN("BYE ")) || again)
		return;
	if (x->op != OP_BYE) {
		struct span why = text_header(msg, "Reason");
		sip_wrong(s, i, "far side got a BYE nobody sent (%" SPAN_FMT ")", SPAN_ARG(why));
		x->dead = true;
	}
	x->far_ended = true;
	sip_close_if_done(s, i);
}
