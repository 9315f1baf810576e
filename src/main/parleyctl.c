/* SPDX-License-Identifier: MIT */
/*
 * parleyctl: what an operator asks a running parleyd, over its management address: which sessions there are, what one
 * of them is doing, the counters.  It only reads; everything it prints comes from the HTTP API, so that curl and jq
 * can do the same.
 */
#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/span.h"

struct page {
	char *p;
	size_t n;
	long status;
};

static const char usage_text[] =
	"usage: parleyctl [-s URL] COMMAND\n"
	"\n"
	"  sessions          the live sessions, one line each\n"
	"  session ID        everything about one session\n"
	"  registrations     the users the core says are registered, as JSON\n"
	"  metrics [PREFIX]  counters and gauges, all or those whose name begins so\n"
	"  health            exit status 0 when the server answers\n"
	"\n"
	"  -s URL            management address of the server (mgmt.listen); default http://127.0.0.1:8060\n"
	"  -j                sessions, session: print the JSON as it came\n"
	"  -h, --help        this text\n";

static size_t on_data(char *data, size_t size, size_t n, void *user)
{
	enum { PAGE_MAX = 256 << 20 };
	struct page *page = user;
	size_t got = size * n;
	char *p = page->n + got <= PAGE_MAX ? realloc(page->p, page->n + got + 1) : NULL;

	if (!p)
		return 0; /* curl then reports a write error */
	memcpy(p + page->n, data, got);
	page->p = p;
	page->n += got;
	p[page->n] = '\0';
	return got;
}

/* 0, or -1 after one line on stderr that says what to do. */
static int fetch(const char *server, const char *path, struct page *page)
{
	char url[512], fault[CURL_ERROR_SIZE] = "";
	CURL *c = curl_easy_init();
	CURLcode r;

	snprintf(url, sizeof(url), "%s%s", server, path);
	if (!c)
		return -1;
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, page);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, fault);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, 10L);
	curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	r = curl_easy_perform(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &page->status);
	curl_easy_cleanup(c);
	if (r != CURLE_OK) {
		fprintf(stderr,
			"parleyctl: %s: %s; is parleyd running with mgmt.listen set? (-s names its address)\n",
			url, fault[0] ? fault : curl_easy_strerror(r));
		return -1;
	}
	if (page->status != 200) {
		fprintf(stderr, "parleyctl: %s: the server answered %ld: %.200s\n", url, page->status,
			page->p ? page->p : "");
		return -1;
	}
	return 0;
}

/* A field as text, whatever its JSON type. */
static const char *field(const json_t *o, const char *name, char buf[32])
{
	const json_t *v = json_object_get(o, name);
	if (json_is_string(v))
		return json_string_value(v);
	if (json_is_boolean(v))
		return json_is_true(v) ? "yes" : "no";
	if (json_is_number(v))
		snprintf(buf, 32, "%.0f", json_number_value(v));
	else
		snprintf(buf, 32, "-");
	return buf;
}

/* Under a session, its files (RFC 5547). */
static void print_files(const json_t *session)
{
	const json_t *l;
	size_t i;

	json_array_foreach(json_object_get(session, "lines"), i, l)
	{
		const json_t *f = json_object_get(l, "file");
		char line[32], bytes[32], size[32], other[32];
		if (f)
			printf("       line %s: %s of %s bytes, %s, file %s\n", field(l, "line", line),
			       field(f, "bytes", bytes), field(f, "size", size), field(f, "state", other),
			       field(f, "transfer_id", other));
	}
}

static int print_sessions(const struct page *page)
{
	static const struct {
		const char *name, *title;
		int width;
	} col[] = { { "id", "ID", 6 },       { "state", "STATE", 7 },           { "class", "CLASS", 14 },
		    { "case", "CASE", 12 },  { "modifications", "CHANGES", 8 }, { "refused", "REFUSED", 8 },
		    { "locked", "BUSY", 5 }, { "served_user", "USER", 0 } };
	json_error_t fault;
	json_t *root = json_loads(page->p ? page->p : "", 0, &fault);
	json_t *list = json_is_array(root) ? root : json_object_get(root, "sessions");
	json_t *s;
	size_t i;

	if (!json_is_array(list)) {
		fprintf(stderr, "parleyctl: that is not a list of sessions (%s)\n", fault.text);
		json_decref(root);
		return 1;
	}
	for (size_t k = 0; k < ARRAY_LEN(col); k++)
		printf("%-*s ", col[k].width, col[k].title);
	putchar('\n');
	json_array_foreach(list, i, s)
	{
		char buf[32];
		for (size_t k = 0; k < ARRAY_LEN(col); k++)
			printf("%-*s ", col[k].width, field(s, col[k].name, buf));
		putchar('\n');
		print_files(s);
	}
	json_decref(root);
	return 0;
}

static int print_json(const struct page *page)
{
	json_error_t fault;
	json_t *root = json_loads(page->p ? page->p : "", 0, &fault);

	if (!root) {
		fprintf(stderr, "parleyctl: the answer is not JSON: %s\n", fault.text);
		return 1;
	}
	json_dumpf(root, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(root);
	return 0;
}

static int print_metrics(const struct page *page, const char *prefix)
{
	struct span rest = { page->p, page->n };
	bool any = false;

	while (rest.n) {
		struct span line = span_split(&rest, '\n');
		if (!line.n || line.p[0] == '#' ||
		    (!span_starts(line, span_of(prefix)) &&
		     !span_starts(span_skip(line, 7), span_of(prefix))))
			continue;
		printf("%" SPAN_FMT "\n", SPAN_ARG(line));
		any = true;
	}
	if (!any)
		fprintf(stderr, "parleyctl: no metric begins with '%s'\n", prefix);
	return any ? 0 : 1;
}

static int run(const char *server, bool json, int argc, char **argv)
{
	const char *what = argc > 0 ? argv[0] : "", *arg = argc > 1 ? argv[1] : "";
	struct page page = { 0 };
	char path[128] = "/healthz";
	bool sessions = !strcmp(what, "sessions"), one = !strcmp(what, "session") && *arg;
	bool metrics = !strcmp(what, "metrics"), users = !strcmp(what, "registrations");
	int r;

	if (sessions)
		snprintf(path, sizeof(path), "/api/v1/sessions");
	else if (one)
		snprintf(path, sizeof(path), "/api/v1/sessions/%.64s", arg);
	else if (users)
		snprintf(path, sizeof(path), "/api/v1/registrations");
	else if (metrics)
		snprintf(path, sizeof(path), "/metrics");
	else if (strcmp(what, "health") != 0) {
		fprintf(stderr, "%s", usage_text);
		return 2;
	}
	if (fetch(server, path, &page) < 0)
		r = 1;
	else if (sessions && !json)
		r = print_sessions(&page);
	else if (sessions || one || users)
		r = print_json(&page);
	else
		r = metrics ? print_metrics(&page, arg) : 0;
	free(page.p);
	return r;
}

int main(int argc, char **argv)
{
	const char *server = "http://127.0.0.1:8060";
	bool json = false;
	int c, r;

	if (argc > 1 && !strcmp(argv[1], "--help")) {
		printf("%s", usage_text);
		return 0;
	}
	while ((c = getopt(argc, argv, "s:jh")) != -1) {
		if (c == 's') {
			server = optarg;
		} else if (c == 'j') {
			json = true;
		} else {
			fprintf(c == 'h' ? stdout : stderr, "%s", usage_text);
			return c == 'h' ? 0 : 2;
		}
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	r = run(server, json, argc - optind, argv + optind);
	curl_global_cleanup();
	return r;
}
