/*
 * legacy.h - what is known by name and may not be served by this version: the original
 * platform's catalogue, and what is specified beyond it.
 */
#ifndef VOLLEY_CATALOG_LEGACY_H
#define VOLLEY_CATALOG_LEGACY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/diag.h"
#include "base/text.h"

struct legacy_action {
	const char *action;
	const char *operation;      /* NULL: it has none */
	const char *service_action; /* as replies name it; NULL: the action's name */
};

struct legacy_type {
	const char *name;
	const char *alias;                   /* NULL: none */
	const struct legacy_action *actions; /* ended by a NULL action */
};

/* The type of that name or alias, or NULL. */
const struct legacy_type *legacy_type(struct text name);

/* Whether the type has the action, and whether that one has operations. */
bool legacy_has_action(
	const struct legacy_type *type, struct text action, bool *operations);

/*
 * The action's row; operation at NULL: none given. NULL: there is no such action, or not with
 * this operation.
 */
const struct legacy_action *legacy_action(
	const struct legacy_type *type, struct text action, struct text operation);

/* Offer names as suggestions. */
void legacy_suggest_types(struct suggest *suggest);
void legacy_suggest_actions(const struct legacy_type *type, struct suggest *suggest);
void legacy_suggest_operations(
	const struct legacy_type *type, struct text action, struct suggest *suggest);

#endif
