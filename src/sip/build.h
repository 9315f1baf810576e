/* SPDX-License-Identifier: MIT */
/* Writing SIP messages forward into one buffer. */
#ifndef PARLEY_SIP_BUILD_H
#define PARLEY_SIP_BUILD_H

#include "sip/msg.h"

/* "Name: value\r\n" */
void w_hdr(struct wbuf *w, enum sip_hdr_id id, struct span value);
void w_hdr_u64(struct wbuf *w, enum sip_hdr_id id, uint64_t value);
/* All headers of m with this id, lines as they stand. */
void w_hdr_copy(struct wbuf *w, const struct sip_msg *m, enum sip_hdr_id id);
/* Every header of m whose id is in keep (a bit per enum sip_hdr_id; SIP_H_OTHER is the unknown ones),
 * runs of neighbours copied at once, in their order. */
struct sip_hdr_set {
	uint64_t bits[(SIP_N_HEADERS + 63) / 64];
};
static inline void sip_set_add(struct sip_hdr_set *s, enum sip_hdr_id id)
{
	s->bits[id / 64] |= 1ull << (id % 64);
}
static inline void sip_set_drop(struct sip_hdr_set *s, enum sip_hdr_id id)
{
	s->bits[id / 64] &= ~(1ull << (id % 64));
}
static inline void sip_set_drop_all(struct sip_hdr_set *s, const uint8_t *id, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sip_set_drop(s, (enum sip_hdr_id)id[i]);
}
static inline bool sip_set_has(const struct sip_hdr_set *s, enum sip_hdr_id id)
{
	return s->bits[id / 64] >> (id % 64) & 1;
}
void w_hdr_copy_set(struct wbuf *w, const struct sip_msg *m, const struct sip_hdr_set *keep);

/**
 * Start of a response to req: status line, all Via (the top one with received/rport as RFC 3261
 * 18.2.1 and RFC 3581 want: src is where the request came from), From, To (to_tag added when the
 * request's To had none and to_tag is not empty), Call-ID, CSeq, Timestamp; Record-Route when the
 * request creates a dialog and status is 101..299.  reason empty: the standard phrase.
 */
struct addr;
void w_reply(struct wbuf *w, const struct sip_msg *req, const struct addr *src, unsigned status,
	     struct span reason, struct span to_tag);
/* All Via of req as w_reply() writes them: what an answer has, and a request that is passed on below ours. */
void w_vias(struct wbuf *w, const struct sip_msg *req, const struct addr *src);
/* Content-Length and the empty line; body may be empty (then no Content-Type either).  content_type empty: the
 * caller has written it. */
void w_end(struct wbuf *w, struct span content_type, struct span body);

#endif
