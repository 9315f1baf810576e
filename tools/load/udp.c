/* SPDX-License-Identifier: MIT */
/* Batches of datagrams: one system call for up to 64 of them, so that the generator is not what is measured. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "load.h"

struct batch {
	struct mmsghdr hdr[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	struct sockaddr_storage addr[UDP_BATCH];
	char buf[UDP_BATCH][UDP_MSG];
};

struct udp {
	int fd;
	unsigned n_tx;
	struct batch rx, tx;
};

static void batch_init(struct batch *b)
{
	for (unsigned i = 0; i < UDP_BATCH; i++) {
		b->iov[i] = (struct iovec){ b->buf[i], UDP_MSG };
		b->hdr[i].msg_hdr.msg_name = &b->addr[i];
		b->hdr[i].msg_hdr.msg_namelen = sizeof(b->addr[i]);
		b->hdr[i].msg_hdr.msg_iov = &b->iov[i];
		b->hdr[i].msg_hdr.msg_iovlen = 1;
	}
}

struct udp *udp_open(const struct sockaddr_storage *local)
{
	struct udp *u = calloc(1, sizeof(*u));
	int size = 8 << 20;
	if (!u)
		load_die("out of memory");
	u->fd = socket(local->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (u->fd < 0 || bind(u->fd, (const struct sockaddr *)local, load_addr_len(local)) < 0)
		load_die("cannot bind UDP port %u: %s", load_port_of(local), strerror(errno));
	/* A burst of answers must not be lost in our own socket.  The privileged form goes past rmem_max. */
	if (setsockopt(u->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(u->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	batch_init(&u->rx);
	batch_init(&u->tx);
	return u;
}

void udp_close(struct udp *u)
{
	if (u)
		close(u->fd);
	free(u);
}

int udp_fd(const struct udp *u)
{
	return u->fd;
}

uint16_t udp_port(const struct udp *u)
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof(a);
	getsockname(u->fd, (struct sockaddr *)&a, &len);
	return load_port_of(&a);
}

unsigned udp_recv(struct udp *u)
{
	for (unsigned i = 0; i < UDP_BATCH; i++)
		u->rx.hdr[i].msg_hdr.msg_namelen = sizeof(u->rx.addr[i]);
	int n = recvmmsg(u->fd, u->rx.hdr, UDP_BATCH, MSG_DONTWAIT, NULL);
	return n < 0 ? 0 : (unsigned)n;
}

struct span udp_msg(const struct udp *u, unsigned i, const struct sockaddr_storage **from)
{
	*from = &u->rx.addr[i];
	return (struct span){ u->rx.buf[i], u->rx.hdr[i].msg_len };
}

char *udp_begin(struct udp *u, const struct sockaddr_storage *to)
{
	if (u->n_tx == UDP_BATCH)
		udp_flush(u);
	u->tx.addr[u->n_tx] = *to;
	u->tx.hdr[u->n_tx].msg_hdr.msg_namelen = load_addr_len(to);
	return u->tx.buf[u->n_tx];
}

void udp_end(struct udp *u, size_t n)
{
	u->tx.iov[u->n_tx++].iov_len = n;
}

void udp_flush(struct udp *u)
{
	for (unsigned done = 0; done < u->n_tx;) {
		int n = sendmmsg(u->fd, u->tx.hdr + done, u->n_tx - done, 0);
		if (n >= 0) {
			done += (unsigned)n;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			struct pollfd p = { u->fd, POLLOUT, 0 };
			poll(&p, 1, 10);
		} else if (errno != EINTR) {
			done++; /* an ICMP answer to an earlier one; what it hit is resent by its timer */
		}
	}
	u->n_tx = 0;
}
