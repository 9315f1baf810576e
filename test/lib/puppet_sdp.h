/* SPDX-License-Identifier: MIT */
/* The session description a puppet or a model sends: changed by words ("path,sendonly"), printed with an o= version
 * that rises exactly when the content changed, as RFC 3264 8 wants of every correct peer. */
#ifndef PARLEY_TEST_PUPPET_SDP_H
#define PARLEY_TEST_PUPPET_SDP_H

#include "base/wbuf.h"

enum { PSDP_LINES = 10 };

struct psdp_line {
	char media[16], proto[24], fmt[16];
	unsigned port;
	char host[64];    /* in the path */
	char session[32]; /* of the path; empty: no a=path */
	char accept[256], wrapped[256];
	bool no_accept;
	char max_size[24]; /* empty: none */
	char dir[16];      /* ours; empty: not written */
	char setup[16];    /* for this body only; empty: as the rules say */
	bool ws;           /* its path comes by WebSocket */
	char fp[128]; /* with TLS: certificates of its fingerprints, "NAME" or "HASH/NAME", '+' between; empty: none */
	char extra[512]; /* further a= lines, "\r\n" after each */
};

struct psdp {
	char who[16]; /* makes session-ids that say whose they are */
	char host[64];
	uint64_t id, version;
	unsigned n, n_sessions;
	struct psdp_line line[PSDP_LINES];
	char setup_pref[16]; /* what it answers to actpass */
	bool ws;             /* its path comes by WebSocket */
	char fp[128];        /* the same for the session; empty: none */
	char null_addr[64];  /* c= address for this body only */
	bool omit_c, broken;
	char last[8192]; /* the content last printed, without o= */
};

void psdp_init(struct psdp *s, const char *who, const char *host, uint64_t id, const char *setup_pref);
/* Applies comma-separated words; false: one is unknown (copied to bad).  The words are in doc of ladder.c. */
bool psdp_apply(struct psdp *s, const char *words, char bad[64]);
/* Makes s fit an offer: as many lines, port 0 kept, directions and setup answered. */
void psdp_answer_to(struct psdp *s, struct span offer);
/* Prints into w; offer: a=setup actpass unless a word said otherwise. */
void psdp_write(struct psdp *s, struct wbuf *w, bool offer);

#endif
