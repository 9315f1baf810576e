/* SPDX-License-Identifier: MIT */
/* HTTP on the loop: real requests over the loopback. */
#include "lib/check.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "fake_im.h"
#include "mgmt/mgmt.h"

struct fixture {
	struct net *net;
	struct mgmt *mgmt;
	struct addr at;
};

static void fixture_init(struct fixture *f)
{
	struct net_conf conf;
	struct addr any = { .family = 4, .ip = { 127, 0, 0, 1 } };
	int err;

	net_conf_defaults(&conf);
	f->net = net_create(&conf, &(struct net_hooks){ 0 });
	assert_non_null(f->net);
	f->mgmt = mgmt_create(f->net, NULL, &any, &f->at, &err);
	assert_non_null(f->mgmt);
	assert_int_equal(err, 0);
	assert_true(f->at.port != 0);
}

static void fixture_finish(struct fixture *f)
{
	mgmt_destroy(f->mgmt);
	net_destroy(f->net);
}

static int dial(const struct fixture *f)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(f->at.port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(&to.sin_addr, f->at.ip, 4);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void on_bound(uv_timer_t *t)
{
	*(bool *)t->data = true;
}

/* Sends text, turns the loop until the server closed the connection. */
static void exchange(struct fixture *f, const char *text, char *buf, size_t cap)
{
	int fd = dial(f);
	size_t n = 0;
	bool over = false;
	uv_timer_t bound;
	ssize_t r = -1;

	uv_timer_init(net_loop(f->net), &bound);
	bound.data = &over;
	uv_timer_start(&bound, on_bound, 10000, 10000);
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	while (!over && r != 0) {
		uv_run(net_loop(f->net), UV_RUN_NOWAIT);
		r = recv(fd, buf + n, cap - 1 - n, MSG_DONTWAIT);
		n += r > 0 ? (size_t)r : 0;
	}
	assert_false(over);
	buf[n] = 0;
	uv_close((uv_handle_t *)&bound, NULL);
	uv_run(net_loop(f->net), UV_RUN_NOWAIT);
	close(fd);
}

static char page[256 * 1024];

static void a_page_is_served(void **state)
{
	struct fixture f;

	fixture_init(&f);
	exchange(&f, "GET /api/v1/sessions?call_id=call-2-a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		 page, sizeof(page));
	assert_int_equal(strncmp(page, "HTTP/1.1 200 OK\r\n", 17), 0);
	assert_non_null(strstr(page, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(page, "\r\n\r\n[{\"id\":2,"));
	exchange(&f, "HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", page, sizeof(page));
	assert_int_equal(strncmp(page, "HTTP/1.1 200 OK\r\n", 17), 0);
	assert_string_equal(strstr(page, "\r\n\r\n"), "\r\n\r\n");
	fixture_finish(&f);
}

static void a_body_is_read_and_refused(void **state)
{
	struct fixture f;

	fixture_init(&f);
	exchange(&f,
		 "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
		 page, sizeof(page));
	assert_int_equal(strncmp(page, "HTTP/1.1 405 ", 13), 0);
	assert_non_null(strstr(page, "\r\nAllow: GET, HEAD\r\n"));
	exchange(&f, "not HTTP at all\r\n\r\n", page, sizeof(page));
	fixture_finish(&f);
}

static void draining_shows(void **state)
{
	struct fixture f;

	fixture_init(&f);
	mgmt_draining(f.mgmt);
	exchange(&f, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", page, sizeof(page));
	assert_int_equal(strncmp(page, "HTTP/1.1 503 ", 13), 0);
	fixture_finish(&f);
}

static void a_port_in_use_has_its_errno(void **state)
{
	struct fixture f;
	int err;

	fixture_init(&f);
	assert_null(mgmt_create(f.net, NULL, &f.at, NULL, &err));
	assert_int_equal(err, -EADDRINUSE);
	fixture_finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_is_served),
		cmocka_unit_test(a_body_is_read_and_refused),
		cmocka_unit_test(draining_shows),
		cmocka_unit_test(a_port_in_use_has_its_errno),
	};
	return cmocka_run_group_tests_name("mgmt/http", tests, NULL, NULL);
}
