/*
 * test_path.c - reading and writing paths.
 */
#include "vectors.h"

#include "value/path.h"

struct reading {
	const char *text;
	size_t used; /* bytes of the path */
	size_t parts;
	const char *written; /* NULL: as what was read */
};

static void path_read_takes_what_is_well_formed(void **state)
{
	static const struct reading readings[] = {
		{ "name", 4, 1, NULL },
		{ "address.city", 12, 2, NULL },
		{ "_a.b-c.D9", 9, 3, NULL },
		{ "a b", 1, 1, "a" },
		{ "a.", 1, 1, "a" },
		{ "a..b", 1, 1, "a" },
		{ "a.0.b", 5, 3, NULL },
		{ "a.0b", 1, 1, "a" },
		{ "a.007", 5, 2, NULL },
		{ "a}", 1, 1, "a" },
		{ "0.a", 0, 0, "" },
		{ "9", 0, 0, "" },
		{ "-a", 0, 0, "" },
		{ ".a", 0, 0, "" },
		{ "", 0, 0, "" },
		{ "$payload", 8, 1, NULL },
		{ "$event.id", 9, 2, NULL },
		{ "$", 0, 0, "" },
		{ "$5", 0, 0, "" },
		{ "a.$b", 1, 1, "a" },
		{ "`odd name`.x", 12, 2, NULL },
		{ "a.`b.c`", 7, 2, NULL },
		{ "`tick``s`", 9, 1, NULL },
		{ "``", 2, 1, NULL },
		{ "`open", 0, 0, "" },
		{ "`open``", 0, 0, "" },
		{ "a.`open", 1, 1, "a" },
		{ "a.`0`", 5, 2, NULL },
		{ "\xc3\xa9", 0, 0, "" },
	};

	for (size_t i = 0; i < array_len(readings); i++) {
		const struct reading *r = &readings[i];
		struct arena *arena = arena_new();
		struct strbuf out;
		struct path path;
		size_t used = path_read(arena, text_of(r->text), &path);
		struct text written;

		strbuf_init_arena(&out, arena, 1000);
		path_write(&out, path);
		written = strbuf_get(&out);
		if (used != r->used || path.count != r->parts ||
			!text_is(written, r->written ? r->written : r->text))
			fail_msg("%s: %zu bytes, %zu parts, written %.*s", r->text, used,
				path.count, TEXT_ARG(written));
		arena_free(arena);
	}
}

static void path_parts_know_what_they_are(void **state)
{
	struct arena *arena = arena_new();
	struct path path;

	assert_int_equal(path_read(arena, TEXT("a.12.`12`.`x``y`"), &path), 16);
	assert_int_equal(path.count, 4);
	assert_false(path.parts[0].digits);
	assert_true(path.parts[1].digits);
	assert_int_equal(path.parts[1].index, 12);
	assert_false(path.parts[2].digits);
	assert_true(path.parts[2].quoted);
	assert_true(text_is(path.parts[2].name, "12"));
	assert_true(text_is(path.parts[3].name, "x`y"));
	arena_free(arena);
}

static void path_index_that_does_not_fit_is_the_largest(void **state)
{
	struct arena *arena = arena_new();
	struct path path;

	assert_true(path_read(arena, TEXT("a.18446744073709551614"), &path) > 0);
	assert_true(path.parts[1].index == SIZE_MAX - 1);
	assert_true(path_read(arena, TEXT("a.18446744073709551615"), &path) > 0);
	assert_true(path.parts[1].index == SIZE_MAX);
	assert_true(path_read(arena, TEXT("a.99999999999999999999999"), &path) > 0);
	assert_true(path.parts[1].index == SIZE_MAX);
	arena_free(arena);
}

static void path_of_many_parts(void **state)
{
	struct arena *arena = arena_new();
	struct path path;
	char text[2000];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? '.' : 'a';
	assert_int_equal(
		path_read(arena, (struct text){ text, sizeof(text) }, &path), 1999);
	assert_int_equal(path.count, 1000);
	for (size_t i = 0; i < path.count; i++)
		assert_true(text_is(path.parts[i].name, "a"));
	arena_free(arena);
}

static void path_write_quotes_odd_names(void **state)
{
	static const struct path_part parts[] = {
		{ .name = { "12", 2 } },
		{ .name = { "a b", 3 } },
		{ .name = { "", 0 } },
		{ .name = { "x`y", 3 } },
		{ .name = { "3", 1 }, .digits = true, .index = 3 },
	};
	struct arena *arena = arena_new();
	struct strbuf out;

	strbuf_init_arena(&out, arena, 1000);
	path_write(&out, (struct path){ parts, array_len(parts) });
	assert_true(text_is(strbuf_get(&out), "`12`.`a b`.``.`x``y`.3"));
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_read_takes_what_is_well_formed),
		cmocka_unit_test(path_parts_know_what_they_are),
		cmocka_unit_test(path_index_that_does_not_fit_is_the_largest),
		cmocka_unit_test(path_of_many_parts),
		cmocka_unit_test(path_write_quotes_odd_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
