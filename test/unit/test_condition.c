/*
 * test_condition.c - conditions: the table, places of mistakes, the trace, bounds.
 */
#include "vectors.h"

#include "value/condition.h"
#include "value/like.h"

static const char *const truths[] = { "false", "unknown", "true" };

struct fixture {
	struct arena *arena;
	struct diag *diag;
	struct scope scope;
};

static void fixture_open(struct fixture *f)
{
	f->arena = arena_new();
	f->diag = diag_new(f->arena);
	f->scope = (struct scope){ 0 };
}

static const struct condition *compile(struct fixture *f, struct text text)
{
	struct source *source = arena_zalloc(f->arena, 1, sizeof(*source));

	*source = (struct source){ "vector", text };
	return condition_compile(text,
		(struct place){ source, 0, (uint32_t)text.len, true }, &f->scope, f->arena,
		f->diag);
}

static void set_model(struct fixture *f, const struct value *table, const struct value *row)
{
	const struct value *model = value_get(
		value_get(table, TEXT("models")), vectors_text(row, "model"));

	assert_non_null(model);
	f->scope.model = model_compile(vectors_node(f->arena, model), f->arena, f->diag);
	assert_int_equal(diag_errors(f->diag), 0);
}

static void check_case(const struct value *table, const struct value *row)
{
	struct fixture f;
	struct text name = vectors_text(row, "name");
	const struct value *payload = value_get(row, TEXT("payload"));
	const struct condition *condition;
	const struct condition_term *terms;
	struct model_mismatches mismatches;
	enum truth truth, traced;
	size_t count;

	fixture_open(&f);
	set_model(&f, table, row);
	if (!model_check(f.scope.model, false, payload, f.arena, &mismatches))
		fail_msg("%.*s: the payload does not fit its model", TEXT_ARG(name));
	condition = compile(&f, vectors_text(row, "condition"));
	if (!condition)
		fail_msg("%.*s: %s", TEXT_ARG(name), diag_message(f.diag, 0)->text);
	truth = condition_eval(condition, payload);
	if (!text_is(vectors_text(row, "result"), truths[truth]))
		fail_msg("%.*s: %s", TEXT_ARG(name), truths[truth]);
	traced = condition_trace(condition, payload, f.arena, &terms, &count);
	assert_int_equal(traced, truth);
	assert_int_equal(terms[0].truth, truth);
	assert_true(count >= 1);
	arena_free(f.arena);
}

static void conditions_of_the_table(void **state)
{
	struct arena *arena = arena_new();
	const struct value *table = vectors_read(arena, "test/vectors/conditions.json");
	const struct value *cases = value_get(table, TEXT("cases"));

	assert_true(cases->array.count >= 140);
	for (size_t i = 0; i < cases->array.count; i++)
		check_case(table, &cases->array.items[i]);
	arena_free(arena);
}

static const struct diag_message *find_message(
	const struct diag *diag, struct text fragment)
{
	for (size_t i = 0; i < diag_count(diag); i++) {
		const struct diag_message *m = diag_message(diag, i);

		if (memmem(m->text, strlen(m->text), fragment.at, fragment.len))
			return m;
	}
	return NULL;
}

static void check_error(const struct value *table, const struct value *row)
{
	struct fixture f;
	struct text name = vectors_text(row, "name"), hint = vectors_text(row, "hint");
	const struct value *at = value_get(row, TEXT("at"));
	const struct diag_message *m;
	char place[40];

	fixture_open(&f);
	set_model(&f, table, row);
	if (compile(&f, vectors_text(row, "condition")))
		fail_msg("%.*s: no error", TEXT_ARG(name));
	m = find_message(f.diag, vectors_text(row, "error"));
	if (!m)
		fail_msg("%.*s: %s", TEXT_ARG(name), diag_message(f.diag, 0)->text);
	assert_int_equal(diag_errors(f.diag), 1);
	if (hint.at && !(m->hint && memmem(m->hint, strlen(m->hint), hint.at, hint.len)))
		fail_msg("%.*s: hint %s", TEXT_ARG(name), m->hint);
	(void)snprintf(place, sizeof(place), "[%u,%u]", m->place.offset, m->place.length);
	if (at && strcmp(vectors_json(f.arena, at), place) != 0)
		fail_msg("%.*s: at %s", TEXT_ARG(name), place);
	arena_free(f.arena);
}

static void conditions_that_do_not_load(void **state)
{
	struct arena *arena = arena_new();
	const struct value *table = vectors_read(arena, "test/vectors/conditions.json");
	const struct value *errors = value_get(table, TEXT("errors"));

	for (size_t i = 0; i < errors->array.count; i++)
		check_error(table, &errors->array.items[i]);
	arena_free(arena);
}

static void condition_blank_always_matches(void **state)
{
	struct fixture f;
	const struct condition_term *terms;
	size_t count;

	fixture_open(&f);
	for (size_t i = 0; i < 2; i++) {
		const struct condition *c = compile(&f, i ? TEXT(" \n\t ") : TEXT(""));

		assert_non_null(c);
		assert_int_equal(condition_eval(c, &value_null), TRUTH_TRUE);
		assert_int_equal(condition_trace(c, &value_null, f.arena, &terms, &count),
			TRUTH_TRUE);
		assert_int_equal(count, 0);
	}
	arena_free(f.arena);
}

static void condition_length_is_bounded(void **state)
{
	struct fixture f;
	char *text;

	fixture_open(&f);
	text = arena_alloc(f.arena, CONDITION_MAX_LENGTH + 1);
	memset(text, ' ', CONDITION_MAX_LENGTH + 1);
	memcpy(text, "a = 1", 5);
	assert_non_null(compile(&f, (struct text){ text, CONDITION_MAX_LENGTH }));
	assert_null(compile(&f, (struct text){ text, CONDITION_MAX_LENGTH + 1 }));
	assert_true(vectors_has_message(f.diag, true, TEXT("64 KiB")));
	arena_free(f.arena);
}

/* Thousands of terms cost no depth; thousands of parentheses end in an error. */
static void condition_may_be_long_but_not_deep(void **state)
{
	struct fixture f;
	struct strbuf buf;

	fixture_open(&f);
	strbuf_init_arena(&buf, f.arena, CONDITION_MAX_LENGTH);
	strbuf_string(&buf, "a=0");
	while (buf.len + 9 < CONDITION_MAX_LENGTH)
		strbuf_string(&buf, buf.len % 2 ? " OR a=1" : " AND a=1 ");
	assert_int_equal(condition_eval(compile(&f, strbuf_get(&buf)),
				 vectors_parse(f.arena, "{\"a\":2}")),
		TRUTH_FALSE);
	strbuf_clear(&buf);
	while (buf.len < CONDITION_MAX_LENGTH)
		strbuf_char(&buf, '(');
	assert_null(compile(&f, strbuf_get(&buf)));
	strbuf_clear(&buf);
	while (buf.len + 4 <= CONDITION_MAX_LENGTH)
		strbuf_string(&buf, "NOT(");
	assert_null(compile(&f, strbuf_get(&buf)));
	arena_free(f.arena);
}

static void condition_reports_all_wrong_predicates(void **state)
{
	struct fixture f;

	fixture_open(&f);
	f.scope.model = model_compile(
		vectors_parse_node(f.arena, "{\"a\":\"Number\",\"b\":\"String\"}"), f.arena,
		f.diag);
	assert_null(compile(&f, TEXT("x = 1 AND a = 'x' OR NOT (b = 1 AND y = z)")));
	assert_int_equal(diag_errors(f.diag), 5);
	arena_free(f.arena);
}

/* A scalar with folds or escapes has no exact places inside. */
static void condition_places_need_exact_text(void **state)
{
	struct fixture f;
	struct source source = { "file", TEXT("condition: \"x \\\n = 1\"") };
	struct place place = { &source, 12, 9, false };

	fixture_open(&f);
	f.scope.model = model_compile(
		vectors_parse_node(f.arena, "{\"a\":\"Number\"}"), f.arena, f.diag);
	assert_null(condition_compile(TEXT("x  = 1"), place, &f.scope, f.arena, f.diag));
	assert_int_equal(diag_message(f.diag, 0)->place.offset, 12);
	assert_int_equal(diag_message(f.diag, 0)->place.length, 9);
	arena_free(f.arena);
}

static void condition_trace_gives_every_term(void **state)
{
	static const struct {
		const char *text;
		unsigned depth;
		enum truth truth;
	} expected[] = {
		{ "a = 1 OR (b = 2 AND NOT c IS NULL) OR NOT(d IN (1,2))", 0, TRUTH_TRUE },
		{ "a = 1", 1, TRUTH_TRUE },
		{ "b = 2 AND NOT c IS NULL", 1, TRUTH_FALSE },
		{ "b = 2", 2, TRUTH_UNKNOWN },
		{ "NOT c IS NULL", 2, TRUTH_FALSE },
		{ "c IS NULL", 3, TRUTH_TRUE },
		{ "NOT(d IN (1,2))", 1, TRUTH_FALSE },
		{ "d IN (1,2)", 2, TRUTH_TRUE },
	};
	struct text text = text_of(expected[0].text);
	struct fixture f;
	const struct condition_term *terms;
	size_t count;

	fixture_open(&f);
	assert_int_equal(condition_trace(compile(&f, text),
				 vectors_parse(f.arena, "{\"a\":1,\"d\":2}"), f.arena,
				 &terms, &count),
		TRUTH_TRUE);
	assert_int_equal(count, array_len(expected));
	for (size_t i = 0; i < count; i++) {
		struct text term = { text.at + terms[i].offset, terms[i].length };

		if (!text_is(term, expected[i].text) ||
			terms[i].depth != expected[i].depth ||
			terms[i].truth != expected[i].truth)
			fail_msg("%zu: %.*s, depth %u, %s", i, TEXT_ARG(term),
				terms[i].depth, truths[terms[i].truth]);
	}
	arena_free(f.arena);
}

/* LIKE by its definition, slow and plain. */
static bool naive_like(const char *p, const char *t)
{
	if (*p == '\0')
		return *t == '\0';
	if (*p == '%')
		return naive_like(p + 1, t) || (*t && naive_like(p, t + 1));
	if (*p == '\\')
		p++;
	else if (*p == '_')
		return *t && naive_like(p + 1, t + 1);
	return *p == *t && naive_like(p + 1, t + 1);
}

static void spell(char *out, const char *letters, size_t base, size_t number)
{
	for (; number > 0; number /= base + 1)
		if (number % (base + 1))
			*out++ = letters[number % (base + 1) - 1];
	*out = '\0';
}

static void like_agrees_with_its_definition(void **state)
{
	char pattern[16], text[16];

	for (size_t i = 0; i < 3125; i++) {
		struct arena *arena = arena_new();
		const struct like *like;

		spell(pattern, "ab%_", 4, i);
		like = like_compile(text_of(pattern), arena);
		for (size_t k = 0; k < 243; k++) {
			spell(text, "ab", 2, k);
			if (like_matches(like, text_of(text)) != naive_like(pattern, text))
				fail_msg("'%s' LIKE '%s'", text, pattern);
		}
		arena_free(arena);
	}
}

static void like_is_linear_where_it_can_be(void **state)
{
	struct arena *arena = arena_new();
	size_t len = 1 << 20;
	char *text = arena_alloc(arena, len);
	struct strbuf buf;

	memset(text, 'a', len);
	strbuf_init_arena(&buf, arena, 60000);
	for (size_t i = 0; i < 10000; i++)
		strbuf_string(&buf, "%aaa");
	strbuf_string(&buf, "%b");
	assert_false(like_matches(
		like_compile(strbuf_get(&buf), arena), (struct text){ text, len }));
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conditions_of_the_table),
		cmocka_unit_test(conditions_that_do_not_load),
		cmocka_unit_test(condition_blank_always_matches),
		cmocka_unit_test(condition_length_is_bounded),
		cmocka_unit_test(condition_may_be_long_but_not_deep),
		cmocka_unit_test(condition_reports_all_wrong_predicates),
		cmocka_unit_test(condition_places_need_exact_text),
		cmocka_unit_test(condition_trace_gives_every_term),
		cmocka_unit_test(like_agrees_with_its_definition),
		cmocka_unit_test(like_is_linear_where_it_can_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
