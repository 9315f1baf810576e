/* SPDX-License-Identifier: MIT */
/*
 * Dialog ids inside requests (SETUP-22): Replaces (RFC 3891), Join (RFC 3911) and Target-Dialog (RFC 4538) name a dialog
 * by Call-ID and two tags, as headers or escaped in the URI of a Refer-To (RFC 3515).  Whoever writes one of ours knows
 * the leg it is on; who is to act on it knows the other leg, and has never heard of that Call-ID.  So an id of a leg on
 * the side a request came from becomes the id of the other leg of the same session; every other one passes as it is.
 *
 * Which of the two tags is called "to", "from", "local" or "remote" need not be understood: the tag that is ours stands
 * for the far peer and becomes the far peer's own; the peer's becomes the one we use for it over there.
 */
#include "im/core.h"

enum { ID_TEXT_MAX = 1024 };

struct id { /* call-id *( ;name=value ) */
	struct span call_id, params, tag[2];
};

static bool is_tag(struct span name)
{
	return span_ieq(name, SPAN("to-tag")) || span_ieq(name, SPAN("from-tag")) ||
	       span_ieq(name, SPAN("local-tag")) || span_ieq(name, SPAN("remote-tag"));
}

static bool id_parse(struct id *id, struct span text)
{
	struct span name, value, rest;
	unsigned n = 0;

	*id = (struct id){ .params = text };
	id->call_id = span_trim(span_split(&id->params, ';'));
	rest = id->params;
	while (sip_param_next(&rest, &name, &value))
		if (is_tag(name) && n < 2)
			id->tag[n++] = value;
	return n == 2 && id->call_id.n && id->tag[0].n && id->tag[1].n;
}

static bool is_named(const struct htab_link *link, const void *key)
{
	const struct sip_dialog *d = &container_of(link, const struct leg, link)->dlg;
	const struct id *id = key;

	return span_eq(sip_dialog_call_id(d), id->call_id) &&
	       ((span_eq(sip_dialog_local_tag(d), id->tag[0]) &&
		 span_eq(sip_dialog_remote_tag(d), id->tag[1])) ||
		(span_eq(sip_dialog_local_tag(d), id->tag[1]) &&
		 span_eq(sip_dialog_remote_tag(d), id->tag[0])));
}

static struct leg *leg_named(struct im *im, const struct id *id)
{
	struct htab_link *link = NULL;

	for (unsigned i = 0; i < 2 && !link; i++)
		link = htab_get(&im->dialogs, htab_hash(&im->dialogs, id->tag[i]), is_named, id);
	return link ? container_of(link, struct leg, link) : NULL;
}

/* The id as the peer of `to` knows it; false: it is to pass unchanged. */
static bool w_id(struct wbuf *w, const struct leg *to, struct span text)
{
	const struct sip_dialog *near, *far;
	struct span name, value;
	struct leg *l;
	struct id id;

	if (!id_parse(&id, text) || (l = leg_named(to->s->im, &id)) == NULL || l->side == to->side)
		return false;
	near = &l->dlg, far = &leg_other(l)->dlg;
	if (!far->remote_tag.n)
		return false;
	w_span(w, sip_dialog_call_id(far));
	while (sip_param_next(&id.params, &name, &value)) {
		if (is_tag(name))
			value = span_eq(value, sip_dialog_local_tag(near)) ? sip_dialog_remote_tag(far)
									   : sip_dialog_local_tag(far);
		w_chr(w, ';'), w_span(w, name);
		if (value.n)
			w_chr(w, '='), w_span(w, value);
	}
	return w_ok(w);
}

/* RFC 3261 25.1, hvalue. */
static void w_escaped(struct wbuf *w, struct span s)
{
	static const char digit[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		if (plain || (c && strchr("[]/?:+$-_.!~*'()", c)))
			w_chr(w, (char)c);
		else
			w_chr(w, '%'), w_chr(w, digit[c >> 4]), w_chr(w, digit[c & 15]);
	}
}

static bool names_dialog(struct span name)
{
	return span_ieq(name, SPAN("Replaces")) || span_ieq(name, SPAN("Join")) ||
	       span_ieq(name, SPAN("Target-Dialog"));
}

/* One "name=value" of a URI's headers. */
static void w_uri_header(struct wbuf *w, const struct leg *to, struct span field)
{
	char plain[ID_TEXT_MAX], text[2 * ID_TEXT_MAX];
	struct wbuf p = wbuf_on(plain, sizeof(plain)), t = wbuf_on(text, sizeof(text));
	struct span value = field, name = span_split(&value, '=');

	if (names_dialog(name) && value.n <= sizeof(plain)) {
		w_unescape(&p, value);
		if (w_id(&t, to, w_span_of(&p))) {
			w_span(w, name), w_chr(w, '='), w_escaped(w, w_span_of(&t));
			return;
		}
	}
	w_span(w, field);
}

static void w_refer_to(struct wbuf *w, const struct leg *to, struct span v)
{
	struct sip_name_addr na;
	struct span headers, more;
	size_t at;

	if (sip_name_addr_parse(&na, v) < 0 || (at = span_chr(na.uri, '?')) == SPAN_NONE) {
		w_span(w, v);
		return;
	}
	headers = more = span_skip(na.uri, at + 1);
	w_span(w, (struct span){ v.p, (size_t)(headers.p - v.p) });
	while (more.n) {
		if (more.p != headers.p)
			w_chr(w, '&');
		w_uri_header(w, to, span_split(&more, '&'));
	}
	w_span(w, span_skip(v, (size_t)(headers.p + headers.n - v.p)));
}

void w_dialog_ids(struct wbuf *w, const struct leg *to, const struct sip_msg *m)
{
	static const uint8_t ids[] = { SIP_H_REFER_TO, SIP_H_REPLACES, SIP_H_TARGET_DIALOG };

	for (size_t i = 0; i < sizeof(ids); i++)
		for (const struct sip_hdr *h = sip_hdr(m, ids[i]); h; h = sip_hdr_next(m, h)) {
			struct span v = sip_hdr_value(m, h);
			w_span(w, sip_hdr_id_name(ids[i])), w_str(w, ": ");
			if (ids[i] == SIP_H_REFER_TO)
				w_refer_to(w, to, v);
			else if (!w_id(w, to, v))
				w_span(w, v);
			w_str(w, "\r\n");
		}
}
