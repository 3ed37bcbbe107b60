/*
 * pg_connection.h - one libpq connection on the loop: names, login, readiness, flushing, the
 * end.
 *
 * https://www.postgresql.org/docs/15/libpq-connect.html (PQconnectPoll), libpq-async.html and
 * libpq-pipeline-mode.html. Knows sockets, not statements.
 */
#ifndef VOLLEY_NET_PG_CONNECTION_H
#define VOLLEY_NET_PG_CONNECTION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macros.h"
#include "loop/loop.h"

struct pg_conninfo;
struct pg_connection;

/* What the owner is told, always from the loop; it may close the connection inside. */
struct pg_connection_events {
	/* Logged in and in pipeline mode. */
	void (*ready)(void *owner);
	/* Never came so far. sqlstate may be empty; the message is one line without secrets. */
	void (*failed)(
		void *owner, enum err err, const char *sqlstate, const char *message);
	/* libpq has taken bytes in: results may be complete. */
	void (*readable)(void *owner);
	/* It had been ready and is dead now. */
	void (*lost)(void *owner, const char *message);
};

/*
 * Begins to connect: looks the names among the hosts up, then lets libpq try all addresses.
 * conninfo outlives the connection. NULL: failed at once, errbuf says why.
 */
must_check struct pg_connection *pg_connection_open(struct loop *loop,
	const struct pg_conninfo *conninfo, const struct pg_connection_events *events,
	void *owner, struct errbuf *errbuf);

/* libpq's handle, to send and to take results with; NULL while names are looked up. */
PGconn *pg_connection_handle(const struct pg_connection *connection);

/* Bytes that have come in since the connection stands; 0: this kind of socket does not tell. */
uint64_t pg_connection_received(const struct pg_connection *connection);

/* Sends what is left in libpq's buffer, now and as the socket takes it. False: it is dead. */
must_check bool pg_connection_flush(struct pg_connection *connection);

/* Closes now; no event follows, memory goes at the reap point. */
void pg_connection_close(struct pg_connection *connection);

/*
 * Makes one line of libpq's message: without "FATAL:  28P01:", DETAIL, HINT, LOCATION and
 * advice. sqlstate (6 bytes) is what a verbose message holds, or empty.
 */
void pg_message_clean(const char *message, struct errbuf *out, char sqlstate[6]);

#endif
