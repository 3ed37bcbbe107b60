/*
 * redis.c - the connector for Redis: one action is one command.
 *
 * Accounts and attempts stand here; what an action's template means is the business of
 * redis_actions (the tables), redis_plan (template to command) and redis_command (what
 * COMMAND refuses).
 *
 * Refused: a connection for each task. Commands of many tasks share one, and what would
 * change or block it is refused when the files are read.
 */
#include "service/redis.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "net/redis_client.h"
#include "net/redis_url.h"
#include "service/account_tls.h"
#include "service/redis_actions.h"
#include "service/redis_plan.h"

/* ---- tables ---- */

static const struct field account_fields[] = {
	{ "url", FIELD_TEXT, FIELD_REQUIRED | FIELD_ADDRESS, NULL, NULL,
		"redis://[user[:password]@]host[:port][/db], rediss:// for TLS, or "
		"unix:PATH[?db=N]" },
	{ "username", FIELD_TEXT, 0, NULL, NULL,
		"user of the login, in place of the url's" },
	{ "password", FIELD_TEXT, FIELD_SECRET, NULL, NULL,
		"password of the login, in place of the url's" },
	{ "tls", FIELD_MAP, 0, NULL, NULL,
		"with rediss://: files of certificates (ca, certificate, key), verify" },
	{ NULL }
};

/* ---- accounts ---- */

struct settings {
	struct redis_endpoint endpoint;
	struct pool_settings pool;
	const char *account, *environment;
};

/* Whom we trust, and who we are; false: diag has an error. */
static bool check_tls(struct redis_endpoint *endpoint, const struct node *url,
	const struct node *tls, const struct account_context *context, struct arena *arena,
	struct diag *diag)
{
	if (endpoint->is_tls) {
		endpoint->tls = account_tls_read(tls, url->place, context, arena, diag);
		return endpoint->tls != NULL;
	}
	if (node_is_null(tls))
		return true;
	diag_error(
		diag, tls->place, "'tls' without TLS: the url must begin with rediss://");
	return false;
}

static struct settings *account_check(const struct node *half,
	const struct account_context *context, struct arena *arena, struct diag *diag)
{
	struct settings *settings = arena_zalloc(arena, 1, sizeof *settings);
	const struct node *url = node_get(half, "url");
	const struct node *username = node_get(half, "username");
	const struct node *password = node_get(half, "password");
	const struct node *tls = node_get(half, "tls");
	struct errbuf reason;

	if (!redis_url_parse(
		    url->text, context->folder, arena, &settings->endpoint, &reason)) {
		diag_error(diag, url->place, "%s", reason.text);
		return NULL;
	}
	if (!check_tls(&settings->endpoint, url, tls, context, arena, diag))
		return NULL;
	if (!node_is_null(username))
		settings->endpoint.username = username->text;
	if (!node_is_null(password))
		settings->endpoint.password = password->text;
	if (settings->endpoint.username.len > 0 && settings->endpoint.password.len == 0) {
		diag_error(diag, node_is_null(username) ? url->place : username->place,
			"a user needs a password");
		return NULL;
	}
	/* A relative path starts at the folder, which may be another one at a reload. */
	if (settings->endpoint.target.path && context->files)
		*context->files = hash_bytes(settings->endpoint.target.path,
			strlen(settings->endpoint.target.path));
	settings->pool = context->pool;
	settings->account = context->account;
	settings->environment = context->environment;
	return settings;
}

struct account {
	struct redis_client *client;
};

static struct account *account_open(const struct settings *settings, struct loop *loop)
{
	struct account *account = mem_alloc(sizeof *account);

	account->client = redis_client_new(loop, &settings->endpoint, &settings->pool,
		settings->account, settings->environment);
	return account;
}

static void account_warm(struct account *account)
{
	redis_client_warm(account->client);
}

static void account_figures(const struct account *account, struct account_figures *out)
{
	redis_client_figures(account->client, out);
}

static void account_close(struct account *account)
{
	redis_client_free(account->client);
	free(account);
}

/* A connection that is silent is closed after the longest of all timeouts that use it. */
static void allow(struct settings *settings, uint64_t timeout, struct arena *arena)
{
	if (timeout > settings->pool.timeout)
		settings->pool.timeout = timeout;
}

/* ---- attempts ---- */

static void start(
	struct account *account, const struct request *request, struct attempt *attempt)
{
	redis_client_send(account->client, attempt, redis_request_command(request));
}

static enum attempt_stage cancel(struct account *account, struct attempt *attempt)
{
	return redis_client_cancel(account->client, attempt);
}

const struct service_ops service_redis = {
	.type = "REDIS",
	.account = account_fields,
	.actions = redis_actions,
	.connections = 1,
	.help = "commands to a Redis server",
	.account_check = account_check,
	.allow = allow,
	.compile = redis_compile,
	.render = redis_render,
	.describe = redis_describe,
	.open = account_open,
	.warm = account_warm,
	.start = start,
	.cancel = cancel,
	.figures = account_figures,
	.close = account_close,
};
