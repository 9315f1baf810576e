/* SPDX-License-Identifier: MIT */
/*
 * MSRP connections as byte pipes with back-pressure; net_hooks in net/net.h says what comes back.  A
 * connection ends either with net_msrp_close() (then no hook speaks of it any more) or with the hook
 * msrp_closed; after either the pointer is dead.
 */
#ifndef PARLEY_NET_MSRP_H
#define PARLEY_NET_MSRP_H

#include "net/net.h"

struct net_msrp_to {
	struct span
		host; /* a literal address or a name; the name is what a TLS server is told we came for (SNI) */
	uint16_t port;
	enum net_msrp_kind kind;
	uint64_t association; /* TLS: only connections of the same one resume each other's session */
};
/* Start connecting.  cu is what the hooks get.  NULL: no memory, over msrp_connections_max, or no TLS.  Then
 * msrp_connected or msrp_closed, later. */
struct net_conn *net_msrp_connect(struct net *n, void *cu, const struct net_msrp_to *to);

/* Write all pieces in order.  Small ones are gathered and leave at the end of this turn of the loop, large
 * ones go to the socket at once; what it does not take is copied.  A failure shows as msrp_closed, later. */
void net_msrp_write(struct net_conn *c, const struct span *piece, unsigned n);

/* Bytes below the high-water mark; 0: not connected yet, or wait for msrp_drained. */
size_t net_msrp_room(struct net_conn *c);

/* Feed again what msrp_input left, from the loop, and read on. */
void net_msrp_resume(struct net_conn *c);

/* Flush, bounded by conf.close_ms, then close.  NULL is fine. */
void net_msrp_close(struct net_conn *c);

/* The certificate the peer showed: its digest by a hash OpenSSL knows ("SHA256"), bytes written, 0: none, or no such
 * hash; and does it chain to an authority of ours and name host (UP-47)? */
size_t net_msrp_digest(const struct net_conn *c, const char *hash, uint8_t out[64]);
bool net_msrp_names(const struct net_conn *c, struct span host);

void net_msrp_peer(const struct net_conn *c, struct addr *out); /* family 0: not connected yet */

#endif
