/*
 * report.c - a run as the JSON that clients read, at any moment of its life.
 *
 * One writer serves the reply, the look-up of a living run and what is kept of a settled
 * one, so that they cannot drift apart. The names are the original platform's; clients
 * depend on each of them. yajl_gen was measured and refused here: the names never change,
 * and generating them anew was a quarter of the instructions of an event with one action.
 */
#include "engine/run_state.h"
#include "value/json.h"

/* A piece of JSON that is the same in every reply. */
#define PUT(out, literal) strbuf_bytes((out), (literal), sizeof(literal) - 1)

/* A piece, then a value. */
#define PUT_STRING(out, literal, t) (PUT(out, literal), json_append_string((out), (t)))
#define PUT_TIME(out, literal, ns)                                                         \
	(PUT(out, literal), json_append_milliseconds((out), (ns)))
#define PUT_NUMBER(out, literal, n) (PUT(out, literal), json_append_integer((out), (n)))

/*
 * The failure's message; with `replies: {detail: full}` DETAIL, HINT and CONTEXT on lines
 * of their own.
 */
static void write_message(struct strbuf *out, const struct task *task)
{
	const struct outcome *outcome = &task->attempt.outcome;
	const struct volley_settings *settings =
		deployment_snapshot(task->run->deployment)->settings;
	struct text message = outcome->message;

	if (settings->reply_detail && outcome->more.len)
		message = text_of(arena_printf(task->run->arena, "%.*s\n%.*s",
			TEXT_ARG(outcome->message), TEXT_ARG(outcome->more)));
	PUT_STRING(out, ",\"responseMessage\":", message);
}

static void write_outcome(struct strbuf *out, const struct task *task)
{
	const struct outcome *outcome = &task->attempt.outcome;

	PUT_TIME(out, ",\"responseTimeMS\":", task->ended - task->started);
	PUT_NUMBER(out, ",\"responseCode\":", outcome->code);
	PUT(out, ",\"responsePayload\":");
	json_append(out, outcome->payload ? outcome->payload : &value_null);
	if (outcome->truncated)
		PUT(out, ",\"truncated\":true");
	if (outcome->base64)
		PUT(out, ",\"encoding\":\"base64\"");
	if (task->state == TASK_FAILED)
		write_message(out, task);
	if (outcome->detail.len)
		PUT_STRING(out, ",\"responseDetail\":", outcome->detail);
}

/* status and state first: what most readers look for. */
static void write_response(struct strbuf *out, const struct task *task)
{
	switch (task->state) {
	case TASK_PENDING:
		PUT(out, "{\"status\":null,\"state\":\"pending\",\"responseTimeMS\":null,"
			 "\"responseCode\":null,\"responsePayload\":null");
		break;
	case TASK_DONE:
		PUT(out, "{\"status\":true,\"state\":\"done\"");
		write_outcome(out, task);
		break;
	case TASK_FAILED:
		PUT(out, "{\"status\":false,\"state\":\"failed\"");
		write_outcome(out, task);
		break;
	}
	PUT_TIME(out, ",\"startedMS\":", task->started - task->run->began);
	PUT_NUMBER(out, ",\"attempts\":", task->attempts);
	PUT(out, "}");
}

static void write_task(struct strbuf *out, const struct task *task)
{
	PUT(out, "{\"id\":\"");
	strbuf_bytes(out, task->id, UUID_TEXT_LEN);
	PUT(out, "\",\"action\":");
	strbuf_text(out, task->action->reply_fragment);
	PUT(out, ",\"response\":");
	write_response(out, task);
	PUT(out, "}");
}

static void write_matches(struct strbuf *out, const struct run *run)
{
	const struct task *task = run->tasks;

	for (size_t i = 0; i < run->match_count; i++) {
		const struct filter *filter = run->matches[i];

		if (i > 0)
			PUT(out, ",");
		PUT_STRING(out, "{\"id\":", filter->id);
		PUT(out, ",\"condition\":");
		if (filter->condition_text.at)
			json_append_string(out, filter->condition_text);
		else
			PUT(out, "null");
		PUT(out, ",\"actions\":[");
		for (size_t a = 0; a < filter->action_count; a++) {
			if (a > 0)
				PUT(out, ",");
			write_task(out, task++);
		}
		PUT(out, "]}");
	}
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

/* About how long the reply will be: a large one should not be moved while it grows. */
static size_t expected_size(const struct run *run)
{
	enum { FRAME = 512 }; /* of a run or a task, names and figures */
	size_t size = FRAME;

	for (size_t i = 0; i < run->match_count; i++)
		size += run->matches[i]->condition_text.len;
	for (size_t i = 0; i < run->task_count; i++) {
		const struct value *payload = run->tasks[i].attempt.outcome.payload;

		size += FRAME;
		if (payload && payload->type == VALUE_STRING)
			size += payload->text.len;
	}
	return size;
}

static void write_run(const struct run *run, struct strbuf *out)
{
	PUT(out, "{\"id\":\"");
	strbuf_bytes(out, run->id, UUID_TEXT_LEN);
	PUT_STRING(out, "\",\"event_name\":", run->event->id);
	PUT_STRING(out, ",\"environment\":", run->values.environment);
	if (run->match_count > 0)
		PUT(out, ",\"match\":{\"status\":true");
	else
		PUT(out, ",\"match\":{\"status\":false");
	PUT_NUMBER(out, ",\"total_rules\":", (long long)run->event->filter_count);
	PUT_NUMBER(out, ",\"total_matches\":", (long long)run->match_count);
	PUT(out, "},\"match_rules\":[");
	write_matches(out, run);
	PUT_TIME(out, "],\"totalTimeMS\":", total_time(run));
	PUT(out, "}");
}

struct text run_reply(const struct run *run, struct arena *arena)
{
	struct strbuf out;

	if (run->body.at)
		return run->body;
	strbuf_init_arena(&out, arena, SIZE_MAX);
	(void)strbuf_reserve(&out, expected_size(run));
	write_run(run, &out);
	return strbuf_get(&out);
}
