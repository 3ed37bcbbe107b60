/*
 * admin.h - the admin listener of the project's daemon, as verbs ask it.
 */
#ifndef VOLLEY_CLI_ADMIN_H
#define VOLLEY_CLI_ADMIN_H

#include "cli/http.h"
#include "value/value.h"

struct cli_admin {
	struct cli *cli;
	struct cli_http *http;
	const char *authorization; /* NULL: no token */
};

/*
 * Address and token of volley.yaml; connects nothing yet. Other than CLI_DONE: why was said,
 * and there is nothing to close.
 */
enum cli_exit cli_admin_open(struct cli *cli, struct cli_admin *admin);
void cli_admin_close(struct cli_admin *admin);

/* A reply of any status; other than CLI_DONE: there is none, which was said. */
enum cli_exit cli_admin_get(struct cli_admin *admin, const char *path, struct arena *arena,
	struct cli_http_reply *reply);

/* /stats, as text and as a document; any other status is refused, which was said. */
enum cli_exit cli_admin_stats(struct cli_admin *admin, struct arena *arena,
	struct text *text, const struct value **document);

/* Says that the daemon refused, with its own message; CLI_REFUSED. */
enum cli_exit cli_admin_refused(const struct cli_admin *admin, struct arena *arena,
	const struct cli_http_reply *reply);

#endif
