/* SPDX-License-Identifier: MIT */
/*
 * TLS 1.2 and 1.3 for streams, by OpenSSL: one context per net, one link per connection.  The link reads and
 * writes its descriptor itself and never blocks; all returns are those of the socket calls it stands for, with
 * -errno in place of errno, so that a stream need not know which of the two it has.
 */
#ifndef PARLEY_NET_TLS_H
#define PARLEY_NET_TLS_H

#include <sys/types.h>

#include "base/addr.h"
#include "net/net.h"

struct tls;      /* certificate, key and authorities of a net */
struct tls_link; /* one connection's */

/* why: one line for the operator, at least 256 bytes.  NULL: a file could not be used. */
struct tls *tls_create(const struct net_tls_conf *conf, char why[256]);
void tls_destroy(struct tls *t); /* NULL is fine */

/* Links on fd, which stays the caller's.  The client's peer must show a certificate for name, or when that is empty
 * for the address (RFC 5922 7.1), unless the configuration says not to look.  NULL: no memory. */
struct tls_link *tls_accept(struct tls *t, int fd);
struct tls_link *tls_connect(struct tls *t, int fd, struct span name, const struct addr *ip);
/* With any_peer: name is what the server is told we came for.  A session with an earlier server of the same key is
 * resumed, if both still know it. */
struct tls_link *tls_call(struct tls *t, int fd, struct span name, uint64_t key);
void tls_free(struct tls_link *l); /* NULL is fine; the descriptor stays open */

/* 0: done.  -EAGAIN: call again when the descriptor is ready.  -EPROTO: it failed, tls_why() says how. */
int tls_handshake(struct tls_link *l);
enum { TLS_RECORD = 16384 };                             /* what one can carry (RFC 8446 5.1) */
ssize_t tls_read(struct tls_link *l, void *p, size_t n); /* bytes; 0: the peer ended it */
ssize_t tls_write(struct tls_link *l, const void *p, size_t n);
bool tls_wants_write(const struct tls_link *l); /* the last -EAGAIN waits for room, not for bytes */
/* More can be read although the descriptor may not say so. */
bool tls_has_more(const struct tls_link *l);
void tls_say_end(struct tls_link *l); /* close_notify, if it can be sent at once */
bool tls_resumed(const struct tls_link *l);
/* What the last -EPROTO was, in words; valid until the next call. */
const char *tls_why(const struct tls_link *l);

/* ---- certificates: tls_cert.c ---- */
/* Digest of the certificate the peer showed: bytes, 0: it showed none, or there is no such hash. */
size_t tls_digest(const struct tls_link *l, const char *hash, uint8_t out[64]);
/* Does it name host, as a SubjectAltName, and chain to an authority of ours? */
bool tls_names(const struct tls_link *l, struct span host);
/* Of ours: "sha-256 AA:BB..." (RFC 8122 5). */
void tls_fingerprint(const struct tls *t, char out[NET_FINGERPRINT_MAX]);

#endif
