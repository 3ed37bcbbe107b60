/*
 * scalar.h - what a YAML scalar without quotes stands for.
 */
#ifndef VOLLEY_CONF_SCALAR_H
#define VOLLEY_CONF_SCALAR_H

#include <stdbool.h>

#include "base/text.h"
#include "value/node.h"

/*
 * The kind of a plain scalar, after the core schema (YAML 1.2.2 section 10.3.2) with numbers
 * as JSON writes them: null, ~ and nothing are null; true and false in three spellings are
 * booleans; everything else is text, as written: dates, yes and on, 0777, 0x1F, 1,000, .inf.
 */
enum node_kind scalar_kind(struct text t);

/* Whether it is text to us and would be a number to other readers of YAML: worth a warning. */
bool scalar_looks_numeric(struct text t);

#endif
