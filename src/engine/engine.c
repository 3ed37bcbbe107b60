/*
 * engine.c - the owner of the deployment in force and of the table of living runs.
 */
#include "engine/engine.h"

#include "base/log.h"
#include "base/mem.h"
#include "engine/run_state.h"

struct engine *engine_new(struct loop *loop)
{
	struct engine *engine = mem_zalloc(1, sizeof(*engine));

	engine->loop = loop;
	engine->accounts = accounts_new(loop);
	engine->replies = replies_new(0, 0);
	return engine;
}

/* Ends a run in the middle: its tasks' attempts never deliver, its memory goes now. */
static void cut_off(struct engine *engine, struct run *run)
{
	log_line(LOG_WARN, "run cut off", "run", run_id(run), NULL);
	for (size_t i = 0; i < run->task_count; i++)
		task_cut(&run->tasks[i]);
	loop_timer_stop(&run->reply_timer);
	loop_cancel(engine->loop, &run->reply_item);
	HASH_DEL(engine->living, run);
	deployment_release(run->deployment);
	arena_free(run->arena);
}

void engine_free(struct engine *engine)
{
	while (engine->living)
		cut_off(engine, engine->living);
	if (engine->deployment)
		deployment_release(engine->deployment);
	accounts_free(engine->accounts);
	replies_free(engine->replies);
	free(engine);
}

void engine_deploy(struct engine *engine, struct snapshot *snapshot)
{
	struct deployment *old = engine->deployment;

	engine->deployment = accounts_deploy(engine->accounts, snapshot);
	replies_limit(engine->replies, snapshot->settings->runs.keep,
		snapshot->settings->runs.keep_for);
	if (old)
		deployment_release(old);
}

const struct accounts_change *engine_accounts_change(const struct engine *engine)
{
	return accounts_change(engine->accounts);
}

struct deployment *engine_deployment(const struct engine *engine)
{
	return engine->deployment;
}

size_t engine_living(const struct engine *engine)
{
	return HASH_COUNT(engine->living);
}

size_t engine_inflight(const struct engine *engine)
{
	return engine->inflight;
}

#define AT(member) offsetof(struct engine_figures, member)

const struct metric engine_metrics[] = {
	{ "volley_runs_inflight", "inflight", METRIC_GAUGE, METRIC_PLAIN, AT(inflight),
		NULL, NULL, false, "runs whose reply has not gone" },
	{ "volley_runs_living", "living", METRIC_GAUGE, METRIC_PLAIN, AT(living), NULL,
		NULL, false, "runs that have not settled, or whose reply has not gone" },
	{ "volley_runs_kept", "kept", METRIC_GAUGE, METRIC_PLAIN, AT(kept), NULL, NULL,
		false, "replies of settled runs that are kept for look-ups" },
	{ "volley_runs_kept_bytes", "keptBytes", METRIC_GAUGE, METRIC_PLAIN, AT(kept_bytes),
		NULL, NULL, false, "bytes of the replies that are kept" },
	{ .name = NULL },
};

void engine_figures(const struct engine *engine, struct engine_figures *out)
{
	out->inflight = engine->inflight;
	out->living = engine_living(engine);
	out->kept = replies_count(engine->replies);
	out->kept_bytes = replies_bytes(engine->replies);
}

struct run *engine_find(const struct engine *engine, struct text id)
{
	struct run *run = NULL;

	if (id.len == UUID_TEXT_LEN)
		HASH_FIND(hh, engine->living, id.at, id.len, run);
	return run;
}

struct replies *engine_replies(const struct engine *engine)
{
	return engine->replies;
}

void engine_run_ended(struct engine *engine, struct run *run)
{
	HASH_DEL(engine->living, run);
}
