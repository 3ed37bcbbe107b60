/*
 * redis_command.h - which commands COMMAND takes.
 */
#ifndef VOLLEY_SERVICE_REDIS_COMMAND_H
#define VOLLEY_SERVICE_REDIS_COMMAND_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/macros.h"
#include "value/node.h"

/*
 * Checks COMMAND's `args`, a list: a literal name that may stand on a shared connection,
 * literal scripts, and no wildcard where a value could turn the command into another. False:
 * diag has an error that says what to use instead. Items that are no scalars are not looked
 * at, unless the name or a script should stand there.
 */
must_check bool redis_command_check(
	const struct node *args, struct arena *arena, struct diag *diag);

#endif
