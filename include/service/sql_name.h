/*
 * sql_name.h - names in SQL statements: literal text and wildcards, always quoted identifiers.
 *
 * https://www.postgresql.org/docs/15/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
 */
#ifndef VOLLEY_SERVICE_SQL_NAME_H
#define VOLLEY_SERVICE_SQL_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/macros.h"
#include "base/strbuf.h"
#include "value/node.h"
#include "value/scope.h"
#include "value/template.h"

/* The longest identifier: the server would cut a longer one, and mean another thing by it. */
enum { SQL_NAME_MAX = 63 };

/* Literal text or a wildcard. */
struct sql_piece {
	const struct template *wildcard; /* NULL: literal */
	struct text literal;
};

/* What stands between two dots. */
struct sql_identifier {
	struct sql_piece *pieces;
	size_t count;
};

/* One name of up to two identifiers ("schema.table"). */
struct sql_name {
	struct sql_identifier parts[2];
	size_t count;
	const char *field; /* for messages */
};

struct sql_names {
	struct sql_name *items;
	size_t count;
};

/*
 * Compiles a scalar. Dots in its literal text part up to `parts` identifiers (1: dots belong to
 * the name); a wildcard's value never does. False: diag has an error.
 */
must_check bool sql_name_compile(const struct node *scalar, const char *field, size_t parts,
	const struct scope *scope, struct arena *arena, struct diag *diag,
	struct sql_name *out);

/* Compiles a list of names of one identifier each; NULL or null: an empty one. */
must_check bool sql_names_compile(const struct node *list, const char *field,
	const struct scope *scope, struct arena *arena, struct diag *diag,
	struct sql_names *out);

bool sql_name_is_literal(const struct sql_name *name);
bool sql_names_are_literal(const struct sql_names *names);

/* A literal name's only identifier. */
struct text sql_name_literal(const struct sql_name *name);

/* Appends one quoted identifier. */
void sql_identifier_append(struct strbuf *sql, struct text identifier);

/*
 * Appends the name, quoted. values may be NULL where it is literal. False: a wildcard's
 * value can be no identifier; the reason is in errbuf.
 */
must_check bool sql_name_append(struct strbuf *sql, const struct sql_name *name,
	const struct values *values, struct arena *arena, struct errbuf *errbuf);

/* Appends the names with commas between them. */
must_check bool sql_names_append(struct strbuf *sql, const struct sql_names *names,
	const struct values *values, struct arena *arena, struct errbuf *errbuf);

#endif
