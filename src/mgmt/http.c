/* SPDX-License-Identifier: MIT */
/*
 * libmicrohttpd on our loop: it brings its own epoll descriptor, which libuv watches; when that is ready the
 * daemon runs once, and a timer gives it its time-outs.  So there is no second thread and no lock.
 */
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "mgmt/api.h"

enum { CONNECTIONS_MAX = 64, IDLE_S = 15, BACKLOG = 64 };

struct mgmt {
	struct api api;
	struct MHD_Daemon *daemon;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned open_handles;
};

static void run(struct mgmt *m);

static void on_timer(uv_timer_t *t)
{
	run(t->data);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	run(p->data);
}

static void run(struct mgmt *m)
{
	MHD_UNSIGNED_LONG_LONG in_ms;

	MHD_run(m->daemon);
	if (MHD_get_timeout(m->daemon, &in_ms) == MHD_YES)
		uv_timer_start(&m->timer, on_timer, in_ms, 0);
	else
		uv_timer_stop(&m->timer);
}

static enum MHD_Result queue(struct MHD_Connection *c, const struct api_reply *r)
{
	struct MHD_Response *resp;
	enum MHD_Result ok;

	if (r->body)
		resp = MHD_create_response_from_buffer(r->n, r->body, MHD_RESPMEM_MUST_FREE);
	else
		resp = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
	if (!resp) {
		free(r->body);
		return MHD_NO; /* closes the connection */
	}
	MHD_add_response_header(resp, MHD_HTTP_HEADER_CONTENT_TYPE, r->type);
	MHD_add_response_header(resp, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (r->status == 405)
		MHD_add_response_header(resp, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	ok = MHD_queue_response(c, r->body ? r->status : 503, resp);
	MHD_destroy_response(resp);
	return ok;
}

static enum MHD_Result on_request(void *u, struct MHD_Connection *c, const char *url, const char *method,
				  const char *version, const char *upload, size_t *upload_n, void **state)
{
	struct mgmt *m = u;
	struct api_reply r;
	struct api_request q = {
		.method = method,
		.path = url,
		.limit = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "limit"),
		.call_id = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "call_id"),
	};

	if (!*state) { /* headers are in; the answer waits for the (ignored) body */
		*state = m;
		return MHD_YES;
	}
	if (*upload_n) {
		*upload_n = 0;
		return MHD_YES;
	}
	api_reply(&m->api, &q, &r);
	return queue(c, &r);
}

/* Our own socket, so that a failure has its errno. */
static int listen_at(const struct addr *at, struct addr *bound)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(at->port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(at->port) };
	bool is4 = at->family == 4;
	struct sockaddr *sa = is4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t n = is4 ? sizeof(v4) : sizeof(v6);
	int on = 1, err, fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	memcpy(is4 ? (void *)&v4.sin_addr : (void *)&v6.sin6_addr, at->ip, is4 ? 4 : 16);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!is4)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, sa, n) < 0 || listen(fd, BACKLOG) < 0 || getsockname(fd, sa, &n) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	if (bound) {
		*bound = *at;
		bound->port = ntohs(is4 ? v4.sin_port : v6.sin6_port);
	}
	return fd;
}

static struct MHD_Daemon *start_daemon(struct mgmt *m, int fd)
{
	return MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, m, MHD_OPTION_LISTEN_SOCKET,
				(MHD_socket)fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
				MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_END);
}

struct mgmt *mgmt_create(struct net *net, struct im *im, const struct addr *at, struct addr *bound, int *err)
{
	struct mgmt *m = calloc(1, sizeof(*m));
	const union MHD_DaemonInfo *info;
	int fd;

	*err = -ENOMEM;
	if (!m)
		return NULL;
	m->api = (struct api){ .im = im, .net = net };
	fd = listen_at(at, bound);
	if (fd < 0) {
		*err = fd;
		goto err_free;
	}
	m->daemon = start_daemon(m, fd);
	if (!m->daemon) {
		close(fd);
		goto err_free;
	}
	info = MHD_get_daemon_info(m->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info || uv_poll_init(net_loop(net), &m->poll, info->epoll_fd) < 0)
		goto err_daemon;
	uv_timer_init(net_loop(net), &m->timer);
	m->poll.data = m->timer.data = m;
	m->open_handles = 2;
	uv_poll_start(&m->poll, UV_READABLE, on_poll);
	*err = 0;
	return m;
err_daemon:
	MHD_stop_daemon(m->daemon); /* closes fd */
err_free:
	free(m);
	return NULL;
}

static void on_closed(uv_handle_t *h)
{
	struct mgmt *m = h->data;

	if (--m->open_handles == 0)
		free(m);
}

void mgmt_destroy(struct mgmt *m)
{
	if (!m)
		return;
	uv_close((uv_handle_t *)&m->poll, on_closed);
	uv_close((uv_handle_t *)&m->timer, on_closed);
	MHD_stop_daemon(m->daemon);
}

void mgmt_draining(struct mgmt *m)
{
	if (m)
		m->api.draining = true;
}
