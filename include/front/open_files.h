/*
 * open_files.h - how many connections of clients the system's limit of open files allows.
 */
#ifndef VOLLEY_FRONT_OPEN_FILES_H
#define VOLLEY_FRONT_OPEN_FILES_H

#include "catalog/snapshot.h"

/*
 * Raises the soft limit of open files to the hard one, and answers how many of
 * limits.connections fit beside the catalog's pools. Fewer than wanted: a line of the log
 * says so.
 */
unsigned open_files_fit(const struct snapshot *snapshot);

#endif
