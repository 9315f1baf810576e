/* SPDX-License-Identifier: MIT */
/* Acceptable or not: one test per rule, with what breaks it and what only looks as if it did (ACC-*, CLASS-20, SDP-5, 6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "im/accept.h"

static struct im_conf conf;

static int setup(void **state)
{
	memset(&conf, 0, sizeof(conf));
	conf.mode = IM_ANCHORED;
	strcpy(conf.accept_types, "*");
	conf.max_size = 10000;
	conf.min_max_size = 10;
	conf.plane.at[PLANE_TCP].port = 2855;
	conf.max_streams = 4;
	conf.max_chats = 1;
	conf.file_transfer = true;
	return 0;
}

#define V "v=0\r\n"
#define O "o=alice 1 1 IN IP4 192.0.2.1\r\n"
#define STC "s=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
#define HEAD V O STC
#define M "m=message 2855 TCP/MSRP *\r\n"
#define OFF "m=message 0 TCP/MSRP *\r\n"
#define AUDIO "m=audio 4000 RTP/AVP 0\r\n"
#define TYPES "a=accept-types:text/plain message/cpim\r\n"
#define PATH "a=path:msrp://192.0.2.1:2855/s111;tcp\r\n"
#define PATH2 "a=path:msrp://192.0.2.1:2855/s222;tcp\r\n"
#define PATH3 "a=path:msrp://192.0.2.1:2855/s333;tcp\r\n"
#define CHAT M TYPES PATH
#define FILE_ID "a=file-selector:name:\"f\" type:text/plain size:100\r\na=file-transfer-id:f1\r\n"
#define PUSH "a=sendonly\r\n" FILE_ID
#define FT M TYPES PATH2 PUSH
#define OURS V "o=- 5 5 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n"
#define OUR_LINE \
	"m=message 2855 TCP/MSRP *\r\na=accept-types:text/plain\r\na=path:msrp://198.51.100.1:2855/ours;tcp\r\n"

#define LARGE IM_CLASS_LARGE_MESSAGE
#define TALK IM_CLASS_CONVERSATION
#define FILES IM_CLASS_FILE_TRANSFER

static const struct sdp *parsed(struct sdp *s, const char *text)
{
	struct sdp_fault f;

	if (!text)
		return NULL;
	if (sdp_parse(s, span_of(text), &f) < 0)
		fail_msg("line %u: %s in\n%s", f.line, f.what, text);
	return s;
}

static struct verdict offer_as(enum im_class class, const char *before, const char *mine, const char *offer)
{
	static struct sdp b, m, o;
	struct verdict v;

	memset(&v, 0xa5, sizeof(v));
	accept_offer(&conf, class, true, parsed(&b, before), parsed(&m, mine), parsed(&o, offer), &v);
	if (v.status) {
		assert_int_equal(v.status, 488);
		assert_in_range(v.warning, 300, 399); /* ACC-6 */
		assert_true(strlen(v.text) > 0 && strlen(v.text) < sizeof(v.text));
		assert_null(strchr(v.text, '"'));
		assert_int_equal(v.off, 0);
	} else {
		assert_int_equal(v.warning, 0);
	}
	return v;
}

/* An offer at set-up. */
static struct verdict first(const char *offer)
{
	return offer_as(TALK, NULL, NULL, offer);
}

static void yes(const char *what, struct verdict v)
{
	if (v.status)
		fail_msg("%s: refused, %u %s", what, v.warning, v.text);
}

static void no(const char *what, struct verdict v, unsigned warning, const char *text)
{
	if (!v.status)
		fail_msg("%s: accepted", what);
	assert_string_equal(v.text, text);
	assert_int_equal(v.warning, warning);
}

/* rows of one rule: text NULL: accepted */
struct row {
	const char *offer;
	unsigned warning;
	const char *text;
};

static void check_first(const struct row *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (t[i].text)
			no(t[i].offer, first(t[i].offer), t[i].warning, t[i].text);
		else
			yes(t[i].offer, first(t[i].offer));
	}
}

/* ---- single lines at set-up ---- */

static void acc_2a_transport_and_format(void **state)
{
	static const struct row t[] = {
		{ HEAD CHAT },
		{ HEAD "m=MESSAGE 2855 tcp/msrp *\r\n" TYPES PATH },
		{ HEAD "m=message 2855 TCP/TLS/MSRP *\r\n" TYPES "a=path:msrps://192.0.2.1:2855/s;tcp\r\n",
		  302, "m=1: MSRP over TLS is not available" },
		{ HEAD "m=message 2855 TCP/CPIM *\r\n" TYPES PATH, 302, "m=1: transport is not TCP/MSRP" },
		{ HEAD "m=message 2855 TCP/WS/MSRP *\r\n" TYPES PATH, 302, "m=1: transport is not TCP/MSRP" },
		{ HEAD "m=message 2855 TCP/MSRP 1\r\n" TYPES PATH, 305, "m=1: format is not *" },
		{ HEAD OFF "m=message 2855 TCP/MSRP text/plain\r\n" TYPES PATH, 305, "m=2: format is not *" },
	};
	check_first(t, ARRAY_LEN(t));
	conf.mode = IM_UNANCHORED; /* TLS is then end to end */
	yes("TLS", first(t[2].offer));
}

static void acc_2b_path(void **state)
{
	static const struct row t[] = {
		{ HEAD M TYPES "a=path:msrp://r.example:2855/;tcp msrp://192.0.2.1:2855/s;tcp\r\n" },
		{ HEAD M TYPES "a=path:msrp://192.0.2.1:2855/s;TCP\r\n" },
		{ HEAD M TYPES, 399, "m=1: no a=path" },
		{ HEAD M TYPES "a=path:\r\n", 399, "m=1: no a=path" },
		{ HEAD M TYPES "a=path:sip:x@y\r\n", 399, "m=1: a=path is not an MSRP URI" },
		{ HEAD M TYPES "a=path:msrp://192.0.2.1:2855/s\r\n", 399, "m=1: a=path is not an MSRP URI" },
		{ HEAD M TYPES "a=path:msrp://192.0.2.1:2855/s;tcp junk\r\n", 399,
		  "m=1: a=path is not an MSRP URI" },
		{ HEAD M TYPES "a=path:msrp://192.0.2.1/s;tcp\r\n", 399, "m=1: no port in a=path" },
		{ HEAD M TYPES "a=path:msrp://r/;tcp msrp://192.0.2.1:2855/s;tcp\r\n", 399,
		  "m=1: no port in a=path" },
		{ HEAD M TYPES "a=path:msrp://192.0.2.1:2855/s;sctp\r\n", 302,
		  "m=1: transport of a=path is not tcp or ws" },
		{ HEAD M TYPES "a=path:msrp://192.0.2.1:2855/s;ws\r\n", 302,
		  "m=1: MSRP over WebSocket is not available" },
		{ HEAD M TYPES "a=path:msrp://192.0.2.1:2855;tcp\r\n", 399, "m=1: no session-id in a=path" },
		{ HEAD M TYPES "a=path:msrp://192.0.2.1:2855/s;tcp msrp://r:2855/;tcp\r\n", 399,
		  "m=1: no session-id in a=path" },
	};
	check_first(t, ARRAY_LEN(t));
}

static void acc_2c_scheme_fits_transport(void **state)
{
	no("msrps", first(HEAD M TYPES "a=path:msrps://192.0.2.1:2855/s;tcp\r\n"), 302,
	   "m=1: scheme of a=path does not fit the transport");
	conf.mode = IM_UNANCHORED;
	no("msrp", first(HEAD "m=message 2855 TCP/TLS/MSRP *\r\n" TYPES PATH), 302,
	   "m=1: scheme of a=path does not fit the transport");
	/* the first hop is what the m= line speaks of */
	yes("relay", first(HEAD "m=message 2855 TCP/TLS/MSRP *\r\n" TYPES
				"a=path:msrps://r.example:2855/;tcp msrp://192.0.2.1:2855/s;tcp\r\n"));
}

#define PASSIVE "a=setup:passive\r\n"
#define ELSEWHERE "a=path:msrp://192.0.2.7:2855/s;tcp\r\n"
#define NO_MATCH "m=1: c= and port match no URI of a=path"

/* ACC-2d, ACC-2e, UP-30 */
static void acc_2d_2e_place_matters_if_we_connect(void **state)
{
	static const struct row t[] = {
		/* we answer passive: what c= and m= say is not looked at */
		{ HEAD M TYPES ELSEWHERE },
		{ HEAD M TYPES ELSEWHERE "a=setup:actpass\r\n" },
		{ HEAD M TYPES ELSEWHERE "a=setup:active\r\n" },
		{ HEAD M TYPES ELSEWHERE "a=setup:holdconn\r\n" },
		{ HEAD "m=message 9 TCP/MSRP *\r\n" TYPES PATH "a=setup:active\r\n" },
		/* we answer active */
		{ HEAD M TYPES PATH PASSIVE },
		{ HEAD M TYPES "a=path:msrp://192.0.2.1:2855/r;tcp msrp://10.0.0.1:9/e;tcp\r\n" PASSIVE },
		{ HEAD M TYPES "a=path:msrp://10.0.0.1:9/r;tcp msrp://192.0.2.1:2855/e;tcp\r\n" PASSIVE },
		{ V O "s=-\r\nc=IN IP6 2001:DB8::1\r\nt=0 0\r\n" M TYPES
		      "a=path:msrp://[2001:db8:0:0::1]:2855/e;tcp\r\n" PASSIVE },
		{ V O "s=-\r\nc=IN IP4 Chat.example\r\nt=0 0\r\n" M TYPES
		      "a=path:msrp://chat.Example:2855/e;tcp\r\n" PASSIVE },
		{ HEAD M TYPES ELSEWHERE PASSIVE, 399, NO_MATCH },
		{ HEAD M TYPES ELSEWHERE PASSIVE "a=msrp-cema\r\n", 399, NO_MATCH }, /* UP-30 */
		{ HEAD "m=message 2856 TCP/MSRP *\r\n" TYPES PATH PASSIVE, 399, NO_MATCH },
		{ HEAD M TYPES "a=path:msrp://chat.example:2855/e;tcp\r\n" PASSIVE, 399, NO_MATCH },
		{ HEAD M TYPES "a=path:msrp://192.0.2.7:2855/r;tcp msrp://192.0.2.1:2855/m;tcp "
			       "msrp://192.0.2.8:2855/e;tcp\r\n" PASSIVE,
		  399, NO_MATCH },
	};
	check_first(t, ARRAY_LEN(t));
	conf.mode = IM_UNANCHORED;
	yes("unanchored", first(HEAD M TYPES ELSEWHERE PASSIVE));
}

static void acc_2f_accept_types(void **state)
{
	static const struct {
		const char *policy, *line;
		bool good;
	} t[] = {
		{ "*", "a=accept-types:text/plain\r\n", true },
		{ "*", "a=accept-types:*\r\n", true },
		{ "*", "", false },
		{ "*", "a=accept-types:\r\n", false },
		{ "text/plain", "a=accept-types:message/cpim TEXT/Plain\r\n", true },
		{ "text/plain", "a=accept-types: text/*\r\n", true },
		{ "text/plain", "a=accept-types:*\r\n", true },
		{ "text/*", "a=accept-types:text/html\r\n", true },
		{ "text/plain", "a=accept-types:message/cpim\r\na=accept-wrapped-types:text/plain\r\n",
		  false },
		{ "text/plain", "a=accept-types:image/* text/plainer\r\n", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char text[512];
		snprintf(text, sizeof(text), HEAD M PATH "%s", t[i].line);
		snprintf(conf.accept_types, sizeof(conf.accept_types), "%s", t[i].policy);
		if (t[i].good)
			yes(text, first(text));
		else
			no(text, first(text), 305,
			   i < 5 ? "m=1: no a=accept-types" : "m=1: none of accept-types is allowed");
	}
}

static void acc_2g_useless_wrapped_types(void **state)
{
	yes("no container", first(HEAD M PATH "a=accept-types:text/plain\r\na=accept-wrapped-types:*\r\n"));
}

static void acc_2h_max_size(void **state)
{
	static const struct row t[] = {
		{ HEAD CHAT "a=max-size:10\r\n" },
		{ HEAD CHAT "a=max-size:99999999999999999999999\r\n" },
		{ HEAD CHAT "a=max-size:ten\r\n", 399, "m=1: max-size is not a number" },
		{ HEAD CHAT "a=max-size:0\r\n", 399, "m=1: max-size is too small" },
		{ HEAD CHAT "a=max-size:9\r\n", 399, "m=1: max-size is too small" },
	};
	check_first(t, ARRAY_LEN(t));
	conf.min_max_size = 0;
	no("zero", first(HEAD CHAT "a=max-size:0\r\n"), 399, "m=1: max-size is too small");
}

/* ACC-2i, ACC-2j */
static void acc_2i_2j_setup_and_connection(void **state)
{
	static const struct row t[] = {
		{ HEAD CHAT "a=setup:active\r\n" },
		{ HEAD CHAT "a=setup:actpass\r\n" },
		{ HEAD CHAT "a=setup:passive\r\n" },
		{ HEAD CHAT "a=setup:holdconn\r\n" },
		{ HEAD CHAT "a=connection:new\r\n" },
		{ HEAD CHAT "a=connection:odd\r\n" },
		{ HEAD CHAT "a=setup:both\r\n", 399, "m=1: unknown a=setup" },
	};
	check_first(t, ARRAY_LEN(t));
}

static void acc_2l_address(void **state)
{
	static const struct row t[] = {
		{ V O "s=-\r\nt=0 0\r\n" M "c=IN IP6 2001:db8::1\r\n" TYPES PATH },
		{ V O "s=-\r\nt=0 0\r\n" M "c=in ip4 host.example\r\n" TYPES PATH },
		{ V O "s=-\r\nt=0 0\r\n" M "c=ATM NSAP 47.0091\r\n" TYPES PATH, 300,
		  "m=1: network type is not IN" },
		{ V O "s=-\r\nt=0 0\r\n" M "c=IN IP5 192.0.2.1\r\n" TYPES PATH, 301,
		  "m=1: address type is not IP4 or IP6" },
		{ V O "s=-\r\nt=0 0\r\n" M "c=IN IP4 2001:db8::1\r\n" TYPES PATH, 301,
		  "m=1: address is not of its type" },
		{ V O "s=-\r\nt=0 0\r\n" M "c=IN IP6 192.0.2.1\r\n" TYPES PATH, 301,
		  "m=1: address is not of its type" },
	};
	check_first(t, ARRAY_LEN(t));
}

static void sdp_11_null_address(void **state)
{
	static const struct row t[] = {
		{ V O "s=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n" CHAT "a=setup:active\r\n" },
		{ V O "s=-\r\nc=IN IP6 ::\r\nt=0 0\r\n" CHAT "a=setup:active\r\n" },
		{ V O "s=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n" CHAT "a=inactive\r\n" },
		{ V O "s=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n" CHAT "a=inactive\r\n" PASSIVE },
		{ V O "s=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n" CHAT, 301,
		  "m=1: null address needs setup:active or inactive" },
		{ V O "s=-\r\nc=IN IP6 ::\r\nt=0 0\r\n" CHAT "a=setup:actpass\r\n", 301,
		  "m=1: null address needs setup:active or inactive" },
	};
	check_first(t, ARRAY_LEN(t));
}

#define FT_WITH(x) HEAD M TYPES PATH2 x

static void acc_2m_file_lines(void **state)
{
	static const struct row t[] = {
		{ HEAD FT },
		{ FT_WITH("a=recvonly\r\n" FILE_ID) },
		{ FT_WITH("a=sendonly\r\na=file-selector:hash:sha-1:00\r\na=file-transfer-id:1\r\n") },
		{ FT_WITH("a=sendonly\r\na=file-transfer-id:1\r\n"), 399,
		  "m=1: file-selector and file-transfer-id go together" },
		{ FT_WITH("a=sendonly\r\na=file-selector:size:1\r\n"), 399,
		  "m=1: file-selector and file-transfer-id go together" },
		{ FT_WITH("a=sendonly\r\na=file-selector\r\na=file-transfer-id:1\r\n"), 399,
		  "m=1: file-selector and file-transfer-id go together" },
		{ FT_WITH("a=sendonly\r\na=file-selector:size:x\r\na=file-transfer-id:1\r\n"), 399,
		  "m=1: file-selector is broken" },
		{ FT_WITH("a=sendonly\r\na=file-selector:size:10001\r\na=file-transfer-id:1\r\n"), 399,
		  "m=1: file is too large" },
		{ FT_WITH(FILE_ID), 399, "m=1: file transfer is neither sendonly nor recvonly" },
		{ FT_WITH("a=inactive\r\n" FILE_ID), 399,
		  "m=1: file transfer is neither sendonly nor recvonly" },
	};
	check_first(t, ARRAY_LEN(t));
	strcpy(conf.accept_types, "message/cpim");
	no("type", first(HEAD FT), 399, "m=1: file type is not allowed");
	strcpy(conf.accept_types, "*");
	conf.max_size = 0; /* no limit */
	yes("large", first(t[7].offer));
	conf.file_transfer = false;
	no("policy", first(HEAD FT), 399, "m=1: file transfer is not allowed");
	yes("no file", first(HEAD CHAT));
}

static void acc_2n_number_of_lines(void **state)
{
	static const char two_files[] = HEAD CHAT FT M TYPES PATH3 "a=sendonly\r\n" FILE_ID;

	conf.max_streams = 3;
	yes("three", first(two_files));
	conf.max_streams = 2;
	no("three", first(two_files), 399, "m=3: too many message lines");
	yes("disabled lines do not count", first(HEAD OFF OFF OFF OFF CHAT FT));
	no("two chats", first(HEAD CHAT M TYPES PATH2), 399, "m=2: too many chat lines");
	conf.max_chats = 2;
	yes("two chats", first(HEAD CHAT M TYPES PATH2));
}

static void acc_2o_addresses_not_to_connect_to(void **state)
{
	static const struct {
		const char *addr, *type;
		bool good, good_if_denied_loopback;
	} t[] = {
		{ "192.0.2.1", "IP4", true, true },          { "127.0.0.1", "IP4", true, false },
		{ "127.255.1.2", "IP4", true, false },       { "::1", "IP6", true, false },
		{ "::ffff:127.0.0.1", "IP6", true, false },  { "224.0.0.1", "IP4", false, false },
		{ "239.1.2.3", "IP4", false, false },        { "255.255.255.255", "IP4", false, false },
		{ "0.1.2.3", "IP4", false, false },          { "ff02::1", "IP6", false, false },
		{ "::ffff:224.0.0.1", "IP6", false, false }, { "2001:db8::1", "IP6", true, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		for (int deny = 0; deny < 2; deny++) {
			bool six = strcmp(t[i].type, "IP6") == 0;
			char text[512];

			snprintf(text, sizeof(text),
				 V O "s=-\r\nt=0 0\r\n" M "c=IN %s %s\r\n" TYPES
				     "a=path:msrp://%s%s%s:2855/s;tcp\r\n" PASSIVE,
				 t[i].type, t[i].addr, six ? "[" : "", t[i].addr, six ? "]" : "");
			conf.deny_loopback = deny;
			if (deny ? t[i].good_if_denied_loopback : t[i].good)
				yes(text, first(text));
			else
				no(text, first(text), 399, "m=1: address of a=path is not allowed");
			/* who connects to us may call himself what he likes */
			char *setup_at = strstr(text, "passive");
			memcpy(setup_at, "actpass", 7);
			yes(text, first(text));
		}
	}
	/* unspecified: c= says something else, so that SDP-11 has nothing to say */
	no("unspecified",
	   first(V O "s=-\r\nt=0 0\r\n" M "c=IN IP4 192.0.2.1\r\n" TYPES
		     "a=path:msrp://0.0.0.0:9/s;tcp msrp://192.0.2.1:2855/e;tcp\r\n" PASSIVE),
	   399, "m=1: address of a=path is not allowed");
}

static void acc_2o_our_own_path(void **state)
{
	static const char back[] = V O "s=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n" M TYPES
				       "a=path:msrp://198.51.100.1:2855/ours;tcp\r\n" PASSIVE;

	no("loop", offer_as(TALK, HEAD CHAT, OURS OUR_LINE, back), 399, "m=1: a=path is our own");
	yes("another session of ours", offer_as(TALK, HEAD CHAT, OURS OUR_LINE,
						V O "s=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n" M TYPES
						    "a=path:msrp://198.51.100.1:2855/other;tcp\r\n" PASSIVE));
}

static void acc_3_other_media(void **state)
{
	no("audio", first(HEAD CHAT AUDIO), 304, "m=2: media type is not accepted");
	yes("disabled", first(HEAD CHAT "m=audio 0 RTP/AVP 0\r\n"));
	conf.audio_video_pass = true;
	yes("passed", first(HEAD CHAT AUDIO "m=video 5000 RTP/AVP 99\r\n"));
}

/* ---- unchanged, partial ---- */

static void acc_1_unchanged_lines_are_not_judged_again(void **state)
{
	static const char bad[] = HEAD M "a=path:junk\r\n";

	no("new", offer_as(TALK, NULL, NULL, bad), 399, "m=1: a=path is not an MSRP URI");
	yes("unchanged", offer_as(TALK, bad, OURS OUR_LINE, bad));
	yes("unchanged, we know not what we sent", offer_as(TALK, bad, NULL, bad));
	yes("unchanged, last line end lost", offer_as(TALK, bad, OURS OUR_LINE, HEAD M "a=path:junk"));
	/* refused then, active again now: new */
	no("was answered with port 0", offer_as(TALK, bad, OURS OFF, bad), 399,
	   "m=1: a=path is not an MSRP URI");
	no("one byte more", offer_as(TALK, bad, OURS OUR_LINE, HEAD M "a=path:junk\r\na=x\r\n"), 399,
	   "m=1: a=path is not an MSRP URI");
	conf.max_streams = 0; /* today's policy would refuse it */
	yes("policy changed", offer_as(TALK, HEAD CHAT, OURS OUR_LINE, HEAD CHAT));
}

static void acc_1_session_level_changes_count(void **state)
{
	static const char before[] = HEAD M TYPES ELSEWHERE;

	yes("as before", offer_as(TALK, before, OURS OUR_LINE, before));
	no("session setup", offer_as(TALK, before, OURS OUR_LINE, HEAD PASSIVE M TYPES ELSEWHERE), 399,
	   NO_MATCH);
	no("session c=",
	   offer_as(TALK, before, OURS OUR_LINE,
		    V O "s=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n" M TYPES ELSEWHERE),
	   301, "m=1: null address needs setup:active or inactive");
}

static void acc_1_partial(void **state)
{
	struct verdict v;

	conf.partial = true;
	v = first(HEAD CHAT M TYPES AUDIO);
	yes("two of three fail", v);
	assert_int_equal(v.off, 6);
	v = first(HEAD M TYPES CHAT);
	yes("the first fails", v);
	assert_int_equal(v.off, 1);
	v = first(HEAD CHAT);
	assert_int_equal(v.off, 0);
	/* none left: the first reason is told */
	no("all fail", first(HEAD M TYPES AUDIO), 399, "m=1: no a=path");
	no("all fail, one is disabled", first(HEAD OFF M TYPES), 399, "m=2: no a=path");
	v = offer_as(TALK, HEAD CHAT, OURS OUR_LINE, HEAD CHAT M TYPES PATH2);
	assert_int_equal(v.off, 2); /* the line that goes on is enough */
	/* a body that is wrong as a whole is refused as a whole */
	no("slots", offer_as(TALK, HEAD CHAT OFF, OURS OUR_LINE OFF, HEAD CHAT), 399,
	   "fewer m= lines than before");
}

static void acc_1_nothing_to_judge(void **state)
{
	yes("no lines", first(V O "s=-\r\nt=0 0\r\n"));
	yes("all off", first(HEAD OFF OFF));
	yes("capability", first(HEAD OFF "a=file-selector\r\n"));
}

/* ---- the body as a whole ---- */

static void sdp_5_origin(void **state)
{
	static const char *const other[] = { "o=alice 2 2 IN IP4 192.0.2.1\r\n",
					     "o=bob 1 2 IN IP4 192.0.2.1\r\n",
					     "o=alice 1 2 IN IP4 192.0.2.2\r\n" };
	char text[512];

	for (int strict = 0; strict < 2; strict++) {
		conf.strict_origin = strict;
		for (size_t i = 0; i < ARRAY_LEN(other); i++) {
			snprintf(text, sizeof(text), V "%s" STC CHAT, other[i]);
			if (strict)
				no(text, offer_as(TALK, HEAD CHAT, OURS OUR_LINE, text), 399,
				   "o= is not that of this session");
			else
				yes(text, offer_as(TALK, HEAD CHAT, OURS OUR_LINE, text));
			yes("set-up", first(text));
		}
		yes("version jumps",
		    offer_as(TALK, HEAD CHAT, OURS OUR_LINE, V "o=alice 1 77 IN IP4 192.0.2.1\r\n" STC CHAT));
		struct verdict v = offer_as(TALK, HEAD CHAT, OURS OUR_LINE,
					    V "o=alice 1 0 IN IP4 192.0.2.1\r\n" STC CHAT);
		if (strict)
			no("version falls", v, 399, "version of o= went back");
		else
			yes("version falls", v);
	}
}

static void sdp_6_slots(void **state)
{
	conf.audio_video_pass = true;
	yes("one more", offer_as(TALK, HEAD CHAT, OURS OUR_LINE, HEAD CHAT FT));
	no("one less", offer_as(TALK, HEAD CHAT FT, OURS OUR_LINE OUR_LINE, HEAD CHAT), 399,
	   "fewer m= lines than before");
	no("one less than we sent", offer_as(TALK, HEAD CHAT, OURS OUR_LINE OFF, HEAD CHAT), 399,
	   "fewer m= lines than before");
	no("none", offer_as(TALK, HEAD CHAT, OURS OUR_LINE, HEAD), 399, "fewer m= lines than before");
	no("swapped", offer_as(TALK, HEAD CHAT AUDIO, OURS OUR_LINE AUDIO, HEAD AUDIO CHAT), 399,
	   "m=1: media type of an active line changed");
	no("moved", offer_as(TALK, HEAD CHAT FT, OURS OUR_LINE OUR_LINE, HEAD FT M TYPES PATH), 399,
	   "m=1: m= line has moved");
	no("same path twice", first(HEAD CHAT M TYPES PATH PUSH), 399, "m=1: a=path is that of another line");
	/* SDP-9: a slot that is off is free for anything */
	yes("slot reused", offer_as(TALK, HEAD OFF CHAT, OURS OFF OUR_LINE, HEAD AUDIO CHAT));
	yes("refused line becomes another",
	    offer_as(TALK, HEAD AUDIO CHAT, OURS "m=audio 0 RTP/AVP 0\r\n" OUR_LINE, HEAD FT CHAT));
	yes("switched off",
	    offer_as(TALK, HEAD CHAT AUDIO, OURS OUR_LINE AUDIO, HEAD CHAT "m=audio 0 RTP/AVP 0\r\n"));
}

/* ---- CLASS-20, which is ACC-2p ---- */

struct change {
	const char *name, *before, *mine, *offer;
	const char *large, *talk, *files; /* NULL: accepted; "" : not asked */
};

#define ONE_WAY M TYPES PATH "a=sendonly\r\n"
#define NEW_PATH V O "s=-\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\nm=message 9999 TCP/MSRP *\r\n"
#define TO_INACTIVE "m=1: direction may only go to inactive and back"
#define WIDER "m=1: accept-types may not widen"

static const struct change changes[] = {
	{ "unchanged", HEAD ONE_WAY, OURS OUR_LINE, HEAD ONE_WAY, NULL, NULL, NULL },
	{ "new path, port and c=", HEAD ONE_WAY, OURS OUR_LINE,
	  NEW_PATH TYPES "a=path:msrp://192.0.2.5:9999/n;tcp\r\na=sendonly\r\n", NULL, NULL, NULL },
	{ "hold", HEAD ONE_WAY, OURS OUR_LINE, HEAD M TYPES PATH "a=inactive\r\n", NULL, NULL, NULL },
	{ "resume", HEAD M TYPES PATH "a=inactive\r\n", OURS OUR_LINE "a=inactive\r\n", HEAD ONE_WAY, NULL,
	  NULL, NULL },
	{ "resume two-way", HEAD M TYPES PATH "a=inactive\r\n", OURS OUR_LINE "a=inactive\r\n", HEAD CHAT,
	  TO_INACTIVE, NULL, "" },
	{ "one-way to two-way", HEAD ONE_WAY, OURS OUR_LINE, HEAD CHAT, TO_INACTIVE, NULL, "" },
	{ "turned round", HEAD ONE_WAY, OURS OUR_LINE "a=recvonly\r\n", HEAD M TYPES PATH "a=recvonly\r\n",
	  TO_INACTIVE, NULL, "" },
	{ "two-way to one-way", HEAD CHAT, OURS OUR_LINE, HEAD ONE_WAY, TO_INACTIVE, NULL, "" },
	{ "says recvonly, which it had left out", HEAD CHAT, OURS OUR_LINE "a=sendonly\r\n",
	  HEAD M TYPES PATH "a=recvonly\r\n", NULL, NULL, "" },
	{ "fewer types", HEAD ONE_WAY, OURS OUR_LINE,
	  HEAD M "a=accept-types:text/plain\r\n" PATH "a=sendonly\r\n", NULL, NULL, "" },
	{ "other order of types", HEAD ONE_WAY, OURS OUR_LINE,
	  HEAD M "a=accept-types:message/cpim TEXT/plain\r\n" PATH "a=sendonly\r\n", NULL, NULL, NULL },
	{ "more types", HEAD ONE_WAY, OURS OUR_LINE,
	  HEAD M "a=accept-types:text/plain message/cpim text/html\r\n" PATH "a=sendonly\r\n", WIDER, NULL,
	  "" },
	{ "any type", HEAD ONE_WAY, OURS OUR_LINE, HEAD M "a=accept-types:*\r\n" PATH "a=sendonly\r\n", WIDER,
	  NULL, "" },
	{ "narrowed from any", HEAD M "a=accept-types:*\r\n" PATH "a=sendonly\r\n", OURS OUR_LINE,
	  HEAD ONE_WAY, NULL, NULL, "" },
	{ "wrapped types", HEAD ONE_WAY, OURS OUR_LINE, HEAD ONE_WAY "a=accept-wrapped-types:text/plain\r\n",
	  WIDER, NULL, "" },
	{ "max-size", HEAD ONE_WAY, OURS OUR_LINE, HEAD ONE_WAY "a=max-size:77\r\n", NULL, NULL, NULL },
	{ "second chat line", HEAD ONE_WAY, OURS OUR_LINE, HEAD ONE_WAY M TYPES PATH2,
	  "m=2: no further line in a large-message session", "m=2: too many chat lines",
	  "m=2: no chat line in a file-transfer session" },
	{ "file line", HEAD ONE_WAY, OURS OUR_LINE, HEAD ONE_WAY FT,
	  "m=2: no file transfer in a large-message session", NULL, NULL },
	{ "audio", HEAD ONE_WAY, OURS OUR_LINE, HEAD ONE_WAY AUDIO,
	  "m=2: no other media in a large-message session", "m=2: media type is not accepted",
	  "m=2: media type is not accepted" },
	{ "port 0", HEAD ONE_WAY, OURS OUR_LINE, HEAD OFF, NULL, NULL, NULL },
	{ "from port 0", HEAD OFF, OURS OFF, HEAD CHAT, "m=1: no further line in a large-message session",
	  NULL, "m=1: no chat line in a file-transfer session" },
	{ "chat becomes a file", HEAD ONE_WAY, OURS OUR_LINE, HEAD M TYPES PATH PUSH,
	  "m=1: active line cannot become another transfer",
	  "m=1: active line cannot become another transfer",
	  "m=1: active line cannot become another transfer" },
};

static void check_change(const struct change *c, enum im_class class, const char *want)
{
	struct verdict v = offer_as(class, c->before, c->mine, c->offer);
	char what[128];

	snprintf(what, sizeof(what), "%s, %s", c->name, im_class_name(class));
	if (!want)
		yes(what, v);
	else if (*want)
		no(what, v, strstr(want, "media type") ? 304 : 399, want); /* CLASS-21 */
}

static void class_20_changes(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		check_change(&changes[i], LARGE, changes[i].large);
		check_change(&changes[i], TALK, changes[i].talk);
		check_change(&changes[i], IM_CLASS_GROUP, changes[i].talk);
		check_change(&changes[i], FILES, changes[i].files);
	}
}

#define F1 M TYPES PATH FILE_ID
#define F2 M TYPES PATH2 "a=file-selector:size:1\r\na=file-transfer-id:f2\r\n"

static void class_20_file_transfer_session(void **state)
{
	static const struct change t[] = {
		{ "hold", HEAD F1 "a=sendonly\r\n", OURS OUR_LINE, HEAD F1 "a=inactive\r\n" },
		{ "resume", HEAD F1 "a=inactive\r\n", OURS OUR_LINE "a=inactive\r\n",
		  HEAD F1 "a=sendonly\r\n" },
		{ "more files", HEAD F1 "a=sendonly\r\n", OURS OUR_LINE,
		  HEAD F1 "a=sendonly\r\n" F2 "a=sendonly\r\n" },
		{ "abort", HEAD F1 "a=sendonly\r\n", OURS OUR_LINE, HEAD OFF "a=file-transfer-id:f1\r\n" },
		{ "new path", HEAD F1 "a=sendonly\r\n", OURS OUR_LINE,
		  HEAD M TYPES PATH3 FILE_ID "a=sendonly\r\n" },
		{ "two-way", HEAD F1 "a=sendonly\r\n", OURS OUR_LINE, HEAD F1,
		  .files = "m=1: file transfer is neither sendonly nor recvonly" },
		{ "turned round", HEAD F1 "a=sendonly\r\n", OURS OUR_LINE, HEAD F1 "a=recvonly\r\n",
		  .files = TO_INACTIVE },
		{ "more types", HEAD F1 "a=sendonly\r\n", OURS OUR_LINE,
		  HEAD M "a=accept-types:text/plain message/cpim a/b\r\n" PATH FILE_ID "a=sendonly\r\n",
		  .files = WIDER },
		{ "fewer types", HEAD F1 "a=sendonly\r\n", OURS OUR_LINE,
		  HEAD M "a=accept-types:text/plain\r\n" PATH FILE_ID "a=sendonly\r\n",
		  .files = "m=1: accept-types may not change" },
		{ "another transfer", HEAD F1 "a=sendonly\r\n", OURS OUR_LINE,
		  HEAD M TYPES PATH "a=sendonly\r\na=file-selector:size:1\r\na=file-transfer-id:f2\r\n",
		  .files = "m=1: active line cannot become another transfer" },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		check_change(&t[i], FILES, t[i].files);
}

static void class_20_chat_lines_by_policy(void **state)
{
	conf.max_chats = 2;
	yes("two", offer_as(TALK, HEAD CHAT, OURS OUR_LINE, HEAD CHAT M TYPES PATH2));
	no("three", offer_as(TALK, HEAD CHAT, OURS OUR_LINE, HEAD CHAT M TYPES PATH2 M TYPES PATH3), 399,
	   "m=3: too many chat lines");
	/* lines that go on come first, wherever they stand */
	conf.max_chats = 1;
	no("before the old one", offer_as(TALK, HEAD OFF CHAT, OURS OFF OUR_LINE, HEAD M TYPES PATH2 CHAT),
	   399, "m=1: too many chat lines");
	yes("instead of the old one", offer_as(TALK, HEAD CHAT, OURS OUR_LINE, HEAD OFF M TYPES PATH2));
	conf.audio_video_pass = true;
	yes("audio by policy", offer_as(TALK, HEAD CHAT, OURS OUR_LINE, HEAD CHAT AUDIO));
	no("never beside a large message", offer_as(LARGE, HEAD CHAT, OURS OUR_LINE, HEAD CHAT AUDIO), 399,
	   "m=2: no other media in a large-message session");
}

/* CLASS-8: the tag decided the class, the class judges the lines. */
static void class_8_set_up_of_a_large_message(void **state)
{
	yes("one line", offer_as(LARGE, NULL, NULL, HEAD ONE_WAY));
	no("a file", offer_as(LARGE, NULL, NULL, HEAD FT), 399,
	   "m=1: no file transfer in a large-message session");
	conf.max_chats = 2;
	no("two lines", offer_as(LARGE, NULL, NULL, HEAD ONE_WAY M TYPES PATH2), 399,
	   "m=2: no further line in a large-message session");
	/* RCS calls a session a file transfer whose file goes by HTTP: its line is a chat line */
	yes("fthttp", offer_as(FILES, NULL, NULL, HEAD CHAT));
	yes("fthttp, held", offer_as(FILES, HEAD CHAT, OURS OUR_LINE, HEAD CHAT "a=sendonly\r\n"));
}

static void class_10_not_im(void **state)
{
	yes("passed", offer_as(IM_CLASS_NOT_IM, NULL, NULL, HEAD AUDIO));
	yes("passed later", offer_as(IM_CLASS_NOT_IM, HEAD AUDIO, HEAD AUDIO, HEAD AUDIO AUDIO));
	no("slots", offer_as(IM_CLASS_NOT_IM, HEAD AUDIO AUDIO, HEAD AUDIO AUDIO, HEAD AUDIO), 399,
	   "fewer m= lines than before");
	conf.not_im_reject = true;
	no("by policy", offer_as(IM_CLASS_NOT_IM, NULL, NULL, HEAD AUDIO), 304,
	   "not an instant messaging session");
	yes("but not what is under way", offer_as(IM_CLASS_NOT_IM, HEAD AUDIO, HEAD AUDIO, HEAD AUDIO AUDIO));
}

#define TLS_LINE "m=message 2855 TCP/TLS/MSRP *\r\n" TYPES "a=path:msrps://192.0.2.1:2855/t;tcp\r\n"

static void acc_2q_downgrade(void **state)
{
	conf.mode = IM_UNANCHORED;
	no("TLS to TCP", offer_as(TALK, HEAD TLS_LINE, HEAD TLS_LINE, HEAD CHAT), 399,
	   "m=1: TLS may not be given up");
	yes("TCP to TLS", offer_as(TALK, HEAD CHAT, HEAD CHAT, HEAD TLS_LINE));
	yes("TLS to TLS", offer_as(TALK, HEAD TLS_LINE, HEAD TLS_LINE, HEAD TLS_LINE "a=x\r\n"));
	conf.allow_downgrade = true;
	yes("allowed", offer_as(TALK, HEAD TLS_LINE, HEAD TLS_LINE, HEAD CHAT));
}

/* ---- whom to expect on a TLS connection ---- */

#define SHA1 "a=fingerprint:SHA-1 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33\r\n"
#define MD5 "a=fingerprint:md5 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n"
#define HALF "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:ee:ff"
#define SHA256 "a=fingerprint:sha-256 " HALF ":" HALF "\r\n"

static struct verdict by_an_unsafe_way(const char *text)
{
	static struct sdp o;
	struct verdict v;

	accept_offer(&conf, TALK, false, NULL, NULL, parsed(&o, text), &v);
	return v;
}

static void acc_2k_who_a_tls_peer_is(void **state)
{
	static const struct row t[] = {
		{ HEAD TLS_LINE SHA256 },
		{ V O STC SHA256 TLS_LINE },
		{ HEAD TLS_LINE MD5 SHA256 SHA1 },
		{ HEAD TLS_LINE, 399, "m=1: no a=fingerprint" },
		{ V O STC SHA256 TLS_LINE MD5, 399, "m=1: no a=fingerprint of a hash that is allowed" },
		{ HEAD TLS_LINE SHA1, 399, "m=1: no a=fingerprint of a hash that is allowed" },
		{ HEAD TLS_LINE SHA256 "a=fingerprint:sha-512 " HALF "\r\n", 399,
		  "m=1: a=fingerprint cannot be read" },
		{ HEAD TLS_LINE "a=fingerprint:sha-256\r\n", 399, "m=1: a=fingerprint cannot be read" },
		{ HEAD TLS_LINE "a=setup:passive\r\n" }, /* UP-47: by its name */
	};

	conf.plane.at[PLANE_TLS].port = 2856;
	conf.plane.tls_names = true;
	check_first(t, ARRAY_LEN(t));
	conf.plane.sha1 = true;
	yes("SHA-1 by option", first(t[5].offer));
	no("never MD5", first(t[4].offer), 399, t[4].text);
	conf.plane.tls_names = false;
	no("names do not count", first(t[8].offer), 399, "m=1: no a=fingerprint");
	no("up_48", by_an_unsafe_way(t[0].offer), 399, "m=1: a=fingerprint came by a way that is not safe");
	conf.plane.at[PLANE_TCP].port = 0;
	no("TLS alone", first(HEAD CHAT), 302, "m=1: MSRP is only available over TLS");
	conf.mode = IM_UNANCHORED; /* end to end: not ours to judge */
	yes("unanchored", first(t[3].offer));
}

/* ---- answers ---- */

static struct verdict answer_to(const char *before, const char *sent, const char *answer)
{
	static struct sdp b, s, a;
	struct verdict v;

	memset(&v, 0xa5, sizeof(v));
	accept_answer(&conf, TALK, true, parsed(&b, before), parsed(&s, sent), parsed(&a, answer), &v);
	assert_true(v.status == 0 || v.status == 488);
	assert_int_equal(v.off, 0);
	return v;
}

#define OUR_AUDIO "m=audio 4000 RTP/AVP 0\r\n"

static void sdp_6_answers_keep_the_slots(void **state)
{
	yes("both", answer_to(NULL, OURS OUR_LINE OUR_AUDIO, HEAD CHAT AUDIO));
	yes("one refused", answer_to(NULL, OURS OUR_LINE OUR_AUDIO, HEAD CHAT "m=audio 0 RTP/AVP 0\r\n"));
	yes("all refused", answer_to(NULL, OURS OUR_LINE, HEAD OFF));
	yes("off stays off", answer_to(NULL, OURS OUR_LINE OFF, HEAD CHAT OFF));
	no("too few", answer_to(NULL, OURS OUR_LINE OUR_AUDIO, HEAD CHAT), 399,
	   "answer has not the m= lines of the offer");
	no("too many", answer_to(NULL, OURS OUR_LINE, HEAD CHAT AUDIO), 399,
	   "answer has not the m= lines of the offer");
	no("kinds", answer_to(NULL, OURS OUR_LINE OUR_AUDIO, HEAD AUDIO CHAT), 399,
	   "m=1: answer has another media type");
	no("woken", answer_to(NULL, OURS OUR_LINE OFF, HEAD CHAT M TYPES PATH2), 399,
	   "m=2: answer takes a line that was not offered");
	no("TLS", answer_to(NULL, OURS OUR_LINE, HEAD TLS_LINE), 302, "m=1: answer has another transport");
	yes("off, and another transport",
	    answer_to(NULL, OURS OUR_LINE, HEAD "m=message 0 TCP/TLS/MSRP *\r\n"));
}

static void acc_7_answers_are_judged(void **state)
{
	no("no path", answer_to(NULL, OURS OUR_LINE, HEAD M TYPES), 399, "m=1: no a=path");
	no("no types", answer_to(NULL, OURS OUR_LINE, HEAD M PATH), 305, "m=1: no a=accept-types");
	no("max-size", answer_to(NULL, OURS OUR_LINE, HEAD CHAT "a=max-size:0\r\n"), 399,
	   "m=1: max-size is too small");
	no("format", answer_to(NULL, OURS OUR_LINE, HEAD "m=message 2855 TCP/MSRP x\r\n" TYPES PATH), 305,
	   "m=1: format is not *");
	no("second line", answer_to(NULL, OURS OUR_LINE OUR_LINE, HEAD CHAT M TYPES), 399, "m=2: no a=path");
	yes("unchanged", answer_to(HEAD M TYPES, OURS OUR_LINE, HEAD M TYPES));
	/* what RFC 5547 asks of offers only */
	yes("file answer",
	    answer_to(NULL, OURS OUR_LINE, HEAD M TYPES PATH2 "a=recvonly\r\na=file-transfer-id:1\r\n"));
	strcpy(conf.accept_types, "image/png");
	no("types", answer_to(NULL, OURS OUR_LINE, HEAD CHAT), 305, "m=1: none of accept-types is allowed");
}

/* To our actpass: only active lets us wait (UP-7). */
static void acc_7_6135_setup_in_answers(void **state)
{
	static const struct {
		const char *setup;
		bool we_connect;
	} t[] = { { "a=setup:active\r\n", false },
		  { "a=setup:passive\r\n", true },
		  { "a=setup:actpass\r\n", true },
		  { "a=setup:holdconn\r\n", true },
		  { "", true } };
	char text[512];

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		snprintf(text, sizeof(text), HEAD M TYPES ELSEWHERE "%s", t[i].setup);
		if (t[i].we_connect)
			no(text, answer_to(NULL, OURS OUR_LINE, text), 399, NO_MATCH);
		else
			yes(text, answer_to(NULL, OURS OUR_LINE, text));
		snprintf(text, sizeof(text), HEAD CHAT "%s", t[i].setup);
		yes(text, answer_to(NULL, OURS OUR_LINE, text));
	}
	no("unknown", answer_to(NULL, OURS OUR_LINE, HEAD CHAT "a=setup:odd\r\n"), 399,
	   "m=1: unknown a=setup");
	no("our own path", answer_to(NULL, OURS OUR_LINE, OURS OUR_LINE), 399, "m=1: a=path is our own");
	conf.deny_loopback = true;
	no("loopback",
	   answer_to(NULL, OURS OUR_LINE,
		     V O "s=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" M TYPES
			 "a=path:msrp://127.0.0.1:2855/x;tcp\r\n"),
	   399, "m=1: address of a=path is not allowed");
}

static void sdp_5_origin_of_answers(void **state)
{
	static const char other[] = V "o=bob 9 9 IN IP4 192.0.2.1\r\n" STC CHAT;

	yes("lenient", answer_to(HEAD CHAT, OURS OUR_LINE, other));
	conf.strict_origin = true;
	no("strict", answer_to(HEAD CHAT, OURS OUR_LINE, other), 399, "o= is not that of this session");
	yes("the first one", answer_to(NULL, OURS OUR_LINE, other));
}

/* ---- accept-types to write on ---- */

static void acc_8_accept_types_written_on(void **state)
{
	static const struct {
		const char *policy, *offered, *written;
	} t[] = {
		{ "*", "text/plain message/cpim", "text/plain message/cpim" },
		{ "*", "*", "*" },
		{ "*", "  text/*   * ", "text/* *" },
		{ "text/plain message/cpim", "message/cpim image/png text/plain", "message/cpim text/plain" },
		{ "text/plain message/cpim", "*", "text/plain message/cpim" },
		{ "text/plain message/cpim", "message/cpim *", "message/cpim text/plain" },
		{ "text/plain message/cpim", "* message/cpim", "text/plain message/cpim" },
		{ "text/plain text/html message/cpim", "text/*", "text/plain text/html" },
		{ "text/plain text/html", "text/* *", "text/plain text/html" },
		{ "text/*", "text/html image/png text/*", "text/html text/*" },
		{ "text/*", "*", "text/*" },
		{ "text/plain", "TEXT/Plain", "TEXT/Plain" },
		{ "text/plain", "image/png", "" },
		{ "text/plain", "", "" },
		{ "text/plain", "text/plain;charset=utf-8", "text/plain;charset=utf-8" },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char out[256] = "before:";
		struct wbuf w = wbuf_on(out, sizeof(out) - 1);
		w.n = strlen(out);
		snprintf(conf.accept_types, sizeof(conf.accept_types), "%s", t[i].policy);
		w_accept_types(&w, &conf, span_of(t[i].offered));
		assert_true(w_ok(&w));
		out[w.n] = '\0';
		assert_string_equal(out + strlen("before:"), t[i].written);
	}
}

/* ---- what clients in the field send ---- */

static const struct {
	const char *file;
	unsigned warning; /* 0: accepted */
	const char *text;
} field[] = {
	{ "chat_actpass", 0, NULL },
	{ "chat_active_port9", 0, NULL },
	{ "file_push", 0, NULL },
	{ "file_pull_full", 0, NULL },
	{ "file_tls_sha1", 302, "m=1: MSRP over TLS is not available" },
	{ "capability_port0", 0, NULL },
	{ "tls_answer_passive", 302, "m=1: MSRP over TLS is not available" },
	{ "group_ip6_path_ip4", 0, NULL },
	{ "cema_offer_ip6", 0, NULL },
	{ "media_level_c_name_in_path", 399, NO_MATCH },
	{ "two_addresses_passive", 399, NO_MATCH },
	{ "not_an_address", 0, NULL },
	{ "five_media", 304, "m=1: media type is not accepted" },
	{ "audio_and_tls", 304, "m=1: media type is not accepted" },
	{ "names_no_setup", 0, NULL },
	{ "relay_path", 302, "m=1: MSRP over TLS is not available" },
	{ "many_types", 0, NULL },
	{ "unknown_lines", 0, NULL },
	{ "bare_lf", 0, NULL },
};

static void acc_field_offers(void **state)
{
	conf.max_size = 0;
	for (size_t i = 0; i < ARRAY_LEN(field); i++) {
		char path[1024], text[8192] = "";
		snprintf(path, sizeof(path), SOURCE_ROOT "/test/fuzz/corpus/sdp/%s.sdp", field[i].file);
		FILE *f = fopen(path, "rb");
		assert_non_null(f);
		assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
		fclose(f);
		if (field[i].text)
			no(field[i].file, first(text), field[i].warning, field[i].text);
		else
			yes(field[i].file, first(text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(acc_2a_transport_and_format, setup),
		cmocka_unit_test_setup(acc_2b_path, setup),
		cmocka_unit_test_setup(acc_2c_scheme_fits_transport, setup),
		cmocka_unit_test_setup(acc_2d_2e_place_matters_if_we_connect, setup),
		cmocka_unit_test_setup(acc_2f_accept_types, setup),
		cmocka_unit_test_setup(acc_2g_useless_wrapped_types, setup),
		cmocka_unit_test_setup(acc_2h_max_size, setup),
		cmocka_unit_test_setup(acc_2i_2j_setup_and_connection, setup),
		cmocka_unit_test_setup(acc_2l_address, setup),
		cmocka_unit_test_setup(sdp_11_null_address, setup),
		cmocka_unit_test_setup(acc_2m_file_lines, setup),
		cmocka_unit_test_setup(acc_2n_number_of_lines, setup),
		cmocka_unit_test_setup(acc_2o_addresses_not_to_connect_to, setup),
		cmocka_unit_test_setup(acc_2o_our_own_path, setup),
		cmocka_unit_test_setup(acc_3_other_media, setup),
		cmocka_unit_test_setup(acc_1_unchanged_lines_are_not_judged_again, setup),
		cmocka_unit_test_setup(acc_1_session_level_changes_count, setup),
		cmocka_unit_test_setup(acc_1_partial, setup),
		cmocka_unit_test_setup(acc_1_nothing_to_judge, setup),
		cmocka_unit_test_setup(sdp_5_origin, setup),
		cmocka_unit_test_setup(sdp_6_slots, setup),
		cmocka_unit_test_setup(class_20_changes, setup),
		cmocka_unit_test_setup(class_20_file_transfer_session, setup),
		cmocka_unit_test_setup(class_20_chat_lines_by_policy, setup),
		cmocka_unit_test_setup(class_8_set_up_of_a_large_message, setup),
		cmocka_unit_test_setup(class_10_not_im, setup),
		cmocka_unit_test_setup(acc_2q_downgrade, setup),
		cmocka_unit_test_setup(acc_2k_who_a_tls_peer_is, setup),
		cmocka_unit_test_setup(sdp_6_answers_keep_the_slots, setup),
		cmocka_unit_test_setup(acc_7_answers_are_judged, setup),
		cmocka_unit_test_setup(acc_7_6135_setup_in_answers, setup),
		cmocka_unit_test_setup(sdp_5_origin_of_answers, setup),
		cmocka_unit_test_setup(acc_8_accept_types_written_on, setup),
		cmocka_unit_test_setup(acc_field_offers, setup),
	};
	return cmocka_run_group_tests_name("im/accept", tests, NULL, NULL);
}
