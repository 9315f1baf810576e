/* SPDX-License-Identifier: MIT */
/* The parts of a message body (RFC 2046 multipart, RFC 5621), spans into the message. */
#ifndef PARLEY_SIP_BODY_H
#define PARLEY_SIP_BODY_H

#include "sip/msg.h"

enum { SIP_PARTS_MAX = 16, SIP_PART_DEPTH_MAX = 3 };

struct sip_part {
	struct span head; /* its MIME headers; empty for a body that is not multipart */
	struct span type; /* "application/sdp", without parameters; never empty */
	struct span type_params;
	struct span disposition; /* "session", "render" ...; empty: the type's default */
	bool optional;           /* handling=optional */
	struct span body;
};

struct sip_body {
	struct span sdp;                 /* the one session description; p NULL: none */
	const struct sip_part *sdp_part; /* into part[]: do not copy the struct */
	bool multipart;
	unsigned n;
	struct sip_part part[SIP_PARTS_MAX];
};

/**
 * sip_body_parse(b, m): 0, or the status to refuse with and *fault (PARSE-11, 15): 400 no
 * Content-Type, broken multipart, two offers; 415 a required part we do not understand, a content
 * encoding, nested deeper than SIP_PART_DEPTH_MAX.  A body may hold no SDP at all (sdp.p NULL).
 */
MUST_CHECK int sip_body_parse(struct sip_body *b, const struct sip_msg *m, const char **fault);

/* Writes the body of m with its SDP replaced by sdp (removed when sdp.p is NULL), every other part
 * byte for byte.  An empty body becomes sdp; a body of other things is written as it is; removing the
 * only part leaves nothing, and then there must be no Content-Type either. */
void w_body_with_sdp(struct wbuf *w, const struct sip_msg *m, const struct sip_body *b, struct span sdp);

#endif
