/*
 * log.c - the connector whose service is the daemon's own log: one line per task.
 *
 * It needs no account and no connection; the line is written when the task starts, and the
 * attempt is finished like any other, from the deliver list. Refused: a level that drops
 * the line before it is rendered; an event's outcome would then depend on the log's level.
 */
#include "service/log.h"

#include "base/log.h"
#include "base/strbuf.h"
#include "value/json.h"
#include "value/template.h"

static const struct field write_fields[] = { { "message", FIELD_TEXT, FIELD_REQUIRED, NULL,
						     NULL, "the line's message" },
	{ "fields", FIELD_MAP, 0, NULL, NULL, "further fields of the line" },
	{ "level", FIELD_CHOICE, 0, "debug|info|warn|error", "info", "the line's level" },
	{ NULL } };

static const struct action_kind actions[] = {
	{ "WRITE", NULL, write_fields, ACTION_IDEMPOTENT,
		"writes one structured line into the daemon's log" },
	{ NULL }
};

struct plan {
	enum log_level level;
	struct template *message;
	struct template_tree *fields; /* NULL: none */
};

struct request {
	enum log_level level;
	struct text message;
	const struct value *fields; /* an object, or NULL */
	struct text run, event;
};

static struct plan *compile(const struct action_kind *kind, const struct node *template,
	const struct scope *scope, struct arena *arena, struct diag *diag)
{
	struct plan *plan = arena_zalloc(arena, 1, sizeof *plan);
	const struct node *fields = node_get(template, "fields");
	const struct node *level = node_get(template, "level");
	size_t errors = diag_errors(diag);

	plan->level = LOG_INFO;
	if (!node_is_null(level) && !log_level_parse(level->text, &plan->level))
		diag_error(diag, level->place, "unknown level");
	plan->message = template_compile(
		node_get(template, "message"), "message", scope, arena, diag);
	if (!node_is_null(fields))
		plan->fields = template_tree_compile(fields, "fields", scope, arena, diag);
	return diag_errors(diag) == errors ? plan : NULL;
}

static const struct request *render(const struct plan *plan, const struct values *values,
	size_t max, struct arena *arena, struct errbuf *errbuf)
{
	struct request *request = arena_zalloc(arena, 1, sizeof *request);
	bool is_null;

	request->level = plan->level;
	request->run = values->event_id;
	request->event = values->event_name;
	if (!template_text(plan->message, values, arena, true, &request->message, &is_null,
		    errbuf))
		return NULL;
	if (is_null)
		request->message = TEXT("null");
	if (plan->fields) {
		request->fields = template_tree_value(plan->fields, values, arena, errbuf);
		if (!request->fields)
			return NULL;
	}
	if (request->message.len > max) {
		errbuf_set(errbuf, "the message is larger than %zu bytes", max);
		return NULL;
	}
	return request;
}

static const char *level_name(enum log_level level)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };

	return names[level];
}

static void describe(const struct request *request, yajl_gen gen)
{
	yajl_gen_map_open(gen);
	json_string(gen, "level", text_of(level_name(request->level)));
	json_string(gen, "message", request->message);
	if (request->fields) {
		json_key(gen, "fields");
		json_generate(gen, request->fields);
	}
	yajl_gen_map_close(gen);
}

/*
 * The line's own run and event stay the only ones: a field of that name gets a `_` behind
 * it.
 */
static struct text field_name(struct text name)
{
	if (text_is(name, "run"))
		return TEXT("run_");
	if (text_is(name, "event"))
		return TEXT("event_");
	return name;
}

static void write_field(const struct member *member, struct arena *arena, size_t max)
{
	struct text name = field_name(member->name);
	struct strbuf json;

	if (member->value.type == VALUE_STRING) {
		log_field(name, member->value.text);
		return;
	}
	strbuf_init_arena(&json, arena, max);
	json_append(&json, &member->value);
	if (member->value.type == VALUE_ARRAY || member->value.type == VALUE_OBJECT)
		log_field(name, strbuf_get(&json));
	else
		log_raw(name, strbuf_get(&json));
}

static void start(
	struct account *account, const struct request *request, struct attempt *attempt)
{
	const struct value *fields = request->fields;

	if (log_enabled(request->level)) {
		log_begin(request->level, request->message);
		log_text("run", request->run);
		log_text("event", request->event);
		for (size_t i = 0; fields && i < fields->object.count; i++)
			write_field(&fields->object.members[i], attempt->arena, SIZE_MAX);
		log_end();
	}
	attempt->outcome = (struct outcome){ .code = 200 };
	attempt_finish(attempt);
}

static enum attempt_stage cancel(struct account *account, struct attempt *attempt)
{
	/* What has started has finished: it can only be recalled. */
	return attempt_recall(attempt) ? ATTEMPT_SENT : ATTEMPT_QUEUED;
}

const struct service_ops service_log = {
	.type = "LOG",
	.actions = actions,
	.help = "lines in the daemon's own log",
	.compile = compile,
	.render = render,
	.describe = describe,
	.start = start,
	.cancel = cancel,
};
