/* SPDX-License-Identifier: MIT */
/*
 * Certificates: what a peer showed, as digest (RFC 8122) and as name (RFC 4975 14.2), and one of our own for where none
 * was given.  An SDP names a certificate by its digest, so one that nobody has signed is as good as any, as long as
 * the SDP came a safe way (UP-48); made anew at each start, since nothing outlives the process that named it.
 */
#include <errno.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "net/tls_int.h"

enum { VALID_BEFORE_S = 24 * 3600, VALID_DAYS = 3650 };

size_t tls_digest(const struct tls_link *l, const char *hash, uint8_t out[64])
{
	X509 *cert = SSL_get0_peer_certificate(l->ssl);
	const EVP_MD *md = EVP_get_digestbyname(hash);
	unsigned n = 0;

	if (!cert || !md || EVP_MD_get_size(md) > 64 || X509_digest(cert, md, out, &n) != 1)
		return 0;
	return n;
}

bool tls_names(const struct tls_link *l, struct span host)
{
	X509 *cert = SSL_get0_peer_certificate(l->ssl);
	char name[256];
	struct wbuf w = wbuf_on(name, sizeof(name) - 1);
	struct addr ip;

	if (!cert || SSL_get_verify_result(l->ssl) != X509_V_OK)
		return false;
	if (host.n > 2 && host.p[0] == '[')
		host = span_cut(host, 1, host.n - 1);
	if (addr_parse(&ip, host, 0))
		return X509_check_ip(cert, ip.ip, ip.family == 4 ? 4 : 16, 0) == 1;
	w_span(&w, host);
	name[w.n] = '\0';
	/* No wildcards, as with SIP (RFC 5922 7.2), and no name but a SubjectAltName (UP-47). */
	return w_ok(&w) && host.n &&
	       X509_check_host(cert, name, host.n,
			       X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
}

void tls_fingerprint(const struct tls *t, char out[NET_FINGERPRINT_MAX])
{
	X509 *cert = SSL_CTX_get0_certificate(t->server);
	uint8_t sha[64];
	unsigned n = 0;

	out[0] = '\0';
	if (!cert || X509_digest(cert, EVP_sha256(), sha, &n) != 1)
		return;
	snprintf(out, NET_FINGERPRINT_MAX, "sha-256 ");
	for (unsigned i = 0; i < n; i++)
		snprintf(out + 8 + 3 * (size_t)i, 4, "%02X%s", sha[i], i + 1 < n ? ":" : "");
}

/* ---- one of our own ---- */

static bool set_name(X509 *c)
{
	X509_NAME *name = X509_get_subject_name(c);

	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"parley", -1, -1,
					  0) == 1 &&
	       X509_set_issuer_name(c, name) == 1;
}

static bool set_serial(X509 *c)
{
	uint64_t serial;

	return RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1 &&
	       ASN1_INTEGER_set_uint64(X509_get_serialNumber(c), serial >> 1) == 1;
}

static bool fill_in(X509 *c, EVP_PKEY *key)
{
	return X509_set_version(c, 2) == 1 && set_serial(c) && set_name(c) && X509_set_pubkey(c, key) == 1 &&
	       X509_gmtime_adj(X509_getm_notBefore(c), -VALID_BEFORE_S) &&
	       X509_time_adj_ex(X509_getm_notAfter(c), VALID_DAYS, 0, NULL) &&
	       X509_sign(c, key, EVP_sha256()) > 0;
}

int tls_make_identity(X509 **cert, EVP_PKEY **key)
{
	*key = EVP_EC_gen("P-256");
	*cert = X509_new();
	if (*key && *cert && fill_in(*cert, *key))
		return 0;
	EVP_PKEY_free(*key);
	X509_free(*cert);
	*key = NULL, *cert = NULL;
	return -ENOMEM;
}
