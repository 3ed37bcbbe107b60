/*
 * test_scope.c - binding names to a model and following them in a payload.
 */
#include "vectors.h"

#include "value/scope.h"

static const char model_json[] =
	"{ \"id\": \"String!\", \"name\": \"String\", \"age\": \"Number\","
	"  \"tags!\": [\"String\"], \"grid\": [[\"Number\"]], \"list\": \"Array\","
	"  \"any\": \"Any\", \"meta\": \"Object\", \"created\": \"Date!\","
	"  \"items\": [{ \"sku\": \"String!\", \"parts\": [{ \"no\": \"Number\" }] }],"
	"  \"address!\": { \"city\": \"String!\", \"zip\": \"String\", \"0\": \"String\" },"
	"  \"maybe\": { \"city\": \"String!\" }, \"odd name\": \"String\" }";

struct fixture {
	struct arena *arena;
	struct diag *diag;
	struct scope scope;
	struct binding binding;
};

static void fixture_open(struct fixture *f)
{
	f->arena = arena_new();
	f->diag = diag_new(f->arena);
	f->scope = (struct scope){ .specials = true };
	f->scope.model = model_compile(
		vectors_parse_node(f->arena, model_json), f->arena, f->diag);
	assert_int_equal(diag_errors(f->diag), 0);
}

static bool bind(struct fixture *f, const char *text)
{
	struct path path;

	assert_int_equal(path_read(f->arena, text_of(text), &path), strlen(text));
	return scope_bind(
		&f->scope, path, (struct place){ 0 }, f->arena, f->diag, &f->binding);
}

struct bound {
	const char *path;
	enum model_type type;
	bool open, required;
	unsigned arrays;
};

static void scope_binds_what_the_model_has(void **state)
{
	static const struct bound bounds[] = {
		{ "id", MODEL_STRING, false, true, 0 },
		{ "name", MODEL_STRING, false, false, 0 },
		{ "created", MODEL_DATE, false, true, 0 },
		{ "tags", MODEL_ARRAY, false, true, 0 },
		{ "tags.0", MODEL_STRING, false, false, 0 },
		{ "grid", MODEL_ARRAY, false, false, 0 },
		{ "grid.1", MODEL_ARRAY, false, false, 0 },
		{ "grid.1.2", MODEL_NUMBER, false, false, 0 },
		{ "list", MODEL_ARRAY, true, false, 0 },
		{ "list.x.y", MODEL_ANY, true, false, 0 },
		{ "list.0", MODEL_ANY, true, false, 0 },
		{ "any", MODEL_ANY, true, false, 0 },
		{ "any.deep.er", MODEL_ANY, true, false, 0 },
		{ "meta", MODEL_OBJECT, true, false, 0 },
		{ "meta.x", MODEL_ANY, true, false, 0 },
		{ "items.sku", MODEL_STRING, false, false, 1 },
		{ "items.parts", MODEL_ARRAY, false, false, 1 },
		{ "items.parts.no", MODEL_NUMBER, false, false, 2 },
		{ "items.0.parts.no", MODEL_NUMBER, false, false, 1 },
		{ "items.0.parts.1.no", MODEL_NUMBER, false, false, 0 },
		{ "address", MODEL_OBJECT, false, true, 0 },
		{ "address.city", MODEL_STRING, false, true, 0 },
		{ "address.zip", MODEL_STRING, false, false, 0 },
		{ "address.0", MODEL_STRING, false, false, 0 },
		{ "maybe.city", MODEL_STRING, false, false, 0 },
		{ "`odd name`", MODEL_STRING, false, false, 0 },
		{ "$payload", MODEL_OBJECT, true, true, 0 },
		{ "$event.id", MODEL_STRING, false, true, 0 },
		{ "$event.receivedAt", MODEL_STRING, false, true, 0 },
		{ "$environment", MODEL_STRING, false, true, 0 },
	};
	struct fixture f;

	fixture_open(&f);
	for (size_t i = 0; i < array_len(bounds); i++) {
		const struct bound *b = &bounds[i];

		if (!bind(&f, b->path))
			fail_msg("%s was refused", b->path);
		if (f.binding.type != b->type || f.binding.open != b->open ||
			f.binding.required != b->required || f.binding.arrays != b->arrays)
			fail_msg("%s: type %s, open %d, required %d, arrays %u", b->path,
				model_type_name(f.binding.type), f.binding.open,
				f.binding.required, f.binding.arrays);
	}
	assert_int_equal(diag_errors(f.diag), 0);
	arena_free(f.arena);
}

struct refusal {
	const char *path, *error, *hint;
};

static void scope_refuses_what_it_has_not(void **state)
{
	static const struct refusal refusals[] = {
		{ "nmae", "no property 'nmae'", "did you mean 'name'?" },
		{ "address.citty", "'address' has no property 'citty'",
			"did you mean 'city'?" },
		{ "items.skuu", "'items' has no property 'skuu'", "did you mean 'sku'?" },
		{ "items.0.skuu", "'items.0' has no property", "did you mean 'sku'?" },
		{ "name.first", "'name' is a String and has nothing below it", NULL },
		{ "tags.x", "is a String and has nothing below it", NULL },
		{ "tags.0.x", "is a String and has nothing below it", NULL },
		{ "`0`", "no property '0'", NULL },
		{ "$payload.name", "{$payload} has nothing below it", NULL },
		{ "$event", "no wildcard {$event}", NULL },
		{ "$event.idd", "no wildcard {$event.idd}", "did you mean '$event.id'?" },
		{ "$event.id.x", "{$event.id} has nothing below it", NULL },
		{ "$Environment", "no wildcard", "did you mean '$environment'?" },
		{ "$response", "only in the payloads of onSuccess and onFailure", NULL },
		{ "$error.message", "only in the payloads of onSuccess", NULL },
		{ "$action.id", "only in the payloads of onSuccess", NULL },
	};

	for (size_t i = 0; i < array_len(refusals); i++) {
		const struct refusal *r = &refusals[i];
		struct fixture f;

		fixture_open(&f);
		assert_false(bind(&f, r->path));
		assert_int_equal(diag_errors(f.diag), 1);
		if (!vectors_has_message(f.diag, true, text_of(r->error)))
			fail_msg("%s: %s", r->path, diag_message(f.diag, 0)->text);
		if (r->hint && !vectors_has_hint(f.diag, text_of(r->hint)))
			fail_msg("%s: hint %s", r->path, diag_message(f.diag, 0)->hint);
		arena_free(f.arena);
	}
}

static void scope_without_specials_has_none(void **state)
{
	struct fixture f;

	fixture_open(&f);
	f.scope.specials = false;
	assert_false(bind(&f, "$payload"));
	assert_true(vectors_has_message(f.diag, true, TEXT("in a condition")));
	assert_true(bind(&f, "name"));
	arena_free(f.arena);
}

static void scope_without_a_model_knows_every_path(void **state)
{
	struct fixture f;

	fixture_open(&f);
	f.scope.model = NULL;
	assert_true(bind(&f, "a.b.0.c"));
	assert_true(f.binding.open);
	assert_int_equal(f.binding.type, MODEL_ANY);
	arena_free(f.arena);
}

static void scope_values_follow_the_payload(void **state)
{
	static const struct {
		const char *path, *json;
	} found[] = {
		{ "id", "\"1\"" },
		{ "name", "null" },
		{ "age", "(none)" },
		{ "tags", "[\"a\",null]" },
		{ "tags.0", "\"a\"" },
		{ "tags.2", "(none)" },
		{ "tags.99999999999999999999999", "(none)" },
		{ "grid.1.0", "3" },
		{ "items",
			"[{\"sku\":\"x\",\"parts\":[{\"no\":1.50},{}]},{\"sku\":\"y\"}]" },
		{ "items.sku", "[\"x\",\"y\"]" },
		{ "items.parts.no", "[[1.50,null],null]" },
		{ "items.0.parts.no", "[1.50,null]" },
		{ "items.0.parts.0.no", "1.50" },
		{ "items.1.parts.no", "(none)" },
		{ "any.x", "[1,null,[2]]" },
		{ "any.1", "7" },
		{ "any.0.x", "1" },
		{ "meta.0", "\"zero\"" },
		{ "meta.`0`", "\"zero\"" },
		{ "any.`1`", "[null,null,[null]]" },
		{ "address.0", "(none)" },
		{ "list", "[]" },
		{ "list.x", "[]" },
		{ "maybe.city", "(none)" },
		{ "`odd name`", "\"odd\"" },
	};
	struct fixture f;
	struct values values = { 0 };

	fixture_open(&f);
	values.payload = vectors_parse(f.arena,
		"{\"id\":\"1\",\"name\":null,\"tags\":[\"a\",null],\"grid\":[[1,2],[3]],"
		"\"items\":[{\"sku\":\"x\",\"parts\":[{\"no\":1.50},{}]},{\"sku\":\"y\"}],"
		"\"any\":[{\"x\":1},7,[{\"x\":2}]],\"meta\":{\"0\":\"zero\"},\"list\":[],"
		"\"maybe\":null,\"odd name\":\"odd\"}");
	for (size_t i = 0; i < array_len(found); i++) {
		const struct value *v;

		assert_true(bind(&f, found[i].path));
		v = scope_value(&f.binding, &values, f.arena);
		if (strcmp(vectors_json(f.arena, v), found[i].json) != 0)
			fail_msg("%s: %s", found[i].path, vectors_json(f.arena, v));
	}
	assert_true(bind(&f, "$payload"));
	assert_ptr_equal(scope_value(&f.binding, &values, f.arena), values.payload);
	arena_free(f.arena);
}

static void scope_values_of_specials(void **state)
{
	static const struct {
		const char *path, *json;
	} found[] = {
		{ "$event.id", "\"run\"" },
		{ "$event.name", "\"a.b\"" },
		{ "$event.receivedAt", "\"2026-03-01T12:00:00.000Z\"" },
		{ "$environment", "\"test\"" },
		{ "$response", "{\"rows\":[{\"id\":1},{\"id\":2}]}" },
		{ "$response.rows.id", "[1,2]" },
		{ "$response.rows.1.id", "2" },
		{ "$response.none", "(none)" },
		{ "$error.message", "\"refused\"" },
		{ "$error.code", "409" },
		{ "$error.detail", "(none)" },
		{ "$action.id", "\"save\"" },
	};
	struct fixture f;
	struct values values = {
		.event_id = TEXT("run"),
		.event_name = TEXT("a.b"),
		.received_at = TEXT("2026-03-01T12:00:00.000Z"),
		.environment = TEXT("test"),
		.error_message = TEXT("refused"),
		.error_code = 409,
		.action_id = TEXT("save"),
	};

	fixture_open(&f);
	f.scope.trigger = true;
	values.response = vectors_parse(f.arena, "{\"rows\":[{\"id\":1},{\"id\":2}]}");
	for (size_t i = 0; i < array_len(found); i++) {
		const struct value *v;

		assert_true(bind(&f, found[i].path));
		v = scope_value(&f.binding, &values, f.arena);
		if (strcmp(vectors_json(f.arena, v), found[i].json) != 0)
			fail_msg("%s: %s", found[i].path, vectors_json(f.arena, v));
	}
	arena_free(f.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scope_binds_what_the_model_has),
		cmocka_unit_test(scope_refuses_what_it_has_not),
		cmocka_unit_test(scope_without_specials_has_none),
		cmocka_unit_test(scope_without_a_model_knows_every_path),
		cmocka_unit_test(scope_values_follow_the_payload),
		cmocka_unit_test(scope_values_of_specials),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
