/* SPDX-License-Identifier: MIT */
/*
 * Messages on their way out: cut into chunks (RFC 4975 5.1, 7.1), written while the connection takes them, and
 * followed until every chunk is answered.
 */
#include <stdlib.h>

#include "ua.h"

enum { OUT_HIGH = 256 * 1024, HEAD_MAX = 8192, MESSAGE_CHUNK_MIN = 2048 };

static void our_path(const struct ua *ua, unsigned i, char *out, size_t cap)
{
	struct wbuf w = wbuf_on(out, cap - 1);
	ua_desc_path(ua, &ua->media.line[i], &w);
	out[w.n] = 0;
}

void ua_out_free(struct ua_out *m)
{
	list_del(&m->link);
	free(m->body);
	free(m);
}

uint64_t ua_digest(const void *p, size_t n)
{
	uint8_t sha[20] = { 0 };
	uint64_t d = 0;
	ua_sha1(n ? p : "", n, sha);
	for (unsigned i = 0; i < 8; i++)
		d = d << 8 | sha[i];
	return d;
}

/* The fate of a message is known: tell the script, and forget it when no report is awaited. */
void ua_out_result(struct ua *ua, struct ua_out *m, unsigned status)
{
	if (m->status || m->bind) {
		if (m->bind)
			ua_out_free(m);
		return;
	}
	m->status = status;
	if (status == 200) {
		ua->total.messages_out++;
		ua->total.bytes_out += m->n;
		ua->total.digest_out += ua_digest(m->body, m->n);
	} else {
		ua->total.refused++;
	}
	ua_event_add(ua, UA_EV_RESULT, status, m->id, SPAN_EMPTY);
	if (status != 200 || !m->want_success || m->reported)
		ua_out_free(m);
}

static bool answers_wanted(const struct ua_out *m)
{
	return strcmp(m->failure_report, "yes") == 0;
}

static void quote_text(struct wbuf *w, const char *type, const char *body, size_t n)
{
	if (strncasecmp(type, "text/", 5) != 0 || n == 0)
		return;
	w_str(w, " \"");
	for (size_t i = 0; i < n && i < 60; i++)
		w_chr(w, (unsigned char)body[i] < ' ' ? ' ' : body[i]);
	w_str(w, n > 60 ? "...\"" : "\"");
}

void ua_msrp_trace(struct ua *ua, bool out, const char *type, const char *range, const char *body, size_t n,
		   char flag)
{
	char text[512];
	struct wbuf w = wbuf_on(text, sizeof(text) - 1);
	w_fmt(&w, "MSRP SEND");
	if (n == 0) {
		w_str(&w, " (no body)");
	} else {
		w_fmt(&w, " %s", type);
		quote_text(&w, type, body, n);
		w_fmt(&w, " %s (%zu bytes)%s", range, n, flag == '+' ? " +" : flag == '#' ? " aborted" : "");
	}
	text[w.n] = 0;
	ua_trace(ua, out, "%s", text);
}

/* A transaction id whose end-line is not in the body. */
void ua_msrp_tid(struct ua *ua, char tid[24], const char *body, size_t n)
{
	char line[40];
	do {
		ua_id(ua, tid, 17);
		snprintf(line, sizeof(line), "-------%s", tid);
	} while (n && span_find((struct span){ body, n }, span_of(line)) != SPAN_NONE);
}

static void send_chunk(struct ua *ua, unsigned i, struct ua_out *m)
{
	struct ua_line *l = &ua->line[i];
	char path[256], text[HEAD_MAX], range[64], end[48];
	size_t n = m->n - m->sent;
	if (n > ua->chunk)
		n = ua->chunk;
	bool last = m->sent + n == m->n;
	struct ua_tid *t = calloc(1, sizeof(*t));
	if (!t)
		return;
	ua_msrp_tid(ua, t->tid, m->body + m->sent, n);
	our_path(ua, i, path, sizeof(path));
	/* RFC 4975 7.1: above 2048 octets the end is not promised, so that the chunk could be interrupted */
	if (m->n == 0)
		snprintf(range, sizeof(range), "1-0/0");
	else if (n > MESSAGE_CHUNK_MIN)
		snprintf(range, sizeof(range), "%zu-*/%zu", m->sent + 1, m->n);
	else
		snprintf(range, sizeof(range), "%zu-%zu/%zu", m->sent + 1, m->sent + n, m->n);
	struct wbuf w = wbuf_on(text, sizeof(text));
	w_fmt(&w, "MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: %s\r\n", t->tid,
	      l->remote_path, path, m->id);
	if (m->want_success)
		w_str(&w, "Success-Report: yes\r\n");
	if (!answers_wanted(m))
		w_fmt(&w, "Failure-Report: %s\r\n", m->failure_report);
	w_fmt(&w, "Byte-Range: %s\r\n", range);
	if (m->n)
		w_fmt(&w, "Content-Type: %s\r\n\r\n", m->type);
	ua_msrp_trace(ua, true, m->type, range, m->body + m->sent, n, last ? '$' : '+');
	ua_conn_write(ua, l->conn, w_span_of(&w));
	if (n)
		ua_conn_write(ua, l->conn, (struct span){ m->body + m->sent, n });
	int k = snprintf(end, sizeof(end), "%s-------%s%c\r\n", m->n ? "\r\n" : "", t->tid, last ? '$' : '+');
	ua_conn_write(ua, l->conn, (struct span){ end, (size_t)k });
	m->sent += n;
	if (last) {
		list_del(&m->link);
		list_push(&l->answered, &m->link);
	}
	if (answers_wanted(m)) {
		t->m = m;
		t->bytes = n;
		m->chunks_open++;
		list_push(&ua->tids, &t->link);
	} else {
		free(t);
		if (last) /* nobody will say that it arrived */
			ua_out_result(ua, m, 200);
	}
}

/* Transactions of m end; their answers will find nothing. */
void ua_out_forget(struct ua *ua, const struct ua_out *m)
{
	list_each(i, &ua->tids) {
		struct ua_tid *t = container_of(i, struct ua_tid, link);
		if (t->m == m) {
			list_del(&t->link);
			free(t);
		}
	}
}

void ua_msrp_pump(struct ua *ua, struct ua_conn *c)
{
	for (unsigned i = 0; i < UA_LINES_MAX; i++) {
		struct ua_line *l = &ua->line[i];
		while (l->on && l->bound && l->conn == c && c->used && !list_empty(&l->out) &&
		       c->out_n - c->out_at < OUT_HIGH) {
			send_chunk(ua, i, container_of(l->out.next, struct ua_out, link));
		}
	}
}

struct ua_out *ua_out_new(struct ua *ua, const char *type, const char *body, size_t n)
{
	struct ua_out *m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->body = malloc(n ? n : 1);
	if (!m->body) {
		free(m);
		return NULL;
	}
	if (n)
		memcpy(m->body, body, n);
	m->n = n;
	ua_id(ua, m->id, 17);
	snprintf(m->type, sizeof(m->type), "%s", type);
	m->want_success = ua->report_success;
	m->failure_report = ua->failure_report;
	return m;
}

int ua_msrp_send(struct ua *ua, unsigned i, const char *type, const char *body, size_t n)
{
	struct ua_line *l = &ua->line[i];
	if (i >= UA_LINES_MAX || !l->on)
		return ua_fail(ua, "there is no active media line %u", i);
	struct ua_out *m = ua_out_new(ua, type, body, n);
	if (!m)
		return ua_fail(ua, "out of memory");
	list_push(&l->out, &m->link);
	if (l->bound)
		ua_msrp_pump(ua, l->conn);
	return 0;
}

bool ua_msrp_all_answered(const struct ua *ua)
{
	for (unsigned i = 0; i < UA_LINES_MAX; i++)
		if (!list_empty(&ua->line[i].out) || !list_empty(&ua->line[i].answered))
			return false;
	return true;
}
