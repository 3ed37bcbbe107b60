/*
 * substitute.c - references to the environment and to files, replaced in a tree of nodes.
 *
 * Works on decoded scalars after parsing, so a secret can hold any character without breaking
 * YAML. A value is never expanded again. Refused: replacing in the file's text before it is
 * parsed, where a password with a colon would become a mapping.
 */
#include "conf/substitute.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/file.h"
#include "base/strbuf.h"

enum { MAX_TEXT = 1024 * 1024 };

struct work {
	const char *folder;
	enum substitute_missing missing;
	struct arena *arena;
	struct diag *diag;
};

static const struct node *missing(const struct work *w, const struct node *node)
{
	struct node *null;

	if (w->missing == SUBSTITUTE_KEEP)
		return node;
	null = arena_zalloc(w->arena, 1, sizeof(*null));
	null->kind = NODE_NULL;
	null->place = node->place;
	return null;
}

static bool is_name(struct text t)
{
	for (size_t i = 0; i < t.len; i++) {
		char c = t.at[i];

		if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' &&
			(c < '0' || c > '9' || i == 0))
			return false;
	}
	return t.len > 0;
}

size_t substitute_reference(struct text t)
{
	const char *end;

	if (t.len < 3 || t.at[0] != '$' || t.at[1] != '{')
		return 0;
	end = memchr(t.at, '}', t.len);
	return end ? (size_t)(end - t.at) + 1 : 0;
}

must_check static bool from_environment(
	struct work *w, struct text name, struct place place, struct strbuf *out)
{
	const char *value = getenv(arena_text(w->arena, name).at);

	if (value) {
		strbuf_string(out, value);
		return true;
	}
	diag_error(w->diag, place, "no environment variable '%.*s'", TEXT_ARG(name));
	return false;
}

must_check static bool from_file(
	struct work *w, struct text path, struct place place, struct strbuf *out)
{
	struct errbuf reason = { "" };
	struct text content;
	bool is_private = false;
	const char *full = path.len && path.at[0] == '/'
				   ? arena_text(w->arena, path).at
				   : arena_printf(w->arena, "%s/%.*s", w->folder,
					     TEXT_ARG(path));

	if (!file_read(w->arena, full, MAX_TEXT, &content, &reason) ||
		!file_is_private(full, &is_private, &reason)) {
		diag_error(w->diag, place, "%s", reason.text);
		return false;
	}
	if (!is_private) {
		diag_error(w->diag, place, "others than its owner can read %.*s",
			TEXT_ARG(path));
		diag_hint(
			w->diag, "chmod 600 %.*s (or 0640, owned by root)", TEXT_ARG(path));
		return false;
	}
	if (content.len && content.at[content.len - 1] == '\n')
		content.len--;
	if (content.len && content.at[content.len - 1] == '\r')
		content.len--;
	strbuf_text(out, content);
	return true;
}

/* Replaces the reference that stands at `at` of the text, len bytes long. */
must_check static bool replace(
	struct work *w, const struct node *node, size_t at, size_t len, struct strbuf *out)
{
	struct place place = place_within(node->place, at, len ? len : 2);
	struct text inner = { node->text.at + at + 2, len ? len - 3 : 0 };

	if (inner.len > 5 && memcmp(inner.at, "file:", 5) == 0) {
		inner.at += 5;
		inner.len -= 5;
		return from_file(w, inner, place, out);
	}
	if (is_name(inner))
		return from_environment(w, inner, place, out);
	diag_error(w->diag, place, "'${' begins no reference");
	diag_hint(
		w->diag, "write ${NAME} or ${file:path}; a literal '${' is written '$${'");
	return false;
}

static const struct node *scalar(struct work *w, const struct node *node)
{
	struct text t = node->text;
	struct strbuf out;
	struct node *copy;

	if (node->kind != NODE_STRING || !memmem(t.at, t.len, "${", 2))
		return node;
	strbuf_init_arena(&out, w->arena, MAX_TEXT);
	for (size_t at = 0; at < t.len;) {
		struct text rest = { t.at + at, t.len - at };
		size_t len = substitute_reference(rest);

		if (rest.len >= 3 && memcmp(rest.at, "$${", 3) == 0) {
			strbuf_string(&out, "${");
			at += 3;
		} else if (rest.len >= 2 && memcmp(rest.at, "${", 2) == 0) {
			if (!replace(w, node, at, len, &out))
				return missing(w, node);
			at += len;
		} else {
			strbuf_char(&out, t.at[at++]);
		}
	}
	if (out.failed) {
		diag_error(w->diag, node->place, "longer than %d bytes", MAX_TEXT);
		return missing(w, node);
	}
	copy = arena_alloc(w->arena, sizeof(*copy));
	*copy = *node;
	copy->text = arena_text(w->arena, strbuf_get(&out));
	copy->place.exact = false;
	return copy;
}

static const struct node *tree(struct work *w, const struct node *node)
{
	struct node *copy;

	if (node->kind != NODE_LIST && node->kind != NODE_MAP)
		return scalar(w, node);
	copy = arena_alloc(w->arena, sizeof(*copy));
	*copy = *node;
	if (node->kind == NODE_LIST) {
		copy->items = arena_zalloc(w->arena, node->count + 1, sizeof(*copy->items));
		for (size_t i = 0; i < node->count; i++)
			copy->items[i] = tree(w, node->items[i]);
		return copy;
	}
	copy->entries = arena_zalloc(w->arena, node->count + 1, sizeof(*copy->entries));
	for (size_t i = 0; i < node->count; i++) {
		struct text key = node->entries[i].key;

		copy->entries[i] = node->entries[i];
		if (key.len < 2 || memcmp(key.at, "x-", 2) != 0)
			copy->entries[i].value = tree(w, node->entries[i].value);
	}
	return copy;
}

const struct node *substitute(const struct node *node, const char *folder,
	enum substitute_missing missing_as, struct arena *arena, struct diag *diag)
{
	struct work w = { folder, missing_as, arena, diag };

	return tree(&w, node);
}
