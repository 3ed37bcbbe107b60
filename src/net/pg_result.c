/*
 * pg_result.c - what PostgreSQL answered, as an outcome.
 *
 * Numbers keep the digits that the server printed; what JSON has no notation for (NaN,
 * infinity, json that our strict parser refuses) stays text. Refused: leaving out `rows`
 * when a statement returns none of them: a result set of no rows is still one.
 */
#include "net/pg_result.h"

#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "net/pg_connection.h"
#include "value/decimal.h"
#include "value/json.h"

#define FIELD_MAX 8192 /* bytes of detail, of hint and of context; longer ones are cut */
#define MORE_MAX  (3 * (FIELD_MAX + sizeof("\n...")))

enum {
	TYPE_BOOL = 16,
	TYPE_INT8 = 20,
	TYPE_INT2 = 21,
	TYPE_INT4 = 23,
	TYPE_OID = 26,
	TYPE_JSON = 114,
	TYPE_FLOAT4 = 700,
	TYPE_FLOAT8 = 701,
	TYPE_NUMERIC = 1700,
	TYPE_JSONB = 3802
};

/* ---- errors ---- */

/* In order: the first row that the SQLSTATE begins with. */
static const struct {
	const char *prefix;
	enum err err;
} errors[] = {
	{ "57014", ERR_PG_CANCELLED },
	{ "40001", ERR_PG_CONFLICT },
	{ "40P01", ERR_PG_CONFLICT },
	{ "55P03", ERR_PG_CONFLICT },
	{ "57P01", ERR_PG_LOST },
	{ "57P02", ERR_PG_LOST },
	{ "08", ERR_PG_LOST },
	{ "53", ERR_PG_RESOURCES },
	{ "57", ERR_PG_RESOURCES },
	{ "58", ERR_PG_RESOURCES },
	{ "23", ERR_PG_CONSTRAINT },
	{ "42501", ERR_PG_DENIED },
	{ "22", ERR_PG_STATEMENT },
	{ "42", ERR_PG_STATEMENT },
};

enum err pg_result_error(const char *sqlstate)
{
	if (!*sqlstate)
		return ERR_PG_LOST; /* libpq's own: it understood no answer of the server */
	for (size_t i = 0; i < array_len(errors); i++) {
		if (strncmp(sqlstate, errors[i].prefix, strlen(errors[i].prefix)) == 0)
			return errors[i].err;
	}
	return ERR_PG_OTHER;
}

static void append_field(struct strbuf *out, const PGresult *result, int field)
{
	const char *text = PQresultErrorField(result, field);
	size_t len = text ? strnlen(text, FIELD_MAX + 1) : 0;
	bool cut = len > FIELD_MAX;

	if (len == 0)
		return;
	if (cut) {
		len = FIELD_MAX;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--; /* no half of a character */
	}
	if (out->len)
		strbuf_char(out, '\n');
	strbuf_bytes(out, text, len);
	if (cut)
		strbuf_string(out, "...");
}

void pg_result_failure(const PGresult *result, enum err err, const char *account,
	struct arena *arena, struct outcome *outcome)
{
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	struct strbuf more;
	struct errbuf own;
	char ignored[6];

	if (!message) {
		pg_message_clean(PQresultErrorMessage(result), &own, ignored);
		message = own.text;
	}
	strbuf_init_arena(&more, arena, MORE_MAX);
	append_field(&more, result, PG_DIAG_MESSAGE_DETAIL);
	append_field(&more, result, PG_DIAG_MESSAGE_HINT);
	append_field(&more, result, PG_DIAG_CONTEXT);
	outcome->err = err;
	outcome->code = err_kind(err)->code;
	outcome->message = text_of(arena_printf(
		arena, "%s: %.2000s", account, *message ? message : err_kind(err)->text));
	outcome->detail = arena_text(arena, text_of(sqlstate));
	outcome->more = strbuf_get(&more);
	outcome->payload = NULL;
}

/* ---- rows ---- */

static struct value cell_json(struct text t, struct arena *arena)
{
	struct json_error error;
	const struct value *parsed = json_parse(arena, t, JSON_MAX_DEPTH, &error);

	return parsed ? *parsed : (struct value){ .type = VALUE_STRING, .text = t };
}

static struct value cell(const PGresult *result, int row, int column, struct arena *arena)
{
	struct text t;

	if (PQgetisnull(result, row, column))
		return value_null;
	t.at = PQgetvalue(result, row, column);
	t.len = (size_t)PQgetlength(result, row, column);
	switch (PQftype(result, column)) {
	case TYPE_BOOL:
		return (struct value){ .type = VALUE_BOOLEAN, .boolean = *t.at == 't' };
	case TYPE_INT8:
	case TYPE_INT2:
	case TYPE_INT4:
	case TYPE_OID:
	case TYPE_FLOAT4:
	case TYPE_FLOAT8:
	case TYPE_NUMERIC:
		return (struct value){ .type = decimal_valid(t) ? VALUE_NUMBER
								: VALUE_STRING,
			.text = arena_text(arena, t) };
	case TYPE_JSON:
	case TYPE_JSONB:
		return cell_json(arena_text(arena, t), arena);
	default:
		return (struct value){ .type = VALUE_STRING, .text = arena_text(arena, t) };
	}
}

/* Columns to show: of two with one name the last stands, since an object's names are
 * unique. */
static size_t pick_columns(const PGresult *result, int *picked)
{
	int columns = PQnfields(result);
	size_t count = 0;

	for (int i = 0; i < columns; i++) {
		picked[count++] = i;
		for (int later = i + 1; later < columns; later++) {
			if (strcmp(PQfname(result, i), PQfname(result, later)) == 0) {
				count--;
				break;
			}
		}
	}
	return count;
}

static size_t row_bytes(const PGresult *result, int row)
{
	size_t bytes = 2;

	for (int column = 0; column < PQnfields(result); column++)
		bytes += (size_t)PQgetlength(result, row, column) +
			 strlen(PQfname(result, column)) + 4;
	return bytes;
}

static void begin_rows(struct pg_rows *rows, const PGresult *result, struct arena *arena)
{
	size_t fields = (size_t)PQnfields(result);
	int *picked = arena_zalloc(arena, fields + 1, sizeof(*picked));
	struct text *names = arena_zalloc(arena, fields + 1, sizeof(*names));

	rows->columns = pick_columns(result, picked);
	for (size_t i = 0; i < rows->columns; i++)
		names[i] = arena_text(arena, text_of(PQfname(result, picked[i])));
	rows->picked = picked;
	rows->names = names;
}

static void keep_row(
	struct pg_rows *rows, const PGresult *result, int row, struct arena *arena)
{
	struct member *members = arena_zalloc(arena, rows->columns + 1, sizeof(*members));
	size_t size = rows->capacity * sizeof(*rows->items);

	for (size_t i = 0; i < rows->columns; i++) {
		members[i].name = rows->names[i];
		members[i].value = cell(result, row, rows->picked[i], arena);
	}
	if (rows->count == rows->capacity) {
		rows->capacity = rows->capacity ? rows->capacity * 2 : 4;
		rows->items = arena_grow(
			arena, rows->items, size, rows->capacity * sizeof(*rows->items));
	}
	rows->items[rows->count++] = (struct value){ .type = VALUE_OBJECT,
		.object = { members, rows->columns } };
}

void pg_rows_add(
	struct pg_rows *rows, const PGresult *result, size_t limit, struct arena *arena)
{
	for (int row = 0; row < PQntuples(result); row++) {
		rows->bytes += row_bytes(result, row);
		if (rows->bytes > limit)
			rows->truncated = true;
		if (rows->truncated || !arena)
			continue;
		if (!rows->names)
			begin_rows(rows, result, arena);
		keep_row(rows, result, row, arena);
	}
}

void pg_result_success(const PGresult *result, const struct pg_rows *rows,
	struct arena *arena, struct outcome *outcome)
{
	/* PQcmdStatus and PQcmdTuples only lack the const: neither changes the result. */
	const char *tag = PQcmdStatus((PGresult *)result);
	const char *count = PQcmdTuples((PGresult *)result);
	struct member *members = arena_zalloc(arena, 3, sizeof(*members));
	struct value *payload = arena_zalloc(arena, 1, sizeof(*payload));
	struct text command = { tag, strcspn(tag, " ") };

	members[0].name = TEXT("command");
	members[0].value = (struct value){ .type = VALUE_STRING,
		.text = arena_text(arena, command) };
	members[1].name = TEXT("rowCount");
	if (*count)
		members[1].value = (struct value){ .type = VALUE_NUMBER,
			.text = arena_text(arena, text_of(count)) };
	payload->type = VALUE_OBJECT;
	payload->object.members = members;
	payload->object.count = 2;
	if (PQresultStatus(result) == PGRES_TUPLES_OK) {
		members[2].name = TEXT("rows");
		members[2].value = (struct value){ .type = VALUE_ARRAY,
			.array = { rows->items, rows->count } };
		payload->object.count = 3;
		outcome->truncated = rows->truncated;
	}
	outcome->payload = payload;
}
