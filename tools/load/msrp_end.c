/* SPDX-License-Identifier: MIT */
/*
 * One end of one MSRP session: which message comes next, what its chunks say, and the books over 200s, REPORTs and
 * bytes that the run is judged by.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "msrp.h"

enum { SMALL_BODY = 8192, OUT_ENOUGH = 64 * 1024, COMPLAINTS_MAX = 20 };

void end_wrong(struct end *e, const char *fmt, ...)
{
	va_list ap;
	if (e->totals->wrong++ >= COMPLAINTS_MAX)
		return;
	fprintf(stderr, "parley-load: %s: ", e->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* ---- how much there is to do ---- */

void flow_plan(struct flow_conf *c)
{
	uint64_t sum = 0;
	for (c->n_messages = 0; sum < c->total; c->n_messages++)
		sum += c->size[c->n_messages % c->n_size];
	c->total = sum;
}

static uint64_t size_of(const struct end *e, uint64_t k)
{
	return e->conf->size[k % e->conf->n_size];
}

static bool all_begun(const struct end *e)
{
	return !e->sends || e->k >= e->conf->n_messages;
}

bool end_send_done(const struct end *e)
{
	return all_begun(e) && e->body_left == 0 && e->unanswered == 0 && e->reports_wanted == 0 &&
	       (!e->conn || e->conn->o_n == e->conn->o_at);
}

bool end_receive_done(const struct end *e)
{
	return !e->expects || e->in_k >= e->conf->n_messages;
}

/* ---- sending ---- */

static void tid_of(const struct end *e, uint64_t seq, char tid[MSRP_TID_MAX])
{
	snprintf(tid, MSRP_TID_MAX, "L%02xq%010" PRIx64, e->flow & 0xff, seq);
}

static void put(struct load_conn *c, const char *p, size_t n)
{
	memcpy(c->out + c->o_n, p, n);
	c->o_n += n;
}

/* The next chunk: its head, and its body too when that is small; else the body is written from where it lies. */
static void begin_chunk(struct end *e, struct load_conn *c)
{
	const struct flow_conf *f = e->conf;
	uint64_t size = size_of(e, e->k), n = size - e->offset;
	char tid[MSRP_TID_MAX], head[1024];
	if (f->chunk && n > f->chunk)
		n = f->chunk;
	tid_of(e, e->seq, tid);
	int len = snprintf(head, sizeof(head),
			   "MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: load.%x.%" PRIu64
			   "\r\nByte-Range: %" PRIu64 "-%s/%" PRIu64
			   "\r\n%s%sContent-Type: application/octet-stream\r\n\r\n",
			   tid, e->peer, e->self, e->flow, e->k, e->offset + 1, "*", size,
			   f->success_report ? "Success-Report: yes\r\n" : "",
			   f->failure_report == FR_NO        ? "Failure-Report: no\r\n"
			   : f->failure_report == FR_PARTIAL ? "Failure-Report: partial\r\n"
							     : "");
	put(c, head, (size_t)len);
	e->body_k = e->k;
	e->body_off = e->offset;
	e->body_left = n;
	e->offset += n;
	e->sent_bytes += n;
	if (f->failure_report == FR_YES) {
		e->answered[e->seq % WINDOW_MAX] = 0;
		e->unanswered++;
	}
	if (n > SMALL_BODY)
		return;
	while (e->body_left) {
		struct span s = pattern_at(e->flow, e->body_k, e->body_off, (size_t)e->body_left);
		put(c, s.p, s.n);
		e->body_off += s.n;
		e->body_left -= s.n;
	}
	end_body_done(e, c);
}

void end_body_done(struct end *e, struct load_conn *c)
{
	char tid[MSRP_TID_MAX], line[64];
	bool last = e->offset == size_of(e, e->k);
	tid_of(e, e->seq, tid);
	int len = snprintf(line, sizeof(line), "\r\n-------%s%c\r\n", tid, last ? '$' : '+');
	put(c, line, (size_t)len);
	e->seq++;
	if (e->conf->failure_report != FR_YES)
		e->tid_base = e->seq;
	e->totals->sends++;
	if (last) {
		e->totals->messages++;
		e->totals->bytes += e->offset;
		if (e->conf->success_report)
			e->reports_wanted++;
		e->k++;
		e->offset = 0;
	}
	if (c->c_n) {
		put(c, c->ctl, c->c_n);
		c->c_n = 0;
	}
}

void end_fill(struct end *e, struct load_conn *c)
{
	while (e->sends && !all_begun(e) && e->body_left == 0 && c->o_n < OUT_ENOUGH &&
	       e->unanswered < e->conf->window && e->seq - e->tid_base < WINDOW_MAX)
		begin_chunk(e, c);
}

/* ---- what comes back ---- */

void end_on_answer(struct end *e, struct span tid, unsigned status)
{
	uint64_t seq = tid.n > 4 ? strtoull(tid.p + 4, NULL, 16) : 0;
	char want[MSRP_TID_MAX];
	tid_of(e, seq, want);
	if (tid.n == 5 && memcmp(tid.p, "hello", 5) == 0)
		return;
	if (!span_eq(tid, span_of(want)) || seq >= e->seq || seq < e->tid_base ||
	    e->answered[seq % WINDOW_MAX]) {
		end_wrong(e, "an answer %u to nothing that is open: %" SPAN_FMT, status, SPAN_ARG(tid));
		return;
	}
	if (status != 200)
		end_wrong(e, "SEND %" PRIu64 " was answered %u", seq, status);
	e->answered[seq % WINDOW_MAX] = 1;
	e->unanswered--;
	e->totals->answers++;
	while (e->tid_base < e->seq && e->answered[e->tid_base % WINDOW_MAX])
		e->tid_base++;
}

void end_on_report(struct end *e, struct span message_id, struct span range, struct span status)
{
	unsigned flow = 0;
	uint64_t k = 0, size;
	char id[64], want[64];
	snprintf(id, sizeof(id), "%" SPAN_FMT, SPAN_ARG(message_id));
	if (sscanf(id, "load.%x.%" SCNu64, &flow, &k) != 2 || flow != e->flow || k >= e->k) {
		end_wrong(e, "a REPORT on a message never sent: %s", id);
		return;
	}
	size = size_of(e, k);
	snprintf(want, sizeof(want), "1-%" PRIu64 "/%" PRIu64, size, size);
	if (!span_starts(status, SPAN("000 200")))
		end_wrong(e, "message %" PRIu64 ": REPORT %" SPAN_FMT, k, SPAN_ARG(status));
	else if (!span_eq(range, span_of(want)))
		end_wrong(e, "message %" PRIu64 ": REPORT for %" SPAN_FMT ", not %s", k, SPAN_ARG(range),
			  want);
	else if (e->reports_wanted == 0)
		end_wrong(e, "message %" PRIu64 ": a REPORT too many", k);
	else
		e->reports_wanted--;
	e->totals->reports++;
}

/* ---- receiving ---- */

/* A SEND with content begins: is it the piece that must come next? */
bool end_on_send(struct end *e, struct load_conn *c, struct span message_id, struct span range)
{
	unsigned flow = 0;
	char id[64];
	size_t slash = span_chr(range, '/');
	snprintf(id, sizeof(id), "%" SPAN_FMT, SPAN_ARG(message_id));
	if (sscanf(id, "load.%x.%" SCNu64, &flow, &c->b_k) != 2 || flow != (e->flow ^ 1) ||
	    slash == SPAN_NONE) {
		end_wrong(e, "a message nobody sent: %s %" SPAN_FMT, id, SPAN_ARG(range));
		return false;
	}
	c->b_start = text_digits(range);
	c->b_total = text_digits(span_skip(range, slash + 1));
	c->b_got = 0;
	/* total may be "*", read as 0 */
	if (c->b_k != e->in_k || c->b_start != e->in_offset + 1 ||
	    (c->b_total && c->b_total != size_of(e, c->b_k))) {
		end_wrong(e,
			  "got message %" PRIu64 " from byte %" PRIu64 " of %" PRIu64 "; next is %" PRIu64
			  " from %" PRIu64 " of %" PRIu64,
			  c->b_k, c->b_start, c->b_total, e->in_k, e->in_offset + 1, size_of(e, e->in_k));
		return false;
	}
	return true;
}

static void send_report(struct end *e, struct load_conn *c)
{
	char text[1024];
	static uint64_t number;
	int n = snprintf(text, sizeof(text),
			 "MSRP report%08" PRIx64 " REPORT\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
			 "Message-ID: load.%x.%" PRIu64 "\r\nByte-Range: 1-%" PRIu64 "/%" PRIu64
			 "\r\nStatus: 000 200 OK\r\n-------report%08" PRIx64 "$\r\n",
			 number, c->from, e->self, e->flow ^ 1, c->b_k, size_of(e, c->b_k),
			 size_of(e, c->b_k), number);
	number++;
	conn_control(c, (struct span){ text, (size_t)n });
}

void end_on_send_end(struct end *e, struct load_conn *c, char flag)
{
	char text[1024];
	e->totals->chunks_in++;
	e->in_offset += c->b_got;
	e->totals->bytes_in += c->b_got;
	/* The last byte may come before it is known to be the last: then an empty chunk says so. */
	bool full = flag == '$', whole = e->in_offset == size_of(e, c->b_k);
	if (flag == '#' || (full && !whole))
		end_wrong(e, "message %" PRIu64 ": chunk up to byte %" PRIu64 " of %" PRIu64 " ends in %c",
			  c->b_k, e->in_offset, size_of(e, c->b_k), flag);
	if (c->b_failure == FR_YES) {
		int n = snprintf(text, sizeof(text),
				 "MSRP %s 200 OK\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------%s$\r\n", c->tid,
				 c->from, e->self, c->tid);
		conn_control(c, (struct span){ text, (size_t)n });
	}
	if (full) {
		e->totals->messages_in++;
		e->in_k++;
		e->in_offset = 0;
		if (c->b_report)
			send_report(e, c);
	}
}
