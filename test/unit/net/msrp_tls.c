/* SPDX-License-Identifier: MIT */
/* MSRP over TLS: both sides show a certificate, any is taken, and what it was can be asked (UP-46, 47, UP-11). */
#include "tls_peer.h"

#include <signal.h>

static const char hello[] = "MSRP a786hjs2 SEND\r\n";
static struct identity ca, here, known, wild, self;

static int make_identities(void **state)
{
	identity_make(&ca, NULL, NULL);
	identity_make(&here, "IP:127.0.0.1,DNS:localhost", &ca);
	identity_make(&known, "DNS:localhost,IP:127.0.0.1,IP:::1", &ca);
	identity_make(&wild, "DNS:*.example.com", &ca);
	identity_make(&self, "IP:127.0.0.1,DNS:localhost", NULL);
	return 0;
}

static int free_identities(void **state)
{
	struct identity *all[] = { &ca, &here, &known, &wild, &self };

	for (unsigned i = 0; i < ARRAY_LEN(all); i++)
		identity_free(all[i]);
	return 0;
}

struct secure {
	struct fixture *f;
	struct addr at; /* its TLS listener */
};

static struct secure secure_new(const struct net_conf *conf, bool own_certificate)
{
	struct secure s = { .f = fixture_new(conf, "127.0.0.1") };
	struct net_tls_conf tls = { 0 };
	struct addr any = addr_of("127.0.0.1:0");
	char why[256];

	if (own_certificate) {
		snprintf(tls.certificate, sizeof(tls.certificate), "%s", here.cert_file);
		snprintf(tls.key, sizeof(tls.key), "%s", here.key_file);
	}
	snprintf(tls.ca, sizeof(tls.ca), "%s", ca.cert_file);
	assert_int_equal(net_listen_msrp(s.f->net, NET_MSRP_TLS, &any, NULL), -ENOTSUP);
	assert_int_equal(net_use_msrp_tls(s.f->net, &tls, why), 0);
	assert_int_equal(net_listen_msrp(s.f->net, NET_MSRP_TLS, &any, &s.at), 0);
	s.f->seen.take_max = SIZE_MAX / 4;
	return s;
}

static struct tls_peer connected(struct secure *s, const struct identity *me)
{
	struct tls_peer p;

	tls_peer_start(&p, peer_connect(&s->at), false, me);
	run_until(s->f, tls_peer_shake(&p));
	return p;
}

static void heard(struct secure *s, struct tls_peer *p)
{
	size_t before = s->f->seen.in_n;

	tls_peer_write(p, hello, strlen(hello));
	run_until(s->f, s->f->seen.in_n == before + strlen(hello));
}

static bool shows(struct net_conn *c, const struct identity *id)
{
	uint8_t want[64], got[64];
	unsigned n = 0;

	X509_digest(id->cert, EVP_sha512(), want, &n);
	return net_msrp_digest(c, "SHA512", got) == n && memcmp(want, got, n) == 0;
}

static void end(struct secure *s, struct tls_peer *p)
{
	tls_peer_end(p);
	run_until(s->f, net_stats(s->f->net)->msrp_connections == 0);
}

static void up_11_any_client_is_let_in_and_can_be_asked(void **state)
{
	struct secure s = secure_new(NULL, true);
	struct tls_peer p = connected(&s, &known);
	uint8_t digest[64];

	assert_int_equal(s.f->seen.n_accepted, 1);
	heard(&s, &p);
	assert_true(shows(s.f->seen.conn, &known));
	assert_false(shows(s.f->seen.conn, &self));
	assert_int_equal(net_msrp_digest(s.f->seen.conn, "SHA1", digest), 20);
	assert_int_equal(net_msrp_digest(s.f->seen.conn, "no such hash", digest), 0);
	end(&s, &p);

	p = connected(&s, &self); /* nobody has signed it */
	heard(&s, &p);
	assert_true(shows(s.f->seen.conn, &self));
	assert_false(net_msrp_names(s.f->seen.conn, SPAN("127.0.0.1")));
	end(&s, &p);

	p = connected(&s, NULL); /* shows none */
	heard(&s, &p);
	assert_int_equal(net_msrp_digest(s.f->seen.conn, "SHA256", digest), 0);
	assert_false(net_msrp_names(s.f->seen.conn, SPAN("127.0.0.1")));
	end(&s, &p);
	fixture_free(s.f);
}

/* What the peer sees of us is what our SDP says, made at the start or read from a file. */
static void our_fingerprint_is_what_we_show(void **state)
{
	for (unsigned own = 0; own < 2; own++) {
		struct secure s = secure_new(NULL, own);
		struct tls_peer p = connected(&s, &known);
		char want[NET_FINGERPRINT_MAX], got[NET_FINGERPRINT_MAX];
		uint8_t sha[64];
		unsigned n = 0;

		assert_true(p.up);
		net_msrp_fingerprint(s.f->net, want);
		X509_digest(SSL_get0_peer_certificate(p.ssl), EVP_sha256(), sha, &n);
		snprintf(got, sizeof(got), "sha-256 %02X", sha[0]);
		for (unsigned i = 1; i < n; i++)
			snprintf(got + strlen(got), 4, ":%02X", sha[i]);
		assert_string_equal(got, want);
		end(&s, &p);
		fixture_free(s.f);
	}
}

/* ---- as a client ---- */

static int accept_on(int listener)
{
	return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* Calls a server that is `as` by this host; the connection is up. */
static struct net_conn *call(struct secure *s, int listener, struct tls_peer *p, const struct identity *as,
			     const char *host, uint64_t association)
{
	struct net_msrp_to to = { .host = span_of(host), .kind = NET_MSRP_TLS, .association = association };
	struct sockaddr_in in;
	socklen_t n = sizeof(in);
	struct net_conn *c;
	unsigned before = s->f->seen.n_connected;
	int fd = -1;

	assert_int_equal(getsockname(listener, (struct sockaddr *)&in, &n), 0);
	to.port = ntohs(in.sin_port);
	c = net_msrp_connect(s->f->net, s->f, &to);
	assert_non_null(c);
	run_until(s->f, (fd = accept_on(listener)) >= 0);
	assert_int_equal(s->f->seen.n_connected, before); /* not before the handshake */
	tls_peer_start(p, fd, true, as);
	run_until(s->f, tls_peer_shake(p) && s->f->seen.n_connected > before);
	return c;
}

static void up_47_a_server_by_its_name(void **state)
{
	struct secure s = secure_new(NULL, true);
	struct addr at;
	int listener = peer_listen("127.0.0.1", &at);
	struct tls_peer p;
	struct net_conn *c = call(&s, listener, &p, &known, "localhost", 1);

	assert_string_equal(SSL_get_servername(p.ssl, TLSEXT_NAMETYPE_host_name), "localhost");
	assert_true(net_msrp_names(c, SPAN("localhost")));
	assert_true(net_msrp_names(c, SPAN("127.0.0.1")));
	assert_true(net_msrp_names(c, SPAN("[::1]")));
	assert_false(net_msrp_names(c, SPAN("elsewhere.example.com")));
	assert_false(net_msrp_names(c, SPAN("127.0.0.2")));
	assert_true(shows(c, &known));
	net_msrp_close(c);
	end(&s, &p);

	c = call(&s, listener, &p, &wild, "127.0.0.1", 1);
	assert_null(SSL_get_servername(p.ssl, TLSEXT_NAMETYPE_host_name)); /* RFC 6066 3 */
	assert_false(net_msrp_names(c, SPAN("a.example.com")));
	net_msrp_close(c);
	end(&s, &p);

	c = call(&s, listener, &p, &self, "127.0.0.1", 2); /* signed by itself alone */
	assert_false(net_msrp_names(c, SPAN("127.0.0.1")));
	assert_true(shows(c, &self));
	net_msrp_close(c);
	end(&s, &p);
	close(listener);
	fixture_free(s.f);
}

/* ---- versions, resumption ---- */

static bool speaks(int version)
{
	struct secure s = secure_new(NULL, false);
	struct tls_peer p;
	bool up;

	tls_peer_start(&p, peer_connect(&s.at), false, &known);
	tls_peer_max(&p, version);
	run_until(s.f, tls_peer_shake(&p));
	up = p.up;
	if (up)
		heard(&s, &p);
	assert_int_equal(net_stats(s.f->net)->tls_failed, !up);
	end(&s, &p);
	assert_int_equal(s.f->seen.n_closed, 1); /* who was told of it hears of its end */
	fixture_free(s.f);
	return up;
}

static void up_46_nothing_older_than_tls_1_2(void **state)
{
	assert_true(speaks(TLS1_3_VERSION));
	assert_true(speaks(TLS1_2_VERSION));
	assert_false(speaks(TLS1_1_VERSION));
	assert_false(speaks(TLS1_VERSION));
}

/* A client comes back: its certificate is that of the first time, without a signature. */
static void a_client_resumes(int version)
{
	struct secure s = secure_new(NULL, true);
	struct tls_peer p, q;
	SSL_SESSION *session = NULL;
	char buf[64];

	tls_peer_start(&p, peer_connect(&s.at), false, &known);
	tls_peer_max(&p, version);
	run_until(s.f, tls_peer_shake(&p));
	heard(&s, &p);
	run_until(s.f,
		  (tls_peer_read(&p, buf, sizeof(buf)), session = SSL_get1_session(p.ssl),
		   session && (SSL_SESSION_is_resumable(session) || (SSL_SESSION_free(session), false))));
	SSL_shutdown(p.ssl); /* or it would not count as one that went well */
	end(&s, &p);
	tls_peer_start(&q, peer_connect(&s.at), false, NULL);
	tls_peer_max(&q, version);
	assert_int_equal(SSL_set_session(q.ssl, session), 1);
	run_until(s.f, tls_peer_shake(&q));
	heard(&s, &q);
	assert_true(SSL_session_reused(q.ssl));
	assert_int_equal(net_stats(s.f->net)->tls_resumed, 1);
	assert_true(shows(s.f->seen.conn, &known));
	SSL_SESSION_free(session);
	end(&s, &q);
	fixture_free(s.f);
}

static void a_client_resumes_its_session(void **state)
{
	a_client_resumes(TLS1_2_VERSION);
	a_client_resumes(TLS1_3_VERSION);
}

/* One context for all calls, as a server has: its tickets are good for the next. */
static bool call_resumes(struct secure *s, int listener, SSL_CTX *ctx, uint64_t association)
{
	struct tls_peer p = { .fd = -1 };
	struct sockaddr_in in;
	socklen_t n = sizeof(in);
	struct net_msrp_to to = { .host = SPAN("localhost"),
				  .kind = NET_MSRP_TLS,
				  .association = association };
	struct net_conn *c;
	unsigned before = s->f->seen.n_connected;
	size_t in_before = s->f->seen.in_n;
	bool reused;

	getsockname(listener, (struct sockaddr *)&in, &n);
	to.port = ntohs(in.sin_port);
	c = net_msrp_connect(s->f->net, s->f, &to);
	assert_non_null(c);
	run_until(s->f, (p.fd = accept_on(listener)) >= 0);
	SSL_CTX_up_ref(ctx);
	p.ctx = ctx;
	p.ssl = SSL_new(ctx);
	SSL_set_fd(p.ssl, p.fd);
	SSL_set_accept_state(p.ssl);
	run_until(s->f, tls_peer_shake(&p) && s->f->seen.n_connected > before);
	tls_peer_write(&p, hello, strlen(hello)); /* behind it the ticket is read, too */
	run_until(s->f, s->f->seen.in_n > in_before);
	reused = SSL_session_reused(p.ssl);
	assert_true(shows(c, &known));
	net_msrp_close(c);
	end(s, &p);
	return reused;
}

static void up_49_we_resume_the_same_association_only(void **state)
{
	struct secure s = secure_new(NULL, true);
	struct addr at;
	int listener = peer_listen("127.0.0.1", &at);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	SSL_CTX_use_certificate(ctx, known.cert);
	SSL_CTX_use_PrivateKey(ctx, known.key);
	assert_false(call_resumes(&s, listener, ctx, 7));
	assert_true(call_resumes(&s, listener, ctx, 7));
	assert_true(call_resumes(&s, listener, ctx, 7));
	assert_false(call_resumes(&s, listener, ctx, 8));
	assert_int_equal(net_stats(s.f->net)->tls_resumed, 2);
	SSL_CTX_free(ctx);
	close(listener);
	fixture_free(s.f);
}

/* ---- bounds ---- */

static void up_16_a_handshake_has_its_time(void **state)
{
	struct net_conf conf;
	struct secure s;
	struct addr at;
	int listener = peer_listen("127.0.0.1", &at), in, out = -1;
	struct net_msrp_to to = { .host = SPAN("127.0.0.1"), .kind = NET_MSRP_TLS };
	char buf[64];

	net_conf_defaults(&conf);
	conf.connect_ms = 30;
	s = secure_new(&conf, true);
	in = peer_connect(&s.at); /* says nothing */
	run_until(s.f, s.f->seen.n_closed == 1);
	run_until(s.f, peer_read(in, buf, sizeof(buf)) == 0);
	to.port = at.port;
	assert_non_null(net_msrp_connect(s.f->net, s.f, &to));
	run_until(s.f, (out = accept_on(listener)) >= 0); /* never answers our hello */
	run_until(s.f, s.f->seen.n_closed == 2);
	assert_int_equal(s.f->seen.n_connected, 0);
	assert_int_equal(net_stats(s.f->net)->tls_failed, 2);
	run_until(s.f, net_stats(s.f->net)->msrp_connections == 0);
	close(in), close(out), close(listener);
	fixture_free(s.f);
}

static void plain_text_is_no_handshake(void **state)
{
	struct secure s = secure_new(NULL, true);
	int fd = peer_connect(&s.at);

	peer_write(fd, hello, strlen(hello));
	run_until(s.f, s.f->seen.n_closed == 1);
	assert_int_equal(s.f->seen.in_n, 0);
	assert_int_equal(net_stats(s.f->net)->tls_failed, 1);
	close(fd);
	fixture_free(s.f);
}

/* Both directions at once, with a reader that pauses: nothing is lost between OpenSSL's buffers and ours. */
static void all_bytes_cross_both_ways(void **state)
{
	enum { TOTAL = 3000000 };
	struct secure s = secure_new(NULL, true);
	struct tls_peer p = connected(&s, &known);
	static char out[TOTAL], buf[65536];
	size_t written = 0, got = 0, given = 0;

	for (size_t i = 0; i < TOTAL; i++)
		out[i] = (char)(i * 2654435761u >> 24);
	s.f->seen.take_max = 100000;
	while (written < TOTAL || got < TOTAL || s.f->seen.in_n < TOTAL) {
		uint64_t until = 0;
		size_t room = net_msrp_room(s.f->seen.conn),
		       part = TOTAL - given < room ? TOTAL - given : room;
		int r = written < TOTAL ? SSL_write(p.ssl, out + written, TOTAL - (int)written) : 0;
		written += r > 0 ? (size_t)r : 0;
		if (part) {
			/* in pieces that are no records */
			struct span all = { out + given, part }, piece[5] = { span_cut(all, 0, part / 1000) };
			piece[1] = span_cut(all, part / 1000, part / 3);
			piece[2] = span_cut(all, part / 3, part / 3 + part / 999);
			piece[4] = span_skip(all, part / 3 + part / 999);
			net_msrp_write(s.f->seen.conn, piece, 5);
			given += part;
		}
		ssize_t back = tls_peer_read(&p, buf, sizeof(buf));
		if (back > 0) {
			assert_memory_equal(buf, out + got, back);
			got += (size_t)back;
		}
		if (s.f->seen.take_max == 0) {
			s.f->seen.take_max = 90001;
			net_msrp_resume(s.f->seen.conn);
		}
		assert_true(turn_once(s.f, &until));
	}
	assert_int_equal(s.f->seen.in_n, TOTAL);
	assert_memory_equal(s.f->seen.in, out, TOTAL);
	end(&s, &p);
	fixture_free(s.f);
}

/* Several records and the end are read at once: first the bytes, then the end, though the descriptor says no more. */
static void the_end_comes_after_the_bytes(void **state)
{
	struct secure s = secure_new(NULL, true);
	struct tls_peer p = connected(&s, &known);

	heard(&s, &p);
	for (int i = 0; i < 5; i++)
		tls_peer_write(&p, hello, strlen(hello));
	SSL_shutdown(p.ssl); /* and the connection stays */
	run_until(s.f, s.f->seen.n_closed == 1);
	assert_int_equal(s.f->seen.in_n, 6 * strlen(hello));
	end(&s, &p);
	fixture_free(s.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(up_11_any_client_is_let_in_and_can_be_asked),
		cmocka_unit_test(our_fingerprint_is_what_we_show),
		cmocka_unit_test(up_47_a_server_by_its_name),
		cmocka_unit_test(up_46_nothing_older_than_tls_1_2),
		cmocka_unit_test(a_client_resumes_its_session),
		cmocka_unit_test(up_49_we_resume_the_same_association_only),
		cmocka_unit_test(up_16_a_handshake_has_its_time),
		cmocka_unit_test(plain_text_is_no_handshake),
		cmocka_unit_test(all_bytes_cross_both_ways),
		cmocka_unit_test(the_end_comes_after_the_bytes),
	};

	signal(SIGPIPE, SIG_IGN); /* as the server does: OpenSSL writes without a flag against it */
	return cmocka_run_group_tests_name("net/msrp_tls", tests, make_identities, free_identities);
}
