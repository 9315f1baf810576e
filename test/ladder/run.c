/* SPDX-License-Identifier: MIT */
/* Plays a ladder: time to the next line, what was sent against what was expected, then the line itself. */
#include "run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool run_fail(struct run *r, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
	r->failed = true;
	return false;
}

struct peer *run_peer(struct run *r, struct span name)
{
	for (unsigned i = 0; i < PEERS; i++)
		if (span_eq(span_of(r->peer[i].p.name), name))
			return &r->peer[i];
	return NULL;
}

static bool lives_at(const struct peer *p, const struct addr *a)
{
	if (addr_same_ip(&p->p.addr, a))
		return true;
	for (unsigned i = 0; i < p->n_alias; i++)
		if (addr_eq(&p->alias[i], a))
			return true;
	return false;
}

struct peer *run_peer_at(struct run *r, const struct addr *a)
{
	for (unsigned i = 0; i < PEERS; i++)
		if (lives_at(&r->peer[i], a))
			return &r->peer[i];
	return NULL;
}

struct pup_dialog *run_dialog(struct peer *p, struct span name, bool make)
{
	char z[24];
	snprintf(z, sizeof(z), "%" SPAN_FMT, SPAN_ARG(name.p ? name : SPAN("1")));
	for (unsigned i = 0; i < p->n_dlg; i++)
		if (strcmp(p->dlg[i]->name, z) == 0)
			return p->dlg[i];
	if (!make || p->n_dlg == DIALOGS)
		return NULL;
	struct pup_dialog *d = calloc(1, sizeof(*d));
	if (d == NULL)
		abort();
	pup_dialog_init(&p->p, d, z);
	return p->dlg[p->n_dlg++] = d;
}

struct emit *run_emit(struct run *r, struct peer *p)
{
	if (r->n_emit == r->cap_emit) {
		r->cap_emit = r->cap_emit ? r->cap_emit * 2 : 64;
		r->emit = realloc(r->emit, r->cap_emit * sizeof(*r->emit));
		if (r->emit == NULL)
			abort();
	}
	struct emit *e = &r->emit[r->n_emit++];
	*e = (struct emit){ .at_us = r->w.now_us, .peer = p };
	return e;
}

/* A dialog nobody knows yet takes the name the next line about it gives it. */
static struct span name_to_come(struct run *r, struct peer *p, const struct wire *m)
{
	for (unsigned i = 0; i < r->n_wait + r->s.n - r->at; i++) {
		const struct line *l = &r->s.line[i < r->n_wait ? r->wait[i] : r->at + i - r->n_wait];
		if (l->kind == K_EXPECT && !l->status && span_eq(l->peer, span_of(p->p.name)) &&
		    span_eq(l->what, m->method))
			return line_attr(l, "dlg");
	}
	return SPAN_EMPTY;
}

static struct pup_dialog *dialog_for(struct run *r, struct peer *p, const struct wire *m)
{
	for (unsigned i = 0; i < p->n_dlg; i++)
		if (pup_is_mine(p->dlg[i], m))
			return p->dlg[i];
	if (!m->request)
		return NULL;
	struct pup_dialog *d = run_dialog(p, name_to_come(r, p, m), true);
	return d && d->call_id[0] == 0 ? d : NULL;
}

static struct peer *peer_for(struct run *r, const struct addr *to, const struct wire *m)
{
	struct peer *only = run_peer_at(r, to);
	for (unsigned i = 0; i < PEERS; i++) { /* one address may lead to several: the dialog decides */
		struct peer *p = &r->peer[i];
		if (!lives_at(p, to))
			continue;
		for (unsigned k = 0; k < p->n_dlg; k++)
			if (pup_is_mine(p->dlg[k], m))
				return p;
	}
	return only;
}

static bool seen_before(const struct run *r, const struct emit *e)
{
	for (unsigned i = 0; i + 1 < r->n_emit; i++)
		if (!r->emit[i].msrp && r->emit[i].peer == e->peer &&
		    span_eq((struct span){ r->emit[i].raw, r->emit[i].n }, (struct span){ e->raw, e->n }))
			return true;
	return false;
}

static void on_sip_out(void *u, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	struct run *r = u;
	struct emit *e = run_emit(r, NULL);
	char why[200];
	e->raw = span_dup(bytes);
	e->n = bytes.n;
	e->to = *to;
	if (e->raw == NULL)
		abort();
	if (!wire_read(&e->m, (struct span){ e->raw, e->n })) {
		run_fail(r, "what was sent is not SIP");
		return;
	}
	if (!to->ip.family && to->conn >= CONN_OF_PEER && to->conn < CONN_OF_PEER + PEERS)
		e->to.ip = r->peer[to->conn - CONN_OF_PEER].p.addr;
	struct peer *p = e->peer = peer_for(r, &e->to.ip, &e->m);
	if (r->verbose)
		fprintf(stderr, "---- as > %s\n%.*s\n", p ? p->p.name : "nobody", (int)e->n, e->raw);
	if (p == NULL || r->torture)
		return;
	p->token = token;
	e->again = seen_before(r, e);
	e->may_pass = e->again && r->ignore_again;
	arrows_sip(r, p, false, &e->m, e->again);
	if (r->modes) {
		e->may_pass = true;
		if (!e->again)
			modes_sent(r->modes, p, &e->m, r->w.now_us);
	}
	struct pup_dialog *d = e->d = dialog_for(r, p, &e->m);
	if (!lint_out(&r->lint, p->p.name, &e->m, why) && !r->failed)
		run_fail(r, "%s", why);
	if (d == NULL)
		return;
	e->prev_sdp = d->far_sdp[0] ? strdup(d->far_sdp) : NULL;
	struct sip_src src = { .tp = to->tp,
			       .ip = p->p.addr,
			       .conn = to->tp == SIP_UDP ? 0 : 200 + (uint64_t)(p - r->peer) };
	pup_learn(&p->p, d, &e->m, &src);
}

static void on_log(void *u, enum im_level level, const char *event, const char *text)
{
	struct run *r = u;
	char line[1200];
	snprintf(line, sizeof(line), "%.3f %s %s", (double)r->w.now_us / 1e6, event, text);
	char **at = &r->log[r->n_log++ % LOG_KEPT];
	free(*at);
	*at = strdup(line);
	if (level <= IM_NOTICE)
		arrows_log(r, event, text);
	if (r->verbose)
		fprintf(stderr, "%s\n", line);
}

static void on_check(void *u)
{
	struct run *r = u;
	im_check(r->w.im);
}

void run_world_init(struct run *r, uint64_t seed)
{
	struct world_hooks h = { .u = r,
				 .sip_out = on_sip_out,
				 .msrp_incoming = media_incoming,
				 .msrp_up = media_up,
				 .msrp_bytes = media_bytes,
				 .msrp_down = media_down,
				 .log = on_log,
				 .check = on_check };
	world_init(&r->w, seed, &h);
	static const struct {
		const char *name, *host, *uri, *far, *routes, *setup;
	} peers[PEERS] = {
		{ "client", "192.0.2.10", "sip:alice@example.com", "sip:bob@example.net",
		  "<sip:192.0.2.1:5060;lr>, <sip:odi-1@192.0.2.20:5060;lr>", "active" },
		{ "cf", "192.0.2.20", "sip:bob@example.net", "sip:alice@example.com",
		  "<sip:192.0.2.1:5060;lr>, <sip:odi-2@192.0.2.10:5060;lr>", "passive" },
		{ "other", "203.0.113.9", "sip:carol@example.org", "sip:alice@example.com",
		  "<sip:192.0.2.1:5060;lr>, <sip:odi-3@192.0.2.10:5060;lr>", "active" },
	};
	for (unsigned i = 0; i < PEERS; i++) {
		struct peer *p = &r->peer[i];
		p->r = r;
		pup_init(&p->p, peers[i].name, peers[i].host, 5060);
		snprintf(p->cert, sizeof(p->cert), "%s", peers[i].name);
		snprintf(p->p.uri, sizeof(p->p.uri), "%s", peers[i].uri);
		snprintf(p->p.far_uri, sizeof(p->p.far_uri), "%s", peers[i].far);
		snprintf(p->p.routes, sizeof(p->p.routes), "%s", peers[i].routes);
		snprintf(p->p.setup_pref, sizeof(p->p.setup_pref), "%s", peers[i].setup);
	}
}

static bool alias_line(struct run *r, const struct line *l)
{
	struct peer *p = run_peer(r, l->what);
	if (p == NULL || p->n_alias == ARRAY_LEN(p->alias) || l->n_attr != 1 ||
	    !addr_parse_port(&p->alias[p->n_alias], l->attr[0].key))
		return run_fail(r, "alias PEER ADDRESS:PORT");
	p->n_alias++;
	return true;
}

static bool check_line(struct run *r, const struct line *l)
{
	struct span word[ATTRS_MAX];
	char why[200];
	for (unsigned i = 0; i < l->n_attr; i++)
		word[i] = l->attr[i].key;
	return pattern_check(&r->v, word, l->n_attr, why) || run_fail(r, "%s", why);
}

/* What is handled has waited so long, from now until then, told every 50 ms. */
static bool lag_line(struct run *r, const struct line *l)
{
	uint64_t lag_us = l->n_attr ? wire_u64(l->attr[0].key) * US_PER_MS : 0;
	uint64_t until_us = script_time(line_attr(l, "until"));

	for (;;) {
		world_enter(&r->w);
		im_lag(r->w.im, lag_us, r->w.now_us);
		world_leave(&r->w);
		if (r->w.now_us + 50 * US_PER_MS > until_us)
			return true;
		world_run(&r->w, r->w.now_us + 50 * US_PER_MS);
	}
}

static bool server_line(struct run *r, const struct line *l)
{
	if (span_eq(l->what, SPAN("lag")))
		return lag_line(r, l);
	world_enter(&r->w);
	if (span_eq(l->what, SPAN("drain")))
		im_drain(r->w.im);
	else
		im_end_all(r->w.im, 503, "shutdown", r->w.now_us);
	world_leave(&r->w);
	return true;
}

/* What it expects is that of its own mode. */
static bool asks(enum kind k)
{
	return k == K_CHECK || k == K_VIEW || k == K_LOG || k == K_IDLE;
}

/* In another mode it may not be: nobody was asked, or nothing is connected. */
static bool possible(struct run *r, bool done)
{
	if (!done && r->modes)
		r->failed = false;
	return !r->failed;
}

static bool play(struct run *r, const struct line *l)
{
	if (r->modes && asks(l->kind))
		return true;
	switch (l->kind) {
	case K_CONFIG:
		return r->w.im ? run_fail(r, "config after the first timed line") : conf_line(r, l);
	case K_SET:
		return set_line(r, l);
	case K_ALIAS:
		return alias_line(r, l);
	case K_SDP:
	case K_NONE:
	case K_EXPECT:
	case K_MEXPECT:
		return true;
	case K_SEND:
		if (r->modes)
			modes_look(r->modes, r->w.im);
		return possible(r, send_line(r, l));
	case K_MSEND:
		if (r->modes && r->w.conf.mode != IM_ANCHORED)
			return true; /* the peers have connected to each other */
		return possible(r, msend_line(r, l));
	case K_DO:
		return possible(r, mdo_line(r, l));
	case K_IDLE:
		return idle_line(r, l);
	case K_CHECK:
		return check_line(r, l);
	case K_VIEW:
		return view_line(r, l);
	case K_LOG:
		return log_line(r, l);
	case K_SERVER:
		return server_line(r, l);
	}
	return false;
}

/* Before a line acts, time passes up to it and everything listed before it must have happened. */
static bool line(struct run *r, const struct line *l)
{
	bool expected = l->kind == K_EXPECT || l->kind == K_MEXPECT;
	bool acts = !expected && l->kind != K_CONFIG && l->kind != K_SET && l->kind != K_ALIAS &&
		    l->kind != K_SDP;
	if (expected) {
		if (!r->modes)
			r->wait[r->n_wait++] = r->at;
		return true;
	}
	if (acts && r->w.im == NULL && r->modes)
		conf_mode(r, modes_name(r->modes));
	if (acts && r->w.im == NULL && !world_start(&r->w))
		return run_fail(r, "no memory");
	if (acts && l->timed) {
		if (l->at_us < r->w.now_us)
			return run_fail(r, "time goes backwards");
		world_run(&r->w, l->at_us);
	} else if (acts) {
		world_settle(&r->w);
	}
	if (r->failed)
		return false;
	if (acts && !expect_all(r))
		return false;
	return play(r, l) && !r->failed;
}

static void run_finish(struct run *r)
{
	if (r->w.im)
		world_finish(&r->w);
	for (unsigned i = 0; i < PEERS; i++) {
		for (unsigned k = 0; k < r->peer[i].n_dlg; k++) {
			pup_dialog_finish(r->peer[i].dlg[k]);
			free(r->peer[i].dlg[k]);
		}
		for (unsigned k = 0; k < r->peer[i].n_mc; k++)
			free(r->peer[i].mc[k].in);
	}
	for (unsigned i = 0; i < r->n_emit; i++) {
		free(r->emit[i].raw);
		free(r->emit[i].prev_sdp);
	}
	for (unsigned i = 0; i < r->n_row; i++) {
		free(r->row[i].want);
		free(r->row[i].got);
	}
	for (unsigned i = 0; i < LOG_KEPT; i++)
		free(r->log[i]);
	free(r->emit);
	free(r->said);
	arrows_end(r);
	arrows_free(r->arrows);
	lint_finish(&r->lint);
	vars_finish(&r->v);
	script_finish(&r->s);
	free(r);
}

bool run_file(const char *file, bool verbose, struct arrows *arrows, struct modes *modes)
{
	struct run *r = calloc(1, sizeof(*r));
	if (r == NULL)
		abort();
	r->verbose = verbose;
	r->arrows = arrows;
	r->modes = modes;
	run_world_init(r, 1);
	bool ok = script_read(&r->s, file);
	for (r->at = 0; ok && r->at < r->s.n; r->at++) {
		const struct line *l = &r->s.line[r->at];
		bool told = false;
		ok = line(r, l);
		told = r->n_row && r->row[r->n_row - 1].bad;
		if (!ok && !told) { /* not a difference of messages: say where */
			char why[400], want[300];
			snprintf(want, sizeof(want), "%" SPAN_FMT, SPAN_ARG(l->text));
			memcpy(why, r->why, sizeof(why));
			row_add(r, want, "", true);
			snprintf(r->why, sizeof(r->why), "%s:%u: %.300s", l->file, l->no, why);
			report(r, r->n_emit ? &r->emit[r->n_emit - 1] : NULL);
		}
	}
	if (ok && r->w.im) { /* the last lines */
		uint64_t until = r->w.now_us;
		for (unsigned i = 0; i < r->n_wait; i++)
			if (r->s.line[r->wait[i]].at_us > until)
				until = r->s.line[r->wait[i]].at_us;
		r->at = r->s.n - 1;
		world_run(&r->w, until);
		ok = expect_all(r) && !r->failed;
	}
	run_finish(r);
	return ok;
}
