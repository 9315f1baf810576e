/* SPDX-License-Identifier: MIT */
/* SIP, SIPS and tel URIs, name-addrs and header parameters: spans into what they were read from. */
#ifndef PARLEY_SIP_URI_H
#define PARLEY_SIP_URI_H

#include "sip/msg.h"

enum sip_scheme { SIP_URI_OTHER, SIP_URI_SIP, SIP_URI_SIPS, SIP_URI_TEL };

struct sip_uri {
	enum sip_scheme scheme;
	struct span scheme_name;
	struct span user; /* without password; still escaped; tel: the number */
	struct span password;
	struct span host;    /* IPv6 in its brackets */
	uint16_t port;       /* 0: none */
	struct span params;  /* from after the first ';' */
	struct span headers; /* from after '?' */
};

/* 0, or -EINVAL.  An unknown scheme is not an error (the rest is then left empty). */
MUST_CHECK int sip_uri_parse(struct sip_uri *u, struct span s);
/* RFC 3261 19.1.4 (sip, sips), RFC 3966 4 (tel); other schemes byte for byte. */
bool sip_uri_eq(struct span a, struct span b);

struct sip_name_addr {
	struct span display; /* as written, quotes included; empty: none */
	struct span uri;     /* without <> */
	struct span params;  /* header parameters, from after the ';' */
	bool angle;          /* it stood in <> */
};
MUST_CHECK int sip_name_addr_parse(struct sip_name_addr *na, struct span value);

/* Value of parameter name in ";"-separated params, any case; quotes are kept.  false: absent; true
 * with an empty value for a flag.  Quoted ';' and '=' do not separate. */
bool sip_param(struct span params, struct span name, struct span *value);
/* Next parameter of *params: false at the end. */
bool sip_param_next(struct span *params, struct span *name, struct span *value);

MUST_CHECK int sip_via_parse(struct sip_via *v, struct span value);

/* Undo %xx into w, which must be at least as large. */
void w_unescape(struct wbuf *w, struct span s);

#endif
