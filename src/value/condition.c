/*
 * condition.c - a condition's text to its compiled form.
 *
 * Lexer, grammar, check and evaluation have a file each; this one puts them together and
 * holds the bounds. Refused: handing conditions to a database or an embedded language,
 * which would cost a round trip or a sandbox for what is a comparison of two values.
 */
#include "value/condition.h"

#include "value/condition_tree.h"

struct condition *condition_compile(struct text text, struct place place,
	const struct scope *scope, struct arena *arena, struct diag *diag)
{
	struct parser parser = {
		.lexer = { .text = text, .place = place, .arena = arena, .diag = diag },
		.scope = scope,
	};
	struct condition *condition = arena_zalloc(arena, 1, sizeof(*condition));
	size_t errors = diag_errors(diag);

	if (text.len > CONDITION_MAX_LENGTH) {
		diag_error(diag, place, "a condition is at most 64 KiB long");
		return NULL;
	}
	condition->root = condition_parse(&parser);
	condition->terms = parser.terms;
	return diag_errors(diag) == errors ? condition : NULL;
}
