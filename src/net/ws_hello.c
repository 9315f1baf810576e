/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 as far as this one request needs it: a request line and header lines, without folding and without a body.
 * Whatever could be read in two ways is refused.
 */
#include "net/ws_hello.h"

#include <openssl/evp.h>

enum { KEY_N = 24, SHA1_N = 20, LINES_MAX = 64 };

struct reading { /* what was found so far */
	struct ws_hello *out;
	struct span protocol;
	bool host, upgrade, connection, version, offered;
};

static struct span line_take(struct span *rest)
{
	struct span line = span_split(rest, '\n');

	if (line.n)
		line.n--; /* its CR: lines were counted by CRLF */
	return line;
}

/* Is word among the comma-separated tokens?  Subprotocols are compared as they stand, tokens in any case. */
static bool has_token(struct span list, struct span word, bool any_case)
{
	while (list.n) {
		struct span one = span_trim(span_split(&list, ','));
		if (any_case ? span_ieq(one, word) : span_eq(one, word))
			return true;
	}
	return false;
}

/* Sixteen bytes in base64: twenty-two characters and two of padding, of which the last has four bits to spare. */
static bool is_key(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool pad = i >= KEY_N - 2;
		bool digit = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			     c == '+' || c == '/';
		if (pad ? c != '=' : !digit)
			return false;
	}
	return s.n == KEY_N;
}

/* One header line.  0, or the status. */
static int read_line(struct reading *r, struct span line)
{
	size_t colon = span_chr(line, ':');
	struct span name = span_cut(line, 0, colon), value;

	if (colon == SPAN_NONE || colon == 0 || span_chr(name, ' ') != SPAN_NONE ||
	    span_chr(name, '\t') != SPAN_NONE)
		return 400;
	value = span_trim(span_skip(line, colon + 1));
	if (span_ieq(name, SPAN("Host"))) {
		if (r->host || value.n == 0)
			return 400;
		r->host = true;
	} else if (span_ieq(name, SPAN("Upgrade"))) {
		r->upgrade |= has_token(value, SPAN("websocket"), true);
	} else if (span_ieq(name, SPAN("Connection"))) {
		r->connection |= has_token(value, SPAN("Upgrade"), true);
	} else if (span_ieq(name, SPAN("Sec-WebSocket-Key"))) {
		if (r->out->key.n || !is_key(value))
			return 400;
		r->out->key = value;
	} else if (span_ieq(name, SPAN("Sec-WebSocket-Version"))) {
		r->version = span_eq(value, SPAN("13"));
	} else if (span_ieq(name, SPAN("Sec-WebSocket-Protocol"))) {
		r->offered |= has_token(value, r->protocol, false);
	} else if (span_ieq(name, SPAN("Origin"))) {
		if (r->out->origin.n)
			return 400;
		r->out->origin = value;
	} else if (span_ieq(name, SPAN("Content-Length")) || span_ieq(name, SPAN("Transfer-Encoding"))) {
		return 400; /* a GET that brings a body: where it ends is not worth knowing */
	}
	return 0;
}

static bool is_request_line(struct span line)
{
	struct span method = span_split(&line, ' '), target = span_split(&line, ' ');

	return span_eq(method, SPAN("GET")) && target.n && target.p[0] == '/' &&
	       span_eq(line, SPAN("HTTP/1.1"));
}

/* NUL, lone CR or LF, and other controls have no place in a head. */
static bool is_clean(struct span head)
{
	for (size_t i = 0; i < head.n; i++) {
		uint8_t c = (uint8_t)head.p[i];
		bool crlf = c == '\r' ? i + 1 < head.n && head.p[i + 1] == '\n'
				      : c == '\n' && i && head.p[i - 1] == '\r';
		if ((c < ' ' && c != '\t' && !crlf) || c == 0x7f)
			return false;
	}
	return true;
}

static int read_head(struct reading *r, struct span head)
{
	unsigned lines = 0;

	if (!is_clean(head) || !is_request_line(line_take(&head)))
		return 400;
	while (head.n) {
		int status = ++lines > LINES_MAX ? 431 : read_line(r, line_take(&head));
		if (status)
			return status;
	}
	if (!r->upgrade || !r->version)
		return 426;
	return r->host && r->connection && r->offered && r->out->key.n ? 0 : 400;
}

int ws_hello_read(struct span in, struct span protocol, struct ws_hello *out)
{
	struct reading r = { .out = out, .protocol = protocol };
	size_t end = span_find(span_cut(in, 0, WS_HELLO_MAX), SPAN("\r\n\r\n"));
	int status;

	*out = (struct ws_hello){ 0 };
	if (end == SPAN_NONE && in.n >= WS_HELLO_MAX)
		return -431;
	/* What cannot become a request is refused at once; a TLS hello on the wrong port, for one. */
	if (!span_starts(in, span_cut(SPAN("GET /"), 0, in.n)))
		return -400;
	if (end == SPAN_NONE)
		return 0;
	status = read_head(&r, span_cut(in, 0, end + 2));
	return status ? -status : (int)end + 4;
}

bool ws_origin_allowed(struct span allowed, struct span origin)
{
	if (allowed.n == 0 || origin.n == 0)
		return true;
	while (allowed.n) {
		struct span one = span_split(&allowed, ' ');
		if (span_eq(one, SPAN("*")) || span_ieq(one, origin))
			return true;
	}
	return false;
}

void w_ws_accept(struct wbuf *w, struct span key, struct span protocol)
{
	char text[KEY_N + 64];
	uint8_t digest[EVP_MAX_MD_SIZE], base64[4 * ((SHA1_N + 2) / 3) + 1];
	struct wbuf salted = wbuf_on(text, sizeof(text));
	unsigned n = 0;

	w_span(&salted, key), w_str(&salted, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
	if (!w_ok(&salted) || EVP_Digest(salted.p, salted.n, digest, &n, EVP_sha1(), NULL) != 1 ||
	    n != SHA1_N) {
		w->over = true;
		return;
	}
	EVP_EncodeBlock(base64, digest, SHA1_N);
	w_str(w, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
	w_str(w, "Sec-WebSocket-Accept: "), w_str(w, (const char *)base64);
	w_str(w, "\r\nSec-WebSocket-Protocol: "), w_span(w, protocol), w_str(w, "\r\n\r\n");
}

static const char *reason_of(int status)
{
	switch (status) {
	case 403:
		return "Forbidden";
	case 426:
		return "Upgrade Required";
	case 431:
		return "Request Header Fields Too Large";
	default:
		return "Bad Request";
	}
}

void w_ws_refusal(struct wbuf *w, int status)
{
	w_fmt(w, "HTTP/1.1 %d %s\r\n", status, reason_of(status));
	if (status == 426)
		w_str(w, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
	w_str(w, status == 426 ? "Connection: Upgrade, close\r\n" : "Connection: close\r\n");
	w_str(w, "Content-Length: 0\r\n\r\n");
}
