/* SPDX-License-Identifier: MIT */
#include "lib/check.h"

#include "base/pool.h"
#include "base/rng.h"
#include "lib/oom.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

struct world {
	unsigned n; /* slabs out */
	bool refuses;
};

static void *take(void *u)
{
	struct world *w = u;
	void *slab = w->refuses ? NULL : aligned_alloc(16, POOL_SLAB);

	w->n += slab != NULL;
	return slab;
}

static void give(void *u, void *slab)
{
	struct world *w = u;

	w->n--;
	free(slab);
}

static void start(struct pool *p, struct world *w)
{
	*w = (struct world){ 0 };
	pool_init(p, &(struct pool_pages){ w, take, give });
}

static char *filled(struct pool *p, size_t n, unsigned with)
{
	char *b = pool_alloc(p, n);

	assert_non_null(b);
	assert_int_equal((uintptr_t)b % 16, 0);
	memset(b, (int)with, n);
	return b;
}

static void check_filled(const char *b, size_t n, unsigned with)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal((unsigned char)b[i], with);
}

/* Every size has a block of its own, aligned, and none reaches into another. */
static void every_size(void **state)
{
	enum { MOST = POOL_BLOCK_MAX + 100 };
	static char *block[MOST];
	struct pool p;
	struct world w;

	start(&p, &w);
	for (unsigned n = 0; n < MOST; n++)
		block[n] = filled(&p, n, n & 0xff);
	for (unsigned n = 0; n < MOST; n++) {
		check_filled(block[n], n, n & 0xff);
		pool_free(&p, block[n]);
	}
	pool_finish(&p);
	assert_int_equal(w.n, 0);
}

/* Blocks come and go at random; what is in them stays; after all are gone no more than a few slabs do. */
static void random_life(void **state)
{
	enum { N = 2000, STEPS = 100000 };
	static struct {
		char *p;
		size_t n;
	} b[N];
	struct pool p;
	struct world w;
	struct rng rng;

	start(&p, &w);
	rng_seed(&rng, 7);
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned i = (unsigned)rng_below(&rng, N);

		if (b[i].p) {
			check_filled(b[i].p, b[i].n, i & 0xff);
			pool_free(&p, b[i].p);
			b[i].p = NULL;
		} else {
			b[i].n = rng_below(&rng, rng_below(&rng, 8) ? 700 : 9000);
			b[i].p = filled(&p, b[i].n, i & 0xff);
		}
	}
	assert_true(w.n > 10);
	for (unsigned i = 0; i < N; i++)
		pool_free(&p, b[i].p);
	assert_true(w.n <= 5);
	pool_fit(&p);
	assert_int_equal(w.n, 0);
	pool_finish(&p);
}

/* A block that comes back is the next that is given: a steady crowd needs no more slabs. */
static void used_again(void **state)
{
	enum { N = 3000 };
	static char *b[N];
	struct pool p;
	struct world w;
	unsigned most;

	start(&p, &w);
	for (unsigned i = 0; i < N; i++)
		b[i] = filled(&p, 400, i & 0xff);
	most = w.n;
	assert_true(most >= N * 400 / POOL_SLAB && most <= N * 480 / POOL_SLAB + 1);
	for (unsigned i = 0; i < 20 * N; i++) {
		pool_free(&p, b[i % N]);
		b[i % N] = filled(&p, 390, i & 0xff);
	}
	assert_int_equal(w.n, most);
	for (unsigned i = 0; i < N; i++)
		pool_free(&p, b[i]);
	/* Another size takes the slabs that are spare. */
	most = w.n;
	b[0] = filled(&p, 5000, 1);
	assert_int_equal(w.n, most);
	pool_free(&p, b[0]);
	pool_finish(&p);
	assert_int_equal(w.n, 0);
}

static void without_slabs(void **state)
{
	struct pool p;
	struct world w;
	char *a, *b;

	start(&p, &w);
	w.refuses = true;
	a = filled(&p, 100, 1); /* malloc's */
	w.refuses = false;
	b = filled(&p, 100, 2);
	check_filled(a, 100, 1);
	pool_free(&p, a);
	check_filled(b, 100, 2);
	pool_free(&p, b);
	w.refuses = true;
	pool_fit(&p);
	oom_fail_after(0);
	assert_null(pool_alloc(&p, 100));
	assert_true(oom_end());
	oom_fail_after(0);
	assert_null(pool_alloc(&p, 10000));
	assert_true(oom_end());
	assert_null(pool_alloc(&p, SIZE_MAX));
	pool_finish(&p);
	assert_int_equal(w.n, 0);
}

/* Each block is malloc's: it fails when that does, and ASan knows its ends. */
static void without_pages(void **state)
{
	struct pool p;
	char *a;

	pool_init(&p, NULL);
	oom_fail_after(0);
	assert_null(pool_alloc(&p, 100));
	assert_true(oom_end());
	a = filled(&p, 100, 3);
	pool_free(&p, a);
	pool_free(&p, NULL);
	a = pool_zalloc(&p, 100);
	check_filled(a, 100, 0);
	pool_free(&p, a);
	a = pool_alloc(NULL, 100);
	assert_non_null(a);
	pool_free(NULL, a);
	pool_fit(&p);
	pool_finish(&p);
}

#ifdef __SANITIZE_ADDRESS__
static void freed_is_poisoned(void **state)
{
	struct pool p;
	struct world w;
	char *a, *b;

	start(&p, &w);
	a = filled(&p, 100, 1), b = filled(&p, 100, 2);
	assert_false(__asan_address_is_poisoned(a + 99));
	assert_true(__asan_address_is_poisoned(a + 100));
	assert_true(__asan_address_is_poisoned(a - 1));
	pool_free(&p, a);
	assert_true(__asan_address_is_poisoned(a));
	assert_true(__asan_address_is_poisoned(a + 99));
	assert_false(__asan_address_is_poisoned(b));
	a = pool_zalloc(&p, 90);
	check_filled(a, 90, 0);
	pool_free(&p, a);
	pool_free(&p, b);
	pool_finish(&p);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size),        cmocka_unit_test(random_life),
		cmocka_unit_test(used_again),        cmocka_unit_test(without_slabs),
		cmocka_unit_test(without_pages),
#ifdef __SANITIZE_ADDRESS__ /* not skip(): cmocka's TAP calls what was skipped "not ok" */
		cmocka_unit_test(freed_is_poisoned),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
