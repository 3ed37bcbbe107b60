/*
 * err.h - what can go wrong with a task, in one table, and a small buffer for a reason's
 * text.
 *
 * Each row of the table "What can happen to an attempt" is one kind. Everything that
 * follows from a kind (the code in replies, whether it may be repeated, whether the breaker
 * counts it) is looked up here and nowhere else.
 */
#ifndef VOLLEY_BASE_ERR_H
#define VOLLEY_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

enum err {
	ERR_NONE,   /* success */
	ERR_RENDER, /* the request could not be rendered; no half for this environment */
	ERR_NOT_SERVED, /* this version does not serve the action */
	ERR_QUEUE_FULL, /* the pool's queue is full */
	ERR_CONNECT, /* could not resolve, connect, or get through TLS or the start of login
	              */
	ERR_LOGIN,   /* the service refused the credentials */
	ERR_LOST_UNSENT,        /* connection lost, nothing of this attempt sent */
	ERR_LOST_SENT,          /* connection lost after it was sent (Redis, HTTP) */
	ERR_GARBAGE,            /* the answer is not in the service's protocol */
	ERR_TIMEOUT_QUEUED,     /* timed out while waiting for a free connection */
	ERR_TIMEOUT_CONNECTING, /* timed out before it was sent */
	ERR_TIMEOUT_SENT,       /* timed out after it was sent */
	ERR_PG_CANCELLED,       /* 57014: statement_timeout, rolled back */
	ERR_PG_CONFLICT,        /* 40001, 40P01, 55P03 */
	ERR_PG_RESOURCES,       /* classes 53, 58, and 57 otherwise */
	ERR_PG_LOST,        /* 57P01, 57P02, class 08, or no answer, after it was sent */
	ERR_PG_CONSTRAINT,  /* class 23 */
	ERR_PG_STATEMENT,   /* classes 22 and 42 */
	ERR_PG_DENIED,      /* 42501 */
	ERR_PG_OTHER,       /* anything else */
	ERR_REDIS_BUSY,     /* LOADING, READONLY, OOM, ...: later it may work */
	ERR_REDIS_DENIED,   /* NOPERM */
	ERR_REDIS_OTHER,    /* any other error reply */
	ERR_RESPONSE_LIMIT, /* the answer is larger than the account's responseLimit or too
	                       deep */
	ERR_COUNT
};

/* What may be done after an attempt. */
enum err_class {
	ERR_CLASS_OK,
	ERR_CLASS_RETRYABLE, /* nothing has happened: sending again is safe */
	ERR_CLASS_PERMANENT, /* sending again gives the same */
	ERR_CLASS_UNKNOWN,   /* sent and not answered: it may have happened */
};

struct err_kind {
	const char *name; /* for logs and metrics: "queue_full" */
	const char *text; /* for people, when nothing better is known */
	int code;         /* responseCode */
	enum err_class class;
	bool breaker_counts; /* counts as a failure of the account */
};

/* The row of a kind. */
const struct err_kind *err_kind(enum err err);

/* The reason of a failure, for people; longer text is cut. */
struct errbuf {
	char text[512];
};

void errbuf_set(struct errbuf *errbuf, const char *format, ...) printf_like(2, 3);

#endif
