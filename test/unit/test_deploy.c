/*
 * test_deploy.c - reloads on the loop: what they count, whom they tell, and their end at any
 * point.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka.h needs those before it */
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "folder.h"
#include "front/deploy.h"

struct world {
	struct loop *loop;
	struct engine *engine;
	struct deploy *deploy;
	struct loop_item tick;
	int left;         /* passes to run; below 0: without end */
	int prepared;     /* calls */
	int done[2];      /* calls, by success */
	int wanted;       /* reloads to end before the loop stops; 0: passes count */
	bool refuse, ask; /* prepare() fails; done() asks for one more, once */
};

static bool prepare(void *owner, const struct snapshot *next, struct errbuf *errbuf)
{
	struct world *world = owner;

	world->prepared++;
	assert_true(next->version >
		    deployment_snapshot(engine_deployment(world->engine))->version);
	if (world->refuse)
		errbuf_set(errbuf, "no listener for you");
	return !world->refuse;
}

static void done(void *owner, bool succeeded)
{
	struct world *world = owner;

	world->done[succeeded]++;
	assert_false(deploy_figures(world->deploy)->running);
	if (world->ask) {
		world->ask = false;
		deploy_request(world->deploy);
	}
	if (world->done[0] + world->done[1] == world->wanted)
		loop_stop(world->loop);
}

static const struct deploy_hooks hooks = { .prepare = prepare, .done = done };

static void tick(struct loop_item *item)
{
	struct world *world = container_of(item, struct world, tick);

	if (world->left > 0 && --world->left == 0)
		loop_stop(world->loop);
	else if (world->left > 0)
		loop_upkeep(world->loop, item);
}

static void passes(struct world *world, int count)
{
	if (count == 0)
		return;
	world->left = count;
	loop_upkeep(world->loop, &world->tick);
	loop_run(world->loop);
}

/* Until so many more reloads are over. */
static void finish(struct world *world, int reloads)
{
	world->wanted = world->done[0] + world->done[1] + reloads;
	loop_run(world->loop);
	world->wanted = 0;
}

static uint64_t version(const struct world *world)
{
	return deployment_snapshot(engine_deployment(world->engine))->version;
}

static struct deploy *new_deploy(struct world *world)
{
	return deploy_new(world->loop, world->engine, settings_path(), &hooks, world);
}

static int setup(void **state)
{
	struct world *world = mem_zalloc(1, sizeof(*world));
	struct arena *arena = arena_new();
	struct snapshot *snapshot;

	log_configure(LOG_ERROR, LOG_LOGFMT);
	new_folder();
	write_file("volley.yaml", TEXT("log: {level: error}\n"), 0644);
	write_file("events/a.yaml",
		TEXT("id: a\nfilters: [{id: f, actions: [{id: x, type: LOG, action: "
		     "WRITE,\n  template: {message: m}}]}]\n"),
		0644);
	world->tick.run = tick;
	world->loop = loop_new();
	world->engine = engine_new(world->loop);
	snapshot = snapshot_load(settings_path(), arena, diag_new(arena));
	assert_non_null(snapshot);
	engine_deploy(world->engine, snapshot);
	world->deploy = new_deploy(world);
	arena_free(arena);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	deploy_free(world->deploy);
	engine_free(world->engine);
	loop_free(world->loop);
	free(world);
	remove_folder();
	assert_int_equal(snapshot_alive(), 0);
	assert_int_equal(arena_total_lasting(), 0);
	arena_drop_cache();
	log_flush();
	return 0;
}

static void test_success(void **state)
{
	struct world *world = *state;
	const struct deploy_figures *figures = deploy_figures(world->deploy);
	uint64_t before = version(world), start = figures->last_success_ms;

	assert_true(start > 0 && start <= clock_wall_ms());
	assert_int_equal(figures->succeeded + figures->failed, 0);
	for (int i = 1; i <= 20; i++) {
		deploy_request(world->deploy);
		assert_true(figures->running);
		finish(world, 1);
		assert_int_equal(version(world), before + (uint64_t)i);
		assert_int_equal(figures->succeeded, i);
	}
	passes(world, 3);
	assert_int_equal(snapshot_alive(), 1);
	assert_int_equal(world->prepared, 20);
	assert_int_equal(figures->failed, 0);
	assert_true(figures->last_success_ms >= start);
}

static void test_failures(void **state)
{
	struct world *world = *state;
	const struct deploy_figures *figures = deploy_figures(world->deploy);
	uint64_t before = version(world), start = figures->last_success_ms;

	write_file("events/b.yaml", TEXT("id: [\n"), 0644);
	deploy_request(world->deploy);
	finish(world, 1);
	assert_int_equal(world->prepared, 0);
	write_file("events/b.yaml", TEXT("id: b\n"), 0644);
	world->refuse = true;
	deploy_request(world->deploy);
	finish(world, 1);
	assert_int_equal(world->prepared, 1);
	assert_true(unlink(settings_path()) == 0);
	deploy_request(world->deploy);
	finish(world, 1);
	assert_int_equal(figures->failed, 3);
	assert_int_equal(world->done[false], 3);
	assert_int_equal(figures->succeeded, 0);
	assert_true(figures->last_success_ms == start);
	assert_int_equal(version(world), before);
	assert_int_equal(snapshot_alive(), 1);
}

/* However often it is asked for while one goes on, one more follows. */
static void test_one_more(void **state)
{
	struct world *world = *state;

	deploy_request(world->deploy);
	passes(world, 2);
	for (int i = 0; i < 3; i++)
		deploy_request(world->deploy);
	finish(world, 2);
	passes(world, 50);
	assert_int_equal(world->done[true], 2);
	world->ask = true;
	deploy_request(world->deploy);
	passes(world, 1);
	deploy_request(world->deploy); /* both ask for the same one */
	finish(world, 2);
	passes(world, 50);
	assert_int_equal(world->done[true], 4);
}

static void test_freed_anywhere(void **state)
{
	struct world *world = *state;

	for (int broken = 0; broken < 2; broken++) {
		if (broken)
			write_file("events/b.yaml", TEXT("id: b\nx: 1\n"), 0644);
		for (int count = 0; count < 30; count++) {
			deploy_request(world->deploy);
			passes(world, count);
			deploy_free(world->deploy);
			world->deploy = new_deploy(world);
		}
	}
	passes(world, 3);
	assert_int_equal(snapshot_alive(), 1);
}

static void test_stopped_anywhere(void **state)
{
	struct world *world = *state;

	for (int count = 0; count < 30; count++) {
		int before = world->done[0] + world->done[1];

		deploy_request(world->deploy);
		passes(world, count);
		deploy_stop(world->deploy);
		assert_int_equal(world->done[0] + world->done[1], before + 1);
		deploy_request(world->deploy);
		assert_false(deploy_figures(world->deploy)->running);
		deploy_free(world->deploy);
		world->deploy = new_deploy(world);
	}
	assert_true(world->done[false] > 5 && world->done[true] > 5);
	passes(world, 3);
	assert_int_equal(snapshot_alive(), 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_success),
		CASE(test_failures),
		CASE(test_one_more),
		CASE(test_freed_anywhere),
		CASE(test_stopped_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
