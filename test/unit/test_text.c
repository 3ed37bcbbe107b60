/*
 * test_text.c - slices: equality, order, trimming, UTF-8; and the heap's helpers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/macros.h"
#include "base/mem.h"
#include "base/text.h"

static void equality(void **state)
{
	assert_true(text_equal(TEXT("a\0b"), TEXT("a\0b")));
	assert_false(text_equal(TEXT("a\0b"), TEXT("a\0c")));
	assert_false(text_equal(TEXT("ab"), TEXT("a")));
	assert_true(text_equal(TEXT(""), (struct text){ NULL, 0 }));
	assert_true(text_is(TEXT("key"), "key"));
	assert_true(text_is(TEXT(""), NULL));
	assert_true(text_is_nocase(TEXT("Content-TYPE"), "content-type"));
	assert_false(text_is_nocase(TEXT("content-typ"), "content-type"));
	/* '@' and '`' differ by the bit that tells the case of letters. */
	assert_false(text_is_nocase(TEXT("@"), "`"));
	assert_false(text_is_nocase(TEXT("\xC4"), "\xE4"));
}

static void order(void **state)
{
	assert_true(text_compare(TEXT("a"), TEXT("b")) < 0);
	assert_true(text_compare(TEXT("b"), TEXT("a")) > 0);
	assert_int_equal(text_compare(TEXT("ab"), TEXT("ab")), 0);
	assert_true(text_compare(TEXT("a"), TEXT("ab")) < 0);
	assert_true(text_compare(TEXT("ab"), TEXT("a")) > 0);
	assert_true(text_compare((struct text){ NULL, 0 }, TEXT("a")) < 0);
	assert_true(text_compare(TEXT("\xFF"), TEXT("a")) > 0);
}

static void trimming(void **state)
{
	assert_true(text_is(text_trim(TEXT(" \t\r\n a b \n")), "a b"));
	assert_true(text_is(text_trim(TEXT("a")), "a"));
	assert_int_equal(text_trim(TEXT(" \n\t")).len, 0);
	assert_int_equal(text_trim((struct text){ NULL, 0 }).len, 0);
	assert_int_equal(text_trim(TEXT("\0 ")).len, 1);
}

static void utf8(void **state)
{
	static const struct {
		struct text t;
		size_t len;
	} rows[] = {
		{ { "", 0 }, 0 },
		{ TEXT("\0"), 1 },
		{ TEXT("az"), 1 },
		{ TEXT("\x7F"), 1 },
		{ TEXT("\xC3\xA9"), 2 },         /* U+00E9 */
		{ TEXT("\xE2\x82\xAC!"), 3 },    /* U+20AC */
		{ TEXT("\xEF\xBF\xBF"), 3 },     /* U+FFFF */
		{ TEXT("\xF0\x9F\x9A\x80"), 4 }, /* U+1F680 */
		{ TEXT("\xF4\x8F\xBF\xBF"), 4 }, /* U+10FFFF */
		{ TEXT("\x80"), 0 },             /* a continuation alone */
		{ TEXT("\xC0\x80"), 0 },         /* overlong */
		{ TEXT("\xC1\xBF"), 0 },
		{ TEXT("\xE0\x9F\xBF"), 0 },
		{ TEXT("\xF0\x8F\xBF\xBF"), 0 },
		{ TEXT("\xED\xA0\x80"), 0 },     /* a surrogate */
		{ TEXT("\xF4\x90\x80\x80"), 0 }, /* above U+10FFFF */
		{ TEXT("\xF5\x80\x80\x80"), 0 },
		{ TEXT("\xC3"), 0 }, /* cut */
		{ TEXT("\xE2\x82"), 0 },
		{ TEXT("\xF0\x9F\x9A"), 0 },
		{ TEXT("\xC3z"), 0 },
		{ TEXT("\xE2\x82z"), 0 },
	};

	for (size_t i = 0; i < array_len(rows); i++)
		assert_int_equal(text_utf8(rows[i].t), rows[i].len);
}

static void heap(void **state)
{
	char *copy = mem_copy("a\0b", 3);
	char *string = mem_strdup("key");
	char *zeroed = mem_zalloc(10, 2);
	void *none = mem_alloc(0), *none_either = mem_zalloc(0, 5);

	assert_memory_equal(copy, "a\0b", 4);
	assert_string_equal(string, "key");
	for (int i = 0; i < 20; i++)
		assert_int_equal(zeroed[i], 0);
	assert_non_null(none);
	assert_non_null(none_either);
	none = mem_realloc(none, 100);
	memset(none, 1, 100);
	free(copy);
	free(string);
	free(zeroed);
	free(none);
	free(none_either);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equality),
		cmocka_unit_test(order),
		cmocka_unit_test(trimming),
		cmocka_unit_test(utf8),
		cmocka_unit_test(heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
