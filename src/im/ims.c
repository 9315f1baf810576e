/* SPDX-License-Identifier: MIT */
/*
 * What an IMS core adds to a session (digest 14 and 15): one charging identifier for both legs, Session-ID and priority
 * in what we say ourselves, privacy.
 *
 * What is hard is whose word a header is.  In messages we pass on, these headers are the peers' own and cross as they
 * came; what the server says by itself (a refusal, a refresh, a BYE) must carry them too, made from what was heard
 * before.  And the operator identifiers in P-Charging-Vector name the two ends of one hop, so each hop gets its own.
 */
#include <stdlib.h>

#include "im/core.h"

enum { CHARGING_MAX = 512, PRIORITY_MAX = 128, UUID_LEN = 32 };

/* All that differs between the cores we know (C2K-6).  3GPP2's ISC is 3GPP's (C2K-1, C2K-4), what it sends for charging is
 * as opaque to us (C2K-3); its access networks have names of their own (C2K-2). */
static const struct profile {
	const char *name;
	bool charges;       /* an INVITE without an icid gets one, and what we say ourselves repeats it */
	bool registers;     /* third-party REGISTER is answered */
	const char *access; /* how its access types begin */
} profiles[] = {
	[IM_PLAIN] = { "plain", false, false, "" },
	[IM_3GPP] = { "3gpp", true, true, "3GPP-" },
	[IM_3GPP2] = { "3gpp2", true, true, "3GPP2-" },
};

/* RFC 4412 12, RFC 7135, RFC 8101. */
static const struct span namespaces[] = { { "dsn", 3 }, { "drsn", 4 },  { "q735", 4 },   { "ets", 3 },
					  { "wps", 3 }, { "esnet", 5 }, { "mcpttp", 6 }, { "mcpttq", 6 } };

static struct ims *ims_of(struct session *s)
{
	if (!s->ims)
		s->ims = calloc(1, sizeof(*s->ims)); /* no memory: as if it had not been said */
	return s->ims;
}

void ims_free(struct session *s)
{
	if (!s->ims)
		return;
	free(s->ims->charging);
	free(s->ims->priority);
	free(s->ims);
	s->ims = NULL;
}

static void keep(char **slot, const struct wbuf *w)
{
	char *text = w_ok(w) && w->n ? span_dup(w_span_of(w)) : NULL;
	if (!text)
		return;
	free(*slot);
	*slot = text;
}

/* ---- charging (IMS-8) ---- */

/* The names of the two ends of the hop between the core and an application server. */
static bool is_of_hop(struct span name, struct span value)
{
	return (span_ieq(name, SPAN("orig-ioi")) || span_ieq(name, SPAN("term-ioi"))) &&
	       span_find(value, SPAN("Type 3")) != SPAN_NONE;
}

/* The parameters of a P-Charging-Vector that cross behind the session's icid, however many. */
static void w_crossing(struct wbuf *w, struct span value)
{
	struct span name, v;

	while (sip_param_next(&value, &name, &v)) {
		if (is_of_hop(name, v) || span_ieq(name, SPAN("icid-value")))
			continue;
		w_chr(w, ';'), w_span(w, name);
		if (v.n)
			w_chr(w, '='), w_span(w, v);
	}
}

static void learn_charging(struct session *s, struct span value)
{
	struct span icid;
	char buf[CHARGING_MAX];
	struct wbuf w = wbuf_on(buf, sizeof(buf));

	if ((s->ims && s->ims->charging) || !sip_param(value, SPAN("icid-value"), &icid) || !ims_of(s))
		return; /* the first holds for the whole session */
	w_str(&w, "icid-value="), w_span(&w, icid);
	keep(&s->ims->charging, &w);
}

/* m: passed on to l, or NULL: our own. */
static void w_charging(struct wbuf *w, const struct leg *l, const struct sip_msg *m, bool request)
{
	const struct im *im = l->s->im;

	w_str(w, "P-Charging-Vector: "), w_str(w, l->s->ims->charging);
	if (m)
		w_crossing(w, sip_value(m, SIP_H_P_CHARGING_VECTOR));
	if (im->conf.ioi[0])
		w_str(w, request ? ";orig-ioi=\"Type 3" : ";term-ioi=\"Type 3"), w_str(w, im->conf.ioi),
			w_chr(w, '"');
	w_str(w, "\r\n");
}

static bool charges(const struct leg *l)
{
	return profiles[l->s->im->conf.profile].charges && l->s->ims && l->s->ims->charging;
}

/* Which access network a peer says it is in, in the log: a name of another core's is worth a look (IMS-11, C2K-2). */
static void log_access(const struct session *s, struct span access)
{
	const struct profile *p = &profiles[s->im->conf.profile];
	struct span rest = access, type = span_trim(span_split(&rest, ';'));
	char buf[128];

	if (!type.n || !p->access[0])
		return;
	im_log(s->im, IM_INFO, "access-network", "sess=%lu type=%s profile=%s expected=%s by=%s",
	       (unsigned long)s->id, im_shown(buf, type), p->name,
	       span_istarts(type, span_of(p->access)) ? "yes" : "no",
	       span_find(rest, SPAN("network-provided")) != SPAN_NONE ? "network" : "device");
}

void ims_begin(struct session *s, const struct sip_msg *m)
{
	char buf[128];
	struct wbuf w = wbuf_on(buf, sizeof(buf));
	char token[UUID_LEN + 1];
	const struct leg *l = &s->leg[s->initiator];

	if (!l->trusted)
		return;
	log_access(s, sip_value(m, SIP_H_P_ACCESS_NETWORK_INFO));
	if (!profiles[s->im->conf.profile].charges || !ims_of(s) || s->ims->charging)
		return;
	im_token(s->im, token, UUID_LEN);
	w_str(&w, "icid-value="), w_str(&w, token);
	keep(&s->ims->charging, &w);
}

/* ---- Session-ID (IMS-18) ---- */

static bool is_uuid(struct span v)
{
	if (v.n != UUID_LEN)
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (!strchr("0123456789abcdef", v.p[i]) || !v.p[i])
			return false;
	return true;
}

/* What the peer calls local is its own; a proxy's error may speak for it. */
static void learn_uuid(struct leg *l, struct span value)
{
	static const struct span nil = SPAN("00000000000000000000000000000000");
	struct span uuid = span_trim(span_split(&value, ';'));

	if (!is_uuid(uuid) || span_eq(uuid, nil) || !ims_of(l->s))
		return;
	memcpy(l->s->ims->uuid[l->side], uuid.p, UUID_LEN);
	l->s->ims->uuid[l->side][UUID_LEN] = '\0';
}

/* local: the other endpoint's, in whose place we speak; remote: the receiver's. */
static void w_session_id(struct wbuf *w, const struct leg *l)
{
	const struct ims *ims = l->s->ims;
	const char *local = ims->uuid[side_other(l->side)], *remote = ims->uuid[l->side];
	const char *nil = "00000000000000000000000000000000";

	if (!local[0] && !remote[0])
		return;
	w_str(w, "Session-ID: "), w_str(w, local[0] ? local : nil);
	w_str(w, ";remote="), w_str(w, remote[0] ? remote : nil), w_str(w, "\r\n");
}

/* ---- Resource-Priority (IMS-15) ---- */

unsigned ims_priority(const struct sip_msg *m)
{
	struct sip_iter it = { 0 };
	bool known = false;

	if (!sip_lists(m, SIP_H_REQUIRE, SPAN("resource-priority")))
		return 0;
	/* one namespace we know is enough (RFC 4412 4.6.2) */
	for (struct span v; !known && sip_each(m, SIP_H_RESOURCE_PRIORITY, &it, &v);) {
		struct span ns = span_trim(span_split(&v, '.'));
		for (size_t i = 0; i < ARRAY_LEN(namespaces); i++)
			known |= span_ieq(ns, namespaces[i]);
	}
	return known ? 0 : 417;
}

static void learn_priority(struct session *s, const struct sip_msg *m)
{
	char buf[PRIORITY_MAX];
	struct wbuf w = wbuf_on(buf, sizeof(buf));

	if (!ims_of(s) || s->ims->priority)
		return;
	w_hdr_copy(&w, m, SIP_H_RESOURCE_PRIORITY);
	keep(&s->ims->priority, &w);
}

/* ---- both ways ---- */

void ims_learn(struct leg *l, const struct sip_msg *m)
{
	if (sip_has(m, SIP_H_SESSION_ID))
		learn_uuid(l, sip_value(m, SIP_H_SESSION_ID));
	if (l->trusted && sip_has(m, SIP_H_P_CHARGING_VECTOR) && profiles[l->s->im->conf.profile].charges)
		learn_charging(l->s, sip_value(m, SIP_H_P_CHARGING_VECTOR));
	if (m->request && sip_has(m, SIP_H_RESOURCE_PRIORITY))
		learn_priority(l->s, m);
}

void ims_copy(struct session *to, const struct session *from)
{
	if (!from->ims || !from->ims->charging || !ims_of(to) || to->ims->charging)
		return;
	to->ims->charging = span_dup(span_of(from->ims->charging));
	to->ims->anonymous = from->ims->anonymous;
}

void ims_w_own(struct wbuf *w, const struct leg *l, bool request)
{
	const struct ims *ims = l->s->ims;

	if (!ims)
		return;
	w_session_id(w, l);
	if (l->trusted && charges(l))
		w_charging(w, l, NULL, request);
	if (request && ims->priority)
		w_str(w, ims->priority);
}

/* At most one SIP or SIPS URI and one tel URI are asserted (RFC 3325 9.1): the first of each kind holds (IMS-3). */
static bool one_of_each(const struct sip_msg *m, struct wbuf *w)
{
	struct sip_iter it = { 0 };
	bool sip = false, tel = false, good = true;

	for (struct span v; sip_each(m, SIP_H_P_ASSERTED_IDENTITY, &it, &v);) {
		struct sip_name_addr na;
		bool *seen =
			sip_name_addr_parse(&na, v) == 0 && span_istarts(na.uri, SPAN("tel:")) ? &tel : &sip;

		if (*seen) {
			good = false;
			continue;
		}
		*seen = true;
		w_hdr(w, SIP_H_P_ASSERTED_IDENTITY, v);
	}
	return good;
}

void ims_w_pass(struct wbuf *w, const struct leg *l, const struct sip_msg *m, bool trusted,
		struct sip_hdr_set *set)
{
	const struct sip_hdr *asserted = sip_hdr(m, SIP_H_P_ASSERTED_IDENTITY);
	struct wbuf probe;

	if (trusted && charges(l)) {
		sip_set_drop(set, SIP_H_P_CHARGING_VECTOR);
		w_charging(w, l, m, m->request);
	}
	probe = *w;
	if (trusted && asserted &&
	    (sip_hdr_next(m, asserted) || span_chr(sip_hdr_value(m, asserted), ',') != SPAN_NONE) &&
	    !one_of_each(m, &probe)) {
		im_log(l->s->im, IM_WARN, "asserted-identity",
		       "sess=%lu why=\"two of a kind, the first holds\"", (unsigned long)l->s->id);
		sip_set_drop(set, SIP_H_P_ASSERTED_IDENTITY);
		*w = probe;
	}
}

/* ---- privacy (IMS-4) ---- */

static bool asks(const struct sip_msg *m, struct span what)
{
	for (const struct sip_hdr *h = sip_hdr(m, SIP_H_PRIVACY); h; h = sip_hdr_next(m, h)) {
		struct span rest = sip_hdr_value(m, h);
		while (rest.n)
			if (span_ieq(span_trim(span_split(&rest, ';')), what))
				return true;
	}
	return false;
}

void ims_hide(struct leg *to, const struct sip_msg *m)
{
	/* Inside the trust domain the core's privacy service does it, where the message leaves. */
	bool hide =
		!to->trusted && !asks(m, SPAN("none")) && (asks(m, SPAN("user")) || asks(m, SPAN("header")));

	if (sip_has(m, SIP_H_PRIVACY) && (hide || to->s->ims) && ims_of(to->s))
		to->s->ims->anonymous = hide;
}

bool ims_denies_privacy(const struct sip_msg *m)
{
	static const struct span known[] = { SPAN("id"),   SPAN("header"),   SPAN("session"), SPAN("user"),
					     SPAN("none"), SPAN("critical"), SPAN("history") };
	bool all = true;

	if (!asks(m, SPAN("critical")))
		return false;
	for (const struct sip_hdr *h = sip_hdr(m, SIP_H_PRIVACY); h; h = sip_hdr_next(m, h)) {
		struct span rest = sip_hdr_value(m, h);
		while (rest.n) {
			struct span v = span_trim(span_split(&rest, ';'));
			bool is_known = false;
			for (size_t i = 0; i < ARRAY_LEN(known); i++)
				is_known |= span_ieq(v, known[i]);
			all &= is_known;
		}
	}
	return !all;
}

bool ims_profile_registers(const struct im_conf *conf)
{
	return profiles[conf->profile].registers;
}
