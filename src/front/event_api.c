/*
 * event_api.c - the Event API: each request's way from its head to its reply.
 *
 * The checks stand in the order in which the interface promises them (method and path,
 * credentials, room, permission, event, content type, JSON, model); what a head can already
 * decide is decided before a byte of the body is read. A framework of middlewares was
 * refused: the order is the point, and here it can be read.
 */
#include "front/event_api.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/uuid.h"
#include "engine/run.h"
#include "front/credentials.h"
#include "front/preferences.h"
#include "front/problem.h"
#include "front/rate.h"
#include "net/http_server.h"
#include "value/json.h"

struct event_api {
	struct engine *engine;
	struct http_server *server;
	struct rates *rates;
	bool draining;
};

/* A request that passed its head's checks; in the request's arena, later the run's. */
struct call {
	struct event_api *api;
	struct http_request *request;
	struct deployment *deployment; /* NULL: handed to the run */
	const struct event_def *event;
	enum environment environment;
	struct run *run; /* NULL: the body is being read */
	struct preferences preferences;
};

static const struct volley_settings *settings_of(const struct deployment *deployment)
{
	return deployment_snapshot(deployment)->settings;
}

/*
 * The rest of the path behind a prefix, without one trailing slash; at NULL: another path.
 */
static struct text path_behind(struct text path, const char *prefix)
{
	size_t len = strlen(prefix);
	struct text rest = { 0 };

	if (path.len > len && memcmp(path.at, prefix, len) == 0) {
		rest = (struct text){ path.at + len, path.len - len };
		if (rest.at[rest.len - 1] == '/')
			rest.len--;
		if (rest.len == 0 || memchr(rest.at, '/', rest.len))
			rest = (struct text){ 0 };
	}
	return rest;
}

static struct text event_in_path(const struct volley_settings *settings, struct text path)
{
	struct text id = { 0 };

	for (size_t i = 0; i < settings->route_count && !id.at; i++)
		id = path_behind(path, settings->routes[i]);
	return id;
}

static bool refuse_method(struct http_request *request, const char *allowed)
{
	const char *allow[][2] = { { "Allow", allowed } };

	if (text_is(request->method, allowed))
		return false;
	problem_reply(request, 405, allow, 1, "%.*s is not allowed here, use %s",
		TEXT_ARG(request->method), allowed);
	return true;
}

/* 401 names no half: a stranger learns nothing about keys. */
static const struct key *require_key(
	struct http_request *request, const struct snapshot *snapshot)
{
	static const char *challenge[][2] = { { "WWW-Authenticate",
		"Basic realm=\"volley\", charset=\"UTF-8\"" } };
	const struct key *key = credentials_check(request, snapshot);

	if (!key)
		problem_reply(request, 401, challenge, 1,
			"credentials are missing or wrong: send the headers client_key and "
			"client_secret, or HTTP Basic");
	return key;
}

/* Whether the key has sent too many requests of late; replies with 429 then. */
static bool refuse_for_rate(struct event_api *api, struct http_request *request,
	const struct snapshot *snapshot, const struct key *key)
{
	char seconds[24];
	const char *retry[][2] = { { "Retry-After", seconds } };
	uint64_t wait;

	rates_follow(api->rates, snapshot);
	wait = rates_take(api->rates, key, clock_now());
	if (wait == 0)
		return false;
	snprintf(seconds, sizeof(seconds), "%llu", (unsigned long long)wait);
	problem_reply(request, 429, retry, 1,
		"key %.*s sends more often than its rate allows (keys.yaml); try again in "
		"%s s",
		TEXT_ARG(key->name), seconds);
	return true;
}

static const struct settings_limits *limits_of(const struct event_api *api)
{
	return &settings_of(engine_deployment(api->engine))->limits;
}

/* Why there is no room for more; NULL: there is. */
static const char *lacks_memory(const struct event_api *api)
{
	if (arena_total() <= limits_of(api)->memory)
		return NULL;
	return "the events being processed use too much memory (limits.memory)";
}

static const char *lacks_place(const struct event_api *api)
{
	if (engine_inflight(api->engine) < limits_of(api)->inflight)
		return NULL;
	return "too many events are being processed (limits.inflight)";
}

/* Replies with 503 unless why is NULL; whether it did. */
static bool refuse_for_now(struct http_request *request, const char *why)
{
	static const char *retry[][2] = { { "Retry-After", "1" } };

	if (why)
		problem_reply(request, 503, retry, 1, "%s; try again later", why);
	return why != NULL;
}

/* Whether there is no room for one more run; replies with 503 then. */
static bool refuse_for_room(struct event_api *api, struct http_request *request)
{
	const char *why = api->draining ? "the server is shutting down" : lacks_place(api);

	return refuse_for_now(request, why ? why : lacks_memory(api));
}

/* JSON types, none, and what `curl -d` says; parameters aside, where only UTF-8 is a
 * charset. */
static bool media_type_is_json(struct text type)
{
	static const char *const taken[] = { "application/json", "text/json", "text/plain",
		"application/x-www-form-urlencoded" };
	const char *semicolon = memchr(type.at, ';', type.len);
	struct text name = type;

	if (semicolon)
		name.len = (size_t)(semicolon - type.at);
	name = text_trim(name);
	if (name.len > 5 &&
		text_is_nocase((struct text){ name.at + name.len - 5, 5 }, "+json"))
		return true;
	for (size_t i = 0; i < array_len(taken); i++)
		if (text_is_nocase(name, taken[i]))
			return true;
	return name.len == 0;
}

static bool charset_is_utf8(struct text type)
{
	static const char mark[] = "charset=";
	const size_t len = sizeof(mark) - 1;

	for (size_t i = 0; i + len <= type.len; i++) {
		struct text value;

		if (!text_is_nocase((struct text){ type.at + i, len }, mark))
			continue;
		value = (struct text){ type.at + i + len, type.len - i - len };
		if (memchr(value.at, ';', value.len))
			value.len = (size_t)((char *)memchr(value.at, ';', value.len) -
					     value.at);
		value = text_trim(value);
		if (value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"')
			value = (struct text){ value.at + 1, value.len - 2 };
		return text_is_nocase(value, "utf-8") || text_is_nocase(value, "utf8") ||
		       text_is_nocase(value, "us-ascii");
	}
	return true;
}

static bool refuse_content(struct http_request *request)
{
	const struct text *type = http_header(request, "content-type");
	const struct text *encoding = http_header(request, "content-encoding");

	if (encoding && encoding->len && !text_is_nocase(*encoding, "identity")) {
		problem_reply(request, 415, NULL, 0,
			"a body with Content-Encoding %.*s is not taken, send it as it is",
			TEXT_ARG(*encoding));
		return true;
	}
	if (type && type->len && !(media_type_is_json(*type) && charset_is_utf8(*type))) {
		problem_reply(request, 415, NULL, 0,
			"a body of type %.*s is not taken, send application/json in UTF-8",
			TEXT_ARG(*type));
		return true;
	}
	return false;
}

static void begin_event_call(
	struct event_api *api, struct http_request *request, struct text id)
{
	struct deployment *deployment = engine_deployment(api->engine);
	const struct snapshot *snapshot = deployment_snapshot(deployment);
	const struct event_def *event;
	const struct key *key;
	struct call *call;

	if (refuse_method(request, "POST"))
		return;
	key = require_key(request, snapshot);
	if (!key || refuse_for_rate(api, request, snapshot, key) ||
		refuse_for_room(api, request))
		return;
	if (!key_allows(key, id)) {
		problem_reply(request, 403, NULL, 0, "this key may not send event %.*s",
			TEXT_ARG(id));
		return;
	}
	event = snapshot_event(snapshot, id);
	if (!event) {
		problem_reply(
			request, 404, NULL, 0, "there is no event %.*s", TEXT_ARG(id));
		return;
	}
	if (refuse_content(request))
		return;
	call = arena_zalloc(request->arena, 1, sizeof(*call));
	call->api = api;
	call->request = request;
	call->deployment = deployment_hold(deployment);
	call->event = event;
	call->environment = key->environment;
	request->context = call;
}

/* A look-up is for keys that might have sent the event, in the run's environment; others
 * see nothing. */
static bool may_see(
	const struct key *key, struct text event_id, enum environment environment)
{
	return key->environment == environment && key_allows(key, event_id);
}

static void reply_json(struct http_request *request, int status, const char *(*headers)[2],
	size_t header_count, struct text body)
{
	struct http_reply reply = { .status = status,
		.content_type = "application/json",
		.headers = headers,
		.header_count = header_count,
		.body = body };

	http_reply(request, &reply);
}

/* Which catalog the run began with, as a header's value in the arena. */
static const char *catalog_number(struct arena *arena, uint64_t catalog)
{
	return arena_printf(arena, "%llu", (unsigned long long)catalog);
}

static void reply_run(struct http_request *request, uint64_t catalog, struct text body)
{
	const char *headers[][2] = { { "Volley-Catalog",
		catalog_number(request->arena, catalog) } };

	reply_json(request, 200, headers, 1, body);
}

static void look_up_run(struct event_api *api, struct http_request *request, struct text id)
{
	const struct key *key;
	struct kept_reply kept;
	struct run *run;

	if (refuse_method(request, "GET"))
		return;
	key = require_key(request, deployment_snapshot(engine_deployment(api->engine)));
	if (!key)
		return;
	run = engine_find(api->engine, id);
	if (run && may_see(key, run_event(run)->id, run_environment(run))) {
		reply_run(request, run_catalog(run), run_reply(run, request->arena));
	} else if (!run &&
		   replies_find(engine_replies(api->engine), id, clock_now(), &kept) &&
		   may_see(key, kept.event_id, kept.environment)) {
		reply_run(request, kept.catalog, kept.body);
	} else {
		problem_reply(request, 404, NULL, 0, "there is no run %.*s (any more)",
			TEXT_ARG(id));
	}
}

static void on_head(void *owner, struct http_request *request)
{
	struct event_api *api = owner;
	struct text event_id = event_in_path(
		settings_of(engine_deployment(api->engine)), request->path);
	struct text run_text = path_behind(request->path, "/run/");

	if (event_id.at)
		begin_event_call(api, request, event_id);
	else if (run_text.at)
		look_up_run(api, request, run_text);
	else
		problem_reply(request, 404, NULL, 0,
			"there is nothing at %.*s; events are sent to %s{event_id}",
			TEXT_ARG(request->path),
			settings_of(engine_deployment(api->engine))->routes[0]);
}

/* The reply of a run, which may outlive it. */
static void send_report(struct run *run, void *owner)
{
	struct call *call = owner;
	struct http_request *request = call->request;
	const char *headers[3][2] = { { "Volley-Catalog",
		catalog_number(request->arena, run_catalog(run)) } };
	size_t count = 1;
	char location[sizeof("/run/") + UUID_TEXT_LEN];
	char applied[64];
	int status = run_is_complete(run) ? 201 : 202;

	if (status == 202) {
		snprintf(location, sizeof(location), "/run/%s", run_id(run));
		headers[count][0] = "Location";
		headers[count++][1] = location;
	}
	if (call->preferences.wait || call->preferences.respond_async) {
		if (call->preferences.wait)
			snprintf(applied, sizeof(applied), "wait=%llu",
				(unsigned long long)call->preferences.seconds);
		else
			snprintf(applied, sizeof(applied), "respond-async");
		headers[count][0] = "Preference-Applied";
		headers[count++][1] = applied;
	}
	reply_json(request, status, headers, count, run_reply(run, request->arena));
}

static void start_run(struct call *call, const struct value *payload)
{
	struct http_request *request = call->request;
	struct preferences *preferences = &call->preferences;
	struct run_order order = { .deployment = call->deployment,
		.event = call->event,
		.environment = call->environment,
		.payload = payload,
		.received = request->started,
		.reply_within = settings_of(call->deployment)->respond_timeout,
		.reply = send_report,
		.owner = call };

	*preferences = preferences_read(request);
	if (preferences->wait) {
		if (preferences->seconds * NS_PER_SEC < order.reply_within)
			order.reply_within = preferences->seconds * NS_PER_SEC;
		preferences->seconds = order.reply_within / NS_PER_SEC;
	}
	order.respond_async = preferences->wait ? order.reply_within == 0
						: preferences->respond_async;
	order.arena = http_take_arena(request);
	call->deployment = NULL;
	call->run = run_begin(call->api->engine, &order);
}

static void refuse_payload(struct http_request *request, const struct event_def *event,
	const struct model_mismatches *mismatches)
{
	const struct model_mismatch *first = &mismatches->items[0];
	struct http_reply reply = { .status = 422, .content_type = PROBLEM_CONTENT_TYPE };
	const char *detail = arena_printf(request->arena,
		"the payload does not fit the model of %.*s: %.*s %.*s",
		TEXT_ARG(event->id), TEXT_ARG(first->path), TEXT_ARG(first->message));

	if (mismatches->count > 1)
		detail = arena_printf(
			request->arena, "%s, and %zu more", detail, mismatches->count - 1);
	reply.body = problem_body(request->arena, 422, text_of(detail), mismatches);
	http_reply(request, &reply);
}

/* The payload, or NULL after a refusal. */
static const struct value *read_payload(struct call *call)
{
	struct http_request *request = call->request;
	const struct settings_limits *limits = &settings_of(call->deployment)->limits;
	struct text body = request->body.len ? request->body : TEXT("{}");
	struct model_mismatches mismatches = { 0 };
	struct json_error error;
	const struct value *payload = json_parse(
		request->arena, body, limits->depth, &error);

	if (!payload) {
		problem_reply(request, 400, NULL, 0, "malformed JSON at offset %zu: %s",
			error.offset, error.message);
		return NULL;
	}
	if (!model_check(call->event->model, call->event->strict, payload, request->arena,
		    &mismatches)) {
		refuse_payload(request, call->event, &mismatches);
		return NULL;
	}
	return payload;
}

/* Many bodies at once can need more than there was when their heads were looked at. */
static bool may_grow(void *owner, struct http_request *request)
{
	struct call *call = request->context;
	struct deployment *deployment = call->deployment;

	if (!refuse_for_now(request, lacks_memory(owner)))
		return true;
	deployment_release(deployment);
	return false;
}

static void on_request(void *owner, struct http_request *request)
{
	struct call *call = request->context;
	struct deployment *deployment = call->deployment;
	/* Others may have taken the place while the body came. */
	bool refused = refuse_for_now(request, lacks_place(owner));
	const struct value *payload = refused ? NULL : read_payload(call);

	if (payload && http_header(request, "idempotency-key")) {
		problem_reply(request, 501, NULL, 0,
			"Idempotency-Key is not served by this version: send the event "
			"without it, "
			"or repeats would be processed again");
		payload = NULL;
	}
	if (payload)
		start_run(call, payload);
	else
		deployment_release(deployment); /* the request, and the call in it, died
						   with its reply */
}

static void gone(void *owner, struct http_request *request)
{
	struct call *call = request->context;

	if (!call)
		return;
	if (call->run)
		run_abandon(call->run);
	else
		deployment_release(call->deployment);
}

static const struct http_handler handler = {
	.on_head = on_head,
	.may_grow = may_grow,
	.on_request = on_request,
	.gone = gone,
	.error_body = problem_error_body,
};

static struct http_limits http_limits_of(
	const struct volley_settings *settings, unsigned connections)
{
	const struct settings_limits *limits = &settings->limits;

	return (struct http_limits){ .connections = connections,
		.body = limits->body,
		.head = limits->head,
		.headers = limits->headers,
		.pipeline = limits->pipeline,
		.unsent = limits->memory,
		.head_timeout = limits->head_timeout,
		.body_timeout = limits->body_timeout,
		.reply_timeout = limits->reply_timeout,
		.idle_timeout = limits->idle_timeout };
}

bool event_api_apply(struct event_api *api, const struct volley_settings *settings,
	unsigned connections, struct errbuf *errbuf)
{
	struct http_listen *list = mem_zalloc(settings->listen_count, sizeof(*list));
	struct http_limits limits = http_limits_of(settings, connections);
	bool good;

	for (size_t i = 0; i < settings->listen_count; i++) {
		list[i].address = settings->listen[i].address;
		list[i].tls = settings->listen[i].tls ? settings->tls.context : NULL;
	}
	good = http_server_listeners(api->server, list, settings->listen_count, errbuf);
	if (good)
		http_server_limits(api->server, &limits);
	free(list);
	return good;
}

struct event_api *event_api_new(struct loop *loop, struct engine *engine,
	unsigned connections, struct errbuf *errbuf)
{
	const struct volley_settings *settings = settings_of(engine_deployment(engine));
	struct http_limits limits = http_limits_of(settings, connections);
	struct event_api *api = mem_zalloc(1, sizeof(*api));

	api->engine = engine;
	api->rates = rates_new();
	(void)key_matches(
		NULL, TEXT("")); /* OpenSSL's first hash takes 10 ms: not from an event */
	api->server = http_server_new(loop, &limits, &handler, api);
	if (event_api_apply(api, settings, connections, errbuf))
		return api;
	event_api_free(api);
	return NULL;
}

void event_api_drain(struct event_api *api)
{
	api->draining = true;
	http_server_drain(api->server);
}

size_t event_api_connections(const struct event_api *api)
{
	return http_server_connections(api->server);
}

struct http_server *event_api_server(const struct event_api *api)
{
	return api->server;
}

void event_api_free(struct event_api *api)
{
	http_server_free(api->server);
	rates_free(api->rates);
	free(api);
}
