/* SPDX-License-Identifier: MIT */
/*
 * Session descriptions (RFC 8866, read together with 4566 and 2327): indexed once, spans into the text.
 * Nothing is dropped: a line we do not know is in its place among the lines of its section.
 */
#ifndef PARLEY_SDP_SDP_H
#define PARLEY_SDP_SDP_H

#include "base/addr.h"

enum { SDP_MEDIA_MAX = 32, SDP_LINES_MAX = 512, SDP_LINE_MAX = 4096, SDP_SIZE_MAX = 65536 };

/* Attributes that are looked for on every modification: told apart once, when the line is read. */
enum sdp_attr_id {
	SDP_A_OTHER, /* looked up by name */
	SDP_A_PATH,
	SDP_A_SETUP,
	SDP_A_ACCEPT_TYPES,
	SDP_A_ACCEPT_WRAPPED_TYPES,
	SDP_A_MAX_SIZE,
	SDP_A_FILE_SELECTOR,
	SDP_A_FILE_TRANSFER_ID,
	SDP_A_SENDRECV,
	SDP_A_SENDONLY,
	SDP_A_RECVONLY,
	SDP_A_INACTIVE,
	SDP_A_MSRP_CEMA,
	SDP_A_CHATROOM,
	SDP_A_FINGERPRINT
};

struct sdp_line {
	char type;         /* 'a', 'c', ... */
	uint8_t id;        /* a=: enum sdp_attr_id; else SDP_A_OTHER */
	struct span value; /* after '=', without the line end */
	struct span name;  /* a=: before ':'; else empty */
	struct span arg;   /* a=: after ':', blanks at its ends left out; empty for a flag */
};

struct sdp_origin {
	struct span user, nettype, addrtype, addr;
	uint64_t id, version;
};

struct sdp_conn { /* c= */
	bool given;
	struct span nettype, addrtype, addr;
};

struct sdp_media {
	struct span media, proto, fmts; /* fmts: all formats, blank-separated */
	uint16_t port;
	uint16_t n_ports;        /* 1 when not given */
	struct sdp_conn conn;    /* of the line, else of the session */
	struct span text;        /* the whole section, m= line included, line ends included */
	uint16_t first, n_lines; /* its lines after m=, in sdp->line[] */
};

/* line[] holds every line but the m= ones, in their order: v=, o=, s= too, and those of types we do not know. */
struct sdp {
	struct span raw;
	struct sdp_origin origin;
	struct span name, times; /* s= value; the t= (r=, z=) lines as they stand */
	struct sdp_conn conn;
	uint16_t n_session_lines; /* line[0 .. n) belong to the session */
	uint16_t n_media, n_lines;
	struct sdp_media media[SDP_MEDIA_MAX];
	struct sdp_line line[SDP_LINES_MAX];
};

struct sdp_fault {
	unsigned line;   /* 1-based */
	unsigned status; /* 400 syntax, 413 size, 488 counts (SDP-16, SDP-20) */
	const char *what;
};

/* 0, or -EBADMSG with *f filled (f may be NULL).  raw must outlive s.  CRLF, LF alone accepted. */
MUST_CHECK int sdp_parse(struct sdp *s, struct span raw, struct sdp_fault *f);

/* First a= line of this name in media line i (its own, not the session's), or NULL; i < 0: session. */
const struct sdp_line *sdp_attr(const struct sdp *s, int i, struct span name);
/* The media's own, else the session's (SDP-13). */
const struct sdp_line *sdp_attr_any(const struct sdp *s, int i, struct span name);
const struct sdp_line *sdp_attr_next(const struct sdp *s, int i, const struct sdp_line *after);

enum sdp_dir {
	SDP_SENDRECV = 3,
	SDP_SENDONLY = 1,
	SDP_RECVONLY = 2,
	SDP_INACTIVE = 0
};                                                      /* bit 0: its
						* owner sends, bit 1: its owner receives */
enum sdp_dir sdp_direction(const struct sdp *s, int i); /* sendrecv when none is given */
struct span sdp_dir_name(enum sdp_dir d);

enum sdp_setup {
	SDP_SETUP_NONE,
	SDP_SETUP_ACTIVE,
	SDP_SETUP_PASSIVE,
	SDP_SETUP_ACTPASS,
	SDP_SETUP_HOLDCONN,
	SDP_SETUP_UNKNOWN
};

/* What one m=message line says about MSRP (RFC 4975 8, 6135, 5547, 6714).  Spans into s. */
struct sdp_msrp {
	bool active;     /* port is not 0 */
	bool is_message; /* m=message */
	bool tcp, tls;   /* TCP/MSRP, TCP/TLS/MSRP; neither: another proto */
	bool ws; /* the first URI says that it comes by WebSocket (RFC 7977 5.2): the proto does not */
	bool any_format; /* the format is "*" */
	uint16_t port;
	struct sdp_conn conn;
	struct span path; /* a=path value: URIs, blank-separated; empty: none */
	unsigned n_path;  /* a=path lines (two: syntax fault, SDP-20) */
	struct span first_uri, last_uri;
	struct span accept_types, accept_wrapped_types; /* values; empty: none */
	bool has_accept_types;
	bool has_max_size, bad_max_size;
	uint64_t max_size;
	enum sdp_setup setup;
	enum sdp_dir dir;
	bool cema, chatroom;
	struct span fingerprint;
	struct span file_selector, file_transfer_id; /* empty: none */
	bool is_file;                                /* either of them is there */
};
void sdp_msrp_of(const struct sdp *s, unsigned i, struct sdp_msrp *out);

/* Hashes of a=fingerprint, weakest first (RFC 8122 5). */
enum sdp_hash { SDP_HASH_NONE, SDP_SHA1, SDP_SHA224, SDP_SHA256, SDP_SHA384, SDP_SHA512 };
enum { SDP_PRINTS_MAX = 8, SDP_DIGEST_MAX = 64 };
struct sdp_prints {
	enum sdp_hash hash; /* of all of them: the strongest there is; SDP_HASH_NONE: n is 0 */
	bool bad;           /* one cannot be read */
	uint8_t n;
	uint8_t digest[SDP_PRINTS_MAX][SDP_DIGEST_MAX];
};
/* Of media line i, or where it has none of the session; hashes weaker than `weakest` do not count. */
void sdp_prints_of(const struct sdp *s, unsigned i, enum sdp_hash weakest, struct sdp_prints *out);
bool sdp_same_prints(const struct sdp_prints *a, const struct sdp_prints *b); /* in any order */
size_t sdp_digest_len(enum sdp_hash h);

/* file-selector parts (RFC 5547 6): name still quoted and escaped. */
struct sdp_file {
	struct span name, type, hash;
	bool has_size;
	uint64_t size;
};
MUST_CHECK int sdp_file_selector(struct span selector, struct sdp_file *out);

/* Is MIME type (parameters ignored, any case) in a blank-separated accept list with "*" and "x/" "*"? */
bool sdp_type_accepted(struct span list, struct span type);

/* Same content apart from o= (so: same s, c, t, media and all lines, in order)? */
bool sdp_same_content(const struct sdp *a, const struct sdp *b);
/* o= identity: user, id, nettype, addrtype, addr; not the version (SDP-5). */
bool sdp_same_origin(const struct sdp *a, const struct sdp *b);

/* ---- the offer/answer state of one dialog (RFC 3264, 3261 13.2.1, 6337; STATE-3) ---- */
enum __attribute__((packed)) sdp_oa_state { SDP_STABLE, SDP_OFFER_SENT, SDP_OFFER_RECEIVED };

struct sdp_oa {               /* two in each idle session: small */
	char *local, *remote; /* owned: committed texts; NULL before the first exchange */
	char *pending;        /* owned: the open offer */
	uint32_t local_n, remote_n, pending_n;
	enum sdp_oa_state state;
	bool sent_any;
	bool numbered;               /* versions are ours, of a description that is another's (SDP-2) */
	uint64_t origin_id, version; /* ours on this dialog; version last *sent* (SDP-4, SDP-7) */
	uint64_t last_sent_hash;     /* of the content last sent, so that the same keeps its version */
};

void sdp_oa_init(struct sdp_oa *oa, uint64_t origin_id, uint64_t first_version);
void sdp_oa_finish(struct sdp_oa *oa); /* safe on zeroes, safe twice */
static inline struct span sdp_oa_local(const struct sdp_oa *oa)
{
	return (struct span){ oa->local, oa->local_n };
}
static inline struct span sdp_oa_remote(const struct sdp_oa *oa)
{
	return (struct span){ oa->remote, oa->remote_n };
}
/* Each returns 0, -EBUSY (an offer is open; or none is), -ENOMEM.  Texts are copied. */
MUST_CHECK int sdp_oa_offer_in(struct sdp_oa *oa, struct span sdp);
MUST_CHECK int sdp_oa_offer_out(struct sdp_oa *oa, struct span sdp);
MUST_CHECK int sdp_oa_answer_in(struct sdp_oa *oa, struct span sdp);  /* commits the pair */
MUST_CHECK int sdp_oa_answer_out(struct sdp_oa *oa, struct span sdp); /* commits the pair */
void sdp_oa_abort(struct sdp_oa *oa); /* refused: back to STABLE, committed pair untouched */
/* An offer that was made and never left: as abort, and its version was not used (SDP-4).  was: a copy from before. */
void sdp_oa_unsent(struct sdp_oa *oa, const struct sdp_oa *was);
/* The o= version to write for content (everything but the o= line, any stable hash): the last one when the
 * content is what was sent last, else one more; and remembers it as sent. */
uint64_t sdp_oa_version(struct sdp_oa *oa, uint64_t content_hash);
/* For another's description under its own version: that one, until the numbers are ours; then as above. */
uint64_t sdp_oa_version_passed(struct sdp_oa *oa, uint64_t version, uint64_t content_hash);
/* For one that other never wrote: as sdp_oa_version(); and a new number makes the numbers ours. */
uint64_t sdp_oa_version_ours(struct sdp_oa *oa, uint64_t content_hash);

#endif
