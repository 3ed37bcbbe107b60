/*
 * path.c - dotted paths: `address.city`, `subscription.0.price`, a back-quoted odd name.
 *
 * Reading takes as much as is well-formed and stops there; what stands behind is the
 * caller's to judge, because a condition and a wildcard end a path differently. Refused: a
 * path as one string that is split at run time, since names may hold dots.
 */
#include "value/path.h"

#include <stdint.h>

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name_char(char c)
{
	return is_name_start(c) || is_digit(c) || c == '-';
}

static size_t index_of(struct text digits)
{
	size_t index = 0;

	for (size_t i = 0; i < digits.len; i++) {
		size_t digit = (size_t)(digits.at[i] - '0');

		if (index > (SIZE_MAX - 1 - digit) / 10)
			return SIZE_MAX;
		index = index * 10 + digit;
	}
	return index;
}

/* The name between back-quotes with its doubled ones made single. */
static struct text unquote(struct arena *arena, struct text inner, size_t doubled)
{
	char *out;
	size_t len = 0;

	if (doubled == 0)
		return inner;
	out = arena_alloc(arena, inner.len);
	for (size_t i = 0; i < inner.len; i++) {
		out[len++] = inner.at[i];
		if (inner.at[i] == '`')
			i++;
	}
	return (struct text){ out, len };
}

/* Reads `...` at the start of t; 0 when it is not closed. */
static size_t read_quoted(struct arena *arena, struct text t, struct path_part *part)
{
	size_t doubled = 0;

	for (size_t i = 1; i < t.len; i++) {
		if (t.at[i] != '`')
			continue;
		if (i + 1 < t.len && t.at[i + 1] == '`') {
			doubled++;
			i++;
			continue;
		}
		part->name = unquote(arena, (struct text){ t.at + 1, i - 1 }, doubled);
		part->quoted = true;
		return i + 1;
	}
	return 0;
}

static size_t read_digits(struct text t, struct path_part *part)
{
	size_t len = 0;

	while (len < t.len && is_digit(t.at[len]))
		len++;
	if (len < t.len && is_name_char(t.at[len]))
		return 0;
	part->name = (struct text){ t.at, len };
	part->digits = true;
	part->index = index_of(part->name);
	return len;
}

static size_t read_part(
	struct arena *arena, struct text t, bool first, struct path_part *part)
{
	size_t len = 0;

	*part = (struct path_part){ 0 };
	if (t.len == 0)
		return 0;
	if (t.at[0] == '`')
		return read_quoted(arena, t, part);
	if (is_digit(t.at[0]))
		return first ? 0 : read_digits(t, part);
	if (first && t.at[0] == '$')
		len = 1;
	if (len == t.len || !is_name_start(t.at[len]))
		return 0;
	while (len < t.len && is_name_char(t.at[len]))
		len++;
	part->name = (struct text){ t.at, len };
	return len;
}

size_t path_read(struct arena *arena, struct text text, struct path *out)
{
	struct path_part *parts = NULL, part;
	size_t count = 0, capacity = 0, used = 0;

	for (;;) {
		size_t start = count ? used + 1 : 0;
		size_t len;

		if (count && (used == text.len || text.at[used] != '.'))
			break;
		len = read_part(arena, (struct text){ text.at + start, text.len - start },
			count == 0, &part);
		if (len == 0)
			break;
		if (count == capacity) {
			size_t size = capacity * sizeof(part);

			capacity = capacity ? capacity * 2 : 4;
			parts = size ? arena_grow(arena, parts, size, size * 2)
				     : arena_alloc(arena, capacity * sizeof(part));
		}
		parts[count++] = part;
		used = start + len;
	}
	*out = (struct path){ parts, count };
	return used;
}

static bool is_plain(const struct path_part *part, bool first)
{
	const char *at = part->name.at;
	size_t i = 0;

	if (part->quoted || part->name.len == 0)
		return false;
	if (part->digits)
		return !first;
	if (first && at[0] == '$')
		i = 1;
	if (i == part->name.len || !is_name_start(at[i]))
		return false;
	while (i < part->name.len && is_name_char(at[i]))
		i++;
	return i == part->name.len;
}

void path_write(struct strbuf *out, struct path path)
{
	for (size_t i = 0; i < path.count; i++) {
		const struct path_part *part = &path.parts[i];

		if (i > 0)
			strbuf_char(out, '.');
		if (is_plain(part, i == 0)) {
			strbuf_text(out, part->name);
			continue;
		}
		strbuf_char(out, '`');
		for (size_t k = 0; k < part->name.len; k++) {
			if (part->name.at[k] == '`')
				strbuf_char(out, '`');
			strbuf_char(out, part->name.at[k]);
		}
		strbuf_char(out, '`');
	}
}
