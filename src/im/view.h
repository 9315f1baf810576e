/* SPDX-License-Identifier: MIT */
/* What management and tests may see of an im context: values, copied out. */
#ifndef PARLEY_IM_VIEW_H
#define PARLEY_IM_VIEW_H

#include "im/im.h"

struct im_session_view {
	uint64_t id;
	const char *state;                            /* "early", "up", "ending" */
	const char *mode, *session_case, *class_name; /* "anchored", "originating", "conversation" */
	const char *class_evidence;                   /* what decided the class (CLASS-1) */
	char served_user[128];
	char call_id[2][128]; /* by side */
	uint64_t since_us;
	uint64_t modifications, refused; /* completed with 2xx, with anything else */
	bool locked;                     /* a modification is under way (MOD-6) */
	uint64_t generation;
	struct plane_stats plane;
	unsigned n_lines;
	struct {
		unsigned index; /* among the m= lines */
		struct plane_stats stats;
		struct plane_file_view file;
	} line[PLANE_LINES_MAX]; /* those there are now */
};

enum im_mode im_mode(const struct im *im); /* IM_PROXY: there are no sessions, and none can be ended */
/* Calls fn for every session; it must not change anything. */
void im_view_sessions(struct im *im, void (*fn)(const struct im_session_view *v, void *u), void *u);

struct im_registration_view {                    /* IMS-10; empty: not said */
	const char *user, *access, *icid, *info; /* P-Access-Network-Info; the body */
	uint64_t until_us;
};

/* Calls fn for every user the core says is registered; it must not change anything. */
void im_view_registrations(struct im *im, void (*fn)(const struct im_registration_view *v, void *u), void *u);

/* Counters and gauges, one sentence of help each (style R20). */
/* clang-format off */
#define IM_METRICS(X) \
	X(sip_received, counter, "SIP messages received, before parsing") \
	X(sip_sent, counter, "SIP messages sent, retransmissions included") \
	X(sip_broken, counter, "SIP messages refused or dropped because they could not be parsed") \
	X(sip_refused, counter, "SIP requests refused by a generic check") \
	X(proxied, counter, "SIP requests passed on as a proxy") \
	X(sessions, gauge, "Sessions alive") \
	X(sessions_total, counter, "Sessions set up (2xx sent)") \
	X(setups_failed, counter, "Session set-ups that ended without a 2xx") \
	X(modifications, counter, "Session modifications completed with 2xx") \
	X(modifications_refused, counter, "Session modifications this server refused with 488") \
	X(modifications_failed, counter, "Session modifications the far side or a fault ended") \
	X(compensations, counter, "Modifications undone on the far leg (MOD-30)") \
	X(refreshes, counter, "Session refreshes of ours that were answered 2xx") \
	X(pager_messages, counter, "Messages outside sessions that were answered 2xx") \
	X(pager_failed, counter, "Messages outside sessions that were answered otherwise") \
	X(sessions_expired, counter, "Sessions ended because a session timer ran out") \
	X(glare, counter, "Modifications refused with 491 or 500 because another was open") \
	X(registrations, gauge, "Users the core says are registered") \
	X(transactions, gauge, "SIP transactions alive") \
	X(transaction_bytes, gauge, "Memory set apart for SIP transactions") \
	X(sip_retransmissions, counter, "SIP messages repeated by us") \
	X(over_limit, counter, "Requests or connections refused because a limit was reached") \
	X(overload, gauge, "What is shed because messages wait too long: 0 nothing, 1 new dialogs, 2 requests inside dialogs too") \
	X(shed, counter, "Requests refused because messages wait too long") \
	X(msrp_sessions, gauge, "MSRP session-ids alive") \
	X(msrp_connections, gauge, "MSRP connections open") \
	X(msrp_messages, counter, "MSRP messages relayed to their end") \
	X(msrp_composing, counter, "MSRP messages that only say that somebody is typing (RFC 3994); not among the messages") \
	X(msrp_notifications, counter, "Of the messages, disposition notifications (RFC 5438)") \
	X(msrp_adapted, counter, "MSRP messages put into a CPIM envelope or taken out of one") \
	X(msrp_notifications_lost, counter, "Of those taken out, the ones whose wish for notifications was lost or refused") \
	X(msrp_bytes, counter, "MSRP body bytes relayed") \
	X(msrp_refused, counter, "MSRP requests refused") \
	X(msrp_reports, counter, "MSRP REPORTs relayed or made") \
	X(msrp_failed, counter, "MSRP messages that could not be delivered") \
	X(msrp_resent, counter, "MSRP chunks written again because their connection was lost") \
	X(msrp_strangers, counter, "MSRP connections whose certificate was not the one in SDP") \
	X(msrp_unbound, counter, "MSRP connections closed because no first request came in time")
/* clang-format on */

struct im_metrics {
#define X(name, kind, help) uint64_t name;
	IM_METRICS(X)
#undef X
};
void im_metrics(struct im *im, struct im_metrics *out);

/* Asserts everything that must be true of every session (style R17); for tests and the simulator. */
void im_check(struct im *im);

#endif
