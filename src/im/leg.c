/* SPDX-License-Identifier: MIT */
/*
 * A leg: one dialog with one peer, with the transactions that are open on it.  What is hard is ending it in
 * every state: an INVITE we have not answered, one that was not answered to us, a 2xx of ours that was not
 * acknowledged (no BYE before that, RFC 3261 15), a BYE that crosses theirs.
 */
#include <stdio.h>
#include <stdlib.h>

#include "im/core.h"

void leg_init(struct leg *l, struct session *s, enum side side)
{
	uint64_t id;
	memset(l, 0, sizeof(*l));
	l->s = s;
	l->side = side;
	im_token(s->im, l->tag, TAG_LEN);
	s->im->port.random(s->im->port.w, &id, sizeof(id));
	sdp_oa_init(&l->oa, id >> 2, 1); /* o= id up to 2^62: every parser takes it (SDP-1) */
}

static void detach(struct sip_ctxn **t)
{
	if (*t)
		sip_ctxn_set_user(*t, NULL);
	*t = NULL;
}

static void let_go(struct sip_stxn **t)
{
	if (*t)
		sip_stxn_set_user(*t, NULL);
	*t = NULL;
}

/* A 2xx may still come of another fork.  One that is known hears of it now, and has to answer for those that are not. */
static void hand_over(struct leg *l)
{
	struct leg *heir;

	for (struct acked *a = l->acked; a; a = a->next) {
		struct sip_ctxn *t = a->t;
		if (!t || !a->creates)
			continue;
		a->t = NULL;
		heir = early_heir(l);
		if (heir)
			leg_accepted(heir, t, a->cseq, true);
		else
			late_keep(l, t, a->cseq); /* takes the ACKs of the other forks along */
		return;
	}
}

void leg_finish(struct leg *l)
{
	if (l->linked)
		htab_del(&l->s->im->dialogs, &l->link);
	l->linked = false;
	detach(&l->invite_out);
	hand_over(l);
	leg_acked_drop(l->s->im, &l->acked);
	detach(&l->update_out);
	detach(&l->bye_out);
	modify_target_drop(l);
	stimer_drop(l);
	let_go(&l->invite_in);
	let_go(&l->update_in);
	sip_dialog_finish(&l->dlg);
	sdp_oa_finish(&l->oa);
	free(l->bye_extra), l->bye_extra = NULL;
	free(l->features), l->features = NULL;
	free(l->supported), l->supported = NULL;
	free(l->identity), l->identity = NULL;
}

void leg_link(struct leg *l)
{
	struct htab *t = &l->s->im->dialogs;
	htab_put(t, &l->link, htab_hash(t, span_of(l->tag)));
	l->linked = true;
}

static bool is_dialog_of(const struct htab_link *link, const void *key)
{
	return sip_dialog_matches(&container_of(link, struct leg, link)->dlg, key);
}

/* A dialog is found by our own tag, which nobody else makes; Call-ID and the peer's tag, which tells the forks of one
 * INVITE apart, must then agree. */
struct leg *leg_find(struct im *im, const struct sip_msg *m)
{
	struct span tag = m->request ? m->to_tag : m->from_tag;
	struct htab_link *link;

	if (!tag.n || !(link = htab_get(&im->dialogs, htab_hash(&im->dialogs, tag), is_dialog_of, m)))
		return NULL;
	return container_of(link, struct leg, link);
}

static void keep_text(char **slot, char *text)
{
	if (!text)
		return; /* no memory: what we knew before still holds */
	free(*slot);
	*slot = text;
}

/* All headers of this id, as they stand. */
static uint64_t hash_of(const struct sip_msg *m, enum sip_hdr_id id, uint64_t seed)
{
	for (const struct sip_hdr *h = sip_hdr(m, id); h; h = sip_hdr_next(m, h))
		seed = span_hash(sip_hdr_value(m, h), seed);
	return seed;
}

/* What a peer says of itself rarely changes; the same words again are not read again. */
void leg_learn(struct leg *l, const struct sip_msg *m)
{
	uint64_t said;
	bool proof = m->request && m->method == SIP_UPDATE && !sip_dialog_allows(&l->dlg, SIP_UPDATE);

	ims_learn(l, m);
	/* A 100 and errors may be the word of a proxy; the 405 is the peer's (MOD-13). */
	if (!m->request && (m->status <= 100 || (m->status >= 300 && m->status != 405)))
		return;
	said = hash_of(m, SIP_H_REQUIRE, hash_of(m, SIP_H_SUPPORTED, hash_of(m, SIP_H_ALLOW, 0) + 1) + 1);
	if (said == l->said && !proof)
		return;
	l->said = said;
	sip_dialog_learn(&l->dlg, m);
	if (sip_has(m, SIP_H_SUPPORTED))
		keep_text(&l->supported, headers_supported(m, session_anchored(l->s)));
}

static uint64_t contact_hash(struct span value)
{
	return value.n ? span_hash(value, 1) | 1 : 0;
}

bool leg_same_contact(const struct leg *l, const struct sip_msg *m)
{
	const struct sip_hdr *h = sip_hdr(m, SIP_H_CONTACT);
	return h && l->contact && !sip_hdr_next(m, h) && contact_hash(sip_hdr_value(m, h)) == l->contact;
}

void leg_note_contact(struct leg *l, const struct sip_msg *m)
{
	char *features = headers_features(m);
	if (features)
		l->contact = contact_hash(sip_value(m, SIP_H_CONTACT));
	keep_text(&l->features, features);
}

void leg_refresh(struct leg *l, const struct sip_msg *m)
{
	identity_note(l, m);
	/* Without a usable Contact, or memory, the old target holds. */
	if (!sip_has(m, SIP_H_CONTACT) || leg_same_contact(l, m) || sip_dialog_refresh(&l->dlg, m) < 0)
		return;
	leg_note_contact(l, m);
	modify_target_settled(l);
}

bool leg_trusts(const struct leg *l, const struct sip_stxn *t)
{
	/* The dialog may be trusted and who uses it not: its identifiers are no secret of the core's. */
	return l->trusted && l->s->leg[side_other(l->side)].trusted &&
	       role_trusted(&l->s->im->conf, &sip_stxn_src(t)->ip);
}

static bool is_secure(enum sip_transport tp)
{
	return tp == SIP_TLS || tp == SIP_WSS;
}

bool leg_safe(const struct leg *l, const struct sip_stxn *t)
{
	const struct im_conf *conf = &l->s->im->conf;

	if (conf->plane.prints_from_any)
		return true;
	if (t) /* who uses the dialog, whoever it is with */
		return is_secure(sip_stxn_src(t)->tp) || role_trusted(conf, &sip_stxn_src(t)->ip);
	return l->trusted || (l->at && is_secure(l->at->tp));
}

unsigned leg_back_off_ms(const struct leg *l)
{
	/* By who made its Call-ID, in steps of 10 ms. */
	return l->dlg.call_id_ours ? 2100 + 10 * im_random_below(l->s->im, 191)
				   : 10 * im_random_below(l->s->im, 201);
}

void leg_heard(struct leg *l, const struct sip_src *src)
{
	const struct im_listen *at = sip_is_ws(src->tp) ? im_listen_for(l->s->im, src->tp, &src->ip) : NULL;

	if (!at)
		return;
	l->flow = src->conn;
	l->at = at;
}

/* Where we speak from.  A peer behind WebSocket has no address that could be called: its Contact names a host in
 * .invalid (RFC 7118 5.2), and the way to it is the connection it made. */
static const struct im_listen *point_for(const struct leg *l, struct sip_dest *to)
{
	if (!sip_is_ws(to->tp) || !l->flow)
		return im_listen_for(l->s->im, to->tp, &to->ip);
	to->conn = l->flow;
	to->tp = l->at->tp;
	return l->at;
}

static void w_sent_by(struct wbuf *w, const struct im_listen *at)
{
	w_str(w, at->host), w_chr(w, ':'), w_u64(w, at->port);
}

int leg_request(struct leg *l, struct wbuf *w, enum sip_method m, uint32_t cseq, unsigned max_forwards,
		char branch[40], struct sip_dest *to)
{
	struct im *im = l->s->im;
	char by[80];
	struct wbuf sent_by = wbuf_on(by, sizeof(by));
	const struct im_listen *at;

	if (sip_dialog_next_hop(&l->dlg, to) < 0 || !(at = point_for(l, to)))
		return -EINVAL;
	l->at = at;
	w_sent_by(&sent_by, at);
	*w = wbuf_on(im->out, SIP_MSG_MAX);
	sip_dialog_request(&l->dlg, w, m, cseq, max_forwards, to->tp, w_span_of(&sent_by),
			   sip_tl_branch(im->tl, branch));
	if (m == SIP_INVITE || m == SIP_UPDATE)
		stimer_w_request(l, w);
	return 0;
}

/* Only the Via's transport changes. */
void leg_fit(struct im *im, struct wbuf *w, struct sip_dest *to)
{
	struct span head = w_span_of(w);
	size_t via = span_find(head, SPAN("\r\nVia: SIP/2.0/UDP "));
	const struct im_listen *at = im_listen_for(im, SIP_TCP, &to->ip);
	const struct im_listen *was = im_listen_for(im, SIP_UDP, &to->ip);

	if (to->tp != SIP_UDP || head.n <= 1300 || via == SPAN_NONE || !at || !was || at->port != was->port)
		return;
	memcpy(w->p + via + strlen("\r\nVia: SIP/2.0/"), "TCP", 3);
	to->tp = SIP_TCP;
	to->any_tp = false;
	to->by_size = true;
}

struct sip_ctxn *leg_start(struct leg *l, enum sip_method m, const char *branch, struct sip_dest *to,
			   struct wbuf *w, sip_ctxn_fn *fn, void *user, uint64_t now_us)
{
	struct im *im = l->s->im;
	if (!w_ok(w))
		return NULL;
	leg_fit(im, w, to);
	return sip_ctxn_start(im->tl, m, span_of(branch), to, w_span_of(w), fn, user, now_us);
}

struct sip_ctxn *leg_own_heard(struct leg *l, enum sip_method m, struct span offer, sip_ctxn_fn *fn,
			       void *user, uint64_t now_us)
{
	struct sip_dest to;
	struct wbuf w;
	char branch[40];

	if (leg_request(l, &w, m, 0, 70, branch, &to) < 0)
		return NULL;
	w_ours(&w, l, NULL);
	ims_w_own(&w, l, true);
	w_product(&w, l->s->im, SIP_H_USER_AGENT);
	w_end(&w, offer.n ? SPAN("application/sdp") : SPAN_EMPTY, offer);
	return leg_start(l, m, branch, &to, &w, fn, user, now_us);
}

bool leg_own(struct leg *l, enum sip_method m, struct span offer, uint64_t now_us)
{
	bool invite = m == SIP_INVITE;
	struct sip_ctxn **slot = invite ? &l->invite_out : &l->update_out;

	*slot = leg_own_heard(l, m, offer, invite ? leg_on_invite : leg_on_update, l, now_us);
	if (!*slot)
		return false;
	if (invite)
		l->owes_answer = false;
	else
		l->update_early = false;
	return true;
}

/* A final answer is given: what only waits for an ACK stays ours (an INVITE's 2xx), all else is forgotten. */
static void settle(struct leg *l, struct sip_stxn *t, unsigned status)
{
	bool waits = status / 100 == 2 && sip_stxn_request(t)->method == SIP_INVITE;
	if (status < 200)
		return;
	if (!waits)
		sip_stxn_set_user(t, NULL);
	if (l->invite_in == t && !waits)
		l->invite_in = NULL;
	if (l->update_in == t)
		l->update_in = NULL;
}

void leg_reply(struct leg *l, struct sip_stxn *t, unsigned status, struct span reason, const char *extra,
	       uint64_t now_us)
{
	char lines[1024];
	struct wbuf w = wbuf_on(lines, sizeof(lines) - 1);

	w_str(&w, extra);
	if (status > 100)
		ims_w_own(&w, l, false);
	lines[w.n] = '\0';
	/* The 100 has our tag too: a CANCEL that comes before any other answer is answered with it (RFC 3261 9.2). */
	im_reply(l->s->im, t, status, reason, span_of(l->tag), w_ok(&w) ? lines : extra, now_us);
	settle(l, t, status);
}

/* Bodies cross; descriptions of media are made anew, and those of failures describe nothing that is used. */
static bool body_crosses(const struct sip_msg *resp, unsigned status)
{
	bool modifies = resp->method == SIP_INVITE || resp->method == SIP_UPDATE;
	bool sdp = span_istarts(sip_value(resp, SIP_H_CONTENT_TYPE), SPAN("application/sdp"));
	return status >= 300 || (!modifies && !sdp);
}

/* The responder's dialog is confirmed before the initiator's, where a 2xx is held (PROV-8). */
bool leg_is_early(const struct leg *l)
{
	return l->state != LEG_UP && early_alive(l->s);
}

/* Does a 2xx to it negotiate the session timer?  There is none in an early dialog (RFC 4028 7.1). */
static bool agrees(const struct leg *l, const struct sip_msg *req, unsigned status)
{
	return status / 100 == 2 &&
	       (req->method == SIP_INVITE || (req->method == SIP_UPDATE && !leg_is_early(l)));
}

void leg_w_answer(struct leg *l, struct wbuf *w, struct sip_stxn *t, const struct sip_msg *resp,
		  unsigned status, struct span sdp, const char *extra)
{
	struct im *im = l->s->im;
	const struct sip_msg *req = sip_stxn_request(t);

	*w = wbuf_on(im->out, SIP_MSG_MAX);
	w_reply(w, req, &sip_stxn_src(t)->ip, status,
		resp && status == resp->status ? resp->reason : SPAN_EMPTY, span_of(l->tag));
	w_str(w, extra);
	if (status < 300)
		w_ours(w, l, resp);
	else if (status == 405 || status == 501)
		w_allow(w);
	if (agrees(l, req, status))
		stimer_w_2xx(l, req, w);
	if (resp)
		w_pass(w, l, resp, leg_trusts(l, t));
	else
		ims_w_own(w, l, false);
	if (sdp.n)
		w_sdp_body(w, im, resp, sdp);
	else if (resp && body_crosses(resp, status))
		w_body_of(w, resp);
	else
		w_end(w, SPAN_EMPTY, SPAN_EMPTY);
}

bool leg_forward(struct leg *l, struct sip_stxn *t, const struct sip_msg *resp, unsigned status,
		 struct span sdp, uint64_t now_us)
{
	const struct sip_msg *req = sip_stxn_request(t);
	struct wbuf w;

	leg_w_answer(l, &w, t, resp, status, sdp, "");
	if (!w_ok(&w)) {
		leg_reply(l, t, 500, SPAN("Answer too large"), "", now_us);
		return false;
	}
	if (agrees(l, req, status))
		stimer_given(l, req, now_us);
	sip_stxn_reply(t, status, w_span_of(&w), now_us);
	settle(l, t, status);
	return true;
}

/*
 * Every answer to an INVITE of ours.  One that was accepted may be heard of again: the same 2xx wants the same ACK,
 * a 2xx of another fork its own ACK and BYE.
 */
void leg_on_invite(void *user, struct sip_ctxn *t, const struct sip_msg *resp, enum sip_end end,
		   uint64_t now_us)
{
	struct leg *l = user;
	struct setup *st = early_setup(l->s);

	if (st && t == st->out) {
		setup_response(st, resp, end, now_us);
		return;
	}
	if (leg_on_again(l, t, resp, now_us))
		return;
	if (t != l->invite_out)
		return;
	if (!resp || resp->status >= 200)
		l->invite_out = NULL;
	if (resp && resp->status / 100 == 2)
		leg_accepted(l, t, resp->cseq, false), stimer_on_2xx(l, resp, now_us);
	if (l->s->state < SESS_ENDING && refresh_is(l, SIP_INVITE))
		refresh_response(l, resp, end, true, now_us);
	else if (l->s->state < SESS_ENDING)
		modify_response(l, resp, end, now_us);
	else if (resp && resp->status / 100 == 2)
		leg_ack_refusing(l, resp); /* crossed our BYE */
}

void leg_on_update(void *user, struct sip_ctxn *t, const struct sip_msg *resp, enum sip_end end,
		   uint64_t now_us)
{
	struct leg *l = user;

	if (t != l->update_out || (resp && resp->status < 200))
		return;
	l->update_out = NULL;
	if (l->s->state >= SESS_ENDING)
		return;
	if (resp && resp->status / 100 == 2)
		(l->update_early ? stimer_in_doubt(l, now_us) : stimer_on_2xx(l, resp, now_us));
	l->update_early = false;
	if (refresh_is(l, SIP_UPDATE))
		refresh_response(l, resp, end, false, now_us);
	else
		modify_response(l, resp, end, now_us);
}

static void on_bye_answer(void *user, struct sip_ctxn *t, const struct sip_msg *resp, enum sip_end end,
			  uint64_t now_us)
{
	struct leg *l = user;
	(void)t, (void)end;
	if (resp && resp->status < 200)
		return;
	/* Whatever the answer, the dialog is gone (TERM-5). */
	l->bye_out = NULL;
	l->state = LEG_OVER;
	session_over_check(l->s, now_us);
}

void leg_bye_now(struct leg *l, uint64_t now_us)
{
	struct sip_dest to;
	struct wbuf w;
	char branch[40];

	l->bye_wanted = false;
	l->state = LEG_ENDING;
	if (leg_request(l, &w, SIP_BYE, 0, 70, branch, &to) == 0) {
		if (!l->bye_passed)
			w_product(&w, l->s->im, SIP_H_USER_AGENT), ims_w_own(&w, l, true);
		w_str(&w, l->bye_extra ? l->bye_extra : "");
		w_end(&w, SPAN_EMPTY, SPAN_EMPTY);
		l->bye_out = leg_start(l, SIP_BYE, branch, &to, &w, on_bye_answer, l, now_us);
		if (!l->bye_out && w_ok(&w))
			im_send(l->s->im, &to,
				w_span_of(&w)); /* no memory: said once is better than not at all */
	}
	if (!l->bye_out)
		l->state = LEG_OVER; /* cannot be told; it will find out from its next request (481) */
}

/* RFC 3261 15.1.2: what the peer still waits for gets its answer before its dialog ends. */
static void refuse_pending(struct leg *l, uint64_t now_us)
{
	if (l->invite_in && sip_stxn_status(l->invite_in) < 200)
		leg_reply(l, l->invite_in, 487, SPAN_EMPTY, "", now_us);
	if (l->update_in)
		leg_reply(l, l->update_in, 487, SPAN_EMPTY, "", now_us);
}

/* Theirs came, perhaps crossing ours, whose answer then no longer matters. */
void leg_bye_received(struct leg *l, uint64_t now_us)
{
	if (l->state == LEG_INVITED || (l->state == LEG_INVITING && early_alone(l->s)))
		early_leave(l, now_us);
	modify_target_drop(l);
	refuse_pending(l, now_us);
	if (l->invite_in)
		sip_stxn_acked(l->invite_in, now_us); /* who says BYE has our 2xx: stop repeating it */
	detach(&l->bye_out);
	l->bye_wanted = false;
	l->state = LEG_OVER;
}

void leg_end(struct leg *l, const char *extra, uint64_t now_us)
{
	if (!l->bye_extra)
		l->bye_extra = span_dup(span_of(extra));
	switch (l->state) {
	case LEG_NONE:
		l->state = LEG_OVER;
		break;
	case LEG_INVITED:
	case LEG_INVITING:
		early_leave(l, now_us);
		break;
	case LEG_UP:
		modify_target_drop(l);
		refuse_pending(l, now_us);
		if (l->invite_in) {
			l->bye_wanted = true;
			l->state = LEG_ENDING;
		} else {
			leg_bye_now(l, now_us);
		}
		break;
	case LEG_ENDING:
	case LEG_OVER:
		break;
	}
}
