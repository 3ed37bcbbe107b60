/*
 * service.c - what all connectors share: whether a file's fields have the shape that a table
 * says.
 *
 * The table of fields is the only description of a template or an account, so checking it
 * stands here once and a connector's compile() meets only known, well-shaped fields. A
 * checker per connector was refused: messages and suggestions would differ by service.
 */
#include "service/service.h"

#include <string.h>

#include "base/units.h"
#include "conf/map.h"
#include "value/wildcard.h"

/* One map being checked. */
struct check {
	const struct field *fields;
	const char *what;
	struct diag *diag;
	struct arena *arena; /* for wildcards that are read and forgotten */
};

static bool is_scalar(const struct node *node)
{
	return node->kind != NODE_LIST && node->kind != NODE_MAP;
}

static bool wrong_shape(struct check *check, const struct field *field,
	const struct node *node, const char *wanted)
{
	diag_error(check->diag, node->place, "%s of %s must be %s, not %s", field->name,
		check->what, wanted, node_kind_name(node->kind));
	return false;
}

static bool refuse_wildcard(
	struct check *check, const struct field *field, const struct node *node)
{
	if (!is_scalar(node) || !wildcard_is_in(node->text, check->arena))
		return true;
	diag_error(check->diag, node->place, "%s of %s takes no wildcard", field->name,
		check->what);
	return false;
}

static bool check_choice(
	struct check *check, const struct field *field, const struct node *node)
{
	const char *at = field->choices;
	struct suggest suggest;

	if (!is_scalar(node))
		return wrong_shape(check, field, node, "one word");
	suggest_init(&suggest, node->text);
	while (*at) {
		struct text choice = { at, strcspn(at, "|") };

		if (text_equal(choice, node->text))
			return true;
		suggest_offer(&suggest, choice);
		at += choice.len + (at[choice.len] == '|');
	}
	if (!refuse_wildcard(check, field, node))
		return false;
	diag_error(check->diag, node->place, "%s of %s must be one of %s", field->name,
		check->what, field->choices);
	diag_suggest(check->diag, &suggest);
	return false;
}

static bool check_duration(
	struct check *check, const struct field *field, const struct node *node)
{
	uint64_t ns;

	if (!is_scalar(node))
		return wrong_shape(check, field, node, "a duration");
	if (wildcard_is_in(node->text, check->arena) || units_duration(node->text, &ns))
		return true;
	diag_error(check->diag, node->place, "%s of %s must be a duration", field->name,
		check->what);
	if (node->kind == NODE_NUMBER)
		diag_hint(
			check->diag, "a duration has a unit: %.*ss", TEXT_ARG(node->text));
	else
		diag_hint(check->diag, "for example 500ms, 10s, 5m, 24h or 7d");
	return false;
}

static bool check_flag(
	struct check *check, const struct field *field, const struct node *node)
{
	if (node->kind == NODE_BOOLEAN)
		return true;
	return refuse_wildcard(check, field, node) &&
	       wrong_shape(check, field, node, "true or false");
}

static bool check_shape(
	struct check *check, const struct field *field, const struct node *node)
{
	switch (field->kind) {
	case FIELD_VALUE:
		return true;
	case FIELD_TEXT:
	case FIELD_IDENTIFIER:
		return is_scalar(node) || wrong_shape(check, field, node, "text");
	case FIELD_LITERAL:
		return is_scalar(node) ? refuse_wildcard(check, field, node)
				       : wrong_shape(check, field, node, "text");
	case FIELD_LIST:
		return node->kind == NODE_LIST || wrong_shape(check, field, node, "a list");
	case FIELD_MAP:
		return node->kind == NODE_MAP ||
		       wrong_shape(check, field, node, "a mapping");
	case FIELD_FLAG:
		return check_flag(check, field, node);
	case FIELD_CHOICE:
		return check_choice(check, field, node);
	case FIELD_DURATION:
		return check_duration(check, field, node);
	}
	return true;
}

/* Looks for `{name}` that YAML read as a mapping: the quotes were forgotten. */
static bool check_quotes(struct check *check, const struct node *node)
{
	bool good = true;

	if (node->kind == NODE_LIST)
		for (size_t i = 0; i < node->count; i++)
			good &= check_quotes(check, node->items[i]);
	if (node->kind != NODE_MAP)
		return good;
	for (size_t i = 0; i < node->count; i++) {
		const struct node_entry *entry = &node->entries[i];

		if (entry->value_missing) {
			diag_error(check->diag, entry->key_place,
				"{%.*s} without quotes is a mapping to YAML",
				TEXT_ARG(entry->key));
			diag_hint(check->diag, "write \"{%.*s}\"", TEXT_ARG(entry->key));
			good = false;
		} else {
			good &= check_quotes(check, entry->value);
		}
	}
	return good;
}

static const struct field *find_field(struct check *check, struct text key)
{
	for (const struct field *field = check->fields; field->name; field++)
		if (text_is(key, field->name))
			return field;
	return NULL;
}

static struct suggest nearest_field(struct check *check, struct text key)
{
	struct suggest suggest;

	suggest_init(&suggest, key);
	for (const struct field *field = check->fields; field->name; field++)
		suggest_offer(&suggest, text_of(field->name));
	return suggest;
}

/* Whether the field is missing because an unknown key is it, misspelt: said already. */
static bool is_misspelt(
	struct check *check, const struct field *field, const struct node *map)
{
	for (size_t i = 0; !node_is_null(map) && i < map->count; i++) {
		struct text key = map->entries[i].key;
		struct suggest suggest = nearest_field(check, key);

		if (!map_key_is_private(key) && !find_field(check, key) &&
			suggest_found(&suggest) && text_is(suggest.best, field->name))
			return true;
	}
	return false;
}

static bool unknown_field(struct check *check, const struct node_entry *entry)
{
	struct suggest suggest = nearest_field(check, entry->key);

	if (map_key_is_private(entry->key))
		return true;
	diag_error(check->diag, entry->key_place, "unknown field '%.*s' in %s",
		TEXT_ARG(entry->key), check->what);
	diag_suggest(check->diag, &suggest);
	return false;
}

static bool check_entry(struct check *check, const struct node_entry *entry)
{
	const struct field *field = find_field(check, entry->key);

	if (!field)
		return unknown_field(check, entry);
	if (!check_quotes(check, entry->value))
		return false;
	if (!node_is_null(entry->value))
		return check_shape(check, field, entry->value);
	if (field->kind == FIELD_VALUE || !(field->flags & FIELD_REQUIRED))
		return true;
	diag_error(check->diag, entry->key_place, "%s of %s must have a value", field->name,
		check->what);
	return false;
}

bool service_check_fields(const struct field *fields, const struct node *map,
	struct place where, const char *what, struct diag *diag)
{
	struct check check = { fields, what, diag, NULL };
	bool good = true;

	if (!node_is_null(map) && map->kind != NODE_MAP) {
		diag_error(diag, map->place, "%s must be a mapping, not %s", what,
			node_kind_name(map->kind));
		return false;
	}
	check.arena = arena_new();
	for (size_t i = 0; !node_is_null(map) && i < map->count; i++)
		good &= check_entry(&check, &map->entries[i]);
	for (const struct field *field = fields; field->name; field++) {
		if (!(field->flags & FIELD_REQUIRED) ||
			(!node_is_null(map) && node_entry(map, text_of(field->name))))
			continue;
		good = false;
		if (is_misspelt(&check, field, map))
			continue;
		diag_error(diag, where, "%s lacks '%s'", what, field->name);
		diag_hint(diag, "%s: %s", field->name, field->help);
	}
	arena_free(check.arena);
	return good;
}
