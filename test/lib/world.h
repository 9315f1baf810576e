/* SPDX-License-Identifier: MIT */
/*
 * The world of a test: struct im_port in virtual time.  One heap of events by (time, sequence), one clock that
 * jumps from event to event, one seeded generator; so every run of the same script is the same run.  The
 * production `struct im` is fed here and nowhere else, which is also where its bounds are (world_boundary): the
 * simulator fails allocations between them, and every checker runs behind them.
 *
 * SIP goes out through hooks->sip_out at once; who delivers it, and how late, is the user's business.  MSRP
 * connections are pairs of byte pipes with bounded room, segment size and delay.
 */
#ifndef PARLEY_TEST_WORLD_H
#define PARLEY_TEST_WORLD_H

#include "base/rng.h"
#include "im/im.h"
#include "im/view.h"

struct world;
struct wconn; /* one MSRP connection */

struct world_hooks {
	void *u;
	/* im sent this.  ip is resolved. */
	void (*sip_out)(void *u, const struct sip_dest *to, struct span bytes, uint64_t token);
	/* im connects to ip:port: 0 accepted, -1 nobody listens there.  Set *peer to what belongs to it. */
	int (*msrp_incoming)(void *u, struct wconn *c, const struct addr *to, void **peer);
	/* The connection world_msrp_open() began is up, or im accepted none (up false: it is gone). */
	void (*msrp_up)(void *u, struct wconn *c, void *peer, bool up);
	/* Bytes from im.  Returns how many were taken: fewer stops the pipe until world_msrp_resume(). */
	size_t (*msrp_bytes)(void *u, struct wconn *c, void *peer, struct span bytes);
	/* im closed it, or it was cut; c is not to be used any more. */
	void (*msrp_down)(void *u, struct wconn *c, void *peer);
	void (*log)(void *u, enum im_level level, const char *event, const char *text);
	/* After every event: look, change nothing. */
	void (*check)(void *u);
	/* Entering (true) or leaving (false) production code. */
	void (*boundary)(void *u, bool inside);
};

typedef void world_fn(struct world *w, void *arg, uint64_t n);

struct world {
	struct im *im;
	struct im_conf conf;
	struct world_hooks hooks;
	struct rng rng;
	uint64_t now_us, seq, n_events;
	struct world_event *heap;
	size_t n_heap, cap_heap;
	struct list conns; /* all struct wconn */
	unsigned inside;
	bool slabs; /* transactions have memory of their own, as in production; else all is malloc's */
	/* MSRP pipes */
	size_t pipe_room;    /* high-water mark per direction */
	size_t pipe_segment; /* most bytes per delivery; 0: all */
	uint64_t pipe_delay_us;
	bool pipe_random; /* segment size and delay drawn up to the two above */
	/* host name -> address, for what im writes as a name */
	struct {
		char name[64];
		struct addr ip;
	} names[8];
	unsigned n_names;
};

/* conf is completed with the addresses below; world_start() makes the im. */
void world_init(struct world *w, uint64_t seed, const struct world_hooks *hooks);
bool world_start(struct world *w); /* false: no memory */
void world_finish(struct world *w);

#define WORLD_AS_IP "192.0.2.1"
enum { WORLD_AS_SIP = 5060, WORLD_AS_MSRP = 2855 }; /* the MSRP port of a transport: + enum plane_tp */

void world_at(struct world *w, uint64_t at_us, world_fn *fn, void *arg, uint64_t n);
/* Runs everything due up to and including until_us, then sets the clock to it. */
void world_run(struct world *w, uint64_t until_us);
/* Runs what is due at this very instant. */
void world_settle(struct world *w);
/* When the next thing happens; UINT64_MAX: nothing will. */
uint64_t world_next(const struct world *w);

void world_sip_in(struct world *w, const struct sip_src *src, struct span bytes);
/* Bytes of a stream: framed as net/ would. false: the stream must be closed now. */
bool world_sip_stream(struct world *w, const struct sip_src *src, struct span bytes);
void world_sip_unreachable(struct world *w, uint64_t token);

/* A peer connects to im's MSRP listener. */
struct wconn *world_msrp_open(struct world *w, const struct addr *from, void *peer);
/* What the peer's end of a connection is: with TLS, and the certificate it shows (cert.h; "": none).  Before it is up. */
void world_msrp_tls(struct wconn *c, bool tls, const char *cert);
void world_msrp_ws(struct wconn *c, bool ws); /* by WebSocket; its framing is the world's */
bool world_msrp_is_tls(const struct wconn *c);
void world_msrp_send(struct wconn *c, struct span bytes);
void world_msrp_resume(struct wconn *c);          /* the peer reads on */
void world_msrp_shut(struct wconn *c);            /* the peer closes after its bytes are out */
void world_msrp_cut(struct wconn *c);             /* reset: what is under way is lost */
size_t world_msrp_backlog(const struct wconn *c); /* bytes im has not taken yet */
size_t world_msrp_queued(const struct wconn *c);  /* bytes the peer has not taken yet */

#endif
