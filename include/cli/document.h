/*
 * document.h - looking into JSON that the daemon has sent; what is missing reads as nothing.
 */
#ifndef VOLLEY_CLI_DOCUMENT_H
#define VOLLEY_CLI_DOCUMENT_H

#include "base/text.h"
#include "value/value.h"

/* The member of that name; NULL: there is none. */
const struct value *document_get(const struct value *v, const char *name);

/* A member that is a string, else "". */
struct text document_text(const struct value *v, const char *name);

/* A member that is a number, else `missing`. */
double document_number(const struct value *v, const char *name, double missing);

#endif
