/*
 * type.c - a service type by name: one that is served, one that is known, one of the folder's.
 *
 * Refused: telling a type by its account only, for an action of a service that is not served
 * may name an account that does not exist.
 */
#include "base/macros.h"
#include "catalog/legacy.h"
#include "catalog/load.h"

struct load_type load_type(const struct load *load, struct text name)
{
	const struct service_ops *ops = service_find(name);
	const struct legacy_type *known = legacy_type(name);

	if (ops)
		return (struct load_type){ .name = ops->type, .ops = ops };
	if (known)
		return (struct load_type){ .name = known->name };
	for (size_t i = 0; i < load->services.count; i++) {
		const struct load_file *file = &load->services.items[i];

		if (text_is_nocase(name, file->stem.at))
			return (struct load_type){ .name = file->stem.at, .own = true };
	}
	return (struct load_type){ NULL, NULL, false };
}

void load_unknown_type(struct load *load, struct text name, struct place place)
{
	struct suggest suggest;

	suggest_init(&suggest, name);
	for (const struct service_ops *const *row = services; *row; row++)
		suggest_offer(&suggest, text_of((*row)->type));
	legacy_suggest_types(&suggest);
	for (size_t i = 0; i < load->services.count; i++)
		suggest_offer(&suggest, load->services.items[i].stem);
	diag_error(load->diag, place, "unknown type '%.*s'", TEXT_ARG(name));
	diag_suggest(load->diag, &suggest);
}
