/*
 * uuid.h - UUID version 7 (RFC 9562 section 5.7): time-ordered ids of runs and tasks.
 */
#ifndef VOLLEY_BASE_UUID_H
#define VOLLEY_BASE_UUID_H

#include <stddef.h>
#include <stdint.h>

/* Characters of a UUID's text, without NUL. */
#define UUID_TEXT_LEN 36

/* Writes a new id's text and a NUL, stamped with wall_ms; random bits are drawn from the
 * system in bulk. */
void uuid_v7(uint64_t wall_ms, char out[UUID_TEXT_LEN + 1]);

/*
 * Fills out with random bytes fit for secrets. Ends the process when the system gives none.
 */
void uuid_random(void *out, size_t len);

#endif
