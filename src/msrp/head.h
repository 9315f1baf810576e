/* SPDX-License-Identifier: MIT */
/*
 * The head of an MSRP request or response (RFC 4975 9): start line and headers, as spans into the text.  Only what a
 * session endpoint must judge is typed; everything between From-Path and the body is kept as one run of text, so
 * that a relay copies it whole and headers it does not know survive byte for byte (UP-27).
 */
#ifndef PARLEY_MSRP_HEAD_H
#define PARLEY_MSRP_HEAD_H

#include <sys/types.h>

#include "base/span.h"

enum { /* UP-18, UP-20 */
       MSRP_TID_MIN = 4,
       MSRP_TID_MAX = 32,
       MSRP_START_MAX = 256,
       MSRP_LINE_MAX = 4096,
       MSRP_HEADERS_MAX = 64,
       MSRP_HEAD_MAX = 16384,
       MSRP_SMALL_BODY_MAX = 10240, /* of anything that is not a SEND */
};

enum msrp_method { MSRP_SEND, MSRP_REPORT, MSRP_OTHER };
enum msrp_failure { MSRP_FAILURE_YES, MSRP_FAILURE_PARTIAL, MSRP_FAILURE_NO, MSRP_FAILURE_BAD };

struct msrp_head {
	bool is_request;
	bool has_body; /* an empty line followed the headers; else the end-line did, and flag says which */
	bool bad;      /* in sync, but a header is repeated that must not be, or has no colon (UP-21) */
	char flag;     /* '$', '+', '#' when there is no body; else 0 */
	enum msrp_method method;
	enum msrp_failure failure; /* yes when the header is absent */
	bool success;              /* Success-Report: yes */
	unsigned code;             /* of a response */
	struct span tid, method_name;
	struct span to_path, from_path;                           /* values; never empty */
	struct span message_id, byte_range, status, content_type; /* values; p is NULL when absent */
	struct span rest; /* all header lines after From-Path, with their line ends */
	struct span
		range_line; /* the Byte-Range line in rest; empty, at the place where one belongs, if there is none */
};

/**
 * msrp_head_parse(h, in): one head from the start of in.  Returns the bytes it takes, the empty line before the body or
 * the end-line of a request without body included; 0: need more; -EBADMSG, -EMSGSIZE: the stream cannot be followed any
 * further.  After an error h->tid and h->from_path say whom a 400 would go to, if both are there.
 */
MUST_CHECK ssize_t msrp_head_parse(struct msrp_head *h, struct span in);

bool msrp_tid_ok(struct span tid);
static inline bool msrp_is_flag(char c)
{
	return c == '$' || c == '+' || c == '#';
}

#endif
