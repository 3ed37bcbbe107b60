/*
 * admin_api.h - the admin listener: health, figures; for the people who run the daemon.
 */
#ifndef VOLLEY_FRONT_ADMIN_API_H
#define VOLLEY_FRONT_ADMIN_API_H

#include "base/err.h"
#include "base/macros.h"
#include "conf/settings.h"
#include "front/stats.h"

struct admin_api;

/*
 * Opens the listener that the settings of the deployment in force name; its token and hosts
 * are always those of the deployment in force. The figures of reloads outlive it. NULL: it
 * cannot be opened, the reason is in errbuf. Not ready until admin_api_ready().
 */
must_check struct admin_api *admin_api_new(struct loop *loop, struct engine *engine,
	const struct deploy_figures *reloads, struct errbuf *errbuf);

/*
 * Events are taken, by this server, which outlives the admin side: /readyz is 200 from now
 * on.
 */
void admin_api_ready(struct admin_api *admin, struct http_server *events);

/* No more events are taken: /readyz is 503 to the end, all else is served on. */
void admin_api_drain(struct admin_api *admin);

/*
 * After a reload: another listener, if it has changed. False: it cannot be opened, the old
 * one serves on, the reason is in errbuf.
 */
must_check bool admin_api_apply(struct admin_api *admin,
	const struct volley_settings *settings, struct errbuf *errbuf);

/* Closes at once; pages in the making are lost. */
void admin_api_free(struct admin_api *admin);

#endif
