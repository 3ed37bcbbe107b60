/*
 * pg_result.h - what PostgreSQL answered, as an outcome.
 *
 * https://www.postgresql.org/docs/15/libpq-exec.html, errcodes-appendix.html
 */
#ifndef VOLLEY_NET_PG_RESULT_H
#define VOLLEY_NET_PG_RESULT_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "net/attempt.h"

/* What an error with this SQLSTATE means. */
enum err pg_result_error(const char *sqlstate);

/* The rows of one statement as they come in; zeroed before the first. */
struct pg_rows {
	struct value *items;
	size_t count, capacity;
	size_t bytes;             /* of all that came, kept or not */
	const int *picked;        /* columns to show, with their names */
	const struct text *names; /* NULL: no row was kept yet */
	size_t columns;
	bool truncated; /* some were not kept */
};

/*
 * Adds the result's rows (one, in single-row mode) up to `limit` bytes; what comes after the
 * first that does not fit is only counted. arena NULL: nobody wants them.
 */
void pg_rows_add(
	struct pg_rows *rows, const PGresult *result, size_t limit, struct arena *arena);

/* {command, rowCount, rows} into the outcome; `rows` where the statement has a result set. */
void pg_result_success(const PGresult *result, const struct pg_rows *rows,
	struct arena *arena, struct outcome *outcome);

/*
 * The server's error into the outcome: message with the account's name before it, detail,
 * more.
 */
void pg_result_failure(const PGresult *result, enum err err, const char *account,
	struct arena *arena, struct outcome *outcome);

#endif
