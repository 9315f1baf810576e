/* SPDX-License-Identifier: MIT */
/* Numbers, hexadecimal and printf into a forward buffer. */
#include "base/wbuf.h"

#include <stdarg.h>
#include <stdio.h>

void w_u64(struct wbuf *w, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	w_bytes(w, digits + at, sizeof(digits) - at);
}

void w_hex(struct wbuf *w, const void *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *b = p;

	if (w->over || n > (w->cap - w->n) / 2) {
		w->over = true;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		w->p[w->n++] = digits[b[i] >> 4];
		w->p[w->n++] = digits[b[i] & 15];
	}
}

void w_fmt(struct wbuf *w, const char *fmt, ...)
{
	size_t room = w->cap - w->n;
	va_list ap;

	if (w->over)
		return;
	va_start(ap, fmt);
	int n = vsnprintf(room ? w->p + w->n : NULL, room, fmt, ap);
	va_end(ap);
	/* vsnprintf wants a place for its zero, too: one spare byte is the price of this convenience. */
	if (n < 0 || (size_t)n >= room)
		w->over = true;
	else
		w->n += (size_t)n;
}
