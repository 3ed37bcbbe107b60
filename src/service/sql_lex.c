/*
 * sql_lex.c - SQL text cut into words, as PostgreSQL's own scanner cuts it, and wildcards.
 *
 * Only where words begin and end matters here, since the server parses the statement; but
 * that has to be right, or a wildcard is taken for text, or text for a wildcard. Refused:
 * looking for wildcards with a pattern, which knows no quotes.
 */
#include "service/sql_lex.h"

#include <string.h>

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool is_line_end(char c)
{
	return c == '\n' || c == '\r';
}

bool sql_is_name_byte(char c)
{
	return is_letter(c) || is_digit(c) || c == '$';
}

/* The byte at i, NUL behind the end. */
static char byte_at(struct text t, size_t i)
{
	return i < t.len ? t.at[i] : '\0';
}

static bool has(struct text t, size_t i, const char *two)
{
	return byte_at(t, i) == two[0] && byte_at(t, i + 1) == two[1];
}

static struct sql_word word_of(enum sql_kind kind, size_t at, size_t end)
{
	return (struct sql_word){ .kind = kind, .at = at, .len = end - at };
}

static struct sql_word bad(size_t at, size_t len, const char *error)
{
	return (struct sql_word){ .kind = SQL_BAD, .at = at, .len = len, .error = error };
}

/* ---- braces ---- */

bool sql_brace_read(struct arena *arena, struct text text, struct sql_brace *out)
{
	size_t slashes = 0;

	*out = (struct sql_brace){ 0 };
	while (byte_at(text, slashes) == '\\')
		slashes++;
	if (byte_at(text, slashes) != '{')
		return false;
	out->slashes = slashes;
	out->len = slashes + 1;
	out->kept = slashes % 2 ? slashes / 2 : slashes;
	if (slashes % 2)
		return true;
	text = (struct text){ text.at + slashes, text.len - slashes };
	out->is_wildcard = wildcard_read(arena, text, &out->wildcard);
	if (out->is_wildcard)
		out->len = slashes + out->wildcard.len;
	return true;
}

/* ---- comments ---- */

static size_t line_comment_end(struct text t, size_t i)
{
	while (i < t.len && !is_line_end(t.at[i]))
		i++;
	return i;
}

static struct sql_word read_comment(struct text t, size_t at)
{
	size_t depth = 0, i = at;

	if (has(t, at, "--"))
		return word_of(SQL_COMMENT, at, line_comment_end(t, at));
	while (i < t.len) {
		if (has(t, i, "/*")) {
			depth++;
			i += 2;
		} else if (has(t, i, "*/")) {
			i += 2;
			if (--depth == 0)
				return word_of(SQL_COMMENT, at, i);
		} else {
			i++;
		}
	}
	return bad(at, 2, "this comment's end */ is missing");
}

/* ---- quotes ---- */

/* The end of what the quote at i begins, behind the closing one; 0: there is none. */
static size_t quoted_end(struct text t, size_t i, bool escapes)
{
	char quote = t.at[i++];

	while (i < t.len) {
		if (escapes && t.at[i] == '\\') {
			i += 2;
		} else if (t.at[i] != quote) {
			i++;
		} else if (byte_at(t, i + 1) == quote) {
			i += 2;
		} else {
			return i + 1;
		}
	}
	return 0;
}

/*
 * Behind a literal that ends at i: where the quote stands that continues it on a further line
 * (blanks and comments between them, and a line's end before any comment's), else 0.
 */
static size_t continuation(struct text t, size_t i)
{
	bool lines = false;

	while (i < t.len) {
		if (is_blank(t.at[i])) {
			lines |= is_line_end(t.at[i]);
			i++;
		} else if (has(t, i, "--")) {
			i = line_comment_end(t, i);
		} else {
			return lines && t.at[i] == '\'' ? i : 0;
		}
	}
	return 0;
}

static struct sql_word read_literal(struct text t, size_t at, size_t body, char prefix)
{
	size_t quote = at + body - 1, next = quote, end = 0;
	struct sql_word word;

	while (next) {
		end = quoted_end(t, next, prefix == 'E');
		if (end == 0)
			return bad(next, 1, "this literal's closing quote is missing");
		quote = next;
		next = continuation(t, end);
	}
	word = word_of(SQL_LITERAL, at, end);
	word.body = body;
	word.continued = quote != at + body - 1;
	word.prefix = prefix;
	return word;
}

static struct sql_word read_name(struct text t, size_t at, size_t quote)
{
	size_t end = quoted_end(t, quote, false);

	if (end == 0)
		return bad(at, 1 + quote - at, "this name's closing quote is missing");
	return word_of(SQL_NAME, at, end);
}

/* The length of the $tag$ at i; 0: there is none. */
static size_t dollar_tag(struct text t, size_t i)
{
	size_t end = i + 1;

	if (is_letter(byte_at(t, end)))
		while (byte_at(t, end) != '$' && sql_is_name_byte(byte_at(t, end)))
			end++;
	return byte_at(t, end) == '$' ? end + 1 - i : 0;
}

static struct sql_word read_dollar(struct text t, size_t at)
{
	size_t tag = dollar_tag(t, at), end = at + 1;
	const char *closing;

	if (is_digit(byte_at(t, end))) {
		while (is_digit(byte_at(t, end)))
			end++;
		return word_of(SQL_PARAMETER, at, end);
	}
	if (tag == 0)
		return word_of(SQL_SYMBOL, at, end);
	closing = memmem(t.at + at + tag, t.len - at - tag, t.at + at, tag);
	if (!closing)
		return bad(at, tag, "the end of this dollar-quoted text is missing");
	return word_of(SQL_DOLLAR, at, (size_t)(closing - t.at) + tag);
}

/* ---- words and numbers ---- */

/* A letter or two may make what is quoted behind them something else. */
static struct sql_word read_word(struct text t, size_t at)
{
	char first = t.at[at], upper = (char)(first & ~0x20);
	size_t end = at;

	if (upper == 'U' && byte_at(t, at + 1) == '&') {
		if (byte_at(t, at + 2) == '\'')
			return read_literal(t, at, 3, upper);
		if (byte_at(t, at + 2) == '"')
			return read_name(t, at, at + 2);
	}
	if (byte_at(t, at + 1) == '\'' && is_letter(first) && strchr("ENBX", upper))
		return read_literal(t, at, 2, upper);
	while (sql_is_name_byte(byte_at(t, end)))
		end++;
	return word_of(SQL_WORD, at, end);
}

static struct sql_word read_number(struct text t, size_t at)
{
	size_t end = at + 1;

	while (end < t.len) {
		char c = t.at[end];
		bool sign = (c == '-' || c == '+') && (t.at[end - 1] & ~0x20) == 'E' &&
			    is_digit(byte_at(t, end + 1));

		if (!is_letter(c) && !is_digit(c) && c != '.' && !sign)
			break;
		end++;
	}
	return word_of(SQL_NUMBER, at, end);
}

static struct sql_word read_brace(struct arena *arena, struct text t, size_t at)
{
	struct sql_brace brace;
	struct sql_word word;

	if (!sql_brace_read(arena, (struct text){ t.at + at, t.len - at }, &brace))
		return word_of(SQL_SYMBOL, at, at + 1);
	word = word_of(brace.is_wildcard ? SQL_WILDCARD : SQL_BRACE, at, at + brace.len);
	word.slashes = brace.slashes;
	word.wildcard = brace.wildcard;
	return word;
}

static struct sql_word read_blanks(struct text t, size_t at)
{
	size_t end = at;

	while (end < t.len && is_blank(t.at[end]))
		end++;
	return word_of(SQL_BLANK, at, end);
}

struct sql_word sql_lex(struct arena *arena, struct text t, size_t at)
{
	char c = byte_at(t, at);

	if (at >= t.len)
		return word_of(SQL_END, t.len, t.len);
	if (is_blank(c))
		return read_blanks(t, at);
	if (has(t, at, "--") || has(t, at, "/*"))
		return read_comment(t, at);
	if (c == '\'')
		return read_literal(t, at, 1, 0);
	if (c == '"')
		return read_name(t, at, at);
	if (c == '$')
		return read_dollar(t, at);
	if (is_letter(c))
		return read_word(t, at);
	if (is_digit(c) || (c == '.' && is_digit(byte_at(t, at + 1))))
		return read_number(t, at);
	if (c == '{' || c == '\\')
		return read_brace(arena, t, at);
	return word_of(c == ';' ? SQL_SEMICOLON : SQL_SYMBOL, at, at + 1);
}
