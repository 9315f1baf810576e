/* SPDX-License-Identifier: MIT */
/*
 * Both ends of MSRP sessions through one device: messages of known bytes go in at the client's end, and whatever
 * comes out at the far end, cut as the device likes, must be those bytes, once, in order.
 */
#ifndef PARLEY_LOAD_MSRP_H
#define PARLEY_LOAD_MSRP_H

#include "load.h"

enum {
	PATTERN_PERIOD = 1048573, /* prime, so that no chunk size divides it */
	MSRP_RBUF = 256 * 1024,
	MSRP_OUT = 256 * 1024, /* heads, small messages and answers waiting to be written */
	MSRP_TID_MAX = 32,
	MSRP_URI_MAX = 256,
	WINDOW_MAX = 4096,
	MSRP_SIZES_MAX = 8,
};

enum failure_report { FR_YES, FR_PARTIAL, FR_NO };

struct flow_conf { /* what each sending end does */
	uint64_t size[MSRP_SIZES_MAX];
	unsigned n_size;     /* message k has size[k % n_size] */
	uint64_t total;      /* bytes of content per session and direction, rounded up to whole messages */
	uint64_t n_messages; /* what that makes */
	uint64_t chunk;      /* bytes of content per SEND; 0: the whole message */
	unsigned window;     /* SENDs without their 200 at once */
	bool success_report;
	enum failure_report failure_report;
};

/* ---- pattern.c: the bytes of message k, by offset ---- */
void pattern_init(void);
/* Up to n bytes of message k of flow f at offset: as many as lie together in memory. */
struct span pattern_at(uint32_t f, uint64_t k, uint64_t offset, size_t n);
/* How many bytes of in are those of the message from offset on. */
size_t pattern_match(uint32_t f, uint64_t k, uint64_t offset, struct span in);

/* ---- one end of a session ---- */
struct end;
struct load_conn;

struct msrp_totals {
	uint64_t sends, messages, bytes;           /* written, complete with their end-line */
	uint64_t chunks_in, messages_in, bytes_in; /* received and checked */
	uint64_t answers, reports;                 /* 200s and success REPORTs received */
	uint64_t wrong;
};

struct end {
	uint32_t flow; /* names the bytes this end sends; the other end expects flow ^ 1 */
	char name[32]; /* for complaints */
	char self[MSRP_URI_MAX], peer[MSRP_URI_MAX];
	const struct flow_conf *conf;
	struct msrp_totals *totals;
	struct load_conn *conn;      /* NULL: not connected yet */
	bool active, sends, expects; /* makes the connection; has content to send; to receive */
	bool bound;                  /* something came in on conn, or went out first */
	bool paused;                 /* does not read */

	/* sending */
	uint64_t k, offset, sent_bytes;       /* message under way and how much of it is in chunks begun */
	uint64_t seq, unanswered;             /* SENDs begun; without 200 */
	uint64_t tid_base;                    /* oldest SEND without 200 */
	uint8_t answered[WINDOW_MAX];         /* ring over seq */
	uint64_t body_off, body_left, body_k; /* body being written straight from the pattern */
	uint64_t reports_wanted;              /* messages begun that want a REPORT, none yet */

	/* receiving */
	uint64_t in_k, in_offset; /* the next byte expected */
};

bool end_send_done(const struct end *e);    /* all written and, where due, answered and reported */
bool end_receive_done(const struct end *e); /* every byte of the other's total is in */
void flow_plan(struct flow_conf *c);        /* n_messages and the rounded total from size and total */

/* ---- msrp_conn.c ---- */
struct load_conn {
	int fd;
	bool connecting, closed, want_write;
	struct end *end; /* NULL: accepted, not spoken yet */
	char *rbuf;
	size_t r_at, r_n; /* read position, end of data */
	char *out;
	size_t o_at, o_n;
	char *ctl; /* answers that arose while a body is on its way; cap MSRP_OUT */
	size_t c_n;
	/* the request being read */
	bool in_body;
	char tid[MSRP_TID_MAX + 1];
	char from[MSRP_URI_MAX];
	uint64_t b_k, b_start, b_total, b_got;
	bool b_report;
	enum failure_report b_failure;
};

typedef struct end *conn_bind_fn(void *u, struct load_conn *c, struct span to_path);
struct load_conn *conn_create(int fd, struct end *e); /* dies when memory is out */
void conn_destroy(struct load_conn *c);
/* Reads until nothing is left; checks; answers. */
void conn_readable(struct load_conn *c, conn_bind_fn *bind, void *u);
/* Writes what there is to write, new messages too, until the socket is full. */
void conn_writable(struct load_conn *c);
/* A request without a body, as the active side owes one (RFC 4975 5.4). */
void conn_hello(struct load_conn *c);

/* ---- msrp_end.c ---- */
void end_wrong(struct end *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Writes messages to c->out until it is full, the window is, or there is no more. */
void end_fill(struct end *e, struct load_conn *c);
void end_body_done(struct end *e, struct load_conn *c); /* the body from the pattern is written */
/* Bytes that go into the connection's answers. */
void conn_control(struct load_conn *c, struct span bytes);
void end_on_answer(struct end *e, struct span tid, unsigned status);
void end_on_report(struct end *e, struct span message_id, struct span range, struct span status);
bool end_on_send(struct end *e, struct load_conn *c, struct span message_id, struct span range);
void end_on_send_end(struct end *e, struct load_conn *c, char flag);

#endif
