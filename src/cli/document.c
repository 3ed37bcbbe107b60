/*
 * document.c - members of JSON objects by name.
 *
 * Readers show what is there: an older or newer daemon may leave a member out. A schema that
 * is checked first was refused for that reason.
 */
#include "cli/document.h"

#include <stdlib.h>

const struct value *document_get(const struct value *v, const char *name)
{
	return value_get(v, text_of(name));
}

struct text document_text(const struct value *v, const char *name)
{
	const struct value *member = document_get(v, name);

	return member && member->type == VALUE_STRING ? member->text : TEXT("");
}

double document_number(const struct value *v, const char *name, double missing)
{
	const struct value *member = document_get(v, name);
	char digits[64];

	if (!member || member->type != VALUE_NUMBER || member->text.len >= sizeof(digits))
		return missing;
	memcpy(digits, member->text.at, member->text.len);
	digits[member->text.len] = '\0';
	return strtod(digits, NULL);
}
