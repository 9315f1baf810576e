/* SPDX-License-Identifier: MIT */
/*
 * Both ends of many SIP sessions through one device: the IM Client's user agent and the controlling side's, in one
 * process, so that what one wrote can be held against what the other read.
 *
 * A device may relay a dialog (a proxy: one Call-ID throughout) or join two (a B2BUA).  Neither end cares: the
 * client knows a session by the number in its Call-ID, the far side by the number in the user part of From.
 */
#ifndef PARLEY_LOAD_SIP_H
#define PARLEY_LOAD_SIP_H

#include "load.h"

enum sip_change { CHANGE_DIRECTION, CHANGE_TYPES, CHANGE_PATH };
enum sip_op { OP_NONE, OP_SETUP, OP_UPDATE, OP_REINVITE, OP_BYE };

enum { SIP_PATH_MAX = 192, SIP_REPORTED_MAX = 20 };

struct sip_media { /* what one side says of its MSRP end */
	uint16_t port;
	const char *setup;       /* static: "active", "passive", "actpass" */
	const char *fingerprint; /* of what it shows in TLS; NULL: TCP */
	char path[SIP_PATH_MAX];
};

struct sip_hooks {
	void *u;
	/* What side far of session i puts into its description. */
	void (*media)(void *u, unsigned i, bool far, struct sip_media *m);
	/* The first description that side far of session i received; may be NULL. */
	void (*peer)(void *u, unsigned i, bool far, struct span sdp);
};

struct sip_conf {
	struct sockaddr_storage to;     /* the device */
	char host[48];                  /* our address as written in URIs */
	struct sockaddr_storage local;  /* our address; its port is not used */
	uint16_t client_port, far_port; /* 0: any */
	unsigned sessions, active;      /* how many there are; how many of them are modified */
	unsigned in_flight;             /* modifications at once */
	uint64_t rate;                  /* a second; 0: as fast as answers come */
	enum sip_change change;
	enum sip_op method;    /* OP_UPDATE or OP_REINVITE; OP_NONE: in turn */
	unsigned refuse_every; /* the far side answers every so many with 488; 0: none */
	unsigned timeout_s;    /* without any answer */
	struct sip_hooks hooks;
};

struct sip_counts {
	uint64_t asked, done, failed, resent, wrong, refused;
	uint64_t far_requests; /* UPDATE and re-INVITE with an offer that the far side saw, repeats aside */
	uint64_t far_updates, far_invites;
};

struct sip_load;
struct sip_load *sip_load_create(const struct sip_conf *conf); /* dies when it cannot */
void sip_load_destroy(struct sip_load *s);
/* Each runs to its end, or until nothing was answered for timeout_s.  false: not all succeeded; what was wrong
 * stands on stderr. */
bool sip_load_setup(struct sip_load *s);
bool sip_load_modify(struct sip_load *s, uint64_t count, struct hist *latency);
bool sip_load_bye(struct sip_load *s);
/* Starts one modification and returns: pump until sip_load_open() is 0.  false: no session is free for it. */
bool sip_load_modify_one(struct sip_load *s);
unsigned sip_load_open(const struct sip_load *s);
/* Answers what the device asks by itself; waits at most wait_ms. */
void sip_load_pump(struct sip_load *s, int wait_ms);
const struct sip_counts *sip_load_counts(const struct sip_load *s);

#endif
