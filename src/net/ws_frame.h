/* SPDX-License-Identifier: MIT */
/*
 * WebSocket frames as a server sees them (RFC 6455 5): masked ones in, plain ones out.  Pure, and without memory of its
 * own: payload is unmasked where it lies, so the bytes it is given must be the caller's to write, and it is handed on
 * piece by piece as it comes.
 *
 *	while (n > 0) {
 *		struct ws_event ev;
 *		int step = ws_in_next(&w, p, n, &ev);
 *		p += ev.skip, n -= ev.skip;
 *		if (step == WS_DATA) { took = consume(ev.data); ws_in_took(&w, took); p += took, n -= took; }
 *		...
 *	}
 */
#ifndef PARLEY_NET_WS_FRAME_H
#define PARLEY_NET_WS_FRAME_H

#include "base/span.h"

enum ws_opcode { WS_CONTINUATION, WS_TEXT, WS_BINARY, WS_CLOSE = 8, WS_PING, WS_PONG };
enum { WS_HEAD_MAX = 10, WS_CONTROL_MAX = 125 };
/* Close codes (RFC 6455 7.4.1). */
enum { WS_NORMAL = 1000, WS_GOING_AWAY = 1001, WS_PROTOCOL_ERROR = 1002, WS_TOO_BIG = 1009 };

enum ws_step {
	WS_MORE,    /* nothing to do before more bytes are there */
	WS_DATA,    /* a piece of a message, perhaps empty; then ws_in_took() */
	WS_CONTROL, /* a whole control frame, taken already */
};

struct ws_event {
	size_t skip;      /* bytes of the input that are done with: a frame's head, a control frame */
	struct span data; /* behind them, unmasked: what there is of the payload, or a control frame's */
	size_t fresh;     /* DATA: so many at its end were not there at the last event */
	bool last;        /* DATA: the message ends with data */
	uint8_t opcode;   /* CONTROL */
};

struct ws_in {
	uint64_t max;   /* payload bytes of a message; 0: no bound */
	uint64_t left;  /* of the frame, not taken yet */
	uint64_t size;  /* of the message, its frames so far */
	uint64_t clear; /* at the front of what is left: unmasked, not taken */
	uint8_t mask[4], phase;
	uint8_t opcode;
	bool fin, in_frame, in_message;
};

void ws_in_init(struct ws_in *w, uint64_t max);
/* The input is p[0, n), behind what was skipped and taken so far.  An enum ws_step, or the negative close code the
 * connection has to end with. */
MUST_CHECK int ws_in_next(struct ws_in *w, char *p, size_t n, struct ws_event *ev);
void ws_in_took(struct ws_in *w, size_t n);

/* The head of an unmasked frame; its length. */
size_t ws_head(char out[WS_HEAD_MAX], enum ws_opcode opcode, bool fin, uint64_t n);
/* The code to answer a close frame of this payload with. */
unsigned ws_close_answer(struct span payload);
/* Must a message be binary, because it is no UTF-8 (RFC 6455 5.6)? */
bool ws_is_binary(struct span s);

#endif
