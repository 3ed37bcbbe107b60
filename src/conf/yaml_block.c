/*
 * yaml_block.c - block scalars decoded from the source's own bytes.
 *
 * libfyaml 0.7.12 has scanned and checked the scalar and knows where its lines begin and end,
 * but its own decoder drops a line's end and reads past its buffer where an empty line stands
 * before a more indented one, and adds a line's end that the file does not have. The header
 * stands before the token and is read again here. Refused: libfyaml's text for literal
 * scalars, which would be a second set of rules for the same lines.
 */
#include "conf/yaml_block.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

enum chomping {
	CLIP, /* one line's end stays */
	STRIP,
	KEEP
};

struct header {
	bool is_folded;
	enum chomping chomping;
	size_t indicator; /* 0: none */
};

struct line {
	size_t blanks;   /* it begins with so many blanks, tabs not counted */
	struct text all; /* without its break */
	bool has_break;
};

struct decoder {
	struct header header;
	size_t indent;
	char *out;
	size_t len;      /* of out */
	bool is_open;    /* a line's end stands behind the newest text, not yet in out */
	bool was_spaced; /* the newest text began with a blank or a tab */
	size_t empty;    /* lines since the newest text */
};

static bool is_break(char c)
{
	return c == '\n' || c == '\r';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* ---- the header ----------------------------------------------------------------------- */

/* The line that ends the text, without its break. */
static struct text last_line(struct text t)
{
	size_t start;

	t.len -= t.len && t.at[t.len - 1] == '\n';
	t.len -= t.len && t.at[t.len - 1] == '\r';
	for (start = t.len; start && !is_break(t.at[start - 1]);)
		start--;
	return (struct text){ t.at + start, t.len - start };
}

/* A tag or an anchor may hold the sign of a block scalar; nothing else before it does. */
static size_t find_sign(struct text line)
{
	size_t at = 0;

	while (at < line.len && line.at[at] != '|' && line.at[at] != '>') {
		bool is_property = line.at[at] == '!' || line.at[at] == '&';

		at++;
		while (is_property && at < line.len && !is_blank(line.at[at]))
			at++;
	}
	return at;
}

static struct header read_header(struct text head)
{
	struct text line = last_line(head);
	struct header header = { 0 };
	size_t at = find_sign(line);

	header.is_folded = at < line.len && line.at[at] == '>';
	for (at++; at < line.len; at++) {
		char c = line.at[at];

		if (c >= '1' && c <= '9')
			header.indicator = (size_t)(c - '0');
		else if (c == '+' || c == '-')
			header.chomping = c == '+' ? KEEP : STRIP;
		else
			break;
	}
	return header;
}

/* ---- lines ---------------------------------------------------------------------------- */

/* Takes the first line off the text; false: there is none. */
static bool next_line(struct text *raw, struct line *line)
{
	size_t end = 0, step;

	if (raw->len == 0)
		return false;
	*line = (struct line){ .all.at = raw->at };
	while (line->blanks < raw->len && raw->at[line->blanks] == ' ')
		line->blanks++;
	for (end = line->blanks; end < raw->len && !is_break(raw->at[end]);)
		end++;
	line->all.len = end;
	line->has_break = end < raw->len;
	step = line->has_break;
	if (raw->len - end > 1 && raw->at[end] == '\r' && raw->at[end + 1] == '\n')
		step = 2;
	raw->at += end + step;
	raw->len -= end + step;
	return true;
}

/* Without an indicator the first line that is not only blanks rules. */
static size_t find_indent(struct text raw)
{
	struct line line;

	while (next_line(&raw, &line))
		if (line.blanks < line.all.len)
			return line.blanks;
	return SIZE_MAX;
}

static void put(struct decoder *d, char c, size_t times)
{
	memset(d->out + d->len, c, times);
	d->len += times;
}

/* Between two lines that are not more indented, a single line's end becomes a blank, and the
 * first of several vanishes. */
static void put_text(struct decoder *d, struct text t)
{
	bool is_spaced = is_blank(t.at[0]);
	bool folds = d->header.is_folded && !is_spaced && !d->was_spaced;

	if (d->is_open && !folds)
		put(d, '\n', 1);
	else if (d->is_open && d->empty == 0)
		put(d, ' ', 1);
	put(d, '\n', d->empty);
	memcpy(d->out + d->len, t.at, t.len);
	d->len += t.len;
	d->was_spaced = is_spaced;
	d->empty = 0;
}

static void take(struct decoder *d, const struct line *line)
{
	size_t skip = line->blanks < d->indent ? line->blanks : d->indent;

	if (skip < line->all.len) {
		put_text(d, (struct text){ line->all.at + skip, line->all.len - skip });
		d->is_open = line->has_break;
	} else {
		d->empty += line->has_break;
	}
}

/* Whether all lines are comments or empty. */
static bool is_comment(struct text lines)
{
	struct line line;

	while (next_line(&lines, &line))
		if (line.blanks < line.all.len && line.all.at[line.blanks] != '#')
			return false;
	return true;
}

/* Takes the empty lines off the text. */
static struct text take_empty(struct text *raw)
{
	struct text rest = *raw, empty = { raw->at, 0 };
	struct line line;

	while (next_line(&rest, &line) && line.blanks == line.all.len) {
		*raw = rest;
		empty.len = (size_t)(rest.at - empty.at);
	}
	return empty;
}

static struct text decode(
	struct header header, size_t indent, struct text raw, struct arena *arena)
{
	struct decoder d = { .header = header, .indent = indent };
	size_t room = raw.len + 1;
	struct line line;

	d.out = arena_alloc(arena, room);
	while (next_line(&raw, &line))
		take(&d, &line);
	if (d.is_open && header.chomping != STRIP)
		put(&d, '\n', 1);
	if (header.chomping == KEEP)
		put(&d, '\n', d.empty);
	assert(d.len < room);
	d.out[d.len] = '\0';
	d.out = arena_grow(arena, d.out, room, d.len + 1);
	return (struct text){ d.out, d.len };
}

bool yaml_block(struct text head, struct text raw, int parent, struct arena *arena,
	struct text *text)
{
	struct header header = read_header(head);
	size_t base = parent > 0 ? (size_t)parent : 0;
	size_t indent = header.indicator ? base + header.indicator : find_indent(raw);
	struct text rest = raw;

	/*
	 * libfyaml takes a line that is not indented enough for the first of an empty
	 * scalar.
	 */
	if (!header.indicator && parent >= 0 && indent <= base) {
		raw = take_empty(&rest);
		if (!is_comment(rest))
			return false;
	}
	*text = decode(header, indent, raw, arena);
	return true;
}
