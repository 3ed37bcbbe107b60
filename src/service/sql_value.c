/*
 * sql_value.c - values in SQL statements.
 *
 * A value is always a parameter in text format; where its text depends on the parameter's type
 * (an array, an Any) the client in net/ makes it once the type is known. Refused: casts in the
 * statement's text, which would have to know the columns' types at load.
 */
#include "service/sql_value.h"

#include <string.h>

#include "net/pg_value.h"
#include "value/date.h"

static bool is_date(const struct binding *binding)
{
	const struct model *model = binding->model;

	while (model && model->type == MODEL_ARRAY)
		model = model->element;
	return binding->type == MODEL_DATE || (model && model->type == MODEL_DATE);
}

void sql_value_compile(const struct sql_compiler *c, const struct node *node,
	const char *field, struct sql_value *out)
{
	const struct binding *binding;

	*out = (struct sql_value){ .field = field };
	if (node && (node->kind == NODE_LIST || node->kind == NODE_MAP)) {
		out->tree = template_tree_compile(node, field, c->scope, c->arena, c->diag);
		out->described = true;
		return;
	}
	out->scalar = template_compile(node, field, c->scope, c->arena, c->diag);
	binding = template_binding(out->scalar);
	out->any = binding && binding->type == MODEL_ANY;
	out->date = binding && is_date(binding);
	out->described = out->any || !template_is_scalar(out->scalar);
}

/* A date-time without a zone is UTC, whatever the session's TimeZone is. */
static const struct value *with_zone(const struct value *value, struct arena *arena)
{
	struct instant instant;

	if (value->type != VALUE_STRING || !date_parse(value->text, &instant))
		return value;
	if (!instant.has_time || instant.has_zone)
		return value;
	return value_string(
		arena, text_of(arena_printf(arena, "%.*sZ", TEXT_ARG(value->text))));
}

static const struct value *dates_with_zone(const struct value *value, struct arena *arena)
{
	struct value *array, *items;

	if (value->type != VALUE_ARRAY)
		return with_zone(value, arena);
	array = arena_alloc(arena, sizeof(*array));
	items = arena_zalloc(arena, value->array.count + 1, sizeof(*items));
	for (size_t i = 0; i < value->array.count; i++)
		items[i] = *dates_with_zone(&value->array.items[i], arena);
	*array = (struct value){ .type = VALUE_ARRAY,
		.array = { items, value->array.count } };
	return array;
}

const struct value *sql_value_render(
	const struct sql_value *source, const struct sql_run *run, bool *left_out)
{
	const struct value *value;

	*left_out = false;
	if (source->tree)
		return template_tree_value(
			source->tree, run->values, run->arena, run->errbuf);
	value = template_value(
		source->scalar, run->values, run->arena, left_out, run->errbuf);
	if (!template_is_optional(source->scalar))
		*left_out = false;
	return value && source->date ? dates_with_zone(value, run->arena) : value;
}

void sql_parameters_init(struct sql_parameters *parameters, size_t slots, bool described,
	struct arena *arena)
{
	*parameters = (struct sql_parameters){ 0 };
	parameters->texts = arena_zalloc(arena, slots + 1, sizeof(*parameters->texts));
	if (described)
		parameters->values = arena_zalloc(
			arena, slots + 1, sizeof(*parameters->values));
}

/* An object goes as JSON wherever it goes, but {} would be an empty array for an array type. */
static bool is_typed(const struct sql_value *source, const struct value *value)
{
	return value->type == VALUE_ARRAY ||
	       (value->type == VALUE_OBJECT && value->object.count == 0) ||
	       (source->any && value->type == VALUE_STRING);
}

bool sql_parameters_add(struct sql_parameters *parameters, const struct sql_value *source,
	const struct value *value, const struct sql_run *run)
{
	const char **text = &parameters->texts[parameters->count];
	struct errbuf reason;

	if (!pg_value_text(value, run->max, run->arena, text, &reason)) {
		errbuf_set(run->errbuf, "%s %s", source->field, reason.text);
		return false;
	}
	parameters->bytes += 8 + (*text ? strlen(*text) : 0);
	/* No slots: the model promised no such value. One that comes all the same is JSON. */
	if (parameters->values && is_typed(source, value)) {
		parameters->values[parameters->count] = value;
		parameters->typed = true;
	}
	parameters->count++;
	return true;
}

bool sql_parameters_query(const struct sql_parameters *parameters,
	const struct pg_statement *statement, const struct sql_run *run,
	struct pg_query *out)
{
	out->statement = statement;
	out->count = parameters->count;
	out->texts = parameters->texts;
	out->values = parameters->typed ? parameters->values : NULL;
	out->bytes = statement->sql.len + parameters->bytes;
	out->max = run->max;
	if (out->bytes <= run->max)
		return true;
	errbuf_set(run->errbuf, "the statement has %zu bytes; limits.request is %zu",
		out->bytes, run->max);
	return false;
}
