/*
 * run.c - a run from its acceptance to its end.
 *
 * A run lives in the arena of the request that it came with, payload, rendered requests and
 * answers beside it, and ends when its last task has settled and its reply is gone.
 * Counting references was refused: these two facts are all that can keep a run alive, and
 * both are plain to read.
 */
#include "base/log.h"
#include "engine/run_state.h"

/* Frees the run's memory, this struct included; at the reap point, after every callback. */
static void reap(struct loop_item *item)
{
	struct run *run = container_of(item, struct run, reap_item);

	arena_free(run->arena);
}

static void end_if_over(struct run *run)
{
	if (run->open > 0 || run->reply)
		return;
	engine_run_ended(run->engine, run);
	deployment_release(run->deployment);
	loop_reap(run->engine->loop, &run->reap_item);
}

/* What stays of a run when all of it has settled: its reply's text. */
static void keep_result(struct run *run)
{
	struct strbuf body;
	struct kept_reply kept;

	strbuf_init_arena(&body, run->arena, SIZE_MAX);
	run_write(run, &body);
	run->body = strbuf_get(&body);
	kept = (struct kept_reply){ .event_id = run->event->id,
		.environment = run->environment,
		.catalog = run->catalog,
		.body = run->body };
	replies_put(run->engine->replies, run->id, &kept, loop_now(run->engine->loop));
}

static void reply_done(struct run *run)
{
	run->reply = NULL;
	run->engine->inflight--;
	loop_timer_stop(&run->reply_timer);
	loop_cancel(run->engine->loop, &run->reply_item);
}

static void send_reply(struct loop_item *item)
{
	struct run *run = container_of(item, struct run, reply_item);

	run->replied = clock_now();
	figures_count(&run->figures[run->environment],
		run->waited == 0 ? EVENT_SETTLED : EVENT_ACCEPTED,
		run->replied - run->received);
	if (run->open == 0)
		keep_result(run);
	run->reply(run, run->owner);
	reply_done(run);
	end_if_over(run);
}

static void on_reply_timeout(struct loop_timer *timer)
{
	struct run *run = container_of(timer, struct run, reply_timer);

	loop_deliver(run->engine->loop, &run->reply_item);
}

void run_abandon(struct run *run)
{
	reply_done(run);
	run->replied = clock_now();
	run->figures[run->environment].ended[EVENT_GONE]++;
	if (run->open == 0)
		keep_result(run);
	end_if_over(run);
}

void run_task_settled(struct run *run, struct task *task)
{
	run->open--;
	if (!task->action->async && --run->waited == 0) {
		run->settled = clock_now();
		if (run->reply)
			loop_deliver(run->engine->loop, &run->reply_item);
	}
	if (run->open == 0 && !run->reply) {
		keep_result(run);
		end_if_over(run);
	}
}

/* Finds the filters that match and lays out their tasks; starts none. */
static void match(struct run *run)
{
	const struct event_def *event = run->event;

	run->matches = arena_alloc(
		run->arena, (event->filter_count + 1) * sizeof(*run->matches));
	run->tasks = arena_zalloc(run->arena, event->action_count + 1, sizeof(*run->tasks));
	for (size_t f = 0; f < event->filter_count; f++) {
		const struct filter *filter = &event->filters[f];

		if (filter->condition && condition_eval(filter->condition,
						 run->values.payload) != TRUTH_TRUE)
			continue;
		run->matches[run->match_count++] = filter;
		for (size_t a = 0; a < filter->action_count; a++) {
			struct task *task = &run->tasks[run->task_count++];

			task->run = run;
			task->filter = filter;
			task->action = &filter->actions[a];
			uuid_v7(loop_wall_ms(run->engine->loop), task->id);
			run->waited += !task->action->async;
		}
	}
	run->open = run->task_count;
}

static struct run *run_new(struct engine *engine, const struct run_order *order)
{
	struct run *run = arena_zalloc(order->arena, 1, sizeof(*run));
	uint64_t wall_ms = loop_wall_ms(engine->loop);

	run->engine = engine;
	run->deployment = order->deployment;
	run->event = order->event;
	run->figures =
		deployment_figures(order->deployment)->events[order->event->index].figures;
	run->environment = order->environment;
	run->catalog = deployment_snapshot(order->deployment)->version;
	run->arena = order->arena;
	run->received = order->received;
	run->began = clock_now();
	run->reply = order->reply;
	run->owner = order->owner;
	run->reply_item.run = send_reply;
	run->reap_item.run = reap;
	loop_timer_init(engine->loop, &run->reply_timer, on_reply_timeout);
	uuid_v7(wall_ms, run->id);
	clock_format(wall_ms, run->received_at);
	run->values = (struct values){
		.payload = order->payload,
		.event_id = { run->id, UUID_TEXT_LEN },
		.event_name = order->event->id,
		.received_at = text_of(run->received_at),
		.environment = text_of(environment_name(order->environment)),
	};
	HASH_ADD(hh, engine->living, id, UUID_TEXT_LEN, run);
	engine->inflight++;
	return run;
}

/*
 * Whether a waited-for task may still be under way when the reply is due; else the tasks'
 * own timeouts bring the reply in time and a timer would only cost.
 */
static bool may_outlast(const struct run *run, uint64_t left)
{
	for (size_t i = 0; i < run->task_count; i++) {
		const struct action *action = run->tasks[i].action;

		if (!action->async && action->timeout[run->environment] >= left)
			return true;
	}
	return false;
}

/* The reply is due at once, or when the last waited-for task settles, or at its deadline. */
static void arm_reply(struct run *run, const struct run_order *order)
{
	uint64_t elapsed = run->began - run->received;

	if (order->respond_async || run->waited == 0 || elapsed >= order->reply_within)
		loop_deliver(run->engine->loop, &run->reply_item);
	else if (may_outlast(run, order->reply_within - elapsed))
		loop_timer_start(&run->reply_timer, order->reply_within - elapsed);
}

struct run *run_begin(struct engine *engine, const struct run_order *order)
{
	struct run *run = run_new(engine, order);

	match(run);
	if (run->waited == 0)
		run->settled = run->began;
	arm_reply(run, order);
	for (size_t i = 0; i < run->task_count; i++)
		task_start(&run->tasks[i]);
	return run;
}

const char *run_id(const struct run *run)
{
	return run->id;
}

const struct event_def *run_event(const struct run *run)
{
	return run->event;
}

enum environment run_environment(const struct run *run)
{
	return run->environment;
}

uint64_t run_catalog(const struct run *run)
{
	return run->catalog;
}

bool run_is_complete(const struct run *run)
{
	return run->waited == 0;
}
