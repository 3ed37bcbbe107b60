/*
 * yaml_text.h - for tests of connectors: a tree from YAML that stands in the test.
 */
#ifndef VOLLEY_TEST_YAML_TEXT_H
#define VOLLEY_TEST_YAML_TEXT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/yaml.h"

/* The tree of the text, in the arena; the test fails when it is no YAML. */
static inline const struct node *yaml_text(struct arena *arena, const char *text)
{
	struct source *source = arena_zalloc(arena, 1, sizeof(*source));
	struct diag *diag = diag_new(arena);
	const struct node *node;

	source->name = "test.yaml";
	source->text = text_of(text);
	node = yaml_parse(source, arena, diag);
	assert_non_null(node);
	assert_int_equal(diag_errors(diag), 0);
	return node;
}

#endif
