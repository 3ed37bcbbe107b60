/*
 * test_err.c - the table of error kinds against the manual's, and reasons that are cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/err.h"
#include "base/text.h"

/* Written down a second time, in the order of the manual's table. */
static void the_table(void **state)
{
	static const struct {
		enum err err;
		int code;
		enum err_class class;
		bool counts;
	} rows[] = {
		{ ERR_NONE, 200, ERR_CLASS_OK, false },
		{ ERR_RENDER, 422, ERR_CLASS_PERMANENT, false },
		{ ERR_NOT_SERVED, 501, ERR_CLASS_PERMANENT, false },
		{ ERR_QUEUE_FULL, 503, ERR_CLASS_RETRYABLE, false },
		{ ERR_CONNECT, 503, ERR_CLASS_RETRYABLE, true },
		{ ERR_LOGIN, 403, ERR_CLASS_RETRYABLE, true },
		{ ERR_LOST_UNSENT, 503, ERR_CLASS_RETRYABLE, true },
		{ ERR_LOST_SENT, 504, ERR_CLASS_UNKNOWN, true },
		{ ERR_GARBAGE, 502, ERR_CLASS_UNKNOWN, true },
		{ ERR_TIMEOUT_QUEUED, 503, ERR_CLASS_RETRYABLE, false },
		{ ERR_TIMEOUT_CONNECTING, 504, ERR_CLASS_RETRYABLE, true },
		{ ERR_TIMEOUT_SENT, 504, ERR_CLASS_UNKNOWN, true },
		{ ERR_PG_CANCELLED, 504, ERR_CLASS_RETRYABLE, true },
		{ ERR_PG_CONFLICT, 503, ERR_CLASS_RETRYABLE, false },
		{ ERR_PG_RESOURCES, 503, ERR_CLASS_RETRYABLE, true },
		{ ERR_PG_LOST, 503, ERR_CLASS_UNKNOWN, true },
		{ ERR_PG_CONSTRAINT, 409, ERR_CLASS_PERMANENT, false },
		{ ERR_PG_STATEMENT, 400, ERR_CLASS_PERMANENT, false },
		{ ERR_PG_DENIED, 403, ERR_CLASS_PERMANENT, false },
		{ ERR_PG_OTHER, 500, ERR_CLASS_PERMANENT, false },
		{ ERR_REDIS_BUSY, 503, ERR_CLASS_RETRYABLE, true },
		{ ERR_REDIS_DENIED, 403, ERR_CLASS_PERMANENT, false },
		{ ERR_REDIS_OTHER, 400, ERR_CLASS_PERMANENT, false },
		{ ERR_RESPONSE_LIMIT, 502, ERR_CLASS_PERMANENT, false },
	};

	assert_int_equal(array_len(rows), ERR_COUNT);
	for (size_t i = 0; i < array_len(rows); i++) {
		const struct err_kind *kind = err_kind(rows[i].err);

		assert_int_equal(kind->code, rows[i].code);
		assert_int_equal(kind->class, rows[i].class);
		assert_int_equal(kind->breaker_counts, rows[i].counts);
		assert_true(kind->text[0] != '\0');
	}
}

/* Names are metric labels: lower case, and each one once. */
static void names(void **state)
{
	for (int i = 0; i < ERR_COUNT; i++) {
		const char *name = err_kind((enum err)i)->name;

		assert_true(name[0] != '\0');
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(name, err_kind((enum err)j)->name);
	}
}

static void reasons(void **state)
{
	struct errbuf errbuf;
	char text[700];

	errbuf_set(&errbuf, "%s: %d", "a", 5);
	assert_string_equal(errbuf.text, "a: 5");
	memset(text, 'x', sizeof(text));
	errbuf_set(&errbuf, "%.*s", (int)sizeof(text), text);
	assert_int_equal(strlen(errbuf.text), 511);
}

/* However the cut falls, what is left is UTF-8. */
static void cut_between_characters(void **state)
{
	static const char *const characters[] = { "\xC3\xA9", "\xE2\x82\xAC",
		"\xF0\x9F\x9A\x80" };

	for (size_t c = 0; c < array_len(characters); c++) {
		size_t size = strlen(characters[c]);

		for (size_t shift = 0; shift < 5; shift++) {
			struct errbuf errbuf;
			char text[700] = "aaaaa";

			for (size_t at = shift; at + size < sizeof(text); at += size)
				memcpy(text + at, characters[c], size + 1);
			errbuf_set(&errbuf, "%s", text);
			assert_int_equal(
				strlen(errbuf.text), shift + (511 - shift) / size * size);
			assert_memory_equal(errbuf.text, text, strlen(errbuf.text));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table),
		cmocka_unit_test(names),
		cmocka_unit_test(reasons),
		cmocka_unit_test(cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
