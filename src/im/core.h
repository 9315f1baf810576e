/* SPDX-License-Identifier: MIT */
/*
 * What the rooms of im/ share: the context, a session, its two legs, and the modification that may be under
 * way.  Nothing outside im/ includes this.
 *
 * Ownership in one paragraph: the context owns sessions; a session owns two legs, a plane and at most one
 * set-up and one modification; a leg owns its dialog, its offer/answer state and the memory of the ACKs it
 * sent.  Transactions belong to the transaction layer: the pointers here are borrowed, and are cleared when
 * the layer says they are gone.  A session that is over is put on im->over and freed at the end of the entry
 * point (im_reap), so a handler may end its session and go on looking at it.
 */
#ifndef PARLEY_IM_CORE_H
#define PARLEY_IM_CORE_H

#include <errno.h>

#include "im/accept.h"
#include "im/reliable.h"
#include "im/role.h"
#include "im/view.h"
#include "sdp/sdp.h"
#include "sip/body.h"
#include "sip/build.h"
#include "sip/dialog.h"

enum {
	TAG_LEN = 24,
	CALL_ID_LEN = 32,
	FEATURES_MAX = 1024,
	TAGS_MAX = 256,
	SDP_OUT_MAX = SDP_SIZE_MAX + 8192
};

struct session;

enum __attribute__((packed)) leg_state {
	LEG_NONE,     /* no INVITE yet */
	LEG_INVITED,  /* UAS: the peer's INVITE has no final answer */
	LEG_INVITING, /* UAC: our INVITE has no final answer */
	LEG_UP,       /* 2xx given or received */
	LEG_ENDING,   /* we want it over: BYE or CANCEL is out, or must wait for an ACK */
	LEG_OVER,
};

/* An INVITE of ours that got a 2xx, until Timer M: the 2xx may be repeated, and wants the same ACK each time. */
struct acked {
	struct acked *next;
	struct sip_ctxn *t;
	uint32_t cseq;
	bool offerless; /* the INVITE had no offer: the ACK of its 2xx answers */
	bool creates;   /* it made the dialog, so that other forks may answer it too; a re-INVITE has none */
	uint64_t fork; /* hash of the To tag when the 2xx was that of another fork; 0: of our dialog's peer */
	char *ack;     /* owned: as sent, and behind it the host it went to; NULL: not sent yet */
	size_t n;
	struct sip_dest to;
};

/* Option tags we put into Supported of our own accord. */
enum our_tag { TAG_TIMER = 1, TAG_100REL = 2 };

/* A Contact that is tried before the request that named it is refused (modify_target.c). */
struct target_try {
	struct leg *l;
	struct sip_stxn *txn; /* the refused request, not answered yet */
	struct sip_ctxn *out; /* our UPDATE */
	char *old_text;       /* owned: the target as it was */
	uint16_t old_n;
	unsigned status;
	char extra[192];
	struct timer t_wait;
};

enum leg_cema {
	CEMA_AS_SET, /* as msrp.cema says */
	CEMA_DUE,    /* its peer needs a new offer without it (RFC 6714 4.2) */
	CEMA_OFF,    /* it has had that */
};

/* The session timer of a leg (stimer.c).  A member, so that no session goes without for want of memory. */
struct stimer {
	struct timer t;      /* our refresh, its next try, or the end of the session */
	uint32_t interval_s; /* 0: off */
	uint32_t min_se_s;   /* largest Min-SE the peer has named in this dialog; 0: none */
	/* In one word, since each idle session has two of these. */
	uint64_t since_ms : 52; /* the 2xx that agreed on it */
	uint64_t tries : 8;     /* of this refresh, so far */
	uint64_t ours : 1;      /* we refresh, not the peer */
	uint64_t raised : 1;    /* a 422 was taken; the next one is a failure */
	/* Our refresh is under way, in the leg's invite_out or update_out. */
	uint64_t open : 1, by_update : 1;
};

struct leg {
	struct session *s;          /* owner */
	const struct im_listen *at; /* listening point our Via and Contact name */
	struct htab_link link;      /* im->dialogs, by our tag */
	enum side side;
	enum leg_state state;
	bool linked : 1;
	bool trusted : 1; /* this peer's P- headers count (IMS-2) */
	bool owes_answer : 1; /* our last INVITE had no offer: the ACK of its 2xx has to answer (RFC 3261 13.2.2.4) */
	bool bye_wanted : 1; /* waits for the ACK of our 2xx (RFC 3261 15) */
	bool update_early : 1; /* our UPDATE left before its dialog's 2xx: it agrees on no timer (RFC 4028 7.1) */
	bool bye_passed : 1;   /* it is the other side's, with its headers */
	uint8_t cema;          /* enum leg_cema */
	uint8_t unwanted;      /* our_tag bits: its peer's 420 named them (SETUP-16) */
	char tag[TAG_LEN + 1]; /* ours */
	struct sip_dialog dlg;
	struct sdp_oa oa;
	struct sip_stxn *invite_in;    /* peer's (re-)INVITE, until refused or its 2xx is acknowledged */
	struct sip_ctxn *invite_out;   /* our (re-)INVITE, until its final answer */
	struct acked *acked;           /* owned: our INVITEs that got a 2xx, newest first (leg_ack.c) */
	struct sip_ctxn *update_out;   /* our UPDATE, until its final answer */
	struct sip_stxn *update_in;    /* peer's UPDATE, until our final answer */
	struct target_try *target_try; /* owned: modify_target.c; NULL: none */
	struct stimer stimer;
	struct sip_ctxn *bye_out;
	char *bye_extra;  /* owned: its Reason lines, or what crosses of the other side's BYE */
	uint64_t flow;    /* the WebSocket connection its peer speaks over; 0: none */
	uint64_t contact; /* hash of this peer's Contact as it last wrote it; 0: none */
	char *features;   /* owned: Contact parameters of this peer, as passed to the other (MODE-10) */
	uint64_t said;    /* hash of the Allow, Supported and Require it last sent */
	char *supported;  /* owned: option tags of this peer that we pass on (MODE-12) */
	char *identity;   /* owned: URIs asserted of this peer, blank-separated (identity.c); NULL: none */
};

/* The dialog-creating INVITE while it is open on either leg: shared by the early dialogs it makes (early.c). */
struct setup {
	struct im *im;
	struct list pairs; /* early.link, at least one; a leg of the first is the user of both transactions */
	unsigned n_pairs;  /* ever made */
	struct sip_stxn *in;  /* initiator's INVITE; NULL once answered finally */
	struct sip_ctxn *out; /* ours; NULL once answered finally */
	char call_id[CALL_ID_LEN + 1];
	uint32_t cseq; /* of ours, last sent */
	char *invite;  /* owned: ours as sent; with a response it makes a dialog of the responder's */
	size_t invite_n;
	char *offer; /* owned: SDP we offered in it; NULL: offerless */
	size_t offer_n;
	uint32_t off;         /* lines policy set to port 0 */
	bool tags_tried;      /* SETUP-16: once */
	bool say_100rel;      /* a 421 asked for it */
	unsigned last_1xx;    /* last provisional passed upstream, not 100 */
	struct session *last; /* the pair it was of; NULL: any will do */
	struct timer t_ring;  /* repeats it every 60 s (SETUP-19) */
	struct timer t_c;     /* Timer C */
};

/* What a session has while it is an early pair: one early dialog towards the initiator, one towards the responder. */
struct early {
	struct session *s; /* owner */
	struct setup *st;  /* NULL: its INVITE is answered */
	struct list link;  /* st->pairs */
	bool uncounted;    /* a sibling: limits and metrics count a set-up once */
	char *preview;     /* owned: SDP given upstream in an unreliable 1xx (SETUP-7) */
	size_t preview_n;
	struct timer t_linger; /* another fork was first: what comes from this one is still known (PROV-3) */
	/* Reliable provisionals (prack.c), in a re-INVITE too. */
	enum side near;       /* the leg that sent us the INVITE */
	struct reliable *rel; /* owned: those we gave; NULL: none */
	uint32_t rel_cseq;    /* of the INVITE they answer */
	uint32_t rseq_in,
		cseq_in; /* the last we took from the responder, and the INVITE it answers; 0: none */
	struct sip_ctxn *prack_out; /* our PRACK, until its final answer */
	struct sip_stxn *prack_in;  /* the initiator's, whose answer waits for that of ours */
	bool open;                  /* of a re-INVITE that has no final answer */
	bool offered;               /* a reliable 1xx brought the offer; our PRACK has to answer it */
	bool answered_in;           /* the exchange of the INVITE is complete: with the responder, */
	bool answered_out;          /* and, reliably, with the initiator */
	bool unsaid;                /* but there was no memory to say so: the 2xx does */
	char *held; /* owned: the 2xx, which waits for a PRACK (PROV-8); of a re-INVITE, the 1xx with the answer */
	size_t held_n;
};

enum __attribute__((packed)) mod_stage {
	MOD_NONE, /* the lock is free */
	MOD_WAIT, /* accepted; the responder's leg is busy with a refresh of ours */
	MOD_OUT,  /* passed on; the responder has not answered finally */
	MOD_ACK,  /* both sides agreed; the initiator's ACK is missing */
	MOD_LATE, /* the initiator was answered; the responder's final is still due */
	MOD_UNDO, /* compensation: the responder is being led back (MOD-30) */
	MOD_OWN,  /* ours: nobody asked for it (MOD-44) */
};

/* One modification as one transaction over both legs; holding it is holding the lock (MOD-6). */
struct modify {
	enum mod_stage stage;
	enum side from;          /* initiator side */
	enum sip_method in, out; /* INVITE or UPDATE, as it came and as it went */
	bool offerless;          /* re-INVITE without an offer (MOD-37) */
	bool bare;               /* UPDATE without SDP that must cross (MOD-33) */
	bool retried;            /* MOD-15, 483: once */
	bool canceled;
	bool waits; /* for the end of a glare, to be sent again (MOD-27) */
	uint8_t undo_tries;
	uint16_t last_1xx;
	struct sip_stxn *txn; /* initiator's request; NULL once answered finally */
	uint32_t off;         /* lines policy set to port 0 */
	uint32_t cseq;        /* of our INVITE whose ACK waits for the answer (offerless); 0: none does */
	char *offer;          /* owned: the initiator's (or, offerless, the responder's) offer */
	size_t offer_n;
	char *sent; /* owned: the offer as written to the other side */
	size_t sent_n;
	char *restore; /* owned: what the responder leg had committed before */
	size_t restore_n;
	uint32_t old[2]; /* digests of what each side had said before, by side (MOD-47) */
	uint64_t since_us;
	struct timer t_guard;
	struct timer
		t_say; /* the 100, the 1xx repeated, or the next try of a compensation: never two of them */
};

/* A modification of ours that is wanted (modify_own.c). */
struct own {
	struct session *s;
	struct timer t;
	unsigned want;   /* a bit per side whose leg is to be offered something */
	unsigned repair; /* of these, whose lost connection is the reason (UP-12) */
	uint8_t tries;   /* of the present one */
	bool follows;    /* it answers an exchange of our own */
};

/* What an IMS core has said that is to be said again (ims.c); allocated with the first such thing. */
struct ims {
	char *charging;   /* owned: icid-value=..., one for the session (IMS-8); NULL: none */
	char *priority;   /* owned: Resource-Priority lines of the set-up (IMS-15); NULL: none */
	char uuid[2][33]; /* Session-ID: what each side calls local (IMS-18); empty: never heard */
	bool anonymous;   /* the initiator's From is hidden from the other side (IMS-4) */
};

enum __attribute__((packed)) sess_state { SESS_SETUP, SESS_UP, SESS_ENDING, SESS_OVER, SESS_N_STATES };

struct session {
	struct im *im;
	struct list link; /* im->in_state[state] */
	uint64_t id, since_us;
	uint8_t mode; /* enum im_mode */
	enum sess_state state;
	enum im_case scase;
	enum im_class class;
	enum side initiator;   /* side the dialog-creating INVITE came from */
	bool counted : 1;      /* among those of its user (limits.c) */
	unsigned repaired : 2; /* a bit per side: it has the path that we offered since it lost one (UP-12) */
	const char *role_evidence, *class_evidence; /* static: what decided them */
	char *served_user;                          /* owned */
	struct ims *ims;                            /* owned: ims.c; NULL: nothing of it was heard */
	struct leg leg[2];
	struct plane *plane; /* owned; anchored only */
	struct early *early; /* owned; NULL once set up */
	struct modify mod;
	struct own *own;      /* owned: modify_own.c; NULL: no modification of ours is wanted */
	struct large *large;  /* owned: large.c; NULL: it may last */
	struct list relays;   /* requests of other methods under way (relay.c) */
	struct timer t_media; /* media lost and not repaired; last line disabled */
	uint32_t n_modified, n_refused;
};

struct overload {                       /* overload.c */
	uint64_t seen_us;               /* when the world last said how long things wait */
	uint64_t since_us, least_us;    /* of the window: all since then waited at least so long */
	uint64_t began_us, shed_before; /* of the overload there is */
	unsigned n;                     /* what was said in the window */
};

struct im {
	struct im_conf conf;
	struct im_conf *
		passing; /* owned: the same for sessions out of the media path, where conf is of anchored ones */
	struct im_port port;
	struct timers wheel;
	struct pool pool; /* for what lives as long as a transaction */
	struct sip_tl *tl;
	struct planes *planes;
	struct proxy *proxy;     /* owned; NULL but in mode proxy (proxy.h) */
	struct list pagers;      /* messages outside sessions under way (pager.c) */
	struct htab dialogs;     /* legs by our tag */
	struct htab users;       /* served users with sessions, when those are counted (limits.c) */
	struct htab registered;  /* users the core says are registered (registered.c) */
	struct sources *sources; /* owned: limits.c; NULL: nobody untrusted has asked */
	struct list lates;       /* INVITEs that outlived their session (late.c) */
	struct list in_state[SESS_N_STATES];
	uint64_t n_in_state[SESS_N_STATES];
	uint64_t n_uncounted[SESS_N_STATES]; /* of them, siblings of others (early.c) */
	uint64_t next_id;
	bool draining;
	struct overload overload;
	struct im_metrics mx;
	struct sip_msg msg; /* the message being read */
	char *out;          /* owned, SIP_MSG_MAX: the message being written */
	char *sdp_out;      /* owned, SDP_OUT_MAX: the SDP being written */
	struct sdp *sdp[4]; /* owned: descriptions being read */
	struct sip_body body;
};

/* ---- im.c ---- */
__attribute__((format(printf, 4, 5))) void im_log(struct im *im, enum im_level level, const char *event,
						  const char *fmt, ...);
/* What a peer said, for a log line: at most 127 bytes, and nothing in it that ends a value.  Lives in buf. */
const char *im_shown(char buf[128], struct span said);
void im_token(struct im *im, char *buf, size_t n); /* n hex digits of randomness and a zero */
unsigned im_random_below(struct im *im, unsigned n);
/* A Retry-After line of 0..10 s, drawn anew each time (MOD-7); returns line. */
const char *im_retry_after(struct im *im, char line[32]);
int im_send(struct im *im, const struct sip_dest *to, struct span bytes); /* without a transaction */
/* An answer without body in our own words: extra header lines, and who we are in a final one (MODE-13). */
void im_reply(struct im *im, struct sip_stxn *t, unsigned status, struct span reason, struct span to_tag,
	      const char *extra, uint64_t now_us);
const struct im_listen *im_listen_for(const struct im *im, enum sip_transport tp, const struct addr *ip);
/* malloc'd copy, length kept; *out NULL on no memory: -ENOMEM. */
MUST_CHECK int im_keep(char **out, size_t *n, struct span s);

/* ---- request.c ---- */
/* There is no memory for its transaction: a dialog can end all the same.  false: nothing was done. */
bool request_bye_alone(struct im *im, const struct sip_msg *m, uint64_t now_us);
void request_input(struct im *im, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us);
/* The SDP of a request or response into im->sdp[slot]: 0; 1: there is none; -status: refuse with it, *fault. */
int request_sdp(struct im *im, const struct sip_msg *m, unsigned slot, char fault[96], struct sdp **out);

/* Header lines of a 415: what we would have taken (PARSE-11). */
const char *request_415(const struct sip_msg *m);
/* 200 to an OPTIONS: what we can do (SETUP-21). */
void request_options(struct im *im, struct sip_stxn *t, struct span to_tag, uint64_t now_us);

/* ---- session.c ---- */
struct session *session_create(struct im *im, enum side initiator, uint64_t now_us);
void session_move(struct session *s, enum sess_state to);
/* Both legs are to end: whatever is pending is answered, BYE or CANCEL goes out with `extra` header lines. */
void session_end(struct session *s, const char *extra, uint64_t now_us);
/* In the path of the messages, or of the signalling alone (MODE-1)? */
static inline bool session_anchored(const struct session *s)
{
	return s->mode == IM_ANCHORED;
}
/* Policy, by which its Media Parameters are judged: with the session's own mode. */
static inline const struct im_conf *session_conf(const struct session *s)
{
	return !session_anchored(s) && s->im->passing ? s->im->passing : &s->im->conf;
}
/* What is common to every way of ending: nothing stays pending, MSRP is refused from now on; once. */
void session_close(struct session *s, uint64_t now_us);
void session_hang_up(struct session *s, const char *extra,
		     uint64_t now_us); /* all of session_end() but the last step */
void session_over_check(struct session *s, uint64_t now_us);
void session_free(struct session *s, uint64_t now_us);
/* t: NULL, it is answered by who calls. */
void session_on_bye(struct leg *l, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us);
void session_on_ack(struct leg *l, const struct sip_msg *m, uint64_t now_us);
void session_acked(struct leg *l, const struct sip_msg *m,
		   uint64_t now_us); /* m NULL: by another sign (MOD-9) */
void session_on_no_ack(struct leg *l, uint64_t now_us);
void session_media_check(struct session *s, uint64_t now_us);
extern const struct plane_hooks session_plane_hooks;
struct plane *session_plane_create(struct session *s); /* NULL: no memory */
static inline struct leg *leg_other(struct leg *l)
{
	return &l->s->leg[side_other(l->side)];
}

/* ---- cema.c ---- */
/* Does an SDP of ours on l say msrp-cema on a line?  answered: the offered line; NULL: we offer. */
bool cema_said(const struct leg *l, const struct sdp_msrp *answered);
void cema_check(struct session *s, uint64_t now_us); /* after a commit */

/* ---- identity.c ---- */
struct cpim;
void identity_note(struct leg *l, const struct sip_msg *m); /* what m asserts of the peer that sent it */
struct span identity_of(const struct leg *l);               /* as the other side may see it */
unsigned identity_check(const struct leg *l, const struct cpim *head); /* 0, or 403 (UP-35) */

/* ---- leg.c, leg_ack.c ---- */
void leg_init(struct leg *l, struct session *s, enum side side);
void leg_finish(struct leg *l);                               /* safe twice */
void leg_link(struct leg *l);                                 /* its tag can be found from now on */
struct leg *leg_find(struct im *im, const struct sip_msg *m); /* whose dialog the peer's message m is in */
void leg_learn(struct leg *l, const struct sip_msg *m);       /* Allow, option tags of the peer */
/* Is the message's Contact the one this peer had before, to the letter? */
bool leg_same_contact(const struct leg *l, const struct sip_msg *m);
void leg_note_contact(struct leg *l, const struct sip_msg *m); /* the one its dialog began with */
void leg_refresh(struct leg *l, const struct sip_msg *m);      /* its Contact: target and features (MOD-34) */
/* A request of the peer came over this connection. */
void leg_heard(struct leg *l, const struct sip_src *src);
bool leg_is_early(const struct leg *l); /* has its dialog no 2xx yet? */
/* Do P- headers cross between the request t on l, its answer included, and the other leg (IMS-2)? */
bool leg_trusts(const struct leg *l, const struct sip_stxn *t);
/* Does what this peer says of certificates count (UP-48): it is trusted, or speaks TLS?  t: the request that says it,
 * NULL: an answer, or a request that was looked at already. */
bool leg_safe(const struct leg *l, const struct sip_stxn *t);
/* Until we try again after a 491 on this leg (RFC 3261 14.1). */
unsigned leg_back_off_ms(const struct leg *l);
sip_ctxn_fn leg_on_invite; /* user: the leg; to setup_answer.c or modify.c */
/* t was answered 2xx: it is l's from now on, until Timer M. */
void leg_accepted(struct leg *l, struct sip_ctxn *t, uint32_t cseq, bool creates);
bool leg_ack_again(struct leg *l,
		   uint32_t cseq); /* the ACK of this number as it went; false: there was none */
/* Had the INVITE of this number no offer, so that the ACK of its 2xx has to answer? */
bool leg_owes_answer(struct leg *l, uint32_t cseq);
/* The 2xx of another fork: its ACK, kept for the repeats, and the same again; false: there was none yet. */
void leg_ack_fork(struct leg *l, struct span tag, uint32_t cseq, const struct sip_dest *to, struct span ack);
bool leg_ack_fork_again(struct leg *l, struct span tag);
void leg_acked_drop(struct im *im, struct acked **list); /* all of them */
/* An INVITE that got a 2xx is heard of again: by the same 2xx, by that of another fork, or by Timer M.  false: it is none. */
bool leg_on_again(struct leg *l, const struct sip_ctxn *t, const struct sip_msg *resp, uint64_t now_us);
sip_ctxn_fn leg_on_update;
/* Begin an in-dialog request in im->out: head, then the caller's lines; -EINVAL: no next hop. */
MUST_CHECK int leg_request(struct leg *l, struct wbuf *w, enum sip_method m, uint32_t cseq,
			   unsigned max_forwards, char branch[40], struct sip_dest *to);
/* A datagram that would be fragmented goes over TCP (RFC 3261 18.1.1). */
void leg_fit(struct im *im, struct wbuf *w, struct sip_dest *to);
struct sip_ctxn *leg_start(struct leg *l, enum sip_method m, const char *branch, struct sip_dest *to,
			   struct wbuf *w, sip_ctxn_fn *fn, void *user, uint64_t now_us);
/* A re-INVITE or UPDATE of our own accord, with an offer or (UPDATE) without: its transaction is in the leg's slot.
 * false: it could not be written or sent. */
MUST_CHECK bool leg_own(struct leg *l, enum sip_method m, struct span offer, uint64_t now_us);
/* The same, but fn hears the answers and the slot stays as it is; NULL: as false above. */
MUST_CHECK struct sip_ctxn *leg_own_heard(struct leg *l, enum sip_method m, struct span offer,
					  sip_ctxn_fn *fn, void *user, uint64_t now_us);
/* ACK for a 2xx, to where the dialog's target is by now: leg_refresh() from the 2xx comes first. */
void leg_ack(struct leg *l, uint32_t cseq, struct span sdp);
/* ACK for a 2xx that came too late: an offer in it is answered all the same, by an answer that takes nothing. */
void leg_ack_refusing(struct leg *l, const struct sip_msg *resp);
/* Refuse or finish a request of the peer: simple answers without body. */
void leg_reply(struct leg *l, struct sip_stxn *t, unsigned status, struct span reason, const char *extra,
	       uint64_t now_us);
/* What the next does writes; extra: header lines. */
void leg_w_answer(struct leg *l, struct wbuf *w, struct sip_stxn *t, const struct sip_msg *resp,
		  unsigned status, struct span sdp, const char *extra);
/* Pass a response of the other side on as the answer to t: status may differ from resp's; sdp empty: resp's own body,
 * unless it describes media.  false: too large; t was answered 500. */
bool leg_forward(struct leg *l, struct sip_stxn *t, const struct sip_msg *resp, unsigned status,
		 struct span sdp, uint64_t now_us);
/* Ends this leg alone, whatever state it is in. */
void leg_end(struct leg *l, const char *extra, uint64_t now_us);
void leg_bye_now(struct leg *l, uint64_t now_us);
void leg_bye_received(struct leg *l, uint64_t now_us);

/* ---- headers.c ---- */
/* What crosses of a message, by trust: both sides must be trusted for the P- headers that need it (IMS-2). */
void headers_drop_trusted(struct sip_hdr_set *set); /* those that count between trusted peers only */
/* l: whom it goes to. */
void w_pass(struct wbuf *w, const struct leg *l, const struct sip_msg *m, bool trusted);
void w_contact(struct wbuf *w, const struct leg *l, const struct sip_msg *m);
/* Contact, Allow, Supported.  m: the other side's message that is passed on, NULL: none (its last known). */
void w_ours(struct wbuf *w, const struct leg *l, const struct sip_msg *m);
void w_allow(struct wbuf *w);
void w_product(struct wbuf *w, const struct im *im, enum sip_hdr_id id); /* Server or User-Agent (MODE-13) */
void w_body_of(struct wbuf *w, const struct sip_msg *m); /* body of m unchanged, with its Content- headers */
/* Content headers and body: the SDP alone, or in its place among m's other parts. */
void w_sdp_body(struct wbuf *w, const struct im *im, const struct sip_msg *m, struct span sdp);
/* What a 415 to m has to say: which encodings, or which types, would do (PARSE-11). */
const char *headers_acceptable(const struct sip_msg *m);
/* Tags in Require that neither we nor the far peer know, comma-separated into buf: true when there are any. */
/* Does it require preconditions?  Only an INVITE that passes out of the media path may (PROV-12). */
bool headers_precondition(const struct sip_msg *m);
bool headers_unsupported(const struct leg *l, const struct sip_msg *m, struct wbuf *bad);
char *headers_features(const struct sip_msg *m); /* malloc'd; "" when there are none; NULL: no memory */
char *headers_supported(const struct sip_msg *m, bool anchored);
void headers_warning(const struct leg *l, const struct verdict *v, char buf[192]);

/* ---- dialog_ids.c ---- */
/* Refer-To, Replaces and Target-Dialog of a request that goes out on leg `to`, with the ids its peer knows (SETUP-22). */
void w_dialog_ids(struct wbuf *w, const struct leg *to, const struct sip_msg *m);

/* ---- offer.c ---- */
enum sdp_kind { SDP_OFFER, SDP_ANSWER };
/* The SDP for leg l made from the other side's, into im->sdp_out.  times: of the offer being answered, else "". */
struct span offer_make(struct leg *l, enum sdp_kind kind, const struct sdp *from, const struct sdp *answered,
		       uint32_t off);
/* An offer that leads leg l back to what `old` said, with at least n_media lines (MOD-30). */
struct span offer_restore(struct leg *l, struct span old, const struct sdp *now);
/* What leg l was last sent, as the answer to its peer's repeated offer (MOD-32). */
struct span offer_again(struct leg *l, const struct sdp *offer);
/* What leg l was last sent, to the letter, as an offer that is to change nothing (TIMER-6). */
struct span offer_same(struct leg *l);
/* The lines leg l was last told are off, a bit each. */
uint32_t offer_lines_off(const struct leg *l);
/* Do two descriptions say the same of their media, but for who connects? */
bool offer_same_media(struct span a, struct span b);
/* Would leg `other` be told something else than it was told last, now that the far peer said `from`? */
bool offer_concerns(struct leg *other, const struct sdp *from);
/* What leg l has, as the answer to an offer that is not taken: what it has no counterpart for is off (PROV-9). */
struct span offer_kept(struct leg *l, const struct sdp *offer);
/* `text` went out as leg l's offer, under this o= id. */
MUST_CHECK int offer_was_sent(struct leg *l, uint64_t origin_id, struct span text);
/* An answer that refuses every line of an offer (all ports 0). */
struct span offer_refuse_all(struct leg *l, const struct sdp *offer);

/* ---- offer_pass.c: the same for a session out of the media path, which offer.c hands over to ---- */
struct span pass_make(struct leg *l, const struct sdp *from, uint32_t off);
struct span pass_restore(struct leg *l, struct span old, const struct sdp *now);
struct span pass_same(struct leg *l);
struct span pass_kept(struct leg *l, const struct sdp *offer);
struct span pass_refuse_all(struct leg *l, const struct sdp *offer);
void pass_was_sent(struct leg *l, struct span text);
/* l's peer said this (NULL: something unreadable), and the other peer will not hear it. */
void pass_not(struct leg *l, const struct sdp *said);

/* ---- outside.c: a request outside dialogs, made anew ---- */
/* Route lines for it, and its next hop.  -ENOENT: it addresses us and nobody else; -EINVAL: a route cannot be read. */
MUST_CHECK int outside_routes(struct wbuf *w, const struct im_conf *conf, const struct sip_msg *m,
			      struct sip_dest *to);
/* Begins it in im->out: up to its CSeq.  l: the leg it goes out on. */
void outside_head(struct leg *l, struct wbuf *w, const struct sip_msg *m, const struct sip_dest *to,
		  struct span routes, struct span branch, const char *call_id, uint32_t cseq);
/* Of this size it goes over TCP, where we can (RFC 3261 18.1.1): true when `to` was changed, so that it is written again. */
bool outside_grows(struct im *im, struct sip_dest *to, size_t size);

/* ---- large.c: a session for one message (CLASS-23) ---- */
void large_begin(struct session *s, uint64_t now_us);
void large_drop(struct session *s);

/* ---- pager.c: a MESSAGE outside dialogs (ROAD-1) ---- */
void pager_request(struct im *im, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us);
void pager_gone(struct im *im, const struct sip_stxn *t); /* the layer forgets it, unanswered */
void pagers_finish(struct im *im);

/* ---- setup.c: the INVITE comes in and goes out ---- */
static inline struct leg *setup_initiator(struct session *s)
{
	return &s->leg[s->initiator];
}
static inline struct leg *setup_responder(struct session *s)
{
	return &s->leg[side_other(s->initiator)];
}
void setup_request(struct im *im, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us);
/* It failed as a whole: the initiator is told, whatever there is on the other side is ended. */
void setup_fail(struct setup *st, unsigned status, struct span reason, const char *extra, uint64_t now_us);
void setup_end(struct setup *st, const char *extra, uint64_t now_us); /* all its pairs */
/* The INVITE on the far leg, made of the initiator's.  0; -ENOENT: it addresses us and nobody else; -EINVAL; -ENOMEM. */
MUST_CHECK int setup_send(struct session *s, const struct sip_msg *m, struct span sdp, uint64_t now_us);
void setup_shut(struct session *s, uint64_t now_us);
void setup_cancel(struct setup *st, const struct sip_msg *cancel, uint64_t now_us);
void setup_arm(struct setup *st, uint64_t now_us);                    /* Timer C, from the start or anew */
void setup_rang(struct session *s, unsigned status, uint64_t now_us); /* said upstream; to be said again */
void setup_quiet(struct setup *st); /* the initiator is answered: nothing more is said to it */
void setup_over_check(struct setup *st, uint64_t now_us); /* both INVITEs answered: it is freed */
void setup_free(struct setup *st);

/* ---- setup_retry.c ---- */
/* Refused for what we said of ourselves: our INVITE once more, without it.  false: the refusal stands. */
bool setup_again(struct setup *st, const struct sip_msg *resp, uint64_t now_us);

/* ---- setup_answer.c: what the responder says to it ---- */
void setup_response(struct setup *st, const struct sip_msg *resp, enum sip_end end, uint64_t now_us);

/* The answer in resp, judged: committed on the responder's leg, and made anew for the initiator.  0, or the status to
 * refuse the set-up with, and header lines. */
unsigned setup_take_answer(struct session *s, const struct sip_msg *resp, struct sdp **offer,
			   struct sdp **answer, struct span *text, char extra[192]);
void setup_resume(struct session *s, uint64_t now_us); /* a PRACK came: perhaps a 2xx waited for it */

/* ---- prack.c: reliable provisionals, both ways ---- */
bool prack_is_reliable(const struct sip_msg *resp);
bool prack_in_order(struct early *e, const struct sip_msg *resp); /* false: to be ignored */
/* A reliable 1xx of the responder: acknowledged, now or later.  text: what to say of it upstream; false: nothing any more. */
bool prack_take(struct session *s, const struct sip_msg *resp, struct span *text, uint64_t now_us);
void prack_send(struct early *e, struct span sdp, uint64_t now_us); /* for the last one taken */
bool prack_wanted(const struct sip_stxn *in); /* the initiator requires that all 1xx are reliable */
/* A 1xx to the initiator, reliably: now, or after those that lack their PRACK.  resp NULL: our own words. */
bool prack_say(struct early *e, struct sip_stxn *in, const struct sip_msg *resp, unsigned status,
	       struct span sdp, uint64_t now_us);
bool prack_owed(const struct early *e); /* a 2xx has to wait */
void prack_request(struct leg *l, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us);
/* ---- prack_offer.c ---- */
unsigned modify_judge_lines(struct leg *l, const struct sdp *offer, struct verdict *v);
void prack_answer_kept(struct leg *l, struct sip_stxn *t,
		       uint64_t now_us); /* 200 that gives what there was */

void prack_abandon(struct session *s, uint64_t now_us); /* the session ends */
void prack_finish(struct early *e);

/* ---- early.c: pairs of early dialogs ---- */
MUST_CHECK int early_create(struct session *s, struct setup *st); /* -ENOMEM */
void early_free(struct session *s);                               /* fine when there is none */
static inline struct setup *early_setup(const struct session *s)
{
	return s->early ? s->early->st : NULL;
}
bool early_alive(const struct session *s);
bool early_alone(const struct session *s);           /* no other pair of its set-up is alive */
struct session *early_first(const struct setup *st); /* one that is alive, or else any; never NULL */
/* The pair a response speaks of, made when it is new; NULL: none, it is to be ignored. */
struct session *early_of(struct setup *st, const struct sip_msg *resp, uint64_t now_us);
/* Dialog of the far leg from our INVITE and a response: made, or its route set and target made anew (RFC 3261
 * 13.2.2.4).  0, -EBADMSG: it cannot be used. */
MUST_CHECK int early_dialog(struct session *s, const struct sip_msg *resp);
/* This pair's 2xx was first: the others end in silence. */
void early_won(struct session *s, uint64_t now_us);
void early_linger(struct session *s, uint64_t now_us); /* kept for 64*T1 more */
/* One leg of a pair ends.  The last one alive takes the INVITE with it: 487, CANCEL. */
void early_leave(struct leg *l, uint64_t now_us);
void early_terminated(struct session *s, const struct sip_msg *resp, uint64_t now_us); /* 199 */
void early_detach(struct session *s);
void early_over(struct session *s, uint64_t now_us); /* it is up: no early dialog any more */
bool early_holds(const struct session *s);           /* it may not be freed yet */
/* A 2xx to an INVITE that is up, of another fork. */
/* A far leg ends that hears of the INVITE that made it: one that was a fork of the same, and is still kept. */
struct leg *early_heir(struct leg *l);
void early_other_fork(struct leg *l, const struct sip_msg *resp, uint64_t now_us);
void early_stranger(struct leg *l, const struct sip_msg *resp, uint64_t now_us);

/* ---- late.c: an INVITE outlives its session ---- */
/* t, which l forgets, made its dialog: other forks are still heard of, until Timer M. */
void late_keep(struct leg *l, struct sip_ctxn *t, uint32_t cseq);
void late_drop_all(struct im *im);

/* ---- modify.c: the heart ---- */
/* Named by the request that is under way, not by the side. */
static inline struct leg *mod_initiator(struct session *s)
{
	return &s->leg[s->mod.from];
}
static inline struct leg *mod_responder(struct session *s)
{
	return &s->leg[side_other(s->mod.from)];
}
void modify_request(struct leg *l, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us);
void modify_response(struct leg *l, const struct sip_msg *resp, enum sip_end end, uint64_t now_us);
MUST_CHECK int modify_send(struct session *s, enum sip_method out, unsigned max_forwards, uint64_t now_us);
void modify_answer_initiator(struct session *s, unsigned status, struct span reason, const char *extra,
			     uint64_t now_us);
void modify_pass_on(struct session *s, const struct sdp *offer, uint64_t now_us);
/* The answer of a 2xx into im->sdp[0], judged against what was sent: 0, or the status to refuse with. */
unsigned modify_check_answer(struct session *s, const struct sip_msg *resp, struct sdp **answer,
			     struct verdict *v);
MUST_CHECK int modify_offer(struct session *s, const struct sdp *offer, uint64_t now_us);
/* The responder said no, or (resp NULL) nothing. */
void modify_refused(struct session *s, const struct sip_msg *resp, unsigned status, uint64_t now_us);
void modify_release(struct session *s); /* the lock is free */
/* One record for each attempt (MOD-47): what was said before by each side, to be noted at the begin, and what then was. */
void modify_note(struct session *s);
void modify_log(struct session *s, const char *event, unsigned status, uint64_t now_us);
void modify_log_refused(const struct leg *l, const struct verdict *v, const struct sdp *offer);

/* ---- rename.c: who a peer says it is (MOD-42) ---- */
/* Does m name its sender otherwise than before, and does the other side want to know? */
bool rename_wanted(struct leg *l, const struct sip_msg *m);
void rename_pass(struct leg *l, const struct sip_msg *m); /* the other leg says it on, in what is sent now */
void rename_keep(struct leg *l, const struct sip_msg *m); /* with our 2xx to m: it stands */
void rename_settle(
	struct leg *l); /* a modification from l is over: what did not come to stand is taken back */

/* ---- modify_retry.c: which method, and once more ---- */
enum sip_method modify_method(struct session *s, const struct sdp *offer);
bool modify_retry(struct session *s, const struct sip_msg *resp, unsigned status, uint64_t now_us);

/* ---- limits.c ---- */
/* Is it of the core, or is nobody limited? */
bool source_exempt(const struct im *im, const struct sip_src *src);
/* If not: may it ask for something now that belongs to no dialog we know? */
bool source_admits(struct im *im, const struct sip_src *src, uint64_t now_us);
/* 503, inside a dialog 500, with a Retry-After of 5 to 15 s. */
void limits_refuse(struct im *im, struct sip_stxn *t, uint64_t now_us);
/* overload.c: nothing was handled for a while: what was known of the load is forgotten */
void overload_expire(struct im *im, uint64_t now_us);
struct sources;
void sources_free(struct sources *all); /* NULL is fine */
/* May a served user have one more session; it has: false when it is not counted; it has one less. */
bool user_admits(struct im *im, const char *uri);
bool user_enter(struct im *im, const char *uri);
void user_leave(struct im *im, const char *uri);

/* ---- ims.c ---- */
/* A message of l's peer, request or answer: what it says of charging, priority and Session-ID. */
void ims_learn(struct leg *l, const struct sip_msg *m);
/* The dialog-creating INVITE is let in: where the core charges and sent no icid, there is one now (IMS-8). */
void ims_begin(struct session *s, const struct sip_msg *m);
void ims_copy(struct session *to, const struct session *from); /* a fork's session correlates as the first */
void ims_free(struct session *s);
/* Header lines of a message of our own to l. */
void ims_w_own(struct wbuf *w, const struct leg *l, bool request);
/* Of one that is passed on to l: those that are not as they came are written here, and leave set. */
void ims_w_pass(struct wbuf *w, const struct leg *l, const struct sip_msg *m, bool trusted,
		struct sip_hdr_set *set);
/* Notes whether the initiator's name is to be kept from `to`; is privacy asked for that we must and cannot give (IMS-4)? */
void ims_hide(struct leg *to, const struct sip_msg *m);
bool ims_denies_privacy(const struct sip_msg *m);
/* Require: resource-priority: 0, or 417 when no namespace is one we know (IMS-15). */
unsigned ims_priority(const struct sip_msg *m);
bool ims_profile_registers(const struct im_conf *conf); /* such a core tells us of registrations (IMS-10) */

/* ---- registered.c ---- */
/* A REGISTER of the core's about one of our users: false when this profile has none. */
bool registered_request(struct im *im, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us);
void registered_finish(struct im *im);

/* ---- modify_busy.c: may it begin now? ---- */
/* 0, 491 or 500; offer: it carries one or asks for one (MOD-6). */
void modify_implicit_ack(struct leg *l, const struct sip_msg *m, uint64_t now_us);
unsigned modify_busy(const struct leg *l, enum sip_method m, bool offer, bool local, uint64_t now_us);
/* The lock is taken, and the responder's leg is busy with a refresh of ours: goes on with modify_resume(). */
void modify_wait(struct session *s, uint64_t now_us);
void modify_resume(struct session *s, uint64_t now_us);

/* ---- modify_own.c ---- */
/* A modification nobody asked for (MOD-44): the leg on this side is offered what the other side has committed.  Begins
 * when the lock is free; a failure leaves everything as it was. */
void modify_own(struct session *s, enum side to, uint64_t now_us);
void modify_repair(struct session *s, enum side to, uint64_t now_us); /* UP-12: with a new path of ours */
void modify_own_response(struct session *s, const struct sip_msg *resp, enum sip_end end, uint64_t now_us);
void modify_own_drop(struct session *s); /* not wanted any more; fine when none was */

/* ---- modify_1xx.c: provisionals inside a re-INVITE ---- */
void modify_provisional(struct session *s, const struct sip_msg *resp, uint64_t now_us);
void modify_w_100rel(struct wbuf *w, struct session *s);
bool modify_answered_early(const struct session *s);   /* in a reliable 1xx; kept until the final */
struct sip_msg *modify_kept_answer(struct session *s); /* that 1xx, to be freed; NULL: there is none */
void modify_1xx_over(struct session *s);               /* the lock is free */

/* ---- modify_offerless.c ---- */
void modify_offerless_offer(struct session *s, struct leg *r, const struct sip_msg *resp, uint64_t now_us);
void modify_offerless_ack(struct session *s, const struct sip_msg *ack, uint64_t now_us);
void modify_offerless_give_up(struct session *s, unsigned cause, uint64_t now_us);
/* The responder's 2xx still lacks its ACK: it goes out with an answer that takes nothing.  Fine when none is owed. */
void modify_offerless_refuse(struct session *s);

/* An early UPDATE without SDP is crossing: it gets a 500, since the offer of the INVITE, which is there, cannot wait. */
void modify_give_way(struct session *s, uint64_t now_us);

/* The same in early dialogs: the offer of a reliable 1xx made anew into *text, 0 or a status; the answer in the
 * initiator's PRACK made anew for ours, 0 or a status (PROV-5). */
unsigned modify_offerless_early(struct session *s, const struct sdp *offer, struct span *text,
				uint64_t now_us);
unsigned modify_offerless_answer(struct session *s, const struct sip_msg *m, struct span *text,
				 uint64_t now_us);

/* ---- modify_target.c ---- */
/* The request is to be refused, but brought a new Contact: true when that is tried first; t is answered later. */
bool modify_target_first(struct leg *l, struct sip_stxn *t, const struct sip_msg *m, unsigned status,
			 const char *extra, uint64_t now_us);
void modify_target_settled(
	struct leg *l); /* the peer was refreshed meanwhile: no way back; fine when none is tried */
void modify_target_drop(struct leg *l); /* forget it, unanswered; fine when there is none */

/* ---- modify_undo.c: guards, cancellation, compensation ---- */
void modify_arm(struct session *s, uint64_t now_us);
/* Does this answer to a re-INVITE or UPDATE of ours mean that the dialog is gone (MOD-28, MOD-28a)? */
bool modify_ends_dialog(unsigned status, enum sip_method out);
void modify_cancel(struct session *s, const struct sip_msg *cancel, uint64_t now_us);
void modify_ack(struct leg *l, const struct sip_msg *ack, uint64_t now_us);
void modify_abandon(struct session *s, uint64_t now_us); /* the session ends: 487, CANCEL, nothing pending */
/* The responder agreed and the initiator cannot follow: refuse the initiator and lead the responder back. */
void modify_undo(struct session *s, unsigned status, const char *extra, uint64_t now_us);
/* Its answer to our refresh cannot be used: the same, with nobody to refuse.  false: not now, the lock is taken. */
bool modify_lead_back(struct leg *r, uint64_t now_us);
/* It refused what it had answered in a reliable 1xx (MOD-31): so does the initiator's answer, then the same. */
void modify_undo_refused(struct session *s, const struct sip_msg *resp, unsigned status, uint64_t now_us);
void modify_no_prack(struct session *s,
		     uint64_t now_us); /* a reliable 1xx of ours in a re-INVITE: 64*T1 are over */
/* The responder's answer to an SDP that leaves all as it was: 0, or -EINVAL when it cannot be used. */
MUST_CHECK int modify_take_same(struct session *s, const struct sip_msg *resp, uint64_t now_us);
void modify_undo_response(struct session *s, const struct sip_msg *resp, enum sip_end end, uint64_t now_us);

/* ---- stimer.c: session timers, each leg its own ---- */
/* Session-Expires and Min-SE of a request: 0, or the status to refuse with, and its header line (TIMER-2). */
unsigned stimer_check(const struct im *im, const struct sip_msg *m, char extra[64], const char **reason);
bool stimer_running(const struct leg *l);
/* Their header lines: in our dialog-creating INVITE; in every INVITE and UPDATE we send in the dialog; in our 2xx. */
void stimer_w_invite(const struct leg *l, struct wbuf *w);
void stimer_w_request(const struct leg *l, struct wbuf *w);
void stimer_w_2xx(const struct leg *l, const struct sip_msg *req, struct wbuf *w);
/* A 2xx to an INVITE or UPDATE was given, or came: the timer starts anew, or is off (TIMER-7). */
void stimer_given(struct leg *l, const struct sip_msg *req, uint64_t now_us);
void stimer_on_2xx(struct leg *l, const struct sip_msg *resp, uint64_t now_us);
void stimer_in_doubt(struct leg *l, uint64_t now_us); /* the same, to an UPDATE that left early */
/* A 422 named a Min-SE: true, once, when the request should be made again, now with that (TIMER-5). */
bool stimer_raise(struct leg *l, const struct sip_msg *resp);
void stimer_stop(struct leg *l, uint64_t now_us); /* the session ends */
void stimer_drop(struct leg *l);

/* ---- refresh.c ---- */
bool refresh_open(const struct leg *l);                    /* one of ours is under way on this leg */
bool refresh_is(const struct leg *l, enum sip_method out); /* as its open INVITE, or UPDATE */
void refresh_response(struct leg *l, const struct sip_msg *resp, enum sip_end end, bool invite,
		      uint64_t now_us);

/* ---- relay.c ---- */
void relay_request(struct leg *l, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us);
void relay_abandon(struct session *s, uint64_t now_us);
void relay_gone(struct session *s, const struct sip_stxn *t); /* the layer forgets t */

#endif
