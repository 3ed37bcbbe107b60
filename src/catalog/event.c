/*
 * event.c - events/<group>.<id>.yaml: the model, and filters with their conditions.
 *
 * All files are read first and their ids registered, then compiled, so that a trigger may name
 * an event that comes later. Refused: telling an event by its file's name, which the original
 * platform's tool did and its server did not.
 */
#include "catalog/load.h"
#include "conf/map.h"
#include "value/path.h"

static const char *const event_keys[] = { "id", "name", "eventGroup", "version", "model",
	"modelPolicy", "secret", "tests", "filters", NULL };

/* ---- first pass: names ---------------------------------------------------------------- */

static void check_file_name(
	struct load *load, const struct load_file *file, const struct event_def *event)
{
	const char *full = arena_printf(
		load->messages, "%.*s.%.*s", TEXT_ARG(event->group), TEXT_ARG(event->id));

	if (text_equal(file->stem, event->id) ||
		(event->group.len && text_is(file->stem, full)))
		return;
	diag_warning(load->diag, event->place,
		"the file's name is neither the event's id '%.*s' nor its group and id",
		TEXT_ARG(event->id));
}

static struct event_def *register_event(
	struct load *load, const struct load_file *file, const struct node *root)
{
	struct event_def *event = arena_zalloc(load->arena, 1, sizeof(*event)), *other;
	struct snapshot *snapshot = load->snapshot;

	event->digest = file->digest;
	event->place = map_place(root, "id", root->place);
	event->name = map_text(root, "name", load->diag);
	event->group = map_text(root, "eventGroup", load->diag);
	event->version = map_text(root, "version", load->diag);
	if (!map_text_required(root, "id", event_keys, "an event", root->place, &event->id,
		    load->diag) ||
		!map_is_id(event->id, event->place, load->diag))
		return event;
	if (!event->name.len)
		event->name = event->id;
	check_file_name(load, file, event);
	HASH_FIND(hh, snapshot->events, event->id.at, event->id.len, other);
	if (other) {
		diag_error(load->diag, event->place, "the event '%.*s' stands twice",
			TEXT_ARG(event->id));
		diag_note(load->diag, other->place, "first here");
		return event;
	}
	event->index = snapshot->event_count++;
	HASH_ADD_KEYPTR(hh, snapshot->events, event->id.at, event->id.len, event);
	return event;
}

/* ---- filters -------------------------------------------------------------------------- */

static void read_condition(struct load *load, const struct load_event *event,
	struct filter *filter, const struct node *node)
{
	if (node_is_null(node))
		return;
	if (node->kind == NODE_LIST || node->kind == NODE_MAP) {
		diag_error(load->diag, node->place, "'condition' is text, not %s",
			node_kind_name(node->kind));
		return;
	}
	filter->condition_text = node->text;
	if (text_trim(node->text).len)
		filter->condition = condition_compile(
			node->text, node->place, &event->scope, load->arena, load->diag);
}

static void read_filter(struct load *load, const struct load_event *event,
	struct filter *filter, const struct node *node)
{
	static const char *const names[] = { "id", "name", "condition", "actions", NULL };
	struct scope scope = event->scope;
	struct load_event conditions = { event->event, scope };

	map_check(node, node->place, names, "a filter", load->diag);
	if (map_text_required(
		    node, "id", names, "a filter", node->place, &filter->id, load->diag))
		map_is_id(filter->id, node_get(node, "id")->place, load->diag);
	filter->name = map_text(node, "name", load->diag);
	if (!filter->name.len)
		filter->name = filter->id;
	conditions.scope.specials = false;
	read_condition(load, &conditions, filter, node_get(node, "condition"));
	load_actions(load, event, filter, node_get(node, "actions"));
	event->event->action_count += filter->action_count;
}

static void read_filters(
	struct load *load, const struct load_event *event, const struct node *list)
{
	struct event_def *e = event->event;
	struct load_id *ids = NULL;

	if (node_is_null(list))
		return;
	if (list->kind != NODE_LIST) {
		diag_error(load->diag, list->place, "'filters' is a list, not %s",
			node_kind_name(list->kind));
		return;
	}
	e->filters = arena_zalloc(load->arena, list->count + 1, sizeof(*e->filters));
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i]->kind != NODE_MAP) {
			diag_error(load->diag, list->items[i]->place,
				"a filter is a mapping, not %s",
				node_kind_name(list->items[i]->kind));
			continue;
		}
		read_filter(load, event, &e->filters[e->filter_count++], list->items[i]);
		load_unique(load, &ids, list->items[i], "filter");
	}
	load_unique_done(&ids);
}

/* ---- the rest of an event ------------------------------------------------------------- */

static void check_secret_path(
	struct load *load, const struct load_event *event, const struct node *node)
{
	struct scope scope = event->scope;
	struct binding binding;
	struct path path;

	scope.specials = false;
	if (node->kind != NODE_STRING || node->text.len == 0 ||
		path_read(load->arena, node->text, &path) != node->text.len)
		diag_error(
			load->diag, node->place, "a secret is a path, such as card.number");
	else if (!scope_bind(&scope, path, node->place, load->arena, load->diag, &binding))
		return; /* an error is said */
}

static void check_secrets(
	struct load *load, const struct load_event *event, const struct node *node)
{
	if (node_is_null(node))
		return;
	options_idle(&load->idle, TEXT("secret"));
	if (node->kind != NODE_LIST) {
		diag_error(load->diag, node->place, "'secret' is a list of paths, not %s",
			node_kind_name(node->kind));
		return;
	}
	for (size_t i = 0; i < node->count; i++)
		check_secret_path(load, event, node->items[i]);
}

static void check_tests(struct load *load, const struct node *node)
{
	if (node_is_null(node))
		return;
	options_idle(&load->idle, TEXT("tests"));
	if (node->kind != NODE_LIST) {
		diag_error(load->diag, node->place, "'tests' is a list, not %s",
			node_kind_name(node->kind));
		return;
	}
	for (size_t i = 0; i < node->count; i++) {
		if (node->items[i]->kind != NODE_MAP)
			diag_error(load->diag, node->items[i]->place,
				"a test is a mapping, not %s",
				node_kind_name(node->items[i]->kind));
	}
}

void load_event_compile(struct load *load, const struct load_pending *pending)
{
	const struct node *root = pending->root;
	struct load_event event = { .event = pending->event };
	int policy;

	map_check(root, root->place, event_keys, "an event", load->diag);
	if (map_choice(root, "modelPolicy", "allow|strict", 0, &policy, load->diag))
		event.event->strict = policy == 1;
	event.event->model = model_compile(
		node_get(root, "model"), load->arena, load->diag);
	event.scope = (struct scope){ .model = event.event->model, .specials = true };
	check_secrets(load, &event, node_get(root, "secret"));
	check_tests(load, node_get(root, "tests"));
	read_filters(load, &event, node_get(root, "filters"));
	load_idle_done(load);
}

bool load_event(struct load *load, struct load_file *file, struct load_pending *out)
{
	if (!load_parse(load, file))
		return false;
	out->root = file->root;
	out->event = register_event(load, file, file->root);
	return true;
}
