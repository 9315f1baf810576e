/* SPDX-License-Identifier: MIT */
/*
 * A relay that does one thing wrong, to see that parley-load notices.
 *
 *	faulty tcp LISTEN FAR none|flip|lose|twice|silence
 *	faulty udp LISTEN BACK FAR none|alter|lose|twice
 *
 * tcp: after 500 kB one bit is turned over, one byte is left out, one piece goes twice, or nothing comes back any more.
 * udp: in the 100th UPDATE a=sendonly becomes a=sendrecv; it is lost (which a repeat mends); it goes twice.
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

enum { AFTER_BYTES = 500000, NTH_UPDATE = 100, BUF = 65536 };

static const char *fault;

static bool is(const char *name)
{
	return strcmp(fault, name) == 0;
}

static struct sockaddr_in local(const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	a.sin_port = htons((uint16_t)atoi(port));
	return a;
}

static int bound(int type, const char *port)
{
	struct sockaddr_in a = local(port);
	int fd = socket(AF_INET, type, 0), one = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		fprintf(stderr, "faulty: port %s: %s\n", port, strerror(errno));
		exit(2);
	}
	return fd;
}

static void all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t k = write(fd, p, n);
		if (k <= 0)
			exit(0); /* the other end had enough */
		p += k;
		n -= (size_t)k;
	}
}

/* One piece from near to far, with the fault when it is due. */
static void forth(int near, int far, size_t *seen, bool *done)
{
	static char buf[BUF];
	ssize_t n = read(near, buf, sizeof(buf));
	if (n <= 0)
		exit(0);
	*seen += (size_t)n;
	bool due = !*done && *seen > AFTER_BYTES;
	*done |= due;
	if (due && is("flip"))
		buf[n / 2] ^= 1;
	if (due && is("twice"))
		all(far, buf, (size_t)n);
	all(far, buf, (size_t)n - (due && is("lose")));
}

static int tcp(char **arg)
{
	int listener = bound(SOCK_STREAM, arg[0]);
	struct sockaddr_in to = local(arg[1]);
	size_t seen = 0;
	bool done = false;
	static char buf[BUF];
	listen(listener, 1);
	int near = accept(listener, NULL, NULL), far = socket(AF_INET, SOCK_STREAM, 0);
	if (near < 0 || far < 0 || connect(far, (struct sockaddr *)&to, sizeof(to)) < 0)
		return 2;
	for (;;) {
		struct pollfd p[2] = { { near, POLLIN, 0 }, { far, POLLIN, 0 } };
		poll(p, 2, -1);
		if (p[0].revents)
			forth(near, far, &seen, &done);
		if (!p[1].revents)
			continue;
		ssize_t n = read(far, buf, sizeof(buf));
		if (n <= 0)
			return 0;
		if (!(done && is("silence")))
			all(near, buf, (size_t)n);
	}
}

static _Noreturn void udp(char **arg)
{
	int near = bound(SOCK_DGRAM, arg[0]), back = bound(SOCK_DGRAM, arg[1]);
	struct sockaddr_in to = local(arg[2]), client = { 0 };
	static char buf[BUF];
	unsigned updates = 0;
	for (;;) {
		struct pollfd p[2] = { { near, POLLIN, 0 }, { back, POLLIN, 0 } };
		socklen_t len = sizeof(client);
		poll(p, 2, -1);
		if (p[0].revents) {
			ssize_t n = recvfrom(near, buf, sizeof(buf), 0, (struct sockaddr *)&client, &len);
			bool due = n > 7 && memcmp(buf, "UPDATE ", 7) == 0 && ++updates == NTH_UPDATE;
			char *word = n > 0 ? memmem(buf, (size_t)n, "a=send", 6) : NULL;
			if (due && is("alter") && word)
				memcpy(word, memcmp(word + 6, "only", 4) == 0 ? "a=sendrecv" : "a=sendonly",
				       10);
			for (int k = due && is("lose"); k < 1 + (due && is("twice")); k++)
				sendto(back, buf, (size_t)n, 0, (struct sockaddr *)&to, sizeof(to));
		}
		if (p[1].revents) {
			ssize_t n = recv(back, buf, sizeof(buf), 0);
			if (n > 0)
				sendto(near, buf, (size_t)n, 0, (struct sockaddr *)&client, sizeof(client));
		}
	}
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "tcp") == 0) {
		fault = argv[4];
		return tcp(argv + 2);
	}
	if (argc == 6 && strcmp(argv[1], "udp") == 0) {
		fault = argv[5];
		udp(argv + 2);
	}
	fprintf(stderr, "usage: faulty tcp LISTEN FAR FAULT | faulty udp LISTEN BACK FAR FAULT (ports)\n");
	return 2;
}
