/*
 * test_json.c - value/json and value/utf8: the table test/vectors/json.json, what a table
 * cannot hold (depth, digits, many names), and the writers.
 */
#include <limits.h>
#include <stdlib.h>

#include "value/utf8.h"
#include "vectors.h"

/* A member's text or digits. */
static struct text member_text(const struct value *object, const char *name)
{
	const struct value *v = value_get(object, text_of(name));

	return v ? v->text : (struct text){ NULL, 0 };
}

/* A member's number; the fallback where it is absent. */
static size_t member_number(const struct value *object, const char *name, size_t fallback)
{
	struct text digits = member_text(object, name);

	return digits.at ? strtoul(digits.at, NULL, 10) : fallback;
}

static struct text unhex(struct arena *arena, struct text hex)
{
	char *bytes = arena_alloc(arena, hex.len / 2 + 1);

	for (size_t i = 0; i + 1 < hex.len; i += 2) {
		char pair[3] = { hex.at[i], hex.at[i + 1], '\0' };

		bytes[i / 2] = (char)strtoul(pair, NULL, 16);
	}
	return (struct text){ bytes, hex.len / 2 };
}

/* The input on the heap by itself, so that AddressSanitizer sees a read behind its end. */
static struct text exact_copy(struct text t)
{
	char *copy = malloc(t.len ? t.len : 1);

	assert_non_null(copy);
	if (t.len)
		memcpy(copy, t.at, t.len);
	return (struct text){ copy, t.len };
}

static struct text written(struct arena *arena, const struct value *v)
{
	struct strbuf out;

	strbuf_init_arena(&out, arena, SIZE_MAX);
	json_append(&out, v);
	assert_false(out.failed);
	return strbuf_get(&out);
}

static bool contains(const char *message, struct text part)
{
	return part.len > 0 && memmem(message, strlen(message), part.at, part.len) != NULL;
}

/* One row; says what is wrong with it. */
static bool row_holds(struct arena *arena, const struct value *row)
{
	struct text hex = member_text(row, "hex"), want = member_text(row, "value");
	struct text input = exact_copy(
		hex.at ? unhex(arena, hex) : member_text(row, "text"));
	struct text got;
	struct json_error error = { SIZE_MAX, "" };
	const struct value *v;
	bool holds;

	v = json_parse(arena, input, (unsigned)member_number(row, "depth", 64), &error);
	if (v) {
		got = written(arena, v);
		holds = want.at && text_equal(got, want);
		if (!holds)
			print_error("%.*s: read as %.*s\n",
				TEXT_ARG(member_text(row, "name")), TEXT_ARG(got));
	} else {
		holds = !want.at &&
			error.offset == member_number(row, "offset", SIZE_MAX - 1) &&
			contains(error.message, member_text(row, "message"));
		if (!holds)
			print_error("%.*s: %zu: %s\n", TEXT_ARG(member_text(row, "name")),
				error.offset, error.message);
	}
	free((char *)input.at);
	return holds;
}

static void test_vectors(void **state)
{
	struct arena *arena = arena_new();
	const struct value *rows = vectors_read(arena, "test/vectors/json.json");
	size_t wrong = 0;

	assert_true(rows->array.count >= 60);
	for (size_t i = 0; i < rows->array.count; i++)
		wrong += !row_holds(arena, value_at(rows, i));
	assert_int_equal(wrong, 0);
	arena_free(arena);
}

/* The string so many times, then the last one. */
static struct text repeated(
	struct arena *arena, const char *string, size_t count, const char *last)
{
	struct strbuf out;

	strbuf_init_arena(&out, arena, SIZE_MAX);
	while (count-- > 0)
		strbuf_string(&out, string);
	strbuf_string(&out, last);
	return strbuf_get(&out);
}

static void test_depth_limit(void **state)
{
	struct arena *arena = arena_new();
	struct json_error error;
	struct text text = repeated(arena, "[", JSON_MAX_DEPTH + 1, "");

	assert_null(json_parse(arena, text, 1000000, &error));
	assert_int_equal(error.offset, JSON_MAX_DEPTH);
	text = repeated(arena, "[", 100000, "");
	assert_null(json_parse(arena, text, 64, &error));
	assert_int_equal(error.offset, 64);
	text = repeated(arena, "]", 64, "");
	text = text_of(arena_printf(arena, "%.*s%.*s",
		TEXT_ARG(repeated(arena, "[", 64, "1")), TEXT_ARG(text)));
	assert_non_null(json_parse(arena, text, 64, &error));
	arena_free(arena);
}

static void test_digit_limit(void **state)
{
	struct arena *arena = arena_new();
	struct json_error error;
	const struct value *v;
	struct text text = repeated(arena, "9", JSON_MAX_DIGITS, "");

	v = json_parse(arena, text, 64, &error);
	assert_non_null(v);
	assert_ptr_equal(v->text.at, text.at);
	assert_int_equal(v->text.len, JSON_MAX_DIGITS);
	text = repeated(arena, "9", JSON_MAX_DIGITS, "9 ");
	assert_null(json_parse(arena, text, 64, &error));
	assert_int_equal(error.offset, 0);
	assert_true(contains(error.message, TEXT("1,000 digits")));
	text = text_of(arena_printf(arena, "[1, -0.%.*s]",
		TEXT_ARG(repeated(arena, "1", JSON_MAX_DIGITS, ""))));
	assert_null(json_parse(arena, text, 64, &error));
	assert_int_equal(error.offset, 4);
	arena_free(arena);
}

/* Enough members and elements that every stack and block has to grow. */
static void test_large(void **state)
{
	struct arena *arena = arena_new();
	struct json_error error = { 0 };
	struct strbuf out;
	const struct value *v;

	strbuf_init_arena(&out, arena, SIZE_MAX);
	strbuf_char(&out, '{');
	for (int i = 0; i < 20000; i++)
		strbuf_printf(&out, "%s\"k%d\":[%d,{\"v\":\"\\u00e9%d\"}]", i ? "," : "", i,
			i, i);
	strbuf_char(&out, '}');
	v = json_parse(arena, strbuf_get(&out), 64, &error);
	assert_non_null(v);
	assert_int_equal(v->object.count, 20000);
	v = value_get(v, TEXT("k19999"));
	assert_true(text_is(value_at(v, 0)->text, "19999"));
	assert_true(text_is(member_text(value_at(v, 1), "v"), "\xc3\xa9"
							      "19999"));
	arena_free(arena);
}

static void test_many_equal_names(void **state)
{
	struct arena *arena = arena_new();
	struct json_error error;
	struct strbuf out;

	strbuf_init_arena(&out, arena, SIZE_MAX);
	strbuf_char(&out, '{');
	for (int i = 0; i < 100000; i++)
		strbuf_printf(&out, "\"k%d\":1,", i % 99999);
	strbuf_string(&out, "\"k5\":1}");
	assert_null(json_parse(arena, strbuf_get(&out), 64, &error));
	assert_true(contains(error.message, TEXT("'k0'")));
	assert_int_equal(error.offset, out.len - strlen("\"k0\":1,\"k5\":1}"));
	arena_free(arena);
}

static void test_strings_are_slices(void **state)
{
	struct arena *arena = arena_new();
	struct json_error error;
	struct text text = TEXT("{\"name\":\"value\",\"n\":1.50,\"e\":\"a\\nb\"}");
	const struct value *v = json_parse(arena, text, 64, &error);

	assert_non_null(v);
	assert_ptr_equal(v->object.members[0].name.at, text.at + 2);
	assert_ptr_equal(v->object.members[0].value.text.at, text.at + 9);
	assert_ptr_equal(v->object.members[1].value.text.at, text.at + 20);
	assert_true(text_is(member_text(v, "e"), "a\nb"));
	arena_free(arena);
}

static void test_no_text(void **state)
{
	struct arena *arena = arena_new();
	struct json_error error;

	assert_null(json_parse(arena, (struct text){ NULL, 0 }, 64, &error));
	assert_int_equal(error.offset, 0);
	arena_free(arena);
}

/* Every beginning of a good text, and every single byte of it replaced: no crash, and an
 * error's offset lies in the text. */
static void test_damaged(void **state)
{
	static const char good[] =
		"{\"a\":[1,-2.5e3,true,null],\"\\u00e9\":\"\\ud83d\\ude00 "
		"\xc3\xa9\",\"o\":{\"x\":\"\\\"\"}}";
	static const char wrong[] = "\"\\{}[],:0-.eu/\x01\x0b\x80\xc3\xff x";

	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		for (size_t w = 0; w < sizeof(wrong); w++) {
			struct arena *arena = arena_new();
			struct json_error error = { SIZE_MAX, "" };
			struct text whole = exact_copy(TEXT(good));
			struct text cut = exact_copy((struct text){ good, i });

			((char *)whole.at)[i] = wrong[w];
			if (!json_parse(arena, whole, 64, &error))
				assert_true(error.offset <= whole.len && error.message[0]);
			error.offset = SIZE_MAX;
			assert_null(json_parse(arena, cut, 64, &error));
			assert_true(error.offset <= cut.len);
			free((char *)whole.at);
			free((char *)cut.at);
			arena_free(arena);
		}
	}
}

static void wants_string(const char *bytes, size_t len, const char *want)
{
	struct strbuf out;

	strbuf_init(&out, 1000);
	json_append_string(&out, (struct text){ bytes, len });
	assert_false(out.failed);
	if (!text_is(strbuf_get(&out), want))
		fail_msg("%.*s is not %s", TEXT_ARG(strbuf_get(&out)), want);
	strbuf_free(&out);
}

#define WANTS_STRING(literal, want) wants_string(literal, sizeof(literal) - 1, want)

static void test_append_string(void **state)
{
	wants_string(NULL, 0, "\"\"");
	WANTS_STRING("plain / text", "\"plain / text\"");
	WANTS_STRING("\"\\", "\"\\\"\\\\\"");
	WANTS_STRING("\b\t\n\v\f\r", "\"\\b\\t\\n\\u000b\\f\\r\"");
	WANTS_STRING("a\0b\x1f\x7f", "\"a\\u0000b\\u001f\x7f\"");
	WANTS_STRING("\xc3\xa9\xf0\x9f\x98\x80!", "\"\xc3\xa9\xf0\x9f\x98\x80!\"");
	WANTS_STRING("a\xff", "\"a\xef\xbf\xbd\"");
	WANTS_STRING("\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"");
	WANTS_STRING("\xe2\x82x", "\"\xef\xbf\xbdx\"");
	WANTS_STRING("\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	WANTS_STRING("\xf0\x9f\x98", "\"\xef\xbf\xbd\"");
}

/* Every byte at every place of a few words, against one byte at a time. */
static void test_append_each_byte(void **state)
{
	char bytes[20];
	struct strbuf whole, single;

	strbuf_init(&whole, 1000);
	strbuf_init(&single, 1000);
	for (unsigned c = 0; c < 0x80 * sizeof(bytes); c++) {
		memset(bytes, 'x', sizeof(bytes));
		bytes[c / 0x80] = (char)(c % 0x80);
		json_append_string(&whole, (struct text){ bytes, sizeof(bytes) });
		strbuf_char(&single, '"');
		for (size_t i = 0; i < sizeof(bytes); i++) {
			struct strbuf one;

			strbuf_init(&one, 100);
			json_append_string(&one, (struct text){ bytes + i, 1 });
			strbuf_bytes(&single, one.data + 1, one.len - 2);
			strbuf_free(&one);
		}
		strbuf_char(&single, '"');
		assert_true(text_equal(strbuf_get(&whole), strbuf_get(&single)));
		strbuf_clear(&whole);
		strbuf_clear(&single);
	}
	strbuf_free(&whole);
	strbuf_free(&single);
}

static void test_append_ceiling(void **state)
{
	struct strbuf out;

	strbuf_init(&out, 6);
	json_append_string(&out, TEXT("abcd"));
	assert_false(out.failed);
	json_append_string(&out, TEXT("a"));
	assert_true(out.failed);
	strbuf_clear(&out);
	json_append_string(&out, TEXT("ab\ncd"));
	assert_true(out.failed);
	strbuf_free(&out);
}

static void wants_document(struct strbuf *out, yajl_gen gen, const char *want)
{
	yajl_gen_map_close(gen);
	json_end(gen);
	assert_false(out->failed);
	if (!text_is(strbuf_get(out), want))
		fail_msg("%.*s is not %s", TEXT_ARG(strbuf_get(out)), want);
	strbuf_clear(out);
}

static void test_documents(void **state)
{
	struct strbuf out;
	yajl_gen gen;

	strbuf_init(&out, 1000);
	for (int twice = 0; twice < 2; twice++) {
		gen = json_begin(&out);
		yajl_gen_map_open(gen);
		json_string(gen, "s", TEXT("a\"\xff"));
		json_string(gen, "empty", (struct text){ NULL, 0 });
		json_null(gen, "n");
		json_boolean(gen, "b", true);
		json_integer(gen, "i", -12);
		json_key(gen, "list");
		yajl_gen_array_open(gen);
		json_fragment(gen, TEXT("{\"x\":1}"));
		json_fragment(gen, TEXT("2"));
		json_generate(gen, NULL);
		yajl_gen_array_close(gen);
		wants_document(&out, gen,
			"{\"s\":\"a\\\"\xef\xbf\xbd\",\"empty\":\"\",\"n\":null,\"b\":true,"
			"\"i\":-12,\"list\":[{\"x\":1},2,null]}");
	}
	gen = json_begin(&out);
	yajl_gen_map_open(gen);
	json_integer(gen, "least", INT64_MIN);
	json_integer(gen, "most", INT64_MAX);
	json_integer(gen, "zero", 0);
	wants_document(&out, gen,
		"{\"least\":-9223372036854775808,\"most\":9223372036854775807,\"zero\":0}");
	strbuf_free(&out);
	json_drop_cache();
}

static void test_generate(void **state)
{
	static const char json[] =
		"{\"a\":[1.50,\"\xc3\xa9\\n\",null,true,[],{}],\"b\":{\"c\":0}}";
	struct arena *arena = arena_new();
	struct json_error error;
	const struct value *v = json_parse(arena, TEXT(json), 64, &error);
	struct strbuf out;
	yajl_gen gen;

	assert_non_null(v);
	strbuf_init(&out, 1000);
	gen = json_begin(&out);
	yajl_gen_array_open(gen);
	json_generate(gen, v);
	json_generate(gen, value_get(v, TEXT("b")));
	yajl_gen_array_close(gen);
	json_end(gen);
	assert_true(text_is(strbuf_get(&out), arena_printf(arena, "[%s,{\"c\":0}]", json)));
	strbuf_free(&out);
	arena_free(arena);
}

static void test_milliseconds(void **state)
{
	static const struct {
		uint64_t ns;
		const char *want;
	} rows[] = {
		{ 0, "0" },
		{ 15200000, "15.2" },
		{ 120437000, "120.437" },
		{ 120437499, "120.437" },
		{ 120437500, "120.438" },
		{ 1000, "0.001" },
		{ 499, "0" },
		{ 50000, "0.05" },
		{ 999999500, "1000" },
		{ 3000000, "3" },
		{ 10010000, "10.01" },
		{ UINT64_MAX, "18446744073709.552" },
	};
	struct strbuf out;

	strbuf_init(&out, 100);
	for (size_t i = 0; i < array_len(rows); i++) {
		json_append_milliseconds(&out, rows[i].ns);
		strbuf_char(&out, '\0');
		assert_string_equal(out.data, rows[i].want);
		strbuf_clear(&out);
	}
	json_append_integer(&out, LLONG_MIN);
	strbuf_char(&out, ' ');
	json_append_integer(&out, 0);
	strbuf_char(&out, '\0');
	assert_string_equal(out.data, "-9223372036854775808 0");
	strbuf_free(&out);
}

static void test_utf8(void **state)
{
	bool valid;

	assert_true(utf8_valid(TEXT("")));
	assert_true(utf8_valid(TEXT("only ASCII, longer than a word")));
	assert_true(utf8_valid(TEXT("eight by\xc3\xa9")));
	assert_false(utf8_valid(TEXT("eight by\xc3")));
	assert_false(utf8_valid(TEXT("a\x80")));
	assert_int_equal(utf8_step(TEXT("\xe2\x82\xac!"), &valid), 3);
	assert_true(valid);
	assert_int_equal(utf8_step(TEXT("\xe2\x82!"), &valid), 2);
	assert_false(valid);
	assert_int_equal(utf8_step(TEXT("\xe0\x80\x80"), &valid), 1);
	assert_false(valid);
}

static void test_values(void **state)
{
	struct arena *arena = arena_new();

	assert_true(text_is(value_integer(arena, -42)->text, "-42"));
	assert_true(text_is(value_integer(arena, INT64_MIN)->text, "-9223372036854775808"));
	assert_int_equal(value_integer(arena, 1)->type, VALUE_NUMBER);
	assert_true(value_boolean(arena, true)->boolean);
	assert_int_equal(value_string(arena, TEXT("x"))->type, VALUE_STRING);
	assert_null(value_get(NULL, TEXT("a")));
	assert_null(value_at(NULL, 0));
	assert_null(value_get(value_integer(arena, 1), TEXT("a")));
	assert_null(value_at(&value_null, 0));
	assert_string_equal(value_type_name(VALUE_NULL), "null");
	assert_string_equal(value_type_name(VALUE_OBJECT), "Object");
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_depth_limit),
		cmocka_unit_test(test_digit_limit),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_many_equal_names),
		cmocka_unit_test(test_strings_are_slices),
		cmocka_unit_test(test_no_text),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_append_string),
		cmocka_unit_test(test_append_each_byte),
		cmocka_unit_test(test_append_ceiling),
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_generate),
		cmocka_unit_test(test_milliseconds),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
