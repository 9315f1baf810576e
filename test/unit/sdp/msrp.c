/* SPDX-License-Identifier: MIT */
#include "sdp_test.h"

#include <errno.h>
#include <stdio.h>

static struct sdp_msrp view(const char *text, unsigned i)
{
	static struct sdp s;
	struct sdp_msrp m;

	must_parse(&s, text);
	memset(&m, 0xa5, sizeof(m));
	sdp_msrp_of(&s, i, &m);
	return m;
}

static void msrp_reads_a_chat_line(void **state)
{
	struct sdp_msrp m = view(HEAD MSG "a=accept-types:message/cpim text/plain\r\n"
					  "a=accept-wrapped-types:text/plain\r\na=max-size:4000\r\n"
					  "a=path:msrp://r.example:9/a;tcp msrps://h:1/b;tcp\r\n"
					  "a=setup:actpass\r\na=sendonly\r\na=msrp-cema\r\na=chatroom:x\r\n"
					  "a=fingerprint:SHA-256 AA:BB\r\n",
				 0);
	assert_true(m.active && m.is_message && m.tcp && m.any_format);
	assert_false(m.tls || m.is_file);
	assert_int_equal(m.port, 2855);
	assert_span(m.conn.addr, "192.0.2.1");
	assert_span(m.accept_types, "message/cpim text/plain");
	assert_span(m.accept_wrapped_types, "text/plain");
	assert_true(m.has_max_size && !m.bad_max_size);
	assert_int_equal(m.max_size, 4000);
	assert_int_equal(m.n_path, 1);
	assert_span(m.path, "msrp://r.example:9/a;tcp msrps://h:1/b;tcp");
	assert_span(m.first_uri, "msrp://r.example:9/a;tcp");
	assert_span(m.last_uri, "msrps://h:1/b;tcp");
	assert_int_equal(m.setup, SDP_SETUP_ACTPASS);
	assert_int_equal(m.dir, SDP_SENDONLY);
	assert_true(m.cema && m.chatroom);
	assert_span(m.fingerprint, "SHA-256 AA:BB");
}

static void msrp_of_an_empty_line(void **state)
{
	struct sdp_msrp m = view(HEAD "m=Message 0 tcp/tls/msrp 1\r\n", 0);

	assert_true(m.is_message && m.tls);
	assert_false(m.active || m.tcp || m.any_format || m.has_accept_types || m.has_max_size || m.cema);
	assert_int_equal(m.n_path, 0);
	assert_int_equal(m.path.n + m.first_uri.n + m.last_uri.n, 0);
	assert_int_equal(m.setup, SDP_SETUP_NONE);
	assert_int_equal(m.dir, SDP_SENDRECV);
}

static void msrp_of_other_media_and_of_none(void **state)
{
	struct sdp_msrp m = view(HEAD "m=audio 4 RTP/AVP 0\r\n", 0);

	assert_true(m.active);
	assert_false(m.is_message || m.tcp || m.tls);
	m = view(HEAD MSG, 1);
	assert_false(m.active || m.is_message);
}

static void msrp_6135_setup_values(void **state)
{
	static const struct {
		const char *text;
		enum sdp_setup setup;
	} t[] = {
		{ "a=setup:active\r\n", SDP_SETUP_ACTIVE },
		{ "a=setup:passive\r\n", SDP_SETUP_PASSIVE },
		{ "a=setup:actpass\r\n", SDP_SETUP_ACTPASS },
		{ "a=setup:holdconn\r\n", SDP_SETUP_HOLDCONN },
		{ "a=setup:ACTIVE\r\n", SDP_SETUP_ACTIVE },
		{ "a=setup: active \r\n", SDP_SETUP_ACTIVE },
		{ "a=setup:activepassive\r\n", SDP_SETUP_UNKNOWN },
		{ "a=setup\r\n", SDP_SETUP_UNKNOWN },
		{ "", SDP_SETUP_NONE },
	};
	char text[256];

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		snprintf(text, sizeof(text), HEAD MSG "%s", t[i].text);
		assert_int_equal(view(text, 0).setup, t[i].setup);
	}
	assert_int_equal(view(HEAD "a=setup:passive\r\n" MSG, 0).setup, SDP_SETUP_PASSIVE); /* SDP-13 */
}

static void msrp_4975_max_size(void **state)
{
	struct sdp_msrp m = view(HEAD MSG "a=max-size:99999999999999999999999\r\n", 0);

	assert_true(m.has_max_size && !m.bad_max_size);
	assert_true(m.max_size == UINT64_MAX);
	assert_true(view(HEAD MSG "a=max-size:10k\r\n", 0).bad_max_size);
	assert_true(view(HEAD MSG "a=max-size:-1\r\n", 0).bad_max_size);
	assert_true(view(HEAD MSG "a=max-size\r\n", 0).bad_max_size);
	m = view(HEAD MSG "a=max-size:0\r\na=maxsize:10\r\n", 0);
	assert_true(m.has_max_size && !m.bad_max_size && m.max_size == 0);
}

static void msrp_5547_file_line(void **state)
{
	struct sdp_msrp m =
		view(HEAD MSG "a=file-selector:name:\"a b\" size:1\r\na=file-transfer-id:x1\r\n", 0);

	assert_true(m.is_file);
	assert_span(m.file_selector, "name:\"a b\" size:1");
	assert_span(m.file_transfer_id, "x1");
	assert_true(view(HEAD MSG "a=file-selector\r\n", 0).is_file); /* what a capability answer says */
	assert_true(view(HEAD MSG "a=file-transfer-id:x\r\n", 0).is_file);
	assert_false(view(HEAD MSG "a=file-range:1-2\r\n", 0).is_file);
}

static void msrp_5547_selector_parts(void **state)
{
	struct sdp_file f;

	assert_int_equal(sdp_file_selector(
				 SPAN("name:\"My cool: picture%22.jpg\" type:image/jpeg;x=\"y z\" size:32349 "
				      "hash:sha-1:72:24:5F hash:sha-256:00 new:thing"),
				 &f),
			 0);
	assert_span(f.name, "\"My cool: picture%22.jpg\"");
	assert_span(f.type, "image/jpeg;x=\"y z\"");
	assert_true(f.has_size);
	assert_int_equal(f.size, 32349);
	assert_span(f.hash, "sha-1:72:24:5F");
	assert_int_equal(sdp_file_selector(SPAN("hash:sha-1:00"), &f), 0);
	assert_false(f.has_size);
	assert_int_equal(f.name.n, 0);
	assert_int_equal(sdp_file_selector(SPAN(""), &f), 0);
	assert_int_equal(sdp_file_selector(SPAN("  size:1  "), &f), 0);
	assert_true(f.has_size);
}

static void msrp_5547_broken_selectors(void **state)
{
	static const char *const bad[] = { "name:\"open",
					   "name:bare",
					   "name:\"",
					   "type:image",
					   "size:",
					   "size:many",
					   "size:-1",
					   "nonsense",
					   "size:1 x",
					   "name:\"a\"b",
					   "size:18446744073709551616" };
	struct sdp_file f;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (sdp_file_selector(span_of(bad[i]), &f) >= 0)
			fail_msg("taken: %s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(msrp_reads_a_chat_line),
		cmocka_unit_test(msrp_of_an_empty_line),
		cmocka_unit_test(msrp_of_other_media_and_of_none),
		cmocka_unit_test(msrp_6135_setup_values),
		cmocka_unit_test(msrp_4975_max_size),
		cmocka_unit_test(msrp_5547_file_line),
		cmocka_unit_test(msrp_5547_selector_parts),
		cmocka_unit_test(msrp_5547_broken_selectors),
	};
	return cmocka_run_group_tests_name("sdp/msrp", tests, NULL, NULL);
}
