/*
 * test_metric.c - base/metric: the lines of a page, escaping, exact decimals, histograms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/metric.h"

struct counted {
	uint64_t requests;
	uint64_t states[3];
	uint64_t waited; /* ns */
	uint64_t began;  /* ms */
	struct histogram time;
};

#define AT(member) offsetof(struct counted, member)

static const struct metric requests = { "x_requests_total", "requests", METRIC_COUNTER,
	METRIC_PLAIN, AT(requests), NULL, NULL, false, "requests" };
static const struct metric states = { "x_things", "things", METRIC_GAUGE, METRIC_PLAIN,
	AT(states), "state", "idle|busy|gone", false, "things by state" };
static const struct metric waited = { "x_waited_seconds_total", "waited", METRIC_COUNTER,
	METRIC_NANOSECONDS, AT(waited), NULL, NULL, false, "time" };
static const struct metric began = { "x_start_seconds", NULL, METRIC_GAUGE,
	METRIC_MILLISECONDS, AT(began), NULL, NULL, false, "a \\ and\na line" };
static const struct metric duration = { "x_seconds", "ms", METRIC_HISTOGRAM,
	METRIC_NANOSECONDS, AT(time), NULL, NULL, false, "times" };

static const struct metric_label none[] = { { NULL, NULL } };
static const struct metric_label two[] = { { "name", "id" }, { NULL, "type" },
	{ "where", "where" }, { NULL, NULL } };

static const uint64_t bounds[] = { 1000, 2000000, 1500000000 };
static const struct histogram_scale scale = { bounds, 3 };

static struct counted counted(void)
{
	struct counted c = { .requests = UINT64_MAX,
		.states = { 1, 0, 30 },
		.waited = 1500000000,
		.began = 1700000000120 };

	histogram_init(&c.time, &scale);
	return c;
}

static void expect(const struct metric *metric, const struct metric_label *labels,
	const struct metric_object *object, const struct counted *c, const char *wanted)
{
	struct strbuf out;

	strbuf_init(&out, 4096);
	metric_write(&out, metric, labels, object, c);
	strbuf_char(&out, '\0');
	assert_string_equal(out.data, wanted);
	strbuf_free(&out);
}

static void heads(void **state)
{
	struct strbuf out;

	strbuf_init(&out, 4096);
	metric_write_head(&out, &began);
	metric_write_head(&out, &duration);
	strbuf_char(&out, '\0');
	assert_string_equal(out.data,
		"# HELP x_start_seconds a \\\\ and\\na line\n"
		"# TYPE x_start_seconds gauge\n"
		"# HELP x_seconds times\n# TYPE x_seconds histogram\n");
	strbuf_free(&out);
}

static void numbers(void **state)
{
	const struct counted c = counted();
	const struct metric_object object = { .skipped = false };

	expect(&requests, none, &object, &c, "x_requests_total 18446744073709551615\n");
	expect(&waited, none, &object, &c, "x_waited_seconds_total 1.5\n");
	expect(&began, none, &object, &c, "x_start_seconds 1700000000.12\n");
	expect(&states, none, &object, &c,
		"x_things{state=\"idle\"} 1\nx_things{state=\"busy\"} 0\n"
		"x_things{state=\"gone\"} 30\n");
}

static void labels(void **state)
{
	const struct counted c = counted();
	const struct metric_object object = { .labels = { TEXT("a\"b\\c\nd"), TEXT("T"),
						      TEXT("") } };

	expect(&waited, two, &object, &c,
		"x_waited_seconds_total{name=\"a\\\"b\\\\c\\nd\",where=\"\"} 1.5\n");
	expect(&states, two, &object, &c,
		"x_things{name=\"a\\\"b\\\\c\\nd\",where=\"\",state=\"idle\"} 1\n"
		"x_things{name=\"a\\\"b\\\\c\\nd\",where=\"\",state=\"busy\"} 0\n"
		"x_things{name=\"a\\\"b\\\\c\\nd\",where=\"\",state=\"gone\"} 30\n");
}

static void histograms(void **state)
{
	const struct metric_object object = { .skipped = false };
	struct counted c = counted();
	struct metric sparse = duration;

	sparse.sparse = true;
	expect(&sparse, none, &object, &c, "");
	histogram_add(&c.time, 1000);
	histogram_add(&c.time, 1001);
	histogram_add(&c.time, 2000000000);
	expect(&sparse, none, &object, &c,
		"x_seconds_bucket{le=\"0.000001\"} 1\nx_seconds_bucket{le=\"0.002\"} 2\n"
		"x_seconds_bucket{le=\"1.5\"} 2\nx_seconds_bucket{le=\"+Inf\"} 3\n"
		"x_seconds_sum 2.000002001\nx_seconds_count 3\n");
}

static void exact_decimals(void **state)
{
	static const struct {
		uint64_t number, per_second;
		const char *text;
	} rows[] = { { 0, 1000, "0" }, { 1, 1000000000, "0.000000001" },
		{ 999, 1000, "0.999" }, { 1000, 1000, "1" }, { 10100, 1000, "10.1" },
		{ UINT64_MAX, 1000000000, "18446744073.709551615" } };

	for (size_t i = 0; i < array_len(rows); i++) {
		struct strbuf out;

		strbuf_init(&out, 64);
		metric_append_seconds(&out, rows[i].number, rows[i].per_second);
		strbuf_char(&out, '\0');
		assert_string_equal(out.data, rows[i].text);
		strbuf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads),
		cmocka_unit_test(numbers),
		cmocka_unit_test(labels),
		cmocka_unit_test(histograms),
		cmocka_unit_test(exact_decimals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
