/*
 * template.h - text with {wildcards}, compiled at load; typed values at run time.
 *
 * A template is one scalar of a file. What a value becomes (a bind parameter, a Redis
 * argument, a path segment) is the connector's business: it asks for a value or for text,
 * never for syntax.
 */
#ifndef VOLLEY_VALUE_TEMPLATE_H
#define VOLLEY_VALUE_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/macros.h"
#include "base/strbuf.h"
#include "value/node.h"
#include "value/scope.h"
#include "value/value.h"

struct template;

/*
 * Compiles any scalar node: text is searched for wildcards, numbers, booleans and null
 * stand for themselves. `field` names it in run-time messages ("wildcard {id} in key: no
 * value"); it must live as long as the arena. Mistakes go to diag with their places. Never
 * NULL (after an error: the text, literal).
 */
struct template *template_compile(const struct node *scalar, const char *field,
	const struct scope *scope, struct arena *arena, struct diag *diag);

/*
 * The same for services whose templates may say what a wildcard's value becomes: `::String`,
 * `::Number`, `::Boolean` or `::any` (in any case of letters) behind a wildcard, at the end of
 * the text. Elsewhere that is text like any other.
 */
struct template *template_compile_typed(const struct node *scalar, const char *field,
	const struct scope *scope, struct arena *arena, struct diag *diag);

/* Whether it has no wildcard. */
bool template_is_literal(const struct template *template);

/* Whether it is exactly one wildcard, so that it keeps the value's type. */
bool template_is_wildcard(const struct template *template);

/* The binding of the one wildcard (template_is_wildcard), else NULL. */
const struct binding *template_binding(const struct template *template);

/* Whether it is exactly `{path?}`: a map member that is left out when there is no value. */
bool template_is_optional(const struct template *template);

/* The wildcard as written, with its braces (template_is_wildcard), else "". */
struct text template_written(const struct template *template);

/* Whether it is exactly one wildcard, without `?` or default, of a property that the model knows
 * and does not require. */
bool template_may_lack(const struct template *template);

/* Whether a value can certainly not be an object or array (known from literals, specials,
 * the model). */
bool template_is_scalar(const struct template *template);

/* The literal's text (template_is_literal of a string, number or boolean), as written. */
struct text template_literal(const struct template *template);

/*
 * What the text consists of, in order: literal pieces and wildcards, each a template of its
 * own (one, itself, where it is not mixed). For connectors that treat the two differently.
 * A wildcard without a value is null there, and refusing it is the caller's business.
 */
size_t template_parts(
	const struct template *template, const struct template *const **parts);

/*
 * The value in one run, built in the arena: exactly one wildcard gives the payload's own
 * value (null when absent), a literal its value, mixed text a string. Sets *absent (may be
 * NULL) when the one wildcard found nothing or null. NULL: mixed text with a wildcard that
 * has no value; the reason is in errbuf.
 */
must_check const struct value *template_value(const struct template *template,
	const struct values *values, struct arena *arena, bool *absent,
	struct errbuf *errbuf);

/*
 * The value as text, one slice of any bytes: numbers digit for digit, TRUE as "true",
 * objects and arrays as JSON when json_allowed, else an error. *is_null: exactly one
 * wildcard that is null or absent, or the literal null; the text is then empty and the
 * caller decides. False: the reason is in errbuf.
 */
must_check bool template_text(const struct template *template, const struct values *values,
	struct arena *arena, bool json_allowed, struct text *out, bool *is_null,
	struct errbuf *errbuf);

/*
 * A whole tree of templates (a payload): maps with literal keys, lists, scalars. Compiling
 * and rendering as above; map members that are exactly `{path?}` are left out when there is
 * no value.
 */
struct template_tree;

struct template_tree *template_tree_compile(const struct node *node, const char *field,
	const struct scope *scope, struct arena *arena, struct diag *diag);

/* The same, its scalars as by template_compile_typed(). */
struct template_tree *template_tree_compile_typed(const struct node *node,
	const char *field, const struct scope *scope, struct arena *arena,
	struct diag *diag);

/*
 * For whoever reads a map of a template: false, and an error in diag, when a member has no
 * value (`key: {name}` without quotes) or a key holds a wildcard.
 */
must_check bool template_check_map(
	const struct node *map, struct arena *arena, struct diag *diag);

/* NULL: the reason is in errbuf. */
must_check const struct value *template_tree_value(const struct template_tree *tree,
	const struct values *values, struct arena *arena, struct errbuf *errbuf);

/* Checks every wildcard of a template whose fields are not known, as one of an action that
 * is not served.  (Compiling, here as above, warns of `{{name}}`: a brace, the value, a
 * brace.) */
void template_check_all(const struct node *node, const struct scope *scope,
	struct arena *arena, struct diag *diag);

#endif
