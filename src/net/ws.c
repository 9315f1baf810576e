/* SPDX-License-Identifier: MIT */
/*
 * What is hard: nothing is kept here.  A request or a control frame that is not complete stays with the stream, which
 * offers it again with what follows; so does payload that the consumer did not take, unmasked by then.
 */
#include "net/ws.h"

#include <stdlib.h>

#include "net/ws_hello.h"

enum ws_state { WS_OPENING, WS_OPEN, WS_ENDED };

struct ws {
	const struct ws_ops *ops;
	struct ws_in in;
	uint64_t written;
	struct span protocol;
	uint8_t state;
	bool closed; /* our close frame is written */
};

struct ws *ws_create(const struct ws_ops *ops, struct span protocol, uint64_t max)
{
	struct ws *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->ops = ops;
	w->protocol = protocol;
	ws_in_init(&w->in, max);
	return w;
}

void ws_free(struct ws *w)
{
	free(w);
}

bool ws_is_open(const struct ws *w)
{
	return w->state == WS_OPEN;
}

bool ws_is_midway(const struct ws *w)
{
	return w->state == WS_OPENING || w->in.in_frame || w->in.in_message;
}

uint64_t ws_written(const struct ws *w)
{
	return w->written;
}

/* ---- out ---- */

static void put(struct ws *w, struct stream *s, const struct span *piece, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		w->written += piece[i].n;
	stream_write(s, piece, n);
}

void ws_write(struct ws *w, struct stream *s, enum ws_opcode opcode, bool fin, const struct span *piece,
	      unsigned n)
{
	struct span all[1 + WS_PIECES_MAX];
	char head[WS_HEAD_MAX];
	uint64_t total = 0;

	if (w->closed || n > WS_PIECES_MAX)
		return;
	for (unsigned i = 0; i < n; i++) {
		all[1 + i] = piece[i];
		total += piece[i].n;
	}
	all[0] = (struct span){ head, ws_head(head, opcode, fin, total) };
	put(w, s, all, 1 + n);
}

void ws_close(struct ws *w, struct stream *s, unsigned code)
{
	char payload[2] = { (char)(code >> 8), (char)code };

	if (w->state == WS_OPEN)
		ws_write(w, s, WS_CLOSE, true, &(struct span){ payload, sizeof(payload) }, 1);
	w->closed = true;
}

/* ---- in ---- */

static void end(struct ws *w, struct stream *s, const char *why)
{
	w->state = WS_ENDED;
	w->ops->ended(s, why);
}

static void refuse(struct ws *w, struct stream *s, int status)
{
	char buf[WS_ANSWER_MAX];
	struct wbuf answer = wbuf_on(buf, sizeof(buf));
	const char *why = status == 403   ? "origin not allowed"
			  : status == 426 ? "no WebSocket of version 13"
			  : status == 431 ? "handshake too large"
					  : "no handshake of this subprotocol";

	w_ws_refusal(&answer, status);
	if (w_ok(&answer))
		put(w, s, &(struct span){ answer.p, answer.n }, 1);
	s->net->stats.ws_refused++;
	end(w, s, why);
}

/* Bytes taken. */
static size_t open_by(struct ws *w, struct stream *s, struct span in)
{
	char buf[WS_ANSWER_MAX];
	struct wbuf answer = wbuf_on(buf, sizeof(buf));
	struct ws_hello hello;
	int n = ws_hello_read(in, w->protocol, &hello);

	if (n > 0 && !ws_origin_allowed(span_of(s->net->conf.ws_origins), hello.origin))
		n = -403;
	if (n < 0) {
		refuse(w, s, -n);
		return in.n;
	}
	if (n == 0)
		return 0;
	w_ws_accept(&answer, hello.key, w->protocol);
	if (!w_ok(&answer)) {
		end(w, s, "no handshake made");
		return in.n;
	}
	put(w, s, &(struct span){ answer.p, answer.n }, 1);
	w->state = WS_OPEN;
	s->net->stats.ws_opened++;
	if (w->ops->opened)
		w->ops->opened(s);
	return (size_t)n;
}

static void on_control(struct ws *w, struct stream *s, const struct ws_event *ev)
{
	if (ev->opcode == WS_PING) {
		ws_write(w, s, WS_PONG, true, &ev->data, 1);
	} else if (ev->opcode == WS_CLOSE) {
		ws_close(w, s, ws_close_answer(ev->data));
		end(w, s, "closed");
	}
}

static void broken(struct ws *w, struct stream *s, unsigned code)
{
	s->net->stats.ws_refused++;
	ws_close(w, s, code);
	end(w, s, code == WS_TOO_BIG ? "message too large" : "broken framing");
}

size_t ws_input(struct ws *w, struct stream *s, struct span in)
{
	char *p = (char *)(uintptr_t)in.p;
	size_t used = w->state == WS_OPENING ? open_by(w, s, in) : 0;

	while (w->state == WS_OPEN && s->state == STREAM_OPEN && used < in.n) {
		struct ws_event ev;
		int step = ws_in_next(&w->in, p + used, in.n - used, &ev);
		used += ev.skip;
		if (step < 0) {
			broken(w, s, (unsigned)-step);
		} else if (step == WS_CONTROL) {
			on_control(w, s, &ev);
		} else if (step == WS_DATA) {
			size_t took = w->ops->piece(s, ev.data, ev.fresh, ev.last);
			if (w->state != WS_OPEN || s->state != STREAM_OPEN)
				break;
			ws_in_took(&w->in, took);
			used += took;
			if (took < ev.data.n)
				return used;
		} else {
			return used;
		}
	}
	return w->state == WS_ENDED || s->state != STREAM_OPEN ? in.n : used;
}
