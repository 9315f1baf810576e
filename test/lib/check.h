/* SPDX-License-Identifier: MIT */
/* cmocka, and assertions about spans and buffers that print what they saw. */
#ifndef PARLEY_TEST_CHECK_H
#define PARLEY_TEST_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/wbuf.h"

static inline void check_text(struct span got, const char *want, const char *file, int line)
{
	if (span_eq(got, span_of(want)))
		return;
	print_error("got  \"%" SPAN_FMT "\"\nwant \"%s\"\n", SPAN_ARG(got), want);
	_fail(file, line);
}

#define assert_span(got, want) check_text(got, want, __FILE__, __LINE__)
#define assert_written(w, want)                                     \
	do {                                                        \
		assert_true(w_ok(w));                               \
		check_text(w_span_of(w), want, __FILE__, __LINE__); \
	} while (0)

#endif
