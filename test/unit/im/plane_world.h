/* SPDX-License-Identifier: MIT */
/*
 * A world for the user plane alone: connections as buffers whose room the test sets, time as the test sets it.  What
 * the plane writes is read back as text in which its random names are replaced: its paths by {A} and {B} (after a
 * change of path {A2}...), its transaction ids by T1, T2... in the order of their appearance.
 */
#ifndef PARLEY_TEST_PLANE_WORLD_H
#define PARLEY_TEST_PLANE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rng.h"
#include "im/plane.h"
#include "im/port.h"

enum { PW_CONNS_MAX = 64, PW_NAMES_MAX = 64 };

struct pw;

extern void *(*pw_realloc)(void *, size_t); /* the world's own memory; never fails */

struct pw_conn {
	struct pw *w;
	struct plane_conn *pc;
	bool up, closed; /* closed: by the plane, or told to it */
	bool paused;     /* it took less than it was given */
	char *in;
	size_t in_n;
	char *out;
	size_t out_n, out_at; /* out_at: read by the test */
	size_t high;          /* high-water mark of the write queue */
	bool sink;            /* nothing is kept of what is written, the peer reads at once */
	unsigned writes;
	char host[64];
	uint16_t port;
};

struct pw {
	struct plane_conf conf;
	struct im_port port;
	struct timers wheel;
	struct planes *ps;
	struct plane *p;
	struct pw_conn conn[PW_CONNS_MAX];
	unsigned n_conns;
	struct rng rng;
	uint64_t now_us;
	size_t read_max; /* bytes fed per input call; 0: all */
	struct {
		char real[160], name[16];
	} path[PW_NAMES_MAX];
	unsigned n_paths;
	char tid[PW_NAMES_MAX][17];
	unsigned n_tids;
	unsigned lost[2], back[2];
	char lost_why[64];
	struct pw_conn *a, *b; /* of pw_up() */
	char text[262144];
};

void pw_init(struct pw *w);
void pw_finish(struct pw *w); /* ends the session, checks that nothing stays */

/* SDP of one line, or of several: path, setup, direction and further lines are the test's. */
struct pw_sdp {
	struct sdp sdp;
	char text[4096];
};
/* lines: "path|setup|more a= lines" per m=message line; NULL path: port 0. */
void pw_sdp(struct pw_sdp *s, unsigned n, const char *const *attrs);
void pw_sdp1(struct pw_sdp *s, const char *path, const char *setup, const char *more);

/* prepare and commit, from the given side. */
void pw_exchange(struct pw *w, enum side from, struct pw_sdp *offer, struct pw_sdp *answer);
void pw_prepare(struct pw *w, enum side from, struct pw_sdp *offer);
/* Both peers active, both bound: w->a and w->b.  a is msrp://a.example:7001/as;tcp, b msrp://b.example:7002/bs;tcp. */
void pw_up(struct pw *w);
void pw_name_paths(struct pw *w, const char *a, const char *b); /* what plane_local() tells now */

struct pw_conn *pw_accept(struct pw *w);
struct pw_conn *pw_last(struct pw *w); /* the connection made last */
void pw_connected(struct pw_conn *c);
void pw_close(struct pw_conn *c); /* by the peer */
/* Text with the names above in it, fed to the plane. */
__attribute__((format(printf, 2, 3))) void pw_feed(struct pw_conn *c, const char *fmt, ...);
void pw_feed_bytes(struct pw_conn *c, const void *p, size_t n);
void pw_pump(struct pw *w);
void pw_room(struct pw_conn *c, size_t high); /* and tells that it drained, if there is room */
void pw_advance(struct pw *w, uint64_t ms);
/* What was written since the last call, named.  Valid until the next. */
const char *pw_take(struct pw_conn *c);
void pw_expect_(struct pw_conn *c, const char *want, const char *file, int line);
#define pw_expect(c, want) pw_expect_(c, want, __FILE__, __LINE__)
bool pw_drained_all(struct pw *w);

#define A_URI "msrp://a.example:7001/as;tcp"
#define B_URI "msrp://b.example:7002/bs;tcp"
/* What the peers send, and what they see; rest and flag as they stand. */
#define FROM_A(tid, method, rest) \
	"MSRP " tid " " method "\r\nTo-Path: {A}\r\nFrom-Path: " A_URI "\r\n" rest "-------" tid
#define FROM_B(tid, method, rest) \
	"MSRP " tid " " method "\r\nTo-Path: {B}\r\nFrom-Path: " B_URI "\r\n" rest "-------" tid
#define TO_A(tid, method, rest) \
	"MSRP " tid " " method "\r\nTo-Path: " A_URI "\r\nFrom-Path: {A}\r\n" rest "-------" tid
#define TO_B(tid, method, rest) \
	"MSRP " tid " " method "\r\nTo-Path: " B_URI "\r\nFrom-Path: {B}\r\n" rest "-------" tid
#define TEXT "Content-Type: text/plain\r\n\r\n"

#endif
