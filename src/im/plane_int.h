/* SPDX-License-Identifier: MIT */
/*
 * What the plane_*.c files share.  Nothing else includes this.
 *
 * The objects, and who owns whom: a plane owns its lines; a line owns its two ends; an end owns its paths (current,
 * next, and old ones that drain) and what is held for it; a path owns a share of the peer's data.  A message belongs to
 * the end at which it is received ("near"); it owns the SENDs open there (plane_near) and the SENDs that carry its
 * bytes to the other end (plane_out).  Connections belong to nobody: they live while a path is bound to them or
 * something is open on them.
 *
 *       connection -> framer -> head: checks (plane_recv.c) -> near, message
 *                               body: out, written to the far connection, or held (plane_relay.c, plane_held.c)
 *       far responses -> out -> near -> response (plane_ack.c)
 *       far REPORTs   -> message -> near end (plane_report.c)
 *
 * One near chunk becomes one far chunk or several, never a part of one: so "every byte of the near chunk is confirmed"
 * (UP-25a) is a count of what is pending, whatever the ranges say.
 */
#ifndef PARLEY_IM_PLANE_INT_H
#define PARLEY_IM_PLANE_INT_H

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/htab.h"
#include "im/plane.h"
#include "im/port.h"
#include "msrp/build.h"
#include "msrp/frame.h"
#include "msrp/uri.h"

enum {
	SID_LEN = 20,      /* 120 bits (UP-2) */
	TID_LEN = 16,      /* 64 bits (UP-22) */
	ID_MAX = 64,       /* Message-ID; the grammar says 32, clients send UUIDs */
	OPEN_MAX = 256,    /* SENDs open per end (UP-25a) */
	OPEN_LOW = 192,    /* below it reading goes on */
	OPEN_STUCK = 2048, /* per end while the other direction is stopped by as many */
	OUT_MAX = 4096,    /* pieces they were cut into */
	OUT_LOW = 3072,
	LOOSE_MAX = 1024,       /* SENDs of Failure-Report: partial remembered per end */
	OLD_MAX = 4,            /* draining generations per end (UPA-2) */
	MSGS_MAX = 4096,        /* Message-IDs per end (UP-45) */
	CHUNK_WHOLE_MAX = 2048, /* longer bodies can be interrupted (UP-32, UP-33) */
	CHUNK_CUT = 16384,      /* and are, at this length, when responses wait */
	HELD_MAX = 16384,       /* body bytes of one held piece */
	LATE_MAX = 16384,       /* responses that wait for a chunk to reach 2048 bytes */
	BATCHES = 4,
	BATCH_PIECES = 64,
	BATCH_TEXT = 32768,
	COPY_MAX = 512,
	SCRATCH_MAX = 32768,
};

#define OUT_WAIT_US (30 * US_PER_S)  /* UP-28 */
#define MSG_IDLE_US (120 * US_PER_S) /* UP-45 */
#define OLD_QUIET_US (2 * US_PER_S)
#define LATE_WAIT_US (100 * US_PER_MS)

/* What one side's SDP says about a line; shared by its path and the SENDs open under it. */
struct plane_peer {
	uint32_t refs;
	bool active;   /* we connect */
	bool chatroom; /* a=chatroom (RFC 7701) */
	bool has_types;
	uint8_t dir;  /* enum sdp_dir, from its owner's view */
	uint8_t hash; /* enum sdp_hash of its fingerprints */
	uint16_t path_n, types_n, wrapped_n;
	uint16_t first_n; /* the leftmost URI of path, at its start */
	uint16_t cap;
	uint8_t n_prints;
	uint8_t place_n; /* 0: it does not speak RFC 6714 */
	uint64_t max_size;
	char text
		[]; /* path, accept-types, accept-wrapped-types, fingerprints as bytes, place (m= port, c=) */
};

enum path_state { PATH_NEXT, PATH_CURRENT, PATH_OLD };

struct plane_path {            /* one of our URIs: an MSRP session of ours */
	struct htab_link link; /* ps->paths, by session-id */
	struct plane_end *end;
	struct plane_conn *conn;     /* bound to, or connecting; NULL */
	struct list on_conn;         /* conn->paths */
	struct list on_end;          /* end->old */
	struct list own;             /* our SENDs without a message: bindings, aborts */
	struct list ins;             /* connections that are receiving a request for it */
	struct plane_peer *peer;     /* share; NULL before its commit */
	struct plane_shared *shared; /* with other planes' paths of the same URI (plane_fork.c); NULL */
	struct timer t;              /* bind wait while current, drain bound while old */
	uint64_t id;                 /* never used twice */
	uint64_t bound_us; /* when an old one goes in any case, when the current one must be bound; 0: is */
	uint64_t quiet_us; /* and until when it stays for words that are still under way */
	uint32_t n_open;   /* SENDs open on it, both ways */
	uint8_t state;
	uint8_t tries; /* to connect again, since the connection was lost */
	bool again;    /* it is one of them: nothing but our bodiless SEND goes out before it is answered */
	uint8_t tp;    /* enum plane_tp */
	bool seen;     /* the peer was heard on it */
	bool takeover; /* the peer's URI changed and ours did not (UP-10) */
	bool shadow;   /* an old one whose URI the current one has kept; not in ps->paths */
	uint8_t sid_at;
	uint16_t uri_n;
	char uri[];
};

struct plane_end {
	struct plane_line *line;
	uint8_t side;
	uint8_t n_old;
	uint16_t n_msgs;
	uint16_t n_reports; /* messages received here that wait for a success REPORT */
	bool lost : 1;      /* until it is bound again */
	bool unheard : 1;   /* and was, on the path it has lost, never */
	struct plane_path *path, *next;
	struct plane_peer *next_peer;
	struct plane_path *spare; /* becomes the shadow if the answer moves the peer */
	struct list old;          /* draining paths, oldest first */
	struct list held;         /* plane_held, for want of a connection, in order */
	struct list waiters;      /* stopped connections this end can wake */
	struct list msgs;         /* received here, oldest first */
	struct list on_lost;      /* ps->lost: its session is to hear of it */
	struct plane_late *late;  /* owned: REPORTs that wait for a connection (plane_report.c); NULL: none */
	struct plane_past *past;  /* owned: messages answered a while ago (plane_past.c); NULL: none */
	const char *why;
	uint32_t held_bytes, kept_bytes; /* kept: copies of what was sent here and is not confirmed */
	uint16_t n_near, n_out;          /* counted SENDs open: received, sent */
	uint16_t n_near_loose, n_out_loose;
};

struct plane_file {     /* what a file line (RFC 5547) carries, for who looks */
	uint64_t size;  /* 0: not said */
	uint64_t from;  /* bytes the receiver has of an earlier try: a=file-range */
	uint64_t bytes; /* received of the message that came last */
	uint8_t state;  /* enum plane_file_state */
	char id[65];
};

struct plane_line {
	struct plane *p;
	uint8_t index; /* of the m= line */
	bool live, next_live;
	struct plane_stats *stats; /* owned; NULL: nothing happened yet */
	struct plane_file *file;   /* owned; NULL: a chat */
	struct plane_end end[2];
};

struct plane {
	struct planes *ps;
	void *session;
	const struct plane_hooks *hooks;
	struct list link;                /* ps->all */
	struct plane_line **line, *only; /* line: PLANE_LINES_MAX of them, owned; or, while one does, &only */
	uint8_t n_lines;
	uint8_t from; /* while prepared */
	bool prepared;
	uint8_t by_ws[2]; /* enum plane_tp for whom our own offers go to by WebSocket; 0: nobody */
	uint8_t forking;  /* 1 + the side on which more far ends may answer the offer it began with; 0: no */
	struct plane_stats *stats; /* owned: of lines that are gone; NULL: nothing */
	uint64_t generation;
};

enum adapt_way { ADAPT_NONE, ADAPT_WRAP, ADAPT_UNWRAP };

/* The header section of a CPIM message, as far as it is there (plane_content.c); of one that is made another for the
 * far side (plane_adapt.c) once that is decided: the section put in front, or the Content-Type line that takes its
 * place. */
struct plane_content {
	uint8_t way;   /* enum adapt_way */
	int32_t shift; /* what is added to the numbers of bytes for the far side; 0: not decided, or nothing */
	char *text;    /* owned */
	uint32_t n, cap;
	uint32_t sent; /* of n, passed on already */
};

struct plane_msg {
	struct htab_link link; /* ps->msgs */
	struct plane_end *end; /* received here */
	struct list on_end;
	struct list on_idle; /* ps->idle while nothing of it is open */
	uint64_t idle_due;
	struct list nears, outs;
	uint64_t near_path_id;         /* of the path it was last received on */
	uint32_t conn_id;              /* and of the connection */
	uint64_t path_id;              /* of the far path its forwarding began on; 0: not begun */
	uint64_t next, total;          /* byte after the last one passed on */
	uint64_t top;                  /* highest byte received */
	uint64_t limit;                /* bytes it may have (UP-36) */
	struct msrp_cover *cover;      /* owned: success-reported; NULL: nothing */
	struct plane_content *content; /* owned; NULL for nearly all */
	struct plane_conn *judging; /* brings the chunk its content is judged by, until it is; NULL: none */
	uint16_t code;              /* failed: what its further chunks get */
	uint16_t users;             /* chunks being received, pieces held */
	uint8_t failure;            /* enum msrp_failure */
	uint8_t kind;               /* enum plane_kind */
	bool judged;                /* what is in it is allowed */
	bool success, complete, waiting; /* waiting: for a success REPORT */
	bool whole;                      /* complete, and not by '#' */
	bool passed, aborted;            /* to the far side */
	bool gap;                        /* a chunk came before one that precedes it */
	bool twice;  /* comes again on another path, maybe while it still comes on the first */
	bool orphan; /* a SEND of it went unanswered, its connection gone: it may come again (UPA-13) */
	uint8_t id_n;
	char id[ID_MAX];
};

struct plane_near { /* a SEND received and not yet answered */
	struct list on_msg, on_fifo, on_conn;
	struct plane_msg *msg;
	struct plane_conn *conn;
	struct plane_path *path;
	struct plane_peer *peer; /* share: its first URI is where the response goes, unless to is set */
	char *to;                /* owned */
	uint64_t due;
	uint64_t start, n;
	uint32_t pending; /* pieces of it not yet confirmed */
	bool read, loose; /* loose: Failure-Report: partial */
	bool again;       /* of a message that was passed on before: pending until all of it is confirmed */
	uint8_t tid_n;
	char tid[MSRP_TID_MAX];
};

struct plane_out {             /* a SEND of ours */
	struct htab_link link; /* ps->outs; the hash is the transaction id */
	struct list on_msg, on_fifo, on_conn;
	struct plane_msg *msg; /* NULL: our own bodiless SEND */
	struct plane_near *near;
	struct plane_conn *conn;
	struct plane_path *path;
	struct plane_held *copy; /* owned: of what was written (plane_resend.c); NULL: none */
	struct plane_nick *nick; /* owned: the NICKNAME it is (plane_nick.c); NULL: it is none */
	uint64_t due;
	uint64_t start, n;
	bool open, acked, tracked, loose, has_body;
	bool probe; /* our keepalive: unanswered, the connection is dead (UP-14) */
};

/* A piece of a chunk that waits for a connection (UPA-14), or the copy of one that was sent (UPA-13). */
struct plane_held {
	struct list on_end;
	struct plane_msg *msg;
	struct plane_near *near;   /* counts it as pending */
	struct plane_conn *writer; /* still receiving it */
	uint64_t order;            /* of the pieces of an end */
	uint64_t start, total;
	uint32_t rest_n, line_at, line_n; /* header text and the Byte-Range line in it */
	uint32_t body_n, cap;
	bool has_body;
	bool body_owned; /* else it stands behind rest */
	bool small;      /* a block of the pool's size */
	uint8_t tries;   /* times it was sent */
	char flag;       /* 0: not complete */
	char *body;
	char rest[];
};

enum in_mode { IN_NONE, IN_RELAY, IN_DROP, IN_REPORT, IN_LOCAL, IN_AGAIN, IN_KNOWN, IN_NICK };

struct plane_in { /* the request a connection is receiving */
	uint8_t mode;
	bool begun;    /* something of this chunk was passed on */
	bool kept;     /* something of it is in msg->content */
	uint16_t code; /* IN_LOCAL: the answer at its end; 0: none */
	uint32_t small_n;
	char *small; /* owned: the body of a REPORT */
	struct plane_path *path;
	struct plane_msg *msg;
	struct plane_near *near;
	struct plane_out *out;   /* the far chunk under way */
	struct plane_held *held; /* or the piece it is held in */
	uint64_t pos, total;
	bool report; /* IN_KNOWN: its REPORT is to be said again */
};

struct plane_source { /* unbound connections of one address (UP-51) */
	struct htab_link link;
	struct addr addr;
	unsigned n;
};

struct plane_conn {
	struct planes *ps;
	void *wc;
	struct plane_batch *batch; /* what this call writes to it; NULL: nothing yet */
	struct list link;          /* ps->conns */
	uint32_t id;               /* of those there were */
	struct htab_link dest;     /* ps->dests: connections we opened, by where they go and to whom */
	char *dest_name;           /* owned; NULL: accepted */
	struct msrp_framer f;
	struct list paths;    /* bound to it */
	struct list claims;   /* what it named before an answer did (plane_fork.c) */
	struct list waiters;  /* stopped connections that want to write here */
	struct list wait;     /* where it waits itself */
	struct list in_path;  /* in.path->ins */
	struct list on_check; /* ps->check: may have become unused */
	struct list outs, nears;
	struct plane_in in;
	struct plane_conn *writer; /* the connection whose chunk is open on this one */
	char *late;                /* owned: responses for when the chunk may be interrupted */
	uint32_t late_n;
	uint8_t tp;            /* enum plane_tp */
	uint16_t small_queued; /* responses and REPORTs written while it had no room */
	bool up, dead, bound_once, doomed, overdue;
	bool feeding, woken; /* in its input; what it waits for has come meanwhile */
	struct plane_source *source;
	struct timer t;      /* first request; later: stopped too long */
	struct timer t_late; /* interrupt the chunk for what is late */
};

struct plane_batch { /* what one call writes to one connection */
	struct plane_conn *c;
	unsigned n;
	size_t bytes, text_n;
	struct span piece[BATCH_PIECES];
	char text[BATCH_TEXT];
};

struct planes {
	struct plane_conf conf;
	struct im_port port;
	struct timers *wheel;
	struct htab paths, msgs, outs, dests, sources;
	struct list all, conns, dead, lost, check;
	struct list nears, outs_due, idle; /* ascending by due */
	struct list pasts;
	struct timer t_nears, t_outs, t_idle, t_lost, t_pasts;
	struct list pool_near, pool_out, pool_msg;
	unsigned n_pool[3];
	struct list pool_held;
	unsigned n_pool_held;
	unsigned depth; /* entry points under way */
	uint64_t now_us;
	uint64_t path_ids, held_order;
	uint32_t conn_ids;
	struct planes_stats stats;
	struct plane_stats uncounted; /* what there was no memory to count in */
	struct list nicks;            /* plane_nick.c: NICKNAMEs that wait for their answer */
	unsigned n_nicks;
	uint8_t random[512];
	unsigned random_left;
	struct msrp_head head;
	char scratch[SCRATCH_MAX];
	struct plane_batch batch[BATCHES];
	unsigned batch_turn;
};

static inline struct span peer_path(const struct plane_peer *p)
{
	return (struct span){ p->text, p->path_n };
}
static inline struct span peer_first(const struct plane_peer *p)
{
	return (struct span){ p->text, p->first_n };
}
static inline struct span peer_types(const struct plane_peer *p)
{
	return (struct span){ p->text + p->path_n, p->types_n };
}
static inline struct span peer_wrapped(const struct plane_peer *p)
{
	return (struct span){ p->text + p->path_n + p->types_n, p->wrapped_n };
}
static inline struct span path_uri(const struct plane_path *p)
{
	return (struct span){ p->uri, p->uri_n };
}
static inline struct plane_end *end_other(struct plane_end *e)
{
	return &e->line->end[side_other((enum side)e->side)];
}
static inline struct planes *end_planes(const struct plane_end *e)
{
	return e->line->p->ps;
}
static inline bool path_up(const struct plane_path *p) /* may be written to now */
{
	return p && p->conn && p->conn->up && (p->seen || !p->again);
}

/* ---- plane.c: entry points bracket what they do ---- */
void plane_enter(struct planes *ps, uint64_t now_us);
void plane_leave(struct planes *ps,
		 bool from_world); /* writes what was gathered; may free connections, call hooks */
void plane_random(struct planes *ps, void *p, size_t n);
void plane_lost(struct plane_end *e, const char *why);
void plane_back(struct plane_end *e);
__attribute__((format(printf, 4, 5))) void plane_log(struct planes *ps, enum im_level level,
						     const char *event, const char *fmt, ...);

struct plane_stats *plane_count(struct plane_line *l); /* where what happens on l is counted */
void plane_count_code(struct plane_line *l, unsigned code);

/* ---- plane_path.c ---- */
/* What line i of s, read as m, says.  NULL: no memory. */
struct plane_peer *plane_peer_make(const struct planes *ps, const struct sdp *s, unsigned i,
				   const struct sdp_msrp *m, bool active);
struct plane_peer *plane_peer_blank(void); /* room for any answer */
void plane_peer_fill(struct plane_peer **p, const struct planes *ps, const struct sdp *s, unsigned i,
		     const struct sdp_msrp *m, bool active);
void plane_peer_unref(struct plane_peer *p);
bool plane_peer_same_uri(const struct plane_peer *a, const struct plane_peer *b);
bool plane_peer_moved(const struct plane_peer *a, const struct plane_peer *b); /* also behind another relay */
/* For the one whose SDP says peer; NULL: not known. */
struct plane_path *plane_path_create(struct plane_end *e, enum plane_tp tp, const struct plane_peer *peer);
const struct plane_at *plane_path_home(const struct plane_path *p);       /* the listener it names */
struct plane_path *plane_path_twin(struct plane_end *e, struct span uri); /* one more with that URI of ours */
struct plane_path *plane_path_find(struct planes *ps, struct span uri);
struct plane_path *plane_path_spare(const struct plane_path *p); /* room for a shadow of it; free() it */
void plane_path_destroy(struct plane_path *p, unsigned code);    /* NULL is fine; code: what open SENDs get */
void plane_path_commit(struct plane_end *e);
void plane_path_connect(struct plane_path *p);
void plane_path_attach(struct plane_path *p, struct plane_conn *c);
void plane_path_detach(struct plane_path *p); /* the connection may close if nothing else uses it */
void plane_path_check_drain(struct plane_end *e);
void plane_path_unquiet(struct plane_conn *c);
void plane_path_poke(struct plane_path *p); /* something on it ended: an old one may be done */
void plane_path_seen(struct plane_path *p); /* the peer was heard on it */
void plane_path_on_timer(struct timer *t, uint64_t now_us);
enum bind_result { BIND_OK, BIND_NONE, BIND_ELSEWHERE, BIND_WAIT, BIND_CLAIM, BIND_STRANGER };
enum bind_result plane_path_bind(struct plane_conn *c, const struct msrp_head *h, struct plane_path **out);

/* ---- plane_tls.c ---- */
extern const char plane_stranger[]; /* why a session is lost whose peer is somebody else */
bool plane_tls_ok(const struct plane_path *p,
		  const struct plane_conn *c); /* c's peer is who p's SDP names; also without TLS */
bool plane_tls_same(const struct plane_peer *a, const struct plane_peer *b); /* name the same certificates */
struct span plane_tls_prints(const struct plane_peer *p);
void plane_tls_w_prints(struct wbuf *w, struct plane_peer *p, const struct sdp_prints *from);

/* ---- plane_fork.c ---- */
bool plane_fork_asks(const struct plane_path *p); /* whose a request is, its From-Path decides */
/* BIND_OK: *p is it; BIND_CLAIM: for somebody who is not known yet; BIND_NONE, BIND_WAIT. */
enum bind_result plane_fork_pick(struct plane_conn *c, const struct msrp_head *h, struct plane_path **p);
bool plane_fork_wait(struct plane_conn *c, struct plane_path *p); /* after BIND_CLAIM; false */
void plane_fork_commit(struct plane_path *p);                     /* its peer is known */
void plane_fork_leave(struct plane_path *p);                      /* it goes */
void plane_fork_forget(struct plane_conn *c);

/* ---- plane_conn.c ---- */
struct plane_conn *plane_conn_create(struct planes *ps);
void plane_conn_close(struct plane_conn *c, const char *why); /* by us */
void plane_conn_check_unused(struct plane_conn *c);           /* on leaving */
void plane_conn_close_unused(struct planes *ps);
void plane_conn_wait(struct plane_conn *c, struct list *on, bool bounded);
void plane_conn_wake(struct list *waiters);
void plane_conn_bound(struct plane_conn *c); /* its first request named a session of ours */

/* ---- plane_write.c ---- */
struct wbuf plane_write_begin(struct plane_conn *c, size_t max);
void plane_write_end(struct plane_conn *c, const struct wbuf *w);
void plane_write_span(struct plane_conn *c, struct span s); /* stays valid until the entry point returns */
void plane_write_flush(struct planes *ps);
void plane_write_forget(struct plane_conn *c);
size_t plane_write_room(struct plane_conn *c);
/* A whole response or REPORT: not into the middle of a chunk (UP-33). */
void plane_write_small(struct plane_conn *c, struct span s);
void plane_write_response(struct plane_conn *c, struct span tid, unsigned code, struct span to,
			  struct span from);
void plane_write_hurry(struct plane_conn *c); /* the chunk open on c is interrupted in 100 ms at the latest */
void plane_write_chunk_over(struct plane_conn *c); /* the chunk open on c has ended */
void plane_tid_text(uint64_t tid, char out[TID_LEN]);

/* ---- plane_recv.c ---- */
bool plane_recv_head(struct plane_conn *c, struct msrp_head *h); /* false: stop reading, ask again */
void plane_recv_end(struct plane_conn *c, const struct msrp_event *ev);
void plane_recv_refuse(struct plane_conn *c, const struct msrp_head *h, struct plane_path *path,
		       unsigned code);
void plane_recv_clear(struct plane_conn *c);

/* ---- plane_content.c ---- */
/* May a message that begins with h go to the other side?  0, or the code. */
unsigned plane_content_judge(struct plane_end *e, const struct msrp_head *h, uint64_t start);
/* m is begun by h: 0, or the code. */
unsigned plane_content_begin(struct plane_msg *m, const struct msrp_head *h, uint64_t start);
uint64_t plane_content_limit(struct plane_end *e); /* of messages received at e; UINT64_MAX: none */
void plane_content_body(struct plane_conn *c, const struct msrp_event *ev); /* while not judged */
void plane_content_end(struct plane_conn *c, const struct msrp_event *ev);
void plane_content_known(struct plane_msg *m); /* judged, or its chunk over: another one may be received */
void plane_content_count(const struct plane_msg *m); /* it is complete */
void plane_content_free(struct plane_msg *m);

/* ---- plane_relay.c ---- */
struct span plane_relay_window(struct plane_conn *c, struct span in); /* what of in may be taken now */
void plane_relay_body(struct plane_conn *c, const struct msrp_event *ev);
void plane_relay_pass(struct plane_conn *c, const struct msrp_event *ev); /* its content is judged */
void plane_relay_end(struct plane_conn *c, const struct msrp_event *ev);
void plane_relay_skip(struct plane_conn *c, size_t n); /* n bytes came that are not for the far side */
void plane_relay_cut(struct plane_conn *c, char flag); /* ends the far chunk c is writing */
bool plane_relay_ready(struct plane_conn *c, struct plane_end *far, struct plane_msg *m);
struct plane_path *plane_relay_target(const struct plane_msg *m, struct plane_end *far);
void plane_relay_head(struct plane_out *o, struct span rest, struct span range_line,
		      const struct msrp_range *r, bool has_body);
void plane_relay_range(struct msrp_range *r, size_t n, char flag);
void plane_relay_tail(struct plane_out *o, bool has_body, char flag);
void plane_relay_abort(struct plane_msg *m); /* a SEND of nothing that ends in '#' */

/* ---- plane_file.c ---- */
int plane_file_note(struct plane_line *l, const struct sdp *offer, const struct sdp_msrp *m); /* 0, -ENOMEM */
void plane_file_progress(const struct plane_msg *m); /* of a line that has a file */
void plane_file_over(const struct plane_msg *m, bool complete);

/* ---- plane_adapt.c ---- */
struct cpim;
enum adapt_way plane_adapt_way(const struct plane_end *e, struct span type); /* of a message received at e */
int plane_adapt_wrap(struct plane_msg *m, struct span type);                 /* 0, -ENOMEM */
/* Its header section, head_n bytes, is not for the far side: 0, or the code. */
unsigned plane_adapt_unwrap(struct plane_msg *m, const struct cpim *c, size_t head_n);
size_t plane_adapt_skip(const struct plane_msg *m, uint64_t pos,
			size_t n); /* bytes of it in [pos, pos + n) */
void plane_adapt_to_far(const struct plane_msg *m, struct msrp_range *r);
bool plane_adapt_to_near(const struct plane_msg *m, struct msrp_range *r); /* false: they are the same */
struct span plane_adapt_lead(const struct plane_msg *m); /* what goes before its first byte */
struct span plane_adapt_rest(const struct plane_msg *m, struct span rest, struct span *range_line);

/* ---- plane_held.c ---- */
struct plane_held *plane_held_make(struct plane_msg *m, const struct msrp_head *h,
				   size_t room);                  /* on no list; NULL: no memory */
int plane_held_add(struct plane_held *s, struct span body);       /* 0, -ENOMEM */
void plane_held_free(struct plane_held *s);                       /* on no list */
void plane_held_again(struct plane_end *e, struct plane_held *s); /* s is to be sent (again), in its order */
/* Nothing will come any more for what e holds: its senders are told 408 (UPA-14). */
void plane_held_give_up(struct plane_end *e);
int plane_held_body(struct plane_conn *c, const struct msrp_head *h, struct span body); /* 0, -ENOMEM */
int plane_held_end(struct plane_conn *c, const struct msrp_head *h, char flag);
void plane_held_flush(struct plane_end *e);
bool plane_held_blocks(struct plane_end *e, const struct plane_path *to); /* something must go there first */
bool plane_held_drop(struct plane_msg *m);                                /* true: there was something */
void plane_held_forget(struct plane_near *n);
bool plane_held_holds(const struct plane_near *n);
void plane_held_clear(struct plane_end *e);

/* ---- plane_ack.c ---- */
struct plane_near *plane_near_open(struct plane_conn *c, const struct msrp_head *h, struct plane_msg *m,
				   struct plane_path *path);
void plane_near_answer(struct plane_near *n, unsigned code); /* and free it */
void plane_near_free(struct plane_near *n);
void plane_near_read(struct plane_near *n); /* its last byte was read */
struct plane_out *plane_out_open(struct plane_path *path, struct plane_msg *m, struct plane_near *n);
void plane_out_written(struct plane_out *o); /* its end-line was; may free it */
void plane_out_free(struct plane_out *o);
void plane_out_abort(struct plane_out *o); /* ends it with '#' if it is being written */
void plane_out_response(struct plane_conn *c, const struct msrp_head *h);
void plane_out_lost(struct plane_out *o); /* its connection, or its path, is gone */
void plane_out_fail(struct plane_out *o, unsigned code, bool timeout);
void plane_ack_bind(struct plane_path *path, bool probe);                /* UP-9: our bodiless SEND */
void plane_ack_silent(struct plane_msg *m, const struct plane_path *on); /* NULL: on any */
void plane_ack_on_nears(struct timer *t, uint64_t now_us);
void plane_ack_on_outs(struct timer *t, uint64_t now_us);

/* ---- plane_resend.c ---- */
void plane_copy_begin(struct plane_out *o, const struct msrp_head *h, uint64_t total, size_t room);
void plane_copy_body(struct plane_out *o, struct span body);
void plane_copy_take(struct plane_out *o, struct plane_held *s); /* s was sent as o: o's copy, or freed */
void plane_copy_drop(struct plane_out *o);
bool plane_copy_again(struct plane_out *o); /* o is gone, what it carried goes out again; false: it cannot */
/* The peer does not know p where refused was sent: that and all that is open on p is to be sent again, or fails. */
void plane_resend_path(struct plane_path *p, struct plane_out *refused);
/* A SEND of m again, all of which was passed on: waits for what of it is not confirmed, and is not passed on. */
bool plane_resend_known(const struct plane_msg *m, const struct plane_conn *c);
bool plane_resend_may_come(const struct plane_msg *m); /* it is kept for that */
void plane_resend_adopt(struct plane_msg *m, struct plane_near *n);
void plane_resend_confirmed(struct plane_msg *m); /* something of it was */

/* ---- plane_past.c ---- */
struct plane_known {
	uint64_t bytes;
	bool reported; /* its success REPORT was passed on */
};
void plane_past_add(const struct plane_msg *m); /* it was answered 200, all of it */
/* What h brings on c is of a message that was, by another connection. */
bool plane_past_knows(const struct plane_conn *c, const struct plane_end *e, const struct msrp_head *h,
		      const struct msrp_range *r, struct plane_known *out);
void plane_past_clear(struct plane_end *e);
void plane_past_on_timer(struct timer *t, uint64_t now_us);

/* ---- plane_repair.c ---- */
void plane_repair_lost(struct plane_path *p, const char *why); /* its connection is gone */
/* The peer will not have it there; code 0: it is somebody else (plane_tls.c).  We do not try again. */
void plane_repair_refused(struct plane_path *p, unsigned code);
void plane_repair_seen(struct plane_path *p);     /* it is bound */
bool plane_repair_on_timer(struct plane_path *p); /* true: that was what its timer was for */

/* ---- plane_nick.c ---- */
bool plane_nick_may(const struct plane_path *path, const struct msrp_head *h);
void plane_nick_forward(struct plane_conn *c, const struct msrp_head *h);
void plane_nick_answer(struct plane_out *o, unsigned code); /* and forget it */
void plane_nick_forget(struct plane_conn *c);               /* nobody is to be answered there any more */

/* ---- plane_report.c ---- */
void plane_report_flush(struct plane_end *e); /* REPORTs that waited go out, if they can */
void plane_report_clear(struct plane_end *e);
uint64_t plane_msg_hash(const struct plane_end *e, struct span id);
struct plane_msg *plane_msg_find(struct plane_end *e, struct span id);
struct plane_msg *plane_msg_create(struct plane_end *e, const struct msrp_head *h);
void plane_msg_destroy(struct plane_msg *m);
void plane_msg_settle(struct plane_msg *m); /* something of it ended: may free it */
void plane_msg_fail(struct plane_msg *m, unsigned code);
/* A chunk from byte start on has come; a failed message that is complete and begins again is forgotten: NULL. */
struct plane_msg *plane_msg_over(struct plane_msg *m, uint64_t start);
/* The far side refused or lost bytes [start, start + n) that near (or NULL) waits for. */
void plane_msg_far_error(struct plane_msg *m, const struct plane_near *near, uint64_t start, uint64_t n,
			 unsigned code, bool timeout);
void plane_msg_on_idle(struct timer *t, uint64_t now_us);
void plane_report_end(struct plane_conn *c, const struct msrp_head *h, struct span body);
/* To e: that of the whole message id, n bytes, which may have been lost, once more. */
void plane_report_again(struct plane_end *e, struct span id, uint64_t n);

#endif
