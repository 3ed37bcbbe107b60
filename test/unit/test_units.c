/*
 * test_units.c - durations, sizes and rates, read and written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/units.h"

static void durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{ "500ms", 500 * NS_PER_MS },
		{ "10s", 10 * NS_PER_SEC },
		{ "5m", 300 * NS_PER_SEC },
		{ "24h", 86400 * NS_PER_SEC },
		{ "7d", 7 * 86400 * NS_PER_SEC },
		{ "0s", 0 },
		{ "007s", 7 * NS_PER_SEC },
		{ "213503d", 213503 * UINT64_C(86400) * NS_PER_SEC },
	};
	static const char *const bad[] = { "", "s", "10", "10 s", " 10s", "10s ", "1.5s",
		"-1s", "+1s", "10S", "10Ms", "10sec", "1h30m", "1e3s", "213504d",
		"18446744073709551616ms", "99999999999999999999999d" };

	for (size_t i = 0; i < array_len(good); i++) {
		uint64_t ns = 1;

		assert_true(units_duration(text_of(good[i].text), &ns));
		assert_int_equal(ns, good[i].ns);
	}
	for (size_t i = 0; i < array_len(bad); i++) {
		uint64_t ns;

		if (units_duration(text_of(bad[i]), &ns))
			fail_msg("'%s' was read as a duration", bad[i]);
	}
}

static void sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "512B", 512 },
		{ "512", 512 },
		{ "0", 0 },
		{ "64KiB", 65536 },
		{ "1MiB", 1048576 },
		{ "2GiB", UINT64_C(2147483648) },
		{ "18446744073709551615", UINT64_MAX },
		{ "17179869183GiB", UINT64_C(17179869183) << 30 },
	};
	static const char *const bad[] = { "", "B", "KiB", "64kib", "64KB", "64K", "1.5MiB",
		"-1", "1 MiB", "18446744073709551616", "17179869184GiB" };

	for (size_t i = 0; i < array_len(good); i++) {
		uint64_t bytes = 1;

		assert_true(units_size(text_of(good[i].text), &bytes));
		assert_int_equal(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < array_len(bad); i++) {
		uint64_t bytes;

		if (units_size(text_of(bad[i]), &bytes))
			fail_msg("'%s' was read as a size", bad[i]);
	}
}

static void rates(void **state)
{
	static const char *const bad[] = { "", "/s", "0/s", "100", "100/", "100/d",
		"100 /s", "1.5/s", "-1/s", "100/sec" };
	double rate;

	assert_true(units_rate(TEXT("100/s"), &rate));
	assert_true(rate == 100.0);
	assert_true(units_rate(TEXT("30/m"), &rate));
	assert_true(rate == 0.5);
	assert_true(units_rate(TEXT("9/h"), &rate));
	assert_true(rate == 0.0025);
	for (size_t i = 0; i < array_len(bad); i++) {
		if (units_rate(text_of(bad[i]), &rate))
			fail_msg("'%s' was read as a rate", bad[i]);
	}
}

static void check_written(
	void (*write)(struct strbuf *, uint64_t), uint64_t value, const char *expected)
{
	struct strbuf buf;

	strbuf_init(&buf, 100);
	write(&buf, value);
	if (!text_is(strbuf_get(&buf), expected))
		fail_msg("got '%.*s', expected '%s'", (int)buf.len, buf.data, expected);
	strbuf_free(&buf);
}

static void written(void **state)
{
	check_written(units_format_duration, 0, "0s");
	check_written(units_format_duration, 500 * NS_PER_MS, "500ms");
	check_written(units_format_duration, 1500 * NS_PER_MS, "1500ms");
	check_written(units_format_duration, 90 * NS_PER_SEC, "90s");
	check_written(units_format_duration, 60 * NS_PER_SEC, "1m");
	check_written(units_format_duration, 7200 * NS_PER_SEC, "2h");
	check_written(units_format_duration, 86400 * NS_PER_SEC, "1d");
	check_written(units_format_duration, 1, "0.000001ms");
	check_written(units_format_duration, 1500000, "1.5ms");
	check_written(units_format_size, 0, "0B");
	check_written(units_format_size, 1000, "1000B");
	check_written(units_format_size, 65536, "64KiB");
	check_written(units_format_size, 1536, "1536B");
	check_written(units_format_size, 1048576, "1MiB");
	check_written(units_format_size, UINT64_C(3) << 30, "3GiB");
	check_written(units_format_size, UINT64_MAX, "18446744073709551615B");
}

/* What is written is read as the same. */
static void round_trip(void **state)
{
	struct strbuf buf;
	uint64_t value = 1;

	strbuf_init(&buf, 100);
	for (int i = 0; i < 60; i++, value = value * 3 + 1) {
		uint64_t back, ns = value % UINT32_MAX * NS_PER_MS;

		strbuf_clear(&buf);
		units_format_size(&buf, value);
		assert_true(units_size(strbuf_get(&buf), &back));
		assert_int_equal(back, value);
		strbuf_clear(&buf);
		units_format_duration(&buf, ns);
		assert_true(units_duration(strbuf_get(&buf), &back));
		assert_int_equal(back, ns);
	}
	strbuf_free(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(sizes),
		cmocka_unit_test(rates),
		cmocka_unit_test(written),
		cmocka_unit_test(round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
