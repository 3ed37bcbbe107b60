/*
 * test_docs.c - what the code knows and the manual must say: every setting, with its default, and
 * every service, action and field.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include <ctype.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "conf/settings.h"
#include "conf/yaml.h"
#include "service/service.h"

static struct text read_file(struct arena *arena, const char *path)
{
	struct errbuf errbuf;
	struct text text;

	if (!file_read(arena, path, 1 << 20, &text, &errbuf))
		fail_msg("%s", errbuf.text);
	return text;
}

/* That the item says what the table says is the matter of tools/write-reference --check. */
static void every_setting_is_in_the_manual(void **state)
{
	struct arena *arena = arena_new();
	struct text page = read_file(arena, "man/volley.yaml.5");
	const char *reference = strstr(page.at, "\n.Sh REFERENCE\n");
	size_t missing = 0;

	assert_non_null(reference);
	for (const struct conf_option *option = settings_table; option->name; option++) {
		const char *item = arena_printf(arena, "\n.It Sy %s No ", option->name);

		if (strstr(reference, item) && option->help && *option->help)
			continue;
		print_error(
			"man/volley.yaml.5: %s is missing, or has no help\n", option->name);
		missing++;
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

/* ---- the sample ---- */

/* Whether the line is a key, or a part of one, behind the mark: no sentence. */
static bool is_key(const char *line, size_t mark)
{
	const char *at = line + mark;

	at += strspn(at, " ");
	return isalpha((unsigned char)*at) && at[strcspn(at, ": \n")] == ':';
}

/*
 * The sample as YAML: what stands in it, and the keys behind the mark "# " (those with a
 * default) or "## " (those without, and groups that need one of them).
 */
static const struct node *sample_with(
	struct arena *arena, struct text sample, const char *mark)
{
	struct diag *diag = diag_new(arena);
	struct source *source = arena_zalloc(arena, 1, sizeof(*source));
	const struct node *root;
	struct strbuf out;

	strbuf_init_arena(&out, arena, SIZE_MAX);
	for (const char *line = sample.at; *line;) {
		size_t len = strcspn(line, "\n"), skip = strlen(mark);

		if (strncmp(line, mark, skip) == 0 && is_key(line, skip))
			strbuf_bytes(&out, line + skip, len - skip);
		else if (*line != '#' && skip == 2)
			strbuf_bytes(&out, line, len);
		strbuf_char(&out, '\n');
		line += len + (line[len] == '\n');
	}
	*source = (struct source){ "etc/volley.yaml", strbuf_get(&out) };
	root = yaml_parse(source, arena, diag);
	diag_print(diag, stderr);
	assert_non_null(root);
	return root;
}

/* What stands under a dotted name; NULL: nothing. */
static const struct node *find_setting(
	struct arena *arena, const struct node *root, const char *name)
{
	while (root && *name) {
		size_t len = strcspn(name, ".");

		root = node_get(root, arena_text(arena, (struct text){ name, len }).at);
		name += len + (name[len] == '.');
	}
	return root;
}

/* A list is compared as it was written in the file. */
static bool is_default(struct arena *arena, struct text sample, const struct node *node,
	const struct conf_option *option)
{
	if (node && node->kind == NODE_LIST)
		return strstr(sample.at, arena_printf(arena, "\n# %s: %s\n", option->name,
						 option->fallback)) != NULL;
	return node && text_is(node->text, option->fallback);
}

static void every_setting_is_in_the_sample(void **state)
{
	struct arena *arena = arena_new();
	struct text sample = read_file(arena, "etc/volley.yaml");
	const struct node *with_default = sample_with(arena, sample, "# ");
	const struct node *examples = sample_with(arena, sample, "## ");
	size_t wrong = 0;

	for (const struct conf_option *option = settings_table; option->name; option++) {
		const struct node *node = find_setting(arena, with_default, option->name);

		if (!node)
			node = find_setting(arena, examples, option->name);
		if (option->fallback ? is_default(arena, sample, node, option)
				     : node != NULL)
			continue;
		print_error("etc/volley.yaml: %s %s%s\n", option->name,
			node ? "is not " : "is missing",
			node && option->fallback ? option->fallback : "");
		wrong++;
	}
	arena_free(arena);
	assert_int_equal(wrong, 0);
}

/* A key of the sample that no row knows would be an error in a file. */
static void the_sample_has_no_other_setting(void **state)
{
	struct arena *arena = arena_new();
	struct text sample = read_file(arena, "etc/volley.yaml");
	struct diag *diag = diag_new(arena);
	struct strbuf idle;

	strbuf_init_arena(&idle, arena, SIZE_MAX);
	for (int i = 0; i < 2; i++) {
		struct volley_settings *settings = settings_new("/", arena);

		options_read(settings_table, "",
			sample_with(arena, sample, i == 0 ? "# " : "## "), settings, arena,
			diag, &idle);
	}
	diag_print(diag, stderr);
	assert_int_equal(diag_errors(diag), 0);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_setting_is_in_the_manual),
		cmocka_unit_test(every_service_action_and_field_is_in_the_manual),
		cmocka_unit_test(every_setting_is_in_the_sample),
		cmocka_unit_test(the_sample_has_no_other_setting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
