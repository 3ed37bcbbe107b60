/*
 * init.c - `volley init`: a project folder that works at once, with one event that needs no
 * service.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "cli/cli.h"
#include "value/json.h"

static const struct {
	const char *path;
	const char *content; /* NULL: a folder */
} parts[] = {
	{ "accounts", NULL },
	{ "events", NULL },
	{ "events/customer.new-customer.yaml",
		"# POST /event/customer.new-customer runs every filter whose condition "
		"holds.\n"
		"id: customer.new-customer\n"
		"name: New Customer\n"
		"eventGroup: customer\n"
		"version: 0.0.1\n"
		"model:\n"
		"  id: String!\n"
		"  name: String\n"
		"filters:\n"
		"  - id: on-event\n"
		"    name: onEvent\n"
		"    condition: null\n"
		"    actions:\n"
		"      - id: note\n"
		"        type: LOG\n"
		"        action: WRITE\n"
		"        template:\n"
		"          message: \"new customer {id}\"\n"
		"          fields: { name: \"{name?}\" }\n" },
	{ ".gitignore", "# API keys (only hashes of their secrets) and files of the "
			"running daemon.\n"
			"keys.yaml\n"
			"data/\n"
			"run/\n" },
	/* Last, since its presence is what makes the folder a project. */
	{ "volley.yaml",
		"# The daemon's settings; every key is optional, see volley.yaml(5).\n"
		"listen: 127.0.0.1:8080\n" },
};

static bool make_folder(const char *path)
{
	if (mkdir(path, 0777) == 0 || errno == EEXIST)
		return true;
	cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
	return false;
}

static bool make_part(struct cli *cli, const char *folder, size_t index)
{
	const char *path = arena_printf(cli->arena, "%s/%s", folder, parts[index].path);
	struct errbuf errbuf;

	if (!parts[index].content)
		return make_folder(path);
	if (access(path, F_OK) == 0)
		return true; /* a person's own file stays */
	if (file_write_atomic(path, text_of(parts[index].content), 0644, &errbuf))
		return true;
	cli_fail(CLI_REFUSED, "%s", errbuf.text);
	return false;
}

static void print_created(struct cli *cli, const char *folder, const char *settings)
{
	struct strbuf name;

	if (!cli->option[CLI_JSON]) {
		printf("%s created.\n"
		       "Next: volley add:key NAME --environment test --project %s\n"
		       "      volleyd -c %s\n",
			settings, folder, settings);
		return;
	}
	strbuf_init_arena(&name, cli->arena, SIZE_MAX);
	json_append_string(&name, text_of(settings));
	printf("{\"created\":%.*s}\n", TEXT_ARG(strbuf_get(&name)));
}

enum cli_exit verb_init(struct cli *cli)
{
	const char *folder = cli->count ? cli->arguments[0] : ".";
	const char *settings = arena_printf(cli->arena, "%s/volley.yaml", folder);

	if (access(settings, F_OK) == 0)
		return cli_fail(CLI_REFUSED, "%s already exists", settings);
	if (!make_folder(folder))
		return CLI_REFUSED;
	for (size_t i = 0; i < array_len(parts); i++)
		if (!make_part(cli, folder, i))
			return CLI_REFUSED;
	print_created(cli, folder, settings);
	return CLI_DONE;
}
