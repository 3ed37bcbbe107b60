/*
 * sql_plan.c - what the SQL actions have in common.
 *
 * The statement's text is made once, at load, when its names are literal; a run in which members
 * were left out, or a name holds a wildcard, makes a text of its own by the same function.
 *
 * Refused: NULL for a member that was left out. The column's default, or its value, would be
 * lost.
 */
#include "service/sql_plan.h"

#include <string.h>

#include "net/pg_statements.h"

enum { SQL_MAX = 1024 * 1024, COLUMNS_MAX = 1600 }; /* a table has at most 1,600 columns */

/* ---- compiling ---- */

static bool compile_returning(
	const struct sql_compiler *c, const struct node *returning, struct sql_plan *plan)
{
	if (!node_is_null(returning) && returning->kind == NODE_STRING) {
		plan->returning_all = text_is(returning->text, "*");
		if (plan->returning_all)
			return true;
		diag_error(c->diag, returning->place,
			"'returning' is a list of columns, or \"*\"");
		return false;
	}
	return sql_names_compile(
		returning, "returning", c->scope, c->arena, c->diag, &plan->returning);
}

static bool compile_table(
	const struct sql_compiler *c, const struct node *template, struct sql_plan *plan)
{
	const struct node *schema = node_get(template, "schema");
	const struct node *table = node_get(template, "table");

	if (!sql_name_compile(table, "table", 2, c->scope, c->arena, c->diag, &plan->table))
		return false;
	if (node_is_null(schema))
		return true;
	if (plan->table.count > 1) {
		diag_error(c->diag, schema->place, "the schema stands in 'table' too");
		return false;
	}
	return sql_name_compile(
		schema, "schema", 1, c->scope, c->arena, c->diag, &plan->schema);
}

bool sql_plan_compile_table(
	const struct sql_compiler *c, const struct node *template, struct sql_plan *plan)
{
	bool good = compile_table(c, template, plan);

	good &= compile_returning(c, node_get(template, "returning"), plan);
	plan->rows = plan->returning_all || plan->returning.count > 0;
	return good;
}

static void compile_column(
	const struct sql_compiler *c, const struct node_entry *entry, struct sql_plan *plan)
{
	struct sql_column *column = &plan->columns[plan->count++];

	column->name = entry->key;
	if (entry->key.len == 0 || entry->key.len > SQL_NAME_MAX ||
		memchr(entry->key.at, '\0', entry->key.len))
		diag_error(c->diag, entry->key_place,
			"a column's name has 1 to %d bytes, no NUL", SQL_NAME_MAX);
	sql_value_compile(c, entry->value,
		arena_printf(c->arena, "payload.%.*s", TEXT_ARG(entry->key)),
		&column->value);
	plan->described |= column->value.described;
	plan->slots++;
}

bool sql_plan_compile_payload(
	const struct sql_compiler *c, const struct node *payload, struct sql_plan *plan)
{
	size_t errors = diag_errors(c->diag);

	if (payload->count > COLUMNS_MAX) {
		diag_error(c->diag, payload->place, "a table has at most %d columns",
			COLUMNS_MAX);
		return false;
	}
	if (!template_check_map(payload, c->arena, c->diag))
		return false;
	plan->columns = arena_zalloc(c->arena, payload->count + 1, sizeof(*plan->columns));
	for (size_t i = 0; i < payload->count; i++)
		compile_column(c, &payload->entries[i], plan);
	return diag_errors(c->diag) == errors;
}

void sql_plan_warn_optional(const struct sql_compiler *c, const struct node *payload,
	const struct sql_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct template *scalar = plan->columns[i].value.scalar;
		struct text written;

		if (!scalar || !template_may_lack(scalar))
			continue;
		written = template_written(scalar);
		diag_warning(c->diag, payload->entries[i].value->place,
			"the property is optional: where it is absent, '%.*s' becomes NULL",
			TEXT_ARG(plan->columns[i].name));
		diag_hint(c->diag, "%.*s?} leaves the column as it is",
			(int)written.len - 1, written.at);
	}
}

const struct sql_column *sql_plan_column(const struct sql_plan *plan, struct text name)
{
	for (size_t i = 0; i < plan->count; i++) {
		if (text_equal(plan->columns[i].name, name))
			return &plan->columns[i];
	}
	return NULL;
}

/* ---- the text ---- */

bool sql_plan_is_left_out(const struct sql_run *run, size_t column)
{
	return run->left_out && run->left_out[column];
}

bool sql_plan_append_table(
	const struct sql_plan *plan, const struct sql_run *run, struct strbuf *sql)
{
	if (plan->schema.count > 0) {
		if (!sql_name_append(
			    sql, &plan->schema, run->values, run->arena, run->errbuf))
			return false;
		strbuf_char(sql, '.');
	}
	return sql_name_append(sql, &plan->table, run->values, run->arena, run->errbuf);
}

bool sql_plan_append_returning(
	const struct sql_plan *plan, const struct sql_run *run, struct strbuf *sql)
{
	if (!plan->rows)
		return true;
	strbuf_string(sql, plan->returning_all ? " RETURNING *" : " RETURNING ");
	return sql_names_append(
		sql, &plan->returning, run->values, run->arena, run->errbuf);
}

static bool make_text(
	const struct sql_plan *plan, const struct sql_run *run, struct pg_statement *out)
{
	struct strbuf sql;

	strbuf_init_arena(&sql, run->arena, SQL_MAX);
	if (!plan->write(plan, run, &sql))
		return false;
	strbuf_char(&sql, '\0');
	if (sql.failed) {
		errbuf_set(run->errbuf, "the statement is longer than 1 MiB");
		return false;
	}
	out->sql = (struct text){ sql.data, sql.len - 1 };
	out->hash = pg_statements_hash(out->sql);
	out->unnamed = !plan->literal;
	out->described = plan->described;
	return true;
}

bool sql_plan_finish(
	const struct sql_compiler *c, struct place place, struct sql_plan *plan)
{
	struct errbuf errbuf;
	struct sql_run run = { .arena = c->arena, .errbuf = &errbuf };

	plan->literal &= sql_name_is_literal(&plan->schema) &&
			 sql_name_is_literal(&plan->table) &&
			 sql_names_are_literal(&plan->returning);
	if (plan->slots > SQL_PARAMETERS_MAX) {
		diag_error(c->diag, place, "a statement has at most %d values",
			SQL_PARAMETERS_MAX);
		return false;
	}
	if (!plan->literal || make_text(plan, &run, &plan->full))
		return true;
	diag_error(c->diag, place, "%s", errbuf.text);
	return false;
}

/* ---- rendering ---- */

bool sql_plan_bind_payload(const struct sql_plan *plan, struct sql_run *run,
	struct sql_parameters *parameters, size_t *used)
{
	bool *left_out = arena_zalloc(run->arena, plan->count + 1, sizeof(*left_out));

	*used = 0;
	for (size_t i = 0; i < plan->count; i++) {
		const struct sql_value *source = &plan->columns[i].value;
		const struct value *value = sql_value_render(source, run, &left_out[i]);

		if (!value)
			return false;
		if (left_out[i])
			continue;
		if (!sql_parameters_add(parameters, source, value, run))
			return false;
		++*used;
	}
	run->left_out = *used < plan->count ? left_out : NULL;
	return true;
}

bool sql_plan_query(const struct sql_plan *plan, const struct sql_run *run,
	const struct sql_parameters *parameters, struct pg_query *out)
{
	struct pg_statement *own;
	const struct pg_statement *statement = &plan->full;

	if (!plan->literal || run->left_out) {
		own = arena_zalloc(run->arena, 1, sizeof(*own));
		if (!make_text(plan, run, own))
			return false;
		statement = own;
	}
	out->code = plan->code;
	out->group = plan->group;
	out->rows = plan->rows;
	return sql_parameters_query(parameters, statement, run, out);
}
