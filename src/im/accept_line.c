/* SPDX-License-Identifier: MIT */
/*
 * The rules for one m=message line, as a table in the order of ACC-2; each looks at the line and refuses or lets pass.
 *
 * What is hard: a wrong c= or port matters only if we would have to connect, because an MSRP endpoint goes by the path
 * (ACC-2e).  And CLASS-20 says "to inactive and back", but what the direction was before the hold is not in the last
 * SDP: so from inactive any one-way direction may follow; two-way may not, since that is what the class forbids.
 */
#include "im/accept_int.h"

#include "msrp/uri.h"

static struct span policy_types(const struct accept_judge *j)
{
	return span_of(j->conf->accept_types);
}

/* Whether we shall be the ones to connect (UP-6, UP-7): an offerer that says passive makes us active; of answers
 * to our actpass only active lets us wait. */
static bool we_connect(const struct accept_judge *j, const struct sdp_msrp *m)
{
	if (!accept_anchored(j) || m->ws)
		return false;
	return j->answer ? m->setup != SDP_SETUP_ACTIVE : m->setup == SDP_SETUP_PASSIVE;
}

/* ---- addresses ---- */

static struct span without_brackets(struct span host)
{
	bool in = host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';

	return in ? span_cut(host, 1, host.n - 1) : host;
}

/* As text first, then as address: IPv6 has many spellings (ACC-2d). */
static bool same_host(struct span a, struct span b)
{
	struct addr x, y;

	a = without_brackets(a);
	b = without_brackets(b);
	return span_ieq(a, b) || (addr_parse(&x, a, 0) && addr_parse(&y, b, 0) && addr_same_ip(&x, &y));
}

static bool is_null_address(const struct sdp_conn *c)
{
	struct addr a;

	return addr_parse(&a, c->addr, 0) && addr_is_any(&a);
}

static bool matches_uri(const struct sdp_msrp *m, struct span uri)
{
	struct msrp_uri u;

	return msrp_uri_parse(&u, uri) == 0 && u.port == m->port && same_host(u.host, m->conn.addr);
}

/* Multicast, broadcast, unspecified; loopback too where policy says so (ACC-2o, RFC 4975 14.5). */
static bool is_denied(const struct im_conf *conf, const struct addr *a)
{
	static const uint8_t broadcast[4] = { 255, 255, 255, 255 };
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t loopback6[16] = { [15] = 1 };
	const uint8_t *v4 = a->ip;

	if (addr_is_any(a))
		return true;
	if (a->family == 6) {
		if (memcmp(a->ip, mapped, sizeof(mapped)) != 0)
			return a->ip[0] == 0xff ||
			       (conf->deny_loopback && memcmp(a->ip, loopback6, sizeof(loopback6)) == 0);
		v4 = a->ip + 12;
	}
	return (v4[0] & 0xf0) == 224 || v4[0] == 0 || memcmp(v4, broadcast, sizeof(broadcast)) == 0 ||
	       (conf->deny_loopback && v4[0] == 127);
}

/* ---- the rules for one message line ---- */

/* ACC-2a.  Anchored the line is ours to serve, where we listen for it. */
static bool rule_proto(struct accept_judge *j, const struct accept_line *l)
{
	if (!l->now.tcp && !l->now.tls)
		return accept_refuse_line(j, l->i, 302, "transport is not TCP/MSRP");
	if (accept_anchored(j) && !j->conf->plane.at[plane_tp_of(&l->now)].port)
		return accept_refuse_line(j, l->i, 302,
					  l->now.ws    ? "MSRP over WebSocket is not available"
					  : l->now.tls ? "MSRP over TLS is not available"
						       : "MSRP is only available over TLS");
	if (!l->now.any_format)
		return accept_refuse_line(j, l->i, 305, "format is not *");
	return true;
}

/* ACC-2b */
static bool rule_path(struct accept_judge *j, const struct accept_line *l)
{
	struct span rest = l->now.path, uri;
	struct msrp_uri u = { 0 };

	if (l->now.n_path == 0 || l->now.first_uri.n == 0)
		return accept_refuse_line(j, l->i, 399, "no a=path");
	while (msrp_path_next(&rest, &uri)) {
		if (msrp_uri_parse(&u, uri) < 0)
			return accept_refuse_line(j, l->i, 399, "a=path is not an MSRP URI");
		if (u.port == 0)
			return accept_refuse_line(j, l->i, 399, "no port in a=path");
		if (!span_ieq(u.transport, SPAN("tcp")) && !span_ieq(u.transport, SPAN("ws")))
			return accept_refuse_line(j, l->i, 302, "transport of a=path is not tcp or ws");
	}
	if (u.session.n == 0)
		return accept_refuse_line(j, l->i, 399, "no session-id in a=path");
	return true;
}

/* ACC-2c: the first hop is the connection the m= line speaks of. */
static bool rule_scheme(struct accept_judge *j, const struct accept_line *l)
{
	struct msrp_uri u;

	if (msrp_uri_parse(&u, l->now.first_uri) == 0 && u.tls == l->now.tls)
		return true;
	return accept_refuse_line(j, l->i, 302, "scheme of a=path does not fit the transport");
}

/* ACC-2l */
static bool rule_address(struct accept_judge *j, const struct accept_line *l)
{
	const struct sdp_conn *c = &l->now.conn;
	struct addr a;

	if (!accept_anchored(j))
		return true;
	if (!span_ieq(c->nettype, SPAN("IN")))
		return accept_refuse_line(j, l->i, 300, "network type is not IN");
	bool ip4 = span_ieq(c->addrtype, SPAN("IP4"));
	if (!ip4 && !span_ieq(c->addrtype, SPAN("IP6")))
		return accept_refuse_line(j, l->i, 301, "address type is not IP4 or IP6");
	if (addr_parse(&a, c->addr, 0) && (a.family == 4) != ip4)
		return accept_refuse_line(j, l->i, 301, "address is not of its type");
	return true;
}

/* SDP-11: "send nothing" makes sense only to who connects himself, or to nobody. */
static bool rule_null_address(struct accept_judge *j, const struct accept_line *l)
{
	if (!is_null_address(&l->now.conn) || l->now.setup == SDP_SETUP_ACTIVE || l->now.dir == SDP_INACTIVE)
		return true;
	return accept_refuse_line(j, l->i, 301, "null address needs setup:active or inactive");
}

/* Do both say msrp-cema?  An answer, if our offer did; an offer, if our answer will, which is the side's matter: only where
 * both sides have it is it known here, so that with one alone nothing is excused that is not sure. */
static bool by_cema(const struct accept_judge *j, const struct accept_line *l)
{
	struct sdp_msrp ours;

	if (!l->now.cema || !l->now.conn.given || !j->conf->plane.cema)
		return false;
	if (!j->answer)
		return j->conf->plane.cema == (1 << SIDE_A | 1 << SIDE_B);
	if (!j->mine || l->i >= j->mine->n_media)
		return false;
	sdp_msrp_of(j->mine, l->i, &ours);
	return ours.cema;
}

/* ACC-2d, 2e: what c= and m= say matters only if we would have to connect.  With CEMA that is where we connect; without,
 * the peer's msrp-cema does not excuse a mismatch: such a path may be unroutable on purpose (UP-30). */
static bool rule_place(struct accept_judge *j, const struct accept_line *l)
{
	if (!we_connect(j, &l->now) || is_null_address(&l->now.conn) || by_cema(j, l) ||
	    matches_uri(&l->now, l->now.last_uri) || matches_uri(&l->now, l->now.first_uri))
		return true;
	return accept_refuse_line(j, l->i, 399, "c= and port match no URI of a=path");
}

/* ACC-2o */
static bool rule_denied(struct accept_judge *j, const struct accept_line *l)
{
	struct msrp_uri u;
	struct addr a;

	if (!we_connect(j, &l->now))
		return true;
	if (by_cema(j, l) && addr_parse(&a, l->now.conn.addr, l->now.port) && is_denied(j->conf, &a))
		return accept_refuse_line(j, l->i, 399, "address of c= is not allowed");
	if (msrp_uri_parse(&u, l->now.first_uri) == 0 && addr_parse(&a, u.host, u.port) && !by_cema(j, l) &&
	    is_denied(j->conf, &a))
		return accept_refuse_line(j, l->i, 399, "address of a=path is not allowed");
	for (unsigned i = 0; j->mine && i < j->mine->n_media; i++) {
		struct sdp_msrp ours;
		sdp_msrp_of(j->mine, i, &ours);
		if (ours.active && msrp_uri_eq(ours.last_uri, l->now.first_uri))
			return accept_refuse_line(j, l->i, 399, "a=path is our own");
	}
	return true;
}

/* ACC-2k, UP-47, UP-48: how shall we know the peer?  By a fingerprint, if what brought it can be believed; else by the
 * name we call, if we are the ones to call.  Its own word that nobody has signed says nothing. */
static bool rule_certificate(struct accept_judge *j, const struct accept_line *l)
{
	struct sdp_prints prints;

	if (!l->now.tls || l->now.ws || !accept_anchored(j)) /* a browser has no certificate of its own */
		return true;
	sdp_prints_of(j->sdp, l->i, plane_weakest(&j->conf->plane), &prints);
	if (prints.bad)
		return accept_refuse_line(j, l->i, 399, "a=fingerprint cannot be read");
	if (prints.n && !j->safe)
		return accept_refuse_line(j, l->i, 399, "a=fingerprint came by a way that is not safe");
	if (prints.n || (j->conf->plane.tls_names && we_connect(j, &l->now)))
		return true;
	return accept_refuse_line(j, l->i, 399,
				  l->now.fingerprint.n ? "no a=fingerprint of a hash that is allowed"
						       : "no a=fingerprint");
}

/* ACC-2f; accept-wrapped-types without a container is useless but harmless (ACC-2g). */
static bool rule_types(struct accept_judge *j, const struct accept_line *l)
{
	if (l->now.accept_types.n == 0)
		return accept_refuse_line(j, l->i, 305, "no a=accept-types");
	if (!accept_types_meet(policy_types(j), l->now.accept_types))
		return accept_refuse_line(j, l->i, 305, "none of accept-types is allowed");
	return true;
}

/* ACC-2h */
static bool rule_max_size(struct accept_judge *j, const struct accept_line *l)
{
	if (!l->now.has_max_size)
		return true;
	if (l->now.bad_max_size)
		return accept_refuse_line(j, l->i, 399, "max-size is not a number");
	if (l->now.max_size == 0 || l->now.max_size < j->conf->min_max_size)
		return accept_refuse_line(j, l->i, 399, "max-size is too small");
	return true;
}

/* ACC-2i: holdconn is taken as absent, passive in an offer as what it says; a=connection is never looked at (2j). */
static bool rule_setup(struct accept_judge *j, const struct accept_line *l)
{
	if (l->now.ws && l->now.setup == SDP_SETUP_PASSIVE)
		return accept_refuse_line(j, l->i, 399, "nobody can connect to a WebSocket client");
	if (l->now.setup != SDP_SETUP_UNKNOWN)
		return true;
	return accept_refuse_line(j, l->i, 399, "unknown a=setup");
}

/* ACC-2m */
static bool rule_file(struct accept_judge *j, const struct accept_line *l)
{
	const struct sdp_msrp *m = &l->now;
	uint64_t max = j->conf->max_size;
	struct sdp_file f;

	if (!m->is_file)
		return true;
	if (!j->conf->file_transfer)
		return accept_refuse_line(j, l->i, 399, "file transfer is not allowed");
	if (m->file_selector.n == 0 || m->file_transfer_id.n == 0)
		return accept_refuse_line(j, l->i, 399, "file-selector and file-transfer-id go together");
	if (sdp_file_selector(m->file_selector, &f) < 0)
		return accept_refuse_line(j, l->i, 399, "file-selector is broken");
	if (f.has_size && max && f.size > max)
		return accept_refuse_line(j, l->i, 399, "file is too large");
	if (f.type.n && !sdp_type_accepted(policy_types(j), f.type))
		return accept_refuse_line(j, l->i, 399, "file type is not allowed");
	if (m->dir == SDP_SENDONLY || m->dir == SDP_RECVONLY || (m->dir == SDP_INACTIVE && l->was))
		return true;
	return accept_refuse_line(j, l->i, 399, "file transfer is neither sendonly nor recvonly");
}

/* ACC-2n, and of chat lines as many as CLASS-20 leaves to policy. */
static bool rule_count(struct accept_judge *j, const struct accept_line *l)
{
	if (l->was)
		return true;
	if (j->n_streams >= j->conf->max_streams || (accept_anchored(j) && j->n_streams >= PLANE_LINES_MAX))
		return accept_refuse_line(j, l->i, 399, "too many message lines");
	if (!l->now.is_file && j->n_chats >= j->conf->max_chats)
		return accept_refuse_line(j, l->i, 399, "too many chat lines");
	return true;
}

/* A session-id is one MSRP session: a line cannot take that of another, now or before (SDP-6, SDP-34). */
static bool rule_own_path(struct accept_judge *j, const struct accept_line *l)
{
	struct sdp_msrp other;

	for (unsigned i = 0; i < j->sdp->n_media; i++) {
		if (i == l->i || !j->sdp->media[i].port)
			continue;
		sdp_msrp_of(j->sdp, i, &other);
		if (msrp_uri_eq(other.last_uri, l->now.last_uri))
			return accept_refuse_line(j, l->i, 399, "a=path is that of another line");
	}
	for (unsigned i = 0; j->before && i < j->before->n_media; i++) {
		if (i == l->i || !accept_was_active(j, i))
			continue;
		sdp_msrp_of(j->before, i, &other);
		if (msrp_uri_eq(other.last_uri, l->now.last_uri))
			return accept_refuse_line(j, l->i, 399, "m= line has moved");
	}
	return true;
}

/* New lines of CLASS-20.  A large message is one message on one line, so its first offer is judged too (CLASS-8). */
static bool class_new_line(struct accept_judge *j, const struct accept_line *l)
{
	if (j->class == IM_CLASS_LARGE_MESSAGE) {
		if (l->now.is_file)
			return accept_refuse_line(j, l->i, 399,
						  "no file transfer in a large-message session");
		if (j->before || j->n_streams > 0)
			return accept_refuse_line(j, l->i, 399, "no further line in a large-message session");
	}
	if (j->class == IM_CLASS_FILE_TRANSFER && j->before && !l->now.is_file)
		return accept_refuse_line(j, l->i, 399, "no chat line in a file-transfer session");
	return true;
}

/* What a peer may send and receive now: its own word, as far as ours allowed it.  Answers to sendonly are seen that
 * leave recvonly out. */
static enum sdp_dir direction_in_force(const struct accept_judge *j, const struct accept_line *l)
{
	enum sdp_dir ours = SDP_SENDRECV;

	if (j->mine && l->i < j->mine->n_media)
		ours = sdp_direction(j->mine, (int)l->i);
	return l->old.dir &
	       ((ours & SDP_RECVONLY ? SDP_SENDONLY : 0) | (ours & SDP_SENDONLY ? SDP_RECVONLY : 0));
}

/* "Only to inactive and back": one-way never becomes two-way, nor turns round while it runs. */
static bool direction_may_become(const struct accept_judge *j, const struct accept_line *l)
{
	enum sdp_dir now = l->now.dir, force = direction_in_force(j, l);

	return now == SDP_INACTIVE || now == l->old.dir || now == force ||
	       (force == SDP_INACTIVE && now != SDP_SENDRECV);
}

/* Changed lines of CLASS-20.  A chat line of a session that RCS calls a file transfer (the file goes over HTTP, its
 * link through the chat) has no file to protect and changes like any chat. */
static bool class_changed_line(struct accept_judge *j, const struct accept_line *l)
{
	const struct sdp_msrp *now = &l->now, *old = &l->old;
	bool large = j->class == IM_CLASS_LARGE_MESSAGE;
	bool file = j->class == IM_CLASS_FILE_TRANSFER && old->is_file;

	if (now->is_file != old->is_file || !span_eq(now->file_transfer_id, old->file_transfer_id))
		return accept_refuse_line(j, l->i, 399, "active line cannot become another transfer");
	if (!large && !file)
		return true;
	if (!direction_may_become(j, l))
		return accept_refuse_line(j, l->i, 399, "direction may only go to inactive and back");
	if (!accept_types_within(now->accept_types, old->accept_types) ||
	    !accept_types_within(now->accept_wrapped_types, old->accept_wrapped_types))
		return accept_refuse_line(j, l->i, 399, "accept-types may not widen");
	if (file && (!accept_types_within(old->accept_types, now->accept_types) ||
		     !accept_types_within(old->accept_wrapped_types, now->accept_wrapped_types)))
		return accept_refuse_line(j, l->i, 399, "accept-types may not change");
	return true;
}

/* ACC-2p */
static bool rule_class(struct accept_judge *j, const struct accept_line *l)
{
	return l->was ? class_changed_line(j, l) : class_new_line(j, l);
}

/* ACC-2q */
static bool rule_downgrade(struct accept_judge *j, const struct accept_line *l)
{
	if (!l->was || !l->old.tls || l->now.tls || j->conf->allow_downgrade)
		return true;
	return accept_refuse_line(j, l->i, 399, "TLS may not be given up");
}

static const struct {
	bool (*rule)(struct accept_judge *j, const struct accept_line *l);
	bool offers_only;
} rules[] = {
	{ rule_proto, false },    { rule_path, false },         { rule_scheme, false },
	{ rule_address, false },  { rule_null_address, false }, { rule_place, false },
	{ rule_denied, false },   { rule_certificate, false },  { rule_types, false },
	{ rule_max_size, false }, { rule_setup, false },        { rule_file, true },
	{ rule_own_path, true },  { rule_class, true },         { rule_count, true },
	{ rule_downgrade, true },
};

bool accept_message_line(struct accept_judge *j, struct accept_line *l)
{
	l->was = accept_was_active(j, l->i);
	if (l->was) {
		sdp_msrp_of(j->before, l->i, &l->old);
		l->was = l->old.is_message;
	}
	for (size_t r = 0; r < ARRAY_LEN(rules); r++)
		if (!(j->answer && rules[r].offers_only) && !rules[r].rule(j, l))
			return false;
	if (!l->was) {
		j->n_streams++;
		j->n_chats += !l->now.is_file;
	}
	return true;
}
