/* SPDX-License-Identifier: MIT */
#include "lib/check.h"

#include "base/htab.h"
#include "lib/oom.h"

#include <errno.h>

struct item {
	struct htab_link link;
	unsigned number;
	bool here;
};

static const uint64_t zero_key[2];

static bool item_eq(const struct htab_link *l, const void *key)
{
	return container_of((struct htab_link *)l, struct item, link)->number == *(const unsigned *)key;
}

static uint64_t hash_of(struct htab *t, unsigned number)
{
	return htab_hash(t, (struct span){ (const char *)&number, sizeof(number) });
}

static struct item *find(struct htab *t, unsigned number)
{
	struct htab_link *l = htab_get(t, hash_of(t, number), item_eq, &number);
	return l ? container_of(l, struct item, link) : NULL;
}

static void put(struct htab *t, struct item *i, unsigned number)
{
	i->number = number;
	i->here = true;
	htab_put(t, &i->link, hash_of(t, number));
}

/* The first from the authors' vectors for 1-3 with key 00..0f, the others from an interpreter whose
 * string hash it is (key zero). */
static void siphash_as_others_compute_it(void **state)
{
	const uint64_t key[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };

	assert_true(hash_siphash(key, SPAN_EMPTY) == 0xabac0158050fc4dc);
	assert_true(hash_siphash(zero_key, SPAN("abc")) == 0xc03bc3a0042630f2);
	assert_true(hash_siphash(zero_key, SPAN("hello, parley world")) == 0x88b6c336f05e84b4);
}

static void every_item_is_found_while_growing(void **state)
{
	enum { N = 5000 };
	struct item *items = calloc(N, sizeof(*items));
	struct htab t;

	assert_int_equal(htab_init(&t, zero_key), 0);
	for (unsigned i = 0; i < N; i++) {
		put(&t, &items[i], i);
		assert_int_equal(t.n, i + 1);
		assert_ptr_equal(find(&t, i / 2), &items[i / 2]);
		assert_null(find(&t, i + 1));
	}
	for (unsigned i = 0; i < N; i++)
		assert_ptr_equal(find(&t, i), &items[i]);
	assert_true(t.mask + 1 >= N / 2); /* it did grow */
	for (unsigned i = 0; i < N; i += 2)
		htab_del(&t, &items[i].link);
	for (unsigned i = 0; i < N; i++)
		assert_ptr_equal(find(&t, i), i % 2 ? &items[i] : NULL);
	assert_int_equal(t.n, N / 2);
	htab_finish(&t);
	free(items);
}

static void no_single_put_moves_more_than_a_few(void **state)
{
	enum { N = 3000 };
	struct item *items = calloc(N, sizeof(*items));
	struct htab t;
	unsigned puts_while_growing = 0;

	assert_int_equal(htab_init(&t, zero_key), 0);
	for (unsigned i = 0; i < N; i++) {
		size_t before = t.old ? t.moved : 0;
		put(&t, &items[i], i);
		if (t.old) {
			puts_while_growing++;
			assert_true(t.moved - before <= 2);
		}
	}
	assert_true(puts_while_growing > N / 4);
	htab_finish(&t);
	free(items);
}

static void same_hash_is_told_apart_by_eq(void **state)
{
	struct item a, b;
	struct htab t;
	unsigned one = 1, two = 2, three = 3;

	assert_int_equal(htab_init(&t, zero_key), 0);
	a.number = one;
	b.number = two;
	htab_put(&t, &a.link, 99);
	htab_put(&t, &b.link, 99);
	assert_ptr_equal(htab_get(&t, 99, item_eq, &one), &a.link);
	assert_ptr_equal(htab_get(&t, 99, item_eq, &two), &b.link);
	assert_null(htab_get(&t, 99, item_eq, &three));
	htab_del(&t, &a.link);
	assert_null(htab_get(&t, 99, item_eq, &one));
	assert_ptr_equal(htab_get(&t, 99, item_eq, &two), &b.link);
	htab_finish(&t);
}

struct visit {
	struct htab *t;
	unsigned n;
};

static void visit_and_delete_odd(struct htab_link *l, void *u)
{
	struct visit *v = u;
	struct item *i = container_of(l, struct item, link);

	v->n++;
	if (i->number % 2) {
		htab_del(v->t, l);
		i->here = false;
	}
}

static void each_visits_all_once_and_allows_deletion(void **state)
{
	/* At all sizes, so that some walks fall into a move between the two arrays. */
	for (unsigned n = 0; n < 80; n++) {
		struct item items[80] = { 0 };
		struct htab t;
		struct visit v = { &t, 0 };
		assert_int_equal(htab_init(&t, zero_key), 0);
		for (unsigned i = 0; i < n; i++)
			put(&t, &items[i], i);
		htab_each(&t, visit_and_delete_odd, &v);
		assert_int_equal(v.n, n);
		for (unsigned i = 0; i < n; i++)
			assert_int_equal(find(&t, i) != NULL, items[i].here);
		htab_finish(&t);
	}
}

static void without_memory_chains_grow_longer(void **state)
{
	struct item items[200];
	struct htab t;

	oom_fail_after(0);
	assert_int_equal(htab_init(&t, zero_key), -ENOMEM);
	assert_true(oom_end());
	htab_finish(&t);

	assert_int_equal(htab_init(&t, zero_key), 0);
	for (unsigned i = 0; i < 200; i++) {
		oom_fail_after(0);
		put(&t, &items[i], i);
		oom_end();
	}
	assert_int_equal(t.mask, 15);
	for (unsigned i = 0; i < 200; i++)
		assert_ptr_equal(find(&t, i), &items[i]);
	htab_finish(&t);
}

static void what_a_crowd_left_behind_is_given_back(void **state)
{
	enum { MOVING = 5000, N = 7000, LEFT = 100 };
	struct item *items = calloc(N, sizeof(*items));

	/* At two sizes, so that one falls into a move between the two arrays. */
	for (unsigned n = MOVING; n <= N; n += N - MOVING) {
		struct htab t;
		assert_int_equal(htab_init(&t, zero_key), 0);
		for (unsigned i = 0; i < n; i++)
			put(&t, &items[i], i);
		assert_int_equal(t.old != NULL, n < N);
		size_t full = t.mask;
		htab_fit(&t); /* still needed */
		assert_int_equal(t.mask, full);
		for (unsigned i = LEFT; i < n; i++)
			htab_del(&t, &items[i].link);
		oom_fail_after(0);
		htab_fit(&t);
		assert_true(oom_end());
		assert_int_equal(t.mask, full);
		htab_fit(&t);
		assert_int_equal(t.mask, 127);
		assert_null(t.old);
		for (unsigned i = 0; i < n; i++)
			assert_ptr_equal(find(&t, i), i < LEFT ? &items[i] : NULL);
		for (unsigned i = LEFT; i < n; i++)
			put(&t, &items[i], i);
		for (unsigned i = 0; i < n; i++)
			assert_ptr_equal(find(&t, i), &items[i]);
		htab_finish(&t);
		htab_fit(&t); /* on zeroes */
	}
	free(items);
}

static void finish_is_safe_on_zeroes_and_twice(void **state)
{
	struct htab t = { 0 };
	unsigned one = 1;

	assert_null(htab_get(&t, 1, item_eq, &one));
	htab_finish(&t);
	assert_int_equal(htab_init(&t, zero_key), 0);
	htab_finish(&t);
	htab_finish(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_as_others_compute_it),
		cmocka_unit_test(every_item_is_found_while_growing),
		cmocka_unit_test(no_single_put_moves_more_than_a_few),
		cmocka_unit_test(same_hash_is_told_apart_by_eq),
		cmocka_unit_test(each_visits_all_once_and_allows_deletion),
		cmocka_unit_test(without_memory_chains_grow_longer),
		cmocka_unit_test(what_a_crowd_left_behind_is_given_back),
		cmocka_unit_test(finish_is_safe_on_zeroes_and_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
