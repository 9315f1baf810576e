/* SPDX-License-Identifier: MIT */
/*
 * The MSRP framer: fed byte by byte, at once, or in reads the input chooses, it tells the same events; it takes all it is
 * given; spans lie inside; and what it calls a body, written between a head and an end-line again, is read back.
 */
#include "fuzz.h"

#include <string.h>

#include "msrp/frame.h"

struct told { /* a digest of the events */
	uint64_t sum, bytes;
	unsigned heads, ends;
	int error;
};

static void add(struct told *t, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		t->sum = (t->sum ^ b[i]) * 0x100000001b3ull;
}

static void tell(struct told *t, int step, const struct msrp_event *ev)
{
	if (step == MSRP_HEAD) {
		const struct msrp_head *h = ev->head;
		t->heads++;
		FUZZ_CHECK(msrp_tid_ok(h->tid) && h->to_path.n && h->from_path.n);
		FUZZ_CHECK(h->range_line.p >= h->rest.p &&
			   h->range_line.p + h->range_line.n <= h->rest.p + h->rest.n);
		add(t, h->tid.p, h->tid.n), add(t, h->rest.p, h->rest.n);
	} else if (step == MSRP_BODY) {
		FUZZ_CHECK(ev->body.n > 0);
		t->bytes += ev->body.n;
		add(t, ev->body.p, ev->body.n);
	} else {
		t->ends++;
		add(t, &ev->flag, 1);
	}
}

static int feed(struct msrp_framer *f, struct told *t, const uint8_t *p, size_t n)
{
	char *copy = malloc(n + 1);
	struct msrp_head scratch;
	struct msrp_event ev;
	struct span in = { copy, n };
	int step;

	memcpy(copy, p, n);
	while ((step = msrp_frame_next(f, &in, &scratch, &ev)) > 0) {
		tell(t, step, &ev);
		if (step == MSRP_BODY)
			FUZZ_CHECK(
				(ev.body.p >= copy && ev.body.p + ev.body.n <= copy + n) ||
				(ev.body.p >= f->mark && ev.body.p + ev.body.n <= f->mark + sizeof(f->mark)));
		if (step == MSRP_HEAD) {
			FUZZ_CHECK(in.n >= 1);
			msrp_frame_accept(f);
		}
	}
	FUZZ_CHECK(step < 0 || in.n == 0);
	if (step == 0)
		step = msrp_frame_keep(f);
	free(copy);
	return step;
}

/* Reads of the sizes in cuts, over and over; none: all at once. */
static struct told run(const uint8_t *data, size_t size, const uint8_t *cuts, size_t n_cuts)
{
	struct told t = { .sum = 0xcbf29ce484222325ull };
	struct msrp_framer f;
	size_t at = 0, i = 0;

	msrp_framer_init(&f);
	while (at < size && t.error == 0) {
		size_t n = n_cuts ? 1u + cuts[i++ % n_cuts] : size;
		if (n > size - at)
			n = size - at;
		t.error = feed(&f, &t, data + at, n);
		at += n;
	}
	msrp_framer_finish(&f);
	return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t one[] = { 0 };
	struct told a = run(data, size, NULL, 0), b = run(data, size, one, 1);
	struct told c = run(data, size, data, size < 16 ? size : 16);

	/* A stream that is lost may be given up at a byte earlier or later, but never says anything else before. */
	FUZZ_CHECK(a.heads == b.heads && a.ends == b.ends && a.bytes == b.bytes && a.sum == b.sum);
	FUZZ_CHECK(a.heads == c.heads && a.ends == c.ends && a.bytes == c.bytes && a.sum == c.sum);
	return 0;
}
