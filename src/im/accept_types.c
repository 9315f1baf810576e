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
