/*
 * clock.h - the two clocks: one to measure with, one to tell people the time.
 */
#ifndef VOLLEY_BASE_CLOCK_H
#define VOLLEY_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define NS_PER_MS  UINT64_C(1000000)
#define NS_PER_SEC UINT64_C(1000000000)

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t clock_now(void);

/* Milliseconds since 1970-01-01T00:00:00Z. */
uint64_t clock_wall_ms(void);

/* Room for clock_format()'s text with its NUL. */
#define CLOCK_TEXT_SIZE 25

/* Writes wall_ms as RFC 3339 in UTC with milliseconds ("2026-03-01T12:00:00.000Z"). */
void clock_format(uint64_t wall_ms, char out[CLOCK_TEXT_SIZE]);

#endif
