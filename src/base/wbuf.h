/* SPDX-License-Identifier: MIT */
/*
 * A buffer written forward.  Printers never check: the buffer remembers that it was too small,
 * and whoever owns it asks once, at the end (w_ok).
 */
#ifndef PARLEY_BASE_WBUF_H
#define PARLEY_BASE_WBUF_H

#include "base/span.h"

struct wbuf {
	char *p; /* borrowed: the caller's storage */
	size_t n, cap;
	bool over; /* something did not fit; n stays at the last thing that did */
};

static inline struct wbuf wbuf_on(void *p, size_t cap)
{
	return (struct wbuf){ p, 0, cap, false };
}

static inline bool w_ok(const struct wbuf *w)
{
	return !w->over;
}

static inline struct span w_span_of(const struct wbuf *w)
{
	return (struct span){ w->p, w->n };
}

static inline void w_bytes(struct wbuf *w, const void *p, size_t n)
{
	if (w->over || n > w->cap - w->n) {
		w->over = true;
		return;
	}
	if (n)
		memcpy(w->p + w->n, p, n);
	w->n += n;
}

static inline void w_span(struct wbuf *w, struct span s)
{
	w_bytes(w, s.p, s.n);
}

static inline void w_str(struct wbuf *w, const char *z)
{
	w_bytes(w, z, strlen(z));
}

static inline void w_chr(struct wbuf *w, char c)
{
	w_bytes(w, &c, 1);
}

void w_u64(struct wbuf *w, uint64_t v);
void w_hex(struct wbuf *w, const void *p, size_t n); /* two lower-case digits per byte */
/* Needs one byte more than it writes (vsnprintf's zero). */
__attribute__((format(printf, 2, 3))) void w_fmt(struct wbuf *w, const char *fmt, ...);

#endif
