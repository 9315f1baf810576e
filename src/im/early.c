/* SPDX-License-Identifier: MIT */
/*
 * Pairs of early dialogs (PROV-1..3).  The core may fork our INVITE, and each fork that rings is a dialog of its own:
 * with its own To tag, route set, target, offer/answer state and user plane.  An early dialog is therefore a session
 * that may never come up: the first is the one the INVITE began, each further To tag makes a sibling, with a To tag of
 * our own towards the initiator.  What the siblings share, the two INVITEs, is struct setup.
 *
 * What is hard is the end.  The first 2xx wins, but the INVITE lives on as long as a 2xx of another fork may come, and
 * that one must be acknowledged and hung up inside its own dialog, which may have seen requests already.  So a pair
 * that is released stays in the set-up, ended, until the INVITE has its final answer, and 64*T1 beyond the first 2xx.
 */
#include <stdlib.h>

#include "im/core.h"

enum {
	PAIRS_MAX = 8, /* per INVITE; a 2xx may make one more */
	LINGER_MS = 64 * SIP_T1_MS,
};

#define ELSEWHERE "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n"

bool early_alive(const struct session *s)
{
	return s->state == SESS_SETUP;
}

int early_create(struct session *s, struct setup *st)
{
	struct early *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->s = s;
	e->st = st;
	e->near = s->initiator;
	list_push(&st->pairs, &e->link);
	st->n_pairs++;
	s->early = e;
	return 0;
}

/* A set-up counts once, however many pairs it has: exactly one of them does (SETUP-20's limit, metrics). */
static void count(struct session *s, bool counted)
{
	struct im *im = s->im;

	if (s->early->uncounted != counted)
		return;
	s->early->uncounted = !counted;
	im->n_uncounted[s->state] += counted ? (uint64_t)-1 : 1;
}

void early_detach(struct session *s)
{
	struct setup *st = early_setup(s);

	if (!st)
		return;
	list_del(&s->early->link);
	s->early->st = NULL;
	if (st->last == s)
		st->last = NULL;
}

void early_free(struct session *s)
{
	struct early *e = s->early;
	struct setup *st = early_setup(s);

	if (!e)
		return;
	early_detach(s);
	if (st && list_empty(&st->pairs))
		setup_free(st);
	count(s, true);
	timer_stop(&s->im->wheel, &e->t_linger);
	prack_finish(e);
	free(e->preview);
	free(e->held);
	free(e);
	s->early = NULL;
}

/* Another pair that is alive; NULL: s is alone. */
static struct session *other_alive(const struct session *s)
{
	struct setup *st = early_setup(s);

	if (!st)
		return NULL;
	list_each(i, &st->pairs) {
		struct session *o = container_of(i, struct early, link)->s;
		if (o != s && early_alive(o))
			return o;
	}
	return NULL;
}

bool early_alone(const struct session *s)
{
	return !other_alive(s);
}

struct session *early_first(const struct setup *st)
{
	list_each(i, &st->pairs) {
		struct session *s = container_of(i, struct early, link)->s;
		if (early_alive(s))
			return s;
	}
	return container_of(st->pairs.next, struct early, link)->s;
}

/* ---- the far dialog ---- */

/* What was learned of a peer before stays known, and numbers go on; of another fork only our own number (MOD-13). */
static void carry_over(struct sip_dialog *d, struct sip_dialog *was)
{
	if (was->local_cseq > d->local_cseq)
		d->local_cseq = was->local_cseq;
	if (!span_eq(sip_dialog_remote_tag(d), sip_dialog_remote_tag(was))) {
		sip_dialog_finish(was);
		return;
	}
	d->remote_cseq = was->remote_cseq;
	d->remote_cseq_known = was->remote_cseq_known;
	if (!d->allow_known) {
		d->allow = was->allow;
		d->allow_known = was->allow_known;
	}
	d->no_update = was->no_update;
	d->supports_timer |= was->supports_timer;
	d->supports_100rel |= was->supports_100rel;
	d->supports_from_change |= was->supports_from_change;
	sip_dialog_finish(was);
}

int early_dialog(struct session *s, const struct sip_msg *resp)
{
	struct leg *l = setup_responder(s);
	struct setup *st = early_setup(s);
	struct sip_msg *invite = malloc(sizeof(*invite));
	struct sip_dialog d;
	struct sip_dest to;
	int r = invite ? sip_msg_parse(invite, (struct span){ st->invite, st->invite_n }, true) : -ENOMEM;

	if (r == 0)
		r = sip_dialog_uac(&d, invite, resp);
	free(invite);
	if (r != 0)
		return -EBADMSG;
	if (sip_dialog_next_hop(&d, &to) < 0 || !im_listen_for(s->im, to.tp, &to.ip)) {
		sip_dialog_finish(&d); /* there is no way to say anything in it */
		return -EBADMSG;
	}
	if (!l->dlg.text || !span_eq(sip_dialog_remote_tag(&d), sip_dialog_remote_tag(&l->dlg)))
		l->said = 0; /* the same words, said in this dialog, are news */
	if (l->dlg.text)
		carry_over(&d, &l->dlg);
	l->dlg = d;
	l->dlg.call_id_ours = true;
	if (!l->linked)
		leg_link(l);
	leg_learn(l, resp);
	leg_note_contact(l, resp);
	identity_note(l, resp);
	return 0;
}

/* ---- siblings ---- */

/* Its leg towards the initiator: the same INVITE, answered under another tag. */
static int near_leg(struct session *s, const struct leg *as, const struct sip_msg *invite,
		    const struct sdp *offer)
{
	struct leg *l = setup_initiator(s);

	if (sip_dialog_uas(&l->dlg, invite, span_of(l->tag)) < 0)
		return -ENOMEM;
	l->dlg.call_id_ours = as->dlg.call_id_ours;
	l->at = as->at;
	l->flow = as->flow;
	l->trusted = as->trusted;
	l->state = LEG_INVITED;
	leg_link(l);
	leg_learn(l, invite);
	leg_note_contact(l, invite);
	identity_note(l, invite);
	return offer ? sdp_oa_offer_in(&l->oa, offer->raw) : 0;
}

/* Its leg towards the responder: what was sent to all forks, our tag and the offer, is its own too. */
static int far_leg(struct session *s, const struct leg *as)
{
	struct leg *l = setup_responder(s);
	struct setup *st = early_setup(s);

	memcpy(l->tag, as->tag, sizeof(l->tag));
	l->at = as->at;
	l->flow = as->flow;
	l->trusted = as->trusted;
	l->owes_answer = as->owes_answer;
	l->unwanted = as->unwanted;
	l->state = LEG_INVITING;
	if (!st->offer)
		return 0;
	return offer_was_sent(l, as->oa.origin_id, (struct span){ st->offer, st->offer_n });
}

/* Its user plane: the far session-ids are those that all forks were shown (PROV-13). */
static struct plane *fork_plane(struct session *s, struct session *as, const struct sdp *offer,
				uint64_t now_us)
{
	struct setup *st = early_setup(s);
	struct sdp *sent = s->im->sdp[1];

	if (!offer)
		return session_plane_create(s);
	if (sdp_parse(sent, (struct span){ st->offer, st->offer_n }, NULL) < 0)
		return NULL;
	return plane_fork(as->plane, s, s->initiator, offer, sent, st->off, now_us);
}

/* One more session beside `as`; NULL: no memory. */
static struct session *sibling(struct session *as, uint64_t now_us)
{
	struct im *im = as->im;
	struct setup *st = early_setup(as);
	const struct sip_msg *invite = sip_stxn_request(st->in);
	struct session *s = session_create(im, as->initiator, now_us);
	struct sdp *offer;
	char fault[96];

	if (!s)
		return NULL;
	s->since_us = as->since_us;
	s->mode = as->mode;
	s->scase = as->scase;
	s->class = as->class;
	s->role_evidence = as->role_evidence;
	s->class_evidence = as->class_evidence;
	s->served_user = span_dup(span_of(as->served_user));
	ims_copy(s, as);
	if (early_create(s, st) == 0)
		count(s, false);
	if (request_sdp(im, invite, 2, fault, &offer) != 0)
		offer = NULL;
	if (!s->early || (session_anchored(s) && !(s->plane = fork_plane(s, as, offer, now_us))) ||
	    near_leg(s, setup_initiator(as), invite, offer) < 0 || far_leg(s, setup_responder(as)) < 0) {
		early_detach(s);
		session_move(s, SESS_OVER);
		return NULL;
	}
	im_log(im, IM_INFO, "early-dialog", "sess=%lu of=%lu", (unsigned long)s->id, (unsigned long)as->id);
	return s;
}

struct session *early_of(struct setup *st, const struct sip_msg *resp, uint64_t now_us)
{
	struct session *first = early_first(st), *s;

	if (!resp->to_tag.n)
		return first;
	list_each(i, &st->pairs) {
		s = container_of(i, struct early, link)->s;
		if (setup_responder(s)->dlg.text &&
		    span_eq(sip_dialog_remote_tag(&setup_responder(s)->dlg), resp->to_tag))
			return s;
	}
	if (!st->in)
		return first; /* nobody waits for more; who answers now is hung up */
	if (st->im->conf.single_early_dialog && setup_responder(first)->dlg.text)
		return first; /* PROV-2: one To tag upstream for them all */
	if (!setup_responder(first)->dlg.text) {
		if (early_dialog(first, resp) < 0)
			leg_note_contact(setup_responder(first), resp); /* no dialog yet, but features */
		return first;
	}
	if (st->n_pairs >= PAIRS_MAX + (resp->status >= 200)) {
		st->im->mx.over_limit++;
		im_log(st->im, IM_WARN, "early-dialogs", "sess=%lu what=\"too many forks\"",
		       (unsigned long)first->id);
		return NULL;
	}
	s = sibling(first, now_us);
	if (s && early_dialog(s, resp) < 0) {
		early_detach(s);
		session_move(s, SESS_OVER);
		return resp->status < 200 ? first : NULL;
	}
	return s;
}

/* ---- the end of a pair ---- */

void early_leave(struct leg *l, uint64_t now_us)
{
	struct session *s = l->s;
	struct setup *st = early_setup(s);
	struct session *other = other_alive(s);
	struct sip_stxn *in = st ? st->in : NULL;

	if (st && st->last == s)
		st->last = NULL;
	if (in && other && !s->early->uncounted) {
		count(other, true);
		count(s, false);
	}
	if (l->state == LEG_INVITED) {
		l->state = LEG_OVER;
		if (!in || other)
			return;
		setup_quiet(st);
		leg_reply(l, in, 487, SPAN_EMPTY, "", now_us);
		return;
	}
	/* A 2xx may already be on the wire: setup_answer.c then acknowledges it and says BYE (SETUP-13). */
	l->state = LEG_ENDING;
	if (!st)
		l->state = LEG_OVER;
	else if (in && other && l->dlg.text)
		leg_bye_now(l, now_us); /* TERM-4: this early dialog alone */
	else if ((!in || !other) && st->out)
		sip_ctxn_cancel(st->out, span_of(l->bye_extra ? l->bye_extra : ""), now_us);
}

void early_over(struct session *s, uint64_t now_us)
{
	struct early *e = s->early;

	early_detach(s);
	if (e->rel)
		reliable_stop(e->rel);
	if (e->rel && e->rel->first)
		early_linger(s, now_us); /* its PRACK may be on its way (RFC 3262 3) */
	else
		early_free(s);
}

bool early_holds(const struct session *s)
{
	return s->early && (s->early->st || (timer_is_set(&s->early->t_linger) && s->state == SESS_ENDING));
}

static void on_lingered(struct timer *t, uint64_t now_us)
{
	struct session *s = container_of(t, struct early, t_linger)->s;
	struct leg *far = setup_responder(s);

	if (s->state == SESS_UP) { /* a PRACK that came late would have been known */
		early_free(s);
		return;
	}
	if (!far->bye_out && !far->bye_wanted) /* that was up, and waits for an ACK first (RFC 3261 15) */
		far->state = LEG_OVER;
	session_over_check(s, now_us);
}

void early_linger(struct session *s, uint64_t now_us)
{
	timer_set(&s->im->wheel, &s->early->t_linger, now_us + LINGER_MS * US_PER_MS, on_lingered);
}

static void early_lost(struct session *s, uint64_t now_us)
{
	struct leg *far = setup_responder(s);

	early_detach(s);
	session_close(s, now_us);
	setup_initiator(s)->state = LEG_OVER;
	far->state = far->state == LEG_OVER ? LEG_OVER : LEG_ENDING;
	early_linger(s, now_us);
}

void early_won(struct session *s, uint64_t now_us)
{
	struct setup *st = early_setup(s);

	list_each(i, &st->pairs) {
		struct session *o = container_of(i, struct early, link)->s;
		if (o == s)
			continue;
		if (!o->early->uncounted) {
			count(s, true);
			count(o, false);
		}
		early_lost(o, now_us);
	}
	if (s->plane)
		plane_forking(s->plane, setup_responder(s)->side, false, now_us);
}

/* PROV-4, RFC 6228: this fork has ended; others may come, so there is always a pair for them to speak through. */
void early_terminated(struct session *s, const struct sip_msg *resp, uint64_t now_us)
{
	struct setup *st = early_setup(s);
	struct leg *near = setup_initiator(s);

	if (!early_alive(s) || !setup_responder(s)->dlg.text ||
	    (!other_alive(s) && (st->n_pairs >= PAIRS_MAX || !sibling(s, now_us))))
		return;
	/* Where each 1xx has to be reliable (PROV-6) none is: this dialog takes no PRACK any more. */
	if (near->dlg.supports_199 && !prack_wanted(st->in))
		leg_forward(near, st->in, resp, 199, SPAN_EMPTY, now_us);
	im_log(s->im, IM_INFO, "early-dialog-over", "sess=%lu status=199", (unsigned long)s->id);
	setup_responder(s)->state = LEG_OVER; /* it knows */
	session_end(s, "", now_us);
}

/* ---- a 2xx beside the first ---- */

static void on_fork_bye(void *user, struct sip_ctxn *t, const struct sip_msg *resp, enum sip_end end,
			uint64_t now_us)
{
	(void)user, (void)t, (void)resp, (void)end, (void)now_us; /* whatever the answer, it is gone */
}

/* An offer in its 2xx is answered with nothing taken; the versions of o= are those of the dialog we keep. */
static struct span fork_answer(struct leg *l, const struct sip_msg *resp)
{
	struct sdp_oa kept = l->oa;
	struct span text = SPAN_EMPTY;
	struct sdp *offer;
	char fault[96];

	if (leg_owes_answer(l, resp->cseq) && request_sdp(l->s->im, resp, 0, fault, &offer) == 0)
		text = offer_refuse_all(l, offer);
	l->oa = kept;
	return text;
}

/* A fork that never rang, or above the limit: it is known from its 2xx alone. */
void early_stranger(struct leg *l, const struct sip_msg *resp, uint64_t now_us)
{
	struct im *im = l->s->im;
	struct span text = fork_answer(l, resp);
	struct sip_dialog kept = l->dlg, fork;
	struct sip_dest to;
	struct wbuf w;
	char branch[40];

	if (leg_ack_fork_again(l, resp->to_tag))
		return;
	/* The response repeats all of our INVITE that makes a dialog, and has the fork's own route set and target. */
	if (sip_dialog_uac(&fork, resp, resp) < 0)
		return;
	l->dlg = fork; /* the same leg, seen for a moment with the other fork's dialog */
	if (leg_request(l, &w, SIP_ACK, resp->cseq, 70, branch, &to) == 0) {
		w_end(&w, text.n ? SPAN("application/sdp") : SPAN_EMPTY, text);
		if (w_ok(&w))
			leg_ack_fork(l, resp->to_tag, resp->cseq, &to, w_span_of(&w));
	}
	if (leg_request(l, &w, SIP_BYE, 0, 70, branch, &to) == 0) {
		w_str(&w, ELSEWHERE);
		w_product(&w, im, SIP_H_USER_AGENT);
		w_end(&w, SPAN_EMPTY, SPAN_EMPTY);
		leg_start(l, SIP_BYE, branch, &to, &w, on_fork_bye, NULL, now_us);
	}
	sip_dialog_finish(&l->dlg);
	l->dlg = kept;
}

static bool is_heir(const struct htab_link *link, const void *key)
{
	const struct leg *l = key, *o = container_of(link, struct leg, link);
	return o != l && strcmp(o->tag, l->tag) == 0 && early_holds(o->s);
}

struct leg *early_heir(struct leg *l)
{
	struct htab *t = &l->s->im->dialogs;
	struct htab_link *link = htab_get(t, htab_hash(t, span_of(l->tag)), is_heir, l);
	return link ? container_of(link, struct leg, link) : NULL;
}

/* PROV-3: one session, the first 2xx; every other fork that answered is acknowledged and hung up. */
void early_other_fork(struct leg *l, const struct sip_msg *resp, uint64_t now_us)
{
	struct leg *lost = leg_find(l->s->im, resp);

	if (!lost || !early_holds(lost->s)) {
		early_stranger(l, resp, now_us);
		return;
	}
	if (leg_ack_again(lost, resp->cseq))
		return;
	if (lost->state == LEG_UP) {
		/* No fork at all: the session's own, of which there was no memory to remember the ACK. */
		if (!leg_owes_answer(lost, resp->cseq))
			leg_ack(lost, resp->cseq, SPAN_EMPTY);
		return;
	}
	leg_refresh(lost, resp);
	leg_accepted(lost, NULL, resp->cseq, true);
	leg_ack_refusing(lost, resp);
	if (!lost->bye_out) {
		free(lost->bye_extra);
		lost->bye_extra = span_dup(SPAN(ELSEWHERE));
		leg_bye_now(lost, now_us);
	}
}
