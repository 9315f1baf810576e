/* SPDX-License-Identifier: MIT */
/* MSRP connections: back-pressure both ways, and every way to end. */
#include "net_test.h"

static char pattern_at(size_t i)
{
	return (char)(i * 131 + (i >> 9));
}

static char *pattern(size_t n)
{
	char *p = malloc(n);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = pattern_at(i);
	return p;
}

static void accept_conn(struct fixture *f, int *fd)
{
	*fd = peer_connect(&f->msrp);
	run_until(f, f->seen.n_accepted == 1);
}

static void bytes_go_both_ways(void **state)
{
	struct fixture *f = fixture_new(NULL, "::1");
	struct span pieces[] = { SPAN("one "), SPAN("two "), SPAN("three") };
	struct addr peer;
	char buf[64];
	int fd;

	accept_conn(f, &fd);
	net_msrp_peer(f->seen.conn, &peer);
	assert_int_equal(peer.family, 6);
	peer_write(fd, "hello", 5);
	run_until(f, f->seen.in_n == 5);
	assert_memory_equal(f->seen.in, "hello", 5);
	net_msrp_write(f->seen.conn, pieces, ARRAY_LEN(pieces));
	run_until(f, peer_read(fd, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "one two three");
	close(fd);
	run_until(f, f->seen.n_closed == 1);
	run_until(f, net_stats(f->net)->msrp_connections == 0);
	fixture_free(f);
}

static void a_refused_peer_is_closed(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	char buf[64];
	int fd;

	f->seen.refuse = true;
	accept_conn(f, &fd);
	run_until(f, peer_read(fd, buf, sizeof(buf)) == 0);
	close(fd);
	run_until(f, net_stats(f->net)->msrp_connections == 0);
	assert_int_equal(f->seen.n_closed, 0);
	fixture_free(f);
}

/* UPA-14: who does not take stops the sender, and loses nothing. */
static void a_consumer_that_does_not_take_stops_the_sender(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	size_t total = 8 * 1024 * 1024, sent = 0;
	char *bytes = pattern(total);
	unsigned quiet = 0;
	int fd;

	accept_conn(f, &fd);
	f->seen.take_max = 1000;
	while (quiet < 50) { /* until the socket has taken no more for a while */
		ssize_t n = sent < total ? send(fd, bytes + sent, total - sent, MSG_NOSIGNAL) : 0;
		uint64_t until = 0;
		sent += n > 0 ? (size_t)n : 0;
		quiet = n > 0 ? 0 : quiet + 1;
		turn_once(f, &until);
	}
	assert_true(sent < total);
	assert_int_equal(f->seen.in_n, 1000);
	assert_true(net_stats(f->net)->tcp_received_bytes <= 128 * 1024);

	while (f->seen.in_n < total) {
		size_t before = f->seen.in_n;
		ssize_t n;
		f->seen.take_max = 77777;
		net_msrp_resume(f->seen.conn);
		run_until(f, f->seen.in_n > before);
		n = sent < total ? send(fd, bytes + sent, total - sent, MSG_NOSIGNAL) : 0;
		sent += n > 0 ? (size_t)n : 0;
	}
	assert_memory_equal(f->seen.in, bytes, total);
	free(bytes);
	close(fd);
	fixture_free(f);
}

static void drain_peer(struct fixture *f, int fd, char *to, size_t *n, size_t total)
{
	ssize_t r;

	while (*n < total && (r = recv(fd, to + *n, total - *n, 0)) > 0)
		*n += (size_t)r;
}

static void a_peer_that_does_not_read_leaves_no_room(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	size_t total = 16 * 1024 * 1024, sent = 0, got = 0, piece = 1;
	char *bytes = pattern(total), *back = malloc(total);
	uint64_t until = 0;
	int fd;

	assert_non_null(back);
	accept_conn(f, &fd);
	/* Pieces of all sizes, small ones gathered, large ones written at once. */
	for (; sent < total && net_msrp_room(f->seen.conn) > 0; piece = piece * 3 % 65521 + 1) {
		struct span s[2] = { { bytes + sent, piece / 2 },
				     { bytes + sent + piece / 2, piece - piece / 2 } };
		net_msrp_write(f->seen.conn, s, 2);
		sent += piece;
	}
	assert_true(sent < total);
	turn_once(f, &until);
	assert_int_equal(f->seen.n_drained, 0);
	while (f->seen.n_drained == 0) {
		drain_peer(f, fd, back, &got, sent);
		assert_true(turn_once(f, &until));
	}
	assert_true(net_msrp_room(f->seen.conn) >= 192 * 1024);
	run_until(f, (drain_peer(f, fd, back, &got, sent), got == sent));
	assert_memory_equal(back, bytes, sent);
	assert_int_equal(net_stats(f->net)->tcp_sent_bytes, sent);
	free(bytes);
	free(back);
	close(fd);
	fixture_free(f);
}

static void closing_flushes_first(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	size_t total = 4 * 1024 * 1024, got = 0;
	char *bytes = pattern(total), *back = malloc(total + 1);
	size_t sent = 0;
	int fd;

	assert_non_null(back);
	accept_conn(f, &fd);
	while (sent < total && net_msrp_room(f->seen.conn) > 0) {
		struct span s = { bytes + sent, 32 * 1024 };
		net_msrp_write(f->seen.conn, &s, 1);
		sent += s.n;
	}
	peer_write(fd, "never looked at", 15); /* must not become a reset that takes our bytes with it */
	net_msrp_close(f->seen.conn);
	run_until(f, (drain_peer(f, fd, back, &got, sent), got == sent));
	assert_memory_equal(back, bytes, sent);
	run_until(f, recv(fd, back, 1, 0) == 0);
	close(fd);
	run_until(f, net_stats(f->net)->msrp_connections == 0);
	assert_int_equal(f->seen.n_closed, 0);
	free(bytes);
	free(back);
	fixture_free(f);
}

static void closing_is_bounded(void **state)
{
	struct net_conf conf;
	struct fixture *f;
	static char large[64 * 1024];
	struct span s = { large, sizeof(large) };
	int fd;

	net_conf_defaults(&conf);
	conf.close_ms = 30;
	f = fixture_new(&conf, "127.0.0.1");
	accept_conn(f, &fd);
	while (net_msrp_room(f->seen.conn) > 0)
		net_msrp_write(f->seen.conn, &s, 1);
	net_msrp_close(f->seen.conn);
	run_until(f, net_stats(f->net)->msrp_connections == 0);
	close(fd);
	fixture_free(f);
}

/* UP-17 */
static void connecting_by_address_and_by_name(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "localhost" };

	for (unsigned i = 0; i < ARRAY_LEN(hosts); i++) {
		struct fixture *f = fixture_new(NULL, "127.0.0.1");
		struct addr at;
		int listener = peer_listen("127.0.0.1", &at), fd = -1;
		struct net_conn *c =
			net_msrp_connect(f->net, f,
					 &(struct net_msrp_to){ .host = span_of(hosts[i]), .port = at.port });
		struct span hello = SPAN("hello");
		char buf[64];

		assert_non_null(c);
		assert_int_equal(net_msrp_room(c), 0);
		run_until(f, f->seen.n_connected == 1);
		assert_true(net_msrp_room(c) > 0);
		run_until(f, (fd = accept(listener, NULL, NULL)) >= 0);
		net_msrp_write(c, &hello, 1);
		run_until(f, recv(fd, buf, sizeof(buf), MSG_DONTWAIT) == 5);
		close(fd);
		run_until(f, f->seen.n_closed == 1);
		close(listener);
		fixture_free(f);
	}
}

static void a_refused_connection_is_told_later(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	struct addr at;

	close(peer_listen("127.0.0.1", &at));
	assert_non_null(
		net_msrp_connect(f->net, f,
				 &(struct net_msrp_to){ .host = SPAN("127.0.0.1"), .port = at.port }));
	assert_non_null(net_msrp_connect(f->net, f,
					 &(struct net_msrp_to){ .host = SPAN("no name"), .port = at.port }));
	assert_int_equal(f->seen.n_closed, 0);
	run_until(f, f->seen.n_closed == 2);
	assert_int_equal(f->seen.n_connected, 0);
	run_until(f, net_stats(f->net)->msrp_connections == 0);
	fixture_free(f);
}

static void closing_while_connecting_is_quiet(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	struct addr at;
	int listener = peer_listen("127.0.0.1", &at);

	net_msrp_close(net_msrp_connect(f->net, f,
					&(struct net_msrp_to){ .host = SPAN("127.0.0.1"), .port = at.port }));
	net_msrp_close(net_msrp_connect(f->net, f,
					&(struct net_msrp_to){ .host = SPAN("localhost"), .port = at.port }));
	net_msrp_close(net_msrp_connect(f->net, f,
					&(struct net_msrp_to){ .host = SPAN("no name"), .port = at.port }));
	net_msrp_close(NULL);
	run_until(f, net_stats(f->net)->msrp_connections == 0);
	assert_int_equal(f->seen.n_connected + f->seen.n_closed, 0);
	close(listener);
	fixture_free(f);
}

static void a_reset_is_told_once(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	struct linger hard = { .l_onoff = 1 };
	struct span s = SPAN("into the void");
	int fd;

	accept_conn(f, &fd);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
	close(fd);
	net_msrp_write(f->seen.conn, &s, 1); /* fails, or not: depends on who is first */
	run_until(f, f->seen.n_closed == 1);
	run_until(f, net_stats(f->net)->msrp_connections == 0);
	assert_int_equal(f->seen.n_closed, 1);
	fixture_free(f);
}

static void a_peer_that_only_makes_us_answer_is_cut_off(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	static char report[4096];
	struct span s = { report, sizeof(report) };
	int fd;

	accept_conn(f, &fd);
	for (unsigned i = 0; i < 64 * 256; i++) /* 64 MiB, never looking at the room */
		net_msrp_write(f->seen.conn, &s, 1);
	assert_int_equal(f->seen.n_closed, 0);
	run_until(f, f->seen.n_closed == 1);
	close(fd);
	fixture_free(f);
}

static void at_the_limit_no_connection_is_begun(void **state)
{
	struct net_conf conf;
	struct fixture *f;
	int fd;

	net_conf_defaults(&conf);
	conf.msrp_connections_max = 1;
	f = fixture_new(&conf, "127.0.0.1");
	accept_conn(f, &fd);
	assert_null(
		net_msrp_connect(f->net, f, &(struct net_msrp_to){ .host = SPAN("127.0.0.1"), .port = 9 }));
	close(fd);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_both_ways),
		cmocka_unit_test(a_refused_peer_is_closed),
		cmocka_unit_test(a_consumer_that_does_not_take_stops_the_sender),
		cmocka_unit_test(a_peer_that_does_not_read_leaves_no_room),
		cmocka_unit_test(closing_flushes_first),
		cmocka_unit_test(closing_is_bounded),
		cmocka_unit_test(connecting_by_address_and_by_name),
		cmocka_unit_test(a_refused_connection_is_told_later),
		cmocka_unit_test(closing_while_connecting_is_quiet),
		cmocka_unit_test(a_reset_is_told_once),
		cmocka_unit_test(a_peer_that_only_makes_us_answer_is_cut_off),
		cmocka_unit_test(at_the_limit_no_connection_is_begun),
	};
	return cmocka_run_group_tests_name("net/msrp", tests, NULL, NULL);
}
