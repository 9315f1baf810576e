/* SPDX-License-Identifier: MIT */
/*
 * What an m=message line says about MSRP, typed once: RFC 4975 8, RFC 6135 (setup), RFC 5547 (files), RFC 6714 (CEMA).
 * Reads, never judges: that is im/accept.
 */
#include "sdp/sdp.h"

#include <errno.h>

#include "sdp/word.h"

static struct span value_of(const struct sdp_line *l)
{
	return l ? l->arg : SPAN_EMPTY;
}

/* RFC 4145 4: the values are tokens of the grammar, so any case. */
static enum sdp_setup setup_of(const struct sdp_line *l)
{
	static const struct {
		const char *name;
		enum sdp_setup setup;
	} names[] = {
		{ "active", SDP_SETUP_ACTIVE },
		{ "passive", SDP_SETUP_PASSIVE },
		{ "actpass", SDP_SETUP_ACTPASS },
		{ "holdconn", SDP_SETUP_HOLDCONN },
	};

	if (!l)
		return SDP_SETUP_NONE;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (span_ieq(l->arg, span_of(names[i].name)))
			return names[i].setup;
	return SDP_SETUP_UNKNOWN;
}

static void read_path(const struct sdp *s, unsigned i, struct sdp_msrp *out)
{
	const struct sdp_line *l = sdp_attr(s, (int)i, SPAN("path"));
	struct span rest = value_of(l);

	out->path = rest;
	out->first_uri = out->last_uri = sdp_word(&rest);
	for (struct span w; (w = sdp_word(&rest)).n;)
		out->last_uri = w;
	for (; l; l = sdp_attr_next(s, (int)i, l))
		out->n_path++;
}

/* More digits than 64 bits hold is no limit at all, not a fault: RFC 4975 9 gives the number no bound. */
static void read_max_size(const struct sdp_line *l, struct sdp_msrp *out)
{
	if (!l)
		return;
	out->has_max_size = true;
	int r = span_u64(l->arg, UINT64_MAX, &out->max_size);
	if (r == -ERANGE)
		out->max_size = UINT64_MAX;
	else
		out->bad_max_size = r < 0;
}

void sdp_msrp_of(const struct sdp *s, unsigned i, struct sdp_msrp *out)
{
	*out = (struct sdp_msrp){ 0 };
	if (i >= s->n_media)
		return;
	const struct sdp_media *m = &s->media[i];
	const struct sdp_line *accept = sdp_attr(s, (int)i, SPAN("accept-types"));
	const struct sdp_line *selector = sdp_attr(s, (int)i, SPAN("file-selector"));
	const struct sdp_line *id = sdp_attr(s, (int)i, SPAN("file-transfer-id"));

	out->active = m->port != 0;
	out->is_message = span_ieq(m->media, SPAN("message"));
	out->tcp = span_ieq(m->proto, SPAN("TCP/MSRP"));
	out->tls = span_ieq(m->proto, SPAN("TCP/TLS/MSRP"));
	out->any_format = span_eq(m->fmts, SPAN("*"));
	out->port = m->port;
	out->conn = m->conn;
	read_path(s, i, out);
	out->has_accept_types = accept != NULL;
	out->accept_types = value_of(accept);
	out->accept_wrapped_types = value_of(sdp_attr(s, (int)i, SPAN("accept-wrapped-types")));
	read_max_size(sdp_attr(s, (int)i, SPAN("max-size")), out);
	out->setup = setup_of(sdp_attr_any(s, (int)i, SPAN("setup")));
	out->dir = sdp_direction(s, (int)i);
	out->cema = sdp_attr(s, (int)i, SPAN("msrp-cema")) != NULL;
	out->chatroom = sdp_attr(s, (int)i, SPAN("chatroom")) != NULL;
	out->fingerprint = value_of(sdp_attr_any(s, (int)i, SPAN("fingerprint")));
	out->file_selector = value_of(selector);
	out->file_transfer_id = value_of(id);
	out->is_file = selector || id;
}

/* ---- file-selector: name:"..." type:a/b;x="y z" size:n hash:alg:hex, in any order (RFC 5547 6) ---- */

/* The next selector of *rest: blanks inside quotes belong to it.  -EINVAL: a quote is never closed. */
static int next_selector(struct span *rest, struct span *out)
{
	bool quoted = false;
	size_t n = 0;

	while (rest->n && sdp_is_blank(rest->p[0]))
		*rest = span_skip(*rest, 1);
	for (; n < rest->n && (quoted || !sdp_is_blank(rest->p[n])); n++)
		if (rest->p[n] == '"')
			quoted = !quoted;
	*out = span_cut(*rest, 0, n);
	*rest = span_skip(*rest, n);
	return quoted ? -EINVAL : 0;
}

static int read_selector(struct sdp_file *f, struct span value)
{
	struct span key = span_split(&value, ':');

	if (value.n == 0)
		return -EINVAL;
	if (span_ieq(key, SPAN("name"))) {
		if (value.n < 2 || value.p[0] != '"' || value.p[value.n - 1] != '"')
			return -EINVAL;
		f->name = value;
	} else if (span_ieq(key, SPAN("type"))) {
		if (span_chr(value, '/') == SPAN_NONE)
			return -EINVAL;
		f->type = value;
	} else if (span_ieq(key, SPAN("size"))) {
		f->has_size = true;
		return span_u64(value, UINT64_MAX, &f->size);
	} else if (span_ieq(key, SPAN("hash"))) {
		if (f->hash.n == 0) /* several hashes may follow each other; the first will do */
			f->hash = value;
	}
	return 0; /* unknown selectors are for later versions of the RFC */
}

int sdp_file_selector(struct span selector, struct sdp_file *out)
{
	struct span one;
	int r;

	*out = (struct sdp_file){ 0 };
	while ((r = next_selector(&selector, &one)) == 0 && one.n)
		if ((r = read_selector(out, one)) < 0)
			return r;
	return r;
}
