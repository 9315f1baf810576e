/* SPDX-License-Identifier: MIT */
/*
 * Which headers cross the B2BUA (MODE-10..12).  Transparent by default: a header crosses unless it is on the
 * short list of what belongs to one leg; what is hard is that lists differ by direction, by trust, and for the
 * headers that describe the body, which go with the body.
 */
#include <stdio.h>
#include <stdlib.h>

#include "im/core.h"

/* Leg-local by nature (MODE-9, MODE-11), or written by us. */
static const uint8_t leg_local[] = {
	SIP_H_VIA,
	SIP_H_FROM,
	SIP_H_TO,
	SIP_H_CALL_ID,
	SIP_H_CSEQ,
	SIP_H_MAX_FORWARDS,
	SIP_H_CONTACT,
	SIP_H_ROUTE,
	SIP_H_RECORD_ROUTE,
	SIP_H_CONTENT_LENGTH,
	SIP_H_ALLOW,
	SIP_H_SUPPORTED,
	SIP_H_REQUIRE,
	SIP_H_PROXY_REQUIRE,
	SIP_H_SESSION_EXPIRES,
	SIP_H_MIN_SE,
	SIP_H_RSEQ,
	SIP_H_RACK,
	SIP_H_TIMESTAMP,
	SIP_H_IDENTITY,
	SIP_H_IDENTITY_INFO, /* RFC 4474: we changed what they sign */
	SIP_H_SECURITY_CLIENT,
	SIP_H_SECURITY_VERIFY, /* IMS-27 */
	SIP_H_P_PREFERRED_IDENTITY,
	SIP_H_P_PREFERRED_SERVICE, /* IMS-3, CLASS-7 */
	SIP_H_P_SERVED_USER,
	SIP_H_P_VISITED_NETWORK_ID, /* IMS-12, IMS-11 */
};

/* They name dialogs, and are written by w_dialog_ids(). */
static const uint8_t of_dialogs[] = { SIP_H_REFER_TO, SIP_H_REPLACES, SIP_H_TARGET_DIALOG };

/* They describe the body and are written with it (w_body_of, w_sdp_body). */
static const uint8_t of_body[] = { SIP_H_CONTENT_TYPE,     SIP_H_CONTENT_ENCODING, SIP_H_CONTENT_DISPOSITION,
				   SIP_H_CONTENT_LANGUAGE, SIP_H_CONTENT_ID,       SIP_H_MIME_VERSION };

/* Count only inside the trust domain (IMS-2): from an untrusted peer, or towards one, they are removed. */
static const uint8_t of_trust[] = { SIP_H_P_ASSERTED_IDENTITY,         SIP_H_P_ASSERTED_SERVICE,
				    SIP_H_P_CHARGING_VECTOR,           SIP_H_P_CHARGING_FUNCTION_ADDRESSES,
				    SIP_H_P_ACCESS_NETWORK_INFO,       SIP_H_HISTORY_INFO,
				    SIP_H_P_PRIVATE_NETWORK_INDICATION /* IMS-20 */ };

/* Option tags whose mechanism is ours to decide or touches what we rewrite (MODE-12). */
static const struct span local_tags[] = {
	{ "100rel", 6 }, { "timer", 5 }, { "replaces", 8 },  { "outbound", 8 },
	{ "path", 4 },   { "gruu", 4 },  { "sec-agree", 9 },
};

/* And these, when we are an endpoint of the media (PROV-12). */
static const struct span anchored_tags[] = { { "precondition", 12 }, { "early-session", 13 } };

/* A peer's Contact parameters that name its device or registration, not its features (MODE-10). */
static const struct span device_params[] = {
	{ "+sip.instance", 13 }, { "expires", 7 },   { "q", 1 }, { "reg-id", 6 },
	{ "pub-gruu", 8 },       { "temp-gruu", 9 }, { "ob", 2 }
};

static const char allow_line[] =
	"Allow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE, OPTIONS, INFO, MESSAGE, REFER, NOTIFY, SUBSCRIBE\r\n";

#define PRECONDITION SPAN("precondition")

/* What an INVITE may require that only the far side has to do: of us it asks that the body cross (RFC 5366, ROAD-18). */
#define RECIPIENTS SPAN("recipient-list-invite")

static struct sip_hdr_set pass_set(bool trusted)
{
	struct sip_hdr_set set;
	memset(&set, 0xff, sizeof(set));
	sip_set_drop_all(&set, leg_local, sizeof(leg_local));
	sip_set_drop_all(&set, of_body, sizeof(of_body));
	if (!trusted)
		sip_set_drop_all(&set, of_trust, sizeof(of_trust));
	return set;
}

void headers_drop_trusted(struct sip_hdr_set *set)
{
	sip_set_drop_all(set, of_trust, sizeof(of_trust));
}

void w_pass(struct wbuf *w, const struct leg *l, const struct sip_msg *m, bool trusted)
{
	struct sip_hdr_set set = pass_set(trusted);
	if (m->request)
		sip_set_drop_all(&set, of_dialogs, sizeof(of_dialogs));
	/* A 503 with Retry-After would make the neighbour avoid us (MOD-25). */
	if (!m->request && m->status == 503)
		sip_set_drop(&set, SIP_H_RETRY_AFTER);
	ims_w_pass(w, l, m, trusted, &set);
	w_hdr_copy_set(w, m, &set);
}

void w_allow(struct wbuf *w)
{
	w_bytes(w, allow_line, sizeof(allow_line) - 1);
}

void w_product(struct wbuf *w, const struct im *im, enum sip_hdr_id id)
{
	if (im->conf.server_token[0])
		w_hdr(w, id, span_of(im->conf.server_token));
}

static bool listed(struct span tag, const struct span *set, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (span_ieq(tag, set[i]))
			return true;
	}
	return false;
}

static void w_features(struct wbuf *w, const struct sip_msg *m)
{
	struct sip_name_addr na;
	struct span name, value;

	if (sip_name_addr_parse(&na, sip_value(m, SIP_H_CONTACT)) < 0)
		return;
	while (sip_param_next(&na.params, &name, &value)) {
		if (!name.n || listed(name, device_params, ARRAY_LEN(device_params)))
			continue;
		w_chr(w, ';'), w_span(w, name);
		if (value.n)
			w_chr(w, '='), w_span(w, value);
	}
}

/* Our URI, the other side's feature parameters (MODE-10). */
/* RFC 3261 8.1.1.8, 12.1.1: where sips was asked for, so is the way back to us. */
static bool is_secure(const struct leg *l, const struct sip_msg *m)
{
	return (l->at->tp == SIP_TLS || l->at->tp == SIP_WSS) &&
	       (l->dlg.secure || (m && m->request && span_istarts(m->ruri, SPAN("sips:"))));
}

void w_contact(struct wbuf *w, const struct leg *l, const struct sip_msg *m)
{
	const struct leg *far = &l->s->leg[side_other(l->side)];
	bool secure = is_secure(l, m);

	w_str(w, secure ? "Contact: <sips:parley@" : "Contact: <sip:parley@");
	w_str(w, l->at->host), w_chr(w, ':'), w_u64(w, l->at->port);
	if (!secure || l->at->tp == SIP_WSS)
		w_str(w, sip_transport_param(l->at->tp));
	w_chr(w, '>');
	if (m && sip_has(m, SIP_H_CONTACT) && !leg_same_contact(far, m))
		w_features(w, m);
	else if (far->features)
		w_str(w, far->features);
	w_str(w, "\r\n");
}

/* MESSAGE, INFO and BYE name no target (RFC 3428 8, RFC 6086 10, RFC 3261 table 2). */
static bool takes_contact(enum sip_method method)
{
	return method != SIP_MESSAGE && method != SIP_INFO && method != SIP_BYE;
}

static bool in_list(struct span list, struct span tag)
{
	while (list.n) {
		if (span_ieq(span_trim(span_split(&list, ',')), tag))
			return true;
	}
	return false;
}

/* MODE-12: what one side requires and the other said it can do is required of it, in requests and in answers. */
static void w_required(struct wbuf *w, const struct sip_msg *m, struct span known)
{
	struct sip_iter it = { 0 };
	for (struct span tag; sip_each(m, SIP_H_REQUIRE, &it, &tag);)
		if (in_list(known, tag))
			w_str(w, "Require: "), w_span(w, tag), w_str(w, "\r\n");
}

static void w_supported(struct wbuf *w, const struct leg *l, const char *known)
{
	bool timer = !(l->unwanted & TAG_TIMER);

	if (!timer && !known[0])
		return;
	w_str(w, timer ? "Supported: timer" : "Supported: ");
	w_str(w, timer && known[0] ? ", " : ""), w_str(w, known);
	w_str(w, "\r\n");
}

void w_ours(struct wbuf *w, const struct leg *l, const struct sip_msg *m)
{
	const char *known = l->s->leg[side_other(l->side)].supported;
	if (!m || takes_contact(m->method))
		w_contact(w, l, m);
	w_allow(w);
	if (m && m->request)
		w_dialog_ids(w, l, m);
	w_supported(w, l, known ? known : "");
	if (m && l->supported)
		w_required(w, m, span_of(l->supported));
	else if (m && m->request && !l->dlg.text) /* the dialog-creating INVITE */
		w_required(w, m,
			   session_anchored(l->s) ? RECIPIENTS : SPAN("precondition,recipient-list-invite"));
}

void w_body_of(struct wbuf *w, const struct sip_msg *m)
{
	struct sip_hdr_set set = { { 0 } };
	for (size_t i = 0; i < sizeof(of_body) && m->body.n; i++)
		sip_set_add(&set, of_body[i]);
	w_hdr_copy_set(w, m, &set);
	w_end(w, SPAN_EMPTY, m->body);
}

/* An SDP of ours beside a body that has none (MOD-33): both become parts. */
static void w_beside(struct wbuf *w, const struct sip_msg *m, struct span sdp, struct wbuf *body)
{
	char mark[32];
	struct wbuf b = wbuf_on(mark, sizeof(mark));
	uint64_t h = span_hash(m->body, 0);

	w_str(&b, "parley-"), w_hex(&b, &h, sizeof(h));
	w_str(body, "--"), w_span(body, w_span_of(&b));
	w_str(body, "\r\nContent-Type: application/sdp\r\n\r\n"), w_span(body, sdp);
	w_str(body, "\r\n--"), w_span(body, w_span_of(&b)), w_str(body, "\r\n");
	for (size_t i = 0; i < sizeof(of_body); i++)
		if (sip_has(m, of_body[i]) && of_body[i] != SIP_H_MIME_VERSION)
			w_hdr(body, of_body[i], sip_value(m, of_body[i]));
	w_str(body, "\r\n"), w_span(body, m->body);
	w_str(body, "\r\n--"), w_span(body, w_span_of(&b)), w_str(body, "--\r\n");
	w_str(w, "Content-Type: multipart/mixed;boundary="), w_span(w, w_span_of(&b)), w_str(w, "\r\n");
}

void w_sdp_body(struct wbuf *w, const struct im *im, const struct sip_msg *m, struct span sdp)
{
	char *buf;
	struct wbuf body;

	if (!m || !m->body.n || (im->body.sdp_part && !im->body.multipart)) {
		w_end(w, SPAN("application/sdp"), sdp);
		return;
	}
	buf = malloc(SIP_MSG_MAX);
	body = wbuf_on(buf, buf ? SIP_MSG_MAX : 0);
	if (im->body.sdp_part) {
		/* PARSE-15: the other parts cross byte for byte, the boundary with them. */
		w_body_with_sdp(&body, m, &im->body, sdp);
		for (size_t i = 0; i < sizeof(of_body); i++)
			w_hdr_copy(w, m, of_body[i]);
	} else {
		w_beside(w, m, sdp, &body);
	}
	if (!w_ok(&body))
		w->over = true;
	w_end(w, SPAN_EMPTY, w_span_of(&body));
	free(buf);
}

const char *headers_acceptable(const struct sip_msg *m)
{
	return sip_has(m, SIP_H_CONTENT_ENCODING) ? "Accept-Encoding: identity\r\n"
						  : "Accept: application/sdp, multipart/mixed\r\n";
}

bool headers_precondition(const struct sip_msg *m)
{
	return sip_lists(m, SIP_H_REQUIRE, PRECONDITION);
}

bool headers_unsupported(const struct leg *l, const struct sip_msg *m, struct wbuf *bad)
{
	const char *known = l ? l->s->leg[side_other(l->side)].supported : NULL;
	struct sip_iter it = { 0 };
	for (struct span tag; sip_each(m, SIP_H_REQUIRE, &it, &tag);) {
		if (!tag.n || span_ieq(tag, SPAN("timer")) || span_ieq(tag, SPAN("100rel")) ||
		    span_ieq(tag, SPAN("resource-priority")) || (known && in_list(span_of(known), tag)) ||
		    (!l && m->method == SIP_INVITE &&
		     (span_ieq(tag, PRECONDITION) || span_ieq(tag, RECIPIENTS))))
			continue;
		if (bad->n)
			w_str(bad, ", ");
		w_span(bad, tag);
	}
	return bad->n > 0;
}

static char *kept(struct wbuf *w)
{
	return span_dup(w_ok(w) ? w_span_of(w) : SPAN(""));
}

char *headers_features(const struct sip_msg *m)
{
	char buf[FEATURES_MAX];
	struct wbuf w = wbuf_on(buf, sizeof(buf));
	w_features(&w, m);
	return kept(&w);
}

char *headers_supported(const struct sip_msg *m, bool anchored)
{
	char buf[TAGS_MAX];
	struct wbuf w = wbuf_on(buf, sizeof(buf));
	struct sip_iter it = { 0 };
	for (struct span tag; sip_each(m, SIP_H_SUPPORTED, &it, &tag);) {
		if (!tag.n || listed(tag, local_tags, ARRAY_LEN(local_tags)) ||
		    (anchored && listed(tag, anchored_tags, ARRAY_LEN(anchored_tags))))
			continue;
		if (w.n)
			w_str(&w, ", ");
		w_span(&w, tag);
	}
	return kept(&w);
}

void headers_warning(const struct leg *l, const struct verdict *v, char buf[192])
{
	snprintf(buf, 192, "Warning: %u %s \"%.95s\"\r\n", v->warning, l->at->host, v->text);
}
