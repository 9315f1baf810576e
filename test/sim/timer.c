/* SPDX-License-Identifier: MIT */
/*
 * Session timers as a peer keeps them (RFC 4028): it asks, grants, refuses what is too short, refreshes at half the
 * interval when that is its part, and hangs up when nobody did.  The refreshes fall into whatever else is going on.
 */
#include <stdio.h>

#include "sim.h"

enum { LEAST_S = 90, SLACK_US = 100000000 };

void room_add(struct room *r, struct span name, const char *fmt, ...)
{
	va_list ap;
	if (r->n == ARRAY_LEN(r->edit))
		return;
	va_start(ap, fmt);
	vsnprintf(r->text[r->n], sizeof(r->text[0]), fmt, ap);
	va_end(ap);
	r->edit[r->n] = (struct pup_edit){ '=', name, span_of(r->text[r->n]) };
	r->n++;
}

void timer_plan(struct ua *ua)
{
	ua->timer.knows = !chance(ua->sim, ua->sim->f.no_timer);
	ua->timer.min_s = chance(ua->sim, 700) ? LEAST_S : (unsigned)between(ua->sim, LEAST_S, 150);
	if (ua->timer.knows)
		ua_supports(ua, "timer");
}

void timer_ask(struct ua *ua, struct call *c, struct room *r)
{
	struct uatimer *t = &ua->timer;
	struct sim *sim = ua->sim;
	unsigned s = t->interval_s > t->least_s ? t->interval_s : t->least_s;
	if (!t->knows || (!ua->up && !c->invite) || (!t->interval_s && !t->least_s && !chance(sim, 600)))
		return;
	if (s == 0)
		s = chance(sim, sim->f.short_timer) ? (unsigned)between(sim, 1, LEAST_S - 1)
						    : (unsigned)between(sim, LEAST_S, 200);
	c->expires = s;
	if (t->interval_s)
		room_add(r, SPAN("Session-Expires"), "%u;refresher=%s", s, t->mine ? "uac" : "uas");
	else if (chance(sim, 500))
		room_add(r, SPAN("Session-Expires"), "%u", s);
	else
		room_add(r, SPAN("Session-Expires"), "%u;refresher=%s", s, chance(sim, 500) ? "uac" : "uas");
	if (t->least_s)
		room_add(r, SPAN("Min-SE"), "%u", t->least_s);
}

bool timer_too_short(struct ua *ua, const struct wire *req)
{
	struct span se = wire_hdr(req, "Session-Expires", 0);
	bool alone = ua->up || ua->s->n_forks == 0; /* the proxy would have to choose between answers */
	return alone && ua->timer.knows && se.p && wire_u64(se) < ua->timer.min_s && !ua->timer.told_s;
}

/* ---- the timer ---- */

static void on_due(struct world *w, void *arg, uint64_t n)
{
	struct ua *ua = arg;
	struct uatimer *t = &ua->timer;
	if (ua->over || ua->crashed || !ua->up || n != t->serial || ua->sim->healed)
		return;
	uint64_t early_s = t->interval_s / 3 < 32 ? t->interval_s / 3 : 32;
	uint64_t end_us = t->since_us + (t->interval_s - (t->mine ? 0 : early_s)) * US_PER_S;
	if (w->now_us >= end_us && !ua->accepted) {
		sim_trace(ua->sim, "%s%u: its session timer is over", ua->p.name, ua->s->id);
		if (!t->mine && t->asked_us < t->since_us && check_settled(ua->s) && !ua->sim->f.oom)
			sim_fail(ua->sim, "%s%u: the server has to refresh, and did not since %.3f",
				 ua->p.name, ua->s->id, (double)t->since_us / 1e6);
		ua_send(ua, "BYE", NULL, NULL);
		ua_over(ua);
		return;
	}
	if (t->mine && !ua_busy(ua)) {
		bool update = chance(ua->sim, 500);
		ua_send(ua, update ? "UPDATE" : "INVITE", update ? NULL : "same", NULL);
	}
	world_at(w, w->now_us + (t->mine ? between(ua->sim, 2000, 6000) : 1000) * US_PER_MS, on_due, ua, n);
}

static void run(struct ua *ua, unsigned interval_s, bool mine)
{
	struct uatimer *t = &ua->timer;
	t->interval_s = interval_s;
	t->mine = mine;
	t->since_us = ua->sim->w.now_us;
	t->serial++;
	if (interval_s == 0)
		return;
	uint64_t wait_s = mine ? interval_s / 2 : interval_s - (interval_s / 3 < 32 ? interval_s / 3 : 32);
	world_at(&ua->sim->w, t->since_us + wait_s * US_PER_S, on_due, ua, t->serial);
}

static bool refreshes(struct span se, const char *who)
{
	return span_eq(wire_param(se, "refresher"), span_of(who));
}

/* Ours to give: what was asked, or less, and who was named. */
void timer_give(struct ua *ua, const struct wire *req, struct room *r)
{
	struct sim *sim = ua->sim;
	struct span se = wire_hdr(req, "Session-Expires", 0);
	unsigned s = (unsigned)wire_u64(se), least = (unsigned)wire_u64(wire_hdr(req, "Min-SE", 0));
	if (!ua->timer.knows || !se.p) {
		run(ua, 0, false);
		return;
	}
	least = least < LEAST_S ? LEAST_S : least;
	least = least < ua->timer.min_s ? ua->timer.min_s : least;
	if (s > least && chance(sim, 500))
		s = (unsigned)between(sim, least, s);
	bool uac = refreshes(se, "uac") || (!refreshes(se, "uas") && chance(sim, 500));
	room_add(r, SPAN("Session-Expires"), "%u;refresher=%s", s, uac ? "uac" : "uas");
	if (uac)
		room_add(r, SPAN("Require"), "timer");
	run(ua, s, !uac);
}

void timer_given(struct ua *ua, const struct call *c, const struct wire *m)
{
	struct sim *sim = ua->sim;
	struct span se = wire_hdr(m, "Session-Expires", 0), least = wire_hdr(m, "Min-SE", 0);
	unsigned s = (unsigned)wire_u64(se);
	bool required = ua_lists(m, "Require", "timer");
	if (!se.p && c->expires && !sim->f.oom)
		sim_fail(sim, "%s%u: 2xx to %s %u without the Session-Expires it asked for", ua->p.name,
			 ua->s->id, c->method, c->cseq);
	if (se.p && !refreshes(se, "uac") && !refreshes(se, "uas"))
		sim_fail(sim, "%s%u: 2xx to %s %u names no refresher", ua->p.name, ua->s->id, c->method,
			 c->cseq);
	if (se.p &&
	    (s < LEAST_S || (c->expires && s > c->expires && c->expires >= sim->w.conf.min_se_s) || least.p))
		sim_fail(sim, "%s%u: 2xx to %s %u grants %u s", ua->p.name, ua->s->id, c->method, c->cseq, s);
	if (se.p && refreshes(se, "uac") != required)
		sim_fail(sim, "%s%u: 2xx to %s %u: Require: timer and the refresher do not fit", ua->p.name,
			 ua->s->id, c->method, c->cseq);
	if (se.p && !ua->timer.knows && refreshes(se, "uac") && !sim->f.oom)
		sim_fail(sim, "%s%u is to refresh, and knows of no timer", ua->p.name, ua->s->id);
	run(ua, ua->timer.knows ? s : 0, refreshes(se, "uac"));
}

/* Could the server think so by what this end knows?  A lost 2xx makes it late by half a minute at most. */
static bool may_be_over(struct ua *ua)
{
	unsigned s = ua->timer.interval_s ? ua->timer.interval_s : ua->sim->w.conf.session_expires_s;
	uint64_t late_us = (ua->sim->f.loss ? 35 : 5) * US_PER_S;
	return ua->crashed || ua->sim->f.oom || ua_owes(ua) || ua->timer.asked_us > ua->timer.heard_us ||
	       ua->sim->w.now_us + late_us >= ua->timer.since_us + s * US_PER_S * 2 / 3;
}

static void check_expired(struct ua *ua, const struct wire *m)
{
	struct ua *far = sess_partner(ua->s, side_other(ua->side));
	if (span_find(wire_hdr(m, "Reason", 0), SPAN("session expired")) != SPAN_NONE && !may_be_over(ua) &&
	    !may_be_over(far))
		sim_fail(ua->sim, "session %u: expired, says the server, and both ends have been heard of",
			 ua->s->id);
}

void timer_out(struct ua *ua, const struct wire *m)
{
	struct span se = wire_hdr(m, "Session-Expires", 0);
	bool changes = span_eq(m->method, SPAN("INVITE")) || span_eq(m->method, SPAN("UPDATE"));
	if (!m->request && m->status == 422 && !wire_hdr(m, "Min-SE", 0).p)
		sim_fail(ua->sim, "%s%u: 422 without Min-SE", ua->p.name, ua->s->id);
	if (m->request && span_eq(m->method, SPAN("BYE")) && ua->over_us == 0)
		check_expired(ua, m);
	if (!m->request || !changes)
		return;
	if (ua->up)
		ua->timer.asked_us = ua->sim->w.now_us;
	if (se.p && wire_u64(se) < LEAST_S)
		sim_fail(ua->sim, "%s%u: %u s is too short", ua->p.name, ua->s->id, (unsigned)wire_u64(se));
}

/* One end has crashed: the other hears of it when the timers have run out, at the latest. */
void timer_check(struct sess *s)
{
	struct sim *sim = s->sim;
	uint64_t most_s = sim->w.conf.session_expires_s;
	for (unsigned i = 0; i < 2; i++) {
		struct ua *ua = sess_partner(s, (enum side)i), *far = sess_partner(s, side_other(ua->side));
		if (ua->crashed && ua->up && far->up && !far->over && !far->crashed && !far->server_ended &&
		    most_s && !sim->f.oom && sim->w.now_us > ua->crashed_us + most_s * US_PER_S + SLACK_US)
			sim_fail(sim, "session %u: %s crashed at %.3f, and the other side still waits", s->id,
				 ua->p.name, (double)ua->crashed_us / 1e6);
	}
}
