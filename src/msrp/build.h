/* SPDX-License-Identifier: MIT */
/* Writers of what MSRP endpoints send (RFC 4975 9).  They never check: ask w_ok() at the end. */
#ifndef PARLEY_MSRP_BUILD_H
#define PARLEY_MSRP_BUILD_H

#include "msrp/head.h"
#include "msrp/range.h"

/* A whole response; from is our own URI, to the leftmost From-Path URI of the request (UP-23). */
void w_msrp_response(struct wbuf *w, struct span tid, unsigned code, struct span to, struct span from);
/* Start line, To-Path, From-Path. */
void w_msrp_request(struct wbuf *w, struct span tid, struct span method, struct span to, struct span from);
/* The other headers of a received SEND, with its Byte-Range replaced by r or, if it had none, r added. */
void w_msrp_rest(struct wbuf *w, struct span rest, struct span range_line, const struct msrp_range *r);
/* Seven dashes, tid, flag, CRLF; after a body put CRLF before it. */
void w_msrp_end(struct wbuf *w, struct span tid, char flag);
/* What a REPORT says after its paths, in namespace 000 (UP-26). */
void w_msrp_status(struct wbuf *w, struct span message_id, const struct msrp_range *r, unsigned code);

const char *msrp_comment(unsigned code); /* "OK" for 200; "" when there is none */

#endif
