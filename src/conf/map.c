/*
 * map.c - mappings of files: unknown keys, and the scalars that every reader wants.
 *
 * Null counts as absent everywhere, as people write `name:` and mean nothing. Numbers and
 * booleans serve as text (version: 1.0), for a file's writer need not know what YAML takes
 * them for. Refused: a table with offsets for each file, as for the settings: events and
 * accounts are trees of few keys, each with its own rule.
 */
#include "conf/map.h"

bool map_key_is_private(struct text key)
{
	return key.len >= 2 && memcmp(key.at, "x-", 2) == 0;
}

static bool is_known(const char *const *names, struct text key, struct suggest *suggest)
{
	for (size_t i = 0; names[i]; i++) {
		if (text_is(key, names[i]))
			return true;
		suggest_offer(suggest, text_of(names[i]));
	}
	return false;
}

bool map_check(const struct node *map, struct place where, const char *const *names,
	const char *what, struct diag *diag)
{
	bool ok = true;

	if (node_is_null(map))
		return true;
	if (map->kind != NODE_MAP) {
		diag_error(diag, map->place.source ? map->place : where,
			"%s is a mapping, not %s", what, node_kind_name(map->kind));
		return false;
	}
	for (size_t i = 0; i < map->count; i++) {
		const struct node_entry *entry = &map->entries[i];
		struct suggest suggest;

		suggest_init(&suggest, entry->key);
		if (map_key_is_private(entry->key) || is_known(names, entry->key, &suggest))
			continue;
		diag_error(diag, entry->key_place, "unknown key '%.*s' in %s",
			TEXT_ARG(entry->key), what);
		diag_suggest(diag, &suggest);
		ok = false;
	}
	return ok;
}

bool map_misspelt(const struct node *map, const char *key, const char *const *names)
{
	for (size_t i = 0; names && !node_is_null(map) && i < map->count; i++) {
		struct text written = map->entries[i].key;
		struct suggest suggest;

		suggest_init(&suggest, written);
		if (!map_key_is_private(written) && !is_known(names, written, &suggest) &&
			suggest_found(&suggest) && text_is(suggest.best, key))
			return true;
	}
	return false;
}

struct text map_text(const struct node *map, const char *key, struct diag *diag)
{
	const struct node *node = node_get(map, key);

	if (node_is_null(node))
		return (struct text){ NULL, 0 };
	if (node->kind == NODE_LIST || node->kind == NODE_MAP) {
		diag_error(diag, node->place, "'%s' is text, not %s", key,
			node_kind_name(node->kind));
		return (struct text){ NULL, 0 };
	}
	if (memchr(node->text.at, '\0', node->text.len)) {
		diag_error(diag, node->place, "'%s' holds a NUL character", key);
		return (struct text){ NULL, 0 };
	}
	return node->text;
}

bool map_text_required(const struct node *map, const char *key, const char *const *names,
	const char *what, struct place where, struct text *out, struct diag *diag)
{
	const struct node *node = node_get(map, key);
	size_t before = diag_errors(diag);

	*out = map_text(map, key, diag);
	if (out->len)
		return true;
	if (diag_errors(diag) == before && (node || !map_misspelt(map, key, names)))
		diag_error(diag, node ? node->place : where, "%s needs '%s'", what, key);
	return false;
}

bool map_flag(const struct node *map, const char *key, bool fallback, struct diag *diag)
{
	const struct node *node = node_get(map, key);

	if (node_is_null(node))
		return fallback;
	if (node->kind == NODE_BOOLEAN)
		return node->boolean;
	diag_error(diag, node->place, "'%s' is true or false", key);
	if (node->kind == NODE_STRING)
		diag_hint(diag, "without quotes, and not yes or no");
	return fallback;
}

int map_word_index(const char *words, struct text word)
{
	for (int index = 0;; index++) {
		size_t len = strcspn(words, "|");

		if (text_equal(word, (struct text){ words, len }))
			return index;
		if (!words[len])
			return -1;
		words += len + 1;
	}
}

void map_suggest_words(struct suggest *suggest, const char *words)
{
	for (;;) {
		size_t len = strcspn(words, "|");

		suggest_offer(suggest, (struct text){ words, len });
		if (!words[len])
			return;
		words += len + 1;
	}
}

bool map_choice(const struct node *map, const char *key, const char *words, int fallback,
	int *out, struct diag *diag)
{
	const struct node *node = node_get(map, key);
	struct suggest suggest;
	size_t before = diag_errors(diag);
	struct text t = map_text(map, key, diag);

	*out = fallback;
	if (!t.at)
		return diag_errors(diag) == before;
	*out = map_word_index(words, t);
	if (*out >= 0)
		return true;
	suggest_init(&suggest, t);
	map_suggest_words(&suggest, words);
	diag_error(diag, node->place, "'%s' is one of: %s", key, words);
	diag_suggest(diag, &suggest);
	return false;
}

struct place map_place(const struct node *map, const char *key, struct place otherwise)
{
	const struct node *node = node_get(map, key);

	return node ? node->place : otherwise;
}

bool map_is_id(struct text t, struct place place, struct diag *diag)
{
	bool ok = t.len > 0 && t.len <= 100 && t.at[0] != '.' && t.at[0] != '-';

	for (size_t i = 0; ok && i < t.len; i++) {
		char c = t.at[i];

		ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		     (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
	}
	if (ok)
		return true;
	diag_error(diag, place, "this is no id");
	diag_hint(diag, "an id has 1 to 100 letters, digits, '_', '.' and '-', and does "
			"not begin with "
			"'.' or '-'");
	return false;
}
