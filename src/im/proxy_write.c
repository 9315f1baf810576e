/* SPDX-License-Identifier: MIT */
/*
 * The message that a proxy passes on (RFC 3261 16.6, 16.7): what must be ours is written, the rest is copied in runs, so
 * that it leaves byte for byte as it came.  What is hard is the Record-Route: each neighbour must reach us by it, and
 * they may not speak the same transport (RFC 5658).
 */
#include "im/proxy.h"

enum { UDP_MAX = 1300, MAX_BREADTH = 60 };

/* Never passed on, whoever it came from (IMS-3, IMS-11, IMS-12, IMS-27, CLASS-7). */
static const uint8_t ends_here[] = { SIP_H_P_SERVED_USER,       SIP_H_P_PREFERRED_IDENTITY,
				     SIP_H_P_PREFERRED_SERVICE, SIP_H_P_VISITED_NETWORK_ID,
				     SIP_H_SECURITY_CLIENT,     SIP_H_SECURITY_VERIFY };

/* Written by us, in a request. */
static const uint8_t rewritten[] = { SIP_H_VIA, SIP_H_MAX_FORWARDS, SIP_H_ROUTE, SIP_H_RECORD_ROUTE };

static struct sip_hdr_set copied(bool trusted)
{
	struct sip_hdr_set set;
	memset(&set, 0xff, sizeof(set));
	sip_set_drop_all(&set, ends_here, sizeof(ends_here));
	if (!trusted)
		headers_drop_trusted(&set); /* IMS-2 */
	return set;
}

int proxy_hop(const struct im *im, const struct sip_src *src, const struct proxy_route *route,
	      struct proxy_hop *h)
{
	const struct im_conf *conf = &im->conf;

	*h = (struct proxy_hop){ 0 };
	if (sip_uri_next_hop(route->hop, &h->to) < 0)
		return -EINVAL;
	h->in = im_listen_for(im, src->tp, &src->ip);
	h->out = im_listen_for(im, h->to.tp, &h->to.ip);
	if (!h->in || !h->out)
		return -EINVAL;
	h->trusted = role_trusted(conf, &src->ip) && role_trusts(conf, &h->to);
	return 0;
}

/* ---- what we add ---- */

static void w_via(struct wbuf *w, const struct im_listen *at, struct span branch)
{
	w_str(w, "Via: SIP/2.0/"), w_str(w, sip_transport_name(at->tp)), w_chr(w, ' ');
	w_str(w, at->host), w_chr(w, ':'), w_u64(w, at->port);
	w_str(w, ";rport;branch="), w_span(w, branch), w_str(w, "\r\n");
}

/* Requests that may create a dialog, and those that refresh its targets, for uniformity (PX-6). */
static bool is_recorded(const struct sip_msg *m)
{
	switch ((enum sip_method)m->method) {
	case SIP_INVITE:
	case SIP_SUBSCRIBE:
	case SIP_REFER:
	case SIP_NOTIFY:
	case SIP_UPDATE:
		return true;
	case SIP_UNKNOWN:
		return !m->to_tag.n;
	default:
		return false;
	}
}

/* Is this neighbour to reach us by a sips URI (RFC 3261 16.6 step 4)? */
static bool is_secure(const struct im_listen *at, const struct proxy_route *route)
{
	return at->tp == SIP_TLS &&
	       (span_istarts(route->ruri, SPAN("sips:")) || span_istarts(route->hop, SPAN("sips:")));
}

/* A transport is said only where it is not the default (PX-7). */
static void w_record_route(struct wbuf *w, const struct proxy *px, const struct sip_msg *m,
			   const struct im_listen *at, bool secure, enum proxy_side side)
{
	w_str(w, secure ? "Record-Route: <sips:" : "Record-Route: <sip:");
	w_str(w, at->host), w_chr(w, ':'), w_u64(w, at->port);
	if (!secure)
		w_str(w, sip_transport_param(at->tp));
	w_str(w, ";lr;parley="), w_proxy_mark(w, &px->keys, m->call_id, side), w_str(w, ">\r\n");
}

/* RFC 5658: the one on top is for whom it goes to. */
static void w_record_routes(struct wbuf *w, const struct proxy *px, const struct sip_msg *m,
			    const struct proxy_route *route, const struct im_listen *in,
			    const struct im_listen *out)
{
	bool in_secure = is_secure(in, route), out_secure = is_secure(out, route);

	if (in == out && in_secure == out_secure) {
		w_record_route(w, px, m, out, out_secure, PROXY_BOTH);
		return;
	}
	w_record_route(w, px, m, out, out_secure, PROXY_RESPONDER);
	w_record_route(w, px, m, in, in_secure, PROXY_INITIATOR);
}

/* ---- copies ---- */

/* A datagram may do without a Content-Length, a stream may not. */
static void w_tail(struct wbuf *w, const struct sip_msg *m)
{
	if (!sip_has(m, SIP_H_CONTENT_LENGTH))
		w_hdr_u64(w, SIP_H_CONTENT_LENGTH, m->body.n);
	w_str(w, "\r\n");
	w_span(w, m->body);
}

static void w_request(struct wbuf *w, const struct proxy *px, const struct sip_msg *m,
		      const struct sip_src *src, const struct proxy_route *route, const struct proxy_hop *h,
		      const struct im_listen *via, struct span branch)
{
	struct sip_hdr_set set = copied(h->trusted);

	*w = wbuf_on(px->im->out, SIP_MSG_MAX);
	w_span(w, m->method_name), w_chr(w, ' '), w_span(w, route->ruri), w_str(w, " SIP/2.0\r\n");
	w_via(w, via, branch);
	w_vias(w, m, &src->ip);
	if (is_recorded(m))
		w_record_routes(w, px, m, route, h->in, h->out);
	w_hdr_copy(w, m, SIP_H_RECORD_ROUTE);
	w_hdr_u64(w, SIP_H_MAX_FORWARDS, m->max_forwards - (sip_has(m, SIP_H_MAX_FORWARDS) ? 1u : 0u));
	if (!sip_has(m, SIP_H_MAX_BREADTH) && m->method != SIP_ACK && m->method != SIP_CANCEL)
		w_hdr_u64(w, SIP_H_MAX_BREADTH, MAX_BREADTH); /* RFC 5393 5.3.3 */
	w_proxy_routes(w, m, route);
	sip_set_drop_all(&set, rewritten, sizeof(rewritten));
	w_hdr_copy_set(w, m, &set);
	w_tail(w, m);
}

void w_proxy_request(struct wbuf *w, const struct proxy *px, const struct sip_msg *m,
		     const struct sip_src *src, const struct proxy_route *route, struct proxy_hop *h,
		     bool no_tcp, struct span branch)
{
	const struct im_listen *tcp;

	w_request(w, px, m, src, route, h, h->out, branch);
	if (!w_ok(w) || w->n <= UDP_MAX || h->to.tp != SIP_UDP || no_tcp)
		return;
	/* RFC 3261 18.1.1.  The Record-Route stays as it was: what is smaller may come by UDP. */
	tcp = im_listen_for(px->im, SIP_TCP, &h->to.ip);
	if (!tcp)
		return;
	h->to.tp = SIP_TCP;
	h->to.any_tp = false;
	h->by_size = true;
	w_request(w, px, m, src, route, h, tcp, branch);
}

/* ---- responses ---- */

static struct span start_line(const struct sip_msg *m)
{
	struct span line = span_range(m->raw.p, m->raw.p + m->hdr[0].off);
	while (line.n && span_is_lws(line.p[0]))
		line = span_skip(line, 1);
	return line;
}

/* The Vias below ours, as the response has them; false: it has none. */
static bool w_vias_below(struct wbuf *w, const struct sip_msg *m, const struct sip_hdr *top)
{
	struct sip_iter it = { 0 };
	struct span ours;

	if (!top || !sip_each(m, SIP_H_VIA, &it, &ours))
		return false;
	if (span_trim(it.rest).n)
		w_hdr(w, SIP_H_VIA, span_trim(it.rest));
	else if (!sip_hdr_next(m, top))
		return false;
	while ((top = sip_hdr_next(m, top)))
		w_span(w, sip_hdr_line(m, top));
	return true;
}

bool w_proxy_response(struct wbuf *w, const struct sip_msg *m, unsigned status, bool trusted,
		      const struct sip_stxn *t)
{
	struct sip_hdr_set set = copied(trusted);

	sip_set_drop_all(&set, (const uint8_t[]){ SIP_H_VIA }, 1);
	if (status == m->status) {
		w_span(w, start_line(m));
	} else { /* PX-10: a 503 would make the neighbour avoid us; so would its Retry-After */
		w_str(w, "SIP/2.0 "), w_u64(w, status), w_chr(w, ' ');
		w_span(w, sip_status_text(status)), w_str(w, "\r\n");
		sip_set_drop_all(&set, (const uint8_t[]){ SIP_H_RETRY_AFTER }, 1);
	}
	if (!w_vias_below(w, m, sip_hdr(m, SIP_H_VIA))) {
		if (!t)
			return false;
		/* Whoever answers an INVITE with the Via of its CANCEL loses them: we know better. */
		w_vias(w, sip_stxn_request(t), &sip_stxn_src(t)->ip);
	}
	w_hdr_copy_set(w, m, &set);
	w_tail(w, m);
	return true;
}
