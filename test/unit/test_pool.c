/*
 * test_pool.c - the pool with a client that does what the test says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/pool.h"

enum { CONNS = 16 };

/* What the test's client has done, and what it shall do. */
struct world {
	struct loop *loop;
	struct arena *arena;
	struct pool_settings settings;
	struct pool *pool;
	struct fake *conns[CONNS]; /* in the order opened */
	size_t opened, closed, done;
	bool refuse;   /* connect() fails at once */
	bool pipeline; /* feed() takes all it is given and stays open */
	struct loop_timer stop;
};

struct fake {
	struct pool_conn base;
	struct world *world;
	struct loop_item reap;
	size_t taken;
	struct attempt *last;
};

struct probe {
	struct attempt attempt;
	struct world *world;
	bool done;
};

static void reap_fake(struct loop_item *item)
{
	free(container_of(item, struct fake, reap));
}

static struct pool_conn *fake_connect(struct pool *pool, void *owner, struct errbuf *errbuf)
{
	struct world *world = owner;
	struct fake *fake;

	world->opened++;
	if (world->refuse) {
		errbuf_set(errbuf, "could not connect to nowhere: refused");
		return NULL;
	}
	fake = mem_zalloc(1, sizeof *fake);
	pool_conn_init(&fake->base, pool);
	fake->base.target = "nowhere";
	fake->world = world;
	fake->reap.run = reap_fake;
	world->conns[world->opened - 1] = fake;
	return &fake->base;
}

static void fake_feed(struct pool_conn *base)
{
	struct fake *fake = container_of(base, struct fake, base);
	struct attempt *attempt;

	while ((attempt = pool_take(fake->world->pool))) {
		fake->taken++;
		fake->last = attempt;
		if (!fake->world->pipeline)
			break;
	}
	pool_conn_move(base, fake->world->pipeline ? CONN_OPEN : CONN_BUSY);
}

static void fake_close(struct pool_conn *base)
{
	struct fake *fake = container_of(base, struct fake, base);

	fake->world->closed++;
	loop_reap(fake->world->loop, &fake->reap);
}

static const struct pool_client fake_client = {
	.connect = fake_connect,
	.feed = fake_feed,
	.close = fake_close,
};

static void stop_fires(struct loop_timer *timer)
{
	loop_stop(container_of(timer, struct world, stop)->loop);
}

/* Lets the loop run. */
static void run(struct world *world, unsigned ms)
{
	loop_timer_start(&world->stop, ms * NS_PER_MS);
	loop_run(world->loop);
}

static int setup(void **state)
{
	struct world *world = mem_zalloc(1, sizeof *world);

	world->loop = loop_new();
	world->arena = arena_new();
	world->settings = (struct pool_settings){
		.connections = 2,
		.queue = 4,
		.queue_bytes = 1000,
		.connect_timeout = 300 * NS_PER_MS,
		.timeout = NS_PER_SEC,
		.idle_timeout = NS_PER_SEC,
	};
	world->pool = pool_new(
		world->loop, &world->settings, &fake_client, world, "acc", "test");
	loop_timer_init(world->loop, &world->stop, stop_fires);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	pool_free(world->pool);
	loop_timer_stop(&world->stop);
	loop_free(world->loop);
	arena_free(world->arena);
	arena_drop_cache();
	free(world);
	return 0;
}

static void on_done(struct attempt *attempt)
{
	struct probe *probe = container_of(attempt, struct probe, attempt);

	assert_false(probe->done);
	probe->done = true;
	probe->world->done++;
}

static struct probe *submit(struct world *world, size_t bytes)
{
	struct probe *probe = arena_zalloc(world->arena, 1, sizeof *probe);

	probe->world = world;
	probe->attempt.loop = world->loop;
	probe->attempt.arena = world->arena;
	probe->attempt.done = on_done;
	pool_submit(world->pool, &probe->attempt, bytes);
	assert_false(probe->done);
	return probe;
}

static void assert_failed(const struct probe *probe, enum err err, const char *message)
{
	assert_true(probe->done);
	assert_int_equal(probe->attempt.outcome.err, err);
	if (!strstr(probe->attempt.outcome.message.at, message))
		fail_msg("'%s' lacks '%s'", probe->attempt.outcome.message.at, message);
}

/* The client's answer to the attempt that the connection took last. */
static void answer(struct fake *fake)
{
	attempt_finish(fake->last);
	pool_conn_move(&fake->base, CONN_IDLE);
}

static struct account_figures figures(struct world *world)
{
	struct account_figures f;

	pool_figures(world->pool, &f);
	return f;
}

/* ---- tests ---- */

static void test_opens_up_to_the_limit(void **state)
{
	struct world *world = *state;
	struct probe *third;

	submit(world, 1);
	submit(world, 1);
	third = submit(world, 1);
	assert_int_equal(world->opened, 0);
	run(world, 5);
	assert_int_equal(world->opened, 2);
	assert_int_equal(figures(world).connecting, 2);
	assert_int_equal(figures(world).waiting, 3);
	pool_conn_ready(&world->conns[0]->base);
	pool_conn_ready(&world->conns[1]->base);
	run(world, 5);
	assert_int_equal(world->conns[0]->taken, 1);
	assert_int_equal(world->conns[1]->taken, 1);
	assert_int_equal(figures(world).busy, 2);
	answer(world->conns[1]);
	run(world, 5);
	assert_int_equal(world->done, 1);
	assert_int_equal(world->conns[1]->taken, 2);
	assert_ptr_equal(world->conns[1]->last, &third->attempt);
	answer(world->conns[0]);
	answer(world->conns[1]);
	run(world, 5);
	assert_int_equal(world->done, 3);
	assert_int_equal(world->opened, 2);
	assert_int_equal(figures(world).idle, 2);
}

static void test_uses_an_idle_one_first(void **state)
{
	struct world *world = *state;

	submit(world, 1);
	run(world, 5);
	pool_conn_ready(&world->conns[0]->base);
	run(world, 5);
	answer(world->conns[0]);
	for (int i = 0; i < 3; i++) {
		submit(world, 1);
		run(world, 3);
		answer(world->conns[0]);
	}
	run(world, 3);
	assert_int_equal(world->opened, 1);
	assert_int_equal(world->done, 4);
}

static void test_shares_among_idle_ones(void **state)
{
	struct world *world = *state;

	world->pipeline = true;
	submit(world, 1);
	submit(world, 1);
	run(world, 5);
	pool_conn_ready(&world->conns[0]->base);
	pool_conn_ready(&world->conns[1]->base);
	for (int i = 0; i < 2; i++)
		submit(world, 1);
	run(world, 5);
	assert_int_equal(world->conns[0]->taken, 2);
	assert_int_equal(world->conns[1]->taken, 2);
	/* Both are open now and take more. */
	for (int i = 0; i < 4; i++)
		submit(world, 1);
	run(world, 5);
	assert_int_equal(world->conns[0]->taken, 4);
	assert_int_equal(world->conns[1]->taken, 4);
	assert_int_equal(figures(world).waiting, 0);
}

static void test_failed_connect_and_backoff(void **state)
{
	struct world *world = *state;
	struct probe *first = submit(world, 1), *second, *third;

	run(world, 3);
	pool_conn_failed(&world->conns[0]->base, ERR_LOGIN, "WRONGPASS", "no entry");
	loop_reap(world->loop, &world->conns[0]->reap);
	second = submit(world, 1);
	run(world, 1);
	assert_failed(first, ERR_LOGIN, "acc (test): no entry");
	assert_true(text_is(first->attempt.outcome.detail, "WRONGPASS"));
	assert_failed(second, ERR_LOGIN, "acc (test): no entry; the next try is in ");
	/* One retry comes by itself. */
	run(world, 50);
	assert_int_equal(world->opened, 2);
	third = submit(world, 1);
	run(world, 3);
	assert_false(third->done);
	pool_conn_ready(&world->conns[1]->base);
	run(world, 3);
	assert_int_equal(world->conns[1]->taken, 1);
	answer(world->conns[1]);
	run(world, 3);
	assert_true(third->done);
	assert_int_equal(third->attempt.outcome.err, ERR_NONE);
}

static void test_refused_at_once(void **state)
{
	struct world *world = *state;
	struct probe *first;

	world->refuse = true;
	first = submit(world, 1);
	run(world, 3);
	assert_failed(
		first, ERR_CONNECT, "acc (test): could not connect to nowhere: refused");
	/* Nobody asked since: nothing is tried. */
	run(world, 60);
	assert_int_equal(world->opened, 1);
	submit(world, 1);
	run(world, 3);
	assert_int_equal(world->opened, 2);
	/* Each failure doubles the pause: 20, 40, 80 ms, less a half at most. */
	for (int i = 0; i < 400; i++) {
		submit(world, 1);
		run(world, 1);
	}
	assert_in_range(world->opened, 4, 40);
	assert_int_equal(world->done, 402);
}

static void test_connect_timeout(void **state)
{
	struct world *world = *state;
	struct probe *probe = submit(world, 1);

	run(world, 100);
	assert_int_equal(world->closed, 0);
	run(world, 300);
	assert_int_equal(world->closed, 1);
	assert_failed(probe, ERR_CONNECT,
		"acc (test): could not connect to nowhere within 300 ms");
	assert_int_equal(figures(world).connecting, 0);
}

static void test_idle_timeout(void **state)
{
	struct world *world = *state;

	world->settings.idle_timeout = 300 * NS_PER_MS;
	pool_warm(world->pool);
	pool_warm(world->pool);
	run(world, 5);
	assert_int_equal(world->opened, 1);
	pool_conn_ready(&world->conns[0]->base);
	pool_warm(world->pool);
	run(world, 200);
	/* Use begins the time anew. */
	submit(world, 1);
	run(world, 3);
	answer(world->conns[0]);
	run(world, 200);
	assert_int_equal(world->closed, 0);
	run(world, 300);
	assert_int_equal(world->closed, 1);
	assert_int_equal(figures(world).idle, 0);
	assert_int_equal(world->opened, 1);
}

static void test_queue_bounds(void **state)
{
	struct world *world = *state;
	struct probe *probes[4], *extra;

	for (int i = 0; i < 4; i++)
		probes[i] = submit(world, 1);
	extra = submit(world, 1);
	run(world, 3);
	assert_failed(extra, ERR_QUEUE_FULL, "acc (test): the queue is full (4 waiting");
	assert_false(probes[3]->done);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pool_withdraw(world->pool, &probes[i]->attempt),
			ATTEMPT_CONNECTING);
	probes[0] = submit(world, 1000);
	extra = submit(world, 1);
	run(world, 3);
	assert_failed(extra, ERR_QUEUE_FULL, "1000 bytes");
	assert_int_equal(figures(world).waiting_bytes, 1000);
	pool_withdraw(world->pool, &probes[0]->attempt);
	assert_int_equal(figures(world).waiting_bytes, 0);
}

static void test_queue_counts_only_what_waits(void **state)
{
	struct world *world = *state;
	struct probe *extra;

	world->settings.queue = 1;
	world->settings.connections = 3;
	for (int i = 0; i < 3; i++) {
		submit(world, 1);
		run(world, 3);
		pool_conn_ready(&world->conns[i]->base);
		run(world, 3);
	}
	for (int i = 0; i < 3; i++)
		answer(world->conns[i]);
	run(world, 3);
	assert_int_equal(world->done, 3);
	/* Three that start in one pass find three idle connections; one more may wait. */
	for (int i = 0; i < 4; i++)
		submit(world, 1);
	extra = submit(world, 1);
	run(world, 3);
	assert_int_equal(figures(world).busy, 3);
	assert_int_equal(figures(world).waiting, 1);
	assert_failed(extra, ERR_QUEUE_FULL, "1 waiting");
	for (int i = 0; i < 3; i++)
		answer(world->conns[i]);
	run(world, 3);
	assert_int_equal(world->done, 3 + 1 + 3);
	assert_int_equal(figures(world).busy, 1);
	assert_int_equal(figures(world).waiting, 0);
}

static void test_withdraw_tells_the_stage(void **state)
{
	struct world *world = *state;
	struct probe *probe;

	probe = submit(world, 7);
	run(world, 3);
	assert_int_equal(pool_withdraw(world->pool, &probe->attempt), ATTEMPT_CONNECTING);
	submit(world, 7);
	submit(world, 7);
	run(world, 3);
	pool_conn_ready(&world->conns[0]->base);
	pool_conn_ready(&world->conns[1]->base);
	run(world, 3);
	probe = submit(world, 7);
	run(world, 3);
	assert_int_equal(pool_withdraw(world->pool, &probe->attempt), ATTEMPT_QUEUED);
	answer(world->conns[0]);
	run(world, 3);
	assert_false(probe->done);
	assert_int_equal(figures(world).idle, 1);
}

static void test_lost_connection_is_replaced(void **state)
{
	struct world *world = *state;
	struct probe *waiting;

	world->settings.connections = 1;
	submit(world, 1);
	run(world, 3);
	pool_conn_ready(&world->conns[0]->base);
	run(world, 3);
	waiting = submit(world, 1);
	run(world, 3);
	assert_int_equal(world->opened, 1);
	attempt_fail(world->conns[0]->last, ERR_LOST_SENT, NULL, "lost");
	pool_conn_lost(&world->conns[0]->base);
	loop_reap(world->loop, &world->conns[0]->reap);
	run(world, 3);
	assert_int_equal(world->opened, 2);
	assert_false(waiting->done);
	pool_conn_ready(&world->conns[1]->base);
	run(world, 3);
	assert_ptr_equal(world->conns[1]->last, &waiting->attempt);
}

static void test_failure_beside_a_standing_one(void **state)
{
	struct world *world = *state;
	struct probe *second;

	submit(world, 1);
	run(world, 3);
	pool_conn_ready(&world->conns[0]->base);
	run(world, 3);
	second = submit(world, 1);
	run(world, 3);
	assert_int_equal(world->opened, 2);
	pool_conn_failed(&world->conns[1]->base, ERR_CONNECT, NULL, "full");
	loop_reap(world->loop, &world->conns[1]->reap);
	run(world, 3);
	assert_false(second->done);
	answer(world->conns[0]);
	run(world, 3);
	assert_ptr_equal(world->conns[0]->last, &second->attempt);
	answer(world->conns[0]);
	run(world, 3);
	assert_int_equal(world->done, 2);
}

static void test_recall(void **state)
{
	struct world *world = *state;
	struct probe *probe = submit(world, 1);

	assert_false(attempt_recall(&probe->attempt));
	pool_withdraw(world->pool, &probe->attempt);
	attempt_finish(&probe->attempt);
	assert_true(attempt_recall(&probe->attempt));
	run(world, 2);
	assert_false(probe->done);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_opens_up_to_the_limit),
		TEST(test_uses_an_idle_one_first),
		TEST(test_shares_among_idle_ones),
		TEST(test_failed_connect_and_backoff),
		TEST(test_refused_at_once),
		TEST(test_connect_timeout),
		TEST(test_idle_timeout),
		TEST(test_queue_bounds),
		TEST(test_queue_counts_only_what_waits),
		TEST(test_withdraw_tells_the_stage),
		TEST(test_lost_connection_is_replaced),
		TEST(test_failure_beside_a_standing_one),
		TEST(test_recall),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
