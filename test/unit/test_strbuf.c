/*
 * test_strbuf.c - appends, the ceiling and the sticky failure, on the heap and in an arena.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/strbuf.h"

static void check_appends(struct strbuf *buf)
{
	char big[700];

	memset(big, 'z', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	strbuf_string(buf, "one ");
	strbuf_text(buf, TEXT("two "));
	strbuf_bytes(buf, "\0", 1);
	strbuf_char(buf, '!');
	strbuf_printf(buf, "%d", 42);
	assert_true(text_equal(strbuf_get(buf), TEXT("one two \0!42")));
	strbuf_clear(buf);
	assert_int_equal(buf->len, 0);
	strbuf_printf(buf, "%s", big);
	assert_true(text_is(strbuf_get(buf), big));
	for (int i = 0; i < 10000; i++)
		strbuf_char(buf, (char)i);
	assert_int_equal(buf->len, 10699);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(buf->data[699 + i], (char)i);
	assert_false(buf->failed);
}

static void appends(void **state)
{
	struct arena *arena = arena_new();
	struct strbuf buf;

	strbuf_init(&buf, 20000);
	assert_null(buf.data);
	check_appends(&buf);
	strbuf_free(&buf);
	assert_null(buf.data);
	strbuf_string(&buf, "usable again");
	assert_true(text_is(strbuf_get(&buf), "usable again"));
	strbuf_free(&buf);
	strbuf_init_arena(&buf, arena, 20000);
	check_appends(&buf);
	strbuf_free(&buf);
	arena_free(arena);
}

static void nothing_appended(void **state)
{
	struct strbuf buf;

	strbuf_init(&buf, 10);
	strbuf_text(&buf, (struct text){ NULL, 0 });
	strbuf_string(&buf, "");
	strbuf_printf(&buf, "%s", "");
	assert_int_equal(buf.len, 0);
	assert_false(buf.failed);
	strbuf_free(&buf);
}

static void the_ceiling(void **state)
{
	struct strbuf buf;

	strbuf_init(&buf, 5);
	strbuf_string(&buf, "12345"); /* exactly full */
	assert_false(buf.failed);
	assert_in_range(buf.capacity, 5, 5);
	strbuf_text(&buf, TEXT(""));
	assert_false(buf.failed);
	strbuf_char(&buf, '6');
	assert_true(buf.failed);
	assert_true(text_is(strbuf_get(&buf), "12345"));
	strbuf_clear(&buf);
	strbuf_printf(&buf, "%s", "12345"); /* no byte left for a NUL */
	assert_false(buf.failed);
	strbuf_clear(&buf);
	strbuf_printf(&buf, "%d", 123456);
	assert_true(buf.failed);
	assert_int_equal(buf.len, 0);
	strbuf_free(&buf);
}

static void failure_is_sticky(void **state)
{
	struct strbuf buf;

	strbuf_init(&buf, 5);
	strbuf_string(&buf, "123456");
	strbuf_char(&buf, 'a'); /* would fit, but comes after the failure */
	strbuf_string(&buf, "b");
	strbuf_printf(&buf, "c");
	assert_null(strbuf_reserve(&buf, 0));
	assert_true(buf.failed);
	assert_int_equal(buf.len, 0);
	strbuf_clear(&buf);
	strbuf_char(&buf, 'a');
	assert_true(text_is(strbuf_get(&buf), "a"));
	assert_null(strbuf_reserve(&buf, SIZE_MAX));
	strbuf_free(&buf);
}

static void reserving(void **state)
{
	struct strbuf buf;
	char *at;

	strbuf_init(&buf, SIZE_MAX);
	at = strbuf_reserve(&buf, 1000);
	assert_non_null(at);
	memcpy(at, "abc", 3);
	strbuf_advance(&buf, 3);
	strbuf_advance(&buf, 0);
	assert_true(text_is(strbuf_get(&buf), "abc"));
	assert_non_null(strbuf_reserve(&buf, 0));
	at = strbuf_reserve(&buf, 5000);
	memset(at, 'x', 5000);
	strbuf_advance(&buf, 5000);
	assert_int_equal(buf.len, 5003);
	assert_memory_equal(buf.data, "abcxxx", 6);
	strbuf_free(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends),
		cmocka_unit_test(nothing_appended),
		cmocka_unit_test(the_ceiling),
		cmocka_unit_test(failure_is_sticky),
		cmocka_unit_test(reserving),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
