/* SPDX-License-Identifier: MIT */
/*
 * Life and death of a session (TERM-*).  Being in a state is being on its list, and one function moves; a session
 * ends as a whole, one leg's BYE being the other leg's BYE, and is over when both legs are.
 */
#include <stdio.h>
#include <stdlib.h>

#include "im/core.h"

enum { DISABLED_WAIT_MS = 32000 }; /* CLASS-20 */

static const uint8_t moves[SESS_N_STATES] = {
	[SESS_SETUP] = 1 << SESS_UP | 1 << SESS_ENDING | 1 << SESS_OVER,
	[SESS_UP] = 1 << SESS_ENDING | 1 << SESS_OVER,
	[SESS_ENDING] = 1 << SESS_OVER,
	[SESS_OVER] = 0,
};

void session_move(struct session *s, enum sess_state to)
{
	struct im *im = s->im;
	if (s->state == to || !(moves[s->state] >> to & 1))
		return;
	list_del(&s->link);
	im->n_in_state[s->state]--;
	im->n_in_state[to]++;
	if (s->early && s->early->uncounted)
		im->n_uncounted[s->state]--, im->n_uncounted[to]++;
	list_push(&im->in_state[to], &s->link);
	s->state = to;
}

struct session *session_create(struct im *im, enum side initiator, uint64_t now_us)
{
	struct session *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->im = im;
	s->id = ++im->next_id;
	s->since_us = now_us;
	s->mode = im->conf.mode;
	s->initiator = initiator;
	list_init(&s->relays);
	leg_init(&s->leg[SIDE_A], s, SIDE_A);
	leg_init(&s->leg[SIDE_B], s, SIDE_B);
	s->leg[side_other(initiator)].dlg.call_id_ours = true;
	im->n_in_state[SESS_SETUP]++;
	list_push(&im->in_state[SESS_SETUP], &s->link);
	return s;
}

void session_free(struct session *s, uint64_t now_us)
{
	struct im *im = s->im;
	modify_abandon(s, now_us);
	modify_own_drop(s);
	large_drop(s);
	relay_abandon(s, now_us);
	timer_stop(&im->wheel, &s->t_media);
	early_free(s);
	if (s->counted)
		user_leave(im, s->served_user);
	free(s->served_user);
	ims_free(s);
	leg_finish(&s->leg[SIDE_A]);
	leg_finish(&s->leg[SIDE_B]);
	plane_destroy(s->plane, now_us);
	list_del(&s->link);
	im->n_in_state[s->state]--;
	free(s);
}

void session_over_check(struct session *s, uint64_t now_us)
{
	if (early_holds(s))
		return; /* a 2xx may still come */
	if (s->leg[SIDE_A].state == LEG_OVER && s->leg[SIDE_B].state == LEG_OVER)
		session_move(s, SESS_OVER);
}

/* TERM-7. */
void session_close(struct session *s, uint64_t now_us)
{
	struct im *im = s->im;
	if (s->state >= SESS_ENDING)
		return;
	im_log(im, IM_NOTICE, "session-end", "sess=%lu age_ms=%lu modifications=%lu", (unsigned long)s->id,
	       (unsigned long)((now_us - s->since_us) / US_PER_MS), (unsigned long)s->n_modified);
	session_move(s, SESS_ENDING);
	prack_abandon(s, now_us);
	modify_abandon(s, now_us);
	modify_own_drop(s);
	large_drop(s);
	stimer_stop(&s->leg[SIDE_A], now_us);
	stimer_stop(&s->leg[SIDE_B], now_us);
	relay_abandon(s, now_us);
	timer_stop(&im->wheel, &s->t_media);
	plane_destroy(s->plane, now_us);
	s->plane = NULL;
}

void session_hang_up(struct session *s, const char *extra, uint64_t now_us)
{
	if (s->state >= SESS_ENDING)
		return;
	session_close(s, now_us);
	leg_end(&s->leg[SIDE_A], extra, now_us);
	leg_end(&s->leg[SIDE_B], extra, now_us);
}

/* With the set-up it was the last pair of. */
static void all_over_check(struct session *s, uint64_t now_us)
{
	if (early_setup(s))
		setup_over_check(early_setup(s), now_us);
	session_over_check(s, now_us);
}

void session_end(struct session *s, const char *extra, uint64_t now_us)
{
	session_hang_up(s, extra, now_us);
	all_over_check(s, now_us);
}

/* What crosses of a BYE: all that crosses of any request (MODE-11), or where that is too much, its Reason. */
static void w_bye(struct wbuf *w, const struct leg *to, const struct sip_msg *m, bool trusted)
{
	char *start = w->p;
	size_t cap = w->cap;

	w_pass(w, to, m, trusted);
	if (w_ok(w))
		return;
	*w = wbuf_on(start, cap);
	w_hdr_copy(w, m, SIP_H_REASON);
}

/* TERM-1: 200 at once, then BYE on the other leg with the same Reason. */
void session_on_bye(struct leg *l, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	struct session *s = l->s;
	char extra[8192];
	struct wbuf w = wbuf_on(extra, sizeof(extra) - 1);

	w_bye(&w, leg_other(l), m, t && leg_trusts(l, t));
	extra[w_ok(&w) ? w.n : 0] = '\0';
	if (t)
		leg_reply(l, t, 200, SPAN_EMPTY, "", now_us);
	session_close(s, now_us);
	leg_bye_received(l, now_us);
	leg_other(l)->bye_passed = true;
	leg_end(leg_other(l), extra, now_us);
	all_over_check(s, now_us);
}

/* An ACK for a 2xx of ours, matched by CSeq and nothing else (MOD-8, lesson 3). */
void session_on_ack(struct leg *l, const struct sip_msg *m, uint64_t now_us)
{
	const struct sip_stxn *t = l->invite_in;

	if (!t || sip_stxn_status(t) / 100 != 2 || sip_stxn_request(t)->cseq != m->cseq)
		return;
	if (m->body.n && l->oa.state == SDP_STABLE) /* MOD-23: ignored */
		im_log(l->s->im, IM_WARN, "ack-body", "sess=%lu side=%c bytes=%zu why=\"no answer was due\"",
		       (unsigned long)l->s->id, side_name(l->side), m->body.n);
	session_acked(l, m, now_us);
}

void session_acked(struct leg *l, const struct sip_msg *m, uint64_t now_us)
{
	struct session *s = l->s;
	struct sip_stxn *t = l->invite_in;

	sip_stxn_acked(t, now_us);
	sip_stxn_set_user(t, NULL);
	l->invite_in = NULL;
	if (l->bye_wanted) {
		leg_bye_now(l, now_us);
		session_over_check(s, now_us);
		return;
	}
	modify_ack(l, m, now_us);
}

/* SETUP-10, MOD-23: nobody acknowledges our 2xx. */
void session_on_no_ack(struct leg *l, uint64_t now_us)
{
	struct session *s = l->s;

	if (l->invite_in)
		sip_stxn_set_user(l->invite_in, NULL);
	l->invite_in = NULL;
	im_log(s->im, IM_NOTICE, "no-ack", "sess=%lu side=%c", (unsigned long)s->id, side_name(l->side));
	if (l->bye_wanted) {
		leg_bye_now(l, now_us);
		session_over_check(s, now_us);
		return;
	}
	session_end(s, "Reason: SIP;cause=408;text=\"no ACK\"\r\n", now_us);
}

static void on_media_gone(struct timer *t, uint64_t now_us)
{
	struct session *s = container_of(t, struct session, t_media);
	plane_give_up(s->plane, now_us); /* while senders can still be told */
	session_end(s, "Reason: SIP;cause=503;text=\"media lost\"\r\n", now_us);
}

static void on_disabled(struct timer *t, uint64_t now_us)
{
	struct session *s = container_of(t, struct session, t_media);
	session_end(s, "Reason: SIP;cause=200;text=\"message delivered\"\r\n", now_us);
}

/* UP-12: the session is kept a while, so that the client can come back with a new path. */
static void on_plane_lost(void *session, enum side side, unsigned line, const char *why, uint64_t now_us)
{
	struct session *s = session;
	enum plane_loss loss = plane_loss(s->plane, side);
	uint8_t repair = s->im->conf.plane.repair;

	im_log(s->im, IM_NOTICE, "media-lost", "sess=%lu side=%c line=%u why=\"%s\"", (unsigned long)s->id,
	       side_name(side), line, why);
	if (s->state <= SESS_UP && !timer_is_set(&s->t_media))
		timer_set(&s->im->wheel, &s->t_media, now_us + s->im->conf.plane.repair_wait_ms * US_PER_MS,
			  on_media_gone);
	if (!plane_unheard(s->plane, side))
		s->repaired &= ~(1u << side);
	if (s->repaired & 1u << side)
		return; /* that was us, and in vain: the peer has the rest of the wait to come by itself */
	if (repair == PLANE_REINVITE_ALL || (repair == PLANE_REINVITE && loss == PLANE_LOST_OURS))
		modify_repair(s, side, now_us);
}

static unsigned on_plane_content(void *session, enum side side, const struct cpim *head)
{
	struct session *s = session;

	return identity_check(&s->leg[side], head);
}

static struct span on_plane_identity(void *session, enum side side)
{
	struct session *s = session;

	return identity_of(&s->leg[side]);
}

static bool on_plane_ip6(void *session, enum side side)
{
	const struct session *s = session;

	return s->leg[side].at && s->leg[side].at->addr.family == 6;
}

static bool on_plane_unsettled(void *session)
{
	const struct session *s = session;

	for (unsigned i = 0; i < 2; i++)
		if (s->leg[i].invite_in || (s->leg[i].acked && !s->leg[i].acked->ack))
			return true;
	return false;
}

static void on_plane_back(void *session, enum side side, unsigned line, uint64_t now_us)
{
	struct session *s = session;

	im_log(s->im, IM_NOTICE, "media-back", "sess=%lu side=%c line=%u", (unsigned long)s->id,
	       side_name(side), line);
	if (s->t_media.fn == on_media_gone && plane_loss(s->plane, SIDE_A) == PLANE_WHOLE &&
	    plane_loss(s->plane, SIDE_B) == PLANE_WHOLE)
		timer_stop(&s->im->wheel, &s->t_media);
}

const struct plane_hooks session_plane_hooks = { on_plane_lost, on_plane_content,   on_plane_identity,
						 on_plane_ip6,  on_plane_unsettled, on_plane_back };

struct plane *session_plane_create(struct session *s)
{
	struct plane *p = plane_create(s->im->planes, s, &session_plane_hooks);

	for (unsigned i = 0; p && i < 2; i++)
		if (s->leg[i].flow)
			plane_by_websocket(p, s->leg[i].side, s->leg[i].at->tp == SIP_WSS);
	return p;
}

/* After a commit: what was lost may be repaired, and a class that lives for one message may have no line left. */
void session_media_check(struct session *s, uint64_t now_us)
{
	struct sdp *sdp = s->im->sdp[2];
	bool active = false;

	timer_stop(&s->im->wheel, &s->t_media);
	cema_check(s, now_us);
	if (s->class != IM_CLASS_LARGE_MESSAGE)
		return;
	if (sdp_parse(sdp, sdp_oa_remote(&s->leg[SIDE_A].oa), NULL) < 0)
		return;
	for (unsigned i = 0; i < sdp->n_media; i++)
		active |= sdp->media[i].port != 0;
	if (!active)
		timer_set(&s->im->wheel, &s->t_media, now_us + DISABLED_WAIT_MS * US_PER_MS, on_disabled);
}
