/* SPDX-License-Identifier: MIT */
#include "plane_world.h"

#include <stdio.h>
#include <stdlib.h>

void *(*pw_realloc)(void *, size_t) = realloc;

/* ---- the port ---- */

static void port_random(void *u, void *p, size_t n)
{
	rng_fill(&((struct pw *)u)->rng, p, n);
}

static struct pw_conn *conn_new(struct pw *w)
{
	struct pw_conn *c = &w->conn[w->n_conns++];

	assert_true(w->n_conns <= PW_CONNS_MAX);
	*c = (struct pw_conn){ .w = w, .high = SIZE_MAX };
	return c;
}

static void *port_connect(void *u, struct plane_conn *pc, const struct im_msrp_to *to)
{
	struct pw_conn *c = conn_new(u);

	c->pc = pc;
	snprintf(c->host, sizeof(c->host), "%" SPAN_FMT, SPAN_ARG(to->host));
	c->port = to->port;
	return c;
}

static void port_write(void *u, void *wc, const struct span *piece, unsigned n)
{
	struct pw_conn *c = wc;

	assert_true(c->up && !c->closed);
	c->writes++;
	if (c->sink)
		return;
	for (unsigned i = 0; i < n; i++) {
		c->out = pw_realloc(c->out, c->out_n + piece[i].n + 1);
		memcpy(c->out + c->out_n, piece[i].p, piece[i].n);
		c->out_n += piece[i].n;
		c->out[c->out_n] = 0;
	}
}

static size_t port_room(void *u, void *wc)
{
	struct pw_conn *c = wc;
	size_t queued = c->out_n - c->out_at;

	assert_false(c->closed);
	return c->high > queued ? c->high - queued : 0;
}

static void port_resume(void *u, void *wc)
{
	struct pw_conn *c = wc;

	assert_false(c->closed);
	c->paused = false;
}

static void port_close(void *u, void *wc)
{
	struct pw_conn *c = wc;

	assert_false(c->closed);
	c->closed = true;
	c->pc = NULL;
}

static void on_lost(void *session, enum side s, unsigned line, const char *why, uint64_t now_us)
{
	struct pw *w = session;

	w->lost[s]++;
	snprintf(w->lost_why, sizeof(w->lost_why), "%s", why);
}

static void on_back(void *session, enum side s, unsigned line, uint64_t now_us)
{
	struct pw *w = session;

	w->back[s]++;
}

static const struct plane_hooks hooks = { .lost = on_lost, .back = on_back };

/* ---- life ---- */

void pw_init(struct pw *w)
{
	memset(w, 0, sizeof(*w));
	w->conf = (struct plane_conf){ .at = { { "192.0.2.9", 2855 }, { "192.0.2.9", 2856 } },
				       .ack_end = true,
				       .accept_types = "*",
				       .max_size = 1 << 30,
				       .queue_max = 256 * 1024,
				       .connections_max = 1000,
				       .unbound_per_source_max = 100,
				       .repair_wait_ms = 30000,
				       .bind_wait_ms = 30000,
				       .drain_ms = 60000,
				       .end_bound_ms = 20000 };
	w->port = (struct im_port){ .w = w,
				    .random = port_random,
				    .msrp_connect = port_connect,
				    .msrp_write = port_write,
				    .msrp_room = port_room,
				    .msrp_resume = port_resume,
				    .msrp_close = port_close };
	w->now_us = 1000000;
	rng_seed(&w->rng, 42);
	timers_init(&w->wheel, w->now_us);
}

static void pw_start(struct pw *w)
{
	if (w->ps)
		return;
	w->ps = planes_create(&w->conf, &w->port, &w->wheel);
	w->p = plane_create(w->ps, w, &hooks);
	assert_non_null(w->p);
}

void pw_finish(struct pw *w)
{
	plane_destroy(w->p, w->now_us);
	pw_pump(w);
	pw_advance(w, 130000);
	if (w->ps) {
		planes_check(w->ps);
		assert_int_equal(planes_stats(w->ps)->sessions, 0);
		assert_int_equal(planes_stats(w->ps)->connections, 0);
		assert_int_equal(w->wheel.n, 0);
	}
	planes_destroy(w->ps);
	for (unsigned i = 0; i < w->n_conns; i++) {
		free(w->conn[i].in);
		free(w->conn[i].out);
	}
}

/* ---- SDP ---- */

void pw_sdp(struct pw_sdp *s, unsigned n, const char *const *attrs)
{
	size_t at =
		(size_t)snprintf(s->text, sizeof(s->text),
				 "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n");

	for (unsigned i = 0; i < n; i++) {
		const char *path = attrs[3 * i], *setup = attrs[3 * i + 1], *more = attrs[3 * i + 2];
		at += (size_t)snprintf(s->text + at, sizeof(s->text) - at, "m=message %d TCP/MSRP *\r\n",
				       path ? 7000 : 0);
		if (path)
			at += (size_t)snprintf(s->text + at, sizeof(s->text) - at, "a=path:%s\r\n", path);
		if (path && setup)
			at += (size_t)snprintf(s->text + at, sizeof(s->text) - at, "a=setup:%s\r\n", setup);
		if (path && !strstr(more ? more : "", "a=accept-types"))
			at += (size_t)snprintf(s->text + at, sizeof(s->text) - at, "a=accept-types:*\r\n");
		if (path && more)
			at += (size_t)snprintf(s->text + at, sizeof(s->text) - at, "%s", more);
	}
	assert_int_equal(sdp_parse(&s->sdp, (struct span){ s->text, at }, NULL), 0);
}

void pw_sdp1(struct pw_sdp *s, const char *path, const char *setup, const char *more)
{
	const char *attrs[] = { path, setup, more };

	pw_sdp(s, 1, attrs);
}

void pw_prepare(struct pw *w, enum side from, struct pw_sdp *offer)
{
	pw_start(w);
	assert_int_equal(plane_prepare(w->p, from, &offer->sdp, 0, w->now_us), 0);
}

void pw_exchange(struct pw *w, enum side from, struct pw_sdp *offer, struct pw_sdp *answer)
{
	pw_prepare(w, from, offer);
	plane_commit(w->p, from, &offer->sdp, &answer->sdp, w->now_us);
	planes_check(w->ps);
	pw_pump(w);
}

void pw_name_paths(struct pw *w, const char *a, const char *b)
{
	const char *name[] = { a, b };
	struct plane_local l;

	for (int s = 0; s < 2; s++) {
		if (!name[s])
			continue;
		plane_local(w->p, (enum side)s, 0, &l);
		assert_true(l.known);
		snprintf(w->path[w->n_paths].real, sizeof(w->path[0].real), "%s", l.path);
		snprintf(w->path[w->n_paths++].name, sizeof(w->path[0].name), "{%s}", name[s]);
	}
}

void pw_up(struct pw *w)
{
	struct pw_sdp offer, answer;

	pw_sdp1(&offer, A_URI, "active", NULL);
	pw_sdp1(&answer, B_URI, "active", NULL);
	pw_exchange(w, SIDE_A, &offer, &answer);
	pw_name_paths(w, "A", "B");
	w->a = pw_accept(w), w->b = pw_accept(w);
	pw_feed(w->a, FROM_A("abind", "SEND", "Message-ID: ab\r\n") "$\r\n");
	pw_expect(w->a, TO_A("abind", "200 OK", "") "$\r\n");
	pw_feed(w->b, FROM_B("bbind", "SEND", "Message-ID: bb\r\n") "$\r\n");
	pw_expect(w->b, TO_B("bbind", "200 OK", "") "$\r\n");
	w->a->writes = w->b->writes = 0;
}

/* ---- names ---- */

static bool after(const char *from, const char *q, const char *what)
{
	size_t n = strlen(what);

	return (size_t)(q - from) >= n && memcmp(q - n, what, n) == 0;
}

/* A transaction id stands in start lines and end-lines. */
static bool tid_place(const char *from, const char *q)
{
	return after(from, q, "MSRP ") || after(from, q, "\r\n-------");
}

/* ---- connections ---- */

struct pw_conn *pw_last(struct pw *w)
{
	return &w->conn[w->n_conns - 1];
}

struct pw_conn *pw_accept(struct pw *w)
{
	struct pw_conn *c = conn_new(w);
	struct addr from = { .family = 4, .port = (uint16_t)(1000 + w->n_conns), .ip = { 198, 51, 100, 7 } };

	c->up = true;
	c->pc = planes_accept(w->ps, c, PLANE_TCP, &from, w->now_us);
	if (!c->pc)
		c->closed = true;
	return c;
}

void pw_connected(struct pw_conn *c)
{
	c->up = true;
	plane_conn_connected(c->pc, c->w->now_us);
	planes_check(c->w->ps);
	pw_pump(c->w);
}

void pw_close(struct pw_conn *c)
{
	struct plane_conn *pc = c->pc;

	if (c->closed)
		return;
	c->closed = true;
	c->pc = NULL;
	c->in_n = 0;
	plane_conn_closed(pc, c->w->now_us);
	planes_check(c->w->ps);
	pw_pump(c->w);
}

static bool pump_one(struct pw_conn *c)
{
	size_t give = c->in_n, took;
	char *copy;

	if (c->closed || c->paused || !c->in_n)
		return false;
	if (c->w->read_max && give > c->w->read_max)
		give = c->w->read_max;
	copy = pw_realloc(NULL, give);
	memcpy(copy, c->in, give);
	took = plane_conn_input(c->pc, (struct span){ copy, give }, c->w->now_us);
	free(copy);
	assert_true(took <= give);
	if (c->closed) {
		c->in_n = 0;
		return true;
	}
	c->paused = took < give;
	memmove(c->in, c->in + took, c->in_n - took);
	c->in_n -= took;
	return true;
}

void pw_pump(struct pw *w)
{
	bool again = true;

	while (again) {
		again = false;
		for (unsigned i = 0; i < w->n_conns; i++)
			again |= pump_one(&w->conn[i]);
	}
	if (w->ps)
		planes_check(w->ps);
}

void pw_feed_bytes(struct pw_conn *c, const void *p, size_t n)
{
	c->in = pw_realloc(c->in, c->in_n + n + 1);
	memcpy(c->in + c->in_n, p, n);
	c->in_n += n;
	pw_pump(c->w);
}

void pw_feed(struct pw_conn *c, const char *fmt, ...)
{
	struct pw *w = c->w;
	static char raw[65536], text[65536];
	va_list ap;
	size_t n = 0;

	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	for (char *q = raw; *q;) {
		unsigned i = 0;
		for (; i < w->n_paths; i++)
			if (strncmp(q, w->path[i].name, strlen(w->path[i].name)) == 0)
				break;
		if (i < w->n_paths) {
			n += (size_t)sprintf(text + n, "%s", w->path[i].real);
			q += strlen(w->path[i].name);
		} else if (*q == 'T' && tid_place(raw, q) && q[1] >= '1' && q[1] <= '9' &&
			   strtoul(q + 1, NULL, 10) <= w->n_tids) {
			n += (size_t)sprintf(text + n, "%s", w->tid[strtoul(q + 1, &q, 10) - 1]);
		} else {
			text[n++] = *q++;
		}
	}
	pw_feed_bytes(c, text, n);
}

void pw_room(struct pw_conn *c, size_t high)
{
	c->high = high;
	if (!c->closed && port_room(c->w, c) > 0)
		plane_conn_drained(c->pc, c->w->now_us);
	pw_pump(c->w);
}

void pw_advance(struct pw *w, uint64_t ms)
{
	uint64_t to = w->now_us + ms * US_PER_MS, at;

	while ((at = timers_deadline(&w->wheel)) <= to) {
		w->now_us = at > w->now_us ? at : w->now_us;
		timers_run(&w->wheel, w->now_us);
		pw_pump(w);
	}
	w->now_us = to;
}

/* ---- reading back ---- */

static size_t tid_at(struct pw *w, const char *q)
{
	unsigned i;

	for (i = 0; i < 16; i++)
		if (!strchr("0123456789abcdef", q[i]) || !q[i])
			return 0;
	for (i = 0; i < w->n_tids; i++)
		if (memcmp(w->tid[i], q, 16) == 0)
			return i + 1;
	assert_true(w->n_tids < PW_NAMES_MAX);
	memcpy(w->tid[w->n_tids], q, 16);
	return ++w->n_tids;
}

const char *pw_take(struct pw_conn *c)
{
	struct pw *w = c->w;
	const char *q = c->out ? c->out + c->out_at : "";
	size_t n = 0, t;

	while (*q) {
		unsigned i = 0;
		for (; i < w->n_paths; i++)
			if (strncmp(q, w->path[i].real, strlen(w->path[i].real)) == 0)
				break;
		if (i < w->n_paths) {
			n += (size_t)sprintf(w->text + n, "%s", w->path[i].name);
			q += strlen(w->path[i].real);
		} else if (tid_place(c->out, q) && (t = tid_at(w, q)) > 0) {
			n += (size_t)sprintf(w->text + n, "T%zu", t);
			q += 16;
		} else {
			w->text[n++] = *q++;
		}
		assert_true(n + 200 < sizeof(w->text));
	}
	w->text[n] = 0;
	c->out_at = c->out_n;
	return w->text;
}

void pw_expect_(struct pw_conn *c, const char *want, const char *file, int line)
{
	const char *got = pw_take(c);

	if (strcmp(got, want) != 0) {
		print_error("%s:%d: got\n%s\nwant\n%s\n", file, line, got, want);
		_fail(file, line);
	}
}
