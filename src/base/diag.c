/*
 * diag.c - messages in printing order, and the quoted line with its caret.
 *
 * A message is put at its place in the order when it is added: there are few, and so any
 * reader sees them sorted. Quoted lines are treated as a stranger's bytes: a control
 * character would let a file write on the terminal of who checks it. Columns are code
 * points; the width of East Asian text was refused, since terminals do not agree on it.
 */
#include "base/diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES_MAX 1000
#define TEXT_MAX     1024  /* bytes of one message */
#define QUOTE_MAX    96    /* code points of a quoted line */
#define ALIGN_MAX    65536 /* bytes of a text that is gone through for one place */
#define QUOTE_BEFORE 40    /* of these, before the caret, where a line is cut */

struct diag {
	struct arena *arena;
	struct diag_message **messages; /* in printing order */
	size_t count, capacity;
	struct diag_message *last; /* the one added last; NULL when it was not kept */
	size_t errors, warnings;
};

struct place place_within(struct place whole, size_t at, size_t len)
{
	struct place part = whole;

	if (!whole.exact)
		return whole;
	if (at > whole.length)
		at = whole.length;
	if (len > whole.length - at)
		len = whole.length - at;
	part.offset += (uint32_t)at;
	part.length = (uint32_t)len;
	return part;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Whether one byte more stands there for the decoded one: a doubled quote, an escape. */
static bool is_escaped(struct text raw, size_t from, char quote, char decoded)
{
	if (from + 1 >= raw.len || raw.at[from + 1] != decoded)
		return false;
	return (quote == '\'' && decoded == '\'' && raw.at[from] == '\'') ||
	       (quote == '"' && raw.at[from] == '\\' &&
		       (decoded == '"' || decoded == '\\'));
}

/*
 * Blanks and escapes apart, the same bytes stand in both texts in the same order; so where the
 * stretch's first and last ones are is found by going through both. False: they do not.
 */
static bool align(struct text raw, char quote, struct text decoded, size_t at, size_t len,
	struct text *stretch)
{
	size_t from = 0, start = SIZE_MAX, end = 0;

	for (size_t i = 0; i < decoded.len; i++) {
		if (is_blank(decoded.at[i]))
			continue;
		while (from < raw.len && is_blank(raw.at[from]))
			from++;
		if (i >= at && start == SIZE_MAX)
			start = from;
		if (is_escaped(raw, from, quote, decoded.at[i]))
			from++;
		if (from == raw.len || raw.at[from] != decoded.at[i])
			return false;
		from++;
		if (i < at || i - at < len)
			end = from;
	}
	if (start > end)
		start = end;
	*stretch = (struct text){ raw.at + start, end - start };
	while (from < raw.len && is_blank(raw.at[from]))
		from++;
	return from == raw.len;
}

struct place place_within_text(
	struct place whole, struct text decoded, size_t at, size_t len)
{
	struct text raw, stretch;
	char quote;

	if (whole.exact || !whole.source || decoded.len > ALIGN_MAX)
		return place_within(whole, at, len);
	raw = whole.source->text;
	if (whole.offset > raw.len || whole.length > raw.len - whole.offset)
		return whole;
	quote = whole.offset > 0 ? raw.at[whole.offset - 1] : '\0';
	raw = (struct text){ raw.at + whole.offset, whole.length };
	if (!align(raw, quote, decoded, at, len, &stretch))
		return whole;
	whole.offset += (uint32_t)(stretch.at - raw.at);
	whole.length = (uint32_t)stretch.len;
	whole.exact = stretch.len == len;
	return whole;
}

/* The slice of the source's line in which the offset stands, without its end. */
static struct text line_around(struct text text, size_t offset)
{
	const char *end = text.at + text.len;
	const char *at = text.at + (offset < text.len ? offset : text.len);
	const char *start = at;
	const char *stop = memchr(at, '\n', (size_t)(end - at));

	while (start > text.at && start[-1] != '\n')
		start--;
	if (!stop)
		stop = end;
	if (stop > start && stop[-1] == '\r')
		stop--;
	if (start == text.at && stop - start >= 3 && memcmp(start, "\xEF\xBB\xBF", 3) == 0)
		start += 3; /* a byte order mark is no column */
	return (struct text){ start, (size_t)(stop - start) };
}

/* Bytes of the character that t, not empty, begins with; one where it is not UTF-8. */
static size_t step(struct text t)
{
	size_t len = text_utf8(t);

	return len ? len : 1;
}

static struct text skip(struct text t, size_t len)
{
	return (struct text){ t.at + len, t.len - len };
}

static size_t code_points(struct text t)
{
	size_t count = 0;

	for (; t.len; count++)
		t = skip(t, step(t));
	return count;
}

/* The part of the line before the place. */
static struct text before_place(struct place place, struct text line)
{
	const char *at = place.source->text.at + place.offset;

	if (at < line.at)
		at = line.at;
	if (at < line.at + line.len)
		line.len = (size_t)(at - line.at);
	return line;
}

void place_line_column(struct place place, unsigned *line, unsigned *column)
{
	struct text text, quoted;

	*line = *column = 1;
	if (!place.source || !place.source->text.at)
		return;
	text = place.source->text;
	quoted = line_around(text, place.offset);
	for (const char *at = text.at; (at = memchr(at, '\n', (size_t)(quoted.at - at)));)
		at++, ++*line;
	*column += (unsigned)code_points(before_place(place, quoted));
}

struct diag *diag_new(struct arena *arena)
{
	struct diag *diag = arena_zalloc(arena, 1, sizeof(*diag));

	diag->arena = arena;
	return diag;
}

/* By source's name, then offset; "nowhere" comes first. */
static int compare(const struct diag_message *a, const struct diag_message *b)
{
	const struct source *x = a->place.source, *y = b->place.source;
	int order;

	if (!x || !y)
		return (x != NULL) - (y != NULL);
	order = strcmp(x->name, y->name);
	if (order)
		return order;
	return (a->place.offset > b->place.offset) - (a->place.offset < b->place.offset);
}

static void insert(struct diag *diag, struct diag_message *message)
{
	size_t i = diag->count;

	if (diag->count == diag->capacity) {
		size_t old = diag->capacity * sizeof(struct diag_message *);

		diag->capacity = diag->capacity ? diag->capacity * 2 : 8;
		diag->messages = arena_grow(diag->arena, diag->messages, old,
			diag->capacity * sizeof(struct diag_message *));
	}
	for (; i > 0 && compare(diag->messages[i - 1], message) > 0; i--)
		diag->messages[i] = diag->messages[i - 1];
	diag->messages[i] = message;
	diag->count++;
}

static const char *format_text(struct diag *diag, const char *format, va_list args)
{
	char text[TEXT_MAX];

	if (vsnprintf(text, sizeof(text), format, args) < 0)
		text[0] = '\0';
	return arena_text(diag->arena, text_of(text)).at;
}

static void add(struct diag *diag, bool is_error, struct place place, const char *format,
	va_list args)
{
	struct diag_message *message;

	diag->last = NULL;
	if (diag->count == MESSAGES_MAX)
		return;
	message = arena_zalloc(diag->arena, 1, sizeof(*message));
	message->is_error = is_error;
	message->place = place;
	message->text = format_text(diag, format, args);
	insert(diag, message);
	diag->last = message;
}

void diag_error(struct diag *diag, struct place place, const char *format, ...)
{
	va_list args;

	diag->errors++;
	va_start(args, format);
	add(diag, true, place, format, args);
	va_end(args);
}

void diag_warning(struct diag *diag, struct place place, const char *format, ...)
{
	va_list args;

	diag->warnings++;
	va_start(args, format);
	add(diag, false, place, format, args);
	va_end(args);
}

void diag_hint(struct diag *diag, const char *format, ...)
{
	va_list args;

	if (!diag->last)
		return;
	va_start(args, format);
	diag->last->hint = format_text(diag, format, args);
	va_end(args);
}

void diag_note(struct diag *diag, struct place place, const char *format, ...)
{
	va_list args;

	if (!diag->last)
		return;
	va_start(args, format);
	diag->last->note = format_text(diag, format, args);
	va_end(args);
	diag->last->note_place = place;
}

size_t diag_errors(const struct diag *diag)
{
	return diag->errors;
}

size_t diag_warnings(const struct diag *diag)
{
	return diag->warnings;
}

size_t diag_count(const struct diag *diag)
{
	return diag->count;
}

const struct diag_message *diag_message(const struct diag *diag, size_t index)
{
	return diag->messages[index];
}

/* Tabs pass; other control characters and bytes that are no UTF-8 become '?'. */
static void print_clean(struct text t, FILE *out)
{
	while (t.len) {
		size_t len = text_utf8(t);
		unsigned char first = (unsigned char)t.at[0];
		bool is_c1 = len == 2 && first == 0xC2 && (unsigned char)t.at[1] < 0xA0;

		if (len == 0 || is_c1 || first == 0x7F || (first < 0x20 && first != '\t'))
			fputc('?', out);
		else
			fwrite(t.at, 1, len, out);
		t = skip(t, len ? len : 1);
	}
}

/* The slice behind the first count code points, at most to the end. */
static struct text skip_points(struct text t, size_t count)
{
	for (; count && t.len; count--)
		t = skip(t, step(t));
	return t;
}

static struct text head_points(struct text t, size_t count)
{
	t.len -= skip_points(t, count).len;
	return t;
}

/* Blanks as wide as the text: a tab stays one, so that the caret stands right under it. */
static void print_blanks(struct text t, FILE *out)
{
	for (; t.len; t = skip(t, step(t)))
		fputc(*t.at == '\t' ? '\t' : ' ', out);
}

static void print_quote(struct place place, unsigned number, FILE *out)
{
	struct text line = line_around(place.source->text, place.offset);
	struct text before = before_place(place, line);
	struct text rest = skip(line, before.len);
	struct text marked = { rest.at, place.length < rest.len ? place.length : rest.len };
	bool is_long = code_points(line) > QUOTE_MAX;
	const char *start = "", *end = "";

	if (line.len == 0)
		return;
	if (is_long && code_points(before) > QUOTE_BEFORE) {
		before = skip_points(before, code_points(before) - QUOTE_BEFORE);
		start = "...";
	}
	if (is_long) {
		struct text shown = head_points(rest, QUOTE_MAX - code_points(before));

		end = shown.len < rest.len ? "..." : "";
		rest = shown;
	}
	fprintf(out, "%5u | %s", number, start);
	print_clean(before, out);
	print_clean(rest, out);
	fprintf(out, "%s\n      | %*s", end, (int)strlen(start), "");
	print_blanks(before, out);
	fputc('^', out);
	if (marked.len > rest.len)
		marked.len = rest.len;
	for (size_t i = 1, count = code_points(marked); i < count; i++)
		fputc('~', out);
	fputc('\n', out);
}

/* One message, note or the like: "name:line:column: kind: text" and the quoted line. */
static void print_at(struct place place, const char *kind, const char *text, FILE *out)
{
	bool has_text = place.source && place.source->text.at;
	unsigned line, column;

	place_line_column(place, &line, &column);
	if (place.source)
		print_clean(text_of(place.source->name), out);
	if (has_text)
		fprintf(out, ":%u:%u", line, column);
	fprintf(out, "%s%s: ", place.source ? ": " : "", kind);
	print_clean(text_of(text), out);
	fputc('\n', out);
	if (has_text)
		print_quote(place, line, out);
}

void diag_print(const struct diag *diag, FILE *out)
{
	size_t all = diag->errors + diag->warnings;

	for (size_t i = 0; i < diag->count; i++) {
		const struct diag_message *message = diag->messages[i];

		print_at(message->place, message->is_error ? "error" : "warning",
			message->text, out);
		if (message->hint) {
			fputs("   hint: ", out);
			print_clean(text_of(message->hint), out);
			fputc('\n', out);
		}
		if (message->note)
			print_at(message->note_place, "note", message->note, out);
	}
	if (all > diag->count)
		fprintf(out, "... and %zu more\n", all - diag->count);
}

void diag_suggest(struct diag *diag, const struct suggest *suggest)
{
	if (suggest_found(suggest))
		diag_hint(diag, "did you mean '%.*s'?", TEXT_ARG(suggest->best));
}
