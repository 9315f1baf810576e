/* SPDX-License-Identifier: MIT */
/* One line per event on standard error: time, level, stable name, key=value (style R21). */
#ifndef PARLEY_MAIN_LOG_H
#define PARLEY_MAIN_LOG_H

#include <stdarg.h>

#include "im/port.h"

struct log {
	int fd;
	enum im_level level; /* this and what is graver */
};

static inline bool log_wanted(const struct log *l, enum im_level level)
{
	return level <= l->level;
}

/* What a value holds besides printable ASCII is written as '?': an event is one line, whatever a peer sent. */
__attribute__((format(printf, 4, 5))) void log_event(const struct log *l, enum im_level level,
						     const char *event, const char *fmt, ...);
void log_vevent(const struct log *l, enum im_level level, const char *event, const char *fmt, va_list ap);

#endif
