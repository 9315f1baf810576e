/* SPDX-License-Identifier: MIT */
/* Cuts a byte stream into SIP messages (RFC 3261 18.3). */
#ifndef PARLEY_SIP_FRAME_H
#define PARLEY_SIP_FRAME_H

#include <sys/types.h>

#include "base/span.h"

/**
 * sip_frame(in, max): how many bytes of in make the first message.
 * n > 0: that many (a lone CRLF or CRLFCRLF keep-alive counts as one: RFC 5626 3.5.1, *ping set on
 * the double one; CRLF is known to be lone when the next byte is there); 0: need more; -EBADMSG:
 * Content-Length missing, twice with different values, or not a number; -EMSGSIZE: the message is, or
 * cannot but become, larger than max (a buffer of max bytes therefore never waits for more in vain).  After an error the stream cannot be
 * read any further: *head then spans the header section, if it was complete, so that a 400 or 513
 * can still be sent (PARSE-1).
 */
ssize_t sip_frame(struct span in, size_t max, struct span *head, bool *ping);

#endif
