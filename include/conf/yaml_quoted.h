/*
 * yaml_quoted.h - the text of a quoted scalar.
 */
#ifndef VOLLEY_CONF_YAML_QUOTED_H
#define VOLLEY_CONF_YAML_QUOTED_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/text.h"

/*
 * What stands between the quotes of a scalar (raw, one that libfyaml's scanner has taken), its
 * lines folded, doubled quotes or escapes resolved (YAML 1.2, 5.7, 7.3.1 and 7.3.2). A copy in
 * the arena with a NUL behind it.
 */
struct text yaml_quoted(struct text raw, bool is_double, struct arena *arena);

#endif
