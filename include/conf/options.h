/*
 * options.h - one table describes a group of settings; reading, defaults, help and the
 * manual follow.
 */
#ifndef VOLLEY_CONF_OPTIONS_H
#define VOLLEY_CONF_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/macros.h"
#include "base/strbuf.h"
#include "value/node.h"

enum option_type {
	OPTION_UNSIGNED, /* unsigned */
	OPTION_SIZE,     /* size_t, bytes */
	OPTION_DURATION, /* uint64_t, nanoseconds */
	OPTION_TEXT,     /* const char * */
	OPTION_CHOICE,   /* int: index into choices */
	OPTION_FACTOR,   /* double */
	OPTION_CUSTOM    /* read by the group's owner */
};

struct conf_option {
	const char *name; /* "limits.body": the path in the file; NULL ends a table */
	enum option_type type;
	size_t offset;         /* in the struct that the table fills */
	const char *fallback;  /* default as written in YAML; NULL: none */
	const char *min, *max; /* bounds as written; NULL: none */
	const char *choices;   /* OPTION_CHOICE: "logfmt|json" */
	bool in_force;         /* false: checked now, has no effect in this version */
	const char *help;      /* one line, for people */
};

/* Fills every row's target with its default. */
void options_defaults(const struct conf_option *table, void *target, struct arena *arena);

/*
 * Reads a map against the table: nested groups by their dotted names, unknown keys are
 * errors with a suggestion, values are checked for type and bounds. Errors go to diag.
 * `prefix` selects a group
 * ("pool." for an account half's pool; "" for all). Keys given that are not in force are
 * appended to idle, separated by ", ".
 */
void options_read(const struct conf_option *table, const char *prefix,
	const struct node *map, void *target, struct arena *arena, struct diag *diag,
	struct strbuf *idle);

/* Appends a name to a list of names that are not in force, once. idle may be NULL. */
void options_idle(struct strbuf *idle, struct text name);

#endif
