/*
 * wildcard.h - one `{path}`, `{path?}` or `{path|default}`; for the template's files, and for
 * checks of what takes none.
 */
#ifndef VOLLEY_VALUE_WILDCARD_H
#define VOLLEY_VALUE_WILDCARD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/text.h"
#include "value/path.h"
#include "value/value.h"

struct wildcard {
	size_t len; /* bytes, braces included */
	struct path path;
	size_t path_len;
	bool optional;                /* {path?} */
	const struct value *fallback; /* {path|default}; NULL: none */
	const char *mistake;          /* well-formed, yet refused: why; NULL: nothing */
};

/* Reads the wildcard at the start of text, which begins with a brace. False: no well-formed
 * wildcard, so the brace is literal. */
bool wildcard_read(struct arena *arena, struct text text, struct wildcard *out);

/* Whether the text holds a wildcard that is not escaped by a backslash before its brace. */
bool wildcard_is_in(struct text text, struct arena *arena);

#endif
