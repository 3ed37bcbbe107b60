/*
 * mem.h - heap memory that is always there.
 *
 * What grows with input is bounded by settings long before memory ends, so running out is
 * not a state that each caller could mend: the process says so on stderr and ends (exit
 * code 70).
 */
#ifndef VOLLEY_BASE_MEM_H
#define VOLLEY_BASE_MEM_H

#include <stddef.h>
#include <stdlib.h>

/* Uninitialised bytes; the caller frees them with free(). Never NULL. */
void *mem_alloc(size_t size);

/* count * size zeroed bytes; a product that overflows counts as out of memory. */
void *mem_zalloc(size_t count, size_t size);

/* As realloc(); never NULL. */
void *mem_realloc(void *old, size_t size);

/* A copy of the C string, for free(). */
char *mem_strdup(const char *string);

/* A NUL-terminated copy of len bytes, for free(). */
char *mem_copy(const char *bytes, size_t len);

/* Says that memory has run out and ends the process; for library calls that answer NULL. */
_Noreturn void mem_exhausted(void);

#endif
