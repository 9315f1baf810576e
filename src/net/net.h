/* SPDX-License-Identifier: MIT */
/*
 * The world outside: one libuv loop with its SIP and MSRP sockets, names and time.  It cuts bytes into
 * messages (SIP) or hands them on as they come (MSRP, net/msrp.h) and knows nothing of sessions.  One struct
 * net belongs to one thread; every hook is called from net_run() and never from inside another net_
 * function, so a caller may send, connect and close from any hook.
 *
 * What is hard about it: batching.  A datagram handed to net_sip_send() leaves when the loop has handled all
 * that had arrived (or a batch is full), and so do small MSRP writes; a busy server thereby makes two system
 * calls per 32 messages, an idle one answers at once.
 *
 *	struct net *n = net_create(&conf, &hooks);
 *	net_listen_sip(n, SIP_UDP, &at, &bound) ... net_run(n) ... net_destroy(n);
 */
#ifndef PARLEY_NET_NET_H
#define PARLEY_NET_NET_H

#include "base/addr.h"
#include "sip/txn.h" /* struct sip_dest, struct sip_src */

struct uv_loop_s;
struct net; /* opaque */

struct net_conf {
	uint32_t sip_message_max;     /* bytes of a header section or of a body on a stream */
	uint32_t sip_connections_max; /* SIP over TCP and TLS, both directions together */
	uint32_t sip_queue_max;       /* bytes waiting to be written per SIP connection */
	uint32_t sip_idle_ms;         /* a SIP connection without traffic is closed */
	uint32_t sip_header_ms;       /* a message once begun, and the first, must be complete */
	uint32_t msrp_connections_max;
	uint32_t msrp_high, msrp_low; /* write queue of an MSRP connection: no room above, drained below */
	uint32_t connect_ms;          /* per address tried; and a TLS handshake of MSRP (UP-16) */
	uint32_t close_ms;            /* flushing what is queued at net_msrp_close() */
	uint32_t resolve_waiting_max; /* SIP messages waiting for a name */
	char ws_origins[512];    /* of pages that may connect by WebSocket, blank-separated; empty: all */
	char dns_servers[512];   /* "127.0.0.1:53,[::1]:53"; empty: those of the system */
	uint32_t dns_timeout_ms; /* of one question to one server, the first time */
	uint32_t dns_avoid_ms;   /* a server that failed is not the first choice for so long */
};
void net_conf_defaults(struct net_conf *c);

struct net_tls_conf {
	char certificate[256]; /* PEM files: our certificate with its chain, and its key */
	char key[256];
	char ca[256];         /* PEM file or directory of authorities; empty: the system's */
	bool require_clients; /* who connects must show a certificate of theirs */
	bool verify_servers;  /* who we connect to must show one that names it (RFC 5922) */
	/* For MSRP: both sides show a certificate and any will do; whose it is is asked later (UP-11), so the two above are
	 * not looked at.  Without a certificate of ours one is made that speaks for itself: its fingerprint is in our SDP. */
	bool any_peer;
};

/* One SIP message, or one piece of an MSRP stream, as it crossed the socket.  Valid during the call. */
struct net_trace {
	bool out, msrp;
	enum sip_transport tp;
	struct addr local, remote;
	struct span bytes;
	uint64_t now_us;
};

struct net_conn; /* an MSRP connection, net/msrp.h */

enum net_msrp_kind { NET_MSRP_TCP, NET_MSRP_TLS, NET_MSRP_WS, NET_MSRP_WSS };

struct net_hooks { /* NULL is fine for what is not used */
	void *u;
	/* One datagram, or one message of a stream; keep-alives made of CRLF are seen to here.  src->conn: the
	 * connection, or for a datagram the id of the socket it came in by: given back in sip_dest.conn the
	 * answer leaves by the same socket (RFC 3581 4).  bytes are valid during the call. */
	void (*sip)(void *u, struct span bytes, const struct sip_src *src, uint64_t now_us);
	/* A stream that could not be framed: err as sip_frame() gave it, head the header section if there
	 * is one.  What is sent to src from here still leaves, then the connection is closed. */
	void (*sip_broken)(void *u, struct span head, int err, const struct sip_src *src, uint64_t now_us);
	/* What was sent under token (not 0) did not reach the peer: refused, unreachable (ICMP), name unknown,
	 * connection lost with the message still queued.  At most once per net_sip_send(). */
	void (*sip_unreachable)(void *u, uint64_t token, uint64_t now_us);

	/* A peer connected: returns what the other MSRP hooks get as cu, NULL to have it closed.  With TLS its handshake is
	 * still to come. */
	void *(*msrp_accepted)(void *u, struct net_conn *c, enum net_msrp_kind kind, const struct addr *from,
			       uint64_t now_us);
	void (*msrp_connected)(void *cu,
			       uint64_t now_us); /* net_msrp_connect() succeeded, its handshake too */
	/* Bytes arrived; returns how many were taken.  Fewer than given: the rest is kept and nothing more is
	 * read until net_msrp_resume(). */
	size_t (*msrp_input)(void *cu, struct span in, uint64_t now_us);
	void (*msrp_drained)(void *cu, uint64_t now_us); /* there is room again */
	void (*msrp_closed)(void *cu, uint64_t now_us);  /* by the peer, or never connected; c is gone */

	/* The caller's timers: when the next is due (UINT64_MAX: none), asked after each turn of the loop;
	 * tick fires what is due. */
	uint64_t (*deadline)(void *u);
	void (*tick)(void *u, uint64_t now_us);

	/* What was handled in this turn had waited so long, or had the rest wait: the oldest datagram in the kernel's queue, the turn
	 * itself; a datagram lost there has its sender wait half a second.  Once per turn in which something came. */
	void (*lag)(void *u, uint64_t lag_us, uint64_t now_us);

	void (*trace)(void *u, const struct net_trace *t);
	/* Something an operator may want to know, stable name: "accept-failed", "over-limit" ... */
	void (*event)(void *u, const char *event, const char *detail);
};

/* clang-format off */
#define NET_METRICS(X) \
	X(udp_received, counter, "Datagrams received") \
	X(udp_sent, counter, "Datagrams sent") \
	X(udp_receive_calls, counter, "recvmmsg calls that returned datagrams") \
	X(udp_send_calls, counter, "sendmmsg calls") \
	X(udp_dropped, counter, "Datagrams dropped because the socket took no more") \
	X(udp_lost, counter, "Datagrams the kernel dropped because they were not read in time") \
	X(udp_truncated, counter, "Datagrams dropped because they were larger than the receive buffer") \
	X(lag_us, gauge, "Microseconds that what was handled last had waited, or had others wait") \
	X(sip_connections, gauge, "SIP stream connections open") \
	X(sip_connections_opened, counter, "SIP stream connections opened, both directions") \
	X(sip_timeouts, counter, "SIP stream connections closed because idle or because a message never ended") \
	X(unreachable, counter, "SIP messages reported as undeliverable") \
	X(msrp_connections, gauge, "MSRP connections open, closing ones included") \
	X(msrp_connections_opened, counter, "MSRP connections opened, both directions") \
	X(tcp_received_bytes, counter, "Bytes read from SIP and MSRP connections") \
	X(tcp_sent_bytes, counter, "Bytes written to SIP and MSRP connections") \
	X(ws_opened, counter, "WebSocket handshakes answered") \
	X(ws_refused, counter, "WebSocket connections refused or broken off for what the peer sent") \
	X(tls_failed, counter, "TLS handshakes that failed") \
	X(tls_resumed, counter, "TLS handshakes that resumed a session") \
	X(connects_failed, counter, "Outgoing connections that could not be made") \
	X(accepts_failed, counter, "Times accepting was suspended: no descriptor or at a limit") \
	X(lookups, counter, "Host names looked up, cache hits excluded") \
	X(lookups_failed, counter, "Host names that could not be resolved")
/* clang-format on */

struct net_stats {
#define X(name, kind, help) uint64_t name;
	NET_METRICS(X)
#undef X
};

/* conf and hooks are copied; hooks->u must outlive it.  NULL: no memory or no descriptor. */
struct net *net_create(const struct net_conf *conf, const struct net_hooks *hooks);
/* Closes every socket without a further hook.  Handles others put on net_loop() must have been uv_close()d. */
void net_destroy(struct net *n);

/* Once, before listening on or sending by SIP_TLS.  why: one line of at least 256 bytes.  0, -EINVAL. */
MUST_CHECK int net_use_tls(struct net *n, const struct net_tls_conf *conf, char why[256]);
/* The same for NET_MSRP_TLS. */
MUST_CHECK int net_use_msrp_tls(struct net *n, const struct net_tls_conf *conf, char why[256]);
enum { NET_FINGERPRINT_MAX = 104 };
/* Of the certificate MSRP peers see, as a=fingerprint has it: "sha-256 AA:..."; empty without TLS. */
void net_msrp_fingerprint(struct net *n, char out[NET_FINGERPRINT_MAX]);
/* Would it succeed? */
MUST_CHECK int net_check_tls(const struct net_tls_conf *conf, char why[256]);

/* Listen.  tp: any but other; port 0: any.  *bound (NULL is fine): the address in fact.  0, -errno. */
MUST_CHECK int net_listen_sip(struct net *n, enum sip_transport tp, const struct addr *at,
			      struct addr *bound);
MUST_CHECK int net_listen_msrp(struct net *n, enum net_msrp_kind kind, const struct addr *at,
			       struct addr *bound);

/* Runs until net_stop(); what is queued is then flushed as far as the sockets take it.  0, -errno. */
int net_run(struct net *n);
void net_stop(struct net *n);

uint64_t net_now(struct net *n);           /* monotonic us */
struct uv_loop_s *net_loop(struct net *n); /* for signals, management: handles of the same thread */
const struct net_stats *net_stats(struct net *n);

/**
 * net_sip_send(n, to, bytes, token): put one message on the wire; bytes are copied.
 * UDP: leaves by the socket to->conn names, else by the first of that family.  TCP, TLS: on connection to->conn,
 * else on one whose peer is to->ip (also one the peer opened, RFC 3261 18.2.2), else a new one is made.  With TLS a
 * connection made for one name is not used for another: its certificate was for that one (RFC 5922 7.3).
 * to->ip.family 0: to->host is resolved first, literal addresses at once, names through a cache: by RFC 3263 where to says that
 * port or transport were not given, and the transport in the Via is then made that of the server chosen.
 * 0: on its way, failure comes later by hook if token is not 0; 1: the same still waits for its name, and this copy is not needed;
 * or at once: -ENOTSUP transport, -EAFNOSUPPORT
 * no socket of that family, -EMSGSIZE, -ENOBUFS a limit was reached, -ENOMEM.
 */
int net_sip_send(struct net *n, const struct sip_dest *to, struct span bytes, uint64_t token);

/**
 * net_sip_elsewhere(n, to, request): the request, sent to the server of a name, failed there (503, no answer, no way; RFC 3263
 * 4.3): that one is avoided for a while.  true: there is another, for the same request under a new branch.
 */
bool net_sip_elsewhere(struct net *n, const struct sip_dest *to, struct span request);

#endif
