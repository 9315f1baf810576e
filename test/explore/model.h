/* SPDX-License-Identifier: MIT */
/*
 * The explored world: production `struct im`, two model peers, and between them a network whose every choice is an
 * action.  All of it lies in the arena (arena.h), so that a state is its bytes; what two states have in common is said
 * by the canonical hash (hash.c).
 *
 * The network.  What a peer sends is in the server's hands in the same action: as the way from a peer to the server is
 * first-in first-out, and peers talk to nobody else, every order of events that a delay on that way could make is made
 * by the peer acting later (doc/proof.md).  What the server sends waits in a channel per peer until the action "arrives".
 * What breaks these rules (loss, delay past others, doubling) is a fault: the message, or a copy, goes to limbo, from
 * which it may arrive at any later time, or never.
 */
#ifndef PARLEY_EXPLORE_MODEL_H
#define PARLEY_EXPLORE_MODEL_H

#include "im/core.h"

enum {
	CHANNEL_MAX = 10,
	LIMBO_MAX = 2,
	TEXT_MAX = 1600,
	ACTIONS_MAX = 96,
	SEEN_MAX = 12,
	CONNS_MAX = 6,
	WHY_MAX = 300,
};

#define T1_64_US (64ull * SIP_T1_MS * US_PER_MS)

struct msg {             /* what is of interest in a message */
	uint8_t method;  /* enum sip_method; of the CSeq in a response */
	uint8_t fork;    /* which UA behind the peer's address it speaks for */
	uint16_t status; /* 0: a request */
	uint32_t cseq;
	uint32_t rseq;    /* of a reliable 1xx, or the one a PRACK is for; 0: none */
	bool rel;         /* reliable ones may be given (Supported: 100rel) */
	bool tls;         /* its SDP says TLS */
	uint32_t version; /* of its SDP; 0: none */
	uint64_t sdp;     /* hash of the SDP; 0: none */
	uint64_t bytes;   /* hash of all of it */
	char branch[32];
};

struct desc {             /* an SDP of a peer: version and the two others make its text */
	uint32_t version; /* 0: none */
	uint16_t path;
	bool good; /* else one that nobody can accept */
	bool tls;
	uint64_t hash;
};

struct text { /* of a peer, as sent: to be sent again */
	struct msg m;
	uint64_t sent_us;
	uint16_t n;
	char p[TEXT_MAX];
};

enum mine_state { MINE_NONE, MINE_SENT, MINE_HEARD }; /* HEARD: a 1xx came */

struct mine { /* a request of the peer */
	uint8_t state;
	bool offer, offerless, canceled;
	bool reached;   /* the server has it */
	bool answered;  /* and has sent its final answer */
	bool said;      /* or its answer to the offer, in a reliable 1xx */
	bool exchanged; /* offer and answer were complete before the final answer */
	uint32_t cseq;
	struct desc sdp; /* in it */
};

enum their_state { THEIR_NONE, THEIR_OPEN, THEIR_OK }; /* OK: our 2xx to the INVITE waits for its ACK */

struct their { /* a request of the server to the peer */
	uint8_t state;
	bool offer;       /* it brought one */
	bool rang;        /* a 1xx of ours went out */
	bool rel;         /* it may be answered by reliable 1xx */
	bool tls;         /* its offer says TLS */
	bool owed;        /* our 2xx made an offer: the ACK owes the answer */
	bool exchanged;   /* offer and answer were complete before our final answer */
	uint8_t reliable; /* 1xx of ours that were */
	uint32_t cseq;
	uint32_t far_version;
	uint64_t far_sdp; /* in it, */
	struct desc sdp;  /* and ours in the 2xx */
	char branch[32];
};

enum peer_state {
	PEER_IDLE,    /* no dialog */
	PEER_CALLING, /* its INVITE is out */
	PEER_CALLED,  /* it has an INVITE */
	PEER_UP,
	PEER_ENDING, /* its BYE is out */
	PEER_OVER,
};

struct watch {             /* of one leg: what the wire has shown so far */
	uint32_t cseq;     /* of the server's last request */
	uint32_t inv_cseq; /* its own INVITE without a final; 0: none */
	uint32_t rseq;     /* of its last reliable 1xx */
	uint32_t version;  /* of the o= it wrote last */
	uint64_t rest;     /* hash of the SDP behind that o= */
	bool offer;        /* the server's offer is open, as far as it can know */
	uint8_t offer_method;
	uint32_t offer_cseq;
	uint64_t offer_us;
	uint32_t ok_cseq;            /* an INVITE it answered 2xx and that has no ACK yet; 0: none */
	uint64_t ok_us, ok_again_us; /* sent first, and last */
	uint64_t over_us;            /* when the server knew that this leg ends; 0: it does not */
	uint8_t n_seen;
	struct seen { /* requests and final answers of the server: repeated they must be the same */
		uint8_t method;
		bool final;
		uint16_t status;
		uint32_t cseq;
		uint64_t bytes;
	} seen[SEEN_MAX];
};

struct peer {
	uint8_t side, state;
	bool lost;     /* its MSRP connection was cut since its last exchange */
	bool ack_lost; /* our last ACK has not reached the server */
	uint8_t asks;  /* requests it may still begin */
	bool tls;      /* its line is, as last agreed on */
	bool early;    /* a first exchange is done, before the call is up: UPDATE may be used */
	struct mine inv, upd, bye, prack;
	struct their tinv, tupd;
	struct {                 /* our reliable 1xx */
		bool open, owed; /* its PRACK has not come; and owes the answer */
		uint32_t rseq;   /* of the last */
		struct desc sdp;
	} rel;
	uint32_t far_rseq;       /* last reliable 1xx we took */
	uint32_t cseq, far_cseq; /* ours, last used; the server's, last seen */
	uint32_t version;        /* of the SDP last written */
	uint16_t path;
	struct desc local; /* the committed pair: ours, and the server's */
	uint32_t remote_v;
	uint64_t remote;
	uint32_t acked; /* CSeq of the INVITE our last ACK was for */
	struct text request, final, ack;
	/* the dialog, as learnt from the wire */
	char call_id[64], far_tag[40], far_uri[64], target[96];
	struct watch watch;
};

struct conn { /* an MSRP connection the server opened */
	struct plane_conn *c;
	uint8_t side;
	bool up, dead;
	uint16_t n_in;
	char in[500]; /* what the peer has said and the server not yet read */
};

struct held {          /* in limbo */
	bool used, up; /* up: to the server */
	uint8_t side;
	struct text t;
};

struct setting { /* what is fixed for a run, and said by --setting */
	const char *name, *help;
	const char *script; /* actions that lead to where the exploration begins */
	bool update[2];     /* this peer allows UPDATE */
	bool rel[2];        /* this peer knows reliable provisional responses (RFC 3262) */
	bool timer[2];      /* this peer knows session timers (RFC 4028) */
	uint32_t expires_s; /* and the server wants them; 0: it does not */
	bool terminating;   /* the call comes from the controlling side */
	bool unanchored;    /* out of the media path */
	bool tls;           /* each new offer changes from TCP to TLS or back */
	uint8_t asks[2];    /* requests each side may begin after the script */
	uint8_t faults, cuts, byes, cancels, odd;
};

struct model {
	struct im *im;
	uint64_t now_us, random;
	struct peer peer[2];
	struct msg channel[2][CHANNEL_MAX]; /* towards that peer, oldest first */
	uint8_t n_channel[2];
	uint8_t faults, cuts, byes, cancels, odd; /* left */
	struct held limbo[LIMBO_MAX];
	struct conn conn[CONNS_MAX];
	bool draining; /* the end is being looked for: no more choices */
	bool hold;     /* what the peer sends now goes to limbo */
	bool failed;
};

/* What is the run's own and no part of a state. */
struct run {
	struct model *m; /* in the arena */
	const struct setting *set;
	bool ladder;       /* print the messages */
	char why[WHY_MAX]; /* the first violation */
	uint64_t n_checks[16];
};
extern struct run run; /* one exploration per process */

/* ---- world.c: the server and what it touches ---- */
void world_start(const struct setting *s);
void world_hear(struct peer *p, struct text *t); /* the server gets it, unless it is held */
void world_late(struct held *h);                 /* what was held arrives */
bool world_tick(void); /* to the next instant at which something happens; false: no timer runs */
void world_cut(struct peer *p);
bool world_can_cut(const struct peer *p);
uint64_t world_next(void); /* earliest timer; UINT64_MAX: none */

/* ---- wire.c: messages as text ---- */
/* rest: hash of its SDP behind the o= line. */
void wire_read(struct span bytes, struct msg *m, uint64_t *rest);
/* What the first messages tell the peer of its dialog. */
void wire_learn(struct peer *p, struct span bytes, const struct msg *m);
uint8_t wire_digest(unsigned side); /* each byte of that of the peer's certificate */
/* sdp NULL: without.  An ACK or CANCEL has the number of its INVITE; ok: the ACK is that of a 2xx. */
void wire_request(const struct peer *p, enum sip_method method, uint32_t cseq, bool ok,
		  const struct desc *sdp, struct text *out);
void wire_response(const struct peer *p, enum sip_method method, uint32_t cseq, const char *branch,
		   unsigned status, uint32_t rseq, const struct desc *sdp, struct text *out);
/* A new SDP of this peer. */
struct desc wire_sdp_new(struct peer *p, bool good, bool tls);
void wire_sdp(const struct peer *p, const struct desc *d, struct wbuf *w);

struct model *model(void);

/* ---- peer.c: the model of a peer ---- */
enum ask { ASK_INVITE, ASK_OFFERLESS, ASK_REFRESH, ASK_BAD, ASK_UPDATE, ASK_BARE };
enum body { BODY_GOOD, BODY_BAD, BODY_NONE };
void peer_sent_to(struct peer *p, const struct msg *m); /* the server sent m: into the channel, or absorbed */
void peer_arrives(struct peer *p, const struct msg *m);
bool peer_may_ask(const struct peer *p, enum ask what);
void peer_ask(struct peer *p, enum ask what);
void peer_answer(struct peer *p, enum sip_method method, unsigned status, enum body body);
/* A reliable 1xx, with offer or answer if sdp. */
void peer_reliable(struct peer *p, bool sdp);
void peer_cancel(struct peer *p);
void peer_bye(struct peer *p);
/* Does m, when it arrives, tell the peer something and nobody else, and take no choice from it? */
bool peer_only_learns(const struct peer *p, const struct msg *m);

/* ---- act.c ---- */
typedef uint16_t act;
unsigned act_list(act *out); /* what may happen now, at most ACTIONS_MAX */
bool act_do(act a);          /* false: a violation, run.why */
const char *act_name(act a, char buf[32]);
bool act_parse(const char *name, act *out);
/* The one action that leads towards the end with as little as possible; false: nothing is left to do. */
bool act_drain(act *out);

/* ---- check.c ---- */
__attribute__((format(printf, 1, 2))) void violation(const char *fmt, ...);
void check_out(struct peer *p, struct span bytes, const struct msg *m,
	       uint64_t rest);                      /* the server sent it */
void check_in(struct peer *p, const struct msg *m); /* it reached the server */
void check_state(void);
void check_repeats(void); /* after time passed */
void check_told(const struct peer *p);
void check_drained(void);
const char *check_name(unsigned i); /* NULL: no more */

/* ---- hash.c ---- */
struct hash128 {
	uint64_t a, b;
};
struct hash128 hash_state(void);
uint64_t hash_quiet(void); /* what is visible: without timers */
void hash_print(void);

#endif
