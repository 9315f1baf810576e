/* SPDX-License-Identifier: MIT */
/*
 * The port of the explored server: what it sends is read, checked and put where the peer finds it; what it asks for is
 * given at once and always the same way.  Chance is a counter: tokens are unique and carry no meaning, and what is
 * drawn to spread load (a back-off, a Retry-After) is always the least, so that two ways to a state meet.
 *
 * MSRP is there so that the user plane has what can be lost: the server connects (the peers are passive), the
 * connection is up at once, and its binding SEND is answered.
 */
#include <stdio.h>
#include <stdlib.h>

#include "explore/arena.h"
#include "explore/model.h"
#include "im/plane_int.h"
#include "sip/txn_priv.h"

enum { QUIET_TICKS_MAX = 2000 };

struct run run;

struct model *model(void)
{
	return run.m;
}

/* ---- the port ---- */

static void port_random(void *u, void *out, size_t n)
{
	struct model *m = u;
	uint8_t *to = out;

	if (n == sizeof(uint32_t)) { /* im_random_below() */
		memset(out, 0, n);
		return;
	}
	while (n) {
		uint64_t z = ++m->random * 0x9e3779b97f4a7c15;
		size_t take = n < sizeof(z) ? n : sizeof(z);
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
		z = (z ^ z >> 27) * 0x94d049bb133111eb;
		z ^= z >> 31;
		memcpy(to, &z, take);
		to += take, n -= take;
	}
}

static void show(const struct peer *p, bool up, const struct msg *m, size_t n)
{
	struct span method = sip_method_name(m->method);

	printf("%9.3f  %c %s as  ", (double)model()->now_us / 1e6, p->side ? 'B' : 'A', up ? ">" : "<");
	if (m->status)
		printf("%u ", m->status);
	printf("%" SPAN_FMT " cseq=%u", SPAN_ARG(method), m->cseq);
	if (m->version)
		printf(" sdp=v%u", m->version);
	printf("  (%zu bytes)\n", n);
}

static int port_sip_send(void *u, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	struct model *m = u;
	struct peer *p = &m->peer[to->ip.ip[3] == 20];
	struct msg msg;
	uint64_t rest;

	(void)token;
	wire_read(bytes, &msg, &rest);
	if (run.ladder) {
		show(p, false, &msg, bytes.n);
		if (getenv("EXPLORE_BYTES"))
			printf("%.*s\n", (int)bytes.n, bytes.p);
	}
	check_out(p, bytes, &msg, rest);
	wire_learn(p, bytes, &msg);
	peer_sent_to(p, &msg);
	return 0;
}

static const char our_print[] =
	"C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5:C5";

static void *port_connect(void *u, struct plane_conn *c, const struct im_msrp_to *to)
{
	struct model *m = u;

	for (unsigned i = 0; i < CONNS_MAX; i++) {
		struct conn *k = &m->conn[i];
		if (k->c)
			continue;
		*k = (struct conn){ .c = c, .side = (uint8_t)(to->port - 7000) };
		return k;
	}
	violation("more than %d MSRP connections at once", CONNS_MAX);
	return NULL;
}

static size_t port_digest(void *u, void *wc, enum sdp_hash h, uint8_t out[SDP_DIGEST_MAX])
{
	const struct conn *k = wc;

	(void)u;
	memset(out, wire_digest(k->side), sdp_digest_len(h));
	return sdp_digest_len(h);
}

static bool port_names(void *u, void *wc, struct span host)
{
	return false;
}

static struct span line_of(struct span text, struct span name)
{
	size_t at = span_find(text, name);
	struct span rest = span_skip(text, at == SPAN_NONE ? text.n : at + name.n);
	return span_trim(span_split(&rest, '\n'));
}

/* A SEND is answered; nothing else comes. */
static void port_write(void *u, void *wc, const struct span *piece, unsigned n)
{
	struct conn *k = wc;
	char room[1000];
	struct wbuf in = wbuf_on(room, sizeof(room)), out = wbuf_on(k->in + k->n_in, sizeof(k->in) - k->n_in);
	struct span text, tid;

	(void)u;
	for (unsigned i = 0; i < n; i++)
		w_span(&in, piece[i]);
	text = w_span_of(&in);
	tid = line_of(text, SPAN("MSRP "));
	if (span_find(tid, SPAN(" SEND")) == SPAN_NONE)
		return;
	tid = span_split(&tid, ' ');
	w_str(&out, "MSRP "), w_span(&out, tid), w_str(&out, " 200 OK\r\nTo-Path: ");
	w_span(&out, line_of(text, SPAN("From-Path: ")));
	w_str(&out, "\r\nFrom-Path: "), w_span(&out, line_of(text, SPAN("To-Path: ")));
	w_str(&out, "\r\n-------"), w_span(&out, tid), w_str(&out, "$\r\n");
	if (w_ok(&in) && w_ok(&out))
		k->n_in = (uint16_t)(k->n_in + out.n);
}

static size_t port_room(void *u, void *wc)
{
	return 65536;
}

static void port_resume(void *u, void *wc)
{
}

static void port_close(void *u, void *wc)
{
	*(struct conn *)wc = (struct conn){ 0 };
}

static void port_log(void *u, enum im_level level, const char *event, const char *fmt, va_list ap)
{
	const struct model *m = u;
	printf("%9.3f  log %s ", (double)m->now_us / 1e6, event);
	vprintf(fmt, ap);
	printf("\n");
}

static bool port_log_wanted(void *u, enum im_level level)
{
	return run.ladder && level <= IM_INFO;
}

/* ---- entering the server ---- */

/* What the far ends of the MSRP connections do at once. */
static void settle(struct model *m)
{
	for (bool more = true; more;) {
		more = false;
		for (unsigned i = 0; i < CONNS_MAX; i++) {
			struct conn *k = &m->conn[i];
			if (k->c && !k->up) {
				k->up = more = true;
				plane_conn_connected(k->c, m->now_us);
			} else if (k->c && k->n_in) {
				char copy[sizeof(k->in)];
				uint16_t n = k->n_in;
				memcpy(copy, k->in, n);
				k->n_in = 0;
				more = true;
				plane_conn_input(k->c, (struct span){ copy, n }, m->now_us);
			}
		}
	}
}

static void reach(struct peer *p, const struct text *t)
{
	struct model *m = model();
	static const uint8_t ip[2] = { 10, 20 };
	struct sip_src src = { .tp = SIP_UDP,
			       .ip = { .family = 4, .ip = { 192, 0, 2, ip[p->side] }, .port = 5060 } };
	static char bytes[TEXT_MAX];

	memcpy(bytes, t->p, t->n);
	if (run.ladder)
		show(p, true, &t->m, t->n);
	check_in(p, &t->m);
	arena_on(true);
	im_sip_input(m->im, (struct span){ bytes, t->n }, &src, m->now_us);
	settle(m);
	arena_on(false);
}

void world_hear(struct peer *p, struct text *t)
{
	struct model *m = model();

	t->sent_us = m->now_us;
	if (!m->hold) {
		if (t->m.method == SIP_ACK)
			p->ack_lost = false;
		reach(p, t);
		return;
	}
	m->hold = false;
	if (t->m.method == SIP_ACK)
		p->ack_lost = true;
	for (unsigned i = 0; i < LIMBO_MAX; i++) {
		if (m->limbo[i].used)
			continue;
		m->limbo[i] = (struct held){ .used = true, .up = true, .side = p->side, .t = *t };
		return;
	}
}

void world_late(struct held *h)
{
	struct peer *p = &model()->peer[h->side];
	static struct text t;
	bool up = h->up;

	t = h->t;
	memset(h, 0, sizeof(*h));
	if (!up) {
		peer_arrives(p, &t.m);
		return;
	}
	if (t.m.method == SIP_ACK)
		p->ack_lost = false;
	reach(p, &t);
}

uint64_t world_next(void)
{
	const struct timers *w = &model()->im->wheel;
	uint64_t best = UINT64_MAX;

	for (unsigned level = 0; level < WHEEL_LEVELS; level++)
		for (unsigned word = 0; word < WHEEL_SLOTS / 64; word++)
			for (uint64_t bits = w->used[level][word]; bits; bits &= bits - 1) {
				const struct list *head =
					&w->slot[level][word * 64 + (unsigned)__builtin_ctzll(bits)];
				for (const struct list *l = head->next; l != head; l = l->next) {
					uint64_t at = container_of(l, const struct timer, link)->at_us;
					best = at < best ? at : best;
				}
			}
	return best == UINT64_MAX ? best : (best + US_PER_MS - 1) / US_PER_MS * US_PER_MS;
}

/*
 * A message lives for T4 in the network (RFC 3261 17); as long as its sender would repeat it, which for the server it
 * does itself, it may still come later than that.
 */
static bool old(const struct model *m, const struct peer *p, const struct text *t, bool up)
{
	bool again = up && t->m.status;
	const struct mine *own[] = { &p->inv, &p->upd, &p->bye };

	for (unsigned i = 0; i < ARRAY_LEN(own) && up; i++)
		again |= own[i]->state && own[i]->cseq == t->m.cseq;
	again |= up && t->m.method == SIP_ACK;
	return m->now_us >= t->sent_us + (again ? T1_64_US : SIP_T4_MS * US_PER_MS);
}

static void forget_old(struct model *m)
{
	for (unsigned i = 0; i < LIMBO_MAX; i++) {
		struct held *h = &m->limbo[i];
		if (h->used && old(m, &m->peer[h->side], &h->t, h->up))
			memset(h, 0, sizeof(*h));
	}
	for (unsigned i = 0; i < 2; i++) {
		struct peer *p = &m->peer[i];
		struct text *t[] = { &p->request, &p->final, &p->ack };
		for (unsigned k = 0; k < ARRAY_LEN(t); k++)
			if (t[k]->n && old(m, p, t[k], true))
				memset(t[k], 0, offsetof(struct text, p));
	}
}

/* Repetitions that everybody has heard already are no reason to stop. */
bool world_tick(void)
{
	struct model *m = model();
	uint64_t before = hash_quiet(), at;

	for (unsigned i = 0; i < QUIET_TICKS_MAX; i++) {
		if ((at = world_next()) == UINT64_MAX)
			return i > 0;
		m->now_us = at > m->now_us ? at : m->now_us;
		arena_on(true);
		im_tick(m->im, m->now_us);
		settle(m);
		arena_on(false);
		forget_old(m);
		check_repeats();
		if (m->failed || m->n_channel[0] || m->n_channel[1] || hash_quiet() != before)
			return true;
	}
	violation("timers run and run, and nothing happens");
	return true;
}

bool world_can_cut(const struct peer *p)
{
	for (unsigned i = 0; i < CONNS_MAX; i++)
		if (model()->conn[i].c && model()->conn[i].side == p->side && model()->conn[i].up)
			return true;
	return false;
}

void world_cut(struct peer *p)
{
	struct model *m = model();

	p->lost = true;
	p->path++; /* it comes back under another name */
	for (unsigned i = 0; i < CONNS_MAX; i++) {
		struct conn *k = &m->conn[i];
		struct plane_conn *c = k->c;
		if (!c || k->side != p->side)
			continue;
		*k = (struct conn){ 0 };
		arena_on(true);
		plane_conn_closed(c, m->now_us);
		settle(m);
		arena_on(false);
	}
}

/* ---- the start ---- */

static void conf_here(struct im_conf *c)
{
	im_conf_defaults(c);
	c->n_listen = 1;
	c->listen[0] = (struct im_listen){ .tp = SIP_UDP, .port = 5060 };
	addr_parse(&c->listen[0].addr, SPAN("192.0.2.1"), 5060);
	snprintf(c->listen[0].host, sizeof(c->listen[0].host), "192.0.2.1");
	c->n_trusted = 1;
	if (!cidr_parse(&c->trusted[0], SPAN("192.0.2.0/24")))
		abort();
	c->n_domains = 1;
	snprintf(c->domains[0], sizeof(c->domains[0]), "example.com");
	c->sip_transactions_max = 64;
	c->plane.at[PLANE_TCP] = (struct plane_at){ "192.0.2.1", 2855 };
	if (run.set->tls) {
		c->plane.at[PLANE_TLS] = (struct plane_at){ "192.0.2.1", 2856 };
		snprintf(c->plane.fingerprint, sizeof(c->plane.fingerprint), "sha-256 %s", our_print);
		c->allow_downgrade = true;
	}
	c->session_expires_s = run.set->expires_s;
	c->mode = run.set->unanchored ? IM_UNANCHORED : IM_ANCHORED;
}

static void peer_init(struct peer *p, unsigned side)
{
	*p = (struct peer){ .side = (uint8_t)side, .cseq = 100, .version = 10 };
	snprintf(p->call_id, sizeof(p->call_id), "call-%c", side ? 'b' : 'a');
}

/* Room to work in, which says nothing between two actions; and what never changes. */
static void holes(const struct im *im)
{
	const struct planes *ps = im->planes;

	arena_hole(&im->conf, sizeof(im->conf));
	arena_hole(&im->msg, sizeof(im->msg));
	arena_hole(&im->body, sizeof(im->body));
	arena_hole(im->out, SIP_MSG_MAX);
	arena_hole(im->sdp_out, SDP_SIZE_MAX);
	for (unsigned i = 0; i < ARRAY_LEN(im->sdp); i++)
		arena_hole(im->sdp[i], sizeof(*im->sdp[i]));
	arena_hole(im->tl->scratch, sizeof(im->tl->scratch));
	arena_hole(ps->scratch, sizeof(ps->scratch));
	for (unsigned i = 0; i < BATCHES; i++)
		arena_hole(ps->batch[i].piece,
			   sizeof(struct plane_batch) - offsetof(struct plane_batch, piece));
}

void world_start(const struct setting *s)
{
	static struct im_conf conf;
	struct model *m;
	struct im_port port = { .random = port_random,
				.sip_send = port_sip_send,
				.msrp_connect = port_connect,
				.msrp_digest = port_digest,
				.msrp_names = port_names,
				.msrp_write = port_write,
				.msrp_room = port_room,
				.msrp_resume = port_resume,
				.msrp_close = port_close,
				.log = port_log,
				.log_wanted = port_log_wanted };

	run.set = s;
	conf_here(&conf);
	arena_on(true);
	m = calloc(1, sizeof(*m));
	run.m = port.w = m;
	m->now_us = 1000 * US_PER_S;
	m->im = im_create(&conf, &port, m->now_us);
	arena_on(false);
	if (!m->im)
		abort();
	holes(m->im);
	peer_init(&m->peer[0], 0);
	peer_init(&m->peer[1], 1);
}
