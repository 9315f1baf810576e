/* SPDX-License-Identifier: MIT */
/*
 * A bad network between two network namespaces: what tc netem does, for kernels that lack it.  Each namespace gets a
 * TUN device; whole IP packets go from one to the other here, some lost, all late, so that UDP and the kernel's own
 * TCP both meet it.  The namespaces have no name: they live as long as this process or one that entered them, and a
 * test that is killed leaves nothing behind.  Draws come from one seeded generator.
 *
 *	impair [--loss PERCENT] [--delay MS] [--duplicate PERCENT] [--reorder PERCENT] [--seed N] NEAR FAR
 *
 * NEAR and FAR are the IPv4 addresses of the two ends, in one /24.  When both are up it prints the two namespaces, to
 * be entered with nsenter --net=; on SIGTERM it prints what it did and ends.  A reordered packet goes out at once and
 * so overtakes those that wait (as netem has it).  Exit 77: such a thing cannot be made here, and why.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"

enum { PACKET_MAX = 2048, QUEUE_MAX = 8192, MILLION = 1000000, CANNOT = 77 };

struct packet {
	uint64_t due_us, number; /* number: those due at once keep their order */
	int to;                  /* which end gets it */
	size_t n;
	unsigned char bytes[PACKET_MAX];
};

struct impair {
	uint32_t loss, duplicate, reorder; /* in a million */
	uint64_t delay_us;
	struct rng rng;
	int tun[2], ns[2];
	struct packet *queue[QUEUE_MAX]; /* a heap, the next one due first */
	unsigned n_queue;
	uint64_t number;
	uint64_t seen, lost, doubled, overtook, overflowed;
};

static volatile sig_atomic_t stopped;

static void stop(int sig)
{
	(void)sig;
	stopped = 1;
}

static void __attribute__((noreturn)) cannot(const char *what)
{
	printf("no impaired network here: %s: %s\n", what, strerror(errno));
	exit(CANNOT);
}

static uint64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * MILLION + (uint64_t)t.tv_nsec / 1000;
}

/* ---- the two ends ---- */

static void set_addr(struct ifreq *r, struct in_addr addr)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = addr };
	memcpy(&r->ifr_addr, &in, sizeof(in));
}

static void up(int sock, const char *name)
{
	struct ifreq r = { 0 };
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(sock, SIOCGIFFLAGS, &r) < 0)
		cannot(name);
	r.ifr_flags |= IFF_UP | IFF_RUNNING;
	if (ioctl(sock, SIOCSIFFLAGS, &r) < 0)
		cannot(name);
}

/* A namespace of its own, with lo and one TUN device of address addr; this process stays in it. */
static void make_end(struct impair *im, int end, const char *addr)
{
	struct ifreq r = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	struct in_addr in, mask = { htonl(0xffffff00) };
	if (inet_pton(AF_INET, addr, &in) != 1) {
		fprintf(stderr, "impair: not an IPv4 address: %s\n", addr);
		exit(2);
	}
	if (unshare(CLONE_NEWNET) < 0)
		cannot("a network namespace (that needs root)");
	if ((im->ns[end] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) < 0)
		cannot("/proc/self/ns/net");
	if ((im->tun[end] = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)) < 0)
		cannot("/dev/net/tun");
	snprintf(r.ifr_name, sizeof(r.ifr_name), "tun0");
	if (ioctl(im->tun[end], TUNSETIFF, &r) < 0)
		cannot("a TUN device");
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		cannot("a socket");
	set_addr(&r, in);
	if (ioctl(sock, SIOCSIFADDR, &r) < 0)
		cannot("an address");
	set_addr(&r, mask);
	if (ioctl(sock, SIOCSIFNETMASK, &r) < 0)
		cannot("a netmask");
	up(sock, "lo");
	up(sock, "tun0");
	close(sock);
}

/* ---- what waits ---- */

static bool before(const struct packet *a, const struct packet *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->number < b->number;
}

static void push(struct impair *im, const struct packet *p, uint64_t due_us)
{
	struct packet *copy = im->n_queue < QUEUE_MAX ? malloc(sizeof(*copy)) : NULL;
	unsigned i = im->n_queue;
	if (!copy) {
		im->overflowed++;
		return;
	}
	memcpy(copy, p, offsetof(struct packet, bytes) + p->n);
	copy->due_us = due_us;
	copy->number = im->number++;
	im->n_queue++;
	for (; i && before(copy, im->queue[(i - 1) / 2]); i = (i - 1) / 2)
		im->queue[i] = im->queue[(i - 1) / 2];
	im->queue[i] = copy;
}

static struct packet *pop(struct impair *im)
{
	struct packet *first = im->queue[0], *last = im->queue[--im->n_queue];
	unsigned i = 0;
	for (unsigned k = 1; k < im->n_queue; k = 2 * i + 1) {
		if (k + 1 < im->n_queue && before(im->queue[k + 1], im->queue[k]))
			k++;
		if (!before(im->queue[k], last))
			break;
		im->queue[i] = im->queue[k];
		i = k;
	}
	im->queue[i] = last;
	return first;
}

/* ---- the road between them ---- */

static bool drawn(struct impair *im, uint32_t in_a_million)
{
	return rng_below(&im->rng, MILLION) < in_a_million;
}

static void read_end(struct impair *im, int end)
{
	static struct packet p;
	ssize_t n;
	while ((n = read(im->tun[end], p.bytes, sizeof(p.bytes))) > 0) {
		uint64_t now = now_us();
		im->seen++;
		p.to = !end;
		p.n = (size_t)n;
		if (drawn(im, im->loss)) {
			im->lost++;
			continue;
		}
		bool early = drawn(im, im->reorder);
		im->overtook += early;
		push(im, &p, early ? now : now + im->delay_us);
		if (drawn(im, im->duplicate)) {
			im->doubled++;
			push(im, &p, now + im->delay_us);
		}
	}
}

/* Sends what is due.  Returns how long to wait for the next, in ms; -1: nothing waits. */
static int deliver(struct impair *im)
{
	uint64_t now = now_us();
	while (im->n_queue && im->queue[0]->due_us <= now) {
		struct packet *p = pop(im);
		/* A device that cannot take it loses it, as a network does. */
		if (write(im->tun[p->to], p->bytes, p->n) < 0)
			im->overflowed++;
		free(p);
	}
	return im->n_queue ? (int)((im->queue[0]->due_us - now + 999) / 1000) : -1;
}

static void run(struct impair *im)
{
	struct pollfd p[2] = { { im->tun[0], POLLIN, 0 }, { im->tun[1], POLLIN, 0 } };
	sigset_t none, term;
	sigemptyset(&none);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM), sigaddset(&term, SIGINT);
	sigprocmask(SIG_BLOCK, &term, NULL);
	while (!stopped) {
		int wait_ms = deliver(im);
		struct timespec t = { wait_ms / 1000, (long)(wait_ms % 1000) * MILLION };
		if (ppoll(p, 2, wait_ms < 0 ? NULL : &t, &none) < 0)
			continue;
		for (int end = 0; end < 2; end++)
			read_end(im, end);
	}
	while (im->n_queue)
		free(pop(im));
}

static uint32_t percent(const char *arg)
{
	double v = atof(arg);
	if (v < 0 || v > 100) {
		fprintf(stderr, "impair: not a percentage: %s\n", arg);
		exit(2);
	}
	return (uint32_t)(v * 10000);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "loss", 1, NULL, 'l' },    { "delay", 1, NULL, 'd' }, { "duplicate", 1, NULL, 'u' },
		{ "reorder", 1, NULL, 'r' }, { "seed", 1, NULL, 's' },  { NULL, 0, NULL, 0 },
	};
	static struct impair im;
	uint64_t seed = 1;
	for (int opt; (opt = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (opt) {
		case 'l':
			im.loss = percent(optarg);
			break;
		case 'd':
			im.delay_us = strtoull(optarg, NULL, 10) * 1000;
			break;
		case 'u':
			im.duplicate = percent(optarg);
			break;
		case 'r':
			im.reorder = percent(optarg);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 10);
			break;
		default:
			return 2;
		}
	}
	if (argc - optind != 2) {
		fprintf(stderr, "usage: impair [option...] NEAR FAR\n");
		return 2;
	}
	rng_seed(&im.rng, seed);
	struct sigaction sa = { .sa_handler = stop };
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	for (int end = 0; end < 2; end++)
		make_end(&im, end, argv[optind + end]);
	printf("near /proc/%d/fd/%d\nfar /proc/%d/fd/%d\n", getpid(), im.ns[0], getpid(), im.ns[1]);
	fflush(stdout);
	run(&im);
	printf("packets=%" PRIu64 " lost=%" PRIu64 " doubled=%" PRIu64 " overtook=%" PRIu64
	       " overflowed=%" PRIu64 "\n",
	       im.seen, im.lost, im.doubled, im.overtook, im.overflowed);
	return 0;
}
