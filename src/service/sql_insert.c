/*
 * sql_insert.c - INSERT statements from templates.
 *
 * The statement's text is made once, at load, when its names are literal; a run in which
 * members were left out, or a name holds a wildcard, makes a text of its own by the same
 * function. Values are parameters, always: no value can become SQL.
 *
 * Refused: NULL for a member that was left out. The column's default would be lost.
 */
#include "service/sql_insert.h"

#include <string.h>

#include "base/strbuf.h"
#include "net/pg_statements.h"
#include "net/pg_value.h"
#include "service/sql_name.h"
#include "value/date.h"
#include "value/template.h"

enum { SQL_MAX = 1024 * 1024, COLUMNS_MAX = 1600 }; /* a table has at most 1,600 columns */

const struct field sql_insert_fields[] = {
	{ "database", FIELD_LITERAL, 0, NULL, NULL, "in place of the account's database" },
	{ "schema", FIELD_IDENTIFIER, 0, NULL, NULL, "the table's schema" },
	{ "table", FIELD_IDENTIFIER, FIELD_REQUIRED, NULL, NULL,
		"the table; may be schema.table" },
	{ "payload", FIELD_MAP, FIELD_REQUIRED, NULL, NULL, "column: value" },
	{ "returning", FIELD_VALUE, 0, NULL, NULL,
		"columns of the new row to return: a list, or \"*\"" },
	{ "onConflict", FIELD_MAP, 0, NULL, NULL,
		"{columns, do: nothing|update, update: [columns]}: when the row is there "
		"already" },
	{ .name = NULL },
};

static const struct field conflict_fields[] = {
	{ "columns", FIELD_LIST, 0, NULL, NULL, "columns of the unique index" },
	{ "do", FIELD_CHOICE, 0, "nothing|update", NULL,
		"what happens to the row that is there" },
	{ "update", FIELD_LIST, 0, NULL, NULL,
		"columns to update; all of the payload that are not in columns when "
		"absent" },
	{ .name = NULL },
};

struct column {
	struct text name;
	const struct template *scalar;    /* or */
	const struct template_tree *tree; /* a list or map written out */
	bool any;                         /* its type is known only from the value */
	bool date;
};

struct insert {
	struct sql_name schema; /* count 0: none */
	struct sql_name table;
	struct column *columns;
	size_t count;
	bool conflict, update; /* onConflict is there; it updates */
	bool update_all;       /* every column that is not in `target` */
	struct sql_names target, updated;
	bool returning_all;
	struct sql_names returning;
	bool literal;             /* no name holds a wildcard */
	struct pg_statement full; /* where literal: with all columns */
};

/* ---- the text ---- */

/* What a text is made from. */
struct run {
	const struct insert *insert;
	const bool *left_out;        /* by column; NULL: none */
	const struct values *values; /* NULL: all names are literal */
	struct arena *arena;
	struct errbuf *errbuf;
};

static bool is_left_out(const struct run *run, size_t column)
{
	return run->left_out && run->left_out[column];
}

static void append_columns(const struct run *run, struct strbuf *sql)
{
	const struct insert *insert = run->insert;
	unsigned used = 0;

	for (size_t i = 0; i < insert->count; i++) {
		if (is_left_out(run, i))
			continue;
		strbuf_string(sql, used++ ? ", " : " (");
		sql_identifier_append(sql, insert->columns[i].name);
	}
	if (used == 0) {
		strbuf_string(sql, " DEFAULT VALUES");
		return;
	}
	for (unsigned i = 1; i <= used; i++)
		strbuf_printf(sql, "%s$%u", i > 1 ? ", " : ") VALUES (", i);
	strbuf_char(sql, ')');
}

static bool is_named(const struct sql_names *names, struct text column)
{
	for (size_t i = 0; i < names->count; i++) {
		if (sql_name_is_literal(&names->items[i]) &&
			text_equal(sql_name_literal(&names->items[i]), column))
			return true;
	}
	return false;
}

static void append_set(struct strbuf *sql, struct text column, unsigned *used)
{
	strbuf_string(sql, (*used)++ ? ", " : " DO UPDATE SET ");
	sql_identifier_append(sql, column);
	strbuf_string(sql, " = EXCLUDED.");
	sql_identifier_append(sql, column);
}

/* A column that was left out keeps what the row has. */
static void append_update(const struct run *run, struct strbuf *sql)
{
	const struct insert *insert = run->insert;
	unsigned used = 0;

	for (size_t i = 0; insert->update && i < insert->count; i++) {
		struct text name = insert->columns[i].name;
		bool wanted = insert->update_all ? !is_named(&insert->target, name)
						 : is_named(&insert->updated, name);

		if (wanted && !is_left_out(run, i))
			append_set(sql, name, &used);
	}
	if (used == 0)
		strbuf_string(sql, " DO NOTHING");
}

static bool append_conflict(const struct run *run, struct strbuf *sql)
{
	const struct insert *insert = run->insert;

	if (!insert->conflict)
		return true;
	strbuf_string(sql, " ON CONFLICT");
	if (insert->target.count > 0) {
		strbuf_string(sql, " (");
		if (!sql_names_append(
			    sql, &insert->target, run->values, run->arena, run->errbuf))
			return false;
		strbuf_char(sql, ')');
	}
	append_update(run, sql);
	return true;
}

static bool append_returning(const struct run *run, struct strbuf *sql)
{
	const struct insert *insert = run->insert;

	if (insert->returning_all) {
		strbuf_string(sql, " RETURNING *");
		return true;
	}
	if (insert->returning.count == 0)
		return true;
	strbuf_string(sql, " RETURNING ");
	return sql_names_append(
		sql, &insert->returning, run->values, run->arena, run->errbuf);
}

static bool append_table(const struct run *run, struct strbuf *sql)
{
	const struct insert *insert = run->insert;

	strbuf_string(sql, "INSERT INTO ");
	if (insert->schema.count > 0) {
		if (!sql_name_append(
			    sql, &insert->schema, run->values, run->arena, run->errbuf))
			return false;
		strbuf_char(sql, '.');
	}
	return sql_name_append(sql, &insert->table, run->values, run->arena, run->errbuf);
}

static bool make_text(const struct run *run, struct pg_statement *out)
{
	struct strbuf sql;

	strbuf_init_arena(&sql, run->arena, SQL_MAX);
	if (!append_table(run, &sql))
		return false;
	append_columns(run, &sql);
	if (!append_conflict(run, &sql) || !append_returning(run, &sql))
		return false;
	strbuf_char(&sql, '\0');
	if (sql.failed) {
		errbuf_set(run->errbuf, "the statement is longer than 1 MiB");
		return false;
	}
	out->sql = (struct text){ sql.data, sql.len - 1 };
	out->hash = pg_statements_hash(out->sql);
	out->unnamed = !run->insert->literal;
	out->described = run->insert->full.described;
	return true;
}

/* ---- compiling ---- */

/* What compiling needs everywhere. */
struct compiler {
	const struct scope *scope;
	struct arena *arena;
	struct diag *diag;
};

static void compile_column(
	const struct compiler *c, const struct node_entry *entry, struct insert *insert)
{
	struct column *column = &insert->columns[insert->count++];
	const char *field = arena_printf(c->arena, "payload.%.*s", TEXT_ARG(entry->key));
	const struct node *node = entry->value;
	const struct binding *binding;

	column->name = entry->key;
	if (entry->key.len == 0 || entry->key.len > SQL_NAME_MAX ||
		memchr(entry->key.at, '\0', entry->key.len))
		diag_error(c->diag, entry->key_place,
			"a column's name has 1 to %d bytes, no NUL", SQL_NAME_MAX);
	if (node->kind == NODE_LIST || node->kind == NODE_MAP) {
		column->tree = template_tree_compile(
			node, field, c->scope, c->arena, c->diag);
		insert->full.described = true;
		return;
	}
	column->scalar = template_compile(node, field, c->scope, c->arena, c->diag);
	binding = template_binding(column->scalar);
	column->any = binding && binding->type == MODEL_ANY;
	column->date = binding && binding->type == MODEL_DATE;
	insert->full.described |= column->any || !template_is_scalar(column->scalar);
}

static bool compile_payload(
	const struct compiler *c, const struct node *payload, struct insert *insert)
{
	if (payload->count > COLUMNS_MAX) {
		diag_error(c->diag, payload->place, "a table has at most %d columns",
			COLUMNS_MAX);
		return false;
	}
	if (!template_check_map(payload, c->arena, c->diag))
		return false;
	insert->columns = arena_zalloc(
		c->arena, payload->count + 1, sizeof(*insert->columns));
	for (size_t i = 0; i < payload->count; i++)
		compile_column(c, &payload->entries[i], insert);
	return true;
}

static bool compile_table(
	const struct compiler *c, const struct node *template, struct insert *insert)
{
	const struct node *schema = node_get(template, "schema");
	const struct node *table = node_get(template, "table");

	if (!sql_name_compile(
		    table, "table", 2, c->scope, c->arena, c->diag, &insert->table))
		return false;
	if (node_is_null(schema))
		return true;
	if (insert->table.count > 1) {
		diag_error(c->diag, schema->place, "the schema stands in 'table' too");
		return false;
	}
	return sql_name_compile(
		schema, "schema", 1, c->scope, c->arena, c->diag, &insert->schema);
}

static bool compile_returning(
	const struct compiler *c, const struct node *returning, struct insert *insert)
{
	if (!node_is_null(returning) && returning->kind == NODE_STRING) {
		insert->returning_all = text_is(returning->text, "*");
		if (insert->returning_all)
			return true;
		diag_error(c->diag, returning->place,
			"'returning' is a list of columns, or \"*\"");
		return false;
	}
	return sql_names_compile(
		returning, "returning", c->scope, c->arena, c->diag, &insert->returning);
}

/* Each column to be updated must be one of the payload: else its default would be written. */
static void check_updated(
	const struct compiler *c, const struct node *list, const struct insert *insert)
{
	for (size_t i = 0; i < insert->updated.count; i++) {
		const struct sql_name *name = &insert->updated.items[i];
		struct suggest suggest;
		bool found = false;

		if (name->count == 0)
			continue; /* refused already */
		if (!sql_name_is_literal(name)) {
			diag_error(c->diag, list->items[i]->place,
				"onConflict.update takes no wildcard");
			continue;
		}
		suggest_init(&suggest, sql_name_literal(name));
		for (size_t j = 0; j < insert->count; j++) {
			found |= text_equal(
				insert->columns[j].name, sql_name_literal(name));
			suggest_offer(&suggest, insert->columns[j].name);
		}
		if (found)
			continue;
		diag_error(c->diag, list->items[i]->place,
			"the payload has no column '%.*s'",
			TEXT_ARG(sql_name_literal(name)));
		diag_suggest(c->diag, &suggest);
	}
}

static bool compile_conflict(
	const struct compiler *c, const struct node *conflict, struct insert *insert)
{
	const struct node *choice = node_get(conflict, "do");
	const struct node *update = node_get(conflict, "update");

	if (node_is_null(conflict))
		return true;
	if (!service_check_fields(
		    conflict_fields, conflict, conflict->place, "onConflict", c->diag))
		return false;
	insert->conflict = true;
	insert->update = node_is_null(choice) ? !node_is_null(update)
					      : text_is(choice->text, "update");
	insert->update_all = node_is_null(update);
	if (!sql_names_compile(node_get(conflict, "columns"), "onConflict.columns",
		    c->scope, c->arena, c->diag, &insert->target) ||
		!sql_names_compile(update, "onConflict.update", c->scope, c->arena, c->diag,
			&insert->updated))
		return false;
	if (!insert->update && !node_is_null(update)) {
		diag_error(c->diag, update->place, "'update' goes with do: update");
		return false;
	}
	if (insert->update && insert->target.count == 0) {
		diag_error(c->diag, conflict->place,
			"do: update wants 'columns', those of the unique index");
		return false;
	}
	check_updated(c, update, insert);
	return true;
}

void *sql_insert_compile(const struct node *template, const struct scope *scope,
	struct arena *arena, struct diag *diag)
{
	struct insert *insert = arena_zalloc(arena, 1, sizeof(*insert));
	struct compiler c = { scope, arena, diag };
	size_t errors = diag_errors(diag);
	struct errbuf errbuf;
	struct run run = { insert, NULL, NULL, arena, &errbuf };
	bool good = compile_table(&c, template, insert);

	good &= compile_payload(&c, node_get(template, "payload"), insert);
	good &= compile_returning(&c, node_get(template, "returning"), insert);
	good &= compile_conflict(&c, node_get(template, "onConflict"), insert);
	if (!good || diag_errors(diag) > errors)
		return NULL;
	insert->literal = sql_name_is_literal(&insert->table) &&
			  sql_name_is_literal(&insert->schema) &&
			  sql_names_are_literal(&insert->target) &&
			  sql_names_are_literal(&insert->returning);
	if (insert->literal && !make_text(&run, &insert->full)) {
		diag_error(diag, template->place, "%s", errbuf.text);
		return NULL;
	}
	return insert;
}

/* ---- rendering ---- */

/* A date-time without a zone is UTC, whatever the session's TimeZone is. */
static const struct value *with_zone(const struct value *value, struct arena *arena)
{
	struct instant instant;

	if (value->type != VALUE_STRING || !date_parse(value->text, &instant))
		return value;
	if (!instant.has_time || instant.has_zone)
		return value;
	return value_string(
		arena, text_of(arena_printf(arena, "%.*sZ", TEXT_ARG(value->text))));
}

static const struct value *dates_with_zone(const struct value *value, struct arena *arena)
{
	struct value *items;

	if (value->type != VALUE_ARRAY)
		return with_zone(value, arena);
	items = arena_zalloc(arena, value->array.count + 1, sizeof(*items));
	for (size_t i = 0; i < value->array.count; i++)
		items[i] = *dates_with_zone(&value->array.items[i], arena);
	value = memcpy(arena_alloc(arena, sizeof(*value)),
		&(struct value){
			.type = VALUE_ARRAY, .array = { items, value->array.count } },
		sizeof(*value));
	return value;
}

/* *left_out: the member is `{path?}` and has no value. NULL: the reason is in errbuf. */
static const struct value *column_value(const struct column *column,
	const struct values *values, struct arena *arena, bool *left_out,
	struct errbuf *errbuf)
{
	const struct value *value;

	if (column->tree)
		return template_tree_value(column->tree, values, arena, errbuf);
	value = template_value(column->scalar, values, arena, left_out, errbuf);
	if (!template_is_optional(column->scalar))
		*left_out = false;
	return value && column->date ? dates_with_zone(value, arena) : value;
}

/* The parameters of one run. */
struct parameters {
	const char **texts;
	const struct value **values; /* those whose text depends on the type */
	bool *left_out;              /* by column */
	int count;
	bool typed; /* some value is in `values` */
	bool all;   /* none was left out */
	size_t bytes;
};

/* An object goes as JSON wherever it goes, but {} would be an empty array for an array type. */
static bool is_typed(const struct column *column, const struct value *value)
{
	return value->type == VALUE_ARRAY ||
	       (value->type == VALUE_OBJECT && value->object.count == 0) ||
	       (column->any && value->type == VALUE_STRING);
}

static bool add_parameter(const struct column *column, const struct value *value,
	size_t max, struct arena *arena, struct parameters *parameters,
	struct errbuf *errbuf)
{
	const char **text = &parameters->texts[parameters->count];
	struct errbuf reason;

	if (!pg_value_text(value, max, arena, text, &reason)) {
		errbuf_set(errbuf, "payload.%.*s %s", TEXT_ARG(column->name), reason.text);
		return false;
	}
	parameters->bytes += 8 + (*text ? strlen(*text) : 0);
	/* No slots: the model promised no such value. One that comes all the same is JSON. */
	if (parameters->values && is_typed(column, value)) {
		parameters->values[parameters->count] = value;
		parameters->typed = true;
	}
	parameters->count++;
	return true;
}

static bool make_parameters(const struct insert *insert, const struct values *values,
	size_t max, struct arena *arena, struct parameters *out, struct errbuf *errbuf)
{
	size_t slots = insert->count + 1;

	*out = (struct parameters){ .all = true };
	out->texts = arena_zalloc(arena, slots, sizeof(*out->texts));
	out->values = insert->full.described
			      ? arena_zalloc(arena, slots, sizeof(*out->values))
			      : NULL;
	out->left_out = arena_zalloc(arena, slots, sizeof(*out->left_out));
	for (size_t i = 0; i < insert->count; i++) {
		const struct column *column = &insert->columns[i];
		const struct value *value = column_value(
			column, values, arena, &out->left_out[i], errbuf);

		if (!value)
			return false;
		if (out->left_out[i])
			out->all = false;
		else if (!add_parameter(column, value, max, arena, out, errbuf))
			return false;
	}
	return true;
}

bool sql_insert_render(const void *plan, const struct values *values, size_t max,
	struct arena *arena, struct pg_query *out, struct errbuf *errbuf)
{
	const struct insert *insert = plan;
	struct parameters parameters;
	struct run run = { insert, NULL, values, arena, errbuf };
	struct pg_statement *own;

	if (!make_parameters(insert, values, max, arena, &parameters, errbuf))
		return false;
	run.left_out = parameters.left_out;
	out->statement = &insert->full;
	if (!insert->literal || !parameters.all) {
		own = arena_zalloc(arena, 1, sizeof(*own));
		if (!make_text(&run, own))
			return false;
		out->statement = own;
	}
	out->count = parameters.count;
	out->texts = parameters.texts;
	out->values = parameters.typed ? parameters.values : NULL;
	out->bytes = out->statement->sql.len + parameters.bytes;
	out->max = max;
	out->code = 201;
	out->group = !insert->update;
	out->rows = insert->returning_all || insert->returning.count > 0;
	if (out->bytes <= max)
		return true;
	errbuf_set(errbuf, "the statement has %zu bytes; limits.request is %zu", out->bytes,
		max);
	return false;
}
