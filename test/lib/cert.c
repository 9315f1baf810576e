/* SPDX-License-Identifier: MIT */
/* See cert.h.  The digests only have to differ where names or hashes do. */
#include "lib/cert.h"

#include <stdio.h>

static const char *const hashes[] = { [SDP_SHA1] = "sha-1",
				      [SDP_SHA224] = "sha-224",
				      [SDP_SHA256] = "sha-256",
				      [SDP_SHA384] = "sha-384",
				      [SDP_SHA512] = "sha-512" };

enum sdp_hash cert_hash(struct span name)
{
	for (enum sdp_hash h = SDP_SHA1; h < ARRAY_LEN(hashes); h++)
		if (span_eq(name, span_of(hashes[h])))
			return h;
	return SDP_HASH_NONE;
}

size_t cert_digest(uint8_t out[SDP_DIGEST_MAX], enum sdp_hash h, const char *cert)
{
	size_t n = sdp_digest_len(h);
	uint64_t x = span_hash(span_of(cert), h);

	if (!cert[0])
		return 0;
	for (size_t i = 0; i < n; i++) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		out[i] = (uint8_t)(x >> 56);
	}
	return n;
}

bool cert_names(const char *cert, struct span host)
{
	struct span c = span_of(cert);

	return span_starts(c, SPAN("ca:")) && span_ieq(span_skip(c, 3), host);
}

void cert_print(char *out, size_t cap, enum sdp_hash h, const char *cert)
{
	uint8_t digest[SDP_DIGEST_MAX];
	size_t n = cert_digest(digest, h, cert), at;

	at = (size_t)snprintf(out, cap, "%s ", hashes[h]);
	for (size_t i = 0; i < n && at < cap; i++)
		at += (size_t)snprintf(out + at, cap - at, "%02X%s", digest[i], i + 1 < n ? ":" : "");
}
