/* SPDX-License-Identifier: MIT */
/* One ladder being played: the world, its peers, what is expected and what was sent. */
#ifndef PARLEY_LADDER_RUN_H
#define PARLEY_LADDER_RUN_H

#include "lib/lint.h"
#include "lib/puppet.h"
#include "lib/world_int.h"
#include "modes.h"
#include "pattern.h"
#include "script.h"

enum { CONN_OF_PEER = 100 }; /* the connection a peer's requests come over, and its index */
enum { PEERS = 3, DIALOGS = 16, MCONNS = 24, RECEIVED = 64, ROWS_MAX = 4000, LOG_KEPT = 40 };

struct mconn { /* one MSRP connection of a peer */
	char name[16];
	struct peer *peer;
	struct wconn *c; /* NULL: closed */
	char *in;        /* bytes not yet cut into messages */
	size_t n_in;
};

struct received { /* a SEND (or REPORT) a peer got: to be answered by Message-ID */
	char id[64], tid[40], range[64];
	char to[600], from[600]; /* as they stood in it */
	struct mconn *c;
};

struct peer {
	struct run *r;
	struct pup p;
	enum sip_transport tp; /* sends over it */
	char cert[32];         /* it shows on MSRP connections with TLS; "": none */
	bool refuse_msrp;      /* does not listen */
	bool stalled;          /* does not read its MSRP connections */
	struct addr alias[8];  /* further addresses that lead to it */
	unsigned n_alias;
	struct pup_dialog *dlg[DIALOGS];
	unsigned n_dlg;
	struct mconn mc[MCONNS];
	unsigned n_mc, n_tids;
	struct received got[RECEIVED];
	unsigned n_got;
	char rest[16384]; /* what a "cut=" held back */
	size_t rest_n;
	struct {
		char tid[40], id[64];
	} asked[RECEIVED]; /* our SENDs, to name responses */
	unsigned n_asked;
	uint64_t token; /* of what was sent to it last */
};

struct emit { /* what the server sent */
	uint64_t at_us;
	struct peer *peer;
	struct pup_dialog *d;
	bool msrp, may_pass; /* may_pass: need not be listed */
	bool matched, again; /* again: byte for byte as before */
	char *raw;
	size_t n;
	struct wire m;
	struct wire_msrp mm;
	char event[16]; /* MSRP CONNECT, CLOSE: no bytes */
	struct sip_dest to;
	char *prev_sdp; /* what the server had sent last on this dialog */
	char id[64];    /* MSRP Message-ID, also of the SEND a response belongs to */
};

struct row {
	char *want, *got;
	bool bad;
};

struct run {
	struct world w;
	struct script s;
	struct vars v;
	struct lint lint;
	struct peer peer[PEERS];
	unsigned at;                      /* line being played */
	unsigned n_wait, wait[LINES_MAX]; /* expected lines not yet matched */
	struct emit *emit;
	unsigned n_emit, cap_emit, first_emit;
	struct row row[ROWS_MAX];
	unsigned n_row;
	char why[400];
	bool failed, verbose, torture;
	bool explicit_msrp;
	char *said; /* owned: what a peer said last, */
	size_t said_n;
	bool ignore_again; /* repetitions need not be listed */
	bool free_origin;
	char *log[LOG_KEPT];
	unsigned n_log, log_read; /* lines so far; those before the last "log" */
	struct arrows *arrows;    /* owned; NULL: nothing is drawn */
	struct modes *modes;      /* NULL: what is sent has to be listed */
};

/* run.c */
/* true: as expected.  modes: in the mode it is at, nothing being expected. */
bool run_file(const char *file, bool verbose, struct arrows *arrows, struct modes *modes);
bool run_fail(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct peer *run_peer(struct run *r, struct span name);
struct peer *run_peer_at(struct run *r, const struct addr *a);
struct pup_dialog *run_dialog(struct peer *p, struct span name, bool make);
struct emit *run_emit(struct run *r, struct peer *p);
void run_world_init(struct run *r, uint64_t seed);

/* conf.c */
bool conf_line(struct run *r, const struct line *l);
void conf_mode(struct run *r, const char *name);
enum sip_transport conf_transport(struct span name);
bool set_line(struct run *r, const struct line *l);

/* send.c */
bool send_line(struct run *r, const struct line *l);

/* expect.c */
bool expect_all(struct run *r); /* what was sent is what was to be sent, up to now */

/* view.c: what the server shows of itself */
bool idle_line(struct run *r, const struct line *l);
bool view_line(struct run *r, const struct line *l);
bool log_line(struct run *r, const struct line *l);

/* media.c */
bool msend_line(struct run *r, const struct line *l);
bool mdo_line(struct run *r, const struct line *l);
bool mexpect_one(struct run *r, const struct line *l, struct emit *e);
int media_incoming(void *u, struct wconn *c, const struct addr *to, void **peer);
void media_up(void *u, struct wconn *c, void *peer, bool up);
size_t media_bytes(void *u, struct wconn *c, void *peer, struct span bytes);
void media_down(void *u, struct wconn *c, void *peer);
void media_text(const struct emit *e, char *out, size_t cap);
void media_body(struct span spec_size, char *out, size_t n);

/* report.c */
void row_add(struct run *r, const char *want, const char *got, bool bad);
void emit_text(const struct emit *e, char *out, size_t cap); /* as a ladder line */
void report(const struct run *r, const struct emit *wrong);

/* arrows.c: the run as a picture, of what happens between two moments */
struct arrows *arrows_new(uint64_t from_us, uint64_t to_us, bool timers); /* timers: RFC 4028's headers too */
void arrows_free(struct arrows *a);                                       /* NULL is fine */
void arrows_sip(struct run *r, const struct peer *p, bool up, const struct wire *m, bool again);
void arrows_msrp(struct run *r, const struct peer *p, bool up, const struct wire_msrp *m, const char *id);
void arrows_done(struct run *r, const struct peer *p, const char *what); /* cut, unreachable ... */
void arrows_log(struct run *r, const char *event, const char *text);
void arrows_end(struct run *r);

/* torture.c */
int torture(const char *dir, const char *table, const char *transport);

#endif
