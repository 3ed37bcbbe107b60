/*
 * file.h - whole files: read with a bound, written atomically.
 */
#ifndef VOLLEY_BASE_FILE_H
#define VOLLEY_BASE_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/macros.h"
#include "base/text.h"

/*
 * Reads a regular file of at most max bytes into the arena (with a NUL behind it that len
 * does not count). On failure errbuf says why, with the path. Blocks: never call it while
 * serving.
 */
must_check bool file_read(struct arena *arena, const char *path, size_t max,
	struct text *out, struct errbuf *errbuf);

/*
 * Writes the bytes to path with the given mode: into a temporary file in the same folder,
 * synced, renamed over path, the folder synced. Owner and group of a file that stood there
 * are kept where the system allows it. On failure path is as it was (unless only the
 * folder's sync failed) and errbuf says why. Blocks, as file_read() does.
 */
must_check bool file_write_atomic(
	const char *path, struct text bytes, mode_t mode, struct errbuf *errbuf);

/* Whether the file's mode lets only its owner read it: no group or other bits, or 0640
 * owned by root. false with errbuf when there is no such file. */
must_check bool file_is_private(const char *path, bool *is_private, struct errbuf *errbuf);

#endif
