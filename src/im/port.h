/* SPDX-License-Identifier: MIT */
/*
 * All that im/ may ask of the world (style R12).  Two implementations: net/ with the real sockets, test/sim and
 * test/lib with virtual time.  Nothing here calls back into im/ before it returns.
 */
#ifndef PARLEY_IM_PORT_H
#define PARLEY_IM_PORT_H

#include <stdarg.h>

#include "base/addr.h"
#include "im/plane.h"
#include "sip/txn.h"

struct im_msrp_to { /* where an MSRP connection of ours goes */
	struct span host;
	uint16_t port;
	enum plane_tp tp;
	uint64_t association; /* TLS: connections of the same one may resume each other's session */
};

enum im_level { IM_ERROR, IM_WARN, IM_NOTICE, IM_INFO, IM_DEBUG };

struct im_port {
	void *w;
	void (*random)(void *w, void *p, size_t n); /* cryptographic in production */

	/* Seconds since 1970, for what is written into messages; nothing here is decided by it.  NULL: not known. */
	uint64_t (*unix_s)(void *w);

	/* SIP out: see sip_tl_hooks.send.  The bytes are copied or written before it returns. */
	int (*sip_send)(void *w, const struct sip_dest *to, struct span bytes, uint64_t token);

	/* See sip_tl_hooks.elsewhere; NULL: never. */
	bool (*sip_elsewhere)(void *w, const struct sip_dest *to, struct span request);

	/* MSRP.  wc is the world's connection; it dies with msrp_close or after plane_conn_closed(). */
	/* Start connecting.  A TLS handshake shows our certificate and takes any; the connection is made when it is done.
	 * NULL: could not even begin.  Later plane_conn_connected() or plane_conn_closed(). */
	void *(*msrp_connect)(void *w, struct plane_conn *c, const struct im_msrp_to *to);
	/* The certificate the peer showed, once there was a handshake: its digest, bytes written, 0 when it showed none;
	 * and does it chain to an authority of ours and name host? */
	size_t (*msrp_digest)(void *w, void *wc, enum sdp_hash h, uint8_t out[SDP_DIGEST_MAX]);
	bool (*msrp_names)(void *w, void *wc, struct span host);
	/* Write all of the pieces, in order: what the socket does not take now is copied and queued.  Callers look at
	 * msrp_room() first, except for responses and REPORTs, which are small and bounded. */
	void (*msrp_write)(void *w, void *wc, const struct span *piece, unsigned n);
	/* Bytes that may be queued now before the high-water mark; 0: wait for plane_conn_drained(). */
	size_t (*msrp_room)(void *w, void *wc);
	/* After plane_conn_input() took less than it was given the world holds the rest and stops reading; this makes
	 * it feed the rest again, from its loop, and read on. */
	void (*msrp_resume)(void *w, void *wc);
	/* Flush what is queued (bounded by the world, 5 s), then close.  plane_conn_closed() is not called any more. */
	void (*msrp_close)(void *w, void *wc);

	/* Memory by the slab (base/pool.h); take NULL: none, all comes from malloc. */
	struct pool_pages pages;

	/* One line per event (style R21): stable name, key=value text. */
	void (*log)(void *w, enum im_level level, const char *event, const char *fmt, va_list ap);
	bool (*log_wanted)(void *w, enum im_level level);
};

#endif
