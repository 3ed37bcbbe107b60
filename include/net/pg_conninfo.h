/*
 * pg_conninfo.h - an account's connection string for PostgreSQL, checked and completed at load.
 *
 * https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING
 */
#ifndef VOLLEY_NET_PG_CONNINFO_H
#define VOLLEY_NET_PG_CONNINFO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/macros.h"

struct pg_conninfo {
	const char *text;     /* a keyword string with everything but dbname */
	const char *database; /* the url's, or libpq's default: the user's name */
	const char *target;   /* the first host and port, for messages */
};

/*
 * Reads a URI or keyword string and completes it so that libpq neither looks a name up
 * nor reads the environment or a file. statement_timeout in ms; 0: no session settings at
 * all (for poolers). May look the user's name up, so: not while serving. False: the
 * reason is in errbuf and never quotes the url, which may hold a password. The texts live
 * in the arena.
 */
must_check bool pg_conninfo_make(const char *url, uint64_t statement_timeout,
	struct arena *arena, struct pg_conninfo *out, struct errbuf *errbuf);

/* The complete connection string for one database, in the arena. */
const char *pg_conninfo_for(
	const struct pg_conninfo *conninfo, const char *database, struct arena *arena);

#endif
