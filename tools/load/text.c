/* SPDX-License-Identifier: MIT */
/* The little of SIP and SDP that a generator must read: it wrote one end of all of it itself. */
#include <stdio.h>

#include "load.h"

static struct span line_next(struct span *rest)
{
	struct span line = span_split(rest, '\n');
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

struct span text_header(struct span msg, const char *name)
{
	size_t n = strlen(name);
	span_split(&msg, '\n');
	while (msg.n) {
		struct span line = line_next(&msg);
		if (line.n == 0)
			break;
		if (line.n > n && line.p[n] == ':' && strncasecmp(line.p, name, n) == 0)
			return span_trim(span_skip(line, n + 1));
	}
	return SPAN_EMPTY;
}

struct span text_param(struct span value, const char *name)
{
	size_t n = strlen(name), close = span_chr(value, '>');
	struct span rest = close == SPAN_NONE ? value : span_skip(value, close);
	span_split(&rest, ';');
	while (rest.n) {
		struct span p = span_split(&rest, ';');
		if (p.n > n && p.p[n] == '=' && strncasecmp(p.p, name, n) == 0)
			return span_trim(span_skip(p, n + 1));
	}
	return SPAN_EMPTY;
}

struct span text_angle(struct span value)
{
	size_t open = span_chr(value, '<'), close = span_chr(value, '>');
	if (open == SPAN_NONE || close == SPAN_NONE || close < open)
		return value;
	return span_cut(value, open + 1, close);
}

struct span text_body(struct span msg)
{
	const char *at = memmem(msg.p, msg.n, "\r\n\r\n", 4);
	return at ? span_skip(msg, (size_t)(at - msg.p) + 4) : SPAN_EMPTY;
}

struct span text_line(struct span sdp, const char *prefix)
{
	struct span want = span_of(prefix);
	while (sdp.n) {
		struct span line = line_next(&sdp);
		if (span_starts(line, want))
			return span_skip(line, want.n);
	}
	return SPAN_EMPTY;
}

uint64_t text_digits(struct span s)
{
	uint64_t v = 0;
	for (size_t i = 0; i < s.n && i < 19 && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	return v;
}

bool text_path_addr(const char *path, struct sockaddr_storage *out)
{
	char text[80];
	const char *host = strstr(path, "://"), *slash = host ? strchr(host + 3, '/') : NULL;
	if (!slash || slash - host - 3 >= (long)sizeof(text))
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)(slash - host - 3), host + 3);
	load_addr("path", text, out);
	return true;
}
