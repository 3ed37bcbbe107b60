/*
 * condition_lex.c - a condition's text cut into words.
 *
 * A word that no condition has is reported here, with a hint at what other languages' users
 * meant by it. A path is one word, so that `order.in` never meets the keyword. Refused: a
 * lexer generator, for two dozen kinds of words.
 */
#include "value/condition_lex.h"

#include "value/decimal.h"
#include "value/json.h"
#include "value/utf8.h"

struct spelling {
	const char *text;
	enum word_kind kind; /* WORD_BAD: not ours; hint says what is */
	const char *hint;
};

static const struct spelling keywords[] = {
	{ "AND", WORD_AND, NULL },
	{ "OR", WORD_OR, NULL },
	{ "NOT", WORD_NOT, NULL },
	{ "IN", WORD_IN, NULL },
	{ "LIKE", WORD_LIKE, NULL },
	{ "BETWEEN", WORD_BETWEEN, NULL },
	{ "IS", WORD_IS, NULL },
	{ "NULL", WORD_NULL, NULL },
	{ "TRUE", WORD_TRUE, NULL },
	{ "FALSE", WORD_FALSE, NULL },
};

/* Longer ones before those that they begin with. */
static const struct spelling symbols[] = {
	{ "===", WORD_BAD, "equality is =" },
	{ "!==", WORD_BAD, "inequality is <>" },
	{ "<=>", WORD_BAD, "equality is =" },
	{ "==", WORD_EQUAL, NULL },
	{ "!=", WORD_UNEQUAL, NULL },
	{ "<>", WORD_UNEQUAL, NULL },
	{ "<=", WORD_LESS_EQUAL, NULL },
	{ ">=", WORD_GREATER_EQUAL, NULL },
	{ "=<", WORD_BAD, "less or equal is <=" },
	{ "=>", WORD_BAD, "greater or equal is >=" },
	{ "=~", WORD_BAD, "patterns are matched by LIKE, with % and _" },
	{ "&&", WORD_BAD, "write AND" },
	{ "||", WORD_BAD, "write OR" },
	{ "&", WORD_BAD, "write AND" },
	{ "|", WORD_BAD, "write OR" },
	{ "!", WORD_BAD, "write NOT" },
	{ "=", WORD_EQUAL, NULL },
	{ "<", WORD_LESS, NULL },
	{ ">", WORD_GREATER, NULL },
	{ "(", WORD_OPEN, NULL },
	{ ")", WORD_CLOSE, NULL },
	{ ",", WORD_COMMA, NULL },
	{ "{", WORD_BAD, "a condition names properties without braces" },
	{ "}", WORD_BAD, "a condition names properties without braces" },
	{ "[", WORD_BAD,
		"an index is a part of the path: items.0.price; a list stands in ( )" },
	{ "]", WORD_BAD,
		"an index is a part of the path: items.0.price; a list stands in ( )" },
	{ "~", WORD_BAD, "patterns are matched by LIKE, with % and _" },
	{ "+", WORD_BAD, "a condition does not calculate" },
	{ "-", WORD_BAD, "a condition does not calculate" },
	{ "*", WORD_BAD, "a condition does not calculate" },
	{ "/", WORD_BAD, "a condition does not calculate" },
	{ "%", WORD_BAD, "% stands inside a LIKE pattern, in quotes" },
	{ ";", WORD_BAD, "a condition is one expression, without a semicolon" },
	{ "\xe2\x80\x9c", WORD_BAD, "text stands in plain quotes, \" or '" },
	{ "\xe2\x80\x9d", WORD_BAD, "text stands in plain quotes, \" or '" },
	{ "\xe2\x80\x98", WORD_BAD, "text stands in plain quotes, \" or '" },
	{ "\xe2\x80\x99", WORD_BAD, "text stands in plain quotes, \" or '" },
	{ "\xc2\xa0", WORD_BAD, "this is a no-break space; a plain one is meant" },
	{ ".", WORD_BAD, "a path part is a name, an index, or stands in back-quotes" },
	{ "`", WORD_BAD, "a back-quoted path part ends with a back-quote" },
};

struct place lexer_place(const struct lexer *lexer, size_t at, size_t len)
{
	return place_within_text(lexer->place, lexer->text, at, len);
}

static struct text rest_of(const struct lexer *lexer)
{
	return (struct text){ lexer->text.at + lexer->at, lexer->text.len - lexer->at };
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_';
}

static struct word bad(const struct lexer *lexer, size_t len, const char *message)
{
	diag_error(lexer->diag, lexer_place(lexer, lexer->at, len), "%s", message);
	return (struct word){ WORD_BAD, lexer->at, len, { 0 }, { 0 } };
}

/* The text between quotes with its doubled ones made single. */
static struct text unquote(struct arena *arena, struct text inner, char quote)
{
	char *out;
	size_t len = 0;

	if (!inner.len || !memchr(inner.at, quote, inner.len))
		return inner;
	out = arena_alloc(arena, inner.len);
	for (size_t i = 0; i < inner.len; i++) {
		out[len++] = inner.at[i];
		if (inner.at[i] == quote)
			i++;
	}
	return (struct text){ out, len };
}

static struct word read_string(struct lexer *lexer)
{
	struct text t = rest_of(lexer);
	char quote = t.at[0];

	for (size_t i = 1; i < t.len; i++) {
		if (t.at[i] != quote)
			continue;
		if (i + 1 < t.len && t.at[i + 1] == quote) {
			i++;
			continue;
		}
		return (struct word){ WORD_STRING, lexer->at, i + 1, { 0 },
			unquote(lexer->arena, (struct text){ t.at + 1, i - 1 }, quote) };
	}
	return bad(lexer, t.len, "this text's closing quote is missing");
}

/* Whether what looks like a number in other notations begins here: -1, +1, .5, 0x1F. */
static bool begins_number(struct text t)
{
	size_t i = t.at[0] == '-' || t.at[0] == '+' || t.at[0] == '.';

	return i < t.len && (is_digit(t.at[i]) || (i && t.at[i] == '.'));
}

static struct word read_number(struct lexer *lexer)
{
	struct text t = rest_of(lexer);
	size_t len = 1, digits = is_digit(t.at[0]);
	struct word word;

	for (; len < t.len; len++) {
		char c = t.at[len], before = t.at[len - 1];
		bool sign = (c == '-' || c == '+') && (before == 'e' || before == 'E');

		if (!is_word_char(c) && c != '.' && !sign)
			break;
		digits += is_digit(c);
	}
	t.len = len;
	if (!decimal_valid(t)) {
		word = bad(lexer, len, "this is no number");
		diag_hint(lexer->diag,
			"a number is written as in JSON: 12, -0.5, 1e6; text in quotes");
		return word;
	}
	if (digits > JSON_MAX_DIGITS)
		return bad(lexer, len, "this number has more than 1,000 digits");
	return (struct word){ WORD_NUMBER, lexer->at, len, { 0 }, t };
}

/* Behind a path or keyword there is a blank or a symbol. */
static bool ends_cleanly(const struct lexer *lexer, size_t len)
{
	struct text t = rest_of(lexer);

	return len == t.len || !(t.at[len] == '.' || t.at[len] == '`' || t.at[len] == '$');
}

static struct word read_path(struct lexer *lexer, size_t len, struct path path)
{
	const struct path_part *first = &path.parts[0];
	struct word word = { WORD_PATH, lexer->at, len, path, { 0 } };

	if (!ends_cleanly(lexer, len)) {
		lexer->at += len;
		word = bad(lexer, 1, "this path goes on with no well-formed part");
		diag_hint(lexer->diag,
			"a part is a name, an index, or stands in back-quotes");
		return word;
	}
	for (size_t i = 0; !first->quoted && i < array_len(keywords); i++) {
		if (!text_is_nocase(first->name, keywords[i].text))
			continue;
		if (path.count == 1) {
			word.kind = keywords[i].kind;
			return word;
		}
		diag_error(lexer->diag, lexer_place(lexer, lexer->at, first->name.len),
			"a path cannot begin with the keyword %s", keywords[i].text);
		diag_hint(lexer->diag,
			"a property of that name stands in back-quotes: `%.*s`",
			TEXT_ARG(first->name));
		word.kind = WORD_BAD;
		return word;
	}
	return word;
}

static struct word read_symbol(struct lexer *lexer)
{
	struct text t = rest_of(lexer);
	struct word word;
	bool valid;

	for (size_t i = 0; i < array_len(symbols); i++) {
		const struct spelling *symbol = &symbols[i];
		size_t len = strlen(symbol->text);

		if (len > t.len || memcmp(t.at, symbol->text, len) != 0)
			continue;
		if (symbol->kind != WORD_BAD)
			return (struct word){ symbol->kind, lexer->at, len, { 0 }, { 0 } };
		diag_error(lexer->diag, lexer_place(lexer, lexer->at, len),
			"'%s' has no meaning here", symbol->text);
		diag_hint(lexer->diag, "%s", symbol->hint);
		return (struct word){ WORD_BAD, lexer->at, len, { 0 }, { 0 } };
	}
	word = bad(lexer, utf8_step(t, &valid), "this character has no meaning here");
	return word;
}

struct word lexer_next(struct lexer *lexer)
{
	struct word word;
	struct path path;
	struct text t;
	size_t len;

	while (lexer->at < lexer->text.len &&
		strchr(" \t\r\n", lexer->text.at[lexer->at]) && lexer->text.at[lexer->at])
		lexer->at++;
	t = rest_of(lexer);
	if (t.len == 0)
		return (struct word){ WORD_END, lexer->at, 0, { 0 }, { 0 } };
	if (t.at[0] == '"' || t.at[0] == '\'')
		word = read_string(lexer);
	else if (begins_number(t))
		word = read_number(lexer);
	else if ((len = path_read(lexer->arena, t, &path)) > 0)
		word = read_path(lexer, len, path);
	else
		word = read_symbol(lexer);
	lexer->at = word.at + word.len;
	return word;
}
