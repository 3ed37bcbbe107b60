/*
 * preferences.h - the Prefer header (RFC 7240): how long a client wants to wait for its
 * reply.
 */
#ifndef VOLLEY_FRONT_PREFERENCES_H
#define VOLLEY_FRONT_PREFERENCES_H

#include <stdbool.h>
#include <stdint.h>

#include "net/http_server.h"

/* A longer wait counts as this many seconds, so that its nanoseconds fit 64 bits. */
enum { PREFERENCES_WAIT_MAX = 1000000000 };

struct preferences {
	bool respond_async; /* the reply goes at once */
	bool wait;          /* `wait=N` was given */
	uint64_t seconds;   /* N */
};

/* Reads all Prefer headers of a request; of a preference that stands twice the first
 * counts. */
struct preferences preferences_read(const struct http_request *request);

#endif
