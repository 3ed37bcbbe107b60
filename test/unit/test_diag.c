/*
 * test_diag.c - places, printed messages, and suggestions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"

static struct arena *arena;
static struct diag *diag;

static int set_up(void **state)
{
	arena = arena_new();
	diag = diag_new(arena);
	return 0;
}

static int tear_down(void **state)
{
	arena_free(arena);
	return 0;
}

static struct source *source_of(const char *name, struct text text)
{
	struct source *source = arena_zalloc(arena, 1, sizeof(*source));

	source->name = name;
	source->text = text;
	return source;
}

/* The place of a word that stands once in the source. */
static struct place place_of(const struct source *source, const char *word)
{
	const char *at = memmem(source->text.at, source->text.len, word, strlen(word));

	assert_non_null(at);
	return (struct place){ .source = source,
		.offset = (uint32_t)(at - source->text.at),
		.length = (uint32_t)strlen(word) };
}

static const char *printed(void)
{
	static char *text;
	size_t len;
	FILE *out;

	free(text);
	text = NULL;
	out = open_memstream(&text, &len);
	assert_non_null(out);
	diag_print(diag, out);
	fclose(out);
	/* Kept in the arena, so that nothing is left at the end. */
	return arena_text(arena, (struct text){ text, len }).at;
}

static void check_place(struct text text, uint32_t offset, unsigned line, unsigned column)
{
	struct source source = { "x", text };
	unsigned l, c;

	place_line_column((struct place){ .source = &source, .offset = offset }, &l, &c);
	assert_int_equal(l, line);
	assert_int_equal(c, column);
}

static void lines_and_columns(void **state)
{
	struct text text = TEXT("ab\ncd\r\n\n\xC3\xA9\xE2\x82\xACz\xFFz");

	check_place(text, 0, 1, 1);
	check_place(text, 2, 1, 3); /* the line's end belongs to it */
	check_place(text, 3, 2, 1);
	check_place(text, 7, 3, 1);
	check_place(text, 8, 4, 1);
	check_place(text, 10, 4, 2); /* behind two bytes, one character */
	check_place(text, 13, 4, 3);
	check_place(text, 15, 4, 5); /* a byte that is no UTF-8 counts one */
	check_place(text, 16, 4, 6);
	check_place(text, 1000, 4, 6); /* past the end: the end */
	check_place(TEXT(""), 0, 1, 1);
	check_place(
		TEXT("\xEF\xBB\xBFid: a"), 3, 1, 1); /* a byte order mark is no column */
	check_place(TEXT("\xEF\xBB\xBFid: a"), 7, 1, 5);
	check_place(TEXT("a\n"), 2, 2, 1);
}

static void places_within(void **state)
{
	struct place whole = { .offset = 100, .length = 20, .exact = true };
	struct place part = place_within(whole, 5, 3);

	assert_int_equal(part.offset, 105);
	assert_int_equal(part.length, 3);
	part = place_within(whole, 18, 10);
	assert_int_equal(part.offset, 118);
	assert_int_equal(part.length, 2);
	part = place_within(whole, 50, 1);
	assert_int_equal(part.offset, 120);
	assert_int_equal(part.length, 0);
	whole.exact = false;
	part = place_within(whole, 5, 3);
	assert_int_equal(part.offset, 100);
	assert_int_equal(part.length, 20);
}

/* The stretch of `decoded` that holds the word, by what place_within_text() says. */
static void check_within(const char *raw, const char *decoded, const char *word, bool found)
{
	struct source source = { "file", text_of(raw) };
	struct place whole = { .source = &source, .length = (uint32_t)strlen(raw) };
	size_t at = (size_t)(strstr(decoded, word) - decoded);
	struct place part = place_within_text(whole, text_of(decoded), at, strlen(word));
	const char *stands = strstr(raw, word);

	if (!found) {
		assert_int_equal(part.offset, 0);
		assert_int_equal(part.length, strlen(raw));
		return;
	}
	assert_int_equal(part.offset, stands - raw);
	assert_int_equal(part.length, strlen(word));
}

/* Where blanks and line ends are all that differs, places are known. */
static void places_within_several_lines(void **state)
{
	check_within("a\n   bcd\n", "a\nbcd\n", "bcd", true);
	check_within("a\n   bcd\n", "a\nbcd\n", "a", true);
	check_within("a\r\n\r\n  b cd", "a\nb cd", "cd", true);
	check_within("a\n  b", "a b", "b", true);
	check_within("a\tb", "a\tb", "b", true);
	check_within("a\\n  b", "a\n  b", "b", false);
	check_within("a\n b c", "a\n b", "b", false);
	check_within("a\n b", "a\n b c", "b", false);
	check_within("", "a", "a", false);
}

static void places_of_blanks(void **state)
{
	struct source source = { "file", TEXT("a\n  b\n") };
	struct place whole = { .source = &source, .length = 6 };
	struct place part = place_within_text(whole, TEXT("a\nb\n"), 1, 1);

	assert_int_equal(part.offset, 1);
	assert_int_equal(part.length, 0);
	part = place_within_text(whole, TEXT("a\nb\n"), 3, 5);
	assert_int_equal(part.offset, 5);
	assert_int_equal(part.length, 0);
	whole.length = 7;
	assert_int_equal(place_within_text(whole, TEXT("a\nb\n"), 2, 1).length, 7);
}

static void a_message(void **state)
{
	struct source *source = source_of(
		"events/a.yaml", TEXT("id: a\nfiltres:\n  - id: b\n"));

	diag_error(diag, place_of(source, "filtres"), "unknown key '%s'", "filtres");
	diag_hint(diag, "did you mean '%s'?", "filters");
	assert_string_equal(printed(), "events/a.yaml:2:1: error: unknown key 'filtres'\n"
				       "    2 | filtres:\n"
				       "      | ^~~~~~~\n"
				       "   hint: did you mean 'filters'?\n");
	assert_int_equal(diag_errors(diag), 1);
	assert_int_equal(diag_warnings(diag), 0);
}

static void order_and_notes(void **state)
{
	struct source *b = source_of("b.yaml", TEXT("x: 1\ny: 2\nx: 3"));
	struct source *a = source_of("a.yaml", TEXT("z: 1\n"));
	struct place second = { .source = b, .offset = 10, .length = 1 };
	struct place first = { .source = b, .offset = 0, .length = 1 };
	struct source *unread = source_of("c.yaml", (struct text){ NULL, 0 });

	diag_error(diag, second, "'x' stands twice");
	diag_note(diag, first, "first stands here");
	diag_warning(diag, place_of(b, "y"), "no use for 'y'");
	diag_error(diag, (struct place){ .source = unread }, "not readable");
	diag_error(diag, (struct place){ 0 }, "no events");
	diag_error(diag, place_of(a, "z"), "first of two");
	diag_error(diag, place_of(a, "z"), "second of two");
	assert_string_equal(printed(), "error: no events\n"
				       "a.yaml:1:1: error: first of two\n"
				       "    1 | z: 1\n"
				       "      | ^\n"
				       "a.yaml:1:1: error: second of two\n"
				       "    1 | z: 1\n"
				       "      | ^\n"
				       "b.yaml:2:1: warning: no use for 'y'\n"
				       "    2 | y: 2\n"
				       "      | ^\n"
				       "b.yaml:3:1: error: 'x' stands twice\n"
				       "    3 | x: 3\n"
				       "      | ^\n"
				       "b.yaml:1:1: note: first stands here\n"
				       "    1 | x: 1\n"
				       "      | ^\n"
				       "c.yaml: error: not readable\n");
	assert_int_equal(diag_errors(diag), 5);
	assert_int_equal(diag_warnings(diag), 1);
	assert_int_equal(diag_count(diag), 6);
	assert_string_equal(diag_message(diag, 4)->text, "'x' stands twice");
	assert_string_equal(diag_message(diag, 4)->note, "first stands here");
	assert_int_equal(diag_message(diag, 4)->note_place.offset, 0);
	assert_null(diag_message(diag, 4)->hint);
	assert_false(diag_message(diag, 3)->is_error);
}

static void the_caret(void **state)
{
	struct source *tabs = source_of("t", TEXT("\tgr\xC3\xBC\xC3\x9F:\tword # x\r\n"));
	struct source *lines = source_of("u", TEXT("a: first\n  second\n"));

	diag_error(diag, place_of(tabs, "word"), "one");
	diag_error(diag, place_of(lines, "first\n  second"), "two lines");
	diag_error(diag, (struct place){ .source = lines, .offset = 8 }, "at the end");
	diag_error(diag, (struct place){ .source = lines, .offset = 18 }, "of the file");
	assert_string_equal(printed(), "t:1:8: error: one\n"
				       "    1 | \tgr\xC3\xBC\xC3\x9F:\tword # x\n"
				       "      | \t     \t^~~~\n"
				       "u:1:4: error: two lines\n"
				       "    1 | a: first\n"
				       "      |    ^~~~~\n"
				       "u:1:9: error: at the end\n"
				       "    1 | a: first\n"
				       "      |         ^\n"
				       "u:3:1: error: of the file\n");
}

/* A file must not write on the terminal of who checks it. */
static void controls_are_masked(void **state)
{
	struct source *source = source_of(
		"s\x1b", TEXT("k: \x1b[2J\xC2\x9B\xFF\x7F\xC3\xA9 word\n"));

	diag_error(diag, place_of(source, "word"), "say \x1b[0m\n");
	diag_hint(diag, "\x07");
	assert_string_equal(printed(), "s?:1:13: error: say ?[0m?\n"
				       "    1 | k: ?[2J???\xC3\xA9 word\n"
				       "      |             ^~~~\n"
				       "   hint: ?\n");
}

static const char *shown(size_t before, size_t after)
{
	char *text = arena_alloc(arena, before + 4 + after);
	struct source *source;

	memset(text, 'b', before);
	memcpy(text + before, "word", 4);
	memset(text + before + 4, 'a', after);
	source = source_of("l", (struct text){ text, before + 4 + after });
	diag = diag_new(arena);
	diag_error(diag, place_of(source, "word"), "m");
	return strchr(printed(), '\n') + 1;
}

static void long_lines_are_cut(void **state)
{
	assert_string_equal(shown(10, 1000), "    1 | bbbbbbbbbbword"
					     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
					     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
					     "aa...\n"
					     "      |           ^~~~\n");
	assert_string_equal(shown(1000, 0),
		"    1 | ...bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbword\n"
		"      |                                            ^~~~\n");
	assert_string_equal(shown(1000, 1000),
		"    1 | ...bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbword"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\n"
		"      |                                            ^~~~\n");
}

static void too_many(void **state)
{
	const char *text;

	for (int i = 0; i < 1200; i++)
		diag_error(diag, (struct place){ 0 }, "number %d", i);
	diag_hint(diag, "belongs to nothing");
	diag_note(diag, (struct place){ 0 }, "belongs to nothing");
	diag_warning(diag, (struct place){ 0 }, "one more");
	assert_int_equal(diag_errors(diag), 1200);
	assert_int_equal(diag_warnings(diag), 1);
	assert_int_equal(diag_count(diag), 1000);
	assert_string_equal(diag_message(diag, 999)->text, "number 999");
	assert_null(diag_message(diag, 999)->hint);
	text = printed();
	assert_string_equal(text + strlen(text) - 17, "\n... and 201 more\n" + 1);
	diag_hint(diag_new(arena), "before any message");
}

static const char *suggested(const char *written, const char *const *candidates)
{
	struct suggest suggest;

	suggest_init(&suggest, text_of(written));
	for (; *candidates; candidates++)
		suggest_offer(&suggest, text_of(*candidates));
	if (!suggest_found(&suggest))
		return "";
	return arena_text(arena, suggest.best).at;
}

static void suggestions(void **state)
{
	static const char *const keys[] = { "id", "name", "filters", "actions", "condition",
		"serviceAccountId", "POSTGRESQL", "REDIS", NULL };

	assert_string_equal(suggested("filtres", keys), "filters");     /* swapped */
	assert_string_equal(suggested("filter", keys), "filters");      /* missing */
	assert_string_equal(suggested("aactions", keys), "actions");    /* one more */
	assert_string_equal(suggested("contition", keys), "condition"); /* another */
	assert_string_equal(suggested("serviceAcountID", keys), "serviceAccountId");
	assert_string_equal(suggested("postgresql", keys), "POSTGRESQL");
	assert_string_equal(suggested("Postgres", keys), "POSTGRESQL");
	assert_string_equal(suggested("Id", keys), "id");
	assert_string_equal(suggested("nmae", keys), "name");
	assert_string_equal(suggested("template", keys), "");
	assert_string_equal(suggested("nmea", keys), ""); /* two of four letters */
	assert_string_equal(suggested("", keys), "");
	assert_string_equal(suggested("name", keys), ""); /* it is what was written */
}

static void the_nearest_wins(void **state)
{
	static const char *const names[] = { "core-redis-2", "core-redis", "core-radix",
		NULL };

	assert_string_equal(suggested("core-rediss", names), "core-redis");
	assert_string_equal(suggested("core-redis-1", names), "core-redis-2");
}

static void long_names(void **state)
{
	char name[300];
	const char *names[] = { name, NULL };

	memset(name, 'n', sizeof(name));
	name[100] = '\0';
	assert_string_equal(suggested("nnn", names), "");
	assert_string_equal(suggested(arena_printf(arena, "%.99sx", name), names), name);
	name[100] = 'n';
	name[299] = '\0';
	assert_string_equal(suggested(arena_printf(arena, "%sx", name), names), "");
}

static void suggestion_as_hint(void **state)
{
	struct suggest suggest;

	diag_error(diag, (struct place){ 0 }, "unknown key 'nmae'");
	suggest_init(&suggest, TEXT("nmae"));
	diag_suggest(diag, &suggest);
	assert_null(diag_message(diag, 0)->hint);
	suggest_offer(&suggest, TEXT("name"));
	diag_suggest(diag, &suggest);
	assert_string_equal(diag_message(diag, 0)->hint, "did you mean 'name'?");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_and_columns),
		TEST(places_within),
		TEST(places_within_several_lines),
		TEST(places_of_blanks),
		TEST(a_message),
		TEST(order_and_notes),
		TEST(the_caret),
		TEST(controls_are_masked),
		TEST(long_lines_are_cut),
		TEST(too_many),
		TEST(suggestions),
		TEST(the_nearest_wins),
		TEST(long_names),
		TEST(suggestion_as_hint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
