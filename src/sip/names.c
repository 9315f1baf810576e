/* SPDX-License-Identifier: MIT */
/*
 * Names and numbers: methods, header names, status codes.  Header lookup is on the path of every
 * header of every message: one byte made of length and first letter finds the candidates (memchr over
 * a table of such bytes), one comparison decides.  The tables build themselves from SIP_HEADERS.
 */
#include "sip/msg.h"

#include <errno.h>

static const struct span method_names[SIP_N_METHODS] = {
#define X(name) [SIP_##name] = { #name, sizeof(#name) - 1 },
	SIP_METHODS(X)
#undef X
};

static const struct span header_names[SIP_N_HEADERS] = {
#define X(id, name, compact) [SIP_H_##id] = { name, sizeof(name) - 1 },
	SIP_HEADERS(X)
#undef X
};

#define KEY(len, first) ((uint8_t)((len)*29 + ((first) | 0x20)))

static const uint8_t header_keys[SIP_N_HEADERS] = {
#define X(id, name, compact) [SIP_H_##id] = KEY(sizeof(name) - 1, name[0]),
	SIP_HEADERS(X)
#undef X
};

static const char header_compact[SIP_N_HEADERS] = {
#define X(id, name, compact) [SIP_H_##id] = compact,
	SIP_HEADERS(X)
#undef X
};

enum sip_method sip_method_of(struct span name)
{
	for (unsigned i = SIP_UNKNOWN + 1; i < SIP_N_METHODS; i++)
		if (span_eq(method_names[i], name))
			return (enum sip_method)i;
	return SIP_UNKNOWN;
}

struct span sip_method_name(enum sip_method m)
{
	return (unsigned)m < SIP_N_METHODS ? method_names[m] : SPAN_EMPTY;
}

static enum sip_hdr_id compact_of(char c)
{
	const char *at = c ? memchr(header_compact + 1, c | 0x20, SIP_N_HEADERS - 1) : NULL;
	return at ? (enum sip_hdr_id)(at - header_compact) : SIP_H_OTHER;
}

enum sip_hdr_id sip_hdr_id_of(struct span name)
{
	if (name.n < 2)
		return name.n ? compact_of(name.p[0]) : SIP_H_OTHER;

	uint8_t key = KEY(name.n, name.p[0]);
	const uint8_t *at = header_keys, *end = header_keys + SIP_N_HEADERS;
	while ((at = memchr(at + 1, key, (size_t)(end - at - 1)))) {
		size_t id = (size_t)(at - header_keys);
		if (span_eq(header_names[id], name) || span_ieq(header_names[id], name))
			return (enum sip_hdr_id)id;
	}
	return SIP_H_OTHER;
}

struct span sip_hdr_id_name(enum sip_hdr_id id)
{
	return (unsigned)id < SIP_N_HEADERS ? header_names[id] : SPAN_EMPTY;
}

/* clang-format off */
#define STATUSES(X) \
	X(100, "Trying") X(180, "Ringing") X(181, "Call Is Being Forwarded") X(182, "Queued") \
	X(183, "Session Progress") X(199, "Early Dialog Terminated") \
	X(200, "OK") X(202, "Accepted") X(204, "No Notification") \
	X(300, "Multiple Choices") X(301, "Moved Permanently") X(302, "Moved Temporarily") \
	X(305, "Use Proxy") X(380, "Alternative Service") \
	X(400, "Bad Request") X(401, "Unauthorized") X(402, "Payment Required") X(403, "Forbidden") \
	X(404, "Not Found") X(405, "Method Not Allowed") X(406, "Not Acceptable") \
	X(407, "Proxy Authentication Required") X(408, "Request Timeout") X(410, "Gone") \
	X(412, "Conditional Request Failed") X(413, "Request Entity Too Large") \
	X(414, "Request-URI Too Long") X(415, "Unsupported Media Type") \
	X(416, "Unsupported URI Scheme") X(417, "Unknown Resource-Priority") X(420, "Bad Extension") \
	X(421, "Extension Required") X(422, "Session Interval Too Small") \
	X(423, "Interval Too Brief") X(424, "Bad Location Information") \
	X(428, "Use Identity Header") X(429, "Provide Referrer Identity") \
	X(430, "Flow Failed") X(433, "Anonymity Disallowed") X(436, "Bad Identity-Info") \
	X(437, "Unsupported Certificate") X(438, "Invalid Identity Header") \
	X(439, "First Hop Lacks Outbound Support") X(440, "Max-Breadth Exceeded") \
	X(469, "Bad Info Package") X(470, "Consent Needed") X(480, "Temporarily Unavailable") \
	X(481, "Call/Transaction Does Not Exist") X(482, "Loop Detected") X(483, "Too Many Hops") \
	X(484, "Address Incomplete") X(485, "Ambiguous") X(486, "Busy Here") \
	X(487, "Request Terminated") X(488, "Not Acceptable Here") X(489, "Bad Event") \
	X(491, "Request Pending") X(493, "Undecipherable") X(494, "Security Agreement Required") \
	X(500, "Server Internal Error") X(501, "Not Implemented") X(502, "Bad Gateway") \
	X(503, "Service Unavailable") X(504, "Server Time-out") X(505, "Version Not Supported") \
	X(513, "Message Too Large") X(580, "Precondition Failure") \
	X(600, "Busy Everywhere") X(603, "Decline") X(604, "Does Not Exist Anywhere") \
	X(606, "Not Acceptable") X(607, "Unwanted") X(608, "Rejected")
/* clang-format on */

struct span sip_status_text(unsigned status)
{
	switch (status) {
#define X(code, text) \
	case code:    \
		return SPAN(text);
		STATUSES(X)
#undef X
	}
	switch (status / 100) {
	case 1:
		return SPAN("Progress");
	case 2:
		return SPAN("OK");
	case 3:
		return SPAN("Redirection");
	case 4:
		return SPAN("Request Failure");
	case 5:
		return SPAN("Server Failure");
	default:
		return SPAN("Global Failure");
	}
}
