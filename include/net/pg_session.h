/*
 * pg_session.h - one connection's statements on their way: taken, sent in units, answered.
 *
 * Shared by pg_client.c (life and death), pg_send.c and pg_receive.c; nobody else's business.
 */
#ifndef VOLLEY_NET_PG_SESSION_H
#define VOLLEY_NET_PG_SESSION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/macros.h"
#include "loop/loop.h"
#include "net/pg_client.h"
#include "net/pg_connection.h"
#include "net/pg_grouping.h"
#include "net/pg_result.h"
#include "net/pg_statements.h"
#include "net/pool.h"

struct pg_session;

/* An attempt in the client: in the pool's queue (by attempt->link), or on a session. */
struct pg_entry {
	struct link link;             /* on session.taken or unit.entries */
	struct pg_session *session;   /* NULL: in the queue */
	struct pg_unit *unit;         /* that it was sent in; NULL: not sent */
	struct attempt *attempt;      /* NULL: an orphan, cancelled after it was sent */
	const struct pg_query *query; /* gone with the attempt */
	struct pg_trait *trait;       /* NULL: it never shares a transaction */
	PGresult *result;             /* provisional until the sync */
	struct pg_rows rows;          /* the same, in the attempt's arena */
	bool by_row;                  /* query->rows, which an orphan needs too */
	bool alone;    /* was in a group that was taken apart, and goes alone now */
	bool repeated; /* was sent again with its statement prepared anew */
	bool returned; /* was given back once by a connection that broke */
};

/* What stands before one sync. A unit with an unnamed statement whose types are needed goes
 * through PARSE, DESCRIBE and EXECUTE. */
enum pg_unit_kind {
	PG_UNIT_PREPARE,  /* Parse and Describe of a named statement */
	PG_UNIT_PARSE,    /* awaits the answer to Parse of an unnamed one */
	PG_UNIT_DESCRIBE, /* awaits the answer to its Describe */
	PG_UNIT_EXECUTE,  /* statements */
	PG_UNIT_DISCARD   /* nobody cares what it answers */
};

struct pg_unit {
	struct link link; /* on session.units */
	enum pg_unit_kind kind;
	struct list entries;
	uint64_t sent;                /* monotonic ns */
	struct link *current;         /* whose results come now; NULL: past the last one */
	struct pg_prepared *prepared; /* of PG_UNIT_PREPARE; NULL: its Parse was refused */
	bool describes;               /* PG_UNIT_PREPARE has a Describe */
	bool unbound;                 /* of the entry only Parse and Describe were sent */
	bool last;                    /* the connection ends with it: see pg_query */
	PGresult *description; /* what Describe gave, or an error of the whole unit */
};

struct pg_session {
	struct pool_conn pooled;
	struct loop *loop;
	const struct pg_client_settings *settings;
	struct pg_grouping *grouping; /* the client's */
	struct pg_connection *connection;
	struct loop_item flush, reap;
	struct loop_timer patience; /* is not restarted for each statement: see pg_send.c */
	uint64_t received; /* bytes when a result began to come in pieces; 0: none does */
	struct pg_statements statements;
	struct list taken; /* entries to be sent */
	struct list units; /* sent, in order */
};

static inline struct pg_entry *pg_entry_of(struct link *link)
{
	return container_of(link, struct pg_entry, link);
}

/* Whether its statement is kept prepared on the session under a name. */
static inline bool pg_entry_is_named(const struct pg_entry *entry)
{
	return entry->session->settings->prepare && !entry->query->statement->unnamed;
}

/* pg_client.c */

/* Ends an entry that stands on no list, with the result's error or with a message of ours. */
void pg_entry_fail(struct pg_entry *entry, enum err err, const char *message);
void pg_entry_fail_result(struct pg_entry *entry, const PGresult *error, enum err err);

/* Ends an entry that stands on no list, by its result: its sync has come. */
void pg_entry_settle(struct pg_entry *entry);

/* Frees an entry that stands on no list and whose attempt is finished or gone. */
void pg_entry_free(struct pg_entry *entry);

/* Nothing of the entry is in force: back to the front of the queue with it. */
void pg_entry_return(struct pg_entry *entry);

bool pg_result_is_error(const PGresult *result);
const char *pg_result_sqlstate(const PGresult *result); /* "" when there is none */

/* The oldest unit that is not answered; NULL: none. */
struct pg_unit *pg_session_unit(const struct pg_session *session);
void pg_unit_free(struct pg_session *session, struct pg_unit *unit);

/* Nothing is awaited any more: sends what was taken meanwhile, or is idle. */
void pg_session_rest(struct pg_session *session);

/*
 * The connection is broken: what was sent is unknown (err says of which kind), what was not
 * goes back to the queue. Closes it.
 */
void pg_session_lose(struct pg_session *session, enum err err, const char *message);

/* pg_group.c */

/* Takes off the queue what goes out next on this session: one statement or a group. */
void pg_session_take(struct pg_session *session);

/* The first statement of the unit that the server refused; NULL: none. */
struct pg_entry *pg_unit_refused(const struct pg_unit *unit);

/* A unit of statements was answered: learns from it; takes a group apart that failed. */
void pg_group_answered(struct pg_session *session, struct pg_unit *unit);

/* pg_send.c */

/* At the flush point: sends what was taken, unless an answer is awaited. */
void pg_session_flush(struct loop_item *item);

/* Now and then: closes the connection when the server has not answered in time. */
void pg_session_patience(struct loop_timer *timer);

/* Until when (monotonic ns) the server is given to end the unit itself. */
uint64_t pg_unit_deadline(const struct pg_session *session, const struct pg_unit *unit);

/*
 * PG_UNIT_DESCRIBE is answered: binds and sends the statement. False: the connection is
 * dead.
 */
must_check bool pg_session_bind_described(struct pg_session *session, struct pg_unit *unit);

/* pg_receive.c */

void pg_session_readable(void *owner);

/*
 * Gives up the prepared statement that the entry's error came from, if that may be out of
 * date. Whether it may help to send the entry again.
 */
bool pg_entry_outdate(struct pg_entry *entry);

/* The results that come next are read row by row, where their statement gives rows. */
void pg_session_by_row(struct pg_session *session);

#endif
