/*
 * test_accounts.c - the registry of open halves over deployments, with a service that only
 * counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka.h needs those before it */
#include <cmocka.h>

#include "base/mem.h"
#include "catalog/load.h"
#include "engine/accounts.h"

/* ---- a service that counts -------------------------------------------------------------- */

struct settings {
	char name[8];
};

struct account {
	const struct settings *settings;
	struct account_figures figures;
};

static int opened, warmed, closed;

static struct account *count_open(const struct settings *settings, struct loop *loop)
{
	struct account *account = mem_zalloc(1, sizeof(*account));

	account->settings = settings;
	opened++;
	return account;
}

static void count_warm(struct account *account)
{
	assert_string_equal(account->settings->name, "fake");
	warmed++;
}

static void tell_figures(const struct account *account, struct account_figures *out)
{
	*out = account->figures;
}

/* The settings are still there. */
static void count_close(struct account *account)
{
	assert_string_equal(account->settings->name, "fake");
	free(account);
	closed++;
}

static const struct service_ops fake = { .type = "FAKE",
	.open = count_open,
	.warm = count_warm,
	.figures = tell_figures,
	.close = count_close };

/* ---- snapshots -------------------------------------------------------------------------- */

static void release(void *settings)
{
	half_settings_release(settings);
}

static void add_account(struct snapshot *snapshot, const char *id, uint64_t fingerprint)
{
	struct service_account *account = arena_zalloc(
		snapshot->arena, 1, sizeof(*account));
	struct arena *arena = arena_new_lasting();
	struct half_settings *settings = arena_zalloc(arena, 1, sizeof(*settings));

	settings->references = 1;
	settings->arena = arena;
	settings->account = arena_text(arena, text_of(id));
	settings->checked = arena_zalloc(arena, 1, sizeof(struct settings));
	strcpy(settings->checked->name, "fake");
	arena_defer(snapshot->arena, release, settings);
	account->id = arena_text(snapshot->arena, text_of(id));
	account->service = &fake;
	account->used = true;
	account->index = snapshot->account_count++;
	account->half[ENV_LIVE].present = true;
	account->half[ENV_LIVE].settings = settings;
	account->half[ENV_LIVE].fingerprint = fingerprint;
	HASH_ADD_KEYPTR(hh, snapshot->accounts, account->id.at, account->id.len, account);
}

static struct snapshot *new_snapshot(void)
{
	struct arena *arena = arena_new_lasting();
	struct snapshot *snapshot = arena_zalloc(arena, 1, sizeof(*snapshot));
	static uint64_t version;

	snapshot->arena = arena;
	snapshot->references = 1;
	snapshot_begin(snapshot, ++version);
	return snapshot;
}

static struct snapshot *snapshot_of(const char *id, uint64_t fingerprint)
{
	struct snapshot *snapshot = new_snapshot();

	add_account(snapshot, id, fingerprint);
	return snapshot;
}

/* ---- passes ----------------------------------------------------------------------------- */

struct world {
	struct loop *loop;
	struct accounts *accounts;
	struct loop_item count;
	int left;
};

static void count_pass(struct loop_item *item)
{
	struct world *world = container_of(item, struct world, count);

	if (--world->left > 0)
		loop_upkeep(world->loop, item);
	else
		loop_stop(world->loop);
}

static void passes(struct world *world, int count)
{
	world->left = count;
	world->count.run = count_pass;
	loop_upkeep(world->loop, &world->count);
	loop_run(world->loop);
}

static int setup(void **state)
{
	struct world *world = mem_zalloc(1, sizeof(*world));

	world->loop = loop_new();
	world->accounts = accounts_new(world->loop);
	opened = warmed = closed = 0;
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	accounts_free(world->accounts);
	loop_free(world->loop);
	free(world);
	assert_int_equal(opened, closed);
	assert_int_equal(snapshot_alive(), 0);
	assert_int_equal(arena_total_lasting(), 0);
	arena_drop_cache();
	return 0;
}

/* ---- tests ------------------------------------------------------------------------------ */

/* After a hundred deployments one snapshot is alive, and the pool is the first one's. */
static void test_unchanged(void **state)
{
	struct world *world = *state;
	struct deployment *old = accounts_deploy(world->accounts, snapshot_of("a", 1)),
			  *next;
	struct account *account;

	passes(world, 3);
	account = deployment_account(old, deployment_snapshot(old)->accounts, ENV_LIVE);
	assert_null(deployment_account(old, deployment_snapshot(old)->accounts, ENV_TEST));
	for (int i = 0; i < 100; i++) {
		next = accounts_deploy(world->accounts, snapshot_of("a", 1));
		assert_int_equal(accounts_change(world->accounts)->kept, 1);
		assert_int_equal(accounts_change(world->accounts)->closing, 0);
		deployment_release(old);
		passes(world, 3);
		assert_int_equal(snapshot_alive(), 1);
		old = next;
	}
	assert_ptr_equal(account,
		deployment_account(old, deployment_snapshot(old)->accounts, ENV_LIVE));
	assert_int_equal(opened, 1);
	assert_int_equal(warmed, 1);
	assert_int_equal(closed, 0);
	deployment_release(old);
}

/* The old pool goes when the last run that uses it is over. */
static void test_changed(void **state)
{
	struct world *world = *state;
	struct deployment *old = accounts_deploy(world->accounts, snapshot_of("a", 1)),
			  *run = deployment_hold(old), *next;
	struct account *account;

	passes(world, 3);
	account = deployment_account(old, deployment_snapshot(old)->accounts, ENV_LIVE);
	next = accounts_deploy(world->accounts, snapshot_of("a", 2));
	assert_int_equal(accounts_change(world->accounts)->kept, 0);
	assert_int_equal(accounts_change(world->accounts)->opened, 1);
	assert_int_equal(accounts_change(world->accounts)->closing, 1);
	deployment_release(old);
	passes(world, 5);
	assert_int_equal(closed, 0);
	assert_int_equal(snapshot_alive(), 2);
	assert_ptr_equal(account,
		deployment_account(run, deployment_snapshot(run)->accounts, ENV_LIVE));
	deployment_release(run);
	passes(world, 5);
	assert_int_equal(closed, 1);
	assert_int_equal(opened, 2);
	assert_int_equal(snapshot_alive(), 1);
	deployment_release(next);
}

static void assert_connects(
	const struct deployment *deployment, uint64_t connects, uint64_t failures)
{
	struct account_figures figures;

	assert_true(deployment_pool(deployment, 0, ENV_LIVE, &figures));
	assert_int_equal(figures.connects, connects);
	assert_int_equal(figures.failures, failures);
}

/* What was counted does not fall while the old pool and the new one stand side by side. */
static void test_connects_never_fall(void **state)
{
	struct world *world = *state;
	struct deployment *old = accounts_deploy(world->accounts, snapshot_of("a", 1)),
			  *run = deployment_hold(old), *next;
	struct account *first, *second;

	passes(world, 3);
	first = deployment_account(old, deployment_snapshot(old)->accounts, ENV_LIVE);
	first->figures.connects = 10;
	first->figures.failures = 4;
	assert_connects(old, 10, 4);
	next = accounts_deploy(world->accounts, snapshot_of("a", 2));
	assert_connects(next, 10, 4);
	deployment_release(old);
	passes(world, 3);
	second = deployment_account(next, deployment_snapshot(next)->accounts, ENV_LIVE);
	second->figures.connects = 1;
	assert_connects(next, 11, 4);
	first->figures.failures = 5;
	deployment_release(run);
	passes(world, 5);
	assert_int_equal(closed, 1);
	assert_connects(next, 11, 5);
	assert_connects(next, 11, 5);
	deployment_release(next);
}

/* Two accounts of equal settings are two. */
static void test_equal_settings(void **state)
{
	struct world *world = *state;
	struct snapshot *snapshot = snapshot_of("a", 1);
	struct deployment *deployment;

	add_account(snapshot, "b", 1);
	deployment = accounts_deploy(world->accounts, snapshot);
	passes(world, 5);
	assert_int_equal(opened, 2);
	deployment_release(deployment);
}

static void test_some_in_a_pass(void **state)
{
	struct world *world = *state;
	struct snapshot *snapshot = new_snapshot();
	struct deployment *deployment;
	struct service_account *last;
	char id[2] = "a";

	for (; *id <= 'j'; ++*id)
		add_account(snapshot, id, (uint64_t)*id);
	deployment = accounts_deploy(world->accounts, snapshot);
	assert_int_equal(opened, 0);
	passes(world, 3);
	assert_int_equal(opened, 3);
	assert_int_equal(warmed, 3);
	/* A task that needs one does not wait for its turn. */
	HASH_FIND(hh, snapshot->accounts, "j", 1, last);
	assert_non_null(deployment_account(deployment, last, ENV_LIVE));
	assert_int_equal(opened, 4);
	passes(world, 20);
	assert_int_equal(opened, 10);
	assert_int_equal(warmed, 10);
	deployment_release(deployment);
	assert_int_equal(closed, 0);
	passes(world, 2);
	assert_in_range(closed, 1, 9);
	passes(world, 20);
	assert_int_equal(closed, 10);
}

/* What comes back before it was closed goes on; also when it was never opened. */
static void test_back_in_time(void **state)
{
	struct world *world = *state;
	struct deployment *one, *two, *three;

	one = accounts_deploy(world->accounts, snapshot_of("a", 1));
	passes(world, 3);
	two = accounts_deploy(world->accounts, new_snapshot());
	deployment_release(one);
	three = accounts_deploy(world->accounts, snapshot_of("a", 1));
	assert_int_equal(accounts_change(world->accounts)->kept, 1);
	deployment_release(two);
	passes(world, 5);
	assert_int_equal(opened, 1);
	assert_int_equal(closed, 0);
	one = accounts_deploy(world->accounts, snapshot_of("b", 1));
	deployment_release(one); /* before its turn */
	one = accounts_deploy(world->accounts, snapshot_of("b", 1));
	passes(world, 5);
	assert_int_equal(opened, 2);
	assert_int_equal(warmed, 2);
	assert_int_equal(closed, 0);
	deployment_release(one);
	deployment_release(three);
}

/* A large snapshot is freed over several passes, a half that it brought stays. */
static void test_a_large_snapshot(void **state)
{
	struct world *world = *state;
	struct snapshot *snapshot = snapshot_of("a", 1);
	struct deployment *old, *next;
	size_t before;

	for (int i = 0; i < 64; i++)
		memset(arena_alloc(snapshot->arena, 256 << 10), 'x', 256 << 10);
	old = accounts_deploy(world->accounts, snapshot);
	passes(world, 3);
	next = accounts_deploy(world->accounts, snapshot_of("a", 1));
	before = arena_total_lasting();
	deployment_release(old);
	assert_int_equal(arena_total_lasting(), before);
	passes(world, 3);
	assert_in_range(before - arena_total_lasting(), 1 << 20, 15 << 20);
	passes(world, 20);
	assert_in_range(before - arena_total_lasting(), 15 << 20, 20 << 20);
	assert_int_equal(snapshot_alive(), 1);
	assert_int_equal(closed, 0);
	deployment_release(next);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_unchanged),
		CASE(test_changed),
		CASE(test_connects_never_fall),
		CASE(test_equal_settings),
		CASE(test_some_in_a_pass),
		CASE(test_back_in_time),
		CASE(test_a_large_snapshot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
