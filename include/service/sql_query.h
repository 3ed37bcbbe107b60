/*
 * sql_query.h - QUERY: one statement of the file's own, its wildcards as bind parameters.
 */
#ifndef VOLLEY_SERVICE_SQL_QUERY_H
#define VOLLEY_SERVICE_SQL_QUERY_H

#include <stdbool.h>

#include "base/macros.h"
#include "net/pg_client.h"
#include "service/service.h"
#include "service/sql_value.h"
#include "value/node.h"

/* The fields of its template. */
extern const struct field sql_query_fields[];

/* Compiles a checked template; returns a plan for sql_query_render(), in the arena. NULL: diag has an
 * error. */
must_check void *sql_query_compile(
	const struct sql_compiler *c, const struct node *template);

/* Fills the query in, all of it in the arena (or the plan's). False: the reason is in errbuf. */
must_check bool sql_query_render(
	const void *plan, struct sql_run *run, struct pg_query *out);

#endif
