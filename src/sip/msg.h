/* SPDX-License-Identifier: MIT */
/*
 * A SIP message, indexed once.  One pass over the text finds every header and checks what every
 * element must check (PARSE-1..4); typed values are parsed on demand by those who want them.
 * The text is never changed: what we do not know we can pass on byte for byte.
 */
#ifndef PARLEY_SIP_MSG_H
#define PARLEY_SIP_MSG_H

#include "base/pool.h"
#include "base/wbuf.h"

enum { SIP_HEADERS_MAX = 128, SIP_MSG_MAX = 65535 };

/* clang-format off */
#define SIP_METHODS(X) \
	X(INVITE) X(ACK) X(BYE) X(CANCEL) X(UPDATE) X(PRACK) X(OPTIONS) X(MESSAGE) X(INFO) \
	X(REFER) X(NOTIFY) X(SUBSCRIBE) X(PUBLISH) X(REGISTER)
/* clang-format on */

enum __attribute__((packed)) sip_method {
	SIP_UNKNOWN = 0,
#define X(name) SIP_##name,
	SIP_METHODS(X)
#undef X
		SIP_N_METHODS
};

/* id, canonical name, compact form (0: none) */
/* clang-format off */
#define SIP_HEADERS(X) \
	X(VIA, "Via", 'v') X(FROM, "From", 'f') X(TO, "To", 't') X(CALL_ID, "Call-ID", 'i') \
	X(CSEQ, "CSeq", 0) X(MAX_FORWARDS, "Max-Forwards", 0) X(CONTACT, "Contact", 'm') \
	X(ROUTE, "Route", 0) X(RECORD_ROUTE, "Record-Route", 0) \
	X(CONTENT_LENGTH, "Content-Length", 'l') X(CONTENT_TYPE, "Content-Type", 'c') \
	X(CONTENT_ENCODING, "Content-Encoding", 'e') X(CONTENT_DISPOSITION, "Content-Disposition", 0) \
	X(CONTENT_LANGUAGE, "Content-Language", 0) X(CONTENT_ID, "Content-ID", 0) \
	X(MIME_VERSION, "MIME-Version", 0) \
	X(ALLOW, "Allow", 0) X(SUPPORTED, "Supported", 'k') X(REQUIRE, "Require", 0) \
	X(PROXY_REQUIRE, "Proxy-Require", 0) X(UNSUPPORTED, "Unsupported", 0) \
	X(ACCEPT, "Accept", 0) X(ACCEPT_ENCODING, "Accept-Encoding", 0) \
	X(ACCEPT_LANGUAGE, "Accept-Language", 0) \
	X(SESSION_EXPIRES, "Session-Expires", 'x') X(MIN_SE, "Min-SE", 0) \
	X(RSEQ, "RSeq", 0) X(RACK, "RAck", 0) X(WARNING, "Warning", 0) \
	X(RETRY_AFTER, "Retry-After", 0) X(REASON, "Reason", 0) X(EXPIRES, "Expires", 0) \
	X(ACCEPT_CONTACT, "Accept-Contact", 'a') X(REJECT_CONTACT, "Reject-Contact", 'j') \
	X(REQUEST_DISPOSITION, "Request-Disposition", 'd') X(EVENT, "Event", 'o') \
	X(ALLOW_EVENTS, "Allow-Events", 'u') X(REFER_TO, "Refer-To", 'r') \
	X(REFERRED_BY, "Referred-By", 'b') X(SUBJECT, "Subject", 's') X(IDENTITY, "Identity", 'y') \
	X(IDENTITY_INFO, "Identity-Info", 'n') X(TIMESTAMP, "Timestamp", 0) X(DATE, "Date", 0) \
	X(USER_AGENT, "User-Agent", 0) X(SERVER, "Server", 0) \
	X(WWW_AUTHENTICATE, "WWW-Authenticate", 0) X(PROXY_AUTHENTICATE, "Proxy-Authenticate", 0) \
	X(AUTHORIZATION, "Authorization", 0) X(PROXY_AUTHORIZATION, "Proxy-Authorization", 0) \
	X(PRIVACY, "Privacy", 0) X(P_ASSERTED_IDENTITY, "P-Asserted-Identity", 0) \
	X(P_PREFERRED_IDENTITY, "P-Preferred-Identity", 0) X(P_SERVED_USER, "P-Served-User", 0) \
	X(P_ASSERTED_SERVICE, "P-Asserted-Service", 0) \
	X(P_PREFERRED_SERVICE, "P-Preferred-Service", 0) \
	X(P_CHARGING_VECTOR, "P-Charging-Vector", 0) \
	X(P_CHARGING_FUNCTION_ADDRESSES, "P-Charging-Function-Addresses", 0) \
	X(P_ACCESS_NETWORK_INFO, "P-Access-Network-Info", 0) \
	X(P_VISITED_NETWORK_ID, "P-Visited-Network-ID", 0) X(P_EARLY_MEDIA, "P-Early-Media", 0) \
	X(RESOURCE_PRIORITY, "Resource-Priority", 0) X(SESSION_ID, "Session-ID", 0) \
	X(HISTORY_INFO, "History-Info", 0) X(REPLACES, "Replaces", 0) \
	X(TARGET_DIALOG, "Target-Dialog", 0) X(SECURITY_CLIENT, "Security-Client", 0) \
	X(SECURITY_VERIFY, "Security-Verify", 0) X(MAX_BREADTH, "Max-Breadth", 0) \
	X(P_PRIVATE_NETWORK_INDICATION, "P-Private-Network-Indication", 0)
/* clang-format on */

enum sip_hdr_id {
	SIP_H_OTHER = 0, /* not in the table: passed on, not looked at */
#define X(id, name, compact) SIP_H_##id,
	SIP_HEADERS(X)
#undef X
		SIP_N_HEADERS
};

enum sip_transport { SIP_UDP, SIP_TCP, SIP_TLS, SIP_WS, SIP_WSS, SIP_OTHER_TRANSPORT };

/* WebSocket (RFC 7118): a peer is reached over the connection it made, and over no other. */
static inline bool sip_is_ws(enum sip_transport tp)
{
	return tp == SIP_WS || tp == SIP_WSS;
}
const char *sip_transport_name(enum sip_transport tp);  /* as Via has it */
const char *sip_transport_param(enum sip_transport tp); /* as a URI has it, ";transport=..."; UDP: "" */
uint16_t sip_default_port(enum sip_transport tp);

/* One header as it stands in the text: offsets from msg->raw.p.  The line includes its folds and
 * its line end; the value is trimmed but still folded. */
struct sip_hdr {
	uint32_t off, len; /* the whole line */
	uint32_t val_off, val_len;
	uint16_t name_len;
	uint8_t id;   /* enum sip_hdr_id */
	uint8_t next; /* index of the next header of this id; 0xff: last */
};

struct sip_via { /* one Via value; spans into the message */
	enum sip_transport tp;
	struct span tp_name;
	struct span host;   /* IPv6 still in its brackets */
	uint16_t port;      /* 0: none given */
	struct span branch; /* empty: none */
	struct span received, maddr;
	bool has_rport; /* the parameter is there, with or without a value */
	uint16_t rport; /* 0: no value */
};

struct sip_msg {
	struct span raw; /* all of it, without bytes after Content-Length */
	struct span body;
	bool request;
	bool answerable; /* a request, not an ACK, whose top Via says where an answer would go */
	uint8_t method;  /* enum sip_method, of the CSeq in a response */
	uint16_t status; /* responses */
	struct span method_name;
	struct span ruri;   /* requests */
	struct span reason; /* responses */
	struct span call_id;
	struct span from, to;         /* whole values */
	struct span from_tag, to_tag; /* empty: none */
	uint32_t cseq;
	uint8_t max_forwards; /* 70 when absent */
	struct sip_via via;   /* the topmost */
	const char *fault;    /* reason phrase when sip_msg_parse was not content */
	uint8_t n_hdr;
	uint8_t first[SIP_N_HEADERS];        /* index of the first of each id; 0xff: none */
	struct sip_hdr hdr[SIP_HEADERS_MAX]; /* last: a copy holds only n_hdr of them */
};

/**
 * sip_msg_parse(m, raw, stream): index raw, which must outlive m.
 * raw is one datagram, or one message as cut by sip_frame() (stream).  Leading CRLFs are skipped.
 * Returns 0; or the positive status this *request* must be refused with (400, 505, 513 ...), with
 * m->fault as reason phrase: m is then good for w_reply() and nothing else, since From, To, Call-ID or
 * CSeq may be missing (RFC 4475 3.3.1 wants a 400 all the same); or -EBADMSG: drop it (noise, a broken
 * response, a broken ACK, no Via to answer to).  PARSE-1..4.  After sip_frame() refused a stream, the
 * header section it found, parsed with stream set, yields the status to answer with before closing.
 */
MUST_CHECK int sip_msg_parse(struct sip_msg *m, struct span raw, bool stream);

/* A copy in one allocation (pool_free() it): header index and text, spans moved.  NULL: no memory. */
struct sip_msg *sip_msg_dup(struct pool *pool, const struct sip_msg *m);

/* First header of this id, or NULL; and the one after h of the same id. */
const struct sip_hdr *sip_hdr(const struct sip_msg *m, enum sip_hdr_id id);
const struct sip_hdr *sip_hdr_next(const struct sip_msg *m, const struct sip_hdr *h);
static inline bool sip_has(const struct sip_msg *m, enum sip_hdr_id id)
{
	return m->first[id] != 0xff;
}
static inline struct span sip_hdr_name(const struct sip_msg *m, const struct sip_hdr *h)
{
	return (struct span){ m->raw.p + h->off, h->name_len };
}
static inline struct span sip_hdr_value(const struct sip_msg *m, const struct sip_hdr *h)
{
	return (struct span){ m->raw.p + h->val_off, h->val_len };
}
static inline struct span sip_hdr_line(const struct sip_msg *m, const struct sip_hdr *h)
{
	return (struct span){ m->raw.p + h->off, h->len };
}
/* Value of the first header of this id; empty when absent. */
struct span sip_value(const struct sip_msg *m, enum sip_hdr_id id);

/**
 * Walk the comma-separated values of all headers of one id, in order; commas inside quotes and
 * <> do not separate.  Start with *it zeroed; false: no more.
 *	struct sip_iter it = { 0 };
 *	for (struct span v; sip_each(m, SIP_H_ROUTE, &it, &v);)
 */
struct sip_iter {
	const struct sip_hdr *h;
	struct span rest;
	bool begun;
};
bool sip_each(const struct sip_msg *m, enum sip_hdr_id id, struct sip_iter *it, struct span *v);
/* Is token among the comma-separated values of these headers, case-insensitively? */
bool sip_lists(const struct sip_msg *m, enum sip_hdr_id id, struct span token);
/* The header as a number: 0; -ENOENT: absent; -EINVAL: not a number; -ERANGE: above max. */
MUST_CHECK int sip_number(const struct sip_msg *m, enum sip_hdr_id id, uint64_t max, uint64_t *out);

enum sip_method sip_method_of(struct span name); /* case-sensitive, RFC 3261 7.1 */
struct span sip_method_name(enum sip_method m);
enum sip_hdr_id sip_hdr_id_of(struct span name); /* any case, compact forms too */
struct span sip_hdr_id_name(enum sip_hdr_id id);
struct span sip_status_text(unsigned status); /* "Not Acceptable Here"; class name if unknown */

#endif
