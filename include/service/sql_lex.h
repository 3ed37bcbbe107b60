/*
 * sql_lex.h - SQL text cut into words, as PostgreSQL's own scanner cuts it, and wildcards.
 *
 * https://www.postgresql.org/docs/15/sql-syntax-lexical.html, standard_conforming_strings on.
 */
#ifndef VOLLEY_SERVICE_SQL_LEX_H
#define VOLLEY_SERVICE_SQL_LEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/text.h"
#include "value/wildcard.h"

enum sql_kind {
	SQL_END,
	SQL_BAD,       /* unterminated; `error` says what */
	SQL_BLANK,     /* a run of blanks */
	SQL_COMMENT,   /* to the line's end, or nested */
	SQL_WORD,      /* a keyword or a name without quotes */
	SQL_NUMBER,    /* and what is glued to it */
	SQL_LITERAL,   /* quoted, with what continues it on further lines */
	SQL_NAME,      /* in double quotes */
	SQL_DOLLAR,    /* dollar-quoted */
	SQL_PARAMETER, /* $1 */
	SQL_WILDCARD,
	SQL_BRACE, /* one that begins no wildcard, with the backslashes before it */
	SQL_SEMICOLON,
	SQL_SYMBOL /* any other byte */
};

struct sql_word {
	enum sql_kind kind;
	size_t at, len; /* bytes in the text */
	size_t body;    /* SQL_LITERAL: bytes before what stands in its quotes */
	bool continued; /* SQL_LITERAL: it has several parts */
	char prefix;    /* SQL_LITERAL: E, N, B, X, U; 0: none */
	size_t slashes; /* SQL_WILDCARD: backslashes before its brace */
	struct wildcard wildcard;
	const char *error;
};

/* A brace with the backslashes before it. */
struct sql_brace {
	size_t slashes; /* before the brace */
	size_t len;     /* bytes, slashes and the wildcard included; 0: no brace here */
	bool is_wildcard;
	size_t kept; /* no wildcard: so many of the backslashes stand for themselves */
	struct wildcard wildcard;
};

/*
 * Reads the run of backslashes and the brace that text begins with. An odd number makes the
 * brace literal; each pair before it, or before a wildcard, is one backslash. False: text
 * begins with no such run.
 */
bool sql_brace_read(struct arena *arena, struct text text, struct sql_brace *out);

/* The word that stands at `at`; wildcards inside quotes and comments are not looked for. */
struct sql_word sql_lex(struct arena *arena, struct text text, size_t at);

/* Whether the byte may stand in a name without quotes, digits and $ included. */
bool sql_is_name_byte(char c);

#endif
