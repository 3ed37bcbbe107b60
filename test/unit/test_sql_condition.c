/*
 * test_sql_condition.c - UPDATE, DELETE and UPSERT templates to SQL text and parameters: conditions,
 * members that are left out, refusals at load, and warnings.
 */
#include "service/sql_insert.h"
#include "service/sql_query.h"
#include "service/sql_update.h"
#include "sql_plans.h"
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

static const struct plan *compile(
	const char *action, const char *template, struct diag *diag)
{
	return sql_plan_of(arena, action, yaml_text(arena, SQL_MODEL),
		yaml_text(arena, template), diag);
}

static const char *rendered(const char *action, const char *template, const char *payload)
{
	const struct plan *plan = compile(action, template, diag_new(arena));

	if (!plan)
		fail_msg("refused: %s %s", action, template);
	return sql_sent(arena, plan, payload);
}

#define SENDS(action, template, payload, sql, parameters)                                  \
	assert_string_equal(rendered(action, template, payload),                           \
		"{\"sql\":\"" sql "\",\"parameters\":[" parameters "]}")

#define WHERE(term) "{table: t, condition: [{field: a, " term "}]}"
#define DELETES     "DELETE FROM \\\"t\\\" WHERE \\\"a\\\" "

static void every_operator(void **state)
{
	static const char *const compares[] = { "=", "!=", "<>", "<", "<=", ">",
		">=", "LIKE", "ILIKE" };

	for (size_t i = 0; i < array_len(compares); i++)
		assert_string_equal(
			rendered("DELETE",
				arena_printf(arena, WHERE("operator: '%s', value: '{id}'"),
					compares[i]),
				"{\"id\":\"' OR 1=1 --\"}"),
			arena_printf(arena,
				"{\"sql\":\"" DELETES "%s $1\",\"parameters\":[\"' OR 1=1 "
				"--\"]}",
				compares[i]));
	SENDS("DELETE", WHERE("operator: is null"), "{}", DELETES "IS NULL", "");
	SENDS("DELETE", WHERE("operator: IS NOT NULL, value: null"), "{}",
		DELETES "IS NOT NULL", "");
	SENDS("DELETE", WHERE("operator: like, value: 'x{id}%'"), "{\"id\":\"y\"}",
		DELETES "LIKE $1", "\"xy%\"");
}

static void lists(void **state)
{
	SENDS("DELETE", WHERE("operator: IN, value: [1, '{id}', '{n}']"),
		"{\"id\":\"x\",\"n\":12345678901234567890.10}", DELETES "IN ($1, $2, $3)",
		"\"1\",\"x\",\"12345678901234567890.10\"");
	SENDS("DELETE", WHERE("operator: NOT IN, value: [1]"), "{}", DELETES "NOT IN ($1)",
		"\"1\"");
	SENDS("DELETE", WHERE("operator: IN, value: '{tags}'"), "{\"tags\":[\"p\",\"q\"]}",
		DELETES "= ANY($1)", "\"[\\\"p\\\",\\\"q\\\"]\"");
	SENDS("DELETE", WHERE("operator: in, value: '{items.price}'"),
		"{\"items\":[{\"price\":1.50}]}", DELETES "= ANY($1)", "\"[1.50]\"");
	SENDS("DELETE", WHERE("operator: not in, value: '{any}'"), "{\"any\":[1]}",
		DELETES "<> ALL($1)", "\"[1]\"");
	SENDS("DELETE", WHERE("operator: IN, value: '{tags}'"), "{\"tags\":[]}",
		DELETES "= ANY($1)", "\"[]\"");
	SENDS("DELETE", WHERE("operator: IN, value: []"), "{}",
		"DELETE FROM \\\"t\\\" WHERE FALSE", "");
}

static void terms_are_joined(void **state)
{
	SENDS("UPDATE",
		"{schema: s, table: t, payload: {a: '{n}', b: '{name?}', c: '{id?}'},"
		" condition: [{field: 'x\"', operator: '=', value: '{key}'},"
		" {field: '{tab}', operator: IN, value: [1, 2]},"
		" {field: y, operator: '<', value: '{at}'}], returning: [a]}",
		"{\"n\":1,\"id\":\"c\",\"key\":\"k\",\"tab\":\"T\","
		"\"at\":\"2026-03-01T12:00:00\"}",
		"UPDATE \\\"s\\\".\\\"t\\\" SET \\\"a\\\" = $1, \\\"c\\\" = $2 WHERE "
		"\\\"x\\\"\\\"\\\" = $3 AND \\\"T\\\" IN ($4, $5) AND \\\"y\\\" < $6 "
		"RETURNING \\\"a\\\"",
		"\"1\",\"c\",\"k\",\"1\",\"2\",\"2026-03-01T12:00:00Z\"");
	SENDS("UPDATE", "{table: t, payload: {a: null}, allRows: true, returning: '*'}",
		"{}", "UPDATE \\\"t\\\" SET \\\"a\\\" = $1 RETURNING *", "null");
	SENDS("DELETE", "{table: s.t, allRows: true, condition: []}", "{}",
		"DELETE FROM \\\"s\\\".\\\"t\\\"", "");
}

static void dates_get_a_zone(void **state)
{
	SENDS("DELETE", WHERE("operator: IN, value: '{days}'"),
		"{\"days\":[\"2026-03-01T12:00:00\",\"2026-03-01\"]}", DELETES "= ANY($1)",
		"\"[\\\"2026-03-01T12:00:00Z\\\",\\\"2026-03-01\\\"]\"");
	SENDS("DELETE", WHERE("operator: IN, value: ['{at}', '2026-03-01T12:00:00']"),
		"{\"at\":\"2026-03-01T12:00:00\"}", DELETES "IN ($1, $2)",
		"\"2026-03-01T12:00:00Z\",\"2026-03-01T12:00:00\"");
	SENDS("UPSERT", "{table: t, payload: {a: '{at}', b: '{days}'}, conflict: [a]}",
		"{\"at\":\"2026-03-01T12:00:00\",\"days\":[\"2026-03-01T12:00:00\"]}",
		"INSERT INTO \\\"t\\\" (\\\"a\\\", \\\"b\\\") VALUES ($1, $2) ON CONFLICT "
		"(\\\"a\\\") DO UPDATE SET \\\"b\\\" = EXCLUDED.\\\"b\\\"",
		"\"2026-03-01T12:00:00Z\",\"[\\\"2026-03-01T12:00:00Z\\\"]\"");
}

/* An absent or null value never widens a statement. */
static void no_value_fails(void **state)
{
	static const char *const rows[][3] = {
		{ "operator: '=', value: '{id}'", "{}",
			"wildcard {id} in condition: no value" },
		{ "operator: '=', value: '{id?}'", "{\"id\":null}",
			"wildcard {id?} in condition: no value" },
		{ "operator: '=', value: '{id|NULL}'", "{}", "no value" },
		{ "operator: LIKE, value: '{id}%'", "{}",
			"wildcard {id} in condition: no value" },
		{ "operator: IN, value: [1, '{id}']", "{}",
			"wildcard {id} in condition: no value" },
		{ "operator: IN, value: '{tags}'", "{}",
			"wildcard {tags} in condition: no value" },
		{ "operator: IN, value: '{tags}'", "{\"tags\":[\"a\",null]}",
			"wildcard {tags} in condition: no value for an element" },
		{ "operator: '<>', value: '{tags}'", "{\"tags\":[null]}",
			"for an element" },
		{ "operator: '<>', value: {x: '{id}'}", "{}",
			"a value in condition: no value" },
		{ "operator: IN, value: '{any}'", "{\"any\":1}",
			"wildcard {any} in condition: no list" },
		{ "operator: NOT IN, value: '{tags}'", "{\"tags\":[]}", "every row" },
		{ "operator: NOT IN, value: []", "{}", "every row" },
		{ "operator: '=', value: '{id}'", "{\"id\":\"a\\u0000\"}",
			"condition contains a NUL character" },
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		const char *reason = rendered(
			"DELETE", arena_printf(arena, WHERE("%s"), rows[i][0]), rows[i][1]);

		if (!strstr(reason, rows[i][2]))
			fail_msg("%s: %s", rows[i][0], reason);
	}
	assert_non_null(strstr(rendered("DELETE",
				       "{table: t, condition: [{field: '{tab}', operator: "
				       "IS NULL}]}",
				       "{}"),
		"wildcard {tab} in condition.field: no value"));
}

static void nothing_to_set_fails(void **state)
{
	const char *template =
		"{table: t, payload: {a: '{id?}', b: '{n?}'}, allRows: true}";

	assert_non_null(strstr(rendered("UPDATE", template, "{}"), "nothing to set"));
	SENDS("UPDATE", template, "{\"n\":2}", "UPDATE \\\"t\\\" SET \\\"b\\\" = $1",
		"\"2\"");
}

#define INTO "INSERT INTO \\\"t\\\" (\\\"a\\\", \\\"b\\\") VALUES ($1, $2) ON CONFLICT "

static void upserts(void **state)
{
	SENDS("UPSERT", "{table: t, payload: {a: 1, b: 2}, conflict: [a], returning: '*'}",
		"{}",
		INTO "(\\\"a\\\") DO UPDATE SET \\\"b\\\" = EXCLUDED.\\\"b\\\" RETURNING *",
		"\"1\",\"2\"");
	/* Nothing to update: the row is still counted and returned. */
	SENDS("UPSERT", "{table: t, payload: {a: 1, b: 2}, conflict: [a, b]}", "{}",
		INTO "(\\\"a\\\", \\\"b\\\") DO UPDATE SET \\\"a\\\" = EXCLUDED.\\\"a\\\"",
		"\"1\",\"2\"");
	SENDS("UPSERT", "{table: t, payload: {a: 1, b: '{n?}'}, conflict: [a]}", "{}",
		"INSERT INTO \\\"t\\\" (\\\"a\\\") VALUES ($1) ON CONFLICT (\\\"a\\\") DO "
		"UPDATE SET \\\"a\\\" = EXCLUDED.\\\"a\\\"",
		"\"1\"");
}

static void templates_are_refused(void **state)
{
	static const char *const rows[][3] = {
		{ "DELETE", "{table: t}", "every row" },
		{ "DELETE", "{table: t, condition: []}", "every row" },
		{ "UPDATE", "{table: t, payload: {a: 1}, allRows: false}", "every row" },
		{ "DELETE", "{table: t, allRows: '{flag}'}", "no wildcard" },
		{ "DELETE",
			"{table: t, allRows: true, condition: [{field: a, operator: IS "
			"NULL}]}",
			"contradict" },
		{ "UPDATE", "{table: t, payload: {}, allRows: true}", "nothing to set" },
		{ "DELETE", "{table: t, condition: {field: a}}", "a list" },
		{ "DELETE", "{table: t, condition: [a]}", "must be a mapping" },
		{ "DELETE", "{table: t, condition: [null]}", "{field, operator, value}" },
		{ "DELETE", WHERE("operator: '=='"), "no operator '=='" },
		{ "DELETE", WHERE("operator: '{id}', value: 1"), "no wildcard" },
		{ "DELETE", WHERE("value: 1"), "operator" },
		{ "DELETE", WHERE("operator: '='"), "wants a 'value'" },
		{ "DELETE", WHERE("operator: '=', value: null"), "null" },
		{ "DELETE", WHERE("operator: IN, value: [1, null]"), "null" },
		{ "DELETE", WHERE("operator: IS NULL, value: 1"), "takes no value" },
		{ "DELETE", WHERE("operator: IN, value: '{id}'"), "wants a list" },
		{ "DELETE", WHERE("operator: IN, value: '{obj}'"), "wants a list" },
		{ "DELETE", WHERE("operator: IN, value: {a: 1}"), "wants a list" },
		{ "DELETE", WHERE("operator: NOT IN, value: 1"), "wants a list" },
		{ "DELETE", WHERE("operator: '=', value: '{nme}'"), "nme" },
		{ "DELETE", WHERE("operator: '=', value: 1, fild: 2"), "fild" },
		{ "UPSERT", "{table: t, payload: {a: 1}}", "conflict" },
		{ "UPSERT", "{table: t, payload: {a: 1}, conflict: []}", "wants columns" },
		{ "UPSERT", "{table: t, payload: {a: 1}, conflict: [b]}", "no column 'b'" },
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		struct diag *diag = diag_new(arena);

		assert_null(compile(rows[i][0], rows[i][1], diag));
		if (diag_errors(diag) != 1 ||
			!strstr(diag_message(diag, 0)->text, rows[i][2]))
			fail_msg("%s: %zu errors, %s", rows[i][1], diag_errors(diag),
				diag_message(diag, 0)->text);
	}
}

static void optional_members_are_warned_of(void **state)
{
	static const struct {
		const char *action, *rest;
		size_t warnings;
	} rows[] = {
		{ "UPDATE", "allRows: true", 2 },
		{ "UPSERT", "conflict: [a]", 2 },
		{ "INSERT", "returning: '*'", 0 },
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		struct diag *diag = diag_new(arena);
		const char *template = arena_printf(arena,
			"{table: t, payload: {a: '{key}', b: '{name?}', c: '{id|x}', d: "
			"'{$event.id}', e: '{name}', f: '{any}', g: '{any.x}'}, %s}",
			rows[i].rest);

		assert_non_null(compile(rows[i].action, template, diag));
		assert_int_equal(diag_warnings(diag), rows[i].warnings);
		if (rows[i].warnings)
			assert_non_null(strstr(diag_message(diag, 0)->hint, "{name?}"));
	}
}

/* What the client in net/ is told of each action. */
static void actions_say_how_they_run(void **state)
{
	static const struct {
		void *(*compile)(const struct sql_compiler *c, const struct node *template);
		bool (*render)(const void *plan, struct sql_run *run, struct pg_query *out);
		const char *template;
		bool group, rows;
		int code;
	} rows[] = {
		{ sql_insert_compile, sql_insert_render, "{table: t, payload: {a: 1}}",
			true, false, 201 },
		{ sql_insert_compile, sql_insert_render,
			"{table: t, payload: {a: 1}, onConflict: {do: nothing}, returning: "
			"'*'}",
			true, true, 201 },
		{ sql_insert_compile, sql_insert_render,
			"{table: t, payload: {a: 1}, onConflict: {columns: [a], do: "
			"update}}",
			false, false, 201 },
		{ sql_upsert_compile, sql_insert_render,
			"{table: t, payload: {a: 1}, conflict: [a], returning: [a]}", false,
			true, 201 },
		{ sql_update_compile, sql_update_render,
			"{table: t, payload: {a: 1}, allRows: true}", false, false, 200 },
		{ sql_delete_compile, sql_update_render,
			"{table: t, allRows: true, returning: [a]}", false, true, 200 },
		{ sql_query_compile, sql_query_render, "{sql: SELECT 1}", false, true,
			200 },
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		struct scope scope = { 0 };
		struct values values = { 0 };
		struct errbuf errbuf;
		struct sql_compiler c = { &scope, arena, diag_new(arena) };
		struct sql_run run = { &values, NULL, 4096, arena, &errbuf };
		struct pg_query query = { 0 };
		const void *plan = rows[i].compile(&c, yaml_text(arena, rows[i].template));

		assert_non_null(plan);
		assert_true(rows[i].render(plan, &run, &query));
		assert_int_equal(query.group, rows[i].group);
		assert_int_equal(query.rows, rows[i].rows);
		assert_int_equal(query.code, rows[i].code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_operator, setup, teardown),
		cmocka_unit_test_setup_teardown(lists, setup, teardown),
		cmocka_unit_test_setup_teardown(terms_are_joined, setup, teardown),
		cmocka_unit_test_setup_teardown(dates_get_a_zone, setup, teardown),
		cmocka_unit_test_setup_teardown(no_value_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_to_set_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(upserts, setup, teardown),
		cmocka_unit_test_setup_teardown(templates_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(actions_say_how_they_run, setup, teardown),
		cmocka_unit_test_setup_teardown(
			optional_members_are_warned_of, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
