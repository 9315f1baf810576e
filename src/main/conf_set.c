/* SPDX-License-Identifier: MIT */
/* Values that are more than a number, a word or a text: addresses, domains, types; and what must hold between
 * keys. */
#include "main/conf_set.h"
#include "sip/dialog.h" /* sip_uri_next_hop() */

/* Letters, digits, and what else may stand in a host name or an address. */
static bool is_host(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '.' || c == '_'))
			return false;
	}
	return s.n > 0;
}

static bool is_ascii_line(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	return true;
}

/* "tcp:[::1]:5060": what stands before the first colon, and the rest. */
static struct span cut_scheme(struct span *text)
{
	struct span scheme = span_split(text, ':');
	return scheme;
}

static int bad_address(struct conf *c, const struct conf_item *it, unsigned i, struct span text)
{
	return conf_fault(c, it, i,
			  "\"%" SPAN_FMT "\" is not an address with a port; write %s, for example "
			  "127.0.0.1:5060 or [::1]:5060 (names are not resolved here)",
			  SPAN_ARG(text), it->choices);
}

int conf_set_sip_listen(struct conf *c, const struct conf_item *it, struct span text, unsigned i)
{
	struct im_listen *at = &c->im.listen[i];
	struct span rest = text, scheme = cut_scheme(&rest);

	if (span_ieq(scheme, SPAN("udp")))
		at->tp = SIP_UDP;
	else if (span_ieq(scheme, SPAN("tcp")))
		at->tp = SIP_TCP;
	else if (span_ieq(scheme, SPAN("tls")))
		at->tp = SIP_TLS;
	else if (span_ieq(scheme, SPAN("ws")))
		at->tp = SIP_WS;
	else if (span_ieq(scheme, SPAN("wss")))
		at->tp = SIP_WSS;
	else
		return conf_fault(c, it, i, "\"%" SPAN_FMT "\" begins with no transport; write %s",
				  SPAN_ARG(text), it->choices);
	if (!addr_parse_port(&at->addr, rest))
		return bad_address(c, it, i, text);
	c->im.n_listen = i + 1;
	return 0;
}

int conf_set_msrp_listen(struct conf *c, const struct conf_item *it, struct span text, unsigned i)
{
	struct span rest = text, scheme = cut_scheme(&rest);

	if (span_ieq(scheme, SPAN("tls")))
		c->msrp_tp[i] = PLANE_TLS;
	else if (span_ieq(scheme, SPAN("tcp")))
		c->msrp_tp[i] = PLANE_TCP;
	else if (span_ieq(scheme, SPAN("ws")))
		c->msrp_tp[i] = PLANE_WS;
	else if (span_ieq(scheme, SPAN("wss")))
		c->msrp_tp[i] = PLANE_WSS;
	else
		return conf_fault(c, it, i, "\"%" SPAN_FMT "\" begins with no transport; write %s",
				  SPAN_ARG(text), it->choices);
	if (!addr_parse_port(&c->msrp[i], rest))
		return bad_address(c, it, i, text);
	c->n_msrp = i + 1;
	return 0;
}

int conf_set_mgmt_listen(struct conf *c, const struct conf_item *it, struct span text, unsigned i)
{
	c->mgmt = (struct addr){ 0 };
	if (text.n && !addr_parse_port(&c->mgmt, text))
		return bad_address(c, it, i, text);
	return 0;
}

/* "host", "host:port", "[::1]:port". */
static bool advertised(struct span text, struct conf_advert *out)
{
	struct wbuf w = wbuf_on(out->host, sizeof(out->host) - 1);
	struct addr a;
	uint64_t port = 0;

	if (addr_parse_port(&a, text)) {
		port = a.port;
		w_addr_uri(&w, &a);
	} else if (addr_parse(&a, text, 0)) {
		w_addr_uri(&w, &a);
	} else {
		struct span rest = text, name = span_split(&rest, ':');
		bool with_port = name.n < text.n;
		if (!is_host(name) || (with_port && (span_u64(rest, 65535, &port) < 0 || port == 0)))
			return false;
		w_span(&w, name);
	}
	out->host[w.n] = 0;
	out->port = (uint16_t)port;
	return w_ok(&w);
}

/* "https://chat.example.com", "http://10.0.0.1:8080", "null" or "*". */
int conf_set_origin(struct conf *c, const struct conf_item *it, struct span text, unsigned i)
{
	size_t used = i ? strlen(c->net.ws_origins) : 0;
	struct wbuf w = wbuf_on(c->net.ws_origins, sizeof(c->net.ws_origins) - 1);

	w.n = used;
	if (!is_ascii_line(text) || text.n == 0 || span_chr(text, ' ') != SPAN_NONE ||
	    (span_find(text, SPAN("://")) == SPAN_NONE && !span_eq(text, SPAN("*")) &&
	     !span_eq(text, SPAN("null"))))
		return conf_fault(c, it, i,
				  "\"%" SPAN_FMT
				  "\" is not an origin; write https://HOST or https://HOST:PORT",
				  SPAN_ARG(text));
	if (i)
		w_chr(&w, ' ');
	w_span(&w, text);
	if (!w_ok(&w))
		return conf_fault(c, it, i, "all origins together are too long; at most %zu bytes", w.cap);
	c->net.ws_origins[w.n] = 0;
	return 0;
}

static int bad_advertise(struct conf *c, const struct conf_item *it, unsigned i, struct span text)
{
	return conf_fault(c, it, i, "\"%" SPAN_FMT "\" is not a host; write %s, at most 63 bytes",
			  SPAN_ARG(text), it->choices);
}

int conf_set_sip_advertise(struct conf *c, const struct conf_item *it, struct span text, unsigned i)
{
	if (!advertised(text, &c->sip_advert[i]))
		return bad_advertise(c, it, i, text);
	c->n_sip_advert = i + 1;
	return 0;
}

int conf_set_msrp_advertise(struct conf *c, const struct conf_item *it, struct span text, unsigned i)
{
	if (!advertised(text, &c->msrp_advert[i]))
		return bad_advertise(c, it, i, text);
	c->n_msrp_advert = i + 1;
	return 0;
}

static void advertise(char host[64], uint16_t *port, const struct conf_advert *as, const struct addr *at)
{
	struct wbuf w = wbuf_on(host, 63);

	if (as->host[0])
		w_str(&w, as->host);
	else
		w_addr_uri(&w, at);
	host[w.n] = 0;
	*port = as->port ? as->port : at->port;
}

/* The first listener of each kind, and the first of the other address family. */
static void advertise_msrp(struct conf *c)
{
	memset(c->im.plane.at, 0, sizeof(c->im.plane.at));
	memset(c->im.plane.also, 0, sizeof(c->im.plane.also));
	for (unsigned i = 0; i < c->n_msrp; i++) {
		struct plane_at *at = &c->im.plane.at[c->msrp_tp[i]],
				*also = &c->im.plane.also[c->msrp_tp[i]];
		bool ip6 = c->msrp[i].family == 6;
		struct conf_advert as = c->msrp_advert[c->n_msrp_advert > 1 ? i : 0];
		if (c->n_msrp_advert < 2 && i > 0)
			as.port = 0;
		/* One host said for all of them is the same for both families. */
		if (at->host[0] && (at->ip6 == ip6 || also->host[0] || c->n_msrp_advert == 1))
			continue;
		if (at->host[0])
			at = also;
		at->ip6 = ip6;
		advertise(at->host, &at->port, &as, &c->msrp[i]);
	}
}

void conf_share_tls(struct conf *c)
{
	struct net_tls_conf *m = &c->msrp_tls;

	if (!m->certificate[0] && !m->key[0]) {
		memcpy(m->certificate, c->tls.certificate, sizeof(m->certificate));
		memcpy(m->key, c->tls.key, sizeof(m->key));
	}
	if (!m->ca[0])
		memcpy(m->ca, c->tls.ca, sizeof(m->ca));
	m->any_peer = true;
}

void conf_advertise(struct conf *c)
{
	static const struct conf_advert none;

	for (unsigned i = 0; i < c->im.n_listen; i++) {
		struct im_listen *at = &c->im.listen[i];
		const struct conf_advert *as = &none;
		if (c->n_sip_advert == 1)
			as = &c->sip_advert[0];
		else if (i < c->n_sip_advert)
			as = &c->sip_advert[i];
		advertise(at->host, &at->port, as, &at->addr);
	}
	advertise_msrp(c);
}

int conf_set_trusted(struct conf *c, const struct conf_item *it, struct span text, unsigned i)
{
	if (!cidr_parse(&c->im.trusted[i], text))
		return conf_fault(c, it, i,
				  "\"%" SPAN_FMT "\" is not an address block; write 10.0.0.0/8 or ::1/128",
				  SPAN_ARG(text));
	c->im.n_trusted = i + 1;
	return 0;
}

int conf_set_next_hop(struct conf *c, const struct conf_item *it, struct span text, unsigned i)
{
	struct sip_dest to;

	c->im.next_hop[0] = 0;
	if (text.n == 0)
		return 0;
	if (!is_ascii_line(text) || text.n >= sizeof(c->im.next_hop) || sip_uri_next_hop(text, &to) < 0)
		return conf_fault(c, it, i, "\"%" SPAN_FMT "\" is not a SIP URI; write sip:HOST:PORT",
				  SPAN_ARG(text));
	memcpy(c->im.next_hop, text.p, text.n);
	c->im.next_hop[text.n] = 0;
	return 0;
}

int conf_set_domain(struct conf *c, const struct conf_item *it, struct span text, unsigned i)
{
	char *to = c->im.domains[i];

	if (!is_host(text) || text.n >= sizeof(c->im.domains[i]))
		return conf_fault(c, it, i,
				  "\"%" SPAN_FMT "\" is not a domain name; write it without sip: and port",
				  SPAN_ARG(text));
	memcpy(to, text.p, text.n);
	to[text.n] = 0;
	c->im.n_domains = i + 1;
	return 0;
}

int conf_set_trusted_name(struct conf *c, const struct conf_item *it, struct span text, unsigned i)
{
	char *to = c->im.trusted_names[i];

	if (!is_host(text) || text.n >= sizeof(c->im.trusted_names[i]))
		return conf_fault(c, it, i,
				  "\"%" SPAN_FMT "\" is not a domain name; addresses belong into sip.trusted",
				  SPAN_ARG(text));
	memcpy(to, text.p, text.n);
	to[text.n] = 0;
	c->im.n_trusted_names = i + 1;
	return 0;
}

int conf_set_dns_server(struct conf *c, const struct conf_item *it, struct span text, unsigned i)
{
	char *all = c->net.dns_servers;
	size_t used = i ? strlen(all) : 0;
	struct wbuf w = wbuf_on(all + used, sizeof(c->net.dns_servers) - used - 1);
	struct addr a;

	if (!addr_parse_port(&a, text) && !addr_parse(&a, text, 53))
		return conf_fault(c, it, i,
				  "\"%" SPAN_FMT "\" is not an address; write %s, for example 192.0.2.53 or "
				  "[2001:db8::53]:53",
				  SPAN_ARG(text), it->choices);
	w_str(&w, i ? "," : ""), w_addr(&w, &a);
	all[used + (w_ok(&w) ? w.n : 0)] = 0;
	return 0;
}

int conf_set_marker(struct conf *c, const struct conf_item *it, struct span text, unsigned i)
{
	char *to = i ? c->im.term_marker : c->im.orig_marker;

	if (!is_host(text) || text.n >= sizeof(c->im.orig_marker))
		return conf_fault(c, it, i,
				  "\"%" SPAN_FMT "\" is not a plain word of at most 31 letters and digits",
				  SPAN_ARG(text));
	memcpy(to, text.p, text.n);
	to[text.n] = 0;
	return 0;
}

int conf_set_line(struct conf *c, const struct conf_item *it, struct span text, unsigned i)
{
	char *to = (char *)c + it->off;

	if (!is_ascii_line(text) || text.n >= it->size)
		return conf_fault(c, it, i, "must be one line of ASCII, at most %zu bytes", it->size - 1);
	memcpy(to, text.p, text.n);
	to[text.n] = 0;
	return 0;
}

/* What stands between quotes in a header. */
int conf_set_quoted(struct conf *c, const struct conf_item *it, struct span text, unsigned i)
{
	if (span_chr(text, '"') != SPAN_NONE || span_chr(text, '\\') != SPAN_NONE)
		return conf_fault(c, it, i, "must not contain quotes or backslashes");
	return conf_set_line(c, it, text, i);
}

/* "text/plain", "message/x+y", "image" and the subtype "*" after a slash, or "*" alone. */
static bool is_type(struct span s)
{
	struct span rest = s, type = span_split(&rest, '/');

	if (span_eq(s, SPAN("*")))
		return true;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == ';' || s.p[i] == ',')
			return false;
	return type.n > 0 && rest.n > 0 && span_chr(type, '*') == SPAN_NONE &&
	       span_chr(rest, '/') == SPAN_NONE;
}

int conf_set_accept_type(struct conf *c, const struct conf_item *it, struct span text, unsigned i)
{
	struct wbuf w = wbuf_on(c->im.accept_types, sizeof(c->im.accept_types) - 1);

	if (!is_type(text))
		return conf_fault(c, it, i, "\"%" SPAN_FMT "\" is not %s", SPAN_ARG(text), it->choices);
	if (i > 0) {
		w.n = strlen(c->im.accept_types);
		w_chr(&w, ' ');
	}
	w_span(&w, text);
	if (!w_ok(&w))
		return conf_fault(c, it, i, "all types together are too long; at most %zu bytes", w.cap);
	c->im.accept_types[w.n] = 0;
	memcpy(c->im.plane.accept_types, c->im.accept_types, sizeof(c->im.accept_types));
	return 0;
}

/* ---- between keys ---- */

static const struct conf_item *item(const char *key)
{
	return &conf_items[conf_item_index(span_of(key))];
}

static void check_wildcards(struct conf *c)
{
	for (unsigned i = 0; i < c->im.n_listen && c->n_sip_advert == 0; i++)
		if (addr_is_any(&c->im.listen[i].addr))
			conf_fault(c, item("sip.listen"), i,
				   "listens on every address; say in sip.advertise which one peers reach");
	for (unsigned i = 0; i < c->n_msrp && c->n_msrp_advert == 0; i++)
		if (addr_is_any(&c->msrp[i]))
			conf_fault(c, item("msrp.listen"), i,
				   "listens on every address; say in msrp.advertise which one peers reach");
}

static bool listens(const struct conf *c, enum sip_transport tp)
{
	for (unsigned i = 0; i < c->im.n_listen; i++)
		if (c->im.listen[i].tp == tp)
			return true;
	return false;
}

static bool listens_msrp(const struct conf *c, enum plane_tp tp)
{
	for (unsigned i = 0; i < c->n_msrp; i++)
		if (c->msrp_tp[i] == tp)
			return true;
	return false;
}

bool conf_has_msrp_tls(const struct conf *c)
{
	return listens_msrp(c, PLANE_TLS);
}

static void check_msrp_tls(struct conf *c)
{
	static const char *const key[] = { "msrp.transport.client", "msrp.transport.core" };

	bool own = c->value[conf_item_index(SPAN("msrp.tls.certificate"))].line ||
		   c->value[conf_item_index(SPAN("msrp.tls.key"))].line;

	if (own && !c->msrp_tls.certificate[0] != !c->msrp_tls.key[0])
		conf_fault(c, item(c->msrp_tls.key[0] ? "msrp.tls.certificate" : "msrp.tls.key"), 0,
			   "is needed too: certificate and key belong together");
	for (unsigned i = 0; i < ARRAY_LEN(key) && c->n_msrp; i++)
		if (c->im.plane.transport[i] && !c->im.plane.at[c->im.plane.transport[i] - 1].host[0])
			conf_fault(c, item(key[i]), 0, "has no listener of its kind in msrp.listen; add one");
	if (c->n_msrp && !listens_msrp(c, PLANE_TCP) && !listens_msrp(c, PLANE_TLS))
		conf_fault(c, item("msrp.listen"), 0,
			   "has WebSocket only, by which no server can be reached; add tcp: or tls:");
}

bool conf_has_tls(const struct conf *c)
{
	return listens(c, SIP_TLS) || listens(c, SIP_WSS) || listens_msrp(c, PLANE_WSS);
}

static void check_next_hop(struct conf *c)
{
	struct sip_dest to;

	if (!c->im.next_hop[0] || sip_uri_next_hop(span_of(c->im.next_hop), &to) < 0)
		return;
	if (sip_is_ws(to.tp))
		conf_fault(c, item("sip.next_hop"), 0,
			   "wants WebSocket, by which nobody can be called; use tcp or tls");
	else if (to.tp == SIP_TLS && !listens(c, SIP_TLS))
		conf_fault(c, item("sip.next_hop"), 0,
			   "wants TLS, but nothing in sip.listen begins with tls:; add it");
}

static void check_tls(struct conf *c)
{
	if (conf_has_tls(c)) {
		if (!c->tls.certificate[0])
			conf_fault(c, item("sip.tls.certificate"), 0,
				   "is needed for tls: in sip.listen and for wss:; name a PEM file");
		if (!c->tls.key[0])
			conf_fault(c, item("sip.tls.key"), 0,
				   "is needed for tls: in sip.listen and for wss:; name a PEM file");
	}
}

/* MODE-2, MODE-5: a proxy reads no body, and only who is anchored has a user plane. */
bool conf_applies(const struct conf *c, const struct conf_item *it)
{
	static const char *const no_proxy[] = { "msrp.",
						"im.media.",
						"im.sessions_max",
						"im.update_guard",
						"im.trust_preferred_service",
						"im.not_im",
						"im.own_origin",
						"im.pager_max_size",
						"im.large_message_wait",
						"im.profile",
						"im.sessions_per_user",
						"im.registrations_max",
						"im.ioi" };
	static const char *const anchored[] = { "msrp.", "im.anchor_optional" };
	struct span key = span_of(it->key);

	for (unsigned i = 0; c->im.mode == IM_PROXY && i < ARRAY_LEN(no_proxy); i++)
		if (span_starts(key, span_of(no_proxy[i])))
			return false;
	for (unsigned i = 0; c->im.mode != IM_ANCHORED && i < ARRAY_LEN(anchored); i++)
		if (span_starts(key, span_of(anchored[i])))
			return false;
	return true;
}

/* Who sets such a key relies on it. */
static void check_mode(struct conf *c)
{
	for (unsigned i = 0; i < conf_n_items; i++)
		if (c->value[i].line && !conf_applies(c, &conf_items[i]))
			conf_fault(c, &conf_items[i], 0,
				   "is not possible with im.mode %s; leave it out, or use anchored",
				   c->im.mode == IM_PROXY ? "proxy" : "unanchored");
	if (c->im.mode != IM_ANCHORED)
		c->n_msrp = 0;
	for (unsigned i = 0; c->im.mode == IM_PROXY && i < c->im.n_listen; i++)
		if (sip_is_ws(c->im.listen[i].tp))
			conf_fault(
				c, item("sip.listen"), i,
				"WebSocket is not possible with im.mode proxy; use anchored or unanchored");
}

void conf_check_all(struct conf *c)
{
	check_mode(c);
	check_wildcards(c);
	check_tls(c);
	check_next_hop(c);
	check_msrp_tls(c);
	if (c->n_msrp_advert > 1 && c->n_msrp_advert != c->n_msrp)
		conf_fault(c, item("msrp.advertise"), 0,
			   "has %u entries, msrp.listen %u; give one, or one for each", c->n_msrp_advert,
			   c->n_msrp);
	if (c->n_sip_advert > 1 && c->n_sip_advert != c->im.n_listen)
		conf_fault(c, item("sip.advertise"), 0,
			   "has %u entries, sip.listen %u; give one, or one for each", c->n_sip_advert,
			   c->im.n_listen);
	if (c->im.session_expires_s && c->im.session_expires_s < c->im.min_se_s)
		conf_fault(c, item("im.session_timer.expires"), 0,
			   "is below im.session_timer.min_se (%u); raise it, or say 0 to ask for no timer",
			   c->im.min_se_s);
	if (c->im.max_chats > c->im.max_streams)
		conf_fault(c, item("im.media.max_chats"), 0, "is above im.media.max_streams (%u); lower it",
			   c->im.max_streams);
	if (c->im.max_size && c->im.min_max_size > c->im.max_size)
		conf_fault(c, item("im.media.min_max_size"), 0, "is above im.media.max_size (%llu); lower it",
			   (unsigned long long)c->im.max_size);
}
