/* SPDX-License-Identifier: MIT */
/* Which server a request for a host name goes to (RFC 3263). */
#ifndef PARLEY_NET_LOCATE_H
#define PARLEY_NET_LOCATE_H

#include "net/priv.h"

struct target {
	enum sip_transport tp;
	unsigned n;
	struct addr addrs[NET_ADDRS_MAX]; /* of one server, the first of them to be tried first */
};

/* 1: *out; the same again for the same request, its repeats, its ACK and its CANCEL; 0: w waits, ask again; -ENOENT and other
 * -errno: there is none. */
int locate(struct net *n, const struct sip_dest *to, struct span request, struct target *out,
	   struct resolve_wait *w);
/* It could not be reached: avoided for a while, where a name leads there. */
void locate_failed(struct net *n, enum sip_transport tp, const struct addr *a);
/* Does who sends to a reach who listens there?  listening may be every address of the host. */
bool locate_is(const struct addr *listening, const struct addr *to);
void locate_finish(struct net *n);

#endif
