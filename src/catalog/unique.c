/*
 * unique.c - ids that stand twice in one list.
 *
 * Refused: comparing each with each, as a long list would take seconds.
 */
#include "catalog/load.h"

void load_unique(
	struct load *load, struct load_id **ids, const struct node *item, const char *what)
{
	const struct node *id = node_get(item, "id");
	struct load_id *other, *table = *ids;

	if (!id || id->text.len == 0)
		return;
	HASH_FIND(hh, table, id->text.at, id->text.len, other);
	if (other) {
		diag_error(load->diag, id->place, "the %s '%.*s' stands twice", what,
			TEXT_ARG(id->text));
		diag_note(load->diag, other->place, "first here");
		return;
	}
	other = arena_zalloc(load->messages, 1, sizeof(*other));
	other->id = id->text;
	other->place = id->place;
	HASH_ADD_KEYPTR(hh, table, other->id.at, other->id.len, other);
	*ids = table;
}

void load_unique_done(struct load_id **ids)
{
	struct load_id *table = *ids;

	HASH_CLEAR(hh, table);
	*ids = NULL;
}
