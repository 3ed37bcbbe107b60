/*
 * test_template.c - wildcards: the table, what a template tells of itself, trees.
 */
#include "vectors.h"

#include <stdlib.h>

#include "value/template.h"

struct fixture {
	struct arena *arena;
	struct diag *diag;
	struct scope scope;
	struct values values;
	struct errbuf errbuf;
};

static void fixture_open(struct fixture *f)
{
	*f = (struct fixture){ .arena = arena_new() };
	f->diag = diag_new(f->arena);
	f->scope.specials = true;
}

static void use_model(struct fixture *f, const char *json)
{
	f->scope.model = model_compile(
		vectors_parse_node(f->arena, json), f->arena, f->diag);
	assert_int_equal(diag_errors(f->diag), 0);
}

static void read_values(struct fixture *f, const struct value *row)
{
	const struct value *values = value_get(row, TEXT("values"));
	const struct value *code = value_get(values, TEXT("error_code"));

	f->values = (struct values){
		.payload = value_get(row, TEXT("payload")),
		.event_id = vectors_text(values, "event_id"),
		.event_name = vectors_text(values, "event_name"),
		.received_at = vectors_text(values, "received_at"),
		.environment = vectors_text(values, "environment"),
		.response = value_get(values, TEXT("response")),
		.error_message = vectors_text(values, "error_message"),
		.error_code = code ? atoi(code->text.at) : 0,
		.error_detail = vectors_text(values, "error_detail"),
		.action_id = vectors_text(values, "action_id"),
	};
}

static void open_case(struct fixture *f, const struct value *table, const struct value *row)
{
	const struct value *model = value_get(
		value_get(table, TEXT("models")), vectors_text(row, "model"));
	struct model_mismatches mismatches;

	fixture_open(f);
	assert_non_null(model);
	f->scope.model = model_compile(vectors_node(f->arena, model), f->arena, f->diag);
	f->scope.trigger = value_get(row, TEXT("trigger")) != NULL;
	assert_int_equal(diag_errors(f->diag), 0);
	read_values(f, row);
	if (f->values.payload && !model_check(f->scope.model, false, f->values.payload,
					 f->arena, &mismatches))
		fail_msg("%.*s: the payload does not fit its model",
			TEXT_ARG(vectors_text(row, "name")));
}

/* The tree's value; NULL: the reason is in errbuf. */
static const struct value *tree_value(struct fixture *f, const struct value *row)
{
	const struct node *node = vectors_node(f->arena, value_get(row, TEXT("template")));
	bool typed = value_get(row, TEXT("typed")) != NULL;
	struct template_tree *tree = (typed ? template_tree_compile_typed
					    : template_tree_compile)(
		node, "value", &f->scope, f->arena, f->diag);

	if (diag_errors(f->diag) > 0)
		return NULL;
	return template_tree_value(tree, &f->values, f->arena, &f->errbuf);
}

static void check_text(struct fixture *f, const struct value *row, struct text wanted)
{
	const struct node *node = vectors_node(f->arena, value_get(row, TEXT("template")));
	struct template *t = template_compile(node, "value", &f->scope, f->arena, f->diag);
	bool is_null;
	struct text text;

	assert_int_equal(diag_errors(f->diag), 0);
	if (!template_text(t, &f->values, f->arena, false, &text, &is_null, &f->errbuf))
		fail_msg("%.*s: %s", TEXT_ARG(vectors_text(row, "name")), f->errbuf.text);
	if (!text_equal(text, wanted) || is_null)
		fail_msg("%.*s: %.*s", TEXT_ARG(vectors_text(row, "name")), TEXT_ARG(text));
}

static void check_load_error(struct fixture *f, const struct value *row)
{
	struct text name = vectors_text(row, "name"), hint = vectors_text(row, "hint");
	const struct value *at = value_get(row, TEXT("at"));
	const struct diag_message *m;
	char place[40];

	(void)tree_value(f, row);
	if (diag_errors(f->diag) != 1)
		fail_msg("%.*s: %zu errors", TEXT_ARG(name), diag_errors(f->diag));
	m = diag_message(f->diag, 0);
	if (!vectors_has_message(f->diag, true, vectors_text(row, "load_error")))
		fail_msg("%.*s: %s", TEXT_ARG(name), m->text);
	if (hint.at && !vectors_has_hint(f->diag, hint))
		fail_msg("%.*s: hint %s", TEXT_ARG(name), m->hint);
	(void)snprintf(place, sizeof(place), "[%u,%u]", m->place.offset, m->place.length);
	if (at && strcmp(vectors_json(f->arena, at), place) != 0)
		fail_msg("%.*s: at %s", TEXT_ARG(name), place);
}

static void check_value(
	struct fixture *f, const struct value *row, const struct value *wanted)
{
	struct text name = vectors_text(row, "name");
	const struct value *v = tree_value(f, row);

	if (!v)
		fail_msg("%.*s: %s", TEXT_ARG(name),
			diag_errors(f->diag) ? diag_message(f->diag, 0)->text
					     : f->errbuf.text);
	if (strcmp(vectors_json(f->arena, v), vectors_json(f->arena, wanted)) != 0)
		fail_msg("%.*s: %s", TEXT_ARG(name), vectors_json(f->arena, v));
}

static void check_error(struct fixture *f, const struct value *row, struct text fragment)
{
	struct text name = vectors_text(row, "name");
	const struct value *v = tree_value(f, row);

	assert_int_equal(diag_errors(f->diag), 0);
	if (v)
		fail_msg("%.*s: %s", TEXT_ARG(name), vectors_json(f->arena, v));
	if (!memmem(f->errbuf.text, strlen(f->errbuf.text), fragment.at, fragment.len))
		fail_msg("%.*s: %s", TEXT_ARG(name), f->errbuf.text);
}

static void check_case(const struct value *table, const struct value *row)
{
	const struct value *value = value_get(row, TEXT("value"));
	struct text text = vectors_text(row, "text"), error = vectors_text(row, "error");
	struct text warning = vectors_text(row, "warning");
	struct fixture f;

	open_case(&f, table, row);
	if (value)
		check_value(&f, row, value);
	else if (text.at)
		check_text(&f, row, text);
	else if (error.at)
		check_error(&f, row, error);
	else
		check_load_error(&f, row);
	if (warning.at && !vectors_has_message(f.diag, false, warning))
		fail_msg("%.*s: no warning", TEXT_ARG(vectors_text(row, "name")));
	assert_int_equal(diag_warnings(f.diag), warning.at ? 1 : 0);
	arena_free(f.arena);
}

static void wildcards_of_the_table(void **state)
{
	struct arena *arena = arena_new();
	const struct value *table = vectors_read(arena, "test/vectors/wildcards.json");
	const struct value *cases = value_get(table, TEXT("cases"));

	assert_true(cases->array.count >= 140);
	for (size_t i = 0; i < cases->array.count; i++)
		check_case(table, &cases->array.items[i]);
	arena_free(arena);
}

static struct template *compile(struct fixture *f, const char *text)
{
	struct value v = { .type = VALUE_STRING, .text = text_of(text) };

	return template_compile(
		vectors_node(f->arena, &v), "key", &f->scope, f->arena, f->diag);
}

static void templates_tell_what_they_are(void **state)
{
	static const struct {
		const char *text;
		bool literal, wildcard, optional, scalar;
	} kinds[] = {
		{ "plain", true, false, false, true },
		{ "\\{id}", true, false, false, true },
		{ "{id}", false, true, false, true },
		{ "{id?}", false, true, true, true },
		{ "{id|x}", false, true, false, true },
		{ "x{id?}", false, false, false, true },
		{ "{tags}", false, true, false, false },
		{ "{tags.0}", false, true, false, true },
		{ "x{tags}", false, false, false, true },
		{ "{any}", false, true, false, false },
		{ "{any.x}", false, true, false, false },
		{ "{items.n}", false, true, false, false },
		{ "{items}", false, true, false, false },
		{ "{$payload}", false, true, false, false },
		{ "{$event.id}", false, true, false, true },
	};
	struct fixture f;

	fixture_open(&f);
	use_model(&f, "{\"id\":\"String\",\"tags\":[\"String\"],\"any\":\"Any\","
		      "\"items\":[{\"n\":\"Number\"}]}");
	for (size_t i = 0; i < array_len(kinds); i++) {
		const struct template *t = compile(&f, kinds[i].text);

		if (template_is_literal(t) != kinds[i].literal ||
			template_is_wildcard(t) != kinds[i].wildcard ||
			template_is_optional(t) != kinds[i].optional ||
			template_is_scalar(t) != kinds[i].scalar ||
			(template_binding(t) != NULL) != kinds[i].wildcard)
			fail_msg("%s", kinds[i].text);
	}
	assert_true(text_is(template_literal(compile(&f, "\\{id} x")), "{id} x"));
	assert_int_equal(diag_errors(f.diag), 0);
	arena_free(f.arena);
}

static void template_after_a_mistake_is_literal(void **state)
{
	struct fixture f;
	struct template *t;

	fixture_open(&f);
	use_model(&f, "{\"id\":\"String\"}");
	t = compile(&f, "a {x} {id} {y}");
	assert_int_equal(diag_errors(f.diag), 2);
	assert_true(template_is_literal(t));
	assert_true(text_is(template_literal(t), "a {x} {id} {y}"));
	arena_free(f.arena);
}

static void template_takes_scalars_only(void **state)
{
	struct fixture f;
	struct node_entry entry = { .key = TEXT("name"), .value_missing = true };
	struct node map = { .kind = NODE_MAP, .count = 1, .entries = &entry };
	struct node list = { .kind = NODE_LIST };

	fixture_open(&f);
	(void)template_compile(&list, "key", &f.scope, f.arena, f.diag);
	assert_true(vectors_has_message(f.diag, true, TEXT("key should be text, not")));
	(void)template_compile(&map, "key", &f.scope, f.arena, f.diag);
	assert_int_equal(diag_errors(f.diag), 2);
	assert_true(vectors_has_message(f.diag, true, TEXT("'name' has no value here")));
	assert_true(vectors_has_hint(f.diag, TEXT("write \"{name}\" in quotes")));
	assert_true(template_is_literal(
		template_compile(NULL, "key", &f.scope, f.arena, f.diag)));
	arena_free(f.arena);
}

static void tree_refuses_members_without_a_value(void **state)
{
	struct fixture f;
	struct node_entry inner = { .key = TEXT("id"), .value_missing = true };
	struct node braces = { .kind = NODE_MAP, .count = 1, .entries = &inner };
	struct node_entry outer = { .key = TEXT("key"), .value = &braces };
	struct node map = { .kind = NODE_MAP, .count = 1, .entries = &outer };

	fixture_open(&f);
	(void)template_tree_compile(&map, "payload", &f.scope, f.arena, f.diag);
	assert_int_equal(diag_errors(f.diag), 1);
	assert_true(vectors_has_hint(f.diag, TEXT("write \"{id}\" in quotes")));
	template_check_all(&map, &f.scope, f.arena, f.diag);
	assert_int_equal(diag_errors(f.diag), 2);
	arena_free(f.arena);
}

static void text_says_null_and_refuses_json(void **state)
{
	struct fixture f;
	struct text text;
	bool is_null;

	fixture_open(&f);
	f.values.payload = vectors_parse(f.arena, "{\"a\":null,\"o\":{\"x\":1.0}}");
	assert_true(template_text(
		compile(&f, "{a}"), &f.values, f.arena, false, &text, &is_null, &f.errbuf));
	assert_true(is_null && text.len == 0);
	assert_true(template_text(compile(&f, "{b?}"), &f.values, f.arena, false, &text,
		&is_null, &f.errbuf));
	assert_true(is_null);
	assert_true(template_text(
		compile(&f, ""), &f.values, f.arena, false, &text, &is_null, &f.errbuf));
	assert_false(is_null);
	assert_false(template_text(
		compile(&f, "{o}"), &f.values, f.arena, false, &text, &is_null, &f.errbuf));
	assert_string_equal(
		f.errbuf.text, "wildcard {o} in key: an Object cannot stand here");
	assert_true(template_text(
		compile(&f, "{o}"), &f.values, f.arena, true, &text, &is_null, &f.errbuf));
	assert_true(text_is(text, "{\"x\":1.0}"));
	arena_free(f.arena);
}

static void value_says_absent(void **state)
{
	struct fixture f;
	bool absent;

	fixture_open(&f);
	f.values.payload = vectors_parse(f.arena, "{\"a\":null,\"b\":0}");
	(void)!template_value(compile(&f, "{a}"), &f.values, f.arena, &absent, &f.errbuf);
	assert_true(absent);
	(void)!template_value(
		compile(&f, "{none?}"), &f.values, f.arena, &absent, &f.errbuf);
	assert_true(absent);
	(void)!template_value(
		compile(&f, "{none|0}"), &f.values, f.arena, &absent, &f.errbuf);
	assert_false(absent);
	assert_ptr_equal(
		template_value(compile(&f, "{b}"), &f.values, f.arena, &absent, &f.errbuf),
		value_get(f.values.payload, TEXT("b")));
	assert_false(absent);
	arena_free(f.arena);
}

static void parts_are_templates(void **state)
{
	struct fixture f;
	const struct template *const *parts;
	struct text text;
	bool is_null;

	fixture_open(&f);
	f.values.payload = vectors_parse(f.arena, "{\"b\":\"x.y\"}");
	assert_int_equal(template_parts(compile(&f, "{a}.t_{b}"), &parts), 3);
	assert_true(template_is_wildcard(parts[0]));
	assert_true(text_is(template_literal(parts[1]), ".t_"));
	assert_true(template_text(
		parts[0], &f.values, f.arena, false, &text, &is_null, &f.errbuf));
	assert_true(is_null);
	assert_true(template_text(
		parts[2], &f.values, f.arena, false, &text, &is_null, &f.errbuf));
	assert_true(text_is(text, "x.y"));
	assert_int_equal(template_parts(compile(&f, "{a}"), &parts), 1);
	assert_true(template_is_wildcard(parts[0]));
	assert_int_equal(template_parts(compile(&f, "t"), &parts), 1);
	assert_true(text_is(template_literal(parts[0]), "t"));
	arena_free(f.arena);
}

/* A branch without wildcards is the same value in every run. */
static void literal_branches_are_built_once(void **state)
{
	struct fixture f;
	struct template_tree *tree;
	const struct value *a, *b;

	fixture_open(&f);
	f.values.payload = vectors_parse(f.arena, "{\"x\":1}");
	tree = template_tree_compile(vectors_parse_node(f.arena, "[[1,{\"a\":\"b\"}]]"),
		"value", &f.scope, f.arena, f.diag);
	a = template_tree_value(tree, &f.values, f.arena, &f.errbuf);
	b = template_tree_value(tree, &f.values, f.arena, &f.errbuf);
	assert_ptr_equal(a, b);
	arena_free(f.arena);
}

static void mixed_text_is_bounded(void **state)
{
	struct fixture f;
	struct strbuf buf;
	char *big;

	fixture_open(&f);
	big = arena_alloc(f.arena, 1 << 20);
	memset(big, 'x', 1 << 20);
	f.values.payload = &(struct value){ .type = VALUE_OBJECT,
		.object = { &(struct member){ TEXT("a"),
				    { .type = VALUE_STRING, .text = { big, 1 << 20 } } },
			1 } };
	strbuf_init_arena(&buf, f.arena, 10000);
	for (size_t i = 0; i < 65; i++)
		strbuf_string(&buf, "{a}");
	strbuf_char(&buf, '\0');
	assert_null(template_value(
		compile(&f, strbuf_get(&buf).at), &f.values, f.arena, NULL, &f.errbuf));
	assert_string_equal(f.errbuf.text, "key: the text is longer than 64 MiB");
	arena_free(f.arena);
}

/* Text with a fold or an escape has no exact places inside. */
static void places_need_exact_text(void **state)
{
	struct fixture f;
	struct source source = { "file", TEXT("key: \"x\\t{nmae}\"") };
	struct node node = { .kind = NODE_STRING, .text = TEXT("x\t{nmae}") };

	fixture_open(&f);
	use_model(&f, "{\"name\":\"String\"}");
	node.place = (struct place){ &source, 6, 9, false };
	(void)template_compile(&node, "key", &f.scope, f.arena, f.diag);
	assert_int_equal(diag_message(f.diag, 0)->place.offset, 6);
	assert_int_equal(diag_message(f.diag, 0)->place.length, 9);
	arena_free(f.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wildcards_of_the_table),
		cmocka_unit_test(templates_tell_what_they_are),
		cmocka_unit_test(template_after_a_mistake_is_literal),
		cmocka_unit_test(template_takes_scalars_only),
		cmocka_unit_test(tree_refuses_members_without_a_value),
		cmocka_unit_test(text_says_null_and_refuses_json),
		cmocka_unit_test(value_says_absent),
		cmocka_unit_test(parts_are_templates),
		cmocka_unit_test(literal_branches_are_built_once),
		cmocka_unit_test(mixed_text_is_bounded),
		cmocka_unit_test(places_need_exact_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
