/*
 * test_metric_docs.c - the list of metrics: what volleyd(8) says of each, and the rules for
 * names.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/file.h"
#include "front/stats.h"

static const char *const types[] = { "Counter", "Gauge", "Histogram" };

/* The page with every run of blanks and line ends as one blank. */
static const char *read_page(struct arena *arena)
{
	struct errbuf errbuf;
	struct text text;
	struct strbuf out;

	if (!file_read(arena, "man/volleyd.8", 1 << 20, &text, &errbuf))
		fail_msg("%s", errbuf.text);
	strbuf_init_arena(&out, arena, SIZE_MAX);
	for (size_t i = 0; i < text.len; i++) {
		bool is_blank = isspace((unsigned char)text.at[i]);

		if (!is_blank || (out.len > 0 && out.data[out.len - 1] != ' '))
			strbuf_char(&out, is_blank ? ' ' : text.at[i]);
	}
	strbuf_char(&out, '\0');
	return out.data;
}

static void add_label(struct strbuf *out, const char *name, bool *is_first)
{
	strbuf_string(out, *is_first ? " Brq " : ",");
	strbuf_string(out, name);
	*is_first = false;
}

/* The item that the page must have. */
static const char *item_of(
	struct arena *arena, const struct metric_group *group, const struct metric *metric)
{
	const char *values = metric->values;
	struct text value;
	struct strbuf out;
	bool is_first = true;

	strbuf_init_arena(&out, arena, 4096);
	strbuf_printf(&out, ".It Li %s", metric->name);
	for (size_t i = 0; group->labels[i].key; i++)
		if (group->labels[i].name)
			add_label(&out, group->labels[i].name, &is_first);
	if (metric->label)
		add_label(&out, metric->label, &is_first);
	strbuf_printf(&out, " %s: %s. ", types[metric->type], metric->help);
	for (is_first = true; metric_next_value(&values, &value); is_first = false) {
		if (is_first)
			strbuf_printf(&out, "%s: ", metric->label);
		strbuf_printf(&out, "%s%.*s", is_first ? "" : ", ", TEXT_ARG(value));
	}
	strbuf_string(&out, metric->values ? ". " : "");
	strbuf_char(&out, '\0');
	return out.data;
}

static void every_metric_is_in_the_manual(void **state)
{
	struct arena *arena = arena_new();
	const char *page = read_page(arena);
	size_t missing = 0, count = 0, items = 0;

	for (const struct metric_group *group = stats_groups; group->read; group++)
		for (size_t i = 0; group->tables[i]; i++)
			for (const struct metric *m = group->tables[i]; m->name; m++) {
				const char *item = item_of(arena, group, m);

				count++;
				if (strstr(page, item))
					continue;
				print_error("man/volleyd.8 lacks: %s\n", item);
				missing++;
			}
	for (const char *at = page; (at = strstr(at, ".It Li volley_")); at++)
		items++;
	assert_int_equal(missing, 0);
	assert_int_equal(items, count); /* and no other one is */
	arena_free(arena);
}

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), tail = strlen(end);

	return len > tail && strcmp(name + len - tail, end) == 0;
}

static void names_follow_the_rules(void **state)
{
	for (const struct metric_group *group = stats_groups; group->read; group++)
		for (size_t i = 0; group->tables[i]; i++)
			for (const struct metric *m = group->tables[i]; m->name; m++) {
				assert_memory_equal(m->name, "volley_", 7);
				assert_int_equal(ends_with(m->name, "_total"),
					m->type == METRIC_COUNTER);
				if (m->unit != METRIC_PLAIN)
					assert_non_null(strstr(m->name, "_seconds"));
				assert_int_equal(m->label == NULL, m->values == NULL);
				assert_false(ends_with(m->help, "."));
			}
}

/* Families of one name would stand twice on the page. */
static void names_are_unique(void **state)
{
	const char *names[256];
	size_t count = 0;

	for (const struct metric_group *group = stats_groups; group->read; group++)
		for (size_t i = 0; group->tables[i]; i++)
			for (const struct metric *m = group->tables[i]; m->name; m++) {
				for (size_t k = 0; k < count; k++)
					assert_string_not_equal(m->name, names[k]);
				assert_true(count < array_len(names));
				names[count++] = m->name;
			}
	assert_true(count > 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_metric_is_in_the_manual),
		cmocka_unit_test(names_follow_the_rules),
		cmocka_unit_test(names_are_unique),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
