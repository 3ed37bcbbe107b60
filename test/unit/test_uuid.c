/*
 * test_uuid.c - the layout of RFC 9562 section 5.7, order and uniqueness.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/uuid.h"

static void layout(void **state)
{
	/* The instant of the RFC's example, appendix A.6. */
	const uint64_t ms = UINT64_C(0x017F22E279B0);
	char id[UUID_TEXT_LEN + 1];

	uuid_v7(ms, id);
	assert_int_equal(strlen(id), UUID_TEXT_LEN);
	assert_memory_equal(id, "017f22e2-79b0-7", 15);
	assert_non_null(strchr("89ab", id[19]));
	for (int i = 0; i < UUID_TEXT_LEN; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23)
			assert_int_equal(id[i], '-');
		else
			assert_non_null(strchr("0123456789abcdef", id[i]));
	}
}

static void ascending(void **state)
{
	char last[UUID_TEXT_LEN + 1], id[UUID_TEXT_LEN + 1];
	uint64_t ms = clock_wall_ms();

	uuid_v7(ms, last);
	/* More than the counter holds in one millisecond, and a clock set back a little. */
	for (int i = 0; i < 30000; i++) {
		uuid_v7(i < 20000 ? ms : ms - 5, id);
		assert_true(strcmp(last, id) < 0);
		memcpy(last, id, sizeof(last));
	}
}

static void follows_a_clock_set_back(void **state)
{
	char id[UUID_TEXT_LEN + 1];

	uuid_v7(UINT64_C(0x0200000F0000), id);
	uuid_v7(UINT64_C(0x020000000000), id);
	assert_memory_equal(id, "02000000-0000-7", 15);
}

static int by_tail(const void *a, const void *b)
{
	return memcmp((const char *)a + 19, (const char *)b + 19, 17);
}

/* The random part alone is already unique, past several fillings of the pool. */
static void unique(void **state)
{
	enum { COUNT = 5000 };
	static char ids[COUNT][UUID_TEXT_LEN + 1];

	for (int i = 0; i < COUNT; i++)
		uuid_v7(clock_wall_ms(), ids[i]);
	qsort(ids, COUNT, sizeof(ids[0]), by_tail);
	for (int i = 1; i < COUNT; i++)
		assert_true(by_tail(ids[i - 1], ids[i]) != 0);
}

static void random_bytes(void **state)
{
	unsigned char a[1000] = { 0 }, b[1000] = { 0 };
	int zeros = 0;

	uuid_random(a, sizeof(a));
	uuid_random(b, sizeof(b));
	uuid_random(b, 0);
	assert_memory_not_equal(a, b, sizeof(a));
	for (size_t i = 0; i < sizeof(a); i++)
		zeros += a[i] == 0;
	assert_true(zeros < 50); /* about 4 are expected */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout),
		cmocka_unit_test(ascending),
		cmocka_unit_test(follows_a_clock_set_back),
		cmocka_unit_test(unique),
		cmocka_unit_test(random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
