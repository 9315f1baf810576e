/* SPDX-License-Identifier: MIT */
#include "lib/check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "main/log.h"
#include "main/trace.h"

static void read_line(int fd, char *buf, size_t cap)
{
	ssize_t n = read(fd, buf, cap - 1);

	buf[n > 0 ? n : 0] = 0;
}

static void a_line_is_time_level_event_and_values(void **state)
{
	struct log l = { .level = IM_INFO };
	unsigned year, month, day, hour, minute, second, ms;
	char line[4096];
	int fd[2], at = 0;

	assert_int_equal(pipe(fd), 0);
	l.fd = fd[1];
	log_event(&l, IM_DEBUG, "not-wanted", "x=1");
	log_event(&l, IM_WARN, "session-end", "sess=%u cause=%s", 7, "bye");
	read_line(fd[0], line, sizeof(line));
	assert_int_equal(sscanf(line, "%4u-%2u-%2uT%2u:%2u:%2u.%3uZ %n", &year, &month, &day, &hour, &minute,
				&second, &ms, &at),
			 7);
	assert_true(year >= 2024 && month >= 1 && month <= 12 && ms < 1000);
	assert_string_equal(line + at, "warn session-end sess=7 cause=bye\n");
	log_event(&l, IM_ERROR, "bare", "%s", "");
	read_line(fd[0], line, sizeof(line));
	assert_string_equal(line + at, "error bare\n");
	close(fd[0]);
	close(fd[1]);
}

static void what_a_peer_sent_stays_on_its_line(void **state)
{
	struct log l = { .level = IM_DEBUG };
	char line[8192], large[5000];
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	l.fd = fd[1];
	log_event(&l, IM_INFO, "e", "uri=%s", "sip:a\r\n2026 error forged\033[1m\xff");
	read_line(fd[0], line, sizeof(line));
	assert_string_equal(strstr(line, "uri="), "uri=sip:a??2026 error forged?[1m?\n");
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = 0;
	log_event(&l, IM_INFO, "e", "%s", large);
	read_line(fd[0], line, sizeof(line));
	assert_true(strlen(line) <= 2048);
	assert_int_equal(line[strlen(line) - 1], '\n');
	close(fd[0]);
	close(fd[1]);
}

static void a_trace_shows_direction_addresses_and_text(void **state)
{
	struct net_trace t = { .out = true,
			       .tp = SIP_UDP,
			       .local = { .family = 4, .port = 5060, .ip = { 127, 0, 0, 1 } },
			       .remote = { .family = 6, .port = 5080, .ip = { [15] = 1 } },
			       .bytes = SPAN("BYE sip:a SIP/2.0\r\nX: \x01y\r\n\r\n"),
			       .now_us = 1500000 };
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	trace_print(f, &t);
	assert_string_equal(text, "1.500000 SIP/UDP out 127.0.0.1:5060 > [::1]:5080 28 bytes\n"
				  "    BYE sip:a SIP/2.0\n    X: .y\n    \n");
	fclose(f);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_time_level_event_and_values),
		cmocka_unit_test(what_a_peer_sent_stays_on_its_line),
		cmocka_unit_test(a_trace_shows_direction_addresses_and_text),
	};
	return cmocka_run_group_tests_name("main/log", tests, NULL, NULL);
}
