/* SPDX-License-Identifier: MIT */
/* Script commands that say who we are, where we are reached and how we behave. */
#include <stdlib.h>

#include "ua_cmd.h"

/* "key=value": the value, or NULL. */
const char *ua_value_of(const char *word, const char *key)
{
	size_t n = strlen(key);
	return strncmp(word, key, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

bool ua_number(const char *word, uint64_t max, uint64_t *out)
{
	return span_u64(span_of(word), max, out) == 0;
}

void ua_set(char *to, size_t cap, const char *from)
{
	snprintf(to, cap, "%s", from);
}

enum sip_method ua_method_of(const char *word)
{
	char up[24];
	size_t n = 0;
	for (; word[n] && n < sizeof(up) - 1; n++)
		up[n] = (char)(word[n] >= 'a' && word[n] <= 'z' ? word[n] - 32 : word[n]);
	return sip_method_of((struct span){ up, n });
}

/* ---- who and where ---- */

enum ua_step ua_cmd_name(struct ua *ua, int argc, char **argv)
{
	if (argc < 2 || argc > 3)
		return ua_usage(ua, "name SELF [PEER]");
	ua_set(ua->name, sizeof(ua->name), argv[1]);
	if (argc == 3)
		ua_set(ua->peer, sizeof(ua->peer), argv[2]);
	return UA_STEP_DONE;
}

enum ua_step ua_cmd_identity(struct ua *ua, int argc, char **argv)
{
	if (argc != 2 || strncmp(argv[1], "sip", 3) != 0)
		return ua_usage(ua, "identity SIP-URI");
	ua_set(ua->identity, sizeof(ua->identity), argv[1]);
	return UA_STEP_DONE;
}

/* "udp:127.0.0.1:5070": its transport is cut off, the rest parsed. */
int ua_parse_at(struct ua *ua, const char *word, enum ua_kind *kind, struct addr *at)
{
	struct span rest = span_of(word), tp = SPAN("udp");
	size_t colon = span_chr(rest, ':');
	if (colon != SPAN_NONE && colon < 6 && rest.p[0] != '[')
		tp = span_split(&rest, ':');
	*kind = span_eq(tp, SPAN("udp"))     ? UA_SIP_UDP
		: span_eq(tp, SPAN("tcp"))   ? UA_SIP_TCP
		: span_eq(tp, SPAN("msrps")) ? UA_MSRPS
					     : UA_MSRP;
	if (*kind == UA_MSRP && !span_eq(tp, SPAN("msrp")))
		return ua_fail(ua, "%s: udp, tcp, msrp or msrps", word);
	if (addr_parse_port(at, rest))
		return 0;
	struct span host = rest, port = rest;
	for (size_t i = rest.n; i > 0; i--)
		if (rest.p[i - 1] == ':') {
			host = span_cut(rest, 0, i - 1);
			port = span_skip(rest, i);
			break;
		}
	uint64_t no;
	if (span_u64(port, 65535, &no) < 0)
		return ua_fail(ua, "%s: no port in it", word);
	if (host.n == port.n) /* a port alone */
		host = SPAN("127.0.0.1");
	return ua_resolve(host, (uint16_t)no, at) ? 0 : ua_fail(ua, "%s: no such host", word);
}

enum ua_step ua_cmd_listen(struct ua *ua, int argc, char **argv)
{
	if (argc < 2)
		return ua_usage(ua, "listen udp:HOST:PORT tcp:HOST:PORT msrp:HOST:PORT msrps:HOST:PORT ...");
	for (int i = 1; i < argc; i++) {
		enum ua_kind kind;
		struct addr at;
		if (ua_parse_at(ua, argv[i], &kind, &at) < 0)
			return UA_STEP_FAILED;
		int r = ua_listen_add(ua, kind, &at);
		if (r < 0)
			return ua_done(ua_fail(ua, "%s: %s", argv[i], strerror(-r)));
	}
	return UA_STEP_DONE;
}

enum ua_step ua_cmd_header(struct ua *ua, int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "clear") == 0) {
		ua->extra[0] = 0;
		return UA_STEP_DONE;
	}
	size_t n = strlen(ua->extra);
	if (argc != 2 || !strchr(argv[1], ':') || n + strlen(argv[1]) + 3 > sizeof(ua->extra))
		return ua_usage(ua, "header \"Name: value\" | header clear");
	snprintf(ua->extra + n, sizeof(ua->extra) - n, "%s\r\n", argv[1]);
	return UA_STEP_DONE;
}

enum ua_step ua_cmd_save(struct ua *ua, int argc, char **argv)
{
	if (argc != 2)
		return ua_usage(ua, "save DIRECTORY");
	ua_set(ua->save_dir, sizeof(ua->save_dir), argv[1]);
	return UA_STEP_DONE;
}

/* ---- policy ---- */

static int policy_setup(struct ua *ua, const char *v)
{
	ua->no_setup = strcmp(v, "none") == 0;
	ua->setup = strcmp(v, "active") == 0    ? SDP_SETUP_ACTIVE
		    : strcmp(v, "passive") == 0 ? SDP_SETUP_PASSIVE
						: SDP_SETUP_NONE;
	return ua->no_setup || ua->setup != SDP_SETUP_NONE || strcmp(v, "actpass") == 0
		       ? 0
		       : ua_fail(ua, "setup=%s: active, passive, actpass or none", v);
}

static int policy_failure(struct ua *ua, const char *v)
{
	static const char *const known[] = { "yes", "no", "partial" };
	for (unsigned i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(v, known[i]) == 0) {
			ua->failure_report = known[i];
			return 0;
		}
	return ua_fail(ua, "failure-report=%s: yes, no or partial", v);
}

static int policy_one(struct ua *ua, const char *word)
{
	const char *v;
	uint64_t n;
	if (strcmp(word, "update") == 0 || strcmp(word, "no-update") == 0) {
		ua->allow_update = word[0] == 'u';
		return 0;
	}
	if ((v = ua_value_of(word, "setup")))
		return policy_setup(ua, v);
	if ((v = ua_value_of(word, "failure-report")))
		return policy_failure(ua, v);
	if ((v = ua_value_of(word, "success-report"))) {
		ua->report_success = strcmp(v, "yes") == 0;
		return 0;
	}
	if ((v = ua_value_of(word, "chunk")) && ua_number(v, UA_BODY_MAX, &n) && n > 0) {
		ua->chunk = (size_t)n;
		return 0;
	}
	if ((v = ua_value_of(word, "accept-types"))) {
		ua_set(ua->accept_types, sizeof(ua->accept_types), v);
		return 0;
	}
	if ((v = ua_value_of(word, "wrapped-types"))) {
		ua_set(ua->wrapped_types, sizeof(ua->wrapped_types), v);
		return 0;
	}
	if ((v = ua_value_of(word, "max-size")) && ua_number(v, UINT64_MAX, &ua->max_size))
		return 0;
	if ((v = ua_value_of(word, "msrp")) && ua_number(v, 699, &n) && n >= 200) {
		ua->msrp_status = (unsigned)n;
		return 0;
	}
	return ua_fail(ua, "no such policy: %s", word);
}

enum ua_step ua_cmd_policy(struct ua *ua, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (policy_one(ua, argv[i]) < 0)
			return UA_STEP_FAILED;
	return argc > 1 ? UA_STEP_DONE : ua_usage(ua, "policy WORD ...");
}

enum ua_step ua_cmd_on(struct ua *ua, int argc, char **argv)
{
	uint64_t n = 0;
	if (argc != 3)
		return ua_usage(ua, "on METHOD|reinvite CODE|hold|silence|usual");
	int rule = strcmp(argv[2], "hold") == 0      ? UA_AUTO_HOLD
		   : strcmp(argv[2], "silence") == 0 ? UA_AUTO_SILENT
						     : 0;
	if (!rule && strcmp(argv[2], "usual") != 0) {
		if (!ua_number(argv[2], 699, &n) || n < 200)
			return ua_usage(ua, "on: a code is 200 to 699");
		rule = (int)n;
	}
	enum sip_method m = ua_method_of(argv[1]);
	if (strcmp(argv[1], "reinvite") == 0)
		ua->on_reinvite = rule;
	else if (m != SIP_UNKNOWN)
		ua->on[m] = rule;
	else
		return ua_done(ua_fail(ua, "on: no method %s", argv[1]));
	return UA_STEP_DONE;
}

enum ua_step ua_cmd_timeout(struct ua *ua, int argc, char **argv)
{
	uint64_t n;
	if (argc != 2 || !ua_number(argv[1], 600000, &n))
		return ua_usage(ua, "timeout MILLISECONDS");
	ua->expect_ms = (uint32_t)n;
	return UA_STEP_DONE;
}
