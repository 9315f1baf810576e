/* SPDX-License-Identifier: MIT */
/*
 * The MSRP stream of one connection, cut into heads, runs of body and ends, without ever holding a body (UP-19).
 * Bytes are fed as they come, in reads of any size; body spans point into what was fed.  Only a head that is split by a
 * read is copied, and of a body at most the start of a possible end-line is held back over a read: those bytes are
 * known, so nothing is stored for them.
 *
 * The consumer pulls, and may stop at any event: what it has not taken stays in its input.  At a head at least one
 * byte always stays there, so that a reader who stops has something left to be woken for.
 */
#ifndef PARLEY_MSRP_FRAME_H
#define PARLEY_MSRP_FRAME_H

#include "msrp/head.h"

enum msrp_step { MSRP_MORE, MSRP_HEAD, MSRP_BODY, MSRP_END };

struct msrp_event {
	struct msrp_head *head; /* of the message the event belongs to; also at BODY and END */
	struct span body;       /* BODY: never empty */
	bool last;              /* BODY: the end-line follows; flag is known */
	/* BODY: the span begins with CRLF and seven dashes, or with what a read left of them.  Whoever passes it on
	 * under another transaction id must make sure that it is not that one's end-line (UP-22). */
	bool suspect;
	char flag; /* END, or last: '$', '+', '#' */
};

struct msrp_keep; /* opaque: a head that outlives its read */

struct msrp_framer {
	uint8_t state;
	bool accepted; /* the consumer took the head */
	bool suspect;  /* the input begins with CRLF and dashes already looked at */
	uint8_t held;  /* bytes of a possible end-line taken from earlier reads */
	uint8_t skip;  /* how many of them were no body (the line start before an empty body) */
	uint8_t mark_n;
	char flag;
	char mark[2 + 7 + MSRP_TID_MAX + 2]; /* CRLF, dashes, tid; then flag and CR as they are met */
	struct msrp_head *head;
	struct msrp_keep *keep; /* owned */
};

void msrp_framer_init(struct msrp_framer *f);
void msrp_framer_finish(struct msrp_framer *f); /* safe on zeroes, safe twice */

/**
 * msrp_frame_next(f, in, scratch, ev): the next event; *in moves past what it took.  MSRP_MORE: all of it was taken, feed
 * more.  MSRP_HEAD comes again and again until msrp_frame_accept().  scratch holds a head that was not split; it and
 * the input must stay until the consumer has called msrp_frame_keep() or let go of them.  -EBADMSG, -EMSGSIZE: the
 * stream is lost, ev->head tells what is known; -ENOMEM.
 */
MUST_CHECK int msrp_frame_next(struct msrp_framer *f, struct span *in, struct msrp_head *scratch,
			       struct msrp_event *ev);
void msrp_frame_accept(struct msrp_framer *f);
/* Before the input goes away: copies the head of the message under way, if there is one.  0, -ENOMEM. */
MUST_CHECK int msrp_frame_keep(struct msrp_framer *f);
bool msrp_frame_idle(const struct msrp_framer *f); /* between two messages */
/* The head of the message under way; NULL between messages and while it is being read. */
struct msrp_head *msrp_frame_head(const struct msrp_framer *f);

/* Offset of the first CRLF and seven dashes in p[from, n), or SPAN_NONE.  Looks at every seventh byte. */
size_t msrp_scan_dashes(const char *p, size_t from, size_t n);

#endif
