/* SPDX-License-Identifier: MIT */
/*
 * Session case and served user (ROLE-5..7).
 *
 * What is hard is whom to believe.  P-Served-User, the marker and the orig parameter on our Route, and asserted
 * identities are claims; they count from a trusted peer only (IMS-2).  That the Request-URI lies in a domain we serve is
 * no claim but our own configuration, so an untrusted peer can still reach our users, and nobody else through us.
 */
#include "im/role.h"

#include "sip/dialog.h"
#include "sip/uri.h"

bool role_trusted(const struct im_conf *conf, const struct addr *from)
{
	for (unsigned i = 0; i < conf->n_trusted; i++)
		if (cidr_has(&conf->trusted[i], from))
			return true;
	return false;
}

/* Is it this name, or below it? */
static bool within(struct span host, struct span name)
{
	if (host.n > name.n && host.p[host.n - name.n - 1] == '.')
		host = span_skip(host, host.n - name.n);
	return name.n && span_ieq(host, name);
}

bool role_trusts(const struct im_conf *conf, const struct sip_dest *to)
{
	struct sip_dest hop;

	if (to->ip.family)
		return role_trusted(conf, &to->ip);
	for (unsigned i = 0; i < conf->n_trusted_names; i++)
		if (within(to->host, span_of(conf->trusted_names[i])))
			return true;
	return conf->next_hop[0] && sip_uri_next_hop(span_of(conf->next_hop), &hop) == 0 &&
	       span_ieq(hop.host, to->host);
}

static uint16_t default_port(const struct sip_uri *u)
{
	struct span transport;

	if (u->scheme == SIP_URI_SIPS ||
	    (sip_param(u->params, SPAN("transport"), &transport) && span_ieq(transport, SPAN("tls"))))
		return 5061;
	return 5060;
}

static bool host_is_bound(const struct im_listen *l, struct span host)
{
	struct addr a;

	return addr_parse(&a, host, 0) && l->addr.family && addr_same_ip(&a, &l->addr);
}

static bool host_is_advertised(const struct im_listen *l, struct span host)
{
	struct span advertised = span_of(l->host);
	struct addr a, b;

	return span_ieq(host, advertised) ||
	       (addr_parse(&a, host, 0) && addr_parse(&b, advertised, 0) && addr_same_ip(&a, &b));
}

bool role_is_us(const struct im_conf *conf, struct span uri)
{
	struct sip_uri u;
	struct addr numeric;

	if (sip_uri_parse(&u, uri) < 0 || (u.scheme != SIP_URI_SIP && u.scheme != SIP_URI_SIPS))
		return false;
	/* a name without a port is found by SRV (RFC 3263 4.2): it may be any of our ports */
	bool any_port = u.port == 0 && !addr_parse(&numeric, u.host, 0);
	uint16_t port = u.port ? u.port : default_port(&u);

	for (unsigned i = 0; i < conf->n_listen; i++) {
		const struct im_listen *l = &conf->listen[i];
		if (host_is_advertised(l, u.host) && (any_port || port == l->port))
			return true;
		if (host_is_bound(l, u.host) && port == l->addr.port)
			return true;
	}
	return false;
}

bool role_serves(const struct im_conf *conf, struct span uri)
{
	struct sip_uri u;

	if (sip_uri_parse(&u, uri) < 0 || (u.scheme != SIP_URI_SIP && u.scheme != SIP_URI_SIPS))
		return false;
	if (u.host.n && u.host.p[u.host.n - 1] == '.')
		u.host.n--;
	for (unsigned i = 0; i < conf->n_domains; i++)
		if (span_ieq(u.host, span_of(conf->domains[i])))
			return true;
	for (unsigned i = 0; i < conf->n_listen; i++) /* our own host is a domain too, on any port */
		if (host_is_advertised(&conf->listen[i], u.host) || host_is_bound(&conf->listen[i], u.host))
			return true;
	return false;
}

/* The first SIP or SIPS URI asserted, else the first tel URI (ROLE-7, IMS-3); empty: none. */
static struct span asserted(const struct sip_msg *req, bool trusted)
{
	struct sip_iter it = { 0 };
	struct span tel = SPAN_EMPTY;

	for (struct span v; trusted && sip_each(req, SIP_H_P_ASSERTED_IDENTITY, &it, &v);) {
		struct sip_name_addr na;
		struct sip_uri u;

		if (sip_name_addr_parse(&na, v) < 0 || sip_uri_parse(&u, na.uri) < 0)
			continue;
		if (span_ieq(u.host, SPAN("anonymous.invalid")))
			continue; /* nobody (RFC 3323 4.1.1.3, IMS-21) */
		if (u.scheme == SIP_URI_SIP || u.scheme == SIP_URI_SIPS)
			return na.uri;
		if (u.scheme == SIP_URI_TEL && tel.n == 0)
			tel = na.uri;
	}
	return tel;
}

struct evidence {
	enum im_case scase;
	const char *name;   /* NULL: none yet */
	struct span served; /* P-Served-User's URI; empty: none */
};

static bool case_of(struct span value, struct span orig, struct span term, enum im_case *out)
{
	if (orig.n && span_ieq(value, orig))
		*out = IM_ORIGINATING;
	else if (term.n && span_ieq(value, term))
		*out = IM_TERMINATING;
	else
		return false;
	return true;
}

static void from_served_user(const struct sip_msg *req, struct evidence *e)
{
	struct sip_name_addr na;
	struct span v;

	if (!sip_has(req, SIP_H_P_SERVED_USER) ||
	    sip_name_addr_parse(&na, sip_value(req, SIP_H_P_SERVED_USER)) < 0)
		return;
	e->served = na.uri;
	if (sip_param(na.params, SPAN("sescase"), &v) && case_of(v, SPAN("orig"), SPAN("term"), &e->scase))
		e->name = "P-Served-User";
}

/* The iFC writes the session case into our URI: as its user part, as ;call=, or as the bare orig of TS 24.229. */
static void from_route(const struct im_conf *conf, const struct sip_msg *req, struct evidence *e)
{
	struct span orig = span_of(conf->orig_marker), term = span_of(conf->term_marker), v;
	struct sip_iter it = { 0 };
	struct sip_name_addr na;
	struct sip_uri u;

	if (!sip_each(req, SIP_H_ROUTE, &it, &v) || sip_name_addr_parse(&na, v) < 0 ||
	    !role_is_us(conf, na.uri) || sip_uri_parse(&u, na.uri) < 0)
		return;
	if (case_of(u.user, orig, term, &e->scase) ||
	    (sip_param(u.params, SPAN("call"), &v) && case_of(v, orig, term, &e->scase))) {
		e->name = "Route marker";
	} else if (sip_param(u.params, SPAN("orig"), &v)) {
		e->scase = IM_ORIGINATING;
		e->name = "orig parameter";
	}
}

static void from_domains(const struct im_conf *conf, const struct sip_msg *req, bool trusted,
			 struct evidence *e)
{
	if (role_serves(conf, req->ruri)) {
		e->scase = IM_TERMINATING;
		e->name = "Request-URI";
	} else if (role_serves(conf, asserted(req, trusted))) {
		e->scase = IM_ORIGINATING;
		e->name = "P-Asserted-Identity";
	}
}

int role_decide(const struct im_conf *conf, const struct sip_msg *req, bool trusted, struct im_role *out,
		const char **fault)
{
	struct evidence e = { 0 };

	*out = (struct im_role){ 0 };
	if (trusted)
		from_served_user(req, &e);
	if (trusted && !e.name)
		from_route(conf, req, &e);
	if (!e.name)
		from_domains(conf, req, trusted, &e);
	if (!e.name) {
		*fault = "No Evidence Of A Served User";
		return 403;
	}
	if (e.served.n == 0)
		e.served = e.scase == IM_TERMINATING ? req->ruri : asserted(req, trusted);
	if (e.served.n == 0) { /* From is the caller's own word and never decides (ROLE-7) */
		*fault = "No Asserted Identity";
		return 403;
	}
	out->scase = e.scase;
	out->evidence = e.name;
	e.served = span_cut(e.served, 0, sizeof(out->served_user) - 1);
	memcpy(out->served_user, e.served.p, e.served.n);
	return 0;
}
