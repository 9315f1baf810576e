/* SPDX-License-Identifier: MIT */
/*
 * SIP over UDP, in batches: one recvmmsg takes what has arrived, one sendmmsg sends what came of it.
 *
 * What is hard: ICMP errors.  An unconnected socket hears of them through its error queue (ip(7),
 * IP_RECVERR), with the address and the first bytes of the datagram they are about.  A ring of what was sent
 * last finds the transaction again by a keyed hash of those bytes, so that a forged ICMP message needs the
 * datagram, not only the address.  While an error is pending the next send or receive fails in its place and
 * must be tried again.
 */
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <linux/errqueue.h>

#include "net/locate.h"

enum {
	BATCH = 32,
	RECEIVE_ROUNDS = 4, /* batches per event, then others get their turn */
	DATAGRAM_MAX = 65535,
	/* Receive slots are not a power of two apart: their first lines would share one cache set. */
	SLOT = DATAGRAM_MAX + 1 + 17 * 64,
	OUT_ARENA = 256 * 1024,
	SENT_RING = 1024,
	SENT_HASHED = 256, /* ICMP returns at least this much of a datagram (RFC 1812 4.3.2.3) */
	KEEPALIVE_MAX = 4, /* CRLFCRLF */
	ERRORS_MAX = 64,   /* of the error queue, per event */
	WAIT_MAX_S = 60,   /* who waited longer did not: the clock was set */
};

struct udp_in { /* one for all sockets: what is received is handled before the next batch */
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage from[BATCH];
	char control[128]; /* of the first of a batch: when it arrived */
	char *slots;
};

struct sent {
	uint64_t token; /* 0: free, or nobody wants to know */
	uint64_t hash;
	struct addr to;
};

struct udp_sock {
	struct list link;
	struct net *net;
	uv_poll_t poll;
	int fd;
	uint64_t id;
	struct addr at;
	uint32_t lost; /* as the kernel counted last */
	bool blocked;  /* the socket took no more: waiting for POLLOUT */

	unsigned n_out;
	size_t arena_n;
	struct mmsghdr out[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage to[BATCH];
	uint64_t token[BATCH];
	char arena[OUT_ARENA];

	uint64_t key[2];
	unsigned sent_at;
	struct sent sent[SENT_RING];
};

int udp_in_init(struct net *n)
{
	struct udp_in *in = calloc(1, sizeof(*in) + (size_t)BATCH * SLOT);

	if (!in)
		return -ENOMEM;
	in->slots = (char *)(in + 1);
	for (unsigned i = 0; i < BATCH; i++) {
		in->iov[i] = (struct iovec){ in->slots + (size_t)i * SLOT, DATAGRAM_MAX };
		in->msg[i].msg_hdr =
			(struct msghdr){ .msg_name = &in->from[i], .msg_iov = &in->iov[i], .msg_iovlen = 1 };
	}
	n->udp_in = in;
	return 0;
}

/* ---- errors ---- */

/* Says the message that this destination cannot be reached (RFC 3261 18.4)?  Source quench, time exceeded and
 * fragmentation needed do not. */
static bool icmp_is_final(const struct sock_extended_err *e)
{
	if (e->ee_origin == SO_EE_ORIGIN_ICMP)
		return (e->ee_type == ICMP_DEST_UNREACH && e->ee_code != ICMP_FRAG_NEEDED) ||
		       e->ee_type == ICMP_PARAMETERPROB;
	if (e->ee_origin == SO_EE_ORIGIN_ICMP6)
		return e->ee_type == ICMP6_DST_UNREACH || e->ee_type == ICMP6_PARAM_PROB;
	return false;
}

static uint64_t sent_hash(const struct udp_sock *u, struct span bytes)
{
	return hash_siphash(u->key, span_cut(bytes, 0, SENT_HASHED));
}

static void sent_failed(struct udp_sock *u, const struct addr *to, struct span bytes)
{
	uint64_t hash = sent_hash(u, bytes);

	locate_failed(u->net, SIP_UDP, to);
	for (unsigned i = 0; i < SENT_RING; i++) {
		struct sent *s = &u->sent[i];
		if (s->token == 0 || s->hash != hash || !addr_eq(&s->to, to))
			continue;
		net_fail_token(u->net, s->token);
		for (unsigned k = 0; k < SENT_RING; k++) /* its retransmissions fail with it */
			if (k != i && u->sent[k].token == s->token)
				u->sent[k].token = 0;
		s->token = 0;
	}
}

static const struct sock_extended_err *error_of(struct msghdr *h)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c))
		if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
		    (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			return (const struct sock_extended_err *)CMSG_DATA(c);
	return NULL;
}

static void read_errors(struct udp_sock *u)
{
	char data[SENT_HASHED], control[512];

	for (unsigned i = 0; i < ERRORS_MAX; i++) {
		struct sockaddr_storage ss = { 0 };
		struct iovec iov = { data, sizeof(data) };
		struct msghdr h = { .msg_name = &ss,
				    .msg_namelen = sizeof(ss),
				    .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = control,
				    .msg_controllen = sizeof(control) };
		const struct sock_extended_err *e;
		struct addr to;
		ssize_t got = recvmsg(u->fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT);

		if (got < 0)
			return;
		e = error_of(&h);
		if (e && icmp_is_final(e) && sock_to_addr(&to, &ss))
			sent_failed(u, &to, (struct span){ data, (size_t)got });
	}
}

/* ---- out ---- */

static void watch(struct udp_sock *u);

/* Message i could not be sent for a reason of its own. */
static void out_failed(struct udp_sock *u, unsigned i)
{
	net_fail_token(u->net, u->token[i]);
	u->net->stats.udp_dropped++;
}

static void out_reset(struct udp_sock *u)
{
	u->n_out = 0;
	u->arena_n = 0;
}

/* What is left when the socket is full moves to the front; the arena is kept as it is until all is sent. */
static void out_keep(struct udp_sock *u, unsigned from)
{
	unsigned left = u->n_out - from;

	for (unsigned i = 0; i < left; i++) {
		u->to[i] = u->to[from + i];
		u->iov[i] = u->iov[from + i];
		u->token[i] = u->token[from + i];
		u->out[i].msg_hdr.msg_namelen = u->out[from + i].msg_hdr.msg_namelen;
	}
	u->n_out = left;
	if (!u->blocked) {
		u->blocked = true;
		watch(u);
	}
}

static void flush_sock(struct udp_sock *u)
{
	unsigned done = 0;
	bool again = true; /* an error may be that of an earlier datagram: once more, then it is ours */

	while (done < u->n_out) {
		int r = sendmmsg(u->fd, u->out + done, u->n_out - done, MSG_DONTWAIT);
		u->net->stats.udp_send_calls++;
		if (r > 0) {
			u->net->stats.udp_sent += (unsigned)r;
			done += (unsigned)r;
			again = true;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			out_keep(u, done);
			return;
		} else if (errno != EINTR && again) {
			again = false;
			read_errors(u);
		} else if (errno != EINTR) {
			out_failed(u, done++);
			again = true;
		}
	}
	out_reset(u);
	if (u->blocked) {
		u->blocked = false;
		watch(u);
	}
}

void udp_flush(struct net *n)
{
	list_each(l, &n->udp) {
		struct udp_sock *u = container_of(l, struct udp_sock, link);
		if (u->n_out && !u->blocked)
			flush_sock(u);
	}
}

static struct udp_sock *pick(struct net *n, uint64_t conn, uint8_t family)
{
	struct udp_sock *first = NULL;

	list_each(l, &n->udp) {
		struct udp_sock *u = container_of(l, struct udp_sock, link);
		if (u->at.family != family)
			continue;
		if (conn == 0 || u->id == conn)
			return u;
		if (!first)
			first = u;
	}
	return first;
}

static void trace(struct udp_sock *u, bool out, const struct addr *remote, struct span bytes)
{
	net_trace(u->net, &(struct net_trace){ .out = out,
					       .tp = SIP_UDP,
					       .local = u->at,
					       .remote = *remote,
					       .bytes = bytes,
					       .now_us = u->net->now_us });
}

int udp_send(struct net *n, uint64_t conn, const struct addr *to, struct span bytes, uint64_t token)
{
	struct udp_sock *u = pick(n, conn, to->family);
	unsigned i;

	if (!u)
		return -EAFNOSUPPORT;
	if (bytes.n > DATAGRAM_MAX - 28)
		return -EMSGSIZE;
	if (!u->blocked && (u->n_out == BATCH || bytes.n > OUT_ARENA - u->arena_n))
		flush_sock(u);
	if (u->n_out == BATCH || bytes.n > OUT_ARENA - u->arena_n) {
		n->stats.udp_dropped++; /* as any router may; the transaction repeats it */
		return 0;
	}
	i = u->n_out++;
	u->out[i].msg_hdr.msg_namelen = sock_from_addr(&u->to[i], to);
	u->iov[i] = (struct iovec){ memcpy(u->arena + u->arena_n, bytes.p, bytes.n), bytes.n };
	u->token[i] = token;
	u->arena_n += bytes.n;
	if (token)
		u->sent[u->sent_at++ % SENT_RING] = (struct sent){ token, sent_hash(u, bytes), *to };
	trace(u, true, to, bytes);
	return 0;
}

/* ---- in ---- */

static void deliver(struct udp_sock *u, const struct mmsghdr *m)
{
	struct net *n = u->net;
	struct sip_src src = { .tp = SIP_UDP, .conn = u->id };
	struct span bytes = { m->msg_hdr.msg_iov->iov_base, m->msg_len };

	if (m->msg_hdr.msg_flags & MSG_TRUNC) {
		n->stats.udp_truncated++;
		return;
	}
	if (bytes.n <= KEEPALIVE_MAX && span_trim(bytes).n == 0)
		return;
	if (!sock_to_addr(&src.ip, m->msg_hdr.msg_name))
		return;
	trace(u, false, &src.ip, bytes);
	if (n->hooks.sip)
		n->hooks.sip(n->hooks.u, bytes, &src, n->now_us);
}

/* The first of a batch has waited longest, and what was lost before it is said again by its sender after T1. */
static void see_wait(struct udp_sock *u, struct msghdr *first)
{
	struct net *n = u->net;
	uint64_t waited = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(first); c; c = CMSG_NXTHDR(first, c)) {
		struct timespec at, now;
		uint32_t lost;
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(&at, CMSG_DATA(c), sizeof(at));
			clock_gettime(CLOCK_REALTIME, &now);
			if (now.tv_sec - at.tv_sec < WAIT_MAX_S &&
			    now.tv_sec >= at.tv_sec) /* else it was set */
				waited = (uint64_t)((now.tv_sec - at.tv_sec) * (int64_t)US_PER_S +
						    (now.tv_nsec - at.tv_nsec) / 1000);
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
			memcpy(&lost, CMSG_DATA(c), sizeof(lost));
			if (lost != u->lost && n->wait_us < SIP_T1_MS * US_PER_MS)
				n->wait_us = SIP_T1_MS * US_PER_MS;
			u->lost = lost;
		}
	}
	if (waited > n->wait_us && waited < WAIT_MAX_S * US_PER_S)
		n->wait_us = waited;
}

/* True: there may be more. */
static bool receive_batch(struct udp_sock *u)
{
	struct udp_in *in = u->net->udp_in;
	int got;

	for (unsigned i = 0; i < BATCH; i++)
		in->msg[i].msg_hdr.msg_namelen = sizeof(in->from[i]);
	in->msg[0].msg_hdr.msg_control = in->control;
	in->msg[0].msg_hdr.msg_controllen = sizeof(in->control);
	got = recvmmsg(u->fd, in->msg, BATCH, MSG_DONTWAIT, NULL);
	if (got < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return errno == EINTR;
		read_errors(u);
		return true;
	}
	u->net->stats.udp_receive_calls++;
	u->net->stats.udp_received += (unsigned)got;
	see_wait(u, &in->msg[0].msg_hdr);
	for (int i = 0; i < got; i++)
		deliver(u, &in->msg[i]);
	return got == BATCH;
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct udp_sock *u = p->data;

	net_touch(u->net);
	if (status < 0) { /* libuv stops watching on an error; ours is only the error queue */
		read_errors(u);
		watch(u);
	}
	if (events & UV_WRITABLE)
		flush_sock(u);
	for (unsigned i = 0; i < RECEIVE_ROUNDS && receive_batch(u); i++)
		;
}

static void watch(struct udp_sock *u)
{
	uv_poll_start(&u->poll, UV_READABLE | (u->blocked ? UV_WRITABLE : 0), on_poll);
}

/* ---- life ---- */

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

int udp_listen(struct net *n, const struct addr *at, struct addr *bound)
{
	struct udp_sock *u = calloc(1, sizeof(*u));
	int err;

	if (!u)
		return -ENOMEM;
	u->net = n;
	u->fd = sock_listen(at, SOCK_DGRAM, &u->at);
	if (u->fd < 0) {
		err = u->fd;
		goto err_free;
	}
	err = getrandom(u->key, sizeof(u->key), 0) == sizeof(u->key) ? 0 : -EIO;
	if (err < 0)
		goto err_close;
	err = uv_poll_init(&n->loop, &u->poll, u->fd);
	if (err < 0)
		goto err_close;
	for (unsigned i = 0; i < BATCH; i++)
		u->out[i].msg_hdr =
			(struct msghdr){ .msg_name = &u->to[i], .msg_iov = &u->iov[i], .msg_iovlen = 1 };
	u->id = n->last_id++;
	u->poll.data = u;
	watch(u);
	list_push(&n->udp, &u->link);
	if (bound)
		*bound = u->at;
	return 0;
err_close:
	close(u->fd);
err_free:
	free(u);
	return err;
}

bool udp_is(struct net *n, const struct addr *a)
{
	list_each(l, &n->udp)
		if (locate_is(&container_of(l, struct udp_sock, link)->at, a))
			return true;
	return false;
}

bool udp_speaks(struct net *n, uint8_t family)
{
	list_each(l, &n->udp)
		if (container_of(l, struct udp_sock, link)->at.family == family)
			return true;
	return false;
}

uint64_t udp_lost(struct net *n)
{
	uint64_t lost = 0;

	list_each(l, &n->udp)
		lost += sock_lost(container_of(l, struct udp_sock, link)->fd);
	return lost;
}

void udp_finish(struct net *n)
{
	list_each(l, &n->udp) {
		struct udp_sock *u = container_of(l, struct udp_sock, link);
		if (u->n_out && !u->blocked)
			flush_sock(u);
		list_del(&u->link);
		uv_close((uv_handle_t *)&u->poll, on_closed);
		close(u->fd);
	}
}
