/*
 * condition_lex.h - a condition's text as words; private to the condition's files.
 */
#ifndef VOLLEY_VALUE_CONDITION_LEX_H
#define VOLLEY_VALUE_CONDITION_LEX_H

#include <stddef.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/macros.h"
#include "base/text.h"
#include "value/path.h"

enum word_kind {
	WORD_END,
	WORD_PATH,
	WORD_STRING,
	WORD_NUMBER,
	WORD_OPEN,  /* ( */
	WORD_CLOSE, /* ) */
	WORD_COMMA,
	WORD_EQUAL,
	WORD_UNEQUAL,
	WORD_LESS,
	WORD_LESS_EQUAL,
	WORD_GREATER,
	WORD_GREATER_EQUAL,
	WORD_AND,
	WORD_OR,
	WORD_NOT,
	WORD_IN,
	WORD_LIKE,
	WORD_BETWEEN,
	WORD_IS,
	WORD_NULL,
	WORD_TRUE,
	WORD_FALSE,
	WORD_BAD /* none; the mistake was reported */
};

struct word {
	enum word_kind kind;
	size_t at, len;   /* of the condition's text */
	struct path path; /* WORD_PATH */
	struct text text; /* WORD_STRING: without quotes; WORD_NUMBER: as written */
};

struct lexer {
	struct text text;
	struct place place;
	struct arena *arena;
	struct diag *diag;
	size_t at;
};

/* The next word; after WORD_BAD nothing more should be read. */
struct word lexer_next(struct lexer *lexer);

/* The place in the file of a stretch of the condition's text. */
struct place lexer_place(const struct lexer *lexer, size_t at, size_t len);

#endif
