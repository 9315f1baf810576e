/* SPDX-License-Identifier: MIT */
/*
 * The script of parley-ua: a command a line, from a file or stdin.  A command either is done at once or waits (expect,
 * wait) while the loop turns.  The table is also the help text.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "ua_cmd.h"

static const struct command {
	const char *name;
	ua_command_fn *fn;
	const char *help;
} commands[] = {
	{ "name", ua_cmd_name, "name SELF [PEER]               how the ladder calls us and the other side" },
	{ "identity", ua_cmd_identity,
	  "identity SIP-URI               From and P-Asserted-Identity of our INVITE" },
	{ "listen", ua_cmd_listen,
	  "listen udp:H:P tcp:H:P msrp:H:P msrps:H:P ...   where we are reached; IPv6 as [::1]" },
	{ "header", ua_cmd_header, "header \"Name: value\" | clear   a line for every request from here on" },
	{ "save", ua_cmd_save, "save DIRECTORY                 keep received files there" },
	{ "timeout", ua_cmd_timeout, "timeout MS                     how long `expect` waits (30000)" },
	{ "policy", ua_cmd_policy,
	  "policy WORD ...                update | no-update, setup=active|passive|actpass|none,\n"
	  "                               accept-types=\"...\", wrapped-types=\"...\", max-size=N, chunk=BYTES,\n"
	  "                               success-report=yes|no, failure-report=yes|no|partial, msrp=CODE (what a\n"
	  "                               SEND with a body is answered)" },
	{ "on", ua_cmd_on,
	  "on METHOD|reinvite RULE        answer with a code, `hold` (for `answer`), `silence`, or as `usual`:\n"
	  "                               the first INVITE is held, everything else is answered 200" },
	{ "invite", ua_cmd_invite, "invite SIP-URI via [udp:|tcp:]H:P [MEDIA]   start the session" },
	{ "answer", ua_cmd_answer, "answer CODE [\"reason\"]         answer the request that is held" },
	{ "reinvite", ua_cmd_reinvite, "reinvite [MEDIA]               modify the session by re-INVITE" },
	{ "update", ua_cmd_update,
	  "update [MEDIA]                 modify it by UPDATE\n"
	  "                               MEDIA: +file PATH, -file, +chat, offerless, and for all chat lines or\n"
	  "                               for the one after line=N: accept-types=\"...\", wrapped-types=\"...\",\n"
	  "                               max-size=N, direction=sendonly|recvonly|inactive|sendrecv, newpath, off,\n"
	  "                               proto=P, media=M, port=N, extra=\"a=...\"" },
	{ "cancel", ua_cmd_cancel, "cancel                         CANCEL our open INVITE" },
	{ "request", ua_cmd_request, "request METHOD [TYPE \"body\"]   any other request inside the dialog" },
	{ "bye", ua_cmd_bye, "bye                            end the session" },
	{ "send", ua_cmd_send, "send [TYPE] \"text\" [line=N]    an MSRP message (text/plain)" },
	{ "fill", ua_cmd_fill, "fill TYPE BYTES [line=N]       an MSRP message of so many random bytes" },
	{ "sendfile", ua_cmd_sendfile, "sendfile PATH [line=N]         the file, on its line" },
	{ "expect", ua_cmd_expect,
	  "expect WHAT [within MS]        wait for the next of its kind and fail when it is another:\n"
	  "                               a status code; invite, reinvite, update, ack, bye, cancel, info ...;\n"
	  "                               message [[TYPE] \"text\"]; file [NAME]; msrp CODE (the fate of a message\n"
	  "                               we sent); report CODE" },
	{ "wait", ua_cmd_wait,
	  "wait MS | wait sent            let time pass; until all our messages are answered" },
	{ "check", ua_cmd_check,
	  "check bytes [sent=N] [received=N]   nothing is on its way, nothing came in part" },
	{ "print", ua_cmd_print, "print \"text\"                   a remark in the ladder" },
};

void ua_script_help(FILE *f)
{
	for (unsigned i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(f, "  %s\n", commands[i].help);
}

/* ---- reading ---- */

void ua_script_read(struct ua *ua)
{
	struct ua_script *s = &ua->script;
	char buf[4096];
	ssize_t n = read(s->fd, buf, sizeof(buf));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		s->eof = true;
		return;
	}
	char *p = realloc(s->text, s->n + (size_t)n);
	if (!p) {
		s->eof = true;
		return;
	}
	s->text = p;
	memcpy(p + s->n, buf, (size_t)n);
	s->n += (size_t)n;
}

/* A variable's value in place of $NAME; *from is moved behind it. */
static int put_variable(struct ua *ua, const char **from, struct wbuf *w)
{
	char name[32];
	size_t n = 0;
	bool brace = **from == '{';
	*from += brace;
	while ((**from >= 'A' && **from <= 'Z') || (**from >= '0' && **from <= '9') || **from == '_') {
		if (n < sizeof(name) - 1)
			name[n++] = **from;
		++*from;
	}
	name[n] = 0;
	if (brace && *(*from)++ != '}')
		return ua_fail(ua, "${%s is not closed", name);
	const char *v = ua_var_get(ua, name);
	if (!v)
		return ua_fail(ua, "$%s is not set (-D %s=...)", name, name);
	w_str(w, v);
	return 0;
}

/* One word at *from into w; quotes may begin anywhere in it. */
static int put_word(struct ua *ua, const char **from, struct wbuf *w)
{
	bool quoted = false;
	while (**from && (quoted || !span_is_lws(**from))) {
		char c = *(*from)++;
		if (c == '"') {
			quoted = !quoted;
		} else if (c == '\\' && quoted && **from) {
			c = *(*from)++;
			w_chr(w, c == 'n' ? '\n' : c == 'r' ? '\r' : c);
		} else if (c == '$') {
			if (put_variable(ua, from, w) < 0)
				return -1;
		} else {
			w_chr(w, c);
		}
	}
	w_chr(w, 0);
	return quoted ? ua_fail(ua, "a quote is not closed") : 0;
}

/* Words of a line into argv; # begins a comment. */
static int cut_words(struct ua *ua, const char *line)
{
	struct ua_script *s = &ua->script;
	struct wbuf w = wbuf_on(s->words, sizeof(s->words));
	s->argc = 0;
	for (;;) {
		while (span_is_lws(*line))
			line++;
		if (!*line || *line == '#')
			return 0;
		if (s->argc == UA_WORDS_MAX)
			return ua_fail(ua, "more than %d words", UA_WORDS_MAX);
		s->argv[s->argc++] = s->words + w.n;
		if (put_word(ua, &line, &w) < 0)
			return -1;
		if (!w_ok(&w))
			return ua_fail(ua, "the line is too long");
	}
}

/* The next line, cut: 1, 0 when there is none yet, -1. */
static int next_line(struct ua *ua)
{
	struct ua_script *s = &ua->script;
	struct span rest = { s->text + s->at, s->n - s->at };
	size_t eol = span_chr(rest, '\n');
	char line[UA_LINE_MAX];
	if (eol == SPAN_NONE && (!s->eof || rest.n == 0))
		return 0;
	struct span l = span_cut(rest, 0, eol);
	s->at += l.n + (eol != SPAN_NONE);
	s->line++;
	if (l.n >= sizeof(line))
		return ua_fail(ua, "the line is too long");
	if (l.n)
		memcpy(line, l.p, l.n);
	line[l.n] = 0;
	return cut_words(ua, line) < 0 ? -1 : 1;
}

static enum ua_step run_command(struct ua *ua)
{
	struct ua_script *s = &ua->script;
	for (unsigned i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, s->argv[0]) == 0)
			return commands[i].fn(ua, s->argc, s->argv);
	return ua_done(ua_fail(ua, "no command '%s' (see --help)", s->argv[0]));
}

/* Goes on with the script: AGAIN after a command, WAIT while there is nothing to do. */
enum ua_step ua_script_step(struct ua *ua)
{
	struct ua_script *s = &ua->script;
	if (!s->waiting) {
		int r = next_line(ua);
		if (r < 0)
			return UA_STEP_FAILED;
		if (r == 0)
			return s->eof ? UA_STEP_DONE : UA_STEP_WAIT;
		if (s->argc == 0)
			return UA_STEP_AGAIN;
		s->until_us = 0;
	}
	enum ua_step step = run_command(ua);
	s->waiting = step == UA_STEP_WAIT;
	return step == UA_STEP_DONE ? UA_STEP_AGAIN : step;
}
