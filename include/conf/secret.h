/*
 * secret.h - secrets that stand literally in a file: found before references are replaced,
 * and blanked in what messages quote.
 */
#ifndef VOLLEY_CONF_SECRET_H
#define VOLLEY_CONF_SECRET_H

#include <stdbool.h>

#include "base/diag.h"
#include "base/macros.h"
#include "value/node.h"

/*
 * Whether the scalar, references not yet replaced, holds more than references: then it is a
 * literal secret, and its bytes are blanked in the source.
 */
bool secret_literal(const struct node *scalar);

/*
 * The same for an address: only its password counts (`scheme://user:password@host`, or
 * `password=...` in a connection string or query).
 */
bool secret_literal_in_url(const struct node *scalar);

/* Blanks what looks like a secret in a source that is no YAML, line by line: quoting such a
 * line must not show it. */
void secret_blank_lines(const struct source *source);

/*
 * Checks that a file with a literal secret is private (0600, or 0640 owned by root): an error
 * at place where it is not, or a warning when `only_warn`.
 */
void secret_check_file(const char *path, const char *name, struct place place,
	bool only_warn, struct diag *diag);

/* Checks that the file of a private key is private in the same way: false is an error. */
must_check bool secret_check_key(const char *path, struct place place, struct diag *diag);

#endif
