/*
 * sql_lex.c - where PostgreSQL's words, literals, names and comments begin and end.
 *
 * It has no grammar: the server says what is wrong with a statement. Only what decides whether a
 * wildcard is a value of its own, and where the statement ends, is known here. Refused: finding
 * strings by their quotes alone; dollar quotes, E'..' and comments make that wrong.
 */
#include "service/sql_lex.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (unsigned char)c >= 0x80;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

bool sql_lex_is_word(char c)
{
	return is_letter(c) || is_digit(c) || c == '$' || c == SQL_WILDCARD_MARK;
}

/* The byte at the offset; beyond the end one that stands for nothing. */
static char byte(struct text sql, size_t at)
{
	return at < sql.len ? sql.at[at] : ' ';
}

/* Up to the quote that ends it; a doubled one does not, nor one behind a backslash. */
static void read_quoted(struct text sql, char quote, bool escapes, struct sql_token *token)
{
	size_t i = token->at + token->prefix + 1;

	for (; i < sql.len; i++) {
		if (escapes && sql.at[i] == '\\') {
			i++;
		} else if (sql.at[i] == quote) {
			if (byte(sql, i + 1) != quote)
				break;
			i++;
		}
	}
	token->open = i >= sql.len;
	token->len = (token->open ? sql.len : i + 1) - token->at;
}

static void read_line_comment(struct text sql, struct sql_token *token)
{
	size_t i = token->at;

	while (i < sql.len && sql.at[i] != '\n' && sql.at[i] != '\r')
		i++;
	token->len = i - token->at;
}

static void read_block_comment(struct text sql, struct sql_token *token)
{
	size_t i = token->at, depth = 0;

	do {
		if (byte(sql, i) == '/' && byte(sql, i + 1) == '*') {
			depth++;
			i += 2;
		} else if (byte(sql, i) == '*' && byte(sql, i + 1) == '/') {
			depth--;
			i += 2;
		} else {
			i++;
		}
	} while (depth > 0 && i < sql.len);
	token->open = depth > 0;
	token->len = i - token->at;
}

/* Bytes of the $tag$ at the offset; 0: there is none. */
static size_t tag_length(struct text sql, size_t at)
{
	size_t i = at + 1;

	if (is_letter(byte(sql, i)))
		while (is_letter(byte(sql, i)) || is_digit(byte(sql, i)))
			i++;
	return byte(sql, i) == '$' ? i + 1 - at : 0;
}

static void read_dollar(struct text sql, struct sql_token *token)
{
	size_t tag = tag_length(sql, token->at), i = token->at + 1;

	if (is_digit(byte(sql, i))) {
		while (is_digit(byte(sql, i)))
			i++;
		token->kind = SQL_PARAMETER;
		token->len = i - token->at;
		return;
	}
	if (tag == 0)
		return;
	token->kind = SQL_DOLLAR;
	for (i = token->at + tag; i + tag <= sql.len; i++) {
		if (memcmp(sql.at + i, sql.at + token->at, tag) == 0) {
			token->len = i + tag - token->at;
			return;
		}
	}
	token->open = true;
	token->len = sql.len - token->at;
}

/* Letters before a quote that belong to the literal; 0: none. */
static size_t prefix_length(struct text sql, size_t at)
{
	char letter = byte(sql, at), next = byte(sql, at + 1), third = byte(sql, at + 2);

	if (next == '\'' && memchr("eEnNbBxX", letter, 8))
		return 1;
	if ((letter == 'u' || letter == 'U') && next == '&' &&
		(third == '\'' || third == '"'))
		return 2;
	return 0;
}

static void read_word(struct text sql, struct sql_token *token)
{
	size_t i = token->at;
	char letter = byte(sql, i), quote;

	token->prefix = prefix_length(sql, i);
	if (token->prefix > 0) {
		quote = byte(sql, i + token->prefix);
		token->kind = quote == '"' ? SQL_NAME : SQL_STRING;
		read_quoted(sql, quote, letter == 'e' || letter == 'E', token);
		return;
	}
	while (is_letter(byte(sql, i)) || is_digit(byte(sql, i)) || byte(sql, i) == '$')
		i++;
	token->kind = SQL_WORD;
	token->len = i - token->at;
}

static void read_number(struct text sql, struct sql_token *token)
{
	size_t i = token->at;

	while (is_letter(byte(sql, i)) || is_digit(byte(sql, i)) || byte(sql, i) == '.')
		i++;
	token->kind = SQL_NUMBER;
	token->len = i - token->at;
}

static void read_blanks(struct text sql, struct sql_token *token)
{
	size_t i = token->at;

	while (i < sql.len && is_blank(sql.at[i]))
		i++;
	token->kind = SQL_BLANK;
	token->len = i - token->at;
}

struct sql_token sql_lex(struct text sql, size_t at)
{
	struct sql_token token = { .kind = SQL_END, .at = at };
	char c = byte(sql, at), next = byte(sql, at + 1);

	if (at >= sql.len)
		return token;
	token = (struct sql_token){ .kind = SQL_OTHER, .at = at, .len = 1 };
	if (is_blank(c)) {
		read_blanks(sql, &token);
	} else if (is_letter(c)) {
		read_word(sql, &token);
	} else if (is_digit(c)) {
		read_number(sql, &token);
	} else if (c == '\'' || c == '"') {
		token.kind = c == '"' ? SQL_NAME : SQL_STRING;
		read_quoted(sql, c, false, &token);
	} else if (c == '-' && next == '-') {
		token.kind = SQL_COMMENT;
		read_line_comment(sql, &token);
	} else if (c == '/' && next == '*') {
		token.kind = SQL_COMMENT;
		read_block_comment(sql, &token);
	} else if (c == '$') {
		read_dollar(sql, &token);
	} else if (c == SQL_WILDCARD_MARK) {
		token.kind = SQL_WILDCARD;
	} else if (c == ';') {
		token.kind = SQL_SEMICOLON;
	}
	return token;
}
