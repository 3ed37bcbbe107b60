/*
 * sql_query.h - statements that are written as SQL, their wildcards bind parameters.
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

/* Compiles a checked template; the plan is in the compiler's arena. NULL: diag has an error. */
must_check void *sql_query_compile(
	const struct sql_compiler *c, const struct node *template);

/* Whether it may stand in one transaction with others: DO and CALL can end it from within. */
bool sql_query_may_share(const void *plan);

/* Fills the query in, all of it in the run's arena (or the plan's). False: the reason is in the
 * run's errbuf. */
must_check bool sql_query_render(
	const void *plan, struct sql_run *run, struct pg_query *out);

#endif
