/*
 * sql_condition.h - the WHERE of UPDATE and DELETE from a list of {field, operator, value}.
 */
#ifndef VOLLEY_SERVICE_SQL_CONDITION_H
#define VOLLEY_SERVICE_SQL_CONDITION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "base/strbuf.h"
#include "service/sql_name.h"
#include "service/sql_value.h"
#include "value/node.h"

struct sql_term;

struct sql_condition {
	struct sql_term *terms; /* joined by AND */
	size_t count;           /* 0: every row, as allRows says */
	bool literal;           /* no field holds a wildcard */
	bool described;         /* some parameter's text depends on its type */
	size_t slots;           /* parameters */
};

/*
 * For UPDATE and DELETE of whatever database: false, and an error at place, when the template has
 * neither a condition nor allRows: true, or has both.
 */
bool sql_condition_check_rows(const struct node *template, struct text action,
	struct place place, struct diag *diag);

/* Compiles the list; NULL, null and an empty one are no condition. False: diag has an error. */
must_check bool sql_condition_compile(
	const struct sql_compiler *c, const struct node *list, struct sql_condition *out);

/* Appends WHERE and the terms, whose parameters begin at $`first`. False: the reason is in errbuf.
 */
must_check bool sql_condition_append(const struct sql_condition *condition,
	const struct sql_run *run, unsigned first, struct strbuf *sql);

/* Adds the terms' values. False: one is absent or null, or no parameter; the reason is in errbuf. */
must_check bool sql_condition_bind(const struct sql_condition *condition,
	const struct sql_run *run, struct sql_parameters *parameters);

#endif
