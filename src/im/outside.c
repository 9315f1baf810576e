/* SPDX-License-Identifier: MIT */
/*
 * A request outside dialogs made anew on the other leg, the INVITE that begins one (setup.c) or a message that needs none
 * (pager.c): where it goes, and what it begins with.
 */
#include "im/core.h"

/* Our own Route entry is taken off; what is below it decides. */
int outside_routes(struct wbuf *w, const struct im_conf *conf, const struct sip_msg *m, struct sip_dest *to)
{
	struct sip_iter it = { 0 };
	struct sip_name_addr na;
	bool first = true, have = false;

	for (struct span v; sip_each(m, SIP_H_ROUTE, &it, &v); first = false) {
		if (sip_name_addr_parse(&na, v) < 0)
			return -EINVAL;
		if (first && role_is_us(conf, na.uri))
			continue;
		if (!have && sip_uri_next_hop(na.uri, to) < 0)
			return -EINVAL;
		have = true;
		w_hdr(w, SIP_H_ROUTE, v);
	}
	if (have)
		return 0;
	if (conf->next_hop[0])
		return sip_uri_next_hop(span_of(conf->next_hop), to);
	return role_is_us(conf, m->ruri) ? -ENOENT : sip_uri_next_hop(m->ruri, to);
}

/* A From or To value without its tag. */
static void w_party(struct wbuf *w, enum sip_hdr_id id, struct span value, const char *tag)
{
	struct sip_name_addr na;
	struct span name, v;

	w_span(w, sip_hdr_id_name(id)), w_str(w, ": ");
	if (sip_name_addr_parse(&na, value) < 0)
		return;
	if (na.display.n)
		w_span(w, na.display), w_chr(w, ' ');
	w_chr(w, '<'), w_span(w, na.uri), w_chr(w, '>');
	while (sip_param_next(&na.params, &name, &v)) {
		if (span_ieq(name, SPAN("tag")) || !name.n)
			continue;
		w_chr(w, ';'), w_span(w, name);
		if (v.n)
			w_chr(w, '='), w_span(w, v);
	}
	if (tag)
		w_str(w, ";tag="), w_str(w, tag);
	w_str(w, "\r\n");
}

static void w_via(struct wbuf *w, const struct im_listen *at, struct span branch)
{
	w_str(w, "Via: SIP/2.0/"), w_str(w, sip_transport_name(at->tp)), w_chr(w, ' ');
	w_str(w, at->host), w_chr(w, ':'), w_u64(w, at->port);
	w_str(w, ";rport;branch="), w_span(w, branch), w_str(w, "\r\n");
}

bool outside_grows(struct im *im, struct sip_dest *to, size_t size)
{
	const struct im_listen *tcp = im_listen_for(im, SIP_TCP, &to->ip);
	const struct im_listen *udp = im_listen_for(im, SIP_UDP, &to->ip);

	if (to->tp != SIP_UDP || size <= 1300 || !tcp)
		return false;
	to->tp = SIP_TCP;
	to->any_tp = false;
	to->by_size = udp && udp->port == tcp->port && strcmp(udp->host, tcp->host) == 0;
	return true;
}

void outside_head(struct leg *l, struct wbuf *w, const struct sip_msg *m, const struct sip_dest *to,
		  struct span routes, struct span branch, const char *call_id, uint32_t cseq)
{
	struct im *im = l->s->im;
	bool hidden = l->s->ims && l->s->ims->anonymous;

	l->at = im_listen_for(im, to->tp, &to->ip);
	*w = wbuf_on(im->out, SIP_MSG_MAX);
	w_span(w, m->method_name), w_chr(w, ' '), w_span(w, m->ruri), w_str(w, " SIP/2.0\r\n");
	w_via(w, l->at, branch);
	w_hdr_u64(w, SIP_H_MAX_FORWARDS, m->max_forwards - 1u);
	w_span(w, routes);
	w_party(w, SIP_H_FROM, hidden ? SPAN("\"Anonymous\" <sip:anonymous@anonymous.invalid>") : m->from,
		l->tag);
	w_party(w, SIP_H_TO, m->to, NULL);
	w_str(w, "Call-ID: "), w_str(w, call_id), w_str(w, "\r\nCSeq: ");
	w_u64(w, cseq), w_chr(w, ' '), w_span(w, m->method_name), w_str(w, "\r\n");
}
