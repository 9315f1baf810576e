/* SPDX-License-Identifier: MIT */
#include "main/log.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2048 };

static const char *const level_name[] = { "error", "warn", "notice", "info", "debug" };

static void write_time(struct wbuf *w)
{
	struct timespec ts;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	w_fmt(w, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
	      tm.tm_hour, tm.tm_min, tm.tm_sec, ts.tv_nsec / 1000000);
}

void log_vevent(const struct log *l, enum im_level level, const char *event, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	struct wbuf w = wbuf_on(line, sizeof(line) - 1); /* room for the line end */
	int n;

	if (!log_wanted(l, level))
		return;
	write_time(&w);
	w_fmt(&w, " %s %s ", level_name[level], event);
	n = vsnprintf(line + w.n, sizeof(line) - 1 - w.n, fmt, ap);
	if (n > 0)
		w.n += (size_t)n < sizeof(line) - 1 - w.n ? (size_t)n : sizeof(line) - 2 - w.n;
	for (size_t i = 0; i < w.n; i++)
		if (line[i] < ' ' || line[i] > '~')
			line[i] = '?';
	while (w.n && line[w.n - 1] == ' ')
		w.n--;
	line[w.n++] = '\n';
	/* In one call, so that lines of several writers do not mix; if it cannot be written there is nobody to tell. */
	if (write(l->fd, line, w.n) < 0)
		return;
}

void log_event(const struct log *l, enum im_level level, const char *event, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vevent(l, level, event, fmt, ap);
	va_end(ap);
}
