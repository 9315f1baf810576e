/* SPDX-License-Identifier: MIT */
/*
 * The dialogs of the two sides, which are alike but for who began: requests, answers, ACKs, and their repeats (RFC 3261
 * 17.1, 13.3.1.4; UDP loses what a full socket buffer does not take).
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "storm.h"

enum { STORM_T1_NS = 500000000, STORM_T2_NS = 4000000000u, REPEATS_MAX = 12, COMPLAINTS_MAX = 25 };
#define BUSY_NS 5000000000u /* longer than T2, at which a 2xx is repeated */

static const char allow[] = "Allow: INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, MESSAGE, OPTIONS\r\n";

void storm_wrong(struct storm_session *x, const char *fmt, ...)
{
	va_list ap;
	if (x->s->wrong++ >= COMPLAINTS_MAX)
		return;
	fprintf(stderr, "parley-load: session %u (%s): ", x->i, storm_op_name(x->change.op));
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static const char *tag_of(const struct storm_session *x, unsigned side)
{
	static char tag[2][24];
	snprintf(tag[side], sizeof(tag[side]), "%c%u-%" PRIx32, side ? 'f' : 'c', x->i, x->s->run);
	return tag[side];
}

static void send_bytes(struct storm_session *x, unsigned side, const char *p, size_t n)
{
	struct udp *u = x->s->udp[side];
	memcpy(udp_begin(u, &x->s->conf.to), p, n);
	udp_end(u, n);
}

static void *again(void *p, size_t n)
{
	if (!(p = realloc(p, n)))
		load_die("out of memory");
	return p;
}

static void keep(struct storm_txn *t, const char *p, size_t n)
{
	t->bytes = again(t->bytes, n);
	memcpy(t->bytes, p, n);
	t->n = n;
	t->tries = 0;
	t->open = true;
}

/* Request line and the headers every request of the dialog carries. */
static void head(const struct storm_session *x, unsigned side, struct wbuf *w, const char *method,
		 uint32_t cseq, const char *branch_end)
{
	const struct storm_side *d = &x->side[side];
	const struct storm *s = x->s;
	const char *mine = side ? "far" : "u", *theirs = side ? "u" : "far";
	if (d->target[0])
		w_fmt(w, "%s %s SIP/2.0\r\n", method, d->target);
	else
		w_fmt(w, "%s sip:far%u@cf.example.net SIP/2.0\r\n", method, x->i);
	w_fmt(w, "Via: SIP/2.0/UDP %s:%u;branch=z9hG4bK%" PRIx32 ".%u.%u.%" PRIx32 "%s;rport\r\n",
	      s->conf.host, udp_port(s->udp[side]), s->run, x->i, side, cseq, branch_end);
	w_fmt(w, "Max-Forwards: 70\r\n%s", d->routes);
	w_fmt(w, "From: <sip:%s%u@example.%s>;tag=%s\r\n", mine, x->i, side ? "net" : "com", tag_of(x, side));
	w_fmt(w, "To: <sip:%s%u@example.%s>%s%s\r\n", theirs, x->i, side ? "com" : "net",
	      d->remote_tag[0] ? ";tag=" : "", d->remote_tag);
	w_fmt(w, "Call-ID: %s\r\nCSeq: %" PRIu32 " %s\r\n", d->call_id, cseq, method);
}

static void contact(const struct storm_session *x, unsigned side, struct wbuf *w)
{
	w_fmt(w, "Contact: <sip:%s%u@%s:%u>;+g.oma.sip-im\r\n%s", side ? "far" : "u", x->i, x->s->conf.host,
	      udp_port(x->s->udp[side]), allow);
}

static void body(struct wbuf *w, const char *sdp, size_t n)
{
	if (n)
		w_str(w, "Content-Type: application/sdp\r\n");
	w_fmt(w, "Content-Length: %zu\r\n\r\n", n);
	w_bytes(w, sdp, n);
}

static void request(struct storm_session *x, unsigned side, const char *method, bool with_sdp)
{
	struct storm_side *d = &x->side[side];
	char text[UDP_MSG], sdp[3072];
	struct wbuf w = wbuf_on(text, sizeof(text));
	bool invite = strcmp(method, "INVITE") == 0;
	head(x, side, &w, method, ++d->cseq, "");
	contact(x, side, &w);
	if (invite && !d->remote_tag[0])
		w_fmt(&w,
		      "Accept-Contact: *;+g.oma.sip-im;require;explicit\r\n"
		      "P-Asserted-Identity: <sip:u%u@example.com>\r\n",
		      x->i);
	body(&w, sdp, with_sdp ? storm_sdp(x, side, false, sdp, sizeof(sdp)) : 0);
	if (!w_ok(&w))
		load_die("a request is too long");
	d->asked.cseq = d->cseq;
	d->asked.invite = invite;
	d->asked.resend_ns = x->s->now + STORM_T1_NS;
	keep(&d->asked, text, w.n);
	send_bytes(x, side, text, w.n);
}

void storm_invite(struct storm_session *x)
{
	snprintf(x->side[0].call_id, sizeof(x->side[0].call_id), "%" PRIx32 "-%u@%s", x->s->run, x->i,
		 x->s->conf.host);
	request(x, 0, "INVITE", true);
}

void storm_offer(struct storm_session *x, unsigned side, bool invite)
{
	x->side[side].version++;
	request(x, side, invite ? "INVITE" : "UPDATE", true);
}

void storm_bye(struct storm_session *x)
{
	request(x, 0, "BYE", false);
}

bool storm_sip_idle(const struct storm_session *x)
{
	return !x->side[0].asked.open && !x->side[1].asked.open && !x->side[0].answered.open &&
	       !x->side[1].answered.open;
}

/* ---- answers received ---- */

static void send_ack(struct storm_session *x, unsigned side, uint32_t cseq, bool success)
{
	struct storm_side *d = &x->side[side];
	char text[2048];
	struct wbuf w = wbuf_on(text, sizeof(text));
	/* The ACK to a refusal is of its transaction, the ACK to a 2xx is one of its own (RFC 3261 17.1.1.3). */
	head(x, side, &w, "ACK", cseq, success ? "a" : "");
	w_str(&w, "Content-Length: 0\r\n\r\n");
	struct storm_ack *a = &d->ack[success];
	a->bytes = again(a->bytes, w.n);
	memcpy(a->bytes, text, w.n);
	a->n = w.n;
	a->cseq = cseq;
	send_bytes(x, side, text, w.n);
}

static void copy(char *to, size_t cap, struct span s)
{
	snprintf(to, cap, "%" SPAN_FMT, SPAN_ARG(s));
}

static void on_answer(struct storm_session *x, unsigned side, struct span msg)
{
	struct storm_side *d = &x->side[side];
	unsigned status = (unsigned)text_digits(span_skip(msg, 8));
	struct span cseq = text_header(msg, "CSeq"), target = text_angle(text_header(msg, "Contact"));
	uint32_t number = (uint32_t)text_digits(cseq);
	bool invite = cseq.n > 6 && memcmp(cseq.p + cseq.n - 6, "INVITE", 6) == 0;
	if (!d->asked.open || number != d->asked.cseq) {
		const struct storm_ack *a = &d->ack[status < 300];
		if (invite && status >= 200 && number == a->cseq) { /* its ACK was lost */
			send_bytes(x, side, a->bytes, a->n);
			x->s->acked_again++;
			x->busy_ns = 0;
		}
		return;
	}
	if (status < 200) {
		if (invite)
			d->asked.resend_ns = UINT64_MAX;
		return;
	}
	d->asked.open = false;
	if (status < 300 && invite && !d->remote_tag[0])
		copy(d->remote_tag, sizeof(d->remote_tag), text_param(text_header(msg, "To"), "tag"));
	if (status < 300 && target.n)
		copy(d->target, sizeof(d->target), target);
	if (invite)
		send_ack(x, side, number, status < 300);
	if (x->over) {
		x->s->n_over++;
		return;
	}
	if (status < 300)
		storm_take_sdp(x, side, true, text_body(msg));
	storm_changed(x, status);
}

/* ---- requests received ---- */

static void answer(struct storm_session *x, unsigned side, struct span req, const char *status, bool with_sdp,
		   bool invite)
{
	struct storm_side *d = &x->side[side];
	char text[UDP_MSG], sdp[3072];
	struct wbuf w = wbuf_on(text, sizeof(text));
	w_fmt(&w, "SIP/2.0 %s\r\n", status);
	struct span rest = req;
	span_split(&rest, '\n');
	while (rest.n) {
		struct span line = span_split(&rest, '\n');
		if (line.n <= 1)
			break;
		line = span_trim(line);
		bool to = span_istarts(line, SPAN("To:"));
		if (!to && !span_istarts(line, SPAN("Via:")) && !span_istarts(line, SPAN("From:")) &&
		    !span_istarts(line, SPAN("Call-ID:")) && !span_istarts(line, SPAN("CSeq:")) &&
		    !span_istarts(line, SPAN("Record-Route:")))
			continue;
		w_span(&w, line);
		if (to && !text_param(line, "tag").p)
			w_fmt(&w, ";tag=%s", tag_of(x, side));
		w_str(&w, "\r\n");
	}
	contact(x, side, &w);
	body(&w, sdp, with_sdp ? storm_sdp(x, side, true, sdp, sizeof(sdp)) : 0);
	if (!w_ok(&w))
		load_die("an answer is too long");
	d->last = again(d->last, w.n);
	memcpy(d->last, text, w.n);
	d->last_n = w.n;
	if (invite) { /* to be repeated until it is acknowledged */
		keep(&d->answered, text, w.n);
		d->answered.cseq = d->seen_cseq;
		d->answered.resend_ns = x->s->now + STORM_T1_NS;
	}
	send_bytes(x, side, text, w.n);
}

static void on_offer(struct storm_session *x, unsigned side, struct span msg, bool invite)
{
	struct storm_change *c = &x->change;
	bool ours = c->op != OP_IDLE && c->by != side && !c->answered;
	if (!ours) {
		/* The server's own: what we have is what we say. */
		struct storm_change kept = *c;
		c->op = OP_IDLE;
		answer(x, side, msg, "200 OK", true, invite);
		*c = kept;
		return;
	}
	c->answered = true;
	if (c->op == OP_REFUSED_HERE)
		storm_wrong(x, "an offer went through that the server had to refuse");
	if (c->op == OP_REFUSED_FAR) {
		answer(x, side, msg, "488 Not Acceptable Here", false, invite);
		return;
	}
	x->side[side].version++;
	answer(x, side, msg, "200 OK", true, invite);
	storm_take_sdp(x, side, false, text_body(msg));
}

static void on_request(struct storm_session *x, unsigned side, struct span msg)
{
	struct storm_side *d = &x->side[side];
	uint32_t cseq = (uint32_t)text_digits(text_header(msg, "CSeq"));
	struct span target = text_angle(text_header(msg, "Contact"));
	bool invite = span_starts(msg, SPAN("INVITE ")), update = span_starts(msg, SPAN("UPDATE "));
	if (span_starts(msg, SPAN("ACK "))) {
		if (cseq == d->answered.cseq)
			d->answered.open = false;
		return;
	}
	if (cseq == d->seen_cseq && d->last) {
		send_bytes(x, side, d->last, d->last_n);
		return;
	}
	if (!d->call_id[0]) {
		copy(d->call_id, sizeof(d->call_id), text_header(msg, "Call-ID"));
		copy(d->remote_tag, sizeof(d->remote_tag), text_param(text_header(msg, "From"), "tag"));
	}
	d->seen_cseq = cseq;
	if (target.n)
		copy(d->target, sizeof(d->target), target);
	if ((invite || update) && text_body(msg).n) {
		on_offer(x, side, msg, invite);
		return;
	}
	if (span_starts(msg, SPAN("BYE ")) && !x->over) {
		struct span why = text_header(msg, "Reason");
		storm_wrong(x, "side %u got a BYE nobody sent (%" SPAN_FMT ")", side, SPAN_ARG(why));
		x->up = false;
		x->over = true;
		x->s->n_over++;
	}
	answer(x, side, msg, invite ? "488 Not Acceptable Here" : "200 OK", false, invite);
}

/* ---- the sockets ---- */

/* Which session: by the tag of ours, or, in the INVITE that reaches the controlling side, by whom it is from. */
static struct storm_session *session_of(struct storm *s, unsigned side, struct span msg, bool response)
{
	struct span tag = text_param(text_header(msg, response ? "From" : "To"), "tag");
	struct span from = text_angle(text_header(msg, "From"));
	unsigned i = UINT32_MAX;
	if (tag.n > 2 && tag.p[0] == (side ? 'f' : 'c')) {
		size_t dash = span_chr(tag, '-');
		if (dash != SPAN_NONE && strtoul(tag.p + dash + 1, NULL, 16) == s->run)
			i = (unsigned)text_digits(span_skip(tag, 1));
	} else if (side && !response && !tag.p && span_starts(from, SPAN("sip:u"))) {
		i = (unsigned)text_digits(span_skip(from, 5));
	}
	return i < s->conf.sessions ? &s->session[i] : NULL;
}

void storm_sip_poll(struct storm *s)
{
	for (unsigned side = 0; side < 2; side++) {
		const struct sockaddr_storage *from;
		for (unsigned n; (n = udp_recv(s->udp[side])) > 0;) {
			for (unsigned k = 0; k < n; k++) {
				struct span msg = udp_msg(s->udp[side], k, &from);
				bool response = span_starts(msg, SPAN("SIP/2.0 "));
				struct storm_session *x = session_of(s, side, msg, response);
				if (x && response)
					on_answer(x, side, msg);
				else if (x)
					on_request(x, side, msg);
			}
		}
	}
	udp_flush(s->udp[0]);
	udp_flush(s->udp[1]);
}

static void repeat(struct storm_session *x, unsigned side, struct storm_txn *t)
{
	if (!t->open || x->s->now < t->resend_ns)
		return;
	if (++t->tries > REPEATS_MAX) {
		storm_wrong(x, "side %u: no %s", side, t == &x->side[side].asked ? "answer" : "ACK");
		t->open = false;
		x->up = false;
		if (!x->over)
			x->s->n_over++;
		x->over = true;
		return;
	}
	uint64_t wait = (uint64_t)STORM_T1_NS << (t->tries < 4 ? t->tries : 3);
	t->resend_ns = x->s->now + (wait < STORM_T2_NS ? wait : STORM_T2_NS);
	x->s->resent++;
	send_bytes(x, side, t->bytes, t->n);
}

void storm_sip_tick(struct storm *s)
{
	for (unsigned i = 0; i < s->conf.sessions; i++) {
		struct storm_session *x = &s->session[i];
		if (x->busy_ns && s->now - x->busy_ns > BUSY_NS) {
			storm_wrong(x, "the server is busy with nothing we know of");
			x->busy_ns = 0;
		}
		for (unsigned side = 0; side < 2; side++) {
			repeat(x, side, &x->side[side].asked);
			repeat(x, side, &x->side[side].answered);
		}
	}
	udp_flush(s->udp[0]);
	udp_flush(s->udp[1]);
}

void storm_sip_finish(struct storm_session *x)
{
	for (unsigned side = 0; side < 2; side++) {
		free(x->side[side].asked.bytes);
		free(x->side[side].answered.bytes);
		free(x->side[side].last);
		free(x->side[side].ack[0].bytes);
		free(x->side[side].ack[1].bytes);
	}
}
