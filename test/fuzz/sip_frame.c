/* SPDX-License-Identifier: MIT */
/* A stream fed byte by byte is cut exactly as when it is there at once, and what is cut then parses alike. */
#include "fuzz.h"

#include "sip/frame.h"
#include "sip/msg.h"

#include <errno.h>

enum { MAX = 4096 };

/* The first answer other than "need more", giving one byte more each time. */
static ssize_t frame_slowly(struct span in, struct span *head, bool *ping)
{
	ssize_t r = 0;

	for (size_t n = 0; n <= in.n && r == 0; n++)
		r = sip_frame(span_cut(in, 0, n), MAX, head, ping);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = { (const char *)data, size };
	struct sip_msg m;

	if (size > MAX)
		return 0;
	while (rest.n) {
		struct span head, slow_head;
		bool ping, slow_ping;
		ssize_t r = sip_frame(rest, MAX, &head, &ping);
		FUZZ_CHECK(frame_slowly(rest, &slow_head, &slow_ping) == r);
		FUZZ_CHECK(span_eq(head, slow_head) && ping == slow_ping);
		FUZZ_CHECK(r <= (ssize_t)rest.n);
		/* Framer and parser have to agree on the length. */
		if (r > 4 && sip_msg_parse(&m, span_cut(rest, 0, (size_t)r), true) == 0)
			FUZZ_CHECK(m.raw.p + m.raw.n == rest.p + r);
		if (r < 0 && head.n && sip_msg_parse(&m, head, true) == 0)
			FUZZ_CHECK(!"a head refused by the framer is refused by the parser");
		if (r <= 0)
			break;
		rest = span_skip(rest, (size_t)r);
	}
	return 0;
}
