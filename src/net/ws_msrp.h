/* SPDX-License-Identifier: MIT */
/* MSRP as it is written, cut into WebSocket messages: one request or response each (RFC 7977 5.1). */
#ifndef PARLEY_NET_WS_MSRP_H
#define PARLEY_NET_WS_MSRP_H

#include "msrp/frame.h"
#include "net/ws.h"

struct ws_msrp {
	struct msrp_framer f;
	bool open; /* the WebSocket message has begun and not ended */
};

void ws_msrp_init(struct ws_msrp *m);
void ws_msrp_finish(struct ws_msrp *m); /* safe on zeroes, safe twice */
/* The pieces of a write.  0, or -errno: nothing sensible can follow on the connection. */
MUST_CHECK int ws_msrp_write(struct ws_msrp *m, struct ws *w, struct stream *s, const struct span *piece,
			     unsigned n);

#endif
