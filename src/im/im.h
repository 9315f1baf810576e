/* SPDX-License-Identifier: MIT */
/*
 * The participating function of one worker: SIP messages, MSRP bytes and time go in, everything it does comes
 * out through im/port.h.  One context, no globals: a test makes ten.
 */
#ifndef PARLEY_IM_IM_H
#define PARLEY_IM_IM_H

#include "im/plane.h"
#include "im/port.h"

enum im_mode { IM_PROXY, IM_UNANCHORED, IM_ANCHORED };
enum im_profile { IM_PLAIN, IM_3GPP, IM_3GPP2 }; /* which IMS, if any, the SIP/IP core is */

enum { IM_LISTEN_MAX = 16, IM_TRUSTED_MAX = 64, IM_DOMAINS_MAX = 64, IM_TRUSTED_NAMES_MAX = 16 };

struct im_listen { /* one SIP listening point, as it is advertised */
	enum sip_transport tp;
	struct addr addr; /* bound address; with port */
	char host[64];    /* advertised in Via and Contact; IPv6 bracketed */
	uint16_t port;
};

struct im_conf { /* from YAML, keys in comments; see the architecture, section 8 */
	struct im_listen listen[IM_LISTEN_MAX]; /* sip.listen, sip.advertise */
	unsigned n_listen;
	struct cidr trusted[IM_TRUSTED_MAX]; /* sip.trusted */
	unsigned n_trusted;
	char trusted_names[IM_TRUSTED_NAMES_MAX][128]; /* sip.trusted_names */
	unsigned n_trusted_names;
	char next_hop[256];                /* sip.next_hop; empty: none */
	uint32_t sip_transactions_max;     /* sip.transactions_max */
	enum im_mode mode;                 /* im.mode */
	enum im_profile profile;           /* im.profile */
	char ioi[64];                      /* im.ioi: in P-Charging-Vector, without its "Type 3" */
	char domains[IM_DOMAINS_MAX][128]; /* im.served_domains */
	unsigned n_domains;
	char orig_marker[32], term_marker[32]; /* im.route_markers: "orig", "term" (ROLE-6) */
	uint32_t sessions_max;                 /* im.sessions_max */
	uint32_t sessions_per_user;            /* im.sessions_per_user; 0: as many as there may be */
	uint32_t registrations_max;            /* im.registrations_max: 20000 (IMS-10) */
	uint32_t untrusted_rate;    /* sip.untrusted_rate: requests a second of one address; 0: no limit */
	uint32_t overload_delay_ms; /* sip.overload_delay: 250 (PARSE-18); 0: never */
	char server_token[64];      /* im.server_token: "IM-serv/OMA1.0 parley/0.1" */
	/* im.media.* */
	char accept_types[512]; /* blank-separated */
	uint64_t max_size, min_max_size;
	uint64_t chat_max_size; /* where max_size is not less; 0: no other limit (UP-51) */
	uint32_t max_streams;   /* active m=message lines */
	uint32_t max_chats;     /* of which chat (CLASS-20; default 1) */
	bool file_transfer;
	bool audio_video_pass;        /* im.media.other_media: pass */
	bool partial;                 /* im.media.judge: partial (ACC-1); default strict */
	bool check_cpim_from;         /* im.media.check_cpim_from (UP-35) */
	bool strict_origin;           /* im.media.strict_origin (SDP-5) */
	bool not_im_reject;           /* im.not_im: reject (CLASS-10); default pass, out of the media path */
	bool own_origin;              /* im.own_origin (SDP-2) */
	bool anchor_optional;         /* im.anchor_optional (MODE-7) */
	bool trust_preferred_service; /* im.trust_preferred_service (CLASS-3) */
	bool allow_downgrade;         /* im.media.allow_downgrade (ACC-2q) */
	bool deny_loopback;           /* im.media.deny_loopback (ACC-2o) */
	bool single_early_dialog;     /* im.single_early_dialog (PROV-2) */
	bool implicit_ack;            /* im.implicit_ack (MOD-9) */
	bool prefer_update;           /* im.prefer_update (MOD-14) */
	bool absorb_491;              /* im.absorb_491 (MOD-27) */
	bool map_3xx_in_dialog;       /* im.map_3xx_in_dialog (MOD-25) */
	uint32_t update_guard_ms;     /* im.update_guard: 20000 (MOD-18) */
	uint32_t session_expires_s;   /* im.session_timer.expires: 1800; 0: we ask for none */
	uint32_t min_se_s;            /* im.session_timer.min_se: 90 */
	uint32_t large_wait_ms;       /* im.large_message_wait: 60000 (CLASS-23); 0: for ever */
	uint64_t pager_max_size;      /* im.pager_max_size: 1300 (CLASS-11); 0: no limit */
	struct plane_conf plane;      /* msrp.* */
};

void im_conf_defaults(struct im_conf *c);

/* conf and port are copied; what port->w points at must outlive it.  NULL: no memory. */
struct im *im_create(const struct im_conf *conf, const struct im_port *port, uint64_t now_us);
void im_destroy(struct im *im); /* sends nothing */

/* One datagram, or one message as cut from a stream by sip_frame(). */
void im_sip_input(struct im *im, struct span bytes, const struct sip_src *src, uint64_t now_us);
/* A stream could not be framed (sip_frame said -EBADMSG or -EMSGSIZE): answer if head can be read; the world then
 * closes the stream. */
void im_sip_broken(struct im *im, struct span head, int err, const struct sip_src *src, uint64_t now_us);
/* What was sent under token could not be delivered. */
void im_sip_unreachable(struct im *im, uint64_t token, uint64_t now_us);

/* MSRP: see plane.h.  NULL from accept: over a limit, the world closes. */
struct plane_conn *im_msrp_accept(struct im *im, void *wc, enum plane_tp tp, const struct addr *from,
				  uint64_t now_us);

/* How long what was handled just now had waited, or had others wait; from im.h's other inputs apart, as often as there was
 * something to do (PARSE-18). */
void im_lag(struct im *im, uint64_t lag_us, uint64_t now_us);

uint64_t im_deadline(const struct im *im);    /* us; UINT64_MAX: none */
void im_tick(struct im *im, uint64_t now_us); /* fires what is due */

/* New dialogs get 503 from now on (SIGTERM, UP-52); im_end_all() sends BYE with Reason to both sides of all. */
void im_drain(struct im *im);
void im_end_all(struct im *im, unsigned cause, const char *text, uint64_t now_us);
void im_fit(struct im *im);        /* tables as small as what is in them; from outside the core only */
bool im_idle(const struct im *im); /* no session, no transaction, no timer, no connection */

#endif
