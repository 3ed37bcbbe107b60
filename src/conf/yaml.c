/*
 * yaml.c - libfyaml's parser events to a plain tree of nodes with places.
 *
 * Collections under construction stand on a stack that is as deep as a file may be. An alias
 * shares the node that its anchor names (the tree is immutable), and each node knows its size
 * and height, so that a use is charged for all that it stands for. Refused: libfyaml's
 * documents, which have no places for block nodes and copy aliases without bound.
 */
#include "conf/yaml.h"

#include <libfyaml.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "conf/scalar.h"
#include "conf/yaml_block.h"
#include "conf/yaml_error.h"
#include "conf/yaml_map.h"
#include "conf/yaml_quoted.h"

struct built {
	struct node node;
	size_t size;     /* nodes in it, itself included, aliases as often as used */
	unsigned height; /* 0: a scalar */
};

struct anchor {
	struct text name;
	const struct node *node; /* NULL: not complete */
	struct anchor *next;     /* older */
};

/* A collection under construction. */
struct frame {
	struct built *built;
	struct anchor *anchor; /* NULL: none */
	bool flow;
	int column;      /* that it begins in, from 0: a block one's indentation */
	size_t capacity; /* of items or entries */
	bool has_key;    /* a map: the next node is this key's value */
	bool is_merge;   /* that key is a plain `<<` */
	struct node_entry entry;
	size_t key_end; /* offset behind the key in the source */
	const struct node *merge;
	struct place merge_place; /* of the `<<`; source NULL: none */
};

struct parser {
	const struct source *source;
	struct arena *arena;
	struct diag *diag;
	struct anchor *anchors;
	size_t nodes;
	struct place last; /* of the newest event that had one */
	const struct node *root;
	struct frame frames[YAML_MAX_DEPTH];
	unsigned depth;
};

static struct frame *top(struct parser *p)
{
	return p->depth ? &p->frames[p->depth - 1] : NULL;
}

static const struct built *built_of(const struct node *node)
{
	return container_of(node, const struct built, node);
}

static struct place place_at(const struct parser *p, size_t start, size_t end)
{
	return (struct place){ .source = p->source,
		.offset = (uint32_t)start,
		.length = (uint32_t)(end > start ? end - start : 0) };
}

/* The event's own place; without one (a value that is not written) that of what stands
 * before it. */
static struct place event_place(struct parser *p, struct fy_event *event)
{
	const struct fy_mark *start = fy_event_start_mark(event);
	const struct fy_mark *end = fy_event_end_mark(event);

	if (start && end)
		p->last = place_at(p, start->input_pos, end->input_pos);
	return p->last;
}

static struct text token_text(struct parser *p, struct fy_token *token)
{
	size_t len = 0;
	const char *at = token ? fy_token_get_text(token, &len) : NULL;

	return arena_text(p->arena, (struct text){ at ? at : "", at ? len : 0 });
}

/* A block scalar's marks stand around its lines, behind its header. */
must_check static bool block_text(
	struct parser *p, struct text raw, struct place before, struct text *text)
{
	const char *source = p->source->text.at;
	size_t start = (size_t)(raw.at - source), head = before.offset + before.length;
	struct place place;

	if (head > start)
		head = start;
	if (yaml_block((struct text){ source + head, start - head }, raw,
		    p->depth ? top(p)->column : -1, p->arena, text))
		return true;
	raw = text_trim(raw);
	start = (size_t)(raw.at - source);
	place = place_at(p, start, start + raw.len);
	diag_error(p->diag, place, "the block of text before this line has no lines");
	diag_hint(p->diag, "text without any lines is written as \"\"");
	return false;
}

/* A quoted scalar's marks stand inside its quotes. before: what was read before it. */
must_check static bool scalar_text(
	struct parser *p, struct fy_token *token, struct place before, struct text *text)
{
	enum fy_scalar_style style = token ? fy_scalar_token_get_style(token) : FYSS_PLAIN;
	size_t start, end;
	struct text raw;

	if (!token || style == FYSS_PLAIN) {
		*text = token_text(p, token);
		return true;
	}
	start = fy_token_start_mark(token)->input_pos;
	end = fy_token_end_mark(token)->input_pos;
	raw = (struct text){ p->source->text.at + start, end - start };
	if (style == FYSS_LITERAL || style == FYSS_FOLDED)
		return block_text(p, raw, before, text);
	*text = yaml_quoted(raw, style == FYSS_DOUBLE_QUOTED, p->arena);
	return true;
}

/* ---- limits --------------------------------------------------------------------------- */

must_check static bool charge(struct parser *p, size_t nodes, struct place place)
{
	p->nodes += nodes;
	if (p->nodes <= YAML_MAX_NODES)
		return true;
	diag_error(p->diag, place,
		"more than %d nodes in one file, aliases counted as used", YAML_MAX_NODES);
	return false;
}

must_check static bool check_depth(struct parser *p, unsigned height, struct place place)
{
	if (p->depth + height <= YAML_MAX_DEPTH)
		return true;
	diag_error(p->diag, place, "nested more than %d deep", YAML_MAX_DEPTH);
	return false;
}

/* ---- nodes into their collection ------------------------------------------------------ */

static void *grow(
	struct parser *p, void *items, size_t count, size_t *capacity, size_t size)
{
	size_t old = *capacity;

	if (count < old)
		return items;
	*capacity = old ? old * 2 : 8;
	return arena_grow(p->arena, items, old * size, *capacity * size);
}

/* Whether a flow mapping's key stands without a colon: `{name}`. */
static bool colon_is_missing(const struct parser *p, size_t at)
{
	struct text t = p->source->text;
	bool comment = false;

	for (; at < t.len; at++) {
		char c = t.at[at];

		if (c == '\n')
			comment = false;
		else if (c == '#')
			comment = true;
		else if (!comment && !strchr("\"' \t\r", c))
			return c != ':';
	}
	return true;
}

/* The colon that stands behind the newest event. */
static struct place next_colon(const struct parser *p)
{
	struct text t = p->source->text;
	size_t from = p->last.offset + p->last.length;
	const char *colon = from < t.len ? memchr(t.at + from, ':', t.len - from) : NULL;

	return colon ? place_at(p, (size_t)(colon - t.at), (size_t)(colon - t.at) + 1)
		     : p->last;
}

must_check static bool take_key(struct parser *p, struct frame *frame,
	const struct node *node, bool plain, bool is_missing)
{
	if (node->kind == NODE_LIST || node->kind == NODE_MAP) {
		diag_error(p->diag, node->place, "%s cannot be a key",
			node_kind_name(node->kind));
		return false;
	}
	if (is_missing) {
		diag_error(p->diag, next_colon(p), "a value without a key");
		return false;
	}
	frame->entry = (struct node_entry){ .key = node->text, .key_place = node->place };
	frame->has_key = true;
	frame->is_merge = plain && text_is(node->text, "<<");
	frame->key_end = p->last.offset + p->last.length;
	return true;
}

static void take_value(
	struct parser *p, struct frame *frame, const struct node *node, bool is_missing)
{
	struct node *map = &frame->built->node;

	frame->has_key = false;
	if (frame->is_merge && frame->merge_place.source) {
		diag_error(p->diag, frame->entry.key_place, "the key '<<' stands twice");
		diag_note(p->diag, frame->merge_place, "first here");
	} else if (frame->is_merge) {
		frame->merge = node;
		frame->merge_place = frame->entry.key_place;
	} else {
		map->entries = grow(p, map->entries, map->count, &frame->capacity,
			sizeof(*map->entries));
		frame->entry.value = node;
		frame->entry.value_missing = is_missing && frame->flow &&
					     colon_is_missing(p, frame->key_end);
		map->entries[map->count++] = frame->entry;
	}
}

/* Puts a complete node where it belongs; is_missing: nothing is written there. */
must_check static bool add(
	struct parser *p, const struct node *node, bool plain, bool is_missing)
{
	struct frame *frame = top(p);
	struct node *list;

	if (!frame) {
		p->root = node;
		return true;
	}
	if (frame->built->node.kind == NODE_MAP && !frame->has_key)
		return take_key(p, frame, node, plain, is_missing);
	frame->built->size += built_of(node)->size;
	if (frame->built->height <= built_of(node)->height)
		frame->built->height = built_of(node)->height + 1;
	if (frame->built->node.kind == NODE_MAP) {
		take_value(p, frame, node, is_missing);
		return true;
	}
	list = &frame->built->node;
	list->items = grow(
		p, list->items, list->count, &frame->capacity, sizeof(*list->items));
	list->items[list->count++] = node;
	return true;
}

/* ---- scalars -------------------------------------------------------------------------- */

/* A block scalar begins with its indentation and ends with a line's end: its place is the
 * text between. Exact where the text stands in the source byte for byte. */
static struct place scalar_place(struct parser *p, struct place place, struct text decoded)
{
	struct text raw = p->source->text;
	size_t start = place.offset, end = start + place.length;

	while (start < end && strchr(" \r\n", raw.at[start]))
		start++;
	while (end > start && strchr(" \r\n", raw.at[end - 1]))
		end--;
	if (start == end || decoded.len == 0 || strchr(" \r\n", decoded.at[0]))
		start = place.offset, end = start + place.length;
	place = place_at(p, start, end);
	if (decoded.len <= raw.len - start &&
		memcmp(raw.at + start, decoded.at, decoded.len) == 0) {
		place.exact = true;
		place.length = (uint32_t)decoded.len;
	}
	return place;
}

/* The kind by its tag: a core one, `!` (text), or none. */
must_check static bool tagged_kind(struct parser *p, struct fy_event *event,
	struct place place, enum node_kind plain_kind, enum node_kind *kind)
{
	static const struct {
		const char *tag;
		enum node_kind kind;
	} tags[] = {
		{ "!", NODE_STRING },
		{ "tag:yaml.org,2002:str", NODE_STRING },
		{ "tag:yaml.org,2002:int", NODE_NUMBER },
		{ "tag:yaml.org,2002:float", NODE_NUMBER },
		{ "tag:yaml.org,2002:bool", NODE_BOOLEAN },
		{ "tag:yaml.org,2002:null", NODE_NULL },
		{ "tag:yaml.org,2002:map", NODE_MAP },
		{ "tag:yaml.org,2002:seq", NODE_LIST },
	};
	struct fy_token *token = fy_event_get_tag_token(event);
	struct text tag;

	if (!token)
		return true;
	tag = token_text(p, token);
	for (size_t i = 0; i < array_len(tags); i++) {
		if (!text_is(tag, tags[i].tag))
			continue;
		if (tags[i].kind == *kind || tags[i].kind == plain_kind ||
			(tags[i].kind == NODE_STRING && plain_kind < NODE_LIST)) {
			*kind = tags[i].kind;
			return true;
		}
		diag_error(p->diag, place, "this is no value for its tag");
		return false;
	}
	diag_error(p->diag, place, "unknown tag '%.*s'", TEXT_ARG(tag));
	diag_hint(p->diag, "tags have no meaning here: write the value without it");
	return false;
}

must_check static bool scalar(struct parser *p, struct fy_event *event, struct built *built)
{
	struct fy_token *token = fy_event_get_token(event);
	bool plain = !token || fy_scalar_token_get_style(token) == FYSS_PLAIN;
	struct place before = p->last, place = event_place(p, event);
	enum node_kind plain_kind, kind;
	struct text t;

	if (!scalar_text(p, token, before, &t))
		return false;
	plain_kind = scalar_kind(t);
	kind = plain ? plain_kind : NODE_STRING;
	if (token)
		place = scalar_place(p, place, t);
	else
		place.exact = false;
	if (!tagged_kind(p, event, place, plain_kind, &kind))
		return false;
	if (plain && kind == NODE_STRING && !fy_event_get_tag_token(event) &&
		scalar_looks_numeric(t)) {
		/* Not repeated: it may be a password. */
		diag_warning(p->diag, place, "this is taken as text, not as a number");
		diag_hint(p->diag, "put text in quotes, write numbers as in JSON");
	}
	built->node = (struct node){ .kind = kind, .place = place, .text = t };
	built->node.boolean = kind == NODE_BOOLEAN && (t.at[0] == 't' || t.at[0] == 'T');
	built->size = 1;
	return true;
}

/* ---- anchors -------------------------------------------------------------------------- */

static struct anchor *new_anchor(struct parser *p, struct fy_event *event)
{
	struct fy_token *token = fy_event_get_anchor_token(event);
	struct anchor *anchor;

	if (!token)
		return NULL;
	anchor = arena_zalloc(p->arena, 1, sizeof(*anchor));
	anchor->name = token_text(p, token);
	anchor->next = p->anchors;
	p->anchors = anchor;
	return anchor;
}

must_check static bool alias(struct parser *p, struct fy_event *event)
{
	struct text name = token_text(p, fy_event_get_token(event));
	struct place place = event_place(p, event);
	struct suggest suggest;

	suggest_init(&suggest, name);
	for (const struct anchor *a = p->anchors; a; a = a->next) {
		suggest_offer(&suggest, a->name);
		if (!text_equal(a->name, name))
			continue;
		if (!a->node) {
			diag_error(p->diag, place,
				"the alias '%.*s' stands inside what it names",
				TEXT_ARG(name));
			return false;
		}
		return charge(p, built_of(a->node)->size, place) &&
		       check_depth(p, built_of(a->node)->height, place) &&
		       add(p, a->node, false, false);
	}
	diag_error(p->diag, place, "no anchor '&%.*s' before this alias", TEXT_ARG(name));
	diag_suggest(p->diag, &suggest);
	return false;
}

/* ---- events --------------------------------------------------------------------------- */

must_check static bool begin(struct parser *p, struct fy_event *event, enum node_kind kind)
{
	const struct fy_mark *mark = fy_event_start_mark(event);
	struct place place = event_place(p, event);
	enum node_kind tagged = kind;
	struct frame *frame = top(p);

	if (frame && frame->built->node.kind == NODE_MAP && !frame->has_key) {
		diag_error(p->diag, place, "%s cannot be a key", node_kind_name(kind));
		if (fy_event_get_node_style(event) == FYNS_FLOW && kind == NODE_MAP)
			diag_hint(p->diag,
				"text with braces is written in quotes: \"{name}\"");
		return false;
	}
	if (!charge(p, 1, place) || !check_depth(p, 1, place) ||
		!tagged_kind(p, event, place, kind, &tagged))
		return false;
	frame = &p->frames[p->depth++];
	*frame = (struct frame){ .flow = fy_event_get_node_style(event) == FYNS_FLOW };
	frame->column = mark ? mark->column : 0;
	frame->built = arena_zalloc(p->arena, 1, sizeof(*frame->built));
	frame->built->node = (struct node){ .kind = kind, .place = place };
	frame->built->size = 1;
	frame->built->height = 1;
	frame->anchor = new_anchor(p, event);
	return true;
}

must_check static bool end(struct parser *p, struct fy_event *event)
{
	struct frame *frame = top(p);
	struct built *built = frame->built;
	size_t end_at = event_place(p, event).offset;

	/* A flow collection is the text between its brackets, a block one its first line. */
	if (frame->flow && end_at >= built->node.place.offset)
		built->node.place.length = (uint32_t)(end_at + 1 -
						      built->node.place.offset);
	/* What `<<` brings was charged where it was written or named. */
	if (built->node.kind == NODE_MAP)
		yaml_map_finish(
			&built->node, frame->merge, frame->merge_place, p->arena, p->diag);
	if (frame->anchor)
		frame->anchor->node = &built->node;
	p->depth--;
	return add(p, &built->node, false, false);
}

must_check static bool on_scalar(struct parser *p, struct fy_event *event)
{
	struct built *built = arena_zalloc(p->arena, 1, sizeof(*built));
	struct fy_token *token = fy_event_get_token(event);
	bool plain = !token || fy_scalar_token_get_style(token) == FYSS_PLAIN;
	struct anchor *anchor;

	if (!scalar(p, event, built) || !charge(p, 1, built->node.place))
		return false;
	anchor = new_anchor(p, event);
	if (anchor)
		anchor->node = &built->node;
	return add(p, &built->node, plain, !token);
}

must_check static bool on_event(struct parser *p, struct fy_event *event)
{
	switch (event->type) {
	case FYET_DOCUMENT_START:
		if (!p->root)
			return true;
		diag_error(p->diag, event_place(p, event), "a second document in one file");
		diag_hint(p->diag, "one file holds one document: this one ends before it");
		return false;
	case FYET_SCALAR:
		return on_scalar(p, event);
	case FYET_ALIAS:
		return alias(p, event);
	case FYET_MAPPING_START:
		return begin(p, event, NODE_MAP);
	case FYET_SEQUENCE_START:
		return begin(p, event, NODE_LIST);
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		return end(p, event);
	default:
		return true;
	}
}

/* ---- the whole file ------------------------------------------------------------------- */

must_check static bool run(
	struct parser *p, struct fy_parser *fy, struct fy_diag *complaints)
{
	struct fy_event *event;
	bool ok = true;

	while (ok && (event = fy_parser_parse(fy))) {
		ok = on_event(p, event);
		fy_parser_event_free(fy, event);
	}
	if (ok && fy_parser_get_stream_error(fy)) {
		struct place open = { 0 };

		if (top(p) && top(p)->flow)
			open = top(p)->built->node.place;
		yaml_syntax_error(complaints, p->last, open, p->diag);
		ok = false;
	}
	return ok;
}

static struct fy_diag *silent_diag(void)
{
	struct fy_diag_cfg config;
	struct fy_diag *diag;

	fy_diag_cfg_default(&config);
	config.fp = NULL;
	config.level = FYET_ERROR;
	diag = fy_diag_create(&config);
	if (!diag)
		mem_exhausted();
	fy_diag_set_collect_errors(diag, true);
	return diag;
}

const struct node *yaml_parse(
	const struct source *source, struct arena *arena, struct diag *diag)
{
	struct parser *p = mem_zalloc(1, sizeof(*p));
	struct built *empty = arena_zalloc(arena, 1, sizeof(*empty));
	const struct node *root = NULL;

	p->source = source;
	p->arena = arena;
	p->diag = diag;
	p->last = place_at(p, 0, 0);
	empty->node = (struct node){ .kind = NODE_NULL, .place = p->last };
	if (yaml_check_bytes(source, diag)) {
		struct fy_diag *complaints = silent_diag();
		struct fy_parse_cfg config = { .diag = complaints,
			.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG |
				 FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE |
				 FYPCF_DISABLE_DEPTH_LIMIT };
		struct fy_parser *fy = fy_parser_create(&config);

		if (!fy || fy_parser_set_string(fy, source->text.len ? source->text.at : "",
				   source->text.len))
			mem_exhausted();
		if (run(p, fy, complaints))
			root = p->root ? p->root : &empty->node;
		fy_parser_destroy(fy);
		fy_diag_destroy(complaints);
	}
	free(p);
	return root;
}

struct source *yaml_read(
	const char *path, const char *name, struct arena *arena, struct diag *diag)
{
	struct source *source = arena_zalloc(arena, 1, sizeof(*source));
	struct errbuf reason = { "" };

	source->name = arena_text(arena, text_of(name)).at;
	if (file_read(arena, path, YAML_MAX_BYTES, &source->text, &reason))
		return source;
	diag_error(diag, (struct place){ 0 }, "%s", reason.text);
	return NULL;
}
