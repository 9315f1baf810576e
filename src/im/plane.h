/* SPDX-License-Identifier: MIT */
/*
 * The user plane of one anchored session: per m=message line a bridge with two ends, each a plain MSRP
 * endpoint towards its side (UP-1).  modify.c and session.c tell it what was offered and answered; it
 * changes over in two phases (UPA-3): prepare when an offer was judged acceptable, commit when the answer
 * is, roll back otherwise.  Connections and listening belong to the world (im/port.h).
 */
#ifndef PARLEY_IM_PLANE_H
#define PARLEY_IM_PLANE_H

#include "base/timer.h"
#include "base/wbuf.h"
#include "sdp/sdp.h"

enum __attribute__((packed)) side {
	SIDE_A,
	SIDE_B
}; /* A: the IM Client's leg, B: the Controlling Function's */
static inline enum side side_other(enum side s)
{
	return s == SIDE_A ? SIDE_B : SIDE_A;
}

static inline char side_name(enum side s)
{
	return s == SIDE_A ? 'A' : 'B';
}

struct im;
struct im_port;
struct plane;  /* opaque; one per session, made with its first offer */
struct planes; /* opaque; one per worker: live session-ids, all MSRP connections */

enum { PLANE_LINES_MAX = 8, PLANE_FORKS_MAX = 16 };

/* What we do about a lost connection that we had made ourselves (UP-12); the peer's are the peer's to make again. */
enum plane_repair { PLANE_WAIT, PLANE_RECONNECT, PLANE_REINVITE, PLANE_REINVITE_ALL };

/* What carries MSRP between us and a peer. */
enum plane_tp { PLANE_TCP, PLANE_TLS, PLANE_WS, PLANE_WSS, PLANE_N_TP };
/* WebSocket (RFC 7977): the peer connects, whatever is negotiated; TLS, where there is any, is the browser's business. */
static inline bool plane_tp_ws(enum plane_tp tp)
{
	return tp == PLANE_WS || tp == PLANE_WSS;
}
static inline bool plane_tp_secure(enum plane_tp tp) /* msrps, TCP/TLS/MSRP */
{
	return tp == PLANE_TLS || tp == PLANE_WSS;
}
static inline enum plane_tp plane_tp_of(const struct sdp_msrp *m)
{
	return m->ws ? (m->tls ? PLANE_WSS : PLANE_WS) : m->tls ? PLANE_TLS : PLANE_TCP;
}

struct plane_at {      /* a listener, as path URIs name it */
	char host[64]; /* IPv6 bracketed */
	uint16_t port; /* 0: there is none */
	bool ip6;      /* who reaches it does so by IPv6 */
};

/* What of the policy the user plane needs (contract keys msrp.*, im.media.*). */
struct plane_conf {
	struct plane_at at[PLANE_N_TP];
	struct plane_at also[PLANE_N_TP]; /* the same for peers of the other address family (UP-54) */
	/* By side, what our offers of a new line say: 0, as the other side has it; else 1 + enum plane_tp. */
	uint32_t transport[2];  /* msrp.transport.client, .core */
	bool sha1;              /* msrp.tls.sha1: fingerprints weaker than SHA-256 count too (ACC-2k) */
	bool tls_names;         /* msrp.tls.names (UP-47) */
	bool prints_from_any;   /* msrp.tls.fingerprints: any (UP-48) */
	char fingerprint[104];  /* of our certificate, as a=fingerprint says it; empty: there is none */
	bool ack_end;           /* msrp.acknowledge: end (UP-25a) else hop */
	char accept_types[512]; /* policy list: "*" or types, blank-separated */
	uint64_t max_size;      /* bytes per message; 0: no limit */
	uint64_t chat_max_size; /* the same where no file is transferred, if that is less (UP-51) */
	uint8_t cema;           /* msrp.cema: a bit per side */
	bool cpim_adapt;        /* im.media.cpim: adapt */
	bool cpim_notifications_refuse; /* im.media.cpim_notifications: refuse */
	bool enforce_peer_max_size;     /* what the receiving peer's a=max-size says, too (UP-36) */
	uint32_t queue_max;             /* bytes held per end while waiting for a connection (UPA-14) */
	uint32_t connections_max, unbound_per_source_max;
	uint32_t bind_wait_ms, drain_ms, end_bound_ms; /* UP-16 30000, UPA-17 60000, UP-25a 20000 */
	uint32_t resend_max;                           /* bytes kept per end to be sent again (UPA-13) */
	uint32_t repair_wait_ms;                       /* UP-12 30000 */
	uint8_t repair;                                /* enum plane_repair */
	bool chatroom;                                 /* NICKNAME crosses where it was agreed on (UP-40) */
	uint32_t keepalive_ms;                         /* UP-14; 0: none */
};

enum { PLANE_CODES = 9 }; /* the last one: any other */
extern const unsigned plane_codes[PLANE_CODES];

struct plane_stats { /* of a line, or of all lines a session ever had (UP-55) */
	uint64_t messages[2], bytes_in[2], bytes_out[2]; /* by side *received from* / *sent to* */
	uint64_t failed[2], reports[2], rebinds, resent;
	uint64_t errors[PLANE_CODES]; /* SENDs refused and messages failed, by code */
};

enum plane_kind { PLANE_TEXT, PLANE_COMPOSING, PLANE_IMDN }; /* content; RFC 3994; RFC 5438 */

struct cpim;

/* What the plane tells its session; called outside of any plane function the session itself called. */
struct plane_hooks {
	/* An end lost its connection for good, or its session was refused (481): UP-12.  line: index. */
	void (*lost)(void *session, enum side s, unsigned line, const char *why, uint64_t now_us);
	/* A CPIM message begins, received from side s (UP-35, UP-37): 0, or the code it is refused with.  head: NULL when
	 * it has none that could be read.  It looks, and changes nothing.  NULL: nobody asks. */
	unsigned (*content)(void *session, enum side s, const struct cpim *head);
	/* Who the peer of side s is to the other one: what stands in the CPIM headers we write.  NULL: nobody. */
	struct span (*identity)(void *session, enum side s);
	/* Does the peer of side s, of whose SDP nothing is known yet, speak IPv6?  NULL: nobody knows. */
	bool (*ip6)(void *session, enum side s);
	/* Is the ACK of an exchange still to come, either way (UPA-17, a)?  NULL: never. */
	bool (*unsettled)(void *session);
	/* It is bound again. */
	void (*back)(void *session, enum side s, unsigned line, uint64_t now_us);
};

struct plane *plane_create(struct planes *ps, void *session,
			   const struct plane_hooks *hooks); /* NULL: no memory */
/* The peer of this side comes by WebSocket, so that what we offer it must (its SIP does); secure: by wss. */
void plane_by_websocket(struct plane *p, enum side s, bool secure);
void plane_destroy(struct plane *p, uint64_t now_us); /* TERM-7: later SENDs get 481; NULL is fine */

/**
 * plane_prepare(p, from, offer, off): `offer` came from side `from` and was judged acceptable, but for the lines whose
 * bit is set in off: those go on with port 0.  Makes `next` on both ends of every line (UPA-4, UPA-10): what needs a
 * new path of ours gets one, live from now on.  0, -ENOMEM, -EMFILE: nothing changed.
 */
MUST_CHECK int plane_prepare(struct plane *p, enum side from, const struct sdp *offer, uint32_t off,
			     uint64_t now_us);

static inline enum sdp_hash plane_weakest(const struct plane_conf *c)
{
	return c->sha1 ? SDP_SHA1 : SDP_SHA256;
}

/* Where the session-level c= of an SDP points: the first listener there is. */
const struct plane_at *plane_home(const struct plane_conf *c);

/* What to write about line i into the SDP for side s: `next` when prepared, else `current`. */
struct plane_local {
	bool known; /* the plane has this line */
	enum plane_tp tp;
	char path[160]; /* our path URI, zero-terminated */
	char host[64];  /* for c=, without brackets */
	bool ip6;
	uint16_t port;
};
void plane_local(const struct plane *p, enum side s, unsigned i, struct plane_local *out);

/**
 * plane_commit(p, from, offer, answer): the answer to the prepared offer is acceptable.  `from` is the side the offer
 * came from: that end takes its peer data (path, accept lists, limits, direction, setup) from offer, the other end
 * from answer.  Both ends change over in one step (UPA-6..8); allocates nothing and cannot fail (UPA-22).  A line
 * with port 0 in either is released (SDP-10).  Who connects: towards `from` we answered plane_setup_answer(its setup),
 * towards the other side we offered actpass (UP-6, UP-7).
 */
void plane_commit(struct plane *p, enum side from, const struct sdp *offer, const struct sdp *answer,
		  uint64_t now_us);
/* The same, but what side `from`'s other end has lost gets a new path of ours there (MOD-44, UP-12). */
MUST_CHECK int plane_prepare_repair(struct plane *p, enum side from, const struct sdp *offer, uint32_t off,
				    uint64_t now_us);
/* Drop `next` on both ends; `current` was never disturbed (UPA-9).  Fine when nothing is prepared. */
void plane_rollback(struct plane *p, uint64_t now_us);

/**
 * plane_fork(from, session, side, offer, sent, off): one more far end answers the offer `from` was prepared with, in an
 * early dialog of its own (PROV-1).  A new plane, prepared as plane_prepare(side, offer, off) would; its far end has the
 * session-ids of `sent`, the SDP that went out and that all forks share: what comes for one is told apart by From-Path.
 * `from` may have committed, changed since, or be gone at any time after.  NULL: no memory, or PLANE_FORKS_MAX.
 */
MUST_CHECK struct plane *plane_fork(struct plane *from, void *session, enum side side,
				    const struct sdp *offer, const struct sdp *sent, uint32_t off,
				    uint64_t now_us);
/**
 * While on, further forks on side far may still come to be known: a SEND from somebody no answer named yet waits, also when p has
 * committed (PROV-13).  Set before the offer goes out, taken back with the final answer; a fork inherits it.
 */
void plane_forking(struct plane *p, enum side far, bool on, uint64_t now_us);

/* Has an end of that side lost its connection, and may that be ours to make again? */
enum plane_loss { PLANE_WHOLE, PLANE_LOST, PLANE_LOST_OURS };
enum plane_loss plane_loss(const struct plane *p, enum side s);
/* Of what is lost there: on its present path nobody was ever met, so that another one promises nothing. */
bool plane_unheard(const struct plane *p, enum side s);
/* Nothing will be repaired: what waits fails, and its senders are told (UPA-14). */
void plane_give_up(struct plane *p, uint64_t now_us);

void plane_stats(const struct plane *p, struct plane_stats *out);
/* The i-th line there is: its index among the m= lines; -1: there is none. */
int plane_line_stats(const struct plane *p, unsigned i, struct plane_stats *out);
/* What a file line carries (RFC 5547). */
enum plane_file_state {
	PLANE_CHAT,
	PLANE_FILE_WAITING,
	PLANE_FILE_RUNNING,
	PLANE_FILE_COMPLETE,
	PLANE_FILE_FAILED
};
struct plane_file_view {
	enum plane_file_state state; /* PLANE_CHAT: it is none */
	uint64_t size, bytes;        /* 0: not said; there so far, what a resumed one began with included */
	char transfer_id[65];
};
void plane_line_file(const struct plane *p, unsigned i, struct plane_file_view *out); /* i as above */
/* Generation counter: rises by one at each commit, never at a rollback. */
uint64_t plane_generation(const struct plane *p);
bool plane_idle(const struct plane *p); /* nothing in flight, nothing draining */

/* a=setup we answer to what the offerer wrote (UP-6); our offers always say actpass. */
enum sdp_setup plane_setup_answer(enum sdp_setup offered);

/* ---- connections: called by the world through im.h ---- */
struct plane_conn;
struct planes *planes_create(const struct plane_conf *conf, const struct im_port *port, struct timers *wheel);
void planes_destroy(struct planes *ps);
void planes_fit(struct planes *ps); /* tables as small as what is in them */
/* A TLS handshake is still to come then; no byte is fed before it is done. */
struct plane_conn *planes_accept(struct planes *ps, void *wc, enum plane_tp tp, const struct addr *from,
				 uint64_t now_us);
void plane_conn_connected(struct plane_conn *c, uint64_t now_us);
size_t plane_conn_input(struct plane_conn *c, struct span in, uint64_t now_us);
void plane_conn_drained(struct plane_conn *c, uint64_t now_us);
void plane_conn_closed(struct plane_conn *c, uint64_t now_us);

struct planes_stats {
	uint64_t sessions, connections, messages, bytes, refused, reports, failed, resent;
	uint64_t composing, imdn; /* not counted among messages; counted there too */
	uint64_t adapted;         /* put into a CPIM envelope or taken out of one */
	uint64_t notifications_lost;
	uint64_t over_limit,
		unbound;    /* connections: turned away (UP-51), closed for saying nothing (UP-16) */
	uint64_t strangers; /* whose certificate was not the one their SDP names */
};
const struct planes_stats *planes_stats(const struct planes *ps);
void planes_check(const struct planes *ps); /* asserts what must be true (UPA-25) */

#endif
