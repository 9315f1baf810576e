/* SPDX-License-Identifier: MIT */
/*
 * The simulator: the production participating function in one thread, many sessions with peers that behave mostly
 * well and sometimes not, a network that delays, loses, doubles and reorders, connections that are cut at any byte,
 * memory that runs out.  Everything is drawn from one seed, so a failure is a number.  Checkers run after every
 * event (style 5, UPA-25).
 */
#ifndef PARLEY_SIM_SIM_H
#define PARLEY_SIM_SIM_H

#include <setjmp.h>

#include "lib/lint.h"
#include "lib/puppet.h"
#include "lib/world_int.h"

enum {
	CALLS = 24,
	LINES = PSDP_LINES,
	CONNS = 96,
	PIECES = 48,
	MESSAGES = 400,
	TRACE_KEPT = 90,
	FORKS = 2,
	FILE_SIZE = 4092,
	EARLY = 6
};

struct sim;
struct sess;
struct ua;

/* What this seed does to us, in 1/1000 unless said otherwise. */
struct faults {
	unsigned loss, dup, jitter_ms, delay_ms, icmp; /* icmp: lost, and the server is told */
	unsigned refuse, late, silent, bad_answer;     /* of the answering side */
	unsigned crash, rude;                          /* rude: requests that overlap on purpose */
	unsigned cut;                                  /* per MSRP message */
	unsigned msrp_refuse, msrp_silent;
	unsigned oom; /* one allocation in so many fails; 0: none */
	unsigned no_update, offerless, cancel, move;
	unsigned no_100rel, require_100rel, early_update, no_199;
	unsigned no_timer, short_timer; /* RFC 4028 unknown; an interval that is too short */
	unsigned fork, fork_race;       /* race: another device answers although one has */
};

struct call { /* a request the peer sent, from first sending to its end */
	bool used, invite, offer, offerless, done; /* done: it has its final answer */
	bool delivered;                            /* the server got it at least once */
	bool answered;                             /* the server sent a final answer */
	bool provisional, canceled, cancel_sent;
	bool closed; /* its offer was answered in a reliable 1xx */
	char method[16];
	uint32_t cseq;
	unsigned lines;   /* m= lines of its offer */
	unsigned contact; /* which of its addresses it named */
	unsigned expires; /* Session-Expires it asked for; 0: none */
	unsigned asked;   /* number the answer has to bring back (X-Echo); 0: none */
	char *bytes;
	size_t n;
	char *ack; /* of its 2xx */
	size_t n_ack;
	uint64_t began_us, interval_us;
	unsigned serial;
};

struct mconn { /* an MSRP connection of a peer */
	bool used;
	struct ua *ua;
	struct wconn *c; /* NULL: closed */
	char *in;
	size_t n_in;
	bool cut;
	unsigned serial; /* of all connections of all peers */
};

struct mline { /* one media line as committed */
	bool on;
	char mine[64], far[256];
	char dir[16], far_dir[16], types[256], far_types[256]; /* as agreed */
	unsigned port;
	bool active, may_send;
	int conn; /* -1: none */
	bool bound;
	bool tls, wrong;     /* wrong: our description names another certificate than we show */
	bool file;           /* it carries one (RFC 5547), of FILE_SIZE bytes */
	unsigned begun;      /* 1 + the message it is carried in; 0: not yet */
	unsigned rest, base; /* rest: 1 + the message that began it; base: bytes that are there already */
};

struct piece {                     /* one SEND on the wire, by its tid */
	bool used, answered, must; /* must: an answer is due */
	char tid[40];
	unsigned message;
	uint64_t from, to; /* bytes, 1-based */
	int conn;
};

struct message {      /* one MSRP message of a peer, and what became of it */
	bool refused; /* the server answered a piece of it with an error: its sender knows */
	bool used, aborted, success, failure_no, failure_partial, reported, report_sent, report_seen;
	struct ua *from;
	uint64_t size, sent, received;
	/* What may come a second time: what came on connections before the present one, and what its sender sent again. */
	unsigned on_serial;
	uint64_t before, again;
	uint64_t ok200;      /* its sender has a 200 up to here */
	bool file, given_up; /* given_up: by its sender */
	bool stranger;    /* all of it went over connections with a certificate that its SDP does not name */
	unsigned key;     /* of its bytes, which are those of this message, */
	uint64_t base;    /* from after this one on */
	uint64_t said_us; /* when its sender wrote of it last */
	bool told;        /* a failure REPORT came */
	unsigned n_ok;
	struct {
		uint64_t from, to;
	} ok[PIECES]; /* what the receiver said 200 to */
	unsigned line;
};

struct early { /* an early dialog of our INVITE */
	char tag[64];
	uint32_t rseq;
	char *sdp; /* what a reliable 1xx said: the answer to our offer, or the offer we answered; NULL: nothing */
};

struct reliable {                       /* our reliable 1xx to the server's INVITE */
	bool open;                      /* no PRACK yet */
	bool sdp, offer;                /* it has one; which is an offer */
	bool pracked;                   /* the server has sent its PRACK */
	uint32_t rseq, cseq, done_cseq; /* done_cseq: of the INVITE whose exchange is over by it */
	char *bytes;
	size_t n;
	uint64_t since_us, delivered_us, interval_us;
	unsigned serial;
};

struct uatimer {                /* of its leg's session (RFC 4028), as this peer sees it */
	bool knows, mine;       /* mine: it refreshes */
	unsigned interval_s;    /* 0: none runs */
	unsigned min_s, told_s; /* the least it takes, and what it told the server in a 422 */
	unsigned least_s;       /* what the server told it in a 422 */
	unsigned serial;
	uint64_t since_us, asked_us; /* asked_us: the server's last re-INVITE or UPDATE */
	uint64_t heard_us;           /* a final answer of ours to one reached the server */
};

struct ua {
	struct sim *sim;
	struct sess *s;
	enum side side;
	struct pup p;
	struct pup_dialog d;
	struct lint lint;
	bool up, over, crashed, acked; /* acked: a 2xx of ours was acknowledged */
	uint64_t over_us;              /* when the server knew (its BYE was seen here, or ours reached it) */
	bool server_ended;             /* the server sent BYE, CANCEL or a final refusal to our INVITE */
	bool offer_out;                /* our offer has no answer */
	bool offer_in;                 /* an offer to us that we have not answered */
	bool asked_to_offer;           /* an INVITE without an offer that we have not answered */
	struct psdp before;            /* as it was when we offered */
	struct call call[CALLS];
	unsigned serial;
	/* our refusal of its INVITE: repeated until the ACK (Timer G) */
	char *no;
	size_t n_no;
	uint32_t no_cseq;
	uint64_t no_since_us, no_interval_us;
	unsigned no_serial;
	/* our 2xx to its INVITE: repeated until the ACK */
	bool accepted, accepted_offer; /* accepted_offer: it carried our offer */
	uint32_t accepted_cseq;
	char *ok;
	size_t n_ok;
	uint64_t ok_since_us, ok_interval_us;
	unsigned ok_serial;
	bool ok_delivered;                  /* in time */
	uint64_t far_invite_us;             /* when the server first sent the INVITE that is being answered */
	uint32_t final_cseq;                /* of the server's INVITE whose final answer it has */
	uint32_t far_invite_cseq, far_cseq; /* far_cseq: of its last new request */
	char *far_ack;                      /* the server's ACK, to compare repetitions */
	size_t n_far_ack;
	/* offers of the server that are open on this leg */
	bool far_offer;
	uint32_t far_offer_cseq;
	uint64_t far_offer_us;
	char far_offer_tag[64]; /* the server's, of the dialog it is open in */
	char won_tag[64];       /* of the dialog that the server's 2xx to our INVITE confirmed */
	struct uatimer timer;
	bool rel, rel_required; /* it knows 100rel (RFC 3262); as caller, insists on it */
	struct early early[EARLY];
	unsigned n_early;
	struct reliable reliable;
	struct span prack_answers; /* the offer its next PRACK answers */
	uint64_t crashed_us;
	char wish[LINES][16]; /* the directions it wants, whatever it had to answer */
	unsigned contact;     /* it has moved so often */
	unsigned target;      /* the address the server has to use, or a later one */
	struct mline line[LINES];
	struct mconn conn[CONNS];
	struct piece piece[PIECES];
	unsigned n_pieces, n_tids, n_actions, repairs;
};

struct sess {
	struct sim *sim;
	unsigned id;
	bool used;
	struct ua ua[2];
	enum side caller;
	struct ua *fork[FORKS]; /* owned: further devices of the callee, behind a forking proxy */
	unsigned n_forks;
	bool fork_over; /* the proxy has passed a final answer back */
	uint64_t end_us;
	unsigned pace_ms;   /* at most between two things a peer does */
	unsigned in_flight; /* SIP messages on their way */
	bool committed;     /* something was agreed on since it was last compared */
	bool rude; /* a peer offered over an open offer: what it holds to be agreed is its own affair */
};

struct sim {
	struct world w;
	struct rng rng;             /* the peers' and the network's; the server's is in w */
	struct rng repairs;         /* what is done about lost connections */
	struct rng extra;           /* TLS, files, envelopes */
	unsigned tls, wrong, files; /* in 1/1000, of modifications; wrong: of those with TLS */
	uint64_t n_tls, n_wrong, n_files, n_resumed;
	struct faults f;
	uint64_t seed, load_end_us;
	unsigned n_sess;
	struct sess *sess;
	struct message message[MESSAGES];
	unsigned n_messages;
	bool healed, ladder;
	char *trace[TRACE_KEPT];
	unsigned n_trace;
	unsigned n_asked, n_conns;
	uint64_t n_events, n_sip, n_bytes, n_oom, n_compared;
	jmp_buf failed;
	char why[400];
};

/* sim.c */
void sim_trace(struct sim *sim, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void sim_fail(struct sim *sim, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline bool chance(struct sim *sim, unsigned per_mille)
{
	return rng_below(&sim->rng, 1000) < per_mille;
}
static inline uint64_t between(struct sim *sim, uint64_t a, uint64_t b)
{
	return a + rng_below(&sim->rng, b - a + 1);
}

static inline bool extra(struct sim *sim, unsigned per_mille)
{
	return rng_below(&sim->extra, 1000) < per_mille;
}

/* The address of this number (ua->contact) as a URI's user part; from one: its number. */
unsigned ua_contact_of(const struct ua *ua, struct span uri);

/* net.c */
void net_up(struct ua *ua, struct span bytes, struct call *c, bool ok); /* to the server */
void net_on_sip_out(void *u, const struct sip_dest *to, struct span bytes, uint64_t token);

/* ua.c */
void ua_init(struct ua *ua, struct sess *s, enum side side, unsigned fork); /* fork: 0, or which */
struct ua *sess_ua(struct sess *s, unsigned i); /* caller and callee, then its further devices, then NULL */
struct ua *sess_partner(struct sess *s, enum side side); /* whoever is in the session */
void ua_finish(struct ua *ua);
struct call *ua_send(struct ua *ua, const char *method, const char *sdp, const char *extra);
void ua_input(struct ua *ua, const struct wire *m, const struct sip_src *src);
void ua_over(struct ua *ua);
bool ua_lists(const struct wire *m, const char *header, const char *tag);
void ua_supports(struct ua *ua, const char *tag); /* another option tag in its Supported */
bool ua_busy(const struct ua *ua);
bool ua_owes(const struct ua *ua); /* a re-INVITE or UPDATE of the server has no final answer */

/* answer.c: what a peer does with a request */
void answer_request(struct ua *ua, const struct wire *m);
void answer_send(struct ua *ua, const char *method, uint32_t cseq, unsigned status, const char *sdp);
void answer_ack(struct ua *ua, const struct wire *m);

/* fork.c: the proxy before several devices of the callee */
void fork_plan(struct sess *s);
bool fork_in(struct ua *ua,
	     const struct wire *m); /* does the proxy pass the server's request on to this device? */
bool fork_out(struct ua *ua, unsigned status); /* and this device's answer to the INVITE back? */

/* timer.c: session timers.  Each adds header lines to o; room holds their text. */
struct room {
	struct pup_edit edit[8];
	unsigned n;
	char text[8][64];
};
void room_add(struct room *r, struct span name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void timer_plan(struct ua *ua);
void timer_ask(struct ua *ua, struct call *c, struct room *r);               /* in a request */
void timer_give(struct ua *ua, const struct wire *req, struct room *r);      /* in a 2xx */
bool timer_too_short(struct ua *ua, const struct wire *req);                 /* 422 to it */
void timer_given(struct ua *ua, const struct call *c, const struct wire *m); /* the server's 2xx */
void timer_out(struct ua *ua, const struct wire *m); /* looks at what the server sends */
void timer_check(struct sess *s);

/* reliable.c: reliable provisional answers */
void rel_plan(struct ua *ua);
void rel_finish(struct ua *ua);
void rel_require(struct ua *ua, struct room *r);                          /* in an initial INVITE */
void rel_got(struct ua *ua, struct call *c, const struct wire *m);        /* a 1xx of the server */
struct early *rel_of(struct ua *ua, const struct wire *m);                /* NULL: it is new */
bool rel_may_ring(struct ua *ua, const struct wire *req, bool *reliable); /* may a 1xx go out now? */
void rel_rang(struct ua *ua, const struct wire *req, struct span bytes, bool offer);
bool rel_holds(const struct ua *ua, uint32_t cseq);  /* a 2xx has to wait for a PRACK */
void rel_prack(struct ua *ua, const struct wire *m); /* the server's PRACK */
void rel_out(struct ua *ua, const struct wire *m);   /* looks at what the server sends */
void rel_in(struct ua *ua, const struct wire *m);    /* what reached the server */

/* plan.c: what peers do by themselves */
void plan_session(struct sess *s);
void plan_next(struct ua *ua);
void plan_retry(struct ua *ua, uint64_t delay_us);
void plan_repair(struct ua *ua);
/* Further words for an offer or answer (after a comma): to TLS, back, under another's certificate; a file begun or resumed. */
void plan_unequal(struct ua *ua); /* what it takes */
void plan_extra(struct ua *ua, bool offer, char *words, size_t cap);
void plan_longer(struct ua *ua, const struct call *c, unsigned least_s); /* after a 422 */

/* media.c */
void media_commit(struct ua *ua, struct span sdp,
		  bool offerer); /* sdp, the far side.s, and ours are in force */
void media_say(struct ua *ua);
void media_again(struct ua *ua); /* connects again where that is its part */
bool media_bound(const struct ua *ua);
void media_check_end(struct sim *sim);
void media_close_all(struct ua *ua);
int media_incoming(void *u, struct wconn *c, const struct addr *to, void **peer);
void media_up(void *u, struct wconn *c, void *peer, bool up);
void media_down(void *u, struct wconn *c, void *peer);
const char *media_direction(struct span m);            /* of one media section */
char media_byte(const struct message *m, uint64_t at); /* from 1 */
uint64_t media_head(const struct message *m);          /* bytes before its content: of CPIM */
const char *media_name(const struct ua *ua);
const char *media_cert(const struct ua *ua); /* the certificate it shows */
void media_line_bound(struct ua *ua, unsigned i, bool bound);

/* hear.c */
size_t hear_bytes(void *u, struct wconn *c, void *peer, struct span bytes);

/* check.c */
void check_out(struct ua *ua, const struct wire *m); /* the server sent m to ua */
void check_in(struct ua *ua, const struct wire *m);  /* m reached the server */
bool check_settled(struct sess *s);                  /* the server has nothing open for it */
void check_event(void *u);                           /* after every event */
void check_end(struct sim *sim); /* the load is over, the net healed, everything should be */

/* oom.c */
void oom_inject(unsigned one_in, struct rng *rng); /* 0: never */
void oom_inside(bool inside);
uint64_t oom_count(void);

#endif
