/*
 * pg_value.c - JSON values to the text of PostgreSQL's parameters, by the parameter's type.
 *
 * Text format throughout: the server's own input functions then decide, and a number
 * arrives digit for digit. Refused: binary format, which would need a writer for every
 * type.
 */
#include "net/pg_value.h"

#include <string.h>

#include "base/strbuf.h"
#include "value/json.h"

/* Stable OIDs of pg_type.dat; libpq's headers do not export them. */
enum {
	TYPE_JSON = 114,
	TYPE_JSONB = 3802,
	TYPE_JSON_ARRAY = 199,
	TYPE_JSONB_ARRAY = 3807,
	TYPE_FIRST_USER = 16384
};

/* The array types among the types that PostgreSQL brings along, ascending. */
static const Oid array_types[] = { 22, 30, 143, 199, 271, 629, 651, 719, 775, 791, 1000,
	1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015,
	1016, 1017, 1018, 1019, 1020, 1021, 1022, 1027, 1028, 1034, 1040, 1041, 1115, 1182,
	1183, 1185, 1187, 1231, 1263, 1270, 1561, 1563, 2201, 2207, 2208, 2209, 2210, 2211,
	2949, 2951, 3643, 3644, 3645, 3735, 3770, 3807, 3905, 3907, 3909, 3911, 3913, 3927,
	4073, 4090, 4097, 4192, 6150, 6151, 6152, 6153, 6155, 6157 };

static bool is_builtin_array_type(Oid type)
{
	for (size_t i = 0; i < array_len(array_types); i++) {
		if (array_types[i] == type)
			return true;
	}
	return false;
}

/* A type of the user's own that a parameter with an array has is taken for an array type
 * (an enum's, an extension's): a domain over json is the rarer case. */
static bool is_array_type(Oid type)
{
	return type >= TYPE_FIRST_USER || is_builtin_array_type(type);
}

static bool has_nul(struct text t)
{
	return t.len > 0 && memchr(t.at, '\0', t.len);
}

static bool refuse_nul(struct errbuf *errbuf)
{
	errbuf_set(errbuf, "contains a NUL character, which PostgreSQL text cannot hold");
	return false;
}

static bool finish(struct strbuf *text, const char **out, struct errbuf *errbuf)
{
	strbuf_char(text, '\0');
	if (text->failed) {
		errbuf_set(errbuf, "is larger than one request may be");
		return false;
	}
	*out = text->data;
	return true;
}

static bool json_text(const struct value *value, size_t max, struct arena *arena,
	const char **out, struct errbuf *errbuf)
{
	struct strbuf text;

	strbuf_init_arena(&text, arena, max);
	json_append(&text, value);
	return finish(&text, out, errbuf);
}

bool pg_value_text(const struct value *value, size_t max, struct arena *arena,
	const char **out, struct errbuf *errbuf)
{
	switch (value->type) {
	case VALUE_NULL:
		*out = NULL;
		return true;
	case VALUE_BOOLEAN:
		*out = value->boolean ? "true" : "false";
		return true;
	case VALUE_NUMBER:
	case VALUE_STRING:
		if (has_nul(value->text))
			return refuse_nul(errbuf);
		if (value->text.len >= max) {
			errbuf_set(errbuf, "is larger than one request may be");
			return false;
		}
		*out = arena_text(arena, value->text).at;
		return true;
	default:
		return json_text(value, max, arena, out, errbuf);
	}
}

/* ---- arrays ---- */

static void append_quoted(struct strbuf *text, struct text t)
{
	strbuf_char(text, '"');
	for (size_t i = 0; i < t.len; i++) {
		if (t.at[i] == '"' || t.at[i] == '\\')
			strbuf_char(text, '\\');
		strbuf_char(text, t.at[i]);
	}
	strbuf_char(text, '"');
}

static void append_quoted_json(struct strbuf *text, const struct value *value)
{
	struct strbuf json;

	strbuf_init(&json, text->max);
	json_append(&json, value);
	if (json.failed)
		text->failed = true;
	else
		append_quoted(text, strbuf_get(&json));
	strbuf_free(&json);
}

static bool append_array(struct strbuf *text, const struct value *array, bool of_json,
	struct errbuf *errbuf);

/*
 * Elements of json[] are JSON texts; of other types nested arrays are further dimensions.
 */
static bool append_element(
	struct strbuf *text, const struct value *value, bool of_json, struct errbuf *errbuf)
{
	if (value->type == VALUE_NULL) {
		strbuf_string(text, "NULL");
	} else if (of_json || value->type == VALUE_OBJECT) {
		append_quoted_json(text, value);
	} else if (value->type == VALUE_ARRAY) {
		return append_array(text, value, of_json, errbuf);
	} else if (value->type == VALUE_STRING) {
		if (has_nul(value->text))
			return refuse_nul(errbuf);
		append_quoted(text, value->text);
	} else {
		json_append(text, value);
	}
	return true;
}

/* Recursion is bounded by the depth of the payload (at most 100). */
static bool append_array(
	struct strbuf *text, const struct value *array, bool of_json, struct errbuf *errbuf)
{
	strbuf_char(text, '{');
	for (size_t i = 0; i < array->array.count; i++) {
		if (i > 0)
			strbuf_char(text, ',');
		if (!append_element(text, &array->array.items[i], of_json, errbuf))
			return false;
	}
	strbuf_char(text, '}');
	return true;
}

/* Whether two elements of one array have the same dimensions: `first` is the first element
 * on this level, so what is in it has been compared. */
static bool is_alike(const struct value *value, const struct value *first)
{
	if (value->type != VALUE_ARRAY || first->type != VALUE_ARRAY)
		return value->type != VALUE_ARRAY && first->type != VALUE_ARRAY;
	if (value->array.count != first->array.count)
		return false;
	for (size_t i = 0; i < value->array.count; i++) {
		if (!is_alike(&value->array.items[i], &first->array.items[0]))
			return false;
	}
	return true;
}

/* Of arrays that are alike: whether there is no element in them. */
static bool is_hollow(const struct value *array)
{
	while (array->type == VALUE_ARRAY && array->array.count > 0)
		array = &array->array.items[0];
	return array->type == VALUE_ARRAY;
}

/* A nesting without any element is the empty array: PostgreSQL has no other. */
static bool array_text(const struct value *array, bool of_json, size_t max,
	struct arena *arena, const char **out, struct errbuf *errbuf)
{
	struct strbuf text;

	if (!of_json && !is_alike(array, array)) {
		errbuf_set(errbuf,
			"is an array whose nested arrays differ in length, or stand beside "
			"other values: a PostgreSQL array has one length for each "
			"dimension");
		return false;
	}
	if (!of_json && is_hollow(array)) {
		*out = "{}";
		return true;
	}
	strbuf_init_arena(&text, arena, max);
	return append_array(&text, array, of_json, errbuf) && finish(&text, out, errbuf);
}

bool pg_value_typed(const struct value *value, Oid type, size_t max, struct arena *arena,
	const char **out, struct errbuf *errbuf)
{
	if (value->type != VALUE_NULL && (type == TYPE_JSON || type == TYPE_JSONB))
		return json_text(value, max, arena, out, errbuf);
	if (value->type == VALUE_ARRAY && is_array_type(type))
		return array_text(value,
			type == TYPE_JSON_ARRAY || type == TYPE_JSONB_ARRAY, max, arena,
			out, errbuf);
	/* Its text might be read as an array: {} is an empty one. */
	if (value->type == VALUE_OBJECT && is_builtin_array_type(type)) {
		errbuf_set(errbuf, "is an object, but an array is wanted there");
		return false;
	}
	return pg_value_text(value, max, arena, out, errbuf);
}
