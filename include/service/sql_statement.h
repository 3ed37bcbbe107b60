/*
 * sql_statement.h - what is known of a statement by its first keyword.
 */
#ifndef VOLLEY_SERVICE_SQL_STATEMENT_H
#define VOLLEY_SERVICE_SQL_STATEMENT_H

#include <stdbool.h>

#include "base/text.h"

struct sql_statement {
	const char *keyword;
	bool refused;     /* else only its wildcards are */
	const char *why;  /* goes on from the keyword */
	const char *hint; /* what to do instead */
};

/* The statement that begins with the keyword, in any case; NULL: nothing is against it. */
const struct sql_statement *sql_statement_find(struct text keyword);

#endif
