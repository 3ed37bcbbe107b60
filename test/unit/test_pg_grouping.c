/*
 * test_pg_grouping.c - what experience makes of a statement: slow, failing, deadlocking, well again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/pg_grouping.h"

static struct pg_grouping grouping;
static struct pg_statement statement = { .sql = { "INSERT 1", 8 }, .hash = 1 };
static int here, there; /* two sessions */
static uint64_t now;

static struct pg_trait *begin(void)
{
	now = 1000 * NS_PER_SEC;
	pg_grouping_init(&grouping);
	return pg_grouping_use(&grouping, &statement);
}

static void end(struct pg_trait *trait)
{
	pg_grouping_unuse(trait);
	pg_grouping_free(&grouping);
}

static bool allows(const struct pg_trait *trait)
{
	return pg_grouping_allows(trait, &here, now);
}

/* One statement alone, answered after that many ms. */
static void alone(struct pg_trait *trait, uint64_t ms)
{
	uint64_t sent = now;

	now += ms * NS_PER_MS;
	pg_grouping_alone(&grouping, trait, sent, now);
}

static void group(struct pg_trait *trait, size_t rows, uint64_t ms)
{
	uint64_t sent = now;
	bool slow;

	now += ms * NS_PER_MS;
	slow = pg_grouping_judge(&grouping, rows, sent, now);
	pg_grouping_note(trait, slow, rows, sent, now);
}

static void an_unknown_statement_may_share(void **state)
{
	struct pg_trait *trait = begin();

	assert_true(allows(trait));
	assert_ptr_equal(pg_grouping_use(&grouping, &statement), trait);
	pg_grouping_unuse(trait);
	end(trait);
}

static void slow_alone_is_not_grouped_until_it_is_quick(void **state)
{
	struct pg_trait *trait = begin();

	alone(trait, 1);
	assert_true(allows(trait));
	alone(trait, 6);
	assert_true(allows(trait)); /* 5 ms above the lowest, not more */
	alone(trait, 7);
	assert_false(allows(trait));
	alone(trait, 2);
	assert_true(allows(trait));
	end(trait);
}

static void the_lowest_round_trip_is_of_the_last_minute(void **state)
{
	struct pg_trait *trait = begin();

	alone(trait, 1);
	now += 31 * NS_PER_SEC;
	alone(trait, 20);
	assert_false(allows(trait));
	now += 70 * NS_PER_SEC;
	alone(trait, 20); /* nothing quicker is known any more */
	assert_true(allows(trait));
	end(trait);
}

static void a_slow_group_sets_a_new_statement_apart_for_a_minute(void **state)
{
	struct pg_trait *trait = begin();

	alone(trait, 1);
	group(trait, 10, 17);
	assert_false(allows(trait));
	now += 59 * NS_PER_SEC;
	assert_false(allows(trait));
	now += 2 * NS_PER_SEC;
	assert_true(allows(trait));
	end(trait);
}

static void a_row_more_is_a_millisecond_more(void **state)
{
	struct pg_trait *trait = begin();

	alone(trait, 1);
	group(trait, 10, 16); /* 1 + 5 + 10 */
	assert_true(allows(trait));
	end(trait);
}

static void one_stall_does_not_condemn_what_was_quick(void **state)
{
	struct pg_trait *trait = begin();

	alone(trait, 1);
	group(trait, 8, 2);
	group(trait, 8, 100);
	group(trait, 8, 100);
	assert_true(allows(trait));
	group(trait, 8, 2);
	group(trait, 8, 100);
	group(trait, 8, 100);
	assert_true(allows(trait));
	group(trait, 8, 100);
	assert_false(allows(trait));
	end(trait);
}

static void groups_that_stall_together_count_once(void **state)
{
	struct pg_trait *trait = begin();
	uint64_t sent;

	alone(trait, 1);
	group(trait, 8, 2);
	sent = now;
	now += 100 * NS_PER_MS;
	for (int i = 0; i < 8; i++)
		pg_grouping_note(trait, true, 8, sent, now + (uint64_t)i);
	assert_true(allows(trait));
	end(trait);
}

static void a_deadlock_leaves_it_one_connection(void **state)
{
	struct pg_trait *trait = begin();

	pg_grouping_hold(trait, &here);
	pg_grouping_deadlocked(trait, now);
	assert_true(pg_grouping_allows(trait, &here, now));
	assert_false(pg_grouping_allows(trait, &there, now));
	pg_grouping_release(trait, &there); /* not its to give back */
	assert_false(pg_grouping_allows(trait, &there, now));
	pg_grouping_release(trait, &here);
	assert_true(pg_grouping_allows(trait, &there, now));
	pg_grouping_hold(trait, &here);
	now += 61 * NS_PER_SEC;
	assert_true(pg_grouping_allows(trait, &there, now));
	end(trait);
}

static void failures_make_groups_smaller_and_good_ones_larger(void **state)
{
	struct pg_trait *trait = begin();

	assert_int_equal(trait->rows, 64);
	pg_grouping_taken_apart(trait, now);
	pg_grouping_taken_apart(trait, now); /* the same group's next statement */
	assert_int_equal(trait->rows, 32);
	for (int i = 0; i < 10; i++)
		pg_grouping_taken_apart(trait, ++now);
	assert_int_equal(trait->rows, 2);
	alone(trait, 1);
	group(trait, 1, 1);
	assert_int_equal(trait->rows, 2); /* it was no full group */
	group(trait, 2, 1);
	assert_int_equal(trait->rows, 3);
	end(trait);
}

static void what_is_not_used_makes_room(void **state)
{
	struct pg_trait *trait = begin();
	struct pg_statement other = statement;

	for (unsigned i = 2; i < 5000; i++) {
		other.hash = i;
		pg_grouping_unuse(pg_grouping_use(&grouping, &other));
	}
	assert_true(HASH_COUNT(grouping.table) <= 1024);
	assert_ptr_equal(pg_grouping_use(&grouping, &statement), trait);
	pg_grouping_unuse(trait);
	end(trait);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_unknown_statement_may_share),
		cmocka_unit_test(slow_alone_is_not_grouped_until_it_is_quick),
		cmocka_unit_test(the_lowest_round_trip_is_of_the_last_minute),
		cmocka_unit_test(a_slow_group_sets_a_new_statement_apart_for_a_minute),
		cmocka_unit_test(a_row_more_is_a_millisecond_more),
		cmocka_unit_test(one_stall_does_not_condemn_what_was_quick),
		cmocka_unit_test(groups_that_stall_together_count_once),
		cmocka_unit_test(a_deadlock_leaves_it_one_connection),
		cmocka_unit_test(failures_make_groups_smaller_and_good_ones_larger),
		cmocka_unit_test(what_is_not_used_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
