/* SPDX-License-Identifier: MIT */
/*
 * The indexer.  One pass cuts the header section into lines and notes where each header stands; then the
 * headers that every element relies on are checked (PARSE-2..4, RFC 4475).  What is hard: after a fault
 * reading goes on, because a refusal still needs the Via, From, To, Call-ID and CSeq that may come later;
 * the first fault is the one reported.
 *
 * Lines end with CRLF and nothing else.  A lone CR or LF would be a line end to some of those we pass
 * messages on to and not to others, which is how headers get smuggled.
 */
#include "sip/lex.h"
#include "sip/uri.h"

#include <errno.h>

enum { CSEQ_MAX = INT32_MAX, MAX_FORWARDS_MAX = 255, MAX_FORWARDS_DEFAULT = 70 };

/* Headers of which a second one makes the message ambiguous: whom to believe?  A second Subject or Date
 * is only odd, and nothing we act on. */
static const bool single[SIP_N_HEADERS] = {
	[SIP_H_FROM] = true,          [SIP_H_TO] = true,
	[SIP_H_CALL_ID] = true,       [SIP_H_CSEQ] = true,
	[SIP_H_MAX_FORWARDS] = true,  [SIP_H_CONTENT_LENGTH] = true,
	[SIP_H_CONTENT_TYPE] = true,  [SIP_H_CONTENT_DISPOSITION] = true,
	[SIP_H_MIME_VERSION] = true,  [SIP_H_SESSION_EXPIRES] = true,
	[SIP_H_MIN_SE] = true,        [SIP_H_RSEQ] = true,
	[SIP_H_RACK] = true,          [SIP_H_EXPIRES] = true,
	[SIP_H_EVENT] = true,         [SIP_H_REFER_TO] = true,
	[SIP_H_REFERRED_BY] = true,   [SIP_H_REPLACES] = true,
	[SIP_H_TARGET_DIALOG] = true,
};

#define NO_HEADER 0xff

struct parser {
	struct sip_msg *m;
	int status; /* of the first fault; 0: none */
	uint8_t last[SIP_N_HEADERS];
};

static void fail(struct parser *ps, int status, const char *why)
{
	if (ps->status)
		return;
	ps->status = status;
	ps->m->fault = why;
}

static void status_line(struct parser *ps, struct span line)
{
	struct sip_msg *m = ps->m;
	uint64_t code;

	if (!span_istarts(line, SPAN("SIP/2.0 "))) {
		fail(ps, 400, "Malformed Status Line");
		return;
	}
	line = span_skip(line, 8);
	if (line.n < 3 || span_u64(span_cut(line, 0, 3), 699, &code) < 0 || code < 100 ||
	    (line.n > 3 && line.p[3] != ' ')) {
		fail(ps, 400, "Malformed Status Code");
		return;
	}
	m->status = (uint16_t)code;
	m->reason = span_skip(line, 4);
}

static void request_line(struct parser *ps, struct span line)
{
	struct sip_msg *m = ps->m;
	struct sip_uri uri;

	m->request = true;
	m->method_name = span_split(&line, ' ');
	m->method = (uint8_t)sip_method_of(m->method_name);

	const char *sp = line.n ? memrchr(line.p, ' ', line.n) : NULL;
	size_t uri_len = sp ? (size_t)(sp - line.p) : line.n;
	struct span version = span_skip(line, uri_len + 1);
	m->ruri = span_cut(line, 0, uri_len);

	if (m->method_name.n == 0 || !sip_all(m->method_name, SIP_C_TOKEN))
		fail(ps, 400, "Malformed Method");
	if (!span_istarts(version, SPAN("SIP/")))
		fail(ps, 400, "Malformed Request Line");
	else if (!span_ieq(version, SPAN("SIP/2.0")))
		fail(ps, 505, "Version Not Supported");
	if (sip_uri_parse(&uri, m->ruri) < 0)
		fail(ps, 400, "Malformed Request-URI");
}

static void add_header(struct parser *ps, const char *line, size_t name_len, const char *end)
{
	struct sip_msg *m = ps->m;
	struct span value = span_trim(span_range(line + name_len, end));
	struct span name = { line, name_len };

	/* What lies between the name and the value: blanks and the colon. */
	value = sip_skip_lws(span_skip(value, 1));
	while (name.n && (name.p[name.n - 1] == ' ' || name.p[name.n - 1] == '\t'))
		name.n--;

	enum sip_hdr_id id = sip_hdr_id_of(name);
	if (id == SIP_H_OTHER && (name.n == 0 || name.n > UINT16_MAX || !sip_all(name, SIP_C_TOKEN))) {
		fail(ps, 400, "Malformed Header Name");
		return;
	}
	if (m->n_hdr == SIP_HEADERS_MAX) {
		fail(ps, 513, "Too Many Headers");
		return;
	}

	uint8_t i = m->n_hdr++;
	m->hdr[i] = (struct sip_hdr){
		.off = (uint32_t)(line - m->raw.p),
		.len = (uint32_t)(end - line),
		.val_off = (uint32_t)(value.p - m->raw.p),
		.val_len = (uint32_t)value.n,
		.name_len = (uint16_t)name.n,
		.id = (uint8_t)id,
		.next = NO_HEADER,
	};
	if (m->first[id] == NO_HEADER)
		m->first[id] = i;
	else if (single[id])
		fail(ps, 400, "Header Given Twice");
	else
		m->hdr[ps->last[id]].next = i;
	ps->last[id] = i;
}

/* The end of the line at p, after its CRLF; NULL: it has none. */
static const char *line_end(struct parser *ps, const char *p, const char *end)
{
	const char *lf = memchr(p, '\n', (size_t)(end - p));

	if (!lf)
		return NULL;
	const char *cr = memchr(p, '\r', (size_t)(lf - p));
	if (!cr || cr + 1 != lf)
		fail(ps, 400, "Stray CR Or LF");
	return lf + 1;
}

/* Indexes the headers from p on; returns where the body begins, or NULL: there is no empty line. */
static const char *index_headers(struct parser *ps, const char *p, const char *end)
{
	while (p < end) {
		const char *next = line_end(ps, p, end);
		if (!next)
			break;
		if (next - p == 2 && *p == '\r')
			return next;
		while (next && next < end && (*next == ' ' || *next == '\t'))
			next = line_end(ps, next, end);
		if (!next)
			break;
		const char *colon = memchr(p, ':', (size_t)(next - p));
		if (colon)
			add_header(ps, p, (size_t)(colon - p), next);
		else
			fail(ps, 400, "Header Without Colon");
		p = next;
	}
	fail(ps, 400, "Header Section Not Ended");
	return NULL;
}

/* Where do answers go?  Only the topmost Via is ours to judge. */
static void check_via(struct parser *ps)
{
	struct sip_msg *m = ps->m;
	struct span rest = sip_value(m, SIP_H_VIA);

	if (!sip_has(m, SIP_H_VIA))
		fail(ps, 400, "Missing Via");
	else if (sip_via_parse(&m->via, sip_element_take(&rest)) < 0)
		fail(ps, 400, "Malformed Via");
}

/* From or To: its value and its tag. */
static void check_party(struct parser *ps, enum sip_hdr_id id, struct span *value, struct span *tag)
{
	struct sip_name_addr na;

	*value = sip_value(ps->m, id);
	if (!sip_has(ps->m, id))
		fail(ps, 400, id == SIP_H_FROM ? "Missing From" : "Missing To");
	else if (sip_name_addr_parse(&na, *value) < 0)
		fail(ps, 400, id == SIP_H_FROM ? "Malformed From" : "Malformed To");
	else if (na.params.n && sip_param(na.params, SPAN("tag"), tag) && !tag->n && id == SIP_H_TO)
		fail(ps, 400, "Empty To tag"); /* a tag of ours beside it would make two */
}

static bool has_magic_cookie(const struct sip_msg *m)
{
	return span_starts(m->via.branch, SPAN("z9hG4bK"));
}

static void check_call_id(struct parser *ps)
{
	struct sip_msg *m = ps->m;

	m->call_id = sip_value(m, SIP_H_CALL_ID);
	if (!sip_has(m, SIP_H_CALL_ID))
		fail(ps, 400, "Missing Call-ID");
	else if (m->call_id.n == 0 || memchr(m->call_id.p, ' ', m->call_id.n) ||
		 memchr(m->call_id.p, '\t', m->call_id.n))
		fail(ps, 400, "Malformed Call-ID");
}

static void check_cseq(struct parser *ps)
{
	struct sip_msg *m = ps->m;
	struct span value = sip_value(m, SIP_H_CSEQ), method;
	uint64_t number;
	size_t n = 0;

	if (!sip_has(m, SIP_H_CSEQ)) {
		fail(ps, 400, "Missing CSeq");
		return;
	}
	while (n < value.n && !span_is_lws(value.p[n]))
		n++;
	method = sip_skip_lws(span_skip(value, n));
	if (span_u64(span_cut(value, 0, n), CSEQ_MAX, &number) < 0 || method.n == 0 ||
	    !sip_all(method, SIP_C_TOKEN)) {
		fail(ps, 400, "Malformed CSeq");
		return;
	}
	m->cseq = (uint32_t)number;
	if (!m->request) {
		m->method_name = method;
		m->method = (uint8_t)sip_method_of(method);
	} else if (!span_eq(method, m->method_name)) {
		fail(ps, 400, "CSeq Method Mismatch");
	}
}

static void check_max_forwards(struct parser *ps)
{
	uint64_t hops = MAX_FORWARDS_DEFAULT;

	if (sip_has(ps->m, SIP_H_MAX_FORWARDS) &&
	    span_u64(sip_value(ps->m, SIP_H_MAX_FORWARDS), MAX_FORWARDS_MAX, &hops) < 0)
		fail(ps, 400, "Malformed Max-Forwards");
	ps->m->max_forwards = (uint8_t)hops;
}

/* Places that name where requests go next: as broken as RFC 4475 3.1.2.13 shows them, following them
 * would be a guess. */
static void check_targets(struct parser *ps, enum sip_hdr_id id, const char *why)
{
	const struct sip_msg *m = ps->m;
	struct sip_iter it = { 0 };
	struct sip_name_addr na;

	if (!sip_has(m, id))
		return;
	for (struct span v; sip_each(m, id, &it, &v);) {
		bool star = id == SIP_H_CONTACT && span_eq(v, SPAN("*"));
		if (!star && sip_name_addr_parse(&na, v) < 0)
			fail(ps, 400, why);
	}
}

/* Cuts the body (RFC 3261 18.3).  In a stream the cut was made by Content-Length already; when there
 * is less, the header section alone was handed in because the body would be too large. */
static void check_length(struct parser *ps, const char *body, const char *end, bool stream)
{
	struct sip_msg *m = ps->m;
	uint64_t have = (uint64_t)(end - body), want = have;
	int r = sip_has(m, SIP_H_CONTENT_LENGTH)
			? span_u64(sip_value(m, SIP_H_CONTENT_LENGTH), UINT64_MAX, &want)
			: -ENOENT;

	if (r == -ENOENT && stream)
		fail(ps, 400, "Missing Content-Length");
	else if (r == -EINVAL)
		fail(ps, 400, "Malformed Content-Length");
	else if (r == -ERANGE || want > have)
		fail(ps, stream ? 513 : 400, stream ? "Message Too Large" : "Content-Length Beyond Datagram");
	if (r < 0 || want > have)
		want = have;
	m->body = (struct span){ body, want };
	m->raw = span_range(m->raw.p, body + want);
}

static void check_headers(struct parser *ps)
{
	struct sip_msg *m = ps->m;

	check_via(ps);
	check_party(ps, SIP_H_FROM, &m->from, &m->from_tag);
	check_party(ps, SIP_H_TO, &m->to, &m->to_tag);
	check_call_id(ps);
	check_cseq(ps);
	if (!m->request)
		return;
	check_max_forwards(ps);
	/* An RFC 2543 client knows no tags, nor the cookie (RFC 3261 12.1.1, RFC 4475 3.4.1). */
	if (m->from_tag.n == 0 && has_magic_cookie(m))
		fail(ps, 400, "Missing From Tag");
	check_targets(ps, SIP_H_CONTACT, "Malformed Contact");
	check_targets(ps, SIP_H_ROUTE, "Malformed Route");
}

/* A fault becomes a refusal when there is a way back for one, and someone who waits for it. */
static int verdict(struct parser *ps)
{
	struct sip_msg *m = ps->m;

	m->answerable = m->request && m->via.host.n > 0 && !span_eq(m->method_name, SPAN("ACK"));
	if (ps->status == 0)
		return 0;
	return m->answerable ? ps->status : -EBADMSG;
}

int sip_msg_parse(struct sip_msg *m, struct span raw, bool stream)
{
	struct parser ps = { .m = m };

	memset(m, 0, offsetof(struct sip_msg, hdr));
	memset(m->first, NO_HEADER, sizeof(m->first));
	while (raw.n && (raw.p[0] == '\r' || raw.p[0] == '\n'))
		raw = span_skip(raw, 1);
	m->raw = raw;

	const char *end = raw.p + raw.n;
	const char *headers = raw.n && raw.n <= SIP_MSG_MAX ? line_end(&ps, raw.p, end) : NULL;
	if (!headers)
		return -EBADMSG;
	struct span line = span_range(raw.p, headers - 1);
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	if (span_istarts(line, SPAN("SIP/")))
		status_line(&ps, line);
	else
		request_line(&ps, line);

	const char *body = index_headers(&ps, headers, end);
	check_headers(&ps);
	if (body)
		check_length(&ps, body, end, stream);
	return verdict(&ps);
}
