/* SPDX-License-Identifier: MIT */
/*
 * Streams (stream.h).  What is hard: a consumer may pause, end or close the stream from inside its own input
 * call, so buffers live until the handle is closed and every call out is followed by a look at the state;
 * and a writer must never be called back, so what a write learns (it failed, there is room again) is put on
 * net->attention for the end of the turn.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net/stream.h"

enum {
	DIRECT_MIN = 16 * 1024, /* writes from this size go to the socket from where they lie */
	IOV_MAX_HERE = 64,      /* as many pieces as the user plane gathers for one write */
	BUFFER_MIN = 4 * 1024,  /* either direction */
};

static void on_poll(uv_poll_t *p, int status, int events);

/* ---- what the loop watches ---- */

/* Changing it costs two system calls, so pausing only takes effect when bytes really arrive meanwhile. */
static void watch(struct stream *s)
{
	uint8_t want = (s->paused || s->ended ? 0 : UV_READABLE) | (s->blocked ? UV_WRITABLE : 0);

	if (want == s->polled)
		return;
	s->polled = want;
	if (want)
		uv_poll_start(&s->poll, want, on_poll);
	else
		uv_poll_stop(&s->poll);
}

static void attend(struct stream *s)
{
	if (list_empty(&s->attention))
		list_push(&s->net->attention, &s->attention);
}

static void set_blocked(struct stream *s, bool blocked)
{
	if (s->blocked == blocked)
		return;
	s->blocked = blocked;
	watch(s);
}

/* ---- out ---- */

static void out_free(struct stream *s)
{
	free(s->out);
	s->out = NULL;
	s->out_off = s->out_n = s->out_cap = 0;
}

static void sent(struct stream *s, size_t n)
{
	s->net->stats.tcp_sent_bytes += n;
}

static ssize_t give(struct stream *s, const void *p, size_t n)
{
	ssize_t r;

	if (s->tls)
		return tls_write(s->tls, p, n);
	do
		r = send(s->fd, p, n, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

static int flush(struct stream *s)
{
	while (s->out_n) {
		ssize_t r = give(s, s->out + s->out_off, s->out_n);
		if (r == -EAGAIN) {
			set_blocked(s, true);
			return 0;
		}
		if (r < 0)
			return (int)r;
		sent(s, (size_t)r);
		s->out_off += (uint32_t)r;
		s->out_n -= (uint32_t)r;
	}
	out_free(s);
	set_blocked(s, false);
	return 0;
}

static int out_reserve(struct stream *s, size_t more)
{
	size_t need = s->out_n + more, cap = s->out_cap ? s->out_cap : BUFFER_MIN;
	char *p;

	if (need > s->out_max)
		return -ENOBUFS;
	if (s->out_off + need <= s->out_cap)
		return 0;
	if (s->out_off && need <= s->out_cap) {
		memmove(s->out, s->out + s->out_off, s->out_n);
		s->out_off = 0;
		return 0;
	}
	while (cap < need)
		cap *= 2;
	p = malloc(cap);
	if (!p)
		return -ENOMEM;
	if (s->out_n)
		memcpy(p, s->out + s->out_off, s->out_n);
	free(s->out);
	s->out = p;
	s->out_off = 0;
	s->out_cap = (uint32_t)cap;
	return 0;
}

/* Queue the pieces but for their first skip bytes, which the socket has taken. */
static int append(struct stream *s, const struct span *piece, unsigned n, size_t skip)
{
	size_t total = 0;
	int err;

	for (unsigned i = 0; i < n; i++)
		total += piece[i].n;
	if (total == skip)
		return 0;
	err = out_reserve(s, total - skip);
	if (err < 0)
		return err;
	for (unsigned i = 0; i < n; i++) {
		struct span rest = span_skip(piece[i], skip);
		skip -= piece[i].n - rest.n;
		if (rest.n)
			memcpy(s->out + s->out_off + s->out_n, rest.p, rest.n);
		s->out_n += (uint32_t)rest.n;
	}
	return 0;
}

/* What is queued and then the pieces, without copying what the socket takes at once. */
static int write_direct(struct stream *s, const struct span *piece, unsigned n)
{
	struct iovec iov[IOV_MAX_HERE + 1];
	struct msghdr h = { .msg_iov = iov };
	size_t queued;
	ssize_t r;

	if (s->out_n)
		iov[h.msg_iovlen++] = (struct iovec){ s->out + s->out_off, s->out_n };
	for (unsigned i = 0; i < n; i++)
		iov[h.msg_iovlen++] = (struct iovec){ (char *)piece[i].p, piece[i].n };
	do
		r = sendmsg(s->fd, &h, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	if (r < 0 && errno != EAGAIN)
		return -errno;
	r = r < 0 ? 0 : r;
	sent(s, (size_t)r);
	queued = (size_t)r < s->out_n ? (size_t)r : s->out_n;
	s->out_off += (uint32_t)queued;
	s->out_n -= (uint32_t)queued;
	if (s->out_n == 0)
		out_free(s);
	int err = append(s, piece, n, (size_t)r - queued);
	if (err == 0 && s->out_n)
		set_blocked(s, true);
	return err;
}

/* Of the pieces, from their byte `from` on, as much as one record carries: from where it lies, or when it lies in several
 * places from the shared buffer.  Empty: there is no more. */
static struct span record_at(struct net *n, const struct span *piece, unsigned n_piece, size_t from)
{
	struct wbuf w = wbuf_on(n->record_buf, TLS_RECORD);

	for (unsigned i = 0; i < n_piece && w.n < TLS_RECORD; i++) {
		struct span rest = span_skip(piece[i], from);
		from -= piece[i].n - rest.n;
		if (w.n == 0 && (rest.n >= TLS_RECORD || (rest.n && i + 1 == n_piece)))
			return span_cut(rest, 0, TLS_RECORD);
		w_span(&w, span_cut(rest, 0, TLS_RECORD - w.n));
	}
	return w_span_of(&w);
}

/* TLS copies in any case; what is not taken at once is copied here too. */
static int write_tls(struct stream *s, const struct span *piece, unsigned n)
{
	struct span record;
	size_t done = 0;
	int err = flush(s);

	while (err == 0 && s->out_n == 0 && (record = record_at(s->net, piece, n, done)).n) {
		ssize_t r = tls_write(s->tls, record.p, record.n);
		if (r == -EAGAIN) {
			set_blocked(s, true);
			break;
		}
		if (r < 0)
			return (int)r;
		sent(s, (size_t)r);
		done += (size_t)r;
	}
	return err < 0 ? err : append(s, piece, n, done);
}

static void fail_later(struct stream *s, int err)
{
	s->state = STREAM_BROKEN;
	s->err = err;
	attend(s);
}

void stream_write(struct stream *s, const struct span *piece, unsigned n)
{
	size_t total = 0;
	int err;

	if (s->state != STREAM_OPENING && s->state != STREAM_OPEN)
		return;
	for (unsigned i = 0; i < n; i++)
		total += piece[i].n;
	if (s->state == STREAM_OPEN && !s->shaking && !s->blocked && total >= DIRECT_MIN && n <= IOV_MAX_HERE)
		err = s->tls ? write_tls(s, piece, n) : write_direct(s, piece, n);
	else
		err = append(s, piece, n, 0);
	if (err < 0)
		fail_later(s, err);
	else if (s->state == STREAM_OPEN && (s->room_short || (s->out_n && !s->blocked)))
		attend(s);
}

void stream_break(struct stream *s, int err)
{
	if (s->state == STREAM_OPENING || s->state == STREAM_OPEN)
		fail_later(s, err);
}

void stream_want_room(struct stream *s)
{
	s->room_short = true;
}

static void tell_room(struct stream *s)
{
	if (!s->room_short || s->state != STREAM_OPEN || s->out_n > s->net->conf.msrp_low)
		return;
	s->room_short = false;
	if (s->ops->drained)
		s->ops->drained(s);
}

/* ---- end ---- */

static void on_closed(uv_handle_t *h)
{
	struct stream *s = container_of((uv_poll_t *)h, struct stream, poll);

	tls_free(s->tls);
	free(s->in);
	out_free(s);
	s->ops->gone(s);
}

void stream_close(struct stream *s)
{
	uint8_t was = s->state;

	if (was == STREAM_CLOSED)
		return;
	s->state = STREAM_CLOSED;
	list_del(&s->attention);
	timer_stop(&s->net->wheel, &s->timer);
	if (s->fd < 0) {
		on_closed((uv_handle_t *)&s->poll);
		return;
	}
	uv_close((uv_handle_t *)&s->poll, on_closed);
	close(s->fd);
}

static void on_close_timeout(struct timer *t, uint64_t now_us)
{
	stream_close(container_of(t, struct stream, timer));
}

/* All is out: say so, then wait for the peer's end, since closing with bytes unread would reset the connection
 * and take our last words with it. */
static void say_end(struct stream *s)
{
	if (s->tls)
		tls_say_end(s->tls);
	if (s->ended || shutdown(s->fd, SHUT_WR) < 0)
		stream_close(s);
}

void stream_end(struct stream *s)
{
	if (s->state != STREAM_OPEN || s->shaking) {
		stream_close(s);
		return;
	}
	s->state = STREAM_CLOSING;
	s->paused = false;
	watch(s);
	timer_set(&s->net->wheel, &s->timer, s->net->now_us + s->net->conf.close_ms * US_PER_MS,
		  on_close_timeout);
	attend(s);
}

/* From the loop: there is no more use in it. */
static void lost(struct stream *s, int err)
{
	if (s->state == STREAM_CLOSING)
		stream_close(s);
	else if (s->state != STREAM_CLOSED)
		s->ops->broken(s, err);
}

/* ---- in ---- */

static int in_reserve(struct stream *s, size_t cap)
{
	char *p;

	if (cap < BUFFER_MIN)
		cap = BUFFER_MIN;
	if (cap > s->in_max)
		cap = s->in_max;
	if (cap <= s->in_n)
		return -EMSGSIZE;
	if (cap <= s->in_cap)
		return 0;
	p = realloc(s->in, cap);
	if (!p)
		return -ENOMEM;
	s->in = p;
	s->in_cap = (uint32_t)cap;
	return 0;
}

/* Offers what is kept. */
static void feed_kept(struct stream *s)
{
	size_t took = s->ops->input(s, (struct span){ s->in, s->in_n });

	if (s->state != STREAM_OPEN)
		return;
	s->in_n -= (uint32_t)took;
	if (s->in_n) {
		memmove(s->in, s->in + took, s->in_n);
		return;
	}
	free(s->in);
	s->in = NULL;
	s->in_cap = 0;
}

/* Offers what lies in the shared buffer, keeps the rest. */
static void feed_shared(struct stream *s, size_t n)
{
	size_t took = s->ops->input(s, (struct span){ s->net->read_buf, n });
	int err;

	if (s->state != STREAM_OPEN || took == n)
		return;
	err = in_reserve(s, n - took);
	if (err < 0 || n - took > s->in_cap) {
		lost(s, err < 0 ? err : -EMSGSIZE);
		return;
	}
	s->in_n = (uint32_t)(n - took);
	memcpy(s->in, s->net->read_buf + took, s->in_n);
}

static ssize_t take(struct stream *s, void *p, size_t n)
{
	ssize_t r;

	if (s->tls)
		return tls_read(s->tls, p, n);
	r = recv(s->fd, p, n, 0);
	return r < 0 ? -errno : r;
}

/* false: there was nothing, or s is of no more use. */
static bool read_once(struct stream *s)
{
	bool shared = s->in_n == 0 || s->state == STREAM_CLOSING;
	char *to = s->net->read_buf;
	size_t room = NET_READ_MAX;
	ssize_t r;

	if (!shared) {
		if (s->in_n == s->in_cap && in_reserve(s, 2 * (size_t)s->in_cap) < 0) {
			lost(s, -EMSGSIZE);
			return false;
		}
		to = s->in + s->in_n;
		room = s->in_cap - s->in_n;
	}
	r = take(s, to, room);
	if (r == -EAGAIN || r == -EINTR)
		return false;
	if (r <= 0) {
		s->ended = true;
		watch(s);
		lost(s, (int)r);
		return false;
	}
	s->net->stats.tcp_received_bytes += (size_t)r;
	if (s->state == STREAM_CLOSING)
		return true; /* of no interest any more */
	if (s->net->hooks.trace && s->ops->trace)
		s->ops->trace(s, (struct span){ to, (size_t)r });
	if (shared) {
		feed_shared(s, (size_t)r);
	} else {
		s->in_n += (uint32_t)r;
		feed_kept(s);
	}
	return true;
}

static bool usable(const struct stream *s)
{
	return s->state == STREAM_OPEN || s->state == STREAM_CLOSING;
}

/* A TLS record read in one piece may hold more than was asked for, of which the descriptor knows nothing. */
static void on_readable(struct stream *s)
{
	while (read_once(s) && s->tls && usable(s) && !s->paused && tls_has_more(s->tls))
		;
}

void stream_pause(struct stream *s)
{
	s->paused = true;
	s->feed_due = false;
}

void stream_resume(struct stream *s)
{
	if (s->state != STREAM_OPEN || !s->paused)
		return;
	s->feed_due = true;
	attend(s);
}

/* ---- the loop ---- */

void stream_attend(struct stream *s)
{
	int err = 0;

	if (s->state == STREAM_BROKEN) {
		lost(s, s->err);
		return;
	}
	if (s->feed_due && s->state == STREAM_OPEN) {
		s->feed_due = s->paused = false;
		if (s->in_n)
			feed_kept(s);
		if (s->state == STREAM_OPEN)
			watch(s);
		if (s->state == STREAM_OPEN && s->tls && !s->paused && tls_has_more(s->tls))
			on_readable(s);
	}
	if (usable(s) && !s->blocked && !s->shaking)
		err = flush(s);
	if (err < 0)
		lost(s, err);
	else if (s->state == STREAM_CLOSING && s->out_n == 0)
		say_end(s);
	else
		tell_room(s);
}

static int error_of(const struct stream *s)
{
	int err = 0;
	socklen_t n = sizeof(err);

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &n) < 0 || err == 0)
		err = ECONNRESET;
	return -err;
}

/* Done with it, or with s: then lost() has been told. */
static void shake(struct stream *s)
{
	int r = tls_handshake(s->tls);

	if (r == -EAGAIN) {
		set_blocked(s, tls_wants_write(s->tls));
		return;
	}
	if (r < 0) {
		s->net->stats.tls_failed++;
		s->ended = true;
		watch(s);
		lost(s, r);
		return;
	}
	s->shaking = false;
	s->net->stats.tls_resumed += tls_resumed(s->tls);
	set_blocked(s, false);
	attend(s);
	if (s->ops->secured)
		s->ops->secured(s);
	if (s->state == STREAM_OPEN && !s->paused && tls_has_more(s->tls))
		on_readable(s); /* said along with the last of the handshake */
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct stream *s = container_of(p, struct stream, poll);

	net_touch(s->net);
	if (status < 0) { /* libuv has stopped watching */
		s->ended = true;
		s->polled = 0;
		lost(s, error_of(s));
		return;
	}
	if (s->shaking) {
		shake(s);
		return;
	}
	if (events & UV_WRITABLE) {
		s->blocked = false;
		stream_attend(s);
		if (usable(s))
			watch(s);
	}
	if (!(events & UV_READABLE) || !usable(s))
		return;
	if (s->paused)
		watch(s);
	else
		on_readable(s);
}

/* ---- begin ---- */

void stream_init(struct stream *s, struct net *n, const struct stream_ops *ops, uint32_t in_max,
		 uint32_t out_max)
{
	s->net = n;
	s->ops = ops;
	s->in_max = in_max;
	s->out_max = out_max;
	s->fd = -1;
	s->state = STREAM_OPENING;
}

int stream_open(struct stream *s, int fd)
{
	int err = uv_poll_init(&s->net->loop, &s->poll, fd);

	if (err < 0) {
		close(fd);
		return err;
	}
	s->fd = fd;
	s->state = STREAM_OPEN;
	watch(s);
	if (s->out_n)
		attend(s);
	return 0;
}

int stream_open_tls(struct stream *s, int fd, struct tls_link *l)
{
	int err;

	if (!l) {
		close(fd);
		return -ENOMEM;
	}
	s->tls = l; /* freed with the stream, whatever happens */
	s->shaking = true;
	err = stream_open(s, fd);
	if (err == 0)
		set_blocked(s, true); /* the first turn of the loop begins the handshake */
	return err;
}
