/*
 * stats.h - everything that is counted, as the Prometheus page and as one JSON document.
 *
 * What there is to tell is the list stats_groups, made of the tables of the modules that
 * count. A page is written in steps, a piece in each pass of the loop, so that a large
 * catalog does not hold up its events.
 */
#ifndef VOLLEY_FRONT_STATS_H
#define VOLLEY_FRONT_STATS_H

#include <event2/buffer.h>
#include <stddef.h>
#include <stdint.h>

#include "base/metric.h"
#include "base/process.h"
#include "engine/engine.h"
#include "front/deploy.h"
#include "loop/dns.h"
#include "loop/loop.h"
#include "net/http_server.h"

/* Where the figures come from; all of it outlives the pages. */
struct stats_sources {
	struct loop *loop;
	struct engine *engine;
	struct http_server *events; /* of the Event API; NULL: not there (any more) */
	struct http_server *admin;
	const struct deploy_figures *reloads;
	uint64_t started_ms; /* wall clock */
	uint64_t started;    /* monotonic ns */
	const char *state;   /* "starting", "ready", "draining" */
	size_t pages;        /* in the making: the pages' own count */
};

/* All groups; key and tables NULL end the list. For the manual, too. */
extern const struct metric_group stats_groups[];

/* What the groups read while a page is written. */
struct stats_view {
	const struct stats_sources *sources;
	struct deployment *deployment; /* held */
	char started_at[32];
	uint64_t numbers[8]; /* of the object being told */
	struct process_figures process;
	struct engine_figures engine;
	struct dns_figures dns;
	struct account_figures pool;
	struct http_figures nothing;
};

enum stats_format { STATS_METRICS, STATS_JSON };

struct stats_page;

/*
 * Begins a page of the deployment in force. done() is called once, by the loop, in a later
 * pass; it may take bytes out of the body, which is freed afterwards.
 */
struct stats_page *stats_page_new(struct stats_sources *sources, enum stats_format format,
	void (*done)(void *owner, struct evbuffer *body), void *owner);

/* done() is not called any more. */
void stats_page_cancel(struct stats_page *page);

#endif
