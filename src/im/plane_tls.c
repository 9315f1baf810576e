/* SPDX-License-Identifier: MIT */
/*
 * Is the peer of a TLS connection whom the SDP of a session names (RFC 4975 14, RFC 8122 6)?  Asked of a connection
 * that we made before a byte is written to it, and of one that came in when its first request has said which session it
 * is for (UP-11), before anything is done about it.
 *
 * A fingerprint of the SDP decides alone.  Without one the host of the peer's first URI must be in a certificate that
 * chains to an authority of ours, which only who connects can ask (UP-47).  One connection may carry several sessions, so
 * the question is per session, and sessions that name different certificates never share a connection (UP-49).
 */
#include "im/plane_int.h"

const char plane_stranger[] = "certificate is not the one in SDP";

/* The fingerprints lie behind the texts, as bytes. */
static const uint8_t *prints(const struct plane_peer *p)
{
	return (const uint8_t *)p->text + p->path_n + p->types_n + p->wrapped_n;
}

struct span plane_tls_prints(const struct plane_peer *p)
{
	return (struct span){ (const char *)prints(p), p->n_prints * sdp_digest_len(p->hash) };
}

void plane_tls_w_prints(struct wbuf *w, struct plane_peer *p, const struct sdp_prints *from)
{
	p->hash = (uint8_t)from->hash;
	p->n_prints = from->n;
	for (unsigned i = 0; i < from->n; i++)
		w_bytes(w, from->digest[i], sdp_digest_len(from->hash));
}

static bool has(const struct plane_peer *p, const uint8_t *digest)
{
	size_t n = sdp_digest_len(p->hash);

	for (unsigned i = 0; i < p->n_prints; i++)
		if (memcmp(prints(p) + i * n, digest, n) == 0)
			return true;
	return false;
}

bool plane_tls_same(const struct plane_peer *a, const struct plane_peer *b)
{
	if (a->hash != b->hash || a->n_prints != b->n_prints)
		return false;
	for (unsigned i = 0; i < a->n_prints; i++)
		if (!has(b, prints(a) + i * sdp_digest_len(a->hash)))
			return false;
	return true;
}

/* UP-47: we called it by this host. */
static bool is_named(const struct plane_path *p, const struct plane_conn *c)
{
	struct planes *ps = c->ps;
	struct msrp_uri u;

	return c->dest_name && msrp_uri_parse(&u, peer_first(p->peer)) == 0 &&
	       ps->port.msrp_names(ps->port.w, c->wc, u.host);
}

bool plane_tls_ok(const struct plane_path *p, const struct plane_conn *c)
{
	struct planes *ps = c->ps;
	uint8_t digest[SDP_DIGEST_MAX];
	bool ok;

	if (p->tp != PLANE_TLS)
		return true;
	if (!p->peer)
		return false;
	if (p->peer->n_prints)
		ok = ps->port.msrp_digest(ps->port.w, c->wc, (enum sdp_hash)p->peer->hash, digest) ==
			     sdp_digest_len(p->peer->hash) &&
		     has(p->peer, digest);
	else
		ok = is_named(p, c);
	if (ok)
		return true;
	ps->stats.strangers++;
	plane_log(ps, IM_WARN, "msrp-certificate", "side=%c line=%u by=%s why=\"not the one its SDP names\"",
		  side_name((enum side)p->end->side), p->end->line->index,
		  p->peer->n_prints ? "fingerprint" : "name");
	return false;
}
