/* SPDX-License-Identifier: MIT */
/* What the files of net/ share.  Nobody outside includes this. */
#ifndef PARLEY_NET_PRIV_H
#define PARLEY_NET_PRIV_H

#include <sys/socket.h>
#include <uv.h>

#include "base/htab.h"
#include "base/timer.h"
#include "net/msrp.h"

enum {
	NET_READ_MAX = 128 * 1024,  /* one read of any stream: the shared buffer */
	NET_FAILED_MAX = 64 * 1024, /* tokens waiting to be reported unreachable */
	NET_ADDRS_MAX = 8,          /* of one name, tried in order */
};

struct tls;      /* tls.h */
struct udp_in;   /* receive batch, udp.c */
struct resolver; /* name cache, resolve.c */
struct locator;  /* servers chosen and servers avoided, locate.c */
struct target_srv;
struct target_naptr;

struct net {
	uv_loop_t loop;
	uv_prepare_t prepare; /* the end of each turn */
	uv_timer_t timer;     /* only wakes the loop; what is due is decided in the turn */
	uint64_t armed_us;    /* when timer will wake; UINT64_MAX: not set */
	uint64_t now_us;
	uint64_t woke_us; /* first callback of this turn; 0: there was none */
	uint64_t wait_us; /* of the datagrams read since then the longest */
	uint64_t turn_us; /* how long the last end of a turn took */
	bool stopping;
	struct net_conf conf;
	struct net_hooks hooks;
	struct net_stats stats;
	struct timers wheel; /* time-outs of connections and lookups */
	uint64_t last_id;    /* connections and sockets; never reused */

	char *record_buf; /* TLS_RECORD: what goes into one and lies in several places */
	char *read_buf;   /* NET_READ_MAX, shared by all streams: a read is consumed before the next */
	struct udp_in *udp_in;
	struct list udp;        /* struct udp_sock, in the order of listening */
	struct list listeners;  /* struct listener */
	struct list attention;  /* struct stream: to be flushed, fed again or reported broken */
	struct list sip_conns;  /* struct sip_conn, all */
	struct list msrp_conns; /* struct net_conn, all */
	struct htab sip_by_id, sip_by_peer;
	struct tls *tls, *msrp_tls; /* owned; NULL: none in use */
	struct resolver *resolver;
	struct locator *locator; /* owned; NULL: no name was sent to yet */
	struct list waiting;     /* struct waiting: SIP messages whose name is looked up */
	unsigned n_waiting;

	uint64_t *failed; /* owned: tokens for sip_unreachable */
	size_t n_failed, failed_cap;
};

/* net.c */
uint64_t net_clock_us(void);
void net_touch(struct net *n);                      /* now_us = the clock: at the top of each loop callback */
void net_fail_token(struct net *n, uint64_t token); /* reported at the end of this turn; 0 is ignored */
void net_event(struct net *n, const char *event, const struct addr *who, int err);
void net_event_why(struct net *n, const char *event, const struct addr *who, const char *why); /* in words */

/* sock.c: sockets and addresses; all return -errno */
socklen_t sock_from_addr(struct sockaddr_storage *ss, const struct addr *a);
bool sock_to_addr(struct addr *a, const struct sockaddr_storage *ss);
void sock_local(int fd, struct addr *a); /* family 0 when it cannot be known */
MUST_CHECK int sock_listen(const struct addr *at, int type, struct addr *bound); /* descriptor */
MUST_CHECK int sock_connect(const struct addr *to);                              /* connecting */
MUST_CHECK int sock_accept(int fd, struct addr *from);
void sock_stream_options(int fd);
uint64_t sock_lost(int fd); /* datagrams the kernel dropped for want of room */

/* udp.c */
struct udp_sock;
MUST_CHECK int udp_listen(struct net *n, const struct addr *at, struct addr *bound);
/* conn: id of the socket to use, 0 or unknown: the first of the family. */
int udp_send(struct net *n, uint64_t conn, const struct addr *to, struct span bytes, uint64_t token);
bool udp_is(struct net *n, const struct addr *a); /* is it one of ours? */
bool udp_speaks(struct net *n, uint8_t family);
void udp_flush(struct net *n);
uint64_t udp_lost(struct net *n);
MUST_CHECK int udp_in_init(struct net *n);
void udp_finish(struct net *n);

/* listen.c: accepting on TCP */
enum listen_kind { /* the first ones in the order of enum sip_transport, from TCP on */
		   LISTEN_SIP,
		   LISTEN_SIP_TLS,
		   LISTEN_SIP_WS,
		   LISTEN_SIP_WSS,
		   LISTEN_MSRP /* from here on: + enum net_msrp_kind */
};
MUST_CHECK int listener_open(struct net *n, enum listen_kind kind, const struct addr *at, struct addr *bound);
bool listener_is(struct net *n, enum listen_kind kind, const struct addr *a);
bool listener_has(struct net *n, enum listen_kind kind);
void listeners_resume(struct net *n); /* a connection ended: there may be room again */
void listeners_finish(struct net *n);

/* resolve.c */
struct resolve_wait {
	struct list link; /* on the name asked for; list_del() to lose interest */
	/* n 0: it could not be resolved.  Ports are 0.  Called from the loop. */
	void (*done)(struct resolve_wait *w, const struct addr *addrs, unsigned n);
};
struct resolver *resolver_create(struct net *n);
void resolver_destroy(struct resolver *r); /* the loop must have run out its lookups: resolver_cancel() */
void resolver_cancel(struct resolver *r);
/* Literal or cached: the number of addresses (> 0) now.  0: w->done comes later.  -ENOENT (known not to
 * exist), -ENOBUFS, -EINVAL. */
int resolve(struct net *n, struct span host, struct addr addrs[NET_ADDRS_MAX], struct resolve_wait *w);

/* Likewise; in the order of the answer.  w->done says only that there is an answer. */
int resolve_srv(struct net *n, struct span name, struct target_srv *eight, struct resolve_wait *w);
int resolve_naptr(struct net *n, struct span name, struct target_naptr *four, struct resolve_wait *w);

/* dial.c: connecting, address after address */
struct dial;
/* fd >= 0: connected to *peer, the descriptor is the callee's; else -errno of the last.  From the loop. */
typedef void dial_fn(void *u, int fd, const struct addr *peer);
struct dial *dial_start(struct net *n, const struct addr *addrs, unsigned n_addrs, dial_fn *fn, void *u);
void dial_cancel(struct dial *d); /* NULL is fine; fn is not called */

/* sip.c: SIP over TCP and TLS */
void sip_accepted(struct net *n, enum sip_transport tp, int fd, const struct addr *from);
/* host: the name addrs were found for, which a certificate must show; empty: an address was asked for. */
int sip_stream_send(struct net *n, enum sip_transport tp, uint64_t conn, struct span host,
		    const struct addr *addrs, unsigned n_addrs, struct span bytes, uint64_t token);
bool sip_conn_is(struct net *n, uint64_t id);
void sip_finish(struct net *n);

/* send.c */
void send_finish(struct net *n);

/* msrp.c */
void msrp_accepted(struct net *n, enum net_msrp_kind kind, int fd, const struct addr *from);
void msrp_finish(struct net *n);

static inline void net_trace(struct net *n, const struct net_trace *t)
{
	if (n->hooks.trace)
		n->hooks.trace(n->hooks.u, t);
}

#endif
