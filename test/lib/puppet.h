/* SPDX-License-Identifier: MIT */
/*
 * A SIP user agent on strings: it knows how to write a correct request or response in its dialogs and learns from
 * what it is sent, but decides nothing.  A ladder moves it line by line; the simulator's models decide for it.
 */
#ifndef PARLEY_TEST_PUPPET_H
#define PARLEY_TEST_PUPPET_H

#include <stdarg.h>

#include "lib/puppet_sdp.h"
#include "lib/wire.h"
#include "sip/txn.h"

enum { PUP_MSG_MAX = 32768, PUP_ROUTES = 4, PUP_KEPT = 48 };

struct pup_kept { /* a request received, to be answered; or a message sent, to be repeated */
	char *raw;
	size_t n;
	struct wire m;
	struct sip_src src; /* how it came: where the answer goes back */
	bool answered;      /* finally */
};

struct pup_dialog {
	char name[24];
	char call_id[128], local_tag[64], remote_tag[128];
	char local[256], remote[256]; /* URIs */
	char target[512];             /* remote target; before: the Request-URI */
	char route[PUP_ROUTES][256];
	unsigned n_routes;
	char contact[512]; /* our target, with <> and parameters */
	uint32_t cseq, invite_cseq;
	char invite_branch[64], invite_ruri[512];
	bool invite_initial, invite_tagged; /* it created the dialog; its To had a tag */
	unsigned invite_status;             /* last response to our last INVITE */
	char rack[64];                      /* RAck of the reliable 1xx that came last */
	unsigned n_kept, n_sent;
	struct pup_kept kept[PUP_KEPT], sent[PUP_KEPT];
	struct psdp sdp;
	char far_sdp[8192]; /* the last one received */
	char far_path[PSDP_LINES][256];
};

struct pup { /* one peer: the IM Client, or the controlling side */
	char name[16], host[64];
	struct addr addr;
	char uri[256];     /* who it is: sip:alice@example.com */
	char far_uri[256]; /* whom it calls */
	char allow[256], supported[256], accept_contact[256], contact_params[256], routes[512];
	char uri_params[64]; /* of its Contact's URI */
	char setup_pref[16];
	unsigned n_branches, n_dialogs;
	uint64_t n_calls;
};

/* What differs from what the puppet would write by itself. */
struct pup_edit {
	char op; /* '=' set (replaces), '+' add, '-' remove */
	struct span name, value;
};
struct pup_opts {
	const struct pup_edit *edit;
	unsigned n_edit;
	struct span ruri;        /* empty: the target */
	struct span body, ctype; /* ctype empty: application/sdp when there is a body */
	const char *to_tag;      /* NULL: the dialog's */
	const char *from_tag;    /* of a request; NULL: the dialog's */
	uint32_t rseq;           /* the 1xx is reliable, under this number */
	uint32_t cseq;           /* 0: the next; for a response: which request */
	const char *tp;          /* Via transport; NULL: UDP */
	const char *reason;      /* phrase; NULL: the standard one */
	bool initial;            /* the request creates the dialog: P- headers, Accept-Contact */
};

void pup_init(struct pup *p, const char *name, const char *host, uint16_t port);
void pup_dialog_init(struct pup *p, struct pup_dialog *d, const char *name);
void pup_dialog_finish(struct pup_dialog *d);
void pup_kept_free(struct pup_kept *k);

/* Each writes into out (PUP_MSG_MAX) and returns the message; empty: impossible, *why says so. */
struct span pup_request(struct pup *p, struct pup_dialog *d, const char *method, const struct pup_opts *o,
			char *out, const char **why);
struct span pup_response(struct pup *p, struct pup_dialog *d, const char *method, unsigned status,
			 const struct pup_opts *o, char *out, struct sip_src *back, const char **why);
/* A message for this dialog arrived: keep, refresh target and tags. */
void pup_learn(struct pup *p, struct pup_dialog *d, const struct wire *m, const struct sip_src *src);
/* Does it belong to d (Call-ID and tags as far as they are known)? */
bool pup_is_mine(const struct pup_dialog *d, const struct wire *m);
/* Newest request of this method that has no final answer; any method when empty. */
struct pup_kept *pup_pending(struct pup_dialog *d, const char *method, uint32_t cseq);
/* The message of this method sent last ("UPDATE", or "200 UPDATE"). */
struct pup_kept *pup_last_sent(struct pup_dialog *d, const char *what);

const char *pup_reason(unsigned status);

#endif
