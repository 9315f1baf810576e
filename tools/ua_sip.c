/* SPDX-License-Identifier: MIT */
/*
 * The SIP side of parley-ua: one dialog over the transaction layer of src/sip, with offers and answers in INVITE,
 * UPDATE, 2xx and ACK.  Requests the script says nothing about are answered as a patient user agent would; whatever
 * comes is also kept as an event for `expect`.
 */
#include <stdlib.h>

#include "sip/body.h"
#include "ua.h"

enum { MSG_MAX = 32768 };

static const char *method_z(enum sip_method m, char out[24])
{
	struct span s = sip_method_name(m);
	snprintf(out, 24, "%" SPAN_FMT, SPAN_ARG(s));
	return out;
}

/* ---- writing ---- */

void ua_sip_sent_by(const struct ua *ua, enum sip_transport tp, unsigned family, struct wbuf *w)
{
	const struct ua_listen *l = ua_listen_of(ua, tp == SIP_TCP ? UA_SIP_TCP : UA_SIP_UDP, family);
	if (!l)
		l = ua_listen_of(ua, tp == SIP_TCP ? UA_SIP_TCP : UA_SIP_UDP, 0);
	if (!l)
		l = &ua->listen[0];
	w_addr(w, &l->at);
}

static void w_allow(const struct ua *ua, struct wbuf *w)
{
	w_fmt(w, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE%s\r\n",
	      ua->allow_update ? ", UPDATE" : "");
}

static void w_contact(const struct ua *ua, struct wbuf *w)
{
	struct span user = span_of(ua->identity);
	size_t at = span_chr(user, ':'), host = span_chr(user, '@');
	user = span_cut(user, at == SPAN_NONE ? 0 : at + 1, host == SPAN_NONE ? 0 : host);
	w_str(w, "Contact: <sip:");
	if (user.n)
		w_span(w, user), w_chr(w, '@');
	ua_sip_sent_by(ua, ua->tp, 0, w);
	w_str(w, ua->tp == SIP_TCP ? ";transport=tcp>" : ">");
	w_str(w, ";+g.oma.sip-im\r\n");
}

/* What every request and 2xx of ours that refreshes the target says. */
static void w_target_headers(const struct ua *ua, struct wbuf *w)
{
	w_contact(ua, w);
	w_allow(ua, w);
	w_str(w, "User-Agent: IM-client/OMA1.0 parley-ua/0.1\r\n");
}

static void w_sdp_end(struct wbuf *w, const char *sdp, size_t n)
{
	w_end(w, n ? SPAN("application/sdp") : SPAN_EMPTY, (struct span){ sdp, n });
}

/* ---- ending ---- */

static void forget_offer(struct ua *ua)
{
	ua->call.pending = UA_IDLE;
	ua->call.ctxn = NULL;
	memset(&ua->call.next, 0, sizeof(ua->call.next));
}

static void session_over(struct ua *ua)
{
	struct ua_call *c = &ua->call;
	if (c->ended)
		return;
	c->ended = true;
	/* Nothing more is sent; the connections stay, since an MSRP answer may come behind the BYE. */
	for (unsigned i = 0; i < UA_LINES_MAX; i++)
		ua->line[i].on = false;
}

void ua_sip_finish(struct ua *ua)
{
	sip_dialog_finish(&ua->call.dlg);
	sdp_oa_finish(&ua->oa);
	free(ua->call.invite);
	sip_tl_destroy(ua->tl);
	ua->tl = NULL;
}

/* ---- ACK ---- */

static void ack_send(struct ua *ua)
{
	struct ua_call *c = &ua->call;
	if (c->ack_n)
		(void)ua_sip_out(ua, &c->ack_to, (struct span){ c->ack, c->ack_n }, 0);
}

/* ACK to a 2xx of our INVITE with this number; with our answer when the 2xx held an offer. */
static void ack_make(struct ua *ua, uint32_t cseq, const char *sdp, size_t n)
{
	struct ua_call *c = &ua->call;
	char branch[40], by[80];
	struct wbuf w = wbuf_on(c->ack, sizeof(c->ack)), s = wbuf_on(by, sizeof(by));
	c->ack_n = 0;
	if (sip_dialog_next_hop(&c->dlg, &c->ack_to) < 0)
		return;
	snprintf(c->ack_host, sizeof(c->ack_host), "%" SPAN_FMT, SPAN_ARG(c->ack_to.host));
	c->ack_to.host = span_of(c->ack_host);
	ua_sip_sent_by(ua, c->ack_to.tp, c->ack_to.ip.family, &s);
	sip_dialog_request(&c->dlg, &w, SIP_ACK, cseq, 70, c->ack_to.tp, w_span_of(&s),
			   sip_tl_branch(ua->tl, branch));
	w_sdp_end(&w, sdp, n);
	c->ack_n = w_ok(&w) ? w.n : 0;
	c->ack_cseq = cseq;
	ack_send(ua);
}

/* ---- answers to our requests ---- */

/* The session description of a message, parsed; false: none, or not readable. */
static bool sdp_of(const struct sip_msg *m, struct sdp *out, struct span *text)
{
	struct sip_body b;
	const char *fault;
	if (!m->body.n || sip_body_parse(&b, m, &fault) != 0 || !b.sdp.p)
		return false;
	*text = b.sdp;
	return sdp_parse(out, b.sdp, NULL) == 0;
}

/* Our offer was answered (or, offerless, we got one): put it to use.  The answer we owe, if any, in w. */
static void take_2xx_sdp(struct ua *ua, const struct sip_msg *resp, struct wbuf *w)
{
	static struct sdp s;
	struct ua_call *c = &ua->call;
	struct span text;
	struct ua_media mine;
	bool has = sdp_of(resp, &s, &text);
	if (!c->offerless) {
		if (has && sdp_oa_answer_in(&ua->oa, text) == 0) {
			ua_media_commit(ua, &c->next, &s, true);
			return;
		}
		ua_note(ua, "a 2xx without an answer that can be used");
		sdp_oa_abort(&ua->oa);
		return;
	}
	if (!has || sdp_oa_offer_in(&ua->oa, text) < 0) {
		ua_note(ua, "a 2xx without an offer that can be used");
		return;
	}
	ua_media_answer(ua, &mine, &s);
	if (ua_sdp_write(ua, w, &mine, &s) < 0 || sdp_oa_answer_out(&ua->oa, w_span_of(w)) < 0)
		return;
	ua_media_commit(ua, &mine, &s, false);
}

static void invite_2xx(struct ua *ua, const struct sip_msg *resp)
{
	struct ua_call *c = &ua->call;
	char sdp[UA_SDP_MAX];
	struct wbuf w = wbuf_on(sdp, sizeof(sdp));
	if (c->ack_n && c->ack_cseq == resp->cseq) { /* a repetition */
		ack_send(ua);
		return;
	}
	if (!c->has_dialog) {
		if (!c->invite || sip_dialog_uac(&c->dlg, c->invite, resp) < 0) {
			ua_note(ua, "a 2xx that makes no dialog");
			return;
		}
		c->has_dialog = true;
	} else {
		(void)!sip_dialog_refresh(&c->dlg, resp);
	}
	sip_dialog_learn(&c->dlg, resp);
	take_2xx_sdp(ua, resp, &w);
	ack_make(ua, resp->cseq, w.p, w.n);
	forget_offer(ua);
}

static void on_invite_answer(void *u, struct sip_ctxn *t, const struct sip_msg *resp, enum sip_end end,
			     uint64_t now_us)
{
	struct ua *ua = u;
	struct ua_call *c = &ua->call;
	(void)t, (void)now_us;
	if (!resp && end == SIP_END_ACCEPTED)
		return; /* long since a 2xx: we kept no pointer */
	if (!resp) {
		ua_note(ua, "INVITE: %s", end == SIP_END_TIMEOUT ? "no answer" : "could not be sent");
	} else if (resp->status < 200) {
		if (c->has_dialog)
			sip_dialog_learn(&c->dlg, resp);
		ua_event_add(ua, UA_EV_RESPONSE, resp->status, "invite", resp->body);
		return;
	} else if (resp->status < 300) {
		bool first = c->pending != UA_IDLE;
		if (ua_fork_2xx(ua, resp))
			return;
		invite_2xx(ua, resp);
		if (first)
			ua_event_add(ua, UA_EV_RESPONSE, resp->status, "invite", resp->body);
		return;
	}
	if (c->pending != UA_IDLE && !c->offerless)
		sdp_oa_abort(&ua->oa);
	forget_offer(ua);
	ua_event_add(ua, UA_EV_RESPONSE, resp ? resp->status : 408, "invite", resp ? resp->body : SPAN_EMPTY);
}

static void on_update_answer(void *u, struct sip_ctxn *t, const struct sip_msg *resp, enum sip_end end,
			     uint64_t now_us)
{
	static struct sdp s;
	struct ua *ua = u;
	struct ua_call *c = &ua->call;
	struct span text;
	(void)t, (void)end, (void)now_us;
	if (resp && resp->status < 200)
		return;
	if (resp)
		sip_dialog_learn(&c->dlg, resp);
	if (resp && resp->status < 300)
		(void)!sip_dialog_refresh(&c->dlg, resp);
	if (c->pending == UA_UPDATE) {
		if (resp && resp->status < 300 && sdp_of(resp, &s, &text) &&
		    sdp_oa_answer_in(&ua->oa, text) == 0)
			ua_media_commit(ua, &c->next, &s, true);
		else
			sdp_oa_abort(&ua->oa);
		forget_offer(ua);
	}
	ua_event_add(ua, UA_EV_RESPONSE, resp ? resp->status : 408, "update", resp ? resp->body : SPAN_EMPTY);
}

static void on_other_answer(void *u, struct sip_ctxn *t, const struct sip_msg *resp, enum sip_end end,
			    uint64_t now_us)
{
	struct ua *ua = u;
	(void)t, (void)end, (void)now_us;
	if (!resp || resp->status >= 200)
		ua_event_add(ua, UA_EV_RESPONSE, resp ? resp->status : 408, "other", SPAN_EMPTY);
}

/* ---- commands: requests ---- */

static int start(struct ua *ua, enum sip_method how, struct span branch, const struct sip_dest *to,
		 struct wbuf *w, sip_ctxn_fn *fn, struct sip_ctxn **out)
{
	if (!w_ok(w))
		return ua_fail(ua, "the request is too long");
	struct sip_ctxn *t = sip_ctxn_start(ua->tl, how, branch, to, w_span_of(w), fn, ua, ua_now_us());
	if (!t)
		return ua_fail(ua, "the request could not be sent");
	if (out)
		*out = t;
	return 0;
}

int ua_sip_invite(struct ua *ua, const char *uri, const struct sip_dest *via, const struct ua_media *m,
		  bool offerless)
{
	struct ua_call *c = &ua->call;
	char msg[MSG_MAX], sdp[UA_SDP_MAX], branch[40], by[80], call_id[40];
	struct wbuf w = wbuf_on(msg, sizeof(msg)), s = wbuf_on(sdp, sizeof(sdp)), b = wbuf_on(by, sizeof(by));
	if (c->has_dialog || c->pending != UA_IDLE)
		return ua_fail(ua, "there is a session already");
	if (!offerless && (ua_sdp_write(ua, &s, m, NULL) < 0 || sdp_oa_offer_out(&ua->oa, w_span_of(&s)) < 0))
		return ua->why[0] ? -1 : ua_fail(ua, "an offer is open already");
	struct span br = sip_tl_branch(ua->tl, branch);
	ua->tp = via->tp;
	ua_sip_sent_by(ua, via->tp, via->ip.family, &b);
	ua_id(ua, c->tag, 13);
	ua_id(ua, call_id, 25);
	w_fmt(&w, "INVITE %s SIP/2.0\r\nVia: SIP/2.0/%s %" SPAN_FMT ";rport;branch=%" SPAN_FMT "\r\n", uri,
	      via->tp == SIP_TCP ? "TCP" : "UDP", SPAN_ARG(w_span_of(&b)), SPAN_ARG(br));
	w_fmt(&w, "Max-Forwards: 70\r\nFrom: <%s>;tag=%s\r\nTo: <%s>\r\nCall-ID: %s\r\nCSeq: 1 INVITE\r\n",
	      ua->identity, c->tag, uri, call_id);
	w_target_headers(ua, &w);
	w_fmt(&w,
	      "P-Asserted-Identity: <%s>\r\nAccept-Contact: *;+g.oma.sip-im\r\nSupported: from-change\r\n",
	      ua->identity);
	w_str(&w, ua->extra);
	w_sdp_end(&w, sdp, s.n);
	c->pending = UA_INVITE;
	c->offerless = offerless;
	c->next = *m;
	c->via = *via;
	struct sip_msg parsed;
	if (!w_ok(&w) || sip_msg_parse(&parsed, w_span_of(&w), false) != 0)
		return ua_fail(ua, "this INVITE would not be a SIP message");
	free(c->invite);
	c->invite = sip_msg_dup(NULL, &parsed);
	return start(ua, SIP_INVITE, br, via, &w, on_invite_answer, &c->ctxn);
}

/* The head of a request in the dialog, where it goes, and its branch. */
static int in_dialog(struct ua *ua, enum sip_method how, struct wbuf *w, struct sip_dest *to, char branch[40],
		     struct span *br)
{
	char by[80];
	struct wbuf b = wbuf_on(by, sizeof(by));
	if (!ua->call.has_dialog)
		return ua_fail(ua, "there is no dialog");
	if (sip_dialog_next_hop(&ua->call.dlg, to) < 0)
		return ua_fail(ua, "the peer's Contact cannot be reached");
	*br = sip_tl_branch(ua->tl, branch);
	ua_sip_sent_by(ua, to->tp, to->ip.family, &b);
	sip_dialog_request(&ua->call.dlg, w, how, 0, 70, to->tp, w_span_of(&b), *br);
	return 0;
}

int ua_sip_modify(struct ua *ua, enum sip_method how, const struct ua_media *m, bool offerless)
{
	struct ua_call *c = &ua->call;
	char msg[MSG_MAX], sdp[UA_SDP_MAX], branch[40];
	struct wbuf w = wbuf_on(msg, sizeof(msg)), s = wbuf_on(sdp, sizeof(sdp));
	struct sip_dest to;
	struct span br;
	if (c->pending != UA_IDLE)
		return ua_fail(ua, "an offer of ours is open already");
	if (!offerless && (ua_sdp_write(ua, &s, m, NULL) < 0 || sdp_oa_offer_out(&ua->oa, w_span_of(&s)) < 0))
		return ua->why[0] ? -1 : ua_fail(ua, "an offer is open already");
	if (in_dialog(ua, how, &w, &to, branch, &br) < 0)
		return -1;
	w_target_headers(ua, &w);
	w_str(&w, ua->extra);
	w_sdp_end(&w, sdp, s.n);
	if (how == SIP_UPDATE && offerless)
		return start(ua, how, br, &to, &w, on_update_answer, NULL);
	c->pending = how == SIP_UPDATE ? UA_UPDATE : UA_REINVITE;
	c->offerless = offerless;
	c->next = *m;
	if (how == SIP_UPDATE)
		return start(ua, how, br, &to, &w, on_update_answer, NULL);
	return start(ua, how, br, &to, &w, on_invite_answer, &c->ctxn);
}

int ua_sip_request(struct ua *ua, enum sip_method how, const char *type, const char *body)
{
	char msg[MSG_MAX], branch[40];
	struct wbuf w = wbuf_on(msg, sizeof(msg));
	struct sip_dest to;
	struct span br;
	if (in_dialog(ua, how, &w, &to, branch, &br) < 0)
		return -1;
	w_str(&w, ua->extra);
	w_end(&w, span_of(type), span_of(body));
	if (how == SIP_BYE)
		session_over(ua);
	return start(ua, how, br, &to, &w, on_other_answer, NULL);
}

int ua_sip_cancel(struct ua *ua)
{
	if (!ua->call.ctxn)
		return ua_fail(ua, "no INVITE of ours is open");
	sip_ctxn_cancel(ua->call.ctxn, SPAN_EMPTY, ua_now_us());
	return 0;
}

/* ---- requests from the peer ---- */

static int refuse(struct ua *ua, struct sip_stxn *t, unsigned status, const char *reason, const char *extra)
{
	/* the To tag of a dialog-creating request must be the same in all our answers */
	return sip_stxn_reply_simple(t, status, span_of(reason), span_of(ua->call.tag), span_of(extra),
				     ua_now_us());
}

static int reply_2xx(struct ua *ua, struct sip_stxn *t, unsigned status, const char *sdp, size_t n)
{
	const struct sip_msg *m = sip_stxn_request(t);
	char msg[MSG_MAX];
	struct wbuf w = wbuf_on(msg, sizeof(msg));
	w_reply(&w, m, &sip_stxn_src(t)->ip, status, SPAN_EMPTY, span_of(ua->call.tag));
	w_target_headers(ua, &w);
	w_sdp_end(&w, sdp, n);
	if (!w_ok(&w))
		return ua_fail(ua, "the answer is too long");
	if (m->method == SIP_INVITE) {
		ua->call.accepted = t;
		ua->call.accepted_cseq = m->cseq;
	}
	(void)!sip_stxn_reply(t, status, w_span_of(&w), ua_now_us());
	return 0;
}

/* 200 to an INVITE, re-INVITE or UPDATE: with our answer, or with our offer when it had none. */
static int accept_request(struct ua *ua, struct sip_stxn *t)
{
	static struct sdp s;
	const struct sip_msg *m = sip_stxn_request(t);
	struct ua_call *c = &ua->call;
	struct ua_media mine;
	struct span text;
	char sdp[UA_SDP_MAX];
	struct wbuf w = wbuf_on(sdp, sizeof(sdp));
	bool has = sdp_of(m, &s, &text), initial = !c->has_dialog;
	if (initial) {
		if (sip_dialog_uas(&c->dlg, m, span_of(c->tag)) < 0)
			return ua_fail(ua, "an INVITE that makes no dialog");
		c->has_dialog = true;
		ua->tp = sip_stxn_src(t)->tp;
	} else {
		(void)!sip_dialog_refresh(&c->dlg, m);
	}
	sip_dialog_learn(&c->dlg, m);
	if (!has && m->method == SIP_UPDATE)
		return reply_2xx(ua, t, 200, NULL, 0);
	if (!has) { /* offerless INVITE: ours goes into the 2xx, the answer comes in the ACK */
		mine = ua->media;
		if (!mine.n) {
			mine.n = 1;
			mine.line[0].on = true;
			mine.line[0].dir = SDP_SENDRECV;
			mine.line[0].setup = SDP_SETUP_ACTPASS;
			memcpy(mine.line[0].accept_types, ua->accept_types, sizeof(ua->accept_types));
			ua_desc_new_session(ua, &mine.line[0]);
		}
		if (ua_sdp_write(ua, &w, &mine, NULL) < 0 || sdp_oa_offer_out(&ua->oa, w_span_of(&w)) < 0)
			return -1;
		c->next = mine;
		c->answer_in_ack = true;
		return reply_2xx(ua, t, 200, w.p, w.n);
	}
	if (sdp_oa_offer_in(&ua->oa, text) < 0)
		return ua_fail(ua, "an offer came while another was open");
	ua_media_answer(ua, &mine, &s);
	if (ua_sdp_write(ua, &w, &mine, &s) < 0 || sdp_oa_answer_out(&ua->oa, w_span_of(&w)) < 0)
		return -1;
	ua_media_commit(ua, &mine, &s, false);
	return reply_2xx(ua, t, 200, w.p, w.n);
}

int ua_sip_answer(struct ua *ua, unsigned status, const char *reason)
{
	struct ua_call *c = &ua->call;
	struct sip_stxn *t = c->held;
	if (!t)
		return ua_fail(ua, "no request waits for an answer");
	if (status >= 200)
		c->held = NULL;
	if (!c->tag[0])
		ua_id(ua, c->tag, 13);
	if (status >= 200 && status < 300)
		return accept_request(ua, t);
	return refuse(ua, t, status, reason, "");
}

static bool glare(struct ua *ua, struct sip_stxn *t, const struct sip_msg *m)
{
	bool offer = m->body.n > 0 || m->method == SIP_INVITE;
	if (offer && (ua->call.pending != UA_IDLE || ua->oa.state == SDP_OFFER_SENT)) {
		(void)!refuse(ua, t, 491, "", "");
		return true;
	}
	if (ua->call.held || (m->method == SIP_INVITE && ua->call.accepted)) {
		(void)!refuse(ua, t, 500, "", "Retry-After: 1\r\n");
		return true;
	}
	return false;
}

/* INVITE (first or not) and UPDATE: by the script's rule, else held (first INVITE) or accepted. */
static void session_request(struct ua *ua, struct sip_stxn *t, const struct sip_msg *m, bool initial)
{
	int rule = initial                   ? ua->on[SIP_INVITE]
		   : m->method == SIP_INVITE ? ua->on_reinvite
					     : ua->on[SIP_UPDATE];
	if (!rule)
		rule = initial ? UA_AUTO_HOLD : 200;
	if (m->method == SIP_UPDATE && !ua->allow_update && rule == 200)
		rule = 405;
	if (!initial && glare(ua, t, m))
		return;
	if (initial)
		ua_id(ua, ua->call.tag, 13);
	if (rule == UA_AUTO_SILENT)
		return;
	ua->call.held = t;
	if (rule != UA_AUTO_HOLD && ua_sip_answer(ua, (unsigned)rule, "") < 0)
		ua_note(ua, "cannot answer: %s", ua->why);
}

static void on_request(void *u, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	struct ua *ua = u;
	struct ua_call *c = &ua->call;
	char name[24];
	(void)now_us;
	bool mine = c->has_dialog && sip_dialog_matches(&c->dlg, m);
	if (m->to_tag.n && !mine) {
		(void)!refuse(ua, t, 481, "", "");
		return;
	}
	if (mine && sip_dialog_in_order(&c->dlg, m) != 0) {
		(void)!refuse(ua, t, 500, "CSeq too old", "");
		return;
	}
	bool initial = m->method == SIP_INVITE && !mine;
	if (initial && (c->has_dialog || c->held)) {
		(void)!refuse(ua, t, 486, "", "");
		return;
	}
	method_z((enum sip_method)m->method, name);
	ua_event_add(ua, UA_EV_REQUEST, 0, m->method == SIP_INVITE && mine ? "REINVITE" : name, m->body);
	if (m->method == SIP_INVITE || (m->method == SIP_UPDATE && mine)) {
		session_request(ua, t, m, initial);
		return;
	}
	int rule = m->method < SIP_N_METHODS ? ua->on[m->method] : 0;
	if (rule == UA_AUTO_SILENT)
		return;
	if (mine)
		sip_dialog_learn(&c->dlg, m);
	if (m->method == SIP_BYE) {
		session_over(ua);
		if (c->held) { /* RFC 3261 15.1.2 */
			(void)!refuse(ua, c->held, 487, "", "");
			c->held = NULL;
		}
	}
	bool known = m->method == SIP_BYE || m->method == SIP_OPTIONS || m->method == SIP_INFO ||
		     m->method == SIP_MESSAGE;
	(void)!refuse(ua, t, rule > 0 ? (unsigned)rule : known ? 200 : 501, "", "");
}

static void on_ack(void *u, const struct sip_msg *m, const struct sip_src *src, uint64_t now_us)
{
	static struct sdp s;
	struct ua *ua = u;
	struct ua_call *c = &ua->call;
	struct span text;
	(void)src;
	if (!c->accepted || m->cseq != c->accepted_cseq)
		return;
	sip_stxn_acked(c->accepted, now_us);
	c->accepted = NULL;
	ua_event_add(ua, UA_EV_REQUEST, 0, "ACK", m->body);
	if (!c->answer_in_ack)
		return;
	c->answer_in_ack = false;
	if (sdp_of(m, &s, &text) && sdp_oa_answer_in(&ua->oa, text) == 0)
		ua_media_commit(ua, &c->next, &s, true);
	else
		sdp_oa_abort(&ua->oa);
	memset(&c->next, 0, sizeof(c->next));
}

static void on_cancel(void *u, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	struct ua *ua = u;
	(void)m, (void)now_us;
	ua_event_add(ua, UA_EV_REQUEST, 0, "CANCEL", SPAN_EMPTY);
	if (ua->on[SIP_CANCEL] == UA_AUTO_HOLD)
		return; /* as if it came when the answer was on its way */
	if (ua->call.held == t)
		ua->call.held = NULL;
	(void)!refuse(ua, t, 487, "", "");
}

static void on_no_ack(void *u, struct sip_stxn *t, uint64_t now_us)
{
	struct ua *ua = u;
	(void)t, (void)now_us;
	ua_note(ua, "our 2xx was never acknowledged");
	ua_event_add(ua, UA_EV_REQUEST, 0, "NO-ACK", SPAN_EMPTY);
}

static void on_gone(void *u, struct sip_stxn *t)
{
	struct ua *ua = u;
	if (ua->call.held == t)
		ua->call.held = NULL;
	if (ua->call.accepted == t)
		ua->call.accepted = NULL;
}

/* A 2xx repeated after its transaction is forgotten still wants its ACK. */
static void on_stray(void *u, const struct sip_msg *m, uint64_t now_us)
{
	struct ua *ua = u;
	(void)now_us;
	if (m->method == SIP_INVITE && m->status >= 200 && m->status < 300 && m->cseq == ua->call.ack_cseq)
		ack_send(ua);
}

struct sip_tl_hooks ua_sip_hooks(struct ua *ua)
{
	return (struct sip_tl_hooks){
		.u = ua,
		.send = ua_sip_out,
		.random = ua_random,
		.request = on_request,
		.ack = on_ack,
		.cancel = on_cancel,
		.no_ack = on_no_ack,
		.gone = on_gone,
		.stray = on_stray,
	};
}

void ua_sip_input(struct ua *ua, struct span bytes, const struct sip_src *src, bool stream)
{
	static struct sip_msg m; /* large; one thread, and the layer keeps copies */
	int status = sip_msg_parse(&m, bytes, stream);
	if (status < 0) {
		if (span_trim(bytes).n)
			ua_note(ua, "received %zu bytes that are no SIP message", bytes.n);
		return;
	}
	ua_trace_sip(ua, false, &m);
	if (status > 0) {
		ua_note(ua, "received a broken request: %s", m.fault ? m.fault : "?");
		sip_tl_refuse(ua->tl, &m, src, (unsigned)status, span_of(m.fault));
		return;
	}
	sip_tl_input(ua->tl, &m, src, ua_now_us());
}
