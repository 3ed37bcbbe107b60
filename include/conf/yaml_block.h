/*
 * yaml_block.h - the text of a block scalar, literal or folded.
 */
#ifndef VOLLEY_CONF_YAML_BLOCK_H
#define VOLLEY_CONF_YAML_BLOCK_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"

/*
 * What a block scalar that libfyaml's scanner has taken stands for (YAML 1.2.2, 8.1): its lines
 * without their indentation, folded or not, the last ones chomped. A copy in the arena with a
 * NUL behind it.
 *
 * head: the source from the end of what was read before the scalar (its key, say) to its first
 * line, so that the header ends it. raw: its lines. parent: the column, from 0, of the block
 * collection around it, or -1. False: the scalar is empty, and libfyaml has taken lines of that
 * collection for its own.
 */
must_check bool yaml_block(struct text head, struct text raw, int parent,
	struct arena *arena, struct text *text);

#endif
