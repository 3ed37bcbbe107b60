/*
 * test_docs.c - what the code knows and the manual must say: every setting, with its default.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/file.h"
#include "conf/settings.h"

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
		cmocka_unit_test(every_group_is_in_the_sample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
