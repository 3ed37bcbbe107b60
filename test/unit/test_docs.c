/*
 * test_docs.c - what the code knows and the manual must say: every setting, with its default, and
 * every service, action and field.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/file.h"
#include "conf/settings.h"
#include "service/service.h"

static struct text read_file(struct arena *arena, const char *path)
{
	struct errbuf errbuf;
	struct text text;

	if (!file_read(arena, path, 1 << 20, &text, &errbuf))
		fail_msg("%s", errbuf.text);
	return text;
}

/* The manual's item of a setting, up to the next one; NULL: there is none. */
static const char *find_item(struct arena *arena, struct text page, const char *name)
{
	const char *start = strstr(page.at, arena_printf(arena, "\n.It Sy %s\n", name));
	const char *end;

	if (!start)
		return NULL;
	end = strstr(start + 1, "\n.It Sy ");
	return arena_text(
		arena, (struct text){ start, end ? (size_t)(end - start) : strlen(start) })
		.at;
}

static void every_setting_is_in_the_manual(void **state)
{
	struct arena *arena = arena_new();
	struct text page = read_file(arena, "man/volley.yaml.5");
	size_t missing = 0;

	for (const struct conf_option *option = settings_table; option->name; option++) {
		const char *item = find_item(arena, page, option->name);
		const char *fallback = arena_printf(
			arena, "\nDefault: %s.", option->fallback ? option->fallback : "");

		if (!item || (option->fallback && !strstr(item, fallback))) {
			print_error("man/volley.yaml.5: %s%s%s\n", option->name,
				item ? ": not said: " : " is missing",
				item ? fallback + 1 : "");
			missing++;
		}
	}
	arena_free(arena);
	assert_int_equal(missing, 0);
}

/* Counts, and says, that a line is not in `part` of the page; NULL: there is no such part. */
static size_t missing_in(const char *part, const char *service, const char *line)
{
	if (part && strstr(part, line))
		return 0;
	print_error("man/volley-project.5: %s lacks: %s\n", service, line + 1);
	return 1;
}

static size_t missing_fields(struct arena *arena, const char *part, const char *service,
	const struct field *fields)
{
	size_t missing = 0;

	for (const struct field *field = fields; field && field->name; field++)
		missing += missing_in(
			part, service, arena_printf(arena, "\n.It Sy %s No ", field->name));
	return missing;
}

/* The manual's part about a service, up to the next one; NULL: there is none. */
static const char *find_service(
	struct arena *arena, const char *reference, const char *type)
{
	const char *start = strstr(reference, arena_printf(arena, "\n.Ss %s\n", type));
	const char *end = start ? strstr(start + 1, "\n.Ss ") : NULL;

	if (!start)
		return NULL;
	return arena_text(
		arena, (struct text){ start, end ? (size_t)(end - start) : strlen(start) })
		.at;
}

static void every_service_action_and_field_is_in_the_manual(void **state)
{
	struct arena *arena = arena_new();
	struct text page = read_file(arena, "man/volley-project.5");
	const char *reference = strstr(page.at, "\n.Sh REFERENCE\n");
	size_t missing = 0;

	assert_non_null(reference);
	for (const struct service_ops *const *row = services; *row; row++) {
		const struct service_ops *ops = *row;
		const char *part = find_service(arena, reference, ops->type);

		missing += missing_fields(arena, part, ops->type, ops->account);
		for (const struct action_kind *kind = ops->actions; kind->name; kind++) {
			missing += missing_in(part, ops->type,
				arena_printf(arena, "\n.It Sy %s\n", kind->name));
			missing += missing_fields(arena, part, ops->type, kind->fields);
		}
	}
	arena_free(arena);
	assert_int_equal(missing, 0);
}

/* The sample names every top-level key, in force or commented out. */
static void every_group_is_in_the_sample(void **state)
{
	struct arena *arena = arena_new();
	struct text sample = read_file(arena, "etc/volley.yaml");
	size_t missing = 0;

	for (const struct conf_option *option = settings_table; option->name; option++) {
		const char *key = arena_printf(
			arena, "%.*s:", (int)strcspn(option->name, "."), option->name);

		if (!strstr(sample.at, key)) {
			print_error("etc/volley.yaml: %s is missing\n", key);
			missing++;
		}
	}
	arena_free(arena);
	assert_int_equal(missing, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_setting_is_in_the_manual),
		cmocka_unit_test(every_service_action_and_field_is_in_the_manual),
		cmocka_unit_test(every_group_is_in_the_sample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
