/* SPDX-License-Identifier: MIT */
/*
 * Who the two sides are, as the CPIM headers of their messages name them (UP-35).
 *
 * A trusted peer's P-Asserted-Identity counts; there may be several, a sip: and a tel: one.  Who asked for privacy is
 * anonymous to the other side, whatever was asserted of him.  Kept only where the configuration needs it.
 */
#include <stdlib.h>

#include "im/core.h"
#include "msrp/cpim.h"

enum { URIS_MAX = 1024 };

static const struct span anonymous = { "sip:anonymous@anonymous.invalid", 31 };

static bool is_private(const struct sip_msg *m)
{
	return sip_has(m, SIP_H_PRIVACY) && !span_ieq(span_trim(sip_value(m, SIP_H_PRIVACY)), SPAN("none"));
}

void identity_note(struct leg *l, const struct sip_msg *m)
{
	const struct im_conf *conf = &l->s->im->conf;
	char text[URIS_MAX], *copy;
	struct wbuf w = wbuf_on(text, sizeof(text));
	struct sip_iter it = { 0 };
	struct span v;

	if (conf->mode != IM_ANCHORED || !(conf->check_cpim_from || conf->plane.cpim_adapt))
		return;
	if (is_private(m))
		w_span(&w, anonymous);
	while (l->trusted && sip_each(m, SIP_H_P_ASSERTED_IDENTITY, &it, &v)) {
		struct sip_name_addr na;
		if (sip_name_addr_parse(&na, v) < 0)
			continue;
		if (w.n)
			w_chr(&w, ' ');
		w_span(&w, na.uri);
	}
	if (!w.n || (copy = span_dup(w_span_of(&w))) == NULL)
		return; /* what was said before holds */
	free(l->identity);
	l->identity = copy;
}

static struct span dialog_uri(struct span value)
{
	struct sip_name_addr na;

	return sip_name_addr_parse(&na, value) < 0 ? SPAN_EMPTY : na.uri;
}

struct span identity_of(const struct leg *l)
{
	struct span all = span_of(l->identity), uri = span_split(&all, ' ');

	if (!uri.n)
		uri = dialog_uri(sip_dialog_remote(&l->dlg));
	return uri.n ? uri : anonymous;
}

/* "im:" names the user of a domain whatever the protocol (RFC 3860), and clients write either. */
static bool same_user(struct span a, struct span b)
{
	char text[URIS_MAX];
	struct wbuf w = wbuf_on(text, sizeof(text));

	if (sip_uri_eq(a, b))
		return true;
	if (!span_istarts(a, SPAN("im:")))
		return false;
	w_str(&w, "sip:"), w_span(&w, span_skip(a, 3));
	return w_ok(&w) && sip_uri_eq(w_span_of(&w), b);
}

static bool is_his(const struct leg *l, struct span uri)
{
	struct span all = span_of(l->identity), one, remote = dialog_uri(sip_dialog_remote(&l->dlg));

	while (all.n)
		if ((one = span_split(&all, ' ')).n && same_user(uri, one))
			return true;
	if (l->side == SIDE_A && l->s->served_user && same_user(uri, span_of(l->s->served_user)))
		return true;
	return sip_uri_eq(remote, anonymous) && sip_uri_eq(uri, anonymous);
}

unsigned identity_check(const struct leg *l, const struct cpim *head)
{
	struct session *s = l->s;
	char from[128];

	/* Behind the Controlling Function speak all who take part; only of our own user do we know who he is. */
	if (!s->im->conf.check_cpim_from || l->side != SIDE_A || (head && is_his(l, head->from)))
		return 0;
	im_log(s->im, IM_NOTICE, "cpim-from", "sess=%lu from=\"%s\"", (unsigned long)s->id,
	       im_shown(from, head ? head->from : SPAN_EMPTY));
	return 403;
}
