/* SPDX-License-Identifier: MIT */
/*
 * MSRP as TLS carries it: the input goes through a real TLS connection in records, and is read in pieces, both of sizes that
 * it chooses itself; the framer then tells what it tells of the same bytes at once.  One connection serves all inputs.
 */
#include "fuzz.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "msrp/frame.h"
#include "net/tls.h"

enum { SIZE_MAX_HERE = 40000, READ_MAX = 20000 };

static struct tls *ctx;
static struct tls_link *from, *to;

static void connect_once(void)
{
	struct net_tls_conf conf = { .any_peer = true };
	char why[256];
	int fd[2], a = -EAGAIN, b = -EAGAIN;

	if (ctx)
		return;
	signal(SIGPIPE, SIG_IGN);
	FUZZ_CHECK((ctx = tls_create(&conf, why)) != NULL);
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0);
	from = tls_call(ctx, fd[0], SPAN_EMPTY, 0);
	to = tls_accept(ctx, fd[1]);
	FUZZ_CHECK(from && to);
	while (a == -EAGAIN || b == -EAGAIN) {
		a = a == -EAGAIN ? tls_handshake(from) : a;
		b = b == -EAGAIN ? tls_handshake(to) : b;
	}
	FUZZ_CHECK(a == 0 && b == 0);
}

struct told { /* what the framer told, as a digest */
	struct msrp_framer f;
	uint64_t sum;
	unsigned events;
	int error;
};

static void add(struct told *t, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		t->sum = (t->sum ^ (uint8_t)s.p[i]) * 0x100000001b3ull;
}

static void feed(struct told *t, const char *p, size_t n)
{
	char *copy = malloc(n + 1); /* so that reading past the end shows */
	struct span in = { copy, n };
	struct msrp_head head;
	struct msrp_event ev;
	int step;

	memcpy(copy, p, n);
	while (!t->error && (step = msrp_frame_next(&t->f, &in, &head, &ev)) != 0) {
		if (step < 0) {
			t->error = step;
			break;
		}
		if (step == MSRP_HEAD) {
			add(t, ev.head->tid), add(t, ev.head->rest);
			msrp_frame_accept(&t->f);
		} else if (step == MSRP_BODY) {
			add(t, ev.body);
		} else {
			add(t, (struct span){ &ev.flag, 1 });
		}
		t->events += step != MSRP_BODY; /* bodies are cut as they come */
	}
	if (!t->error && msrp_frame_keep(&t->f) < 0)
		t->error = -ENOMEM;
	free(copy);
}

/* A size of 1 to max by the next byte of the input, small ones often. */
static size_t choose(const uint8_t *data, size_t size, size_t *at, size_t max)
{
	uint8_t b = data[(*at)++ % size];
	size_t n = b < 128 ? 1u + b % 16 : (size_t)(b - 127) * 160;

	return n < max ? n : max;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char buf[READ_MAX];
	struct told whole = { 0 }, carried = { 0 };
	size_t written = 0, got = 0, at = 0;

	if (size == 0 || size > SIZE_MAX_HERE)
		return 0;
	connect_once();
	msrp_framer_init(&whole.f), msrp_framer_init(&carried.f);
	feed(&whole, (const char *)data, size);
	while (got < size) {
		if (written < size) {
			ssize_t w = tls_write(from, data + written, choose(data, size, &at, size - written));
			FUZZ_CHECK(w > 0 || w == -EAGAIN);
			written += w > 0 ? (size_t)w : 0;
		}
		ssize_t r = tls_read(to, buf, choose(data, size, &at, READ_MAX));
		FUZZ_CHECK(r > 0 || r == -EAGAIN);
		if (r <= 0)
			continue;
		FUZZ_CHECK(got + (size_t)r <= written && memcmp(buf, data + got, (size_t)r) == 0);
		got += (size_t)r;
		feed(&carried, buf, (size_t)r);
	}
	FUZZ_CHECK(!tls_has_more(to));
	/* A stream that is lost may be given up at a byte earlier or later, but never says anything else before. */
	FUZZ_CHECK(whole.sum == carried.sum && whole.events == carried.events);
	msrp_framer_finish(&whole.f), msrp_framer_finish(&carried.f);
	return 0;
}
