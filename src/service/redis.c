/*
 * redis.c - the connector for Redis: one action is one command.
 *
 * The table of an action's fields is also the layout of its command: arguments stand in the
 * order of the fields, each value one binary-safe argument, so a new command is a new row.
 * A reply that is no error is a success; the table of codes tells what it changed.
 *
 * Refused: commands as one text that is split at blanks, as Redis' own console takes them;
 * a value with a blank or a line's end in it would become another command.
 */
#include "service/redis.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/units.h"
#include "net/redis_client.h"
#include "net/redis_url.h"
#include "service/account_tls.h"
#include "value/json.h"
#include "value/template.h"

/* ---- tables ---- */

static const struct field account_fields[] = {
	{ "url", FIELD_TEXT, FIELD_REQUIRED | FIELD_ADDRESS, NULL, NULL,
		"redis://[user[:password]@]host[:port][/db], rediss:// for TLS, or "
		"unix:PATH[?db=N]" },
	{ "username", FIELD_TEXT, 0, NULL, NULL,
		"user of the login, in place of the url's" },
	{ "password", FIELD_TEXT, FIELD_SECRET, NULL, NULL,
		"password of the login, in place of the url's" },
	{ "tls", FIELD_MAP, 0, NULL, NULL,
		"with rediss://: files of certificates (ca, certificate, key), verify" },
	{ NULL }
};

#define KEY                                                                                \
	{                                                                                  \
		"key", FIELD_TEXT, FIELD_REQUIRED, NULL, NULL, "name of the key"           \
	}
#define FIELD                                                                              \
	{                                                                                  \
		"field", FIELD_TEXT, FIELD_REQUIRED, NULL, NULL, "field of the hash"       \
	}
#define VALUE                                                                              \
	{                                                                                  \
		"value", FIELD_VALUE, FIELD_REQUIRED, NULL, NULL, "what is stored"         \
	}
#define STRINGIFY                                                                          \
	{                                                                                  \
		"stringify", FIELD_FLAG, 0, NULL, "false",                                 \
			"true: the value as JSON text, whatever its type"                  \
	}
#define AMOUNT                                                                             \
	{                                                                                  \
		"value", FIELD_TEXT, FIELD_REQUIRED, NULL, NULL, "what is added"           \
	}
#define SCORE                                                                              \
	{                                                                                  \
		"score", FIELD_TEXT, FIELD_REQUIRED, NULL, NULL, "a number"                \
	}
#define MEMBER                                                                             \
	{                                                                                  \
		"member", FIELD_TEXT, FIELD_REQUIRED, NULL, NULL, "member of the set"      \
	}
#define END                                                                                \
	{                                                                                  \
		NULL                                                                       \
	}

static const struct field set_fields[] = { KEY, VALUE, STRINGIFY,
	{ "ttl", FIELD_DURATION, 0, NULL, NULL, "after this time the key is gone" }, END };
static const struct field key_value_fields[] = { KEY, VALUE, STRINGIFY, END };
static const struct field hash_value_fields[] = { KEY, FIELD, VALUE, STRINGIFY, END };
static const struct field key_fields[] = { KEY, END };
static const struct field hash_fields[] = { KEY, FIELD, END };
static const struct field amount_fields[] = { KEY, AMOUNT, END };
static const struct field hash_amount_fields[] = { KEY, FIELD, AMOUNT, END };
static const struct field score_fields[] = { KEY, SCORE, MEMBER, END };
static const struct field publish_fields[] = { { "channel", FIELD_TEXT, FIELD_REQUIRED,
						       NULL, NULL, "name of the channel" },
	VALUE, STRINGIFY, END };

static const struct action_kind actions[] = { { "SET", NULL, set_fields, ACTION_IDEMPOTENT,
						      "sets a key" },
	{ "SETNX", NULL, key_value_fields, ACTION_IDEMPOTENT,
		"sets a key that does not exist" },
	{ "RPUSH", NULL, key_value_fields, 0, "appends to a list" },
	{ "LPUSH", NULL, key_value_fields, 0, "puts in front of a list" },
	{ "SADD", NULL, key_value_fields, ACTION_IDEMPOTENT, "adds to a set" },
	{ "SREM", NULL, key_value_fields, ACTION_IDEMPOTENT, "removes from a set" },
	{ "HSET", NULL, hash_value_fields, ACTION_IDEMPOTENT, "sets a field of a hash" },
	{ "HSETNX", NULL, hash_value_fields, ACTION_IDEMPOTENT,
		"sets a field of a hash that does not exist" },
	{ "DEL", NULL, key_fields, ACTION_IDEMPOTENT, "deletes a key" },
	{ "INCR", NULL, key_fields, 0, "adds 1 to a number" },
	{ "RPOP", NULL, key_fields, 0, "takes the last element of a list" },
	{ "LPOP", NULL, key_fields, 0, "takes the first element of a list" },
	{ "HDEL", NULL, hash_fields, ACTION_IDEMPOTENT, "deletes a field of a hash" },
	{ "INCRBY", NULL, amount_fields, 0, "adds an integer to a number" },
	{ "INCRBYFLOAT", NULL, amount_fields, 0, "adds to a number" },
	{ "HINCRBY", NULL, hash_amount_fields, 0, "adds an integer to a hash's field" },
	{ "HINCRBYFLOAT", NULL, hash_amount_fields, 0, "adds to a hash's field" },
	{ "ZADD", NULL, score_fields, ACTION_IDEMPOTENT, "sets a member's score" },
	{ "ZINCRBY", NULL, score_fields, 0, "adds to a member's score" },
	{ "PUBLISH", NULL, publish_fields, 0, "sends to the channel's subscribers" },
	{ NULL } };

static int code_read(const struct value *reply)
{
	return 200;
}

static int code_changed(const struct value *reply)
{
	return 201;
}

/* The reply counts what was new. */
static int code_if_new(const struct value *reply)
{
	return reply->type == VALUE_NUMBER && !text_is(reply->text, "0") ? 201 : 200;
}

/* Actions that are not here set nothing: 200. */
static const struct {
	const char *action;
	int (*code)(const struct value *reply);
} codes[] = {
	{ "SET", code_changed },
	{ "SETNX", code_if_new },
	{ "RPUSH", code_changed },
	{ "LPUSH", code_changed },
	{ "SADD", code_if_new },
	{ "HSET", code_changed },
	{ "HSETNX", code_if_new },
	{ "INCR", code_changed },
	{ "INCRBY", code_changed },
	{ "INCRBYFLOAT", code_changed },
	{ "HINCRBY", code_changed },
	{ "HINCRBYFLOAT", code_changed },
	{ "ZADD", code_changed },
	{ "ZINCRBY", code_changed },
};

/* ---- accounts ---- */

struct settings {
	struct redis_endpoint endpoint;
	struct pool_settings pool;
	const char *account, *environment;
};

/* Whom we trust, and who we are; false: diag has an error. */
static bool check_tls(struct redis_endpoint *endpoint, const struct node *url,
	const struct node *tls, const struct account_context *context, struct arena *arena,
	struct diag *diag)
{
	if (endpoint->is_tls) {
		endpoint->tls = account_tls_read(tls, url->place, context, arena, diag);
		return endpoint->tls != NULL;
	}
	if (node_is_null(tls))
		return true;
	diag_error(
		diag, tls->place, "'tls' without TLS: the url must begin with rediss://");
	return false;
}

static struct settings *account_check(const struct node *half,
	const struct account_context *context, struct arena *arena, struct diag *diag)
{
	struct settings *settings = arena_zalloc(arena, 1, sizeof *settings);
	const struct node *url = node_get(half, "url");
	const struct node *username = node_get(half, "username");
	const struct node *password = node_get(half, "password");
	const struct node *tls = node_get(half, "tls");
	struct errbuf reason;

	if (!redis_url_parse(
		    url->text, context->folder, arena, &settings->endpoint, &reason)) {
		diag_error(diag, url->place, "%s", reason.text);
		return NULL;
	}
	if (!check_tls(&settings->endpoint, url, tls, context, arena, diag))
		return NULL;
	if (!node_is_null(username))
		settings->endpoint.username = username->text;
	if (!node_is_null(password))
		settings->endpoint.password = password->text;
	if (settings->endpoint.username.len > 0 && settings->endpoint.password.len == 0) {
		diag_error(diag, node_is_null(username) ? url->place : username->place,
			"a user needs a password");
		return NULL;
	}
	settings->pool = context->pool;
	settings->account = context->account;
	settings->environment = context->environment;
	return settings;
}

struct account {
	struct redis_client *client;
};

static struct account *account_open(const struct settings *settings, struct loop *loop)
{
	struct account *account = mem_alloc(sizeof *account);

	account->client = redis_client_new(loop, &settings->endpoint, &settings->pool,
		settings->account, settings->environment);
	return account;
}

static void account_warm(struct account *account)
{
	redis_client_warm(account->client);
}

static void account_figures(const struct account *account, struct account_figures *out)
{
	redis_client_figures(account->client, out);
}

static void account_close(struct account *account)
{
	redis_client_free(account->client);
	free(account);
}

/* ---- plans ---- */

enum argument_kind { ARGUMENT_TEXT, ARGUMENT_JSON, ARGUMENT_TTL };

/* One field of the template; a ttl becomes two arguments. */
struct argument {
	enum argument_kind kind;
	const char *field;
	struct template *template;  /* ARGUMENT_TEXT, ARGUMENT_TTL */
	struct template_tree *tree; /* ARGUMENT_JSON */
};

struct plan {
	const char *command;
	int (*code)(const struct value *reply);
	size_t count;
	struct argument *arguments;
};

/*
 * Whether a value that is no text is certain to come; then it is a mistake now, not later.
 */
static bool is_surely_structured(const struct template *template)
{
	const struct binding *binding = template_binding(template);

	return binding && (binding->arrays > 0 || binding->type == MODEL_OBJECT ||
				  binding->type == MODEL_ARRAY);
}

static bool compile_text(struct argument *argument, const struct node *node,
	bool may_stringify, const struct scope *scope, struct arena *arena,
	struct diag *diag)
{
	const char *hint = may_stringify ? "stringify: true stores it as JSON text"
					 : "one argument of a command is text";

	argument->kind = ARGUMENT_TEXT;
	if (node->kind == NODE_LIST || node->kind == NODE_MAP) {
		diag_error(diag, node->place, "%s cannot be %s", argument->field,
			node_kind_name(node->kind));
		diag_hint(diag, "%s", hint);
		return false;
	}
	if (node->kind == NODE_NULL) {
		diag_error(diag, node->place, "%s cannot be null", argument->field);
		diag_hint(diag, "%s", hint);
		return false;
	}
	argument->template = template_compile(node, argument->field, scope, arena, diag);
	if (!is_surely_structured(argument->template))
		return true;
	diag_error(diag, node->place, "%s would be an object or array", argument->field);
	diag_hint(diag, "%s", hint);
	return false;
}

static bool compile_argument(struct argument *argument, const struct field *field,
	const struct node *node, const struct node *stringify, const struct scope *scope,
	struct arena *arena, struct diag *diag)
{
	argument->field = field->name;
	if (field->kind == FIELD_DURATION) {
		uint64_t ns;

		argument->kind = ARGUMENT_TTL;
		argument->template = template_compile(
			node, field->name, scope, arena, diag);
		if (!units_duration(node->text, &ns) || ns >= NS_PER_MS)
			return true;
		diag_error(diag, node->place, "%s must be longer than 0", field->name);
		return false;
	}
	if (field->kind == FIELD_VALUE && stringify && stringify->boolean) {
		argument->kind = ARGUMENT_JSON;
		argument->tree = template_tree_compile(
			node, field->name, scope, arena, diag);
		return true;
	}
	return compile_text(argument, node, field->kind == FIELD_VALUE, scope, arena, diag);
}

static int (*code_of(const char *action))(const struct value *)
{
	for (size_t i = 0; i < array_len(codes); i++)
		if (strcmp(codes[i].action, action) == 0)
			return codes[i].code;
	return code_read;
}

static struct plan *compile(const struct action_kind *kind, const struct node *template,
	const struct scope *scope, struct arena *arena, struct diag *diag)
{
	struct plan *plan = arena_zalloc(arena, 1, sizeof *plan);
	const struct node *stringify = node_get(template, "stringify");
	size_t errors = diag_errors(diag), fields = 0;

	while (kind->fields[fields].name)
		fields++;
	plan->command = kind->name;
	plan->code = code_of(kind->name);
	plan->arguments = arena_zalloc(arena, fields, sizeof *plan->arguments);
	for (size_t i = 0; i < fields; i++) {
		const struct field *field = &kind->fields[i];
		const struct node *node = node_get(template, field->name);

		if (field->kind == FIELD_FLAG ||
			(node_is_null(node) && !(field->flags & FIELD_REQUIRED)))
			continue;
		if (compile_argument(&plan->arguments[plan->count], field, node, stringify,
			    scope, arena, diag))
			plan->count++;
	}
	return diag_errors(diag) == errors ? plan : NULL;
}

/* ---- requests ---- */

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

static bool render_text(struct rendering *r, const struct argument *argument)
{
	struct text text;
	bool is_null;

	if (!template_text(argument->template, r->values, r->arena, false, &text, &is_null,
		    r->errbuf))
		return false;
	if (is_null)
		return no_value(r, argument);
	return add(r, text);
}

static bool render_json(struct rendering *r, const struct argument *argument)
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
	return add(r, strbuf_get(&json));
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
	if (v->type != VALUE_NUMBER || v->text.len >= sizeof digits)
		return false;
	memcpy(digits, v->text.at, v->text.len);
	digits[v->text.len] = '\0';
	seconds = strtod(digits, NULL);
	if (!(seconds * 1000 >= 1 && seconds * 1000 <= most))
		return false;
	*ms = (unsigned long long)llround(seconds * 1000);
	return true;
}

static bool render_ttl(struct rendering *r, const struct argument *argument)
{
	const struct value *v;
	unsigned long long ms;
	bool absent;

	v = template_value(argument->template, r->values, r->arena, &absent, r->errbuf);
	if (!v)
		return false;
	if (v->type == VALUE_NULL)
		return template_is_optional(argument->template) || no_value(r, argument);
	if (!milliseconds(v, &ms)) {
		errbuf_set(r->errbuf,
			"%s: neither a duration nor a number of seconds above 0",
			argument->field);
		return false;
	}
	return add(r, TEXT("PX")) && add(r, text_of(arena_printf(r->arena, "%llu", ms)));
}

static const struct request *render(const struct plan *plan, const struct values *values,
	size_t max, struct arena *arena, struct errbuf *errbuf)
{
	struct request *request = arena_zalloc(arena, 1, sizeof *request);
	struct rendering r = { request, values, arena, max, errbuf };
	size_t most = 2 + plan->count;
	bool good;

	request->arguments = arena_alloc(arena, most * sizeof *request->arguments);
	request->lengths = arena_alloc(arena, most * sizeof *request->lengths);
	request->command.arguments = request->arguments;
	request->command.lengths = request->lengths;
	request->command.code = plan->code;
	good = add(&r, text_of(plan->command));
	for (size_t i = 0; good && i < plan->count; i++) {
		const struct argument *argument = &plan->arguments[i];

		if (argument->kind == ARGUMENT_JSON)
			good = render_json(&r, argument);
		else if (argument->kind == ARGUMENT_TTL)
			good = render_ttl(&r, argument);
		else
			good = render_text(&r, argument);
	}
	return good ? request : NULL;
}

static void describe(const struct request *request, yajl_gen gen)
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

/* ---- attempts ---- */

static void start(
	struct account *account, const struct request *request, struct attempt *attempt)
{
	redis_client_send(account->client, attempt, &request->command);
}

static enum attempt_stage cancel(struct account *account, struct attempt *attempt)
{
	return redis_client_cancel(account->client, attempt);
}

const struct service_ops service_redis = {
	.type = "REDIS",
	.account = account_fields,
	.actions = actions,
	.connections = 1,
	.help = "commands to a Redis server",
	.account_check = account_check,
	.compile = compile,
	.render = render,
	.describe = describe,
	.open = account_open,
	.warm = account_warm,
	.start = start,
	.cancel = cancel,
	.figures = account_figures,
	.close = account_close,
};
