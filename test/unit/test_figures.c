/*
 * test_figures.c - engine/figures: what goes on over catalogs, what begins anew, what is kept
 * apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/figures.h"

/* A catalog of one filter "f" in each event; it lives in an arena of its own. */
static struct snapshot *new_snapshot(void)
{
	struct arena *arena = arena_new();
	struct snapshot *snapshot = arena_zalloc(arena, 1, sizeof(*snapshot));

	snapshot->arena = arena;
	return snapshot;
}

static void add_event(
	struct snapshot *snapshot, const char *id, const char *const *actions, size_t count)
{
	struct event_def *event = arena_zalloc(snapshot->arena, 1, sizeof(*event));
	struct filter *filter = arena_zalloc(snapshot->arena, 1, sizeof(*filter));

	filter->id = TEXT("f");
	filter->action_count = count;
	filter->actions = arena_zalloc(
		snapshot->arena, count + 1, sizeof(*filter->actions));
	for (size_t i = 0; i < count; i++) {
		filter->actions[i].id = text_of(actions[i]);
		filter->actions[i].index = snapshot->action_count++;
	}
	event->id = text_of(id);
	event->filters = filter;
	event->filter_count = 1;
	event->index = snapshot->event_count++;
	HASH_ADD_KEYPTR(hh, snapshot->events, event->id.at, event->id.len, event);
}

static void add_account(struct snapshot *snapshot, const char *id)
{
	struct service_account *account = arena_zalloc(
		snapshot->arena, 1, sizeof(*account));

	account->id = text_of(id);
	account->index = snapshot->account_count++;
	HASH_ADD_KEYPTR(hh, snapshot->accounts, account->id.at, account->id.len, account);
}

static void free_snapshot(struct snapshot *snapshot)
{
	struct arena *arena = snapshot->arena;

	HASH_CLEAR(hh, snapshot->events);
	HASH_CLEAR(hh, snapshot->accounts);
	arena_free(arena);
}

static const char *const both[] = { "one", "two" };

static void they_go_on_over_catalogs(void **state)
{
	struct figures_book *book = figures_book_new();
	struct snapshot *a = new_snapshot(), *b = new_snapshot();
	struct figures_set *old, *new;

	add_event(a, "e", both, 2);
	add_event(b, "other", both, 1);
	add_event(b, "e", both, 1);
	old = figures_set_new(book, a);
	assert_int_equal(old->event_count, 1);
	assert_int_equal(old->action_count, 2);
	figures_count(&old->events[0].figures[ENV_TEST], EVENT_SETTLED, 1000);
	figures_count(&old->actions[0].figures[ENV_LIVE], TASK_END_FAILED, 2000);
	figures_count(&old->actions[1].figures[ENV_LIVE], TASK_END_DONE, 3000);

	new = figures_set_new(book, b);
	assert_ptr_equal(new->events[1].figures, old->events[0].figures);
	/* A run of the old catalog counts for the new one, too. */
	figures_count(&old->actions[0].figures[ENV_LIVE], TASK_END_DONE, 2000);
	figures_set_free(book, old);
	assert_int_equal(new->events[1].figures[ENV_TEST].ended[EVENT_SETTLED], 1);
	assert_int_equal(new->events[1].figures[ENV_LIVE].ended[EVENT_SETTLED], 0);
	assert_int_equal(new->events[0].figures[ENV_TEST].time.count, 0);
	assert_int_equal(new->actions[1].figures[ENV_LIVE].ended[TASK_END_FAILED], 1);
	assert_int_equal(new->actions[1].figures[ENV_LIVE].ended[TASK_END_DONE], 1);
	assert_int_equal(new->actions[1].figures[ENV_LIVE].time.sum, 4000);

	/* "two" had gone with its last catalog. */
	old = figures_set_new(book, a);
	assert_int_equal(old->actions[0].figures[ENV_LIVE].time.count, 2);
	assert_int_equal(old->actions[1].figures[ENV_LIVE].time.count, 0);
	figures_set_free(book, old);
	figures_set_free(book, new);
	figures_book_free(book);
	free_snapshot(a);
	free_snapshot(b);
}

/* Ids that look alike when they are put one behind the other. */
static void kinds_are_kept_apart(void **state)
{
	static const char *const names[] = { "f", "account" };
	struct figures_book *book = figures_book_new();
	struct snapshot *snapshot = new_snapshot();
	struct figures_set *set;
	struct figures *seen[8];
	size_t count = 0;

	add_event(snapshot, "account", names, 2);
	add_event(snapshot, "f", names, 2);
	add_account(snapshot, "f");
	add_account(snapshot, "account");
	set = figures_set_new(book, snapshot);
	for (size_t i = 0; i < 2; i++)
		seen[count++] = set->events[i].figures;
	for (size_t i = 0; i < 4; i++)
		seen[count++] = set->actions[i].figures;
	for (size_t i = 0; i < 2; i++)
		seen[count++] = set->accounts[i].figures;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < i; k++)
			assert_ptr_not_equal(seen[i], seen[k]);
	figures_set_free(book, set);
	figures_book_free(book);
	free_snapshot(snapshot);
}

static void an_account_is_held_beyond_its_catalog(void **state)
{
	struct figures_book *book = figures_book_new();
	struct snapshot *snapshot = new_snapshot();
	struct figures_set *set;
	struct figures *held;

	add_account(snapshot, "a");
	set = figures_set_new(book, snapshot);
	held = figures_hold_account(book, TEXT("a"));
	assert_ptr_equal(held, set->accounts[0].figures);
	figures_set_free(book, set);
	held[ENV_TEST].connects = 3;
	set = figures_set_new(book, snapshot);
	assert_int_equal(set->accounts[0].figures[ENV_TEST].connects, 3);
	figures_release(book, held);
	figures_set_free(book, set);
	figures_book_free(book);
	free_snapshot(snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_go_on_over_catalogs),
		cmocka_unit_test(kinds_are_kept_apart),
		cmocka_unit_test(an_account_is_held_beyond_its_catalog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
