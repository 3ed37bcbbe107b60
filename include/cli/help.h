/*
 * help.h - what `volley help` and `volley help VERB` say.
 */
#ifndef VOLLEY_CLI_HELP_H
#define VOLLEY_CLI_HELP_H

#include <stdio.h>

#include "cli/cli.h"

/* All verbs of the table, what they have in common, and where to read on. */
void help_all(const struct cli_verb *verbs, FILE *out);

/* One verb with its options. */
void help_verb(const struct cli_verb *verb, FILE *out);

#endif
