/*
 * test.c - `volley test`: everything that the folder says, checked as the daemon would.
 */
#include <stdio.h>

#include "base/strbuf.h"
#include "catalog/snapshot.h"
#include "cli/cli.h"
#include "value/json.h"

static void write_message(yajl_gen gen, const struct diag_message *message)
{
	unsigned line, column;

	yajl_gen_map_open(gen);
	json_string(gen, "severity", message->is_error ? TEXT("error") : TEXT("warning"));
	if (message->place.source) {
		place_line_column(message->place, &line, &column);
		json_string(gen, "file", text_of(message->place.source->name));
		json_integer(gen, "line", line);
		json_integer(gen, "column", column);
	}
	json_string(gen, "message", text_of(message->text));
	if (message->hint)
		json_string(gen, "hint", text_of(message->hint));
	yajl_gen_map_close(gen);
}

static void print_json(
	struct cli *cli, const struct diag *diag, const struct snapshot *snapshot)
{
	struct strbuf out;
	yajl_gen gen;

	strbuf_init_arena(&out, cli->arena, SIZE_MAX);
	gen = json_begin(&out);
	yajl_gen_map_open(gen);
	json_boolean(gen, "ok", snapshot != NULL);
	json_integer(gen, "events", snapshot ? (long long)snapshot->event_count : 0);
	json_key(gen, "messages");
	yajl_gen_array_open(gen);
	for (size_t i = 0; i < diag_count(diag); i++)
		write_message(gen, diag_message(diag, i));
	yajl_gen_array_close(gen);
	if (snapshot && snapshot->idle)
		json_string(gen, "notInForce", text_of(snapshot->idle));
	yajl_gen_map_close(gen);
	json_end(gen);
	printf("%.*s\n", TEXT_ARG(strbuf_get(&out)));
}

static const char *plural(size_t count)
{
	return count == 1 ? "" : "s";
}

static void print_text(const struct diag *diag, const struct snapshot *snapshot)
{
	size_t errors = diag_errors(diag), warnings = diag_warnings(diag);

	diag_print(diag, stderr);
	if (!snapshot) {
		fprintf(stderr, "Test failed: %zu error%s, %zu warning%s.\n", errors,
			plural(errors), warnings, plural(warnings));
		return;
	}
	if (snapshot->idle)
		fprintf(stderr, "Not in force in this version: %s.\n", snapshot->idle);
	printf("Checking %zu event%s.\nEvent config test passed", snapshot->event_count,
		plural(snapshot->event_count));
	if (warnings)
		printf(" with %zu warning%s", warnings, plural(warnings));
	puts(".");
}

enum cli_exit verb_test(struct cli *cli)
{
	const char *path = cli_project_file(cli, "volley.yaml");
	struct diag *diag = diag_new(cli->arena);
	struct snapshot *snapshot;
	enum cli_exit code;

	if (!path)
		return CLI_REFUSED;
	snapshot = snapshot_load(path, cli->arena, diag);
	if (cli->option[CLI_JSON])
		print_json(cli, diag, snapshot);
	else
		print_text(diag, snapshot);
	code = snapshot ? CLI_DONE : CLI_REFUSED;
	if (snapshot)
		snapshot_release(snapshot);
	return code;
}
