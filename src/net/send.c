/* SPDX-License-Identifier: MIT */
/* Where a SIP message goes: by which transport, and after which name was looked up. */
#include <errno.h>
#include <stdlib.h>

#include "net/locate.h"

enum {
	ROUNDS_MAX = 32
}; /* of questions for one message: answers that live for a second must not keep it for ever */

struct waiting { /* a message whose next hop's name is being looked up */
	struct resolve_wait wait;
	struct list link_all; /* on net->waiting */
	struct net *net;
	struct sip_dest to; /* host lies in bytes */
	uint64_t token;
	unsigned rounds;
	size_t n;
	char bytes[]; /* the message, and behind it the host's name */
};

/* UDP takes the first address of a family we have a socket for. */
static int send_to(struct net *n, enum sip_transport tp, uint64_t conn, struct span host,
		   const struct addr *addrs, unsigned n_addrs, struct span bytes, uint64_t token)
{
	int err = -EAFNOSUPPORT;

	if (tp != SIP_UDP)
		return sip_stream_send(n, tp, conn, host, addrs, n_addrs, bytes, token);
	for (unsigned i = 0; i < n_addrs && err == -EAFNOSUPPORT; i++)
		err = udp_send(n, conn, &addrs[i], bytes, token);
	return err;
}

/* The Via says by which transport it came (RFC 3261 18.1.1); which, only the answer of a name server told. */
static int send_by(struct net *n, const struct sip_dest *to, const struct target *t, struct span bytes,
		   uint64_t token)
{
	static const char *const names[] = { "UDP", "TCP", "TLS" };
	size_t via = span_find(bytes, SPAN("\r\nVia: SIP/2.0/"));
	char *copy;
	int r;

	if (t->tp == to->tp || via == SPAN_NONE || span_starts(bytes, SPAN("SIP/2.0 ")))
		return send_to(n, t->tp, 0, to->host, t->addrs, t->n, bytes, token);
	copy = malloc(bytes.n);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, bytes.p, bytes.n);
	memcpy(copy + via + strlen("\r\nVia: SIP/2.0/"), names[t->tp], 3);
	r = send_to(n, t->tp, 0, to->host, t->addrs, t->n, (struct span){ copy, bytes.n }, token);
	free(copy);
	return r;
}

static void on_resolved(struct resolve_wait *w, const struct addr *found, unsigned n_found)
{
	struct waiting *m = container_of(w, struct waiting, wait);
	struct net *n = m->net;
	struct span bytes = { m->bytes, m->n };
	struct target t;
	int r = ++m->rounds < ROUNDS_MAX ? locate(n, &m->to, bytes, &t, &m->wait) : -ELOOP;

	(void)found, (void)n_found;
	if (r == 0)
		return; /* one more question */
	list_del(&m->link_all);
	n->n_waiting--;
	if (r < 0 || send_by(n, &m->to, &t, bytes, m->token) < 0)
		net_fail_token(n, m->token);
	free(m);
}

static struct waiting *waiting_new(struct net *n, const struct sip_dest *to, struct span bytes,
				   uint64_t token)
{
	struct waiting *m;

	if (n->n_waiting >= n->conf.resolve_waiting_max)
		return NULL;
	m = malloc(sizeof(*m) + bytes.n + to->host.n);
	if (!m)
		return NULL;
	*m = (struct waiting){ .wait.done = on_resolved, .net = n, .to = *to, .token = token, .n = bytes.n };
	memcpy(m->bytes, bytes.p, bytes.n);
	memcpy(m->bytes + bytes.n, to->host.p, to->host.n);
	m->to.host = (struct span){ m->bytes + bytes.n, to->host.n };
	return m;
}

/* Said again while its name is still looked up: once is enough, when there is an answer. */
static bool waits_already(struct net *n, uint64_t token, struct span bytes)
{
	if (token)
		list_each(l, &n->waiting) {
			const struct waiting *m = container_of(l, struct waiting, link_all);
			if (m->token == token && span_eq((struct span){ m->bytes, m->n }, bytes))
				return true;
		}
	return false;
}

static int send_by_name(struct net *n, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	struct waiting *m;
	struct target t;
	int r;

	if (waits_already(n, token, bytes))
		return 1;
	m = waiting_new(n, to, bytes, token);
	if (!m)
		return -ENOBUFS;
	r = locate(n, to, bytes, &t, &m->wait);
	if (r == 0) {
		n->n_waiting++;
		list_push(&n->waiting, &m->link_all);
		return 0;
	}
	free(m);
	return r < 0 ? r : send_by(n, to, &t, bytes, token);
}

int net_sip_send(struct net *n, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	if (to->tp == SIP_OTHER_TRANSPORT || (to->tp == SIP_TLS && !n->tls))
		return -ENOTSUP;
	if (bytes.n == 0)
		return -EINVAL;
	if (to->tp != SIP_UDP && to->conn && sip_conn_is(n, to->conn))
		return sip_stream_send(n, to->tp, to->conn, SPAN_EMPTY, NULL, 0, bytes, token);
	if (sip_is_ws(to->tp) && !to->ip.family)
		return -ENOTCONN; /* a name in .invalid, and its connection is gone */
	if (to->ip.family)
		return send_to(n, to->tp, to->conn, SPAN_EMPTY, &to->ip, 1, bytes, token);
	return send_by_name(n, to, bytes, token);
}

void send_finish(struct net *n)
{
	list_each(l, &n->waiting) {
		struct waiting *m = container_of(l, struct waiting, link_all);
		list_del(&m->wait.link);
		list_del(&m->link_all);
		free(m);
	}
}
