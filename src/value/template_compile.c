/*
 * template_compile.c - a scalar's text to literal pieces and bound wildcards.
 *
 * Everything that can be known before a run is done here: literals are values already, and
 * a wildcard has its binding and its default. Refused: expanding text at run time, where
 * a value could bring a wildcard of its own.
 */
#include "value/template_parts.h"

#include "value/decimal.h"
#include "value/wildcard.h"

/* One text on its way to a template. */
struct compiler {
	const struct node *node;
	struct text text;
	const char *field;
	const struct scope *scope;
	struct arena *arena;
	struct diag *diag;
	bool typed;
	struct strbuf literal; /* the piece being collected */
	bool open_brace;       /* it ends with a { that is literal without an escape */
	const struct template **parts;
	size_t count, capacity;
	enum conversion conversion;
	bool refused; /* a mistake was reported */
};

static struct place place_of(const struct compiler *c, size_t at, size_t len)
{
	return place_within_text(c->node->place, c->text, at, len);
}

static struct template *template_new(const struct compiler *c, enum template_kind kind)
{
	struct template *t = arena_zalloc(c->arena, 1, sizeof(*t));
	const struct template **self = arena_alloc(c->arena, sizeof(*self));

	*self = t;
	t->kind = kind;
	t->field = c->field;
	t->parts = self;
	t->count = 1;
	return t;
}

static struct template *literal_new(
	const struct compiler *c, const struct value *value, struct text text)
{
	struct template *t = template_new(c, TEMPLATE_LITERAL);

	t->value = value;
	t->text = text;
	return t;
}

static void add_part(struct compiler *c, const struct template *part)
{
	size_t size = c->capacity * sizeof(part);

	if (c->count == c->capacity) {
		c->capacity = c->capacity ? c->capacity * 2 : 4;
		c->parts = size ? arena_grow(c->arena, c->parts, size, size * 2)
				: arena_alloc(c->arena, c->capacity * sizeof(part));
	}
	c->parts[c->count++] = part;
}

/* Ends the literal piece being collected. */
static void flush(struct compiler *c)
{
	struct text text = strbuf_get(&c->literal);

	if (text.len == 0)
		return;
	add_part(c, literal_new(c, value_string(c->arena, text), text));
	strbuf_init_arena(&c->literal, c->arena, SIZE_MAX);
}

/* False: it was refused. */
static bool add_wildcard(struct compiler *c, size_t at, const struct wildcard *wildcard)
{
	struct template *part = template_new(c, TEMPLATE_WILDCARD);

	part->text = (struct text){ c->text.at + at, wildcard->len };
	part->optional = wildcard->optional;
	part->fallback = wildcard->fallback;
	add_part(c, part);
	if (wildcard->mistake) {
		diag_error(
			c->diag, place_of(c, at, wildcard->len), "%s", wildcard->mistake);
		return false;
	}
	if (c->open_brace && at + wildcard->len < c->text.len &&
		c->text.at[at + wildcard->len] == '}') {
		diag_warning(c->diag, place_of(c, at - 1, wildcard->len + 2),
			"this is a brace, the value of %.*s, and a brace",
			TEXT_ARG(part->text));
		diag_hint(c->diag, "a wildcard has single braces: %.*s",
			TEXT_ARG(part->text));
	}
	if (scope_bind(c->scope, wildcard->path, place_of(c, at + 1, wildcard->path_len),
		    c->arena, c->diag, &part->binding))
		return true;
	part->binding.arrays = 0; /* one mistake, one message: check_mixed() says no more */
	return false;
}

/* Whether the rest of a typed text is one `::Type`, the conversion of the whole. */
static bool read_conversion(struct compiler *c, size_t at)
{
	static const struct {
		const char *text;
		enum conversion conversion;
	} suffixes[] = {
		{ "::String", CONVERT_STRING },
		{ "::Number", CONVERT_NUMBER },
		{ "::Boolean", CONVERT_BOOLEAN },
		{ "::any", CONVERT_NONE },
	};
	struct text rest = { c->text.at + at, c->text.len - at };

	for (size_t i = 0; c->typed && i < array_len(suffixes); i++) {
		if (text_is_nocase(rest, suffixes[i].text)) {
			c->conversion = suffixes[i].conversion;
			return true;
		}
	}
	return false;
}

/*
 * Backslashes before a brace: an odd one makes it literal, the pairs before it are one each.
 * An even number stands for half before a wildcard and for itself before any other brace, so
 * that JSON text needs no care. Returns where to go on; the brace stands at `brace`.
 */
static size_t take_brace(struct compiler *c, size_t at, size_t brace)
{
	struct text rest = { c->text.at + brace, c->text.len - brace };
	size_t slashes = brace - at;
	struct wildcard wildcard;

	if (slashes % 2 == 1) {
		strbuf_bytes(&c->literal, c->text.at + at, slashes / 2);
		strbuf_char(&c->literal, '{');
		c->open_brace = false;
		return brace + 1;
	}
	if (!wildcard_read(c->arena, rest, &wildcard)) {
		strbuf_bytes(&c->literal, c->text.at + at, slashes + 1);
		c->open_brace = true;
		return brace + 1;
	}
	strbuf_bytes(&c->literal, c->text.at + at, slashes / 2);
	c->open_brace = c->open_brace && slashes == 0;
	flush(c);
	c->refused |= !add_wildcard(c, brace, &wildcard);
	c->open_brace = false;
	brace += wildcard.len;
	return read_conversion(c, brace) ? c->text.len : brace;
}

static void scan(struct compiler *c)
{
	size_t i = 0;

	while (i < c->text.len) {
		size_t end = i;

		while (end < c->text.len && c->text.at[end] == '\\')
			end++;
		if (end < c->text.len && c->text.at[end] == '{') {
			i = take_brace(c, i, end);
			continue;
		}
		if (end == i)
			end++;
		strbuf_bytes(&c->literal, c->text.at + i, end - i);
		c->open_brace = false;
		i = end;
	}
	flush(c);
}

/* Mixed text is one text: what cannot become a part of it is refused. */
static void check_mixed(struct compiler *c)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct template *part = c->parts[i];

		if (part->binding.arrays == 0)
			continue;
		c->refused = true;
		diag_error(c->diag,
			place_of(c, (size_t)(part->text.at - c->text.at), part->text.len),
			"%.*s goes through an array, and has many values beside other text",
			TEXT_ARG(part->text));
		diag_hint(c->diag, "an index behind the array's name chooses one, as in "
				   "{items.0.price}");
	}
}

static struct template *compile_text(struct compiler *c)
{
	struct template *t;

	strbuf_init_arena(&c->literal, c->arena, SIZE_MAX);
	scan(c);
	if (c->count > 1)
		check_mixed(c);
	if (c->count == 0 || c->refused)
		return literal_new(c, value_string(c->arena, c->text), c->text);
	if (c->count == 1) {
		t = (struct template *)c->parts[0];
	} else {
		t = template_new(c, TEMPLATE_MIXED);
		t->parts = c->parts;
		t->count = c->count;
	}
	t->conversion = c->conversion;
	return t;
}

static struct template *refuse_kind(struct compiler *c)
{
	if (c->node->kind != NODE_MAP || template_check_map(c->node, c->arena, c->diag))
		diag_error(c->diag, c->node->place, "%s should be text, not %s", c->field,
			node_kind_name(c->node->kind));
	return literal_new(c, &value_null, TEXT(""));
}

static struct template *compile(struct compiler *c)
{
	const struct node *node = c->node;

	if (node_is_null(node))
		return literal_new(c, &value_null, TEXT(""));
	c->text = node->text;
	switch (node->kind) {
	case NODE_BOOLEAN:
		return literal_new(c, value_boolean(c->arena, node->boolean),
			node->boolean ? TEXT("true") : TEXT("false"));
	case NODE_NUMBER:
		/* YAML knows notations that JSON does not; those stay text. */
		return literal_new(c,
			decimal_valid(node->text) ? value_number(c->arena, node->text)
						  : value_string(c->arena, node->text),
			node->text);
	case NODE_STRING:
		return compile_text(c);
	default:
		return refuse_kind(c);
	}
}

struct template *template_compile(const struct node *scalar, const char *field,
	const struct scope *scope, struct arena *arena, struct diag *diag)
{
	struct compiler c = {
		.node = scalar, .field = field, .scope = scope, .arena = arena, .diag = diag
	};

	return compile(&c);
}

struct template *template_compile_typed(const struct node *scalar, const char *field,
	const struct scope *scope, struct arena *arena, struct diag *diag)
{
	struct compiler c = { .node = scalar,
		.field = field,
		.scope = scope,
		.arena = arena,
		.diag = diag,
		.typed = true };

	return compile(&c);
}

bool template_is_literal(const struct template *template)
{
	return template->kind == TEMPLATE_LITERAL;
}

bool template_is_wildcard(const struct template *template)
{
	return template->kind == TEMPLATE_WILDCARD;
}

const struct binding *template_binding(const struct template *template)
{
	return template->kind == TEMPLATE_WILDCARD ? &template->binding : NULL;
}

bool template_is_optional(const struct template *template)
{
	return template->kind == TEMPLATE_WILDCARD && template->optional;
}

struct text template_written(const struct template *template)
{
	return template->kind == TEMPLATE_WILDCARD ? template->text : TEXT("");
}

bool template_may_lack(const struct template *template)
{
	return template->kind == TEMPLATE_WILDCARD && !template->optional &&
	       !template->fallback && template->binding.model &&
	       !template->binding.required;
}

bool template_is_scalar(const struct template *template)
{
	const struct binding *binding = &template->binding;

	if (template->kind != TEMPLATE_WILDCARD || template->conversion != CONVERT_NONE)
		return true;
	return !binding->open && binding->arrays == 0 && binding->type != MODEL_ANY &&
	       binding->type != MODEL_ARRAY && binding->type != MODEL_OBJECT;
}

struct text template_literal(const struct template *template)
{
	return template->kind == TEMPLATE_LITERAL ? template->text : TEXT("");
}

size_t template_parts(const struct template *template, const struct template *const **parts)
{
	*parts = template->parts;
	return template->count;
}
