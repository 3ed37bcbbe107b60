/*
 * test_yaml.c - YAML text to a tree: kinds, texts, places, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs those before it */
#include <cmocka.h>

#include "conf/scalar.h"
#include "conf/yaml.h"

/* One parse; everything lives in the arena. */
struct fixture {
	struct arena *arena;
	struct diag *diag;
	const struct node *root;
};

static struct fixture parse_text(struct text text)
{
	struct fixture f = { .arena = arena_new() };
	struct source *source = arena_zalloc(f.arena, 1, sizeof(*source));

	source->name = "t.yaml";
	source->text = arena_text(f.arena, text);
	f.diag = diag_new(f.arena);
	f.root = yaml_parse(source, f.arena, f.diag);
	return f;
}

static struct fixture parse(const char *text)
{
	return parse_text(text_of(text));
}

static void done(struct fixture *f)
{
	arena_free(f->arena);
}

static const struct node *at(const struct fixture *f, const char *key)
{
	const struct node *node = node_get(f->root, key);

	if (!node)
		fail_msg("no key '%s'", key);
	return node;
}

static void check(const struct node *node, enum node_kind kind, const char *text)
{
	if (node->kind != kind)
		fail_msg("%s is %s, not %s", text, node_kind_name(node->kind),
			node_kind_name(kind));
	if (!text_is(node->text, text))
		fail_msg("'%.*s' is not '%s'", TEXT_ARG(node->text), text);
}

static void check_place(struct place place, unsigned line, unsigned column, uint32_t length)
{
	unsigned found_line, found_column;

	place_line_column(place, &found_line, &found_column);
	if (found_line != line || found_column != column || place.length != length)
		fail_msg("%u:%u length %u, not %u:%u length %u", found_line, found_column,
			place.length, line, column, length);
}

/* The text is refused, with this message at this place. */
static void refused(const char *text, unsigned line, unsigned column, const char *message)
{
	struct fixture f = parse(text);
	const struct diag_message *m;

	if (f.root || diag_errors(f.diag) != 1)
		fail_msg("%s: %zu errors", text, diag_errors(f.diag));
	m = diag_message(f.diag, 0);
	if (!strstr(m->text, message))
		fail_msg("%s: %s", text, m->text);
	check_place(m->place, line, column, m->place.length);
	done(&f);
}

/* ---- what is read --------------------------------------------------------------------- */

static void test_scalar_kinds(void **state)
{
	struct fixture f = parse(
		"n: ~\nnull2: NULL\nempty:\nt: true\nT: TRUE\nf: False\n"
		"one: 1\nneg: -0.50\nexp: 1e5\nbig: 12345678901234567890.10\n"
		"yes: yes\non: on\ndate: 2026-03-01\nversion: 0.0.1\n"
		"quoted: \"1\"\nsingle: 'null'\ncolon: a:b\n");

	check(at(&f, "n"), NODE_NULL, "~");
	check(at(&f, "null2"), NODE_NULL, "NULL");
	check(at(&f, "empty"), NODE_NULL, "");
	check(at(&f, "t"), NODE_BOOLEAN, "true");
	assert_true(at(&f, "t")->boolean);
	assert_true(at(&f, "T")->boolean);
	check(at(&f, "f"), NODE_BOOLEAN, "False");
	assert_false(at(&f, "f")->boolean);
	check(at(&f, "one"), NODE_NUMBER, "1");
	check(at(&f, "neg"), NODE_NUMBER, "-0.50");
	check(at(&f, "exp"), NODE_NUMBER, "1e5");
	check(at(&f, "big"), NODE_NUMBER, "12345678901234567890.10");
	check(at(&f, "yes"), NODE_STRING, "yes");
	check(at(&f, "on"), NODE_STRING, "on");
	check(at(&f, "date"), NODE_STRING, "2026-03-01");
	check(at(&f, "version"), NODE_STRING, "0.0.1");
	check(at(&f, "quoted"), NODE_STRING, "1");
	check(at(&f, "single"), NODE_STRING, "null");
	check(at(&f, "colon"), NODE_STRING, "a:b");
	assert_int_equal(diag_warnings(f.diag), 0);
	done(&f);
}

/* Quoted text is decoded here, not by libfyaml: doubled quotes side by side, escaped blanks
 * before a line's end, and CRLF, whose texts it gets wrong. */
static void test_quoted(void **state)
{
	static const struct {
		const char *yaml, *text;
	} cases[] = {
		{ "''", "" },
		{ "''''", "'" },
		{ "'a''''b'", "a''b" },
		{ "'x ''''y'''' z'", "x ''y'' z" },
		{ "''''''", "''" },
		{ "'\\n\"'", "\\n\"" },
		{ "'  a  '", "  a  " },
		{ "'a \t\n\t b'", "a b" },
		{ "'a\n\n\n b'", "a\n\nb" },
		{ "'a\r\n\r\n b'", "a\nb" },
		{ "'\t\r\n '", " " },
		{ "'a''''\n ''''b'", "a'' ''b" },
		{ "\"\"", "" },
		{ "\"'a'' \\\"\\\\\\\"\"", "'a'' \"\\\"" },
		{ "\"\\a\\b\\t\\n\\v\\f\\r\\e\\/\\ \\\t\"", "\a\b\t\n\v\f\r\x1b/ \t" },
		{ "\"\\N\\_\\L\\P\"", "\xC2\x85\xC2\xA0\xE2\x80\xA8\xE2\x80\xA9" },
		{ "\"\\x41\\xe9\\u20AC\\U0001f600\"",
			"A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80" },
		{ "\"\\ud83d\\uDE00!\"", "\xF0\x9F\x98\x80!" },
		{ "\"a \\ \n b\"", "a   b" },
		{ "\"a\\t \n b\"", "a\t b" },
		{ "\"a \\\n  b\"", "a b" },
		{ "\"a\\\r\n  \\  b\"", "a  b" },
		{ "\"a\\\n\n  b\"", "a\nb" },
		{ "\"a\n\n b \n \"", "a\nb " },
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct fixture f = parse(cases[i].yaml);

		if (!f.root)
			fail_msg("%s: %s", cases[i].yaml, diag_message(f.diag, 0)->text);
		check(f.root, NODE_STRING, cases[i].text);
		assert_int_equal(f.root->text.at[f.root->text.len], '\0');
		done(&f);
	}
}

/* Keys, members of flow collections, and what has an anchor or stands behind a byte order
 * mark are decoded alike. */
static void test_quoted_places(void **state)
{
	struct fixture f = parse(
		"\xEF\xBB\xBF'k''''': &a !!str 'a''''b'\nb: *a\n"
		"c: {'d''''e':['f''''g', \"\\\"\"]}\n\"\\\\k\": 'plain'\n");
	const struct node *c = at(&f, "c");

	check(at(&f, "k''"), NODE_STRING, "a''b");
	check(at(&f, "b"), NODE_STRING, "a''b");
	assert_true(text_is(c->entries[0].key, "d''e"));
	check(c->entries[0].value->items[0], NODE_STRING, "f''g");
	check(c->entries[0].value->items[1], NODE_STRING, "\"");
	assert_false(at(&f, "k''")->place.exact);
	check(at(&f, "\\k"), NODE_STRING, "plain");
	assert_true(at(&f, "\\k")->place.exact);
	check_place(at(&f, "\\k")->place, 4, 9, 5);
	done(&f);
}

/* Block text is decoded here too: libfyaml reads past its buffer where an empty line stands
 * before a more indented one, and adds a line's end at the end of the file. */
static void test_block(void **state)
{
	static const struct {
		const char *yaml, *text;
	} cases[] = {
		{ "k: >-\n a\n \n  b\n", "a\n\n b" },
		{ "k: >\n\n  a\n\n\n   b\n   c\n\n  d\n  e\n", "\na\n\n\n b\n c\n\nd e\n" },
		{ "k: >\n  a\n  b\n\n  c\n\n\n  d\n", "a b\nc\n\nd\n" },
		{ "k: >\n  a\n  \tb\n  c\n", "a\n\tb\nc\n" },
		{ "k: >+\r\n  a\r\n  b\r\n\r\n", "a b\n\n" },
		{ "k: >\n  a\n  b", "a b" },
		{ "k: |\n  a\n   b\n\n  c\n\n\n", "a\n b\n\nc\n" },
		{ "k: |-\n  a\n\n", "a" },
		{ "k: |+\n  a\n \n\n# c\n", "a\n\n\n" },
		{ "k: |+\n  a\n    ", "a\n  " },
		{ "k: |+\n  a\n  ", "a\n" },
		{ "k: |\r\n  a\r\n\r\n  b\r\n", "a\n\nb\n" },
		{ "k: |1+\n  a\n\n", " a\n\n" },
		{ "k: |-2 # > |+\n\n   a\n", "\n a" },
		{ "k: |2\n    \n  a\n", "  \na\n" },
		{ "k: |", "" },
		{ "k: |+\n", "" },
		{ "k: |+\n\n \n", "\n\n" },
		{ "k: >\n\n\n", "" },
		{ "k: |+\n\n# c\n", "\n" },
		{ "k: # > c\n  !!str &a|b>2\n  |-\n  a\n", "a" },
		{ "k: !<tag:yaml.org,2002:str> |1\n  a\n", " a\n" },
		{ "\xEF\xBB\xBFk: |1\n  \xC3\xA9 \n", " \xC3\xA9 \n" },
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct fixture f = parse(cases[i].yaml);

		if (!f.root)
			fail_msg("%s: %s", cases[i].yaml, diag_message(f.diag, 0)->text);
		check(at(&f, "k"), NODE_STRING, cases[i].text);
		assert_int_equal(at(&f, "k")->text.at[at(&f, "k")->text.len], '\0');
		done(&f);
	}
}

/* An indicator counts from the collection around, and a header is not sought in a key. */
static void test_block_nested(void **state)
{
	struct fixture f = parse("'a | # b': |1\n  x\nm:\n- |1-\n  a\n- - >2-\n     b\n  - "
				 "k|2: |1+\n      c\n\n"
				 "    \"d > \": |-\n     e\n  # c\nn:\n   &x p: |2\n      "
				 "f\n   ? |-1\n     g\n   : |\n");
	const struct node *m = at(&f, "m"), *n = at(&f, "n");
	const struct node *map = m->items[1]->items[1];

	check(at(&f, "a | # b"), NODE_STRING, " x\n");
	check(m->items[0], NODE_STRING, " a");
	check(m->items[1]->items[0], NODE_STRING, " b");
	check(node_get(map, "k|2"), NODE_STRING, " c\n\n");
	check(node_get(map, "d > "), NODE_STRING, "e");
	check(node_get(n, "p"), NODE_STRING, " f\n");
	check(node_get(n, " g"), NODE_STRING, "");
	done(&f);
	f = parse("|1\n  a\n");
	check(f.root, NODE_STRING, " a\n");
	done(&f);
	f = parse("--- >\na\nb\n");
	check(f.root, NODE_STRING, "a b\n");
	done(&f);
}

/* Of an empty block's neighbours libfyaml makes its lines, but for those of column 0. */
static void test_block_empty(void **state)
{
	struct fixture f = parse("k: |\nz: 1\nm:\n  k: |+\n\n  # c\n\n  # d\n");

	check(at(&f, "k"), NODE_STRING, "");
	check(at(&f, "z"), NODE_NUMBER, "1");
	check(node_get(at(&f, "m"), "k"), NODE_STRING, "\n");
	done(&f);
	refused("m:\n  k: |\n  z: 1\n", 3, 3, "has no lines");
	refused("m:\n  k: >\n\n  # c\n  z: 1\n", 4, 3, "has no lines");
	refused("m:\n  - |\n  - a\n", 3, 3, "has no lines");
}

/* Files of another ending than YAML's, such as .rhubrc, are not called YAML. */
static void test_other_files(void **state)
{
	struct arena *arena = arena_new();
	struct diag *diag = diag_new(arena);
	struct source source = { ".rhubrc", TEXT("{\n\t\"a\": ]}") };

	assert_null(yaml_parse(&source, arena, diag));
	assert_int_equal(diag_errors(diag), 1);
	assert_null(strstr(diag_message(diag, 0)->text, "YAML"));
	assert_null(diag_message(diag, 0)->hint);
	arena_free(arena);
}

/* Other readers take these for numbers: they stay text, and each is worth a warning. */
static void test_other_numbers(void **state)
{
	static const char *const numbers[] = { "0777", "1,000", "0o17", "0x1F", ".inf",
		"-.Inf", ".nan", "+1", ".5", "1." };
	static const char *const others[] = { "0.0.1", "10.0.0.1", "2026-03-01", "a", "-",
		".", "1 000", "0x", "12:30", "1,000 EUR", "1_000" };

	for (size_t i = 0; i < array_len(numbers); i++) {
		struct fixture f = parse_text(text_of(numbers[i]));

		check(f.root, NODE_STRING, numbers[i]);
		if (diag_warnings(f.diag) != 1)
			fail_msg("no warning: %s", numbers[i]);
		done(&f);
	}
	for (size_t i = 0; i < array_len(others); i++) {
		assert_int_equal(scalar_kind(text_of(others[i])), NODE_STRING);
		if (scalar_looks_numeric(text_of(others[i])))
			fail_msg("looks like a number: %s", others[i]);
	}
}

static void test_tags(void **state)
{
	struct fixture f = parse("a: !!str 12\nb: !!int \"12\"\nc: ! true\nd: !!null \"\"\n"
				 "e: !!bool \"true\"\nf: !!map {x: 1}\ng: !!seq [1]\n");

	check(at(&f, "a"), NODE_STRING, "12");
	check(at(&f, "b"), NODE_NUMBER, "12");
	check(at(&f, "c"), NODE_STRING, "true");
	check(at(&f, "d"), NODE_NULL, "");
	assert_true(at(&f, "e")->boolean);
	assert_int_equal(at(&f, "f")->count, 1);
	assert_int_equal(at(&f, "g")->count, 1);
	done(&f);
	refused("a: !foo x\n", 1, 9, "unknown tag '!foo'");
	refused("a: !!int x\n", 1, 10, "no value for its tag");
	refused("a: !!map x\n", 1, 10, "no value for its tag");
}

static void test_places(void **state)
{
	struct fixture f = parse(
		"a: plain\nb: 'it''s'\nc: \"quoted\"\nd: \"a\\tb\"\ne: two\n  lines\n"
		"f: |\n  x\n  y\ng: >-\n    one line\nh: \"\xc3\xa9t\xc3\xa9\"\n"
		"i: {j: 1}\nlonger: [a, b]\n");

	check_place(at(&f, "a")->place, 1, 4, 5);
	assert_true(at(&f, "a")->place.exact);
	check_place(at(&f, "b")->place, 2, 5, 5);
	assert_false(at(&f, "b")->place.exact);
	check_place(at(&f, "c")->place, 3, 5, 6);
	assert_true(at(&f, "c")->place.exact);
	assert_false(at(&f, "d")->place.exact);
	check(at(&f, "e"), NODE_STRING, "two lines");
	assert_false(at(&f, "e")->place.exact);
	check(at(&f, "f"), NODE_STRING, "x\ny\n");
	check_place(at(&f, "f")->place, 8, 3, 5);
	assert_false(at(&f, "f")->place.exact);
	check(at(&f, "g"), NODE_STRING, "one line");
	check_place(at(&f, "g")->place, 11, 5, 8);
	assert_true(at(&f, "g")->place.exact);
	check_place(at(&f, "h")->place, 12, 5, 5);
	check_place(at(&f, "i")->place, 13, 4, 6);
	check_place(f.root->entries[9].key_place, 14, 1, 6);
	check_place(at(&f, "longer")->items[1]->place, 14, 13, 1);
	done(&f);
}

/* A byte order mark, CRLF, comments, `---` and `...` change nothing. */
static void test_dressing(void **state)
{
	struct fixture f = parse(
		"\xef\xbb\xbf# c\r\n---\r\na: b # c\r\nc: |\r\n  x\r\n  y\r\n...\r\n");

	check(at(&f, "a"), NODE_STRING, "b");
	check_place(at(&f, "a")->place, 3, 4, 1);
	check(at(&f, "c"), NODE_STRING, "x\ny\n");
	assert_int_equal(diag_warnings(f.diag), 0);
	done(&f);
}

static void test_empty(void **state)
{
	static const char *const texts[] = { "", "\n", "# only a comment\n", "---\n",
		"~\n" };

	for (size_t i = 0; i < array_len(texts); i++) {
		struct fixture f = parse(texts[i]);

		assert_non_null(f.root);
		assert_int_equal(f.root->kind, NODE_NULL);
		assert_int_equal(diag_errors(f.diag), 0);
		done(&f);
	}
}

/* As the original platform's writer has it: the dash alone on its line. */
static void test_yamljs(void **state)
{
	struct fixture f = parse(
		"filters:\n  -\n    id: on-event\n    condition: null\n    actions:\n"
		"      -\n        id: a\n        text: 'it''s'\n        empty: \"\"\n"
		"        list: []\n        map: {}\n        'a:b': yes\n        '1': "
		"'1'\n");
	const struct node *action =
		node_get(at(&f, "filters")->items[0], "actions")->items[0];

	check(node_get(action, "text"), NODE_STRING, "it's");
	check(node_get(action, "empty"), NODE_STRING, "");
	assert_int_equal(node_get(action, "list")->count, 0);
	assert_int_equal(node_get(action, "map")->kind, NODE_MAP);
	check(node_get(action, "a:b"), NODE_STRING, "yes");
	check(node_get(action, "1"), NODE_STRING, "1");
	done(&f);
}

static void test_flow_members(void **state)
{
	struct fixture f = parse(
		"a: {name}\nb: {\"x\" , y: , z: 1, w}\nc: {n\n  }\nd:\n  k:\n"
		"e: { # c\n  v # c\n  : 1}\nf: {\"a:b\"}\n");
	const struct node *b = at(&f, "b");

	assert_true(at(&f, "a")->entries[0].value_missing);
	assert_true(b->entries[0].value_missing);
	assert_false(b->entries[1].value_missing);
	assert_false(b->entries[2].value_missing);
	assert_true(b->entries[3].value_missing);
	assert_true(at(&f, "c")->entries[0].value_missing);
	assert_false(at(&f, "d")->entries[0].value_missing);
	assert_false(at(&f, "e")->entries[0].value_missing);
	assert_true(at(&f, "f")->entries[0].value_missing);
	check_place(at(&f, "a")->entries[0].key_place, 1, 5, 4);
	done(&f);
}

static void test_aliases_and_merges(void **state)
{
	struct fixture f = parse(
		"one: &one { a: 1, b: 2 }\ntwo: &two { b: 3, c: 4 }\nsame: *one\n"
		"merged: { <<: *one, a: 9 }\nlist: { <<: [*one, *two], d: 5 }\n"
		"text: &t hello\nagain: *t\n'<<': plain\n");
	const struct node *merged = at(&f, "merged"), *list = at(&f, "list");

	assert_ptr_equal(at(&f, "same"), at(&f, "one"));
	assert_int_equal(merged->count, 2);
	check(node_get(merged, "a"), NODE_NUMBER, "9");
	check(node_get(merged, "b"), NODE_NUMBER, "2");
	assert_int_equal(list->count, 4);
	check(node_get(list, "b"), NODE_NUMBER, "2");
	check(node_get(list, "c"), NODE_NUMBER, "4");
	check(at(&f, "again"), NODE_STRING, "hello");
	check(at(&f, "<<"), NODE_STRING, "plain");
	done(&f);
}

/* ---- what is refused ------------------------------------------------------------------ */

static void test_refused(void **state)
{
	refused("a: b\n\tc: d\n", 1, 4, "no YAML");
	refused("a: [1, 2\n", 2, 1, "closing bracket");
	refused("a: b: c\n", 1, 5, "no YAML");
	refused("@a: b\n", 1, 1, "no YAML");
	refused("a: 1\n---\nb: 2\n", 2, 1, "second document");
	refused("a: *x\n", 1, 5, "no anchor '&x'");
	refused("a: &x [*x]\n", 1, 9, "inside what it names");
	refused("a: {{name}}\n", 1, 5, "cannot be a key");
	refused("? [a]\n: b\n", 1, 3, "cannot be a key");
	refused("a: b\n: x\n", 2, 1, "without a key");
	refused("a: \x01\n", 1, 4, "U+0001");
	refused("a: \x7f\n", 1, 4, "U+007F");
	refused("a: \xff\n", 1, 4, "no UTF-8");
	refused("a: \xc3\xa9\n\xc3(\n", 2, 1, "no UTF-8");
	refused("a: \xed\xa0\x80\n", 1, 4, "no UTF-8");
}

static void test_nul(void **state)
{
	struct fixture f = parse_text((struct text){ "a: b\0c\n", 7 });

	assert_null(f.root);
	assert_int_equal(diag_errors(f.diag), 1);
	done(&f);
}

/* Equal keys are all reported, with both places; the first is kept. */
static void test_equal_keys(void **state)
{
	struct fixture f = parse("a: 1\nb: {c: 1, c: 2}\na: 3\n'a': 4\n");

	assert_non_null(f.root);
	assert_int_equal(diag_errors(f.diag), 3);
	check(at(&f, "a"), NODE_NUMBER, "1");
	assert_int_equal(f.root->count, 2);
	check_place(diag_message(f.diag, 0)->place, 2, 11, 1);
	check_place(diag_message(f.diag, 0)->note_place, 2, 5, 1);
	check_place(diag_message(f.diag, 1)->place, 3, 1, 1);
	check_place(diag_message(f.diag, 2)->place, 4, 2, 1);
	check_place(diag_message(f.diag, 2)->note_place, 1, 1, 1);
	done(&f);
}

/* ---- limits --------------------------------------------------------------------------- */

static char *repeat(const char *part, size_t count)
{
	size_t len = strlen(part);
	char *text = malloc(len * count + 1);

	assert_non_null(text);
	for (size_t i = 0; i < count; i++)
		memcpy(text + i * len, part, len);
	text[len * count] = '\0';
	return text;
}

static void check_limit(char *text, bool fits, const char *message)
{
	struct fixture f = parse(text);

	assert_int_equal(f.root != NULL, fits);
	if (!fits)
		assert_non_null(strstr(diag_message(f.diag, 0)->text, message));
	done(&f);
	free(text);
}

static void test_nodes(void **state)
{
	check_limit(repeat("- x\n", YAML_MAX_NODES - 1), true, "");
	check_limit(repeat("- x\n", YAML_MAX_NODES), false, "nodes");
}

static void test_depth(void **state)
{
	char text[2 * YAML_MAX_DEPTH + 3];

	for (int depth = YAML_MAX_DEPTH; depth <= YAML_MAX_DEPTH + 1; depth++) {
		memset(text, '[', (size_t)depth);
		memset(text + depth, ']', (size_t)depth);
		text[2 * depth] = '\0';
		check_limit(strdup(text), depth == YAML_MAX_DEPTH, "deep");
	}
	check_limit(repeat("[", 100000), false, "deep");
	check_limit(repeat("- ", 100000), false, "deep");
}

/* An alias counts as deep as what it names. */
static void test_depth_of_aliases(void **state)
{
	char text[4096] = "a0: &a0 [x]\n";

	for (int i = 1; i < YAML_MAX_DEPTH + 1; i++)
		sprintf(text + strlen(text), "a%d: &a%d [*a%d]\n", i, i, i - 1);
	check_limit(strdup(text), false, "deep");
}

/* "Billion laughs": a few lines that stand for a billion nodes, as values and as merges. */
static void test_alias_bombs(void **state)
{
	char values[8192] = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n",
	     merges[8192] = "a0: &a0 {k: v}\n";

	for (int i = 1; i < 12; i++) {
		sprintf(values + strlen(values),
			"a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1,
			i - 1, i - 1, i - 1, i - 1);
		sprintf(merges + strlen(merges),
			"a%d: &a%d {<<: [*a%d,*a%d,*a%d], b: *a%d, c: *a%d, d: *a%d}\n", i,
			i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	}
	check_limit(strdup(values), false, "nodes");
	check_limit(strdup(merges), false, "nodes");
}

static void test_bytes(void **state)
{
	check_limit(repeat("#", YAML_MAX_BYTES), true, "");
	check_limit(repeat("#", YAML_MAX_BYTES + 1), false, "larger");
}

static int teardown(void **state)
{
	arena_drop_cache();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalar_kinds),
		cmocka_unit_test(test_quoted),
		cmocka_unit_test(test_quoted_places),
		cmocka_unit_test(test_block),
		cmocka_unit_test(test_block_nested),
		cmocka_unit_test(test_block_empty),
		cmocka_unit_test(test_other_files),
		cmocka_unit_test(test_other_numbers),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_dressing),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_yamljs),
		cmocka_unit_test(test_flow_members),
		cmocka_unit_test(test_aliases_and_merges),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_equal_keys),
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_depth_of_aliases),
		cmocka_unit_test(test_alias_bombs),
		cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
