/*
 * template_render.c - a template's value or text in one run.
 *
 * A wildcard that stands alone hands the payload's own value on, without a copy. Mixed text
 * is put together once, its length known first. Refused: writing straight into a
 * connector's buffer, since each service escapes a value its own way.
 */
#include "value/template_parts.h"

#include "value/decimal.h"
#include "value/json.h"

/* More than any request may have, so that hundreds of {$payload} in one text end here and
 * not at the end of memory. */
#define TEXT_MAX ((size_t)64 * 1024 * 1024)

static bool is_null(const struct value *v)
{
	return !v || v->type == VALUE_NULL;
}

/* The wildcard's value, its default in place of none; may be NULL or null. */
static const struct value *look_up(
	const struct template *t, const struct values *values, struct arena *arena)
{
	const struct value *v = scope_value(&t->binding, values, arena);

	return is_null(v) && t->fallback ? t->fallback : v;
}

static bool as_json(struct arena *arena, const struct value *v, struct text *out)
{
	struct strbuf buf;

	strbuf_init_arena(&buf, arena, TEXT_MAX);
	json_append(&buf, v);
	*out = strbuf_get(&buf);
	return !buf.failed;
}

/* A scalar as text; false for arrays and objects. */
static bool scalar_text(const struct value *v, struct text *out)
{
	switch (v->type) {
	case VALUE_NULL:
		*out = TEXT("");
		return true;
	case VALUE_BOOLEAN:
		*out = v->boolean ? TEXT("true") : TEXT("false");
		return true;
	case VALUE_NUMBER:
	case VALUE_STRING:
		*out = v->text;
		return true;
	default:
		return false;
	}
}

static bool fail_length(const struct template *t, struct errbuf *errbuf)
{
	errbuf_set(errbuf, "%s: the text is longer than 64 MiB", t->field);
	return false;
}

static bool value_text(const struct template *t, const struct value *v, struct arena *arena,
	struct text *out, struct errbuf *errbuf)
{
	if (scalar_text(v, out) || as_json(arena, v, out))
		return true;
	return fail_length(t, errbuf);
}

static const struct value *fail_conversion(const struct template *t, const struct value *v,
	const char *wanted, struct errbuf *errbuf)
{
	errbuf_set(errbuf, "%s: a %s cannot be converted to a %s", t->field,
		value_type_name(v->type), wanted);
	return NULL;
}

static const struct value *to_number(const struct template *t, const struct value *v,
	struct arena *arena, struct errbuf *errbuf)
{
	if (v->type == VALUE_NUMBER)
		return v;
	if (v->type == VALUE_STRING) {
		struct text digits = text_trim(v->text);

		if (decimal_valid(digits) && digits.len <= JSON_MAX_DIGITS)
			return value_number(arena, digits);
	}
	return fail_conversion(t, v, "Number", errbuf);
}

static const struct value *to_boolean(const struct template *t, const struct value *v,
	struct arena *arena, struct errbuf *errbuf)
{
	struct text text;

	if (v->type == VALUE_BOOLEAN)
		return v;
	if (v->type == VALUE_STRING) {
		text = text_trim(v->text);
		if (text_is_nocase(text, "true") || text_is_nocase(text, "false"))
			return value_boolean(arena, text_is_nocase(text, "true"));
	}
	return fail_conversion(t, v, "Boolean", errbuf);
}

/* What `::Type` makes of the value; null stays null. */
static const struct value *convert(const struct template *t, const struct value *v,
	struct arena *arena, struct errbuf *errbuf)
{
	struct text text;

	if (v->type == VALUE_NULL)
		return v;
	switch (t->conversion) {
	case CONVERT_NONE:
		return v;
	case CONVERT_NUMBER:
		return to_number(t, v, arena, errbuf);
	case CONVERT_BOOLEAN:
		return to_boolean(t, v, arena, errbuf);
	case CONVERT_STRING:
		break;
	}
	if (v->type == VALUE_STRING)
		return v;
	return value_text(t, v, arena, &text, errbuf) ? value_string(arena, text) : NULL;
}

/* One part of mixed text; false: it has no value. */
static bool part_text(const struct template *part, const struct values *values,
	struct arena *arena, struct text *out, struct errbuf *errbuf)
{
	const struct value *v;

	if (part->kind == TEMPLATE_LITERAL) {
		*out = part->text;
		return true;
	}
	v = look_up(part, values, arena);
	if (!is_null(v))
		return value_text(part, v, arena, out, errbuf);
	*out = TEXT("");
	if (part->optional)
		return true;
	errbuf_set(
		errbuf, "wildcard %.*s in %s: no value", TEXT_ARG(part->text), part->field);
	return false;
}

static bool mixed_text(const struct template *t, const struct values *values,
	struct arena *arena, struct text *out, struct errbuf *errbuf)
{
	struct text *texts = arena_alloc(arena, t->count * sizeof(*texts));
	char *bytes;
	size_t len = 0;

	for (size_t i = 0; i < t->count; i++) {
		if (!part_text(t->parts[i], values, arena, &texts[i], errbuf))
			return false;
		len += texts[i].len;
		if (len > TEXT_MAX)
			return fail_length(t, errbuf);
	}
	bytes = arena_alloc(arena, len ? len : 1);
	*out = (struct text){ bytes, len };
	for (size_t i = 0; i < t->count; i++) {
		if (texts[i].len)
			memcpy(bytes, texts[i].at, texts[i].len);
		bytes += texts[i].len;
	}
	return true;
}

const struct value *template_value(const struct template *template,
	const struct values *values, struct arena *arena, bool *absent,
	struct errbuf *errbuf)
{
	const struct value *v;
	struct text text;

	if (absent)
		*absent = false;
	switch (template->kind) {
	case TEMPLATE_LITERAL:
		return template->value;
	case TEMPLATE_WILDCARD:
		v = look_up(template, values, arena);
		if (absent)
			*absent = is_null(v);
		if (!v)
			v = &value_null;
		break;
	default:
		if (!mixed_text(template, values, arena, &text, errbuf))
			return NULL;
		v = value_string(arena, text);
	}
	if (template->conversion == CONVERT_NONE)
		return v;
	return convert(template, v, arena, errbuf);
}

bool template_text(const struct template *template, const struct values *values,
	struct arena *arena, bool json_allowed, struct text *out, bool *is_null_out,
	struct errbuf *errbuf)
{
	const struct value *v;

	*is_null_out = false;
	if (template->kind == TEMPLATE_MIXED && template->conversion == CONVERT_NONE)
		return mixed_text(template, values, arena, out, errbuf);
	v = template_value(template, values, arena, NULL, errbuf);
	if (!v)
		return false;
	*is_null_out = v->type == VALUE_NULL;
	if (scalar_text(v, out))
		return true;
	if (json_allowed)
		return value_text(template, v, arena, out, errbuf);
	errbuf_set(errbuf, "wildcard %.*s in %s: an %s cannot stand here",
		TEXT_ARG(template->text), template->field, value_type_name(v->type));
	return false;
}
