/* SPDX-License-Identifier: MIT */
/* Parsing: what is in its place, what is a fault, on which line and with which status (SDP-16, SDP-20). */
#include "sdp_test.h"

#include <errno.h>
#include <stdlib.h>

#include "base/wbuf.h"

static void parse_reads_a_whole_description(void **state)
{
	static struct sdp s;

	must_parse(&s, "v=0\r\no=alice 12 34 IN IP6 2001:db8::1\r\ns=A talk\r\ni=about\r\nu=http://x/\r\n"
		       "e=a@x\r\np=+1\r\nc=IN IP6 2001:db8::1\r\nb=AS:1\r\nt=1 2\r\nr=7d 1h 0\r\nz=1 1h\r\n"
		       "k=clear:x\r\na=sendonly\r\n"
		       "m=message 2855/2 TCP/MSRP *\r\ni=chat\r\nc=IN IP4 192.0.2.9\r\nb=AS:2\r\n" TYPES
		       "m=audio 4000 RTP/AVP 0 8\r\n");
	assert_span(s.origin.user, "alice");
	assert_int_equal(s.origin.id, 12);
	assert_int_equal(s.origin.version, 34);
	assert_span(s.origin.nettype, "IN");
	assert_span(s.origin.addrtype, "IP6");
	assert_span(s.origin.addr, "2001:db8::1");
	assert_span(s.name, "A talk");
	assert_span(s.times, "t=1 2\r\nr=7d 1h 0\r\nz=1 1h\r\n");
	assert_int_equal(s.n_session_lines, 14);
	assert_int_equal(s.n_lines, 18);
	assert_int_equal(s.n_media, 2);
	assert_int_equal(s.media[0].port, 2855);
	assert_int_equal(s.media[0].n_ports, 2);
	assert_span(s.media[0].media, "message");
	assert_span(s.media[0].proto, "TCP/MSRP");
	assert_span(s.media[0].fmts, "*");
	assert_span(s.media[0].conn.addr, "192.0.2.9");
	assert_int_equal(s.media[0].first, 14);
	assert_int_equal(s.media[0].n_lines, 4);
	assert_span(s.media[0].text,
		    "m=message 2855/2 TCP/MSRP *\r\ni=chat\r\nc=IN IP4 192.0.2.9\r\nb=AS:2\r\n" TYPES);
	assert_int_equal(s.media[1].n_lines, 0);
	assert_int_equal(s.media[1].n_ports, 1);
	assert_span(s.media[1].fmts, "0 8");
	assert_span(s.media[1].conn.addr, "2001:db8::1");
	assert_span(s.media[1].text, "m=audio 4000 RTP/AVP 0 8\r\n");
}

static void parse_keeps_unknown_lines_in_their_place(void **state)
{
	static struct sdp s;

	must_parse(&s, V O "x=one\r\n" S C T "y=two\r\n" MSG "w=three\r\n" TYPES "x=four\r\n");
	assert_int_equal(s.line[2].type, 'x');
	assert_span(s.line[2].value, "one");
	assert_int_equal(s.line[6].type, 'y');
	assert_int_equal(s.n_session_lines, 7);
	assert_int_equal(s.line[7].type, 'w');
	assert_int_equal(s.line[9].type, 'x');
	assert_span(s.line[9].value, "four");
}

/* What an answer has to repeat is kept as it stands, from the first t= to the last line of times. */
static void parse_sdp_15_times(void **state)
{
	static const struct {
		const char *text, *times;
	} t[] = {
		{ V O S T, "t=0 0\r\n" },
		{ V O S "b=AS:1\r\n" T "t=1 2\r\nr=1 1 0\r\nr=2 2 0\r\nz=0 1\r\nk=x\r\na=x\r\n",
		  "t=0 0\r\nt=1 2\r\nr=1 1 0\r\nr=2 2 0\r\nz=0 1\r\n" },
		{ "v=0\no=- 1 1 IN IP4 h\ns=-\nt=5 6\nt=7 8\nm=message 0 TCP/MSRP *", "t=5 6\nt=7 8\n" },
	};
	static struct sdp s;

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		must_parse(&s, t[i].text);
		assert_span(s.times, t[i].times);
	}
	must_parse(&s, V O "s=-\r\ni=about\r\ne=a@b\r\np=1\r\n" T "k=prompt\r\n");
	assert_int_equal(s.n_lines, 8); /* i=, e=, p=, k= are there for who wants them */
}

/* SDP-16: bare LF, no line end at the end, empty lines after it; field habits: blanks, an empty s=, no media. */
static void parse_sdp_16_what_is_tolerated(void **state)
{
	static const char *const good[] = {
		"v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nt=0 0\n",
		"v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nt=0 0",
		V O S T "\r\n\r\n",
		V O "s=\r\n" T,
		V O "s= \r\n" T,
		"v=0 \r\no=-  1  1 IN IP4 192.0.2.1 \r\n" S "t=0 0 \r\n",
		V O S "p=+1\r\ne=a@x\r\n" T,
		V O S T "t=3034423619 3042462419\r\nr=604800 3600 0 90000\r\nt=0 99999999999999999999999\r\n",
		HEAD "m=message 0 TCP/MSRP *\r\n",
		V O S T "m=message 0 TCP/MSRP *\r\n",                       /* disabled: needs no c= */
		V O S T MSG "c=IN IP4 a.example\r\nc=IN IP4 b.example\r\n", /* the first counts */
		HEAD "m=audio 5 RTP/AVP 0\r\na=path:x\r\na=path:y\r\n",     /* not our medium */
		HEAD MSG "a=x:1\r\na=x:2\r\na=k\xc3\xa9y:\xff\r\n",
		"v=0\r\no=- 18446744073709551615 18446744073709551615 IN IP4 h\r\n" S T,
	};
	static struct sdp s;

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		must_parse(&s, good[i]);
	must_parse(&s, good[10]);
	assert_span(s.media[0].conn.addr, "a.example");
	must_parse(&s, V O S T "m=message 9 TCP/MSRP *\nc=IN IP4 h\na=sendonly");
	assert_span(s.media[0].text, "m=message 9 TCP/MSRP *\nc=IN IP4 h\na=sendonly");
	must_parse(&s, V O S T "\r\n \r\n");
	assert_int_equal(s.n_lines, 4);
}

static void parse_sdp_20_faults(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *what;
	} bad[] = {
		{ "", 1, "no session description" },
		{ "\r\n\r\n", 1, "no session description" },
		{ "v=1\r\n" O S T, 1, "v= is not 0" },
		{ "v=\r\n" O S T, 1, "v= is not 0" },
		{ "v=00\r\n" O S T, 1, "v= is not 0" },
		{ O S T, 1, "v= is not the first line" },
		{ "\r\n" V O S T, 1, "empty line" },
		{ V V O S T, 2, "line out of order" },
		{ V S T, 3, "no o= line" },
		{ V O T MSG, 4, "no s= line" },
		{ V O S C MSG, 5, "no t= line" },
		{ V O S C, 4, "no t= line" },
		{ V S O T, 3, "line out of order" },
		{ V O S T C, 5, "line out of order" },
		{ V O S C C T, 5, "line out of order" },
		{ V O S "r=1 1 1\r\n" T, 4, "line out of order" },
		{ V O S "a=sendrecv\r\n" T, 5, "line out of order" },
		{ HEAD "a=x\r\n" T, 7, "line out of order" },
		{ HEAD MSG TYPES C, 8, "line out of order" },
		{ HEAD MSG TYPES "i=x\r\n", 8, "line out of order" },
		{ HEAD MSG T, 7, "line out of order" },
		{ HEAD MSG S, 7, "line out of order" },
		{ HEAD MSG "i=a\r\ni=b\r\n", 8, "line out of order" },
		{ V "o=- 1 1 IN IP4\r\n" S T, 2, "o= has not six fields" },
		{ V "o=a b 1 1 IN IP4 h\r\n" S T, 2, "o= has not six fields" },
		{ V "o=- x 1 IN IP4 h\r\n" S T, 2, "o= session id is not a number" },
		{ V "o=- 1 -1 IN IP4 h\r\n" S T, 2, "o= version is not a number" },
		{ V "o=- 1 18446744073709551616 IN IP4 h\r\n" S T, 2, "o= version is not a number" },
		{ V O S "c=IN IP4\r\n" T, 4, "c= has not three fields" },
		{ V O S "c=IN IP4 h x\r\n" T, 4, "c= has not three fields" },
		{ V O S "t=0\r\n", 4, "t= has not two numbers" },
		{ V O S "t=now then\r\n", 4, "t= has not two numbers" },
		{ V O S "t=0 0 0\r\n", 4, "t= has not two numbers" },
		{ V O S T MSG, 5, "no c= for an active m= line" },
		{ V O S T MSG TYPES "m=audio 0 RTP/AVP 0\r\n", 5, "no c= for an active m= line" },
		{ HEAD "m=message\r\n", 6, "m= lacks a field" },
		{ HEAD "m=message 1\r\n", 6, "m= lacks a field" },
		{ HEAD "m=message 1 TCP/MSRP\r\n", 6, "m= lacks a field" },
		{ HEAD "m=message 1 TCP/MSRP \r\n", 6, "m= lacks a field" },
		{ HEAD "m=message x TCP/MSRP *\r\n", 6, "m= port is not a number" },
		{ HEAD "m=message -1 TCP/MSRP *\r\n", 6, "m= port is not a number" },
		{ HEAD "m=message 65536 TCP/MSRP *\r\n", 6, "m= port is above 65535" },
		{ HEAD "m=message 1/ TCP/MSRP *\r\n", 6, "m= number of ports is not a number" },
		{ HEAD "m=message 1/0 TCP/MSRP *\r\n", 6, "m= number of ports is not a number" },
		{ HEAD MSG PATH TYPES PATH, 9, "attribute twice" },
		{ HEAD MSG "a=setup:active\r\na=setup:passive\r\n", 8, "attribute twice" },
		{ HEAD MSG TYPES TYPES, 8, "attribute twice" },
		{ HEAD MSG "a=max-size:1\r\na=max-size:1\r\n", 8, "attribute twice" },
		{ HEAD "a=setup:active\r\na=setup:active\r\n" MSG, 7, "attribute twice" },
		{ HEAD MSG "a=\r\n", 7, "a= without a name" },
		{ HEAD MSG "a=:x\r\n", 7, "a= without a name" },
		{ HEAD "\r\n" MSG, 6, "empty line" },
		{ HEAD MSG "a\r\n", 7, "line does not begin with x=" },
		{ HEAD MSG "a =x\r\n", 7, "line does not begin with x=" },
		{ HEAD MSG "A=x\r\n", 7, "line does not begin with x=" },
		{ HEAD MSG "hello\r\n", 7, "line does not begin with x=" },
		{ HEAD MSG "a=x\ry\r\n", 7, "control character in a line" },
		{ HEAD MSG "a=x\r\r\n", 7, "control character in a line" },
	};
	static struct sdp s;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct sdp_fault f = { 0 };
		assert_int_equal(sdp_parse(&s, span_of(bad[i].text), &f), -EBADMSG);
		assert_string_equal(f.what, bad[i].what);
		assert_int_equal(f.line, bad[i].line);
		assert_int_equal(f.status, 400);
		assert_int_equal(sdp_parse(&s, span_of(bad[i].text), NULL), -EBADMSG);
	}
}

static void parse_sdp_20_zero_byte(void **state)
{
	static struct sdp s;
	static const char text[] = HEAD "a=x\0y\r\n";
	struct sdp_fault f = { 0 };

	assert_int_equal(sdp_parse(&s, (struct span){ text, sizeof(text) - 1 }, &f), -EBADMSG);
	assert_int_equal(f.line, 6);
}

/* A description of one line n bytes long, of n lines, and so on: at the limit it parses, beyond it does not. */
static char *text_with(const char *head, const char *each, unsigned n, const char *tail)
{
	size_t cap = strlen(head) + n * strlen(each) + strlen(tail) + 1;
	char *text = malloc(cap);

	assert_non_null(text);
	struct wbuf w = wbuf_on(text, cap);
	w_str(&w, head);
	for (unsigned i = 0; i < n; i++)
		w_str(&w, each);
	w_bytes(&w, tail, strlen(tail) + 1);
	assert_true(w_ok(&w));
	return text;
}

static void check_limit(const char *head, const char *each, const char *tail, unsigned most, unsigned status,
			const char *what)
{
	static struct sdp s;
	struct sdp_fault f = { 0 };
	char *text = text_with(head, each, most, tail);

	must_parse(&s, text);
	free(text);
	text = text_with(head, each, most + 1, tail);
	assert_int_equal(sdp_parse(&s, span_of(text), &f), -EBADMSG);
	assert_int_equal(f.status, status);
	assert_string_equal(f.what, what);
	free(text);
}

static void parse_sdp_16_line_length(void **state)
{
	check_limit(HEAD "a=x:", "y", "\r\n", 4096 - 4, 413, "line too long");
}

static void parse_sdp_16_size(void **state)
{
	/* fifteen lines of 4096 with their ends, then what is missing to 65536 */
	static char head[65536];
	struct wbuf w = wbuf_on(head, sizeof(head) - 1);

	w_str(&w, HEAD);
	for (int i = 0; i < 15; i++) {
		size_t end = w.n + 4096;
		w_str(&w, "a=x:");
		while (w.n < end - 2)
			w_chr(&w, 'y');
		w_str(&w, "\r\n");
	}
	w_str(&w, "a=x:");
	check_limit(head, "z", "\r\n", (unsigned)(65536 - w.n - 2), 413, "session description too large");
}

static void parse_sdp_16_media_lines(void **state)
{
	check_limit(HEAD, MSG, TYPES, 32, 488, "too many m= lines");
}

static void parse_sdp_16_lines(void **state)
{
	check_limit(HEAD MSG, "a=x\r\n", "", 512 - 5, 488, "too many lines");
}

static void parse_sdp_16_path_uris(void **state)
{
	check_limit(HEAD MSG "a=path:", "msrp://h:1/s;tcp ", "\r\n", 64, 488, "too many URIs in a=path");
}

/* Every prefix of a description is parsed or refused, never read past its end (ASan watches). */
static void parse_prefixes(void **state)
{
	static const char text[] = HEAD "a=sendrecv\r\n" MSG "i=x\r\n" TYPES PATH "a=setup:actpass\r\n"
					"m=audio 4/2 RTP/AVP 0\r\n";
	static struct sdp s;
	struct sdp_msrp m;

	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = malloc(n ? n : 1);
		assert_non_null(copy);
		memcpy(copy, text, n);
		if (sdp_parse(&s, (struct span){ copy, n }, NULL) == 0)
			for (unsigned i = 0; i < s.n_media; i++)
				sdp_msrp_of(&s, i, &m);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_reads_a_whole_description),
		cmocka_unit_test(parse_keeps_unknown_lines_in_their_place),
		cmocka_unit_test(parse_sdp_15_times),
		cmocka_unit_test(parse_sdp_16_what_is_tolerated),
		cmocka_unit_test(parse_sdp_20_faults),
		cmocka_unit_test(parse_sdp_20_zero_byte),
		cmocka_unit_test(parse_sdp_16_line_length),
		cmocka_unit_test(parse_sdp_16_size),
		cmocka_unit_test(parse_sdp_16_media_lines),
		cmocka_unit_test(parse_sdp_16_lines),
		cmocka_unit_test(parse_sdp_16_path_uris),
		cmocka_unit_test(parse_prefixes),
	};
	return cmocka_run_group_tests_name("sdp/sdp", tests, NULL, NULL);
}
