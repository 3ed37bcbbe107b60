/*
 * template_tree.c - whole payloads of templates: maps, lists and scalars.
 *
 * A branch without a wildcard is a value already when the file has been read, and is handed
 * on as it is in each run. Refused: rendering to JSON text and parsing that, which would
 * lose the difference between a value and what a service makes of it.
 */
#include "value/template_parts.h"
#include "value/wildcard.h"

/* What stays the same in the whole tree. */
struct planter {
	struct template *(*compile)(const struct node *, const char *, const struct scope *,
		struct arena *, struct diag *);
	const struct scope *scope;
	struct arena *arena;
	struct diag *diag;
};

bool template_check_map(const struct node *map, struct arena *arena, struct diag *diag)
{
	bool good = true;

	for (size_t i = 0; i < map->count; i++) {
		const struct node_entry *entry = &map->entries[i];

		if (entry->value_missing) {
			diag_error(diag, map->place, "'%.*s' has no value here",
				TEXT_ARG(entry->key));
			diag_hint(diag, "write \"{%.*s}\" in quotes", TEXT_ARG(entry->key));
			return false;
		}
		if (wildcard_is_in(entry->key, arena)) {
			diag_error(diag, entry->key_place,
				"a key cannot hold a wildcard: it is taken as it is");
			good = false;
		}
	}
	return good;
}

static struct template_tree *plant(
	const struct planter *p, const struct node *node, const char *field);

static void plant_map(const struct planter *p, const struct node *node, const char *field,
	struct template_tree *tree)
{
	if (!template_check_map(node, p->arena, p->diag)) {
		tree->count = 0;
		return;
	}
	tree->members = arena_zalloc(p->arena, node->count, sizeof(*tree->members));
	for (size_t i = 0; i < node->count; i++) {
		const struct node_entry *entry = &node->entries[i];
		const char *below = arena_printf(
			p->arena, "%s.%.*s", field, TEXT_ARG(entry->key));

		tree->members[i].name = entry->key;
		tree->members[i].tree = plant(p, entry->value, below);
	}
}

static void plant_list(const struct planter *p, const struct node *node, const char *field,
	struct template_tree *tree)
{
	tree->items = arena_zalloc(p->arena, node->count, sizeof(*tree->items));
	for (size_t i = 0; i < node->count; i++)
		tree->items[i] = plant(
			p, node->items[i], arena_printf(p->arena, "%s.%zu", field, i));
}

static bool is_literal(const struct template_tree *tree)
{
	bool literal = true;

	if (tree->kind == NODE_MAP)
		for (size_t i = 0; i < tree->count; i++)
			literal = literal && tree->members[i].tree->literal;
	else if (tree->kind == NODE_LIST)
		for (size_t i = 0; i < tree->count; i++)
			literal = literal && tree->items[i]->literal;
	else
		literal = template_is_literal(tree->scalar);
	return literal;
}

static struct template_tree *plant(
	const struct planter *p, const struct node *node, const char *field)
{
	struct template_tree *tree = arena_zalloc(p->arena, 1, sizeof(*tree));

	tree->kind = node ? node->kind : NODE_NULL;
	if (tree->kind == NODE_MAP || tree->kind == NODE_LIST)
		tree->count = node->count;
	if (tree->kind == NODE_MAP)
		plant_map(p, node, field, tree);
	else if (tree->kind == NODE_LIST)
		plant_list(p, node, field, tree);
	else
		tree->scalar = p->compile(node, field, p->scope, p->arena, p->diag);
	if (is_literal(tree)) {
		struct errbuf unused;

		tree->literal = template_tree_value(tree, NULL, p->arena, &unused);
	}
	return tree;
}

struct template_tree *template_tree_compile(const struct node *node, const char *field,
	const struct scope *scope, struct arena *arena, struct diag *diag)
{
	return plant(
		&(struct planter){ template_compile, scope, arena, diag }, node, field);
}

struct template_tree *template_tree_compile_typed(const struct node *node,
	const char *field, const struct scope *scope, struct arena *arena,
	struct diag *diag)
{
	return plant(&(struct planter){ template_compile_typed, scope, arena, diag }, node,
		field);
}

/* The tree's value; *left_out: it is exactly {path?} and has none. */
static const struct value *render(const struct template_tree *tree,
	const struct values *values, struct arena *arena, bool *left_out,
	struct errbuf *errbuf);

static const struct value *render_map(const struct template_tree *tree,
	const struct values *values, struct arena *arena, struct errbuf *errbuf)
{
	struct value *out = arena_alloc(arena, sizeof(*out));
	struct member *members = arena_alloc(
		arena, (tree->count ? tree->count : 1) * sizeof(*members));
	size_t count = 0;

	for (size_t i = 0; i < tree->count; i++) {
		bool left_out;
		const struct value *v = render(
			tree->members[i].tree, values, arena, &left_out, errbuf);

		if (!v)
			return NULL;
		if (!left_out)
			members[count++] = (struct member){ tree->members[i].name, *v };
	}
	*out = (struct value){ .type = VALUE_OBJECT, .object = { members, count } };
	return out;
}

static const struct value *render_list(const struct template_tree *tree,
	const struct values *values, struct arena *arena, struct errbuf *errbuf)
{
	struct value *out = arena_alloc(arena, sizeof(*out));
	struct value *items = arena_alloc(
		arena, (tree->count ? tree->count : 1) * sizeof(*items));

	for (size_t i = 0; i < tree->count; i++) {
		bool left_out;
		const struct value *v = render(
			tree->items[i], values, arena, &left_out, errbuf);

		if (!v)
			return NULL;
		items[i] = *v;
	}
	*out = (struct value){ .type = VALUE_ARRAY, .array = { items, tree->count } };
	return out;
}

static const struct value *render(const struct template_tree *tree,
	const struct values *values, struct arena *arena, bool *left_out,
	struct errbuf *errbuf)
{
	const struct value *v;
	bool absent;

	*left_out = false;
	if (tree->literal)
		return tree->literal;
	if (tree->kind == NODE_MAP)
		return render_map(tree, values, arena, errbuf);
	if (tree->kind == NODE_LIST)
		return render_list(tree, values, arena, errbuf);
	v = template_value(tree->scalar, values, arena, &absent, errbuf);
	*left_out = absent && template_is_optional(tree->scalar);
	return v;
}

const struct value *template_tree_value(const struct template_tree *tree,
	const struct values *values, struct arena *arena, struct errbuf *errbuf)
{
	bool left_out;

	return render(tree, values, arena, &left_out, errbuf);
}

void template_check_all(const struct node *node, const struct scope *scope,
	struct arena *arena, struct diag *diag)
{
	(void)template_tree_compile(node, "template", scope, arena, diag);
}
