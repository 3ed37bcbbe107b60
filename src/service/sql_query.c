/*
 * sql_query.c - statements that are written as SQL, their wildcards bind parameters.
 *
 * The text is read once, at load: each wildcard becomes a $n of its own, and the text never
 * changes again, so the server prepares it once. Where a parameter cannot stand, a wildcard is
 * a mistake that is told with its place.
 *
 * Refused: putting the value into a longer literal with its quotes doubled. One literal of
 * another kind around it, and a value is SQL.
 */
#include "service/sql_query.h"

#include <string.h>

#include "base/strbuf.h"
#include "net/pg_statements.h"
#include "service/sql_keyword.h"
#include "service/sql_lex.h"
#include "value/template.h"

enum {
	SQL_MAX = 1024 * 1024,
	HINT_MAX = 60 /* bytes of a literal that a hint repeats */
};

const struct field sql_query_fields[] = {
	{ "database", FIELD_LITERAL, 0, NULL, NULL, "in place of the account's database" },
	{ "sql", FIELD_TEXT, FIELD_REQUIRED, NULL, NULL,
		"one statement; each wildcard is a parameter" },
	{ .name = NULL },
};

struct query {
	struct pg_statement statement;
	bool commits; /* what it calls may end the transaction */
	bool changes; /* it may leave its session changed */
	struct sql_value *parameters;
	size_t count;
};

/* ---- compiling ---- */

struct compiler {
	const struct node *node;
	struct text text;
	const struct scope *scope;
	struct arena *arena;
	struct diag *diag;
	struct strbuf sql; /* the statement so far */
	struct query *query;
	size_t capacity;                     /* of its parameters */
	const struct sql_keyword *statement; /* it takes no wildcards */
	struct sql_word before;              /* the word before, blanks and comments too */
	struct sql_word last; /* the word before, but for blanks and comments */
	bool begun;           /* the first word was there */
	bool ended;           /* the semicolon was there */
};

static struct place place_of(const struct compiler *c, size_t at, size_t len)
{
	return place_within_text(c->node->place, c->text, at, len);
}

static struct text slice(const struct compiler *c, size_t at, size_t len)
{
	return (struct text){ c->text.at + at, len };
}

static struct text text_of_word(const struct compiler *c, const struct sql_word *word)
{
	return slice(c, word->at, word->len);
}

static bool is_symbol(const struct compiler *c, const struct sql_word *word, char symbol)
{
	return word->kind == SQL_SYMBOL && c->text.at[word->at] == symbol;
}

static bool is_one_of(const struct compiler *c, const struct sql_word *word,
	const char *const *words, size_t count)
{
	for (size_t i = 0; word->kind == SQL_WORD && i < count; i++) {
		if (text_is_nocase(text_of_word(c, word), words[i]))
			return true;
	}
	return false;
}

/* Behind these stands a name, never a value. */
static bool wants_name(const struct compiler *c, const struct sql_word *word)
{
	static const char *const words[] = { "AS", "INTO", "JOIN", "TABLE", "UPDATE" };

	bool cast = is_symbol(c, word, ':') && word->at > 0 &&
		    c->text.at[word->at - 1] == ':';

	return cast || is_symbol(c, word, '.') ||
	       is_one_of(c, word, words, array_len(words));
}

/* Behind these only a literal makes a value of the type, no parameter. */
static bool is_type(const struct compiler *c, const struct sql_word *word)
{
	static const char *const words[] = { "BIGINT", "BOOL", "BOOLEAN", "BYTEA", "CIDR",
		"DATE", "FLOAT8", "INET", "INT", "INTEGER", "INTERVAL", "JSON", "JSONB",
		"NUMERIC", "TEXT", "TIME", "TIMESTAMP", "TIMESTAMPTZ", "TIMETZ", "UUID" };

	return is_one_of(c, word, words, array_len(words));
}

static bool is_parameter(const struct sql_word *word)
{
	return word->kind == SQL_WILDCARD;
}

/* ---- where no wildcard can stand ---- */

/* What the hint says for a wildcard inside quotes: the same with || around it. */
static void hint_at_concatenation(
	const struct compiler *c, const struct sql_word *word, size_t at, size_t len)
{
	size_t start = word->at + word->body, end = word->at + word->len - 1;
	struct text before = slice(c, start, at - start);
	struct text after = slice(c, at + len, end - at - len);
	bool typed = is_type(c, &c->last);

	if (word->continued || word->prefix || word->len > HINT_MAX) {
		diag_hint(c->diag, "write '%%' || %.*s || '%%' for '%%%.*s%%'",
			TEXT_ARG(slice(c, at, len)), TEXT_ARG(slice(c, at, len)));
		return;
	}
	diag_hint(c->diag, "write %s%s%.*s%s%.*s%s%.*s%s%s%.*s", typed ? "(" : "",
		before.len ? "'" : "", TEXT_ARG(before), before.len ? "' || " : "",
		TEXT_ARG(slice(c, at, len)), after.len ? " || '" : "", TEXT_ARG(after),
		after.len ? "'" : "", typed ? ")::" : "",
		TEXT_ARG(typed ? text_of_word(c, &c->last) : TEXT("")));
}

static void refuse_in_literal(
	const struct compiler *c, const struct sql_word *word, size_t at, size_t len)
{
	char prefix = word->prefix;

	if (prefix == 'B' || prefix == 'X' || prefix == 'U') {
		diag_error(c->diag, place_of(c, at, len),
			"a wildcard cannot stand inside a %s literal",
			prefix == 'U' ? "U&''" : "bit string");
		if (prefix == 'U')
			diag_hint(c->diag, "a value may hold any character: %.*s",
				TEXT_ARG(slice(c, at, len)));
		else
			diag_hint(c->diag, "write %.*s::bit varying, the bits as text",
				TEXT_ARG(slice(c, at, len)));
		return;
	}
	diag_error(c->diag, place_of(c, at, len),
		"a wildcard cannot stand inside a longer literal: it is a parameter");
	hint_at_concatenation(c, word, at, len);
}

static void refuse_inside(
	const struct compiler *c, const struct sql_word *word, size_t at, size_t len)
{
	struct place place = place_of(c, at, len);

	switch (word->kind) {
	case SQL_LITERAL:
		refuse_in_literal(c, word, at, len);
		break;
	case SQL_NAME:
		diag_error(c->diag, place, "a wildcard cannot stand in a name");
		diag_hint(c->diag, "names in sql are literal; INSERT, UPDATE and DELETE "
				   "take wildcards in theirs");
		break;
	case SQL_DOLLAR:
		diag_error(c->diag, place,
			"a wildcard cannot stand inside dollar quotes: what they hold is "
			"literal");
		diag_hint(c->diag,
			"pass the value as a parameter outside of them; a literal brace is "
			"written \\{");
		break;
	default:
		diag_error(c->diag, place, "a wildcard in a comment has no meaning");
		diag_hint(c->diag, "remove it; a literal brace is written \\{");
		break;
	}
}

static void hint_at_glue(const struct compiler *c, struct text wildcard)
{
	diag_hint(c->diag,
		"names are literal; text is put together by ||, as in 'abc' || %.*s",
		TEXT_ARG(wildcard));
}

/* Whether a parameter may stand at the word, whose wildcard is given; else it is told. */
static bool check_surroundings(
	const struct compiler *c, const struct sql_word *word, struct text wildcard)
{
	struct place place = place_of(c, word->at, word->len);
	enum sql_kind before = c->before.kind;

	if (is_symbol(c, &c->before, '$')) {
		diag_error(c->diag, place_of(c, word->at - 1, word->len + 1),
			"a wildcard has no $ before it");
		diag_hint(c->diag, "write %.*s", TEXT_ARG(wildcard));
	} else if (word->kind == SQL_WILDCARD &&
		   (before == SQL_WORD || before == SQL_NUMBER || before == SQL_WILDCARD)) {
		diag_error(c->diag, place, "a value cannot be glued to what is before it");
		hint_at_glue(c, wildcard);
	} else if (wants_name(c, &c->last)) {
		diag_error(c->diag, place, "a name cannot come from a wildcard here");
		diag_hint(c->diag, "names in sql are literal; INSERT, UPDATE and DELETE "
				   "take wildcards in theirs");
	} else if (is_type(c, &c->last)) {
		diag_error(c->diag, place, "a type's name stands before literals only");
		diag_hint(c->diag, "write %.*s::%.*s", TEXT_ARG(wildcard),
			TEXT_ARG(text_of_word(c, &c->last)));
	} else if (c->statement) {
		diag_error(c->diag, place, "%s %s", c->statement->name, c->statement->why);
		diag_hint(c->diag, "%s", c->statement->hint);
	} else {
		return true;
	}
	return false;
}

/* ---- parameters ---- */

static struct sql_value *add_parameter(struct compiler *c)
{
	struct query *query = c->query;
	size_t size = c->capacity * sizeof(*query->parameters);

	if (query->count == c->capacity) {
		c->capacity = c->capacity ? c->capacity * 2 : 8;
		query->parameters = arena_grow(c->arena, query->parameters, size,
			c->capacity * sizeof(*query->parameters));
	}
	return &query->parameters[query->count++];
}

/* The wildcard, as written, takes the place of the word. */
static void take_wildcard(struct compiler *c, const struct sql_word *word,
	struct text wildcard, struct place place)
{
	struct node *node = arena_zalloc(c->arena, 1, sizeof(*node));
	struct sql_compiler compiler = { c->scope, c->arena, c->diag };
	struct sql_value *parameter;

	if (!check_surroundings(c, word, wildcard))
		return;
	if (c->query->count == SQL_PARAMETERS_MAX) {
		diag_error(c->diag, place, "a statement has at most %d parameters",
			SQL_PARAMETERS_MAX);
		return;
	}
	*node = (struct node){ .kind = NODE_STRING, .place = place, .text = wildcard };
	parameter = add_parameter(c);
	sql_value_compile(&compiler, node,
		arena_printf(c->arena, "%.*s in sql", TEXT_ARG(wildcard)), parameter);
	c->query->statement.described |= parameter->described;
	strbuf_printf(&c->sql, "$%zu", c->query->count);
}

static void take_bare(struct compiler *c, const struct sql_word *word)
{
	size_t at = word->at + word->slashes, len = word->len - word->slashes;

	strbuf_bytes(&c->sql, c->text.at + word->at, word->slashes / 2);
	take_wildcard(c, word, slice(c, at, len), place_of(c, at, len));
}

/* What stands between the literal's quotes, doubled ones made single. */
static struct text unquote(const struct compiler *c, const struct sql_word *word)
{
	struct text inner = slice(c, word->at + word->body, word->len - word->body - 1);
	char *out;
	size_t len = 0;

	if (inner.len == 0 || !memchr(inner.at, '\'', inner.len))
		return inner;
	out = arena_alloc(c->arena, inner.len);
	for (size_t i = 0; i < inner.len; i++) {
		out[len++] = inner.at[i];
		i += inner.at[i] == '\'';
	}
	return (struct text){ out, len };
}

static bool glued(const struct compiler *c, const struct sql_word *before)
{
	return before->kind == SQL_WORD || before->kind == SQL_NUMBER ||
	       before->kind == SQL_WILDCARD || is_symbol(c, before, '$');
}

/* Whether the literal is nothing but one wildcard, which then replaces it. */
static bool take_whole_literal(struct compiler *c, struct sql_word *word)
{
	bool plain = !word->prefix || word->prefix == 'E' || word->prefix == 'N';
	size_t inner = word->len - word->body - 1;
	struct wildcard wildcard;
	struct place place;
	struct text text;

	if (!plain || word->continued || inner == 0 ||
		c->text.at[word->at + word->body] != '{')
		return false;
	text = unquote(c, word);
	if (word->prefix == 'E' && memchr(text.at, '\\', text.len))
		return false;
	if (!wildcard_read(c->arena, text, &wildcard) || wildcard.len != text.len)
		return false;
	place = place_of(c, word->at + word->body, inner);
	place.exact = place.exact && text.len == inner;
	/* Its quotes kept it apart from words beside it. */
	strbuf_string(&c->sql, glued(c, &c->before) ? " " : "");
	take_wildcard(c, word, text, place);
	if (word->at + word->len < c->text.len &&
		sql_is_name_byte(c->text.at[word->at + word->len]))
		strbuf_char(&c->sql, ' ');
	return true;
}

/* ---- words ---- */

/* How many bytes, none of them a brace, go over as they are: backslashes, or others. */
static size_t plain_len(struct text t)
{
	bool slashes = t.at[0] == '\\';
	size_t len = 0;

	while (len < t.len && t.at[len] != '{' && (t.at[len] == '\\') == slashes)
		len++;
	return len;
}

/* Copies the word, escapes of braces resolved; a wildcard in it is refused. */
static void copy(struct compiler *c, const struct sql_word *word)
{
	struct text rest = text_of_word(c, word);
	struct sql_brace brace;
	size_t len;

	while (rest.len > 0) {
		if (sql_brace_read(c->arena, rest, &brace)) {
			if (brace.is_wildcard)
				refuse_inside(c, word,
					(size_t)(rest.at - c->text.at) + brace.slashes,
					brace.wildcard.len);
			strbuf_bytes(&c->sql, rest.at, brace.kept);
			strbuf_char(&c->sql, '{');
			rest.at += brace.len;
			rest.len -= brace.len;
			continue;
		}
		len = plain_len(rest);
		strbuf_bytes(&c->sql, rest.at, len);
		rest.at += len;
		rest.len -= len;
	}
}

/* False: the statement is refused. */
static bool take_first(struct compiler *c, const struct sql_word *word)
{
	const struct sql_keyword *statement = NULL;

	if (is_symbol(c, word, '('))
		return true;
	c->begun = true;
	if (word->kind == SQL_WORD)
		statement = sql_keyword_find(text_of_word(c, word));
	c->query->commits = text_is_nocase(text_of_word(c, word), "DO") ||
			    text_is_nocase(text_of_word(c, word), "CALL");
	if (!statement || !statement->refused) {
		c->statement = statement;
		return true;
	}
	diag_error(c->diag, place_of(c, word->at, word->len), "%s %s", statement->name,
		statement->why);
	diag_hint(c->diag, "%s", statement->hint);
	return false;
}

/* False: there is no point in reading on. */
static bool check_order(struct compiler *c, const struct sql_word *word)
{
	struct place place = place_of(c, word->at, word->len);

	if (c->ended) {
		diag_error(c->diag, place, "a second statement begins here");
		diag_hint(c->diag, "an action is one statement; make two actions, or one "
				   "statement with WITH");
		return false;
	}
	if (word->kind == SQL_SEMICOLON && !c->begun) {
		diag_error(c->diag, place, "there is no statement before this semicolon");
		return false;
	}
	if (!c->begun && !take_first(c, word))
		return false;
	if (is_parameter(&c->before) &&
		(word->kind == SQL_WORD || word->kind == SQL_NUMBER)) {
		diag_error(c->diag, place, "a value cannot be glued to what is behind it");
		hint_at_glue(c, text_of_word(c, &c->before));
	}
	return true;
}

static void warn_of_brace(const struct compiler *c, const struct sql_word *word)
{
	diag_warning(c->diag, place_of(c, word->at, word->len),
		"a brace has no meaning in SQL outside quotes");
	diag_hint(
		c->diag, "a wildcard is {path}, {path?} or {path|default}, without blanks");
}

static void refuse_parameter(const struct compiler *c, const struct sql_word *word)
{
	diag_error(c->diag, place_of(c, word->at, word->len),
		"%.*s: parameters are not numbered here", TEXT_ARG(text_of_word(c, word)));
	diag_hint(c->diag, "write a wildcard where the value goes: {path}");
}

/* Whether the word is a sign that settings, locks or tables of the session stay behind. What
 * a function does that the statement calls cannot be seen. */
static bool changes_session(const struct compiler *c, const struct sql_word *word)
{
	static const char *const calls[] = { "set_config", "pg_advisory_lock",
		"pg_advisory_lock_shared", "pg_try_advisory_lock",
		"pg_try_advisory_lock_shared" };
	static const char *const temporary[] = { "TEMP", "TEMPORARY" };
	static const char *const before[] = { "CREATE", "REPLACE", "INTO", "LOCAL",
		"GLOBAL" };

	return is_one_of(c, word, calls, array_len(calls)) ||
	       (is_one_of(c, word, temporary, array_len(temporary)) &&
		       is_one_of(c, &c->last, before, array_len(before)));
}

/* False: there is no point in reading on. */
static bool take(struct compiler *c, struct sql_word *word)
{
	bool silent = word->kind == SQL_BLANK || word->kind == SQL_COMMENT;

	if (word->kind == SQL_BAD) {
		diag_error(c->diag, place_of(c, word->at, word->len), "%s", word->error);
		return false;
	}
	if (!silent && !check_order(c, word))
		return false;
	c->query->changes |= changes_session(c, word);
	if (word->kind == SQL_WILDCARD) {
		take_bare(c, word);
	} else if (word->kind != SQL_LITERAL || !take_whole_literal(c, word)) {
		if (word->kind == SQL_PARAMETER)
			refuse_parameter(c, word);
		else if (word->kind == SQL_BRACE)
			warn_of_brace(c, word);
		copy(c, word);
	}
	c->ended |= word->kind == SQL_SEMICOLON;
	c->before = *word;
	if (!silent)
		c->last = *word;
	return true;
}

static void scan(struct compiler *c)
{
	struct sql_word word = { 0 };

	for (size_t at = 0;; at = word.at + word.len) {
		word = sql_lex(c->arena, c->text, at);
		if (word.kind == SQL_END || !take(c, &word))
			break;
	}
	if (word.kind == SQL_END && !c->begun)
		diag_error(c->diag, c->node->place, "there is no statement in this text");
	strbuf_char(&c->sql, '\0');
	if (c->sql.failed)
		diag_error(c->diag, c->node->place, "the statement is longer than 1 MiB");
}

/* Whether the node is text that a statement can be. */
static bool check_text(const struct node *node, struct diag *diag)
{
	struct text text = node->text;
	const char *nul;

	if (node->kind != NODE_STRING) {
		diag_error(diag, node->place, "sql is the text of a statement, not %s",
			node_kind_name(node->kind));
		return false;
	}
	nul = text.len ? memchr(text.at, '\0', text.len) : NULL;
	if (nul)
		diag_error(diag,
			place_within_text(node->place, text, (size_t)(nul - text.at), 1),
			"a statement cannot hold a NUL character");
	else if (text.len > SQL_MAX)
		diag_error(diag, node->place, "the statement is longer than 1 MiB");
	return !nul && text.len <= SQL_MAX;
}

void *sql_query_compile(const struct sql_compiler *sql, const struct node *template)
{
	const struct node *node = node_get(template, "sql");
	struct query *query = arena_zalloc(sql->arena, 1, sizeof(*query));
	struct pg_statement *statement = &query->statement;
	struct compiler c = { .node = node,
		.text = node->text,
		.scope = sql->scope,
		.arena = sql->arena,
		.diag = sql->diag,
		.query = query };
	size_t errors = diag_errors(sql->diag);

	if (!check_text(node, sql->diag))
		return NULL;
	strbuf_init_arena(&c.sql, c.arena, SQL_MAX + 1);
	scan(&c);
	if (diag_errors(sql->diag) > errors)
		return NULL;
	statement->sql = (struct text){ c.sql.data, c.sql.len - 1 };
	statement->hash = pg_statements_hash(statement->sql);
	return query;
}

/* ---- rendering ---- */

bool sql_query_may_share(const void *plan)
{
	const struct query *query = plan;

	return !query->commits;
}

static bool bind_all(const struct query *query, const struct sql_run *run,
	struct sql_parameters *parameters)
{
	for (size_t i = 0; i < query->count; i++) {
		bool left_out; /* nothing can be: {path?} is NULL here */
		const struct value *value = sql_value_render(
			&query->parameters[i], run, &left_out);

		if (!value ||
			!sql_parameters_add(parameters, &query->parameters[i], value, run))
			return false;
	}
	return true;
}

bool sql_query_render(const void *plan, struct sql_run *run, struct pg_query *out)
{
	const struct query *query = plan;
	struct sql_parameters parameters;

	sql_parameters_init(
		&parameters, query->count, query->statement.described, run->arena);
	if (!bind_all(query, run, &parameters))
		return false;
	out->rows = true;
	out->last = query->commits || query->changes;
	out->group = false;
	out->code = 200;
	return sql_parameters_query(&parameters, &query->statement, run, out);
}
