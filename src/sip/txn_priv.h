/* SPDX-License-Identifier: MIT */
/*
 * What the files of the transaction layer share: txn.c (the layer and its dispatch), txn_match.c
 * (which transaction is it?), stxn.c and ctxn.c (the machines).  Nobody else includes this.
 */
#ifndef PARLEY_SIP_TXN_PRIV_H
#define PARLEY_SIP_TXN_PRIV_H

#include "sip/txn.h"

enum {
	TXN_LIFE_MS = 64 * SIP_T1_MS, /* Timers B, F, H, J, L, M, and D, which wants 32 s */
	TXN_TRYING_MS = 200,          /* RFC 3261 17.2.1: a 100 of ours after that much silence */
	TXN_TAG_LEN = 16,
	TXN_TAG_MAX = 32, /* of a TU's own */
	TXN_POOL = 32,    /* random words drawn at once */
	/* An answer repeats much of its request and adds a little: it must always fit. */
	TXN_SCRATCH = SIP_MSG_MAX + 4096,
};

struct sip_tl {
	struct timers *wheel; /* borrowed */
	struct sip_tl_hooks hooks;
	struct sip_tl_limits limits;
	struct sip_tl_stats stats;
	struct htab server; /* sip_stxn.link */
	struct htab merged; /* sip_stxn.merge: those that came without a To tag */
	struct htab client; /* sip_ctxn.link */
	struct list done;   /* sip_stxn.on_done: not INVITE, answered, oldest first */
	uint64_t n_done;
	uint64_t tag_key[2];
	uint64_t pool[TXN_POOL];
	unsigned pool_left;
	enum sip_shed shed;
	char scratch[TXN_SCRATCH]; /* a message under construction, until it is sent */
};

enum stxn_state {
	STXN_PROCEEDING, /* no final answer yet; Trying too */
	STXN_COMPLETED,  /* answered; INVITE: with an error */
	STXN_CONFIRMED,  /* INVITE: the error is acknowledged */
	STXN_ACCEPTED,   /* INVITE: answered 2xx (RFC 6026) */
	STXN_GONE,       /* being freed */
};

struct sip_stxn {
	struct htab_link link, merge;
	struct sip_tl *tl;   /* owner, outlives us */
	struct sip_msg *req; /* owned */
	char *resp;          /* owned: newest answer, to be repeated; NULL: none, or no memory */
	struct list on_done;
	struct timer t_again; /* Timer G, the repeated 2xx, the late 100 */
	struct timer t_end;   /* Timers H, I, J, L; a non-INVITE nobody answers */
	void *user;           /* the TU's */
	uint64_t since_us;
	struct sip_src src;
	uint32_t resp_len, interval_ms;
	uint16_t status;
	uint8_t state;         /* enum stxn_state */
	uint8_t tag_n;         /* of tag; 0: not said */
	char tag[TXN_TAG_MAX]; /* the To tag its answers will have */
	bool open;             /* counted in stats.open */
	bool in_merged;        /* merge is linked */
	bool by_name;   /* its answers do not reach where it came from: they go by the name in its Via */
	bool cancelled; /* the TU was told */
	bool proxied;   /* the TU is a proxy for it */
};

/* hooks.proxied of it. */
bool txn_is_proxied(const struct sip_tl *tl, const struct sip_msg *m, const struct sip_src *src);

enum ctxn_state {
	CTXN_CALLING,    /* nothing heard; Trying too */
	CTXN_PROCEEDING, /* a 1xx is in */
	CTXN_COMPLETED,  /* the final is in, and for INVITE it was an error */
	CTXN_ACCEPTED,   /* INVITE: a 2xx is in (RFC 6026) */
	CTXN_OVER,       /* being freed */
};

struct sip_ctxn {
	struct htab_link link;
	struct sip_tl *tl;    /* owner, outlives us */
	struct timer t_again; /* Timers A, E */
	struct timer t_end;   /* Timers B, D, F, K, M; 64*T1 after CANCEL */
	sip_ctxn_fn *fn;
	void *user;         /* the TU's; NULL: it does not listen */
	char *cancel_extra; /* owned: header lines for a CANCEL that waits; NULL: none */
	struct sip_dest to; /* host lies in text */
	struct span branch; /* lies in text */
	char *bytes; /* owned: the request; freed when there is nothing left to repeat or to derive from it */
	size_t bytes_n;
	uint32_t interval_ms;
	uint8_t method, state;
	bool provisional;
	bool cancel_wanted, cancel_sent;
	bool open;         /* counted in stats.open */
	bool repeated;     /* sent more than once */
	uint8_t elsewhere; /* how often it was sent to another server */
	char text[];
};

static inline bool txn_reliable(enum sip_transport tp)
{
	return tp != SIP_UDP;
}

static inline void txn_after(struct sip_tl *tl, struct timer *t, uint32_t ms, uint64_t now_us, timer_fn *fn)
{
	timer_set(tl->wheel, t, now_us + ms * US_PER_MS, fn);
}

/* ---- txn.c ---- */
/* Where an answer to req goes (RFC 3261 18.2.2, RFC 3581 4); borrows from req. */
struct sip_dest sip_tl_reply_dest(const struct sip_msg *req, const struct sip_src *src);

/* ---- txn_match.c ---- */
/* Does its branch alone tell it from all others (RFC 3261 17.2.3)? */
bool sip_match_by_branch(const struct sip_msg *m);
/* The hash a request, its ACK and its CANCEL share. */
uint64_t sip_match_hash(const struct sip_tl *tl, const struct sip_msg *m);
/* The transaction m belongs to; method is INVITE when m is ACK or CANCEL. */
struct sip_stxn *sip_match_request(struct sip_tl *tl, const struct sip_msg *m, enum sip_method method,
				   uint64_t hash);
/* The hash and the transaction of the same request that came another way (RFC 3261 8.2.2.2). */
uint64_t sip_match_merged_hash(const struct sip_tl *tl, const struct sip_msg *m);
struct sip_stxn *sip_match_merged(struct sip_tl *tl, const struct sip_msg *m, uint64_t hash);

/* ---- stxn.c ---- */
/* A transaction for new request m, in the tables; NULL: no memory. */
struct sip_stxn *sip_stxn_open(struct sip_tl *tl, const struct sip_msg *m, const struct sip_src *src,
			       uint64_t hash, uint64_t now_us);
void sip_stxn_free(struct sip_stxn *t);                             /* out of the tables, and no hook */
void sip_stxn_again(struct sip_stxn *t, const struct sip_src *src); /* the request came again */
bool sip_stxn_ack(struct sip_stxn *t, uint64_t now_us);             /* false: not ours to absorb */
void sip_stxn_unreachable(struct sip_tl *tl, uint64_t token); /* of an answer; another's token is fine */
/* To tag of the newest answer, which is parsed into m; empty: none. */
struct span sip_stxn_tag(const struct sip_stxn *t, struct sip_msg *m);

/* ---- ctxn.c ---- */
void sip_ctxn_input(struct sip_tl *tl, const struct sip_msg *m, uint64_t now_us);
void sip_ctxn_free_all(struct sip_tl *tl);

#endif
