/*
 * sql_insert.c - INSERT and UPSERT statements from templates.
 *
 * UPSERT is an INSERT that updates all columns of its payload where the row is there already.
 * Refused: DO NOTHING for an UPSERT whose payload has nothing but the columns of the index: the
 * row would neither be counted nor returned, so it is set to what it is.
 */
#include "service/sql_insert.h"

#include "service/sql_plan.h"

const struct field sql_insert_fields[] = {
	SQL_FIELDS_TABLE,
	SQL_FIELD_PAYLOAD,
	SQL_FIELD_RETURNING,
	{ "onConflict", FIELD_MAP, 0, NULL, NULL,
		"{columns, do: nothing|update, update: [columns]}: when the row is there "
		"already" },
	{ .name = NULL },
};

const struct field sql_upsert_fields[] = {
	SQL_FIELDS_TABLE,
	SQL_FIELD_PAYLOAD,
	{ "conflict", FIELD_LIST, FIELD_REQUIRED, NULL, NULL,
		"columns of the unique index; the others of the payload are updated where "
		"the row is there already" },
	SQL_FIELD_RETURNING,
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

struct insert {
	struct sql_plan plan;
	bool conflict, update; /* onConflict is there; it updates */
	bool update_all;       /* every column that is not in `target` */
	bool update_always;    /* the row is there, even if nothing of it changes */
	struct sql_names target, updated;
};

static const struct insert *insert_of(const struct sql_plan *plan)
{
	return container_of(plan, struct insert, plan);
}

/* ---- the text ---- */

static void append_columns(
	const struct sql_plan *plan, const struct sql_run *run, struct strbuf *sql)
{
	unsigned used = 0;

	for (size_t i = 0; i < plan->count; i++) {
		if (sql_plan_is_left_out(run, i))
			continue;
		strbuf_string(sql, used++ ? ", " : " (");
		sql_identifier_append(sql, plan->columns[i].name);
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

/* Sets a column that is equal anyway. */
static bool append_no_change(
	const struct insert *insert, const struct sql_run *run, struct strbuf *sql)
{
	const struct sql_name *name = &insert->target.items[0];

	strbuf_string(sql, " DO UPDATE SET ");
	if (!sql_name_append(sql, name, run->values, run->arena, run->errbuf))
		return false;
	strbuf_string(sql, " = EXCLUDED.");
	return sql_name_append(sql, name, run->values, run->arena, run->errbuf);
}

/* A column that was left out keeps what the row has. */
static bool append_update(
	const struct insert *insert, const struct sql_run *run, struct strbuf *sql)
{
	const struct sql_plan *plan = &insert->plan;
	unsigned used = 0;

	for (size_t i = 0; insert->update && i < plan->count; i++) {
		struct text name = plan->columns[i].name;
		bool wanted = insert->update_all ? !is_named(&insert->target, name)
						 : is_named(&insert->updated, name);

		if (wanted && !sql_plan_is_left_out(run, i))
			append_set(sql, name, &used);
	}
	if (used == 0 && insert->update_always)
		return append_no_change(insert, run, sql);
	if (used == 0)
		strbuf_string(sql, " DO NOTHING");
	return true;
}

static bool append_conflict(
	const struct insert *insert, const struct sql_run *run, struct strbuf *sql)
{
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
	return append_update(insert, run, sql);
}

static bool write_insert(
	const struct sql_plan *plan, const struct sql_run *run, struct strbuf *sql)
{
	strbuf_string(sql, "INSERT INTO ");
	if (!sql_plan_append_table(plan, run, sql))
		return false;
	append_columns(plan, run, sql);
	return append_conflict(insert_of(plan), run, sql) &&
	       sql_plan_append_returning(plan, run, sql);
}

/* ---- compiling ---- */

/* Columns that must be in the payload: else their defaults would be written. */
static void check_in_payload(const struct sql_compiler *c, const struct node *list,
	const struct sql_names *names, const struct sql_plan *plan, const char *hint)
{
	for (size_t i = 0; i < names->count; i++) {
		const struct sql_name *name = &names->items[i];
		struct suggest suggest;

		if (name->count == 0 || !sql_name_is_literal(name) ||
			sql_plan_column(plan, sql_name_literal(name)))
			continue;
		suggest_init(&suggest, sql_name_literal(name));
		for (size_t j = 0; j < plan->count; j++)
			suggest_offer(&suggest, plan->columns[j].name);
		diag_error(c->diag, list->items[i]->place,
			"the payload has no column '%.*s'",
			TEXT_ARG(sql_name_literal(name)));
		if (suggest_found(&suggest) || !hint)
			diag_suggest(c->diag, &suggest);
		else
			diag_hint(c->diag, "%s", hint);
	}
}

static void check_updated(
	const struct sql_compiler *c, const struct node *list, const struct insert *insert)
{
	for (size_t i = 0; i < insert->updated.count; i++) {
		if (!sql_name_is_literal(&insert->updated.items[i]))
			diag_error(c->diag, list->items[i]->place,
				"onConflict.update takes no wildcard");
	}
	check_in_payload(c, list, &insert->updated, &insert->plan, NULL);
}

static bool compile_conflict(
	const struct sql_compiler *c, const struct node *conflict, struct insert *insert)
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

static bool compile_upsert(
	const struct sql_compiler *c, const struct node *list, struct insert *insert)
{
	insert->conflict = insert->update = true;
	insert->update_all = insert->update_always = true;
	if (!sql_names_compile(
		    list, "conflict", c->scope, c->arena, c->diag, &insert->target))
		return false;
	if (insert->target.count == 0) {
		diag_error(c->diag, list->place,
			"'conflict' wants columns, those of the unique index");
		return false;
	}
	check_in_payload(c, list, &insert->target, &insert->plan,
		"the unique index decides by the payload's values; where a default is "
		"meant, INSERT with onConflict takes it");
	return true;
}

static struct insert *compile(
	const struct sql_compiler *c, const struct node *template, bool upsert)
{
	struct insert *insert = arena_zalloc(c->arena, 1, sizeof(*insert));
	const struct node *payload = node_get(template, "payload");
	struct sql_plan *plan = &insert->plan;
	size_t errors = diag_errors(c->diag);
	bool good = sql_plan_compile_table(c, template, plan);

	good &= sql_plan_compile_payload(c, payload, plan);
	good &= upsert ? compile_upsert(c, node_get(template, "conflict"), insert)
		       : compile_conflict(c, node_get(template, "onConflict"), insert);
	if (!good || diag_errors(c->diag) > errors)
		return NULL;
	if (upsert)
		sql_plan_warn_optional(c, payload, plan);
	plan->write = write_insert;
	plan->literal = sql_names_are_literal(&insert->target);
	plan->group = !insert->update;
	plan->code = 201;
	return sql_plan_finish(c, template->place, plan) ? insert : NULL;
}

void *sql_insert_compile(const struct sql_compiler *c, const struct node *template)
{
	return compile(c, template, false);
}

void *sql_upsert_compile(const struct sql_compiler *c, const struct node *template)
{
	return compile(c, template, true);
}

/* ---- rendering ---- */

bool sql_insert_render(const void *plan, struct sql_run *run, struct pg_query *out)
{
	const struct insert *insert = plan;
	struct sql_parameters parameters;
	size_t used;

	sql_parameters_init(
		&parameters, insert->plan.slots, insert->plan.described, run->arena);
	return sql_plan_bind_payload(&insert->plan, run, &parameters, &used) &&
	       sql_plan_query(&insert->plan, run, &parameters, out);
}
