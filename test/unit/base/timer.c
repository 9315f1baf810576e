/* SPDX-License-Identifier: MIT */
#include "lib/check.h"

#include "base/rng.h"
#include "base/timer.h"

#define MS(n) ((n)*US_PER_MS)

enum { MANY = 2000 };

/* A timer that notes when and in which order it fired, and may do something then. */
struct probe {
	struct timer t;
	struct timers *w;
	unsigned fired, order;
	uint64_t fired_us;
	void (*then)(struct probe *p, uint64_t now_us);
	struct probe *other;
};

static unsigned n_fired;

static void on_probe(struct timer *t, uint64_t now_us)
{
	struct probe *p = container_of(t, struct probe, t);

	assert_false(timer_is_set(t));
	p->fired++;
	p->order = n_fired++;
	p->fired_us = now_us;
	if (p->then)
		p->then(p, now_us);
}

static struct timers *wheel_at(uint64_t now_us)
{
	struct timers *w = malloc(sizeof(*w));

	timers_init(w, now_us);
	n_fired = 0;
	return w;
}

static void set(struct timers *w, struct probe *p, uint64_t at_us)
{
	p->w = w;
	timer_set(w, &p->t, at_us, on_probe);
}

static void fires_at_the_first_tick_not_before_its_time(void **state)
{
	struct timers *w = wheel_at(MS(1000));
	struct probe exact = { 0 }, between = { 0 };

	set(w, &exact, MS(1010));
	set(w, &between, MS(1010) + 1);
	assert_true(timers_deadline(w) == MS(1010));
	timers_run(w, MS(1010) - 1);
	assert_int_equal(exact.fired, 0);
	timers_run(w, MS(1010));
	assert_int_equal(exact.fired, 1);
	assert_int_equal(between.fired, 0);
	assert_true(timers_deadline(w) == MS(1011));
	timers_run(w, MS(1011));
	assert_int_equal(between.fired, 1);
	assert_true(timers_deadline(w) == UINT64_MAX);
	assert_int_equal(w->n, 0);
	free(w);
}

static void past_fires_at_the_next_run(void **state)
{
	struct timers *w = wheel_at(MS(500) + 300);
	struct probe p = { 0 };

	timers_run(w, MS(500) + 300);
	set(w, &p, 0);
	assert_true(timers_deadline(w) <= MS(500) + 300);
	timers_run(w, MS(500) + 300);
	assert_int_equal(p.fired, 1);
	free(w);
}

static void set_moves_and_stop_stops(void **state)
{
	struct timers *w = wheel_at(0);
	struct probe p = { 0 };

	timer_stop(w, &p.t); /* zeroes */
	set(w, &p, MS(5));
	set(w, &p, MS(70000));
	assert_int_equal(w->n, 1);
	timers_run(w, MS(5));
	assert_int_equal(p.fired, 0);
	set(w, &p, MS(9));
	timers_run(w, MS(9));
	assert_int_equal(p.fired, 1);
	set(w, &p, MS(20));
	timer_stop(w, &p.t);
	timer_stop(w, &p.t);
	assert_false(timer_is_set(&p.t));
	assert_int_equal(w->n, 0);
	assert_true(timers_deadline(w) == UINT64_MAX);
	timers_run(w, MS(100000));
	assert_int_equal(p.fired, 1);
	free(w);
}

static void one_tick_fires_in_the_order_of_setting(void **state)
{
	/* The first is set from very far, the last from close by: they pass through different levels. */
	static const uint64_t seen_from_ms[] = {
		0, 16777000, 16800000, 16842000, 16909000, 16909059, 16909060
	};
	struct probe p[ARRAY_LEN(seen_from_ms)] = { 0 };
	struct timers *w = wheel_at(0);

	for (size_t i = 0; i < ARRAY_LEN(p); i++) {
		timers_run(w, MS(seen_from_ms[i]));
		set(w, &p[i], MS(16909061));
	}
	timers_run(w, MS(16909061));
	for (unsigned i = 0; i < ARRAY_LEN(p); i++) {
		assert_int_equal(p[i].fired, 1);
		assert_int_equal(p[i].order, i);
	}
	free(w);
}

static void earlier_ticks_fire_first_in_one_jump(void **state)
{
	struct timers *w = wheel_at(MS(250));
	struct probe a = { 0 }, b = { 0 }, c = { 0 };

	set(w, &c, MS(100000));
	set(w, &b, MS(700));
	set(w, &a, MS(251));
	timers_run(w, MS(200000));
	assert_int_equal(a.order, 0);
	assert_int_equal(b.order, 1);
	assert_int_equal(c.order, 2);
	assert_true(a.fired_us == MS(200000));
	free(w);
}

static void stop_other(struct probe *p, uint64_t now_us)
{
	timer_stop(p->w, &p->other->t);
}

static void set_other_later(struct probe *p, uint64_t now_us)
{
	set(p->w, p->other, now_us + MS(1));
}

static void set_again_at_once(struct probe *p, uint64_t now_us)
{
	set(p->w, p, now_us);
}

static void handlers_may_set_and_stop_any_timer(void **state)
{
	struct timers *w = wheel_at(0);
	struct probe b = { 0 }, a = { .then = stop_other, .other = &b };
	struct probe d = { 0 }, c = { .then = set_other_later, .other = &d };
	struct probe e = { .then = set_again_at_once };

	set(w, &a, MS(10));
	set(w, &b, MS(10)); /* stopped by a, though already due */
	set(w, &c, MS(10));
	set(w, &d, MS(10)); /* moved on by c, though already due */
	set(w, &e, MS(10));
	timers_run(w, MS(10));
	assert_int_equal(b.fired, 0);
	assert_int_equal(d.fired, 0);
	assert_int_equal(e.fired, 1); /* not for ever */
	assert_int_equal(w->n, 2);
	timers_run(w, MS(10));
	assert_int_equal(e.fired, 2);
	e.then = NULL;
	assert_true(timers_deadline(w) <= MS(11));
	timers_run(w, MS(11));
	assert_int_equal(d.fired, 1);
	assert_int_equal(e.fired, 3);
	assert_int_equal(w->n, 0);
	free(w);
}

static void free_itself(struct probe *p, uint64_t now_us)
{
	free(p);
}

static void handler_may_free_its_timer(void **state)
{
	struct timers *w = wheel_at(0);
	struct probe *p = calloc(1, sizeof(*p)), *q = calloc(1, sizeof(*q));

	p->then = q->then = free_itself;
	set(w, p, MS(3));
	set(w, q, MS(3));
	timers_run(w, MS(3));
	assert_int_equal(w->n, 0);
	free(w);
}

/* Follows timers_deadline() as an event loop would; returns how often it woke up. */
static unsigned run_by_deadline(struct timers *w, uint64_t until_us)
{
	unsigned wakes = 0;

	for (uint64_t at; (at = timers_deadline(w)) <= until_us; wakes++) {
		assert_true(at >= w->tick * US_PER_MS);
		timers_run(w, at);
	}
	return wakes;
}

static void deadline_leads_to_each_timer_at_its_ms(void **state)
{
	static const uint64_t at_ms[] = { 1,          255,         256,        257,        511,
					  65535,      65536,       65537,      1800000,    16777215,
					  16777216,   86400000,    1u << 31,   UINT32_MAX, 4294967296,
					  4294967297, 10000000000, 99999999999 };
	struct probe p[ARRAY_LEN(at_ms)] = { 0 };

	for (unsigned start = 0; start < 600; start += 199) {
		struct timers *w = wheel_at(MS(start));
		memset(p, 0, sizeof(p));
		for (size_t i = 0; i < ARRAY_LEN(p); i++)
			set(w, &p[i], MS(start + at_ms[i]));
		/* A few cascades per timer; the last lies 23 rounds of the top level ahead. */
		assert_true(run_by_deadline(w, UINT64_MAX - 1) < 6 * ARRAY_LEN(p) + 30);
		for (size_t i = 0; i < ARRAY_LEN(p); i++) {
			assert_int_equal(p[i].fired, 1);
			assert_true(p[i].fired_us == MS(start + at_ms[i]));
		}
		free(w);
	}
}

static void large_jumps_cost_only_what_is_due(void **state)
{
	struct timers *w = wheel_at(0);
	struct probe p = { 0 }, never = { 0 };

	set(w, &p, MS(1));
	set(w, &never, UINT64_MAX);
	timers_run(w, UINT64_MAX / 2);
	assert_int_equal(p.fired, 1);
	assert_int_equal(never.fired, 0);
	set(w, &p, UINT64_MAX / 2 + MS(3));
	timers_run(w, UINT64_MAX / 2 + MS(4));
	assert_int_equal(p.fired, 2);
	free(w);
}

static void time_going_back_changes_nothing(void **state)
{
	struct timers *w = wheel_at(MS(1000));
	struct probe p = { 0 };

	timers_run(w, MS(2000));
	set(w, &p, MS(2001));
	timers_run(w, MS(1500));
	assert_int_equal(p.fired, 0);
	timers_run(w, MS(2001));
	assert_int_equal(p.fired, 1);
	free(w);
}

/* Against a plain table: random sets, moves and stops, jumps of all sizes. */
static void agrees_with_a_plain_table(void **state)
{
	struct probe *p = calloc(MANY, sizeof(*p));
	uint64_t *due = calloc(MANY, sizeof(*due)), now = MS(123456789);
	struct timers *w = wheel_at(now);
	struct rng r;

	rng_seed(&r, 1);
	for (unsigned step = 0; step < 3000; step++) {
		for (unsigned k = 0; k < 10; k++) {
			unsigned i = (unsigned)rng_below(&r, MANY);
			if (rng_below(&r, 4) == 0) {
				timer_stop(w, &p[i].t);
				due[i] = 0;
			} else {
				due[i] = now + 1 + rng_below(&r, MS(1ull << rng_below(&r, 34)));
				set(w, &p[i], due[i]);
			}
		}
		uint64_t next = UINT64_MAX, deadline = timers_deadline(w);
		for (unsigned i = 0; i < MANY; i++)
			if (due[i] && (due[i] + 999) / 1000 * 1000 < next)
				next = (due[i] + 999) / 1000 * 1000;
		assert_true(deadline <= next);
		now = rng_below(&r, 2) ? deadline : now + rng_below(&r, MS(1ull << rng_below(&r, 26)));
		if (now == UINT64_MAX)
			break;
		timers_run(w, now);
		for (unsigned i = 0; i < MANY; i++) {
			bool past = due[i] && (due[i] + 999) / 1000 <= now / 1000;
			assert_int_equal(p[i].fired, past);
			p[i].fired = 0;
			if (past)
				due[i] = 0;
		}
	}
	free(w);
	free(due);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fires_at_the_first_tick_not_before_its_time),
		cmocka_unit_test(past_fires_at_the_next_run),
		cmocka_unit_test(set_moves_and_stop_stops),
		cmocka_unit_test(one_tick_fires_in_the_order_of_setting),
		cmocka_unit_test(earlier_ticks_fire_first_in_one_jump),
		cmocka_unit_test(handlers_may_set_and_stop_any_timer),
		cmocka_unit_test(handler_may_free_its_timer),
		cmocka_unit_test(deadline_leads_to_each_timer_at_its_ms),
		cmocka_unit_test(large_jumps_cost_only_what_is_due),
		cmocka_unit_test(time_going_back_changes_nothing),
		cmocka_unit_test(agrees_with_a_plain_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
