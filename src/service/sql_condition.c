/*
 * sql_condition.c - the WHERE of UPDATE and DELETE.
 *
 * A term's text never depends on a value: a list that is known only at run time is one array
 * parameter (= ANY), of whatever length, so that the prepared statement stays the same; a list
 * that is written out has a parameter for each item, whose type the server takes from the column.
 *
 * Refused: leaving out a term whose value is absent, and empty text in its place (LIKE
 * "{path?}%"). The statement would reach more rows.
 */
#include "service/sql_condition.h"

#include "service/service.h"

#define FIELD "condition"

enum operator_kind {
	COMPARES, /* with one value */
	LISTS,    /* with a list */
	ASKS,     /* takes no value */
};

struct sql_operator {
	const char *name;
	enum operator_kind kind;
	const char *array;   /* LISTS: with one array parameter */
	const char *nothing; /* LISTS: with an empty list; NULL: fails */
};

static const struct sql_operator operators[] = {
	{ "=", COMPARES, NULL, NULL },
	{ "!=", COMPARES, NULL, NULL },
	{ "<>", COMPARES, NULL, NULL },
	{ "<", COMPARES, NULL, NULL },
	{ "<=", COMPARES, NULL, NULL },
	{ ">", COMPARES, NULL, NULL },
	{ ">=", COMPARES, NULL, NULL },
	{ "LIKE", COMPARES, NULL, NULL },
	{ "ILIKE", COMPARES, NULL, NULL },
	{ "IN", LISTS, "= ANY", "FALSE" },
	{ "NOT IN", LISTS, "<> ALL", NULL },
	{ "IS NULL", ASKS, NULL, NULL },
	{ "IS NOT NULL", ASKS, NULL, NULL },
};

#define OPERATORS "=, !=, <>, <, <=, >, >=, LIKE, ILIKE, IN, NOT IN, IS NULL, IS NOT NULL"

struct sql_term {
	struct sql_name field;
	const struct sql_operator *op;
	bool array;               /* LISTS: the one value is a list */
	struct sql_value *values; /* else one each */
	size_t count;
	const struct template **optional; /* each {path?} in it, wherever it stands */
	size_t optionals;
};

static const struct field term_fields[] = {
	{ "field", FIELD_IDENTIFIER, FIELD_REQUIRED, NULL, NULL, "the column" },
	{ "operator", FIELD_LITERAL, FIELD_REQUIRED, NULL, NULL, OPERATORS },
	{ "value", FIELD_VALUE, 0, NULL, NULL,
		"what it is compared with; a list for IN and NOT IN" },
	{ .name = NULL },
};

/* ---- compiling ---- */

bool sql_condition_check_rows(const struct node *template, struct text action,
	struct place place, struct diag *diag)
{
	const struct node *list = node_get(template, "condition");
	const struct node *all = node_get(template, "allRows");
	bool all_rows = all && all->kind == NODE_BOOLEAN && all->boolean;
	bool some = !node_is_null(list) && (list->kind != NODE_LIST || list->count > 0);

	if (some && all_rows) {
		diag_error(diag, all->place,
			"allRows: true and a condition contradict each other");
		diag_hint(diag, "leave one of them out");
		return false;
	}
	if (some || all_rows)
		return true;
	diag_error(diag, place, "%.*s without a condition would reach every row",
		TEXT_ARG(action));
	diag_hint(diag, "add 'condition', or write allRows: true if every row is meant");
	return false;
}

/* The words of an operator with one blank between them. */
static struct text squeeze(struct text t, struct arena *arena)
{
	char *out = arena_alloc(arena, t.len + 1);
	size_t len = 0;

	t = text_trim(t);
	for (size_t i = 0; i < t.len; i++) {
		bool blank = t.at[i] == ' ' || t.at[i] == '\t';

		if (!blank || out[len - 1] != ' ')
			out[len++] = blank ? ' ' : t.at[i];
	}
	return (struct text){ out, len };
}

static const struct sql_operator *find_operator(
	const struct sql_compiler *c, const struct node *node)
{
	struct text text = squeeze(node->text, c->arena);
	struct suggest suggest;

	suggest_init(&suggest, text);
	for (size_t i = 0; i < array_len(operators); i++) {
		if (text_is_nocase(text, operators[i].name))
			return &operators[i];
		suggest_offer(&suggest, text_of(operators[i].name));
	}
	diag_error(c->diag, node->place, "condition has no operator '%.*s'",
		TEXT_ARG(node->text));
	if (node->text.len > 1 && suggest_found(&suggest))
		diag_suggest(c->diag, &suggest);
	else
		diag_hint(c->diag, "operators are %s", OPERATORS);
	return NULL;
}

static bool refuse_null(const struct sql_compiler *c, struct place place)
{
	diag_error(c->diag, place, "nothing compares with null");
	diag_hint(c->diag, "the operators IS NULL and IS NOT NULL ask for it");
	return false;
}

static bool add_value(
	const struct sql_compiler *c, const struct node *node, struct sql_term *term)
{
	if (node_is_null(node))
		return refuse_null(c, node->place);
	sql_value_compile(c, node, FIELD, &term->values[term->count++]);
	return true;
}

/* Whether the value may be a list at run time. */
static bool may_be_list(const struct sql_value *value)
{
	const struct binding *binding = template_binding(value->scalar);

	return binding && !template_is_scalar(value->scalar) &&
	       (binding->open || binding->arrays > 0 || binding->type != MODEL_OBJECT);
}

static bool compile_array(
	const struct sql_compiler *c, const struct node *node, struct sql_term *term)
{
	size_t errors = diag_errors(c->diag);

	term->array = true;
	if (node->kind == NODE_MAP) {
		diag_error(c->diag, node->place, "%s wants a list, not a mapping",
			term->op->name);
		return false;
	}
	if (!add_value(c, node, term) || diag_errors(c->diag) > errors)
		return false;
	if (may_be_list(&term->values[0])) {
		term->values[0].described = true;
		return true;
	}
	diag_error(c->diag, node->place, "%s wants a list, or one wildcard that is a list",
		term->op->name);
	diag_hint(c->diag, "write [\"%.*s\"]", TEXT_ARG(node->text));
	return false;
}

static bool compile_list(
	const struct sql_compiler *c, const struct node *node, struct sql_term *term)
{
	bool good = true;

	term->values = arena_zalloc(c->arena, node->count + 1, sizeof(*term->values));
	for (size_t i = 0; i < node->count; i++)
		good &= add_value(c, node->items[i], term);
	if (node->count == 0 && !term->op->nothing)
		diag_warning(c->diag, node->place, "%s with an empty list fails the task",
			term->op->name);
	return good;
}

static bool compile_values(const struct sql_compiler *c, const struct node *map,
	const struct node *node, struct sql_term *term)
{
	if (term->op->kind == ASKS) {
		if (node_is_null(node))
			return true;
		diag_error(c->diag, node->place, "%s takes no value", term->op->name);
		return false;
	}
	if (!node) {
		diag_error(c->diag, map->place, "%s wants a 'value'", term->op->name);
		return false;
	}
	if (term->op->kind == LISTS && node->kind == NODE_LIST)
		return compile_list(c, node, term);
	term->values = arena_zalloc(c->arena, 1, sizeof(*term->values));
	if (term->op->kind == LISTS)
		return compile_array(c, node, term);
	return add_value(c, node, term);
}

static void note_optional(const struct sql_compiler *c, const struct template *wildcard,
	struct sql_term *term)
{
	size_t size = term->optionals * sizeof(wildcard);

	term->optional = term->optional ? arena_grow(c->arena, term->optional, size,
						  size + sizeof(wildcard))
					: arena_alloc(c->arena, sizeof(wildcard));
	term->optional[term->optionals++] = wildcard;
}

/* A part of text or a member of an object would silently be left out. Mistakes in the node
 * are told where it is compiled to be used. */
static void find_optionals(
	const struct sql_compiler *c, const struct node *node, struct sql_term *term)
{
	const struct template *const *parts;
	size_t count;

	if (!node)
		return;
	if (node->kind == NODE_MAP || node->kind == NODE_LIST) {
		for (size_t i = 0; i < node->count; i++)
			find_optionals(c,
				node->kind == NODE_MAP ? node->entries[i].value
						       : node->items[i],
				term);
		return;
	}
	count = template_parts(
		template_compile(node, FIELD, c->scope, c->arena, diag_new(c->arena)),
		&parts);
	for (size_t i = 0; i < count; i++) {
		if (template_is_optional(parts[i]))
			note_optional(c, parts[i], term);
	}
}

static bool compile_term(
	const struct sql_compiler *c, const struct node *map, struct sql_term *term)
{
	bool good;

	if (!service_check_fields(
		    term_fields, map, map->place, "a condition's member", c->diag))
		return false;
	good = sql_name_compile(node_get(map, "field"), "condition.field", 1, c->scope,
		c->arena, c->diag, &term->field);
	term->op = find_operator(c, node_get(map, "operator"));
	if (!term->op)
		return false;
	find_optionals(c, node_get(map, "field"), term);
	find_optionals(c, node_get(map, "value"), term);
	return compile_values(c, map, node_get(map, "value"), term) && good;
}

bool sql_condition_compile(
	const struct sql_compiler *c, const struct node *list, struct sql_condition *out)
{
	size_t errors = diag_errors(c->diag);

	*out = (struct sql_condition){ .literal = true };
	if (node_is_null(list))
		return true;
	out->terms = arena_zalloc(c->arena, list->count + 1, sizeof(*out->terms));
	for (size_t i = 0; i < list->count; i++) {
		struct sql_term *term = &out->terms[out->count++];

		if (node_is_null(list->items[i])) {
			diag_error(c->diag, list->items[i]->place,
				"a condition's member is {field, operator, value}");
			continue;
		}
		if (!compile_term(c, list->items[i], term))
			continue;
		out->literal &= sql_name_is_literal(&term->field);
		out->slots += term->count;
		for (size_t j = 0; j < term->count; j++)
			out->described |= term->values[j].described;
	}
	return diag_errors(c->diag) == errors;
}

/* ---- the text ---- */

static void append_parameters(
	const struct sql_term *term, unsigned *number, struct strbuf *sql)
{
	for (size_t i = 0; i < term->count; i++)
		strbuf_printf(sql, "%s$%u", i ? ", " : "", (*number)++);
}

static bool append_term(const struct sql_term *term, const struct sql_run *run,
	unsigned *number, struct strbuf *sql)
{
	const struct sql_operator *op = term->op;
	bool list = op->kind == LISTS;

	if (list && term->count == 0) {
		/* Nothing is sent where an empty list fails; its text is not needed. */
		strbuf_string(sql, op->nothing ? op->nothing : "FALSE");
		return true;
	}
	if (!sql_name_append(sql, &term->field, run->values, run->arena, run->errbuf))
		return false;
	strbuf_printf(sql, " %s", term->array ? op->array : op->name);
	if (op->kind == ASKS)
		return true;
	strbuf_string(sql, list ? (term->array ? "(" : " (") : " ");
	append_parameters(term, number, sql);
	if (list)
		strbuf_char(sql, ')');
	return true;
}

bool sql_condition_append(const struct sql_condition *condition, const struct sql_run *run,
	unsigned first, struct strbuf *sql)
{
	for (size_t i = 0; i < condition->count; i++) {
		strbuf_string(sql, i ? " AND " : " WHERE ");
		if (!append_term(&condition->terms[i], run, &first, sql))
			return false;
	}
	return true;
}

/* ---- rendering ---- */

static bool fail_value(
	const struct sql_value *source, const char *why, const struct sql_run *run)
{
	struct text written = source->scalar ? template_written(source->scalar) : TEXT("");

	if (written.len)
		errbuf_set(run->errbuf, "wildcard %.*s in %s: %s", TEXT_ARG(written),
			source->field, why);
	else
		errbuf_set(run->errbuf, "a value in %s: %s", source->field, why);
	return false;
}

/* Whether a null stands in it where a value is compared. What is inside of an object is the
 * object's business, unless the template wrote it out. */
static bool holds_null(const struct value *value, bool written_out)
{
	bool found = value->type == VALUE_NULL;

	if (value->type == VALUE_ARRAY)
		for (size_t i = 0; i < value->array.count; i++)
			found = found || holds_null(&value->array.items[i], written_out);
	if (value->type == VALUE_OBJECT && written_out)
		for (size_t i = 0; i < value->object.count; i++)
			found = found ||
				holds_null(&value->object.members[i].value, written_out);
	return found;
}

/* Whether there is a value in it, however deep: [[]] is an empty array to PostgreSQL. */
static bool holds_value(const struct value *value)
{
	bool found = value->type != VALUE_ARRAY;

	if (value->type == VALUE_ARRAY)
		for (size_t i = 0; i < value->array.count; i++)
			found = found || holds_value(&value->array.items[i]);
	return found;
}

static bool check_list(
	const struct sql_term *term, const struct value *value, const struct sql_run *run)
{
	if (value->type != VALUE_ARRAY)
		return fail_value(&term->values[0], "no list", run);
	if (!term->op->nothing && !holds_value(value))
		return fail_value(&term->values[0],
			"an empty list, and NOT IN would reach every row", run);
	return true;
}

static bool bind_value(const struct sql_term *term, const struct sql_value *source,
	const struct sql_run *run, struct sql_parameters *parameters)
{
	const struct value *value;
	bool left_out;

	value = sql_value_render(source, run, &left_out);
	if (!value)
		return false;
	if (value->type == VALUE_NULL)
		return fail_value(source, "no value", run);
	if (holds_null(value, source->tree != NULL))
		return fail_value(source, "no value for an element", run);
	if (term->array && !check_list(term, value, run))
		return false;
	return sql_parameters_add(parameters, source, value, run);
}

static bool check_optionals(const struct sql_term *term, const struct sql_run *run)
{
	for (size_t i = 0; i < term->optionals; i++) {
		bool absent;

		if (!template_value(term->optional[i], run->values, run->arena, &absent,
			    run->errbuf))
			return false;
		if (!absent)
			continue;
		errbuf_set(run->errbuf, "wildcard %.*s in %s: no value",
			TEXT_ARG(template_written(term->optional[i])), FIELD);
		return false;
	}
	return true;
}

static bool bind_term(const struct sql_term *term, const struct sql_run *run,
	struct sql_parameters *parameters)
{
	if (term->op->kind == LISTS && term->count == 0 && !term->op->nothing) {
		errbuf_set(run->errbuf,
			"condition: an empty list, and %s would reach every row",
			term->op->name);
		return false;
	}
	if (!check_optionals(term, run))
		return false;
	for (size_t i = 0; i < term->count; i++) {
		if (!bind_value(term, &term->values[i], run, parameters))
			return false;
	}
	return true;
}

bool sql_condition_bind(const struct sql_condition *condition, const struct sql_run *run,
	struct sql_parameters *parameters)
{
	for (size_t i = 0; i < condition->count; i++) {
		if (!bind_term(&condition->terms[i], run, parameters))
			return false;
	}
	return true;
}
