/* SPDX-License-Identifier: MIT */
/* Session-Expires and Min-SE (RFC 4028 4, 5). */
#include "lib/check.h"

#include <errno.h>
#include <stdio.h>

#include "sip/session_timer.h"

static char text[1024];
static struct sip_msg m;

static void parse(const char *headers)
{
	int n = snprintf(
		text, sizeof(text),
		"UPDATE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
		"From: <sip:x@y>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 UPDATE\r\n%s\r\n",
		headers);
	assert_int_equal(sip_msg_parse(&m, (struct span){ text, (size_t)n }, false), 0);
}

static void expires_are(const char *headers, uint32_t seconds, enum sip_refresher refresher)
{
	struct sip_session_expires se = { 0 };

	parse(headers);
	assert_int_equal(sip_session_expires(&m, &se), 0);
	assert_int_equal(se.seconds, seconds);
	assert_int_equal(se.refresher, refresher);
}

static void expires_fail(const char *headers, int err)
{
	struct sip_session_expires se;

	parse(headers);
	assert_int_equal(sip_session_expires(&m, &se), err);
}

static void a_number_and_a_refresher(void **state)
{
	expires_are("Session-Expires: 1800\r\n", 1800, SIP_REFRESHER_NONE);
	expires_are("x: 90;refresher=uac\r\n", 90, SIP_REFRESHER_UAC);
	expires_are("session-expires: 90 ; Refresher = UAS ;x=y\r\n", 90, SIP_REFRESHER_UAS);
	expires_are("Session-Expires: 90;other\r\n", 90, SIP_REFRESHER_NONE);
	expires_are("Session-Expires: 0\r\n", 0, SIP_REFRESHER_NONE);
}

static void a_number_too_large_is_a_number(void **state)
{
	expires_are("Session-Expires: 4294967295\r\n", UINT32_MAX, SIP_REFRESHER_NONE);
	expires_are("Session-Expires: 4294967296\r\n", UINT32_MAX, SIP_REFRESHER_NONE);
	expires_are("Session-Expires: 99999999999999999999999999;refresher=uac\r\n", UINT32_MAX,
		    SIP_REFRESHER_UAC);
}

static void what_is_malformed(void **state)
{
	expires_fail("", -ENOENT);
	expires_fail("Session-Expires:\r\n", -EINVAL);
	expires_fail("Session-Expires: soon\r\n", -EINVAL);
	expires_fail("Session-Expires: -1\r\n", -EINVAL);
	expires_fail("Session-Expires: 90,90\r\n", -EINVAL);
	expires_fail("Session-Expires: 90 s\r\n", -EINVAL);
	expires_fail("Session-Expires: 99999999999999999999999999x\r\n", -EINVAL);
	expires_fail("Session-Expires: ;refresher=uac\r\n", -EINVAL);
	expires_fail("Session-Expires: 90;refresher=me\r\n", -EINVAL);
	expires_fail("Session-Expires: 90;refresher\r\n", -EINVAL);
}

static void min_se(void **state)
{
	uint32_t s = 0;

	parse("Min-SE: 120;x=1\r\n");
	assert_int_equal(sip_min_se(&m, &s), 0);
	assert_int_equal(s, 120);
	parse("");
	assert_int_equal(sip_min_se(&m, &s), -ENOENT);
	parse("Min-SE: x\r\n");
	assert_int_equal(sip_min_se(&m, &s), -EINVAL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_and_a_refresher),
		cmocka_unit_test(a_number_too_large_is_a_number),
		cmocka_unit_test(what_is_malformed),
		cmocka_unit_test(min_se),
	};
	return cmocka_run_group_tests_name("sip/session_timer", tests, NULL, NULL);
}
