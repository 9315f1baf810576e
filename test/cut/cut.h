/* SPDX-License-Identifier: MIT */
/*
 * What one run is: two peers, the server between them in virtual time, one thing that goes wrong at one exact place.
 * Nothing is drawn: a run is named by its parameters, so that a failure is simply run once more with its trace printed.
 */
#ifndef PARLEY_TEST_CUT_H
#define PARLEY_TEST_CUT_H

#include <setjmp.h>

#include "lib/puppet.h"
#include "lib/world_int.h"

enum { CLIENT, CF };
enum { MESSAGES = 4, CHUNKS = 5, SIZE_MOST = 64, CONNS = 12, SAID = 48, NEVER = 1u << 30 };
enum way { AGAIN, NEW_PATH, THEIRS }; /* how a cut leg comes back; THEIRS: the server connects again */
enum dir { TO_SERVER, TO_PEER };

struct plan {
	bool hop; /* msrp.acknowledge */
	enum way way;
	unsigned side; /* whose connection is cut, or who dies */
	enum dir dir;
	unsigned at; /* after so many bytes, or steps */
	bool cuts, kills;
	const char *method; /* of the modification during which a peer dies */
	unsigned by;        /* who modifies */
};

struct message {
	unsigned from; /* CLIENT or CF */
	unsigned size;
	bool success, slow; /* slow: its receiver takes its time to answer */
	bool told, report_seen,
		known; /* known: the server had it whole, the far side had not confirmed it, when its sender was cut off */
	uint8_t sent[SIZE_MOST];      /* how often its sender has sent this byte */
	bool got[SIZE_MOST];          /* the receiver has it */
	bool answered[SIZE_MOST];     /* and has said so */
	bool confirmed[SIZE_MOST];    /* and that has reached the server */
	uint8_t on[CONNS][SIZE_MOST]; /* how often it came on this connection */
};

struct chunk {
	unsigned msg, from, to;
	struct conn *conn; /* where it went last; NULL: not sent */
	size_t end;        /* in the bytes of that; 0: not all of it was written */
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

struct conn {
	struct peer *p;
	struct wconn *c; /* NULL: closed */
	bool first, ending, cut;
	char mine[256], far[256];
	size_t sent, got, delivered; /* delivered: of sent, what the server had taken when it was cut */
	char bind_tid[16];
	uint64_t bind_us; /* 0: answered */
	struct said said[SAID];
	unsigned n_said;
	char in[8192];
	size_t n_in;
};

struct peer {
	struct run *r;
	unsigned side;
	struct pup p;
	struct pup_dialog d;
	struct psdp before;
	bool over, dead, bound, talks;
	char mine[256], far[256];
	struct conn *conn; /* in force */
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
	unsigned steps;
	uint64_t cut_us, kill_us;
	size_t flowed[2][2]; /* on the first connection of each side, per direction */
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

/* media.c: MSRP */
void media_plan(struct run *r);
void media_commit(struct peer *p, struct span sdp, bool offerer);
void media_talk(struct peer *p); /* sends what has no answer and no connection to get it on */
void media_hooks(struct world_hooks *h);
void media_die(struct peer *p);
void media_check_end(struct run *r, bool strict);

#endif
