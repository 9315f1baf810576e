/* SPDX-License-Identifier: MIT */
/* The program as its users run it: command line, ready, answers on every socket, an end in good order. */
#include "lib/check.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { OUTPUT_MAX = 64 * 1024, WAIT_MS = 20000 };

static const char *program; /* path of parleyd */
static char dir[] = "/tmp/parley-test-XXXXXX";
static char conf_path[64];

struct run {
	pid_t pid;
	int fd; /* both its outputs */
	char out[OUTPUT_MAX];
	size_t n;
	uint16_t sip_udp, sip_tcp, msrp, http;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void start(struct run *r, const char *const args[])
{
	extern char **environ;
	posix_spawn_file_actions_t fa;
	char *argv[8] = { (char *)program };
	int fd[2];

	memset(r, 0, sizeof(*r));
	for (unsigned i = 0; args[i]; i++)
		argv[i + 1] = (char *)args[i];
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, fd[1], 1);
	posix_spawn_file_actions_adddup2(&fa, fd[1], 2);
	assert_int_equal(posix_spawn(&r->pid, program, &fa, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&fa);
	close(fd[1]);
	r->fd = fd[0];
}

/* Reads its output until text is in it; false: it ended, or nothing came for too long. */
static bool read_until(struct run *r, const char *text)
{
	uint64_t until = now_ms() + WAIT_MS;

	for (;;) {
		struct pollfd p = { .fd = r->fd, .events = POLLIN };
		ssize_t n;
		if (text && strstr(r->out, text))
			return true;
		if (now_ms() > until || poll(&p, 1, WAIT_MS) <= 0)
			return false;
		n = read(r->fd, r->out + r->n, sizeof(r->out) - 1 - r->n);
		if (n <= 0)
			return false;
		r->n += (size_t)n;
	}
}

static int finish(struct run *r)
{
	int status = 0;

	read_until(r, NULL); /* to its end */
	close(r->fd);
	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void write_conf(const char *text)
{
	FILE *f = fopen(conf_path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static uint16_t port_after(const struct run *r, const char *text)
{
	const char *p = strstr(r->out, text);

	assert_non_null(p);
	return (uint16_t)atoi(p + strlen(text));
}

static void start_ready(struct run *r, const char *conf)
{
	write_conf(conf);
	start(r, (const char *const[]){ "-c", conf_path, NULL });
	if (!read_until(r, "\nready\n"))
		print_error("%s\n", r->out);
	assert_non_null(strstr(r->out, "\nready\n"));
	r->sip_udp = port_after(r, "proto=sip/udp addr=127.0.0.1:");
	r->sip_tcp = port_after(r, "proto=sip/tcp addr=127.0.0.1:");
	r->msrp = port_after(r, "proto=msrp/tcp addr=127.0.0.1:");
	r->http = port_after(r, "proto=http addr=127.0.0.1:");
}

static const char any_ports[] = "sip: { listen: [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"] }\n"
				"im: { served_domains: [example.com] }\n"
				"msrp: { listen: \"tcp:127.0.0.1:0\" }\n"
				"mgmt: { listen: \"127.0.0.1:0\" }\n"
				"drain_s: 20\n";

static int dial(int type, uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval bound = { .tv_sec = WAIT_MS / 1000 };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound)), 0);
	return fd;
}

/* Sends text and reads once: the beginning of the answer. */
static void ask(int fd, const char *text, char *buf, size_t cap)
{
	ssize_t n;

	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	n = recv(fd, buf, cap - 1, 0);
	buf[n > 0 ? n : 0] = 0;
}

static void options_over(int type, const char *tp, uint16_t port)
{
	char text[1024], buf[4096];
	int fd = dial(type, port);

	snprintf(text, sizeof(text),
		 "OPTIONS sip:127.0.0.1:%u SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:9;rport;branch=z9hG4bK%s1\r\n"
		 "Max-Forwards: 70\r\nFrom: <sip:t@example.com>;tag=1\r\nTo: <sip:127.0.0.1:%u>\r\n"
		 "Call-ID: %s@t\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
		 port, tp, tp, port, tp);
	ask(fd, text, buf, sizeof(buf));
	assert_int_equal(strncmp(buf, "SIP/2.0 200 ", 12), 0);
	assert_non_null(strstr(buf, "\r\nAllow: "));
	close(fd);
}

static void every_socket_answers_and_term_ends_it(void **state)
{
	struct run r;
	char buf[4096];
	int fd;

	start_ready(&r, any_ports);
	options_over(SOCK_DGRAM, "UDP", r.sip_udp);
	options_over(SOCK_STREAM, "TCP", r.sip_tcp);
	/* A path nobody has: 481 (UP-10). */
	fd = dial(SOCK_STREAM, r.msrp);
	ask(fd,
	    "MSRP abcd1234 SEND\r\nTo-Path: msrp://127.0.0.1:2855/nobody;tcp\r\n"
	    "From-Path: msrp://127.0.0.1:9/me;tcp\r\nMessage-ID: 1\r\n-------abcd1234$\r\n",
	    buf, sizeof(buf));
	assert_int_equal(strncmp(buf, "MSRP abcd1234 481", 17), 0);
	close(fd);
	fd = dial(SOCK_STREAM, r.http);
	ask(fd, "GET /api/v1/sessions HTTP/1.1\r\nHost: x\r\n\r\n", buf, sizeof(buf));
	assert_int_equal(strncmp(buf, "HTTP/1.1 200 ", 13), 0);
	close(fd);
	assert_int_equal(kill(r.pid, SIGHUP), 0);
	assert_true(read_until(&r, "signal=HUP"));
	assert_int_equal(kill(r.pid, SIGTERM), 0);
	assert_int_equal(finish(&r), 0);
	assert_non_null(strstr(r.out, " notice stopped sessions=none\n"));
}

static void a_port_in_use_names_key_and_line(void **state)
{
	struct run one, two;
	char conf[256], want[256];

	start_ready(&one, any_ports);
	snprintf(conf, sizeof(conf),
		 "drain_s: 1\nsip:\n  listen:\n    - udp:127.0.0.1:0\n    - tcp:127.0.0.1:%u\n", one.sip_tcp);
	write_conf(conf);
	start(&two, (const char *const[]){ "-c", conf_path, NULL });
	assert_int_equal(finish(&two), 1);
	snprintf(want, sizeof(want),
		 "%s:5: sip.listen: tcp:127.0.0.1:%u is in use; stop what holds it or choose another port\n",
		 conf_path, one.sip_tcp);
	assert_non_null(strstr(two.out, want));
	assert_null(strstr(two.out, "ready"));
	assert_int_equal(kill(one.pid, SIGINT), 0);
	assert_int_equal(finish(&one), 0);
}

static void faults_are_named_and_end_it(void **state)
{
	static const char *const modes[][4] = { { "-t", "-c", conf_path }, { "-c", conf_path } };
	char want[320];

	write_conf("store:\n  kind: lmdb\nsip:\n  listn: []\n");
	snprintf(want, sizeof(want),
		 "%s:4: sip.listn: there is no such key; did you mean sip.listen?\n"
		 "%s:2: store.kind: lmdb is not in this version; use memory\n",
		 conf_path, conf_path);
	for (unsigned i = 0; i < ARRAY_LEN(modes); i++) {
		struct run r;
		start(&r, modes[i]);
		assert_int_equal(finish(&r), 1);
		assert_string_equal(r.out, want);
	}
}

static void the_command_line_is_explained(void **state)
{
	struct run r;

	start(&r, (const char *const[]){ "--help", NULL });
	assert_int_equal(finish(&r), 0);
	assert_non_null(strstr(r.out, "--show-config"));
	start(&r, (const char *const[]){ "--version", NULL });
	assert_int_equal(finish(&r), 0);
	assert_int_equal(strncmp(r.out, "parleyd ", 8), 0);
	start(&r, (const char *const[]){ "--nonsense", NULL });
	assert_int_equal(finish(&r), 2);
	start(&r, (const char *const[]){ "file.yaml", NULL });
	assert_int_equal(finish(&r), 2);
	assert_non_null(strstr(r.out, "\"file.yaml\" is not an option"));
	start(&r, (const char *const[]){ "--help-config", NULL });
	assert_int_equal(finish(&r), 0);
	assert_non_null(strstr(r.out, "msrp.acknowledge\n"));
	write_conf("");
	start(&r, (const char *const[]){ "-t", "-c", conf_path, NULL });
	assert_int_equal(finish(&r), 0);
	start(&r, (const char *const[]){ "--show-config", "-c", conf_path, NULL });
	assert_int_equal(finish(&r), 0);
	assert_int_equal(strncmp(r.out, "sip:\n  listen: ", 15), 0);
}

static int make_dir(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(conf_path, sizeof(conf_path), "%s/parleyd.yaml", dir);
	return 0;
}

static int drop_dir(void **state)
{
	unlink(conf_path);
	return rmdir(dir);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_socket_answers_and_term_ends_it),
		cmocka_unit_test(a_port_in_use_names_key_and_line),
		cmocka_unit_test(faults_are_named_and_end_it),
		cmocka_unit_test(the_command_line_is_explained),
	};
	if (argc < 2)
		return 77;
	program = argv[1];
	return cmocka_run_group_tests_name("main/parleyd", tests, make_dir, drop_dir);
}
