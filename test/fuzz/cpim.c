/* SPDX-License-Identifier: MIT */
/* CPIM header sections: spans lie inside, the length too; what is whole stays what it is when more or less comes. */
#include "fuzz.h"

#include "msrp/cpim.h"

static void check_inside(struct span all, struct span s)
{
	FUZZ_CHECK(s.n == 0 || (s.p >= all.p && s.p + s.n <= all.p + all.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = { (const char *)data, size };
	struct cpim c, again;
	ssize_t n = cpim_parse(&c, all);
	char text[2048];
	struct wbuf w = wbuf_on(text, sizeof(text));

	FUZZ_CHECK(n <= CPIM_HEAD_MAX && n <= (ssize_t)size);
	if (n == 0)
		FUZZ_CHECK(size < CPIM_HEAD_MAX);
	if (n <= 0)
		return 0;
	const struct span pieces[] = {
		c.from, c.to, c.disposition_notification, c.imdn_message_id, c.type, c.encoding, c.mime
	};
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
		check_inside(span_cut(all, 0, (size_t)n), pieces[i]);
	FUZZ_CHECK(cpim_parse(&again, span_cut(all, 0, (size_t)n)) == n);
	FUZZ_CHECK(cpim_parse(&again, span_cut(all, 0, (size_t)n - 1)) == 0);
	if (span_chr(c.type, '\n') != SPAN_NONE || span_chr(c.type, '\r') != SPAN_NONE)
		return 0;
	w_cpim(&w, c.from, c.to, size, cpim_type(&c));
	if (w_ok(&w)) { /* what we write is what we read */
		FUZZ_CHECK(cpim_parse(&again, w_span_of(&w)) == (ssize_t)w.n);
		FUZZ_CHECK(span_eq(again.from, c.from) && span_eq(again.to, c.to));
		FUZZ_CHECK(span_eq(cpim_type(&again), span_trim(cpim_type(&c))));
	}
	return 0;
}
