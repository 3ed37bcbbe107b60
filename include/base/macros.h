/*
 * macros.h - the few compiler notations that every file uses.
 */
#ifndef VOLLEY_BASE_MACROS_H
#define VOLLEY_BASE_MACROS_H

#include <stddef.h>

/* The result of a fallible function is always looked at. */
#define must_check __attribute__((warn_unused_result))

/* Argument f is a printf format, its arguments begin at a (both counted from 1). */
#define printf_like(f, a) __attribute__((format(printf, f, a)))

#define array_len(array) (sizeof(array) / sizeof((array)[0]))

/* The struct of the given type whose member stands at ptr. */
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
