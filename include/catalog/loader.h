/*
 * loader.h - reads a project folder in steps, so that a daemon that serves can do it beside.
 *
 * A step is one file read, or compiled, or a handful of certificates: some milliseconds at
 * most for files of ordinary size. It reads local files and blocks for nothing else.
 */
#ifndef VOLLEY_CATALOG_LOADER_H
#define VOLLEY_CATALOG_LOADER_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/macros.h"
#include "catalog/snapshot.h"

struct loader;

/*
 * Begins; reads nothing yet. messages and diag are the caller's and outlive the loader; what
 * is said of them at snapshot_load() holds. One loader at a time.
 */
must_check struct loader *loader_new(
	const char *volley_yaml, struct arena *messages, struct diag *diag);

/* Does a step. True: there is more to do. */
must_check bool loader_step(struct loader *loader);

/*
 * Ends a loader that has nothing more to do. The catalog, with one reference and the next
 * version; NULL: there were errors, diag says which.
 */
must_check struct snapshot *loader_finish(struct loader *loader);

/* Ends a loader at any time; what it has read so far is freed. */
void loader_cancel(struct loader *loader);

#endif
