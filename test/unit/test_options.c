/*
 * test_options.c - tables of options: every type, bounds, groups, and what is not in force.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs those before it */
#include <cmocka.h>

#include "base/clock.h"
#include "conf/options.h"
#include "conf/settings.h"
#include "conf/yaml.h"

struct target {
	unsigned count;
	size_t size;
	uint64_t time;
	const char *text;
	int choice;
	double factor;
	unsigned deep, idle;
};

#define AT(member) offsetof(struct target, member)

static const struct conf_option table[] = {
	{ "count", OPTION_UNSIGNED, AT(count), "7", "2", "1000", NULL, true, "" },
	{ "size", OPTION_SIZE, AT(size), "64KiB", "1B", "1GiB", NULL, true, "" },
	{ "time", OPTION_DURATION, AT(time), "10s", "1ms", "1h", NULL, true, "" },
	{ "text", OPTION_TEXT, AT(text), "default", NULL, NULL, NULL, true, "" },
	{ "choice", OPTION_CHOICE, AT(choice), "two", NULL, NULL, "one|two|three", true,
		"" },
	{ "factor", OPTION_FACTOR, AT(factor), "2", "1", "10", NULL, true, "" },
	{ "group.deep", OPTION_UNSIGNED, AT(deep), NULL, NULL, NULL, NULL, true, "" },
	{ "group.idle", OPTION_UNSIGNED, AT(idle), "3", NULL, NULL, NULL, false, "" },
	{ "later.a", OPTION_UNSIGNED, AT(idle), "3", NULL, NULL, NULL, false, "" },
	{ "later.b", OPTION_UNSIGNED, AT(idle), "3", NULL, NULL, NULL, false, "" },
	{ "custom", OPTION_CUSTOM, 0, NULL, NULL, NULL, NULL, true, "" },
	{ .name = NULL },
};

struct fixture {
	struct arena *arena;
	struct diag *diag;
	struct target target;
	struct strbuf idle;
};

static struct fixture read_prefix(const char *prefix, const char *text)
{
	struct fixture f = { .arena = arena_new() };
	struct source *source = arena_zalloc(f.arena, 1, sizeof(*source));
	const struct node *root;

	*source = (struct source){ "t.yaml", text_of(text) };
	f.diag = diag_new(f.arena);
	strbuf_init_arena(&f.idle, f.arena, 4096);
	options_defaults(table, &f.target, f.arena);
	root = yaml_parse(source, f.arena, f.diag);
	assert_non_null(root);
	options_read(table, prefix, root, &f.target, f.arena, f.diag, &f.idle);
	return f;
}

static void test_defaults(void **state)
{
	struct fixture f = read_prefix("", "");

	assert_int_equal(f.target.count, 7);
	assert_int_equal(f.target.size, 65536);
	assert_int_equal(f.target.time, 10 * NS_PER_SEC);
	assert_string_equal(f.target.text, "default");
	assert_int_equal(f.target.choice, 1);
	assert_true(f.target.factor == 2);
	assert_int_equal(f.target.deep, 0);
	assert_int_equal(f.idle.len, 0);
	arena_free(f.arena);
}

static void test_values(void **state)
{
	struct fixture f = read_prefix("",
		"count: 1000\nsize: 1MiB\ntime: 500ms\ntext: 12\nchoice: three\nfactor: "
		"1.5\n"
		"group: { deep: \"5\" }\ncustom: [1]\nx-mine: 1\n");

	assert_int_equal(diag_errors(f.diag), 0);
	assert_int_equal(f.target.count, 1000);
	assert_int_equal(f.target.size, 1 << 20);
	assert_int_equal(f.target.time, NS_PER_SEC / 2);
	assert_string_equal(f.target.text, "12");
	assert_int_equal(f.target.choice, 2);
	assert_true(f.target.factor == 1.5);
	assert_int_equal(f.target.deep, 5);
	assert_int_equal(f.idle.len, 0);
	arena_free(f.arena);
}

/* Null counts as not written. */
static void test_nulls(void **state)
{
	struct fixture f = read_prefix("", "count:\ngroup:\ntext: ~\nlater: { a: }\n");

	assert_int_equal(diag_errors(f.diag), 0);
	assert_int_equal(f.target.count, 7);
	assert_string_equal(f.target.text, "default");
	assert_int_equal(f.idle.len, 0);
	arena_free(f.arena);
}

static void test_prefix(void **state)
{
	struct fixture f = read_prefix("group.", "deep: 9\nidle: 4\n");

	assert_int_equal(diag_errors(f.diag), 0);
	assert_int_equal(f.target.deep, 9);
	assert_int_equal(f.target.idle, 4);
	assert_true(text_is(strbuf_get(&f.idle), "group.idle"));
	arena_free(f.arena);
	f = read_prefix("group.", "depe: 9\n");
	assert_string_equal(diag_message(f.diag, 0)->text, "unknown key 'group.depe'");
	assert_string_equal(diag_message(f.diag, 0)->hint, "did you mean 'deep'?");
	arena_free(f.arena);
}

static void test_idle(void **state)
{
	struct fixture f = read_prefix(
		"", "later: { a: 1, b: 2 }\ngroup: { idle: 1, deep: 1 }\n");

	assert_true(text_is(strbuf_get(&f.idle), "later, group.idle"));
	arena_free(f.arena);
}

static void wrong(const char *text, unsigned column, const char *message, const char *hint)
{
	struct fixture f = read_prefix("", text);
	const struct diag_message *m;
	unsigned at_line, at_column;

	if (diag_errors(f.diag) != 1)
		fail_msg("%s: %zu errors", text, diag_errors(f.diag));
	m = diag_message(f.diag, 0);
	place_line_column(m->place, &at_line, &at_column);
	if (at_column != column || !strstr(m->text, message) ||
		(hint && (!m->hint || !strstr(m->hint, hint))))
		fail_msg("%s: column %u: %s (%s)", text, at_column, m->text,
			m->hint ? m->hint : "");
	arena_free(f.arena);
}

static void test_wrong(void **state)
{
	wrong("count: many", 8, "'count' is a whole number", NULL);
	wrong("count: -1", 8, "'count' is a whole number", NULL);
	wrong("count: 1.0", 8, "'count' is a whole number", NULL);
	wrong("count: 99999999999", 8, "'count' is a whole number", NULL);
	wrong("count: \"\"", 9, "'count' is a whole number", NULL);
	wrong("count: 1", 8, "at least 2", NULL);
	wrong("count: 1001", 8, "at most 1000", NULL);
	wrong("count: true", 8, "'count' is a whole number", NULL);
	wrong("count: -1", 8, "at least 2 and at most 1000", NULL);
	wrong("count: 1001", 8, "at least 2 and at most 1000", NULL);
	wrong("size: 1MB", 7, "'size' is a size", "write 1MiB");
	wrong("size: 64k", 7, "'size' is a size", "write 64KiB");
	wrong("size: '2gib'", 8, "'size' is a size", "write 2GiB");
	wrong("size: 0", 7, "at least 1B", NULL);
	wrong("size: 2GiB", 7, "at most 1GiB", NULL);
	wrong("time: 10", 7, "'time' is a duration", "has a unit: 10s");
	wrong("time: 1.5", 7, "'time' is a duration", NULL);
	wrong("time: 1.5s", 7, "'time' is a duration", NULL);
	wrong("time: 2h", 7, "at most 1h", NULL);
	wrong("time: [1s]", 7, "not a list", NULL);
	wrong("text: {a: b}", 7, "'text' is text, not a mapping", NULL);
	wrong("text: \"\"", 8, "is empty", NULL);
	wrong("text: \"a\\0b\"", 8, "NUL", NULL);
	wrong("choice: thre", 9, "one of: one|two|three", "three");
	wrong("choice: [one]", 9, "is a word, not a list", NULL);
	wrong("factor: fast", 9, "'factor' is a number", NULL);
	wrong("factor: 0.99", 9, "at least 1", NULL);
	wrong("factor: 1e3", 9, "at most 10", NULL);
	wrong("coutn: 1", 1, "unknown key 'coutn'", "count");
	wrong("group: { dep: 1 }", 10, "unknown key 'group.dep'", "deep");
	wrong("group: 1", 8, "'group' is a mapping, not a number", NULL);
	wrong("gruop: { deep: 1 }", 1, "unknown key 'gruop'", "group");
	wrong("later: { a: x }", 13, "'later.a' is a whole number", NULL);
	wrong("- a", 1, "is a mapping, not a list", NULL);
}

/* Whether the default or bound of a row of the real table can be read as its type. */
static bool readable(const struct conf_option *option, const char *value)
{
	struct arena *arena = arena_new();
	struct diag *diag = diag_new(arena);
	struct conf_option rows[] = { *option, { .name = NULL } };
	struct node scalar = { .kind = NODE_STRING };
	struct node_entry entry = { .value = &scalar };
	struct node map = { .kind = NODE_MAP, .count = 1, .entries = &entry };
	struct volley_settings target;
	bool fine;

	rows[0].name = "x";
	scalar.text = text_of(value);
	entry.key = TEXT("x");
	options_read(rows, "", &map, &target, arena, diag, NULL);
	fine = diag_errors(diag) == 0;
	arena_free(arena);
	return fine;
}

/* Every row of the settings has a help text, and defaults and bounds that fit its type. */
static void test_settings_table(void **state)
{
	for (const struct conf_option *o = settings_table; o->name; o++) {
		if (!o->help || !*o->help)
			fail_msg("%s has no help", o->name);
		if (o->type == OPTION_CUSTOM)
			continue;
		if ((o->fallback && !readable(o, o->fallback)) ||
			(o->min && !readable(o, o->min)) ||
			(o->max && !readable(o, o->max)))
			fail_msg("%s: its default or bounds do not fit", o->name);
		for (const struct conf_option *other = o + 1; other->name; other++)
			assert_string_not_equal(o->name, other->name);
	}
}

static int teardown(void **state)
{
	arena_drop_cache();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_nulls),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_settings_table),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
