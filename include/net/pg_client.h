/*
 * pg_client.h - statements for one PostgreSQL database over a pool of pipelined
 * connections.
 *
 * Outcomes are told by our own FIFO: what was sent and has no sync behind it is unknown
 * when its connection dies; what was not sent is not.
 */
#ifndef VOLLEY_NET_PG_CLIENT_H
#define VOLLEY_NET_PG_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "loop/loop.h"
#include "net/attempt.h"
#include "net/pg_conninfo.h"
#include "value/value.h"

/* What of a statement does not change from run to run. */
struct pg_statement {
	struct text sql; /* with a NUL behind it */
	unsigned hash;   /* pg_statements_hash(sql) */
	bool unnamed;    /* names in it come from the payload: not worth keeping prepared */
	bool described;  /* some parameter's text depends on its type */
};

/* One statement to run, rendered; lives as long as its attempt. */
struct pg_query {
	const struct pg_statement *statement;
	int count;                /* of parameters */
	const char *const *texts; /* each parameter's text, NULL: SQL's NULL */
	const struct value *const
		*values; /* described: where not NULL, the type makes the text */
	size_t bytes;    /* about what goes over the wire */
	size_t max;      /* what it may be at most */
	int code;        /* responseCode of a success */
	bool group;      /* may stand in one transaction with others */
	bool rows;       /* gives rows: read row by row */
	bool last;       /* may leave its session changed: the connection ends with it */
};

struct pg_client_settings {
	const struct pg_conninfo *conninfo; /* for one database */
	bool prepare; /* false: unnamed statements only, no session settings */
	const char *account, *environment; /* for messages */
	struct pool_settings pool;
};

struct pg_client;

/* Connects nothing. The settings outlive the client. */
struct pg_client *pg_client_new(
	struct loop *loop, const struct pg_client_settings *settings);

/* Attempts that it had were cancelled or are finished. */
void pg_client_free(struct pg_client *client);

/* Opens one connection in the background. */
void pg_client_warm(struct pg_client *client);

/* Runs the query for the attempt. */
void pg_client_start(
	struct pg_client *client, const struct pg_query *query, struct attempt *attempt);

/*
 * The attempt is not to be finished any more. One that was sent leaves an orphan: its
 * connection still waits for the answer, since closing would not stop the statement
 * either.
 */
enum attempt_stage pg_client_cancel(struct pg_client *client, struct attempt *attempt);

/*
 * How much longer an attempt whose timeout is over is waited for (ns), since the server is
 * about to end its statement itself, rolled back; 0: not at all.
 */
uint64_t pg_client_patience(const struct pg_client *client, const struct attempt *attempt);

void pg_client_figures(const struct pg_client *client, struct account_figures *out);

#endif
