/* SPDX-License-Identifier: MIT */
/*
 * The MSRP side of the puppets.  Paths come from the last SDP that either end sent; a connection is made when a
 * ladder first sends and none is open.  Unless the ladder says "config ladder.msrp explicit", bodiless SENDs (they
 * bind a connection, RFC 4975 5.4) and their answers need not be listed and are answered.
 */
#include <stdio.h>
#include <stdlib.h>

#include "run.h"

/* ---- connections ---- */

static struct mconn *conn_new(struct peer *p, const char *name)
{
	if (p->n_mc == MCONNS)
		return NULL;
	struct mconn *m = &p->mc[p->n_mc++];
	*m = (struct mconn){ .peer = p };
	if (name)
		snprintf(m->name, sizeof(m->name), "%s", name);
	else
		snprintf(m->name, sizeof(m->name), "%u", p->n_mc);
	return m;
}

static void event(struct peer *p, const char *what, const struct mconn *c)
{
	struct emit *e = run_emit(p->r, p);
	e->msrp = e->may_pass = true;
	snprintf(e->event, sizeof(e->event), "%s", what);
	snprintf(e->id, sizeof(e->id), "%s", c->name);
}

int media_incoming(void *u, struct wconn *c, const struct addr *to, void **peer)
{
	struct run *r = u;
	struct peer *p = run_peer_at(r, to);
	if (p == NULL || p->refuse_msrp)
		return -1;
	struct mconn *m = conn_new(p, NULL);
	if (m == NULL)
		return -1;
	m->c = c;
	world_msrp_tls(c, world_msrp_is_tls(c), p->cert);
	*peer = m;
	event(p, "CONNECT", m);
	return 0;
}

void media_up(void *u, struct wconn *c, void *peer, bool up)
{
	struct mconn *m = peer;
	if (!up) {
		m->c = NULL;
		event(m->peer, "REFUSED", m);
	}
}

void media_down(void *u, struct wconn *c, void *peer)
{
	struct mconn *m = peer;
	m->c = NULL;
	event(m->peer, "CLOSE", m);
}

/* With TLS where the server's path says so, or "tp=" does. */
static bool wants_tls(struct peer *p, const struct line *l)
{
	struct span tp = line_attr(l, "tp");
	struct pup_dialog *d = run_dialog(p, line_attr(l, "dlg"), true);
	unsigned at = (unsigned)wire_u64(line_attr(l, "line"));
	if (tp.p)
		return span_eq(tp, SPAN("tls"));
	return span_starts(span_of(d->far_path[at ? at - 1 : 0]), SPAN("msrps:"));
}

/* By WebSocket where the server's path says so. */
static bool wants_ws(struct peer *p, const struct line *l)
{
	struct pup_dialog *d = run_dialog(p, line_attr(l, "dlg"), true);
	unsigned at = (unsigned)wire_u64(line_attr(l, "line"));
	return span_find(span_of(d->far_path[at ? at - 1 : 0]), SPAN(";ws")) != SPAN_NONE;
}

static struct mconn *conn_of(struct peer *p, const struct line *l, struct span name, bool make)
{
	char z[16];
	for (unsigned i = p->n_mc; i-- > 0;) {
		struct mconn *m = &p->mc[i];
		if (name.p ? span_eq(span_of(m->name), name) : m->c != NULL)
			return m;
	}
	if (!make)
		return NULL;
	snprintf(z, sizeof(z), "%" SPAN_FMT, SPAN_ARG(name));
	struct mconn *m = conn_new(p, name.p ? z : NULL);
	if (m == NULL)
		return NULL;
	struct addr from = p->p.addr;
	from.port = (uint16_t)(40000 + p->n_mc);
	m->c = world_msrp_open(&p->r->w, &from, m);
	world_msrp_tls(m->c, wants_tls(p, l), p->cert);
	world_msrp_ws(m->c, wants_ws(p, l));
	return m;
}

/* ---- what arrives ---- */

static void answer_binding(struct mconn *c, const struct wire_msrp *m)
{
	char out[2048];
	struct span from = wire_msrp_hdr(m, "From-Path"), to = wire_msrp_hdr(m, "To-Path");
	struct span back = span_split(&from, ' ');
	struct wbuf w = wbuf_on(out, sizeof(out));
	w_fmt(&w,
	      "MSRP %" SPAN_FMT " 200 OK\r\nTo-Path: %" SPAN_FMT "\r\nFrom-Path: %" SPAN_FMT
	      "\r\n-------%" SPAN_FMT "$\r\n",
	      SPAN_ARG(m->tid), SPAN_ARG(back), SPAN_ARG(to), SPAN_ARG(m->tid));
	world_msrp_send(c->c, w_span_of(&w));
}

static void keep_received(struct peer *p, struct mconn *c, const struct wire_msrp *m)
{
	struct received *g = &p->got[p->n_got++ % RECEIVED];
	*g = (struct received){ .c = c };
	snprintf(g->id, sizeof(g->id), "%" SPAN_FMT, SPAN_ARG(wire_msrp_hdr(m, "Message-ID")));
	snprintf(g->tid, sizeof(g->tid), "%" SPAN_FMT, SPAN_ARG(m->tid));
	snprintf(g->range, sizeof(g->range), "%" SPAN_FMT, SPAN_ARG(wire_msrp_hdr(m, "Byte-Range")));
	snprintf(g->to, sizeof(g->to), "%" SPAN_FMT, SPAN_ARG(wire_msrp_hdr(m, "To-Path")));
	snprintf(g->from, sizeof(g->from), "%" SPAN_FMT, SPAN_ARG(wire_msrp_hdr(m, "From-Path")));
}

static void id_of(struct peer *p, const struct wire_msrp *m, char id[64])
{
	if (!m->status) {
		snprintf(id, 64, "%" SPAN_FMT, SPAN_ARG(wire_msrp_hdr(m, "Message-ID")));
		return;
	}
	for (unsigned i = 0; i < RECEIVED; i++)
		if (p->asked[i].tid[0] && span_eq(span_of(p->asked[i].tid), m->tid))
			snprintf(id, 64, "%s", p->asked[i].id);
}

static void arrived(struct mconn *c, const struct wire_msrp *m)
{
	struct peer *p = c->peer;
	struct emit *e = run_emit(p->r, p);
	e->msrp = true;
	e->raw = span_dup(m->raw);
	e->n = m->raw.n;
	if (e->raw == NULL || wire_msrp(&e->mm, (struct span){ e->raw, e->n }) <= 0)
		abort();
	id_of(p, &e->mm, e->id);
	if (p->r->verbose)
		fprintf(stderr, "---- as >> %s (%s)\n%.*s\n", p->p.name, c->name, (int)e->n, e->raw);
	bool send = span_eq(m->method, SPAN("SEND"));
	arrows_msrp(p->r, p, false, m, e->id);
	if (!m->status)
		keep_received(p, c, m);
	if (p->r->explicit_msrp)
		return;
	if (send && !m->has_body) {
		e->may_pass = true;
		answer_binding(c, m);
	} else if (m->status == 200 && span_starts(span_of(e->id), SPAN("bind-"))) {
		e->may_pass = true;
	}
}

size_t media_bytes(void *u, struct wconn *wc, void *peer, struct span bytes)
{
	struct mconn *c = peer;
	struct wire_msrp m;
	ssize_t n;
	if (c->peer->stalled)
		return 0;
	c->in = realloc(c->in, c->n_in + bytes.n);
	if (c->in == NULL)
		abort();
	memcpy(c->in + c->n_in, bytes.p, bytes.n);
	c->n_in += bytes.n;
	while (c->n_in && (n = wire_msrp(&m, (struct span){ c->in, c->n_in })) != 0) {
		if (n < 0) {
			run_fail(c->peer->r, "this is not MSRP: %.60s", c->in);
			c->n_in = 0;
			break;
		}
		arrived(c, &m);
		c->n_in -= (size_t)n;
		memmove(c->in, c->in + n, c->n_in);
	}
	return bytes.n;
}

/* ---- what is said ---- */

/* n bytes that say where they are, so that a loss shows. */
void media_body(struct span size, char *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = "abcdefghijklmnopqrstuvwxyz012345"[(i / 32 + i) % 32];
}

static struct span attr_or(const struct line *l, const char *key, const char *otherwise)
{
	struct span v = line_attr(l, key);
	return v.p ? v : span_of(otherwise);
}

/* "\n" in a ladder is a line end. */
static void w_unescaped(struct wbuf *w, struct span body)
{
	for (size_t i = 0; i < body.n; i++) {
		if (body.p[i] == '\\' && i + 1 < body.n && body.p[i + 1] == 'n')
			w_str(w, "\r\n"), i++;
		else
			w_chr(w, body.p[i]);
	}
}

static bool text_of(struct run *r, const struct line *l, struct wbuf *w)
{
	struct span body = line_attr(l, "body"), size = line_attr(l, "size");
	size_t n = (size_t)wire_u64(size);
	if (size.p && n <= w->cap) {
		media_body(size, w->p, n);
		w->n = n;
		return true;
	}
	if (size.p)
		return run_fail(r, "size too large");
	w_unescaped(w, body);
	return true;
}

static void header_lines(struct run *r, const struct line *l, struct wbuf *w)
{
	char room[1024];
	for (unsigned i = 0; i < l->n_sub; i++)
		w_span(w, pattern_fill(&r->v, l->sub[i], room, sizeof(room))), w_str(w, "\r\n");
}

static void paths(struct run *r, const struct line *l, struct peer *p, struct wbuf *w)
{
	struct pup_dialog *d = run_dialog(p, line_attr(l, "dlg"), true);
	unsigned at = (unsigned)wire_u64(line_attr(l, "line"));
	const struct psdp_line *mine = &d->sdp.line[at ? at - 1 : 0];
	struct span to = line_attr(l, "to"), from = line_attr(l, "from");
	char room[600];
	w_str(w, "To-Path: ");
	w_span(w, to.p ? pattern_fill(&r->v, to, room, sizeof(room)) : span_of(d->far_path[at ? at - 1 : 0]));
	w_str(w, "\r\nFrom-Path: ");
	if (from.p)
		w_span(w, pattern_fill(&r->v, from, room, sizeof(room)));
	else
		w_fmt(w, "%s://%s:%u/%s;tcp", strstr(mine->proto, "TLS") ? "msrps" : "msrp", mine->host,
		      mine->port, mine->session);
	w_str(w, "\r\n");
}

static void send_headers(const struct line *l, struct wbuf *w, const char *id, size_t n, bool report)
{
	struct span range = line_attr(l, "range"), ok = line_attr(l, "success"),
		    bad = line_attr(l, "failure");
	w_fmt(w, "Message-ID: %s\r\n", id);
	if (ok.p)
		w_fmt(w, "Success-Report: %" SPAN_FMT "\r\n", SPAN_ARG(ok));
	if (bad.p)
		w_fmt(w, "Failure-Report: %" SPAN_FMT "\r\n", SPAN_ARG(bad));
	if (range.p)
		w_fmt(w, "Byte-Range: %" SPAN_FMT "\r\n", SPAN_ARG(range));
	else if (n)
		w_fmt(w, "Byte-Range: 1-%zu/%zu\r\n", n, n);
	if (report)
		w_fmt(w, "Status: 000 %" SPAN_FMT "\r\n", SPAN_ARG(attr_or(l, "status", "200 OK")));
}

static bool say_request(struct run *r, const struct line *l, struct peer *p, struct wbuf *w)
{
	static char body[4 << 20];
	struct wbuf b = wbuf_on(body, sizeof(body));
	struct span id = line_attr(l, "id");
	char tid[40], mid[64];
	if (!text_of(r, l, &b))
		return false;
	snprintf(tid, sizeof(tid), "%stid%u", p->p.name, ++p->n_tids);
	if (id.p)
		snprintf(mid, sizeof(mid), "%" SPAN_FMT, SPAN_ARG(id));
	else
		snprintf(mid, sizeof(mid), b.n ? "%s-m%u" : "bind-%s-%u", p->p.name, p->n_tids);
	unsigned at = p->n_asked++ % RECEIVED;
	snprintf(p->asked[at].tid, sizeof(p->asked[at].tid), "%s", tid);
	snprintf(p->asked[at].id, sizeof(p->asked[at].id), "%s", mid);
	w_fmt(w, "MSRP %s %" SPAN_FMT "\r\n", tid, SPAN_ARG(l->what));
	paths(r, l, p, w);
	send_headers(l, w, mid, b.n, span_eq(l->what, SPAN("REPORT")));
	header_lines(r, l, w);
	if (b.n) {
		w_fmt(w, "Content-Type: %" SPAN_FMT "\r\n\r\n", SPAN_ARG(attr_or(l, "type", "text/plain")));
		w_span(w, w_span_of(&b));
		w_str(w, "\r\n");
	}
	w_fmt(w, "-------%s%" SPAN_FMT "\r\n", tid, SPAN_ARG(attr_or(l, "flag", "$")));
	return true;
}

static struct received *find_received(struct peer *p, const struct line *l)
{
	struct span id = line_attr(l, "id"), range = line_attr(l, "range");
	for (unsigned i = p->n_got, seen = 0; i-- > 0 && seen < RECEIVED; seen++) {
		struct received *g = &p->got[i % RECEIVED];
		if (id.p && !span_eq(span_of(g->id), id))
			continue;
		if (range.p && !span_eq(span_of(g->range), range))
			continue;
		return g;
	}
	return NULL;
}

static struct mconn *say_response(struct run *r, const struct line *l, struct peer *p, struct wbuf *w)
{
	struct received *g = find_received(p, l);
	if (g == NULL || g->c->c == NULL) {
		run_fail(r, "nothing like that was received, or its connection is gone");
		return NULL;
	}
	struct span from = span_of(g->from), back = span_split(&from, ' ');
	w_fmt(w, "MSRP %s %u %s\r\n", g->tid, l->status, l->status == 200 ? "OK" : "Refused");
	w_fmt(w, "To-Path: %" SPAN_FMT "\r\nFrom-Path: %s\r\n", SPAN_ARG(back), g->to);
	header_lines(r, l, w);
	w_fmt(w, "-------%s$\r\n", g->tid);
	return g->c;
}

/* cut=N: only the first N bytes leave; "rest" sends the others. */
bool msend_line(struct run *r, const struct line *l)
{
	static char out[(4 << 20) + 8192];
	struct wbuf w = wbuf_on(out, sizeof(out));
	struct peer *p = run_peer(r, l->peer);
	struct span conn = line_attr(l, "conn"), cut = line_attr(l, "cut");
	struct mconn *c;
	char text[300];
	if (p == NULL)
		return run_fail(r, "no such peer");
	snprintf(text, sizeof(text), "%" SPAN_FMT, SPAN_ARG(l->text));
	row_add(r, text, text, false);
	if (l->status) {
		c = say_response(r, l, p, &w);
		if (c == NULL)
			return false;
	} else {
		c = conn_of(p, l, conn, true);
		if (span_eq(l->what, SPAN("raw"))) {
			header_lines(r, l, &w);
		} else if (span_eq(l->what, SPAN("rest"))) {
			w_bytes(&w, p->rest, p->rest_n);
		} else if (!say_request(r, l, p, &w)) {
			return false;
		}
	}
	if (c == NULL || c->c == NULL)
		return run_fail(r, "the connection is closed");
	struct span bytes = w_span_of(&w);
	if (!w_ok(&w))
		return run_fail(r, "too large");
	if (r->verbose)
		fprintf(stderr, "---- %s >> as (%s)\n%.*s\n", p->p.name, c->name,
			(int)(w.n < 2000 ? w.n : 2000), w.p);
	struct wire_msrp m;
	if (wire_msrp(&m, bytes) > 0)
		arrows_msrp(r, p, true, &m, "");
	if (cut.p) {
		struct span rest = span_skip(bytes, (size_t)wire_u64(cut));
		if (rest.n > sizeof(p->rest))
			return run_fail(r, "too much is cut off");
		memcpy(p->rest, rest.p, p->rest_n = rest.n);
		bytes.n -= rest.n;
	}
	world_msrp_send(c->c, bytes);
	return true;
}

/* T peer connect|cut|close|stall|read [conn=NAME]; T peer unreachable */
bool mdo_line(struct run *r, const struct line *l)
{
	struct peer *p = run_peer(r, l->peer);
	char text[300];
	if (p == NULL)
		return run_fail(r, "no such peer");
	snprintf(text, sizeof(text), "%" SPAN_FMT, SPAN_ARG(l->text));
	row_add(r, text, text, false);
	snprintf(text, sizeof(text), "%" SPAN_FMT, SPAN_ARG(l->what));
	arrows_done(r, p, text);
	if (span_eq(l->what, SPAN("unreachable"))) {
		world_sip_unreachable(&r->w, p->token);
		return true;
	}
	if (span_eq(l->what, SPAN("stall")) || span_eq(l->what, SPAN("read"))) {
		p->stalled = l->what.n == 5;
		for (unsigned i = 0; !p->stalled && i < p->n_mc; i++)
			if (p->mc[i].c)
				world_msrp_resume(p->mc[i].c);
		return true;
	}
	struct mconn *c = conn_of(p, l, line_attr(l, "conn"), span_eq(l->what, SPAN("connect")));
	if (c == NULL || c->c == NULL)
		return run_fail(r, "no such connection");
	if (span_eq(l->what, SPAN("connect")))
		return true;
	if (span_eq(l->what, SPAN("cut")))
		world_msrp_cut(c->c);
	else if (span_eq(l->what, SPAN("close")))
		world_msrp_shut(c->c), c->c = NULL;
	else
		return run_fail(r, "not understood");
	return true;
}

/* ---- what is expected ---- */

void media_text(const struct emit *e, char *out, size_t cap)
{
	const struct wire_msrp *m = &e->mm;
	if (e->event[0]) {
		snprintf(out, cap, "%s conn=%s", e->event, e->id);
		return;
	}
	int n = snprintf(out, cap, "%" SPAN_FMT " id=%s", SPAN_ARG(m->method), e->id);
	struct span range = wire_msrp_hdr(m, "Byte-Range"), status = wire_msrp_hdr(m, "Status");
	if (range.p && n < (int)cap)
		n += snprintf(out + n, cap - (size_t)n, " range=%" SPAN_FMT, SPAN_ARG(range));
	if (status.p && n < (int)cap)
		n += snprintf(out + n, cap - (size_t)n, " status=\"%" SPAN_FMT "\"", SPAN_ARG(status));
	if (m->flag != '$' && n < (int)cap)
		n += snprintf(out + n, cap - (size_t)n, " flag=%c", m->flag);
	if (m->body.n && m->body.n < 80 && n < (int)cap)
		snprintf(out + n, cap - (size_t)n, " body=\"%" SPAN_FMT "\"", SPAN_ARG(m->body));
	else if (m->body.n && n < (int)cap)
		snprintf(out + n, cap - (size_t)n, " size=%zu", m->body.n);
}

static bool msrp_attr(struct run *r, const struct attr *a, const struct emit *e)
{
	static char want[4 << 20];
	const struct wire_msrp *m = &e->mm;
	struct span v = a->value, k = a->key, got;
	if (span_eq(k, SPAN("anyorder")) || span_eq(k, SPAN("until")))
		return true;
	if (span_eq(k, SPAN("id")))
		got = span_of(e->id);
	else if (span_eq(k, SPAN("conn")))
		got = span_of(e->id);
	else if (span_eq(k, SPAN("to")))
		got = wire_msrp_hdr(m, "To-Path");
	else if (span_eq(k, SPAN("from")))
		got = wire_msrp_hdr(m, "From-Path");
	else if (span_eq(k, SPAN("range")))
		got = wire_msrp_hdr(m, "Byte-Range");
	else if (span_eq(k, SPAN("type")))
		got = wire_msrp_hdr(m, "Content-Type");
	else if (span_eq(k, SPAN("status")))
		got = wire_msrp_hdr(m, "Status");
	else if (span_eq(k, SPAN("success")))
		got = wire_msrp_hdr(m, "Success-Report");
	else if (span_eq(k, SPAN("failure")))
		got = wire_msrp_hdr(m, "Failure-Report");
	else if (span_eq(k, SPAN("flag")))
		got = (struct span){ &m->flag, 1 };
	else if (span_eq(k, SPAN("body"))) {
		struct wbuf w = wbuf_on(want, sizeof(want));
		w_unescaped(&w, v);
		v = w_span_of(&w);
		got = m->body;
	} else if (span_eq(k, SPAN("size"))) {
		size_t n = (size_t)wire_u64(v);
		media_body(v, want, n);
		return span_eq((struct span){ want, n }, m->body) ||
		       run_fail(r, "the body differs (%zu bytes)", m->body.n);
	} else {
		return run_fail(r, "attribute not understood: %" SPAN_FMT, SPAN_ARG(k));
	}
	return pattern_match(&r->v, v, got) ||
	       run_fail(r, "%" SPAN_FMT " is %" SPAN_FMT, SPAN_ARG(k), SPAN_ARG(got));
}

bool mexpect_one(struct run *r, const struct line *l, struct emit *e)
{
	if (e->event[0] ? !span_eq(l->what, span_of(e->event)) : !span_eq(l->what, e->mm.method))
		return run_fail(r, "another message");
	for (unsigned i = 0; i < l->n_attr; i++)
		if (!msrp_attr(r, &l->attr[i], e))
			return false;
	for (unsigned i = 0; i < l->n_sub; i++) {
		struct span s = span_trim(l->sub[i]), name = span_split(&s, ':');
		char z[64];
		bool absent = name.n && name.p[0] == '-';
		snprintf(z, sizeof(z), "%" SPAN_FMT, SPAN_ARG(span_skip(name, absent)));
		struct span got = wire_msrp_hdr(&e->mm, z);
		if (absent ? got.p != NULL : got.p == NULL || !pattern_match(&r->v, span_trim(s), got))
			return run_fail(r, "no such header value, or there is one: | %" SPAN_FMT,
					SPAN_ARG(l->sub[i]));
	}
	return true;
}
