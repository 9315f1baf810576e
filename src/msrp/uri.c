/* SPDX-License-Identifier: MIT */
/*
 * MSRP URIs (RFC 4975 6): msrp[s]://[userinfo@]host[:port][/session-id];transport[;param...], and the paths made of
 * them.  The session-id is taken as it comes, short of what would end it: it is compared byte for byte and the field
 * has more characters in it than the grammar.
 */
#include "msrp/uri.h"

#include <errno.h>

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_visible(char c)
{
	return (unsigned char)c > ' ' && (unsigned char)c < 0x7f;
}

static bool is_host(struct span h)
{
	struct addr a;

	if (h.n && h.p[0] == '[')
		return addr_parse(&a, h, 0);
	for (size_t i = 0; i < h.n; i++)
		if (!is_alnum(h.p[i]) && h.p[i] != '.' && h.p[i] != '-' && h.p[i] != '_')
			return false;
	return h.n > 0;
}

/* Visible and no delimiter of the places where URIs stand. */
static bool is_plain(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_visible(s.p[i]) || strchr("<>\";", s.p[i]))
			return false;
	return true;
}

static bool parse_scheme(struct msrp_uri *u, struct span *s)
{
	u->tls = span_istarts(*s, SPAN("msrps://"));
	if (!u->tls && !span_istarts(*s, SPAN("msrp://")))
		return false;
	*s = span_skip(*s, u->tls ? 8 : 7);
	return true;
}

/* [userinfo@]host[:port] */
static bool parse_authority(struct msrp_uri *u, struct span s)
{
	size_t at = span_chr(s, '@'), host_end;
	uint64_t port;

	if (at != SPAN_NONE) {
		u->userinfo = span_cut(s, 0, at);
		s = span_skip(s, at + 1);
		if (!is_plain(u->userinfo))
			return false;
	}
	if (s.n && s.p[0] == '[')
		host_end = span_chr(s, ']') == SPAN_NONE ? s.n : span_chr(s, ']') + 1;
	else
		host_end = span_chr(s, ':') == SPAN_NONE ? s.n : span_chr(s, ':');
	u->host = span_cut(s, 0, host_end);
	s = span_skip(s, host_end);
	if (!is_host(u->host))
		return false;
	if (s.n == 0)
		return true;
	if (s.p[0] != ':' || span_u64(span_skip(s, 1), UINT16_MAX, &port) < 0 || port == 0)
		return false;
	u->port = (uint16_t)port;
	return true;
}

int msrp_uri_parse(struct msrp_uri *u, struct span s)
{
	*u = (struct msrp_uri){ 0 };
	if (!parse_scheme(u, &s))
		return -EINVAL;
	struct span rest = s;
	struct span before = span_split(&rest, ';'); /* authority and session */
	struct span authority = before;
	size_t slash = span_chr(before, '/');

	if (slash != SPAN_NONE) {
		authority = span_cut(before, 0, slash);
		u->session = span_skip(before, slash + 1);
	}
	if (!parse_authority(u, authority) || !is_plain(u->session))
		return -EINVAL;
	u->transport = span_split(&rest, ';');
	u->params = rest;
	for (size_t i = 0; i < u->transport.n; i++)
		if (!is_alnum(u->transport.p[i]))
			return -EINVAL;
	for (size_t i = 0; i < u->params.n; i++)
		if (!is_visible(u->params.p[i]))
			return -EINVAL;
	return u->transport.n ? 0 : -EINVAL;
}

static bool same_host(struct span a, struct span b)
{
	struct addr x, y;

	if (addr_parse(&x, a, 0) && addr_parse(&y, b, 0))
		return addr_same_ip(&x, &y);
	return span_ieq(a, b);
}

bool msrp_uri_eq(struct span a, struct span b)
{
	struct msrp_uri x, y;

	if (msrp_uri_parse(&x, a) < 0 || msrp_uri_parse(&y, b) < 0)
		return false;
	return x.tls == y.tls && x.port && x.port == y.port && span_eq(x.session, y.session) &&
	       span_ieq(x.transport, y.transport) && same_host(x.host, y.host);
}

bool msrp_path_next(struct span *rest, struct span *uri)
{
	struct span s = span_trim(*rest);
	size_t n = 0;

	while (n < s.n && ((unsigned char)s.p[n] > ' ' || !span_is_lws(s.p[n])))
		n++;
	*uri = span_cut(s, 0, n);
	*rest = span_skip(s, n);
	return n > 0;
}

bool msrp_path_ends(struct span path, struct span *first, struct span *last)
{
	struct span uri;

	if (!msrp_path_next(&path, first))
		return false;
	*last = *first;
	while (msrp_path_next(&path, &uri))
		*last = uri;
	return true;
}
