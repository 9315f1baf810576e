/* SPDX-License-Identifier: MIT */
/* SIP, SIPS and tel URIs: cutting them up and comparing them (RFC 3261 19.1.4, RFC 3966 4). */
#include "sip/uri.h"

#include "base/addr.h"
#include "sip/lex.h"

#include <errno.h>

static enum sip_scheme scheme_of(struct span name)
{
	if (span_ieq(name, SPAN("sip")))
		return SIP_URI_SIP;
	if (span_ieq(name, SPAN("sips")))
		return SIP_URI_SIPS;
	return span_ieq(name, SPAN("tel")) ? SIP_URI_TEL : SIP_URI_OTHER;
}

static int tel_parse(struct sip_uri *u, struct span s)
{
	size_t semi = span_chr(s, ';');

	if (semi != SPAN_NONE)
		u->params = span_skip(s, semi + 1);
	u->user = span_cut(s, 0, semi);
	return u->user.n ? 0 : -EINVAL;
}

static int userinfo_parse(struct sip_uri *u, struct span s)
{
	size_t colon = span_chr(s, ':');

	u->user = span_cut(s, 0, colon);
	if (colon != SPAN_NONE)
		u->password = span_skip(s, colon + 1);
	return u->user.n ? 0 : -EINVAL;
}

static int sip_rest_parse(struct sip_uri *u, struct span s)
{
	/* A user part may hold ';' and '?'; an '@' anywhere else has to be escaped. */
	size_t at = span_chr(s, '@'), mark;

	if (at != SPAN_NONE) {
		if (userinfo_parse(u, span_cut(s, 0, at)) < 0)
			return -EINVAL;
		s = span_skip(s, at + 1);
	}
	if (sip_hostport_take(&s, &u->host, &u->port) < 0)
		return -EINVAL;
	if ((mark = span_chr(s, '?')) != SPAN_NONE) {
		u->headers = span_skip(s, mark + 1);
		s = span_cut(s, 0, mark);
	}
	if (s.n && s.p[0] != ';')
		return -EINVAL;
	u->params = span_skip(s, 1);
	return 0;
}

int sip_uri_parse(struct sip_uri *u, struct span s)
{
	size_t colon = span_chr(s, ':');

	*u = (struct sip_uri){ 0 };
	if (colon == SPAN_NONE || colon == 0 || !sip_all(s, SIP_C_URI))
		return -EINVAL;
	u->scheme_name = span_cut(s, 0, colon);
	if (!sip_all(u->scheme_name, SIP_C_TOKEN))
		return -EINVAL;
	u->scheme = scheme_of(u->scheme_name);
	s = span_skip(s, colon + 1);
	switch (u->scheme) {
	case SIP_URI_SIP:
	case SIP_URI_SIPS:
		return sip_rest_parse(u, s);
	case SIP_URI_TEL:
		return tel_parse(u, s);
	default:
		return 0;
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that the escape at the front of s stands for, or -1: no escape. */
static int escape_at(struct span s)
{
	if (s.n < 3 || s.p[0] != '%')
		return -1;
	int high = hex_digit(s.p[1]), low = hex_digit(s.p[2]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

void w_unescape(struct wbuf *w, struct span s)
{
	while (s.n) {
		int c = escape_at(s);
		w_chr(w, c < 0 ? s.p[0] : (char)c);
		s = span_skip(s, c < 0 ? 1 : 3);
	}
}

/* The next character for comparison: "%61" is 'a', but an escaped reserved character is not the same as
 * the bare one (19.1.4). */
static int compared_char(struct span *s, bool fold)
{
	int c = escape_at(*s);
	bool apart = c > 0 && strchr(";/?:@&=+$,", c);

	if (c < 0) {
		c = (unsigned char)s->p[0];
		*s = span_skip(*s, 1);
	} else {
		*s = span_skip(*s, 3);
	}
	if (fold && c >= 'A' && c <= 'Z')
		c |= 0x20;
	return apart ? c | 0x100 : c;
}

static bool escaped_eq(struct span a, struct span b, bool fold)
{
	while (a.n && b.n)
		if (compared_char(&a, fold) != compared_char(&b, fold))
			return false;
	return a.n == b.n;
}

static bool host_eq(struct span a, struct span b)
{
	struct addr x, y;

	if (span_ieq(a, b))
		return true;
	return addr_parse(&x, a, 0) && addr_parse(&y, b, 0) && addr_eq(&x, &y);
}

/* Parameters which, standing in one URI only, make the two differ.  transport is not in the RFC's
 * sentence but in its examples. */
static bool never_ignored(struct span name)
{
	static const char *const names[] = { "user", "ttl", "method", "maddr", "transport" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (span_ieq(name, span_of(names[i])))
			return true;
	return false;
}

enum fit { FIT_ABSENT, FIT_DIFFERS, FIT_EQUAL };

typedef bool value_eq_fn(struct span a, struct span b);

static bool value_eq(struct span a, struct span b)
{
	return escaped_eq(a, b, true);
}

/* How params stands to one parameter of the other URI.  A name may not come twice; if it does, any of
 * its values will do, so that a URI equals itself. */
static enum fit param_fit(struct span params, struct span name, struct span value, value_eq_fn *eq)
{
	enum fit fit = FIT_ABSENT;

	for (struct span n, v; fit != FIT_EQUAL && sip_param_next(&params, &n, &v);)
		if (escaped_eq(n, name, true))
			fit = eq(v, value) ? FIT_EQUAL : FIT_DIFFERS;
	return fit;
}

/* Each parameter of a is equal in b, or in a alone and of a kind that may be. */
static bool sip_params_fit(struct span a, struct span b)
{
	for (struct span name, value; sip_param_next(&a, &name, &value);) {
		enum fit fit = param_fit(b, name, value, value_eq);
		if (fit == FIT_DIFFERS || (fit == FIT_ABSENT && never_ignored(name)))
			return false;
	}
	return true;
}

/* Each header of a stands in b with the same value. */
static bool headers_fit(struct span a, struct span b)
{
	while (a.n) {
		struct span want = span_split(&a, '&'), rest = b;
		bool found = false;
		while (rest.n && !found)
			found = escaped_eq(span_split(&rest, '&'), want, true);
		if (!found)
			return false;
	}
	return true;
}

static bool sip_eq(const struct sip_uri *a, const struct sip_uri *b)
{
	return escaped_eq(a->user, b->user, false) && escaped_eq(a->password, b->password, false) &&
	       host_eq(a->host, b->host) && a->port == b->port && sip_params_fit(a->params, b->params) &&
	       sip_params_fit(b->params, a->params) && headers_fit(a->headers, b->headers) &&
	       headers_fit(b->headers, a->headers);
}

static bool is_separator(char c)
{
	return c == '-' || c == '.' || c == '(' || c == ')';
}

/* Numbers are compared without their visual separators (RFC 3966 4). */
static bool number_eq(struct span a, struct span b)
{
	for (;;) {
		while (a.n && is_separator(a.p[0]))
			a = span_skip(a, 1);
		while (b.n && is_separator(b.p[0]))
			b = span_skip(b, 1);
		if (!a.n || !b.n)
			return a.n == b.n;
		if (compared_char(&a, true) != compared_char(&b, true))
			return false;
	}
}

static bool tel_params_fit(struct span a, struct span b)
{
	for (struct span name, value; sip_param_next(&a, &name, &value);) {
		bool number = span_ieq(name, SPAN("ext")) ||
			      (span_ieq(name, SPAN("phone-context")) && value.n && value.p[0] == '+');
		if (param_fit(b, name, value, number ? number_eq : value_eq) != FIT_EQUAL)
			return false;
	}
	return true;
}

bool sip_uri_eq(struct span a, struct span b)
{
	struct sip_uri x, y;

	if (sip_uri_parse(&x, a) < 0 || sip_uri_parse(&y, b) < 0 || x.scheme != y.scheme)
		return false;
	switch (x.scheme) {
	case SIP_URI_SIP:
	case SIP_URI_SIPS:
		return sip_eq(&x, &y);
	case SIP_URI_TEL:
		return number_eq(x.user, y.user) && tel_params_fit(x.params, y.params) &&
		       tel_params_fit(y.params, x.params);
	default:
		return span_eq(a, b);
	}
}
