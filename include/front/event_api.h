/*
 * event_api.h - the Event API: POST /event/{id} and GET /run/{id} on the main listeners.
 */
#ifndef VOLLEY_FRONT_EVENT_API_H
#define VOLLEY_FRONT_EVENT_API_H

#include "base/err.h"
#include "base/macros.h"
#include "engine/engine.h"
#include "loop/loop.h"

struct event_api;
struct http_server;

/*
 * Opens the listeners of the deployment in force. NULL: one of them cannot be opened, the
 * reason is in errbuf. event_api_apply() is for other settings, later.
 */
must_check struct event_api *event_api_new(struct loop *loop, struct engine *engine,
	unsigned connections, struct errbuf *errbuf);

/*
 * Puts other settings' limits and listeners in force, with at most that many connections.
 * False: errbuf says which listener cannot be opened, and nothing has changed.
 */
must_check bool event_api_apply(struct event_api *api,
	const struct volley_settings *settings, unsigned connections,
	struct errbuf *errbuf);

/* Stops accepting; requests that still come on open connections get 503. */
void event_api_drain(struct event_api *api);

/* Connections that are open. */
size_t event_api_connections(const struct event_api *api);

/* Its HTTP server, for figures; as long as it lives. */
struct http_server *event_api_server(const struct event_api *api);

void event_api_free(struct event_api *api);

#endif
