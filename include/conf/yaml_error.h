/*
 * yaml_error.h - what is no YAML: said with its place, and with the usual reasons.
 */
#ifndef VOLLEY_CONF_YAML_ERROR_H
#define VOLLEY_CONF_YAML_ERROR_H

#include <stdbool.h>

#include "base/diag.h"
#include "base/macros.h"

struct fy_diag;

/*
 * Checks what libfyaml would pass over: size, UTF-8, control characters. False: diag has an
 * error.
 */
must_check bool yaml_check_bytes(const struct source *source, struct diag *diag);

/*
 * The first complaint that libfyaml has collected as an error of ours. last: the place of the
 * newest event, for a complaint without one; open: the bracket that is open, or nowhere.
 */
void yaml_syntax_error(struct fy_diag *complaints, struct place last, struct place open,
	struct diag *diag);

#endif
