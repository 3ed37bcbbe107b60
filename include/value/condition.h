/*
 * condition.h - a filter's condition: SQL-like text, compiled at load, three-valued.
 */
#ifndef VOLLEY_VALUE_CONDITION_H
#define VOLLEY_VALUE_CONDITION_H

#include <stddef.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/macros.h"
#include "value/scope.h"
#include "value/value.h"

struct condition;

enum truth { TRUTH_FALSE, TRUTH_UNKNOWN, TRUTH_TRUE };

enum { CONDITION_MAX_DEPTH = 64, CONDITION_MAX_LENGTH = 65536 };

/*
 * Compiles the text, which must live as long as the arena; place is where it stands (see
 * place_within_text). Blank text is a condition that always holds. Every mistake goes to diag
 * with its own place. NULL: there was one.
 */
must_check struct condition *condition_compile(struct text text, struct place place,
	const struct scope *scope, struct arena *arena, struct diag *diag);

/* Bounded by the condition's length times the payload's size; allocates nothing that
 * outlives the call. */
enum truth condition_eval(const struct condition *condition, const struct value *payload);

/* A predicate or connective of a condition, by its place in the text, and what came out. */
struct condition_term {
	size_t offset, length; /* of the condition's text */
	unsigned depth;        /* 0: the whole */
	enum truth truth;
};

/* Evaluates everything, without short cuts, and says what each term gave: outermost first,
 * in the arena. */
enum truth condition_trace(const struct condition *condition, const struct value *payload,
	struct arena *arena, const struct condition_term **terms, size_t *count);

#endif
