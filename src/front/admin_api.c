/*
 * admin_api.c - the admin side: a second HTTP server with its own few connections, so that
 * clients of either side cannot starve the other.
 *
 * Every request passes the checks in on_head(): Host, Origin, token, path, method, content
 * type. Pages of figures are written over several passes, a bounded number at a time. Refused:
 * paths beside /event/ on the main listeners; what the owner may see must not depend on a
 * proxy's rules.
 */
#include "front/admin_api.h"

#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/process.h"
#include "front/admin_guard.h"
#include "front/problem.h"

/* Pages in the making, and bytes that clients have not taken, beyond which there are none. */
enum { CONNECTIONS = 100, PAGES = 4, UNSENT_MAX = 64 << 20 };

struct admin_api {
	struct loop *loop;
	struct engine *engine;
	struct http_server *server;
	struct stats_sources sources;
	struct list pages; /* struct page */
};

/* A page in the making, for one request. */
struct page {
	struct admin_api *admin;
	struct http_request *request;
	struct stats_page *stats;
	const char *content_type;
	struct link link;
};

static const struct http_limits limits = {
	.connections = CONNECTIONS,
	.body = (size_t)64 << 10,
	.head = (size_t)16 << 10,
	.headers = 100,
	.pipeline = 8,
	.head_timeout = 10 * NS_PER_SEC,
	.body_timeout = 30 * NS_PER_SEC,
	.reply_timeout = 30 * NS_PER_SEC,
	.idle_timeout = 75 * NS_PER_SEC,
};

static const struct settings_admin *settings_of(const struct admin_api *admin)
{
	return &deployment_snapshot(engine_deployment(admin->engine))->settings->admin;
}

/* ---- health ---- */

static void reply_text(struct http_request *request, int status, const char *text)
{
	struct http_reply reply = { .status = status,
		.content_type = "text/plain; charset=utf-8",
		.body = text_of(text) };

	http_reply(request, &reply);
}

static void get_health(struct admin_api *admin, struct http_request *request)
{
	reply_text(request, 200, "ok\n");
}

static void get_ready(struct admin_api *admin, struct http_request *request)
{
	if (strcmp(admin->sources.state, "ready") == 0)
		reply_text(request, 200, "ready\n");
	else
		problem_reply(
			request, 503, NULL, 0, "the server is %s", admin->sources.state);
}

/* ---- figures ---- */

static void free_page(struct page *page)
{
	list_remove(&page->admin->pages, &page->link);
	free(page);
}

static void page_done(void *owner, struct evbuffer *body)
{
	struct page *page = owner;
	struct http_request *request = page->request;
	struct http_reply reply = {
		.status = 200, .content_type = page->content_type, .pages = body
	};

	free_page(page);
	request->context = NULL;
	http_reply(request, &reply);
}

static void begin_page(struct admin_api *admin, struct http_request *request,
	enum stats_format format, const char *content_type)
{
	static const char *retry[][2] = { { "Retry-After", "1" } };
	struct page *page;

	if (admin->pages.count >= PAGES || http_server_unsent(admin->server) > UNSENT_MAX) {
		problem_reply(request, 503, retry, 1,
			"as many pages of figures as there may be are being written or "
			"read; try again later");
		return;
	}
	page = mem_zalloc(1, sizeof(*page));
	page->admin = admin;
	page->request = request;
	page->content_type = content_type;
	list_append(&admin->pages, &page->link);
	request->context = page;
	page->stats = stats_page_new(&admin->sources, format, page_done, page);
}

static void get_metrics(struct admin_api *admin, struct http_request *request)
{
	begin_page(admin, request, STATS_METRICS, METRIC_CONTENT_TYPE);
}

static void get_stats(struct admin_api *admin, struct http_request *request)
{
	begin_page(admin, request, STATS_JSON, "application/json");
}

/* ---- paths ---- */

struct route {
	const char *path;
	bool open;    /* needs no token */
	bool changes; /* POST with a JSON body; else GET and HEAD */
	void (*serve)(struct admin_api *admin, struct http_request *request);
};

static const struct route routes[] = {
	{ "/healthz", true, false, get_health },
	{ "/readyz", true, false, get_ready },
	{ "/metrics", false, false, get_metrics },
	{ "/stats", false, false, get_stats },
};

static const struct route *find_route(struct text path)
{
	for (size_t i = 0; i < array_len(routes); i++)
		if (text_is(path, routes[i].path))
			return &routes[i];
	return NULL;
}

/* ---- checks ---- */

static bool refuse_host(struct admin_api *admin, struct http_request *request)
{
	const struct text *host = http_header(request, "host");
	struct text shown = host ? *host : TEXT("");

	if (admin_host_is_known(shown, settings_of(admin)))
		return false;
	problem_reply(request, 403, NULL, 0,
		"Host '%.*s' is neither an IP address nor localhost; a name is allowed by "
		"admin.hosts in volley.yaml",
		TEXT_ARG(shown));
	return true;
}

static bool refuse_origin(struct admin_api *admin, struct http_request *request)
{
	const struct text *origin = http_header(request, "origin");

	if (!origin || (http_header_count(request, "origin") == 1 &&
			       admin_origin_is_known(*origin, settings_of(admin))))
		return false;
	problem_reply(request, 403, NULL, 0,
		"requests from Origin '%.*s' are not taken; a name is allowed by "
		"admin.hosts in volley.yaml",
		TEXT_ARG(*origin));
	return true;
}

static bool refuse_token(struct admin_api *admin, struct http_request *request)
{
	static const char *challenge[][2] = { { "WWW-Authenticate",
		"Bearer realm=\"volley\"" } };

	if (admin_token_is_given(request, settings_of(admin)))
		return false;
	problem_reply(request, 401, challenge, 1,
		"the token is missing or wrong: send Authorization: Bearer with "
		"admin.token "
		"of volley.yaml");
	return true;
}

static bool refuse_method(const struct route *route, struct http_request *request)
{
	const char *allowed = route->changes ? "POST" : "GET, HEAD";
	const char *allow[][2] = { { "Allow", allowed } };
	bool is_read = text_is(request->method, "GET") || text_is(request->method, "HEAD");

	if (route->changes ? text_is(request->method, "POST") : is_read)
		return false;
	problem_reply(request, 405, allow, 1, "%.*s is not allowed here, use %s",
		TEXT_ARG(request->method), allowed);
	return true;
}

/* A form of a stranger's page cannot send this type without asking first (CORS). */
static bool refuse_type(const struct route *route, struct http_request *request)
{
	const struct text *header = http_header(request, "content-type");
	struct text type = header ? *header : TEXT("");
	const char *semicolon = type.len ? memchr(type.at, ';', type.len) : NULL;

	if (semicolon)
		type.len = (size_t)(semicolon - type.at);
	if (!route->changes || text_is_nocase(text_trim(type), "application/json"))
		return false;
	problem_reply(
		request, 415, NULL, 0, "a change needs Content-Type: application/json");
	return true;
}

static void on_head(void *owner, struct http_request *request)
{
	struct admin_api *admin = owner;
	const struct route *route = find_route(request->path);

	if (refuse_host(admin, request) || refuse_origin(admin, request))
		return;
	if (!(route && route->open) && refuse_token(admin, request))
		return;
	if (!route)
		problem_reply(request, 404, NULL, 0, "there is nothing at %.*s",
			TEXT_ARG(request->path));
	else if (!refuse_method(route, request))
		(void)refuse_type(route, request);
}

static void on_request(void *owner, struct http_request *request)
{
	find_route(request->path)->serve(owner, request);
}

static void gone(void *owner, struct http_request *request)
{
	struct page *page = request->context;

	if (!page)
		return;
	stats_page_cancel(page->stats);
	free_page(page);
}

static const struct http_handler handler = {
	.on_head = on_head,
	.on_request = on_request,
	.gone = gone,
	.error_body = problem_error_body,
};

/* ---- the listener ---- */

/* A unix socket is for its owner only. */
bool admin_api_apply(struct admin_api *admin, const struct volley_settings *settings,
	struct errbuf *errbuf)
{
	const struct http_listen listen = {
		.address = settings->admin.listen, .mode = 0600, .message = "admin listener"
	};

	struct errbuf reason;

	if (http_server_listeners(admin->server, &listen, 1, &reason))
		return true;
	errbuf_set(errbuf, "%s (admin.listen in volley.yaml)", reason.text);
	return false;
}

/* ---- life ---- */

struct admin_api *admin_api_new(struct loop *loop, struct engine *engine,
	const struct deploy_figures *reloads, struct errbuf *errbuf)
{
	struct admin_api *admin = mem_zalloc(1, sizeof(*admin));

	admin->loop = loop;
	admin->engine = engine;
	list_init(&admin->pages);
	admin->sources = (struct stats_sources){ .loop = loop,
		.engine = engine,
		.reloads = reloads,
		.started_ms = clock_wall_ms(),
		.started = clock_now(),
		.state = "starting" };
	process_open();
	admin->server = admin->sources.admin = http_server_new(
		loop, &limits, &handler, admin);
	if (admin_api_apply(admin, deployment_snapshot(engine_deployment(engine))->settings,
		    errbuf))
		return admin;
	admin_api_free(admin);
	return NULL;
}

void admin_api_ready(struct admin_api *admin, struct http_server *events)
{
	admin->sources.events = events;
	admin->sources.state = "ready";
}

void admin_api_drain(struct admin_api *admin)
{
	admin->sources.state = "draining";
}

void admin_api_free(struct admin_api *admin)
{
	http_server_free(admin->server);
	process_close();
	free(admin);
}
