/* SPDX-License-Identifier: MIT */
#include "net_test.h"

enum { MANY = 100 };

static void datagrams_arrive_in_order_with_their_source(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	struct addr me;
	int fd = peer_udp("127.0.0.1", &me);
	char text[16];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "message %u", i);
		peer_send_to(fd, &f->udp, text);
	}
	run_until(f, f->seen.n_sip == MANY);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "message %u", i);
		assert_string_equal(f->seen.sip[i], text);
	}
	assert_int_equal(f->seen.src.tp, SIP_UDP);
	assert_true(addr_eq(&f->seen.src.ip, &me));
	assert_int_equal(net_stats(f->net)->udp_received, MANY);
	assert_true(net_stats(f->net)->udp_receive_calls < MANY / 10);
	close(fd);
	fixture_free(f);
}

static void echo(struct fixture *f, struct span bytes, const struct sip_src *src)
{
	struct sip_dest to = { .tp = SIP_UDP, .ip = src->ip, .conn = src->conn };

	assert_int_equal(net_sip_send(f->net, &to, bytes, 0), 0);
}

static void answers_leave_together(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	struct addr me;
	int fd = peer_udp("127.0.0.1", &me);
	char text[16], buf[64];

	f->on_sip = echo;
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "message %u", i);
		peer_send_to(fd, &f->udp, text);
	}
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "message %u", i);
		run_until(f, peer_read(fd, buf, sizeof(buf)) > 0);
		assert_string_equal(buf, text);
	}
	assert_int_equal(net_stats(f->net)->udp_sent, MANY);
	assert_true(net_stats(f->net)->udp_send_calls < MANY / 10);
	close(fd);
	fixture_free(f);
}

static void answer_leaves_by_the_socket_it_came_in_by(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	struct addr me, at = addr_of("127.0.0.1:0"), second;
	int fd = peer_udp("127.0.0.1", &me);
	struct sockaddr_in from = { 0 };
	socklen_t n = sizeof(from);
	char buf[64];

	f->on_sip = echo;
	assert_int_equal(net_listen_sip(f->net, SIP_UDP, &at, &second), 0);
	peer_send_to(fd, &second, "by the second");
	run_until(f, recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &n) > 0);
	assert_int_equal(ntohs(from.sin_port), second.port);
	close(fd);
	fixture_free(f);
}

static void check_icmp_reports_the_one_message(const char *ip)
{
	struct fixture *f = fixture_new(NULL, ip);
	struct addr alive, dead;
	int fd = peer_udp(ip, &alive), gone = peer_udp(ip, &dead);
	struct sip_dest to = { .tp = SIP_UDP };
	char buf[64];

	close(gone);
	to.ip = dead;
	assert_int_equal(net_sip_send(f->net, &to, SPAN("to nobody, first"), 7), 0);
	assert_int_equal(net_sip_send(f->net, &to, SPAN("to nobody, unnamed"), 0), 0);
	to.ip = alive;
	assert_int_equal(net_sip_send(f->net, &to, SPAN("to somebody"), 8), 0);
	run_until(f, f->seen.n_tokens > 0);
	run_until(f, peer_read(fd, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "to somebody");
	assert_int_equal(f->seen.n_tokens, 1);
	assert_int_equal(f->seen.tokens[0], 7);
	assert_int_equal(net_stats(f->net)->unreachable, 1);

	/* The socket still works in both directions. */
	peer_send_to(fd, &f->udp, "afterwards");
	run_until(f, f->seen.n_sip == 1);
	close(fd);
	fixture_free(f);
}

static void icmp_reports_the_one_message_it_is_about(void **state)
{
	check_icmp_reports_the_one_message("127.0.0.1");
}

static void icmp6_reports_the_one_message_it_is_about(void **state)
{
	check_icmp_reports_the_one_message("::1");
}

static void what_cannot_be_sent_is_refused_at_once(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	struct sip_dest to = { .tp = SIP_UDP, .ip = addr_of("[::1]:5060") };
	char *large = calloc(1, 65536);

	assert_non_null(large);
	assert_int_equal(net_sip_send(f->net, &to, SPAN("x"), 1), -EAFNOSUPPORT);
	to.ip = addr_of("127.0.0.1:5060");
	assert_int_equal(net_sip_send(f->net, &to, (struct span){ large, 65536 }, 1), -EMSGSIZE);
	assert_int_equal(net_sip_send(f->net, &to, SPAN_EMPTY, 1), -EINVAL);
	to.tp = SIP_TLS;
	assert_int_equal(net_sip_send(f->net, &to, SPAN("x"), 1), -ENOTSUP);
	free(large);
	fixture_free(f);
}

static void largest_datagram_goes_both_ways(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	struct addr me;
	int fd = peer_udp("127.0.0.1", &me);
	size_t n = 65507;
	char *large = malloc(n + 1), *back = malloc(n + 2);

	assert_non_null(large);
	assert_non_null(back);
	memset(large, 'x', n);
	large[n] = 0;
	f->on_sip = echo;
	peer_send_to(fd, &f->udp, large);
	run_until(f, peer_read(fd, back, n + 2) > 0);
	assert_int_equal(f->seen.sip_n[0], n);
	assert_string_equal(back, large);
	free(large);
	free(back);
	close(fd);
	fixture_free(f);
}

static void a_name_is_resolved_once(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	struct addr me;
	int fd = peer_udp("127.0.0.1", &me);
	struct sip_dest to = { .tp = SIP_UDP, .ip = { .port = me.port }, .host = SPAN("LocalHost") };
	char buf[64];

	assert_int_equal(net_sip_send(f->net, &to, SPAN("by name"), 1), 0);
	assert_int_equal(net_sip_send(f->net, &to, SPAN("by name again"), 2), 0);
	run_until(f, peer_read(fd, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "by name");
	run_until(f, peer_read(fd, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "by name again");
	assert_int_equal(net_stats(f->net)->lookups, 1);

	/* Known by now; a literal is never looked up. */
	assert_int_equal(net_sip_send(f->net, &to, SPAN("from the cache"), 3), 0);
	to.host = SPAN("127.0.0.1");
	assert_int_equal(net_sip_send(f->net, &to, SPAN("literal"), 4), 0);
	run_until(f, peer_read(fd, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "from the cache");
	run_until(f, peer_read(fd, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "literal");
	assert_int_equal(net_stats(f->net)->lookups, 1);
	close(fd);
	fixture_free(f);
}

static void waiting_for_names_is_bounded(void **state)
{
	struct net_conf conf;
	struct sip_dest to = { .tp = SIP_UDP, .ip = { .port = 5060 }, .host = SPAN("one.example.net") };
	struct fixture *f;
	struct addr me;
	int silent = peer_udp("127.0.0.1", &me); /* a name server that says nothing */

	net_conf_defaults(&conf);
	conf.resolve_waiting_max = 2;
	snprintf(conf.dns_servers, sizeof(conf.dns_servers), "127.0.0.1:%u", me.port);
	f = fixture_new(&conf, "127.0.0.1");
	assert_int_equal(net_sip_send(f->net, &to, SPAN("x"), 7), 0);
	assert_int_equal(net_sip_send(f->net, &to, SPAN("x"), 7), 1); /* it is waiting already */
	assert_int_equal(net_sip_send(f->net, &to, SPAN("x"), 0), 0);
	assert_int_equal(net_sip_send(f->net, &to, SPAN("x"), 0), -ENOBUFS);
	fixture_free(f); /* with both still waiting */
	close(silent);
}

static void a_host_that_is_no_name_is_refused(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	struct sip_dest to = { .tp = SIP_UDP, .ip = { .port = 5060 }, .host = SPAN("no name") };

	assert_int_equal(net_sip_send(f->net, &to, SPAN("x"), 1), -EINVAL);
	assert_int_equal(net_stats(f->net)->lookups, 0);
	fixture_free(f);
}

/* PARSE-18: a datagram has waited from its arrival on, not from when it was read. */
static void what_waits_in_the_kernel_is_seen(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	struct addr at;
	int fd = peer_udp("127.0.0.1", &at);
	uint64_t since = net_now(f->net);

	(void)state;
	peer_send_to(fd, &f->udp, "waits");
	while (net_now(f->net) - since < 20 * 1000)
		usleep(1000);
	run_until(f, f->seen.n_sip == 1);
	run_until(f, f->seen.lag_us >= 19 * 1000);
	assert_true(f->seen.lag_us < 60 * US_PER_S);
	close(fd);
	fixture_free(f);
}

static void forget(struct fixture *f, struct span bytes, const struct sip_src *src)
{
	(void)bytes, (void)src;
	f->seen.n_sip = 0;
}

/* What the kernel had no room for is waited for by its sender: T1, or until it is said again. */
static void what_was_lost_counts_as_waiting(void **state)
{
	struct fixture *f = fixture_new(NULL, "127.0.0.1");
	struct addr at;
	int fd = peer_udp("127.0.0.1", &at);
	char text[1201];
	unsigned sent = 0;

	(void)state;
	memset(text, '\r', sizeof(text) - 1); /* blanks are nobody's message */
	text[sizeof(text) - 1] = '\0';
	text[0] = 'x';
	for (; sent < 100000 && net_stats(f->net)->udp_lost == 0; sent++)
		peer_send_to(fd, &f->udp, text);
	assert_true(net_stats(f->net)->udp_lost > 0);
	f->on_sip = forget;
	run_until(f, net_stats(f->net)->udp_received + net_stats(f->net)->udp_lost == sent);
	peer_send_to(fd, &f->udp, text); /* the next one brings the count */
	run_until(f, f->seen.lag_us >= 500 * 1000);
	close(fd);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagrams_arrive_in_order_with_their_source),
		cmocka_unit_test(answers_leave_together),
		cmocka_unit_test(answer_leaves_by_the_socket_it_came_in_by),
		cmocka_unit_test(icmp_reports_the_one_message_it_is_about),
		cmocka_unit_test(icmp6_reports_the_one_message_it_is_about),
		cmocka_unit_test(what_cannot_be_sent_is_refused_at_once),
		cmocka_unit_test(largest_datagram_goes_both_ways),
		cmocka_unit_test(a_name_is_resolved_once),
		cmocka_unit_test(waiting_for_names_is_bounded),
		cmocka_unit_test(a_host_that_is_no_name_is_refused),
		cmocka_unit_test(what_waits_in_the_kernel_is_seen),
		cmocka_unit_test(what_was_lost_counts_as_waiting),
	};
	return cmocka_run_group_tests_name("net/udp", tests, NULL, NULL);
}
