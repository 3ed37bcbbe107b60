/*
 * scope.c - binding names to the model and the specials, and following them in a run.
 *
 * Binding walks the model once, at load. Following is told by the value alone: a payload
 * that fits its model leads the same way, and below open places the value is all there is.
 * Refused: bindings as precomputed member numbers, because a payload's members come in any
 * order and looking a handful of names up costs little.
 */
#include "value/scope.h"

#include "base/strbuf.h"

struct special_name {
	const char *name;
	enum special special;
	enum model_type type;
	bool trigger;  /* only in payloads of onSuccess and onFailure */
	bool required; /* always has a value */
};

static const struct special_name specials[] = {
	{ "$payload", SPECIAL_PAYLOAD, MODEL_OBJECT, false, true },
	{ "$event.id", SPECIAL_EVENT_ID, MODEL_STRING, false, true },
	{ "$event.name", SPECIAL_EVENT_NAME, MODEL_STRING, false, true },
	{ "$event.receivedAt", SPECIAL_EVENT_RECEIVED_AT, MODEL_STRING, false, true },
	{ "$environment", SPECIAL_ENVIRONMENT, MODEL_STRING, false, true },
	{ "$response", SPECIAL_RESPONSE, MODEL_ANY, true, false },
	{ "$error.message", SPECIAL_ERROR_MESSAGE, MODEL_STRING, true, false },
	{ "$error.code", SPECIAL_ERROR_CODE, MODEL_NUMBER, true, false },
	{ "$error.detail", SPECIAL_ERROR_DETAIL, MODEL_STRING, true, false },
	{ "$action.id", SPECIAL_ACTION_ID, MODEL_STRING, true, true },
};

static const struct model open_object = { .type = MODEL_OBJECT };

/* The path's first parts as written, for messages and suggestions. */
static struct text written(struct arena *arena, struct path path, size_t parts)
{
	struct strbuf out;

	strbuf_init_arena(&out, arena, SIZE_MAX);
	path_write(&out, (struct path){ path.parts, parts });
	return strbuf_get(&out);
}

/* How many parts of the path the special's name takes; 0 when it is another name. */
static size_t special_matches(const struct special_name *row, struct path path)
{
	const char *dot = strchr(row->name, '.');
	struct text head = text_of(row->name);

	if (dot)
		head.len = (size_t)(dot - row->name);
	if (!text_equal(path.parts[0].name, head))
		return 0;
	if (!dot)
		return 1;
	return path.count > 1 && text_is(path.parts[1].name, dot + 1) ? 2 : 0;
}

static const struct special_name *special_find(struct path path, size_t *parts)
{
	for (size_t i = 0; i < array_len(specials); i++) {
		*parts = special_matches(&specials[i], path);
		if (*parts > 0)
			return &specials[i];
	}
	return NULL;
}

static bool refuse_special(
	const struct scope *scope, struct text name, struct place place, struct diag *diag)
{
	struct suggest suggest;

	diag_error(diag, place, "there is no wildcard {%.*s}", TEXT_ARG(name));
	suggest_init(&suggest, name);
	for (size_t i = 0; i < array_len(specials); i++)
		if (scope->trigger || !specials[i].trigger)
			suggest_offer(&suggest, text_of(specials[i].name));
	diag_suggest(diag, &suggest);
	return false;
}

static bool bind_special(const struct scope *scope, struct path path, struct place place,
	struct arena *arena, struct diag *diag, struct binding *out)
{
	size_t parts;
	const struct special_name *row = special_find(path, &parts);

	if (!scope->specials) {
		diag_error(
			diag, place, "names beginning with $ mean nothing in a condition");
		return false;
	}
	if (!row)
		return refuse_special(scope, written(arena, path, path.count), place, diag);
	if (row->trigger && !scope->trigger) {
		diag_error(diag, place,
			"{%s} has a value only in the payloads of onSuccess and onFailure",
			row->name);
		return false;
	}
	if (path.count > parts && row->special != SPECIAL_RESPONSE) {
		diag_error(diag, place, "{%s} has nothing below it", row->name);
		return false;
	}
	*out = (struct binding){
		.special = row->special,
		.path = { path.parts + parts, path.count - parts },
		.type = row->type,
		.open = row->type == MODEL_ANY || row->type == MODEL_OBJECT,
		.required = row->required,
	};
	return true;
}

static const struct model_property *property_find(
	const struct model *object, struct text name)
{
	for (size_t i = 0; i < object->count; i++)
		if (text_equal(object->properties[i].name, name))
			return &object->properties[i];
	return NULL;
}

static bool refuse_property(const struct scope *scope, const struct model *object,
	struct path path, size_t at, struct place place, struct arena *arena,
	struct diag *diag)
{
	struct text name = path.parts[at].name;
	struct suggest suggest;

	if (at == 0) {
		diag_error(diag, place, "the model has no property '%.*s'", TEXT_ARG(name));
	} else {
		struct text above = written(arena, path, at);

		diag_error(diag, place, "'%.*s' has no property '%.*s' in the model",
			TEXT_ARG(above), TEXT_ARG(name));
	}
	suggest_init(&suggest, name);
	for (size_t i = 0; i < object->count; i++)
		suggest_offer(&suggest, object->properties[i].name);
	if (suggest_found(&suggest))
		diag_suggest(diag, &suggest);
	else if (!scope->specials && path.count == 1)
		diag_hint(diag, "text stands in quotes: \"%.*s\"", TEXT_ARG(name));
	return false;
}

static bool refuse_below(const struct model *model, struct path path, size_t at,
	struct place place, struct arena *arena, struct diag *diag)
{
	struct text above = written(arena, path, at);

	diag_error(diag, place, "'%.*s' is a %s and has nothing below it", TEXT_ARG(above),
		model_type_name(model->type));
	return false;
}

/* Takes the binding at *model one part down; false: an error was added. */
static bool bind_part(const struct scope *scope, struct path path, size_t at,
	struct place place, struct arena *arena, struct diag *diag,
	const struct model **model, struct binding *out)
{
	const struct path_part *part = &path.parts[at];
	const struct model *here = *model;
	const struct model_property *property;

	while (here->type == MODEL_ARRAY && here->element && !part->digits) {
		out->arrays++;
		here = here->element;
	}
	if (model_is_open(here)) {
		*model = NULL;
		return true;
	}
	if (here->type == MODEL_ARRAY) {
		out->required = false;
		*model = here->element;
		return true;
	}
	if (here->type != MODEL_OBJECT)
		return refuse_below(here, path, at, place, arena, diag);
	property = property_find(here, part->name);
	if (!property)
		return refuse_property(scope, here, path, at, place, arena, diag);
	/* Beyond an array the value is an array, whatever its elements have. */
	if (out->arrays == 0 && !property->required)
		out->required = false;
	*model = &property->model;
	return true;
}

bool scope_bind(const struct scope *scope, struct path path, struct place place,
	struct arena *arena, struct diag *diag, struct binding *out)
{
	const struct model *model = scope->model ? scope->model : &open_object;

	if (!path.parts[0].quoted && path.parts[0].name.len > 0 &&
		path.parts[0].name.at[0] == '$')
		return bind_special(scope, path, place, arena, diag, out);
	*out = (struct binding){ .path = path, .type = MODEL_ANY, .required = true };
	for (size_t i = 0; i < path.count; i++) {
		if (!bind_part(scope, path, i, place, arena, diag, &model, out))
			return false;
		if (!model) {
			out->open = true;
			out->required = false;
			return true;
		}
	}
	out->model = model;
	out->type = model->type;
	out->open = model_is_open(model);
	return true;
}

static const struct value *follow(const struct value *v, const struct path_part *part,
	size_t count, struct arena *arena);

/* The elements' values, null where one has none. */
static const struct value *collect(const struct value *array, const struct path_part *part,
	size_t count, struct arena *arena)
{
	size_t n = array->array.count;
	struct value *items = arena_alloc(arena, (n ? n : 1) * sizeof(*items));
	struct value *out = arena_alloc(arena, sizeof(*out));

	for (size_t i = 0; i < n; i++) {
		const struct value *v = follow(&array->array.items[i], part, count, arena);

		items[i] = v ? *v : value_null;
	}
	*out = (struct value){ .type = VALUE_ARRAY, .array = { items, n } };
	return out;
}

/* Recursion is bounded by the depth of the value. */
static const struct value *follow(const struct value *v, const struct path_part *part,
	size_t count, struct arena *arena)
{
	for (; v && count > 0; part++, count--) {
		if (v->type != VALUE_ARRAY)
			v = value_get(v, part->name);
		else if (part->digits)
			v = value_at(v, part->index);
		else
			return collect(v, part, count, arena);
	}
	return v;
}

static const struct value *text_value(struct arena *arena, struct text t)
{
	return t.at ? value_string(arena, t) : NULL;
}

const struct value *scope_value(
	const struct binding *binding, const struct values *values, struct arena *arena)
{
	switch (binding->special) {
	case SPECIAL_NONE:
		break;
	case SPECIAL_PAYLOAD:
		return values->payload;
	case SPECIAL_EVENT_ID:
		return text_value(arena, values->event_id);
	case SPECIAL_EVENT_NAME:
		return text_value(arena, values->event_name);
	case SPECIAL_EVENT_RECEIVED_AT:
		return text_value(arena, values->received_at);
	case SPECIAL_ENVIRONMENT:
		return text_value(arena, values->environment);
	case SPECIAL_RESPONSE:
		return follow(
			values->response, binding->path.parts, binding->path.count, arena);
	case SPECIAL_ERROR_MESSAGE:
		return text_value(arena, values->error_message);
	case SPECIAL_ERROR_CODE:
		return values->error_code ? value_integer(arena, values->error_code) : NULL;
	case SPECIAL_ERROR_DETAIL:
		return text_value(arena, values->error_detail);
	case SPECIAL_ACTION_ID:
		return text_value(arena, values->action_id);
	}
	return follow(values->payload, binding->path.parts, binding->path.count, arena);
}
