/*
 * timeline.h - a reply drawn as text: one bar for each task, the total under them.
 */
#ifndef VOLLEY_CLI_TIMELINE_H
#define VOLLEY_CLI_TIMELINE_H

#include <stdbool.h>
#include <stdio.h>

#include "value/value.h"

/*
 * Draws the tasks of a reply (the JSON of POST /event/...) to scale of its totalTimeMS.
 * unicode: with block characters.
 */
void timeline_draw(const struct value *reply, bool unicode, FILE *out);

/* Whether a task of the reply has failed. */
bool timeline_has_failure(const struct value *reply);

#endif
