/* SPDX-License-Identifier: MIT */
/* The opening handshake of WebSocket (RFC 6455 4.2), as the server reads and answers it.  Pure. */
#ifndef PARLEY_NET_WS_HELLO_H
#define PARLEY_NET_WS_HELLO_H

#include "base/wbuf.h"

enum { WS_HELLO_MAX = 8192, WS_ANSWER_MAX = 512 };

struct ws_hello {
	struct span key;
	struct span origin; /* empty: none was sent */
};

/**
 * ws_hello_read(in, protocol, out): how many bytes of in make the request, which may be served if the client offers the
 * subprotocol.  n > 0: that many; 0: need more, and WS_HELLO_MAX are enough; else the negative status to refuse with.
 */
MUST_CHECK int ws_hello_read(struct span in, struct span protocol, struct ws_hello *out);
/* May a page of this origin connect?  allowed: blank-separated, empty or with "*": all.  A client that names none is no
 * page. */
bool ws_origin_allowed(struct span allowed, struct span origin);

void w_ws_accept(struct wbuf *w, struct span key, struct span protocol); /* 101 */
void w_ws_refusal(struct wbuf *w, int status);                           /* the connection ends with it */

#endif
