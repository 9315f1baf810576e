/* SPDX-License-Identifier: MIT */
/* Commands of parley-ua's script, and what they share. */
#ifndef PARLEY_TOOLS_UA_CMD_H
#define PARLEY_TOOLS_UA_CMD_H

#include "ua.h"

typedef enum ua_step ua_command_fn(struct ua *ua, int argc, char **argv);

static inline enum ua_step ua_done(int r)
{
	return r < 0 ? UA_STEP_FAILED : UA_STEP_DONE;
}

static inline enum ua_step ua_usage(struct ua *ua, const char *what)
{
	return ua_done(ua_fail(ua, "%s", what));
}

/* "key=value": the value, or NULL. */
const char *ua_value_of(const char *word, const char *key);
bool ua_number(const char *word, uint64_t max, uint64_t *out);
void ua_set(char *to, size_t cap, const char *from);
enum sip_method ua_method_of(const char *word); /* any case */
/* "udp:127.0.0.1:5070", a host name too; udp when nothing is said.  0, or -1 with ua->why. */
int ua_parse_at(struct ua *ua, const char *word, enum ua_kind *kind, struct addr *at);
int ua_read_file(struct ua *ua, const char *path, char **out, size_t *n); /* the whole of it, malloc'd */
const char *ua_type_of_file(const char *path);
/* Changes to m as the words say. */
int ua_media_options(struct ua *ua, struct ua_media *m, int argc, char **argv, bool *offerless);
void ua_chat_line(struct ua *ua, struct ua_desc *d); /* a fresh one, by policy */

/* ua_policy.c, ua_session.c, ua_expect.c */
ua_command_fn ua_cmd_name, ua_cmd_identity, ua_cmd_listen, ua_cmd_header, ua_cmd_save, ua_cmd_policy,
	ua_cmd_on, ua_cmd_timeout, ua_cmd_invite, ua_cmd_reinvite, ua_cmd_update, ua_cmd_answer,
	ua_cmd_cancel, ua_cmd_bye, ua_cmd_request, ua_cmd_send, ua_cmd_fill, ua_cmd_sendfile, ua_cmd_expect,
	ua_cmd_wait, ua_cmd_check, ua_cmd_print;

#endif
