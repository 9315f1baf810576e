/* SPDX-License-Identifier: MIT */
/* Character classes and small scanners shared by the SIP parsers; nobody else includes this. */
#ifndef PARLEY_SIP_LEX_H
#define PARLEY_SIP_LEX_H

#include "base/span.h"

enum {
	SIP_C_TOKEN = 1, /* RFC 3261 25.1 token */
	SIP_C_HOST = 2,  /* host name or IPv4; '_' is not legal and common */
	SIP_C_V6 = 4,    /* inside [ ] */
	SIP_C_URI = 8,   /* anything a URI may hold: no blanks, controls, quotes, <> */
	SIP_C_VALUE = 16 /* a parameter's value that needs no quotes; liberal */
};

extern const uint8_t sip_ctype[256];

static inline bool sip_is(char c, uint8_t class)
{
	return sip_ctype[(unsigned char)c] & class;
}

/* How many bytes at the front of s are of this class. */
static inline size_t sip_run(struct span s, uint8_t class)
{
	size_t i = 0;
	while (i < s.n && sip_is(s.p[i], class))
		i++;
	return i;
}

static inline bool sip_all(struct span s, uint8_t class)
{
	return sip_run(s, class) == s.n;
}

static inline struct span sip_skip_lws(struct span s)
{
	while (s.n && span_is_lws(s.p[0]))
		s.p++, s.n--;
	return s;
}

/* Length of the quoted string at the front of s (which starts with '"'), both quotes included; 0: not ended. */
static inline size_t sip_quoted(struct span s)
{
	for (size_t i = 1; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			return i + 1;
	}
	return 0;
}

/* The first element of a comma-separated list; *rest keeps what follows the comma. */
struct span sip_element_take(struct span *rest);

/* The header line at the front of *rest with its folds, trimmed. */
struct span sip_line_take(struct span *rest);

/* "host [: port]" at the front of *s; *port 0 when there is none.  0, or -EINVAL. */
MUST_CHECK int sip_hostport_take(struct span *s, struct span *host, uint16_t *port);

#endif
