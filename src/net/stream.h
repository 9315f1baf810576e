/* SPDX-License-Identifier: MIT */
/*
 * A TCP connection, plain or with TLS, as two byte queues.  Bytes in are read into one buffer shared by all connections and fed
 * at once; a connection owns memory only for what its consumer did not take and for what the socket did not
 * take.  Idle it costs sizeof(struct stream).
 */
#ifndef PARLEY_NET_STREAM_H
#define PARLEY_NET_STREAM_H

#include "net/priv.h"
#include "net/tls.h"

enum stream_state {
	STREAM_OPENING, /* no descriptor yet; writes are queued */
	STREAM_OPEN,
	STREAM_BROKEN,  /* a write failed: ops->broken is due */
	STREAM_CLOSING, /* nobody listens any more: flush, shut down, wait for the peer's end */
	STREAM_CLOSED,  /* ops->gone is due */
};

struct stream;
struct stream_ops { /* called from the loop only */
	/* Bytes taken.  What is left is offered again with the next bytes, or after stream_resume() when the
	 * callee paused the stream. */
	size_t (*input)(struct stream *s, struct span in);
	void (*drained)(struct stream *s); /* NULL is fine: out is at msrp_low again, and it was asked for */
	/* 0: the peer ended it, else -errno.  Must stream_close() or stream_end(). */
	void (*broken)(struct stream *s, int err);
	void (*gone)(struct stream *s);                  /* the last: free what s is part of */
	void (*secured)(struct stream *s);               /* NULL is fine: the TLS handshake is done */
	void (*trace)(struct stream *s, struct span in); /* NULL is fine: bytes as read */
};

struct stream {
	uv_poll_t poll; /* initialised from STREAM_OPEN on */
	struct net *net;
	const struct stream_ops *ops;
	struct list attention;
	struct timer timer;   /* the owner's; from stream_end() on the bound on closing */
	struct tls_link *tls; /* owned; NULL: plain */
	char *in, *out;       /* owned; NULL when empty */
	uint32_t in_n, in_cap, in_max;
	uint32_t out_off, out_n, out_cap, out_max; /* out holds [off, off + n) */
	int fd;
	int err; /* of STREAM_BROKEN */
	uint8_t state, polled;
	bool paused;     /* the consumer wants no more for now */
	bool feed_due;   /* resumed: what is kept is to be offered again */
	bool blocked;    /* the socket is full */
	bool room_short; /* the writer wants to hear of room */
	bool ended;      /* the peer sends no more */
	bool shaking;    /* TLS handshake under way: what is written waits */
};

/* Storage is the owner's, zeroed.  in_max bounds what is kept unread, out_max what is kept unwritten: a write
 * beyond it breaks the stream. */
void stream_init(struct stream *s, struct net *n, const struct stream_ops *ops, uint32_t in_max,
		 uint32_t out_max);
MUST_CHECK int stream_open(struct stream *s, int fd); /* takes fd, also on error; what was written leaves */
/* The same with TLS: l is made on fd and is the stream's from now on; NULL, as when there was no memory, is fine. */
MUST_CHECK int stream_open_tls(struct stream *s, int fd, struct tls_link *l);
void stream_write(struct stream *s, const struct span *piece, unsigned n);
void stream_break(struct stream *s,
		  int err);              /* a write could not be made: ops->broken follows from the loop */
void stream_want_room(struct stream *s); /* ops->drained once out is low */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);
/* Close at once.  ops->gone follows from the loop; for a stream never opened before this returns. */
void stream_close(struct stream *s);
/* Flush within conf.close_ms, then close.  Only ops->gone is called from now on. */
void stream_end(struct stream *s);
void stream_attend(struct stream *s); /* net.c: it was on net->attention */

#endif
