/* SPDX-License-Identifier: MIT */
/* Private to sdp/: lines by section, attributes by number, and values as words between blanks (runs of blanks count as
 * one). */
#ifndef PARLEY_SDP_WORD_H
#define PARLEY_SDP_WORD_H

#include "sdp/sdp.h"

/* SDP_A_OTHER when it is none of them. */
enum sdp_attr_id sdp_attr_id_of(struct span name);

/* The lines of a section: media i, or the session for i < 0; none when there is no such media. */
const struct sdp_line *sdp_section(const struct sdp *s, int i, const struct sdp_line **end);

static inline bool sdp_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The next word of *rest; empty when there is none. */
static inline struct span sdp_word(struct span *rest)
{
	const char *p = rest->p, *end = p + rest->n, *from;

	while (p < end && sdp_is_blank(*p))
		p++;
	for (from = p; p < end && ((unsigned char)*p > ' ' || !sdp_is_blank(*p));)
		p++;
	struct span word = span_range(from, p);
	*rest = span_range(p, end);
	return word;
}

#endif
