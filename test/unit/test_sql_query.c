/*
 * test_sql_query.c - SQL texts with wildcards: the table, what depends on types, places, bounds.
 */
#include "vectors.h"

#include "conf/yaml.h"
#include "net/pg_statements.h"
#include "service/postgresql.h"
#include "service/sql_lex.h"
#include "service/sql_query.h"

struct fixture {
	struct arena *arena;
	struct diag *diag;
	struct scope scope;
	struct values values;
	struct errbuf errbuf;
};

static void fixture_open(
	struct fixture *f, const struct value *model, const struct value *payload)
{
	f->arena = arena_new();
	f->diag = diag_new(f->arena);
	f->scope = (struct scope){ .specials = true };
	f->scope.model = model_compile(vectors_node(f->arena, model), f->arena, f->diag);
	assert_int_equal(diag_errors(f->diag), 0);
	f->values = (struct values){ .payload = payload,
		.environment = TEXT("test"),
		.event_name = TEXT("service.event") };
}

static void open_with(struct fixture *f, const char *model, const char *payload)
{
	struct arena *arena = arena_new();

	fixture_open(f, vectors_parse(arena, model), &value_null);
	f->values.payload = vectors_parse(f->arena, payload);
	arena_free(arena);
}

static const void *compile(struct fixture *f, struct text sql)
{
	struct node template = { .kind = NODE_MAP, .count = 1 };
	struct node_entry entry = { .key = TEXT("sql") };
	struct value text = { .type = VALUE_STRING, .text = sql };

	entry.value = vectors_node(f->arena, &text);
	template.entries = &entry;
	return sql_query_compile(
		&(struct sql_compiler){ &f->scope, f->arena, f->diag }, &template);
}

static bool render(struct fixture *f, const void *plan, size_t max, struct pg_query *out)
{
	struct sql_run run = {
		.values = &f->values, .max = max, .arena = f->arena, .errbuf = &f->errbuf
	};

	return sql_query_render(plan, &run, out);
}

static const char *parameters_json(struct fixture *f, const struct pg_query *query)
{
	struct value *items = arena_zalloc(
		f->arena, (size_t)query->count + 1, sizeof(*items));
	struct value array = { .type = VALUE_ARRAY,
		.array = { items, (size_t)query->count } };

	for (int i = 0; i < query->count; i++) {
		if (query->texts[i])
			items[i] = (struct value){ .type = VALUE_STRING,
				.text = text_of(query->texts[i]) };
	}
	return vectors_json(f->arena, &array);
}

/* ---- the table ---- */

static void check_case(const struct value *table, const struct value *row)
{
	struct fixture f;
	struct text name = vectors_text(row, "name"), sql = vectors_text(row, "sql");
	const char *wanted, *bound;
	struct pg_query query;
	const void *plan;

	fixture_open(
		&f, value_get(table, TEXT("model")), value_get(table, TEXT("payload")));
	plan = compile(&f, sql);
	if (!plan)
		fail_msg("%.*s: %s", TEXT_ARG(name), diag_message(f.diag, 0)->text);
	if (!render(&f, plan, 1 << 20, &query))
		fail_msg("%.*s: %s", TEXT_ARG(name), f.errbuf.text);
	if (!text_equal(query.statement->sql, vectors_text(row, "text")))
		fail_msg("%.*s: %.*s", TEXT_ARG(name), TEXT_ARG(query.statement->sql));
	wanted = vectors_json(f.arena, value_get(row, TEXT("parameters")));
	bound = parameters_json(&f, &query);
	if (strcmp(bound, wanted) != 0)
		fail_msg("%.*s: %s, not %s", TEXT_ARG(name), bound, wanted);
	assert_int_equal(query.statement->sql.at[query.statement->sql.len], '\0');
	assert_int_equal(query.statement->hash, pg_statements_hash(query.statement->sql));
	assert_false(query.statement->unnamed || query.group);
	assert_true(query.rows);
	assert_int_equal(query.code, 200);
	arena_free(f.arena);
}

static void statements_of_the_table(void **state)
{
	struct arena *arena = arena_new();
	const struct value *table = vectors_read(arena, "test/vectors/sql.json");
	const struct value *cases = value_get(table, TEXT("cases"));

	assert_true(cases->array.count >= 80);
	for (size_t i = 0; i < cases->array.count; i++)
		check_case(table, &cases->array.items[i]);
	arena_free(arena);
}

static void check_error(const struct value *table, const struct value *row)
{
	struct fixture f;
	struct text name = vectors_text(row, "name"), hint = vectors_text(row, "hint");
	struct text error = vectors_text(row, "error");
	const struct diag_message *m;
	char place[40];

	fixture_open(
		&f, value_get(table, TEXT("model")), value_get(table, TEXT("payload")));
	if (compile(&f, vectors_text(row, "sql")))
		fail_msg("%.*s: no error", TEXT_ARG(name));
	m = diag_message(f.diag, 0);
	if (diag_count(f.diag) != 1 || !vectors_has_message(f.diag, true, error))
		fail_msg("%.*s: %zu messages, %s", TEXT_ARG(name), diag_count(f.diag),
			m->text);
	if (hint.at && !vectors_has_hint(f.diag, hint))
		fail_msg("%.*s: hint %s", TEXT_ARG(name), m->hint);
	(void)snprintf(place, sizeof(place), "[%u,%u]", m->place.offset, m->place.length);
	if (strcmp(vectors_json(f.arena, value_get(row, TEXT("at"))), place) != 0)
		fail_msg("%.*s: at %s", TEXT_ARG(name), place);
	arena_free(f.arena);
}

static void statements_that_do_not_load(void **state)
{
	struct arena *arena = arena_new();
	const struct value *table = vectors_read(arena, "test/vectors/sql.json");
	const struct value *errors = value_get(table, TEXT("errors"));

	assert_true(errors->array.count >= 80);
	for (size_t i = 0; i < errors->array.count; i++)
		check_error(table, &errors->array.items[i]);
	arena_free(arena);
}

/* Every beginning of every text ends in a statement or in errors, never outside its bytes. */
static void beginnings_of_all_texts(void **state)
{
	struct arena *arena = arena_new();
	const struct value *table = vectors_read(arena, "test/vectors/sql.json");
	const struct value *cases = value_get(table, TEXT("cases"));

	for (size_t i = 0; i < cases->array.count; i++) {
		struct text sql = vectors_text(&cases->array.items[i], "sql");
		struct fixture f;

		fixture_open(&f, value_get(table, TEXT("model")), &value_null);
		for (size_t len = 0; len < sql.len; len++) {
			char *copy = test_malloc(len + 1);
			size_t errors = diag_errors(f.diag);
			const void *plan;

			memcpy(copy, sql.at, len);
			plan = compile(&f, (struct text){ copy, len });
			assert_true(plan || diag_errors(f.diag) > errors);
			for (size_t at = 0; at < len;) {
				struct sql_word word = sql_lex(
					f.arena, (struct text){ copy, len }, at);

				assert_int_equal(word.at >= at, true);
				assert_true(word.len > 0 && word.at + word.len <= len);
				at = word.at + word.len;
			}
			test_free(copy);
		}
		arena_free(f.arena);
	}
	arena_free(arena);
}

/* ---- values ---- */

/* What the parameter's type makes the text of, and nothing else, is described. */
static void types_are_asked_for_where_they_matter(void **state)
{
	static const struct {
		const char *sql;
		bool described;
		bool typed;
	} rows[] = {
		{ "SELECT {text}, {n}, {flag}, {d}", false, false },
		{ "SELECT {list}", true, true },
		{ "SELECT {tags}", true, true },
		{ "SELECT {items.n}", true, true },
		{ "SELECT '{any}'", true, true },
		{ "SELECT {meta}", true, false },
		{ "SELECT {meta.deep}", true, true },
		{ "SELECT {$payload}", true, false },
		{ "SELECT {none}", true, false },
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		struct pg_query query;
		struct fixture f;
		const void *plan;

		open_with(&f,
			"{\"text\":\"String\",\"n\":\"Number\",\"flag\":\"Boolean\","
			"\"d\":\"Date\",\"list\":\"Array\",\"tags\":[\"String\"],"
			"\"items\":[{\"n\":\"Number\"}],\"any\":\"Any\",\"meta\":"
			"\"Object\","
			"\"none\":\"Any\"}",
			"{\"text\":\"x\",\"n\":1,\"flag\":true,\"d\":\"2026-01-02\","
			"\"list\":[1],"
			"\"tags\":[\"a\"],\"items\":[{\"n\":1}],\"any\":\"x\","
			"\"meta\":{\"deep\":[1]}}");
		plan = compile(&f, text_of(rows[i].sql));
		assert_non_null(plan);
		assert_true(render(&f, plan, 1 << 20, &query));
		assert_int_equal(query.statement->described, rows[i].described);
		assert_int_equal(query.values && query.values[0], rows[i].typed);
		arena_free(f.arena);
	}
}

static void values_that_cannot_be_sent(void **state)
{
	struct pg_query query;
	struct fixture f;
	const void *plan;

	open_with(&f, "{\"a\":\"String\"}", "{\"a\":\"x\\u0000y\"}");
	plan = compile(&f, TEXT("SELECT '{a}'"));
	assert_non_null(plan);
	assert_false(render(&f, plan, 1 << 20, &query));
	assert_string_equal(f.errbuf.text,
		"{a} in sql contains a NUL character, which PostgreSQL text cannot hold");
	f.values.payload = vectors_parse(f.arena, "{\"a\":\"0123456789\"}");
	assert_true(render(&f, plan, 28, &query));
	assert_int_equal(query.bytes, 27);
	assert_false(render(&f, plan, 26, &query));
	assert_string_equal(
		f.errbuf.text, "the statement has 27 bytes; limits.request is 26");
	arena_free(f.arena);
}

static void a_request_tells_its_sql_and_parameters(void **state)
{
	struct fixture f;
	const struct action_kind *kind = service_action(&service_postgresql, TEXT("QUERY"));
	const struct request *request;
	struct strbuf json;
	struct plan *plan;
	yajl_gen gen;

	open_with(&f, "{\"a\":\"String\"}", "{\"a\":\"it's\"}");
	assert_non_null(kind);
	assert_int_equal(kind->flags & ACTION_IDEMPOTENT, 0);
	plan = service_postgresql.compile(kind,
		vectors_parse_node(f.arena,
			"{\"sql\":\"SELECT '{a}', {a?}::int\",\"database\":\"d\"}"),
		&f.scope, f.arena, f.diag);
	assert_non_null(plan);
	request = service_postgresql.render(plan, &f.values, 1 << 20, f.arena, &f.errbuf);
	assert_non_null(request);
	strbuf_init_arena(&json, f.arena, 1 << 16);
	gen = json_begin(&json);
	service_postgresql.describe(request, gen);
	json_end(gen);
	strbuf_char(&json, '\0');
	assert_string_equal(json.data, "{\"database\":\"d\",\"sql\":\"SELECT $1, $2::int\","
				       "\"parameters\":[\"it's\",\"it's\"]}");
	arena_free(f.arena);
}

/* ---- places in a file ---- */

static void check_place(const char *yaml, unsigned line, unsigned column, unsigned length)
{
	struct fixture f;
	struct source source = { "file", text_of(yaml) };
	const struct node *root;
	unsigned at_line, at_column;

	open_with(&f, "{\"name\":\"String\"}", "{}");
	root = yaml_parse(&source, f.arena, f.diag);
	assert_non_null(root);
	assert_null(sql_query_compile(
		&(struct sql_compiler){ &f.scope, f.arena, f.diag }, root));
	place_line_column(diag_message(f.diag, 0)->place, &at_line, &at_column);
	if (at_line != line || at_column != column ||
		diag_message(f.diag, 0)->place.length != length)
		fail_msg("%s: %u:%u, %u bytes", yaml, at_line, at_column,
			diag_message(f.diag, 0)->place.length);
	arena_free(f.arena);
}

static void places_in_blocks_of_text(void **state)
{
	check_place("sql: SELECT {nmae}\n", 1, 14, 4);
	check_place("sql: \"SELECT {nmae}\"\n", 1, 15, 4);
	check_place("sql: |\n  SELECT {name},\n    {nmae}\n", 3, 6, 4);
	check_place("sql: |\n\n  SELECT\n\n   'é {name}'\n  FROM t\n", 5, 7, 6);
	check_place("sql: >-\n  SELECT {name},\n  {nmae}\n\n  FROM t\n", 3, 4, 4);
	check_place("sql: SELECT\n  {name},\n  {nmae}\n", 3, 4, 4);
	check_place("sql: |\r\n  SELECT {name},\r\n  $1\r\n", 3, 3, 2);
	check_place("sql: |\n  -- all\n  COMMIT\n", 3, 3, 6);
	check_place("sql: |\n  SELECT 1;\n  SELECT 2\n", 3, 3, 6);
	check_place("sql: |\n  SELECT 1\n  , 'it\n", 3, 5, 1);
	/* Escapes leave no place inside. */
	check_place("sql: \"SELECT\\n{nmae}\"\n", 1, 7, 14);
}

/* ---- bounds ---- */

static void parameters_are_bounded(void **state)
{
	struct fixture f;
	struct strbuf sql;

	open_with(&f, "{\"a\":\"String\"}", "{}");
	strbuf_init_arena(&sql, f.arena, 1 << 20);
	strbuf_string(&sql, "SELECT {a}");
	for (int i = 1; i < 65535; i++)
		strbuf_string(&sql, ",{a}");
	assert_non_null(compile(&f, strbuf_get(&sql)));
	strbuf_string(&sql, ",{a}");
	assert_null(compile(&f, strbuf_get(&sql)));
	assert_int_equal(diag_errors(f.diag), 1);
	assert_true(vectors_has_message(f.diag, true, TEXT("at most 65535 parameters")));
	arena_free(f.arena);
}

static void the_text_is_bounded(void **state)
{
	enum { MAX = 1 << 20 };
	struct fixture f;
	char *text;

	open_with(&f, "{\"a\":\"String\"}", "{}");
	text = arena_alloc(f.arena, MAX + 1);
	memset(text, ' ', MAX + 1);
	memcpy(text, "SELECT 1", 8);
	assert_non_null(compile(&f, (struct text){ text, MAX }));
	assert_null(compile(&f, (struct text){ text, MAX + 1 }));
	assert_true(vectors_has_message(f.diag, true, TEXT("1 MiB")));
	arena_free(f.arena);
}

static void a_brace_outside_quotes_is_warned_of(void **state)
{
	struct fixture f;

	open_with(&f, "{\"a\":\"String\"}", "{}");
	assert_non_null(compile(&f, TEXT("SELECT { a }")));
	assert_int_equal(diag_count(f.diag), 1);
	assert_true(vectors_has_message(f.diag, false, TEXT("outside quotes")));
	assert_int_equal(diag_message(f.diag, 0)->place.offset, 7);
	assert_true(vectors_has_hint(f.diag, TEXT("without blanks")));
	arena_free(f.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statements_of_the_table),
		cmocka_unit_test(statements_that_do_not_load),
		cmocka_unit_test(beginnings_of_all_texts),
		cmocka_unit_test(types_are_asked_for_where_they_matter),
		cmocka_unit_test(values_that_cannot_be_sent),
		cmocka_unit_test(a_request_tells_its_sql_and_parameters),
		cmocka_unit_test(places_in_blocks_of_text),
		cmocka_unit_test(parameters_are_bounded),
		cmocka_unit_test(the_text_is_bounded),
		cmocka_unit_test(a_brace_outside_quotes_is_warned_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
