/*
 * yaml_map.c - merge keys and equal keys of one mapping, in one sort.
 *
 * Candidates are the map's own entries, then those it merges, in the order of precedence; of
 * equal ones the first wins. Refused: comparing each with each, as a file of 100,000 keys
 * would then take minutes.
 */
#include "conf/yaml_map.h"

#include <stdlib.h>

#include "base/mem.h"

struct candidate {
	const struct node_entry *entry;
	size_t order;
	bool merged;
};

static int by_key(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;
	int difference = text_compare(a->entry->key, b->entry->key);

	if (difference)
		return difference;
	return a->order < b->order ? -1 : a->order > b->order;
}

static int by_order(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;

	return a->order < b->order ? -1 : a->order > b->order;
}

static size_t append(
	struct candidate *out, size_t count, const struct node *map, bool merged)
{
	for (size_t i = 0; map->kind == NODE_MAP && i < map->count; i++, count++)
		out[count] = (struct candidate){ &map->entries[i], count, merged };
	return count;
}

/* Entries that the merge can bring; what is no mapping is reported. */
static size_t merge_count(const struct node *merge, struct place place, struct diag *diag)
{
	size_t count = 0;

	if (!merge)
		return 0;
	if (merge->kind == NODE_MAP)
		return merge->count;
	for (size_t i = 0; merge->kind == NODE_LIST && i < merge->count; i++) {
		if (merge->items[i]->kind != NODE_MAP)
			diag_error(
				diag, merge->items[i]->place, "'<<' takes mappings only");
		else
			count += merge->items[i]->count;
	}
	if (merge->kind != NODE_LIST)
		diag_error(diag, place, "'<<' takes a mapping or a list of mappings");
	return count;
}

static void report(
	const struct candidate *first, const struct candidate *again, struct diag *diag)
{
	diag_error(diag, again->entry->key_place, "the key '%.*s' stands twice",
		TEXT_ARG(again->entry->key));
	diag_note(diag, first->entry->key_place, "first here");
	diag_hint(diag, "keys of a mapping are unique: rename one or leave it out");
}

/* Sorted by key: keeps the first of equal ones. Returns how many are left. */
static size_t drop_equal(struct candidate *all, size_t count, struct diag *diag)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (kept && text_equal(all[kept - 1].entry->key, all[i].entry->key)) {
			if (!all[i].merged)
				report(&all[kept - 1], &all[i], diag);
			continue;
		}
		all[kept++] = all[i];
	}
	return kept;
}

void yaml_map_finish(struct node *map, const struct node *merge, struct place merge_place,
	struct arena *arena, struct diag *diag)
{
	size_t total = map->count + merge_count(merge, merge_place, diag), count;
	struct candidate *all;
	struct node_entry *entries;

	if (total < 2 && !merge)
		return;
	all = mem_alloc((total ? total : 1) * sizeof(*all));
	count = append(all, 0, map, false);
	if (merge && merge->kind == NODE_MAP)
		count = append(all, count, merge, true);
	for (size_t i = 0; merge && merge->kind == NODE_LIST && i < merge->count; i++)
		count = append(all, count, merge->items[i], true);
	qsort(all, count, sizeof(*all), by_key);
	count = drop_equal(all, count, diag);
	qsort(all, count, sizeof(*all), by_order);
	entries = arena_alloc(arena, (count ? count : 1) * sizeof(*entries));
	for (size_t i = 0; i < count; i++)
		entries[i] = *all[i].entry;
	map->entries = entries;
	map->count = count;
	free(all);
}
