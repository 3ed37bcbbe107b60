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
#include "base/strbuf.h"

/* One place where a server may be. */
struct pg_host {
	const char *host;    /* a name, an address, a unix socket's folder, or "" */
	const char *address; /* "": libpq needs none; NULL: the host must be looked up */
	const char *port;    /* "": 5432 */
};

struct pg_conninfo {
	const char *text; /* a keyword string with everything but hosts and dbname */
	struct pg_host *hosts;
	size_t count;
	const char *database; /* the url's, or libpq's default: the user's name */
	const char *target;   /* the first host and port, for messages */
};

/*
 * Reads a URI or keyword string and completes it so that libpq neither looks a name up nor
 * reads the environment or a file that is not named. Files of certificates start at folder
 * and must be there. statement_timeout in ms; 0: no session settings at all (for poolers).
 * May look the user's name up, so: not while serving. False: the reason is in errbuf and
 * never quotes the url, which may hold a password. The texts live in the arena.
 */
must_check bool pg_conninfo_make(const char *url, uint64_t statement_timeout,
	const char *folder, struct arena *arena, struct pg_conninfo *out,
	struct errbuf *errbuf);

/*
 * Begins the complete connection string for one database: add each host's addresses, then
 * end it. The caller wipes and frees the buffer, which holds the password.
 */
struct pg_conninfo_text {
	struct strbuf host, address, port;
	size_t count;
};
void pg_conninfo_begin(struct pg_conninfo_text *text);
void pg_conninfo_add(
	struct pg_conninfo_text *text, const struct pg_host *host, const char *address);
/* Frees what begin() made. NUL-terminated in out; sticky failure as of any strbuf. */
void pg_conninfo_end(struct pg_conninfo_text *text, const struct pg_conninfo *conninfo,
	const char *database, struct strbuf *out);

#endif
