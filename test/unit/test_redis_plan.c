/*
 * test_redis_plan.c - templates of the connector for Redis to commands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/strbuf.h"
#include "net/redis_client.h"
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

static const char model_text[] = "id: String\nname: String\nn: Number\nflag: Boolean\n"
				 "tags: [String]\naddress: {city: String}\nany: Any\n"
				 "gone: String\nseconds: Number\nduration: String\n";
static const char payload_text[] =
	"{\"id\":\"a b\\r\\nDEL x\",\"name\":\"M\u00fcller\",\"n\":12345678901234567890.10,"
	"\"flag\":true,\"tags\":[\"x\",\"y\"],\"address\":{\"city\":\"K\"},"
	"\"any\":{\"a\":1},\"seconds\":1.5,\"duration\":\"2m\"}";

static const struct plan *compile(
	const char *action, const char *template, struct diag *diag)
{
	const struct action_kind *kind = service_action(&service_redis, text_of(action));
	const struct node *node = yaml(template);
	struct scope scope = { .specials = true };

	assert_non_null(kind);
	scope.model = model_compile(yaml(model_text), arena, diag);
	assert_int_equal(diag_errors(diag), 0);
	if (!service_check_fields(kind->fields, node, node->place, "the template", diag))
		return NULL;
	return service_redis.compile(kind, node, &scope, arena, diag);
}

static const struct request *render(
	const char *action, const char *template, size_t max, struct errbuf *errbuf)
{
	struct diag *diag = diag_new(arena);
	const struct plan *plan = compile(action, template, diag);
	struct values values = { .event_id = TEXT("run-1"),
		.event_name = TEXT("a.b"),
		.environment = TEXT("test") };
	struct json_error error;

	values.payload = json_parse(arena, text_of(payload_text), 64, &error);
	assert_non_null(values.payload);
	if (!plan)
		fail_msg("%s", diag_message(diag, 0)->text);
	return service_redis.render(plan, &values, max, arena, errbuf);
}

static void assert_command(const char *action, const char *template, const char *expected)
{
	struct errbuf errbuf = { "" };
	const struct request *request = render(action, template, 4096, &errbuf);
	struct strbuf out;
	yajl_gen gen;

	if (!request)
		fail_msg("%s", errbuf.text);
	strbuf_init(&out, 4096);
	gen = json_begin(&out);
	service_redis.describe(request, gen);
	json_end(gen);
	strbuf_char(&out, '\0');
	assert_string_equal(out.data, expected);
	strbuf_free(&out);
}

static void assert_render_fails(
	const char *action, const char *template, const char *reason)
{
	struct errbuf errbuf = { "" };

	assert_null(render(action, template, 4096, &errbuf));
	if (!strstr(errbuf.text, reason))
		fail_msg("'%s' lacks '%s'", errbuf.text, reason);
}

static void assert_load_fails(const char *action, const char *template, const char *reason)
{
	struct diag *diag = diag_new(arena);

	assert_null(compile(action, template, diag));
	assert_true(diag_errors(diag) > 0);
	if (!strstr(diag_message(diag, 0)->text, reason))
		fail_msg("'%s' lacks '%s'", diag_message(diag, 0)->text, reason);
}

static void test_values_land_as_arguments(void **state)
{
	assert_command("SET", "{key: \"k:{n}\", value: \"{id}\"}",
		"{\"command\":[\"SET\",\"k:12345678901234567890.10\",\"a b\\r\\nDEL x\"]}");
	assert_command(
		"SET", "{key: k, value: 1.50}", "{\"command\":[\"SET\",\"k\",\"1.50\"]}");
	assert_command(
		"SET", "{key: k, value: true}", "{\"command\":[\"SET\",\"k\",\"true\"]}");
	assert_command("SET", "{key: k, value: \"{flag}\", stringify: false, x-note: 1}",
		"{\"command\":[\"SET\",\"k\",\"true\"]}");
	assert_command(
		"SET", "{key: k, value: \"\"}", "{\"command\":[\"SET\",\"k\",\"\"]}");
	assert_command("SET", "{key: k, value: \"t {tags.0} {address}\"}",
		"{\"command\":[\"SET\",\"k\",\"t x {\\\"city\\\":\\\"K\\\"}\"]}");
	assert_command("SET", "{key: \"{$event.id}\", value: \"{gone|none}\"}",
		"{\"command\":[\"SET\",\"run-1\",\"none\"]}");
}

static void test_stringify(void **state)
{
	assert_command("SET", "{key: k, value: \"{name}\", stringify: true}",
		"{\"command\":[\"SET\",\"k\",\"\\\"Müller\\\"\"]}");
	assert_command("SET", "{key: k, value: null, stringify: true}",
		"{\"command\":[\"SET\",\"k\",\"null\"]}");
	assert_command("SET", "{key: k, value: \"{gone}\", stringify: true}",
		"{\"command\":[\"SET\",\"k\",\"null\"]}");
	assert_command("SET",
		"{key: k, value: {a: \"{n}\", b: \"{gone?}\", c: [\"{flag}\"]}, "
		"stringify: true}",
		"{\"command\":[\"SET\",\"k\","
		"\"{\\\"a\\\":12345678901234567890.10,\\\"c\\\":[true]}\"]}");
}

static void test_other_actions(void **state)
{
	assert_command("HSET", "{value: v, field: f, key: k}",
		"{\"command\":[\"HSET\",\"k\",\"f\",\"v\"]}");
	assert_command("ZADD", "{key: k, score: \"{seconds}\", member: m}",
		"{\"command\":[\"ZADD\",\"k\",\"1.5\",\"m\"]}");
	assert_command("DEL", "{key: k}", "{\"command\":[\"DEL\",\"k\"]}");
	assert_command("PUBLISH", "{channel: c, value: \"{$payload}\", stringify: true}",
		"{\"command\":[\"PUBLISH\",\"c\","
		"\"{\\\"id\\\":\\\"a b\\\\r\\\\nDEL x\\\",\\\"name\\\":\\\"Müller\\\","
		"\\\"n\\\":12345678901234567890.10,\\\"flag\\\":true,"
		"\\\"tags\\\":[\\\"x\\\",\\\"y\\\"],\\\"address\\\":{\\\"city\\\":"
		"\\\"K\\\"},"
		"\\\"any\\\":{\\\"a\\\":1},\\\"seconds\\\":1.5,\\\"duration\\\":\\\"2m\\\"}"
		"\"]}");
}

static void test_ttl(void **state)
{
	static const char *const cases[][2] = {
		{ "90s", "90000" },
		{ "\"{duration}\"", "120000" },
		{ "\"{seconds}\"", "1500" },
		{ "\"{seconds}s\"", NULL }, /* 1.5s is no duration */
		{ "\"{tags.0}m\"", NULL },
		{ "\"{gone|3}\"", "3000" },
		{ "\"{gone|3m}\"", "180000" },
		{ "\"{gone|0}\"", NULL },
		{ "\"{gone|-1}\"", NULL },
		{ "\"{gone|1e300}\"", NULL },
		{ "\"{flag}\"", NULL },
		{ "\"{gone}\"", NULL },
	};
	char template[128], command[128];

	for (size_t i = 0; i < array_len(cases); i++) {
		snprintf(template, sizeof template, "{key: k, value: v, ttl: %s}",
			cases[i][0]);
		if (!cases[i][1]) {
			assert_render_fails("SET", template, "ttl");
			continue;
		}
		snprintf(command, sizeof command,
			"{\"command\":[\"SET\",\"k\",\"v\",\"PX\",\"%s\"]}", cases[i][1]);
		assert_command("SET", template, command);
	}
	assert_command("SET", "{key: k, value: v, ttl: \"{gone?}\"}",
		"{\"command\":[\"SET\",\"k\",\"v\"]}");
}

static void test_what_cannot_be_rendered(void **state)
{
	struct errbuf errbuf;

	assert_render_fails(
		"SET", "{key: \"{gone}\", value: v}", "wildcard {gone} in key: no value");
	assert_render_fails(
		"SET", "{key: \"k:{gone}\", value: v}", "wildcard {gone} in key: no value");
	assert_render_fails("SET", "{key: k, value: \"{gone?}\"}",
		"wildcard {gone} in value: no value");
	assert_render_fails("SET", "{key: k, value: \"{any}\"}", "value");
	assert_null(render("SET", "{key: k, value: \"{id}\"}", 10, &errbuf));
	assert_non_null(strstr(errbuf.text, "larger than 10 bytes"));
}

static void test_what_cannot_be_loaded(void **state)
{
	assert_load_fails("SET", "{key: k}", "the template lacks 'value'");
	assert_load_fails("SET", "{key: k, value: [1]}", "value cannot be");
	assert_load_fails("SET", "{key: k, value: {a: 1}}", "value cannot be");
	assert_load_fails("SET", "{key: k, value: null}", "value cannot be null");
	assert_load_fails("SET", "{key: k, value: \"{address}\"}", "would be an object");
	assert_load_fails(
		"SET", "{key: k, value: \"{tags}\"}", "would be an object or array");
	assert_load_fails("SET", "{key: k, value: \"{$payload}\"}", "would be an object");
	assert_load_fails("SET", "{key: \"{address}\", value: v}", "would be an object");
	assert_load_fails("SET", "{key: k, value: \"{nam}\"}", "nam");
	assert_load_fails(
		"SET", "{key: k, value: {nam: \"{nam}\"}, stringify: true}", "nam");
	assert_load_fails("SET", "{key: k, value: v, ttl: 60}", "must be a duration");
	assert_load_fails("SET", "{key: k, value: v, ttl: 0s}", "must be longer than 0");
	assert_load_fails(
		"SET", "{key: k, value: v, stringify: \"{flag}\"}", "takes no wildcard");
	assert_load_fails("DEL", "{key: k, value: v}", "unknown field 'value'");
}

static void test_codes(void **state)
{
	static const struct value zero = { .type = VALUE_NUMBER, .text = { "0", 1 } };
	static const struct value one = { .type = VALUE_NUMBER, .text = { "1", 1 } };
	static const struct {
		const char *action, *template;
		int none, some;
	} cases[] = {
		{ "SET", "{key: k, value: v}", 201, 201 },
		{ "SETNX", "{key: k, value: v}", 200, 201 },
		{ "HSET", "{key: k, field: f, value: v}", 201, 201 },
		{ "HSETNX", "{key: k, field: f, value: v}", 200, 201 },
		{ "SADD", "{key: k, value: v}", 200, 201 },
		{ "SREM", "{key: k, value: v}", 200, 200 },
		{ "DEL", "{key: k}", 200, 200 },
		{ "INCR", "{key: k}", 201, 201 },
		{ "ZADD", "{key: k, score: 1, member: m}", 201, 201 },
		{ "PUBLISH", "{channel: c, value: v}", 200, 200 },
		{ "XADD", "{key: k, fields: {a: b}}", 201, 201 },
		{ "COMMAND", "{args: [SET, k, v]}", 200, 200 },
	};
	struct errbuf errbuf;

	for (size_t i = 0; i < array_len(cases); i++) {
		/* A request begins with its command. */
		const struct redis_command *command = (const void *)render(
			cases[i].action, cases[i].template, 4096, &errbuf);

		assert_int_equal(command->code(&zero), cases[i].none);
		assert_int_equal(command->code(&one), cases[i].some);
	}
}

static void test_new_entries(void **state)
{
	assert_command("XADD",
		"{key: s, fields: {b: \"{n}\", a: \"{id}\", \"\": x, 1: true}}",
		"{\"command\":[\"XADD\",\"s\",\"*\",\"b\",\"12345678901234567890.10\","
		"\"a\","
		"\"a b\\r\\nDEL x\",\"\",\"x\",\"1\",\"true\"]}");
	assert_command("XADD",
		"{fields: {gone: \"{gone?}\", name: \"{name?}\", x: \"<{gone?}>\"}, "
		"maxLen: 100, key: \"s:{flag}\"}",
		"{\"command\":[\"XADD\",\"s:true\",\"MAXLEN\",\"100\",\"*\",\"name\","
		"\"Müller\",\"x\",\"<>\"]}");
	assert_command("XADD", "{key: s, maxLen: \"{gone|7}\", fields: {a: b}}",
		"{\"command\":[\"XADD\",\"s\",\"MAXLEN\",\"7\",\"*\",\"a\",\"b\"]}");
	assert_command("XADD", "{key: s, maxLen: \"{gone?}\", fields: {a: b}}",
		"{\"command\":[\"XADD\",\"s\",\"*\",\"a\",\"b\"]}");
	assert_command("XADD", "{key: s, maxLen: null, fields: {a: b}}",
		"{\"command\":[\"XADD\",\"s\",\"*\",\"a\",\"b\"]}");
}

static void test_entries_that_cannot_be(void **state)
{
	static const char *const lengths[] = { "{seconds}", "{gone|0}", "{gone|-1}",
		"{gone|1e3}", "{gone|01}", "{gone|12345678901234567890}", "{flag}",
		"{gone|many}", "{name}", "{gone|\'\'}" };
	static const char *const literals[] = { "0", "-1", "1.5", "1e3", "many", "\"\"",
		"true" };
	char template[128];

	for (size_t i = 0; i < array_len(lengths); i++) {
		snprintf(template, sizeof template,
			"{key: s, maxLen: \"%s\", fields: {a: b}}", lengths[i]);
		assert_render_fails("XADD", template, "maxLen: not a whole number above 0");
	}
	for (size_t i = 0; i < array_len(literals); i++) {
		snprintf(template, sizeof template, "{key: s, maxLen: %s, fields: {a: b}}",
			literals[i]);
		assert_load_fails(
			"XADD", template, "maxLen must be a whole number above 0");
	}
	assert_render_fails("XADD", "{key: s, maxLen: \"{gone}\", fields: {a: b}}",
		"wildcard {gone} in maxLen: no value");
	assert_render_fails("XADD", "{key: s, fields: {a: \"{gone}\"}}",
		"wildcard {gone} in fields.a: no value");
	assert_render_fails("XADD", "{key: s, fields: {a: \"{gone?}\", b: \"{gone?}\"}}",
		"nothing to add");
	assert_render_fails("XADD", "{key: s, fields: {a: \"{any}\"}}", "fields.a");
	assert_load_fails("XADD", "{key: s}", "lacks 'fields'");
	assert_load_fails("XADD", "{key: s, fields: {}}", "fields is empty");
	assert_load_fails("XADD", "{key: s, fields: [a, b]}", "must be a mapping");
	assert_load_fails("XADD", "{key: s, fields: {a: null}}", "fields.a cannot be null");
	assert_load_fails(
		"XADD", "{key: s, fields: {a: [1]}}", "fields.a cannot be a list");
	assert_load_fails(
		"XADD", "{key: s, fields: {a: \"{tags}\"}}", "fields.a would be an object");
	assert_load_fails("XADD", "{key: s, fields: {\"{name}\": a}}", "a key cannot hold");
	assert_load_fails("XADD", "{key: s, fields: {a: {name}}}", "without quotes");
	assert_load_fails("XADD", "{key: s, fields: {a: \"{nam}\"}}", "nam");
}

static void test_any_command(void **state)
{
	assert_command("COMMAND", "{args: [GETEX, \"user:{id}\", EX, 60]}",
		"{\"command\":[\"GETEX\",\"user:a b\\r\\nDEL x\",\"EX\",\"60\"]}");
	assert_command("COMMAND",
		"{args: [config, set, \"{gone|a}\", \"{n}\", 1.50, -0, true, \"\", "
		"\"{$event.id}\", \"{flag}\", 0x10]}",
		"{\"command\":[\"config\",\"set\",\"a\",\"12345678901234567890.10\","
		"\"1.50\",\"-0\",\"true\",\"\",\"run-1\",\"true\",\"0x10\"]}");
	assert_command("COMMAND", "{args: [PING]}", "{\"command\":[\"PING\"]}");
	assert_command("COMMAND",
		"{args: [EVAL, 'return \\{name} .. {1}[1] .. ARGV[1]', 0, \"{name}\"]}",
		"{\"command\":[\"EVAL\",\"return {name} .. {1}[1] .. ARGV[1]\",\"0\","
		"\"Müller\"]}");
	assert_render_fails("COMMAND", "{args: [GET, \"{gone}\"]}",
		"wildcard {gone} in args.1: no value");
	assert_render_fails("COMMAND", "{args: [MGET, a, \"{gone?}\"]}",
		"wildcard {gone} in args.2: no value");
	assert_render_fails("COMMAND", "{args: [GET, \"{any}\"]}", "args.1");
	assert_load_fails("COMMAND", "{}", "lacks 'args'");
	assert_load_fails("COMMAND", "{args: null}", "must have a value");
	assert_load_fails("COMMAND", "{args: []}", "args is empty");
	assert_load_fails("COMMAND", "{args: GET k}", "must be a list");
	assert_load_fails("COMMAND", "{args: \"{tags}\"}", "must be a list");
	assert_load_fails("COMMAND", "{args: [GET, null]}", "args.1 cannot be null");
	assert_load_fails("COMMAND", "{args: [GET, [k]]}", "args.1 cannot be a list");
	assert_load_fails("COMMAND", "{args: [GET, {a: b}]}", "args.1 cannot be a mapping");
	assert_load_fails("COMMAND", "{args: [GET, \"{tags}\"]}", "would be an object");
	assert_load_fails("COMMAND", "{args: [GET, \"{$payload}\"]}", "would be an object");
	assert_load_fails("COMMAND", "{args: [GET, \"{nam}\"]}", "nam");
	assert_load_fails("COMMAND", "{args: [GET, {name}]}", "without quotes");
	assert_load_fails("COMMAND", "{args: [Subscribe, x]}", "COMMAND refuses SUBSCRIBE");
}

/* A literal that the server would refuse is refused when the file is read. */
static void test_numbers(void **state)
{
	static const struct {
		const char *action, *template;
		const char *good[6], *bad[8];
	} cases[] = {
		{ "INCRBY", "{key: k, value: %s}",
			{ "1", "-5", "0", "\"{n}\"", "9223372036854775807" },
			{ "1.5", "1e3", "x", "\"\"", "+1", "\"01\"",
				"9223372036854775808" } },
		{ "HINCRBY", "{key: k, field: f, value: %s}", { "1", "\"{name}\"" },
			{ "1.0", "true", "\" 1\"" } },
		{ "INCRBYFLOAT", "{key: k, value: %s}",
			{ "1.1", "-0.5e-3", "7", "\"{n}\"" },
			{ "x", "inf", "nan", "\"\"", "\"1 \"", "\" 1\"" } },
		{ "HINCRBYFLOAT", "{key: k, field: f, value: %s}", { "1.0", "1" },
			{ "1.0.0", "false" } },
		{ "ZADD", "{key: k, score: %s, member: m}",
			{ "1.5", "-inf", "\"+inf\"", "\"{n}\"", "1e300" },
			{ "nan", "many", "\"(1\"", "true" } },
		{ "ZINCRBY", "{key: k, score: %s, member: m}", { "2" }, { "two" } },
	};
	char template[96];

	for (size_t i = 0; i < array_len(cases); i++) {
		for (size_t j = 0; cases[i].good[j]; j++) {
			struct diag *diag = diag_new(arena);

			snprintf(template, sizeof template, cases[i].template,
				cases[i].good[j]);
			if (!compile(cases[i].action, template, diag))
				fail_msg("%s: %s", template, diag_message(diag, 0)->text);
		}
		for (size_t j = 0; cases[i].bad[j]; j++) {
			snprintf(template, sizeof template, cases[i].template,
				cases[i].bad[j]);
			assert_load_fails(cases[i].action, template, " number");
		}
	}
}

/* What may be sent again when it was not answered. */
static void test_idempotent_actions(void **state)
{
	static const char *const idempotent[] = { "SET", "SETNX", "HSET", "HSETNX", "DEL",
		"HDEL", "SADD", "SREM", "ZADD" };
	size_t found = 0;

	for (const struct action_kind *kind = service_redis.actions; kind->name; kind++) {
		bool is = false;

		for (size_t i = 0; i < array_len(idempotent); i++)
			is = is || strcmp(kind->name, idempotent[i]) == 0;
		assert_int_equal(is, (kind->flags & ACTION_IDEMPOTENT) != 0);
		found += is;
	}
	assert_int_equal(found, array_len(idempotent));
}

static void test_many_arguments(void **state)
{
	struct strbuf template, expected;

	strbuf_init_arena(&template, arena, 100000);
	strbuf_init_arena(&expected, arena, 100000);
	strbuf_string(&template, "{args: [RPUSH, k");
	strbuf_string(&expected, "{\"command\":[\"RPUSH\",\"k\"");
	for (int i = 0; i < 100; i++) {
		strbuf_printf(&template, ", \"{id}%d\"", i);
		strbuf_printf(&expected, ",\"a b\\r\\nDEL x%d\"", i);
	}
	strbuf_bytes(&template, "]}", 3);
	strbuf_bytes(&expected, "]}", 3);
	assert_command("COMMAND", template.data, expected.data);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_values_land_as_arguments),
		TEST(test_stringify),
		TEST(test_other_actions),
		TEST(test_ttl),
		TEST(test_what_cannot_be_rendered),
		TEST(test_what_cannot_be_loaded),
		TEST(test_codes),
		TEST(test_new_entries),
		TEST(test_entries_that_cannot_be),
		TEST(test_any_command),
		TEST(test_numbers),
		TEST(test_idempotent_actions),
		TEST(test_many_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
