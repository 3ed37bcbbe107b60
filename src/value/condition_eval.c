/*
 * condition_eval.c - a condition against a payload, in SQL's three-valued logic.
 *
 * Paths are followed by what the value is: an array that a path does not index is gone
 * through, and the predicate holds if it holds for any element. A payload that fits its
 * model meets exactly the arrays that the model names. Nothing is allocated. Refused:
 * compiling to byte code; on conditions of a few terms the tree is as fast, and can be read.
 */
#include "value/condition_tree.h"
#include "value/decimal.h"

/* One predicate, and for a comparison the side that does not move. */
struct probe {
	const struct term *term;
	const struct value *other;
	bool other_left;
};

static enum truth truth_of(bool holds)
{
	return holds ? TRUTH_TRUE : TRUTH_FALSE;
}

static enum truth truth_not(enum truth truth)
{
	return TRUTH_TRUE - truth;
}

static enum truth from_order(int order, unsigned orders)
{
	unsigned bit = order < 0 ? ORDER_LESS : order > 0 ? ORDER_GREATER : ORDER_EQUAL;

	return truth_of(orders & bit);
}

/* The instant of one side: the literal's own, or what the text says. */
static bool instant_of(
	const struct value *v, const struct operand *operand, struct instant *out)
{
	if (!operand->is_path) {
		*out = operand->literal.instant;
		return true;
	}
	return v->type == VALUE_STRING && date_parse(v->text, out);
}

static enum truth compare_dates(
	const struct term *term, const struct value *a, const struct value *b)
{
	struct instant x, y;

	if (!instant_of(a, &term->left, &x) || !instant_of(b, &term->right, &y))
		return TRUTH_UNKNOWN;
	return from_order(date_compare(&x, &y), term->orders);
}

/* Two values of one JSON type; unknown for types that have no such order. */
static enum truth compare_values(
	const struct value *a, const struct value *b, unsigned orders)
{
	if (a->type != b->type)
		return TRUTH_UNKNOWN;
	switch (a->type) {
	case VALUE_NUMBER:
		return from_order(decimal_compare(a->text, b->text), orders);
	case VALUE_STRING:
		return from_order(text_compare(a->text, b->text), orders);
	case VALUE_BOOLEAN:
		if (orders == ORDER_EQUAL || orders == (ORDER_LESS | ORDER_GREATER))
			return from_order(a->boolean - b->boolean, orders);
		return TRUTH_UNKNOWN;
	default:
		return TRUTH_UNKNOWN;
	}
}

static enum truth test_compare(
	const struct term *term, const struct value *left, const struct value *right)
{
	if (!left || !right || left->type == VALUE_NULL || right->type == VALUE_NULL)
		return TRUTH_UNKNOWN;
	if (term->dates)
		return compare_dates(term, left, right);
	return compare_values(left, right, term->orders);
}

static enum truth against_literal(const struct term *term, const struct value *v,
	const struct instant *instant, const struct literal *literal, unsigned orders)
{
	if (term->dates)
		return from_order(date_compare(instant, &literal->instant), orders);
	return compare_values(v, &literal->value, orders);
}

static enum truth test_in(
	const struct term *term, const struct value *v, const struct instant *instant)
{
	bool compared = false;

	for (size_t i = 0; i < term->count; i++) {
		enum truth truth = against_literal(
			term, v, instant, &term->literals[i], ORDER_EQUAL);

		if (truth == TRUTH_TRUE)
			return TRUTH_TRUE;
		compared |= truth == TRUTH_FALSE;
	}
	return compared ? TRUTH_FALSE : TRUTH_UNKNOWN;
}

static enum truth test_between(
	const struct term *term, const struct value *v, const struct instant *instant)
{
	enum truth low = against_literal(
		term, v, instant, &term->literals[0], ORDER_GREATER | ORDER_EQUAL);
	enum truth high = against_literal(
		term, v, instant, &term->literals[1], ORDER_LESS | ORDER_EQUAL);

	return low < high ? low : high;
}

/* The predicate for one value, NULL when it is absent; negation comes later. */
static enum truth test(const struct probe *probe, const struct value *v)
{
	const struct term *term = probe->term;
	struct instant instant = { 0 };

	if (term->kind == TERM_NULL)
		return truth_of(!v || v->type == VALUE_NULL);
	if (term->kind == TERM_COMPARE)
		return probe->other_left ? test_compare(term, probe->other, v)
					 : test_compare(term, v, probe->other);
	if (!v || v->type == VALUE_NULL)
		return TRUTH_UNKNOWN;
	if (term->kind == TERM_LIKE)
		return v->type == VALUE_STRING ? truth_of(like_matches(term->like, v->text))
					       : TRUTH_UNKNOWN;
	if (term->dates && !instant_of(v, &term->left, &instant))
		return TRUTH_UNKNOWN;
	return term->kind == TERM_IN ? test_in(term, v, &instant)
				     : test_between(term, v, &instant);
}

/* Follows the parts until an array that they do not index, or their end. */
static const struct value *follow(
	const struct value *v, const struct path_part **part, size_t *count)
{
	for (; v && *count > 0; ++*part, --*count) {
		if (v->type != VALUE_ARRAY)
			v = value_get(v, (*part)->name);
		else if ((*part)->digits)
			v = value_at(v, (*part)->index);
		else
			break;
	}
	return v;
}

/* SQL's OR over the elements; recursion is bounded by the payload's depth. */
static enum truth any_of(const struct probe *probe, const struct value *v,
	const struct path_part *part, size_t count)
{
	enum truth result = TRUTH_FALSE;

	v = follow(v, &part, &count);
	if (!v || v->type != VALUE_ARRAY || (count == 0 && probe->term->kind == TERM_NULL))
		return test(probe, v);
	for (size_t i = 0; i < v->array.count && result != TRUTH_TRUE; i++) {
		enum truth truth = any_of(probe, &v->array.items[i], part, count);

		if (truth > result)
			result = truth;
	}
	return result;
}

/*
 * Two paths whose ways have parted. The model refuses different arrays at load; where only
 * the values tell of them, which elements belong together is unknown.
 */
static enum truth apart(const struct term *term, const struct value *v, size_t at)
{
	struct path a = term->left.binding.path, b = term->right.binding.path;
	const struct path_part *part_a = a.parts + at, *part_b = b.parts + at;
	size_t count_a = a.count - at, count_b = b.count - at;
	const struct value *left = follow(v, &part_a, &count_a);
	const struct value *right = follow(v, &part_b, &count_b);
	struct probe probe = { .term = term, .other = right };

	if (!right || right->type != VALUE_ARRAY)
		return any_of(&probe, left, part_a, count_a);
	if (left && left->type == VALUE_ARRAY)
		return TRUTH_UNKNOWN;
	probe.other = left;
	probe.other_left = true;
	return any_of(&probe, right, part_b, count_b);
}

static bool goes_through(struct path path, size_t at)
{
	return at == path.count || !path.parts[at].digits;
}

/* Two paths side by side, as long as they share their parts: the same elements for both. */
static enum truth together(const struct term *term, const struct value *v, size_t at)
{
	struct path a = term->left.binding.path, b = term->right.binding.path;
	enum truth result = TRUTH_FALSE;

	for (; v && at < term->shared; at++) {
		if (v->type != VALUE_ARRAY)
			v = value_get(v, a.parts[at].name);
		else if (a.parts[at].digits)
			v = value_at(v, a.parts[at].index);
		else
			break;
	}
	if (!v || v->type != VALUE_ARRAY || !goes_through(a, at) || !goes_through(b, at))
		return apart(term, v, at);
	for (size_t i = 0; i < v->array.count && result != TRUTH_TRUE; i++) {
		enum truth truth = together(term, &v->array.items[i], at);

		if (truth > result)
			result = truth;
	}
	return result;
}

static enum truth eval_predicate(const struct term *term, const struct value *payload)
{
	const struct operand *left = &term->left, *right = &term->right;
	struct probe probe = { .term = term, .other = &right->literal.value };
	enum truth truth;

	if (term->kind == TERM_COMPARE && right->is_path) {
		if (left->is_path)
			return together(term, payload, 0);
		probe.other = &left->literal.value;
		probe.other_left = true;
		left = right;
	}
	if (left->is_path)
		truth = any_of(&probe, payload, left->binding.path.parts,
			left->binding.path.count);
	else
		truth = test(&probe, &left->literal.value);
	return term->negated ? truth_not(truth) : truth;
}

static enum truth eval(const struct term *term, const struct value *payload)
{
	enum truth decisive, result;

	if (term->kind == TERM_NOT)
		return truth_not(eval(term->first, payload));
	if (term->kind > TERM_NOT)
		return eval_predicate(term, payload);
	decisive = term->kind == TERM_OR ? TRUTH_TRUE : TRUTH_FALSE;
	result = truth_not(decisive);
	for (term = term->first; term; term = term->next) {
		enum truth truth = eval(term, payload);

		if (truth == decisive)
			return decisive;
		if (truth == TRUTH_UNKNOWN)
			result = TRUTH_UNKNOWN;
	}
	return result;
}

enum truth condition_eval(const struct condition *condition, const struct value *payload)
{
	return condition->root ? eval(condition->root, payload) : TRUTH_TRUE;
}

/* Fills in the term and what is below it, in the order of the text; the evaluator is the
 * same, only the short cuts are not. */
static enum truth trace(const struct term *term, const struct value *payload,
	unsigned depth, struct condition_term **next)
{
	struct condition_term *out = (*next)++;
	enum truth result;

	*out = (struct condition_term){ term->at, term->len, depth, TRUTH_UNKNOWN };
	if (term->kind > TERM_NOT) {
		result = eval_predicate(term, payload);
	} else if (term->kind == TERM_NOT) {
		result = truth_not(trace(term->first, payload, depth + 1, next));
	} else {
		result = term->kind == TERM_OR ? TRUTH_FALSE : TRUTH_TRUE;
		for (const struct term *t = term->first; t; t = t->next) {
			enum truth truth = trace(t, payload, depth + 1, next);

			if (term->kind == TERM_OR ? truth > result : truth < result)
				result = truth;
		}
	}
	out->truth = result;
	return result;
}

enum truth condition_trace(const struct condition *condition, const struct value *payload,
	struct arena *arena, const struct condition_term **terms, size_t *count)
{
	struct condition_term *out, *next;
	enum truth truth;

	*terms = NULL;
	*count = 0;
	if (!condition->root)
		return TRUTH_TRUE;
	out = next = arena_zalloc(arena, condition->terms, sizeof(*out));
	truth = trace(condition->root, payload, 0, &next);
	*terms = out;
	*count = (size_t)(next - out);
	return truth;
}
