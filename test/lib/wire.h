/* SPDX-License-Identifier: MIT */
/*
 * SIP, SDP and MSRP as plain text, for tests only.  What parley put on the wire is judged by this and never by
 * src/sip, src/sdp or src/msrp: a test that read with the code under test would share its mistakes.  It is
 * small because it expects well-formed text and says so when it is not.
 */
#ifndef PARLEY_TEST_WIRE_H
#define PARLEY_TEST_WIRE_H

#include <sys/types.h>

#include "base/span.h"

struct wire { /* one SIP message; spans into raw */
	struct span raw, start, head, body;
	bool request;
	struct span method; /* of the request; of CSeq in a response */
	struct span ruri;
	unsigned status;
	uint32_t cseq;
};

/* false: not SIP as we write it (start line, empty line, CSeq, Content-Length that fits). */
bool wire_read(struct wire *m, struct span raw);
/* Value of the nth (from 0) header of this name, compact form or not; p NULL: there is none. */
struct span wire_hdr(const struct wire *m, const char *name, unsigned nth);
unsigned wire_hdr_count(const struct wire *m, const char *name);
/* Is this header the one called name (compact forms too)? */
bool wire_name_is(struct span got, struct span name);

struct span wire_uri(struct span value);                      /* <this>, or what stands before ';' */
struct span wire_param(struct span value, const char *param); /* after the '>'; p NULL: absent */
bool wire_lists(struct span value, struct span token);        /* comma-separated, any case */

/* The nth line of a body that starts with prefix ("a=path:"), without its line end; what follows the prefix. */
struct span wire_line(struct span body, const char *prefix, unsigned nth);
/* The section of the nth m= line; p NULL: there are fewer. */
struct span wire_media(struct span body, unsigned nth);
unsigned wire_n_media(struct span body);
/* o= line: session id and version; false: none. */
bool wire_origin(struct span body, uint64_t *id, uint64_t *version);
/* Equal but for the o= line? */
bool wire_same_but_origin(struct span a, struct span b);

struct wire_msrp {
	struct span raw, tid, method, head, body, comment;
	unsigned status; /* 0: request */
	bool has_body;
	char flag; /* $ + # */
};
/* First MSRP message of in: bytes used; 0: need more; -1: this is not MSRP. */
ssize_t wire_msrp(struct wire_msrp *m, struct span in);
struct span wire_msrp_hdr(const struct wire_msrp *m, const char *name);

uint64_t wire_u64(struct span s); /* leading digits */

#endif
