/* SPDX-License-Identifier: MIT */
/*
 * CEMA (RFC 6714, UP-30): the line is found by its c= and m= port, so that somebody between who knows nothing of MSRP may
 * rewrite those, and the path only names it.  Each leg is asked by itself (msrp.cema).
 *
 * What is hard is the peer that knows nothing of it while somebody between has rewritten its answer: the connection would
 * go to the path past him, or come from nowhere.  Then we offer again, without msrp-cema, so that he looks into the
 * path (RFC 6714 4.2).
 */
#include "im/core.h"
#include "msrp/uri.h"

static bool is_on(const struct leg *l)
{
	return l->s->im->conf.plane.cema >> l->side & 1;
}

bool cema_said(const struct leg *l, const struct sdp_msrp *answered)
{
	if (!is_on(l))
		return false;
	return answered ? answered->cema : l->cema == CEMA_AS_SET;
}

static bool path_is_place(const struct sdp_msrp *m)
{
	struct msrp_uri u;
	struct addr a, b;
	struct span host;

	if (msrp_uri_parse(&u, m->last_uri) < 0 || u.port != m->port)
		return false;
	host = u.host.n && u.host.p[0] == '[' ? span_cut(u.host, 1, u.host.n - 1) : u.host;
	return span_ieq(host, m->conn.addr) ||
	       (addr_parse(&a, host, 0) && addr_parse(&b, m->conn.addr, 0) && addr_same_ip(&a, &b));
}

/* Our offer had it, the answer has not, and things are not as the path says. */
static bool must_offer_again(const struct sdp *ours, const struct sdp *theirs)
{
	for (unsigned i = 0; i < ours->n_media && i < theirs->n_media; i++) {
		struct sdp_msrp o, t;
		sdp_msrp_of(ours, i, &o);
		sdp_msrp_of(theirs, i, &t);
		if (o.active && t.active && o.cema && !t.cema && !path_is_place(&t) &&
		    (t.setup == SDP_SETUP_ACTIVE || t.first_uri.p != t.last_uri.p))
			return true;
	}
	return false;
}

void cema_check(struct session *s, uint64_t now_us)
{
	struct sdp *ours = s->im->sdp[2], *theirs = s->im->sdp[3];

	for (unsigned i = 0; s->im->conf.plane.cema && i < 2; i++) {
		struct leg *l = &s->leg[i];
		if (!is_on(l) || l->cema != CEMA_AS_SET || sdp_parse(ours, sdp_oa_local(&l->oa), NULL) < 0 ||
		    sdp_parse(theirs, sdp_oa_remote(&l->oa), NULL) < 0 || !must_offer_again(ours, theirs))
			continue;
		l->cema = CEMA_DUE;
		modify_own(s, l->side, now_us);
	}
}
