/*
 * http.h - requests of a command: one after the other, each waited for.
 */
#ifndef VOLLEY_CLI_HTTP_H
#define VOLLEY_CLI_HTTP_H

#include <stdint.h>

#include "base/macros.h"
#include "cli/cli.h"
#include "conf/settings.h"

struct cli_http;

struct cli_http_request {
	const char *method, *path;       /* the path is put behind the URL's own */
	const char *const (*headers)[2]; /* beside Host and Content-Length */
	size_t header_count;
	struct text body;
	uint64_t timeout; /* ns, from its start to the whole reply */
};

struct cli_http_reply {
	int status;
	struct text body; /* in the arena that was given */
	uint64_t time;    /* ns: from its start to the whole reply */
};

/*
 * A client of http://HOST:PORT, https://HOST:PORT (either with a path) or unix:PATH. The
 * certificate is verified, against the system's authorities or those of --ca. Connects when
 * it must, and keeps the connection. NULL: *code says how the verb ends, and why was said.
 */
must_check struct cli_http *cli_http_new(
	struct cli *cli, const char *url, enum cli_exit *code);
void cli_http_free(struct cli_http *http);

/* CLI_DONE with a reply of any status; else it cannot be reached, which was said. */
enum cli_exit cli_http_send(struct cli_http *http, const struct cli_http_request *request,
	struct arena *arena, struct cli_http_reply *reply);

/* "http://127.0.0.1:8080", for messages. */
const char *cli_http_name(const struct cli_http *http);

/* The URL at which a listener of volley.yaml is reached from this machine. */
const char *cli_listener_url(struct arena *arena, const char *address, bool tls);

/* volley.yaml of the project folder. NULL: it is missing or wrong, which was said. */
const struct volley_settings *cli_settings(struct cli *cli);

#endif
