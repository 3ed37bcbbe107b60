/*
 * sql_plan.h - what the SQL actions have in common: the table, the payload's columns, what is
 * returned, and how a statement's text becomes a query.
 */
#ifndef VOLLEY_SERVICE_SQL_PLAN_H
#define VOLLEY_SERVICE_SQL_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "net/pg_client.h"
#include "service/service.h"
#include "service/sql_name.h"
#include "service/sql_value.h"
#include "value/node.h"

/* Rows of tables of fields. */
/* clang-format off */
#define SQL_FIELD_DATABASE                                                                 \
	{ "database", FIELD_LITERAL, 0, NULL, NULL, "in place of the account's database" }
#define SQL_FIELDS_TABLE                                                                   \
	SQL_FIELD_DATABASE,                                                                \
	{ "schema", FIELD_IDENTIFIER, 0, NULL, NULL, "the table's schema" },               \
	{ "table", FIELD_IDENTIFIER, FIELD_REQUIRED, NULL, NULL,                           \
		"the table; may be schema.table" }
#define SQL_FIELD_PAYLOAD                                                                  \
	{ "payload", FIELD_MAP, FIELD_REQUIRED, NULL, NULL, "column: value" }
#define SQL_FIELD_RETURNING                                                                \
	{ "returning", FIELD_VALUE, 0, NULL, NULL,                                         \
		"columns of the row to return: a list, or \"*\"" }
/* clang-format on */

/* One member of a payload. */
struct sql_column {
	struct text name;
	struct sql_value value;
};

struct sql_plan;

/* Appends the statement's text. False: a name cannot be one; the reason is in errbuf. */
typedef bool sql_write(
	const struct sql_plan *plan, const struct sql_run *run, struct strbuf *sql);

/* The head of every action's plan. */
struct sql_plan {
	struct sql_name schema; /* count 0: none */
	struct sql_name table;
	struct sql_column *columns; /* of the payload */
	size_t count;
	bool returning_all;
	struct sql_names returning;

	/* Set by the action before sql_plan_finish(): */
	sql_write *write;
	bool literal;   /* no other name of its holds a wildcard */
	bool described; /* some parameter's text depends on its type */
	size_t slots;   /* parameters at most */
	bool group;     /* may stand in one transaction with others */
	bool rows;      /* gives rows */
	int code;       /* responseCode of a success */

	struct pg_statement full; /* where all names are literal: with all columns */
};

/* Reads table, schema and returning. False: diag has an error. */
must_check bool sql_plan_compile_table(
	const struct sql_compiler *c, const struct node *template, struct sql_plan *plan);

/* Reads the payload. False: diag has an error. */
must_check bool sql_plan_compile_payload(
	const struct sql_compiler *c, const struct node *payload, struct sql_plan *plan);

/* Warns of payload members that an absent property would set to NULL. */
void sql_plan_warn_optional(const struct sql_compiler *c, const struct node *payload,
	const struct sql_plan *plan);

/* Makes the text that can be made at load. False: diag has an error. */
must_check bool sql_plan_finish(
	const struct sql_compiler *c, struct place place, struct sql_plan *plan);

/* The payload's column of that name, or NULL. */
const struct sql_column *sql_plan_column(const struct sql_plan *plan, struct text name);

bool sql_plan_is_left_out(const struct sql_run *run, size_t column);

/* Append "schema"."table", and RETURNING with its columns where there are some. */
must_check bool sql_plan_append_table(
	const struct sql_plan *plan, const struct sql_run *run, struct strbuf *sql);
must_check bool sql_plan_append_returning(
	const struct sql_plan *plan, const struct sql_run *run, struct strbuf *sql);

/*
 * Adds the values of the payload's columns, and notes in run->left_out those that have none and are
 * left out. *used: how many have one. False: the reason is in errbuf.
 */
must_check bool sql_plan_bind_payload(const struct sql_plan *plan, struct sql_run *run,
	struct sql_parameters *parameters, size_t *used);

/* Fills the query in, with a text of this run's own where it needs one. False: the reason is in
 * errbuf. */
must_check bool sql_plan_query(const struct sql_plan *plan, const struct sql_run *run,
	const struct sql_parameters *parameters, struct pg_query *out);

#endif
