/* SPDX-License-Identifier: MIT */
/*
 * PARSE-16: the cases of RFC 4475 and RFC 5118.  torture/ holds messages of our own, one file per case, and
 * verdicts.tsv what must become of each; this test asks the parser alone.  Where the RFCs' own
 * messages lie beside the source tree they are run, too.
 */
#include "lib/check.h"

#include "base/addr.h"
#include "sip/body.h"
#include "sip/build.h"

#include <errno.h>
#include <stdio.h>

enum { CASES_MAX = 256, FIELDS = 6 };
enum { FILE_NAME, SECTION, CLASS, ANSWERS, PARSE, WHAT };

struct row {
	const char *dir;
	char *line;
	char *field[FIELDS]; /* into line; the raw messages' table has no PARSE, and WHAT is empty */
};

static char *file_read(const char *dir, const char *name, size_t *n)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "rb");
	if (!f)
		return NULL;
	char *text = malloc(2 * SIP_MSG_MAX);
	*n = fread(text, 1, 2 * SIP_MSG_MAX, f);
	fclose(f);
	/* Exactly as large as it is, so that reading past the end is noticed. */
	return realloc(text, *n ? *n : 1);
}

static bool answer_listed(const char *answers, int status)
{
	char code[8];

	snprintf(code, sizeof(code), "%d", status);
	return strstr(answers, code) && answers[0] != '!';
}

/* The table of the raw messages does not say what the parser alone has to find. */
static bool fits_answers(const struct row *r, int got)
{
	if (strcmp(r->field[CLASS], "drop") == 0)
		return got <= 0;
	if (strcmp(r->field[ANSWERS], "400") == 0 || strcmp(r->field[ANSWERS], "505") == 0)
		return got == atoi(r->field[ANSWERS]);
	if (strcmp(r->field[CLASS], "liberal") == 0)
		return got >= 0;
	return got == 0 || answer_listed(r->field[ANSWERS], got);
}

static bool fits_parse(const char *want, int got)
{
	if (strcmp(want, "ok") == 0)
		return got == 0;
	return strcmp(want, "drop") == 0 ? got == -EBADMSG : got == atoi(want);
}

/* Whatever can be answered gives an answer that can be read, to the same transaction. */
static void check_reply(const struct sip_msg *m, int status)
{
	static char text[2 * SIP_MSG_MAX];
	struct wbuf w = wbuf_on(text, sizeof(text));
	struct sip_msg reply;
	struct addr src;

	assert_true(addr_parse(&src, SPAN("198.51.100.77"), 5060));
	w_reply(&w, m, &src, (unsigned)status, span_of(m->fault), SPAN("t"));
	w_end(&w, SPAN_EMPTY, SPAN_EMPTY);
	assert_true(w_ok(&w));
	if (m->fault)
		return;
	assert_int_equal(sip_msg_parse(&reply, w_span_of(&w), true), 0);
	assert_true(span_eq(reply.via.branch, m->via.branch));
	assert_true(span_eq(reply.call_id, m->call_id));
	assert_true(span_eq(reply.from_tag, m->from_tag));
}

static void torture(void **state)
{
	const struct row *r = *state;
	struct sip_msg m;
	struct sip_body b;
	const char *fault = "";
	size_t n = 0;

	char *text = file_read(r->dir, r->field[FILE_NAME], &n);
	assert_non_null(text);
	int got = sip_msg_parse(&m, (struct span){ text, n }, false);
	bool ours = r->field[WHAT] && r->field[WHAT][0];
	if (!(ours ? fits_parse(r->field[PARSE], got) : fits_answers(r, got)))
		fail_msg("%s: got %d %s", r->field[FILE_NAME], got, m.fault ? m.fault : "");
	if (got >= 0 && m.answerable)
		check_reply(&m, got ? got : 200);
	if (got == 0) {
		struct sip_msg *copy = sip_msg_dup(NULL, &m);
		assert_non_null(copy);
		assert_true(span_eq(copy->raw, m.raw));
		assert_int_equal(copy->n_hdr, m.n_hdr);
		free(copy);
		got = sip_body_parse(&b, &m, &fault);
		assert_true(got == 0 || got == 400 || got == 415);
	}
	free(text);
}

/* Fills one test per line of dir's table; returns how many. */
static size_t table_read(const char *dir, struct row *rows, struct CMUnitTest *tests)
{
	char path[1024], *line = NULL;
	size_t cap = 0, n_rows = 0;

	snprintf(path, sizeof(path), "%s/verdicts.tsv", dir);
	FILE *f = fopen(path, "r");
	while (f && n_rows < CASES_MAX && getline(&line, &cap, f) > 0) {
		struct row *r = &rows[n_rows];
		if (line[0] == '#')
			continue;
		*r = (struct row){ .dir = dir, .line = strdup(line) };
		char *rest = r->line;
		for (int i = 0; i < FIELDS; i++)
			r->field[i] = strsep(&rest, "\t\n");
		tests[n_rows++] = (struct CMUnitTest){ r->field[FILE_NAME], torture, NULL, NULL, r };
	}
	free(line);
	if (f)
		fclose(f);
	return n_rows;
}

int main(void)
{
	static struct row rows[2 * CASES_MAX];
	static struct CMUnitTest tests[2 * CASES_MAX];

	size_t ours = table_read(TORTURE_DIR, rows, tests);
	if (ours == 0)
		return 1;
	size_t n = ours + table_read(RAW_DIR, rows + ours, tests + ours);
	if (n == ours)
		fprintf(stderr, "# the RFCs' own messages are not here: only ours are run\n");
	int r = _cmocka_run_group_tests("torture", tests, n, NULL, NULL);
	for (size_t i = 0; i < n; i++)
		free(rows[i].line);
	return r;
}
