/* SPDX-License-Identifier: MIT */
/*
 * MSRP endpoints.  Every message is made from its number, so whoever receives a byte knows whether it is the right
 * one (UPA-25); every 200 and REPORT is held against what caused it (UP-25a).
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

/* Every fourth message is a CPIM one, so that its header section is cut wherever the pieces end (UP-34). */
static bool is_cpim(unsigned message)
{
	return message % 4 == 3;
}

char media_byte(unsigned message, uint64_t at)
{
	static const char cpim[] = "From: <sip:a@example.com>\r\nTo: <sip:b@example.net>\r\n"
				   "NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 1\r\n\r\n"
				   "Content-Type: text/plain\r\n\r\n";
	if (is_cpim(message) && at < sizeof(cpim))
		return cpim[at - 1];
	uint64_t x = (at + 1) * 0x9e3779b97f4a7c15ull + message * 0xbf58476d1ce4e5b9ull;
	x ^= x >> 29;
	return (char)x; /* any byte, line ends and dashes too */
}

static const char *name(const struct ua *ua)
{
	static char z[2][32];
	static unsigned at;
	char *out = z[at++ % 2];
	snprintf(out, sizeof(z[0]), "%s%u", ua->p.name, ua->s->id);
	return out;
}

/* ---- connections ---- */

static int conn_new(struct ua *ua)
{
	for (int i = 0; i < CONNS; i++)
		if (!ua->conn[i].used) {
			ua->conn[i] = (struct mconn){ .used = true, .ua = ua, .serial = ++ua->sim->n_conns };
			return i;
		}
	return -1;
}

static void put(char *dst, size_t cap, struct span s)
{
	snprintf(dst, cap, "%" SPAN_FMT, SPAN_ARG(s));
}

static void write_request(struct ua *ua, int conn, struct span bytes)
{
	struct mconn *m = &ua->conn[conn];
	struct sim *sim = ua->sim;
	if (m->c == NULL || m->cut)
		return;
	sim->n_bytes += bytes.n;
	if (!sim->healed && chance(sim, sim->f.cut)) { /* at any byte of it */
		world_msrp_send(m->c, span_cut(bytes, 0, rng_below(&sim->rng, bytes.n + 1)));
		sim_trace(sim, "%s's connection %d will break", name(ua), conn);
		m->cut = true;
		return;
	}
	world_msrp_send(m->c, bytes);
}

static void on_break(struct world *w, void *arg, uint64_t n)
{
	struct mconn *m = arg;
	if (m->c)
		world_msrp_cut(m->c);
}

static void break_if_cut(struct ua *ua, int conn)
{
	struct mconn *m = &ua->conn[conn];
	if (m->cut && m->c)
		world_at(&ua->sim->w, ua->sim->w.now_us + between(ua->sim, 0, 50) * US_PER_MS, on_break, m,
			 0);
}

static void bind_send(struct ua *ua, unsigned i)
{
	char out[1024];
	struct mline *l = &ua->line[i];
	struct wbuf w = wbuf_on(out, sizeof(out));
	unsigned n = ++ua->n_tids;
	w_fmt(&w,
	      "MSRP b%s%u SEND\r\nTo-Path: %s\r\nFrom-Path: msrp://%s:%u/%s;tcp\r\nMessage-ID: bind-%s-%u\r\n"
	      "Byte-Range: 1-0/0\r\n-------b%s%u$\r\n",
	      ua->p.name, n, l->far, ua->d.sdp.line[i].host, l->port, l->mine, ua->p.name, n, ua->p.name, n);
	write_request(ua, l->conn, w_span_of(&w));
	break_if_cut(ua, l->conn);
}

static void line_connect(struct ua *ua, unsigned i)
{
	struct mline *l = &ua->line[i];
	int conn = conn_new(ua);
	if (conn < 0)
		return;
	struct addr from = ua->p.addr;
	from.port = (uint16_t)(20000 + rng_below(&ua->sim->rng, 40000));
	ua->conn[conn].c = world_msrp_open(&ua->sim->w, &from, &ua->conn[conn]);
	l->conn = conn;
	l->bound = false;
	sim_trace(ua->sim, "%s opens connection %d for line %u", name(ua), conn, i);
	bind_send(ua, i);
}

static bool sends(struct span m, const char *dir)
{
	return !wire_line(m, "a=sendonly", 0).p && !wire_line(m, "a=inactive", 0).p &&
	       strcmp(dir, "recvonly") != 0 && strcmp(dir, "inactive") != 0;
}

const char *media_direction(struct span m)
{
	return wire_line(m, "a=sendonly", 0).p   ? "sendonly"
	       : wire_line(m, "a=recvonly", 0).p ? "recvonly"
	       : wire_line(m, "a=inactive", 0).p ? "inactive"
						 : "sendrecv";
}

/* UP-31, UPA-24: the peers are told of each other, and connect to each other, which is no business of ours. */
static void not_through_us(struct ua *ua, struct span sdp)
{
	for (unsigned i = 0; i < wire_n_media(sdp); i++)
		if (span_find(wire_line(wire_media(sdp, i), "a=path:", 0), SPAN("//192.0.2.1:")) != SPAN_NONE)
			sim_fail(ua->sim, "%s is told of a path of the server", name(ua));
}

void media_commit(struct ua *ua, struct span sdp, bool offerer)
{
	ua->s->committed = true;
	if (ua->sim->w.conf.mode == IM_UNANCHORED) {
		not_through_us(ua, sdp);
		return;
	}
	for (unsigned i = 0; i < ua->d.sdp.n && i < LINES; i++) {
		const struct psdp_line *mine = &ua->d.sdp.line[i];
		struct mline *l = &ua->line[i];
		struct span far = wire_media(sdp, i), mline = wire_line(far, "m=", 0);
		struct span path = wire_line(far, "a=path:", 0), setup = wire_line(far, "a=setup:", 0);
		span_split(&mline, ' ');
		if (offerer)
			memcpy(ua->wish[i], mine->dir, sizeof(ua->wish[i]));
		if (mine->port == 0 || wire_u64(mline) == 0 || path.p == NULL) {
			l->on = false;
			continue;
		}
		bool same = l->on && strcmp(l->mine, mine->session) == 0 && span_eq(span_of(l->far), path) &&
			    l->port == mine->port;
		bool alive = l->conn >= 0 && ua->conn[l->conn].c;
		l->active =
			offerer ? span_eq(setup, SPAN("passive"))
				: !span_eq(setup, SPAN("active")) && strcmp(ua->p.setup_pref, "active") == 0;
		l->on = true;
		l->may_send = sends(far, mine->dir);
		snprintf(l->dir, sizeof(l->dir), "%s", mine->dir[0] ? mine->dir : "sendrecv");
		snprintf(l->types, sizeof(l->types), "%s", mine->accept);
		put(l->far_types, sizeof(l->far_types), wire_line(far, "a=accept-types:", 0));
		snprintf(l->far_dir, sizeof(l->far_dir), "%s", media_direction(far));
		l->port = mine->port;
		snprintf(l->mine, sizeof(l->mine), "%s", mine->session);
		put(l->far, sizeof(l->far), path);
		if (same && alive)
			continue;
		l->bound = false;
		if (!same)
			l->conn = -1;
		if (l->active && !ua->over)
			line_connect(ua, i);
	}
	for (unsigned i = ua->d.sdp.n; i < LINES; i++)
		ua->line[i].on = false;
}

void media_close_all(struct ua *ua)
{
	for (unsigned i = 0; i < CONNS; i++) {
		struct mconn *m = &ua->conn[i];
		if (m->c) {
			world_msrp_cut(m->c);
			m->cut = true;
		}
	}
	for (unsigned i = 0; i < LINES; i++)
		ua->line[i].on = false;
}

int media_incoming(void *u, struct wconn *c, const struct addr *to, void **peer)
{
	struct sim *sim = u;
	for (unsigned i = 0; i < sim->n_sess; i++)
		for (unsigned k = 0; sess_ua(&sim->sess[i], k); k++) {
			struct ua *ua = sess_ua(&sim->sess[i], k);
			for (unsigned l = 0; l < ua->d.sdp.n; l++) {
				if (!addr_same_ip(&ua->p.addr, to) || ua->over || ua->crashed ||
				    !ua->d.sdp.line[l].port || ua->d.sdp.line[l].port != to->port)
					continue;
				int conn = conn_new(ua);
				if (conn < 0)
					return -1;
				ua->conn[conn].c = c;
				sim_trace(sim, "as connects to %s: connection %d", name(ua), conn);
				*peer = &ua->conn[conn];
				return 0;
			}
		}
	return -1;
}

void media_up(void *u, struct wconn *c, void *peer, bool up)
{
	struct mconn *m = peer;
	if (!up)
		m->c = NULL;
}

void media_down(void *u, struct wconn *c, void *peer)
{
	struct mconn *m = peer;
	struct ua *ua = m->ua;
	bool mine = false;
	sim_trace(ua->sim, "%s's connection %d is gone", name(ua), (int)(m - ua->conn));
	m->c = NULL;
	m->cut = true; /* what was open on it will not be answered */
	for (unsigned i = 0; i < LINES; i++)
		if (ua->line[i].on && ua->line[i].conn == m - ua->conn)
			ua->line[i].conn = -1, ua->line[i].bound = false, mine = true;
	if (mine && !ua->over && !ua->crashed && ua->up)
		plan_repair(ua);
}

/* ---- sending ---- */

static void send_piece(struct ua *ua, unsigned number, uint64_t from, uint64_t to, bool last)
{
	static char out[80000];
	struct message *msg = &ua->sim->message[number];
	struct mline *l = &ua->line[msg->line];
	struct piece *p = &ua->piece[ua->n_pieces++ % PIECES];
	struct wbuf w = wbuf_on(out, sizeof(out));
	*p = (struct piece){ .used = true,
			     .message = number,
			     .from = from,
			     .to = to,
			     .conn = l->conn,
			     .must = !msg->failure_no && !msg->failure_partial };
	snprintf(p->tid, sizeof(p->tid), "t%s%ux%u", ua->p.name, ua->s->id, ++ua->n_tids);
	w_fmt(&w, "MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: msrp://%s:%u/%s;tcp\r\nMessage-ID: m%u\r\n",
	      p->tid, l->far, ua->d.sdp.line[msg->line].host, l->port, l->mine, number);
	if (msg->success)
		w_str(&w, "Success-Report: yes\r\n");
	if (msg->failure_no || msg->failure_partial)
		w_fmt(&w, "Failure-Report: %s\r\n", msg->failure_no ? "no" : "partial");
	w_fmt(&w, "Byte-Range: %llu-%llu/%llu\r\nContent-Type: %s\r\n\r\n", (unsigned long long)from,
	      (unsigned long long)to, (unsigned long long)msg->size,
	      is_cpim(number) ? "message/cpim" : "text/plain");
	for (uint64_t i = from; i <= to; i++)
		w_chr(&w, media_byte(number, i));
	w_fmt(&w, "\r\n-------%s%c\r\n", p->tid, last ? '$' : '+');
	if (!w_ok(&w))
		abort();
	sim_trace(ua->sim, "%s >> as SEND m%u %llu-%llu/%llu", name(ua), number, (unsigned long long)from,
		  (unsigned long long)to, (unsigned long long)msg->size);
	if (msg->sent < to)
		msg->sent = to;
	msg->said_us = ua->sim->w.now_us;
	write_request(ua, l->conn, w_span_of(&w));
}

void media_say(struct ua *ua)
{
	struct sim *sim = ua->sim;
	struct mline *l = &ua->line[0];
	if (!l->on || !l->may_send || l->conn < 0 || !l->bound || ua->conn[l->conn].c == NULL ||
	    ua->conn[l->conn].cut || sim->n_messages == MESSAGES)
		return;
	unsigned number = sim->n_messages++;
	struct message *m = &sim->message[number];
	uint64_t size = chance(sim, 100) ? between(sim, 5000, 60000) : between(sim, 1, 600);
	*m = (struct message){ .used = true,
			       .from = ua,
			       .size = size,
			       .success = chance(sim, 300),
			       .failure_no = chance(sim, 100),
			       .failure_partial = chance(sim, 100) };
	for (uint64_t at = 1; at <= size;) {
		uint64_t n = chance(sim, 500) ? size : between(sim, 1, 4000);
		uint64_t to = at + n - 1 < size ? at + n - 1 : size;
		send_piece(ua, number, at, to, to == size);
		if (ua->conn[l->conn].cut)
			break;
		at = to + 1;
	}
	break_if_cut(ua, l->conn);
}

/* ---- after a loss ---- */

static bool is_told(const struct message *m)
{
	return m->refused || m->told || m->failure_no || m->failure_partial;
}

/* The first piece of it that got no answer on another connection; NULL: none. */
static struct piece *first_open(struct ua *ua, unsigned number, int conn)
{
	struct piece *first = NULL;
	for (struct piece *p = ua->piece; p < ua->piece + PIECES; p++)
		if (p->used && p->message == number && !p->answered && p->must && p->conn != conn &&
		    (first == NULL || p->from < first->from))
			first = p;
	return first;
}

/* RFC 4975 5.4: what got no answer on the connection that is gone, again; then what was not said of the message yet. */
static void message_again(struct ua *ua, unsigned number)
{
	struct message *msg = &ua->sim->message[number];
	int conn = ua->line[msg->line].conn;
	struct piece *p;
	while (!ua->conn[conn].cut && (p = first_open(ua, number, conn)) != NULL) {
		struct piece old = *p;
		p->used = false;
		if (msg->again < old.to)
			msg->again = old.to;
		send_piece(ua, number, old.from, old.to, old.to == msg->size);
	}
	while (msg->sent < msg->size && !ua->conn[conn].cut) {
		uint64_t to = msg->sent + 4000 < msg->size ? msg->sent + 4000 : msg->size;
		send_piece(ua, number, msg->sent + 1, to, to == msg->size);
	}
}

static void on_bound(struct world *w, void *arg, uint64_t i)
{
	struct ua *ua = arg;
	struct sim *sim = ua->sim;
	struct mline *l = &ua->line[i];
	for (unsigned n = 0; n < sim->n_messages; n++) {
		struct message *msg = &sim->message[n];
		if (msg->from != ua || msg->line != i || is_told(msg) || !l->on || !l->may_send ||
		    !l->bound || l->conn < 0 || ua->conn[l->conn].c == NULL || ua->conn[l->conn].cut ||
		    ua->over || ua->crashed)
			continue;
		message_again(ua, n);
		break_if_cut(ua, l->conn);
	}
}

static void line_bound(struct ua *ua, unsigned i, bool bound)
{
	struct mline *l = &ua->line[i];
	if (bound && !l->bound)
		world_at(&ua->sim->w, ua->sim->w.now_us, on_bound, ua, i);
	l->bound = bound;
}

void media_again(struct ua *ua)
{
	for (unsigned i = 0; i < LINES; i++)
		if (ua->line[i].on && ua->line[i].active && ua->line[i].conn < 0)
			line_connect(ua, i);
}

bool media_bound(const struct ua *ua)
{
	for (unsigned i = 0; i < LINES; i++)
		if (ua->line[i].on && !ua->line[i].bound)
			return false;
	return true;
}

/* A message that was said whole, to its end, and whose every SEND was answered 200: it is there, or its sender was told. */
void media_check_end(struct sim *sim)
{
	for (unsigned n = 0; n < sim->n_messages; n++) {
		struct message *m = &sim->message[n];
		struct ua *far = sess_partner(m->from->s, side_other(m->from->side));
		uint64_t over =
			m->from->over_us && m->from->over_us < far->over_us ? m->from->over_us : far->over_us;
		bool ended = m->from->crashed || far->crashed || over < m->said_us + 75 * US_PER_S;
		if (is_told(m) || m->aborted || m->ok200 < m->size || m->received == m->size || ended ||
		    sim->f.oom)
			continue;
		sim_fail(sim, "%s: m%u was answered 200 to its end, and %llu of its %llu bytes arrived",
			 name(m->from), n, (unsigned long long)m->received, (unsigned long long)m->size);
	}
}

/* ---- receiving ---- */

struct reply {
	struct mconn *m;
	struct ua *ua;
	unsigned message;
	uint64_t from, to;
	size_t n;
	char bytes[1024];
};

static void on_reply(struct world *w, void *arg, uint64_t status)
{
	struct reply *r = arg;
	struct sim *sim = r->ua->sim;
	if (r->m->c && !r->m->cut && !r->ua->crashed) {
		struct message *msg = &sim->message[r->message];
		if (status == 200 && r->to >= r->from && msg->n_ok < PIECES) {
			msg->ok[msg->n_ok].from = r->from;
			msg->ok[msg->n_ok++].to = r->to;
		}
		if (status == 0)
			msg->report_sent = true;
		sim_trace(sim, "%s >> as %s m%u %llu-%llu", name(r->ua),
			  status ? status == 200 ? "200" : "refusal" : "REPORT", r->message,
			  (unsigned long long)r->from, (unsigned long long)r->to);
		world_msrp_send(r->m->c, (struct span){ r->bytes, r->n });
	}
	free(r);
}

static struct reply *reply_new(struct mconn *m, unsigned message)
{
	struct reply *r = calloc(1, sizeof(*r));
	if (r == NULL)
		abort();
	r->m = m;
	r->ua = m->ua;
	r->message = message;
	r->from = 1;
	return r;
}

static void reply(struct mconn *m, const struct wire_msrp *in, unsigned status, unsigned message,
		  uint64_t from, uint64_t to)
{
	struct reply *r = reply_new(m, message);
	struct span fp = wire_msrp_hdr(in, "From-Path"), first = span_split(&fp, ' ');
	struct wbuf w = wbuf_on(r->bytes, sizeof(r->bytes));
	r->from = from, r->to = to;
	w_fmt(&w,
	      "MSRP %" SPAN_FMT " %u OK\r\nTo-Path: %" SPAN_FMT "\r\nFrom-Path: %" SPAN_FMT
	      "\r\n-------%" SPAN_FMT "$\r\n",
	      SPAN_ARG(in->tid), status, SPAN_ARG(first), SPAN_ARG(wire_msrp_hdr(in, "To-Path")),
	      SPAN_ARG(in->tid));
	r->n = w.n;
	world_at(&m->ua->sim->w, m->ua->sim->w.now_us + between(m->ua->sim, 0, 80) * US_PER_MS, on_reply, r,
		 status);
}

static void report(struct mconn *m, const struct wire_msrp *in, unsigned message)
{
	struct reply *r = reply_new(m, message);
	struct message *msg = &m->ua->sim->message[message];
	struct wbuf w = wbuf_on(r->bytes, sizeof(r->bytes));
	unsigned n = ++m->ua->n_tids;
	w_fmt(&w,
	      "MSRP r%s%ux%u REPORT\r\nTo-Path: %" SPAN_FMT "\r\nFrom-Path: %" SPAN_FMT
	      "\r\nMessage-ID: m%u\r\n"
	      "Byte-Range: 1-%llu/%llu\r\nStatus: 000 200 OK\r\n-------r%s%ux%u$\r\n",
	      m->ua->p.name, m->ua->s->id, n, SPAN_ARG(wire_msrp_hdr(in, "From-Path")),
	      SPAN_ARG(wire_msrp_hdr(in, "To-Path")), message, (unsigned long long)msg->size,
	      (unsigned long long)msg->size, m->ua->p.name, m->ua->s->id, n);
	r->n = w.n;
	world_at(&m->ua->sim->w, m->ua->sim->w.now_us + between(m->ua->sim, 80, 2000) * US_PER_MS, on_reply,
		 r, 0);
}

/* Which line is this for?  What binds a connection here binds the line. */
static void bind_here(struct mconn *m, const struct wire_msrp *in)
{
	struct ua *ua = m->ua;
	struct span to = wire_msrp_hdr(in, "To-Path");
	for (unsigned i = 0; i < LINES; i++)
		if (ua->line[i].on && ua->line[i].mine[0] &&
		    span_find(to, span_of(ua->line[i].mine)) != SPAN_NONE && !ua->line[i].active) {
			if (ua->line[i].conn != m - ua->conn)
				ua->line[i].bound = false;
			ua->line[i].conn = (int)(m - ua->conn);
			line_bound(ua, i, true);
		}
}

static void check_bytes(struct ua *ua, struct message *msg, unsigned number, uint64_t from, struct span body,
			bool abort_of, unsigned serial)
{
	struct sim *sim = ua->sim;
	if (msg->on_serial != serial)
		msg->before = msg->received;
	msg->on_serial = serial;
	if (msg->from->s != ua->s || msg->from == ua)
		sim_fail(sim, "%s got message m%u, which is not for it", name(ua), number);
	/*
	 * What aborts a message may overtake, on a new connection, what is still under way on the old one.  A server
	 * without memory refuses a first chunk and cannot remember it: the next one is then the first it sees (UP-32).  And
	 * with Failure-Report: no nobody keeps account of a chunk that was lost with its connection.
	 */
	bool forgotten = sim->f.oom != 0 || msg->failure_no;
	if (from > msg->received + 1 && !abort_of && !forgotten)
		sim_fail(sim, "%s got m%u from byte %llu, but had only %llu: a hole", name(ua), number,
			 (unsigned long long)from, (unsigned long long)msg->received);
	if (from + body.n - 1 > msg->sent)
		sim_fail(sim, "%s got more of m%u than was sent", name(ua), number);
	for (size_t i = 0; i < body.n; i++)
		if (body.p[i] != media_byte(number, from + i))
			sim_fail(sim, "%s got a wrong byte of m%u at %llu", name(ua), number,
				 (unsigned long long)from + i);
	uint64_t known = msg->before > msg->again ? msg->before : msg->again;
	if (from <= msg->received && from + body.n - 1 > known && msg->received > known && body.n &&
	    !msg->aborted)
		sim_fail(sim, "%s got bytes %llu of m%u twice", name(ua), (unsigned long long)from, number);
	if (from + body.n - 1 > msg->received && !abort_of)
		msg->received = from + body.n - 1;
}

static void got_send(struct mconn *m, const struct wire_msrp *in)
{
	struct ua *ua = m->ua;
	struct sim *sim = ua->sim;
	struct span id = wire_msrp_hdr(in, "Message-ID"), range = wire_msrp_hdr(in, "Byte-Range");
	struct span failure = wire_msrp_hdr(in, "Failure-Report");
	bind_here(m, in);
	if (!in->has_body && !span_starts(id, SPAN("m"))) {
		if (!span_eq(failure, SPAN("no")))
			reply(m, in, 200, 0, 1, 0);
		return;
	}
	unsigned number = (unsigned)wire_u64(span_skip(id, 1));
	if (!span_starts(id, SPAN("m")) || number >= sim->n_messages) {
		reply(m, in, 200, 0, 1, 0);
		return;
	}
	struct message *msg = &sim->message[number];
	uint64_t from = range.p ? wire_u64(range) : 1;
	sim_trace(sim, "as >> %s SEND m%u from %llu, %zu bytes %c conn=%d", name(ua), number,
		  (unsigned long long)from, in->body.n, in->flag, (int)(m - ua->conn));
	if (in->body.n)
		check_bytes(ua, msg, number, from, in->body, in->flag == '#', m->serial);
	if (in->flag == '#')
		msg->aborted = true;
	if (in->flag == '$' && in->has_body && msg->received != msg->size)
		sim_fail(sim, "%s: m%u ends with $ after %llu of %llu bytes", name(ua), number,
			 (unsigned long long)msg->received, (unsigned long long)msg->size);
	unsigned status = 200;
	if (!sim->healed && chance(sim, sim->f.msrp_refuse))
		status = chance(sim, 500) ? 413 : 400;
	bool silent = !sim->healed && chance(sim, sim->f.msrp_silent);
	bool wants = !span_eq(failure, SPAN("no")) && (status != 200 || !span_eq(failure, SPAN("partial")));
	if (wants && !silent)
		reply(m, in, status, number, from, from + in->body.n - 1);
	if (in->flag == '$' && status == 200 && span_eq(wire_msrp_hdr(in, "Success-Report"), SPAN("yes")))
		report(m, in, number);
}

/* Everything in [from, to] was said 200 to by the receiver (UP-25a). */
static bool confirmed(const struct message *msg, uint64_t from, uint64_t to)
{
	while (from <= to) {
		uint64_t was = from;
		for (unsigned i = 0; i < msg->n_ok; i++)
			if (msg->ok[i].from <= from && msg->ok[i].to >= from)
				from = msg->ok[i].to + 1;
		if (from == was)
			return false;
	}
	return true;
}

static void got_response(struct mconn *m, const struct wire_msrp *in)
{
	struct ua *ua = m->ua;
	struct sim *sim = ua->sim;
	if (in->tid.p[0] == 'b') {
		for (unsigned i = 0; i < LINES; i++)
			if (ua->line[i].conn == m - ua->conn)
				line_bound(ua, i, in->status == 200);
		return;
	}
	for (unsigned i = 0; i < PIECES; i++) {
		struct piece *p = &ua->piece[i];
		if (!p->used || !span_eq(span_of(p->tid), in->tid))
			continue;
		struct message *msg = &sim->message[p->message];
		sim_trace(sim, "as >> %s %u m%u %llu-%llu", name(ua), in->status, p->message,
			  (unsigned long long)p->from, (unsigned long long)p->to);
		if (p->answered)
			sim_fail(sim, "%s: two responses to one SEND of m%u", name(ua), p->message);
		msg->refused |= in->status != 200;
		if (in->status == 200 && msg->ok200 < p->to)
			msg->ok200 = p->to;
		if (msg->failure_no || (msg->failure_partial && in->status == 200))
			sim_fail(sim, "%s: a response %u to m%u, which wanted none", name(ua), in->status,
				 p->message);
		p->answered = true;
		if (in->status == 200 && sim->w.conf.plane.ack_end && msg->n_ok < PIECES &&
		    !confirmed(msg, p->from, p->to))
			sim_fail(sim, "%s: 200 for m%u %llu-%llu before the far side had it", name(ua),
				 p->message, (unsigned long long)p->from, (unsigned long long)p->to);
		return;
	}
}

static void got_report(struct mconn *m, const struct wire_msrp *in)
{
	struct sim *sim = m->ua->sim;
	struct span id = wire_msrp_hdr(in, "Message-ID"), status = wire_msrp_hdr(in, "Status");
	unsigned number = (unsigned)wire_u64(span_skip(id, 1));
	if (!span_starts(id, SPAN("m")) || number >= sim->n_messages)
		return;
	struct message *msg = &sim->message[number];
	sim_trace(sim, "as >> %s REPORT m%u %.*s", name(m->ua), number, (int)status.n, status.p);
	/* A device that lost the race to answer may have been heard on the path that all were offered (UP-10). */
	bool of_a_sibling = msg->from->s == m->ua->s && msg->from->side == m->ua->side;
	if (msg->from != m->ua && !of_a_sibling)
		sim_fail(sim, "%s got a REPORT for m%u, which is not its own", name(m->ua), number);
	if (span_starts(status, SPAN("000 200")) && !msg->report_sent)
		sim_fail(sim, "%s: a success REPORT for m%u that nobody made", name(m->ua), number);
	if (!span_starts(status, SPAN("000 200")) && msg->failure_no)
		sim_fail(sim, "%s: a failure REPORT for m%u, which wanted none", name(m->ua), number);
	msg->report_seen = true;
	msg->told |= !span_starts(status, SPAN("000 200"));
}

size_t media_bytes(void *u, struct wconn *wc, void *peer, struct span bytes)
{
	struct mconn *c = peer;
	struct wire_msrp m;
	ssize_t n;
	c->in = realloc(c->in, c->n_in + bytes.n);
	if (c->in == NULL)
		abort();
	memcpy(c->in + c->n_in, bytes.p, bytes.n);
	c->n_in += bytes.n;
	while (c->n_in && (n = wire_msrp(&m, (struct span){ c->in, c->n_in })) != 0) {
		if (n < 0)
			sim_fail(c->ua->sim, "%s got what is not MSRP: %.40s", name(c->ua), c->in);
		if (m.status)
			got_response(c, &m);
		else if (span_eq(m.method, SPAN("SEND")))
			got_send(c, &m);
		else if (span_eq(m.method, SPAN("REPORT")))
			got_report(c, &m);
		c->n_in -= (size_t)n;
		memmove(c->in, c->in + n, c->n_in);
	}
	return bytes.n;
}
