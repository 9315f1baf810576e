/* SPDX-License-Identifier: MIT */
/*
 * Whoever writes MSRP need not know what carries it: the framer that reads it elsewhere finds here where each message
 * ends.  What is hard: a chunk may be longer than all that is ever in memory of it, so its message goes out as it comes,
 * in frames of which only the last says that it is; and a write may end one message and begin the next.
 */
#include "net/ws_msrp.h"

struct out { /* the frame that is being gathered */
	struct ws_msrp *m;
	struct ws *w;
	struct stream *s;
	struct span part[WS_PIECES_MAX];
	unsigned n;
};

void ws_msrp_init(struct ws_msrp *m)
{
	*m = (struct ws_msrp){ 0 };
	msrp_framer_init(&m->f);
}

void ws_msrp_finish(struct ws_msrp *m)
{
	msrp_framer_finish(&m->f);
}

static void flush(struct out *o, bool end)
{
	/* Bodies may be anything, so all is binary (RFC 7977 4.2 has clients take both). */
	ws_write(o->w, o->s, o->m->open ? WS_CONTINUATION : WS_BINARY, end, o->part, o->n);
	o->m->open = !end;
	o->n = 0;
}

static void add(struct out *o, struct span s, bool end)
{
	if (s.n)
		o->part[o->n++] = s;
	if (end || o->n == WS_PIECES_MAX)
		flush(o, end);
}

/* Up to the end of the message, or all of it; *rest moves on. */
static int next_end(struct ws_msrp *m, struct span *rest, struct msrp_head *scratch, bool *end)
{
	struct msrp_event ev;
	int step;

	do {
		step = msrp_frame_next(&m->f, rest, scratch, &ev);
		if (step == MSRP_HEAD)
			msrp_frame_accept(&m->f);
	} while (step > 0 && step != MSRP_END);
	*end = step == MSRP_END;
	return step < 0 ? step : 0;
}

int ws_msrp_write(struct ws_msrp *m, struct ws *w, struct stream *s, const struct span *piece, unsigned n)
{
	struct out o = { .m = m, .w = w, .s = s };
	struct msrp_head scratch;

	for (unsigned i = 0; i < n; i++) {
		struct span rest = piece[i];
		while (rest.n) {
			struct span whole = rest;
			bool end;
			int err = next_end(m, &rest, &scratch, &end);
			if (err < 0)
				return err;
			add(&o, span_cut(whole, 0, whole.n - rest.n), end);
		}
	}
	if (o.n)
		flush(&o, false);
	return msrp_frame_keep(&m->f); /* what was written goes away */
}
