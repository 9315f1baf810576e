/* SPDX-License-Identifier: MIT */
/*
 * Certificates of the simulated world: a name is one.  Its digests are made of the name alone, so every run has the same;
 * "ca:HOST" is signed by an authority the server knows, and names HOST; every other has signed itself.
 */
#ifndef PARLEY_TEST_CERT_H
#define PARLEY_TEST_CERT_H

#include "sdp/sdp.h"

/* Bytes; 0: cert is "", none is shown. */
size_t cert_digest(uint8_t out[SDP_DIGEST_MAX], enum sdp_hash h, const char *cert);
bool cert_names(const char *cert, struct span host);
/* "sha-256 AA:BB..." */
void cert_print(char *out, size_t cap, enum sdp_hash h, const char *cert);
enum sdp_hash cert_hash(struct span name); /* "sha-256"; SDP_HASH_NONE: unknown */

#endif
