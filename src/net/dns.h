/* SPDX-License-Identifier: MIT */
/* Questions to name servers: c-ares on our loop.  What they answer is read by resolve.c, which keeps it. */
#ifndef PARLEY_NET_DNS_H
#define PARLEY_NET_DNS_H

#include "net/priv.h"
#include "net/target.h"

struct dns;

/* What was found.  Counts are 0 when nothing was, or nothing usable. */
struct dns_answer {
	uint32_t ttl_s;
	unsigned n;
	union {
		struct addr addrs[NET_ADDRS_MAX];
		struct target_srv srv[TARGETS_MAX];
		struct target_naptr naptr[TARGET_NAPTR_MAX];
	};
};

enum dns_kind { DNS_ADDR, DNS_SRV, DNS_NAPTR };

/* Called once per question, perhaps from inside dns_ask(), and from dns_destroy() for what is open. */
typedef void dns_fn(void *u, const struct dns_answer *a);

/* dns_read.c: the message that answers a question for SRV or NAPTR records, as it arrived; pure. */
enum { DNS_MESSAGE_MAX = 65535 };
void dns_read(struct dns_answer *a, enum dns_kind kind, const unsigned char *m, size_t n);

struct dns *dns_create(struct net *n);
void dns_destroy(struct dns *d); /* NULL is fine; its handles close with the next turns of the loop */
void dns_ask(struct dns *d, enum dns_kind kind, const char *name, dns_fn *fn, void *u);

#endif
