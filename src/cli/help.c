/*
 * help.c - `volley help`, printed from the table of verbs and a row for each option.
 *
 * What a verb does at length stands in volley(1); here is what a person needs who knows it
 * and forgot the words. Lines stay within 80 columns. Refused: a text for each verb, which
 * would name an option that the verb no longer takes.
 */
#include "cli/help.h"

#include <ctype.h>
#include <string.h>

/* Options by what they are followed by, and what they mean. */
static const struct {
	const char *argument; /* "": a flag */
	const char *help;
} options[CLI_OPTIONS] = {
	[CLI_PROJECT] = { "DIR", "the project folder; the current one by default" },
	[CLI_JSON] = { "", "print one JSON document on stdout and nothing else" },
	[CLI_ENVIRONMENT] = { "live|test", "which half of each account is used" },
	[CLI_EVENTS] = { "ID,...", "the events it may send; without this, all" },
	[CLI_RATE] = { "R", "at most that many, as 100/s" },
	[CLI_KEY] = { "KEY", "the client key; else VOLLEY_CLIENT_KEY" },
	[CLI_SECRET] = { "SECRET", "its secret; else VOLLEY_CLIENT_SECRET" },
	[CLI_URL] = { "URL", "http(s)://HOST:PORT or unix:PATH; else volley.yaml" },
	[CLI_REPEAT] = { "N", "send it N times, one after the other, and sum up" },
	[CLI_CA] = { "FILE", "whom to trust with https, not the system's" },
	[CLI_WATCH] = { "", "again every second, until SIGINT" },
};

static void print_words(const struct cli_verb *verb, FILE *out)
{
	fprintf(out, "volley %s%s%s", verb->name, *verb->arguments ? " " : "",
		verb->arguments);
}

void help_all(const struct cli_verb *verbs, FILE *out)
{
	fputs("usage: volley VERB [arguments] [--project DIR] [--json]\n\n", out);
	for (const struct cli_verb *verb = verbs; verb->name; verb++) {
		fputs("  ", out);
		print_words(verb, out);
		fprintf(out, "\n    %s\n", verb->help);
	}
	fputs("\n"
	      "volley help VERB, or volley VERB --help, lists a verb's options.\n"
	      "volley --version prints the version.\n"
	      "\n"
	      "--project DIR  the project folder; the current one by default\n"
	      "--json         print one JSON document on stdout and nothing else\n"
	      "\n"
	      "On a terminal a missing argument is asked for; elsewhere it is an error.\n"
	      "Exit codes: 0 done, 1 refused or failed (send: an action failed), 2 usage,\n"
	      "3 the daemon cannot be reached.\n"
	      "The manual: volley(1), volleyd(8), volley.yaml(5), volley-project(5).\n",
		out);
}

static void print_option(enum cli_option option, FILE *out)
{
	char words[40];

	snprintf(words, sizeof(words), "%s %s", cli_option_name(option),
		options[option].argument ? options[option].argument : "");
	fprintf(out, "  %-24s  %s\n", words,
		options[option].help ? options[option].help : "");
}

void help_verb(const struct cli_verb *verb, FILE *out)
{
	fputs("usage: ", out);
	print_words(verb, out);
	fprintf(out, "\n\n%c%s.\n", toupper((unsigned char)verb->help[0]), verb->help + 1);
	if (verb->options)
		fputc('\n', out);
	for (int i = 0; i < CLI_OPTIONS; i++)
		if (verb->options & (1U << i))
			print_option(i, out);
	fputs("\nvolley(1) says more.\n", out);
}
