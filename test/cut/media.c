/* SPDX-License-Identifier: MIT */
/*
 * The MSRP of a peer: its connections, how they break and come back, and what it sends on them.  All lines share one
 * connection, so that a cut meets the chat and the file beside it at once.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cut.h"

enum { BACK_US = 500000, BUSY_US = 300000 };

char media_byte(const struct message *m, unsigned msg, unsigned at)
{
	if (msg == REST_MSG) /* the same file */
		msg = FILE_MSG;
	at += m->base;
	return (char)('A' + (msg * 17 + at * 5 + at / 7) % 57);
}

void media_plan(struct run *r)
{
	static const struct message m[MESSAGES] = {
		{ .from = CLIENT, .size = 12, .slow = true },
		{ .from = CLIENT, .size = 30 },
		{ .from = CF, .size = 14, .success = true, .slow = true },
		{ .from = CLIENT, .size = 9, .success = true },
	};
	static const struct chunk c[CHUNKS] = {
		{ 0, 1, 12 }, { 1, 1, 11 }, { 1, 12, 30 }, { 2, 1, 14 }, { 3, 1, 9 }
	};
	static const struct message file = { .from = CLIENT, .size = 60, .line = FILE_LINE };
	static const struct chunk parts[] = { { FILE_MSG, 1, 20 },
					      { FILE_MSG, 21, 40 },
					      { FILE_MSG, 41, 60 } };
	memcpy(r->msg, m, sizeof(m));
	memcpy(r->chunk, c, sizeof(c));
	if (r->plan.file) {
		r->msg[FILE_MSG] = file;
		memcpy(&r->chunk[4], parts, sizeof(parts));
	}
	for (unsigned i = 0; i < MESSAGES && r->plan.success; i++)
		r->msg[i].success = true;
}

/* ---- connections ---- */

static struct conn *conn_new(struct peer *p)
{
	if (p->n_conns == CONNS)
		run_fail(p->r, "%s has had %d connections", p->p.name, CONNS);
	struct conn *c = &p->conns[p->n_conns];
	c->p = p;
	c->nth = p->n_conns++;
	return c;
}

bool media_is_cut_here(const struct conn *c, enum dir dir, unsigned *at)
{
	const struct plan *n = &c->p->r->plan;
	for (const struct cut *k = n->cut; n->kind == CUTS && k < n->cut + n->n_cuts; k++)
		if (k->side == c->p->side && k->nth == c->nth && k->dir == dir) {
			*at = k->at;
			return true;
		}
	return false;
}

static void cut_now(struct conn *c)
{
	struct run *r = c->p->r;
	if (c->cut || c->c == NULL)
		return;
	c->cut = c->ending = true;
	c->delivered = c->sent - world_msrp_backlog(c->c);
	r->cut_us[c->p->side] = r->w.now_us;
	reckon_cut(c);
	run_say(r, "%s CUT, of %zu bytes to the server it had %zu", c->p->p.name, c->sent, c->delivered);
	world_msrp_cut(c->c);
}

static void on_cut(struct world *w, void *arg, uint64_t n)
{
	cut_now(arg);
}

void media_cut_at(struct conn *c, uint64_t at_us)
{
	c->ending = true;
	world_at(&c->p->r->w, at_us, on_cut, c, 0);
}

void media_break(struct peer *p, bool all)
{
	for (struct conn *c = p->conns; c < p->conns + p->n_conns; c++)
		if (c->c && !c->ending && (all || c == p->conn))
			media_cut_at(c, p->r->w.now_us);
	p->r->cut_us[p->side] = p->r->w.now_us;
}

/* The server has what comes before the cut. */
static void on_drained(struct world *w, void *arg, uint64_t n)
{
	struct conn *c = arg;
	if (c->c == NULL)
		return;
	if (world_msrp_backlog(c->c))
		world_at(w, w->now_us + 500, on_drained, c, 0);
	else
		cut_now(c);
}

bool media_put(struct conn *c, struct span s)
{
	struct run *r = c->p->r;
	unsigned at;
	if (c->c == NULL || c->ending || c->p->dead)
		return false;
	if (c->nth < 2)
		r->flowed[c->p->side][c->nth][TO_SERVER] += s.n;
	bool here = media_is_cut_here(c, TO_SERVER, &at) && c->sent + s.n > at;
	if (here) {
		s = span_cut(s, 0, at - c->sent);
		c->ending = true;
	}
	c->sent += s.n;
	world_msrp_send(c->c, s);
	if (here)
		world_at(&r->w, r->w.now_us + 500, on_drained, c, 0);
	return true;
}

void media_tid(struct peer *p, char tid[16])
{
	snprintf(tid, 16, "%s%04u", p->side == CLIENT ? "c" : "f", ++p->n_tids);
}

static void bind_line(struct conn *c, unsigned line)
{
	struct peer *p = c->p;
	struct binding *b = &c->bind[line];
	char out[800];
	struct wbuf w = wbuf_on(out, sizeof(out));
	snprintf(b->mine, sizeof(b->mine), "%s", p->line[line].mine);
	snprintf(b->far, sizeof(b->far), "%s", p->line[line].far);
	media_tid(p, b->tid);
	b->us = p->r->w.now_us;
	w_fmt(&w,
	      "MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: b%s\r\nByte-Range: 1-0/0\r\n-------%s$\r\n",
	      b->tid, b->far, b->mine, b->tid, b->tid);
	run_say(p->r, "%s >> as SEND to bind line %u", p->p.name, line);
	if (!media_put(c, w_span_of(&w)))
		b->us = 0;
}

static void connect_out(struct peer *p)
{
	struct conn *c = conn_new(p);
	struct addr from = p->p.addr;
	from.port = (uint16_t)(20000 + p->n_conns);
	c->c = world_msrp_open(&p->r->w, &from, c);
	world_msrp_tls(c->c, plane_tp_secure(p->r->plan.tp[p->side]), p->p.name);
	world_msrp_ws(c->c, plane_tp_ws(p->r->plan.tp[p->side]));
	p->conn = c;
	run_say(p->r, "%s >> as CONNECT", p->p.name);
	for (unsigned i = 0; i < LINES; i++)
		if (p->line[i].on)
			bind_line(c, i);
}

/* Of one line; true: it is another than before, and bound by nothing. */
static bool line_commit(struct peer *p, unsigned i, struct span far)
{
	const struct psdp_line *l = &p->d.sdp.line[i];
	struct mline *m = &p->line[i];
	struct span path = wire_line(far, "a=path:", 0), port = wire_line(far, "m=", 0);
	char mine[256];
	span_split(&port, ' ');
	bool on = i < p->d.sdp.n && l->port && wire_u64(port) && path.n;
	snprintf(mine, sizeof(mine), "%s://%s:%u/%s;%s", strstr(l->proto, "TLS") ? "msrps" : "msrp", l->host,
		 l->port, l->session, l->ws ? "ws" : "tcp");
	if (on == m->on && (!on || (strcmp(mine, m->mine) == 0 && span_eq(path, span_of(m->far)))))
		return false;
	m->on = on;
	m->bound = false;
	snprintf(m->mine, sizeof(m->mine), "%s", mine);
	snprintf(m->far, sizeof(m->far), "%.*s", (int)path.n, path.p);
	return on;
}

void media_commit(struct peer *p, struct span sdp, bool offerer)
{
	struct span setup = wire_line(wire_media(sdp, CHAT), "a=setup:", 0);
	bool active = offerer ? span_eq(setup, SPAN("passive"))
			      : !span_eq(setup, SPAN("active")) && strcmp(p->p.setup_pref, "active") == 0;
	p->active = active;
	if (line_commit(p, CHAT, wire_media(sdp, CHAT)) || p->conn == NULL) {
		for (unsigned i = CHAT + 1; i < LINES; i++)
			line_commit(p, i, wire_media(sdp, i)), p->line[i].bound = false;
		p->line[CHAT].bound = false;
		p->conn = NULL;
		if (active)
			connect_out(p);
		return;
	}
	for (unsigned i = CHAT + 1; i < LINES; i++)
		if (line_commit(p, i, wire_media(sdp, i)))
			bind_line(p->conn, i);
}

static int on_incoming(void *u, struct wconn *wc, const struct addr *to, void **peer)
{
	struct run *r = u;
	for (unsigned i = 0; i < 2; i++) {
		struct peer *p = &r->peer[i];
		if (!addr_same_ip(&p->p.addr, to) || p->dead || p->over)
			continue;
		struct conn *c = conn_new(p);
		c->c = wc;
		if (world_msrp_is_tls(wc) != plane_tp_secure(r->plan.tp[i]))
			run_fail(r, "the server connects to %s over the wrong transport", p->p.name);
		world_msrp_tls(wc, world_msrp_is_tls(wc), p->p.name);
		*peer = c;
		run_say(r, "as >> %s CONNECT", p->p.name);
		return 0;
	}
	return -1;
}

static void on_back(struct world *w, void *arg, uint64_t n)
{
	struct peer *p = arg;
	if (p->over || p->dead || p->conn || p->r->bye)
		return;
	if (p->open) /* one thing after the other */
		world_at(w, w->now_us + BUSY_US, on_back, p, 0);
	else if (p->r->plan.way == NEW_PATH)
		peer_request(p, "INVITE", "path1");
	else if (p->active)
		connect_out(p);
}

/*
 * The file's sender goes on where its receiver stopped, on a new line, rather than send the same again (RFC 5547 8.6).
 * How many bytes the receiver has it knows from its user.
 */
static void on_resume(struct world *w, void *arg, uint64_t n)
{
	struct peer *p = arg;
	struct message *file = &p->r->msg[FILE_MSG], *rest = &p->r->msg[REST_MSG];
	char words[120];
	if (p->over || p->dead || p->r->bye || p->r->resumed)
		return;
	if (p->open || p->conn == NULL) {
		world_at(w, w->now_us + BUSY_US, on_resume, p, 0);
		return;
	}
	unsigned has = 0;
	p->r->resumed = true;
	while (has < file->size && file->got[has])
		has++;
	if (has == file->size) {
		peer_request(p, "UPDATE", "zero2");
		return;
	}
	*rest = (struct message){ .from = p->side, .size = file->size - has, .line = REST_LINE, .base = has };
	p->r->chunk[CHUNKS - 1] = (struct chunk){ .msg = REST_MSG, .from = 1, .to = rest->size };
	run_say(p->r, "%s resumes the file from byte %u", p->p.name, has + 1);
	snprintf(words, sizeof(words), "zero2,file=60,line3=a=file-range:%u-60", has + 1);
	peer_request(p, "UPDATE", words);
}

void media_resume(struct peer *p, uint64_t wait_us)
{
	world_at(&p->r->w, p->r->w.now_us + wait_us, on_resume, p, 0);
}

void media_refused(struct peer *p)
{
	struct run *r = p->r;
	if (!r->resumed || p->side != r->msg[FILE_MSG].from || !p->line[FILE_LINE].on)
		return;
	r->resumed = false;
	r->msg[REST_MSG].size = r->chunk[CHUNKS - 1].to = 0;
	media_resume(p, BACK_US);
}

static void on_down(void *u, struct wconn *wc, void *peer)
{
	struct conn *c = peer;
	struct peer *p = c->p;
	c->c = NULL;
	if (p->conn != c)
		return;
	run_say(p->r, "%s has lost its connection", p->p.name);
	p->conn = NULL;
	for (unsigned i = 0; i < LINES; i++)
		p->line[i].bound = false;
	if (p->r->plan.kind != KILLS)
		world_at(&p->r->w, p->r->w.now_us + BACK_US, on_back, p, 0);
}

static void on_up(void *u, struct wconn *wc, void *peer, bool is_up)
{
	if (!is_up)
		on_down(u, wc, peer);
}

static void on_die(struct world *w, void *arg, uint64_t n)
{
	struct peer *p = arg;
	for (unsigned i = 0; i < p->n_conns; i++)
		if (p->conns[i].c) {
			p->conns[i].ending = true;
			world_msrp_cut(p->conns[i].c);
		}
}

/* At once, but never from within the delivery of its bytes. */
void media_die(struct peer *p)
{
	p->dead = true;
	world_at(&p->r->w, p->r->w.now_us, on_die, p, 0);
}

void media_hooks(struct world_hooks *h)
{
	h->msrp_incoming = on_incoming;
	h->msrp_up = on_up;
	h->msrp_bytes = got_bytes;
	h->msrp_down = on_down;
}

/* ---- sending ---- */

static void chunk_send(struct peer *p, struct chunk *k)
{
	static const char *const failure[N_FAILURE] = { "", "Failure-Report: partial\r\n",
							"Failure-Report: no\r\n" };
	struct message *m = &p->r->msg[k->msg];
	struct conn *c = p->conn;
	char out[1200];
	struct wbuf w = wbuf_on(out, sizeof(out));
	if (c->ending)
		return;
	media_tid(p, k->tid);
	k->conn = c;
	k->begin = c->sent;
	k->at_us = p->r->w.now_us;
	w_fmt(&w,
	      "MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: m%u\r\n%s%sByte-Range: %u-%u/%u\r\n",
	      k->tid, c->bind[m->line].far, c->bind[m->line].mine, k->msg,
	      m->success ? "Success-Report: yes\r\n" : "", failure[p->r->plan.failure], k->from, k->to,
	      m->size);
	w_fmt(&w, "Content-Type: %s\r\n\r\n", m->line == CHAT ? "text/plain" : "image/jpeg");
	for (unsigned i = k->from; i <= k->to; i++) {
		w_chr(&w, media_byte(m, k->msg, i));
		m->sent[i - 1]++;
	}
	w_fmt(&w, "\r\n-------%s%c\r\n", k->tid, k->to == m->size ? '$' : '+');
	run_say(p->r, "%s >> as SEND m%u %u-%u/%u", p->p.name, k->msg, k->from, k->to, m->size);
	size_t would = c->sent + w.n;
	k->end = media_put(c, w_span_of(&w)) && c->sent == would ? would : 0;
}

/* Nobody answers what does not want it: it is sent again only where it was not even written. */
static bool is_lost(const struct run *r, const struct chunk *k)
{
	return k->to && !k->code && k->conn && k->conn->c == NULL &&
	       (r->plan.failure == ALWAYS || k->end == 0);
}

static bool file_broke_off(const struct run *r)
{
	bool lost = r->resumed;
	for (const struct chunk *k = r->chunk; k < r->chunk + CHUNKS; k++)
		lost |= r->msg[k->msg].line == FILE_LINE && (is_lost(r, k) || k->code > 200);
	return lost;
}

void media_talk(struct peer *p)
{
	struct run *r = p->r;
	if (!p->talks || p->conn == NULL)
		return;
	bool broke_off = file_broke_off(r);
	for (struct chunk *k = r->chunk; k < r->chunk + CHUNKS; k++) {
		const struct message *m = &r->msg[k->msg];
		bool due = k->to && !k->code && (k->conn == NULL || is_lost(r, k));
		if (m->from != p->side || !p->line[m->line].bound || !due)
			continue;
		if (m->line == FILE_LINE && broke_off)
			media_resume(p, 0);
		else
			chunk_send(p, k);
	}
}
