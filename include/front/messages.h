/*
 * messages.h - what was found in a project folder, as lines of the log.
 */
#ifndef VOLLEY_FRONT_MESSAGES_H
#define VOLLEY_FRONT_MESSAGES_H

#include <stddef.h>

#include "base/diag.h"

/*
 * Logs the messages from that one on, at most so many, in printing order, one line each with
 * file, line, column and hint. Answers how many have been logged by now: the next `from`.
 */
size_t messages_log(const struct diag *diag, size_t from, size_t most);

#endif
