/*
 * substitute.h - `${NAME}` and `${file:path}` in volley.yaml and in accounts.
 */
#ifndef VOLLEY_CONF_SUBSTITUTE_H
#define VOLLEY_CONF_SUBSTITUTE_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/macros.h"
#include "base/text.h"
#include "value/node.h"

/* What stands for a scalar whose reference is missing. */
enum substitute_missing {
	SUBSTITUTE_KEEP, /* the text as written */
	SUBSTITUTE_NULL  /* nothing, so that no second error follows */
};

/*
 * A copy of the tree whose scalars have each `${NAME}` replaced by the environment variable
 * and each `${file:path}` by the file's content without its last line end (path from the
 * folder; the file must be private); `$${` becomes `${`. Keys, and what stands under `x-`
 * keys, stay as they are. A scalar that was changed is text, its place is not exact. What is
 * missing is an error. Never NULL.
 */
const struct node *substitute(const struct node *tree, const char *folder,
	enum substitute_missing missing, struct arena *arena, struct diag *diag);

/*
 * The length of the reference that the text begins with (`${...}` with its braces), 0 when it
 * begins with none.
 */
size_t substitute_reference(struct text t);

#endif
