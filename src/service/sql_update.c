/*
 * sql_update.c - UPDATE and DELETE statements from templates.
 *
 * Both reach the rows of a condition, and only where allRows says so every row. Refused: an
 * UPDATE with nothing left to set that succeeds without a statement: it would count no row, and
 * look like one that found none.
 */
#include "service/sql_update.h"

#include "service/sql_condition.h"
#include "service/sql_plan.h"

#define FIELD_CONDITION                                                                    \
	{                                                                                  \
		"condition", FIELD_LIST, 0, NULL, NULL,                                    \
			"{field, operator, value}, joined by AND"                          \
	}
#define FIELD_ALL_ROWS                                                                     \
	{                                                                                  \
		"allRows", FIELD_FLAG, 0, NULL, "false",                                   \
			"true, in place of a condition: every row is meant"                \
	}

const struct field sql_update_fields[] = {
	SQL_FIELDS_TABLE,
	SQL_FIELD_PAYLOAD,
	FIELD_CONDITION,
	FIELD_ALL_ROWS,
	SQL_FIELD_RETURNING,
	{ .name = NULL },
};

const struct field sql_delete_fields[] = {
	SQL_FIELDS_TABLE,
	FIELD_CONDITION,
	FIELD_ALL_ROWS,
	SQL_FIELD_RETURNING,
	{ .name = NULL },
};

struct update {
	struct sql_plan plan; /* DELETE: without columns */
	bool removes;
	struct sql_condition condition;
};

/* Returns the number of the next parameter. */
static unsigned append_set(
	const struct sql_plan *plan, const struct sql_run *run, struct strbuf *sql)
{
	unsigned next = 1;

	for (size_t i = 0; i < plan->count; i++) {
		if (sql_plan_is_left_out(run, i))
			continue;
		strbuf_string(sql, next > 1 ? ", " : " SET ");
		sql_identifier_append(sql, plan->columns[i].name);
		strbuf_printf(sql, " = $%u", next++);
	}
	return next;
}

static bool write_update(
	const struct sql_plan *plan, const struct sql_run *run, struct strbuf *sql)
{
	const struct update *update = container_of(plan, struct update, plan);
	unsigned next;

	strbuf_string(sql, update->removes ? "DELETE FROM " : "UPDATE ");
	if (!sql_plan_append_table(plan, run, sql))
		return false;
	next = append_set(plan, run, sql);
	return sql_condition_append(&update->condition, run, next, sql) &&
	       sql_plan_append_returning(plan, run, sql);
}

/* ---- compiling ---- */

static bool compile_payload(
	const struct sql_compiler *c, const struct node *payload, struct sql_plan *plan)
{
	if (payload->count == 0) {
		diag_error(c->diag, payload->place, "the payload has nothing to set");
		return false;
	}
	if (!sql_plan_compile_payload(c, payload, plan))
		return false;
	sql_plan_warn_optional(c, payload, plan);
	return true;
}

static struct update *compile(
	const struct sql_compiler *c, const struct node *template, bool removes)
{
	struct update *update = arena_zalloc(c->arena, 1, sizeof(*update));
	struct sql_plan *plan = &update->plan;
	bool good = sql_plan_compile_table(c, template, plan);

	update->removes = removes;
	if (!removes)
		good &= compile_payload(c, node_get(template, "payload"), plan);
	good &= sql_condition_check_rows(template,
		removes ? TEXT("DELETE") : TEXT("UPDATE"), template->place, c->diag);
	good &= sql_condition_compile(
		c, node_get(template, "condition"), &update->condition);
	if (!good)
		return NULL;
	plan->write = write_update;
	plan->literal = update->condition.literal;
	plan->described |= update->condition.described;
	plan->slots += update->condition.slots;
	plan->code = 200;
	return sql_plan_finish(c, template->place, plan) ? update : NULL;
}

void *sql_update_compile(const struct sql_compiler *c, const struct node *template)
{
	return compile(c, template, false);
}

void *sql_delete_compile(const struct sql_compiler *c, const struct node *template)
{
	return compile(c, template, true);
}

/* ---- rendering ---- */

bool sql_update_render(const void *plan, struct sql_run *run, struct pg_query *out)
{
	const struct update *update = plan;
	struct sql_parameters parameters;
	size_t used;

	sql_parameters_init(
		&parameters, update->plan.slots, update->plan.described, run->arena);
	if (!sql_plan_bind_payload(&update->plan, run, &parameters, &used))
		return false;
	if (!update->removes && used == 0) {
		errbuf_set(run->errbuf,
			"nothing to set: every member of the payload was left out");
		return false;
	}
	return sql_condition_bind(&update->condition, run, &parameters) &&
	       sql_plan_query(&update->plan, run, &parameters, out);
}
