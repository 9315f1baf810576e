/* SPDX-License-Identifier: MIT */
#include "tls_peer.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* ---- certificates ---- */

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(cert, e, -1), 1);
	X509_EXTENSION_free(e);
}

static FILE *file_for(char name[64])
{
	int fd;

	snprintf(name, 64, "/tmp/parley-tls-XXXXXX");
	fd = mkstemp(name);
	assert_true(fd >= 0);
	return fdopen(fd, "w");
}

static void write_files(struct identity *id)
{
	FILE *f = file_for(id->cert_file);

	assert_int_equal(PEM_write_X509(f, id->cert), 1);
	fclose(f);
	f = file_for(id->key_file);
	assert_int_equal(PEM_write_PrivateKey(f, id->key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(f);
}

void identity_make(struct identity *id, const char *san, const struct identity *by)
{
	static long serial = 1;
	X509 *c = X509_new();
	X509_NAME *name = X509_get_subject_name(c);
	char text[16];

	id->cert = c;
	id->key = EVP_EC_gen("P-256");
	assert_non_null(id->key);
	snprintf(text, sizeof(text), "test %ld", serial);
	X509_set_version(c, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(c), serial++);
	X509_gmtime_adj(X509_getm_notBefore(c), -60);
	X509_gmtime_adj(X509_getm_notAfter(c), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (unsigned char *)text, -1, -1, 0);
	X509_set_issuer_name(c, by ? X509_get_subject_name(by->cert) : name);
	X509_set_pubkey(c, id->key);
	extend(c, by ? by->cert : c, NID_basic_constraints, san ? "critical,CA:FALSE" : "critical,CA:TRUE");
	if (san)
		extend(c, by ? by->cert : c, NID_subject_alt_name, san);
	assert_true(X509_sign(c, by ? by->key : id->key, EVP_sha256()) > 0);
	write_files(id);
}

void identity_free(struct identity *id)
{
	unlink(id->cert_file);
	unlink(id->key_file);
	X509_free(id->cert);
	EVP_PKEY_free(id->key);
}

/* ---- the other end ---- */

void tls_peer_start(struct tls_peer *p, int fd, bool server, const struct identity *me)
{
	*p = (struct tls_peer){ .fd = fd };
	p->ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	assert_non_null(p->ctx);
	SSL_CTX_set_security_level(p->ctx, 0); /* it may try what ought to be refused */
	if (me) {
		assert_int_equal(SSL_CTX_use_certificate(p->ctx, me->cert), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(p->ctx, me->key), 1);
	}
	p->ssl = SSL_new(p->ctx);
	assert_non_null(p->ssl);
	SSL_set_fd(p->ssl, fd);
	if (server)
		SSL_set_accept_state(p->ssl);
	else
		SSL_set_connect_state(p->ssl);
}

void tls_peer_max(struct tls_peer *p, int version)
{
	assert_int_equal(SSL_set_min_proto_version(p->ssl, TLS1_VERSION), 1);
	assert_int_equal(SSL_set_max_proto_version(p->ssl, version), 1);
}

static bool waits(struct tls_peer *p, int r)
{
	int e = SSL_get_error(p->ssl, r);

	return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ||
	       (e == SSL_ERROR_SYSCALL && errno == ENOTCONN);
}

bool tls_peer_shake(struct tls_peer *p)
{
	int r;

	if (p->up || p->failed)
		return true;
	ERR_clear_error();
	errno = 0;
	r = SSL_do_handshake(p->ssl);
	p->up = r == 1;
	p->failed = r != 1 && !waits(p, r);
	return p->up || p->failed;
}

void tls_peer_write(struct tls_peer *p, const void *text, size_t n)
{
	ERR_clear_error();
	assert_int_equal(SSL_write(p->ssl, text, (int)n), n);
}

ssize_t tls_peer_read(struct tls_peer *p, char *buf, size_t cap)
{
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_read(p->ssl, buf, (int)cap - 1);
	buf[r > 0 ? r : 0] = 0;
	if (r > 0)
		return r;
	return waits(p, r) ? -1 : 0;
}

void tls_peer_end(struct tls_peer *p)
{
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	close(p->fd);
}
