/* SPDX-License-Identifier: MIT */
/*
 * parley-ua: one scriptable SIP and MSRP endpoint, either the IM Client or the controlling side; for the
 * demo, for tests and for trying things by hand.  One process plays one session.  The SIP side stands on the
 * pure cores of src/; the MSRP side is written on its own, so that a mistake in the server's framer does not
 * hide behind the same mistake here.
 */
#ifndef PARLEY_TOOLS_UA_H
#define PARLEY_TOOLS_UA_H

#include <stdio.h>

#include "base/list.h"
#include "base/rng.h"
#include "sdp/sdp.h"
#include "sip/build.h"
#include "sip/dialog.h"

enum {
	UA_LINES_MAX = 8,
	UA_CONNS_MAX = 32,
	UA_LISTEN_MAX = 8,
	UA_WORDS_MAX = 32,
	UA_LINE_MAX = 8192,
	UA_EVENTS_MAX = 512,
	UA_SDP_MAX = 16384,
	UA_BODY_MAX = 64 * 1024 * 1024, /* of one MSRP message received */
};

struct ua;
struct ua_conn;

/* ---- ua_loop.c: sockets ---- */

enum ua_kind { UA_SIP_UDP, UA_SIP_TCP, UA_MSRP, UA_MSRPS };
static inline bool ua_is_msrp(enum ua_kind k)
{
	return k == UA_MSRP || k == UA_MSRPS;
}

struct ua_listen {
	enum ua_kind kind;
	int fd;
	struct addr at;
};

struct ua_conn {
	bool used, connecting, closing; /* closing: once out is written */
	bool shaking, called;           /* called: we connected */
	enum ua_kind kind;
	struct tls_link *tls;
	int fd;
	uint64_t id; /* SIP: what sip_src.conn says */
	struct addr peer;
	char *in, *out;
	size_t in_n, in_cap, out_n, out_at, out_cap;
	size_t seen; /* MSRP: bytes of in already searched for an end-line */
};

/* 0, or -errno with the reason printed by the caller. */
MUST_CHECK int ua_listen_add(struct ua *ua, enum ua_kind kind, const struct addr *at);
const struct ua_listen *ua_listen_of(const struct ua *ua, enum ua_kind kind, unsigned family);
struct ua_conn *ua_connect(struct ua *ua, enum ua_kind kind, const struct addr *to); /* NULL: failed */
void ua_conn_write(struct ua *ua, struct ua_conn *c, struct span bytes);
void ua_conn_close(struct ua *ua, struct ua_conn *c); /* what is queued still leaves */
int ua_sip_out(void *u, const struct sip_dest *to, struct span bytes, uint64_t token);
void ua_loop_turn(struct ua *ua, int wait_ms); /* waits at most so long, handles what is there */
void ua_loop_finish(struct ua *ua);
uint64_t ua_now_us(void);
bool ua_resolve(struct span host, uint16_t port, struct addr *out);

/* ---- ua_tls.c ---- */

struct ua_line;
const char *ua_tls_fingerprint(struct ua *ua); /* of our certificate: "sha-256 AA:..." */
MUST_CHECK bool ua_tls_begin(struct ua *ua, struct ua_conn *c, bool called);
int ua_tls_shake(struct ua *ua, struct ua_conn *c); /* 1: done; 0: goes on; -1: failed */
bool ua_tls_waits_for_room(const struct ua_conn *c);
bool ua_tls_has_more(const struct ua_conn *c);
/* As send() and recv(), with TLS or without. */
ssize_t ua_conn_send(struct ua_conn *c, const void *p, size_t n);
ssize_t ua_conn_recv(struct ua_conn *c, void *p, size_t n);
void ua_tls_end(struct ua_conn *c);
void ua_tls_finish(struct ua *ua);
/* Is who speaks on c the one the SDP of the line names? */
bool ua_tls_is_peer(struct ua *ua, const struct ua_line *l, const struct ua_conn *c);

/* ---- ua_offer.c: what we say about our media ---- */

struct ua_desc { /* our side of one m=message line */
	bool on;
	char sess[24];
	enum sdp_dir dir;
	enum sdp_setup setup; /* as we wrote it last */
	char accept_types[256], wrapped_types[256];
	uint64_t max_size; /* 0: not written */
	bool is_file;
	char selector[512], file_id[64];
	char proto[32];    /* "TCP/MSRP" */
	char extra[256];   /* a further line, as the script wants it */
	char media[64];    /* "message" */
	uint16_t bad_port; /* for offers that shall be refused: written instead of ours */
};

struct ua_media {
	unsigned n;
	struct ua_desc line[UA_LINES_MAX];
};

/* SDP for these lines, with the version sdp_oa_version() says.  answer_to: the offer, or NULL. */
MUST_CHECK int ua_sdp_write(struct ua *ua, struct wbuf *w, const struct ua_media *m,
			    const struct sdp *answer_to);
/* Our lines as an answer to offer: same count, same order. */
void ua_media_answer(struct ua *ua, struct ua_media *m, const struct sdp *offer);
/* Both sides agreed: ours are now m, theirs is remote.  offered: we made the offer. */
void ua_media_commit(struct ua *ua, const struct ua_media *m, const struct sdp *remote, bool offered);
void ua_desc_new_session(struct ua *ua, struct ua_desc *d);
bool ua_desc_is_tls(const struct ua_desc *d);
/* Our URI of the line: path is what a=path and From-Path say. */
void ua_desc_path(const struct ua *ua, const struct ua_desc *d, struct wbuf *w);

/* ---- ua_msrp.c: messages ---- */

struct ua_out { /* a message on its way out */
	struct list link;
	char id[24], type[96];
	char *body;
	size_t n, sent, acked;
	unsigned chunks_open;
	unsigned status; /* 0: none yet */
	bool want_success, reported;
	const char *failure_report; /* static: "yes", "no", "partial" */
	bool bind;                  /* the bodiless SEND that binds a connection */
};

struct ua_in { /* a message coming in */
	struct list link;
	char id[128], type[96];
	char *body;
	size_t n, cap, have; /* have: bytes counted, n: highest end seen */
	bool complete;
};

struct ua_line { /* the live end of one m=message line */
	char remote_path[2048];
	char remote_types[512];
	bool on, we_connect, bound;
	bool tls;                 /* as its SDP says, */
	struct sdp_prints prints; /* and whose */
	enum sdp_dir remote_dir;
	struct ua_conn *conn;
	struct list out, in;  /* ua_out still being sent; ua_in not complete */
	struct list answered; /* ua_out sent, waiting for answers or reports */
	char file_name[256];  /* we receive this file */
	struct span file_hash;
	char hash_text[80];
};

struct ua_tid { /* an open MSRP transaction of ours */
	struct list link;
	char tid[24];
	struct ua_out *m;
	size_t bytes;
};

void ua_msrp_line_start(struct ua *ua, unsigned i); /* after a commit: connect if that is ours to do */
void ua_msrp_line_leave(struct ua *ua, unsigned i);
void ua_msrp_line_stop(struct ua *ua, unsigned i);
int ua_msrp_send(struct ua *ua, unsigned i, const char *type, const char *body, size_t n);
void ua_msrp_input(struct ua *ua, struct ua_conn *c);
void ua_msrp_connected(struct ua *ua, struct ua_conn *c);
void ua_msrp_closed(struct ua *ua, struct ua_conn *c);
void ua_msrp_pump(struct ua *ua, struct ua_conn *c); /* c has room: go on sending */
bool ua_msrp_all_answered(const struct ua *ua);
void ua_msrp_finish(struct ua *ua);

/* between ua_msrp.c and ua_msrp_out.c */
uint64_t ua_digest(const void *p, size_t n);
void ua_msrp_tid(struct ua *ua, char tid[24], const char *body,
		 size_t n); /* one whose end-line is not in body */
void ua_msrp_trace(struct ua *ua, bool out, const char *type, const char *range, const char *body, size_t n,
		   char flag);
struct ua_out *ua_out_new(struct ua *ua, const char *type, const char *body, size_t n);
void ua_out_free(struct ua_out *m);
void ua_out_result(struct ua *ua, struct ua_out *m, unsigned status); /* its fate is known; may free it */
void ua_out_forget(struct ua *ua,
		   const struct ua_out *m); /* its transactions: their answers will find nothing */

struct ua_totals {
	uint64_t messages_out, bytes_out, messages_in, bytes_in, refused, incomplete;
	uint64_t digest_out,
		digest_in; /* sum over messages of the head of SHA-1(body): order does not matter */
};

/* ---- ua_sip.c: the session ---- */

enum ua_auto { UA_AUTO_HOLD = -1, UA_AUTO_SILENT = -2 };

enum ua_pending { UA_IDLE, UA_INVITE, UA_REINVITE, UA_UPDATE };

struct ua_call {
	enum ua_pending pending; /* the offer of ours that is open */
	struct sip_msg *invite;  /* as sent, for the dialog */
	struct ua_media next;    /* what it offers */
	bool offerless;
	struct sip_ctxn *ctxn;     /* of the open INVITE */
	struct sip_stxn *held;     /* request waiting for `answer` */
	struct sip_stxn *accepted; /* our 2xx to it waits for its ACK */
	uint32_t accepted_cseq;
	bool answer_in_ack;
	bool has_dialog, ended;
	struct sip_dialog dlg;
	struct sip_dest via; /* first hop of the initial request */
	char via_host[128];
	char tag[24];
	char ack[4096]; /* of the last 2xx, for its repetitions */
	size_t ack_n;
	uint32_t ack_cseq;
	struct sip_dest ack_to;
	char ack_host[256];
};

/* Where answers to what is sent that way come to, as a Via says it. */
void ua_sip_sent_by(const struct ua *ua, enum sip_transport tp, unsigned family, struct wbuf *w);
struct sip_tl_hooks ua_sip_hooks(struct ua *ua);
void ua_sip_input(struct ua *ua, struct span bytes, const struct sip_src *src, bool stream);
void ua_sip_finish(struct ua *ua);
/* Commands.  0, or -1 with ua->why. */
int ua_sip_invite(struct ua *ua, const char *uri, const struct sip_dest *via, const struct ua_media *m,
		  bool offerless);
int ua_sip_modify(struct ua *ua, enum sip_method how, const struct ua_media *m, bool offerless);
int ua_sip_answer(struct ua *ua, unsigned status, const char *reason);
int ua_sip_request(struct ua *ua, enum sip_method how, const char *type, const char *body);
int ua_sip_cancel(struct ua *ua);

/* ---- ua_trace.c: what is seen ---- */

enum ua_event_kind { UA_EV_RESPONSE, UA_EV_REQUEST, UA_EV_MESSAGE, UA_EV_FILE, UA_EV_RESULT, UA_EV_REPORT };

struct ua_event {
	struct list link;
	enum ua_event_kind kind;
	unsigned status;
	char what[64]; /* method as scripts name it; MIME type; Message-ID */
	char *body;
	size_t n;
};

__attribute__((format(printf, 3, 4))) void ua_trace(struct ua *ua, bool out, const char *fmt, ...);
__attribute__((format(printf, 2, 3))) void ua_note(struct ua *ua, const char *fmt, ...);
void ua_trace_sip(struct ua *ua, bool out, const struct sip_msg *m);
void ua_event_add(struct ua *ua, enum ua_event_kind kind, unsigned status, const char *what,
		  struct span body);
struct ua_event *ua_event_take(struct ua *ua, enum ua_event_kind kind); /* oldest; free with ua_event_free */
void ua_event_free(struct ua_event *e);
void ua_summary(struct ua *ua, FILE *f);

/* ---- ua_fork.c ---- */
bool ua_fork_2xx(struct ua *ua, const struct sip_msg *resp); /* was it another device's, and is dealt with? */

/* ---- ua_script.c ---- */

struct ua_script {
	const char *name; /* for messages */
	int fd;
	bool eof;
	char *text;
	size_t n, at;
	unsigned line;
	/* the command under way */
	bool waiting;
	int argc;
	char *argv[UA_WORDS_MAX];
	char words[UA_LINE_MAX];
	uint64_t until_us;
};

enum ua_step { UA_STEP_AGAIN, UA_STEP_WAIT, UA_STEP_DONE, UA_STEP_FAILED };
enum ua_step ua_script_step(struct ua *ua);
void ua_script_read(struct ua *ua);
void ua_script_help(FILE *f);

/* ---- the endpoint ---- */

struct ua_var {
	char name[32], value[256];
};

struct ua {
	char name[32], peer[32];
	char identity[256]; /* our SIP URI */
	char save_dir[512];
	char extra[2048]; /* header lines for every request we make */
	bool quiet, failed;
	bool micro; /* ladder lines with microseconds, to be sorted with those of others */
	char why[512];

	/* policy */
	bool allow_update, report_success;
	const char *failure_report;
	enum sdp_setup setup; /* NONE: actpass in offers, passive in answers */
	bool no_setup;
	size_t chunk;
	char accept_types[256], wrapped_types[256];
	uint64_t max_size;
	unsigned msrp_status; /* what a SEND is answered */
	enum sip_transport tp;
	uint32_t expect_ms;
	int on[SIP_N_METHODS], on_reinvite; /* status or enum ua_auto; 0: the usual */

	struct timers wheel;
	struct rng rng;
	struct sip_tl *tl;
	struct ua_call call;
	struct sdp_oa oa;
	struct ua_media media; /* ours, as agreed */
	struct ua_line line[UA_LINES_MAX];
	struct list tids;
	struct ua_totals total;
	struct list events;
	unsigned n_events;

	struct tls *tls; /* owned; NULL: not used yet */
	char fingerprint[104];
	struct ua_listen listen[UA_LISTEN_MAX];
	unsigned n_listen;
	struct ua_conn conn[UA_CONNS_MAX];
	uint64_t next_conn;

	struct ua_script script;
	struct ua_var var[32];
	unsigned n_var;
};

__attribute__((format(printf, 2, 3))) void ua_why(struct ua *ua, const char *fmt, ...);
/* Why a command fails, in ua->why; and -1, so that one can `return ua_fail(...)`. */
#define ua_fail(ua, ...) (ua_why(ua, __VA_ARGS__), -1)
void ua_random(void *u, void *p, size_t n);
void ua_id(struct ua *ua, char *out, size_t n); /* n - 1 random letters and digits, and a zero */
bool ua_sha1(const void *p, size_t n, uint8_t out[20]);
const char *ua_var_get(const struct ua *ua, const char *name);
/* The last segment of a path. */
const char *ua_basename(const char *path);

#endif
