/* SPDX-License-Identifier: MIT */
/*
 * See puppet.h.  A message is first a list of headers, then edited as the caller wants, then printed; so any ladder
 * can break any header.  Hard: a response is written from the request it answers and nothing else (RFC 3261
 * 8.2.6.2), and an ACK takes its branch from how its INVITE ended.
 */
#include "lib/puppet.h"

#include <stdio.h>
#include <stdlib.h>

enum { HEADERS = 64 };

struct hdrs {
	unsigned n;
	struct span name[HEADERS], value[HEADERS];
	char room[PUP_MSG_MAX];
	size_t used;
};

static struct span keep(struct hdrs *h, struct span s)
{
	if (h->used + s.n > sizeof(h->room))
		abort();
	char *at = h->room + h->used;
	if (s.n)
		memcpy(at, s.p, s.n);
	h->used += s.n;
	return (struct span){ at, s.n };
}

static void add(struct hdrs *h, const char *name, struct span value)
{
	if (h->n == HEADERS)
		abort();
	h->name[h->n] = keep(h, span_of(name));
	h->value[h->n++] = keep(h, value);
}

__attribute__((format(printf, 3, 4))) static void addf(struct hdrs *h, const char *name, const char *fmt, ...)
{
	char v[2048];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(v, sizeof(v), fmt, ap);
	va_end(ap);
	add(h, name, span_of(v));
}

static void drop(struct hdrs *h, struct span name)
{
	unsigned to = 0;
	for (unsigned i = 0; i < h->n; i++)
		if (!wire_name_is(h->name[i], name)) {
			h->name[to] = h->name[i];
			h->value[to++] = h->value[i];
		}
	h->n = to;
}

static void edit(struct hdrs *h, const struct pup_edit *e)
{
	unsigned at = 0;
	while (at < h->n && !wire_name_is(h->name[at], e->name))
		at++;
	if (e->op == '=' && at < h->n) { /* in its place; further ones of the name go */
		struct span was = h->name[at];
		h->value[at] = keep(h, e->value);
		h->name[at] = SPAN("\1");
		drop(h, e->name);
		for (unsigned i = 0; i < h->n; i++)
			if (span_eq(h->name[i], SPAN("\1")))
				h->name[i] = was;
		return;
	}
	if (e->op == '-') {
		drop(h, e->name);
		return;
	}
	char name[64];
	snprintf(name, sizeof(name), "%" SPAN_FMT, SPAN_ARG(e->name));
	add(h, name, e->value);
}

static struct span print(struct hdrs *h, struct span start, const struct pup_opts *o, char *out)
{
	if (o->body.n)
		add(h, "Content-Type", o->ctype.n ? o->ctype : SPAN("application/sdp"));
	addf(h, "Content-Length", "%zu", o->body.n);
	for (unsigned i = 0; i < o->n_edit; i++)
		edit(h, &o->edit[i]);
	struct wbuf w = wbuf_on(out, PUP_MSG_MAX);
	w_span(&w, start), w_str(&w, "\r\n");
	for (unsigned i = 0; i < h->n; i++)
		w_span(&w, h->name[i]), w_str(&w, ": "), w_span(&w, h->value[i]), w_str(&w, "\r\n");
	w_str(&w, "\r\n"), w_span(&w, o->body);
	if (!w_ok(&w))
		abort();
	return w_span_of(&w);
}

const char *pup_reason(unsigned status)
{
	static const struct {
		unsigned status;
		const char *text;
	} t[] = { { 100, "Trying" },
		  { 180, "Ringing" },
		  { 183, "Session Progress" },
		  { 199, "Early Dialog Terminated" },
		  { 200, "OK" },
		  { 202, "Accepted" },
		  { 400, "Bad Request" },
		  { 403, "Forbidden" },
		  { 404, "Not Found" },
		  { 405, "Method Not Allowed" },
		  { 408, "Request Timeout" },
		  { 480, "Temporarily Unavailable" },
		  { 481, "Call/Transaction Does Not Exist" },
		  { 486, "Busy Here" },
		  { 487, "Request Terminated" },
		  { 488, "Not Acceptable Here" },
		  { 491, "Request Pending" },
		  { 500, "Server Internal Error" },
		  { 503, "Service Unavailable" },
		  { 504, "Server Time-out" },
		  { 603, "Decline" } };
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (t[i].status == status)
			return t[i].text;
	return "Status";
}

void pup_init(struct pup *p, const char *name, const char *host, uint16_t port)
{
	*p = (struct pup){ 0 };
	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(p->host, sizeof(p->host), "%s", host);
	addr_parse(&p->addr, span_of(host), port);
	snprintf(p->allow, sizeof(p->allow),
		 "INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, OPTIONS, MESSAGE, INFO, REFER, NOTIFY");
	snprintf(p->accept_contact, sizeof(p->accept_contact), "*;+g.oma.sip-im");
	snprintf(p->contact_params, sizeof(p->contact_params), ";+g.oma.sip-im");
	snprintf(p->setup_pref, sizeof(p->setup_pref), "active");
}

void pup_dialog_init(struct pup *p, struct pup_dialog *d, const char *name)
{
	char who[40];
	*d = (struct pup_dialog){ 0 };
	p->n_dialogs++;
	snprintf(d->name, sizeof(d->name), "%s", name);
	snprintf(d->local_tag, sizeof(d->local_tag), "%s-t%u", p->name, p->n_dialogs);
	snprintf(d->local, sizeof(d->local), "%s", p->uri);
	snprintf(d->remote, sizeof(d->remote), "%s", p->far_uri);
	snprintf(d->contact, sizeof(d->contact), "<sip:%s@%s:%u%s>%s", p->name, p->host, p->addr.port,
		 p->uri_params, p->contact_params);
	snprintf(who, sizeof(who), p->n_dialogs > 1 ? "%s%u" : "%s", p->name, p->n_dialogs);
	psdp_init(&d->sdp, who, p->host, 1000 * p->n_dialogs + 1, p->setup_pref);
}

void pup_kept_free(struct pup_kept *k)
{
	free(k->raw);
	*k = (struct pup_kept){ 0 };
}

void pup_dialog_finish(struct pup_dialog *d)
{
	for (unsigned i = 0; i < PUP_KEPT; i++) {
		pup_kept_free(&d->kept[i]);
		pup_kept_free(&d->sent[i]);
	}
}

static struct pup_kept *remember(struct pup_kept *ring, unsigned *n, struct span bytes)
{
	struct pup_kept *k = &ring[(*n)++ % PUP_KEPT];
	pup_kept_free(k);
	k->raw = malloc(bytes.n + 1);
	if (k->raw == NULL)
		abort();
	memcpy(k->raw, bytes.p, bytes.n);
	k->n = bytes.n;
	wire_read(&k->m, (struct span){ k->raw, k->n });
	return k;
}

struct pup_kept *pup_pending(struct pup_dialog *d, const char *method, uint32_t cseq)
{
	for (unsigned i = d->n_kept, seen = 0; i-- > 0 && seen < PUP_KEPT; seen++) {
		struct pup_kept *k = &d->kept[i % PUP_KEPT];
		if (*method && !span_eq(k->m.method, span_of(method)))
			continue;
		if (cseq ? k->m.cseq == cseq : !k->answered && !span_eq(k->m.method, SPAN("ACK")))
			return k;
	}
	return NULL;
}

struct pup_kept *pup_last_sent(struct pup_dialog *d, const char *what)
{
	unsigned status = (unsigned)wire_u64(span_of(what));
	const char *method = status ? strchr(what, ' ') : what;
	method = method && status ? method + 1 : method;
	for (unsigned i = d->n_sent, seen = 0; i-- > 0 && seen < PUP_KEPT; seen++) {
		struct pup_kept *k = &d->sent[i % PUP_KEPT];
		if (k->m.status == status && (method == NULL || span_eq(k->m.method, span_of(method))))
			return k;
	}
	return NULL;
}

static void put(char *dst, size_t cap, struct span s)
{
	snprintf(dst, cap, "%" SPAN_FMT, SPAN_ARG(s));
}

static bool is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static bool names_target(const char *method)
{
	static const char *const t[] = { "INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER" };
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (is(method, t[i]))
			return true;
	return false;
}

/* An ACK of this number belongs to an INVITE that was refused (the last one, unless a number is asked for). */
static bool acks_error(const struct pup_dialog *d, uint32_t asked)
{
	return d->invite_status >= 300 && (asked == 0 || asked == d->invite_cseq);
}

/* CANCEL and the ACK of an error go by their INVITE's branch and number (RFC 3261 9.1, 17.1.1.3). */
static uint32_t number(struct pup *p, struct pup_dialog *d, const char *method, uint32_t asked,
		       char branch[64])
{
	bool of_invite = is(method, "ACK") || is(method, "CANCEL");
	if (is(method, "CANCEL") || (is(method, "ACK") && acks_error(d, asked)))
		snprintf(branch, 64, "%s", d->invite_branch);
	else
		snprintf(branch, 64, "z9hG4bK-%s-%u", p->name, ++p->n_branches);
	uint32_t n = asked ? asked : of_invite ? d->invite_cseq : ++d->cseq;
	if (asked > d->cseq && !of_invite)
		d->cseq = asked;
	if (is(method, "INVITE")) {
		d->invite_cseq = n;
		d->invite_status = 0;
		snprintf(d->invite_branch, sizeof(d->invite_branch), "%s", branch);
	}
	return n;
}

struct span pup_request(struct pup *p, struct pup_dialog *d, const char *method, const struct pup_opts *o,
			char *out, const char **why)
{
	struct hdrs *h = calloc(1, sizeof(*h));
	char branch[64], start[600];
	if (h == NULL)
		abort();
	if (d->call_id[0] == 0)
		snprintf(d->call_id, sizeof(d->call_id), "%s-call-%llu", p->name,
			 (unsigned long long)++p->n_calls);
	uint32_t cseq = number(p, d, method, o->cseq, branch);
	/* what belongs to an INVITE goes where it went: CANCEL, and the ACK of an error */
	bool follow = is(method, "CANCEL") || (is(method, "ACK") && acks_error(d, o->cseq));
	bool initial = o->initial || (follow && d->invite_initial);
	struct span ruri = o->ruri.n    ? o->ruri
			   : follow     ? span_of(d->invite_ruri)
			   : o->initial ? span_of(p->far_uri)
			   : *d->target ? span_of(d->target)
					: span_of(d->remote);
	if (o->ruri.n && o->initial)
		put(d->remote, sizeof(d->remote), ruri);
	bool tagged = d->remote_tag[0] && !(is(method, "CANCEL") && !d->invite_tagged);
	if (is(method, "INVITE")) {
		put(d->invite_ruri, sizeof(d->invite_ruri), ruri);
		d->invite_initial = o->initial;
		d->invite_tagged = tagged;
	}
	snprintf(start, sizeof(start), "%s %" SPAN_FMT " SIP/2.0", method, SPAN_ARG(ruri));
	addf(h, "Via", "SIP/2.0/%s %s:%u;branch=%s", o->tp ? o->tp : "UDP", p->host, p->addr.port, branch);
	addf(h, "Max-Forwards", "70");
	if (initial && p->routes[0])
		addf(h, "Route", "%s", p->routes);
	for (unsigned i = 0; !initial && i < d->n_routes; i++)
		addf(h, "Route", "%s", d->route[i]);
	addf(h, "From", "<%s>;tag=%s", d->local, o->from_tag ? o->from_tag : d->local_tag);
	addf(h, "To", tagged ? "<%s>;tag=%s" : "<%s>", d->remote, o->to_tag ? o->to_tag : d->remote_tag);
	addf(h, "Call-ID", "%s", d->call_id);
	addf(h, "CSeq", "%u %s", cseq, method);
	if (names_target(method)) {
		addf(h, "Contact", "%s", d->contact);
		if (p->allow[0])
			addf(h, "Allow", "%s", p->allow);
		if (p->supported[0])
			addf(h, "Supported", "%s", p->supported);
	}
	if (is(method, "PRACK"))
		addf(h, "RAck", "%s", d->rack);
	if (o->initial) {
		addf(h, "P-Asserted-Identity", "<%s>", d->local);
		if (p->accept_contact[0])
			addf(h, "Accept-Contact", "%s", p->accept_contact);
	}
	struct span s = print(h, span_of(start), o, out);
	remember(d->sent, &d->n_sent, s);
	free(h);
	return s;
}

struct span pup_response(struct pup *p, struct pup_dialog *d, const char *method, unsigned status,
			 const struct pup_opts *o, char *out, struct sip_src *back, const char **why)
{
	struct pup_kept *k = pup_pending(d, method, o->cseq);
	char start[200];
	if (k == NULL) {
		*why = "no request of that kind to answer";
		return SPAN_EMPTY;
	}
	struct hdrs *h = calloc(1, sizeof(*h));
	if (h == NULL)
		abort();
	snprintf(start, sizeof(start), "SIP/2.0 %u %s", status, o->reason ? o->reason : pup_reason(status));
	for (unsigned i = 0; i < wire_hdr_count(&k->m, "Via"); i++)
		add(h, "Via", wire_hdr(&k->m, "Via", i));
	struct span to = wire_hdr(&k->m, "To", 0);
	add(h, "From", wire_hdr(&k->m, "From", 0));
	if (wire_param(to, "tag").p || status == 100)
		add(h, "To", to);
	else
		addf(h, "To", "%" SPAN_FMT ";tag=%s", SPAN_ARG(to), o->to_tag ? o->to_tag : d->local_tag);
	add(h, "Call-ID", wire_hdr(&k->m, "Call-ID", 0));
	add(h, "CSeq", wire_hdr(&k->m, "CSeq", 0));
	bool dialog = span_eq(k->m.method, SPAN("INVITE")) || span_eq(k->m.method, SPAN("UPDATE"));
	for (unsigned i = 0; dialog && status < 300 && i < wire_hdr_count(&k->m, "Record-Route"); i++)
		add(h, "Record-Route", wire_hdr(&k->m, "Record-Route", i));
	if (dialog && status > 100 && status < 300) {
		addf(h, "Contact", "%s", d->contact);
		if (p->allow[0])
			addf(h, "Allow", "%s", p->allow);
		if (p->supported[0])
			addf(h, "Supported", "%s", p->supported);
	}
	if (o->rseq) {
		addf(h, "Require", "100rel");
		addf(h, "RSeq", "%u", o->rseq);
	}
	if (status >= 200)
		k->answered = true;
	*back = k->src;
	struct span s = print(h, span_of(start), o, out);
	remember(d->sent, &d->n_sent, s);
	free(h);
	return s;
}

bool pup_is_mine(const struct pup_dialog *d, const struct wire *m)
{
	return d->call_id[0] && span_eq(wire_hdr(m, "Call-ID", 0), span_of(d->call_id));
}

/* Route set of a dialog in the making: as UAS in order, as UAC reversed (RFC 3261 12.1). */
static void learn_routes(struct pup_dialog *d, const struct wire *m)
{
	unsigned n = wire_hdr_count(m, "Record-Route");
	d->n_routes = n < PUP_ROUTES ? n : PUP_ROUTES;
	for (unsigned i = 0; i < d->n_routes; i++)
		put(d->route[i], sizeof(d->route[i]),
		    wire_hdr(m, "Record-Route", m->request ? i : d->n_routes - 1 - i));
}

static void learn_sdp(struct pup_dialog *d, const struct wire *m)
{
	put(d->far_sdp, sizeof(d->far_sdp), m->body);
	for (unsigned i = 0; i < PSDP_LINES; i++)
		put(d->far_path[i], sizeof(d->far_path[i]), wire_line(wire_media(m->body, i), "a=path:", 0));
}

void pup_learn(struct pup *p, struct pup_dialog *d, const struct wire *m, const struct sip_src *src)
{
	struct span far = wire_hdr(m, m->request ? "From" : "To", 0), tag = wire_param(far, "tag");
	struct span contact = wire_hdr(m, "Contact", 0);
	bool invite = span_eq(m->method, SPAN("INVITE")), update = span_eq(m->method, SPAN("UPDATE"));
	bool first = d->remote_tag[0] == 0;
	if (m->request) {
		if (d->call_id[0] == 0) {
			put(d->call_id, sizeof(d->call_id), wire_hdr(m, "Call-ID", 0));
			put(d->remote, sizeof(d->remote), wire_uri(far));
			put(d->local, sizeof(d->local), wire_uri(wire_hdr(m, "To", 0)));
			learn_routes(d, m);
		}
		for (unsigned i = 0; i < PUP_KEPT; i++)
			if (span_eq((struct span){ d->kept[i].raw, d->kept[i].n }, m->raw))
				return; /* a retransmission */
		struct pup_kept *k = remember(d->kept, &d->n_kept, m->raw);
		k->src = *src;
	} else if (invite && m->cseq == d->invite_cseq && m->status > d->invite_status) {
		d->invite_status = m->status;
	}
	/* the 200 to a PRACK may come after the 2xx of another early dialog: that one is it */
	bool chosen = !m->request && !invite && d->invite_status / 100 == 2;
	if (tag.p && (m->request || (m->status > 100 && m->status < 300 && !chosen))) {
		put(d->remote_tag, sizeof(d->remote_tag), tag);
		if (!m->request && invite && (first || m->status >= 200) && d->cseq == d->invite_cseq &&
		    d->n_routes == 0)
			learn_routes(d, m);
	}
	if (contact.p && (invite || update) && (m->request || (m->status > 100 && m->status < 300)))
		put(d->target, sizeof(d->target), wire_uri(contact));
	if (m->body.n && wire_line(m->body, "v=0", 0).p)
		learn_sdp(d, m);
	if (!m->request && wire_hdr(m, "RSeq", 0).p)
		snprintf(d->rack, sizeof(d->rack), "%" SPAN_FMT " %" SPAN_FMT,
			 SPAN_ARG(wire_hdr(m, "RSeq", 0)), SPAN_ARG(wire_hdr(m, "CSeq", 0)));
}
