/*
 * vectors.h - what the tests that run tables of test/vectors/ share.
 */
#ifndef VOLLEY_TEST_VECTORS_H
#define VOLLEY_TEST_VECTORS_H

/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "value/json.h"
#include "value/node.h"
#include "value/value.h"

/* A table as a value; the test fails when it cannot be read. */
static inline const struct value *vectors_read(struct arena *arena, const char *path)
{
	struct json_error error;
	struct errbuf errbuf;
	struct text text;
	const struct value *v;

	if (!file_read(arena, path, 16 << 20, &text, &errbuf))
		fail_msg("%s", errbuf.text);
	v = json_parse(arena, text, JSON_MAX_DEPTH, &error);
	if (!v)
		fail_msg("%s: offset %zu: %s", path, error.offset, error.message);
	return v;
}

static inline struct text vectors_text(const struct value *object, const char *key)
{
	const struct value *v = value_get(object, text_of(key));

	return v && v->type == VALUE_STRING ? v->text : (struct text){ NULL, 0 };
}

/* A value of a table as the tree that a YAML file with the same content gives; a string's
 * place is a source of its own. */
static inline const struct node *vectors_node(struct arena *arena, const struct value *v)
{
	static const enum node_kind kinds[] = {
		[VALUE_NULL] = NODE_NULL,
		[VALUE_BOOLEAN] = NODE_BOOLEAN,
		[VALUE_NUMBER] = NODE_NUMBER,
		[VALUE_STRING] = NODE_STRING,
		[VALUE_ARRAY] = NODE_LIST,
		[VALUE_OBJECT] = NODE_MAP,
	};
	struct node *node = arena_zalloc(arena, 1, sizeof(*node));
	struct source *source = arena_zalloc(arena, 1, sizeof(*source));

	node->kind = kinds[v->type];
	if (v->type == VALUE_BOOLEAN) {
		node->boolean = v->boolean;
		node->text = v->boolean ? TEXT("true") : TEXT("false");
	} else if (v->type == VALUE_NUMBER || v->type == VALUE_STRING) {
		node->text = v->text;
		*source = (struct source){ "vector", v->text };
		node->place = (struct place){ source, 0, (uint32_t)v->text.len, true };
	} else if (v->type == VALUE_ARRAY) {
		node->count = v->array.count;
		node->items = arena_zalloc(arena, node->count, sizeof(*node->items));
		for (size_t i = 0; i < node->count; i++)
			node->items[i] = vectors_node(arena, &v->array.items[i]);
	} else if (v->type == VALUE_OBJECT) {
		node->count = v->object.count;
		node->entries = arena_zalloc(arena, node->count, sizeof(*node->entries));
		for (size_t i = 0; i < node->count; i++) {
			node->entries[i].key = v->object.members[i].name;
			node->entries[i].value = vectors_node(
				arena, &v->object.members[i].value);
		}
	}
	return node;
}

static inline const struct node *vectors_parse_node(struct arena *arena, const char *json)
{
	struct json_error error;
	const struct value *v = json_parse(arena, text_of(json), JSON_MAX_DEPTH, &error);

	if (!v)
		fail_msg("%s: offset %zu: %s", json, error.offset, error.message);
	return vectors_node(arena, v);
}

static inline const struct value *vectors_parse(struct arena *arena, const char *json)
{
	struct json_error error;
	const struct value *v = json_parse(arena, text_of(json), JSON_MAX_DEPTH, &error);

	if (!v)
		fail_msg("%s: offset %zu: %s", json, error.offset, error.message);
	return v;
}

static inline const char *vectors_json(struct arena *arena, const struct value *v)
{
	struct strbuf buf;

	if (!v)
		return "(none)";
	strbuf_init_arena(&buf, arena, SIZE_MAX);
	json_append(&buf, v);
	strbuf_char(&buf, '\0');
	return strbuf_get(&buf).at;
}

/* Whether a message or hint of the kind holds the fragment. */
static inline bool vectors_has_message(
	const struct diag *diag, bool is_error, struct text fragment)
{
	for (size_t i = 0; i < diag_count(diag); i++) {
		const struct diag_message *m = diag_message(diag, i);

		if (m->is_error == is_error &&
			memmem(m->text, strlen(m->text), fragment.at, fragment.len))
			return true;
	}
	return false;
}

static inline bool vectors_has_hint(const struct diag *diag, struct text fragment)
{
	for (size_t i = 0; i < diag_count(diag); i++) {
		const char *hint = diag_message(diag, i)->hint;

		if (hint && memmem(hint, strlen(hint), fragment.at, fragment.len))
			return true;
	}
	return false;
}

#endif
