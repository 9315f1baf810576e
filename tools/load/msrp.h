/* SPDX-License-Identifier: MIT */
/*
 * Both ends of MSRP sessions through one device: messages of known bytes go in at one end, and whatever comes out at
 * the other, cut as the device likes, must be those bytes, once, in order.
 *
 * An end lives on one URI after the other: a generation is one of them, with the peer's URI and the connection.  A
 * message is begun on the present generation and finished there (RFC 4975 5.4).  Both ends are in this process, so the
 * receiver may look at what the sender knows; what is allowed to it when a connection was cut stands in msrp_recv.c.
 */
#ifndef PARLEY_LOAD_MSRP_H
#define PARLEY_LOAD_MSRP_H

#include "load.h"

enum {
	PATTERN_PERIOD = 1048573, /* prime, so that no chunk size divides it */
	MSRP_BUF = 256 * 1024,    /* read at once; heads, small messages and answers waiting to be written */
	MSRP_BUF_SMALL = 64 * 1024,
	MSRP_TID_MAX = 32,
	MSRP_URI_MAX = 256,
	FINGERPRINT_MAX = 128,
	WINDOW_MAX = 4096,
	MSRP_SIZES_MAX = 8,
	INTERLEAVE_MAX = 16,
	MESSAGES_OPEN_MAX = 1024, /* per end: begun and not over */
};

enum failure_report { FR_YES, FR_PARTIAL, FR_NO };

/* ---- flow.c: what each sending end does ---- */

struct flow_conf {
	uint64_t seed;
	uint64_t size[MSRP_SIZES_MAX], chunk[MSRP_SIZES_MAX]; /* message k has size[k % n_size] ... */
	unsigned n_size, n_chunk;                             /* 0: drawn, to 5 MiB */
	uint64_t
		total; /* bytes of content per session and direction, rounded up to whole messages; 0: no end */
	uint64_t rate;       /* messages a second; 0: as fast as they go */
	uint64_t under_way;  /* bytes of messages begun and not there, of all ends; 0: any (msrp_send.c) */
	unsigned window;     /* SENDs without their 200 at once */
	unsigned interleave; /* messages under way at once on a connection */
	bool interrupt;      /* a chunk ends early, with '+', when answers wait to be written */
	bool hop;            /* the device answers for itself, not for the far side */
	bool success_report, all_modes; /* all_modes: drawn for each message */
	enum failure_report failure_report;
};

struct flow_message {
	uint64_t size, chunk; /* chunk: bytes per SEND; 0: the whole message */
	bool success;
	enum failure_report failure;
};

struct flow_message flow_message(const struct flow_conf *c, uint32_t flow, uint64_t k);
/* How many messages that makes, and how many bytes. */
uint64_t flow_plan(const struct flow_conf *c, uint32_t flow, uint64_t *total);
uint64_t flow_hash(uint64_t a, uint64_t b, uint64_t c);

/* ---- pattern.c: the bytes of message k, by offset ---- */
void pattern_init(void);
/* Up to n bytes of message k of flow f at offset: as many as lie together in memory. */
struct span pattern_at(uint32_t f, uint64_t k, uint64_t offset, size_t n);
/* How many bytes of in are those of the message from offset on. */
size_t pattern_match(uint32_t f, uint64_t k, uint64_t offset, struct span in);

/* ---- one end of a session ---- */
struct end;
struct load_conn;

/* Only where a connection was cut, and only for what was under way then (msrp_recv.c). */
enum lost {
	LOST_TOLD, /* the device said so: a response other than 200, or a REPORT */
	LOST_OWN,  /* the sender's own connection was cut, which it sees, and it had asked for no 200 */
	LOST_MUTE, /* the receiver's was, and the sender had asked for no word at all (Failure-Report: no) */
	LOST_KINDS
};

struct msrp_totals {
	uint64_t begun;                            /* messages */
	uint64_t sends, messages, bytes;           /* written, complete with their end-line */
	uint64_t chunks_in, messages_in, bytes_in; /* received and checked */
	uint64_t answers, reports;                 /* 200s and success REPORTs received */
	uint64_t wrong;
	uint64_t interrupted; /* chunks that ended early */
	uint64_t under_way;   /* bytes of messages begun, and neither there nor given up */
	/* only where connections were cut (msrp_recv.c) */
	uint64_t resent, again; /* bytes written again; received again */
	uint64_t lost
		[LOST_KINDS]; /* messages begun that never were whole at the other end, by how that is known */
	uint64_t told_there;  /* messages whose sender was told of a failure, and that were there */
	uint64_t twice;       /* messages whole once more, under the same Message-ID */
	uint64_t reports_cut;         /* REPORTs that went down with a connection */
	uint64_t doubted;             /* SENDs of "partial" whose arrival the device doubts */
	struct hist delivery, answer; /* first byte begun to last byte there; SEND written to its 200 */
};

struct gen { /* one MSRP session of an end */
	struct gen *next;
	unsigned id; /* of its end */
	struct end *end;
	struct load_conn *conn; /* NULL: not connected yet, or not any more */
	char self[MSRP_URI_MAX], peer[MSRP_URI_MAX];
	bool tls;
	char fingerprint[FINGERPRINT_MAX]; /* of the peer's SDP; empty: any */
	bool active;                       /* makes the connection */
	bool bound;                        /* something came in on conn, or went out first */
	bool heard;                        /* something came in on it */
	uint64_t over_ns;                  /* since when it is not the present one; 0: it is */
	unsigned unfinished;               /* messages begun here and not over */

	uint64_t open[INTERLEAVE_MAX]; /* messages with bytes not yet in chunks */
	unsigned n_open, turn;
	uint64_t body_k, body_seq, body_off, body_left, body_n; /* the chunk being written from the pattern */
};

struct out_msg { /* a message begun */
	uint64_t k, size, chunk, began_ns;
	uint64_t offset; /* bytes in chunks begun */
	struct gen *gen; /* NULL: it is over */
	unsigned gen_id; /* of the generation it was begun on */
	unsigned unanswered;
	bool success, reported;
	bool written;  /* its last chunk is, as far as is known */
	bool cut;      /* it was under way when a connection was cut */
	bool own_cut;  /* and that was its sender's */
	bool homeless; /* its generation was cut, and bytes of it must go out (again) */
	bool over;
	bool given_up;     /* told that it failed, or nobody can tell */
	bool under_way;    /* neither there nor given up */
	bool lost;         /* counted as such */
	enum lost why;     /* given_up: how its sender knows */
	uint64_t quiet_ns; /* when something last happened to it */
	enum failure_report failure;
};

struct out_send { /* a SEND, by the number in its transaction id */
	uint64_t k, start, n, written_ns;
	struct gen *gen;
	enum failure_report failure;
	bool open; /* waits for its 200 */
};

struct in_msg {
	uint64_t k, offset; /* offset: the next byte expected */
	bool known, complete;
	const struct load_conn *conn; /* on which it began */
	unsigned gen_id;              /* of its generation */
};

struct end {
	uint32_t flow; /* names the bytes this end sends; the other end expects flow ^ 1 */
	char name[48]; /* for complaints */
	const struct flow_conf *conf;
	struct msrp_totals *totals;
	struct end *other;
	struct gen *gen;    /* the present one; those before hang on its next */
	bool sends, paused; /* has content to send; does not read */
	bool stop, held;    /* begins no more messages at all; for now */
	bool outage;        /* a connection of its was cut, and the session is not yet mended */
	uint64_t cut_ns;    /* when one of either end was, last; 0: never */

	/* sending */
	uint64_t n_messages, total;         /* of all there are to send */
	uint64_t k, k_base;                 /* the next message to begin; the first that is not over */
	struct out_msg *out;                /* ring over k */
	uint64_t seq, tid_base, unanswered; /* SENDs begun; oldest still of interest; without 200 */
	struct out_send *send;              /* ring over seq */
	unsigned n_homeless;
	uint64_t first_ns, reports_wanted;
	uint32_t ring, send_ring; /* sizes, powers of two */

	/* receiving */
	uint64_t in_base, in_top; /* the first message that is not complete; above the last one begun */
	struct in_msg *in;
};

bool end_send_done(const struct end *e);    /* all written and, where due, answered and reported */
bool end_receive_done(const struct end *e); /* every message of the other is in, or known to be lost */
void end_wrong(struct end *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- msrp_end.c: the two ends of one line ---- */
/* conf, totals and names are set; plans and makes room.  Dies when memory is out. */
void end_pair(struct end *a, struct end *b);
void end_finish(struct end *e); /* frees what it owns; its connections are not its own */
struct gen *gen_create(struct end *e, const char *self); /* becomes the present one */
/* Frees old generations without a connection and without anything unfinished. */
void end_reap(struct end *e);
/* The connection of g was cut: all that was under way on this line may have been hit. */
void gen_cut(struct gen *g, uint64_t now);
/* Finishes messages of which, after a cut, nothing more can be expected. */
void end_give_up(struct end *e, uint64_t now, uint64_t patience_ns);

/* ---- msrp_conn.c ---- */
struct load_conn {
	int fd;
	bool connecting, closed, want_write;
	bool unknown;         /* accepted, and not yet seen whether it is TLS */
	bool shaking;         /* in the TLS handshake */
	struct tls_link *tls; /* NULL: TCP */
	char words[200];      /* for why */
	bool fault;           /* closed for what was read on it */
	const char *why;
	struct gen *gen; /* NULL: accepted, not spoken yet */
	void *owner;
	size_t cap;
	char *rbuf;
	size_t r_at, r_n; /* read position, end of data */
	char *out;        /* cap 2 * cap */
	size_t o_at, o_n;
	char *ctl; /* answers that arose while a body is on its way; cap cap */
	size_t c_n;
	/* the request being read */
	bool in_body;
	char tid[MSRP_TID_MAX + 1];
	char from[MSRP_URI_MAX];
	uint64_t b_k, b_start, b_total, b_got;
	bool b_report;
	enum failure_report b_failure;
};

typedef struct gen *conn_bind_fn(void *u, struct load_conn *c, struct span to_path);
struct load_conn *conn_create(int fd, struct gen *g, size_t buffer); /* dies when memory is out */
void conn_destroy(struct load_conn *c);                              /* closes it too */
/* Reads until nothing is left; checks; answers. */
void conn_readable(struct load_conn *c, conn_bind_fn *bind, void *u);
/* Writes what there is to write, new messages too, until the socket is full. */
void conn_writable(struct load_conn *c);
/* A request without a body, as the active side owes one (RFC 4975 5.4). */
void conn_hello(struct load_conn *c);
/* Bytes that go into the connection's answers. */
void conn_control(struct load_conn *c, struct span bytes);
void conn_fail(struct load_conn *c, const char *why);

/* ---- msrp_tls.c ---- */
struct iovec;
const char *load_fingerprint(void); /* of our certificate, as a=fingerprint has it */
/* Its peer's URI is known: what its connection has to be. */
void gen_set_tls(struct gen *g, struct span fingerprint);
void conn_tls_call(struct load_conn *c); /* it is connected, and is to be TLS */
/* Of one that was accepted: false: nothing came yet. */
bool conn_tls_look(struct load_conn *c);
bool conn_tls_shake(struct load_conn *c); /* true: done */
/* Is it TLS as g is, with the certificate that g's SDP named? */
bool conn_tls_fits(const struct load_conn *c, const struct gen *g);
ssize_t conn_recv(struct load_conn *c, void *p, size_t n); /* as recv() */
ssize_t conn_send(struct load_conn *c, const struct iovec *iov, int n);
/* Moves of the body under way what makes a full record. */
void conn_tls_fill(struct load_conn *c, uint64_t now);
bool conn_has_more(const struct load_conn *c); /* although the socket may not say so */
bool conn_tls_resumed(const struct load_conn *c);
void conn_tls_end(struct load_conn *c);

/* ---- msrp_send.c ---- */
/* Writes messages to the connection of g until it is full, the window is, or there is no more. */
void end_fill(struct gen *g, uint64_t now);
void end_forget_answered(struct end *e);         /* moves tid_base past what has its answer, or gets none */
void end_body_done(struct gen *g, uint64_t now); /* the body from the pattern is written */
void end_on_answer(struct end *e, struct load_conn *c, struct span tid, unsigned status);
void end_on_report(struct end *e, struct span message_id, struct span range, struct span status);
void out_settle(struct end *e, struct out_msg *m); /* something of it ended: is it over? */
void out_give_up(struct end *e, struct out_msg *m, enum lost why);
void out_landed(struct end *e, struct out_msg *m); /* it is there, or nobody waits for it */
static inline struct out_msg *end_out(const struct end *e, uint64_t k)
{
	return &e->out[k & (e->ring - 1)];
}

/* ---- msrp_recv.c ---- */
bool end_on_send(struct end *e, struct load_conn *c, struct span message_id, struct span range);
/* Past what is whole, and what is known to be lost. */
void end_in_advance(struct end *e);
/* Is message k of the other end whole here? */
bool end_has(const struct end *e, uint64_t k);
void end_on_send_end(struct end *e, struct load_conn *c, char flag);
static inline struct in_msg *end_in(const struct end *e, uint64_t k)
{
	return &e->in[k & (e->other->ring - 1)];
}

#endif
