/*
 * model.c - an event's model, compiled from its YAML and checked on payloads.
 *
 * The compiled model is the tree of the file with types as numbers; a check walks it
 * beside the payload and keeps the way down as a chain on the C stack, which becomes text
 * only for a mismatch.
 *
 * Refused: JSON Schema. The model is the original platform's format, and people's files
 * are written in it.
 */
#include "value/model.h"

#include <stdint.h>
#include <stdio.h>

#include "value/date.h"
#include "value/path.h"

static const char *const type_names[] = {
	[MODEL_ANY] = "Any",
	[MODEL_STRING] = "String",
	[MODEL_NUMBER] = "Number",
	[MODEL_BOOLEAN] = "Boolean",
	[MODEL_DATE] = "Date",
	[MODEL_ARRAY] = "Array",
	[MODEL_OBJECT] = "Object",
};

/* What people write for a type that has another name here. */
static const struct {
	const char *written;
	enum model_type type;
} other_names[] = {
	{ "text", MODEL_STRING },
	{ "str", MODEL_STRING },
	{ "int", MODEL_NUMBER },
	{ "integer", MODEL_NUMBER },
	{ "float", MODEL_NUMBER },
	{ "double", MODEL_NUMBER },
	{ "decimal", MODEL_NUMBER },
	{ "bool", MODEL_BOOLEAN },
	{ "datetime", MODEL_DATE },
	{ "timestamp", MODEL_DATE },
	{ "list", MODEL_ARRAY },
	{ "map", MODEL_OBJECT },
	{ "json", MODEL_ANY },
};

bool model_is_open(const struct model *model)
{
	switch (model->type) {
	case MODEL_ANY:
		return true;
	case MODEL_ARRAY:
		return !model->element;
	case MODEL_OBJECT:
		return model->count == 0;
	default:
		return false;
	}
}

const char *model_type_name(enum model_type type)
{
	return type_names[type];
}

/* Compiling. */

struct compiler {
	struct arena *arena;
	struct diag *diag;
};

static struct model compile_type(
	struct compiler *c, const struct node *node, bool *required);

/* Takes a last ! off. */
static bool take_mark(struct text *t)
{
	if (t->len == 0 || t->at[t->len - 1] != '!')
		return false;
	t->len--;
	return true;
}

static bool find_type(struct text name, enum model_type *type)
{
	for (size_t i = 0; i < array_len(type_names); i++) {
		if (text_is_nocase(name, type_names[i])) {
			*type = (enum model_type)i;
			return true;
		}
	}
	return false;
}

static void hint_types(struct compiler *c)
{
	diag_hint(
		c->diag, "types are String, Number, Boolean, Date, Array, Object and Any");
}

/* Another name for a type, or the nearest by letters. */
static void hint_type(struct compiler *c, struct text written)
{
	struct suggest suggest;

	for (size_t i = 0; i < array_len(other_names); i++) {
		if (text_is_nocase(written, other_names[i].written)) {
			diag_hint(c->diag, "did you mean '%s'?",
				type_names[other_names[i].type]);
			return;
		}
	}
	suggest_init(&suggest, written);
	for (size_t i = 0; i < array_len(type_names); i++)
		suggest_offer(&suggest, text_of(type_names[i]));
	if (suggest_found(&suggest))
		diag_suggest(c->diag, &suggest);
	else
		hint_types(c);
}

static struct model compile_name(
	struct compiler *c, const struct node *node, bool *required)
{
	struct text name = node->text;
	struct model model = { .type = MODEL_ANY };

	if (take_mark(&name))
		*required = true;
	if (!find_type(name, &model.type)) {
		diag_error(c->diag, place_within(node->place, 0, name.len),
			"'%.*s' is no type", TEXT_ARG(name));
		hint_type(c, name);
	}
	return model;
}

static struct model compile_list(struct compiler *c, const struct node *node)
{
	struct model model = { .type = MODEL_ARRAY };
	struct model *element;

	if (node->count == 0)
		return model;
	if (node->count > 1) {
		diag_error(c->diag, node->items[1]->place,
			"a list in a model has one element: what each element of the "
			"array looks like");
		return model;
	}
	element = arena_alloc(c->arena, sizeof(*element));
	*element = compile_type(c, node->items[0], &model.element_required);
	model.element = element;
	return model;
}

/* Finds a property of that name among the first `count` entries. */
static const struct node_entry *earlier_entry(
	const struct node *map, size_t count, struct text name)
{
	for (size_t i = 0; i < count; i++) {
		struct text key = map->entries[i].key;

		take_mark(&key);
		if (text_equal(key, name))
			return &map->entries[i];
	}
	return NULL;
}

static void compile_property(struct compiler *c, const struct node *map, size_t index,
	struct model_property *property)
{
	const struct node_entry *entry = &map->entries[index], *earlier;

	property->name = entry->key;
	property->required = take_mark(&property->name);
	if (node_is_null(entry->value)) {
		diag_error(c->diag, entry->key_place, "the property '%.*s' has no type",
			TEXT_ARG(property->name));
		hint_types(c);
		return;
	}
	property->model = compile_type(c, entry->value, &property->required);
	if (property->name.len == 0) {
		diag_error(c->diag, entry->key_place, "a property needs a name");
		return;
	}
	earlier = earlier_entry(map, index, property->name);
	if (earlier) {
		diag_error(c->diag, entry->key_place, "the property '%.*s' stands twice",
			TEXT_ARG(property->name));
		diag_note(c->diag, earlier->key_place, "first stands here");
	}
}

static struct model compile_map(struct compiler *c, const struct node *node)
{
	struct model model = { .type = MODEL_OBJECT, .count = node->count };
	struct model_property *properties = arena_zalloc(
		c->arena, node->count, sizeof(*properties));

	for (size_t i = 0; i < node->count; i++)
		compile_property(c, node, i, &properties[i]);
	model.properties = properties;
	return model;
}

/* Sets *required when the place itself says so with a ! behind its type. */
static struct model compile_type(
	struct compiler *c, const struct node *node, bool *required)
{
	switch (node ? node->kind : NODE_NULL) {
	case NODE_STRING:
		return compile_name(c, node, required);
	case NODE_LIST:
		return compile_list(c, node);
	case NODE_MAP:
		return compile_map(c, node);
	default:
		break;
	}
	diag_error(c->diag, node ? node->place : (struct place){ 0 },
		"a type, a mapping or a list must stand here, not %s",
		node_kind_name(node ? node->kind : NODE_NULL));
	hint_types(c);
	return (struct model){ .type = MODEL_ANY };
}

const struct model *model_compile(
	const struct node *node, struct arena *arena, struct diag *diag)
{
	struct compiler c = { arena, diag };
	struct model *model = arena_zalloc(arena, 1, sizeof(*model));

	model->type = MODEL_OBJECT;
	if (node_is_null(node))
		return model;
	if (node->kind == NODE_MAP)
		*model = compile_map(&c, node);
	else
		diag_error(diag, node->place,
			"a model is a mapping of property names to types, not %s",
			node_kind_name(node->kind));
	return model;
}

/* Checking. */

/* A step on the way down to the place that is looked at. */
struct step {
	const struct step *up; /* NULL: the payload itself */
	struct text name;      /* of a member; at NULL: an element */
	size_t index;
};

struct check {
	struct arena *arena;
	bool strict;
	struct model_mismatches *found;
};

static void check_value(struct check *c, const struct model *model, const struct value *v,
	const struct step *at);

static bool check_full(const struct check *c)
{
	return c->found->count == MODEL_MAX_MISMATCHES;
}

/* The way down as wildcards write it; the payload itself is $payload. */
static struct text step_path(struct arena *arena, const struct step *at)
{
	struct path_part *parts;
	struct strbuf out;
	size_t count = 0, i;

	for (const struct step *step = at; step->up; step = step->up)
		count++;
	if (count == 0)
		return TEXT("$payload");
	parts = arena_zalloc(arena, count, sizeof(*parts));
	for (i = count; at->up; at = at->up) {
		struct path_part *part = &parts[--i];

		if (at->name.at) {
			part->name = at->name;
			part->quoted = at->name.len > 0 && at->name.at[0] == '$';
		} else {
			part->name = text_of(arena_printf(arena, "%zu", at->index));
			part->digits = true;
			part->index = at->index;
		}
	}
	strbuf_init_arena(&out, arena, SIZE_MAX);
	path_write(&out, (struct path){ parts, count });
	return strbuf_get(&out);
}

static void add_mismatch(struct check *c, const struct step *at, const char *message)
{
	struct model_mismatches *found = c->found;

	if (check_full(c))
		return;
	if (!found->items)
		found->items = arena_alloc(
			c->arena, MODEL_MAX_MISMATCHES * sizeof(*found->items));
	found->items[found->count].path = step_path(c->arena, at);
	found->items[found->count].message = text_of(message);
	found->count++;
}

static const char *article(const char *noun)
{
	return strchr("AO", noun[0]) ? "an" : "a";
}

static void add_type_mismatch(
	struct check *c, const struct step *at, enum model_type type, const struct value *v)
{
	const char *want = model_type_name(type), *have = value_type_name(v->type);
	bool is_null = v->type == VALUE_NULL;

	add_mismatch(c, at,
		arena_printf(c->arena, "must be %s %s, not %s%s%s", article(want), want,
			is_null ? "" : article(have), is_null ? "" : " ", have));
}

static bool has_type(const struct value *v, enum model_type type)
{
	static const enum value_type wanted[] = {
		[MODEL_STRING] = VALUE_STRING,
		[MODEL_NUMBER] = VALUE_NUMBER,
		[MODEL_BOOLEAN] = VALUE_BOOLEAN,
		[MODEL_DATE] = VALUE_STRING,
		[MODEL_ARRAY] = VALUE_ARRAY,
		[MODEL_OBJECT] = VALUE_OBJECT,
	};

	return type == MODEL_ANY || v->type == wanted[type];
}

/* Clients mostly write members in the model's order: the search begins at *next, where the
 * last one was found, and goes around once. */
static const struct value *find_member(
	const struct value *object, struct text name, size_t *next)
{
	size_t count = object->object.count;

	for (size_t i = 0, at = *next; i < count; i++, at++) {
		const struct member *member;

		if (at >= count)
			at = 0;
		member = &object->object.members[at];
		if (text_equal(member->name, name)) {
			*next = at + 1;
			return &member->value;
		}
	}
	return NULL;
}

static void check_property(struct check *c, const struct model_property *property,
	const struct value *v, const struct step *object)
{
	struct step at = { object, property->name, 0 };

	if (v && v->type != VALUE_NULL)
		check_value(c, &property->model, v, &at);
	else if (property->required)
		add_mismatch(
			c, &at, v ? "is required and must not be null" : "is required");
}

static void refuse_unknown(struct check *c, const struct model *model, struct text name,
	const struct step *object)
{
	struct step at = { object, name, 0 };
	const char *message = "is not in the model";
	struct suggest suggest;

	suggest_init(&suggest, name);
	for (size_t i = 0; i < model->count; i++)
		suggest_offer(&suggest, model->properties[i].name);
	if (suggest_found(&suggest))
		message = arena_printf(c->arena,
			"is not in the model; did you mean '%.*s'?",
			TEXT_ARG(suggest.best));
	add_mismatch(c, &at, message);
}

static bool has_property(const struct model *model, struct text name)
{
	for (size_t i = 0; i < model->count; i++)
		if (text_equal(model->properties[i].name, name))
			return true;
	return false;
}

static void check_object(struct check *c, const struct model *model, const struct value *v,
	const struct step *at)
{
	size_t next = 0;

	for (size_t i = 0; i < model->count && !check_full(c); i++) {
		const struct model_property *property = &model->properties[i];

		check_property(c, property, find_member(v, property->name, &next), at);
	}
	if (!c->strict)
		return;
	for (size_t i = 0; i < v->object.count && !check_full(c); i++)
		if (!has_property(model, v->object.members[i].name))
			refuse_unknown(c, model, v->object.members[i].name, at);
}

static void check_array(struct check *c, const struct model *model, const struct value *v,
	const struct step *at)
{
	for (size_t i = 0; i < v->array.count && !check_full(c); i++) {
		const struct value *element = &v->array.items[i];
		struct step below = { at, { NULL, 0 }, i };

		if (element->type != VALUE_NULL)
			check_value(c, model->element, element, &below);
		else if (model->element_required)
			add_mismatch(c, &below, "must not be null");
	}
}

/* v is not null, unless it is the payload itself. */
static void check_value(struct check *c, const struct model *model, const struct value *v,
	const struct step *at)
{
	struct instant ignored;

	if (!has_type(v, model->type))
		add_type_mismatch(c, at, model->type, v);
	else if (model->type == MODEL_DATE && !date_parse(v->text, &ignored))
		add_mismatch(c, at,
			"must be a Date as in RFC 3339, such as "
			"2026-03-01T12:00:00Z or 2026-03-01");
	else if (model_is_open(model))
		return;
	else if (model->type == MODEL_OBJECT)
		check_object(c, model, v, at);
	else if (model->type == MODEL_ARRAY)
		check_array(c, model, v, at);
}

bool model_check(const struct model *model, bool strict, const struct value *payload,
	struct arena *arena, struct model_mismatches *mismatches)
{
	struct check c = { arena, strict, mismatches };
	struct step top = { 0 };

	*mismatches = (struct model_mismatches){ 0 };
	check_value(&c, model, payload, &top);
	return mismatches->count == 0;
}
