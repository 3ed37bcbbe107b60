/*
 * test_service.c - the list of services, the check of fields, and LOG.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/log.h"
#include "base/strbuf.h"
#include "service/log.h"
#include "service/redis.h"
#include "value/json.h"
#include "value/model.h"
#include "yaml_text.h"

static struct arena *arena;

static int setup(void **state)
{
	arena = arena_new();
	return 0;
}

static int teardown(void **state)
{
	arena_free(arena);
	arena_drop_cache();
	return 0;
}

static const struct node *yaml(const char *text)
{
	return yaml_text(arena, text);
}

/* ---- the list ---- */

static void test_services_are_found(void **state)
{
	static const char *const names[] = { "POSTGRESQL", "REDIS", "LOG" };

	for (size_t i = 0; i < array_len(names); i++) {
		const struct service_ops *ops = service_find(text_of(names[i]));

		assert_non_null(ops);
		assert_string_equal(ops->type, names[i]);
	}
	assert_null(service_find(TEXT("MYSQL")));
	assert_null(service_find(TEXT("redis")));
	assert_null(service_find(TEXT("REDI")));
	assert_string_equal(service_action(&service_redis, TEXT("HSETNX"))->name, "HSETNX");
	assert_null(service_action(&service_redis, TEXT("HSETN")));
	assert_null(service_action(&service_redis, TEXT("set")));
}

static void check_row(const struct field *field)
{
	assert_non_null(field->help);
	assert_true((field->choices != NULL) == (field->kind == FIELD_CHOICE));
	assert_false((field->flags & FIELD_REQUIRED) && field->fallback);
}

/* What help texts and manuals are made of is there. */
static void test_tables_are_whole(void **state)
{
	for (const struct service_ops *const *ops = services; *ops; ops++) {
		assert_non_null((*ops)->help);
		for (const struct field *f = (*ops)->account; f && f->name; f++)
			check_row(f);
		for (const struct action_kind *kind = (*ops)->actions; kind->name; kind++) {
			assert_non_null(kind->help);
			for (const struct field *f = kind->fields; f->name; f++)
				check_row(f);
		}
	}
}

/* ---- fields ---- */

static const struct field fields[] = { { "key", FIELD_TEXT, FIELD_REQUIRED, NULL, NULL,
					       "the key" },
	{ "value", FIELD_VALUE, FIELD_REQUIRED, NULL, NULL, "the value" },
	{ "name", FIELD_IDENTIFIER, 0, NULL, NULL, "a name" },
	{ "list", FIELD_LIST, 0, NULL, NULL, "a list" },
	{ "map", FIELD_MAP, 0, NULL, NULL, "a map" },
	{ "flag", FIELD_FLAG, 0, NULL, "false", "a flag" },
	{ "choice", FIELD_CHOICE, 0, "one|two", "one", "a choice" },
	{ "fixed", FIELD_LITERAL, 0, NULL, NULL, "a literal" },
	{ "ttl", FIELD_DURATION, 0, NULL, NULL, "a duration" }, { NULL } };

static void test_good_fields(void **state)
{
	static const char *const cases[] = {
		"{key: k, value: v}",
		"{key: 1, value: {a: [\"{b}\"]}}",
		"{key: \"{k}\", value: null}",
		"{key: k, value: v, name: \"a{b}\", list: [], map: {}, flag: true, choice: "
		"two}",
		"{key: k, value: v, fixed: 'a{', ttl: 10s, x-y: [1], x-: 2}",
		"{key: k, value: v, fixed: '\\{a}', ttl: '{seconds}'}",
		"{key: k, value: v, name: null, list: null, map: , flag: ~, choice: null}",
	};
	struct diag *diag = diag_new(arena);

	for (size_t i = 0; i < array_len(cases); i++)
		if (!service_check_fields(fields, yaml(cases[i]), (struct place){ 0 },
			    "the template", diag))
			fail_msg("%s: %s", cases[i], diag_message(diag, 0)->text);
	assert_int_equal(diag_count(diag), 0);
}

static void test_bad_fields(void **state)
{
	static const struct {
		const char *yaml, *message, *hint;
	} cases[] = {
		{ "{key: k}", "the template lacks 'value'", "the value" },
		{ "[key]", "the template must be a mapping, not a list", NULL },
		{ "{key: k, valeu: v, value: v}", "unknown field 'valeu' in the template",
			"value" },
		{ "{kye: k, value: v}", "unknown field 'kye' in the template", "'key'" },
		{ "{key: null, value: v}", "key of the template must have a value", NULL },
		{ "{key: [k], value: v}", "key of the template must be text, not a list",
			NULL },
		{ "{key: {k: 1}, value: v}", "must be text, not a mapping", NULL },
		{ "{key: {name}, value: v}", "{name} without quotes", "write \"{name}\"" },
		{ "{key: k, value: {a: [{name}]}}", "{name} without quotes",
			"write \"{name}\"" },
		{ "{key: k, value: v, name: []}", "must be text, not a list", NULL },
		{ "{key: k, value: v, list: x}", "must be a list", NULL },
		{ "{key: k, value: v, map: [x]}", "must be a mapping", NULL },
		{ "{key: k, value: v, flag: 'yes'}", "must be true or false", NULL },
		{ "{key: k, value: v, flag: '{f}'}", "takes no wildcard", NULL },
		{ "{key: k, value: v, choice: tow}", "must be one of one|two", "two" },
		{ "{key: k, value: v, choice: '{c}'}", "takes no wildcard", NULL },
		{ "{key: k, value: v, choice: [one]}", "must be one word", NULL },
		{ "{key: k, value: v, fixed: 'a{b}'}", "takes no wildcard", NULL },
		{ "{key: k, value: v, ttl: 60}", "must be a duration", "60s" },
		{ "{key: k, value: v, ttl: soon}", "must be a duration", "10s" },
		{ "{key: k, value: v, ttl: [1s]}", "must be a duration, not a list", NULL },
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct diag *diag = diag_new(arena);
		const struct diag_message *message;

		assert_false(service_check_fields(fields, yaml(cases[i].yaml),
			(struct place){ 0 }, "the template", diag));
		assert_int_equal(diag_errors(diag), 1);
		message = diag_message(diag, 0);
		if (!strstr(message->text, cases[i].message))
			fail_msg("%s: %s", cases[i].yaml, message->text);
		if (cases[i].hint &&
			(!message->hint || !strstr(message->hint, cases[i].hint)))
			fail_msg("%s: hint %s", cases[i].yaml,
				message->hint ? message->hint : "none");
	}
}

/* A key that is not near enough does not stand for the missing one. */
static void test_unknown_and_missing(void **state)
{
	struct diag *diag = diag_new(arena);

	assert_false(service_check_fields(fields, yaml("{key: k, other: v}"),
		(struct place){ 0 }, "the template", diag));
	assert_int_equal(diag_errors(diag), 2);
}

static void test_no_map_at_all(void **state)
{
	struct diag *diag = diag_new(arena);

	assert_false(service_check_fields(
		fields, NULL, (struct place){ 0 }, "the template", diag));
	assert_int_equal(diag_errors(diag), 2);
	assert_true(service_check_fields(
		fields + 2, NULL, (struct place){ 0 }, "the template", diag));
	assert_true(service_check_fields(
		fields + 2, yaml("null"), (struct place){ 0 }, "the template", diag));
}

/* ---- accounts ---- */

static bool account_loads(const char *half, const char *message)
{
	struct account_context context = {
		.account = "a", .environment = "test", .folder = "/project"
	};
	struct diag *diag = diag_new(arena);
	const struct node *node = yaml(half);
	struct settings *settings = NULL;

	if (service_check_fields(service_redis.account, node, node->place, "test", diag))
		settings = service_redis.account_check(node, &context, arena, diag);
	assert_true((settings != NULL) == (diag_errors(diag) == 0));
	if (!settings && !strstr(diag_message(diag, 0)->text, message))
		fail_msg("%s: %s", half, diag_message(diag, 0)->text);
	return settings != NULL;
}

static void test_redis_accounts(void **state)
{
	assert_true(account_loads("{url: \"redis://127.0.0.1\"}", ""));
	assert_true(account_loads(
		"{url: \"redis://u@127.0.0.1\", username: v, password: \"{p}\"}", ""));
	assert_false(account_loads("{username: u}", "test lacks 'url'"));
	assert_false(account_loads("{url: null}", "must have a value"));
	assert_true(account_loads("{url: \"redis://redis.local\"}", ""));
	assert_true(
		account_loads("{url: \"rediss://redis.local\", tls: {verify: none}}", ""));
	assert_false(account_loads("{url: \"rediss://redis.local\", tls: {verify: no}}",
		"verify of the tls block must be one of full|none"));
	assert_false(account_loads("{url: \"rediss://redis.local\", tls: {cert: x}}",
		"unknown field 'cert' in the tls block"));
	assert_false(account_loads("{url: \"rediss://redis.local\", tls: {ca: \"\"}}",
		"ca of the tls block names no file"));
	assert_false(account_loads("{url: \"redis://127.0.0.1\", tls: {verify: none}}",
		"must begin with rediss://"));
	assert_false(account_loads("{url: \"unix:/r.sock\", tls: {}}", "rediss://"));
	assert_false(account_loads("{url: \"rediss://127.0.0.1\", tls: x}", "mapping"));
	assert_false(account_loads("{url: \"redis://u@127.0.0.1\"}", "needs a password"));
}

/* ---- LOG ---- */

static const char log_model[] = "id: String\nn: Number\naddress: {city: String}\ntags: "
				"[String]\ngone: String\n";
static const char log_payload[] =
	"{\"id\":\"x\\ny\",\"n\":1.50,\"address\":{\"city\":\"K\"},\"tags\":[\"a\"]}";

static const struct request *log_render(const char *template, struct errbuf *errbuf)
{
	const struct action_kind *kind = service_action(&service_log, TEXT("WRITE"));
	struct diag *diag = diag_new(arena);
	struct scope scope = { .model = model_compile(yaml(log_model), arena, diag),
		.specials = true };
	const struct node *node = yaml(template);
	struct values values = { .event_id = TEXT("run-1"), .event_name = TEXT("a.b") };
	struct json_error error;
	const struct plan *plan;

	assert_true(service_check_fields(kind->fields, node, node->place, "it", diag));
	plan = service_log.compile(kind, node, &scope, arena, diag);
	if (!plan)
		fail_msg("%s", diag_message(diag, 0)->text);
	values.payload = json_parse(arena, text_of(log_payload), 64, &error);
	return service_log.render(plan, &values, 4096, arena, errbuf);
}

static void assert_described(const char *template, const char *expected)
{
	struct errbuf errbuf = { "" };
	const struct request *request = log_render(template, &errbuf);
	struct strbuf out;
	yajl_gen gen;

	if (!request)
		fail_msg("%s", errbuf.text);
	strbuf_init(&out, 4096);
	gen = json_begin(&out);
	service_log.describe(request, gen);
	json_end(gen);
	strbuf_char(&out, '\0');
	assert_string_equal(out.data, expected);
	strbuf_free(&out);
}

static void test_log_renders(void **state)
{
	struct errbuf errbuf;

	assert_described("{message: \"hello {n}\"}",
		"{\"level\":\"info\",\"message\":\"hello 1.50\"}");
	assert_described("{message: \"{address}\", level: warn}",
		"{\"level\":\"warn\",\"message\":\"{\\\"city\\\":\\\"K\\\"}\"}");
	assert_described(
		"{message: \"{gone}\"}", "{\"level\":\"info\",\"message\":\"null\"}");
	assert_described("{message: m, fields: {a: \"{n}\", b: \"{gone?}\", c: \"{gone}\", "
			 "d: \"{tags}\"}}",
		"{\"level\":\"info\",\"message\":\"m\","
		"\"fields\":{\"a\":1.50,\"c\":null,\"d\":[\"a\"]}}");
	assert_null(log_render("{message: \"a {gone}\"}", &errbuf));
	assert_non_null(strstr(errbuf.text, "wildcard {gone} in message: no value"));
}

static int delivered;

static void on_done(struct attempt *attempt)
{
	delivered++;
	loop_stop(attempt->loop);
}

/* Runs the attempt with stderr in a file, and returns what it has written. */
static struct text log_start(const struct request *request, bool cancel)
{
	struct attempt attempt = { .loop = loop_new(), .arena = arena, .done = on_done };
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	char *bytes = arena_zalloc(arena, 1, 4096);
	ssize_t len;

	assert_non_null(file);
	assert_true(saved >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
	service_log.start(NULL, request, &attempt);
	if (cancel)
		assert_int_equal(service_log.cancel(NULL, &attempt), ATTEMPT_SENT);
	else
		loop_run(attempt.loop);
	log_drain();
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	len = pread(fileno(file), bytes, 4095, 0);
	assert_true(len >= 0);
	fclose(file);
	loop_free(attempt.loop);
	assert_int_equal(attempt.outcome.err, ERR_NONE);
	assert_int_equal(attempt.outcome.code, 200);
	assert_null(attempt.outcome.payload);
	return (struct text){ bytes, (size_t)len };
}

static void assert_line_has(struct text line, const char *part)
{
	if (!strstr(line.at, part))
		fail_msg("'%s' lacks '%s'", line.at, part);
}

static void test_log_writes_one_line(void **state)
{
	struct errbuf errbuf;
	const struct request *request = log_render(
		"{message: \"hi {id}\", level: error, fields: {n: \"{n}\", city: "
		"\"{address.city}\", all: \"{address}\", none: \"{gone}\"}}",
		&errbuf);
	struct text line;

	assert_non_null(request);
	delivered = 0;
	line = log_start(request, false);
	assert_int_equal(delivered, 1);
	assert_line_has(line, "level=error");
	assert_line_has(line, "hi x\\ny");
	assert_line_has(line, "run=run-1");
	assert_line_has(line, "event=a.b");
	assert_line_has(line, "n=1.50");
	assert_line_has(line, "city=K");
	assert_line_has(line, "all=\"{\\\"city\\\":\\\"K\\\"}\"");
	assert_line_has(line, "none=null");
	assert_ptr_equal(strchr(line.at, '\n'), line.at + line.len - 1);
}

static void test_log_below_the_level(void **state)
{
	struct errbuf errbuf;

	delivered = 0;
	assert_int_equal(
		log_start(log_render("{message: m, level: debug}", &errbuf), false).len, 0);
	assert_int_equal(delivered, 1);
}

static void test_log_cancelled(void **state)
{
	struct errbuf errbuf;

	delivered = 0;
	log_start(log_render("{message: m}", &errbuf), true);
	assert_int_equal(delivered, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_services_are_found),
		TEST(test_tables_are_whole),
		TEST(test_good_fields),
		TEST(test_bad_fields),
		TEST(test_unknown_and_missing),
		TEST(test_no_map_at_all),
		TEST(test_redis_accounts),
		TEST(test_log_renders),
		TEST(test_log_writes_one_line),
		TEST(test_log_below_the_level),
		TEST(test_log_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
