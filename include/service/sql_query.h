/*
 * sql_query.h - statements that are written as SQL, their wildcards bind parameters.
 */
#ifndef VOLLEY_SERVICE_SQL_QUERY_H
#define VOLLEY_SERVICE_SQL_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/macros.h"
#include "net/pg_client.h"
#include "service/service.h"
#include "value/node.h"
#include "value/scope.h"

/* The fields of its template. */
extern const struct field sql_query_fields[];

/* Compiles a checked template; returns a plan for sql_query_render(), in the arena. NULL: diag
 * has an error. */
must_check void *sql_query_compile(const struct node *template, const struct scope *scope,
	struct arena *arena, struct diag *diag);

/* Whether it may stand in one transaction with others: DO and CALL can end it from within. */
bool sql_query_may_share(const void *plan);

/*
 * Fills the query in, all of it in the arena (or the plan's). False: the reason is in
 * errbuf.
 */
must_check bool sql_query_render(const void *plan, const struct values *values, size_t max,
	struct arena *arena, struct pg_query *out, struct errbuf *errbuf);

#endif
