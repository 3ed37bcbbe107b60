/*
 * test_postgresql.c - templates to SQL text and parameters, urls to connection strings, refusals
 * at load, SQLSTATEs to kinds of errors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "net/pg_conninfo.h"
#include "net/pg_result.h"
#include "net/pg_statements.h"
#include "net/pg_value.h"
#include "sql_plans.h"
#include "value/json.h"
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

static const struct plan *compile(const char *template, struct diag *diag)
{
	return sql_plan_of(arena, "INSERT", yaml(SQL_MODEL), yaml(template), diag);
}

/* What would be sent, as JSON, or the reason why not. */
static const char *rendered(const char *template, const char *payload)
{
	const struct plan *plan = compile(template, diag_new(arena));

	assert_non_null(plan);
	return sql_sent(arena, plan, payload);
}

static const char *refusal(const char *template)
{
	struct diag *diag = diag_new(arena);

	assert_null(compile(template, diag));
	assert_true(diag_errors(diag) > 0);
	return diag_message(diag, 0)->text;
}

#define SENDS(template, payload, sql, parameters)                                          \
	assert_string_equal(rendered(template, payload),                                   \
		"{\"sql\":\"" sql "\",\"parameters\":[" parameters "]}")

static void values_are_parameters(void **state)
{
	SENDS("{table: t, payload: {a: '{id}', b: '{n}', c: '{flag}', d: 'x {name}', e: "
	      "null}}",
		"{\"id\":\"'); DROP TABLE t; "
		"--\",\"n\":12345678901234567890.10,\"flag\":true,"
		"\"name\":\"$1\"}",
		"INSERT INTO \\\"t\\\" (\\\"a\\\", \\\"b\\\", \\\"c\\\", \\\"d\\\", "
		"\\\"e\\\") VALUES "
		"($1, $2, $3, $4, $5)",
		"\"'); DROP TABLE t; --\",\"12345678901234567890.10\",\"true\",\"x "
		"$1\",null");
	SENDS("{table: t, payload: {a: '{obj}', b: '{tags}', c: {x: ['{n}']}}}",
		"{\"obj\":{\"city\":\"K\"},\"tags\":[\"p\",null],\"n\":1.50}",
		"INSERT INTO \\\"t\\\" (\\\"a\\\", \\\"b\\\", \\\"c\\\") VALUES ($1, $2, "
		"$3)",
		"\"{\\\"city\\\":\\\"K\\\"}\",\"[\\\"p\\\",null]\",\"{\\\"x\\\":[1.50]}\"");
}

/* The model is checked before; whoever comes around it must not reach past the slots. */
static void an_array_for_an_object_is_json(void **state)
{
	SENDS("{table: t, payload: {a: '{obj}'}}", "{\"obj\":[\"p\",1]}",
		"INSERT INTO \\\"t\\\" (\\\"a\\\") VALUES ($1)", "\"[\\\"p\\\",1]\"");
}

static void absent_is_null_or_left_out(void **state)
{
	SENDS("{table: t, payload: {a: '{id}', b: '{n?}'}}", "{\"n\":null}",
		"INSERT INTO \\\"t\\\" (\\\"a\\\") VALUES ($1)", "null");
	SENDS("{table: t, payload: {a: '{id?}', b: '{n?}'}}", "{}",
		"INSERT INTO \\\"t\\\" DEFAULT VALUES", "");
	assert_non_null(strstr(
		rendered("{table: t, payload: {a: 'x {id}'}}", "{}"), "wildcard {id}"));
}

static void names_are_quoted(void **state)
{
	SENDS("{table: 's.T\"x', payload: {'a\"b.c': 1}}", "{}",
		"INSERT INTO \\\"s\\\".\\\"T\\\"\\\"x\\\" (\\\"a\\\"\\\"b.c\\\") VALUES "
		"($1)",
		"\"1\"");
	SENDS("{schema: s, table: '{tab}', payload: {a: 1}}", "{\"tab\":\"x\\\".y; --\"}",
		"INSERT INTO \\\"s\\\".\\\"x\\\"\\\".y; --\\\" (\\\"a\\\") VALUES ($1)",
		"\"1\"");
	SENDS("{table: '{tab}.orders_{id}', payload: {a: 1}}",
		"{\"tab\":\"a.b\",\"id\":\"c.d\"}",
		"INSERT INTO \\\"a.b\\\".\\\"orders_c.d\\\" (\\\"a\\\") VALUES ($1)",
		"\"1\"");
}

static void names_need_a_value(void **state)
{
	const char *template = "{table: '{tab}', payload: {a: 1}}";
	char longer[200];

	assert_non_null(strstr(rendered(template, "{}"), "no value"));
	assert_non_null(strstr(rendered(template, "{\"tab\":\"\"}"), "empty"));
	assert_non_null(strstr(rendered(template, "{\"tab\":\"a\\u0000\"}"), "NUL"));
	snprintf(longer, sizeof(longer), "{\"tab\":\"%064d\"}", 0);
	assert_non_null(strstr(rendered(template, longer), "63 bytes"));
}

static void nul_and_size_fail(void **state)
{
	static char big[6000];

	assert_string_equal(
		rendered("{table: t, payload: {a: '{id}'}}", "{\"id\":\"a\\u0000\"}"),
		"payload.a contains a NUL character, which PostgreSQL text cannot hold");
	snprintf(big, sizeof(big), "{\"id\":\"%05000d\"}", 0);
	assert_non_null(
		strstr(rendered("{table: t, payload: {a: '{id}'}}", big), "larger"));
}

static void dates_get_a_zone(void **state)
{
	static const char *const dates[][2] = {
		{ "2026-03-01T12:00:00", "2026-03-01T12:00:00Z" },
		{ "2026-03-01T12:00:00+01:00", "2026-03-01T12:00:00+01:00" },
		{ "2026-03-01", "2026-03-01" },
	};

	for (size_t i = 0; i < array_len(dates); i++) {
		const char *out = rendered("{table: t, payload: {a: '{at}'}}",
			arena_printf(arena, "{\"at\":\"%s\"}", dates[i][0]));

		assert_non_null(strstr(out, arena_printf(arena, "[\"%s\"]", dates[i][1])));
	}
}

#define INTO "INSERT INTO \\\"t\\\" (\\\"a\\\", \\\"b\\\") VALUES ($1, $2) "

static void conflicts_and_returning(void **state)
{
	SENDS("{table: t, payload: {a: 1, b: 2}, returning: '*', onConflict: {do: "
	      "nothing}}",
		"{}", INTO "ON CONFLICT DO NOTHING RETURNING *", "\"1\",\"2\"");
	SENDS("{table: t, payload: {a: 1, b: 2}, returning: [a, '{tab}'],"
	      " onConflict: {columns: [a], do: update}}",
		"{\"tab\":\"q\"}",
		INTO "ON CONFLICT (\\\"a\\\") DO UPDATE SET \\\"b\\\" = EXCLUDED.\\\"b\\\""
		     " RETURNING \\\"a\\\", \\\"q\\\"",
		"\"1\",\"2\"");
	SENDS("{table: t, payload: {a: 1, b: '{n?}'}, onConflict: {columns: [a], update: "
	      "[b]}}",
		"{}",
		"INSERT INTO \\\"t\\\" (\\\"a\\\") VALUES ($1) ON CONFLICT (\\\"a\\\") DO "
		"NOTHING",
		"\"1\"");
}

static void templates_are_refused(void **state)
{
	static const char *const refused[][2] = {
		{ "{table: a.b.c, payload: {a: 1}}", "too many dots" },
		{ "{table: a..b, payload: {a: 1}}", "empty name" },
		{ "{schema: s, table: a.b, payload: {a: 1}}", "schema" },
		{ "{table: t, payload: {a: '{nme}'}}", "nme" },
		{ "{table: t, payload: {'': 1}}", "1 to 63 bytes" },
		{ "{table: t, payload: {a: 1}, returning: a}", "returning" },
		{ "{table: t, payload: {a: 1}, returning: [[a]]}", "a name is wanted" },
		{ "{table: t, payload: {a: 1}, onConflict: {do: update}}", "columns" },
		{ "{table: t, payload: {a: 1}, onConflict: {columns: [a], do: nothing, "
		  "update: [a]}}",
			"do: update" },
		{ "{table: t, payload: {a: 1}, onConflict: {columns: [a], update: [b]}}",
			"no column 'b'" },
		{ "{table: t, payload: {a: 1}, database: 'x{id}'}", "no wildcard" },
		{ "{table: t}", "payload" },
		{ "{table: t, payload: {a: 1}, retruning: '*'}", "retruning" },
	};

	for (size_t i = 0; i < array_len(refused); i++)
		assert_non_null(strstr(refusal(refused[i][0]), refused[i][1]));
}

/* ---- values by type ---- */

static void types_decide_on_arrays(void **state)
{
	static const struct {
		const char *json;
		Oid type;
		const char *text;
	} rows[] = {
		{ "[\"a,b\",\"q\\\"\\\\\",null,\"NULL\",\"\"]", 1009,
			"{\"a,b\",\"q\\\"\\\\\",NULL,\"NULL\",\"\"}" },
		{ "[1.50,true]", 1231, "{1.50,true}" },
		{ "[[1,2],[3,4]]", 1007, "{{1,2},{3,4}}" },
		{ "[]", 1009, "{}" },
		{ "[[],[]]", 1231, "{}" },
		{ "[[[]],[[]]]", 1231, "{}" },
		{ "[[1],[null]]", 1231, "{{1},{NULL}}" },
		{ "[null,null]", 1231, "{NULL,NULL}" },
		{ "[null,[1]]", 1231, NULL },
		{ "[[],[1]]", 1231, NULL },
		{ "[[1,2],[3]]", 1231, NULL },
		{ "[[[1],[2]],[[3],4]]", 1231, NULL },
		{ "[[1],2,[]]", 199, "{\"[1]\",\"2\",\"[]\"}" },
		{ "{}", 1009, NULL },
		{ "{\"a\":1}", 1009, NULL },
		{ "{}", 199, NULL },
		{ "{}", 3802, "{}" },
		{ "{}", 25, "{}" },
		{ "[\"a\",{\"b\":1}]", 3807, "{\"\\\"a\\\"\",\"{\\\"b\\\":1}\"}" },
		{ "[1,\"a\"]", 3802, "[1,\"a\"]" },
		{ "[1,\"a\"]", 25, "[1,\"a\"]" },
		{ "\"a\"", 3802, "\"a\"" },
		{ "\"a\"", 25, "a" },
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		struct json_error error;
		struct errbuf errbuf;
		const char *text;
		const struct value *value = json_parse(
			arena, text_of(rows[i].json), 10, &error);

		assert_non_null(value);
		if (pg_value_typed(value, rows[i].type, 1000, arena, &text, &errbuf)) {
			assert_non_null(rows[i].text);
			assert_string_equal(text, rows[i].text);
		} else {
			assert_null(rows[i].text);
			assert_non_null(strstr(errbuf.text, "array"));
		}
	}
}

/* ---- accounts ---- */

static const char *conninfo(const char *url, uint64_t timeout)
{
	struct pg_conninfo made;
	struct errbuf errbuf;
	struct strbuf text;

	if (!pg_conninfo_make(url, "/project", timeout, arena, &made, &errbuf))
		return arena_text(arena, text_of(errbuf.text)).at;
	strbuf_init_arena(&text, arena, 100000);
	assert_true(pg_conninfo_write(&made, NULL, &text));
	return text.data;
}

static void urls_are_completed(void **state)
{
	const char *text = conninfo("postgresql://u:p'w\\@localhost/d", 1500);

	assert_non_null(
		strstr(text, "host='localhost,localhost' hostaddr='127.0.0.1,::1'"));
	assert_non_null(strstr(text, "password='p\\'w\\\\'"));
	assert_non_null(
		strstr(text, "options='-c statement_timeout=1500 -c TimeZone=UTC'"));
	assert_non_null(strstr(text, "sslmode='prefer'"));
	assert_non_null(strstr(text, "gssencmode='disable'"));
	assert_non_null(strstr(text, "dbname='d'"));
	text = conninfo("host=/run/pg user=u options='-c TimeZone=CET'", 1000);
	assert_non_null(strstr(text, "TimeZone=UTC -c TimeZone=CET'"));
	assert_non_null(strstr(text, "dbname='u'"));
	assert_non_null(strstr(conninfo("host=::1 user=u", 0), "options=''"));
	text = conninfo(
		"user=u sslmode=prefer keepalives_idle=-1 connect_timeout=' 5 '", 0);
	assert_non_null(strstr(text, "keepalives_idle='-1'"));
}

static void urls_are_refused(void **state)
{
	static const char *const refused[][2] = {
		{ "postgresql://u:topsecret%zz@127.0.0.1/d", "percent-encoded" },
		{ "host=127.0.0.1 topsecret", "no connection string" },
		{ "postgresql://u:topsecret@127.0.0.1:0/d", "port" },
		{ "service=topsecret", "service" },
		{ "user=u sslmod=topsecret",
			"no option 'sslmod'; did you mean 'sslmode'?" },
		{ "postgresql://u:topsecret@127.0.0.1/d?conect_timeout=1",
			"no option 'conect_timeout'; did you mean 'connect_timeout'?" },
		{ "postgresql://u:x@127.0.0.1/d?Top%20secret=topsecret", "\"..\"" },
		{ "user=u sslmode=requir", "did you mean 'require'?" },
		{ "user=u sslmode=topsecret", "sslmode is one of disable, allow, prefer" },
		{ "user=u channel_binding=require sslmode=disable", "TLS" },
		{ "user=u target_session_attrs=topsecret", "one of any, read-write" },
		{ "user=u connect_timeout=topsecret", "connect_timeout is not a whole" },
		{ "user=u connect_timeout=1.5", "connect_timeout is not a whole" },
		{ "user=u keepalives_idle=99999999999", "keepalives_idle is not a whole" },
	};

	for (size_t i = 0; i < array_len(refused); i++) {
		const char *reason = conninfo(refused[i][0], 1000);

		if (!strstr(reason, refused[i][1]))
			fail_msg("%s: %s", refused[i][0], reason);
		assert_null(strstr(reason, "topsecret"));
	}
}

static void sqlstates_have_kinds(void **state)
{
	assert_int_equal(pg_result_error("23505"), ERR_PG_CONSTRAINT);
	assert_int_equal(pg_result_error("22P02"), ERR_PG_STATEMENT);
	assert_int_equal(pg_result_error("42501"), ERR_PG_DENIED);
	assert_int_equal(pg_result_error("42P01"), ERR_PG_STATEMENT);
	assert_int_equal(pg_result_error("57014"), ERR_PG_CANCELLED);
	assert_int_equal(pg_result_error("57P01"), ERR_PG_LOST);
	assert_int_equal(pg_result_error("57P03"), ERR_PG_RESOURCES);
	assert_int_equal(pg_result_error("40P01"), ERR_PG_CONFLICT);
	assert_int_equal(pg_result_error("53300"), ERR_PG_RESOURCES);
	assert_int_equal(pg_result_error("08006"), ERR_PG_LOST);
	assert_int_equal(pg_result_error("P0001"), ERR_PG_OTHER);
}

/* ---- prepared statements ---- */

static void old_statements_are_retired(void **state)
{
	struct pg_statements statements;
	struct text first = TEXT("SELECT 0");

	pg_statements_init(&statements);
	for (int i = 0; i <= PG_STATEMENTS_MAX; i++) {
		struct text sql = text_of(arena_printf(arena, "SELECT %d", i));

		assert_null(pg_statements_find(&statements, sql, pg_statements_hash(sql)));
		pg_statements_add(&statements, sql, pg_statements_hash(sql));
		if (i == 1) /* the first one is used again, so the second one goes */
			assert_non_null(pg_statements_find(
				&statements, first, pg_statements_hash(first)));
	}
	assert_non_null(pg_statements_find(&statements, first, pg_statements_hash(first)));
	assert_string_equal(pg_statements_retired(&statements)->name, "v2");
	pg_statements_drop(&statements, pg_statements_retired(&statements));
	assert_null(pg_statements_retired(&statements));
	pg_statements_free(&statements);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(values_are_parameters, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_array_for_an_object_is_json, setup, teardown),
		cmocka_unit_test_setup_teardown(
			absent_is_null_or_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(names_are_quoted, setup, teardown),
		cmocka_unit_test_setup_teardown(names_need_a_value, setup, teardown),
		cmocka_unit_test_setup_teardown(nul_and_size_fail, setup, teardown),
		cmocka_unit_test_setup_teardown(dates_get_a_zone, setup, teardown),
		cmocka_unit_test_setup_teardown(conflicts_and_returning, setup, teardown),
		cmocka_unit_test_setup_teardown(templates_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(types_decide_on_arrays, setup, teardown),
		cmocka_unit_test_setup_teardown(urls_are_completed, setup, teardown),
		cmocka_unit_test_setup_teardown(urls_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(sqlstates_have_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(
			old_statements_are_retired, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
