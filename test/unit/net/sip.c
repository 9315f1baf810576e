/* SPDX-License-Identifier: MIT */
/* SIP over TCP: framing, reuse of connections, limits. */
#include "net_test.h"

#define MESSAGE(body_n, body) "OPTIONS sip:a SIP/2.0\r\nContent-Length: " #body_n "\r\n\r\n" body

static const char first[] = MESSAGE(5, "first");
static const char second[] = MESSAGE(6, "second");

static void a_message_split_at_every_byte_arrives_once(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	int fd = peer_connect(&f->tcp);
	struct addr me = peer_addr(fd);

	for (size_t i = 0; i < strlen(first); i++) {
		uint64_t before = net_stats(f->net)->tcp_received_bytes;
		assert_int_equal(f->seen.n_sip, 0);
		peer_write(fd, first + i, 1);
		run_until(f, net_stats(f->net)->tcp_received_bytes == before + 1);
	}
	run_until(f, f->seen.n_sip == 1);
	assert_int_equal(f->seen.sip_n[0], strlen(first));
	assert_int_equal(f->seen.src.tp, SIP_TCP);
	assert_true(addr_eq(&f->seen.src.ip, &me));
	assert_true(f->seen.src.conn != 0);
	close(fd);
	run_until(f, net_stats(f->net)->sip_connections == 0);
	fixture_free(f);
}

static void messages_in_one_segment_are_cut(void **state)
{
	struct fixture *f = fixture_new(NULL, "::1");
	int fd = peer_connect(&f->tcp);
	char both[256];

	/* The third is cut off and completed later. */
	int n = snprintf(both, sizeof(both), "%s\r\n%s%.10s", first, second, first);
	peer_write(fd, both, (size_t)n);
	run_until(f, f->seen.n_sip == 2);
	assert_int_equal(f->seen.sip_n[0], strlen(first));
	assert_int_equal(f->seen.sip_n[1], strlen(second));
	peer_write(fd, first + 10, strlen(first) - 10);
	run_until(f, f->seen.n_sip == 3);
	assert_int_equal(f->seen.sip_n[2], strlen(first));
	close(fd);
	fixture_free(f);
}

static void double_crlf_is_answered_with_one(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	int fd = peer_connect(&f->tcp);
	char buf[64];

	peer_write(fd, "\r\n\r\n", 4);
	run_until(f, peer_read(fd, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "\r\n");
	assert_int_equal(f->seen.n_sip, 0);
	close(fd);
	fixture_free(f);
}

/* What is not framed gets an answer, then the connection ends (PARSE-1). */
static void check_broken(const char *text, int err, const char *head)
{
	struct net_conf conf;
	struct fixture *f;
	char buf[256];
	int fd;

	net_conf_defaults(&conf);
	conf.sip_message_max = 4096;
	f = fixture_new(&conf, "127.0.0.1");
	fd = peer_connect(&f->tcp);
	peer_write(fd, text, strlen(text));
	run_until(f, peer_read(fd, buf, sizeof(buf)) > 0);
	assert_int_equal(strncmp(buf, "SIP/2.0 513", 11), 0);
	run_until(f, peer_read(fd, buf, sizeof(buf)) == 0);
	assert_int_equal(f->seen.n_broken, 1);
	assert_int_equal(f->seen.broken_err, err);
	assert_int_equal(strncmp(f->seen.broken_head, head, strlen(head)), 0);
	assert_int_equal(f->seen.n_sip, 0);
	close(fd);
	run_until(f, net_stats(f->net)->sip_connections == 0);
	fixture_free(f);
}

static void parse_1_broken_streams_are_answered_and_closed(void **state)
{
	check_broken("OPTIONS sip:a SIP/2.0\r\nContent-Length: 5000\r\n\r\n", -EMSGSIZE, "OPTIONS sip:a");
	check_broken("OPTIONS sip:a SIP/2.0\r\nCall-ID: a\r\n\r\n", -EBADMSG, "OPTIONS sip:a");
}

static void endless_header_section_is_cut_off(void **state)
{
	struct net_conf conf;
	struct fixture *f;
	char line[1024], buf[64];
	int fd;

	net_conf_defaults(&conf);
	conf.sip_message_max = 4096;
	f = fixture_new(&conf, "127.0.0.1");
	fd = peer_connect(&f->tcp);
	memset(line, 'x', sizeof(line));
	for (unsigned i = 0; i < 8 && f->seen.n_broken == 0; i++) {
		uint64_t before = net_stats(f->net)->tcp_received_bytes;
		peer_write(fd, line, sizeof(line));
		run_until(f, net_stats(f->net)->tcp_received_bytes > before);
	}
	run_until(f, f->seen.n_broken == 1);
	assert_int_equal(f->seen.broken_err, -EMSGSIZE);
	run_until(f, peer_read(fd, buf, sizeof(buf)) == 0);
	close(fd);
	fixture_free(f);
}

static void answer_goes_by_connection_and_by_address(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	int fd = peer_connect(&f->tcp);
	struct addr me = peer_addr(fd);
	struct sip_dest to = { .tp = SIP_TCP };
	char buf[64];

	peer_write(fd, first, strlen(first));
	run_until(f, f->seen.n_sip == 1);
	to.conn = f->seen.src.conn;
	assert_int_equal(net_sip_send(f->net, &to, SPAN("by id"), 0), 0);
	run_until(f, peer_read(fd, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "by id");
	/* A request towards the address the peer connected from takes its connection. */
	to = (struct sip_dest){ .tp = SIP_TCP, .ip = me };
	assert_int_equal(net_sip_send(f->net, &to, SPAN("by address"), 0), 0);
	run_until(f, peer_read(fd, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "by address");
	assert_int_equal(net_stats(f->net)->sip_connections_opened, 1);
	close(fd);
	fixture_free(f);
}

static int accept_on(int listener)
{
	return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void a_connection_is_made_on_demand_and_used_again(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	struct sip_dest to = { .tp = SIP_TCP };
	int listener = peer_listen("127.0.0.1", &to.ip), fd = -1;
	char buf[256], both[256];

	assert_int_equal(net_sip_send(f->net, &to, span_of(first), 1), 0);
	assert_int_equal(net_sip_send(f->net, &to, span_of(second), 2), 0);
	snprintf(both, sizeof(both), "%s%s", first, second);
	run_until(f, (fd = accept_on(listener)) >= 0);
	run_until(f, peer_read(fd, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, both);
	assert_int_equal(net_sip_send(f->net, &to, span_of(first), 3), 0);
	run_until(f, peer_read(fd, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, first);
	/* And its owner may send requests on it too. */
	peer_write(fd, second, strlen(second));
	run_until(f, f->seen.n_sip == 1);
	assert_true(addr_eq(&f->seen.src.ip, &to.ip));
	assert_int_equal(net_stats(f->net)->sip_connections_opened, 1);
	assert_int_equal(f->seen.n_tokens, 0);
	close(fd);
	close(listener);
	fixture_free(f);
}

static void a_connection_by_name_tries_all_addresses(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	struct addr at;
	int listener = peer_listen("127.0.0.1", &at), fd = -1; /* localhost may be ::1 first */
	struct sip_dest to = { .tp = SIP_TCP, .ip = { .port = at.port }, .host = SPAN("localhost") };
	char buf[256];

	assert_int_equal(net_sip_send(f->net, &to, span_of(first), 1), 0);
	run_until(f, (fd = accept_on(listener)) >= 0);
	run_until(f, peer_read(fd, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, first);
	close(fd);
	close(listener);
	fixture_free(f);
}

static void refused_connections_report_every_message(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	struct sip_dest to = { .tp = SIP_TCP };

	close(peer_listen("127.0.0.1", &to.ip));
	assert_int_equal(net_sip_send(f->net, &to, span_of(first), 11), 0);
	assert_int_equal(net_sip_send(f->net, &to, span_of(first), 0), 0);
	assert_int_equal(net_sip_send(f->net, &to, span_of(second), 12), 0);
	run_until(f, f->seen.n_tokens == 2);
	assert_int_equal(f->seen.tokens[0], 11);
	assert_int_equal(f->seen.tokens[1], 12);
	run_until(f, net_stats(f->net)->sip_connections == 0);
	assert_int_equal(net_stats(f->net)->connects_failed, 1);
	fixture_free(f);
}

static void a_gone_connection_is_replaced_by_address(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	struct sip_dest to = { .tp = SIP_TCP, .conn = 999999 };
	int listener = peer_listen("127.0.0.1", &to.ip), fd = -1;
	char buf[256];

	assert_int_equal(net_sip_send(f->net, &to, span_of(first), 0), 0);
	run_until(f, (fd = accept_on(listener)) >= 0);
	run_until(f, peer_read(fd, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, first);
	close(fd);
	close(listener);
	fixture_free(f);
}

static void a_peer_that_does_not_read_fills_only_its_queue(void **state)
{
	struct net_conf conf;
	struct fixture *f;
	struct sip_dest to = { .tp = SIP_TCP };
	int listener = peer_listen("127.0.0.1", &to.ip), fd = -1, r = 0;
	static char large[60000];
	unsigned n = 0;

	net_conf_defaults(&conf);
	conf.sip_queue_max = 4 * sizeof(large);
	f = fixture_new(&conf, "127.0.0.1");
	memset(large, 'x', sizeof(large));
	assert_int_equal(net_sip_send(f->net, &to, (struct span){ large, sizeof(large) }, 1), 0);
	run_until(f, (fd = accept_on(listener)) >= 0);
	for (; n < 10000 && r == 0; n++) {
		uint64_t until = 0;
		r = net_sip_send(f->net, &to, (struct span){ large, sizeof(large) }, 2 + n);
		turn_once(f, &until);
	}
	assert_int_equal(r, -ENOBUFS);
	/* The peer goes away: what still waited here is reported, what the socket had taken is not. */
	close(fd);
	run_until(f, f->seen.n_tokens > 0);
	assert_in_range(f->seen.n_tokens, 3, 5);
	assert_int_equal(f->seen.tokens[f->seen.n_tokens - 1], 2 + n - 2);
	close(listener);
	fixture_free(f);
}

static void an_unfinished_message_has_its_time(void **state)
{
	struct net_conf conf;
	struct fixture *f;
	char buf[64];
	int fd;

	net_conf_defaults(&conf);
	conf.sip_header_ms = 30;
	f = fixture_new(&conf, "127.0.0.1");
	fd = peer_connect(&f->tcp);
	peer_write(fd, first, 20);
	run_until(f, peer_read(fd, buf, sizeof(buf)) == 0);
	assert_int_equal(net_stats(f->net)->sip_timeouts, 1);
	close(fd);
	fixture_free(f);
}

static void a_peer_that_says_nothing_is_closed(void **state)
{
	struct net_conf conf;
	struct fixture *f;
	char buf[64];
	int fd;

	net_conf_defaults(&conf);
	conf.sip_header_ms = 30;
	f = fixture_new(&conf, "127.0.0.1");
	fd = peer_connect(&f->tcp);
	run_until(f, peer_read(fd, buf, sizeof(buf)) == 0);
	assert_int_equal(net_stats(f->net)->sip_timeouts, 1);
	close(fd);
	fixture_free(f);
}

static void an_idle_connection_is_closed(void **state)
{
	struct net_conf conf;
	struct fixture *f;
	char buf[64];
	int fd;

	net_conf_defaults(&conf);
	conf.sip_idle_ms = 30;
	f = fixture_new(&conf, "127.0.0.1");
	fd = peer_connect(&f->tcp);
	peer_write(fd, first, strlen(first));
	run_until(f, f->seen.n_sip == 1);
	run_until(f, peer_read(fd, buf, sizeof(buf)) == 0);
	assert_int_equal(net_stats(f->net)->sip_timeouts, 1);
	close(fd);
	fixture_free(f);
}

static void at_the_limit_peers_wait_for_their_turn(void **state)
{
	struct net_conf conf;
	struct fixture *f;
	struct sip_dest to = { .tp = SIP_TCP, .ip = addr_of("127.0.0.1:9") };
	int one, two;

	net_conf_defaults(&conf);
	conf.sip_connections_max = 1;
	f = fixture_new(&conf, "127.0.0.1");
	one = peer_connect(&f->tcp);
	peer_write(one, first, strlen(first));
	run_until(f, f->seen.n_sip == 1);
	two = peer_connect(&f->tcp);
	run_until(f, f->seen.events > 0); /* "accept-suspended" */
	peer_write(two, second, strlen(second));
	assert_int_equal(net_stats(f->net)->sip_connections, 1);
	assert_int_equal(net_sip_send(f->net, &to, span_of(first), 1), -ENOBUFS);
	close(one);
	run_until(f, f->seen.n_sip == 2);
	close(two);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_split_at_every_byte_arrives_once),
		cmocka_unit_test(messages_in_one_segment_are_cut),
		cmocka_unit_test(double_crlf_is_answered_with_one),
		cmocka_unit_test(parse_1_broken_streams_are_answered_and_closed),
		cmocka_unit_test(endless_header_section_is_cut_off),
		cmocka_unit_test(answer_goes_by_connection_and_by_address),
		cmocka_unit_test(a_connection_is_made_on_demand_and_used_again),
		cmocka_unit_test(a_connection_by_name_tries_all_addresses),
		cmocka_unit_test(refused_connections_report_every_message),
		cmocka_unit_test(a_gone_connection_is_replaced_by_address),
		cmocka_unit_test(a_peer_that_does_not_read_fills_only_its_queue),
		cmocka_unit_test(an_unfinished_message_has_its_time),
		cmocka_unit_test(a_peer_that_says_nothing_is_closed),
		cmocka_unit_test(an_idle_connection_is_closed),
		cmocka_unit_test(at_the_limit_peers_wait_for_their_turn),
	};
	return cmocka_run_group_tests_name("net/sip", tests, NULL, NULL);
}
