/* SPDX-License-Identifier: MIT */
/*
 * MSRP over TLS: who connects is the TLS client (RFC 4975 14.3), all our ends show one certificate, made at the start,
 * and the other side must show the one that its SDP named (RFC 8122).  An accepted connection does not say beforehand
 * which of the two it is, so its first byte is looked at; that it is what its path is for is asked when it has said
 * whose it is.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "msrp.h"
#include "net/tls.h"

enum { SESSIONS_KEPT = 200, RECORD = 16384, HANDSHAKE = 22 /* RFC 8446 5.1 */ };

static struct tls *tls_of_all(void)
{
	static struct tls *t; /* as long as the process */
	struct net_tls_conf conf = { .any_peer = true };
	char why[256];
	if (!t && !(t = tls_create(&conf, why)))
		load_die("no TLS: %s", why);
	return t;
}

const char *load_fingerprint(void)
{
	static char text[NET_FINGERPRINT_MAX];
	if (!text[0])
		tls_fingerprint(tls_of_all(), text);
	return text;
}

void gen_set_tls(struct gen *g, struct span fingerprint)
{
	g->tls = strncmp(g->peer, "msrps:", 6) == 0;
	snprintf(g->fingerprint, sizeof(g->fingerprint), "%" SPAN_FMT, SPAN_ARG(fingerprint));
}

static void begin(struct load_conn *c, struct tls_link *l)
{
	if (!l)
		load_die("out of memory");
	c->tls = l;
	c->shaking = true;
}

void conn_tls_call(struct load_conn *c)
{
	/* There is one server: any session with it may be resumed, and each end keeps one of its own. */
	begin(c, tls_call(tls_of_all(), c->fd, SPAN_EMPTY, 1 + c->gen->end->flow % SESSIONS_KEPT));
}

bool conn_tls_look(struct load_conn *c)
{
	char first;
	ssize_t n = recv(c->fd, &first, 1, MSG_PEEK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	c->unknown = false;
	if (n == 1 && first == HANDSHAKE)
		begin(c, tls_accept(tls_of_all(), c->fd));
	return true;
}

bool conn_tls_fits(const struct load_conn *c, const struct gen *g)
{
	static const char form[] = "sha-256 ";
	uint8_t digest[64];
	size_t n, at = sizeof(form) - 1;
	char text[NET_FINGERPRINT_MAX];
	if ((c->tls != NULL) != g->tls)
		return false;
	if (!g->tls || !g->fingerprint[0])
		return true;
	n = tls_digest(c->tls, "SHA256", digest);
	memcpy(text, form, sizeof(form));
	for (size_t i = 0; i < n && i < 32; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%02X", i ? ":" : "", digest[i]);
	return n && strcasecmp(text, g->fingerprint) == 0;
}

bool conn_tls_shake(struct load_conn *c)
{
	int r = tls_handshake(c->tls);
	c->want_write = r == -EAGAIN && tls_wants_write(c->tls);
	if (r == -EAGAIN)
		return false;
	c->shaking = false;
	if (r < 0) {
		snprintf(c->words, sizeof(c->words), "TLS handshake: %s", tls_why(c->tls));
		conn_fail(c, c->words);
	} else if (c->gen && !conn_tls_fits(c, c->gen)) {
		conn_fail(c, "its certificate is not the one in its SDP");
	}
	return !c->closed;
}

ssize_t conn_recv(struct load_conn *c, void *p, size_t n)
{
	if (!c->tls)
		return recv(c->fd, p, n, 0);
	ssize_t r = tls_read(c->tls, p, n);
	errno = r < 0 ? (int)-r : 0;
	return r < 0 ? -1 : r;
}

ssize_t conn_send(struct load_conn *c, const struct iovec *iov, int n)
{
	if (!c->tls)
		return writev(c->fd, iov, n);
	ssize_t r = tls_write(c->tls, iov->iov_base, iov->iov_len < RECORD ? iov->iov_len : RECORD);
	errno = r < 0 ? (int)-r : 0;
	return r < 0 ? -1 : r;
}

void conn_tls_fill(struct load_conn *c, uint64_t now)
{
	struct gen *g = c->gen;
	while (g && g->body_left && c->o_n - c->o_at < RECORD) {
		size_t room = RECORD - (c->o_n - c->o_at);
		struct span s = pattern_at(g->end->flow, g->body_k, g->body_off,
					   g->body_left < room ? (size_t)g->body_left : room);
		memcpy(c->out + c->o_n, s.p, s.n);
		c->o_n += s.n;
		g->body_off += s.n;
		g->body_left -= s.n;
		if (g->body_left == 0)
			end_body_done(g, now);
	}
}

bool conn_has_more(const struct load_conn *c)
{
	return c->tls && tls_has_more(c->tls);
}

bool conn_tls_resumed(const struct load_conn *c)
{
	return c->tls && tls_resumed(c->tls);
}

void conn_tls_end(struct load_conn *c)
{
	tls_free(c->tls);
	c->tls = NULL;
}
