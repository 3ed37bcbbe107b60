/*
 * redis_plan.c - a template of the connector for Redis to a command.
 *
 * The table of an action's fields is the layout of its command, so a plan is a row of
 * arguments in the order of the fields; a list gives one for each item, a map one for each
 * member. Each value lands as one binary-safe argument.
 *
 * Refused: commands as one text that is split at blanks, as Redis' own console takes them;
 * a value with a blank or a line's end in it would become another command.
 */
#include "service/redis_plan.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "base/units.h"
#include "service/redis_actions.h"
#include "service/redis_command.h"
#include "value/json.h"
#include "value/template.h"

enum argument_kind {
	ARGUMENT_LABEL, /* the label alone */
	ARGUMENT_TEXT,
	ARGUMENT_JSON,
	ARGUMENT_TTL,  /* milliseconds */
	ARGUMENT_COUNT /* a whole number above 0 */
};

/* One value of the template, with its label in front of it. */
struct argument {
	enum argument_kind kind;
	const char *field;          /* for messages: "key", "args.1" */
	const struct text *label;   /* an argument of its own; NULL: none */
	struct template *template;  /* ARGUMENT_TEXT, _TTL, _COUNT */
	struct template_tree *tree; /* ARGUMENT_JSON */
	bool may_lack;  /* {path?} without a value leaves it out, and its label */
	bool is_member; /* of a map, of which one at least must be there */
};

struct plan {
	const char *command; /* NULL: the first argument is its name */
	redis_code *code;
	size_t count;
	struct argument *arguments;
	bool has_members;
};

static const struct text label_ttl = { "PX", 2 };
static const struct text label_count = { "MAXLEN", 6 };
static const struct text label_new_entry = { "*", 1 };

/* ---- compiling ---- */

/* A template on its way to a plan. */
struct compiler {
	struct plan *plan;
	const char *action;
	bool stringify;
	const struct scope *scope;
	struct arena *arena;
	struct diag *diag;
};

static struct argument *add_argument(
	struct compiler *c, enum argument_kind kind, const char *field)
{
	struct argument *argument = &c->plan->arguments[c->plan->count++];

	argument->kind = kind;
	argument->field = field;
	return argument;
}

/*
 * Whether a value that is no text is certain to come; then it is a mistake now, not later.
 */
static bool is_surely_structured(const struct template *template)
{
	const struct binding *binding = template_binding(template);

	return binding && (binding->arrays > 0 || binding->type == MODEL_OBJECT ||
				  binding->type == MODEL_ARRAY);
}

/* Where a value may be anything, stringify would take what text does not. */
static const char *text_hint(bool may_stringify)
{
	return may_stringify ? "stringify: true stores it as JSON text"
			     : "one argument of a command is text";
}

/* NULL: it can be no text. */
static struct argument *compile_text(
	struct compiler *c, const struct node *node, const char *field, bool may_stringify)
{
	struct argument *argument;

	if (node->kind == NODE_LIST || node->kind == NODE_MAP || node->kind == NODE_NULL) {
		diag_error(c->diag, node->place, "%s cannot be %s", field,
			node->kind == NODE_NULL ? "null" : node_kind_name(node->kind));
		diag_hint(c->diag, "%s", text_hint(may_stringify));
		return NULL;
	}
	argument = add_argument(c, ARGUMENT_TEXT, field);
	argument->template = template_compile(node, field, c->scope, c->arena, c->diag);
	if (!is_surely_structured(argument->template))
		return argument;
	diag_error(c->diag, node->place, "%s would be an object or array", field);
	diag_hint(c->diag, "%s", text_hint(may_stringify));
	return NULL;
}

static void compile_ttl(struct compiler *c, const struct node *node, const char *field)
{
	struct argument *argument = add_argument(c, ARGUMENT_TTL, field);
	uint64_t ns;

	argument->label = &label_ttl;
	argument->template = template_compile(node, field, c->scope, c->arena, c->diag);
	argument->may_lack = template_is_optional(argument->template);
	if (units_duration(node->text, &ns) && ns < NS_PER_MS)
		diag_error(c->diag, node->place, "%s must be longer than 0", field);
}

static void compile_list(struct compiler *c, const struct node *node, const char *field)
{
	for (size_t i = 0; i < node->count; i++)
		(void)compile_text(c, node->items[i],
			arena_printf(c->arena, "%s.%zu", field, i), false);
}

/* A map is the entry of a stream: its id, which the server makes, names and values. */
static void compile_map(struct compiler *c, const struct node *node, const char *field)
{
	if (!template_check_map(node, c->arena, c->diag))
		return;
	if (node->count == 0) {
		diag_error(c->diag, node->place, "%s is empty", field);
		diag_hint(c->diag, "at least one {name: value} makes an entry");
	}
	add_argument(c, ARGUMENT_LABEL, field)->label = &label_new_entry;
	c->plan->has_members = true;
	for (size_t i = 0; i < node->count; i++) {
		const struct node_entry *entry = &node->entries[i];
		struct argument *member = compile_text(c, entry->value,
			arena_printf(c->arena, "%s.%.*s", field, TEXT_ARG(entry->key)),
			false);

		if (!member)
			continue;
		member->label = &entry->key;
		member->may_lack = template_is_optional(member->template);
		member->is_member = true;
	}
}

static bool is_whole(struct text t)
{
	char digits[24], again[24];

	if (t.len >= sizeof(digits))
		return false;
	memcpy(digits, t.at, t.len);
	digits[t.len] = '\0';
	errno = 0;
	/* The server takes one notation of a number: what is written as it is read. */
	snprintf(again, sizeof(again), "%lld", strtoll(digits, NULL, 10));
	return errno == 0 && strcmp(again, digits) == 0;
}

static bool is_count(struct text t)
{
	return is_whole(t) && t.at[0] != '-' && t.at[0] != '0';
}

static bool is_float(struct text t, bool may_be_infinite)
{
	char digits[1024], *end;
	long double number;

	if (t.len == 0 || t.len >= sizeof(digits) || memchr(t.at, ' ', t.len))
		return false;
	memcpy(digits, t.at, t.len);
	digits[t.len] = '\0';
	number = strtold(digits, &end);
	return end == digits + t.len && !isnan(number) &&
	       (may_be_infinite || !isinf(number));
}

/* A literal that is no such number is a mistake now; of a wildcard's value the server judges. */
static void check_number(struct compiler *c, const struct template *template,
	const struct node *node, const char *field, enum redis_number number)
{
	static const char *const wanted[] = {
		[REDIS_WHOLE] = "a whole number",
		[REDIS_FLOAT] = "a number",
		[REDIS_SCORE] = "a number",
		[REDIS_COUNT] = "a whole number above 0",
	};
	struct text literal = template_literal(template);
	bool good = true;

	if (!template_is_literal(template))
		return;
	if (number == REDIS_WHOLE)
		good = is_whole(literal);
	else if (number == REDIS_COUNT)
		good = is_count(literal);
	else if (number != REDIS_NO_NUMBER)
		good = is_float(literal, number == REDIS_SCORE);
	if (!good)
		diag_error(c->diag, node->place, "%s must be %s", field, wanted[number]);
}

static void compile_scalar(
	struct compiler *c, const struct field *field, const struct node *node)
{
	enum redis_number number = redis_action_number(c->action, field->name);
	size_t errors = diag_errors(c->diag);
	struct argument *argument = compile_text(
		c, node, field->name, field->kind == FIELD_VALUE);

	if (!argument || diag_errors(c->diag) != errors)
		return;
	check_number(c, argument->template, node, field->name, number);
	if (number != REDIS_COUNT)
		return;
	argument->kind = ARGUMENT_COUNT;
	argument->label = &label_count;
	argument->may_lack = template_is_optional(argument->template);
}

static void compile_field(
	struct compiler *c, const struct field *field, const struct node *node)
{
	switch (field->kind) {
	case FIELD_DURATION:
		compile_ttl(c, node, field->name);
		break;
	case FIELD_LIST:
		compile_list(c, node, field->name);
		break;
	case FIELD_MAP:
		compile_map(c, node, field->name);
		break;
	case FIELD_FLAG:
		break;
	default:
		if (field->kind == FIELD_VALUE && c->stringify)
			add_argument(c, ARGUMENT_JSON, field->name)->tree =
				template_tree_compile(
					node, field->name, c->scope, c->arena, c->diag);
		else
			compile_scalar(c, field, node);
	}
}

/* How many arguments the template has at most, labels that go with a value not counted. */
static size_t most_arguments(const struct action_kind *kind, const struct node *template)
{
	size_t most = 0;

	for (const struct field *field = kind->fields; field->name; field++) {
		const struct node *node = node_get(template, field->name);

		most++;
		if (!node_is_null(node) &&
			(node->kind == NODE_LIST || node->kind == NODE_MAP))
			most += node->count;
	}
	return most;
}

struct plan *redis_compile(const struct action_kind *kind, const struct node *template,
	const struct scope *scope, struct arena *arena, struct diag *diag)
{
	struct plan *plan = arena_zalloc(arena, 1, sizeof(*plan));
	const struct node *stringify = node_get(template, "stringify");
	const struct node *args = node_get(template, "args");
	struct compiler c = { plan, kind->name, false, scope, arena, diag };
	size_t errors = diag_errors(diag);

	c.stringify = !node_is_null(stringify) && stringify->boolean;
	plan->code = redis_action_code(kind->name);
	plan->arguments = arena_zalloc(
		arena, most_arguments(kind, template), sizeof(*plan->arguments));
	if (strcmp(kind->name, "COMMAND") != 0)
		plan->command = kind->name;
	else if (!redis_command_check(args, arena, diag))
		return NULL;
	for (const struct field *field = kind->fields; field->name; field++) {
		const struct node *node = node_get(template, field->name);

		if (!node_is_null(node) || (field->flags & FIELD_REQUIRED))
			compile_field(&c, field, node);
	}
	return diag_errors(diag) == errors ? plan : NULL;
}

/* ---- rendering ---- */

struct request {
	struct redis_command command;
	const char **arguments;
	size_t *lengths;
};

/* A command is being put together. */
struct rendering {
	struct request *request;
	const struct values *values;
	struct arena *arena;
	size_t max;
	struct errbuf *errbuf;
};

/* RESP's "$<length>\r\n...\r\n" around each argument. */
enum { ARGUMENT_OVERHEAD = 16 };

static bool add(struct rendering *r, struct text argument)
{
	struct redis_command *command = &r->request->command;

	if (argument.len > r->max || command->bytes > r->max - argument.len) {
		errbuf_set(r->errbuf, "the request is larger than %zu bytes", r->max);
		return false;
	}
	r->request->arguments[command->count] = argument.len ? argument.at : "";
	r->request->lengths[command->count] = argument.len;
	command->count++;
	command->bytes += argument.len + ARGUMENT_OVERHEAD;
	return true;
}

static bool no_value(struct rendering *r, const struct argument *argument)
{
	const struct binding *binding = template_binding(argument->template);
	struct strbuf path;

	strbuf_init_arena(&path, r->arena, 400);
	if (binding && binding->special == SPECIAL_NONE)
		path_write(&path, binding->path);
	if (path.len > 0)
		errbuf_set(r->errbuf, "wildcard {%.*s} in %s: no value",
			TEXT_ARG(strbuf_get(&path)), argument->field);
	else
		errbuf_set(r->errbuf, "%s: no value", argument->field);
	return false;
}

static bool json_text(
	struct rendering *r, const struct argument *argument, struct text *out)
{
	const struct value *v = template_tree_value(
		argument->tree, r->values, r->arena, r->errbuf);
	struct strbuf json;

	if (!v)
		return false;
	strbuf_init_arena(&json, r->arena, r->max);
	json_append(&json, v);
	if (json.failed) {
		errbuf_set(r->errbuf, "the request is larger than %zu bytes", r->max);
		return false;
	}
	*out = strbuf_get(&json);
	return true;
}

/* A number is seconds, text a duration. Redis wants at least 1 ms, and less than what
 * overflows when it is added to the time of day. */
static bool milliseconds(const struct value *v, unsigned long long *ms)
{
	const double most = 1e15;
	char digits[64];
	uint64_t ns;
	double seconds;

	if (v->type == VALUE_STRING && units_duration(v->text, &ns)) {
		*ms = ns / NS_PER_MS;
		return *ms > 0;
	}
	if (v->type != VALUE_NUMBER || v->text.len >= sizeof(digits))
		return false;
	memcpy(digits, v->text.at, v->text.len);
	digits[v->text.len] = '\0';
	seconds = strtod(digits, NULL);
	if (!(seconds * 1000 >= 1 && seconds * 1000 <= most))
		return false;
	*ms = (unsigned long long)llround(seconds * 1000);
	return true;
}

static bool ttl_text(struct rendering *r, const struct argument *argument, struct text *out,
	bool *is_null)
{
	const struct value *v = template_value(
		argument->template, r->values, r->arena, NULL, r->errbuf);
	unsigned long long ms;

	if (!v)
		return false;
	*is_null = v->type == VALUE_NULL;
	if (*is_null)
		return true;
	if (!milliseconds(v, &ms)) {
		errbuf_set(r->errbuf,
			"%s: neither a duration nor a number of seconds, of at least 1 ms",
			argument->field);
		return false;
	}
	*out = text_of(arena_printf(r->arena, "%llu", ms));
	return true;
}

/* The argument's value as text. False: the reason is in errbuf. */
static bool value_text(struct rendering *r, const struct argument *argument,
	struct text *out, bool *is_null)
{
	*is_null = false;
	if (argument->kind == ARGUMENT_JSON)
		return json_text(r, argument, out);
	if (argument->kind == ARGUMENT_TTL)
		return ttl_text(r, argument, out, is_null);
	if (!template_text(argument->template, r->values, r->arena, false, out, is_null,
		    r->errbuf))
		return false;
	if (argument->kind != ARGUMENT_COUNT || *is_null || is_count(*out))
		return true;
	errbuf_set(r->errbuf, "%s: not a whole number above 0", argument->field);
	return false;
}

/* Adds to *members when the argument is a map's and was not left out. */
static bool render_argument(
	struct rendering *r, const struct argument *argument, size_t *members)
{
	struct text text;
	bool is_null;

	if (argument->kind == ARGUMENT_LABEL)
		return add(r, *argument->label);
	if (!value_text(r, argument, &text, &is_null))
		return false;
	if (is_null)
		return argument->may_lack || no_value(r, argument);
	*members += argument->is_member;
	return (!argument->label || add(r, *argument->label)) && add(r, text);
}

const struct request *redis_render(const struct plan *plan, const struct values *values,
	size_t max, struct arena *arena, struct errbuf *errbuf)
{
	struct request *request = arena_zalloc(arena, 1, sizeof(*request));
	struct rendering r = { request, values, arena, max, errbuf };
	size_t most = 1 + 2 * plan->count, members = 0;

	request->arguments = arena_alloc(arena, most * sizeof(*request->arguments));
	request->lengths = arena_alloc(arena, most * sizeof(*request->lengths));
	request->command.arguments = request->arguments;
	request->command.lengths = request->lengths;
	request->command.code = plan->code;
	if (plan->command && !add(&r, text_of(plan->command)))
		return NULL;
	for (size_t i = 0; i < plan->count; i++) {
		if (!render_argument(&r, &plan->arguments[i], &members))
			return NULL;
	}
	if (plan->has_members && members == 0) {
		errbuf_set(errbuf, "nothing to add: every field was left out");
		return NULL;
	}
	return request;
}

void redis_describe(const struct request *request, yajl_gen gen)
{
	yajl_gen_map_open(gen);
	json_key(gen, "command");
	yajl_gen_array_open(gen);
	for (int i = 0; i < request->command.count; i++) {
		struct value v = { .type = VALUE_STRING };

		v.text = (struct text){ request->arguments[i], request->lengths[i] };
		json_generate(gen, &v);
	}
	yajl_gen_array_close(gen);
	yajl_gen_map_close(gen);
}

const struct redis_command *redis_request_command(const struct request *request)
{
	return &request->command;
}
