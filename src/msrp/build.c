/* SPDX-License-Identifier: MIT */
/* Printers of MSRP messages. */
#include "msrp/build.h"

const char *msrp_comment(unsigned code)
{
	switch (code) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 403:
		return "Not Allowed";
	case 408:
		return "Timed Out";
	case 413:
		return "Too Large";
	case 415:
		return "Unknown Type";
	case 423:
		return "Out Of Bounds";
	case 481:
		return "No Such Session";
	case 501:
		return "Unknown Method";
	case 506:
		return "Bound Elsewhere";
	default:
		return "";
	}
}

static void w_code(struct wbuf *w, unsigned code)
{
	const char *c = msrp_comment(code);

	w_u64(w, code);
	if (*c)
		w_chr(w, ' '), w_str(w, c);
}

static void w_paths(struct wbuf *w, struct span to, struct span from)
{
	w_span(w, SPAN("To-Path: ")), w_span(w, to);
	w_span(w, SPAN("\r\nFrom-Path: ")), w_span(w, from);
	w_span(w, SPAN("\r\n"));
}

void w_msrp_request(struct wbuf *w, struct span tid, struct span method, struct span to, struct span from)
{
	w_span(w, SPAN("MSRP ")), w_span(w, tid), w_chr(w, ' '), w_span(w, method);
	w_span(w, SPAN("\r\n"));
	w_paths(w, to, from);
}

void w_msrp_rest(struct wbuf *w, struct span rest, struct span range_line, const struct msrp_range *r)
{
	w_span(w, span_range(rest.p, range_line.p));
	w_span(w, SPAN("Byte-Range: ")), w_msrp_range(w, r), w_span(w, SPAN("\r\n"));
	w_span(w, span_range(range_line.p + range_line.n, rest.p + rest.n));
}

void w_msrp_end(struct wbuf *w, struct span tid, char flag)
{
	w_span(w, SPAN("-------")), w_span(w, tid), w_chr(w, flag), w_span(w, SPAN("\r\n"));
}

void w_msrp_response(struct wbuf *w, struct span tid, unsigned code, struct span to, struct span from)
{
	w_span(w, SPAN("MSRP ")), w_span(w, tid), w_chr(w, ' '), w_code(w, code);
	w_span(w, SPAN("\r\n"));
	w_paths(w, to, from);
	w_msrp_end(w, tid, '$');
}

void w_msrp_status(struct wbuf *w, struct span message_id, const struct msrp_range *r, unsigned code)
{
	w_span(w, SPAN("Message-ID: ")), w_span(w, message_id);
	w_span(w, SPAN("\r\nByte-Range: ")), w_msrp_range(w, r);
	w_span(w, SPAN("\r\nStatus: 000 ")), w_code(w, code);
	w_span(w, SPAN("\r\n"));
}
