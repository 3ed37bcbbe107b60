/*
 * pg_value.h - JSON values to the text of PostgreSQL's parameters, by the parameter's type.
 *
 * https://www.postgresql.org/docs/15/arrays.html#ARRAYS-IO
 */
#ifndef VOLLEY_NET_PG_VALUE_H
#define VOLLEY_NET_PG_VALUE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/macros.h"
#include "value/value.h"

/*
 * The text of a value for a parameter whose type is not looked at: NULL for null, digits,
 * true and false, strings as they are, objects and arrays as JSON. False: a NUL character
 * in it, or more than max bytes; errbuf says so. The text is in the arena,
 * NUL-terminated.
 */
must_check bool pg_value_text(const struct value *value, size_t max, struct arena *arena,
	const char **out, struct errbuf *errbuf);

/*
 * The same where the type is known: everything becomes JSON for json, arrays become array
 * text for an array type. False also for an object where an array is wanted, and for
 * nested arrays of different lengths.
 */
must_check bool pg_value_typed(const struct value *value, Oid type, size_t max,
	struct arena *arena, const char **out, struct errbuf *errbuf);

#endif
