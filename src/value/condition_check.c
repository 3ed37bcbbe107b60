/*
 * condition_check.c - what a predicate means: paths bound, types compared, dates and
 * patterns compiled.
 *
 * Whatever can be known of a predicate before there is a payload is known here, so that
 * evaluation has nothing left to refuse; what only the value can tell (open places) is
 * left to it. Refused: coercion between text and numbers, which would make `"10" < "9"`
 * depend on who wrote the payload.
 */
#include "value/condition_tree.h"

#include "value/decimal.h"

static struct place place_of(const struct parser *parser, size_t at, size_t len)
{
	return lexer_place(&parser->lexer, at, len);
}

static struct text words(const struct parser *parser, size_t at, size_t len)
{
	return (struct text){ parser->lexer.text.at + at, len };
}

static enum model_type literal_type(const struct value *value)
{
	switch (value->type) {
	case VALUE_BOOLEAN:
		return MODEL_BOOLEAN;
	case VALUE_NUMBER:
		return MODEL_NUMBER;
	case VALUE_STRING:
		return MODEL_STRING;
	default:
		return MODEL_ANY;
	}
}

/* The type of what a path leads to once its last arrays are gone through. */
static void set_path_type(struct operand *operand)
{
	const struct model *model = operand->binding.model;

	while (model && model->type == MODEL_ARRAY)
		model = model->element;
	operand->type = model ? model->type : MODEL_ANY;
	operand->has_type = operand->type != MODEL_ANY;
}

/* False: a mistake was reported, and the operand is out of further checks. */
static bool check_operand(struct parser *parser, struct operand *operand)
{
	if (!operand->is_path) {
		operand->type = literal_type(&operand->literal.value);
		operand->has_type = operand->type != MODEL_ANY;
		return true;
	}
	if (!scope_bind(parser->scope, operand->binding.path,
		    place_of(parser, operand->at, operand->len), parser->lexer.arena,
		    parser->lexer.diag, &operand->binding))
		return false;
	set_path_type(operand);
	return true;
}

/* "an array of String", "a Number": how a message calls the operand's type. */
static const char *type_words(const struct parser *parser, const struct operand *operand)
{
	const char *name = operand->type == MODEL_STRING && !operand->is_path
				   ? "text"
				   : model_type_name(operand->type);

	if (operand->is_path && operand->binding.model &&
		operand->binding.model->type == MODEL_ARRAY)
		return arena_printf(parser->lexer.arena, "array of %s", name);
	return name;
}

static bool refuse_object(struct parser *parser, const struct operand *operand)
{
	struct text path = words(parser, operand->at, operand->len);

	if (!operand->has_type || operand->type != MODEL_OBJECT)
		return true;
	diag_error(parser->lexer.diag, place_of(parser, operand->at, operand->len),
		"'%.*s' is an %s, which can only be asked IS NULL", TEXT_ARG(path),
		type_words(parser, operand));
	return false;
}

static bool refuse_null(struct parser *parser, const struct literal *literal,
	const char *message, const char *hint)
{
	if (literal->value.type != VALUE_NULL)
		return true;
	diag_error(parser->lexer.diag, place_of(parser, literal->at, literal->len), "%s",
		message);
	diag_hint(parser->lexer.diag, "%s", hint);
	return false;
}

static bool refuse_null_operand(struct parser *parser, const struct operand *operand)
{
	return operand->is_path ||
	       refuse_null(parser, &operand->literal,
		       "NULL can only be asked with IS: this would never be true",
		       "write IS NULL or IS NOT NULL");
}

static bool check_date(struct parser *parser, struct literal *literal)
{
	struct text text = literal->value.text;

	if (date_parse(text, &literal->instant))
		return true;
	diag_error(parser->lexer.diag, place_of(parser, literal->at, literal->len),
		"this is no date");
	diag_hint(parser->lexer.diag,
		"a Date is written \"2026-01-31\" or \"2026-01-31T12:00:00Z\"");
	return false;
}

static void refuse_types(struct parser *parser, const struct operand *operand,
	const char *other, size_t at, size_t len)
{
	struct text text = words(parser, operand->at, operand->len);

	diag_error(parser->lexer.diag, place_of(parser, at, len),
		"'%.*s' (%s) cannot be compared with %s", TEXT_ARG(text),
		type_words(parser, operand), other);
}

/* A literal beside an operand: types that fit, dates that are some. */
static bool check_literal(
	struct parser *parser, const struct operand *operand, struct literal *literal)
{
	enum model_type type = literal_type(&literal->value);

	if (!operand->has_type || operand->type == type)
		return true;
	if (operand->type == MODEL_DATE && type == MODEL_STRING)
		return check_date(parser, literal);
	refuse_types(parser, operand, type == MODEL_STRING ? "text" : model_type_name(type),
		literal->at, literal->len);
	if (operand->type == MODEL_NUMBER && type == MODEL_STRING &&
		decimal_valid(literal->value.text))
		diag_hint(parser->lexer.diag, "a number has no quotes: %.*s",
			TEXT_ARG(literal->value.text));
	else if (operand->type == MODEL_STRING)
		diag_hint(parser->lexer.diag, "text stands in quotes");
	return false;
}

static bool is_boolean(const struct operand *operand)
{
	return operand->has_type && operand->type == MODEL_BOOLEAN;
}

static bool refuse_boolean_order(
	struct parser *parser, const struct operand *operand, const char *operators)
{
	diag_error(parser->lexer.diag, place_of(parser, operand->at, operand->len),
		"Booleans have no order for %s", operators);
	diag_hint(parser->lexer.diag, "compare with = TRUE or = FALSE");
	return false;
}

static bool same_part(const struct path_part *a, const struct path_part *b)
{
	return a->digits == b->digits && text_equal(a->name, b->name);
}

/*
 * Walks the model along the path's parts from..to and counts the arrays gone through without
 * an index; the model reached (NULL: below an open place) goes to *model. The arrays that
 * stand at the end count only with `beyond`.
 */
static size_t count_arrays(
	const struct model **model, struct path path, size_t from, size_t to, bool beyond)
{
	const struct model *here = *model;
	size_t arrays = 0;

	for (size_t i = from; i <= to && here; i++) {
		bool end = i == to;
		bool index = !end && path.parts[i].digits;

		while (here && here->type == MODEL_ARRAY && !index && (!end || beyond)) {
			arrays++;
			here = here->element;
		}
		if (end || !here)
			break;
		if (here->type == MODEL_ARRAY) {
			here = here->element;
			continue;
		}
		for (size_t k = 0; k < here->count; k++) {
			if (text_equal(here->properties[k].name, path.parts[i].name)) {
				here = &here->properties[k].model;
				break;
			}
		}
		if (model_is_open(here) && here->type != MODEL_ARRAY)
			here = NULL;
	}
	*model = here;
	return arrays;
}

/* Whether the path goes through what stands before its part i, were that an array. */
static bool goes_through(struct path path, size_t i)
{
	return i == path.count || !path.parts[i].digits;
}

/* Shows the path with an index behind the first array that it goes through from a part on. */
static void hint_index(struct parser *parser, struct path path, size_t from)
{
	struct path before = { path.parts, from ? from : 1 }, behind;
	struct strbuf text;

	for (; before.count < path.count; before.count++) {
		const struct model *model = parser->scope->model;

		if (count_arrays(&model, path, 0, before.count, true) > 0)
			break;
	}
	behind = (struct path){ path.parts + before.count, path.count - before.count };
	strbuf_init_arena(&text, parser->lexer.arena, CONDITION_MAX_LENGTH);
	path_write(&text, before);
	strbuf_string(&text, behind.count ? ".0." : ".0");
	path_write(&text, behind);
	diag_hint(parser->lexer.diag,
		"only elements of one array can be compared with each other; an index "
		"chooses one: %.*s",
		TEXT_ARG(strbuf_get(&text)));
}

/* Finds what two paths share; false: they go through different arrays. */
static bool check_arrays(struct parser *parser, struct term *term)
{
	struct path a = term->left.binding.path, b = term->right.binding.path;
	const struct model *model = parser->scope->model, *model_a, *model_b;
	size_t shared = 0;
	bool same;

	while (shared < a.count && shared < b.count &&
		same_part(&a.parts[shared], &b.parts[shared]))
		shared++;
	term->shared = shared;
	same = goes_through(a, shared) && goes_through(b, shared);
	(void)count_arrays(&model, a, 0, shared, same);
	model_a = model_b = model;
	if (count_arrays(&model_a, a, shared, a.count, true) == 0 ||
		count_arrays(&model_b, b, shared, b.count, true) == 0)
		return true;
	diag_error(parser->lexer.diag, place_of(parser, term->at, term->len),
		"the two paths go through different arrays");
	hint_index(parser, b, shared);
	return false;
}

static bool dated(const struct operand *operand)
{
	return operand->has_type && operand->type == MODEL_DATE;
}

static bool check_two_types(struct parser *parser, struct term *term)
{
	struct operand *left = &term->left, *right = &term->right;

	if (!right->is_path)
		return check_literal(parser, left, &right->literal);
	if (!left->is_path)
		return check_literal(parser, right, &left->literal);
	if (left->has_type && right->has_type && left->type != right->type) {
		struct text path = words(parser, right->at, right->len);

		refuse_types(parser, left,
			arena_printf(parser->lexer.arena, "'%.*s' (%s)", TEXT_ARG(path),
				type_words(parser, right)),
			term->at, term->len);
		return false;
	}
	return check_arrays(parser, term);
}

static void check_compare(struct parser *parser, struct term *term)
{
	bool ordered = term->orders != ORDER_EQUAL &&
		       term->orders != (ORDER_LESS | ORDER_GREATER);

	if (!refuse_null_operand(parser, &term->left) ||
		!refuse_null_operand(parser, &term->right))
		return;
	if (!refuse_object(parser, &term->left) || !refuse_object(parser, &term->right) ||
		!check_two_types(parser, term))
		return;
	if (ordered && (is_boolean(&term->left) || is_boolean(&term->right)))
		(void)refuse_boolean_order(parser,
			is_boolean(&term->left) ? &term->left : &term->right,
			"<, <=, > and >=");
	term->dates = dated(&term->left) || dated(&term->right);
}

static void check_in(struct parser *parser, struct term *term)
{
	if (!refuse_object(parser, &term->left) ||
		!refuse_null_operand(parser, &term->left))
		return;
	for (size_t i = 0; i < term->count; i++)
		if (refuse_null(parser, &term->literals[i], "a list cannot hold NULL",
			    "ask for it beside the list: ... OR path IS NULL"))
			(void)check_literal(parser, &term->left, &term->literals[i]);
	term->dates = dated(&term->left);
}

static void check_like(struct parser *parser, struct term *term)
{
	const struct operand *left = &term->left;
	struct literal *pattern = term->literals;
	struct text text = words(parser, left->at, left->len);
	struct place place = place_of(parser, pattern->at, pattern->len);

	if (!refuse_null_operand(parser, left))
		return;
	if (left->has_type && left->type != MODEL_STRING) {
		diag_error(parser->lexer.diag, place_of(parser, left->at, left->len),
			"LIKE is for text, and '%.*s' is of type %s", TEXT_ARG(text),
			type_words(parser, left));
		return;
	}
	if (pattern->value.type != VALUE_STRING) {
		if (refuse_null(parser, pattern, "NULL is no pattern", "write IS NULL"))
			diag_error(parser->lexer.diag, place,
				"LIKE needs a pattern in quotes");
		return;
	}
	term->like = like_compile(pattern->value.text, parser->lexer.arena);
	if (!term->like) {
		diag_error(parser->lexer.diag, place,
			"the pattern ends with a \\ that escapes nothing");
		diag_hint(parser->lexer.diag, "a backslash itself is written \\\\");
	}
}

static void check_between(struct parser *parser, struct term *term)
{
	struct operand *left = &term->left;
	struct literal *low = &term->literals[0], *high = &term->literals[1];
	enum model_type low_type = literal_type(&low->value);

	if (!refuse_object(parser, left) || !refuse_null_operand(parser, left))
		return;
	for (size_t i = 0; i < 2; i++)
		if (!refuse_null(parser, &term->literals[i], "NULL is no bound",
			    "write <= or >= where there is only one"))
			return;
	if (is_boolean(left) || low_type == MODEL_BOOLEAN) {
		(void)refuse_boolean_order(parser, left, "BETWEEN");
		return;
	}
	if (low_type != literal_type(&high->value)) {
		diag_error(parser->lexer.diag,
			place_of(parser, low->at, high->at + high->len - low->at),
			"the two bounds are of different types");
		return;
	}
	if (check_literal(parser, left, low))
		(void)check_literal(parser, left, high);
	term->dates = dated(left);
}

void condition_check(struct parser *parser, struct term *term)
{
	bool right = term->kind == TERM_COMPARE;
	bool bound = check_operand(parser, &term->left);

	/* Both are looked at: two unknown paths are two messages. */
	if (right)
		bound = check_operand(parser, &term->right) && bound;
	if (!bound)
		return;
	if (term->kind == TERM_COMPARE)
		check_compare(parser, term);
	else if (term->kind == TERM_IN)
		check_in(parser, term);
	else if (term->kind == TERM_LIKE)
		check_like(parser, term);
	else if (term->kind == TERM_BETWEEN)
		check_between(parser, term);
}
