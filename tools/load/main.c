/* SPDX-License-Identifier: MIT */
/*
 * parley-load: load for whatever stands between an IM Client and the Controlling Function.  It plays both, so it can
 * check everything that goes in on one side against what comes out on the other, and it reads from /proc what the
 * device in the middle spent on it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "load.h"

void load_die(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("parley-load: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(2);
}

uint64_t load_number(const char *what, const char *text, uint64_t min, uint64_t max)
{
	char *end;
	errno = 0;
	uint64_t v = strtoull(text, &end, 10);
	unsigned shift = 0;
	if (end == text || errno || text[0] == '-')
		load_die("%s: not a number: %s", what, text);
	if (*end == 'K' || *end == 'k')
		shift = 10;
	else if (*end == 'M' || *end == 'm')
		shift = 20;
	else if (*end == 'G' || *end == 'g')
		shift = 30;
	if (shift)
		end++;
	if (*end || v > UINT64_MAX >> shift || v << shift < min || v << shift > max)
		load_die("%s: %s is not within %" PRIu64 "..%" PRIu64, what, text, min, max);
	return v << shift;
}

socklen_t load_addr(const char *what, const char *text, struct sockaddr_storage *out)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;
	bool brackets = n > 2 && text[0] == '[' && text[n - 1] == ']';
	if (!colon || n == 0 || n >= sizeof(host))
		load_die("%s: want ADDRESS:PORT, not %s", what, text);
	memcpy(host, text + brackets, n - 2 * brackets);
	host[n - 2 * brackets] = 0;
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM };
	struct addrinfo *ai = NULL;
	if (getaddrinfo(host, colon + 1, &hints, &ai) != 0)
		load_die("%s: not an address and port: %s", what, text);
	socklen_t len = ai->ai_addrlen;
	memset(out, 0, sizeof(*out));
	memcpy(out, ai->ai_addr, len);
	freeaddrinfo(ai);
	return len;
}

uint16_t load_port_of(const struct sockaddr_storage *a)
{
	/* The port stands at the same place in both families. */
	return ntohs(((const struct sockaddr_in *)a)->sin_port);
}

void load_set_port(struct sockaddr_storage *a, uint16_t port)
{
	((struct sockaddr_in *)a)->sin_port = htons(port);
}

socklen_t load_addr_len(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void load_pin(int core)
{
	cpu_set_t set;
	if (core < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((unsigned)core, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		fprintf(stderr, "parley-load: cannot stay on core %d: %s\n", core, strerror(errno));
}

static const char usage[] =
	"Usage: parley-load sip  --to ADDRESS:PORT [option...]\n"
	"       parley-load memory --to ADDRESS:PORT --pid N [option...]\n"
	"       parley-load bridged --to ADDRESS:PORT [option...]\n"
	"       parley-load msrp --to ADDRESS:PORT [option...]\n"
	"       parley-load msrp --direct ADDRESS:PORT --listen ADDRESS:PORT [option...]\n"
	"       parley-load storm --to ADDRESS:PORT [option...]\n"
	"\n"
	"Plays an IM Client and the controlling side around a device under test, checks all that\n"
	"passes, and tells what it cost.  'parley-load sip --help' and so on list the options.\n"
	"\n"
	"Exit status: 0 all as it should be; 1 something was lost, wrong or late; 2 bad usage.\n";

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "sip") == 0)
		return load_sip_main(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "memory") == 0)
		return load_memory_main(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "bridged") == 0)
		return load_bridged_main(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "msrp") == 0)
		return load_msrp_main(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "storm") == 0)
		return load_storm_main(argc - 1, argv + 1);
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(usage, stdout);
		return 0;
	}
	fputs(usage, stderr);
	return 2;
}
