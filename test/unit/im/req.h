/* SPDX-License-Identifier: MIT */
/* What tests of decisions on one request share: a request made of its start and the headers that matter. */
#ifndef PARLEY_TEST_REQ_H
#define PARLEY_TEST_REQ_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "im/im.h"

/* The request stands in a static buffer: good until the next call. */
static inline const struct sip_msg *req(const char *method, const char *ruri, const char *headers,
					const char *body)
{
	static char text[8192];
	static struct sip_msg m;
	int n = snprintf(text, sizeof(text),
			 "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx\r\n"
			 "From: <sip:from@example.com>;tag=a\r\nTo: <sip:to@example.net>\r\nCall-ID: c\r\n"
			 "CSeq: 1 %s\r\nMax-Forwards: 70\r\n%sContent-Length: %zu\r\n\r\n%s",
			 method, ruri, method, headers, strlen(body), body);

	assert_in_range(n, 1, sizeof(text) - 1);
	assert_int_equal(sip_msg_parse(&m, (struct span){ text, (size_t)n }, false), 0);
	return &m;
}

#endif
