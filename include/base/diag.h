/*
 * diag.h - messages about files, with their place, the line, a caret and a suggestion.
 *
 * Knows text and offsets, not YAML. All errors of a folder are collected and printed in one
 * go.
 */
#ifndef VOLLEY_BASE_DIAG_H
#define VOLLEY_BASE_DIAG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"

/* A file's name and content, as they were read. */
struct source {
	const char *name; /* as people write it: relative to the project folder */
	struct text text;
};

/* A stretch of a source. A zeroed place is "nowhere": messages about a whole folder. */
struct place {
	const struct source *source; /* NULL: nowhere */
	uint32_t offset;             /* bytes from the start */
	uint32_t length;             /* bytes; 0 marks the point before offset */
	bool exact;                  /* byte i of the decoded text stands at offset + i */
};

/* A stretch inside a decoded scalar; where the scalar had escapes or folds, the whole
 * scalar. */
struct place place_within(struct place whole, size_t at, size_t len);

/*
 * The same where the decoded text is at hand: also inside one that differs from the source in
 * blanks and line ends only, as a block of several lines does.
 */
struct place place_within_text(
	struct place whole, struct text decoded, size_t at, size_t len);

/* 1-based line and column (in code points) of the place's start. */
void place_line_column(struct place place, unsigned *line, unsigned *column);

struct diag;

/* Messages are kept in the arena; at most 1,000, the rest only counted. */
struct diag *diag_new(struct arena *arena);

/* Adds an error; diag_hint() may follow it. */
void diag_error(struct diag *diag, struct place place, const char *format, ...)
	printf_like(3, 4);

/* Adds a warning. */
void diag_warning(struct diag *diag, struct place place, const char *format, ...)
	printf_like(3, 4);

/* Says beside the last message what would be right ("did you mean 'core-redis'?"). */
void diag_hint(struct diag *diag, const char *format, ...) printf_like(2, 3);

/* Names a second place beside the last message ("first stands here"). */
void diag_note(struct diag *diag, struct place place, const char *format, ...)
	printf_like(3, 4);

size_t diag_errors(const struct diag *diag);
size_t diag_warnings(const struct diag *diag);

/*
 * Prints all messages, in order of source and offset:
 *
 *   events/a.yaml:12:9: error: unknown key 'filtres'
 *      12 |   filtres:
 *         |   ^~~~~~~
 *      hint: did you mean 'filters'?
 */
void diag_print(const struct diag *diag, FILE *out);

/* Walks the messages in printing order, for JSON output and logs. */
struct diag_message {
	bool is_error;
	struct place place;
	const char *text;
	const char *hint; /* NULL: none */
	const char *note; /* NULL: none */
	struct place note_place;
};
size_t diag_count(const struct diag *diag);
const struct diag_message *diag_message(const struct diag *diag, size_t index);

/*
 * Collects candidates and finds the nearest to what was written (edit distance, at most a
 * third of its length, at least 1). Use: suggest_init, suggest_offer for each, then
 * suggestion or NULL.
 */
struct suggest {
	struct text written;
	struct text best;
	size_t distance;
};
void suggest_init(struct suggest *suggest, struct text written);
void suggest_offer(struct suggest *suggest, struct text candidate);
bool suggest_found(const struct suggest *suggest);

/* "did you mean '...'?" beside the last message, when a candidate was near enough. */
void diag_suggest(struct diag *diag, const struct suggest *suggest);

#endif
