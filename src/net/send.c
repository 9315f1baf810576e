/* SPDX-License-Identifier: MIT */
/* Where a SIP message goes: by which transport, and after which name was looked up. */
#include <errno.h>
#include <stdlib.h>

#include "net/priv.h"

struct waiting { /* a message whose next hop's name is being looked up */
	struct resolve_wait wait;
	struct list link_all; /* on net->waiting */
	struct net *net;
	enum sip_transport tp;
	uint16_t port;
	uint64_t token;
	size_t n, host_n;
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

static void set_port(struct addr *addrs, unsigned n, uint16_t port)
{
	for (unsigned i = 0; i < n; i++)
		addrs[i].port = port;
}

static void on_resolved(struct resolve_wait *w, const struct addr *found, unsigned n_found)
{
	struct waiting *m = container_of(w, struct waiting, wait);
	struct net *n = m->net;
	struct addr addrs[NET_ADDRS_MAX];

	memcpy(addrs, found, n_found * sizeof(*found));
	set_port(addrs, n_found, m->port);
	list_del(&m->link_all);
	n->n_waiting--;
	if (n_found == 0 || send_to(n, m->tp, 0, (struct span){ m->bytes + m->n, m->host_n }, addrs, n_found,
				    (struct span){ m->bytes, m->n }, m->token) < 0)
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
	*m = (struct waiting){ .wait.done = on_resolved,
			       .net = n,
			       .tp = to->tp,
			       .port = to->ip.port,
			       .token = token,
			       .n = bytes.n,
			       .host_n = to->host.n };
	memcpy(m->bytes, bytes.p, bytes.n);
	memcpy(m->bytes + bytes.n, to->host.p, to->host.n);
	return m;
}

static int send_by_name(struct net *n, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	struct addr addrs[NET_ADDRS_MAX];
	struct waiting *m = waiting_new(n, to, bytes, token);
	int found;

	if (!m)
		return -ENOBUFS;
	found = resolve(n, to->host, addrs, &m->wait);
	if (found == 0) {
		n->n_waiting++;
		list_push(&n->waiting, &m->link_all);
		return 0;
	}
	free(m);
	if (found < 0)
		return found;
	set_port(addrs, (unsigned)found, to->ip.port);
	return send_to(n, to->tp, to->conn, to->host, addrs, (unsigned)found, bytes, token);
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
