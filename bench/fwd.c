/* SPDX-License-Identifier: MIT */
/*
 * The bare UDP forwarder that parley is held against: two sockets, every datagram copied from one to the other as it
 * is, nothing read in it.  No program that relays SIP in user space can cost less than this one does without
 * --batch, and with --batch none that also takes 64 datagrams per system call.
 *
 *	fwd CLIENT-SIDE FAR-SIDE FAR [--batch]
 *
 * What arrives on CLIENT-SIDE leaves from FAR-SIDE towards FAR; what arrives on FAR-SIDE leaves from CLIENT-SIDE to
 * where the client last spoke from.  Prints "ready" and runs until it is ended.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, DATAGRAM = 4096, RCVBUF = 4 << 20 };

struct end {
	int fd;
	struct sockaddr_in peer;
	bool learns; /* its peer is whoever spoke last */
};

static struct sockaddr_in address(const char *text)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	char host[32];
	const char *colon = strrchr(text, ':');
	if (!colon || colon - text >= (long)sizeof(host))
		goto bad;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = 0;
	a.sin_port = htons((uint16_t)atoi(colon + 1));
	if (a.sin_port && inet_pton(AF_INET, host, &a.sin_addr) == 1)
		return a;
bad:
	fprintf(stderr, "fwd: not an address and port: %s\n", text);
	exit(2);
}

static int listen_on(const char *text)
{
	struct sockaddr_in a = address(text);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), size = RCVBUF;
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		fprintf(stderr, "fwd: %s: %s\n", text, strerror(errno));
		exit(1);
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return fd;
}

/* One datagram; false: none waiting. */
static bool pass_one(struct end *in, const struct end *out)
{
	static char buf[DATAGRAM];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(in->fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);
	if (n < 0)
		return false;
	if (in->learns)
		in->peer = from;
	sendto(out->fd, buf, (size_t)n, 0, (const struct sockaddr *)&out->peer, sizeof(out->peer));
	return true;
}

/* Up to BATCH datagrams; false: none waiting. */
static bool pass_many(struct end *in, const struct end *out)
{
	static char buf[BATCH][DATAGRAM];
	static struct mmsghdr hdr[BATCH];
	static struct iovec iov[BATCH];
	static struct sockaddr_in from[BATCH];
	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ buf[i], DATAGRAM };
		hdr[i].msg_hdr = (struct msghdr){ .msg_name = &from[i],
						  .msg_namelen = sizeof(from[i]),
						  .msg_iov = &iov[i],
						  .msg_iovlen = 1 };
	}
	int n = recvmmsg(in->fd, hdr, BATCH, MSG_DONTWAIT, NULL);
	if (n <= 0)
		return false;
	if (in->learns)
		in->peer = from[n - 1];
	for (int i = 0; i < n; i++) {
		iov[i].iov_len = hdr[i].msg_len;
		from[i] = out->peer;
	}
	for (int done = 0; done < n;) {
		int sent = sendmmsg(out->fd, hdr + done, (unsigned)(n - done), 0);
		done += sent > 0 ? sent : 1;
	}
	return true;
}

int main(int argc, char **argv)
{
	bool batch = argc == 5 && strcmp(argv[4], "--batch") == 0;
	if (argc != 4 && !batch) {
		fprintf(stderr, "usage: fwd CLIENT-SIDE FAR-SIDE FAR [--batch]\n");
		return 2;
	}
	bool (*pass)(struct end *, const struct end *) = batch ? pass_many : pass_one;
	struct end client = { .fd = listen_on(argv[1]), .learns = true };
	struct end far = { .fd = listen_on(argv[2]), .peer = address(argv[3]) };
	fprintf(stderr, "ready\n");
	for (;;) {
		bool any = false;
		while (pass(&client, &far))
			any = true;
		while (pass(&far, &client))
			any = true;
		struct pollfd p[2] = { { client.fd, POLLIN, 0 }, { far.fd, POLLIN, 0 } };
		if (!any)
			poll(p, 2, -1);
	}
}
