/*
 * cli.c - what verbs share: the project folder, messages, questions on a terminal.
 */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static const char *const option_names[CLI_OPTIONS] = {
	[CLI_PROJECT] = "--project",
	[CLI_JSON] = "--json",
	[CLI_ENVIRONMENT] = "--environment",
	[CLI_EVENTS] = "--events",
	[CLI_RATE] = "--rate",
	[CLI_KEY] = "--key",
	[CLI_SECRET] = "--secret",
	[CLI_URL] = "--url",
	[CLI_REPEAT] = "--repeat",
	[CLI_CA] = "--ca",
	[CLI_WATCH] = "--watch",
};

const char *cli_option_name(enum cli_option option)
{
	return option_names[option];
}

enum cli_exit cli_fail(enum cli_exit code, const char *format, ...)
{
	va_list arguments;

	fputs("volley: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return code;
}

const char *cli_folder(const struct cli *cli)
{
	return cli->option[CLI_PROJECT] ? cli->option[CLI_PROJECT] : ".";
}

const char *cli_project_file(struct cli *cli, const char *name)
{
	const char *folder = cli_folder(cli);
	const char *settings = arena_printf(cli->arena, "%s/volley.yaml", folder);

	if (access(settings, F_OK) == 0)
		return arena_printf(cli->arena, "%s/%s", folder, name);
	cli_fail(CLI_REFUSED,
		"%s is no project folder: it has no volley.yaml. "
		"Name one with --project DIR, or make one with `volley init`",
		folder);
	return NULL;
}

/* Asks on the terminal; NULL: there is none, or nothing was answered. */
static const char *ask(struct cli *cli, const char *question)
{
	char line[1024];
	struct text answer;

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return NULL;
	fprintf(stderr, "%s: ", question);
	if (!fgets(line, sizeof(line), stdin))
		return NULL;
	answer = text_trim(text_of(line));
	return answer.len ? arena_text(cli->arena, answer).at : NULL;
}

const char *cli_argument(struct cli *cli, int index, const char *name)
{
	const char *answer;

	if (index < cli->count)
		return cli->arguments[index];
	answer = ask(cli, name);
	if (!answer)
		cli_fail(CLI_USAGE, "%s is missing: volley %s %s", name, cli->verb->name,
			cli->verb->arguments);
	return answer;
}

const char *cli_required(struct cli *cli, enum cli_option option, const char *question)
{
	if (!cli->option[option])
		cli->option[option] = ask(cli, question);
	if (!cli->option[option])
		cli_fail(CLI_USAGE, "%s is missing: volley %s %s", option_names[option],
			cli->verb->name, cli->verb->arguments);
	return cli->option[option];
}
