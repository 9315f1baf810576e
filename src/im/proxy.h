/* SPDX-License-Identifier: MIT */
/*
 * What the files of proxy mode share: proxy.c (response contexts and what happens to them), proxy_route.c (where a
 * request goes; pure), proxy_write.c (the message that is passed on).  Of the rest of im/ only im.c knows it.
 */
#ifndef PARLEY_IM_PROXY_H
#define PARLEY_IM_PROXY_H

#include "im/core.h"

enum { PROXY_RURI_MAX = 1024, PROXY_HASH_LEN = 16, PROXY_BRANCH_LEN = 40 };

struct proxy_keys {
	uint64_t mark[2];  /* of the tag in our Record-Route */
	uint64_t pass[2];  /* of the branch of what is passed on without a transaction */
	uint64_t loop;     /* of the loop hash in our branches */
	char epoch[8 + 1]; /* which mark key it was: after a restart there is another */
};

struct proxy {
	struct im *im; /* owner */
	struct proxy_keys keys;
	struct list contexts; /* proxy_ctx.link */
};

/* ---- proxy_route.c ---- */

/* urn:service:sos, or a service below it (RFC 5031). */
bool proxy_is_emergency(struct span ruri);

/* Where a request goes, and what becomes of its Request-URI and Route (RFC 3261 16.4..16.6).  Spans into the
 * message, the configuration, or text. */
struct proxy_route {
	struct span ruri;              /* as it goes out */
	struct span hop;               /* URI of the next hop; empty: it is for us */
	bool by_config;                /* hop is sip.next_hop */
	unsigned n_values;             /* Route values it came with */
	unsigned skip, drop;           /* so many of them at the front and at the end are not passed on */
	struct span append;            /* a last Route, displaced by a strict router; empty: none */
	struct span mark, second_mark; /* of our Record-Route, in the Route it came by; empty: none */
	char text[PROXY_RURI_MAX];
};
/* 0, or the status to refuse it with and *fault as reason phrase (NULL: the standard one). */
MUST_CHECK unsigned proxy_route(const struct im_conf *conf, const struct sip_msg *m, struct proxy_route *r,
				const char **fault);
void w_proxy_routes(struct wbuf *w, const struct sip_msg *m, const struct proxy_route *r);

/* The value of the parameter "parley" of our Record-Route: epoch, side and integrity tag (PX-7). */
enum proxy_side { PROXY_BOTH = 'b', PROXY_INITIATOR = 'i', PROXY_RESPONDER = 'r' };
void w_proxy_mark(struct wbuf *w, const struct proxy_keys *k, struct span call_id, enum proxy_side side);
/* PX-22: a mark of another epoch is nothing against a request; a wrong one of ours is. */
bool proxy_mark_is_ours(const struct proxy_keys *k, struct span call_id, struct span mark);
bool proxy_mark_forged(const struct proxy_keys *k, struct span call_id, struct span mark);

/* RFC 5393 4.2: PROXY_HASH_LEN digits that say what the request was routed by. */
void proxy_loop_hash(const struct proxy_keys *k, const struct sip_msg *m, char out[PROXY_HASH_LEN + 1]);
/* Was it here before, to be routed by the same? */
bool proxy_is_loop(const struct sip_msg *m, const char hash[PROXY_HASH_LEN + 1]);

/* ---- proxy_write.c ---- */

struct proxy_hop {
	struct sip_dest to;
	const struct im_listen *in, *out; /* listening points towards whom it came from and goes to */
	bool trusted;                     /* both of them belong to the core (IMS-2) */
	bool by_size;                     /* TCP only because it is large (RFC 3261 18.1.1) */
};
/* Where route leads; no_tcp: not even when it is large.  -EINVAL: nowhere we can send to. */
MUST_CHECK int proxy_hop(const struct im *im, const struct sip_src *src, const struct proxy_route *route,
			 struct proxy_hop *h);
/* m as it is passed on, into w (im->out).  May turn h to TCP, unless no_tcp. */
void w_proxy_request(struct wbuf *w, const struct proxy *px, const struct sip_msg *m,
		     const struct sip_src *src, const struct proxy_route *route, struct proxy_hop *h,
		     bool no_tcp, struct span branch);
/* A response without our Via, as the answer to t (NULL: passed on without a transaction).  false: it lacks the Via below
 * ours, and there is no t that has it. */
MUST_CHECK bool w_proxy_response(struct wbuf *w, const struct sip_msg *m, unsigned status, bool trusted,
				 const struct sip_stxn *t);

/* ---- proxy.c ---- */
void proxy_destroy(struct proxy *px); /* NULL is fine; sends nothing */
/* Is this request passed on as by a proxy in mode anchored and unanchored too?  Those for emergency services, and what
 * follows them along our Record-Route (IMS-28). */
bool proxy_takes(const struct im *im, const struct sip_msg *m, const struct sip_src *src);
/* What the transaction layer calls, in mode proxy and for what proxy_takes(); u is the im. */
void proxy_request(void *u, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us);
void proxy_ack(void *u, const struct sip_msg *m, const struct sip_src *src, uint64_t now_us);
void proxy_cancel(void *u, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us);
void proxy_gone(void *u, struct sip_stxn *t);
void proxy_stray(void *u, const struct sip_msg *m, uint64_t now_us);

#endif
