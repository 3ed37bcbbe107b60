/*
 * pg_send.c - what a session sends: Parse and Describe of new statements, then units of
 * statements.
 *
 * While an answer is awaited nothing is sent; what was taken meanwhile waits, so it is
 * known not to have been sent. New statements travel in syncs of their own before the unit
 * that needs them: an error in one of them then fails only what uses it.
 *
 * Refused: Parse and Execute together in one sync. It saves a round trip per statement and
 * connection, and would roll a whole group back for one bad statement.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/pg_session.h"
#include "net/pg_value.h"

/* How much longer than the server's own timeout an answer is waited for. */
#define GRACE (2 * NS_PER_SEC)

static PGconn *handle(const struct pg_session *session)
{
	return pg_connection_handle(session->connection);
}

static struct pg_unit *unit_new(struct pg_session *session, enum pg_unit_kind kind)
{
	struct pg_unit *unit = mem_zalloc(1, sizeof(*unit));

	unit->kind = kind;
	unit->sent = loop_now(session->loop);
	list_init(&unit->entries);
	list_append(&session->units, &unit->link);
	return unit;
}

/* The entry's statement goes out with this unit. */
static void unit_add(struct pg_unit *unit, struct pg_entry *entry)
{
	list_remove(&entry->session->taken, &entry->link);
	list_append(&unit->entries, &entry->link);
	entry->unit = unit;
	unit->last |= entry->query->last;
	if (!unit->current)
		unit->current = &entry->link;
}

/* ---- parameters ---- */

/* The texts to bind; makes those that depend on the types (NULL: not known). NULL: errbuf
 * says why not. */
static const char *const *bind_texts(const struct pg_entry *entry,
	const struct pg_parameters *parameters, struct errbuf *errbuf)
{
	const struct pg_query *query = entry->query;
	struct arena *arena = entry->attempt->arena;
	const char **texts;
	struct errbuf reason;

	if (!query->values || !parameters)
		return query->texts;
	texts = arena_zalloc(arena, (size_t)query->count + 1, sizeof(*texts));
	for (int i = 0; i < query->count; i++) {
		const struct value *value = query->values[i];

		texts[i] = query->texts[i];
		if (value && i < parameters->count &&
			!pg_value_typed(value, parameters->types[i], query->max, arena,
				&texts[i], &reason)) {
			errbuf_set(errbuf, "parameter $%d %s", i + 1, reason.text);
			return NULL;
		}
	}
	return texts;
}

/* ---- preparing ---- */

/* Has the server forget statements that are not used any more. */
static bool deallocate(struct pg_session *session)
{
	char text[PG_STATEMENT_NAME + sizeof("DEALLOCATE ")];
	struct pg_prepared *retired;

	while ((retired = pg_statements_retired(&session->statements))) {
		snprintf(text, sizeof(text), "DEALLOCATE %s", retired->name);
		pg_statements_drop(&session->statements, retired);
		unit_new(session, PG_UNIT_DISCARD);
		if (!PQsendQueryParams(
			    handle(session), text, 0, NULL, NULL, NULL, NULL, 0) ||
			!PQpipelineSync(handle(session)))
			return false;
	}
	return true;
}

/*
 * Makes sure that the statement is prepared or on its way. False: the connection is dead.
 */
static bool prepare(struct pg_session *session, const struct pg_statement *statement)
{
	struct pg_prepared *prepared = pg_statements_find(
		&session->statements, statement->sql, statement->hash);
	struct pg_unit *unit;

	if (prepared && (!statement->described || prepared->described))
		return true;
	if (!prepared) {
		prepared = pg_statements_add(
			&session->statements, statement->sql, statement->hash);
		prepared->sent = loop_now(session->loop);
		if (!PQsendPrepare(handle(session), prepared->name, prepared->sql, 0, NULL))
			return false;
	}
	unit = unit_new(session, PG_UNIT_PREPARE);
	unit->prepared = prepared;
	unit->describes = statement->described;
	prepared->described = statement->described;
	return (!statement->described ||
		       PQsendDescribePrepared(handle(session), prepared->name)) &&
	       PQpipelineSync(handle(session)) && deallocate(session);
}

/* Parse and Describe without a sync, which a pooler might take for the end. */
static bool describe_unnamed(struct pg_session *session, struct pg_entry *entry)
{
	struct pg_unit *unit = unit_new(session, PG_UNIT_PARSE);

	unit->unbound = true;
	unit_add(unit, entry);
	return PQsendPrepare(
		       handle(session), "", entry->query->statement->sql.at, 0, NULL) &&
	       PQsendDescribePrepared(handle(session), "") &&
	       PQsendFlushRequest(handle(session));
}

/* Sends what goes before the statements. */
static bool prepare_all(struct pg_session *session)
{
	list_for_each (&session->taken, link) {
		struct pg_entry *entry = pg_entry_of(link);

		if (pg_entry_is_named(entry)) {
			if (!prepare(session, entry->query->statement))
				return false;
		} else if (entry->query->values) {
			return describe_unnamed(session, entry);
		}
	}
	return true;
}

/* ---- statements ---- */

static bool send_bound(struct pg_session *session, const struct pg_entry *entry,
	const char *name, const char *const *texts)
{
	const struct pg_query *query = entry->query;

	if (name)
		return PQsendQueryPrepared(
			handle(session), name, query->count, texts, NULL, NULL, 0);
	return PQsendQueryParams(handle(session), query->statement->sql.at, query->count,
		NULL, texts, NULL, NULL, 0);
}

/* Adds the entry to the unit. False: the connection is dead. */
static bool send_entry(
	struct pg_session *session, struct pg_unit *unit, struct pg_entry *entry)
{
	const struct pg_statement *statement = entry->query->statement;
	struct pg_prepared *prepared = NULL;
	const char *const *texts;
	struct errbuf reason;

	if (pg_entry_is_named(entry))
		prepared = pg_statements_find(
			&session->statements, statement->sql, statement->hash);
	texts = bind_texts(entry, prepared ? &prepared->parameters : NULL, &reason);
	if (!texts) {
		list_remove(&session->taken, &entry->link);
		pg_entry_fail(entry, ERR_RENDER, reason.text);
		return true;
	}
	unit_add(unit, entry);
	return send_bound(session, entry, prepared ? prepared->name : NULL, texts);
}

/* Everything taken, in one unit. */
static bool execute(struct pg_session *session)
{
	struct pg_unit *unit = unit_new(session, PG_UNIT_EXECUTE);
	struct link *link;

	while ((link = list_first(&session->taken))) {
		if (!send_entry(session, unit, pg_entry_of(link)))
			return false;
	}
	if (list_empty(&unit->entries)) {
		pg_unit_free(session, unit);
		return true;
	}
	return PQpipelineSync(handle(session));
}

bool pg_session_bind_described(struct pg_session *session, struct pg_unit *unit)
{
	struct pg_entry *entry = pg_entry_of(unit->current);
	struct pg_parameters parameters = { .count = 0 };
	const char *const *texts = NULL;
	struct errbuf reason;
	bool sent = true;

	unit->kind = PG_UNIT_EXECUTE;
	if (entry->attempt && !entry->result) {
		pg_parameters_read(&parameters, unit->description);
		texts = bind_texts(entry, &parameters, &reason);
		free(parameters.types);
	}
	if (texts) {
		unit->unbound = false;
		sent = send_bound(session, entry, "", texts);
	} else if (!entry->result) {
		list_remove(&unit->entries, &entry->link);
		unit->current = NULL;
		pg_entry_fail(entry, ERR_RENDER, reason.text);
	}
	return sent && PQpipelineSync(handle(session)) &&
	       pg_connection_flush(session->connection);
}

/* ---- when ---- */

/* Each statement of a group has the server's timeout for itself. */
uint64_t pg_unit_deadline(const struct pg_session *session, const struct pg_unit *unit)
{
	size_t statements = unit->entries.count > 0 ? unit->entries.count : 1;

	return unit->sent + statements * session->settings->pool.timeout + GRACE;
}

/* Watches over the oldest unit. A timer that runs is early enough. */
static void watch(struct pg_session *session)
{
	const struct pg_unit *unit = pg_session_unit(session);
	uint64_t now = loop_now(session->loop), deadline;

	if (!unit || loop_timer_running(&session->patience))
		return;
	deadline = pg_unit_deadline(session, unit);
	loop_timer_start(&session->patience, deadline > now ? deadline - now : NS_PER_MS);
}

void pg_session_flush(struct loop_item *item)
{
	struct pg_session *session = container_of(item, struct pg_session, flush);
	bool alive = true;

	if (list_empty(&session->units))
		alive = prepare_all(session);
	if (alive && list_empty(&session->units))
		alive = execute(session);
	if (!alive || !pg_connection_flush(session->connection)) {
		pg_session_lose(session, ERR_PG_LOST, "the statement could not be sent");
		return;
	}
	pg_session_by_row(session);
	if (list_empty(&session->units))
		pg_session_rest(session);
	else
		watch(session);
}

/*
 * Nobody stops and starts a timer per statement: it runs out now and then, looks at the
 * oldest unit, and goes on.
 */
void pg_session_patience(struct loop_timer *timer)
{
	struct pg_session *session = container_of(timer, struct pg_session, patience);
	const struct pg_unit *unit = pg_session_unit(session);

	if (!unit)
		return;
	if (pg_unit_deadline(session, unit) > loop_now(session->loop))
		watch(session);
	else
		pg_session_lose(
			session, ERR_TIMEOUT_SENT, "the server did not answer in time");
}
