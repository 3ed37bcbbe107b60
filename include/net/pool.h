/*
 * pool.h - the connections of one account half, and the one queue of attempts that wait for
 * them.
 *
 * An idle connection is used first, then a new one is opened up to the limit; what waits
 * stands in one queue, bounded in entries and bytes, so nothing that was not sent dies with
 * a connection. The pool knows states, bounds, backoff and deadlines of connections; a
 * client knows its protocol.
 */
#ifndef VOLLEY_NET_POOL_H
#define VOLLEY_NET_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/metric.h"
#include "loop/loop.h"
#include "net/attempt.h"

struct pool;

/* A connection's state is the pool's list that it stands on; pool_conn_move() is the only
 * mover. */
enum pool_conn_state {
	CONN_CONNECTING, /* until the login is through */
	CONN_IDLE,       /* nothing in flight */
	CONN_OPEN,       /* something in flight, takes more (pipelining) */
	CONN_BUSY,       /* something in flight, takes no more now */
	CONN_CLOSED,     /* on no list; its memory waits for the reap point */
	CONN_STATES = CONN_CLOSED
};

/* Embedded in a client's connection. */
struct pool_conn {
	struct link link;
	enum pool_conn_state state;
	struct pool *pool;
	uint64_t since;     /* monotonic ns: when it came into this state */
	const char *target; /* the client's, after pool_conn_init(): "127.0.0.1:6379", for
			       messages; lives as long as the connection; may be NULL */
};

/* What a client is to the pool. The pool calls all of it from the loop, never from inside a
 * call of its own that the client made. */
struct pool_client {
	/*
	 * Begins to open a connection and returns it after pool_conn_init(): later
	 * pool_conn_ready() or pool_conn_failed(), neither inside this call. NULL: failed
	 * at once and no connection was initialised; the reason is in errbuf (no account's
	 * name in it; the pool puts it in front).
	 */
	struct pool_conn *(*connect)(struct pool *pool, void *owner, struct errbuf *errbuf);
	/*
	 * Attempts wait and this connection (idle or open) may take them: call pool_take()
	 * for as many as it wants to send (until NULL at most), then pool_conn_move() to
	 * open or busy. What it took it must finish.
	 */
	void (*feed)(struct pool_conn *conn);
	/*
	 * Close it now: idle for too long, connecting for too long, or the pool is closing.
	 * It is off the pool's lists already: call none of the pool_conn functions. Memory
	 * is reaped. When the pool is closing, what is in flight was cancelled before.
	 */
	void (*close)(struct pool_conn *conn);
	/*
	 * The pool itself ends an attempt that no connection has: what attempt->slot points
	 * to is not needed any more. Also inside pool_submit(). NULL: nothing to do.
	 */
	void (*forget)(struct attempt *attempt);
	/* What a connecting one has not got yet, for messages ("the login was not
	 * answered"); may be NULL. */
	const char *(*stage)(const struct pool_conn *conn);
};

/*
 * account and environment are for messages ("core-redis (test)") and are copied; settings
 * and client live as long as the pool.
 */
struct pool *pool_new(struct loop *loop, const struct pool_settings *settings,
	const struct pool_client *client, void *owner, const char *account,
	const char *environment);

/* Closes every connection; attempts that wait were cancelled before. */
void pool_free(struct pool *pool);

/*
 * Opens one connection in the background when there is none. Does not count for a breaker.
 */
void pool_warm(struct pool *pool);

/*
 * Takes an attempt in. Connections are fed later in the same pass, at its deliver point, so
 * that attempts that were started together can be sent together. bytes counts for the
 * queue's bound. Beyond a bound, or while the pool is backing off after a failed connect
 * and has no connection, the attempt fails (ERR_QUEUE_FULL, or the last connect's failure).
 */
void pool_submit(struct pool *pool, struct attempt *attempt, size_t bytes);

/*
 * Takes the attempt that waits longest off the queue. NULL: none waits, or this connection
 * has had its share (while others are idle, could be opened, or can take more, each gets an
 * even part).
 */
struct attempt *pool_take(struct pool *pool);

/* The one that pool_take() would take, without taking it (to look whether it joins a
 * group). */
struct attempt *pool_peek(const struct pool *pool);

/*
 * Puts an attempt that pool_take() gave, and of which nothing is in force, back to the front
 * of the queue, whatever the bounds: it stood there before.
 */
void pool_return(struct pool *pool, struct attempt *attempt);

/* Takes a waiting attempt out. The stage tells whether it waited for a connect or a free
 * connection. */
enum attempt_stage pool_withdraw(struct pool *pool, struct attempt *attempt);

/* A new connection, connecting. */
void pool_conn_init(struct pool_conn *conn, struct pool *pool);

/* Connected and logged in: idle now; fed at the deliver point when attempts wait. Ends the
 * backoff. */
void pool_conn_ready(struct pool_conn *conn);

/*
 * Could not be opened: the attempts that wait fail with this kind, detail (may be NULL) and
 * message when no other connection stands or is being opened; backoff begins. The message
 * says the cause ("could not connect to 127.0.0.1:6379: Connection refused"); the pool puts
 * the account's name in front. The client closes the connection itself, before or after,
 * and has its memory reaped.
 */
void pool_conn_failed(
	struct pool_conn *conn, enum err err, const char *detail, const char *message);

/* An open connection ended (its attempts are finished by the client); the pool opens
 * another when attempts wait. The memory is the client's to have reaped. */
void pool_conn_lost(struct pool_conn *conn);

/* Moves between idle, open and busy; one that can take more is fed at the deliver point
 * when attempts wait. */
void pool_conn_move(struct pool_conn *conn, enum pool_conn_state state);

/* Lengths of the lists; "busy" are all with something in flight. */
void pool_figures(const struct pool *pool, struct account_figures *out);

/* What struct account_figures says. */
extern const struct metric pool_metrics[];

const struct pool_settings *pool_settings(const struct pool *pool);
const char *pool_name(const struct pool *pool); /* "core-redis (test)" */

#endif
