/* SPDX-License-Identifier: MIT */
/* What peers do by themselves: call, change the session, talk, hang up, vanish. */
#include <stdarg.h>
#include <stdio.h>

#include "sim.h"

static void on_action(struct world *w, void *arg, uint64_t n);

void plan_next(struct ua *ua)
{
	struct sim *sim = ua->sim;
	ua->n_actions++;
	world_at(&sim->w, sim->w.now_us + between(sim, 20, ua->s->pace_ms) * US_PER_MS, on_action, ua,
		 ua->n_actions);
}

void plan_retry(struct ua *ua, uint64_t delay_us)
{
	ua->n_actions++;
	world_at(&ua->sim->w, ua->sim->w.now_us + delay_us, on_action, ua, ua->n_actions);
}

static void on_cancel(struct world *w, void *arg, uint64_t n)
{
	struct ua *ua = arg;
	struct call *c = &ua->call[n & 0xff];
	if (!c->used || c->serial != n >> 8 || c->done || ua->crashed || c->cseq != ua->d.invite_cseq)
		return;
	c->canceled = true;
	if (c->provisional && !c->cancel_sent) {
		c->cancel_sent = true;
		ua_send(ua, "CANCEL", NULL, NULL);
	}
}

/* Perhaps it changes its mind. */
static void invite(struct ua *ua, const char *sdp)
{
	struct sim *sim = ua->sim;
	struct call *c = ua_send(ua, "INVITE", sdp, NULL);
	if (c && chance(sim, sim->f.cancel))
		world_at(&sim->w, sim->w.now_us + between(sim, 0, 2000) * US_PER_MS, on_cancel, ua,
			 (uint64_t)(c - ua->call) | (uint64_t)c->serial << 8);
}

/* A new address of its own, which its next target refresh brings to the server. */
static void move(struct ua *ua)
{
	snprintf(ua->d.contact, sizeof(ua->d.contact), "<sip:%s-%u@%s:%u>%s", ua->p.name, ++ua->contact,
		 ua->p.host, ua->p.addr.port, ua->p.contact_params);
}

static void modify(struct ua *ua)
{
	static const char *const words[] = {
		"path",
		"accept=text/plain",
		"accept=message/cpim_text/plain",
		"same",
		"sendonly",
		"sendrecv",
		"inactive",
		"max=100000",
		"max=50000,path",
		"port=",
		"nopath",
		"proto=WS/MSRP",
		"broken",
		"file",
		"zero2",
		"sendrecv",
		"sendrecv",
		"path",
		"again2",
		"chat",
		"audio",
		"drop",
		"null=0.0.0.0",
		"setup=passive",
		"setup=active",
		"setup=holdconn",
		"v=1",
	};
	struct sim *sim = ua->sim;
	char word[200];
	bool update = chance(sim, 500);
	if (ua_busy(ua) && !chance(sim, sim->f.rude))
		return;
	if (chance(sim, sim->f.move))
		move(ua);
	if (chance(sim, 60)) {
		ua_send(ua, "UPDATE", NULL, NULL);
		return;
	}
	if (chance(sim, sim->f.offerless) && !ua_busy(ua)) {
		invite(ua, NULL);
		return;
	}
	snprintf(word, sizeof(word), "%s", words[rng_below(&sim->rng, ARRAY_LEN(words))]);
	if (strcmp(word, "port=") == 0)
		snprintf(word, sizeof(word), "port1=%u,path1", (unsigned)between(sim, 7000, 8000));
	else if (strcmp(word, "file") == 0 && ua->d.sdp.n > 2)
		snprintf(word, sizeof(word), "path1");
	else if (strcmp(word, "again2") == 0 && ua->d.sdp.n > 1 && ua->d.sdp.line[1].port == 0)
		snprintf(word, sizeof(word), "port2=7001,path2");
	else if (strcmp(word, "again2") == 0 || (strcmp(word, "zero2") == 0 && ua->d.sdp.n < 2))
		snprintf(word, sizeof(word), "same");
	else if ((strcmp(word, "chat") == 0 || strcmp(word, "audio") == 0) && ua->d.sdp.n == PSDP_LINES)
		snprintf(word, sizeof(word),
			 "path"); /* its own description is full: lines never go (RFC 3264 8) */
	plan_extra(ua, true, word, sizeof(word));
	ua->s->rude |= ua_busy(ua);
	if (ua->offer_out || ua->offer_in) /* rude, but not mad: what it offers is what it offered */
		snprintf(word, sizeof(word), "same");
	if (update)
		ua_send(ua, "UPDATE", word, NULL);
	else
		invite(ua, word);
}

void plan_unequal(struct ua *ua)
{
	struct psdp_line *l = &ua->d.sdp.line[0];
	bool plain = (ua->side == SIDE_A) == (ua->s->sim->seed / 7 % 2 == 0);
	snprintf(l->accept, sizeof(l->accept), plain ? "text/plain" : "message/cpim");
	snprintf(l->wrapped, sizeof(l->wrapped), plain ? "" : "text/plain");
}

static void add(char *words, size_t cap, const char *fmt, ...)
{
	size_t n = strlen(words);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(words + n, cap - n, fmt, ap);
	va_end(ap);
}

/* A file that broke off or was given up goes on where its receiver stopped, on a new line (RFC 5547 8.6). */
static bool plan_resume(struct ua *ua, char *words, size_t cap)
{
	struct sim *sim = ua->sim;
	unsigned n = ua->d.sdp.n;
	for (unsigned i = 1; i < n && n < 8; i++) {
		const struct mline *l = &ua->line[i];
		const struct message *m = &sim->message[l->begun ? l->begun - 1 : 0];
		uint64_t has = l->base + m->received;
		if (!l->begun || !l->on || has == 0 || has >= FILE_SIZE ||
		    !(m->given_up || m->refused || m->told))
			continue;
		add(words, cap, ",zero%u,file=%u,line%u=a=file-range:%u-%u", i + 1, FILE_SIZE, n + 1,
		    (unsigned)has + 1, FILE_SIZE);
		ua->line[n] = (struct mline){ .conn = -1, .rest = 1 + m->key };
		return true;
	}
	return false;
}

void plan_extra(struct ua *ua, bool offer, char *words, size_t cap)
{
	struct sim *sim = ua->sim;
	bool tls = strstr(ua->d.sdp.line[0].proto, "TLS") != NULL;
	if (extra(sim, sim->tls)) {
		if (offer)
			add(words, cap, tls && extra(sim, 500) ? ",tcp1" : ",tls1");
		add(words, cap, ",path1,fp1=%s", extra(sim, sim->wrong) ? "z" : media_cert(ua));
	}
	if (!offer || !sim->files || (extra(sim, 400) && plan_resume(ua, words, cap)))
		return;
	if (extra(sim, sim->files) && ua->d.sdp.n < 5)
		add(words, cap, ",file");
}

/* RFC 4028 7.3: once more, with what the 422 asked for. */
void plan_longer(struct ua *ua, const struct call *c, unsigned least_s)
{
	ua->timer.least_s = least_s;
	if (ua->up)
		plan_retry(ua, between(ua->sim, 10, 500) * US_PER_MS);
	else
		ua_send(ua, "INVITE", c->offer ? "same" : NULL, NULL);
}

static void crash(struct ua *ua)
{
	sim_trace(ua->sim, "%s%u crashes", ua->p.name, ua->s->id);
	ua->crashed = true;
	ua->crashed_us = ua->sim->w.now_us;
	media_close_all(ua);
}

static void on_action(struct world *w, void *arg, uint64_t n)
{
	struct ua *ua = arg;
	struct sim *sim = ua->sim;
	if (ua->over || ua->crashed || n != ua->n_actions || !ua->up)
		return;
	if (ua->accepted) { /* no BYE and nothing new before the ACK (RFC 3261 15) */
		plan_next(ua);
		return;
	}
	if (w->now_us >= ua->s->end_us || sim->healed) {
		ua_send(ua, "BYE", NULL, NULL);
		ua_over(ua);
		return;
	}
	if (chance(sim, sim->f.crash) && !sess_partner(ua->s, side_other(ua->side))->crashed) {
		crash(ua);
		return;
	}
	unsigned what = (unsigned)rng_below(&sim->rng, 100);
	if (what < 40)
		modify(ua);
	else if (what < 44)
		ua_send(ua, "INFO", NULL, "info");
	else if (what < 48)
		ua_send(ua, "MESSAGE", NULL, "message");
	else if (what < 51)
		ua_send(ua, "OPTIONS", NULL, NULL);
	else
		media_say(ua);
	plan_next(ua);
}

static void on_repair(struct world *w, void *arg, uint64_t n)
{
	struct ua *ua = arg;
	if (ua->over || ua->crashed || !ua->up || n != ua->repairs || media_bound(ua))
		return;
	if (ua_busy(ua)) {
		world_at(w, w->now_us + US_PER_S, on_repair, ua, n);
		return;
	}
	char words[200] = "";
	add(words, sizeof(words), "path1,fp1=%s", media_cert(ua));
	for (unsigned i = 1; i < 9; i++)
		if (ua->line[i].on && ua->line[i].file && !ua->line[i].bound)
			add(words, sizeof(words), ",path%u", i + 1);
	ua_send(ua, "INVITE", words, NULL);
}

static void on_reconnect(struct world *w, void *arg, uint64_t n)
{
	struct ua *ua = arg;
	if (!ua->over && !ua->crashed && ua->up && n == ua->repairs)
		media_again(ua);
}

/* Its connection broke: a new path, as RFC 4975 5.4 wants, or the same again, and a new path when that does not help. */
void plan_repair(struct ua *ua)
{
	struct sim *sim = ua->sim;
	uint64_t wait = between(sim, 50, 2000) * US_PER_MS;
	ua->repairs++;
	if (rng_below(&sim->repairs, 2)) {
		world_at(&sim->w, sim->w.now_us + wait, on_reconnect, ua, ua->repairs);
		wait += (3 + rng_below(&sim->repairs, 9)) * US_PER_S;
	}
	world_at(&sim->w, sim->w.now_us + wait, on_repair, ua, ua->repairs);
}

static void on_begin(struct world *w, void *arg, uint64_t n)
{
	struct ua *ua = arg;
	struct sim *sim = ua->sim;
	bool tls = extra(sim, sim->tls);
	invite(ua, chance(sim, sim->f.offerless) ? NULL : tls ? "tls1" : "same");
}

/* Whatever still lives when the load stops is hung up by both sides, so that each side gets to know. */
static void on_stop(struct world *w, void *arg, uint64_t n)
{
	struct sess *s = arg;
	for (unsigned i = 0; sess_ua(s, i); i++) {
		struct ua *ua = sess_ua(s, i);
		if (ua->accepted && !ua->over && !ua->crashed) {
			world_at(w, w->now_us + US_PER_S, on_stop, s, 0);
			continue;
		}
		if (ua->up && !ua->over && !ua->crashed) {
			ua_send(ua, "BYE", NULL, NULL);
			ua_over(ua);
		}
	}
}

void plan_session(struct sess *s)
{
	struct sim *sim = s->sim;
	uint64_t begin = between(sim, 0, 30000) * US_PER_MS;
	s->pace_ms = chance(sim, 700) ? 4000 : 150000; /* quiet enough for a session timer to matter */
	s->end_us = begin + between(sim, 1000, (sim->load_end_us - begin) / US_PER_MS - 4000) * US_PER_MS;
	world_at(&sim->w, begin, on_begin, &s->ua[s->caller], 0);
	world_at(&sim->w, sim->load_end_us + US_PER_S, on_stop, s, 0);
}
