/* SPDX-License-Identifier: MIT */
/*
 * TLS by OpenSSL (tls.h).  What is hard is not the handshake but its errors: OpenSSL keeps them in a queue of the thread,
 * where one connection's leftovers look like the next one's failure.  So the queue is emptied before each call and
 * read right after it, and a certificate that was refused is named by its own result, not by "handshake failure".
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "net/tls_int.h"

/* Three records in one read; the buffer lives as long as something is in it (SSL_MODE_RELEASE_BUFFERS). */
enum { READ_AHEAD = 50 * 1024 };

/* Forward secrecy and authenticated encryption only (RFC 9325 4.2); TLS 1.3 has nothing else. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK";

/* ---- contexts ---- */

static const char *last_error(void)
{
	unsigned long e = ERR_peek_last_error();
	const char *text = e ? ERR_reason_error_string(e) : NULL;

	return text ? text : "no reason given";
}

static int refuse(char why[256], const char *what, const char *file)
{
	snprintf(why, 256, "%s \"%.150s\": %.60s", what, file, last_error());
	return -EINVAL;
}

static SSL_CTX *context(const SSL_METHOD *m)
{
	SSL_CTX *c = SSL_CTX_new(m);

	if (!c)
		return NULL;
	/* A peer that just closes (many SIP stacks do) is an end like another: SIP and MSRP frame themselves. */
	SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* What could not be written is tried again from the queue it was copied to, perhaps with more behind it. */
	SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				    SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(c, 1);
	SSL_CTX_set_default_read_buffer_len(c, READ_AHEAD);
	/* A ticket costs what a certificate costs, for OpenSSL reads back what it put in; one is what a client uses. */
	SSL_CTX_set_num_tickets(c, 1);
	if (SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 && SSL_CTX_set_cipher_list(c, ciphers) == 1)
		return c;
	SSL_CTX_free(c);
	return NULL;
}

static int load_authorities(SSL_CTX *c, const char *ca, char why[256])
{
	struct stat st;
	int ok;

	/* Not SSL_CTX_set_default_verify_paths(): with it comes a "store" that reads the whole directory, each file of
	 * it, whenever a certificate has an issuer that is not known: so for every peer that goes by its fingerprint. */
	if (!ca[0])
		ok = SSL_CTX_set_default_verify_file(c) == 1 && SSL_CTX_set_default_verify_dir(c) == 1;
	else if (stat(ca, &st) == 0 && S_ISDIR(st.st_mode))
		ok = SSL_CTX_load_verify_dir(c, ca);
	else
		ok = SSL_CTX_load_verify_file(c, ca);
	return ok == 1 ? 0 : refuse(why, "cannot use the authorities", ca);
}

static int make_identity(SSL_CTX *c, SSL_CTX *other)
{
	X509 *cert;
	EVP_PKEY *key;
	int err = tls_make_identity(&cert, &key);

	if (err < 0)
		return err;
	err = SSL_CTX_use_certificate(c, cert) == 1 && SSL_CTX_use_PrivateKey(c, key) == 1 &&
			      SSL_CTX_use_certificate(other, cert) == 1 &&
			      SSL_CTX_use_PrivateKey(other, key) == 1
		      ? 0
		      : -ENOMEM;
	X509_free(cert);
	EVP_PKEY_free(key);
	return err;
}

static int load_identity(SSL_CTX *c, const struct net_tls_conf *conf, char why[256])
{
	if (conf->any_peer && !conf->certificate[0])
		return 0; /* made, once for both */
	if (SSL_CTX_use_certificate_chain_file(c, conf->certificate) != 1)
		return refuse(why, "cannot use the certificate", conf->certificate);
	if (SSL_CTX_use_PrivateKey_file(c, conf->key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(c) != 1)
		return refuse(why, "cannot use the key", conf->key);
	return 0;
}

/* Whoever it is: what speaks against it stays to be asked (SSL_get_verify_result). */
static int take_any(int ok, X509_STORE_CTX *s)
{
	return 1;
}

static int set_up(SSL_CTX *c, const struct net_tls_conf *conf, int verify, char why[256])
{
	static const unsigned char id[] = "parley";

	if (!c) {
		snprintf(why, 256, "no memory for TLS");
		return -ENOMEM;
	}
	/* Resumption must not outlive a change of who may connect: sessions are ours alone. */
	SSL_CTX_set_session_id_context(c, id, sizeof(id) - 1);
	SSL_CTX_set_verify(c, conf->any_peer ? SSL_VERIFY_PEER : verify, conf->any_peer ? take_any : NULL);
	if (load_identity(c, conf, why) < 0)
		return -EINVAL;
	return load_authorities(c, conf->ca, why);
}

/* ---- sessions to resume ---- */

static struct tls_kept *kept_of(struct tls *t, uint64_t key)
{
	for (unsigned i = 0; i < TLS_KEPT; i++)
		if (t->kept[i].session && t->kept[i].key == key)
			return &t->kept[i];
	return NULL;
}

/* The server gave us a ticket: 1, it is ours now. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_link *l = SSL_get_app_data(ssl);
	struct tls_kept *k;

	if (!l || !l->key)
		return 0;
	k = kept_of(l->t, l->key);
	if (!k)
		k = &l->t->kept[l->t->kept_turn++ % TLS_KEPT];
	SSL_SESSION_free(k->session);
	*k = (struct tls_kept){ l->key, session };
	return 1;
}

/* A ticket is used once (RFC 8446 C.4); the server gives another. */
static void resume(struct tls_link *l)
{
	struct tls_kept *k = kept_of(l->t, l->key);

	if (!k)
		return;
	SSL_set_session(l->ssl, k->session);
	SSL_SESSION_free(k->session);
	k->session = NULL;
}

static void keep_sessions(struct tls *t)
{
	SSL_CTX_set_session_cache_mode(t->client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(t->client, on_session);
}

struct tls *tls_create(const struct net_tls_conf *conf, char why[256])
{
	struct tls *t = calloc(1, sizeof(*t));
	int of_clients =
		conf->require_clients ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE;
	int of_servers = conf->verify_servers ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;

	snprintf(why, 256, "no memory for TLS");
	if (!t)
		return NULL;
	ERR_clear_error();
	t->server = context(TLS_server_method());
	t->client = context(TLS_client_method());
	if (set_up(t->server, conf, of_clients, why) < 0 || set_up(t->client, conf, of_servers, why) < 0 ||
	    (conf->any_peer && !conf->certificate[0] && make_identity(t->server, t->client) < 0)) {
		tls_destroy(t);
		return NULL;
	}
	if (conf->any_peer)
		keep_sessions(t);
	return t;
}

void tls_destroy(struct tls *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < TLS_KEPT; i++)
		SSL_SESSION_free(t->kept[i].session);
	SSL_CTX_free(t->server);
	SSL_CTX_free(t->client);
	free(t);
}

/* ---- links ---- */

static struct tls_link *link_new(struct tls *t, SSL_CTX *c, int fd)
{
	struct tls_link *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->t = t;
	ERR_clear_error();
	l->ssl = SSL_new(c);
	if (l->ssl && SSL_set_fd(l->ssl, fd) == 1)
		return l;
	tls_free(l);
	return NULL;
}

struct tls_link *tls_accept(struct tls *t, int fd)
{
	struct tls_link *l = link_new(t, t->server, fd);

	if (l)
		SSL_set_accept_state(l->ssl);
	return l;
}

/* Whom the certificate must name (RFC 5922 7.1), and what the server is told we came for (SNI, names only). */
static bool expect(SSL *ssl, struct span name, const struct addr *ip)
{
	char host[256];
	struct wbuf w = wbuf_on(host, sizeof(host) - 1);

	if (!name.n)
		return X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl), (const unsigned char *)ip->ip,
						 ip->family == 4 ? 4 : 16) == 1;
	w_span(&w, name);
	host[w.n] = '\0';
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_WILDCARDS); /* RFC 5922 7.2 */
	return w_ok(&w) && SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

struct tls_link *tls_connect(struct tls *t, int fd, struct span name, const struct addr *ip)
{
	struct tls_link *l = link_new(t, t->client, fd);

	if (!l)
		return NULL;
	SSL_set_connect_state(l->ssl);
	if (expect(l->ssl, name, ip))
		return l;
	tls_free(l);
	return NULL;
}

struct tls_link *tls_call(struct tls *t, int fd, struct span name, uint64_t key)
{
	struct tls_link *l = link_new(t, t->client, fd);
	char host[256];
	struct wbuf w = wbuf_on(host, sizeof(host) - 1);
	struct addr ip;

	if (!l)
		return NULL;
	l->key = key;
	SSL_set_app_data(l->ssl, l);
	SSL_set_connect_state(l->ssl);
	resume(l);
	w_span(&w, name);
	host[w.n] = '\0';
	if (!name.n || addr_parse(&ip, name, 0) ||
	    SSL_set_tlsext_host_name(l->ssl, host) == 1) /* RFC 6066 3: no addresses */
		return l;
	tls_free(l);
	return NULL;
}

void tls_free(struct tls_link *l)
{
	if (!l)
		return;
	SSL_free(l->ssl);
	free(l);
}

/* ---- calls ---- */

static void name_failure(struct tls_link *l)
{
	bool any = SSL_get_verify_callback(l->ssl) == take_any;
	long verdict = any ? X509_V_OK : SSL_get_verify_result(l->ssl);

	snprintf(l->why, sizeof(l->why), "%s",
		 verdict != X509_V_OK ? X509_verify_cert_error_string(verdict) : last_error());
}

static ssize_t failed(struct tls_link *l, int r)
{
	int sys = errno;

	l->wants_write = false;
	switch (SSL_get_error(l->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		l->wants_write = true;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		snprintf(l->why, sizeof(l->why), "the connection was lost");
		return sys ? -sys : -ECONNRESET;
	default:
		name_failure(l);
		return -EPROTO;
	}
}

int tls_handshake(struct tls_link *l)
{
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_do_handshake(l->ssl);
	if (r == 1)
		return 0;
	r = (int)failed(l, r);
	return r ? r : -ECONNRESET;
}

static int clamp(size_t n)
{
	return n < INT32_MAX ? (int)n : INT32_MAX;
}

static ssize_t read_record(struct tls_link *l, void *p, size_t n)
{
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_read(l->ssl, p, clamp(n));
	return r > 0 ? r : failed(l, r);
}

/* All records that are here, so that what they carry goes on in one write.  An end behind them is told by itself. */
ssize_t tls_read(struct tls_link *l, void *p, size_t n)
{
	size_t got = 0;
	ssize_t r;

	if (l->over)
		return l->over_with;
	do {
		r = read_record(l, (char *)p + got, n - got);
		if (r > 0)
			got += (size_t)r;
	} while (r > 0 && got < n && SSL_has_pending(l->ssl));
	if (got == 0)
		return r;
	if (r <= 0 && r != -EAGAIN) {
		l->over = true;
		l->over_with = (int)r;
	}
	return (ssize_t)got;
}

ssize_t tls_write(struct tls_link *l, const void *p, size_t n)
{
	ssize_t r;

	ERR_clear_error();
	errno = 0;
	r = SSL_write(l->ssl, p, clamp(n));
	if (r > 0)
		return r;
	r = failed(l, (int)r);
	return r ? r : -EPIPE;
}

bool tls_wants_write(const struct tls_link *l)
{
	return l->wants_write;
}

bool tls_has_more(const struct tls_link *l)
{
	return l->over || SSL_has_pending(l->ssl) == 1;
}

void tls_say_end(struct tls_link *l)
{
	ERR_clear_error();
	if (SSL_is_init_finished(l->ssl))
		SSL_shutdown(l->ssl);
}

bool tls_resumed(const struct tls_link *l)
{
	return SSL_session_reused(l->ssl) == 1;
}

const char *tls_why(const struct tls_link *l)
{
	return l->why[0] ? l->why : "the connection was lost";
}
