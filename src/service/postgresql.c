/*
 * postgresql.c - the connector for PostgreSQL: one action is one statement.
 *
 * An action is a row of `verbs`: how its template is compiled and rendered to a query;
 * the client in net/ runs any query. A template may name another database than the
 * account's, so an open account has a pool for each database in use.
 *
 * Refused: making statements from SQL text with the values pasted in, however well
 * escaped. Values are parameters, names are quoted identifiers, and nothing else of a
 * payload reaches a statement.
 */
#include "service/postgresql.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/pg_client.h"
#include "net/pg_conninfo.h"
#include "service/sql_insert.h"
#include "service/sql_query.h"
#include "service/sql_update.h"
#include "value/json.h"

/* ---- tables ---- */

static const struct field account_fields[] = {
	{ "url", FIELD_TEXT, FIELD_REQUIRED | FIELD_ADDRESS, NULL, NULL,
		"any connection string of libpq: "
		"postgresql://user:password@host:port/database" },
	{ "prepare", FIELD_FLAG, 0, NULL, "true",
		"false: unnamed statements and no session settings, for poolers that need "
		"it" },
	{ .name = NULL },
};

static const struct action_kind actions[] = {
	{ "INSERT", NULL, sql_insert_fields, 0, "inserts one row" },
	{ "UPSERT", NULL, sql_upsert_fields, ACTION_IDEMPOTENT,
		"inserts one row, or updates the one that is there" },
	{ "UPDATE", NULL, sql_update_fields, ACTION_IDEMPOTENT,
		"updates the rows of a condition" },
	{ "DELETE", NULL, sql_delete_fields, ACTION_IDEMPOTENT,
		"deletes the rows of a condition" },
	{ "QUERY", NULL, sql_query_fields, 0, "runs one statement of your own" },
	{ .name = NULL },
};

/* How an action's template becomes a query. */
static const struct verb {
	const char *action;
	void *(*compile)(const struct sql_compiler *c, const struct node *template);
	bool (*render)(const void *plan, struct sql_run *run, struct pg_query *out);
	bool (*may_share)(const void *plan); /* NULL: always */
} verbs[] = {
	{ "INSERT", sql_insert_compile, sql_insert_render, NULL },
	{ "UPSERT", sql_upsert_compile, sql_insert_render, NULL },
	{ "UPDATE", sql_update_compile, sql_update_render, NULL },
	{ "DELETE", sql_delete_compile, sql_update_render, NULL },
	{ "QUERY", sql_query_compile, sql_query_render, sql_query_may_share },
};

static const char *const aliases[] = { "POSTGRES", NULL };

/* ---- accounts ---- */

struct settings {
	const char *url;
	const char *folder; /* where relative paths in the url start */
	struct pg_conninfo conninfo;
	struct pg_client_settings client; /* but for conninfo, which names a database */
};

/* Makes the connection string: the server cuts statements off at the pool's timeout. */
static bool make_conninfo(
	struct settings *settings, struct arena *arena, struct errbuf *reason)
{
	uint64_t timeout = settings->client.pool.timeout / NS_PER_MS;

	return pg_conninfo_make(settings->url, settings->folder,
		settings->client.prepare ? (timeout ? timeout : 1) : 0, arena,
		&settings->conninfo, reason);
}

/* statement_timeout is the session's, so it follows the longest timeout of all its actions. */
static void allow(struct settings *settings, uint64_t timeout, struct arena *arena)
{
	struct errbuf reason;

	if (timeout <= settings->client.pool.timeout)
		return;
	settings->client.pool.timeout = timeout;
	if (!make_conninfo(settings, arena, &reason))
		mem_exhausted(); /* the same url was taken before */
}

static struct settings *account_check(const struct node *half,
	const struct account_context *context, struct arena *arena, struct diag *diag)
{
	struct settings *settings = arena_zalloc(arena, 1, sizeof(*settings));
	const struct node *url = node_get(half, "url");
	const struct node *prepare = node_get(half, "prepare");
	struct errbuf reason;

	settings->client.prepare = node_is_null(prepare) || prepare->boolean;
	settings->folder = arena_text(arena, text_of(context->folder)).at;
	settings->client.account = context->account;
	settings->client.environment = context->environment;
	settings->client.pool = context->pool;
	if (memchr(url->text.at, '\0', url->text.len)) {
		diag_error(diag, url->place, "the url holds a NUL character");
		return NULL;
	}
	settings->url = arena_text(arena, url->text).at;
	if (!make_conninfo(settings, arena, &reason)) {
		diag_error(diag, url->place, "%s", reason.text);
		return NULL;
	}
	if (context->files)
		*context->files = settings->conninfo.files;
	return settings;
}

/* The pool of one database. */
struct database {
	struct link link;
	const char *name;
	struct pg_client_settings settings;
	struct pg_client *client;
};

struct account {
	const struct settings *settings;
	struct loop *loop;
	struct arena *arena; /* of the databases */
	struct list databases;
};

static struct database *find_database(const struct account *account, const char *name)
{
	list_for_each (&account->databases, link) {
		struct database *database = container_of(link, struct database, link);

		if (strcmp(database->name, name) == 0)
			return database;
	}
	return NULL;
}

/* name NULL: the account's own. */
static struct database *use_database(struct account *account, const char *name)
{
	const char *wanted = name ? name : account->settings->conninfo.database;
	struct database *database = find_database(account, wanted);

	if (database)
		return database;
	database = arena_zalloc(account->arena, 1, sizeof(*database));
	database->name = arena_text(account->arena, text_of(wanted)).at;
	database->settings = account->settings->client;
	database->settings.conninfo = pg_conninfo_for(
		&account->settings->conninfo, wanted, account->arena);
	database->client = pg_client_new(account->loop, &database->settings);
	list_append(&account->databases, &database->link);
	return database;
}

static struct account *account_open(const struct settings *settings, struct loop *loop)
{
	struct account *account = mem_zalloc(1, sizeof(*account));

	account->settings = settings;
	account->loop = loop;
	account->arena = arena_new_lasting();
	list_init(&account->databases);
	return account;
}

static void account_warm(struct account *account)
{
	pg_client_warm(use_database(account, NULL)->client);
}

static void account_figures(const struct account *account, struct account_figures *out)
{
	memset(out, 0, sizeof(*out));
	list_for_each (&account->databases, link) {
		struct account_figures one;

		pg_client_figures(container_of(link, struct database, link)->client, &one);
		account_figures_add(out, &one);
	}
}

static void account_close(struct account *account)
{
	list_for_each (&account->databases, link)
		pg_client_free(container_of(link, struct database, link)->client);
	arena_free(account->arena);
	free(account);
}

/* ---- plans and requests ---- */

struct plan {
	const struct verb *verb;
	const void *statement;
	const char *database; /* NULL: the account's */
	enum { GROUP_HABIT, GROUP_NEVER, GROUP_ALWAYS } group;
};

struct request {
	struct pg_query query;
	const char *database;
};

static struct plan *compile(const struct action_kind *kind, const struct node *template,
	const struct scope *scope, struct arena *arena, struct diag *diag)
{
	const struct node *database = node_get(template, "database");
	struct plan *plan = arena_zalloc(arena, 1, sizeof(*plan));
	struct sql_compiler compiler = { scope, arena, diag };

	for (size_t i = 0; i < array_len(verbs); i++) {
		if (strcmp(verbs[i].action, kind->name) == 0)
			plan->verb = &verbs[i];
	}
	if (!node_is_null(database))
		plan->database = arena_text(arena, database->text).at;
	if (plan->database &&
		(!*plan->database || strlen(plan->database) != database->text.len)) {
		diag_error(diag, database->place, "this is no database's name");
		return NULL;
	}
	plan->statement = plan->verb->compile(&compiler, template);
	return plan->statement ? plan : NULL;
}

static bool set_group(struct plan *plan, bool group)
{
	if (group && plan->verb->may_share && !plan->verb->may_share(plan->statement))
		return false;
	plan->group = group ? GROUP_ALWAYS : GROUP_NEVER;
	return true;
}

static const struct request *render(const struct plan *plan, const struct values *values,
	size_t max, struct arena *arena, struct errbuf *errbuf)
{
	struct request *request = arena_zalloc(arena, 1, sizeof(*request));
	struct sql_run run = {
		.values = values, .max = max, .arena = arena, .errbuf = errbuf
	};

	request->database = plan->database;
	if (!plan->verb->render(plan->statement, &run, &request->query))
		return NULL;
	if (plan->group != GROUP_HABIT)
		request->query.group = plan->group == GROUP_ALWAYS;
	return request;
}

static void describe(const struct request *request, yajl_gen gen)
{
	const struct pg_query *query = &request->query;

	yajl_gen_map_open(gen);
	if (request->database)
		json_string(gen, "database", text_of(request->database));
	json_string(gen, "sql", query->statement->sql);
	json_key(gen, "parameters");
	yajl_gen_array_open(gen);
	for (int i = 0; i < query->count; i++) {
		struct value text = { .type = VALUE_STRING,
			.text = text_of(query->texts[i]) };

		json_generate(gen, query->texts[i] ? &text : NULL);
	}
	yajl_gen_array_close(gen);
	yajl_gen_map_close(gen);
}

/* ---- attempts ---- */

static struct pg_client *client_of(struct account *account, const struct attempt *attempt)
{
	return use_database(account, attempt->request->database)->client;
}

static void start(
	struct account *account, const struct request *request, struct attempt *attempt)
{
	attempt->request = request;
	pg_client_start(client_of(account, attempt), &request->query, attempt);
}

static uint64_t patience(struct account *account, const struct attempt *attempt)
{
	return pg_client_patience(client_of(account, attempt), attempt);
}

static enum attempt_stage cancel(struct account *account, struct attempt *attempt)
{
	return pg_client_cancel(client_of(account, attempt), attempt);
}

const struct service_ops service_postgresql = {
	.type = "POSTGRESQL",
	.aliases = aliases,
	.account = account_fields,
	.actions = actions,
	.connections = 8,
	.help = "statements for a PostgreSQL database",
	.account_check = account_check,
	.allow = allow,
	.compile = compile,
	.group = set_group,
	.render = render,
	.describe = describe,
	.open = account_open,
	.warm = account_warm,
	.start = start,
	.patience = patience,
	.cancel = cancel,
	.figures = account_figures,
	.close = account_close,
};
