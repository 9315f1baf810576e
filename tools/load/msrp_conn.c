/* SPDX-License-Identifier: MIT */
/*
 * One MSRP connection of the generator.  Reading finds the end of a body by comparing it with what it must be: where
 * the bytes stop being the message's, the end-line has to stand.  One pass does for framing and for checking, and
 * it shares no idea with the framer under test.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "msrp.h"

enum { ENDLINE_MAX = 2 + 7 + MSRP_TID_MAX + 1 + 2, CHUNK_LEAST = 2048 };

struct load_conn *conn_create(int fd, struct gen *g, size_t buffer)
{
	struct load_conn *c = calloc(1, sizeof(*c));
	if (!c || !(c->rbuf = malloc(buffer)) || !(c->out = malloc(2 * buffer)) || !(c->ctl = malloc(buffer)))
		load_die("out of memory");
	c->cap = buffer;
	c->fd = fd;
	c->gen = g;
	c->unknown = !g;
	if (g)
		g->conn = c;
	return c;
}

void conn_destroy(struct load_conn *c)
{
	if (!c)
		return;
	if (c->fd >= 0)
		close(c->fd);
	if (c->gen)
		c->gen->conn = NULL;
	conn_tls_end(c);
	free(c->rbuf);
	free(c->out);
	free(c->ctl);
	free(c);
}

/* Gone; whoever owns it decides what that means. */
static void gone(struct load_conn *c, const char *why)
{
	c->closed = true;
	c->why = why;
}

/* What came on it cannot be. */
void conn_fail(struct load_conn *c, const char *why)
{
	c->fault = true;
	gone(c, why);
}

/* ---- writing ---- */

void conn_control(struct load_conn *c, struct span bytes)
{
	bool mid_body = c->gen && c->gen->body_left;
	char *at = mid_body ? c->ctl + c->c_n : c->out + c->o_n;
	/* Whoever lets us wait this long does not read answers. */
	if (bytes.n > (mid_body ? c->cap - c->c_n : 2 * c->cap - c->o_n)) {
		conn_fail(c, "a whole buffer of answers waits: the device stopped reading them");
		return;
	}
	memcpy(at, bytes.p, bytes.n);
	*(mid_body ? &c->c_n : &c->o_n) += bytes.n;
}

void conn_hello(struct load_conn *c)
{
	char text[1024];
	int n = snprintf(text, sizeof(text),
			 "MSRP hello SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: hello.%x\r\n"
			 "Byte-Range: 1-0/0\r\n-------hello$\r\n",
			 c->gen->peer, c->gen->self, c->gen->end->flow);
	conn_control(c, (struct span){ text, (size_t)n });
}

/* One writev of what waits, and of the body behind it; false: the socket is full, or nothing to write. */
static bool write_some(struct load_conn *c, uint64_t now)
{
	struct gen *g = c->gen;
	struct iovec iov[3];
	int n_iov = 0;
	if (c->tls)
		conn_tls_fill(c, now);
	size_t waiting = c->o_n - c->o_at;
	if (waiting)
		iov[n_iov++] = (struct iovec){ c->out + c->o_at, waiting };
	for (uint64_t k = 0; g && !c->tls && k < g->body_left && n_iov < 3;) {
		struct span s =
			pattern_at(g->end->flow, g->body_k, g->body_off + k, (size_t)(g->body_left - k));
		iov[n_iov++] = (struct iovec){ (char *)s.p, s.n };
		k += s.n;
	}
	if (n_iov == 0)
		return false;
	ssize_t n = conn_send(c, iov, n_iov);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			gone(c, strerror(errno));
		c->want_write = errno == EAGAIN;
		return errno == EINTR;
	}
	size_t head = (size_t)n < waiting ? (size_t)n : waiting, body = (size_t)n - head;
	c->o_at += head;
	if (c->o_at == c->o_n)
		c->o_at = c->o_n = 0;
	if (g && body) {
		g->body_off += body;
		g->body_left -= body;
		if (g->body_left == 0)
			end_body_done(g, now);
	}
	return true;
}

/* Answers wait behind a long body: it may be cut short for them, when enough of it is out (RFC 4975 7.1.1). */
static void interrupt(struct load_conn *c, uint64_t now)
{
	struct gen *g = c->gen;
	if (c->c_n && g->end->conf->interrupt && g->body_left && c->o_n == c->o_at &&
	    g->body_n - g->body_left > CHUNK_LEAST)
		end_body_done(g, now);
}

void conn_writable(struct load_conn *c)
{
	uint64_t now = now_ns();
	if (c->unknown || c->shaking)
		return;
	c->want_write = false;
	/* Room for the end of a message under way is always kept: end_fill() stops far below the end. */
	do {
		if (c->o_at && c->o_n > c->cap) {
			memmove(c->out, c->out + c->o_at, c->o_n - c->o_at);
			c->o_n -= c->o_at;
			c->o_at = 0;
		}
		if (c->gen && c->gen->bound) {
			interrupt(c, now);
			end_fill(c->gen, now);
		}
	} while (!c->closed && write_some(c, now));
}

/* ---- reading ---- */

struct head {
	struct span tid, method, to, from, id, range, status;
	bool report, body;
	enum failure_report failure;
	char flag;
};

static void take_header(struct head *h, struct span line)
{
	size_t colon = span_chr(line, ':');
	struct span name = span_cut(line, 0, colon), value = span_trim(span_skip(line, colon + 1));
	if (span_ieq(name, SPAN("To-Path")))
		h->to = value;
	else if (span_ieq(name, SPAN("From-Path")))
		h->from = value;
	else if (span_ieq(name, SPAN("Message-ID")))
		h->id = value;
	else if (span_ieq(name, SPAN("Byte-Range")))
		h->range = value;
	else if (span_ieq(name, SPAN("Status")))
		h->status = value;
	else if (span_ieq(name, SPAN("Success-Report")))
		h->report = span_ieq(value, SPAN("yes"));
	else if (span_ieq(name, SPAN("Failure-Report")))
		h->failure = span_ieq(value, SPAN("no"))        ? FR_NO
			     : span_ieq(value, SPAN("partial")) ? FR_PARTIAL
								: FR_YES;
}

/* Start line and headers; up to the body, or with the end-line when there is none.  How long; 0: not all here;
 * -1: broken. */
static ssize_t read_head(struct head *h, struct span in)
{
	struct span rest = in;
	*h = (struct head){ 0 };
	for (bool first = true;; first = false) {
		size_t lf = span_chr(rest, '\n');
		if (lf == SPAN_NONE)
			return in.n > 16384 ? -1 : 0;
		struct span line = span_trim(span_cut(rest, 0, lf));
		rest = span_skip(rest, lf + 1);
		if (first) {
			if (!span_starts(line, SPAN("MSRP ")))
				return -1;
			line = span_skip(line, 5);
			h->tid = span_split(&line, ' ');
			h->method = span_split(&line, ' ');
			if (h->tid.n < 4 || h->tid.n > MSRP_TID_MAX)
				return -1;
		} else if (line.n == 0) {
			h->body = true;
			return rest.p - in.p;
		} else if (span_starts(line, SPAN("-------"))) {
			struct span tid = span_cut(line, 7, line.n - 1);
			h->flag = line.p[line.n - 1];
			return span_eq(tid, h->tid) ? rest.p - in.p : -1;
		} else {
			take_header(h, line);
		}
	}
}

/* Of a path the first URI: who sent us this, and whom an answer goes to (RFC 4975 7.2). */
static struct span first_uri(struct span path)
{
	return span_cut(path, 0, span_chr(path, ' '));
}

static void copy(char *to, size_t cap, struct span s)
{
	snprintf(to, cap, "%" SPAN_FMT, SPAN_ARG(s));
}

/* A SEND without content binds the connection, or keeps it alive. */
static void on_empty_send(struct load_conn *c, const struct head *h)
{
	char text[1024];
	if (h->failure != FR_YES)
		return;
	int n = snprintf(text, sizeof(text),
			 "MSRP %" SPAN_FMT " 200 OK\r\nTo-Path: %" SPAN_FMT
			 "\r\nFrom-Path: %s\r\n-------%" SPAN_FMT "$\r\n",
			 SPAN_ARG(h->tid), SPAN_ARG(first_uri(h->from)), c->gen->self, SPAN_ARG(h->tid));
	conn_control(c, (struct span){ text, (size_t)n });
}

static void on_head(struct load_conn *c, const struct head *h, conn_bind_fn *bind, void *u)
{
	if (!c->gen && (c->gen = bind(u, c, h->to)) == NULL) {
		conn_fail(c, "its To-Path is not ours");
		return;
	}
	struct gen *g = c->gen;
	struct end *e = g->end;
	if (!g->bound && !conn_tls_fits(c, g)) {
		conn_fail(c, "its transport or certificate is not the one in its SDP");
		return;
	}
	bool status = h->method.n == 3 && h->method.p[0] >= '0' && h->method.p[0] <= '9';
	struct span peer = span_of(g->peer);
	g->bound = g->heard = true;
	if (status)
		peer = first_uri(peer);
	if (!span_eq(h->to, span_of(g->self)) || !span_eq(h->from, peer)) {
		end_wrong(e,
			  "%" SPAN_FMT " to %" SPAN_FMT " from %" SPAN_FMT
			  "; negotiated: to %s from %s; now to %s from %s",
			  SPAN_ARG(h->method), SPAN_ARG(h->to), SPAN_ARG(h->from), g->self, g->peer,
			  e->gen->self, e->gen->peer);
		conn_fail(c, "To-Path or From-Path is not as negotiated");
	} else if (status) {
		end_on_answer(e, c, h->tid, (unsigned)atoi(h->method.p));
	} else if (span_eq(h->method, SPAN("REPORT"))) {
		end_on_report(e, h->id, h->range, h->status);
	} else if (!span_eq(h->method, SPAN("SEND"))) {
		conn_fail(c, "neither SEND nor REPORT");
	} else if (!h->body) {
		on_empty_send(c, h);
	} else {
		copy(c->tid, sizeof(c->tid), h->tid);
		copy(c->from, sizeof(c->from), h->from);
		c->b_report = h->report;
		c->b_failure = h->failure;
		c->in_body = true;
		if (!end_on_send(e, c, h->id, h->range))
			conn_fail(c, "what follows could not be judged");
	}
}

/* Consumes body bytes; true when the end-line is through. */
static bool read_body(struct load_conn *c, struct span in)
{
	struct end *e = c->gen->end;
	char mark[ENDLINE_MAX];
	size_t n_mark = (size_t)snprintf(mark, sizeof(mark), "\r\n-------%s", c->tid);
	size_t same = pattern_match(e->flow ^ 1, c->b_k, c->b_start - 1 + c->b_got, in);
	if (same == in.n) {
		/* All as expected; but its tail may be the beginning of the end-line by chance. */
		size_t safe = in.n > ENDLINE_MAX ? in.n - ENDLINE_MAX : 0;
		c->b_got += safe;
		c->r_at += safe;
		return false;
	}
	/* What lies before the place where the end-line can begin is the message's, and done with. */
	size_t from = same > n_mark ? same - n_mark : 0, to = same - from + n_mark + 3;
	c->b_got += from;
	c->r_at += from;
	in = span_skip(in, from);
	struct span near = span_cut(in, 0, to);
	const char *at = memmem(near.p, near.n, mark, n_mark);
	if (!at) {
		if (in.n < to) /* perhaps not all of it is here */
			return false;
		end_wrong(e, "message %" PRIu64 ": wrong byte at offset %" PRIu64, c->b_k,
			  c->b_start - 1 + c->b_got + same - from);
		conn_fail(c, "wrong bytes");
		return false;
	}
	size_t body = (size_t)(at - in.p);
	if (in.n < body + n_mark + 3)
		return false;
	c->b_got += body;
	c->r_at += body + n_mark + 3;
	c->in_body = false;
	end_on_send_end(e, c, at[n_mark]);
	return true;
}

static void parse(struct load_conn *c, conn_bind_fn *bind, void *u)
{
	while (!c->closed && c->r_at < c->r_n && !(c->gen && c->gen->end->paused)) {
		struct span in = { c->rbuf + c->r_at, c->r_n - c->r_at };
		struct head h;
		if (c->gen && c->in_body) {
			if (!read_body(c, in))
				break;
			continue;
		}
		ssize_t n = read_head(&h, in);
		if (n == 0)
			break;
		if (n < 0) {
			conn_fail(c, "cannot be read as MSRP");
			break;
		}
		c->r_at += (size_t)n;
		on_head(c, &h, bind, u);
	}
	memmove(c->rbuf, c->rbuf + c->r_at, c->r_n - c->r_at);
	c->r_n -= c->r_at;
	c->r_at = 0;
}

void conn_readable(struct load_conn *c, conn_bind_fn *bind, void *u)
{
	if ((c->unknown && !conn_tls_look(c)) || (c->shaking && !conn_tls_shake(c)))
		return;
	parse(c, bind, u); /* what a pause left */
	/* A few rounds only: the other connections want their turn.  Of TLS all that is already here. */
	for (int round = 0; (round < 4 || conn_has_more(c)) && !c->closed && !(c->gen && c->gen->end->paused);
	     round++) {
		ssize_t n = conn_recv(c, c->rbuf + c->r_n, c->cap - c->r_n);
		if (n == 0) {
			gone(c, "the device closed the connection");
			return;
		}
		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR)
				gone(c, strerror(errno));
			return;
		}
		c->r_n += (size_t)n;
		parse(c, bind, u);
		if ((size_t)n < c->cap / 2 && !c->tls)
			return;
	}
}
