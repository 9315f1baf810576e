/* SPDX-License-Identifier: MIT */
/*
 * Session timers (RFC 4028; TIMER-*), negotiated on each leg for itself: how long, who refreshes, and the end of both
 * legs when nobody did.  What is hard: refreshes are answered here and do not cross (MOD-32, MOD-33), so a leg's timer
 * proves one peer alive and never the other.  Hence the rule of the pair (TIMER-9): where one leg has a timer the other
 * has one too, and where its peer knows nothing of timers we refresh it alone.
 *
 * Any 2xx to an INVITE or UPDATE negotiates anew (TIMER-7); nothing of the last one is kept but the interval, and the
 * largest Min-SE (RFC 4028 7.4).  The refresh itself is refresh.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "im/stimer.h"
#include "sip/session_timer.h"

enum {
	LEAST_S = 90,     /* RFC 4028 5: nobody may ask for less */
	MOST_S = 86400,   /* of what a peer grants itself: a session must end some day */
	DEFAULT_S = 1800, /* RFC 4028 4, where the configuration asks for none and a peer does */
};

/* ---- what we want ---- */

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t preferred(const struct leg *l)
{
	const struct im_conf *c = &l->s->im->conf;
	return c->session_expires_s ? c->session_expires_s : DEFAULT_S;
}

bool stimer_running(const struct leg *l)
{
	return l->stimer.interval_s;
}

static uint32_t min_se(const struct leg *l)
{
	return l->stimer.min_se_s;
}

static bool lists_timer(const struct sip_msg *m)
{
	return sip_lists(m, SIP_H_SUPPORTED, SPAN("timer")) || sip_lists(m, SIP_H_REQUIRE, SPAN("timer"));
}

/* By this message, or, where it does not say, by what the peer said before. */
static bool knows_timer(const struct leg *l, const struct sip_msg *m)
{
	return lists_timer(m) || (!sip_has(m, SIP_H_SUPPORTED) && l->dlg.supports_timer);
}

unsigned stimer_check(const struct im *im, const struct sip_msg *m, char extra[64], const char **reason)
{
	struct sip_session_expires asked;
	uint32_t least;
	int r = sip_session_expires(m, &asked);

	*reason = NULL;
	if (r == -EINVAL)
		*reason = "Bad Session-Expires";
	else if (sip_min_se(m, &least) == -EINVAL)
		*reason = "Bad Min-SE";
	if (*reason)
		return 400;
	/* TIMER-2: who does not know the extension would not know the 422 either (RFC 4028 9). */
	if (r < 0 || asked.seconds >= im->conf.min_se_s || !lists_timer(m))
		return 0;
	snprintf(extra, 64, "Min-SE: %u\r\n", im->conf.min_se_s);
	return 422;
}

/* ---- the timer of a leg ---- */

/* TIMER-8, RFC 4028 10: a little early, so that the BYE is there before the peer has forgotten. */
uint64_t stimer_end_us(const struct stimer *st)
{
	uint32_t early_s = st->interval_s / 3 < 32 ? st->interval_s / 3 : 32;
	return st->since_ms * US_PER_MS + (st->interval_s - early_s) * US_PER_S;
}

static void on_due(struct timer *t, uint64_t now_us)
{
	struct stimer *st = container_of(t, struct stimer, t);
	struct session *s = stimer_leg(st)->s;

	if (now_us < stimer_end_us(st)) {
		refresh_start(stimer_leg(st), now_us);
		return;
	}
	im_log(s->im, IM_NOTICE, "session-expired", "sess=%lu side=%c interval_s=%u", (unsigned long)s->id,
	       side_name(stimer_leg(st)->side), st->interval_s);
	s->im->mx.sessions_expired++;
	session_end(s, "Reason: SIP;cause=408;text=\"session expired\"\r\n", now_us);
}

/* At the time given, or at the end when that comes first. */
void stimer_wait(struct stimer *st, uint64_t at_us)
{
	uint64_t end_us = stimer_end_us(st);
	timer_set(&stimer_leg(st)->s->im->wheel, &st->t, at_us < end_us ? at_us : end_us, on_due);
}

static void run(struct leg *l, uint32_t interval_s, bool ours, uint64_t now_us)
{
	struct stimer *st = &l->stimer;

	st->interval_s = interval_s;
	st->ours = ours;
	st->tries = 0;
	st->raised = false;
	st->since_ms = now_us / US_PER_MS;
	stimer_wait(st, ours ? now_us + interval_s * US_PER_S / 2 : UINT64_MAX);
}

static void off(struct leg *l)
{
	timer_stop(&l->s->im->wheel, &l->stimer.t);
	l->stimer.interval_s = 0;
}

void stimer_stop(struct leg *l, uint64_t now_us)
{
	off(l);
	if (refresh_is(l, SIP_INVITE) && l->invite_out)
		sip_ctxn_cancel(l->invite_out, SPAN_EMPTY, now_us);
	l->stimer.open = false;
}

void stimer_drop(struct leg *l)
{
	off(l);
	l->stimer = (struct stimer){ 0 };
}

/* TIMER-9: with nobody else to do it, we refresh. */
static void run_pair(struct leg *l, uint64_t now_us)
{
	struct leg *other = leg_other(l);
	if (stimer_running(l) && other->state == LEG_UP && !stimer_running(other))
		run(other, larger(preferred(other), min_se(other)), true, now_us);
}

/* ---- as UAC ---- */

static void w_expires(struct wbuf *w, uint32_t seconds, const char *refresher)
{
	w_str(w, "Session-Expires: "), w_u64(w, seconds), w_str(w, refresher), w_str(w, "\r\n");
}

void stimer_w_invite(const struct leg *l, struct wbuf *w)
{
	const struct im_conf *c = &l->s->im->conf;

	if (!c->session_expires_s || l->unwanted & TAG_TIMER)
		return;
	w_expires(w, larger(c->session_expires_s, min_se(l)), "");
	if (min_se(l))
		w_hdr_u64(w, SIP_H_MIN_SE, min_se(l));
}

/* RFC 4028 7.4: who refreshes stays who it was. */
void stimer_w_request(const struct leg *l, struct wbuf *w)
{
	const struct stimer *st = &l->stimer;

	if (!stimer_running(l) || l->unwanted & TAG_TIMER)
		return; /* refreshed all the same: for our own sake */
	w_expires(w, larger(st->interval_s, st->min_se_s), st->ours ? ";refresher=uac" : ";refresher=uas");
	if (st->min_se_s)
		w_hdr_u64(w, SIP_H_MIN_SE, st->min_se_s);
}

void stimer_on_2xx(struct leg *l, const struct sip_msg *resp, uint64_t now_us)
{
	struct sip_session_expires given;
	bool first = l->state != LEG_UP;

	if (l->s->state >= SESS_ENDING || (first && resp->method != SIP_INVITE))
		return;
	if (first)
		l->stimer.min_se_s = 0; /* of before the dialog: forgotten (RFC 4028 7.4) */
	if (sip_session_expires(resp, &given) == 0) {
		/* Named or not: unless the peer takes it upon itself, the refreshing is ours. */
		uint32_t s = larger(given.seconds, LEAST_S);
		run(l, s < MOST_S ? s : MOST_S, given.refresher != SIP_REFRESHER_UAS, now_us);
	} else if (stimer_running(leg_other(l)) ||
		   (!knows_timer(l, resp) &&
		    (first ? l->s->im->conf.session_expires_s : stimer_running(l)))) {
		run(l, larger(preferred(l), min_se(l)), true, now_us); /* TIMER-4, TIMER-9: alone */
	} else {
		off(l);
	}
	run_pair(l, now_us);
}

/* The peer may have taken our early UPDATE before the 2xx of its INVITE, or after it and then for one that ends the timer:
 * we cannot know.  So the refreshing is ours, and our first one agrees anew. */
void stimer_in_doubt(struct leg *l, uint64_t now_us)
{
	if (stimer_running(l))
		run(l, l->stimer.interval_s, true, now_us);
}

bool stimer_raise(struct leg *l, const struct sip_msg *resp)
{
	struct stimer *st = &l->stimer;
	uint32_t least;

	/* TIMER-5, once: a second 422 is the word of somebody who does not mean what he says. */
	if (resp->status != 422 || sip_min_se(resp, &least) != 0 || least > MOST_S || st->raised)
		return false;
	st->raised = true;
	st->min_se_s = larger(st->min_se_s, least);
	return true;
}

/* ---- as UAS ---- */

struct grant {
	uint32_t seconds;
	bool ours; /* we refresh */
};

/* TIMER-3: what our 2xx to req says.  false: nothing, no timer runs on this leg. */
static bool grant(const struct leg *l, const struct sip_msg *req, struct grant *g)
{
	struct sip_session_expires asked = { 0 };
	bool asks = sip_session_expires(req, &asked) == 0;
	uint32_t least = 0;

	if (l->state != LEG_UP ||
	    (!asks && !stimer_running(l) && !stimer_running(&l->s->leg[side_other(l->side)])))
		return false;
	if (sip_min_se(req, &least) != 0)
		least = 0;
	if (asks) {
		g->seconds = larger(preferred(l), least);
		if (asked.seconds < g->seconds)
			g->seconds = asked.seconds;
		/* Below ours, and no 422: an element on the way asked, and another would have raised it (8.1). */
		g->seconds = larger(g->seconds, l->s->im->conf.min_se_s);
	} else {
		g->seconds = larger(stimer_running(l) ? l->stimer.interval_s : preferred(l), least);
	}
	if (g->seconds > MOST_S)
		g->seconds = MOST_S;
	g->ours = !knows_timer(l, req) || asked.refresher == SIP_REFRESHER_UAS;
	return true;
}

void stimer_w_2xx(const struct leg *l, const struct sip_msg *req, struct wbuf *w)
{
	struct grant g;

	if (!grant(l, req, &g))
		return;
	if (!g.ours)
		w_str(w, "Require: timer\r\n");
	w_expires(w, g.seconds, g.ours ? ";refresher=uas" : ";refresher=uac");
}

void stimer_given(struct leg *l, const struct sip_msg *req, uint64_t now_us)
{
	struct grant g;
	uint32_t least;

	if (l->s->state >= SESS_ENDING || !grant(l, req, &g))
		return;
	run(l, g.seconds, g.ours, now_us);
	/* Of a refresh, not of the INVITE that made the dialog (RFC 4028 7.4). */
	if (req->to_tag.n && sip_min_se(req, &least) == 0)
		l->stimer.min_se_s = larger(l->stimer.min_se_s, least < MOST_S ? least : MOST_S);
	run_pair(l, now_us);
}
