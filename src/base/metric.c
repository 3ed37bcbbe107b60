/*
 * metric.c - families and their lines in the text format of Prometheus.
 *
 * Times are kept in nanoseconds and written as decimals, digit by digit, so that a sum loses
 * nothing. A client library was refused: those for C keep their own copies of all values
 * behind locks, and what is counted here is counted already.
 */
#include "base/metric.h"

#include <string.h>

#include "base/clock.h"

static const char *const type_names[] = {
	[METRIC_COUNTER] = "counter",
	[METRIC_GAUGE] = "gauge",
	[METRIC_HISTOGRAM] = "histogram",
};

/* ---- values ---- */

uint64_t metric_number(const struct metric *metric, const void *figures, size_t index)
{
	const char *at = (const char *)figures + metric->offset;

	return ((const uint64_t *)(const void *)at)[index];
}

const struct histogram *metric_histogram(const struct metric *metric, const void *figures)
{
	const char *at = (const char *)figures + metric->offset;

	return (const struct histogram *)(const void *)at;
}

bool metric_next_value(const char **values, struct text *value)
{
	const char *at = *values;

	if (!at || !*at)
		return false;
	*value = (struct text){ at, strcspn(at, "|") };
	*values = at + value->len + (at[value->len] == '|');
	return true;
}

static void append_number(struct strbuf *out, uint64_t number)
{
	char digits[20];
	size_t n = sizeof(digits);

	do
		digits[--n] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	strbuf_bytes(out, digits + n, sizeof(digits) - n);
}

void metric_append_seconds(struct strbuf *out, uint64_t number, uint64_t per_second)
{
	uint64_t rest = number % per_second;

	append_number(out, number / per_second);
	if (rest == 0)
		return;
	strbuf_char(out, '.');
	while (rest > 0) {
		rest *= 10;
		/* It takes per_second, which never changes, for what rest has become. */
		// cppcheck-suppress zerodivcond
		strbuf_char(out, (char)('0' + rest / per_second));
		rest %= per_second;
	}
}

static void append_value(struct strbuf *out, enum metric_unit unit, uint64_t number)
{
	switch (unit) {
	case METRIC_PLAIN:
		append_number(out, number);
		break;
	case METRIC_NANOSECONDS:
		metric_append_seconds(out, number, NS_PER_SEC);
		break;
	case METRIC_MILLISECONDS:
		metric_append_seconds(out, number, 1000);
		break;
	}
}

/* ---- lines ---- */

/* Backslash and line feed are escaped everywhere, quotes in label values only. */
static void append_escaped(struct strbuf *out, struct text t, bool quoted)
{
	for (size_t i = 0; i < t.len; i++) {
		if (t.at[i] == '\n') {
			strbuf_string(out, "\\n");
			continue;
		}
		if (t.at[i] == '\\' || (quoted && t.at[i] == '"'))
			strbuf_char(out, '\\');
		strbuf_char(out, t.at[i]);
	}
}

void metric_write_head(struct strbuf *out, const struct metric *metric)
{
	strbuf_string(out, "# HELP ");
	strbuf_string(out, metric->name);
	strbuf_char(out, ' ');
	append_escaped(out, text_of(metric->help), false);
	strbuf_string(out, "\n# TYPE ");
	strbuf_string(out, metric->name);
	strbuf_char(out, ' ');
	strbuf_string(out, type_names[metric->type]);
	strbuf_char(out, '\n');
}

/* The labels of one object, written as often as it has lines. */
struct line {
	struct strbuf *out;
	const char *name;
	const struct metric_label *labels;
	const struct metric_object *object;
};

static void append_label(
	struct strbuf *out, const char *name, struct text value, bool *is_first)
{
	strbuf_char(out, *is_first ? '{' : ',');
	*is_first = false;
	strbuf_string(out, name);
	strbuf_string(out, "=\"");
	append_escaped(out, value, true);
	strbuf_char(out, '"');
}

/* Up to the value; one more label unless `label` is NULL. */
static void begin_line(
	const struct line *line, const char *suffix, const char *label, struct text value)
{
	bool is_first = true;

	strbuf_string(line->out, line->name);
	strbuf_string(line->out, suffix);
	for (size_t i = 0; line->labels[i].key; i++)
		if (line->labels[i].name)
			append_label(line->out, line->labels[i].name,
				line->object->labels[i], &is_first);
	if (label)
		append_label(line->out, label, value, &is_first);
	strbuf_string(line->out, is_first ? " " : "} ");
}

static void end_line(const struct line *line, enum metric_unit unit, uint64_t number)
{
	append_value(line->out, unit, number);
	strbuf_char(line->out, '\n');
}

static void write_histogram(const struct line *line, const struct metric *metric,
	const struct histogram *histogram)
{
	const struct histogram_scale *scale = histogram->scale;
	struct strbuf bound;
	uint64_t sum = 0;

	strbuf_init(&bound, 32);
	for (size_t i = 0; i < scale->count; i++) {
		strbuf_clear(&bound);
		append_value(&bound, metric->unit, scale->bounds[i]);
		sum += histogram->counts[i];
		begin_line(line, "_bucket", "le", strbuf_get(&bound));
		end_line(line, METRIC_PLAIN, sum);
	}
	strbuf_free(&bound);
	begin_line(line, "_bucket", "le", TEXT("+Inf"));
	end_line(line, METRIC_PLAIN, histogram->count);
	begin_line(line, "_sum", NULL, (struct text){ 0 });
	end_line(line, metric->unit, histogram->sum);
	begin_line(line, "_count", NULL, (struct text){ 0 });
	end_line(line, METRIC_PLAIN, histogram->count);
}

void metric_write(struct strbuf *out, const struct metric *metric,
	const struct metric_label *labels, const struct metric_object *object,
	const void *figures)
{
	struct line line = { out, metric->name, labels, object };
	const char *values = metric->values;
	struct text value = { 0 };
	size_t index = 0;

	if (metric->type == METRIC_HISTOGRAM) {
		const struct histogram *histogram = metric_histogram(metric, figures);

		if (histogram->count > 0 || !metric->sparse)
			write_histogram(&line, metric, histogram);
		return;
	}
	if (!values) {
		begin_line(&line, "", NULL, value);
		end_line(&line, metric->unit, metric_number(metric, figures, 0));
		return;
	}
	while (metric_next_value(&values, &value)) {
		begin_line(&line, "", metric->label, value);
		end_line(&line, metric->unit, metric_number(metric, figures, index++));
	}
}
