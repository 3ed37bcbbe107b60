/*
 * pg_client.c - statements for one PostgreSQL database over a pool of pipelined
 * connections.
 *
 * A connection takes attempts off the pool's queue as entries and sends them at the flush
 * point in a unit: what stands before one sync, which is one implicit transaction. Results
 * are provisional until that sync. This file is the life and death of sessions and entries,
 * pg_send.c and pg_receive.c are the traffic, and pg_group.c decides which
 * statements share a unit.
 *
 * Refused: telling outcomes from libpq's own state. After a broken connection it cannot say
 * which statement was the one it reports on; our FIFO can.
 */
#include "net/pg_client.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/pg_result.h"
#include "net/pg_session.h"

struct pg_client {
	const struct pg_client_settings *settings;
	struct loop *loop;
	struct pool *pool;
	struct pg_grouping grouping;
};

/* ---- entries ---- */

static void leave_session(struct pg_entry *entry)
{
	if (entry->trait && entry->session)
		pg_grouping_release(entry->trait, entry->session);
	entry->session = NULL;
	entry->unit = NULL;
}

void pg_entry_free(struct pg_entry *entry)
{
	leave_session(entry);
	if (entry->attempt)
		entry->attempt->slot = NULL;
	if (entry->trait)
		pg_grouping_unuse(entry->trait);
	PQclear(entry->result);
	free(entry);
}

/* What it had as rows stays in the attempt's arena, of no more use. */
void pg_entry_return(struct pg_entry *entry)
{
	struct pool *pool = entry->session->pooled.pool;

	PQclear(entry->result);
	entry->result = NULL;
	entry->rows = (struct pg_rows){ .count = 0 };
	leave_session(entry);
	if (entry->attempt)
		pool_return(pool, entry->attempt);
	else
		pg_entry_free(entry);
}

bool pg_result_is_error(const PGresult *result)
{
	return PQresultStatus(result) == PGRES_FATAL_ERROR ||
	       PQresultStatus(result) == PGRES_BAD_RESPONSE;
}

const char *pg_result_sqlstate(const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return sqlstate ? sqlstate : "";
}

void pg_entry_fail(struct pg_entry *entry, enum err err, const char *message)
{
	if (entry->attempt)
		attempt_fail(entry->attempt, err, NULL, "%s: %s",
			pool_name(entry->session->pooled.pool), message);
	pg_entry_free(entry);
}

void pg_entry_fail_result(struct pg_entry *entry, const PGresult *error, enum err err)
{
	struct attempt *attempt = entry->attempt;

	if (attempt) {
		pg_result_failure(error, err, pool_name(entry->session->pooled.pool),
			attempt->arena, &attempt->outcome);
		attempt_finish(attempt);
	}
	pg_entry_free(entry);
}

void pg_entry_settle(struct pg_entry *entry)
{
	struct attempt *attempt = entry->attempt;

	if (!entry->result) {
		pg_entry_fail(entry, ERR_PG_LOST, "the server gave no result");
		return;
	}
	if (pg_result_is_error(entry->result)) {
		pg_entry_fail_result(entry, entry->result,
			pg_result_error(pg_result_sqlstate(entry->result)));
		return;
	}
	if (attempt) {
		attempt->outcome.err = ERR_NONE;
		attempt->outcome.code = entry->query->code;
		pg_rows_add(&entry->rows, entry->result,
			entry->session->settings->pool.response_limit, attempt->arena);
		pg_result_success(
			entry->result, &entry->rows, attempt->arena, &attempt->outcome);
		attempt_finish(attempt);
	}
	pg_entry_free(entry);
}

/* ---- sessions ---- */

struct pg_unit *pg_session_unit(const struct pg_session *session)
{
	struct link *link = list_first(&session->units);

	return link ? container_of(link, struct pg_unit, link) : NULL;
}

void pg_unit_free(struct pg_session *session, struct pg_unit *unit)
{
	list_remove(&session->units, &unit->link);
	PQclear(unit->description);
	free(unit);
}

/* Ends an entry of a unit whose sync never came. */
static void abandon_entry(struct pg_entry *entry, enum err err, const char *message)
{
	enum err own = ERR_PG_LOST;

	if (!entry->result || !pg_result_is_error(entry->result)) {
		pg_entry_fail(entry, err, message);
		return;
	}
	own = pg_result_error(pg_result_sqlstate(entry->result));
	pg_entry_fail_result(entry, entry->result, own == ERR_PG_LOST ? err : own);
}

/*
 * Where a statement was refused before the connection broke, the server has rolled all of
 * its transaction back: what shared it can go again, and is not unknown.
 */
static void abandon_unit(struct pg_unit *unit, enum err err, const char *message)
{
	const struct pg_entry *culprit = pg_unit_refused(unit);
	bool undone = culprit &&
		      pg_result_error(pg_result_sqlstate(culprit->result)) != ERR_PG_LOST;
	struct link *last;

	while ((last = list_take_last(&unit->entries))) {
		struct pg_entry *entry = pg_entry_of(last);

		if (!undone || entry == culprit) {
			abandon_entry(entry, err, message);
		} else if (entry->returned) {
			pg_entry_fail(entry, ERR_LOST_UNSENT, message);
		} else {
			entry->returned = entry->alone = true;
			pg_entry_return(entry);
		}
	}
}

/* What was not sent goes to another connection, once: it may be what breaks them. */
static void give_back(struct pg_session *session, const char *message)
{
	struct link *link;

	while ((link = list_take_last(&session->taken))) {
		struct pg_entry *entry = pg_entry_of(link);

		if (entry->returned) {
			pg_entry_fail(entry, ERR_LOST_UNSENT, message);
			continue;
		}
		entry->returned = true;
		pg_entry_return(entry);
	}
}

/* What was not bound, nor refused, is as good as not sent. */
static void take_back(struct pg_session *session, struct pg_unit *unit)
{
	struct link *link = list_first(&unit->entries);
	struct pg_entry *entry;

	if (!link || !unit->unbound)
		return;
	entry = pg_entry_of(link);
	if (entry->result &&
		pg_result_error(pg_result_sqlstate(entry->result)) != ERR_PG_LOST)
		return;
	list_remove(&unit->entries, link);
	entry->unit = NULL;
	list_append(&session->taken, link);
}

static void abandon(struct pg_session *session, enum err err, const char *message)
{
	struct pg_unit *unit;

	while ((unit = pg_session_unit(session))) {
		take_back(session, unit);
		abandon_unit(unit, err, message);
		pg_unit_free(session, unit);
	}
	give_back(session, message);
}

static void on_reap(struct loop_item *item)
{
	struct pg_session *session = container_of(item, struct pg_session, reap);

	pg_statements_free(&session->statements);
	free(session);
}

static void shut(struct pg_session *session)
{
	loop_timer_stop(&session->patience);
	loop_cancel(session->loop, &session->flush);
	pg_connection_close(session->connection);
	loop_reap(session->loop, &session->reap);
}

void pg_session_lose(struct pg_session *session, enum err err, const char *message)
{
	abandon(session, err, message);
	pool_conn_lost(&session->pooled);
	shut(session);
}

void pg_session_rest(struct pg_session *session)
{
	if (!list_empty(&session->units))
		return;
	if (!list_empty(&session->taken))
		loop_flush(session->loop, &session->flush);
	else
		pool_conn_move(&session->pooled, CONN_IDLE);
}

/* ---- what the connection tells ---- */

static void on_ready(void *owner)
{
	struct pg_session *session = owner;

	pool_conn_ready(&session->pooled);
}

static void on_failed(void *owner, enum err err, const char *sqlstate, const char *message)
{
	struct pg_session *session = owner;

	pool_conn_failed(&session->pooled, err, *sqlstate ? sqlstate : NULL, message);
	shut(session);
}

static void on_lost(void *owner, const char *message)
{
	pg_session_lose(owner, ERR_PG_LOST, message);
}

static const struct pg_connection_events events = {
	.ready = on_ready,
	.failed = on_failed,
	.readable = pg_session_readable,
	.lost = on_lost,
};

/* ---- what the pool asks for ---- */

static struct pool_conn *connect_session(
	struct pool *pool, void *owner, struct errbuf *errbuf)
{
	struct pg_client *client = owner;
	struct pg_session *session = mem_zalloc(1, sizeof(*session));

	session->connection = pg_connection_open(
		client->loop, client->settings->conninfo, &events, session, errbuf);
	if (!session->connection) {
		free(session);
		return NULL;
	}
	pool_conn_init(&session->pooled, pool);
	session->pooled.target = client->settings->conninfo->target;
	session->loop = client->loop;
	session->settings = client->settings;
	session->grouping = &client->grouping;
	session->flush.run = pg_session_flush;
	session->reap.run = on_reap;
	loop_timer_init(client->loop, &session->patience, pg_session_patience);
	pg_statements_init(&session->statements);
	list_init(&session->taken);
	list_init(&session->units);
	return &session->pooled;
}

static void feed_session(struct pool_conn *pooled)
{
	struct pg_session *session = container_of(pooled, struct pg_session, pooled);

	pg_session_take(session);
	if (list_empty(&session->taken))
		return;
	pool_conn_move(pooled, CONN_BUSY);
	loop_flush(session->loop, &session->flush);
}

static void close_session(struct pool_conn *pooled)
{
	struct pg_session *session = container_of(pooled, struct pg_session, pooled);

	abandon(session, ERR_PG_LOST, "the connection was closed");
	shut(session);
}

static void forget_entry(struct attempt *attempt)
{
	pg_entry_free(attempt->slot);
}

static const struct pool_client pool_client = {
	.connect = connect_session,
	.feed = feed_session,
	.close = close_session,
	.forget = forget_entry,
};

/* ---- the client ---- */

/* What libpq would take from these cannot be overridden by a connection string: service
 * files are read while connecting, the others become settings of the session. */
static void clear_environment(void)
{
	static const char *const names[] = { "PGSERVICE", "PGTZ", "PGDATESTYLE", "PGGEQO" };

	for (size_t i = 0; i < array_len(names); i++)
		unsetenv(names[i]);
}

struct pg_client *pg_client_new(
	struct loop *loop, const struct pg_client_settings *settings)
{
	struct pg_client *client = mem_zalloc(1, sizeof(*client));

	clear_environment();
	client->settings = settings;
	client->loop = loop;
	pg_grouping_init(&client->grouping);
	client->pool = pool_new(loop, &settings->pool, &pool_client, client,
		settings->account, settings->environment);
	return client;
}

void pg_client_free(struct pg_client *client)
{
	pool_free(client->pool);
	pg_grouping_free(&client->grouping);
	free(client);
}

void pg_client_warm(struct pg_client *client)
{
	pool_warm(client->pool);
}

void pg_client_start(
	struct pg_client *client, const struct pg_query *query, struct attempt *attempt)
{
	struct pg_entry *entry = mem_zalloc(1, sizeof(*entry));

	entry->attempt = attempt;
	entry->query = query;
	entry->by_row = query->rows;
	if (query->group && !query->statement->unnamed &&
		(client->settings->prepare || !query->values))
		entry->trait = pg_grouping_use(&client->grouping, query->statement);
	attempt->slot = entry;
	pool_submit(client->pool, attempt, query->bytes);
}

enum attempt_stage pg_client_cancel(struct pg_client *client, struct attempt *attempt)
{
	struct pg_entry *entry = attempt->slot;
	enum attempt_stage stage = ATTEMPT_CONNECTING;

	if (attempt_recall(attempt))
		return ATTEMPT_SENT;
	if (entry->unit) {
		entry->attempt = NULL;
		entry->query = NULL;
		attempt->slot = NULL;
		/* What is not bound now never will be. */
		return entry->unit->unbound ? stage : ATTEMPT_SENT;
	}
	if (link_is_listed(&attempt->link))
		stage = pool_withdraw(client->pool, attempt);
	else
		list_remove(&entry->session->taken, &entry->link);
	pg_entry_free(entry);
	return stage;
}

uint64_t pg_client_patience(const struct pg_client *client, const struct attempt *attempt)
{
	const struct pg_entry *entry = attempt->slot;
	uint64_t now = loop_now(client->loop), deadline;

	/* A shorter timeout than the server's own is over before it does anything. */
	if (!entry || !entry->unit || !client->settings->prepare ||
		attempt->timeout < client->settings->pool.timeout)
		return 0;
	deadline = pg_unit_deadline(entry->session, entry->unit);
	return deadline > now ? deadline - now : 0;
}

void pg_client_figures(const struct pg_client *client, struct account_figures *out)
{
	pool_figures(client->pool, out);
}
