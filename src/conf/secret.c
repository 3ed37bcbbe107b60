/*
 * secret.c - literal secrets in files.
 *
 * A secret counts as literal when anything is left of it without its references. Once found
 * it is overwritten in the file's text that messages quote (the tree has its own copies), so
 * no message can show it. Refused: leaving the line out of messages about secrets, since any
 * message about that line would have to know.
 */
#include "conf/secret.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "conf/substitute.h"

#define REFERENCE '\001' /* stands for each byte of a reference */

/* A copy in which references are marked, for free(). */
static char *marked(struct text t)
{
	char *copy = mem_copy(t.len ? t.at : "", t.len);

	for (size_t at = 0; at < t.len;) {
		struct text rest = { t.at + at, t.len - at };
		size_t len = substitute_reference(rest);

		if (rest.len > 3 && memcmp(rest.at, "$${", 3) == 0) {
			at += 3;
		} else if (len) {
			memset(copy + at, REFERENCE, len);
			at += len;
		} else {
			at++;
		}
	}
	return copy;
}

static bool has_literal(const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (at[i] != REFERENCE)
			return true;
	}
	return false;
}

/* The source is an arena's copy of the file, made to be quoted: ours to write. */
static void blank(struct place place)
{
	char *text;

	if (!place.source)
		return;
	text = (char *)place.source->text.at + place.offset;
	for (uint32_t i = 0; i < place.length; i++) {
		if (text[i] != '\n' && text[i] != '\r')
			text[i] = '*';
	}
}

bool secret_literal(const struct node *scalar)
{
	char *copy;
	bool found;

	if (node_is_null(scalar) || scalar->kind == NODE_LIST || scalar->kind == NODE_MAP)
		return false;
	copy = marked(scalar->text);
	found = has_literal(copy, scalar->text.len);
	free(copy);
	if (found)
		blank(scalar->place);
	return found;
}

/* The password of scheme://user:password@..., or at NULL. */
static struct text userinfo_password(struct text t)
{
	const char *start = memmem(t.at, t.len, "://", 3), *at, *colon;
	size_t len;

	if (!start)
		return (struct text){ NULL, 0 };
	start += 3;
	len = (size_t)(t.at + t.len - start);
	for (size_t i = 0; i < len; i++) {
		if (strchr("/?#", start[i]) && start[i])
			len = i;
	}
	at = memrchr(start, '@', len);
	colon = at ? memchr(start, ':', (size_t)(at - start)) : NULL;
	if (!colon)
		return (struct text){ NULL, 0 };
	return (struct text){ colon + 1, (size_t)(at - colon - 1) };
}

/* The value of the next password=... at or after *from, which moves behind it. */
static struct text parameter_password(struct text t, size_t *from)
{
	const char *found = memmem(t.at + *from, t.len - *from, "password", 8);
	size_t at, start;
	char end;

	if (!found)
		return (struct text){ NULL, 0 };
	at = (size_t)(found - t.at) + 8;
	while (at < t.len && t.at[at] == ' ')
		at++;
	*from = at;
	if (at == t.len || t.at[at] != '=')
		return (struct text){ t.at + at, 0 };
	for (at++; at < t.len && t.at[at] == ' ';)
		at++;
	end = at < t.len && t.at[at] == '\'' ? '\'' : ' ';
	start = at += end == '\'';
	while (at < t.len && t.at[at] != end && (end == '\'' || t.at[at] != '&'))
		at += t.at[at] == '\\' && at + 1 < t.len ? 2 : 1;
	*from = at < t.len ? at : t.len;
	return (struct text){ t.at + start, *from - start };
}

static bool check_part(const struct node *scalar, const char *copy, struct text part)
{
	if (!part.at || !has_literal(part.at, part.len))
		return false;
	blank(place_within(scalar->place, (size_t)(part.at - copy), part.len));
	return true;
}

bool secret_literal_in_url(const struct node *scalar)
{
	struct text t, part;
	size_t from = 0;
	char *copy;
	bool found;

	if (node_is_null(scalar) || scalar->kind != NODE_STRING)
		return false;
	copy = marked(scalar->text);
	t = (struct text){ copy, scalar->text.len };
	found = check_part(scalar, copy, userinfo_password(t));
	while ((part = parameter_password(t, &from)).at)
		found = check_part(scalar, copy, part) || found;
	free(copy);
	return found;
}

/* ---- a file that is no YAML ----------------------------------------------------------- */

/* Where a secret begins on the line, or NULL. */
static const char *secret_on_line(struct text line)
{
	static const char *const marks[] = { "://", "assword", "ecret", "oken", "bearer",
		"Key:", "key:" };
	const char *first = NULL;

	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
		const char *at = memmem(line.at, line.len, marks[i], strlen(marks[i]));

		if (at && (!first || at < first))
			first = at + strlen(marks[i]);
	}
	return first;
}

void secret_blank_lines(const struct source *source)
{
	struct text t = source->text;

	for (size_t at = 0; at < t.len;) {
		const char *newline = memchr(t.at + at, '\n', t.len - at);
		size_t end = newline ? (size_t)(newline - t.at) : t.len;
		const char *from = secret_on_line((struct text){ t.at + at, end - at });

		if (from)
			blank((struct place){ .source = source,
				.offset = (uint32_t)(from - t.at),
				.length = (uint32_t)(end - (size_t)(from - t.at)) });
		at = end + 1;
	}
}

void secret_check_file(const char *path, const char *name, struct place place,
	bool only_warn, struct diag *diag)
{
	struct errbuf reason = { "" };
	bool is_private = false;

	if (!file_is_private(path, &is_private, &reason)) {
		diag_error(diag, place, "%s", reason.text);
	} else if (!is_private && only_warn) {
		diag_warning(diag, place, "others than its owner can read %s", name);
		diag_hint(diag, "chmod 600 %s", name);
	} else if (!is_private) {
		diag_error(diag, place,
			"a secret in a file that others than its owner can read");
		diag_hint(diag,
			"chmod 600 %s (or 0640, owned by root), or write the secret as "
			"${NAME} or ${file:path}",
			name);
	}
}

bool secret_check_key(const char *path, struct place place, struct diag *diag)
{
	struct errbuf reason = { "" };
	bool is_private = false;

	if (!file_is_private(path, &is_private, &reason)) {
		diag_error(diag, place, "%s", reason.text);
	} else if (!is_private) {
		diag_error(diag, place, "others than its owner can read the key %s", path);
		diag_hint(diag, "chmod 600 %s (or 0640, owned by root)", path);
	}
	return is_private;
}
