/* SPDX-License-Identifier: MIT */
/*
 * What one run is: two peers, the server between them in virtual time, one or two things that go wrong at exact places.
 * Nothing is drawn: a run is named by its parameters, so that a failure is simply run once more with its trace printed.
 */
#ifndef PARLEY_TEST_CUT_H
#define PARLEY_TEST_CUT_H

#include <setjmp.h>

#include "lib/puppet.h"
#include "lib/world_int.h"

enum { CLIENT, CF };
enum { MESSAGES = 5, CHUNKS = 8, SIZE_MOST = 64, CONNS = 16, SAID = 64, LINES = 3, NEVER = 1u << 30 };
enum {
	CHAT,
	FILE_LINE,
	REST_LINE
}; /* the m= lines: what is left of a file goes on a line of its own (RFC 5547 8.6) */
enum { FILE_MSG = 3, REST_MSG };
enum kind {
	CUTS,    /* connections are cut after so many bytes */
	KILLS,   /* a peer dies after so many steps of a modification */
	CHANGES, /* its connection is cut then */
};
enum way { AGAIN, NEW_PATH, THEIRS }; /* how a cut leg comes back; THEIRS: the server connects again */
enum failure { ALWAYS, PARTIAL, NO, N_FAILURE }; /* Failure-Report */
enum dir { TO_SERVER, TO_PEER };

struct cut { /* of the nth connection of a side, from 0, after so many bytes */
	unsigned side;
	enum dir dir;
	unsigned nth, at;
};

struct plan {
	enum kind kind;
	bool hop; /* msrp.acknowledge */
	enum way way;
	enum failure failure; /* of all messages */
	bool success;         /* all want a REPORT */
	bool file, keep_none; /* a file beside the chat; msrp.resend_max is 0 */
	enum plane_tp tp[2];
	struct cut cut[2];
	unsigned n_cuts;
	unsigned side, at;  /* KILLS, CHANGES: who, after how many steps */
	bool all;           /* CHANGES: all its connections, not the one in force */
	const char *method; /* of the modification */
	unsigned by;        /* who modifies */
};

struct message {
	unsigned from; /* CLIENT or CF */
	unsigned size, line;
	unsigned base;      /* how many bytes of the file come before its first */
	bool success, slow; /* slow: its receiver takes its time to answer */
	bool told, report_seen;
	bool known; /* the server had it whole, the far side had not confirmed it, when its sender was cut off */
	bool under_way;               /* the server had some of it when its receiver was cut off */
	uint8_t sent[SIZE_MOST];      /* how often its sender has sent this byte */
	uint8_t times[SIZE_MOST];     /* how often it came */
	uint8_t most[SIZE_MOST];      /* how often it may come, once it is known */
	bool got[SIZE_MOST];          /* the receiver has it */
	bool answered[SIZE_MOST];     /* and has said so */
	bool confirmed[SIZE_MOST];    /* and that has reached the server */
	uint8_t on[CONNS][SIZE_MOST]; /* how often it came on this connection */
};

struct chunk {
	unsigned msg, from, to; /* to: 0, there is none */
	struct conn *conn;      /* where it went last; NULL: not sent */
	size_t begin, end;      /* in the bytes of that; end 0: not all of it was written */
	uint64_t at_us;
	char tid[16];
	unsigned code; /* 0: no answer yet */
};

struct said { /* a 200 or a REPORT of a receiver */
	bool report;
	unsigned msg, from, to;
	size_t end; /* in the bytes of its connection */
	uint64_t at_us;
};

struct binding { /* a line on a connection */
	char mine[256], far[256], tid[16];
	uint64_t us; /* when it was asked for; 0: answered */
};

struct conn {
	struct peer *p;
	struct wconn *c; /* NULL: closed */
	unsigned nth;
	bool ending, cut;
	size_t sent, got, delivered; /* delivered: of sent, what the server had taken when it was cut */
	struct binding bind[LINES];
	struct said said[SAID];
	unsigned n_said;
	char in[8192];
	size_t n_in;
};

struct mline { /* as agreed */
	bool on, bound;
	char mine[256], far[256];
};

struct peer {
	struct run *r;
	unsigned side;
	struct pup p;
	struct pup_dialog d;
	struct psdp before;
	bool over, dead, talks, active,
		open; /* active: it connects; open: a re-INVITE or UPDATE of its own has no answer */
	struct mline line[LINES];
	struct conn *conn; /* in force, for all lines */
	struct conn conns[CONNS];
	unsigned n_conns, n_tids;
};

struct run {
	struct world w;
	struct plan plan;
	struct peer peer[2];
	struct message msg[MESSAGES];
	struct chunk chunk[CHUNKS];
	bool verbose, counting, bye;
	bool resumed; /* what is left of the file goes another way */
	unsigned steps;
	uint64_t cut_us[2], kill_us; /* cut_us: the last one of a side */
	size_t flowed[2][2][2];      /* on the first two connections of each side, per direction */
	char why[300];
	jmp_buf failed;
};

/* cut.c */
void run_say(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void run_fail(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void run_step(struct run *r); /* something has just happened */

/* peer.c: SIP */
void peer_init(struct run *r, unsigned side, const char *setup);
void peer_request(struct peer *p, const char *method, const char *sdp);
void peer_sip_out(void *u, const struct sip_dest *to, struct span bytes, uint64_t token);

/* media.c: connections, and what is sent */
void media_plan(struct run *r);
char media_byte(const struct message *m, unsigned msg, unsigned at); /* from 1 */
void media_commit(struct peer *p, struct span sdp, bool offerer);
void media_talk(struct peer *p); /* sends what has no answer and no connection to get it on */
bool media_put(struct conn *c, struct span s);
void media_tid(struct peer *p, char tid[16]);
bool media_is_cut_here(const struct conn *c, enum dir dir, unsigned *at);
void media_hooks(struct world_hooks *h);
void media_cut_at(struct conn *c, uint64_t at_us);
void media_break(struct peer *p, bool all); /* CHANGES */
void media_die(struct peer *p);
void media_resume(struct peer *p, uint64_t wait_us); /* what is left of the file, which broke off */
void media_refused(struct peer *p);                  /* its offer was */

/* got.c: what arrives */
size_t got_bytes(void *u, struct wconn *wc, void *peer, struct span s);

/* reckon.c */
void reckon_cut(struct conn *c); /* it is cut: what can the server know? */
void reckon_end(struct run *r, bool strict);

#endif
