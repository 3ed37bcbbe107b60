/*
 * pg_receive.c - what a session receives: results in the order of its units.
 *
 * libpq gives each statement's results with a NULL behind them, and a sync's without one. A
 * NULL is therefore a separator and never the end. A statement whose plan or parameter
 * types went stale, or that the server forgot, is prepared anew and sent again once; nobody
 * sees that.
 *
 * Refused: PQgetResult until it gives NULL twice, as is often seen: it would block, and
 * never ends on a COPY.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/pg_result.h"
#include "net/pg_session.h"

/* So many times the responseLimit is read, and dropped, before the connection is closed. */
enum { ROWS_READ = 64 };

#define OUT_OF_STEP "the server's answers are out of step"

/* ---- statements that are not valid any more ---- */

/*
 * A changed plan, a forgotten statement, a name that another client of a pooler has taken.
 */
static bool is_stale(const PGresult *error)
{
	const char *sqlstate = pg_result_sqlstate(error);

	return strcmp(sqlstate, "0A000") == 0 || strcmp(sqlstate, "26000") == 0 ||
	       strcmp(sqlstate, "42P05") == 0;
}

/* Other errors of class 42 may come from parameter types that are older than the table. */
static bool may_be_outdated(const PGresult *error)
{
	const char *sqlstate = pg_result_sqlstate(error);

	return strncmp(sqlstate, "42", 2) == 0 && strcmp(sqlstate, "42501") != 0;
}

static bool has_one_of(const PGresult *error, const char *const *states, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(pg_result_sqlstate(error), states[i]) == 0)
			return true;
	}
	return false;
}

/*
 * Whether a column has another type by now than when the statement was prepared. A type that
 * does not fit any more would not have passed the Parse. A value that does not fit is most
 * often just a bad one, so that is looked into once in a while only.
 */
static bool has_old_types(const struct pg_session *session,
	const struct pg_prepared *prepared, const PGresult *error)
{
	static const char *const type[] = { "42804", "42883" };
	static const char *const value[] = { "22P02", "22003", "22007", "22008" };

	if (has_one_of(error, type, array_len(type)))
		return true;
	return has_one_of(error, value, array_len(value)) &&
	       loop_now(session->loop) - prepared->sent >= NS_PER_SEC;
}

bool pg_entry_outdate(struct pg_entry *entry)
{
	struct pg_session *session = entry->session;
	bool stale = is_stale(entry->result);
	struct pg_prepared *prepared;

	if (!entry->attempt || !pg_entry_is_named(entry))
		return false;
	prepared = pg_statements_find(&session->statements, entry->query->statement->sql,
		entry->query->statement->hash);
	if (prepared && has_old_types(session, prepared, entry->result))
		stale = true;
	if (prepared && (stale || may_be_outdated(entry->result)))
		pg_statements_retire(&session->statements, prepared);
	return stale;
}

/* Whether the entry goes back to be sent again, which it does once. */
static bool repeat(struct pg_entry *entry)
{
	struct pg_session *session = entry->session;

	if (!pg_entry_outdate(entry) || entry->repeated)
		return false;
	PQclear(entry->result);
	entry->result = NULL;
	entry->rows = (struct pg_rows){ .count = 0 };
	entry->unit = NULL;
	entry->repeated = true;
	list_append(&session->taken, &entry->link);
	return true;
}

/* ---- the end of a unit ---- */

static void settle_all(struct pg_unit *unit)
{
	struct link *link;

	while ((link = list_take(&unit->entries)))
		pg_entry_settle(pg_entry_of(link));
}

/* One statement went alone. An error at the sync itself (a deferred constraint) is its own. */
static void finish_alone(struct pg_unit *unit)
{
	struct pg_entry *entry = pg_entry_of(list_take(&unit->entries));
	const PGresult *error = unit->description;

	if (error && !pg_result_is_error(error))
		error = NULL; /* what Describe gave */
	if (entry->result && pg_result_is_error(entry->result)) {
		if (!repeat(entry))
			pg_entry_settle(entry);
	} else if (error) {
		pg_entry_fail_result(
			entry, error, pg_result_error(pg_result_sqlstate(error)));
	} else {
		pg_entry_settle(entry);
	}
}

static void finish_execute(struct pg_session *session, struct pg_unit *unit)
{
	pg_group_answered(session, unit);
	if (unit->entries.count == 1)
		finish_alone(unit);
	else
		settle_all(unit);
}

/* A Describe of its own may be on its way behind a Parse that was refused. */
static void drop_prepared(struct pg_session *session, struct pg_prepared *prepared)
{
	list_for_each (&session->units, link) {
		struct pg_unit *unit = container_of(link, struct pg_unit, link);

		if (unit->prepared == prepared)
			unit->prepared = NULL;
	}
	pg_statements_drop(&session->statements, prepared);
}

/* What waits for a statement fails with its Parse, or has it prepared anew. */
static void fail_prepare(struct pg_session *session, const struct pg_unit *unit)
{
	struct text sql = { unit->prepared->sql, unit->prepared->sql_len };
	const PGresult *error = unit->description;
	struct link *link = list_first(&session->taken);

	while (link) {
		struct pg_entry *entry = pg_entry_of(link);

		link = list_next(&session->taken, link);
		if (!pg_entry_is_named(entry) ||
			!text_equal(entry->query->statement->sql, sql))
			continue;
		if (is_stale(error) && !entry->repeated) {
			entry->repeated = true;
			continue;
		}
		list_remove(&session->taken, &entry->link);
		pg_entry_fail_result(
			entry, error, pg_result_error(pg_result_sqlstate(error)));
	}
	drop_prepared(session, unit->prepared);
}

static void finish_prepare(struct pg_session *session, const struct pg_unit *unit)
{
	struct pg_parameters *parameters;

	if (!unit->description || !unit->prepared)
		return;
	if (pg_result_is_error(unit->description)) {
		fail_prepare(session, unit);
		return;
	}
	if (!unit->describes)
		return; /* the answer to a Parse alone would say: no parameters */
	parameters = &unit->prepared->parameters;
	free(parameters->types);
	pg_parameters_read(parameters, unit->description);
}

/* A sync has come: the unit's transaction is over. False: the connection is closed. */
static bool finish_unit(struct pg_session *session, struct pg_unit *unit)
{
	PGconn *pq = pg_connection_handle(session->connection);
	bool last = unit->last;

	/* With more units on their way libpq only says that it is active. */
	if (session->units.count == 1 && PQtransactionStatus(pq) != PQTRANS_IDLE) {
		pg_session_lose(
			session, ERR_PG_LOST, "the statement left a transaction open");
		return false;
	}
	if (unit->kind == PG_UNIT_EXECUTE)
		finish_execute(session, unit);
	else if (unit->kind == PG_UNIT_PREPARE)
		finish_prepare(session, unit);
	pg_unit_free(session, unit);
	if (last && list_empty(&session->taken) && list_empty(&session->units)) {
		/* What it set, locked or created for its session is nobody else's. */
		pg_session_lose(session, ERR_PG_LOST, "its session was changed");
		return false;
	}
	pg_session_by_row(session);
	pg_session_rest(session);
	return true;
}

/* ---- results ---- */

/* Keeps what says most: the first error, else the newest. */
static void keep(PGresult **slot, PGresult *result)
{
	if (PQresultStatus(result) == PGRES_PIPELINE_ABORTED ||
		(*slot && pg_result_is_error(*slot))) {
		PQclear(result);
		return;
	}
	PQclear(*slot);
	*slot = result;
}

static void keep_result(struct pg_unit *unit, PGresult *result)
{
	bool error = pg_result_is_error(result);

	if (unit->kind == PG_UNIT_PREPARE)
		keep(&unit->description, result);
	else if (unit->kind == PG_UNIT_DESCRIBE && !error)
		keep(&unit->description, result);
	else if (unit->kind == PG_UNIT_EXECUTE && !unit->current && error)
		keep(&unit->description, result);
	else if (unit->current && (error || unit->kind == PG_UNIT_EXECUTE))
		keep(&pg_entry_of(unit->current)->result, result);
	else
		PQclear(result);
}

static void lose_too_large(struct pg_session *session)
{
	struct errbuf reason;

	errbuf_set(&reason,
		"the result is larger than %d times the responseLimit of %zu bytes",
		ROWS_READ, session->settings->pool.response_limit);
	pg_session_lose(session, ERR_PG_LOST, reason.text);
}

/* A row, which may be one too many. False: the connection is closed. */
static bool take_row(struct pg_session *session, struct pg_unit *unit, PGresult *result)
{
	size_t limit = session->settings->pool.response_limit;
	struct pg_entry *entry = unit->current ? pg_entry_of(unit->current) : NULL;

	if (entry)
		pg_rows_add(&entry->rows, result, limit,
			entry->attempt ? entry->attempt->arena : NULL);
	PQclear(result);
	if (!entry || entry->rows.bytes / ROWS_READ <= limit)
		return true;
	lose_too_large(session);
	return false;
}

/* libpq wants to be told before the first row of each statement is read. */
void pg_session_by_row(struct pg_session *session)
{
	const struct pg_unit *unit = pg_session_unit(session);

	if (unit && unit->kind == PG_UNIT_EXECUTE && unit->current &&
		pg_entry_of(unit->current)->by_row)
		(void)PQsetSingleRowMode(pg_connection_handle(session->connection));
}

/* One statement's results are complete. False: the connection is closed. */
static bool next_statement(struct pg_session *session, struct pg_unit *unit)
{
	switch (unit->kind) {
	case PG_UNIT_PARSE:
		unit->kind = PG_UNIT_DESCRIBE;
		return true;
	case PG_UNIT_DESCRIBE:
		if (!pg_session_bind_described(session, unit)) {
			pg_session_lose(
				session, ERR_PG_LOST, "the statement could not be sent");
			return false;
		}
		pg_session_by_row(session);
		return true;
	case PG_UNIT_EXECUTE:
		if (unit->current)
			unit->current = list_next(&unit->entries, unit->current);
		pg_session_by_row(session);
		return true;
	default:
		return true;
	}
}

/* False: the connection is closed. */
static bool take_result(struct pg_session *session, PGresult *result)
{
	struct pg_unit *unit = pg_session_unit(session);

	if (!result)
		return next_statement(session, unit);
	switch (PQresultStatus(result)) {
	case PGRES_PIPELINE_SYNC:
		PQclear(result);
		return finish_unit(session, unit);
	case PGRES_SINGLE_TUPLE:
		return take_row(session, unit, result);
	case PGRES_COPY_IN:
	case PGRES_COPY_OUT:
	case PGRES_COPY_BOTH:
		PQclear(result);
		pg_session_lose(session, ERR_PG_LOST,
			"the statement began a COPY, which is not served");
		return false;
	default:
		keep_result(unit, result);
		return true;
	}
}

/* False: the connection is closed. */
static bool take_results(struct pg_session *session)
{
	PGconn *pq = pg_connection_handle(session->connection);
	unsigned nulls = 0;

	/* PQisBusy comes first: with nothing awaited it still reads the notices. */
	while (!PQisBusy(pq) && !list_empty(&session->units)) {
		PGresult *result = PQgetResult(pq);

		session->received = 0;
		nulls = result ? 0 : nulls + 1;
		if (nulls > 2) {
			pg_session_lose(session, ERR_PG_LOST, OUT_OF_STEP);
			return false;
		}
		if (!take_result(session, result))
			return false;
	}
	/* libpq has closed the socket, whose number the next one to be opened will get. */
	if (PQstatus(pq) == CONNECTION_BAD) {
		pg_session_lose(session, ERR_PG_LOST, OUT_OF_STEP);
		return false;
	}
	return true;
}

/*
 * libpq keeps a row until all of it is there, whatever its size; what has come in meanwhile
 * tells of one that is too large. (One call of libpq reads as long as there is something to
 * read: a server that is faster than we are may be through with the row by then.)
 */
static void watch_size(struct pg_session *session)
{
	size_t limit = session->settings->pool.response_limit;
	uint64_t now = pg_connection_received(session->connection);

	if (session->received == 0)
		session->received = now;
	else if ((now - session->received) / ROWS_READ > limit)
		lose_too_large(session);
}

void pg_session_readable(void *owner)
{
	struct pg_session *session = owner;
	const struct pg_unit *unit = pg_session_unit(session);

	if (take_results(session) && unit && unit == pg_session_unit(session))
		watch_size(session);
}
