/* SPDX-License-Identifier: MIT */
/*
 * Writing.  What one entry point writes to one connection is gathered and handed to the world at once: heads and
 * end-lines in the batch's own text, bodies as spans into the bytes that were received, never copied.  A call touches a
 * connection or two (the far one, and the near one for responses), so a few batches serve all.
 *
 * Responses and REPORTs must not be written into an open chunk: the chunk is interrupted once it has 16 KiB, or 100 ms
 * have passed, or too many wait (UP-33).  Interrupting as early as the 2048 bytes below which chunks should not be made
 * would let two busy directions cut each other to pieces, each of which wants a response again.
 */
#include "im/plane_int.h"

static void batch_flush(struct planes *ps, struct plane_batch *b)
{
	struct plane_conn *c = b->c;

	if (c && b->n)
		ps->port.msrp_write(ps->port.w, c->wc, b->piece, b->n);
	if (c)
		c->batch = NULL;
	b->c = NULL;
	b->n = 0;
	b->bytes = b->text_n = 0;
}

static struct plane_batch *batch_of(struct plane_conn *c)
{
	struct planes *ps = c->ps;
	struct plane_batch *b = NULL;

	if (c->batch)
		return c->batch;
	for (unsigned i = 0; i < BATCHES && !b; i++)
		if (!ps->batch[i].c)
			b = &ps->batch[i];
	if (!b) {
		b = &ps->batch[ps->batch_turn++ % BATCHES];
		batch_flush(ps, b);
	}
	b->c = c;
	return c->batch = b;
}

void plane_write_flush(struct planes *ps)
{
	for (unsigned i = 0; i < BATCHES; i++)
		if (ps->batch[i].c)
			batch_flush(ps, &ps->batch[i]);
}

void plane_write_forget(struct plane_conn *c)
{
	if (!c->batch)
		return;
	c->batch->n = 0;
	batch_flush(c->ps, c->batch);
}

size_t plane_write_room(struct plane_conn *c)
{
	struct planes *ps = c->ps;
	size_t room = ps->port.msrp_room(ps->port.w, c->wc), gathered = c->batch ? c->batch->bytes : 0;

	return room > gathered ? room - gathered : 0;
}

/* Adds s as a piece, or to the last piece when it follows it in memory. */
static void piece_add(struct plane_batch *b, struct span s)
{
	struct span *last = b->n ? &b->piece[b->n - 1] : NULL;

	b->bytes += s.n;
	if (last && last->p + last->n == s.p)
		last->n += s.n;
	else
		b->piece[b->n++] = s;
}

static struct plane_batch *batch_with(struct plane_conn *c, size_t text)
{
	struct plane_batch *b = batch_of(c);

	if (BATCH_TEXT - b->text_n < text || b->n == BATCH_PIECES) {
		batch_flush(c->ps, b);
		b = batch_of(c);
	}
	return b;
}

struct wbuf plane_write_begin(struct plane_conn *c, size_t max)
{
	struct plane_batch *b = batch_with(c, max);

	return wbuf_on(b->text + b->text_n, BATCH_TEXT - b->text_n);
}

void plane_write_end(struct plane_conn *c, const struct wbuf *w)
{
	struct plane_batch *b = batch_of(c);

	assert(w_ok(w) && w->p == b->text + b->text_n);
	if (!w->n)
		return;
	b->text_n += w->n;
	piece_add(b, w_span_of(w));
}

void plane_write_span(struct plane_conn *c, struct span s)
{
	if (s.n <= COPY_MAX) { /* cheaper than a piece of its own */
		struct wbuf w = plane_write_begin(c, s.n);
		w_span(&w, s);
		plane_write_end(c, &w);
		return;
	}
	piece_add(batch_with(c, 0), s);
}

void plane_tid_text(uint64_t tid, char out[TID_LEN])
{
	static const char hex[] = "0123456789abcdef";

	for (unsigned i = 0; i < TID_LEN; i++, tid <<= 4)
		out[i] = hex[tid >> 60];
}

/* ---- responses and REPORTs ---- */

static void late_flush(struct plane_conn *c)
{
	timer_stop(c->ps->wheel, &c->t_late);
	if (c->late_n) {
		struct wbuf w = plane_write_begin(c, c->late_n);
		w_bytes(&w, c->late, c->late_n);
		plane_write_end(c, &w);
	}
	free(c->late);
	c->late = NULL;
	c->late_n = 0;
}

void plane_write_chunk_over(struct plane_conn *c)
{
	c->writer = NULL;
	late_flush(c);
	plane_conn_wake(&c->waiters);
}

static void on_late(struct timer *t, uint64_t now_us)
{
	struct plane_conn *c = container_of(t, struct plane_conn, t_late);
	struct planes *ps = c->ps;

	plane_enter(ps, now_us);
	if (c->writer)
		plane_relay_cut(c->writer, '+');
	else
		plane_write_chunk_over(c);
	plane_leave(ps, true);
}

void plane_write_hurry(struct plane_conn *c)
{
	if (!timer_is_set(&c->t_late))
		timer_set(c->ps->wheel, &c->t_late, c->ps->now_us + LATE_WAIT_US, on_late);
}

static bool late_add(struct plane_conn *c, struct span s)
{
	char *p;

	if (c->late_n + s.n > LATE_MAX || (p = realloc(c->late, c->late_n + s.n)) == NULL)
		return false;
	memcpy(p + c->late_n, s.p, s.n);
	c->late = p;
	c->late_n += (uint32_t)s.n;
	plane_write_hurry(c);
	return true;
}

void plane_write_small(struct plane_conn *c, struct span s)
{
	if (!c->up || c->dead)
		return;
	if (plane_write_room(c) > 0)
		c->small_queued = 0;
	else if (c->small_queued < UINT16_MAX)
		c->small_queued++;
	if (c->writer) {
		if (c->writer->in.out->n < CHUNK_CUT && late_add(c, s))
			return;
		plane_relay_cut(c->writer, '+');
	}
	struct wbuf w = plane_write_begin(c, s.n);
	w_span(&w, s);
	plane_write_end(c, &w);
}

void plane_write_response(struct plane_conn *c, struct span tid, unsigned code, struct span to,
			  struct span from)
{
	char text[MSRP_LINE_MAX + 512];
	struct wbuf w = wbuf_on(text, sizeof(text));

	w_msrp_response(&w, tid, code, to, from);
	if (w_ok(&w))
		plane_write_small(c, w_span_of(&w));
}
