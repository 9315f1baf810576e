/* SPDX-License-Identifier: MIT */
/* A run as a ladder: expected beside what happened, and the messages in full where they part. */
#include <stdio.h>
#include <stdlib.h>

#include "run.h"

enum { COLUMN = 76, ROWS_SHOWN = 40 };

void row_add(struct run *r, const char *want, const char *got, bool bad)
{
	if (r->n_row == ROWS_MAX)
		return;
	struct row *row = &r->row[r->n_row++];
	row->want = strdup(want);
	row->got = strdup(got);
	row->bad = bad;
	if (r->verbose)
		printf("%s\n", *got ? got : want);
}

void emit_text(const struct emit *e, char *out, size_t cap)
{
	const char *peer = e->peer ? e->peer->p.name : "nobody";
	int n = snprintf(out, cap, "%.3f as %s %s ", (double)e->at_us / 1e6, e->msrp ? ">>" : ">", peer);
	if (e->msrp) {
		media_text(e, out + n, cap - (size_t)n);
		return;
	}
	if (e->m.request)
		n += snprintf(out + n, cap - (size_t)n, "%" SPAN_FMT, SPAN_ARG(e->m.method));
	else
		n += snprintf(out + n, cap - (size_t)n, "%u %" SPAN_FMT, e->m.status, SPAN_ARG(e->m.method));
	if (e->d && strcmp(e->d->name, "1") != 0)
		n += snprintf(out + n, cap - (size_t)n, " dlg=%s", e->d->name);
	if (e->again)
		n += snprintf(out + n, cap - (size_t)n, " again");
	if (e->m.body.n)
		snprintf(out + n, cap - (size_t)n, " (body)");
}

static void column(const char *s)
{
	size_t n = strlen(s);
	printf("%-*.*s", COLUMN, COLUMN, s);
	if (n > COLUMN)
		printf("~");
}

void report(const struct run *r, const struct emit *wrong)
{
	unsigned from = r->n_row > ROWS_SHOWN ? r->n_row - ROWS_SHOWN : 0;
	if (r->torture)
		return;
	printf("\n  ");
	column("expected"), printf("  what happened\n");
	for (unsigned i = from; i < r->n_row; i++) {
		printf("%s ", r->row[i].bad ? "!" : " ");
		column(r->row[i].want);
		printf("  %s\n", r->row[i].got);
	}
	printf("\n%s\n", r->why);
	if (wrong && wrong->raw)
		printf("\n---- the message\n%.*s\n----\n", (int)wrong->n, wrong->raw);
	for (unsigned i = r->first_emit; i < r->n_emit; i++) {
		char text[400];
		if (r->emit[i].matched || &r->emit[i] == wrong)
			continue;
		emit_text(&r->emit[i], text, sizeof(text));
		printf("also sent: %s\n", text);
	}
	unsigned n = r->n_log < LOG_KEPT ? r->n_log : LOG_KEPT;
	printf("---- last log lines\n");
	for (unsigned i = r->n_log - n; i < r->n_log; i++)
		printf("%s\n", r->log[i % LOG_KEPT]);
}
