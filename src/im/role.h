/* SPDX-License-Identifier: MIT */
/* Session case and served user (ROLE-5..7), decided once at the initial request. */
#ifndef PARLEY_IM_ROLE_H
#define PARLEY_IM_ROLE_H

#include "im/im.h"

enum __attribute__((packed)) im_case { IM_ORIGINATING, IM_TERMINATING };

struct im_role {
	enum im_case scase;
	char served_user[128]; /* URI, cut when longer */
	const char
		*evidence; /* static: "P-Served-User", "Route marker", "orig parameter", "Request-URI" ... */
};

/* Is a peer at this address one whose P- headers count (sip.trusted, IMS-2)? */
/* Is the next hop? */
bool role_trusts(const struct im_conf *conf, const struct sip_dest *to);
bool role_trusted(const struct im_conf *conf, const struct addr *from);
/* Is this URI one of ours: host and port of a listening point (as advertised or as bound)? */
bool role_is_us(const struct im_conf *conf, struct span uri);
/* Is this a SIP or SIPS URI of a domain we serve (im.served_domains), or of our own host? */
bool role_serves(const struct im_conf *conf, struct span uri);
/* 0, or 403 with *fault as reason phrase (no evidence; originating and nobody asserted). */
MUST_CHECK int role_decide(const struct im_conf *conf, const struct sip_msg *req, bool trusted,
			   struct im_role *out, const char **fault);

#endif
