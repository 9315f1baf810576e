/* SPDX-License-Identifier: MIT */
/*
 * What an m=message line says about MSRP, typed once: RFC 4975 8, RFC 6135 (setup), RFC 5547 (files), RFC 6714 (CEMA).
 * Reads, never judges: that is im/accept.
 */
#include "sdp/sdp.h"

#include <errno.h>

#include "sdp/word.h"

/* RFC 4145 4: the values are tokens of the grammar, so any case. */
static enum sdp_setup setup_of(const struct sdp_line *l)
{
	static const struct {
		struct span name;
		enum sdp_setup setup;
	} names[] = {
		{ { "active", 6 }, SDP_SETUP_ACTIVE },
		{ { "passive", 7 }, SDP_SETUP_PASSIVE },
		{ { "actpass", 7 }, SDP_SETUP_ACTPASS },
		{ { "holdconn", 8 }, SDP_SETUP_HOLDCONN },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (span_ieq(l->arg, names[i].name))
			return names[i].setup;
	return SDP_SETUP_UNKNOWN;
}

/* The transport is the first parameter of the URI. */
static bool is_by_websocket(struct span uri)
{
	span_split(&uri, ';');
	return span_ieq(span_split(&uri, ';'), SPAN("ws"));
}

static void read_path(const struct sdp_line *l, struct sdp_msrp *out)
{
	struct span rest = l->arg;

	if (out->n_path++)
		return;
	out->path = rest;
	out->first_uri = out->last_uri = sdp_word(&rest);
	out->ws = is_by_websocket(out->first_uri);
	for (struct span w; (w = sdp_word(&rest)).n;)
		out->last_uri = w;
}

/* More digits than 64 bits hold is no limit at all, not a fault: RFC 4975 9 gives the number no bound. */
static void read_max_size(const struct sdp_line *l, struct sdp_msrp *out)
{
	if (out->has_max_size)
		return;
	out->has_max_size = true;
	int r = span_u64(l->arg, UINT64_MAX, &out->max_size);
	if (r == -ERANGE)
		out->max_size = UINT64_MAX;
	else
		out->bad_max_size = r < 0;
}

/* Each sets its field unless an earlier line did: the first one counts. */
static void take(struct span *to, const struct sdp_line *l)
{
	if (!to->p)
		*to = l->arg;
}

static void read_attr(const struct sdp_line *l, struct sdp_msrp *out)
{
	switch (l->id) {
	case SDP_A_PATH:
		read_path(l, out);
		break;
	case SDP_A_SETUP:
		if (out->setup == SDP_SETUP_NONE)
			out->setup = setup_of(l);
		break;
	case SDP_A_ACCEPT_TYPES:
		out->has_accept_types = true;
		take(&out->accept_types, l);
		break;
	case SDP_A_ACCEPT_WRAPPED_TYPES:
		take(&out->accept_wrapped_types, l);
		break;
	case SDP_A_MAX_SIZE:
		read_max_size(l, out);
		break;
	case SDP_A_FILE_SELECTOR:
		out->is_file = true;
		take(&out->file_selector, l);
		break;
	case SDP_A_FILE_TRANSFER_ID:
		out->is_file = true;
		take(&out->file_transfer_id, l);
		break;
	case SDP_A_MSRP_CEMA:
		out->cema = true;
		break;
	case SDP_A_CHATROOM:
		out->chatroom = true;
		break;
	case SDP_A_FINGERPRINT:
		take(&out->fingerprint, l);
		break;
	}
}

void sdp_msrp_of(const struct sdp *s, unsigned i, struct sdp_msrp *out)
{
	const struct sdp_line *end, *l;

	*out = (struct sdp_msrp){ 0 };
	if (i >= s->n_media)
		return;
	const struct sdp_media *m = &s->media[i];

	out->active = m->port != 0;
	out->is_message = span_ieq(m->media, SPAN("message"));
	out->tcp = span_ieq(m->proto, SPAN("TCP/MSRP"));
	out->tls = span_ieq(m->proto, SPAN("TCP/TLS/MSRP"));
	out->any_format = span_eq(m->fmts, SPAN("*"));
	out->port = m->port;
	out->conn = m->conn;
	for (l = sdp_section(s, (int)i, &end); l < end; l++)
		read_attr(l, out);
	/* SDP-13: these may stand at the session. */
	for (l = sdp_section(s, -1, &end); l < end; l++)
		if (l->id == SDP_A_SETUP || l->id == SDP_A_FINGERPRINT)
			read_attr(l, out);
	out->dir = sdp_direction(s, (int)i);
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
