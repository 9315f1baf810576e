/* SPDX-License-Identifier: MIT */
/*
 * What is seen of a session: ladder lines as things happen, and events kept for the script's `expect`.  A line is
 * written in one piece, so that several processes can share one output.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "sip/body.h"
#include "ua.h"

static void stamp(const struct ua *ua, char out[24])
{
	struct timespec t;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &t);
	localtime_r(&t.tv_sec, &tm);
	int n = snprintf(out, 24, "%02d:%02d:%02d.%06d", tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100,
			 (int)(t.tv_nsec / 1000) % 1000000);
	if (!ua->micro && n > 3)
		out[n - 3] = 0;
}

static void put_line(const char *at, const char *who, const char *text)
{
	char line[1200];
	int n = snprintf(line, sizeof(line), "%s  %-22s  %s\n", at, who, text);
	if (n >= (int)sizeof(line))
		n = (int)sizeof(line) - 1, line[n - 1] = '\n';
	ssize_t done = write(STDOUT_FILENO, line, (size_t)n);
	(void)done; /* nobody reads any more: nothing is lost */
}

void ua_trace(struct ua *ua, bool out, const char *fmt, ...)
{
	char at[24], who[80], text[1024];
	va_list ap;
	if (ua->quiet)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	stamp(ua, at);
	snprintf(who, sizeof(who), "%s > %s", out ? ua->name : ua->peer, out ? ua->peer : ua->name);
	put_line(at, who, text);
}

void ua_note(struct ua *ua, const char *fmt, ...)
{
	char at[24], text[1024];
	va_list ap;
	if (ua->quiet)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	stamp(ua, at);
	put_line(at, ua->name, text);
}

static const char *dir_note(enum sdp_dir d)
{
	return d == SDP_SENDRECV   ? ""
	       : d == SDP_SENDONLY ? " sendonly"
	       : d == SDP_RECVONLY ? " recvonly"
				   : " inactive";
}

/* " (SDP v3: message 2870 text/plain; file photo.jpg ...)" */
static void sdp_note(struct wbuf *w, struct span text)
{
	static struct sdp s; /* large; one thread */
	if (sdp_parse(&s, text, NULL) < 0) {
		w_str(w, "  (SDP that does not parse)");
		return;
	}
	w_fmt(w, "  (SDP v%llu:", (unsigned long long)s.origin.version);
	for (unsigned i = 0; i < s.n_media; i++) {
		struct sdp_msrp m;
		struct sdp_file f;
		sdp_msrp_of(&s, i, &m);
		w_fmt(w, "%s%" SPAN_FMT " %u", i ? "; " : " ", SPAN_ARG(s.media[i].media), m.port);
		if (!m.active)
			continue;
		if (m.is_file && m.file_selector.n && sdp_file_selector(m.file_selector, &f) == 0 && f.name.n)
			w_fmt(w, " file %" SPAN_FMT, SPAN_ARG(f.name));
		else if (m.accept_types.n)
			w_fmt(w, " %" SPAN_FMT, SPAN_ARG(m.accept_types));
		w_str(w, dir_note(m.dir));
	}
	w_str(w, ")");
}

void ua_trace_sip(struct ua *ua, bool out, const struct sip_msg *m)
{
	char text[900];
	struct wbuf w = wbuf_on(text, sizeof(text) - 1);
	struct sip_body b;
	const char *fault;
	if (ua->quiet)
		return;
	struct span method = sip_method_name((enum sip_method)m->method);
	if (m->request && m->method == SIP_UNKNOWN)
		method = m->method_name;
	if (m->request)
		w_fmt(&w, "%" SPAN_FMT " %" SPAN_FMT, SPAN_ARG(method), SPAN_ARG(span_cut(m->ruri, 0, 120)));
	else
		w_fmt(&w, "%u %" SPAN_FMT " [%" SPAN_FMT "]", m->status, SPAN_ARG(span_cut(m->reason, 0, 80)),
		      SPAN_ARG(method));
	struct span warning = sip_value(m, SIP_H_WARNING), reason = sip_value(m, SIP_H_REASON);
	if (warning.n)
		w_fmt(&w, "  Warning: %" SPAN_FMT, SPAN_ARG(span_cut(warning, 0, 160)));
	if (reason.n)
		w_fmt(&w, "  Reason: %" SPAN_FMT, SPAN_ARG(span_cut(reason, 0, 120)));
	if (m->body.n && sip_body_parse(&b, m, &fault) == 0 && b.sdp.p)
		sdp_note(&w, b.sdp);
	text[w.n] = 0;
	ua_trace(ua, out, "%s", text);
}

/* ---- events ---- */

void ua_event_add(struct ua *ua, enum ua_event_kind kind, unsigned status, const char *what, struct span body)
{
	struct ua_event *e = calloc(1, sizeof(*e));
	if (!e || ua->n_events == UA_EVENTS_MAX) {
		free(e);
		ua_note(ua, "more than %d events wait: some are forgotten", UA_EVENTS_MAX);
		return;
	}
	e->kind = kind;
	e->status = status;
	snprintf(e->what, sizeof(e->what), "%s", what);
	if (body.n) {
		e->body = span_dup(body);
		e->n = e->body ? body.n : 0;
	}
	list_push(&ua->events, &e->link);
	ua->n_events++;
}

struct ua_event *ua_event_take(struct ua *ua, enum ua_event_kind kind)
{
	list_each(i, &ua->events) {
		struct ua_event *e = container_of(i, struct ua_event, link);
		if (e->kind != kind)
			continue;
		list_del(&e->link);
		ua->n_events--;
		return e;
	}
	return NULL;
}

void ua_event_free(struct ua_event *e)
{
	if (e)
		free(e->body);
	free(e);
}

/* key=value, for the demo and for tests */
void ua_summary(struct ua *ua, FILE *f)
{
	const struct ua_totals *t = &ua->total;
	fprintf(f,
		"name=%s messages_out=%llu bytes_out=%llu digest_out=%016llx messages_in=%llu bytes_in=%llu "
		"digest_in=%016llx refused=%llu incomplete=%llu\n",
		ua->name, (unsigned long long)t->messages_out, (unsigned long long)t->bytes_out,
		(unsigned long long)t->digest_out, (unsigned long long)t->messages_in,
		(unsigned long long)t->bytes_in, (unsigned long long)t->digest_in,
		(unsigned long long)t->refused, (unsigned long long)t->incomplete);
}
