/* SPDX-License-Identifier: MIT */
#include "lib/check.h"

#include "base/list.h"

struct item {
	int value;
	struct list link;
};

static int value_of(struct list *l)
{
	return container_of(l, struct item, link)->value;
}

static void first_in_first_out(void **state)
{
	struct list head;
	struct item a = { 1 }, b = { 2 };

	list_init(&head);
	assert_true(list_empty(&head));
	list_push(&head, &a.link);
	list_push(&head, &b.link);
	assert_int_equal(value_of(list_pop(&head)), 1);
	assert_int_equal(value_of(list_pop(&head)), 2);
	assert_null(list_pop(&head));
}

static void del_is_safe_on_zeroes_and_twice(void **state)
{
	struct list head, zero = { 0 };
	struct item a = { 1 };

	list_init(&head);
	list_del(&zero);
	assert_true(list_empty(&zero));
	list_push(&head, &a.link);
	list_del(&a.link);
	list_del(&a.link);
	assert_true(list_empty(&head));
	assert_true(list_empty(&a.link));
}

static void each_allows_deleting_the_present_one(void **state)
{
	struct list head;
	struct item items[5];
	int sum = 0;

	list_init(&head);
	for (int i = 0; i < 5; i++) {
		items[i].value = i;
		list_push(&head, &items[i].link);
	}
	list_each(l, &head) {
		sum += value_of(l);
		if (value_of(l) % 2)
			list_del(l);
	}
	assert_int_equal(sum, 10);
	assert_int_equal(value_of(list_pop(&head)), 0);
	assert_int_equal(value_of(list_pop(&head)), 2);
	assert_int_equal(value_of(list_pop(&head)), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_in_first_out),
		cmocka_unit_test(del_is_safe_on_zeroes_and_twice),
		cmocka_unit_test(each_allows_deleting_the_present_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
