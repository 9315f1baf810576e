/* SPDX-License-Identifier: MIT */
/*
 * parley-load bridged: sessions whose two MSRP connections are up and say nothing, and a few beside them that chat.
 * Here a connection is a descriptor and little else, so that tens of thousands fit beside the server; every
 * connection comes from one of several addresses of 127/8 that no other of us uses, since the kernel looks for long for
 * a free port where many are taken.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "opt.h"
#include "sip.h"

enum {
	BODY = 200,
	READ_MAX = 16384,
	PER_ADDRESS = 2000,
	CONNECTING_MAX = 50, /* below what a server lets one address have unbound */
	EVENTS = 64,
	PATH_MAX_HERE = 256,
};

struct end {
	int fd;
	bool bound;
	char *peer; /* owned: the server's path for it */
	char *part; /* owned: of a message that is not all here; NULL: none */
	size_t part_n;
	/* a client that chats */
	uint32_t seq;
	uint64_t sent_ns, next_ns; /* sent_ns 0: nothing is open */
};

struct bridged {
	/* asked */
	struct sip_conf sip;
	unsigned idle, active, count, interval_ms, hold_s, timeout_s;
	int pid, core;
	bool terse, by_line; /* by_line: count messages for each line on stdin */
	/* state */
	struct end *end; /* two per session, client and far; those that chat come first */
	int epoll;
	uint32_t run;
	unsigned n_bound, n_connected;
	uint64_t next_pump_ns;
	uint64_t wanted, arrived, wrong; /* messages: asked for so far; at the far end */
	struct sip_load *load;
	struct hist answer;
	struct proc_tree dut;
	uint64_t rss_before, rss_after;
};

static void wrong(struct bridged *b, unsigned k, const char *what)
{
	if (b->wrong++ < 10)
		fprintf(stderr, "parley-load: session %u, %s: %s\n", k / 2, k % 2 ? "far" : "client", what);
}

static const char *self_of(const struct bridged *b, unsigned k, char path[PATH_MAX_HERE])
{
	snprintf(path, PATH_MAX_HERE, "msrp://%s:9/%s%06x%08" PRIx32 "bridged;tcp", b->sip.host,
		 k % 2 ? "far" : "cli", k / 2, b->run);
	return path;
}

static void media(void *u, unsigned i, bool far, struct sip_media *m)
{
	char path[PATH_MAX_HERE];

	m->port = 9; /* nobody connects to us */
	m->setup = far ? "active" : "actpass";
	snprintf(m->path, sizeof(m->path), "%.*s", SIP_PATH_MAX - 1, self_of(u, 2 * i + far, path));
}

static void peer(void *u, unsigned i, bool far, struct span sdp)
{
	struct bridged *b = u;

	b->end[2 * i + far].peer = span_dup(text_line(sdp, "a=path:"));
	if (!b->end[2 * i + far].peer)
		load_die("out of memory");
}

/* ---- messages: all of them short, and written at once ---- */

static void put(struct bridged *b, unsigned k, const char *text, size_t n)
{
	if (send(b->end[k].fd, text, n, MSG_NOSIGNAL) != (ssize_t)n)
		wrong(b, k, "cannot write");
}

static void hello(struct bridged *b, unsigned k)
{
	char text[1024], self[PATH_MAX_HERE];
	int n = snprintf(text, sizeof(text),
			 "MSRP hello SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: hello.%u\r\n"
			 "Byte-Range: 1-0/0\r\n-------hello$\r\n",
			 b->end[k].peer, self_of(b, k, self), k);
	put(b, k, text, (size_t)n);
}

static void body_of(char body[BODY + 1], unsigned k, uint32_t seq)
{
	memset(body, 'a' + (int)(seq % 26), BODY);
	body[BODY] = '\0';
	body[snprintf(body, 32, "%08x of %u", seq, k / 2)] = ' ';
}

static void chat(struct bridged *b, unsigned k, uint64_t now)
{
	struct end *e = &b->end[k];
	char text[2048], self[PATH_MAX_HERE], body[BODY + 1];
	int n;

	body_of(body, k, ++e->seq);
	n = snprintf(
		text, sizeof(text),
		"MSRP t%08x SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: m%u.%u\r\nByte-Range: 1-%d/%d\r\n"
		"Content-Type: text/plain\r\n\r\n%.*s\r\n-------t%08x$\r\n",
		e->seq, e->peer, self_of(b, k, self), k, e->seq, BODY, BODY, BODY, body, e->seq);
	e->sent_ns = now;
	e->next_ns = now + b->interval_ms * 1000000ull;
	put(b, k, text, (size_t)n);
}

static void on_answer(struct bridged *b, unsigned k, struct span msg)
{
	struct end *e = &b->end[k];

	if (span_find(span_cut(msg, 0, 40), SPAN(" 200 ")) == SPAN_NONE)
		wrong(b, k, "refused");
	if (!e->bound) {
		e->bound = true;
		b->n_bound++;
		return;
	}
	if (!e->sent_ns) {
		wrong(b, k, "an answer to nothing");
		return;
	}
	hist_add(&b->answer, now_ns() - e->sent_ns);
	e->sent_ns = 0;
}

static void on_send(struct bridged *b, unsigned k, struct span tid, struct span msg)
{
	struct span from = text_header(msg, "From-Path");
	char text[1024], self[PATH_MAX_HERE], body[BODY + 1];
	int n = snprintf(text, sizeof(text),
			 "MSRP %" SPAN_FMT " 200 OK\r\nTo-Path: %" SPAN_FMT
			 "\r\nFrom-Path: %s\r\n-------%" SPAN_FMT "$\r\n",
			 SPAN_ARG(tid), SPAN_ARG(from), self_of(b, k, self), SPAN_ARG(tid));

	if (span_find(msg, SPAN("\r\n\r\n")) != SPAN_NONE) {
		body_of(body, k, b->end[k ^ 1].seq);
		if (span_find(msg, (struct span){ body, BODY }) == SPAN_NONE)
			wrong(b, k, "received what was not sent");
		b->arrived++;
	}
	put(b, k, text, (size_t)n);
}

/* Takes one message; how long it was; 0: not all here. */
static size_t take(struct bridged *b, unsigned k, struct span in)
{
	struct span rest = span_skip(in, 5), tid = span_split(&rest, ' '), msg;
	char mark[64];
	int n = snprintf(mark, sizeof(mark), "\r\n-------%.*s", (int)(tid.n < 32 ? tid.n : 32), tid.p);
	size_t end;

	end = span_find(in, (struct span){ mark, (size_t)n });
	if (end == SPAN_NONE || in.n < end + (size_t)n + 3)
		return 0;
	msg = span_cut(in, 0, end);
	if (rest.n && rest.p[0] >= '0' && rest.p[0] <= '9')
		on_answer(b, k, msg);
	else if (span_starts(rest, SPAN("SEND")))
		on_send(b, k, tid, msg);
	return end + (size_t)n + 3;
}

static void readable(struct bridged *b, unsigned k)
{
	static char buf[READ_MAX];
	struct end *e = &b->end[k];
	ssize_t got;
	struct span in;

	if (e->part_n)
		memcpy(buf, e->part, e->part_n);
	got = read(e->fd, buf + e->part_n, sizeof(buf) - e->part_n);
	if (got <= 0) {
		if (got == 0 || errno != EAGAIN) {
			wrong(b, k, "closed");
			epoll_ctl(b->epoll, EPOLL_CTL_DEL, e->fd, NULL);
		}
		return;
	}
	in = (struct span){ buf, e->part_n + (size_t)got };
	free(e->part);
	e->part = NULL;
	for (size_t n; in.n && (n = take(b, k, in)) != 0;)
		in = span_skip(in, n);
	e->part_n = in.n;
	if (in.n)
		e->part = span_dup(in);
}

static void step(struct bridged *b, int wait_ms)
{
	struct epoll_event ev[EVENTS];
	int n = epoll_wait(b->epoll, ev, EVENTS, wait_ms);

	for (int i = 0; i < n; i++)
		readable(b, ev[i].data.u32);
	/* A 2xx that is repeated wants its ACK, whatever else goes on. */
	if (now_ns() >= b->next_pump_ns) {
		b->next_pump_ns = now_ns() + 20000000;
		sip_load_pump(b->load, 0);
	}
}

/* ---- phases ---- */

static void connect_end(struct bridged *b, unsigned k)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = k };
	struct sockaddr_storage to;
	struct sockaddr_in from = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl((127u << 24 | (uint32_t)b->sip.far_port << 8) +
							     1 + b->n_connected++ / PER_ADDRESS) };
	struct linger none = { .l_onoff = 1 }; /* or tens of thousands stand in TIME_WAIT afterwards */
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		load_die("socket: %s", strerror(errno));
	b->end[k].fd = fd;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (!b->end[k].peer || !text_path_addr(b->end[k].peer, &to) ||
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    connect(fd, (struct sockaddr *)&to, load_addr_len(&to)) < 0)
		load_die("session %u cannot connect: %s", k / 2, strerror(errno));
	epoll_ctl(b->epoll, EPOLL_CTL_ADD, fd, &ev);
	hello(b, k);
}

/* Waits for *what to be as much as `enough`; false: it does not get there. */
static bool wait_for(struct bridged *b, const unsigned *what, unsigned enough)
{
	uint64_t until = now_ns() + b->timeout_s * 1000000000ull;

	while (*what < enough && !b->wrong && now_ns() < until) {
		step(b, 10);
	}
	if (*what < enough)
		fprintf(stderr, "parley-load: %u of %u connections are bound, and no more\n", *what, enough);
	return *what >= enough;
}

static bool bind_all(struct bridged *b)
{
	unsigned n = 2 * b->sip.sessions;

	for (unsigned k = 0; k < n; k++) {
		if (k >= CONNECTING_MAX && !wait_for(b, &b->n_bound, k - CONNECTING_MAX))
			return false;
		connect_end(b, k);
		step(b, 0);
	}
	return wait_for(b, &b->n_bound, n);
}

/* Nothing happens: what the set-up left is forgotten (64*T1). */
static void hold(struct bridged *b)
{
	for (uint64_t until = now_ns() + b->hold_s * 1000000000ull; now_ns() < until && !b->wrong;) {
		step(b, 20);
	}
}

static bool converse(struct bridged *b)
{
	uint64_t last = now_ns(), seen = b->answer.n;

	b->wanted += b->count;
	while (b->answer.n < b->wanted && !b->wrong) {
		uint64_t now = now_ns();
		for (unsigned i = 0; i < b->active; i++)
			if (!b->end[2 * i].sent_ns && now >= b->end[2 * i].next_ns)
				chat(b, 2 * i, now);
		step(b, 1);
		if (b->answer.n != seen)
			seen = b->answer.n, last = now;
		if (now - last > b->timeout_s * 1000000000ull) {
			fprintf(stderr, "parley-load: nothing moves any more\n");
			return false;
		}
	}
	return !b->wrong && b->arrived >= b->wanted;
}

static void say(const char *word)
{
	puts(word);
	fflush(stdout);
}

/* So that somebody can have several of us take turns: a line, and we converse; all the time we stay what the sessions
 * need. */
static bool converse_by_line(struct bridged *b)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char c;

	say("ready");
	for (;;) {
		ssize_t n;
		if (poll(&in, 1, 0) == 0) {
			step(b, 5);
			continue;
		}
		n = read(STDIN_FILENO, &c, 1);
		if (n <= 0 || c == 'q')
			return !b->wrong;
		if (c == '\n') {
			if (!converse(b))
				return false;
			say("done");
		}
	}
}

static bool run(struct bridged *b)
{
	bool ok;

	b->run = (uint32_t)now_ns();
	b->sip.sessions = b->active + b->idle;
	b->sip.active = b->active;
	b->sip.hooks = (struct sip_hooks){ .u = b, .media = media, .peer = peer };
	b->end = calloc(2 * (size_t)b->sip.sessions, sizeof(*b->end));
	b->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!b->end || b->epoll < 0)
		load_die("out of memory");
	proc_tree_of(&b->dut, b->pid);
	b->load = sip_load_create(&b->sip);
	b->rss_before = proc_rss(&b->dut);
	ok = sip_load_setup(b->load) && bind_all(b);
	if (ok)
		hold(b);
	b->rss_after = proc_rss(&b->dut);
	ok = ok && (b->by_line ? converse_by_line(b) : converse(b));
	return sip_load_bye(b->load) && ok;
}

static void print(const struct bridged *b, bool ok)
{
	printf(b->terse ? "result=%s idle=%u connections=%u messages=%" PRIu64 " wrong=%" PRIu64
			  " rss_before_kib=%" PRIu64 " rss_kib=%" PRIu64
			: "result       %s\nidle         %u sessions\nconnections  %u\nmessages     %" PRIu64
			  "\nwrong        %" PRIu64 "\ndevice RSS   %" PRIu64 " KiB before, %" PRIu64
			  " KiB after\n",
	       ok ? "ok" : "FAULTY", b->idle, b->n_bound, b->answer.n, b->wrong, b->rss_before >> 10,
	       b->rss_after >> 10);
	if (b->terse)
		hist_print_terse("", &b->answer), putchar('\n');
	else
		hist_print("SEND to its 200", &b->answer);
}

int load_bridged_main(int argc, char **argv)
{
	static struct bridged b = {
		.sip = { .host = "127.0.0.1",
			 .far_port = 5080,
			 .in_flight = 32,
			 .method = OP_UPDATE,
			 .timeout_s = 30 },
		.idle = 1000,
		.active = 10,
		.count = 10000,
		.interval_ms = 10,
		.hold_s = 40,
		.timeout_s = 30,
		.core = -1,
	};
	const struct load_opt opts[] = {
		OPT_AT("to", &b.sip.to, "SIP address of the server"),
		OPT_N16("far-port", &b.sip.far_port, 0, 65535, "SIP port of our far end (5080)"),
		OPT_N32("idle", &b.idle, 0, 100000, "sessions that say nothing (1000)"),
		OPT_N32("active", &b.active, 1, 1000, "sessions that chat (10)"),
		OPT_N32("count", &b.count, 1, 10000000, "messages of 200 bytes in all (10000)"),
		OPT_N32("interval", &b.interval_ms, 0, 60000,
			"milliseconds between two messages of a session (10)"),
		OPT_N32("hold", &b.hold_s, 0, 3600, "seconds of silence before memory is read (40)"),
		OPT_SET("by-line", &b.by_line,
			"say \"ready\" when memory is read, then send --count\n"
			"messages for each line that comes in, saying \"done\";\nq ends it"),
		OPT_N32("pid", &b.pid, 1, 1 << 30, "process of the device"),
		OPT_N32("core", &b.core, 0, 1023, "stay on this core"),
		OPT_N32("timeout", &b.timeout_s, 1, 3600, "seconds in which nothing moves (30)"),
		OPT_SET("terse", &b.terse, "one line of key=value pairs"),
	};
	bool ok;

	load_options(
		opts, ARRAY_LEN(opts),
		"Usage: parley-load bridged --to ADDRESS:PORT [option...]\n\n"
		"Sets up sessions with both MSRP connections, lets all but a few be silent, and tells what\n"
		"the silent ones cost in memory and the others in time.\n\n",
		"\nExit status: 0 all as it should be; 1 not so; 2 bad usage.\n", argc, argv);
	load_bind(b.sip.host, &b.sip.local);
	if (!b.sip.to.ss_family)
		load_die("bridged: --to is missing; see parley-load bridged --help");
	load_pin(b.core);
	ok = run(&b);
	print(&b, ok);
	fflush(stdout);
	_exit(ok ? 0 : 1); /* tens of thousands of descriptors close by themselves */
}
