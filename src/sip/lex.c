/* SPDX-License-Identifier: MIT */
/* Character classes, list elements and host:port. */
#include "sip/lex.h"

#include <errno.h>

/* clang-format off */
enum {
	T = SIP_C_TOKEN, H = SIP_C_HOST, X = SIP_C_V6, U = SIP_C_URI, V = SIP_C_VALUE,
	ANY = T | H | U | V,
};

const uint8_t sip_ctype[256] = {
	['0' ... '9'] = ANY | X, ['a' ... 'f'] = ANY | X, ['A' ... 'F'] = ANY | X,
	['g' ... 'z'] = ANY, ['G' ... 'Z'] = ANY,
	['-'] = ANY, ['_'] = ANY, ['.'] = ANY | X,
	['!'] = T | U | V, ['%'] = T | U | V, ['*'] = T | U | V, ['+'] = T | U | V,
	['`'] = T | U | V, ['\''] = T | U | V, ['~'] = T | U | V,
	[':'] = X | U | V, ['['] = U | V, [']'] = U | V, ['/'] = U | V, ['@'] = U | V, ['='] = U | V,
	['?'] = U | V, ['&'] = U | V, ['$'] = U | V, ['#'] = U | V, ['('] = U | V, [')'] = U | V,
	['\\'] = U | V, ['^'] = U | V, ['{'] = U | V, ['|'] = U | V, ['}'] = U | V,
	[0x80 ... 0xff] = U | V,
	[','] = U, [';'] = U,
};
/* clang-format on */

struct span sip_element_take(struct span *rest)
{
	struct span all = *rest;
	size_t i = 0;

	if (span_chr(all, ',') == SPAN_NONE) { /* the usual case: one element */
		*rest = span_cut(all, all.n, all.n);
		return span_trim(all);
	}
	while (i < all.n && all.p[i] != ',') {
		struct span here = span_skip(all, i);
		size_t jump = 1;
		if (all.p[i] == '"') {
			jump = sip_quoted(here);
			if (!jump)
				i = all.n; /* never ended: no comma separates any more */
		} else if (all.p[i] == '<') {
			size_t close = span_chr(here, '>');
			jump = close == SPAN_NONE ? 1 : close + 1;
		}
		i += jump;
	}
	if (i > all.n)
		i = all.n;
	*rest = span_skip(all, i + 1);
	return span_trim(span_cut(all, 0, i));
}

struct span sip_line_take(struct span *rest)
{
	struct span all = *rest;
	size_t n = 0;

	do {
		size_t lf = span_chr(span_skip(all, n), '\n');
		n = lf == SPAN_NONE ? all.n : n + lf + 1;
	} while (n < all.n && (all.p[n] == ' ' || all.p[n] == '\t'));
	*rest = span_skip(all, n);
	return span_trim(span_cut(all, 0, n));
}

int sip_hostport_take(struct span *s, struct span *host, uint16_t *port)
{
	uint64_t number;
	size_t n;

	*port = 0;
	if (s->n && s->p[0] == '[') {
		size_t inside = sip_run(span_skip(*s, 1), SIP_C_V6);
		n = inside + 2;
		/* The address itself is not judged: RFC 5118 4.10 asks to bear with "[2001:db8:::192.0.2.1]". */
		if (inside < 2 || n > s->n || s->p[n - 1] != ']')
			return -EINVAL;
	} else {
		n = sip_run(*s, SIP_C_HOST);
	}
	*host = span_cut(*s, 0, n);
	*s = sip_skip_lws(span_skip(*s, n));
	if (n == 0)
		return -EINVAL;
	if (s->n == 0 || s->p[0] != ':')
		return 0;
	*s = sip_skip_lws(span_skip(*s, 1));
	for (n = 0; n < s->n && s->p[n] >= '0' && s->p[n] <= '9'; n++)
		;
	if (span_u64(span_cut(*s, 0, n), UINT16_MAX, &number) < 0 || number == 0)
		return -EINVAL;
	*port = (uint16_t)number;
	*s = sip_skip_lws(span_skip(*s, n));
	return 0;
}
