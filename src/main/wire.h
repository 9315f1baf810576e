/* SPDX-License-Identifier: MIT */
/* Joins the participating function (im/) to the sockets (net/): im_port one way, net_hooks the other. */
#ifndef PARLEY_MAIN_WIRE_H
#define PARLEY_MAIN_WIRE_H

#include <stdio.h>

#include "im/im.h"
#include "main/log.h"
#include "net/net.h"

enum { WIRE_RANDOM_POOL = 4096 };

struct wire {
	struct net *net; /* borrowed, set by the owner before anything runs */
	struct im *im;   /* likewise */
	const struct log *log;
	FILE *trace; /* NULL: off */
	size_t random_left;
	uint8_t random[WIRE_RANDOM_POOL];
};

enum net_msrp_kind wire_msrp_kind(enum plane_tp tp);
void wire_hooks(struct wire *w, struct net_hooks *out); /* for net_create() */
void wire_port(struct wire *w, struct im_port *out);    /* for im_create() */

#endif
