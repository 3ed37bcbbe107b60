/*
 * attempt.h - one try of one task, as the clients of services see it.
 *
 * The engine begins an attempt, a service's client ends it. Whoever ends it only queues:
 * done() is called by the loop, once, and never after cancel() returned.
 */
#ifndef VOLLEY_NET_ATTEMPT_H
#define VOLLEY_NET_ATTEMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/text.h"
#include "loop/loop.h"
#include "value/value.h"

struct request; /* a rendered request: the connector's own, in the run's arena */

/* An account half's `pool`, after the defaults of volley.yaml. */
struct pool_settings {
	unsigned connections;
	unsigned queue;                                  /* entries */
	size_t queue_bytes;                              /* of waiting rendered requests */
	uint64_t connect_timeout, timeout, idle_timeout; /* ns */
	size_t response_limit;                           /* bytes of one answer */
};

/* How an attempt ended. Texts and the value live in the attempt's arena. */
struct outcome {
	enum err err;        /* ERR_NONE: success */
	int code;            /* responseCode */
	struct text message; /* of a failure, for people; names account and cause */
	struct text more;   /* DETAIL, HINT, CONTEXT; shown only with replies.detail full */
	struct text detail; /* the service's own code (SQLSTATE, Redis error word) */
	const struct value *payload; /* of a success (and HTTP failures); NULL: null */
	bool truncated;              /* payload was cut */
	bool base64;                 /* payload was no UTF-8 */
};

/*
 * One try. The engine sets loop, arena, done and timeout, calls start() and leaves the
 * rest alone until done() is called by the loop, once; or until cancel() returned, after
 * which done() is never called.
 */
struct attempt {
	struct loop_item item; /* attempt_finish() queues it */
	struct loop *loop;
	struct arena *arena; /* the run's: answers are built here */
	void (*done)(struct attempt *attempt);
	uint64_t timeout; /* ns, from its start to its outcome */
	struct outcome outcome;
	uint64_t ended;   /* monotonic ns: when the outcome was known */
	struct link link; /* the service's: a pool's queue or a connection's FIFO */
	const struct request *request; /* while the service has it */
	void *slot;                    /* the service's: what stands for it on the wire */
	size_t bytes;                  /* the service's: counted for a pool's queue_bytes */
};

/* Where a cancelled attempt was; decides what its timeout means (the table of outcomes). */
enum attempt_stage {
	ATTEMPT_QUEUED,     /* waiting for a free connection */
	ATTEMPT_CONNECTING, /* waiting for the first connection to stand */
	ATTEMPT_SENT        /* bytes of it may have gone out; its answer is orphaned */
};

/*
 * Sets the time, queues done() on the loop's deliver list. The outcome is filled in before.
 */
void attempt_finish(struct attempt *attempt);

/* Fills in a failure of this kind with a formatted message in the attempt's arena, and
 * finishes. */
void attempt_fail(struct attempt *attempt, enum err err, const char *detail,
	const char *format, ...) printf_like(4, 5);

/*
 * For cancel(): takes a finished attempt off the deliver list, so that done() is not
 * called. False: it has not finished.
 */
must_check bool attempt_recall(struct attempt *attempt);

/* What an account half looks like: its connections by state, and what it has counted. */
struct account_figures {
	union {
		struct {
			uint64_t connecting, idle, busy;
		};
		uint64_t connections[3];
	};
	uint64_t limit; /* connections at most */
	uint64_t waiting, waiting_bytes, waiting_limit;
	union {
		struct {
			uint64_t connects,
				failures; /* connects that succeeded, that failed */
		};
		uint64_t connected[2];
	};
};

/* Adds the figures of another pool of the same half. */
void account_figures_add(struct account_figures *sum, const struct account_figures *one);

#endif
