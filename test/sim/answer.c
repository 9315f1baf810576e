/* SPDX-License-Identifier: MIT */
/* What a peer answers, and when: mostly 200, sometimes late, sometimes no, sometimes nonsense, sometimes nothing. */
#include <stdlib.h>
#include <stdio.h>

#include "sim.h"

enum { T1_US = 500000, T2_US = 4000000 };

static void on_ok_again(struct world *w, void *arg, uint64_t n)
{
	struct ua *ua = arg;
	if (!ua->accepted || ua->ok_serial != n || ua->crashed)
		return;
	if (w->now_us >= ua->ok_since_us + 64ull * T1_US) { /* no ACK: the dialog ends (RFC 3261 13.3.1.4) */
		if (ua->ok_delivered && ua->sim->f.oom == 0 && ua->far_ack == NULL)
			sim_fail(ua->sim,
				 "%s%u: its 2xx to INVITE %u reached the server and was never acknowledged",
				 ua->p.name, ua->s->id, ua->accepted_cseq);
		ua->accepted = false;
		if (!ua->over)
			ua_send(ua, "BYE", NULL, NULL), ua_over(ua);
		return;
	}
	net_up(ua, (struct span){ ua->ok, ua->n_ok }, NULL, true);
	ua->ok_interval_us = ua->ok_interval_us * 2 < T2_US ? ua->ok_interval_us * 2 : T2_US;
	world_at(w, w->now_us + ua->ok_interval_us, on_ok_again, ua, n);
}

static void on_no_again(struct world *w, void *arg, uint64_t n)
{
	struct ua *ua = arg;
	if (ua->no_cseq == 0 || ua->no_serial != n || ua->crashed ||
	    w->now_us >= ua->no_since_us + 64ull * T1_US)
		return;
	net_up(ua, (struct span){ ua->no, ua->n_no }, NULL, false);
	ua->no_interval_us = ua->no_interval_us * 2 < T2_US ? ua->no_interval_us * 2 : T2_US;
	world_at(w, w->now_us + ua->no_interval_us, on_no_again, ua, n);
}

static void keep_no(struct ua *ua, struct span bytes, uint32_t cseq)
{
	free(ua->no);
	ua->no = span_dup(bytes);
	ua->n_no = bytes.n;
	ua->no_cseq = cseq;
	ua->no_since_us = ua->sim->w.now_us;
	ua->no_interval_us = T1_US;
	ua->no_serial++;
	world_at(&ua->sim->w, ua->no_since_us + T1_US, on_no_again, ua, ua->no_serial);
}

static void keep_ok(struct ua *ua, struct span bytes, uint32_t cseq, bool offer)
{
	free(ua->ok);
	free(ua->far_ack);
	ua->far_ack = NULL;
	ua->ok = span_dup(bytes);
	ua->n_ok = bytes.n;
	ua->accepted = true;
	ua->accepted_offer = offer;
	ua->accepted_cseq = cseq;
	ua->ok_since_us = ua->sim->w.now_us;
	ua->ok_interval_us = T1_US;
	ua->ok_delivered = false;
	ua->ok_serial++;
	world_at(&ua->sim->w, ua->ok_since_us + T1_US, on_ok_again, ua, ua->ok_serial);
}

/* sdp: words ("answer", "answer,nopath", "offer"), NULL: no body. */
void answer_send(struct ua *ua, const char *method, uint32_t cseq, unsigned status, const char *sdp)
{
	static char out[PUP_MSG_MAX], text[8192];
	struct pup_opts o = { .cseq = cseq };
	struct pup_kept *k = pup_pending(&ua->d, method, cseq);
	struct wbuf w = wbuf_on(text, sizeof(text));
	struct sip_src back;
	struct room room = { .n = 0 };
	const char *why = "";
	char bad[64];
	bool offer = sdp && strcmp(sdp, "offer") == 0;
	struct psdp before = ua->d.sdp;
	if (k == NULL || ua->crashed)
		return;
	if (strcmp(method, "INVITE") == 0 && !fork_out(ua, status)) {
		k->answered = true;
		ua->far_offer = ua->offer_in = ua->asked_to_offer = false;
		ua_over(ua);
		return;
	}
	if (wire_hdr(&k->m, "X-Ask", 0).p)
		room_add(&room, SPAN("X-Echo"), "%u", (unsigned)wire_u64(wire_hdr(&k->m, "X-Ask", 0)));
	if (status / 100 == 2 && (strcmp(method, "INVITE") == 0 || strcmp(method, "UPDATE") == 0))
		timer_give(ua, &k->m, &room);
	if (status == 422)
		room_add(&room, SPAN("Min-SE"), "%u", ua->timer.told_s = ua->timer.min_s);
	o.edit = room.edit;
	o.n_edit = room.n;
	if (sdp && !offer) {
		for (unsigned i = 0; i < ua->d.sdp.n; i++)
			memcpy(ua->d.sdp.line[i].dir, ua->wish[i], sizeof(ua->wish[i]));
		psdp_answer_to(&ua->d.sdp, k->m.body);
		if (!psdp_apply(&ua->d.sdp, sdp, bad))
			abort();
	}
	bool reliable = false;
	if (status > 100 && status < 200 && strcmp(method, "INVITE") == 0) {
		if (!rel_may_ring(ua, &k->m, &reliable))
			return;
		if (!reliable && sdp && offer)
			return; /* an offer may only be made reliably */
		o.rseq = reliable ? ++ua->reliable.rseq : 0;
	}
	if (sdp)
		psdp_write(&ua->d.sdp, &w, offer);
	o.body = w_span_of(&w);
	if (sdp && strstr(sdp, "nopath")) /* that was a slip of the tongue */
		for (unsigned i = 0; i < before.n; i++) {
			memcpy(before.line[i].proto, ua->d.sdp.line[i].proto, sizeof(before.line[i].proto));
			ua->d.sdp.line[i] = before.line[i];
		}
	struct span bytes = pup_response(&ua->p, &ua->d, method, status, &o, out, &back, &why);
	bool ok = status >= 200 && status < 300 && strcmp(method, "INVITE") == 0;
	sim_trace(ua->sim, "%s%u > as %u %s cseq=%u%s%s", ua->p.name, ua->s->id, status, method, cseq,
		  sdp ? " sdp=" : "", sdp ? sdp : "");
	if (ok)
		keep_ok(ua, bytes, cseq, offer);
	if (status >= 300 && strcmp(method, "INVITE") == 0)
		keep_no(ua, bytes, cseq);
	net_up(ua, bytes, NULL, ok);
	if (reliable) {
		rel_rang(ua, &k->m, bytes, offer);
		if (sdp && !offer) {
			ua->offer_in = false;
			media_commit(ua, k->m.body, false);
		}
		ua->offer_out |= sdp && offer;
	}
	if (status < 200)
		return;
	if (strcmp(method, "INVITE") == 0)
		ua->asked_to_offer = false;
	if (ok && !ua->up) {
		ua->up = true;
		plan_next(ua);
	}
	if (sdp && status < 300 && !offer) {
		ua->offer_in = false;
		media_commit(ua, k->m.body, false);
	} else if (status >= 300) {
		ua->offer_in = false;
	}
	if (offer)
		ua->offer_out = true;
	if (status >= 300 && status != 422 && !ua->up && strcmp(method, "INVITE") == 0)
		ua_over(ua); /* after a 422 it is called again */
}

struct due { /* an answer that takes its time */
	struct ua *ua;
	uint32_t cseq;
	unsigned status;
	char method[16], sdp[128];
	bool has_sdp;
};

static void on_due(struct world *w, void *arg, uint64_t n)
{
	struct due *d = arg;
	struct pup_kept *k = pup_pending(&d->ua->d, d->method, d->cseq);
	bool invite = strcmp(d->method, "INVITE") == 0;
	bool gone = d->ua->over || d->ua->crashed;
	if (k && !k->answered && invite && d->status / 100 == 2 && !gone && rel_holds(d->ua, d->cseq)) {
		world_at(w, w->now_us + 100 * US_PER_MS, on_due, d, 0);
		return;
	}
	bool said = invite && d->ua->reliable.done_cseq == d->cseq;
	if (said && d->ua->up && d->status >= 300) { /* what is in force cannot be refused (RFC 6141 3.3) */
		d->status = 200;
		world_at(w, w->now_us, on_due, d, 0);
		return;
	}
	if (said && d->status / 100 == 2)
		d->has_sdp = false;
	if (k && !k->answered && (!d->ua->over || d->status >= 300))
		answer_send(d->ua, d->method, d->cseq, d->status, d->has_sdp ? d->sdp : NULL);
	free(d);
}

static void later(struct ua *ua, const struct wire *m, uint64_t delay_us, unsigned status, const char *sdp)
{
	struct due *d = calloc(1, sizeof(*d));
	if (d == NULL)
		abort();
	d->ua = ua;
	d->cseq = m->cseq;
	d->status = status;
	d->has_sdp = sdp != NULL;
	snprintf(d->method, sizeof(d->method), "%" SPAN_FMT, SPAN_ARG(m->method));
	snprintf(d->sdp, sizeof(d->sdp), "%s", sdp ? sdp : "");
	world_at(&ua->sim->w, ua->sim->w.now_us + delay_us, on_due, d, 0);
}

static uint64_t thinking(struct sim *sim)
{
	if (sim->healed)
		return 1000;
	return chance(sim, sim->f.late) ? between(sim, 1, 40000) * US_PER_MS
					: between(sim, 0, 300) * US_PER_MS;
}

static unsigned refusal(struct sim *sim, bool update)
{
	static const unsigned codes[] = { 400, 403, 408, 480, 481, 486, 488, 491,
					  500, 503, 603, 404, 415, 302, 504 };
	if (update && chance(sim, 300))
		return chance(sim, 500) ? 405 : 501;
	return codes[rng_below(&sim->rng, ARRAY_LEN(codes))];
}

/* An answer that can be used. */
static const char *words_of(struct ua *ua)
{
	static char words[128];
	snprintf(words, sizeof(words), chance(ua->sim, 200) ? "answer,path" : "answer");
	plan_extra(ua, false, words, sizeof(words));
	return words;
}

static void answer_modification(struct ua *ua, const struct wire *m)
{
	struct sim *sim = ua->sim;
	bool invite = span_eq(m->method, SPAN("INVITE")), offer = m->body.n != 0;
	const char *sdp = offer ? "answer" : invite ? "offer" : NULL;
	if (ua->over) {
		later(ua, m, 0, 481, NULL);
		return;
	}
	if ((offer || invite) && (ua->offer_out || (ua->up && ua_busy(ua)))) {
		later(ua, m, 0, ua->offer_in || ua->accepted ? 500 : 491, NULL);
		return;
	}
	if (timer_too_short(ua, m)) {
		later(ua, m, 0, 422, NULL);
		return;
	}
	if (offer)
		ua->offer_in = true;
	else if (invite)
		ua->asked_to_offer = true;
	if (!sim->healed && chance(sim, sim->f.silent))
		return;
	uint64_t t = thinking(sim);
	if (invite && chance(sim, 300) && t > 2000)
		later(ua, m, t / 2, 180, NULL);
	else if (invite && chance(sim, 500) && t > 2000)
		later(ua, m, t / 3, 183, sdp);
	if (!sim->healed && chance(sim, sim->f.refuse))
		later(ua, m, t, refusal(sim, !invite), NULL);
	else if (offer && !sim->healed && chance(sim, sim->f.bad_answer))
		later(ua, m, t, 200, chance(sim, 500) ? "answer,nopath" : NULL);
	else
		later(ua, m, t, 200, offer ? words_of(ua) : sdp);
}

static void answer_cancel(struct ua *ua, const struct wire *m)
{
	if (ua == &ua->s->ua[ua->side]) /* of several devices' the proxy passes one back */
		answer_send(ua, "CANCEL", m->cseq, 200, NULL);
	struct pup_kept *k = pup_pending(&ua->d, "INVITE", m->cseq);
	bool said = ua->up && ua->reliable.done_cseq == m->cseq; /* RFC 6141 3.3: then it ends in 2xx */
	if (k && !k->answered && !said)
		answer_send(ua, "INVITE", m->cseq, 487, NULL);
}

void answer_request(struct ua *ua, const struct wire *m)
{
	if (span_eq(m->method, SPAN("INVITE")) || span_eq(m->method, SPAN("UPDATE"))) {
		answer_modification(ua, m);
	} else if (span_eq(m->method, SPAN("PRACK"))) {
		rel_prack(ua, m);
	} else if (span_eq(m->method, SPAN("CANCEL"))) {
		answer_cancel(ua, m);
	} else if (span_eq(m->method, SPAN("BYE"))) {
		struct pup_kept *k = pup_pending(&ua->d, "INVITE", 0);
		answer_send(ua, "BYE", m->cseq, 200, NULL);
		if (k && !k->answered)
			answer_send(ua, "INVITE", k->m.cseq, 487, NULL);
		ua_over(ua);
	} else {
		char method[16];
		snprintf(method, sizeof(method), "%" SPAN_FMT, SPAN_ARG(m->method));
		answer_send(ua, method, m->cseq, 200, NULL);
	}
}

void answer_ack(struct ua *ua, const struct wire *m)
{
	if (m->cseq == ua->no_cseq)
		ua->no_cseq = 0;
	if (!ua->accepted || m->cseq != ua->accepted_cseq)
		return;
	ua->accepted = false;
	ua->acked = true;
	if (!ua->accepted_offer)
		return;
	ua->offer_out = false;
	if (m->body.n == 0) {
		sim_fail(ua->sim, "%s%u: ACK %u lacks the answer to its offer", ua->p.name, ua->s->id,
			 m->cseq);
		return;
	}
	struct sip_src src = { 0 };
	pup_learn(&ua->p, &ua->d, m, &src);
	media_commit(ua, m->body, true);
}
