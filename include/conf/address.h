/*
 * address.h - where a listener stands: an IP address with a port, or a unix socket.
 */
#ifndef VOLLEY_CONF_ADDRESS_H
#define VOLLEY_CONF_ADDRESS_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/macros.h"
#include "value/node.h"

/*
 * Reads "127.0.0.1:8080", "[::]:8080" or "unix:path" (from the folder); port 0 lets the system
 * choose. The result is NUL-terminated in the arena, a unix path absolute. NULL: it is none,
 * and diag has an error.
 */
must_check const char *address_read(const struct node *node, const char *what,
	const char *folder, struct arena *arena, struct diag *diag);

/* Whether only this machine can reach it: 127.0.0.0/8, ::1, a unix socket. */
bool address_is_local(const char *address);

#endif
