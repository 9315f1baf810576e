/* SPDX-License-Identifier: MIT */
/* A struct net under test and plain sockets as its peers, all on one thread: the loop is turned until something is
 * true, with a bound that only a failure reaches. */
#ifndef PARLEY_TEST_NET_H
#define PARLEY_TEST_NET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "net/msrp.h"

enum { SEEN_MAX = 256, SEEN_TOKENS_MAX = 16 };

struct seen { /* what the hooks were told */
	unsigned n_sip, n_broken, n_tokens, n_accepted, n_connected, n_drained, n_closed;
	char sip[SEEN_MAX][64]; /* beginnings */
	size_t sip_n[SEEN_MAX];
	struct sip_src src; /* of the last */
	int broken_err;
	char broken_head[128];
	uint64_t tokens[SEEN_TOKENS_MAX];
	struct net_conn *conn;         /* of the last accepted */
	char *in;                      /* MSRP bytes taken */
	size_t in_n, in_cap, take_max; /* take_max: how many more are taken */
	bool refuse;
	unsigned events;
	uint64_t lag_us; /* the longest */
};

struct fixture {
	struct net *net;
	struct seen seen;
	struct addr udp, tcp, msrp; /* where it listens */
	/* Answers from inside the hook, when set. */
	void (*on_sip)(struct fixture *f, struct span bytes, const struct sip_src *src);
};

struct fixture *fixture_new(const struct net_conf *conf, const char *ip);
void fixture_free(struct fixture *f);

/* Turns the loop until cond is true; fails the test after ten seconds of nothing. */
bool turn_once(struct fixture *f, uint64_t *until_us);
#define run_until(f, cond)                                             \
	do {                                                           \
		uint64_t until_us_ = 0;                                \
		bool met_ = false;                                     \
		while (!(met_ = (cond)) && turn_once((f), &until_us_)) \
			;                                              \
		assert_true(met_);                                     \
	} while (0)

/* Peers: plain sockets of the test, non-blocking. */
int peer_udp(const char *ip, struct addr *at);
int peer_listen(const char *ip, struct addr *at);
int peer_connect(const struct addr *to);
struct addr peer_addr(int fd);
void peer_send_to(int fd, const struct addr *to, const char *text);
void peer_write(int fd, const void *p, size_t n); /* all of it must fit the socket */
/* Reads what is there, zero-terminated; -1: nothing yet, 0: ended. */
ssize_t peer_read(int fd, char *buf, size_t cap);

struct addr addr_of(const char *hostport);

#endif
