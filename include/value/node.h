/*
 * node.h - a plain tree of names and scalars with places: what a file says before it means
 * anything.
 *
 * conf/yaml builds it from YAML; model, template and the connectors read it. Aliases and
 * merge keys are already resolved; keys of a map are unique.
 */
#ifndef VOLLEY_VALUE_NODE_H
#define VOLLEY_VALUE_NODE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/text.h"

enum node_kind { NODE_NULL, NODE_BOOLEAN, NODE_NUMBER, NODE_STRING, NODE_LIST, NODE_MAP };

struct node;

struct node_entry {
	struct text key;
	struct place key_place;
	const struct node *value;
	bool value_missing; /* a flow mapping's member without a colon: `{name}` */
};

struct node {
	enum node_kind kind;
	struct place place; /* a scalar's text without its quotes; a list or map from its
	                       start */
	struct text text; /* a scalar as written, decoded (a number's exact digits, "true",
	                     ...) */
	bool boolean;
	size_t count; /* of items or entries */
	union {
		const struct node **items;
		struct node_entry *entries;
	};
};

/* The value under a key of a map, or NULL; NULL too when the node is no map or is NULL. */
const struct node *node_get(const struct node *map, const char *key);

/* The entry under a key, or NULL. */
const struct node_entry *node_entry(const struct node *map, struct text key);

/* "a list", "a mapping", "text", ...: for messages. */
const char *node_kind_name(enum node_kind kind);

/* A copy of the tree that needs nothing of the original's arena but the places' sources. */
struct node *node_copy(const struct node *node, struct arena *arena);

/* Whether a node is absent or null. */
bool node_is_null(const struct node *node);

#endif
