/*
 * action.c - a filter's actions: type, account, options, and the template compiled to a plan.
 *
 * An action that this version does not serve keeps its name for replies and has no plan; the
 * engine settles it. Refused: leaving such actions out, which would look like success.
 */
#include <assert.h>

#include "catalog/legacy.h"
#include "catalog/load.h"
#include "conf/map.h"
#include "service/sql_condition.h"
#include "value/json.h"
#include "value/template.h"

/* Of texts that one file of at most 1 MiB holds, escaped. */
enum { MAX_FRAGMENT = 32 * 1024 * 1024 };

static const char *const action_keys[] = { "id", "name", "async", "type", "action",
	"operation", "serviceAccountId", "template", "timeout", "retry", "group",
	"delivery", "enabled", "onSuccess", "onFailure", NULL };

/* One action being read. */
struct work {
	struct load *load;
	const struct load_event *event;
	const struct node *node;
	struct action *action;
	struct service_account *account; /* NULL: none, or not served */
	struct load_type type;
	struct text action_name; /* at NULL: none */
};

/* ---- what it does --------------------------------------------------------------------- */

static void unknown_action(struct work *w)
{
	const struct legacy_type *known = legacy_type(text_of(w->type.name));
	struct suggest suggest;

	suggest_init(&suggest, w->action_name);
	for (const struct action_kind *k = w->type.ops ? w->type.ops->actions : NULL;
		k && k->name; k++)
		suggest_offer(&suggest, text_of(k->name));
	if (known)
		legacy_suggest_actions(known, &suggest);
	diag_error(w->load->diag, node_get(w->node, "action")->place,
		"%s has no action '%.*s'", w->type.name, TEXT_ARG(w->action_name));
	diag_suggest(w->load->diag, &suggest);
}

/* The operation of an action that has some, or that it has none. */
must_check static bool check_operation(struct work *w, const struct legacy_type *known,
	struct text operation, bool has_some)
{
	const struct node *node = node_get(w->node, "operation");
	struct diag *diag = w->load->diag;
	struct suggest suggest;

	if (!has_some && !operation.at)
		return true;
	if (!has_some) {
		diag_error(diag, node->place, "%s %.*s has no operations", w->type.name,
			TEXT_ARG(w->action_name));
		return false;
	}
	if (legacy_action(known, w->action_name, operation))
		return true;
	if (!operation.at) {
		if (!map_misspelt(w->node, "operation", action_keys))
			diag_error(diag, node_get(w->node, "action")->place,
				"%s %.*s needs 'operation'", w->type.name,
				TEXT_ARG(w->action_name));
		return false;
	}
	suggest_init(&suggest, operation);
	legacy_suggest_operations(known, w->action_name, &suggest);
	diag_error(diag, node->place, "%s %.*s has no operation '%.*s'", w->type.name,
		TEXT_ARG(w->action_name), TEXT_ARG(operation));
	diag_suggest(diag, &suggest);
	return false;
}

static void warn_not_served(struct work *w)
{
	bool whole_type = !w->type.ops;
	const char *key = whole_type ? "type" : "action";

	diag_warning(w->load->diag, node_get(w->node, key)->place,
		"%s %.*s is not served by this version: its tasks fail with code 501",
		w->type.name, TEXT_ARG(w->action_name));
}

/* Finds the kind of the action; kind and service stay NULL where it is known, not served. */
must_check static bool read_kind(struct work *w, struct text type, struct text operation)
{
	const struct legacy_type *known;
	const struct legacy_action *row;
	bool operations = false;

	w->type = load_type(w->load, type);
	if (!w->type.name) {
		load_unknown_type(w->load, type, node_get(w->node, "type")->place);
		return false;
	}
	known = legacy_type(text_of(w->type.name));
	if (w->type.ops)
		w->action->kind = service_action(w->type.ops, w->action_name);
	if (!w->action->kind && !w->type.own &&
		(!known || !legacy_has_action(known, w->action_name, &operations))) {
		unknown_action(w);
		return false;
	}
	if (w->type.own && !map_is_id(w->action_name, node_get(w->node, "action")->place,
				   w->load->diag))
		return false;
	if (!w->type.own && !check_operation(w, known, operation, operations))
		return false;
	w->action->service_action = w->action_name;
	if (w->action->kind) {
		w->action->service = w->type.ops;
		if (w->action->kind->mapped)
			w->action->service_action = text_of(w->action->kind->mapped);
		return true;
	}
	row = known ? legacy_action(known, w->action_name, operation) : NULL;
	if (row && row->service_action)
		w->action->service_action = text_of(row->service_action);
	warn_not_served(w);
	return true;
}

/* ---- with which account --------------------------------------------------------------- */

static void unknown_account(struct work *w, struct place place)
{
	const struct service_account *account, *next;
	struct suggest suggest;

	suggest_init(&suggest, w->action->account_id);
	HASH_ITER(hh, w->load->snapshot->accounts, account, next)
	suggest_offer(&suggest, account->id);
	diag_error(
		w->load->diag, place, "no account '%.*s'", TEXT_ARG(w->action->account_id));
	if (suggest_found(&suggest))
		diag_suggest(w->load->diag, &suggest);
	else
		diag_hint(w->load->diag, "it would stand in accounts/%.*s.yaml",
			TEXT_ARG(w->action->account_id));
}

static void check_account_type(
	struct work *w, const struct service_account *account, struct place place)
{
	struct load_type type = load_type(w->load, account->type);

	/* An account of no known type has its own error. */
	if (!type.name || !w->type.name || strcmp(type.name, w->type.name) == 0)
		return;
	diag_error(w->load->diag, place, "the account '%.*s' is of type %.*s, not %s",
		TEXT_ARG(account->id), TEXT_ARG(account->type), w->type.name);
	diag_note(w->load->diag, account->place, "this account");
}

static void read_account(struct work *w)
{
	const struct node *node = node_get(w->node, "serviceAccountId");
	bool needs_one = w->action->service && w->action->service->account;
	struct place place = map_place(w->node, "serviceAccountId", w->node->place);
	struct service_account *account;
	struct text id = map_text(w->node, "serviceAccountId", w->load->diag);

	if (w->action->service && !needs_one) {
		if (id.at)
			diag_warning(w->load->diag, place,
				"%s needs no account: this one is not used", w->type.name);
		return;
	}
	if (!id.len) {
		if (needs_one && (node_is_null(node) || node->kind == NODE_STRING) &&
			!map_misspelt(w->node, "serviceAccountId", action_keys))
			diag_error(w->load->diag, place,
				"the action needs 'serviceAccountId'");
		return;
	}
	if (!map_is_id(id, place, w->load->diag))
		return;
	w->action->account_id = id;
	HASH_FIND(hh, w->load->snapshot->accounts, id.at, id.len, account);
	if (!account) {
		if (needs_one)
			unknown_account(w, place);
		return;
	}
	check_account_type(w, account, place);
	if (needs_one)
		w->action->account = w->account = account;
}

/* ---- options -------------------------------------------------------------------------- */

static void read_timeout(struct work *w)
{
	static const struct conf_option table[] = { { .name = "timeout",
							    .type = OPTION_DURATION,
							    .min = "1ms",
							    .max = "24h",
							    .in_force = true },
		{ .name = NULL } };
	const struct node_entry *entry = node_entry(w->node, TEXT("timeout"));
	const struct service_account *account = w->action->account;
	uint64_t timeout = 0;

	if (entry) {
		struct node_entry copy = *entry;
		struct node map = { .kind = NODE_MAP, .count = 1, .entries = &copy };

		options_read(
			table, "", &map, &timeout, w->load->arena, w->load->diag, NULL);
	}
	for (int e = 0; e < ENV_COUNT; e++) {
		w->action->timeout[e] = timeout;
		if (!timeout && account && account->half[e].settings)
			w->action->timeout[e] = account->half[e].pool.timeout;
		else if (!timeout)
			w->action->timeout[e] = w->load->settings->pool.timeout;
	}
}

static void read_delivery(struct work *w)
{
	static const char *const words = "at-least-once|at-most-once|exactly-once";
	static const enum delivery deliveries[] = { DELIVERY_AT_LEAST_ONCE,
		DELIVERY_AT_MOST_ONCE };
	struct diag *diag = w->load->diag;
	int index;

	if (!map_choice(w->node, "delivery", words, -1, &index, diag) || index < 0)
		return;
	if (index < (int)array_len(deliveries)) {
		w->action->delivery = deliveries[index];
		options_idle(&w->load->idle, TEXT("delivery"));
		return;
	}
	diag_error(diag, node_get(w->node, "delivery")->place,
		"this version cannot deliver exactly once yet");
	diag_hint(diag, "leave 'delivery' out");
}

static void read_group(struct work *w)
{
	const struct node *node = node_get(w->node, "group");
	const struct service_ops *service = w->action->service;
	struct diag *diag = w->load->diag;
	bool group;

	if (node_is_null(node))
		return;
	group = map_flag(w->node, "group", false, diag);
	if (!service || (service->group && !w->action->plan))
		return;
	if (service->group && service->group(w->action->plan, group))
		return;
	if (group && service->group)
		diag_warning(diag, node->place,
			"'group' has no effect: this statement may end its transaction");
	else if (group)
		diag_warning(diag, node->place,
			"'group' has no effect: actions of type %s share no transaction",
			w->type.name);
}

static void read_options(struct work *w)
{
	struct volley_settings scratch = *w->load->settings;
	struct load *load = w->load;

	w->action->async = map_flag(w->node, "async", false, load->diag);
	read_timeout(w);
	read_delivery(w);
	settings_read_retry(
		node_get(w->node, "retry"), &scratch, load->arena, load->diag, &load->idle);
	read_group(w);
	load_triggers(load, node_get(w->node, "onSuccess"), "onSuccess", &w->event->scope);
	load_triggers(load, node_get(w->node, "onFailure"), "onFailure", &w->event->scope);
}

/* ---- template ------------------------------------------------------------------------- */

/* MYSQL is not served, yet a folder that is taken over must hold nothing that would reach every
 * row. */
static void check_condition(struct work *w, const struct node *template)
{
	if (strcmp(w->type.name, "MYSQL") == 0 &&
		(text_is(w->action_name, "UPDATE") || text_is(w->action_name, "DELETE")))
		sql_condition_check_rows(template, w->action_name,
			map_place(w->node, "template", w->node->place), w->load->diag);
}

/* Whether `{name}` without quotes stands in it, which has its own error. */
static bool lacks_quotes(const struct node *node)
{
	for (size_t i = 0; node->kind == NODE_LIST && i < node->count; i++) {
		if (lacks_quotes(node->items[i]))
			return true;
	}
	for (size_t i = 0; node->kind == NODE_MAP && i < node->count; i++) {
		if (node->entries[i].value_missing || lacks_quotes(node->entries[i].value))
			return true;
	}
	return false;
}

/* Wildcards of a template that cannot be compiled for another reason, so that one run of
 * `volley test` shows both. */
static void check_wildcards(struct work *w, const struct node *template)
{
	for (size_t i = 0; template && template->kind == NODE_MAP && i < template->count;
		i++) {
		const struct node *value = template->entries[i].value;

		if (!template->entries[i].value_missing && !lacks_quotes(value))
			template_check_all(
				value, &w->event->scope, w->load->arena, w->load->diag);
	}
}

static void read_template(struct work *w)
{
	static const struct node empty = { .kind = NODE_MAP };
	const struct node *template = node_get(w->node, "template");
	const struct action_kind *kind = w->action->kind;
	struct load *load = w->load;

	if (!kind) {
		if (!node_is_null(template))
			template_check_all(
				template, &w->event->scope, load->arena, load->diag);
		check_condition(w, template);
		return;
	}
	if (!service_check_fields(kind->fields, template,
		    map_place(w->node, "template", w->node->place),
		    arena_printf(load->arena, "the template of %s", kind->name),
		    load->diag)) {
		check_wildcards(w, template);
		return;
	}
	w->action->plan = w->action->service->compile(kind,
		node_is_null(template) ? &empty : template, &w->event->scope, load->arena,
		load->diag);
}

/* ---- an action ------------------------------------------------------------------------ */

static struct text fragment(struct load *load, const struct action *action)
{
	struct strbuf out;

	strbuf_init_arena(&out, load->arena, MAX_FRAGMENT);
	strbuf_string(&out, "{\"id\":");
	json_append_string(&out, action->id);
	strbuf_string(&out, ",\"name\":");
	json_append_string(&out, action->name);
	strbuf_string(&out, ",\"serviceAccountId\":");
	if (action->account_id.len)
		json_append_string(&out, action->account_id);
	else
		strbuf_string(&out, "null");
	strbuf_string(&out, ",\"serviceAction\":");
	json_append_string(&out, action->service_action);
	strbuf_char(&out, '}');
	assert(!out.failed);
	return strbuf_get(&out);
}

static void read_names(struct work *w)
{
	struct diag *diag = w->load->diag;
	struct action *action = w->action;

	if (map_text_required(w->node, "id", action_keys, "an action", w->node->place,
		    &action->id, diag))
		map_is_id(action->id, node_get(w->node, "id")->place, diag);
	action->name = map_text(w->node, "name", diag);
	if (action->name.len > 1000)
		diag_error(diag, node_get(w->node, "name")->place,
			"'name' is longer than 1000 bytes");
	if (!action->name.len)
		action->name = action->id;
}

static void read_action(struct work *w)
{
	struct diag *diag = w->load->diag;
	struct text type, operation = map_text(w->node, "operation", diag);
	bool has_type, has_action;

	map_check(w->node, w->node->place, action_keys, "an action", diag);
	read_names(w);
	has_type = map_text_required(
		w->node, "type", action_keys, "an action", w->node->place, &type, diag);
	has_action = map_text_required(w->node, "action", action_keys, "an action",
		w->node->place, &w->action_name, diag);
	if (has_type && has_action && read_kind(w, type, operation)) {
		read_account(w);
		read_template(w);
	} else {
		/* What can be checked is, so that all errors come in one go. */
		w->action->service = w->type.ops;
		if (w->action->service)
			read_account(w);
		if (node_get(w->node, "template"))
			template_check_all(node_get(w->node, "template"), &w->event->scope,
				w->load->arena, diag);
	}
	read_options(w);
}

/* The account's halves are opened, and their connections allow for the action's timeout. */
static void use_account(struct work *w)
{
	w->account->used = true;
	for (int e = 0; e < ENV_COUNT; e++) {
		struct account_half *half = &w->account->half[e];

		if (w->action->timeout[e] > half->longest)
			half->longest = w->action->timeout[e];
	}
}

void load_actions(struct load *load, const struct load_event *event, struct filter *filter,
	const struct node *list)
{
	struct load_id *ids = NULL;

	if (node_is_null(list))
		return;
	if (list->kind != NODE_LIST) {
		diag_error(load->diag, list->place, "'actions' is a list, not %s",
			node_kind_name(list->kind));
		return;
	}
	filter->actions = arena_zalloc(
		load->arena, list->count + 1, sizeof(*filter->actions));
	for (size_t i = 0; i < list->count; i++) {
		struct action *action = &filter->actions[filter->action_count];
		struct work w = { .load = load,
			.event = event,
			.node = list->items[i],
			.action = action };

		if (w.node->kind != NODE_MAP) {
			diag_error(load->diag, w.node->place,
				"an action is a mapping, not %s",
				node_kind_name(w.node->kind));
			continue;
		}
		*action = (struct action){ .async = false };
		read_action(&w);
		load_unique(load, &ids, list->items[i], "action");
		if (!map_flag(w.node, "enabled", true, load->diag))
			continue;
		action->reply_fragment = fragment(load, action);
		if (w.account)
			use_account(&w);
		action->index = load->snapshot->action_count++;
		filter->action_count++;
	}
	load_unique_done(&ids);
}
