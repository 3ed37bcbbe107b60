/*
 * status.c - `volley status`: whether the project's daemon runs, is ready, and how it does.
 *
 * What it says is a choice out of /stats. A document of its own for this verb was refused: it
 * would have to be kept in step with the other one.
 */
#include <stdio.h>

#include "base/strbuf.h"
#include "cli/admin.h"
#include "cli/document.h"
#include "cli/table.h"
#include "value/json.h"

/* Members of /stats that --json shows as they are. */
static const char *const shown[] = { "version", "state", "startedAt", "uptimeMS", "catalog",
	"runs", "memory", "files", "http", "accounts" };

static void print_json(struct arena *arena, const struct value *stats, bool ready)
{
	struct strbuf out;
	yajl_gen gen;

	strbuf_init_arena(&out, arena, SIZE_MAX);
	gen = json_begin(&out);
	yajl_gen_map_open(gen);
	json_boolean(gen, "running", stats != NULL);
	json_boolean(gen, "ready", ready);
	for (size_t i = 0; stats && i < array_len(shown); i++) {
		json_key(gen, shown[i]);
		json_generate(gen, document_get(stats, shown[i]));
	}
	yajl_gen_map_close(gen);
	json_end(gen);
	printf("%.*s\n", TEXT_ARG(strbuf_get(&out)));
}

/* "2d 3h", "5m 12s", "3s" */
static const char *duration(struct arena *arena, double ms)
{
	unsigned long long s = (unsigned long long)(ms / 1000);

	if (s >= 86400)
		return arena_printf(arena, "%llud %lluh", s / 86400, s % 86400 / 3600);
	if (s >= 3600)
		return arena_printf(arena, "%lluh %llum", s / 3600, s % 3600 / 60);
	if (s >= 60)
		return arena_printf(arena, "%llum %llus", s / 60, s % 60);
	return arena_printf(arena, "%llus", s);
}

static void print_connections(const struct value *stats)
{
	static const char *const open_states[] = { "idle", "head", "body", "work", "reply",
		"linger" };
	const struct value *https = document_get(stats, "http"), *http;

	for (size_t i = 0; (http = value_at(https, i)); i++) {
		const struct value *states = document_get(http, "connections");
		struct text api = document_text(http, "api");
		double open = 0;

		for (size_t s = 0; s < array_len(open_states); s++)
			open += document_number(states, open_states[s], 0);
		printf("%.*s API: %.0f of %.0f connections\n", TEXT_ARG(api), open,
			document_number(http, "limit", 0));
	}
}

static void print_accounts(struct arena *arena, const struct value *stats)
{
	static const char *const columns[] = { "ACCOUNT", "ENVIRONMENT", "TYPE", ">BUSY",
		">IDLE", ">CONNECTING", ">LIMIT", ">WAITING", NULL };
	const struct value *accounts = document_get(stats, "accounts"), *account;
	struct table table;

	table_init(&table, arena, columns);
	for (size_t i = 0; (account = value_at(accounts, i)); i++) {
		const struct value *pool = document_get(account, "pool");
		const struct value *states = document_get(pool, "connections");

		table_row(&table);
		table_cell(&table, 0, "%.*s", TEXT_ARG(document_text(account, "id")));
		table_cell(
			&table, 1, "%.*s", TEXT_ARG(document_text(account, "environment")));
		table_cell(&table, 2, "%.*s", TEXT_ARG(document_text(account, "type")));
		table_cell(&table, 3, "%.0f", document_number(states, "busy", 0));
		table_cell(&table, 4, "%.0f", document_number(states, "idle", 0));
		table_cell(&table, 5, "%.0f", document_number(states, "connecting", 0));
		table_cell(&table, 6, "%.0f", document_number(pool, "limit", 0));
		table_cell(&table, 7, "%.0f", document_number(pool, "waiting", 0));
	}
	if (table.rows > 0)
		putchar('\n');
	table_print(&table, stdout);
}

static void print_text(struct arena *arena, const struct value *stats)
{
	const struct value *catalog = document_get(stats, "catalog");
	const struct value *runs = document_get(stats, "runs");
	double events = document_number(catalog, "events", 0);
	double accounts = document_number(catalog, "accounts", 0);

	printf("volleyd %.*s is %.*s, up %s\n", TEXT_ARG(document_text(stats, "version")),
		TEXT_ARG(document_text(stats, "state")),
		duration(arena, document_number(stats, "uptimeMS", 0)));
	printf("catalog: version %.0f, %.0f event%s, %.0f account%s\n",
		document_number(catalog, "version", 0), events, events == 1 ? "" : "s",
		accounts, accounts == 1 ? "" : "s");
	printf("runs: %.0f in flight, %.0f living, %.0f kept\n",
		document_number(runs, "inflight", 0), document_number(runs, "living", 0),
		document_number(runs, "kept", 0));
	print_connections(stats);
	print_accounts(arena, stats);
}

static enum cli_exit show(struct cli_admin *admin)
{
	struct cli *cli = admin->cli;
	struct cli_http_reply ready;
	const struct value *stats;
	struct text text;
	enum cli_exit code = cli_admin_get(admin, "/readyz", cli->arena, &ready);

	if (code == CLI_DONE && ready.status != 200 && ready.status != 503)
		return cli_admin_refused(admin, cli->arena, &ready);
	if (code == CLI_DONE)
		code = cli_admin_stats(admin, cli->arena, &text, &stats);
	if (code == CLI_UNREACHABLE && cli->option[CLI_JSON])
		print_json(cli->arena, NULL, false);
	if (code != CLI_DONE)
		return code;
	if (cli->option[CLI_JSON])
		print_json(cli->arena, stats, ready.status == 200);
	else
		print_text(cli->arena, stats);
	return ready.status == 200 ? CLI_DONE
				   : cli_admin_refused(admin, cli->arena, &ready);
}

enum cli_exit verb_status(struct cli *cli)
{
	struct cli_admin admin;
	enum cli_exit code = cli_admin_open(cli, &admin);

	if (code != CLI_DONE)
		return code;
	code = show(&admin);
	cli_admin_close(&admin);
	return code;
}
