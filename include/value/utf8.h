/*
 * utf8.h - well-formed UTF-8 as RFC 3629 section 4 has it: no overlong forms, no
 * surrogates, nothing above U+10FFFF.
 */
#ifndef VOLLEY_VALUE_UTF8_H
#define VOLLEY_VALUE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/*
 * Bytes of the sequence at the start of t, which must not be empty. *valid false: bytes of
 * the longest beginning that a well-formed sequence could have, at least 1 (what one U+FFFD
 * stands for, Unicode 15 section 3.9).
 */
size_t utf8_step(struct text t, bool *valid);

/* Whether all of it is well-formed. */
bool utf8_valid(struct text t);

#endif
