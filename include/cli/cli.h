/*
 * cli.h - what every verb of the command line shares: its arguments, its exit codes, its
 * questions.
 */
#ifndef VOLLEY_CLI_CLI_H
#define VOLLEY_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"

/* Exit codes of volley(1). */
enum cli_exit {
	CLI_DONE = 0,
	CLI_REFUSED = 1,    /* refused or failed: what and why stand on stderr */
	CLI_USAGE = 2,      /* the words are wrong */
	CLI_UNREACHABLE = 3 /* the daemon cannot be reached */
};

/* The options that verbs may take; each verb says which in its row. */
enum cli_option {
	CLI_PROJECT,
	CLI_JSON,
	CLI_ENVIRONMENT,
	CLI_EVENTS,
	CLI_RATE,
	CLI_KEY,
	CLI_SECRET,
	CLI_URL,
	CLI_REPEAT,
	CLI_CA,
	CLI_WATCH,
	CLI_OPTIONS
};

/* One call of volley: its words, sorted. Lives in the arena. */
struct cli {
	struct arena *arena;
	const struct cli_verb *verb;
	const char *option[CLI_OPTIONS]; /* NULL: not given; a flag is "" */
	char **arguments;                /* behind the verb */
	int count;
	bool help; /* --help was among the words */
};

/* One row for each verb, in volley.c. */
struct cli_verb {
	const char *name;      /* NULL ends the table */
	const char *arguments; /* for people: "EVENT [FILE|-]" */
	const char *help;      /* one line */
	unsigned options;      /* bits 1 << enum cli_option */
	int most;              /* arguments at most */
	enum cli_exit (*run)(struct cli *cli);
};

enum cli_exit verb_init(struct cli *cli);
enum cli_exit verb_add_key(struct cli *cli);
enum cli_exit verb_test(struct cli *cli);
enum cli_exit verb_send(struct cli *cli);
enum cli_exit verb_status(struct cli *cli);
enum cli_exit verb_stats(struct cli *cli);

/* The project folder: --project, or the current one. */
const char *cli_folder(const struct cli *cli);

/*
 * The path of a file in the project folder, in the arena. NULL: the folder has no
 * volley.yaml; this was said, with a hint at `volley init`.
 */
const char *cli_project_file(struct cli *cli, const char *name);

/* "volley: " and the message on stderr; returns the exit code, so that a verb can end with
 * it. */
enum cli_exit cli_fail(enum cli_exit code, const char *format, ...) printf_like(2, 3);

/*
 * The argument at index; a missing one is asked for on a terminal, else it is an error that
 * names it, and NULL. `name` is as in the usage ("NAME").
 */
const char *cli_argument(struct cli *cli, int index, const char *name);

/* The same for an option that is required. `question` is what is asked. */
const char *cli_required(struct cli *cli, enum cli_option option, const char *question);

/* "--project" and the like. */
const char *cli_option_name(enum cli_option option);

#endif
