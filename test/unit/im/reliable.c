/* SPDX-License-Identifier: MIT */
/* src/im/reliable.c: one at a time, repeated without a cap, given up after 64*T1 (RFC 3262 3; PROV-6). */
#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "im/reliable.h"

enum { MS = 1000 };

struct log {
	unsigned n, lost;
	uint64_t at[32];
	char first[32]; /* first byte of each */
	struct reliable *r;
};

static void on_send(void *u, unsigned status, struct span bytes, uint64_t now_us)
{
	struct log *l = u;
	assert_true(status > 100 && status < 200);
	assert_true(l->n < 32);
	l->at[l->n] = now_us / MS;
	l->first[l->n++] = bytes.p[0];
}

static void on_lost(void *u, uint64_t now_us)
{
	struct log *l = u;
	l->lost++;
	l->at[l->n++] = now_us / MS;
	reliable_finish(l->r); /* the owner may be gone by then */
}

static const struct reliable_hooks hooks = { on_send, on_lost };

static void put(struct reliable *r, const char *what, bool sdp, int want, uint64_t now_ms)
{
	assert_int_equal(reliable_put(r, 183, sdp, (struct span){ what, 1 }, now_ms * MS), want);
}

static void repeats_without_a_cap(void **state)
{
	static const uint64_t at[] = { 0, 500, 1500, 3500, 7500, 15500, 31500, 32000 };
	struct timers wheel;
	struct reliable r;
	struct log l = { .r = &r };

	(void)state;
	timers_init(&wheel, 0);
	reliable_init(&r, &wheel, 7, &hooks, &l);
	put(&r, "a", true, 0, 0);
	assert_int_equal(r.rseq, 8);
	assert_true(reliable_owes_sdp(&r));
	for (uint64_t ms = 0; ms <= 70000; ms += 100)
		timers_run(&wheel, ms * MS);
	assert_int_equal(l.n, 8);
	assert_int_equal(l.lost, 1);
	for (unsigned i = 0; i < l.n; i++)
		assert_int_equal(l.at[i], at[i]);
}

static void one_at_a_time(void **state)
{
	struct timers wheel;
	struct reliable r;
	struct log l = { .r = &r };

	(void)state;
	timers_init(&wheel, 0);
	reliable_init(&r, &wheel, 0, &hooks, &l);
	put(&r, "a", false, 0, 0);
	put(&r, "b", true, 0, 100);
	assert_int_equal(l.n, 1);
	assert_true(reliable_awaits(&r, 1) && !reliable_awaits(&r, 2));
	assert_true(reliable_owes_sdp(&r)); /* one that waits counts */
	timers_run(&wheel, 400 * MS);
	reliable_acked(&r, 400 * MS);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.first[1], 'b');
	assert_true(reliable_awaits(&r, 2));
	timers_run(&wheel, 850 * MS);
	assert_int_equal(l.n, 2); /* its own T1 runs from when it went out */
	timers_run(&wheel, 900 * MS);
	assert_int_equal(l.n, 3);
	reliable_acked(&r, 900 * MS);
	assert_false(reliable_owes_sdp(&r));
	assert_int_equal(timers_deadline(&wheel), UINT64_MAX);
	reliable_finish(&r);
}

static void bounded_but_for_descriptions(void **state)
{
	struct timers wheel;
	struct reliable r;
	struct log l = { .r = &r };

	(void)state;
	timers_init(&wheel, 0);
	reliable_init(&r, &wheel, 0, &hooks, &l);
	for (unsigned i = 0; i <= RELIABLE_WAIT_MAX; i++)
		put(&r, "r", false, 0, 0);
	put(&r, "r", false, -ENOBUFS, 0);
	put(&r, "s", true, 0, 0);
	assert_int_equal(r.rseq, RELIABLE_WAIT_MAX + 2); /* the one refused used no number */
	assert_int_equal(l.n, 1);
	reliable_stop(&r); /* the final was given: known, not repeated */
	timers_run(&wheel, 40000 * (uint64_t)MS);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.lost, 0);
	assert_true(reliable_awaits(&r, 1));
	reliable_acked(&r, 40000 * (uint64_t)MS);
	assert_false(reliable_awaits(&r, 2)); /* it was never sent */
	put(&r, "x", true, -ENOBUFS, 40000);
	reliable_finish(&r);
	reliable_finish(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(repeats_without_a_cap),
		cmocka_unit_test(one_at_a_time),
		cmocka_unit_test(bounded_but_for_descriptions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
