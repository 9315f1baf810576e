/* SPDX-License-Identifier: MIT */
/* What the tls*.c files share.  Nothing else includes this. */
#ifndef PARLEY_NET_TLS_INT_H
#define PARLEY_NET_TLS_INT_H

#include <openssl/ssl.h>

#include "net/tls.h"

enum { TLS_KEPT = 256 }; /* sessions with servers we called, for the next call */

struct tls {
	SSL_CTX *server, *client;
	struct tls_kept {
		uint64_t key;
		SSL_SESSION *session; /* owned; NULL: free */
	} kept[TLS_KEPT];
	unsigned kept_turn;
};

struct tls_link {
	SSL *ssl;
	struct tls *t;
	uint64_t key; /* of tls_call() */
	bool wants_write;
	bool over; /* reading is: over_with is what the next tls_read() returns */
	int over_with;
	char why[128];
};

/* tls_cert.c: a key and a certificate for it, that nobody but itself has signed.  0, -ENOMEM. */
MUST_CHECK int tls_make_identity(X509 **cert, EVP_PKEY **key);

#endif
