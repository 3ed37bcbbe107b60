/*
 * sql_keyword.h - what is known of a statement by its first keyword.
 */
#ifndef VOLLEY_SERVICE_SQL_KEYWORD_H
#define VOLLEY_SERVICE_SQL_KEYWORD_H

#include <stdbool.h>

#include "base/text.h"

struct sql_keyword {
	const char *name;
	bool refused;     /* else only its wildcards are */
	const char *why;  /* goes on from the keyword */
	const char *hint; /* what to do instead */
};

/* The statement that begins with the keyword, in any case; NULL: nothing is against it. */
const struct sql_keyword *sql_keyword_find(struct text name);

#endif
