/* SPDX-License-Identifier: MIT */
/*
 * MSRP endpoints: their connections, and what they send.  Every message is made from its number, so whoever receives a byte
 * knows whether it is the right one (UPA-25); what they receive is in hear.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

/* Every fourth message is a CPIM one, so that its header section is cut wherever the pieces end (UP-34). */
static bool is_cpim(unsigned message)
{
	return message % 4 == 3;
}

static const char cpim[] = "From: <sip:a@example.com>\r\nTo: <sip:b@example.net>\r\n"
			   "NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 1\r\n\r\n"
			   "Content-Type: text/plain\r\n\r\n";

uint64_t media_head(const struct message *m)
{
	return is_cpim(m->key) && !m->file ? sizeof(cpim) - 1 : 0;
}

char media_byte(const struct message *m, uint64_t at)
{
	at += m->base;
	if (is_cpim(m->key) && at < sizeof(cpim))
		return cpim[at - 1];
	uint64_t x = (at + 1) * 0x9e3779b97f4a7c15ull + m->key * 0xbf58476d1ce4e5b9ull;
	x ^= x >> 29;
	return (char)x; /* any byte, line ends and dashes too */
}

const char *media_name(const struct ua *ua)
{
	static char z[2][32];
	static unsigned at;
	char *out = z[at++ % 2];
	snprintf(out, sizeof(z[0]), "%s%u", ua->p.name, ua->s->id);
	return out;
}

/* As psdp names it, in the first line too (ua_init). */
const char *media_cert(const struct ua *ua)
{
	return ua->side == SIDE_A ? "a" : "b";
}

static void w_uri(struct wbuf *w, const struct ua *ua, unsigned i)
{
	const struct mline *l = &ua->line[i];
	w_fmt(w, "%s://%s:%u/%s;tcp", l->tls ? "msrps" : "msrp", ua->d.sdp.line[i].host, l->port, l->mine);
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
		sim_trace(sim, "%s's connection %d will break", media_name(ua), conn);
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
	w_fmt(&w, "MSRP b%s%u SEND\r\nTo-Path: %s\r\nFrom-Path: ", ua->p.name, n, l->far);
	w_uri(&w, ua, i);
	w_fmt(&w, "\r\nMessage-ID: bind-%s-%u\r\nByte-Range: 1-0/0\r\n-------b%s%u$\r\n", ua->p.name, n,
	      ua->p.name, n);
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
	world_msrp_tls(ua->conn[conn].c, l->tls, media_cert(ua));
	ua->sim->n_tls += l->tls, ua->sim->n_wrong += l->tls && l->wrong;
	l->conn = conn;
	l->bound = false;
	sim_trace(ua->sim, "%s opens connection %d for line %u", media_name(ua), conn, i);
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
			sim_fail(ua->sim, "%s is told of a path of the server", media_name(ua));
}

/* Whoever offered it sends it: sendonly. */
static void file_commit(struct mline *l, const struct psdp_line *mine)
{
	const char *range = strstr(mine->extra, "file-range:");
	l->file = strstr(mine->extra, "file-selector:");
	if (!l->file || strcmp(l->mine, mine->session) == 0)
		return;
	if (l->mine[0])
		l->begun = l->rest = 0;
	l->base = range ? (unsigned)atoi(range + strlen("file-range:")) - 1 : 0;
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
		bool tls = strstr(mine->proto, "TLS"), wrong = tls && strcmp(mine->fp, media_cert(ua)) != 0;
		if (!ua->s->rude && (span_starts(path, SPAN("msrps:")) != tls ||
				     (wire_line(far, "a=fingerprint:", 0).p != NULL) != tls))
			sim_fail(ua->sim, "%s: line %u is %s TLS, and the server's is not", media_name(ua), i,
				 tls ? "with" : "without");
		bool same = l->on && l->tls == tls && l->wrong == wrong &&
			    strcmp(l->mine, mine->session) == 0 && span_eq(span_of(l->far), path) &&
			    l->port == mine->port;
		bool alive = l->conn >= 0 && ua->conn[l->conn].c;
		l->active =
			offerer ? span_eq(setup, SPAN("passive"))
				: !span_eq(setup, SPAN("active")) && strcmp(ua->p.setup_pref, "active") == 0;
		l->on = true;
		l->tls = tls, l->wrong = wrong;
		file_commit(l, mine);
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
				world_msrp_tls(c, world_msrp_is_tls(c), media_cert(ua));
				sim->n_tls += world_msrp_is_tls(c);
				sim_trace(sim, "as connects to %s: connection %d", media_name(ua), conn);
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
	sim_trace(ua->sim, "%s's connection %d is gone", media_name(ua), (int)(m - ua->conn));
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
	w_fmt(&w, "MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: ", p->tid, l->far);
	w_uri(&w, ua, msg->line);
	w_fmt(&w, "\r\nMessage-ID: m%u\r\n", number);
	msg->stranger &= l->tls && l->wrong;
	if (msg->success)
		w_str(&w, "Success-Report: yes\r\n");
	if (msg->failure_no || msg->failure_partial)
		w_fmt(&w, "Failure-Report: %s\r\n", msg->failure_no ? "no" : "partial");
	w_fmt(&w, "Byte-Range: %llu-%llu/%llu\r\nContent-Type: %s\r\n\r\n", (unsigned long long)from,
	      (unsigned long long)to, (unsigned long long)msg->size,
	      msg->file         ? "image/jpeg"
	      : is_cpim(number) ? "message/cpim"
				: "text/plain");
	for (uint64_t i = from; i <= to; i++)
		w_chr(&w, media_byte(msg, i));
	w_fmt(&w, "\r\n-------%s%c\r\n", p->tid, last ? '$' : msg->given_up ? '#' : '+');
	if (!w_ok(&w))
		abort();
	sim_trace(ua->sim, "%s >> as SEND m%u %llu-%llu/%llu", media_name(ua), number,
		  (unsigned long long)from, (unsigned long long)to, (unsigned long long)msg->size);
	if (msg->sent < to)
		msg->sent = to;
	msg->said_us = ua->sim->w.now_us;
	write_request(ua, l->conn, w_span_of(&w));
}

static bool may_say(const struct ua *ua, unsigned i)
{
	const struct mline *l = &ua->line[i];
	return l->on && l->may_send && l->conn >= 0 && l->bound && ua->conn[l->conn].c &&
	       !ua->conn[l->conn].cut && ua->sim->n_messages < MESSAGES;
}

static void say(struct ua *ua, unsigned number)
{
	struct sim *sim = ua->sim;
	struct message *m = &sim->message[number];
	int conn = ua->line[m->line].conn;
	for (uint64_t at = 1; at <= m->size;) {
		uint64_t n = chance(sim, 500) ? m->size : between(sim, 1, 4000);
		uint64_t to = at + n - 1 < m->size ? at + n - 1 : m->size;
		m->given_up = m->file && to < m->size && extra(sim, 400); /* its user has seen enough */
		send_piece(ua, number, at, to, to == m->size);
		if (ua->conn[conn].cut || m->given_up)
			break;
		at = to + 1;
	}
	break_if_cut(ua, conn);
}

/* A file, or what is left of it, once per line. */
static void say_file(struct ua *ua, unsigned i)
{
	struct sim *sim = ua->sim;
	struct mline *l = &ua->line[i];
	unsigned number = sim->n_messages++;
	l->begun = 1 + number;
	sim->message[number] = (struct message){ .used = true,
						 .from = ua,
						 .line = i,
						 .file = true,
						 .stranger = true,
						 .key = l->rest ? l->rest - 1 : number,
						 .base = l->base,
						 .size = FILE_SIZE - l->base,
						 .success = extra(sim, 300) };
	sim->n_files++, sim->n_resumed += l->base != 0;
	say(ua, number);
}

void media_say(struct ua *ua)
{
	struct sim *sim = ua->sim;
	for (unsigned i = 1; i < LINES; i++)
		if (ua->line[i].file && !ua->line[i].begun && may_say(ua, i) &&
		    strcmp(ua->line[i].dir, "sendonly") == 0 && extra(sim, 300)) {
			say_file(ua, i);
			return;
		}
	if (!may_say(ua, 0))
		return;
	unsigned number = sim->n_messages++;
	uint64_t size = chance(sim, 100) ? between(sim, 5000, 60000) : between(sim, 1, 600);
	sim->message[number] = (struct message){ .used = true,
						 .from = ua,
						 .key = number,
						 .stranger = true,
						 .size = size,
						 .success = chance(sim, 300),
						 .failure_no = chance(sim, 100),
						 .failure_partial = chance(sim, 100) };
	say(ua, number);
}

/* ---- after a loss ---- */

static bool is_told(const struct message *m)
{
	return m->refused || m->told || m->given_up || m->failure_no || m->failure_partial;
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

void media_line_bound(struct ua *ua, unsigned i, bool bound)
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
			 media_name(m->from), n, (unsigned long long)m->received,
			 (unsigned long long)m->size);
	}
}
