/* SPDX-License-Identifier: MIT */
/*
 * Values with parameters: name-addr, Via, and the parameters themselves.  Reading a header's value is
 * strict about its shape (quotes closed, brackets matched, no empty parameter: RFC 4475 3.1.2) and
 * liberal about the characters in it.
 */
#include "sip/lex.h"
#include "sip/uri.h"

#include <errno.h>

/* One parameter off the front of *rest; *more when a ';' followed it.  false: a quote never ends (then
 * all of the rest has been taken). */
static bool param_take(struct span *rest, struct span *name, struct span *value, bool *more)
{
	struct span all = *rest, plain = span_cut(all, 0, span_chr(all, ';'));
	size_t i = 0, eq = SPAN_NONE;
	bool closed = true;

	if (span_chr(plain, '"') == SPAN_NONE) { /* the usual case: nothing quoted */
		i = plain.n;
		eq = span_chr(plain, '=');
	}
	while (i < all.n && all.p[i] != ';') {
		size_t jump = 1;
		if (all.p[i] == '=' && eq == SPAN_NONE)
			eq = i;
		if (all.p[i] == '"' && (jump = sip_quoted(span_skip(all, i))) == 0) {
			closed = false;
			jump = all.n - i;
		}
		i += jump;
	}
	*more = i < all.n;
	*rest = span_skip(all, i + 1);
	*name = span_trim(span_cut(all, 0, eq < i ? eq : i));
	*value = eq < i ? span_trim(span_cut(all, eq + 1, i)) : SPAN_EMPTY;
	return closed;
}

static bool value_ok(struct span value)
{
	if (value.n && value.p[0] == '"')
		return sip_quoted(value) == value.n;
	return sip_all(value, SIP_C_VALUE);
}

/* As param_take, and the parameter is well-formed. */
static bool param_take_strict(struct span *rest, struct span *name, struct span *value, bool *more)
{
	return param_take(rest, name, value, more) && name->n && sip_all(*name, SIP_C_TOKEN) &&
	       value_ok(*value);
}

static bool params_ok(struct span params)
{
	struct span name, value;
	bool more;

	do {
		if (!param_take_strict(&params, &name, &value, &more))
			return false;
	} while (more);
	return true;
}

bool sip_param_next(struct span *params, struct span *name, struct span *value)
{
	bool more;

	while (params->n) {
		param_take(params, name, value, &more);
		if (name->n)
			return true;
	}
	return false;
}

bool sip_param(struct span params, struct span name, struct span *value)
{
	struct span n, v;

	while (sip_param_next(&params, &n, &v)) {
		if (span_ieq(n, name)) {
			*value = v;
			return true;
		}
	}
	return false;
}

/* What follows a URI or a sent-by: nothing, or ";" and parameters. */
static int tail_parse(struct span s, struct span *params)
{
	s = span_trim(s);
	if (s.n == 0)
		return 0;
	if (s.p[0] != ';')
		return -EINVAL;
	*params = span_skip(s, 1);
	return params_ok(*params) ? 0 : -EINVAL;
}

static bool looks_like_uri(struct span s)
{
	size_t colon = span_chr(s, ':');
	return colon != SPAN_NONE && colon > 0 && sip_all(s, SIP_C_URI);
}

static int angle_parse(struct sip_name_addr *na, struct span s)
{
	size_t close = span_chr(s, '>');

	if (close == SPAN_NONE)
		return -EINVAL;
	na->angle = true;
	na->uri = span_cut(s, 1, close);
	return looks_like_uri(na->uri) ? tail_parse(span_skip(s, close + 1), &na->params) : -EINVAL;
}

/* Without <>, everything after ';' belongs to the header, and '?' and ',' are not allowed (20.10). */
static int bare_parse(struct sip_name_addr *na, struct span s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] != ';' && !span_is_lws(s.p[n]))
		n++;
	na->uri = span_cut(s, 0, n);
	if (!looks_like_uri(na->uri) || span_chr(na->uri, '?') != SPAN_NONE ||
	    span_chr(na->uri, ',') != SPAN_NONE)
		return -EINVAL;
	return tail_parse(span_skip(s, n), &na->params);
}

int sip_name_addr_parse(struct sip_name_addr *na, struct span value)
{
	struct span s = span_trim(value);
	size_t n;

	*na = (struct sip_name_addr){ 0 };
	if (s.n && s.p[0] == '"') {
		n = sip_quoted(s);
		na->display = span_cut(s, 0, n);
		s = sip_skip_lws(span_skip(s, n));
		return n && s.n && s.p[0] == '<' ? angle_parse(na, s) : -EINVAL;
	}
	/* A display name without quotes should be tokens; "Bell, Alexander" is taken as it was meant (RFC
	 * 4475 3.1.2.15).  A ':' or ';' before the '<' means that it is no display name. */
	for (n = 0; n < s.n && span_chr(SPAN("<\":;"), s.p[n]) == SPAN_NONE; n++)
		;
	if (n < s.n && s.p[n] == '<') {
		na->display = span_trim(span_cut(s, 0, n));
		return angle_parse(na, span_skip(s, n));
	}
	return bare_parse(na, s);
}

static bool take_token(struct span *s, struct span *token)
{
	*s = sip_skip_lws(*s);
	*token = span_cut(*s, 0, sip_run(*s, SIP_C_TOKEN));
	*s = span_skip(*s, token->n);
	return token->n > 0;
}

static bool take_slash(struct span *s)
{
	*s = sip_skip_lws(*s);
	if (s->n == 0 || s->p[0] != '/')
		return false;
	*s = span_skip(*s, 1);
	return true;
}

static enum sip_transport transport_of(struct span name)
{
	if (span_ieq(name, SPAN("UDP")))
		return SIP_UDP;
	if (span_ieq(name, SPAN("TCP")))
		return SIP_TCP;
	if (span_ieq(name, SPAN("TLS")))
		return SIP_TLS;
	if (span_ieq(name, SPAN("WS")))
		return SIP_WS;
	if (span_ieq(name, SPAN("WSS")))
		return SIP_WSS;
	return SIP_OTHER_TRANSPORT;
}

const char *sip_transport_name(enum sip_transport tp)
{
	static const char *const name[] = {
		[SIP_UDP] = "UDP", [SIP_TCP] = "TCP", [SIP_TLS] = "TLS",
		[SIP_WS] = "WS",   [SIP_WSS] = "WSS", [SIP_OTHER_TRANSPORT] = "UDP"
	};

	return name[tp];
}

/* One parameter for both kinds of WebSocket (RFC 7118 5.1): TLS is said by sips. */
const char *sip_transport_param(enum sip_transport tp)
{
	static const char *const param[] = { [SIP_UDP] = "",
					     [SIP_TCP] = ";transport=tcp",
					     [SIP_TLS] = ";transport=tls",
					     [SIP_WS] = ";transport=ws",
					     [SIP_WSS] = ";transport=ws",
					     [SIP_OTHER_TRANSPORT] = "" };

	return param[tp];
}

uint16_t sip_default_port(enum sip_transport tp)
{
	return tp == SIP_TLS ? 5061 : tp == SIP_WS ? 80 : tp == SIP_WSS ? 443 : 5060;
}

static void via_param(struct sip_via *v, struct span name, struct span value)
{
	uint64_t port;

	if (span_ieq(name, SPAN("branch"))) {
		v->branch = value;
	} else if (span_ieq(name, SPAN("received"))) {
		v->received = value;
	} else if (span_ieq(name, SPAN("maddr"))) {
		v->maddr = value;
	} else if (span_ieq(name, SPAN("rport"))) {
		v->has_rport = true;
		if (span_u64(value, UINT16_MAX, &port) == 0)
			v->rport = (uint16_t)port;
	}
}

/*
 * On an error v keeps what was read: a Via with broken parameters, or of another SIP version, still
 * tells where the refusal has to go.
 */
int sip_via_parse(struct sip_via *v, struct span value)
{
	struct span s = value, protocol, version, name, val;
	bool more;

	*v = (struct sip_via){ .tp = SIP_OTHER_TRANSPORT };
	if (!take_token(&s, &protocol) || !take_slash(&s) || !take_token(&s, &version) || !take_slash(&s) ||
	    !take_token(&s, &v->tp_name) || s.n == 0 || !span_is_lws(s.p[0]))
		return -EINVAL;
	v->tp = transport_of(v->tp_name);
	s = sip_skip_lws(s);
	if (sip_hostport_take(&s, &v->host, &v->port) < 0)
		return -EINVAL;
	if (s.n && s.p[0] != ';')
		return -EINVAL;
	for (more = s.n > 0, s = span_skip(s, 1); more;) {
		if (!param_take_strict(&s, &name, &val, &more))
			return -EINVAL;
		via_param(v, name, val);
	}
	return span_ieq(protocol, SPAN("SIP")) && span_eq(version, SPAN("2.0")) ? 0 : -EINVAL;
}
