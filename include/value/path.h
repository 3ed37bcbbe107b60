/*
 * path.h - dotted paths, shared by conditions and wildcards.
 */
#ifndef VOLLEY_VALUE_PATH_H
#define VOLLEY_VALUE_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/strbuf.h"
#include "base/text.h"

struct path_part {
	struct text name; /* without back-quotes */
	bool quoted;      /* was back-quoted: never an index, never a keyword */
	bool digits;  /* only digits, unquoted: an index on an array, a name on an object */
	size_t index; /* its number where digits; SIZE_MAX when it does not fit */
};

struct path {
	const struct path_part *parts;
	size_t count;
};

/*
 * Reads a path at the start of text: parts are [A-Za-z_][A-Za-z0-9_-]*, a later one may be
 * digits, an odd one is back-quoted (a back-quote inside doubled). Returns the bytes read,
 * 0 when no well-formed path begins there. A first part beginning with $ is read as a name
 * too (specials).
 */
size_t path_read(struct arena *arena, struct text text, struct path *out);

/* Appends the path as it would be written. */
void path_write(struct strbuf *out, struct path path);

#endif
