/*
 * node.c - looking into a plain tree of a file.
 *
 * Maps are searched from the front: a file's mappings are short and read once, at load.
 * Refused: a hash per map, which would cost more to build than all look-ups together.
 */
#include "value/node.h"

const struct node_entry *node_entry(const struct node *map, struct text key)
{
	if (!map || map->kind != NODE_MAP)
		return NULL;
	for (size_t i = 0; i < map->count; i++)
		if (text_equal(map->entries[i].key, key))
			return &map->entries[i];
	return NULL;
}

const struct node *node_get(const struct node *map, const char *key)
{
	const struct node_entry *entry = node_entry(map, text_of(key));

	return entry ? entry->value : NULL;
}

const char *node_kind_name(enum node_kind kind)
{
	static const char *const names[] = {
		[NODE_NULL] = "nothing",
		[NODE_BOOLEAN] = "a boolean",
		[NODE_NUMBER] = "a number",
		[NODE_STRING] = "text",
		[NODE_LIST] = "a list",
		[NODE_MAP] = "a mapping",
	};

	return names[kind];
}

struct node *node_copy(const struct node *node, struct arena *arena)
{
	struct node *copy = arena_alloc(arena, sizeof(*copy));

	*copy = *node;
	if (node->text.at)
		copy->text = arena_text(arena, node->text);
	if (node->kind == NODE_LIST) {
		copy->items = arena_zalloc(arena, node->count + 1, sizeof(*copy->items));
		for (size_t i = 0; i < node->count; i++)
			copy->items[i] = node_copy(node->items[i], arena);
	} else if (node->kind == NODE_MAP) {
		copy->entries = arena_zalloc(
			arena, node->count + 1, sizeof(*copy->entries));
		for (size_t i = 0; i < node->count; i++) {
			copy->entries[i] = node->entries[i];
			copy->entries[i].key = arena_text(arena, node->entries[i].key);
			copy->entries[i].value = node_copy(node->entries[i].value, arena);
		}
	}
	return copy;
}

bool node_is_null(const struct node *node)
{
	return !node || node->kind == NODE_NULL;
}
