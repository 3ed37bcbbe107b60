/*
 * yaml.h - a YAML file to a plain tree with places, from libfyaml's parser events.
 *
 * libfyaml's document API has no places for block nodes and copies aliases without bound,
 * so the tree is ours: aliases and `<<` are resolved within limits, equal keys are an error
 * with both places.
 */
#ifndef VOLLEY_CONF_YAML_H
#define VOLLEY_CONF_YAML_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/macros.h"
#include "value/node.h"

enum {
	YAML_MAX_BYTES = 1024 * 1024, /* of a file */
	YAML_MAX_NODES = 100000, /* of a file, aliases counted as often as they are used */
	YAML_MAX_DEPTH = 60
};

/*
 * Parses one file's text (YAML 1.2). Texts of the tree are copies in the arena; places point
 * to the source, which must live as long as they are looked at. An empty file gives a null
 * node. Of two equal keys the first is kept. NULL: it is no YAML, has a second document, or
 * passes a limit; diag says where.
 */
must_check const struct node *yaml_parse(
	const struct source *source, struct arena *arena, struct diag *diag);

/*
 * Reads a file as a source in the arena; name is what messages call it. NULL: it cannot be
 * read or is too large; diag says why.
 */
must_check struct source *yaml_read(
	const char *path, const char *name, struct arena *arena, struct diag *diag);

#endif
