/*
 * map.h - reading a mapping of a file: its keys, and the plain scalars under them.
 */
#ifndef VOLLEY_CONF_MAP_H
#define VOLLEY_CONF_MAP_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/macros.h"
#include "base/text.h"
#include "value/node.h"

/* Whether a key is the user's own (`x-...`), which no reader looks at. */
bool map_key_is_private(struct text key);

/*
 * Whether the node is a mapping (or null, which counts as an empty one), with no other keys
 * than `names` (NULL-terminated) and `x-` ones. False: diag has errors, with suggestions.
 * `what` names it in messages ("a filter").
 */
bool map_check(const struct node *map, struct place where, const char *const *names,
	const char *what, struct diag *diag);

/*
 * The scalar under a key as text; at NULL: absent or null. A list or mapping there is an error
 * and counts as absent.
 */
struct text map_text(const struct node *map, const char *key, struct diag *diag);

/*
 * Whether one of the map's unknown keys is `key` misspelt: of the names it is the nearest. For
 * that key map_check() says all; that the right one is missing need not be said too. names may
 * be NULL: then map_check() is not called for this map.
 */
bool map_misspelt(const struct node *map, const char *key, const char *const *names);

/*
 * The same as map_text(), and an error when it is absent or empty, unless it is misspelt.
 * False: there is an error, here or of map_check() with the same names.
 */
bool map_text_required(const struct node *map, const char *key, const char *const *names,
	const char *what, struct place where, struct text *out, struct diag *diag);

/* true or false under a key; fallback when absent, null or (an error) something else. */
bool map_flag(const struct node *map, const char *key, bool fallback, struct diag *diag);

/*
 * The index of the scalar under a key among words ("live|test"); fallback when absent or null.
 * False: it is none of them, and diag has an error with a suggestion.
 */
must_check bool map_choice(const struct node *map, const char *key, const char *words,
	int fallback, int *out, struct diag *diag);

/* The index of a word among "a|b|c", or -1. */
int map_word_index(const char *words, struct text word);

/* Offers each of the words. */
void map_suggest_words(struct suggest *suggest, const char *words);

/* The place of a key's value, or of the map itself. */
struct place map_place(const struct node *map, const char *key, struct place otherwise);

/*
 * Whether the text is an id: [A-Za-z0-9_][A-Za-z0-9_.-]{0,99}. False: diag has an error.
 */
bool map_is_id(struct text t, struct place place, struct diag *diag);

#endif
