/* SPDX-License-Identifier: MIT */
/* What sip.c (who does what when), sip_client.c and sip_far.c (the two ends) share. */
#ifndef PARLEY_LOAD_SIP_IMPL_H
#define PARLEY_LOAD_SIP_IMPL_H

#include "sip.h"

enum { FLIGHT_NONE = UINT32_MAX };

struct sess {
	uint8_t op; /* enum sip_op: what the client has open */
	bool up, dead;
	bool client_done; /* the client has its 2xx */
	bool far_open;    /* the far side answered an INVITE and has no ACK yet */
	bool far_ended;   /* the far side got its BYE */
	bool refuse;      /* the far side answers 488 to what is open */
	uint8_t tries;
	uint32_t cseq, invite_cseq; /* client: last request; last INVITE */
	uint32_t version;           /* client's description; also says what the change is */
	uint32_t far_cseq, far_dialog, far_version;
	uint32_t far_path, client_path; /* hashes of the last a=path read by either side */
	uint32_t flight_at;
	uint64_t began_ns; /* the first sending; since_ns is when it was due */
	uint64_t since_ns, resend_ns, far_resend_ns;
	char *to_tag, *target, *routes; /* owned: the client's side of the dialog; one block, at to_tag */
	char *far_answer;               /* owned: 2xx to INVITE until it is acknowledged */
	size_t far_answer_len;
	struct sockaddr_storage *far_peer; /* owned */
};

struct sip_load {
	struct sip_conf conf;
	struct udp *client, *far;
	uint32_t run; /* in every Call-ID and branch: answers to an earlier run are told apart */
	struct sess *sess;
	uint32_t *flight; /* sessions with something open, dense */
	unsigned n_flight;
	unsigned next; /* session whose turn it is */
	uint64_t last_progress_ns, tick_ns;
	struct hist *latency;
	struct sip_counts n;
	unsigned reported;
};

/* sip.c */
void sip_wrong(struct sip_load *s, unsigned i, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void sip_open(struct sip_load *s, unsigned i, enum sip_op op, uint64_t since_ns);
/* Both ends are through with what session i had open, if they are. */
void sip_close_if_done(struct sip_load *s, unsigned i);
void sip_fail(struct sip_load *s, unsigned i, const char *why, unsigned status);
/* The description of side far; answer: its direction mirrors the client's. */
size_t sip_sdp(const struct sip_load *s, unsigned i, bool far, char *buf, size_t cap);
/* Does the description that side far received carry what the other side said last? */
void sip_check_sdp(struct sip_load *s, unsigned i, bool far, struct span sdp);
uint32_t sip_hash(struct span a, struct span b);
/* Status line, Via, Record-Route, From, To, Call-ID and CSeq of req; to_tag added when To has none. */
size_t sip_reply(char *buf, size_t cap, struct span req, const char *status, const char *to_tag);

/* sip_client.c */
void client_send(struct sip_load *s, unsigned i);
void client_input(struct sip_load *s, struct span msg, const struct sockaddr_storage *from);

/* sip_far.c */
void far_input(struct sip_load *s, struct span msg, const struct sockaddr_storage *from);
void far_resend(struct sip_load *s, unsigned i);

#endif
