/*
 * test_replies.c - store/replies: its bounds by number, age and bytes, and what look-ups give.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/uuid.h"
#include "store/replies.h"

static void make_id(unsigned number, char id[UUID_TEXT_LEN + 1])
{
	snprintf(id, UUID_TEXT_LEN + 1, "00000000-0000-7000-8000-%012u", number);
}

static void put(struct replies *replies, unsigned number, struct text body, uint64_t now)
{
	struct kept_reply reply = {
		.event_id = TEXT("a.b"), .environment = 1, .body = body
	};
	char id[UUID_TEXT_LEN + 1];

	make_id(number, id);
	replies_put(replies, id, &reply, now);
}

static bool has(
	struct replies *replies, unsigned number, uint64_t now, struct kept_reply *out)
{
	char id[UUID_TEXT_LEN + 1];

	make_id(number, id);
	return replies_find(replies, text_of(id), now, out);
}

static void the_number_is_bounded(void **state)
{
	struct replies *replies = replies_new(3, 1000);
	struct kept_reply found;
	char body[200];

	/* Some of one size, some of another: blocks are used again and made anew. */
	for (unsigned i = 0; i < 50; i++) {
		size_t len = i % 3 == 0 ? 190 : 10;

		memset(body, 'a' + (int)(i % 26), len);
		put(replies, i, (struct text){ body, len }, 0);
		assert_int_equal(replies_count(replies), i < 3 ? i + 1 : 3);
		assert_true(has(replies, i, 0, &found));
		assert_int_equal(found.body.len, len);
		assert_memory_equal(found.body.at, body, len);
		assert_true(text_is(found.event_id, "a.b"));
		assert_int_equal(found.environment, 1);
		if (i >= 3)
			assert_false(has(replies, i - 3, 0, &found));
	}
	replies_limit(replies, 1, 1000);
	assert_int_equal(replies_count(replies), 1);
	assert_true(has(replies, 49, 0, &found));
	replies_free(replies);
}

static void the_age_is_bounded(void **state)
{
	struct replies *replies = replies_new(10, 1000);
	struct kept_reply found;

	put(replies, 1, TEXT("x"), 100);
	put(replies, 2, TEXT("y"), 600);
	assert_true(has(replies, 1, 1100, &found));
	assert_false(has(replies, 1, 1101, &found));
	assert_true(has(replies, 2, 1101, &found));
	assert_false(replies_find(replies, TEXT("no id"), 0, &found));
	replies_free(replies);
}

static void the_bytes_are_bounded(void **state)
{
	enum { BIG = 20 * 1024 * 1024 };
	struct replies *replies = replies_new(100, 1000);
	char *body = mem_zalloc(1, BIG);
	struct kept_reply found;

	for (unsigned i = 0; i < 6; i++) {
		put(replies, i, (struct text){ body, BIG }, 0);
		assert_true(replies_bytes(replies) <= REPLIES_MAX_BYTES);
	}
	assert_int_equal(replies_count(replies), 3);
	assert_false(has(replies, 2, 0, &found));
	assert_true(has(replies, 3, 0, &found));
	free(body);
	replies_free(replies);
}

static void none_are_kept_with_keep_0(void **state)
{
	struct replies *replies = replies_new(0, 1000);

	put(replies, 1, TEXT("x"), 0);
	assert_int_equal(replies_count(replies), 0);
	replies_free(replies);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_number_is_bounded),
		cmocka_unit_test(the_age_is_bounded),
		cmocka_unit_test(the_bytes_are_bounded),
		cmocka_unit_test(none_are_kept_with_keep_0),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
