/* SPDX-License-Identifier: MIT */
/*
 * Where a proxied request goes (RFC 3261 16.4 to 16.6): pure, from the message and the configuration alone.  What is
 * hard are the neighbours of RFC 2543, who put the next hop into the Request-URI: one before us has taken our own
 * URI out of its route set, one after us wants to be there.
 */
#include "base/htab.h"
#include "im/proxy.h"
#include "sip/uri.h"

#define MARK "parley"

static bool has_param(const struct sip_uri *u, struct span name)
{
	struct span v;
	return sip_param(u->params, name, &v);
}

static struct span mark_of(const struct sip_uri *u)
{
	struct span v = SPAN_EMPTY;
	return sip_param(u->params, SPAN(MARK), &v) ? v : SPAN_EMPTY;
}

static bool is_sip(const struct sip_uri *u)
{
	return u->scheme == SIP_URI_SIP || u->scheme == SIP_URI_SIPS;
}

/* URI of a Route value; false: it is none. */
static bool route_uri(struct span value, struct span *uri, struct sip_uri *u)
{
	struct sip_name_addr na;
	if (sip_name_addr_parse(&na, value) < 0 || sip_uri_parse(u, na.uri) < 0 || !is_sip(u))
		return false;
	*uri = na.uri;
	return true;
}

static struct span nth_route(const struct sip_msg *m, unsigned n)
{
	struct sip_iter it = { 0 };
	for (struct span v; sip_each(m, SIP_H_ROUTE, &it, &v); n--)
		if (n == 0)
			return v;
	return SPAN_EMPTY;
}

static unsigned count_routes(const struct sip_msg *m)
{
	struct sip_iter it = { 0 };
	unsigned n = 0;
	for (struct span v; sip_has(m, SIP_H_ROUTE) && sip_each(m, SIP_H_ROUTE, &it, &v);)
		n++;
	return n;
}

/* Our own Record-Route stands in the Request-URI: a strict router put it there, and the target to the end. */
static bool undo_strict(const struct im_conf *conf, const struct sip_msg *m, struct proxy_route *r,
			struct sip_uri *u)
{
	if (!is_sip(u) || !r->n_values || !mark_of(u).n || !role_is_us(conf, r->ruri))
		return true;
	r->mark = mark_of(u);
	r->drop = 1;
	return route_uri(nth_route(m, r->n_values - 1), &r->ruri, u);
}

/* Does the maddr of a URI lead to us? */
static bool maddr_is_us(const struct im_conf *conf, const struct sip_uri *u, struct span maddr)
{
	char buf[320];
	struct wbuf w = wbuf_on(buf, sizeof(buf));

	w_span(&w, u->scheme_name), w_chr(&w, ':'), w_span(&w, maddr);
	if (u->port)
		w_chr(&w, ':'), w_u64(&w, u->port);
	return w_ok(&w) && role_is_us(conf, w_span_of(&w));
}

/* A Request-URI that reaches us by its maddr means the user behind it: maddr, port and transport go. */
static void strip_maddr(const struct im_conf *conf, struct proxy_route *r, struct sip_uri *u)
{
	struct wbuf w = wbuf_on(r->text, sizeof(r->text));
	struct span maddr, params = u->params, name, value;

	if (!is_sip(u) || !sip_param(u->params, SPAN("maddr"), &maddr) || !maddr_is_us(conf, u, maddr))
		return;
	w_span(&w, u->scheme_name), w_chr(&w, ':');
	if (u->user.n)
		w_span(&w, u->user), w_chr(&w, '@');
	w_span(&w, u->host);
	while (sip_param_next(&params, &name, &value)) {
		if (!name.n || span_ieq(name, SPAN("maddr")) || span_ieq(name, SPAN("transport")))
			continue;
		w_chr(&w, ';'), w_span(&w, name);
		if (value.n)
			w_chr(&w, '='), w_span(&w, value);
	}
	if (w_ok(&w) && sip_uri_parse(u, w_span_of(&w)) == 0)
		r->ruri = w_span_of(&w);
}

/* Our own entries at the front: one, or the two of a double Record-Route of ours (RFC 5658). */
static bool pop_own(const struct im_conf *conf, const struct sip_msg *m, struct proxy_route *r)
{
	struct sip_uri u;
	struct span uri;

	while (r->skip < r->n_values - r->drop && r->skip < 2) {
		if (!route_uri(nth_route(m, r->skip), &uri, &u))
			return false;
		if (!role_is_us(conf, uri))
			break;
		if (r->skip == 0 && !r->mark.n) {
			r->mark = mark_of(&u);
		} else {
			if (!r->mark.n || !mark_of(&u).n || span_eq(r->mark, mark_of(&u)))
				break;
			r->second_mark = mark_of(&u);
		}
		r->skip++;
		if (!r->mark.n)
			break;
	}
	return true;
}

/* Nobody but us is named: for a user of a host of ours the configured next hop knows more. */
static bool is_for_us(const struct im_conf *conf, const struct sip_msg *m, struct span ruri,
		      const struct sip_uri *u)
{
	if (!role_is_us(conf, ruri))
		return false;
	return m->to_tag.n || !conf->next_hop[0] || !u->user.n;
}

bool proxy_is_emergency(struct span ruri)
{
	struct span sos = SPAN("urn:service:sos");
	return span_istarts(ruri, sos) && (ruri.n == sos.n || ruri.p[sos.n] == '.');
}

/* The next hop, once our own entries are gone (RFC 3261 16.6 steps 6 and 7). */
static unsigned next_hop(const struct im_conf *conf, const struct sip_msg *m, struct proxy_route *r,
			 const struct sip_uri *target, const char **fault)
{
	struct sip_uri u;
	struct span uri;

	if (r->skip < r->n_values - r->drop) {
		if (!route_uri(nth_route(m, r->skip), &uri, &u)) {
			*fault = "Bad Route";
			return 400;
		}
		if (!has_param(&u, SPAN("lr"))) {
			r->append = r->ruri;
			r->ruri = uri;
			r->skip++;
		}
		r->hop = uri;
		return 0;
	}
	if (is_for_us(conf, m, r->ruri, target))
		return 0;
	r->by_config =
		conf->next_hop[0] && !m->to_tag.n; /* inside a dialog the target is the target (PX-5) */
	r->hop = r->by_config ? span_of(conf->next_hop) : r->ruri;
	return r->by_config || is_sip(target) ? 0 : 404;
}

unsigned proxy_route(const struct im_conf *conf, const struct sip_msg *m, struct proxy_route *r,
		     const char **fault)
{
	struct sip_uri u;

	memset(r, 0, offsetof(struct proxy_route, text));
	r->ruri = m->ruri;
	*fault = NULL;
	if (m->ruri.n >= PROXY_RURI_MAX)
		return 414;
	if (sip_uri_parse(&u, m->ruri) < 0) {
		*fault = "Bad Request-URI";
		return 400;
	}
	if (u.scheme == SIP_URI_OTHER && !proxy_is_emergency(m->ruri))
		return 416;
	r->n_values = count_routes(m);
	*fault = "Bad Route";
	if (!undo_strict(conf, m, r, &u))
		return 400;
	strip_maddr(conf, r, &u);
	if (!pop_own(conf, m, r))
		return 400;
	*fault = NULL;
	return next_hop(conf, m, r, &u, fault);
}

void w_proxy_routes(struct wbuf *w, const struct sip_msg *m, const struct proxy_route *r)
{
	struct sip_iter it = { 0 };
	unsigned i = 0;

	for (struct span v; r->n_values && sip_each(m, SIP_H_ROUTE, &it, &v); i++)
		if (i >= r->skip && i < r->n_values - r->drop)
			w_hdr(w, SIP_H_ROUTE, v);
	if (r->append.n)
		w_str(w, "Route: <"), w_span(w, r->append), w_str(w, ">\r\n");
}

/* ---- what our Record-Route says ---- */

void w_proxy_mark(struct wbuf *w, const struct proxy_keys *k, struct span call_id, enum proxy_side side)
{
	uint64_t h = hash_siphash(k->mark, call_id) ^ (uint64_t)side * 0x9e3779b97f4a7c15ull;

	h = hash_siphash(k->mark, (struct span){ (const char *)&h, sizeof(h) });
	w_str(w, k->epoch), w_chr(w, '.'), w_chr(w, (char)side), w_chr(w, '.');
	w_hex(w, &h, sizeof(h));
}

bool proxy_mark_is_ours(const struct proxy_keys *k, struct span call_id, struct span mark)
{
	char buf[32];
	struct wbuf w = wbuf_on(buf, sizeof(buf));

	w_proxy_mark(&w, k, call_id, mark.n > 9 ? (enum proxy_side)mark.p[9] : PROXY_BOTH);
	return span_eq(mark, w_span_of(&w));
}

bool proxy_mark_forged(const struct proxy_keys *k, struct span call_id, struct span mark)
{
	return span_eq(span_cut(mark, 0, 8), span_of(k->epoch)) && !proxy_mark_is_ours(k, call_id, mark);
}

/* ---- loops ---- */

void proxy_loop_hash(const struct proxy_keys *k, const struct sip_msg *m, char out[PROXY_HASH_LEN + 1])
{
	uint64_t h = span_hash(m->ruri, k->loop);
	struct wbuf w = wbuf_on(out, PROXY_HASH_LEN);

	for (const struct sip_hdr *r = sip_hdr(m, SIP_H_ROUTE); r; r = sip_hdr_next(m, r))
		h = span_hash(sip_hdr_value(m, r), h);
	h = span_hash(m->call_id, h);
	h = span_hash(m->from_tag, h);
	h = span_hash(m->to_tag, h);
	h = span_hash(sip_value(m, SIP_H_PROXY_REQUIRE), h);
	h = span_hash(sip_value(m, SIP_H_PROXY_AUTHORIZATION), h ^ m->cseq);
	w_hex(&w, &h, sizeof(h));
	out[PROXY_HASH_LEN] = '\0';
}

/* It is of 64 bits and under a key of ours: where it stands, we wrote it. */
bool proxy_is_loop(const struct sip_msg *m, const char hash[PROXY_HASH_LEN + 1])
{
	struct span want = { hash, PROXY_HASH_LEN };

	for (const struct sip_hdr *v = sip_hdr(m, SIP_H_VIA); v; v = sip_hdr_next(m, v))
		if (span_find(sip_hdr_value(m, v), want) != SPAN_NONE)
			return true;
	return false;
}
