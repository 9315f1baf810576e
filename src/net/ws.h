/* SPDX-License-Identifier: MIT */
/*
 * WebSocket between a stream and its consumer, server side: the handshake is answered, pings and closes are seen to, and
 * the consumer gets the payload as it comes (ws_frame.h, ws_hello.h).
 */
#ifndef PARLEY_NET_WS_H
#define PARLEY_NET_WS_H

#include "net/stream.h"
#include "net/ws_frame.h"

struct ws;
struct ws_ops { /* called from ws_input() only */
	/* A piece of a message, which ends with it if last; perhaps empty.  Returns how many bytes were taken; fewer than
	 * given: the callee paused the stream, and the rest is given again.  fresh: so many at the end are new. */
	size_t (*piece)(struct stream *s, struct span data, size_t fresh, bool last);
	void (*opened)(struct stream *s); /* NULL is fine: the handshake is done */
	/* The peer closed, or broke the protocol.  What there is to say about it is written: must stream_end(). */
	void (*ended)(struct stream *s, const char *why);
};

/* protocol: the subprotocol, a literal; max: bytes of a message, 0: any number.  NULL: no memory. */
struct ws *ws_create(const struct ws_ops *ops, struct span protocol, uint64_t max);
void ws_free(struct ws *w); /* NULL is fine */

/* The stream's input; the bytes must lie in a buffer of the stream's. */
size_t ws_input(struct ws *w, struct stream *s, struct span in);
bool ws_is_open(const struct ws *w);     /* the handshake is done */
bool ws_is_midway(const struct ws *w);   /* in the handshake or in a message */
uint64_t ws_written(const struct ws *w); /* bytes ever given to the stream */

enum { WS_PIECES_MAX = 15 };
/* A frame of n pieces, at most WS_PIECES_MAX. */
void ws_write(struct ws *w, struct stream *s, enum ws_opcode opcode, bool fin, const struct span *piece,
	      unsigned n);
void ws_close(struct ws *w, struct stream *s, unsigned code); /* says so, once; then stream_end() */

#endif
