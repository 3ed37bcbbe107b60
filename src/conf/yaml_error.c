/*
 * yaml_error.c - syntax errors with their place and the mistake that is usually behind them.
 *
 * libfyaml's complaints are collected, not printed; the first is the cause, the rest follow
 * from it. Refused: parsing on after an error, which only invents more of them.
 */
#include "conf/yaml_error.h"

#include <libfyaml.h>
#include <stdint.h>
#include <string.h>

#include "conf/yaml.h"
#include "value/utf8.h"

static struct place stretch(const struct source *source, size_t start, size_t end)
{
	if (start > source->text.len)
		start = source->text.len;
	return (struct place){ .source = source,
		.offset = (uint32_t)start,
		.length = (uint32_t)(end > start ? end - start : 0) };
}

bool yaml_check_bytes(const struct source *source, struct diag *diag)
{
	struct text t = source->text;

	if (t.len > YAML_MAX_BYTES) {
		diag_error(diag, stretch(source, 0, 0), "larger than %d bytes",
			YAML_MAX_BYTES);
		return false;
	}
	for (size_t at = 0; at < t.len;) {
		bool valid;
		size_t step = utf8_step((struct text){ t.at + at, t.len - at }, &valid);
		unsigned char c = (unsigned char)t.at[at];

		/* Bytes that are no UTF-8 would end libfyaml's stream without an error. */
		if (!valid) {
			diag_error(diag, stretch(source, at, at + 1),
				"the file is no UTF-8 at byte %zu", at);
			return false;
		}
		if (c == 0 || c == 0x7f || (c < 0x20 && !strchr("\t\r\n", c))) {
			diag_error(diag, stretch(source, at, at + 1),
				"control character U+%04X in the file", c);
			diag_hint(diag, "write it as an escape in double quotes");
			return false;
		}
		at += step;
	}
	return true;
}

/* The first tab that indents something, or SIZE_MAX. */
static size_t find_tab(struct text t)
{
	bool indenting = true;

	for (size_t at = 0; at < t.len; at++) {
		char next = at + 1 < t.len ? t.at[at + 1] : '\n';

		if (indenting && t.at[at] == '\t' && !strchr(" \t\r\n#", next))
			return at;
		indenting = t.at[at] == '\n' || (indenting && strchr(" \t", t.at[at]));
	}
	return SIZE_MAX;
}

/* The line that holds the offset. */
static struct text line_of(struct text t, size_t offset)
{
	const char *start = t.len ? memrchr(t.at, '\n', offset) : NULL, *stop;

	start = start ? start + 1 : t.at;
	stop = t.len ? memchr(start, '\n', (size_t)(t.at + t.len - start)) : NULL;
	return (struct text){ start, (size_t)((stop ? stop : t.at + t.len) - start) };
}

/* .rhubrc is JSON, which a person would not look for under the name of YAML. */
static bool is_yaml(const struct source *source)
{
	const char *dot = strrchr(source->name, '.');

	return dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

static void add_reason(struct place place, struct place open, struct diag *diag)
{
	struct text t = place.source->text, line = line_of(t, place.offset);
	size_t tab = find_tab(t);

	if (tab != SIZE_MAX && is_yaml(place.source)) {
		diag_hint(diag, "indent with blanks, not with tabs");
		diag_note(diag, stretch(place.source, tab, tab + 1),
			"a tab indents this line");
	} else if (memmem(line.at, line.len, ": {", 3) ||
		   memmem(line.at, line.len, "- {", 3)) {
		diag_hint(diag, "text that begins with a brace is written in quotes: "
				"\"{name} ...\"");
	} else if (open.source) {
		diag_note(diag, open, "the bracket that is open here");
	}
}

void yaml_syntax_error(
	struct fy_diag *complaints, struct place last, struct place open, struct diag *diag)
{
	void *walk = NULL;
	struct fy_diag_error *error = fy_diag_errors_iterate(complaints, &walk);
	const struct fy_mark *mark = error && error->fyt ? fy_token_start_mark(error->fyt)
							 : NULL;
	struct place place = last;

	if (mark) {
		const struct fy_mark *stop = fy_token_end_mark(error->fyt);

		place = stretch(last.source, mark->input_pos,
			stop ? stop->input_pos : mark->input_pos);
	}
	diag_error(diag, place, "%s: %s",
		is_yaml(place.source) ? "this is no YAML" : "this cannot be read",
		error && error->msg ? error->msg : "the file ends too early");
	add_reason(place, open, diag);
}
