/* SPDX-License-Identifier: MIT */
/* Byte-Range (RFC 4975 7.1.1) and which bytes of a message have been spoken for. */
#ifndef PARLEY_MSRP_RANGE_H
#define PARLEY_MSRP_RANGE_H

#include "base/wbuf.h"

#define MSRP_STAR UINT64_MAX /* "*" as end or total */

struct msrp_range {
	uint64_t start, end, total; /* 1-based, end included; end and total may be MSRP_STAR */
};

/* "start-end/total": 0, -EINVAL (UP-32: start 0, start beyond total except 1-0/0, end before start - 1, numbers of
 * 2^63 and more, anything but digits). */
MUST_CHECK int msrp_range_parse(struct msrp_range *r, struct span s);
void w_msrp_range(struct wbuf *w, const struct msrp_range *r);

/*
 * A set of bytes as a few closed intervals, joined where they touch.  Bounded: what would need one interval too many
 * is not remembered, so a full cover may be missed and never invented.
 */
enum { MSRP_COVER_MAX = 8 };
struct msrp_cover {
	unsigned n;
	struct {
		uint64_t from, to;
	} iv[MSRP_COVER_MAX]; /* ascending */
};

void msrp_cover_add(struct msrp_cover *c, uint64_t from, uint64_t to);       /* nothing when to < from */
bool msrp_cover_has(const struct msrp_cover *c, uint64_t from, uint64_t to); /* true when to < from */

#endif
