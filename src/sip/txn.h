/* SPDX-License-Identifier: MIT */
/*
 * The transaction layer of one worker: RFC 3261 17 with RFC 6026 (Accepted states), RFC 4320
 * (non-INVITE answers) and RFC 3581.  Pure: messages and time in, bytes to send and events out
 * through the hooks.  Timers are the caller's wheel.
 */
#ifndef PARLEY_SIP_TXN_H
#define PARLEY_SIP_TXN_H

#include "base/addr.h"
#include "base/htab.h"
#include "base/pool.h"
#include "base/timer.h"
#include "sip/msg.h"

enum { SIP_T1_MS = 500, SIP_T2_MS = 4000, SIP_T4_MS = 5000, SIP_HOST_MAX = 255 };

/* Where bytes go.  host is used when ip.family is 0: the world resolves it. */
struct sip_dest {
	enum sip_transport tp;
	struct addr ip;   /* port is always set in ip.port */
	struct span host; /* borrowed; the layer copies what it keeps */
	uint64_t conn;    /* as in sip_src; 0: any.  Gone: connect to ip */
	/* Of a host: the URI named no port, no transport; ip.port and tp are what holds when DNS says nothing (RFC 3263). */
	bool any_port, any_tp;
	/* tp is TCP for the size of the request alone, and its Via would be right for UDP too but for the transport: where nobody
	 * takes the connection it goes by UDP (RFC 3261 18.1.1). */
	bool by_size;
};

/* Where a message came from. */
struct sip_src {
	enum sip_transport tp;
	struct addr ip;
	uint64_t conn; /* the stream, or the socket the datagram came in by; 0: not known */
};

struct sip_tl;   /* one per worker */
struct sip_stxn; /* server transaction */
struct sip_ctxn; /* client transaction */

enum sip_end {                      /* why a client transaction ended */
	       SIP_END_TIMEOUT = 1, /* no final response: Timer B or F, or 64*T1 after CANCEL */
	       SIP_END_TRANSPORT,   /* could not be sent (RFC 3261 8.1.3.1: as 503) */
	       SIP_END_ACCEPTED,    /* no failure: an INVITE answered 2xx is over (Timer M) */
};

struct sip_tl_hooks {
	void *u;
	/* Put bytes on the wire; token comes back in sip_tl_unreachable() when that fails later; 0: do
	 * not tell.  Negative: it failed at once; 1: what was given before waits for its name, nothing has left yet. */
	int (*send)(void *u, const struct sip_dest *to, struct span bytes, uint64_t token);
	void (*random)(void *u, void *p, size_t n);
	/* A new request, not ACK or CANCEL.  t lives until it is answered finally and its timers ended;
	 * sip_stxn_request(t) is the request until the call in which it is answered finally returns; later (an INVITE's
	 * apart) of it only method, CSeq number and top Via remain.  Must be answered, now or later; an INVITE that
	 * is not within 200 ms gets its 100 from here, another request is forgotten after 64*T1. */
	void (*request)(void *u, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us);
	/* An ACK that belongs to no non-2xx answer: for a 2xx, or astray. */
	void (*ack)(void *u, const struct sip_msg *m, const struct sip_src *src, uint64_t now_us);
	/* CANCEL matched INVITE transaction t, which has no final answer yet (200 already sent). */
	void (*cancel)(void *u, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us);
	/* t (an INVITE answered 2xx) was never acknowledged within 64*T1 (RFC 3261 13.3.1.4). */
	void (*no_ack)(void *u, struct sip_stxn *t, uint64_t now_us);
	/* t is about to be freed: forget it.  Called once for every t given to request(). */
	void (*gone)(void *u, struct sip_stxn *t);
	/* A response that matches no transaction (a 2xx of another fork after Timer M, noise). */
	void (*stray)(void *u, const struct sip_msg *m, uint64_t now_us);
	/* Does the TU pass this request on as a proxy (RFC 3261 16)?  Then each 2xx to it given to sip_stxn_reply() is sent once, and
	 * any number of them (RFC 6026 7.1); there is no no_ack; the same request by another way is one of its own; a
	 * CANCEL that fits nothing is told to ack().  NULL: it never does. */
	bool (*proxied)(void *u, const struct sip_msg *m, const struct sip_src *src);
	/* A request for a host failed: could it go to another server of that name, under a new branch (RFC 3263 4.3)?  NULL:
	 * never. */
	bool (*elsewhere)(void *u, const struct sip_dest *to, struct span request);
	/* A BYE that there is no room, or no memory, for: its dialog can end all the same.  true: it has, and gets its 200; one that
	 * is repeated is not known as such.  NULL, or false: refused like any other request. */
	bool (*bye)(void *u, const struct sip_msg *m, uint64_t now_us);
	struct pool *pool; /* borrowed: for what lives as long as a transaction; NULL: malloc */
};

struct sip_tl_limits {
	/* Without a final answer yet, server and client together.  Above: 503 to new requests outside dialogs, 500 inside (PARSE-18).
	 * BYE, PRACK and what we send ourselves may go up to twice that: they finish work that was let in. */
	uint32_t transactions_max;
	/* Answered, and kept only to repeat the answer (Timer J): above, the oldest is forgotten early.  0: four
	 * times transactions_max. */
	uint32_t answered_max;
};

struct sip_tl_stats {            /* gauges and counters, for metrics and idle checks */
	uint64_t server, client; /* alive now */
	uint64_t open;           /* of them, without a final answer */
	uint64_t retrans_in, retrans_out, timeouts, refused, stray;
	uint64_t shed; /* of those refused, for overload */
};

enum sip_shed { SIP_SHED_NOTHING, SIP_SHED_NEW, SIP_SHED_ALL };

/* wheel and hooks must outlive it.  NULL: no memory. */
struct sip_tl *sip_tl_create(struct timers *wheel, const struct sip_tl_hooks *hooks,
			     const struct sip_tl_limits *limits);
void sip_tl_destroy(struct sip_tl *tl); /* no hook is called */
const struct sip_tl_stats *sip_tl_stats(const struct sip_tl *tl);
void sip_tl_fit(struct sip_tl *tl); /* tables as small as what is in them; not from inside a hook */

/* There is too much to do: from now on new requests outside dialogs are told 503 (SIP_SHED_NEW), those inside 500 too
 * (SIP_SHED_ALL); never ACK, CANCEL, BYE or PRACK (PARSE-18). */
void sip_tl_shed(struct sip_tl *tl, enum sip_shed what);

/* A parsed message (sip_msg_parse returned 0) arrived.  Retransmissions, ACKs to our errors, merged
 * requests (482, PARSE-7), CANCELs without a match (481, PARSE-12) end here.  A response whose top Via
 * is not ours cannot carry a branch of ours: it goes to stray, which drops it (PARSE-17). */
void sip_tl_input(struct sip_tl *tl, const struct sip_msg *m, const struct sip_src *src, uint64_t now_us);
/* Transport says that what was sent under token cannot be delivered (ICMP, connect failed). */
void sip_tl_unreachable(struct sip_tl *tl, uint64_t token, uint64_t now_us);
/* Answer without a transaction: a request that did not parse.  Nothing is sent to an ACK. */
void sip_tl_refuse(struct sip_tl *tl, const struct sip_msg *m, const struct sip_src *src, unsigned status,
		   struct span reason);

/* ---- server side ---- */
const struct sip_msg *sip_stxn_request(const struct sip_stxn *t);
const struct sip_src *sip_stxn_src(const struct sip_stxn *t);
void sip_stxn_set_user(struct sip_stxn *t, void *user); /* NULL again when user dies */
/* The To tag the answers to an INVITE will have, 32 bytes at the most, as soon as it is known: the 200 to its CANCEL
 * should carry the same (RFC 3261 9.2). */
void sip_stxn_set_tag(struct sip_stxn *t, struct span tag);
void *sip_stxn_user(const struct sip_stxn *t);
bool sip_stxn_proxied(const struct sip_stxn *t);    /* what hooks.proxied said */
unsigned sip_stxn_status(const struct sip_stxn *t); /* last sent; 0: none */
uint64_t sip_stxn_since(const struct sip_stxn *t);  /* arrival, us */
/**
 * Send a response (complete bytes, copied for retransmission).  A 2xx to INVITE is repeated here
 * (T1 doubling to T2) until sip_stxn_acked() or no_ack (Timer L's 64*T1).  A final answer after a final
 * answer, or a provisional after one, is ignored; so is to a non-INVITE a 408 or a 1xx that is not 100
 * (RFC 4320).  hooks.gone is never called from inside.  Returns 0, or -ENOMEM: sent, not kept.
 */
int sip_stxn_reply(struct sip_stxn *t, unsigned status, struct span bytes, uint64_t now_us);
/* As above, building from w_reply() with extra header lines ("" for none) and no body. */
int sip_stxn_reply_simple(struct sip_stxn *t, unsigned status, struct span reason, struct span to_tag,
			  struct span extra, uint64_t now_us);
/* The ACK for its 2xx is in: stop repeating. */
void sip_stxn_acked(struct sip_stxn *t, uint64_t now_us);

/* ---- client side ---- */
/* A fresh branch, with the magic cookie; zero-terminated in buf. */
struct span sip_tl_branch(struct sip_tl *tl, char buf[40]);
/* resp NULL: t is over, end says why.  Called for each response that is not absorbed: 1xx, the final;
 * for INVITE each further 2xx while Accepted (RFC 6026), retransmissions included: the TU re-sends its
 * ACK; 64*T1 after the first 2xx a last call with resp NULL and SIP_END_ACCEPTED.  After a final non-2xx,
 * or for non-INVITE after any final, or with resp NULL, t is not to be used any more. */
typedef void sip_ctxn_fn(void *user, struct sip_ctxn *t, const struct sip_msg *resp, enum sip_end end,
			 uint64_t now_us);
/**
 * Send a request (not ACK) whose top Via carries branch, and see it through.  For INVITE the ACK to a
 * non-2xx is made here.  NULL: no memory or over the limit, nothing sent.  fn is never called from inside.
 */
struct sip_ctxn *sip_ctxn_start(struct sip_tl *tl, enum sip_method method, struct span branch,
				const struct sip_dest *to, struct span bytes, sip_ctxn_fn *fn, void *user,
				uint64_t now_us);
void sip_ctxn_set_user(struct sip_ctxn *t, void *user); /* NULL: answers are dropped, the
								 * transaction is still completed */
/* Somebody else hears of it from now on. */
void sip_ctxn_hand_over(struct sip_ctxn *t, sip_ctxn_fn *fn, void *user);
/* INVITE only: send CANCEL, once a provisional is in (RFC 3261 9.1); extra header lines (Reason).
 * A no-op once it was called or a final came. */
void sip_ctxn_cancel(struct sip_ctxn *t, struct span extra, uint64_t now_us);
bool sip_ctxn_provisional(const struct sip_ctxn *t); /* any 1xx seen */

#endif
