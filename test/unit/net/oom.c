/* SPDX-License-Identifier: MIT */
/* One life with everything in it, again and again with one allocation later failing: whatever then does not work, nothing
 * crashes, leaks or hangs. */
#include "net_test.h"

#include "lib/oom.h"

enum { TURNS = 40 };

static const char message[] = "OPTIONS sip:a SIP/2.0\r\nContent-Length: 4\r\n\r\nbody";

struct life {
	struct net *net;
	struct addr sip, msrp;
	struct net_conn *in, *out;
	unsigned seen;
};

static void on_sip(void *u, struct span bytes, const struct sip_src *src, uint64_t now_us)
{
	struct life *l = u;
	struct sip_dest to = { .tp = src->tp, .ip = src->ip, .conn = src->conn };

	l->seen++;
	(void)!net_sip_send(l->net, &to, SPAN("SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"), 1);
}

static void on_unreachable(void *u, uint64_t token, uint64_t now_us)
{
}

static void *on_accepted(void *u, struct net_conn *c, enum net_msrp_kind kind, const struct addr *from,
			 uint64_t now_us)
{
	struct life *l = u;

	l->in = c;
	return &l->in;
}

static void on_connected(void *cu, uint64_t now_us)
{
	struct net_conn **c = cu;
	static const char large[20000];
	struct span s[] = { SPAN("hello"), { large, sizeof(large) } };

	net_msrp_write(*c, s, 2);
	net_msrp_write(*c, s, 1);
}

/* Takes half: the rest is kept, then offered again. */
static size_t on_input(void *cu, struct span in, uint64_t now_us)
{
	struct net_conn **c = cu;
	size_t take = in.n > 100 ? in.n / 2 : in.n;

	if (take == in.n)
		net_msrp_write(*c, &(struct span){ "answer", 6 }, 1);
	return take;
}

static void on_closed(void *cu, uint64_t now_us)
{
	*(struct net_conn **)cu = NULL;
}

static bool listen_all(struct life *l)
{
	struct addr any = addr_of("127.0.0.1:0");

	return net_listen_sip(l->net, SIP_UDP, &any, NULL) == 0 &&
	       net_listen_sip(l->net, SIP_TCP, &any, &l->sip) == 0 &&
	       net_listen_msrp(l->net, NET_MSRP_TCP, &any, &l->msrp) == 0;
}

static void on_wake(uv_timer_t *t)
{
}

static void turns(struct life *l)
{
	uv_timer_t wake;

	uv_timer_init(net_loop(l->net), &wake);
	uv_timer_start(&wake, on_wake, 1, 1);
	for (unsigned i = 0; i < TURNS; i++) {
		uv_run(net_loop(l->net), UV_RUN_ONCE);
		if (l->in)
			net_msrp_resume(l->in);
	}
	uv_close((uv_handle_t *)&wake, NULL);
	uv_run(net_loop(l->net), UV_RUN_NOWAIT);
}

static void live(struct life *l)
{
	struct sip_dest by_tcp = { .tp = SIP_TCP }, by_name = { .tp = SIP_UDP, .host = SPAN("localhost") };
	int fd;

	if (!listen_all(l))
		return;
	by_tcp.ip = l->sip;
	by_name.ip.port = l->sip.port;
	(void)!net_sip_send(l->net, &by_tcp, span_of(message), 2);
	(void)!net_sip_send(l->net, &by_name, span_of(message), 3);
	l->out = net_msrp_connect(l->net, &l->out,
				  &(struct net_msrp_to){ .host = SPAN("127.0.0.1"), .port = l->msrp.port });
	fd = peer_connect(&l->sip);
	peer_write(fd, message, 20); /* half a message */
	turns(l);
	net_msrp_close(l->out);
	close(fd);
}

static void any_allocation_may_fail(void **state)
{
	bool whole = false;

	for (unsigned long n = 0; n < 200 && !whole; n++) {
		struct life l = { 0 };
		struct net_conf conf;

		net_conf_defaults(&conf);
		oom_fail_after(n);
		l.net = net_create(&conf, &(struct net_hooks){ .u = &l,
							       .sip = on_sip,
							       .sip_unreachable = on_unreachable,
							       .msrp_accepted = on_accepted,
							       .msrp_connected = on_connected,
							       .msrp_input = on_input,
							       .msrp_closed = on_closed });
		if (l.net)
			live(&l);
		net_destroy(l.net);
		whole = !oom_end();
		if (whole)
			assert_true(l.seen >= 2);
	}
	assert_true(whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(any_allocation_may_fail) };

	return cmocka_run_group_tests_name("net/oom", tests, NULL, NULL);
}
