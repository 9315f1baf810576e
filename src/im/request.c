/* SPDX-License-Identifier: MIT */
/*
 * The generic checks on every request (section 5 of the digest), in its order, so that the answer to a request
 * with two faults is predictable; then the table that says who handles which method.
 */
#include <stdio.h>
#include <stdlib.h>

#include "im/core.h"

struct refusal {
	unsigned status;
	struct span reason; /* empty: the standard phrase */
	char extra[256];    /* header lines */
};

static bool refuse(struct refusal *r, unsigned status, const char *reason)
{
	r->status = status;
	r->reason = span_of(reason);
	return true;
}

/* PARSE-5. */
static bool bad_target(const struct sip_msg *m, struct refusal *r)
{
	struct sip_uri u;
	if (sip_uri_parse(&u, m->ruri) < 0)
		return refuse(r, 400, "Bad Request-URI");
	if (u.scheme == SIP_URI_OTHER)
		return refuse(r, 416, NULL);
	return m->ruri.n > 2048 && refuse(r, 414, NULL);
}

/* PARSE-9, MODE-12: 420 names exactly the tags that nobody here knows. */
static bool bad_require(const struct leg *l, const struct sip_msg *m, struct refusal *r)
{
	char tags[200];
	struct wbuf w = wbuf_on(tags, sizeof(tags));
	if (!headers_unsupported(l, m, &w))
		return false;
	snprintf(r->extra, sizeof(r->extra), "Unsupported: %" SPAN_FMT "\r\n", SPAN_ARG(w_span_of(&w)));
	return refuse(r, 420, NULL);
}

/* PARSE-13: exactly one Contact with a SIP or SIPS URI. */
static bool bad_contact(const struct leg *l, const struct sip_msg *m, struct refusal *r)
{
	struct sip_name_addr na;
	struct sip_iter it = { 0 };
	struct sip_uri u, target;
	struct span v, more;

	if (l && leg_same_contact(l, m))
		return false; /* it was good the last time */
	/* RFC 2543, which knew no tags, did not ask for one (RFC 4475 3.4.1). */
	if (!sip_each(m, SIP_H_CONTACT, &it, &v))
		return m->from_tag.n ? refuse(r, 400, "Missing Contact") : false;
	if (sip_each(m, SIP_H_CONTACT, &it, &more))
		return refuse(r, 400, "More than one Contact");
	if (sip_name_addr_parse(&na, v) < 0 || sip_uri_parse(&u, na.uri) < 0 ||
	    (u.scheme != SIP_URI_SIP && u.scheme != SIP_URI_SIPS))
		return refuse(r, 400, "Bad Contact");
	if (sip_uri_parse(&target, m->ruri) == 0 && target.scheme == SIP_URI_SIPS && u.scheme != SIP_URI_SIPS)
		return refuse(r, 400, "sips contact required");
	return false;
}

/* PARSE-14: our answer would carry SDP. */
static bool bad_accept(const struct sip_msg *m, struct refusal *r)
{
	struct sip_iter it = { 0 };
	if (!sip_has(m, SIP_H_ACCEPT) || (m->method == SIP_UPDATE && !m->body.n))
		return false;
	for (struct span v; sip_each(m, SIP_H_ACCEPT, &it, &v);) {
		struct span type = span_trim(span_split(&v, ';'));
		if (span_ieq(type, SPAN("application/sdp")) || span_ieq(type, SPAN("application/*")) ||
		    span_ieq(type, SPAN("*/*")))
			return false;
	}
	snprintf(r->extra, sizeof(r->extra), "Accept: application/sdp\r\n");
	return refuse(r, 406, NULL);
}

/* PARSE-2: what we have to route by must be readable. */
static bool bad_routes(const struct sip_msg *m, struct refusal *r)
{
	static const enum sip_hdr_id ids[] = { SIP_H_ROUTE, SIP_H_RECORD_ROUTE };
	struct sip_name_addr na;
	struct sip_uri u;

	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		struct sip_iter it = { 0 };
		for (struct span v; sip_each(m, ids[i], &it, &v);)
			if (sip_name_addr_parse(&na, v) < 0 || sip_uri_parse(&u, na.uri) < 0)
				return refuse(r, 400, "Bad Route");
	}
	return false;
}

/* TIMER-2. */
static bool bad_timer(const struct im *im, const struct sip_msg *m, struct refusal *r)
{
	char line[64] = "";
	const char *why;
	unsigned status = stimer_check(im, m, line, &why);

	if (!status)
		return false;
	snprintf(r->extra, sizeof(r->extra), "%s", line);
	return refuse(r, status, why);
}

/* IMS-15. */
static bool bad_priority(const struct sip_msg *m, struct refusal *r)
{
	unsigned status = ims_priority(m);
	return status && refuse(r, status, NULL);
}

static bool bad_session_request(const struct im *im, const struct leg *l, const struct sip_msg *m,
				struct refusal *r)
{
	return bad_require(l, m, r) || bad_priority(m, r) || bad_contact(l, m, r) || bad_accept(m, r) ||
	       bad_timer(im, m, r);
}

int request_sdp(struct im *im, const struct sip_msg *m, unsigned slot, char fault[96], struct sdp **out)
{
	struct sdp_fault f;
	const char *why = "Bad body";
	int r = sip_body_parse(&im->body, m, &why);

	*out = NULL;
	if (r != 0) {
		snprintf(fault, 96, "%.90s", why);
		return r > 0 ? -r : -400;
	}
	if (!im->body.sdp.p)
		return 1;
	if (sdp_parse(im->sdp[slot], im->body.sdp, &f) < 0) {
		snprintf(fault, 96, "Bad SDP: line %u: %.60s", f.line, f.what);
		return -(int)f.status;
	}
	*out = im->sdp[slot];
	return 0;
}

static void answer(struct im *im, struct leg *l, struct sip_stxn *t, const struct refusal *r, uint64_t now_us)
{
	const struct sip_msg *m = sip_stxn_request(t);
	char tag[TAG_LEN + 1];

	im->mx.sip_refused++;
	im_log(im, IM_INFO, "sip-refused",
	       "method=%" SPAN_FMT " status=%u call-id=%" SPAN_FMT " reason=\"%" SPAN_FMT "\"",
	       SPAN_ARG(m->method_name), r->status, SPAN_ARG(m->call_id), SPAN_ARG(r->reason));
	im_token(im, tag, TAG_LEN);
	im_reply(im, t, r->status, r->reason, span_of(l ? l->tag : tag), r->extra, now_us);
}

void request_options(struct im *im, struct sip_stxn *t, struct span to_tag, uint64_t now_us)
{
	char extra[512];
	struct wbuf w = wbuf_on(extra, sizeof(extra) - 1);
	w_allow(&w);
	w_str(&w, "Accept: application/sdp, multipart/mixed\r\nSupported: timer\r\n");
	extra[w.n] = '\0';
	im_reply(im, t, 200, SPAN_EMPTY, to_tag, extra, now_us);
}

static void outside_dialog(struct im *im, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	struct refusal r = { 0 };
	char tag[TAG_LEN + 1];

	switch (m->method) {
	case SIP_INVITE:
		if (bad_session_request(im, NULL, m, &r) || bad_routes(m, &r))
			break;
		setup_request(im, t, m, now_us);
		return;
	case SIP_OPTIONS:
		if (bad_require(NULL, m, &r))
			break;
		im_token(im, tag, TAG_LEN);
		request_options(im, t, span_of(tag), now_us);
		return;
	case SIP_MESSAGE:
		if (bad_require(NULL, m, &r) || bad_priority(m, &r) || bad_routes(m, &r))
			break;
		pager_request(im, t, m, now_us);
		return;
	case SIP_BYE:
	case SIP_UPDATE:
	case SIP_PRACK:
	case SIP_INFO:
	case SIP_NOTIFY:
		refuse(&r, 481, NULL); /* they live in dialogs only, and this one names none */
		break;
	case SIP_UNKNOWN:
		refuse(&r, 501, NULL);
		snprintf(r.extra, sizeof(r.extra),
			 "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, OPTIONS, MESSAGE\r\n");
		break;
	case SIP_REGISTER:
		if (registered_request(im, t, m, now_us))
			return;
		/* fall through */
	default:
		/* Registrations, subscriptions of our own: not served here. */
		refuse(&r, 405, NULL);
		snprintf(r.extra, sizeof(r.extra),
			 "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, OPTIONS, MESSAGE\r\n");
		break;
	}
	answer(im, NULL, t, &r, now_us);
}

/* A session that is not up cannot be modified: early, or ended (MOD-11). */
static void not_up(const struct leg *l, const struct sip_msg *m, struct refusal *r)
{
	if (!early_alive(l->s)) {
		refuse(r, 481, NULL);
	} else if (m->method == SIP_INVITE && l->state == LEG_INVITING) {
		refuse(r, 491, NULL); /* our own is open (RFC 3261 14.2) */
	} else {
		refuse(r, 500, NULL);
		im_retry_after(l->s->im, r->extra);
	}
}

/* It was answered without a transaction that would know it (request_bye_alone). */
static bool is_bye_again(const struct leg *l, const struct sip_msg *m)
{
	return m->method == SIP_BYE && l->state == LEG_OVER && m->cseq == l->dlg.remote_cseq;
}

static void in_dialog(struct im *im, struct leg *l, struct sip_stxn *t, const struct sip_msg *m,
		      uint64_t now_us)
{
	struct refusal r = { 0 };

	if (!is_bye_again(l, m) && sip_dialog_in_order(&l->dlg, m) != 0) {
		refuse(&r, 500, "Out of order");
		answer(im, l, t, &r, now_us);
		return;
	}
	leg_heard(l, sip_stxn_src(t));
	switch (m->method) {
	case SIP_BYE:
		if (bad_require(l, m, &r))
			break;
		session_on_bye(l, t, m, now_us);
		return;
	case SIP_INVITE:
	case SIP_UPDATE:
		if (l->state != LEG_UP && !(early_alive(l->s) && m->method == SIP_UPDATE)) {
			not_up(l, m, &r);
			break;
		}
		if (bad_session_request(im, l, m, &r))
			break;
		modify_request(l, t, m, now_us);
		return;
	case SIP_PRACK:
		if (bad_require(l, m, &r))
			break;
		prack_request(l, t, m, now_us);
		return;
	case SIP_UNKNOWN:
		refuse(&r, 501, NULL);
		snprintf(r.extra, sizeof(r.extra),
			 "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, OPTIONS, MESSAGE\r\n");
		break;
	default:
		if (bad_require(l, m, &r))
			break;
		if (m->body.n && !sip_has(m, SIP_H_CONTENT_TYPE)) {
			refuse(&r, 400, "Missing Content-Type"); /* PARSE-11 */
			break;
		}
		relay_request(l, t, m, now_us);
		return;
	}
	if (m->body.n)
		pass_not(l, NULL);
	answer(im, l, t, &r, now_us);
}

void request_input(struct im *im, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	struct refusal r = { 0 };
	struct leg *l;

	if (bad_target(m, &r)) {
		answer(im, NULL, t, &r, now_us);
		return;
	}
	if (!m->to_tag.n) {
		outside_dialog(im, t, m, now_us);
		return;
	}
	l = leg_find(im, m);
	if (!l || l->state == LEG_NONE) {
		refuse(&r, 481, NULL); /* PARSE-8, MOD-46 */
		answer(im, NULL, t, &r, now_us);
		return;
	}
	in_dialog(im, l, t, m, now_us);
}

/* Whoever hangs up does so once, and takes any answer for the end (RFC 3261 15.1.1): refused, it would leave a session behind. */
bool request_bye_alone(struct im *im, const struct sip_msg *m, uint64_t now_us)
{
	struct refusal r = { 0 };
	struct leg *l;

	if (bad_target(m, &r))
		return false;
	l = leg_find(im, m);
	if (l && is_bye_again(l, m))
		return true;
	if (!l || l->state == LEG_NONE || bad_require(l, m, &r) || sip_dialog_in_order(&l->dlg, m) != 0)
		return false;
	session_on_bye(l, NULL, m, now_us);
	return true;
}
