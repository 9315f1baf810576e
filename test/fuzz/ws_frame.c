/* SPDX-License-Identifier: MIT */
/* However the bytes are cut and however little the consumer takes, the same messages and the same end come of them. */
#include "fuzz.h"

#include "net/ws_frame.h"
#include "net/ws_hello.h"

enum { INPUT_MAX = 4096, MESSAGE_MAX = 1000 };

struct outcome {
	uint64_t data, controls; /* hashes */
	size_t data_n;
	unsigned messages, n_controls;
	int end;
};

/* One byte as it stands; not span_hash(), which wants to know where pieces end. */
static void mix(uint64_t *h, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		*h = (*h ^ (uint8_t)s.p[i]) * 0x100000001b3ull;
}

static int turn(struct ws_in *w, char *p, size_t *from, size_t to, size_t take, struct outcome *o)
{
	struct ws_event ev;
	int r = ws_in_next(w, p + *from, to - *from, &ev);

	FUZZ_CHECK(ev.skip <= to - *from);
	*from += ev.skip;
	if (r == WS_DATA) {
		size_t k = ev.data.n < take ? ev.data.n : take;
		FUZZ_CHECK(ev.data.n <= to - *from && ev.fresh <= ev.data.n);
		mix(&o->data, span_cut(ev.data, 0, k));
		o->data_n += k;
		o->messages += ev.last && k == ev.data.n;
		FUZZ_CHECK(k > 0 || ev.data.n == 0);
		ws_in_took(w, k);
		*from += k;
	} else if (r == WS_CONTROL) {
		FUZZ_CHECK(ev.data.n <= WS_CONTROL_MAX);
		mix(&o->controls, (struct span){ (char *)&ev.opcode, 1 });
		mix(&o->controls, ev.data);
		o->n_controls++;
		FUZZ_CHECK(ws_close_answer(ev.data) >= 1000);
	}
	return r;
}

static struct outcome run(const uint8_t *data, size_t size, size_t step, size_t take)
{
	char copy[INPUT_MAX];
	struct outcome o = { 0 };
	struct ws_in w;
	size_t from = 0;

	memcpy(copy, data, size);
	ws_in_init(&w, MESSAGE_MAX);
	for (size_t to = 0; o.end == 0 && to < size;) {
		int r;
		to = size - to < step ? size : to + step;
		while ((r = turn(&w, copy, &from, to, take, &o)) > 0)
			;
		o.end = r;
	}
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome a, b;
	struct ws_hello h;
	struct span in = { (const char *)data, size };

	if (size > INPUT_MAX)
		return 0;
	a = run(data, size, SIZE_MAX, SIZE_MAX);
	b = run(data, size, 1, 1);
	FUZZ_CHECK(a.end == b.end && a.messages == b.messages && a.n_controls == b.n_controls);
	FUZZ_CHECK(a.data_n == b.data_n && a.data == b.data && a.controls == b.controls);
	int r = ws_hello_read(in, SPAN("msrp"), &h);
	FUZZ_CHECK(r <= (int)size);
	for (size_t n = 0; r > 0 && n < (size_t)r; n++) /* nothing shorter is taken for it */
		FUZZ_CHECK(ws_hello_read(span_cut(in, 0, n), SPAN("msrp"), &h) == 0);
	ws_is_binary(in);
	return 0;
}
