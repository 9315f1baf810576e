/* SPDX-License-Identifier: MIT */
/* MSRP URIs and paths (RFC 4975 6). */
#ifndef PARLEY_MSRP_URI_H
#define PARLEY_MSRP_URI_H

#include "base/addr.h"

struct msrp_uri {
	bool tls;                   /* msrps */
	struct span userinfo, host; /* IPv6 in its brackets */
	uint16_t port;              /* 0: not given (not legal for us: explicit only) */
	struct span session;        /* session-id; empty: none */
	struct span transport;      /* "tcp" */
	struct span params;
};

MUST_CHECK int msrp_uri_parse(struct msrp_uri *u, struct span s); /* 0, -EINVAL */
/* RFC 4975 6.1 / UP-3: addresses by value, session-id case-sensitive, userinfo ignored. */
bool msrp_uri_eq(struct span a, struct span b);
/* First and last of a blank-separated path; false when empty. */
bool msrp_path_ends(struct span path, struct span *first, struct span *last);
bool msrp_path_next(struct span *rest, struct span *uri);

#endif
