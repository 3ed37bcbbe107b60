/*
 * test_histogram.c - buckets, sums and quantiles.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/histogram.h"
#include "base/macros.h"

static const uint64_t bounds[] = { 10, 20, 50 };
static const struct histogram_scale scale = { bounds, array_len(bounds) };

static void test_buckets(void **state)
{
	static const uint64_t values[] = { 0, 10, 11, 20, 21, 50, 51, 1000 };
	struct histogram h;

	histogram_init(&h, &scale);
	for (size_t i = 0; i < array_len(values); i++)
		histogram_add(&h, values[i]);
	for (size_t i = 0; i <= scale.count; i++)
		assert_int_equal(h.counts[i], 2);
	assert_int_equal(h.count, 8);
	assert_int_equal(histogram_above(&h, 10), 6);
	assert_int_equal(histogram_above(&h, 20), 4);
	assert_int_equal(histogram_above(&h, 50), 2);
	assert_int_equal(h.sum, 0 + 10 + 11 + 20 + 21 + 50 + 51 + 1000);
	assert_int_equal(h.max, 1000);
}

static void test_quantiles(void **state)
{
	struct histogram h;

	histogram_init(&h, &scale);
	assert_int_equal(histogram_quantile(&h, 0.5), 0);
	histogram_add(&h, 7);
	assert_int_equal(histogram_quantile(&h, 0), 7);
	assert_int_equal(histogram_quantile(&h, 1), 7);
	for (int i = 0; i < 98; i++)
		histogram_add(&h, 15);
	histogram_add(&h, 99);
	assert_int_equal(histogram_quantile(&h, 0.01), 10);
	assert_int_equal(histogram_quantile(&h, 0.5), 20);
	assert_int_equal(histogram_quantile(&h, 0.99), 20);
	assert_int_equal(histogram_quantile(&h, 0.999), 99);
}

static void assert_ascending(const struct histogram_scale *s)
{
	assert_in_range(s->count, 1, HISTOGRAM_MAX);
	for (size_t i = 1; i < s->count; i++)
		assert_true(s->bounds[i - 1] < s->bounds[i]);
}

static void test_scales(void **state)
{
	assert_ascending(&histogram_latency);
	assert_ascending(&histogram_cpu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_scales),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
