/* SPDX-License-Identifier: MIT */
/* IP address and port as a value, without sockets; blocks of addresses (CIDR). */
#ifndef PARLEY_BASE_ADDR_H
#define PARLEY_BASE_ADDR_H

#include "base/wbuf.h"

struct addr {
	uint8_t family; /* 0 none, 4, 6 */
	uint16_t port;  /* host order */
	uint8_t ip[16]; /* network order; first 4 used for IPv4 */
};

struct cidr {
	struct addr net;
	uint8_t bits;
};

/* "192.0.2.1", "2001:db8::1" or "[2001:db8::1]"; anything else is a name: false, *a untouched. */
bool addr_parse(struct addr *a, struct span host, uint16_t port);
/* "192.0.2.1:5060", "[::1]:5060"; the port is needed. */
bool addr_parse_port(struct addr *a, struct span hostport);
bool addr_eq(const struct addr *a, const struct addr *b);      /* with port */
bool addr_same_ip(const struct addr *a, const struct addr *b); /* ::ffff:a.b.c.d equals a.b.c.d */
bool addr_is_any(const struct addr *a);
/* Host alone, IPv6 in RFC 5952 form; _uri puts brackets around IPv6. */
void w_addr_ip(struct wbuf *w, const struct addr *a);
void w_addr_uri(struct wbuf *w, const struct addr *a); /* host only, bracketed */
void w_addr(struct wbuf *w, const struct addr *a);     /* bracketed host and :port */

bool cidr_parse(struct cidr *c, struct span s); /* "10.0.0.0/8", "::1/128", a bare address */
bool cidr_has(const struct cidr *c, const struct addr *a);

#endif
