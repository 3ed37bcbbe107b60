/*
 * sql_name.c - names in SQL statements: literal text and wildcards, always quoted identifiers.
 *
 * A name is cut at the dots of its literal text only, so a wildcard's value can never add a dot
 * that means something. Refused: leaving simple names unquoted, which would fold their case and
 * let keywords through.
 */
#include "service/sql_name.h"

#include <string.h>

/* A name being cut into identifiers. */
struct cutter {
	struct sql_name *name;
	size_t max; /* identifiers */
	struct arena *arena;
	const struct node *node;
	struct diag *diag;
};

static void add_piece(struct cutter *cutter, struct sql_piece piece)
{
	struct sql_identifier *last = &cutter->name->parts[cutter->name->count - 1];
	size_t size = last->count * sizeof(piece);

	last->pieces = last->count ? arena_grow(cutter->arena, last->pieces, size,
					     size + sizeof(piece))
				   : arena_alloc(cutter->arena, sizeof(piece));
	last->pieces[last->count++] = piece;
}

static bool refuse(struct cutter *cutter, const char *why)
{
	diag_error(cutter->diag, cutter->node->place, "%s: %s", cutter->name->field, why);
	return false;
}

/* One identifier is complete. */
static bool check_last(struct cutter *cutter)
{
	const struct sql_identifier *last = &cutter->name->parts[cutter->name->count - 1];
	size_t len = 0;

	if (last->count == 0)
		return refuse(cutter, "an empty name");
	for (size_t i = 0; i < last->count; i++) {
		len += last->pieces[i].literal.len;
		if (last->pieces[i].literal.len && memchr(last->pieces[i].literal.at, '\0',
							   last->pieces[i].literal.len))
			return refuse(cutter, "a name cannot hold a NUL character");
	}
	if (len > SQL_NAME_MAX)
		return refuse(cutter, "PostgreSQL's names have at most 63 bytes");
	return true;
}

static bool begin_next(struct cutter *cutter)
{
	if (!check_last(cutter))
		return false;
	if (cutter->name->count == cutter->max)
		return refuse(cutter, "too many dots: at most schema.table is served");
	cutter->name->count++;
	return true;
}

static bool cut_literal(struct cutter *cutter, struct text t)
{
	while (t.len > 0) {
		const char *dot = cutter->max > 1 ? memchr(t.at, '.', t.len) : NULL;
		size_t len = dot ? (size_t)(dot - t.at) : t.len;

		if (len > 0)
			add_piece(cutter, (struct sql_piece){ NULL, { t.at, len } });
		if (!dot)
			return true;
		if (!begin_next(cutter))
			return false;
		t = (struct text){ dot + 1, t.len - len - 1 };
	}
	return true;
}

static bool cut(struct cutter *cutter, const struct template *template)
{
	const struct template *const *parts;
	size_t count = template_parts(template, &parts);

	cutter->name->count = 1;
	for (size_t i = 0; i < count; i++) {
		if (!template_is_literal(parts[i]))
			add_piece(cutter, (struct sql_piece){ parts[i], { NULL, 0 } });
		else if (!cut_literal(cutter, template_literal(parts[i])))
			return false;
	}
	return check_last(cutter);
}

static bool is_name(const struct node *node)
{
	return node && (node->kind == NODE_STRING || node->kind == NODE_NUMBER ||
			       node->kind == NODE_BOOLEAN);
}

bool sql_name_compile(const struct node *scalar, const char *field, size_t parts,
	const struct scope *scope, struct arena *arena, struct diag *diag,
	struct sql_name *out)
{
	struct cutter cutter = { out, parts, arena, scalar, diag };
	size_t errors = diag_errors(diag);
	const struct template *template;

	memset(out, 0, sizeof(*out));
	out->field = field;
	if (!is_name(scalar)) {
		diag_error(diag, scalar->place, "%s: a name is wanted, not %s", field,
			node_kind_name(scalar->kind));
		return false;
	}
	template = template_compile(scalar, field, scope, arena, diag);
	return diag_errors(diag) == errors && cut(&cutter, template);
}

bool sql_names_compile(const struct node *list, const char *field,
	const struct scope *scope, struct arena *arena, struct diag *diag,
	struct sql_names *out)
{
	bool good = true;

	out->items = NULL;
	out->count = 0;
	if (node_is_null(list))
		return true;
	if (list->kind != NODE_LIST) {
		diag_error(diag, list->place, "'%s' wants a list of columns, not %s", field,
			node_kind_name(list->kind));
		return false;
	}
	out->items = arena_zalloc(arena, list->count + 1, sizeof(*out->items));
	for (size_t i = 0; i < list->count; i++) {
		if (!sql_name_compile(list->items[i], field, 1, scope, arena, diag,
			    &out->items[out->count++]))
			good = false;
	}
	return good;
}

bool sql_name_is_literal(const struct sql_name *name)
{
	for (size_t i = 0; i < name->count; i++) {
		for (size_t j = 0; j < name->parts[i].count; j++) {
			if (name->parts[i].pieces[j].wildcard)
				return false;
		}
	}
	return true;
}

bool sql_names_are_literal(const struct sql_names *names)
{
	for (size_t i = 0; i < names->count; i++) {
		if (!sql_name_is_literal(&names->items[i]))
			return false;
	}
	return true;
}

struct text sql_name_literal(const struct sql_name *name)
{
	return name->parts[0].pieces[0].literal;
}

void sql_identifier_append(struct strbuf *sql, struct text identifier)
{
	strbuf_char(sql, '"');
	for (size_t i = 0; i < identifier.len; i++) {
		if (identifier.at[i] == '"')
			strbuf_char(sql, '"');
		strbuf_char(sql, identifier.at[i]);
	}
	strbuf_char(sql, '"');
}

static bool has_nul(struct text t)
{
	return t.len > 0 && memchr(t.at, '\0', t.len);
}

/* The piece's text in this run. False: it has none; the reason is in errbuf. */
static bool piece_text(const struct sql_piece *piece, const struct sql_name *name,
	const struct values *values, struct arena *arena, struct text *out,
	struct errbuf *errbuf)
{
	bool is_null;

	*out = piece->literal;
	if (!piece->wildcard)
		return true;
	if (!template_text(piece->wildcard, values, arena, false, out, &is_null, errbuf))
		return false;
	if (is_null && !template_is_optional(piece->wildcard)) {
		errbuf_set(errbuf, "wildcard %.*s in %s: no value",
			TEXT_ARG(template_written(piece->wildcard)), name->field);
		return false;
	}
	if (has_nul(*out)) {
		errbuf_set(errbuf,
			"%s contains a NUL character, which PostgreSQL text cannot hold",
			name->field);
		return false;
	}
	return true;
}

static bool append_identifier(struct strbuf *sql, const struct sql_identifier *identifier,
	const struct sql_name *name, const struct values *values, struct arena *arena,
	struct errbuf *errbuf)
{
	struct strbuf whole;
	struct text piece;

	strbuf_init_arena(&whole, arena, SQL_NAME_MAX);
	for (size_t i = 0; i < identifier->count; i++) {
		if (!piece_text(
			    &identifier->pieces[i], name, values, arena, &piece, errbuf))
			return false;
		strbuf_text(&whole, piece);
	}
	if (whole.failed) {
		errbuf_set(errbuf, "%s is longer than the %d bytes of PostgreSQL's names",
			name->field, SQL_NAME_MAX);
		return false;
	}
	if (whole.len == 0) {
		errbuf_set(errbuf, "%s is empty", name->field);
		return false;
	}
	sql_identifier_append(sql, strbuf_get(&whole));
	return true;
}

bool sql_name_append(struct strbuf *sql, const struct sql_name *name,
	const struct values *values, struct arena *arena, struct errbuf *errbuf)
{
	for (size_t i = 0; i < name->count; i++) {
		if (i > 0)
			strbuf_char(sql, '.');
		if (!append_identifier(sql, &name->parts[i], name, values, arena, errbuf))
			return false;
	}
	return true;
}

bool sql_names_append(struct strbuf *sql, const struct sql_names *names,
	const struct values *values, struct arena *arena, struct errbuf *errbuf)
{
	for (size_t i = 0; i < names->count; i++) {
		if (i > 0)
			strbuf_string(sql, ", ");
		if (!sql_name_append(sql, &names->items[i], values, arena, errbuf))
			return false;
	}
	return true;
}
