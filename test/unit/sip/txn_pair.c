/* SPDX-License-Identifier: MIT */
/*
 * Two transaction layers back to back over a net that loses, doubles and reorders, by seed.  Whatever
 * happens: a client hears of exactly one end, a server answers each request once, what the client is
 * told is what the server said, and when all is over nothing is left.
 */
#include "tl_world.h"

enum { N_CALLS = 2000, CLIENT = 0, SERVER = 1, STARTS_MS = 60000, SETTLED_MS = 300000 };

struct net;

struct call {
	struct net *net;
	unsigned id;
	bool invite;
	enum sip_transport tp;
	/* client */
	struct timer t_start, t_cancel;
	struct sip_ctxn *c;
	unsigned told_final, ends; /* ends: calls after which t is dead */
	bool timed_out;
	/* server */
	struct timer t_answer;
	struct sip_stxn *s;
	unsigned requests, gone, answered, cancels, no_acks;
	bool acked;
	unsigned on_wire; /* the final that was seen */
};

struct net {
	struct timers wheel;
	uint64_t now_us;
	struct rng rng;
	struct sip_tl *tl[2];
	struct sip_src from[2];       /* what a message of that side seems to come from */
	unsigned loss, dup, delay_ms; /* percent, percent, at most */
	unsigned in_flight, answered_but_timed_out;
	struct call call[N_CALLS];
};

static bool chance(struct net *n, unsigned percent)
{
	return rng_below(&n->rng, 100) < percent;
}

static void after(struct net *n, struct timer *t, uint64_t ms, timer_fn *fn)
{
	timer_set(&n->wheel, t, n->now_us + ms * US_PER_MS, fn);
}

static struct call *call_of(struct net *n, const struct sip_msg *m)
{
	uint64_t id;
	assert_int_equal(span_u64(m->call_id, N_CALLS - 1, &id), 0);
	return &n->call[id];
}

/* ---- the wire ---- */

struct packet {
	struct timer t;
	struct net *net;
	unsigned to;
	size_t len;
	char bytes[];
};

static void on_arrival(struct timer *timer, uint64_t now_us)
{
	struct packet *p = container_of(timer, struct packet, t);
	struct net *n = p->net;
	struct sip_msg m;

	n->in_flight--;
	assert_int_equal(sip_msg_parse(&m, (struct span){ p->bytes, p->len }, true), 0);
	sip_tl_input(n->tl[p->to], &m, &n->from[!p->to], now_us);
	free(p);
}

static void fly(struct net *n, unsigned to, struct span bytes)
{
	struct packet *p = malloc(sizeof(*p) + bytes.n);

	assert_non_null(p);
	memset(p, 0, sizeof(*p));
	p->net = n;
	p->to = to;
	p->len = bytes.n;
	memcpy(p->bytes, bytes.p, bytes.n);
	n->in_flight++;
	/* a stream keeps the order */
	after(n, &p->t, n->from[0].tp == SIP_UDP ? rng_below(&n->rng, n->delay_ms) : n->delay_ms, on_arrival);
}

static void transmit(struct net *n, unsigned to, struct span bytes)
{
	if (!chance(n, n->loss))
		fly(n, to, bytes);
	if (chance(n, n->dup))
		fly(n, to, bytes);
}

static int send_from_client(void *u, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	transmit(u, SERVER, bytes);
	return 0;
}

static int send_from_server(void *u, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	struct net *n = u;
	struct sip_msg m;
	struct call *c;

	assert_int_equal(sip_msg_parse(&m, bytes, true), 0);
	assert_false(m.request);
	c = call_of(n, &m);
	if (m.status >= 200 && m.method != SIP_CANCEL) {
		assert_true(!c->on_wire || c->on_wire == m.status);
		c->on_wire = m.status;
	}
	transmit(n, CLIENT, bytes);
	return 0;
}

static void on_random(void *u, void *p, size_t n)
{
	struct net *net = u;
	rng_fill(&net->rng, p, n);
}

/* ---- the server's user ---- */

static void answer(struct call *c, unsigned status)
{
	assert_int_equal(sip_stxn_reply_simple(c->s, status, SPAN_EMPTY, SPAN("server"), SPAN_EMPTY,
					       c->net->now_us),
			 0);
	if (status >= 200)
		c->answered = status;
}

static void on_answer(struct timer *t, uint64_t now_us)
{
	static const unsigned finals[] = { 200, 200, 200, 486, 404, 603, 302 };
	struct call *c = container_of(t, struct call, t_answer);
	answer(c, finals[rng_below(&c->net->rng, ARRAY_LEN(finals))]);
}

static void on_request(void *u, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	struct net *n = u;
	struct call *c = call_of(n, m);

	c->requests++;
	c->s = t;
	if (c->invite && chance(n, 70))
		answer(c, chance(n, 50) ? 100 : 180);
	if (chance(n, 20))
		on_answer(&c->t_answer, now_us);
	else if (c->invite || !chance(n, 5)) /* one in a while forgets to answer */
		after(n, &c->t_answer, rng_below(&n->rng, c->invite ? 50000 : 31000), on_answer);
}

static void on_ack(void *u, const struct sip_msg *m, const struct sip_src *src, uint64_t now_us)
{
	struct call *c = call_of(u, m);
	c->acked = true;
	if (c->s)
		sip_stxn_acked(c->s, now_us);
}

static void on_cancel(void *u, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	struct net *n = u;
	struct call *c = call_of(n, m);

	assert_ptr_equal(c->s, t);
	assert_int_equal(c->answered, 0);
	c->cancels++;
	timer_stop(&n->wheel, &c->t_answer);
	answer(c, 487);
}

static void on_no_ack(void *u, struct sip_stxn *t, uint64_t now_us)
{
	struct call *c = call_of(u, sip_stxn_request(t));
	assert_int_equal(c->answered, 200);
	assert_false(c->acked);
	c->no_acks++;
}

static void on_gone(void *u, struct sip_stxn *t)
{
	struct net *n = u;
	struct call *c = call_of(n, sip_stxn_request(t));

	assert_ptr_equal(c->s, t);
	c->gone++;
	c->s = NULL;
	timer_stop(&n->wheel, &c->t_answer);
}

static void on_stray(void *u, const struct sip_msg *m, uint64_t now_us)
{
}

/* ---- the client's user ---- */

static size_t write_request(struct call *c, char text[512], const char *method, struct span branch,
			    const char *to_tag)
{
	return (size_t)snprintf(text, 512,
				"%s sip:bob@server.example SIP/2.0\r\n"
				"Via: SIP/2.0/%s client.example;branch=%" SPAN_FMT "\r\n"
				"From: <sip:a@client.example>;tag=client\r\nTo: <sip:b@server.example>%s\r\n"
				"Call-ID: %u\r\nCSeq: 1 %s\r\nContent-Length: 0\r\n\r\n",
				method, c->tp == SIP_UDP ? "UDP" : "TCP", SPAN_ARG(branch), to_tag, c->id,
				method);
}

static void send_ack(struct call *c)
{
	char text[512], buf[40];
	struct span branch = sip_tl_branch(c->net->tl[CLIENT], buf);
	transmit(c->net, SERVER, (struct span){ text, write_request(c, text, "ACK", branch, ";tag=server") });
}

static void on_response(void *user, struct sip_ctxn *t, const struct sip_msg *resp, enum sip_end end,
			uint64_t now_us)
{
	struct call *c = user;

	assert_int_equal(c->ends, 0);
	assert_ptr_equal(c->c, t);
	if (resp && resp->status < 200)
		return;
	if (resp) {
		assert_true(!c->told_final || (c->told_final == 200 && c->invite));
		c->told_final = resp->status;
		assert_int_equal(c->told_final, c->answered);
	}
	if (resp && c->invite && resp->status < 300) {
		send_ack(c);
		return;
	}
	assert_true(end != SIP_END_ACCEPTED || (c->invite && c->told_final == 200));
	c->timed_out = end == SIP_END_TIMEOUT;
	c->ends++;
	c->c = NULL;
	timer_stop(&c->net->wheel, &c->t_cancel);
}

static void on_cancel_time(struct timer *t, uint64_t now_us)
{
	struct call *c = container_of(t, struct call, t_cancel);
	sip_ctxn_cancel(c->c, SPAN("Reason: SIP;cause=200\r\n"), now_us);
}

static void on_start(struct timer *t, uint64_t now_us)
{
	struct call *c = container_of(t, struct call, t_start);
	struct net *n = c->net;
	struct sip_dest to = { .tp = c->tp, .ip = n->from[SERVER].ip, .conn = n->from[SERVER].conn };
	char text[512], buf[40];
	struct span branch = sip_tl_branch(n->tl[CLIENT], buf);
	size_t len = write_request(c, text, c->invite ? "INVITE" : "INFO", branch, "");

	c->c = sip_ctxn_start(n->tl[CLIENT], c->invite ? SIP_INVITE : SIP_INFO, branch, &to,
			      (struct span){ text, len }, on_response, c, now_us);
	assert_non_null(c->c);
	if (c->invite && chance(n, 30))
		after(n, &c->t_cancel, rng_below(&n->rng, 20000), on_cancel_time);
}

/* ---- the run ---- */

static void net_make(struct net *n, uint64_t seed, enum sip_transport tp)
{
	struct sip_tl_hooks hooks = { n,         send_from_client, on_random, on_request, on_ack,
				      on_cancel, on_no_ack,        on_gone,   on_stray };
	struct sip_tl_limits limits = { 2 * N_CALLS };

	rng_seed(&n->rng, seed);
	timers_init(&n->wheel, 0);
	for (int side = 0; side < 2; side++) {
		hooks.send = side == CLIENT ? send_from_client : send_from_server;
		n->tl[side] = sip_tl_create(&n->wheel, &hooks, &limits);
		assert_non_null(n->tl[side]);
		n->from[side] = (struct sip_src){ .tp = tp, .conn = tp != SIP_UDP };
		assert_true(addr_parse(&n->from[side].ip, SPAN("192.0.2.1"), 5060));
	}
	n->loss = tp == SIP_UDP ? (unsigned)rng_below(&n->rng, 40) : 0;
	n->dup = tp == SIP_UDP ? (unsigned)rng_below(&n->rng, 30) : 0;
	n->delay_ms = 1 + (unsigned)rng_below(&n->rng, 400);
	for (unsigned i = 0; i < N_CALLS; i++) {
		struct call *c = &n->call[i];
		*c = (struct call){ .net = n, .id = i, .tp = tp, .invite = chance(n, 50) };
		after(n, &c->t_start, rng_below(&n->rng, STARTS_MS), on_start);
	}
}

static void net_run(struct net *n)
{
	for (uint64_t due; (due = timers_deadline(&n->wheel)) <= SETTLED_MS * US_PER_MS;) {
		if (due > n->now_us)
			n->now_us = due;
		timers_run(&n->wheel, n->now_us);
	}
}

static void call_check(struct net *n, const struct call *c)
{
	assert_int_equal(c->ends, 1);
	assert_null(c->c);
	assert_null(c->s);
	assert_true(c->requests <= 1);
	assert_int_equal(c->gone, c->requests);
	assert_true(c->cancels <= 1);
	assert_int_equal(c->on_wire, c->answered);
	if (c->invite && c->answered == 200)
		assert_int_equal(c->no_acks, !c->acked);
	n->answered_but_timed_out += c->answered && c->timed_out;
}

static void run(uint64_t seed, enum sip_transport tp)
{
	struct net *n = calloc(1, sizeof(*n));

	assert_non_null(n);
	net_make(n, seed, tp);
	net_run(n);
	for (unsigned i = 0; i < N_CALLS; i++)
		call_check(n, &n->call[i]);
	/* Repeating is of use: hardly anything that was answered is not heard. */
	assert_true(n->answered_but_timed_out < N_CALLS / 50);
	assert_int_equal(n->in_flight, 0);
	assert_int_equal(n->wheel.n, 0);
	for (int side = 0; side < 2; side++) {
		const struct sip_tl_stats *s = sip_tl_stats(n->tl[side]);
		assert_int_equal(s->server, 0);
		assert_int_equal(s->client, 0);
		assert_int_equal(s->refused > 0 && side == CLIENT, 0);
		sip_tl_destroy(n->tl[side]);
	}
	free(n);
}

static void datagrams_lost_doubled_reordered(void **state)
{
	for (uint64_t seed = 1; seed <= 6; seed++)
		run(seed, SIP_UDP);
}

static void streams(void **state)
{
	for (uint64_t seed = 1; seed <= 2; seed++)
		run(seed, SIP_TCP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagrams_lost_doubled_reordered),
		cmocka_unit_test(streams),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
