/* SPDX-License-Identifier: MIT */
/* What is in a CPIM message is judged whole, however it is cut (UP-34, UP-35, UPA-19). */
#include <stdio.h>
#include <stdlib.h>

#include "plane_world.h"

#define CPIM_HEAD "From: <im:a>\r\nTo: <im:b>\r\n\r\nContent-Type: "
#define NO_TEXT "a=accept-types:message/cpim\r\na=accept-wrapped-types:text/plain\r\n"

static struct pw *setup_world_as(bool adapt, const char *a_more, const char *b_more)
{
	static struct pw w;
	struct pw_sdp offer, answer;

	pw_init(&w);
	w.conf.ack_end = !adapt;
	w.conf.cpim_adapt = adapt;
	pw_up(&w);
	pw_sdp1(&offer, A_URI, "active", a_more);
	pw_sdp1(&answer, B_URI, "active", b_more);
	pw_exchange(&w, SIDE_A, &offer, &answer);
	return &w;
}

static struct pw *setup_world(const char *a_more, const char *b_more)
{
	return setup_world_as(false, a_more, b_more);
}

/* One chunk; the body's own length is its range. */
static void chunk(struct pw *w, const char *tid, size_t start, const char *body, char flag)
{
	pw_feed(w->a,
		"MSRP %s SEND\r\nTo-Path: {A}\r\nFrom-Path: " A_URI "\r\nMessage-ID: m1\r\n"
		"Byte-Range: %zu-%zu/*\r\nContent-Type: message/cpim\r\n\r\n%s\r\n-------%s%c\r\n",
		tid, start, start + strlen(body) - 1, body, tid, flag);
}

/* Bytes one by one: of what is refused not one goes out, of what is allowed all do, and in order. */
static void content_34_in_reads_of_any_size(void **state)
{
	static const char good[] = CPIM_HEAD "text/plain\r\n\r\nhello",
			  bad[] = CPIM_HEAD "text/html\r\n\r\nhello";

	for (size_t n = 1; n < 100; n += n < 8 ? 1 : 23) {
		struct pw *w = setup_world(NULL, NO_TEXT);
		w->read_max = n;
		chunk(w, "tid1", 1, bad, '$');
		pw_expect(w->b, "");
		assert_non_null(strstr(pw_take(w->a), "MSRP tid1 415"));
		pw_feed(w->a,
			FROM_A("tid2", "SEND",
			       "Message-ID: m2\r\nContent-Type: message/cpim\r\n\r\n%s\r\n") "$\r\n",
			good);
		assert_non_null(strstr(pw_take(w->b), good));
		pw_expect(w->a, "");
		pw_finish(w);
	}
}

/* A chunk that ends inside the section goes on: its sender may wait for the 200.  A refusal after it ends with '#'. */
static void content_34_over_chunks(void **state)
{
	static const char *const type[] = { "text/plain", "text/html" };
	char all[256], part[256];

	for (unsigned i = 0; i < 2; i++) {
		size_t n = (size_t)snprintf(all, sizeof(all), CPIM_HEAD "%s\r\n\r\nhello", type[i]);
		for (size_t cut = 1; cut < n; cut += 7) {
			struct pw *w = setup_world(NULL, NO_TEXT);
			bool inside = cut < n - 5;
			memcpy(part, all, cut), part[cut] = '\0';
			chunk(w, "tid1", 1, part, '+');
			if (i && !inside) { /* it was known in time */
				pw_expect(w->b, "");
				assert_non_null(strstr(pw_take(w->a), "MSRP tid1 415"));
				pw_finish(w);
				continue;
			}
			assert_non_null(strstr(pw_take(w->b), part));
			pw_feed(w->b, FROM_B("T1", "200 OK", "") "$\r\n");
			pw_expect(w->a, TO_A("tid1", "200 OK", "") "$\r\n");
			chunk(w, "tid2", cut + 1, all + cut, '$');
			if (i == 0) {
				const char *out = pw_take(w->b);
				assert_non_null(strstr(out, all + cut));
				snprintf(part, sizeof(part), "Byte-Range: %zu-%zu/%zu\r\n", cut + 1, n, n);
				assert_non_null(strstr(out, part));
			} else {
				assert_non_null(strstr(pw_take(w->b), "Message-ID: m1"));
				assert_non_null(strstr(pw_take(w->a), "MSRP tid2 415"));
			}
			pw_finish(w);
		}
	}
}

/* Sent again from its beginning, after a part went on already. */
static void content_34_begun_again(void **state)
{
	struct pw *w = setup_world(NULL, NO_TEXT);

	chunk(w, "tid1", 1, CPIM_HEAD, '+');
	pw_take(w->b);
	chunk(w, "tid2", 1, CPIM_HEAD "text/plain\r\n\r\nhi", '$');
	assert_non_null(strstr(pw_take(w->b), CPIM_HEAD "text/plain\r\n\r\nhi"));
	pw_finish(w);
}

/* What cannot be read is nobody's type: only who takes everything gets it. */
static void content_34_unreadable(void **state)
{
	static char big[10000];
	struct pw *w = setup_world(NULL, NO_TEXT);

	chunk(w, "tid1", 1, "no header\r\n\r\n", '$');
	assert_non_null(strstr(pw_take(w->a), "MSRP tid1 415"));
	chunk(w, "tid2", 1, CPIM_HEAD, '$'); /* failed above: the same Message-ID begins again */
	assert_non_null(strstr(pw_take(w->a), "MSRP tid2 415"));
	memset(big, 'x', sizeof(big) - 1);
	chunk(w, "tid3", 1, big, '$');
	assert_non_null(strstr(pw_take(w->a), "MSRP tid3 415"));
	pw_expect(w->b, "");
	pw_finish(w);
	w = setup_world(NULL, "a=accept-types:message/cpim\r\na=accept-wrapped-types:*\r\n");
	chunk(w, "tid1", 1, big, '$');
	assert_non_null(strstr(pw_take(w->b), big));
	pw_finish(w);
}

/* A hole in the section: what comes behind it is judged as what cannot be read. */
static void content_34_gap(void **state)
{
	struct pw *w = setup_world(NULL, NO_TEXT);

	chunk(w, "tid1", 1, CPIM_HEAD, '+');
	pw_take(w->b);
	pw_feed(w->b, FROM_B("T1", "200 OK", "") "$\r\n");
	pw_take(w->a);
	chunk(w, "tid2", 100, "text/plain\r\n\r\nhi", '$');
	assert_non_null(strstr(pw_take(w->a), "MSRP tid2 415"));
	pw_finish(w);
}

/* UPA-19: in a closed direction not even a part of the section goes on. */
static void content_19_closed(void **state)
{
	struct pw *w = setup_world("a=recvonly\r\n", "a=sendonly\r\n");

	chunk(w, "tid1", 1, CPIM_HEAD, '+');
	pw_expect(w->b, "");
	assert_non_null(strstr(pw_take(w->a), "MSRP tid1 403"));
	chunk(w, "tid2", 1, CPIM_HEAD "message/imdn+xml\r\n\r\n<x/>", '$');
	pw_expect(w->b, ""); /* the message was refused */
	pw_take(w->a);
	pw_feed(w->a, FROM_A("tid3", "SEND",
			     "Message-ID: m2\r\nContent-Type: message/cpim\r\n\r\n" CPIM_HEAD
			     "message/imdn+xml\r\n\r\n<x/>\r\n") "$\r\n");
	assert_non_null(strstr(pw_take(w->b), "<x/>"));
	pw_finish(w);
}

/* The connection goes in the middle of the section: what was kept of it is not taken for what comes on the next one. */
static void content_13_cut_off(void **state)
{
	struct pw *w = setup_world(NULL, NO_TEXT);
	struct pw_conn *again;

	pw_feed(w->a, "MSRP tid1 SEND\r\nTo-Path: {A}\r\nFrom-Path: " A_URI "\r\nMessage-ID: m1\r\n"
		      "Content-Type: message/cpim\r\n\r\nFrom: <im:a>\r\nTo: <im");
	pw_close(w->a);
	again = pw_accept(w);
	pw_feed(again, FROM_A("tid2", "SEND",
			      "Message-ID: m1\r\nContent-Type: message/cpim\r\n\r\n" CPIM_HEAD
			      "text/plain\r\n\r\nhi\r\n") "$\r\n");
	assert_non_null(strstr(pw_take(w->b), "\r\n\r\n" CPIM_HEAD "text/plain\r\n\r\nhi\r\n"));
	pw_finish(w);
}

/* ---- im.media.cpim: adapt ---- */

#define ENVELOPE                                                                                   \
	"From: <sip:anonymous@anonymous.invalid>\r\nTo: <sip:anonymous@anonymous.invalid>\r\n\r\n" \
	"Content-Type: text/plain\r\n\r\n"
#define PLAIN "a=accept-types:text/plain\r\n"

/* Puts the bodies of the SENDs in out where their ranges say; the highest byte. */
static size_t assemble(const char *out, char *to, size_t cap, const char *type)
{
	size_t top = 0;

	while ((out = strstr(out, " SEND\r\n")) != NULL) {
		const char *range = strstr(out, "Byte-Range: "), *body = strstr(out, "\r\n\r\n"), *end;
		size_t start = (size_t)strtoul(range + 12, NULL, 10), n;
		end = strstr(out, "\r\n-------T");
		assert_non_null(end);
		assert_true(strncmp(strstr(out, "Content-Type: ") + 14, type, strlen(type)) == 0);
		n = body + 4 < end ? (size_t)(end - body - 4) : 0;
		assert_true(start >= 1 && start - 1 + n <= cap);
		if (start < 1)
			return 0;
		if (n)
			memcpy(to + start - 1, body + 4, n);
		if (start - 1 + n > top)
			top = start - 1 + n;
		out = end;
	}
	return top;
}

static void stream(const char *in, const char *in_type, const char *out, const char *out_type, bool wrap)
{
	static const size_t chunks[] = { 4, 7, 50, 120, 121, 122, 123, 1000 }, reads[] = { 0, 1, 5, 64 };
	char got[2048], text[256];
	size_t n = strlen(in);

	for (size_t i = 0; i < ARRAY_LEN(chunks) * ARRAY_LEN(reads); i++) {
		size_t size = chunks[i / ARRAY_LEN(reads)];
		struct pw *w = setup_world_as(true, NULL, wrap ? NO_TEXT : PLAIN);
		w->read_max = reads[i % ARRAY_LEN(reads)];
		for (size_t at = 0; at < n; at += size) {
			size_t part = n - at < size ? n - at : size;
			memcpy(text, in + at, part), text[part] = '\0';
			pw_feed(w->a,
				"MSRP tid%zu SEND\r\nTo-Path: {A}\r\nFrom-Path: " A_URI
				"\r\nMessage-ID: m1\r\n"
				"Success-Report: yes\r\nByte-Range: %zu-%zu/%zu\r\nContent-Type: %s\r\n\r\n%s\r\n-------tid%zu%c\r\n",
				1000 + at, at + 1, at + part, n, in_type, text, 1000 + at,
				at + part < n ? '+' : '$');
		}
		assert_int_equal(assemble(pw_take(w->b), got, sizeof(got), out_type), strlen(out));
		assert_memory_equal(got, out, strlen(out));
		pw_take(w->a);
		pw_feed(w->b,
			FROM_B("rep1", "REPORT",
			       "Message-ID: m1\r\nByte-Range: 1-%zu/%zu\r\nStatus: 000 200 OK\r\n") "$\r\n",
			strlen(out), strlen(out));
		snprintf(text, sizeof(text), "Byte-Range: 1-%zu/%zu\r\n", n, n);
		assert_non_null(strstr(pw_take(w->a), text));
		pw_finish(w);
	}
}

/* UP-34, UP-32: however it is cut, the other side gets the whole in its own numbers, and its REPORT comes in ours. */
static void content_34_adapted_in_any_cut(void **state)
{
	static const char body[] = "a body of some length, for one that is cut into pieces";

	stream(body, "text/plain", ENVELOPE "a body of some length, for one that is cut into pieces",
	       "message/cpim", true);
	stream(ENVELOPE "a body of some length, for one that is cut into pieces", "message/cpim", body,
	       "text/plain", false);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_34_in_reads_of_any_size),
		cmocka_unit_test(content_34_over_chunks),
		cmocka_unit_test(content_34_begun_again),
		cmocka_unit_test(content_34_unreadable),
		cmocka_unit_test(content_34_gap),
		cmocka_unit_test(content_19_closed),
		cmocka_unit_test(content_13_cut_off),
		cmocka_unit_test(content_34_adapted_in_any_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
