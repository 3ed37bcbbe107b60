/*
 * test_date.c - value/date: what is a date, and which instant it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/macros.h"
#include "value/date.h"

static void test_instants(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
		const char *fraction;
		bool has_time, has_zone;
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0, "", true, true },
		{ "1970-01-01", 0, "", false, false },
		{ "1970-01-01T00:00:00", 0, "", true, false },
		{ "1969-12-31T23:59:59Z", -1, "", true, true },
		{ "1969-12-31T23:59:59.5Z", -1, "5", true, true },
		{ "2000-02-29T12:30:45Z", 951827445, "", true, true },
		{ "2024-02-29", 1709164800, "", false, false },
		{ "2026-03-01T12:00:00Z", 1772366400, "", true, true },
		{ "2026-03-01t12:00:00z", 1772366400, "", true, true },
		{ "2026-03-01T14:00:00+02:00", 1772366400, "", true, true },
		{ "2026-03-01T06:30:00-05:30", 1772366400, "", true, true },
		{ "2026-03-01T12:00:00-00:00", 1772366400, "", true, true },
		{ "2026-03-01T12:00:00+23:59", 1772280060, "", true, true },
		{ "2026-03-01T12:00:00.120Z", 1772366400, "12", true, true },
		{ "2026-03-01T12:00:00.000Z", 1772366400, "", true, true },
		{ "2026-03-01T12:00:00.123456789012345Z", 1772366400, "123456789012345",
			true, true },
		{ "2026-03-01T12:00:00.0010", 1772366400, "001", true, false },
		{ "0000-01-01T00:00:00Z", -62167219200, "", true, true },
		{ "0000-02-29", -62162121600, "", false, false },
		{ "0001-01-01", -62135596800, "", false, false },
		{ "9999-12-31T23:59:59Z", 253402300799, "", true, true },
		{ "1900-03-01", -2203891200, "", false, false },
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		struct instant got;

		if (!date_parse(text_of(rows[i].text), &got))
			fail_msg("%s is a date", rows[i].text);
		if (got.seconds != rows[i].seconds ||
			!text_is(got.fraction, rows[i].fraction) ||
			got.has_time != rows[i].has_time ||
			got.has_zone != rows[i].has_zone)
			fail_msg("%s: %lld .%.*s", rows[i].text, (long long)got.seconds,
				TEXT_ARG(got.fraction));
	}
}

static void test_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"2026",
		"2026-03",
		"2026-03-1",
		"2026-3-01",
		"26-03-01",
		"02026-03-01",
		"-2026-03-01",
		"+2026-03-01",
		"2026/03/01",
		"20260301",
		"2026-00-01",
		"2026-13-01",
		"2026-01-00",
		"2026-01-32",
		"2026-04-31",
		"2026-02-29",
		"1900-02-29",
		"2100-02-29",
		"2024-02-30",
		"2026-03-01T",
		"2026-03-01Z",
		"2026-03-01T12",
		"2026-03-01T12:00",
		"2026-03-01T12:00Z",
		"2026-03-01T24:00:00Z",
		"2026-03-01T12:60:00Z",
		"2026-03-01T12:00:60Z",
		"2016-12-31T23:59:60Z",
		"2026-03-01 12:00:00Z",
		"2026-03-01_12:00:00Z",
		"2026-03-01T12:00:00.Z",
		"2026-03-01T12:00:00,5Z",
		"2026-03-01T12:00:00 Z",
		"2026-03-01T12:00:00Z ",
		" 2026-03-01T12:00:00Z",
		"2026-03-01T12:00:00ZZ",
		"2026-03-01T12:00:00+2",
		"2026-03-01T12:00:00+02",
		"2026-03-01T12:00:00+0200",
		"2026-03-01T12:00:00+24:00",
		"2026-03-01T12:00:00+02:60",
		"2026-03-01T12:00:00Z+02:00",
		"2026-03-01T1a:00:00Z",
		"2026-03-01T12:00:0\xc2\xb2Z",
		"2026-W09-1",
		"yesterday",
	};
	struct instant out;

	for (size_t i = 0; i < array_len(rows); i++)
		if (date_parse(text_of(rows[i]), &out))
			fail_msg("'%s' is no date", rows[i]);
	assert_false(date_parse((struct text){ NULL, 0 }, &out));
	assert_false(date_parse(TEXT("2026-03-01\0"), &out));
}

/* Every beginning of a date is none, except the date alone and those without a zone. */
static void test_cut(void **state)
{
	static const char whole[] = "2026-03-01T12:00:00.5+02:00";
	struct instant out;

	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		char *copy = malloc(len + 1);
		bool want = len == 10 || len == 19 || len == 21;

		memcpy(copy, whole, len);
		assert_int_equal(date_parse((struct text){ copy, len }, &out), want);
		free(copy);
	}
}

/* The first of every month of 800 years against the C library's calendar. */
static void test_calendar(void **state)
{
	for (int month = 0; month < 800 * 12; month++) {
		struct tm tm = {
			.tm_year = month / 12 - 300, .tm_mon = month % 12, .tm_mday = 1
		};
		struct instant out;
		char text[64];

		snprintf(text, sizeof(text), "%04d-%02d-01", tm.tm_year + 1900,
			tm.tm_mon + 1);
		assert_true(date_parse(text_of(text), &out));
		assert_int_equal(out.seconds, timegm(&tm));
	}
}

static int compare(const char *a, const char *b)
{
	struct instant x, y;

	assert_true(date_parse(text_of(a), &x));
	assert_true(date_parse(text_of(b), &y));
	return date_compare(&x, &y);
}

static void test_compare(void **state)
{
	assert_int_equal(compare("2026-03-01", "2026-03-01T00:00:00Z"), 0);
	assert_int_equal(compare("2026-03-01T12:00:00", "2026-03-01T13:00:00+01:00"), 0);
	assert_int_equal(compare("2026-03-01T12:00:00.50Z", "2026-03-01T12:00:00.5Z"), 0);
	assert_int_equal(compare("2026-03-01T12:00:00.0Z", "2026-03-01T12:00:00Z"), 0);
	assert_true(compare("2026-03-01T12:00:00Z", "2026-03-01T12:00:00.001Z") < 0);
	assert_true(compare("2026-03-01T12:00:00.1Z", "2026-03-01T12:00:00.09Z") > 0);
	assert_true(compare("2026-03-01T12:00:00.12Z", "2026-03-01T12:00:00.123Z") < 0);
	assert_true(compare("2026-03-01T12:00:00Z", "2026-03-01T12:00:00+00:01") > 0);
	assert_true(compare("1969-12-31T23:59:59.5Z", "1970-01-01") < 0);
	assert_true(compare("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.4Z") > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_instants),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_calendar),
		cmocka_unit_test(test_compare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
