/* SPDX-License-Identifier: MIT */
/* Are two descriptions the same one said again?  Line ends do not count, o= is for sdp_same_origin(). */
#include "sdp/sdp.h"

static bool same_lines(const struct sdp_line *a, const struct sdp_line *b, unsigned n)
{
	for (; n; n--, a++, b++)
		if (a->type != b->type || (a->type != 'o' && !span_eq(a->value, b->value)))
			return false;
	return true;
}

static struct span m_line(const struct sdp_media *m)
{
	struct span rest = m->text;

	return span_trim(span_split(&rest, '\n'));
}

bool sdp_same_content(const struct sdp *a, const struct sdp *b)
{
	if (a->n_lines != b->n_lines || a->n_media != b->n_media || a->n_session_lines != b->n_session_lines)
		return false;
	for (unsigned i = 0; i < a->n_media; i++)
		if (a->media[i].n_lines != b->media[i].n_lines ||
		    !span_eq(m_line(&a->media[i]), m_line(&b->media[i])))
			return false;
	return same_lines(a->line, b->line, a->n_lines);
}

bool sdp_same_origin(const struct sdp *a, const struct sdp *b)
{
	const struct sdp_origin *x = &a->origin, *y = &b->origin;

	return x->id == y->id && span_eq(x->user, y->user) && span_ieq(x->nettype, y->nettype) &&
	       span_ieq(x->addrtype, y->addrtype) && span_ieq(x->addr, y->addr);
}
