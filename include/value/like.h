/*
 * like.h - SQL's LIKE patterns, matched in bounded time.
 */
#ifndef VOLLEY_VALUE_LIKE_H
#define VOLLEY_VALUE_LIKE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"

struct like;

/*
 * Compiles a pattern into the arena: % is any run, _ one code point, \ takes the next
 * character as it is. Pattern and texts are UTF-8; the pattern is pointed into. NULL: it
 * ends with an escape of nothing.
 */
must_check const struct like *like_compile(struct text pattern, struct arena *arena);

/* Whether the whole text matches. At worst pattern times text, never more; linear where
 * the pattern has no _.  Allocates nothing. */
bool like_matches(const struct like *like, struct text t);

#endif
