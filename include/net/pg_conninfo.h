/*
 * pg_conninfo.h - an account's connection string for PostgreSQL, checked and completed at load.
 *
 * https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING
 */
#ifndef VOLLEY_NET_PG_CONNINFO_H
#define VOLLEY_NET_PG_CONNINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/macros.h"
#include "base/strbuf.h"

/* A place to connect to, one of those that libpq tries in turn. */
struct pg_host {
	const char *host;    /* a name, an address, or the folder of a unix socket */
	const char *address; /* "": a unix socket, or a name to look up */
	const char *port;    /* "": libpq's default */
	bool is_name;        /* to be looked up when a connection is opened */
};

struct pg_conninfo {
	const char *text;     /* a keyword string with everything but hosts and dbname */
	const char *database; /* the url's, or libpq's default: the user's name */
	const char *target;   /* the first host and port, for messages */
	const struct pg_host *hosts;
	size_t host_count;
	size_t name_count; /* hosts to look up */
	uint64_t files;    /* hash of which files of TLS there are, as they are now */
};

/* The addresses of a host that was looked up, as text; none when that failed. */
struct pg_addresses {
	const char *const *texts;
	size_t count;
};

/*
 * Reads a URI or keyword string and completes it so that libpq neither looks a name up
 * nor reads the environment or a file that is not named; relative paths start at the
 * folder. statement_timeout in ms; 0: no session settings at all (for poolers). May look
 * the user's name up and looks at the TLS files, so: not while serving. False: the reason is
 * in errbuf and never quotes the url, which may hold a password. The texts live in the arena.
 */
must_check bool pg_conninfo_make(const char *url, const char *folder,
	uint64_t statement_timeout, struct arena *arena, struct pg_conninfo *out,
	struct errbuf *errbuf);

/* The same for one database, in the arena; shares what it can with the original. */
const struct pg_conninfo *pg_conninfo_for(
	const struct pg_conninfo *conninfo, const char *database, struct arena *arena);

/*
 * Appends the connection string for libpq with a NUL. found has an element for each host and
 * counts for names only: a name stands once per address and not at all when it has none.
 * found may be NULL when there are no names. False: no host is left, or out is full.
 */
must_check bool pg_conninfo_write(const struct pg_conninfo *conninfo,
	const struct pg_addresses *found, struct strbuf *out);

#endif
