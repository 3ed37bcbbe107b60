/*
 * sql_query.c - QUERY: one statement of the file's own.
 *
 * First the wildcards are found, by the rules of all templates, and each is replaced by a mark
 * that SQL cannot hold; then the text is read as PostgreSQL reads it, and each mark becomes $n. A
 * wildcard that stands twice is two parameters: their types may differ.
 *
 * Refused: a wildcard as a piece of a literal, which would have to be pasted in.
 */
#include "service/sql_query.h"

#include <string.h>

#include "service/sql_lex.h"
#include "service/sql_plan.h"
#include "value/wildcard.h"

const struct field sql_query_fields[] = {
	SQL_FIELD_DATABASE,
	{ "sql", FIELD_TEXT, FIELD_REQUIRED, NULL, NULL,
		"one statement; each wildcard is a bind parameter" },
	{ .name = NULL },
};

struct query {
	struct sql_plan plan;
	struct text sql;          /* with $1, $2, ... */
	struct sql_value *values; /* one each */
	size_t count;
};

/* From here on byte `to` + i of the text that is read stands at `at` + i of the file's. */
struct mark {
	size_t to, at;
	size_t wildcard; /* bytes of the wildcard at this place; 0: none */
};

/* One statement on its way. */
struct reader {
	const struct sql_compiler *c;
	const struct node *node;
	struct query *query;
	struct strbuf source; /* with marks for wildcards */
	struct text text;     /* the same, complete */
	struct mark *marks;
	size_t count, capacity;
	struct strbuf sql;
	bool begun, ended;       /* its first word was read; a semicolon was */
	struct sql_token before; /* the last one that was no blank or comment */
};

/* ---- places and mistakes ---- */

static size_t place_in_file(const struct reader *r, size_t at)
{
	size_t i = r->count;

	while (i > 0 && r->marks[i - 1].to > at)
		i--;
	return i > 0 ? r->marks[i - 1].at + (at - r->marks[i - 1].to) : at;
}

static void refuse(
	const struct reader *r, size_t at, size_t len, const char *why, const char *hint)
{
	size_t from = place_in_file(r, at);
	size_t to = place_in_file(r, at + len);

	diag_error(r->c->diag, place_within(r->node->place, from, to - from), "%s", why);
	if (hint)
		diag_hint(r->c->diag, "%s", hint);
}

/* The wildcard as the file has it, whose mark stands at the offset. */
static struct text written(const struct reader *r, size_t at)
{
	for (size_t i = 0; i < r->count; i++) {
		if (r->marks[i].to == at && r->marks[i].wildcard)
			return (struct text){ r->node->text.at + r->marks[i].at,
				r->marks[i].wildcard };
	}
	return TEXT("");
}

/* ---- wildcards ---- */

static void add_mark(struct reader *r, size_t at, size_t wildcard)
{
	size_t size = r->capacity * sizeof(*r->marks);

	if (r->count == r->capacity) {
		r->capacity = r->capacity ? r->capacity * 2 : 8;
		r->marks = size ? arena_grow(r->c->arena, r->marks, size, size * 2)
				: arena_alloc(r->c->arena, r->capacity * sizeof(*r->marks));
	}
	r->marks[r->count++] = (struct mark){ r->source.len, at, wildcard };
}

/* Slashes and a brace, as template_compile() takes them. Returns where to go on. */
static size_t take_brace(struct reader *r, size_t at, size_t brace)
{
	const struct text text = r->node->text;
	struct text rest = { text.at + brace, text.len - brace };
	size_t slashes = brace - at;
	struct wildcard wildcard;

	if (slashes % 2 == 0 && !wildcard_read(r->c->arena, rest, &wildcard)) {
		strbuf_bytes(&r->source, text.at + at, slashes + 1);
		return brace + 1;
	}
	strbuf_bytes(&r->source, text.at + at, slashes / 2);
	if (slashes % 2 == 1) {
		add_mark(r, brace, 0);
		strbuf_char(&r->source, '{');
		return brace + 1;
	}
	add_mark(r, brace, wildcard.len);
	strbuf_char(&r->source, SQL_WILDCARD_MARK);
	add_mark(r, brace + wildcard.len, 0);
	r->query->count++;
	return brace + wildcard.len;
}

static void find_wildcards(struct reader *r)
{
	const struct text text = r->node->text;
	size_t i = 0;

	while (i < text.len) {
		size_t end = i;

		while (end < text.len && text.at[end] == '\\')
			end++;
		if (end < text.len && text.at[end] == '{') {
			i = take_brace(r, i, end);
			continue;
		}
		if (end == i)
			end++;
		strbuf_bytes(&r->source, text.at + i, end - i);
		i = end;
	}
	r->text = strbuf_get(&r->source);
}

static void compile_wildcards(struct reader *r)
{
	struct query *query = r->query;
	size_t used = 0;

	query->values = arena_zalloc(r->c->arena, query->count + 1, sizeof(*query->values));
	for (size_t i = 0; i < r->count; i++) {
		const struct mark *mark = &r->marks[i];
		struct node node = { .kind = NODE_STRING,
			.place = place_within(r->node->place, mark->at, mark->wildcard),
			.text = { r->node->text.at + mark->at, mark->wildcard } };

		if (!mark->wildcard)
			continue;
		sql_value_compile(r->c, &node, "sql", &query->values[used]);
		query->plan.described |= query->values[used++].described;
	}
}

/* ---- the first word ---- */

#define TRANSACTION                                                                        \
	"a task is one statement in a transaction of its own, which %s would change"
#define SESSION "%s would change the connection, which other tasks share"

/* Statements that are refused, and why. */
static const struct {
	const char *word, *why;
} refused[] = {
	{ "BEGIN", TRANSACTION },
	{ "START", TRANSACTION },
	{ "COMMIT", TRANSACTION },
	{ "END", TRANSACTION },
	{ "ROLLBACK", TRANSACTION },
	{ "ABORT", TRANSACTION },
	{ "SAVEPOINT", TRANSACTION },
	{ "RELEASE", TRANSACTION },
	{ "PREPARE", SESSION },
	{ "EXECUTE", SESSION },
	{ "DEALLOCATE", SESSION },
	{ "DECLARE", "a cursor of %s ends with the task's only statement" },
	{ "SET", SESSION },
	{ "RESET", SESSION },
	{ "DISCARD", SESSION },
	{ "LISTEN", SESSION },
	{ "UNLISTEN", SESSION },
	{ "COPY", "%s needs a stream of its own, which a task has not" },
	{ "LOCK", "%s would hold its lock for the one statement only" },
};

static void check_first(const struct reader *r, const struct sql_token *token)
{
	struct text word = { r->text.at + token->at, token->len };

	if (token->kind != SQL_WORD) {
		refuse(r, token->at, token->len,
			"a statement begins with a word such as SELECT", NULL);
		return;
	}
	for (size_t i = 0; i < array_len(refused); i++) {
		if (text_is_nocase(word, refused[i].word))
			refuse(r, token->at, token->len,
				arena_printf(r->c->arena, refused[i].why, refused[i].word),
				NULL);
	}
}

/* ---- tokens ---- */

/* The next wildcard's parameter, apart from a word beside it: x$1 would be a name. */
static void append_parameter(struct reader *r, size_t *used, size_t end)
{
	struct text made = strbuf_get(&r->sql);

	if (made.len && sql_lex_is_word(made.at[made.len - 1]))
		strbuf_char(&r->sql, ' ');
	strbuf_printf(&r->sql, "$%zu", ++*used);
	if (end < r->text.len && sql_lex_is_word(r->text.at[end]))
		strbuf_char(&r->sql, ' ');
}

static void take_wildcard(struct reader *r, const struct sql_token *token, size_t *used)
{
	size_t end = token->at + 1;

	if ((token->at > 0 && sql_lex_is_word(r->text.at[token->at - 1])) ||
		(end < r->text.len && sql_lex_is_word(r->text.at[end])))
		refuse(r, token->at, 1,
			"a wildcard is a value of its own, not a part of a word or number",
			"a blank parts them; names cannot come from a wildcard here");
	append_parameter(r, used, end);
}

/* DATE '..' wants a literal: no parameter can stand there. */
static const char *type_before(const struct reader *r)
{
	static const char *const types[] = { "date", "time", "timetz", "timestamp",
		"timestamptz", "interval", "json", "jsonb", "uuid", "numeric", "inet",
		"cidr", "bytea", "point", "xml" };
	struct text word = { r->text.at + r->before.at, r->before.len };

	for (size_t i = 0; r->before.kind == SQL_WORD && i < array_len(types); i++) {
		if (text_is_nocase(word, types[i]))
			return types[i];
	}
	return NULL;
}

/* A literal that is one wildcard and nothing else. */
static void take_whole_literal(
	struct reader *r, const struct sql_token *token, size_t *used)
{
	struct text wildcard = written(r, token->at + token->prefix + 1);
	char prefix = token->prefix ? r->text.at[token->at] : '\0';
	const char *type = type_before(r);

	if (prefix && strchr("bBxX", prefix))
		refuse(r, token->at, token->len,
			"a bit string cannot be a wildcard's value",
			arena_printf(r->c->arena, "write %.*s::bit varying",
				TEXT_ARG(wildcard)));
	else if (type)
		refuse(r, r->before.at, token->at + token->len - r->before.at,
			arena_printf(r->c->arena,
				"behind %s a literal must stand, no wildcard", type),
			arena_printf(
				r->c->arena, "write %.*s::%s", TEXT_ARG(wildcard), type));
	append_parameter(r, used, token->at + token->len);
}

/* A wildcard inside of something. */
static void refuse_inside(const struct reader *r, const struct sql_token *token, size_t at)
{
	struct text wildcard = written(r, at);
	const char *hint = NULL, *where;

	switch (token->kind) {
	case SQL_STRING:
		where = "a literal";
		hint = arena_printf(r->c->arena,
			"put the pieces together in SQL, as in '%%' || %.*s || '%%'",
			TEXT_ARG(wildcard));
		break;
	case SQL_NAME:
		where = "a quoted name";
		hint = "QUERY takes no names from wildcards; for a column's value write "
		       "the wildcard without quotes";
		break;
	case SQL_DOLLAR:
		where = "dollar quotes";
		hint = arena_printf(r->c->arena,
			"outside of them: '%%' || %.*s || '%%'; a literal brace is \\{",
			TEXT_ARG(wildcard));
		break;
	default:
		where = "a comment";
		hint = "take it out of the comment; a literal brace is \\{";
	}
	refuse(r, at, 1,
		arena_printf(r->c->arena, "the wildcard %.*s stands inside of %s",
			TEXT_ARG(wildcard), where),
		hint);
}

/* What is quoted, or a comment. */
static void take_quoted(struct reader *r, const struct sql_token *token, size_t *used)
{
	const char *start = r->text.at + token->at, *end = start + token->len;
	bool inside = false;

	if (token->kind == SQL_STRING && token->len == token->prefix + 3 &&
		start[token->prefix + 1] == SQL_WILDCARD_MARK && !token->open) {
		take_whole_literal(r, token, used);
		return;
	}
	for (const char *at = start; at < end; at++) {
		if (*at != SQL_WILDCARD_MARK)
			continue;
		refuse_inside(r, token, (size_t)(at - r->text.at));
		inside = true;
	}
	if (token->open && !inside)
		refuse(r, token->at, token->len, "this does not end", NULL);
	strbuf_bytes(&r->sql, start, token->len);
}

static void take_other(struct reader *r, const struct sql_token *token)
{
	char c = r->text.at[token->at];

	if (c == '{' || c == '}')
		refuse(r, token->at, token->len,
			"a brace that belongs to no wildcard has no meaning in SQL",
			"a wildcard is {path}, without blanks");
	strbuf_bytes(&r->sql, r->text.at + token->at, token->len);
}

static void take_token(struct reader *r, const struct sql_token *token, size_t *used)
{
	switch (token->kind) {
	case SQL_WILDCARD:
		take_wildcard(r, token, used);
		return;
	case SQL_STRING:
	case SQL_NAME:
	case SQL_DOLLAR:
	case SQL_COMMENT:
		take_quoted(r, token, used);
		return;
	case SQL_PARAMETER:
		refuse(r, token->at, token->len,
			"parameters are numbered by volley: write a wildcard",
			"for example {id} in place of $1");
		return;
	case SQL_SEMICOLON:
		r->ended = true;
		return;
	default:
		take_other(r, token);
	}
}

/* False: nothing behind it is looked at. */
static bool take_next(struct reader *r, const struct sql_token *token, size_t *used)
{
	bool filler = token->kind == SQL_BLANK || token->kind == SQL_COMMENT;
	bool opening = token->kind == SQL_OTHER && r->text.at[token->at] == '(';

	if (!filler && r->ended) {
		refuse(r, token->at, r->text.len - token->at,
			"a second statement: QUERY has exactly one", NULL);
		return false;
	}
	/* Parentheses may stand before the first word. */
	if (!r->begun && !filler && !opening && token->kind != SQL_SEMICOLON) {
		r->begun = true;
		check_first(r, token);
	}
	take_token(r, token, used);
	if (!filler)
		r->before = *token;
	return true;
}

static void read_tokens(struct reader *r)
{
	struct sql_token token = sql_lex(r->text, 0);
	size_t used = 0;

	while (token.kind != SQL_END && take_next(r, &token, &used))
		token = sql_lex(r->text, token.at + token.len);
	if (token.kind == SQL_END && !r->begun)
		diag_error(r->c->diag, r->node->place, "sql has no statement");
}

/* ---- compiling ---- */

static bool write_query(
	const struct sql_plan *plan, const struct sql_run *run, struct strbuf *sql)
{
	strbuf_text(sql, container_of(plan, struct query, plan)->sql);
	return true;
}

void *sql_query_compile(const struct sql_compiler *c, const struct node *template)
{
	struct query *query = arena_zalloc(c->arena, 1, sizeof(*query));
	size_t errors = diag_errors(c->diag);
	struct reader r = {
		.c = c,
		.node = node_get(template, "sql"),
		.query = query,
	};

	if (r.node->text.len && memchr(r.node->text.at, '\0', r.node->text.len)) {
		diag_error(c->diag, r.node->place, "sql holds a NUL character");
		return NULL;
	}
	strbuf_init_arena(&r.source, c->arena, SIZE_MAX);
	strbuf_init_arena(&r.sql, c->arena, SIZE_MAX);
	find_wildcards(&r);
	read_tokens(&r);
	compile_wildcards(&r);
	if (diag_errors(c->diag) > errors)
		return NULL;
	query->sql = strbuf_get(&r.sql);
	query->plan.write = write_query;
	query->plan.literal = true;
	query->plan.slots = query->count;
	query->plan.rows = true;
	query->plan.code = 200;
	return sql_plan_finish(c, r.node->place, &query->plan) ? query : NULL;
}

/* ---- rendering ---- */

bool sql_query_render(const void *plan, struct sql_run *run, struct pg_query *out)
{
	const struct query *query = plan;
	struct sql_parameters parameters;

	sql_parameters_init(&parameters, query->count, query->plan.described, run->arena);
	for (size_t i = 0; i < query->count; i++) {
		bool left_out;
		const struct value *value = sql_value_render(
			&query->values[i], run, &left_out);

		if (!value ||
			!sql_parameters_add(&parameters, &query->values[i], value, run))
			return false;
	}
	return sql_plan_query(&query->plan, run, &parameters, out);
}
