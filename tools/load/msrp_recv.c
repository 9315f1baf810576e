/* SPDX-License-Identifier: MIT */
/*
 * Receiving: is each chunk the one that must come next?  What is allowed:
 *
 *   as a rule        messages begin in the order in which their sender began them on one generation, as far as one
 *                    connection shows it; the bytes of each come once, in order, all on the connection on which it
 *                    began; nothing comes twice.
 *   after a cut      of either end's connection, for messages that were under way then: bytes may come again (they are
 *                    compared all the same) until the sender has its last 200; where Failure-Report is "no" or
 *                    "partial" some may be missing too, for no 200 tells anybody that they are.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "msrp.h"

/* A message that its sender began after k on the same generation, and that came before it; k: none.  On two connections
 * the order of arrival is nobody's doing: then k must be on the older one (UPA-15). */
static uint64_t overtaker(const struct end *e, uint64_t k, const struct in_msg *in, const struct out_msg *o)
{
	for (uint64_t j = k + 1; j < e->in_top; j++) {
		const struct in_msg *later = end_in(e, j);
		const struct out_msg *sent = end_out(e->other, j);
		if (later->known && later->k == j && sent->k == j && !sent->cut &&
		    sent->gen_id == o->gen_id && later->gen_id <= in->gen_id)
			return j;
	}
	return k;
}

/* May the next byte of message k be at start, counted from 1? */
static bool fits(const struct in_msg *in, const struct out_msg *o, const struct load_conn *c, uint64_t start)
{
	if (start == in->offset + 1 && !in->complete)
		return o->cut || in->offset == 0 || in->conn == c;
	if (!o->cut)
		return false;
	return start <= in->offset + 1 || o->failure != FR_YES;
}

/* A SEND with content begins: is it a piece that may come now? */
bool end_on_send(struct end *e, struct load_conn *c, struct span message_id, struct span range)
{
	unsigned flow = 0;
	char id[64];
	size_t slash = span_chr(range, '/');
	snprintf(id, sizeof(id), "%" SPAN_FMT, SPAN_ARG(message_id));
	if (sscanf(id, "load.%x.%" SCNu64, &flow, &c->b_k) != 2 || flow != (e->flow ^ 1) ||
	    slash == SPAN_NONE || !e->other->sends || c->b_k >= e->other->k) {
		end_wrong(e, "a message nobody sent: %s %" SPAN_FMT, id, SPAN_ARG(range));
		return false;
	}
	uint64_t k = c->b_k, size = flow_message(e->other->conf, e->other->flow, k).size;
	const struct out_msg *o = end_out(e->other, k);
	struct in_msg *in = end_in(e, k);
	c->b_start = text_digits(range);
	c->b_total = text_digits(span_skip(range, slash + 1));
	c->b_got = 0;
	if (!in->known || in->k != k) {
		if (o->k != k || (k < e->in_base && !o->cut)) {
			end_wrong(e, "message %" PRIu64 " comes again, long after it was complete", k);
			return false;
		}
		*in = (struct in_msg){ .k = k, .known = true, .conn = c, .gen_id = c->gen->id };
		uint64_t other = o->cut ? k : overtaker(e, k, in, o);
		if (other != k)
			end_wrong(e, "message %" PRIu64 " was overtaken by message %" PRIu64, k, other);
		e->in_top = k >= e->in_top ? k + 1 : e->in_top;
	}
	/* total may be "*", read as 0 */
	if (!fits(in, o, c, c->b_start) || (c->b_total && c->b_total != size)) {
		end_wrong(e,
			  "got message %" PRIu64 " from byte %" PRIu64 " of %" PRIu64
			  "; expected is byte %" PRIu64 " of %" PRIu64 "%s%s",
			  k, c->b_start, c->b_total, in->offset + 1, size,
			  in->complete ? ", and complete" : "", in->conn == c ? "" : ", begun elsewhere");
		return false;
	}
	/* Answered hop by hop, the sender's 200 says nothing about the far side. */
	if (in->complete && o->over && o->failure == FR_YES && !o->given_up && !e->conf->hop)
		end_wrong(e, "message %" PRIu64 " comes again, and its sender has all 200s", k);
	return true;
}

static void send_report(struct end *e, struct load_conn *c, uint64_t size)
{
	char text[1024];
	static uint64_t number;
	int n = snprintf(text, sizeof(text),
			 "MSRP report%08" PRIx64 " REPORT\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
			 "Message-ID: load.%x.%" PRIu64 "\r\nByte-Range: 1-%" PRIu64 "/%" PRIu64
			 "\r\nStatus: 000 200 OK\r\n-------report%08" PRIx64 "$\r\n",
			 number, c->from, c->gen->self, e->flow ^ 1, c->b_k, size, size, number);
	number++;
	conn_control(c, (struct span){ text, (size_t)n });
}

bool end_has(const struct end *e, uint64_t k)
{
	const struct in_msg *in = end_in(e, k);
	return in->known && in->k == k && in->complete;
}

void end_in_advance(struct end *e)
{
	while (e->in_base < e->other->k) {
		struct out_msg *sent = end_out(e->other, e->in_base);
		bool given_up = sent->k == e->in_base && sent->given_up;
		if (!end_has(e, e->in_base)) {
			if (!given_up)
				break;
			sent->lost = true;
			e->totals->lost[sent->why]++;
		}
		e->in_base++;
	}
}

static void complete(struct end *e, struct load_conn *c, struct in_msg *in, struct out_msg *o, uint64_t size)
{
	bool first = !in->complete;
	in->complete = true;
	if (o->k == c->b_k) {
		out_landed(e->other, o);
		if (o->lost) /* late, but there */
			e->totals->lost[o->why]--;
		e->totals->told_there += o->lost && o->why == LOST_TOLD;
		o->lost = false;
	}
	if (!first)
		e->totals->twice++;
	if (first) {
		e->totals->messages_in++;
		e->totals->bytes_in += size;
		hist_add(&e->totals->delivery, now_ns() - o->began_ns);
	}
	end_in_advance(e);
	if (c->b_report)
		send_report(e, c, size);
}

void end_on_send_end(struct end *e, struct load_conn *c, char flag)
{
	char text[1024];
	struct in_msg *in = end_in(e, c->b_k);
	struct out_msg *o = end_out(e->other, c->b_k);
	uint64_t size = flow_message(e->other->conf, e->other->flow, c->b_k).size;
	uint64_t to = c->b_start - 1 + c->b_got;
	e->totals->chunks_in++;
	if (to > in->offset) {
		e->totals->again += in->offset > c->b_start - 1 ? in->offset - (c->b_start - 1) : 0;
		in->offset = to;
	} else {
		e->totals->again += c->b_got;
	}
	/* The last byte may come before it is known to be the last: then an empty chunk says so. */
	bool full = flag == '$', whole = to == size;
	if ((flag == '#' && !o->cut) || (full && !whole))
		end_wrong(e, "message %" PRIu64 ": chunk up to byte %" PRIu64 " of %" PRIu64 " ends in %c",
			  c->b_k, to, size, flag);
	if (c->b_failure == FR_YES) {
		int n = snprintf(text, sizeof(text),
				 "MSRP %s 200 OK\r\nTo-Path: %.*s\r\nFrom-Path: %s\r\n-------%s$\r\n", c->tid,
				 (int)strcspn(c->from, " "), c->from, c->gen->self, c->tid);
		conn_control(c, (struct span){ text, (size_t)n });
	}
	if (full && whole)
		complete(e, c, in, o, size);
}
