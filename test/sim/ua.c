/* SPDX-License-Identifier: MIT */
/* A peer's transactions: RFC 3261 17 in small, enough to be a correct neighbour on a bad network. */
#include <stdlib.h>
#include <stdio.h>

#include "sim.h"

enum { T1_US = 500000, T2_US = 4000000 };

struct ua *sess_ua(struct sess *s, unsigned i)
{
	if (i < 2)
		return &s->ua[i];
	return i - 2 < s->n_forks ? s->fork[i - 2] : NULL;
}

/* Up, and not hung up on. */
static bool in_session(const struct ua *ua)
{
	return ua->up && !ua->over && !ua->server_ended;
}

struct ua *sess_partner(struct sess *s, enum side side)
{
	struct ua *ua = &s->ua[side];
	for (unsigned i = 2; !in_session(ua) && sess_ua(s, i); i++)
		if (sess_ua(s, i)->side == side && in_session(sess_ua(s, i)))
			ua = sess_ua(s, i);
	return ua;
}

bool ua_lists(const struct wire *m, const char *header, const char *tag)
{
	for (unsigned i = 0; wire_hdr(m, header, i).p; i++)
		if (wire_lists(wire_hdr(m, header, i), span_of(tag)))
			return true;
	return false;
}

void ua_supports(struct ua *ua, const char *tag)
{
	size_t n = strlen(ua->p.supported);
	snprintf(ua->p.supported + n, sizeof(ua->p.supported) - n, n ? ", %s" : "%s", tag);
}

void ua_init(struct ua *ua, struct sess *s, enum side side, unsigned fork)
{
	static const char *const names[2][FORKS + 1] = { { "client", "clientx", "clienty" },
							 { "cf", "cfx", "cfy" } };
	char host[32];
	*ua = (struct ua){ .sim = s->sim, .s = s, .side = side };
	/* every peer lives at an address of its own: sessions with one MSRP address share a connection */
	snprintf(host, sizeof(host), "10.%u.%u.%u", 2 * fork + (side == SIDE_A ? 1 : 2), s->id / 250,
		 s->id % 250 + 1);
	pup_init(&ua->p, names[side][fork], host, (uint16_t)(10000 + s->id));
	ua->p.n_calls = s->id * 100;
	ua->p.n_branches = s->id * 100000 + (side == SIDE_A ? 0 : 50000);
	snprintf(ua->p.uri, sizeof(ua->p.uri),
		 side == SIDE_A ? "sip:alice%u@example.com" : "sip:bob%u@example.net", s->id);
	snprintf(ua->p.far_uri, sizeof(ua->p.far_uri),
		 side == SIDE_A ? "sip:bob%u@example.net" : "sip:alice%u@example.com", s->id);
	snprintf(ua->p.routes, sizeof(ua->p.routes), "<sip:192.0.2.1:5060;lr>, <sip:odi@10.%u.%u.%u:%u;lr>",
		 side == SIDE_A ? 2 : 1, s->id / 250, s->id % 250 + 1, 10000 + s->id);
	if (chance(s->sim, s->sim->f.no_update))
		snprintf(ua->p.allow, sizeof(ua->p.allow),
			 "INVITE, ACK, CANCEL, BYE, PRACK, OPTIONS, INFO, MESSAGE");
	snprintf(ua->p.setup_pref, sizeof(ua->p.setup_pref), chance(s->sim, 500) ? "active" : "passive");
	ua->lint.gaps = s->sim->f.oom != 0;
	ua->lint.free_origin = s->sim->w.conf.mode == IM_UNANCHORED;
	pup_dialog_init(&ua->p, &ua->d, "1");
	snprintf(ua->d.local_tag, sizeof(ua->d.local_tag), "%s-t%u", ua->p.name, s->id);
	snprintf(ua->d.sdp.who, sizeof(ua->d.sdp.who), "%s%u%.1s", side == SIDE_A ? "a" : "b", s->id,
		 &"\0xy"[fork]);
	snprintf(ua->d.sdp.line[0].fp, sizeof(ua->d.sdp.line[0].fp), "%s", media_cert(ua));
	if (s->sim->w.conf.plane.cpim_adapt) /* one takes envelopes only, the other none */
		plan_unequal(ua);
	snprintf(ua->d.sdp.line[0].session, sizeof(ua->d.sdp.line[0].session), "%s-s0", ua->d.sdp.who);
	timer_plan(ua);
	rel_plan(ua);
	for (unsigned i = 0; i < LINES; i++)
		ua->line[i].conn = -1;
}

static void call_free(struct call *c)
{
	unsigned serial = c->serial;
	free(c->bytes);
	free(c->ack);
	*c = (struct call){ .serial = serial };
}

void ua_finish(struct ua *ua)
{
	for (unsigned i = 0; i < CALLS; i++)
		call_free(&ua->call[i]);
	for (unsigned i = 0; i < CONNS; i++)
		free(ua->conn[i].in);
	free(ua->ok);
	free(ua->far_ack);
	free(ua->no);
	rel_finish(ua);
	pup_dialog_finish(&ua->d);
	lint_finish(&ua->lint);
}

void ua_over(struct ua *ua)
{
	if (ua->over)
		return;
	ua->over = true;
	ua->accepted = false;
	sim_trace(ua->sim, "%s%u is over", ua->p.name, ua->s->id);
	media_close_all(ua);
}

bool ua_busy(const struct ua *ua)
{
	for (unsigned i = 0; i < CALLS; i++)
		if (ua->call[i].used && !ua->call[i].done && (ua->call[i].invite || ua->call[i].offer))
			return true;
	return ua->offer_out || ua->offer_in || ua->accepted || ua->asked_to_offer;
}

bool ua_owes(const struct ua *ua)
{
	for (unsigned i = 0; i < PUP_KEPT; i++) {
		const struct pup_kept *k = &ua->d.kept[i];
		if (k->raw && !k->answered &&
		    (span_eq(k->m.method, SPAN("INVITE")) || span_eq(k->m.method, SPAN("UPDATE"))))
			return true;
	}
	return false;
}

static struct span copy(struct span s)
{
	return (struct span){ span_dup(s), s.n };
}

static void forget(struct ua *ua, struct call *c);

/* Retransmission, and the end of a transaction (Timers A, B, E, F and the memory of a 2xx). */
static void on_timer(struct world *w, void *arg, uint64_t n)
{
	struct ua *ua = arg;
	struct call *c = &ua->call[n & 0xff];
	uint64_t now = w->now_us;
	if (!c->used || c->serial != n >> 8)
		return;
	if (now >= c->began_us + 64ull * T1_US) {
		bool dead = !c->done && !ua->over && strcmp(c->method, "BYE") != 0;
		if (!c->done && c->invite &&
		    c->provisional) { /* it rings: nothing to repeat, but not for ever */
			if (now < c->began_us + 240 * US_PER_S) {
				world_at(w, now + 5 * US_PER_S, on_timer, ua, n);
				return;
			}
		}
		forget(ua, c);
		if (dead &&
		    ua->up) /* no answer at all: this peer takes its dialog as dead (RFC 3261 12.2.1.2) */
			ua_send(ua, "BYE", NULL, NULL), ua_over(ua);
		else if (dead)
			ua_over(ua);
		return;
	}
	if (!c->done && !ua->crashed && !(c->invite && c->provisional)) {
		net_up(ua, (struct span){ c->bytes, c->n }, c, false);
		c->interval_us = c->invite || c->interval_us * 2 < T2_US ? c->interval_us * 2 : T2_US;
	}
	uint64_t next = c->done || (c->invite && c->provisional) ? 5 * US_PER_S : c->interval_us;
	world_at(w, now + next, on_timer, ua, n);
}

static void forget(struct ua *ua, struct call *c)
{
	if (c->offer && !c->done) {
		ua->offer_out = false;
		memcpy(ua->d.sdp.line, ua->before.line, sizeof(ua->before.line));
		ua->d.sdp.n = ua->before.n;
	}
	if (c->delivered && !c->answered && ua->sim->f.oom == 0 && strcmp(c->method, "ACK") != 0 &&
	    ua->sim->w.now_us >= c->began_us + 64ull * T1_US && !(c->invite && !ua->d.remote_tag[0]))
		sim_fail(ua->sim, "%s%u: %s %u reached the server and got no final answer", ua->p.name,
			 ua->s->id, c->method, c->cseq);
	call_free(c);
}

unsigned ua_contact_of(const struct ua *ua, struct span uri)
{
	size_t n = strlen("sip:") + strlen(ua->p.name);
	bool numbered = uri.n > n && uri.p[n] == '-';
	return numbered ? (unsigned)wire_u64(span_skip(uri, n + 1)) : 0;
}

struct call *ua_send(struct ua *ua, const char *method, const char *sdp, const char *extra)
{
	static char out[PUP_MSG_MAX], text[8192];
	struct room room = { .n = 0 };
	struct pup_opts o = { 0 };
	struct call *c = NULL;
	const char *why = "";
	char bad[64];
	bool ask = strcmp(method, "INFO") == 0 || strcmp(method, "MESSAGE") == 0 ||
		   strcmp(method, "OPTIONS") == 0;
	for (unsigned i = 0; i < CALLS && c == NULL; i++)
		if (!ua->call[i].used)
			c = &ua->call[i];
	if (c == NULL || ua->crashed)
		return NULL;
	o.initial = strcmp(method, "INVITE") == 0 && ua->d.remote_tag[0] == 0;
	*c = (struct call){ .used = true, .serial = ++ua->serial, .contact = ua->contact };
	c->asked = ask ? ++ua->sim->n_asked : 0;
	snprintf(c->method, sizeof(c->method), "%s", method);
	c->invite = strcmp(method, "INVITE") == 0;
	if (ask)
		room_add(&room, SPAN("X-Ask"), "%u", c->asked);
	if (o.initial) {
		room_add(&room, SPAN("X-Session"), "%u", ua->s->id);
		rel_require(ua, &room);
	}
	if (c->invite || strcmp(method, "UPDATE") == 0)
		timer_ask(ua, c, &room);
	o.edit = room.edit;
	o.n_edit = room.n;
	struct wbuf w = wbuf_on(text, sizeof(text));
	if (sdp) {
		ua->before = ua->d.sdp;
		if (!psdp_apply(&ua->d.sdp, sdp, bad))
			abort();
		psdp_write(&ua->d.sdp, &w, true);
		o.body = w_span_of(&w);
		c->offer = ua->offer_out = true, c->lines = ua->d.sdp.n;
	} else if (strcmp(method, "PRACK") == 0 && ua->prack_answers.n) {
		for (unsigned i = 0; i < ua->d.sdp.n; i++)
			memcpy(ua->d.sdp.line[i].dir, ua->wish[i], sizeof(ua->wish[i]));
		psdp_answer_to(&ua->d.sdp, ua->prack_answers);
		psdp_write(&ua->d.sdp, &w, false);
		o.body = w_span_of(&w);
	} else if (extra) {
		o.body = span_of(extra);
		o.ctype = SPAN("text/plain");
	}
	struct span bytes = pup_request(&ua->p, &ua->d, method, &o, out, &why);
	struct wire m;
	if (!wire_read(&m, bytes))
		abort();
	c->cseq = m.cseq;
	c->offerless = c->invite && sdp == NULL;
	c->bytes = (char *)copy(bytes).p;
	c->n = bytes.n;
	c->began_us = ua->sim->w.now_us;
	c->interval_us = T1_US;
	sim_trace(ua->sim, "%s%u > as %s cseq=%u%s%s", ua->p.name, ua->s->id, method, c->cseq,
		  sdp ? " sdp=" : "", sdp ? sdp : "");
	net_up(ua, bytes, c, false);
	world_at(&ua->sim->w, c->began_us + T1_US, on_timer, ua,
		 (uint64_t)(c - ua->call) | (uint64_t)c->serial << 8);
	return c;
}

/* ---- answers to our requests ---- */

static void send_ack(struct ua *ua, struct call *c, const struct wire *m)
{
	static char out[PUP_MSG_MAX], text[8192];
	struct pup_opts o = { .cseq = c->cseq };
	struct wbuf w = wbuf_on(text, sizeof(text));
	const char *why = "";
	if (c->ack) { /* the same once more */
		net_up(ua, (struct span){ c->ack, c->n_ack }, NULL, false);
		return;
	}
	bool answers = c->offerless && m->status < 300 && m->body.n;
	if (answers) {
		for (unsigned i = 0; i < ua->d.sdp.n; i++)
			memcpy(ua->d.sdp.line[i].dir, ua->wish[i], sizeof(ua->wish[i]));
		psdp_answer_to(&ua->d.sdp, m->body);
		psdp_write(&ua->d.sdp, &w, false);
		o.body = w_span_of(&w);
		ua->offer_in = false;
	}
	struct span ack = pup_request(&ua->p, &ua->d, "ACK", &o, out, &why);
	c->ack = (char *)copy(ack).p;
	c->n_ack = ack.n;
	net_up(ua, ack, NULL, false);
	sim_trace(ua->sim, "%s%u > as ACK cseq=%u", ua->p.name, ua->s->id, c->cseq);
	if (answers)
		media_commit(ua, m->body, false);
}

static void send_cancel(struct ua *ua, struct call *c)
{
	if (c->cancel_sent || c->done)
		return;
	c->cancel_sent = true;
	ua_send(ua, "CANCEL", NULL, NULL);
}

static void accepted(struct ua *ua, struct call *c, const struct wire *m)
{
	const struct early *e = c->invite && !ua->up ? rel_of(ua, m) : NULL;
	struct span sdp = m->body;
	if (e &&
	    e->sdp) { /* the exchange is over: what the 2xx says of it is of no interest (RFC 6337 3.1.1) */
		sdp = span_of(e->sdp);
		if (c->offerless && m->body.n)
			sim_fail(ua->sim, "%s%u: another offer in the 2xx to %u", ua->p.name, ua->s->id,
				 c->cseq);
	}
	if (c->offer) {
		ua->offer_out = false;
		if (sdp.n == 0)
			sim_fail(ua->sim, "%s%u: 2xx to %s %u without the answer to its offer", ua->p.name,
				 ua->s->id, c->method, c->cseq);
		if (wire_n_media(sdp) != c->lines)
			sim_fail(ua->sim, "%s%u: the answer to %s %u has %u lines, not %u", ua->p.name,
				 ua->s->id, c->method, c->cseq, wire_n_media(sdp), c->lines);
		/* lost, and repeated when a later offer has its answer already: of no use any more */
		if (c->lines == ua->d.sdp.n)
			media_commit(ua, sdp, true);
	}
	if (c->offerless && e && e->sdp)
		media_commit(ua, sdp, false);
	if (c->offerless && sdp.n == 0)
		sim_fail(ua->sim, "%s%u: 2xx to the offerless INVITE %u without an offer", ua->p.name,
			 ua->s->id, c->cseq);
	if (c->invite)
		send_ack(ua, c, m);
	if (c->invite || strcmp(c->method, "UPDATE") == 0)
		timer_given(ua, c, m);
	if (c->invite && !ua->up) {
		ua->up = true;
		plan_next(ua);
	}
}

static void refused(struct ua *ua, struct call *c, const struct wire *m)
{
	struct sim *sim = ua->sim;
	if (c->offer) {
		ua->offer_out = false;
		memcpy(ua->d.sdp.line, ua->before.line, sizeof(ua->before.line));
		ua->d.sdp.n = ua->before.n;
	}
	if (c->invite)
		send_ack(ua, c, m);
	if (m->status == 422 && ua->timer.least_s == 0)
		plan_longer(ua, c, (unsigned)wire_u64(wire_hdr(m, "Min-SE", 0)));
	else if (c->invite && !ua->up)
		ua_over(ua);
	else if ((m->status == 481 || m->status == 408) && ua->up && !ua->over &&
		 (c->invite || strcmp(c->method, "UPDATE") == 0))
		ua_send(ua, "BYE", NULL, NULL), ua_over(ua);
	else if (m->status == 491)
		plan_retry(ua, between(sim, 0, 4000) * US_PER_MS);
	else if (m->status == 500 && wire_hdr(m, "Retry-After", 0).p)
		plan_retry(ua, wire_u64(wire_hdr(m, "Retry-After", 0)) * US_PER_S);
}

static void response(struct ua *ua, const struct wire *m)
{
	for (unsigned i = 0; i < CALLS; i++) {
		struct call *c = &ua->call[i];
		if (!c->used || c->cseq != m->cseq || !span_eq(span_of(c->method), m->method))
			continue;
		if (m->status < 200) {
			c->provisional = true;
			if (c->invite && !c->done)
				rel_got(ua, c, m);
			if (c->canceled && c->invite)
				send_cancel(ua, c);
			return;
		}
		if (c->done) {
			if (c->invite)
				send_ack(ua, c, m);
			return;
		}
		c->done = true;
		struct span echo = wire_hdr(m, "X-Echo", 0);
		if (echo.p && wire_u64(echo) != c->asked)
			sim_fail(ua->sim, "%s%u: %s %u got the answer to another request", ua->p.name,
				 ua->s->id, c->method, c->cseq);
		if (m->status < 300)
			accepted(ua, c, m);
		else
			refused(ua, c, m);
		return;
	}
}

static void again(struct ua *ua, const struct wire *m)
{
	struct span branch = wire_param(wire_hdr(m, "Via", 0), "branch");
	for (unsigned i = ua->d.n_sent, seen = 0; i-- > 0 && seen < PUP_KEPT; seen++) {
		struct pup_kept *k = &ua->d.sent[i % PUP_KEPT];
		if (k->raw && !k->m.request && k->m.cseq == m->cseq && span_eq(k->m.method, m->method) &&
		    span_eq(wire_param(wire_hdr(&k->m, "Via", 0), "branch"), branch)) {
			net_up(ua, (struct span){ k->raw, k->n }, NULL, false);
			return;
		}
	}
}

static bool known(const struct ua *ua, const struct wire *m)
{
	for (unsigned i = 0; i < PUP_KEPT; i++)
		if (ua->d.kept[i].raw && span_eq((struct span){ ua->d.kept[i].raw, ua->d.kept[i].n }, m->raw))
			return true;
	return false;
}

void ua_input(struct ua *ua, const struct wire *m, const struct sip_src *src)
{
	if (m->request && span_eq(m->method, SPAN("ACK"))) {
		answer_ack(ua, m);
		return;
	}
	if (m->request && known(ua, m)) {
		again(ua, m);
		return;
	}
	if (m->request) {
		/* the Call-ID was put there when it left; the rest is learnt now */
		char id[128];
		memcpy(id, ua->d.call_id, sizeof(id));
		if (ua->d.remote_tag[0] == 0)
			ua->d.call_id[0] = 0;
		pup_learn(&ua->p, &ua->d, m, src);
		memcpy(ua->d.call_id, id, sizeof(id));
		answer_request(ua, m);
		return;
	}
	pup_learn(&ua->p, &ua->d, m, src);
	response(ua, m);
}
