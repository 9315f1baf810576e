/* SPDX-License-Identifier: MIT */
/*
 * The answers: metrics as Prometheus text (every name, kind and help from the tables in im/view.h and
 * net/net.h), sessions and registrations as JSON.  The loop waits while one is made, so how many are listed is bounded.
 */
#include <inttypes.h>
#include <malloc.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mgmt/api.h"

enum { LIST_DEFAULT = 1000, LIST_MAX = 10000, METRICS_MAX = 64 * 1024 };

static const char type_json[] = "application/json";

/* ---- JSON ---- */

/* Takes j. */
static void reply_json(struct api_reply *out, unsigned status, json_t *j)
{
	*out = (struct api_reply){ .status = status, .type = type_json };
	if (!j)
		return;
	out->body = json_dumps(j, JSON_COMPACT | JSON_ENSURE_ASCII);
	out->n = out->body ? strlen(out->body) : 0;
	json_decref(j);
}

static void reply_error(struct api_reply *out, unsigned status, const char *text)
{
	reply_json(out, status, json_pack("{s:i, s:s}", "status", (int)status, "error", text));
}

/* Header values may hold bytes that are not UTF-8; JSON may not. */
static json_t *text(const char *s)
{
	json_t *j = json_string(s);
	char safe[256];
	size_t n = 0;

	if (j)
		return j;
	for (; s[n] && n < sizeof(safe) - 1; n++)
		safe[n] = s[n] >= ' ' && s[n] <= '~' ? s[n] : '?';
	safe[n] = 0;
	return json_string(safe);
}

static json_t *two(const uint64_t v[2])
{
	return json_pack("{s:I, s:I}", "a", (json_int_t)v[SIDE_A], "b", (json_int_t)v[SIDE_B]);
}

static json_t *plane_json(const struct plane_stats *p)
{
	json_t *errors = json_object();
	char code[16];

	for (unsigned i = 0; i < PLANE_CODES; i++) {
		snprintf(code, sizeof(code), plane_codes[i] ? "%u" : "other", plane_codes[i]);
		if (p->errors[i])
			json_object_set_new(errors, code, json_integer((json_int_t)p->errors[i]));
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o}", "messages", two(p->messages), "bytes_in",
			 two(p->bytes_in), "bytes_out", two(p->bytes_out), "failed", two(p->failed),
			 "reports", two(p->reports), "rebinds", (json_int_t)p->rebinds, "resent",
			 (json_int_t)p->resent, "errors", errors);
}

/* What is transferred, and how far it is (RFC 5547). */
static json_t *file_json(const struct plane_file_view *f)
{
	static const char *const state[] = { "", "waiting", "running", "complete", "failed" };

	return json_pack("{s:o, s:s, s:I, s:I}", "transfer_id", text(f->transfer_id), "state",
			 state[f->state], "size", (json_int_t)f->size, "bytes", (json_int_t)f->bytes);
}

static json_t *lines_json(const struct im_session_view *v)
{
	json_t *lines = json_array();

	for (unsigned i = 0; i < v->n_lines; i++) {
		json_t *j = plane_json(&v->line[i].stats);
		json_object_set_new(j, "line", json_integer(v->line[i].index));
		json_object_set_new(j, "kind", json_string(v->line[i].file.state ? "file" : "chat"));
		if (v->line[i].file.state)
			json_object_set_new(j, "file", file_json(&v->line[i].file));
		json_array_append_new(lines, j);
	}
	return lines;
}

static json_t *session_json(const struct im_session_view *v, uint64_t now_us)
{
	uint64_t age_us = now_us > v->since_us ? now_us - v->since_us : 0;

	return json_pack(
		"{s:I, s:s, s:s, s:s, s:s, s:s, s:o, s:{s:o, s:o}, s:f, s:I, s:I, s:b, s:I, s:o, s:o}", "id",
		(json_int_t)v->id, "state", v->state, "mode", v->mode, "case", v->session_case, "class",
		v->class_name, "class_evidence", v->class_evidence, "served_user", text(v->served_user),
		"call_id", "a", text(v->call_id[SIDE_A]), "b", text(v->call_id[SIDE_B]), "age_s",
		(double)age_us / US_PER_S, "modifications", (json_int_t)v->modifications, "refused",
		(json_int_t)v->refused, "locked", (int)v->locked, "generation", (json_int_t)v->generation,
		"user_plane", plane_json(&v->plane), "lines", lines_json(v));
}

/* ---- sessions ---- */

struct listing {
	json_t *array;
	uint64_t now_us, limit, id; /* id: the one wanted, with by_id */
	const char *call_id;        /* either side's; NULL: any */
	bool by_id, failed;
};

static void list_one(const struct im_session_view *v, void *u)
{
	struct listing *l = u;
	json_t *j;

	if (json_array_size(l->array) >= l->limit || (l->by_id && v->id != l->id))
		return;
	if (l->call_id && strcmp(l->call_id, v->call_id[SIDE_A]) != 0 &&
	    strcmp(l->call_id, v->call_id[SIDE_B]) != 0)
		return;
	j = session_json(v, l->now_us);
	if (!j || json_array_append_new(l->array, j) < 0)
		l->failed = true;
}

static void list(const struct api *a, struct listing *l)
{
	l->array = json_array();
	l->now_us = net_now(a->net);
	l->failed = l->array == NULL;
	if (l->array)
		im_view_sessions(a->im, list_one, l);
}

/* False: the answer says what a limit is. */
static bool read_limit(const struct api_request *q, uint64_t *limit, struct api_reply *out)
{
	*limit = LIST_DEFAULT;
	if (!q->limit || (span_u64(span_of(q->limit), LIST_MAX, limit) == 0 && *limit > 0))
		return true;
	reply_error(out, 400, "limit must be a number from 1 to 10000");
	return false;
}

/* Whole, or not at all. */
static void reply_list(struct api_reply *out, struct listing *l)
{
	if (l->failed)
		json_decref(l->array), l->array = NULL;
	reply_json(out, 200, l->array);
}

static void sessions(const struct api *a, const struct api_request *q, struct api_reply *out)
{
	struct listing l = { .call_id = q->call_id };

	if (!read_limit(q, &l.limit, out))
		return;
	list(a, &l);
	reply_list(out, &l);
}

/* ---- registrations ---- */

static void list_registration(const struct im_registration_view *v, void *u)
{
	struct listing *l = u;
	json_t *j;

	if (json_array_size(l->array) >= l->limit)
		return;
	j = json_pack("{s:o, s:I, s:o, s:o, s:o}", "user", text(v->user), "expires_s",
		      (json_int_t)(v->until_us > l->now_us ? (v->until_us - l->now_us) / US_PER_S : 0),
		      "access", text(v->access), "icid", text(v->icid), "info", text(v->info));
	if (!j || json_array_append_new(l->array, j) < 0)
		l->failed = true;
}

static void registrations(const struct api *a, const struct api_request *q, struct api_reply *out)
{
	struct listing l = { .now_us = net_now(a->net) };

	if (!read_limit(q, &l.limit, out))
		return;
	l.array = json_array();
	if (l.array)
		im_view_registrations(a->im, list_registration, &l);
	reply_list(out, &l);
}

/* ---- one session ---- */

static void session(const struct api *a, struct span id, struct api_reply *out)
{
	struct listing l = { .limit = 1, .by_id = true };

	if (span_u64(id, UINT64_MAX, &l.id) < 0) {
		reply_error(out, 400, "a session id is a number");
		return;
	}
	list(a, &l);
	if (l.failed)
		reply_json(out, 200, NULL);
	else if (json_array_size(l.array) == 0)
		reply_error(out, 404,
			    im_mode(a->im) == IM_PROXY ? "a proxy keeps no sessions and can end none"
						       : "no such session"); /* PX-21 */
	else
		reply_json(out, 200, json_incref(json_array_get(l.array, 0)));
	json_decref(l.array);
}

/* ---- metrics ---- */

static void metric(struct wbuf *w, const char *prefix, const char *name, const char *kind, const char *help,
		   uint64_t v)
{
	w_fmt(w, "# HELP parley_%s%s %s.\n# TYPE parley_%s%s %s\nparley_%s%s %" PRIu64 "\n", prefix, name,
	      help, prefix, name, kind, prefix, name, v);
}

static uint64_t resident_bytes(void)
{
	unsigned long long size, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%llu %llu", &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void process_metrics(struct wbuf *w)
{
	struct timespec cpu = { 0 };

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	w_fmt(w,
	      "# HELP process_cpu_seconds_total Processor time used.\n"
	      "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %lld.%06ld\n",
	      (long long)cpu.tv_sec, cpu.tv_nsec / 1000);
	w_fmt(w,
	      "# HELP process_resident_memory_bytes Resident memory.\n"
	      "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %" PRIu64 "\n",
	      resident_bytes());
#ifdef __GLIBC__
	struct mallinfo2 heap = mallinfo2();
	w_fmt(w,
	      "# HELP process_heap_used_bytes Memory allocated and not freed.\n"
	      "# TYPE process_heap_used_bytes gauge\nprocess_heap_used_bytes %zu\n",
	      heap.uordblks + heap.hblkhd);
#endif
}

static void metrics(const struct api *a, struct api_reply *out)
{
	const struct net_stats *ns = net_stats(a->net);
	struct im_metrics mx;
	struct wbuf w;

	*out = (struct api_reply){ .status = 200, .type = "text/plain; version=0.0.4; charset=utf-8" };
	out->body = malloc(METRICS_MAX);
	if (!out->body)
		return;
	im_metrics(a->im, &mx);
	w = wbuf_on(out->body, METRICS_MAX);
#define X(name, kind, help) metric(&w, "", #name, #kind, help, mx.name);
	IM_METRICS(X)
#undef X
#define X(name, kind, help) metric(&w, "net_", #name, #kind, help, ns->name);
	NET_METRICS(X)
#undef X
	process_metrics(&w);
	out->n = w.n;
}

/* ---- paths ---- */

static void health(const struct api *a, struct api_reply *out)
{
	reply_json(out, a->draining ? 503 : 200,
		   json_pack("{s:s}", "status", a->draining ? "draining" : "ok"));
}

void api_reply(const struct api *a, const struct api_request *q, struct api_reply *out)
{
	const struct span one = SPAN("/api/v1/sessions/");
	struct span path = span_of(q->path);

	if (strcmp(q->method, "GET") != 0 && strcmp(q->method, "HEAD") != 0)
		reply_error(out, 405, "only GET and HEAD are served");
	else if (span_eq(path, SPAN("/metrics")))
		metrics(a, out);
	else if (span_eq(path, SPAN("/healthz")))
		health(a, out);
	else if (span_eq(path, SPAN("/api/v1/sessions")))
		sessions(a, q, out);
	else if (span_eq(path, SPAN("/api/v1/registrations")))
		registrations(a, q, out);
	else if (span_starts(path, one))
		session(a, span_skip(path, one.n), out);
	else
		reply_error(
			out, 404,
			"nothing here; see /metrics, /healthz, /api/v1/sessions and /api/v1/registrations");
}
