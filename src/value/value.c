/*
 * value.c - a JSON value in an arena: looking into it and making single ones.
 *
 * Members are searched from the front. Refused: a hash per object. Payloads have a few
 * dozen members, each looked for once or twice in a run, and a hash would have to be keyed
 * against names that a stranger chooses.
 */
#include "value/value.h"

#include <stdio.h>

const struct value value_null = { .type = VALUE_NULL };

const struct value *value_get(const struct value *v, struct text name)
{
	if (!v || v->type != VALUE_OBJECT)
		return NULL;
	for (size_t i = 0; i < v->object.count; i++)
		if (text_equal(v->object.members[i].name, name))
			return &v->object.members[i].value;
	return NULL;
}

const struct value *value_at(const struct value *v, size_t index)
{
	if (!v || v->type != VALUE_ARRAY || index >= v->array.count)
		return NULL;
	return &v->array.items[index];
}

static struct value *value_new(struct arena *arena, enum value_type type)
{
	struct value *v = arena_alloc(arena, sizeof(*v));

	*v = (struct value){ .type = type };
	return v;
}

struct value *value_string(struct arena *arena, struct text text)
{
	struct value *v = value_new(arena, VALUE_STRING);

	v->text = text;
	return v;
}

struct value *value_number(struct arena *arena, struct text digits)
{
	struct value *v = value_new(arena, VALUE_NUMBER);

	v->text = digits;
	return v;
}

struct value *value_integer(struct arena *arena, long long number)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%lld", number);

	return value_number(arena, arena_text(arena, (struct text){ digits, (size_t)len }));
}

struct value *value_boolean(struct arena *arena, bool boolean)
{
	struct value *v = value_new(arena, VALUE_BOOLEAN);

	v->boolean = boolean;
	return v;
}

const char *value_type_name(enum value_type type)
{
	static const char *const names[] = {
		[VALUE_NULL] = "null",
		[VALUE_BOOLEAN] = "Boolean",
		[VALUE_NUMBER] = "Number",
		[VALUE_STRING] = "String",
		[VALUE_ARRAY] = "Array",
		[VALUE_OBJECT] = "Object",
	};

	return names[type];
}
