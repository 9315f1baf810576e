/* SPDX-License-Identifier: MIT */
/*
 * The header section of a message/cpim body (RFC 3862): message headers, an empty line, the MIME headers of what is
 * wrapped, an empty line.  Reads only: the bytes are opaque (UP-35), what is told here serves judging, counting and
 * policy.  Nothing of the content behind it is ever looked at.
 */
#ifndef PARLEY_MSRP_CPIM_H
#define PARLEY_MSRP_CPIM_H

#include <sys/types.h>

#include "base/wbuf.h"

enum {
	CPIM_HEAD_MAX = 8192, /* both sections with their empty lines */
	CPIM_HEADERS_MAX = 64,
	CPIM_NS_MAX = 8, /* namespaces told apart; headers of further ones are skipped */
};

struct cpim {
	struct span from, to; /* URI inside "<>" of the first one; empty: none */
	struct span
		disposition_notification; /* of the namespace urn:ietf:params:imdn (RFC 5438 6); empty: none */
	struct span imdn_message_id;
	struct span type;     /* inner Content-Type, folded lines and all; empty: none, which is text/plain */
	struct span encoding; /* inner Content-Transfer-Encoding; empty: none */
	struct span mime;     /* the lines of the inner MIME headers, without the empty line */
};

/**
 * cpim_parse(c, in): the header section at the start of in.  Returns its length, which is where the content begins;
 * 0: need more; -EBADMSG: this is no message/cpim; -EMSGSIZE: longer than CPIM_HEAD_MAX or with too many headers.
 */
MUST_CHECK ssize_t cpim_parse(struct cpim *c, struct span in);

/* The inner type, text/plain where there is none (RFC 2045 5.2). */
struct span cpim_type(const struct cpim *c);

/* A header section for content of that type; unix_s 0: no DateTime.  Fails w_ok() where an URI cannot stand in "<>". */
void w_cpim(struct wbuf *w, struct span from, struct span to, uint64_t unix_s, struct span type);

#endif
