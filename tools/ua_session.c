/* SPDX-License-Identifier: MIT */
/* Script commands that do something: requests, answers, messages. */
#include <stdlib.h>

#include "ua_cmd.h"

/* ---- the session ---- */

enum ua_step ua_cmd_invite(struct ua *ua, int argc, char **argv)
{
	enum ua_kind kind;
	struct addr at;
	struct ua_media m = { .n = 1 };
	bool offerless = false;
	if (argc < 4 || strcmp(argv[2], "via") != 0)
		return ua_usage(ua, "invite SIP-URI via [udp:|tcp:]HOST:PORT [media options]");
	if (!ua->identity[0])
		return ua_usage(ua, "say `identity` before `invite`");
	if (ua_parse_at(ua, argv[3], &kind, &at) < 0)
		return UA_STEP_FAILED;
	ua_chat_line(ua, &m.line[0]);
	if (ua_media_options(ua, &m, argc - 4, argv + 4, &offerless) < 0)
		return UA_STEP_FAILED;
	struct sip_dest via = { .tp = kind == UA_SIP_TCP ? SIP_TCP : SIP_UDP, .ip = at };
	return ua_done(ua_sip_invite(ua, argv[1], &via, &m, offerless));
}

static enum ua_step modify(struct ua *ua, enum sip_method how, int argc, char **argv)
{
	struct ua_media m = ua->media;
	bool offerless = false;
	for (unsigned i = 0; i < m.n; i++) /* RFC 6135 4.2: an offer leaves the choice, whatever is in use */
		if (m.line[i].on)
			m.line[i].setup = ua->no_setup ? SDP_SETUP_NONE
					  : ua->setup  ? ua->setup
						       : SDP_SETUP_ACTPASS;
	if (ua_media_options(ua, &m, argc - 1, argv + 1, &offerless) < 0)
		return UA_STEP_FAILED;
	return ua_done(ua_sip_modify(ua, how, &m, offerless));
}

enum ua_step ua_cmd_reinvite(struct ua *ua, int argc, char **argv)
{
	return modify(ua, SIP_INVITE, argc, argv);
}

enum ua_step ua_cmd_update(struct ua *ua, int argc, char **argv)
{
	return modify(ua, SIP_UPDATE, argc, argv);
}

enum ua_step ua_cmd_answer(struct ua *ua, int argc, char **argv)
{
	uint64_t n;
	if (argc < 2 || argc > 3 || !ua_number(argv[1], 699, &n) || n < 100)
		return ua_usage(ua, "answer CODE [\"reason phrase\"]");
	return ua_done(ua_sip_answer(ua, (unsigned)n, argc == 3 ? argv[2] : ""));
}

enum ua_step ua_cmd_cancel(struct ua *ua, int argc, char **argv)
{
	(void)argc, (void)argv;
	return ua_done(ua_sip_cancel(ua));
}

enum ua_step ua_cmd_bye(struct ua *ua, int argc, char **argv)
{
	(void)argc, (void)argv;
	return ua_done(ua_sip_request(ua, SIP_BYE, "", ""));
}

enum ua_step ua_cmd_request(struct ua *ua, int argc, char **argv)
{
	enum sip_method m = argc >= 2 ? ua_method_of(argv[1]) : SIP_UNKNOWN;
	if (m == SIP_UNKNOWN || (argc != 2 && argc != 4))
		return ua_usage(ua, "request METHOD [MIME-TYPE \"body\"]");
	return ua_done(ua_sip_request(ua, m, argc == 4 ? argv[2] : "", argc == 4 ? argv[3] : ""));
}

/* ---- messages ---- */

/* line=N as the last word, else the first active line of that kind. */
static int pick_line(const struct ua *ua, int *argc, char **argv, bool file)
{
	const char *v = *argc > 1 ? ua_value_of(argv[*argc - 1], "line") : NULL;
	uint64_t n;
	if (v && ua_number(v, UA_LINES_MAX - 1, &n)) {
		--*argc;
		return (int)n;
	}
	for (unsigned i = 0; i < ua->media.n; i++)
		if (ua->line[i].on && ua->media.line[i].is_file == file)
			return (int)i;
	return -1;
}

enum ua_step ua_cmd_send(struct ua *ua, int argc, char **argv)
{
	int line = pick_line(ua, &argc, argv, false);
	if (argc != 2 && argc != 3)
		return ua_usage(ua, "send [MIME-TYPE] \"text\" [line=N]");
	if (line < 0)
		return ua_usage(ua, "send: no active chat line");
	const char *type = argc == 3 ? argv[1] : "text/plain", *text = argv[argc - 1];
	return ua_done(ua_msrp_send(ua, (unsigned)line, type, text, strlen(text)));
}

enum ua_step ua_cmd_fill(struct ua *ua, int argc, char **argv)
{
	int line = pick_line(ua, &argc, argv, false);
	uint64_t n;
	if (argc != 3 || !ua_number(argv[2], UA_BODY_MAX, &n))
		return ua_usage(ua, "fill MIME-TYPE BYTES [line=N]");
	char *p = malloc(n ? n : 1);
	if (line < 0 || !p) {
		free(p);
		return ua_usage(ua, "fill: no active chat line");
	}
	rng_fill(&ua->rng, p, n);
	int r = ua_msrp_send(ua, (unsigned)line, argv[1], p, n);
	free(p);
	return ua_done(r);
}

enum ua_step ua_cmd_sendfile(struct ua *ua, int argc, char **argv)
{
	char *bytes, want[300];
	size_t n;
	int line = pick_line(ua, &argc, argv, true);
	if (argc != 2)
		return ua_usage(ua, "sendfile PATH [line=N]");
	snprintf(want, sizeof(want), "name:\"%.250s\"", ua_basename(argv[1]));
	for (unsigned i = 0; i < ua->media.n; i++)
		if (ua->line[i].on && strstr(ua->media.line[i].selector, want))
			line = (int)i;
	if (line < 0)
		return ua_usage(ua, "sendfile: no active file line");
	if (ua_read_file(ua, argv[1], &bytes, &n) < 0)
		return UA_STEP_FAILED;
	int r = ua_msrp_send(ua, (unsigned)line, ua_type_of_file(argv[1]), bytes, n);
	free(bytes);
	return ua_done(r);
}
