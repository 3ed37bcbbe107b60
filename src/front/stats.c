/*
 * stats.c - the list of all figures, and how each group finds its objects.
 *
 * What a figure is called and means stands in the table of the module that counts it; here
 * stands only what no module below counts: the process, the catalog and the reloads.
 * Refused: a page that names each figure once more; it would miss the next one.
 */
#include "front/stats.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/pool.h"

/* ---- the program ---- */

#define NUMBER(index) ((index) * sizeof(uint64_t))

static const struct metric build_metrics[] = {
	{ "volley_build_info", NULL, METRIC_GAUGE, METRIC_PLAIN, NUMBER(0), NULL, NULL,
		false, "1; the label tells the version" },
	{ .name = NULL },
};

static bool read_build(void *context, size_t index, struct metric_object *object)
{
	struct stats_view *view = context;

	if (index > 0)
		return false;
	view->numbers[0] = 1;
	object->labels[0] = text_of(VOLLEY_VERSION);
	object->figures[0] = view->numbers;
	return true;
}

static const struct metric start_metrics[] = {
	{ "volley_start_time_seconds", NULL, METRIC_GAUGE, METRIC_MILLISECONDS, NUMBER(0),
		NULL, NULL, false, "when the process started, seconds since 1970" },
	{ "volley_uptime_seconds", "uptimeMS", METRIC_GAUGE, METRIC_NANOSECONDS, NUMBER(1),
		NULL, NULL, false, "time since the start" },
	{ "volley_ready", NULL, METRIC_GAUGE, METRIC_PLAIN, NUMBER(2), NULL, NULL, false,
		"1 while events are taken, 0 while starting or draining" },
	{ "volley_log_dropped_total", "logLinesDropped", METRIC_COUNTER, METRIC_PLAIN,
		NUMBER(3), NULL, NULL, false,
		"lines of the log that were dropped since nobody read them" },
	{ .name = NULL },
};

static bool read_start(void *context, size_t index, struct metric_object *object)
{
	struct stats_view *view = context;
	const struct stats_sources *sources = view->sources;

	if (index > 0)
		return false;
	clock_format(sources->started_ms, view->started_at);
	process_read(&view->process);
	view->numbers[0] = sources->started_ms;
	view->numbers[1] = loop_now(sources->loop) - sources->started;
	view->numbers[2] = strcmp(sources->state, "ready") == 0;
	view->numbers[3] = log_dropped();
	object->labels[0] = text_of(sources->state);
	object->labels[1] = text_of(view->started_at);
	object->figures[0] = view->numbers;
	object->figures[1] = &view->process;
	return true;
}

static bool read_process(void *context, size_t index, struct metric_object *object)
{
	struct stats_view *view = context;

	if (index > 0)
		return false;
	process_read(&view->process);
	object->figures[0] = &view->process;
	return true;
}

/* ---- catalog ---- */

static const struct metric catalog_metrics[] = {
	{ "volley_catalog_version", "version", METRIC_GAUGE, METRIC_PLAIN, NUMBER(0), NULL,
		NULL, false, "number of the catalog in force, 1 after the start" },
	{ "volley_catalogs_alive", "alive", METRIC_GAUGE, METRIC_PLAIN, NUMBER(1), NULL,
		NULL, false,
		"catalogs in memory: the one in force, and those of older runs" },
	{ "volley_catalog_events", "events", METRIC_GAUGE, METRIC_PLAIN, NUMBER(2), NULL,
		NULL, false, "events in the catalog" },
	{ "volley_catalog_accounts", "accounts", METRIC_GAUGE, METRIC_PLAIN, NUMBER(3),
		NULL, NULL, false, "service accounts in the catalog" },
	{ "volley_reloads_total", "reloads", METRIC_COUNTER, METRIC_PLAIN, NUMBER(4),
		"result", "succeeded|failed", false, "reloads of the project folder" },
	{ "volley_last_reload_success_timestamp_seconds", NULL, METRIC_GAUGE,
		METRIC_MILLISECONDS, NUMBER(6), NULL, NULL, false,
		"when the catalog in force was loaded, seconds since 1970" },
	{ .name = NULL },
};

static bool read_catalog(void *context, size_t index, struct metric_object *object)
{
	struct stats_view *view = context;
	const struct deploy_figures *reloads = view->sources->reloads;
	const struct snapshot *snapshot = deployment_snapshot(view->deployment);
	uint64_t *numbers = view->numbers;

	if (index > 0)
		return false;
	numbers[0] = snapshot->version;
	numbers[1] = snapshot_alive();
	numbers[2] = snapshot->event_count;
	numbers[3] = snapshot->account_count;
	numbers[4] = reloads->succeeded;
	numbers[5] = reloads->failed;
	numbers[6] = reloads->last_success_ms;
	object->figures[0] = numbers;
	return true;
}

/* ---- runs, loop, names ---- */

static bool read_runs(void *context, size_t index, struct metric_object *object)
{
	struct stats_view *view = context;

	if (index > 0)
		return false;
	engine_figures(view->sources->engine, &view->engine);
	object->figures[0] = &view->engine;
	return true;
}

static bool read_loop(void *context, size_t index, struct metric_object *object)
{
	struct stats_view *view = context;

	object->figures[0] = loop_stats(view->sources->loop);
	return index == 0;
}

static bool read_dns(void *context, size_t index, struct metric_object *object)
{
	struct stats_view *view = context;

	if (index > 0)
		return false;
	dns_figures(view->sources->loop, &view->dns);
	object->figures[0] = &view->dns;
	return true;
}

/* ---- HTTP ---- */

static const void *figures_of(struct stats_view *view, struct http_server *server)
{
	return server ? (const void *)http_server_figures(server) : &view->nothing;
}

static bool read_http(void *context, size_t index, struct metric_object *object)
{
	struct stats_view *view = context;

	if (index > 1)
		return false;
	object->labels[0] = index == 0 ? TEXT("event") : TEXT("admin");
	object->figures[0] = figures_of(
		view, index == 0 ? view->sources->events : view->sources->admin);
	return true;
}

static bool read_refusals(void *context, size_t index, struct metric_object *object)
{
	struct stats_view *view = context;

	object->figures[0] = figures_of(view, view->sources->events);
	return index == 0;
}

/* ---- per account half, event and action ---- */

static struct text environment_text(size_t index)
{
	return text_of(environment_name(index % ENV_COUNT));
}

static bool read_account(void *context, size_t index, struct metric_object *object)
{
	struct stats_view *view = context;
	const struct figures_set *set = deployment_figures(view->deployment);
	const struct figures_row *row = &set->accounts[index / ENV_COUNT];

	if (index >= set->account_count * ENV_COUNT)
		return false;
	if (!deployment_pool(
		    view->deployment, index / ENV_COUNT, index % ENV_COUNT, &view->pool)) {
		object->skipped = true;
		return true;
	}
	object->labels[0] = row->account->id;
	object->labels[1] = environment_text(index);
	object->labels[2] = text_of(row->account->service->type);
	object->figures[0] = &view->pool;
	object->figures[1] = &row->figures[index % ENV_COUNT];
	return true;
}

static bool read_event(void *context, size_t index, struct metric_object *object)
{
	struct stats_view *view = context;
	const struct figures_set *set = deployment_figures(view->deployment);
	const struct figures_row *row = &set->events[index / ENV_COUNT];

	if (index >= set->event_count * ENV_COUNT)
		return false;
	object->labels[0] = row->event->id;
	object->labels[1] = environment_text(index);
	object->figures[0] = &row->figures[index % ENV_COUNT];
	return true;
}

static bool read_action(void *context, size_t index, struct metric_object *object)
{
	struct stats_view *view = context;
	const struct figures_set *set = deployment_figures(view->deployment);
	const struct figures_row *row = &set->actions[index / ENV_COUNT];

	if (index >= set->action_count * ENV_COUNT)
		return false;
	object->labels[0] = row->event->id;
	object->labels[1] = row->filter->id;
	object->labels[2] = row->action->id;
	object->labels[3] = environment_text(index);
	object->figures[0] = &row->figures[index % ENV_COUNT];
	return true;
}

/* ---- the list ---- */

#define ENVIRONMENT                                                                        \
	{                                                                                  \
		"environment", "environment"                                               \
	}

const struct metric_group stats_groups[] = {
	{ .labels = { { "version", "version" } },
		.tables = { build_metrics },
		.read = read_build },
	{ .labels = { { NULL, "state" }, { NULL, "startedAt" } },
		.tables = { start_metrics, process_cpu_metrics },
		.read = read_start },
	{ .key = "catalog", .tables = { catalog_metrics }, .read = read_catalog },
	{ .key = "runs", .tables = { engine_metrics }, .read = read_runs },
	{ .key = "loop", .tables = { loop_metrics }, .read = read_loop },
	{ .key = "memory", .tables = { process_memory_metrics }, .read = read_process },
	{ .key = "files", .tables = { process_file_metrics }, .read = read_process },
	{ .key = "dns", .tables = { dns_metrics }, .read = read_dns },
	{ .key = "http",
		.is_list = true,
		.labels = { { "api", "api" } },
		.tables = { http_metrics },
		.read = read_http },
	{ .key = "requests", .tables = { http_refusal_metrics }, .read = read_refusals },
	{ .key = "accounts",
		.is_list = true,
		.labels = { { "account", "id" }, ENVIRONMENT, { NULL, "type" } },
		.tables = { pool_metrics, account_metrics },
		.read = read_account },
	{ .key = "events",
		.is_list = true,
		.labels = { { "event", "id" }, ENVIRONMENT },
		.tables = { event_metrics },
		.read = read_event },
	{ .key = "actions",
		.is_list = true,
		.labels = { { "event", "event" }, { "filter", "filter" },
			{ "action", "id" }, ENVIRONMENT },
		.tables = { action_metrics },
		.read = read_action },
	{ .read = NULL },
};
