/* SPDX-License-Identifier: MIT */
/* The order in which the servers that DNS names are tried (RFC 2782, RFC 3263 4.1).  Pure: chance comes as a seed, and the
 * same seed gives the same order, as long as the records are the same. */
#ifndef PARLEY_NET_TARGET_H
#define PARLEY_NET_TARGET_H

#include "sip/txn.h"

enum { TARGETS_MAX = 8, TARGET_NAPTR_MAX = 4, TARGET_NAME_MAX = 254 };

struct target_srv {
	uint16_t priority, weight, port;
	char host[TARGET_NAME_MAX];
};

struct target_naptr {
	uint16_t order, preference;
	enum sip_transport tp;
	char srv[TARGET_NAME_MAX]; /* where its SRV records are */
};

/* Lowest priority number first; within one, by chance in proportion to the weights. */
void target_order(struct target_srv *t, unsigned n, uint64_t seed);
/* By order, then by preference. */
void target_naptr_order(struct target_naptr *t, unsigned n);
/* A NAPTR record's service field: which transport it means; false: none of ours. */
bool target_service(struct span service, enum sip_transport *tp);

#endif
