/* SPDX-License-Identifier: MIT */
/*
 * Configuration: YAML by one table (style R19, conf_table.c).  Every fault is named as
 * "file:line: key: what is wrong, what to do", all of them, not only the first.
 */
#ifndef PARLEY_MAIN_CONF_H
#define PARLEY_MAIN_CONF_H

#include <stdio.h>

#include "im/im.h"
#include "net/net.h"

enum { CONF_MSRP_LISTEN_MAX = 8, CONF_ITEMS_MAX = 96, CONF_FAULTS_MAX = 32, CONF_LIST_MAX = 128 };

struct conf_value {    /* what the file says about one key */
	unsigned line; /* of the value; 0: not given, the default counts */
	unsigned n;    /* texts: 1 for a scalar */
	bool list;
	char **text;     /* owned */
	unsigned *lines; /* owned: of each text */
};

struct conf_advert {   /* what is said instead of the address listened on */
	char host[64]; /* empty: that address */
	uint16_t port; /* 0: its port */
};

struct conf {
	const char *file; /* borrowed; as it is named in messages */
	struct conf_value value[CONF_ITEMS_MAX];
	unsigned n_faults;             /* also those beyond CONF_FAULTS_MAX */
	char *faults[CONF_FAULTS_MAX]; /* owned, one line each, without line end */

	struct im_conf im; /* im.listen: addresses to bind, hosts to advertise */
	struct conf_advert sip_advert[IM_LISTEN_MAX], msrp_advert[CONF_MSRP_LISTEN_MAX];
	unsigned n_sip_advert, n_msrp_advert;
	struct net_conf net;
	struct net_tls_conf tls, msrp_tls;
	struct addr msrp[CONF_MSRP_LISTEN_MAX];
	enum plane_tp msrp_tp[CONF_MSRP_LISTEN_MAX];
	unsigned n_msrp;
	struct addr mgmt; /* family 0: off */
	enum im_level log_level;
	uint32_t drain_s;
};

/* Used when no file is named: what ./dev run and a first try want. */
extern const char conf_builtin[];

/* Read text (named file in messages) over the defaults.  0; 1: there are faults; -ENOMEM. */
MUST_CHECK int conf_parse(struct conf *c, const char *file, struct span text);
/* The same from a file; one that cannot be read is a fault. */
MUST_CHECK int conf_load(struct conf *c, const char *file);
void conf_finish(struct conf *c); /* safe on zeroes, safe twice */

/* "file:line: key", or "file: key (default)": where the i-th value of a key was given. */
void conf_where(const struct conf *c, struct wbuf *w, const char *key, unsigned i);
/* After the sockets were opened: what Via, Contact and path advertise when the port was 0. */
void conf_bound_sip(struct conf *c, unsigned i, const struct addr *bound);
void conf_bound_msrp(struct conf *c, unsigned i, const struct addr *bound);

/* Does it listen with TLS, and may so use it? */
bool conf_has_tls(const struct conf *c);
bool conf_has_msrp_tls(const struct conf *c);

void conf_show(const struct conf *c, FILE *f); /* the effective configuration, as YAML */
void conf_help(FILE *f);                       /* every key with range, default, meaning */
void conf_man(FILE *f);                        /* the same as the body of parleyd.conf(5) */

#endif
