/*
 * sql_insert.h - INSERT and UPSERT statements from templates.
 *
 * https://www.postgresql.org/docs/15/sql-insert.html
 */
#ifndef VOLLEY_SERVICE_SQL_INSERT_H
#define VOLLEY_SERVICE_SQL_INSERT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "net/pg_client.h"
#include "service/service.h"
#include "service/sql_value.h"
#include "value/node.h"

/* The fields of their templates. */
extern const struct field sql_insert_fields[];
extern const struct field sql_upsert_fields[];

/* Compile a checked template; return a plan for sql_insert_render(), in the arena. NULL: diag has an
 * error. */
must_check void *sql_insert_compile(
	const struct sql_compiler *c, const struct node *template);
must_check void *sql_upsert_compile(
	const struct sql_compiler *c, const struct node *template);

/* Fills the query in, all of it in the arena (or the plan's). False: the reason is in errbuf. */
must_check bool sql_insert_render(
	const void *plan, struct sql_run *run, struct pg_query *out);

#endif
