/* SPDX-License-Identifier: MIT */
/* Private to sdp/: values are words between blanks; runs of blanks count as one. */
#ifndef PARLEY_SDP_WORD_H
#define PARLEY_SDP_WORD_H

#include "base/span.h"

static inline bool sdp_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The next word of *rest; empty when there is none. */
static inline struct span sdp_word(struct span *rest)
{
	size_t from = 0, to;

	while (from < rest->n && sdp_is_blank(rest->p[from]))
		from++;
	for (to = from; to < rest->n && !sdp_is_blank(rest->p[to]);)
		to++;
	struct span word = span_cut(*rest, from, to);
	*rest = span_skip(*rest, to);
	return word;
}

#endif
