/*
 * pg_statements.h - the prepared statements of one connection: an LRU by SQL text.
 */
#ifndef VOLLEY_NET_PG_STATEMENTS_H
#define VOLLEY_NET_PG_STATEMENTS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/text.h"

enum { PG_STATEMENTS_MAX = 256, PG_STATEMENT_NAME = 16 };

/* The types of a statement's parameters. */
struct pg_parameters {
	int count;
	Oid *types; /* NULL: not described */
};

/* Reads them from what Describe gave; the caller frees types. */
void pg_parameters_read(struct pg_parameters *parameters, const PGresult *description);

struct pg_prepared {
	char name[PG_STATEMENT_NAME]; /* "v1"; never used twice on a connection */
	struct pg_parameters parameters;
	char *sql;
	size_t sql_len;
	uint64_t sent;  /* monotonic ns: when its Parse was */
	bool described; /* its Describe was sent, or answered */
	bool retired;
	UT_hash_handle hh;
	struct link link; /* on statements.recent or statements.retired */
};

struct pg_statements {
	struct pg_prepared *table;
	struct list recent;  /* the least recently used first */
	struct list retired; /* not found any more; the server still has them */
	unsigned last;       /* number in the newest name */
};

void pg_statements_init(struct pg_statements *statements);
void pg_statements_free(struct pg_statements *statements);

/* The hash of a statement's text, as both functions below want it. */
unsigned pg_statements_hash(struct text sql);

/* The statement with this text, now the most recently used; NULL: not known. */
struct pg_prepared *pg_statements_find(
	struct pg_statements *statements, struct text sql, unsigned hash);

/* Adds one that is not known, copying its text; beyond the limit the oldest one is retired. */
struct pg_prepared *pg_statements_add(
	struct pg_statements *statements, struct text sql, unsigned hash);

/* It is not to be used again, and the server is to forget it. */
void pg_statements_retire(struct pg_statements *statements, struct pg_prepared *prepared);

/* One that the server is to forget, else NULL. */
struct pg_prepared *pg_statements_retired(const struct pg_statements *statements);

/* Frees one; the server does not have it, or will be told. */
void pg_statements_drop(struct pg_statements *statements, struct pg_prepared *prepared);

#endif
