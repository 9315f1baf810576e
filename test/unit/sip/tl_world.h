/* SPDX-License-Identifier: MIT */
/*
 * A transaction layer in virtual time.  Everything it does becomes a line of a diary, "<ms> <what>",
 * which a test compares with what it expects; what it sends is kept byte for byte.
 */
#ifndef PARLEY_TEST_TL_WORLD_H
#define PARLEY_TEST_TL_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>

#include "base/rng.h"
#include "lib/oom.h"
#include "sip/txn.h"

struct tl_sent {
	struct sip_dest to;
	char host[64];
	char bytes[4096];
	size_t n;
	uint64_t token;
};

struct tl_world {
	struct timers wheel;
	uint64_t now_us;
	struct sip_tl *tl;
	struct rng rng;
	struct sip_src src; /* where what is fed comes from */
	const char *via;    /* its transport in the Via */
	char diary[16384];
	size_t diary_len;
	struct tl_sent sent[64]; /* the newest, as a ring */
	unsigned n_sent;
	struct sip_stxn *stxn;     /* the newest request's */
	int send_result;           /* what send says */
	unsigned others;           /* further servers of the name; 0: elsewhere says no */
	bool by_name;              /* tl_start() sends to a name */
	bool by_size;              /* and by TCP for the size alone */
	unsigned answer;           /* nonzero: requests are answered with it from inside the hook */
	unsigned answer_when_gone; /* nonzero: as late as that */
};

/* A datagram from 192.0.2.9:5070, or a stream (conn 7). */
int tl_setup_udp(void **state);
int tl_setup_tcp(void **state);
int tl_teardown(void **state); /* ends the layer; a leak is the sanitizer's to find */
void tl_world_make(struct tl_world *w, enum sip_transport tp, uint32_t transactions_max);
void tl_world_end(struct tl_world *w);

/* Time passes until ms. */
void tl_until(struct tl_world *w, uint64_t ms);
/* The diary since the last look is exactly this. */
#define tl_expect(w, text)                             \
	do {                                           \
		assert_string_equal((w)->diary, text); \
		(w)->diary[(w)->diary_len = 0] = '\0'; \
	} while (0)

/* Parses text ("\n" stands for CRLF) and feeds it. */
void tl_feed(struct tl_world *w, const char *text);
/* A request of dialog "call-1": what is NULL is left at a plain default. */
struct tl_req {
	const char *method, *branch, *ruri, *to_tag, *call_id, *via_more, *extra;
	unsigned cseq;
	const char *cseq_method;
};
void tl_request(struct tl_world *w, struct tl_req r);
/* The answer to the newest message sent with this method. */
void tl_respond(struct tl_world *w, const char *method, unsigned status, const char *to_tag);
/* Starts a request; fn's calls go to the diary.  conn and tp as the world's. */
struct sip_ctxn *tl_start(struct tl_world *w, enum sip_method method);
/* The newest message sent, "\r\n" as "\n"; borrowed until the next call. */
const char *tl_last(struct tl_world *w);
const struct tl_sent *tl_last_sent(struct tl_world *w);
/* As above, the newest that begins with this. */
const char *tl_last_of(struct tl_world *w, const char *prefix);

#endif
