/* SPDX-License-Identifier: MIT */
/*
 * Dialogs: RFC 3261 12.  What never changes is copied once, when the dialog is made; only the remote
 * target and the sequence numbers move later.  What is hard: the two ways to use a route set (loose
 * routing, and strict routers that want to stand in the Request-URI), and MOD-13: which of the
 * peer's words about UPDATE counts.
 */
#include <errno.h>
#include <stdlib.h>

#include "sip/dialog.h"

/* ---- the remote target ---- */

/* The URI of m's one Contact: 0, -ENOENT (no Contact), -EBADMSG (several, "*", not sip or sips). */
static int contact_uri(const struct sip_msg *m, struct span *uri)
{
	struct sip_iter it = { 0 };
	struct sip_name_addr na;
	struct sip_uri u;
	struct span v, more;

	if (!sip_each(m, SIP_H_CONTACT, &it, &v)) {
		if (!m->request || m->from_tag.n)
			return -ENOENT;
		v = m->from; /* where an element of RFC 2543 is, when it says no more (RFC 4475 3.4.1) */
	} else if (sip_each(m, SIP_H_CONTACT, &it, &more)) {
		return -EBADMSG;
	}
	if (sip_name_addr_parse(&na, v) < 0 || sip_uri_parse(&u, na.uri) < 0)
		return -EBADMSG;
	if (u.scheme != SIP_URI_SIP && u.scheme != SIP_URI_SIPS)
		return -EBADMSG;
	*uri = na.uri;
	return 0;
}

int sip_dialog_refresh(struct sip_dialog *d, const struct sip_msg *m)
{
	struct span uri;
	char *copy;
	int r = contact_uri(m, &uri);

	if (r < 0)
		return r;
	if (span_eq(uri, sip_dialog_target(d)))
		return 0;
	copy = span_dup(uri);
	if (!copy)
		return -ENOMEM;
	free(d->target_text);
	d->target_text = copy;
	d->target_n = (uint16_t)uri.n;
	return 0;
}

/* ---- making a dialog ---- */

/* What goes into the block: spans into messages, from which the size and then the copy are made. */
struct parts {
	const struct sip_msg *record; /* has the Record-Route headers */
	bool reversed;                /* as UAC */
	struct span call_id, local_tag, remote_tag, local, remote;
	bool add_tag; /* local has no tag yet */
};

/* Folded values lose their line breaks: a Route line of ours is one line. */
static void w_route(struct wbuf *w, struct span value)
{
	w_str(w, "Route: ");
	for (size_t i = 0; i < value.n; i++)
		w_chr(w, value.p[i] == '\r' || value.p[i] == '\n' ? ' ' : value.p[i]);
	w_str(w, "\r\n");
}

/* RFC 3261 12.1.1, 12.1.2: in order as UAS, reversed as UAC.  -EBADMSG: one of them is no URI. */
static int record_routes(const struct parts *p, struct span v[SIP_HEADERS_MAX], size_t *n, size_t *len)
{
	struct sip_iter it = { 0 };
	struct sip_name_addr na;

	*n = *len = 0;
	for (struct span s; sip_each(p->record, SIP_H_RECORD_ROUTE, &it, &s);) {
		if (*n == SIP_HEADERS_MAX || sip_name_addr_parse(&na, s) < 0)
			return -EBADMSG;
		v[(*n)++] = s;
		*len += s.n + sizeof("Route: \r\n") - 1;
	}
	for (size_t i = 0, j = *n; p->reversed && i + 1 < j; i++) {
		struct span s = v[i];
		v[i] = v[--j];
		v[j] = s;
	}
	return 0;
}

static struct sip_dialog_part put(struct wbuf *w, struct span s)
{
	struct sip_dialog_part part = { (uint16_t)w->n, (uint16_t)s.n };
	w_span(w, s);
	return part;
}

static bool lies_in(struct span part, struct span whole)
{
	return part.n && part.p >= whole.p && part.p + part.n <= whole.p + whole.n;
}

/* A tag that is part of a From or To which has been put already is not put again. */
static struct sip_dialog_part put_tag(struct wbuf *w, struct span tag, struct span of,
				      struct sip_dialog_part copy)
{
	if (!lies_in(tag, of))
		return put(w, tag);
	return (struct sip_dialog_part){ (uint16_t)(copy.at + (tag.p - of.p)), (uint16_t)tag.n };
}

static struct sip_dialog_part put_routes(struct wbuf *w, const struct span *v, size_t n)
{
	size_t at = w->n;
	for (size_t i = 0; i < n; i++)
		w_route(w, v[i]);
	return (struct sip_dialog_part){ (uint16_t)at, (uint16_t)(w->n - at) };
}

/* URI of the first of our own Route lines. */
static struct sip_dialog_part first_uri(const char *text, struct sip_dialog_part routes)
{
	struct span all = { text + routes.at, routes.n };
	struct span value = span_cut(all, sizeof("Route: ") - 1, span_find(all, SPAN("\r\n")));
	struct sip_name_addr na;

	if (!routes.n || sip_name_addr_parse(&na, value) < 0)
		return (struct sip_dialog_part){ 0 };
	return (struct sip_dialog_part){ (uint16_t)(na.uri.p - text), (uint16_t)na.uri.n };
}

static int copy_parts(struct sip_dialog *d, const struct parts *p)
{
	struct span route[SIP_HEADERS_MAX], tag_param = SPAN(";tag=");
	size_t n, len, size;
	struct wbuf w;

	if (record_routes(p, route, &n, &len) < 0)
		return -EBADMSG;
	size = len + p->call_id.n + p->local.n + p->remote.n;
	size += lies_in(p->remote_tag, p->remote) ? 0 : p->remote_tag.n;
	size += p->add_tag ? tag_param.n : 0;
	size += lies_in(p->local_tag, p->local) ? 0 : p->local_tag.n;
	if (size > UINT16_MAX)
		return -EBADMSG;
	d->text = malloc(size);
	if (!d->text)
		return -ENOMEM;
	w = wbuf_on(d->text, size);
	d->call_id = put(&w, p->call_id);
	d->remote = put(&w, p->remote);
	d->remote_tag = put_tag(&w, p->remote_tag, p->remote, d->remote);
	d->routes = put_routes(&w, route, n);
	d->first_route = first_uri(d->text, d->routes);
	d->local = put(&w, p->local);
	if (p->add_tag)
		d->local.n = (uint16_t)(d->local.n + put(&w, tag_param).n + p->local_tag.n);
	d->local_tag = put_tag(&w, p->local_tag, p->local, d->local);
	return 0;
}

int sip_dialog_rename(struct sip_dialog *d, struct span local, struct span remote)
{
	struct sip_dialog as = *d;
	size_t size = d->call_id.n + d->local_tag.n + d->remote_tag.n + d->routes.n + local.n + remote.n;
	struct wbuf w;

	if (size > UINT16_MAX || (as.text = malloc(size)) == NULL)
		return -ENOMEM;
	w = wbuf_on(as.text, size);
	as.call_id = put(&w, sip_dialog_call_id(d));
	as.local_tag = put(&w, sip_dialog_local_tag(d));
	as.remote_tag = put(&w, sip_dialog_remote_tag(d));
	as.remote = put(&w, remote);
	as.routes = put(&w, sip_dialog_routes(d));
	as.first_route = first_uri(as.text, as.routes);
	as.local = put(&w, local);
	free(d->text);
	*d = as;
	return 0;
}

static int create(struct sip_dialog *d, const struct parts *p, const struct sip_msg *invite,
		  const struct sip_msg *from_peer)
{
	int r = copy_parts(d, p);
	if (r == 0)
		r = sip_dialog_refresh(d, from_peer);
	if (r < 0) {
		sip_dialog_finish(d);
		return r == -ENOENT ? -EBADMSG : r;
	}
	d->secure = span_istarts(invite->ruri, SPAN("sips:"));
	sip_dialog_learn(d, from_peer);
	return 0;
}

int sip_dialog_uas(struct sip_dialog *d, const struct sip_msg *invite, struct span tag)
{
	struct parts p = {
		.record = invite,
		.call_id = invite->call_id,
		.local_tag = tag,
		.remote_tag = invite->from_tag,
		.local = invite->to,
		.remote = invite->from,
		.add_tag = !invite->to_tag.n,
	};

	*d = (struct sip_dialog){ .remote_cseq = invite->cseq, .remote_cseq_known = true };
	return create(d, &p, invite, invite);
}

int sip_dialog_uac(struct sip_dialog *d, const struct sip_msg *invite, const struct sip_msg *resp)
{
	struct parts p = {
		.record = resp,
		.reversed = true,
		.call_id = invite->call_id,
		.local_tag = invite->from_tag,
		.remote_tag = resp->to_tag, /* none: an RFC 2543 element (RFC 3261 12.1.2) */
		.local = invite->from,
		.remote = resp->to,
	};

	*d = (struct sip_dialog){ .local_cseq = invite->cseq, .call_id_ours = true };
	return create(d, &p, invite, resp);
}

void sip_dialog_finish(struct sip_dialog *d)
{
	free(d->text);
	free(d->target_text);
	*d = (struct sip_dialog){ 0 };
}

/* ---- what the peer sends ---- */

bool sip_dialog_matches(const struct sip_dialog *d, const struct sip_msg *m)
{
	struct span local = m->request ? m->to_tag : m->from_tag;
	struct span remote = m->request ? m->from_tag : m->to_tag;

	if (!span_eq(m->call_id, sip_dialog_call_id(d)) || !span_eq(local, sip_dialog_local_tag(d)))
		return false;
	/* A peer of RFC 2543 has no tag, or finds one later. */
	return !d->remote_tag.n || span_eq(remote, sip_dialog_remote_tag(d));
}

int sip_dialog_in_order(struct sip_dialog *d, const struct sip_msg *m)
{
	/* They carry their INVITE's number, which an UPDATE may have passed. */
	if (m->method == SIP_ACK || m->method == SIP_CANCEL)
		return 0;
	if (d->remote_cseq_known && m->cseq <= d->remote_cseq)
		return 500;
	d->remote_cseq = m->cseq;
	d->remote_cseq_known = true;
	return 0;
}

/* MOD-13: words of the peer itself.  A 100 and most errors may come from a proxy on the way. */
static bool is_peers_word(const struct sip_msg *m)
{
	return m->request || (m->status > 100 && m->status < 300) || m->status == 405;
}

static uint32_t allow_bits(const struct sip_msg *m)
{
	struct sip_iter it = { 0 };
	uint32_t bits = 0;

	for (struct span v; sip_each(m, SIP_H_ALLOW, &it, &v);)
		bits |= 1u << sip_method_of(v);
	return bits & ~(1u << SIP_UNKNOWN);
}

void sip_dialog_learn(struct sip_dialog *d, const struct sip_msg *m)
{
	if (!is_peers_word(m))
		return;
	if (m->request && m->method == SIP_UPDATE) {
		d->allow |= 1u << SIP_UPDATE;
		d->no_update = false;
	}
	if (sip_has(m, SIP_H_ALLOW)) { /* after the proof: it is what the peer says itself */
		d->allow = allow_bits(m);
		d->allow_known = true;
	}
	if (sip_has(m, SIP_H_SUPPORTED)) {
		d->supports_timer = sip_lists(m, SIP_H_SUPPORTED, SPAN("timer"));
		d->supports_100rel = sip_lists(m, SIP_H_SUPPORTED, SPAN("100rel"));
		d->supports_from_change = sip_lists(m, SIP_H_SUPPORTED, SPAN("from-change"));
		d->supports_199 = sip_lists(m, SIP_H_SUPPORTED, SPAN("199"));
	}
	/* Who requires it has it. */
	d->supports_timer |= sip_lists(m, SIP_H_REQUIRE, SPAN("timer"));
	d->supports_100rel |= sip_lists(m, SIP_H_REQUIRE, SPAN("100rel"));
}

bool sip_dialog_allows(const struct sip_dialog *d, enum sip_method m)
{
	if (m == SIP_UPDATE && d->no_update)
		return false;
	return d->allow >> m & 1;
}

/* ---- what we send ---- */

/* A URI as Request-URI: without headers and method, which are for other places (RFC 3261 19.1.1). */
static void w_request_uri(struct wbuf *w, struct span uri)
{
	struct span name, value;
	struct sip_uri u;

	if (sip_uri_parse(&u, uri) < 0 || (!u.headers.n && !sip_param(u.params, SPAN("method"), &value))) {
		w_span(w, uri);
		return;
	}
	if (u.params.n)
		w_span(w, span_range(uri.p, u.params.p - 1));
	else
		w_span(w, span_range(uri.p, u.headers.p - 1));
	while (sip_param_next(&u.params, &name, &value)) {
		if (span_ieq(name, SPAN("method")))
			continue;
		w_chr(w, ';');
		w_span(w, name);
		if (value.n) {
			w_chr(w, '=');
			w_span(w, value);
		}
	}
}

/* A first route without lr is a strict router of RFC 2543. */
static bool is_strict(struct span route)
{
	struct span value;
	struct sip_uri u;
	return route.n && sip_uri_parse(&u, route) == 0 && !sip_param(u.params, SPAN("lr"), &value);
}

/* RFC 3261 12.2.1.1: the strict router stands in the Request-URI, the target at the end of the route. */
static void w_strict_routes(struct wbuf *w, const struct sip_dialog *d)
{
	struct span rest = sip_dialog_routes(d);
	span_split(&rest, '\n');
	w_span(w, rest);
	w_str(w, "Route: <");
	w_span(w, sip_dialog_target(d));
	w_str(w, ">\r\n");
}

static void w_identity(struct wbuf *w, const char *name, struct span value)
{
	w_str(w, name);
	w_span(w, value);
	w_str(w, "\r\n");
}

void sip_dialog_request(struct sip_dialog *d, struct wbuf *w, enum sip_method method, uint32_t cseq,
			unsigned max_forwards, enum sip_transport tp, struct span via_sent_by,
			struct span branch)
{
	bool strict = is_strict(sip_dialog_first_route(d));

	w_span(w, sip_method_name(method));
	w_chr(w, ' ');
	w_request_uri(w, strict ? sip_dialog_first_route(d) : sip_dialog_target(d));
	w_str(w, " SIP/2.0\r\nVia: SIP/2.0/");
	w_str(w, sip_transport_name(tp));
	w_chr(w, ' ');
	w_span(w, via_sent_by);
	w_str(w, ";branch=");
	w_span(w, branch);
	w_str(w, "\r\nMax-Forwards: ");
	w_u64(w, max_forwards);
	w_str(w, "\r\n");
	if (strict)
		w_strict_routes(w, d);
	else
		w_span(w, sip_dialog_routes(d));
	w_identity(w, "From: ", sip_dialog_local(d));
	w_identity(w, "To: ", sip_dialog_remote(d));
	w_identity(w, "Call-ID: ", sip_dialog_call_id(d));
	w_str(w, "CSeq: ");
	w_u64(w, cseq ? cseq : ++d->local_cseq);
	w_chr(w, ' ');
	w_span(w, sip_method_name(method));
	w_str(w, "\r\n");
}

int sip_dialog_next_hop(const struct sip_dialog *d, struct sip_dest *to)
{
	return sip_uri_next_hop(d->first_route.n ? sip_dialog_first_route(d) : sip_dialog_target(d), to);
}

/* RFC 3263 4.1 without NAPTR: what the URI says, else UDP, or TLS for sips.  -EINVAL: not spoken here. */
static int uri_transport(const struct sip_uri *u, enum sip_transport *tp)
{
	bool sips = u->scheme == SIP_URI_SIPS;
	struct span v;

	if (!sip_param(u->params, SPAN("transport"), &v))
		*tp = sips ? SIP_TLS : SIP_UDP;
	else if (span_ieq(v, SPAN("tls")) || (sips && span_ieq(v, SPAN("tcp"))))
		*tp = SIP_TLS;
	else if (span_ieq(v, SPAN("tcp")))
		*tp = SIP_TCP;
	else if (span_ieq(v, SPAN("udp")) && !sips)
		*tp = SIP_UDP;
	else if (span_ieq(v, SPAN("ws")))
		*tp = sips ? SIP_WSS : SIP_WS;
	else if (span_ieq(v, SPAN("wss")))
		*tp = SIP_WSS;
	else
		return -EINVAL;
	return 0;
}

int sip_uri_next_hop(struct span uri, struct sip_dest *to)
{
	struct span host, maddr;
	struct sip_dest dest = { 0 };
	struct sip_uri u;
	uint16_t port;

	if (sip_uri_parse(&u, uri) < 0 || (u.scheme != SIP_URI_SIP && u.scheme != SIP_URI_SIPS) ||
	    uri_transport(&u, &dest.tp) < 0)
		return -EINVAL;
	host = sip_param(u.params, SPAN("maddr"), &maddr) && maddr.n ? maddr : u.host;
	if (!host.n || host.n > SIP_HOST_MAX)
		return -EINVAL;
	port = u.port ? u.port : sip_default_port(dest.tp);
	if (!addr_parse(&dest.ip, host, port)) {
		dest.ip.port = port;
		dest.host = host;
		dest.any_port = !u.port;
		dest.any_tp = u.scheme == SIP_URI_SIP && !sip_param(u.params, SPAN("transport"), &maddr);
	}
	*to = dest;
	return 0;
}
