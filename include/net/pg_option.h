/*
 * pg_option.h - single options of a PostgreSQL connection string.
 */
#ifndef VOLLEY_NET_PG_OPTION_H
#define VOLLEY_NET_PG_OPTION_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "base/diag.h"
#include "base/err.h"
#include "base/macros.h"
#include "base/strbuf.h"

/* The value that a string gives; NULL: none, or an empty one. */
const char *pg_option_value(const PQconninfoOption *options, const char *keyword);

/* Appends keyword='value' to a keyword string, the value quoted. */
void pg_option_append(struct strbuf *out, const char *keyword, const char *value);

/*
 * Checks the options whose values are one of a few words or a number, which libpq looks at
 * only when it connects. False: errbuf says what is wrong, without the value.
 */
must_check bool pg_option_check(const PQconninfoOption *options, struct errbuf *errbuf);

/* Adds "; did you mean '...'?" when a candidate was near enough. */
void pg_option_suggest(struct errbuf *errbuf, const struct suggest *suggest);

#endif
