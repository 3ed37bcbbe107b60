/*
 * options.c - a table of options read from a mapping, nested groups by their dotted names.
 *
 * One reader per type serves defaults, bounds and the file alike, so that all three are
 * written in the notation that people use. Messages never repeat a value: it may have come
 * from the environment. Refused: a setter function per option, which hides what exists.
 */
#include "conf/options.h"

#include <errno.h>
#include <stdlib.h>

#include "base/units.h"
#include "conf/map.h"
#include "value/decimal.h"

static bool parse_unsigned(struct text t, unsigned *out)
{
	*out = 0;
	for (size_t i = 0; i < t.len; i++) {
		if (t.at[i] < '0' || t.at[i] > '9' ||
			__builtin_mul_overflow(*out, 10u, out) ||
			__builtin_add_overflow(*out, (unsigned)(t.at[i] - '0'), out))
			return false;
	}
	return t.len > 0;
}

static bool parse_factor(struct text t, double *out)
{
	char digits[64];

	if (!decimal_valid(t) || t.len >= sizeof(digits))
		return false;
	memcpy(digits, t.at, t.len);
	digits[t.len] = '\0';
	errno = 0;
	*out = strtod(digits, NULL);
	return errno == 0;
}

union number {
	unsigned count;
	uint64_t large;
	double factor;
};

/* A value of a numeric type; false: it is none. */
static bool parse_number(enum option_type type, struct text t, union number *out)
{
	switch (type) {
	case OPTION_UNSIGNED:
		return parse_unsigned(t, &out->count);
	case OPTION_SIZE:
		return units_size(t, &out->large) && out->large <= SIZE_MAX;
	case OPTION_DURATION:
		return units_duration(t, &out->large);
	case OPTION_FACTOR:
		return parse_factor(t, &out->factor);
	default:
		return false;
	}
}

static int compare(enum option_type type, union number a, union number b)
{
	if (type == OPTION_UNSIGNED)
		return a.count < b.count ? -1 : a.count > b.count;
	if (type == OPTION_FACTOR)
		return a.factor < b.factor ? -1 : a.factor > b.factor;
	return a.large < b.large ? -1 : a.large > b.large;
}

static void store(const struct conf_option *option, union number number, void *target)
{
	void *at = (char *)target + option->offset;

	if (option->type == OPTION_UNSIGNED)
		*(unsigned *)at = number.count;
	else if (option->type == OPTION_SIZE)
		*(size_t *)at = (size_t)number.large;
	else if (option->type == OPTION_DURATION)
		*(uint64_t *)at = number.large;
	else
		*(double *)at = number.factor;
}

static const char *notation(enum option_type type)
{
	switch (type) {
	case OPTION_SIZE:
		return "a size, such as 64KiB or 1MiB";
	case OPTION_DURATION:
		return "a duration, such as 500ms, 10s or 24h";
	case OPTION_FACTOR:
		return "a number";
	case OPTION_UNSIGNED:
		return "a whole number";
	default:
		return "text";
	}
}

/* What was meant where a unit is missing or of another notation. Only a value that stands in
 * the file as it is can be repeated. */
static void hint_unit(
	const struct conf_option *option, const struct node *node, struct diag *diag)
{
	static const struct {
		const char *written, *meant;
	} sizes[] = { { "k", "KiB" }, { "kb", "KiB" }, { "kib", "KiB" }, { "m", "MiB" },
		{ "mb", "MiB" }, { "mib", "MiB" }, { "g", "GiB" }, { "gb", "GiB" },
		{ "gib", "GiB" } };
	struct text t = node->text, unit;
	size_t digits = 0;

	while (digits < t.len && t.at[digits] >= '0' && t.at[digits] <= '9')
		digits++;
	if (!digits || !node->place.exact)
		return;
	unit = (struct text){ t.at + digits, t.len - digits };
	if (option->type == OPTION_DURATION && !unit.len)
		diag_hint(diag, "a duration has a unit: %.*ss", TEXT_ARG(t));
	for (size_t i = 0; option->type == OPTION_SIZE && i < array_len(sizes); i++) {
		if (text_is_nocase(unit, sizes[i].written))
			diag_hint(diag, "write %.*s%s", (int)digits, t.at, sizes[i].meant);
	}
}

static void refuse_number(
	const struct conf_option *option, const struct node *node, struct diag *diag)
{
	if (option->type == OPTION_UNSIGNED) {
		diag_error(diag, node->place,
			"'%s' is a whole number, at least %s and at most %s", option->name,
			option->min ? option->min : "0",
			option->max ? option->max : "4294967295");
		return;
	}
	diag_error(diag, node->place, "'%s' is %s", option->name, notation(option->type));
	hint_unit(option, node, diag);
}

/* Whether the number lies on the wrong side of a bound; side: -1 below, 1 above. */
static bool is_beyond(const struct conf_option *option, union number number,
	const char *bound_text, int side)
{
	union number bound;

	return bound_text && parse_number(option->type, text_of(bound_text), &bound) &&
	       compare(option->type, number, bound) == side;
}

static void read_number(const struct conf_option *option, const struct node *node,
	void *target, struct diag *diag)
{
	union number number;
	bool low, high;

	if (!parse_number(option->type, node->text, &number)) {
		refuse_number(option, node, diag);
		return;
	}
	low = is_beyond(option, number, option->min, -1);
	high = is_beyond(option, number, option->max, 1);
	if (!low && !high)
		store(option, number, target);
	else if (option->type == OPTION_UNSIGNED)
		refuse_number(option, node, diag);
	else
		diag_error(diag, node->place, "'%s' is at %s %s", option->name,
			low ? "least" : "most", low ? option->min : option->max);
}

static void read_choice(const struct conf_option *option, const struct node *node,
	void *target, struct diag *diag)
{
	int index = map_word_index(option->choices, node->text);
	struct suggest suggest;

	if (index >= 0) {
		*(int *)((char *)target + option->offset) = index;
		return;
	}
	diag_error(diag, node->place, "'%s' is one of: %s", option->name, option->choices);
	suggest_init(&suggest, node->text);
	map_suggest_words(&suggest, option->choices);
	diag_suggest(diag, &suggest);
}

static void read_option(const struct conf_option *option, const struct node *node,
	void *target, struct arena *arena, struct diag *diag)
{
	if (node->kind == NODE_LIST || node->kind == NODE_MAP) {
		diag_error(diag, node->place, "'%s' is %s, not %s", option->name,
			option->type == OPTION_CHOICE ? "a word" : notation(option->type),
			node_kind_name(node->kind));
	} else if (option->type == OPTION_CHOICE) {
		read_choice(option, node, target, diag);
	} else if (option->type != OPTION_TEXT) {
		read_number(option, node, target, diag);
	} else if (node->text.len == 0 || memchr(node->text.at, '\0', node->text.len)) {
		diag_error(diag, node->place, "'%s' is empty or holds a NUL character",
			option->name);
	} else {
		*(const char **)((char *)target +
				 option->offset) = arena_text(arena, node->text).at;
	}
}

void options_defaults(const struct conf_option *table, void *target, struct arena *arena)
{
	for (const struct conf_option *o = table; o->name; o++) {
		struct node node = { .kind = NODE_STRING };
		union number number;

		if (!o->fallback || o->type == OPTION_CUSTOM)
			continue;
		node.text = text_of(o->fallback);
		if (o->type == OPTION_TEXT)
			*(const char **)((char *)target + o->offset) = o->fallback;
		else if (o->type == OPTION_CHOICE)
			*(int *)((char *)target + o->offset) = map_word_index(
				o->choices, node.text);
		else if (parse_number(o->type, node.text, &number))
			store(o, number, target);
	}
}

/* ---- what is not in force ------------------------------------------------------------- */

void options_idle(struct strbuf *idle, struct text name)
{
	struct text have;

	if (!idle)
		return;
	have = strbuf_get(idle);
	for (size_t at = 0; at < have.len;) {
		const char *comma = memmem(have.at + at, have.len - at, ", ", 2);
		size_t end = comma ? (size_t)(comma - have.at) : have.len;

		if (text_equal(name, (struct text){ have.at + at, end - at }))
			return;
		at = end + 2;
	}
	if (have.len)
		strbuf_string(idle, ", ");
	strbuf_text(idle, name);
}

/* The group's name where nothing of the group is in force, else the option's. */
static void note_idle(const struct conf_option *table, const struct conf_option *option,
	struct strbuf *idle)
{
	size_t group = strcspn(option->name, ".");
	struct text name = { option->name, group };

	for (const struct conf_option *o = table; o->name; o++) {
		if (strncmp(o->name, option->name, group) == 0 && o->name[group] == '.' &&
			o->in_force)
			name = text_of(option->name);
	}
	options_idle(idle, name);
}

/* ---- a mapping ------------------------------------------------------------------------ */

/* The row of prefix + key; else NULL, *is_group telling whether rows stand below it. What
 * stands at this level is offered as a suggestion. */
static const struct conf_option *find(const struct conf_option *table, const char *prefix,
	struct text key, bool *is_group, struct suggest *suggest)
{
	size_t prefix_len = strlen(prefix);

	*is_group = false;
	for (const struct conf_option *o = table; o->name; o++) {
		struct text rest;

		if (strncmp(o->name, prefix, prefix_len) != 0)
			continue;
		rest = text_of(o->name + prefix_len);
		if (text_equal(rest, key) && !memchr(rest.at, '.', rest.len))
			return o;
		rest.len = strcspn(rest.at, ".");
		*is_group = *is_group || text_equal(rest, key);
		suggest_offer(suggest, rest);
	}
	return NULL;
}

static void read_entry(const struct conf_option *table, const char *prefix,
	const struct node_entry *entry, void *target, struct arena *arena,
	struct diag *diag, struct strbuf *idle)
{
	struct suggest suggest;
	bool is_group;
	const struct conf_option *option;

	suggest_init(&suggest, entry->key);
	option = find(table, prefix, entry->key, &is_group, &suggest);
	if (option) {
		if (option->type == OPTION_CUSTOM || node_is_null(entry->value))
			return;
		read_option(option, entry->value, target, arena, diag);
		if (!option->in_force)
			note_idle(table, option, idle);
	} else if (is_group) {
		options_read(table,
			arena_printf(arena, "%s%.*s.", prefix, TEXT_ARG(entry->key)),
			entry->value, target, arena, diag, idle);
	} else {
		diag_error(diag, entry->key_place, "unknown key '%s%.*s'", prefix,
			TEXT_ARG(entry->key));
		diag_suggest(diag, &suggest);
	}
}

void options_read(const struct conf_option *table, const char *prefix,
	const struct node *map, void *target, struct arena *arena, struct diag *diag,
	struct strbuf *idle)
{
	if (node_is_null(map))
		return;
	if (map->kind != NODE_MAP) {
		diag_error(diag, map->place, "'%.*s' is a mapping, not %s",
			(int)(strlen(prefix) - (*prefix != '\0')), prefix,
			node_kind_name(map->kind));
		return;
	}
	for (size_t i = 0; i < map->count; i++) {
		if (!map_key_is_private(map->entries[i].key))
			read_entry(
				table, prefix, &map->entries[i], target, arena, diag, idle);
	}
}
