/*
 * sql_keyword.c - statements that cannot stand on a shared connection, or take no parameters.
 *
 * A table of first keywords: enough to tell a person at load what would go wrong. What only
 * a run can show (a function that begins a COPY) ends with its connection.
 */
#include "service/sql_keyword.h"

#include <stddef.h>

#include "base/macros.h"

#define TRANSACTION                                                                        \
	"would begin or end a transaction on a connection that other tasks use too"
#define TRANSACTION_HINT                                                                   \
	"each action is a transaction of its own; several changes that belong together "   \
	"stand in one WITH, or in a function"
#define PREPARED      "goes about prepared statements, which are the connection's own"
#define PREPARED_HINT "write the statement itself; it is prepared once and kept"
#define SESSION       "would change the settings of a connection that other tasks use too"
#define SESSION_HINT                                                                       \
	"options in the account's url hold for all its connections; "                      \
	"set_config(name, value, true) holds for one statement"
#define LISTEN_WHY   "has no effect here: nobody would read what is notified"
#define LISTEN_HINT  "a trigger of the database can call Volley over HTTP instead"
#define NO_PARAMETER "takes no values, only what stands in its text"
#define LITERAL_HINT "write what it works on into the text, without wildcards"

static const struct sql_keyword keywords[] = {
	{ "BEGIN", true, TRANSACTION, TRANSACTION_HINT },
	{ "START", true, TRANSACTION, TRANSACTION_HINT },
	{ "COMMIT", true, TRANSACTION, TRANSACTION_HINT },
	{ "END", true, TRANSACTION, TRANSACTION_HINT },
	{ "ROLLBACK", true, TRANSACTION, TRANSACTION_HINT },
	{ "ABORT", true, TRANSACTION, TRANSACTION_HINT },
	{ "SAVEPOINT", true, TRANSACTION, TRANSACTION_HINT },
	{ "RELEASE", true, TRANSACTION, TRANSACTION_HINT },
	{ "PREPARE", true, PREPARED, PREPARED_HINT },
	{ "EXECUTE", true, PREPARED, PREPARED_HINT },
	{ "DEALLOCATE", true, PREPARED, PREPARED_HINT },
	{ "DECLARE", true, "opens a cursor, which ends with its own statement",
		"write the SELECT itself; LIMIT bounds its rows" },
	{ "SET", true, SESSION, SESSION_HINT },
	{ "RESET", true, SESSION, SESSION_HINT },
	{ "DISCARD", true, SESSION, SESSION_HINT },
	{ "LISTEN", true, LISTEN_WHY, LISTEN_HINT },
	{ "UNLISTEN", true, LISTEN_WHY, LISTEN_HINT },
	{ "COPY", true, "would hold a connection that other tasks use too for its own data",
		"many rows at once: INSERT ... SELECT FROM "
		"jsonb_to_recordset({rows}::jsonb) AS r (id text)" },
	{ "LOCK", true, "has no effect here: the lock ends with its own statement",
		"SELECT ... FOR UPDATE or pg_advisory_xact_lock() in the WITH of what "
		"needs "
		"it" },
	{ "NOTIFY", false, NO_PARAMETER, "write SELECT pg_notify('channel', {text})" },
	{ "DO", false, NO_PARAMETER, "make it a function: SELECT name_of_it({value})" },
	{ "ALTER", false, NO_PARAMETER, LITERAL_HINT },
	{ "ANALYZE", false, NO_PARAMETER, LITERAL_HINT },
	{ "CLUSTER", false, NO_PARAMETER, LITERAL_HINT },
	{ "COMMENT", false, NO_PARAMETER, LITERAL_HINT },
	{ "DROP", false, NO_PARAMETER, LITERAL_HINT },
	{ "GRANT", false, NO_PARAMETER, LITERAL_HINT },
	{ "REFRESH", false, NO_PARAMETER, LITERAL_HINT },
	{ "REINDEX", false, NO_PARAMETER, LITERAL_HINT },
	{ "REVOKE", false, NO_PARAMETER, LITERAL_HINT },
	{ "SHOW", false, NO_PARAMETER, "write SELECT current_setting({name})" },
	{ "TRUNCATE", false, NO_PARAMETER, LITERAL_HINT },
	{ "VACUUM", false, NO_PARAMETER, LITERAL_HINT },
};

const struct sql_keyword *sql_keyword_find(struct text name)
{
	for (size_t i = 0; i < array_len(keywords); i++) {
		if (text_is_nocase(name, keywords[i].name))
			return &keywords[i];
	}
	return NULL;
}
