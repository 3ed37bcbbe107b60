/*
 * pg_result.h - what PostgreSQL answered, as an outcome.
 *
 * https://www.postgresql.org/docs/15/libpq-exec.html, errcodes-appendix.html
 */
#ifndef VOLLEY_NET_PG_RESULT_H
#define VOLLEY_NET_PG_RESULT_H

#include <libpq-fe.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "net/attempt.h"

/* What an error with this SQLSTATE means. */
enum err pg_result_error(const char *sqlstate);

/* {command, rowCount, rows} into the outcome; rows beyond limit bytes are dropped. */
void pg_result_success(
	const PGresult *result, size_t limit, struct arena *arena, struct outcome *outcome);

/*
 * The server's error into the outcome: message with the account's name before it, detail,
 * more.
 */
void pg_result_failure(const PGresult *result, enum err err, const char *account,
	struct arena *arena, struct outcome *outcome);

#endif
