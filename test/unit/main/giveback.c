/* SPDX-License-Identifier: MIT */
/* When memory is given back; that it then goes is shown by ./dev bench memory. */
#include "lib/check.h"

#include "im/view.h"
#include "main/giveback.h"

static struct im_metrics now;
static unsigned fits;

void im_metrics(struct im *im, struct im_metrics *out)
{
	*out = now;
}

void im_fit(struct im *im)
{
	fits++;
}

static bool look(struct giveback *g, uint64_t transactions, uint64_t sessions)
{
	unsigned before = fits;
	now = (struct im_metrics){ .transactions = transactions, .sessions = sessions };
	bool gave = giveback_look(g);
	assert_int_equal(fits - before, gave);
	return gave;
}

static void a_crowd_that_goes_leaves_its_memory_in_halves(void **state)
{
	struct giveback g = { 0 };

	assert_false(look(&g, 0, 0));
	assert_false(look(&g, 100000, 1000)); /* it gathers */
	assert_false(look(&g, 200000, 1000));
	assert_false(look(&g, 100001, 1000)); /* not yet half of it */
	assert_true(look(&g, 100000, 1000));
	assert_false(look(&g, 90000, 1000));
	assert_true(look(&g, 4000, 1000));
	/* the sessions that stay do not hide the last transactions */
	assert_true(look(&g, 0, 1000));
	assert_false(look(&g, 0, 1000));
	assert_true(look(&g, 0, 10)); /* sessions count by themselves */
}

static void a_few_are_not_worth_it(void **state)
{
	struct giveback g = { 0 };

	assert_false(look(&g, 255, 255));
	assert_false(look(&g, 0, 0));
	assert_false(look(&g, 256, 0));
	assert_true(look(&g, 0, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crowd_that_goes_leaves_its_memory_in_halves),
		cmocka_unit_test(a_few_are_not_worth_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
