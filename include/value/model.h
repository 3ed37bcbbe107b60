/*
 * model.h - an event's model: what its payload looks like, checked on every event.
 */
#ifndef VOLLEY_VALUE_MODEL_H
#define VOLLEY_VALUE_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/macros.h"
#include "base/text.h"
#include "value/node.h"
#include "value/value.h"

enum model_type {
	MODEL_ANY,
	MODEL_STRING,
	MODEL_NUMBER,
	MODEL_BOOLEAN,
	MODEL_DATE,
	MODEL_ARRAY,
	MODEL_OBJECT
};

struct model_property;

/* One place of the model. Any, an array without an element and an object without properties
 * are open. */
struct model {
	enum model_type type;
	const struct model *element; /* MODEL_ARRAY: of its elements; NULL: open */
	bool element_required;       /* no null elements ([String!]) */
	const struct model_property *properties; /* MODEL_OBJECT */
	size_t count;                            /* 0: open */
};

struct model_property {
	struct text name; /* without the ! */
	bool required;
	struct model model;
};

/* Whether everything below this place is allowed, of type Any. */
bool model_is_open(const struct model *model);

/* "String", "Array", ...: for messages. */
const char *model_type_name(enum model_type type);

/*
 * Compiles the value of an event's `model` key; NULL or a null node is the open object.
 * Mistakes go to diag with suggestions, and an open place stands for what was wrong. Lives
 * in the arena. Never NULL.
 */
const struct model *model_compile(
	const struct node *node, struct arena *arena, struct diag *diag);

/* One thing that does not fit, with its path as wildcards write it ("address.city",
 * "subscription.0.price"); "$payload" is the payload itself. */
struct model_mismatch {
	struct text path;
	struct text message;
};

struct model_mismatches {
	struct model_mismatch *items;
	size_t count; /* at most MODEL_MAX_MISMATCHES; checking goes no further */
};

enum { MODEL_MAX_MISMATCHES = 100 };

/*
 * Checks a payload: true when it fits. Mismatches are built in the arena, all of them, in
 * the order of the model. strict also refuses properties that the model does not name (not
 * below open places).
 */
must_check bool model_check(const struct model *model, bool strict,
	const struct value *payload, struct arena *arena,
	struct model_mismatches *mismatches);

#endif
