/*
 * test_model.c - value/model and value/node: the table test/vectors/models.json, and what a
 * table cannot hold.
 */
#include "value/model.h"
#include "vectors.h"

static const struct value *member(const struct value *row, const char *key)
{
	return value_get(row, text_of(key));
}

static bool mismatch_is(const struct model_mismatch *got, const struct value *want)
{
	struct text message = vectors_text(want, "message");

	return message.len > 0 && text_equal(got->path, vectors_text(want, "path")) &&
	       memmem(got->message.at, got->message.len, message.at, message.len);
}

/* A row with a payload: exactly the mismatches that it lists, in their order. */
static bool check_holds(
	struct arena *arena, const struct model *model, const struct value *row)
{
	const struct value *want = member(row, "mismatches");
	struct model_mismatches got;
	bool fits = model_check(
		model, member(row, "strict") != NULL, member(row, "payload"), arena, &got);
	bool holds = fits == (want->array.count == 0) && got.count == want->array.count;

	for (size_t i = 0; holds && i < got.count; i++)
		holds = mismatch_is(&got.items[i], value_at(want, i));
	if (holds)
		return true;
	print_error(
		"%.*s: %zu mismatches\n", TEXT_ARG(vectors_text(row, "name")), got.count);
	for (size_t i = 0; i < got.count; i++)
		print_error("   %.*s: %.*s\n", TEXT_ARG(got.items[i].path),
			TEXT_ARG(got.items[i].message));
	return false;
}

static bool row_holds(struct arena *arena, const struct value *row)
{
	struct diag *diag = diag_new(arena);
	const struct model *model = model_compile(
		vectors_node(arena, member(row, "model")), arena, diag);
	struct text error = vectors_text(row, "error"), hint = vectors_text(row, "hint");

	assert_non_null(model);
	if (!error.at && diag_count(diag) == 0)
		return check_holds(arena, model, row);
	if (error.at && diag_errors(diag) == 1 && vectors_has_message(diag, true, error) &&
		(!hint.at || vectors_has_hint(diag, hint)))
		return true;
	print_error("%.*s:\n", TEXT_ARG(vectors_text(row, "name")));
	diag_print(diag, stderr);
	return false;
}

static void test_vectors(void **state)
{
	struct arena *arena = arena_new();
	const struct value *rows = vectors_read(arena, "test/vectors/models.json");
	size_t wrong = 0;

	assert_true(rows->array.count >= 50);
	for (size_t i = 0; i < rows->array.count; i++)
		wrong += !row_holds(arena, value_at(rows, i));
	assert_int_equal(wrong, 0);
	arena_free(arena);
}

static const struct model *compile(struct arena *arena, const char *json)
{
	struct diag *diag = diag_new(arena);
	const struct model *model = model_compile(
		vectors_parse_node(arena, json), arena, diag);

	assert_int_equal(diag_count(diag), 0);
	return model;
}

static void test_compiled_shape(void **state)
{
	struct arena *arena = arena_new();
	const struct model *model = compile(arena, "{\"a!\": [\"string!\"], \"b\": {\"c\": "
						   "\"Date\"}, \"d\": \"any\", \"e\": []}");
	const struct model_property *p = model->properties;

	assert_int_equal(model->type, MODEL_OBJECT);
	assert_int_equal(model->count, 4);
	assert_true(text_is(p[0].name, "a") && p[0].required);
	assert_int_equal(p[0].model.type, MODEL_ARRAY);
	assert_int_equal(p[0].model.element->type, MODEL_STRING);
	assert_true(p[0].model.element_required);
	assert_false(p[1].required);
	assert_int_equal(p[1].model.properties[0].model.type, MODEL_DATE);
	assert_false(model_is_open(model) || model_is_open(&p[0].model) ||
		     model_is_open(p[0].model.element) || model_is_open(&p[1].model));
	assert_true(model_is_open(&p[2].model) && model_is_open(&p[3].model));
	assert_null(p[3].model.element);
	assert_string_equal(model_type_name(MODEL_ARRAY), "Array");
	arena_free(arena);
}

static void test_no_model(void **state)
{
	struct arena *arena = arena_new();
	struct diag *diag = diag_new(arena);
	const struct model *model = model_compile(NULL, arena, diag);

	assert_int_equal(model->type, MODEL_OBJECT);
	assert_true(model_is_open(model));
	assert_int_equal(diag_count(diag), 0);
	arena_free(arena);
}

static void test_wrong_place_is_open(void **state)
{
	struct arena *arena = arena_new();
	struct diag *diag = diag_new(arena);
	const struct model *model = model_compile(
		vectors_parse_node(
			arena, "{\"a\": \"Strng\", \"b\": null, \"c\": \"Date\"}"),
		arena, diag);
	const struct diag_message *first;

	assert_int_equal(diag_errors(diag), 2);
	assert_true(model_is_open(&model->properties[0].model));
	assert_true(model_is_open(&model->properties[1].model));
	assert_int_equal(model->properties[2].model.type, MODEL_DATE);
	first = diag_message(diag, 0)->place.source ? diag_message(diag, 0)
						    : diag_message(diag, 1);
	assert_int_equal(first->place.length, strlen("Strng"));
	arena_free(arena);
}

static void test_mismatches_are_bounded(void **state)
{
	struct arena *arena = arena_new();
	const struct model *model = compile(arena, "{\"p\": [{\"q\": \"String!\"}]}");
	struct model_mismatches mismatches;
	struct strbuf json;

	strbuf_init_arena(&json, arena, SIZE_MAX);
	strbuf_string(&json, "{\"p\": [1");
	for (int i = 0; i < 1000; i++)
		strbuf_string(&json, ",{}");
	strbuf_string(&json, "]}");
	strbuf_char(&json, '\0');
	assert_false(model_check(
		model, true, vectors_parse(arena, json.data), arena, &mismatches));
	assert_int_equal(mismatches.count, MODEL_MAX_MISMATCHES);
	assert_true(text_is(mismatches.items[99].path, "p.99.q"));
	arena_free(arena);
}

/* Members in any order are found; what fits leaves nothing in the arena. */
static void test_order_of_members(void **state)
{
	struct arena *arena = arena_new();
	const struct model *model = compile(arena,
		"{\"a\": \"Number!\", \"b\": \"String!\", \"c\": \"Boolean!\", "
		"\"d\": \"Any\"}");
	static const char *const payloads[] = {
		"{\"a\":1,\"b\":\"x\",\"c\":true}",
		"{\"c\":true,\"b\":\"x\",\"a\":1}",
		"{\"x\":0,\"b\":\"x\",\"y\":0,\"a\":1,\"c\":true,\"z\":0}",
		"{\"c\":true,\"d\":0,\"a\":1,\"b\":\"x\"}",
	};
	struct model_mismatches mismatches;

	for (size_t i = 0; i < array_len(payloads); i++) {
		assert_true(model_check(model, false, vectors_parse(arena, payloads[i]),
			arena, &mismatches));
		assert_int_equal(mismatches.count, 0);
		assert_null(mismatches.items);
	}
	arena_free(arena);
}

static void test_nodes(void **state)
{
	struct arena *arena = arena_new();
	const struct node *map = vectors_parse_node(arena, "{\"a\": null, \"b\": [1]}");

	assert_int_equal(node_get(map, "b")->kind, NODE_LIST);
	assert_true(node_is_null(node_get(map, "a")));
	assert_null(node_get(map, "c"));
	assert_true(node_is_null(node_get(map, "c")));
	assert_null(node_get(NULL, "a"));
	assert_null(node_get(node_get(map, "b"), "a"));
	assert_true(text_is(node_entry(map, TEXT("b"))->key, "b"));
	assert_string_equal(node_kind_name(NODE_MAP), "a mapping");
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_compiled_shape),
		cmocka_unit_test(test_no_model),
		cmocka_unit_test(test_wrong_place_is_open),
		cmocka_unit_test(test_mismatches_are_bounded),
		cmocka_unit_test(test_order_of_members),
		cmocka_unit_test(test_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
