/*
 * wildcard.c - reading one wildcard.
 *
 * What is no well-formed wildcard is text, so that JSON in a value survives; what is one
 * and cannot be meant is a mistake that the caller reports. Refused: blanks inside the
 * braces, which would turn more of the world's texts into wildcards.
 */
#include "value/wildcard.h"

#include "value/decimal.h"
#include "value/json.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t skip_blanks(struct text t, size_t i)
{
	while (i < t.len && is_blank(t.at[i]))
		i++;
	return i;
}

/* What bare text means: TRUE, FALSE, NULL, a number, or itself. */
static const struct value *bare_value(
	struct arena *arena, struct text t, struct wildcard *out)
{
	size_t digits = 0;

	if (text_is_nocase(t, "TRUE") || text_is_nocase(t, "FALSE"))
		return value_boolean(arena, text_is_nocase(t, "TRUE"));
	if (text_is_nocase(t, "NULL"))
		return &value_null;
	if (!decimal_valid(t))
		return value_string(arena, t);
	for (size_t i = 0; i < t.len; i++)
		digits += t.at[i] >= '0' && t.at[i] <= '9';
	if (digits > JSON_MAX_DIGITS)
		out->mistake = "the default has more than 1,000 digits";
	return value_number(arena, t);
}

/* Reads a bare default and its brace from i on; 0: not well-formed. */
static size_t read_bare(struct arena *arena, struct text t, size_t i, struct wildcard *out)
{
	size_t end = i;

	while (end < t.len && t.at[end] != '}' && t.at[end] != '{')
		end++;
	if (end == t.len || t.at[end] != '}')
		return 0;
	out->fallback = bare_value(
		arena, text_trim((struct text){ t.at + i, end - i }), out);
	return end + 1;
}

/* Reads a quoted default, whose quote stands at i, and the brace; 0: not well-formed. */
static size_t read_quoted(
	struct arena *arena, struct text t, size_t i, struct wildcard *out)
{
	char quote = t.at[i], *bytes = arena_alloc(arena, t.len - i);
	const char *brace = memchr(t.at + i, '}', t.len - i);
	size_t len = 0, at = i + 1;

	for (; at < t.len; at++) {
		if (t.at[at] == quote) {
			if (at + 1 == t.len || t.at[at + 1] != quote)
				break;
			at++;
		}
		bytes[len++] = t.at[at];
	}
	out->fallback = value_string(arena, (struct text){ bytes, len });
	if (at < t.len) {
		at = skip_blanks(t, at + 1);
		if (at < t.len && t.at[at] == '}')
			return at + 1;
	}
	if (!brace)
		return 0;
	out->mistake = "a quoted default ends with its quote, right before the brace";
	return (size_t)(brace - t.at) + 1;
}

bool wildcard_read(struct arena *arena, struct text t, struct wildcard *out)
{
	size_t i, start;

	*out = (struct wildcard){ 0 };
	if (t.len < 3)
		return false;
	out->path_len = path_read(arena, (struct text){ t.at + 1, t.len - 1 }, &out->path);
	i = 1 + out->path_len;
	if (out->path_len == 0 || i == t.len)
		return false;
	if (t.at[i] == '?') {
		out->optional = true;
		i++;
	}
	if (i < t.len && t.at[i] == '}') {
		out->len = i + 1;
		return true;
	}
	if (i == t.len || t.at[i] != '|')
		return false;
	start = skip_blanks(t, i + 1);
	if (start < t.len && (t.at[start] == '"' || t.at[start] == '\''))
		out->len = read_quoted(arena, t, start, out);
	else
		out->len = read_bare(arena, t, i + 1, out);
	if (out->optional)
		out->mistake = "? and a default cannot stand together";
	return out->len > 0;
}

bool wildcard_is_in(struct text text, struct arena *arena)
{
	struct wildcard wildcard;
	size_t slashes = 0;

	for (size_t i = 0; i < text.len; i++) {
		struct text rest = { text.at + i, text.len - i };

		if (text.at[i] == '{' && slashes % 2 == 0 &&
			wildcard_read(arena, rest, &wildcard))
			return true;
		slashes = text.at[i] == '\\' ? slashes + 1 : 0;
	}
	return false;
}
