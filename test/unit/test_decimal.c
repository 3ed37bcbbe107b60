/*
 * test_decimal.c - value/decimal: exact comparison of numbers as they are written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/macros.h"
#include "value/decimal.h"

static int sign(int n)
{
	return (n > 0) - (n < 0);
}

static void test_compare(void **state)
{
	static const struct {
		const char *a;
		int want;
		const char *b;
	} rows[] = {
		{ "0", 0, "0" },
		{ "0", 0, "-0" },
		{ "0", 0, "0.000" },
		{ "-0.0e5", 0, "0e-7" },
		{ "1", 0, "1.0" },
		{ "1.0", 0, "1e0" },
		{ "100", 0, "1e2" },
		{ "100", 0, "1E+2" },
		{ "0.001", 0, "1e-3" },
		{ "12.5", 0, "0.125e2" },
		{ "12.50", 0, "1250e-2" },
		{ "0", -1, "1" },
		{ "0", 1, "-1" },
		{ "0", -1, "0.0000001" },
		{ "-1", -1, "1" },
		{ "-2", -1, "-1" },
		{ "-1", 1, "-1.5" },
		{ "9", -1, "10" },
		{ "99", -1, "100" },
		{ "1.5", -1, "1.50001" },
		{ "1.5", 1, "1.49999" },
		{ "0.1", 1, "0.09" },
		{ "0.05", -1, "0.5" },
		{ "12345678901234567890.10", -1, "12345678901234567890.11" },
		{ "12345678901234567890.10", 0, "12345678901234567890.1" },
		{ "9007199254740993", 1, "9007199254740992" },
		{ "-9007199254740993", -1, "-9007199254740992" },
		{ "0.1000000000000000055511151231257827", 1, "0.1" },
		{ "1e400", 1, "1e399" },
		{ "1e-400", -1, "1e-399" },
		{ "1e400", 1, "999999999999999999999999" },
		{ "-1e400", -1, "-1" },
		{ "5e-324", 1, "0" },
		{ "1e9223372036854775807", 1, "1e9223372036854775806" },
		{ "10e9223372036854775806", 0, "1e9223372036854775807" },
		{ "1e-9223372036854775807", 1, "0" },
		{ "1e99999999999999999999999999999999999999999999", 1,
			"1e9223372036854775807" },
		{ "1e99999999999999999999", 0, "2e88888888888888888888" },
		{ "-1e99999999999999999999", -1, "-5" },
		{ "1e-99999999999999999999", 0, "0" },
		{ "-1e-99999999999999999999", 0, "0" },
		{ "0e99999999999999999999", 0, "0" },
		{ "0e99999999999999999999", -1, "1" },
		{ "1e00000000000000000000000000000000002", 0, "100" },
	};
	size_t wrong = 0;

	for (size_t i = 0; i < array_len(rows); i++) {
		struct text a = text_of(rows[i].a), b = text_of(rows[i].b);

		if (sign(decimal_compare(a, b)) == rows[i].want &&
			sign(decimal_compare(b, a)) == -rows[i].want &&
			decimal_compare(a, a) == 0)
			continue;
		print_error(
			"%s against %s: %d\n", rows[i].a, rows[i].b, decimal_compare(a, b));
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

/* Two numbers of 1,000 digits that differ in the last one only. */
static void test_long(void **state)
{
	char a[1001], b[1001];
	struct text x = { a, sizeof(a) }, y = { b, sizeof(b) };

	memset(a, '7', sizeof(a));
	a[500] = '.';
	memcpy(b, a, sizeof(b));
	assert_int_equal(decimal_compare(x, y), 0);
	b[1000] = '8';
	assert_true(decimal_compare(x, y) < 0);
	x.len--;
	y.len--;
	assert_int_equal(decimal_compare(x, y), 0);
}

static void test_valid(void **state)
{
	static const char *const good[] = { "0", "-0", "1", "10", "-12.50", "0.0", "1e5",
		"1E+5", "1.5e-10", "0e0", "12345678901234567890.10" };
	static const char *const bad[] = { "", "-", "01", "-01", "00", "1.", ".5", "1e",
		"1e+", "+1", " 1", "1 ", "1.e5", "0x10", "NaN", "1e5.5", "1,000", "--1",
		"1-", "1e5e5" };

	for (size_t i = 0; i < array_len(good); i++)
		if (!decimal_valid(text_of(good[i])))
			fail_msg("%s is a number", good[i]);
	for (size_t i = 0; i < array_len(bad); i++)
		if (decimal_valid(text_of(bad[i])))
			fail_msg("'%s' is no number", bad[i]);
	assert_false(decimal_valid((struct text){ NULL, 0 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
