/* SPDX-License-Identifier: MIT */
/*
 * The dialog-creating INVITE, from whichever side it comes (SETUP-*): checked, classified, judged, and made anew on
 * the other leg with a Call-ID, tags and SDP of our own.  The hard case is a CANCEL or a BYE that crosses the 2xx:
 * our INVITE is answered, so the far leg is acknowledged and hung up, never forgotten (SETUP-13).
 */
#include <stdio.h>
#include <stdlib.h>

#include "im/core.h"

enum { RING_REPEAT_MS = 60000, TIMER_C_MS = 190000 }; /* SETUP-19 */

void setup_quiet(struct setup *st)
{
	st->in = NULL;
	timer_stop(&st->im->wheel, &st->t_ring);
	timer_stop(&st->im->wheel, &st->t_c);
}

void setup_free(struct setup *st)
{
	if (st->in)
		sip_stxn_set_user(st->in, NULL);
	if (st->out)
		sip_ctxn_set_user(st->out, NULL);
	setup_quiet(st);
	free(st->invite);
	free(st->offer);
	free(st);
}

void setup_over_check(struct setup *st, uint64_t now_us)
{
	if (st->in || st->out)
		return;
	list_each(i, &st->pairs) {
		struct session *s = container_of(i, struct early, link)->s;
		struct leg *far = setup_responder(s);
		if (far->state != LEG_UP && !far->bye_out)
			far->state = LEG_OVER;
		early_detach(s);
		session_over_check(s, now_us);
	}
	setup_free(st);
}

/* All its pairs end; what is open on the responder's side is cancelled. */
void setup_end(struct setup *st, const char *extra, uint64_t now_us)
{
	list_each(i, &st->pairs)
		session_hang_up(container_of(i, struct early, link)->s, extra, now_us);
	setup_over_check(st, now_us);
}

void setup_fail(struct setup *st, unsigned status, struct span reason, const char *extra, uint64_t now_us)
{
	struct session *s = early_first(st);
	struct sip_stxn *in = st->in;
	char why[48];

	if (!in) { /* it was told already */
		setup_over_check(st, now_us);
		return;
	}
	st->im->mx.setups_failed++;
	im_log(st->im, IM_NOTICE, "setup-failed", "sess=%lu status=%u", (unsigned long)s->id, status);
	setup_quiet(st);
	leg_reply(setup_initiator(s), in, status, reason, extra, now_us);
	snprintf(why, sizeof(why), "Reason: SIP;cause=%u\r\n", status); /* TERM-6 */
	setup_end(st, why, now_us);
}

static bool says_100rel(const struct leg *l, const struct setup *st, struct span sdp)
{
	if (l->unwanted & TAG_100REL)
		return false;
	/* PROV-5: who gets no offer may make its own reliably only if the initiator's PRACK can answer it. */
	return (sdp.n || l->s->leg[side_other(l->side)].dlg.supports_100rel) &&
	       (st->say_100rel || !st->im->conf.single_early_dialog);
}

static void w_invite(struct wbuf *w, struct leg *l, const struct sip_msg *m, const struct sip_dest *to,
		     struct span routes, struct span branch, struct span sdp)
{
	struct im *im = l->s->im;
	const struct setup *st = early_setup(l->s);

	outside_head(l, w, m, to, routes, branch, st->call_id, st->cseq);
	w_ours(w, l, m);
	stimer_w_invite(l, w);
	if (says_100rel(l, st, sdp))
		w_str(w, "Supported: 100rel\r\n");
	w_pass(w, l, m, l->trusted && leg_other(l)->trusted);
	if (sdp.n)
		w_sdp_body(w, im, m, sdp);
	else
		w_body_of(w, m);
}

int setup_send(struct session *s, const struct sip_msg *m, struct span sdp, uint64_t now_us)
{
	struct im *im = s->im;
	struct setup *st = early_setup(s);
	struct leg *l = setup_responder(s);
	char branch_buf[40], lines[4096];
	struct wbuf routes = wbuf_on(lines, sizeof(lines)), w;
	struct span branch = sip_tl_branch(im->tl, branch_buf);
	struct sip_dest to = { 0 };
	int r = outside_routes(&routes, &im->conf, m, &to);

	if (r < 0 || !w_ok(&routes) || !im_listen_for(im, to.tp, &to.ip))
		return r < 0 ? r : -EINVAL;
	l->trusted = role_trusts(&im->conf, &to);
	ims_hide(l, m);
	if (st->cseq++ == 0)
		im_token(im, st->call_id, CALL_ID_LEN);
	w_invite(&w, l, m, &to, w_span_of(&routes), branch, sdp);
	if (w_ok(&w) && outside_grows(im, &to, w.n))
		w_invite(&w, l, m, &to, w_span_of(&routes), branch, sdp);
	if (!w_ok(&w) || im_keep(&st->invite, &st->invite_n, w_span_of(&w)) < 0)
		return -ENOMEM;
	st->out = sip_ctxn_start(im->tl, SIP_INVITE, branch, &to, w_span_of(&w), leg_on_invite, l, now_us);
	if (!st->out)
		return -ENOMEM;
	l->owes_answer = !sdp.n;
	l->state = LEG_INVITING;
	return 0;
}

static void on_ring(struct timer *t, uint64_t now_us)
{
	struct setup *st = container_of(t, struct setup, t_ring);
	struct session *s = st->last ? st->last : early_first(st);
	struct leg *l = setup_initiator(s);
	struct early *e = s->early;
	struct wbuf w;

	timer_set(&st->im->wheel, t, now_us + RING_REPEAT_MS * US_PER_MS, on_ring);
	if (e->rel || prack_wanted(st->in)) { /* said again reliably too, under a number of its own */
		if (!e->rel || !e->rel->first)
			prack_say(e, st->in, NULL, st->last_1xx, SPAN_EMPTY, now_us);
		return;
	}
	leg_w_answer(l, &w, st->in, NULL, st->last_1xx, (struct span){ e->preview, e->preview_n }, "");
	if (w_ok(&w))
		sip_stxn_reply(st->in, st->last_1xx, w_span_of(&w), now_us);
}

void setup_rang(struct session *s, unsigned status, uint64_t now_us)
{
	struct setup *st = early_setup(s);
	st->last = s;
	st->last_1xx = status;
	timer_set(&st->im->wheel, &st->t_ring, now_us + RING_REPEAT_MS * US_PER_MS, on_ring);
}

static void on_timer_c(struct timer *t, uint64_t now_us)
{
	setup_fail(container_of(t, struct setup, t_c), 408, SPAN_EMPTY, "", now_us);
}

void setup_arm(struct setup *st, uint64_t now_us)
{
	timer_set(&st->im->wheel, &st->t_c, now_us + TIMER_C_MS * US_PER_MS, on_timer_c);
}

static int setup_create(struct session *s, struct sip_stxn *t)
{
	struct setup *st = calloc(1, sizeof(*st));

	if (!st)
		return -ENOMEM;
	st->im = s->im;
	list_init(&st->pairs);
	if (early_create(s, st) < 0) {
		free(st);
		return -ENOMEM;
	}
	st->in = t;
	return 0;
}

/* The initiator's leg as UAS, with its dialog, so that every refusal below already speaks for a leg. */
static struct session *setup_begin(struct im *im, struct sip_stxn *t, const struct sip_msg *m,
				   uint64_t now_us)
{
	const struct sip_src *src = sip_stxn_src(t);
	struct session *s = session_create(im, SIDE_A, now_us);
	struct leg *l;

	if (!s)
		return NULL;
	l = setup_initiator(s);
	l->at = im_listen_for(im, src->tp, &src->ip);
	leg_heard(l, src);
	l->trusted = role_trusted(&im->conf, &src->ip);
	if (!l->at || sip_dialog_uas(&l->dlg, m, span_of(l->tag)) < 0 || setup_create(s, t) < 0) {
		session_move(s, SESS_OVER);
		return NULL;
	}
	l->state = LEG_INVITED;
	sip_stxn_set_user(t, l);
	sip_stxn_set_tag(t, span_of(l->tag));
	leg_link(l);
	leg_learn(l, m);
	leg_note_contact(l, m);
	identity_note(l, m);
	return s;
}

/* The served user's own leg is the A-leg: where the case is terminating the INVITE came in on the B-leg. */
static void take_side(struct session *s)
{
	struct leg *a = &s->leg[SIDE_A], *b = &s->leg[SIDE_B];
	struct leg tmp;

	if (s->scase == IM_ORIGINATING)
		return;
	htab_del(&s->im->dialogs, &a->link);
	tmp = *a, *a = *b, *b = tmp;
	a->side = SIDE_A, b->side = SIDE_B;
	a->dlg.call_id_ours = true, b->dlg.call_id_ours = false;
	s->initiator = s->early->near = SIDE_B;
	sip_stxn_set_user(early_setup(s)->in, b);
	leg_link(b);
}

/* Role, class, Media Parameters: 0, or the status to refuse with. */
static unsigned setup_judge(struct session *s, const struct sip_msg *m, const struct sdp *offer,
			    struct verdict *v, const char **fault)
{
	const struct im_conf *conf = &s->im->conf;
	bool trusted = setup_initiator(s)->trusted;
	struct im_classified class;
	struct im_role role;
	int r = role_decide(conf, m, trusted, &role, fault);

	*v = (struct verdict){ 0 };
	if (r != 0)
		return (unsigned)(r > 0 ? r : 403);
	s->scase = role.scase;
	s->role_evidence = role.evidence;
	s->served_user = span_dup(span_of(role.served_user)); /* no memory: seen as "" */
	if (!user_admits(s->im, role.served_user)) {
		*fault = "Too Many Sessions Of This User";
		return 486;
	}
	s->counted = s->served_user && user_enter(s->im, s->served_user);
	take_side(s);
	ims_begin(s, m);
	classify(conf, m, offer, trusted, &class);
	s->class = class.class;
	s->class_evidence = class.evidence;
	im_log(s->im, IM_NOTICE, "session-class",
	       "sess=%lu class=%s evidence=\"%s\" detail=\"%s\" case=%s role-by=\"%s\"", (unsigned long)s->id,
	       im_class_name(s->class), s->class_evidence, class.detail,
	       s->scase == IM_ORIGINATING ? "originating" : "terminating", s->role_evidence);
	if (s->class == IM_CLASS_NOT_IM) {
		/* CLASS-10: there is no message line to anchor, so it passes out of the media path, or not at all. */
		if (conf->not_im_reject)
			*v = (struct verdict){ 488, 304, "no message stream", 0 };
		s->mode = IM_UNANCHORED;
		setup_initiator(s)->said = 0;
		leg_learn(setup_initiator(s), m); /* more of its option tags cross now */
	}
	if (offer && !v->status)
		accept_offer(session_conf(s), s->class, leg_safe(setup_initiator(s), NULL), NULL, NULL, offer,
			     v);
	return v->status;
}

/* Both ends of the user plane.  Without them the session is set up out of the media path where policy allows it (MODE-7). */
static int setup_anchor(struct session *s, const struct sdp *offer, uint32_t off, uint64_t now_us)
{
	s->plane = session_plane_create(s);
	if (s->plane && (!offer || plane_prepare(s->plane, s->initiator, offer, off, now_us) == 0))
		return 0;
	if (!s->im->conf.anchor_optional)
		return -ENOMEM;
	plane_destroy(s->plane, now_us);
	s->plane = NULL;
	s->mode = IM_UNANCHORED;
	im_log(s->im, IM_WARN, "not-anchored", "sess=%lu why=\"no room for its user plane\"",
	       (unsigned long)s->id);
	return 0;
}

/* The user plane and the far offer, from the offer in the INVITE. */
static int setup_offer(struct session *s, const struct sdp *offer, uint32_t off, struct span *text,
		       uint64_t now_us)
{
	struct setup *st = early_setup(s);

	st->off = off;
	*text = SPAN_EMPTY;
	if (session_anchored(s) && setup_anchor(s, offer, off, now_us) < 0)
		return -ENOMEM;
	if (!offer)
		return 0;
	if (sdp_oa_offer_in(&setup_initiator(s)->oa, offer->raw) < 0)
		return -ENOMEM;
	*text = offer_make(setup_responder(s), SDP_OFFER, offer, NULL, off);
	if (!text->n || sdp_oa_offer_out(&setup_responder(s)->oa, *text) < 0)
		return -ENOMEM;
	if (s->plane) /* PROV-13: nobody's SEND is a stranger's yet */
		plane_forking(s->plane, setup_responder(s)->side, true, now_us);
	return im_keep(&st->offer, &st->offer_n, *text);
}

static bool over_limit(const struct im *im)
{
	uint64_t n = im->n_in_state[SESS_SETUP] + im->n_in_state[SESS_UP];
	return n - im->n_uncounted[SESS_SETUP] - im->n_uncounted[SESS_UP] >= im->conf.sessions_max;
}

void setup_request(struct im *im, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	struct session *s;
	struct setup *st;
	struct verdict v;
	struct sdp *offer;
	struct span text;
	char fault[96] = "", extra[192] = "";
	const char *why = NULL;
	unsigned status;
	int r;

	if (im->draining || over_limit(im) || !(s = setup_begin(im, t, m, now_us))) {
		im->mx.over_limit++;
		limits_refuse(im, t, now_us);
		return;
	}
	st = early_setup(s);
	r = request_sdp(im, m, 0, fault, &offer);
	if (r < 0) {
		setup_fail(st, (unsigned)-r, span_of(fault), r == -415 ? headers_acceptable(m) : "", now_us);
		return;
	}
	status = setup_judge(s, m, offer, &v, &why);
	if (status) {
		if (v.status)
			headers_warning(setup_initiator(s), &v, extra);
		setup_fail(st, status, span_of(why), extra, now_us);
		return;
	}
	if (session_anchored(s) && headers_precondition(m)) {
		setup_fail(st, 420, SPAN_EMPTY, "Unsupported: precondition\r\n", now_us);
		return;
	}
	if (m->max_forwards == 0) {
		setup_fail(st, 483, SPAN_EMPTY, "", now_us); /* MODE-8 */
		return;
	}
	if (ims_denies_privacy(m)) {
		setup_fail(st, 500, SPAN("Privacy Not Available"), "", now_us); /* RFC 3323 5 */
		return;
	}
	leg_reply(setup_initiator(s), t, 100, SPAN_EMPTY, "", now_us);
	r = setup_offer(s, offer, v.off, &text, now_us);
	if (r == 0)
		r = setup_send(s, m, text, now_us);
	if (r < 0) {
		/* MODE-7: what is missing may be there again soon. */
		snprintf(extra, sizeof(extra), "Retry-After: %u\r\n", 5 + im_random_below(im, 11));
		setup_fail(st,
			   r == -ENOENT   ? 404
			   : r == -ENOMEM ? 503
					  : 500,
			   SPAN_EMPTY, r == -ENOMEM ? extra : "", now_us);
		return;
	}
	setup_arm(st, now_us);
}

/* The server is going: who still waits for an answer may try elsewhere (UP-52). */
void setup_shut(struct session *s, uint64_t now_us)
{
	setup_fail(early_setup(s), 503, SPAN_EMPTY, "Retry-After: 10\r\n", now_us);
}

void setup_cancel(struct setup *st, const struct sip_msg *cancel, uint64_t now_us)
{
	struct leg *l = setup_initiator(early_first(st));
	struct sip_stxn *in = st->in;
	char extra[1024];
	struct wbuf w = wbuf_on(extra, sizeof(extra) - 1);

	w_hdr_copy(&w, cancel, SIP_H_REASON);
	extra[w_ok(&w) ? w.n : 0] = '\0';
	st->im->mx.setups_failed++;
	setup_quiet(st);
	leg_reply(l, in, 487, SPAN_EMPTY, "", now_us);
	setup_end(st, extra, now_us);
}
