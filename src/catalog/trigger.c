/*
 * trigger.c - onSuccess and onFailure: which event, with which payload.
 *
 * Checked like everything else; this version does not execute them. Refused: keeping what was
 * compiled, which nothing would use.
 */
#include "catalog/load.h"
#include "conf/map.h"
#include "value/template.h"

static const char *const names[] = { "eventId", "payload", NULL };

static void check_target(struct load *load, const struct node *trigger)
{
	const struct event_def *event, *next;
	struct suggest suggest;
	struct text id;

	if (!map_text_required(trigger, "eventId", names, "a trigger", trigger->place, &id,
		    load->diag) ||
		snapshot_event(load->snapshot, id))
		return;
	suggest_init(&suggest, id);
	HASH_ITER(hh, load->snapshot->events, event, next)
	suggest_offer(&suggest, event->id);
	diag_error(load->diag, node_get(trigger, "eventId")->place, "no event '%.*s'",
		TEXT_ARG(id));
	diag_suggest(load->diag, &suggest);
}

void load_triggers(struct load *load, const struct node *list, const char *key,
	const struct scope *scope)
{
	struct scope inner = *scope;

	if (node_is_null(list))
		return;
	if (list->kind != NODE_LIST) {
		diag_error(load->diag, list->place, "'%s' is a list of triggers, not %s",
			key, node_kind_name(list->kind));
		return;
	}
	inner.trigger = true;
	for (size_t i = 0; i < list->count; i++) {
		const struct node *trigger = list->items[i];
		const struct node *payload = node_get(trigger, "payload");

		if (trigger->kind != NODE_MAP) {
			diag_error(load->diag, trigger->place,
				"a trigger is a mapping, not %s",
				node_kind_name(trigger->kind));
			continue;
		}
		options_idle(&load->idle, text_of(key));
		map_check(trigger, trigger->place, names, "a trigger", load->diag);
		check_target(load, trigger);
		if (node_is_null(payload))
			continue;
		if (payload->kind != NODE_MAP)
			diag_error(load->diag, payload->place,
				"'payload' is a mapping, not %s",
				node_kind_name(payload->kind));
		else
			(void)template_tree_compile(
				payload, "payload", &inner, load->arena, load->diag);
	}
}
