/*
 * volley.c - the command line: the table of verbs, and how their words are read.
 */
#include <getopt.h>
#include <stdio.h>

#include "base/diag.h"
#include "catalog/key.h"
#include "cli/cli.h"
#include "cli/help.h"
#include "loop/tls_store.h"
#include "value/json.h"

#define TAKES(option) (1U << (option))

static enum cli_exit print_help(struct cli *cli);

static const struct cli_verb verbs[] = {
	{ "init", "[DIR]", "make a project folder with a first event", TAKES(CLI_JSON), 1,
		verb_init },
	{ "add:key", "NAME --environment live|test [--events ID,...]",
		"make an API key and print it once",
		TAKES(CLI_PROJECT) | TAKES(CLI_JSON) | TAKES(CLI_ENVIRONMENT) |
			TAKES(CLI_EVENTS) | TAKES(CLI_RATE),
		1, verb_add_key },
	{ "test", "", "check every file of the project folder",
		TAKES(CLI_PROJECT) | TAKES(CLI_JSON), 0, verb_test },
	{ "send", "EVENT [FILE|-] [--repeat N] [--rate R]",
		"send an event and show what each action did; without FILE the payload is "
		"{}",
		TAKES(CLI_PROJECT) | TAKES(CLI_JSON) | TAKES(CLI_KEY) | TAKES(CLI_SECRET) |
			TAKES(CLI_URL) | TAKES(CLI_REPEAT) | TAKES(CLI_RATE) |
			TAKES(CLI_CA),
		2, verb_send },
	{ "status", "", "whether the daemon runs and is ready, and how it does",
		TAKES(CLI_PROJECT) | TAKES(CLI_JSON), 0, verb_status },
	{ "stats", "[--watch]", "the daemon's figures; --watch: again every second",
		TAKES(CLI_PROJECT) | TAKES(CLI_JSON) | TAKES(CLI_WATCH), 0, verb_stats },
	{ "help", "[VERB]", "list the verbs, or the options of one", 0, 1, print_help },
	{ NULL, NULL, NULL, 0, 0, NULL },
};

static const struct cli_verb *find_verb(const char *name)
{
	struct suggest suggest;

	suggest_init(&suggest, text_of(name));
	for (const struct cli_verb *verb = verbs; verb->name; verb++) {
		if (strcmp(verb->name, name) == 0)
			return verb;
		suggest_offer(&suggest, text_of(verb->name));
	}
	if (suggest_found(&suggest))
		cli_fail(CLI_USAGE, "there is no verb '%s'; did you mean '%.*s'?", name,
			TEXT_ARG(suggest.best));
	else
		cli_fail(
			CLI_USAGE, "there is no verb '%s'; `volley help` lists them", name);
	return NULL;
}

static bool is_flag(int option)
{
	return option == CLI_JSON || option == CLI_WATCH;
}

static enum cli_exit print_help(struct cli *cli)
{
	const struct cli_verb *verb = cli->count ? find_verb(cli->arguments[0]) : NULL;

	if (cli->count && !verb)
		return CLI_USAGE;
	if (verb)
		help_verb(verb, stdout);
	else
		help_all(verbs, stdout);
	return CLI_DONE;
}

/* Reads the options in any order; false: a word is wrong, which was said. */
static bool read_options(struct cli *cli, int argc, char **argv)
{
	struct option words[CLI_OPTIONS + 2] = { 0 };
	int word;

	for (int i = 0; i < CLI_OPTIONS; i++)
		words[i] = (struct option){ cli_option_name(i) + 2,
			is_flag(i) ? no_argument : required_argument, NULL, 1000 + i };
	words[CLI_OPTIONS] = (struct option){ "help", no_argument, NULL, 'h' };
	while ((word = getopt_long(argc, argv, "h", words, NULL)) != -1) {
		if (word == 'h')
			cli->help = true;
		else if (word < 1000)
			return false; /* getopt_long has said why */
		else
			cli->option[word - 1000] = is_flag(word - 1000) ? "" : optarg;
	}
	cli->arguments = argv + optind;
	cli->count = argc - optind;
	return true;
}

static bool fits_verb(const struct cli *cli)
{
	const struct cli_verb *verb = cli->verb;

	for (int i = 0; i < CLI_OPTIONS; i++)
		if (cli->option[i] && !(verb->options & TAKES(i))) {
			cli_fail(CLI_USAGE, "%s takes no %s: volley %s %s", verb->name,
				cli_option_name(i), verb->name, verb->arguments);
			return false;
		}
	if (cli->count > verb->most) {
		cli_fail(CLI_USAGE, "'%s' is too much: volley %s %s",
			cli->arguments[verb->most], verb->name, verb->arguments);
		return false;
	}
	return true;
}

static enum cli_exit run(struct cli *cli, int argc, char **argv)
{
	if (!read_options(cli, argc, argv))
		return CLI_USAGE;
	if (cli->help) /* whatever else is said */
		return print_help(cli);
	if (cli->count == 0) {
		help_all(verbs, stderr);
		return CLI_USAGE;
	}
	cli->verb = find_verb(cli->arguments[0]);
	cli->arguments++;
	cli->count--;
	return cli->verb && fits_verb(cli) ? cli->verb->run(cli) : CLI_USAGE;
}

int main(int argc, char **argv)
{
	struct cli cli = { 0 };
	enum cli_exit code;

	if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)) {
		puts("volley " VOLLEY_VERSION);
		return CLI_DONE;
	}
	cli.arena = arena_new();
	code = run(&cli, argc, argv);
	arena_free(cli.arena);
	arena_drop_cache();
	json_drop_cache();
	tls_drop_cache();
	key_cleanup();
	return code;
}
