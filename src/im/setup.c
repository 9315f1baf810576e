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
	if (!st)
		return;
	st->in = NULL;
	timer_stop(&st->s->im->wheel, &st->t_ring);
	timer_stop(&st->s->im->wheel, &st->t_c);
}

void setup_free(struct setup *st)
{
	if (!st)
		return;
	setup_quiet(st);
	free(st->invite);
	free(st->offer);
	free(st->preview);
	free(st);
}

static void setup_done(struct session *s)
{
	setup_free(s->setup);
	s->setup = NULL;
}

static struct leg *initiator(struct session *s)
{
	return &s->leg[s->initiator];
}

static struct leg *responder(struct session *s)
{
	return &s->leg[side_other(s->initiator)];
}

/* The set-up failed: the initiator is told, the far leg is ended in whatever state it is. */
static void setup_fail(struct session *s, unsigned status, struct span reason, const char *extra,
		       uint64_t now_us)
{
	struct leg *l = initiator(s);
	char why[48];

	s->im->mx.setups_failed++;
	im_log(s->im, IM_NOTICE, "setup-failed", "sess=%lu status=%u", (unsigned long)s->id, status);
	if (l->invite_in && l->state == LEG_INVITED) {
		leg_reply(l, l->invite_in, status, reason, extra, now_us);
		l->state = LEG_OVER;
	}
	snprintf(why, sizeof(why), "Reason: SIP;cause=%u\r\n", status); /* TERM-6 */
	session_end(s, why, now_us);
}

/* Our own Route entry is taken off; what is below it decides where the INVITE goes (SETUP-3, IMS-6). */
static int w_routes(struct wbuf *w, const struct im_conf *conf, const struct sip_msg *m, struct sip_dest *to)
{
	struct sip_iter it = { 0 };
	struct sip_name_addr na;
	bool first = true, have = false;

	for (struct span v; sip_each(m, SIP_H_ROUTE, &it, &v); first = false) {
		if (sip_name_addr_parse(&na, v) < 0)
			return -EINVAL;
		if (first && role_is_us(conf, na.uri))
			continue;
		if (!have && sip_uri_next_hop(na.uri, to) < 0)
			return -EINVAL;
		have = true;
		w_hdr(w, SIP_H_ROUTE, v);
	}
	if (have)
		return 0;
	if (conf->next_hop[0])
		return sip_uri_next_hop(span_of(conf->next_hop), to);
	return role_is_us(conf, m->ruri) ? -ENOENT : sip_uri_next_hop(m->ruri, to);
}

/* A From or To value without its tag. */
static void w_party(struct wbuf *w, enum sip_hdr_id id, struct span value, const char *tag)
{
	struct sip_name_addr na;
	struct span name, v;

	w_span(w, sip_hdr_id_name(id)), w_str(w, ": ");
	if (sip_name_addr_parse(&na, value) < 0)
		return;
	if (na.display.n)
		w_span(w, na.display), w_chr(w, ' ');
	w_chr(w, '<'), w_span(w, na.uri), w_chr(w, '>');
	while (sip_param_next(&na.params, &name, &v)) {
		if (span_ieq(name, SPAN("tag")) || !name.n)
			continue;
		w_chr(w, ';'), w_span(w, name);
		if (v.n)
			w_chr(w, '='), w_span(w, v);
	}
	if (tag)
		w_str(w, ";tag="), w_str(w, tag);
	w_str(w, "\r\n");
}

static void w_via(struct wbuf *w, const struct im_listen *at, struct span branch)
{
	w_str(w, at->tp == SIP_TCP ? "Via: SIP/2.0/TCP " : "Via: SIP/2.0/UDP ");
	w_str(w, at->host), w_chr(w, ':'), w_u64(w, at->port);
	w_str(w, ";rport;branch="), w_span(w, branch), w_str(w, "\r\n");
}

static void choose_transport(struct im *im, struct sip_dest *to, size_t size)
{
	/* RFC 3261 18.1.1: what may be fragmented goes over TCP, where we can. */
	if (to->tp == SIP_UDP && size > 1300 && im_listen_for(im, SIP_TCP, &to->ip))
		to->tp = SIP_TCP;
}

static void w_invite(struct wbuf *w, struct leg *l, const struct sip_msg *m, const struct sip_dest *to,
		     struct span routes, struct span branch, const char *call_id, struct span sdp)
{
	struct im *im = l->s->im;

	l->at = im_listen_for(im, to->tp, &to->ip);
	*w = wbuf_on(im->out, SIP_MSG_MAX);
	w_str(w, "INVITE "), w_span(w, m->ruri), w_str(w, " SIP/2.0\r\n");
	w_via(w, l->at, branch);
	w_hdr_u64(w, SIP_H_MAX_FORWARDS, m->max_forwards - 1u);
	w_span(w, routes);
	w_party(w, SIP_H_FROM, m->from, l->tag);
	w_party(w, SIP_H_TO, m->to, NULL);
	w_str(w, "Call-ID: "), w_str(w, call_id), w_str(w, "\r\nCSeq: 1 INVITE\r\n");
	w_ours(w, l, m);
	stimer_w_invite(l, w);
	w_pass(w, m, l->trusted && leg_other(l)->trusted);
	if (sdp.n)
		w_sdp_body(w, im, m, sdp);
	else
		w_body_of(w, m);
}

/* The INVITE on the far leg.  0; -ENOENT: the request addresses us and nobody else; -EINVAL; -ENOMEM. */
static int setup_send(struct session *s, const struct sip_msg *m, struct span sdp, uint64_t now_us)
{
	struct im *im = s->im;
	struct leg *l = responder(s);
	char branch_buf[40], call_id[CALL_ID_LEN + 1], lines[4096];
	struct wbuf routes = wbuf_on(lines, sizeof(lines)), w;
	struct span branch = sip_tl_branch(im->tl, branch_buf);
	struct sip_dest to = { 0 };
	int r = w_routes(&routes, &im->conf, m, &to);

	if (r < 0 || !w_ok(&routes) || !im_listen_for(im, to.tp, &to.ip))
		return r < 0 ? r : -EINVAL;
	l->trusted = to.ip.family ? role_trusted(&im->conf, &to.ip) : im->conf.next_hop[0] != '\0';
	im_token(im, call_id, CALL_ID_LEN);
	w_invite(&w, l, m, &to, w_span_of(&routes), branch, call_id, sdp);
	if (w_ok(&w) && w.n > 1300 && to.tp == SIP_UDP) {
		choose_transport(im, &to, w.n);
		w_invite(&w, l, m, &to, w_span_of(&routes), branch, call_id, sdp);
	}
	if (!w_ok(&w) || im_keep(&s->setup->invite, &s->setup->invite_n, w_span_of(&w)) < 0)
		return -ENOMEM;
	l->invite_out =
		sip_ctxn_start(im->tl, SIP_INVITE, branch, &to, w_span_of(&w), leg_on_invite, l, now_us);
	if (!l->invite_out)
		return -ENOMEM;
	l->owes_answer = !sdp.n;
	l->state = LEG_INVITING;
	return 0;
}

static void on_ring(struct timer *t, uint64_t now_us)
{
	struct setup *st = container_of(t, struct setup, t_ring);
	struct session *s = st->s;
	struct wbuf w = wbuf_on(s->im->out, SIP_MSG_MAX);

	w_reply(&w, sip_stxn_request(st->in), &sip_stxn_src(st->in)->ip, st->last_1xx, SPAN_EMPTY,
		span_of(initiator(s)->tag));
	w_ours(&w, initiator(s), NULL);
	w_end(&w, SPAN("application/sdp"), (struct span){ st->preview, st->preview_n });
	if (w_ok(&w))
		sip_stxn_reply(st->in, st->last_1xx, w_span_of(&w), now_us);
	timer_set(&s->im->wheel, t, now_us + RING_REPEAT_MS * US_PER_MS, on_ring);
}

static void on_timer_c(struct timer *t, uint64_t now_us)
{
	struct setup *st = container_of(t, struct setup, t_c);
	setup_fail(st->s, 408, SPAN_EMPTY, "", now_us);
}

static void refuse_503(struct im *im, struct sip_stxn *t, uint64_t now_us)
{
	char tag[TAG_LEN + 1], extra[32];
	im->mx.over_limit++;
	im_token(im, tag, TAG_LEN);
	snprintf(extra, sizeof(extra), "Retry-After: %u\r\n", 5 + im_random_below(im, 11));
	im_reply(im, t, 503, SPAN_EMPTY, span_of(tag), extra, now_us);
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
	l = initiator(s);
	l->at = im_listen_for(im, src->tp, &src->ip);
	l->trusted = role_trusted(&im->conf, &src->ip);
	s->setup = calloc(1, sizeof(*s->setup));
	if (s->setup)
		s->setup->s = s;
	if (!s->setup || !l->at || sip_dialog_uas(&l->dlg, m, span_of(l->tag)) < 0) {
		session_move(s, SESS_OVER);
		return NULL;
	}
	s->setup->in = t;
	l->invite_in = t;
	l->state = LEG_INVITED;
	sip_stxn_set_user(t, l);
	sip_stxn_set_tag(t, span_of(l->tag));
	leg_link(l);
	leg_learn(l, m);
	leg_note_contact(l, m);
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
	s->initiator = SIDE_B;
	sip_stxn_set_user(s->setup->in, b);
	leg_link(b);
}

/* Role, class, Media Parameters: 0, or the status to refuse with. */
static unsigned setup_judge(struct session *s, const struct sip_msg *m, const struct sdp *offer,
			    struct verdict *v, const char **fault)
{
	const struct im_conf *conf = &s->im->conf;
	bool trusted = initiator(s)->trusted;
	struct im_classified class;
	struct im_role role;
	int r = role_decide(conf, m, trusted, &role, fault);

	*v = (struct verdict){ 0 };
	if (r != 0)
		return (unsigned)(r > 0 ? r : 403);
	s->scase = role.scase;
	s->role_evidence = role.evidence;
	s->served_user = span_dup(span_of(role.served_user)); /* no memory: seen as "" */
	take_side(s);
	classify(conf, m, offer, trusted, &class);
	s->class = class.class;
	s->class_evidence = class.evidence;
	im_log(s->im, IM_NOTICE, "session-class",
	       "sess=%lu class=%s evidence=\"%s\" detail=\"%s\" case=%s role-by=\"%s\"", (unsigned long)s->id,
	       im_class_name(s->class), s->class_evidence, class.detail,
	       s->scase == IM_ORIGINATING ? "originating" : "terminating", s->role_evidence);
	if (s->class == IM_CLASS_NOT_IM) {
		/* CLASS-10: what is not messaging would have to pass out of the media path, a mode to come. */
		*v = (struct verdict){ 488, 304, "no message stream", 0 };
		return 488;
	}
	if (offer)
		accept_offer(conf, s->class, NULL, NULL, offer, v);
	return v->status;
}

/* Both ends of the user plane and the far offer, from the offer in the INVITE. */
static int setup_offer(struct session *s, const struct sdp *offer, uint32_t off, struct span *text,
		       uint64_t now_us)
{
	struct setup *st = s->setup;

	st->off = off;
	s->plane = plane_create(s->im->planes, s, &session_plane_hooks);
	if (!s->plane)
		return -ENOMEM;
	if (!offer) {
		*text = SPAN_EMPTY;
		return 0;
	}
	if (plane_prepare(s->plane, s->initiator, offer, off, now_us) < 0)
		return -ENOMEM;
	if (sdp_oa_offer_in(&initiator(s)->oa, offer->raw) < 0)
		return -ENOMEM;
	*text = offer_make(responder(s), SDP_OFFER, offer, NULL, off);
	if (!text->n || sdp_oa_offer_out(&responder(s)->oa, *text) < 0)
		return -ENOMEM;
	return im_keep(&st->offer, &st->offer_n, *text);
}

void setup_request(struct im *im, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	struct session *s;
	struct verdict v;
	struct sdp *offer;
	struct span text;
	char fault[96] = "", extra[192] = "";
	const char *why = NULL;
	unsigned status;
	int r;

	if (im->draining || im->n_in_state[SESS_SETUP] + im->n_in_state[SESS_UP] >= im->conf.sessions_max ||
	    !(s = setup_begin(im, t, m, now_us))) {
		refuse_503(im, t, now_us);
		return;
	}
	r = request_sdp(im, m, 0, fault, &offer);
	if (r < 0) {
		setup_fail(s, (unsigned)-r, span_of(fault), r == -415 ? headers_acceptable(m) : "", now_us);
		return;
	}
	status = setup_judge(s, m, offer, &v, &why);
	if (status) {
		if (v.status)
			headers_warning(initiator(s), &v, extra);
		setup_fail(s, status, span_of(why), extra, now_us);
		return;
	}
	if (m->max_forwards == 0) {
		setup_fail(s, 483, SPAN_EMPTY, "", now_us); /* MODE-8 */
		return;
	}
	leg_reply(initiator(s), t, 100, SPAN_EMPTY, "", now_us);
	r = setup_offer(s, offer, v.off, &text, now_us);
	if (r == 0)
		r = setup_send(s, m, text, now_us);
	if (r < 0) {
		/* MODE-7: what is missing may be there again soon. */
		snprintf(extra, sizeof(extra), "Retry-After: %u\r\n", 5 + im_random_below(im, 11));
		setup_fail(s,
			   r == -ENOENT   ? 404
			   : r == -ENOMEM ? 503
					  : 500,
			   SPAN_EMPTY, r == -ENOMEM ? extra : "", now_us);
		return;
	}
	timer_set(&im->wheel, &s->setup->t_c, now_us + TIMER_C_MS * US_PER_MS, on_timer_c);
}

/* The server is going: who still waits for an answer may try elsewhere (UP-52). */
void setup_shut(struct session *s, uint64_t now_us)
{
	setup_fail(s, 503, SPAN_EMPTY, "Retry-After: 10\r\n", now_us);
}

void setup_cancel(struct session *s, const struct sip_msg *cancel, uint64_t now_us)
{
	char extra[1024];
	struct wbuf w = wbuf_on(extra, sizeof(extra) - 1);

	w_hdr_copy(&w, cancel, SIP_H_REASON);
	extra[w_ok(&w) ? w.n : 0] = '\0';
	s->im->mx.setups_failed++;
	session_end(s, extra, now_us);
}

/* SETUP-7: what an unreliable 1xx shows of the answer is shown on, and then is our answer to the letter. */
static struct span setup_preview(struct session *s, const struct sip_msg *resp)
{
	struct setup *st = s->setup;
	struct sdp *answer, *near = s->im->sdp[1];
	char fault[96];
	struct span text;

	if (!st->offer || request_sdp(s->im, resp, 0, fault, &answer) != 0)
		return SPAN_EMPTY;
	if (st->preview)
		return (struct span){ st->preview, st->preview_n };
	if (sdp_parse(near, (struct span){ initiator(s)->oa.pending, initiator(s)->oa.pending_n }, NULL) <
		    0 ||
	    answer->n_media != near->n_media)
		return SPAN_EMPTY;
	text = offer_make(initiator(s), SDP_ANSWER, answer, near, st->off);
	return im_keep(&st->preview, &st->preview_n, text) == 0 ? text : SPAN_EMPTY;
}

/* A 1xx tells what its sender can do; it counts if the 2xx is of the same early dialog. */
static void setup_learn(struct setup *st, const struct sip_msg *resp)
{
	struct wbuf w = wbuf_on(st->early_tag, sizeof(st->early_tag) - 1);

	if (!resp->to_tag.n || resp->to_tag.n > w.cap)
		return;
	if (!span_eq(resp->to_tag, span_of(st->early_tag)))
		st->early = (struct sip_dialog){ 0 };
	w_span(&w, resp->to_tag);
	st->early_tag[w.n] = '\0';
	sip_dialog_learn(&st->early, resp);
}

static void setup_provisional(struct session *s, const struct sip_msg *resp, uint64_t now_us)
{
	struct setup *st = s->setup;
	timer_set(&s->im->wheel, &st->t_c, now_us + TIMER_C_MS * US_PER_MS, on_timer_c);
	if (resp->status == 100)
		return;
	st->last_1xx = resp->status;
	setup_learn(st, resp);
	leg_note_contact(responder(s), resp); /* its features, until the 2xx says better */
	leg_forward(initiator(s), st->in, resp, resp->status, setup_preview(s, resp), now_us);
	timer_set(&s->im->wheel, &st->t_ring, now_us + RING_REPEAT_MS * US_PER_MS, on_ring);
}

/* Dialog of the far leg, from our INVITE as it was sent and the 2xx. */
static int setup_dialog(struct session *s, const struct sip_msg *resp)
{
	struct leg *l = responder(s);
	struct setup *st = s->setup;
	struct sip_msg *invite = malloc(sizeof(*invite));
	struct sip_dest to;
	int r = invite ? sip_msg_parse(invite, (struct span){ st->invite, st->invite_n }, true) : -ENOMEM;

	if (r == 0)
		r = sip_dialog_uac(&l->dlg, invite, resp);
	free(invite);
	if (r != 0)
		return -EBADMSG;
	if (sip_dialog_next_hop(&l->dlg, &to) < 0 || !im_listen_for(s->im, to.tp, &to.ip)) {
		sip_dialog_finish(&l->dlg); /* there is no way to say anything in it */
		return -EBADMSG;
	}
	l->dlg.call_id_ours = true;
	leg_link(l);
	if (st->early_tag[0] && span_eq(resp->to_tag, span_of(st->early_tag))) {
		l->dlg.allow = st->early.allow;
		l->dlg.allow_known = st->early.allow_known;
	}
	leg_learn(l, resp);
	leg_note_contact(l, resp);
	l->state = LEG_UP;
	return 0;
}

/* CLASS-13: who answers as a focus makes it a group; what may be modified does not get stricter by it. */
static void setup_focus(struct session *s)
{
	const char *features = responder(s)->features;
	struct span flag;

	if (s->class != IM_CLASS_CONVERSATION || !features ||
	    !sip_param(span_of(features), SPAN("isfocus"), &flag))
		return;
	s->class = IM_CLASS_GROUP;
	s->class_evidence = "isfocus in the answer";
}

static void setup_up(struct session *s, uint64_t now_us)
{
	setup_focus(s);
	s->im->mx.sessions_total++;
	session_move(s, SESS_UP);
	im_log(s->im, IM_NOTICE, "session-up", "sess=%lu class=%s setup_ms=%lu", (unsigned long)s->id,
	       im_class_name(s->class), (unsigned long)((now_us - s->since_us) / US_PER_MS));
}

/* SETUP-9: the 2xx to an INVITE that carried our offer.  Commit before the 200 leaves (MOD-22). */
static void setup_accepted(struct session *s, const struct sip_msg *resp, uint64_t now_us)
{
	struct im *im = s->im;
	struct setup *st = s->setup;
	struct leg *near = initiator(s), *far = responder(s);
	struct sdp *answer, *sent = im->sdp[1], *offer = im->sdp[2];
	struct verdict v;
	struct span text;
	char fault[96], extra[192];
	int r;

	leg_ack(far, resp->cseq, SPAN_EMPTY);
	r = request_sdp(im, resp, 0, fault, &answer);
	if (r == 1) {
		setup_fail(s, 500, SPAN("No answer in 2xx"), "", now_us);
		return;
	}
	if (r < 0 || sdp_parse(sent, (struct span){ st->offer, st->offer_n }, NULL) < 0 ||
	    sdp_parse(offer, (struct span){ near->oa.pending, near->oa.pending_n }, NULL) < 0) {
		setup_fail(s, 488, SPAN_EMPTY, "", now_us);
		return;
	}
	accept_answer(&im->conf, s->class, NULL, sent, answer, &v);
	if (v.status) {
		headers_warning(near, &v, extra);
		setup_fail(s, 488, SPAN_EMPTY, extra, now_us);
		return;
	}
	/* SETUP-7: what was shown stands; another text, not sent, must not use up a version (SDP-4). */
	text = st->preview ? (struct span){ st->preview, st->preview_n }
			   : offer_make(near, SDP_ANSWER, answer, offer, st->off);
	if (!text.n || sdp_oa_answer_in(&far->oa, answer->raw) < 0 ||
	    sdp_oa_answer_out(&near->oa, text) < 0) {
		setup_fail(s, 500, SPAN_EMPTY, "", now_us);
		return;
	}
	plane_commit(s->plane, s->initiator, offer, answer, now_us);
	near->state = LEG_UP;
	if (!leg_forward(near, st->in, resp, 200, text, now_us)) {
		near->state = LEG_OVER;
		setup_fail(s, 500, SPAN_EMPTY, "", now_us);
		return;
	}
	setup_done(s);
	setup_up(s, now_us);
	session_media_check(s, now_us);
}

/* An offerless INVITE: from here on it is a modification whose answer is due in the ACK (SETUP-6, MOD-37). */
static void setup_offerless(struct session *s, const struct sip_msg *resp, uint64_t now_us)
{
	struct modify *mod = &s->mod;

	mod->stage = MOD_OUT;
	mod->from = s->initiator;
	mod->in = mod->out = SIP_INVITE;
	mod->offerless = true;
	mod->since_us = now_us;
	mod->txn = s->setup->in;
	setup_done(s);
	modify_offerless_offer(s, responder(s), resp, now_us);
	if (initiator(s)->state == LEG_UP)
		setup_up(s, now_us);
}

static void setup_2xx(struct session *s, const struct sip_msg *resp, uint64_t now_us)
{
	struct leg *far = responder(s);
	bool wanted = s->state == SESS_SETUP;

	if (setup_dialog(s, resp) < 0) {
		far->state = LEG_OVER;
		setup_fail(s, 500, SPAN("Bad 2xx"), "", now_us);
		session_over_check(s, now_us);
		return;
	}
	if (!wanted) {
		/* SETUP-13: cancelled, and answered all the same. */
		leg_ack_refusing(far, resp);
		leg_bye_now(far, now_us);
		session_over_check(s, now_us);
	} else if (s->setup->offer) {
		setup_accepted(s, resp, now_us);
	} else {
		setup_offerless(s, resp, now_us);
	}
}

/* SETUP-14, 17, 18: which code the initiator sees for the far side's. */
static unsigned setup_mapped(unsigned status)
{
	if (status / 100 == 3)
		return 480;
	return status == 503 ? 500 : status;
}

void setup_response(struct leg *l, const struct sip_msg *resp, enum sip_end end, uint64_t now_us)
{
	struct session *s = l->s;
	struct leg *near = initiator(s);

	if (resp && resp->status < 200) {
		if (s->state == SESS_SETUP)
			setup_provisional(s, resp, now_us);
		return;
	}
	if (resp && resp->status < 300) {
		setup_2xx(s, resp, now_us);
		return;
	}
	l->state = LEG_OVER;
	if (s->state != SESS_SETUP) {
		session_over_check(s, now_us); /* the answer to our CANCEL */
		return;
	}
	if (!resp) {
		setup_fail(s, end == SIP_END_TRANSPORT ? 500 : 408, SPAN_EMPTY, "", now_us);
		return;
	}
	s->im->mx.setups_failed++;
	im_log(s->im, IM_NOTICE, "setup-failed", "sess=%lu status=%u", (unsigned long)s->id, resp->status);
	leg_forward(near, s->setup->in, resp, setup_mapped(resp->status), SPAN_EMPTY, now_us);
	near->state = LEG_OVER;
	session_end(s, "", now_us);
}
