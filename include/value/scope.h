/*
 * scope.h - what a name may mean in a condition or a wildcard, and its value in one run.
 *
 * Names are bound once, at load, against the model and the specials that the place allows;
 * at run time a binding is only followed.
 */
#ifndef VOLLEY_VALUE_SCOPE_H
#define VOLLEY_VALUE_SCOPE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/macros.h"
#include "value/model.h"
#include "value/path.h"
#include "value/value.h"

/* The names beginning with $, in the order of the table in scope.c. */
enum special {
	SPECIAL_NONE, /* a path into the payload */
	SPECIAL_PAYLOAD,
	SPECIAL_EVENT_ID,
	SPECIAL_EVENT_NAME,
	SPECIAL_EVENT_RECEIVED_AT,
	SPECIAL_ENVIRONMENT,
	SPECIAL_RESPONSE, /* the rest only in triggers */
	SPECIAL_ERROR_MESSAGE,
	SPECIAL_ERROR_CODE,
	SPECIAL_ERROR_DETAIL,
	SPECIAL_ACTION_ID
};

/* What names may mean at some place of a file. */
struct scope {
	const struct model *model; /* of the event */
	bool specials;             /* wildcards: yes; conditions: no */
	bool trigger;              /* payload of onSuccess / onFailure */
};

/* A name that was found. */
struct binding {
	enum special special;
	struct path
		path; /* the whole payload path; below SPECIAL_RESPONSE what follows it */
	enum model_type type; /* of the value found there (of one element, where arrays >
	                         0); MODEL_ANY: open or unknown */
	bool open;     /* the path leads into or below an open place: arrays are told by the
	                  value */
	bool required; /* the model promises a value whenever the payload fits */
	unsigned arrays; /* arrays that the path goes through without an index, known from
	                    the model */
	const struct model *model; /* what the model says of the place; NULL: a special, or
	                              below an open place */
};

/*
 * Finds what the path means. False: nothing, and diag has an error at place with a
 * suggestion.
 */
must_check bool scope_bind(const struct scope *scope, struct path path, struct place place,
	struct arena *arena, struct diag *diag, struct binding *out);

/* What the names mean in one run; owned by the run. */
struct values {
	const struct value *payload;
	struct text event_id;    /* the run's id */
	struct text event_name;  /* the event's id, as in replies */
	struct text received_at; /* RFC 3339 */
	struct text environment; /* "live" or "test" */
	/* In triggers, else zero: */
	const struct value *response; /* NULL: null */
	struct text error_message;
	int error_code;
	struct text error_detail;
	struct text action_id;
};

/*
 * The value, or NULL when it is absent. A path through an array gives an array of the
 * elements' values (null where one has none; nested arrays stay nested), built in the
 * arena.
 */
const struct value *scope_value(
	const struct binding *binding, const struct values *values, struct arena *arena);

#endif
