/* SPDX-License-Identifier: MIT */
/*
 * Bodies.  Mostly one session description; sometimes a multipart with the description and things that
 * travel with it (a first message, a recipient list), which pass untouched.  What is hard: parts are binary,
 * so a boundary counts only at the start of a line and only when its line ends there; and nesting is
 * somebody else's choice, so it has a limit.
 */
#include "sip/body.h"

#include "sip/lex.h"
#include "sip/uri.h"

enum { BOUNDARY_MAX = 70 }; /* RFC 2046 5.1.1 */

/* Types we pass on when a peer requires them to be understood; a trailing '*' stands for the rest. */
static const char *const understood[] = {
	"application/sdp",
	"message/cpim",
	"message/imdn+xml",
	"message/sipfrag",
	"text/plain",
	"text/html",
	"application/resource-lists+xml",
	"application/im-iscomposing+xml",
	"application/conference-info+xml",
	"application/pidf+xml",
	"application/vnd.oma.*",
	"application/vnd.3gpp.*",
	"application/vnd.gsma.*",
};

struct reader {
	struct sip_body *b;
	const char **fault;
};

static int refuse(struct reader *rd, int status, const char *why)
{
	*rd->fault = why;
	return status;
}

static bool is_understood(struct span type)
{
	for (size_t i = 0; i < ARRAY_LEN(understood); i++) {
		struct span known = span_of(understood[i]);
		bool prefix = known.p[known.n - 1] == '*';
		if (prefix ? span_istarts(type, span_cut(known, 0, known.n - 1)) : span_ieq(type, known))
			return true;
	}
	return false;
}

static bool is_multipart(const struct sip_part *part)
{
	return span_istarts(part->type, SPAN("multipart/"));
}

static bool type_ok(struct span type)
{
	struct span main = span_split(&type, '/');
	return main.n && type.n && sip_all(main, SIP_C_TOKEN) && sip_all(type, SIP_C_TOKEN);
}

/* Reads what Content-Type and Content-Disposition say into part. */
static bool describe(struct sip_part *part, struct span type, struct span disposition)
{
	struct span handling;

	part->type = span_trim(span_split(&type, ';'));
	part->type_params = type;
	part->disposition = span_trim(span_split(&disposition, ';'));
	part->optional =
		sip_param(disposition, SPAN("handling"), &handling) && span_ieq(handling, SPAN("optional"));
	return type_ok(part->type);
}

static int add_leaf(struct reader *rd, const struct sip_part *part)
{
	struct sip_body *b = rd->b;

	if (b->n == SIP_PARTS_MAX)
		return refuse(rd, 400, "Too Many Body Parts");
	struct sip_part *kept = &b->part[b->n++];
	*kept = *part;
	if (!part->optional && !is_understood(part->type))
		return refuse(rd, 415, "Unsupported Media Type");
	/* RFC 5621 8: without a disposition a session description means "session". */
	if (!span_ieq(part->type, SPAN("application/sdp")) ||
	    (part->disposition.n && !span_ieq(part->disposition, SPAN("session"))))
		return 0;
	if (b->sdp_part)
		return refuse(rd, 400, "Two Session Descriptions");
	b->sdp = part->body;
	b->sdp_part = kept;
	return 0;
}

/* Value of a MIME header in a part's head; empty: absent. */
static struct span mime_value(struct span head, struct span name)
{
	while (head.n) {
		struct span line = sip_line_take(&head);
		if (span_ieq(span_trim(span_split(&line, ':')), name))
			return span_trim(line);
	}
	return SPAN_EMPTY;
}

struct delimiter {
	size_t at, end; /* "--boundary", and past its line */
	bool closing;
};

/* The next delimiter line at or after from. */
static bool delimiter_find(struct span body, struct span boundary, size_t from, struct delimiter *d)
{
	for (size_t hit; (hit = span_find(span_skip(body, from), boundary)) != SPAN_NONE; from++) {
		from += hit;
		size_t start = from - 2, end = from + boundary.n;
		if (from < 2 || body.p[start] != '-' || body.p[start + 1] != '-')
			continue;
		if (start > 0 && (start < 2 || body.p[start - 2] != '\r' || body.p[start - 1] != '\n'))
			continue;
		d->closing = span_starts(span_skip(body, end), SPAN("--"));
		if (d->closing)
			end += 2;
		while (end < body.n && (body.p[end] == ' ' || body.p[end] == '\t'))
			end++;
		if (end < body.n && !span_starts(span_skip(body, end), SPAN("\r\n")))
			continue;
		d->at = start;
		d->end = end < body.n ? end + 2 : end;
		return true;
	}
	return false;
}

static bool part_cut(struct sip_part *part, struct span text)
{
	size_t blank;

	if (span_starts(text, SPAN("\r\n"))) {
		part->head = span_cut(text, 0, 0);
		part->body = span_skip(text, 2);
		return true;
	}
	if ((blank = span_find(text, SPAN("\r\n\r\n"))) == SPAN_NONE)
		return false;
	part->head = span_cut(text, 0, blank + 2);
	part->body = span_skip(text, blank + 4);
	return true;
}

static bool is_encoded(struct span head)
{
	struct span cte = mime_value(head, SPAN("Content-Transfer-Encoding"));
	struct span ce = mime_value(head, SPAN("Content-Encoding"));

	return (ce.n && !span_ieq(ce, SPAN("identity"))) ||
	       (cte.n && !span_ieq(cte, SPAN("binary")) && !span_ieq(cte, SPAN("8bit")) &&
		!span_ieq(cte, SPAN("7bit")));
}

static int multipart_parse(struct reader *rd, const struct sip_part *whole, unsigned depth);

static int part_parse(struct reader *rd, struct span text, unsigned depth)
{
	struct sip_part part = { 0 };

	if (!part_cut(&part, text))
		return refuse(rd, 400, "Malformed Body Part");
	struct span type = mime_value(part.head, SPAN("Content-Type"));
	if (!describe(&part, type.n ? type : SPAN("text/plain"),
		      mime_value(part.head, SPAN("Content-Disposition"))))
		return refuse(rd, 400, "Malformed Content-Type In Body Part");
	if (is_multipart(&part))
		return multipart_parse(rd, &part, depth + 1);
	/* Others pass as they are; a session description has to be read. */
	if (span_ieq(part.type, SPAN("application/sdp")) && is_encoded(part.head))
		return refuse(rd, 415, "Unsupported Content Encoding");
	return add_leaf(rd, &part);
}

static int multipart_parse(struct reader *rd, const struct sip_part *whole, unsigned depth)
{
	struct span boundary = SPAN_EMPTY, body = whole->body;
	struct delimiter d, next;
	int r;

	if (depth > SIP_PART_DEPTH_MAX)
		return refuse(rd, 415, "Body Nested Too Deep");
	sip_param(whole->type_params, SPAN("boundary"), &boundary);
	if (boundary.n >= 2 && boundary.p[0] == '"')
		boundary = span_cut(boundary, 1, boundary.n - 1);
	if (boundary.n == 0 || boundary.n > BOUNDARY_MAX)
		return refuse(rd, 400, "Multipart Without Boundary");
	if (!delimiter_find(body, boundary, 0, &d) || d.closing)
		return refuse(rd, 400, "Multipart Without Parts");
	for (; !d.closing; d = next) {
		if (!delimiter_find(body, boundary, d.end, &next))
			return refuse(rd, 400, "Multipart Not Ended");
		/* The CRLF before a delimiter belongs to it, not to the part. */
		size_t end = next.at >= d.end + 2 ? next.at - 2 : d.end;
		if ((r = part_parse(rd, span_cut(body, d.end, end), depth)))
			return r;
	}
	return 0;
}

int sip_body_parse(struct sip_body *b, const struct sip_msg *m, const char **fault)
{
	struct reader rd = { b, fault };
	struct sip_part whole = { .body = m->body };
	struct span encoding = sip_value(m, SIP_H_CONTENT_ENCODING);

	b->sdp = SPAN_EMPTY;
	b->sdp_part = NULL;
	b->multipart = false;
	b->n = 0;
	if (m->body.n == 0)
		return 0;
	if (!sip_has(m, SIP_H_CONTENT_TYPE))
		return refuse(&rd, 400, "Missing Content-Type");
	if (!describe(&whole, sip_value(m, SIP_H_CONTENT_TYPE), sip_value(m, SIP_H_CONTENT_DISPOSITION)))
		return refuse(&rd, 400, "Malformed Content-Type");
	if (encoding.n && !span_ieq(encoding, SPAN("identity")))
		return refuse(&rd, 415, "Unsupported Content Encoding");
	if (!is_multipart(&whole))
		return add_leaf(&rd, &whole);
	b->multipart = true;
	return multipart_parse(&rd, &whole, 1);
}

static const char *end_of(struct span s)
{
	return s.p + s.n;
}

/* The part's own Content-Length, where some peers write one, would be wrong now. */
static void w_head_without_length(struct wbuf *w, struct span head)
{
	while (head.n) {
		const char *start = head.p;
		struct span line = sip_line_take(&head);
		if (!span_ieq(span_trim(span_split(&line, ':')), SPAN("Content-Length")))
			w_span(w, span_range(start, head.p));
	}
}

/* All but the part and the delimiter line above it. */
static void w_without_part(struct wbuf *w, struct span body, const struct sip_part *part)
{
	const char *from = part->head.p - 1, *to = end_of(part->body);

	while (from > body.p && from[-1] != '\n')
		from--;
	if (to + 2 <= end_of(body) && memcmp(to, "\r\n", 2) == 0)
		to += 2;
	w_span(w, span_range(body.p, from));
	w_span(w, span_range(to, end_of(body)));
}

void w_body_with_sdp(struct wbuf *w, const struct sip_msg *m, const struct sip_body *b, struct span sdp)
{
	const struct sip_part *part = b->sdp_part;

	if (m->body.n == 0 || (part && !b->multipart)) {
		w_span(w, sdp);
	} else if (!part) {
		w_span(w, m->body);
	} else if (sdp.p) {
		w_span(w, span_range(m->body.p, part->head.p));
		w_head_without_length(w, part->head);
		w_span(w, span_range(end_of(part->head), part->body.p));
		w_span(w, sdp);
		w_span(w, span_range(end_of(part->body), end_of(m->body)));
	} else if (b->n > 1) {
		w_without_part(w, m->body, part);
	}
}
