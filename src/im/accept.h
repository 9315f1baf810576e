/* SPDX-License-Identifier: MIT */
/* Are these Media Parameters acceptable to the server (change request, step 1)?  ACC-*, CLASS-20, SDP-5, SDP-6.
 * Decides and changes nothing. */
#ifndef PARLEY_IM_ACCEPT_H
#define PARLEY_IM_ACCEPT_H

#include "im/classify.h"

struct verdict {
	unsigned status;  /* 0: acceptable; else 488 (403, 413 by policy) */
	unsigned warning; /* Warning code 300..399 */
	char text[96];    /* Warning text, without quotes */
	uint32_t off;     /* lines that go on with port 0 (mode partial) */
};

/* An offer received on a leg.  before: the last committed SDP *from that peer*, NULL at set-up; mine: the last committed
 * SDP we sent it, NULL at set-up.  Lines unchanged since are not judged again (ACC-1).  safe: what the peer says of
 * certificates counts (UP-48). */
void accept_offer(const struct im_conf *conf, enum im_class class, bool safe, const struct sdp *before,
		  const struct sdp *mine, const struct sdp *offer, struct verdict *out);
/* An answer received to an offer we sent (ACC-7, SDP-6).  before: as above, on that leg. */
void accept_answer(const struct im_conf *conf, enum im_class class, bool safe, const struct sdp *before,
		   const struct sdp *offer_sent, const struct sdp *answer, struct verdict *out);

/* accept-types to write on: offered ∩ policy, order kept; "*" becomes the policy's list (ACC-8). */
void w_accept_types(struct wbuf *w, const struct im_conf *conf, struct span offered);
/* The lines accept-types and accept-wrapped-types for one side from what the other takes, im.media.cpim included. */
struct sdp_msrp;
void w_type_lines(struct wbuf *w, const struct im_conf *conf, const struct sdp_msrp *other);

#endif
