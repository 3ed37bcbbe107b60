/*
 * decimal.h - numbers compared exactly, as decimals of any length.
 */
#ifndef VOLLEY_VALUE_DECIMAL_H
#define VOLLEY_VALUE_DECIMAL_H

#include "base/text.h"

/*
 * Compares two numbers in JSON's notation, exponents included: negative, zero or positive
 * as a is less than, equal to or greater than b. 1.0 equals 1e0, -0 equals 0. Allocates
 * nothing; an exponent beyond 64 bits compares as the infinity (or zero) that it stands
 * for.
 */
int decimal_compare(struct text a, struct text b);

/* Whether the slice is a number in JSON's notation (RFC 8259 section 6). */
bool decimal_valid(struct text t);

#endif
