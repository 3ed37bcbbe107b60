/*
 * admin.c - how a verb finds the daemon: volley.yaml says where it listens and which token it
 * wants. Options for both were refused: two places that can disagree.
 */
#include "cli/admin.h"

#include "base/clock.h"
#include "cli/document.h"
#include "value/json.h"

#define ANSWER_TIMEOUT (30 * NS_PER_SEC)

enum cli_exit cli_admin_open(struct cli *cli, struct cli_admin *admin)
{
	const struct volley_settings *settings = cli_settings(cli);
	enum cli_exit code;

	*admin = (struct cli_admin){ .cli = cli };
	if (!settings)
		return CLI_REFUSED;
	if (settings->admin.token)
		admin->authorization = arena_printf(
			cli->arena, "Bearer %s", settings->admin.token);
	admin->http = cli_http_new(
		cli, cli_listener_url(cli->arena, settings->admin.listen, false), &code);
	return code;
}

void cli_admin_close(struct cli_admin *admin)
{
	cli_http_free(admin->http);
}

enum cli_exit cli_admin_get(struct cli_admin *admin, const char *path, struct arena *arena,
	struct cli_http_reply *reply)
{
	const char *const headers[][2] = { { "Authorization", admin->authorization } };
	struct cli_http_request request = { .method = "GET",
		.path = path,
		.headers = headers,
		.header_count = admin->authorization ? 1 : 0,
		.timeout = ANSWER_TIMEOUT };

	return cli_http_send(admin->http, &request, arena, reply);
}

enum cli_exit cli_admin_refused(const struct cli_admin *admin, struct arena *arena,
	const struct cli_http_reply *reply)
{
	struct json_error error;
	const struct value *problem = json_parse(
		arena, reply->body, JSON_MAX_DEPTH, &error);
	struct text message = document_text(problem, "message");

	if (message.len)
		return cli_fail(CLI_REFUSED, "refused with %d: %.*s", reply->status,
			TEXT_ARG(message));
	return cli_fail(CLI_REFUSED, "%s answered %d, which is no reply of volleyd",
		cli_http_name(admin->http), reply->status);
}

enum cli_exit cli_admin_stats(struct cli_admin *admin, struct arena *arena,
	struct text *text, const struct value **document)
{
	struct cli_http_reply reply;
	struct json_error error;
	enum cli_exit code = cli_admin_get(admin, "/stats", arena, &reply);

	if (code != CLI_DONE)
		return code;
	if (reply.status != 200)
		return cli_admin_refused(admin, arena, &reply);
	*text = text_trim(reply.body);
	*document = json_parse(arena, reply.body, JSON_MAX_DEPTH, &error);
	if (*document)
		return CLI_DONE;
	return cli_fail(CLI_REFUSED, "%s answered what is no JSON: %s",
		cli_http_name(admin->http), error.message);
}
