/* SPDX-License-Identifier: MIT */
/* The SIP of a peer: it takes everything, on a network that loses nothing and needs a millisecond. */
#include <stdio.h>
#include <stdlib.h>

#include "cut.h"

enum { HOP_US = 1000, RETRY_US = 1200000 };

struct packet {
	struct peer *p;
	size_t n;
	char bytes[];
};

static void send_at(struct peer *p, struct span bytes, world_fn *fn)
{
	struct packet *k = malloc(sizeof(*k) + bytes.n);
	if (k == NULL)
		abort();
	k->p = p;
	k->n = bytes.n;
	memcpy(k->bytes, bytes.p, bytes.n);
	world_at(&p->r->w, p->r->w.now_us + HOP_US, fn, k, 0);
}

static void arrive_up(struct world *w, void *arg, uint64_t n)
{
	struct packet *k = arg;
	struct run *r = k->p->r;
	struct sip_src src = { .tp = SIP_UDP, .ip = k->p->p.addr };
	world_sip_in(w, &src, (struct span){ k->bytes, k->n });
	free(k);
	run_step(r);
}

static void say(struct run *r, const char *from, const char *to, const struct wire *m)
{
	const char *sdp = m->body.n ? " sdp" : "";

	if (m->request)
		run_say(r, "%s > %s %.*s%s", from, to, (int)m->method.n, m->method.p, sdp);
	else
		run_say(r, "%s > %s %u %.*s%s", from, to, m->status, (int)m->method.n, m->method.p, sdp);
}

static void up(struct peer *p, struct span bytes)
{
	struct wire m;
	if (!wire_read(&m, bytes))
		abort();
	say(p->r, p->p.name, "as", &m);
	send_at(p, bytes, arrive_up);
}

void peer_request(struct peer *p, const char *method, const char *sdp)
{
	static char out[PUP_MSG_MAX], text[8192];
	struct wbuf w = wbuf_on(text, sizeof(text));
	struct pup_opts o = { .initial = p->d.remote_tag[0] == 0 };
	const char *why = "";
	char bad[64];
	if (p->dead || p->over)
		return;
	if (sdp) {
		p->open = true;
		p->before = p->d.sdp;
		if (!psdp_apply(&p->d.sdp, sdp, bad))
			abort();
		psdp_write(&p->d.sdp, &w, true);
		o.body = w_span_of(&w);
	}
	up(p, pup_request(&p->p, &p->d, method, &o, out, &why));
}

static void answer(struct peer *p, const struct wire *m)
{
	static char out[PUP_MSG_MAX], text[8192], name[16];
	struct wbuf w = wbuf_on(text, sizeof(text));
	struct pup_opts o = { .cseq = m->cseq };
	struct span offer = m->body;
	struct sip_src back;
	const char *why = "";
	unsigned status = offer.n && p->open ? 491 : 200;
	snprintf(name, sizeof(name), "%.*s", (int)m->method.n, m->method.p);
	if (strcmp(name, "ACK") == 0)
		return;
	if (strcmp(name, "INVITE") == 0 && offer.n == 0)
		run_fail(p->r, "%s got an INVITE without an offer", p->p.name);
	if (offer.n && status == 200) {
		psdp_answer_to(&p->d.sdp, offer);
		psdp_write(&p->d.sdp, &w, false);
		o.body = w_span_of(&w);
	}
	up(p, pup_response(&p->p, &p->d, name, status, &o, out, &back, &why));
	if (strcmp(name, "BYE") == 0)
		p->over = true;
	else if (offer.n && status == 200)
		media_commit(p, offer, false);
}

static void on_retry(struct world *w, void *arg, uint64_t n)
{
	struct peer *p = arg;
	if (p->conn == NULL && !p->open && p->r->plan.way == NEW_PATH)
		peer_request(p, "INVITE", "path1");
}

static void take_answer(struct peer *p, const struct wire *m)
{
	static char out[PUP_MSG_MAX];
	struct pup_opts o = { .cseq = m->cseq };
	const char *why = "";
	bool invite = span_eq(m->method, SPAN("INVITE"));
	if (m->status < 200)
		return;
	p->open &= !invite && !span_eq(m->method, SPAN("UPDATE"));
	if (invite)
		up(p, pup_request(&p->p, &p->d, "ACK", &o, out, &why));
	if (m->status < 300 && (invite || span_eq(m->method, SPAN("UPDATE")))) {
		media_commit(p, m->body, true);
	} else if (m->status >= 300 && !span_eq(m->method, SPAN("BYE"))) {
		memcpy(p->d.sdp.line, p->before.line, sizeof(p->before.line));
		p->d.sdp.n = p->before.n;
		if (m->status == 481 || m->status == 408)
			p->over = true;
		else if (p->r->plan.kind != KILLS)
			world_at(&p->r->w, p->r->w.now_us + RETRY_US * (1 + p->side), on_retry, p, 0),
				media_refused(p);
	}
}

static void arrive_down(struct world *w, void *arg, uint64_t n)
{
	struct packet *k = arg;
	struct peer *p = k->p;
	struct wire m;
	struct sip_src src = { .tp = SIP_UDP, .ip = p->p.addr };
	if (!wire_read(&m, (struct span){ k->bytes, k->n }))
		run_fail(p->r, "the server sent what is not SIP");
	if (!p->dead) {
		say(p->r, "as", p->p.name, &m);
		pup_learn(&p->p, &p->d, &m, &src);
		if (m.request)
			answer(p, &m);
		else
			take_answer(p, &m);
	}
	free(k);
	run_step(p->r);
}

void peer_sip_out(void *u, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	struct run *r = u;
	struct wire m;
	if (!wire_read(&m, bytes))
		abort();
	send_at(&r->peer[pup_is_mine(&r->peer[CLIENT].d, &m) ? CLIENT : CF], bytes, arrive_down);
}

void peer_init(struct run *r, unsigned side, const char *setup)
{
	struct peer *p = &r->peer[side];
	p->r = r;
	p->side = side;
	pup_init(&p->p, side == CLIENT ? "client" : "cf", side == CLIENT ? "10.1.0.1" : "10.2.0.1", 5060);
	snprintf(p->p.uri, sizeof(p->p.uri), "sip:%s",
		 side == CLIENT ? "alice@example.com" : "bob@example.net");
	snprintf(p->p.far_uri, sizeof(p->p.far_uri), "sip:%s",
		 side == CLIENT ? "bob@example.net" : "alice@example.com");
	snprintf(p->p.routes, sizeof(p->p.routes), "<sip:192.0.2.1:5060;lr>, <sip:odi@10.2.0.1:5060;lr>");
	snprintf(p->p.setup_pref, sizeof(p->p.setup_pref), "%s", setup);
	pup_dialog_init(&p->p, &p->d, "1");
}
