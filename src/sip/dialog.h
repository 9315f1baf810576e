/* SPDX-License-Identifier: MIT */
/*
 * A dialog (RFC 3261 12): identifiers, sequence numbers, route set, targets, and what the peer said
 * it can do on this dialog (MOD-13).  Strings live in one block of the dialog's own.  It knows no
 * transactions and sends nothing: it writes the heads of requests and says where they go.
 */
#ifndef PARLEY_SIP_DIALOG_H
#define PARLEY_SIP_DIALOG_H

#include "sip/txn.h"
#include "sip/uri.h"

/* Where something lies in a dialog's text.  Two dialogs to each idle session: every byte of one counts. */
struct sip_dialog_part {
	uint16_t at, n;
};

struct sip_dialog {
	char *text;        /* owned: one block for what never changes, or by sip_dialog_rename() alone */
	char *target_text; /* owned: the remote target, replaced by target refresh */
	struct sip_dialog_part call_id, local_tag, remote_tag;
	struct sip_dialog_part local, remote; /* From/To values as we write them, with their tags */
	struct sip_dialog_part routes;        /* "Route: <...>\r\n" lines, in order; may be empty */
	struct sip_dialog_part first_route;   /* URI of the first; empty: none */
	uint16_t target_n;
	uint32_t local_cseq;  /* last used by us */
	uint32_t remote_cseq; /* last seen from the peer */
	uint32_t allow;       /* bit per enum sip_method, from the newest Allow */
	bool remote_cseq_known : 1, allow_known : 1;
	bool secure : 1;       /* sips (RFC 3261 12.1.1) */
	bool call_id_ours : 1; /* we made the Call-ID: 491 back-off band (RFC 3261 14.1) */
	bool no_update : 1;    /* UPDATE earned 405/501 (MOD-15): sticky till it sends one */
	bool supports_timer : 1, supports_100rel : 1, supports_from_change : 1, supports_199 : 1;
};

/* Borrowed from the dialog, until it is renamed or finished; the target until the next refresh. */
#define SIP_DIALOG_PARTS(X) X(call_id) X(local_tag) X(remote_tag) X(local) X(remote) X(routes) X(first_route)
#define X(part)                                                                                 \
	static inline struct span sip_dialog_##part(const struct sip_dialog *d)                 \
	{                                                                                       \
		return d->text ? (struct span){ d->text + d->part.at, d->part.n } : SPAN_EMPTY; \
	}
SIP_DIALOG_PARTS(X)
#undef X
static inline struct span sip_dialog_target(const struct sip_dialog *d)
{
	return (struct span){ d->target_text, d->target_n };
}

/* As UAS from the INVITE and the To tag we answer with; as UAC from our own INVITE (invite, as sent)
 * and the response that creates it.  RFC 3261 12.1; the route set is fixed here.  0, -EBADMSG (no usable
 * Contact, or more than 64 KiB to keep), -ENOMEM. */
MUST_CHECK int sip_dialog_uas(struct sip_dialog *d, const struct sip_msg *invite, struct span tag);
MUST_CHECK int sip_dialog_uac(struct sip_dialog *d, const struct sip_msg *invite, const struct sip_msg *resp);
void sip_dialog_finish(struct sip_dialog *d); /* safe on zeroes, safe twice */

/* Call-ID and both tags of a message from the peer fit this dialog. */
bool sip_dialog_matches(const struct sip_dialog *d, const struct sip_msg *m);

/* Order of an in-dialog request from the peer (RFC 3261 12.2.2, PARSE-10): 0 and remote_cseq moves on, or
 * 500: lower or equal.  ACK and CANCEL are exempt and always 0. */
MUST_CHECK int sip_dialog_in_order(struct sip_dialog *d, const struct sip_msg *m);

/* Learn from any message of the peer on this dialog: Allow (MOD-13), option tags; an UPDATE request is
 * proof of support. */
void sip_dialog_learn(struct sip_dialog *d, const struct sip_msg *m);
bool sip_dialog_allows(const struct sip_dialog *d, enum sip_method m); /* shown and not withdrawn */

/* Target refresh (MOD-34): take the Contact of m as remote target.  The caller decides when; the route set
 * never changes.  0, -ENOENT (no Contact), -EBADMSG, -ENOMEM: target as before. */
MUST_CHECK int sip_dialog_refresh(struct sip_dialog *d, const struct sip_msg *m);

/* The same dialog under other names (RFC 4916): From and To values as we write them from now on, tags and all; they may lie
 * in d.  0, or -ENOMEM: the names are as before. */
MUST_CHECK int sip_dialog_rename(struct sip_dialog *d, struct span local, struct span remote);

/**
 * Head of a request inside the dialog: request line (strict router swap of RFC 3261 12.2.1.1 included), Via
 * (via_sent_by "host:port", branch), Max-Forwards, Route, From, To, Call-ID, CSeq.  cseq 0: the next one,
 * which is thereby used; else that number (ACK, CANCEL).  Where it goes: sip_dialog_next_hop().
 */
void sip_dialog_request(struct sip_dialog *d, struct wbuf *w, enum sip_method method, uint32_t cseq,
			unsigned max_forwards, enum sip_transport tp, struct span via_sent_by,
			struct span branch);
/* Next hop of in-dialog requests: first route, else target; host borrowed from d.  0, or -EINVAL. */
MUST_CHECK int sip_dialog_next_hop(const struct sip_dialog *d, struct sip_dest *to);
/* Next hop of any URI: transport parameter, port, maddr, literal address or host (RFC 3263 4 without DNS). */
MUST_CHECK int sip_uri_next_hop(struct span uri, struct sip_dest *to);

#endif
