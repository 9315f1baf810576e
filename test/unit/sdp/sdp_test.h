/* SPDX-License-Identifier: MIT */
/* What the tests of sdp/ share: a plain session head, a plain message line, and parsing that must succeed. */
#ifndef PARLEY_TEST_SDP_H
#define PARLEY_TEST_SDP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sdp/sdp.h"

#define V "v=0\r\n"
#define O "o=- 7 7 IN IP4 192.0.2.1\r\n"
#define S "s=-\r\n"
#define C "c=IN IP4 192.0.2.1\r\n"
#define T "t=0 0\r\n"
#define HEAD V O S C T
#define MSG "m=message 2855 TCP/MSRP *\r\n"
#define TYPES "a=accept-types:text/plain\r\n"
#define PATH "a=path:msrp://192.0.2.1:2855/s111;tcp\r\n"

static inline void must_parse(struct sdp *s, const char *text)
{
	struct sdp_fault f = { 0 };

	memset(s, 0xa5, sizeof(*s)); /* nothing may be read that parsing did not write */
	if (sdp_parse(s, span_of(text), &f) < 0)
		fail_msg("line %u: %s (%u)", f.line, f.what, f.status);
}

#define assert_span(got, want)                                           \
	do {                                                             \
		struct span got_ = (got);                                \
		assert_int_equal(got_.n, strlen(want));                  \
		assert_memory_equal(got_.n ? got_.p : "", want, got_.n); \
	} while (0)

#endif
