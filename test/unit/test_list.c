/*
 * test_list.c - order, counts, and links that know whether they are listed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/list.h"

struct item {
	int number;
	struct link link;
};

/* The numbers of the list's members, in order, as one decimal number. */
static int numbers(const struct list *list)
{
	int all = 0;
	size_t count = 0;

	list_for_each (list, link) {
		all = all * 10 + container_of(link, struct item, link)->number;
		count++;
	}
	assert_int_equal(count, list->count);
	return all;
}

static void empty(void **state)
{
	struct list list;

	list_init(&list);
	assert_true(list_empty(&list));
	assert_int_equal(list.count, 0);
	assert_null(list_first(&list));
	assert_null(list_last(&list));
	assert_null(list_take(&list));
	assert_int_equal(numbers(&list), 0);
}

static void order(void **state)
{
	struct item items[4] = { { .number = 1 }, { .number = 2 }, { .number = 3 },
		{ .number = 4 } };
	struct list list;

	list_init(&list);
	list_append(&list, &items[1].link);
	list_append(&list, &items[3].link);
	list_prepend(&list, &items[0].link);
	list_insert_before(&list, &items[3].link, &items[2].link);
	assert_int_equal(numbers(&list), 1234);
	assert_ptr_equal(list_first(&list), &items[0].link);
	assert_ptr_equal(list_last(&list), &items[3].link);
	assert_ptr_equal(list_next(&list, &items[0].link), &items[1].link);
	assert_null(list_next(&list, &items[3].link));
}

static void removing(void **state)
{
	struct item items[3] = { { .number = 1 }, { .number = 2 }, { .number = 3 } };
	struct list list, other;

	list_init(&list);
	list_init(&other);
	for (int i = 0; i < 3; i++) {
		assert_false(link_is_listed(&items[i].link));
		list_append(&list, &items[i].link);
		assert_true(link_is_listed(&items[i].link));
	}
	list_remove(&list, &items[1].link);
	assert_false(link_is_listed(&items[1].link));
	assert_int_equal(numbers(&list), 13);
	list_append(&other, &items[1].link);
	assert_int_equal(numbers(&other), 2);
	assert_ptr_equal(list_take(&list), &items[0].link);
	assert_ptr_equal(list_take(&list), &items[2].link);
	assert_null(list_take(&list));
	assert_true(list_empty(&list));
	assert_int_equal(list.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(order),
		cmocka_unit_test(removing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
