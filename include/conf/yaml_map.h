/*
 * yaml_map.h - the last step of a mapping under construction: `<<` and equal keys.
 */
#ifndef VOLLEY_CONF_YAML_MAP_H
#define VOLLEY_CONF_YAML_MAP_H

#include "base/arena.h"
#include "base/diag.h"
#include "value/node.h"

/*
 * Takes over the entries of `merge` (a mapping, a list of mappings, or NULL: none) that the
 * map does not have itself, the earlier mapping first (the merge key of YAML 1.1), behind its
 * own; then reports equal keys with both places and keeps the first.
 */
void yaml_map_finish(struct node *map, const struct node *merge, struct place merge_place,
	struct arena *arena, struct diag *diag);

#endif
