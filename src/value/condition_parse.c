/*
 * condition_parse.c - the grammar of conditions, by recursive descent.
 *
 * A mistake in the syntax ends the reading, since what follows would be guesswork; a mistake
 * in the meaning (an unknown path, types that do not fit) does not, so that all of them
 * are reported at once. Connectives hold lists, so only parentheses cost depth. Refused: a
 * parser generator, whose messages could not say what would be right.
 */
#include "value/condition_tree.h"

static void advance(struct parser *parser)
{
	parser->end = parser->word.at + parser->word.len;
	if (parser->word.kind != WORD_BAD)
		parser->word = lexer_next(&parser->lexer);
	if (parser->word.kind == WORD_BAD)
		parser->broken = true;
}

static bool accept(struct parser *parser, enum word_kind kind)
{
	if (parser->broken || parser->word.kind != kind)
		return false;
	advance(parser);
	return true;
}

/* Reports a mistake at the word looked at; false when one was reported before. */
static bool fail(struct parser *parser, const char *message)
{
	struct word *word = &parser->word;

	if (parser->broken)
		return false;
	diag_error(parser->lexer.diag, lexer_place(&parser->lexer, word->at, word->len),
		"%s", message);
	parser->broken = true;
	return true;
}

static void hint(struct parser *parser, const char *text)
{
	diag_hint(parser->lexer.diag, "%s", text);
}

static bool expect(struct parser *parser, enum word_kind kind, const char *message)
{
	if (accept(parser, kind))
		return true;
	(void)fail(parser, message);
	return false;
}

static struct term *term_new(struct parser *parser, enum term_kind kind, size_t at)
{
	struct term *term = arena_zalloc(parser->lexer.arena, 1, sizeof(*term));

	term->kind = kind;
	term->at = at;
	parser->terms++;
	return term;
}

static bool is_literal(enum word_kind kind)
{
	return kind == WORD_STRING || kind == WORD_NUMBER || kind == WORD_TRUE ||
	       kind == WORD_FALSE || kind == WORD_NULL;
}

static struct literal literal_of(const struct word *word)
{
	struct literal literal = { .at = word->at, .len = word->len };

	if (word->kind == WORD_STRING)
		literal.value = (struct value){ .type = VALUE_STRING, .text = word->text };
	else if (word->kind == WORD_NUMBER)
		literal.value = (struct value){ .type = VALUE_NUMBER, .text = word->text };
	else if (word->kind != WORD_NULL)
		literal.value = (struct value){ .type = VALUE_BOOLEAN,
			.boolean = word->kind == WORD_TRUE };
	return literal;
}

/* An operand is bound at once: its mistakes come in the order of the text. */
static bool read_operand(struct parser *parser, struct operand *operand)
{
	struct word word = parser->word;

	operand->at = word.at;
	operand->len = word.len;
	if (word.kind == WORD_PATH) {
		operand->is_path = true;
		operand->binding.path = word.path;
	} else if (is_literal(word.kind)) {
		operand->literal = literal_of(&word);
	} else {
		if (fail(parser, word.kind == WORD_END
					 ? "the condition ends where a path or a value "
					   "should follow"
					 : "a path or a value should stand here") &&
			word.kind >= WORD_AND && word.kind <= WORD_IS)
			hint(parser, "a property that is named like a keyword stands in "
				     "back-quotes: `in`");
		return false;
	}
	advance(parser);
	return true;
}

static bool read_literal(struct parser *parser, struct literal *literal)
{
	if (!is_literal(parser->word.kind)) {
		if (fail(parser, "a value should stand here") &&
			parser->word.kind == WORD_PATH)
			hint(parser, "IN, LIKE and BETWEEN take values, not paths; text "
				     "stands in quotes");
		return false;
	}
	*literal = literal_of(&parser->word);
	advance(parser);
	return true;
}

static void read_in(struct parser *parser, struct term *term)
{
	size_t capacity = 0;
	struct literal literal;

	term->kind = TERM_IN;
	if (!accept(parser, WORD_OPEN)) {
		if (fail(parser, "a list in parentheses should follow IN"))
			hint(parser, "write IN (\"a\", \"b\")");
		return;
	}
	do {
		size_t size = capacity * sizeof(literal);

		if (!read_literal(parser, &literal))
			return;
		if (term->count == capacity) {
			capacity = capacity ? capacity * 2 : 4;
			term->literals = size ? arena_grow(parser->lexer.arena,
							term->literals, size, size * 2)
					      : arena_alloc(parser->lexer.arena,
							capacity * sizeof(literal));
		}
		term->literals[term->count++] = literal;
	} while (accept(parser, WORD_COMMA));
	(void)expect(parser, WORD_CLOSE, "a comma or ) should stand here");
}

static void read_like(struct parser *parser, struct term *term)
{
	term->kind = TERM_LIKE;
	term->literals = arena_zalloc(parser->lexer.arena, 1, sizeof(*term->literals));
	term->count = 1;
	(void)read_literal(parser, term->literals);
}

static void read_between(struct parser *parser, struct term *term)
{
	term->kind = TERM_BETWEEN;
	term->literals = arena_zalloc(parser->lexer.arena, 2, sizeof(*term->literals));
	term->count = 2;
	if (read_literal(parser, &term->literals[0]) &&
		expect(parser, WORD_AND, "AND and the upper bound should follow"))
		(void)read_literal(parser, &term->literals[1]);
}

static void read_is(struct parser *parser, struct term *term)
{
	term->kind = TERM_NULL;
	term->negated = accept(parser, WORD_NOT);
	if (accept(parser, WORD_NULL))
		return;
	if (!fail(parser, "NULL should follow IS"))
		return;
	if (parser->word.kind == WORD_TRUE || parser->word.kind == WORD_FALSE)
		hint(parser, "write = TRUE or = FALSE");
	else if (is_literal(parser->word.kind) || parser->word.kind == WORD_PATH)
		hint(parser, term->negated ? "write <>" : "write =");
}

/* The ORDER_ bits of a comparison's sign; 0 when the word is none. */
static unsigned orders_of(enum word_kind kind)
{
	switch (kind) {
	case WORD_EQUAL:
		return ORDER_EQUAL;
	case WORD_UNEQUAL:
		return ORDER_LESS | ORDER_GREATER;
	case WORD_LESS:
		return ORDER_LESS;
	case WORD_LESS_EQUAL:
		return ORDER_LESS | ORDER_EQUAL;
	case WORD_GREATER:
		return ORDER_GREATER;
	case WORD_GREATER_EQUAL:
		return ORDER_GREATER | ORDER_EQUAL;
	default:
		return 0;
	}
}

/* A word where an operator should stand. */
static void refuse_word(struct parser *parser)
{
	(void)fail(parser, "an operator should stand here");
	if (text_is_nocase(parser->word.path.parts[0].name, "ilike"))
		hint(parser, "only LIKE is known, and it is case-sensitive");
	else
		hint(parser, "operators: = <> < <= > >= IN LIKE BETWEEN IS NULL");
}

/* An operand without an operator: says what people mean by it. */
static void refuse_bare(struct parser *parser, struct term *term)
{
	struct lexer *lexer = &parser->lexer;
	struct operand *left = &term->left;
	struct place place = lexer_place(lexer, left->at, left->len);
	struct text text = { lexer->text.at + left->at, left->len };

	if (parser->broken)
		return;
	if (parser->word.kind == WORD_PATH) {
		refuse_word(parser);
		return;
	}
	parser->broken = true;
	if (left->is_path && !scope_bind(parser->scope, left->binding.path, place,
				     lexer->arena, lexer->diag, &left->binding))
		return;
	diag_error(lexer->diag, place, "this is compared with nothing");
	if (!left->is_path)
		hint(parser, "a filter that always matches has no condition");
	else if (left->binding.type == MODEL_BOOLEAN || left->binding.type == MODEL_ANY)
		diag_hint(lexer->diag, "a Boolean is compared too: %.*s = TRUE",
			TEXT_ARG(text));
	else
		diag_hint(lexer->diag, "whether there is a value: %.*s IS NOT NULL",
			TEXT_ARG(text));
}

static void refuse_after_not(struct parser *parser)
{
	if (fail(parser, "IN, LIKE or BETWEEN should follow NOT") &&
		parser->word.kind == WORD_NULL)
		hint(parser, "write IS NOT NULL");
}

/* What follows the left operand. */
static void read_operator(struct parser *parser, struct term *term)
{
	term->orders = orders_of(parser->word.kind);
	if (term->orders) {
		advance(parser);
		(void)read_operand(parser, &term->right);
		return;
	}
	if (accept(parser, WORD_IS)) {
		read_is(parser, term);
		return;
	}
	term->negated = accept(parser, WORD_NOT);
	if (accept(parser, WORD_IN))
		read_in(parser, term);
	else if (accept(parser, WORD_LIKE))
		read_like(parser, term);
	else if (accept(parser, WORD_BETWEEN))
		read_between(parser, term);
	else if (term->negated)
		refuse_after_not(parser);
	else
		refuse_bare(parser, term);
}

static struct term *read_predicate(struct parser *parser)
{
	struct term *term = term_new(parser, TERM_COMPARE, parser->word.at);

	if (!read_operand(parser, &term->left))
		return NULL;
	if (!parser->broken)
		read_operator(parser, term);
	if (parser->broken)
		return NULL;
	term->len = parser->end - term->at;
	return term;
}

static struct term *read_or(struct parser *parser);

static struct term *read_group(struct parser *parser)
{
	struct term *term;

	if (parser->depth == CONDITION_MAX_DEPTH) {
		(void)fail(parser, "parentheses are nested deeper than 64");
		return NULL;
	}
	parser->depth++;
	advance(parser);
	term = read_or(parser);
	parser->depth--;
	if (parser->word.kind == WORD_END && fail(parser, "a closing ) is missing"))
		return NULL;
	(void)expect(parser, WORD_CLOSE, "AND, OR or ) should stand here");
	return term;
}

static struct term *read_not(struct parser *parser)
{
	size_t at = parser->word.at;
	bool negated = accept(parser, WORD_NOT);
	struct term *term, *inner;

	if (negated && parser->word.kind == WORD_NOT) {
		if (fail(parser, "NOT stands before another NOT"))
			hint(parser, "leave both out, or write NOT (NOT ...)");
		return NULL;
	}
	if (parser->broken)
		return NULL;
	if (parser->word.kind == WORD_OPEN) {
		inner = read_group(parser);
	} else {
		inner = read_predicate(parser);
		if (inner)
			condition_check(parser, inner);
	}
	if (!negated || !inner)
		return inner;
	term = term_new(parser, TERM_NOT, at);
	term->first = inner;
	term->len = parser->end - at;
	return term;
}

/* One or more of what `read` reads, with the connective between. */
static struct term *read_list(struct parser *parser, enum term_kind kind,
	enum word_kind between, struct term *(*read)(struct parser *))
{
	size_t at = parser->word.at;
	struct term *first = read(parser), *last = first, *term;

	if (!first || parser->broken || parser->word.kind != between)
		return first;
	term = term_new(parser, kind, at);
	term->first = first;
	while (last && accept(parser, between)) {
		last->next = read(parser);
		last = last->next;
	}
	term->len = parser->end - at;
	return last ? term : NULL;
}

static struct term *read_and(struct parser *parser)
{
	return read_list(parser, TERM_AND, WORD_AND, read_not);
}

static struct term *read_or(struct parser *parser)
{
	return read_list(parser, TERM_OR, WORD_OR, read_and);
}

struct term *condition_parse(struct parser *parser)
{
	struct term *term;

	advance(parser);
	if (parser->broken || parser->word.kind == WORD_END)
		return NULL;
	term = read_or(parser);
	if (!parser->broken && parser->word.kind != WORD_END) {
		if (parser->word.kind == WORD_CLOSE)
			(void)fail(parser, "this ) closes nothing");
		else if (fail(parser, "AND or OR should stand here") &&
			 orders_of(parser->word.kind))
			hint(parser, "comparisons are not chained: a < b AND b < c");
	}
	return parser->broken ? NULL : term;
}
