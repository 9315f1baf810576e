/* SPDX-License-Identifier: MIT */
/*
 * Writing messages.  Copies take whole lines, folds and odd spelling included, and neighbours go with one
 * memcpy: what we do not touch leaves as it came.
 */
#include "sip/build.h"

#include "base/addr.h"
#include "sip/lex.h"
#include "sip/uri.h"

void w_hdr(struct wbuf *w, enum sip_hdr_id id, struct span value)
{
	w_span(w, sip_hdr_id_name(id));
	w_bytes(w, ": ", 2);
	w_span(w, value);
	w_bytes(w, "\r\n", 2);
}

void w_hdr_u64(struct wbuf *w, enum sip_hdr_id id, uint64_t value)
{
	w_span(w, sip_hdr_id_name(id));
	w_bytes(w, ": ", 2);
	w_u64(w, value);
	w_bytes(w, "\r\n", 2);
}

void w_hdr_copy(struct wbuf *w, const struct sip_msg *m, enum sip_hdr_id id)
{
	for (const struct sip_hdr *h = sip_hdr(m, id); h; h = sip_hdr_next(m, h))
		w_span(w, sip_hdr_line(m, h));
}

void w_hdr_copy_set(struct wbuf *w, const struct sip_msg *m, const struct sip_hdr_set *keep)
{
	struct span run = SPAN_EMPTY;

	for (unsigned i = 0; i < m->n_hdr; i++) {
		struct span line = sip_hdr_line(m, &m->hdr[i]);
		if (!sip_set_has(keep, m->hdr[i].id))
			continue;
		if (run.n && run.p + run.n == line.p) {
			run.n += line.n;
		} else {
			w_span(w, run);
			run = line;
		}
	}
	w_span(w, run);
}

/* The topmost Via again, with where the request really came from (RFC 3261 18.2.1, RFC 3581 4): what
 * its sender claimed about that is left out. */
static void w_via_seen_from(struct wbuf *w, const struct sip_msg *req, const struct addr *src)
{
	struct span rest = sip_value(req, SIP_H_VIA), name, value;
	struct span top = sip_element_take(&rest);
	struct span params = top;

	w_bytes(w, "Via: ", 5);
	w_span(w, span_trim(span_split(&params, ';')));
	while (sip_param_next(&params, &name, &value)) {
		if (span_ieq(name, SPAN("received")) || span_ieq(name, SPAN("rport")))
			continue;
		w_chr(w, ';');
		w_span(w, name);
		if (value.n) {
			w_chr(w, '=');
			w_span(w, value);
		}
	}
	w_str(w, ";received=");
	w_addr_ip(w, src);
	if (req->via.has_rport) {
		w_str(w, ";rport=");
		w_u64(w, src->port);
	}
	if (rest.n) {
		w_bytes(w, ", ", 2);
		w_span(w, span_trim(rest));
	}
	w_bytes(w, "\r\n", 2);
}

static bool via_tells_source(const struct sip_via *via, const struct addr *src)
{
	struct addr sent_by;

	if (!src || !src->family)
		return true; /* nothing better known */
	return !via->has_rport && !via->received.n && addr_parse(&sent_by, via->host, 0) &&
	       addr_same_ip(&sent_by, src);
}

void w_vias(struct wbuf *w, const struct sip_msg *req, const struct addr *src)
{
	const struct sip_hdr *h = sip_hdr(req, SIP_H_VIA);

	if (h && !via_tells_source(&req->via, src)) {
		w_via_seen_from(w, req, src);
		h = sip_hdr_next(req, h);
	}
	for (; h; h = sip_hdr_next(req, h))
		w_span(w, sip_hdr_line(req, h));
}

static void w_to(struct wbuf *w, const struct sip_msg *req, struct span to_tag)
{
	if (req->to_tag.n || !to_tag.n || !sip_has(req, SIP_H_TO)) {
		w_hdr_copy(w, req, SIP_H_TO);
		return;
	}
	w_bytes(w, "To: ", 4);
	w_span(w, sip_value(req, SIP_H_TO));
	w_bytes(w, ";tag=", 5);
	w_span(w, to_tag);
	w_bytes(w, "\r\n", 2);
}

static bool creates_dialog(const struct sip_msg *req, unsigned status)
{
	return status > 100 && status < 300 && !req->to_tag.n &&
	       (req->method == SIP_INVITE || req->method == SIP_SUBSCRIBE || req->method == SIP_REFER);
}

void w_reply(struct wbuf *w, const struct sip_msg *req, const struct addr *src, unsigned status,
	     struct span reason, struct span to_tag)
{
	w_bytes(w, "SIP/2.0 ", 8);
	w_u64(w, status);
	w_chr(w, ' ');
	w_span(w, reason.n ? reason : sip_status_text(status));
	w_bytes(w, "\r\n", 2);
	w_vias(w, req, src);
	if (creates_dialog(req, status))
		w_hdr_copy(w, req, SIP_H_RECORD_ROUTE);
	w_hdr_copy(w, req, SIP_H_FROM);
	w_to(w, req, to_tag);
	w_hdr_copy(w, req, SIP_H_CALL_ID);
	w_hdr_copy(w, req, SIP_H_CSEQ);
	w_hdr_copy(w, req, SIP_H_TIMESTAMP);
}

void w_end(struct wbuf *w, struct span content_type, struct span body)
{
	if (body.n && content_type.n)
		w_hdr(w, SIP_H_CONTENT_TYPE, content_type);
	w_hdr_u64(w, SIP_H_CONTENT_LENGTH, body.n);
	w_bytes(w, "\r\n", 2);
	w_span(w, body);
}
