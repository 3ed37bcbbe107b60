/*
 * report.c - a run as the JSON that clients read, at any moment of its life.
 *
 * One writer serves the reply, the look-up of a living run and what is kept of a settled
 * one, so that they cannot drift apart. The names are the original platform's; clients
 * depend on each of them.
 */
#include "engine/run_state.h"
#include "value/json.h"

static const char *state_name(enum task_state state)
{
	switch (state) {
	case TASK_PENDING:
		return "pending";
	case TASK_DONE:
		return "done";
	case TASK_FAILED:
		return "failed";
	}
	return "unknown";
}

/* The failure's message; with `replies: {detail: full}` DETAIL, HINT and CONTEXT on lines
 * of their own. */
static void write_message(yajl_gen gen, const struct task *task)
{
	const struct outcome *outcome = &task->attempt.outcome;
	const struct volley_settings *settings =
		deployment_snapshot(task->run->deployment)->settings;

	if (!settings->reply_detail || outcome->more.len == 0) {
		json_string(gen, "responseMessage", outcome->message);
		return;
	}
	json_string(gen, "responseMessage",
		text_of(arena_printf(task->run->arena, "%.*s\n%.*s",
			TEXT_ARG(outcome->message), TEXT_ARG(outcome->more))));
}

static void write_outcome(yajl_gen gen, const struct task *task)
{
	const struct outcome *outcome = &task->attempt.outcome;

	json_milliseconds(gen, "responseTimeMS", task->ended - task->started);
	json_integer(gen, "responseCode", outcome->code);
	json_key(gen, "responsePayload");
	json_generate(gen, outcome->payload);
	if (outcome->truncated)
		json_boolean(gen, "truncated", true);
	if (outcome->base64)
		json_string(gen, "encoding", TEXT("base64"));
	if (task->state == TASK_FAILED)
		write_message(gen, task);
	if (outcome->detail.len)
		json_string(gen, "responseDetail", outcome->detail);
}

/* status and state first: what most readers look for. */
static void write_response(yajl_gen gen, const struct task *task)
{
	yajl_gen_map_open(gen);
	if (task->state == TASK_PENDING)
		json_null(gen, "status");
	else
		json_boolean(gen, "status", task->state == TASK_DONE);
	json_string(gen, "state", text_of(state_name(task->state)));
	if (task->state == TASK_PENDING) {
		json_null(gen, "responseTimeMS");
		json_null(gen, "responseCode");
		json_null(gen, "responsePayload");
	} else {
		write_outcome(gen, task);
	}
	json_milliseconds(gen, "startedMS", task->started - task->run->began);
	json_integer(gen, "attempts", task->attempts);
	yajl_gen_map_close(gen);
}

static void write_task(yajl_gen gen, const struct task *task)
{
	yajl_gen_map_open(gen);
	json_string(gen, "id", (struct text){ task->id, UUID_TEXT_LEN });
	json_key(gen, "action");
	json_fragment(gen, task->action->reply_fragment);
	json_key(gen, "response");
	write_response(gen, task);
	yajl_gen_map_close(gen);
}

static void write_matches(yajl_gen gen, const struct run *run)
{
	const struct task *task = run->tasks;

	json_key(gen, "match_rules");
	yajl_gen_array_open(gen);
	for (size_t i = 0; i < run->match_count; i++) {
		const struct filter *filter = run->matches[i];

		yajl_gen_map_open(gen);
		json_string(gen, "id", filter->id);
		if (filter->condition_text.at)
			json_string(gen, "condition", filter->condition_text);
		else
			json_null(gen, "condition");
		json_key(gen, "actions");
		yajl_gen_array_open(gen);
		for (size_t a = 0; a < filter->action_count; a++)
			write_task(gen, task++);
		yajl_gen_array_close(gen);
		yajl_gen_map_close(gen);
	}
	yajl_gen_array_close(gen);
}

/*
 * Up to the reply; in a look-up after a reply that did not wait for everything, up to when
 * the waited-for tasks had settled, or to now.
 */
static uint64_t total_time(const struct run *run)
{
	uint64_t end = clock_now();

	if (run->settled)
		end = run->settled > run->replied ? run->settled : run->replied;
	return end - run->received;
}

void run_write(const struct run *run, struct strbuf *out)
{
	yajl_gen gen;

	if (run->body.at) {
		strbuf_text(out, run->body);
		return;
	}
	gen = json_begin(out);
	yajl_gen_map_open(gen);
	json_string(gen, "id", (struct text){ run->id, UUID_TEXT_LEN });
	json_string(gen, "event_name", run->event->id);
	json_string(gen, "environment", run->values.environment);
	json_key(gen, "match");
	yajl_gen_map_open(gen);
	json_boolean(gen, "status", run->match_count > 0);
	json_integer(gen, "total_rules", run->event->filter_count);
	json_integer(gen, "total_matches", run->match_count);
	yajl_gen_map_close(gen);
	write_matches(gen, run);
	json_milliseconds(gen, "totalTimeMS", total_time(run));
	yajl_gen_map_close(gen);
	json_end(gen);
}
