/*
 * test_sql_query.c - the tables of test/vectors/sql.json: what QUERY makes of a text, and where
 * the caret stands below one that is refused.
 */
#include "sql_plans.h"
#include "yaml_text.h"

struct fixture {
	struct arena *arena;
	struct diag *diag;
};

static const struct plan *compile(struct fixture *f, const struct value *row)
{
	struct node template = { .kind = NODE_MAP, .count = 1 };
	struct node_entry entry = { .key = TEXT("sql") };

	f->diag = diag_new(f->arena);
	entry.value = vectors_node(f->arena, value_get(row, TEXT("sql")));
	template.entries = &entry;
	return sql_plan_of(
		f->arena, "QUERY", yaml_text(f->arena, SQL_MODEL), &template, f->diag);
}

static const struct value *rows_of(struct arena *arena, const char *table)
{
	const struct value *rows = value_get(
		vectors_read(arena, "test/vectors/sql.json"), text_of(table));

	assert_true(rows && rows->array.count > 30);
	return rows;
}

static bool is_sent(struct fixture *f, const struct value *row)
{
	const struct plan *plan = compile(f, row);
	struct text name = vectors_text(row, "name");
	const char *payload = vectors_json(f->arena, value_get(row, TEXT("payload")));
	const char *parameters = vectors_json(f->arena, value_get(row, TEXT("parameters")));
	const char *sql = vectors_json(f->arena, value_get(row, TEXT("to")));
	const char *wanted = arena_printf(
		f->arena, "{\"sql\":%s,\"parameters\":%s}", sql, parameters);
	const char *sent;

	if (!plan) {
		print_error("%.*s: %s\n", TEXT_ARG(name), diag_message(f->diag, 0)->text);
		return false;
	}
	sent = sql_sent(f->arena, plan, payload);
	if (strcmp(sent, wanted) == 0)
		return true;
	print_error("%.*s: %s\n  wanted: %s\n", TEXT_ARG(name), sent, wanted);
	return false;
}

static bool is_refused(struct fixture *f, const struct value *row)
{
	const struct plan *plan = compile(f, row);
	struct text name = vectors_text(row, "name"), hint = vectors_text(row, "hint");
	struct text error = vectors_text(row, "error"), marked, at;
	const struct diag_message *message;

	if (plan) {
		print_error("%.*s: not refused\n", TEXT_ARG(name));
		return false;
	}
	message = diag_message(f->diag, 0);
	marked = vectors_text(row, "marked");
	at = (struct text){ message->place.source->text.at + message->place.offset,
		message->place.length };
	if (strstr(message->text, arena_text(f->arena, error).at) &&
		text_equal(at, marked) &&
		(!hint.len || (message->hint && strstr(message->hint,
							arena_text(f->arena, hint).at))))
		return true;
	print_error("%.*s: %s at '%.*s', hint %s\n", TEXT_ARG(name), message->text,
		TEXT_ARG(at), message->hint ? message->hint : "none");
	return false;
}

static void check(const char *table, bool (*holds)(struct fixture *, const struct value *))
{
	struct fixture f = { .arena = arena_new() };
	const struct value *rows = rows_of(f.arena, table);
	size_t failed = 0;

	for (size_t i = 0; i < rows->array.count; i++)
		failed += !holds(&f, &rows->array.items[i]);
	arena_free(f.arena);
	arena_drop_cache();
	assert_int_equal(failed, 0);
}

static void statements_are_sent(void **state)
{
	check("sent", is_sent);
}

static void statements_are_refused(void **state)
{
	check("refused", is_refused);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statements_are_sent),
		cmocka_unit_test(statements_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
