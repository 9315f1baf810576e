/* SPDX-License-Identifier: MIT */
/*
 * The MSRP end of parley-ua (RFC 4975): frames, connections and what comes in.  Answers SENDs, puts messages together
 * by byte range, writes and reads REPORTs.  Written apart from src/msrp on purpose: the two check each other.  Frames are
 * kept whole in memory, which a server must not do and a test tool may.
 */
#include <ctype.h>
#include <stdlib.h>

#include "msrp/uri.h"
#include "ua.h"

enum { HEAD_MAX = 8192 };

struct frame {
	struct span tid, method; /* method: or the three digits of a response */
	struct span comment;
	struct span to, from, id, range, type, status, success, failure;
	struct span body;
	bool has_body;
	char flag;
	unsigned code; /* 0: a request */
};

/* ---- names ---- */

/* The line whose session-id a To-Path names: among the agreed ones, then in our open offer. */
static int line_of(const struct ua *ua, struct span to_path)
{
	struct span first, last;
	struct msrp_uri u;
	if (!msrp_path_ends(to_path, &first, &last) || msrp_uri_parse(&u, first) < 0)
		return -1;
	const struct ua_media *set[] = { &ua->media, &ua->call.next };
	for (unsigned k = 0; k < ARRAY_LEN(set); k++)
		for (unsigned i = 0; i < set[k]->n; i++)
			if (set[k]->line[i].on && span_eq(u.session, span_of(set[k]->line[i].sess)))
				return (int)i;
	return -1;
}

/* ---- connections ---- */

static void bind_line(struct ua *ua, unsigned i, struct ua_conn *c)
{
	struct ua_line *l = &ua->line[i];
	l->conn = c;
	l->bound = true;
}

void ua_msrp_connected(struct ua *ua, struct ua_conn *c)
{
	for (unsigned i = 0; i < UA_LINES_MAX; i++) {
		struct ua_line *l = &ua->line[i];
		if (!l->on || l->conn != c)
			continue;
		if (!ua_tls_is_peer(ua, l, c)) { /* not a byte to anybody else */
			ua_msrp_line_stop(ua, i);
			return;
		}
		bind_line(ua, i, c);
		/* RFC 4975 5.4: who connected sends at once, without a body if there is nothing to say */
		struct ua_out *m = ua_out_new(ua, "", NULL, 0);
		if (!m)
			return;
		m->bind = true;
		m->want_success = false;
		m->failure_report = "yes";
		list_push(l->out.next, &m->link); /* before the first */
	}
	ua_msrp_pump(ua, c);
}

void ua_msrp_line_start(struct ua *ua, unsigned i)
{
	struct ua_line *l = &ua->line[i];
	struct span first, last;
	struct msrp_uri u;
	struct addr a;
	if (!l->we_connect)
		return; /* a connection that is bound already was bound by our offer's path */
	l->conn = NULL;
	l->bound = false;
	if (!msrp_path_ends(span_of(l->remote_path), &first, &last) || msrp_uri_parse(&u, first) < 0 ||
	    !ua_resolve(u.host, u.port, &a)) {
		ua_note(ua, "cannot use the path %s", l->remote_path);
		return;
	}
	l->conn = ua_connect(ua, l->tls ? UA_MSRPS : UA_MSRP, &a);
	if (!l->conn)
		ua_note(ua, "cannot connect to %s", l->remote_path);
}

/* The line goes on elsewhere: the other side closes what it had, when all that is under way there has arrived. */
void ua_msrp_line_leave(struct ua *ua, unsigned i)
{
	struct ua_line *l = &ua->line[i];
	l->on = l->bound = false;
	l->conn = NULL;
}

void ua_msrp_line_stop(struct ua *ua, unsigned i)
{
	struct ua_line *l = &ua->line[i];
	struct ua_conn *c = l->conn;
	l->on = l->bound = false;
	l->conn = NULL;
	if (!c)
		return;
	for (unsigned k = 0; k < UA_LINES_MAX; k++)
		if (ua->line[k].conn == c)
			return;
	ua_conn_close(ua, c);
}

void ua_msrp_closed(struct ua *ua, struct ua_conn *c)
{
	for (unsigned i = 0; i < UA_LINES_MAX; i++) {
		struct ua_line *l = &ua->line[i];
		if (l->conn != c)
			continue;
		l->conn = NULL;
		l->bound = false;
		if (l->on && !ua->call.ended)
			ua_note(ua, "MSRP connection of line %u closed", i);
		list_each(k, &l->answered) {
			struct ua_out *m = container_of(k, struct ua_out, link);
			ua_out_forget(ua, m);
			ua_out_result(ua, m, 408);
		}
	}
}

/* ---- receiving ---- */

static void reply(struct ua *ua, struct ua_conn *c, const struct frame *f, unsigned code, const char *text)
{
	char buf[HEAD_MAX];
	struct span first, last;
	if (span_ieq(f->failure, SPAN("no")) || (code == 200 && span_ieq(f->failure, SPAN("partial"))))
		return;
	if (!msrp_path_ends(f->from, &first, &last))
		return;
	struct wbuf w = wbuf_on(buf, sizeof(buf));
	w_fmt(&w, "MSRP %" SPAN_FMT " %u %s\r\nTo-Path: %" SPAN_FMT "\r\nFrom-Path: %" SPAN_FMT "\r\n",
	      SPAN_ARG(f->tid), code, text, SPAN_ARG(first), SPAN_ARG(f->to));
	w_fmt(&w, "-------%" SPAN_FMT "$\r\n", SPAN_ARG(f->tid));
	ua_trace(ua, true, "MSRP %u %s", code, text);
	ua_conn_write(ua, c, w_span_of(&w));
}

static void report(struct ua *ua, struct ua_conn *c, const struct frame *f, size_t total)
{
	char buf[HEAD_MAX], tid[24];
	struct wbuf w = wbuf_on(buf, sizeof(buf));
	ua_msrp_tid(ua, tid, NULL, 0);
	/* RFC 4975 7.1.2: back along the whole path */
	w_fmt(&w, "MSRP %s REPORT\r\nTo-Path: %" SPAN_FMT "\r\nFrom-Path: %" SPAN_FMT "\r\n", tid,
	      SPAN_ARG(f->from), SPAN_ARG(f->to));
	w_fmt(&w,
	      "Message-ID: %" SPAN_FMT "\r\nByte-Range: 1-%zu/%zu\r\nStatus: 000 200 OK\r\n-------%s$\r\n",
	      SPAN_ARG(f->id), total, total, tid);
	ua_trace(ua, true, "MSRP REPORT 200 for %" SPAN_FMT, SPAN_ARG(f->id));
	ua_conn_write(ua, c, w_span_of(&w));
}

static bool parse_range(struct span s, uint64_t *start, uint64_t *total)
{
	struct span from = span_split(&s, '-');
	(void)span_split(&s, '/');
	*start = 1;
	*total = UINT64_MAX;
	if (span_u64(from, UA_BODY_MAX, start) < 0 || *start == 0)
		return false;
	return span_eq(s, SPAN("*")) || s.n == 0 || span_u64(s, UA_BODY_MAX, total) == 0;
}

static struct ua_in *in_of(struct ua_line *l, struct span id)
{
	list_each(i, &l->in) {
		struct ua_in *m = container_of(i, struct ua_in, link);
		if (span_eq(span_of(m->id), id))
			return m;
	}
	struct ua_in *m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	snprintf(m->id, sizeof(m->id), "%" SPAN_FMT, SPAN_ARG(id));
	list_push(&l->in, &m->link);
	return m;
}

static void in_free(struct ua_in *m)
{
	list_del(&m->link);
	free(m->body);
	free(m);
}

/* A file came whole: does it have the hash its offer promised (RFC 5547 6)?  It is saved if that was asked for. */
static bool file_done(struct ua *ua, struct ua_line *l, const struct ua_in *m)
{
	char hex[64], path[1024];
	uint8_t sha[20];
	struct wbuf w = wbuf_on(hex, sizeof(hex) - 1);
	bool ok = true;
	if (strncasecmp(l->hash_text, "sha-1:", 6) == 0 && ua_sha1(m->body, m->n, sha)) {
		for (unsigned i = 0; i < 20; i++)
			w_fmt(&w, "%s%02X", i ? ":" : "", sha[i]);
		hex[w.n] = 0;
		ok = strcasecmp(hex, l->hash_text + 6) == 0;
	}
	const char *name = ua_basename(l->file_name);
	if (ok && ua->save_dir[0] && name[0] && strcmp(name, "..") != 0) {
		snprintf(path, sizeof(path), "%s/%s", ua->save_dir, name);
		FILE *f = fopen(path, "wb");
		if (!f || fwrite(m->body, 1, m->n, f) != m->n)
			ok = false;
		if (f && fclose(f) != 0)
			ok = false;
	}
	ua_note(ua, "file %s received, %zu bytes, %s", l->file_name, m->n,
		!ok               ? "NOT as announced"
		: l->hash_text[0] ? "hash as announced"
				  : "no hash announced");
	return ok;
}

static void message_done(struct ua *ua, struct ua_conn *c, unsigned i, const struct frame *f, struct ua_in *m)
{
	struct ua_line *l = &ua->line[i];
	struct span body = { m->body, m->n };
	ua->total.messages_in++;
	ua->total.bytes_in += m->n;
	ua->total.digest_in += ua_digest(m->body, m->n);
	if (ua->media.line[i].is_file)
		ua_event_add(ua, UA_EV_FILE, file_done(ua, l, m) ? 200 : 0, l->file_name, SPAN_EMPTY);
	else
		ua_event_add(ua, UA_EV_MESSAGE, 200, m->type, body);
	if (span_ieq(f->success, SPAN("yes")))
		report(ua, c, f, m->n);
	in_free(m);
}

/* A chunk that we accept: into its place; true when the message is complete. */
static bool store_chunk(struct ua *ua, struct ua_in *m, const struct frame *f)
{
	uint64_t start = 1, total;
	if (f->range.n && !parse_range(f->range, &start, &total)) {
		ua_note(ua, "Byte-Range that cannot be: %" SPAN_FMT, SPAN_ARG(f->range));
		ua->total.incomplete++;
		return false;
	}
	size_t end = (size_t)start - 1 + f->body.n;
	if (end > UA_BODY_MAX)
		return false;
	if (end > m->cap) {
		size_t cap = m->cap ? m->cap : 4096;
		while (cap < end)
			cap *= 2;
		char *p = realloc(m->body, cap);
		if (!p)
			return false;
		memset(p + m->cap, 0, cap - m->cap);
		m->body = p;
		m->cap = cap;
	}
	memcpy(m->body + start - 1, f->body.p, f->body.n);
	m->have += f->body.n;
	if (end > m->n)
		m->n = end;
	if (f->flag == '$')
		m->complete = true;
	return m->complete && m->have >= m->n;
}

static void on_send(struct ua *ua, struct ua_conn *c, const struct frame *f)
{
	int i = line_of(ua, f->to);
	char type[96], range[64];
	snprintf(type, sizeof(type), "%" SPAN_FMT, SPAN_ARG(f->type));
	snprintf(range, sizeof(range), "%" SPAN_FMT, SPAN_ARG(f->range));
	ua_msrp_trace(ua, false, type, range, f->body.p, f->body.n, f->flag);
	if (i < 0) {
		reply(ua, c, f, 481, "No such session");
		return;
	}
	struct ua_line *l = &ua->line[i];
	if (l->bound && l->conn && l->conn != c) {
		reply(ua, c, f, 506, "Bound to another connection");
		return;
	}
	if (!l->bound) {
		if (l->on && !ua_tls_is_peer(ua, l, c)) {
			reply(ua, c, f, 481, "No such session");
			return;
		}
		bind_line(ua, (unsigned)i, c);
	}
	if (f->body.n && ua->msrp_status != 200) {
		reply(ua, c, f, ua->msrp_status, "By script");
		return;
	}
	if (f->body.n && !sdp_type_accepted(span_of(ua->media.line[i].accept_types), f->type)) {
		reply(ua, c, f, 415, "Not among our accept-types");
		return;
	}
	bool done = false;
	struct ua_in *m = NULL;
	if (f->has_body) {
		m = in_of(l, f->id);
		if (!m)
			return;
		snprintf(m->type, sizeof(m->type), "%s", type);
		done = f->flag != '#' && store_chunk(ua, m, f);
		if (f->flag == '#')
			in_free(m);
	}
	reply(ua, c, f, 200, "OK");
	if (done)
		message_done(ua, c, (unsigned)i, f, m);
	ua_msrp_pump(ua, c);
}

static void on_response(struct ua *ua, const struct frame *f)
{
	list_each(i, &ua->tids) {
		struct ua_tid *t = container_of(i, struct ua_tid, link);
		if (!span_eq(span_of(t->tid), f->tid))
			continue;
		struct ua_out *m = t->m;
		ua_trace(ua, false, "MSRP %u %" SPAN_FMT, f->code, SPAN_ARG(f->comment));
		m->acked += t->bytes;
		m->chunks_open--;
		list_del(&t->link);
		free(t);
		if (f->code != 200) {
			ua_out_forget(ua, m);
			ua_out_result(ua, m, f->code);
		} else if (m->sent == m->n && m->chunks_open == 0) {
			ua_out_result(ua, m, 200);
		}
		return;
	}
	ua_trace(ua, false, "MSRP %u %" SPAN_FMT " to nothing open", f->code, SPAN_ARG(f->comment));
}

static void on_report(struct ua *ua, const struct frame *f)
{
	struct span s = f->status;
	uint64_t code = 0;
	(void)span_split(&s, ' ');
	if (span_u64(span_split(&s, ' '), 999, &code) < 0)
		code = 0;
	ua_trace(ua, false, "MSRP REPORT %u for %" SPAN_FMT, (unsigned)code, SPAN_ARG(f->id));
	ua_event_add(ua, UA_EV_REPORT, (unsigned)code, "report", SPAN_EMPTY);
	for (unsigned i = 0; i < UA_LINES_MAX; i++)
		list_each(k, &ua->line[i].answered) {
			struct ua_out *m = container_of(k, struct ua_out, link);
			if (!span_eq(span_of(m->id), f->id))
				continue;
			m->reported = true;
			if (m->status) {
				ua_out_free(m);
				return;
			}
		}
}

/* ---- framing ---- */

static void take_header(struct frame *f, struct span line)
{
	const struct {
		struct span name;
		struct span *to;
	} known[] = {
		{ SPAN("To-Path"), &f->to },
		{ SPAN("From-Path"), &f->from },
		{ SPAN("Message-ID"), &f->id },
		{ SPAN("Byte-Range"), &f->range },
		{ SPAN("Content-Type"), &f->type },
		{ SPAN("Status"), &f->status },
		{ SPAN("Success-Report"), &f->success },
		{ SPAN("Failure-Report"), &f->failure },
	};
	struct span name = span_split(&line, ':');
	for (unsigned i = 0; i < ARRAY_LEN(known); i++)
		if (span_ieq(name, known[i].name))
			*known[i].to = span_trim(line);
}

/* text: from the start line up to (and with) the line end before the end-line. */
static bool parse_frame(struct frame *f, struct span text)
{
	size_t head_n = span_find(text, SPAN("\r\n\r\n"));
	struct span head = text;
	if (head_n != SPAN_NONE && head_n + 4 <= text.n - 2) {
		f->has_body = true;
		head = span_cut(text, 0, head_n + 2);
		f->body = span_cut(text, head_n + 4, text.n - 2);
	}
	size_t eol = span_find(head, SPAN("\r\n"));
	struct span start = span_cut(head, 0, eol);
	(void)span_split(&start, ' ');
	(void)span_split(&start, ' ');
	f->method = span_split(&start, ' ');
	f->comment = start;
	if (f->method.n == 3 && isdigit((unsigned char)f->method.p[0])) {
		uint64_t code;
		if (span_u64(f->method, 999, &code) < 0)
			return false;
		f->code = (unsigned)code;
	}
	head = span_skip(head, eol + 2);
	while (head.n) {
		struct span line = span_split(&head, '\n');
		take_header(f, span_trim(line));
	}
	return f->to.n && f->from.n;
}

/* The first frame of the connection's buffer: bytes it takes, 0: not all there, -1: this is not MSRP. */
static ssize_t next_frame(struct ua_conn *c, struct frame *f)
{
	struct span in = { c->in, c->in_n };
	char needle[64];
	size_t eol = span_find(span_cut(in, 0, 512), SPAN("\r\n"));
	if (eol == SPAN_NONE)
		return in.n < 512 ? 0 : -1;
	struct span start = span_cut(in, 0, eol);
	if (!span_eq(span_split(&start, ' '), SPAN("MSRP")))
		return -1;
	f->tid = span_split(&start, ' ');
	if (f->tid.n < 4 || f->tid.n > 32)
		return -1;
	int n = snprintf(needle, sizeof(needle), "\r\n-------%" SPAN_FMT, SPAN_ARG(f->tid));
	size_t from = c->seen > (size_t)n ? c->seen - (size_t)n : 0;
	size_t at = span_find(span_skip(in, from), (struct span){ needle, (size_t)n });
	if (at == SPAN_NONE) {
		c->seen = in.n;
		return 0;
	}
	at += from;
	if (in.n < at + (size_t)n + 3) {
		c->seen = at;
		return 0;
	}
	f->flag = in.p[at + (size_t)n];
	if ((f->flag != '$' && f->flag != '+' && f->flag != '#') || !parse_frame(f, span_cut(in, 0, at + 2)))
		return -1;
	return (ssize_t)(at + (size_t)n + 3);
}

void ua_msrp_input(struct ua *ua, struct ua_conn *c)
{
	while (c->used && c->in_n) {
		struct frame f = { 0 };
		ssize_t n = next_frame(c, &f);
		if (n == 0)
			return;
		if (n < 0) {
			ua_note(ua, "bytes that are no MSRP frame: closing");
			ua->total.incomplete++;
			ua_msrp_closed(ua, c);
			ua_conn_close(ua, c);
			return;
		}
		if (f.code)
			on_response(ua, &f);
		else if (span_eq(f.method, SPAN("SEND")))
			on_send(ua, c, &f);
		else if (span_eq(f.method, SPAN("REPORT")))
			on_report(ua, &f);
		else
			reply(ua, c, &f, 501, "Unknown method");
		if (!c->used)
			return;
		memmove(c->in, c->in + n, c->in_n - (size_t)n);
		c->in_n -= (size_t)n;
		c->seen = 0;
	}
}

void ua_msrp_finish(struct ua *ua)
{
	list_each(i, &ua->tids) {
		list_del(i);
		free(container_of(i, struct ua_tid, link));
	}
	for (unsigned k = 0; k < UA_LINES_MAX; k++) {
		struct ua_line *l = &ua->line[k];
		struct list *lists[] = { &l->out, &l->answered };
		for (unsigned j = 0; j < 2; j++)
			list_each(i, lists[j])
				ua_out_free(container_of(i, struct ua_out, link));
		list_each(i, &l->in) {
			ua->total.incomplete++;
			in_free(container_of(i, struct ua_in, link));
		}
	}
}
