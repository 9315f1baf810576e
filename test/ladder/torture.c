/* SPDX-License-Identifier: MIT */
/*
 * Raw messages of others against a table of accepted answers: file, section, class, answers, remark; tab-separated.
 * Each meets a fresh server, alone.  Answers: a list of codes; "!400" any but 400, or none; "!none" any; "-" none.
 * Passing the request on counts as its 100.
 */
#include <stdio.h>
#include <stdlib.h>

#include "run.h"

static char *slurp(const char *dir, const char *name, size_t *n)
{
	char path[1024];
	char *p = malloc(1 << 17);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "rb");
	if (f == NULL || p == NULL) {
		free(p);
		return NULL;
	}
	*n = fread(p, 1, 1 << 17, f);
	fclose(f);
	return p;
}

/* The decisive answer: the first final, else 100, else 0. */
static unsigned answer(const struct run *r)
{
	unsigned status = 0;
	for (unsigned i = 0; i < r->n_emit; i++) {
		const struct emit *e = &r->emit[i];
		if (e->msrp || e->m.request)
			continue;
		if (e->m.status >= 200)
			return e->m.status;
		status = e->m.status;
	}
	return status;
}

static bool accepted(const char *class, const char *answers, unsigned got)
{
	char list[200], *save = NULL;
	if (strcmp(answers, "-") == 0 || strcmp(class, "drop") == 0)
		return got == 0;
	snprintf(list, sizeof(list), "%s", answers);
	for (char *w = strtok_r(list, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		if (strcmp(w, "!none") == 0 && got != 0)
			return true;
		if (w[0] == '!' && w[1] >= '0' && w[1] <= '9' && got != (unsigned)atoi(w + 1))
			return true;
		if (w[0] >= '1' && w[0] <= '9' && got == (unsigned)atoi(w))
			return true;
	}
	return false;
}

static unsigned ask(struct span bytes, const char *transport, bool *complete)
{
	struct run *r = calloc(1, sizeof(*r));
	struct sip_src src = { .tp = SIP_UDP };
	if (r == NULL)
		abort();
	r->torture = true;
	run_world_init(r, 1);
	if (!world_start(&r->w))
		abort();
	addr_parse(&src.ip, SPAN("192.0.2.10"), 5060);
	*complete = true;
	if (strcmp(transport, "tcp") == 0) {
		src.tp = SIP_TCP;
		src.conn = 7;
		unsigned before = r->n_emit;
		world_sip_stream(&r->w, &src, bytes);
		*complete = r->n_emit != before;
	} else {
		world_sip_in(&r->w, &src, bytes);
	}
	world_run(&r->w, 300000);
	im_check(r->w.im);
	unsigned got = answer(r);
	world_run(&r->w, 400 * US_PER_S); /* whatever it began must end */
	if (!im_idle(r->w.im))
		got = 999;
	world_finish(&r->w);
	for (unsigned i = 0; i < r->n_emit; i++)
		free(r->emit[i].raw);
	for (unsigned i = 0; i < LOG_KEPT; i++)
		free(r->log[i]);
	free(r->emit);
	free(r);
	return got;
}

static bool no_length(struct span text)
{
	return span_find(text, SPAN("Content-Length")) == SPAN_NONE &&
	       span_find(text, SPAN("\nl")) == SPAN_NONE;
}

int torture(const char *dir, const char *table, const char *transport)
{
	FILE *f = fopen(table, "r");
	char line[1024];
	unsigned bad = 0, n = 0;
	if (f == NULL)
		return 77;
	while (fgets(line, sizeof(line), f)) {
		char *field[4], *save = NULL, *p = line;
		unsigned k = 0;
		if (line[0] == '#' || line[0] == '\n')
			continue;
		while (k < 4 && (field[k] = strtok_r(p, "\t", &save)) != NULL)
			k++, p = NULL;
		size_t size;
		char *text = k == 4 ? slurp(dir, field[0], &size) : NULL;
		if (text == NULL) {
			printf("FAIL %s: cannot be read\n", line);
			bad++;
			continue;
		}
		bool complete, datagram = save && strstr(save, "(UDP)");
		unsigned got = ask((struct span){ text, size }, transport, &complete);
		bool ok = accepted(field[2], field[3], got);
		if (strcmp(transport, "tcp") == 0 && (datagram || !complete))
			ok = got != 999; /* a stream would wait for more, or see another message */
		if (strcmp(transport, "tcp") == 0 && got == 400 && no_length((struct span){ text, size }))
			ok = true; /* on a stream it is mandatory (PARSE-1) */
		n++;
		bad += !ok;
		if (!ok)
			printf("FAIL %s %s: %u, accepted: %s\n", transport, field[0], got, field[3]);
		free(text);
	}
	fclose(f);
	printf("torture over %s: %u messages, %u wrong\n", transport, n, bad);
	return bad != 0;
}
