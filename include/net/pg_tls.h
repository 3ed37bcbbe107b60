/*
 * pg_tls.h - the TLS options of a PostgreSQL connection string, checked and completed.
 *
 * https://www.postgresql.org/docs/15/libpq-ssl.html
 */
#ifndef VOLLEY_NET_PG_TLS_H
#define VOLLEY_NET_PG_TLS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/macros.h"
#include "base/strbuf.h"

/*
 * Appends all options of TLS: those of the string, relative paths made absolute from the
 * folder, and for the others what keeps libpq from the environment and the home folder. The
 * files are looked at, and libpq and OpenSSL made ready, so: not while serving; *files
 * differs when they are others or have changed. False: errbuf names an option and its file.
 */
must_check bool pg_tls_append(const PQconninfoOption *options, const char *folder,
	struct arena *arena, struct strbuf *out, uint64_t *files, struct errbuf *errbuf);

/* Whether the option is one that pg_tls_append() writes. */
bool pg_tls_has(const char *keyword);

#endif
