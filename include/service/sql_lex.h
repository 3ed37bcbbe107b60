/*
 * sql_lex.h - where PostgreSQL's words, literals, names and comments begin and end.
 *
 * https://www.postgresql.org/docs/15/sql-syntax-lexical.html
 */
#ifndef VOLLEY_SERVICE_SQL_LEX_H
#define VOLLEY_SERVICE_SQL_LEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* Stands in the text in place of a wildcard: SQL itself cannot hold a NUL. */
enum { SQL_WILDCARD_MARK = '\0' };

enum sql_token_kind {
	SQL_END,
	SQL_BLANK,     /* blanks and line ends */
	SQL_COMMENT,   /* after -- up to the line's end, or between / * and * /, nested */
	SQL_WORD,      /* a keyword or a name without quotes */
	SQL_NUMBER,    /* with whatever letters follow it */
	SQL_STRING,    /* '..', E'..', N'..', B'..', X'..', U&'..' */
	SQL_NAME,      /* "..", U&".." */
	SQL_DOLLAR,    /* $tag$..$tag$ */
	SQL_PARAMETER, /* $1 */
	SQL_WILDCARD,
	SQL_SEMICOLON,
	SQL_OTHER /* one byte */
};

struct sql_token {
	enum sql_token_kind kind;
	size_t at, len; /* bytes */
	size_t prefix;  /* SQL_STRING, SQL_NAME: letters before the quote: E, U& */
	bool open;      /* a literal, name or comment that does not end */
};

/* The token that begins at the offset, with standard_conforming_strings as it is by default. */
struct sql_token sql_lex(struct text sql, size_t at);

/* Whether the byte can be a part of a word or number (or is a wildcard's mark). */
bool sql_lex_is_word(char c);

#endif
