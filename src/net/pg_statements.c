/*
 * pg_statements.c - the prepared statements of one connection: an LRU by SQL text.
 *
 * Names are numbered and never used again, so that a name always means one text, whatever
 * was dropped in between. Refused: names made of the text's hash, which would collide with
 * those of other clients behind one pooler.
 */
#include "net/pg_statements.h"

#include <assert.h>
#include <stdio.h>

#include "base/mem.h"

static struct pg_prepared *prepared_of(struct link *link)
{
	return link ? container_of(link, struct pg_prepared, link) : NULL;
}

void pg_parameters_read(struct pg_parameters *parameters, const PGresult *description)
{
	parameters->count = PQnparams(description);
	parameters->types = mem_zalloc((size_t)parameters->count + 1, sizeof(Oid));
	for (int i = 0; i < parameters->count; i++)
		parameters->types[i] = PQparamtype(description, i);
}

void pg_statements_init(struct pg_statements *statements)
{
	statements->table = NULL;
	statements->last = 0;
	list_init(&statements->recent);
	list_init(&statements->retired);
}

unsigned pg_statements_hash(struct text sql)
{
	unsigned hash;

	HASH_VALUE(sql.at, sql.len, hash);
	return hash;
}

struct pg_prepared *pg_statements_find(
	struct pg_statements *statements, struct text sql, unsigned hash)
{
	struct pg_prepared *found;

	HASH_FIND_BYHASHVALUE(hh, statements->table, sql.at, sql.len, hash, found);
	if (found) {
		list_remove(&statements->recent, &found->link);
		list_append(&statements->recent, &found->link);
	}
	return found;
}

struct pg_prepared *pg_statements_add(
	struct pg_statements *statements, struct text sql, unsigned hash)
{
	struct pg_prepared *prepared = mem_zalloc(1, sizeof(*prepared));

	snprintf(prepared->name, sizeof(prepared->name), "v%u", ++statements->last);
	prepared->sql = mem_copy(sql.at, sql.len);
	prepared->sql_len = sql.len;
	HASH_ADD_KEYPTR_BYHASHVALUE(
		hh, statements->table, prepared->sql, prepared->sql_len, hash, prepared);
	list_append(&statements->recent, &prepared->link);
	if (statements->recent.count > PG_STATEMENTS_MAX)
		pg_statements_retire(
			statements, prepared_of(list_first(&statements->recent)));
	return prepared;
}

void pg_statements_retire(struct pg_statements *statements, struct pg_prepared *prepared)
{
	HASH_DELETE(hh, statements->table, prepared);
	list_remove(&statements->recent, &prepared->link);
	list_append(&statements->retired, &prepared->link);
	prepared->retired = true;
}

struct pg_prepared *pg_statements_retired(const struct pg_statements *statements)
{
	return prepared_of(list_first(&statements->retired));
}

void pg_statements_drop(struct pg_statements *statements, struct pg_prepared *prepared)
{
	if (prepared->retired) {
		list_remove(&statements->retired, &prepared->link);
	} else {
		assert(statements->table); /* what is on `recent` is in it */
		HASH_DELETE(hh, statements->table, prepared);
		list_remove(&statements->recent, &prepared->link);
	}
	free(prepared->parameters.types);
	free(prepared->sql);
	free(prepared);
}

void pg_statements_free(struct pg_statements *statements)
{
	struct pg_prepared *prepared;

	while ((prepared = prepared_of(list_first(&statements->recent))))
		pg_statements_drop(statements, prepared);
	while ((prepared = pg_statements_retired(statements)))
		pg_statements_drop(statements, prepared);
}
