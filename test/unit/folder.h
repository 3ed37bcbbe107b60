/*
 * folder.h - a temporary project folder, one at a time.
 */
#ifndef VOLLEY_TEST_FOLDER_H
#define VOLLEY_TEST_FOLDER_H

#include <sys/types.h>

#include "base/text.h"

extern char folder[]; /* its path */

void new_folder(void);
void remove_folder(void);

/* Writes a file of it, and the folders on the way. */
void write_file(const char *name, struct text text, mode_t mode);

/* The path of its volley.yaml. */
const char *settings_path(void);

#endif
