/* SPDX-License-Identifier: MIT */
/*
 * Lists of MIME types with wildcards: what two have in common, and what may be written on (ACC-8).  A list is as long
 * as its line, thousands of entries at worst, so nothing here compares two lists of the peer's entry by entry without
 * a bound.
 */
#include "im/accept_int.h"

#include "msrp/uri.h"

bool accept_types_meet(struct span policy, struct span offered)
{
	struct span rest = offered, t;

	while (msrp_path_next(&rest, &t))
		if (sdp_type_accepted(policy, t))
			return true;
	for (rest = policy; msrp_path_next(&rest, &t);)
		if (sdp_type_accepted(offered, t)) /* "text" "/" "*" offered, text/plain allowed */
			return true;
	return false;
}

/* More types than anyone has are compared as text only. */
enum { TYPES_MAX = 256 };

static bool is_short(struct span list)
{
	unsigned n = 0;
	struct span t;

	while (msrp_path_next(&list, &t))
		n++;
	return n <= TYPES_MAX;
}

bool accept_types_within(struct span list, struct span of)
{
	struct span t;

	if (span_eq(list, of))
		return true;
	if (!is_short(list) || !is_short(of))
		return false;
	while (msrp_path_next(&list, &t))
		if (!sdp_type_accepted(of, t))
			return false;
	return true;
}

/* ---- accept-types to write on ---- */

static bool lists(struct span list, struct span type)
{
	struct span t;

	while (msrp_path_next(&list, &t))
		if (span_ieq(t, type))
			return true;
	return false;
}

/* What of the policy a wildcard stands for, without saying anything twice. */
static void w_expanded(struct wbuf *w, size_t start, struct span policy, struct span wildcard,
		       struct span offered)
{
	struct span p;

	while (msrp_path_next(&policy, &p)) {
		if (!sdp_type_accepted(wildcard, p) || lists(offered, p) ||
		    lists(span_skip(w_span_of(w), start), p))
			continue;
		if (w->n > start)
			w_chr(w, ' ');
		w_span(w, p);
	}
}

void w_accept_types(struct wbuf *w, const struct im_conf *conf, struct span offered)
{
	struct span policy = span_of(conf->accept_types), rest = offered, t;
	size_t start = w->n;

	while (msrp_path_next(&rest, &t)) {
		if (!sdp_type_accepted(policy, t)) {
			if (t.p[t.n - 1] == '*')
				w_expanded(w, start, policy, t, offered);
			continue;
		}
		if (w->n > start)
			w_chr(w, ' ');
		w_span(w, t);
	}
}

/* ---- the lines of a message line ---- */

static void w_also(struct wbuf *w, struct span types, struct span unless)
{
	struct span t;

	while (msrp_path_next(&types, &t)) {
		if (sdp_type_accepted(unless, t))
			continue;
		if (w->n)
			w_chr(w, ' ');
		w_span(w, t);
	}
}

/* With envelopes made and taken off by us (plane_adapt.c) a side may send what the other takes in one, and in one what
 * the other takes without. */
static struct span adapted_types(struct wbuf *w, const struct sdp_msrp *m)
{
	w_span(w, m->accept_types);
	if (sdp_type_accepted(m->accept_types, SPAN("message/cpim")))
		w_also(w, m->accept_wrapped_types, m->accept_types);
	else
		w_also(w, SPAN("message/cpim"), SPAN_EMPTY);
	return w_ok(w) ? w_span_of(w) : m->accept_types;
}

void w_type_lines(struct wbuf *w, const struct im_conf *conf, const struct sdp_msrp *other)
{
	struct span types = other->accept_types, wrapped = other->accept_wrapped_types;
	char text[2 * SDP_LINE_MAX];
	struct wbuf t = wbuf_on(text, sizeof(text));

	if (conf->plane.cpim_adapt && other->has_accept_types) {
		if (!sdp_type_accepted(types, SPAN("message/cpim")))
			wrapped = types;
		types = adapted_types(&t, other);
	}
	if (other->has_accept_types) /* an answer may leave it out */
		w_str(w, "a=accept-types:"), w_accept_types(w, conf, types), w_str(w, "\r\n");
	if (wrapped.n)
		w_str(w, "a=accept-wrapped-types:"), w_span(w, wrapped), w_str(w, "\r\n");
}
