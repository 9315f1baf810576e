/* SPDX-License-Identifier: MIT */
/* Byte ranges: parsing is strict because the numbers steer what is forwarded; nothing is allocated by them. */
#include "msrp/range.h"

#include <errno.h>

static int number(struct span s, uint64_t *out)
{
	if (s.n == 1 && s.p[0] == '*') {
		*out = MSRP_STAR;
		return 0;
	}
	return span_u64(s, INT64_MAX, out) < 0 ? -EINVAL : 0;
}

int msrp_range_parse(struct msrp_range *r, struct span s)
{
	size_t dash = span_chr(s, '-'), slash = span_chr(s, '/');

	if (dash == SPAN_NONE || slash == SPAN_NONE || slash < dash)
		return -EINVAL;
	if (span_u64(span_cut(s, 0, dash), INT64_MAX, &r->start) < 0 ||
	    number(span_cut(s, dash + 1, slash), &r->end) < 0 ||
	    number(span_skip(s, slash + 1), &r->total) < 0)
		return -EINVAL;
	if (r->start == 0 || (r->end != MSRP_STAR && r->end + 1 < r->start))
		return -EINVAL;
	if (r->total != MSRP_STAR && r->start > r->total) /* 1-0/0 is how an empty message is written */
		return r->start == 1 && r->total == 0 && (r->end == 0 || r->end == MSRP_STAR) ? 0 : -EINVAL;
	return 0;
}

static void w_number(struct wbuf *w, uint64_t v)
{
	if (v == MSRP_STAR)
		w_chr(w, '*');
	else
		w_u64(w, v);
}

void w_msrp_range(struct wbuf *w, const struct msrp_range *r)
{
	w_u64(w, r->start), w_chr(w, '-'), w_number(w, r->end), w_chr(w, '/'), w_number(w, r->total);
}

void msrp_cover_add(struct msrp_cover *c, uint64_t from, uint64_t to)
{
	unsigned i = 0, j;

	if (to < from)
		return;
	while (i < c->n && c->iv[i].to != UINT64_MAX && c->iv[i].to + 1 < from)
		i++;
	for (j = i; j < c->n && (to == UINT64_MAX || c->iv[j].from <= to + 1); j++) {
		if (c->iv[j].from < from)
			from = c->iv[j].from;
		if (c->iv[j].to > to)
			to = c->iv[j].to;
	}
	if (j == i && c->n == MSRP_COVER_MAX)
		return;
	memmove(&c->iv[i + 1], &c->iv[j], (c->n - j) * sizeof(c->iv[0]));
	c->n = c->n - (j - i) + 1;
	c->iv[i].from = from, c->iv[i].to = to;
}

bool msrp_cover_has(const struct msrp_cover *c, uint64_t from, uint64_t to)
{
	if (to < from)
		return true;
	for (unsigned i = 0; i < c->n; i++)
		if (c->iv[i].from <= from && to <= c->iv[i].to)
			return true;
	return false;
}
