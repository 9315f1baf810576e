/* SPDX-License-Identifier: MIT */
/* "config KEY VALUE" and "set PEER.FIELD VALUE": the keys are those of the configuration file. */
#include <stdio.h>
#include <stdlib.h>

#include "run.h"

enum how { H_MODE, H_PROFILE, H_TEXT, H_U64, H_U32, H_BOOL, H_MS, H_WORD, H_CHOICE, H_TRANSPORT, H_CEMA };

#define AT(field) offsetof(struct im_conf, field), sizeof(((struct im_conf *)0)->field)

static const struct key {
	const char *name;
	enum how how;
	size_t at, size;
	const char *yes; /* H_WORD: this value means true; H_CHOICE: all of them, in their order */
} keys[] = {
	{ "im.mode", H_MODE, 0, 0, NULL },
	{ "im.profile", H_PROFILE, 0, 0, NULL },
	{ "im.ioi", H_TEXT, AT(ioi), NULL },
	{ "im.large_message_wait", H_MS, AT(large_wait_ms), NULL },
	{ "im.pager_max_size", H_U64, AT(pager_max_size), NULL },
	{ "im.own_origin", H_BOOL, AT(own_origin), NULL },
	{ "im.anchor_optional", H_BOOL, AT(anchor_optional), NULL },
	{ "im.not_im", H_WORD, AT(not_im_reject), "reject" },
	{ "sip.next_hop", H_TEXT, AT(next_hop), NULL },
	{ "sip.transactions_max", H_U32, AT(sip_transactions_max), NULL },
	{ "im.sessions_max", H_U32, AT(sessions_max), NULL },
	{ "im.sessions_per_user", H_U32, AT(sessions_per_user), NULL },
	{ "im.registrations_max", H_U32, AT(registrations_max), NULL },
	{ "sip.untrusted_rate", H_U32, AT(untrusted_rate), NULL },
	{ "sip.overload_delay", H_MS, AT(overload_delay_ms), NULL },
	{ "im.server_token", H_TEXT, AT(server_token), NULL },
	{ "im.route_markers.orig", H_TEXT, AT(orig_marker), NULL },
	{ "im.route_markers.term", H_TEXT, AT(term_marker), NULL },
	{ "im.media.accept_types", H_TEXT, AT(accept_types), NULL },
	{ "im.media.max_size", H_U64, AT(max_size), NULL },
	{ "im.media.chat_max_size", H_U64, AT(chat_max_size), NULL },
	{ "im.media.min_max_size", H_U64, AT(min_max_size), NULL },
	{ "im.media.max_streams", H_U32, AT(max_streams), NULL },
	{ "im.media.max_chats", H_U32, AT(max_chats), NULL },
	{ "im.media.file_transfer", H_BOOL, AT(file_transfer), NULL },
	{ "im.media.other_media", H_WORD, AT(audio_video_pass), "pass" },
	{ "im.media.judge", H_WORD, AT(partial), "partial" },
	{ "im.media.enforce_peer_max_size", H_BOOL, AT(plane.enforce_peer_max_size), NULL },
	{ "im.media.cpim", H_WORD, AT(plane.cpim_adapt), "adapt" },
	{ "im.media.cpim_notifications", H_WORD, AT(plane.cpim_notifications_refuse), "refuse" },
	{ "im.media.check_cpim_from", H_BOOL, AT(check_cpim_from), NULL },
	{ "im.media.strict_origin", H_BOOL, AT(strict_origin), NULL },
	{ "im.media.allow_downgrade", H_BOOL, AT(allow_downgrade), NULL },
	{ "im.media.deny_loopback", H_BOOL, AT(deny_loopback), NULL },
	{ "im.trust_preferred_service", H_BOOL, AT(trust_preferred_service), NULL },
	{ "im.single_early_dialog", H_BOOL, AT(single_early_dialog), NULL },
	{ "im.implicit_ack", H_BOOL, AT(implicit_ack), NULL },
	{ "im.prefer_update", H_BOOL, AT(prefer_update), NULL },
	{ "im.absorb_491", H_BOOL, AT(absorb_491), NULL },
	{ "im.map_3xx_in_dialog", H_BOOL, AT(map_3xx_in_dialog), NULL },
	{ "im.update_guard", H_MS, AT(update_guard_ms), NULL },
	{ "im.session_timer.expires", H_U32, AT(session_expires_s), NULL },
	{ "im.session_timer.min_se", H_U32, AT(min_se_s), NULL },
	{ "msrp.acknowledge", H_WORD, AT(plane.ack_end), "end" },
	{ "msrp.cema", H_CEMA, 0, 0, NULL },
	{ "msrp.queue_max", H_U32, AT(plane.queue_max), NULL },
	{ "msrp.connections_max", H_U32, AT(plane.connections_max), NULL },
	{ "msrp.bind_wait", H_MS, AT(plane.bind_wait_ms), NULL },
	{ "msrp.drain", H_MS, AT(plane.drain_ms), NULL },
	{ "msrp.end_bound", H_MS, AT(plane.end_bound_ms), NULL },
	{ "msrp.resend_max", H_U32, AT(plane.resend_max), NULL },
	{ "msrp.repair", H_CHOICE, AT(plane.repair), "wait reconnect reinvite reinvite_always" },
	{ "msrp.repair_wait", H_MS, AT(plane.repair_wait_ms), NULL },
	{ "im.media.chatroom", H_BOOL, AT(plane.chatroom), NULL },
	{ "msrp.keepalive", H_MS, AT(plane.keepalive_ms), NULL },
	{ "msrp.transport.client", H_TRANSPORT, AT(plane.transport[SIDE_A]), NULL },
	{ "msrp.transport.core", H_TRANSPORT, AT(plane.transport[SIDE_B]), NULL },
	{ "msrp.tls.names", H_BOOL, AT(plane.tls_names), NULL },
	{ "msrp.tls.sha1", H_BOOL, AT(plane.sha1), NULL },
	{ "msrp.tls.fingerprints", H_WORD, AT(plane.prints_from_any), "any" },
};

/* The plane has its own copy of two of the policy's values. */
static void same_policy(struct im_conf *c)
{
	snprintf(c->plane.accept_types, sizeof(c->plane.accept_types), "%s", c->accept_types);
	c->plane.max_size = c->max_size;
	c->plane.chat_max_size = c->chat_max_size;
}

static bool put_key(struct im_conf *c, const struct key *k, const char *v)
{
	char *at = (char *)c + k->at;
	uint32_t u32 = (uint32_t)strtoul(v, NULL, 10);
	uint64_t u64 = strtoull(v, NULL, 10);
	bool b = strcmp(v, k->how == H_WORD ? k->yes : "true") == 0;
	switch (k->how) {
	case H_MODE:
		c->mode = strcmp(v, "proxy") == 0        ? IM_PROXY
			  : strcmp(v, "unanchored") == 0 ? IM_UNANCHORED
							 : IM_ANCHORED;
		return true;
	case H_PROFILE:
		c->profile = strcmp(v, "3gpp") == 0 ? IM_3GPP : strcmp(v, "3gpp2") == 0 ? IM_3GPP2 : IM_PLAIN;
		return true;
	case H_TRANSPORT:
		u32 = strcmp(v, "tls") == 0 ? 1 + PLANE_TLS : strcmp(v, "tcp") == 0 ? 1 + PLANE_TCP : 0;
		memcpy(at, &u32, sizeof(u32));
		return true;
	case H_CEMA: /* a bit per side */
		c->plane.cema = strcmp(v, "client") == 0 ? 1
				: strcmp(v, "core") == 0 ? 2
				: strcmp(v, "both") == 0 ? 3
							 : 0;
		return true;
	case H_TEXT:
		return (size_t)snprintf(at, k->size, "%s", v) < k->size;
	case H_MS:
		u32 = (uint32_t)(strtod(v, NULL) * 1000);
		/* fallthrough */
	case H_U32:
		memcpy(at, &u32, sizeof(u32));
		return true;
	case H_U64:
		memcpy(at, &u64, sizeof(u64));
		return true;
	case H_CHOICE: {
		struct span all = span_of(k->yes);
		uint8_t i = 0;
		while (all.n && !span_eq(span_split(&all, ' '), span_of(v)))
			i++;
		*(uint8_t *)at = i;
		return true;
	}
	case H_BOOL:
	case H_WORD:
		memcpy(at, &b, sizeof(b));
		return true;
	}
	return false;
}

enum sip_transport conf_transport(struct span name)
{
	for (enum sip_transport tp = SIP_TCP; tp < SIP_OTHER_TRANSPORT; tp++)
		if (span_ieq(name, span_of(sip_transport_name(tp))))
			return tp;
	return SIP_UDP;
}

/* "udp:ADDRESS:PORT": advertised as it is. */
static bool add_listen(struct im_conf *c, struct span word)
{
	struct span at = word, tp = span_split(&at, ':');
	struct im_listen *l = &c->listen[c->n_listen];
	struct wbuf w = wbuf_on(l->host, sizeof(l->host) - 1);

	if (c->n_listen == IM_LISTEN_MAX || !addr_parse_port(&l->addr, at))
		return false;
	l->tp = conf_transport(tp);
	l->port = l->addr.port;
	w_addr_uri(&w, &l->addr);
	l->host[w.n] = '\0';
	c->n_listen++;
	return true;
}

static bool lists(struct im_conf *c, const struct line *l)
{
	if (span_eq(l->what, SPAN("sip.listen"))) {
		c->n_listen = 0;
		for (unsigned i = 0; i < l->n_attr; i++)
			if (!add_listen(c, l->attr[i].key))
				return false;
		return true;
	}
	if (span_eq(l->what, SPAN("sip.trusted"))) {
		c->n_trusted = 0;
		for (unsigned i = 0; i < l->n_attr && i < IM_TRUSTED_MAX; i++)
			if (!cidr_parse(&c->trusted[c->n_trusted++], l->attr[i].key))
				return false;
		return true;
	}
	if (span_eq(l->what, SPAN("im.served_domains"))) {
		c->n_domains = 0;
		for (unsigned i = 0; i < l->n_attr && i < IM_DOMAINS_MAX; i++)
			snprintf(c->domains[c->n_domains++], sizeof(c->domains[0]), "%" SPAN_FMT,
				 SPAN_ARG(l->attr[i].key));
		return true;
	}
	return false;
}

void conf_mode(struct run *r, const char *name)
{
	put_key(&r->w.conf, &keys[0], name);
	r->lint.free_origin = r->w.conf.mode == IM_UNANCHORED;
	r->lint.proxy = r->w.conf.mode == IM_PROXY;
}

bool conf_line(struct run *r, const struct line *l)
{
	char v[512] = "";
	for (unsigned i = 0; i < l->n_attr; i++) /* the rest of the line, blanks between */
		snprintf(v + strlen(v), sizeof(v) - strlen(v), "%s%" SPAN_FMT, i ? " " : "",
			 SPAN_ARG(l->attr[i].key));
	if (span_eq(l->what, SPAN("ladder.msrp")))
		return r->explicit_msrp = strcmp(v, "explicit") == 0, true;
	if (span_eq(l->what, SPAN("ladder.repeats")))
		return r->ignore_again = strcmp(v, "free") == 0, true;
	if (span_eq(l->what, SPAN("ladder.room")))
		return r->w.pipe_room = (size_t)strtoull(v, NULL, 10), true;
	if (span_eq(l->what, SPAN("ladder.segment")))
		return r->w.pipe_segment = (size_t)strtoull(v, NULL, 10), true;
	if (span_eq(l->what, SPAN("msrp.listen"))) { /* transports alone: their addresses are the world's */
		static const char *const name[] = { "tcp", "tls", "ws", "wss" };
		for (unsigned i = 0; i < PLANE_N_TP; i++) {
			bool named = false;
			for (unsigned k = 0; k < l->n_attr; k++)
				named |= span_eq(l->attr[k].key, span_of(name[i]));
			if (!named)
				r->w.conf.plane.at[i].port = 0;
		}
		for (unsigned k = 0; k < l->n_attr; k++)
			if (span_eq(l->attr[k].key, SPAN("ip6"))) /* the same ports there */
				for (unsigned i = 0; i < PLANE_N_TP; i++)
					r->w.conf.plane.also[i] =
						(struct plane_at){ .host = "[2001:db8::1]",
								   .port = r->w.conf.plane.at[i].port,
								   .ip6 = true };
		return true;
	}
	if (lists(&r->w.conf, l))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (span_eq(l->what, span_of(keys[i].name))) {
			bool ok = put_key(&r->w.conf, &keys[i], v);
			same_policy(&r->w.conf);
			r->lint.free_origin = r->w.conf.mode == IM_UNANCHORED;
			r->lint.proxy = r->w.conf.mode == IM_PROXY;
			return ok || run_fail(r, "bad value");
		}
	return run_fail(r, "no such key");
}

bool set_line(struct run *r, const struct line *l)
{
	struct span field = l->what, name = span_split(&field, '.');
	struct peer *p = run_peer(r, name);
	char v[512] = "";
	if (p == NULL)
		return run_fail(r, "no such peer");
	for (unsigned i = 0; i < l->n_attr; i++)
		snprintf(v + strlen(v), sizeof(v) - strlen(v), "%s%" SPAN_FMT "%s%" SPAN_FMT, i ? " " : "",
			 SPAN_ARG(l->attr[i].key), l->attr[i].value.p ? "=" : "", SPAN_ARG(l->attr[i].value));
	if (strcmp(v, "none") == 0)
		v[0] = 0;
	const struct {
		const char *name;
		char *at;
		size_t size;
	} fields[] = {
		{ "allow", p->p.allow, sizeof(p->p.allow) },
		{ "supported", p->p.supported, sizeof(p->p.supported) },
		{ "accept_contact", p->p.accept_contact, sizeof(p->p.accept_contact) },
		{ "contact_params", p->p.contact_params, sizeof(p->p.contact_params) },
		{ "routes", p->p.routes, sizeof(p->p.routes) },
		{ "host", p->p.host, sizeof(p->p.host) },
		{ "uri_params", p->p.uri_params, sizeof(p->p.uri_params) },
		{ "uri", p->p.uri, sizeof(p->p.uri) },
		{ "far_uri", p->p.far_uri, sizeof(p->p.far_uri) },
		{ "setup", p->p.setup_pref, sizeof(p->p.setup_pref) },
		{ "cert", p->cert, sizeof(p->cert) },
	};
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (span_eq(field, span_of(fields[i].name)))
			return snprintf(fields[i].at, fields[i].size, "%s", v) >= 0;
	if (span_eq(field, SPAN("tp")))
		return p->tp = conf_transport(span_of(v)), true;
	if (span_eq(field, SPAN("msrp")))
		return p->refuse_msrp = strcmp(v, "refuse") == 0, true;
	return run_fail(r, "no such field");
}
