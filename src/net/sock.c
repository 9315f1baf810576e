/* SPDX-License-Identifier: MIT */
/* Sockets as parley wants them: non-blocking, one address family each, closed on exec. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>
#include <linux/sock_diag.h>

#include "net/priv.h"

enum {
	UDP_BUFFER =
		4 * 1024 * 1024, /* bursts wait here; capped at net.core.rmem_max without CAP_NET_ADMIN */
	BACKLOG = 4096,
	KEEPALIVE_S = 60, /* UP-14: finds half-open connections */
	KEEPALIVE_GAP_S = 15,
	KEEPALIVE_TRIES = 4,
};

socklen_t sock_from_addr(struct sockaddr_storage *ss, const struct addr *a)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;

	if (a->family == 4) {
		*v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(a->port) };
		memcpy(&v4->sin_addr, a->ip, 4);
		return sizeof(*v4);
	}
	*v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(a->port) };
	memcpy(&v6->sin6_addr, a->ip, 16);
	return sizeof(*v6);
}

bool sock_to_addr(struct addr *a, const struct sockaddr_storage *ss)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)ss;

	*a = (struct addr){ 0 };
	if (ss->ss_family == AF_INET) {
		a->family = 4;
		a->port = ntohs(v4->sin_port);
		memcpy(a->ip, &v4->sin_addr, 4);
	} else if (ss->ss_family == AF_INET6) {
		a->family = 6;
		a->port = ntohs(v6->sin6_port);
		memcpy(a->ip, &v6->sin6_addr, 16);
	}
	return a->family != 0;
}

void sock_local(int fd, struct addr *a)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t n = sizeof(ss);

	*a = (struct addr){ 0 };
	if (getsockname(fd, (struct sockaddr *)&ss, &n) == 0)
		sock_to_addr(a, &ss);
}

static void set_int(int fd, int level, int option, int value)
{
	/* None of these is needed to work, only to work well. */
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

uint64_t sock_lost(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t n = sizeof(info);

	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &n) == 0 ? info[SK_MEMINFO_DROPS] : 0;
}

static void udp_options(int fd, uint8_t family)
{
	set_int(fd, SOL_SOCKET, SO_RCVBUF, UDP_BUFFER);
	set_int(fd, SOL_SOCKET, SO_SNDBUF, UDP_BUFFER);
	set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, UDP_BUFFER);
	set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, UDP_BUFFER);
	/* ICMP errors come with the address and the datagram they are about (RFC 3261 18.4). */
	if (family == 4)
		set_int(fd, IPPROTO_IP, IP_RECVERR, 1);
	else
		set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
	/* When it arrived, and how many before it there was no room for: how long does what we read wait (PARSE-18)? */
	set_int(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	set_int(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	/* Fragment rather than fail: the sender has already chosen the transport by size. */
	if (family == 4)
		set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	else
		set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
}

void sock_stream_options(int fd)
{
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_S);
	set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_GAP_S);
	set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_TRIES);
}

static int sock_new(uint8_t family, int type)
{
	int fd = socket(family == 4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

int sock_listen(const struct addr *at, int type, struct addr *bound)
{
	struct sockaddr_storage ss;
	socklen_t n = sock_from_addr(&ss, at);
	int fd = sock_new(at->family, type), err;

	if (fd < 0)
		return fd;
	if (at->family == 6)
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1); /* so [::] and 0.0.0.0 go together */
	if (type == SOCK_STREAM)
		set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	else
		udp_options(fd, at->family);
	if (bind(fd, (struct sockaddr *)&ss, n) < 0 || (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)) {
		err = -errno;
		close(fd);
		return err;
	}
	if (bound)
		sock_local(fd, bound);
	return fd;
}

int sock_connect(const struct addr *to)
{
	struct sockaddr_storage ss;
	socklen_t n = sock_from_addr(&ss, to);
	int fd = sock_new(to->family, SOCK_STREAM), err;

	if (fd < 0)
		return fd;
	sock_stream_options(fd);
	if (connect(fd, (struct sockaddr *)&ss, n) < 0 && errno != EINPROGRESS && errno != EINTR) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int sock_accept(int fd, struct addr *from)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t n = sizeof(ss);
	int c = accept4(fd, (struct sockaddr *)&ss, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (c < 0)
		return -errno;
	sock_to_addr(from, &ss);
	sock_stream_options(c);
	return c;
}
