/* SPDX-License-Identifier: MIT */
/*
 * The stream framer.  It must see the same Content-Length that the parser will see, in whatever
 * form (compact, folded, blanks before the colon), or two messages could be read as one.
 */
#include "sip/frame.h"

#include "sip/lex.h"
#include "sip/msg.h"

#include <errno.h>

static bool is_content_length(struct span line)
{
	char first = line.n ? line.p[0] | 0x20 : 0;
	size_t colon;

	if ((first != 'c' && first != 'l') || (colon = span_chr(line, ':')) == SPAN_NONE)
		return false;
	return sip_hdr_id_of(span_trim(span_cut(line, 0, colon))) == SIP_H_CONTENT_LENGTH;
}

/* What the header section says, start line first. */
static int content_length(struct span head, uint64_t *out)
{
	bool known = false;

	sip_line_take(&head);
	while (head.n) {
		struct span line = sip_line_take(&head);
		uint64_t value;
		if (!is_content_length(line))
			continue;
		int r = span_u64(span_trim(span_skip(line, span_chr(line, ':') + 1)), UINT32_MAX, &value);
		if (r < 0)
			return r == -ERANGE ? -EMSGSIZE : -EBADMSG;
		if (known && value != *out)
			return -EBADMSG;
		known = true;
		*out = value;
	}
	return known ? 0 : -EBADMSG;
}

/* CRLFs between messages.  A lone one is known to be one only when the next byte is there. */
static ssize_t keep_alive(struct span in, bool *ping)
{
	if (span_starts(in, SPAN("\r\n\r\n"))) {
		*ping = true;
		return 4;
	}
	return in.n < 4 && span_starts(SPAN("\r\n\r\n"), in) ? 0 : 2;
}

ssize_t sip_frame(struct span in, size_t max, struct span *head, bool *ping)
{
	uint64_t body = 0;

	*head = SPAN_EMPTY;
	*ping = false;
	if (in.n == 0 || (in.n == 1 && in.p[0] == '\r'))
		return 0;
	if (span_starts(in, SPAN("\r\n")))
		return keep_alive(in, ping);

	size_t at = span_find(span_cut(in, 0, max), SPAN("\r\n\r\n"));
	if (at == SPAN_NONE)
		return in.n >= max ? -EMSGSIZE : 0;
	*head = span_cut(in, 0, at + 4);
	int r = content_length(span_cut(in, 0, at), &body);
	if (r < 0)
		return r;
	if (body > max - head->n)
		return -EMSGSIZE;
	return in.n - head->n >= body ? (ssize_t)(head->n + body) : 0;
}
