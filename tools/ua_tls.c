/* SPDX-License-Identifier: MIT */
/*
 * MSRP over TLS in parley-ua: its own certificate, made at the start, whose fingerprint it writes into its SDP, and the
 * fingerprints of the other side, one of which a connection has to show before anything is said on it.
 */
#include <errno.h>
#include <sys/socket.h>

#include "net/tls.h"
#include "ua.h"

static struct tls *tls_of(struct ua *ua)
{
	struct net_tls_conf conf = { .any_peer = true };
	char why[256];

	if (!ua->tls && !(ua->tls = tls_create(&conf, why)))
		ua_note(ua, "no TLS: %s", why);
	return ua->tls;
}

const char *ua_tls_fingerprint(struct ua *ua)
{
	if (!ua->fingerprint[0] && tls_of(ua))
		tls_fingerprint(ua->tls, ua->fingerprint);
	return ua->fingerprint;
}

bool ua_tls_begin(struct ua *ua, struct ua_conn *c, bool called)
{
	struct tls *t = tls_of(ua);

	c->tls = !t ? NULL : called ? tls_call(t, c->fd, SPAN_EMPTY, 0) : tls_accept(t, c->fd);
	c->shaking = c->tls != NULL;
	return c->shaking;
}

/* 1: done; 0: goes on; -1: failed. */
int ua_tls_shake(struct ua *ua, struct ua_conn *c)
{
	int r = tls_handshake(c->tls);

	if (r == -EAGAIN)
		return 0;
	if (r < 0) {
		ua_note(ua, "TLS handshake failed: %s", tls_why(c->tls));
		return -1;
	}
	c->shaking = false;
	return 1;
}

bool ua_tls_waits_for_room(const struct ua_conn *c)
{
	return c->shaking && tls_wants_write(c->tls);
}

bool ua_tls_has_more(const struct ua_conn *c)
{
	return c->tls && tls_has_more(c->tls);
}

ssize_t ua_conn_send(struct ua_conn *c, const void *p, size_t n)
{
	ssize_t r;

	if (!c->tls)
		return send(c->fd, p, n, MSG_NOSIGNAL);
	r = tls_write(c->tls, p, n);
	errno = r < 0 ? (int)-r : 0;
	return r < 0 ? -1 : r;
}

ssize_t ua_conn_recv(struct ua_conn *c, void *p, size_t n)
{
	ssize_t r;

	if (!c->tls)
		return recv(c->fd, p, n, 0);
	r = tls_read(c->tls, p, n);
	errno = r < 0 ? (int)-r : 0;
	return r < 0 ? -1 : r;
}

void ua_tls_end(struct ua_conn *c)
{
	if (c->tls)
		tls_say_end(c->tls);
	tls_free(c->tls);
	c->tls = NULL;
}

void ua_tls_finish(struct ua *ua)
{
	tls_destroy(ua->tls);
	ua->tls = NULL;
}

bool ua_tls_is_peer(struct ua *ua, const struct ua_line *l, const struct ua_conn *c)
{
	static const char *const name[] = {
		[SDP_SHA256] = "SHA256", [SDP_SHA384] = "SHA384", [SDP_SHA512] = "SHA512"
	};
	const struct sdp_prints *p = &l->prints;
	uint8_t digest[64];
	size_t n;

	if ((c->tls != NULL) != l->tls) {
		ua_note(ua, "a connection %s TLS for a line that has it otherwise",
			c->tls ? "with" : "without");
		return false;
	}
	if (!l->tls)
		return true;
	n = p->n ? tls_digest(c->tls, name[p->hash], digest) : 0;
	for (unsigned i = 0; n && i < p->n; i++)
		if (memcmp(p->digest[i], digest, n) == 0)
			return true;
	ua_note(ua, "the certificate of the other side is not the one in its SDP");
	return false;
}
