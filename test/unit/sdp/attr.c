/* SPDX-License-Identifier: MIT */
#include "sdp_test.h"

static void attr_finds_its_own_section_only(void **state)
{
	static struct sdp s;

	must_parse(&s, HEAD "a=x:session\r\n" MSG "a=x:first\r\na=y\r\na=x: second \r\n" MSG "a=z:1\r\n");
	assert_span(sdp_attr(&s, -1, SPAN("x"))->arg, "session");
	const struct sdp_line *l = sdp_attr(&s, 0, SPAN("x"));
	assert_span(l->arg, "first");
	l = sdp_attr_next(&s, 0, l);
	assert_span(l->arg, "second");
	assert_null(sdp_attr_next(&s, 0, l));
	assert_span(sdp_attr(&s, 0, SPAN("y"))->arg, "");
	assert_span(sdp_attr(&s, 0, SPAN("y"))->name, "y");
	assert_null(sdp_attr(&s, 1, SPAN("x")));
	assert_null(sdp_attr(&s, 0, SPAN("z")));
	assert_null(sdp_attr(&s, -1, SPAN("z")));
	assert_null(sdp_attr(&s, 2, SPAN("z"))); /* no such line */
	assert_null(sdp_attr(&s, 0, SPAN("X"))); /* RFC 8866: names are case-sensitive */
}

static void attr_sdp_13_session_stands_in(void **state)
{
	static struct sdp s;

	must_parse(&s,
		   HEAD "a=setup:active\r\na=recvonly\r\n" MSG "a=setup:passive\r\n" MSG "a=sendonly\r\n");
	assert_span(sdp_attr_any(&s, 0, SPAN("setup"))->arg, "passive");
	assert_span(sdp_attr_any(&s, 1, SPAN("setup"))->arg, "active");
	assert_span(sdp_attr_any(&s, -1, SPAN("setup"))->arg, "active");
	assert_null(sdp_attr_any(&s, 1, SPAN("fingerprint")));
	assert_int_equal(sdp_direction(&s, 0), SDP_RECVONLY);
	assert_int_equal(sdp_direction(&s, 1), SDP_SENDONLY);
	assert_int_equal(sdp_direction(&s, -1), SDP_RECVONLY);
}

static void attr_direction_is_sendrecv_by_default(void **state)
{
	static struct sdp s;

	must_parse(&s, HEAD MSG TYPES MSG "a=inactive\r\n" MSG "a=sendrecv\r\na=inactive\r\n");
	assert_int_equal(sdp_direction(&s, 0), SDP_SENDRECV);
	assert_int_equal(sdp_direction(&s, 1), SDP_INACTIVE);
	assert_int_equal(sdp_direction(&s, 2), SDP_SENDRECV); /* the first of two */
	assert_span(sdp_dir_name(SDP_SENDRECV), "sendrecv");
	assert_span(sdp_dir_name(SDP_SENDONLY), "sendonly");
	assert_span(sdp_dir_name(SDP_RECVONLY), "recvonly");
	assert_span(sdp_dir_name(SDP_INACTIVE), "inactive");
}

static void attr_accept_list(void **state)
{
	static const struct {
		const char *list, *type;
		bool accepted;
	} t[] = {
		{ "text/plain", "text/plain", true },
		{ "text/plain", "TEXT/Plain", true },
		{ "text/plain", "text/plain;charset=utf-8", true },
		{ "text/plain", " text/plain ; charset=utf-8", true },
		{ "text/plain;charset=utf-8", "text/plain", true },
		{ "message/cpim  text/plain", "text/plain", true },
		{ "text/plain", "text/plainer", false },
		{ "text/plainer", "text/plain", false },
		{ "text/*", "text/html", true },
		{ "TEXT/*", "text/html", true },
		{ "text/*", "textual/html", false },
		{ "text/*", "text", false },
		{ "image/*", "text/html", false },
		{ "*", "text/html", true },
		{ "*/*", "text/html", true },
		{ "image/png *", "a/b", true },
		{ "text/*", "text/*", true },
		{ "text/plain", "text/*", false },
		{ "text/plain", "*", false },
		{ "*", "*", true },
		{ "", "text/plain", false },
		{ "*", "", false },
		{ "*", ";charset=x", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (sdp_type_accepted(span_of(t[i].list), span_of(t[i].type)) != t[i].accepted)
			fail_msg("'%s' in '%s'", t[i].type, t[i].list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attr_finds_its_own_section_only),
		cmocka_unit_test(attr_sdp_13_session_stands_in),
		cmocka_unit_test(attr_direction_is_sendrecv_by_default),
		cmocka_unit_test(attr_accept_list),
	};
	return cmocka_run_group_tests_name("sdp/attr", tests, NULL, NULL);
}
