/* SPDX-License-Identifier: MIT */
/*
 * The storm: sessions at full speed while each of them is modified all the time, by either side.  What a side said last
 * and what was agreed are kept apart: a change is proposed, and becomes true for a side when its offer is answered or
 * its answer goes out; a refused one leaves no trace.
 */
#ifndef PARLEY_LOAD_STORM_H
#define PARLEY_LOAD_STORM_H

#include "base/rng.h"
#include "msrp.h"

enum {
	STORM_LINES = 4,
	STORM_URI = 128,
	STORM_LONG_S = 120 /* from here on a storm must have the strength, and the memory, of a steady one */
};

enum storm_op {
	OP_PATH,        /* the one who offers has a new path */
	OP_ANSWER_PATH, /* the one who answers has */
	OP_BOTH_PATHS,
	OP_HOLD, /* closes a direction, or both */
	OP_RESUME,
	OP_TYPES,        /* other accept-types */
	OP_SAME,         /* nothing new */
	OP_ADD,          /* a further line, chat or file */
	OP_REMOVE,       /* ends one that is idle */
	OP_REFUSED_FAR,  /* a new path; whoever answers says 488: all stays */
	OP_REFUSED_HERE, /* one that the server must refuse */
	OP_TLS,          /* TCP becomes TLS, or TLS TCP */
	OP_MEND,         /* after a cut: a new path for the side that was hit */
	OP_KINDS,
	OP_IDLE = OP_KINDS
};

struct storm_line {
	bool used, on; /* has a place in the description; has a port there */
	bool file, wide, remove_soon;
	uint8_t hold_soon; /* bit: that side is to fall silent, when what it began is known */
	bool may[2];       /* side s may send */
	bool tls[2];       /* the transport of each side */
	struct end end[2];
	char selector[96], transfer[40]; /* of a file */
	unsigned serial[2];              /* of the path, per side */
};

struct storm_change { /* what is being negotiated */
	enum storm_op op;
	unsigned by;      /* side that offers */
	unsigned line;    /* which line it is about */
	bool new_path[2]; /* of that line, per side */
	char self[2][STORM_URI];
	bool may[2], tls[2]; /* of that line */
	bool on, wide, answered, quiet;
	uint64_t began_ns;
};

struct storm_txn { /* a request of a side, or a final answer to an INVITE, until it is answered or acknowledged */
	char *bytes;
	size_t n, cap;
	uint32_t cseq;
	bool open, invite;
	unsigned tries;
	uint64_t resend_ns;
};

struct storm_side { /* a side's dialog */
	char call_id[128], remote_tag[128], target[256], routes[512];
	uint32_t cseq, seen_cseq, version;
	struct storm_txn asked, answered; /* its request; its 2xx or refusal of an INVITE */
	char *last;                       /* answer to the request seen last, to be repeated */
	size_t last_n;
	struct storm_ack {
		char *bytes;
		size_t n;
		uint32_t cseq;
	} ack[2]; /* of the last refusal; of the last 2xx, which is repeated however long ago */
};

struct storm;
struct storm_session {
	struct storm *s;
	unsigned i;
	struct storm_side side[2]; /* 0: the IM Client, 1: the controlling side */
	struct storm_line line[STORM_LINES];
	unsigned n_lines;
	struct storm_change change;
	bool up, over, far_listens;
	uint64_t next_ns, cut_ns;
	uint64_t busy_ns; /* since when the server says 491 or 500, and nobody knows why; 0: it does not */
	unsigned mend;    /* bit side + 2 * line: its connection was cut */
};

/* Whose transport changes: both sides' together, for the server offers the one what the other offered (msrp.transport
 * same), or the client's alone (core: tcp). */
enum storm_tls { STORM_TCP, STORM_TLS_CLIENT, STORM_TLS_BOTH };

struct storm_conf {
	struct sockaddr_storage to, local;
	char host[48];
	uint16_t far_port;
	unsigned sessions, seconds, rate,
		cuts; /* rate: per session and second; cuts: per session and minute */
	unsigned timeout_s, buffer;
	unsigned tls;     /* enum storm_tls */
	uint64_t memory;  /* bytes the server may have; 0: storm_judge.c reckons */
	uint64_t rss_max; /* per cent of what it was after the warm-up, plus 16 MiB */
	int pid;
	struct flow_conf flow;
};

struct storm {
	struct storm_conf conf;
	struct rng rng;
	struct storm_session *session;
	struct msrp_totals totals;
	struct udp *udp[2];
	uint32_t run;
	unsigned n_up, n_over;
	int epoll, listener;
	uint16_t port;
	unsigned serial;
	struct load_conn **conn;
	unsigned n_conn, conn_cap;
	uint64_t now, tick_ns;
	bool ending;
	uint64_t wrong, ops[OP_KINDS], resent, acked_again, busy, cuts, early_closed, conns_made, shaken,
		resumed;
	struct hist modify;
};

void storm_wrong(struct storm_session *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- storm_sip.c ---- */
void storm_invite(struct storm_session *x);
void storm_offer(struct storm_session *x, unsigned side, bool invite);
void storm_bye(struct storm_session *x);
void storm_sip_poll(struct storm *s); /* reads and answers all that is there */
void storm_sip_tick(struct storm *s); /* repeats what is late */
void storm_sip_finish(struct storm_session *x);
bool storm_sip_idle(const struct storm_session *x);

/* ---- storm_sdp.c ---- */
size_t storm_sdp(struct storm_session *x, unsigned side, bool answer, char *buf, size_t cap);
/* Side has received an answer, or an offer it accepts: what is agreed becomes true for it. */
void storm_take_sdp(struct storm_session *x, unsigned side, bool answer, struct span sdp);

/* ---- storm_media.c ---- */
void storm_listen(struct storm *s);
/* A quarter of the lines has TLS: a handshake costs as much as four changes. */
static inline bool storm_draw_tls(struct storm *s)
{
	return rng_below(&s->rng, 4) == 0;
}
void storm_new_path(struct storm_session *x, unsigned side, unsigned line, bool tls, char out[STORM_URI]);
void storm_connect(struct storm_session *x, struct gen *g, unsigned side);
void storm_serve(struct storm *s, int wait_ms);
void storm_kick(struct gen *g); /* something may be written */
void storm_cut(struct storm_session *x);
void storm_media_tick(struct storm *s);
void storm_media_finish(struct storm *s);

/* ---- storm_judge.c ---- */
struct storm_run {
	struct proc_tree dut;
	uint64_t start, said, next, rss, rss_warm, rss_peak;
	double changes; /* a second, of all sessions, while it lasted */
};
void storm_say(struct storm *s, const struct storm_run *r);
bool storm_judge(const struct storm *s, const struct storm_run *r, bool ok);

/* ---- storm_op.c ---- */
void storm_line_init(struct storm_session *x, unsigned line, bool file);
void storm_next(struct storm_session *x);                     /* begins a change, if one is due */
void storm_changed(struct storm_session *x, unsigned status); /* its offer has its final answer */
const char *storm_op_name(unsigned op);
void storm_only(void *u, const char *list); /* no other kinds of change than these, by commas */

#endif
