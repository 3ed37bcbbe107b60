/*
 * yaml_quoted.c - quoted scalars decoded from the source's own bytes.
 *
 * libfyaml 0.7.12 has scanned and checked the scalar, but its own decoder drops or repeats
 * bytes where two doubled quotes, an escaped blank before a line's end, or a CRLF behind
 * blanks stand, and leaks memory on the way. Escapes are therefore known to be good here.
 * Refused: decoding plain scalars too, which it does right.
 */
#include "conf/yaml_quoted.h"

#include <assert.h>
#include <stdint.h>

struct decoder {
	struct text raw;
	size_t at; /* in raw */
	bool is_double;
	char *out;
	size_t len;  /* of out */
	size_t kept; /* of out: content, not blanks that a line's end would trim */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Bytes of the line break that stands next: 0, 1, or 2 for CRLF. */
static size_t break_length(const struct decoder *d)
{
	size_t left = d->raw.len - d->at;
	const char *at = d->raw.at + d->at;

	if (left == 0 || (*at != '\n' && *at != '\r'))
		return 0;
	return *at == '\r' && left > 1 && at[1] == '\n' ? 2 : 1;
}

static void put(struct decoder *d, char c)
{
	d->out[d->len++] = c;
	d->kept = d->len;
}

/* At a line's end: skips it, empty lines and the next line's blanks. A first break that is
 * not escaped stands for a blank unless empty lines follow, each of which is a newline. */
static void fold(struct decoder *d, bool is_escaped)
{
	size_t breaks = 0, step;

	while ((step = break_length(d))) {
		d->at += step;
		breaks++;
		while (d->at < d->raw.len && is_blank(d->raw.at[d->at]))
			d->at++;
	}
	if (breaks == 1 && !is_escaped)
		put(d, ' ');
	for (; breaks > 1; breaks--)
		put(d, '\n');
}

static void put_code_point(struct decoder *d, uint32_t c)
{
	if (c < 0x80) {
		put(d, (char)c);
		return;
	}
	if (c < 0x800) {
		put(d, (char)(0xc0 | c >> 6));
	} else if (c < 0x10000) {
		put(d, (char)(0xe0 | c >> 12));
		put(d, (char)(0x80 | (c >> 6 & 0x3f)));
	} else {
		put(d, (char)(0xf0 | c >> 18));
		put(d, (char)(0x80 | (c >> 12 & 0x3f)));
		put(d, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	put(d, (char)(0x80 | (c & 0x3f)));
}

static uint32_t take_hex(struct decoder *d, size_t digits)
{
	uint32_t c = 0;

	for (; digits && d->at < d->raw.len; digits--, d->at++) {
		char digit = d->raw.at[d->at];

		c = c << 4 |
		    (uint32_t)(digit <= '9' ? digit - '0' : (digit | 32) - 'a' + 10);
	}
	return c;
}

/* A code point of so many digits; two surrogates, as JSON writes them, are one. */
static void take_code_point(struct decoder *d, size_t digits)
{
	uint32_t c = take_hex(d, digits);

	if (c >= 0xd800 && c < 0xdc00 && d->raw.len - d->at >= 6) {
		d->at += 2;
		c = 0x10000 + ((c - 0xd800) << 10) + (take_hex(d, 4) & 0x3ff);
	}
	put_code_point(d, c);
}

/* Behind a backslash. */
static void take_escape(struct decoder *d)
{
	static const char names[] = "0abtnvfre";
	static const char values[] = "\0\a\b\t\n\v\f\r\x1b";
	char c = d->raw.at[d->at];
	const char *name = c ? strchr(names, c) : NULL;

	if (break_length(d)) {
		d->kept = d->len;
		fold(d, true);
		return;
	}
	d->at++;
	if (name)
		put(d, values[name - names]);
	else if (c == 'x' || c == 'u' || c == 'U')
		take_code_point(d, c == 'x' ? 2 : c == 'u' ? 4 : 8);
	else if (c == 'N' || c == '_')
		put_code_point(d, c == 'N' ? 0x85 : 0xa0);
	else if (c == 'L' || c == 'P')
		put_code_point(d, c == 'L' ? 0x2028 : 0x2029);
	else
		put(d, c); /* itself: a quote, a backslash, a slash, a blank, a tab */
}

static void take(struct decoder *d)
{
	char c = d->raw.at[d->at];

	if (break_length(d)) {
		d->len = d->kept;
		fold(d, false);
		return;
	}
	d->at++;
	if (d->is_double && c == '\\' && d->at < d->raw.len) {
		take_escape(d);
	} else if (is_blank(c)) {
		d->out[d->len++] = c;
	} else {
		d->at += !d->is_double && c == '\''; /* the second of two */
		put(d, c);
	}
}

struct text yaml_quoted(struct text raw, bool is_double, struct arena *arena)
{
	struct decoder d = { .raw = raw, .is_double = is_double };
	size_t room = raw.len + raw.len / 2 + 1; /* \L is two bytes for three */

	d.out = arena_alloc(arena, room);
	while (d.at < raw.len)
		take(&d);
	assert(d.len < room);
	d.out[d.len] = '\0';
	d.out = arena_grow(arena, d.out, room, d.len + 1);
	return (struct text){ d.out, d.len };
}
