/* SPDX-License-Identifier: MIT */
/* SIP over TLS: whom we let in, whom we believe, and that the bytes are those of a plain stream. */
#include "tls_peer.h"

#include <dirent.h>
#include <dlfcn.h>

#define MESSAGE(body_n, body) "OPTIONS sip:a SIP/2.0\r\nContent-Length: " #body_n "\r\n\r\n" body

static const char first[] = MESSAGE(5, "first");
static const char second[] = MESSAGE(6, "second");

static struct identity ca, other_ca, here, known, stranger, elsewhere;

static int make_identities(void **state)
{
	identity_make(&ca, NULL, NULL);
	identity_make(&other_ca, NULL, NULL);
	identity_make(&here, "IP:127.0.0.1,DNS:localhost", &ca);
	identity_make(&known, "DNS:client.example.com", &ca);
	identity_make(&stranger, "IP:127.0.0.1", &other_ca);
	identity_make(&elsewhere, "DNS:elsewhere.example.com,IP:192.0.2.7", &ca);
	return 0;
}

static int free_identities(void **state)
{
	struct identity *all[] = { &ca, &other_ca, &here, &known, &stranger, &elsewhere };

	for (unsigned i = 0; i < 6; i++)
		identity_free(all[i]);
	return 0;
}

/* In front of the library's: who calls it? */
static unsigned directories_read;

DIR *opendir(const char *name)
{
	DIR *(*real)(const char *) = (DIR * (*)(const char *)) dlsym(RTLD_NEXT, "opendir");

	directories_read++;
	return real(name);
}

struct secure {
	struct fixture *f;
	struct addr at; /* its TLS listener */
};

static struct secure secure_with(const struct net_conf *conf, bool require_clients, bool verify_servers,
				 const char *authorities)
{
	struct secure s = { .f = fixture_new(conf, "127.0.0.1") };
	struct net_tls_conf tls = { .require_clients = require_clients, .verify_servers = verify_servers };
	struct addr any = addr_of("127.0.0.1:0");
	char why[256];

	snprintf(tls.certificate, sizeof(tls.certificate), "%s", here.cert_file);
	snprintf(tls.key, sizeof(tls.key), "%s", here.key_file);
	snprintf(tls.ca, sizeof(tls.ca), "%s", authorities);
	assert_int_equal(net_use_tls(s.f->net, &tls, why), 0);
	assert_int_equal(net_listen_sip(s.f->net, SIP_TLS, &any, &s.at), 0);
	return s;
}

static struct secure secure_new(const struct net_conf *conf, bool require_clients, bool verify_servers)
{
	return secure_with(conf, require_clients, verify_servers, ca.cert_file);
}

static struct tls_peer connected(struct secure *s, const struct identity *me)
{
	struct tls_peer p;

	tls_peer_start(&p, peer_connect(&s->at), false, me);
	run_until(s->f, tls_peer_shake(&p));
	return p;
}

static void messages_arrive_and_answers_leave(void **state)
{
	struct secure s = secure_new(NULL, false, true);
	struct tls_peer p = connected(&s, NULL);
	struct sip_dest to = { .tp = SIP_TLS };
	char buf[64];

	assert_true(p.up);
	/* Each byte a record of its own. */
	for (size_t i = 0; i < strlen(first); i++)
		tls_peer_write(&p, first + i, 1);
	run_until(s.f, s.f->seen.n_sip == 1);
	assert_int_equal(s.f->seen.sip_n[0], strlen(first));
	assert_int_equal(s.f->seen.src.tp, SIP_TLS);
	to.conn = s.f->seen.src.conn;
	assert_int_equal(net_sip_send(s.f->net, &to, SPAN("by id"), 0), 0);
	run_until(s.f, tls_peer_read(&p, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "by id");
	to = (struct sip_dest){ .tp = SIP_TLS, .ip = peer_addr(p.fd) };
	assert_int_equal(net_sip_send(s.f->net, &to, SPAN("by address"), 0), 0);
	run_until(s.f, tls_peer_read(&p, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "by address");
	tls_peer_end(&p);
	run_until(s.f, net_stats(s.f->net)->sip_connections == 0);
	fixture_free(s.f);
}

/* More than a record holds, both ways: nothing is left in OpenSSL's buffers, nothing twice in ours. */
static void what_is_larger_than_a_record_crosses(void **state)
{
	enum { BODY = 60000 };
	struct secure s = secure_new(NULL, false, true);
	struct tls_peer p = connected(&s, NULL);
	struct sip_dest to = { .tp = SIP_TLS };
	char *large = malloc(BODY + 200), *back = malloc(BODY + 200);
	int n = sprintf(large, "OPTIONS sip:a SIP/2.0\r\nContent-Length: %u\r\n\r\n", BODY);
	size_t got = 0, total = (size_t)n + BODY;

	for (int i = 0; i < BODY; i++)
		large[n + i] = (char)('a' + i % 23);
	tls_peer_write(&p, large, total);
	tls_peer_write(&p, second, strlen(second));
	run_until(s.f, s.f->seen.n_sip == 2);
	assert_int_equal(s.f->seen.sip_n[0], total);
	assert_int_equal(s.f->seen.sip_n[1], strlen(second));
	to.conn = s.f->seen.src.conn;
	assert_int_equal(net_sip_send(s.f->net, &to, (struct span){ large, total }, 0), 0);
	run_until(s.f, ({
			  ssize_t r = tls_peer_read(&p, back + got, total + 1 - got);
			  got += r > 0 ? (size_t)r : 0;
			  got >= total;
		  }));
	assert_int_equal(got, total);
	assert_memory_equal(back, large, total);
	free(large);
	free(back);
	tls_peer_end(&p);
	fixture_free(s.f);
}

/* A peer that stops reading fills our queue; what waited is all there once it reads on. */
static void a_full_socket_keeps_the_order(void **state)
{
	enum { PIECE = 20000, PIECES = 400 };
	struct net_conf conf;
	struct secure s;
	struct tls_peer p;
	struct sip_dest to = { .tp = SIP_TLS };
	static char piece[PIECE], buf[65536];
	size_t got = 0;

	net_conf_defaults(&conf);
	conf.sip_queue_max = (PIECES + 1) * PIECE;
	s = secure_new(&conf, false, true);
	p = connected(&s, NULL);
	tls_peer_write(&p, first, strlen(first));
	run_until(s.f, s.f->seen.n_sip == 1);
	to.conn = s.f->seen.src.conn;
	for (unsigned i = 0; i < PIECES; i++) {
		uint64_t until = 0;
		memset(piece, 'A' + (int)(i % 26), PIECE);
		assert_int_equal(net_sip_send(s.f->net, &to, (struct span){ piece, PIECE }, 0), 0);
		if (i % 7 == 0)
			turn_once(s.f, &until);
	}
	while (got < (size_t)PIECES * PIECE) {
		ssize_t r;
		run_until(s.f, (r = tls_peer_read(&p, buf, sizeof(buf))) >= 0);
		assert_true(r > 0);
		for (ssize_t i = 0; i < r; i++, got++)
			assert_int_equal(buf[i], 'A' + (int)(got / PIECE % 26));
	}
	tls_peer_end(&p);
	fixture_free(s.f);
}

/* ---- as a client ---- */

static int accept_on(int listener)
{
	return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* Sends to a server that is `as`, by name or by address; true: the message arrived. */
static bool reaches(struct secure *s, const struct identity *as, const char *name)
{
	struct sip_dest to = { .tp = SIP_TLS, .host = span_of(name) };
	int listener = peer_listen("127.0.0.1", &to.ip), fd = -1;
	struct tls_peer p;
	char buf[256] = "";
	bool arrived;

	if (name[0])
		to.ip.family = 0;
	s->f->seen.n_tokens = 0;
	assert_int_equal(net_sip_send(s->f->net, &to, span_of(first), 7), 0);
	run_until(s->f, (fd = accept_on(listener)) >= 0);
	tls_peer_start(&p, fd, true, as);
	run_until(s->f, (tls_peer_shake(&p), p.up && tls_peer_read(&p, buf, sizeof(buf)) > 0) ||
				s->f->seen.n_tokens > 0);
	arrived = strcmp(buf, first) == 0;
	assert_int_equal(s->f->seen.n_tokens, arrived ? 0 : 1);
	tls_peer_end(&p);
	close(listener);
	run_until(s->f, net_stats(s->f->net)->sip_connections == 0);
	return arrived;
}

static void a_server_must_be_whom_we_called(void **state)
{
	struct secure s = secure_new(NULL, false, true);

	assert_true(reaches(&s, &here, ""));
	assert_true(reaches(&s, &here, "localhost"));
	assert_false(reaches(&s, &elsewhere, ""));
	assert_false(reaches(&s, &elsewhere, "localhost"));
	assert_false(reaches(&s, &stranger, ""));
	assert_int_equal(net_stats(s.f->net)->tls_failed, 3);
	fixture_free(s.f);
}

static void unless_told_not_to_look(void **state)
{
	struct secure s = secure_new(NULL, false, false);

	assert_true(reaches(&s, &elsewhere, ""));
	assert_true(reaches(&s, &stranger, ""));
	fixture_free(s.f);
}

/* The system's authorities are looked up by the hash of their name; their directory is not read through, which for each
 * unknown certificate would cost more than all of the handshake. */
static void the_systems_authorities_are_found_by_hash(void **state)
{
	char dir[] = "/tmp/parley-ca-XXXXXX", hashed[64];
	struct secure s;

	assert_non_null(mkdtemp(dir));
	snprintf(hashed, sizeof(hashed), "%s/%08lx.0", dir, X509_subject_name_hash(ca.cert));
	assert_int_equal(symlink(ca.cert_file, hashed), 0);
	setenv("SSL_CERT_DIR", dir, 1);
	directories_read = 0;
	s = secure_with(NULL, false, true, "");
	assert_true(reaches(&s, &here, ""));
	assert_false(reaches(&s, &stranger, ""));
	assert_int_equal(directories_read, 0);
	fixture_free(s.f);
	unsetenv("SSL_CERT_DIR");
	unlink(hashed);
	rmdir(dir);
}

/* RFC 5922 7.3: what was shown for one name says nothing about another. */
static void a_connection_serves_one_name(void **state)
{
	struct secure s = secure_new(NULL, false, true);
	struct sip_dest to = { .tp = SIP_TLS };
	int listener = peer_listen("127.0.0.1", &to.ip), fd = -1, again = -1;
	struct sip_dest named = to;
	struct tls_peer p;
	char buf[256];

	named.ip.family = 0;
	named.host = SPAN("localhost");
	assert_int_equal(net_sip_send(s.f->net, &to, span_of(first), 0), 0);
	run_until(s.f, (fd = accept_on(listener)) >= 0);
	tls_peer_start(&p, fd, true, &here);
	run_until(s.f, (tls_peer_shake(&p), p.up && tls_peer_read(&p, buf, sizeof(buf)) > 0));
	assert_int_equal(net_sip_send(s.f->net, &to, span_of(second), 0), 0);
	run_until(s.f, tls_peer_read(&p, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, second);
	assert_int_equal(net_sip_send(s.f->net, &named, span_of(second), 0), 0);
	run_until(s.f, (again = accept_on(listener)) >= 0);
	assert_int_equal(net_stats(s.f->net)->sip_connections_opened, 2);
	close(again);
	tls_peer_end(&p);
	close(listener);
	fixture_free(s.f);
}

/* ---- as a server ---- */

/* A client hears of its refusal only when it reads (RFC 8446 4.4.2.4): what counts is whether it is heard. */
static bool is_heard(struct secure *s, const struct identity *me)
{
	struct tls_peer p = connected(s, me);
	unsigned before = s->f->seen.n_sip, failed = (unsigned)net_stats(s->f->net)->tls_failed;
	bool heard;

	if (p.up)
		SSL_write(p.ssl, first, (int)strlen(first));
	run_until(s->f, s->f->seen.n_sip > before || net_stats(s->f->net)->tls_failed > failed ||
				net_stats(s->f->net)->sip_connections == 0);
	heard = s->f->seen.n_sip > before;
	tls_peer_end(&p);
	run_until(s->f, net_stats(s->f->net)->sip_connections == 0);
	return heard;
}

static void a_client_must_be_known_where_asked_for(void **state)
{
	struct secure s = secure_new(NULL, true, true);

	assert_true(is_heard(&s, &known));
	assert_false(is_heard(&s, &stranger));
	assert_false(is_heard(&s, NULL));
	assert_int_equal(net_stats(s.f->net)->tls_failed, 2);
	assert_true(s.f->seen.events >= 2);
	fixture_free(s.f);
}

static bool speaks(int version)
{
	struct secure s = secure_new(NULL, false, true);
	struct tls_peer p;
	bool up;

	tls_peer_start(&p, peer_connect(&s.at), false, NULL);
	tls_peer_max(&p, version);
	run_until(s.f, tls_peer_shake(&p));
	up = p.up;
	tls_peer_end(&p);
	fixture_free(s.f);
	return up;
}

static void nothing_older_than_tls_1_2(void **state)
{
	assert_true(speaks(TLS1_3_VERSION));
	assert_true(speaks(TLS1_2_VERSION));
	assert_false(speaks(TLS1_1_VERSION));
	assert_false(speaks(TLS1_VERSION));
}

static void plain_text_is_no_handshake(void **state)
{
	struct secure s = secure_new(NULL, false, true);
	int fd = peer_connect(&s.at);
	char buf[64];

	peer_write(fd, first, strlen(first));
	run_until(s.f, net_stats(s.f->net)->tls_failed == 1);
	run_until(s.f, peer_read(fd, buf, sizeof(buf)) == 0 || errno == ECONNRESET);
	assert_int_equal(s.f->seen.n_sip, 0);
	close(fd);
	fixture_free(s.f);
}

static void a_handshake_has_its_time(void **state)
{
	struct net_conf conf;
	struct secure s;
	struct sip_dest to = { .tp = SIP_TLS };
	int listener = peer_listen("127.0.0.1", &to.ip), in, out = -1;
	char buf[4096];

	net_conf_defaults(&conf);
	conf.sip_header_ms = 30;
	s = secure_new(&conf, false, true);
	in = peer_connect(&s.at); /* says nothing */
	run_until(s.f, peer_read(in, buf, sizeof(buf)) == 0);
	/* A server that never answers our hello: the message it was for is reported. */
	assert_int_equal(net_sip_send(s.f->net, &to, span_of(first), 9), 0);
	run_until(s.f, (out = accept_on(listener)) >= 0);
	run_until(s.f, s.f->seen.n_tokens == 1);
	assert_int_equal(s.f->seen.tokens[0], 9);
	assert_int_equal(net_stats(s.f->net)->sip_timeouts, 2);
	close(in), close(out), close(listener);
	fixture_free(s.f);
}

static void unusable_files_are_named(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	struct net_tls_conf tls = { 0 };
	struct addr at = addr_of("127.0.0.1:0");
	char why[256];

	snprintf(tls.certificate, sizeof(tls.certificate), "/nonexistent/cert.pem");
	assert_int_equal(net_use_tls(f->net, &tls, why), -EINVAL);
	assert_non_null(strstr(why, "certificate \"/nonexistent/cert.pem\""));
	snprintf(tls.certificate, sizeof(tls.certificate), "%s", here.cert_file);
	snprintf(tls.key, sizeof(tls.key), "%s", known.key_file);
	assert_int_equal(net_use_tls(f->net, &tls, why), -EINVAL);
	assert_non_null(strstr(why, known.key_file));
	snprintf(tls.key, sizeof(tls.key), "%s", here.key_file);
	snprintf(tls.ca, sizeof(tls.ca), "%s", here.key_file);
	assert_int_equal(net_use_tls(f->net, &tls, why), -EINVAL);
	assert_non_null(strstr(why, "authorities"));
	/* And without any: there is no TLS. */
	assert_int_equal(net_listen_sip(f->net, SIP_TLS, &at, NULL), -ENOTSUP);
	assert_int_equal(net_sip_send(f->net, &(struct sip_dest){ .tp = SIP_TLS, .ip = at }, span_of(first),
				      0),
			 -ENOTSUP);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_arrive_and_answers_leave),
		cmocka_unit_test(what_is_larger_than_a_record_crosses),
		cmocka_unit_test(a_full_socket_keeps_the_order),
		cmocka_unit_test(a_server_must_be_whom_we_called),
		cmocka_unit_test(unless_told_not_to_look),
		cmocka_unit_test(the_systems_authorities_are_found_by_hash),
		cmocka_unit_test(a_connection_serves_one_name),
		cmocka_unit_test(a_client_must_be_known_where_asked_for),
		cmocka_unit_test(nothing_older_than_tls_1_2),
		cmocka_unit_test(plain_text_is_no_handshake),
		cmocka_unit_test(a_handshake_has_its_time),
		cmocka_unit_test(unusable_files_are_named),
	};

	return cmocka_run_group_tests(tests, make_identities, free_identities);
}
