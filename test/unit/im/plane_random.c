/* SPDX-License-Identifier: MIT */
/*
 * Two peers that talk at random, both ways: messages of any size in chunks cut anywhere, several under way at once,
 * reads and rooms of any size, answers late; and in the middle of it one or the other moves to a new path, offers fail,
 * attributes change.  Whatever happens: every byte arrives once and in order, every SEND gets one answer, every message
 * that wants a REPORT gets one, and in the end nothing is left (UPA-25).
 */
#include <stdio.h>
#include <stdlib.h>

#include "msrp/frame.h"
#include "plane_world.h"

enum { LINKS_MAX = 40, MSGS_MAX = 400, OPEN_MAX = 4, SEEDS = 20, STEPS = 1500 };

struct message {
	size_t size, sent, got;
	bool success, done, reported, no_answer;
	unsigned open; /* its SENDs without an answer */
	unsigned chunks;
	struct link *link;
};

struct link { /* one MSRP session of a peer: its URI, ours, the connection */
	struct pw_conn *c;
	char from[64], to[160];
	struct msrp_framer f;
	char *out; /* said, and not yet read by the plane */
	size_t out_n;
	struct message *in; /* being received */
	size_t in_at;
	bool bound, in_send, in_success, in_failure;
	char in_tid[40], in_id[40];
};

struct peer {
	struct run *r;
	enum side side;
	struct link link[LINKS_MAX];
	unsigned n_links;
	struct message msg[MSGS_MAX];
	unsigned n_msgs, n_open, moves;
};

struct run {
	struct pw w;
	struct rng rng;
	struct peer peer[2];
	bool stop; /* nothing new begins */
};

static uint64_t below(struct run *r, uint64_t n)
{
	return rng_below(&r->rng, n);
}

static char byte_of(enum side s, unsigned msg, size_t at)
{
	static const char text[] = "\r\n-------0123456789abcdef$\r\nMSRP ";

	return at % 97 < 33 ? text[at % 97] : (char)(at * 31 + msg * 7 + s);
}

/* ---- what a peer says ---- */

static void say(struct link *l, const void *p, size_t n)
{
	l->out = realloc(l->out, l->out_n + n + 1);
	memcpy(l->out + l->out_n, p, n);
	l->out_n += n;
}

__attribute__((format(printf, 2, 3))) static void sayf(struct link *l, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say(l, text, (size_t)n);
}

static struct link *now_at(struct peer *p)
{
	return &p->link[p->n_links - 1];
}

static void bind_link(struct peer *p, const char *uri)
{
	struct link *l = &p->link[p->n_links++];
	struct plane_local local;

	assert_true(p->n_links <= LINKS_MAX);
	memset(l, 0, sizeof(*l));
	plane_local(p->r->w.p, p->side, 0, &local);
	snprintf(l->from, sizeof(l->from), "%s", uri);
	snprintf(l->to, sizeof(l->to), "%.150s", local.path);
	l->c = pw_accept(&p->r->w);
	sayf(l, "MSRP bind SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: bind\r\n-------bind$\r\n",
	     l->to, l->from);
}

static void new_message(struct peer *p)
{
	static const size_t scale[] = { 1, 30, 3000, 30000 };
	struct message *m = &p->msg[p->n_msgs];

	if (p->n_msgs == MSGS_MAX || p->n_open == OPEN_MAX)
		return;
	p->n_msgs++;
	p->n_open++;
	*m = (struct message){ .size = below(p->r, scale[below(p->r, 4)] + 1),
			       .success = below(p->r, 3) == 0,
			       .no_answer = below(p->r, 6) == 0,
			       .link = now_at(p) };
}

static void next_chunk(struct peer *p)
{
	unsigned i = 0, k;
	struct message *m;
	struct link *l;
	size_t n;
	char id[32];

	if (!p->n_open)
		return;
	for (k = (unsigned)below(p->r, p->n_open);; i++)
		if (!p->msg[i].done && k-- == 0)
			break;
	m = &p->msg[i], l = m->link;
	n = below(p->r, m->size - m->sent + 1);
	if (below(p->r, 2))
		n = m->size - m->sent;
	snprintf(id, sizeof(id), "id%u", i);
	m->done = m->sent + n == m->size;
	sayf(l,
	     "MSRP t%ux%u SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\nByte-Range: %zu-%s/%zu\r\n",
	     i, m->chunks, l->to, l->from, id, m->sent + 1, "*", m->size);
	sayf(l, "%s%sContent-Type: a/b\r\n\r\n", m->success ? "Success-Report: yes\r\n" : "",
	     m->no_answer ? "Failure-Report: no\r\n" : "");
	char *body = malloc(n + 1);
	for (size_t at = 0; at < n; at++)
		body[at] = byte_of(p->side, i, m->sent + at);
	say(l, body, n);
	free(body);
	sayf(l, "\r\n-------t%ux%u%c\r\n", i, m->chunks, m->done ? '$' : '+');
	m->sent += n;
	m->chunks++;
	if (!m->no_answer)
		m->open++;
	p->n_open -= m->done;
}

/* ---- what it hears ---- */

static void hear_response(struct peer *p, struct link *l, const struct msrp_head *h)
{
	unsigned msg, chunk;
	char tid[40];

	snprintf(tid, sizeof(tid), "%" SPAN_FMT, SPAN_ARG(h->tid));
	assert_int_equal(h->code, 200);
	if (strcmp(tid, "bind") == 0) {
		l->bound = true;
		return;
	}
	assert_int_equal(sscanf(tid, "t%ux%u", &msg, &chunk), 2);
	assert_true(msg < p->n_msgs && p->msg[msg].open > 0 && !p->msg[msg].no_answer);
	p->msg[msg].open--;
}

static void hear_head(struct peer *p, struct link *l, const struct msrp_head *h)
{
	struct peer *other = &p->r->peer[side_other(p->side)];
	unsigned msg;
	struct span range = h->byte_range;
	uint64_t start;

	l->in_send = false;
	l->in = NULL;
	if (!h->is_request) {
		hear_response(p, l, h);
		return;
	}
	snprintf(l->in_tid, sizeof(l->in_tid), "%" SPAN_FMT, SPAN_ARG(h->tid));
	snprintf(l->in_id, sizeof(l->in_id), "%" SPAN_FMT, SPAN_ARG(h->message_id));
	assert_true(span_eq(h->to_path, span_of(l->from)));
	assert_true(span_eq(h->from_path, span_of(l->to)));
	assert_int_equal(sscanf(l->in_id, "id%u", &msg), 1);
	if (h->method == MSRP_REPORT) {
		assert_true(p->msg[msg].success);
		p->msg[msg].reported = true;
		return;
	}
	l->in = &other->msg[msg];
	l->in_send = true;
	l->in_success = h->success;
	l->in_failure = h->failure == MSRP_FAILURE_YES;
	assert_int_equal(span_u64(span_split(&range, '-'), UINT64_MAX, &start), 0);
	assert_int_equal(start, l->in->got + 1); /* in order, no hole, nothing twice */
}

static void hear_end(struct peer *p, struct link *l, char flag)
{
	if (!l->in_send)
		return;
	assert_true(flag == '$' || flag == '+');
	if (l->in_failure)
		sayf(l, "MSRP %s 200 OK\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------%s$\r\n", l->in_tid, l->to,
		     l->from, l->in_tid);
	if (flag != '$')
		return;
	assert_int_equal(l->in->got, l->in->size);
	if (l->in_success)
		sayf(l,
		     "MSRP rept REPORT\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\nByte-Range: 1-%zu/%zu\r\n"
		     "Status: 000 200 OK\r\n-------rept$\r\n",
		     l->to, l->from, l->in_id, l->in->size, l->in->size);
}

static void hear(struct peer *p, struct link *l)
{
	struct pw_conn *c = l->c;
	struct run *r = p->r;
	struct msrp_head scratch;
	struct msrp_event ev;
	size_t n = c->out_n - c->out_at;
	struct span in = { c->out + c->out_at, n ? 1 + below(r, n) : 0 };
	int step;

	c->out_at += in.n;
	while ((step = msrp_frame_next(&l->f, &in, &scratch, &ev)) > 0) {
		if (step == MSRP_HEAD) {
			hear_head(p, l, ev.head);
			msrp_frame_accept(&l->f);
		} else if (step == MSRP_BODY) {
			unsigned msg = (unsigned)(l->in - r->peer[side_other(p->side)].msg);
			assert_true(l->in_send && l->in->got + ev.body.n <= l->in->size);
			for (size_t i = 0; i < ev.body.n; i++)
				assert_true(ev.body.p[i] == byte_of(side_other(p->side), msg, l->in->got++));
		} else {
			hear_end(p, l, ev.flag);
		}
	}
	assert_int_equal(step, 0);
	assert_int_equal(msrp_frame_keep(&l->f), 0);
}

static void speak(struct peer *p, struct link *l)
{
	size_t n = l->out_n ? 1 + below(p->r, l->out_n) : 0;

	if (!n || l->c->closed)
		return;
	pw_feed_bytes(l->c, l->out, n);
	memmove(l->out, l->out + n, l->out_n - n);
	l->out_n -= n;
}

/* ---- changes ---- */

static void current_uri(struct peer *p, char *out, size_t n)
{
	snprintf(out, n, "msrp://%c.example:7000/g%u;tcp", p->side ? 'b' : 'a', p->moves);
}

/* A peer moves again only once its last move is done: else it would lose its own words. */
static bool may_move(const struct peer *p)
{
	return p->n_links < LINKS_MAX && p->link[p->n_links - 1].bound &&
	       (p->n_links == 1 || p->link[p->n_links - 2].c->closed);
}

/* What an exchange brings: the offerer moves, or would have; the answerer does; or only attributes change. */
enum { MOVE, MOVE_REFUSED, ANSWER_MOVES, ATTRIBUTES, KINDS };

static void change(struct run *r)
{
	struct peer *p = &r->peer[below(r, 2)], *q = &r->peer[side_other(p->side)];
	struct pw_sdp offer, answer;
	char mine[64], theirs[64];
	unsigned what = (unsigned)below(r, KINDS);

	if ((what == MOVE && !may_move(p)) || (what == ANSWER_MOVES && !may_move(q)))
		return;
	p->moves += what == MOVE || what == MOVE_REFUSED;
	q->moves += what == ANSWER_MOVES;
	current_uri(p, mine, sizeof(mine)), current_uri(q, theirs, sizeof(theirs));
	pw_sdp1(&offer, mine, "active", what == ATTRIBUTES ? "a=max-size:70000\r\n" : NULL);
	pw_sdp1(&answer, theirs, "active", NULL);
	pw_prepare(&r->w, p->side, &offer);
	if (what == MOVE_REFUSED) {
		plane_rollback(r->w.p, r->w.now_us);
		p->moves--;
		return;
	}
	plane_commit(r->w.p, p->side, &offer.sdp, &answer.sdp, r->w.now_us);
	pw_pump(&r->w);
	if (what == MOVE)
		bind_link(p, mine);
	else if (what == ANSWER_MOVES)
		bind_link(q, theirs);
}

static void peer_step(struct run *r)
{
	struct peer *p = &r->peer[below(r, 2)];
	struct link *l = &p->link[p->n_links > 3 ? p->n_links - 1 - below(r, 3) : below(r, p->n_links)];

	switch (below(r, 8)) {
	case 0:
		if (!r->stop)
			new_message(p);
		break;
	case 1:
	case 2:
		next_chunk(p);
		break;
	case 3:
	case 4:
		speak(p, l);
		break;
	case 5:
		hear(p, l);
		break;
	case 6:
		if (!l->c->closed)
			pw_room(l->c, 1 + below(r, 20000));
		break;
	case 7:
		r->w.read_max = 1 + below(r, 5000);
		break;
	}
}

static bool settled(const struct run *r)
{
	for (int s = 0; s < 2; s++) {
		const struct peer *p = &r->peer[s];
		for (unsigned i = 0; i < p->n_links; i++)
			if (!p->link[i].c->closed && (p->link[i].out_n || p->link[i].c->in_n ||
						      p->link[i].c->out_at < p->link[i].c->out_n))
				return false;
		for (unsigned i = 0; i < p->n_msgs; i++)
			if (!p->msg[i].done || p->msg[i].open || p->msg[i].got < p->msg[i].size)
				return false;
	}
	return true;
}

static void settle(struct run *r)
{
	r->stop = true;
	for (unsigned turn = 0; turn < 3000 && !settled(r); turn++) {
		for (int s = 0; s < 2; s++)
			for (unsigned i = 0; i < r->peer[s].n_links; i++) {
				struct link *l = &r->peer[s].link[i];
				speak(&r->peer[s], l);
				hear(&r->peer[s], l);
				if (!l->c->closed)
					pw_room(l->c, 100000);
			}
		next_chunk(&r->peer[turn & 1]);
		if (turn % 100 == 99)
			pw_advance(&r->w, 1);
	}
	assert_true(settled(r));
}

static void run(uint64_t seed, bool end)
{
	struct run *r = calloc(1, sizeof(*r));
	struct pw_sdp offer, answer;
	struct plane_stats st;
	char a[64], b[64];

	rng_seed(&r->rng, seed);
	pw_init(&r->w);
	r->w.conf.ack_end = end;
	for (int s = 0; s < 2; s++)
		r->peer[s].r = r, r->peer[s].side = (enum side)s;
	current_uri(&r->peer[0], a, sizeof(a)), current_uri(&r->peer[1], b, sizeof(b));
	pw_sdp1(&offer, a, "active", NULL);
	pw_sdp1(&answer, b, "active", NULL);
	pw_exchange(&r->w, SIDE_A, &offer, &answer);
	bind_link(&r->peer[0], a), bind_link(&r->peer[1], b);
	for (unsigned i = 0; i < STEPS; i++) {
		if (below(r, 100) == 0)
			change(r);
		else if (below(r, 50) == 0)
			pw_advance(&r->w, below(r, 20));
		else
			peer_step(r);
	}
	settle(r);
	plane_stats(r->w.p, &st);
	for (int s = 0; s < 2; s++) {
		struct peer *p = &r->peer[s];
		uint64_t bytes = 0;
		for (unsigned i = 0; i < p->n_msgs; i++) {
			bytes += p->msg[i].size;
			assert_int_equal(p->msg[i].success, p->msg[i].reported);
		}
		assert_int_equal(st.bytes_in[s], bytes);
		assert_int_equal(st.bytes_out[side_other((enum side)s)], bytes);
		assert_int_equal(st.messages[s], p->n_msgs);
		assert_int_equal(st.failed[s], 0);
	}
	pw_advance(&r->w, 130000);
	assert_true(plane_idle(r->w.p));
	for (int s = 0; s < 2; s++)
		for (unsigned i = 0; i < r->peer[s].n_links; i++) {
			assert_int_equal(r->peer[s].link[i].c->closed, i + 1 < r->peer[s].n_links);
			msrp_framer_finish(&r->peer[s].link[i].f);
			free(r->peer[s].link[i].out);
		}
	pw_finish(&r->w);
	free(r);
}

static uint64_t seeds_or(uint64_t n)
{
	const char *more = getenv("PLANE_SEEDS");

	return more ? strtoull(more, NULL, 10) : n;
}

static void random_25_end(void **state)
{
	uint64_t seeds = seeds_or(SEEDS);

	for (uint64_t seed = 1; seed <= seeds; seed++)
		run(seed, true);
}

static void random_25_hop(void **state)
{
	uint64_t seeds = seeds_or(SEEDS / 2);

	for (uint64_t seed = 1; seed <= seeds; seed++)
		run(seed + 1000000, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_25_end),
		cmocka_unit_test(random_25_hop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
