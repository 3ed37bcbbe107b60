/*
 * test_clock.c - timestamps against the C library's calendar, and a clock that advances.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"

static void check(uint64_t ms, const char *expected)
{
	char out[CLOCK_TEXT_SIZE];

	clock_format(ms, out);
	assert_string_equal(out, expected);
}

static void known_instants(void **state)
{
	check(0, "1970-01-01T00:00:00.000Z");
	check(951782400000, "2000-02-29T00:00:00.000Z");
	check(1772366400123, "2026-03-01T12:00:00.123Z");
	check(4107542399999, "2100-02-28T23:59:59.999Z");
	check(4107542400000, "2100-03-01T00:00:00.000Z"); /* no leap year */
	check(253402300799999, "9999-12-31T23:59:59.999Z");
	check(UINT64_MAX, "9999-12-31T23:59:59.999Z");
}

static void as_the_c_library(void **state)
{
	/* Not a divisor of a day, so that all hours and all days of years come by. */
	for (uint64_t ms = 0; ms < UINT64_C(16000000000000);
		ms += 86399999 * UINT64_C(13)) {
		time_t seconds = (time_t)(ms / 1000);
		char out[CLOCK_TEXT_SIZE], day[40], expected[80];
		struct tm tm;

		assert_non_null(gmtime_r(&seconds, &tm));
		assert_true(strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm) > 0);
		snprintf(expected, sizeof(expected), "%s.%03" PRIu64 "Z", day, ms % 1000);
		clock_format(ms, out);
		assert_string_equal(out, expected);
	}
}

static void advancing(void **state)
{
	uint64_t start = clock_now(), wall = clock_wall_ms();
	struct timespec pause = { .tv_nsec = 2000000 };

	nanosleep(&pause, NULL);
	assert_true(clock_now() - start >= 2 * NS_PER_MS);
	assert_true(wall / 1000 + 2 >= (uint64_t)time(NULL));
	assert_true(wall / 1000 <= (uint64_t)time(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_instants),
		cmocka_unit_test(as_the_c_library),
		cmocka_unit_test(advancing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
