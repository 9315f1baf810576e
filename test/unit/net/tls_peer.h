/* SPDX-License-Identifier: MIT */
/* Certificates made on the spot, and the other end of a TLS connection: OpenSSL on a plain socket of the test. */
#ifndef PARLEY_TEST_TLS_PEER_H
#define PARLEY_TEST_TLS_PEER_H

#include <openssl/ssl.h>

#include "net_test.h"

struct identity { /* one certificate with its key, in memory and as files */
	X509 *cert;
	EVP_PKEY *key;
	char cert_file[64], key_file[64];
};

/* san: "IP:127.0.0.1", "DNS:example.com"; NULL: an authority.  by NULL: signs itself. */
void identity_make(struct identity *id, const char *san, const struct identity *by);
void identity_free(struct identity *id); /* its files too */

struct tls_peer {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
	bool up, failed;
};

/* From fd on; me NULL: it shows no certificate.  It believes everybody. */
void tls_peer_start(struct tls_peer *p, int fd, bool server, const struct identity *me);
void tls_peer_max(struct tls_peer *p, int version); /* before the first shake: no newer than this */
bool tls_peer_shake(struct tls_peer *p);            /* true: it is up, or it failed */
void tls_peer_write(struct tls_peer *p, const void *text, size_t n);
ssize_t tls_peer_read(struct tls_peer *p, char *buf, size_t cap); /* as peer_read() */
void tls_peer_end(struct tls_peer *p);

#endif
