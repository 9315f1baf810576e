/* SPDX-License-Identifier: MIT */
/* Script commands that wait and judge.  Each kind of event has its own order: the next of that kind must be what is
 * expected, so that a wrong answer fails at once and not by time. */
#include <stdlib.h>

#include "ua_cmd.h"

static enum ua_step not_yet(struct ua *ua, const char *what)
{
	if (ua_now_us() < ua->script.until_us)
		return UA_STEP_WAIT;
	return ua_done(ua_fail(ua, "expected %s: nothing came in time", what));
}

static enum ua_step expect_code(struct ua *ua, enum ua_event_kind kind, const char *what, uint64_t code)
{
	struct ua_event *e = ua_event_take(ua, kind);
	/* provisional answers nobody asked about */
	while (e && kind == UA_EV_RESPONSE &&
	       (code >= 200 ? e->status < 200 : e->status == 100 && code != 100)) {
		ua_event_free(e);
		e = ua_event_take(ua, kind);
	}
	if (!e)
		return not_yet(ua, what);
	unsigned got = e->status;
	ua_event_free(e);
	return code == got ? UA_STEP_DONE : ua_done(ua_fail(ua, "expected %s, got %u", what, got));
}

static enum ua_step expect_message(struct ua *ua, const char *type, const char *text)
{
	struct ua_event *e = ua_event_take(ua, UA_EV_MESSAGE);
	if (!e)
		return not_yet(ua, "message");
	bool ok = (!type || strcasecmp(e->what, type) == 0) &&
		  (!text || span_eq(span_of(text), (struct span){ e->body, e->n }));
	int r = ok ? 0
		   : ua_fail(ua, "expected message \"%s\", got %s of %zu bytes: \"%.*s\"", text ? text : type,
			     e->what, e->n, (int)(e->n < 100 ? e->n : 100), e->body ? e->body : "");
	ua_event_free(e);
	return ua_done(r);
}

static enum ua_step expect_file(struct ua *ua, const char *name)
{
	struct ua_event *e = ua_event_take(ua, UA_EV_FILE);
	if (!e)
		return not_yet(ua, "file");
	int r = e->status != 200 ? ua_fail(ua, "file %s is not what was announced", e->what)
		: name && strcmp(e->what, name) != 0 ? ua_fail(ua, "expected file %s, got %s", name, e->what)
						     : 0;
	ua_event_free(e);
	return ua_done(r);
}

static enum ua_step expect_request(struct ua *ua, const char *what)
{
	struct ua_event *e = ua_event_take(ua, UA_EV_REQUEST);
	while (e && strcmp(e->what, "ACK") == 0 && strcasecmp(what, "ack") != 0) {
		ua_event_free(e);
		e = ua_event_take(ua, UA_EV_REQUEST);
	}
	if (!e)
		return not_yet(ua, what);
	int r = strcasecmp(e->what, what) == 0 ? 0 : ua_fail(ua, "expected %s, got %s", what, e->what);
	ua_event_free(e);
	return ua_done(r);
}

enum ua_step ua_cmd_expect(struct ua *ua, int argc, char **argv)
{
	uint64_t n = 0;
	if (argc >= 4 && strcmp(argv[argc - 2], "within") == 0) {
		if (!ua_number(argv[argc - 1], 600000, &n))
			return ua_usage(ua, "expect ... within MILLISECONDS");
		argc -= 2;
	}
	if (argc < 2)
		return ua_usage(ua, "expect WHAT");
	if (!ua->script.until_us)
		ua->script.until_us = ua_now_us() + (n ? n : ua->expect_ms) * US_PER_MS;
	const char *what = argv[1];
	if (strcmp(what, "message") == 0)
		return argc == 4 ? expect_message(ua, argv[2], argv[3])
				 : expect_message(ua, NULL, argc == 3 ? argv[2] : NULL);
	if (strcmp(what, "file") == 0)
		return expect_file(ua, argc == 3 ? argv[2] : NULL);
	if (strcmp(what, "msrp") == 0 || strcmp(what, "report") == 0) {
		bool report = what[0] == 'r';
		if (argc != 3 || !ua_number(argv[2], 999, &n))
			return ua_usage(ua, "expect msrp|report CODE");
		return expect_code(ua, report ? UA_EV_REPORT : UA_EV_RESULT,
				   report ? "report" : "msrp result", n);
	}
	if (ua_number(what, 699, &n))
		return expect_code(ua, UA_EV_RESPONSE, what, n);
	return expect_request(ua, what);
}

enum ua_step ua_cmd_wait(struct ua *ua, int argc, char **argv)
{
	uint64_t n = ua->expect_ms;
	bool sent = argc == 2 && strcmp(argv[1], "sent") == 0;
	if (argc != 2 || (!sent && !ua_number(argv[1], 600000, &n)))
		return ua_usage(ua, "wait MILLISECONDS | wait sent");
	if (!ua->script.until_us)
		ua->script.until_us = ua_now_us() + n * US_PER_MS;
	if (sent && ua_msrp_all_answered(ua))
		return UA_STEP_DONE;
	if (ua_now_us() < ua->script.until_us)
		return UA_STEP_WAIT;
	return sent ? ua_usage(ua, "wait sent: some messages were not answered in time") : UA_STEP_DONE;
}

enum ua_step ua_cmd_check(struct ua *ua, int argc, char **argv)
{
	const struct ua_totals *t = &ua->total;
	uint64_t n;
	if (argc < 2 || strcmp(argv[1], "bytes") != 0)
		return ua_usage(ua, "check bytes [sent=N] [received=N]");
	if (!ua_msrp_all_answered(ua))
		return ua_usage(ua, "check bytes: messages are still on their way");
	for (unsigned i = 0; i < UA_LINES_MAX; i++)
		if (!list_empty(&ua->line[i].in))
			return ua_usage(ua, "check bytes: a message came only in part");
	for (int i = 2; i < argc; i++) {
		const char *sent = ua_value_of(argv[i], "sent"), *got = ua_value_of(argv[i], "received");
		if (!ua_number(sent ? sent : got ? got : "", UINT64_MAX, &n))
			return ua_usage(ua, "check bytes [sent=N] [received=N]");
		if ((sent && n != t->bytes_out) || (got && n != t->bytes_in))
			return ua_done(ua_fail(ua, "check bytes: %llu sent, %llu received",
					       (unsigned long long)t->bytes_out,
					       (unsigned long long)t->bytes_in));
	}
	return UA_STEP_DONE;
}

enum ua_step ua_cmd_print(struct ua *ua, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		ua_note(ua, "-- %s", argv[i]);
	return UA_STEP_DONE;
}
