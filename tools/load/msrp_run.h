/* SPDX-License-Identifier: MIT */
/* One run of parley-load msrp: what was asked (msrp_main.c), and how it went (msrp.c). */
#ifndef PARLEY_LOAD_MSRP_RUN_H
#define PARLEY_LOAD_MSRP_RUN_H

#include "msrp.h"
#include "sip.h"

enum load_tls { TLS_NONE, TLS_CLIENT, TLS_FAR, TLS_BOTH };

struct msrp_run {
	/* asked */
	struct sip_conf sip;                   /* to.ss_family 0: direct */
	struct sockaddr_storage direct, local; /* where to connect; where to listen */
	struct flow_conf flow;
	unsigned far_role; /* 1: active */
	unsigned tls;      /* enum load_tls: whose connections are TLS */
	bool relay;        /* what stands at direct is an MSRP relay (RFC 4976), not a TCP proxy */
	bool duplex, far_active, terse;
	unsigned stall;     /* sessions whose far end does not read until all others are done */
	uint64_t stall_max; /* bytes their senders may get rid of meanwhile */
	uint64_t rss_max;   /* growth of the device's memory; 0: any */
	unsigned updates;   /* modifications made while messages flow */
	int pid, core;
	unsigned settle_ms, timeout_s;

	/* found */
	struct msrp_totals totals;
	uint64_t wall_ns, cpu_ns, own_cpu_ns, rss_before, rss_peak, rss_after;
	uint64_t stalled_bytes, stalled_rss; /* when the others were done */
	uint64_t updates_done;
};

/* Sets up, lets flow, checks, ends.  false: something was not as it must be, and stands on stderr. */
bool msrp_run(struct msrp_run *r);

#endif
